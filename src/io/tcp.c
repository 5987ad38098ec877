#include "io/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/accepting.h"
#include "io/address.h"
#include "io/memory.h"
#include "io/steer.h"

enum tcp_state { TCP_FREE, TCP_FIRST, TCP_OPEN };

/* A frame and what engine_input may write behind it. */
#define FRAME_BUFFER_LEN (ICETCP_FRAME_LEN_MAX + PACKET_TAILROOM)
#define FIRST_LEN_MAX (ICETCP_HEADER_LEN + ICETCP_FIRST_FRAME_LEN_MAX)

struct tcp_connection {
    int fd;
    enum tcp_state state;
    bool proven, marked, want_write;
    bool queued;                 /* the queue's pages were touched */
    struct net_addr from, local; /* `from.conn` is the handle */
    uint64_t deadline_us;
    struct icetcp_deframer deframer;
    uint32_t queue_start, queue_len;
    uint8_t *queue; /* TCP_QUEUE_LEN bytes of the mapping */
    uint8_t frame[FRAME_BUFFER_LEN];
};

struct tcp {
    struct tcp_config config;
    struct tcp_counters counters;
    int listen4, listen6;
    struct accepting accepting;
    uint16_t port;
    uint32_t unproven, marked_count;
    struct pool pool;
    _Alignas(8) uint8_t pool_memory[TCP_CONNECTIONS_MAX * 16];
    uint32_t marked[TCP_CONNECTIONS_MAX];
    uint8_t read_buffer[TCP_READ_LEN];
    struct tcp_connection connections[TCP_CONNECTIONS_MAX];
};

static size_t total_len(void) {
    return sizeof(struct tcp) + (size_t)TCP_CONNECTIONS_MAX * TCP_QUEUE_LEN;
}

struct tcp *tcp_create(const struct tcp_config *config) {
    struct tcp *tcp = memory_map(total_len());
    if (tcp == NULL)
        return NULL;
    ASSERT(pool_size(TCP_CONNECTIONS_MAX) <= sizeof tcp->pool_memory);
    tcp->config = *config;
    tcp->listen4 = tcp->listen6 = -1;
    accepting_init(&tcp->accepting);
    pool_init(&tcp->pool, tcp->pool_memory, TCP_CONNECTIONS_MAX);
    return tcp;
}

static uint8_t *queue_of(struct tcp *tcp, uint32_t index) {
    return (uint8_t *)(tcp + 1) + (size_t)index * TCP_QUEUE_LEN;
}

static struct tcp_connection *find(struct tcp *tcp, uint32_t conn) {
    return pool_live(&tcp->pool, conn) ? &tcp->connections[pool_index(conn)] : NULL;
}

static void mark(struct tcp *tcp, struct tcp_connection *c) {
    if (c->marked)
        return;
    ASSERT(tcp->marked_count < TCP_CONNECTIONS_MAX);
    c->marked = true;
    tcp->marked[tcp->marked_count++] = c->from.conn;
}

/* Gives the slot back; the descriptor is the caller's. */
static void release(struct tcp *tcp, struct tcp_connection *c) {
    if (!c->proven)
        tcp->unproven--;
    if (c->queued)
        memory_forget(c->queue, TCP_QUEUE_LEN);
    c->state = TCP_FREE;
    pool_give(&tcp->pool, c->from.conn);
}

void tcp_reap(struct tcp *tcp) {
    while (tcp->marked_count > 0) {
        struct tcp_connection *c = find(tcp, tcp->marked[--tcp->marked_count]);
        ASSERT(c != NULL && c->marked);
        uint32_t conn = c->from.conn;
        bool told = c->state == TCP_OPEN;
        close(c->fd);
        accepting_freed(&tcp->accepting);
        release(tcp, c);
        if (told)
            tcp->config.handlers.lost(tcp->config.handlers.context, conn);
    }
}

void tcp_destroy(struct tcp *tcp) {
    for (uint32_t i = 0; i < TCP_CONNECTIONS_MAX; i++) {
        if (pool_handle_at(&tcp->pool, i) != 0)
            close(tcp->connections[i].fd);
    }
    if (tcp->listen4 >= 0)
        close(tcp->listen4);
    if (tcp->listen6 >= 0)
        close(tcp->listen6);
    accepting_end(&tcp->accepting);
    memory_unmap(tcp, total_len());
}

static void watch(struct tcp *tcp, int operation, int fd, uint32_t conn, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u64 = tcp->config.event_tag | conn};
    ASSERT(epoll_ctl(tcp->config.epoll, operation, fd, &event) == 0);
}

