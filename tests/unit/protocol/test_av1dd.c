#include "payload_vectors.h"

#include "base/rng.h"
#include "protocol/av1dd.h"

static enum av1dd_result input(struct av1dd_state *state, const struct vector_packet *p, struct av1dd *dd) {
    return av1dd_input(state, span_of(p->dd, p->dd_len), dd);
}

/* Every descriptor that the browser sent is understood and is written again bit by bit. */
static size_t round_trip_file(const char *name, struct av1dd_state *state, uint8_t *spatial_max,
                              uint8_t *temporal_max) {
    struct vector_packet p;
    size_t count = 0;
    FILE *file = vector_open(name);
    av1dd_state_init(state);
    *spatial_max = *temporal_max = 0;
    while (vector_next(file, &p)) {
        struct av1dd dd;
        uint8_t again[AV1DD_LEN_MAX];
        struct writer w = writer_of(again, sizeof again);
        assert_int_equal(input(state, &p, &dd), AV1DD_OK);
        av1dd_write(&dd, &state->structure, &w);
        assert_true(writer_ok(&w));
        assert_int_equal(w.len, p.dd_len);
        assert_memory_equal(again, p.dd, p.dd_len);
        *spatial_max = dd.spatial > *spatial_max ? dd.spatial : *spatial_max;
        *temporal_max = dd.temporal > *temporal_max ? dd.temporal : *temporal_max;
        count++;
    }
    (void)fclose(file);
    return count;
}

static void descriptors_of_a_browser_are_read_and_written_again_bit_by_bit(void **unused) {
    (void)unused;
    struct av1dd_state state;
    uint8_t spatial, temporal;
    assert_true(round_trip_file("vp9-l3t3-key.txt", &state, &spatial, &temporal) > 200);
    assert_int_equal(spatial, 2);
    assert_int_equal(temporal, 2);
    assert_int_equal(state.structure.target_count, 9);
    assert_int_equal(state.structure.chain_count, 3);
    assert_int_equal(state.structure.spatial_count, 3);
    assert_int_equal(state.structure.temporal_count, 3);
    assert_int_equal(state.structure.width[2], 1280);
    assert_int_equal(state.structure.height[0], 180);
    assert_true(round_trip_file("av1-l3t3-key.txt", &state, &spatial, &temporal) > 200);
    assert_int_equal(state.structure.target_count, 9);
    assert_true(round_trip_file("av1-l1t3.txt", &state, &spatial, &temporal) > 80);
    assert_int_equal(spatial, 0);
    assert_int_equal(temporal, 2);
    assert_int_equal(state.structure.target_count, 3);
}

static void the_first_descriptor_of_a_key_frame_tells_sizes_layers_and_start(void **unused) {
    (void)unused;
    struct vector_packet p;
    struct av1dd_state state;
    struct av1dd dd;
    FILE *file = vector_open("vp9-l3t3-key.txt");
    assert_true(vector_next(file, &p));
    (void)fclose(file);
    av1dd_state_init(&state);
    assert_int_equal(input(&state, &p, &dd), AV1DD_OK);
    assert_true(dd.start_of_frame && dd.end_of_frame && dd.has_structure && dd.keyframe);
    assert_int_equal(dd.frame_number, 1);
    assert_int_equal(dd.spatial, 0);
    assert_int_equal(dd.temporal, 0);
    assert_int_equal(dd.fdiff_count, 0);
    assert_int_equal(dd.width, 320);
    assert_int_equal(dd.height, 180);
    for (uint8_t target = 0; target < 3; target++)
        assert_int_equal(av1dd_dti_of(dd.dtis, target), AV1DD_SWITCH);
    assert_true(state.valid);
    assert_int_equal(av1dd_targets_within(&state.structure, 2, 2), 0x1ff);
    assert_int_equal(av1dd_targets_within(&state.structure, 0, 2), 0x007);
    assert_int_equal(av1dd_targets_within(&state.structure, 1, 0), 0x009);
    assert_int_equal(av1dd_target_of(&state.structure, 2, 2), 8);
    assert_int_equal(av1dd_target_of(&state.structure, 3, 0), -1);
}

