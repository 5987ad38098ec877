#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/rng.h"
#include "e2ee/frame_native.h"
#include "h264_unit.h"
#include "hex.h"
#include "sframe_pair.h"
#include "unit.h"

static const struct frame_info infos[FRAME_CODEC_COUNT] = {
    {FRAME_CODEC_DATA, FRAME_KIND_DATA, FRAME_TYPE_NONE},  {FRAME_CODEC_OPUS, FRAME_KIND_AUDIO, FRAME_TYPE_NONE},
    {FRAME_CODEC_VP8, FRAME_KIND_VIDEO, FRAME_TYPE_NONE},  {FRAME_CODEC_VP9, FRAME_KIND_SCREEN, FRAME_TYPE_DELTA},
    {FRAME_CODEC_H264, FRAME_KIND_VIDEO, FRAME_TYPE_NONE}, {FRAME_CODEC_AV1, FRAME_KIND_VIDEO, FRAME_TYPE_KEY},
};

/* ---- Alice seals, Bob opens -------------------------------------------------------------------------------------- */

static enum sframe_status seal(struct pair *p, const struct frame_info *info, struct span frame) {
    return frame_seal(&p->alice, 0, info, frame, 1, p->sealed, sizeof p->sealed, &p->sealed_len);
}

static enum sframe_status open_as(struct pair *p, const struct frame_info *info) {
    return frame_open(&p->bob, ALICE, info, span_of(p->sealed, p->sealed_len), 1, p->opened, sizeof p->opened,
                      &p->opened_len);
}

static void passes(struct pair *p, const struct frame_info *info, struct span frame, struct span expected) {
    assert_int_equal(seal(p, info, frame), SFRAME_OK);
    assert_true(p->sealed_len <= frame_sealed_len_max(info->codec, frame.len));
    assert_int_equal(open_as(p, info), SFRAME_OK);
    assert_int_equal(p->opened_len, expected.len);
    assert_memory_equal(p->opened, expected.data, expected.len);
}

/* A frame of a codec; `expected` is what comes out again. */
struct sample {
    uint8_t bytes[2000];
    struct h264_unit unit;
    struct span frame;
    struct span expected;
    size_t clear_len;
};

static void make_sample(struct sample *s, enum frame_codec codec, struct rng *rng) {
    size_t len = 1 + rng_below(rng, sizeof s->bytes - 1);
    rng_fill(rng, s->bytes, len);
    s->clear_len = 0;
    if (codec == FRAME_CODEC_VP8) {
        s->clear_len = (s->bytes[0] & 1) == 0 ? 10 : 1;
        len = len < 10 ? 10 : len;
    }
    s->frame = s->expected = span_of(s->bytes, len);
    if (codec == FRAME_CODEC_H264) {
        h264_unit_make(&s->unit, rng);
        s->frame = span_of(s->unit.frame, s->unit.len);
        s->expected = span_of(s->unit.normal, s->unit.normal_len);
        s->clear_len = s->unit.clear_len;
    }
}

/* ---- What stays in clear ----------------------------------------------------------------------------------------- */

static void every_codec_opens_as_it_was_sealed_with_its_clear_bytes_in_front(void **state) {
    (void)state;
    struct pair p;
    struct rng rng = rng_seeded(2);
    static struct sample sample;
    pair_init(&p);
    for (size_t codec = 0; codec < FRAME_CODEC_COUNT; codec++) {
        for (int round = 0; round < 3000; round++) {
            make_sample(&sample, (enum frame_codec)codec, &rng);
            passes(&p, &infos[codec], sample.frame, sample.expected);
            if (sample.clear_len > 0)
                assert_memory_equal(p.sealed, sample.expected.data, sample.clear_len);
            /* and not a byte more: the next is a config byte with KID and CTR lengths */
            size_t header_at = sample.clear_len;
            if (codec == FRAME_CODEC_AV1)
                header_at = p.sealed[1] < 128 ? 2 : 3;
            if (codec != FRAME_CODEC_H264)
                assert_int_equal(p.sealed[header_at] & 0xf0, 0x90);
        }
    }
    pair_end(&p);
}

struct clear_case {
    enum frame_codec codec;
    const char *frame; /* hex */
    const char *clear; /* NULL: refused */
    enum frame_type type;
};

