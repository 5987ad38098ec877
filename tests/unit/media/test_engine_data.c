/* Data channels between real peers and the engine: windows, accounts, floods. */
#include "unit.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/time.h"
#include "world.h"

#define ROOM 5

static void data_goes_both_ways_over_their_channels_and_ours(void **state) {
    (void)state;
    struct world *w = world_make(120, NULL);
    struct peer *p = peer_make(w, ROOM, false, false);
    struct engine_command open = {.type = ENGINE_CHANNEL_OPEN, .object = p->transport};
    strcpy(open.channel_open.label, "_lossy"); /* asked for before there is anything to open it on */
    world_command(w, &open);
    peer_describe(p, true, false);
    assert_true(peer_connect(p));
    world_run(w, 500000);
    assert_int_equal(p->opened, 1);
    assert_string_equal(p->last_label, "_lossy");
    assert_string_equal(world_last(w, ENGINE_EV_CHANNEL_OPENED, p->transport)->channel.label, "_lossy");
    world_send(w, p->transport, "_lossy", false, "ping", 4);
    world_run(w, 100000);
    assert_int_equal(p->messages, 1);
    assert_memory_equal(p->last_message, "ping", 4);
    assert_true(p->last_binary);
    uint32_t channel;
    struct dcep_open theirs = {.label = span_str("_reliable"), .priority = 256};
    assert_true(data_channels_open(&p->channels, w->now_us, &theirs, &channel));
    world_run(w, 200000);
    assert_string_equal(world_last(w, ENGINE_EV_CHANNEL_OPENED, p->transport)->channel.label, "_reliable");
    static uint8_t big[60000];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 7);
    assert_int_equal(data_channels_send(&p->channels, w->now_us, channel, true, span_of(big, sizeof big)),
                     DATA_CHANNEL_OK);
    world_run(w, 2000000);
    const struct engine_event *message = world_last(w, ENGINE_EV_CHANNEL_MESSAGE, p->transport);
    assert_non_null(message);
    assert_string_equal(message->message.label, "_reliable");
    assert_false(message->message.text);
    assert_int_equal(w->message_len, sizeof big);
    assert_memory_equal(w->message, big, sizeof big);
    world_send(w, p->transport, "_reliable", true, big, sizeof big);
    world_run(w, 2000000);
    assert_int_equal(p->last_message_len, sizeof big);
    assert_memory_equal(p->last_message, big, sizeof big);
    world_send(w, p->transport, "_nothing", true, big, 10);
    assert_int_equal(world_counters(w).channel_send_dropped, 1);
    data_channels_close(&p->channels, w->now_us, channel);
    world_run(w, 1000000);
    assert_string_equal(world_last(w, ENGINE_EV_CHANNEL_CLOSED, p->transport)->channel.label, "_reliable");
    struct engine_gauges gauges;
    engine_gauges_get(w->engine, &gauges);
    assert_int_equal(gauges.data_blocks_used, 0);
    world_free(w);
}

struct transfer {
    uint32_t next, wrong;
};

static void count_transfer(struct world *w, const struct engine_event *event) {
    struct transfer *transfer = w->context;
    uint32_t number = UINT32_MAX;
    if (event->payload.len >= sizeof number)
        memcpy(&number, event->payload.data, sizeof number);
    transfer->wrong += number != transfer->next++ ? 1 : 0;
}

static struct peer *peer_with_channel(struct world *w, const char *label, bool reliable, uint32_t *channel) {
    struct peer *p = peer_make(w, ROOM, false, false);
    peer_describe(p, true, false);
    assert_true(peer_connect(p));
    struct dcep_open open = {.label = span_str(label), .priority = 256};
    open.reliability = reliable ? DCEP_RELIABLE : DCEP_MAX_RETRANSMITS;
    assert_true(data_channels_open(&p->channels, w->now_us, &open, channel));
    world_run(w, 200000);
    return p;
}

