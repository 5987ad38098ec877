/* Reading of RTCP: rtcp.h. A view is made only of a packet that was checked whole, which is why the getters below
 * assert where they read. */
#include "base/assert.h"
#include "protocol/rtcp.h"

#define VERSION 2
#define BLOCK_LEN 24
#define FIR_ENTRY_LEN 8
#define SDES_END 0
#define SDES_CNAME 1
#define TWCC_TICK_US 250
#define TWCC_REFERENCE_US 64000

struct rtcp_iter rtcp_iter_of(struct span compound, struct rtcp_counters *counters) {
    return (struct rtcp_iter){.in = reader_of_span(compound), .counters = counters};
}

/* ---- contents ------------------------------------------------------------------------------------------ */

static struct rtcp_report_block read_block(struct reader *r) {
    struct rtcp_report_block block = {.ssrc = rd_u32(r), .fraction_lost = rd_u8(r)};
    uint32_t lost = rd_u24(r);
    block.lost = (lost & 0x800000) != 0 ? (int32_t)lost - 0x1000000 : (int32_t)lost;
    block.highest_seq = rd_u32(r);
    block.jitter = rd_u32(r);
    block.lsr = rd_u32(r);
    block.dlsr = rd_u32(r);
    return block;
}

struct rtcp_report_block rtcp_report_block_at(const struct rtcp_view *view, size_t index) {
    ASSERT(view->kind == RTCP_SR || view->kind == RTCP_RR);
    ASSERT(index < view->count);
    struct reader r = reader_of_span(view->body);
    rd_skip(&r, index * BLOCK_LEN);
    struct rtcp_report_block block = read_block(&r);
    ASSERT(reader_ok(&r));
    return block;
}

static bool parse_report(struct reader *r, struct rtcp_view *view) {
    view->sender_ssrc = rd_u32(r);
    if (view->kind == RTCP_SR) {
        view->sr.ntp = rd_u64(r);
        view->sr.rtp_time = rd_u32(r);
        view->sr.packets = rd_u32(r);
        view->sr.bytes = rd_u32(r);
    }
    view->body = rd_span(r, (size_t)view->count * BLOCK_LEN);
    return reader_ok(r); /* a profile's extension may follow: ignored */
}

/* One chunk: SSRC, items up to a zero type, filled to a multiple of 4 (RFC 3550 section 6.5). */
static bool read_chunk(struct reader *r, uint32_t *ssrc, struct span *cname) {
    *cname = (struct span){0};
    *ssrc = rd_u32(r);
    while (reader_ok(r)) {
        uint8_t type = rd_u8(r);
        if (type == SDES_END) {
            rd_skip(r, (4 - r->pos % 4) % 4);
            break;
        }
        struct span text = rd_span(r, rd_u8(r));
        if (type == SDES_CNAME && cname->len == 0)
            *cname = text;
    }
    return reader_ok(r);
}

static bool parse_sdes(struct reader *r, struct rtcp_view *view) {
    view->body = rd_rest(r);
    struct reader chunks = reader_of_span(view->body);
    uint32_t ssrc;
    struct span cname;
    for (size_t i = 0; i < view->count; i++) {
        if (!read_chunk(&chunks, &ssrc, &cname))
            return false;
    }
    return true;
}

struct span rtcp_sdes_cname(const struct rtcp_view *view, size_t index, uint32_t *ssrc) {
    ASSERT(view->kind == RTCP_SDES && ssrc != NULL);
    ASSERT(index < view->count);
    struct reader r = reader_of_span(view->body);
    struct span cname = {0};
    for (size_t i = 0; i <= index; i++) {
        bool ok = read_chunk(&r, ssrc, &cname);
        ASSERT(ok);
    }
    return cname;
}

static uint32_t u32_at(struct span body, size_t offset) {
    struct reader r = reader_of_span(body);
    rd_skip(&r, offset);
    uint32_t value = rd_u32(&r);
    ASSERT(reader_ok(&r));
    return value;
}

uint32_t rtcp_bye_ssrc(const struct rtcp_view *view, size_t index) {
    ASSERT(view->kind == RTCP_BYE);
    ASSERT(index < view->count);
    return u32_at(view->body, index * 4);
}

struct rtcp_nack_iter rtcp_nack_iter_of(const struct rtcp_view *view) {
    ASSERT(view->kind == RTCP_NACK);
    return (struct rtcp_nack_iter){.in = reader_of_span(view->body)};
}

bool rtcp_nack_next(struct rtcp_nack_iter *iter, uint16_t *seq16) {
    ASSERT(iter != NULL && seq16 != NULL);
    if (iter->bits == 0) {
        if (reader_left(&iter->in) < 4)
            return false;
        iter->pid = rd_u16(&iter->in);
        /* BLP bit 0 is PID + 1 (RFC 4585 section 6.2.1); PID itself becomes our bit 0 */
        iter->bits = (uint32_t)rd_u16(&iter->in) << 1 | 1;
    }
    unsigned lowest = (unsigned)__builtin_ctz(iter->bits);
    iter->bits &= iter->bits - 1;
    *seq16 = (uint16_t)(iter->pid + lowest);
    return true;
}