static void a_structure_made_by_hand_is_read(void **unused) {
    (void)unused;
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct av1dd_structure s = {.template_id_offset = 5,
                                .template_count = 3,
                                .target_count = 2,
                                .chain_count = 1,
                                .spatial_count = 1,
                                .temporal_count = 2};
    s.templates[0].dtis = AV1DD_SWITCH | AV1DD_SWITCH << 2;
    s.templates[1].dtis = AV1DD_SWITCH | AV1DD_REQUIRED << 2;
    s.templates[1].fdiff_count = 1;
    s.templates[1].fdiffs[0] = 2;
    s.templates[1].chain_diffs[0] = 2;
    s.templates[2].temporal = 1;
    s.templates[2].dtis = AV1DD_NOT_PRESENT | AV1DD_DISCARDABLE << 2;
    s.templates[2].fdiff_count = 1;
    s.templates[2].fdiffs[0] = 1;
    s.templates[2].chain_diffs[0] = 1;
    struct av1dd d = {
        .start_of_frame = true, .end_of_frame = true, .template_id = 5, .frame_number = 0x1234, .has_structure = true};
    av1dd_write(&d, &s, &w);
    /* 1 1 000101 | 0001001000110100 | 1 0 0 0 0 | 000101 00001 | 00 01 11 | 1010 1011 0001 | 0 1 0001 0 1 0000 0 |
     * chains ns(3)=1: "10" , target_chain twice ns(1): no bits, diffs 0000 0010 0001 | no resolutions 0 */
    static const uint8_t expected[] = {0xc5, 0x12, 0x34, 0x80, 0xa1, 0x1e, 0xac, 0x51, 0x41, 0x01, 0x08};
    assert_true(writer_ok(&w));
    assert_int_equal(w.len, sizeof expected);
    assert_memory_equal(bytes, expected, sizeof expected);
    struct av1dd_state state;
    struct av1dd back;
    av1dd_state_init(&state);
    assert_int_equal(av1dd_input(&state, writer_span(&w), &back), AV1DD_OK);
    assert_int_equal(state.structure.template_count, 3);
    assert_int_equal(state.structure.target_temporal[0], 0);
    assert_int_equal(state.structure.target_temporal[1], 1);
    assert_int_equal(back.active_targets, 3);
    /* a later frame of the upper layer: template 7 */
    static const uint8_t next[] = {0xc7, 0x12, 0x35};
    assert_int_equal(av1dd_input(&state, span_of(next, sizeof next), &back), AV1DD_OK);
    assert_int_equal(back.temporal, 1);
    assert_int_equal(back.fdiffs[0], 1);
    assert_int_equal(back.chain_diffs[0], 1);
    assert_false(back.keyframe);
}

static void without_a_structure_only_the_mandatory_fields_are_known(void **unused) {
    (void)unused;
    static const uint8_t bytes[] = {0x43, 0x00, 0x09};
    struct av1dd_state state;
    struct av1dd dd;
    av1dd_state_init(&state);
    assert_int_equal(av1dd_input(&state, span_of(bytes, sizeof bytes), &dd), AV1DD_NO_STRUCTURE);
    assert_false(dd.start_of_frame);
    assert_true(dd.end_of_frame);
    assert_int_equal(dd.frame_number, 9);
}

