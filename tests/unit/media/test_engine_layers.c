/* Which layer a receiver gets: by wish, by bandwidth, by size. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/packet.h"
#include "base/seq.h"
#include "base/time.h"
#include "conference.h"

static void a_subscriber_of_simulcast_gets_the_best_layer_and_others_on_request(void **state) {
    (void)state;
    struct pair p = pair_make(3);
    static struct camera c;
    camera_make(&c, p.alice, "1", 3, 100);
    run_camera(p.w, &c, 1000000);
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
    uint32_t sink = world_sink(p.w, &open);
    struct track *t = peer_track(p.bob, 9100);
    t->rtx_ssrc = 9101;
    run_camera(p.w, &c, 2000000);
    struct stamp s;
    assert_true(t->count > 50 && stamp_read(&t->log[t->count - 1], &s));
    assert_int_equal(s.layer, 2);
    assert_int_equal(t->log[0].pt, PT_VP8_OUT);
    settings(p.w, sink, true, 0, 3);
    run_camera(p.w, &c, 2000000);
    assert_true(stamp_read(&t->log[t->count - 1], &s));
    assert_int_equal(s.layer, 0);
    settings(p.w, sink, true, 1, 0);
    run_camera(p.w, &c, 2000000);
    assert_true(stamp_read(&t->log[t->count - 1], &s));
    assert_int_equal(s.layer, 1);
    for (uint32_t i = t->count - 20; i < t->count; i++)
        assert_true(stamp_read(&t->log[i], &s) && s.temporal == 0);
    settings(p.w, sink, true, 2, 3);
    run_camera(p.w, &c, 2000000);
    assert_true(stamp_read(&t->log[t->count - 1], &s));
    assert_int_equal(s.layer, 2);
    check_vp8(t, 0, 0);
    const struct engine_event *layer = world_last(p.w, ENGINE_EV_SINK_LAYER, sink);
    assert_int_equal(layer->sink_layer.spatial, 2);
    settings(p.w, sink, false, 2, 3);
    uint32_t before = t->count;
    run_camera(p.w, &c, 500000);
    assert_in_range(t->count, before, before + 6); /* what was on its way */
    assert_int_equal(world_last(p.w, ENGINE_EV_SINK_LAYER, sink)->sink_layer.spatial, -1);
    world_free(p.w);
}

static void when_the_publisher_drops_its_best_layer_the_next_one_takes_over(void **state) {
    (void)state;
    struct pair p = pair_make(24);
    static struct camera c;
    camera_make(&c, p.alice, "1", 3, 100);
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
    world_sink(p.w, &open);
    struct track *t = peer_track(p.bob, 9100);
    run_camera(p.w, &c, 2000000);
    struct stamp s;
    assert_true(stamp_read(&t->log[t->count - 1], &s) && s.layer == 2);
    c.layer[2].stopped = true;
    run_camera(p.w, &c, 2500000);
    assert_true(stamp_read(&t->log[t->count - 1], &s) && s.layer == 1);
    assert_true(p.w->now_us - t->log[t->count - 1].at_us < 100000);
    c.layer[2].stopped = false;
    run_camera(p.w, &c, 2500000);
    assert_true(stamp_read(&t->log[t->count - 1], &s) && s.layer == 2);
    check_vp8(t, 0, 0);
    world_free(p.w);
}

static uint32_t pauses(const struct world *w, uint32_t sink, bool paused) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->event_count; i++)
        count += w->events[i].type == ENGINE_EV_STREAM_STATE && w->events[i].object == sink &&
                         w->events[i].stream_state.paused == paused
                     ? 1
                     : 0;
    return count;
}

static void remb(struct peer *p, uint64_t bps) {
    uint8_t bytes[100];
    struct writer w = writer_of(bytes, sizeof bytes);
    rtcp_write_rr(&w, 1, NULL, 0);
    rtcp_write_remb(&w, 1, bps, NULL, 0);
    peer_send_rtcp(p, writer_span(&w));
}

