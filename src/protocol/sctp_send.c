#include <string.h>

#include "protocol/sctp_internal.h"

static uint32_t queue_of(uint16_t stream) {
    return (uint32_t)stream / 2 % SCTP_TX_QUEUES;
}

bool sctp_may_send_data(const struct sctp *s) {
    return s->state == SCTP_STATE_ESTABLISHED || s->state == SCTP_STATE_SHUTDOWN_PENDING ||
           s->state == SCTP_STATE_SHUTDOWN_RECEIVED;
}

void sctp_tx_uncount(struct sctp *s, uint32_t len_bytes) {
    struct sctp_tx *tx = &s->tx;
    ASSERT(tx->bytes >= len_bytes);
    tx->bytes -= len_bytes;
    if (tx->full && tx->bytes <= s->config.low_water_bytes) {
        tx->full = false;
        s->event_low = true;
    }
}

static void queue_fragments(struct sctp *s, uint64_t now_us, const struct sctp_send_options *options,
                            struct span bytes) {
    struct sctp_tx *tx = &s->tx;
    for (size_t offset = 0; offset < bytes.len;) {
        size_t len = bytes.len - offset;
        if (len > s->fragment_bytes)
            len = s->fragment_bytes;
        uint32_t index = sctp_block_take(s);
        ASSERT(index != SCTP_NONE && len <= SCTP_BLOCK_BYTES);
        struct sctp_block *b = sctp_block_at(s, index);
        b->stream = options->stream;
        b->ppid = options->ppid;
        b->len_bytes = (uint16_t)len;
        b->limited = options->limit_retransmits;
        b->retransmits_max = options->retransmits_max;
        b->expires_us = options->lifetime_ms == 0 ? TIME_NEVER : now_us + options->lifetime_ms * US_PER_MS;
        b->flags = (uint8_t)((options->unordered ? SCTP_FLAG_UNORDERED : 0) | (offset == 0 ? SCTP_FLAG_BEGIN : 0) |
                             (offset + len == bytes.len ? SCTP_FLAG_END : 0));
        b->account = options->account;
        b->charge_bytes = offset + len == bytes.len ? options->charge_bytes : 0;
        memcpy(b->bytes, bytes.data + offset, len);
        sctp_list_push(s, &tx->queues[queue_of(options->stream)], index);
        tx->pending++;
        offset += len;
    }
    tx->bytes += (uint32_t)bytes.len;
}

enum sctp_send_result sctp_send(struct sctp *s, uint64_t now_us, const struct sctp_send_options *options,
                                struct span bytes) {
    ASSERT(bytes.len > 0 && bytes.data != NULL);
    ASSERT(options->stream < UINT16_MAX && options->account < SCTP_ACCOUNTS);
    sctp_recv_release_current(s);
    if (s->state > SCTP_STATE_ESTABLISHED || s->abort_due)
        return SCTP_SEND_CLOSED;
    if (bytes.len > s->config.message_bytes_max)
        return SCTP_SEND_TOO_LONG;
    uint16_t streams = s->state == SCTP_STATE_ESTABLISHED ? s->peer.streams_out : s->config.streams;
    if (options->stream >= streams || sctp_reset_pending(s, options->stream))
        return SCTP_SEND_BAD_STREAM;
    uint32_t len_bytes = (uint32_t)bytes.len;
    uint32_t fragments = (len_bytes + s->fragment_bytes - 1) / s->fragment_bytes;
    if (s->tx.bytes + len_bytes > s->config.send_buffer_bytes ||
        s->tx.pending + s->tx.sent.count + fragments > s->tx_blocks_max) {
        SCTP_COUNT(s, tx_full);
        s->tx.full = true;
        return SCTP_SEND_FULL;
    }
    if (sctp_blocks_free(s) < fragments) {
        SCTP_COUNT(s, tx_no_block);
        s->tx.full = true;
        return SCTP_SEND_FULL;
    }
    queue_fragments(s, now_us, options, bytes);
    return SCTP_SEND_OK;
}

uint32_t sctp_buffered_bytes(const struct sctp *s, uint16_t stream) {
    const struct sctp_list *lists[] = {&s->tx.queues[queue_of(stream)], &s->tx.sent};
    uint32_t bytes = 0;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (uint32_t at = lists[i]->head; at != SCTP_NONE; at = sctp_block_at(s, at)->next) {
            const struct sctp_block *b = sctp_block_at(s, at);
            if (b->stream == stream && !b->abandoned)
                bytes += b->len_bytes;
        }
    }
    return bytes;
}

