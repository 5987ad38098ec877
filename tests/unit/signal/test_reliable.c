/* Reliable data: it arrives, or the one who cannot follow is told and ended. */
#include "signal/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define M(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name
#define MESSAGE_LEN 10000
#define WINDOW ENGINE_CHANNEL_TX_WINDOW_BYTES
#define SLACK (256u << 10)

/* The subscriber transport of the n-th client that joined; data goes both ways on it in these tests. */
static uint32_t transport_of(struct world *world, size_t n) {
    return nth_object(world, OBJECT_TRANSPORT, n)->handle;
}

static void event(struct world *world, const struct engine_event *engine_event) {
    control_engine_event(world->control, world->now_us, world->unix_us, 0, engine_event);
    drain(world);
}

/* A user packet with its number in front of the payload. Answers what the engine charges for it. */
static uint32_t send_charged(struct world *world, size_t from, uint32_t number, bool charged) {
    static uint8_t payload[MESSAGE_LEN], packed[MESSAGE_LEN + 256];
    Livekit__DataPacket packet;
    Livekit__UserPacket user;
    livekit__data_packet__init(&packet);
    livekit__user_packet__init(&user);
    memcpy(payload, &number, sizeof number);
    user.payload = (ProtobufCBinaryData){sizeof payload, payload};
    packet.value_case = LIVEKIT__DATA_PACKET__VALUE_USER;
    packet.user = &user;
    packet.sequence = number;
    size_t len = livekit__data_packet__pack(&packet, packed);
    struct engine_event message = {
        .type = ENGINE_EV_CHANNEL_MESSAGE, .object = transport_of(world, from), .payload = span_of(packed, len)};
    strcpy(message.message.label, "_reliable");
    message.message.charged_bytes = charged ? engine_channel_charge(len) : 0;
    event(world, &message);
    return message.message.charged_bytes;
}

static uint32_t send_numbered(struct world *world, size_t from, uint32_t number) {
    return send_charged(world, from, number, true);
}

/* What one receiver's engine was given, in order from 1 on; how many. */
static uint32_t got(struct world *world, size_t to) {
    uint32_t count = 0;
    for (size_t i = 0; i < world->data_count; i++) {
        if (world->data[i].transport != transport_of(world, to))
            continue;
        Livekit__DataPacket *packet = livekit__data_packet__unpack(NULL, world->data[i].len, world->data[i].bytes);
        assert_non_null(packet);
        uint32_t number;
        memcpy(&number, packet->user->payload.data, sizeof number);
        assert_int_equal(number, ++count);
        livekit__data_packet__free_unpacked(packet, NULL);
    }
    return count;
}

static uint64_t given(struct world *world, size_t to) {
    return object_at(world, OBJECT_TRANSPORT, transport_of(world, to))->given_bytes;
}

static uint64_t released(struct world *world, size_t from) {
    return object_at(world, OBJECT_TRANSPORT, transport_of(world, from))->released_bytes;
}

/* The peer acknowledged everything but the last `but` bytes. */
static void acknowledge(struct world *world, size_t to, uint64_t but) {
    struct engine_event sent = {.type = ENGINE_EV_CHANNEL_SENT, .object = transport_of(world, to)};
    sent.channel_sent.total_bytes = given(world, to) > but ? given(world, to) - but : 0;
    event(world, &sent);
}

static void reliable_data_waits_for_a_receiver_that_is_behind_and_arrives_whole(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)ready(world, "ana", "tea", "");
    (void)ready(world, "ben", "tea", "");
    uint64_t charged = 0;
    for (uint32_t i = 1; i <= 100; i++)
        charged += send_numbered(world, 0, i);
    assert_in_range(given(world, 1), WINDOW / 2, WINDOW);
    for (int i = 0; i < 100 && got(world, 1) < 100; i++) {
        acknowledge(world, 1, 5000);
        assert_in_range(given(world, 1), 0, charged);
    }
    assert_int_equal(got(world, 1), 100);
    assert_int_equal(released(world, 0), charged);
    world_stop(world);
}

