#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "io/clock.h"
#include "server/http_internal.h"

/* Waiting room of a message that comes in parts; doubles up to HTTP_MESSAGE_LEN_MAX. */
#define RX_SIZE_FIRST (16u << 10)

static struct http_connection *find(struct http *h, uint64_t session) {
    uint32_t slot = 0;
    return map_get(&h->sessions, &session, &slot) ? h->by_session[slot] : NULL;
}

static int refuse_upgrade(struct http_connection *c, struct http_reply *reply) {
    struct http *h = c->source.http;
    h->counters.ws_refused++;
    reply->close = true;
    struct writer w = writer_of(h->scratch + LWS_PRE, HTTP_CHUNK_LEN);
    http_write_head(reply, &w);
    if (reply->body.len <= writer_left(&w))
        wr_span(&w, reply->body);
    if (writer_ok(&w))
        (void)lws_write(c->wsi, h->scratch + LWS_PRE, w.len, LWS_WRITE_HTTP_FINAL);
    return 1; /* the library ends the transaction, and with it the connection */
}

int http_on_upgrade(struct http_connection *c) {
    struct http *h = c->source.http;
    char protocol[16];
    if (lws_hdr_copy(c->wsi, protocol, sizeof protocol, WSI_TOKEN_UPGRADE) <= 0 ||
        strcasecmp(protocol, "websocket") != 0 || c->phase != PHASE_HEADERS) {
        h->counters.http_refused_upgrade++;
        return -1;
    }
    http_release_request(c);
    if (h->free_count == 0 || !http_read_headers(c))
        return -1;
    struct http_reply *reply = malloc(sizeof *reply);
    if (reply == NULL)
        return -1;
    http_reply_init(reply, 500);
    uint64_t session = h->config.handlers.open(h->config.handlers.context, &c->request, reply);
    int result = 0;
    if (session == 0) {
        result = refuse_upgrade(c, reply);
    } else {
        ASSERT(find(h, session) == NULL && c->session == 0);
        uint32_t slot = h->free_slots[--h->free_count];
        ASSERT(map_put(&h->sessions, &session, slot));
        h->by_session[slot] = c;
        h->sessions_count++;
        h->counters.ws_opened++;
        c->session = session;
    }
    http_free_reply(reply);
    free(reply);
    http_release_request(c);
    if (session != 0)
        h->config.handlers.opened(h->config.handlers.context, session);
    return result;
}

int http_on_established(struct http_connection *c) {
    if (c->session == 0)
        return -1;
    c->phase = PHASE_SOCKET;
    c->deadline_us = c->closing ? clock_now_us() + HTTP_CLOSE_US : TIME_NEVER;
    lws_callback_on_writable(c->wsi);
    return 0;
}

static int too_long(struct http_connection *c) {
    struct http *h = c->source.http;
    h->counters.ws_too_long++;
    uint16_t code = h->config.handlers.too_long(h->config.handlers.context, c->session);
    lws_close_reason(c->wsi, (enum lws_close_status)code, NULL, 0);
    return -1;
}

/* Room for `len` more bytes of the message in parts. */
static bool grow(struct http_connection *c, size_t len) {
    size_t size = c->rx_size > 0 ? c->rx_size : RX_SIZE_FIRST;
    while (size < c->rx_len + len)
        size *= 2;
    if (size == c->rx_size)
        return true;
    uint8_t *rx = realloc(c->rx, size);
    if (rx == NULL)
        return false;
    c->rx = rx;
    c->rx_size = size;
    return true;
}

int http_on_message_part(struct http_connection *c, const uint8_t *data, size_t len) {
    struct http *h = c->source.http;
    if (c->session == 0 || c->closing)
        return 0;
    if (c->rx_len + len > HTTP_MESSAGE_LEN_MAX)
        return too_long(c);
    bool whole = lws_is_final_fragment(c->wsi) && lws_remaining_packet_payload(c->wsi) == 0;
    struct span message = span_of(data, len);
    if (!whole || c->rx_len > 0) {
        if (!grow(c, len))
            return -1;
        memcpy(c->rx + c->rx_len, data, len);
        c->rx_len += len;
        message = span_of(c->rx, c->rx_len);
    }
    if (!whole)
        return 0;
    h->counters.ws_rx_messages++;
    h->counters.ws_rx_bytes += message.len;
    bool text = !lws_frame_is_binary(c->wsi);
    h->config.handlers.message(h->config.handlers.context, c->session, message, text);
    c->rx_len = 0;
    free(c->rx); /* large messages are rare; memory stays with those who send them now */
    c->rx = NULL;
    c->rx_size = 0;
    return 0;
}

