/* Meetings' groups as a whole: the client side and the delivery service over links with delay, cuts and crashes. */
#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "e2ee/heap_watch.h"
#include "sim/assembly.h"
#include "unit.h"

#define FAST MLS_SUITE_X25519_AES128GCM_SHA256_ED25519
#define HYBRID MLS_SUITE_XWING_AES256GCM_SHA384_ED25519

static struct assembly a;

static uint32_t alarms(void) {
    uint32_t count = 0;
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++)
        count += a.people[i].alarms;
    return count;
}

static struct span id_of(int person) {
    return span_str(a.people[person].identity);
}

/* So many come one after the other; the first is the owner. */
static void gather(int people) {
    for (int i = 0; i < people; i++) {
        assembly_join(&a, i == 0 ? ASSEMBLY_OWNER : ASSEMBLY_GUEST);
        assert_true(assembly_settle(&a, 5 * US_PER_S));
    }
}

static void same_keys(int first, int second) {
    assert_int_equal(a.people[first].key_epoch, a.people[second].key_epoch);
    assert_memory_equal(a.people[first].key, a.people[second].key, sizeof a.people[first].key);
}

static void two_people_share_keys_names_and_a_code(void **state) {
    (void)state;
    struct member_person seen;
    const uint16_t suites[] = {FAST, HYBRID};
    for (size_t s = 0; s < 2; s++) {
        assembly_begin(&a, 1, suites[s]);
        gather(2);
        assembly_run(&a, US_PER_S);
        same_keys(0, 1);
        assert_int_equal(a.people[0].seal_epoch, 1);
        assert_true(a.people[0].admitted && a.people[1].admitted);
        assert_true(member_person_find(a.people[0].member, id_of(1), &seen));
        assert_true(span_equal_str(seen.name, "Person 1") && seen.named && seen.checked && !seen.host);
        assert_true(member_person_find(a.people[1].member, id_of(0), &seen));
        assert_true(span_equal_str(seen.name, "Person 0") && seen.named && seen.host);
        char codes[2][GROUP_CODE_DIGITS + 1];
        for (int k = 0; k < 2; k++)
            assert_true(member_code(a.people[k].member, codes[k]));
        assert_string_equal(codes[0], codes[1]);
        assert_int_equal(alarms(), 0);
        assembly_end(&a);
    }
}

static void chat_reaches_everybody_and_private_chat_one(void **state) {
    (void)state;
    assembly_begin(&a, 2, FAST);
    gather(3);
    assert_int_equal(member_chat(a.people[1].member, 1, &a.rng, span_of(NULL, 0), span_str("id"), span_str("to all")),
                     MLS_OK);
    assembly_drain(&a, 1);
    assembly_run(&a, US_PER_S);
    assert_string_equal(a.people[0].last_chat, "to all");
    assert_string_equal(a.people[2].last_chat, "to all");
    assert_string_equal(a.people[2].last_from, a.people[1].identity);
    assert_int_equal(a.people[1].chats, 0);
    assert_int_equal(member_chat(a.people[1].member, 1, &a.rng, id_of(2), span_str("id"), span_str("to one")), MLS_OK);
    assembly_drain(&a, 1);
    assembly_run(&a, US_PER_S);
    assert_string_equal(a.people[2].last_chat, "to one");
    assert_int_equal(a.people[2].private_chats, 1);
    assert_int_equal(a.people[0].private_chats + a.people[0].chats, 1);
    assert_int_equal(alarms(), 0);
    assembly_end(&a);
}

static void a_private_message_arrives_once_though_its_receivers_key_changes_on_the_way(void **state) {
    (void)state;
    for (uint64_t late_us = 0; late_us <= 400000; late_us += 20000) {
        assembly_begin(&a, 20 + late_us, FAST);
        gather(3);
        a.people[0].delay_us = 5000;
        a.people[1].delay_us = 200000; /* hears of the host's commit long after it was taken */
        assembly_leave(&a, 2);
        assembly_run(&a, late_us);
        assert_int_equal(member_chat(a.people[1].member, 1, &a.rng, id_of(0), span_str("id"), span_str("to one")),
                         MLS_OK);
        assembly_drain(&a, 1);
        assembly_run(&a, 2 * US_PER_S);
        assert_int_equal(a.people[0].private_chats, 1);
        assert_int_equal(alarms(), 0);
        assembly_end(&a);
    }
}

