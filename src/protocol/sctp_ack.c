#include "protocol/sctp_internal.h"

/* Gap blocks read from one SACK: as many as a packet holds. */
#define GAPS_MAX ((SCTP_PACKET_BYTES_MAX - SCTP_HEADER_BYTES - 16) / 4)

struct gap {
    uint64_t first;
    uint64_t last;
};

struct sack {
    uint64_t cum_tsn;
    uint32_t gap_count;
    struct gap gaps[GAPS_MAX];
};

/* What one SACK changed. */
struct progress {
    uint32_t acked_bytes;
    uint64_t highest_new; /* newly acknowledged; 0 when none */
    uint64_t highest_gap;
    bool cum_moved;
    bool window_was_used;
};

void sctp_measure_rtt(struct sctp *s, uint64_t rtt_us) {
    struct sctp_rtt *rtt = &s->rtt;
    if (rtt->srtt_us == 0) {
        rtt->srtt_us = rtt_us > 0 ? rtt_us : 1;
        rtt->variance_us = rtt_us / 2;
    } else {
        uint64_t distance_us = rtt_us > rtt->srtt_us ? rtt_us - rtt->srtt_us : rtt->srtt_us - rtt_us;
        rtt->variance_us = (3 * rtt->variance_us + distance_us) / 4;
        rtt->srtt_us = (7 * rtt->srtt_us + rtt_us) / 8;
    }
    uint64_t margin_us = 4 * rtt->variance_us;
    uint64_t rto_us = rtt->srtt_us + (margin_us > SCTP_RTO_VARIANCE_MIN_US ? margin_us : SCTP_RTO_VARIANCE_MIN_US);
    rtt->rto_us = rto_us < SCTP_RTO_MIN_US ? SCTP_RTO_MIN_US : time_min(rto_us, SCTP_RTO_MAX_US);
}

static void note_acked(struct sctp *s, uint64_t now_us, const struct sctp_block *b, struct progress *p) {
    p->acked_bytes += sctp_flight_cost(b);
    if (b->tsn > p->highest_new)
        p->highest_new = b->tsn;
    if (s->rtt.tsn == b->tsn) {
        sctp_measure_rtt(s, time_since(now_us, s->rtt.sent_us));
        s->rtt.tsn = 0;
    }
}

/* Takes a chunk out of the window or off the list of those to be sent again. */
static void settle(struct sctp *s, struct sctp_block *b) {
    if (b->marked) {
        b->marked = false;
        s->tx.marked--;
    } else {
        ASSERT(s->tx.flight_bytes >= sctp_flight_cost(b));
        s->tx.flight_bytes -= sctp_flight_cost(b);
    }
}

static void take_cumulative(struct sctp *s, uint64_t now_us, uint64_t cum_tsn, struct progress *p) {
    struct sctp_tx *tx = &s->tx;
    ASSERT(cum_tsn >= tx->cum_tsn && cum_tsn < tx->next_tsn);
    p->cum_moved = cum_tsn > tx->cum_tsn;
    tx->cum_tsn = cum_tsn;
    while (tx->sent.head != SCTP_NONE) {
        uint32_t index = tx->sent.head;
        struct sctp_block *b = sctp_block_at(s, index);
        if (b->tsn > cum_tsn)
            break;
        if (!b->abandoned) {
            if (!b->acked) {
                note_acked(s, now_us, b, p);
                settle(s, b);
            }
            sctp_tx_uncount(s, b->len_bytes);
        }
        sctp_list_remove(s, &tx->sent, index);
        sctp_block_give(s, index);
    }
}

static void take_gaps(struct sctp *s, uint64_t now_us, const struct sack *sack, struct progress *p) {
    uint32_t gap = 0;
    for (uint32_t at = s->tx.sent.head; at != SCTP_NONE; at = sctp_block_at(s, at)->next) {
        struct sctp_block *b = sctp_block_at(s, at);
        while (gap < sack->gap_count && sack->gaps[gap].last < b->tsn)
            gap++;
        bool covered = gap < sack->gap_count && sack->gaps[gap].first <= b->tsn;
        if (covered)
            p->highest_gap = b->tsn;
        if (b->abandoned)
            continue;
        if (covered && !b->acked) {
            note_acked(s, now_us, b, p);
            settle(s, b);
            b->acked = true;
        } else if (!covered && b->acked) { /* the receiver gave it up again: RFC 9260 section 6.2.1 D iv */
            b->acked = false;
            b->marked = true;
            s->tx.marked++;
        }
    }
}

