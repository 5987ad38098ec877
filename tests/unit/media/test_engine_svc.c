/* Scalable video through the engine: AV1 and its dependency descriptor, VP9 by its payload descriptor; and H.264, which
 * has none at all. */
#include "unit.h"

#include "base/assert.h"
#include "base/seq.h"
#include "base/time.h"
#include "protocol/av1dd.h"
#include "world.h"

#define PT_VP9 98
#define PT_H264 102
#define PT_AV1_OUT 47
#define PT_H264_OUT 103
#define PT_VP9_OUT 99

/* Two spatial layers that depend on each other at key frames only: templates 0 and 1 of the lower, 2 and 3 of the
 * upper. */
static struct av1dd_structure structure_k_svc(void) {
    struct av1dd_structure s = {.template_count = 4,
                                .target_count = 2,
                                .spatial_count = 2,
                                .temporal_count = 1,
                                .has_resolutions = true,
                                .width = {320, 640},
                                .height = {180, 360}};
    s.templates[0].dtis = AV1DD_SWITCH | AV1DD_SWITCH << 2;
    s.templates[1] = (struct av1dd_template){.dtis = AV1DD_SWITCH, .fdiff_count = 1, .fdiffs = {2}};
    s.templates[2] = (struct av1dd_template){.dtis = AV1DD_SWITCH << 2, .spatial = 1, .fdiff_count = 1, .fdiffs = {1}};
    s.templates[3] =
        (struct av1dd_template){.dtis = AV1DD_REQUIRED << 2, .spatial = 1, .fdiff_count = 1, .fdiffs = {2}};
    s.target_spatial[1] = 1;
    return s;
}

struct encoder {
    struct peer *peer;
    uint32_t ssrc, source;
    uint16_t seq16, frame16;
    uint32_t timestamp;
    uint32_t plis_seen;
    bool want_key;
    uint32_t picture;
    uint64_t next_us;
    char rid[4];
};

static void send_av1_frame(struct encoder *c, uint8_t spatial, bool key, bool last) {
    struct av1dd_structure s = structure_k_svc();
    uint8_t descriptor[64], payload[60] = {0};
    for (int part = 0; part < 2; part++) {
        struct av1dd d = {.start_of_frame = part == 0, .end_of_frame = part == 1, .frame_number = c->frame16};
        d.template_id = (uint8_t)(spatial * 2 + (key ? 0 : 1));
        d.has_structure = key && spatial == 0 && part == 0;
        struct writer w = writer_of(descriptor, sizeof descriptor);
        av1dd_write(&d, &s, &w);
        assert_true(writer_ok(&w));
        payload[0] = (uint8_t)(part == 1 ? 0x80 : key && spatial == 0 ? 0x48 : 0x40);
        payload[1] = spatial;
        payload[2] = (uint8_t)part;
        struct rtp_ext_out exts = {0};
        rtp_ext_add(&exts, EXT_DD, writer_span(&w));
        rtp_ext_add(&exts, EXT_MID, span_str("1"));
        if (c->rid[0] != 0)
            rtp_ext_add(&exts, EXT_RID, span_str(c->rid));
        peer_send_rtp(c->peer, c->ssrc, PT_AV1, c->seq16++, c->timestamp, last && part == 1, &exts,
                      span_of(payload, sizeof payload), 0);
    }
    c->frame16++;
}

static bool asked(struct encoder *c) {
    for (; c->plis_seen < c->peer->plis; c->plis_seen++)
        c->want_key = c->want_key || c->peer->pli_ssrc[c->plis_seen] == c->ssrc;
    bool key = c->want_key;
    c->want_key = false;
    return key;
}

static void run_av1(struct world *w, struct encoder *c, uint32_t pictures) {
    for (uint32_t i = 0; i < pictures; i++) {
        bool key = asked(c);
        send_av1_frame(c, 0, key, false);
        send_av1_frame(c, 1, key, true);
        c->timestamp += 3000;
        world_run(w, 33000);
    }
}

