#include "protocol/sctp.h"

#include <string.h>

#include "base/crc.h"
#include "base/rng.h"
#include "base/secret.h"
#include "protocol/sctp_internal.h"

/* --- life --------------------------------------------------------------------------------------------------------- */

static struct sctp_config with_defaults(const struct sctp_config *given) {
    struct sctp_config c = *given;
    c.local_port = c.local_port != 0 ? c.local_port : SCTP_PORT;
    c.remote_port = c.remote_port != 0 ? c.remote_port : SCTP_PORT;
    c.mtu_bytes = c.mtu_bytes != 0 ? c.mtu_bytes : SCTP_MTU_BYTES;
    c.streams = c.streams != 0 ? c.streams : SCTP_STREAMS_MAX;
    c.send_buffer_bytes = c.send_buffer_bytes != 0 ? c.send_buffer_bytes : SCTP_BUFFER_BYTES;
    c.recv_buffer_bytes = c.recv_buffer_bytes != 0 ? c.recv_buffer_bytes : SCTP_BUFFER_BYTES;
    c.message_bytes_max = c.message_bytes_max != 0 ? c.message_bytes_max : SCTP_MESSAGE_BYTES;
    c.low_water_bytes = c.low_water_bytes != 0 ? c.low_water_bytes : c.send_buffer_bytes / 2;
    ASSERT(c.mtu_bytes >= 512 && c.mtu_bytes <= 1400);
    ASSERT(c.streams <= SCTP_STREAMS_MAX);
    ASSERT(c.message_bytes_max <= SCTP_MESSAGE_BYTES_MAX);
    ASSERT(c.send_buffer_bytes >= c.message_bytes_max && c.send_buffer_bytes <= SCTP_BUFFER_BYTES_MAX);
    ASSERT(c.recv_buffer_bytes >= c.message_bytes_max && c.recv_buffer_bytes <= SCTP_BUFFER_BYTES_MAX);
    ASSERT(c.low_water_bytes < c.send_buffer_bytes);
    return c;
}

size_t sctp_size(const struct sctp_config *config) {
    struct sctp_config c = with_defaults(config);
    return sizeof(struct sctp) + (size_t)c.streams * 2 * sizeof(uint16_t);
}

void sctp_clear(struct sctp *s) {
    for (uint32_t i = 0; i < SCTP_TX_QUEUES; i++)
        sctp_list_clear(s, &s->tx.queues[i]);
    sctp_list_clear(s, &s->tx.sent);
    sctp_list_clear(s, &s->rx.fragments);
    sctp_list_clear(s, &s->rx.ready);
    sctp_list_clear(s, &s->rx.current);
    sctp_list_clear(s, &s->replies);
    sctp_list_clear(s, &s->cookie);
    memset(&s->tx, 0, sizeof s->tx);
    memset(&s->rx, 0, sizeof s->rx);
    memset(&s->reset, 0, sizeof s->reset);
    for (uint32_t i = 0; i < SCTP_TX_QUEUES; i++)
        s->tx.queues[i] = sctp_list_empty();
    s->tx.sent = s->rx.fragments = s->rx.ready = s->rx.current = sctp_list_empty();
    s->tx.cwnd_bytes = SCTP_INITIAL_WINDOW_PACKETS * (uint32_t)s->config.mtu_bytes;
    s->tx.ssthresh_bytes = UINT32_MAX;
    s->rx.advertised_bytes = s->config.recv_buffer_bytes;
    memset(s->ssn_out, 0, s->config.streams * sizeof *s->ssn_out);
    memset(s->ssn_in, 0, s->config.streams * sizeof *s->ssn_in);
    s->rtt = (struct sctp_rtt){.rto_us = SCTP_RTO_INITIAL_US};
    s->timers = (struct sctp_timers){TIME_NEVER, TIME_NEVER, TIME_NEVER, TIME_NEVER, TIME_NEVER, TIME_NEVER};
    s->init_due = s->init_ack_due = s->cookie_echo_due = s->cookie_ack_due = false;
    s->shutdown_due = s->shutdown_ack_due = s->shutdown_complete_due = s->heartbeat_due = s->heartbeat_waiting = false;
    s->event_connected = s->event_low = false;
    s->errors = 0;
}

