/* SCTP against itself over a virtual network. Messages carry their stream's count and a pattern made from it, so that a
 * receiver can tell what is missing, doubled, out of order or damaged. */
#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "sctp_pair.h"
#include "unit.h"

#define STREAMS 8
#define MESSAGES_MAX 2048

struct tally {
    bool ordered[2][STREAMS]; /* whether this side sends this stream in order */
    uint32_t sent[2][STREAMS];
    uint32_t got[2][STREAMS];
    uint8_t seen[2][STREAMS][MESSAGES_MAX];
    uint32_t next[2][STREAMS];
    uint32_t wrong_order;
    uint32_t doubled;
    uint32_t damaged;
};

static void fill(uint8_t *bytes, size_t len, uint32_t stream, uint32_t count) {
    uint32_t state = stream * 7919 + count * 104729 + 1;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
    memcpy(bytes, &count, sizeof count);
}

static void check_message(struct pair *pair, int side, const struct sctp_message *m, const uint8_t *bytes) {
    struct tally *t = pair->context;
    uint32_t count = 0;
    uint8_t *expected = malloc(m->len_bytes);
    assert_true(m->stream < STREAMS && m->len_bytes >= 4);
    memcpy(&count, bytes, sizeof count);
    fill(expected, m->len_bytes, m->stream, count);
    if (memcmp(expected, bytes, m->len_bytes) != 0 || count >= MESSAGES_MAX || m->ppid != m->stream + 100u)
        t->damaged++;
    free(expected);
    if (count >= MESSAGES_MAX)
        return;
    t->doubled += t->seen[side][m->stream][count];
    t->seen[side][m->stream][count] = 1;
    t->got[side][m->stream]++;
    if (!m->unordered) {
        if (count < t->next[side][m->stream])
            t->wrong_order++;
        t->next[side][m->stream] = count + 1;
    }
}

static enum sctp_send_result send_message(struct pair *pair, int side, struct sctp_send_options options, size_t len) {
    struct tally *t = pair->context;
    uint8_t *bytes = malloc(len);
    fill(bytes, len, options.stream, t->sent[side][options.stream]);
    options.ppid = options.stream + 100u;
    enum sctp_send_result result = sctp_send(pair->side[side].s, pair->now_us, &options, span_of(bytes, len));
    if (result == SCTP_SEND_OK)
        t->sent[side][options.stream]++;
    free(bytes);
    pair_pump(pair);
    return result;
}

static struct tally *watch(struct pair *pair) {
    struct tally *t = calloc(1, sizeof *t);
    pair->context = t;
    pair->on_message = check_message;
    return t;
}

static void assert_all_arrived(const struct tally *t) {
    for (int side = 0; side < 2; side++) {
        for (int stream = 0; stream < STREAMS; stream++)
            assert_int_equal(t->got[1 - side][stream], t->sent[side][stream]);
    }
    assert_int_equal(t->doubled, 0);
    assert_int_equal(t->damaged, 0);
    assert_int_equal(t->wrong_order, 0);
}

static void an_association_comes_up_in_two_round_trips(void **state) {
    (void)state;
    struct pair *pair = pair_new(1, NULL);
    uint64_t start_us = pair->now_us;
    sctp_connect(pair->side[0].s, pair->now_us);
    assert_true(pair_run_until(pair, pair_both_connected, US_PER_S));
    assert_int_equal(pair->now_us - start_us, 40 * US_PER_MS);
    assert_true(sctp_is_connected(pair->side[0].s) && sctp_is_connected(pair->side[1].s));
    assert_true(pair_idle(pair));
    assert_true(sctp_size(&pair->side[0].config) < 6 * 1024);
    pair_free(pair);
}

static void both_sides_may_connect_at_once(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct pair *pair = pair_new(seed, NULL);
        struct tally *t = watch(pair);
        pair->link = (struct pair_link){.loss = 0.2, .reorder = 0.3, .duplicate = 0.1, .delay_us = 10 * US_PER_MS};
        sctp_connect(pair->side[0].s, pair->now_us);
        pair_pump(pair);
        pair_run(pair, rng_below(&pair->rng, 25 * US_PER_MS));
        sctp_connect(pair->side[1].s, pair->now_us);
        (void)send_message(pair, 0, (struct sctp_send_options){.stream = 1}, 100);
        (void)send_message(pair, 1, (struct sctp_send_options){.stream = 2}, 100);
        pair_run(pair, 60 * US_PER_S);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(pair->side[i].connected, 1);
            assert_int_equal(pair->side[i].restarted, 0);
        }
        assert_all_arrived(t);
        pair_free(pair);
        free(t);
    }
}

