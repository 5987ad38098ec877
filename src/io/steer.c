#include "io/steer.h"

#include "base/assert.h"
#include "io/memory.h"
#include "protocol/ice_lite.h"

/* Beside the shard in a value of the map. */
#define STEER_PROVEN (UINT32_C(1) << 31)

static uint32_t base36(uint8_t c) {
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a' + 10);
    return STEER_UNKNOWN;
}

uint32_t steer_ufrag_shard(struct span ufrag) {
    if (ufrag.len < STEER_SHARD_DIGITS)
        return STEER_UNKNOWN;
    uint32_t high = base36(ufrag.data[0]);
    uint32_t low = base36(ufrag.data[1]);
    return high == STEER_UNKNOWN || low == STEER_UNKNOWN ? STEER_UNKNOWN : high * 36 + low;
}

uint32_t steer_stun_shard(struct span datagram) {
    struct span ufrag;
    struct ice_lite_route route;
    if (ice_peek_answer_route(datagram, &route))
        return route.shard;
    return ice_peek_local_ufrag(datagram, &ufrag) ? steer_ufrag_shard(ufrag) : STEER_UNKNOWN;
}

bool steer_init(struct steer *steer, uint32_t capacity, struct rng *rng) {
    steer->memory_len = map_size(capacity, sizeof(struct net_addr));
    steer->memory = memory_map(steer->memory_len);
    if (steer->memory == NULL)
        return false;
    map_init(&steer->map, steer->memory, capacity, sizeof(struct net_addr), rng);
    return true;
}

void steer_free(struct steer *steer) {
    memory_unmap(steer->memory, steer->memory_len);
    steer->memory = NULL;
}

bool steer_learn(struct steer *steer, const struct net_addr *from, uint32_t shard, bool proven) {
    ASSERT(from->proto == NET_UDP && shard < STEER_PROVEN);
    if (!proven && steer_proven_elsewhere(steer, from, shard))
        return true;
    uint32_t value;
    bool before = map_get(&steer->map, from, &value) && value == (shard | STEER_PROVEN);
    return map_put(&steer->map, from, shard | (proven || before ? STEER_PROVEN : 0));
}

bool steer_proven_elsewhere(const struct steer *steer, const struct net_addr *from, uint32_t shard) {
    uint32_t value;
    return map_get(&steer->map, from, &value) && (value & STEER_PROVEN) != 0 && (value & ~STEER_PROVEN) != shard;
}

void steer_forget(struct steer *steer, const struct net_addr *from, uint32_t shard) {
    if (steer_find(steer, from) == shard)
        (void)map_remove(&steer->map, from);
}

uint32_t steer_find(const struct steer *steer, const struct net_addr *from) {
    uint32_t value;
    return map_get(&steer->map, from, &value) ? value & ~STEER_PROVEN : STEER_UNKNOWN;
}
