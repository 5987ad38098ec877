/* Addresses that share: an IPv4 /24, an IPv6 /48. What one of them has caused outlives its connections. */
#include <string.h>

#include "base/time.h"
#include "delivery/service_internal.h"

uint32_t network_share(uint32_t all, uint32_t part, uint32_t min) {
    return all / part > min ? all / part : min;
}

bool network_of(struct service *s, const struct net_addr *client, struct network **out) {
    uint8_t key[sizeof s->networks->key] = {0};
    uint32_t index;
    *out = NULL;
    if (client == NULL || client->family == 0 || net_addr_is_loopback(client))
        return true;
    key[0] = client->family;
    memcpy(key + 1, client->ip, client->family == 4 ? 3 : 6);
    if (map_get(&s->by_network, key, &index)) {
        *out = &s->networks[index];
        return true;
    }
    struct network *network = s->networks_free;
    if (network == NULL || !map_put(&s->by_network, key, (uint32_t)(network - s->networks)))
        return false;
    s->networks_free = network->next_free;
    network->next_free = NULL;
    memcpy(network->key, key, sizeof key);
    *out = network;
    return true;
}

void network_done(struct service *s, uint64_t now_us, struct network *network) {
    if (network == NULL || network->key[0] == 0 || network->connections > 0 || network->meetings > 0)
        return;
    uint32_t deadline = s->config.connections_max + s->config.meetings_max + (uint32_t)(network - s->networks);
    uint64_t paid_us = network->work.budget.full_at_us;
    bool owes = paid_us > now_us;
    deadline_set(&s->deadlines, deadline, owes ? paid_us : TIME_NEVER);
    if (owes)
        return;
    (void)map_remove(&s->by_network, network->key);
    *network = (struct network){.next_free = s->networks_free};
    s->networks_free = network;
}