static void note_streams(const struct sctp *s, const struct sctp_list *list, uint64_t busy[SCTP_STREAM_WORDS]) {
    for (uint32_t at = list->head; at != SCTP_NONE; at = sctp_block_at(s, at)->next) {
        const struct sctp_block *b = sctp_block_at(s, at);
        ASSERT_HOT(b->stream < s->config.streams);
        sctp_bit_set(busy, b->stream);
    }
}

void sctp_busy_streams(const struct sctp *s, uint64_t busy[SCTP_STREAM_WORDS]) {
    memset(busy, 0, SCTP_STREAM_WORDS * sizeof *busy);
    note_streams(s, &s->tx.sent, busy);
    for (uint32_t i = 0; i < SCTP_TX_QUEUES; i++)
        note_streams(s, &s->tx.queues[i], busy);
}

/* Drops a queue's blocks from `at` to the end of their message and answers the block behind. */
static uint32_t drop_unsent(struct sctp *s, struct sctp_list *queue, uint32_t at) {
    bool end = false;
    while (!end) {
        ASSERT(at != SCTP_NONE);
        const struct sctp_block *b = sctp_block_at(s, at);
        uint32_t next = b->next;
        uint32_t len_bytes = b->len_bytes;
        end = (b->flags & SCTP_FLAG_END) != 0;
        sctp_list_remove(s, queue, at);
        sctp_block_give(s, at);
        s->tx.pending--;
        sctp_tx_uncount(s, len_bytes);
        at = next;
    }
    return at;
}

void sctp_drop_bad_streams(struct sctp *s) {
    ASSERT(s->tx.sent.count == 0);
    for (uint32_t i = 0; i < SCTP_TX_QUEUES; i++) {
        for (uint32_t at = s->tx.queues[i].head; at != SCTP_NONE;) {
            const struct sctp_block *b = sctp_block_at(s, at);
            if (b->stream >= s->peer.streams_out) {
                SCTP_COUNT(s, tx_bad_stream);
                at = drop_unsent(s, &s->tx.queues[i], at);
            } else {
                at = b->next;
            }
        }
    }
}

/* --- abandoning (RFC 3758 section 3.5) ---------------------------------------------------------------------------- */

static void abandon_block(struct sctp *s, struct sctp_block *b) {
    struct sctp_tx *tx = &s->tx;
    if (b->abandoned)
        return;
    if (b->marked) {
        b->marked = false;
        tx->marked--;
    } else if (!b->acked) {
        tx->flight_bytes -= sctp_flight_cost(b);
    }
    b->abandoned = true;
    if (s->rtt.tsn == b->tsn)
        s->rtt.tsn = 0;
    sctp_tx_uncount(s, b->len_bytes);
}

/* The unsent rest of an abandoned message goes, but for its last fragment: that one takes up a TSN without ever being
 * sent, so that a FORWARD-TSN follows even when everything sent had arrived after all. Otherwise the receiver would
 * keep the first part for ever. */
static void abandon_unsent(struct sctp *s, const struct sctp_block *last_sent) {
    struct sctp_tx *tx = &s->tx;
    ASSERT(tx->inside_message);
    struct sctp_list *queue = &tx->queues[tx->queue];
    bool end = false;
    while (!end) {
        uint32_t index = queue->head;
        ASSERT(index != SCTP_NONE);
        struct sctp_block *b = sctp_block_at(s, index);
        end = (b->flags & SCTP_FLAG_END) != 0;
        sctp_list_remove(s, queue, index);
        tx->pending--;
        sctp_tx_uncount(s, b->len_bytes);
        if (!end) {
            sctp_block_give(s, index);
            continue;
        }
        b->abandoned = true;
        b->ssn = last_sent->ssn;
        b->tsn = tx->next_tsn++;
        sctp_list_push(s, &tx->sent, index);
    }
    if ((last_sent->flags & SCTP_FLAG_UNORDERED) == 0)
        s->ssn_out[last_sent->stream]++; /* used up: the receiver is told to skip it */
    tx->inside_message = false;
}

void sctp_abandon(struct sctp *s, uint32_t index) {
    ASSERT(s->peer.forward_tsn);
    struct sctp_block *b = sctp_block_at(s, index);
    struct sctp_block *last = b;
    SCTP_COUNT(s, tx_abandoned);
    abandon_block(s, b);
    /* the fragments of a message lie side by side in `sent`; the first ones may already be acknowledged and gone */
    for (const struct sctp_block *at = b; (at->flags & SCTP_FLAG_BEGIN) == 0 && at->prev != SCTP_NONE;) {
        struct sctp_block *before = sctp_block_at(s, at->prev);
        abandon_block(s, before);
        at = before;
    }
    while ((last->flags & SCTP_FLAG_END) == 0 && last->next != SCTP_NONE) {
        last = sctp_block_at(s, last->next);
        abandon_block(s, last);
    }
    if ((last->flags & SCTP_FLAG_END) == 0)
        abandon_unsent(s, last);
}

