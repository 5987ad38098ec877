/* What the engine tells publishers, and learns of receivers: key frames, reports, arrivals, caps. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/packet.h"
#include "base/seq.h"
#include "base/time.h"
#include "conference.h"

static void a_key_frame_is_asked_for_once_however_many_want_it_and_again_until_it_comes(void **state) {
    (void)state;
    struct pair p = pair_make(21);
    static struct camera c;
    camera_make(&c, p.alice, "1", 1, 100);
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
    world_sink(p.w, &open);
    run_camera(p.w, &c, 2000000);
    uint32_t before = p.alice->plis;
    for (int i = 0; i < 20; i++) {
        uint8_t bytes[100];
        struct writer w = writer_of(bytes, sizeof bytes);
        if (i % 2 == 0)
            rtcp_write_pli(&w, 1, 9100);
        else
            rtcp_write_fir(&w, 1, &(struct rtcp_fir_entry){.ssrc = 9100, .seq8 = (uint8_t)(i / 4)}, 1);
        peer_send_rtcp(p.bob, writer_span(&w));
        world_run(p.w, 2000);
    }
    assert_int_equal(p.alice->plis, before + 1);
    world_run(p.w, 1100000); /* the camera is deaf: no frames at all */
    assert_in_range(p.alice->plis, before + 3, before + 4);
    c.layer[0].want_key = true;
    c.layer[0].plis_seen = p.alice->plis;
    c.next_us = p.w->now_us;
    run_camera(p.w, &c, 100000);
    before = p.alice->plis;
    run_camera(p.w, &c, 2000000);
    assert_int_equal(p.alice->plis, before);
    world_free(p.w);
}

static void who_asks_for_key_frames_all_the_time_gets_few_and_others_get_theirs_at_once(void **state) {
    (void)state;
    struct pair p = pair_make(35);
    struct peer *carol = peer_make(p.w, ROOM, false, false);
    peer_describe(carol, false, false);
    assert_true(peer_connect(carol));
    static struct camera c;
    camera_make(&c, p.alice, "1", 1, 100);
    struct engine_sink_open to_bob = sink_video(p.bob, c.source, 9100), to_carol = sink_video(carol, c.source, 9200);
    world_sink(p.w, &to_bob);
    world_sink(p.w, &to_carol);
    run_camera(p.w, &c, 2000000);
    uint8_t bytes[64];
    struct writer pli = writer_of(bytes, sizeof bytes);
    rtcp_write_pli(&pli, 1, 9100);
    uint32_t before = c.layer[0].keys;
    for (int i = 0; i < 600; i++) { /* a minute */
        peer_send_rtcp(p.bob, writer_span(&pli));
        run_camera(p.w, &c, 100000);
    }
    assert_in_range(c.layer[0].keys - before, 3, 10);
    assert_true(world_counters(p.w).pli_rationed > 500);
    before = c.layer[0].keys;
    pli.len = 0;
    rtcp_write_pli(&pli, 1, 9200);
    peer_send_rtcp(carol, writer_span(&pli));
    run_camera(p.w, &c, 600000);
    assert_int_equal(c.layer[0].keys, before + 1);
    /* who asks now and then, as with losses, is heard each time */
    before = c.layer[0].keys;
    for (int i = 0; i < 5; i++) {
        run_camera(p.w, &c, 3000000);
        peer_send_rtcp(carol, writer_span(&pli));
        run_camera(p.w, &c, 600000);
        assert_int_equal(c.layer[0].keys, ++before);
    }
    world_free(p.w);
}

static void reports_keep_the_publishers_clock_so_that_sound_and_picture_stay_together(void **state) {
    (void)state;
    struct pair p = pair_make(26);
    static struct camera c;
    camera_make(&c, p.alice, "1", 3, 100);
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
    uint32_t sink = world_sink(p.w, &open);
    struct track *t = peer_track(p.bob, 9100);
    for (int i = 0; i < 4; i++) {
        settings(p.w, sink, true, (uint8_t)(i % 3), 3);
        run_camera(p.w, &c, 2500000);
        assert_true(t->sr_count > 0);
        assert_string_equal(t->cname, "room-cname-of-publisher");
        /* at the time of the report a picture just taken would have had this timestamp */
        const struct logged *last = &t->log[t->count - 1];
        uint64_t unix_us = WORLD_UNIX_US + last->at_us - p.w->delay_us * 2 - CAMERA_ENCODING_US - WORLD_START_US;
        int64_t ntp_apart = (int64_t)(time_ntp(unix_us) - t->sr.ntp);
        int64_t ticks = (ntp_apart >> 16) * 90000 >> 16;
        int32_t off = (int32_t)(last->timestamp - (t->sr.rtp_time + (uint32_t)ticks));
        assert_in_range(off + 3600, 0, 7200); /* 40 ms: frames are 33 ms apart, and the report may come before one */
    }
    /* the layers were captured at the same moments, so across switches frames stay whole intervals apart, but for the
     * one whose moment the lower layer had shown already: it comes a millisecond later */
    for (uint32_t i = 1; i < t->count; i++) {
        uint32_t apart = t->log[i].timestamp - t->log[i - 1].timestamp;
        assert_true((apart + 20) % 2970 <= 40 || apart == 90);
    }
    assert_true(p.alice->rrs >= 8);
    assert_int_equal(p.alice->last_block.fraction_lost, 0);
    assert_true(p.alice->twccs > 50);
    world_free(p.w);
}

