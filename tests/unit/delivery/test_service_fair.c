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
        assembly_join(&a, i == 0 ? ASSEMBLY_OWNER : ASSEMBLY_GUEST);
        assert_true(assembly_settle(&a, 5 * US_PER_S));
    }
}

static uint64_t epoch(void) {
    return member_epoch(a.people[0].member);
}

static const struct service_counters *counters(void) {
    return service_counters_get(a.service);
}

/* The server gets this from the person's connection, whatever the person's own side does. */
static void lie(int person, const struct wire_message *message) {
    assembly_say(&a, person, true, message);
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
            (void)member_remove(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng,
                                span_str(a.people[4].identity));
            assembly_drain(&a, 0);
        }
        assembly_run(&a, 10 * US_PER_MS);
    }
    assert_false(member_person_find(a.people[0].member, span_str(a.people[4].identity), &seen));
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
        lie(5, &(struct wire_message){.type = WIRE_BAD, .epoch = epoch(), .status = MLS_PROPOSAL_REFUSED});
        assembly_run(&a, 3 * US_PER_S);
    }
    assert_true(a.people[5].ended);
    assert_int_equal(a.people[5].gone, WIRE_GONE_CANNOT_FOLLOW);
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

static void who_enters_after_a_commit_that_is_of_no_use_is_not_stuck(void **state) {
    (void)state;
    meeting_of(6, 4);
    /* everybody but the author refuses the newest commit at once */
    heals(3);
    assembly_run(&a, 300 * US_PER_MS);
    for (int i = 0; i < 3; i++)
        lie(i, &(struct wire_message){.type = WIRE_BAD, .epoch = epoch(), .status = MLS_CONFIRMATION_TAG_INVALID});
    assembly_join(&a, ASSEMBLY_GUEST);
    assert_true(assembly_settle(&a, 10 * US_PER_S));
    assert_int_equal(member_people(a.people[0].member), 5);
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

static void a_log_that_was_cut_sends_who_resumes_to_come_in_again(void **state) {
    (void)state;
    meeting_of(12, 13);
    assembly_cut(&a, 2, false);
    for (int person = 3; person < 13; person++) {
        for (int i = 0; i < 110; i++) /* the last ones beyond what one may say at once */
            (void)member_chat(a.people[person].member, 1, &a.rng, span_of(NULL, 0), span_str("i"), span_str("hm"));
        assembly_drain(&a, person);
    }
    for (int i = 0; i < 100 && counters()->service_resyncs == 0; i++) {
        for (int person = 0; person < 13 && i < 40; person++) {
            if (person == 2)
                continue;
            (void)member_chat(a.people[person].member, 1, &a.rng, span_of(NULL, 0), span_str("i"), span_str("hm"));
            assembly_drain(&a, person);
        }
        assembly_run(&a, 50 * US_PER_MS);
    }
    assert_int_equal(counters()->service_resyncs, 1);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assert_int_equal(member_people(a.people[2].member), 13);
    assembly_end(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hosts_removal_takes_effect_however_busy_others_keep_the_group),
        cmocka_unit_test(who_refuses_the_commits_of_three_others_is_put_out),
        cmocka_unit_test(commits_that_nobody_asked_for_are_rationed),
        cmocka_unit_test(who_enters_after_a_commit_that_is_of_no_use_is_not_stuck),
        cmocka_unit_test(who_does_little_waits_little_however_much_the_others_do),
        cmocka_unit_test(a_log_that_was_cut_sends_who_resumes_to_come_in_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