struct sctp *sctp_init(void *memory, const struct sctp_config *config, struct rng *rng, uint64_t now_us) {
    ASSERT(memory != NULL && (uintptr_t)memory % _Alignof(struct sctp) == 0);
    ASSERT(config->buffers != NULL && config->counters != NULL && now_us > 0);
    struct sctp *s = memory;
    memset(s, 0, sctp_size(config));
    s->config = with_defaults(config);
    s->ssn_out = (uint16_t *)(void *)(s + 1);
    s->ssn_in = s->ssn_out + s->config.streams;
    s->replies = s->cookie = sctp_list_empty();
    for (uint32_t i = 0; i < SCTP_TX_QUEUES; i++)
        s->tx.queues[i] = sctp_list_empty();
    s->tx.sent = s->rx.fragments = s->rx.ready = s->rx.current = sctp_list_empty();
    sctp_clear(s);
    s->fragment_bytes = (uint16_t)((s->config.mtu_bytes & ~3) - SCTP_HEADER_BYTES - SCTP_DATA_HEADER_BYTES);
    ASSERT(s->fragment_bytes <= SCTP_BLOCK_BYTES);
    s->tx_blocks_max = s->config.send_buffer_bytes / s->fragment_bytes + 32;
    s->rx_blocks_max = s->config.recv_buffer_bytes / SCTP_RX_BYTES_PER_BLOCK + 16;
    rng_fill(rng, s->secret, sizeof s->secret);
    do {
        s->my_tag = rng_u32(rng);
    } while (s->my_tag == 0);
    s->my_initial_tsn = rng_u32(rng);
    s->tx.next_tsn = SCTP_TSN_BASE + s->my_initial_tsn;
    s->tx.cum_tsn = s->tx.next_tsn - 1;
    s->tx.advanced_tsn = s->tx.cum_tsn;
    s->reset.request_seq = s->my_initial_tsn;
    s->close_reason = SCTP_CLOSED_BY_PEER;
    return s;
}

void sctp_release(struct sctp *s) {
    sctp_clear(s);
    secure_wipe(s->secret, sizeof s->secret);
    s->state = SCTP_STATE_DONE;
    s->event_closed = s->event_restarted = false;
}

void sctp_finish(struct sctp *s, enum sctp_close_reason reason) {
    ASSERT(s->state != SCTP_STATE_DONE);
    struct sctp_list ready = s->rx.ready; /* what arrived whole is still handed out */
    struct sctp_list current = s->rx.current;
    s->rx.ready = s->rx.current = sctp_list_empty();
    uint32_t kept_bytes = 0;
    for (uint32_t at = ready.head; at != SCTP_NONE; at = sctp_block_at(s, at)->next)
        kept_bytes += sctp_block_at(s, at)->len_bytes;
    for (uint32_t at = current.head; at != SCTP_NONE; at = sctp_block_at(s, at)->next)
        kept_bytes += sctp_block_at(s, at)->len_bytes;
    bool was_connected = s->event_connected;
    uint64_t told[2][SCTP_STREAM_WORDS];
    memcpy(told[0], s->reset.incoming, sizeof told[0]);
    memcpy(told[1], s->reset.done, sizeof told[1]);
    sctp_clear(s);
    memcpy(s->reset.incoming, told[0], sizeof told[0]);
    memcpy(s->reset.done, told[1], sizeof told[1]);
    s->rx.ready = ready;
    s->rx.current = current;
    s->rx.bytes = kept_bytes;
    s->event_connected = was_connected;
    s->event_closed = true;
    s->abort_due = false;
    s->close_reason = (uint8_t)reason;
    s->state = SCTP_STATE_DONE;
}

