/* Asks a sender for packets that are missing (RFC 4585 section 6.2.1): one list for each received stream.
 *
 *     nack_packet(seq64)      every new packet, in order of arrival; notes gaps and strikes out what came
 *     nack_due(now, out)      at nack_next_deadline: the numbers to ask for now, ascending
 *
 * A gap is first asked for after NACK_REORDER_US, since packets overtake each other, then again each round trip. It is
 * given up after NACK_TRIES_MAX requests or NACK_AGE_US. A gap too wide for the list is not asked for at all:
 * nack_packet answers false and a key frame is the cheaper repair. Pure, embedded by value, no allocation. */
#ifndef CONCLAVE_MEDIA_NACK_H
#define CONCLAVE_MEDIA_NACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers missing at one time: a burst loss of 100 ms at 1000 packets a second. */
#define NACK_LIST_MAX 96
/* On one path packets seldom overtake by more. */
#define NACK_REORDER_US UINT64_C(8000)
#define NACK_TRIES_MAX 8
/* Later than this a repaired packet is of no use to a conversation. */
#define NACK_AGE_US UINT64_C(1000000)
/* Never more often than this, however short the round trip. */
#define NACK_INTERVAL_MIN_US UINT64_C(20000)
/* Until the first measurement. */
#define NACK_RTT_DEFAULT_US 100000

struct nack_entry {
    uint64_t seq64;
    uint64_t noticed_us;
    uint64_t next_us;
    uint64_t asked_us; /* last request, 0 = none */
    uint8_t tries;
};

struct nack_list {
    bool started;
    uint64_t highest;
    uint32_t count;
    uint32_t rtt_us;   /* smoothed, from request to repair */
    uint64_t given_up; /* packets never repaired */
    uint64_t repaired;
    struct nack_entry entries[NACK_LIST_MAX]; /* ascending by seq64 */
};

void nack_init(struct nack_list *list);
/* False when a gap did not fit: the list was emptied, ask for a key frame. */
bool nack_packet(struct nack_list *list, uint64_t now_us, uint64_t seq64);
/* Writes at most `max` numbers that are due; drops those given up. `lost` (may be NULL) gets how many were given up
 * now. */
size_t nack_due(struct nack_list *list, uint64_t now_us, uint64_t *out, size_t max, uint32_t *lost);
/* TIME_NEVER when nothing is missing. */
uint64_t nack_next_deadline(const struct nack_list *list);

#endif
