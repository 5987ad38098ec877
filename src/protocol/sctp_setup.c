#include <string.h>

#include "base/secret.h"
#include "crypto/hmac.h"
#include "protocol/sctp_internal.h"

enum sctp_param {
    PARAM_STATE_COOKIE = 7,
    PARAM_UNRECOGNISED = 8,
    PARAM_COOKIE_PRESERVATIVE = 9,
    PARAM_IPV4 = 5,
    PARAM_IPV6 = 6,
    PARAM_HOST_NAME = 11,
    PARAM_ADDRESS_TYPES = 12,
    PARAM_EXTENSIONS = 0x8008,
    PARAM_FORWARD_TSN = 0xc000,
};

#define COOKIE_BODY_BYTES 45
#define COOKIE_BYTES (COOKIE_BODY_BYTES + HMAC_SHA256_LEN)
#define INIT_FIXED_BYTES 16

/* --- INIT and INIT ACK, read ----------------------------------------------------------------------------------------
 */

struct init_params {
    struct sctp_peer peer;
    struct span cookie;
    uint8_t unknown[SCTP_UNKNOWN_BYTES_MAX];
    uint8_t unknown_len;
};

static void note_unknown(struct init_params *p, struct span param) {
    uint32_t padded = sctp_pad4((uint32_t)param.len);
    if (p->unknown_len + padded > SCTP_UNKNOWN_BYTES_MAX)
        return;
    memset(p->unknown + p->unknown_len, 0, padded);
    memcpy(p->unknown + p->unknown_len, param.data, param.len);
    p->unknown_len = (uint8_t)(p->unknown_len + padded);
}

static void read_extensions(struct init_params *p, struct reader *r) {
    while (reader_left(r) > 0) {
        uint8_t type = rd_u8(r);
        if (type == SCTP_RECONFIG)
            p->peer.reconfig = true;
        else if (type == SCTP_FORWARD_TSN)
            p->peer.forward_tsn = true;
    }
}

/* One parameter; false when the rest is not to be looked at (RFC 9260 section 3.2.1: the two upper bits). */
static bool read_param(struct init_params *p, uint16_t type, struct span whole) {
    struct reader r = reader_of_span(whole);
    rd_skip(&r, 4);
    switch (type) {
    case PARAM_STATE_COOKIE:
        p->cookie = rd_rest(&r);
        return true;
    case PARAM_EXTENSIONS:
        read_extensions(p, &r);
        return true;
    case PARAM_FORWARD_TSN:
        p->peer.forward_tsn = true;
        return true;
    case PARAM_UNRECOGNISED:
    case PARAM_COOKIE_PRESERVATIVE:
    case PARAM_IPV4:
    case PARAM_IPV6:
    case PARAM_HOST_NAME:
    case PARAM_ADDRESS_TYPES:
        return true;
    default:
        if ((type & 0x4000) != 0)
            note_unknown(p, whole);
        return (type & 0x8000) != 0;
    }
}

static bool read_init(struct sctp *s, struct reader *r, struct init_params *p) {
    *p = (struct init_params){0};
    p->peer.tag = rd_u32(r);
    p->peer.window_bytes = rd_u32(r);
    uint16_t outgoing = rd_u16(r);
    uint16_t incoming = rd_u16(r);
    p->peer.initial_tsn = rd_u32(r);
    /* a peer sends on as many streams as it asked for and we take, and the other way round (RFC 9260 section 5.1.1) */
    p->peer.streams_in = outgoing < s->config.streams ? outgoing : s->config.streams;
    p->peer.streams_out = incoming < s->config.streams ? incoming : s->config.streams;
    bool more = true;
    while (more && reader_left(r) >= 4) {
        struct reader at = *r;
        uint16_t type = rd_u16(&at);
        uint16_t len = rd_u16(&at);
        if (len < 4)
            return false;
        struct span whole = rd_span(r, len);
        if (!reader_ok(r))
            return false;
        more = read_param(p, type, whole);
        size_t padding = sctp_pad4(len) - len;
        rd_skip(r, padding < reader_left(r) ? padding : reader_left(r));
    }
    return reader_ok(r) && p->peer.tag != 0 && outgoing != 0 && incoming != 0;
}

/* --- cookie ---------------------------------------------------------------------------------------------------------
 */