static void a_late_packet_from_before_the_structure_is_not_misread(void **unused) {
    (void)unused;
    struct vector_packet p;
    struct av1dd_state state;
    struct av1dd dd;
    FILE *file = vector_open("av1-l1t3.txt");
    assert_true(vector_next(file, &p));
    (void)fclose(file);
    av1dd_state_init(&state);
    p.dd[1] = 0x00;
    p.dd[2] = 0x05;
    assert_int_equal(input(&state, &p, &dd), AV1DD_OK);
    const uint8_t late[] = {p.dd[0], 0x00, 0x04}, later[] = {p.dd[0], 0x00, 0x06}, wrapped[] = {p.dd[0], 0xff, 0xff};
    assert_int_equal(av1dd_input(&state, span_of(late, 3), &dd), AV1DD_NO_STRUCTURE);
    assert_int_equal(av1dd_input(&state, span_of(wrapped, 3), &dd), AV1DD_NO_STRUCTURE);
    assert_int_equal(av1dd_input(&state, span_of(later, 3), &dd), AV1DD_OK);
    /* the same structure again holds for the packets between, too */
    p.dd[2] = 0x0a;
    assert_int_equal(input(&state, &p, &dd), AV1DD_OK);
    assert_int_equal(av1dd_input(&state, span_of(later, 3), &dd), AV1DD_OK);
}

static void a_stream_without_key_frames_for_hours_still_takes_the_next_one(void **unused) {
    (void)unused;
    struct vector_packet p;
    struct av1dd_state state;
    struct av1dd dd;
    FILE *file = vector_open("av1-l1t3.txt");
    assert_true(vector_next(file, &p));
    (void)fclose(file);
    av1dd_state_init(&state);
    assert_int_equal(input(&state, &p, &dd), AV1DD_OK);
    uint8_t frame[] = {p.dd[0], 0, 0};
    for (uint32_t n = 2; n < 150000; n++) {
        frame[1] = (uint8_t)(n >> 8);
        frame[2] = (uint8_t)n;
        assert_int_equal(av1dd_input(&state, span_of(frame, 3), &dd), AV1DD_OK);
    }
    p.dd[1] = (uint8_t)(150000u >> 8);
    p.dd[2] = (uint8_t)150000u;
    p.dd[4] = (uint8_t)(p.dd[4] ^ 0x20); /* another template_id_offset: another structure */
    p.dd[0] = (uint8_t)(p.dd[0] + 1);
    assert_int_equal(input(&state, &p, &dd), AV1DD_OK);
    assert_true(state.structure_last - state.structure_first == 0 && state.structure_last > 150000);
}

static void the_active_targets_can_be_changed_for_one_receiver(void **unused) {
    (void)unused;
    struct vector_packet p;
    struct av1dd_state sender, receiver;
    FILE *file = vector_open("vp9-l3t3-key.txt");
    av1dd_state_init(&sender);
    av1dd_state_init(&receiver);
    bool first = true;
    size_t kept = 0;
    while (vector_next(file, &p)) {
        struct av1dd dd, back;
        uint8_t bytes[AV1DD_LEN_MAX];
        struct writer w = writer_of(bytes, sizeof bytes);
        assert_int_equal(input(&sender, &p, &dd), AV1DD_OK);
        if (dd.spatial > 1)
            continue;
        /* told on the first packet and with every structure */
        if (first || dd.has_structure) {
            dd.has_active_targets = true;
            dd.active_targets = av1dd_targets_within(&sender.structure, 1, 2);
        }
        first = false;
        av1dd_write(&dd, &sender.structure, &w);
        assert_true(writer_ok(&w));
        assert_int_equal(av1dd_input(&receiver, writer_span(&w), &back), AV1DD_OK);
        assert_int_equal(receiver.active_targets, 0x3f);
        assert_int_equal(back.spatial, dd.spatial);
        assert_int_equal(back.temporal, dd.temporal);
        assert_int_equal(back.frame_number, dd.frame_number);
        assert_true(back.dtis == dd.dtis);
        kept++;
    }
    (void)fclose(file);
    assert_true(kept > 50);
    /* on a three byte descriptor */
    struct av1dd dd;
    uint8_t small[] = {0xc0, 0x00, 0x00}, bytes[8];
    small[0] = (uint8_t)(0xc0 | sender.structure.template_id_offset);
    small[1] = (uint8_t)((sender.newest_frame + 1) >> 8);
    small[2] = (uint8_t)(sender.newest_frame + 1);
    assert_int_equal(av1dd_input(&sender, span_of(small, 3), &dd), AV1DD_OK);
    dd.has_active_targets = true;
    dd.active_targets = 1;
    struct writer w = writer_of(bytes, sizeof bytes);
    av1dd_write(&dd, &sender.structure, &w);
    assert_int_equal(w.len, 5);
    assert_int_equal(av1dd_input(&receiver, writer_span(&w), &dd), AV1DD_OK);
    assert_int_equal(receiver.active_targets, 1);
}

