/* A transport address as the cores see it: plain bytes, comparable with memcmp, no sockaddr. */
#ifndef CONCLAVE_BASE_NET_H
#define CONCLAVE_BASE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

enum net_proto { NET_UDP = 0, NET_TCP = 1 };

/* Every byte is defined (padding included: there is none), so the struct itself is a hash key. For TCP `conn` is the
 * connection's handle in the io layer and part of the identity; it is 0 for UDP. IPv4 uses ip[0..3], the rest zero. */
struct net_addr {
    uint8_t family; /* 4 or 6; 0 = none */
    uint8_t proto;  /* enum net_proto */
    uint16_t port;  /* host order */
    uint32_t conn;
    uint8_t ip[16];
};

_Static_assert(sizeof(struct net_addr) == 24, "net_addr is used as a hash key and has no padding");

bool net_addr_equal(const struct net_addr *a, const struct net_addr *b);
struct net_addr net_addr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);
bool net_addr_is_loopback(const struct net_addr *a);
/* "192.0.2.1" or RFC 5952 "2001:db8::1", without port. NET_IP_TEXT_LEN bytes always suffice. */
#define NET_IP_TEXT_LEN 48
void net_ip_text(const struct net_addr *a, char out[NET_IP_TEXT_LEN]);
/* Parses an IPv4 or IPv6 literal; the other fields of `out` are zeroed. */
bool net_ip_parse(struct span text, struct net_addr *out);

#endif