static struct world *av1_world(uint64_t seed, struct peer **a, struct peer **b) {
    struct world *w = world_make(seed, NULL);
    *a = peer_make(w, 1, false, false);
    *b = peer_make(w, 1, false, false);
    peer_describe(*a, false, false);
    peer_describe(*b, false, false);
    assert_true(peer_connect(*a) && peer_connect(*b));
    return w;
}

static void limit(struct world *w, uint32_t sink, uint8_t spatial) {
    struct engine_command c = {.type = ENGINE_SINK_SETTINGS, .object = sink};
    c.sink_settings = (struct engine_sink_settings){.enabled = true, .max_spatial = spatial, .max_temporal = 3};
    world_command(w, &c);
}

static void av1_layers_follow_the_decode_target_and_the_descriptor_says_so(void **state) {
    (void)state;
    struct peer *a, *b;
    struct world *w = av1_world(1, &a, &b);
    struct engine_source_open open = {
        .transport = a->transport, .video = true, .layers = 1, .mid = "1", .ssrcs = {500}};
    open.codecs[0] = (struct engine_codec_map){.codec = CODEC_AV1, .pt = PT_AV1, .nack = true};
    struct encoder c = {
        .peer = a, .ssrc = 500, .source = world_source(w, &open), .seq16 = 65530, .frame16 = 65533, .want_key = true};
    struct engine_sink_open sink_open = {
        .transport = b->transport, .source = c.source, .mid = "v", .ssrc = 9000, .rtx_ssrc = 9001, .cname = "x"};
    sink_open.codecs[0] = (struct engine_codec_map){CODEC_AV1, PT_AV1_OUT, PT_AV1_OUT + 1, true};
    uint32_t sink = world_sink(w, &sink_open);
    run_av1(w, &c, 30);
    struct track *t = peer_track(b, 9000);
    uint32_t phase[4] = {t->count};
    limit(w, sink, 0);
    run_av1(w, &c, 30);
    phase[1] = t->count;
    limit(w, sink, 2);
    run_av1(w, &c, 60);
    phase[2] = t->count;
    assert_true(phase[0] > 40 && phase[1] > phase[0] + 40 && phase[2] > phase[1] + 80);
    struct av1dd_state dd;
    av1dd_state_init(&dd);
    uint8_t seen[4][2] = {{0}};
    uint32_t limited = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct logged *l = &t->log[i];
        struct av1dd d;
        assert_int_equal(l->seq64, t->log[0].seq64 + i);
        assert_int_equal(l->pt, PT_AV1_OUT);
        assert_int_equal(av1dd_input(&dd, span_of(l->dd, l->dd_len), &d), AV1DD_OK);
        assert_int_equal(d.spatial, l->payload[1]);
        assert_int_equal(d.start_of_frame, l->payload[2] == 0);
        if (i > 0 && d.start_of_frame)
            assert_true(seq16_newer(d.frame_number, (uint16_t)(t->log[i - 1].dd[1] << 8 | t->log[i - 1].dd[2])));
        limited += d.has_active_targets && d.active_targets == 1 ? 1 : 0;
        int p = i < phase[0] ? 0 : i < phase[1] ? 1 : 2;
        if (i + 10 > phase[p == 0 ? 0 : p == 1 ? 1 : 2])
            seen[p][d.spatial]++;
        /* the marker ends every picture, whatever was left out of it */
        if (i + 1 < t->count)
            assert_int_equal(l->marker, t->log[i + 1].timestamp != l->timestamp);
    }
    assert_true(seen[0][0] == 0 && seen[0][1] > 0); /* after the key frame the upper layer stands alone */
    assert_true(seen[1][0] > 0 && seen[1][1] == 0);
    assert_true(seen[2][0] == 0 && seen[2][1] > 0);
    assert_true(limited >= 1);
    assert_in_range(a->plis, 2, 4); /* to begin, to get the upper layer back; the lower one has its switch frames */
    const struct engine_event *layer = world_last(w, ENGINE_EV_SINK_LAYER, sink);
    assert_int_equal(layer->sink_layer.spatial, 1);
    world_free(w);
}