bool sctp_advance(struct sctp *s) {
    struct sctp_tx *tx = &s->tx;
    if (tx->advanced_tsn < tx->cum_tsn)
        tx->advanced_tsn = tx->cum_tsn;
    uint32_t ordered = 0;
    for (uint32_t at = tx->sent.head; at != SCTP_NONE; at = sctp_block_at(s, at)->next) {
        const struct sctp_block *b = sctp_block_at(s, at);
        if (!b->abandoned)
            break;
        ordered += (b->flags & SCTP_FLAG_UNORDERED) == 0 ? 1 : 0;
        if (ordered > SCTP_SKIP_STREAMS_MAX)
            break;
        if (b->tsn > tx->advanced_tsn)
            tx->advanced_tsn = b->tsn;
    }
    return tx->advanced_tsn > tx->cum_tsn;
}

void sctp_write_forward_tsn(struct sctp *s, struct writer *w) {
    struct {
        uint16_t stream;
        uint16_t ssn;
    } skips[SCTP_SKIP_STREAMS_MAX];
    uint32_t count = 0;
    for (uint32_t at = s->tx.sent.head; at != SCTP_NONE; at = sctp_block_at(s, at)->next) {
        const struct sctp_block *b = sctp_block_at(s, at);
        if (b->tsn > s->tx.advanced_tsn)
            break;
        ASSERT(b->abandoned);
        if ((b->flags & SCTP_FLAG_UNORDERED) != 0)
            continue;
        uint32_t i = 0;
        while (i < count && skips[i].stream != b->stream)
            i++;
        ASSERT(i < SCTP_SKIP_STREAMS_MAX);
        skips[i].stream = b->stream;
        skips[i].ssn = b->ssn; /* in order of TSN, so the last is the greatest */
        count = i == count ? count + 1 : count;
    }
    wr_u8(w, SCTP_FORWARD_TSN);
    wr_u8(w, 0);
    wr_u16(w, (uint16_t)(8 + 4 * count));
    wr_u32(w, (uint32_t)s->tx.advanced_tsn);
    for (uint32_t i = 0; i < count; i++) {
        wr_u16(w, skips[i].stream);
        wr_u16(w, skips[i].ssn);
    }
}

/* --- transmission ------------------------------------------------------------------------------------------------- */

/* RFC 9260 section 7.2.1: after an idle time the window halves for every RTO, because nobody knows the path any more.
 */
static void decay_window(struct sctp *s, uint64_t now_us) {
    struct sctp_tx *tx = &s->tx;
    uint32_t floor_bytes = SCTP_INITIAL_WINDOW_PACKETS * (uint32_t)s->config.mtu_bytes;
    uint64_t idle_us = time_since(now_us, tx->last_us);
    while (tx->sent.count == 0 && idle_us > s->rtt.rto_us && tx->cwnd_bytes > floor_bytes) {
        tx->cwnd_bytes = tx->cwnd_bytes / 2 > floor_bytes ? tx->cwnd_bytes / 2 : floor_bytes;
        idle_us -= s->rtt.rto_us;
    }
}

static void write_chunk(struct sctp *s, uint64_t now_us, struct writer *w, struct sctp_block *b) {
    struct sctp_tx *tx = &s->tx;
    /* the last chunk for now asks for a SACK at once (RFC 9260 section 3.3.1, I bit): nothing behind it would cause one
     */
    bool immediate = tx->pending == 0 && tx->marked == 0;
    wr_u8(w, SCTP_DATA);
    wr_u8(w, (uint8_t)(b->flags | (immediate ? SCTP_FLAG_IMMEDIATE : 0)));
    wr_u16(w, (uint16_t)(SCTP_DATA_HEADER_BYTES + b->len_bytes));
    wr_u32(w, (uint32_t)b->tsn);
    wr_u16(w, b->stream);
    wr_u16(w, b->ssn);
    wr_u32(w, b->ppid);
    wr_bytes(w, b->bytes, b->len_bytes);
    wr_zeros(w, sctp_pad4(b->len_bytes) - b->len_bytes);
    if (b->transmissions < UINT16_MAX)
        b->transmissions++;
    b->misses = 0;
    b->missed_from = tx->next_tsn;
    tx->flight_bytes += sctp_flight_cost(b);
    tx->last_us = now_us;
    if (s->timers.data_us == TIME_NEVER)
        s->timers.data_us = now_us + s->rtt.rto_us;
}

