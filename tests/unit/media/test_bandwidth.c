/* What decides how much is sent to a receiver: allocation, the estimate, the log of what was sent. */
#include "unit.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/rng.h"
#include "base/time.h"
#include "media/allocate.h"
#include "media/estimator.h"
#include "media/sendlog.h"

#define NOW UINT64_C(1000000000)

/* ---- allocation -------------------------------------------------------------------------------------------------- */

static struct allocate_stream video(uint8_t priority, bool allow_pause) {
    struct allocate_stream s = {.priority = priority,
                                .allow_pause = allow_pause,
                                .spatial_max = 2,
                                .temporal_max = 3,
                                .spatial_now = -1,
                                .temporal_now = -1};
    const uint32_t whole[3] = {150000, 500000, 1700000};
    for (int i = 0; i < 3; i++) {
        s.alive[i] = true;
        for (int t = 0; t < 4; t++)
            s.bps[i][t] = whole[i] / 5 * (uint32_t)(t + 2);
    }
    return s;
}

static void audio_comes_first_then_every_picture_then_the_better_ones_by_priority(void **state) {
    (void)state;
    struct allocate_stream s[4] = {video(1, true), video(9, false), video(1, true), {.audio = true, .alive = {true}}};
    for (int t = 0; t < 4; t++)
        s[3].bps[0][t] = 40000;
    assert_int_equal(allocate(s, 4, ALLOCATE_UNLIMITED), 40000 + 3 * 1700000);
    for (int i = 0; i < 3; i++)
        assert_true(s[i].spatial == 2 && s[i].temporal == 3);
    allocate(s, 4, 2400000);
    assert_true(s[1].spatial == 2 && s[0].spatial == 0 && s[2].spatial == 0 && s[3].spatial == 0);
    allocate(s, 4, 900000);
    assert_true(s[1].spatial == 1 && s[0].spatial == 0 && s[2].spatial == 0);
    allocate(s, 4, 110000); /* one lowest step and the sound */
    assert_true(s[1].spatial == 0 && s[1].temporal == 0 && s[0].spatial == -1 && s[2].spatial == -1 &&
                s[3].spatial == 0);
    allocate(s, 4, 1000); /* the one that may not pause gets its lowest step all the same */
    assert_true(s[1].spatial == 0 && s[0].spatial == -1);
}

static void a_step_up_needs_room_to_spare_and_staying_does_not(void **state) {
    (void)state;
    struct allocate_stream s = video(1, true);
    s.spatial_now = 0;
    s.temporal_now = 3;
    allocate(&s, 1, 520000);
    assert_int_equal(s.spatial, 0);
    s.spatial_now = 1;
    allocate(&s, 1, 520000);
    assert_int_equal(s.spatial, 1);
    s.alive[1] = false;
    allocate(&s, 1, 520000);
    assert_int_equal(s.spatial, 0);
    s.alive[0] = s.alive[2] = false;
    allocate(&s, 1, 520000);
    assert_int_equal(s.spatial, 2); /* nothing comes: whatever begins is taken */
}

static void random_allocations_stay_within_the_budget_and_never_starve_the_higher(void **state) {
    (void)state;
    struct rng rng = rng_seeded(77);
    for (int round = 0; round < 3000; round++) {
        struct allocate_stream s[20];
        size_t n = 1 + rng_below(&rng, 20);
        for (size_t i = 0; i < n; i++) {
            s[i] = video((uint8_t)rng_below(&rng, 4), true);
            s[i].spatial_max = (uint8_t)rng_below(&rng, 3);
            s[i].spatial_now = (int8_t)rng_below(&rng, 3);
            s[i].temporal_now = 3;
            for (int l = 0; l < 3; l++)
                s[i].alive[l] = rng_below(&rng, 5) != 0;
        }
        uint64_t budget = rng_below(&rng, 6000000);
        uint64_t used = allocate(s, n, budget);
        assert_true(used <= budget);
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++) {
            assert_true(s[i].spatial <= (int8_t)s[i].spatial_max);
            bool none =
                !s[i].alive[0] && (s[i].spatial_max < 1 || !s[i].alive[1]) && (s[i].spatial_max < 2 || !s[i].alive[2]);
            if (s[i].spatial >= 0 && !none) {
                assert_true(s[i].alive[s[i].spatial]);
                sum += s[i].bps[s[i].spatial][s[i].temporal];
            }
        }
        assert_int_equal(sum, used);
    }
}

/* ---- estimation
 * -------------------------------------------------------------------------------------------------------------- */

/* A link of a fixed rate with a queue of 300 ms, fed by what the estimator allows; reports each 100 ms. */
struct link {
    uint64_t queue_bytes;
};

static struct estimator_report link_run(struct link *link, uint32_t sent_bps, uint32_t capacity_bps, uint64_t us) {
    uint64_t sent = (uint64_t)sent_bps * us / 8 / US_PER_S, drained = (uint64_t)capacity_bps * us / 8 / US_PER_S;
    uint64_t most = (uint64_t)capacity_bps * 3 / 80;
    link->queue_bytes += sent;
    uint64_t out = link->queue_bytes < drained ? link->queue_bytes : drained;
    link->queue_bytes -= out;
    uint64_t lost = link->queue_bytes > most ? link->queue_bytes - most : 0;
    link->queue_bytes -= lost;
    return (struct estimator_report){.received = (uint32_t)(out / 1000) + 1,
                                     .lost = (uint32_t)(lost / 1000),
                                     .acked_bytes = (uint32_t)out,
                                     .has_delay = true,
                                     .delay_us =
                                         123456789 + (int64_t)(link->queue_bytes * 8 * US_PER_S / capacity_bps)};
}

