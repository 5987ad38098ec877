#include <string.h>

#include "protocol/sctp_internal.h"

static bool seen_get(const struct sctp_rx *rx, uint64_t tsn) {
    return sctp_bit_get(rx->seen, (uint32_t)(tsn % SCTP_RX_WINDOW));
}

static void note_seen(struct sctp_rx *rx, uint64_t tsn) {
    ASSERT(tsn > rx->cum_tsn && tsn <= rx->cum_tsn + SCTP_RX_WINDOW);
    sctp_bit_set(rx->seen, (uint32_t)(tsn % SCTP_RX_WINDOW));
    if (tsn > rx->highest_tsn)
        rx->highest_tsn = tsn;
    while (rx->cum_tsn < rx->highest_tsn && seen_get(rx, rx->cum_tsn + 1)) {
        rx->cum_tsn++;
        sctp_bit_clear(rx->seen, (uint32_t)(rx->cum_tsn % SCTP_RX_WINDOW));
    }
}

static void drop_fragment(struct sctp *s, uint32_t index) {
    struct sctp_rx *rx = &s->rx;
    uint32_t len_bytes = sctp_block_at(s, index)->len_bytes;
    ASSERT(rx->bytes >= len_bytes);
    rx->bytes -= len_bytes;
    sctp_list_remove(s, &rx->fragments, index);
    sctp_block_give(s, index);
}

void sctp_recv_release_current(struct sctp *s) {
    struct sctp_rx *rx = &s->rx;
    for (uint32_t at = rx->current.head; at != SCTP_NONE; at = sctp_block_at(s, at)->next)
        rx->bytes -= sctp_block_at(s, at)->len_bytes;
    sctp_list_clear(s, &rx->current);
}

/* --- room --------------------------------------------------------------------------------------------------------- */

static uint32_t blocks_held(const struct sctp *s) {
    return s->rx.fragments.count + s->rx.ready.count + s->rx.current.count;
}

static uint32_t shared_free(const struct sctp *s) {
    uint32_t reserve = s->config.buffers->capacity / SCTP_TX_RESERVE;
    uint32_t left = sctp_blocks_free(s);
    return left > reserve ? left - reserve : 0;
}

/* Blocks that may be held at the moment; less than the buffer's own limit when the shared ones get scarce. */
static uint32_t blocks_share(const struct sctp *s) {
    uint32_t share = shared_free(s) / SCTP_RX_SHARE;
    uint32_t least = s->config.message_bytes_max / SCTP_RX_BYTES_PER_BLOCK + 1;
    share = share > least ? share : least;
    return share < s->rx_blocks_max ? share : s->rx_blocks_max;
}

static bool is_full(const struct sctp *s, uint32_t len_bytes) {
    return s->rx.bytes + len_bytes > s->config.recv_buffer_bytes || blocks_held(s) >= s->rx_blocks_max;
}

static bool has_room(const struct sctp *s, uint32_t len_bytes) {
    return !is_full(s, len_bytes) && blocks_held(s) < blocks_share(s);
}

/* The latest fragment that is only acknowledged in a gap block may be given up again (RFC 9260 section 6.2) for one
 * that the cumulative TSN waits for; else a full buffer could never empty. */
static bool renege(struct sctp *s, uint64_t tsn) {
    struct sctp_rx *rx = &s->rx;
    uint32_t index = rx->fragments.tail;
    if (tsn != rx->cum_tsn + 1 || index == SCTP_NONE || sctp_block_at(s, index)->tsn <= tsn)
        return false;
    SCTP_COUNT(s, rx_reneged);
    sctp_bit_clear(rx->seen, (uint32_t)(sctp_block_at(s, index)->tsn % SCTP_RX_WINDOW));
    drop_fragment(s, index);
    return true;
}

/* Room for a fragment of this length, or false: it is not taken and will come again. */
static bool make_room(struct sctp *s, uint64_t tsn, uint32_t len_bytes) {
    if (!has_room(s, len_bytes))
        sctp_recv_deliver(s);
    while (!has_room(s, len_bytes)) {
        if (renege(s, tsn))
            continue;
        SCTP_COUNT(s, rx_no_room);
        /* nothing can leave the buffer any more: the peer left messages open for ever, or one too long */
        if (is_full(s, len_bytes) && tsn == s->rx.cum_tsn + 1 && s->rx.ready.count == 0 && s->rx.current.count == 0)
            sctp_abort(s, SCTP_CLOSED_VIOLATION, SCTP_CAUSE_VIOLATION);
        return false;
    }
    while (shared_free(s) == 0) {
        if (!renege(s, tsn)) {
            SCTP_COUNT(s, rx_no_block);
            return false;
        }
    }
    return true;
}

