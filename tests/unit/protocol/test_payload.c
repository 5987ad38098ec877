#include "payload_vectors.h"

#include "base/rng.h"
#include "protocol/payload.h"

#define SPAN(...) span_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void codecs_are_found_by_name_and_mime_whatever_their_case(void **unused) {
    (void)unused;
    assert_int_equal(codec_by_name(span_str("vp8")), CODEC_VP8);
    assert_int_equal(codec_by_name(span_str("OPUS")), CODEC_OPUS);
    assert_int_equal(codec_by_mime(span_str("video/VP8")), CODEC_VP8);
    assert_int_equal(codec_by_mime(span_str("Audio/Opus")), CODEC_OPUS);
    assert_int_equal(codec_by_mime(span_str("av1")), CODEC_AV1);
    assert_int_equal(codec_by_mime(span_str("text/vp8")), CODEC_UNKNOWN);
    assert_int_equal(codec_by_name(span_str("")), CODEC_UNKNOWN);
    assert_int_equal(codec_by_name(span_str("VP80")), CODEC_UNKNOWN);
    for (int i = CODEC_UNKNOWN + 1; i < CODEC_COUNT; i++) {
        assert_int_equal(codec_by_mime(span_str(codec_mime((enum codec)i))), i);
        assert_int_equal(codec_by_name(span_str(codec_name((enum codec)i))), i);
        assert_true(codec_clock_hz((enum codec)i) > 0);
    }
    assert_int_equal(codec_static(0), CODEC_PCMU);
    assert_int_equal(codec_static(96), CODEC_UNKNOWN);
}

static void a_vp8_descriptor_with_everything_is_read(void **unused) {
    (void)unused;
    struct vp8_descriptor d;
    /* X N S PID 0 | I L T K | M + 15 bit id | TL0 | TID 2 Y KEYIDX 5 | key frame 640x360 */
    assert_true(vp8_parse(
        SPAN(0xb0, 0xf0, 0x92, 0x34, 0x77, 0xa5, 0x10, 0x10, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x41, 0xff),
        &d));
    assert_int_equal(d.len_bytes, 6);
    assert_true(d.non_reference && d.start_of_partition && d.start_of_frame && d.keyframe);
    assert_true(d.has_picture_id && d.picture_id_15bit);
    assert_int_equal(d.picture_id, 0x1234);
    assert_int_equal(d.tl0_picture_index, 0x77);
    assert_int_equal(d.temporal, 2);
    assert_true(d.layer_sync);
    assert_int_equal(d.key_index, 5);
    assert_int_equal(d.width, 640);
    assert_int_equal(d.height, 360); /* the scaling bits are not part of it */
}

static void small_vp8_descriptors_are_read(void **unused) {
    (void)unused;
    struct vp8_descriptor d;
    assert_true(vp8_parse(SPAN(0x10, 0x01), &d)); /* no extension, delta frame */
    assert_int_equal(d.len_bytes, 1);
    assert_true(d.start_of_frame && !d.keyframe && !d.has_picture_id);
    assert_true(vp8_parse(SPAN(0x10, 0x00), &d)); /* key frame by its first byte alone */
    assert_true(d.keyframe);
    assert_int_equal(d.width, 0);
    assert_true(vp8_parse(SPAN(0x11, 0x00), &d)); /* another partition */
    assert_false(d.start_of_frame || d.keyframe);
    assert_true(vp8_parse(SPAN(0x00, 0x00), &d)); /* in the middle of a partition */
    assert_false(d.start_of_frame || d.keyframe);
    assert_true(vp8_parse(SPAN(0x80, 0x80, 0x11, 0x00), &d)); /* 7 bit picture id */
    assert_int_equal(d.picture_id, 0x11);
    assert_false(d.picture_id_15bit);
    assert_true(vp8_parse(SPAN(0x80, 0x10, 0xe3, 0x00), &d)); /* K without T: no layer */
    assert_false(d.has_temporal || d.layer_sync);
    assert_int_equal(d.temporal, 0);
    assert_int_equal(d.key_index, 3);
}

static void truncated_vp8_descriptors_are_refused(void **unused) {
    (void)unused;
    static const uint8_t full[] = {0x90, 0xf0, 0x92, 0x34, 0x77, 0xa5, 0x10};
    struct vp8_descriptor d;
    for (size_t len = 0; len < sizeof full; len++)
        assert_false(vp8_parse(span_of(full, len), &d));
    assert_true(vp8_parse(span_of(full, sizeof full), &d));
}

