/* A server that answers late, answers what nobody asked, and tells again what was said before: no word of its leads a
 * member to less than it knows. */
#include "base/time.h"
#include "e2ee/mls_group.h"
#include "member/hostile.h"
#include "unit.h"

static struct mls_buf held;

static void hold_kept(void) {
    mls_buf_init(&held, WIRE_MESSAGE_LEN_MAX);
    mls_wr_span(&held, kept());
}

/* Person 2 lacks a commit, and asks to come in again; its way back is on its way, and the server keeps it. Then it gets
 * what it lacked, and is where the others are. */
static void keep_a_way_back(uint64_t seed) {
    begin(seed, 4);
    uint64_t epoch = a.people[2].key_epoch;
    h.person = 2;
    h.keep_type = WIRE_HANDSHAKE;
    h.drop_down[WIRE_HANDSHAKE] = h.drop_down[WIRE_READY] = 1;
    renew(0);
    hold_kept();
    keep_resync(2);
    inject(2, &(struct wire_message){.type = WIRE_READY, .seq = a.people[2].member->last_seq + 1, .epoch = epoch + 1});
    h.drop_up[WIRE_COMMIT] = 1;
    inject_kept(2);
    assembly_run(&a, US_PER_S);
    assert_int_equal(h.rejoins, 1);
    assert_int_equal(a.people[2].key_epoch, epoch);
    h.drop_up[WIRE_COMMIT] = h.drop_down[WIRE_HANDSHAKE] = h.drop_down[WIRE_READY] = 0;
    /* under the number that is the next for it now */
    struct wire_message late;
    assert_int_equal(wire_read(WIRE_FROM_SERVER, mls_buf_span(&held), &late), WIRE_OK);
    late.seq = a.people[2].member->last_seq + 1;
    inject(2, &late);
}

static void a_way_back_that_is_answered_late_undoes_no_removal(void **state) {
    (void)state;
    keep_a_way_back(60);
    uint64_t epoch = a.people[0].key_epoch;
    assembly_run(&a, US_PER_S);
    assert_int_equal(member_epoch(a.people[2].member), epoch);
    assert_true(assembly_agree(&a));
    assert_int_equal(remove_person(0, 3), MLS_OK);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assert_int_equal(member_people(a.people[2].member), 3);
    epoch = member_epoch(a.people[2].member);
    inject(2,
           &(struct wire_message){.type = WIRE_ACCEPTED, .seq = a.people[2].member->last_seq + 1, .epoch = epoch + 1});
    inject(2, &(struct wire_message){.type = WIRE_READY, .seq = a.people[2].member->last_seq + 2, .epoch = epoch + 1});
    assembly_run(&a, US_PER_S);
    assert_int_equal(member_people(a.people[2].member), 3);
    assert_true(member_epoch(a.people[2].member) >= epoch);
    mls_buf_free(&held);
    assert_true(assembly_settle(&a, 20 * US_PER_S));
    end();
}

static void a_way_back_is_not_accepted_where_a_commit_is_staged(void **state) {
    (void)state;
    keep_a_way_back(61);
    assembly_run(&a, 100000); /* it is staged, and does not stand */
    struct member *m = a.people[2].member;
    assert_int_equal(m->next, NEXT_STAGED);
    uint64_t epoch = member_epoch(m);
    h.drop_down[WIRE_READY] = 1;
    inject(2, &(struct wire_message){.type = WIRE_ACCEPTED, .epoch = epoch + 2});
    assembly_run(&a, 10000);
    inject(2, &(struct wire_message){.type = WIRE_WITHDRAWN, .epoch = epoch + 2});
    h.drop_down[WIRE_READY] = 0;
    assembly_run(&a, 3 * US_PER_S);
    /* the host's commit is applied all the same, and what follows is followed */
    assert_int_equal(member_epoch(m), epoch + 1);
    renew(0);
    renew(0);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assert_int_equal(h.rejoins, 1);
    assert_false(a.people[2].ended);
    mls_buf_free(&held);
    end();
}

/* Of a number that the server gave to nothing a member believes that it was given to something, and misses what has it:
 * here that a commit stands. */
static void who_was_told_of_a_number_too_many_is_not_stuck(void **state) {
    (void)state;
    begin(67, 3);
    struct member *m = a.people[2].member;
    h.person = 2;
    h.drop_down[WIRE_READY] = 1;
    assert_int_equal(member_commit(a.people[1].member, &a.rng, span_of(NULL, 0), false, false, span_of(NULL, 0)),
                     MLS_OK);
    act(1);
    assert_int_equal(m->next, NEXT_STAGED);
    inject(2, &(struct wire_message){.type = WIRE_SENT, .seq = m->last_seq + 1});
    assembly_run(&a, 10000);
    h.drop_down[WIRE_READY] = 0;
    assembly_cut(&a, 2, false);
    assert_true(assembly_settle(&a, 20 * US_PER_S));
    end();
}

/* ---- what is said once a connection ---- */

