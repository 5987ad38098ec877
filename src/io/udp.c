#include "io/udp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/address.h"

static bool set_int(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

/* The forced forms pass net.core.?mem_max when we are root; otherwise the system's maximum applies. */
static void set_buffers(int fd) {
    if (!set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, UDP_RX_BUFFER_LEN))
        (void)set_int(fd, SOL_SOCKET, SO_RCVBUF, UDP_RX_BUFFER_LEN);
    if (!set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, UDP_TX_BUFFER_LEN))
        (void)set_int(fd, SOL_SOCKET, SO_SNDBUF, UDP_TX_BUFFER_LEN);
}

static int open_socket(int family, uint16_t port, bool loopback_only, bool shared) {
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    bool ok = !shared || set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (shared)
        set_buffers(fd);
    struct sockaddr_storage name;
    memset(&name, 0, sizeof name);
    socklen_t name_len = 0;
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&name;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        in->sin_addr.s_addr = htonl(loopback_only ? INADDR_LOOPBACK : INADDR_ANY);
        name_len = sizeof *in;
        ok = ok && set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
        (void)set_int(fd, IPPROTO_IP, IP_RECVTOS, 1);
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&name;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        in6->sin6_addr = loopback_only ? in6addr_loopback : in6addr_any;
        name_len = sizeof *in6;
        ok = ok && set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) && set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        (void)set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    }
    if (ok && bind(fd, (struct sockaddr *)&name, name_len) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static uint16_t bound_port(int fd) {
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    struct net_addr addr;
    ASSERT(getsockname(fd, (struct sockaddr *)&name, &len) == 0);
    ASSERT(address_from_sockaddr(&name, NET_UDP, &addr));
    return addr.port;
}

static bool refused(uint16_t port, char *error, size_t error_size) {
    (void)snprintf(error, error_size, "UDP port %u cannot be opened: %s%s", port, strerror(errno),
                   address_bind_advice(errno));
    return false;
}

bool udp_check_free(uint16_t port, bool loopback_only, char *error, size_t error_size) {
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; port != 0 && i < ARRAY_LEN(families); i++) {
        int fd = open_socket(families[i], port, loopback_only, false);
        if (fd >= 0)
            close(fd);
        else if (families[i] == AF_INET || errno == EADDRINUSE) /* a machine without IPv6 is no error */
            return refused(port, error, error_size);
    }
    return true;
}

bool udp_open(struct udp *udp, uint16_t port, bool loopback_only, char *error, size_t error_size) {
    udp->backend = &udp_backend_mmsg;
    udp->counters = (struct udp_counters){0};
    udp->fd6 = -1;
    udp->fd4 = open_socket(AF_INET, port, loopback_only, true);
    if (udp->fd4 < 0)
        return refused(port, error, error_size);
    udp->port = bound_port(udp->fd4);
    udp->fd6 = open_socket(AF_INET6, udp->port, loopback_only, true);
    for (size_t i = 0; i < UDP_RX_BATCH_MAX; i++) {
        udp->rx_vectors[i] = (struct iovec){.iov_base = udp->rx_bytes[i], .iov_len = PACKET_LEN_MAX};
        udp->batch[i].data = udp->rx_bytes[i];
    }
    return true;
}

void udp_close(struct udp *udp) {
    if (udp->fd4 >= 0)
        close(udp->fd4);
    if (udp->fd6 >= 0)
        close(udp->fd6);
    udp->fd4 = udp->fd6 = -1;
}

/* Where the datagram arrived, and its ECN bits. */
static void read_control(const struct udp *udp, struct msghdr *message, struct engine_rx *meta) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            meta->local.family = 4;
            memcpy(meta->local.ip, &info.ipi_addr, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            meta->local.family = 6;
            memcpy(meta->local.ip, &info.ipi6_addr, 16);
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            meta->ecn = *CMSG_DATA(c) & 3;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
            int traffic_class;
            memcpy(&traffic_class, CMSG_DATA(c), sizeof traffic_class);
            meta->ecn = (uint8_t)(traffic_class & 3);
        }
    }
    if (meta->local.family != 0)
        meta->local.port = udp->port;
}

