#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/secret.h"
#include "base/time.h"
#include "group/wire.h"
#include "io/clock.h"
#include "server/app_internal.h"

#define MEETINGS MEETING_PATH "/"
/* Until who finds no room for a tree or chain tries again. */
#define SHARED_WAIT_US (4 * US_PER_S)

/* ---- who asks ---- */

void delivery_reply_missing(struct http_reply *reply) {
    http_reply_header(reply, "Cache-Control", "no-store");
    http_reply_text(reply, 404, "application/json",
                    span_str("{\"error\":\"no_entry\",\"message\":\"This link does not open a meeting here. It may be "
                             "incomplete, have ended, or have been replaced.\"}"));
}

/* Whose token it is, if it is one for this meeting. Whatever is wrong, there is one answer. */
bool delivery_whose(struct app *app, const struct http_request *request, struct span meeting, struct control_who *who) {
    struct control_http_request to = routes_to_control(request);
    struct control_http_reply *refusal = calloc(1, sizeof *refusal);
    bool good = refusal != NULL && control_who(app->control, clock_unix_us(), &to, who, refusal) &&
                span_equal(meeting_of_room(app->meeting, span_str(who->room)), meeting);
    free(refusal);
    return good;
}

static void room_of(struct span meeting, char out[MEETING_ROOM_LEN + 1]) {
    ASSERT(meeting.len == MEETING_ID_LEN);
    memcpy(out, MEETING_ROOM_PREFIX, sizeof MEETING_ROOM_PREFIX - 1);
    memcpy(out + sizeof MEETING_ROOM_PREFIX - 1, meeting.data, MEETING_ID_LEN);
    out[MEETING_ROOM_LEN] = 0;
}

bool delivery_gate(void *context, struct span room, struct span identity) {
    const struct app *app = context;
    struct span meeting = meeting_of_room(app->meeting, room);
    return meeting.len > 0 && service_is_member(app->service, meeting, identity);
}

/* ---- WebSockets ---- */

#define SOCKETS WIRE_PATH "/"

bool delivery_path(struct span path) {
    return span_starts_with(path, SOCKETS);
}

static uint32_t connection_of(uint64_t session) {
    ASSERT((session & SESSION_DELIVERY) != 0);
    return (uint32_t)session;
}

static struct service_now now_of(struct app *app) {
    return (struct service_now){.now_us = clock_now_us(), .unix_s = clock_unix_us() / US_PER_S, .rng = &app->rng};
}

/* Letters that ids are made of. What else stands there is not looked at before its hello. */
static bool id_formed(struct span id) {
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return id.len > 0 && id.len <= GROUP_MEETING_ID_LEN_MAX;
}

/* Whoever connects, and asks for what only who comes back needs, has so many a minute. */
static bool may_connect(struct app *app, const struct http_request *request, struct http_reply *reply) {
    struct net_addr client = http_source_of(app->http, request);
    uint32_t retry_s;
    char retry[16];
    if (meeting_spend(app->meeting, clock_now_us(), &client, MEETING_ENTER, &retry_s))
        return true;
    (void)snprintf(retry, sizeof retry, "%u", retry_s);
    http_reply_header(reply, "Retry-After", retry);
    http_reply_text(reply, 429, "text/plain", span_str("too many connections to meetings from this address\n"));
    return false;
}

uint64_t delivery_socket_open(struct app *app, const struct http_request *request, struct http_reply *reply) {
    const size_t prefix_len = sizeof SOCKETS - 1;
    struct span id = span_of(request->path.data + prefix_len, request->path.len - prefix_len);
    struct net_addr client = http_source_of(app->http, request);
    struct service_now now = now_of(app);
    if (!id_formed(id)) {
        http_reply_text(reply, 404, "text/plain", span_str("not found\n"));
        return 0;
    }
    if (!may_connect(app, request, reply))
        return 0;
    uint32_t connection = service_open(app->service, &now, &client, id);
    if (connection != 0)
        return SESSION_DELIVERY | connection;
    http_reply_text(reply, 503, "text/plain", span_str("too many connections to meetings\n"));
    return 0;
}

void delivery_socket_message(struct app *app, uint64_t session, struct span message, bool text) {
    struct service_now now = now_of(app);
    /* all messages are binary: a text is malformed, as an empty one is */
    service_message(app->service, &now, connection_of(session), text ? span_of(NULL, 0) : message);
}

void delivery_socket_closed(struct app *app, uint64_t session, uint16_t code) {
    struct service_now now = now_of(app);
    /* RFC 6455 section 7.4.1: 1000 done, 1001 the page is gone; anything else is a connection lost */
    bool going = code == 1000 || code == 1001;
    service_closed(app->service, &now, connection_of(session), going && app->stop_at_us == 0);
}

