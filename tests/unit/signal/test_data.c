/* Data packets and data tracks between participants. */
#include "signal/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "signal/datapacket.h"

#define M(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name

static struct client *come(struct world *world, const char *identity) {
    return ready(world, identity, "tea", "");
}

/* The subscriber transport of the n-th client that joined; data arrives here in these tests. */
static uint32_t transport_of(struct world *world, size_t n) {
    return nth_object(world, OBJECT_TRANSPORT, n)->handle;
}

static size_t pack_user(uint8_t out[4096], const char *text, uint32_t sequence, const char *destination) {
    Livekit__DataPacket packet;
    Livekit__UserPacket user;
    livekit__data_packet__init(&packet);
    livekit__user_packet__init(&user);
    char *destinations[1] = {(char *)(uintptr_t)destination};
    packet.value_case = LIVEKIT__DATA_PACKET__VALUE_USER;
    packet.user = &user;
    packet.sequence = sequence;
    packet.participant_identity = (char *)(uintptr_t) "a lie";
    packet.participant_sid = (char *)(uintptr_t) "PA_lie";
    user.participant_sid = (char *)(uintptr_t) "PA_lie";
    user.payload = (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
    if (destination != NULL) {
        packet.n_destination_identities = 1;
        packet.destination_identities = destinations;
    }
    size_t len = livekit__data_packet__pack(&packet, out);
    /* a field that this protocol does not know: 200, "new" */
    static const uint8_t unknown[] = {0xc2, 0x0c, 3, 'n', 'e', 'w'};
    memcpy(out + len, unknown, sizeof unknown);
    return len + sizeof unknown;
}

static void send_user(struct world *world, size_t from, const char *label, const char *text, uint32_t sequence,
                      const char *destination) {
    uint8_t bytes[4096];
    size_t len = pack_user(bytes, text, sequence, destination);
    channel_message(world, transport_of(world, from), label, span_of(bytes, len));
}

static void a_packet_goes_to_all_others_with_its_true_sender_and_unknown_fields(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = come(world, "ana");
    (void)come(world, "ben");
    (void)come(world, "eva");
    send_user(world, 0, "_reliable", "hello", 1, NULL);
    assert_int_equal(world->data_count, 2);
    const struct sent_data *data = &world->data[0];
    assert_string_equal(data->label, "_reliable");
    assert_int_equal(data->transport, transport_of(world, 1));
    Livekit__DataPacket *packet = livekit__data_packet__unpack(NULL, data->len, data->bytes);
    assert_string_equal(packet->participant_identity, "ana");
    assert_string_equal(packet->participant_sid, ana->sid);
    assert_string_equal(packet->user->participant_sid, ana->sid);
    assert_string_equal(packet->user->participant_identity, "ana");
    assert_memory_equal(packet->user->payload.data, "hello", 5);
    assert_int_equal(packet->kind, LIVEKIT__DATA_PACKET__KIND__RELIABLE);
    assert_int_equal(packet->sequence, 1);
    assert_int_equal(packet->base.n_unknown_fields, 1);
    livekit__data_packet__free_unpacked(packet, NULL);
    send_user(world, 0, "_lossy", "hello", 0, NULL);
    packet = livekit__data_packet__unpack(NULL, world->data[2].len, world->data[2].bytes);
    assert_int_equal(packet->kind, LIVEKIT__DATA_PACKET__KIND__LOSSY);
    assert_string_equal(world->data[2].label, "_lossy");
    livekit__data_packet__free_unpacked(packet, NULL);
    world_stop(world);
}

static void packets_are_taken_once_and_in_order(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)come(world, "ana");
    (void)come(world, "ben");
    send_user(world, 0, "_reliable", "1", 1, NULL);
    send_user(world, 0, "_reliable", "2", 2, NULL);
    send_user(world, 0, "_reliable", "2", 2, NULL);
    send_user(world, 0, "_reliable", "1", 1, NULL);
    assert_int_equal(world->data_count, 2);
    send_user(world, 0, "_reliable", "unnumbered", 0, NULL);
    assert_int_equal(world->data_count, 3);
    struct control_counters counters;
    control_counters_get(world->control, &counters);
    assert_int_equal(counters.data_dropped, 2);
    world_stop(world);
}

static void destinations_are_kept_to(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)come(world, "ana");
    (void)come(world, "ben");
    (void)come(world, "eva");
    send_user(world, 0, "_reliable", "psst", 1, "eva");
    assert_int_equal(world->data_count, 1);
    assert_int_equal(world->data[0].transport, transport_of(world, 2));
    send_user(world, 0, "_reliable", "psst", 2, "nobody");
    assert_int_equal(world->data_count, 1);
    world_stop(world);
}

