#include "base/map.h"

#include <string.h>

#include "base/assert.h"
#include "base/rng.h"

/* An entry: used flag (u32), value (u32), key padded to 8 bytes. */
#define ENTRY_HEADER_LEN 8u

static uint64_t rotl(uint64_t value, int bits) {
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

uint64_t siphash13(const uint64_t key[2], const void *data, size_t len) {
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    const uint8_t *at = data;
    size_t left = len;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)len << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)at[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint32_t table_len(uint32_t capacity) {
    uint32_t len = 4;
    while (len < capacity * 2)
        len *= 2;
    return len;
}

static size_t entry_len(uint32_t key_len) {
    return ENTRY_HEADER_LEN + ((key_len + 7u) & ~7u);
}

size_t map_size(uint32_t capacity, uint32_t key_len) {
    return (size_t)table_len(capacity) * entry_len(key_len);
}

/* Zeroes what is not zero already: reading an untouched page of an anonymous mapping costs no memory, writing does, and
 * tables are sized for the worst case. */
static void clear_lazily(uint8_t *memory, size_t len) {
    static const uint8_t zeros[4096];
    for (size_t at = 0; at < len; at += sizeof zeros) {
        size_t part = len - at < sizeof zeros ? len - at : sizeof zeros;
        if (memcmp(memory + at, zeros, part) != 0)
            memset(memory + at, 0, part);
    }
}

void map_init(struct map *map, void *memory, uint32_t capacity, uint32_t key_len, struct rng *rng) {
    ASSERT(capacity > 0 && capacity <= UINT32_C(1) << 28);
    ASSERT(key_len > 0 && key_len <= MAP_KEY_LEN_MAX);
    ASSERT(memory != NULL);
    *map = (struct map){.capacity = capacity,
                        .mask = table_len(capacity) - 1,
                        .key_len = key_len,
                        .entries = memory,
                        .entry_len = entry_len(key_len)};
    clear_lazily(memory, map_size(capacity, key_len));
    map->hash_key[0] = rng_u64(rng);
    map->hash_key[1] = rng_u64(rng);
}

static uint8_t *entry_at(const struct map *map, uint32_t slot) {
    return map->entries + (size_t)slot * map->entry_len;
}

static uint32_t read_u32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static bool used(const uint8_t *entry) {
    return read_u32(entry) != 0;
}

static uint32_t home_slot(const struct map *map, const void *key) {
    return (uint32_t)siphash13(map->hash_key, key, map->key_len) & map->mask;
}

/* The slot of the key, or the empty slot where it would go. */
static uint32_t find_slot(const struct map *map, const void *key) {
    uint32_t slot = home_slot(map, key);
    while (used(entry_at(map, slot)) && memcmp(entry_at(map, slot) + ENTRY_HEADER_LEN, key, map->key_len) != 0)
        slot = (slot + 1) & map->mask;
    return slot;
}

bool map_put(struct map *map, const void *key, uint32_t value) {
    uint8_t *entry = entry_at(map, find_slot(map, key));
    if (!used(entry)) {
        if (map->count >= map->capacity)
            return false;
        map->count++;
        uint32_t one = 1;
        memcpy(entry, &one, 4);
        memcpy(entry + ENTRY_HEADER_LEN, key, map->key_len);
    }
    memcpy(entry + 4, &value, 4);
    return true;
}

bool map_get(const struct map *map, const void *key, uint32_t *value) {
    const uint8_t *entry = entry_at(map, find_slot(map, key));
    if (!used(entry))
        return false;
    *value = read_u32(entry + 4);
    return true;
}

bool map_remove(struct map *map, const void *key) {
    uint32_t hole = find_slot(map, key);
    if (!used(entry_at(map, hole)))
        return false;
    uint32_t slot = hole;
    for (;;) {
        slot = (slot + 1) & map->mask;
        const uint8_t *entry = entry_at(map, slot);
        if (!used(entry))
            break;
        uint32_t home = home_slot(map, entry + ENTRY_HEADER_LEN);
        /* an entry may move back into the hole only if its home does not lie after the hole */
        if (((slot - home) & map->mask) >= ((slot - hole) & map->mask)) {
            memcpy(entry_at(map, hole), entry, map->entry_len);
            hole = slot;
        }
    }
    memset(entry_at(map, hole), 0, map->entry_len);
    ASSERT(map->count > 0);
    map->count--;
    return true;
}
