/* Where the server can be reached: addresses to listen at, candidates to announce for media, names for the certificate. Worked out
 * from the configuration and a list of the machine's interfaces; pure, so that it can be tested without them. */
#ifndef CONCLAVE_SERVER_PLACES_H
#define CONCLAVE_SERVER_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include "io/address.h"
#include "server/config.h"
#include "signal/control.h"

#define PLACES_INTERFACES_MAX 64
#define PLACES_LISTEN_MAX 8

/* Addresses, each for UDP and, when the port is not 0, for passive TCP. rtc.node_ip alone when given (and loopback where that is
 * wanted); else every interface's, filtered by rtc.interfaces and rtc.ips; loopback when wanted or when there is nothing else.
 * Returns how many. */
size_t places_candidates(const struct config *config, const struct address_interface *interfaces, size_t count,
                         uint16_t udp_port, uint16_t tcp_port, struct net_addr out[CONTROL_CANDIDATES_MAX]);
/* Listening addresses of a list, with the port; the default stands for an empty list: loopback of both families, or all. */
size_t places_listen(const struct config_list *list, bool loopback_default, uint16_t port,
                     struct net_addr out[PLACES_LISTEN_MAX]);
/* The first address that other machines can use; NULL when there is none. */
const struct net_addr *places_first_reachable(const struct net_addr *candidates, size_t count);
bool places_loopback_only(const struct net_addr *addresses, size_t count);

#endif