static struct av1dd_structure random_structure(struct rng *rng) {
    struct av1dd_structure s;
    memset(&s, 0, sizeof s);
    s.template_id_offset = (uint8_t)rng_below(rng, 64);
    s.target_count = (uint8_t)(1 + rng_below(rng, AV1DD_TARGETS_MAX));
    s.template_count = (uint8_t)(1 + rng_below(rng, AV1DD_TEMPLATES_MAX));
    s.chain_count = (uint8_t)rng_below(rng, s.target_count + 1u);
    uint8_t spatial = 0, temporal = 0;
    for (uint8_t i = 0; i < s.template_count; i++) {
        struct av1dd_template *t = &s.templates[i];
        uint64_t step = i == 0 ? 0 : rng_below(rng, 8);
        if (step == 1 && temporal + 1 < AV1DD_TEMPORAL_MAX) {
            temporal++;
        } else if (step == 2 && spatial + 1 < AV1DD_SPATIAL_MAX) {
            spatial++;
            temporal = 0;
        }
        t->spatial = spatial;
        t->temporal = temporal;
        t->dtis = rng_u64(rng);
        if (s.target_count < 32)
            t->dtis &= (UINT64_C(1) << (2 * s.target_count)) - 1;
        t->fdiff_count = (uint8_t)rng_below(rng, AV1DD_FDIFFS_MAX + 1);
        for (uint8_t k = 0; k < t->fdiff_count; k++)
            t->fdiffs[k] = (uint8_t)(1 + rng_below(rng, 16));
        for (uint8_t c = 0; c < s.chain_count; c++)
            t->chain_diffs[c / 2] |= (uint8_t)(rng_below(rng, 16) << (c % 2 * 4));
        s.temporal_count = temporal + 1 > s.temporal_count ? (uint8_t)(temporal + 1) : s.temporal_count;
    }
    s.spatial_count = (uint8_t)(spatial + 1);
    for (uint8_t i = 0; i < s.target_count && s.chain_count > 0; i++)
        s.target_chain[i] = (uint8_t)rng_below(rng, s.chain_count);
    s.has_resolutions = rng_below(rng, 2) == 1;
    for (uint8_t i = 0; i < s.spatial_count && s.has_resolutions; i++) {
        s.width[i] = (uint16_t)(1 + rng_below(rng, 65535));
        s.height[i] = (uint16_t)(1 + rng_below(rng, 65535));
    }
    return s;
}

