#include "io/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cursor.h"

/* Connected at once, so that nothing has to be looked up when the file system is closed to us. */
static int connect_to(const char *path) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len < 2 || len >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return -1;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@')
        to.sun_path[0] = 0; /* an abstract address */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

void notify_open(struct notify *notify) {
    const char *path = getenv("NOTIFY_SOCKET"), *limit = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    *notify = (struct notify){.fd = path != NULL ? connect_to(path) : -1};
    uint64_t limit_us = 0, watched = 0;
    if (notify->fd >= 0 && limit != NULL && span_to_u64(span_str(limit), UINT64_MAX, &limit_us) &&
        (pid == NULL || (span_to_u64(span_str(pid), INT32_MAX, &watched) && watched == (uint64_t)getpid())))
        notify->watchdog_us = limit_us / 2;
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

void notify_send(const struct notify *notify, const char *state) {
    if (notify->fd >= 0)
        (void)!send(notify->fd, state, strlen(state), MSG_NOSIGNAL);
}

void notify_close(struct notify *notify) {
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}
