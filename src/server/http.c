#include "server/http.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/time.h"
#include "io/address.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/memory.h"
#include "server/http_internal.h"
#include "server/library_log.h"

#define ACCEPTS_PER_TURN 64
#define LISTEN_BACKLOG 512

static const lws_retry_bo_t liveness = {
    .secs_since_valid_ping = HTTP_PING_S,
    .secs_since_valid_hangup = HTTP_PONG_S,
};

/* ---- connections ---- */

static uint32_t client_count(const struct http *h, const struct net_addr *client) {
    uint32_t count = 0;
    return map_get(&h->clients, client, &count) ? count : 0;
}

static bool is_counted(const struct http *h, const struct net_addr *peer) {
    if (h->config.connections_per_client_max == 0 || net_addr_is_loopback(peer))
        return false;
    struct net_addr plain = *peer;
    plain.port = 0;
    plain.proto = 0;
    for (uint32_t i = 0; i < h->config.trusted_count; i++) {
        if (net_addr_equal(&h->config.trusted[i], &plain))
            return false;
    }
    return true;
}

static void count_client(struct http *h, const struct net_addr *peer, bool added) {
    struct net_addr client = address_client(peer);
    uint32_t count = client_count(h, &client);
    if (!added && count <= 1)
        (void)map_remove(&h->clients, &client);
    else
        ASSERT(map_put(&h->clients, &client, added ? count + 1 : count - 1));
}

static void free_connection(struct http_connection *c) {
    struct http *h = c->source.http;
    http_on_socket_closed(c);
    http_release_socket(c);
    http_release_request(c);
    if (c->counted)
        count_client(h, &c->peer, false);
    ASSERT((c->previous == NULL) == (h->connections == c));
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        h->connections = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    h->connections_count--;
    free(c);
}

/* Ends a connection from outside its own callbacks; the library calls back with the end. */
static void kill_connection(struct http_connection *c) {
    c->deadline_us = TIME_NEVER;
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

static void accept_one(struct http_listening *l, int fd, const struct net_addr *peer) {
    struct http *h = l->source.http;
    struct net_addr client = address_client(peer);
    bool counted = is_counted(h, peer);
    struct http_connection *c = NULL;
    if (h->connections_count >= h->config.connections_max) {
        h->counters.http_refused_full++;
    } else if (counted && client_count(h, &client) >= h->config.connections_per_client_max) {
        h->counters.http_refused_client++;
    } else {
        c = calloc(1, sizeof *c);
    }
    if (c == NULL) {
        close(fd);
        return;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_storage own;
    socklen_t own_len = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &own_len) == 0)
        (void)address_from_sockaddr(&own, NET_TCP, &c->local);
    c->source = (struct http_source){.kind = SOURCE_CONNECTION, .http = h};
    c->peer = *peer;
    c->listener = l->listener;
    c->deadline_us = clock_now_us() + HTTP_HEADERS_US;
    c->counted = counted;
    c->next = h->connections;
    if (c->next != NULL)
        c->next->previous = c;
    h->connections = c;
    h->connections_count++;
    if (counted)
        count_client(h, peer, true);
    lws_adopt_desc_t adopt = {
        .vh = l->listener == HTTP_TLS ? h->tls : h->plain,
        .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | LWS_ADOPT_ALLOW_SSL,
        .fd.sockfd = fd,
        .opaque = c,
    };
    if (lws_adopt_descriptor_vhost_via_info(&adopt) != NULL) {
        h->counters.http_accepted++;
        return;
    }
    /* Depending on how far it came, the library has told us of its end and `c` is gone, or not. */
    h->counters.http_refused_full++;
    struct http_connection *left = h->connections;
    while (left != NULL && left != c)
        left = left->next;
    if (left != NULL)
        free_connection(left);
}

static int accept_all(struct http_listening *l) {
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage name;
        socklen_t len = sizeof name;
        int fd = accept4(l->fd, (struct sockaddr *)&name, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return 0;
        struct net_addr peer;
        if (address_from_sockaddr(&name, NET_TCP, &peer))
            accept_one(l, fd, &peer);
        else
            close(fd);
    }
    return 0;
}

static int read_signal(struct http *h) {
    struct signalfd_siginfo info;
    if (read(h->signal_fd, &info, sizeof info) == sizeof info)
        h->config.handlers.signalled(h->config.handlers.context, (int)info.ssi_signo);
    return 0;
}

/* ---- the library's callback ---- */

