#include <string.h>

#include "protocol/sctp_internal.h"

/* RE-CONFIG parameters (RFC 6525 section 4). */
enum {
    PARAM_RESET_OUTGOING = 13,
    PARAM_RESET_INCOMING = 14,
    PARAM_RESET_TSN = 15,
    PARAM_RESPONSE = 16,
    PARAM_ADD_OUTGOING = 17,
    PARAM_ADD_INCOMING = 18,
};

enum {
    RESULT_NOTHING_TO_DO = 0,
    RESULT_PERFORMED = 1,
    RESULT_DENIED = 2,
    RESULT_WRONG_SSN = 3,
    RESULT_ALREADY = 4,
    RESULT_BAD_SEQUENCE = 5,
    RESULT_IN_PROGRESS = 6,
};

bool sctp_reset_pending(const struct sctp *s, uint16_t stream) {
    ASSERT(stream < s->config.streams);
    return sctp_bit_get(s->reset.wanted, stream) || sctp_bit_get(s->reset.asked, stream);
}

void sctp_reset_stream(struct sctp *s, uint64_t now_us, uint16_t stream) {
    ASSERT(now_us > 0 && stream < s->config.streams);
    sctp_recv_release_current(s);
    if (s->state > SCTP_STATE_ESTABLISHED || sctp_reset_pending(s, stream))
        return;
    sctp_bit_set(s->reset.wanted, stream);
}

/* --- our requests ---------------------------------------------------------------------------------------------------
 */

static void settle_wanted(struct sctp *s) {
    struct sctp_reset *reset = &s->reset;
    for (uint32_t i = 0; i < SCTP_STREAM_WORDS; i++) {
        reset->done[i] |= reset->wanted[i];
        reset->wanted[i] = 0;
    }
}

/* Moves the streams whose messages all arrived from `wanted` to `asked`. RFC 8831 section 6.7: what was queued is still
 * delivered. A request before that makes the peer wait for the last TSN, and usrsctp would wait for ever: it looks
 * again only when DATA comes after that TSN, and answers a repeated request as it did the first one. */
static uint32_t collect(struct sctp *s) {
    struct sctp_reset *reset = &s->reset;
    uint64_t busy[SCTP_STREAM_WORDS];
    uint32_t count = 0;
    sctp_busy_streams(s, busy);
    for (uint32_t i = 0; i < SCTP_STREAM_WORDS; i++) {
        uint64_t word = reset->wanted[i];
        while (word != 0 && count < SCTP_RESET_STREAMS_MAX) {
            uint32_t stream = i * 64 + (uint32_t)__builtin_ctzll(word);
            word &= word - 1;
            if (stream >= s->peer.streams_out) {
                sctp_bit_clear(reset->wanted, stream);
                sctp_bit_set(reset->done, stream);
            } else if (!sctp_bit_get(busy, stream)) {
                sctp_bit_clear(reset->wanted, stream);
                sctp_bit_set(reset->asked, stream);
                count++;
            }
        }
    }
    return count;
}

static void answer(struct sctp *s, uint32_t seq, uint32_t result) {
    struct sctp_reset *reset = &s->reset;
    if (reset->answers_due == ARRAY_LEN(reset->answers)) {
        SCTP_COUNT(s, rx_no_reply_room);
        return;
    }
    reset->answers[reset->answers_due].seq = seq;
    reset->answers[reset->answers_due].result = result;
    reset->answers_due++;
}

static void reset_incoming(struct sctp *s, uint32_t stream) {
    ASSERT(stream < s->config.streams);
    s->ssn_in[stream] = 0;
    sctp_bit_set(s->reset.incoming, stream);
}

static void perform_deferred(struct sctp *s) {
    struct sctp_reset *reset = &s->reset;
    uint32_t stream;
    sctp_recv_deliver(s);
    sctp_recv_drop_streams(s, reset->deferred, reset->deferred_tsn);
    while (sctp_bit_first(reset->deferred, &stream)) {
        sctp_bit_clear(reset->deferred, stream);
        reset_incoming(s, stream);
    }
    reset->is_deferred = false;
    reset->last_result = RESULT_PERFORMED;
}

