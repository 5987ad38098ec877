#include "unit.h"

#include "base/rng.h"
#include "protocol/icetcp.h"

static void frames_survive_any_cutting_of_the_stream(void **state) {
    (void)state;
    static uint8_t stream[64 * 1024];
    static uint8_t datagrams[64][ICETCP_FRAME_LEN_MAX];
    size_t lens[64];
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct rng rng = rng_seeded(seed);
        struct writer w = writer_of(stream, sizeof stream);
        for (size_t i = 0; i < 32; i++) {
            lens[i] = 1 + rng_below(&rng, i % 4 == 0 ? ICETCP_FRAME_LEN_MAX : 20);
            rng_fill(&rng, datagrams[i], lens[i]);
            if (rng_below(&rng, 4) == 0)
                wr_u16(&w, 0); /* an empty frame says nothing */
            assert_true(icetcp_frame_write(&w, span_of(datagrams[i], lens[i])));
        }
        uint8_t buffer[ICETCP_FRAME_LEN_MAX];
        struct icetcp_deframer d;
        icetcp_deframer_init(&d, buffer, sizeof buffer);
        size_t got = 0;
        for (size_t at = 0; at < w.len;) {
            size_t part = 1 + rng_below(&rng, rng_below(&rng, 3) == 0 ? 4000 : 3);
            if (part > w.len - at)
                part = w.len - at;
            struct span chunk = span_of(stream + at, part);
            at += part;
            while (icetcp_deframer_push(&d, &chunk) == ICETCP_FRAME) {
                size_t len;
                const uint8_t *frame = icetcp_deframer_frame(&d, &len);
                assert_int_equal(len, lens[got]);
                assert_memory_equal(frame, datagrams[got], len);
                got++;
            }
        }
        assert_int_equal(got, 32);
    }
}

static void a_frame_longer_than_the_buffer_ends_the_stream(void **state) {
    (void)state;
    uint8_t buffer[16];
    struct icetcp_deframer d;
    icetcp_deframer_init(&d, buffer, sizeof buffer);
    uint8_t bytes[20] = {0, 17};
    struct span chunk = span_of(bytes, sizeof bytes);
    assert_int_equal(icetcp_deframer_push(&d, &chunk), ICETCP_ERROR);
    assert_int_equal(icetcp_deframer_push(&d, &chunk), ICETCP_ERROR);
}

static void a_frame_in_progress_moves_to_the_larger_buffer(void **state) {
    (void)state;
    uint8_t small[4];
    uint8_t large[8];
    struct icetcp_deframer d;
    icetcp_deframer_init(&d, small, sizeof small);
    static const uint8_t first[] = {0, 3, 'a', 'b'};
    struct span chunk = span_of(first, sizeof first);
    assert_int_equal(icetcp_deframer_push(&d, &chunk), ICETCP_MORE);
    icetcp_deframer_grow(&d, large, sizeof large);
    memset(small, 0, sizeof small);
    static const uint8_t second[] = {'c', 0, 8, '1', '2', '3', '4', '5', '6', '7', '8'};
    chunk = span_of(second, sizeof second);
    size_t len;
    assert_int_equal(icetcp_deframer_push(&d, &chunk), ICETCP_FRAME);
    assert_memory_equal(icetcp_deframer_frame(&d, &len), "abc", 3);
    assert_int_equal(icetcp_deframer_push(&d, &chunk), ICETCP_FRAME);
    assert_memory_equal(icetcp_deframer_frame(&d, &len), "12345678", 8);
}

static void a_frame_that_does_not_fit_is_not_half_written(void **state) {
    (void)state;
    uint8_t out[6];
    struct writer w = writer_of(out, sizeof out);
    assert_false(icetcp_frame_write(&w, span_of("12345", 5)));
    assert_int_equal(w.len, 0);
    assert_true(icetcp_frame_write(&w, span_of("1234", 4)));
    assert_memory_equal(out, "\0\0041234", 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_survive_any_cutting_of_the_stream),
        cmocka_unit_test(a_frame_longer_than_the_buffer_ends_the_stream),
        cmocka_unit_test(a_frame_in_progress_moves_to_the_larger_buffer),
        cmocka_unit_test(a_frame_that_does_not_fit_is_not_half_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
