#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "server/app_internal.h"
#include "server/http_range.h"

#define FILES "/files"

bool files_path(struct span rest) {
    const size_t len = sizeof FILES - 1;
    return span_starts_with(rest, FILES) && (rest.len == len || rest.data[len] == '/');
}

static void answer(struct http_reply *reply, uint16_t status, const char *json) {
    http_reply_header(reply, "Cache-Control", "no-store");
    http_reply_text(reply, status, "application/json", span_str(json));
}

/* Whose shares of files this request uses. */
static struct store_who who_of(const struct app *app, const struct http_request *request, struct span meeting,
                               struct span identity) {
    struct store_who who = {.group = meeting, .person = identity, .source = http_source_of(app->http, request)};
    if (net_addr_is_loopback(&who.source))
        who.source.family = 0;
    return who;
}

/* RFC 6585 section 4 for what is too much of one; 503 for what is too much in all. */
static void answer_refused(struct http_reply *reply, enum store_refusal refusal) {
    http_reply_header(reply, "Retry-After", "10");
    if (refusal == STORE_SHARE)
        answer(reply, 429,
               "{\"error\":\"too_many\",\"message\":\"Too many files, or too many at a time. Try again later.\"}");
    else
        answer(reply, 503, "{\"error\":\"full\",\"message\":\"There is no room for this file now.\"}");
}

/* ---- coming ---- */

uint32_t files_begin(struct app *app, const struct http_request *request, uint64_t len, struct http_reply *reply) {
    struct span id, rest;
    struct control_who who;
    if (!delivery_split(request->path, &id, &rest) || rest.len != sizeof FILES - 1 ||
        !delivery_whose(app, request, id, &who) || !service_is_member(app->service, id, span_str(who.identity))) {
        delivery_reply_missing(reply);
        return 0;
    }
    if (len > app->config.file_len_max) {
        answer(reply, 413, "{\"error\":\"too_long\",\"message\":\"This file is larger than this server takes.\"}");
        return 0;
    }
    struct store_who counted = who_of(app, request, id, span_str(who.identity));
    enum store_refusal refusal = STORE_FULL;
    uint32_t upload = app->stop_at_us == 0 ? store_begin(app->store, &counted, len, &refusal) : 0;
    if (upload == 0)
        answer_refused(reply, refusal);
    return upload;
}

bool files_part(void *context, uint32_t upload, struct span bytes) {
    return store_write(((struct app *)context)->store, upload, bytes);
}

void files_gone(void *context, uint32_t upload) {
    store_abort(((struct app *)context)->store, upload);
}

/* The whole body has come. Who was put out meanwhile leaves nothing behind. */
static void finish(struct app *app, const struct http_request *request, struct http_reply *reply) {
    char id[STORE_ID_LEN + 1], json[STORE_ID_LEN + 16];
    if (request->upload == 0) {
        answer(reply, 400, "{\"error\":\"empty\",\"message\":\"A file has at least one byte.\"}");
    } else if (!store_commit(app->store, request->upload, id)) {
        answer(reply, 410, "{\"error\":\"over\",\"message\":\"The meeting is over.\"}");
    } else {
        (void)snprintf(json, sizeof json, "{\"id\":\"%s\"}", id);
        answer(reply, 201, json);
    }
}

/* ---- going ---- */

static void send_file(struct app *app, const struct http_request *request, const struct store_who *who, struct span id,
                      struct http_reply *reply) {
    uint64_t len;
    struct http_range range;
    char text[80];
    enum store_refusal refusal;
    int file = store_open(app->store, who, id, &len, &refusal);
    if (file < 0) {
        if (refusal == STORE_MISSING)
            delivery_reply_missing(reply);
        else
            answer_refused(reply, refusal);
        return;
    }
    http_reply_header(reply, "Accept-Ranges", "bytes");
    http_reply_header(reply, "Cache-Control", "private, no-store");
    if (!http_range_read(request->range, len, &range)) {
        store_close(app->store, file);
        (void)snprintf(text, sizeof text, "bytes */%llu", (unsigned long long)len);
        http_reply_header(reply, "Content-Range", text);
        http_reply_text(reply, 416, "text/plain", span_str("there are no such bytes\n"));
        return;
    }
    if (range.partial) {
        (void)snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)range.first,
                       (unsigned long long)(range.first + range.count - 1), (unsigned long long)len);
        http_reply_header(reply, "Content-Range", text);
    }
    /* never shown as a page, whatever is in it */
    http_reply_header(reply, "Content-Type", "application/octet-stream");
    http_reply_header(reply, "Content-Disposition", "attachment");
    http_reply_file(reply, range.partial ? 206 : 200, app->store, file, range.first, range.count);
}

/* Only for who sent it; of another's file, and of none, the answer is the same. */
static void take_back(struct app *app, const struct store_who *who, struct span id, struct http_reply *reply) {
    if (!store_delete(app->store, who, id)) {
        delivery_reply_missing(reply);
        return;
    }
    http_reply_header(reply, "Cache-Control", "no-store");
    reply->status = 204;
}

void files_serve(struct app *app, const struct http_request *request, struct span meeting, struct span identity,
                 struct span name, struct http_reply *reply) {
    const size_t prefix_len = sizeof FILES - 1;
    bool posting = name.len == prefix_len;
    bool getting = span_equal_str(request->method, "GET") || span_equal_str(request->method, "HEAD");
    bool deleting = span_equal_str(request->method, "DELETE");
    if (posting ? !span_equal_str(request->method, "POST") : !getting && !deleting) {
        store_abort(app->store, request->upload);
        http_reply_header(reply, "Allow", posting ? "POST" : "GET, HEAD, DELETE");
        http_reply_text(reply, 405, "text/plain", span_str("this is not what can be done here\n"));
    } else if (posting) {
        finish(app, request, reply);
    } else {
        struct store_who who = who_of(app, request, meeting, identity);
        struct span file = span_of(name.data + prefix_len + 1, name.len - prefix_len - 1);
        if (deleting)
            take_back(app, &who, file, reply);
        else
            send_file(app, request, &who, file, reply);
    }
}