void sctp_reset_progress(struct sctp *s, uint64_t now_us) {
    struct sctp_reset *reset = &s->reset;
    if (s->state != SCTP_STATE_ESTABLISHED)
        return;
    if (reset->is_deferred && s->rx.cum_tsn >= reset->deferred_tsn) {
        perform_deferred(s);
        answer(s, reset->peer_seq - 1, RESULT_PERFORMED);
    }
    uint32_t any;
    if (reset->outstanding || !sctp_bit_first(reset->wanted, &any))
        return;
    if (!s->peer.reconfig) {
        settle_wanted(s);
        return;
    }
    if (collect(s) == 0)
        return;
    reset->outstanding = true;
    reset->request_due = true;
    /* RFC 6525 section 4.1 says the last TSN assigned. Those above belong to other streams, which need not hold this
     * one up: with the TSN that the peer acknowledged it never has to wait. */
    reset->request_tsn = (uint32_t)s->tx.cum_tsn;
    s->timers.reset_us = now_us + s->rtt.rto_us;
}

void sctp_reset_timeout(struct sctp *s, uint64_t now_us) {
    s->timers.reset_us = TIME_NEVER;
    ASSERT(s->reset.outstanding);
    if (++s->errors > SCTP_RETRANSMITS_MAX) {
        SCTP_COUNT(s, timed_out);
        sctp_abort(s, SCTP_CLOSED_TIMEOUT, SCTP_CAUSE_USER_ABORT);
        return;
    }
    s->rtt.rto_us = time_min(2 * s->rtt.rto_us, SCTP_RTO_MAX_US);
    s->timers.reset_us = now_us + s->rtt.rto_us;
    s->reset.request_due = true;
}

static void read_response(struct sctp *s, uint64_t now_us, struct reader *r) {
    struct sctp_reset *reset = &s->reset;
    uint32_t seq = rd_u32(r);
    uint32_t result = rd_u32(r);
    if (!reader_ok(r)) {
        SCTP_COUNT(s, rx_bad_reconfig);
        return;
    }
    if (!reset->outstanding || seq != reset->request_seq)
        return; /* the answer to a request that was answered before */
    s->errors = 0;
    if (result == RESULT_IN_PROGRESS || result == RESULT_ALREADY) {
        reset->request_due = false; /* asked again later: RFC 6525 section 5.2.7 */
        s->timers.reset_us = now_us + s->rtt.rto_us;
        return;
    }
    for (uint32_t stream = 0; stream < s->peer.streams_out; stream++) {
        if (!sctp_bit_get(reset->asked, stream))
            continue;
        if (result == RESULT_PERFORMED)
            s->ssn_out[stream] = 0;
        sctp_bit_clear(reset->asked, stream);
        sctp_bit_set(reset->done, stream);
    }
    reset->outstanding = false;
    reset->request_due = false;
    reset->request_seq++;
    s->timers.reset_us = TIME_NEVER;
}

/* --- the peer's requests --------------------------------------------------------------------------------------------
 */

static uint32_t request_outgoing(struct sctp *s, struct reader *r) {
    struct sctp_reset *reset = &s->reset;
    rd_skip(r, 4); /* which request of ours this answers: its own answer comes as well */
    uint64_t tsn = seq32_extend(s->rx.cum_tsn, rd_u32(r));
    if (!reader_ok(r) || reader_left(r) % 2 != 0)
        return RESULT_WRONG_SSN;
    ASSERT(!reset->is_deferred);
    memset(reset->deferred, 0, sizeof reset->deferred);
    bool all = reader_left(r) == 0;
    for (uint32_t stream = 0; all && stream < s->peer.streams_in; stream++)
        sctp_bit_set(reset->deferred, stream);
    while (reader_left(r) > 0) {
        uint16_t stream = rd_u16(r);
        if (stream >= s->peer.streams_in) {
            SCTP_COUNT(s, rx_bad_reconfig);
            memset(reset->deferred, 0, sizeof reset->deferred);
            return RESULT_WRONG_SSN;
        }
        sctp_bit_set(reset->deferred, stream);
    }
    reset->deferred_tsn = tsn;
    reset->is_deferred = true;
    if (s->rx.cum_tsn < tsn)
        return RESULT_IN_PROGRESS;
    perform_deferred(s);
    return RESULT_PERFORMED;
}

/* RFC 6525 section 5.2.3: the peer asks that we reset our streams. Our own request, in its time, names this one. */
static uint32_t request_incoming(struct sctp *s, struct reader *r) {
    if (reader_left(r) == 0 || reader_left(r) % 2 != 0)
        return RESULT_DENIED;
    struct reader check = *r;
    while (reader_left(&check) > 0) {
        if (rd_u16(&check) >= s->peer.streams_out)
            return RESULT_WRONG_SSN;
    }
    while (reader_left(r) > 0) {
        uint16_t stream = rd_u16(r);
        if (!sctp_reset_pending(s, stream))
            sctp_bit_set(s->reset.wanted, stream);
    }
    return RESULT_PERFORMED;
}