void sctp_abort(struct sctp *s, enum sctp_close_reason reason, enum sctp_cause cause) {
    if (s->abort_due || s->state == SCTP_STATE_DONE)
        return;
    SCTP_COUNT(s, aborted);
    s->abort_due = true;
    s->abort_cause = (uint16_t)cause;
    s->close_reason = (uint8_t)reason;
}

void sctp_close(struct sctp *s, uint64_t now_us, bool graceful) {
    ASSERT(now_us > 0);
    sctp_recv_release_current(s);
    if (s->state == SCTP_STATE_DONE || s->abort_due)
        return;
    if (!graceful || s->state < SCTP_STATE_ESTABLISHED) {
        sctp_abort(s, SCTP_CLOSED_BY_US, SCTP_CAUSE_USER_ABORT);
        return;
    }
    if (s->state != SCTP_STATE_ESTABLISHED)
        return;
    s->state = SCTP_STATE_SHUTDOWN_PENDING;
    s->close_reason = SCTP_CLOSED_BY_US;
    s->timers.guard_us = now_us + SCTP_SHUTDOWN_GUARD_US;
}

/* --- input -------------------------------------------------------------------------------------------------------- */

void sctp_reply(struct sctp *s, enum sctp_chunk_type type, struct span value) {
    uint32_t len = SCTP_CHUNK_HEADER_BYTES + (uint32_t)value.len;
    if (s->replies.count >= SCTP_REPLIES_MAX || sctp_pad4(len) + SCTP_HEADER_BYTES > s->config.mtu_bytes) {
        SCTP_COUNT(s, rx_no_reply_room);
        return;
    }
    uint32_t index = sctp_block_take(s);
    if (index == SCTP_NONE) {
        SCTP_COUNT(s, rx_no_block);
        return;
    }
    struct sctp_block *b = sctp_block_at(s, index);
    struct writer w = writer_of(b->bytes, sizeof b->bytes);
    wr_u8(&w, (uint8_t)type);
    wr_u8(&w, 0);
    wr_u16(&w, (uint16_t)len);
    wr_span(&w, value);
    wr_zeros(&w, sctp_pad4(len) - len);
    ASSERT(writer_ok(&w));
    b->len_bytes = (uint16_t)w.len;
    sctp_list_push(s, &s->replies, index);
}

static void heartbeat_ack(struct sctp *s, uint64_t now_us, struct reader *r) {
    rd_skip(r, 4);
    uint64_t nonce = rd_u64(r);
    if (!reader_ok(r) || !s->heartbeat_waiting || nonce != s->heartbeat_nonce) {
        SCTP_COUNT(s, rx_unexpected);
        return;
    }
    s->heartbeat_waiting = false;
    s->errors = 0;
    s->timers.heartbeat_us = now_us + SCTP_HEARTBEAT_US;
    sctp_measure_rtt(s, time_since(now_us, nonce));
}

/* RFC 9260 section 3.2: what to do with a chunk type that is not known. True: go on with the next one. */
static bool unknown_chunk(struct sctp *s, uint8_t type, uint8_t flags, struct span value) {
    SCTP_COUNT(s, rx_unknown_chunk);
    if ((type & 0x40) != 0 && s->peer.tag != 0) {
        uint8_t cause[32];
        struct writer w = writer_of(cause, sizeof cause);
        size_t quoted = value.len < 24 ? value.len : 24;
        wr_u16(&w, SCTP_CAUSE_UNKNOWN_CHUNK);
        wr_u16(&w, (uint16_t)(8 + quoted));
        wr_u8(&w, type);
        wr_u8(&w, flags);
        wr_u16(&w, (uint16_t)(SCTP_CHUNK_HEADER_BYTES + value.len));
        wr_bytes(&w, value.data, quoted);
        sctp_reply(s, SCTP_ERROR, writer_span(&w));
    }
    return (type & 0x80) != 0;
}

