/* The client rules against those who break them: a server that says what it likes (messages injected, changed and kept
 * back on the way), and members whose program was changed (what they send is made here, with their own keys). */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "member/hostile.h"
#include "unit.h"

/* ---- coming back ---- */

static void a_resync_that_was_not_asked_for_is_refused_and_shown(void **state) {
    (void)state;
    begin(1, 3);
    keep_resync(2);
    uint32_t rejoins = h.rejoins;
    inject_kept(2);
    assembly_run(&a, 3 * US_PER_S);
    assert_int_equal(h.rejoins, rejoins); /* it does not go where it is led */
    assert_int_equal(alarms(2, MEMBER_ALARM_FORK), 1);
    assert_true(assembly_agree(&a));
    end();
}

static void a_resync_into_a_fork_is_refused(void **state) {
    (void)state;
    begin(2, 3);
    /* the third is told that its own commit was taken, while the others go on with another */
    h.person = 2;
    h.drop_up[WIRE_COMMIT] = h.drop_down[WIRE_HANDSHAKE] = h.drop_down[WIRE_READY] = 1;
    uint64_t epoch = a.people[2].key_epoch;
    assert_int_equal(member_commit(a.people[2].member, &a.rng, span_of(NULL, 0), false, false, span_of(NULL, 0)),
                     MLS_OK);
    assembly_drain(&a, 2);
    uint64_t seq = a.people[2].member->last_seq;
    inject(2, &(struct wire_message){.type = WIRE_ACCEPTED, .seq = seq + 1, .epoch = epoch + 1});
    inject(2, &(struct wire_message){.type = WIRE_READY, .seq = seq + 2, .epoch = epoch + 1});
    assembly_run(&a, 1000);
    assert_int_equal(member_epoch(a.people[2].member), epoch + 1);
    renew(0);
    assert_int_equal(a.people[0].key_epoch, epoch + 1);
    assert_false(assembly_agree(&a));
    /* now it misses something, and is led over */
    keep_resync(2);
    a.people[2].member->astray = true;
    h.drop_up[WIRE_COMMIT] = 0;
    inject_kept(2);
    assembly_run(&a, 3 * US_PER_S);
    assert_int_equal(a.people[2].key_epoch, epoch + 1);
    assert_false(assembly_agree(&a));
    assert_true(alarms(2, MEMBER_ALARM_FORK) > 0);
    end();
}

static void a_lower_epoch_is_refused(void **state) {
    (void)state;
    begin(3, 3);
    keep_resync(2);
    renew(0);
    renew(0);
    uint64_t epoch = a.people[2].key_epoch;
    uint32_t rejoins = h.rejoins;
    a.people[2].member->astray = true;
    inject_kept(2);
    assembly_run(&a, 3 * US_PER_S);
    assert_true(a.people[2].key_epoch >= epoch);
    assert_int_equal(h.rejoins, rejoins);
    assert_true(alarms(2, MEMBER_ALARM_FORK) > 0);
    assert_true(assembly_agree(&a));
    end();
}

static void a_resync_to_another_group_is_refused(void **state) {
    (void)state;
    /* another meeting of the same id and link, as a server that has the link can make it */
    begin(4, 2);
    keep_resync(1);
    struct wire_message foreign = kept_message();
    struct mls_buf info;
    mls_buf_init(&info, foreign.group_info.len);
    mls_wr_span(&info, foreign.group_info);
    foreign.group_info = mls_buf_span(&info);
    end();
    struct mls_buf hash;
    mls_buf_init(&hash, 64);
    mls_wr_span(&hash, span_str("a hash of some tree that the server has"));
    foreign.tree_hash = mls_buf_span(&hash);
    begin(5, 3);
    a.people[2].member->astray = true;
    h.person = 2;
    h.no_fetch = true;
    inject(2, &foreign);
    assembly_run(&a, US_PER_S);
    assert_int_equal(alarms(2, MEMBER_ALARM_FORK), 1);
    assert_true(assembly_agree(&a));
    mls_buf_free(&info);
    mls_buf_free(&hash);
    end();
}

/* A commit that person 2 alone cannot read, with all that follows. */
static void spoil_a_commit(void) {
    h.person = 2;
    h.keep_type = WIRE_HANDSHAKE;
    h.drop_down[WIRE_HANDSHAKE] = 1;
    renew(0);
    h.drop_down[WIRE_HANDSHAKE] = 0;
    h.keep_type = 0;
    h.kept[h.kept_len - 1] ^= 1;
    struct mls_buf copy;
    mls_buf_init(&copy, h.kept_len);
    mls_wr_span(&copy, kept());
    assembly_inject(&a, 2, false, mls_buf_span(&copy));
    mls_buf_free(&copy);
}