static void round_trip_and_loss_are_learned_from_receiver_reports(void **state) {
    (void)state;
    struct pair p = pair_make(27);
    p.w->delay_us = 40000;
    static struct camera c;
    camera_make(&c, p.alice, "1", 1, 100);
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
    world_sink(p.w, &open);
    struct track *t = peer_track(p.bob, 9100);
    uint32_t seen = 0;
    for (int i = 0; i < 300; i++) {
        run_camera(p.w, &c, 20000);
        if (t->sr_count == seen)
            continue;
        seen = t->sr_count;
        uint8_t bytes[100];
        struct writer w = writer_of(bytes, sizeof bytes);
        struct rtcp_report_block block = {.ssrc = 9100, .fraction_lost = 64, .lsr = rtcp_ntp_middle(t->sr.ntp)};
        rtcp_write_rr(&w, 1, &block, 1);
        peer_send_rtcp(p.bob, writer_span(&w));
    }
    const struct engine_event *stats = world_last(p.w, ENGINE_EV_STATS, p.bob->transport);
    assert_non_null(stats);
    assert_in_range(stats->stats.rtt_us, 80000, 105000);
    assert_int_equal(stats->stats.tx_loss_permille, 250);
    assert_true(stats->stats.tx_packets > 100 && !stats->stats.tcp);
    world_free(p.w);
}

static void a_publisher_without_transport_wide_feedback_gets_remb(void **state) {
    (void)state;
    struct pair p = {.w = world_make(31, NULL)};
    p.alice = peer_make(p.w, ROOM, false, false);
    peer_describe(p.alice, false, true);
    assert_true(peer_connect(p.alice));
    static struct camera c;
    camera_make(&c, p.alice, "1", 1, 100);
    run_camera(p.w, &c, 4000000);
    assert_int_equal(p.alice->twccs, 0);
    assert_in_range(p.alice->rembs, 3, 5);
    world_free(p.w);
}

static void feedback_of_arrivals_names_a_stream_that_the_publisher_sends(void **state) {
    (void)state;
    struct pair p = pair_make(32);
    static struct camera c, idle;
    camera_make(&c, p.alice, "1", 3, 100);
    camera_make(&idle, p.alice, "2", 1, 700); /* the newest track, without a frame yet */
    c.layer[0].stopped = true;                /* and a lowest layer that is switched off */
    run_camera(p.w, &c, 4000000);
    assert_in_range(p.alice->twccs, 30, ARRAY_LEN(p.alice->twcc_ssrc));
    for (uint32_t i = 0; i < p.alice->twccs; i++)
        assert_true(p.alice->twcc_ssrc[i] == c.layer[1].ssrc || p.alice->twcc_ssrc[i] == c.layer[2].ssrc);
    world_free(p.w);
}

static void a_cap_of_the_bandwidth_comes_whichever_layer_is_sent(void **state) {
    (void)state;
    struct pair p = {.w = world_make(33, NULL)};
    p.alice = peer_make(p.w, ROOM, false, false);
    peer_describe(p.alice, false, true);
    assert_true(peer_connect(p.alice));
    static struct camera c;
    camera_make(&c, p.alice, "1", 3, 100);
    c.layer[0].stopped = c.layer[1].stopped = true;
    run_camera(p.w, &c, 4000000);
    assert_in_range(p.alice->rembs, 3, 5);
    assert_int_equal(p.alice->remb_ssrcs, 1);
    assert_int_equal(p.alice->remb_ssrc, c.layer[2].ssrc);
    world_free(p.w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_frame_is_asked_for_once_however_many_want_it_and_again_until_it_comes),
        cmocka_unit_test(who_asks_for_key_frames_all_the_time_gets_few_and_others_get_theirs_at_once),
        cmocka_unit_test(reports_keep_the_publishers_clock_so_that_sound_and_picture_stay_together),
        cmocka_unit_test(round_trip_and_loss_are_learned_from_receiver_reports),
        cmocka_unit_test(a_publisher_without_transport_wide_feedback_gets_remb),
        cmocka_unit_test(feedback_of_arrivals_names_a_stream_that_the_publisher_sends),
        cmocka_unit_test(a_cap_of_the_bandwidth_comes_whichever_layer_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
