/* What one person, one meeting or one network may do to the others by way of the delivery service. */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "delivery/budget.h"
#include "member/member_internal.h"
#include "sim/assembly.h"
#include "unit.h"

#define FAST MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

static struct assembly a;

static void meeting_of(uint64_t seed, int people) {
    assembly_begin(&a, seed, FAST);
    for (int i = 0; i < people; i++) {
        assembly_join(&a, 1);
        assert_true(assembly_settle(&a, 5 * US_PER_S));
    }
}

static uint64_t epoch(void) {
    return member_epoch(a.people[0].member);
}

static const struct delivery_counters *counters(void) {
    return delivery_counters_get(a.delivery);
}

/* The server gets this from the person's connection, whatever the person's own side does. */
static void lie(int person, const struct wire1_message *message) {
    struct mls_buf bytes;
    mls_buf_init(&bytes, WIRE1_MESSAGE_LEN_MAX);
    wire1_write(message, &bytes);
    assembly_inject(&a, person, true, mls_buf_span(&bytes));
    mls_buf_free(&bytes);
}

static void a_member_that_goes_on_refusing_commits_does_not_keep_the_group_busy(void **state) {
    (void)state;
    meeting_of(1, 5);
    uint64_t before = epoch();
    for (int i = 0; i < 600; i++) {
        a.people[4].member->astray = true; /* it comes back each time it is told to */
        lie(4, &(struct wire1_message){.type = WIRE1_BAD, .epoch = epoch(), .status = MLS_PROPOSAL_REFUSED});
        assembly_run(&a, 50 * US_PER_MS);
    }
    /* three turns at once, then after 1, 2, 4, 8 and 16 s */
    assert_in_range(epoch() - before, 1, 12);
    assert_true(counters()->delivery_rationed > 0);
    assert_int_equal(member_state(a.people[1].member), MEMBER_IN);
    assembly_end(&a);
}

static void heals(int person) {
    a.people[person].member->heal_at_us = a.now_us;
    member_tick(a.people[person].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng);
    assembly_drain(&a, person);
}

static void a_hosts_removal_takes_effect_however_busy_others_keep_the_group(void **state) {
    (void)state;
    struct member_person seen;
    meeting_of(2, 5);
    a.people[0].delay_us = 200 * US_PER_MS; /* the host is far away */
    for (int i = 2; i < 5; i++)
        a.people[i].delay_us = US_PER_MS;
    uint64_t start_us = a.now_us;
    for (int i = 0; a.now_us < start_us + 2 * US_PER_S; i++) {
        heals(2 + i % 3);
        if (i % 40 == 0) {
            (void)member_remove(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, span_str("p_4"));
            assembly_drain(&a, 0);
        }
        assembly_run(&a, 10 * US_PER_MS);
    }
    assert_false(member_person_find(a.people[0].member, span_str("p_4"), &seen));
    assembly_run(&a, US_PER_S);
    assert_true(a.people[4].ended);
    assembly_end(&a);
}

static void who_refuses_the_commits_of_three_others_is_put_out(void **state) {
    (void)state;
    meeting_of(3, 6);
    for (int author = 0; author < 3; author++) {
        /* a commit of this author, which everybody but one follows */
        heals(author);
        assembly_run(&a, 300 * US_PER_MS);
        lie(5, &(struct wire1_message){.type = WIRE1_BAD, .epoch = epoch(), .status = MLS_PROPOSAL_REFUSED});
        assembly_run(&a, 3 * US_PER_S);
    }
    assert_true(a.people[5].ended);
    assert_int_equal(a.people[5].gone, WIRE1_GONE_CANNOT_FOLLOW);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assert_int_equal(member_people(a.people[0].member), 5);
    assembly_end(&a);
}