/* Messages of all sizes, both ways at once, on ordered and unordered streams. */
static void reliable_run(uint64_t seed, struct pair_link link, uint32_t messages) {
    struct pair *pair = pair_new(seed, NULL);
    struct tally *t = watch(pair);
    pair->link = link;
    sctp_connect(pair->side[0].s, pair->now_us);
    uint32_t left[2] = {messages, messages};
    uint64_t end_us = pair->now_us + 3600 * US_PER_S;
    while ((left[0] > 0 || left[1] > 0 || !pair_idle(pair)) && pair->now_us < end_us) {
        for (int side = 0; side < 2; side++) {
            size_t len = 4 + rng_below(&pair->rng, rng_below(&pair->rng, 8) == 0 ? 20000 : 1500);
            uint16_t stream = (uint16_t)rng_below(&pair->rng, STREAMS);
            struct sctp_send_options options = {.stream = stream, .unordered = stream >= STREAMS / 2};
            if (left[side] > 0 && send_message(pair, side, options, len) == SCTP_SEND_OK)
                left[side]--;
            assert_int_equal(pair->side[side].closed, 0);
        }
        pair_run(pair, 1 + rng_below(&pair->rng, 20 * US_PER_MS));
    }
    if (!pair_idle(pair))
        print_error("seed %llu did not finish\n", (unsigned long long)seed);
    assert_true(pair_idle(pair));
    assert_all_arrived(t);
    assert_int_equal(pair->side[0].buffers.used, 0);
    assert_int_equal(pair->side[1].buffers.used, 0);
    pair_free(pair);
    free(t);
}

static void every_reliable_message_arrives_once_and_in_order_over_any_network(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct rng rng = rng_seeded(seed * 31);
        struct pair_link link = {.loss = 0.3 * rng_unit(&rng) * (double)(seed % 4 != 0),
                                 .duplicate = 0.1 * rng_unit(&rng),
                                 .corrupt = 0.05 * rng_unit(&rng),
                                 .reorder = 0.5 * rng_unit(&rng),
                                 .delay_us = 1 + rng_below(&rng, 100 * US_PER_MS)};
        reliable_run(seed, link, 60);
    }
}

static void fill_with_ones(struct rng *rng, void *out, size_t len) {
    (void)rng;
    memset(out, 0xff, len);
}

static void tsns_wrap(void **state) {
    (void)state;
    struct rng ones = {.fill = fill_with_ones}; /* initial TSN 2^32 - 1 on both sides */
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct pair *pair = pair_new(seed, NULL);
        struct tally *t = watch(pair);
        for (int i = 0; i < 2; i++) {
            sctp_release(pair->side[i].s);
            pair->side[i].s = sctp_init(pair->side[i].memory, &pair->side[i].config, &ones, pair->now_us);
        }
        pair_connect(pair);
        pair->link = (struct pair_link){.loss = 0.2, .reorder = 0.3, .duplicate = 0.1, .delay_us = 10 * US_PER_MS};
        for (int i = 0; i < 20; i++) {
            (void)send_message(pair, 0, (struct sctp_send_options){.stream = 1}, 3000);
            (void)send_message(pair, 1, (struct sctp_send_options){.stream = 2, .limit_retransmits = true}, 3000);
        }
        pair_run(pair, 60 * US_PER_S);
        assert_int_equal(t->got[1][1], 20);
        assert_true(pair_idle(pair));
        pair_free(pair);
        free(t);
    }
}

static void stream_sequence_numbers_wrap(void **state) {
    (void)state;
    struct pair *pair = pair_new(7, NULL);
    pair_connect(pair);
    struct sctp_send_options options = {.stream = 3, .ppid = 51};
    uint8_t byte = 1;
    uint32_t sent = 0;
    while (sent < 70000) {
        for (int i = 0; i < 50; i++)
            sent += sctp_send(pair->side[0].s, pair->now_us, &options, span_of(&byte, 1)) == SCTP_SEND_OK;
        pair_run(pair, 25 * US_PER_MS);
    }
    pair_run(pair, US_PER_S);
    assert_int_equal(pair->side[1].messages, sent);
    pair_free(pair);
}

