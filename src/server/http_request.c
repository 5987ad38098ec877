#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "base/time.h"
#include "io/clock.h"
#include "io/store.h"
#include "server/http_internal.h"

#define RX_SIZE_FIRST 4096
#define BODY_SIZE_FIRST (16u << 10)
/* Status line and what this layer adds to a reply's headers. */
#define HEAD_LEN_MAX (HTTP_REPLY_HEADERS_LEN_MAX + 256)

static void abandon_upload(struct http_connection *c) {
    const struct http_handlers *handlers = &c->source.http->config.handlers;
    uint32_t upload = c->upload;
    c->upload = 0;
    if (upload != 0)
        handlers->body_gone(handlers->context, upload);
}

static void count_unfinished(struct http_connection *c, size_t less, size_t more) {
    struct http *h = c->source.http;
    h->unfinished_len += more;
    h->unfinished_len -= less;
    if (c->client == NULL)
        return;
    c->client->unfinished_len += more;
    c->client->unfinished_len -= less;
}

/* Is there too much of what is not complete, of this source or in all? */
static bool too_much_unfinished(const struct http_connection *c) {
    const struct http *h = c->source.http;
    size_t max = h->config.unfinished_len_max;
    return h->unfinished_len > max || (c->client != NULL && c->client->unfinished_len > max / 8);
}

/* What came of it; the answer does not need it. */
static void release_input(struct http_connection *c) {
    count_unfinished(c, c->body_size, 0);
    free(c->request_bytes);
    free(c->copies);
    free(c->body);
    c->request_bytes = c->copies = c->body = NULL;
    c->body_len = c->body_size = 0;
    c->body_left = 0;
    c->request = (struct http_request){0};
}

static void set_rx(struct http_connection *c, uint8_t *rx, size_t size) {
    count_unfinished(c, c->rx_size, size);
    c->rx = rx;
    c->rx_size = size;
}

void request_drop_input(struct http_connection *c) {
    free(c->rx);
    set_rx(c, NULL, 0);
    c->rx_len = 0;
}

void request_release(struct http_connection *c) {
    abandon_upload(c);
    release_input(c);
    if (c->reply != NULL)
        http_free_reply(c->reply);
    free(c->reply);
    c->reply = NULL;
}

/* ---- replies ---- */

void http_reply_init(struct http_reply *reply, uint16_t status) {
    reply->status = status;
    reply->headers = writer_of(reply->header_bytes, sizeof reply->header_bytes);
    reply->body = span_of(NULL, 0);
    reply->owned = NULL;
    reply->store = NULL;
    reply->release = NULL;
    reply->close = false;
}

void http_reply_header(struct http_reply *reply, const char *name, const char *value) {
    /* a value with a line end would be another header */
    for (const char *p = value; *p != 0; p++)
        ASSERT((uint8_t)*p >= 0x20 || *p == '\t');
    wr_fmt(&reply->headers, "%s: %s\r\n", name, value);
}

void http_reply_text(struct http_reply *reply, uint16_t status, const char *type, struct span body) {
    http_free_reply(reply);
    reply->status = status;
    if (type != NULL)
        http_reply_header(reply, "Content-Type", type);
    if (body.len == 0)
        return;
    reply->owned = malloc(body.len);
    if (reply->owned == NULL) {
        reply->status = 503;
        return;
    }
    memcpy(reply->owned, body.data, body.len);
    reply->body = span_of(reply->owned, body.len);
}

void http_reply_file(struct http_reply *reply, uint16_t status, struct store *store, int file, uint64_t at,
                     uint64_t len) {
    http_free_reply(reply);
    reply->status = status;
    reply->store = store;
    reply->file = file;
    reply->file_at = at;
    reply->file_len = len;
}

void http_free_reply(struct http_reply *reply) {
    if (reply->store != NULL)
        store_close(reply->store, reply->file);
    reply->store = NULL;
    if (reply->release != NULL)
        reply->release(reply->held);
    reply->release = NULL;
    free(reply->owned);
    reply->owned = NULL;
    reply->body = span_of(NULL, 0);
}