static void senders_go_as_fast_as_the_slowest_receiver(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)ready(world, "ana", "tea", "");
    (void)ready(world, "ben", "tea", "");
    (void)ready(world, "eva", "tea", "");
    uint64_t charged = 0;
    uint32_t sent = 0;
    /* as an engine does: no more than the window without a release; ben takes all at once, eva nothing */
    while (charged - released(world, 0) < ENGINE_CHANNEL_RX_WINDOW_BYTES && sent < 400) {
        charged += send_numbered(world, 0, ++sent);
        acknowledge(world, 1, 0);
    }
    assert_int_equal(got(world, 1), sent);
    assert_in_range(charged, SLACK, SLACK + WINDOW + 2 * ENGINE_CHANNEL_RX_WINDOW_BYTES);
    for (int i = 0; i < 100 && got(world, 2) < sent; i++)
        acknowledge(world, 2, 0);
    assert_int_equal(got(world, 2), sent);
    assert_int_equal(released(world, 0), charged);
    world_stop(world);
}

static void who_holds_the_others_up_for_long_is_told_to_connect_anew(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)ready(world, "ana", "tea", "");
    (void)ready(world, "ben", "tea", "");
    struct client *eva = ready(world, "eva", "tea", "");
    uint64_t charged = 0;
    for (uint32_t i = 1; i <= 80; i++) {
        charged += send_numbered(world, 0, i);
        acknowledge(world, 1, 0);
    }
    pass(world, 3 * US_PER_S);
    assert_false(eva->closed);
    pass(world, 2 * US_PER_S);
    assert_true(eva->closed);
    assert_int_equal(last_of(eva, M(LEAVE))->leave->action, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
    assert_int_equal(got(world, 1), 80);
    assert_int_equal(released(world, 0), charged);
    struct control_counters counters;
    control_counters_get(world->control, &counters);
    assert_int_equal(counters.data_slow_ended, 1);
    world_stop(world);
}

static void who_is_slow_but_follows_stays(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)ready(world, "ana", "tea", "");
    (void)ready(world, "ben", "tea", "");
    struct client *eva = ready(world, "eva", "tea", "");
    for (uint32_t i = 1; i <= 80; i++) {
        (void)send_numbered(world, 0, i);
        acknowledge(world, 1, 0);
    }
    uint32_t sent = 80;
    for (int second = 0; second < 40; second++) { /* 100 kB a second */
        for (int i = 0; i < 10; i++)
            (void)send_numbered(world, 0, ++sent);
        acknowledge(world, 1, 0);
        struct engine_event event_sent = {.type = ENGINE_EV_CHANNEL_SENT, .object = transport_of(world, 2)};
        event_sent.channel_sent.total_bytes = (uint64_t)(second + 1) * 102400;
        event(world, &event_sent);
        for (int i = 0; i < 10; i++) { /* a client pings */
            pass(world, US_PER_S / 10);
        }
        Livekit__SignalRequest request;
        livekit__signal_request__init(&request);
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
        request.ping = 1;
        for (size_t c = 0; c < 3; c++)
            send_request(world, &world->clients[c], &request);
    }
    assert_false(eva->closed);
    world_stop(world);
}

static void a_receiver_that_goes_holds_nobody_up(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)ready(world, "ana", "tea", "");
    (void)ready(world, "ben", "tea", "");
    struct client *eva = ready(world, "eva", "tea", "");
    uint64_t charged = 0;
    for (uint32_t i = 1; i <= 80; i++) {
        charged += send_numbered(world, 0, i);
        acknowledge(world, 1, 0);
    }
    assert_in_range(released(world, 0), 0, charged - 1);
    leave(world, eva);
    assert_int_equal(released(world, 0), charged);
    world_stop(world);
}