static void commits_that_nobody_asked_for_are_rationed(void **state) {
    (void)state;
    meeting_of(4, 4);
    uint64_t before = epoch();
    for (int i = 0; i < 30; i++) {
        heals(2);
        assembly_run(&a, 300 * US_PER_MS);
    }
    assert_in_range(epoch() - before, 4, 5);
    uint64_t hosts = epoch();
    for (int i = 0; i < 10; i++) {
        heals(0);
        assembly_run(&a, 300 * US_PER_MS);
    }
    assert_int_equal(epoch() - hosts, 10);
    assembly_end(&a);
}

/* The hello of a person whose signature key is given. */
static void hello_of(const struct secret *key, const char *identity, struct mls_buf *hello) {
    uint8_t secret[SECURE_LINK_SECRET_LEN];
    memset(secret, 1, sizeof secret);
    struct member *m;
    struct member_output out;
    struct member_config config = {.crypto = assembly_crypto(),
                                   .suite = FAST,
                                   .meeting = span_str(a.meeting),
                                   .identity = span_str(identity),
                                   .link_secret = span_of(secret, sizeof secret),
                                   .name = span_str(identity),
                                   .kind = SECURE_TEST,
                                   .signature_key = key,
                                   .software = span_str("test")};
    assert_int_equal(member_create(&config, &a.rng, &m), MLS_OK);
    member_connected(m, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng);
    while (member_poll(m, &out)) {
        if (out.type == MEMBER_SEND)
            mls_wr_span(hello, out.bytes);
    }
    member_free(m);
}

static void a_key_package_that_nobody_can_add_keeps_nobody_else_out(void **state) {
    (void)state;
    meeting_of(5, 3);
    struct mls_buf hello;
    char name[2] = "x";
    for (int i = 0; i < 4; i++, name[0]++) {
        /* with the key of somebody who is here */
        mls_buf_init(&hello, WIRE1_MESSAGE_LEN_MAX);
        hello_of(&a.people[1].member->signature_key, name, &hello);
        uint32_t connection = delivery_open(a.delivery, a.now_us, NULL, span_str(a.meeting), span_str(name));
        assert_true(connection != 0);
        delivery_message(a.delivery, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, connection, mls_buf_span(&hello));
        mls_buf_free(&hello);
    }
    for (int i = 3; i < 12; i++)
        assembly_join(&a, 1);
    assembly_run(&a, 8 * US_PER_S);
    for (int i = 3; i < 12; i++)
        assert_int_equal(member_state(a.people[i].member), MEMBER_IN);
    assembly_end(&a);
}

static void who_enters_after_a_commit_that_is_of_no_use_is_not_stuck(void **state) {
    (void)state;
    meeting_of(6, 4);
    /* everybody but the author refuses the newest commit at once */
    heals(3);
    assembly_run(&a, 300 * US_PER_MS);
    for (int i = 0; i < 3; i++)
        lie(i, &(struct wire1_message){.type = WIRE1_BAD, .epoch = epoch(), .status = MLS_CONFIRMATION_TAG_INVALID});
    assembly_join(&a, 1);
    assert_true(assembly_settle(&a, 10 * US_PER_S));
    assert_int_equal(member_people(a.people[0].member), 5);
    assembly_end(&a);
}

/* ---- work ---- */

static uint32_t held, released, closed;

static void count_outputs(struct delivery *d) {
    struct delivery_output out;
    while (delivery_poll(d, &out)) {
        held += out.type == DELIVERY_HOLD && out.held;
        released += out.type == DELIVERY_HOLD && !out.held;
        closed += out.type == DELIVERY_CLOSE && out.code == WIRE1_CLOSE_TOO_MUCH;
    }
}

static struct delivery *service(uint32_t meetings, uint32_t connections) {
    struct delivery_config config = {.crypto = assembly_crypto(),
                                     .suite = FAST,
                                     .meetings_max = meetings,
                                     .connections_max = connections,
                                     .members_max = 200};
    struct delivery *d = delivery_create(&config, &a.rng);
    assert_non_null(d);
    return d;
}

