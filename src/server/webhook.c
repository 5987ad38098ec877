#include "server/webhook.h"

#include <libwebsockets.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/ring.h"
#include "base/time.h"
#include "io/clock.h"
#include "io/memory.h"
#include "server/library_log.h"
#include "signal/control.h"

struct record {
    uint32_t body_len, authorization_len; /* bytes that follow, in this order */
};

/* An event that waits, shared by the queues of all addresses. */
struct event {
    uint32_t references;
    size_t body_len;
    char *authorization;
    uint8_t *body; /* LWS_PRE bytes of room in front */
};

struct target {
    struct webhook *webhook;
    char url[512];
    const char *host, *path; /* into `url_parts` */
    char url_parts[520];
    int port;
    bool tls;
    struct event *queue[WEBHOOK_QUEUE_MAX];
    uint32_t start, count, tries;
    struct lws *wsi; /* of the post in progress */
    bool sent, answered;
    unsigned status;
    lws_sorted_usec_list_t retry;
    bool waiting; /* for the retry */
};

struct webhook {
    pthread_t thread;
    struct lws_context *context;
    struct lws_vhost *vhost;
    SSL_CTX *tls;
    struct ring ring;
    void *ring_memory;
    _Atomic bool stop;
    lws_sorted_usec_list_t look; /* while stopping: when to look again */
    struct target targets[CONTROL_WEBHOOKS_MAX];
    size_t targets_count;
    _Atomic uint64_t delivered, retried, failed, dropped;
};

static void start_next(struct target *t);

static void release(struct event *e) {
    if (--e->references > 0)
        return;
    free(e->authorization);
    free(e->body);
    free(e);
}

static void finish_first(struct target *t) {
    release(t->queue[t->start]);
    t->start = (t->start + 1) % WEBHOOK_QUEUE_MAX;
    t->count--;
    t->tries = 0;
}

static void on_retry(lws_sorted_usec_list_t *sul) {
    struct target *t = lws_container_of(sul, struct target, retry);
    t->waiting = false;
    start_next(t);
}

/* The post in progress is over; `status` 0 = no answer. */
static void post_ended(struct target *t, unsigned status) {
    struct webhook *w = t->webhook;
    t->wsi = NULL;
    if (t->count == 0)
        return;
    bool again = status == 0 || status >= 500 || status == 429;
    if (!again) {
        atomic_fetch_add(status < 300 ? &w->delivered : &w->failed, 1);
        finish_first(t);
    } else if (++t->tries >= WEBHOOK_TRIES_MAX) {
        atomic_fetch_add(&w->failed, 1);
        log_warn("a webhook was given up after %u tries", t->tries);
        finish_first(t);
    } else {
        atomic_fetch_add(&w->retried, 1);
        uint64_t delay_s = UINT64_C(1) << (t->tries - 1);
        t->waiting = true;
        lws_sul_schedule(w->context, 0, &t->retry, on_retry, (lws_usec_t)((delay_s > 60 ? 60 : delay_s) * US_PER_S));
        return;
    }
    /* not from within the library's callback about the connection that just ended */
    t->waiting = t->count > 0;
    if (t->waiting)
        lws_sul_schedule(w->context, 0, &t->retry, on_retry, 1);
}

static void start_next(struct target *t) {
    if (t->count == 0 || t->wsi != NULL || t->waiting)
        return;
    struct lws_client_connect_info info = {
        .context = t->webhook->context,
        .vhost = t->webhook->vhost,
        .address = t->host,
        .host = t->host,
        .port = t->port,
        .path = t->path,
        .method = "POST",
        .ssl_connection = (t->tls ? LCCSCF_USE_SSL : 0) | LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
        .alpn = "http/1.1",
        .protocol = "webhook",
        .pwsi = &t->wsi,
        .opaque_user_data = t,
    };
    t->sent = t->answered = false;
    t->status = 0;
    if (lws_client_connect_via_info(&info) == NULL && t->wsi != NULL)
        post_ended(t, 0);
}

static int add_headers(struct target *t, struct lws *wsi, uint8_t **p, uint8_t *end) {
    const struct event *e = t->queue[t->start];
    char length[16];
    (void)snprintf(length, sizeof length, "%zu", e->body_len);
    static const char type[] = "application/webhook+json";
    if (lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, (const uint8_t *)type, sizeof type - 1, p,
                                     end) ||
        lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, (const uint8_t *)e->authorization,
                                     (int)strlen(e->authorization), p, end) ||
        lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, (const uint8_t *)length, (int)strlen(length),
                                     p, end))
        return -1;
    lws_client_http_body_pending(wsi, 1);
    lws_callback_on_writable(wsi);
    return 0;
}

