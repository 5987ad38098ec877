/* Emulation prevention of H.264 over sealed bytes: no start code appears, and one form only is taken back. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/rng.h"
#include "e2ee/frame_native.h"
#include "h264_unit.h"
#include "hex.h"
#include "sframe_pair.h"
#include "unit.h"

static const struct frame_info h264 = {FRAME_CODEC_H264, FRAME_KIND_VIDEO, FRAME_TYPE_NONE};

static bool has_start_code(const uint8_t *bytes, size_t len) {
    for (size_t i = 2; i < len; i++) {
        if (bytes[i - 2] == 0 && bytes[i - 1] == 0 && bytes[i] < 3)
            return true;
    }
    return false;
}

static void escaped_bytes_hold_no_start_code_and_come_back(void **state) {
    (void)state;
    struct rng rng = rng_seeded(5);
    uint8_t plain[200], escaped[400], again[400];
    for (int round = 0; round < 200000; round++) {
        size_t before_len = rng_below(&rng, 4), len = rng_below(&rng, 60);
        uint64_t values = 1 + rng_below(&rng, 6);
        for (size_t i = 0; i < before_len + len; i++)
            plain[i] = (uint8_t)rng_below(&rng, values);
        plain[before_len + len] = 0x80; /* as the trailer is */
        len++;
        memcpy(escaped, plain, before_len + len);
        struct span before = span_of(escaped, before_len);
        size_t escaped_len = frame_escape(before, escaped + before_len, len);
        assert_true(escaped_len >= len && escaped_len <= frame_escaped_len_max(len));
        size_t zeros = before_len >= 2 && plain[before_len - 1] == 0 && plain[before_len - 2] == 0 ? 2
                       : before_len >= 1 && plain[before_len - 1] == 0                             ? 1
                                                                                                   : 0;
        assert_false(has_start_code(escaped + before_len - zeros, zeros + escaped_len));
        struct span unescaped = span_of(escaped + before_len, escaped_len);
        assert_true(frame_unescape(before, &unescaped, again));
        assert_int_equal(unescaped.len, len);
        assert_memory_equal(unescaped.data, plain + before_len, len);
        assert_ptr_equal(unescaped.data, escaped_len == len ? escaped + before_len : again); /* no copy without need */
    }
}

static void there_is_one_escaped_form_only(void **state) {
    (void)state;
    struct rng rng = rng_seeded(6);
    uint8_t bytes[40], plain[40], again[80];
    size_t accepted = 0;
    for (int round = 0; round < 300000; round++) {
        size_t before_len = rng_below(&rng, 3), len = rng_below(&rng, 12);
        for (size_t i = 0; i < before_len + len; i++)
            bytes[i] = (uint8_t)(rng_below(&rng, 2) == 0 ? 0 : rng_below(&rng, 5));
        struct span before = span_of(bytes, before_len), unescaped = span_of(bytes + before_len, len);
        if (!frame_unescape(before, &unescaped, plain))
            continue;
        accepted++;
        memcpy(again, unescaped.data, unescaped.len);
        assert_int_equal(frame_escape(before, again, unescaped.len), len);
        assert_memory_equal(again, bytes + before_len, len);
    }
    assert_true(accepted > 10000);
}

/* As the standard's text has it, byte by byte. */
static size_t escape_bytewise(size_t zeros, const uint8_t *plain, size_t len, uint8_t *out) {
    size_t out_len = 0;
    for (size_t i = 0; i < len; i++) {
        if (zeros >= 2 && plain[i] <= 3) {
            out[out_len++] = 3;
            zeros = 0;
        }
        out[out_len++] = plain[i];
        zeros = plain[i] == 0 ? zeros + 1 : 0;
    }
    return out_len;
}

