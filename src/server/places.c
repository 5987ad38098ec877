#include "server/places.h"

#include <string.h>

#include "base/assert.h"

static bool list_has(const struct config_list *list, const char *text) {
    for (uint32_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0)
            return true;
    }
    return false;
}

static bool list_has_address(const struct config_list *list, const struct net_addr *addr) {
    for (uint32_t i = 0; i < list->count; i++) {
        struct net_addr other;
        if (net_ip_parse(span_str(list->items[i]), &other) && other.family == addr->family &&
            memcmp(other.ip, addr->ip, sizeof addr->ip) == 0)
            return true;
    }
    return false;
}

struct candidates {
    struct net_addr *out;
    size_t count;
    uint16_t udp_port, tcp_port;
};

static void add(struct candidates *c, const struct net_addr *addr) {
    for (int tcp = 0; tcp < 2; tcp++) {
        struct net_addr candidate = *addr;
        candidate.proto = tcp ? NET_TCP : NET_UDP;
        candidate.port = tcp ? c->tcp_port : c->udp_port;
        bool known = false;
        for (size_t i = 0; i < c->count; i++)
            known = known || net_addr_equal(&c->out[i], &candidate);
        if (candidate.port != 0 && !known && c->count < CONTROL_CANDIDATES_MAX)
            c->out[c->count++] = candidate;
    }
}

static void add_interfaces(struct candidates *c, const struct config *config,
                           const struct address_interface *interfaces, size_t count, bool loopback) {
    for (size_t i = 0; i < count; i++) {
        const struct address_interface *at = &interfaces[i];
        if (at->loopback != loopback)
            continue;
        bool wanted = loopback || ((config->interfaces.count == 0 || list_has(&config->interfaces, at->name)) &&
                                   (config->ips.count == 0 || list_has_address(&config->ips, &at->addr)));
        if (wanted)
            add(c, &at->addr);
    }
}

size_t places_candidates(const struct config *config, const struct address_interface *interfaces, size_t count,
                         uint16_t udp_port, uint16_t tcp_port, struct net_addr out[CONTROL_CANDIDATES_MAX]) {
    struct candidates c = {.out = out, .udp_port = udp_port, .tcp_port = tcp_port};
    struct net_addr node;
    if (config->node_ip[0] != 0) {
        ASSERT(net_ip_parse(span_str(config->node_ip), &node));
        add(&c, &node);
    } else {
        add_interfaces(&c, config, interfaces, count, false);
    }
    /* a machine without a network talks to itself; one whose interfaces or addresses were named and are not there is set up wrongly */
    bool named = config->node_ip[0] != 0 || config->interfaces.count > 0 || config->ips.count > 0;
    if (config->include_loopback || (c.count == 0 && !named))
        add_interfaces(&c, config, interfaces, count, true);
    return c.count;
}

size_t places_listen(const struct config_list *list, bool loopback_default, uint16_t port,
                     struct net_addr out[PLACES_LISTEN_MAX]) {
    static const char *const defaults[2][2] = {{"0.0.0.0", "::"}, {"127.0.0.1", "::1"}};
    size_t count = 0;
    for (uint32_t i = 0; i < list->count && count < PLACES_LISTEN_MAX; i++) {
        ASSERT(net_ip_parse(span_str(list->items[i]), &out[count]));
        out[count++].port = port;
    }
    for (size_t i = 0; list->count == 0 && i < 2; i++) {
        ASSERT(net_ip_parse(span_str(defaults[loopback_default][i]), &out[count]));
        out[count++].port = port;
    }
    return count;
}

const struct net_addr *places_first_reachable(const struct net_addr *candidates, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!net_addr_is_loopback(&candidates[i]))
            return &candidates[i];
    }
    return NULL;
}

bool places_loopback_only(const struct net_addr *addresses, size_t count) {
    return places_first_reachable(addresses, count) == NULL;
}