static void the_longest_message_passes_and_a_longer_one_is_refused(void **state) {
    (void)state;
    struct sctp_config config = {.message_bytes_max = SCTP_MESSAGE_BYTES_MAX};
    struct pair *pair = pair_new(3, &config);
    struct tally *t = watch(pair);
    pair_connect(pair);
    pair->link.loss = 0.02;
    struct sctp_send_options options = {.stream = 1};
    assert_int_equal(send_message(pair, 0, options, SCTP_MESSAGE_BYTES_MAX + 1), SCTP_SEND_TOO_LONG);
    assert_int_equal(send_message(pair, 0, options, SCTP_MESSAGE_BYTES_MAX), SCTP_SEND_OK);
    assert_int_equal(send_message(pair, 0, options, 5000), SCTP_SEND_FULL);
    pair_run(pair, 60 * US_PER_S);
    assert_int_equal(pair->side[0].lows, 1);
    assert_all_arrived(t);
    assert_true(pair_idle(pair));
    pair_free(pair);
    free(t);
}

static void a_message_longer_than_agreed_ends_the_association(void **state) {
    (void)state;
    struct pair *pair = pair_new(4, NULL);
    struct sctp_config small = pair->side[1].config;
    small.message_bytes_max = 10000;
    small.recv_buffer_bytes = 20000;
    sctp_release(pair->side[1].s);
    pair->side[1].s = sctp_init(pair->side[1].memory, &small, &pair->rng, pair->now_us);
    struct tally *t = watch(pair);
    pair_connect(pair);
    assert_int_equal(send_message(pair, 0, (struct sctp_send_options){.stream = 1}, 15000), SCTP_SEND_OK);
    pair_run(pair, 5 * US_PER_S);
    assert_int_equal(pair->side[1].closed, 1);
    assert_int_equal(pair->side[1].reason, SCTP_CLOSED_VIOLATION);
    assert_int_equal(pair->side[0].reason, SCTP_CLOSED_BY_PEER);
    assert_int_equal(pair->side[1].buffers.used, 0);
    pair_free(pair);
    free(t);
}

static void lossy_messages_are_sent_once_and_block_nobody(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct pair *pair = pair_new(seed, NULL);
        struct tally *t = watch(pair);
        pair_connect(pair);
        pair->link = (struct pair_link){.loss = 0.3, .reorder = 0.1, .duplicate = 0.05, .delay_us = 20 * US_PER_MS};
        for (uint32_t i = 0; i < 200; i++) {
            struct sctp_send_options lossy = {.stream = 2, .unordered = true, .limit_retransmits = true};
            struct sctp_send_options in_order = {.stream = 4, .limit_retransmits = true};
            (void)send_message(pair, 0, lossy, 4 + rng_below(&pair->rng, 4000));
            (void)send_message(pair, 0, in_order, 4 + rng_below(&pair->rng, 2500));
            if (i % 10 == 0)
                (void)send_message(pair, 0, (struct sctp_send_options){.stream = 6}, 500);
            pair_run(pair, 20 * US_PER_MS);
        }
        pair_run(pair, 120 * US_PER_S);
        assert_true(pair_idle(pair));
        assert_int_equal(t->doubled + t->damaged + t->wrong_order, 0);
        assert_int_equal(t->got[1][6], t->sent[0][6]);
        /* of about three packets a message none is lost in 0.7^2..0.7^4 */
        assert_true(t->got[1][2] > t->sent[0][2] / 8 && t->got[1][2] < t->sent[0][2]);
        assert_true(t->got[1][4] > t->sent[0][4] / 8 && t->got[1][4] < t->sent[0][4]);
        pair_free(pair);
        free(t);
    }
}

static bool is_first_data(const uint8_t *bytes) {
    return bytes[12] == 0;
}

static uint32_t drops_left;
static bool drop_some_data(struct pair *pair, int side, uint8_t *bytes, size_t len) {
    (void)pair;
    (void)len;
    if (side == 0 && is_first_data(bytes) && drops_left > 0) {
        drops_left--;
        return false;
    }
    return true;
}