static void what_is_sent_reliably_waits_at_its_sender_until_it_is_passed_on_and_arrives_whole(void **state) {
    (void)state;
    struct world *w = world_make(121, NULL);
    uint32_t channel;
    struct peer *p = peer_with_channel(w, "_reliable", true, &channel);
    struct transfer transfer = {0};
    w->context = &transfer;
    w->on_message = count_transfer;
    w->keep_charges = true;
    static uint8_t piece[15000];
    const uint32_t pieces = 120; /* 1.8 MB through a window of 128 kB */
    uint32_t given = 0;
    for (int rounds = 0; transfer.next < pieces; rounds++) {
        assert_true(rounds < 2000);
        while (given < pieces) {
            memcpy(piece, &given, sizeof given);
            if (data_channels_send(&p->channels, w->now_us, channel, true, span_of(piece, sizeof piece)) !=
                DATA_CHANNEL_OK)
                break;
            given++;
        }
        world_run(w, 20000);
        assert_in_range(w->charged_bytes, 0, ENGINE_CHANNEL_RX_WINDOW_BYTES + engine_channel_charge(sizeof piece));
        if (rounds == 50) { /* nobody took anything for a second: the sender stands */
            assert_in_range(transfer.next, 8, 10);
            assert_in_range(given, 30, 60);
        }
        if (rounds > 50 && w->charged_bytes > 0)
            world_release(w, p->transport, engine_channel_charge(sizeof piece));
    }
    assert_int_equal(transfer.wrong, 0);
    assert_int_equal(world_counters(w).drop_event_queue, 0);
    world_free(w);
}

static void what_is_lossy_does_not_take_the_room_of_what_is_reliable(void **state) {
    (void)state;
    struct world *w = world_make(122, NULL);
    uint32_t channel;
    struct peer *p = peer_with_channel(w, "_reliable", true, &channel);
    struct dcep_open lossy = {.label = span_str("_lossy"), .reliability = DCEP_MAX_RETRANSMITS, .priority = 256};
    uint32_t other;
    assert_true(data_channels_open(&p->channels, w->now_us, &lossy, &other));
    world_run(w, 200000);
    p->mute_network = true; /* it acknowledges nothing */
    static uint8_t piece[1000];
    for (int i = 0; i < 1000; i++)
        world_send(w, p->transport, "_lossy", false, piece, i % 2 == 0 ? 1 : sizeof piece);
    for (uint32_t charged = 0; charged < ENGINE_CHANNEL_TX_WINDOW_BYTES; charged += 1024)
        world_send(w, p->transport, "_reliable", false, piece, charged % 2048 == 0 ? 1 : sizeof piece);
    assert_int_equal(world_count(w, ENGINE_EV_REFUSED, 0), 0);
    assert_int_equal(world_count(w, ENGINE_EV_CHANNEL_SENT, 0), 0);
    assert_in_range(world_counters(w).channel_send_dropped, 900, 960);
    p->mute_network = false;
    uint32_t before = p->messages;
    world_run(w, 8000000);
    assert_in_range(p->messages - before, 192, 192 + 64);
    const struct engine_event *sent = world_last(w, ENGINE_EV_CHANNEL_SENT, p->transport);
    assert_non_null(sent);
    assert_int_equal(sent->channel_sent.total_bytes, ENGINE_CHANNEL_TX_WINDOW_BYTES);
    world_free(w);
}

static void a_reliable_message_that_cannot_be_taken_is_told(void **state) {
    (void)state;
    struct world *w = world_make(123, NULL);
    uint32_t channel;
    struct peer *p = peer_with_channel(w, "_reliable", true, &channel);
    static uint8_t piece[60000];
    p->mute_network = true;
    for (int i = 0; i < 6; i++) /* far beyond the window */
        world_send(w, p->transport, "_reliable", false, piece, sizeof piece);
    assert_in_range(world_count(w, ENGINE_EV_REFUSED, p->transport), 1, 3);
    assert_int_equal(world_last(w, ENGINE_EV_REFUSED, p->transport)->refused.command, ENGINE_CHANNEL_SEND);
    p->mute_network = false;
    world_run(w, 8000000);
    data_channels_close(&p->channels, w->now_us, channel);
    world_run(w, 1000000);
    uint32_t before = world_count(w, ENGINE_EV_REFUSED, p->transport);
    world_send(w, p->transport, "_reliable", false, piece, 10);
    assert_int_equal(world_count(w, ENGINE_EV_REFUSED, p->transport), before + 1);
    world_free(w);
}

