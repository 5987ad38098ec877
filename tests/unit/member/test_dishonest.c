/* The client rules against those who break them: a server that says what it likes (messages injected, changed and kept
 * back on the way), and members whose program was changed (what they send is made here, with their own keys). */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "member/member_internal.h"
#include "sim/assembly.h"
#include "unit.h"

#define FAST MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

static struct assembly a;

/* ---- what the server does ---- */

struct hostile {
    int person;             /* whose messages; -1: everybody's */
    uint8_t drop_down[256]; /* types that do not arrive */
    uint8_t drop_up[256];
    uint8_t keep_type; /* the last of this type that went down to `person` is kept */
    size_t kept_len;
    uint8_t *kept;
    bool no_fetch;
    bool spoil_group_info; /* of one resync */
    uint32_t rejoins;      /* external commits that `person` sent */
};
static struct hostile h;

static bool concerns(int person) {
    return h.person < 0 || h.person == person;
}

static void keep(struct span message) {
    free(h.kept);
    h.kept = malloc(message.len);
    assert_non_null(h.kept);
    memcpy(h.kept, message.data, message.len);
    h.kept_len = message.len;
}

static struct span kept(void) {
    assert_true(h.kept_len > 0);
    return span_of(h.kept, h.kept_len);
}

static void inject(int person, const struct wire1_message *message) {
    struct mls_buf bytes;
    mls_buf_init(&bytes, WIRE1_MESSAGE_LEN_MAX);
    wire1_write(message, &bytes);
    assert_true(mls_buf_ok(&bytes));
    assembly_inject(&a, person, false, mls_buf_span(&bytes));
    mls_buf_free(&bytes);
}

static bool down(void *context, int person, struct span message) {
    (void)context;
    if (!concerns(person))
        return true;
    if (message.data[0] == h.keep_type)
        keep(message);
    if (message.data[0] == WIRE1_RESYNC && h.spoil_group_info) {
        struct wire1_message resync;
        assert_true(wire1_read(WIRE1_FROM_SERVER, message, &resync));
        keep(resync.group_info);
        h.kept[h.kept_len - 1] ^= 1; /* of its signature */
        h.spoil_group_info = false;
        resync.group_info = kept();
        inject(person, &resync);
        return false;
    }
    return h.drop_down[message.data[0]] == 0;
}

static bool up(void *context, int person, struct span message) {
    (void)context;
    struct wire1_message sent;
    struct mls_message_info info;
    if (h.person == person && message.data[0] == WIRE1_COMMIT) {
        assert_true(wire1_read(WIRE1_FROM_CLIENT, message, &sent) && mls_message_peek(sent.commit, &info) == MLS_OK);
        h.rejoins += info.sender_type == MLS_SENDER_NEW_MEMBER_COMMIT;
    }
    return !concerns(person) || h.drop_up[message.data[0]] == 0;
}

static struct span fetched(void *context, int person, struct span body) {
    (void)context;
    return concerns(person) && h.no_fetch ? span_of(NULL, 0) : body;
}

static void begin(uint64_t seed, int people) {
    free(h.kept);
    h = (struct hostile){.person = -1};
    assembly_begin(&a, seed, FAST);
    a.watch = (struct assembly_watch){.down = down, .up = up, .fetched = fetched};
    for (int i = 0; i < people; i++) {
        assembly_join(&a, 1);
        assert_true(assembly_settle(&a, 5 * US_PER_S));
    }
    assembly_run(&a, US_PER_S);
}

static uint32_t alarms(int person, enum member_alarm alarm) {
    return a.people[person].alarms_by_kind[alarm];
}

static struct wire1_message kept_message(void) {
    struct wire1_message message;
    assert_true(wire1_read(WIRE1_FROM_SERVER, kept(), &message));
    return message;
}

/* A new epoch for all: an empty commit of that person. */
static void renew(int person) {
    assert_int_equal(member_commit(a.people[person].member, &a.rng, span_of(NULL, 0), false), MLS_OK);
    assembly_drain(&a, person);
    assembly_run(&a, US_PER_S);
}