static void header_extensions_longer_than_they_may_be_end_nothing(void **state) {
    (void)state;
    struct world *w = world_make(41, NULL);
    struct peer *a = peer_make(w, 1, false, false), *b = peer_make(w, 1, false, false);
    peer_describe(a, false, false);
    peer_describe(b, false, false);
    assert_true(peer_connect(a) && peer_connect(b));
    uint32_t source = source_audio(a, "0", 5000);
    struct engine_sink_open open = sink_audio(b, source, 9000);
    world_sink(w, &open);
    static uint8_t junk[255];
    for (uint16_t i = 0; i < 10; i++) {
        struct rtp_ext_out exts = {0};
        rtp_ext_add(&exts, EXT_MID, span_str("0"));
        rtp_ext_add(&exts, EXT_LEVEL, span_of(junk, i % 2 == 0 ? 1 : 250));
        rtp_ext_add(&exts, EXT_DD, span_of(junk, 250));
        rtp_ext_add(&exts, EXT_RID, span_of(junk, 250));
        peer_send_rtp(a, 5000, PT_OPUS, i, 960u * i, false, &exts, span_of(junk, 80), 0);
        world_run(w, 20000);
    }
    assert_int_equal(peer_track(b, 9000)->count, 10);
    world_free(w);
}

static void frame_numbers_go_on_when_the_simulcast_stream_changes(void **state) {
    (void)state;
    struct peer *a, *b;
    struct world *w = av1_world(2, &a, &b);
    struct engine_source_open open = {
        .transport = a->transport, .video = true, .layers = 2, .mid = "1", .rids = {"q", "h"}};
    open.codecs[0] = (struct engine_codec_map){.codec = CODEC_AV1, .pt = PT_AV1, .nack = true};
    uint32_t source = world_source(w, &open);
    struct encoder c[2];
    for (int i = 0; i < 2; i++) {
        c[i] = (struct encoder){.peer = a,
                                .ssrc = 500u + (uint32_t)i,
                                .frame16 = (uint16_t)(1000 + i * 30000),
                                .want_key = true,
                                .timestamp = (uint32_t)i * 999999};
        strcpy(c[i].rid, i == 0 ? "q" : "h");
    }
    struct engine_sink_open sink_open = {
        .transport = b->transport, .source = source, .mid = "v", .ssrc = 9000, .cname = "x"};
    sink_open.codecs[0] = (struct engine_codec_map){CODEC_AV1, PT_AV1_OUT, 0, false};
    uint32_t sink = world_sink(w, &sink_open);
    for (uint32_t i = 0; i < 120; i++) {
        for (int k = 0; k < 2; k++) {
            bool key = asked(&c[k]);
            send_av1_frame(&c[k], 0, key, false);
            send_av1_frame(&c[k], 1, key, true);
            c[k].timestamp += 3000;
        }
        if (i == 30 || i == 60 || i == 90)
            limit(w, sink, i == 60 ? 1 : 0);
        world_run(w, 33000);
    }
    struct track *t = peer_track(b, 9000);
    struct av1dd_state dd;
    av1dd_state_init(&dd);
    uint32_t keys = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        struct av1dd d;
        assert_int_equal(t->log[i].seq64, t->log[0].seq64 + i);
        assert_int_equal(av1dd_input(&dd, span_of(t->log[i].dd, t->log[i].dd_len), &d), AV1DD_OK);
        if (i > 0 && d.start_of_frame) {
            uint16_t before = (uint16_t)(t->log[i - 1].dd[1] << 8 | t->log[i - 1].dd[2]);
            assert_in_range((uint16_t)(d.frame_number - before), 1, 2);
            if (d.keyframe)
                assert_int_equal((uint16_t)(d.frame_number - before), 1);
        }
        keys += d.keyframe && d.start_of_frame ? 1 : 0;
    }
    assert_true(t->count > 200 && keys >= 4);
    world_free(w);
}

