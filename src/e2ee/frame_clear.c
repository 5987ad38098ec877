#include "e2ee/frame_clear.h"

#include <string.h>

#include "base/assert.h"

/* ---- H.264 ------------------------------------------------------------------------------------------------------- */

enum nal_type { NAL_SLICE = 1, NAL_IDR = 5, NAL_SEI = 6, NAL_SPS = 7, NAL_PPS = 8, NAL_AUD = 9, NAL_TYPE_LAST = 23 };

static bool stays_whole(uint8_t type) {
    return type == NAL_SEI || type == NAL_SPS || type == NAL_PPS || type == NAL_AUD;
}

/* Bytes before the next 00 00 01, or bytes.len. */
static size_t find_start_code(struct span bytes) {
    for (size_t at = 2; at < bytes.len; at++) {
        const uint8_t *one = memchr(bytes.data + at, 1, bytes.len - at);
        if (one == NULL)
            break;
        at = (size_t)(one - bytes.data);
        if (bytes.data[at - 1] == 0 && bytes.data[at - 2] == 0)
            return at - 2;
    }
    return bytes.len;
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

#define UE_ZEROS_MAX 31u
#define SLICE_START_VALUES 3 /* first_mb_in_slice, slice_type, pic_parameter_set_id */

/* Section 9.1: n zeros, a one, n bits; values have 32 bits at most. */
static void skip_ue(struct bits *bits) {
    unsigned zeros = 0;
    while (reader_ok(bits->r) && read_bit(bits) == 0) {
        if (++zeros > UE_ZEROS_MAX)
            reader_fail(bits->r);
    }
    for (; reader_ok(bits->r) && zeros > 0; zeros--)
        (void)read_bit(bits);
}

/* The same for a slice of whose first 8 bytes none is 0, as with nearly all frames. No emulation prevention is in
 * these, no value has more than 14 zeros, and three end within 61 bits. Answers how many bytes; 0: it is no such slice.
 */
static size_t short_slice_start_len(struct span bytes) {
    const uint64_t ones = UINT64_C(0x0101010101010101), high = UINT64_C(0x8080808080808080);
    uint64_t word;
    unsigned used = 0;
    if (bytes.len < sizeof word)
        return 0;
    memcpy(&word, bytes.data, sizeof word);
    if (((word - ones) & ~word & high) != 0)
        return 0;
    word = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap64(word) : word;
    for (int i = 0; i < SLICE_START_VALUES; i++) {
        used += 2 * (unsigned)__builtin_clzll(word << used | 1) + 1;
        ASSERT(used < 64);
    }
    return (used + 7) / 8;
}

/* How many bytes have a part in the values that a slice begins with; 0: they are no such values. */
static size_t slice_start_len(struct span bytes) {
    struct reader r = reader_of_span(bytes);
    struct bits bits = {.r = &r};
    for (int i = 0; i < SLICE_START_VALUES; i++)
        skip_ue(&bits);
    return reader_ok(&r) ? r.pos : 0;
}

static struct span rest_of(struct reader r) {
    return rd_rest(&r);
}

/* The unit's header and what stays in clear behind it. */
static struct span unit_start(struct reader *r, uint8_t type) {
    if (type != NAL_SLICE && type != NAL_IDR)
        return rd_span(r, 1);
    struct span unit = rest_of(*r), slice = span_of(unit.data + 1, unit.len - 1);
    size_t len = short_slice_start_len(slice);
    if (len == 0)
        len = slice_start_len(slice);
    if (len == 0)
        reader_fail(r);
    return rd_span(r, 1 + len);
}

/* One unit of the clear part, the reader behind its start code. False: it is the last, and ends the clear part. */
static bool copy_unit(struct reader *r, struct writer *w, enum frame_type *frame_type) {
    uint8_t header = rd_peek(r, 0), type = header & 31;
    if (header >= 128 || type == 0 || type > NAL_TYPE_LAST) {
        reader_fail(r); /* forbidden_zero_bit, or types of RTP payloads (RFC 6184) that no stream has */
        return false;
    }
    wr_bytes(w, start_code, sizeof start_code);
    if (stays_whole(type)) {
        struct span unit = rest_of(*r);
        size_t whole = find_start_code(unit);
        if (whole < unit.len) {
            rd_skip(r, whole + 3);
            for (unit.len = whole; unit.data[unit.len - 1] == 0;) /* ends at the header, which is not 0 */
                unit.len--;
            wr_span(w, unit);
            return writer_ok(w);
        }
    }
    wr_span(w, unit_start(r, type));
    *frame_type = type == NAL_IDR ? FRAME_TYPE_KEY : FRAME_TYPE_DELTA;
    return false;
}

static void h264_clear(struct reader *r, struct writer *w, enum frame_type *type) {
    size_t zeros = 0;
    while (zeros < reader_left(r) && rd_peek(r, zeros) == 0)
        zeros++;
    rd_skip(r, zeros);
    if (rd_u8(r) != 1 || zeros < 2)
        reader_fail(r);
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

/* Blocks of ciphertext are looked at as a whole, without a branch a byte: compilers make vector instructions of it. Of
 * the three bytes of which the last needs an escape, 00 00 and one up to 03, two stand in one pair of bytes that begins
 * at an even place of the block: 00 and one up to 03. A pair of random bytes is such once in 16384 times. */
#define BLOCK_LEN 128u

static bool may_escape(const uint8_t *block) {
    static const uint8_t counts[8] = {0xff, 0xfc, 0xff, 0xfc, 0xff, 0xfc, 0xff, 0xfc}; /* bits that are 0 in such */
    const uint64_t high = UINT64_C(0x8000800080008000), others = ~high;
    uint64_t mask, seen = high;
    memcpy(&mask, counts, sizeof mask);
    mask &= others;
#pragma GCC unroll 8
    for (size_t i = 0; i < BLOCK_LEN; i += 8) {
        uint64_t pairs;
        memcpy(&pairs, block + i, sizeof pairs);
        seen &= ((pairs & mask) + others) | pairs; /* the high bit of a pair stays unless all that count are 0 */
    }
    return seen != high;
}

/* The place of the next byte that needs an escape before it, from `at` on; `len` when there is none. `zeros`: how many
 * stand before `at`, up to 2. */
static size_t next_escape(const uint8_t *bytes, size_t at, size_t len, unsigned zeros) {
    while (at < len) {
        size_t end = len - at > BLOCK_LEN ? at + BLOCK_LEN : len;
        /* the last block ends with the bytes, so that a part of it is looked at twice */
        if (zeros < 2 && end >= BLOCK_LEN && !may_escape(bytes + end - BLOCK_LEN)) {
            at = end;
            zeros = bytes[at - 1] == 0 ? 1 : 0; /* two would be such a pair */
            continue;
        }
        for (; at < end; at++) {
            if (zeros == 2 && bytes[at] <= ESCAPE)
                return at;
            zeros = bytes[at] != 0 ? 0 : zeros == 0 ? 1 : 2;
        }
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

bool frame_unescape(struct span before, struct span *bytes, uint8_t *out) {
    ASSERT(bytes != NULL && out != NULL);
    const uint8_t *from = bytes->data;
    size_t len = bytes->len, done = 0, written = 0, at = next_escape(from, 0, len, zeros_at_end(before));
    if (at == len)
        return true;
    for (; at < len; at = next_escape(from, done, len, 0)) {
        memcpy(out + written, from + done, at - done);
        written += at - done;
        done = at + 1;
        /* 00 to 02 would be a start code or forbidden, and an escape that nothing needs is not ours */
        if (from[at] != ESCAPE || done == len || from[done] > ESCAPE)
            return false;
    }
    memcpy(out + written, from + done, len - done);
    *bytes = span_of(out, written + (len - done));
    return true;
}
