#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/secret.h"
#include "io/clock.h"
#include "server/app_internal.h"
#include "server/assets.h"
#include "server/metrics.h"
#include "server/site.h"

#define SDP_BODY_LEN_MAX (512u << 10)
/* A base URL may end in a slash, so paths may begin with two; http_head.h reduces them. */

static bool has_prefix(struct span path, const char *prefix) {
    size_t len = strlen(prefix);
    return span_starts_with(path, prefix) && (path.len == len || path.data[len] == '/');
}

static bool is_method(const struct http_request *request, const char *method) {
    return span_equal_str(request->method, method);
}

size_t routes_body_max(void *context, struct span method, struct span path) {
    (void)context;
    (void)method;
    if (has_prefix(path, MEETING_PATH))
        return MEETING_BODY_LEN_MAX;
    if (has_prefix(path, "/twirp"))
        return CONTROL_MESSAGE_LEN_MAX;
    return control_http_route(path) ? SDP_BODY_LEN_MAX : 0;
}

/* ---- LiveKit's routes ---- */

/* Every reply, errors as well: without these a browser reports an unreachable server. The wildcard does not cover
 * Authorization (Fetch standard, CORS-unsafe request-header names). */
static void add_cors(struct http_reply *reply) {
    http_reply_header(reply, "Access-Control-Allow-Origin", "*");
    http_reply_header(reply, "Access-Control-Expose-Headers", "*, Location, ETag, Link, Accept-Patch, Accept-Post");
}

static void preflight(struct http_reply *reply) {
    reply->status = 204;
    http_reply_header(reply, "Access-Control-Allow-Methods", "OPTIONS, HEAD, GET, POST, PATCH, DELETE");
    http_reply_header(reply, "Access-Control-Allow-Headers", "*, Authorization, Content-Type, If-Match");
    http_reply_header(reply, "Access-Control-Max-Age", "86400");
}

struct control_http_request routes_to_control(const struct http_request *request) {
    return (struct control_http_request){
        .method = request->method,
        .path = request->path,
        .query = request->query,
        .authorization = request->authorization,
        .content_type = request->content_type,
        .if_match = request->if_match,
        .body = request->body,
        .tls = request->tls,
    };
}

void routes_from_control(const struct control_http_reply *from, struct http_reply *reply) {
    if (from->location[0] != 0)
        http_reply_header(reply, "Location", from->location);
    if (from->etag[0] != 0)
        http_reply_header(reply, "ETag", from->etag);
    if (from->accept_patch[0] != 0)
        http_reply_header(reply, "Accept-Patch", from->accept_patch);
    if (from->authenticate)
        http_reply_header(reply, "WWW-Authenticate", "Bearer");
    http_reply_header(reply, "Cache-Control", "no-store");
    http_reply_header(reply, "X-Content-Type-Options", "nosniff");
    http_reply_text(reply, from->status, from->content_type[0] != 0 ? from->content_type : NULL, from->body);
}

static void serve_control(struct app *app, const struct http_request *request, struct http_reply *reply) {
    add_cors(reply);
    struct control_http_request to = routes_to_control(request);
    to.source = http_source_of(app->http, request);
    struct control_http_reply *from = calloc(1, sizeof *from);
    if (from == NULL) {
        reply->status = 503;
        return;
    }
    if (is_method(request, "OPTIONS"))
        preflight(reply);
    bool media = has_prefix(request->path, "/whip") || has_prefix(request->path, "/whep");
    if (!is_method(request, "OPTIONS") || media) {
        control_http(app->control, clock_now_us(), clock_unix_us(), &to, from);
        ASSERT(from->status >= 200 && from->status < 600);
        routes_from_control(from, reply);
    }
    /* RFC 9725 section 4.2: what a WHIP endpoint takes */
    if (is_method(request, "OPTIONS") && media)
        http_reply_header(reply, "Accept-Post", "application/sdp");
    free(from);
    app_settle(app);
}

