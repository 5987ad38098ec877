/* The engine between real peers: connecting, forwarding, repair, mutes, and what goes nowhere. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/packet.h"
#include "base/seq.h"
#include "base/time.h"
#include "conference.h"

static void a_peer_connects_and_the_states_are_told_in_order(void **state) {
    (void)state;
    struct pair p = pair_make(1);
    enum engine_transport_state seen[4];
    uint32_t count = 0;
    for (uint32_t i = 0; i < p.w->event_count && count < 4; i++) {
        if (p.w->events[i].type == ENGINE_EV_TRANSPORT_STATE && p.w->events[i].object == p.alice->transport)
            seen[count++] = p.w->events[i].transport_state.state;
    }
    assert_int_equal(count, 2);
    assert_int_equal(seen[0], ENGINE_TRANSPORT_CHECKING);
    assert_int_equal(seen[1], ENGINE_TRANSPORT_CONNECTED);
    assert_int_equal(p.w->path_count, 4); /* of each peer when it checked, and when it had proven to be there */
    uint32_t proven = 0;
    for (uint32_t i = 0; i < p.w->path_count; i++)
        proven += p.w->paths[i].proven;
    assert_int_equal(proven, 2);
    world_free(p.w);
}

static void opus_is_forwarded_byte_for_byte_under_the_receivers_numbers(void **state) {
    (void)state;
    struct pair p = pair_make(2);
    uint32_t source = source_audio(p.alice, "0", 5000);
    struct engine_sink_open open = sink_audio(p.bob, source, 9000);
    world_sink(p.w, &open);
    for (uint32_t i = 0; i < 200; i++) {
        send_opus(p.alice, "0", 5000, (uint16_t)(65500 + i), 960 * i, 30);
        world_run(p.w, 20000);
    }
    struct track *t = peer_track(p.bob, 9000);
    assert_in_range(t->count, 198, 200);
    for (uint32_t i = 0; i < t->count; i++) {
        assert_int_equal(t->log[i].seq64, t->log[0].seq64 + i);
        assert_int_equal(t->log[i].timestamp, t->log[0].timestamp + 960 * i);
        assert_int_equal(t->log[i].pt, PT_OPUS_OUT);
        assert_int_equal(t->log[i].len, 80);
        assert_int_equal(t->log[i].payload[40], (uint8_t)(65500 + i));
        assert_string_equal(t->log[i].mid, "a");
    }
    const struct engine_event *levels = world_last(p.w, ENGINE_EV_LEVELS, 0);
    assert_non_null(levels);
    assert_int_equal(levels->levels.count, 1);
    assert_int_equal(levels->levels.level[0].source, source);
    assert_in_range(levels->levels.level[0].level_dbov, 29, 32);
    assert_in_range(levels->levels.level[0].active_permille, 950, 1000);
    assert_int_equal(world_count(p.w, ENGINE_EV_SOURCE_STARTED, source), 1);
    world_free(p.w);
}

static void with_loss_both_ways_the_receiver_ends_up_with_every_packet(void **state) {
    (void)state;
    for (uint64_t seed = 10; seed < 16; seed++) {
        struct pair p = pair_make(seed);
        static struct camera c;
        camera_make(&c, p.alice, "1", 3, 100);
        struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
        world_sink(p.w, &open);
        struct track *t = peer_track(p.bob, 9100);
        t->rtx_ssrc = 9101;
        run_camera(p.w, &c, 1000000);
        p.w->srtp_loss_only = true;
        p.w->loss_up_permille = 30;
        p.w->loss_down_permille = 50;
        /* the receiver asks for what is missing, each 30 ms, as a browser does */
        uint32_t from = 0;
        for (uint64_t end = p.w->now_us + 8000000, next = 0; p.w->now_us < end;) {
            camera_step(&c);
            world_step(p.w);
            if (p.w->now_us < next || t->count == 0)
                continue;
            next = p.w->now_us + 50000;
            bool have[1024] = {false};
            for (uint32_t i = from; i < t->count; i++)
                have[t->log[i].seq64 % 1024] = true;
            while (t->count - from > 600)
                from++;
            uint16_t missing[64];
            size_t n = 0;
            uint64_t low = t->highest > t->log[0].seq64 + 200 ? t->highest - 200 : t->log[0].seq64;
            for (uint64_t seq = low; seq < t->highest && n < 64; seq++) {
                if (!have[seq % 1024])
                    missing[n++] = (uint16_t)seq;
            }
            uint8_t bytes[400];
            struct writer w = writer_of(bytes, sizeof bytes);
            rtcp_write_rr(&w, 1, NULL, 0);
            if (n > 0)
                assert_int_equal(rtcp_write_nack(&w, 1, 9100, missing, n), n);
            peer_send_rtcp(p.bob, writer_span(&w));
        }
        struct engine_counters counters = world_counters(p.w);
        assert_true(counters.tx_nack > 10 && counters.rx_rtx > 10 && counters.tx_rtx > 10);
        check_vp8(t, 0, 60);
        world_free(p.w);
    }
}

