#include "server/app.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/time.h"
#include "io/clock.h"
#include "io/memory.h"
#include "protocol/dtls.h"
#include "server/app_internal.h"
#include "server/guard.h"

/* RFC 6455 section 7.4.1: a message too big to process. */
#define CLOSE_TOO_LONG 1009
/* How often a server that goes down looks whether everybody has gone. */
#define STOP_LOOK_US UINT64_C(50000)

static void carry_out(struct app *app, const struct control_output *out) {
    switch (out->type) {
    case CONTROL_SEND:
        http_send(app->http, out->session, out->message, out->text);
        break;
    case CONTROL_CLOSE:
        http_close(app->http, out->session, out->code);
        break;
    case CONTROL_COMMAND:
        if (!media_command(app->media, out->shard, &out->command, out->message)) {
            log_error("media thread %u takes no commands; ending, so that it can be restarted", out->shard);
            app->failed = app->done = true;
        }
        break;
    case CONTROL_WEBHOOK:
        if (app->webhook != NULL)
            webhook_post(app->webhook, out->message, out->authorization);
        break;
    case CONTROL_EXPELLED:
        delivery_expelled(app, out->message, out->authorization);
        break;
    }
}

void app_settle(struct app *app) {
    struct control_output out;
    for (uint32_t i = 0; i < app->shards && !app->destroying; i++)
        control_data_room(app->control, i, media_data_room(app->media, i));
    do {
        while (control_poll(app->control, &out)) {
            if (!app->destroying)
                carry_out(app, &out);
        }
    } while (delivery_settle(app)); /* each may have something to do for the other */
    if (app->destroying)
        return;
    media_flush(app->media);
    uint64_t now_us = clock_now_us();
    uint64_t deadline_us = time_min(control_next_deadline_us(app->control), service_next_deadline_us(app->service));
    if (app->stop_at_us != 0)
        deadline_us = time_min(deadline_us, now_us + STOP_LOOK_US);
    http_timer(app->http, deadline_us == TIME_NEVER ? TIME_NEVER : time_since(deadline_us, now_us));
}

/* Events of one turn: people's signalling does not wait for a flood of messages from data channels. */
#define EVENTS_PER_TURN 256

static void take_engine_events(struct app *app) {
    struct engine_event event;
    uint32_t shard;
    for (int i = 0; media_poll(app->media, &shard, &event); i++) {
        control_engine_event(app->control, clock_now_us(), clock_unix_us(), shard, &event);
        app_settle(app);
        if (i + 1 == EVENTS_PER_TURN) {
            http_wake(app->http); /* the rest after what came in meanwhile */
            return;
        }
    }
}

static void on_opened(void *context, uint64_t session) {
    (void)session;
    app_settle(context);
}

static void on_message(void *context, uint64_t session, struct span message, bool text) {
    struct app *app = context;
    if ((session & SESSION_DELIVERY) != 0)
        delivery_socket_message(app, session, message, text);
    else
        control_session_message(app->control, clock_now_us(), clock_unix_us(), (uint32_t)session, message, text);
    app_settle(app);
}

static uint16_t on_too_long(void *context, uint64_t session) {
    (void)context;
    return (session & SESSION_DELIVERY) != 0 ? WIRE_CLOSE_TOO_MUCH : CLOSE_TOO_LONG;
}

static void on_closed(void *context, uint64_t session, uint16_t code) {
    struct app *app = context;
    if ((session & SESSION_DELIVERY) != 0)
        delivery_socket_closed(app, session, code);
    else
        control_session_closed(app->control, clock_now_us(), (uint32_t)session);
    app_settle(app);
}

static void on_woken(void *context) {
    take_engine_events(context);
}

static void on_timer(void *context) {
    struct app *app = context;
    control_tick(app->control, clock_now_us(), clock_unix_us());
    delivery_tick(app);
    app_settle(app);
}