static const struct clear_case clear_cases[] = {
    {FRAME_CODEC_OPUS, "78 00 01", "", FRAME_TYPE_NONE},
    {FRAME_CODEC_VP9, "82 49 83 42", "", FRAME_TYPE_NONE},
    {FRAME_CODEC_AV1, "12 00 0a 0b", "", FRAME_TYPE_NONE},
    {FRAME_CODEC_VP8, "10 02 00 9d 01 2a 80 02 68 01 aa bb", "10 02 00 9d 01 2a 80 02 68 01", FRAME_TYPE_KEY},
    {FRAME_CODEC_VP8, "11 02 00 aa", "11", FRAME_TYPE_DELTA},
    {FRAME_CODEC_VP8, "11", "11", FRAME_TYPE_DELTA},
    {FRAME_CODEC_VP8, "10 02 00 9d 01 2a 80 02 68", NULL, 0}, /* a key frame ends within its header */
    /* first_mb_in_slice 0 = 1, slice_type 7 = 0001000, pic_parameter_set_id 0 = 1: 1 0001000 1... */
    {FRAME_CODEC_H264, "00 00 00 01 65 88 84 21", "00 00 00 01 65 88 84", FRAME_TYPE_KEY},
    {FRAME_CODEC_H264, "00 00 01 65 88 84 21", "00 00 00 01 65 88 84", FRAME_TYPE_KEY},
    {FRAME_CODEC_H264, "00 00 00 00 01 41 9a 01 02", "00 00 00 01 41 9a", FRAME_TYPE_DELTA}, /* 1 00110 1 */
    /* parameter sets, SEI and delimiter whole, zeros around start codes gone */
    {FRAME_CODEC_H264, "00 00 01 09 f0 00 00 01 67 42 c0 00 00 00 00 01 68 ce 00 00 01 06 05 00 00 01 65 88 84 21",
     "00 00 00 01 09 f0 00 00 00 01 67 42 c0 00 00 00 01 68 ce 00 00 00 01 06 05 00 00 00 01 65 88 84", FRAME_TYPE_KEY},
    /* the last unit never */
    {FRAME_CODEC_H264, "00 00 00 01 67 42 c0 00 00 00 01 68 ce 3c 80", "00 00 00 01 67 42 c0 00 00 00 01 68",
     FRAME_TYPE_DELTA},
    {FRAME_CODEC_H264, "00 00 00 01 06", "00 00 00 01 06", FRAME_TYPE_DELTA},
    /* what follows the first other unit is ciphertext, whatever it is: data partitions, filler, further slices */
    {FRAME_CODEC_H264, "00 00 00 01 42 88 84 00 00 00 01 67 42", "00 00 00 01 42", FRAME_TYPE_DELTA},
    {FRAME_CODEC_H264, "00 00 00 01 65 88 84 00 00 00 01 65 12 34", "00 00 00 01 65 88 84", FRAME_TYPE_KEY},
    /* first_mb_in_slice 2^25 - 1 (25 zeros, a one, 25 zeros), slice_type 7, pic_parameter_set_id 0 are the bytes
     * 00 00 00 40 00 00 02 3f, into which two emulation prevention bytes come */
    {FRAME_CODEC_H264, "00 00 00 01 41 00 00 03 00 40 00 00 03 02 3f aa",
     "00 00 00 01 41 00 00 03 00 40 00 00 03 02 3f", FRAME_TYPE_DELTA},
    /* first_mb_in_slice 2^23 - 2, slice_type 7, pic_parameter_set_id 0: 00 00 03 ff ff f8 8a, within 8 bytes */
    {FRAME_CODEC_H264, "00 00 00 01 41 00 00 03 03 ff ff f8 8a aa", "00 00 00 01 41 00 00 03 03 ff ff f8 8a",
     FRAME_TYPE_DELTA},
    {FRAME_CODEC_H264, "00 00 00 01 41 00 00 03 00 00", NULL, 0}, /* a value that does not end */
    {FRAME_CODEC_H264, "00 00 00 01 41 00 00 03 00 00 03 00 00 80 00 00 03 00 00 ff ff", NULL, 0}, /* of 33 bits */
    {FRAME_CODEC_H264, "00 00 00 01", NULL, 0},
    {FRAME_CODEC_H264, "00 00 00", NULL, 0},
    {FRAME_CODEC_H264, "00 01 65 88 84", NULL, 0},
    {FRAME_CODEC_H264, "65 88 84 21", NULL, 0},
    {FRAME_CODEC_H264, "01 00 00 01 65 88 84", NULL, 0},
    {FRAME_CODEC_H264, "00 00 00 01 e5 88 84", NULL, 0},                            /* forbidden_zero_bit */
    {FRAME_CODEC_H264, "00 00 00 01 60 88 84", NULL, 0},                            /* type 0 */
    {FRAME_CODEC_H264, "00 00 00 01 78 88 84", NULL, 0},                            /* type 24: an RTP payload's */
    {FRAME_CODEC_H264, "00 00 00 01 67 42 00 00 00 01 00 00 01 65 88 84", NULL, 0}, /* an empty unit */
};

