#include "e2ee/frame_clear.h"

#include <string.h>

#include "base/assert.h"

/* ---- H.264 ------------------------------------------------------------------------------------------------------- */

enum nal_type { NAL_SLICE = 1, NAL_IDR = 5, NAL_SEI = 6, NAL_SPS = 7, NAL_PPS = 8, NAL_AUD = 9, NAL_TYPE_LAST = 23 };

static bool stays_whole(uint8_t type) {
    return type == NAL_SEI || type == NAL_SPS || type == NAL_PPS || type == NAL_AUD;
}

/* The next 00 00 01 at or behind the reader's place: bytes before it, or false. */
static bool find_start_code(const struct reader *r, size_t *before) {
    struct reader look = *r;
    struct span rest = rd_rest(&look);
    for (size_t at = 2; at < rest.len; at++) {
        const uint8_t *one = memchr(rest.data + at, 1, rest.len - at);
        if (one == NULL)
            return false;
        at = (size_t)(one - rest.data);
        if (rest.data[at - 1] == 0 && rest.data[at - 2] == 0) {
            *before = at - 2;
            return true;
        }
    }
    return false;
}

static const uint8_t start_code[] = {0, 0, 0, 1};

/* Bits of a NAL unit without its emulation prevention bytes. */
struct bits {
    struct reader *r;
    unsigned zeros; /* zero bytes just read */
    unsigned left;  /* bits of `byte` */
    uint8_t byte;
};

static unsigned read_bit(struct bits *bits) {
    if (bits->left == 0) {
        bits->byte = rd_u8(bits->r);
        if (bits->zeros >= 2 && bits->byte == 3) {
            bits->byte = rd_u8(bits->r);
            bits->zeros = 0;
        }
        bits->zeros = bits->byte == 0 ? bits->zeros + 1 : 0;
        bits->left = 8;
    }
    bits->left--;
    return (uint32_t)bits->byte >> bits->left & 1u;
}

/* Section 9.1: n zeros, a one, n bits; values have 32 bits at most. */
static void skip_ue(struct bits *bits) {
    unsigned zeros = 0;
    while (reader_ok(bits->r) && read_bit(bits) == 0) {
        if (++zeros > 31)
            reader_fail(bits->r);
    }
    for (; reader_ok(bits->r) && zeros > 0; zeros--)
        (void)read_bit(bits);
}

/* first_mb_in_slice, slice_type, pic_parameter_set_id: the bytes that have a part in them. */
static struct span slice_start(struct reader *r) {
    struct reader begin = *r;
    struct bits bits = {.r = r};
    for (int i = 0; i < 3; i++)
        skip_ue(&bits);
    return rd_span(&begin, r->pos - begin.pos);
}

/* One unit of the clear part, the reader behind its start code. False: it is the last, and ends the clear part. */
static bool copy_unit(struct reader *r, struct writer *w, enum frame_type *frame_type) {
    size_t whole;
    uint8_t header = rd_peek(r, 0), type = header & 31;
    if (header >= 128 || type == 0 || type > NAL_TYPE_LAST)
        reader_fail(r); /* forbidden_zero_bit, or types of RTP payloads (RFC 6184) that no stream has */
    wr_bytes(w, start_code, sizeof start_code);
    if (reader_ok(r) && stays_whole(type) && find_start_code(r, &whole)) {
        struct span unit = rd_span(r, whole);
        while (unit.data[unit.len - 1] == 0) /* ends at the header, which is not 0 */
            unit.len--;
        wr_span(w, unit);
        rd_skip(r, 3);
        return reader_ok(r) && writer_ok(w);
    }
    wr_u8(w, rd_u8(r));
    *frame_type = type == NAL_IDR ? FRAME_TYPE_KEY : FRAME_TYPE_DELTA;
    if (type == NAL_SLICE || type == NAL_IDR)
        wr_span(w, slice_start(r));
    return false;
}

static void h264_clear(struct reader *r, struct writer *w, enum frame_type *type) {
    size_t zeros = 0;
    if (!find_start_code(r, &zeros))
        reader_fail(r);
    for (; reader_ok(r) && zeros > 0; zeros--) {
        if (rd_u8(r) != 0)
            reader_fail(r);
    }
    rd_skip(r, 3);
    while (copy_unit(r, w, type)) {
    }
}

/* ---- All codecs -------------------------------------------------------------------------------------------------- */