/* The server's own resync for the present epoch, as it would send it. */
static void keep_resync(int person) {
    h.person = person;
    h.keep_type = WIRE1_RESYNC;
    h.drop_down[WIRE1_RESYNC] = 1;
    struct wire1_message bad = {.type = WIRE1_BAD, .epoch = 0, .status = 1};
    struct mls_buf bytes;
    mls_buf_init(&bytes, 64);
    wire1_write(&bad, &bytes);
    assembly_inject(&a, person, true, mls_buf_span(&bytes));
    mls_buf_free(&bytes);
    assembly_run(&a, US_PER_S);
    h.keep_type = 0; /* of the server's no further one arrives, only what is injected */
}

/* ---- coming back ---- */

static void a_resync_that_was_not_asked_for_is_refused_and_shown(void **state) {
    (void)state;
    begin(1, 3);
    keep_resync(2);
    uint32_t rejoins = h.rejoins;
    assembly_inject(&a, 2, false, kept());
    assembly_run(&a, 3 * US_PER_S);
    assert_int_equal(h.rejoins, rejoins); /* it does not go where it is led */
    assert_int_equal(alarms(2, MEMBER_ALARM_FORK), 1);
    assert_true(assembly_agree(&a));
    assembly_end(&a);
}

static void a_resync_into_a_fork_is_refused(void **state) {
    (void)state;
    begin(2, 3);
    /* the third is told that its own commit was taken, while the others go on with another */
    h.person = 2;
    h.drop_up[WIRE1_COMMIT] = h.drop_down[WIRE1_HANDSHAKE] = 1;
    uint64_t epoch = a.people[2].key_epoch;
    assert_int_equal(member_commit(a.people[2].member, &a.rng, span_of(NULL, 0), false), MLS_OK);
    assembly_drain(&a, 2);
    inject(2, &(struct wire1_message){
                  .type = WIRE1_ACCEPTED, .seq = a.people[2].member->last_seq + 1, .epoch = epoch + 1});
    assembly_run(&a, 1000);
    assert_int_equal(a.people[2].key_epoch, epoch + 1);
    renew(0);
    assert_int_equal(a.people[0].key_epoch, epoch + 1);
    assert_false(assembly_agree(&a));
    /* now it misses something, and is led over */
    keep_resync(2);
    a.people[2].member->astray = true;
    h.drop_up[WIRE1_COMMIT] = 0;
    assembly_inject(&a, 2, false, kept());
    assembly_run(&a, 3 * US_PER_S);
    assert_int_equal(a.people[2].key_epoch, epoch + 1);
    assert_false(assembly_agree(&a));
    assert_true(alarms(2, MEMBER_ALARM_FORK) > 0);
    assembly_end(&a);
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
    assembly_inject(&a, 2, false, kept());
    assembly_run(&a, 3 * US_PER_S);
    assert_true(a.people[2].key_epoch >= epoch);
    assert_int_equal(h.rejoins, rejoins);
    assert_true(alarms(2, MEMBER_ALARM_FORK) > 0);
    assert_true(assembly_agree(&a));
    assembly_end(&a);
}

static void a_resync_to_another_group_is_refused(void **state) {
    (void)state;
    /* another meeting of the same id and link, as a server that has the link can make it */
    begin(4, 2);
    keep_resync(1);
    struct wire1_message foreign = kept_message();
    struct mls_buf info;
    mls_buf_init(&info, foreign.group_info.len);
    mls_wr_span(&info, foreign.group_info);
    foreign.group_info = mls_buf_span(&info);
    assembly_end(&a);
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
    assembly_end(&a);
}

