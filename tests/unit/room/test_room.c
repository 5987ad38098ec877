/* The model's rules by themselves: layers, permissions, dynacast, history, speakers, quality. */
#include "unit.h"

#include <stdlib.h>

#include "base/rng.h"
#include "base/time.h"
#include "room/quality.h"
#include "room/room.h"
#include "room/speaking.h"

#define NOW_US (100 * US_PER_S)

struct setup {
    struct rng rng;
    struct rooms rooms;
    struct room *room;
    struct participant *ana, *ben;
};

static void open_all(struct setup *setup) {
    setup->rng = rng_seeded(3);
    rooms_init(&setup->rooms, &setup->rng);
    setup->room = room_open(&setup->rooms, "tea", NOW_US, 1);
    setup->ana = participant_open(setup->room, "ana", NOW_US, 1);
    setup->ben = participant_open(setup->room, "ben", NOW_US, 1);
    setup->ben->permission.can_subscribe = setup->ben->auto_subscribe = true;
}

static void close_all(struct setup *setup) {
    participant_close(setup->ana, NOW_US);
    participant_close(setup->ben, NOW_US);
    room_close(setup->room);
    assert_int_equal(setup->rooms.count + setup->rooms.participants_count + setup->rooms.tracks_count, 0);
    rooms_free(&setup->rooms);
}

static struct track *video_track(struct participant *publisher, uint32_t layers) {
    struct track *track = track_open(publisher, ROOM_VIDEO);
    track->layers_count = layers;
    for (uint32_t i = 0; i < layers; i++) /* given highest first */
        track->layers[i] = (struct room_layer){.quality = (enum room_quality)(layers - 1 - i),
                                               .width = 320u << (layers - 1 - i),
                                               .height = 180u << (layers - 1 - i)};
    track_sort_layers(track);
    return track;
}

static void the_smallest_layer_that_fills_the_tile_is_chosen(void **state) {
    (void)state;
    struct setup setup;
    open_all(&setup);
    struct track *track = video_track(setup.ana, 3);
    assert_int_equal(track->layers[0].width, 320);
    struct room_settings settings = {.given = true, .quality = ROOM_HIGH, .width = 320, .height = 180};
    assert_int_equal(track_layer_for(track, &settings, ROOM_HIGH), 0);
    settings.width = 321;
    assert_int_equal(track_layer_for(track, &settings, ROOM_HIGH), 1);
    settings.height = 5000;
    assert_int_equal(track_layer_for(track, &settings, ROOM_HIGH), 2);
    settings = (struct room_settings){.given = true, .quality = ROOM_MEDIUM};
    assert_int_equal(track_layer_for(track, &settings, ROOM_HIGH), 1);
    settings.given = false;
    assert_int_equal(track_layer_for(track, &settings, ROOM_LOW), 0);
    assert_int_equal(track_layer_for(track, &settings, ROOM_HIGH), 2);
    track_close(track);
    struct track *two = video_track(setup.ana, 2), *one = video_track(setup.ana, 1), *none = video_track(setup.ana, 0);
    assert_int_equal(track_layer_for(two, &settings, ROOM_HIGH), 1); /* its top is MEDIUM */
    assert_int_equal(track_quality_of_layer(two, 1), ROOM_MEDIUM);
    assert_int_equal(track_layer_for(one, &settings, ROOM_HIGH), 0);
    assert_int_equal(track_quality_of_layer(one, 0), ROOM_HIGH);
    assert_int_equal(track_layer_for(none, &settings, ROOM_HIGH), 2);
    track_close(two);
    track_close(one);
    track_close(none);
    close_all(&setup);
}

static void permission_is_by_identity_or_sid_and_by_track(void **state) {
    (void)state;
    struct setup setup;
    open_all(&setup);
    struct track *track = video_track(setup.ana, 1);
    assert_false(subscription_wanted(setup.ben, track)); /* not published yet */
    track->published = true;
    assert_true(subscription_wanted(setup.ben, track));
    assert_false(subscription_wanted(setup.ana, track));
    setup.ana->allow_all = false;
    assert_false(subscription_wanted(setup.ben, track));
    setup.ana->allow = calloc(1, sizeof *setup.ana->allow);
    setup.ana->allow_count = 1;
    setup.ana->allow[0].name = strdup(setup.ben->sid);
    setup.ana->allow[0].by_sid = true;
    assert_false(subscription_permitted(setup.ben, track));
    setup.ana->allow[0].sids = calloc(1, ROOM_SID_SIZE);
    setup.ana->allow[0].sids_count = 1;
    strcpy(setup.ana->allow[0].sids[0], track->sid);
    assert_true(subscription_permitted(setup.ben, track));
    setup.ben->permission.can_subscribe = false;
    assert_false(subscription_wanted(setup.ben, track));
    track_close(track);
    close_all(&setup);
}

