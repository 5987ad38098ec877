#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/time.h"
#include "io/clock.h"
#include "io/sandbox.h"
#include "server/app_internal.h"

/* A renewal may take a while to be noticed; a look is two calls. */
#define CERTIFICATE_LOOK_US (10 * US_PER_S)
/* A self-made certificate is looked at once a day: it is made anew with VAULT_RENEW_DAYS left. */
#define CERTIFICATE_RENEW_US (24 * 3600 * US_PER_S)
/* Media threads tell their counters once a second; on a machine that is busy or asleep for a moment, later. */
#define PULSE_MAX_US (10 * US_PER_S)

/* ---- the sandbox ---- */

struct path_list {
    size_t count;
    struct sandbox_path paths[SANDBOX_PATHS_MAX];
    char texts[SANDBOX_PATHS_MAX][PATH_MAX];
};

static void add_path(struct path_list *list, const char *path, bool writable) {
    if (list->count == SANDBOX_PATHS_MAX || path[0] == 0 || strlen(path) >= PATH_MAX)
        return;
    char *text = list->texts[list->count];
    (void)snprintf(text, PATH_MAX, "%s", path);
    list->paths[list->count++] = (struct sandbox_path){text, writable};
}

/* The folder of a file as it is named, and the one where it really is: a renewal replaces links and what they point to. */
static void add_folders_of(struct path_list *list, const char *path) {
    char text[PATH_MAX], real[PATH_MAX];
    if (strlen(path) >= sizeof text)
        return;
    (void)snprintf(text, sizeof text, "%s", path);
    add_path(list, dirname(text), false);
    if (realpath(path, real) != NULL)
        add_path(list, dirname(real), false);
}

/* For webhooks: names are resolved, and certificates of others checked. */
static void add_resolution(struct path_list *list) {
    static const char *const paths[] = {"/etc/resolv.conf",     "/etc/hosts",    "/etc/host.conf",
                                        "/etc/nsswitch.conf",   "/etc/gai.conf", "/etc/services",
                                        "/run/systemd/resolve", "/etc/ssl",      "/usr/share/ca-certificates",
                                        "/usr/lib/ssl",         "/etc/pki",      "/usr/local/share/ca-certificates"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        char real[PATH_MAX];
        add_path(list, paths[i], false);
        if (realpath(paths[i], real) != NULL && strcmp(real, paths[i]) != 0)
            add_path(list, real, false);
    }
}

/* Modules of name resolution are loaded at the first question, which the sandbox would not allow any more. */
static void load_resolution(void) {
    struct addrinfo *found = NULL;
    if (getaddrinfo("localhost", NULL, NULL, &found) == 0)
        freeaddrinfo(found);
}

static void tell(const char *what, enum sandbox_result result, int error_number) {
    switch (result) {
    case SANDBOX_ON:
    case SANDBOX_NOT_BUILT:
        return;
    case SANDBOX_KERNEL_LACKS:
        log_warn("%s cannot be restricted by this kernel; the systemd unit still does", what);
        return;
    case SANDBOX_FAILED:
        log_warn("%s could not be restricted: %s", what, strerror(error_number));
        return;
    }
}

bool app_guard_files(struct app *app, struct config_error *error) {
    const struct config *config = &app->config;
    /* no other process of this user may look into this one, and no core dump holds its keys */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (!config->sandbox)
        return true;
    enum sandbox_result privileges = sandbox_privileges();
    tell("privileges", privileges, errno);
    struct path_list *list = calloc(1, sizeof *list);
    if (list == NULL) {
        (void)snprintf(error->text, sizeof error->text, "no memory");
        return false;
    }
    if (config->webhook_urls_count > 0)
        add_path(list, "/dev/urandom", false); /* the HTTP library of webhooks asks for it */
    if (!config->dev)
        add_path(list, config->data_dir, true);
    add_path(list, app->files_dir, true);
    if (config->tls_cert_file[0] != 0) {
        add_folders_of(list, config->tls_cert_file);
        add_folders_of(list, config->tls_key_file);
    }
    if (config->webhook_urls_count > 0) {
        load_resolution();
        add_resolution(list);
    }
    enum sandbox_result result = sandbox_files(list->paths, list->count, config->webhook_urls_count > 0);
    tell("files", result, errno);
    free(list);
    return true;
}

void app_guard_calls(const struct app *app) {
    (void)app;
    enum sandbox_result result = sandbox_calls();
    tell("system calls", result, errno);
}

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
    struct vault_certificate *c = &app->certificate;
    struct config_error error = {{0}};
    char fingerprint[VAULT_FINGERPRINT_LEN];
    /* between the writing of the two files they do not fit; they are looked at again until they do */
    if (vault_check_certificate(c->cert_path, c->key_path, clock_unix_us(), fingerprint, &error) &&
        http_reload_certificate(app->http)) {
        app->cert_mark = *cert;
        app->key_mark = *key;
        app->cert_complained = false;
        (void)snprintf(c->fingerprint, sizeof c->fingerprint, "%s", fingerprint);
        log_info("the certificate was read again; its SHA-256 fingerprint is %s", fingerprint);
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

static void renew_own_certificate(struct app *app) {
    app->cert_renew_us = clock_now_us();
    struct config_error error = {{0}};
    if (!app_renew_certificate(app, &error))
        log_error("the certificate cannot be renewed: %s", error.text);
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
}

void app_guard_second(struct app *app) {
    uint64_t now_us = clock_now_us();
    /* this runs in the control thread, so it lives; the media threads show it by their counters */
    if (app->notify.watchdog_us > 0 && now_us - app->fed_at_us >= app->notify.watchdog_us / 2 && media_alive(app)) {
        app->fed_at_us = now_us;
        notify_send(&app->notify, "WATCHDOG=1");
    }
    if (app->own_cert && now_us - app->cert_renew_us >= CERTIFICATE_RENEW_US)
        renew_own_certificate(app);
    if (now_us - app->cert_look_us >= CERTIFICATE_LOOK_US)
        app_certificate_look(app, false);
}
