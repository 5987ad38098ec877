/* The retransmission cache of one received stream: references to its last packets, in plain text, once for all
 * receivers. A ring by sequence number; what is overwritten or too old loses its reference. The slots come from the
 * caller, zeroed pages that are touched as they are used. */
#ifndef CONCLAVE_MEDIA_CACHE_H
#define CONCLAVE_MEDIA_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/packet.h"

/* A receiver asks within a round trip or two; older packets come too late to be played. */
#define CACHE_AGE_US UINT64_C(1500000)
#define CACHE_AGE_SCARCE_US UINT64_C(300000)

struct cache_slot {
    uint64_t seq64;
    uint32_t packet; /* index + 1, 0 = empty */
    uint32_t reserved;
};

struct cache {
    struct cache_slot *slots;
    uint32_t capacity; /* a power of two */
    uint32_t count;
    uint64_t oldest, highest; /* every filled slot is in [oldest, highest] when count > 0 */
};

/* `slots`: `capacity` zeroed entries, kept until cache_clear. */
void cache_init(struct cache *cache, struct cache_slot *slots, uint32_t capacity);
/* Takes a reference of its own. A packet older than the ring reaches back is not taken. */
void cache_put(struct cache *cache, struct packet_arena *arena, uint64_t seq64, struct packet *packet);
/* NULL when it is not there (any more); borrowed. */
struct packet *cache_get(const struct cache *cache, const struct packet_arena *arena, uint64_t seq64);
/* Drops what was received before `before_us`, from the oldest on. */
void cache_expire(struct cache *cache, struct packet_arena *arena, uint64_t before_us);
/* Drops everything; the slots are zero again. */
void cache_clear(struct cache *cache, struct packet_arena *arena);

#endif