static void the_clear_bytes_are_those_of_each_codec_s_rule(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    for (size_t i = 0; i < ARRAY_LEN(clear_cases); i++) {
        const struct clear_case *c = &clear_cases[i];
        uint8_t frame[64], expected[64], got[64];
        struct span bytes = span_of(frame, hex_text(c->frame, frame));
        struct frame_clear clear;
        struct writer w = writer_of(got, sizeof got);
        enum sframe_status status = frame_clear_find(c->codec, bytes, &w, &clear);
        if (c->clear == NULL) {
            assert_int_equal(status, SFRAME_BAD_FRAME);
            assert_int_equal(seal(&p, &infos[c->codec], bytes), SFRAME_BAD_FRAME);
            continue;
        }
        size_t expected_len = hex_text(c->clear, expected);
        assert_int_equal(status, SFRAME_OK);
        assert_int_equal(clear.len, expected_len);
        assert_memory_equal(got, expected, expected_len);
        assert_int_equal(clear.type, c->type);
        assert_int_equal(seal(&p, &infos[c->codec], bytes), SFRAME_OK);
        assert_int_equal(open_as(&p, &infos[c->codec]), SFRAME_OK);
    }
    pair_end(&p);
}

static void clear_bytes_have_a_limit(void **state) {
    (void)state;
    struct pair p;
    static uint8_t frame[PAIR_ROOM / 2];
    pair_init(&p);
    memset(frame, 0x55, sizeof frame);
    /* SEI so long that with its start code and the slice's beginning it takes `clear` bytes */
    for (size_t clear = FRAME_CLEAR_LEN_MAX - 1; clear <= FRAME_CLEAR_LEN_MAX + 1; clear++) {
        size_t sei_len = clear - 4 - 7;
        memcpy(frame, (uint8_t[]){0, 0, 0, 1, 6}, 5);
        memcpy(frame + 4 + sei_len, (uint8_t[]){0, 0, 0, 1, 0x65, 0x88, 0x84, 0x21}, 8);
        struct span bytes = span_of(frame, 4 + sei_len + 8);
        if (clear <= FRAME_CLEAR_LEN_MAX)
            passes(&p, &infos[FRAME_CODEC_H264], bytes, bytes);
        else
            assert_int_equal(seal(&p, &infos[FRAME_CODEC_H264], bytes), SFRAME_CLEAR_TOO_LONG);
        memset(frame, 0x55, sizeof frame);
    }
    pair_end(&p);
}

static void short_start_codes_on_the_way_do_no_harm(void **state) {
    (void)state;
    struct pair p;
    uint8_t frame[64], shorter[PAIR_ROOM];
    pair_init(&p);
    size_t len = hex_text("00 00 00 01 67 42 c0 00 00 00 01 68 ce 00 00 00 01 65 88 84 21 22", frame);
    assert_int_equal(seal(&p, &infos[FRAME_CODEC_H264], span_of(frame, len)), SFRAME_OK);
    size_t clear_len = 20, to = 0;
    for (size_t i = 0; i < p.sealed_len; i++) { /* drops the first zero of each start code */
        bool four = i + 4 <= clear_len && memcmp(p.sealed + i, (uint8_t[]){0, 0, 0, 1}, 4) == 0;
        if (!four)
            shorter[to++] = p.sealed[i];
    }
    assert_int_equal(to, p.sealed_len - 3);
    memcpy(p.sealed, shorter, to);
    p.sealed_len = to;
    assert_int_equal(open_as(&p, &infos[FRAME_CODEC_H264]), SFRAME_OK);
    assert_int_equal(p.opened_len, len);
    assert_memory_equal(p.opened, frame, len);
    pair_end(&p);
}

/* ---- Layout ------------------------------------------------------------------------------------------------------ */

