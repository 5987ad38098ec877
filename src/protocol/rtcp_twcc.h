/* The receiving side of transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01):
 * remembers when each packet of one transport arrived and turns that into feedback messages.
 *
 *     packet arrives  ->  twcc_note(seq16, now)
 *     every 50 to 100 ms, or after so many packets  ->  twcc_write until it answers false
 *
 * A packet that arrives late, after a feedback had called it lost, is reported again in the next one together with all
 * that came after it (the sender keeps the first report of each packet). Embedded by value, about 8 KB with its table;
 * no allocation. One owner, threads: none. */
#ifndef CONCLAVE_PROTOCOL_RTCP_TWCC_H
#define CONCLAVE_PROTOCOL_RTCP_TWCC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"

/* Arrivals remembered, a power of two: at 100 ms a feedback, 10000 packets a second (100 Mbit/s) into one transport. */
#define TWCC_WINDOW 1024

/* So many arrivals in a row behind the window: the sender began its count afresh, and so do we. */
#define TWCC_OLD_RUN_MAX 64

#define TWCC_COUNTERS(X)                                                                                               \
    X(noted, "arrivals recorded for transport-wide feedback")                                                          \
    X(duplicate, "arrivals of a transport-wide sequence number that was recorded before")                              \
    X(too_old, "arrivals behind the window, not reported")                                                             \
    X(overrun, "sequence numbers left out of feedback because too many came between two")                              \
    X(resets, "jumps of the transport-wide sequence number that made the recorder start afresh")                       \
    X(feedbacks, "transport-wide feedback messages written")
COUNTERS_DEFINE(twcc_counters, TWCC_COUNTERS)

struct twcc_log {
    bool started;
    uint8_t feedback_count;
    uint64_t base;               /* where the next feedback begins */
    uint64_t highest;            /* newest noted */
    uint32_t pending_count;      /* arrivals that the next feedbacks will report */
    uint32_t old_run;            /* arrivals behind the window since the last one within it */
    uint64_t at_us[TWCC_WINDOW]; /* by seq64 modulo window; 0 = not arrived */
    struct twcc_counters counters;
};

void twcc_init(struct twcc_log *log);
void twcc_note(struct twcc_log *log, uint16_t seq16, uint64_t now_us);
/* New arrivals since the last feedback; 0 = nothing to write. */
uint32_t twcc_pending(const struct twcc_log *log);
/* Appends one feedback message (at most what the writer holds). True when it wrote one; call again while twcc_pending
 * is above 0. False, with the writer unchanged, when there is nothing to report or no room for even one packet. */
bool twcc_write(struct twcc_log *log, struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc);

#endif