static void a_good_group_is_kept_until_a_better_one_works(void **state) {
    (void)state;
    char code[GROUP_CODE_DIGITS + 1];
    begin(6, 3);
    h.drop_down[WIRE_ACCEPTED] = h.drop_down[WIRE_STALE] = 1; /* the way back is never answered */
    spoil_a_commit();
    for (int i = 0; i < 100; i++) {
        assembly_run(&a, 50000);
        assert_true(member_code(a.people[2].member, code));
        assert_false(a.people[2].ended);
    }
    h.drop_down[WIRE_ACCEPTED] = h.drop_down[WIRE_STALE] = 0;
    assembly_cut(&a, 2, false); /* it does not hear of its own way back */
    assembly_run(&a, 100000);
    assert_true(member_code(a.people[2].member, code));
    assert_true(assembly_settle(&a, 20 * US_PER_S));
    assert_false(a.people[2].ended);
    end();
}

static void a_useless_group_info_holds_nobody_up_for_long(void **state) {
    (void)state;
    begin(7, 3);
    h.spoil_group_info = true;
    spoil_a_commit();
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assert_int_equal(alarms(2, MEMBER_ALARM_FORK), 1); /* no server that looks at it hands that out */
    end();
}

static void a_welcome_during_a_join_overwrites_nothing(void **state) {
    (void)state;
    begin(8, 2);
    h.person = 2;
    h.drop_up[WIRE_COMMIT] = 1; /* its external commit does not arrive, and it waits for an answer */
    int late = assembly_join(&a, ASSEMBLY_GUEST);
    assert_int_equal(late, 2);
    assembly_run(&a, 1500000);
    assembly_join(&a, ASSEMBLY_GUEST);
    assert_true(assembly_settle(&a, 10 * US_PER_S));
    assert_true(h.downs[WIRE_WELCOME] > 0);
    /* the answer to what it had begun, now that it is in */
    inject(2, &(struct wire_message){
                  .type = WIRE_ACCEPTED, .seq = a.people[2].member->last_seq, .epoch = a.people[2].key_epoch});
    assembly_run(&a, US_PER_S);
    assert_true(assembly_agree(&a));
    end(); /* which finds a group that nobody owns */
}

/* ---- who wrote it ---- */

static void a_forged_author_across_epochs_is_refused(void **state) {
    (void)state;
    begin(9, 3);
    h.person = 2;
    h.keep_type = WIRE_APP_FROM;
    h.drop_down[WIRE_APP_FROM] = 1;
    chat(1, span_of(NULL, 0), "I am the host");
    h.drop_down[WIRE_APP_FROM] = h.keep_type = 0;
    struct wire_message forged = kept_message();
    renew(0);
    forged.identity = id_of(0);
    forged.seq = a.people[2].member->last_seq + 1;
    inject(2, &forged);
    assembly_run(&a, US_PER_S);
    assert_int_equal(a.people[2].chats, 0);
    assert_int_equal(alarms(2, MEMBER_ALARM_FROM), 1);
    end();
}

static void a_late_message_of_one_who_left_keeps_its_author(void **state) {
    (void)state;
    begin(10, 3);
    a.people[0].delay_us = a.people[2].delay_us = 1000;
    h.person = 2;
    h.keep_type = WIRE_APP_FROM;
    h.drop_down[WIRE_APP_FROM] = 1;
    chat(1, span_of(NULL, 0), "bye");
    h.drop_down[WIRE_APP_FROM] = h.keep_type = 0;
    struct wire_message late = kept_message();
    assembly_leave(&a, 1);
    assembly_run(&a, US_PER_S);
    assert_int_equal(member_people(a.people[2].member), 2);
    late.seq = a.people[2].member->last_seq + 1;
    inject(2, &late);
    assembly_run(&a, 100000);
    assert_int_equal(a.people[2].chats, 1);
    assert_string_equal(a.people[2].last_from, a.people[1].identity);
    assert_int_equal(alarms(2, MEMBER_ALARM_FROM), 0);
    end();
}

static void say_roster(int person, const char *title, const char *hand) {
    struct mls_buf hands, content;
    mls_buf_init(&hands, 100);
    mls_buf_init(&content, 1000);
    mls_wr_vec(&hands, span_str(hand));
    mls_wr_u8(&content, CONTENT_ROSTER);
    mls_wr_vec(&content, span_of(NULL, 0));
    mls_wr_vec(&content, span_str(title));
    mls_wr_vec(&content, mls_buf_span(&hands));
    say(person, mls_buf_span(&content));
    mls_buf_free(&hands);
    mls_buf_free(&content);
}