static int on_connection(struct http_connection *c, enum lws_callback_reasons reason, void *in, size_t len) {
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return http_on_request(c);
    case LWS_CALLBACK_HTTP_BODY:
        return http_on_body(c, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return http_on_body_end(c);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return http_on_writable(c);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return http_on_upgrade(c);
    case LWS_CALLBACK_ESTABLISHED:
        return http_on_established(c);
    case LWS_CALLBACK_RECEIVE:
        return http_on_message_part(c, in, len);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return http_on_socket_writable(c);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        http_on_peer_close(c, in, len);
        return 0;
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLOSED_HTTP:
        http_on_socket_closed(c);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        lws_set_opaque_user_data(c->wsi, NULL);
        free_connection(c);
        return 0;
    case LWS_CALLBACK_RAW_RX: /* CONNECT, or bytes that are no HTTP */
    case LWS_CALLBACK_RAW_ADOPT:
        return -1;
    default:
        return 0;
    }
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len) {
    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS) {
        SSL_CTX *ssl = user;
        (void)SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
        (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
        return 0;
    }
    if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED) {
        struct http *h = lws_context_user(lws_get_context(wsi));
        if (h != NULL && !h->destroying && lws_get_vhost(wsi) == h->plain)
            h->config.handlers.woken(h->config.handlers.context);
        return 0;
    }
    struct http_source *source = wsi != NULL ? lws_get_opaque_user_data(wsi) : NULL;
    if (source == NULL)
        return 0;
    switch (source->kind) {
    case SOURCE_CONNECTION: {
        struct http_connection *c = (struct http_connection *)source;
        if (c->wsi == NULL)
            c->wsi = wsi;
        return on_connection(c, reason, in, len);
    }
    case SOURCE_LISTENER:
        if (reason == LWS_CALLBACK_RAW_RX_FILE)
            return accept_all((struct http_listening *)source);
        return 0;
    case SOURCE_SIGNALS:
        if (reason == LWS_CALLBACK_RAW_RX_FILE)
            return read_signal(source->http);
        return 0;
    }
    return 0;
}

static const struct lws_protocols protocols[] = {
    /* The opaque pointer is what we use; without per-session data the library does not tell of every end. */
    {.name = "conclave", .callback = on_event, .per_session_data_size = 8, .rx_buffer_size = 4096},
    {0},
};

/* ---- time ---- */

static void on_timer(lws_sorted_usec_list_t *sul) {
    struct http *h = lws_container_of(sul, struct http, timer);
    h->config.handlers.timer(h->config.handlers.context);
}

static void on_second(lws_sorted_usec_list_t *sul) {
    struct http *h = lws_container_of(sul, struct http, second);
    lws_sul_schedule(h->context, 0, &h->second, on_second, LWS_USEC_PER_SEC);
    uint64_t now_us = clock_now_us();
    for (struct http_connection *c = h->connections; c != NULL; c = c->next) {
        if (now_us < c->deadline_us)
            continue;
        h->counters.http_timeout++;
        kill_connection(c);
    }
    h->config.handlers.second(h->config.handlers.context);
}

void http_timer(struct http *http, uint64_t delay_us) {
    lws_usec_t us = delay_us >= (uint64_t)3600 * US_PER_S ? (lws_usec_t)3600 * LWS_USEC_PER_SEC : (lws_usec_t)delay_us;
    if (delay_us == TIME_NEVER)
        us = (lws_usec_t)LWS_SET_TIMER_USEC_CANCEL;
    lws_sul_schedule(http->context, 0, &http->timer, on_timer, us);
}

void http_turn(struct http *http) {
    (void)lws_service(http->context, 0);
}

void http_wake(struct http *http) {
    lws_cancel_service(http->context);
}

/* ---- setting up ---- */

static bool create_tables(struct http *h) {
    uint32_t max = h->config.connections_max;
    size_t clients_len = map_size(max, sizeof(struct net_addr)), sessions_len = map_size(max, sizeof(uint64_t));
    h->maps_memory = memory_map(clients_len + sessions_len);
    h->by_session = calloc(max, sizeof(struct http_connection *));
    h->free_slots = calloc(max, sizeof *h->free_slots);
    if (h->maps_memory == NULL || h->by_session == NULL || h->free_slots == NULL)
        return false;
    map_init(&h->clients, h->maps_memory, max, sizeof(struct net_addr), &h->rng);
    map_init(&h->sessions, (uint8_t *)h->maps_memory + clients_len, max, sizeof(uint64_t), &h->rng);
    for (uint32_t i = 0; i < max; i++)
        h->free_slots[i] = max - 1 - i;
    h->free_count = max;
    return true;
}