static void vp8_clear(struct reader *r, struct writer *w, enum frame_type *type) {
    *type = (rd_peek(r, 0) & 1) == 0 ? FRAME_TYPE_KEY : FRAME_TYPE_DELTA;
    wr_span(w, rd_span(r, *type == FRAME_TYPE_KEY ? 10 : 1));
}

enum sframe_status frame_clear_find(enum frame_codec codec, struct span frame, struct writer *w,
                                    struct frame_clear *out) {
    ASSERT(w != NULL && writer_ok(w) && out != NULL);
    ASSERT((unsigned)codec < FRAME_CODEC_COUNT);
    *out = (struct frame_clear){.type = FRAME_TYPE_NONE};
    if (codec != FRAME_CODEC_VP8 && codec != FRAME_CODEC_H264)
        return SFRAME_OK; /* nothing stays in clear */
    struct reader r = reader_of_span(frame);
    size_t before = w->len;
    if (codec == FRAME_CODEC_VP8)
        vp8_clear(&r, w, &out->type);
    else
        h264_clear(&r, w, &out->type);
    if (!reader_ok(&r))
        return SFRAME_BAD_FRAME;
    out->source_len = r.pos;
    out->len = w->len - before;
    return writer_ok(w) && out->len <= FRAME_CLEAR_LEN_MAX ? SFRAME_OK : SFRAME_CLEAR_TOO_LONG;
}

/* ---- Emulation prevention ---------------------------------------------------------------------------------------- */

#define ESCAPE 3u /* the byte that is put in, and the highest that must not follow two zeros */

static unsigned zeros_at_end(struct span bytes) {
    unsigned zeros = 0;
    while (zeros < 2 && zeros < bytes.len && bytes.data[bytes.len - 1 - zeros] == 0)
        zeros++;
    return zeros;
}

size_t frame_escaped_len_max(size_t len) {
    return len + len / 2 + 1; /* one for each two zeros, and one where the zeros stand before */
}

/* The place of the next byte that needs an escape before it, from `at` on; `len` when there is none. Random bytes have
 * a zero in 256, which is what this is fast at. */
static size_t next_escape(const uint8_t *bytes, size_t at, size_t len, unsigned zeros) {
    while (at < len) {
        if (zeros == 2 && bytes[at] <= ESCAPE)
            return at;
        if (bytes[at] == 0) {
            zeros += zeros < 2 ? 1 : 0;
            at++;
            continue;
        }
        zeros = 0;
        const uint8_t *zero = memchr(bytes + at, 0, len - at);
        at = zero == NULL ? len : (size_t)(zero - bytes);
    }
    return len;
}

size_t frame_escape(struct span before, uint8_t *bytes, size_t len) {
    ASSERT(bytes != NULL || len == 0);
    unsigned zeros = zeros_at_end(before);
    size_t escapes = 0;
    for (size_t at = next_escape(bytes, 0, len, zeros); at < len; at = next_escape(bytes, at, len, 0))
        escapes++;
    if (escapes == 0)
        return len;
    /* moved to the end of the room, the bytes are copied back from there; the two meet at the last escape */
    memmove(bytes + escapes, bytes, len);
    const uint8_t *from = bytes + escapes;
    size_t done = 0, written = 0;
    for (size_t at = next_escape(from, 0, len, zeros); at < len; at = next_escape(from, at, len, 0)) {
        memmove(bytes + written, from + done, at - done);
        written += at - done;
        bytes[written++] = ESCAPE;
        done = at;
    }
    ASSERT(bytes + written == from + done);
    return len + escapes;
}

bool frame_unescape(struct span before, struct span escaped, uint8_t *out, size_t *out_len) {
    ASSERT(out != NULL && out_len != NULL);
    unsigned zeros = zeros_at_end(before);
    size_t done = 0, written = 0, at = next_escape(escaped.data, 0, escaped.len, zeros);
    for (; at < escaped.len; at = next_escape(escaped.data, done, escaped.len, 0)) {
        memcpy(out + written, escaped.data + done, at - done);
        written += at - done;
        done = at + 1;
        /* 00 to 02 would be a start code or forbidden, and an escape that nothing needs is not ours */
        if (escaped.data[at] != ESCAPE || done == escaped.len || escaped.data[done] > ESCAPE)
            return false;
    }
    if (at > done)
        memcpy(out + written, escaped.data + done, at - done);
    *out_len = written + (at - done);
    return true;
}