/* The chunks of an association that is up. */
static bool established_chunk(struct sctp *s, uint64_t now_us, uint8_t type, uint8_t flags, struct reader *r) {
    if (s->state < SCTP_STATE_ESTABLISHED) {
        SCTP_COUNT(s, rx_unexpected);
        return true;
    }
    switch (type) {
    case SCTP_DATA:
        if (s->state <= SCTP_STATE_SHUTDOWN_SENT)
            sctp_recv_data(s, flags, r);
        else
            SCTP_COUNT(s, rx_unexpected);
        break;
    case SCTP_SACK:
        sctp_ack_input(s, now_us, r);
        break;
    case SCTP_FORWARD_TSN:
        sctp_recv_forward_tsn(s, r);
        s->rx.packet_has_data = true;
        break;
    case SCTP_RECONFIG:
        sctp_reset_input(s, now_us, r);
        break;
    case SCTP_SHUTDOWN:
        sctp_setup_shutdown(s, now_us, r);
        break;
    case SCTP_SHUTDOWN_ACK:
        sctp_setup_shutdown_ack(s);
        break;
    case SCTP_SHUTDOWN_COMPLETE:
        sctp_setup_shutdown_complete(s);
        return false;
    default:
        ASSERT(type == SCTP_HEARTBEAT_ACK);
        heartbeat_ack(s, now_us, r);
        break;
    }
    return true;
}

/* False when the rest of the packet is to be left alone. */
static bool handle_chunk(struct sctp *s, uint64_t now_us, uint32_t tag, uint8_t type, uint8_t flags, struct reader *r) {
    switch (type) {
    case SCTP_INIT_ACK:
        sctp_setup_init_ack(s, now_us, r);
        return true;
    case SCTP_COOKIE_ECHO:
        return sctp_setup_cookie_echo(s, now_us, tag, rd_rest(r));
    case SCTP_COOKIE_ACK:
        sctp_setup_cookie_ack(s, now_us);
        return true;
    case SCTP_ERROR:
        sctp_setup_error(s, now_us, r);
        return true;
    case SCTP_HEARTBEAT:
        if (s->peer.tag != 0)
            sctp_reply(s, SCTP_HEARTBEAT_ACK, rd_rest(r));
        return true;
    case SCTP_ABORT:
        SCTP_COUNT(s, aborted);
        sctp_finish(s, SCTP_CLOSED_BY_PEER);
        return false;
    case SCTP_INIT: /* only alone: RFC 9260 section 4.3 */
        SCTP_COUNT(s, rx_unexpected);
        return false;
    case SCTP_DATA:
    case SCTP_SACK:
    case SCTP_FORWARD_TSN:
    case SCTP_RECONFIG:
    case SCTP_SHUTDOWN:
    case SCTP_SHUTDOWN_ACK:
    case SCTP_SHUTDOWN_COMPLETE:
    case SCTP_HEARTBEAT_ACK:
        return established_chunk(s, now_us, type, flags, r);
    default:
        return unknown_chunk(s, type, flags, rd_rest(r));
    }
}

/* RFC 9260 section 8.5: whose tag a packet must carry. */
static bool tag_fits(const struct sctp *s, uint32_t tag, uint8_t first_type, uint8_t first_flags) {
    if (first_type == SCTP_COOKIE_ECHO) /* compared with the cookie itself: 8.5.1 D */
        return true;
    bool reflected = (first_flags & SCTP_FLAG_TAG_REFLECTED) != 0;
    if ((first_type == SCTP_ABORT || first_type == SCTP_SHUTDOWN_COMPLETE) && reflected)
        return s->peer.tag != 0 && tag == s->peer.tag;
    return tag == s->my_tag;
}

