/* Rooms of meetings: who may enter, and what may not be said there in the clear. */
#include "signal/harness.h"

#include <stdlib.h>

#define M(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name
#define ROOM "meeting-1"

static bool in_group(void *context, struct span room, struct span identity) {
    (void)context;
    return span_equal_str(room, ROOM) && !span_equal_str(identity, "stranger");
}

static struct world *start(void) {
    struct control_config config = test_config();
    config.may_enter = in_group;
    return world_start(&config);
}

static struct control_counters counters(struct world *world) {
    struct control_counters out;
    control_counters_get(world->control, &out);
    return out;
}

static struct client *come(struct world *world, const char *identity) {
    char *token = token_with(world, identity, "{\"roomJoin\":true,\"room\":\"" ROOM "\",\"canUpdateOwnMetadata\":true}",
                             ",\"name\":\"A name\",\"metadata\":\"m\",\"attributes\":{\"a\":\"b\"}");
    struct client *client = join_with_token(world, identity, token, "");
    free(token);
    assert_non_null(client);
    answer_offer(world, client, false);
    connect_all(world);
    return client;
}

static void who_is_not_in_the_group_is_refused_in_words(void **state) {
    (void)state;
    struct world *world = start();
    assert_null(join_v0(world, "stranger", ROOM, ""));
    assert_null(join_v0(world, "stranger", ROOM, "&reconnect=1"));
    char *token = token_for(world, "stranger", ROOM);
    const char *paths[] = {"/rtc/validate", "/rtc/v1/validate"};
    for (size_t i = 0; i < 2; i++) {
        struct control_http_reply reply = http(world, "GET", paths[i], "", token, "", "", span_of(NULL, 0));
        assert_int_equal(reply.status, 503);
        assert_non_null(memmem(reply.body.data, reply.body.len, "open its link in a browser", 26));
    }
    free(token);
    assert_int_equal(counters(world).meeting_entry_refused, 4);
    assert_non_null(join_v0(world, "stranger", "tea", ""));
    assert_non_null(join_v0(world, "ana", ROOM, ""));
    world_stop(world);
}

static void without_somebody_to_ask_nobody_enters_a_meeting(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    assert_null(join_v0(world, "ana", ROOM, ""));
    world_stop(world);
}

static void what_tokens_say_of_people_is_dropped(void **state) {
    (void)state;
    struct world *world = start();
    struct client *ana = come(world, "ana");
    const Livekit__ParticipantInfo *info = ana->log[0]->join->participant;
    assert_string_equal(info->name, "");
    assert_string_equal(info->metadata, "");
    assert_int_equal(info->n_attributes, 0);
    assert_false(info->permission->can_publish_data);
    assert_false(info->permission->can_update_metadata);
    world_stop(world);
}

static void names_metadata_and_attributes_are_refused(void **state) {
    (void)state;
    struct world *world = start();
    struct client *ana = come(world, "ana");
    Livekit__SignalRequest request;
    Livekit__UpdateParticipantMetadata update;
    livekit__signal_request__init(&request);
    livekit__update_participant_metadata__init(&update);
    update.name = (char *)(uintptr_t) "Ana";
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_METADATA;
    request.update_metadata = &update;
    send_request(world, ana, &request);
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED);
    assert_int_equal(counters(world).meeting_clear_refused, 1);
    world_stop(world);
}

