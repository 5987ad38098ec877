/* A fixed-capacity hash map from keys of one fixed length to 32-bit values (usually a pool index or handle).
 *
 * Open addressing with linear probing and backward-shift deletion: no tombstones, no growth. The hash is SipHash-1-3 under a
 * secret key drawn at init, so that a stranger who chooses keys (addresses, ufrags, SSRCs) cannot make chains long.
 * When `capacity` keys are in, `map_put` refuses. The caller gives `map_size()` bytes. Threads: none. */
#ifndef CONCLAVE_BASE_MAP_H
#define CONCLAVE_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng;

/* Longest key: an address pair. */
#define MAP_KEY_LEN_MAX 64

struct map {
    uint32_t capacity;
    uint32_t count;
    uint32_t mask; /* table size - 1; the table is at least twice the capacity */
    uint32_t key_len;
    uint64_t hash_key[2];
    uint8_t *entries;
    size_t entry_len;
};

size_t map_size(uint32_t capacity, uint32_t key_len);
void map_init(struct map *map, void *memory, uint32_t capacity, uint32_t key_len, struct rng *rng);
/* Sets or replaces. False when the map is full and the key is not in it. */
bool map_put(struct map *map, const void *key, uint32_t value);
bool map_get(const struct map *map, const void *key, uint32_t *value);
bool map_remove(struct map *map, const void *key);

/* SipHash-1-3, for other keyed tables. */
uint64_t siphash13(const uint64_t key[2], const void *data, size_t len);

#endif