static void write_cookie(const struct sctp *s, const struct sctp_cookie *c, uint8_t out[COOKIE_BYTES]) {
    struct writer w = writer_of(out, COOKIE_BODY_BYTES);
    wr_u64(&w, c->made_us);
    wr_u32(&w, c->my_tag);
    wr_u32(&w, c->my_initial_tsn);
    wr_u32(&w, c->tie_mine);
    wr_u32(&w, c->tie_peer);
    wr_u32(&w, c->peer.tag);
    wr_u32(&w, c->peer.initial_tsn);
    wr_u32(&w, c->peer.window_bytes);
    wr_u16(&w, c->peer.streams_out);
    wr_u16(&w, c->peer.streams_in);
    wr_u8(&w, (uint8_t)((c->peer.forward_tsn ? 1 : 0) | (c->peer.reconfig ? 2 : 0)));
    wr_zeros(&w, COOKIE_BODY_BYTES - w.len);
    ASSERT(writer_ok(&w));
    hmac_once(HMAC_SHA256, span_of(s->secret, sizeof s->secret), span_of(out, COOKIE_BODY_BYTES),
              out + COOKIE_BODY_BYTES);
}

static bool read_cookie(const struct sctp *s, struct span bytes, struct sctp_cookie *c) {
    if (bytes.len != COOKIE_BYTES)
        return false;
    uint8_t mac[HMAC_SHA256_LEN];
    hmac_once(HMAC_SHA256, span_of(s->secret, sizeof s->secret), span_of(bytes.data, COOKIE_BODY_BYTES), mac);
    if (!secure_equal(mac, bytes.data + COOKIE_BODY_BYTES, sizeof mac))
        return false;
    struct reader r = reader_of(bytes.data, COOKIE_BODY_BYTES);
    c->made_us = rd_u64(&r);
    c->my_tag = rd_u32(&r);
    c->my_initial_tsn = rd_u32(&r);
    c->tie_mine = rd_u32(&r);
    c->tie_peer = rd_u32(&r);
    c->peer.tag = rd_u32(&r);
    c->peer.initial_tsn = rd_u32(&r);
    c->peer.window_bytes = rd_u32(&r);
    c->peer.streams_out = rd_u16(&r);
    c->peer.streams_in = rd_u16(&r);
    uint8_t flags = rd_u8(&r);
    c->peer.forward_tsn = (flags & 1) != 0;
    c->peer.reconfig = (flags & 2) != 0;
    ASSERT(reader_ok(&r));
    return true;
}

/* Tag and TSN for a possible restart, unpredictable without keeping the random generator. */
static void new_identity(struct sctp *s, uint32_t *tag, uint32_t *tsn) {
    uint8_t number[4];
    uint8_t out[HMAC_SHA256_LEN];
    struct writer w = writer_of(number, sizeof number);
    wr_u32(&w, s->tags_made++);
    hmac_once(HMAC_SHA256, span_of(s->secret, sizeof s->secret), span_of(number, sizeof number), out);
    struct reader r = reader_of(out, sizeof out);
    *tag = rd_u32(&r);
    *tsn = rd_u32(&r);
    *tag = *tag != 0 ? *tag : 1;
    secure_wipe(out, sizeof out);
}

/* --- written --------------------------------------------------------------------------------------------------------
 */

static void write_init_fixed(const struct sctp *s, struct writer *w, uint32_t tag, uint32_t tsn, uint16_t streams_out) {
    wr_u32(w, tag);
    wr_u32(w, s->config.recv_buffer_bytes);
    wr_u16(w, streams_out);
    wr_u16(w, s->config.streams);
    wr_u32(w, tsn);
    wr_u16(w, PARAM_FORWARD_TSN);
    wr_u16(w, 4);
    wr_u16(w, PARAM_EXTENSIONS);
    wr_u16(w, 6);
    wr_u8(w, SCTP_RECONFIG);
    wr_u8(w, SCTP_FORWARD_TSN);
    wr_zeros(w, 2);
}

void sctp_write_init(struct sctp *s, struct writer *w) {
    size_t start = w->len;
    wr_u8(w, SCTP_INIT);
    wr_u8(w, 0);
    wr_u16(w, 0);
    write_init_fixed(s, w, s->my_tag, s->my_initial_tsn, s->config.streams);
    wr_patch_u16(w, start + 2, (uint16_t)(w->len - start));
}

