/* Between the cores' struct net_addr and the system's sockaddr, and the machine's own addresses. */
#ifndef CONCLAVE_IO_ADDRESS_H
#define CONCLAVE_IO_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/net.h"

/* Returns the length to pass to the system. `a` has family 4 or 6. */
socklen_t address_to_sockaddr(const struct net_addr *a, struct sockaddr_storage *out);
/* An IPv4 address mapped into IPv6 (::ffff:a.b.c.d) becomes the IPv4 address that it is. False for other families. */
bool address_from_sockaddr(const struct sockaddr_storage *from, enum net_proto proto, struct net_addr *out);

struct address_interface {
    char name[16];
    struct net_addr addr; /* port 0 */
    bool loopback;
};

/* Addresses of interfaces that are up, without IPv6 link-local ones (they mean nothing without a zone, which a candidate line
 * cannot carry). Returns how many were written. */
size_t address_interfaces(struct address_interface *out, size_t max);

/* Whom limits per client count: an IPv4 address, or the /64 of an IPv6 address, since one household or machine has a whole
 * /64. Port and connection are cleared. */
struct net_addr address_client(const struct net_addr *a);

/* What to do about an errno of bind() or listen(): a clause that continues "...: Address already in use", or "". */
const char *address_bind_advice(int number);

#endif
