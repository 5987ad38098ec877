#include "base/crc.h"
#include "protocol/sctp_internal.h"

/* Most that one RE-CONFIG pair and one FORWARD-TSN take. */
#define RECONFIG_ROOM (4 + 24 + 4 + 16 + 2 * SCTP_RESET_STREAMS_MAX + 2)
#define FORWARD_ROOM (8 + 4 * SCTP_SKIP_STREAMS_MAX)
#define SACK_ROOM (16 + 4 * SCTP_DUPLICATES_MAX + 4)

static void open_packet(const struct sctp *s, struct writer *p, uint32_t tag) {
    wr_u16(p, s->config.local_port);
    wr_u16(p, s->config.remote_port);
    wr_u32(p, tag);
    wr_u32(p, 0);
}

static void write_empty_chunk(struct writer *p, enum sctp_chunk_type type) {
    wr_u8(p, (uint8_t)type);
    wr_u8(p, 0);
    wr_u16(p, SCTP_CHUNK_HEADER_BYTES);
}

static void write_shutdown(const struct sctp *s, struct writer *p) {
    wr_u8(p, SCTP_SHUTDOWN);
    wr_u8(p, 0);
    wr_u16(p, 8);
    wr_u32(p, (uint32_t)s->rx.cum_tsn);
}

static void write_abort(const struct sctp *s, struct writer *p) {
    wr_u8(p, SCTP_ABORT);
    wr_u8(p, 0);
    wr_u16(p, 8);
    wr_u16(p, s->abort_cause);
    wr_u16(p, 4);
}

static void write_heartbeat(struct sctp *s, uint64_t now_us, struct writer *p) {
    s->heartbeat_nonce = now_us;
    wr_u8(p, SCTP_HEARTBEAT);
    wr_u8(p, 0);
    wr_u16(p, 16);
    wr_u16(p, 1); /* Heartbeat Info */
    wr_u16(p, 12);
    wr_u64(p, s->heartbeat_nonce);
}

/* Packets that hold one chunk alone. True when one was written. */
static bool write_lone(struct sctp *s, struct writer *p) {
    if (s->abort_due) {
        enum sctp_close_reason reason = s->close_reason;
        if (s->peer.tag != 0) {
            open_packet(s, p, s->peer.tag);
            write_abort(s, p);
        }
        sctp_finish(s, reason);
    } else if (s->init_ack_due) {
        open_packet(s, p, s->init_ack.peer.tag);
        sctp_write_init_ack(s, p);
        s->init_ack_due = false;
    } else if (s->init_due) {
        open_packet(s, p, 0);
        sctp_write_init(s, p);
        s->init_due = false;
    } else if (s->shutdown_complete_due) {
        open_packet(s, p, s->peer.tag);
        write_empty_chunk(p, SCTP_SHUTDOWN_COMPLETE);
        sctp_finish(s, s->close_reason);
    }
    return p->len > 0;
}

static void write_cookie_echo(struct sctp *s, struct writer *p) {
    ASSERT(s->cookie.count == 1);
    const struct sctp_block *b = sctp_block_at(s, s->cookie.head);
    wr_u8(p, SCTP_COOKIE_ECHO);
    wr_u8(p, 0);
    wr_u16(p, (uint16_t)(SCTP_CHUNK_HEADER_BYTES + b->len_bytes));
    wr_bytes(p, b->bytes, b->len_bytes);
    wr_zeros(p, sctp_pad4(b->len_bytes) - b->len_bytes);
    s->cookie_echo_due = false;
}

static void write_replies(struct sctp *s, struct writer *p, size_t limit) {
    while (s->replies.head != SCTP_NONE) {
        uint32_t index = s->replies.head;
        const struct sctp_block *b = sctp_block_at(s, index);
        if (p->len + b->len_bytes > limit)
            return;
        wr_bytes(p, b->bytes, b->len_bytes);
        sctp_list_remove(s, &s->replies, index);
        sctp_block_give(s, index);
    }
}

static void write_established(struct sctp *s, uint64_t now_us, struct writer *p, size_t limit) {
    bool sack_with_data = s->rx.unacked_packets > 0 && (s->tx.pending > 0 || s->tx.marked > 0);
    if ((s->rx.sack_due || sack_with_data) && p->len + SACK_ROOM <= limit)
        sctp_write_sack(s, p, limit);
    if (s->shutdown_due && p->len + 8 <= limit) {
        write_shutdown(s, p);
        s->shutdown_due = false;
    }
    if (s->shutdown_ack_due && p->len + SCTP_CHUNK_HEADER_BYTES <= limit) {
        write_empty_chunk(p, SCTP_SHUTDOWN_ACK);
        s->shutdown_ack_due = false;
    }
    if ((s->reset.answers_due > 0 || s->reset.request_due) && p->len + RECONFIG_ROOM <= limit)
        sctp_write_reconfig(s, p);
    if (s->tx.forward_due && p->len + FORWARD_ROOM <= limit) {
        sctp_write_forward_tsn(s, p);
        s->tx.forward_due = false;
    }
    if (s->heartbeat_due && p->len + 16 <= limit) {
        write_heartbeat(s, now_us, p);
        s->heartbeat_due = false;
    }
    sctp_write_data(s, now_us, p, limit);
}

/* What follows from the last calls: resets that may start, a shutdown that may go on, a window that opened again. */
static void update(struct sctp *s, uint64_t now_us) {
    if (s->state < SCTP_STATE_ESTABLISHED || s->state == SCTP_STATE_DONE || s->abort_due)
        return;
    if (sctp_recv_window_opened(s))
        s->rx.sack_due = true;
    sctp_reset_progress(s, now_us);
    sctp_setup_progress(s, now_us);
}

bool sctp_poll_packet(struct sctp *s, uint64_t now_us, struct writer *w) {
    ASSERT(now_us > 0);
    ASSERT(writer_left(w) >= s->config.mtu_bytes);
    if (s->state == SCTP_STATE_DONE)
        return false;
    update(s, now_us);
    struct writer p = writer_of(w->data + w->len, s->config.mtu_bytes);
    if (!write_lone(s, &p) && s->state != SCTP_STATE_DONE && s->peer.tag != 0) {
        size_t limit = s->config.mtu_bytes & ~(size_t)3;
        open_packet(s, &p, s->peer.tag);
        if (s->cookie_echo_due)
            write_cookie_echo(s, &p);
        if (s->cookie_ack_due) {
            write_empty_chunk(&p, SCTP_COOKIE_ACK);
            s->cookie_ack_due = false;
        }
        write_replies(s, &p, limit);
        if (s->state >= SCTP_STATE_ESTABLISHED)
            write_established(s, now_us, &p, limit);
    }
    if (p.len <= SCTP_HEADER_BYTES)
        return false;
    ASSERT(writer_ok(&p) && p.len % 4 == 0);
    /* the reflected CRC goes out low byte first: RFC 9260 appendix A */
    wr_patch_u32(&p, 8, __builtin_bswap32(crc32c(p.data, p.len)));
    w->len += p.len;
    SCTP_COUNT(s, tx_packets);
    return true;
}