static void a_narrow_path_gets_the_lower_layer_then_a_pause_and_all_of_it_back(void **state) {
    (void)state;
    struct pair p = pair_make(30);
    static struct camera c;
    camera_make(&c, p.alice, "1", 3, 100);
    c.packet_len = 1100; /* about 270, 540 and 800 kbit/s */
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
    uint32_t sink = world_sink(p.w, &open);
    struct engine_command set = {.type = ENGINE_SINK_SETTINGS, .object = sink};
    set.sink_settings = (struct engine_sink_settings){
        .enabled = true, .max_spatial = 2, .max_temporal = 3, .priority = 1, .allow_pause = true};
    world_command(p.w, &set);
    struct track *t = peer_track(p.bob, 9100);
    struct stamp s;
    run_camera(p.w, &c, 2000000);
    assert_true(stamp_read(&t->log[t->count - 1], &s) && s.layer == 2);
    for (int i = 0; i < 4; i++) {
        remb(p.bob, 400000);
        run_camera(p.w, &c, 500000);
    }
    assert_true(stamp_read(&t->log[t->count - 1], &s) && s.layer == 0);
    assert_int_equal(pauses(p.w, sink, true), 0);
    for (int i = 0; i < 4; i++) {
        remb(p.bob, 30000);
        run_camera(p.w, &c, 500000);
    }
    assert_int_equal(pauses(p.w, sink, true), 1);
    uint32_t before = t->count;
    run_camera(p.w, &c, 300000);
    assert_int_equal(t->count, before);
    remb(p.bob, 5000000);
    run_camera(p.w, &c, 2000000);
    assert_true(stamp_read(&t->log[t->count - 1], &s) && s.layer == 2);
    assert_int_equal(pauses(p.w, sink, false), 1);
    check_vp8(t, 0, 0);
    const struct engine_event *stats = world_last(p.w, ENGINE_EV_STATS, p.bob->transport);
    assert_true(stats->stats.tx_estimate_bps > 0);
    world_free(p.w);
}

/* The layer (as the plan lists it) that a viewer who wants the best, or the smallest, ends up with. */
static uint8_t layer_seen(struct pair *p, struct camera *c, uint32_t sink, uint8_t spatial, uint32_t ssrc) {
    struct stamp s = {0};
    settings(p->w, sink, true, spatial, 3);
    run_camera(p->w, c, 4000000);
    const struct track *t = peer_track(p->bob, ssrc);
    assert_true(t->count > 50 && stamp_read(&t->log[t->count - 1], &s));
    const struct engine_event *told = world_last(p->w, ENGINE_EV_SINK_LAYER, sink);
    assert_int_equal(told->sink_layer.spatial, spatial);
    return s.layer;
}

static void check_ranks(const struct camera_plan *plan, uint8_t smallest, uint8_t middle, uint8_t best) {
    struct pair p = pair_make(34);
    static struct camera c;
    camera_make_plan(&c, p.alice, "1", plan, 100);
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
    uint32_t sink = world_sink(p.w, &open);
    peer_track(p.bob, 9100)->rtx_ssrc = 9101;
    assert_int_equal(layer_seen(&p, &c, sink, 2, 9100), best);
    assert_int_equal(layer_seen(&p, &c, sink, 0, 9100), smallest);
    assert_int_equal(layer_seen(&p, &c, sink, 1, 9100), middle);
    check_vp8(peer_track(p.bob, 9100), 0, 0);
    world_free(p.w);
}

static void who_wants_the_best_layer_gets_the_largest_picture_whatever_the_layers_are_called(void **state) {
    (void)state;
    const struct camera_plan falling = {
        .layers = 3, .rids = {"h", "m", "l"}, .widths = {1280, 640, 320}, .packets = {3, 2, 1}};
    check_ranks(&falling, 2, 1, 0);
    const struct camera_plan numbers = {
        .layers = 3, .rids = {"0", "1", "2"}, .widths = {640, 1280, 320}, .packets = {2, 3, 1}};
    check_ranks(&numbers, 2, 0, 1);
    /* sizes count more than names and than rates */
    const struct camera_plan wrong = {
        .layers = 3, .rids = {"q", "h", "f"}, .widths = {1280, 640, 320}, .packets = {1, 2, 3}, .order_known = true};
    check_ranks(&wrong, 2, 1, 0);
}