static void publishers_are_asked_for_more_at_once_and_for_less_later(void **state) {
    (void)state;
    struct setup setup;
    open_all(&setup);
    struct track *track = video_track(setup.ana, 3);
    track->published = true;
    uint64_t now_us = NOW_US;
    assert_false(track_dynacast_step(track, now_us)); /* nobody subscribes: wait */
    assert_int_equal(track->dynacast.lower_at_us, now_us + ROOM_DYNACAST_DELAY_US);
    assert_true(track_dynacast_step(track, now_us + ROOM_DYNACAST_DELAY_US));
    assert_int_equal(track->dynacast.announced, ROOM_OFF);
    struct subscription *subscription = subscription_open(setup.ben, track);
    subscription->active = true;
    subscription->settings = (struct room_settings){.given = true, .quality = ROOM_LOW};
    subscription_recount(subscription);
    assert_true(track_dynacast_step(track, now_us));
    assert_int_equal(track->dynacast.announced, ROOM_LOW);
    subscription->settings.quality = ROOM_HIGH;
    subscription_recount(subscription);
    assert_true(track_dynacast_step(track, now_us));
    subscription->settings.disabled = true;
    subscription_recount(subscription);
    assert_false(track_dynacast_step(track, now_us));
    subscription->settings.disabled = false; /* back in time: nothing was said */
    subscription_recount(subscription);
    assert_false(track_dynacast_step(track, now_us + US_PER_S));
    assert_int_equal(track->dynacast.lower_at_us, TIME_NEVER);
    subscription_close(subscription);
    track_close(track);
    close_all(&setup);
}

static void limits_do_not_count_agents_and_recorders(void **state) {
    (void)state;
    struct setup setup;
    open_all(&setup);
    struct room_permission plain = {0}, recorder = {.recorder = true};
    assert_false(room_full(setup.room, 0, &plain, ROOM_STANDARD));
    setup.room->participants_max = 2;
    assert_true(room_full(setup.room, 0, &plain, ROOM_STANDARD));
    assert_false(room_full(setup.room, 0, &recorder, ROOM_STANDARD));
    assert_false(room_full(setup.room, 0, &plain, ROOM_AGENT));
    setup.ben->permission.recorder = true;
    assert_false(room_full(setup.room, 0, &plain, ROOM_STANDARD));
    assert_true(room_full(setup.room, 1, &plain, ROOM_STANDARD));
    close_all(&setup);
}

static void attributes_merge_and_empty_values_delete(void **state) {
    (void)state;
    struct setup setup;
    open_all(&setup);
    assert_true(participant_attribute_set(setup.ana, "a", "1"));
    assert_true(participant_attribute_set(setup.ana, "b", "2"));
    assert_true(participant_attribute_set(setup.ana, "a", "3"));
    assert_string_equal(participant_attribute(setup.ana, "a"), "3");
    assert_int_equal(participant_attributes_len(setup.ana), 4);
    assert_true(participant_attribute_set(setup.ana, "a", ""));
    assert_null(participant_attribute(setup.ana, "a"));
    assert_int_equal(setup.ana->attributes_count, 1);
    for (int i = 1; i < ROOM_ATTRIBUTES_MAX; i++) {
        char key[8] = {'k', (char)('a' + i % 26), (char)('a' + i / 26)};
        assert_true(participant_attribute_set(setup.ana, key, "v"));
    }
    assert_false(participant_attribute_set(setup.ana, "one more", "v"));
    close_all(&setup);
}