/* VP9 as Chromium sends it without the dependency descriptor: three spatial layers in one stream. */
static void send_vp9_picture(struct encoder *c, bool key) {
    for (uint8_t spatial = 0; spatial < 3; spatial++) {
        uint8_t payload[40] = {0};
        payload[0] = (uint8_t)(0x80 | (key ? 0 : 0x40) | 0x20 | 0x08 | 0x04);
        payload[1] = (uint8_t)(0x80 | (c->picture >> 8 & 0x7f));
        payload[2] = (uint8_t)c->picture;
        payload[3] = (uint8_t)(spatial << 1 | (spatial > 0 && key ? 1 : 0));
        payload[4] = (uint8_t)c->picture;
        struct rtp_ext_out exts = {0};
        peer_send_rtp(c->peer, c->ssrc, PT_VP9, c->seq16++, c->timestamp, spatial == 2, &exts,
                      span_of(payload, sizeof payload), 0);
    }
    c->picture++;
    c->timestamp += 3000;
}

static void vp9_layers_are_cut_off_above_and_the_picture_ends_where_it_is_cut(void **state) {
    (void)state;
    struct peer *a, *b;
    struct world *w = av1_world(3, &a, &b);
    struct engine_source_open open = {
        .transport = a->transport, .video = true, .layers = 1, .mid = "1", .ssrcs = {500}};
    open.codecs[0] = (struct engine_codec_map){.codec = CODEC_VP9, .pt = PT_VP9, .nack = true};
    struct encoder c = {.peer = a, .ssrc = 500, .source = world_source(w, &open), .want_key = true, .picture = 32760};
    struct engine_sink_open sink_open = {
        .transport = b->transport, .source = c.source, .mid = "v", .ssrc = 9000, .cname = "x"};
    sink_open.codecs[0] = (struct engine_codec_map){CODEC_VP9, PT_VP9_OUT, 0, false};
    uint32_t sink = world_sink(w, &sink_open);
    struct track *t = peer_track(b, 9000);
    const uint8_t limits[5] = {2, 0, 1, 2, 1};
    uint32_t until[5];
    for (int phase = 0; phase < 5; phase++) {
        limit(w, sink, limits[phase]);
        for (int i = 0; i < 40; i++) {
            send_vp9_picture(&c, asked(&c));
            world_run(w, 33000);
        }
        until[phase] = t->count;
        uint8_t highest = 0;
        for (uint32_t i = until[phase] - 6; i < until[phase]; i++)
            highest = (t->log[i].payload[3] >> 1 & 7) > highest ? t->log[i].payload[3] >> 1 & 7 : highest;
        assert_int_equal(highest, limits[phase]);
    }
    for (uint32_t i = 1; i < t->count; i++) {
        const struct logged *l = &t->log[i], *before = &t->log[i - 1];
        assert_int_equal(l->seq64, before->seq64 + 1);
        assert_int_equal(before->marker, l->timestamp != before->timestamp);
        uint16_t picture = (uint16_t)((l->payload[1] & 0x7f) << 8 | l->payload[2]),
                 last = (uint16_t)((before->payload[1] & 0x7f) << 8 | before->payload[2]);
        assert_int_equal((picture - last) & 0x7fff, l->timestamp != before->timestamp ? 1 : 0);
    }
    world_free(w);
}

/* A picture of H.264 in fragments; a key frame's parameter sets go before in a packet of their own. What an end-to-end
 * encryption would hide is noise. Behind the clear bytes: stream, picture, part. */
static void send_h264_picture(struct encoder *c, uint8_t stream, bool key) {
    /* parameter sets, and the beginning of a SEI unit of eleven bytes */
    static const uint8_t sets[] = {0x78, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 3, 0x68, 0xce, 0x3c, 0, 11, 0x06};
    for (uint8_t part = key ? 0 : 1; part < 4; part++) {
        uint8_t payload[60];
        memset(payload, 0xa5, sizeof payload);
        if (part == 0) {
            memcpy(payload, sets, sizeof sets);
        } else {
            payload[0] = 0x7c; /* FU-A */
            payload[1] = (uint8_t)((part == 1 ? 0x80 : part == 3 ? 0x40 : 0) | (key ? 5 : 1));
        }
        payload[20] = stream;
        payload[21] = (uint8_t)(c->picture >> 8);
        payload[22] = (uint8_t)c->picture;
        payload[23] = part;
        payload[24] = key;
        struct rtp_ext_out exts = {0};
        rtp_ext_add(&exts, EXT_MID, span_str("1"));
        rtp_ext_add(&exts, EXT_RID, span_str(c->rid));
        peer_send_rtp(c->peer, c->ssrc, PT_H264, c->seq16++, c->timestamp, part == 3, &exts,
                      span_of(payload, part == 0 ? 25 : sizeof payload), 0);
    }
    c->picture++;
    c->timestamp += 3000;
}

