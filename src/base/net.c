#include "base/net.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/assert.h"

bool net_addr_equal(const struct net_addr *a, const struct net_addr *b) {
    return memcmp(a, b, sizeof *a) == 0;
}

struct net_addr net_addr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port) {
    return (struct net_addr){.family = 4, .port = port, .ip = {a, b, c, d}};
}

bool net_addr_is_loopback(const struct net_addr *a) {
    static const uint8_t v6_loopback[16] = {[15] = 1};
    if (a->family == 4)
        return a->ip[0] == 127;
    return a->family == 6 && memcmp(a->ip, v6_loopback, 16) == 0;
}

/* inet_ntop and inet_pton are pure functions of their arguments: no call of the system is behind them. */
void net_ip_text(const struct net_addr *a, char out[NET_IP_TEXT_LEN]) {
    ASSERT(a->family == 4 || a->family == 6);
    const char *text = inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->ip, out, NET_IP_TEXT_LEN);
    ASSERT(text != NULL);
}

bool net_ip_parse(struct span text, struct net_addr *out) {
    char copy[NET_IP_TEXT_LEN];
    *out = (struct net_addr){0};
    if (!span_to_str(text, copy, sizeof copy))
        return false;
    if (inet_pton(AF_INET, copy, out->ip) == 1)
        out->family = 4;
    else if (inet_pton(AF_INET6, copy, out->ip) == 1)
        out->family = 6;
    return out->family != 0;
}