static void the_layout_is_as_documented(void **state) {
    (void)state;
    struct pair p;
    uint8_t frame[300];
    memset(frame, 0x55, sizeof frame);
    pair_init(&p);
    assert_int_equal(seal(&p, &infos[FRAME_CODEC_OPUS], span_of(frame, 60)), SFRAME_OK);
    assert_int_equal(p.sealed_len, 3 + 60 + 16 + 1); /* KID 0x0701, CTR 0 */
    assert_memory_equal(p.sealed, ((uint8_t[]){0x90, 0x07, 0x01}), 3);
    assert_int_equal(p.sealed[p.sealed_len - 1], 0x80);
    assert_int_equal(seal(&p, &infos[FRAME_CODEC_VP8], span_of(frame, 60)), SFRAME_OK);
    assert_int_equal(p.sealed_len, 1 + 3 + 59 + 16 + 1);
    assert_memory_equal(p.sealed, ((uint8_t[]){0x55, 0x91, 0x07, 0x01}), 4);
    assert_int_equal(p.sealed[p.sealed_len - 1], 0x81);
    for (size_t len = 100; len <= 300; len += 200) { /* LEB128 of one byte, and of two */
        size_t payload_len = 3 + len + 16 + 1;
        assert_int_equal(seal(&p, &infos[FRAME_CODEC_AV1], span_of(frame, len)), SFRAME_OK);
        assert_int_equal(p.sealed[0], 0x2a);
        size_t header_len = len == 100 ? 2 : 3;
        size_t says = len == 100 ? p.sealed[1] : (size_t)((p.sealed[1] & 127) | p.sealed[2] << 7);
        assert_int_equal(says, payload_len);
        assert_int_equal(p.sealed_len, header_len + payload_len);
        assert_int_equal(p.sealed[header_len], len == 100 ? 0x92 : 0x93);
    }
    pair_end(&p);
}

/* SEI of every length around the trailer's two forms. */
static void trailers_tell_every_clear_length(void **state) {
    (void)state;
    struct pair p;
    static uint8_t frame[PAIR_ROOM / 2];
    pair_init(&p);
    for (size_t sei_len = 2; sei_len < 400; sei_len++) {
        memset(frame, 0x55, sizeof frame);
        memcpy(frame, (uint8_t[]){0, 0, 0, 1, 6}, 5);
        memcpy(frame + 4 + sei_len, (uint8_t[]){0, 0, 0, 1, 0x65, 0x88, 0x84, 0x21}, 8);
        struct span bytes = span_of(frame, 4 + sei_len + 8);
        size_t clear_len = 4 + sei_len + 7;
        passes(&p, &infos[FRAME_CODEC_H264], bytes, bytes);
        uint8_t *end = p.sealed + p.sealed_len;
        assert_int_equal(end[-1], clear_len < 127 ? 0x80 | clear_len : 0xff);
        if (clear_len >= 127)
            assert_int_equal(end[-3] << 8 | end[-2], clear_len);
    }
    pair_end(&p);
}

static void a_trailer_that_tells_another_length_is_refused(void **state) {
    (void)state;
    struct pair p;
    uint8_t frame[100] = {0x55};
    pair_init(&p);
    assert_int_equal(seal(&p, &infos[FRAME_CODEC_VP8], span_of(frame, sizeof frame)), SFRAME_OK);
    for (unsigned last = 0; last < 256; last++) {
        p.sealed[p.sealed_len - 1] = (uint8_t)last;
        if (last != 0x81)
            assert_int_equal(open_as(&p, &infos[FRAME_CODEC_VP8]),
                             last < 0x80 ? SFRAME_BAD_TRAILER : SFRAME_CLEAR_MISMATCH);
    }
    /* the long form of a short length */
    memcpy(p.sealed + p.sealed_len - 1, (uint8_t[]){0, 1, 0xff}, 3);
    p.sealed_len += 2;
    assert_int_equal(open_as(&p, &infos[FRAME_CODEC_VP8]), SFRAME_CLEAR_MISMATCH);
    p.sealed_len -= 2;
    p.sealed[p.sealed_len - 1] = 0x81;
    assert_int_equal(open_as(&p, &infos[FRAME_CODEC_VP8]), SFRAME_OK);
    pair_end(&p);
}