static void private_messages_of_ours_are_kept_for_seconds_only(void **state) {
    (void)state;
    static const char words[] = "words for the one and for nobody else";
    assembly_begin(&a, 32, FAST);
    gather(2);
    assert_int_equal(member_chat(a.people[1].member, 1, &a.rng, id_of(0), span_str("id"), span_str(words)), MLS_OK);
    assembly_drain(&a, 1);
    assembly_run(&a, US_PER_S);
    assert_string_equal(a.people[0].last_chat, words);
    assert_true(heap_holds(words, sizeof words - 1));
    assembly_run(&a, 5 * US_PER_S);
    assert_false(heap_holds(words, sizeof words - 1));
    assembly_end(&a);
}

static uint32_t welcomes, committers_named;

static bool count_welcomes(void *context, int person, struct span message) {
    (void)context;
    (void)person;
    welcomes += message.data[0] == WIRE_WELCOME;
    committers_named += message.data[0] == WIRE_COMMIT_NOW;
    return true;
}

static void many_at_once_are_let_in_together(void **state) {
    (void)state;
    assembly_begin(&a, 3, FAST);
    a.watch.down = count_welcomes;
    for (int i = 0; i < 30; i++) {
        assembly_join(&a, ASSEMBLY_GUEST);
        assembly_run(&a, rng_below(&a.rng, 60000));
    }
    assert_true(assembly_settle(&a, 10 * US_PER_S));
    assembly_run(&a, 3 * US_PER_S);
    const struct service_counters *c = service_counters_get(a.service);
    assert_true(welcomes > 5);
    assert_true(c->service_commits < 29);
    struct member_person seen;
    for (int i = 0; i < 30; i++) { /* names have come to all */
        uint32_t cursor = 0;
        while (member_person_next(a.people[i].member, &cursor, &seen))
            assert_true(seen.named);
    }
    assert_int_equal(alarms(), 0);
    assembly_end(&a);
}

static void who_leaves_is_out_within_a_second_and_has_no_newer_keys(void **state) {
    (void)state;
    assembly_begin(&a, 4, FAST);
    gather(6);
    uint64_t epoch = a.people[0].key_epoch;
    assembly_leave(&a, 3);
    uint64_t start_us = a.now_us;
    assert_true(assembly_settle(&a, US_PER_S));
    assert_true(a.now_us - start_us <= US_PER_S);
    assert_int_equal(a.people[0].key_epoch, epoch + 1);
    assert_true(a.people[3].ended && a.people[3].key_epoch == epoch);
    assert_false(a.people[3].admitted);
    assert_int_equal(member_people(a.people[0].member), 5);
    assert_int_equal(alarms(), 0);
    assembly_end(&a);
}

static void a_cut_connection_resumes_and_misses_nothing(void **state) {
    (void)state;
    assembly_begin(&a, 5, FAST);
    gather(4);
    assembly_cut(&a, 2, false);
    assembly_run(&a, 50000);
    assert_int_equal(member_chat(a.people[0].member, 1, &a.rng, span_of(NULL, 0), span_str("x"), span_str("meanwhile")),
                     MLS_OK);
    assembly_drain(&a, 0);
    assembly_leave(&a, 3);
    assert_true(assembly_settle(&a, 8 * US_PER_S));
    assert_string_equal(a.people[2].last_chat, "meanwhile");
    assert_int_equal(member_people(a.people[2].member), 3);
    assert_true(a.people[2].admitted);
    same_keys(0, 2);
    assert_int_equal(alarms(), 0);
    assembly_end(&a);
}

static void who_crashes_is_removed_after_the_grace_period(void **state) {
    (void)state;
    static const uint64_t grace_us[] = {SERVICE_GRACE_HOST_US,
                                        SERVICE_GRACE_US}; /* the host, first in line to commit */
    for (int who = 0; who < 2; who++) {
        assembly_begin(&a, 6, FAST);
        gather(5);
        assembly_cut(&a, who, true);
        assembly_run(&a, grace_us[who] - US_PER_S);
        assert_int_equal(member_people(a.people[2].member), 5);
        assert_true(assembly_settle(&a, 4 * US_PER_S));
        assert_int_equal(member_people(a.people[2].member), 4);
        assert_int_equal(alarms(), 0);
        assembly_end(&a);
    }
}

