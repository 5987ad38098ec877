#include "meeting/meeting.h"

#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/time.h"

static size_t header_len(void) {
    return (sizeof(struct meeting) + 63) & ~(size_t)63;
}

size_t meeting_size(void) {
    return header_len() + MEETING_CLIENTS_MAX * sizeof(struct meeting_client) +
           map_size(MEETING_CLIENTS_MAX, sizeof(struct net_addr));
}

struct meeting *meeting_init(void *memory, const struct meeting_config *config, struct rng *rng) {
    ASSERT(memory != NULL && ((uintptr_t)memory & 7) == 0);
    struct meeting *m = memory;
    *m = (struct meeting){.config = *config};
    m->clients = (struct meeting_client *)(void *)((uint8_t *)memory + header_len());
    map_init(&m->map, m->clients + MEETING_CLIENTS_MAX, MEETING_CLIENTS_MAX, sizeof(struct net_addr), rng);
    for (int i = 0; i < MEETING_BUDGETS; i++)
        ASSERT(m->config.rates[i].burst > 0 && m->config.rates[i].period_s > 0);
    return m;
}

bool meeting_make(const struct meeting *meeting, struct span link_key, struct span owner, uint16_t suite, uint8_t kind,
                  char id[MEETING_ID_LEN + 1]) {
    const struct meeting_config *config = &meeting->config;
    const struct group_id_parts parts = {.first_link_key = link_key,
                                         .owner = owner,
                                         .operator_key = span_of(config->operator_key, sizeof config->operator_key),
                                         .suite = suite,
                                         .kind = kind};
    uint8_t hash[16], tag[8];
    group_id_hash(config->crypto, &parts, hash);
    if (!config->server.tag(&config->server, hash, tag))
        return false;
    group_id_text(hash, tag, id);
    return true;
}

bool meeting_known(const struct meeting *meeting, struct span id) {
    return id.len == MEETING_ID_LEN && group_id_is_of_server(&meeting->config.server, id);
}

struct span meeting_of_room(const struct meeting *meeting, struct span room) {
    const size_t prefix_len = sizeof MEETING_ROOM_PREFIX - 1;
    if (room.len != MEETING_ROOM_LEN || !span_starts_with(room, MEETING_ROOM_PREFIX))
        return span_of(NULL, 0);
    struct span id = span_of(room.data + prefix_len, MEETING_ID_LEN);
    return meeting_known(meeting, id) ? id : span_of(NULL, 0);
}

/* ---- budgets ---- */

static void unlink_client(struct meeting *m, uint32_t at) {
    struct meeting_client *c = &m->clients[at - 1];
    *(c->newer != 0 ? &m->clients[c->newer - 1].older : &m->newest) = c->older;
    *(c->older != 0 ? &m->clients[c->older - 1].newer : &m->oldest) = c->newer;
}

static void link_newest(struct meeting *m, uint32_t at) {
    struct meeting_client *c = &m->clients[at - 1];
    c->newer = 0;
    c->older = m->newest;
    *(m->newest != 0 ? &m->clients[m->newest - 1].newer : &m->oldest) = at;
    m->newest = at;
}

static struct meeting_client *client_of(struct meeting *m, const struct net_addr *addr) {
    uint32_t at = 0;
    if (map_get(&m->map, addr, &at)) {
        unlink_client(m, at);
    } else {
        if (m->clients_count < MEETING_CLIENTS_MAX) {
            at = ++m->clients_count;
        } else {
            at = m->oldest;
            unlink_client(m, at);
            ASSERT(map_remove(&m->map, &m->clients[at - 1].addr));
        }
        m->clients[at - 1] = (struct meeting_client){.addr = *addr};
        ASSERT(map_put(&m->map, addr, at));
    }
    link_newest(m, at);
    return &m->clients[at - 1];
}

bool meeting_spend(struct meeting *meeting, uint64_t now_us, const struct net_addr *client, enum meeting_budget budget,
                   uint32_t *retry_s) {
    ASSERT(budget < MEETING_BUDGETS);
    const struct meeting_rate *rate = &meeting->config.rates[budget];
    uint64_t period_us = (uint64_t)rate->period_s * US_PER_S;
    uint64_t cost_us = period_us / rate->burst;
    struct meeting_client *c = client_of(meeting, client);
    uint64_t full_at_us = c->full_at_us[budget] > now_us ? c->full_at_us[budget] : now_us;
    *retry_s = 0;
    if (full_at_us + cost_us > now_us + period_us) {
        *retry_s = (uint32_t)((full_at_us + cost_us - now_us - period_us) / US_PER_S) + 1;
        return false;
    }
    c->full_at_us[budget] = full_at_us + cost_us;
    return true;
}