static const char *reason_of(uint16_t status) {
    static const struct {
        uint16_t status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Status";
}

static uint64_t reply_len(const struct http_reply *reply) {
    return reply->store != NULL ? reply->file_len : reply->body.len;
}

void http_write_head(const struct http_reply *reply, bool keep, struct writer *out) {
    ASSERT(reply->status >= 200 && reply->status < 600);
    wr_fmt(out, "HTTP/1.1 %u %s\r\n", reply->status, reason_of(reply->status));
    wr_span(out, writer_span(&reply->headers));
    /* RFC 9110 section 8.6: none with 204; with 304 it would be that of the 200 */
    if (reply->status != 204 && reply->status != 304)
        wr_fmt(out, "Content-Length: %llu\r\n", (unsigned long long)reply_len(reply));
    if (reply->close)
        wr_str(out, "Connection: close\r\n");
    else if (keep) /* HTTP/1.0 wants to hear it */
        wr_str(out, "Connection: keep-alive\r\n");
    wr_str(out, "\r\n");
}

static struct http_reply *make_reply(uint16_t status) {
    struct http_reply *reply = malloc(sizeof *reply);
    if (reply != NULL)
        http_reply_init(reply, status);
    return reply;
}

/* `us`, and a second for each HTTP_RATE_MIN bytes. */
static uint64_t deadline_for(uint64_t now_us, uint64_t us, uint64_t len) {
    return now_us + us + len / HTTP_RATE_MIN * US_PER_S;
}

/* The reply is complete: it goes out from now on. Without one (memory was short) the connection ends. */
void request_reply(struct http_connection *c, uint64_t now_us, struct http_reply *reply) {
    ASSERT(c->reply == NULL || c->reply == reply);
    c->reply = reply;
    if (reply == NULL) {
        connection_end(c);
        return;
    }
    /* what a handler wrote is ours; too long, it is our mistake and no reason to end for everybody */
    if (!writer_ok(&reply->headers)) {
        http_free_reply(reply);
        http_reply_init(reply, 500);
    }
    reply->close = reply->close || !c->keep;
    uint8_t head[HEAD_LEN_MAX];
    struct writer w = writer_of(head, sizeof head);
    http_write_head(reply, c->keep, &w);
    ASSERT(writer_ok(&w));
    c->head_len = w.len;
    c->reply_sent = 0;
    connection_busy(c, PHASE_REPLY);
    c->window_us = 0;
    c->deadline_us = deadline_for(now_us, HTTP_REPLY_US, reply_len(reply));
    connection_touch(c);
}

void request_refuse(struct http_connection *c, uint64_t now_us, uint16_t status, const char *text, const char *header) {
    if (c->reply != NULL) { /* there is an answer already */
        connection_end(c);
        return;
    }
    abandon_upload(c);
    struct http_reply *reply = make_reply(status);
    if (reply != NULL) {
        http_reply_text(reply, status, "text/plain", span_str(text));
        http_reply_header(reply, "Access-Control-Allow-Origin", "*"); /* so that a page can read why */
        if (header != NULL)
            wr_str(&reply->headers, header);
        reply->close = true;
    }
    request_reply(c, now_us, reply);
}

static void answer(struct http_connection *c, uint64_t now_us) {
    struct http *h = c->source.http;
    struct http_reply *reply = make_reply(200);
    if (reply == NULL) {
        connection_end(c);
        return;
    }
    c->reply = reply;
    c->request.body = span_of(c->body, c->body_len);
    c->request.upload = c->upload;
    c->upload = 0;
    connection_busy(c, PHASE_REPLY);
    h->counters.http_requests++;
    h->config.handlers.request(h->config.handlers.context, &c->request, reply);
    release_input(c);
    request_reply(c, now_us, reply);
}

/* The next bytes of head and body into `out`; 0: a file cannot be read. */
static size_t gather(struct http_connection *c, uint64_t body_len, uint8_t *out) {
    const struct http_reply *reply = c->reply;
    size_t len = 0;
    if (c->reply_sent < c->head_len) {
        uint8_t head[HEAD_LEN_MAX];
        struct writer w = writer_of(head, sizeof head);
        http_write_head(reply, c->keep, &w);
        len = c->head_len - (size_t)c->reply_sent;
        memcpy(out, head + c->reply_sent, len);
    }
    uint64_t at = c->reply_sent + len - c->head_len, left = body_len - at;
    size_t part = left < HTTP_CHUNK_LEN - len ? (size_t)left : HTTP_CHUNK_LEN - len;
    if (part == 0)
        return len;
    if (reply->store == NULL)
        memcpy(out + len, reply->body.data + at, part);
    else
        part = store_read(reply->store, reply->file, reply->file_at + at, out + len, part);
    return part > 0 ? len + part : 0;
}

/* The answer is out. What came meanwhile is the next request, of another turn: some kilobytes can hold hundreds, and others wait. */
static bool finish_reply(struct http_connection *c, uint64_t now_us) {
    bool close = c->reply->close;
    request_release(c);
    if (close) {
        connection_linger(c, now_us);
        return false;
    }
    c->served = true;
    connection_wait_for_request(c, now_us, HTTP_IDLE_US);
    c->rx_seen = 0;
    c->early = c->rx_len > 0;
    return true;
}

static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
#define GO_ON_LEN (sizeof go_on - 1)

int request_invite(struct http_connection *c) {
    while (c->invite_left > 0) {
        int sent = stream_write(&c->stream, (const uint8_t *)go_on + GO_ON_LEN - c->invite_left, c->invite_left);
        c->blocked = sent == 0;
        if (sent <= 0)
            return sent;
        c->invite_left -= (uint8_t)sent;
    }
    return 1;
}

/* Who sends without being asked, or is answered at once, need not be invited: unless it heard the beginning already. */
static void invite_no_more(struct http_connection *c) {
    if (c->invite_left < GO_ON_LEN)
        return;
    c->invite_left = 0;
    c->blocked = false;
}

bool request_output(struct http_connection *c, uint64_t now_us) {
    struct http *h = c->source.http;
    const struct http_reply *reply = c->reply;
    uint64_t body_len = c->head_only || reply->status == 204 || reply->status == 304 ? 0 : reply_len(reply);
    size_t written = 0;
    invite_no_more(c);
    int invited = request_invite(c);
    if (invited < 0)
        connection_end(c);
    if (invited <= 0)
        return invited == 0;
    c->blocked = false;
    while (c->reply_sent < c->head_len + body_len) {
        size_t len = gather(c, body_len, h->scratch);
        int sent = len > 0 ? stream_write(&c->stream, h->scratch, len) : -1;
        if (sent < 0) {
            connection_end(c);
            return false;
        }
        c->reply_sent += (size_t)sent;
        written += (size_t)sent;
        connection_passed(c, (size_t)sent);
        if (sent == 0 || written >= HTTP_TURN_LEN) {
            c->blocked = true;
            return true;
        }
    }
    int flushed = stream_flush(&c->stream);
    if (flushed < 0)
        connection_end(c);
    c->blocked = flushed == 0;
    return flushed > 0 ? finish_reply(c, now_us) : flushed == 0;
}

/* ---- requests ---- */

static void fill_request(struct http_connection *c, const struct http_head *head) {
    c->request = (struct http_request){
        .method = head->method,
        .path = head->path,
        .query = head->query,
        .host = head->fields[FIELD_HOST],
        .origin = head->fields[FIELD_ORIGIN],
        .accept = head->fields[FIELD_ACCEPT],
        .accept_encoding = head->fields[FIELD_ACCEPT_ENCODING],
        .authorization = head->fields[FIELD_AUTHORIZATION],
        .content_type = head->fields[FIELD_CONTENT_TYPE],
        .if_match = head->fields[FIELD_IF_MATCH],
        .if_none_match = head->fields[FIELD_IF_NONE_MATCH],
        .range = head->fields[FIELD_RANGE],
        .forwarded = head->fields[FIELD_FORWARDED],
        .forwarded_for = head->fields[FIELD_FORWARDED_FOR],
        .via = head->fields[FIELD_VIA],
        .real_ip = head->fields[FIELD_REAL_IP],
        .peer = c->peer,
        .local = c->local,
        .tls = c->listener == HTTP_TLS,
        .metrics_port = c->listener == HTTP_METRICS,
    };
}

/* RFC 9110 section 10.1.1: the client waits with the body until it hears that it is wanted. Answers to those before may
 * still fill the socket; then it hears so when there is room. */
static bool invite(struct http_connection *c, const struct http_head *head) {
    if (head->fields[FIELD_EXPECT].len == 0 || head->http10 || c->rx_len > 0)
        return true;
    c->invite_left = GO_ON_LEN;
    return request_invite(c) >= 0;
}

static void begin_body(struct http_connection *c, uint64_t now_us, const struct http_head *head) {
    connection_busy(c, PHASE_BODY);
    c->window_us = 0;
    c->body_left = head->content_len;
    c->deadline_us = deadline_for(now_us, HTTP_BODY_US, head->content_len);
    if (too_much_unfinished(c))
        request_refuse(c, now_us, 503, "too many requests are under way\n", NULL);
    else if (!invite(c, head))
        connection_end(c);
}

/* Asks whether the body is taken piece by piece. False: the request was refused. */
static bool begin_upload(struct http_connection *c, uint64_t now_us, uint64_t len) {
    const struct http_handlers *handlers = &c->source.http->config.handlers;
    if (len == 0)
        return true;
    struct http_reply *reply = make_reply(0);
    if (reply == NULL) {
        connection_end(c);
        return false;
    }
    c->upload = handlers->body_begin(handlers->context, &c->request, len, reply);
    if (c->upload == 0 && reply->status != 0) {
        reply->close = true;
        request_reply(c, now_us, reply);
        return false;
    }
    http_free_reply(reply);
    free(reply);
    return true;
}

static void begin_request(struct http_connection *c, uint64_t now_us, struct http_head *head) {
    struct http *h = c->source.http;
    struct span expect = head->fields[FIELD_EXPECT];
    c->keep = head->keep;
    c->head_only = span_equal_str(head->method, "HEAD");
    fill_request(c, head);
    if (head->fields[FIELD_UPGRADE].len > 0 && http_list_has(head->fields[FIELD_CONNECTION], "upgrade") &&
        !head->http10) {
        if (http_list_has(head->fields[FIELD_UPGRADE], "websocket")) {
            socket_upgrade(c, now_us, head);
            return;
        }
        h->counters.http_refused_upgrade++;
    }
    if (head->fields[FIELD_TRANSFER_ENCODING].len > 0) {
        h->counters.http_refused_body++;
        request_refuse(c, now_us, 411, "send a Content-Length; chunked bodies are not taken\n", NULL);
    } else if (expect.len > 0 && !text_equal_nocase(expect, "100-continue")) {
        request_refuse(c, now_us, 417, "this expectation is not met here\n", NULL);
    } else if (begin_upload(c, now_us, head->content_len)) {
        size_t max = h->config.handlers.body_max(h->config.handlers.context, c->request.method, c->request.path);
        if (c->upload == 0 && head->content_len > max) {
            h->counters.http_refused_body++;
            request_refuse(c, now_us, 413, "the body is too long\n", NULL);
        } else if (head->content_len > 0) {
            begin_body(c, now_us, head);
        } else {
            answer(c, now_us);
        }
    }
}

/* A whole head of `len` bytes is in front of rx. It becomes the request's, the rest stays. */
static void take_head(struct http_connection *c, uint64_t now_us, size_t len) {
    struct http *h = c->source.http;
    struct http_head head;
    const char *why = "";
    size_t rest = c->rx_len - len, copies_len = HTTP_HEAD_COPY_LEN_MAX(len);
    uint8_t *left = rest > 0 ? malloc(rest) : NULL;
    request_release(c);
    c->copies = malloc(copies_len);
    if (c->copies == NULL || (rest > 0 && left == NULL)) {
        free(left);
        connection_end(c);
        return;
    }
    if (rest > 0)
        memcpy(left, c->rx + len, rest);
    c->request_bytes = c->rx;
    set_rx(c, left, rest);
    c->rx_len = rest;
    c->rx_seen = 0;
    struct writer copies = writer_of(c->copies, copies_len);
    uint16_t refused = http_head_read(span_of(c->request_bytes, len), &copies, &head, &why);
    if (refused == 0) {
        begin_request(c, now_us, &head);
        return;
    }
    h->counters.http_malformed++;
    c->keep = false;
    c->head_only = false;
    request_refuse(c, now_us, refused, why, NULL);
}

/* Room for `len` more bytes of requests. */
static bool grow_rx(struct http_connection *c, size_t len) {
    size_t size = c->rx_size > RX_SIZE_FIRST ? c->rx_size : RX_SIZE_FIRST;
    while (size < c->rx_len + len)
        size *= 2;
    uint8_t *rx = size > c->rx_size ? realloc(c->rx, size) : c->rx;
    if (rx == NULL)
        return false;
    set_rx(c, rx, size);
    return true;
}

static bool grow_body(struct http_connection *c, size_t len) {
    size_t whole = c->body_len + (size_t)c->body_left, size = c->body_size > 0 ? c->body_size : BODY_SIZE_FIRST;
    while (size < c->body_len + len)
        size *= 2;
    if (size > whole)
        size = whole;
    if (size <= c->body_size)
        return true;
    uint8_t *body = realloc(c->body, size);
    if (body == NULL)
        return false;
    count_unfinished(c, c->body_size, size);
    c->body = body;
    c->body_size = size;
    return !too_much_unfinished(c);
}

/* Bytes of a body; how many were taken. */
static size_t take_body(struct http_connection *c, uint64_t now_us, const uint8_t *data, size_t len) {
    const struct http_handlers *handlers = &c->source.http->config.handlers;
    size_t part = len < c->body_left ? len : (size_t)c->body_left;
    connection_passed(c, part);
    invite_no_more(c);
    bool taken;
    if (c->upload != 0) {
        taken = handlers->body_part(handlers->context, c->upload, span_of(data, part));
    } else {
        taken = grow_body(c, part);
        if (taken)
            memcpy(c->body + c->body_len, data, part);
        c->body_len += taken ? part : 0;
    }
    if (!taken) {
        request_refuse(c, now_us, 503, "the body cannot be taken now\n", NULL);
        return part;
    }
    c->body_left -= part;
    if (c->body_left == 0)
        answer(c, now_us);
    return part;
}

/* Looks for a head in rx. False: there is none to be served now. */
static bool find_head(struct http_connection *c, uint64_t now_us) {
    struct http *h = c->source.http;
    size_t len = http_head_scan(span_of(c->rx, c->rx_len), &c->rx_seen);
    bool too_long = (len == 0 ? c->rx_len : len) > HTTP_HEADER_LEN_MAX;
    if (len == 0 && !too_long && c->rx_size > RX_SIZE_FIRST && too_much_unfinished(c)) {
        c->keep = c->head_only = false;
        c->rx_len = 0;
        request_refuse(c, now_us, 503, "too many requests are under way\n", NULL);
        return false;
    }
    if (len == HTTP_HEAD_BROKEN || too_long) {
        h->counters.http_malformed++;
        c->keep = c->head_only = false;
        c->rx_len = 0;
        request_refuse(c, now_us, len == HTTP_HEAD_BROKEN ? 400 : 431,
                       len == HTTP_HEAD_BROKEN ? "this is no HTTP request\n" : "the headers are too long\n", NULL);
        return false;
    }
    if (len == 0)
        return false;
    take_head(c, now_us, len);
    return true;
}

bool request_input(struct http_connection *c, uint64_t now_us, uint8_t *data, size_t len) {
    c->early = false;
    while (c->phase == PHASE_BODY && len > 0) {
        size_t taken = take_body(c, now_us, data, len);
        data += taken;
        len -= taken;
    }
    if (c->phase == PHASE_DEAD || c->phase == PHASE_LINGER)
        return false;
    if (c->phase == PHASE_HEADERS && c->served && c->rx_len == 0 && len > 0)
        c->deadline_us = now_us + HTTP_HEADERS_US;
    if (len > 0) {
        if (!grow_rx(c, len)) {
            connection_end(c);
            return false;
        }
        memcpy(c->rx + c->rx_len, data, len);
        c->rx_len += len;
    }
    while (c->phase == PHASE_HEADERS && c->rx_len > 0 && find_head(c, now_us)) {
        /* the body of this request may have come with it */
        while (c->phase == PHASE_BODY && c->rx_len > 0) {
            size_t taken = take_body(c, now_us, c->rx, c->rx_len);
            if (c->phase == PHASE_DEAD)
                return false;
            c->rx_len -= taken;
            memmove(c->rx, c->rx + taken, c->rx_len);
        }
        if (c->phase == PHASE_SOCKET && c->rx_len > 0) {
            /* frames that came right behind the request */
            size_t early = c->rx_len;
            c->rx_len = 0;
            socket_input(c, now_us, c->rx, early);
        }
    }
    if (c->rx_len == 0)
        request_drop_input(c);
    return c->phase != PHASE_DEAD && c->phase != PHASE_LINGER;
}
