/* Reliable data in a room of twenty, of whom one does not follow: real associations over a network that is only
 * pretended. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/conference.h"

#define RECEIVERS 20
#define PIECE_LEN 15000 /* as clients cut files */

static struct conference conference;

static void begin(uint32_t senders) {
    struct sim_options options = {.seed = 3, .scenario = "receivers"};
    conference_init(&conference, &options, 1);
    for (uint32_t i = 0; i < senders + RECEIVERS; i++) {
        struct client_options client = {.streams_max = 8};
        client.up.delay_us = client.down.delay_us = 10 * US_PER_MS;
        (void)conference_join(&conference, &client);
        conference_run(&conference, 50 * US_PER_MS);
    }
    conference_run(&conference, 2 * US_PER_S);
    for (uint32_t i = 0; i < conference.client_count; i++) {
        participant_want_data(conference.clients[i].participant, conference.now_us);
        conference.clients[i].deadline_us = 0;
    }
    conference_run(&conference, 4 * US_PER_S);
}

/* As much as its channel takes now, up to `pieces` in all. */
static void send_on(struct client *client, uint32_t pieces) {
    static uint8_t payload[PIECE_LEN];
    while (client->data_sent_reliable < pieces) {
        struct writer w = writer_of(payload, sizeof payload);
        wr_u32(&w, client->index);
        wr_u32(&w, client->data_sent_reliable + 1);
        wr_u32(&w, UINT32_MAX);
        if (!participant_send_data(client->participant, conference.now_us, true, span_of(payload, sizeof payload), NULL,
                                   0))
            break;
        client->data_sent_reliable++;
    }
    client->deadline_us = 0;
}

static bool all_have(uint32_t sender, uint32_t pieces, const struct client *but) {
    for (uint32_t i = 0; i < conference.client_count; i++) {
        const struct client *client = &conference.clients[i];
        if (client != but && i != sender && client->data_got[sender] < pieces)
            return false;
    }
    return true;
}

/* Until everybody but one has all; how long that took. */
static uint64_t share(uint32_t sender, uint32_t pieces, const struct client *but, uint64_t patience_us) {
    uint64_t start_us = conference.now_us;
    while (!all_have(sender, pieces, but) && conference.now_us < start_us + patience_us) {
        send_on(&conference.clients[sender], pieces);
        conference_run(&conference, 5 * US_PER_MS);
    }
    assert_true(all_have(sender, pieces, but));
    return conference.now_us - start_us;
}

static uint64_t slow_ended(void) {
    struct control_counters counters;
    control_counters_get(conference.server.control, &counters);
    return counters.data_slow_ended;
}

static uint32_t pieces_of_file(void) {
    const char *text = getenv("RECEIVERS_FILE_MB");
    return (uint32_t)((text != NULL ? strtoul(text, NULL, 10) : 3) * 1000000 / PIECE_LEN);
}

/* Nothing that it sends arrives, acknowledgements included, though signalling goes on. */
static void silence(struct client *client) {
    struct path_config path = {.delay_us = 10 * US_PER_MS, .mtu_bytes = 1};
    network_set(conference.network, client->node, &path, network_path(conference.network, client->node, false));
}

static void a_file_arrives_whole_at_nineteen_though_one_acknowledges_nothing(void **state) {
    (void)state;
    uint32_t pieces = pieces_of_file();
    begin(1);
    uint64_t alone_us = share(0, pieces, NULL, 300 * US_PER_S);
    struct client *deaf = &conference.clients[7];
    silence(deaf);
    uint64_t took_us = share(0, 2 * pieces, deaf, 300 * US_PER_S);
    printf("%u pieces of 15 kB to 20: %.1f s; with one deaf: %.1f s\n", pieces, (double)alone_us / 1e6,
           (double)took_us / 1e6);
    assert_int_equal(slow_ended(), 1);
    assert_in_range(took_us, 0, alone_us + 5 * US_PER_S); /* of the virtual clock */
    /* and however often it comes again, the others do not wait as long again */
    network_set(conference.network, deaf->node, network_path(conference.network, deaf->node, false),
                network_path(conference.network, deaf->node, false));
    conference_run(&conference, 20 * US_PER_S);
    assert_int_equal(participant_state(deaf->participant), PARTICIPANT_CONNECTED);
    silence(deaf);
    took_us = share(0, 3 * pieces, deaf, 300 * US_PER_S);
    assert_in_range(took_us, 0, alone_us + 1500 * US_PER_MS);
    conference_free(&conference);
}

static void who_is_slow_but_follows_gets_the_file_whole_as_well(void **state) {
    (void)state;
    uint32_t pieces = 1000000 / PIECE_LEN;
    begin(1);
    struct client *slow = &conference.clients[9]; /* 2 Mbit/s: 250 kB a second */
    struct path_config path = {.delay_us = 50 * US_PER_MS, .rate_bps = 2000000, .queue_us = 200 * US_PER_MS};
    network_set(conference.network, slow->node, &path, &path);
    (void)share(0, pieces, NULL, 60 * US_PER_S);
    assert_int_equal(slow_ended(), 0);
    assert_int_equal(slow->joined_count, 1);
    conference_free(&conference);
}

static void two_who_send_at_a_time_get_as_much_through(void **state) {
    (void)state;
    begin(2);
    struct path_config path = {.delay_us = 20 * US_PER_MS, .rate_bps = 4000000, .queue_us = 200 * US_PER_MS};
    for (uint32_t i = 2; i < conference.client_count; i++)
        network_set(conference.network, conference.clients[i].node, &path, &path);
    for (int i = 0; i < 2000; i++) { /* 10 s; one of them began a second before */
        send_on(&conference.clients[0], UINT32_MAX);
        if (i >= 200)
            send_on(&conference.clients[1], UINT32_MAX);
        if (i == 200)
            memset(conference.clients[2].data_got, 0, sizeof conference.clients[2].data_got);
        conference_run(&conference, 5 * US_PER_MS);
    }
    uint32_t first = conference.clients[2].data_got[0], second = conference.clients[2].data_got[1];
    assert_in_range(first + second, 150, 400); /* 4.5 MB are 300 pieces */
    assert_in_range(second, first / 2, 2 * first);
    conference_free(&conference);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_arrives_whole_at_nineteen_though_one_acknowledges_nothing),
        cmocka_unit_test(who_is_slow_but_follows_gets_the_file_whole_as_well),
        cmocka_unit_test(two_who_send_at_a_time_get_as_much_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
