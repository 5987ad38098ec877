#include <stdlib.h>

#include "base/assert.h"
#include "base/rng.h"
#include "protocol/rtp.h"
#include "unit.h"

static enum rtp_result parse(const void *bytes, size_t len, struct rtp_header *out) {
    return rtp_parse(span_of(bytes, len), out);
}

static void a_packet_is_taken_apart(void **state) {
    (void)state;
    const uint8_t packet[] = {0xb2, 0xef, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 0xca, 0xfe, 0xba, 0xbe, /* 2 CSRCs */
                              0,    0,    0,    1,    0,    0,    0,    2,    0xbe, 0xde, 0,    1,
                              0x10, 0xaa, 0,    0,    'p',  'a',  'y',  0,    0,    3};
    struct rtp_header h;
    assert_int_equal(parse(packet, sizeof packet, &h), RTP_OK);
    assert_true(h.marker);
    assert_int_equal(h.pt, 0x6f);
    assert_int_equal(h.seq16, 0x1234);
    assert_int_equal(h.timestamp, 0xdeadbeef);
    assert_int_equal(h.ssrc, 0xcafebabe);
    assert_int_equal(h.csrcs.len, 8);
    assert_int_equal(h.header_len, 28);
    assert_int_equal(h.padding_len, 3);
    assert_true(span_equal_str(h.payload, "pay"));
    struct span data;
    assert_true(rtp_ext_find(&h, 1, &data));
    assert_int_equal(data.data[0], 0xaa);
    assert_int_equal(rtp_parse_clear(span_of(packet, sizeof packet), &h), RTP_OK);
    assert_int_equal(h.payload.len, 6);
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    const uint8_t packet[] = {0x91, 0x6f, 0x12, 0x34, 0,    0,    0, 1, 0,    0,    0, 2,
                              0,    0,    0,    1,    0xbe, 0xde, 0, 1, 0x10, 0xaa, 0, 0};
    struct rtp_header h;
    for (size_t len = 0; len < sizeof packet; len++) {
        uint8_t *exact = malloc(len + 1);
        memcpy(exact, packet, len);
        assert_int_equal(parse(exact, len, &h), RTP_TOO_SHORT);
        free(exact);
    }
    assert_int_equal(parse(packet, sizeof packet, &h), RTP_OK);
    assert_int_equal(h.payload.len, 0);
    uint8_t other[13] = {0x40};
    assert_int_equal(parse(other, sizeof other, &h), RTP_BAD_VERSION);
    other[0] = 0xa0;
    assert_int_equal(parse(other, sizeof other, &h), RTP_BAD_PADDING);
    other[12] = 2;
    assert_int_equal(parse(other, sizeof other, &h), RTP_BAD_PADDING);
    assert_int_equal(parse(other, 12, &h), RTP_BAD_PADDING);
    other[12] = 1;
    assert_int_equal(parse(other, sizeof other, &h), RTP_OK);
    assert_int_equal(h.payload.len, 0);
}

static struct rtp_header with_block(uint16_t profile, const uint8_t *block, size_t len) {
    return (struct rtp_header){.has_extension = true, .ext_profile = profile, .ext = span_of(block, len)};
}

static void one_byte_elements_stop_at_id_15_and_skip_padding(void **state) {
    (void)state;
    const uint8_t block[] = {0x10, 1, 0, 0, 0x21, 2, 3, 0, 0xf0, 9, 0x30, 4};
    struct rtp_header h = with_block(0xbede, block, sizeof block);
    struct rtp_ext_iter iter = rtp_ext_iter_of(&h);
    struct rtp_ext ext;
    assert_true(rtp_ext_next(&iter, &ext));
    assert_int_equal(ext.id, 1);
    assert_true(rtp_ext_next(&iter, &ext));
    assert_int_equal(ext.id, 2);
    assert_int_equal(ext.data.len, 2);
    assert_false(rtp_ext_next(&iter, &ext));
    assert_false(rtp_ext_next(&iter, &ext));
    /* a zero id with a length ends it too; an element past the end is left out */
    const uint8_t zero[] = {0x10, 1, 0x01, 0, 0, 0x30, 4, 0};
    h = with_block(0xbede, zero, sizeof zero);
    struct span data;
    assert_true(rtp_ext_find(&h, 1, &data));
    assert_false(rtp_ext_find(&h, 3, &data));
    const uint8_t cut[] = {0x10, 1, 0x35, 4};
    h = with_block(0xbede, cut, sizeof cut);
    assert_true(rtp_ext_find(&h, 1, &data));
    assert_false(rtp_ext_find(&h, 3, &data));
}