static void h264_simulcast_changes_at_parameter_sets_and_the_numbers_go_on(void **state) {
    (void)state;
    struct peer *a, *b;
    struct world *w = av1_world(4, &a, &b);
    struct engine_source_open open = {
        .transport = a->transport, .video = true, .layers = 2, .mid = "1", .rids = {"q", "h"}};
    open.codecs[0] = (struct engine_codec_map){.codec = CODEC_H264, .pt = PT_H264, .nack = true};
    uint32_t source = world_source(w, &open);
    struct encoder c[2];
    for (int i = 0; i < 2; i++) {
        c[i] = (struct encoder){.peer = a,
                                .ssrc = 500u + (uint32_t)i,
                                .seq16 = (uint16_t)(65400 + i * 77),
                                .want_key = true,
                                .timestamp = (uint32_t)i * 999999};
        strcpy(c[i].rid, i == 0 ? "q" : "h");
    }
    struct engine_sink_open sink_open = {
        .transport = b->transport, .source = source, .mid = "v", .ssrc = 9000, .cname = "x"};
    sink_open.codecs[0] = (struct engine_codec_map){CODEC_H264, PT_H264_OUT, 0, false};
    uint32_t sink = world_sink(w, &sink_open);
    for (uint32_t i = 0; i < 160; i++) {
        for (uint8_t k = 0; k < 2; k++)
            send_h264_picture(&c[k], k, asked(&c[k]));
        if (i % 40 == 39)
            limit(w, sink, i == 79 ? 1 : 0);
        world_run(w, 33000);
    }
    struct track *t = peer_track(b, 9000);
    uint32_t changes = 0;
    assert_true(t->count > 400);
    assert_int_equal(t->log[0].pt, PT_H264_OUT);
    for (uint32_t i = 0; i < t->count; i++) {
        const struct logged *l = &t->log[i], *before = &t->log[i > 0 ? i - 1 : 0];
        const uint8_t *now = l->payload + 20, *last = before->payload + 20;
        assert_int_equal(l->seq64, t->log[0].seq64 + i);
        assert_int_equal(l->marker, now[3] == 3);
        if (i == 0 || now[0] != last[0]) { /* a decoder needs the parameter sets first */
            assert_true(now[4] == 1 && now[3] == 0);
            assert_true(i == 0 || before->marker);
            changes++;
        } else if (l->timestamp == before->timestamp) {
            assert_int_equal(now[3], last[3] + 1);
            assert_memory_equal(now, last, 3);
        } else {
            assert_int_equal((uint16_t)(now[1] << 8 | now[2]), (uint16_t)((last[1] << 8 | last[2]) + 1));
            assert_true(before->marker);
        }
        if (i > 0 && l->timestamp != before->timestamp) /* the same clock, whichever stream */
            assert_in_range(l->timestamp - before->timestamp, 1, 6100);
    }
    assert_int_equal(changes, 5); /* it begins with what comes first, goes up, and is limited three times */
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(av1_layers_follow_the_decode_target_and_the_descriptor_says_so),
        cmocka_unit_test(header_extensions_longer_than_they_may_be_end_nothing),
        cmocka_unit_test(frame_numbers_go_on_when_the_simulcast_stream_changes),
        cmocka_unit_test(vp9_layers_are_cut_off_above_and_the_picture_ends_where_it_is_cut),
        cmocka_unit_test(h264_simulcast_changes_at_parameter_sets_and_the_numbers_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
