/* Our SCTP against usrsctp, which is what Firefox runs and what Chromium ran for years: both as client, as server and
 * both at once, over a lossy virtual network, with messages both ways, partial reliability, stream resets and a
 * graceful end. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/time.h"
#include "oracle.h"
#include "protocol/sctp.h"
#include "unit.h"

#define BLOCKS 1024
#define FLYING_MAX 1024
#define STREAMS 8
#define MESSAGES_MAX 512

/* How long something may take before it counts as stuck. Generous, because usrsctp is slow after a lossy start: it
 * times the first INIT until the INIT ACK, and the first COOKIE ECHO until the COOKIE ACK, even when they were sent
 * again. Losing one of each makes that two "round trips" of 3 s and 9 s and a retransmission timeout of 14 s on a path
 * of 20 ms, which doubles up to 60 s with every further loss. */
#define PATIENCE_MS (20 * 60 * 1000)
/* The same for what depends on our timers alone: they do not exceed 10 s. */
#define OUR_PATIENCE_MS (30 * 1000)
/* And for a network that loses nothing, where no timer but that of the delayed SACK plays a part. */
#define CLEAN_PATIENCE_MS (3 * 1000)

struct flying {
    uint64_t at_us;
    bool to_us;
    uint16_t len;
    uint8_t bytes[1500];
};

struct world {
    uint64_t seed;
    uint64_t now_us;
    struct rng rng;
    double loss;
    double reorder;
    struct sctp *s;
    struct sctp_buffers buffers;
    struct sctp_counters counters;
    void *memory;
    void *blocks;
    uint32_t flying_count;
    struct flying *flying[FLYING_MAX];
    uint32_t connected;
    uint32_t closed;
    enum sctp_close_reason reason;
    uint32_t resets_in[STREAMS];
    uint32_t resets_done[STREAMS];
    uint32_t round;            /* how many resets of stream 3 are due */
    uint32_t sent[2][STREAMS]; /* [0] by us, [1] by usrsctp */
    uint32_t got[2][STREAMS];  /* [0] by us */
    uint32_t next[2][STREAMS];
    uint8_t seen[2][STREAMS][MESSAGES_MAX];
    uint32_t wrong;
    uint64_t digest; /* of every packet of usrsctp, with its time */
};

/* What a failed test leaves behind, for the teardown. */
static struct world *current;

static void fill(uint8_t *bytes, size_t len, uint32_t stream, uint32_t count) {
    uint32_t state = stream * 7919 + count * 104729 + 1;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
    memcpy(bytes, &count, sizeof count);
}

static void note_message(struct world *w, int side, uint16_t stream, uint32_t ppid, bool unordered,
                         const uint8_t *bytes, size_t len) {
    uint32_t count = MESSAGES_MAX;
    if (len >= sizeof count)
        memcpy(&count, bytes, sizeof count);
    if (stream >= STREAMS || count >= MESSAGES_MAX) { /* no assert: it would leave usrsctp with its locks held */
        w->wrong++;
        return;
    }
    uint8_t *expected = malloc(len);
    fill(expected, len, stream, count);
    w->wrong += memcmp(expected, bytes, len) != 0 || ppid != stream + 100u || w->seen[side][stream][count] != 0 ||
                (!unordered && count < w->next[side][stream]);
    free(expected);
    w->seen[side][stream][count] = 1;
    w->next[side][stream] = count + 1;
    w->got[side][stream]++;
}

static void launch(struct world *w, bool to_us, const uint8_t *bytes, size_t len) {
    if (len > sizeof((struct flying *)0)->bytes) {
        w->wrong++;
        return;
    }
    if (rng_unit(&w->rng) < w->loss || w->flying_count == FLYING_MAX)
        return;
    struct flying *f = malloc(sizeof *f);
    f->at_us = w->now_us + 10 * US_PER_MS + (rng_unit(&w->rng) < w->reorder ? rng_below(&w->rng, 20 * US_PER_MS) : 0);
    f->to_us = to_us;
    f->len = (uint16_t)len;
    memcpy(f->bytes, bytes, len);
    w->flying[w->flying_count++] = f;
}

static void on_packet(void *context, const uint8_t *bytes, size_t len) {
    struct world *w = context;
    for (size_t i = 0; i < len; i++)
        w->digest = (w->digest ^ bytes[i]) * 0x100000001b3;
    w->digest = (w->digest ^ w->now_us) * 0x100000001b3;
    launch(w, true, bytes, len);
}

static void on_message(void *context, uint16_t stream, uint32_t ppid, bool unordered, const uint8_t *bytes,
                       size_t len) {
    note_message(context, 1, stream, ppid, unordered, bytes, len);
}

