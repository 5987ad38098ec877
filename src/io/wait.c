#include "io/wait.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

#include "base/time.h"

int wait_events(int epoll, struct epoll_event *events, int max, uint64_t wait_us) {
    struct timespec timeout = {.tv_sec = (time_t)(wait_us / US_PER_S), .tv_nsec = (long)(wait_us % US_PER_S) * 1000};
    int count = epoll_pwait2(epoll, events, max, &timeout, NULL);
    if (count >= 0 || errno != ENOSYS)
        return count;
    uint64_t wait_ms = (wait_us + US_PER_MS - 1) / US_PER_MS;
    return epoll_wait(epoll, events, max, wait_ms > INT_MAX ? INT_MAX : (int)wait_ms);
}