static bool create_context(struct http *h) {
    library_log_setup();
    struct lws_context_creation_info info = {0};
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.user = h;
    info.max_http_header_data2 = HTTP_HEADER_LEN_MAX;
    info.max_http_header_pool2 = h->config.connections_max;
    info.pt_serv_buf_size = 32 << 10; /* status, headers and handshakes are made in it */
    info.timeout_secs = (unsigned)(HTTP_BODY_US / US_PER_S);
    h->context = lws_create_context(&info);
    if (h->context == NULL)
        return false;
    struct lws_context_creation_info vhost = {0};
    vhost.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    vhost.protocols = protocols;
    vhost.vhost_name = "plain";
    vhost.keepalive_timeout = (int)(HTTP_IDLE_US / US_PER_S);
    vhost.timeout_secs = info.timeout_secs;
    vhost.retry_and_idle_policy = &liveness;
    h->plain = lws_create_vhost(h->context, &vhost);
    if (h->plain == NULL)
        return false;
    if (h->config.cert_path == NULL)
        return true;
    vhost.vhost_name = "tls";
    vhost.alpn = "http/1.1";
    vhost.ssl_cert_filepath = h->config.cert_path;
    vhost.ssl_private_key_filepath = h->config.key_path;
    vhost.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    h->tls = lws_create_vhost(h->context, &vhost);
    return h->tls != NULL;
}

struct http *http_create(const struct http_config *config, char *error, size_t error_size) {
    ASSERT(config->connections_max > 0);
    (void)signal(SIGPIPE, SIG_IGN);
    struct http *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->config = *config;
    h->signals = (struct http_source){.kind = SOURCE_SIGNALS, .http = h};
    h->signal_fd = -1;
    h->rng = entropy_rng();
    if (!create_tables(h) || !create_context(h)) {
        (void)snprintf(error, error_size, "the HTTP server cannot be set up%s%s",
                       config->cert_path != NULL ? "; is this a usable certificate: " : "",
                       config->cert_path != NULL ? config->cert_path : "");
        http_destroy(h);
        return NULL;
    }
    lws_sul_schedule(h->context, 0, &h->second, on_second, LWS_USEC_PER_SEC);
    return h;
}

static bool adopt_file(struct http *h, int fd, void *opaque, struct lws **out) {
    lws_adopt_desc_t adopt = {.vh = h->plain, .type = LWS_ADOPT_RAW_FILE_DESC, .fd.filefd = fd, .opaque = opaque};
    *out = lws_adopt_descriptor_vhost_via_info(&adopt);
    return *out != NULL;
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
    struct http_listening *l = &http->listening[http->listening_count];
    *l = (struct http_listening){.source = {SOURCE_LISTENER, http}, .fd = fd, .listener = kind};
    if (!adopt_file(http, fd, l, &l->wsi)) {
        (void)snprintf(error, error_size, "TCP port %u of %s cannot be served", address->port, ip);
        return false;
    }
    http->listening_count++;
    return true;
}

bool http_take_signals(struct http *http, char *error, size_t error_size) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    ASSERT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    http->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (http->signal_fd < 0 || !adopt_file(http, http->signal_fd, &http->signals, &http->signal_wsi)) {
        (void)snprintf(error, error_size, "signals cannot be watched: %s", strerror(errno));
        return false;
    }
    return true;
}

void http_close_listeners(struct http *http) {
    for (uint32_t i = 0; i < http->listening_count; i++) {
        struct http_listening *l = &http->listening[i];
        if (l->wsi != NULL)
            lws_set_timeout(l->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
        l->wsi = NULL;
    }
}

void http_destroy(struct http *http) {
    http->destroying = true;
    if (http->context != NULL)
        lws_context_destroy(http->context);
    struct http_connection *c = http->connections;
    while (c != NULL) { /* the library forgot to say so */
        struct http_connection *next = c->next;
        free_connection(c);
        c = next;
    }
    if (http->maps_memory != NULL)
        memory_unmap(http->maps_memory, map_size(http->config.connections_max, sizeof(struct net_addr)) +
                                            map_size(http->config.connections_max, sizeof(uint64_t)));
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

const struct http_counters *http_counters_get(const struct http *http) {
    return &http->counters;
}