uint64_t routes_open(void *context, const struct http_request *request, struct http_reply *reply) {
    struct app *app = context;
    if (request->metrics_port) { /* nothing but metrics, and nobody who may have them needs a WebSocket for it */
        http_reply_text(reply, 404, "text/plain", span_str("not found\n"));
        return 0;
    }
    add_cors(reply);
    if (app->stop_at_us != 0 || media_congested(app->media)) {
        http_reply_text(reply, 503, "text/plain", span_str("the server is going down or overloaded\n"));
        return 0;
    }
    if (delivery_path(request->path))
        return delivery_socket_open(app, request, reply);
    if (!control_http_route(request->path)) {
        http_reply_text(reply, 404, "text/plain", span_str("not found\n"));
        return 0;
    }
    struct control_http_request to = routes_to_control(request);
    to.source = http_source_of(app->http, request);
    struct control_http_reply *from = calloc(1, sizeof *from);
    if (from == NULL) {
        reply->status = 503;
        return 0;
    }
    uint32_t session = control_session_open(app->control, clock_now_us(), clock_unix_us(), &to, from);
    if (session == 0)
        routes_from_control(from, reply);
    free(from);
    if (session == 0)
        app_settle(app);
    return session;
}

/* ---- metrics ---- */

static bool loopback_host(struct span host) {
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t len = strlen(names[i]);
        if (span_starts_with(host, names[i]) && (host.len == len || host.data[len] == ':'))
            return true;
    }
    return false;
}

static bool password_good(const struct config *config, struct span authorization) {
    char expected[512], text[256];
    struct writer plain = writer_of(text, sizeof text), w = writer_of(expected, sizeof expected);
    wr_fmt(&plain, "%s:%s", config->prometheus_username, config->prometheus_password);
    wr_str(&w, "Basic ");
    wr_base64(&w, writer_span(&plain));
    bool good = writer_ok(&w) && authorization.len == w.len && secure_equal(authorization.data, expected, w.len);
    secure_wipe(text, sizeof text);
    secure_wipe(expected, sizeof expected);
    return good;
}

/* At their own listener only: a proxy in front of the others would hand them to everybody, and nothing in a request tells surely that it
 * came through one. Without a password that listener is bound to this machine, and the Host must name it, so that no page of a stranger
 * can ask under a name of its own (DNS rebinding). */
static bool metrics_allowed(const struct app *app, const struct http_request *request) {
    if (app->config.prometheus_password[0] != 0)
        return password_good(&app->config, request->authorization);
    return net_addr_is_loopback(&request->peer) && loopback_host(request->host);
}

static void serve_metrics(struct app *app, const struct http_request *request, struct http_reply *reply) {
    if (!metrics_allowed(app, request)) {
        http_reply_header(reply, "WWW-Authenticate", "Basic realm=\"metrics\"");
        http_reply_text(reply, 401, "text/plain",
                        span_str("metrics are for this machine, or for who has the password\n"));
        return;
    }
    size_t size = APP_METRICS_LEN_MAX(app->shards);
    char *text = malloc(size);
    struct writer w = writer_of(text, text != NULL ? size : 0);
    if (text != NULL)
        app_write_metrics(app, &w);
    if (text == NULL || !writer_ok(&w)) {
        free(text);
        reply->status = 503;
        return;
    }
    http_reply_header(reply, "Content-Type", METRICS_CONTENT_TYPE);
    http_reply_header(reply, "Cache-Control", "no-store");
    reply->status = 200;
    reply->owned = (uint8_t *)text;
    reply->body = writer_span(&w);
}

/* ---- the meeting API ---- */

/* A page of another origin may send a POST without asking (a "simple request"); it cannot read the answer, but would spend the
 * visitor's budget. The host in Origin must be the one that was asked. */
static bool same_origin(const struct http_request *request) {
    struct span origin = request->origin;
    if (origin.len == 0)
        return true;
    const char *schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (span_starts_with(origin, schemes[i]) &&
            span_equal(span_of(origin.data + len, origin.len - len), request->host))
            return true;
    }
    return false;
}

static void add_same_origin(struct http_reply *reply) {
    http_reply_header(reply, "X-Content-Type-Options", "nosniff");
    http_reply_header(reply, "Cross-Origin-Resource-Policy", "same-origin");
}