static void write_marked(struct sctp *s, uint64_t now_us, struct writer *w, size_t limit) {
    struct sctp_tx *tx = &s->tx;
    uint32_t left = tx->marked;
    for (uint32_t at = tx->sent.head; at != SCTP_NONE && left > 0; at = sctp_block_at(s, at)->next) {
        struct sctp_block *b = sctp_block_at(s, at);
        if (!b->marked)
            continue;
        left--;
        if (w->len + sctp_flight_cost(b) > limit)
            return;
        if (tx->flight_bytes > 0 && tx->flight_bytes >= tx->cwnd_bytes && !tx->fast_retransmit)
            return;
        b->marked = false;
        tx->marked--;
        SCTP_COUNT(s, tx_retransmits);
        if (s->rtt.tsn == b->tsn)
            s->rtt.tsn = 0;      /* Karn's rule, RFC 9260 section 6.3.1 C5 */
        if (at == tx->sent.head) /* RFC 9260 section 6.3.2 R4 and section 7.2.4: the earliest chunk goes out again */
            s->timers.data_us = now_us + s->rtt.rto_us;
        write_chunk(s, now_us, w, b);
    }
}

/* The queue whose head is sent next: the same one inside a message (fragments have consecutive TSNs), else the next in
 * turn. Messages that outlived themselves unsent are dropped here without a trace on the wire. */
static uint32_t next_unsent(struct sctp *s, uint64_t now_us) {
    struct sctp_tx *tx = &s->tx;
    if (tx->inside_message)
        return tx->queues[tx->queue].head;
    for (uint32_t i = 1; i <= SCTP_TX_QUEUES && tx->pending > 0; i++) {
        uint32_t queue = (tx->queue + i) % SCTP_TX_QUEUES;
        struct sctp_list *list = &tx->queues[queue];
        while (list->head != SCTP_NONE && sctp_block_at(s, list->head)->expires_us <= now_us && s->peer.forward_tsn) {
            SCTP_COUNT(s, tx_abandoned);
            (void)drop_unsent(s, list, list->head);
        }
        if (list->head != SCTP_NONE) {
            tx->queue = queue + SCTP_TX_QUEUES - 1; /* not taken yet: ask again from the one before */
            tx->queue %= SCTP_TX_QUEUES;
            return list->head;
        }
    }
    return SCTP_NONE;
}

static void write_unsent(struct sctp *s, uint64_t now_us, struct writer *w, size_t limit) {
    struct sctp_tx *tx = &s->tx;
    for (;;) {
        uint32_t index = next_unsent(s, now_us);
        if (index == SCTP_NONE)
            return;
        struct sctp_block *b = sctp_block_at(s, index);
        uint32_t cost = sctp_flight_cost(b);
        if (w->len + cost > limit || tx->flight_bytes >= tx->cwnd_bytes)
            return;
        /* RFC 9260 section 6.1 A: one chunk in flight probes a closed window */
        if (tx->flight_bytes > 0 && tx->flight_bytes + cost > tx->peer_window_bytes)
            return;
        if (tx->sent.count > 0 && tx->peer_window_bytes == 0)
            return;
        uint32_t queue = queue_of(b->stream);
        if ((b->flags & SCTP_FLAG_UNORDERED) == 0) {
            b->ssn = s->ssn_out[b->stream];
            if ((b->flags & SCTP_FLAG_END) != 0)
                s->ssn_out[b->stream]++;
        }
        sctp_list_remove(s, &tx->queues[queue], index);
        tx->pending--;
        tx->queue = queue;
        tx->inside_message = (b->flags & SCTP_FLAG_END) == 0;
        b->tsn = tx->next_tsn++;
        sctp_list_push(s, &tx->sent, index);
        SCTP_COUNT(s, tx_data);
        if (s->rtt.tsn == 0) {
            s->rtt.tsn = b->tsn;
            s->rtt.sent_us = now_us;
        }
        write_chunk(s, now_us, w, b);
    }
}

void sctp_write_data(struct sctp *s, uint64_t now_us, struct writer *w, size_t limit) {
    if (!sctp_may_send_data(s))
        return;
    decay_window(s, now_us);
    if (s->tx.marked > 0)
        write_marked(s, now_us, w, limit);
    if (s->tx.marked == 0)
        write_unsent(s, now_us, w, limit);
    s->tx.fast_retransmit = false;
}