static void on_second(void *context) {
    struct app *app = context;
    take_engine_events(app);
    for (uint32_t i = 0; i < app->shards; i++)
        (void)media_insight(app->media, i);
    media_flush(app->media);
    app_guard_second(app);
    app_running_look(app);
    app_drain_second(app);
}

void app_stop(struct app *app) {
    notify_send(&app->notify, "STOPPING=1");
    app_running_look(app); /* the last one may be over since this was looked at */
    app->stop_at_us = clock_now_us() + APP_FLUSH_US;
    http_close_listeners(app->http);
    control_shutdown(app->control, clock_now_us());
    delivery_shutdown(app);
    app_settle(app);
}

static void on_signalled(void *context, int signal) {
    struct app *app = context;
    if (signal == SIGHUP) {
        notify_send(&app->notify, "STATUS=looking at the certificate again");
        app_certificate_look(app, true);
        return;
    }
    if (app->stop_at_us != 0) {
        log_warn("ending at once");
        app->done = true;
        return;
    }
    bool wait = signal == SIGTERM && app->config.stop_after_s > 0 && !app_draining(app);
    log_info("going down: %s, %u sessions", signal == SIGINT ? "interrupted" : "terminated", http_sessions(app->http));
    if (wait)
        app_drain(app, (uint64_t)app->config.stop_after_s * US_PER_S);
    else
        app_stop(app);
}

static const struct http_handlers handlers = {
    .body_max = routes_body_max,
    .body_begin = routes_body_begin,
    .body_part = files_part,
    .body_gone = files_gone,
    .request = routes_request,
    .open = routes_open,
    .opened = on_opened,
    .message = on_message,
    .too_long = on_too_long,
    .closed = on_closed,
    .woken = on_woken,
    .timer = on_timer,
    .second = on_second,
    .signalled = on_signalled,
};

struct http_handlers app_handlers(struct app *app) {
    struct http_handlers result = handlers;
    result.context = app;
    return result;
}

struct app *app_create(const struct config *config, struct keeper *keeper, struct config_error *error) {
    struct app *app = calloc(1, sizeof *app);
    if (app == NULL) {
        (void)snprintf(error->text, sizeof error->text, "no memory");
        return NULL;
    }
    app->config = *config;
    app->keeper = keeper;
    app->started_us = clock_now_us();
    app->admin_fd = -1;
    app->notify.fd = -1;
    if (app_open(app, error))
        return app;
    app_destroy(app);
    return NULL;
}

int app_run(struct app *app) {
    char error[256];
    if (!media_start(app->media, error, sizeof error)) {
        log_error("%s", error);
        return 1;
    }
    if (app->config.sandbox)
        guard_calls();
    notify_send(&app->notify, "READY=1\nSTATUS=serving");
    app_settle(app);
    while (!app->done) {
        http_turn(app->http);
        if (app->stop_at_us != 0 && (http_sessions(app->http) == 0 || clock_now_us() >= app->stop_at_us))
            app->done = true;
    }
    log_info("ended");
    return app->failed ? 1 : 0;
}

/* The order matters: no media thread may wake the HTTP server when that is gone, and the HTTP server tells the control core of
 * every session's end. */
void app_destroy(struct app *app) {
    app->destroying = true;
    if (app->media != NULL)
        media_stop(app->media);
    if (app->http != NULL)
        http_destroy(app->http);
    if (app->webhook != NULL)
        webhook_stop(app->webhook);
    if (app->control != NULL)
        control_destroy(app->control);
    app_admin_close(app);
    notify_close(&app->notify);
    service_free(app->service);
    store_destroy(app->store);
    if (app->config.dev)
        (void)rmdir(app->files_dir);
    if (app->media != NULL)
        media_destroy(app->media);
    if (app->dtls != NULL)
        dtls_context_destroy(app->dtls);
    if (app->meeting_memory != NULL)
        memory_unmap(app->meeting_memory, meeting_size());
    config_wipe(&app->config);
    free(app);
}
