#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "io/clock.h"
#include "io/store.h"
#include "server/http_internal.h"

/* ---- reading ---- */

static const struct {
    enum lws_token_indexes token;
    const char *name;
} methods[] = {
    {WSI_TOKEN_GET_URI, "GET"},     {WSI_TOKEN_HEAD_URI, "HEAD"}, {WSI_TOKEN_POST_URI, "POST"},
    {WSI_TOKEN_OPTIONS_URI, "OPTIONS"}, {WSI_TOKEN_PUT_URI, "PUT"},   {WSI_TOKEN_PATCH_URI, "PATCH"},
    {WSI_TOKEN_DELETE_URI, "DELETE"},
};

static const struct {
    enum lws_token_indexes token;
    size_t offset;
} headers[] = {
    {WSI_TOKEN_HOST, offsetof(struct http_request, host)},
    {WSI_TOKEN_ORIGIN, offsetof(struct http_request, origin)},
    {WSI_TOKEN_HTTP_ACCEPT, offsetof(struct http_request, accept)},
    {WSI_TOKEN_HTTP_ACCEPT_ENCODING, offsetof(struct http_request, accept_encoding)},
    {WSI_TOKEN_HTTP_AUTHORIZATION, offsetof(struct http_request, authorization)},
    {WSI_TOKEN_HTTP_CONTENT_TYPE, offsetof(struct http_request, content_type)},
    {WSI_TOKEN_HTTP_IF_MATCH, offsetof(struct http_request, if_match)},
    {WSI_TOKEN_HTTP_RANGE, offsetof(struct http_request, range)},
    {WSI_TOKEN_HTTP_IF_NONE_MATCH, offsetof(struct http_request, if_none_match)},
    {WSI_TOKEN_X_FORWARDED_FOR, offsetof(struct http_request, forwarded_for)},
    {WSI_TOKEN_HTTP_VIA, offsetof(struct http_request, via)},
    {WSI_TOKEN_HTTP_X_REAL_IP, offsetof(struct http_request, real_ip)},
};

/* The library joins fragments with commas that its length does not count: this much more always suffices. */
#define COPY_SLACK 256

static bool copy_header(struct lws *wsi, enum lws_token_indexes token, struct writer *w, struct span *out) {
    int len = lws_hdr_total_length(wsi, token);
    *out = span_of(NULL, 0);
    if (len <= 0)
        return true;
    uint8_t *to = wr_reserve(w, (size_t)len + COPY_SLACK);
    if (to == NULL)
        return false;
    int copied = lws_hdr_copy(wsi, (char *)to, len + COPY_SLACK, token);
    *out = span_of(to, copied > 0 ? (size_t)copied : 0);
    return copied >= 0;
}

/* The library splits and decodes the query; it is put together again with escapes for everything that could be misread. */
static bool copy_query(struct lws *wsi, struct writer *w, uint8_t *fragment, size_t fragment_size, struct span *out) {
    size_t start = w->len;
    for (int i = 0;; i++) {
        int len = lws_hdr_copy_fragment(wsi, (char *)fragment, (int)fragment_size, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (len < 0)
            break;
        if (i > 0)
            wr_u8(w, '&');
        bool named = false;
        for (int k = 0; k < len; k++) {
            uint8_t byte = fragment[k];
            bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                         byte == '-' || byte == '_' || byte == '.' || byte == '~';
            if (plain || (byte == '=' && !named))
                wr_u8(w, byte);
            else
                wr_fmt(w, "%%%02X", byte);
            named = named || byte == '=';
        }
    }
    *out = span_of(w->data + start, w->len - start);
    return writer_ok(w);
}

bool http_read_headers(struct http_connection *c) {
    struct lws *wsi = c->wsi;
    c->request = (struct http_request){.peer = c->peer, .local = c->local, .tls = c->listener == HTTP_TLS};
    c->request.metrics_port = c->listener == HTTP_METRICS;
    int uri_len = 0;
    enum lws_token_indexes uri = WSI_TOKEN_GET_URI;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        int len = lws_hdr_total_length(wsi, methods[i].token);
        if (len > 0) {
            uri_len = len;
            uri = methods[i].token;
            c->request.method = span_str(methods[i].name);
        }
    }
    int args_len = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS);
    if (uri_len <= 0 || args_len < 0)
        return false;
    size_t size = (size_t)uri_len + 4 * (size_t)args_len + (ARRAY_LEN(headers) + 4) * COPY_SLACK;
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        size += (size_t)lws_hdr_total_length(wsi, headers[i].token);
    c->request_bytes = malloc(size);
    if (c->request_bytes == NULL)
        return false;
    struct writer w = writer_of(c->request_bytes, size);
    bool ok = copy_header(wsi, uri, &w, &c->request.path);
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        ok = copy_header(wsi, headers[i].token, &w,
                         (struct span *)(void *)((uint8_t *)&c->request + headers[i].offset)) && ok;
    size_t fragment_size = (size_t)args_len + COPY_SLACK;
    uint8_t *fragment = wr_reserve(&w, fragment_size);
    return ok && fragment != NULL && copy_query(wsi, &w, fragment, fragment_size, &c->request.query);
}