static void who_goes_before_the_commit_that_adds_it_does_not_stay_in_the_group(void **state) {
    (void)state;
    for (int crash = 0; crash < 2; crash++) {
        assembly_begin(&a, 30, FAST);
        gather(3);
        a.commit_slow_us = US_PER_S;
        a.watch.down = count_welcomes;
        committers_named = 0;
        for (int i = 3; i < 9; i++)
            assembly_join(&a, ASSEMBLY_GUEST);
        for (int i = 0; i < 5000 && committers_named == 0; i++)
            assembly_run(&a, 1000);
        assert_true(committers_named > 0);
        for (int i = 3; i < 9; i++) {
            if (crash == 1)
                assembly_cut(&a, i, true);
            else
                assembly_leave(&a, i);
        }
        assembly_run(&a, SERVICE_GRACE_US + 3 * US_PER_S);
        a.commit_slow_us = 0;
        assert_true(assembly_settle(&a, 5 * US_PER_S));
        uint32_t cursor = 0, members = 0;
        struct span identity;
        while (service_member_next(a.service, span_str(a.meeting), &cursor, &identity))
            members++;
        assert_int_equal(members, 3);
        assert_int_equal(alarms(), 0);
        assembly_end(&a);
    }
}

static void committers_that_crash_are_passed_over(void **state) {
    (void)state;
    assembly_begin(&a, 7, FAST);
    gather(8);
    /* three vanish without a word at the moment when somebody leaves; the server still thinks that they are there */
    for (int i = 0; i < 3; i++) {
        a.people[i].crashed = true;
        a.people[i].up = false;
    }
    assembly_leave(&a, 7);
    uint64_t start_us = a.now_us;
    while (a.now_us < start_us + 6 * US_PER_S && member_people(a.people[4].member) != 7)
        assembly_run(&a, 20000);
    assert_int_equal(member_people(a.people[4].member), 7);
    same_keys(4, 5);
    assembly_end(&a);
}

static void without_the_links_secret_nobody_gets_in(void **state) {
    (void)state;
    assembly_begin(&a, 8, FAST);
    assembly_join(&a, ASSEMBLY_GUEST);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    int stranger = assembly_join(&a, ASSEMBLY_STRANGER);
    assembly_run(&a, 20 * US_PER_S);
    assert_true(a.people[stranger].keys == 0);
    assert_false(a.people[stranger].admitted);
    assert_int_equal(member_people(a.people[0].member), 1);
    int friend = assembly_join(&a, ASSEMBLY_GUEST);
    assembly_run(&a, 10 * US_PER_S);
    assert_int_equal(member_state(a.people[friend].member), MEMBER_IN);
    assert_int_equal(member_people(a.people[0].member), 2);
    assembly_end(&a);
}

static void an_empty_meeting_is_forgotten(void **state) {
    (void)state;
    assembly_begin(&a, 9, FAST);
    gather(3);
    for (int i = 0; i < 3; i++)
        assembly_leave(&a, i);
    assembly_run(&a, SERVICE_GRACE_US + US_PER_S);
    assert_int_equal(a.over, 1);
    assert_int_equal(service_meetings(a.service), 0);
    int again = assembly_join(&a, ASSEMBLY_GUEST);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assert_int_equal(member_epoch(a.people[again].member), 0);
    assembly_end(&a);
}

static bool says_nothing(void *context, int person, struct span message) {
    (void)context;
    (void)person;
    (void)message;
    return false;
}

static void a_connection_that_never_says_hello_is_closed(void **state) {
    (void)state;
    assembly_begin(&a, 5, FAST);
    assembly_join(&a, ASSEMBLY_GUEST);
    a.watch.up = says_nothing;
    assembly_run(&a, US_PER_S);
    uint32_t connection = a.people[0].connection;
    assembly_run(&a, SERVICE_HELLO_US - 2 * US_PER_S);
    assert_true(a.people[0].up && a.people[0].connection == connection);
    assembly_run(&a, 3 * US_PER_S);
    assert_true(a.people[0].connection != connection); /* it tries again */
    assembly_end(&a);
}

