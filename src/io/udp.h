/* The UDP side of one media thread: an IPv4 and an IPv6 socket on the one media port, which every media thread opens with
 * SO_REUSEPORT, so that the kernel spreads remote addresses over the threads.
 *
 *     udp_check_free  that the port is nobody's: sockets with SO_REUSEPORT open beside those of another process as well
 *     udp_open        sockets, buffers
 *     udp_receive     up to UDP_RX_BATCH_MAX datagrams of one socket into the batch; again while it answers UDP_RX_BATCH_MAX
 *     udp_send        an array of the engine's descriptors, through the backend
 *     udp_close
 *
 * Backends. How descriptors reach the kernel is behind struct udp_backend, chosen at open. `udp_backend_mmsg` (sendmmsg, one
 * system call for up to 256 datagrams) works everywhere; one that joins runs of equal length to the same destination into one
 * message (UDP_SEGMENT) or that uses io_uring plugs in as another struct of this type.
 *
 * Nothing blocks and nothing waits: a datagram that the kernel does not take now is dropped and counted, as on a full
 * link. Owner: one thread. The struct is large (buffers are inside); it is made in a mapping by its owner. */
#ifndef CONCLAVE_IO_UDP_H
#define CONCLAVE_IO_UDP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/counter.h"
#include "base/packet.h"
#include "media/engine.h"

/* Datagrams a receive call: 64 slots of 2 kB stay in the second-level cache. */
#define UDP_RX_BATCH_MAX 64
/* Asked of the kernel for the receive queue: 80 ms at 400 Mbit/s while a thread is busy elsewhere. The system may allow less. */
#define UDP_RX_BUFFER_LEN (4 << 20)
#define UDP_TX_BUFFER_LEN (2 << 20)
/* Room for IP_PKTINFO or IPV6_PKTINFO and the traffic class. */
#define UDP_CONTROL_LEN 128

#define UDP_COUNTERS(X)                                                                                                \
    X(udp_rx_batches, "receive calls that gave datagrams")                                                             \
    X(udp_rx_datagrams, "UDP datagrams received")                                                                      \
    X(udp_rx_truncated, "UDP datagrams dropped because they were longer than any media packet")                        \
    X(udp_tx_batches, "transmit calls")                                                                                \
    X(udp_tx_datagrams, "UDP datagrams sent")                                                                          \
    X(udp_tx_full, "UDP datagrams dropped because the socket was full")                                                \
    X(udp_tx_failed, "UDP datagrams that the system refused (no route, no such source address)")
COUNTERS_DEFINE(udp_counters, UDP_COUNTERS)

struct udp;

struct udp_backend {
    const char *name;
    /* Sends `count` descriptors of one address family over `fd`; counts what was and was not sent. */
    void (*send)(struct udp *udp, int fd, const struct engine_tx *tx, size_t count);
};

extern const struct udp_backend udp_backend_mmsg;

struct udp_rx {
    struct engine_rx meta;
    uint8_t *data; /* PACKET_TAILROOM writable bytes behind `len` */
    size_t len;
};

struct udp {
    int fd4, fd6; /* -1 = not open */
    uint16_t port;
    const struct udp_backend *backend;
    struct udp_counters counters;
    struct udp_rx batch[UDP_RX_BATCH_MAX]; /* the last udp_receive's result */
    struct mmsghdr rx_messages[UDP_RX_BATCH_MAX];
    struct iovec rx_vectors[UDP_RX_BATCH_MAX];
    struct sockaddr_storage rx_names[UDP_RX_BATCH_MAX];
    _Alignas(16) uint8_t rx_control[UDP_RX_BATCH_MAX][UDP_CONTROL_LEN];
    uint8_t rx_bytes[UDP_RX_BATCH_MAX][PACKET_SLOT_LEN];
    struct mmsghdr tx_messages[ENGINE_TX_BATCH_MAX];
    struct iovec tx_vectors[ENGINE_TX_BATCH_MAX];
    struct sockaddr_storage tx_names[ENGINE_TX_BATCH_MAX];
    _Alignas(16) uint8_t tx_control[ENGINE_TX_BATCH_MAX][UDP_CONTROL_LEN];
};

/* To be asked before the first udp_open; port 0 is free. False with a sentence in `error`. */
bool udp_check_free(uint16_t port, bool loopback_only, char *error, size_t error_size);
/* `port` 0 = any, read it from udp->port. `loopback_only`: bound to 127.0.0.1 and ::1. IPv6 is optional: without it fd6 is
 * -1. False with a sentence in `error` when IPv4 cannot be had either. */
bool udp_open(struct udp *udp, uint16_t port, bool loopback_only, char *error, size_t error_size);
void udp_close(struct udp *udp);
/* Fills udp->batch; returns how many. Truncated datagrams are dropped here. `fd` is fd4 or fd6. */
size_t udp_receive(struct udp *udp, int fd);
/* Only UDP destinations. Order is kept within an address family. */
void udp_send(struct udp *udp, const struct engine_tx *tx, size_t count);

#endif