/* RFC 6455 section 5.5.1: the code is the first two bytes, if there are any. */
void http_on_peer_close(struct http_connection *c, const uint8_t *data, size_t len) {
    struct reader r = reader_of(data, len);
    uint16_t code = rd_u16(&r);
    c->peer_code = reader_ok(&r) ? code : 0;
}

static void drop_queue(struct http_connection *c) {
    while (c->queue_first != NULL) {
        struct http_message *next = c->queue_first->next;
        free(c->queue_first);
        c->queue_first = next;
    }
    c->queue_last = NULL;
    c->queue_len = 0;
}

int http_on_socket_writable(struct http_connection *c) {
    struct http *h = c->source.http;
    struct http_message *m = c->queue_first;
    if (m != NULL) {
        int written = lws_write(c->wsi, m->bytes + LWS_PRE, m->len, m->text ? LWS_WRITE_TEXT : LWS_WRITE_BINARY);
        h->counters.ws_tx_messages++;
        h->counters.ws_tx_bytes += m->len;
        c->queue_first = m->next;
        c->queue_len -= sizeof *m + m->len;
        if (m->next == NULL)
            c->queue_last = NULL;
        free(m);
        if (written < 0)
            return -1;
        if (c->queue_first != NULL || c->closing)
            lws_callback_on_writable(c->wsi);
        return 0;
    }
    if (!c->closing)
        return 0;
    lws_close_reason(c->wsi, (enum lws_close_status)c->close_code, NULL, 0);
    return -1;
}

/* The connection is useless: end it as soon as the library is ready. */
static void abandon(struct http_connection *c) {
    drop_queue(c);
    c->closing = true;
    c->deadline_us = 0; /* the next second's look at deadlines ends it, if the close handshake has not */
    c->close_code = LWS_CLOSE_STATUS_POLICY_VIOLATION;
}

void http_send(struct http *http, uint64_t session, struct span message, bool text) {
    struct http_connection *c = find(http, session);
    if (c == NULL || c->closing)
        return;
    if (message.len > HTTP_MESSAGE_LEN_MAX) {
        http->counters.ws_unsendable++;
        abandon(c);
        return;
    }
    struct http_message *m = NULL;
    if (c->queue_len + sizeof *m + message.len <= HTTP_QUEUE_LEN_MAX)
        m = malloc(sizeof *m + LWS_PRE + message.len);
    if (m == NULL) {
        http->counters.ws_overflow++;
        abandon(c);
        return;
    }
    m->next = NULL;
    m->len = message.len;
    m->text = text;
    if (message.len > 0)
        memcpy(m->bytes + LWS_PRE, message.data, message.len);
    if (c->queue_last != NULL)
        c->queue_last->next = m;
    else
        c->queue_first = m;
    c->queue_last = m;
    c->queue_len += sizeof *m + message.len;
    if (c->phase == PHASE_SOCKET)
        lws_callback_on_writable(c->wsi);
}

void http_close(struct http *http, uint64_t session, uint16_t code) {
    struct http_connection *c = find(http, session);
    if (c == NULL || c->closing)
        return;
    c->closing = true;
    c->close_code = code;
    c->deadline_us = clock_now_us() + HTTP_CLOSE_US;
    if (c->phase == PHASE_SOCKET)
        lws_callback_on_writable(c->wsi);
}

void http_close_matching(struct http *http, uint64_t bits, uint16_t code) {
    ASSERT(bits != 0);
    for (struct http_connection *c = http->connections; c != NULL; c = c->next) {
        if ((c->session & bits) == bits)
            http_close(http, c->session, code);
    }
}

void http_on_socket_closed(struct http_connection *c) {
    struct http *h = c->source.http;
    if (c->session == 0)
        return;
    uint64_t session = c->session;
    uint32_t slot = 0;
    c->session = 0;
    ASSERT(map_get(&h->sessions, &session, &slot) && h->by_session[slot] == c);
    ASSERT(map_remove(&h->sessions, &session));
    h->by_session[slot] = NULL;
    h->free_slots[h->free_count++] = slot;
    h->sessions_count--;
    drop_queue(c);
    h->config.handlers.closed(h->config.handlers.context, session, c->peer_code);
}

void http_release_socket(struct http_connection *c) {
    drop_queue(c);
    free(c->rx);
    c->rx = NULL;
}