static void layers_whose_pictures_do_not_tell_their_size_are_ranked_by_their_rates(void **state) {
    (void)state;
    const struct camera_plan hidden = {.layers = 3, .rids = {"high", "mid", "low"}, .packets = {4, 2, 1}};
    check_ranks(&hidden, 2, 1, 0);
    /* but not where signalling knows better: the largest may be short of bits for a while */
    const struct camera_plan known = {.layers = 3, .rids = {"q", "h", "f"}, .packets = {4, 2, 1}, .order_known = true};
    check_ranks(&known, 0, 1, 2);
}

/* ---- streams of H.264, whose pictures tell their size only in parameter sets -------------------------------------------- */

#define PT_H264 108
#define PT_H264_OUT 118

/* The beginning of a picture of `blocks` (16 to 31) times 16 a side, in one packet: parameter sets and an IDR slice. */
static struct span h264_key(uint8_t layer, uint8_t blocks, uint8_t out[64]) {
    struct writer w = writer_of(out, 64);
    uint32_t side =
        blocks; /* a number is written as itself and one more, behind as many zeros as it has bits less one */
    uint64_t bits = 0;
    unsigned count = 0;
    const struct {
        uint32_t value;
        unsigned bits;
    } parts[] = {{1, 1}, {1, 1}, {3, 3}, {2, 3}, {0, 1}, {side, 9}, {side, 9}, {1, 1}, {1, 1}, {0, 1}, {0, 1}, {1, 1}};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        bits = bits << parts[i].bits | parts[i].value;
        count += parts[i].bits;
    }
    bits <<= 40 - count;
    wr_u8(&w, 0x78); /* STAP-A */
    wr_u16(&w, 9);
    wr_u8(&w, 0x67);
    wr_u8(&w, 66);
    wr_u8(&w, 0xe0);
    wr_u8(&w, 31);
    for (int i = 4; i >= 0; i--)
        wr_u8(&w, (uint8_t)(bits >> (8 * i)));
    wr_u16(&w, 2);
    wr_u8(&w, 0x68);
    wr_u8(&w, 0xce);
    wr_u16(&w, 8);
    wr_u8(&w, 0x65);
    wr_u8(&w, 0x88);
    for (int i = 0; i < 6; i++)
        wr_u8(&w, layer);
    return writer_span(&w);
}

static void layers_of_h264_are_ranked_by_the_sizes_in_their_parameter_sets(void **state) {
    (void)state;
    struct pair p = pair_make(41);
    static const uint8_t blocks[3] = {24, 30, 17}; /* all of one rate: sizes alone tell them apart */
    struct engine_source_open open = {.transport = p.alice->transport, .video = true, .mid = "1", .layers = 3};
    open.codecs[0] = (struct engine_codec_map){.codec = CODEC_H264, .pt = PT_H264, .nack = true};
    for (uint32_t i = 0; i < 3; i++) {
        open.rids[i][0] = (char)('a' + i);
        open.ssrcs[i] = 100 + i;
    }
    uint32_t source = world_source(p.w, &open);
    struct engine_sink_open to_bob = sink_video(p.bob, source, 9100);
    to_bob.codecs[0] = (struct engine_codec_map){.codec = CODEC_H264, .pt = PT_H264_OUT, .nack = true};
    uint32_t sink = world_sink(p.w, &to_bob);
    static const uint8_t expected[3] = {2, 0, 1};
    uint16_t seq16 = 1;
    for (uint8_t wish = 0; wish < 3; wish++) {
        settings(p.w, sink, true, wish, 3);
        for (int frame = 0; frame < 100; frame++, seq16++) {
            for (uint8_t layer = 0; layer < 3; layer++) {
                uint8_t bytes[64];
                struct rtp_ext_out none = {0};
                peer_send_rtp(p.alice, 100 + layer, PT_H264, seq16, seq16 * 3000u, true, &none,
                              h264_key(layer, blocks[layer], bytes), 0);
            }
            world_run(p.w, 33000);
        }
        const struct track *t = peer_track(p.bob, 9100);
        assert_true(t->count > 20);
        const struct logged *last = &t->log[t->count - 1];
        assert_int_equal(last->payload[last->len - 1], expected[wish]);
    }
    world_free(p.w);
}

