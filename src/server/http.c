#include "server/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/time.h"
#include "io/address.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/memory.h"
#include "io/wait.h"
#include "server/http_internal.h"

#define ACCEPTS_PER_TURN 64
#define EVENTS_PER_TURN 64
#define LISTEN_BACKLOG 512
#define SLEEP_MAX_US US_PER_S

/* ---- listening ---- */

static void watch(struct http *h, int operation, int fd, uint32_t events, struct http_source *source) {
    struct epoll_event event = {.events = events, .data.ptr = source};
    ASSERT(epoll_ctl(h->epoll, operation, fd, &event) == 0);
}

/* While accepting pauses nobody waits for listeners. */
static void watch_listeners(struct http *h, uint32_t events) {
    for (uint32_t i = 0; i < h->listening_count; i++) {
        if (h->listening[i].fd >= 0)
            watch(h, EPOLL_CTL_MOD, h->listening[i].fd, events, &h->listening[i].source);
    }
}

static void accept_all(struct http_listening *l, uint64_t now_us) {
    struct http *h = l->source.http;
    for (int i = 0; i < ACCEPTS_PER_TURN && l->fd >= 0 && !accepting_pausing(&h->accepting); i++) {
        int fd;
        struct net_addr peer;
        enum accepting_result result = accepting_take(&h->accepting, now_us, l->fd, &fd, &peer);
        if (result == ACCEPTING_NONE)
            return;
        if (result == ACCEPTING_ONE) {
            connection_open(h, now_us, l->listener, fd, &peer);
            continue;
        }
        h->counters.http_no_descriptor++;
        watch_listeners(h, 0);
    }
}

