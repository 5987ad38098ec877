/* Shared by the parts of the server: app.c (life), app_setup.c (opening), routes.c (requests), app_metrics.c. */
#ifndef CONCLAVE_SERVER_APP_INTERNAL_H
#define CONCLAVE_SERVER_APP_INTERNAL_H

#include "base/rng.h"
#include "delivery/service.h"
#include "io/media.h"
#include "io/notify.h"
#include "io/store.h"
#include "meeting/meeting.h"
#include "server/app.h"
#include "server/http.h"
#include "server/keeper.h"
#include "server/places.h"
#include "server/vault.h"
#include "server/webhook.h"
#include "signal/control.h"

/* What tells one content of a file from another. */
struct app_file_mark {
    uint64_t device, inode, changed_ns, len_bytes;
};

/* A media thread shows that it lives by its counters, once a second. */
struct app_pulse {
    uint64_t wakeups, seen_us;
};

struct app {
    struct config config;
    struct rng rng;
    struct dtls_context *dtls;
    struct media *media;
    struct control *control;
    struct http *http;
    struct meeting *meeting;
    void *meeting_memory;
    struct service *service;     /* of meetings' groups */
    struct keeper *keeper;       /* the caller's: who has the secrets */
    struct store *store;         /* files of meetings */
    struct shared_bytes *shared; /* trees and chains that are being sent */
    char files_dir[VAULT_PATH_LEN_MAX];
    struct webhook *webhook; /* NULL without addresses */
    struct net_addr candidates[CONTROL_CANDIDATES_MAX];
    size_t candidates_count;
    struct net_addr trusted[CONFIG_ADDRESSES_MAX];
    uint32_t shards;
    bool own_cert; /* self-made: no HSTS, fingerprint shown */
    struct vault_certificate certificate;
    uint64_t started_us, stop_at_us; /* stop_at_us 0 = not going down */
    uint64_t drain_until_us;         /* 0 = takes new meetings */
    int admin_fd;                    /* admin.sock of the data folder; -1 = none */
    struct notify notify;
    uint64_t fed_at_us; /* the service manager's watchdog */
    struct app_pulse pulses[MEDIA_SHARDS_MAX];
    struct app_file_mark cert_mark, key_mark; /* the certificate that is in use */
    uint64_t cert_look_us, cert_renew_us;
    int64_t clock_ahead_us; /* the wall clock's time less the monotonic clock's */
    bool cert_complained;
    bool running_known, running_told, running_complained; /* see app_running.c */
    bool failed, done;
    bool destroying; /* what the control core still says goes nowhere */
};

/* app_setup.c */
bool app_open(struct app *app, struct config_error *error);
/* The certificate by way of the keeper, which makes a self-made one anew when it is about to run out. What it is goes into
 * app->certificate. */
bool app_certificate_open(struct app *app, struct http_certificate *out, struct config_error *error);
void app_certificate_free(struct http_certificate *certificate);

/* app.c */
/* Tells everybody and ends, at the latest after APP_FLUSH_US. */
void app_stop(struct app *app);
struct http_handlers app_handlers(struct app *app);
/* Carries out what the control core has to say; after every input to it. */
void app_settle(struct app *app);

/* routes.c */
uint32_t routes_body_begin(void *context, const struct http_request *request, uint64_t len, struct http_reply *reply);
size_t routes_body_max(void *context, struct span method, struct span path);
void routes_request(void *context, const struct http_request *request, struct http_reply *reply);
uint64_t routes_open(void *context, const struct http_request *request, struct http_reply *reply);

struct control_http_request routes_to_control(const struct http_request *request);
void routes_from_control(const struct control_http_reply *from, struct http_reply *reply);

/* app_delivery.c: WebSockets of the delivery service, and what it answers over HTTP. */