static void reply_json(struct http_reply *reply, uint16_t status, struct span body) {
    http_reply_header(reply, "Cache-Control", "no-store");
    add_same_origin(reply);
    http_reply_text(reply, status, "application/json", body);
}

static void serve_meetings(struct app *app, const struct http_request *request, struct http_reply *reply) {
    struct meeting_request to = {
        .method = request->method,
        .path = request->path,
        .body = request->body,
        .client = http_source_of(app->http, request),
        .closing = app->stop_at_us != 0 || media_congested(app->media) || app_draining(app),
    };
    struct meeting_reply from;
    meeting_request(app->meeting, clock_now_us(), &to, &from);
    char retry[16];
    (void)snprintf(retry, sizeof retry, "%u", from.retry_s);
    if (from.retry_s != 0)
        http_reply_header(reply, "Retry-After", retry);
    reply_json(reply, from.status, span_of(from.body, from.len));
}

static void serve_version(struct http_reply *reply) {
    char body[192];
    struct writer w = writer_of(body, sizeof body);
    wr_fmt(&w, "{\"version\":\"%s\",\"bundle_sha256\":\"%s\"}", CONCLAVE_VERSION, assets_sha256);
    ASSERT(writer_ok(&w));
    reply_json(reply, 200, writer_span(&w));
}

static void serve_api(struct app *app, const struct http_request *request, struct http_reply *reply) {
    if (!same_origin(request)) {
        store_abort(app->store, request->upload);
        reply_json(reply, 403,
                   span_str("{\"error\":\"cross_origin\",\"message\":\"This is for pages of this server.\"}"));
    } else if (delivery_serve(app, request, reply)) {
        add_same_origin(reply);
    } else if (span_equal_str(request->path, "/api/v2/version") &&
               (is_method(request, "GET") || is_method(request, "HEAD"))) {
        serve_version(reply);
    } else {
        serve_meetings(app, request, reply);
    }
}

uint32_t routes_body_begin(void *context, const struct http_request *request, uint64_t len, struct http_reply *reply) {
    struct app *app = context;
    struct span id, rest;
    /* what is asked at the metrics port gets metrics, and nobody would end the upload */
    if (request->metrics_port || !is_method(request, "POST") || !delivery_split(request->path, &id, &rest) ||
        !files_path(rest))
        return 0;
    if (same_origin(request)) {
        uint32_t upload = files_begin(app, request, len, reply);
        if (upload == 0)
            add_same_origin(reply);
        return upload;
    }
    reply_json(reply, 403, span_str("{\"error\":\"cross_origin\",\"message\":\"This is for pages of this server.\"}"));
    return 0;
}

/* ---- everything ---- */

/* LiveKit clients and load balancers ask for the root and want a readable 200. */
static void serve_root(const struct http_request *request, struct http_reply *reply) {
    add_cors(reply);
    http_reply_header(reply, "Vary", "Accept, Accept-Encoding");
    http_reply_header(reply, "X-Content-Type-Options", "nosniff");
    if (is_method(request, "OPTIONS"))
        preflight(reply);
    else
        http_reply_text(reply, 200, "text/plain", span_str("OK"));
}

void routes_request(void *context, const struct http_request *request, struct http_reply *reply) {
    struct app *app = context;
    struct span path = request->path;
    bool hsts = request->tls && !app->own_cert;
    if (request->metrics_port) {
        serve_metrics(app, request, reply);
    } else if (control_http_route(path)) {
        serve_control(app, request, reply);
    } else if (has_prefix(path, "/api")) {
        serve_api(app, request, reply);
    } else if (span_equal_str(path, "/") && (!site_wants_page(request) || is_method(request, "OPTIONS"))) {
        serve_root(request, reply);
    } else if (!site_serve(request, hsts, reply) && !site_serve_missing(request, hsts, reply)) {
        http_reply_header(reply, "X-Content-Type-Options", "nosniff");
        http_reply_text(reply, 404, "text/plain", span_str("not found\n"));
    }
}