static void an_av1_frame_that_is_not_one_obu_as_we_write_it_is_refused(void **state) {
    (void)state;
    struct pair p;
    uint8_t frame[40] = {0x12}, copy[200];
    const struct frame_info *av1 = &infos[FRAME_CODEC_AV1];
    pair_init(&p);
    assert_int_equal(seal(&p, av1, span_of(frame, sizeof frame)), SFRAME_OK);
    size_t len = p.sealed_len;
    memcpy(copy, p.sealed, len);
    static const char *const headers[] = {"2a 80 00", "2a bc 80 00", "2a",    "2a ff ff ff ff", "28",      "2e 00",
                                          "2a 3b",    "2a 3d",       "aa 3c", "32 3c",          "2a bc 00"};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        size_t header_len = hex_text(headers[i], p.sealed);
        memcpy(p.sealed + header_len, copy + 2, len - 2);
        p.sealed_len = header_len + len - 2;
        assert_int_equal(open_as(&p, av1), SFRAME_BAD_WRAPPING);
    }
    memcpy(p.sealed, copy, len);
    for (p.sealed_len = 1; p.sealed_len < len; p.sealed_len++)
        assert_int_equal(open_as(&p, av1), SFRAME_BAD_WRAPPING);
    assert_int_equal(open_as(&p, av1), SFRAME_OK);
    pair_end(&p);
}

/* ---- Authenticity ------------------------------------------------------------------------------------------------ */

static void every_changed_byte_is_refused(void **state) {
    (void)state;
    struct pair p;
    struct rng rng = rng_seeded(8);
    static struct sample sample;
    pair_init(&p);
    for (size_t codec = 0; codec < FRAME_CODEC_COUNT; codec++) {
        for (int round = 0; round < 6; round++) {
            do
                make_sample(&sample, (enum frame_codec)codec, &rng);
            while (sample.frame.len > 400);
            assert_int_equal(seal(&p, &infos[codec], sample.frame), SFRAME_OK);
            for (size_t at = 0; at < p.sealed_len; at++) {
                uint8_t kept = p.sealed[at];
                for (unsigned value = 0; value < 256; value++) {
                    p.sealed[at] = (uint8_t)value;
                    if (value != kept)
                        assert_int_not_equal(open_as(&p, &infos[codec]), SFRAME_OK);
                }
                p.sealed[at] = kept;
            }
            assert_int_equal(open_as(&p, &infos[codec]), SFRAME_OK);
            assert_int_equal(open_as(&p, &infos[codec]), SFRAME_REPLAYED);
        }
    }
    pair_end(&p);
}

static void every_cut_is_refused(void **state) {
    (void)state;
    struct pair p;
    struct rng rng = rng_seeded(9);
    static struct sample sample;
    pair_init(&p);
    for (size_t codec = 0; codec < FRAME_CODEC_COUNT; codec++) {
        make_sample(&sample, (enum frame_codec)codec, &rng);
        assert_int_equal(seal(&p, &infos[codec], sample.frame), SFRAME_OK);
        size_t len = p.sealed_len;
        for (p.sealed_len = 0; p.sealed_len < len; p.sealed_len++)
            assert_int_not_equal(open_as(&p, &infos[codec]), SFRAME_OK);
        assert_int_equal(open_as(&p, &infos[codec]), SFRAME_OK);
    }
    pair_end(&p);
}

static void codec_kind_and_type_are_authenticated(void **state) {
    (void)state;
    struct pair p;
    uint8_t frame[50] = {0x55};
    pair_init(&p);
    struct frame_info info = infos[FRAME_CODEC_VP9], other = info;
    assert_int_equal(seal(&p, &info, span_of(frame, sizeof frame)), SFRAME_OK);
    other.codec = FRAME_CODEC_OPUS;
    assert_int_equal(open_as(&p, &other), SFRAME_NOT_AUTHENTIC);
    other = info;
    other.kind = FRAME_KIND_VIDEO;
    assert_int_equal(open_as(&p, &other), SFRAME_NOT_AUTHENTIC);
    other = info;
    other.type = FRAME_TYPE_KEY;
    assert_int_equal(open_as(&p, &other), SFRAME_NOT_AUTHENTIC);
    for (size_t i = 0; i < sizeof frame; i++)
        assert_int_equal(p.opened[i], 0); /* nothing of the plaintext */
    assert_int_equal(open_as(&p, &info), SFRAME_OK);
    pair_end(&p);
}

