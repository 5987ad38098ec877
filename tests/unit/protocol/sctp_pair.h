/* Two SCTP associations and a virtual network between them: seeded loss, duplication, reordering and corruption, a
 * delay and a line rate. Time jumps from event to event. */
#ifndef CONCLAVE_TESTS_SCTP_PAIR_H
#define CONCLAVE_TESTS_SCTP_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "protocol/sctp.h"

#define PAIR_PACKETS_MAX 4096
#define PAIR_PACKET_BYTES 1500
#define PAIR_BLOCKS 2048

struct pair_packet {
    uint64_t at_us;
    uint64_t order; /* equal times keep their order */
    uint8_t to;
    uint16_t len;
    uint8_t bytes[PAIR_PACKET_BYTES];
};

struct pair_link {
    double loss;
    double duplicate;
    double corrupt;
    double reorder; /* chance of some more delay */
    uint64_t delay_us;
    uint64_t rate_bps; /* 0: no limit */
    uint64_t queue_us; /* longest wait at the line; 0: no limit */
};

struct pair;

struct pair_side {
    struct sctp *s;
    void *memory;
    void *blocks;
    struct sctp_buffers buffers;
    struct sctp_counters counters;
    struct sctp_config config;
    /* what happened */
    uint32_t connected;
    uint32_t restarted;
    uint32_t closed;
    enum sctp_close_reason reason;
    uint32_t resets_in[SCTP_STREAMS_MAX];
    uint32_t resets_done[SCTP_STREAMS_MAX];
    uint32_t lows;
    uint32_t messages;
    uint64_t bytes;
    uint64_t line_free_us;
};

struct pair {
    uint64_t now_us;
    struct rng rng;
    struct pair_link link;
    struct pair_side side[2];
    uint32_t packet_count;
    uint64_t packet_order;
    struct pair_packet *packets[PAIR_PACKETS_MAX];
    uint64_t packets_sent[2];
    uint64_t packets_dropped;
    bool cut; /* nothing passes */
    /* called for each message of `side`, with all its bytes */
    void (*on_message)(struct pair *pair, int side, const struct sctp_message *m, const uint8_t *bytes);
    /* called for each packet sent by `side`, before the network; false drops it */
    bool (*on_packet)(struct pair *pair, int side, uint8_t *bytes, size_t len);
    /* replaces sctp_poll_event, for what wraps the association; true when there was an event */
    bool (*poll_event)(struct pair *pair, int side);
    void *context;
};

struct pair *pair_new(uint64_t seed, const struct sctp_config *config);
void pair_free(struct pair *pair);
/* Polls both sides until they are silent. */
void pair_pump(struct pair *pair);
/* Runs until `until_us`, or until nothing is left to happen before it. */
void pair_run(struct pair *pair, uint64_t for_us);
/* Runs in steps until the condition holds; false when it does not in time. */
bool pair_run_until(struct pair *pair, bool (*done)(const struct pair *pair), uint64_t for_us);
bool pair_both_connected(const struct pair *pair);
/* Nothing queued, unacknowledged or held on either side. */
bool pair_idle(const struct pair *pair);
/* Connects from side 0 over a perfect link of 10 ms and asserts that it worked. */
void pair_connect(struct pair *pair);
/* Puts a packet on the wire to a side by hand: header and checksum are made here. */
void pair_inject(struct pair *pair, int to, uint32_t tag, const void *chunks, size_t len);

#endif