static void any_structure_and_frame_survives_writing_and_reading(void **unused) {
    (void)unused;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct rng rng = rng_seeded(seed);
        struct av1dd_structure s = random_structure(&rng), back_s;
        struct av1dd d = {.start_of_frame = seed & 1, .has_structure = true, .frame_number = (uint16_t)rng_u32(&rng)};
        d.template_id = (uint8_t)((s.template_id_offset + rng_below(&rng, s.template_count)) & 63);
        d.custom_dtis = rng_below(&rng, 2) == 1;
        d.custom_fdiffs = rng_below(&rng, 2) == 1;
        d.custom_chains = rng_below(&rng, 2) == 1;
        d.has_active_targets = rng_below(&rng, 2) == 1;
        d.dtis = s.target_count < 32 ? rng_u64(&rng) & ((UINT64_C(1) << (2 * s.target_count)) - 1) : rng_u64(&rng);
        d.fdiff_count = (uint8_t)rng_below(&rng, AV1DD_FDIFFS_MAX + 1);
        for (uint8_t i = 0; i < d.fdiff_count; i++)
            d.fdiffs[i] = (uint16_t)(1 + rng_below(&rng, 4096));
        for (uint8_t c = 0; c < s.chain_count; c++)
            d.chain_diffs[c] = (uint8_t)rng_u32(&rng);
        d.active_targets = s.target_count < 32 ? rng_u32(&rng) & ((1u << s.target_count) - 1) : rng_u32(&rng);
        uint8_t bytes[4096], again[4096];
        struct writer w = writer_of(bytes, sizeof bytes), w2 = writer_of(again, sizeof again);
        struct av1dd back;
        av1dd_write(&d, &s, &w);
        assert_true(writer_ok(&w));
        assert_int_equal(av1dd_parse(writer_span(&w), NULL, &back, &back_s), AV1DD_OK);
        memset(s.target_spatial, 0, sizeof s.target_spatial); /* derived by the reader */
        struct av1dd_structure plain = back_s;
        memset(plain.target_spatial, 0, sizeof plain.target_spatial);
        memset(plain.target_temporal, 0, sizeof plain.target_temporal);
        for (uint8_t i = 0; i < s.template_count; i++) {
            assert_true(plain.templates[i].dtis == s.templates[i].dtis);
            assert_memory_equal(plain.templates[i].fdiffs, s.templates[i].fdiffs, AV1DD_FDIFFS_MAX);
            assert_memory_equal(plain.templates[i].chain_diffs, s.templates[i].chain_diffs, AV1DD_TARGETS_MAX / 2);
        }
        assert_memory_equal(plain.width, s.width, sizeof s.width);
        if (d.custom_fdiffs) {
            assert_int_equal(back.fdiff_count, d.fdiff_count);
            assert_memory_equal(back.fdiffs, d.fdiffs, sizeof d.fdiffs);
        }
        if (d.custom_chains)
            assert_memory_equal(back.chain_diffs, d.chain_diffs, sizeof d.chain_diffs);
        if (d.has_active_targets)
            assert_int_equal(back.active_targets, d.active_targets);
        av1dd_write(&back, &back_s, &w2);
        assert_int_equal(w.len, w2.len);
        assert_memory_equal(bytes, again, w.len);
        /* every truncation is refused or known to lack its structure, never read past */
        for (size_t cut = 0; cut < w.len && seed % 30 == 0; cut++)
            assert_int_equal(av1dd_parse(span_of(bytes, cut), NULL, &back, &back_s),
                             cut == 3 ? AV1DD_NO_STRUCTURE : AV1DD_MALFORMED);
    }
}

static void the_aggregation_header_is_read(void **unused) {
    (void)unused;
    struct av1_aggregation a;
    static const uint8_t first[] = {0x28, 0x1d}, middle[] = {0xd0, 0x00}, bad[] = {0x88, 0x00};
    assert_true(av1_aggregation_parse(span_of(first, 2), &a));
    assert_true(a.new_coded_sequence && !a.continues_previous && !a.continues_next);
    assert_int_equal(a.obu_count, 2);
    assert_true(av1_aggregation_parse(span_of(middle, 2), &a));
    assert_true(a.continues_previous && a.continues_next);
    assert_int_equal(a.obu_count, 1);
    assert_false(av1_aggregation_parse(span_of(bad, 2), &a));
    assert_false(av1_aggregation_parse(span_of(first, 1), &a));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_of_a_browser_are_read_and_written_again_bit_by_bit),
        cmocka_unit_test(the_first_descriptor_of_a_key_frame_tells_sizes_layers_and_start),
        cmocka_unit_test(a_structure_made_by_hand_is_read),
        cmocka_unit_test(without_a_structure_only_the_mandatory_fields_are_known),
        cmocka_unit_test(a_late_packet_from_before_the_structure_is_not_misread),
        cmocka_unit_test(a_stream_without_key_frames_for_hours_still_takes_the_next_one),
        cmocka_unit_test(the_active_targets_can_be_changed_for_one_receiver),
        cmocka_unit_test(any_structure_and_frame_survives_writing_and_reading),
        cmocka_unit_test(the_aggregation_header_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