static void a_retransmission_is_the_packet_that_was_sent_and_is_not_repeated_at_once(void **state) {
    (void)state;
    struct pair p = pair_make(20);
    static struct camera c;
    camera_make(&c, p.alice, "1", 1, 100);
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
    world_sink(p.w, &open);
    struct track *t = peer_track(p.bob, 9100);
    run_camera(p.w, &c, 1000000);
    const struct logged *original = &t->log[t->count - 5];
    uint16_t seqs[1] = {(uint16_t)original->seq64};
    for (int i = 0; i < 3; i++) {
        uint8_t bytes[100];
        struct writer w = writer_of(bytes, sizeof bytes);
        rtcp_write_nack(&w, 1, 9100, seqs, 1);
        peer_send_rtcp(p.bob, writer_span(&w));
    }
    world_run(p.w, 20000);
    struct track *rtx = peer_track(p.bob, 9101);
    assert_int_equal(rtx->count, 1);
    assert_int_equal(rtx->log[0].pt, PT_VP8_RTX_OUT);
    assert_int_equal(rtx->log[0].payload[0] << 8 | rtx->log[0].payload[1], seqs[0]);
    assert_int_equal(rtx->log[0].timestamp, original->timestamp);
    assert_int_equal(rtx->log[0].marker, original->marker);
    assert_memory_equal(rtx->log[0].payload + 2, original->payload, 40);
    assert_int_equal(world_counters(p.w).rtx_throttled, 2);
    world_free(p.w);
}

static void padding_of_the_publisher_leaves_no_gap_at_the_receiver(void **state) {
    (void)state;
    struct pair p = pair_make(22);
    static struct camera c;
    camera_make(&c, p.alice, "1", 1, 100);
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
    world_sink(p.w, &open);
    struct track *t = peer_track(p.bob, 9100);
    for (int i = 0; i < 60; i++) {
        run_camera(p.w, &c, 33000);
        struct rtp_ext_out none = {0};
        if (i % 3 == 0)
            peer_send_rtp(p.alice, 100, PT_VP8, c.layer[0].seq16++, c.layer[0].timestamp - 2970, false, &none,
                          (struct span){0}, 200);
    }
    check_vp8(t, 0, 0);
    assert_true(world_counters(p.w).rx_padding >= 19);
    for (uint32_t i = 0; i < t->count; i++)
        assert_false(t->log[i].padding_only);
    world_free(p.w);
}

static void a_forced_mute_silences_and_its_end_goes_on_without_a_gap(void **state) {
    (void)state;
    struct pair p = pair_make(23);
    static struct camera c;
    camera_make(&c, p.alice, "1", 1, 100);
    uint32_t audio = source_audio(p.alice, "0", 5000);
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100), open_audio = sink_audio(p.bob, audio, 9000);
    world_sink(p.w, &open);
    world_sink(p.w, &open_audio);
    struct track *t = peer_track(p.bob, 9100), *a = peer_track(p.bob, 9000);
    uint32_t silent_from = 0, silent_audio = 0;
    for (uint32_t i = 0; i < 200; i++) {
        if (i == 50 || i == 120) {
            struct engine_command mute = {.type = ENGINE_SOURCE_MUTE, .source_mute = {i == 50}};
            mute.object = c.source;
            world_command(p.w, &mute);
            mute.object = audio;
            world_command(p.w, &mute);
        }
        send_opus(p.alice, "0", 5000, (uint16_t)i, 960 * i, 30);
        run_camera(p.w, &c, 20000);
        if (i == 51) {
            silent_from = t->count;
            silent_audio = a->count;
        }
        if (i > 51 && i < 120) {
            assert_int_equal(t->count, silent_from);
            assert_int_equal(a->count, silent_audio);
        }
    }
    assert_true(t->count > silent_from + 30 && a->count > silent_audio + 70);
    check_vp8(t, 0, 0);
    for (uint32_t i = 1; i < a->count; i++) {
        assert_int_equal(a->log[i].seq64, a->log[0].seq64 + i);
        assert_true(seq32_newer(a->log[i].timestamp, a->log[i - 1].timestamp));
    }
    /* the silence took its time */
    assert_in_range(a->log[silent_audio].timestamp - a->log[silent_audio - 1].timestamp, 960 * 66, 960 * 72);
    assert_true(world_counters(p.w).drop_forced_mute > 100);
    world_free(p.w);
}