static void a_message_is_repeated_as_often_as_allowed(void **state) {
    (void)state;
    for (uint32_t drops = 0; drops < 6; drops++) {
        struct pair *pair = pair_new(5, NULL);
        struct tally *t = watch(pair);
        pair_connect(pair);
        pair->on_packet = drop_some_data;
        drops_left = drops;
        struct sctp_send_options options = {.stream = 1, .limit_retransmits = true, .retransmits_max = 3};
        assert_int_equal(send_message(pair, 0, options, 100), SCTP_SEND_OK);
        pair_run(pair, 60 * US_PER_S);
        assert_int_equal(t->got[1][1], drops <= 3 ? 1 : 0);
        assert_true(pair_idle(pair));
        pair->on_packet = NULL;
        assert_int_equal(send_message(pair, 0, (struct sctp_send_options){.stream = 1}, 100), SCTP_SEND_OK);
        pair_run(pair, US_PER_S);
        assert_int_equal(t->got[1][1], drops <= 3 ? 2 : 1);
        pair_free(pair);
        free(t);
    }
}

static void a_message_outlives_its_lifetime_neither_unsent_nor_lost(void **state) {
    (void)state;
    struct pair *pair = pair_new(6, NULL);
    struct tally *t = watch(pair);
    pair_connect(pair);
    pair->cut = true;
    struct sctp_send_options options = {.stream = 1, .lifetime_ms = 300};
    for (int i = 0; i < 100; i++)
        assert_int_equal(send_message(pair, 0, options, 1500), SCTP_SEND_OK);
    pair_run(pair, 3 * US_PER_S);
    pair->cut = false;
    pair_run(pair, 30 * US_PER_S);
    assert_int_equal(t->got[1][1], 0);
    assert_true(pair_idle(pair));
    assert_true(pair->side[0].counters.tx_abandoned == 100);
    assert_int_equal(send_message(pair, 0, options, 1500), SCTP_SEND_OK);
    pair_run(pair, US_PER_S);
    assert_int_equal(t->got[1][1], 1);
    pair_free(pair);
    free(t);
}

static double throughput_mbps(double loss, uint64_t rate_bps) {
    struct pair *pair = pair_new(11, NULL);
    struct tally *t = watch(pair);
    pair_connect(pair);
    pair->link = (struct pair_link){.loss = loss, .delay_us = 25 * US_PER_MS, .rate_bps = rate_bps};
    pair->link.queue_us = 50 * US_PER_MS;
    uint64_t end_us = pair->now_us + 20 * US_PER_S;
    while (pair->now_us < end_us) {
        while (send_message(pair, 0, (struct sctp_send_options){.stream = 1}, 16000) == SCTP_SEND_OK)
            ;
        t->sent[0][1] %= 1000;
        memset(t->seen, 0, sizeof t->seen);
        t->next[1][1] = 0;
        pair_run(pair, 5 * US_PER_MS);
    }
    double mbps = (double)pair->side[1].bytes * 8 / 20e6;
    print_message("    loss %.1f %%: %.2f Mbit/s of %.0f, rtt %.1f ms\n", loss * 100, mbps, (double)rate_bps / 1e6,
                  (double)sctp_stats(pair->side[0].s).rtt_us / 1e3);
    assert_int_equal(t->damaged, 0);
    pair_free(pair);
    free(t);
    return mbps;
}

static void a_transfer_fills_a_clean_line_and_shares_a_lossy_one_as_tcp_does(void **state) {
    (void)state;
    /* 1.22 / sqrt(loss) packets a round trip (Mathis): 2.2 Mbit/s at 1 % and 50 ms */
    assert_true(throughput_mbps(0, 20000000) > 16);
    assert_true(throughput_mbps(0.001, 20000000) > 5);
    assert_true(throughput_mbps(0.01, 20000000) > 1.5);
}

static void a_stream_is_reset_and_used_again(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct pair *pair = pair_new(seed, NULL);
        struct tally *t = watch(pair);
        pair_connect(pair);
        pair->link = (struct pair_link){.loss = 0.2, .reorder = 0.2, .duplicate = 0.1, .delay_us = 15 * US_PER_MS};
        for (uint32_t round = 1; round <= 3; round++) {
            for (int i = 0; i < 10; i++)
                assert_int_equal(send_message(pair, 0, (struct sctp_send_options){.stream = 3}, 2000), SCTP_SEND_OK);
            (void)send_message(pair, 0, (struct sctp_send_options){.stream = 5}, 2000);
            sctp_reset_stream(pair->side[0].s, pair->now_us, 3);
            if (round == 2)
                sctp_reset_stream(pair->side[1].s, pair->now_us, 3);
            assert_int_equal(send_message(pair, 0, (struct sctp_send_options){.stream = 3}, 10), SCTP_SEND_BAD_STREAM);
            pair_run(pair, 60 * US_PER_S);
            assert_int_equal(pair->side[0].resets_done[3], round);
            assert_int_equal(pair->side[1].resets_in[3], round);
            assert_int_equal(pair->side[0].resets_in[3], round >= 2 ? 1 : 0);
            assert_int_equal(t->got[1][3], 10 * round);
        }
        assert_all_arrived(t);
        assert_true(pair_idle(pair));
        pair_free(pair);
        free(t);
    }
}