static void the_type_comes_from_the_bytes_where_they_tell(void **state) {
    (void)state;
    struct pair p;
    static struct frame_open opening;
    uint8_t frame[50] = {0x54};
    size_t len;
    pair_init(&p);
    struct frame_info info = infos[FRAME_CODEC_VP8];
    info.type = FRAME_TYPE_DELTA; /* a claim that the bytes contradict does not count */
    assert_int_equal(seal(&p, &info, span_of(frame, sizeof frame)), SFRAME_OK);
    info.type = FRAME_TYPE_NONE;
    assert_int_equal(
        frame_open_begin(&p.bob, ALICE, &info, span_of(p.sealed, p.sealed_len), 1, p.opened, sizeof p.opened, &opening),
        SFRAME_OK);
    assert_int_equal(opening.type, FRAME_TYPE_KEY);
    assert_int_equal(frame_open_finish(&p.bob, &opening, false, &len), SFRAME_NOT_AUTHENTIC);
    assert_int_equal(open_as(&p, &info), SFRAME_OK);
    pair_end(&p);
}

/* ---- Sizes ------------------------------------------------------------------------------------------------------- */

static void a_frame_of_no_bytes_is_neither_plaintext_nor_a_failure(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    for (size_t codec = 0; codec < FRAME_CODEC_COUNT; codec++) {
        assert_int_equal(seal(&p, &infos[codec], span_of(NULL, 0)), SFRAME_EMPTY);
        p.sealed_len = 0;
        assert_int_equal(open_as(&p, &infos[codec]), SFRAME_EMPTY);
    }
    for (size_t i = 0; i < SFRAME_STATUS_COUNT; i++) {
        assert_int_equal(p.alice.counts.of[i], i == SFRAME_EMPTY ? FRAME_CODEC_COUNT : 0);
        assert_int_equal(p.bob.counts.of[i], i == SFRAME_EMPTY ? FRAME_CODEC_COUNT : 0);
    }
    pair_end(&p);
}

static void frames_pass_up_to_the_limit(void **state) {
    (void)state;
    struct pair p;
    struct rng rng = rng_seeded(10);
    size_t room = frame_sealed_len_max(FRAME_CODEC_H264, FRAME_LEN_MAX), len, opened_len;
    uint8_t *frame = malloc(FRAME_LEN_MAX + 1), *sealed = malloc(room), *opened = malloc(room);
    assert_true(frame != NULL && sealed != NULL && opened != NULL);
    pair_init(&p);
    rng_fill(&rng, frame, FRAME_LEN_MAX);
    memcpy(frame, (uint8_t[]){0, 0, 0, 1, 0x41, 0x9a}, 6); /* of VP8 a key frame, of H.264 a slice */
    for (size_t codec = 0; codec < FRAME_CODEC_COUNT; codec++) {
        assert_int_equal(frame_seal(&p.alice, 0, &infos[codec], span_of(frame, FRAME_LEN_MAX), 1, sealed, room, &len),
                         SFRAME_OK);
        assert_int_equal(frame_open(&p.bob, ALICE, &infos[codec], span_of(sealed, len), 1, opened, room, &opened_len),
                         SFRAME_OK);
        assert_int_equal(opened_len, FRAME_LEN_MAX);
        assert_memory_equal(opened, frame, FRAME_LEN_MAX);
        assert_int_equal(
            frame_seal(&p.alice, 0, &infos[codec], span_of(frame, FRAME_LEN_MAX + 1), 1, sealed, room, &len),
            SFRAME_TOO_LONG);
    }
    assert_int_equal(
        frame_open(&p.bob, ALICE, &infos[FRAME_CODEC_OPUS], span_of(sealed, room), 1, opened, room, &opened_len),
        SFRAME_TOO_LONG);
    pair_end(&p);
    free(frame);
    free(sealed);
    free(opened);
}

static void without_room_no_counter_is_taken(void **state) {
    (void)state;
    struct pair p;
    uint8_t frame[50] = {0x55};
    pair_init(&p);
    for (size_t codec = 0; codec < FRAME_CODEC_COUNT; codec++) {
        size_t room = frame_sealed_len_max((enum frame_codec)codec, sizeof frame);
        assert_int_equal(
            frame_seal(&p.alice, 0, &infos[codec], span_of(frame, sizeof frame), 1, p.sealed, room - 1, &p.sealed_len),
            SFRAME_NO_ROOM);
    }
    assert_true(p.alice.streams[0].next_ctr == 0);
    assert_int_equal(seal(&p, &infos[FRAME_CODEC_VP8], span_of(frame, sizeof frame)), SFRAME_OK);
    struct span sealed = span_of(p.sealed, p.sealed_len);
    for (size_t room = 0; room < p.sealed_len; room++) {
        enum sframe_status status =
            frame_open(&p.bob, ALICE, &infos[FRAME_CODEC_VP8], sealed, 1, p.opened, room, &p.opened_len);
        assert_int_equal(status, SFRAME_NO_ROOM);
    }
    assert_int_equal(open_as(&p, &infos[FRAME_CODEC_VP8]), SFRAME_OK);
    pair_end(&p);
}

