/* Building of RTCP: rtcp.h. Every function works out its length first and then writes, so that a full writer never
 * holds a part of a packet. */
#include "base/assert.h"
#include "protocol/rtcp.h"

#define VERSION_BITS 0x80
#define BLOCK_LEN 24
#define FEEDBACK_LEN 12 /* header, sender SSRC, media SSRC */
#define TWCC_FIXED_LEN (FEEDBACK_LEN + 8)
#define TWCC_TICK_US 250
#define TWCC_REFERENCE_US 64000
#define NACK_BITS 16

/* Writes the header of a packet of `len` bytes; false, and the sticky error, when these do not fit. */
static bool begin(struct writer *w, size_t len, unsigned count, enum rtcp_pt pt) {
    ASSERT(w != NULL && count <= 31);
    ASSERT(len % 4 == 0 && len >= RTCP_HEADER_LEN && len / 4 <= 0x10000);
    if (writer_left(w) < len) {
        w->failed = true;
        return false;
    }
    wr_u8(w, (uint8_t)(VERSION_BITS | count));
    wr_u8(w, (uint8_t)pt);
    wr_u16(w, (uint16_t)(len / 4 - 1));
    return true;
}

static void write_blocks(struct writer *w, const struct rtcp_report_block *blocks, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct rtcp_report_block *block = &blocks[i];
        ASSERT(block->lost >= -0x800000 && block->lost <= 0x7fffff);
        wr_u32(w, block->ssrc);
        wr_u8(w, block->fraction_lost);
        wr_u24(w, (uint32_t)block->lost & UINT32_C(0xffffff));
        wr_u32(w, block->highest_seq);
        wr_u32(w, block->jitter);
        wr_u32(w, block->lsr);
        wr_u32(w, block->dlsr);
    }
}

bool rtcp_write_sr(struct writer *w, uint32_t sender_ssrc, const struct rtcp_sender_info *info,
                   const struct rtcp_report_block *blocks, size_t count) {
    ASSERT(info != NULL && count <= RTCP_BLOCKS_MAX);
    if (!begin(w, RTCP_HEADER_LEN + 24 + count * BLOCK_LEN, (unsigned)count, RTCP_PT_SR))
        return false;
    wr_u32(w, sender_ssrc);
    wr_u64(w, info->ntp);
    wr_u32(w, info->rtp_time);
    wr_u32(w, info->packets);
    wr_u32(w, info->bytes);
    write_blocks(w, blocks, count);
    return writer_ok(w);
}

bool rtcp_write_rr(struct writer *w, uint32_t sender_ssrc, const struct rtcp_report_block *blocks, size_t count) {
    ASSERT(count <= RTCP_BLOCKS_MAX);
    if (!begin(w, RTCP_HEADER_LEN + 4 + count * BLOCK_LEN, (unsigned)count, RTCP_PT_RR))
        return false;
    wr_u32(w, sender_ssrc);
    write_blocks(w, blocks, count);
    return writer_ok(w);
}

bool rtcp_write_sdes(struct writer *w, uint32_t ssrc, struct span cname) {
    ASSERT(cname.len > 0 && cname.len <= RTCP_CNAME_LEN_MAX);
    /* at least one zero byte ends the list of items, then up to the word boundary (RFC 3550 section 6.5) */
    size_t chunk_len = 4 + 2 + cname.len;
    size_t zeros = 4 - chunk_len % 4;
    if (!begin(w, RTCP_HEADER_LEN + chunk_len + zeros, 1, RTCP_PT_SDES))
        return false;
    wr_u32(w, ssrc);
    wr_u8(w, 1);
    wr_u8(w, (uint8_t)cname.len);
    wr_span(w, cname);
    wr_zeros(w, zeros);
    return writer_ok(w);
}

bool rtcp_write_bye(struct writer *w, const uint32_t *ssrcs, size_t count) {
    ASSERT(ssrcs != NULL && count <= RTCP_BLOCKS_MAX);
    if (!begin(w, RTCP_HEADER_LEN + count * 4, (unsigned)count, RTCP_PT_BYE))
        return false;
    for (size_t i = 0; i < count; i++)
        wr_u32(w, ssrcs[i]);
    return writer_ok(w);
}

static bool begin_feedback(struct writer *w, size_t len, enum rtcp_fmt fmt, enum rtcp_pt pt, uint32_t sender_ssrc,
                           uint32_t media_ssrc) {
    if (!begin(w, len, (unsigned)fmt, pt))
        return false;
    wr_u32(w, sender_ssrc);
    wr_u32(w, media_ssrc);
    return true;
}

