#include "protocol/rtcp_twcc.h"

#include <string.h>

#include "base/assert.h"
#include "base/seq.h"
#include "protocol/rtcp.h"

_Static_assert((TWCC_WINDOW & (TWCC_WINDOW - 1)) == 0, "the slot is seq64 modulo a power of two");
_Static_assert(TWCC_WINDOW <= RTCP_TWCC_BUILD_MAX && TWCC_WINDOW <= RTCP_TWCC_GAP_MAX, "a window fits into one plan");

static uint64_t *slot(struct twcc_log *log, uint64_t seq64) {
    return &log->at_us[seq64 & (TWCC_WINDOW - 1)];
}

void twcc_init(struct twcc_log *log) {
    ASSERT(log != NULL);
    *log = (struct twcc_log){0};
}

static void start_at(struct twcc_log *log, uint64_t seq64) {
    memset(log->at_us, 0, sizeof log->at_us);
    log->started = true;
    log->base = log->highest = seq64;
    log->pending_count = 0;
    log->old_run = 0;
}

/* Moves the window up to `seq64`; what falls out of it before it was reported is left out. */
static void advance(struct twcc_log *log, uint64_t seq64) {
    while (log->highest < seq64) {
        log->highest++;
        uint64_t *reused = slot(log, log->highest);
        uint64_t leaving = log->highest - TWCC_WINDOW;
        if (log->base <= leaving) {
            log->counters.overrun++;
            log->pending_count -= *reused != 0 ? 1 : 0;
            log->base = leaving + 1;
        }
        *reused = 0;
    }
}

void twcc_note(struct twcc_log *log, uint16_t seq16, uint64_t now_us) {
    ASSERT(log != NULL && now_us > 0);
    /* the first number gets room below it for the reordered ones (base/seq.h) */
    if (!log->started)
        start_at(log, UINT64_C(0x10000) + seq16);
    uint64_t seq64 = seq16_extend(log->highest, seq16);
    if (seq64 + TWCC_WINDOW <= log->highest && ++log->old_run < TWCC_OLD_RUN_MAX) {
        log->counters.too_old++;
        return;
    }
    if (seq64 + TWCC_WINDOW <= log->highest || seq64 >= log->highest + TWCC_WINDOW) {
        log->counters.resets++;
        start_at(log, UINT64_C(0x10000) + seq16);
        seq64 = log->highest;
    }
    log->old_run = 0;
    advance(log, seq64);
    if (*slot(log, seq64) != 0) {
        log->counters.duplicate++;
        return;
    }
    *slot(log, seq64) = now_us;
    log->counters.noted++;
    if (seq64 >= log->base) {
        log->pending_count++;
        return;
    }
    /* late: what was reported between it and the base is reported again */
    for (; log->base > seq64; log->base--)
        log->pending_count += *slot(log, log->base - 1) != 0 ? 1 : 0;
}

uint32_t twcc_pending(const struct twcc_log *log) {
    ASSERT(log != NULL);
    return log->pending_count;
}

bool twcc_write(struct twcc_log *log, struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc) {
    ASSERT(log != NULL && w != NULL);
    if (log->pending_count == 0)
        return false;
    struct rtcp_twcc_arrival arrivals[TWCC_WINDOW];
    size_t count = 0;
    for (uint64_t seq64 = log->base; seq64 <= log->highest; seq64++) {
        uint64_t at_us = *slot(log, seq64);
        if (at_us != 0)
            arrivals[count++] = (struct rtcp_twcc_arrival){.seq64 = seq64, .at_us = at_us};
    }
    ASSERT(count == log->pending_count);
    size_t consumed = rtcp_write_twcc(w, sender_ssrc, media_ssrc, log->feedback_count, log->base, arrivals, count);
    if (consumed == 0)
        return false;
    log->feedback_count++;
    log->base = arrivals[consumed - 1].seq64 + 1;
    log->pending_count = (uint32_t)(count - consumed);
    log->counters.feedbacks++;
    return true;
}