/* A chunk counts as lost: it is sent again, or its message is abandoned. */
static void lose(struct sctp *s, uint64_t now_us, uint32_t index) {
    struct sctp_block *b = sctp_block_at(s, index);
    ASSERT(!b->acked && !b->marked && !b->abandoned && b->transmissions > 0);
    if (s->peer.forward_tsn && ((b->limited && b->transmissions > b->retransmits_max) || b->expires_us <= now_us)) {
        sctp_abandon(s, index);
        return;
    }
    s->tx.flight_bytes -= sctp_flight_cost(b);
    b->marked = true;
    s->tx.marked++;
}

/* RFC 9260 section 7.2.4: three SACKs that acknowledge something sent later. Where the RFC lets a chunk be lost in this
 * way only once, a repetition may be lost as well here, told by acknowledgements of what was first sent after it. */
static void count_misses(struct sctp *s, uint64_t now_us, const struct progress *p) {
    struct sctp_tx *tx = &s->tx;
    uint64_t evidence = tx->in_recovery && p->cum_moved ? p->highest_gap : p->highest_new;
    bool lost = false;
    for (uint32_t at = tx->sent.head; at != SCTP_NONE; at = sctp_block_at(s, at)->next) {
        struct sctp_block *b = sctp_block_at(s, at);
        if (b->tsn >= evidence)
            break;
        if (b->acked || b->marked || b->abandoned || evidence < b->missed_from)
            continue;
        if (++b->misses < SCTP_FAST_RETRANSMIT_MISSES)
            continue;
        lose(s, now_us, at);
        lost = true;
    }
    if (!lost || tx->in_recovery)
        return;
    SCTP_COUNT(s, tx_fast_retransmits);
    uint32_t least_bytes = 4 * (uint32_t)s->config.mtu_bytes;
    tx->ssthresh_bytes = tx->cwnd_bytes / 2 > least_bytes ? tx->cwnd_bytes / 2 : least_bytes;
    tx->cwnd_bytes = tx->ssthresh_bytes;
    tx->partial_bytes = 0;
    tx->in_recovery = true;
    tx->recovery_tsn = tx->next_tsn - 1;
    tx->fast_retransmit = true;
}

/* RFC 9260 sections 7.2.1 and 7.2.2, with L = 2 for byte counting since peers acknowledge every second packet. */
static void grow_window(struct sctp *s, const struct progress *p) {
    struct sctp_tx *tx = &s->tx;
    if (!p->cum_moved || tx->in_recovery || !p->window_was_used)
        return;
    uint32_t mtu_bytes = s->config.mtu_bytes;
    if (tx->cwnd_bytes <= tx->ssthresh_bytes) {
        tx->cwnd_bytes += p->acked_bytes < 2 * mtu_bytes ? p->acked_bytes : 2 * mtu_bytes;
    } else {
        tx->partial_bytes += p->acked_bytes;
        if (tx->partial_bytes >= tx->cwnd_bytes) {
            tx->partial_bytes -= tx->cwnd_bytes;
            tx->cwnd_bytes += mtu_bytes;
        }
    }
    /* more than the send buffer can fill says nothing */
    uint32_t most_bytes = 2 * s->config.send_buffer_bytes;
    tx->cwnd_bytes = tx->cwnd_bytes < most_bytes ? tx->cwnd_bytes : most_bytes;
}

static void after_ack(struct sctp *s, uint64_t now_us, const struct progress *p) {
    struct sctp_tx *tx = &s->tx;
    if (tx->in_recovery && tx->cum_tsn >= tx->recovery_tsn)
        tx->in_recovery = false;
    grow_window(s, p);
    if (tx->sent.count == 0)
        tx->partial_bytes = 0;
    if (p->highest_new != 0 || p->cum_moved)
        s->errors = 0;
    count_misses(s, now_us, p);
    if (sctp_advance(s))
        tx->forward_due = true; /* RFC 3758 section 3.5 C3 */
    if (tx->sent.count == 0)
        s->timers.data_us = TIME_NEVER;
    else if (p->cum_moved || s->timers.data_us == TIME_NEVER)
        s->timers.data_us = now_us + s->rtt.rto_us;
}