static void vp8_ids_are_rewritten_in_place_and_nothing_else_changes(void **unused) {
    (void)unused;
    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct rng rng = rng_seeded(seed);
        uint8_t before[16], after[16];
        struct vp8_descriptor d, back;
        rng_fill(&rng, before, sizeof before);
        before[0] |= 0x80;
        memcpy(after, before, sizeof after);
        assert_true(vp8_parse(span_of(before, sizeof before), &d));
        uint16_t id = (uint16_t)rng_u32(&rng);
        uint8_t tl0 = (uint8_t)rng_u32(&rng), key = (uint8_t)rng_u32(&rng);
        vp8_write_ids(after, sizeof after, &d, id, tl0);
        vp8_write_key_index(after, sizeof after, &d, key);
        assert_true(vp8_parse(span_of(after, sizeof after), &back));
        if (d.has_picture_id)
            assert_int_equal(back.picture_id, id & (d.picture_id_15bit ? 0x7fff : 0x7f));
        if (d.has_tl0)
            assert_int_equal(back.tl0_picture_index, tl0);
        if (d.has_key_index)
            assert_int_equal(back.key_index, key & 0x1f);
        vp8_write_ids(after, sizeof after, &d, d.picture_id, d.tl0_picture_index);
        vp8_write_key_index(after, sizeof after, &d, d.key_index);
        assert_memory_equal(before, after, sizeof before);
    }
    assert_int_equal(vp8_picture_id_diff(1, 0x7fff, true), 2);
    assert_int_equal(vp8_picture_id_diff(0x7fff, 1, true), -2);
    assert_int_equal(vp8_picture_id_diff(0, 0x7f, false), 1);
    assert_int_equal(vp8_picture_id_diff(5, 5, false), 0);
}

static void a_vp9_descriptor_with_a_scalability_structure_is_read(void **unused) {
    (void)unused;
    struct vp9_descriptor d;
    /* I L F B V | 15 bit id | TID 0 U SID 0 | N_S 1 Y G | 2 sizes | N_G 2 | TID 0 U R 0 | TID 1 R 1, diff | payload */
    assert_true(vp9_parse(SPAN(0xba, 0x81, 0x02, 0x10, 0x38, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68, 0x02, 0x10,
                               0x24, 0x01, 0x55),
                          &d));
    assert_int_equal(d.len_bytes, 17);
    assert_int_equal(d.picture_id, 0x102);
    assert_true(d.keyframe && d.start_of_frame && !d.end_of_frame && d.flexible && d.has_structure);
    assert_true(d.switching_up);
    assert_false(d.has_tl0);
    assert_int_equal(d.structure.spatial_layers, 2);
    assert_int_equal(d.structure.width[1], 640);
    assert_int_equal(d.structure.height[0], 180);
    assert_int_equal(d.structure.pictures_in_group, 2);
}

static void vp9_references_and_layers_are_read_and_limited(void **unused) {
    (void)unused;
    struct vp9_descriptor d;
    /* I P L F | 7 bit id | TID 2 SID 1 D | two differences | payload */
    assert_true(vp9_parse(SPAN(0xf0, 0x07, 0x43, 0x03, 0x08, 0x00), &d));
    assert_int_equal(d.temporal, 2);
    assert_int_equal(d.spatial, 1);
    assert_true(d.inter_layer);
    assert_int_equal(d.reference_count, 2);
    assert_int_equal(d.reference_diff[0], 1);
    assert_int_equal(d.reference_diff[1], 4);
    assert_false(vp9_parse(SPAN(0xf0, 0x07, 0x43, 0x03, 0x03, 0x03, 0x02, 0x00), &d)); /* four references */
    /* non-flexible: TL0PICIDX follows the layers */
    assert_true(vp9_parse(SPAN(0xac, 0x07, 0x00, 0x63, 0x00), &d));
    assert_true(d.has_tl0 && d.keyframe && d.end_of_frame);
    assert_int_equal(d.tl0_picture_index, 0x63);
    /* an upper layer of a key picture is no place to begin */
    assert_true(vp9_parse(SPAN(0xa8, 0x07, 0x03, 0x63, 0x00), &d));
    assert_false(d.keyframe);
}

