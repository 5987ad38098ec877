#include "media/estimator.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/time.h"

#define WINDOW_US UINT64_C(500000)
#define BASE_US UINT64_C(5000000)
#define LOSS_HIGH_PERMILLE 100
#define LOSS_LOW_PERMILLE 40
/* One decrease takes a round trip and a feedback interval to show. */
#define CUT_INTERVAL_US UINT64_C(400000)
/* A jump of the receiver's clock (24 bits of 64 ms wrap, a suspended machine) starts the delays afresh. */
#define DELAY_JUMP_US INT64_C(10000000)

void estimator_init(struct estimator *e, uint64_t now_us) {
    ASSERT(e != NULL);
    *e = (struct estimator){.bps = ESTIMATOR_START_BPS,
                            .probing = true,
                            .grown_us = now_us,
                            .hold_us = ESTIMATOR_HOLD_US,
                            .window_us = now_us};
}

static uint32_t clamp_bps(uint64_t bps) {
    return bps < ESTIMATOR_MIN_BPS ? ESTIMATOR_MIN_BPS : bps > ESTIMATOR_MAX_BPS ? ESTIMATOR_MAX_BPS : (uint32_t)bps;
}

static void cut(struct estimator *e, uint64_t now_us, uint64_t to_bps) {
    if (time_since(now_us, e->cut_us) < CUT_INTERVAL_US && e->cut_us != 0)
        return;
    /* a second fall soon after the last hold means that growing was wrong: wait longer */
    if (e->cut_us != 0 && time_since(now_us, e->hold_until_us) < ESTIMATOR_HOLD_US && !e->probing)
        e->hold_us = time_min(e->hold_us * 2, ESTIMATOR_HOLD_MAX_US);
    else
        e->hold_us = ESTIMATOR_HOLD_US;
    e->knee_bps = e->bps;
    if (to_bps < e->bps)
        e->bps = clamp_bps(to_bps);
    e->probing = false;
    e->cut_us = now_us;
    e->hold_until_us = now_us + e->hold_us;
    e->congested_run = 0;
}

static void note_delay(struct estimator *e, uint64_t now_us, int64_t delay_us) {
    int64_t apart = delay_us - e->base_us[0];
    if (!e->base_any || apart > DELAY_JUMP_US || apart < -DELAY_JUMP_US) {
        e->base_any = true;
        e->base_us[0] = e->base_us[1] = delay_us;
        e->base_since_us = now_us;
        e->queue_us = 0;
        return;
    }
    if (time_since(now_us, e->base_since_us) >= BASE_US) {
        e->base_us[1] = e->base_us[0];
        e->base_us[0] = delay_us;
        e->base_since_us = now_us;
    }
    if (delay_us < e->base_us[0])
        e->base_us[0] = delay_us;
    int64_t base_us = e->base_us[0] < e->base_us[1] ? e->base_us[0] : e->base_us[1];
    e->queue_us = (e->queue_us * 3 + (delay_us - base_us)) / 4;
    e->congested_run = e->queue_us > ESTIMATOR_QUEUE_US ? e->congested_run + 1 : 0;
}

static void close_window(struct estimator *e, uint64_t now_us) {
    uint64_t length_us = time_since(now_us, e->window_us);
    if (length_us < WINDOW_US)
        return;
    uint32_t all = e->window_received + e->window_lost;
    e->acked_bps = clamp_bps(e->window_bytes * 8 * US_PER_S / length_us);
    /* too few packets say nothing about the path */
    e->loss_permille = (uint16_t)(all >= 20 ? e->window_lost * UINT64_C(1000) / all : 0);
    e->window_us = now_us;
    e->window_received = 0;
    e->window_lost = 0;
    e->window_bytes = 0;
    if (e->loss_permille > LOSS_HIGH_PERMILLE)
        cut(e, now_us, (uint64_t)e->bps * (2000 - e->loss_permille) / 2000);
}

/* What arrives: by the last whole window or by the present one, should the sender just have begun to send more. */
static uint64_t acked_now(const struct estimator *e, uint64_t now_us) {
    uint64_t length_us = time_since(now_us, e->window_us);
    uint64_t present_bps = length_us >= WINDOW_US / 5 ? e->window_bytes * 8 * US_PER_S / length_us : 0;
    return present_bps > e->acked_bps ? present_bps : e->acked_bps;
}

void estimator_report(struct estimator *e, uint64_t now_us, const struct estimator_report *report) {
    ASSERT(e != NULL && report != NULL);
    e->active = true;
    e->transport_wide = true;
    e->window_received += report->received;
    e->window_lost += report->lost;
    e->window_bytes += report->acked_bytes;
    if (report->has_delay)
        note_delay(e, now_us, report->delay_us);
    close_window(e, now_us);
    if (e->congested_run >= 2) {
        uint64_t acked_bps = acked_now(e, now_us);
        cut(e, now_us, (acked_bps != 0 && acked_bps < e->bps ? acked_bps : e->bps) * 85 / 100);
    }
}

void estimator_remb(struct estimator *e, uint64_t now_us, uint64_t remb_bps, uint32_t sent_bps) {
    ASSERT(e != NULL);
    if (e->transport_wide)
        return;
    e->active = true;
    /* a receiver never promises much more than it gets: only less than we send is news */
    if (remb_bps < (uint64_t)sent_bps * 95 / 100)
        cut(e, now_us, remb_bps);
    else if (remb_bps > e->bps)
        e->bps = clamp_bps(remb_bps);
}

void estimator_tick(struct estimator *e, uint64_t now_us, uint32_t demand_bps) {
    ASSERT(e != NULL);
    uint64_t passed_us = time_min(time_since(now_us, e->grown_us), US_PER_S);
    e->grown_us = now_us;
    if (!e->active || now_us < e->hold_until_us || e->queue_us > ESTIMATOR_QUEUE_LOW_US ||
        e->loss_permille > LOSS_LOW_PERMILLE)
        return;
    uint64_t room_bps = (uint64_t)demand_bps * 12 / 10;
    uint64_t measured_bps = (uint64_t)e->acked_bps * 3 / 2;
    uint64_t most_bps = room_bps > measured_bps ? room_bps : measured_bps;
    if (e->bps >= most_bps)
        return;
    uint64_t percent = e->probing ? 100 : e->bps < e->knee_bps / 10 * 7 ? 25 : 8;
    uint64_t grown_bps = e->bps + e->bps * percent * passed_us / (100 * US_PER_S);
    e->bps = clamp_bps(grown_bps < most_bps ? grown_bps : most_bps);
}

uint32_t estimator_bps(const struct estimator *e) {
    return e->active ? e->bps : 0;
}
