/* The participant core and what it stands on: stamps, the simulated network, and sessions against a whole server. */
#include "unit.h"

#include <string.h>

#include "client/stamp.h"
#include "sim/conference.h"

/* ---- stamps
 * ---------------------------------------------------------------------------------------------------------- */

static struct stamp some_stamp(uint32_t frame, uint8_t packet) {
    struct stamp stamp = {.video = true, .layer = 1, .packet = packet, .packets = 3, .publication = 7, .publisher = 42};
    stamp_pattern(&stamp, frame);
    stamp.frame = frame + 1;
    stamp.picture_id = (uint16_t)((frame + 32760) & 0x7fff);
    stamp.tl0 = (uint8_t)(frame / 4);
    stamp.key_index = 3;
    stamp.width = 640;
    stamp.height = 360;
    return stamp;
}

static void a_stamped_packet_is_read_back_as_it_was_written(void **state) {
    (void)state;
    for (uint32_t frame = 0; frame < 40; frame++) {
        for (uint8_t packet = 0; packet < 3; packet++) {
            struct stamp in = some_stamp(frame, packet), out;
            uint8_t bytes[STAMP_VIDEO_PAYLOAD_MAX];
            struct writer w = writer_of(bytes, sizeof bytes);
            assert_true(stamp_write_video(&w, &in, (uint16_t)(60 + frame * 20)));
            assert_int_equal(w.len, 60 + frame * 20);
            assert_true(stamp_read_video(writer_span(&w), &out));
            assert_int_equal(out.frame, in.frame);
            assert_int_equal(out.picture_id, in.picture_id);
            assert_int_equal(out.temporal, in.temporal);
            assert_int_equal(out.reference, in.reference);
            assert_int_equal(out.keyframe, in.keyframe);
            assert_int_equal(out.publisher, 42);
            assert_int_equal(out.width, packet == 0 && in.keyframe ? 640 : 0);
        }
    }
}

