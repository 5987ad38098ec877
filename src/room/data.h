/* Recent reliable data packets of one room, for those who join or resume: what a joiner missed between its join
 * response and the opening of its channel, and what a resuming client had not received (LiveKit client protocol).
 *
 * Bounded by bytes, packets and age; the oldest go first. Packets are kept as they are sent out. Threads: none. */
#ifndef CONCLAVE_ROOM_DATA_H
#define CONCLAVE_ROOM_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

/* 2 MiB are a minute of brisk chat, or a 2 MB file that somebody is just sending. */
#define DATA_HISTORY_BYTES_MAX (2u << 20)
#define DATA_HISTORY_PACKETS_MAX 1024
/* Longer than the 15 s that clients try to resume. */
#define DATA_HISTORY_AGE_US (30 * UINT64_C(1000000))

struct data_entry {
    uint64_t at_us;
    uint32_t sequence; /* the sender's; 0 = none */
    char sender_sid[18];
    uint32_t len;
    uint8_t *bytes;
};

struct data_history {
    struct data_entry *packets; /* ring of DATA_HISTORY_PACKETS_MAX, made with the first packet */
    uint32_t first, count;
    size_t bytes;
};

void data_history_init(struct data_history *history);
void data_history_free(struct data_history *history);
void data_history_add(struct data_history *history, uint64_t now_us, const char *sender_sid, uint32_t sequence,
                      struct span packet);
/* Forgets what is too old. */
void data_history_expire(struct data_history *history, uint64_t now_us);
/* The n-th oldest, NULL past the end. */
const struct data_entry *data_history_at(const struct data_history *history, uint32_t n);

/* A sender's reliable packets carry strictly increasing sequence numbers; what is not newer was received before (a
 * replay after a resume). 0 = the sender does not number them. */
bool data_sequence_take(uint32_t *last, uint32_t sequence);

#endif
