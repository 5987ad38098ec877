#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/time.h"
#include "io/address.h"
#include "server/http_internal.h"

/* Waiting connections that are compared when one must go. */
#define EVICT_AMONG 16

/* ---- lists ---- */

static void idle_add(struct http_connection *c, uint64_t now_us) {
    struct http *h = c->source.http;
    ASSERT(!c->idle);
    c->idle = true;
    c->idle_since_us = now_us;
    c->idle_next = NULL;
    c->idle_previous = h->idle_last;
    if (h->idle_last != NULL)
        h->idle_last->idle_next = c;
    else
        h->idle_first = c;
    h->idle_last = c;
}

static void idle_remove(struct http_connection *c) {
    struct http *h = c->source.http;
    if (!c->idle)
        return;
    c->idle = false;
    if (c->idle_previous != NULL)
        c->idle_previous->idle_next = c->idle_next;
    else
        h->idle_first = c->idle_next;
    if (c->idle_next != NULL)
        c->idle_next->idle_previous = c->idle_previous;
    else
        h->idle_last = c->idle_previous;
}

static void unlink_connection(struct http_connection *c) {
    struct http *h = c->source.http;
    idle_remove(c);
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        h->connections = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    h->connections_count--;
}

void connection_touch(struct http_connection *c) {
    struct http *h = c->source.http;
    if (c->dirty || c->phase == PHASE_DEAD)
        return;
    c->dirty = true;
    c->dirty_next = h->dirty;
    h->dirty = c;
}

/* ---- the end ---- */

static void release_shares(struct http_connection *c) {
    if (c->client != NULL)
        c->client->connections--;
    c->client = NULL;
}

void connection_end(struct http_connection *c) {
    struct http *h = c->source.http;
    if (c->phase == PHASE_DEAD)
        return;
    c->phase = PHASE_DEAD;
    unlink_connection(c);
    stream_end(&c->stream);
    accepting_freed(&h->accepting);
    c->buried_next = h->buried;
    h->buried = c;
    socket_closed(c);
    socket_release(c);
    request_release(c);
    request_drop_input(c);
    release_shares(c);
}

void connection_bury(struct http *h) {
    struct http_connection **at = &h->buried;
    while (*at != NULL) {
        struct http_connection *c = *at;
        *at = c->buried_next;
        ASSERT(!c->dirty || h->destroying);
        free(c);
    }
}

void connection_linger(struct http_connection *c, uint64_t now_us) {
    socket_closed(c);
    socket_release(c);
    request_release(c);
    request_drop_input(c);
    connection_busy(c, PHASE_LINGER);
    c->blocked = c->held = false; /* or what is unread would reset the connection at the end */
    c->deadline_us = now_us + HTTP_LINGER_US;
    if (!stream_shut(&c->stream))
        connection_end(c);
}

static void drain(struct http_connection *c) {
    struct http *h = c->source.http;
    for (size_t taken = 0; taken < HTTP_TURN_LEN;) {
        int got = stream_drain(&c->stream, h->incoming, sizeof h->incoming);
        if (got == 0)
            return;
        taken += got > 0 ? (size_t)got : 0;
        c->drained_len += got > 0 ? (size_t)got : 0;
        if (got < 0 || c->drained_len > HTTP_LINGER_LEN_MAX) {
            connection_end(c);
            return;
        }
    }
}

/* ---- the beginning ---- */

static bool is_trusted(const struct http *h, const struct net_addr *peer) {
    struct net_addr plain = *peer;
    plain.port = 0;
    plain.proto = 0;
    plain.conn = 0;
    for (uint32_t i = 0; i < h->config.trusted_count; i++) {
        if (net_addr_equal(&h->config.trusted[i], &plain))
            return true;
    }
    return false;
}

static bool is_counted(const struct http *h, const struct net_addr *source) {
    return h->config.connections_per_client_max != 0 && (h->config.count_loopback || !net_addr_is_loopback(source)) &&
           !is_trusted(h, source);
}

struct net_addr http_source_of(const struct http *http, const struct http_request *request) {
    struct net_addr client = request->peer;
    struct span text = request->forwarded_for;
    /* from the right: each entry was added by the hop behind it, which is believed only as long as hops are ours */
    while (is_trusted(http, &client) && text.len > 0) {
        size_t start = text.len, end = text.len;
        while (start > 0 && text.data[start - 1] != ',')
            start--;
        struct span hop = span_of(text.data + start, end - start);
        while (hop.len > 0 && hop.data[0] == ' ')
            hop = span_of(hop.data + 1, hop.len - 1);
        while (hop.len > 0 && hop.data[hop.len - 1] == ' ')
            hop.len--;
        struct net_addr address;
        if (!net_ip_parse(hop, &address))
            break;
        client = address;
        text.len = start > 0 ? start - 1 : 0;
    }
    return address_client(&client);
}