static void a_payload_with_one_changed_bit_is_not_what_anybody_made(void **state) {
    (void)state;
    struct stamp in = some_stamp(5, 0), out;
    uint8_t bytes[200];
    struct writer w = writer_of(bytes, sizeof bytes);
    assert_true(stamp_write_video(&w, &in, 200));
    /* behind the descriptor, which is rewritten on the way, and the frame header */
    for (size_t bit = (STAMP_VP8_DESCRIPTOR_LEN + 3) * 8; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(stamp_read_video(writer_span(&w), &out));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(stamp_read_video(writer_span(&w), &out));
}

static void every_frame_refers_to_a_lower_or_equal_temporal_layer(void **state) {
    (void)state;
    for (uint32_t frame = 1; frame < 64; frame++) {
        struct stamp stamp = {0}, reference = {0};
        stamp_pattern(&stamp, frame);
        assert_true(stamp.reference > 0 && stamp.reference <= frame);
        stamp_pattern(&reference, frame - stamp.reference);
        assert_true(reference.temporal < stamp.temporal || (stamp.temporal == 0 && reference.temporal == 0));
        assert_int_equal(stamp.layer_sync, stamp.temporal > 0 && reference.temporal == 0);
    }
}

/* ---- the network
 * ------------------------------------------------------------------------------------------------------- */

static uint32_t count_arrivals(struct network *network, bool *in_order) {
    struct network_item item;
    uint32_t count = 0, last = 0;
    *in_order = true;
    while (network_take(network, UINT64_C(1) << 60, &item)) {
        uint32_t number;
        memcpy(&number, item.data, sizeof number);
        *in_order = *in_order && number >= last;
        last = number;
        count++;
    }
    return count;
}

static uint32_t pass(uint64_t seed, const struct path_config *path, uint32_t count, uint64_t step_us, bool *in_order) {
    struct network *network = network_create(seed);
    uint32_t node = network_add(network, path, path);
    for (uint32_t i = 1; i <= count; i++) {
        uint8_t bytes[200] = {0};
        memcpy(bytes, &i, sizeof i);
        network_send_up(network, 1 + i * step_us, node, 0, span_of(bytes, sizeof bytes));
    }
    uint32_t arrived = count_arrivals(network, in_order);
    network_destroy(network);
    return arrived;
}

static void a_path_loses_orders_and_repeats_as_it_is_told(void **state) {
    (void)state;
    bool in_order;
    assert_int_equal(pass(1, &(struct path_config){.delay_us = 1000}, 1000, 1000, &in_order), 1000);
    assert_true(in_order);
    uint32_t arrived = pass(2, &(struct path_config){.loss = 0.1}, 10000, 1000, &in_order);
    assert_in_range(arrived, 8800, 9200);
    arrived = pass(3, &(struct path_config){.duplicate = 0.1}, 10000, 1000, &in_order);
    assert_in_range(arrived, 10800, 11200);
    assert_int_equal(pass(4, &(struct path_config){.jitter_us = 20000}, 1000, 1000, &in_order), 1000);
    assert_true(in_order);
    assert_int_equal(pass(4, &(struct path_config){.jitter_us = 20000, .reorder = true}, 1000, 1000, &in_order), 1000);
    assert_false(in_order);
    assert_int_equal(pass(5, &(struct path_config){.mtu_bytes = 199}, 100, 1000, &in_order), 0);
    /* 228 bytes every ms are 1.8 Mbit/s; half of it passes */
    arrived = pass(6, &(struct path_config){.rate_bps = 912000, .queue_us = 50000}, 4000, 1000, &in_order);
    assert_in_range(arrived, 1950, 2080);
    /* bursts: one in a hundred begins one, five long, all lost */
    arrived = pass(7, &(struct path_config){.burst_enter = 0.01, .burst_leave = 0.2, .burst_loss = 1}, 20000, 1000,
                   &in_order);
    assert_in_range(arrived, 18600, 19450);
}

static void an_old_address_leads_nowhere_after_a_rebind(void **state) {
    (void)state;
    struct network *network = network_create(1);
    struct path_config path = {0};
    uint32_t node = network_add(network, &path, &path), owner, socket;
    struct net_addr before = network_public(network, node, 1);
    network_rebind(network, node);
    struct net_addr after = network_public(network, node, 1);
    bool current;
    assert_false(net_addr_equal(&before, &after));
    assert_true(network_owner(network, &before, &owner, &socket, &current));
    assert_false(current);
    network_send_down(network, 1, &before, span_str("lost"));
    assert_int_equal(network_waiting(network), 0);
    network_send_down(network, 1, &after, span_str("comes"));
    assert_int_equal(network_waiting(network), 1);
    network_destroy(network);
}

/* ---- sessions
 * ------------------------------------------------------------------------------------------------------------ */

static struct conference conference;

static struct client *join(bool single) {
    struct client_options options = {.single_connection = single};
    options.up.delay_us = options.down.delay_us = 10 * US_PER_MS;
    return conference_join(&conference, &options);
}

static void begin(uint64_t seed) {
    struct sim_options options = {.seed = seed, .scenario = "unit test"};
    conference_init(&conference, &options, 1);
}

static void end(void) {
    conference_finish(&conference);
    conference_free(&conference);
}

static const struct participant_publish sound = {.level_dbov = 30};
static const struct participant_publish picture = {
    .video = true, .layers = 3, .width = 1280, .height = 720, .fps = 30, .frame_bytes = {500, 1500, 4000}};

static void both_forms_of_the_protocol_hear_and_see_each_other(void **state) {
    (void)state;
    begin(11);
    struct client *one = join(true), *two = join(false);
    (void)conference_publish(&conference, one, &sound);
    (void)conference_publish(&conference, two, &picture);
    conference_run(&conference, 5 * US_PER_S);
    conference_expect_media(&conference, US_PER_S);
    struct participant_counters counters;
    participant_counters_get(one->participant, &counters);
    assert_in_range(counters.rx_frames, 100, 151); /* 30 a second, less the start */
    assert_int_equal(counters.rx_lost, 0);
    participant_counters_get(two->participant, &counters);
    assert_int_equal(counters.rx_lost, 0);
    assert_true(counters.rx_feedback > 10); /* of the video it sends */
    end();
}

static void a_muted_track_is_silent_and_comes_back(void **state) {
    (void)state;
    begin(12);
    struct client *one = join(true), *two = join(false);
    uint16_t publication = conference_publish(&conference, one, &sound);
    conference_run(&conference, 2 * US_PER_S);
    conference_mute(&conference, one, publication, true);
    conference_run(&conference, US_PER_S);
    struct participant_stream before, after;
    assert_true(participant_stream_get(two->participant, 0, &before));
    conference_run(&conference, US_PER_S);
    assert_true(participant_stream_get(two->participant, 0, &after));
    assert_int_equal(before.packets, after.packets);
    conference_mute(&conference, one, publication, false);
    conference_run(&conference, 2 * US_PER_S);
    conference_expect_media(&conference, US_PER_S);
    end();
}

static void a_cut_socket_is_resumed_without_a_new_identity(void **state) {
    (void)state;
    begin(13);
    struct client *one = join(true), *two = join(false);
    (void)conference_publish(&conference, one, &sound);
    (void)conference_publish(&conference, two, &sound);
    conference_run(&conference, 2 * US_PER_S);
    char sids[2][PARTICIPANT_SID_LEN_MAX + 1];
    strcpy(sids[0], participant_sid(one->participant));
    strcpy(sids[1], participant_sid(two->participant));
    conference_cut_socket(&conference, one, 0);
    conference_cut_socket(&conference, two, 500 * US_PER_MS);
    conference_run(&conference, 6 * US_PER_S);
    conference_expect_media(&conference, US_PER_S);
    assert_string_equal(sids[0], participant_sid(one->participant));
    assert_string_equal(sids[1], participant_sid(two->participant));
    struct participant_counters counters;
    participant_counters_get(one->participant, &counters);
    assert_int_equal(counters.resumes, 1);
    assert_int_equal(counters.rejoins, 0);
    end();
}

static void a_server_that_lost_its_state_is_joined_anew(void **state) {
    (void)state;
    begin(14);
    struct client *one = join(true), *two = join(false);
    (void)conference_publish(&conference, one, &picture);
    (void)conference_publish(&conference, two, &picture);
    conference_run(&conference, 2 * US_PER_S);
    conference_server_stop(&conference);
    conference_run(&conference, US_PER_S);
    conference_server_start(&conference);
    conference_run(&conference, 10 * US_PER_S);
    conference_expect_media(&conference, US_PER_S);
    struct participant_counters counters;
    participant_counters_get(two->participant, &counters);
    assert_int_equal(counters.rejoins, 1);
    end();
}

static void a_narrow_wish_gets_the_low_layer_and_a_hidden_tile_nothing(void **state) {
    (void)state;
    begin(15);
    struct client *one = join(true), *two = join(false);
    uint16_t publication = conference_publish(&conference, one, &picture);
    conference_run(&conference, 3 * US_PER_S);
    bool live;
    const char *sid = participant_publication_sid(one->participant, publication, &live);
    assert_true(live);
    struct participant_settings small = {.width = 300, .height = 170}, hidden = {.disabled = true};
    participant_settings(two->participant, conference.now_us, sid, &small);
    two->deadline_us = 0;
    conference_run(&conference, 3 * US_PER_S);
    struct participant_stream stream, later;
    assert_true(participant_stream_get(two->participant, 0, &stream));
    assert_int_equal(stream.layer, 0);
    assert_int_equal(stream.width, 320);
    participant_settings(two->participant, conference.now_us, sid, &hidden);
    two->deadline_us = 0;
    conference_run(&conference, US_PER_S);
    assert_true(participant_stream_get(two->participant, 0, &stream));
    conference_run(&conference, US_PER_S);
    assert_true(participant_stream_get(two->participant, 0, &later));
    assert_int_equal(stream.packets, later.packets);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stamped_packet_is_read_back_as_it_was_written),
        cmocka_unit_test(a_payload_with_one_changed_bit_is_not_what_anybody_made),
        cmocka_unit_test(every_frame_refers_to_a_lower_or_equal_temporal_layer),
        cmocka_unit_test(a_path_loses_orders_and_repeats_as_it_is_told),
        cmocka_unit_test(an_old_address_leads_nowhere_after_a_rebind),
        cmocka_unit_test(both_forms_of_the_protocol_hear_and_see_each_other),
        cmocka_unit_test(a_muted_track_is_silent_and_comes_back),
        cmocka_unit_test(a_cut_socket_is_resumed_without_a_new_identity),
        cmocka_unit_test(a_server_that_lost_its_state_is_joined_anew),
        cmocka_unit_test(a_narrow_wish_gets_the_low_layer_and_a_hidden_tile_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