void sctp_write_init_ack(struct sctp *s, struct writer *w) {
    const struct sctp_cookie *c = &s->init_ack;
    uint8_t cookie[COOKIE_BYTES];
    size_t start = w->len;
    write_cookie(s, c, cookie);
    wr_u8(w, SCTP_INIT_ACK);
    wr_u8(w, 0);
    wr_u16(w, 0);
    write_init_fixed(s, w, c->my_tag, c->my_initial_tsn, c->peer.streams_out);
    if (s->unknown_len > 0) {
        wr_u16(w, PARAM_UNRECOGNISED);
        wr_u16(w, (uint16_t)(4 + s->unknown_len));
        wr_bytes(w, s->unknown, s->unknown_len);
    }
    wr_u16(w, PARAM_STATE_COOKIE);
    wr_u16(w, 4 + COOKIE_BYTES);
    wr_bytes(w, cookie, sizeof cookie);
    wr_patch_u16(w, start + 2, (uint16_t)(w->len - start));
    wr_zeros(w, sctp_pad4(COOKIE_BYTES) - COOKIE_BYTES);
}

/* --- handshake (RFC 9260 sections 5.1 and 5.2) ----------------------------------------------------------------------
 */

void sctp_connect(struct sctp *s, uint64_t now_us) {
    ASSERT(now_us > 0);
    if (s->state != SCTP_STATE_CLOSED)
        return;
    s->state = SCTP_STATE_COOKIE_WAIT;
    s->init_due = true;
    s->timers.setup_us = now_us + s->rtt.rto_us;
}

void sctp_setup_init(struct sctp *s, uint64_t now_us, struct reader *r) {
    struct init_params p;
    if (!read_init(s, r, &p)) {
        SCTP_COUNT(s, rx_bad_chunk);
        return;
    }
    if (s->state == SCTP_STATE_SHUTDOWN_ACK_SENT) { /* RFC 9260 section 9.2 */
        s->shutdown_ack_due = true;
        return;
    }
    struct sctp_cookie *c = &s->init_ack;
    *c = (struct sctp_cookie){
        .made_us = now_us, .my_tag = s->my_tag, .my_initial_tsn = s->my_initial_tsn, .peer = p.peer};
    if (s->state >= SCTP_STATE_COOKIE_ECHOED) {
        c->tie_mine = s->my_tag;
        c->tie_peer = s->peer.tag;
    }
    if (s->state >= SCTP_STATE_ESTABLISHED)
        new_identity(s, &c->my_tag, &c->my_initial_tsn);
    s->unknown_len = p.unknown_len;
    memcpy(s->unknown, p.unknown, p.unknown_len);
    s->init_ack_due = true;
}

static void adopt_peer(struct sctp *s, const struct sctp_peer *peer) {
    s->peer = *peer;
    s->rx.cum_tsn = SCTP_TSN_BASE + peer->initial_tsn - 1;
    s->rx.highest_tsn = s->rx.cum_tsn;
    s->tx.peer_window_bytes = peer->window_bytes;
    s->tx.ssthresh_bytes = UINT32_MAX;
    s->reset.peer_seq = peer->initial_tsn;
    s->reset.response_seq = peer->initial_tsn - 1;
}

void sctp_setup_init_ack(struct sctp *s, uint64_t now_us, struct reader *r) {
    struct init_params p;
    if (s->state != SCTP_STATE_COOKIE_WAIT) {
        SCTP_COUNT(s, rx_unexpected);
        return;
    }
    size_t cookie_max = (size_t)s->config.mtu_bytes - SCTP_HEADER_BYTES - SCTP_CHUNK_HEADER_BYTES - 3;
    if (!read_init(s, r, &p) || p.cookie.len == 0 || p.cookie.len > cookie_max) {
        SCTP_COUNT(s, rx_bad_chunk);
        return;
    }
    uint32_t index = sctp_block_take(s);
    if (index == SCTP_NONE) { /* INIT goes out again and asks for another one */
        SCTP_COUNT(s, rx_no_block);
        return;
    }
    struct sctp_block *b = sctp_block_at(s, index);
    memcpy(b->bytes, p.cookie.data, p.cookie.len);
    b->len_bytes = (uint16_t)p.cookie.len;
    ASSERT(s->cookie.count == 0);
    sctp_list_push(s, &s->cookie, index);
    adopt_peer(s, &p.peer);
    if (p.unknown_len > 0) {
        uint8_t cause[4 + SCTP_UNKNOWN_BYTES_MAX];
        struct writer w = writer_of(cause, sizeof cause);
        wr_u16(&w, SCTP_CAUSE_UNKNOWN_PARAMS);
        wr_u16(&w, (uint16_t)(4 + p.unknown_len));
        wr_bytes(&w, p.unknown, p.unknown_len);
        sctp_reply(s, SCTP_ERROR, writer_span(&w));
    }
    s->state = SCTP_STATE_COOKIE_ECHOED;
    s->errors = 0;
    s->rtt.rto_us = SCTP_RTO_INITIAL_US;
    s->init_due = false;
    s->cookie_echo_due = true;
    s->timers.setup_us = now_us + s->rtt.rto_us;
}