size_t udp_receive(struct udp *udp, int fd) {
    ASSERT(fd >= 0 && (fd == udp->fd4 || fd == udp->fd6));
    for (size_t i = 0; i < UDP_RX_BATCH_MAX; i++) {
        udp->rx_messages[i].msg_hdr = (struct msghdr){
            .msg_name = &udp->rx_names[i],
            .msg_namelen = sizeof udp->rx_names[i],
            .msg_iov = &udp->rx_vectors[i],
            .msg_iovlen = 1,
            .msg_control = udp->rx_control[i],
            .msg_controllen = UDP_CONTROL_LEN,
        };
    }
    int got = recvmmsg(fd, udp->rx_messages, UDP_RX_BATCH_MAX, MSG_DONTWAIT, NULL);
    if (got <= 0)
        return 0;
    udp->counters.udp_rx_batches++;
    size_t count = 0;
    for (int i = 0; i < got; i++) {
        struct mmsghdr *message = &udp->rx_messages[i];
        udp->counters.udp_rx_datagrams++;
        struct udp_rx *rx = &udp->batch[count];
        if ((message->msg_hdr.msg_flags & MSG_TRUNC) != 0 ||
            !address_from_sockaddr(&udp->rx_names[i], NET_UDP, &rx->meta.from)) {
            udp->counters.udp_rx_truncated++;
            continue;
        }
        rx->meta.local = (struct net_addr){.proto = NET_UDP};
        rx->meta.ecn = 0;
        read_control(udp, &message->msg_hdr, &rx->meta);
        rx->data = udp->rx_bytes[i];
        rx->len = message->msg_len;
        count++;
    }
    return count;
}

/* Adds a control message behind those that are there. */
static void add_control(struct msghdr *message, uint8_t *control, int level, int type, const void *data, size_t len) {
    message->msg_control = control;
    struct cmsghdr *c = (struct cmsghdr *)(void *)(control + message->msg_controllen);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    message->msg_controllen += CMSG_SPACE(len);
    ASSERT_HOT(message->msg_controllen <= UDP_CONTROL_LEN);
}

static void fill_message(struct udp *udp, size_t i, const struct engine_tx *tx) {
    struct msghdr *message = &udp->tx_messages[i].msg_hdr;
    udp->tx_vectors[i] = (struct iovec){.iov_base = (void *)(uintptr_t)tx->data, .iov_len = tx->len};
    *message = (struct msghdr){.msg_name = &udp->tx_names[i], .msg_iov = &udp->tx_vectors[i], .msg_iovlen = 1};
    message->msg_namelen = address_to_sockaddr(&tx->to, &udp->tx_names[i]);
    int ecn = tx->ecn & 3;
    if (tx->to.family == 4) {
        if (tx->local.family == 4) {
            struct in_pktinfo info = {0};
            memcpy(&info.ipi_spec_dst, tx->local.ip, 4);
            add_control(message, udp->tx_control[i], IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
        }
        if (ecn != 0)
            add_control(message, udp->tx_control[i], IPPROTO_IP, IP_TOS, &ecn, sizeof ecn);
    } else {
        if (tx->local.family == 6) {
            struct in6_pktinfo info = {0};
            memcpy(&info.ipi6_addr, tx->local.ip, 16);
            add_control(message, udp->tx_control[i], IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
        }
        if (ecn != 0)
            add_control(message, udp->tx_control[i], IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof ecn);
    }
}

static void mmsg_send(struct udp *udp, int fd, const struct engine_tx *tx, size_t count) {
    ASSERT(count <= ENGINE_TX_BATCH_MAX);
    for (size_t i = 0; i < count; i++)
        fill_message(udp, i, &tx[i]);
    size_t done = 0;
    while (done < count) {
        int sent = sendmmsg(fd, &udp->tx_messages[done], (unsigned)(count - done), MSG_DONTWAIT);
        udp->counters.udp_tx_batches++;
        if (sent > 0) {
            udp->counters.udp_tx_datagrams += (uint64_t)sent;
            done += (size_t)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
            udp->counters.udp_tx_full += count - done;
            return;
        } else if (errno != EINTR) {
            /* this one datagram cannot go; the others may */
            udp->counters.udp_tx_failed++;
            done++;
        }
    }
}

const struct udp_backend udp_backend_mmsg = {.name = "sendmmsg", .send = mmsg_send};

void udp_send(struct udp *udp, const struct engine_tx *tx, size_t count) {
    size_t start = 0;
    while (start < count) {
        size_t end = start + 1;
        while (end < count && tx[end].to.family == tx[start].to.family && end - start < ENGINE_TX_BATCH_MAX)
            end++;
        ASSERT(tx[start].to.proto == NET_UDP);
        int fd = tx[start].to.family == 4 ? udp->fd4 : udp->fd6;
        if (fd >= 0)
            udp->backend->send(udp, fd, tx + start, end - start);
        else
            udp->counters.udp_tx_failed += end - start;
        start = end;
    }
}