static void who_costs_too_much_is_not_read_from_and_then_closed(void **state) {
    (void)state;
    held = released = closed = 0;
    assembly_begin(&a, 7, FAST);
    struct delivery *d = service(10, 100);
    struct mls_buf hello;
    mls_buf_init(&hello, WIRE1_MESSAGE_LEN_MAX);
    hello_of(NULL, "greedy", &hello);
    uint64_t now_us = US_PER_S;
    uint32_t connection = delivery_open(d, now_us, NULL, span_str(a.meeting), span_str("greedy"));
    delivery_message(d, now_us, ASSEMBLY_UNIX_S(&a), &a.rng, connection, mls_buf_span(&hello));
    mls_buf_free(&hello);
    struct mls_buf commit;
    mls_buf_init(&commit, WIRE1_MESSAGE_LEN_MAX);
    uint8_t junk[2000] = {0};
    wire1_write(&(struct wire1_message){.type = WIRE1_COMMIT,
                                        .commit = span_of(junk, sizeof junk),
                                        .group_info = span_of(junk, 100)},
                &commit);
    for (int i = 0; i < 20000 && closed == 0; i++, now_us += US_PER_MS) {
        delivery_tick(d, now_us, ASSEMBLY_UNIX_S(&a), &a.rng);
        delivery_message(d, now_us, ASSEMBLY_UNIX_S(&a), &a.rng, connection, mls_buf_span(&commit));
        count_outputs(d);
        if (i == 100)
            assert_int_equal(held, 0); /* a burst is nothing */
    }
    assert_int_equal(closed, 1);
    assert_true(held > 0);
    mls_buf_free(&commit);
    delivery_destroy(d);
    assembly_end(&a);
}

static void who_does_little_waits_little_however_much_the_others_do(void **state) {
    (void)state;
    struct budget_shared crowd = {0};
    uint64_t greedy[3] = {0}, modest = 0, now_us = US_PER_S, waits = 0, most_us = 0, done_us = 0;
    uint64_t free_us[3] = {0};
    for (int ms = 0; ms < 20000; ms++, now_us += US_PER_MS) {
        for (int i = 0; i < 3; i++) {
            if (free_us[i] > now_us)
                continue;
            done_us += 500;
            free_us[i] = now_us + budget_share(&crowd, now_us, BUDGET_MEMBERS_RATE, 500, &greedy[i]);
        }
        if (ms % 1000 == 0) {
            uint64_t wait_us = budget_share(&crowd, now_us, BUDGET_MEMBERS_RATE, PRICE_ACK_US, &modest);
            waits += wait_us > 0;
            most_us = wait_us > most_us ? wait_us : most_us;
        }
    }
    assert_true(waits > 0);
    assert_true(most_us < US_PER_MS);
    /* twenty seconds' worth, the burst, and a message each */
    assert_in_range(done_us, 800000, 20 * BUDGET_MEMBERS_RATE + BUDGET_SHARED_BURST_US + 10000);
}

/* ---- shares ---- */

static void one_network_cannot_take_all_meetings(void **state) {
    (void)state;
    assembly_begin(&a, 8, FAST);
    struct delivery *d = service(256, 2000);
    struct net_addr bad = net_addr_v4(192, 0, 2, 1, 0), good = net_addr_v4(198, 51, 100, 7, 0);
    char name[16];
    uint32_t taken = 0;
    for (int i = 0; i < 256; i++) {
        snprintf(name, sizeof name, "meeting %d", i);
        bad.ip[3] = (uint8_t)i;
        taken += delivery_open(d, US_PER_S, &bad, span_str(name), span_str("one")) != 0;
    }
    assert_int_equal(taken, 256 / DELIVERY_NETWORK_MEETINGS_PART);
    assert_true(delivery_open(d, US_PER_S, &good, span_str("another"), span_str("one")) != 0);
    assert_true(delivery_counters_get(d)->delivery_refused_full > 0);
    delivery_destroy(d);
    assembly_end(&a);
}