static void history_is_bounded_by_age_and_bytes_and_count(void **state) {
    (void)state;
    struct data_history history;
    static uint8_t big[600 * 1024];
    data_history_init(&history);
    for (uint32_t i = 0; i < 5; i++)
        data_history_add(&history, NOW_US, "PA_1", i + 1, span_of(big, sizeof big));
    assert_int_equal(history.count, 3);
    assert_true(history.bytes <= DATA_HISTORY_BYTES_MAX);
    assert_int_equal(data_history_at(&history, 0)->sequence, 3);
    for (uint32_t i = 0; i < DATA_HISTORY_PACKETS_MAX + 10; i++)
        data_history_add(&history, NOW_US + US_PER_S, "PA_1", 100 + i, span_str("x"));
    assert_int_equal(history.count, DATA_HISTORY_PACKETS_MAX);
    assert_int_equal(data_history_at(&history, 0)->sequence, 110);
    assert_null(data_history_at(&history, DATA_HISTORY_PACKETS_MAX));
    data_history_expire(&history, NOW_US + DATA_HISTORY_AGE_US + 2 * US_PER_S);
    assert_int_equal(history.count, 0);
    assert_int_equal(history.bytes, 0);
    data_history_free(&history);
    uint32_t last = 0;
    assert_true(data_sequence_take(&last, 1));
    assert_false(data_sequence_take(&last, 1));
    assert_true(data_sequence_take(&last, 5));
    assert_false(data_sequence_take(&last, 4));
    assert_true(data_sequence_take(&last, 0));
}

static void short_noises_do_not_make_a_speaker(void **state) {
    (void)state;
    struct setup setup;
    struct speaking_change changes[4];
    open_all(&setup);
    struct track *track = track_open(setup.ana, ROOM_AUDIO);
    struct engine_level click = {1, 5, 100}, voice = {1, 15, 900};
    speaking_input(track, &click, NOW_US);
    assert_int_equal(speaking_step(setup.room, NOW_US, changes, 4), 0);
    speaking_input(track, &voice, NOW_US);
    assert_int_equal(speaking_step(setup.room, NOW_US, changes, 4), 1);
    assert_ptr_equal(changes[0].participant, setup.ana);
    assert_true(changes[0].active && changes[0].level > 0);
    track->muted = true; /* whatever still comes in */
    uint64_t now_us = NOW_US;
    size_t count = 0;
    for (int i = 0; i < 20; i++) {
        speaking_input(track, &voice, now_us);
        count += speaking_step(setup.room, now_us += SPEAKING_INTERVAL_US, changes, 4);
    }
    assert_true(count > 0);
    assert_false(changes[0].active);
    assert_int_equal(setup.room->speakers_due_us, TIME_NEVER);
    track->source = 0;
    track_close(track);
    close_all(&setup);
}

static void quality_falls_with_loss_and_delay_and_has_hysteresis(void **state) {
    (void)state;
    struct engine_stats stats = {.rtt_us = 20000};
    assert_int_equal(quality_class(quality_score(&stats), ROOM_EXCELLENT), ROOM_EXCELLENT);
    stats.rx_loss_permille = 40;
    assert_int_equal(quality_class(quality_score(&stats), ROOM_EXCELLENT), ROOM_GOOD);
    stats.rx_loss_permille = 250;
    assert_int_equal(quality_class(quality_score(&stats), ROOM_EXCELLENT), ROOM_POOR);
    stats = (struct engine_stats){.rtt_us = 1500000};
    assert_int_not_equal(quality_class(quality_score(&stats), ROOM_EXCELLENT), ROOM_EXCELLENT);
    assert_int_equal(quality_class(4.05f, ROOM_EXCELLENT), ROOM_EXCELLENT);
    assert_int_equal(quality_class(4.05f, ROOM_GOOD), ROOM_GOOD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_layer_that_fills_the_tile_is_chosen),
        cmocka_unit_test(permission_is_by_identity_or_sid_and_by_track),
        cmocka_unit_test(publishers_are_asked_for_more_at_once_and_for_less_later),
        cmocka_unit_test(limits_do_not_count_agents_and_recorders),
        cmocka_unit_test(attributes_merge_and_empty_values_delete),
        cmocka_unit_test(history_is_bounded_by_age_and_bytes_and_count),
        cmocka_unit_test(short_noises_do_not_make_a_speaker),
        cmocka_unit_test(quality_falls_with_loss_and_delay_and_has_hysteresis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