static void a_host_removes_somebody_and_others_may_not(void **state) {
    (void)state;
    assembly_begin(&a, 10, FAST);
    gather(4);
    assert_int_equal(member_remove(a.people[1].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(2)),
                     MLS_PROPOSAL_REFUSED);
    assert_int_equal(member_remove(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(2)), MLS_OK);
    assembly_drain(&a, 0);
    assembly_run(&a, US_PER_S);
    assert_true(assembly_agree(&a));
    assert_true(a.people[2].ended && a.people[2].gone == WIRE_GONE_REMOVED);
    assert_false(a.people[2].admitted);
    assert_int_equal(member_make_host(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(1)), MLS_OK);
    assembly_drain(&a, 0);
    assembly_run(&a, US_PER_S);
    assert_int_equal(member_remove(a.people[1].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(3)), MLS_OK);
    assembly_drain(&a, 1);
    assembly_run(&a, US_PER_S);
    assert_true(assembly_agree(&a) && a.people[3].ended);
    assert_int_equal(alarms(), 0);
    assembly_end(&a);
}

static void an_answer_to_a_commit_that_lost_is_not_taken_for_its_successors(void **state) {
    (void)state;
    assembly_begin(&a, 11, FAST);
    gather(5);
    assert_int_equal(member_make_host(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(1)), MLS_OK);
    assembly_drain(&a, 0);
    assembly_run(&a, US_PER_S);
    a.people[0].delay_us = 120000;
    a.people[1].delay_us = 1000;
    uint64_t epoch = a.people[0].key_epoch;
    /* the second is faster; when the first hears of that it tries again, and only then hears that it lost */
    assert_int_equal(member_remove(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(2)), MLS_OK);
    assembly_drain(&a, 0);
    assert_int_equal(member_remove(a.people[1].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(3)), MLS_OK);
    assembly_drain(&a, 1);
    while (a.people[0].key_epoch == epoch)
        assembly_run(&a, 1000);
    assert_int_equal(member_remove(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(2)), MLS_OK);
    assembly_drain(&a, 0);
    assembly_run(&a, US_PER_S);
    assert_true(assembly_agree(&a));
    assert_int_equal(a.people[0].key_epoch, epoch + 2);
    assert_true(a.people[2].ended && a.people[3].ended);
    same_keys(0, 1);
    same_keys(0, 4);
    assert_int_equal(alarms(), 0);
    assembly_end(&a);
}

static void who_hears_of_the_own_commit_after_giving_it_up_comes_in_again(void **state) {
    (void)state;
    assembly_begin(&a, 14, FAST);
    gather(4);
    a.people[0].delay_us = 14 * US_PER_S;
    assert_int_equal(member_remove(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(2)), MLS_OK);
    assembly_drain(&a, 0);
    a.people[0].delay_us = 1000;
    uint64_t epoch = a.people[1].key_epoch;
    while (a.people[1].key_epoch == epoch)
        assembly_run(&a, 1000);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assert_true(a.people[2].ended);
    assert_int_equal(member_people(a.people[0].member), 3);
    same_keys(0, 1);
    same_keys(0, 3);
    assert_int_equal(alarms(), 0);
    assembly_end(&a);
}

/* Each new epoch when its window is over at the latest, though the next one comes at once. */
static void commits_that_follow_each_other_do_not_put_off_new_keys(void **state) {
    (void)state;
    assembly_begin(&a, 12, FAST);
    assembly_join(&a, ASSEMBLY_GUEST);
    assembly_join(&a, ASSEMBLY_GUEST);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    a.people[0].delay_us = 1000;
    a.people[1].delay_us = 500000; /* acknowledges late */
    uint64_t entered_us[64] = {0}, begun_us = a.now_us, old = a.people[0].key_epoch;
    while (a.now_us < begun_us + 3 * US_PER_S) {
        if ((a.now_us - begun_us) % 100000 == 0 && a.now_us < begun_us + 2500000)
            a.people[assembly_join(&a, ASSEMBLY_GUEST)].delay_us = 1000;
        assembly_run(&a, 10000);
        uint64_t newest = a.people[0].key_epoch;
        assert_true(newest < 64);
        if (entered_us[newest] == 0)
            entered_us[newest] = a.now_us;
        for (uint64_t epoch = old + 1; epoch <= newest; epoch++) {
            if (entered_us[epoch] != 0 && a.now_us > entered_us[epoch] + ORDER_READY_US + 30000)
                assert_true(a.people[0].seal_epoch >= epoch);
        }
    }
    assert_true(a.people[0].key_epoch > old + 6);
    assembly_end(&a);
}

