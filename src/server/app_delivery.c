#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/time.h"
#include "group/wire1.h"
#include "io/clock.h"
#include "server/app_internal.h"

#define MEETINGS "/api/v1/meetings/"
/* Bytes of a GroupInfo's hash that tell it from others. */
#define GROUP_INFO_TAG_LEN 16

/* ---- who asks ---- */

bool delivery_whose(struct app *app, const struct http_request *request, struct control_who *who, struct span *meeting,
                    struct http_reply *reply) {
    struct control_http_request to = routes_to_control(request);
    struct control_http_reply *from = calloc(1, sizeof *from);
    if (from == NULL) {
        reply->status = 503;
        return false;
    }
    bool good = control_who(app->control, clock_unix_us(), &to, who, from);
    if (!good)
        routes_from_control(from, reply);
    free(from);
    if (!good)
        return false;
    *meeting = meeting_of_room(app->meeting, span_str(who->room));
    if (meeting->len > 0)
        return true;
    http_reply_text(reply, 403, "text/plain", span_str("the access token is not for a meeting of this server\n"));
    return false;
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
    return meeting.len > 0 && delivery_is_member(app->delivery, meeting, identity);
}

/* ---- WebSockets ---- */

bool delivery_path(struct span path) {
    return span_equal_str(path, WIRE1_PATH);
}

static uint32_t connection_of(uint64_t session) {
    ASSERT((session & SESSION_DELIVERY) != 0);
    return (uint32_t)session;
}

uint64_t delivery_socket_open(struct app *app, const struct http_request *request, struct http_reply *reply) {
    struct control_who who;
    struct span meeting;
    if (!delivery_whose(app, request, &who, &meeting, reply))
        return 0;
    if (app_draining(app) && delivery_members(app->delivery, meeting) == 0) {
        http_reply_text(reply, 503, "text/plain", span_str("the server is about to stop and begins no new meetings\n"));
        return 0;
    }
    struct net_addr client = http_source_of(app->http, request);
    uint32_t connection = delivery_open(app->delivery, clock_now_us(), &client, meeting, span_str(who.identity));
    if (connection != 0)
        return SESSION_DELIVERY | connection;
    http_reply_text(reply, 503, "text/plain", span_str("too many connections to meetings\n"));
    return 0;
}

void delivery_socket_message(struct app *app, uint64_t session, struct span message, bool text) {
    /* all messages are binary: a text is malformed, as an empty one is */
    delivery_message(app->delivery, clock_now_us(), clock_unix_us() / US_PER_S, &app->rng, connection_of(session),
                     text ? span_of(NULL, 0) : message);
}

void delivery_socket_closed(struct app *app, uint64_t session, uint16_t code) {
    /* RFC 6455 section 7.4.1: 1000 done, 1001 the page is gone; anything else is a connection lost */
    bool going = code == 1000 || code == 1001;
    delivery_closed(app->delivery, clock_now_us(), &app->rng, connection_of(session), going && app->stop_at_us == 0);
}

void delivery_expelled(struct app *app, struct span room, struct span identity) {
    struct span meeting = meeting_of_room(app->meeting, room);
    if (meeting.len > 0)
        delivery_expel(app->delivery, clock_now_us(), &app->rng, meeting, identity);
}

void delivery_shutdown(struct app *app) {
    http_close_matching(app->http, SESSION_DELIVERY, 1001);
}

static void carry_out(struct app *app, const struct delivery_output *out) {
    char room[MEETING_ROOM_LEN + 1];
    switch (out->type) {
    case DELIVERY_SEND:
        http_send(app->http, SESSION_DELIVERY | out->connection, out->message, false);
        break;
    case DELIVERY_HOLD:
        http_hold(app->http, SESSION_DELIVERY | out->connection, out->held);
        break;
    case DELIVERY_CLOSE:
        http_close(app->http, SESSION_DELIVERY | out->connection, out->code);
        break;
    case DELIVERY_ADMITTED: /* asked for when the person connects: delivery_gate */
        break;
    case DELIVERY_EXPELLED:
        room_of(out->meeting, room);
        control_expel(app->control, clock_now_us(), span_str(room), out->identity);
        break;
    case DELIVERY_OVER:
        room_of(out->meeting, room);
        control_room_end(app->control, clock_now_us(), span_str(room));
        store_drop(app->store, out->meeting);
        break;
    }
}

bool delivery_settle(struct app *app) {
    struct delivery_output out;
    bool any = false;
    while (delivery_poll(app->delivery, &out)) {
        any = true;
        if (!app->destroying)
            carry_out(app, &out);
    }
    return any && !app->destroying;
}

/* ---- HTTP ---- */

/* A tree that is being sent: everybody who enters at the same time gets the same bytes, of which a large meeting has
 * some megabytes, and the delivery service may go on to another tree meanwhile. */
struct shared_tree {
    struct shared_tree *next;
    struct app *app;
    uint32_t refs;
    struct span hash, bytes; /* behind this struct */
};

static void release_tree(void *held) {
    struct shared_tree *tree = held;
    ASSERT(tree->refs > 0);
    if (--tree->refs > 0)
        return;
    struct shared_tree **at = &tree->app->trees;
    while (*at != tree)
        at = &(*at)->next;
    *at = tree->next;
    free(tree);
}

