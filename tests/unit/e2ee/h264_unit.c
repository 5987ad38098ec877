#include "h264_unit.h"

#include <string.h>

#include "base/assert.h"

struct bit_writer {
    uint8_t bytes[64];
    size_t bits;
};

static void put_bit(struct bit_writer *w, unsigned bit) {
    w->bytes[w->bits / 8] |= (uint8_t)(bit << (7 - w->bits % 8));
    w->bits++;
}

static void put_ue(struct bit_writer *w, uint32_t value) {
    uint64_t code = (uint64_t)value + 1;
    int len = 0;
    while (code >> (len + 1) != 0)
        len++;
    for (int i = 0; i < len; i++)
        put_bit(w, 0);
    for (int i = len; i >= 0; i--)
        put_bit(w, (unsigned)(code >> i & 1));
}

/* Emulation prevention as the standard's text has it, byte by byte. Answers how many bytes cover the first `watched`.
 */
static size_t put_escaped(struct writer *w, const uint8_t *rbsp, size_t len, size_t watched) {
    size_t zeros = 0, from = w->len, covered = 0;
    for (size_t i = 0; i < len; i++) {
        if (zeros == 2 && rbsp[i] <= 3) {
            wr_u8(w, 3);
            zeros = 0;
        }
        wr_u8(w, rbsp[i]);
        zeros = rbsp[i] == 0 ? zeros + 1 : 0;
        if (i + 1 == watched)
            covered = w->len - from;
    }
    return covered;
}

/* Full of zeros and small values, so that escapes are common; ends in a stop bit. */
static size_t random_payload(struct rng *rng, uint8_t *out, size_t len_max) {
    size_t len = 1 + rng_below(rng, len_max);
    for (size_t i = 0; i < len; i++)
        out[i] = rng_below(rng, 3) == 0 ? (uint8_t)rng_below(rng, 5) : (uint8_t)rng_u32(rng);
    out[len - 1] = 0x80;
    return len;
}

static void put_start_code(struct writer *w, struct rng *rng) {
    wr_zeros(w, rng_below(rng, 3) == 0 ? 3 : 2);
    wr_u8(w, 1);
}

/* One unit into both forms; `clear` of its escaped bytes stay in clear, all when whole. */
static void add_unit(struct h264_unit *unit, struct writer *frame, struct writer *normal, struct rng *rng,
                     struct span bytes, bool still_clear, size_t clear) {
    size_t from = frame->len;
    put_start_code(frame, rng);
    wr_span(frame, bytes);
    if (still_clear) {
        if (clear == bytes.len && rng_below(rng, 4) == 0)
            wr_zeros(frame, 1 + rng_below(rng, 3)); /* Annex B allows them, and libwebrtc's SPS ends in one */
        wr_zeros(normal, 3);
        wr_u8(normal, 1);
        unit->clear_len = normal->len + clear;
        wr_span(normal, bytes);
    } else {
        wr_bytes(normal, frame->data + from, frame->len - from);
    }
}

static void add_slice(struct h264_unit *unit, struct writer *frame, struct writer *normal, struct rng *rng,
                      bool still_clear) {
    static const uint32_t first_mbs[] = {0, 0, 0, 120, 8159, 131071, 0x40000};
    uint8_t rbsp[400], bytes[700];
    struct bit_writer header = {0};
    put_ue(&header, first_mbs[rng_below(rng, ARRAY_LEN(first_mbs))]);
    put_ue(&header, (uint32_t)rng_below(rng, 10));
    put_ue(&header, rng_below(rng, 2) == 0 ? 0 : (uint32_t)rng_below(rng, 256));
    size_t header_len = (header.bits + 7) / 8;
    memcpy(rbsp, header.bytes, header_len);
    if (header.bits % 8 != 0)
        rbsp[header_len - 1] |= (uint8_t)(rng_u32(rng) & (0xffu >> header.bits % 8));
    size_t len = header_len + random_payload(rng, rbsp + header_len, sizeof rbsp - header_len);
    struct writer w = writer_of(bytes, sizeof bytes);
    wr_u8(&w, unit->key ? 0x65 : rng_below(rng, 2) == 0 ? 0x41 : 0x01);
    size_t clear = 1 + put_escaped(&w, rbsp, len, header_len);
    add_unit(unit, frame, normal, rng, writer_span(&w), still_clear, clear);
}

void h264_unit_make(struct h264_unit *unit, struct rng *rng) {
    /* of Chromium's encoder, 640 x 360, and of a hardware encoder with VUI (its timing needs an escape) */
    static const uint8_t sps[2][30] = {
        {0x67, 0x42, 0xc0, 0x15, 0x8c, 0x8d, 0x40, 0xa0, 0xcb, 0xcf, 0x35, 0x06, 0x06, 0x06, 0x07, 0x84, 0x42, 0x35},
        {0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00,
         0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60}};
    static const size_t sps_len[2] = {18, 26};
    static const uint8_t pps[] = {0x68, 0xce, 0x3c, 0x80}, aud[] = {0x09, 0xf0};
    *unit = (struct h264_unit){.key = rng_below(rng, 2) == 0};
    struct writer frame = writer_of(unit->frame, sizeof unit->frame);
    struct writer normal = writer_of(unit->normal, sizeof unit->normal);
    if (rng_below(rng, 3) == 0)
        add_unit(unit, &frame, &normal, rng, span_of(aud, sizeof aud), true, sizeof aud);
    if (unit->key) {
        size_t which = rng_below(rng, 2);
        add_unit(unit, &frame, &normal, rng, span_of(sps[which], sps_len[which]), true, sps_len[which]);
        add_unit(unit, &frame, &normal, rng, span_of(pps, sizeof pps), true, sizeof pps);
    }
    if (rng_below(rng, 3) == 0) {
        uint8_t payload[100], sei[200];
        struct writer w = writer_of(sei, sizeof sei);
        wr_u8(&w, 0x06);
        (void)put_escaped(&w, payload, random_payload(rng, payload, sizeof payload), 0);
        add_unit(unit, &frame, &normal, rng, writer_span(&w), true, w.len);
    }
    size_t slices = 1 + rng_below(rng, 4);
    for (size_t i = 0; i < slices; i++)
        add_slice(unit, &frame, &normal, rng, i == 0);
    ASSERT(writer_ok(&frame) && writer_ok(&normal));
    unit->len = frame.len;
    unit->normal_len = normal.len;
}