static int send_body(struct target *t, struct lws *wsi) {
    if (t->sent || t->count == 0)
        return 0;
    const struct event *e = t->queue[t->start];
    t->sent = true;
    lws_client_http_body_pending(wsi, 0);
    return lws_write(wsi, e->body + LWS_PRE, e->body_len, LWS_WRITE_HTTP_FINAL) < 0 ? -1 : 0;
}

static void take_records(struct webhook *w);

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len) {
    (void)user;
    if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED) {
        struct webhook *w = lws_context_user(lws_get_context(wsi));
        if (w != NULL)
            take_records(w);
        return 0;
    }
    struct target *t = wsi != NULL ? lws_get_opaque_user_data(wsi) : NULL;
    if (t == NULL)
        return 0;
    char scratch[LWS_PRE + 1024], *at = scratch + LWS_PRE;
    int room = 1024;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return add_headers(t, wsi, in, *(uint8_t **)in + len);
    case LWS_CALLBACK_CLIENT_HTTP_WRITEABLE:
        return send_body(t, wsi);
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        t->status = lws_http_client_http_response(wsi);
        return 0;
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP: /* what they answer is read and dropped */
        return lws_http_client_read(wsi, &at, &room) < 0 ? -1 : 0;
    case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
        return -1;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
        if (!t->answered && t->wsi != NULL) {
            t->answered = true;
            post_ended(t, t->status);
        }
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "webhook", .callback = on_event, .per_session_data_size = 8, .rx_buffer_size = 4096},
    {0},
};

static struct event *event_of(const struct record *r) {
    struct event *e = calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    e->body = malloc(LWS_PRE + r->body_len);
    e->authorization = malloc(r->authorization_len + 1);
    if (e->body == NULL || e->authorization == NULL) {
        e->references = 1;
        release(e);
        return NULL;
    }
    const uint8_t *bytes = (const uint8_t *)(r + 1);
    e->body_len = r->body_len;
    memcpy(e->body + LWS_PRE, bytes, r->body_len);
    memcpy(e->authorization, bytes + r->body_len, r->authorization_len);
    e->authorization[r->authorization_len] = 0;
    return e;
}

static void take_records(struct webhook *w) {
    size_t len;
    const struct record *r;
    while ((r = ring_peek(&w->ring, &len)) != NULL) {
        struct event *e = event_of(r);
        ring_release(&w->ring);
        if (e == NULL)
            continue;
        e->references = 1;
        for (size_t i = 0; i < w->targets_count; i++) {
            struct target *t = &w->targets[i];
            if (t->count == WEBHOOK_QUEUE_MAX) {
                atomic_fetch_add(&w->dropped, 1);
                continue;
            }
            t->queue[(t->start + t->count++) % WEBHOOK_QUEUE_MAX] = e;
            e->references++;
        }
        release(e);
    }
    for (size_t i = 0; i < w->targets_count; i++)
        start_next(&w->targets[i]);
}

static bool anything_left(const struct webhook *w) {
    for (size_t i = 0; i < w->targets_count; i++) {
        if (w->targets[i].count > 0)
            return true;
    }
    return false;
}

static void on_look(lws_sorted_usec_list_t *sul) {
    (void)sul; /* the turn that it caused is the purpose */
}

static void *thread_main(void *argument) {
    struct webhook *w = argument;
    uint64_t stop_at_us = 0;
    for (;;) {
        (void)lws_service(w->context, 0);
        if (!atomic_load(&w->stop))
            continue;
        take_records(w);
        if (stop_at_us == 0)
            stop_at_us = clock_now_us() + WEBHOOK_FLUSH_US;
        if (!anything_left(w) || clock_now_us() >= stop_at_us)
            return NULL;
        lws_sul_schedule(w->context, 0, &w->look, on_look, 50 * LWS_US_PER_MS);
    }
}