static void vp9_ids_are_rewritten_in_place(void **unused) {
    (void)unused;
    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct rng rng = rng_seeded(seed);
        uint8_t before[64], after[64];
        struct vp9_descriptor d, back;
        rng_fill(&rng, before, sizeof before);
        memcpy(after, before, sizeof after);
        if (!vp9_parse(span_of(before, sizeof before), &d))
            continue;
        uint16_t id = (uint16_t)rng_u32(&rng);
        uint8_t tl0 = (uint8_t)rng_u32(&rng);
        vp9_write_ids(after, sizeof after, &d, id, tl0);
        assert_true(vp9_parse(span_of(after, sizeof after), &back));
        assert_int_equal(back.len_bytes, d.len_bytes);
        if (d.has_picture_id)
            assert_int_equal(back.picture_id, id & (d.picture_id_15bit ? 0x7fff : 0x7f));
        if (d.has_tl0)
            assert_int_equal(back.tl0_picture_index, tl0);
        vp9_write_ids(after, sizeof after, &d, d.picture_id, d.tl0_picture_index);
        assert_memory_equal(before, after, sizeof before);
    }
}

static void h264_units_tell_where_key_frames_begin(void **unused) {
    (void)unused;
    struct h264_packet p;
    assert_true(h264_parse(SPAN(0x67, 0x42, 0xe0), &p)); /* SPS */
    assert_true(p.keyframe && p.has_sps && p.start_of_frame && p.reference);
    assert_true(h264_parse(SPAN(0x65, 0x88), &p)); /* IDR, first slice */
    assert_true(p.keyframe && p.has_idr);
    assert_true(h264_parse(SPAN(0x65, 0x18), &p)); /* IDR, a later slice */
    assert_true(p.has_idr && !p.keyframe && !p.start_of_frame);
    assert_true(h264_parse(SPAN(0x01, 0x9a), &p)); /* a slice nobody refers to */
    assert_true(p.start_of_frame && !p.keyframe && !p.reference);
    assert_true(h264_parse(SPAN(0x78, 0x00, 0x02, 0x67, 0x42, 0x00, 0x02, 0x68, 0xce, 0x00, 0x02, 0x65, 0x88), &p));
    assert_true(p.keyframe && p.has_sps && p.has_pps && p.has_idr);
    assert_true(h264_parse(SPAN(0x7c, 0x85, 0x88), &p)); /* FU-A, start of an IDR */
    assert_true(p.keyframe && p.fragment_start);
    assert_true(h264_parse(SPAN(0x7c, 0x05, 0x88), &p));
    assert_false(p.keyframe || p.start_of_frame || p.fragment_start || p.fragment_end);
    assert_true(h264_parse(SPAN(0x7c, 0x45, 0x88), &p));
    assert_true(p.fragment_end);
}

static void broken_h264_payloads_are_refused(void **unused) {
    (void)unused;
    struct h264_packet p;
    assert_false(h264_parse(span_of("", 0), &p));
    assert_false(h264_parse(SPAN(0x67), &p));
    assert_false(h264_parse(SPAN(0xe7, 0x42), &p));             /* forbidden bit */
    assert_false(h264_parse(SPAN(0x78, 0x00, 0x05, 0x67), &p)); /* unit longer than the packet */
    assert_false(h264_parse(SPAN(0x78, 0x00, 0x00, 0x67), &p)); /* empty unit */
    assert_false(h264_parse(SPAN(0x7c, 0xc5, 0x88), &p));       /* start and end */
    assert_false(h264_parse(SPAN(0x7c, 0x85), &p));
    assert_false(h264_parse(SPAN(0x79, 0x00, 0x00), &p)); /* STAP-B */
    assert_false(h264_parse(SPAN(0x7f, 0x00), &p));
}

static struct h264_format format_of(const char *fmtp) {
    struct h264_format format;
    assert_true(h264_format_of_fmtp(span_str(fmtp), &format));
    return format;
}