static void clients_cannot_send_what_is_the_servers_nor_without_permission(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)come(world, "ana");
    (void)come(world, "ben");
    Livekit__DataPacket packet;
    Livekit__ActiveSpeakerUpdate speakers;
    Livekit__Transcription transcription;
    livekit__data_packet__init(&packet);
    livekit__active_speaker_update__init(&speakers);
    livekit__transcription__init(&transcription);
    packet.value_case = LIVEKIT__DATA_PACKET__VALUE_SPEAKER;
    packet.speaker = &speakers;
    uint8_t bytes[256];
    size_t len = livekit__data_packet__pack(&packet, bytes);
    channel_message(world, transport_of(world, 0), "_reliable", span_of(bytes, len));
    packet.value_case = LIVEKIT__DATA_PACKET__VALUE_TRANSCRIPTION;
    packet.transcription = &transcription;
    len = livekit__data_packet__pack(&packet, bytes);
    channel_message(world, transport_of(world, 0), "_reliable", span_of(bytes, len));
    channel_message(world, transport_of(world, 0), "_reliable", span_str("\xff\xff garbage"));
    channel_message(world, transport_of(world, 0), "another", span_str("x"));
    char *token = token_with(world, "mute", "{\"roomJoin\":true,\"room\":\"tea\",\"canPublishData\":false}", "");
    struct client *mute = join_with_token(world, "mute", token, "");
    free(token);
    answer_offer(world, mute, false);
    connect_all(world);
    send_user(world, 2, "_reliable", "hello", 1, NULL);
    assert_int_equal(world->data_count, 0);
    struct control_counters counters;
    control_counters_get(world->control, &counters);
    assert_int_equal(counters.data_dropped, 5);
    world_stop(world);
}

static void a_joiner_gets_what_was_said_before_its_channel_opened(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)come(world, "ana");
    send_user(world, 0, "_reliable", "too early", 1, NULL);
    pass(world, US_PER_S);
    struct client *ben = join_v0(world, "ben", "tea", "");
    assert_true(answer_offer(world, ben, false));
    send_user(world, 0, "_reliable", "for ben", 2, NULL);
    send_user(world, 0, "_reliable", "not for ben", 3, "eva");
    assert_int_equal(world->data_count, 0);
    connect_all(world);
    assert_int_equal(world->data_count, 1);
    Livekit__DataPacket *packet = livekit__data_packet__unpack(NULL, world->data[0].len, world->data[0].bytes);
    assert_int_equal(packet->sequence, 2);
    livekit__data_packet__free_unpacked(packet, NULL);
    world_stop(world);
}

static void a_resuming_client_gets_what_it_missed(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = come(world, "ana"), *ben = come(world, "ben");
    for (uint32_t i = 1; i <= 4; i++)
        send_user(world, 0, "_reliable", "text", i, NULL);
    send_user(world, 1, "_reliable", "mine", 1, NULL);
    lose(world, ben);
    struct client *back = resume_v0(world, ben, "tea");
    assert_int_equal(last_of(back, M(RECONNECT))->reconnect->last_message_seq, 1);
    size_t before = world->data_count;
    Livekit__SignalRequest request;
    Livekit__SyncState sync;
    Livekit__DataChannelReceiveState received, *list = &received;
    livekit__signal_request__init(&request);
    livekit__sync_state__init(&sync);
    livekit__data_channel_receive_state__init(&received);
    received.publisher_sid = ana->sid;
    received.last_seq = 2;
    sync.n_datachannel_receive_states = 1;
    sync.datachannel_receive_states = &list;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE;
    request.sync_state = &sync;
    send_request(world, back, &request);
    assert_int_equal(world->data_count - before, 2);
    world_stop(world);
}

static void publish_data_track(struct world *world, struct client *client, uint32_t handle, const char *name) {
    Livekit__SignalRequest request;
    Livekit__PublishDataTrackRequest message;
    livekit__signal_request__init(&request);
    livekit__publish_data_track_request__init(&message);
    message.pub_handle = handle;
    message.name = (char *)(uintptr_t)name;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PUBLISH_DATA_TRACK_REQUEST;
    request.publish_data_track_request = &message;
    send_request(world, client, &request);
}

static void allow_subscribing(struct world *world, const char *identity, bool allowed) {
    char body[256];
    (void)snprintf(body, sizeof body,
                   "{\"room\":\"tea\",\"identity\":\"%s\",\"permission\":{\"canSubscribe\":%s,\"canPublish\":true}}",
                   identity, allowed ? "true" : "false");
    char *token = token_with(world, "", "{\"roomAdmin\":true,\"room\":\"tea\"}", "");
    struct control_http_reply reply = http(world, "POST", "/twirp/livekit.RoomService/UpdateParticipant", "", token,
                                           "application/json", "", span_str(body));
    assert_int_equal(reply.status, 200);
    free(token);
}