static void take_event(struct world *w, const struct sctp_event *event) {
    if (event->type == SCTP_EVENT_CONNECTED) {
        w->connected++;
    } else if (event->type == SCTP_EVENT_CLOSED) {
        w->closed++;
        w->reason = event->reason;
    } else if (event->type == SCTP_EVENT_STREAM_RESET) {
        w->resets_in[event->stream % STREAMS]++;
    } else if (event->type == SCTP_EVENT_RESET_DONE) {
        w->resets_done[event->stream % STREAMS]++;
    } else if (event->type == SCTP_EVENT_MESSAGE) {
        uint8_t *bytes = malloc(event->message.len_bytes);
        struct writer out = writer_of(bytes, event->message.len_bytes);
        sctp_message_copy(w->s, &out);
        note_message(w, 0, event->message.stream, event->message.ppid, event->message.unordered, bytes, out.len);
        free(bytes);
    }
}

static void pump(struct world *w) {
    for (bool busy = true; busy;) {
        struct sctp_event event;
        uint8_t bytes[1500];
        struct writer out = writer_of(bytes, sizeof bytes);
        busy = false;
        while (sctp_poll_event(w->s, &event)) {
            take_event(w, &event);
            busy = true;
        }
        if (sctp_poll_packet(w->s, w->now_us, &out)) {
            launch(w, false, bytes, out.len);
            busy = true;
        }
    }
}

static void run_ms(struct world *w, uint32_t ms) {
    for (uint32_t i = 0; i < ms; i++) {
        w->now_us += US_PER_MS;
        oracle_pass_ms(1);
        for (uint32_t j = 0; j < w->flying_count;) {
            struct flying *f = w->flying[j];
            if (f->at_us > w->now_us) {
                j++;
                continue;
            }
            memmove(&w->flying[j], &w->flying[j + 1], (w->flying_count - j - 1) * sizeof *w->flying);
            w->flying_count--;
            if (f->to_us)
                sctp_input(w->s, w->now_us, span_of(f->bytes, f->len));
            else
                oracle_input(f->bytes, f->len);
            free(f);
            pump(w);
        }
        if (sctp_next_deadline(w->s) <= w->now_us)
            sctp_tick(w->s, w->now_us);
        pump(w);
    }
}

/* Runs until the condition holds; false when it does not in time. */
static bool run_until(struct world *w, bool (*done)(const struct world *), uint32_t patience_ms) {
    for (uint32_t ms = 0; ms < patience_ms; ms += 10) {
        if (done(w))
            return true;
        run_ms(w, 10);
    }
    return done(w);
}

static bool both_connected(const struct world *w) {
    return w->connected > 0 && oracle_counts()->connected > 0;
}

static bool ours_arrived(const struct world *w) {
    for (int stream = 0; stream < STREAMS; stream++) {
        if (w->got[1][stream] < w->sent[0][stream])
            return false;
    }
    return sctp_buffered_total(w->s) == 0;
}

static bool theirs_arrived(const struct world *w) {
    for (int stream = 0; stream < STREAMS; stream++) {
        if (w->got[0][stream] < w->sent[1][stream])
            return false;
    }
    return true;
}

enum setup { WE_CONNECT, THEY_CONNECT, BOTH_CONNECT };

static struct world *world_new(uint64_t seed, enum setup setup, double loss) {
    struct world *w = calloc(1, sizeof *w);
    assert_null(current);
    current = w;
    w->seed = seed;
    w->now_us = 1000000;
    w->rng = rng_seeded(seed);
    w->loss = loss;
    w->reorder = loss;
    w->blocks = malloc(sctp_buffers_size(BLOCKS));
    sctp_buffers_init(&w->buffers, w->blocks, BLOCKS);
    struct sctp_config config = {.buffers = &w->buffers, .counters = &w->counters};
    w->memory = malloc(sctp_size(&config));
    w->s = sctp_init(w->memory, &config, &w->rng, w->now_us);
    oracle_start(seed, (struct oracle_hooks){.context = w, .on_packet = on_packet, .on_message = on_message});
    if (setup == WE_CONNECT)
        oracle_listen();
    else
        oracle_connect();
    if (setup != THEY_CONNECT)
        sctp_connect(w->s, w->now_us);
    pump(w);
    assert_true(run_until(w, both_connected, PATIENCE_MS));
    assert_int_equal(w->connected, 1);
    assert_int_equal(oracle_counts()->connected, 1);
    assert_int_equal(oracle_counts()->restarted, 0);
    assert_true(sctp_peer_resets(w->s));
    return w;
}

static void world_free(struct world *w) {
    oracle_stop();
    for (uint32_t i = 0; i < w->flying_count; i++)
        free(w->flying[i]);
    sctp_release(w->s);
    uint32_t leaked = w->buffers.used;
    free(w->memory);
    free(w->blocks);
    free(w);
    current = NULL;
    assert_int_equal(leaked, 0);
}