struct http_client *connection_client_of(struct http_connection *c, bool *full) {
    struct http *h = c->source.http;
    struct net_addr source = http_source_of(h, &c->request);
    *full = false;
    if (!is_counted(h, &source))
        return NULL;
    struct http_client *client = http_clients_of(&h->clients, &source);
    *full = client == NULL;
    return client;
}

/* Ends one of those that wait for a request, see http.h. False: nobody waits for long enough. */
static bool evict(struct http *h, uint64_t now_us) {
    struct http_connection *worst = NULL;
    uint32_t among = 0;
    for (struct http_connection *c = h->idle_first; c != NULL && among < EVICT_AMONG; c = c->idle_next, among++) {
        if (now_us - c->idle_since_us < HTTP_GRACE_US)
            break;
        uint32_t has = c->client != NULL ? c->client->connections : 0;
        if (worst == NULL || has > (worst->client != NULL ? worst->client->connections : 0))
            worst = c;
    }
    if (worst == NULL)
        return false;
    h->counters.http_evicted++;
    connection_end(worst);
    return true;
}

/* May this source have one more? Takes the shares when it may. */
static bool admit(struct http *h, uint64_t now_us, enum http_listener listener, const struct net_addr *peer,
                  struct http_client **client) {
    struct net_addr source = address_client(peer);
    *client = NULL;
    if (is_counted(h, &source)) {
        *client = http_clients_of(&h->clients, &source);
        if (*client == NULL || (*client)->connections >= h->config.connections_per_client_max) {
            h->counters.http_refused_client++;
            return false;
        }
        if (listener == HTTP_TLS && !http_client_take(*client, CLIENT_HANDSHAKES, now_us)) {
            h->counters.http_refused_rate++;
            return false;
        }
    }
    if (h->connections_count < h->config.connections_max || evict(h, now_us))
        return true;
    h->counters.http_refused_full++;
    return false;
}

static void watch(struct http_connection *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = &c->source};
    ASSERT(epoll_ctl(c->source.http->epoll, operation, c->stream.fd, &event) == 0);
    c->interest = events;
}

void connection_open(struct http *h, uint64_t now_us, enum http_listener listener, int fd,
                     const struct net_addr *peer) {
    struct http_client *client;
    struct http_connection *c = admit(h, now_us, listener, peer, &client) ? calloc(1, sizeof *c) : NULL;
    if (c == NULL || !stream_begin(&c->stream, fd, listener == HTTP_TLS ? h->tls : NULL)) {
        free(c);
        (void)close(fd);
        return;
    }
    int on = 1, unsent = HTTP_UNSENT_LEN_MAX;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    struct sockaddr_storage own;
    socklen_t own_len = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &own_len) == 0)
        (void)address_from_sockaddr(&own, NET_TCP, &c->local);
    c->source = (struct http_source){.kind = SOURCE_CONNECTION, .http = h};
    c->peer = *peer;
    c->listener = listener;
    c->client = client;
    if (client != NULL)
        client->connections++;
    c->phase = listener == HTTP_TLS ? PHASE_HANDSHAKE : PHASE_HEADERS;
    c->deadline_us = now_us + HTTP_HEADERS_US;
    c->next = h->connections;
    if (c->next != NULL)
        c->next->previous = c;
    h->connections = c;
    h->connections_count++;
    idle_add(c, now_us);
    h->counters.http_accepted++;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

/* ---- phases ---- */

void connection_busy(struct http_connection *c, enum http_phase phase) {
    idle_remove(c);
    c->phase = phase;
}

void connection_wait_for_request(struct http_connection *c, uint64_t now_us, uint64_t patience_us) {
    c->phase = PHASE_HEADERS;
    c->deadline_us = now_us + patience_us;
    c->window_us = 0;
    if (!c->idle)
        idle_add(c, now_us);
}

void connection_passed(struct http_connection *c, size_t len) {
    c->passed_len += len;
}

/* ---- events ---- */