static void a_second_challenge_and_a_state_that_answers_nothing_are_refused(void **state) {
    (void)state;
    static const uint8_t nonce[WIRE_NONCE_LEN];
    begin(62, 3);
    struct member *m = a.people[2].member;
    uint64_t epoch = member_epoch(m);
    /* it would restate in the middle of a connection, and forget what was announced */
    inject(2, &(struct wire_message){
                  .type = WIRE_CHALLENGE, .nonce = span_of(nonce, sizeof nonce), .unix_s = ASSEMBLY_UNIX_S(&a)});
    assembly_run(&a, 10000);
    assert_int_equal(alarms(2, MEMBER_ALARM_ORDER), 1);
    assert_false(m->resuming);
    /* it would never be asked again, and take any resync */
    inject(2, &(struct wire_message){.type = WIRE_STATE,
                                     .suite = FAST,
                                     .standing = WIRE_STANDING_RESUMED,
                                     .epoch = UINT64_MAX,
                                     .seq = UINT64_MAX});
    assembly_run(&a, 10000);
    assert_int_equal(alarms(2, MEMBER_ALARM_ORDER), 2);
    assert_false(m->catching_up);
    assert_int_equal(m->behind_epoch, 0);
    renew(0);
    assert_int_equal(member_epoch(m), epoch + 1);
    assert_true(assembly_agree(&a));
    end();
}

static void who_waits_over_many_connections_keeps_few_keys_and_none_when_it_is_in(void **state) {
    (void)state;
    begin(63, 2);
    h.person = 2;
    h.drop_up[WIRE_HELLO] = 1;
    int late = assembly_join(&a, ASSEMBLY_GUEST);
    assert_int_equal(late, 2);
    struct member *m = a.people[2].member;
    for (int i = 0; i < 200; i++) {
        assembly_run(&a, 500000);
        assembly_cut(&a, 2, false);
        assembly_run(&a, 9 * US_PER_S);
        assert_false(a.people[2].ended);
        assert_true(m->client->package_count <= 4);
    }
    h.drop_up[WIRE_HELLO] = 0;
    assembly_cut(&a, 2, false);
    assert_true(assembly_settle(&a, 20 * US_PER_S));
    assert_int_equal(m->client->package_count, 0);
    end();
}

/* ---- who confirms our epoch ---- */

static void words_of_an_epoch_before_confirm_nothing(void **state) {
    (void)state;
    static const uint8_t heartbeat[] = {CONTENT_HEARTBEAT}, too_long[] = {CONTENT_HEARTBEAT, 0};
    begin(64, 2);
    struct member *m = a.people[1].member;
    h.person = 1;
    h.drop_down[WIRE_APP_FROM] = 1;
    h.keep_type = WIRE_APP_FROM;
    say(0, span_of(heartbeat, sizeof heartbeat));
    h.keep_type = 0;
    renew(0);
    m->heard_us = 1;
    struct wire_message late = kept_message();
    late.seq = 0;
    inject(1, &late);
    assembly_run(&a, 1000);
    assert_int_equal(m->heard_us, 1);
    h.drop_down[WIRE_APP_FROM] = 0;
    say(0, span_of(too_long, sizeof too_long));
    assert_int_equal(m->heard_us, 1);
    say(0, span_of(heartbeat, sizeof heartbeat));
    assert_true(m->heard_us > 1);
    end();
}

/* ---- what is asked ---- */

static void only_an_entrants_commit_is_looked_at_for_the_server(void **state) {
    (void)state;
    begin(65, 3);
    h.person = 2;
    h.keep_type = WIRE_APP_FROM;
    h.drop_down[WIRE_APP_FROM] = 1;
    chat(1, span_of(NULL, 0), "not used up");
    h.drop_down[WIRE_APP_FROM] = h.keep_type = 0;
    struct wire_message words = kept_message();
    inject(2, &(struct wire_message){
                  .type = WIRE_CHECK_NOW, .ticket = 1, .commit = words.message, .group_info = words.message});
    assembly_run(&a, 100000);
    words = kept_message();
    words.seq = 0;
    inject(2, &words);
    assembly_run(&a, 100000);
    assert_int_equal(a.people[2].chats, 1);
    assert_int_equal(alarms(2, MEMBER_ALARM_CONTENT), 0);
    end();
}

static void a_remove_that_was_shown_for_checking_is_not_forgotten(void **state) {
    (void)state;
    begin(66, 3);
    h.keep_type = WIRE_HANDSHAKE;
    h.drop_up[WIRE_COMMIT] = 1;
    assembly_leave(&a, 2);
    struct mls_proposal_info info;
    for (int i = 0; i < 100 && !mls_proposal_at(a.people[0].member->group, 0, &info); i++)
        assembly_run(&a, 10000);
    assert_true(mls_proposal_at(a.people[0].member->group, 0, &info));
    h.keep_type = 0;
    struct wire_message remove = kept_message();
    inject(0, &(struct wire_message){
                  .type = WIRE_CHECK_NOW, .ticket = 1, .commit = remove.message, .group_info = remove.message});
    assembly_run(&a, 10000);
    assert_true(mls_proposal_at(a.people[0].member->group, 0, &info));
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_way_back_that_is_answered_late_undoes_no_removal),
        cmocka_unit_test(a_way_back_is_not_accepted_where_a_commit_is_staged),
        cmocka_unit_test(who_was_told_of_a_number_too_many_is_not_stuck),
        cmocka_unit_test(a_second_challenge_and_a_state_that_answers_nothing_are_refused),
        cmocka_unit_test(who_waits_over_many_connections_keeps_few_keys_and_none_when_it_is_in),
        cmocka_unit_test(words_of_an_epoch_before_confirm_nothing),
        cmocka_unit_test(only_an_entrants_commit_is_looked_at_for_the_server),
        cmocka_unit_test(a_remove_that_was_shown_for_checking_is_not_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