/* --- DATA --------------------------------------------------------------------------------------------------------- */

static void insert_fragment(struct sctp *s, const struct sctp_block *header, struct span payload) {
    struct sctp_list *list = &s->rx.fragments;
    uint32_t index = sctp_block_take(s);
    ASSERT(index != SCTP_NONE && payload.len <= SCTP_BLOCK_BYTES);
    struct sctp_block *b = sctp_block_at(s, index);
    b->tsn = header->tsn;
    b->stream = header->stream;
    b->ssn = header->ssn;
    b->ppid = header->ppid;
    b->flags = header->flags;
    b->len_bytes = (uint16_t)payload.len;
    memcpy(b->bytes, payload.data, payload.len);
    s->rx.bytes += (uint32_t)payload.len;
    uint32_t before = list->tail;
    while (before != SCTP_NONE && sctp_block_at(s, before)->tsn > header->tsn)
        before = sctp_block_at(s, before)->prev;
    sctp_list_insert(s, list, before, index);
}

void sctp_recv_data(struct sctp *s, uint8_t flags, struct reader *r) {
    struct sctp_rx *rx = &s->rx;
    struct sctp_block header = {.flags = flags, .tsn = seq32_extend(rx->cum_tsn, rd_u32(r))};
    header.stream = rd_u16(r);
    header.ssn = rd_u16(r);
    header.ppid = rd_u32(r);
    struct span payload = rd_rest(r);
    if (!reader_ok(r) || payload.len == 0 || payload.len > SCTP_BLOCK_BYTES) {
        SCTP_COUNT(s, rx_bad_chunk);
        return;
    }
    SCTP_COUNT(s, rx_data);
    rx->packet_has_data = true;
    if ((flags & SCTP_FLAG_IMMEDIATE) != 0)
        rx->immediate = true;
    if (header.tsn > rx->cum_tsn + SCTP_RX_WINDOW) {
        SCTP_COUNT(s, rx_beyond_window);
        return;
    }
    if (header.tsn <= rx->cum_tsn || seen_get(rx, header.tsn)) {
        SCTP_COUNT(s, rx_duplicate);
        rx->immediate = true;
        if (rx->duplicate_count < SCTP_DUPLICATES_MAX)
            rx->duplicates[rx->duplicate_count++] = (uint32_t)header.tsn;
        return;
    }
    bool wanted = true;
    if (header.stream >= s->peer.streams_in) {
        SCTP_COUNT(s, rx_bad_stream);
        wanted = false; /* acknowledged and dropped: RFC 9260 section 6.5 */
    } else if ((flags & SCTP_FLAG_UNORDERED) == 0 && seq16_newer(s->ssn_in[header.stream], header.ssn)) {
        SCTP_COUNT(s, rx_old_ssn); /* a late fragment of a message that was skipped */
        wanted = false;
    }
    if (wanted) {
        if (!make_room(s, header.tsn, (uint32_t)payload.len))
            return;
        insert_fragment(s, &header, payload);
    }
    note_seen(rx, header.tsn);
}

/* --- reassembly --------------------------------------------------------------------------------------------------- */

/* Fragments of one message that lie side by side without a hole. */
struct run {
    uint32_t first;
    uint32_t next; /* block behind the run */
    uint32_t len_bytes;
    uint64_t last_tsn;
    bool whole;
};

static struct run run_from(const struct sctp *s, uint32_t first) {
    const struct sctp_block *b = sctp_block_at(s, first);
    struct run run = {.first = first, .len_bytes = b->len_bytes};
    bool has_begin = (b->flags & SCTP_FLAG_BEGIN) != 0;
    while ((b->flags & SCTP_FLAG_END) == 0 && b->next != SCTP_NONE) {
        const struct sctp_block *next = sctp_block_at(s, b->next);
        if (next->tsn != b->tsn + 1 || (next->flags & SCTP_FLAG_BEGIN) != 0 || next->stream != b->stream ||
            ((next->flags ^ b->flags) & SCTP_FLAG_UNORDERED) != 0 ||
            ((b->flags & SCTP_FLAG_UNORDERED) == 0 && next->ssn != b->ssn))
            break;
        b = next;
        run.len_bytes += b->len_bytes;
    }
    run.whole = has_begin && (b->flags & SCTP_FLAG_END) != 0;
    run.next = b->next;
    run.last_tsn = b->tsn;
    return run;
}