/* Handles of WebSockets: those of the control core as they are, those of the delivery service with this bit. */
#define SESSION_DELIVERY (UINT64_C(1) << 32)
bool delivery_path(struct span path);
uint64_t delivery_socket_open(struct app *app, const struct http_request *request, struct http_reply *reply);
void delivery_socket_message(struct app *app, uint64_t session, struct span message, bool text);
void delivery_socket_closed(struct app *app, uint64_t session, uint16_t code);
/* For control_config.may_enter. */
bool delivery_gate(void *context, struct span room, struct span identity);
/* Carries out what the delivery service has to say; true when there was anything. */
bool delivery_settle(struct app *app);
void delivery_expelled(struct app *app, struct span room, struct span identity);
void delivery_tick(struct app *app);
/* The server goes down: everybody is told, every connection is closed. */
void delivery_shutdown(struct app *app);
/* For service_config.token. */
void delivery_token(void *context, struct span id, struct span identity, struct mls_buf *out);
/* Answers what is below /api/v2/meetings/<id>/; false for other paths. */
bool delivery_serve(struct app *app, const struct http_request *request, struct http_reply *reply);

/* app_shared.c: trees and chains that are being sent, each once for all who read it at the same time. */
/* Of all together: some of the longest, and any number of what meetings usually have; and of those that one meeting has, or one
 * source asked for first, so that who reads slowly leaves room for others. This machine is no source. */
#define SHARED_LEN_MAX (128u << 20)
#define SHARED_SHARE_MAX (SHARED_LEN_MAX / 4)
struct shared_bytes {
    struct shared_bytes *next;
    struct app *app;
    uint32_t refs;
    uint8_t name[32]; /* a digest of whose they are and what */
    uint8_t meeting[MEETING_ID_LEN];
    struct net_addr source;
    size_t room;
    struct mls_buf bytes;
};
/* Those of this name, for one more reader; NULL: there are none. */
struct shared_bytes *shared_find(struct app *app, const uint8_t name[32]);
/* For `len` bytes at most, which the caller writes into `bytes`; NULL: there is no room, in all or of a share. */
struct shared_bytes *shared_make(struct app *app, const uint8_t name[32], struct span meeting,
                                 const struct net_addr *source, size_t len);
/* One reader has done. As http_reply.release. */
void shared_release(void *shared);

/* app_files.c: files of meetings. `identity` is a member's, from its token; `name` what follows /files. */
bool files_path(struct span rest);
/* For http_handlers.body_begin, when the path is one of an upload. */
uint32_t files_begin(struct app *app, const struct http_request *request, uint64_t len, struct http_reply *reply);
bool files_part(void *context, uint32_t upload, struct span bytes);
void files_gone(void *context, uint32_t upload);
void files_serve(struct app *app, const struct http_request *request, struct span meeting, struct span identity,
                 struct span name, struct http_reply *reply);
/* The person of a request's token, when it is one for this meeting. */
bool delivery_whose(struct app *app, const struct http_request *request, struct span meeting, struct control_who *who);
/* Takes the meeting's id and what follows it from a path below /api/v2/meetings/. */
bool delivery_split(struct span path, struct span *id, struct span *rest);
/* The one answer to who may not: it does not tell what is missing. */
void delivery_reply_missing(struct http_reply *reply);

/* app_guard.c: the service manager, the keeper's life, the certificate's files. */
/* Opens what must be open before the files are closed to us. */
void app_guard_open(struct app *app);
void app_guard_second(struct app *app);
/* SIGHUP, and whenever the files changed. */
void app_certificate_look(struct app *app, bool asked);

/* app_drain.c */
/* Where `conclave drain` asks: <data_dir>/run/admin.sock. */
bool app_admin_open(struct app *app, struct config_error *error);
/* Once HTTP is there. */
void app_admin_watch(struct app *app);
void app_admin_close(struct app *app);
/* No new meetings from now on; ends when the last one is over, or after `within_us`. */
void app_drain(struct app *app, uint64_t within_us);
void app_drain_second(struct app *app);
bool app_draining(const struct app *app);

/* app_running.c: whether meetings were running when the server ended, however it ended. */
/* So long a marker of a former run is kept when nobody comes back. */
#define APP_RUNNING_KEEP_US (60 * US_PER_S)
bool app_running_before(const struct app *app);
/* Writes it down: before anybody is told that it is in, and now and then. */
void app_running_look(struct app *app);

/* app_metrics.c */
void app_write_metrics(struct app *app, struct writer *w);
/* 40 kB, and 4 kB for each media thread, when all numbers are small; with the largest a third of this is left. */
#define APP_METRICS_LEN_MAX(shards) ((96u << 10) + (size_t)(shards) * (16u << 10))

#endif