static void what_a_closed_channel_refused_closes_no_window(void **state) {
    (void)state;
    struct world *w = world_make(125, NULL);
    uint32_t channel;
    struct peer *p = peer_with_channel(w, "_reliable", true, &channel);
    data_channels_close(&p->channels, w->now_us, channel);
    world_run(w, 1000000);
    static uint8_t piece[60000];
    for (int i = 0; i < 3; i++) /* almost the window */
        world_send(w, p->transport, "_reliable", false, piece, sizeof piece);
    assert_true(world_count(w, ENGINE_EV_REFUSED, p->transport) > 0);
    struct dcep_open open = {.label = span_str("_reliable"), .priority = 256, .reliability = DCEP_RELIABLE};
    assert_true(data_channels_open(&p->channels, w->now_us, &open, &channel));
    world_run(w, 1000000);
    world_send(w, p->transport, "_reliable", false, piece, sizeof piece);
    world_run(w, 2000000);
    const struct engine_event *sent = world_last(w, ENGINE_EV_CHANNEL_SENT, p->transport);
    assert_non_null(sent);
    assert_int_equal(sent->channel_sent.total_bytes, 4 * engine_channel_charge(sizeof piece));
    world_free(w);
}

static void a_flood_of_tiny_messages_is_held_back_at_its_sender(void **state) {
    (void)state;
    struct world *w = world_make(124, NULL);
    uint32_t channel;
    struct peer *p = peer_with_channel(w, "_lossy", false, &channel);
    uint64_t start_us = w->now_us;
    uint32_t given = 0;
    while (w->now_us < start_us + 2000000) {
        while (given < 100000 &&
               data_channels_send(&p->channels, w->now_us, channel, true, span_str("x")) == DATA_CHANNEL_OK)
            given++;
        world_run(w, 5000);
    }
    assert_in_range(w->messages, 3000, 5000); /* 2000 a second and what may come at once */
    assert_true(world_counters(w).channel_held > 0);
    world_free(w);
}

static void who_opens_and_closes_channels_without_end_is_held_back(void **state) {
    (void)state;
    struct world *w = world_make(126, NULL);
    uint32_t channel;
    struct peer *p = peer_with_channel(w, "_reliable", true, &channel);
    struct dcep_open open = {.label = span_str("again"), .priority = 256};
    uint64_t start_us = w->now_us;
    uint32_t before = world_count(w, ENGINE_EV_CHANNEL_OPENED, p->transport);
    while (w->now_us < start_us + 2000000) {
        uint32_t opened[DATA_CHANNELS_MAX], count = 0;
        while (count < DATA_CHANNELS_MAX - 1 && data_channels_open(&p->channels, w->now_us, &open, &opened[count]))
            count++;
        world_run(w, 1000);
        for (uint32_t i = 0; i < count; i++)
            data_channels_close(&p->channels, w->now_us, opened[i]);
        world_run(w, 1000);
    }
    assert_in_range(world_count(w, ENGINE_EV_CHANNEL_OPENED, p->transport) - before, 100, 240);
    /* and what only looks like one costs the same */
    struct engine_module_counters counters;
    engine_module_counters_get(w->engine, &counters);
    uint32_t unexpected = (uint32_t)counters.dcep.rx_unexpected;
    uint8_t message[64];
    struct writer wr = writer_of(message, sizeof message);
    dcep_write_open(&wr, &open);
    struct sctp_send_options options = {.stream = data_channels_get(&p->channels, channel)->stream,
                                        .ppid = DCEP_PPID_CONTROL};
    start_us = w->now_us;
    while (w->now_us < start_us + 2000000) {
        while (sctp_send(p->sctp, w->now_us, &options, writer_span(&wr)) == SCTP_SEND_OK) {
        }
        world_run(w, 1000);
    }
    engine_module_counters_get(w->engine, &counters);
    assert_in_range((uint32_t)counters.dcep.rx_unexpected - unexpected, 50, 600); /* a buffer comes at once */
    assert_int_equal(world_state(w, p), ENGINE_TRANSPORT_CONNECTED);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_goes_both_ways_over_their_channels_and_ours),
        cmocka_unit_test(what_is_sent_reliably_waits_at_its_sender_until_it_is_passed_on_and_arrives_whole),
        cmocka_unit_test(what_is_lossy_does_not_take_the_room_of_what_is_reliable),
        cmocka_unit_test(a_reliable_message_that_cannot_be_taken_is_told),
        cmocka_unit_test(what_a_closed_channel_refused_closes_no_window),
        cmocka_unit_test(a_flood_of_tiny_messages_is_held_back_at_its_sender),
        cmocka_unit_test(who_opens_and_closes_channels_without_end_is_held_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