/* A commit that person 2 alone cannot read, with all that follows. */
static void spoil_a_commit(void) {
    h.person = 2;
    h.keep_type = WIRE1_HANDSHAKE;
    h.drop_down[WIRE1_HANDSHAKE] = 1;
    renew(0);
    h.drop_down[WIRE1_HANDSHAKE] = 0;
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
    struct member_code code;
    begin(6, 3);
    h.drop_down[WIRE1_ACCEPTED] = h.drop_down[WIRE1_STALE] = 1; /* the way back is never answered */
    spoil_a_commit();
    for (int i = 0; i < 100; i++) {
        assembly_run(&a, 50000);
        assert_true(member_code(a.people[2].member, &code));
        assert_false(a.people[2].ended);
    }
    h.drop_down[WIRE1_ACCEPTED] = h.drop_down[WIRE1_STALE] = 0;
    assembly_cut(&a, 2, false); /* it does not hear of its own way back */
    assembly_run(&a, 100000);
    assert_true(member_code(a.people[2].member, &code));
    assert_true(assembly_settle(&a, 20 * US_PER_S));
    assert_false(a.people[2].ended);
    assembly_end(&a);
}

static void a_useless_group_info_holds_nobody_up_for_long(void **state) {
    (void)state;
    begin(7, 3);
    h.spoil_group_info = true;
    spoil_a_commit();
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assert_int_equal(alarms(2, MEMBER_ALARM_FORK), 0);
    assembly_end(&a);
}

static void a_welcome_during_a_join_overwrites_nothing(void **state) {
    (void)state;
    begin(8, 2);
    h.person = 2;
    h.drop_up[WIRE1_COMMIT] = 1; /* its external commit does not arrive, and it waits for an answer */
    int late = assembly_join(&a, 1);
    assert_int_equal(late, 2);
    assembly_run(&a, 1500000);
    assembly_join(&a, 1);
    assert_true(assembly_settle(&a, 10 * US_PER_S));
    assert_true(delivery_counters_get(a.delivery)->delivery_joins_welcome > 0);
    /* the answer to what it had begun, now that it is in */
    inject(2, &(struct wire1_message){
                  .type = WIRE1_ACCEPTED, .seq = a.people[2].member->last_seq, .epoch = a.people[2].key_epoch});
    assembly_run(&a, US_PER_S);
    assert_true(assembly_agree(&a));
    assembly_end(&a); /* which finds a group that nobody owns */
}

/* ---- who wrote it ---- */

static void a_forged_author_across_epochs_is_refused(void **state) {
    (void)state;
    begin(9, 3);
    h.person = 2;
    h.keep_type = WIRE1_APP_FROM;
    h.drop_down[WIRE1_APP_FROM] = 1;
    assert_int_equal(
        member_chat(a.people[1].member, 1, &a.rng, span_of(NULL, 0), span_str("id"), span_str("I am the host")),
        MLS_OK);
    assembly_drain(&a, 1);
    assembly_run(&a, US_PER_S);
    h.drop_down[WIRE1_APP_FROM] = h.keep_type = 0;
    struct wire1_message forged = kept_message();
    renew(0);
    forged.identity = span_str("p_0");
    forged.seq = a.people[2].member->last_seq + 1;
    inject(2, &forged);
    assembly_run(&a, US_PER_S);
    assert_int_equal(a.people[2].chats, 0);
    assert_int_equal(alarms(2, MEMBER_ALARM_FROM), 1);
    assembly_end(&a);
}

static void a_late_message_of_one_who_left_keeps_its_author(void **state) {
    (void)state;
    begin(10, 3);
    a.people[0].delay_us = a.people[2].delay_us = 1000;
    h.person = 2;
    h.keep_type = WIRE1_APP_FROM;
    h.drop_down[WIRE1_APP_FROM] = 1;
    assert_int_equal(member_chat(a.people[1].member, 1, &a.rng, span_of(NULL, 0), span_str("id"), span_str("bye")),
                     MLS_OK);
    assembly_drain(&a, 1);
    assembly_run(&a, US_PER_S);
    h.drop_down[WIRE1_APP_FROM] = h.keep_type = 0;
    struct wire1_message late = kept_message();
    assembly_leave(&a, 1);
    assembly_run(&a, US_PER_S);
    assert_int_equal(member_people(a.people[2].member), 2);
    late.seq = a.people[2].member->last_seq + 1;
    inject(2, &late);
    assembly_run(&a, 100000);
    assert_int_equal(a.people[2].chats, 1);
    assert_string_equal(a.people[2].last_from, "p_1");
    assert_int_equal(alarms(2, MEMBER_ALARM_FROM), 0);
    assembly_end(&a);
}

