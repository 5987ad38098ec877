#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "io/clock.h"
#include "server/admin.h"
#include "server/app_internal.h"

bool admin_address(const char *data_dir, struct sockaddr_un *out) {
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(out->sun_path, sizeof out->sun_path, "%s/" ADMIN_SOCKET, data_dir);
    return len > 0 && (size_t)len < sizeof out->sun_path;
}

bool app_draining(const struct app *app) {
    return app->drain_until_us != 0;
}

void app_drain(struct app *app, uint64_t within_us) {
    log_info("draining: no new meetings; stops when the last is over, in %llu s at the latest",
             (unsigned long long)(within_us / US_PER_S));
    notify_send(&app->notify, "STATUS=draining");
    app->drain_until_us = clock_now_us() + within_us;
    control_drain(app->control, true);
    service_drain(app->service, true);
    service_closing(app->service, (uint32_t)(within_us / US_PER_S));
    app_drain_second(app);
}

static void resume(struct app *app) {
    if (!app_draining(app) || app->stop_at_us != 0)
        return;
    log_info("takes new meetings again");
    notify_send(&app->notify, "STATUS=serving");
    app->drain_until_us = 0;
    control_drain(app->control, false);
    service_drain(app->service, false);
}

void app_drain_second(struct app *app) {
    if (!app_draining(app) || app->stop_at_us != 0)
        return;
    struct control_gauges gauges;
    control_gauges_get(app->control, &gauges);
    bool empty = service_meetings(app->service) == 0 && gauges.participants == 0;
    if (!empty && clock_now_us() < app->drain_until_us)
        return;
    log_info("%s", empty ? "drained: nobody is left" : "the time for draining is over");
    app_stop(app);
}

/* ---- admin.sock ---- */

static int status(const struct app *app, char *out, size_t size) {
    struct control_gauges gauges;
    control_gauges_get(app->control, &gauges);
    uint64_t left_us = app_draining(app) ? time_since(app->drain_until_us, clock_now_us()) : 0;
    const char *state = app->stop_at_us != 0 ? "stopping" : app_draining(app) ? "draining" : "serving";
    return snprintf(out, size, ADMIN_REPLY, state, (unsigned)(left_us / US_PER_S), service_meetings(app->service),
                    gauges.rooms, http_sessions(app->http));
}

static int answer(struct app *app, const char *line, char *out, size_t size) {
    unsigned seconds;
    char rest;
    if (sscanf(line, "drain %u%c", &seconds, &rest) == 1 && seconds <= 86400) {
        if (app->stop_at_us == 0)
            app_drain(app, (uint64_t)seconds * US_PER_S);
    } else if (strcmp(line, "resume") == 0) {
        resume(app);
    } else if (strcmp(line, "status") != 0) {
        return snprintf(out, size, "error this server does not know \"%.60s\"; is the command of another version?",
                        line);
    }
    return status(app, out, size);
}

static void on_admin(void *context) {
    struct app *app = context;
    char line[ADMIN_LINE_LEN_MAX], reply[ADMIN_LINE_LEN_MAX];
    struct sockaddr_un from;
    socklen_t from_len = sizeof from;
    ssize_t len = recvfrom(app->admin_fd, line, sizeof line - 1, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
    if (len <= 0)
        return;
    line[len] = 0;
    int reply_len = answer(app, line, reply, sizeof reply);
    if (reply_len > 0 && from_len > offsetof(struct sockaddr_un, sun_path))
        (void)!sendto(app->admin_fd, reply, (size_t)reply_len < sizeof reply ? (size_t)reply_len : sizeof reply - 1,
                      MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&from, from_len);
    app_settle(app);
}

/* A socket that nobody reads any more is one of a server that was killed. */
static bool somebody_answers(const struct sockaddr_un *address) {
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    if (fd >= 0)
        close(fd);
    return yes;
}

bool app_admin_open(struct app *app, struct config_error *error) {
    struct sockaddr_un address;
    if (app->config.dev) /* it keeps nothing, and has no folder */
        return true;
    if (!admin_address(app->config.data_dir, &address)) {
        log_warn("the path of data_dir is too long for a socket in it: conclave drain will not reach this server");
        return true;
    }
    if (somebody_answers(&address)) {
        (void)snprintf(error->text, sizeof error->text, "another server is running with the data folder %s",
                       app->config.data_dir);
        return false;
    }
    (void)unlink(address.sun_path);
    app->admin_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t before = umask(0177);
    bool ok = app->admin_fd >= 0 && bind(app->admin_fd, (struct sockaddr *)&address, sizeof address) == 0;
    (void)umask(before);
    if (!ok)
        (void)snprintf(error->text, sizeof error->text, "%s cannot be made: %s", address.sun_path, strerror(errno));
    return ok;
}

void app_admin_close(struct app *app) {
    struct sockaddr_un address;
    if (app->admin_fd < 0)
        return;
    close(app->admin_fd);
    app->admin_fd = -1;
    if (admin_address(app->config.data_dir, &address))
        (void)unlink(address.sun_path);
}

void app_admin_watch(struct app *app) {
    if (app->admin_fd >= 0)
        http_watch(app->http, app->admin_fd, on_admin, app);
}