void delivery_expelled(struct app *app, struct span room, struct span identity) {
    struct span meeting = meeting_of_room(app->meeting, room);
    struct service_now now = now_of(app);
    if (meeting.len > 0)
        service_expel(app->service, &now, meeting, identity);
}

void delivery_tick(struct app *app) {
    struct service_now now = now_of(app);
    service_tick(app->service, &now);
}

void delivery_shutdown(struct app *app) {
    service_closing(app->service, 0);
    (void)delivery_settle(app);
    http_close_matching(app->http, SESSION_DELIVERY, 1001);
}

void delivery_token(void *context, struct span id, struct span identity, struct mls_buf *out) {
    struct app *app = context;
    char text[MEETING_TOKEN_LEN_MAX];
    struct writer w = writer_of(text, sizeof text);
    if (id.len == MEETING_ID_LEN && meeting_token(app->meeting, clock_unix_us(), id, identity, &w))
        mls_wr_span(out, writer_span(&w));
    secure_wipe(text, sizeof text);
}

static void carry_out(struct app *app, const struct service_output *out) {
    char room[MEETING_ROOM_LEN + 1];
    switch (out->type) {
    case SERVICE_SEND:
        http_send(app->http, SESSION_DELIVERY | out->connection, out->message, false);
        break;
    case SERVICE_HOLD:
        http_hold(app->http, SESSION_DELIVERY | out->connection, out->held);
        break;
    case SERVICE_CLOSE:
        http_close(app->http, SESSION_DELIVERY | out->connection, out->code);
        break;
    case SERVICE_ADMITTED: /* for the media it is asked when the person connects: delivery_gate */
        app_running_look(app);
        break;
    case SERVICE_EXPELLED:
        room_of(out->id, room);
        control_expel(app->control, clock_now_us(), span_str(room), out->identity);
        break;
    case SERVICE_OVER:
        room_of(out->id, room);
        control_room_end(app->control, clock_now_us(), span_str(room));
        store_drop(app->store, out->id);
        break;
    }
}

bool delivery_settle(struct app *app) {
    struct service_output out;
    bool any = false;
    while (service_poll(app->service, &out)) {
        any = true;
        if (!app->destroying)
            carry_out(app, &out);
    }
    return any && !app->destroying;
}

/* ---- HTTP ---- */

/* Who asks, and for the group of which meeting. */
struct reading {
    struct app *app;
    const struct http_request *request;
    struct span meeting, identity;
    struct http_reply *reply;
};

static void name_of(struct span meeting, struct span kind, struct span what, uint8_t out[32]) {
    struct span parts[] = {meeting, kind, what};
    (void)crypto_openssl.hash(HASH_SHA256, parts, ARRAY_LEN(parts), out); /* cannot fail */
}

static void answer_later(struct http_reply *reply, uint16_t status, uint64_t wait_us) {
    char retry[24];
    (void)snprintf(retry, sizeof retry, "%llu", (unsigned long long)(wait_us / US_PER_S + 1));
    http_reply_header(reply, "Retry-After", retry);
    http_reply_header(reply, "Cache-Control", "no-store");
    http_reply_text(
        reply, status, "application/json",
        span_str("{\"error\":\"busy\",\"message\":\"Too much is asked for. Please try again in a moment.\"}"));
}

/* Room for `len` bytes that the caller writes, once what was asked for before is paid; or NULL and the refusal in the reply. */
static struct shared_bytes *share(const struct reading *r, const uint8_t name[32], size_t len) {
    struct service_now now = now_of(r->app);
    struct net_addr source = http_source_of(r->app->http, r->request);
    struct shared_bytes *shared = shared_make(r->app, name, r->meeting, &source, len);
    uint64_t wait_us = shared != NULL ? service_pay_reading(r->app->service, &now, r->meeting, r->identity, len) : 0;
    if (shared == NULL)
        answer_later(r->reply, 503, SHARED_WAIT_US);
    if (wait_us == 0) {
        if (shared != NULL)
            mls_buf_reserve(&shared->bytes, len);
        return shared;
    }
    shared_release(shared);
    answer_later(r->reply, 429, wait_us);
    return NULL;
}

static void reply_shared(struct shared_bytes *shared, const char *caching, struct http_reply *reply) {
    if (!mls_buf_ok(&shared->bytes)) { /* memory is short */
        shared_release(shared);
        answer_later(reply, 503, SHARED_WAIT_US);
        return;
    }
    http_reply_header(reply, "Content-Type", "application/octet-stream");
    http_reply_header(reply, "Cache-Control", caching);
    reply->status = 200;
    reply->body = mls_buf_span(&shared->bytes);
    reply->release = shared_release;
    reply->held = shared;
}