size_t rtcp_fir_count(const struct rtcp_view *view) {
    ASSERT(view->kind == RTCP_FIR);
    return view->body.len / FIR_ENTRY_LEN;
}

struct rtcp_fir_entry rtcp_fir_at(const struct rtcp_view *view, size_t index) {
    ASSERT(index < rtcp_fir_count(view));
    return (struct rtcp_fir_entry){.ssrc = u32_at(view->body, index * FIR_ENTRY_LEN),
                                   .seq8 = (uint8_t)(u32_at(view->body, index * FIR_ENTRY_LEN + 4) >> 24)};
}

size_t rtcp_remb_count(const struct rtcp_view *view) {
    ASSERT(view->kind == RTCP_REMB);
    return view->body.len / 4;
}

uint32_t rtcp_remb_ssrc(const struct rtcp_view *view, size_t index) {
    ASSERT(index < rtcp_remb_count(view));
    return u32_at(view->body, index * 4);
}

static bool parse_remb(struct reader *r, struct rtcp_view *view) {
    view->kind = RTCP_REMB;
    size_t ssrcs = rd_u8(r);
    uint32_t rate = rd_u24(r);
    unsigned exponent = rate >> 18;
    uint64_t mantissa = rate & 0x3ffff;
    view->remb_bps = mantissa << exponent;
    if (view->remb_bps >> exponent != mantissa)
        view->remb_bps = UINT64_MAX;
    view->body = rd_span(r, ssrcs * 4);
    return reader_ok(r);
}

/* ---- transport-wide feedback --------------------------------------------------------------------------- */

/* The status symbol of the next packet: 0 lost, 1 small delta, 2 large or negative delta, 3 reserved. A last chunk may
 * hold more symbols than there are packets. When the chunks run out the reader has failed. */
static unsigned next_symbol(struct rtcp_twcc_iter *iter) {
    while (iter->run_left == 0 && reader_ok(&iter->chunks)) {
        uint16_t chunk = rd_u16(&iter->chunks);
        if ((chunk & 0x8000) == 0) {
            iter->symbol_bits = 0;
            iter->symbols = chunk >> 13;
            iter->run_left = chunk & 0x1fff;
        } else {
            iter->symbol_bits = (chunk & 0x4000) == 0 ? 1 : 2;
            iter->symbols = (uint16_t)(chunk << 2);
            iter->run_left = iter->symbol_bits == 1 ? 14 : 7;
        }
    }
    if (!reader_ok(&iter->chunks))
        return 0;
    iter->run_left--;
    if (iter->symbol_bits == 0)
        return iter->symbols;
    unsigned symbol = (unsigned)iter->symbols >> (16 - iter->symbol_bits);
    iter->symbols = (uint16_t)(iter->symbols << iter->symbol_bits);
    return symbol;
}

/* Goes through all symbols once: where do the deltas begin, and are they all there? */
static bool find_deltas(const struct rtcp_view *view, struct reader *deltas) {
    struct rtcp_twcc_iter iter = {.chunks = reader_of_span(view->body)};
    size_t deltas_len = 0;
    for (size_t i = 0; i < view->twcc_status_count; i++) {
        unsigned symbol = next_symbol(&iter);
        if (symbol > 2)
            return false;
        deltas_len += symbol;
    }
    *deltas = iter.chunks;
    return reader_ok(deltas) && reader_left(deltas) >= deltas_len;
}

static bool parse_twcc(struct reader *r, struct rtcp_view *view) {
    view->twcc_base_seq16 = rd_u16(r);
    view->twcc_status_count = rd_u16(r);
    uint32_t reference = rd_u24(r);
    int64_t signed_reference = (reference & 0x800000) != 0 ? (int64_t)reference - 0x1000000 : (int64_t)reference;
    view->twcc_reference_us = signed_reference * TWCC_REFERENCE_US;
    view->twcc_feedback_count = rd_u8(r);
    if (!reader_ok(r) || view->twcc_status_count == 0 || view->twcc_status_count > RTCP_TWCC_STATUS_MAX)
        return false;
    view->body = rd_rest(r);
    struct reader deltas;
    return find_deltas(view, &deltas);
}

struct rtcp_twcc_iter rtcp_twcc_iter_of(const struct rtcp_view *view) {
    ASSERT(view->kind == RTCP_TWCC);
    struct rtcp_twcc_iter iter = {.chunks = reader_of_span(view->body),
                                  .seq16 = view->twcc_base_seq16,
                                  .left = view->twcc_status_count,
                                  .arrival_us = view->twcc_reference_us};
    bool ok = find_deltas(view, &iter.deltas);
    ASSERT(ok);
    return iter;
}