static void what_goes_to_nobody_is_given_back(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)ready(world, "ana", "tea", "");
    uint64_t charged = send_numbered(world, 0, 1); /* nobody is there */
    charged += send_numbered(world, 0, 1);         /* a number that was used */
    struct engine_event broken = {.type = ENGINE_EV_CHANNEL_MESSAGE,
                                  .object = transport_of(world, 0),
                                  .payload = span_str("\xff\xff\xff no packet"),
                                  .message = {.label = "_reliable", .charged_bytes = 1024}};
    event(world, &broken);
    assert_int_equal(released(world, 0), charged + 1024);
    world_stop(world);
}

static void a_receiver_whose_stream_has_a_hole_is_told_to_connect_anew(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)ready(world, "ana", "tea", "");
    struct client *ben = ready(world, "ben", "tea", "");
    (void)send_numbered(world, 0, 1);
    struct engine_event refused = {.type = ENGINE_EV_REFUSED, .object = transport_of(world, 1)};
    refused.refused.command = ENGINE_CHANNEL_SEND;
    event(world, &refused);
    assert_true(ben->closed);
    assert_int_equal(last_of(ben, M(LEAVE))->leave->action, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
    world_stop(world);
}

static void data_waits_while_the_way_to_the_engine_is_full(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)ready(world, "ana", "tea", "");
    (void)ready(world, "ben", "tea", "");
    control_data_room(world->control, 0, 25000);
    for (uint32_t i = 1; i <= 5; i++)
        (void)send_numbered(world, 0, i);
    assert_int_equal(got(world, 1), 2);
    assert_true(control_next_deadline_us(world->control) < world->now_us + 10 * US_PER_MS);
    control_data_room(world->control, 0, 1 << 20);
    drain(world);
    assert_int_equal(got(world, 1), 5);
    world_stop(world);
}

/* A channel may bear the name of the reliable one and not be it: then its sender has no window. */
static void who_names_an_unreliable_channel_reliable_fills_nobodys_queue(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)ready(world, "ana", "tea", "");
    (void)ready(world, "ben", "tea", "");
    for (uint32_t i = 1; i <= 400; i++)
        (void)send_charged(world, 0, i, false);
    for (int i = 0; i < 100; i++)
        acknowledge(world, 1, 0);
    assert_in_range(given(world, 1), 0, SLACK + WINDOW);
    world_stop(world);
}

static void asking_again_for_what_was_missed_makes_no_queue_longer(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)ready(world, "ana", "tea", "");
    struct client *ben = ready(world, "ben", "tea", "");
    for (uint32_t i = 1; i <= 50; i++) {
        (void)send_numbered(world, 0, i);
        acknowledge(world, 1, 0);
    }
    uint64_t once = given(world, 1);
    Livekit__SignalRequest request;
    Livekit__SyncState sync;
    livekit__signal_request__init(&request);
    livekit__sync_state__init(&sync);
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE;
    request.sync_state = &sync;
    for (int i = 0; i < 8; i++) /* it reads nothing of it */
        send_request(world, ben, &request);
    assert_false(ben->closed);
    for (int i = 0; i < 400; i++)
        acknowledge(world, 1, 0);
    assert_in_range(given(world, 1), once, 2 * once + SLACK + WINDOW);
    world_stop(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reliable_data_waits_for_a_receiver_that_is_behind_and_arrives_whole),
        cmocka_unit_test(senders_go_as_fast_as_the_slowest_receiver),
        cmocka_unit_test(who_holds_the_others_up_for_long_is_told_to_connect_anew),
        cmocka_unit_test(who_is_slow_but_follows_stays),
        cmocka_unit_test(a_receiver_that_goes_holds_nobody_up),
        cmocka_unit_test(what_goes_to_nobody_is_given_back),
        cmocka_unit_test(a_receiver_whose_stream_has_a_hole_is_told_to_connect_anew),
        cmocka_unit_test(data_waits_while_the_way_to_the_engine_is_full),
        cmocka_unit_test(who_names_an_unreliable_channel_reliable_fills_nobodys_queue),
        cmocka_unit_test(asking_again_for_what_was_missed_makes_no_queue_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