/* What a changed program of that person sends to all. */
static void say(int person, struct span content) {
    struct mls_buf message, bytes;
    mls_buf_init(&message, WIRE1_APP_LEN_MAX);
    mls_buf_init(&bytes, WIRE1_MESSAGE_LEN_MAX);
    assert_int_equal(mls_protect(a.people[person].member->group, content, span_of(NULL, 0), &a.rng, &message), MLS_OK);
    wire1_write(&(struct wire1_message){.type = WIRE1_APP, .message = mls_buf_span(&message)}, &bytes);
    assembly_inject(&a, person, true, mls_buf_span(&bytes));
    mls_buf_free(&message);
    mls_buf_free(&bytes);
    assembly_run(&a, 300000);
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
    int newcomer = assembly_join(&a, 1);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assembly_run(&a, 600000);
    say_roster(1, "false from the second", "p_0");
    assert_int_equal(member_title_text(a.people[newcomer].member).len, 0);
    assert_true(member_person_find(a.people[newcomer].member, span_str("p_0"), &seen) && !seen.hand);
    /* and not later, nor against what is known */
    assembly_run(&a, ROSTER_WITHIN_US);
    say_roster(0, "too late", "p_1");
    for (int i = 1; i < 3; i++)
        assert_int_equal(member_title_text(a.people[i].member).len, 0);
    assert_true(member_person_find(a.people[newcomer].member, span_str("p_1"), &seen) && !seen.hand);
    assembly_end(&a);
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
        assembly_join(&a, 1);
    assert_true(assembly_settle(&a, 10 * US_PER_S));
    assembly_run(&a, 2 * US_PER_S);
    for (int i = 2; i < 6; i++) {
        assert_true(span_equal_str(member_title_text(a.people[i].member), "the plan"));
        assert_true(member_person_find(a.people[i].member, span_str("p_1"), &seen) && seen.hand);
    }
    assembly_end(&a);
}

static void a_private_message_does_not_come_twice_however_many_follow(void **state) {
    (void)state;
    begin(13, 2);
    h.person = 0;
    h.keep_type = WIRE1_DIRECT_FROM;
    for (int i = 0; i < 70; i++) {
        uint8_t text = (uint8_t)('0' + i);
        assert_int_equal(member_chat(a.people[1].member, 1, &a.rng, span_str("p_0"), span_str("id"), span_of(&text, 1)),
                         MLS_OK);
        assembly_drain(&a, 1);
        assembly_run(&a, 300000);
        h.keep_type = 0;
    }
    assert_int_equal(a.people[0].private_chats, 70);
    assembly_inject(&a, 0, false, kept());
    assembly_run(&a, US_PER_S);
    assert_int_equal(a.people[0].private_chats, 70);
    assembly_end(&a);
}

static void two_identities_never_become_one(void **state) {
    (void)state;
    /* the package of somebody who has the link and calls itself p_0 behind a byte order mark */
    static const char *const names[] = {"\xef\xbb\xbfp_0", "p_\xff", "p 0", "p_\xc3\xa9", ""};
    begin(14, 1);
    uint8_t secret[SECURE_LINK_SECRET_LEN];
    memset(secret, 1, sizeof secret);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct member *other;
        struct member_output out;
        struct wire1_message hello;
        if (names[i][0] == 0) {
            assert_false(secure_identity_good(span_str("")));
            continue;
        }
        struct member_config config = {.crypto = assembly_crypto(),
                                       .suite = FAST,
                                       .meeting = span_str(a.meeting),
                                       .identity = span_str(names[i]),
                                       .link_secret = span_of(secret, sizeof secret),
                                       .name = span_str("Person 0"),
                                       .kind = SECURE_TEST,
                                       .software = span_str("test")};
        assert_int_equal(member_create(&config, &a.rng, &other), MLS_OK);
        member_connected(other, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng);
        assert_true(member_poll(other, &out) && out.type == MEMBER_SEND);
        assert_true(wire1_read(WIRE1_FROM_CLIENT, out.bytes, &hello));
        struct mls_buf list;
        mls_buf_init(&list, WIRE1_MESSAGE_LEN_MAX);
        mls_wr_vec(&list, hello.key_package);
        inject(0, &(struct wire1_message){.type = WIRE1_COMMIT_NOW, .epoch = 0, .list = mls_buf_span(&list)});
        assembly_run(&a, US_PER_S);
        assert_int_equal(alarms(0, MEMBER_ALARM_ADD), i + 1);
        assert_int_equal(member_epoch(a.people[0].member), 0);
        mls_buf_free(&list);
        member_free(other);
    }
    assembly_end(&a);
}

