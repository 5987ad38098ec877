#include "io/accepting.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "io/address.h"

/* A shortage that comes and goes is one shortage. */
#define SAY_AGAIN_US (600 * US_PER_S)

static int open_spare(void) {
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void accepting_init(struct accepting *a) {
    *a = (struct accepting){.spare = open_spare()};
}

void accepting_end(struct accepting *a) {
    if (a->spare >= 0)
        (void)close(a->spare);
    a->spare = -1;
}

/* The one that waits longest is told by a closed connection. */
static void turn_away(struct accepting *a, int listener) {
    if (a->spare < 0)
        return;
    (void)close(a->spare);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        (void)close(fd);
    a->spare = open_spare();
}

static void pause_for(struct accepting *a, uint64_t now_us) {
    a->pause_us = a->pause_us == 0 ? ACCEPTING_PAUSE_MIN_US : time_min(2 * a->pause_us, ACCEPTING_PAUSE_MAX_US);
    a->resume_us = now_us + a->pause_us;
    if (a->said_us == 0 || now_us - a->said_us > SAY_AGAIN_US)
        log_warn("no descriptors are left for new connections; raise the limit of open files (LimitNOFILE)");
    a->said_us = now_us;
}

enum accepting_result accepting_take(struct accepting *a, uint64_t now_us, int listener, int *fd,
                                     struct net_addr *from) {
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    *fd = accept4(listener, (struct sockaddr *)&name, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (*fd < 0) {
        if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
            return ACCEPTING_NONE;
        turn_away(a, listener);
        pause_for(a, now_us);
        return ACCEPTING_SHORT;
    }
    if (a->spare < 0)
        a->spare = open_spare();
    a->pause_us = 0;
    if (address_from_sockaddr(&name, NET_TCP, from))
        return ACCEPTING_ONE;
    (void)close(*fd);
    return ACCEPTING_NONE;
}

uint64_t accepting_resume_us(const struct accepting *a) {
    return a->resume_us != 0 ? a->resume_us : TIME_NEVER;
}

bool accepting_due(struct accepting *a, uint64_t now_us) {
    if (a->resume_us == 0 || now_us < a->resume_us)
        return false;
    a->resume_us = 0;
    return true;
}

void accepting_freed(struct accepting *a) {
    if (a->resume_us != 0)
        a->resume_us = 1;
}