static void a_publisher_that_starts_anew_with_another_ssrc_goes_on_for_the_receiver(void **state) {
    (void)state;
    struct pair p = pair_make(25);
    static struct camera c;
    camera_make(&c, p.alice, "1", 2, 100);
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
    world_sink(p.w, &open);
    struct track *t = peer_track(p.bob, 9100);
    run_camera(p.w, &c, 1500000);
    uint32_t before = t->count;
    for (int i = 0; i < 2; i++) {
        c.layer[i].ssrc += 5000;
        c.layer[i].rtx_ssrc += 5000;
        c.layer[i].seq16 = (uint16_t)(123 + i);
        c.layer[i].timestamp += 77777777;
        c.layer[i].picture = 5;
        c.layer[i].want_key = true;
        memset(c.layer[i].sent, 0, sizeof c.layer[i].sent);
    }
    run_camera(p.w, &c, 1500000);
    assert_true(t->count > before + 30);
    check_vp8(t, 0, 0);
    assert_true(world_count(p.w, ENGINE_EV_SOURCE_STARTED, c.source) == 4);
    world_free(p.w);
}

static void packets_of_no_track_and_of_no_codec_go_nowhere(void **state) {
    (void)state;
    struct pair p = pair_make(28);
    uint32_t source = source_audio(p.alice, "0", 5000);
    struct engine_sink_open open = sink_audio(p.bob, source, 9000);
    world_sink(p.w, &open);
    send_opus(p.alice, "9", 6000, 1, 960, 30); /* an unknown section */
    struct rtp_ext_out exts = {0};
    rtp_ext_add(&exts, EXT_MID, span_str("0"));
    uint8_t payload[20] = {0};
    peer_send_rtp(p.alice, 5000, 77, 1, 960, false, &exts, span_of(payload, sizeof payload), 0);
    world_run(p.w, 50000);
    assert_int_equal(peer_track(p.bob, 9000)->count, 0);
    assert_int_equal(world_counters(p.w).rx_dropped_ssrc, 2);
    world_free(p.w);
}

static void nothing_crosses_rooms(void **state) {
    (void)state;
    struct pair p = pair_make(29);
    struct peer *eve = peer_make(p.w, ROOM + 1, false, false);
    peer_describe(eve, false, false);
    assert_true(peer_connect(eve));
    uint32_t source = source_audio(p.alice, "0", 5000);
    struct engine_sink_open open = sink_audio(eve, source, 9000);
    uint32_t sink = world_sink(p.w, &open);
    assert_int_equal(world_count(p.w, ENGINE_EV_REFUSED, sink), 1);
    for (uint32_t i = 0; i < 20; i++) {
        send_opus(p.alice, "0", 5000, (uint16_t)i, 960 * i, 30);
        world_run(p.w, 20000);
    }
    assert_int_equal(eve->track_count, 0);
    world_free(p.w);
}

static void when_packet_slots_run_out_live_media_goes_on(void **state) {
    (void)state;
    struct pair p = pair_make(32);
    static struct camera c[8];
    struct track *t[8];
    for (int i = 0; i < 8; i++) {
        char mid[4] = {(char)('1' + i), 0};
        camera_make(&c[i], p.alice, mid, 3, 100 + (uint32_t)i * 1000);
        for (int l = 0; l < 3; l++)
            c[i].layer[l].packets_per_frame = 6;
        struct engine_sink_open open = sink_video(p.bob, c[i].source, 9100 + (uint32_t)i * 2);
        world_sink(p.w, &open);
        t[i] = peer_track(p.bob, 9100 + (uint32_t)i * 2);
    }
    for (uint64_t end = p.w->now_us + 2500000; p.w->now_us < end;) {
        for (int i = 0; i < 8; i++)
            camera_step(&c[i]);
        world_step(p.w);
    }
    struct engine_gauges gauges;
    engine_gauges_get(p.w->engine, &gauges);
    assert_true(gauges.packets_used > gauges.packets_max / 2);
    assert_int_equal(world_counters(p.w).drop_no_slot, 0);
    for (int i = 0; i < 8; i++)
        check_vp8(t[i], 0, 0);
    world_free(p.w);
}

