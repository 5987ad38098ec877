/* Shared by the parts of the server: app.c (life), app_setup.c (opening), routes.c (requests), app_metrics.c. */
#ifndef CONCLAVE_SERVER_APP_INTERNAL_H
#define CONCLAVE_SERVER_APP_INTERNAL_H

#include "base/rng.h"
#include "io/media.h"
#include "meeting/meeting.h"
#include "server/app.h"
#include "server/http.h"
#include "server/places.h"
#include "server/vault.h"
#include "server/webhook.h"
#include "signal/control.h"

struct app {
    struct config config;
    struct rng rng;
    struct dtls_context *dtls;
    struct media *media;
    struct control *control;
    struct http *http;
    struct meeting *meeting;
    void *meeting_memory;
    struct webhook *webhook; /* NULL without addresses */
    struct net_addr candidates[CONTROL_CANDIDATES_MAX];
    size_t candidates_count;
    struct net_addr trusted[CONFIG_ADDRESSES_MAX];
    uint32_t shards;
    bool made_key;      /* at this start */
    bool own_cert;      /* self-made: no HSTS, fingerprint shown */
    struct vault_certificate certificate;
    uint64_t started_us, stop_at_us; /* stop_at_us 0 = not going down */
    bool failed, done;
    bool destroying; /* what the control core still says goes nowhere */
};

/* app_setup.c */
bool app_open(struct app *app, struct config_error *error);

/* app.c */
struct http_handlers app_handlers(struct app *app);
/* Carries out what the control core has to say; after every input to it. */
void app_settle(struct app *app);

/* routes.c */
size_t routes_body_max(void *context, struct span method, struct span path);
void routes_request(void *context, const struct http_request *request, struct http_reply *reply);
uint32_t routes_open(void *context, const struct http_request *request, struct http_reply *reply);
/* Whom limits count: the peer, or what a trusted proxy says of it. */
struct net_addr routes_client(const struct app *app, const struct http_request *request);

/* app_metrics.c */
void app_write_metrics(struct app *app, struct writer *w);
#define APP_METRICS_LEN_MAX (256u << 10)

#endif