static int forget_the_failed_world(void **state) {
    (void)state;
    if (current != NULL) {
        print_error("the failed run was that of seed %" PRIu64 "\n", current->seed);
        world_free(current);
    }
    return 0;
}

static bool send_one(struct world *w, int side, uint16_t stream, bool unordered, int retransmits_max, size_t len) {
    uint8_t *bytes = malloc(len);
    bool taken;
    fill(bytes, len, stream, w->sent[side][stream]);
    if (side == 0) {
        struct sctp_send_options options = {.stream = stream, .unordered = unordered, .ppid = stream + 100u};
        options.limit_retransmits = retransmits_max >= 0;
        options.retransmits_max = (uint16_t)(retransmits_max >= 0 ? retransmits_max : 0);
        taken = sctp_send(w->s, w->now_us, &options, span_of(bytes, len)) == SCTP_SEND_OK;
        pump(w);
    } else {
        taken = oracle_send(stream, stream + 100u, unordered, retransmits_max, bytes, len);
    }
    free(bytes);
    w->sent[side][stream] += taken ? 1 : 0;
    return taken;
}

static void messages_pass_both_ways(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        enum setup setup = (enum setup)(seed % 3);
        double loss = seed % 4 == 0 ? 0 : 0.02 * (double)(seed % 8);
        struct world *w = world_new(seed, setup, loss);
        for (int i = 0; i < 100; i++) {
            for (int side = 0; side < 2; side++) {
                uint16_t stream = (uint16_t)rng_below(&w->rng, STREAMS);
                size_t len = 4 + rng_below(&w->rng, rng_below(&w->rng, 8) == 0 ? 40000 : 2000);
                (void)send_one(w, side, stream, stream >= 4, -1, len);
            }
            run_ms(w, 10);
        }
        assert_true(run_until(w, ours_arrived, loss > 0 ? OUR_PATIENCE_MS : CLEAN_PATIENCE_MS));
        assert_true(run_until(w, theirs_arrived, loss > 0 ? PATIENCE_MS : CLEAN_PATIENCE_MS));
        assert_int_equal(w->wrong, 0);
        assert_int_equal(w->closed, 0);
        assert_int_equal(w->counters.rx_bad_packet + w->counters.rx_bad_chunk + w->counters.rx_bad_sack, 0);
        world_free(w);
    }
}

static bool nothing_waits(const struct world *w) {
    return sctp_buffered_total(w->s) == 0 && sctp_blocks_held(w->s) == 0 && oracle_waiting() == 0;
}

static void lossy_messages_pass_both_ways_and_block_nobody(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_new(seed, (enum setup)(seed % 3), 0);
        w->loss = 0.15;
        for (int i = 0; i < 200; i++) {
            for (int side = 0; side < 2; side++) {
                (void)send_one(w, side, 2, true, 0, 4 + rng_below(&w->rng, 2500));
                (void)send_one(w, side, 3, false, 0, 4 + rng_below(&w->rng, 2500));
                if (i % 10 == 0)
                    (void)send_one(w, side, 1, false, -1, 600);
            }
            run_ms(w, 20);
        }
        run_ms(w, 10000);
        /* usrsctp sends a last FORWARD-TSN once only, so that one that was lost waits for more DATA */
        w->loss = 0;
        run_ms(w, 120000);
        assert_true(send_one(w, 0, 1, false, -1, 600) && send_one(w, 1, 1, false, -1, 600));
        assert_true(run_until(w, nothing_waits, PATIENCE_MS));
        assert_int_equal(w->wrong, 0);
        assert_int_equal(w->closed, 0);
        for (int side = 0; side < 2; side++) {
            assert_int_equal(w->got[side][1], w->sent[1 - side][1]);
            assert_true(w->got[side][2] > w->sent[1 - side][2] / 2);
            assert_true(w->got[side][3] > w->sent[1 - side][3] / 2);
        }
        world_free(w);
    }
}

static bool reset_of_ours_came(const struct world *w) {
    return oracle_counts()->resets_in[3] >= w->round;
}

static bool reset_of_theirs_came(const struct world *w) {
    return w->resets_in[3] >= w->round;
}

static bool both_are_reset(const struct world *w) {
    return reset_of_ours_came(w) && reset_of_theirs_came(w) && w->resets_done[3] >= w->round &&
           oracle_counts()->resets_out[3] >= w->round;
}