static int bind_listener(const struct net_addr *address) {
    struct sockaddr_storage name;
    socklen_t len = address_to_sockaddr(address, &name);
    int fd = socket(name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0)
        return -1;
    bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (address->family == 6)
        ok = ok && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    if (ok && bind(fd, (struct sockaddr *)&name, len) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

bool http_listen(struct http *http, const struct net_addr *address, enum http_listener kind, uint16_t *port,
                 char *error, size_t error_size) {
    ASSERT(http->listening_count < HTTP_LISTENERS_MAX);
    ASSERT(kind != HTTP_TLS || http->tls != NULL);
    char ip[NET_IP_TEXT_LEN];
    net_ip_text(address, ip);
    int fd = bind_listener(address);
    if (fd < 0) {
        (void)snprintf(error, error_size, "TCP port %u of %s cannot be opened: %s%s", address->port, ip,
                       strerror(errno), address_bind_advice(errno));
        return false;
    }
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    struct net_addr bound;
    ASSERT(getsockname(fd, (struct sockaddr *)&name, &len) == 0 && address_from_sockaddr(&name, NET_TCP, &bound));
    if (port != NULL)
        *port = bound.port;
    struct http_listening *l = &http->listening[http->listening_count++];
    *l = (struct http_listening){.source = {SOURCE_LISTENER, http}, .fd = fd, .listener = kind};
    watch(http, EPOLL_CTL_ADD, fd, EPOLLIN, &l->source);
    return true;
}

void http_close_listeners(struct http *http) {
    for (uint32_t i = 0; i < http->listening_count; i++) {
        struct http_listening *l = &http->listening[i];
        if (l->fd >= 0)
            (void)close(l->fd);
        l->fd = -1;
    }
}

/* ---- signals and waking ---- */

bool http_take_signals(struct http *http, char *error, size_t error_size) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    ASSERT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    http->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (http->signal_fd < 0) {
        (void)snprintf(error, error_size, "signals cannot be watched: %s", strerror(errno));
        return false;
    }
    watch(http, EPOLL_CTL_ADD, http->signal_fd, EPOLLIN, &http->signals);
    return true;
}

static void read_signal(struct http *h) {
    struct signalfd_siginfo info;
    if (read(h->signal_fd, &info, sizeof info) == sizeof info)
        h->config.handlers.signalled(h->config.handlers.context, (int)info.ssi_signo);
}

void http_watch(struct http *http, int fd, void (*ready)(void *context), void *context) {
    ASSERT(http->watched.ready == NULL);
    http->watched = (struct http_watched){.source = {SOURCE_WATCHED, http}, .ready = ready, .context = context};
    watch(http, EPOLL_CTL_ADD, fd, EPOLLIN, &http->watched.source);
}

void http_wake(struct http *http) {
    uint64_t one = 1;
    ssize_t written = write(http->wake_fd, &one, sizeof one);
    ASSERT(written == sizeof one || errno == EAGAIN);
}

static void read_wake(struct http *h) {
    uint64_t count;
    (void)!read(h->wake_fd, &count, sizeof count);
    h->config.handlers.woken(h->config.handlers.context);
}

/* ---- the turn ---- */

static void flush_all(struct http *h, uint64_t now_us) {
    while (h->dirty != NULL) {
        struct http_connection *c = h->dirty;
        h->dirty = c->dirty_next;
        c->dirty = false;
        connection_flush(c, now_us);
    }
}

static void take_event(struct http *h, uint64_t now_us, const struct epoll_event *event) {
    struct http_source *source = event->data.ptr;
    switch (source->kind) {
    case SOURCE_CONNECTION:
        connection_event((struct http_connection *)source, now_us, event->events);
        break;
    case SOURCE_LISTENER:
        accept_all((struct http_listening *)source, now_us);
        break;
    case SOURCE_SIGNALS:
        read_signal(h);
        break;
    case SOURCE_WAKE:
        read_wake(h);
        break;
    case SOURCE_WATCHED:
        h->watched.ready(h->watched.context);
        break;
    }
}

static void once_a_second(struct http *h, uint64_t now_us) {
    if (now_us < h->second_us)
        return;
    h->second_us = now_us + US_PER_S;
    for (struct http_connection *c = h->connections, *next; c != NULL; c = next) {
        next = c->next; /* a look ends the one that is looked at at most */
        connection_look(c, now_us);
    }
    h->config.handlers.second(h->config.handlers.context);
}

void http_turn(struct http *http) {
    struct epoll_event events[EVENTS_PER_TURN];
    uint64_t now_us = clock_now_us();
    flush_all(http, now_us);
    uint64_t until_us = time_min(time_min(http->timer_us, http->second_us), accepting_resume_us(&http->accepting));
    int count = wait_events(http->epoll, events, EVENTS_PER_TURN, time_min(time_since(until_us, now_us), SLEEP_MAX_US));
    now_us = clock_now_us();
    for (int i = 0; i < count; i++)
        take_event(http, now_us, &events[i]);
    flush_all(http, now_us);
    once_a_second(http, now_us);
    if (now_us >= http->timer_us) {
        http->timer_us = TIME_NEVER;
        http->config.handlers.timer(http->config.handlers.context);
    }
    if (accepting_due(&http->accepting, now_us))
        watch_listeners(http, EPOLLIN);
    flush_all(http, now_us);
    connection_bury(http);
}

void http_timer(struct http *http, uint64_t delay_us) {
    http->timer_us = delay_us == TIME_NEVER ? TIME_NEVER : clock_now_us() + delay_us;
}

/* ---- setting up ---- */

static bool create_tables(struct http *h) {
    uint32_t max = h->config.connections_max;
    h->sessions_memory = memory_map(map_size(max, sizeof(uint64_t)));
    h->by_session = calloc(max, sizeof(struct http_connection *));
    h->free_slots = calloc(max, sizeof *h->free_slots);
    /* twice as many sources as connections: those that left keep their budgets for a while */
    if (h->sessions_memory == NULL || h->by_session == NULL || h->free_slots == NULL ||
        !http_clients_init(&h->clients, 2 * max, &h->rng))
        return false;
    map_init(&h->sessions, h->sessions_memory, max, sizeof(uint64_t), &h->rng);
    for (uint32_t i = 0; i < max; i++)
        h->free_slots[i] = max - 1 - i;
    h->free_count = max;
    return true;
}

static bool create_loop(struct http *h) {
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    h->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (h->epoll < 0 || h->wake_fd < 0)
        return false;
    watch(h, EPOLL_CTL_ADD, h->wake_fd, EPOLLIN, &h->wake);
    if (h->config.certificate.key == NULL)
        return true;
    h->tls = stream_context(&h->config.certificate);
    h->config.certificate = (struct http_certificate){0};
    return h->tls != NULL;
}

struct http *http_create(const struct http_config *config, char *error, size_t error_size) {
    ASSERT(config->connections_max > 0);
    (void)signal(SIGPIPE, SIG_IGN);
    struct http *h = calloc(1, sizeof *h);
    if (h == NULL) {
        (void)snprintf(error, error_size, "no memory for the HTTP server");
        return NULL;
    }
    h->config = *config;
    if (h->config.queues_len_max == 0)
        h->config.queues_len_max = HTTP_QUEUES_LEN_MAX;
    if (h->config.hold_max_us == 0)
        h->config.hold_max_us = HTTP_HOLD_US;
    if (h->config.unfinished_len_max == 0)
        h->config.unfinished_len_max = HTTP_UNFINISHED_LEN_MAX;
    h->signals = (struct http_source){.kind = SOURCE_SIGNALS, .http = h};
    h->wake = (struct http_source){.kind = SOURCE_WAKE, .http = h};
    h->epoll = h->wake_fd = h->signal_fd = -1;
    h->timer_us = TIME_NEVER;
    h->second_us = clock_now_us() + US_PER_S;
    h->rng = entropy_rng();
    accepting_init(&h->accepting);
    if (!create_tables(h) || !create_loop(h)) {
        (void)snprintf(error, error_size, "the HTTP server cannot be set up%s",
                       config->certificate.key != NULL ? "; is the certificate usable?" : "");
        http_destroy(h);
        return NULL;
    }
    return h;
}

bool http_reload_certificate(struct http *http, const struct http_certificate *certificate) {
    SSL_CTX *tls = stream_context(certificate);
    if (tls == NULL)
        return false;
    SSL_CTX_free(http->tls); /* connections hold it as long as they need it */
    http->tls = tls;
    return true;
}

static void close_if_open(int fd) {
    if (fd >= 0)
        (void)close(fd);
}

void http_destroy(struct http *http) {
    http->destroying = true;
    while (http->connections != NULL)
        connection_end(http->connections);
    connection_bury(http);
    http_close_listeners(http);
    accepting_end(&http->accepting);
    close_if_open(http->epoll);
    close_if_open(http->wake_fd);
    close_if_open(http->signal_fd);
    SSL_CTX_free(http->tls);
    http_clients_free(&http->clients);
    if (http->sessions_memory != NULL)
        memory_unmap(http->sessions_memory, map_size(http->config.connections_max, sizeof(uint64_t)));
    free(http->last_sent);
    free(http->by_session);
    free(http->free_slots);
    free(http);
}

uint32_t http_connections(const struct http *http) {
    return http->connections_count;
}

uint32_t http_sessions(const struct http *http) {
    return http->sessions_count;
}

size_t http_queued_len(const struct http *http) {
    return http->queued_len;
}

const struct http_counters *http_counters_get(const struct http *http) {
    return &http->counters;
}
