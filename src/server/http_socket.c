#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/text.h"
#include "base/time.h"
#include "io/clock.h"
#include "server/http_internal.h"

/* Waiting room of a message that comes in parts; doubles up to HTTP_MESSAGE_LEN_MAX. */
#define MESSAGE_SIZE_FIRST (16u << 10)
/* RFC 6455 section 4.2.2 */
#define KEY_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_LEN 24
/* What one message costs besides its bytes, so that many small ones count too. */
#define MESSAGE_COST (sizeof(struct http_message) + sizeof(struct http_blob))

static struct http_connection *find(struct http *h, uint64_t session) {
    uint32_t slot = 0;
    return map_get(&h->sessions, &session, &slot) ? h->by_session[slot] : NULL;
}

/* ---- blobs and queues ---- */

static struct http_blob *make_blob(struct http *h, struct span bytes) {
    struct http_blob *blob = malloc(sizeof *blob + bytes.len);
    if (blob == NULL)
        return NULL;
    *blob = (struct http_blob){.refs = 1, .len = bytes.len};
    if (bytes.len > 0)
        memcpy(blob->bytes, bytes.data, bytes.len);
    h->queued_len += bytes.len;
    return blob;
}

static void drop_blob(struct http *h, struct http_blob *blob) {
    ASSERT(blob->refs > 0);
    if (--blob->refs > 0)
        return;
    h->queued_len -= blob->len;
    free(blob);
}

/* The bytes of the message before, when these are the same: broadcasts come as one message to each receiver. */
static struct http_blob *share_blob(struct http *h, struct span bytes) {
    struct http_blob *last = h->last_sent;
    if (last != NULL && span_equal(span_of(last->bytes, last->len), bytes)) {
        last->refs++;
        return last;
    }
    struct http_blob *blob = make_blob(h, bytes);
    if (last != NULL)
        drop_blob(h, last);
    h->last_sent = blob;
    if (blob != NULL)
        blob->refs++;
    return blob;
}

static size_t frame_len(const struct http_message *m) {
    return m->head_len + m->blob->len;
}

static void free_message(struct http *h, struct http_message *m) {
    drop_blob(h, m->blob);
    h->queued_len -= MESSAGE_COST;
    free(m);
}

/* What nothing may overtake and nothing take away: a frame that was begun, the answer to the upgrade, or the close frame, which is
 * alone in the queue. */
static struct http_message *begun(const struct http_connection *c) {
    bool is = c->queue_first != NULL && (c->first_sent > 0 || c->queue_first->head_len == 0 || c->close_sent);
    return is ? c->queue_first : NULL;
}

/* Everything, or all but what must go out. */
static void drop_queue(struct http_connection *c, bool all) {
    struct http_message *keep = all ? NULL : begun(c);
    struct http_message *m = keep != NULL ? keep->next : c->queue_first;
    while (m != NULL) {
        struct http_message *next = m->next;
        free_message(c->source.http, m);
        m = next;
    }
    if (keep != NULL)
        keep->next = NULL;
    c->queue_first = c->queue_last = keep;
    c->queue_len = keep != NULL ? MESSAGE_COST + keep->blob->len : 0;
    if (keep == NULL)
        c->first_sent = 0;
}

/* Takes the blob's reference. Control frames go in front of messages that were not begun. */
static bool enqueue(struct http_connection *c, struct http_blob *blob, int opcode, bool control) {
    struct http *h = c->source.http;
    struct http_message *m = malloc(sizeof *m);
    if (m == NULL) {
        drop_blob(h, blob);
        return false;
    }
    *m = (struct http_message){.blob = blob, .control = control};
    if (opcode >= 0) {
        struct writer w = writer_of(m->head, sizeof m->head);
        ws_write_head(&w, (enum ws_opcode)opcode, blob->len);
        m->head_len = (uint8_t)w.len;
    }
    struct http_message *before = control ? begun(c) : c->queue_last;
    m->next = before != NULL ? before->next : c->queue_first;
    if (before != NULL)
        before->next = m;
    else
        c->queue_first = m;
    if (m->next == NULL)
        c->queue_last = m;
    c->queue_len += MESSAGE_COST + blob->len;
    h->queued_len += MESSAGE_COST;
    connection_touch(c);
    return true;
}

/* ---- ending ---- */

static void drop_unfinished(struct http_connection *c) {
    c->source.http->messages_len -= c->message_size;
    free(c->message);
    c->message = NULL;
    c->message_len = c->message_size = 0;
    c->message_since_us = 0;
}