static void streams_are_reset_by_either_side_and_used_again(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_new(seed, (enum setup)(seed % 3), seed % 2 == 0 ? 0 : 0.1);
        for (w->round = 1; w->round <= 3; w->round++) {
            for (int i = 0; i < 5; i++) {
                assert_true(send_one(w, 0, 3, false, -1, 3000));
                assert_true(send_one(w, 1, 3, false, -1, 3000));
            }
            for (int i = 0; i < 4; i++) { /* and other streams go on meanwhile */
                assert_true(send_one(w, 0, 5, true, -1, 30000));
                (void)send_one(w, 1, 5, true, -1, 30000);
            }
            if (seed % 4 < 2) { /* we close, usrsctp follows as a browser does */
                sctp_reset_stream(w->s, w->now_us, 3);
                pump(w);
                assert_true(run_until(w, reset_of_ours_came, PATIENCE_MS));
                assert_true(oracle_reset(3));
            } else {
                assert_true(oracle_reset(3));
                assert_true(run_until(w, reset_of_theirs_came, PATIENCE_MS));
                sctp_reset_stream(w->s, w->now_us, 3);
                pump(w);
            }
            assert_true(run_until(w, both_are_reset, PATIENCE_MS));
            assert_true(run_until(w, ours_arrived, OUR_PATIENCE_MS));
            assert_true(run_until(w, theirs_arrived, PATIENCE_MS));
            run_ms(w, 1000);
            assert_int_equal(w->resets_in[3], w->round);
            assert_int_equal(w->resets_done[3], w->round);
            assert_int_equal(oracle_counts()->resets_in[3], w->round);
            assert_int_equal(oracle_counts()->resets_out[3], w->round);
            assert_int_equal(w->got[0][3], 5 * w->round);
            assert_int_equal(w->got[1][3], 5 * w->round);
        }
        assert_int_equal(oracle_counts()->resets_refused, 0);
        assert_int_equal(w->wrong, 0);
        world_free(w);
    }
}

/* usrsctp would never carry out a request that comes before the data it speaks of. */
static void a_stream_reset_waits_for_the_data_that_is_lost_before_it(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct world *w = world_new(seed, (enum setup)(seed % 3), 0);
        w->round = 1;
        w->loss = 1;
        assert_true(send_one(w, 0, 3, false, -1, 600)); /* a hole, below what arrives */
        w->loss = 0;
        assert_true(send_one(w, 0, 3, false, -1, 600));
        sctp_reset_stream(w->s, w->now_us, 3);
        run_ms(w, 100);
        w->loss = 1;
        run_ms(w, 850); /* the first repetition is lost as well */
        w->loss = 0;
        assert_true(run_until(w, reset_of_ours_came, OUR_PATIENCE_MS));
        assert_int_equal(w->got[1][3], 2);
        run_ms(w, 100);
        assert_int_equal(w->resets_done[3], 1);
        world_free(w);
    }
}

static uint64_t digest_of_a_run(uint64_t seed) {
    struct world *w = world_new(seed, WE_CONNECT, 0.1);
    for (int i = 0; i < 50; i++) {
        (void)send_one(w, 0, 1, false, -1, 3000);
        (void)send_one(w, 1, 2, false, -1, 3000);
        run_ms(w, 10);
    }
    assert_true(run_until(w, theirs_arrived, PATIENCE_MS));
    uint64_t digest = w->digest;
    world_free(w);
    return digest;
}

/* Else a failure of the tests above could not be seen again. */
static void a_seed_is_the_whole_run_also_for_usrsctp(void **state) {
    (void)state;
    uint64_t digest = digest_of_a_run(1);
    assert_true(digest != digest_of_a_run(2));
    assert_true(digest == digest_of_a_run(1));
}

static void either_side_ends_the_association_gracefully(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *w = world_new(seed, (enum setup)(seed % 3), 0);
        for (int i = 0; i < 10; i++)
            assert_true(send_one(w, 0, 3, false, -1, 3000));
        if (seed % 2 == 0) {
            sctp_close(w->s, w->now_us, true);
        } else {
            run_ms(w, 500);
            oracle_shutdown();
        }
        pump(w);
        run_ms(w, 3000);
        assert_int_equal(w->closed, 1);
        assert_int_equal(w->reason, seed % 2 == 0 ? SCTP_CLOSED_BY_US : SCTP_CLOSED_BY_PEER);
        assert_int_equal(w->got[1][3], 10);
        assert_int_equal(w->wrong, 0);
        world_free(w);
    }
}

#define WORLD_TEST(test) cmocka_unit_test_teardown(test, forget_the_failed_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_seed_is_the_whole_run_also_for_usrsctp),
        WORLD_TEST(messages_pass_both_ways),
        WORLD_TEST(lossy_messages_pass_both_ways_and_block_nobody),
        WORLD_TEST(streams_are_reset_by_either_side_and_used_again),
        WORLD_TEST(a_stream_reset_waits_for_the_data_that_is_lost_before_it),
        WORLD_TEST(either_side_ends_the_association_gracefully),
    };
    return cmocka_run_group_tests_name("sctp against usrsctp", tests, NULL, NULL);
}