static void become_established(struct sctp *s, uint64_t now_us) {
    sctp_list_clear(s, &s->cookie);
    s->state = SCTP_STATE_ESTABLISHED;
    s->init_due = false;
    s->cookie_echo_due = false;
    s->errors = 0;
    s->rtt.rto_us = SCTP_RTO_INITIAL_US;
    s->timers.setup_us = TIME_NEVER;
    s->timers.heartbeat_us = now_us + SCTP_HEARTBEAT_US;
    s->event_connected = true;
    SCTP_COUNT(s, established);
    sctp_drop_bad_streams(s);
    ASSERT(s->peer.tag != 0 && s->my_tag != 0);
}

static void restart(struct sctp *s, uint64_t now_us, const struct sctp_cookie *c) {
    sctp_clear(s);
    s->my_tag = c->my_tag;
    s->my_initial_tsn = c->my_initial_tsn;
    s->tx.next_tsn = SCTP_TSN_BASE + c->my_initial_tsn;
    s->tx.cum_tsn = s->tx.next_tsn - 1;
    s->tx.advanced_tsn = s->tx.cum_tsn;
    s->reset.request_seq = c->my_initial_tsn;
    adopt_peer(s, &c->peer);
    become_established(s, now_us);
    s->event_connected = false;
    s->event_restarted = true;
    SCTP_COUNT(s, restarted);
}

static void reply_stale(struct sctp *s, const struct sctp_cookie *c, uint64_t age_us) {
    uint8_t cause[8];
    struct writer w = writer_of(cause, sizeof cause);
    SCTP_COUNT(s, rx_stale_cookie);
    if (s->state == SCTP_STATE_CLOSED)
        s->peer.tag = c->peer.tag;
    wr_u16(&w, SCTP_CAUSE_STALE_COOKIE);
    wr_u16(&w, sizeof cause);
    wr_u32(&w, (uint32_t)(age_us - SCTP_COOKIE_LIFE_US));
    sctp_reply(s, SCTP_ERROR, writer_span(&w));
}

bool sctp_setup_cookie_echo(struct sctp *s, uint64_t now_us, uint32_t header_tag, struct span cookie) {
    struct sctp_cookie c = {0};
    if (!read_cookie(s, cookie, &c) || header_tag != c.my_tag) {
        SCTP_COUNT(s, rx_bad_cookie);
        return false;
    }
    bool mine = c.my_tag == s->my_tag;
    bool theirs = s->peer.tag != 0 && c.peer.tag == s->peer.tag;
    bool up = s->state >= SCTP_STATE_ESTABLISHED;
    if (!(mine && theirs) && time_since(now_us, c.made_us) > SCTP_COOKIE_LIFE_US) {
        reply_stale(s, &c, time_since(now_us, c.made_us));
        return false;
    }
    if (mine && theirs && up) { /* table 12, case D: our COOKIE ACK was lost */
        s->cookie_ack_due = true;
        return true;
    }
    if (mine && !up) { /* first contact, and cases B and D while both set up */
        if (s->state != SCTP_STATE_COOKIE_ECHOED || !theirs)
            adopt_peer(s, &c.peer);
        become_established(s, now_us);
        s->cookie_ack_due = true;
        return true;
    }
    bool ties = c.tie_mine == s->my_tag && c.tie_peer == s->peer.tag;
    if (!mine && !theirs && up && ties && s->state != SCTP_STATE_SHUTDOWN_ACK_SENT) { /* case A */
        restart(s, now_us, &c);
        s->cookie_ack_due = true;
        return true;
    }
    SCTP_COUNT(s, rx_unexpected); /* case C and anything older */
    return false;
}

void sctp_setup_cookie_ack(struct sctp *s, uint64_t now_us) {
    if (s->state != SCTP_STATE_COOKIE_ECHOED) {
        SCTP_COUNT(s, rx_unexpected);
        return;
    }
    become_established(s, now_us);
}