static bool read_header(struct sctp *s, struct span datagram, struct reader *r, uint32_t *tag) {
    uint8_t copy[SCTP_PACKET_BYTES_MAX];
    if (datagram.len < SCTP_HEADER_BYTES + SCTP_CHUNK_HEADER_BYTES || datagram.len > sizeof copy)
        return false;
    *r = reader_of_span(datagram);
    uint16_t from = rd_u16(r);
    uint16_t to = rd_u16(r);
    *tag = rd_u32(r);
    uint32_t checksum = __builtin_bswap32(rd_u32(r));
    if (from != s->config.remote_port || to != s->config.local_port)
        return false;
    memcpy(copy, datagram.data, datagram.len);
    memset(copy + 8, 0, 4);
    return crc32c(copy, datagram.len) == checksum;
}

/* What a peer says once in a packet, if at all, and what walks over whole queues when it is heard: a packet full of them
 * would cost a thousand times what it takes to send. */
static bool is_once(uint8_t type) {
    return type == SCTP_SACK || type == SCTP_FORWARD_TSN || type == SCTP_COOKIE_ECHO;
}

static void handle_chunks(struct sctp *s, uint64_t now_us, uint32_t tag, struct reader *r) {
    uint8_t heard[4] = {0}; /* such types; three at most */
    unsigned heard_count = 0;
    while (reader_left(r) >= SCTP_CHUNK_HEADER_BYTES && s->state != SCTP_STATE_DONE && !s->abort_due) {
        uint8_t type = rd_u8(r);
        uint8_t flags = rd_u8(r);
        uint16_t len = rd_u16(r);
        if (len < SCTP_CHUNK_HEADER_BYTES || reader_left(r) < (size_t)len - SCTP_CHUNK_HEADER_BYTES) {
            SCTP_COUNT(s, rx_bad_packet);
            return;
        }
        struct reader body = rd_sub(r, (size_t)len - SCTP_CHUNK_HEADER_BYTES);
        size_t padding = sctp_pad4(len) - len;
        rd_skip(r, padding < reader_left(r) ? padding : reader_left(r));
        if (is_once(type) && memchr(heard, type, heard_count) != NULL) {
            SCTP_COUNT(s, rx_repeated_chunk);
            continue;
        }
        if (is_once(type))
            heard[heard_count++] = type;
        if (!handle_chunk(s, now_us, tag, type, flags, &body))
            return;
    }
}