static void serve_tree(const struct reading *r, struct span hex) {
    static const char caching[] = "private, max-age=3600, immutable";
    uint8_t hash[HASH_LEN_MAX], name[32];
    size_t hash_len;
    char etag[2 * HASH_LEN_MAX + 3];
    struct span tree = hex_decode(hex, hash, sizeof hash, &hash_len)
                           ? service_tree(r->app->service, r->meeting, span_of(hash, hash_len))
                           : span_of(NULL, 0);
    if (tree.len == 0) {
        delivery_reply_missing(r->reply);
        return;
    }
    (void)snprintf(etag, sizeof etag, "\"%.*s\"", (int)hex.len, (const char *)hex.data);
    bool known = span_equal_str(r->request->if_none_match, etag);
    name_of(r->meeting, span_str("tree"), span_of(hash, hash_len), name);
    struct shared_bytes *shared = known ? NULL : shared_find(r->app, name);
    if (!known && shared == NULL) {
        if ((shared = share(r, name, tree.len)) == NULL)
            return;
        mls_wr_span(&shared->bytes, tree);
    }
    http_reply_header(r->reply, "ETag", etag);
    http_reply_header(r->reply, "Vary", "Authorization");
    if (known) {
        http_reply_header(r->reply, "Cache-Control", caching);
        r->reply->status = 304;
    } else {
        reply_shared(shared, caching, r->reply);
    }
}

static bool number_read(struct span digits, uint64_t *out) {
    *out = 0;
    for (size_t i = 0; i < digits.len && i < 20; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
        *out = 10 * *out + (uint64_t)(digits.data[i] - '0');
    }
    return digits.len > 0 && digits.len <= 19;
}

/* It is asked for once by who comes back, and so counts as another connection. */
static void serve_chain(const struct reading *r, struct span digits) {
    uint64_t epoch;
    struct service_chain_mark mark;
    uint8_t name[32], bytes[16 + sizeof mark.digest];
    if (!may_connect(r->app, r->request, r->reply))
        return;
    if (!number_read(digits, &epoch) || !service_chain_mark(r->app->service, r->meeting, epoch, &mark)) {
        delivery_reply_missing(r->reply);
        return;
    }
    struct writer w = writer_of(bytes, sizeof bytes);
    wr_u64(&w, mark.epoch);
    wr_u64(&w, mark.room);
    wr_bytes(&w, mark.digest, sizeof mark.digest);
    name_of(r->meeting, span_str("chain"), writer_span(&w), name);
    struct shared_bytes *shared = shared_find(r->app, name);
    if (shared == NULL && (shared = share(r, name, mark.room)) != NULL)
        (void)service_chain(r->app->service, r->meeting, epoch, &shared->bytes);
    if (shared != NULL)
        reply_shared(shared, "no-store", r->reply);
}

bool delivery_split(struct span path, struct span *id, struct span *rest) {
    const size_t prefix_len = sizeof MEETINGS - 1;
    *id = *rest = span_of(NULL, 0);
    if (!span_starts_with(path, MEETINGS) || path.len < prefix_len + MEETING_ID_LEN + 1 ||
        path.data[prefix_len + MEETING_ID_LEN] != '/')
        return false;
    *id = span_of(path.data + prefix_len, MEETING_ID_LEN);
    *rest = span_of(path.data + prefix_len + MEETING_ID_LEN, path.len - prefix_len - MEETING_ID_LEN);
    return true;
}

static void serve_group(const struct reading *r, struct span rest) {
    static const char tree[] = "/mls/tree/", chain[] = "/mls/chain/";
    if (!span_equal_str(r->request->method, "GET") && !span_equal_str(r->request->method, "HEAD")) {
        http_reply_header(r->reply, "Allow", "GET, HEAD");
        http_reply_text(r->reply, 405, "text/plain", span_str("only GET and HEAD\n"));
    } else if (span_starts_with(rest, tree)) {
        serve_tree(r, span_of(rest.data + sizeof tree - 1, rest.len - (sizeof tree - 1)));
    } else if (span_starts_with(rest, chain)) {
        serve_chain(r, span_of(rest.data + sizeof chain - 1, rest.len - (sizeof chain - 1)));
    } else {
        delivery_reply_missing(r->reply);
    }
}

bool delivery_serve(struct app *app, const struct http_request *request, struct http_reply *reply) {
    struct span id, rest;
    struct control_who who;
    bool file = false;
    if (delivery_split(request->path, &id, &rest))
        file = files_path(rest);
    if (id.len == 0 || (!file && !span_starts_with(rest, "/mls/")))
        return false;
    bool known = delivery_whose(app, request, id, &who);
    if (known && file && service_is_member(app->service, id, span_str(who.identity))) {
        files_serve(app, request, id, span_str(who.identity), rest, reply);
    } else if (known && !file && service_may_read(app->service, id, span_str(who.identity))) {
        serve_group(&(struct reading){app, request, id, span_str(who.identity), reply}, rest);
    } else {
        store_abort(app->store, request->upload);
        delivery_reply_missing(reply);
    }
    return true;
}