static void a_publisher_whose_sizes_change_with_every_packet_moves_its_layers_now_and_then_only(void **state) {
    (void)state;
    struct pair p = pair_make(42);
    struct engine_source_open open = {.transport = p.alice->transport, .video = true, .mid = "1", .layers = 3};
    open.codecs[0] = (struct engine_codec_map){.codec = CODEC_H264, .pt = PT_H264, .nack = true};
    for (uint32_t i = 0; i < 3; i++) {
        open.rids[i][0] = (char)('a' + i);
        open.ssrcs[i] = 100 + i;
    }
    uint32_t source = world_source(p.w, &open);
    struct engine_sink_open to_bob = sink_video(p.bob, source, 9100);
    world_sink(p.w, &to_bob);
    for (uint16_t frame = 1; frame < 1000; frame++) { /* 10 s */
        for (uint8_t layer = 0; layer < 3; layer++) {
            uint8_t bytes[64];
            struct rtp_ext_out none = {0};
            peer_send_rtp(p.alice, 100 + layer, PT_H264, frame, frame * 900u, true, &none,
                          h264_key(layer, (uint8_t)(17 + (frame + layer) % 3 * 5), bytes), 0);
        }
        world_run(p.w, 10000);
    }
    assert_in_range(world_counters(p.w).layers_ranked, 5, 70);
    world_free(p.w);
}

static void switches_keep_time_by_the_reports_and_not_by_when_packets_happen_to_come(void **state) {
    (void)state;
    struct pair p = pair_make(35);
    static struct camera c;
    camera_make(&c, p.alice, "1", 3, 100);
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
    uint32_t sink = world_sink(p.w, &open);
    struct track *t = peer_track(p.bob, 9100);
    run_camera(p.w, &c, 1000000);
    uint32_t from = t->count;
    for (int i = 0; i < 300; i++) {
        if (i % 30 == 0)
            settings(p.w, sink, true, (uint8_t)(i / 30 % 3), 3);
        p.w->delay_us = 1000 + rng_below(&p.w->rng, 60000); /* the network holds packets back by chance */
        run_camera(p.w, &c, 33000);
    }
    uint32_t switches = 0;
    for (uint32_t i = from; i < t->count; i++) {
        struct stamp s, before;
        uint32_t apart = t->log[i].timestamp - t->log[i - 1].timestamp;
        assert_true((apart + 20) % 2970 <= 40 || apart == 90);
        assert_true(apart <= 20 * 2970);
        stamp_read(&t->log[i], &s);
        stamp_read(&t->log[i - 1], &before);
        switches += s.layer != before.layer ? 1 : 0;
    }
    assert_true(switches >= 7);
    world_free(p.w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subscriber_of_simulcast_gets_the_best_layer_and_others_on_request),
        cmocka_unit_test(when_the_publisher_drops_its_best_layer_the_next_one_takes_over),
        cmocka_unit_test(a_narrow_path_gets_the_lower_layer_then_a_pause_and_all_of_it_back),
        cmocka_unit_test(who_wants_the_best_layer_gets_the_largest_picture_whatever_the_layers_are_called),
        cmocka_unit_test(layers_whose_pictures_do_not_tell_their_size_are_ranked_by_their_rates),
        cmocka_unit_test(layers_of_h264_are_ranked_by_the_sizes_in_their_parameter_sets),
        cmocka_unit_test(a_publisher_whose_sizes_change_with_every_packet_moves_its_layers_now_and_then_only),
        cmocka_unit_test(switches_keep_time_by_the_reports_and_not_by_when_packets_happen_to_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