static void set_interest(struct http_connection *c) {
    if (c->phase == PHASE_DEAD)
        return;
    /* a socket that can be written to brings the next turn for what came early */
    bool out = c->blocked || c->early || c->stream.read_wants_write;
    bool in = (c->phase != PHASE_REPLY && !c->held && !c->early) || c->stream.write_wants_read;
    uint32_t events = (in ? EPOLLIN : 0u) | (out ? EPOLLOUT : 0u);
    if (events != c->interest)
        watch(c, EPOLL_CTL_MOD, events);
}

void connection_hold(struct http_connection *c, bool held) {
    c->held = held;
    set_interest(c);
}

/* What came early waits in `rx`; it is looked at when the request before it is answered. */
static void take_input(struct http_connection *c, uint64_t now_us, uint8_t *data, size_t len) {
    if (c->phase == PHASE_SOCKET)
        socket_input(c, now_us, data, len);
    else
        (void)request_input(c, now_us, data, len);
}

static void read_on(struct http_connection *c, uint64_t now_us) {
    struct http *h = c->source.http;
    for (size_t taken = 0; taken < HTTP_TURN_LEN;) {
        if (c->phase == PHASE_DEAD || c->phase == PHASE_REPLY || c->phase == PHASE_LINGER || (c->held && taken > 0))
            return;
        int got = stream_read(&c->stream, h->incoming, sizeof h->incoming);
        if (got == 0)
            return;
        if (got < 0) {
            connection_end(c);
            return;
        }
        taken += (size_t)got;
        take_input(c, now_us, h->incoming, (size_t)got);
    }
    /* what TLS has decrypted wakes nobody; a read takes a whole record, so that there is nothing */
}

static void shake_hands(struct http_connection *c) {
    int result = stream_handshake(&c->stream);
    if (result > 0)
        c->phase = PHASE_HEADERS;
    if (result >= 0)
        return;
    c->source.http->counters.http_tls_failed++;
    connection_end(c);
}

void connection_flush(struct http_connection *c, uint64_t now_us) {
    bool on = c->phase == PHASE_REPLY || c->phase == PHASE_SOCKET;
    if (c->phase == PHASE_BODY && request_invite(c) < 0)
        connection_end(c);
    while (on) {
        enum http_phase phase = c->phase;
        on = phase == PHASE_REPLY ? request_output(c, now_us) : socket_output(c, now_us);
        if (!on || c->phase == phase || (c->phase != PHASE_REPLY && c->phase != PHASE_SOCKET))
            break;
    }
    set_interest(c);
}

void connection_event(struct http_connection *c, uint64_t now_us, uint32_t events) {
    if (c->phase == PHASE_DEAD)
        return;
    bool gone = (events & (EPOLLERR | EPOLLHUP)) != 0;
    bool in = (events & EPOLLIN) != 0 || gone, out = (events & EPOLLOUT) != 0 || gone;
    if (c->phase == PHASE_HANDSHAKE)
        shake_hands(c);
    if (c->early && out)
        (void)request_input(c, now_us, NULL, 0);
    if (c->phase == PHASE_LINGER)
        drain(c);
    else if (c->phase != PHASE_DEAD && c->phase != PHASE_HANDSHAKE && (gone || !c->held) && !c->early &&
             (in || (out && c->stream.read_wants_write)))
        read_on(c, now_us);
    if (c->phase != PHASE_DEAD && (out || (in && c->stream.write_wants_read) || c->phase == PHASE_REPLY))
        connection_touch(c);
    set_interest(c);
}

/* ---- time ---- */

/* Bodies and replies move, or end. */
static bool stands_still(struct http_connection *c, uint64_t now_us) {
    if (c->phase != PHASE_BODY && c->phase != PHASE_REPLY)
        return false;
    if (c->window_us == 0 || now_us >= c->window_us) {
        bool slow = c->window_us != 0 && c->passed_len < HTTP_WINDOW_LEN;
        c->window_us = now_us + HTTP_WINDOW_US;
        c->passed_len = 0;
        return slow;
    }
    return false;
}

void connection_look(struct http_connection *c, uint64_t now_us) {
    struct http *h = c->source.http;
    if (c->phase == PHASE_SOCKET)
        socket_look(c, now_us);
    if (c->phase == PHASE_DEAD)
        return;
    bool late = now_us >= c->deadline_us;
    if (!late && !stands_still(c, now_us))
        return;
    h->counters.http_timeout += c->phase != PHASE_LINGER;
    if (c->phase == PHASE_BODY)
        request_refuse(c, now_us, 408, "the request came too slowly\n", NULL);
    else
        connection_end(c);
}