/* ---- Nothing repeats --------------------------------------------------------------------------------------------- */

/* A set of 16 byte strings. */
struct set {
    uint8_t (*items)[16];
    bool *used;
    size_t mask;
};

static struct set set_make(size_t capacity) {
    size_t len = 1;
    while (len < 2 * capacity)
        len *= 2;
    struct set set = {.items = calloc(len, 16), .used = calloc(len, sizeof(bool)), .mask = len - 1};
    assert_true(set.items != NULL && set.used != NULL);
    return set;
}

/* False: it is in the set already. */
static bool set_add(struct set *set, const uint8_t item[16]) {
    uint64_t hash;
    memcpy(&hash, item, 8);
    size_t at = (hash * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & set->mask;
    for (; set->used[at]; at = (at + 1) & set->mask) {
        if (memcmp(set->items[at], item, 16) == 0)
            return false;
    }
    set->used[at] = true;
    memcpy(set->items[at], item, 16);
    return true;
}

static void set_end(struct set *set) {
    free(set->items);
    free(set->used);
}

/* The same frame again and again, over a few streams and epochs. */
static void ten_thousand_equal_frames_repeat_no_block_and_no_nonce(void **state) {
    (void)state;
    enum { FRAMES = 10000 };
    struct rng rng = rng_seeded(11);
    static struct sample sample;
    static struct frame_seal sealing;
    for (size_t codec = 0; codec < FRAME_CODEC_COUNT; codec++) {
        struct pair p;
        pair_init(&p);
        make_sample(&sample, (enum frame_codec)codec, &rng);
        struct set blocks = set_make((size_t)FRAMES * (sample.frame.len / 16 + 2)), nonces = set_make(FRAMES);
        struct set counters = set_make(FRAMES);
        for (uint32_t i = 0; i < FRAMES; i++) {
            if (i % 2500 == 2499)
                pair_install(&p, 2 + i, 0, 1);
            assert_int_equal(
                frame_seal_begin(&p.alice, i % 3, &infos[codec], sample.frame, 1, p.sealed, sizeof p.sealed, &sealing),
                SFRAME_OK);
            assert_true(sframe_native_seal(&sealing.sframe, span_of(sealing.aad.bytes, sealing.aad.len), sealing.text,
                                           sealing.body));
            uint8_t used[16];
            memcpy(used, sealing.sframe.nonce, 12); /* a handle is one key */
            memcpy(used + 12, &sealing.sframe.key->handle, 4);
            assert_true(set_add(&nonces, used));
            memcpy(used, &sealing.sframe.kid, 8);
            memcpy(used + 8, &sealing.sframe.ctr, 8);
            assert_true(set_add(&counters, used));
            for (size_t at = 0; at + 16 <= sealing.text.len + AEAD_TAG_LEN; at += 16)
                assert_true(set_add(&blocks, sealing.body + at));
            frame_seal_finish(&sealing, &p.sealed_len);
            assert_int_equal(open_as(&p, &infos[codec]), SFRAME_OK);
        }
        set_end(&blocks);
        set_end(&nonces);
        set_end(&counters);
        pair_end(&p);
    }
}

/* ---- Epochs and streams under frames ----------------------------------------------------------------------------- */

static void frames_of_two_epochs_and_many_streams_open_side_by_side(void **state) {
    (void)state;
    enum { STREAMS = 6 };
    struct pair p;
    static uint8_t sealed[2][STREAMS][3000];
    size_t len[2][STREAMS];
    uint8_t frame[100] = {0x55};
    pair_init(&p);
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        if (epoch == 1)
            pair_install(&p, 2, 0, 1);
        for (uint32_t stream = 0; stream < STREAMS; stream++) {
            assert_int_equal(frame_seal(&p.alice, stream, &infos[stream], span_of(frame, sizeof frame), 1,
                                        sealed[epoch][stream], sizeof sealed[0][0], &len[epoch][stream]),
                             stream == FRAME_CODEC_H264 ? SFRAME_BAD_FRAME : SFRAME_OK);
        }
    }
    for (uint32_t stream = 0; stream < STREAMS; stream++) {
        for (uint32_t epoch = 0; epoch < 2 && stream != FRAME_CODEC_H264; epoch++) {
            memcpy(p.sealed, sealed[1 - epoch][stream], len[1 - epoch][stream]);
            p.sealed_len = len[1 - epoch][stream];
            assert_int_equal(open_as(&p, &infos[stream]), SFRAME_OK);
        }
    }
    assert_int_equal(sframe_receiver_keys(&p.bob), 2 * (STREAMS - 1));
    pair_end(&p);
}