static int open_listener(int family, uint16_t port, bool loopback_only, bool shared) {
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    struct sockaddr_storage name;
    memset(&name, 0, sizeof name);
    socklen_t len = 0;
    bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&name;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        in->sin_addr.s_addr = htonl(loopback_only ? INADDR_LOOPBACK : INADDR_ANY);
        len = sizeof *in;
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&name;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        in6->sin6_addr = loopback_only ? in6addr_loopback : in6addr_any;
        len = sizeof *in6;
        ok = ok && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    }
    if (ok && bind(fd, (struct sockaddr *)&name, len) == 0 && listen(fd, TCP_LISTEN_BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool refused(uint16_t port, char *error, size_t error_size) {
    (void)snprintf(error, error_size, "TCP port %u cannot be opened: %s%s", port, strerror(errno),
                   address_bind_advice(errno));
    return false;
}

bool tcp_check_free(uint16_t port, bool loopback_only, char *error, size_t error_size) {
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; port != 0 && i < ARRAY_LEN(families); i++) {
        int fd = open_listener(families[i], port, loopback_only, false);
        if (fd >= 0)
            close(fd);
        else if (families[i] == AF_INET || errno == EADDRINUSE) /* a machine without IPv6 is no error */
            return refused(port, error, error_size);
    }
    return true;
}

bool tcp_listen(struct tcp *tcp, uint16_t port, bool loopback_only, char *error, size_t error_size) {
    tcp->listen4 = open_listener(AF_INET, port, loopback_only, true);
    if (tcp->listen4 < 0)
        return refused(port, error, error_size);
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    struct net_addr addr;
    ASSERT(getsockname(tcp->listen4, (struct sockaddr *)&name, &len) == 0);
    ASSERT(address_from_sockaddr(&name, NET_TCP, &addr));
    tcp->port = addr.port;
    tcp->listen6 = open_listener(AF_INET6, tcp->port, loopback_only, true);
    watch(tcp, EPOLL_CTL_ADD, tcp->listen4, 0, EPOLLIN);
    if (tcp->listen6 >= 0)
        watch(tcp, EPOLL_CTL_ADD, tcp->listen6, 0, EPOLLIN);
    return true;
}

uint16_t tcp_port(const struct tcp *tcp) {
    return tcp->port;
}

static bool client_has_too_many(const struct tcp *tcp, const struct net_addr *from) {
    if (net_addr_is_loopback(from) && !tcp->config.count_loopback)
        return false;
    struct net_addr client = address_client(from);
    uint32_t count = 0;
    for (uint32_t i = 0; i < TCP_CONNECTIONS_MAX; i++) {
        if (pool_handle_at(&tcp->pool, i) == 0)
            continue;
        struct net_addr other = address_client(&tcp->connections[i].from);
        count += net_addr_equal(&client, &other);
    }
    return count >= TCP_PER_CLIENT_MAX;
}

/* A slot for a descriptor, or NULL (and the descriptor closed). */
static struct tcp_connection *take(struct tcp *tcp, uint64_t now_us, int fd, const struct net_addr *from,
                                   const struct net_addr *local) {
    uint32_t conn = tcp->unproven < TCP_UNPROVEN_MAX ? pool_take(&tcp->pool) : 0;
    if (conn == 0) {
        tcp->counters.tcp_refused_full++;
        close(fd);
        return NULL;
    }
    struct tcp_connection *c = &tcp->connections[pool_index(conn)];
    c->fd = fd;
    c->state = TCP_FIRST;
    c->proven = c->marked = c->want_write = c->queued = false;
    c->from = *from;
    c->from.conn = conn;
    c->local = *local;
    c->local.conn = 0;
    c->deadline_us = now_us + ICETCP_FIRST_FRAME_US;
    c->queue_start = c->queue_len = 0;
    c->queue = queue_of(tcp, pool_index(conn));
    tcp->unproven++;
    return c;
}

static void accept_one(struct tcp *tcp, uint64_t now_us, int fd, const struct net_addr *from) {
    struct net_addr local;
    struct sockaddr_storage own;
    socklen_t own_len = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &own_len) != 0 || !address_from_sockaddr(&own, NET_TCP, &local)) {
        close(fd);
        return;
    }
    if (client_has_too_many(tcp, from)) {
        tcp->counters.tcp_refused_client++;
        close(fd);
        return;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct tcp_connection *c = take(tcp, now_us, fd, from, &local);
    if (c == NULL)
        return;
    tcp->counters.tcp_accepted++;
    /* Edge-triggered: an incomplete first frame stays in the kernel and must not wake us until more has come. */
    watch(tcp, EPOLL_CTL_ADD, fd, c->from.conn, EPOLLIN | EPOLLET | EPOLLRDHUP);
}