/* Counts the answers to stream resets: all, and those that something has to arrive first. */
static bool count_answers(struct pair *pair, int side, uint8_t *bytes, size_t len) {
    uint32_t *answers = pair->context;
    for (size_t at = 12; at + 16 <= len && side == 1;) {
        size_t chunk = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (bytes[at] == 130 && bytes[at + 5] == 16) { /* RE-CONFIG whose first parameter is a response */
            answers[0]++;
            answers[1] += bytes[at + 15] == 6 ? 1 : 0;
        }
        at += (chunk + 3) & ~(size_t)3;
    }
    return true;
}

static void a_stream_reset_is_asked_for_when_its_data_arrived_whatever_other_streams_do(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct pair *pair = pair_new(seed, NULL);
        uint32_t answers[2] = {0};
        pair_connect(pair);
        pair->context = answers;
        pair->on_packet = count_answers;
        pair->link = (struct pair_link){.loss = 0.1, .delay_us = 50 * US_PER_MS};
        const struct sctp_send_options closing = {.stream = 3, .ppid = 51}, busy = {.stream = 5, .ppid = 51};
        uint8_t bytes[5000] = {1};
        (void)sctp_send(pair->side[0].s, pair->now_us, &closing, span_of(bytes, sizeof bytes));
        sctp_reset_stream(pair->side[0].s, pair->now_us, 3);
        for (int i = 0; i < 300 && pair->side[0].resets_done[3] == 0; i++) {
            (void)sctp_send(pair->side[0].s, pair->now_us, &busy, span_of(bytes, sizeof bytes));
            assert_true(sctp_buffered_bytes(pair->side[0].s, 5) > 0);
            pair_run(pair, 20 * US_PER_MS);
        }
        assert_int_equal(pair->side[0].resets_done[3], 1);
        assert_true(answers[0] > 0);
        assert_int_equal(answers[1], 0);
        pair_free(pair);
    }
}

static void a_graceful_close_delivers_what_was_queued(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct pair *pair = pair_new(seed, NULL);
        struct tally *t = watch(pair);
        pair_connect(pair);
        pair->link = (struct pair_link){.loss = 0.1, .reorder = 0.2, .delay_us = 10 * US_PER_MS};
        for (int i = 0; i < 10; i++)
            assert_int_equal(send_message(pair, 0, (struct sctp_send_options){.stream = 3}, 3000), SCTP_SEND_OK);
        sctp_close(pair->side[0].s, pair->now_us, true);
        assert_int_equal(send_message(pair, 0, (struct sctp_send_options){.stream = 3}, 10), SCTP_SEND_CLOSED);
        if (seed % 2 == 0)
            sctp_close(pair->side[1].s, pair->now_us, true);
        pair_run(pair, 120 * US_PER_S);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(pair->side[i].closed, 1);
            assert_int_equal(pair->side[i].buffers.used, 0);
        }
        assert_int_equal(pair->side[0].reason, SCTP_CLOSED_BY_US);
        assert_all_arrived(t);
        pair_free(pair);
        free(t);
    }
}

static void an_abort_ends_both_sides_at_once(void **state) {
    (void)state;
    struct pair *pair = pair_new(9, NULL);
    struct tally *t = watch(pair);
    pair_connect(pair);
    pair->cut = true;
    (void)send_message(pair, 0, (struct sctp_send_options){.stream = 3}, 30000);
    pair->cut = false;
    sctp_close(pair->side[0].s, pair->now_us, false);
    pair_run(pair, 100 * US_PER_MS);
    assert_int_equal(pair->side[0].closed, 1);
    assert_int_equal(pair->side[1].closed, 1);
    assert_int_equal(pair->side[0].reason, SCTP_CLOSED_BY_US);
    assert_int_equal(pair->side[1].reason, SCTP_CLOSED_BY_PEER);
    assert_int_equal(pair->side[0].buffers.used, 0);
    assert_true(sctp_next_deadline(pair->side[0].s) == TIME_NEVER);
    pair_free(pair);
    free(t);
}

