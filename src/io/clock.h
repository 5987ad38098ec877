/* The two clocks of the system, read once per event by whoever drives a core. Threads: any. */
#ifndef CONCLAVE_IO_CLOCK_H
#define CONCLAVE_IO_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC in microseconds; never 0, which cores use for "not yet". */
uint64_t clock_now_us(void);
/* CLOCK_REALTIME in microseconds since 1970. It may jump; for tokens, NTP times and timestamps only. */
uint64_t clock_unix_us(void);

#endif