static void watch_listeners(struct tcp *tcp, uint32_t events) {
    watch(tcp, EPOLL_CTL_MOD, tcp->listen4, 0, events);
    if (tcp->listen6 >= 0)
        watch(tcp, EPOLL_CTL_MOD, tcp->listen6, 0, events);
}

static void accept_all(struct tcp *tcp, uint64_t now_us, int listener) {
    for (int i = 0; listener >= 0 && i < 64 && !accepting_pausing(&tcp->accepting); i++) {
        int fd;
        struct net_addr from;
        enum accepting_result result = accepting_take(&tcp->accepting, now_us, listener, &fd, &from);
        if (result == ACCEPTING_NONE)
            return;
        if (result == ACCEPTING_ONE) {
            accept_one(tcp, now_us, fd, &from);
            continue;
        }
        tcp->counters.tcp_no_descriptor++;
        watch_listeners(tcp, 0);
    }
}

static void deliver(struct tcp *tcp, uint64_t now_us, struct tcp_connection *c) {
    size_t len = 0;
    uint8_t *frame = icetcp_deframer_frame(&c->deframer, &len);
    tcp->counters.tcp_rx_frames++;
    struct engine_rx meta = {.from = c->from, .local = c->local};
    if (!tcp->config.handlers.frame(tcp->config.handlers.context, &meta, frame, len))
        return;
    if (!c->proven) {
        c->proven = true;
        tcp->unproven--;
    }
    c->deadline_us = now_us + TCP_IDLE_US;
}

static void read_frames(struct tcp *tcp, uint64_t now_us, struct tcp_connection *c) {
    ssize_t got = recv(c->fd, tcp->read_buffer, sizeof tcp->read_buffer, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        tcp->counters.tcp_closed_peer++;
        mark(tcp, c);
        return;
    }
    struct span chunk = span_of(tcp->read_buffer, got < 0 ? 0 : (size_t)got);
    while (chunk.len > 0 && !c->marked) {
        enum icetcp_result result = icetcp_deframer_push(&c->deframer, &chunk);
        if (result == ICETCP_FRAME) {
            deliver(tcp, now_us, c);
        } else if (result == ICETCP_ERROR) {
            tcp->counters.tcp_closed_frame++;
            mark(tcp, c);
        }
    }
}

static void open_connection(struct tcp *tcp, uint64_t now_us, struct tcp_connection *c, int operation) {
    c->state = TCP_OPEN;
    icetcp_deframer_init(&c->deframer, c->frame, ICETCP_FRAME_LEN_MAX);
    watch(tcp, operation, c->fd, c->from.conn, EPOLLIN);
    read_frames(tcp, now_us, c);
}