static void h264_profiles_and_levels_are_compared_as_the_rfc_says(void **unused) {
    (void)unused;
    struct h264_format a = format_of("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
    assert_int_equal(a.profile, H264_CONSTRAINED_BASELINE);
    assert_int_equal(a.level, 31);
    assert_int_equal(a.packetization_mode, 1);
    struct h264_format same = format_of("packetization-mode=1; profile-level-id=4dE034; level-asymmetry-allowed=1");
    assert_int_equal(same.profile, H264_CONSTRAINED_BASELINE); /* main with constraint_set0 is the same sub-profile */
    assert_true(h264_formats_match(&a, &same));
    assert_int_equal(h264_answer_level(&a, &same), 52);
    struct h264_format symmetric = format_of("packetization-mode=1;profile-level-id=42e034");
    assert_int_equal(h264_answer_level(&a, &symmetric), 31);
    struct h264_format mode0 = format_of("profile-level-id=42e01f");
    assert_false(h264_formats_match(&a, &mode0));
    assert_int_equal(format_of("packetization-mode=1;profile-level-id=42001f").profile, H264_BASELINE);
    assert_int_equal(format_of("profile-level-id=4d0032").profile, H264_MAIN);
    assert_int_equal(format_of("profile-level-id=640032").profile, H264_HIGH);
    assert_int_equal(format_of("profile-level-id=640c1f").profile, H264_CONSTRAINED_HIGH);
    assert_int_equal(format_of("profile-level-id=42f00b").level, H264_LEVEL_1B);
    assert_int_equal(format_of("").level, 10);
    assert_true(h264_level_less(10, H264_LEVEL_1B) && h264_level_less(H264_LEVEL_1B, 11));
    struct h264_format bad;
    assert_false(h264_format_of_fmtp(span_str("profile-level-id=42e01"), &bad));
    assert_false(h264_format_of_fmtp(span_str("profile-level-id=99e01f"), &bad));
    assert_false(h264_format_of_fmtp(span_str("profile-level-id=42e0ff"), &bad));
    assert_false(h264_format_of_fmtp(span_str("packetization-mode=2"), &bad));
    for (enum h264_profile profile = H264_CONSTRAINED_BASELINE; profile <= H264_HIGH_444_PREDICTIVE; profile++) {
        static const uint8_t levels[] = {H264_LEVEL_1B, 10, 11, 31, 52};
        for (size_t i = 0; i < sizeof levels; i++) {
            enum h264_profile back;
            uint8_t level;
            char text[7];
            h264_profile_level_text(profile, levels[i], text);
            assert_true(h264_profile_level_id(span_str(text), &back, &level));
            assert_int_equal(back, profile);
            assert_int_equal(level, levels[i]);
        }
    }
}

/* ---- sizes of pictures --------------------------------------------------------------------------------------------- */

struct made {
    uint8_t bytes[128];
    size_t bits;
};

static void put(struct made *m, uint32_t value, unsigned count) {
    for (unsigned i = count; i > 0; i--, m->bits++)
        m->bytes[m->bits / 8] |= (uint8_t)((value >> (i - 1) & 1) << (7 - m->bits % 8));
}

static void put_ue(struct made *m, uint32_t value) {
    unsigned len = 0;
    while (len < 31 && (value + 1) >> (len + 1) != 0)
        len++;
    put(m, 0, len);
    put(m, value + 1, len + 1);
}

/* With a NAL unit header; `high`: with scaling lists, an order of pictures of type 1, two fields. */
static struct made made_sps(bool high, uint32_t columns, uint32_t rows, uint32_t crop_right, uint32_t crop_bottom) {
    struct made m = {0};
    put(&m, 0x67, 8);
    put(&m, high ? 100 : 66, 8);
    put(&m, high ? 0 : 0xe0, 8);
    put(&m, 31, 8);
    put_ue(&m, 0);
    if (high) {
        put_ue(&m, 1);
        put_ue(&m, 0);
        put_ue(&m, 0);
        put(&m, 1, 2); /* no bypass; scaling lists: the first in three steps, then none */
        put(&m, 1, 1);
        put_ue(&m, 1);  /* +1 */
        put_ue(&m, 2);  /* -1 */
        put_ue(&m, 16); /* -8: the rest is as before */
        put(&m, 0, 7);
    }
    put_ue(&m, 0);
    put_ue(&m, high ? 1 : 0);
    if (high) {
        put(&m, 1, 1);
        put_ue(&m, 0);
        put_ue(&m, 0);
        put_ue(&m, 2);
        put_ue(&m, 3);
        put_ue(&m, 4);
    } else {
        put_ue(&m, 2);
    }
    put_ue(&m, 1);
    put(&m, 0, 1);
    put_ue(&m, columns - 1);
    put_ue(&m, rows - 1);
    put(&m, high ? 0 : 1, 1);
    put(&m, high ? 3 : 1, high ? 2 : 1);
    put(&m, crop_right + crop_bottom > 0, 1);
    if (crop_right + crop_bottom > 0) {
        put_ue(&m, 0);
        put_ue(&m, crop_right);
        put_ue(&m, 0);
        put_ue(&m, crop_bottom);
    }
    put(&m, 0, 1);
    put(&m, 1, 1);
    return m;
}

static struct payload_info read_made(enum codec codec, const struct made *m) {
    struct payload_info info;
    (void)payload_inspect(codec, span_of(m->bytes, (m->bits + 7) / 8), false, (struct span){NULL, 0}, NULL, &info);
    return info;
}

/* The sum with such a step does not fit into an int. */
static void a_scaling_list_with_a_step_of_two_thousand_million_is_none(void **unused) {
    (void)unused;
    struct made m = {0};
    put(&m, 0x67, 8);
    put(&m, 100, 8);
    put(&m, 31, 16);
    put_ue(&m, 0);
    put_ue(&m, 1);
    put_ue(&m, 0);
    put_ue(&m, 0);
    put(&m, 3, 3); /* no bypass; scaling lists; the first */
    put_ue(&m, UINT32_MAX - 2);
    put(&m, UINT32_MAX, 32);
    put(&m, UINT32_MAX, 32);
    assert_int_equal(read_made(CODEC_H264, &m).width, 0);
}

static void a_parameter_set_of_h264_tells_the_size_behind_its_cropping(void **unused) {
    (void)unused;
    struct made m = made_sps(false, 80, 45, 0, 0);
    struct payload_info info = read_made(CODEC_H264, &m);
    assert_int_equal(info.width, 1280);
    assert_int_equal(info.height, 720);
    m = made_sps(false, 120, 68, 0, 4); /* units of two rows */
    info = read_made(CODEC_H264, &m);
    assert_int_equal(info.width, 1920);
    assert_int_equal(info.height, 1080);
    m = made_sps(true, 20, 6, 1, 2); /* two fields of 6 rows of blocks: units of four rows */
    info = read_made(CODEC_H264, &m);
    assert_int_equal(info.width, 318);
    assert_int_equal(info.height, 184);
    for (size_t bits = 16; bits < m.bits - 8; bits += 8) { /* what is cut off tells nothing */
        struct made cut = m;
        cut.bits = bits;
        assert_int_equal(read_made(CODEC_H264, &cut).width, 0);
    }
    m = made_sps(false, 80, 45, 700, 0); /* nothing would be left */
    assert_int_equal(read_made(CODEC_H264, &m).width, 0);
    m = made_sps(false, 5000, 45, 0, 0);
    assert_int_equal(read_made(CODEC_H264, &m).width, 0);
}

/* Aggregation header, OBU header, sequence header. */
static struct made made_sequence(uint8_t aggregation, bool everything, uint32_t width, uint32_t height) {
    struct made m = {0};
    put(&m, aggregation, 8);
    put(&m, 0x08, 8);
    put(&m, 0, 5); /* main profile, moving pictures */
    put(&m, everything, 1);
    if (everything) {
        put(&m, 1, 32);
        put(&m, 30, 32);
        put(&m, 1, 1); /* an equal interval, 0 */
        put(&m, 1, 1);
        put(&m, 1, 1); /* a decoder model: delays of 5 bits */
        put(&m, 4, 5);
        put(&m, 1, 32);
        put(&m, 0, 10);
    }
    put(&m, everything, 1);
    put(&m, everything ? 1 : 0, 5);
    for (int i = 0; i < (everything ? 2 : 1); i++) {
        put(&m, 0, 12);
        put(&m, 8, 5);
        put(&m, 0, 1);
        if (!everything)
            continue;
        put(&m, 1, 1);
        put(&m, 0, 11);
        put(&m, 1, 1);
        put(&m, 9, 4);
    }
    put(&m, 10, 4);
    put(&m, 10, 4);
    put(&m, width - 1, 11);
    put(&m, height - 1, 11);
    put(&m, everything, 1);
    put(&m, 0, everything ? 7 : 0);
    put(&m, 3, 3);
    put(&m, 0, 4);
    put(&m, 1, 1); /* order hints */
    put(&m, 0, 2);
    put(&m, 1, 1);
    put(&m, 1, 1);
    put(&m, 6, 3);
    put(&m, 0, 3);
    put(&m, 0, 2); /* 8 bits, in colour */
    put(&m, everything, 1);
    put(&m, 0x010101, everything ? 24 : 0);
    put(&m, 0, 1);
    put(&m, 0, 2);
    put(&m, 0, 1);
    put(&m, 0, 1);
    put(&m, 1, 1);
    return m;
}

static void a_sequence_header_of_av1_tells_the_size(void **unused) {
    (void)unused;
    for (int everything = 0; everything < 2; everything++) {
        struct made m = made_sequence(0x18, everything != 0, 1280, 720); /* one element, new sequence */
        struct payload_info info = read_made(CODEC_AV1, &m);
        assert_int_equal(info.width, 1280);
        assert_int_equal(info.height, 720);
        m.bytes[3] ^= 0x01; /* somewhere within: it does not end as it should any more, or says nothing */
        m.bytes[4] ^= 0x80;
        m.bits -= 8;
        assert_int_equal(read_made(CODEC_AV1, &m).width, 0);
        m = made_sequence(0x10, everything != 0, 1280, 720); /* not at the begin of a sequence */
        assert_int_equal(read_made(CODEC_AV1, &m).width, 0);
    }
}

static void noise_is_taken_for_a_sequence_header_next_to_never(void **unused) {
    (void)unused;
    struct rng rng = rng_seeded(9);
    uint32_t taken = 0;
    for (int i = 0; i < 200000; i++) { /* as under encryption: only the aggregation header is what it was */
        struct made m = {.bits = 8 * (20 + rng_below(&rng, 100))};
        rng_fill(&rng, m.bytes, sizeof m.bytes);
        m.bytes[0] = 0x18;
        taken += read_made(CODEC_AV1, &m).width != 0;
    }
    assert_in_range(taken, 0, 2);
}

struct summary {
    size_t packets, frames, ends, pictures, keyframes, spatial[4], temporal[4], syncs;
    uint16_t width_max;
};

/* Frame encryption leaves of H.264 what comes before the first slice, and two bytes of that (its NAL unit header and
 * the beginning of the slice header); RTP's own framing is put around it afterwards. */
static void hide_h264(struct vector_packet *p) {
    uint8_t type = p->payload[0] & 0x1f;
    size_t clear = p->payload_len;
    if (type == H264_NAL_FU_A) {
        clear = (p->payload[1] & 0x80) != 0 ? 3 : 2;
    } else if (type < H264_NAL_SEI) {
        clear = 2;
    } else if (type == H264_NAL_STAP_A) {
        for (size_t at = 1; at + 3 < p->payload_len && clear == p->payload_len;) {
            size_t len = (size_t)(p->payload[at] << 8 | p->payload[at + 1]);
            if ((p->payload[at + 2] & 0x1f) < H264_NAL_SEI)
                clear = at + 4;
            at += 2 + len;
        }
    }
    if (clear < p->payload_len)
        memset(p->payload + clear, 0xa5, p->payload_len - clear);
}

static struct summary inspect_file(const char *name, enum codec codec, bool use_dd, bool encrypted) {
    struct vector_packet p;
    struct summary sum = {0};
    struct av1dd_state state;
    FILE *file = vector_open(name);
    av1dd_state_init(&state);
    while (vector_next(file, &p)) {
        struct payload_info info;
        if (encrypted && codec == CODEC_H264)
            hide_h264(&p);
        else if (encrypted) /* behind the descriptor nothing is readable */
            memset(p.payload + 20, 0xa5, sizeof p.payload - 20);
        assert_int_equal(payload_inspect(codec, span_of(p.payload, p.payload_len), p.marker, span_of(p.dd, p.dd_len),
                                         use_dd ? &state : NULL, &info),
                         PAYLOAD_OK);
        assert_int_equal(info.has_dd, use_dd && p.dd_len > 0);
        sum.packets++;
        sum.frames += info.start_of_frame;
        sum.ends += info.end_of_frame;
        sum.pictures += info.end_of_picture;
        sum.keyframes += info.keyframe;
        sum.syncs += info.layer_sync;
        sum.spatial[info.spatial & 3] += info.start_of_frame;
        sum.temporal[info.temporal & 3] += info.start_of_frame;
        sum.width_max = info.width > sum.width_max ? info.width : sum.width_max;
    }
    (void)fclose(file);
    return sum;
}

static void the_descriptor_of_vp9_and_the_dependency_descriptor_agree(void **unused) {
    (void)unused;
    struct summary own = inspect_file("vp9-l3t3-key.txt", CODEC_VP9, false, true);
    struct summary dd = inspect_file("vp9-l3t3-key.txt", CODEC_VP9, true, true);
    assert_int_equal(own.packets, dd.packets);
    assert_int_equal(own.frames, dd.frames);
    assert_int_equal(own.ends, dd.ends);
    assert_int_equal(own.pictures, dd.pictures);
    assert_memory_equal(own.spatial, dd.spatial, sizeof own.spatial);
    assert_memory_equal(own.temporal, dd.temporal, sizeof own.temporal);
    assert_int_equal(own.keyframes, dd.keyframes);
    assert_true(own.keyframes >= 1 && own.keyframes < 10);
    assert_true(own.spatial[2] > 20 && own.temporal[2] > 20);
    assert_int_equal(dd.width_max, 1280);
}

static void the_descriptor_of_vp8_and_the_dependency_descriptor_agree(void **unused) {
    (void)unused;
    /* three streams with a state each: one is taken */
    struct vector_packet p;
    struct av1dd_state state;
    FILE *file = vector_open("vp8-simulcast.txt");
    uint32_t ssrc = 0;
    size_t count = 0, keys = 0, upper = 0;
    av1dd_state_init(&state);
    while (vector_next(file, &p)) {
        struct payload_info own, dd;
        struct span payload = span_of(p.payload, p.payload_len), extension = span_of(p.dd, p.dd_len);
        if (ssrc == 0)
            ssrc = p.ssrc;
        if (p.ssrc != ssrc || p.payload_len == 0)
            continue;
        assert_int_equal(payload_inspect(CODEC_VP8, payload, p.marker, extension, NULL, &own), PAYLOAD_OK);
        assert_int_equal(payload_inspect(CODEC_VP8, payload, p.marker, extension, &state, &dd), PAYLOAD_OK);
        assert_true(dd.has_dd);
        assert_int_equal(own.keyframe, dd.keyframe);
        assert_int_equal(own.start_of_frame, dd.start_of_frame);
        assert_int_equal(own.end_of_frame, dd.end_of_frame);
        if (own.keyframe)
            assert_int_equal(own.width, dd.width);
        keys += own.keyframe;
        upper += dd.temporal > 0;
        count++;
    }
    (void)fclose(file);
    assert_true(count > 30 && keys > 0 && upper > 10);
}

static void vp8_simulcast_streams_of_a_browser_have_ids_that_count_up(void **unused) {
    (void)unused;
    struct {
        uint32_t ssrc;
        bool seen;
        uint16_t picture_id;
        size_t frames, keys;
        uint16_t width;
    } streams[3] = {0};
    struct vector_packet p;
    FILE *file = vector_open("vp8-simulcast-plain.txt");
    size_t upper = 0, syncs = 0;
    while (vector_next(file, &p)) {
        struct payload_info info;
        size_t i = 0;
        if (p.payload_len == 0)
            continue;
        while (i < 2 && streams[i].ssrc != 0 && streams[i].ssrc != p.ssrc)
            i++;
        streams[i].ssrc = p.ssrc;
        assert_int_equal(payload_inspect(CODEC_VP8, span_of(p.payload, p.payload_len), p.marker, (struct span){NULL, 0},
                                         NULL, &info),
                         PAYLOAD_OK);
        assert_true(info.has_layers && info.as.vp8.has_picture_id && info.as.vp8.has_tl0);
        int32_t diff = vp8_picture_id_diff(info.as.vp8.picture_id, streams[i].picture_id, info.as.vp8.picture_id_15bit);
        if (streams[i].seen)
            assert_int_equal(diff, info.start_of_frame ? 1 : 0);
        streams[i].seen = true;
        streams[i].picture_id = info.as.vp8.picture_id;
        streams[i].frames += info.start_of_frame;
        streams[i].keys += info.keyframe;
        if (info.keyframe)
            streams[i].width = info.width;
        upper += info.temporal > 0;
        syncs += info.temporal > 0 && info.layer_sync;
    }
    (void)fclose(file);
    assert_true(upper > 20 && syncs > 0);
    for (size_t i = 0; i < 3; i++) {
        assert_true(streams[i].frames > 5 && streams[i].keys >= 1);
        assert_true(streams[i].width == 320 || streams[i].width == 640 || streams[i].width == 1280);
    }
}

static void av1_and_h264_streams_of_a_browser_are_understood(void **unused) {
    (void)unused;
    struct summary av1 = inspect_file("av1-l3t3-key.txt", CODEC_AV1, true, true);
    assert_true(av1.keyframes >= 1 && av1.keyframes < 10 && av1.spatial[2] > 20);
    assert_true(av1.frames - av1.ends <= 1); /* the recording ends within a frame */
    struct summary plain = inspect_file("av1-l1t3.txt", CODEC_AV1, false, false);
    struct summary dd = inspect_file("av1-l1t3.txt", CODEC_AV1, true, true);
    assert_int_equal(plain.keyframes, dd.keyframes);
    assert_true(plain.width_max > 0);
    struct summary h264 = inspect_file("h264.txt", CODEC_H264, false, false);
    assert_true(h264.keyframes >= 1 && h264.keyframes < 5);
    /* once the parameter sets came in a packet of their own, with the timestamp of their picture */
    assert_int_equal(h264.frames, h264.pictures + 1);
    assert_true(h264.width_max > 0);
    struct summary hidden = inspect_file("h264.txt", CODEC_H264, false, true);
    assert_memory_equal(&hidden, &h264, sizeof h264);
}

static void audio_and_empty_and_broken_payloads_have_their_results(void **unused) {
    (void)unused;
    struct payload_info info;
    struct span none = {NULL, 0};
    assert_int_equal(payload_inspect(CODEC_OPUS, SPAN(0x78, 0x01), false, none, NULL, &info), PAYLOAD_OK);
    assert_true(info.start_of_frame && info.end_of_frame && info.keyframe && !info.end_of_picture);
    assert_int_equal(payload_inspect(CODEC_VP8, none, true, none, NULL, &info), PAYLOAD_EMPTY);
    assert_false(info.start_of_frame || info.keyframe);
    assert_int_equal(payload_inspect(CODEC_VP8, SPAN(0x90), true, none, NULL, &info), PAYLOAD_MALFORMED);
    assert_true(info.end_of_frame && !info.keyframe);
    assert_true(payload_opus_is_dtx(1) && payload_opus_is_dtx(2) && !payload_opus_is_dtx(3));
}

static void a_broken_dependency_descriptor_leaves_the_codecs_own(void **unused) {
    (void)unused;
    struct payload_info info;
    struct av1dd_state state;
    av1dd_state_init(&state);
    assert_int_equal(payload_inspect(CODEC_VP8, SPAN(0x10, 0x00), true, SPAN(0x80), &state, &info), PAYLOAD_OK);
    assert_true(info.keyframe && info.start_of_frame && !info.has_dd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codecs_are_found_by_name_and_mime_whatever_their_case),
        cmocka_unit_test(a_vp8_descriptor_with_everything_is_read),
        cmocka_unit_test(small_vp8_descriptors_are_read),
        cmocka_unit_test(truncated_vp8_descriptors_are_refused),
        cmocka_unit_test(vp8_ids_are_rewritten_in_place_and_nothing_else_changes),
        cmocka_unit_test(a_vp9_descriptor_with_a_scalability_structure_is_read),
        cmocka_unit_test(vp9_references_and_layers_are_read_and_limited),
        cmocka_unit_test(vp9_ids_are_rewritten_in_place),
        cmocka_unit_test(h264_units_tell_where_key_frames_begin),
        cmocka_unit_test(broken_h264_payloads_are_refused),
        cmocka_unit_test(h264_profiles_and_levels_are_compared_as_the_rfc_says),
        cmocka_unit_test(a_parameter_set_of_h264_tells_the_size_behind_its_cropping),
        cmocka_unit_test(a_scaling_list_with_a_step_of_two_thousand_million_is_none),
        cmocka_unit_test(a_sequence_header_of_av1_tells_the_size),
        cmocka_unit_test(noise_is_taken_for_a_sequence_header_next_to_never),
        cmocka_unit_test(the_descriptor_of_vp9_and_the_dependency_descriptor_agree),
        cmocka_unit_test(the_descriptor_of_vp8_and_the_dependency_descriptor_agree),
        cmocka_unit_test(vp8_simulcast_streams_of_a_browser_have_ids_that_count_up),
        cmocka_unit_test(av1_and_h264_streams_of_a_browser_are_understood),
        cmocka_unit_test(audio_and_empty_and_broken_payloads_have_their_results),
        cmocka_unit_test(a_broken_dependency_descriptor_leaves_the_codecs_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