static void a_section_that_is_given_another_track_goes_on_under_its_ssrc(void **state) {
    (void)state;
    struct pair p = pair_make(36);
    static struct camera c[2];
    camera_make(&c[0], p.alice, "1", 1, 100);
    camera_make(&c[1], p.alice, "2", 1, 300);
    struct track *t = peer_track(p.bob, 9100);
    t->rtx_ssrc = 9101;
    uint32_t counts[6];
    for (int turn = 0; turn < 6; turn++) {
        struct engine_sink_open open = sink_video(p.bob, c[turn % 2].source, 9100);
        uint32_t sink = world_sink(p.w, &open);
        run_camera(p.w, &c[turn % 2], 1000000);
        uint8_t bytes[100];
        struct writer w = writer_of(bytes, sizeof bytes);
        uint16_t seq = (uint16_t)t->log[t->count - 3].seq64;
        rtcp_write_nack(&w, 1, 9100, &seq, 1); /* the repair stream goes on as well */
        peer_send_rtcp(p.bob, writer_span(&w));
        world_run(p.w, 30000);
        struct engine_command close = {.type = ENGINE_SINK_CLOSE, .object = sink};
        world_command(p.w, &close);
        pool_give(&p.w->sinks, sink);
        counts[turn] = t->count;
        assert_true(turn == 0 || counts[turn] > counts[turn - 1] + 20);
    }
    check_vp8(t, 0, 0);
    assert_int_equal(world_counters(p.w).tx_rtx, 6);
    assert_int_equal(world_counters(p.w).drop_seal, 0);
    world_free(p.w);
}

static uint32_t drop_ssrc;
static uint16_t drop_seq16;

static bool drop_one(struct world *w, bool to_engine, const uint8_t *data, size_t len) {
    (void)w;
    if (!to_engine || len < 12 || data[0] >> 6 != 2)
        return false;
    uint32_t ssrc = (uint32_t)data[8] << 24 | (uint32_t)data[9] << 16 | (uint32_t)data[10] << 8 | data[11];
    return ssrc == drop_ssrc && (uint16_t)(data[2] << 8 | data[3]) == drop_seq16;
}

static void a_key_frame_whose_first_packet_comes_last_is_still_taken_whole(void **state) {
    (void)state;
    struct pair p = pair_make(33);
    static struct camera c;
    camera_make(&c, p.alice, "1", 1, 100);
    run_camera(p.w, &c, 500000);
    c.layer[0].packets_per_frame = 4;
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
    world_sink(p.w, &open);
    run_camera(p.w, &c, 8000); /* the wish for a key frame is on its way */
    world_run(p.w, 8000);
    drop_ssrc = 100;
    drop_seq16 = c.layer[0].seq16;
    p.w->drop = drop_one;
    uint32_t keys = c.layer[0].keys;
    run_camera(p.w, &c, 1000000);
    assert_int_equal(c.layer[0].keys, keys + 1); /* the one key frame was enough */
    struct track *t = peer_track(p.bob, 9100);
    assert_true(t->count > 80);
    check_vp8(t, 0, 0);
    assert_int_equal(world_counters(p.w).rx_rtx, 1);
    world_free(p.w);
}

static void what_is_repaired_without_need_is_not_forwarded_twice(void **state) {
    (void)state;
    struct pair p = pair_make(34);
    static struct camera c;
    camera_make(&c, p.alice, "1", 1, 100);
    struct engine_sink_open open = sink_video(p.bob, c.source, 9100);
    world_sink(p.w, &open);
    for (int i = 0; i < 20; i++) {
        run_camera(p.w, &c, 50000);
        p.alice->nack_ssrc[p.alice->nacks % 256] = 100; /* as if we had asked */
        p.alice->nack_seq[p.alice->nacks++ % 256] = (uint16_t)(c.layer[0].seq16 - 1);
    }
    run_camera(p.w, &c, 100000);
    check_vp8(peer_track(p.bob, 9100), 0, 0);
    assert_int_equal(world_counters(p.w).rx_duplicate, 20);
    assert_int_equal(world_counters(p.w).drop_seal, 0);
    world_free(p.w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_connects_and_the_states_are_told_in_order),
        cmocka_unit_test(opus_is_forwarded_byte_for_byte_under_the_receivers_numbers),
        cmocka_unit_test(with_loss_both_ways_the_receiver_ends_up_with_every_packet),
        cmocka_unit_test(a_retransmission_is_the_packet_that_was_sent_and_is_not_repeated_at_once),
        cmocka_unit_test(padding_of_the_publisher_leaves_no_gap_at_the_receiver),
        cmocka_unit_test(a_forced_mute_silences_and_its_end_goes_on_without_a_gap),
        cmocka_unit_test(a_publisher_that_starts_anew_with_another_ssrc_goes_on_for_the_receiver),
        cmocka_unit_test(packets_of_no_track_and_of_no_codec_go_nowhere),
        cmocka_unit_test(nothing_crosses_rooms),
        cmocka_unit_test(when_packet_slots_run_out_live_media_goes_on),
        cmocka_unit_test(a_key_frame_whose_first_packet_comes_last_is_still_taken_whole),
        cmocka_unit_test(what_is_repaired_without_need_is_not_forwarded_twice),
        cmocka_unit_test(a_section_that_is_given_another_track_goes_on_under_its_ssrc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
