#include "io/steer.h"

#include "base/assert.h"
#include "io/memory.h"
#include "protocol/ice_lite.h"

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

bool steer_learn(struct steer *steer, const struct net_addr *from, uint32_t shard) {
    ASSERT(from->proto == NET_UDP && shard != STEER_UNKNOWN);
    return map_put(&steer->map, from, shard);
}

void steer_forget(struct steer *steer, const struct net_addr *from, uint32_t shard) {
    if (steer_find(steer, from) == shard)
        (void)map_remove(&steer->map, from);
}

uint32_t steer_find(const struct steer *steer, const struct net_addr *from) {
    uint32_t shard = STEER_UNKNOWN;
    return map_get(&steer->map, from, &shard) ? shard : STEER_UNKNOWN;
}