static void two_byte_elements_may_be_empty_and_have_any_id(void **state) {
    (void)state;
    const uint8_t block[] = {15, 1, 7, 0, 0, 200, 0, 16, 2, 8, 9, 0};
    for (uint16_t profile = 0x1000; profile <= 0x100f; profile++) {
        struct rtp_header h = with_block(profile, block, sizeof block);
        struct rtp_ext_map map = {0};
        assert_true(rtp_ext_map_set(&map, RTP_EXT_MID, 200));
        assert_true(rtp_ext_map_set(&map, RTP_EXT_TRANSPORT_SEQ, 16));
        struct rtp_exts exts;
        rtp_exts_read(&h, &map, &exts);
        assert_true(rtp_exts_has(&exts, RTP_EXT_MID));
        assert_int_equal(exts.data[RTP_EXT_MID].len, 0);
        assert_true(rtp_exts_has(&exts, RTP_EXT_TRANSPORT_SEQ));
        assert_false(rtp_exts_has(&exts, RTP_EXT_RID));
        uint16_t seq16;
        assert_true(rtp_ext_transport_seq(exts.data[RTP_EXT_TRANSPORT_SEQ], &seq16));
        assert_int_equal(seq16, 0x0809);
        struct span data;
        assert_true(rtp_ext_find(&h, 15, &data));
    }
    struct rtp_header unknown = with_block(0x4321, block, sizeof block);
    struct rtp_ext ext;
    struct rtp_ext_iter iter = rtp_ext_iter_of(&unknown);
    assert_false(rtp_ext_next(&iter, &ext));
}

static void an_id_stands_for_one_kind(void **state) {
    (void)state;
    struct rtp_ext_map map = {0};
    assert_false(rtp_ext_map_set(&map, RTP_EXT_MID, 0));
    assert_false(rtp_ext_map_set(&map, RTP_EXT_MID, 15));
    assert_true(rtp_ext_map_set(&map, RTP_EXT_MID, 4));
    assert_false(rtp_ext_map_set(&map, RTP_EXT_RID, 4));
    assert_true(rtp_ext_map_set(&map, RTP_EXT_MID, 9));
    assert_int_equal(rtp_ext_map_kind(&map, 4), RTP_EXT_NONE);
    assert_int_equal(rtp_ext_map_kind(&map, 9), RTP_EXT_MID);
    assert_true(rtp_ext_map_set(&map, RTP_EXT_RID, 4));
    assert_true(rtp_ext_map_set(&map, RTP_EXT_RID, 100));
    assert_int_equal(rtp_ext_map_kind(&map, 100), RTP_EXT_RID);
    assert_int_equal(rtp_ext_map_kind(&map, 4), RTP_EXT_NONE);
    assert_int_equal(rtp_ext_map_kind(&map, 0), RTP_EXT_NONE);
}

static void every_kind_is_found_by_its_uri(void **state) {
    (void)state;
    for (enum rtp_ext_kind kind = RTP_EXT_NONE + 1; kind < RTP_EXT_KINDS; kind++)
        assert_int_equal(rtp_ext_kind_of(span_str(rtp_ext_uri(kind))), kind);
    assert_int_equal(rtp_ext_kind_of(span_str("urn:example:other")), RTP_EXT_NONE);
    assert_string_equal(rtp_ext_uri(RTP_EXT_AUDIO_LEVEL), "urn:ietf:params:rtp-hdrext:ssrc-audio-level");
}

