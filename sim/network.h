/* A network that exists only in memory: datagrams over links with faults, WebSockets with delay and cuts, a virtual
 * clock.
 *
 *     server --- up/down paths of node 0 --- node 0 (a client; two sockets)
 *            \-- up/down paths of node 1 --- node 1 ...
 *
 * Each node has a path in each direction with its own faults, drawn from one seeded generator, so that a run is the
 * same bit by bit for the same seed. A node's sockets are seen by the server under public addresses that its NAT made;
 * a rebind makes new ones, and the old ones lead nowhere.
 *
 * Datagrams: network_send_up/_down put one in, network_next_us says when the next thing arrives, network_take takes it
 * out. Sockets: reliable and ordered; a cut is told to each side after its own delay, and what was under way is lost.
 */
#ifndef CONCLAVE_SIM_NETWORK_H
#define CONCLAVE_SIM_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/net.h"
#include "base/rng.h"

#define NETWORK_NODES_MAX 160
#define NETWORK_SOCKETS 2 /* of a node: one a peer connection */
#define NETWORK_MTU 1500

struct path_config {
    double loss;        /* share of datagrams lost at random */
    double burst_enter; /* Gilbert-Elliott: chance to fall into the bad state, a datagram */
    double burst_leave; /* and to leave it */
    double burst_loss;  /* loss inside */
    double duplicate, corrupt;
    uint64_t delay_us, jitter_us; /* uniform in [delay, delay + jitter] */
    bool reorder;                 /* with jitter: datagrams may overtake each other */
    uint32_t mtu_bytes;           /* longer ones vanish; 0 = NETWORK_MTU */
    uint64_t rate_bps;            /* 0 = unlimited */
    uint64_t queue_us;            /* of a limited path: what would wait longer is dropped */
};

struct path_stats {
    uint64_t sent, bytes, lost, late, delivered;
};

enum network_kind {
    NETWORK_DATAGRAM_UP,   /* for the server: .from, .to is the server's */
    NETWORK_DATAGRAM_DOWN, /* for .node, .socket */
    NETWORK_WS_UP,
    NETWORK_WS_DOWN, /* one message */
    NETWORK_WS_OPEN, /* for the server: .bytes is path and query */
    NETWORK_WS_OPENED,
    NETWORK_WS_REFUSED, /* for the client; .status */
    NETWORK_WS_CLOSED_UP,
    NETWORK_WS_CLOSED_DOWN, /* the other side, or the path, has gone */
};

struct network_item {
    enum network_kind kind;
    uint32_t node, socket;
    uint32_t connection; /* of a WebSocket */
    uint16_t status;
    struct net_addr from;
    uint8_t *data; /* writable, with 64 bytes of room behind; valid until the next call on the network */
    size_t len;
};

struct network;

struct network *network_create(uint64_t seed);
void network_destroy(struct network *network);
/* A new node with these faults both ways. */
uint32_t network_add(struct network *network, const struct path_config *up, const struct path_config *down);
void network_set(struct network *network, uint32_t node, const struct path_config *up, const struct path_config *down);
const struct path_config *network_path(const struct network *network, uint32_t node, bool up);
/* Nothing passes either way, WebSocket included (what it carries waits). */
void network_partition(struct network *network, uint32_t node, bool parted);
/* New public addresses for the node's sockets. */
void network_rebind(struct network *network, uint32_t node);
struct net_addr network_public(const struct network *network, uint32_t node, uint32_t socket);
/* Which node has, or had, this public address; false = nobody. `current` tells whether it leads there still. */
bool network_owner(const struct network *network, const struct net_addr *addr, uint32_t *node, uint32_t *socket,
                   bool *current);

void network_send_up(struct network *network, uint64_t now_us, uint32_t node, uint32_t socket, struct span datagram);
void network_send_down(struct network *network, uint64_t now_us, const struct net_addr *to, struct span datagram);

/* A client dials; answers the connection's number. */
uint32_t network_ws_dial(struct network *network, uint64_t now_us, uint32_t node, struct span path);
/* The server's answer: accepted or refused with a status. */
void network_ws_answer(struct network *network, uint64_t now_us, uint32_t connection, uint16_t status);
void network_ws_send(struct network *network, uint64_t now_us, uint32_t connection, bool up, struct span message);
/* One side closes in order: what it sent before still arrives. */
void network_ws_close(struct network *network, uint64_t now_us, uint32_t connection, bool by_client);
/* The path breaks: both sides notice, the server `later_us` after the client. */
void network_ws_cut(struct network *network, uint64_t now_us, uint32_t connection, uint64_t later_us);
bool network_ws_alive(const struct network *network, uint32_t connection);

uint64_t network_next_us(const struct network *network);
bool network_take(struct network *network, uint64_t now_us, struct network_item *out);
uint32_t network_waiting(const struct network *network);
struct path_stats network_stats(const struct network *network, uint32_t node, bool up);

#endif