static void make_ready(struct sctp *s, const struct run *run) {
    struct sctp_rx *rx = &s->rx;
    for (uint32_t at = run->first; at != run->next;) {
        uint32_t next = sctp_block_at(s, at)->next;
        sctp_list_remove(s, &rx->fragments, at);
        sctp_list_push(s, &rx->ready, at);
        at = next;
    }
}

static void drop_run(struct sctp *s, const struct run *run) {
    for (uint32_t at = run->first; at != run->next;) {
        uint32_t next = sctp_block_at(s, at)->next;
        SCTP_COUNT(s, rx_skipped);
        drop_fragment(s, at);
        at = next;
    }
}

void sctp_recv_deliver(struct sctp *s) {
    for (uint32_t at = s->rx.fragments.head; at != SCTP_NONE;) {
        struct run run = run_from(s, at);
        if (run.len_bytes > s->config.message_bytes_max) {
            sctp_abort(s, SCTP_CLOSED_VIOLATION, SCTP_CAUSE_VIOLATION);
            return;
        }
        const struct sctp_block *b = sctp_block_at(s, at);
        bool unordered = (b->flags & SCTP_FLAG_UNORDERED) != 0;
        if (run.whole && (unordered || b->ssn == s->ssn_in[b->stream])) {
            if (!unordered)
                s->ssn_in[b->stream]++;
            make_ready(s, &run);
        } else if (!run.whole && run.last_tsn < s->rx.cum_tsn) {
            drop_run(s, &run); /* what comes behind it is here or skipped, and is not its end */
        }
        at = run.next;
    }
}

/* RFC 3758 section 3.6. Ordered messages go by the stream's new number: whole ones up to it are delivered (their
 * predecessors were skipped), parts are dropped. Unordered ones go by TSN. */
static void drop_skipped(struct sctp *s, uint64_t tsn) {
    for (uint32_t at = s->rx.fragments.head; at != SCTP_NONE;) {
        struct run run = run_from(s, at);
        const struct sctp_block *b = sctp_block_at(s, at);
        if ((b->flags & SCTP_FLAG_UNORDERED) != 0) {
            if (!run.whole && b->tsn <= tsn)
                drop_run(s, &run);
        } else if (seq16_newer(s->ssn_in[b->stream], b->ssn)) {
            if (run.whole)
                make_ready(s, &run);
            else
                drop_run(s, &run);
        }
        at = run.next;
    }
}

void sctp_recv_drop_streams(struct sctp *s, const uint64_t streams[SCTP_STREAM_WORDS], uint64_t tsn) {
    for (uint32_t at = s->rx.fragments.head; at != SCTP_NONE;) {
        const struct sctp_block *b = sctp_block_at(s, at);
        uint32_t next = b->next;
        if (sctp_bit_get(streams, b->stream) && b->tsn <= tsn) {
            SCTP_COUNT(s, rx_skipped);
            drop_fragment(s, at);
        }
        at = next;
    }
}

void sctp_recv_forward_tsn(struct sctp *s, struct reader *r) {
    struct sctp_rx *rx = &s->rx;
    uint64_t tsn = seq32_extend(rx->cum_tsn, rd_u32(r));
    if (!reader_ok(r) || reader_left(r) % 4 != 0) {
        SCTP_COUNT(s, rx_bad_chunk);
        return;
    }
    rx->sack_due = true;
    if (tsn <= rx->cum_tsn)
        return;
    sctp_recv_deliver(s);
    while (reader_left(r) > 0) {
        uint16_t stream = rd_u16(r);
        uint16_t ssn = rd_u16(r);
        if (stream >= s->peer.streams_in)
            SCTP_COUNT(s, rx_bad_stream);
        else if (!seq16_newer(s->ssn_in[stream], ssn))
            s->ssn_in[stream] = (uint16_t)(ssn + 1);
    }
    if (tsn >= rx->cum_tsn + SCTP_RX_WINDOW) {
        memset(rx->seen, 0, sizeof rx->seen);
    } else {
        for (uint64_t skip = rx->cum_tsn + 1; skip <= tsn; skip++)
            sctp_bit_clear(rx->seen, (uint32_t)(skip % SCTP_RX_WINDOW));
    }
    rx->cum_tsn = tsn;
    if (rx->highest_tsn < tsn)
        rx->highest_tsn = tsn;
    while (rx->cum_tsn < rx->highest_tsn && seen_get(rx, rx->cum_tsn + 1)) {
        rx->cum_tsn++;
        sctp_bit_clear(rx->seen, (uint32_t)(rx->cum_tsn % SCTP_RX_WINDOW));
    }
    drop_skipped(s, tsn);
}