/* Media flows on while the connection to the group is down. */
static void who_loses_the_connection_goes_over_to_the_new_keys_all_the_same(void **state) {
    (void)state;
    assembly_begin(&a, 13, FAST);
    gather(4);
    a.people[2].delay_us = 1000000; /* no "ready" before */
    uint64_t epoch = a.people[0].key_epoch;
    assembly_leave(&a, 3);
    while (a.people[0].key_epoch == epoch)
        assembly_run(&a, 1000);
    assert_true(a.people[0].seal_epoch <= epoch);
    assembly_cut(&a, 0, false);
    assembly_run(&a, MEMBER_SWITCH_US + 2000);
    assert_int_equal(a.people[0].seal_epoch, epoch + 1);
    assembly_end(&a);
}

static void random_meetings_converge(void **state) {
    (void)state;
    const char *text = getenv("ASSEMBLY_SEEDS");
    uint64_t seeds = text != NULL ? strtoull(text, NULL, 10) : 25;
    for (uint64_t seed = 100; seed < 100 + seeds; seed++) {
        assembly_begin(&a, seed, FAST);
        int joined = 0;
        for (int step = 0; step < 60; step++) {
            int who = joined > 0 ? (int)rng_below(&a.rng, (uint64_t)joined) : 0;
            bool usable = joined > 0 && !a.people[who].ended && !a.people[who].crashed;
            switch (rng_below(&a.rng, 8)) {
            case 0:
            case 1:
            case 2:
                if (joined < 40) {
                    assembly_join(&a, ASSEMBLY_GUEST);
                    joined++;
                }
                break;
            case 3:
                if (usable && assembly_in(&a) > 2)
                    assembly_leave(&a, who);
                break;
            case 4:
                if (usable && a.people[who].up)
                    assembly_cut(&a, who, assembly_in(&a) > 2 && rng_below(&a.rng, 3) == 0);
                break;
            default:
                if (usable && member_state(a.people[who].member) == MEMBER_IN) {
                    (void)member_chat(a.people[who].member, 1, &a.rng, span_of(NULL, 0), span_str("i"), span_str("hm"));
                    assembly_drain(&a, who);
                }
            }
            assembly_run(&a, rng_below(&a.rng, rng_below(&a.rng, 4) == 0 ? 2 * US_PER_S : 100000));
        }
        bool settled = assembly_settle(&a, 40 * US_PER_S);
        if (!settled || alarms() != 0)
            printf("seed %llu: settled %d, alarms %u\n", (unsigned long long)seed, settled, alarms());
        assert_true(settled);
        assert_int_equal(alarms(), 0);
        assembly_end(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_people_share_keys_names_and_a_code),
        cmocka_unit_test(chat_reaches_everybody_and_private_chat_one),
        cmocka_unit_test(a_private_message_arrives_once_though_its_receivers_key_changes_on_the_way),
        cmocka_unit_test(private_messages_of_ours_are_kept_for_seconds_only),
        cmocka_unit_test(many_at_once_are_let_in_together),
        cmocka_unit_test(who_leaves_is_out_within_a_second_and_has_no_newer_keys),
        cmocka_unit_test(a_cut_connection_resumes_and_misses_nothing),
        cmocka_unit_test(who_crashes_is_removed_after_the_grace_period),
        cmocka_unit_test(who_goes_before_the_commit_that_adds_it_does_not_stay_in_the_group),
        cmocka_unit_test(committers_that_crash_are_passed_over),
        cmocka_unit_test(without_the_links_secret_nobody_gets_in),
        cmocka_unit_test(an_empty_meeting_is_forgotten),
        cmocka_unit_test(a_connection_that_never_says_hello_is_closed),
        cmocka_unit_test(a_host_removes_somebody_and_others_may_not),
        cmocka_unit_test(an_answer_to_a_commit_that_lost_is_not_taken_for_its_successors),
        cmocka_unit_test(who_hears_of_the_own_commit_after_giving_it_up_comes_in_again),
        cmocka_unit_test(commits_that_follow_each_other_do_not_put_off_new_keys),
        cmocka_unit_test(who_loses_the_connection_goes_over_to_the_new_keys_all_the_same),
        cmocka_unit_test(random_meetings_converge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