static void abandon_upload(struct http_connection *c) {
    const struct http_handlers *handlers = &c->source.http->config.handlers;
    uint32_t upload = c->upload;
    c->upload = 0;
    if (upload != 0)
        handlers->body_gone(handlers->context, upload);
}

void http_release_request(struct http_connection *c) {
    abandon_upload(c);
    free(c->request_bytes);
    free(c->body);
    c->request_bytes = c->body = NULL;
    c->body_len = c->body_size = 0;
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

void http_reply_file(struct http_reply *reply, uint16_t status, struct store *store, int file, uint64_t at, uint64_t len) {
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
        {200, "OK"}, {201, "Created"}, {204, "No Content"}, {206, "Partial Content"}, {301, "Moved Permanently"}, {304, "Not Modified"},
        {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"},
        {405, "Method Not Allowed"}, {406, "Not Acceptable"}, {408, "Request Timeout"}, {409, "Conflict"},
        {410, "Gone"}, {411, "Length Required"}, {412, "Precondition Failed"}, {413, "Content Too Large"},
        {415, "Unsupported Media Type"}, {416, "Range Not Satisfiable"}, {422, "Unprocessable Content"}, {428, "Precondition Required"},
        {429, "Too Many Requests"}, {500, "Internal Server Error"}, {501, "Not Implemented"},
        {503, "Service Unavailable"},
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

void http_write_head(const struct http_reply *reply, struct writer *out) {
    ASSERT(reply->status >= 200 && reply->status < 600);
    wr_fmt(out, "HTTP/1.1 %u %s\r\n", reply->status, reason_of(reply->status));
    wr_span(out, writer_span(&reply->headers));
    /* RFC 9110 section 8.6: none with 204; with 304 it would be that of the 200 */
    if (reply->status != 204 && reply->status != 304)
        wr_fmt(out, "Content-Length: %llu\r\n", (unsigned long long)reply_len(reply));
    if (reply->close)
        wr_str(out, "Connection: close\r\n");
    wr_str(out, "\r\n");
}

static struct http_reply *make_reply(uint16_t status) {
    struct http_reply *reply = malloc(sizeof *reply);
    if (reply != NULL)
        http_reply_init(reply, status);
    return reply;
}

/* `us`, and a second for each HTTP_RATE_MIN bytes. */
static uint64_t deadline_for(uint64_t us, uint64_t len) {
    return clock_now_us() + us + len / HTTP_RATE_MIN * US_PER_S;
}

static bool start_reply(struct http_connection *c, struct http_reply *reply) {
    ASSERT(c->reply == NULL);
    if (reply == NULL)
        return false;
    c->reply = reply;
    c->reply_sent = 0;
    c->reply_started = false;
    c->phase = PHASE_REPLY;
    c->deadline_us = clock_now_us() + HTTP_REPLY_US;
    lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
    lws_callback_on_writable(c->wsi);
    return true;
}

static int refuse(struct http_connection *c, uint16_t status, const char *text) {
    if (!start_reply(c, make_reply(status)))
        return -1;
    http_reply_text(c->reply, status, "text/plain", span_str(text));
    http_reply_header(c->reply, "Access-Control-Allow-Origin", "*"); /* so that a page can read why */
    c->reply->close = true;
    return 0;
}

static int answer(struct http_connection *c) {
    struct http *h = c->source.http;
    if (!start_reply(c, make_reply(200)))
        return -1;
    c->request.body = span_of(c->body, c->body_len);
    c->request.upload = c->upload;
    c->upload = 0;
    h->counters.http_requests++;
    h->config.handlers.request(h->config.handlers.context, &c->request, c->reply);
    ASSERT(writer_ok(&c->reply->headers));
    c->deadline_us = deadline_for(HTTP_REPLY_US, reply_len(c->reply));
    return 0;
}

int http_on_writable(struct http_connection *c) {
    struct http *h = c->source.http;
    if (c->phase != PHASE_REPLY || c->reply == NULL)
        return 0;
    struct http_reply *reply = c->reply;
    uint8_t *scratch = h->scratch + LWS_PRE;
    uint64_t body_len = c->head || reply->status == 204 || reply->status == 304 ? 0 : reply_len(reply);
    if (!c->reply_started) {
        c->reply_started = true;
        struct writer w = writer_of(scratch, HTTP_CHUNK_LEN);
        http_write_head(reply, &w);
        ASSERT(writer_ok(&w));
        enum lws_write_protocol kind = LWS_WRITE_HTTP_HEADERS;
        if (lws_write(c->wsi, scratch, w.len, kind) < 0)
            return -1;
        if (body_len > 0) {
            lws_callback_on_writable(c->wsi);
            return 0;
        }
    }
    if (c->reply_sent < body_len) {
        uint64_t left = body_len - c->reply_sent;
        size_t part = left < HTTP_CHUNK_LEN ? (size_t)left : HTTP_CHUNK_LEN;
        if (reply->store != NULL)
            part = store_read(reply->store, reply->file, reply->file_at + c->reply_sent, scratch, part);
        else
            memcpy(scratch, reply->body.data + c->reply_sent, part);
        if (part == 0)
            return -1;
        c->reply_sent += part;
        bool last = c->reply_sent == body_len;
        if (lws_write(c->wsi, scratch, part, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
            return -1;
        if (!last) {
            lws_callback_on_writable(c->wsi);
            return 0;
        }
    }
    bool close = reply->close;
    http_release_request(c);
    c->phase = PHASE_HEADERS;
    c->deadline_us = clock_now_us() + HTTP_IDLE_US;
    return close || lws_http_transaction_completed(c->wsi) ? -1 : 0;
}

/* ---- requests ---- */

/* Reads Content-Length; false when there is one that is no number. */
static bool content_length(struct lws *wsi, bool *given, uint64_t *len) {
    char text[32];
    *len = 0;
    *given = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
    if (!*given)
        return true;
    int copied = lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    return copied > 0 && span_to_u64(span_of(text, (size_t)copied), UINT64_C(1) << 40, len);
}

#define GOES_ON 1

/* Asks whether the body is taken piece by piece. GOES_ON, or what http_on_request answers after a refusal. */
static int begin_upload(struct http_connection *c, uint64_t len) {
    const struct http_handlers *handlers = &c->source.http->config.handlers;
    if (len == 0)
        return GOES_ON;
    struct http_reply *reply = make_reply(0);
    if (reply == NULL)
        return -1;
    c->upload = handlers->body_begin(handlers->context, &c->request, len, reply);
    if (c->upload == 0 && reply->status != 0) {
        reply->close = true;
        return start_reply(c, reply) ? 0 : -1;
    }
    http_free_reply(reply);
    free(reply);
    if (c->upload != 0) {
        c->phase = PHASE_BODY;
        c->deadline_us = deadline_for(HTTP_BODY_US, len);
    }
    return GOES_ON;
}

int http_on_request(struct http_connection *c) {
    struct http *h = c->source.http;
    if (c->phase != PHASE_HEADERS || c->reply != NULL)
        return -1;
    http_release_request(c);
    if (!http_read_headers(c))
        return -1;
    c->head = span_equal_str(c->request.method, "HEAD");
    bool given;
    uint64_t len;
    if (!content_length(c->wsi, &given, &len))
        return refuse(c, 400, "Content-Length is not a number\n");
    if (lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0) {
        h->counters.http_refused_body++;
        return refuse(c, 411, "send a Content-Length; chunked bodies are not taken\n");
    }
    int refused = begin_upload(c, len);
    if (refused != GOES_ON)
        return refused;
    if (c->upload != 0)
        return 0;
    c->body_max = h->config.handlers.body_max(h->config.handlers.context, c->request.method, c->request.path);
    if (len > c->body_max) {
        h->counters.http_refused_body++;
        return refuse(c, 413, "the body is too long\n");
    }
    bool posting = span_equal_str(c->request.method, "POST") || span_equal_str(c->request.method, "PUT") ||
                   span_equal_str(c->request.method, "PATCH");
    if (len > 0 || (posting && given)) {
        /* the library calls with the body, also with an empty one that was announced for POST */
        if (len == 0 && !span_equal_str(c->request.method, "POST"))
            return answer(c);
        c->phase = PHASE_BODY;
        c->deadline_us = clock_now_us() + HTTP_BODY_US;
        c->body_size = (size_t)len;
        c->body = len > 0 ? malloc((size_t)len) : NULL;
        return len > 0 && c->body == NULL ? -1 : 0;
    }
    if (answer(c) != 0)
        return -1;
    if (posting) /* without length the library waits for a body until the end of the connection */
        c->reply->close = true;
    return 0;
}

int http_on_body(struct http_connection *c, const uint8_t *data, size_t len) {
    if (c->phase != PHASE_BODY)
        return 0; /* of a request that was refused: dropped */
    if (c->upload != 0) {
        const struct http_handlers *handlers = &c->source.http->config.handlers;
        return handlers->body_part(handlers->context, c->upload, span_of(data, len)) ? 0 : -1;
    }
    if (len > c->body_size - c->body_len)
        return -1;
    if (len > 0)
        memcpy(c->body + c->body_len, data, len);
    c->body_len += len;
    return 0;
}

int http_on_body_end(struct http_connection *c) {
    return c->phase == PHASE_BODY ? answer(c) : 0;
}