/* --- SACK --------------------------------------------------------------------------------------------------------- */

static uint32_t window_bytes(const struct sctp *s) {
    uint32_t share = blocks_share(s), held = blocks_held(s);
    uint32_t blocks = share > held ? share - held : 0;
    uint32_t shared = shared_free(s);
    uint32_t by_blocks = (blocks < shared ? blocks : shared) * SCTP_RX_BYTES_PER_BLOCK;
    uint32_t by_bytes = s->config.recv_buffer_bytes - s->rx.bytes;
    return by_blocks < by_bytes ? by_blocks : by_bytes;
}

bool sctp_recv_window_opened(const struct sctp *s) {
    uint32_t small_bytes = 2 * (uint32_t)s->config.mtu_bytes;
    return s->rx.advertised_bytes < small_bytes && window_bytes(s) >= 2 * small_bytes;
}

void sctp_recv_packet_end(struct sctp *s, uint64_t now_us) {
    struct sctp_rx *rx = &s->rx;
    if (!rx->packet_has_data)
        return;
    sctp_recv_deliver(s);
    /* RFC 9260 sections 6.2 and 6.7: every second packet, at once when there is a hole or a duplicate. At once as well
     * when the hole was just filled (as RFC 5681 section 4.2 has it): a sender that comes out of a timeout may send one
     * packet only and waits for this SACK before the next. */
    rx->unacked_packets++;
    if (rx->unacked_packets >= 2 || rx->immediate || rx->packet_found_hole || rx->cum_tsn < rx->highest_tsn)
        rx->sack_due = true;
    else if (s->timers.sack_us == TIME_NEVER)
        s->timers.sack_us = now_us + SCTP_SACK_DELAY_US;
}

static size_t write_gaps(const struct sctp_rx *rx, struct writer *w, size_t gaps_max) {
    size_t count = 0;
    for (uint64_t tsn = rx->cum_tsn + 1; tsn <= rx->highest_tsn && count < gaps_max; tsn++) {
        if (!seen_get(rx, tsn))
            continue;
        uint64_t first = tsn;
        while (tsn < rx->highest_tsn && seen_get(rx, tsn + 1))
            tsn++;
        wr_u16(w, (uint16_t)(first - rx->cum_tsn));
        wr_u16(w, (uint16_t)(tsn - rx->cum_tsn));
        count++;
    }
    return count;
}

void sctp_write_sack(struct sctp *s, struct writer *w, size_t limit) {
    struct sctp_rx *rx = &s->rx;
    size_t start = w->len;
    ASSERT(limit >= start + 16 + 4 * SCTP_DUPLICATES_MAX);
    rx->advertised_bytes = window_bytes(s);
    wr_u8(w, SCTP_SACK);
    wr_u8(w, 0);
    wr_u16(w, 0);
    wr_u32(w, (uint32_t)rx->cum_tsn);
    wr_u32(w, rx->advertised_bytes);
    wr_u32(w, 0);
    size_t gaps = write_gaps(rx, w, (limit - start - 16) / 4 - rx->duplicate_count);
    for (uint32_t i = 0; i < rx->duplicate_count; i++)
        wr_u32(w, rx->duplicates[i]);
    wr_patch_u16(w, start + 2, (uint16_t)(w->len - start));
    wr_patch_u16(w, start + 12, (uint16_t)gaps);
    wr_patch_u16(w, start + 14, (uint16_t)rx->duplicate_count);
    rx->duplicate_count = 0;
    rx->unacked_packets = 0;
    rx->sack_due = false;
    s->timers.sack_us = TIME_NEVER;
}