/* ---- going ---- */

static void a_removal_that_loses_the_race_is_made_again(void **state) {
    (void)state;
    begin(15, 4);
    a.people[0].delay_us = 200000;
    a.people[1].delay_us = 1000;
    assert_int_equal(member_remove(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, span_str("p_3")), MLS_OK);
    assembly_drain(&a, 0);
    renew(1); /* is faster */
    assembly_run(&a, 2 * US_PER_S);
    assert_true(a.people[3].ended);
    assert_int_equal(a.people[0].removals_done, 1);
    assert_int_equal(a.people[0].removals_failed, 0);
    assert_true(assembly_agree(&a));
    assembly_end(&a);
}

static void a_removal_that_the_server_never_takes_is_told(void **state) {
    (void)state;
    begin(16, 3);
    h.person = 0;
    h.drop_up[WIRE1_COMMIT] = 1;
    assert_int_equal(member_remove(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, span_str("p_2")), MLS_OK);
    assembly_drain(&a, 0);
    assembly_run(&a, MEMBER_REMOVAL_US - US_PER_S);
    assert_int_equal(a.people[0].removals_failed, 0);
    assembly_run(&a, 2 * US_PER_S);
    assert_int_equal(a.people[0].removals_failed, 1);
    assembly_end(&a);
}

static void a_departure_withheld_behind_other_commits_is_shown(void **state) {
    (void)state;
    begin(17, 3);
    h.drop_up[WIRE1_COMMIT] = 1; /* the members' commits, with which it would be carried out */
    h.person = 0;
    assembly_leave(&a, 2);
    a.people[1].crashed = true; /* commits neither */
    a.people[1].up = false;
    for (int i = 0; i < 6; i++) {
        assembly_join(&a, 1); /* by external commits, which carry no Remove */
        assembly_run(&a, 2 * US_PER_S);
        for (int k = 3; k < 3 + i + 1; k++) { /* and newcomers are kept from committing as well */
            a.people[k].crashed = true;
            a.people[k].up = false;
        }
    }
    assembly_run(&a, 2 * US_PER_S);
    assert_int_equal(alarms(0, MEMBER_ALARM_WITHHELD), 1);
    assembly_end(&a);
}

/* ---- clocks ---- */

static void a_dead_clock_puts_nobody_out(void **state) {
    (void)state;
    static const int64_t off_s[] = {-40 * 366 * INT64_C(86400), 10 * 366 * INT64_C(86400), 7200};
    for (size_t i = 0; i < ARRAY_LEN(off_s); i++) {
        begin(18 + i, 1);
        int dead = assembly_join(&a, 1);
        a.people[dead].clock_off_s = off_s[i];
        assert_true(assembly_settle(&a, 5 * US_PER_S));
        for (int k = 0; k < 3; k++) /* it adds people, sees others added, and follows */
            assembly_join(&a, 1);
        assert_true(assembly_settle(&a, 10 * US_PER_S));
        assembly_leave(&a, 0);
        assembly_run(&a, 2 * US_PER_S);
        assembly_join(&a, 1);
        assembly_join(&a, 1);
        assert_true(assembly_settle(&a, 10 * US_PER_S));
        for (int k = 0; k < 7; k++)
            assert_int_equal(a.people[k].alarms, 0);
        assembly_end(&a);
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