void sctp_input(struct sctp *s, uint64_t now_us, struct span datagram) {
    ASSERT(now_us > 0);
    sctp_recv_release_current(s);
    if (s->state == SCTP_STATE_DONE || s->abort_due)
        return;
    SCTP_COUNT(s, rx_packets);
    struct reader r;
    uint32_t tag = 0;
    if (!read_header(s, datagram, &r, &tag)) {
        SCTP_COUNT(s, rx_bad_packet);
        return;
    }
    uint8_t first_type = rd_peek(&r, 0);
    if (first_type == SCTP_INIT) {
        size_t len = (size_t)rd_peek(&r, 2) << 8 | rd_peek(&r, 3);
        size_t left = reader_left(&r);
        if (tag != 0 || len < SCTP_CHUNK_HEADER_BYTES || len > left || sctp_pad4((uint32_t)len) < left) {
            SCTP_COUNT(s, rx_bad_packet);
            return;
        }
        rd_skip(&r, SCTP_CHUNK_HEADER_BYTES);
        struct reader body = rd_sub(&r, len - SCTP_CHUNK_HEADER_BYTES);
        sctp_setup_init(s, now_us, &body);
        return;
    }
    if (!tag_fits(s, tag, first_type, rd_peek(&r, 1))) {
        SCTP_COUNT(s, rx_bad_tag);
        return;
    }
    s->rx.packet_has_data = false;
    s->rx.packet_found_hole = s->rx.cum_tsn < s->rx.highest_tsn;
    s->rx.immediate = false;
    handle_chunks(s, now_us, tag, &r);
    if (s->state >= SCTP_STATE_ESTABLISHED && s->state != SCTP_STATE_DONE && !s->abort_due)
        sctp_recv_packet_end(s, now_us);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static void heartbeat_timeout(struct sctp *s, uint64_t now_us) {
    s->timers.heartbeat_us = now_us + SCTP_HEARTBEAT_US;
    if (s->state != SCTP_STATE_ESTABLISHED)
        return;
    if (s->heartbeat_waiting && ++s->errors > SCTP_RETRANSMITS_MAX) {
        SCTP_COUNT(s, timed_out);
        sctp_abort(s, SCTP_CLOSED_TIMEOUT, SCTP_CAUSE_USER_ABORT);
        return;
    }
    if (s->heartbeat_waiting)
        s->rtt.rto_us = time_min(2 * s->rtt.rto_us, SCTP_RTO_MAX_US);
    s->heartbeat_waiting = s->tx.sent.count == 0; /* data in flight proves the path itself */
    s->heartbeat_due = s->heartbeat_waiting;
    if (s->heartbeat_waiting)
        s->timers.heartbeat_us = now_us + s->rtt.rto_us;
}

static bool take_due(uint64_t *timer_us, uint64_t now_us) {
    if (*timer_us > now_us)
        return false;
    *timer_us = TIME_NEVER;
    return true;
}

void sctp_tick(struct sctp *s, uint64_t now_us) {
    ASSERT(now_us > 0);
    sctp_recv_release_current(s);
    if (s->state == SCTP_STATE_DONE || s->abort_due)
        return;
    if (take_due(&s->timers.guard_us, now_us)) {
        SCTP_COUNT(s, timed_out);
        sctp_abort(s, s->close_reason, SCTP_CAUSE_USER_ABORT);
    }
    if (take_due(&s->timers.setup_us, now_us))
        sctp_setup_timeout(s, now_us);
    if (take_due(&s->timers.data_us, now_us))
        sctp_ack_timeout(s, now_us);
    if (take_due(&s->timers.sack_us, now_us))
        s->rx.sack_due = true;
    if (take_due(&s->timers.heartbeat_us, now_us))
        heartbeat_timeout(s, now_us);
    if (take_due(&s->timers.reset_us, now_us))
        sctp_reset_timeout(s, now_us);
}

uint64_t sctp_next_deadline(const struct sctp *s) {
    const struct sctp_timers *t = &s->timers;
    if (s->abort_due)
        return TIME_NEVER;
    uint64_t at_us = time_min(time_min(t->setup_us, t->data_us), time_min(t->sack_us, t->heartbeat_us));
    return time_min(at_us, time_min(t->reset_us, t->guard_us));
}

/* --- events ---------------------------------------------------------------------------------------------------------
 */

static void take_message(struct sctp *s, struct sctp_event *event) {
    struct sctp_rx *rx = &s->rx;
    const struct sctp_block *b = sctp_block_at(s, rx->ready.head);
    ASSERT((b->flags & SCTP_FLAG_BEGIN) != 0);
    event->type = SCTP_EVENT_MESSAGE;
    event->message.stream = b->stream;
    event->message.unordered = (b->flags & SCTP_FLAG_UNORDERED) != 0;
    event->message.ppid = b->ppid;
    bool end = false;
    while (!end) {
        uint32_t index = rx->ready.head;
        ASSERT(index != SCTP_NONE);
        b = sctp_block_at(s, index);
        end = (b->flags & SCTP_FLAG_END) != 0;
        event->message.len_bytes += b->len_bytes;
        sctp_list_remove(s, &rx->ready, index);
        sctp_list_push(s, &rx->current, index);
    }
    SCTP_COUNT(s, rx_messages);
}

static bool take_flag(bool *flag, struct sctp_event *event, enum sctp_event_type type) {
    if (!*flag)
        return false;
    *flag = false;
    event->type = type;
    return true;
}

static bool take_stream(uint64_t *words, struct sctp_event *event, enum sctp_event_type type) {
    uint32_t stream;
    if (!sctp_bit_first(words, &stream))
        return false;
    sctp_bit_clear(words, stream);
    event->type = type;
    event->stream = (uint16_t)stream;
    return true;
}

bool sctp_poll_event(struct sctp *s, struct sctp_event *event) {
    *event = (struct sctp_event){0};
    sctp_recv_release_current(s);
    if (take_flag(&s->event_connected, event, SCTP_EVENT_CONNECTED) ||
        take_flag(&s->event_restarted, event, SCTP_EVENT_RESTARTED))
        return true;
    bool held = s->hold && s->rx.ready.count > 0;
    if (s->rx.ready.count > 0 && !held) {
        take_message(s, event);
        return true;
    }
    if ((!held && take_stream(s->reset.incoming, event, SCTP_EVENT_STREAM_RESET)) ||
        take_stream(s->reset.done, event, SCTP_EVENT_RESET_DONE) ||
        take_flag(&s->event_low, event, SCTP_EVENT_BUFFERED_LOW))
        return true;
    if (held)
        return false;
    event->reason = s->close_reason;
    return take_flag(&s->event_closed, event, SCTP_EVENT_CLOSED);
}

bool sctp_peek_message(const struct sctp *s, struct sctp_message *message) {
    *message = (struct sctp_message){0};
    uint32_t at = s->rx.ready.head;
    if (at == SCTP_NONE)
        return false;
    const struct sctp_block *b = sctp_block_at(s, at);
    message->stream = b->stream;
    message->unordered = (b->flags & SCTP_FLAG_UNORDERED) != 0;
    message->ppid = b->ppid;
    for (;; b = sctp_block_at(s, b->next)) {
        message->len_bytes += b->len_bytes;
        if ((b->flags & SCTP_FLAG_END) != 0)
            return true;
        ASSERT(b->next != SCTP_NONE);
    }
}

void sctp_hold_messages(struct sctp *s, bool hold) {
    s->hold = hold;
}

bool sctp_message_part(const struct sctp *s, uint32_t *part, struct span *bytes) {
    uint32_t at = s->rx.current.head;
    for (uint32_t i = 0; i < *part && at != SCTP_NONE; i++)
        at = sctp_block_at(s, at)->next;
    if (at == SCTP_NONE)
        return false;
    *bytes = span_of(sctp_block_at(s, at)->bytes, sctp_block_at(s, at)->len_bytes);
    (*part)++;
    return true;
}

void sctp_message_copy(const struct sctp *s, struct writer *w) {
    for (uint32_t at = s->rx.current.head; at != SCTP_NONE; at = sctp_block_at(s, at)->next)
        wr_bytes(w, sctp_block_at(s, at)->bytes, sctp_block_at(s, at)->len_bytes);
}

/* --- questions ------------------------------------------------------------------------------------------------------
 */

bool sctp_is_connected(const struct sctp *s) {
    return s->state == SCTP_STATE_ESTABLISHED && !s->abort_due;
}

bool sctp_peer_resets(const struct sctp *s) {
    return s->peer.reconfig;
}

uint32_t sctp_buffered_total(const struct sctp *s) {
    return s->tx.bytes;
}

uint64_t sctp_settled_bytes(const struct sctp *s, uint8_t account) {
    ASSERT(account < SCTP_ACCOUNTS);
    return s->settled_bytes[account];
}

uint32_t sctp_blocks_held(const struct sctp *s) {
    return s->tx.pending + s->tx.sent.count + s->rx.fragments.count + s->rx.ready.count + s->rx.current.count +
           s->replies.count + s->cookie.count;
}

struct sctp_stats sctp_stats(const struct sctp *s) {
    return (struct sctp_stats){.rtt_us = s->rtt.srtt_us,
                               .rto_us = s->rtt.rto_us,
                               .cwnd_bytes = s->tx.cwnd_bytes,
                               .flight_bytes = s->tx.flight_bytes,
                               .peer_window_bytes = s->tx.peer_window_bytes};
}