static void one_network_cannot_take_all_connections(void **state) {
    (void)state;
    assembly_begin(&a, 9, FAST);
    struct delivery *d = service(10, 2000);
    struct net_addr bad = {.family = 6, .ip = {0x20, 0x01, 0x0d, 0xb8, 0, 1}}, good = net_addr_v4(198, 51, 100, 7, 0);
    char name[16];
    uint32_t taken = 0;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "p_%d", i);
        bad.ip[15] = (uint8_t)i;
        bad.ip[9] = (uint8_t)(i >> 8);
        taken += delivery_open(d, US_PER_S, &bad, span_str(i % 2 == 0 ? "even" : "odd"), span_str(name)) != 0;
    }
    assert_true(taken <= 2000 / DELIVERY_NETWORK_CONNECTIONS_PART);
    assert_true(delivery_open(d, US_PER_S, &good, span_str("a third"), span_str("one")) != 0);
    delivery_destroy(d);
    assembly_end(&a);
}

static void who_waits_for_entry_in_vain_is_sent_away(void **state) {
    (void)state;
    assembly_begin(&a, 10, FAST);
    struct delivery *d = service(10, 100);
    struct mls_buf hello;
    mls_buf_init(&hello, WIRE1_MESSAGE_LEN_MAX);
    hello_of(NULL, "idle", &hello);
    uint64_t now_us = US_PER_S;
    uint32_t connection = delivery_open(d, now_us, NULL, span_str(a.meeting), span_str("idle"));
    delivery_message(d, now_us, ASSEMBLY_UNIX_S(&a), &a.rng, connection, mls_buf_span(&hello));
    mls_buf_free(&hello);
    while (now_us < DELIVERY_WAIT_US + 2 * US_PER_S && delivery_meetings(d) > 0) {
        now_us = time_min(delivery_next_deadline_us(d), now_us + US_PER_S);
        delivery_tick(d, now_us, ASSEMBLY_UNIX_S(&a), &a.rng);
        count_outputs(d);
    }
    assert_int_equal(delivery_meetings(d), 0);
    assert_int_equal(delivery_counters_get(d)->delivery_tired, 1);
    delivery_destroy(d);
    assembly_end(&a);
}

static void a_log_that_was_cut_sends_who_resumes_to_come_in_again(void **state) {
    (void)state;
    meeting_of(12, 13);
    assembly_cut(&a, 2, false);
    for (int person = 3; person < 13; person++) {
        for (int i = 0; i < 110; i++) /* the last ones beyond what one may say at once */
            (void)member_chat(a.people[person].member, 1, &a.rng, span_of(NULL, 0), span_str("i"), span_str("hm"));
        assembly_drain(&a, person);
    }
    for (int i = 0; i < 100 && counters()->delivery_resyncs == 0; i++) {
        for (int person = 0; person < 13 && i < 40; person++) {
            if (person == 2)
                continue;
            (void)member_chat(a.people[person].member, 1, &a.rng, span_of(NULL, 0), span_str("i"), span_str("hm"));
            assembly_drain(&a, person);
        }
        assembly_run(&a, 50 * US_PER_MS);
    }
    assert_int_equal(counters()->delivery_resyncs, 1);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assert_int_equal(member_people(a.people[2].member), 13);
    assembly_end(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_that_goes_on_refusing_commits_does_not_keep_the_group_busy),
        cmocka_unit_test(a_hosts_removal_takes_effect_however_busy_others_keep_the_group),
        cmocka_unit_test(who_refuses_the_commits_of_three_others_is_put_out),
        cmocka_unit_test(commits_that_nobody_asked_for_are_rationed),
        cmocka_unit_test(a_key_package_that_nobody_can_add_keeps_nobody_else_out),
        cmocka_unit_test(who_enters_after_a_commit_that_is_of_no_use_is_not_stuck),
        cmocka_unit_test(who_costs_too_much_is_not_read_from_and_then_closed),
        cmocka_unit_test(who_does_little_waits_little_however_much_the_others_do),
        cmocka_unit_test(one_network_cannot_take_all_meetings),
        cmocka_unit_test(one_network_cannot_take_all_connections),
        cmocka_unit_test(who_waits_for_entry_in_vain_is_sent_away),
        cmocka_unit_test(a_log_that_was_cut_sends_who_resumes_to_come_in_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