/* Looks at the first frame without taking it. False: not complete yet. */
static bool peek_first(const struct tcp_connection *c, uint32_t *shard) {
    uint8_t bytes[FIRST_LEN_MAX];
    ssize_t got = recv(c->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    *shard = STEER_UNKNOWN;
    struct reader r = reader_of(bytes, got > 0 ? (size_t)got : 0);
    if (got > 0 && got < ICETCP_HEADER_LEN)
        return false;
    size_t len = rd_u16(&r);
    if (got <= 0 || len == 0 || len > ICETCP_FIRST_FRAME_LEN_MAX)
        return true;
    if (reader_left(&r) < len)
        return false;
    *shard = steer_stun_shard(rd_span(&r, len));
    return true;
}

static void first_frame(struct tcp *tcp, uint64_t now_us, struct tcp_connection *c) {
    uint32_t shard = STEER_UNKNOWN;
    if (!peek_first(c, &shard))
        return;
    if (shard == tcp->config.shard) {
        open_connection(tcp, now_us, c, EPOLL_CTL_MOD);
        return;
    }
    if (shard < tcp->config.shards) {
        (void)epoll_ctl(tcp->config.epoll, EPOLL_CTL_DEL, c->fd, NULL);
        struct net_addr from = c->from;
        from.conn = 0;
        if (tcp->config.handlers.move(tcp->config.handlers.context, shard, c->fd, &from, &c->local)) {
            tcp->counters.tcp_moved++;
            release(tcp, c);
            return;
        }
    }
    tcp->counters.tcp_closed_first++;
    mark(tcp, c);
}

void tcp_adopt(struct tcp *tcp, uint64_t now_us, int fd, const struct net_addr *from, const struct net_addr *local) {
    struct tcp_connection *c = take(tcp, now_us, fd, from, local);
    if (c != NULL)
        open_connection(tcp, now_us, c, EPOLL_CTL_ADD);
}

static void want_write(struct tcp *tcp, struct tcp_connection *c, bool want) {
    if (c->want_write == want)
        return;
    c->want_write = want;
    watch(tcp, EPOLL_CTL_MOD, c->fd, c->from.conn, want ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void flush(struct tcp *tcp, struct tcp_connection *c) {
    while (c->queue_len > 0) {
        ssize_t sent = send(c->fd, c->queue + c->queue_start, c->queue_len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                tcp->counters.tcp_closed_peer++;
                mark(tcp, c);
            }
            return;
        }
        c->queue_start += (uint32_t)sent;
        c->queue_len -= (uint32_t)sent;
    }
    c->queue_start = 0;
    want_write(tcp, c, false);
}

void tcp_event(struct tcp *tcp, uint64_t now_us, uint32_t conn, uint32_t events) {
    if (conn == 0) {
        accept_all(tcp, now_us, tcp->listen4);
        accept_all(tcp, now_us, tcp->listen6);
        return;
    }
    struct tcp_connection *c = find(tcp, conn);
    if (c == NULL || c->marked)
        return;
    if (c->state == TCP_FIRST) {
        first_frame(tcp, now_us, c);
        return;
    }
    if ((events & EPOLLOUT) != 0)
        flush(tcp, c);
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 && !c->marked)
        read_frames(tcp, now_us, c);
}

/* Behind what waits already, moved to the front when the end of the buffer is near. */
static bool queue_bytes(struct tcp_connection *c, const void *data, size_t len) {
    if (c->queue_len + len > TCP_QUEUE_LEN)
        return false;
    if (c->queue_start + c->queue_len + len > TCP_QUEUE_LEN) {
        memmove(c->queue, c->queue + c->queue_start, c->queue_len);
        c->queue_start = 0;
    }
    memcpy(c->queue + c->queue_start + c->queue_len, data, len);
    c->queue_len += (uint32_t)len;
    c->queued = true;
    return true;
}

void tcp_send(struct tcp *tcp, uint32_t conn, const uint8_t *data, size_t len) {
    ASSERT(tcp != NULL && len > 0 && len <= UINT16_MAX);
    struct tcp_connection *c = find(tcp, conn);
    if (c == NULL || c->marked || c->state != TCP_OPEN) {
        tcp->counters.tcp_tx_stale++;
        return;
    }
    uint8_t header[ICETCP_HEADER_LEN] = {(uint8_t)(len >> 8), (uint8_t)len};
    size_t done = 0;
    if (c->queue_len == 0) {
        struct iovec parts[2] = {{header, sizeof header}, {(void *)(uintptr_t)data, len}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent = sendmsg(c->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            tcp->counters.tcp_closed_peer++;
            mark(tcp, c);
            return;
        }
        done = sent > 0 ? (size_t)sent : 0;
    }
    tcp->counters.tcp_tx_frames++;
    if (done == sizeof header + len)
        return;
    bool queued = sizeof header + len + c->queue_len <= TCP_QUEUE_LEN;
    if (queued && done < sizeof header)
        queued = queue_bytes(c, header + done, sizeof header - done);
    size_t data_done = done > sizeof header ? done - sizeof header : 0;
    queued = queued && queue_bytes(c, data + data_done, len - data_done);
    if (!queued) {
        tcp->counters.tcp_closed_overflow++;
        mark(tcp, c);
        return;
    }
    want_write(tcp, c, true);
}

void tcp_close(struct tcp *tcp, uint32_t conn) {
    struct tcp_connection *c = find(tcp, conn);
    if (c != NULL)
        mark(tcp, c);
}

void tcp_expire(struct tcp *tcp, uint64_t now_us) {
    if (accepting_due(&tcp->accepting, now_us))
        watch_listeners(tcp, EPOLLIN);
    for (uint32_t i = 0; i < TCP_CONNECTIONS_MAX && tcp->pool.used > 0; i++) {
        if (pool_handle_at(&tcp->pool, i) == 0)
            continue;
        struct tcp_connection *c = &tcp->connections[i];
        if (now_us >= c->deadline_us && !c->marked) {
            tcp->counters.tcp_closed_timeout++;
            mark(tcp, c);
        }
    }
}

const struct tcp_counters *tcp_counters_get(const struct tcp *tcp) {
    return &tcp->counters;
}

uint32_t tcp_connections(const struct tcp *tcp) {
    return tcp->pool.used;
}
