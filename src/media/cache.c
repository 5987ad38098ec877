#include "media/cache.h"

#include "base/assert.h"

void cache_init(struct cache *cache, struct cache_slot *slots, uint32_t capacity) {
    ASSERT(slots != NULL);
    ASSERT(capacity > 0 && (capacity & (capacity - 1)) == 0);
    *cache = (struct cache){.slots = slots, .capacity = capacity};
}

static struct cache_slot *slot_of(const struct cache *cache, uint64_t seq64) {
    return &cache->slots[seq64 & (cache->capacity - 1)];
}

static void empty_slot(struct cache *cache, struct packet_arena *arena, struct cache_slot *slot) {
    if (slot->packet == 0)
        return;
    packet_unref(arena, &arena->packets[slot->packet - 1]);
    *slot = (struct cache_slot){0};
    ASSERT(cache->count > 0);
    cache->count--;
}

/* Moves `oldest` up to `until`, emptying what it passes. */
static void advance(struct cache *cache, struct packet_arena *arena, uint64_t until) {
    if (until - cache->oldest >= cache->capacity) { /* everything goes, and no slot needs to be visited twice */
        for (uint32_t i = 0; i < cache->capacity && cache->count > 0; i++)
            empty_slot(cache, arena, &cache->slots[i]);
        cache->oldest = until;
        return;
    }
    for (; cache->oldest < until; cache->oldest++)
        empty_slot(cache, arena, slot_of(cache, cache->oldest));
}

void cache_put(struct cache *cache, struct packet_arena *arena, uint64_t seq64, struct packet *packet) {
    ASSERT(packet->refs > 0);
    if (cache->count == 0) {
        cache->oldest = seq64;
        cache->highest = seq64;
    } else if (seq64 > cache->highest) {
        cache->highest = seq64;
        if (seq64 - cache->oldest >= cache->capacity)
            advance(cache, arena, seq64 - cache->capacity + 1);
    } else if (seq64 < cache->oldest) {
        if (cache->highest - seq64 >= cache->capacity)
            return;
        cache->oldest = seq64;
    }
    struct cache_slot *slot = slot_of(cache, seq64);
    empty_slot(cache, arena, slot);
    packet_ref(packet);
    *slot = (struct cache_slot){.seq64 = seq64, .packet = packet->index + 1};
    cache->count++;
    ASSERT(cache->count <= cache->capacity);
}

struct packet *cache_get(const struct cache *cache, const struct packet_arena *arena, uint64_t seq64) {
    if (cache->count == 0)
        return NULL;
    const struct cache_slot *slot = slot_of(cache, seq64);
    return slot->packet != 0 && slot->seq64 == seq64 ? &arena->packets[slot->packet - 1] : NULL;
}

void cache_expire(struct cache *cache, struct packet_arena *arena, uint64_t before_us) {
    while (cache->count > 0) {
        struct cache_slot *slot = slot_of(cache, cache->oldest);
        if (slot->packet != 0 && arena->packets[slot->packet - 1].rx_us >= before_us)
            return;
        empty_slot(cache, arena, slot);
        cache->oldest++;
    }
}

void cache_clear(struct cache *cache, struct packet_arena *arena) {
    for (uint64_t seq = cache->oldest; cache->count > 0; seq++) {
        ASSERT(seq <= cache->highest);
        empty_slot(cache, arena, slot_of(cache, seq));
    }
}