/* The length of the run that fits into one PID and its bits, at least 1. */
static size_t nack_run(const uint16_t *seqs, size_t count, uint16_t *bits) {
    size_t run = 1;
    *bits = 0;
    for (; run < count; run++) {
        unsigned distance = (uint16_t)(seqs[run] - seqs[0]);
        if (distance == 0 || distance > NACK_BITS)
            break;
        *bits = (uint16_t)(*bits | 1u << (distance - 1));
    }
    return run;
}

size_t rtcp_write_nack(struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc, const uint16_t *seqs,
                       size_t count) {
    ASSERT(w != NULL && (seqs != NULL || count == 0));
    if (count == 0 || writer_left(w) < FEEDBACK_LEN + 4)
        return 0;
    size_t words_max = (writer_left(w) - FEEDBACK_LEN) / 4;
    if (words_max > 0xff00)
        words_max = 0xff00;
    size_t words = 0, done = 0;
    size_t length_at = w->len + 2;
    (void)begin_feedback(w, FEEDBACK_LEN, RTCP_FMT_NACK, RTCP_PT_RTPFB, sender_ssrc, media_ssrc);
    for (; done < count && words < words_max; words++) {
        uint16_t bits;
        size_t run = nack_run(seqs + done, count - done, &bits);
        wr_u16(w, seqs[done]);
        wr_u16(w, bits);
        done += run;
    }
    wr_patch_u16(w, length_at, (uint16_t)(FEEDBACK_LEN / 4 + words - 1));
    ASSERT(writer_ok(w));
    return done;
}

bool rtcp_write_pli(struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc) {
    return begin_feedback(w, FEEDBACK_LEN, RTCP_FMT_PLI, RTCP_PT_PSFB, sender_ssrc, media_ssrc);
}

bool rtcp_write_fir(struct writer *w, uint32_t sender_ssrc, const struct rtcp_fir_entry *entries, size_t count) {
    ASSERT(entries != NULL && count > 0 && count <= RTCP_BLOCKS_MAX);
    /* the media SSRC is unused and 0 (RFC 5104 section 4.3.1.2) */
    if (!begin_feedback(w, FEEDBACK_LEN + count * 8, RTCP_FMT_FIR, RTCP_PT_PSFB, sender_ssrc, 0))
        return false;
    for (size_t i = 0; i < count; i++) {
        wr_u32(w, entries[i].ssrc);
        wr_u32(w, (uint32_t)entries[i].seq8 << 24);
    }
    return writer_ok(w);
}

bool rtcp_write_remb(struct writer *w, uint32_t sender_ssrc, uint64_t rate_bps, const uint32_t *ssrcs, size_t count) {
    ASSERT((ssrcs != NULL || count == 0) && count <= RTCP_REMB_SSRCS_MAX);
    if (!begin_feedback(w, FEEDBACK_LEN + 8 + count * 4, RTCP_FMT_AFB, RTCP_PT_PSFB, sender_ssrc, 0))
        return false;
    uint32_t exponent = 0;
    while (rate_bps >> exponent > 0x3ffff)
        exponent++;
    wr_str(w, "REMB");
    wr_u8(w, (uint8_t)count);
    wr_u24(w, exponent << 18 | (uint32_t)(rate_bps >> exponent));
    for (size_t i = 0; i < count; i++)
        wr_u32(w, ssrcs[i]);
    return writer_ok(w);
}

/* ---- transport-wide feedback --------------------------------------------------------------------------- */

struct twcc_plan {
    uint64_t base;
    uint64_t reference; /* in units of 64 ms */
    size_t consumed;    /* arrivals */
    size_t statuses;
    size_t deltas_len;
    uint8_t symbol[RTCP_TWCC_BUILD_MAX];
    int16_t delta[RTCP_TWCC_BUILD_MAX]; /* per status, in ticks; of received packets only */
};

