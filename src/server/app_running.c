/* A marker in the data folder, there while meetings run: who was in one when the server ended comes back to it, and
 * for some seconds after the next start nobody begins a meeting in their place. A server that had none serves at once. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "io/clock.h"
#include "server/app_internal.h"

static bool path_of(const struct app *app, char out[VAULT_PATH_LEN_MAX]) {
    int len = snprintf(out, VAULT_PATH_LEN_MAX, "%s/run/running", app->config.data_dir);
    return !app->config.dev && len > 0 && len < VAULT_PATH_LEN_MAX;
}

bool app_running_before(const struct app *app) {
    char path[VAULT_PATH_LEN_MAX];
    return path_of(app, path) && access(path, F_OK) == 0;
}

void app_running_look(struct app *app) {
    char path[VAULT_PATH_LEN_MAX];
    bool running = service_meetings(app->service) > 0;
    /* one of a former run stays until its members had their time */
    if (!path_of(app, path) || (app->running_known && running == app->running_told) ||
        (!running && clock_now_us() < app->started_us + APP_RUNNING_KEEP_US))
        return;
    bool done = false;
    if (running) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        done = fd >= 0;
        if (fd >= 0)
            close(fd);
    } else {
        done = unlink(path) == 0 || errno == ENOENT;
    }
    if (!done && !app->running_complained)
        log_warn("%s cannot be %s (%s): after a restart a meeting may begin anew beside the one that was running", path,
                 running ? "made" : "removed", strerror(errno));
    app->running_complained = !done;
    app->running_known = done;
    app->running_told = running;
}