static void values_are_read_as_written(void **state) {
    (void)state;
    uint8_t level = rtp_ext_audio_level_byte(true, 42), read_level;
    bool voice;
    assert_true(rtp_ext_audio_level(span_of(&level, 1), &voice, &read_level));
    assert_true(voice);
    assert_int_equal(read_level, 42);
    assert_false(rtp_ext_audio_level((struct span){0}, &voice, &read_level));
    const uint8_t delay[] = {0x00, 0xa0, 0x64};
    uint32_t min_ms, max_ms, value;
    assert_true(rtp_ext_playout_delay(span_of(delay, 3), &min_ms, &max_ms));
    assert_int_equal(min_ms, 100);
    assert_int_equal(max_ms, 1000);
    assert_false(rtp_ext_playout_delay(span_of(delay, 2), &min_ms, &max_ms));
    assert_true(rtp_ext_abs_send_time(span_of(delay, 3), &value));
    assert_int_equal(value, 0xa064);
    assert_int_equal(rtp_ext_abs_send_time_of(1500000), 3 << 17);
    assert_int_equal(rtp_ext_abs_send_time_of(UINT64_C(64000000) * 1000000 + 500000), 1 << 17);
    char text[4];
    assert_true(rtp_ext_text(span_str("abc"), text, sizeof text));
    assert_string_equal(text, "abc");
    assert_false(rtp_ext_text(span_str("abcd"), text, sizeof text));
    assert_false(rtp_ext_text(span_str(""), text, sizeof text));
    assert_false(rtp_ext_text(span_str("a b"), text, sizeof text));
}

static void the_short_form_is_used_whenever_it_can_be(void **state) {
    (void)state;
    uint8_t bytes[RTP_HEADER_LEN_MAX], long_value[17] = {1};
    const struct rtp_header header = {.pt = 96, .ssrc = 1};
    const uint16_t expected[] = {0xbede, 0x1000, 0x1000, 0x1000};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        struct rtp_ext_out exts = {0};
        struct writer w = writer_of(bytes, sizeof bytes);
        rtp_ext_add_u24(&exts, 14, 0x123456);
        rtp_ext_add_u8(&exts, 0, 1); /* not negotiated: left out */
        rtp_ext_add(&exts, i == 1 ? 16 : 3, span_of(long_value, i == 2 ? 17 : (i == 3 ? 0 : 16)));
        assert_int_equal(exts.count, 2);
        assert_true(rtp_write(&w, &header, &exts));
        struct rtp_header read;
        assert_int_equal(rtp_parse(writer_span(&w), &read), RTP_OK);
        assert_int_equal(read.ext_profile, expected[i]);
        struct span data;
        assert_true(rtp_ext_find(&read, 14, &data));
        assert_int_equal(data.data[2], 0x56);
    }
}

static void a_copied_list_of_extensions_is_as_good(void **state) {
    (void)state;
    struct rtp_ext_out first = {0}, second;
    rtp_ext_add_u16(&first, 5, 0x1234);
    second = first;
    memset(&first, 0xee, sizeof first);
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof bytes);
    assert_true(rtp_write(&w, &(struct rtp_header){.pt = 1}, &second));
    struct rtp_header read;
    struct span data;
    assert_int_equal(rtp_parse(writer_span(&w), &read), RTP_OK);
    assert_true(rtp_ext_find(&read, 5, &data));
    assert_int_equal(data.data[0], 0x12);
}

static void a_full_writer_is_told(void **state) {
    (void)state;
    struct rtp_ext_out exts = {0};
    rtp_ext_add_u16(&exts, 5, 0x1234);
    for (size_t size = 0; size < 20; size++) {
        uint8_t *exact = malloc(size + 1);
        struct writer w = writer_of(exact, size);
        assert_false(rtp_write(&w, &(struct rtp_header){.pt = 1}, &exts));
        free(exact);
    }
    static const uint8_t big[300];
    uint8_t bytes[600];
    struct writer w = writer_of(bytes, sizeof bytes);
    rtp_ext_add(&exts, 6, span_of(big, sizeof big));
    assert_false(rtp_write(&w, &(struct rtp_header){.pt = 1}, &exts));
}