static struct shared_tree *share_tree(struct app *app, struct span hash, struct span bytes) {
    for (struct shared_tree *tree = app->trees; tree != NULL; tree = tree->next) {
        if (span_equal(tree->hash, hash)) {
            tree->refs++;
            return tree;
        }
    }
    struct shared_tree *tree = malloc(sizeof *tree + hash.len + bytes.len);
    if (tree == NULL)
        return NULL;
    uint8_t *room = (uint8_t *)(tree + 1);
    memcpy(room, hash.data, hash.len);
    memcpy(room + hash.len, bytes.data, bytes.len);
    *tree = (struct shared_tree){.next = app->trees,
                                 .app = app,
                                 .refs = 1,
                                 .hash = span_of(room, hash.len),
                                 .bytes = span_of(room + hash.len, bytes.len)};
    app->trees = tree;
    return tree;
}

/* The headers of what has a tag; true when the client has it already. */
static bool tagged(const struct http_request *request, struct http_reply *reply, const char *etag,
                   const char *caching) {
    http_reply_header(reply, "ETag", etag);
    http_reply_header(reply, "Cache-Control", caching);
    http_reply_header(reply, "Vary", "Authorization");
    bool same = span_equal_str(request->if_none_match, etag);
    if (same)
        reply->status = 304;
    return same;
}

void delivery_reply_missing(struct http_reply *reply) {
    http_reply_header(reply, "Cache-Control", "no-store");
    http_reply_text(reply, 404, "application/json",
                    span_str("{\"error\":\"not_found\",\"message\":\"There is nothing here (any more).\"}"));
}

static void serve_tree(struct app *app, const struct http_request *request, struct span meeting, struct span hex,
                       struct http_reply *reply) {
    uint8_t hash[HASH_LEN_MAX];
    size_t hash_len;
    char etag[2 * HASH_LEN_MAX + 3];
    struct span tree = hex_decode(hex, hash, sizeof hash, &hash_len)
                           ? delivery_tree(app->delivery, meeting, span_of(hash, hash_len))
                           : span_of(NULL, 0);
    if (tree.len == 0) {
        delivery_reply_missing(reply);
        return;
    }
    (void)snprintf(etag, sizeof etag, "\"%.*s\"", (int)hex.len, (const char *)hex.data);
    if (tagged(request, reply, etag, "private, max-age=3600, immutable"))
        return;
    struct shared_tree *shared = share_tree(app, span_of(hash, hash_len), tree);
    if (shared == NULL) {
        reply->status = 503;
        return;
    }
    http_reply_header(reply, "Content-Type", "application/octet-stream");
    reply->status = 200;
    reply->body = shared->bytes;
    reply->release = release_tree;
    reply->held = shared;
}

static void serve_group_info(struct app *app, const struct http_request *request, struct span meeting,
                             struct http_reply *reply) {
    struct span info = delivery_group_info(app->delivery, meeting);
    uint8_t hash[32];
    if (info.len == 0 || crypto_openssl.hash(HASH_SHA256, &info, 1, hash) != CRYPTO_OK) {
        delivery_reply_missing(reply);
        return;
    }
    char etag[2 * GROUP_INFO_TAG_LEN + 3] = {0};
    struct writer w = writer_of(etag, sizeof etag - 1);
    wr_u8(&w, '"');
    wr_hex(&w, span_of(hash, GROUP_INFO_TAG_LEN));
    wr_u8(&w, '"');
    ASSERT(writer_ok(&w));
    if (!tagged(request, reply, etag, "private, no-cache"))
        http_reply_text(reply, 200, "application/octet-stream", info);
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

static void serve_group(struct app *app, const struct http_request *request, struct span meeting, struct span rest,
                        struct http_reply *reply) {
    static const char tree[] = "/mls/tree/";
    if (!span_equal_str(request->method, "GET") && !span_equal_str(request->method, "HEAD")) {
        http_reply_header(reply, "Allow", "GET, HEAD");
        http_reply_text(reply, 405, "text/plain", span_str("only GET and HEAD\n"));
    } else if (span_starts_with(rest, tree)) {
        serve_tree(app, request, meeting, span_of(rest.data + sizeof tree - 1, rest.len - (sizeof tree - 1)), reply);
    } else if (span_equal_str(rest, "/mls/group_info")) {
        serve_group_info(app, request, meeting, reply);
    } else {
        delivery_reply_missing(reply);
    }
}

bool delivery_serve(struct app *app, const struct http_request *request, struct http_reply *reply) {
    struct span id, rest, meeting;
    struct control_who who;
    bool file = false;
    if (delivery_split(request->path, &id, &rest))
        file = files_path(rest);
    if (id.len == 0 || (!file && !span_starts_with(rest, "/mls/")))
        return false;
    if (!delivery_whose(app, request, &who, &meeting, reply)) {
        store_abort(app->store, request->upload);
    } else if (!span_equal(meeting, id)) {
        store_abort(app->store, request->upload);
        http_reply_text(reply, 403, "text/plain", span_str("the access token is for another meeting\n"));
    } else if (file) {
        files_serve(app, request, meeting, span_str(who.identity), rest, reply);
    } else {
        serve_group(app, request, meeting, rest, reply);
    }
    return true;
}
