#include "server/site.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/assert.h"
#include "server/assets.h"
#include "server/http_head.h"

/* RFC 9110 section 13.1.2: one of the tags, weak or not, or any. */
static bool has_tag(struct span header, const char *tag) {
    struct reader r = reader_of_span(header);
    struct span item;
    while (rd_token(&r, ',', &item)) {
        while (item.len > 0 && (item.data[0] == ' ' || item.data[0] == '\t'))
            item = span_of(item.data + 1, item.len - 1);
        while (item.len > 0 && (item.data[item.len - 1] == ' ' || item.data[item.len - 1] == '\t'))
            item.len--;
        if (span_starts_with(item, "W/"))
            item = span_of(item.data + 2, item.len - 2);
        if (span_equal_str(item, tag) || span_equal_str(item, "*"))
            return true;
    }
    return false;
}

bool site_wants_page(const struct http_request *request) {
    return http_list_has(request->accept, "text/html");
}

bool site_host_plain(struct span host) {
    if (host.len == 0 || host.len > SITE_HOST_LEN_MAX)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                     c == '-' || c == ':' || c == '[' || c == ']';
        if (!plain)
            return false;
    }
    return true;
}

static const struct asset *find(struct span path) {
    for (size_t i = 0; i < assets_count; i++) {
        if (span_equal_str(path, assets[i].path))
            return &assets[i];
    }
    return NULL;
}

static void page_headers(const struct http_request *request, bool hsts, struct http_reply *reply) {
    /* In older browsers 'self' does not cover ws: and wss:, so the host is named for these. */
    struct writer *w = &reply->headers;
    wr_str(w, "Content-Security-Policy: default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
              "img-src 'self' data: blob:; media-src 'self' blob: mediastream:; connect-src 'self'");
    if (site_host_plain(request->host)) {
        int len = (int)request->host.len;
        const char *host = (const char *)request->host.data;
        wr_fmt(w, " ws://%.*s wss://%.*s", len, host, len, host);
    }
    wr_str(w, "; worker-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
              "frame-ancestors 'none'\r\n");
    wr_str(
        w,
        "Permissions-Policy: camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), "
        "autoplay=(self), speaker-selection=(self), picture-in-picture=(self), screen-wake-lock=(self), "
        "clipboard-write=(self), accelerometer=(), ambient-light-sensor=(), bluetooth=(), browsing-topics=(), "
        "clipboard-read=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), magnetometer=(), midi=(), "
        "payment=(), publickey-credentials-get=(), serial=(), storage-access=(), usb=(), xr-spatial-tracking=()\r\n");
    http_reply_header(reply, "X-Frame-Options", "DENY"); /* for browsers that do not know frame-ancestors */
    if (hsts)
        http_reply_header(reply, "Strict-Transport-Security", "max-age=31536000");
}

/* For clients that do not take gzip. Unpacking costs milliseconds of the thread that carries all messages, and the question costs
 * its sender nothing, so it is done once for each asset and kept: in all no more than the bundle is long. */
static struct span unpacked(const struct asset *asset) {
    static uint8_t **kept; /* of the control thread, by place in `assets` */
    size_t at = (size_t)(asset - assets);
    if (kept == NULL)
        kept = calloc(assets_count, sizeof *kept);
    if (kept == NULL)
        return span_of(NULL, 0);
    if (kept[at] != NULL)
        return span_of(kept[at], asset->len);
    uint8_t *bytes = malloc(asset->len + 1);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)asset->bytes,
                  .avail_in = (uInt)asset->stored_len,
                  .next_out = bytes,
                  .avail_out = (uInt)asset->len + 1};
    if (bytes == NULL || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) {
        free(bytes);
        return span_of(NULL, 0);
    }
    int result = inflate(&z, Z_FINISH);
    (void)inflateEnd(&z);
    ASSERT(result == Z_STREAM_END && z.total_out == asset->len);
    kept[at] = bytes;
    return span_of(bytes, asset->len);
}

static void serve(const struct http_request *request, const struct asset *asset, bool page, bool hsts,
                  struct http_reply *reply) {
    reply->status = 200;
    http_reply_header(reply, "ETag", asset->etag);
    http_reply_header(reply, "Cache-Control",
                      span_starts_with(span_str(asset->path), "/assets/") ? "public, max-age=31536000, immutable"
                                                                          : "no-cache");
    http_reply_header(reply, "Vary", page ? "Accept, Accept-Encoding" : "Accept-Encoding");
    if (page)
        page_headers(request, hsts, reply);
    if (has_tag(request->if_none_match, asset->etag)) {
        reply->status = 304;
        return;
    }
    http_reply_header(reply, "Content-Type", asset->type);
    if (!asset->gzip || http_list_has(request->accept_encoding, "gzip")) {
        if (asset->gzip)
            http_reply_header(reply, "Content-Encoding", "gzip");
        reply->body = span_of(asset->bytes, asset->stored_len);
    } else {
        reply->body = unpacked(asset);
        if (reply->body.data == NULL)
            reply->status = 503;
    }
}

bool site_serve(const struct http_request *request, bool hsts, struct http_reply *reply) {
    bool page = (span_equal_str(request->path, "/") && site_wants_page(request)) ||
                span_starts_with(request->path, "/m/") || span_equal_str(request->path, "/new") ||
                span_equal_str(request->path, "/index.html");
    const struct asset *asset = page ? find(span_str("/index.html")) : find(request->path);
    if (asset == NULL)
        return false;
    http_reply_header(reply, "X-Content-Type-Options", "nosniff");
    http_reply_header(reply, "Referrer-Policy", "no-referrer");
    http_reply_header(reply, "Cross-Origin-Opener-Policy", "same-origin");
    http_reply_header(reply, "Cross-Origin-Resource-Policy", "same-origin");
    if (!span_equal_str(request->method, "GET") && !span_equal_str(request->method, "HEAD")) {
        http_reply_header(reply, "Allow", "GET, HEAD");
        http_reply_text(reply, 405, "text/plain", span_str("only GET and HEAD\n"));
        return true;
    }
    serve(request, asset, page, hsts, reply);
    return true;
}

bool site_serve_missing(const struct http_request *request, bool hsts, struct http_reply *reply) {
    bool getting = span_equal_str(request->method, "GET") || span_equal_str(request->method, "HEAD");
    struct http_request page = *request;
    page.path = span_str("/index.html");
    page.if_none_match = span_of(NULL, 0); /* not there is not the same as not modified */
    if (!getting || !site_wants_page(request) || !site_serve(&page, hsts, reply))
        return false;
    reply->status = reply->status == 200 ? 404 : reply->status;
    return true;
}