/* Whatever is written is read again, for random headers. */
static void writing_and_reading_are_inverse(void **state) {
    (void)state;
    struct rng rng = rng_seeded(7);
    for (int round = 0; round < 5000; round++) {
        uint8_t csrcs[60], values[RTP_EXT_OUT_MAX][20], bytes[800];
        rng_fill(&rng, csrcs, sizeof csrcs);
        rng_fill(&rng, values, sizeof values);
        struct rtp_header header = {.marker = rng_below(&rng, 2) == 1,
                                    .pt = (uint8_t)rng_below(&rng, 128),
                                    .seq16 = (uint16_t)rng_u32(&rng),
                                    .timestamp = rng_u32(&rng),
                                    .ssrc = rng_u32(&rng),
                                    .csrcs = span_of(csrcs, 4 * rng_below(&rng, 16)),
                                    .padding_len = rng_below(&rng, 4) == 0 ? 4 : 0};
        struct rtp_ext_out exts = {0};
        size_t count = rng_below(&rng, 10), len_max = rng_below(&rng, 2) == 0 ? 16 : 20;
        for (size_t i = 0; i < count; i++)
            rtp_ext_add(&exts, (uint8_t)(i + 1), span_of(values[i], 1 + rng_below(&rng, len_max)));
        struct writer w = writer_of(bytes, sizeof bytes);
        assert_true(rtp_write(&w, &header, &exts));
        size_t header_len = w.len;
        wr_str(&w, "media");
        if (header.padding_len > 0)
            wr_u32(&w, 4);
        struct rtp_header read;
        assert_int_equal(rtp_parse(writer_span(&w), &read), RTP_OK);
        assert_int_equal(read.header_len, header_len);
        assert_int_equal(read.marker, header.marker);
        assert_int_equal(read.pt, header.pt);
        assert_int_equal(read.seq16, header.seq16);
        assert_int_equal(read.timestamp, header.timestamp);
        assert_int_equal(read.ssrc, header.ssrc);
        assert_int_equal(read.padding_len, header.padding_len);
        assert_true(span_equal(read.csrcs, header.csrcs));
        assert_true(span_equal_str(read.payload, "media"));
        struct rtp_ext_iter iter = rtp_ext_iter_of(&read);
        struct rtp_ext ext;
        for (size_t i = 0; i < count; i++) {
            assert_true(rtp_ext_next(&iter, &ext));
            assert_int_equal(ext.id, exts.ext[i].id);
            assert_true(span_equal(ext.data, exts.ext[i].data));
        }
        assert_false(rtp_ext_next(&iter, &ext));
    }
}

static void a_retransmission_carries_the_original_number(void **state) {
    (void)state;
    uint8_t payload[6] = {0, 0, 'd', 'a', 't', 'a'};
    rtp_rtx_prefix(0xfffe, payload);
    uint16_t seq16;
    struct span original;
    assert_true(rtp_rtx_unwrap(span_of(payload, 6), &seq16, &original));
    assert_int_equal(seq16, 0xfffe);
    assert_true(span_equal_str(original, "data"));
    assert_false(rtp_rtx_unwrap(span_of(payload, 1), &seq16, &original));
    assert_true(rtp_rtx_unwrap(span_of(payload, 2), &seq16, &original));
    assert_int_equal(original.len, 0);
}

static void the_primary_block_of_red_is_the_last(void **state) {
    (void)state;
    /* one redundant block of 3 bytes, payload type 111 both */
    const uint8_t red[] = {0x80 | 111, 0x0f, 0x00, 3, 111, 'o', 'l', 'd', 'n', 'e', 'w'};
    uint8_t pt;
    struct span primary;
    assert_true(rtp_red_primary(span_of(red, sizeof red), &pt, &primary));
    assert_int_equal(pt, 111);
    assert_true(span_equal_str(primary, "new"));
    assert_true(rtp_red_primary(span_of(red, 8), &pt, &primary));
    assert_int_equal(primary.len, 0);
    for (size_t len = 0; len < 8; len++)
        assert_false(rtp_red_primary(span_of(red, len), &pt, &primary));
    uint8_t endless[400];
    memset(endless, 0x80, sizeof endless);
    assert_false(rtp_red_primary(span_of(endless, sizeof endless), &pt, &primary));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_is_taken_apart),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(one_byte_elements_stop_at_id_15_and_skip_padding),
        cmocka_unit_test(two_byte_elements_may_be_empty_and_have_any_id),
        cmocka_unit_test(an_id_stands_for_one_kind),
        cmocka_unit_test(every_kind_is_found_by_its_uri),
        cmocka_unit_test(values_are_read_as_written),
        cmocka_unit_test(the_short_form_is_used_whenever_it_can_be),
        cmocka_unit_test(a_copied_list_of_extensions_is_as_good),
        cmocka_unit_test(a_full_writer_is_told),
        cmocka_unit_test(writing_and_reading_are_inverse),
        cmocka_unit_test(a_retransmission_carries_the_original_number),
        cmocka_unit_test(the_primary_block_of_red_is_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