/* Symbols and deltas of as many arrivals as one message may hold, at most `count`. */
static void plan_make(struct twcc_plan *plan, uint64_t base, const struct rtcp_twcc_arrival *arrivals, size_t count) {
    plan->base = arrivals[0].seq64 - base > RTCP_TWCC_GAP_MAX ? arrivals[0].seq64 : base;
    plan->reference = arrivals[0].at_us / TWCC_REFERENCE_US;
    plan->consumed = plan->statuses = plan->deltas_len = 0;
    /* the reader adds up rounded deltas, so each is taken from the rounded time before it and errors do not add up */
    int64_t ticks_before = (int64_t)(plan->reference * (TWCC_REFERENCE_US / TWCC_TICK_US));
    for (size_t i = 0; i < count; i++) {
        ASSERT(i == 0 || arrivals[i].seq64 > arrivals[i - 1].seq64);
        uint64_t place = arrivals[i].seq64 - plan->base;
        int64_t ticks = (int64_t)(arrivals[i].at_us / TWCC_TICK_US);
        int64_t delta = ticks - ticks_before;
        if (place >= RTCP_TWCC_BUILD_MAX || place - plan->statuses > RTCP_TWCC_GAP_MAX || delta > INT16_MAX ||
            delta < INT16_MIN)
            return;
        while (plan->statuses < place)
            plan->symbol[plan->statuses++] = 0;
        bool small = delta >= 0 && delta <= UINT8_MAX;
        plan->delta[plan->statuses] = (int16_t)delta;
        plan->symbol[plan->statuses++] = small ? 1 : 2;
        plan->deltas_len += small ? 1 : 2;
        ticks_before = ticks;
        plan->consumed = i + 1;
    }
}

/* The chunk for the symbols at `symbol`, which says how many of the `left` it covers: the form that covers most. A
 * vector is always full but at the end, where the reader stops at the status count. */
static uint16_t best_chunk(const uint8_t *symbol, size_t left, size_t *covered) {
    size_t run = 1;
    while (run < left && run < 0x1fff && symbol[run] == symbol[0])
        run++;
    size_t ones = left < 14 ? left : 14;
    for (size_t i = 0; i < ones; i++) {
        if (symbol[i] == 2)
            ones = 0;
    }
    size_t twos = left < 7 ? left : 7;
    if (run >= ones && run >= twos) {
        *covered = run;
        return (uint16_t)((unsigned)symbol[0] << 13 | (unsigned)run);
    }
    unsigned bits = ones > 0 ? 1 : 2; /* one bit a symbol covers at least as much whenever it is possible */
    *covered = bits == 1 ? ones : twos;
    unsigned chunk = bits == 1 ? 0x8000 : 0xc000;
    for (size_t i = 0; i < *covered; i++)
        chunk |= (unsigned)symbol[i] << (14 - bits * (i + 1));
    return (uint16_t)chunk;
}

static size_t chunks_len(const struct twcc_plan *plan) {
    size_t len = 0, covered;
    for (size_t at = 0; at < plan->statuses; at += covered) {
        (void)best_chunk(plan->symbol + at, plan->statuses - at, &covered);
        len += 2;
    }
    return len;
}

static void plan_write(const struct twcc_plan *plan, struct writer *w) {
    size_t covered;
    for (size_t at = 0; at < plan->statuses; at += covered)
        wr_u16(w, best_chunk(plan->symbol + at, plan->statuses - at, &covered));
    for (size_t i = 0; i < plan->statuses; i++) {
        if (plan->symbol[i] == 1)
            wr_u8(w, (uint8_t)plan->delta[i]);
        else if (plan->symbol[i] == 2)
            wr_u16(w, (uint16_t)plan->delta[i]);
    }
}

size_t rtcp_write_twcc(struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t feedback_count,
                       uint64_t base_seq64, const struct rtcp_twcc_arrival *arrivals, size_t count) {
    ASSERT(w != NULL && (arrivals != NULL || count == 0));
    ASSERT(count == 0 || arrivals[0].seq64 >= base_seq64);
    struct twcc_plan plan;
    /* when it does not fit, again with three quarters of the arrivals: their number does not tell the length */
    for (size_t take = count; take > 0; take = plan.consumed * 3 / 4) {
        plan_make(&plan, base_seq64, arrivals, take);
        ASSERT(plan.consumed > 0);
        size_t len = (TWCC_FIXED_LEN + chunks_len(&plan) + plan.deltas_len + 3) & ~(size_t)3;
        if (writer_left(w) < len)
            continue;
        size_t start = w->len;
        (void)begin_feedback(w, len, RTCP_FMT_TWCC, RTCP_PT_RTPFB, sender_ssrc, media_ssrc);
        wr_u16(w, (uint16_t)plan.base);
        wr_u16(w, (uint16_t)plan.statuses);
        wr_u24(w, (uint32_t)plan.reference & UINT32_C(0xffffff));
        wr_u8(w, feedback_count);
        plan_write(&plan, w);
        wr_zeros(w, len - (w->len - start));
        ASSERT(writer_ok(w));
        return plan.consumed;
    }
    return 0;
}
