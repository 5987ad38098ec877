/* The engine between real peers: connecting, forwarding, repair, layers, data channels, and what hostile peers try. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/packet.h"
#include "base/seq.h"
#include "base/time.h"
#include "world.h"

#define ROOM 77

struct pair {
    struct world *w;
    struct peer *alice, *bob; /* publisher, receiver */
};

static struct pair pair_make(uint64_t seed) {
    struct pair p = {.w = world_make(seed, NULL)};
    p.alice = peer_make(p.w, ROOM, false, false);
    p.bob = peer_make(p.w, ROOM, false, false);
    peer_describe(p.alice, true, false);
    peer_describe(p.bob, true, false);
    assert_true(peer_connect(p.alice));
    assert_true(peer_connect(p.bob));
    return p;
}

static void run_camera(struct world *w, struct camera *c, uint64_t us) {
    for (uint64_t end = w->now_us + us, report = w->now_us; w->now_us < end;) {
        camera_step(c);
        if (w->now_us >= report) {
            camera_report(c);
            report += 500000;
        }
        world_step(w);
    }
}

static void settings(struct world *w, uint32_t sink, bool enabled, uint8_t spatial, uint8_t temporal) {
    struct engine_command c = {.type = ENGINE_SINK_SETTINGS, .object = sink};
    c.sink_settings = (struct engine_sink_settings){
        .enabled = enabled, .max_spatial = spatial, .max_temporal = temporal, .priority = 1};
    world_command(w, &c);
}

/* What every receiver of VP8 may rely on, loss or not: after repair no number is missing from `from` on but at the end;
 * timestamps and picture ids go on; each picture comes whole and from one layer. */
static void check_vp8(const struct track *t, uint32_t from, uint32_t tail) {
    assert_in_range(t->count, from + 2, PEER_LOG_MAX - 1);
    uint64_t first = UINT64_MAX, last = 0;
    for (uint32_t i = from; i < t->count; i++) {
        first = t->log[i].seq64 < first ? t->log[i].seq64 : first;
        last = t->log[i].seq64 > last ? t->log[i].seq64 : last;
    }
    uint32_t n = (uint32_t)(last - first + 1);
    const struct logged **by_seq = calloc(n, sizeof *by_seq);
    for (uint32_t i = from; i < t->count; i++)
        by_seq[t->log[i].seq64 - first] = &t->log[i];
    const struct logged *before = NULL;
    struct stamp old = {0};
    for (uint32_t i = 0; i + tail < n; i++) {
        assert_non_null(by_seq[i]);
        const struct logged *l = by_seq[i];
        struct stamp s;
        if (!stamp_read(l, &s))
            continue;
        if (before == NULL) {
            assert_true(s.key && s.part == 0);
        } else if (l->timestamp == before->timestamp) {
            assert_int_equal(s.picture, old.picture);
            assert_int_equal(s.layer, old.layer);
            assert_int_equal(s.frame, old.frame);
            assert_int_equal(s.part, old.part + 1);
            assert_int_equal(s.tl0, old.tl0);
        } else {
            assert_true(seq32_newer(l->timestamp, before->timestamp));
            assert_int_equal(s.picture, (old.picture + 1) & 0x7fff);
            assert_int_equal(s.part, 0);
            assert_true(before->marker);
            assert_int_equal(s.tl0, (uint8_t)(old.tl0 + (s.temporal == 0 ? 1 : 0)));
            if (s.layer != old.layer)
                assert_true(s.key);
            if (s.key)
                assert_int_equal(s.key_index, (old.key_index + 1) & 31);
        }
        before = l;
        old = s;
    }
    free(by_seq);
}

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
    assert_in_range(p.w->path_count, 2, 2);
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
        cmocka_unit_test(a_subscriber_of_simulcast_gets_the_best_layer_and_others_on_request),
        cmocka_unit_test(with_loss_both_ways_the_receiver_ends_up_with_every_packet),
        cmocka_unit_test(a_retransmission_is_the_packet_that_was_sent_and_is_not_repeated_at_once),
        cmocka_unit_test(a_key_frame_is_asked_for_once_however_many_want_it_and_again_until_it_comes),
        cmocka_unit_test(who_asks_for_key_frames_all_the_time_gets_few_and_others_get_theirs_at_once),
        cmocka_unit_test(padding_of_the_publisher_leaves_no_gap_at_the_receiver),
        cmocka_unit_test(a_forced_mute_silences_and_its_end_goes_on_without_a_gap),
        cmocka_unit_test(when_the_publisher_drops_its_best_layer_the_next_one_takes_over),
        cmocka_unit_test(a_publisher_that_starts_anew_with_another_ssrc_goes_on_for_the_receiver),
        cmocka_unit_test(reports_keep_the_publishers_clock_so_that_sound_and_picture_stay_together),
        cmocka_unit_test(round_trip_and_loss_are_learned_from_receiver_reports),
        cmocka_unit_test(packets_of_no_track_and_of_no_codec_go_nowhere),
        cmocka_unit_test(nothing_crosses_rooms),
        cmocka_unit_test(a_narrow_path_gets_the_lower_layer_then_a_pause_and_all_of_it_back),
        cmocka_unit_test(a_publisher_without_transport_wide_feedback_gets_remb),
        cmocka_unit_test(feedback_of_arrivals_names_a_stream_that_the_publisher_sends),
        cmocka_unit_test(who_wants_the_best_layer_gets_the_largest_picture_whatever_the_layers_are_called),
        cmocka_unit_test(layers_whose_pictures_do_not_tell_their_size_are_ranked_by_their_rates),
        cmocka_unit_test(a_cap_of_the_bandwidth_comes_whichever_layer_is_sent),
        cmocka_unit_test(when_packet_slots_run_out_live_media_goes_on),
        cmocka_unit_test(a_key_frame_whose_first_packet_comes_last_is_still_taken_whole),
        cmocka_unit_test(what_is_repaired_without_need_is_not_forwarded_twice),
        cmocka_unit_test(switches_keep_time_by_the_reports_and_not_by_when_packets_happen_to_come),
        cmocka_unit_test(a_section_that_is_given_another_track_goes_on_under_its_ssrc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