static void the_estimate_settles_near_the_capacity_and_follows_it(void **state) {
    (void)state;
    struct estimator e;
    estimator_init(&e, NOW);
    struct link link = {0};
    const struct {
        uint32_t capacity;
        uint32_t seconds;
    } plan[] = {{2500000, 40}, {800000, 30}, {2500000, 90}};
    uint64_t now = NOW;
    uint32_t demand = 4000000;
    for (size_t phase = 0; phase < ARRAY_LEN(plan); phase++) {
        uint64_t sum = 0, worst_queue = 0;
        uint32_t ticks = plan[phase].seconds * 10;
        for (uint32_t i = 0; i < ticks; i++) {
            now += 100000;
            uint32_t allowed = estimator_bps(&e) != 0 ? estimator_bps(&e) : 500000;
            uint32_t sent = allowed < demand ? allowed : demand;
            struct estimator_report report = link_run(&link, sent, plan[phase].capacity, 100000);
            estimator_report(&e, now, &report);
            estimator_tick(&e, now, demand);
            if (i >= ticks / 2) {
                sum += sent;
                uint64_t queue_us = link.queue_bytes * 8 * US_PER_S / plan[phase].capacity;
                worst_queue = queue_us > worst_queue ? queue_us : worst_queue;
            }
        }
        uint64_t mean = sum / (ticks - ticks / 2);
        assert_in_range(mean, plan[phase].capacity * 6 / 10, plan[phase].capacity * 105 / 100);
        assert_in_range(worst_queue, 0, 250000);
    }
}

static void the_estimate_grows_no_further_than_what_could_be_used(void **state) {
    (void)state;
    struct estimator e;
    estimator_init(&e, NOW);
    assert_int_equal(estimator_bps(&e), 0); /* no feedback, no limit */
    struct link link = {0};
    for (uint64_t i = 1; i < 600; i++) {
        struct estimator_report report = link_run(&link, 300000, 50000000, 100000);
        estimator_report(&e, NOW + i * 100000, &report);
        estimator_tick(&e, NOW + i * 100000, 4000000);
    }
    assert_in_range(estimator_bps(&e), 4400000, 4900000);
}

static void remb_below_what_is_sent_cuts_and_more_does_not(void **state) {
    (void)state;
    struct estimator e;
    estimator_init(&e, NOW);
    estimator_remb(&e, NOW, 5000000, 1000000);
    assert_int_equal(estimator_bps(&e), 5000000);
    estimator_remb(&e, NOW + US_PER_S, 700000, 1000000);
    assert_int_equal(estimator_bps(&e), 700000);
}

static void feedback_finds_what_was_sent_and_counts_each_packet_once(void **state) {
    (void)state;
    struct sendlog *log = calloc(1, sizeof *log);
    sendlog_init(log);
    uint16_t seqs[60];
    for (int i = 0; i < 60; i++)
        seqs[i] = sendlog_next(log, NOW + (uint64_t)i * 5000, 1000);
    struct rtcp_twcc_arrival arrivals[50];
    size_t n = 0;
    for (int i = 0; i < 50; i++) {
        if (i % 10 != 3)
            arrivals[n++] =
                (struct rtcp_twcc_arrival){.seq64 = 0x10000u + seqs[i], .at_us = 77000000 + (uint64_t)i * 5000 + 20000};
    }
    uint8_t bytes[1000];
    struct writer w = writer_of(bytes, sizeof bytes);
    assert_int_equal(rtcp_write_twcc(&w, 1, 2, 0, 0x10000u + seqs[0], arrivals, n), n);
    struct rtcp_view view;
    struct rtcp_iter iter = rtcp_iter_of(writer_span(&w), NULL);
    assert_true(rtcp_next(&iter, &view));
    struct estimator_report report = sendlog_feedback(log, &view);
    assert_int_equal(report.received, 45);
    assert_int_equal(report.lost, 5);
    assert_int_equal(report.acked_bytes, 45000);
    assert_in_range(report.delay_us + 1000000000, 77020000 - (int64_t)NOW + 1000000000 - 400,
                    77020000 - (int64_t)NOW + 1000000000 + 400);
    report = sendlog_feedback(log, &view); /* the same again */
    assert_int_equal(report.received + report.lost, 0);
    free(log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(audio_comes_first_then_every_picture_then_the_better_ones_by_priority),
        cmocka_unit_test(a_step_up_needs_room_to_spare_and_staying_does_not),
        cmocka_unit_test(random_allocations_stay_within_the_budget_and_never_starve_the_higher),
        cmocka_unit_test(the_estimate_settles_near_the_capacity_and_follows_it),
        cmocka_unit_test(the_estimate_grows_no_further_than_what_could_be_used),
        cmocka_unit_test(remb_below_what_is_sent_cuts_and_more_does_not),
        cmocka_unit_test(feedback_finds_what_was_sent_and_counts_each_packet_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
