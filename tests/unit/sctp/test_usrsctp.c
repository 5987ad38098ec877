/* Our SCTP against usrsctp, which is what Firefox runs and what Chromium ran for years: both as client, as server and
 * both at once, over a lossy virtual network, with messages both ways, partial reliability, stream resets and a
 * graceful end. */
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

struct flying {
    uint64_t at_us;
    bool to_us;
    uint16_t len;
    uint8_t bytes[1500];
};

struct world {
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
    uint32_t sent[2][STREAMS]; /* [0] by us, [1] by usrsctp */
    uint32_t got[2][STREAMS];  /* [0] by us */
    uint32_t next[2][STREAMS];
    uint8_t seen[2][STREAMS][MESSAGES_MAX];
    uint32_t wrong;
};

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
    uint8_t *expected = malloc(len);
    if (len >= sizeof count)
        memcpy(&count, bytes, sizeof count);
    assert_true(stream < STREAMS && count < MESSAGES_MAX);
    fill(expected, len, stream, count);
    w->wrong += memcmp(expected, bytes, len) != 0 || ppid != stream + 100u || w->seen[side][stream][count] != 0 ||
                (!unordered && count < w->next[side][stream]);
    free(expected);
    w->seen[side][stream][count] = 1;
    w->next[side][stream] = count + 1;
    w->got[side][stream]++;
}

static void launch(struct world *w, bool to_us, const uint8_t *bytes, size_t len) {
    assert_true(len <= 1500);
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
    launch(context, true, bytes, len);
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

enum setup { WE_CONNECT, THEY_CONNECT, BOTH_CONNECT };

static struct world *world_new(uint64_t seed, enum setup setup, double loss) {
    struct world *w = calloc(1, sizeof *w);
    w->now_us = 1000000;
    w->rng = rng_seeded(seed);
    w->loss = loss;
    w->reorder = loss;
    w->blocks = malloc(sctp_buffers_size(BLOCKS));
    sctp_buffers_init(&w->buffers, w->blocks, BLOCKS);
    struct sctp_config config = {.buffers = &w->buffers, .counters = &w->counters};
    w->memory = malloc(sctp_size(&config));
    w->s = sctp_init(w->memory, &config, &w->rng, w->now_us);
    oracle_start((struct oracle_hooks){.context = w, .on_packet = on_packet, .on_message = on_message});
    if (setup == WE_CONNECT)
        oracle_listen();
    else
        oracle_connect();
    if (setup != THEY_CONNECT)
        sctp_connect(w->s, w->now_us);
    pump(w);
    for (int i = 0; i < 6000 && (w->connected == 0 || oracle_counts()->connected == 0); i++)
        run_ms(w, 10);
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
    assert_int_equal(w->buffers.used, 0);
    free(w->memory);
    free(w->blocks);
    free(w);
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
        for (int i = 0; i < 1200; i++) {
            bool done = sctp_buffered_total(w->s) == 0;
            for (int stream = 0; stream < STREAMS; stream++)
                done = done && w->got[0][stream] == w->sent[1][stream] && w->got[1][stream] == w->sent[0][stream];
            if (done)
                break;
            run_ms(w, 100);
        }
        for (int stream = 0; stream < STREAMS; stream++) {
            assert_int_equal(w->got[0][stream], w->sent[1][stream]);
            assert_int_equal(w->got[1][stream], w->sent[0][stream]);
        }
        assert_int_equal(w->wrong, 0);
        assert_int_equal(w->closed, 0);
        assert_int_equal(w->counters.rx_bad_packet + w->counters.rx_bad_chunk + w->counters.rx_bad_sack, 0);
        world_free(w);
    }
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
        run_ms(w, 60000);
        assert_int_equal(w->wrong, 0);
        assert_int_equal(w->closed, 0);
        for (int side = 0; side < 2; side++) {
            assert_int_equal(w->got[side][1], w->sent[1 - side][1]);
            assert_true(w->got[side][2] > w->sent[1 - side][2] / 2);
            assert_true(w->got[side][3] > w->sent[1 - side][3] / 2);
        }
        assert_int_equal(sctp_buffered_total(w->s), 0);
        assert_int_equal(sctp_blocks_held(w->s), 0);
        world_free(w);
    }
}

static void streams_are_reset_by_either_side_and_used_again(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_new(seed, (enum setup)(seed % 3), seed % 2 == 0 ? 0 : 0.1);
        for (uint32_t round = 1; round <= 3; round++) {
            for (int i = 0; i < 5; i++) {
                assert_true(send_one(w, 0, 3, false, -1, 3000));
                assert_true(send_one(w, 1, 3, false, -1, 3000));
            }
            if (seed % 4 < 2) { /* we close, usrsctp follows as a browser does */
                sctp_reset_stream(w->s, w->now_us, 3);
                pump(w);
                for (int i = 0; i < 600 && oracle_counts()->resets_in[3] < round; i++)
                    run_ms(w, 100);
                assert_true(oracle_reset(3));
            } else {
                assert_true(oracle_reset(3));
                for (int i = 0; i < 600 && w->resets_in[3] < round; i++)
                    run_ms(w, 100);
                sctp_reset_stream(w->s, w->now_us, 3);
                pump(w);
            }
            for (int i = 0;
                 i < 600 && (w->resets_in[3] < round || w->resets_done[3] < round ||
                             oracle_counts()->resets_in[3] < round || oracle_counts()->resets_out[3] < round);
                 i++)
                run_ms(w, 100);
            run_ms(w, 1000);
            assert_int_equal(w->resets_in[3], round);
            assert_int_equal(w->resets_done[3], round);
            assert_int_equal(oracle_counts()->resets_in[3], round);
            assert_int_equal(oracle_counts()->resets_out[3], round);
            assert_int_equal(w->got[0][3], 5 * round);
            assert_int_equal(w->got[1][3], 5 * round);
        }
        assert_int_equal(oracle_counts()->resets_refused, 0);
        assert_int_equal(w->wrong, 0);
        world_free(w);
    }
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_pass_both_ways),
        cmocka_unit_test(lossy_messages_pass_both_ways_and_block_nobody),
        cmocka_unit_test(streams_are_reset_by_either_side_and_used_again),
        cmocka_unit_test(either_side_ends_the_association_gracefully),
    };
    return cmocka_run_group_tests_name("sctp against usrsctp", tests, NULL, NULL);
}