/* Says why behind what was begun, and ends without waiting for the peer. */
static void fail(struct http_connection *c, uint16_t code) {
    if (c->over)
        return;
    drop_queue(c, false);
    drop_unfinished(c);
    if (!c->closing) /* why it was to be closed before stays the reason */
        c->close_code = code;
    c->closing = c->over = true;
    c->deadline_us = time_min(c->deadline_us, clock_now_us() + HTTP_CLOSE_US);
    connection_touch(c);
}

static size_t held(const struct http_connection *c, bool outgoing) {
    if (c->phase != PHASE_SOCKET || c->over)
        return 0;
    return outgoing ? c->queue_len : c->message_size;
}

/* Frees of what all share by ending one connection: of the source that holds the most of it the one that holds the most, so that many
 * connections with a little each shut out nobody. */
static void shed(struct http *h, bool outgoing) {
    struct http_connection *worst = NULL;
    size_t most_of_source = 0;
    for (struct http_connection *c = h->connections; c != NULL; c = c->next) {
        if (c->socket_client != NULL)
            c->socket_client->weight = 0;
    }
    for (struct http_connection *c = h->connections; c != NULL; c = c->next) {
        if (c->socket_client != NULL)
            c->socket_client->weight += held(c, outgoing);
    }
    for (struct http_connection *c = h->connections; c != NULL; c = c->next) {
        size_t has = held(c, outgoing), of_source = c->socket_client != NULL ? c->socket_client->weight : has;
        if (has == 0 || of_source < most_of_source ||
            (of_source == most_of_source && worst != NULL && has <= held(worst, outgoing)))
            continue;
        worst = c;
        most_of_source = of_source;
    }
    if (worst == NULL)
        return;
    h->counters.ws_shed++;
    fail(worst, WS_CODE_POLICY);
}

void socket_closed(struct http_connection *c) {
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
    if (c->socket_client != NULL)
        c->socket_client->sockets--;
    c->socket_client = NULL;
    h->config.handlers.closed(h->config.handlers.context, session, c->peer_code);
}

void socket_release(struct http_connection *c) {
    drop_queue(c, true);
    drop_unfinished(c);
}

/* ---- opening ---- */

static void refuse(struct http_connection *c, uint64_t now_us, uint16_t status, const char *text) {
    c->source.http->counters.ws_refused++;
    request_refuse(c, now_us, status, text, NULL);
}

/* Sec-WebSocket-Key must be 16 bytes in base64. */
static bool key_good(struct span key) {
    uint8_t bytes[18];
    size_t len;
    return key.len == KEY_LEN && base64_decode(key, bytes, sizeof bytes, &len) && len == 16;
}