static bool parse_target(struct target *t, const char *url, char *error, size_t error_size) {
    const char *scheme, *host, *path;
    (void)snprintf(t->url, sizeof t->url, "%s", url);
    if (lws_parse_uri(t->url, &scheme, &host, &t->port, &path) != 0) {
        (void)snprintf(error, error_size, "webhook.urls: %s is no address", url);
        return false;
    }
    t->tls = strcmp(scheme, "https") == 0;
    /* the library takes the leading slash away */
    (void)snprintf(t->url_parts, sizeof t->url_parts, "/%s", path);
    t->host = host;
    t->path = t->url_parts;
    return true;
}

/* The library would make one itself, with tables that it keeps in globals and loses when there are two of its contexts. */
static bool create_tls(struct webhook *w) {
    w->tls = SSL_CTX_new(TLS_client_method());
    if (w->tls == NULL || SSL_CTX_set_min_proto_version(w->tls, TLS1_2_VERSION) != 1)
        return false;
    SSL_CTX_set_verify(w->tls, SSL_VERIFY_PEER, NULL);
    return SSL_CTX_set_default_verify_paths(w->tls) == 1;
}

static void free_webhook(struct webhook *w) {
    if (w->context != NULL)
        lws_context_destroy(w->context);
    SSL_CTX_free(w->tls);
    if (w->ring_memory != NULL)
        memory_unmap(w->ring_memory, WEBHOOK_RING_LEN);
    free(w);
}

struct webhook *webhook_start(const char *const *urls, size_t urls_count, char *error, size_t error_size) {
    ASSERT(urls_count > 0 && urls_count <= CONTROL_WEBHOOKS_MAX);
    struct webhook *w = calloc(1, sizeof *w);
    (void)snprintf(error, error_size, "no memory for webhooks");
    if (w == NULL)
        return NULL;
    library_log_setup();
    w->targets_count = urls_count;
    w->ring_memory = memory_map(WEBHOOK_RING_LEN);
    bool ok = w->ring_memory != NULL;
    for (size_t i = 0; i < urls_count && ok; i++) {
        w->targets[i].webhook = w;
        ok = parse_target(&w->targets[i], urls[i], error, error_size);
    }
    struct lws_context_creation_info info = {0};
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = protocols;
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.user = w;
    info.connect_timeout_secs = WEBHOOK_TIMEOUT_S;
    info.timeout_secs = WEBHOOK_TIMEOUT_S;
    info.vhost_name = "webhook";
    ok = ok && create_tls(w);
    info.provided_client_ssl_ctx = w->tls;
    if (ok) {
        ring_init(&w->ring, w->ring_memory, WEBHOOK_RING_LEN);
        w->context = lws_create_context(&info);
        w->vhost = w->context != NULL ? lws_get_vhost_by_name(w->context, "webhook") : NULL;
    }
    sigset_t all, before;
    sigfillset(&all);
    ASSERT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    ok = ok && w->vhost != NULL && pthread_create(&w->thread, NULL, thread_main, w) == 0;
    ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (ok)
        return w;
    free_webhook(w);
    return NULL;
}

void webhook_post(struct webhook *webhook, struct span body, struct span authorization) {
    struct record *r = NULL;
    size_t len = sizeof *r + body.len + authorization.len;
    if (body.len <= WEBHOOK_BODY_LEN_MAX && len <= ring_record_max(&webhook->ring))
        r = ring_reserve(&webhook->ring, len);
    if (r == NULL) {
        atomic_fetch_add(&webhook->dropped, webhook->targets_count);
        return;
    }
    *r = (struct record){.body_len = (uint32_t)body.len, .authorization_len = (uint32_t)authorization.len};
    memcpy(r + 1, body.data, body.len);
    memcpy((uint8_t *)(r + 1) + body.len, authorization.data, authorization.len);
    ring_commit(&webhook->ring);
    lws_cancel_service(webhook->context);
}

void webhook_stop(struct webhook *webhook) {
    atomic_store(&webhook->stop, true);
    lws_cancel_service(webhook->context);
    ASSERT(pthread_join(webhook->thread, NULL) == 0);
    for (size_t i = 0; i < webhook->targets_count; i++) {
        struct target *t = &webhook->targets[i];
        while (t->count > 0)
            finish_first(t);
    }
    free_webhook(webhook);
}

void webhook_counters_get(struct webhook *webhook, struct webhook_counters *out) {
    out->delivered = atomic_load(&webhook->delivered);
    out->retried = atomic_load(&webhook->retried);
    out->failed = atomic_load(&webhook->failed);
    out->dropped = atomic_load(&webhook->dropped);
}