static void data_tracks_are_forwarded_under_the_receivers_handle(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = come(world, "ana"), *ben = come(world, "ben");
    publish_data_track(world, ana, 7, "pose");
    const Livekit__DataTrackInfo *info =
        last_of(ana, M(PUBLISH_DATA_TRACK_RESPONSE))->publish_data_track_response->info;
    assert_memory_equal(info->sid, "DTR_", 4);
    assert_string_equal(info_of(ben, "ana")->data_tracks[0]->sid, info->sid);
    publish_data_track(world, ana, 7, "other");
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__DUPLICATE_HANDLE);
    publish_data_track(world, ana, 8, "pose");
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__DUPLICATE_NAME);
    publish_data_track(world, ana, 0, "zero");
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_HANDLE);
    Livekit__SignalRequest request;
    Livekit__UpdateDataSubscription message;
    Livekit__UpdateDataSubscription__Update update, *updates = &update;
    livekit__signal_request__init(&request);
    livekit__update_data_subscription__init(&message);
    livekit__update_data_subscription__update__init(&update);
    update.track_sid = info->sid;
    update.subscribe = true;
    message.n_updates = 1;
    message.updates = &updates;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_DATA_SUBSCRIPTION;
    request.update_data_subscription = &message;
    send_request(world, ben, &request);
    const Livekit__DataTrackSubscriberHandles *handles =
        last_of(ben, M(DATA_TRACK_SUBSCRIBER_HANDLES))->data_track_subscriber_handles;
    assert_int_equal(handles->n_sub_handles, 1);
    assert_string_equal(handles->sub_handles[0]->value->publisher_identity, "ana");
    uint32_t handle = handles->sub_handles[0]->key;
    uint8_t packet[20] = {0x18, 0, 0, 7, 0, 1, 0, 1, 0, 0, 0, 1, 'd', 'a', 't', 'a'};
    channel_message(world, transport_of(world, 0), "_data_track", span_of(packet, 16));
    assert_int_equal(world->data_count, 1);
    assert_string_equal(world->data[0].label, "_data_track");
    assert_int_equal(world->data[0].bytes[2] << 8 | world->data[0].bytes[3], handle);
    assert_memory_equal(world->data[0].bytes + 12, "data", 4);
    packet[3] = 9; /* not published */
    channel_message(world, transport_of(world, 0), "_data_track", span_of(packet, 16));
    assert_int_equal(world->data_count, 1);
    /* the right to subscribe is lost in the middle of it */
    packet[3] = 7;
    allow_subscribing(world, "ben", false);
    channel_message(world, transport_of(world, 0), "_data_track", span_of(packet, 16));
    assert_int_equal(world->data_count, 1);
    allow_subscribing(world, "ben", true);
    channel_message(world, transport_of(world, 0), "_data_track", span_of(packet, 16));
    assert_int_equal(world->data_count, 2);
    leave(world, ana);
    assert_int_equal(last_of(ben, M(DATA_TRACK_SUBSCRIBER_HANDLES))->data_track_subscriber_handles->n_sub_handles, 0);
    world_stop(world);
}

static void a_truncated_packet_is_never_read_past_its_end(void **state) {
    (void)state;
    static struct datapacket packet;
    uint8_t bytes[4096], out[8192];
    size_t len = pack_user(bytes, "payload", 5, "eva");
    for (size_t cut = 0; cut <= len; cut++) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, bytes, cut);
        struct writer w = writer_of(out, sizeof out);
        (void)datapacket_parse(span_of(copy, cut), &packet);
        (void)datapacket_patch(span_of(copy, cut), false, "ana", "PA_ana", &w);
        free(copy);
    }
}

static void who_floods_others_with_lossy_data_has_its_share_and_they_have_theirs(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    static char names[41][16];
    for (int i = 0; i < 41; i++) {
        (void)snprintf(names[i], sizeof names[i], "person-%d", i);
        (void)come(world, names[i]);
    }
    struct control_counters before, after;
    control_counters_get(world->control, &before);
    for (int i = 0; i < 30000; i++)
        send_user(world, 0, "_lossy", "flood", 0, NULL);
    control_counters_get(world->control, &after);
    uint64_t rationed = after.data_rationed - before.data_rationed;
    assert_in_range(rationed, 15000, 29000);
    for (int i = 0; i < 1000; i++)
        send_user(world, 1, "_lossy", "a pointer", 0, NULL);
    send_user(world, 0, "_reliable", "hello", 1, NULL); /* what may not be lost is not */
    control_counters_get(world->control, &before);
    assert_int_equal(before.data_rationed, after.data_rationed);
    pass(world, 2 * US_PER_S);
    send_user(world, 0, "_lossy", "and on", 0, NULL);
    control_counters_get(world->control, &after);
    assert_int_equal(before.data_rationed, after.data_rationed);
    world_stop(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_floods_others_with_lossy_data_has_its_share_and_they_have_theirs),
        cmocka_unit_test(a_packet_goes_to_all_others_with_its_true_sender_and_unknown_fields),
        cmocka_unit_test(packets_are_taken_once_and_in_order),
        cmocka_unit_test(destinations_are_kept_to),
        cmocka_unit_test(clients_cannot_send_what_is_the_servers_nor_without_permission),
        cmocka_unit_test(a_joiner_gets_what_was_said_before_its_channel_opened),
        cmocka_unit_test(a_resuming_client_gets_what_it_missed),
        cmocka_unit_test(data_tracks_are_forwarded_under_the_receivers_handle),
        cmocka_unit_test(a_truncated_packet_is_never_read_past_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