bool rtcp_twcc_next(struct rtcp_twcc_iter *iter, struct rtcp_twcc_packet *packet) {
    ASSERT(iter != NULL && packet != NULL);
    if (iter->left == 0)
        return false;
    iter->left--;
    unsigned symbol = next_symbol(iter);
    *packet = (struct rtcp_twcc_packet){.seq16 = iter->seq16++, .received = symbol != 0};
    if (symbol == 1)
        packet->delta_us = (int32_t)rd_u8(&iter->deltas) * TWCC_TICK_US;
    else if (symbol == 2)
        packet->delta_us = (int32_t)(int16_t)rd_u16(&iter->deltas) * TWCC_TICK_US;
    iter->arrival_us += packet->delta_us;
    packet->arrival_us = packet->received ? iter->arrival_us : 0;
    ASSERT(reader_ok(&iter->chunks) && reader_ok(&iter->deltas));
    return true;
}

/* ---- compounds ----------------------------------------------------------------------------------------- */

enum outcome { OUTCOME_VIEW, OUTCOME_MALFORMED, OUTCOME_UNKNOWN };

static enum outcome verdict(bool ok) {
    return ok ? OUTCOME_VIEW : OUTCOME_MALFORMED;
}

static enum outcome parse_feedback(struct reader *r, uint8_t pt, uint8_t fmt, struct rtcp_view *view) {
    view->count = 0;
    view->sender_ssrc = rd_u32(r);
    view->media_ssrc = rd_u32(r);
    if (!reader_ok(r))
        return OUTCOME_MALFORMED;
    if (pt == RTCP_PT_RTPFB && fmt == RTCP_FMT_NACK) {
        view->kind = RTCP_NACK;
        view->body = rd_rest(r);
        return verdict(view->body.len > 0 && view->body.len % 4 == 0);
    }
    if (pt == RTCP_PT_RTPFB && fmt == RTCP_FMT_TWCC) {
        view->kind = RTCP_TWCC;
        return verdict(parse_twcc(r, view));
    }
    if (pt == RTCP_PT_PSFB && fmt == RTCP_FMT_PLI) {
        view->kind = RTCP_PLI;
        return OUTCOME_VIEW;
    }
    if (pt == RTCP_PT_PSFB && fmt == RTCP_FMT_FIR) {
        view->kind = RTCP_FIR;
        view->body = rd_rest(r);
        return verdict(view->body.len > 0 && view->body.len % FIR_ENTRY_LEN == 0);
    }
    if (pt == RTCP_PT_PSFB && fmt == RTCP_FMT_AFB && span_equal_str(rd_span(r, 4), "REMB"))
        return verdict(parse_remb(r, view));
    return OUTCOME_UNKNOWN;
}

static enum outcome parse_body(struct reader *r, uint8_t pt, uint8_t count, struct rtcp_view *view) {
    view->count = count;
    switch (pt) {
    case RTCP_PT_SR:
    case RTCP_PT_RR:
        view->kind = pt == RTCP_PT_SR ? RTCP_SR : RTCP_RR;
        return verdict(parse_report(r, view));
    case RTCP_PT_SDES:
        view->kind = RTCP_SDES;
        return verdict(parse_sdes(r, view));
    case RTCP_PT_BYE: /* a reason text may follow: ignored */
        view->kind = RTCP_BYE;
        view->body = rd_span(r, (size_t)count * 4);
        return verdict(reader_ok(r));
    case RTCP_PT_RTPFB:
    case RTCP_PT_PSFB:
        return parse_feedback(r, pt, count, view);
    default:
        return OUTCOME_UNKNOWN;
    }
}

/* Takes the padding off. The RFC wants it in the last packet only and in multiples of 4; browsers pad transport-wide
 * feedback by 1 to 3 bytes wherever it stands, so only what would read wrong bytes is refused. */
static bool strip_padding(struct reader *body) {
    uint8_t padding_len = body->len > 0 ? body->data[body->len - 1] : 0;
    if (padding_len == 0 || padding_len > body->len)
        return false;
    body->len -= padding_len;
    return true;
}

bool rtcp_next(struct rtcp_iter *iter, struct rtcp_view *view) {
    ASSERT(iter != NULL && view != NULL);
    while (reader_left(&iter->in) > 0) {
        uint8_t first = rd_u8(&iter->in);
        uint8_t pt = rd_u8(&iter->in);
        size_t body_len = (size_t)rd_u16(&iter->in) * 4;
        struct reader body = rd_sub(&iter->in, body_len);
        if (!reader_ok(&iter->in) || first >> 6 != VERSION || iter->packets++ >= RTCP_PACKETS_MAX) {
            reader_fail(&iter->in);
            if (iter->counters != NULL)
                iter->counters->framing++;
            return false;
        }
        *view = (struct rtcp_view){0};
        bool padded = (first & 0x20) != 0;
        enum outcome outcome = OUTCOME_MALFORMED;
        if (!padded || strip_padding(&body))
            outcome = parse_body(&body, pt, first & 0x1f, view);
        if (outcome == OUTCOME_VIEW)
            return true;
        if (iter->counters != NULL) {
            iter->counters->malformed += outcome == OUTCOME_MALFORMED ? 1 : 0;
            iter->counters->unknown += outcome == OUTCOME_UNKNOWN ? 1 : 0;
        }
    }
    return false;
}
