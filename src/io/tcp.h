/* ICE over TCP (RFC 6544, passive side): the listener and the connections of one media thread. Each media thread listens on the
 * same port with SO_REUSEPORT; a connection whose first frame names another thread's shard is moved there whole.
 *
 *      accepted --- first frame complete, names this shard ---> open --- engine takes a frame ---> proven
 *          |  \--- names another shard ---> moved (its descriptor goes to that thread, not a byte was consumed)
 *          \------ 10 s, no Binding request, too long ---> closed
 *
 * The first frame is looked at with MSG_PEEK, so that a stranger costs a descriptor and no buffer. An open connection must be
 * proven (a frame that the engine took, so an authenticated check) before the same 10 s are over, and a proven one is
 * closed after TCP_IDLE_US without a frame that the engine took.
 *
 * Closing. Nothing is closed inside a call that sends or receives, because these run in the middle of the engine's poll loop:
 * connections are marked, and tcp_reap closes them and tells the owner. Owner: one thread; memory in a mapping. */
#ifndef CONCLAVE_IO_TCP_H
#define CONCLAVE_IO_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/net.h"
#include "base/packet.h"
#include "base/pool.h"
#include "media/engine.h"
#include "protocol/icetcp.h"

/* Per media thread. TCP is the fallback of those whose network lets no UDP out. */
#define TCP_CONNECTIONS_MAX 1024
/* Connections that have proven nothing yet may take half of them, so that strangers never shut out a reconnect. */
#define TCP_UNPROVEN_MAX 512
/* From one IPv4 address or IPv6 /64: an office behind one address. Loopback is not counted: a proxy may sit there. */
#define TCP_PER_CLIENT_MAX 128
/* Agents send consent checks each 5 s (RFC 7675); a minute without one is long past consent. */
#define TCP_IDLE_US UINT64_C(60000000)
/* Bytes waiting behind the kernel's own buffer: 0.35 s at 3 Mbit/s. More is no longer conversation. */
#define TCP_QUEUE_LEN (128u << 10)
#define TCP_READ_LEN (16u << 10)
#define TCP_LISTEN_BACKLOG 256

#define TCP_COUNTERS(X)                                                                                                \
    X(tcp_accepted, "ICE-TCP connections accepted")                                                                    \
    X(tcp_refused_full, "ICE-TCP connections refused because there were too many")                                     \
    X(tcp_refused_client, "ICE-TCP connections refused because their address had too many")                            \
    X(tcp_no_descriptor, "times that ICE-TCP connections could not be accepted because no descriptor was left")        \
    X(tcp_closed_first, "ICE-TCP connections closed because the first frame was no check for us")                      \
    X(tcp_closed_timeout, "ICE-TCP connections closed because nothing valid came in time")                             \
    X(tcp_closed_frame, "ICE-TCP connections closed because of a frame that was too long")                             \
    X(tcp_closed_overflow, "ICE-TCP connections closed because their peer did not read")                               \
    X(tcp_closed_peer, "ICE-TCP connections closed by the peer or the network")                                        \
    X(tcp_moved, "ICE-TCP connections moved to the thread of their shard")                                             \
    X(tcp_rx_frames, "frames received over TCP")                                                                       \
    X(tcp_tx_frames, "frames sent over TCP")                                                                           \
    X(tcp_tx_stale, "frames dropped because their TCP connection was gone")
COUNTERS_DEFINE(tcp_counters, TCP_COUNTERS)

struct tcp;

struct tcp_handlers {
    void *context;
    /* One frame, with PACKET_TAILROOM writable bytes behind it. True when the engine took it. */
    bool (*frame)(void *context, const struct engine_rx *meta, uint8_t *data, size_t len);
    /* An open connection is gone; called from tcp_reap only. */
    void (*lost)(void *context, uint32_t conn);
    /* Takes the descriptor over for another shard; false when it cannot, and the connection is closed. */
    bool (*move)(void *context, uint32_t shard, int fd, const struct net_addr *from, const struct net_addr *local);
};

struct tcp_config {
    uint32_t shard, shards;
    int epoll;           /* descriptors are registered here, with tcp_event_tag or'ed with the connection */
    uint64_t event_tag;  /* upper 32 bits */
    bool count_loopback; /* this machine is a client as others are, for tests */
    struct tcp_handlers handlers;
};

/* NULL when memory is short. */
struct tcp *tcp_create(const struct tcp_config *config);
void tcp_destroy(struct tcp *tcp);
/* Nobody else has the port, which must be asked before the first tcp_listen: listeners with SO_REUSEPORT open happily beside
 * those of another process. `port` 0 is free. False with a sentence in `error`. */
bool tcp_check_free(uint16_t port, bool loopback_only, char *error, size_t error_size);
/* Listens on IPv4 and, where there is IPv6, on that as well; `port` 0 = any, see tcp_port. The listeners' events carry the
 * connection 0. False with a sentence in `error`. */
bool tcp_listen(struct tcp *tcp, uint16_t port, bool loopback_only, char *error, size_t error_size);
uint16_t tcp_port(const struct tcp *tcp);
/* An event of the epoll instance: `conn` are the lower 32 bits of its data. */
void tcp_event(struct tcp *tcp, uint64_t now_us, uint32_t conn, uint32_t events);
/* A connection that another thread moved here; its first frame is still in the kernel. Takes the descriptor in every case. */
void tcp_adopt(struct tcp *tcp, uint64_t now_us, int fd, const struct net_addr *from, const struct net_addr *local);
/* Frames and sends a datagram, or queues what the kernel does not take. */
void tcp_send(struct tcp *tcp, uint32_t conn, const uint8_t *data, size_t len);
/* Marks a connection whose path the engine has forgotten. */
void tcp_close(struct tcp *tcp, uint32_t conn);
/* Marks what has waited too long, and accepts again after a shortage of descriptors (io/accepting.h); call about once a second. */
void tcp_expire(struct tcp *tcp, uint64_t now_us);
/* Closes what is marked. Call when no engine poll is in progress. */
void tcp_reap(struct tcp *tcp);
const struct tcp_counters *tcp_counters_get(const struct tcp *tcp);
uint32_t tcp_connections(const struct tcp *tcp);

#endif