/* Many frames on their way through the host at a time, finished in another order than begun. */
static void a_host_finishes_in_any_order(void **state) {
    (void)state;
    enum { FRAMES = 16 };
    struct pair p;
    struct rng rng = rng_seeded(12);
    static struct sample samples[FRAMES];
    static struct frame_seal sealing[FRAMES];
    static struct frame_open opening[FRAMES];
    static uint8_t sealed[FRAMES][PAIR_ROOM], opened[FRAMES][PAIR_ROOM];
    size_t sealed_len[FRAMES], opened_len;
    pair_init_with(&p, PAIR_SUITE, NULL, PAIR_KEYS);
    pair_install(&p, 1, 0, 1);
    for (size_t i = 0; i < FRAMES; i++) {
        const struct frame_info *info = &infos[i % FRAME_CODEC_COUNT];
        make_sample(&samples[i], info->codec, &rng);
        assert_int_equal(
            frame_seal_begin(&p.alice, 0, info, samples[i].frame, 1, sealed[i], sizeof sealed[i], &sealing[i]),
            SFRAME_OK);
    }
    struct span key = sframe_key_raw(sealing[0].sframe.key);
    for (size_t i = FRAMES; i-- > 0;) {
        struct frame_seal *s = &sealing[i];
        assert_int_equal(crypto_openssl.aead_seal(AEAD_AES_256_GCM, key, s->sframe.nonce,
                                                  span_of(s->aad.bytes, s->aad.len), s->text, s->body),
                         CRYPTO_OK);
        frame_seal_finish(s, &sealed_len[i]);
        assert_int_equal(frame_open_begin(&p.bob, ALICE, &infos[i % FRAME_CODEC_COUNT],
                                          span_of(sealed[i], sealed_len[i]), 1, opened[i], sizeof opened[i],
                                          &opening[i]),
                         SFRAME_OK);
    }
    key = sframe_key_raw(opening[0].sframe.key);
    for (size_t i = 0; i < FRAMES; i++) {
        struct frame_open *o = &opening[i];
        uint8_t text[PAIR_ROOM]; /* the host's own memory */
        assert_int_equal(crypto_openssl.aead_open(AEAD_AES_256_GCM, key, o->sframe.nonce,
                                                  span_of(o->aad.bytes, o->aad.len), o->sealed, text),
                         CRYPTO_OK);
        memcpy(o->text, text, o->text_len);
        assert_int_equal(frame_open_finish(&p.bob, o, true, &opened_len), SFRAME_OK);
        assert_int_equal(opened_len, samples[i].expected.len);
        assert_memory_equal(opened[i], samples[i].expected.data, opened_len);
    }
    pair_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_opens_as_it_was_sealed_with_its_clear_bytes_in_front),
        cmocka_unit_test(the_clear_bytes_are_those_of_each_codec_s_rule),
        cmocka_unit_test(clear_bytes_have_a_limit),
        cmocka_unit_test(short_start_codes_on_the_way_do_no_harm),
        cmocka_unit_test(the_layout_is_as_documented),
        cmocka_unit_test(trailers_tell_every_clear_length),
        cmocka_unit_test(a_trailer_that_tells_another_length_is_refused),
        cmocka_unit_test(an_av1_frame_that_is_not_one_obu_as_we_write_it_is_refused),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(codec_kind_and_type_are_authenticated),
        cmocka_unit_test(the_type_comes_from_the_bytes_where_they_tell),
        cmocka_unit_test(a_frame_of_no_bytes_is_neither_plaintext_nor_a_failure),
        cmocka_unit_test(frames_pass_up_to_the_limit),
        cmocka_unit_test(without_room_no_counter_is_taken),
        cmocka_unit_test(ten_thousand_equal_frames_repeat_no_block_and_no_nonce),
        cmocka_unit_test(frames_of_two_epochs_and_many_streams_open_side_by_side),
        cmocka_unit_test(a_host_finishes_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
