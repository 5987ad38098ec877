#include "io/clock.h"

#include <time.h>

#include "base/assert.h"
#include "base/time.h"

static uint64_t read_us(clockid_t id) {
    struct timespec ts;
    ASSERT(clock_gettime(id, &ts) == 0);
    return (uint64_t)ts.tv_sec * US_PER_S + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_now_us(void) {
    /* A second later than the kernel says, so that even the first microsecond after boot is not 0. */
    return read_us(CLOCK_MONOTONIC) + US_PER_S;
}

uint64_t clock_unix_us(void) {
    return read_us(CLOCK_REALTIME);
}