static bool enqueue_acceptance(struct http_connection *c, struct span key) {
    uint8_t digest[EVP_MAX_MD_SIZE], text[256], both[KEY_LEN + sizeof KEY_GUID - 1];
    unsigned digest_len = 0;
    memcpy(both, key.data, KEY_LEN);
    memcpy(both + KEY_LEN, KEY_GUID, sizeof KEY_GUID - 1);
    if (EVP_Digest(both, sizeof both, digest, &digest_len, EVP_sha1(), NULL) != 1)
        return false;
    struct writer w = writer_of(text, sizeof text);
    wr_str(&w,
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
    wr_base64(&w, span_of(digest, digest_len));
    wr_str(&w, "\r\n\r\n");
    ASSERT(writer_ok(&w));
    struct http_blob *blob = make_blob(c->source.http, writer_span(&w));
    return blob != NULL && enqueue(c, blob, -1, false);
}

/* The source's share of WebSockets. */
static bool take_share(struct http_connection *c, uint64_t now_us, struct http_client **client) {
    struct http *h = c->source.http;
    bool full;
    *client = connection_client_of(c, &full);
    if (full || (*client != NULL && (*client)->sockets >= h->config.connections_per_client_max)) {
        h->counters.http_refused_client++;
        refuse(c, now_us, 429, "too many connections from this address\n");
        return false;
    }
    if (*client == NULL || http_client_take(*client, CLIENT_SOCKETS, now_us))
        return true;
    h->counters.http_refused_rate++;
    refuse(c, now_us, 429, "too many connections from this address in a short time\n");
    return false;
}

static bool open_session(struct http_connection *c, uint64_t now_us, struct http_client *client,
                         struct http_reply *reply) {
    struct http *h = c->source.http;
    uint64_t session = h->config.handlers.open(h->config.handlers.context, &c->request, reply);
    if (session == 0)
        return false;
    ASSERT(find(h, session) == NULL && c->session == 0);
    uint32_t slot = h->free_slots[--h->free_count];
    ASSERT(map_put(&h->sessions, &session, slot));
    h->by_session[slot] = c;
    h->sessions_count++;
    h->counters.ws_opened++;
    c->session = session;
    c->socket_client = client;
    if (client != NULL)
        client->sockets++;
    connection_busy(c, PHASE_SOCKET);
    c->ws = (struct ws_reader){0};
    c->deadline_us = TIME_NEVER;
    c->heard_us = c->pinged_us = now_us;
    return true;
}

void socket_upgrade(struct http_connection *c, uint64_t now_us, struct http_head *head) {
    struct http *h = c->source.http;
    struct http_client *client;
    uint8_t key[KEY_LEN];
    if (!span_equal_str(head->fields[FIELD_SOCKET_VERSION], "13")) {
        h->counters.ws_refused++;
        request_refuse(c, now_us, 426, "only version 13 of WebSocket is spoken here\n",
                       "Sec-WebSocket-Version: 13\r\n");
        return;
    }
    if (!span_equal_str(head->method, "GET") || !key_good(head->fields[FIELD_SOCKET_KEY]) || head->content_len > 0 ||
        head->fields[FIELD_TRANSFER_ENCODING].len > 0) {
        refuse(c, now_us, 400, "the WebSocket request is malformed\n");
        return;
    }
    memcpy(key, head->fields[FIELD_SOCKET_KEY].data, sizeof key);
    if (h->free_count == 0) {
        refuse(c, now_us, 503, "too many connections\n");
        return;
    }
    if (!take_share(c, now_us, &client))
        return;
    struct http_reply *reply = malloc(sizeof *reply);
    if (reply == NULL) {
        connection_end(c);
        return;
    }
    http_reply_init(reply, 500);
    if (!open_session(c, now_us, client, reply)) {
        h->counters.ws_refused++;
        reply->close = true;
        request_reply(c, now_us, reply);
        return;
    }
    http_free_reply(reply);
    free(reply);
    request_release(c);
    if (!enqueue_acceptance(c, span_of(key, sizeof key)))
        fail(c, WS_CODE_POLICY);
    h->config.handlers.opened(h->config.handlers.context, c->session);
}

/* ---- coming ---- */

static bool too_long(struct http_connection *c) {
    struct http *h = c->source.http;
    h->counters.ws_too_long++;
    fail(c, h->config.handlers.too_long(h->config.handlers.context, c->session));
    return false;
}

/* Room for `len` more bytes of the message in parts. */
static bool grow(struct http_connection *c, size_t len) {
    struct http *h = c->source.http;
    size_t size = c->message_size > 0 ? c->message_size : MESSAGE_SIZE_FIRST;
    while (size < c->message_len + len)
        size *= 2;
    if (size == c->message_size)
        return true;
    uint8_t *message = realloc(c->message, size);
    if (message == NULL) {
        fail(c, WS_CODE_POLICY);
        return false;
    }
    h->messages_len += size - c->message_size;
    c->message = message;
    c->message_size = size;
    if (h->messages_len > h->config.unfinished_len_max)
        shed(h, false);
    return !c->over;
}

/* One part of a message, perhaps the last or only one. */
static void take_part(struct http_connection *c, uint64_t now_us, const struct ws_item *item) {
    struct http *h = c->source.http;
    struct span message = item->bytes;
    if (c->message_since_us == 0)
        c->message_since_us = now_us;
    if (c->message_len + message.len > HTTP_MESSAGE_LEN_MAX) {
        (void)too_long(c);
        return;
    }
    if (!item->last || c->message_len > 0) {
        if (message.len > 0) {
            if (!grow(c, message.len))
                return;
            memcpy(c->message + c->message_len, message.data, message.len);
            c->message_len += message.len;
        }
        message = span_of(c->message, c->message_len);
    }
    if (!item->last)
        return;
    if (item->text && !utf8_good(message)) {
        h->counters.ws_broken++;
        fail(c, WS_CODE_NOT_UTF8);
        return;
    }
    h->counters.ws_rx_messages++;
    h->counters.ws_rx_bytes += message.len;
    uint8_t *held = c->message;
    h->messages_len -= c->message_size; /* large messages are rare; memory stays with those who send them now */
    c->message = NULL;
    c->message_len = c->message_size = 0;
    c->message_since_us = 0;
    h->config.handlers.message(h->config.handlers.context, c->session, message, item->text);
    free(held);
}

/* RFC 6455 section 5.5.3: of several pings that wait for an answer the last suffices. */
static void take_ping(struct http_connection *c, struct span bytes) {
    struct http *h = c->source.http;
    struct http_message *first = begun(c), *waiting = first != NULL ? first->next : c->queue_first;
    struct http_blob *blob = make_blob(h, bytes);
    if (blob == NULL)
        return;
    if (waiting == NULL || !waiting->control) {
        (void)enqueue(c, blob, WS_PONG, true);
        return;
    }
    c->queue_len += blob->len;
    c->queue_len -= waiting->blob->len;
    drop_blob(h, waiting->blob);
    waiting->blob = blob;
    struct writer w = writer_of(waiting->head, sizeof waiting->head);
    ws_write_head(&w, WS_PONG, blob->len);
}

/* The peer is done. It gets its close frame back, unless it has one, and that is the end (section 5.5.1). */
static void take_close(struct http_connection *c, uint16_t code) {
    c->peer_code = code;
    fail(c, code);
    socket_closed(c);
}

void socket_input(struct http_connection *c, uint64_t now_us, uint8_t *data, size_t len) {
    struct ws_item item;
    if (len > 0)
        c->heard_us = now_us;
    while (!c->over) {
        switch (ws_read(&c->ws, &data, &len, &item)) {
        case WS_MORE:
            /* a frame's head counts as a beginning too */
            if (!ws_idle(&c->ws) && c->message_since_us == 0)
                c->message_since_us = now_us;
            else if (ws_idle(&c->ws))
                c->message_since_us = 0;
            return;
        case WS_PART:
            if (!c->closing) /* what comes after we said that it is over is not for anybody */
                take_part(c, now_us, &item);
            break;
        case WS_CONTROL_PING:
            if (!c->closing)
                take_ping(c, item.bytes);
            break;
        case WS_CONTROL_PONG:
            break;
        case WS_CONTROL_CLOSE:
            take_close(c, item.code);
            break;
        case WS_BROKEN:
            c->source.http->counters.ws_broken++;
            fail(c, item.code);
            break;
        }
    }
}

/* ---- going ---- */

/* The next bytes that wait, of as many frames as there is room for. */
static size_t gather(const struct http_connection *c, uint8_t *out) {
    size_t len = 0, skip = c->first_sent;
    for (const struct http_message *m = c->queue_first; m != NULL && len < HTTP_CHUNK_LEN; m = m->next) {
        if (skip < m->head_len) {
            size_t part = m->head_len - skip;
            if (part > HTTP_CHUNK_LEN - len)
                part = HTTP_CHUNK_LEN - len;
            memcpy(out + len, m->head + skip, part);
            len += part;
            skip += part;
        }
        if (skip >= m->head_len && len < HTTP_CHUNK_LEN) {
            size_t at = skip - m->head_len, left = m->blob->len - at, room = HTTP_CHUNK_LEN - len;
            size_t part = left < room ? left : room;
            memcpy(out + len, m->blob->bytes + at, part);
            len += part;
        }
        skip = 0;
    }
    return len;
}

static void advance(struct http_connection *c, size_t sent) {
    struct http *h = c->source.http;
    sent += c->first_sent;
    while (c->queue_first != NULL && sent >= frame_len(c->queue_first)) {
        struct http_message *m = c->queue_first;
        sent -= frame_len(m);
        c->queue_first = m->next;
        if (m->next == NULL)
            c->queue_last = NULL;
        c->queue_len -= MESSAGE_COST + m->blob->len;
        if (!m->control && m->head_len > 0) {
            h->counters.ws_tx_messages++;
            h->counters.ws_tx_bytes += m->blob->len;
        }
        free_message(h, m);
    }
    c->first_sent = sent;
}

/* Behind everything else. */
static bool enqueue_close(struct http_connection *c) {
    uint8_t code[2] = {(uint8_t)(c->close_code >> 8), (uint8_t)c->close_code};
    c->close_sent = true;
    struct http_blob *blob = make_blob(c->source.http, span_of(code, c->close_code != 0 ? 2 : 0));
    return blob != NULL && enqueue(c, blob, WS_CLOSE, false);
}

/* All is sent. */
static bool finish(struct http_connection *c, uint64_t now_us) {
    int flushed = stream_flush(&c->stream);
    c->blocked = flushed == 0;
    if (flushed == 0)
        return true;
    if (flushed > 0 && !c->over)
        return true; /* the peer's close frame is waited for */
    if (flushed < 0)
        connection_end(c);
    else
        connection_linger(c, now_us);
    return false;
}

bool socket_output(struct http_connection *c, uint64_t now_us) {
    struct http *h = c->source.http;
    size_t written = 0;
    c->blocked = false;
    if (c->over)
        socket_closed(c);
    for (;;) {
        if (c->queue_first == NULL && c->closing && !c->close_sent && !enqueue_close(c)) {
            connection_end(c);
            return false;
        }
        if (c->queue_first == NULL)
            return finish(c, now_us);
        int sent = stream_write(&c->stream, h->scratch, gather(c, h->scratch));
        if (sent < 0) {
            connection_end(c);
            return false;
        }
        advance(c, (size_t)sent);
        written += (size_t)sent;
        if (sent == 0 || written >= HTTP_TURN_LEN) {
            c->blocked = true;
            return true;
        }
    }
}

void http_send(struct http *http, uint64_t session, struct span message, bool text) {
    struct http_connection *c = find(http, session);
    if (c == NULL || c->closing)
        return;
    if (message.len > HTTP_MESSAGE_LEN_MAX) {
        http->counters.ws_unsendable++;
        fail(c, WS_CODE_POLICY);
        return;
    }
    struct http_blob *blob = NULL;
    if (c->queue_len + MESSAGE_COST + message.len <= HTTP_QUEUE_LEN_MAX)
        blob = share_blob(http, message);
    if (blob == NULL || !enqueue(c, blob, text ? WS_TEXT : WS_BINARY, false)) {
        http->counters.ws_overflow++;
        fail(c, WS_CODE_POLICY);
    } else if (http->queued_len > http->config.queues_len_max) {
        shed(http, true);
    }
}

void http_hold(struct http *http, uint64_t session, bool held) {
    struct http_connection *c = find(http, session);
    if (c == NULL || c->closing || c->held == held)
        return;
    c->heard_us = c->held_us = clock_now_us(); /* while it is held nobody hears it */
    if (c->message_since_us != 0)
        c->message_since_us = c->heard_us;
    connection_hold(c, held);
}

void http_close(struct http *http, uint64_t session, uint16_t code) {
    struct http_connection *c = find(http, session);
    if (c == NULL || c->closing)
        return;
    drop_unfinished(c);
    c->closing = true;
    c->close_code = code;
    c->deadline_us = clock_now_us() + HTTP_CLOSE_US;
    if (c->held) /* what it sends costs nothing any more, and its close frame is behind that */
        connection_hold(c, false);
    connection_touch(c);
}

void http_close_matching(struct http *http, uint64_t bits, uint16_t code) {
    ASSERT(bits != 0);
    for (struct http_connection *c = http->connections; c != NULL; c = c->next) {
        if ((c->session & bits) == bits)
            http_close(http, c->session, code);
    }
}

/* ---- time ---- */

void socket_look(struct http_connection *c, uint64_t now_us) {
    struct http *h = c->source.http;
    if (c->closing)
        return; /* no ping behind a close frame; the deadline ends it */
    if (c->held) {
        if (now_us - c->held_us <= h->config.hold_max_us)
            return;
        h->counters.ws_held_long++;
        fail(c, WS_CODE_AGAIN);
        return;
    }
    if (c->message_since_us != 0 && now_us - c->message_since_us > HTTP_MESSAGE_US) {
        h->counters.ws_slow++;
        fail(c, WS_CODE_POLICY);
        return;
    }
    if (now_us - c->heard_us > HTTP_PONG_S * US_PER_S) {
        h->counters.http_timeout++;
        connection_end(c);
        return;
    }
    if (now_us - c->heard_us < HTTP_PING_S * US_PER_S || now_us - c->pinged_us < HTTP_PING_S * US_PER_S)
        return;
    c->pinged_us = now_us;
    struct http_blob *blob = make_blob(h, span_of(NULL, 0));
    if (blob != NULL)
        (void)enqueue(c, blob, WS_PING, true);
}