static void a_roster_changes_no_title_and_no_hand(void **state) {
    (void)state;
    struct member_person seen;
    begin(11, 2);
    /* a newcomer knows nothing, and still only the one who greets is believed */
    int newcomer = assembly_join(&a, ASSEMBLY_GUEST);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assembly_run(&a, 600000);
    say_roster(1, "false from the second", "p_0");
    assert_int_equal(member_title_text(a.people[newcomer].member).len, 0);
    assert_true(member_person_find(a.people[newcomer].member, id_of(0), &seen) && !seen.hand);
    /* and not later, nor against what is known */
    assembly_run(&a, ROSTER_WITHIN_US);
    say_roster(0, "too late", "p_1");
    for (int i = 1; i < 3; i++)
        assert_int_equal(member_title_text(a.people[i].member).len, 0);
    assert_true(member_person_find(a.people[newcomer].member, id_of(1), &seen) && !seen.hand);
    end();
}

static void who_comes_is_told_title_and_hands_by_who_let_it_in(void **state) {
    (void)state;
    struct member_person seen;
    begin(12, 2);
    assert_int_equal(member_title(a.people[0].member, &a.rng, span_str("the plan")), MLS_OK);
    assert_int_equal(member_hand(a.people[1].member, &a.rng, true), MLS_OK);
    assembly_drain(&a, 0);
    assembly_drain(&a, 1);
    assembly_run(&a, US_PER_S);
    for (int i = 0; i < 4; i++) /* one by itself, then several together */
        assembly_join(&a, ASSEMBLY_GUEST);
    assert_true(assembly_settle(&a, 10 * US_PER_S));
    assembly_run(&a, 2 * US_PER_S);
    for (int i = 2; i < 6; i++) {
        assert_true(span_equal_str(member_title_text(a.people[i].member), "the plan"));
        assert_true(member_person_find(a.people[i].member, id_of(1), &seen) && seen.hand);
    }
    end();
}

static void a_private_message_does_not_come_twice_however_many_follow(void **state) {
    (void)state;
    begin(13, 2);
    h.person = 0;
    h.keep_type = WIRE_DIRECT_FROM;
    for (int i = 0; i < 70; i++) {
        uint8_t text = (uint8_t)('0' + i);
        assert_int_equal(member_chat(a.people[1].member, 1, &a.rng, id_of(0), span_str("id"), span_of(&text, 1)),
                         MLS_OK);
        assembly_drain(&a, 1);
        assembly_run(&a, 300000);
        h.keep_type = 0;
    }
    assert_int_equal(a.people[0].private_chats, 70);
    inject_kept(0);
    assembly_run(&a, US_PER_S);
    assert_int_equal(a.people[0].private_chats, 70);
    end();
}

/* Its key package with an identity of its own choice, as somebody who has the link can make it. */
static void package_as(struct member *m, struct span name, struct mls_buf *out) {
    struct mls_identity identity = member_identity(m);
    struct mls_buf credential;
    mls_buf_init(&credential, 256);
    assert_int_equal(mls_credential_basic(name, &credential), MLS_OK);
    identity.credential = mls_buf_span(&credential);
    assert_int_equal(mls_key_package_create(m->client, &identity, NULL, ASSEMBLY_UNIX_S(&a), &a.rng, out), MLS_OK);
    mls_buf_free(&credential);
}

static void two_identities_never_become_one(void **state) {
    (void)state;
    begin(14, 2);
    int late = assembly_join(&a, ASSEMBLY_GUEST); /* never gets as far as hello */
    struct member *m = a.people[late].member;
    char names[5][64];
    snprintf(names[0], sizeof names[0], "\xef\xbb\xbf%s", a.people[1].identity);
    snprintf(names[1], sizeof names[1], "%s\xff", a.people[1].identity);
    snprintf(names[2], sizeof names[2], "%s ", a.people[1].identity);
    snprintf(names[3], sizeof names[3], "%s", a.people[1].identity);
    snprintf(names[4], sizeof names[4], "p_\xc3\xa9");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct mls_buf package, list;
        uint64_t epoch = member_epoch(a.people[0].member);
        mls_buf_init(&package, WIRE_PACKAGE_LEN_MAX);
        mls_buf_init(&list, WIRE_MESSAGE_LEN_MAX);
        package_as(m, span_str(names[i]), &package);
        wire_add_package(&list, &(struct wire_package){.key_package = mls_buf_span(&package)});
        h.drop_up[WIRE_HELLO] = 1;
        inject(0, &(struct wire_message){.type = WIRE_COMMIT_NOW, .epoch = epoch, .list = mls_buf_span(&list)});
        assembly_run(&a, US_PER_S);
        assert_int_equal(alarms(0, MEMBER_ALARM_IDENTITY), i + 1);
        assert_int_equal(member_epoch(a.people[0].member), epoch);
        assert_int_equal(member_people(a.people[0].member), 2);
        mls_buf_free(&package);
        mls_buf_free(&list);
    }
    end();
}