void sctp_ack_input(struct sctp *s, uint64_t now_us, struct reader *r) {
    struct sctp_tx *tx = &s->tx;
    struct sack sack = {.cum_tsn = seq32_extend(tx->cum_tsn, rd_u32(r))};
    uint32_t window_bytes = rd_u32(r);
    uint32_t gap_count = rd_u16(r);
    uint32_t duplicate_count = rd_u16(r);
    if (!reader_ok(r) || reader_left(r) < (size_t)(gap_count + duplicate_count) * 4) {
        SCTP_COUNT(s, rx_bad_chunk);
        return;
    }
    if (sack.cum_tsn < tx->cum_tsn) {
        SCTP_COUNT(s, rx_old_sack);
        return;
    }
    if (sack.cum_tsn >= tx->next_tsn || gap_count > GAPS_MAX) {
        SCTP_COUNT(s, rx_bad_sack);
        return;
    }
    for (uint32_t i = 0; i < gap_count; i++) {
        struct gap gap = {.first = sack.cum_tsn + rd_u16(r)};
        gap.last = sack.cum_tsn + rd_u16(r);
        if (gap.last >= tx->next_tsn) {
            SCTP_COUNT(s, rx_bad_sack);
            return;
        }
        sack.gaps[sack.gap_count++] = gap;
    }
    struct progress p = {.window_was_used = tx->flight_bytes + s->config.mtu_bytes > tx->cwnd_bytes};
    tx->peer_window_bytes = window_bytes;
    take_cumulative(s, now_us, sack.cum_tsn, &p);
    take_gaps(s, now_us, &sack, &p);
    if (window_bytes == 0)
        s->errors = 0; /* RFC 9260 section 6.1 A: a peer that answers probes is alive */
    after_ack(s, now_us, &p);
}

void sctp_ack_cumulative(struct sctp *s, uint64_t now_us, uint32_t tsn) {
    uint64_t cum_tsn = seq32_extend(s->tx.cum_tsn, tsn);
    if (cum_tsn < s->tx.cum_tsn || cum_tsn >= s->tx.next_tsn) {
        if (cum_tsn < s->tx.cum_tsn)
            SCTP_COUNT(s, rx_old_sack);
        else
            SCTP_COUNT(s, rx_bad_sack);
        return;
    }
    struct progress p = {0};
    take_cumulative(s, now_us, cum_tsn, &p);
    after_ack(s, now_us, &p);
}

/* T3-rtx, RFC 9260 section 6.3.3: everything in flight is lost. */
void sctp_ack_timeout(struct sctp *s, uint64_t now_us) {
    struct sctp_tx *tx = &s->tx;
    s->timers.data_us = TIME_NEVER;
    if (tx->sent.count == 0)
        return;
    SCTP_COUNT(s, tx_timeouts);
    if (++s->errors > SCTP_RETRANSMITS_MAX) {
        SCTP_COUNT(s, timed_out);
        sctp_abort(s, SCTP_CLOSED_TIMEOUT, SCTP_CAUSE_USER_ABORT);
        return;
    }
    if (tx->flight_bytes > 0) {
        uint32_t least_bytes = 4 * (uint32_t)s->config.mtu_bytes;
        tx->ssthresh_bytes = tx->cwnd_bytes / 2 > least_bytes ? tx->cwnd_bytes / 2 : least_bytes;
        tx->cwnd_bytes = s->config.mtu_bytes;
    }
    tx->partial_bytes = 0;
    tx->in_recovery = false;
    s->rtt.rto_us = time_min(2 * s->rtt.rto_us, SCTP_RTO_MAX_US);
    for (uint32_t at = tx->sent.head; at != SCTP_NONE;) {
        const struct sctp_block *b = sctp_block_at(s, at);
        uint32_t next = b->next; /* abandoning frees unsent blocks only */
        if (!b->acked && !b->marked && !b->abandoned)
            lose(s, now_us, at);
        at = next;
    }
    tx->forward_due = sctp_advance(s);
    if (tx->sent.count > 0)
        s->timers.data_us = now_us + s->rtt.rto_us;
    ASSERT(tx->flight_bytes == 0);
}
