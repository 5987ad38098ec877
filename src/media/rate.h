/* Bits a second over the last second, in eight steps of 125 ms. By value, zero-initialised. */
#ifndef CONCLAVE_MEDIA_RATE_H
#define CONCLAVE_MEDIA_RATE_H

#include <stdint.h>

#include "base/time.h"

#define RATE_STEPS 8
#define RATE_STEP_US UINT64_C(125000)

struct rate_meter {
    uint64_t step; /* number of the newest step */
    uint32_t sum_bytes;
    uint32_t bytes[RATE_STEPS];
};

static inline void rate_advance(struct rate_meter *rate, uint64_t now_us) {
    uint64_t step = now_us / RATE_STEP_US;
    if (step <= rate->step)
        return;
    uint64_t passed = step - rate->step < RATE_STEPS ? step - rate->step : RATE_STEPS;
    for (uint64_t i = 0; i < passed; i++) {
        uint32_t *old = &rate->bytes[(step - i) % RATE_STEPS];
        rate->sum_bytes -= *old;
        *old = 0;
    }
    rate->step = step;
}

static inline void rate_add(struct rate_meter *rate, uint64_t now_us, uint32_t bytes) {
    rate_advance(rate, now_us);
    rate->bytes[rate->step % RATE_STEPS] += bytes;
    rate->sum_bytes += bytes;
}

static inline uint32_t rate_bps(struct rate_meter *rate, uint64_t now_us) {
    rate_advance(rate, now_us);
    uint64_t bps = (uint64_t)rate->sum_bytes * 8;
    return bps < UINT32_MAX ? (uint32_t)bps : UINT32_MAX;
}

#endif
