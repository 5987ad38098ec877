/* When we sent what, by transport-wide sequence number, until the receiver's feedback tells its fate
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01). About 16 KB; the memory is the caller's and is touched as it is
 * used. Pure. */
#ifndef CONCLAVE_MEDIA_SENDLOG_H
#define CONCLAVE_MEDIA_SENDLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "media/estimator.h"
#include "protocol/rtcp.h"

/* Packets in flight and not yet reported, a power of two: 250 ms of feedback interval and round trip at 4000 a second.
 */
#define SENDLOG_PACKETS 1024

struct sendlog_entry {
    uint64_t sent_us; /* 0 = free or already reported */
    uint32_t seq;     /* low half of the extended number */
    uint16_t bytes;
    uint16_t reserved;
};

struct sendlog {
    uint64_t next_seq64;     /* 0 until sendlog_init */
    uint64_t reported_seq64; /* highest that a feedback reported received */
    struct sendlog_entry entries[SENDLOG_PACKETS];
};

/* Leaves the entries alone: they are zeroed memory, or of an earlier use and recognised as old by their numbers. */
void sendlog_init(struct sendlog *log);
/* The number for the next packet, which is noted as sent. */
uint16_t sendlog_next(struct sendlog *log, uint64_t now_us, uint16_t bytes);
/* What a feedback message says about packets that were not reported before. A packet once reported lost stays in the
 * log: a later feedback may still report it. */
struct estimator_report sendlog_feedback(struct sendlog *log, const struct rtcp_view *view);

#endif