static void silence_is_noticed_with_and_without_data(void **state) {
    (void)state;
    for (int with_data = 0; with_data < 2; with_data++) {
        struct pair *pair = pair_new(10, NULL);
        struct tally *t = watch(pair);
        pair_connect(pair);
        pair_run(pair, 300 * US_PER_S);
        assert_int_equal(pair->side[0].closed, 0);
        assert_true(pair->packets_sent[0] < 60);
        pair->cut = true;
        if (with_data)
            (void)send_message(pair, 0, (struct sctp_send_options){.stream = 3}, 100);
        pair_run(pair, 180 * US_PER_S);
        assert_int_equal(pair->side[0].closed, 1);
        assert_int_equal(pair->side[0].reason, SCTP_CLOSED_TIMEOUT);
        pair_free(pair);
        free(t);
    }
    struct pair *pair = pair_new(10, NULL);
    pair->cut = true;
    sctp_connect(pair->side[0].s, pair->now_us);
    pair_run(pair, 120 * US_PER_S);
    assert_int_equal(pair->side[0].closed, 1);
    pair_free(pair);
}

static void a_cut_of_twenty_seconds_is_survived(void **state) {
    (void)state;
    struct pair *pair = pair_new(12, NULL);
    struct tally *t = watch(pair);
    pair_connect(pair);
    for (int i = 0; i < 5; i++)
        (void)send_message(pair, 0, (struct sctp_send_options){.stream = 3}, 30000);
    pair->cut = true;
    pair_run(pair, 20 * US_PER_S);
    pair->cut = false;
    pair_run(pair, 15 * US_PER_S);
    assert_all_arrived(t);
    pair_free(pair);
    free(t);
}

static void a_restarted_peer_gets_a_new_association(void **state) {
    (void)state;
    struct pair *pair = pair_new(13, NULL);
    struct tally *t = watch(pair);
    pair_connect(pair);
    (void)send_message(pair, 0, (struct sctp_send_options){.stream = 3}, 3000);
    pair_run(pair, US_PER_S);
    pair->cut = true;
    (void)send_message(pair, 1, (struct sctp_send_options){.stream = 3}, 30000);
    pair->cut = false;
    sctp_release(pair->side[0].s);
    pair->side[0].s = sctp_init(pair->side[0].memory, &pair->side[0].config, &pair->rng, pair->now_us);
    sctp_connect(pair->side[0].s, pair->now_us);
    pair_run(pair, 5 * US_PER_S);
    assert_int_equal(pair->side[0].connected, 2);
    assert_int_equal(pair->side[1].restarted, 1);
    assert_int_equal(pair->side[1].buffers.used, 0);
    memset(t, 0, sizeof *t);
    (void)send_message(pair, 0, (struct sctp_send_options){.stream = 3}, 3000);
    (void)send_message(pair, 1, (struct sctp_send_options){.stream = 3}, 3000);
    pair_run(pair, US_PER_S);
    assert_all_arrived(t);
    pair_free(pair);
    free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_association_comes_up_in_two_round_trips),
        cmocka_unit_test(both_sides_may_connect_at_once),
        cmocka_unit_test(every_reliable_message_arrives_once_and_in_order_over_any_network),
        cmocka_unit_test(tsns_wrap),
        cmocka_unit_test(stream_sequence_numbers_wrap),
        cmocka_unit_test(the_longest_message_passes_and_a_longer_one_is_refused),
        cmocka_unit_test(a_message_longer_than_agreed_ends_the_association),
        cmocka_unit_test(lossy_messages_are_sent_once_and_block_nobody),
        cmocka_unit_test(a_message_is_repeated_as_often_as_allowed),
        cmocka_unit_test(a_message_outlives_its_lifetime_neither_unsent_nor_lost),
        cmocka_unit_test(a_transfer_fills_a_clean_line_and_shares_a_lossy_one_as_tcp_does),
        cmocka_unit_test(a_stream_is_reset_and_used_again),
        cmocka_unit_test(a_stream_reset_is_asked_for_when_its_data_arrived_whatever_other_streams_do),
        cmocka_unit_test(a_graceful_close_delivers_what_was_queued),
        cmocka_unit_test(an_abort_ends_both_sides_at_once),
        cmocka_unit_test(silence_is_noticed_with_and_without_data),
        cmocka_unit_test(a_cut_of_twenty_seconds_is_survived),
        cmocka_unit_test(a_restarted_peer_gets_a_new_association),
    };
    return cmocka_run_group_tests_name("sctp", tests, NULL, NULL);
}
