/* Time is an argument everywhere below src/io: `uint64_t now_us`, microseconds of a monotonic clock with an arbitrary
 * start, never 0. Deadlines are such times; TIME_NEVER means none. Wall-clock time (for tokens, NTP) is passed under
 * its own name, `unix_us`, microseconds since 1970. */
#ifndef CONCLAVE_BASE_TIME_H
#define CONCLAVE_BASE_TIME_H

#include <stdint.h>

#define US_PER_MS UINT64_C(1000)
#define US_PER_S UINT64_C(1000000)
#define TIME_NEVER UINT64_MAX

static inline uint64_t time_min(uint64_t a_us, uint64_t b_us) {
    return a_us < b_us ? a_us : b_us;
}

/* Time passed from `from_us` to `to_us`, 0 when `to_us` lies before. */
static inline uint64_t time_since(uint64_t to_us, uint64_t from_us) {
    return to_us > from_us ? to_us - from_us : 0;
}

/* 64-bit NTP timestamp (RFC 5905 section 6: seconds since 1900 and a 32-bit fraction). */
static inline uint64_t time_ntp(uint64_t unix_us) {
    uint64_t seconds = unix_us / US_PER_S + UINT64_C(2208988800);
    uint64_t fraction = ((unix_us % US_PER_S) << 32) / US_PER_S;
    return seconds << 32 | fraction;
}

#endif