static uint32_t request_add_outgoing(struct sctp *s, struct reader *r) {
    uint32_t more = rd_u16(r);
    if (!reader_ok(r) || s->peer.streams_in + more > s->config.streams)
        return RESULT_DENIED;
    s->peer.streams_in = (uint16_t)(s->peer.streams_in + more);
    return RESULT_PERFORMED;
}

static void read_request(struct sctp *s, uint16_t type, struct reader *r) {
    struct sctp_reset *reset = &s->reset;
    uint32_t seq = rd_u32(r);
    if (!reader_ok(r)) {
        SCTP_COUNT(s, rx_bad_reconfig);
        return;
    }
    /* RFC 6525 section 5.1.1: a sender waits for the answer before it asks for more. What could not be answered is not
     * done either, however many requests a packet holds; it comes again. */
    if (reset->answers_due == ARRAY_LEN(reset->answers)) {
        SCTP_COUNT(s, rx_no_reply_room);
        return;
    }
    if (seq == reset->peer_seq - 1) { /* our answer was lost, or the request still waits */
        if (reset->is_deferred && s->rx.cum_tsn >= reset->deferred_tsn)
            perform_deferred(s);
        answer(s, seq, reset->last_result);
        return;
    }
    if (seq != reset->peer_seq) {
        SCTP_COUNT(s, rx_bad_reconfig);
        answer(s, seq, RESULT_BAD_SEQUENCE);
        return;
    }
    if (reset->is_deferred) { /* the peer gave the earlier one up */
        reset->is_deferred = false;
        memset(reset->deferred, 0, sizeof reset->deferred);
    }
    uint32_t result = RESULT_DENIED;
    if (type == PARAM_RESET_OUTGOING)
        result = request_outgoing(s, r);
    else if (type == PARAM_RESET_INCOMING)
        result = request_incoming(s, r);
    else if (type == PARAM_ADD_OUTGOING)
        result = request_add_outgoing(s, r);
    reset->peer_seq = seq + 1;
    reset->response_seq = seq;
    reset->last_result = result;
    answer(s, seq, result);
}

void sctp_reset_input(struct sctp *s, uint64_t now_us, struct reader *r) {
    /* RFC 6525 section 3.1: at most two parameters in a chunk */
    for (int i = 0; i < 2 && reader_left(r) >= 4; i++) {
        uint16_t type = rd_u16(r);
        uint16_t len = rd_u16(r);
        if (len < 4 || reader_left(r) < len - 4u) {
            SCTP_COUNT(s, rx_bad_reconfig);
            return;
        }
        struct reader body = rd_sub(r, len - 4u);
        size_t padding = sctp_pad4(len) - len;
        rd_skip(r, padding < reader_left(r) ? padding : reader_left(r));
        if (type == PARAM_RESPONSE)
            read_response(s, now_us, &body);
        else if (type >= PARAM_RESET_OUTGOING && type <= PARAM_ADD_INCOMING)
            read_request(s, type, &body);
        else
            SCTP_COUNT(s, rx_bad_reconfig);
    }
}

/* --- written --------------------------------------------------------------------------------------------------------
 */

static void write_request(struct sctp *s, struct writer *w) {
    struct sctp_reset *reset = &s->reset;
    size_t start = w->len;
    wr_u8(w, SCTP_RECONFIG);
    wr_u8(w, 0);
    wr_u16(w, 0);
    wr_u16(w, PARAM_RESET_OUTGOING);
    wr_u16(w, 0);
    wr_u32(w, reset->request_seq);
    wr_u32(w, reset->response_seq);
    wr_u32(w, reset->request_tsn);
    for (uint32_t stream = 0; stream < s->peer.streams_out; stream++) {
        if (sctp_bit_get(reset->asked, stream))
            wr_u16(w, (uint16_t)stream);
    }
    size_t len = w->len - start;
    wr_patch_u16(w, start + 2, (uint16_t)len);
    wr_patch_u16(w, start + 6, (uint16_t)(len - 4));
    wr_zeros(w, sctp_pad4((uint32_t)len) - len);
    reset->request_due = false;
}

void sctp_write_reconfig(struct sctp *s, struct writer *w) {
    struct sctp_reset *reset = &s->reset;
    if (reset->answers_due > 0) {
        wr_u8(w, SCTP_RECONFIG);
        wr_u8(w, 0);
        wr_u16(w, (uint16_t)(4 + 12 * reset->answers_due));
        for (uint8_t i = 0; i < reset->answers_due; i++) {
            wr_u16(w, PARAM_RESPONSE);
            wr_u16(w, 12);
            wr_u32(w, reset->answers[i].seq);
            wr_u32(w, reset->answers[i].result);
        }
        reset->answers_due = 0;
    }
    if (reset->request_due)
        write_request(s, w);
}