static void data_packets_and_data_tracks_are_refused(void **state) {
    (void)state;
    struct world *world = start();
    struct client *ana = come(world, "ana");
    (void)come(world, "ben");
    Livekit__DataPacket packet;
    Livekit__UserPacket user;
    uint8_t bytes[256];
    livekit__data_packet__init(&packet);
    livekit__user_packet__init(&user);
    user.payload = (ProtobufCBinaryData){2, (uint8_t *)(uintptr_t) "hi"};
    packet.value_case = LIVEKIT__DATA_PACKET__VALUE_USER;
    packet.user = &user;
    packet.sequence = 1;
    size_t len = livekit__data_packet__pack(&packet, bytes);
    channel_message(world, nth_object(world, OBJECT_TRANSPORT, 0)->handle, "_reliable", span_of(bytes, len));
    channel_message(world, nth_object(world, OBJECT_TRANSPORT, 0)->handle, "_lossy", span_of(bytes, len));
    assert_int_equal(world->data_count, 0);
    assert_int_equal(counters(world).meeting_clear_refused, 2);
    Livekit__SignalRequest request;
    Livekit__PublishDataTrackRequest track;
    livekit__signal_request__init(&request);
    livekit__publish_data_track_request__init(&track);
    track.pub_handle = 1;
    track.name = (char *)(uintptr_t) "t";
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PUBLISH_DATA_TRACK_REQUEST;
    request.publish_data_track_request = &track;
    send_request(world, ana, &request);
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED);
    world_stop(world);
}

static void tracks_without_encryption_are_refused(void **state) {
    (void)state;
    struct world *world = start();
    struct client *ana = come(world, "ana");
    add_track(world, ana, "clear", true, false);
    assert_int_equal(count_of(ana, M(TRACK_PUBLISHED)), 0);
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED);
    assert_int_equal(counters(world).meeting_clear_refused, 1);
    add_track(world, ana, "sealed", true, true);
    assert_int_equal(count_of(ana, M(TRACK_PUBLISHED)), 1);
    assert_string_equal(last_of(ana, M(TRACK_PUBLISHED))->track_published->track->name, "");
    world_stop(world);
}

static void who_is_expelled_is_out_at_once(void **state) {
    (void)state;
    struct world *world = start();
    struct client *ana = come(world, "ana"), *ben = come(world, "ben");
    size_t transports = objects_of(world, OBJECT_TRANSPORT);
    control_expel(world->control, world->now_us, span_str(ROOM), span_str("ana"));
    control_expel(world->control, world->now_us, span_str(ROOM), span_str("nobody"));
    control_expel(world->control, world->now_us, span_str("nowhere"), span_str("ben"));
    drain(world);
    assert_true(ana->closed);
    assert_int_equal(last_of(ana, M(LEAVE))->leave->action, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
    assert_int_equal(objects_of(world, OBJECT_TRANSPORT), transports / 2);
    assert_false(ben->closed);
    control_room_end(world->control, world->now_us, span_str(ROOM));
    drain(world);
    assert_true(ben->closed);
    assert_int_equal(objects_of(world, OBJECT_TRANSPORT), 0);
    world_stop(world);
}

static void who_breaks_limits_in_a_meeting_leaves_its_group_too(void **state) {
    (void)state;
    struct world *world = start();
    struct client *ana = come(world, "ana"), *ben = ready(world, "ben", "tea", "");
    Livekit__SignalRequest request;
    livekit__signal_request__init(&request);
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
    for (int i = 0; i < 2000 && !ben->closed; i++, forget(ben))
        send_request(world, ben, &request);
    assert_true(ben->closed);
    assert_null(world->expelled); /* no meeting */
    for (int i = 0; i < 2000 && !ana->closed; i++, forget(ana))
        send_request(world, ana, &request);
    assert_string_equal(world->expelled, ROOM " ana");
    world_stop(world);
}

int main(void) {
    const struct CMUnitTest meeting[] = {
        cmocka_unit_test(who_is_not_in_the_group_is_refused_in_words),
        cmocka_unit_test(without_somebody_to_ask_nobody_enters_a_meeting),
        cmocka_unit_test(what_tokens_say_of_people_is_dropped),
        cmocka_unit_test(names_metadata_and_attributes_are_refused),
        cmocka_unit_test(data_packets_and_data_tracks_are_refused),
        cmocka_unit_test(tracks_without_encryption_are_refused),
        cmocka_unit_test(who_is_expelled_is_out_at_once),
        cmocka_unit_test(who_breaks_limits_in_a_meeting_leaves_its_group_too),
    };
    return cmocka_run_group_tests(meeting, NULL, NULL);
}
