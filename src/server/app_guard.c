#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/time.h"
#include "io/clock.h"
#include "server/app_internal.h"

/* A renewal may take a while to be noticed; a look is two calls. */
#define CERTIFICATE_LOOK_US (10 * US_PER_S)
/* A self-made certificate is looked at once a day: it is made anew with VAULT_RENEW_DAYS left. */
#define CERTIFICATE_RENEW_US (24 * 3600 * US_PER_S)
/* What is less is a correction, or a slow look. */
#define CLOCK_JUMP_US ((int64_t)(60 * US_PER_S))
/* Media threads tell their counters once a second; on a machine that is busy or asleep for a moment, later. */
#define PULSE_MAX_US (10 * US_PER_S)

/* ---- the certificate's files ---- */

static struct app_file_mark mark_of(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0)
        return (struct app_file_mark){0};
    return (struct app_file_mark){.device = st.st_dev,
                                  .inode = st.st_ino,
                                  .changed_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec,
                                  .len_bytes = (uint64_t)st.st_size};
}

static bool same_mark(const struct app_file_mark *a, const struct app_file_mark *b) {
    return a->device == b->device && a->inode == b->inode && a->changed_ns == b->changed_ns &&
           a->len_bytes == b->len_bytes;
}

static void take_certificate(struct app *app, const struct app_file_mark *cert, const struct app_file_mark *key,
                             bool asked) {
    struct config_error error = {{0}};
    struct http_certificate certificate;
    /* between the writing of the two files they do not fit; they are looked at again until they do */
    bool good = app_certificate_open(app, &certificate, &error) && http_reload_certificate(app->http, &certificate);
    app_certificate_free(&certificate);
    if (good) {
        app->cert_mark = *cert;
        app->key_mark = *key;
        app->cert_complained = false;
        log_info("the certificate was read again; its SHA-256 fingerprint is %s", app->certificate.fingerprint);
    } else if (asked || !app->cert_complained) {
        app->cert_complained = true;
        log_error("the new certificate is not taken, the former one stays in use: %s",
                  error.text[0] != 0 ? error.text : "OpenSSL refuses it");
    }
}

void app_certificate_look(struct app *app, bool asked) {
    if (app->config.tls_port == 0)
        return;
    app->cert_look_us = clock_now_us();
    struct app_file_mark cert = mark_of(app->certificate.cert_path), key = mark_of(app->certificate.key_path);
    if (asked || !same_mark(&cert, &app->cert_mark) || !same_mark(&key, &app->key_mark))
        take_certificate(app, &cert, &key, asked);
}

/* The wall clock goes with the monotonic one, but for corrections. A machine that starts without a clock gets the time from the network
 * later; a certificate that was made before may be over by then, or not have begun. */
static bool clock_jumped(struct app *app) {
    int64_t ahead_us = (int64_t)(clock_unix_us() - clock_now_us()), jump_us = ahead_us - app->clock_ahead_us;
    if (jump_us < CLOCK_JUMP_US && jump_us > -CLOCK_JUMP_US)
        return false;
    app->clock_ahead_us = ahead_us;
    log_warn("the clock of this machine was set %lld seconds %s",
             (long long)(jump_us < 0 ? -jump_us : jump_us) / 1000000, jump_us < 0 ? "back" : "forward");
    return true;
}

/* ---- the service manager ---- */

static bool media_alive(struct app *app) {
    uint64_t now_us = clock_now_us();
    for (uint32_t i = 0; i < app->shards; i++) {
        struct app_pulse *pulse = &app->pulses[i];
        uint64_t wakeups = media_insight(app->media, i)->media.media_wakeups;
        if (wakeups != pulse->wakeups || pulse->seen_us == 0)
            *pulse = (struct app_pulse){wakeups, now_us};
        if (now_us - pulse->seen_us > PULSE_MAX_US)
            return false;
    }
    return true;
}

void app_guard_open(struct app *app) {
    notify_open(&app->notify);
    app->cert_mark = mark_of(app->certificate.cert_path);
    app->key_mark = mark_of(app->certificate.key_path);
    app->cert_look_us = app->cert_renew_us = clock_now_us();
    app->clock_ahead_us = (int64_t)(clock_unix_us() - clock_now_us());
}

void app_guard_second(struct app *app) {
    uint64_t now_us = clock_now_us();
    if (!keeper_look(app->keeper) && !app->failed) {
        app->failed = true;
        if (app->stop_at_us == 0)
            app_stop(app);
    }
    /* this runs in the control thread, so it lives; the media threads show it by their counters */
    if (app->notify.watchdog_us > 0 && now_us - app->fed_at_us >= app->notify.watchdog_us / 2 && media_alive(app)) {
        app->fed_at_us = now_us;
        notify_send(&app->notify, "WATCHDOG=1");
    }
    if ((clock_jumped(app) || now_us - app->cert_renew_us >= CERTIFICATE_RENEW_US) && app->own_cert) {
        app->cert_renew_us = now_us;
        app_certificate_look(app, true);
    }
    if (now_us - app->cert_look_us >= CERTIFICATE_LOOK_US)
        app_certificate_look(app, false);
}