/* Behind so many zeros, `run` at `at` among bytes that need no escape. */
static void escapes_as_bytewise(size_t zeros, size_t len, size_t at, struct span run) {
    static const uint8_t before[2] = {0};
    uint8_t plain[400], expected[600], escaped[600], again[600];
    memset(plain, 0xff, sizeof plain);
    memcpy(plain + at, run.data, run.len);
    size_t expected_len = escape_bytewise(zeros, plain, len, expected);
    memcpy(escaped, plain, len);
    assert_int_equal(frame_escape(span_of(before, zeros), escaped, len), expected_len);
    assert_memory_equal(escaped, expected, expected_len);
    struct span unescaped = span_of(escaped, expected_len);
    assert_true(frame_unescape(span_of(before, zeros), &unescaped, again));
    assert_int_equal(unescaped.len, len);
    assert_memory_equal(unescaped.data, plain, len);
}

/* Bytes are looked at in blocks of 128, the last of which overlaps the one before: every place around their edges. */
static void escapes_at_every_place_are_those_of_a_byte_by_byte_search(void **state) {
    (void)state;
    static const char *const runs[] = {"00",       "00 00",       "00 00 00",       "00 00 01", "00 00 03",
                                       "00 00 04", "00 00 03 03", "00 00 00 00 00", "00 01",    "01"};
    static const size_t lens[] = {1, 2, 3, 127, 128, 129, 130, 131, 255, 256, 257, 258, 300, 384, 385};
    for (size_t r = 0; r < ARRAY_LEN(runs); r++) {
        uint8_t bytes[8];
        struct span run = span_of(bytes, hex_text(runs[r], bytes));
        for (size_t l = 0; l < ARRAY_LEN(lens); l++) {
            for (size_t at = 0; at < lens[l]; at++) {
                for (size_t zeros = 0; zeros <= 2; zeros++)
                    escapes_as_bytewise(zeros, lens[l], at,
                                        span_of(run.data, run.len < lens[l] - at ? run.len : lens[l] - at));
            }
        }
    }
}

/* The worst that a cipher could give: nothing but zeros, through the two steps of a host. */
static void ciphertext_of_zeros_survives_h264(void **state) {
    (void)state;
    struct pair p;
    struct rng rng = rng_seeded(7);
    static struct h264_unit unit;
    static struct frame_seal sealing;
    static struct frame_open opening;
    pair_init_with(&p, PAIR_SUITE, NULL, PAIR_KEYS);
    pair_install(&p, 1, 0, 1);
    for (int round = 0; round < 500; round++) {
        h264_unit_make(&unit, &rng);
        assert_int_equal(frame_seal_begin(&p.alice, 0, &h264, span_of(unit.frame, unit.len), 1, p.sealed,
                                          frame_sealed_len_max(FRAME_CODEC_H264, unit.len), &sealing),
                         SFRAME_OK);
        size_t body_len = sealing.text.len + AEAD_TAG_LEN;
        memset(sealing.body, (int)rng_below(&rng, 4), body_len);
        uint8_t fill = sealing.body[0];
        frame_seal_finish(&sealing, &p.sealed_len);
        assert_true(p.sealed_len <= frame_sealed_len_max(FRAME_CODEC_H264, unit.len));
        assert_memory_equal(p.sealed, unit.normal, unit.clear_len);
        assert_false(has_start_code(p.sealed + unit.clear_len, p.sealed_len - unit.clear_len));
        assert_int_equal(frame_open_begin(&p.bob, ALICE, &h264, span_of(p.sealed, p.sealed_len), 1, p.opened,
                                          sizeof p.opened, &opening),
                         SFRAME_OK);
        assert_int_equal(opening.sealed.len, body_len);
        for (size_t i = 0; i < body_len; i++)
            assert_int_equal(opening.sealed.data[i], fill);
        assert_int_equal(opening.aad.len, sealing.aad.len);
        assert_memory_equal(opening.aad.bytes, sealing.aad.bytes, sealing.aad.len);
        assert_memory_equal(opening.sframe.nonce, sealing.sframe.nonce, SFRAME_NONCE_LEN);
    }
    pair_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escaped_bytes_hold_no_start_code_and_come_back),
        cmocka_unit_test(there_is_one_escaped_form_only),
        cmocka_unit_test(escapes_at_every_place_are_those_of_a_byte_by_byte_search),
        cmocka_unit_test(ciphertext_of_zeros_survives_h264),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