/* ---- going ---- */

static void a_removal_that_loses_the_race_is_made_again(void **state) {
    (void)state;
    begin(15, 4);
    a.people[0].delay_us = 200000;
    a.people[1].delay_us = 1000;
    assert_int_equal(member_remove(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(3)), MLS_OK);
    assembly_drain(&a, 0);
    renew(1); /* is faster */
    assembly_run(&a, 2 * US_PER_S);
    assert_true(a.people[3].ended);
    assert_int_equal(a.people[0].removals_done, 1);
    assert_int_equal(a.people[0].removals_failed, 0);
    assert_true(assembly_agree(&a));
    end();
}

static void a_removal_that_the_server_never_takes_is_told(void **state) {
    (void)state;
    begin(16, 3);
    h.person = 0;
    h.drop_up[WIRE_COMMIT] = 1;
    assert_int_equal(member_remove(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(2)), MLS_OK);
    assembly_drain(&a, 0);
    assembly_run(&a, MEMBER_REMOVAL_US - US_PER_S);
    assert_int_equal(a.people[0].removals_failed, 0);
    assembly_run(&a, 2 * US_PER_S);
    assert_int_equal(a.people[0].removals_failed, 1);
    end();
}

static void a_departure_withheld_behind_other_commits_is_shown(void **state) {
    (void)state;
    begin(17, 3);
    h.drop_up[WIRE_COMMIT] = 1; /* the members' commits, with which it would be carried out */
    h.person = 0;
    assembly_leave(&a, 2);
    a.people[1].crashed = true; /* commits neither */
    a.people[1].up = false;
    for (int i = 0; i < 6; i++) {
        assembly_join(&a, ASSEMBLY_GUEST); /* by external commits, which carry no Remove */
        assembly_run(&a, 2 * US_PER_S);
        for (int k = 3; k < 3 + i + 1; k++) { /* and newcomers are kept from committing as well */
            a.people[k].crashed = true;
            a.people[k].up = false;
        }
    }
    assembly_run(&a, 2 * US_PER_S);
    assert_int_equal(alarms(0, MEMBER_ALARM_WITHHELD), 1);
    end();
}

/* ---- clocks ---- */

static void a_dead_clock_puts_nobody_out(void **state) {
    (void)state;
    static const int64_t off_s[] = {-40 * 366 * INT64_C(86400), 10 * 366 * INT64_C(86400), 7200};
    for (size_t i = 0; i < ARRAY_LEN(off_s); i++) {
        begin(18 + i, 1);
        int dead = assembly_join(&a, ASSEMBLY_GUEST);
        a.people[dead].clock_off_s = off_s[i];
        assert_true(assembly_settle(&a, 5 * US_PER_S));
        for (int k = 0; k < 3; k++) /* it adds people, sees others added, and follows */
            assembly_join(&a, ASSEMBLY_GUEST);
        assert_true(assembly_settle(&a, 10 * US_PER_S));
        assembly_leave(&a, 0);
        assembly_run(&a, 2 * US_PER_S);
        assembly_join(&a, ASSEMBLY_GUEST);
        assembly_join(&a, ASSEMBLY_GUEST);
        assert_true(assembly_settle(&a, 10 * US_PER_S));
        for (int k = 0; k < 7; k++)
            assert_int_equal(a.people[k].alarms, 0);
        end();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resync_that_was_not_asked_for_is_refused_and_shown),
        cmocka_unit_test(a_resync_into_a_fork_is_refused),
        cmocka_unit_test(a_lower_epoch_is_refused),
        cmocka_unit_test(a_resync_to_another_group_is_refused),
        cmocka_unit_test(a_good_group_is_kept_until_a_better_one_works),
        cmocka_unit_test(a_useless_group_info_holds_nobody_up_for_long),
        cmocka_unit_test(a_welcome_during_a_join_overwrites_nothing),
        cmocka_unit_test(a_forged_author_across_epochs_is_refused),
        cmocka_unit_test(a_late_message_of_one_who_left_keeps_its_author),
        cmocka_unit_test(a_roster_changes_no_title_and_no_hand),
        cmocka_unit_test(who_comes_is_told_title_and_hands_by_who_let_it_in),
        cmocka_unit_test(a_private_message_does_not_come_twice_however_many_follow),
        cmocka_unit_test(two_identities_never_become_one),
        cmocka_unit_test(a_removal_that_loses_the_race_is_made_again),
        cmocka_unit_test(a_removal_that_the_server_never_takes_is_told),
        cmocka_unit_test(a_departure_withheld_behind_other_commits_is_shown),
        cmocka_unit_test(a_dead_clock_puts_nobody_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
