/* A first estimate of how much one path carries, from the receiver's feedback: transport-wide arrival reports, or REMB.
 *
 *     what we sent (sendlog.h) + what arrived when  ->  struct estimator_report  ->  estimator_report
 *     REMB                                          ->  estimator_remb
 *     every 100 to 1000 ms                          ->  estimator_tick (growth)
 *     estimator_bps                                 ->  the allocator's budget
 *
 * How it works. Congestion is a standing queue (one-way delay above the least of the last ten seconds by more than
 * ESTIMATOR_QUEUE_US) or losses above 10 %; then the estimate falls to 85 % of what arrives, and holds for some
 * seconds, longer each time in a row. Without congestion it grows 8 % a second, 25 % well below where congestion last
 * began, and doubles a second until the first congestion, up to what the streams could use (`demand`): sending more is
 * how it probes, there is no padding. Losses count only from transport-wide feedback: a receiver report blames this
 * path for what was lost on the publisher's. A proper delay-gradient controller takes this seam later.
 *
 * Pure, by value. */
#ifndef CONCLAVE_MEDIA_ESTIMATOR_H
#define CONCLAVE_MEDIA_ESTIMATOR_H

#include <stdbool.h>
#include <stdint.h>

/* Hopeful: most paths carry a few pictures, and one that does not shows it within half a second. */
#define ESTIMATOR_START_BPS 3000000
#define ESTIMATOR_MIN_BPS 60000
#define ESTIMATOR_MAX_BPS 200000000
#define ESTIMATOR_QUEUE_US 80000
/* Below this the queue counts as empty and the estimate may grow. */
#define ESTIMATOR_QUEUE_LOW_US 35000
#define ESTIMATOR_HOLD_US UINT64_C(3000000)
#define ESTIMATOR_HOLD_MAX_US UINT64_C(24000000)

/* What one feedback message told. */
struct estimator_report {
    uint32_t received, lost; /* packets newly reported */
    uint32_t acked_bytes;
    bool has_delay;
    int64_t delay_us; /* mean of arrival time minus send time; the clocks differ, only changes matter */
};

struct estimator {
    bool active; /* some feedback came */
    bool transport_wide;
    bool probing; /* no congestion yet */
    uint32_t bps;
    uint64_t grown_us; /* last growth */
    uint64_t hold_until_us;
    uint64_t hold_us;  /* the next hold's length */
    uint64_t cut_us;   /* last decrease */
    uint32_t knee_bps; /* the estimate before it */
    /* one-way delay */
    int64_t base_us[2]; /* least of the present and of the previous five seconds */
    uint64_t base_since_us;
    bool base_any;
    int64_t queue_us;       /* smoothed */
    uint32_t congested_run; /* reports in a row with a standing queue */
    /* over the present half second */
    uint64_t window_us;
    uint32_t window_received, window_lost;
    uint64_t window_bytes;
    uint32_t acked_bps;
    uint16_t loss_permille;
};

void estimator_init(struct estimator *e, uint64_t now_us);
void estimator_report(struct estimator *e, uint64_t now_us, const struct estimator_report *report);
/* `sent_bps`: what was really sent over the last second. */
void estimator_remb(struct estimator *e, uint64_t now_us, uint64_t remb_bps, uint32_t sent_bps);
/* `demand_bps`: what the streams would take if there were no limit. */
void estimator_tick(struct estimator *e, uint64_t now_us, uint32_t demand_bps);
/* 0 = no feedback came yet: no limit is known. */
uint32_t estimator_bps(const struct estimator *e);

#endif