void sctp_setup_error(struct sctp *s, uint64_t now_us, struct reader *r) {
    uint16_t cause = rd_u16(r);
    if (!reader_ok(r) || cause != SCTP_CAUSE_STALE_COOKIE || s->state != SCTP_STATE_COOKIE_ECHOED)
        return;
    /* RFC 9260 section 5.2.6: start again with a fresh INIT; the attempts already made still count */
    sctp_list_clear(s, &s->cookie);
    s->cookie_echo_due = false;
    s->state = SCTP_STATE_COOKIE_WAIT;
    s->peer.tag = 0;
    s->errors++;
    s->timers.setup_us = now_us + s->rtt.rto_us;
    s->init_due = true;
}

void sctp_setup_timeout(struct sctp *s, uint64_t now_us) {
    bool setting_up = s->state == SCTP_STATE_COOKIE_WAIT || s->state == SCTP_STATE_COOKIE_ECHOED;
    s->timers.setup_us = TIME_NEVER;
    if (++s->errors > (setting_up ? SCTP_INIT_RETRANSMITS_MAX : SCTP_RETRANSMITS_MAX)) {
        SCTP_COUNT(s, timed_out);
        sctp_abort(s, SCTP_CLOSED_TIMEOUT, SCTP_CAUSE_USER_ABORT);
        return;
    }
    s->rtt.rto_us = time_min(2 * s->rtt.rto_us, SCTP_RTO_MAX_US);
    s->timers.setup_us = now_us + s->rtt.rto_us;
    s->init_due = s->state == SCTP_STATE_COOKIE_WAIT;
    s->cookie_echo_due = s->state == SCTP_STATE_COOKIE_ECHOED;
    s->shutdown_due = s->state == SCTP_STATE_SHUTDOWN_SENT;
    s->shutdown_ack_due = s->state == SCTP_STATE_SHUTDOWN_ACK_SENT;
}

/* --- shutdown (RFC 9260 section 9.2) --------------------------------------------------------------------------------
 */

void sctp_setup_progress(struct sctp *s, uint64_t now_us) {
    bool drained = s->tx.pending == 0 && s->tx.sent.count == 0;
    if (s->state == SCTP_STATE_SHUTDOWN_PENDING && drained) {
        s->state = SCTP_STATE_SHUTDOWN_SENT;
        s->shutdown_due = true;
        s->timers.setup_us = now_us + s->rtt.rto_us;
    } else if (s->state == SCTP_STATE_SHUTDOWN_RECEIVED && drained) {
        s->state = SCTP_STATE_SHUTDOWN_ACK_SENT;
        s->shutdown_ack_due = true;
        s->timers.setup_us = now_us + s->rtt.rto_us;
    } else if (s->state == SCTP_STATE_SHUTDOWN_SENT && s->rx.sack_due) {
        s->shutdown_due = true; /* late data is answered with SACK and SHUTDOWN */
    }
}

void sctp_setup_shutdown(struct sctp *s, uint64_t now_us, struct reader *r) {
    uint32_t tsn = rd_u32(r);
    if (!reader_ok(r)) {
        SCTP_COUNT(s, rx_bad_chunk);
        return;
    }
    sctp_ack_cumulative(s, now_us, tsn);
    if (s->state == SCTP_STATE_ESTABLISHED || s->state == SCTP_STATE_SHUTDOWN_PENDING) {
        s->state = SCTP_STATE_SHUTDOWN_RECEIVED;
        if (s->timers.guard_us == TIME_NEVER)
            s->timers.guard_us = now_us + SCTP_SHUTDOWN_GUARD_US;
    } else if (s->state == SCTP_STATE_SHUTDOWN_SENT) {
        s->state = SCTP_STATE_SHUTDOWN_ACK_SENT;
        s->shutdown_due = false;
        s->shutdown_ack_due = true;
        s->timers.setup_us = now_us + s->rtt.rto_us;
    } else if (s->state == SCTP_STATE_SHUTDOWN_ACK_SENT) {
        s->shutdown_ack_due = true;
    }
}

void sctp_setup_shutdown_ack(struct sctp *s) {
    if (s->state != SCTP_STATE_SHUTDOWN_SENT && s->state != SCTP_STATE_SHUTDOWN_ACK_SENT) {
        SCTP_COUNT(s, rx_unexpected);
        return;
    }
    s->shutdown_complete_due = true;
}

void sctp_setup_shutdown_complete(struct sctp *s) {
    if (s->state != SCTP_STATE_SHUTDOWN_ACK_SENT) {
        SCTP_COUNT(s, rx_unexpected);
        return;
    }
    sctp_finish(s, s->close_reason);
}
