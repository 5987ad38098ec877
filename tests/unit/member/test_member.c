/* A person's side of the delivery protocol among others, with the server's own parts and with a dishonest service. */
#include <string.h>

#include "group/statement.h"
#include "member/hall.h"
#include "unit.h"

/* ---- coming ---- */

static void people_meet_under_a_link_and_agree(void **state) {
    (void)state;
    const uint16_t suites[] = {MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, MLS_SUITE_XWING_AES256GCM_SHA384_ED25519};
    for (size_t k = 0; k < 2; k++) {
        struct member_person seen;
        hall_begin(1 + k, suites[k], GROUP_KIND_NOW + GROUP_KIND_ANYBODY);
        hall_join(false);
        hall_join(false);
        hall_join(false);
        hall_run(US_PER_S);
        assert_int_equal(hall_alarms(), 0);
        hall_agree(0, 1);
        hall_agree(0, 2);
        assert_int_equal(member_people(hall.people[0].member), 3);
        assert_true(hall.people[1].has_token);
        assert_true(member_person_find(hall.people[1].member, hall_identity_of(0), &seen));
        assert_true(span_equal_str(seen.name, "Ann") && !seen.host && seen.role == GROUP_PARTICIPANT);
        hall_chat(0, "hello");
        assert_string_equal(hall.people[1].last_chat, "hello");
        hall_end();
    }
}

static void who_holds_the_owners_key_is_host_and_makes_hosts(void **state) {
    (void)state;
    struct member_person seen;
    hall_begin(3, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW);
    hall_join(true);
    hall_join(false);
    hall_join(false);
    hall_run(US_PER_S);
    assert_true(member_person_find(hall.people[1].member, hall_identity_of(0), &seen) && seen.host);
    assert_int_equal(member_make_host(hall.people[1].member, hall.now_us, HALL_UNIX_S, &hall.rng, hall_identity_of(2)),
                     MLS_PROPOSAL_REFUSED);
    assert_int_equal(member_make_host(hall.people[0].member, hall.now_us, HALL_UNIX_S, &hall.rng, hall_identity_of(1)),
                     MLS_OK);
    hall_settle();
    assert_true(member_person_find(hall.people[2].member, hall_identity_of(1), &seen) && seen.host);
    assert_int_equal(member_remove(hall.people[1].member, hall.now_us, HALL_UNIX_S, &hall.rng, hall_identity_of(2)),
                     MLS_OK);
    hall_settle();
    hall_run(US_PER_S);
    assert_true(hall.people[2].ended && hall.people[2].gone == WIRE_GONE_REMOVED);
    assert_int_equal(hall_alarms(), 0);
    hall_agree(0, 1);
    hall_end();
}

static void who_has_no_key_of_the_owner_begins_nothing(void **state) {
    (void)state;
    hall_begin(4, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW);
    hall_join(false);
    assert_null(hall.order);
    hall_tell(0,
              (struct wire_message){.type = WIRE_CREATE_NOW, .external_sender = mls_buf_span(&hall.external_sender)});
    hall_settle(); /* though the server says so */
    assert_null(hall.order);
    hall_end();
}

static void a_group_that_is_not_of_the_links_id_is_refused(void **state) {
    (void)state;
    hall_begin(5, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW + GROUP_KIND_ANYBODY);
    hall_join(false);
    hall.id[3] = hall.id[3] == 'A' ? 'B' : 'A'; /* the second has a link to another meeting */
    const struct person_here *p = &hall.people[1];
    hall_make(1, "Bob", false, NULL);
    hall_tell(1, (struct wire_message){.type = WIRE_JOIN_NOW,
                                       .group_info = public_group_info(order_group(hall.order)),
                                       .tree_hash = public_group_tree_hash(order_group(hall.order))});
    hall_settle();
    assert_true(p->ended && p->gone == WIRE_GONE_REFUSED);
    assert_int_equal(member_people(hall.people[0].member), 1);
    hall_end();
}

static void a_replayed_hello_is_refused(void **state) {
    (void)state;
    hall_begin(16, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW + GROUP_KIND_ANYBODY);
    hall_join(false);
    /* the second answers a challenge that another connection gave */
    rng_fill(&hall.rng, hall.people[1].nonce, 32);
    uint8_t other[32] = {1};
    const struct person_here *p = &hall.people[1];
    hall_make(1, "Bob", false, NULL);
    hall_tell(1, (struct wire_message){.type = WIRE_CHALLENGE, .nonce = span_of(other, 32), .unix_s = HALL_UNIX_S});
    hall_settle();
    assert_int_equal(hall.refused, 1);
    assert_true(p->ended && p->gone == MEMBER_GONE_NO_ENTRY);
    hall_end();
}

static void a_wrong_clock_is_told_and_puts_nobody_out(void **state) {
    (void)state;
    hall_begin(6, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW + GROUP_KIND_ANYBODY);
    hall_join(false);
    assert_int_equal(hall.people[0].clock_off_s, 0);
    hall.server_s = HALL_UNIX_S + 4 * 366 * 86400;
    hall_join(false);
    assert_int_equal(hall.people[1].clock_off_s, -4 * 366 * INT64_C(86400));
    hall_agree(0, 1);
    assert_int_equal(hall_alarms(), 0);
    hall_end();
}

/* ---- the same seat again ---- */

/* A new program of that person, with its seat and nothing else of what it had. */
static void load_again(int i, const char *name) {
    struct secret seat = hall.people[i].member->signature_key;
    hall_here(i, false);
    member_free(hall.people[i].member);
    hall_make(i, name, false, &seat);
    secret_wipe(&seat);
    hall_challenge(i);
    hall_settle();
    hall_run(US_PER_S);
}

static void who_loads_the_page_again_takes_the_place_of_its_own_leaf(void **state) {
    (void)state;
    hall_begin(23, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW + GROUP_KIND_ANYBODY);
    hall_join(false);
    hall_join(false);
    load_again(1, "Bob");
    assert_int_equal(member_state(hall.people[1].member), MEMBER_IN);
    assert_int_equal(member_people(hall.people[0].member), 2);
    hall_agree(0, 1);
    assert_int_equal(hall_alarms(), 0);
    hall_end();
}

static void tell_privately(int i, int to, uint8_t id, const char *text) {
    const uint8_t name[16] = {id};
    assert_int_equal(member_chat(hall.people[i].member, 1, &hall.rng, hall_identity_of(to), span_of(name, sizeof name),
                                 span_str(text)),
                     MLS_OK);
    hall_settle();
}

static void who_comes_again_with_its_seat_is_heard_as_it_is_now(void **state) {
    (void)state;
    struct member_person before, seen;
    struct member_change change;
    hall_begin(25, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW + GROUP_KIND_ANYBODY);
    hall_join(false);
    hall_join(false);
    hall_join(false);
    hall_run(US_PER_S);
    struct person_here *ann = &hall.people[0];
    assert_int_equal(member_rename(hall.people[1].member, &hall.rng, span_str("Robert")), MLS_OK);
    assert_int_equal(member_hand(hall.people[1].member, &hall.rng, true), MLS_OK);
    member_mark_verified(ann->member, hall_identity_of(1), true);
    for (uint8_t k = 1; k <= 3; k++)
        tell_privately(1, 0, k, "before");
    assert_int_equal(ann->chats, 3);
    assert_true(member_person_find(ann->member, hall_identity_of(1), &before) && before.hand && before.verified);
    load_again(1, "Bob");
    assert_true(member_person_find(ann->member, hall_identity_of(1), &seen));
    assert_true(span_equal_str(seen.name, "Bob"));
    assert_true(seen.verified && !seen.hand); /* its key is the one that was compared */
    assert_true(seen.since_epoch == member_epoch(ann->member) && seen.since_epoch > before.since_epoch);
    assert_true(member_change_at(ann->member, 0, &change) && change.kind == MEMBER_CAME);
    assert_true(member_person_find(hall.people[1].member, hall_identity_of(1), &seen));
    assert_true(span_equal_str(seen.name, "Bob"));
    assert_true(member_person_find(hall.people[2].member, hall_identity_of(0), &seen));
    assert_true(seen.since_epoch < member_epoch(ann->member)); /* of the others nobody came again */
    tell_privately(1, 0, 1, "latter");
    assert_string_equal(ann->last_chat, "latter");
    tell_privately(0, 1, 9, "answer");
    assert_string_equal(hall.people[1].last_chat, "answer");
    hall_join(false); /* who comes now is told the name of now */
    hall_run(US_PER_S);
    assert_true(member_person_find(hall.people[3].member, hall_identity_of(1), &seen));
    assert_true(span_equal_str(seen.name, "Bob"));
    assert_int_equal(hall_alarms(), 0);
    hall_end();
}

static void who_is_put_out_has_nothing_to_do_any_more(void **state) {
    (void)state;
    hall_begin(24, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW + GROUP_KIND_ANYBODY);
    hall_join(true);
    hall_join(false);
    hall.hold_ready = true; /* the commit that puts it out is staged when it is told to go */
    assert_int_equal(member_remove(hall.people[0].member, hall.now_us, HALL_UNIX_S, &hall.rng, hall_identity_of(1)),
                     MLS_OK);
    hall_settle();
    hall_tell(1, (struct wire_message){.type = WIRE_GONE, .reason_gone = WIRE_GONE_REMOVED});
    hall_settle();
    assert_true(hall.people[1].ended);
    assert_true(member_next_deadline_us(hall.people[1].member) == TIME_NEVER);
    hall_end();
}

/* ---- comparing ---- */

/* What a changed program of that person sends to all. */
static void say(int i, struct span content) {
    struct mls_buf message;
    mls_buf_init(&message, WIRE_APP_LEN_MAX);
    assert_int_equal(mls_protect(hall.people[i].member->group, content, span_of(NULL, 0), &hall.rng, &message), MLS_OK);
    member_send_wire(hall.people[i].member,
                     &(struct wire_message){.type = WIRE_APP, .message = mls_buf_span(&message)});
    mls_buf_free(&message);
    hall_settle();
}

static void everybody_is_told_that_codes_differ_by_who_says_so_alone(void **state) {
    (void)state;
    struct member_person seen;
    static const uint8_t match[] = {25, 1, 0}, unknown[] = {25, 3, 0};
    hall_begin(20, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW + GROUP_KIND_ANYBODY);
    for (int i = 0; i < 3; i++)
        hall_join(false);
    hall_run(US_PER_S);
    assert_int_equal(member_tell_compared(hall.people[1].member, &hall.rng, true), MLS_OK);
    assert_int_equal(member_tell_compared(hall.people[1].member, &hall.rng, true), MLS_OK);
    hall_settle();
    assert_int_equal(hall.people[0].disputed, 1); /* said twice, told once */
    assert_int_equal(hall.people[2].disputed, 1);
    assert_true(member_person_find(hall.people[0].member, hall_identity_of(1), &seen) && seen.disputes);
    int late = hall_join(false); /* and to who comes after */
    hall_run(US_PER_S);
    assert_int_equal(hall.people[late].disputed, 1);
    /* nobody takes back another's word, and a match takes nothing back */
    assert_int_equal(member_tell_compared(hall.people[2].member, &hall.rng, false), MLS_OK);
    say(1, span_of(match, sizeof match));
    hall_settle();
    assert_int_equal(hall.people[0].resolved, 0);
    assert_true(member_person_find(hall.people[0].member, hall_identity_of(1), &seen) && seen.disputes);
    assert_int_equal(member_tell_compared(hall.people[1].member, &hall.rng, false), MLS_OK);
    hall_settle();
    assert_int_equal(hall.people[0].resolved, 1);
    assert_true(member_person_find(hall.people[0].member, hall_identity_of(1), &seen) && !seen.disputes);
    assert_int_equal(hall_alarms(), 0);
    say(1, span_of(unknown, sizeof unknown));
    assert_int_equal(hall.people[0].alarms[MEMBER_ALARM_CONTENT], 1);
    hall_end();
}

static void people_are_told_that_the_server_goes_down(void **state) {
    (void)state;
    hall_begin(21, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW + GROUP_KIND_ANYBODY);
    hall_join(false);
    hall_tell(0, (struct wire_message){.type = WIRE_CLOSING, .within_s = 70000});
    hall_settle();
    assert_int_equal(hall.people[0].closing_s, 70000);
    assert_int_equal(member_state(hall.people[0].member), MEMBER_IN);
    assert_int_equal(hall_alarms(), 0);
    hall_end();
}

/* ---- standing ---- */

static void three(uint64_t seed, bool host) {
    hall_begin(seed, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW + (host ? 0 : GROUP_KIND_ANYBODY));
    hall_join(host);
    hall_join(false);
    hall_join(false);
    hall_run(US_PER_S);
    assert_int_equal(hall_alarms(), 0);
    hall_agree(0, 2);
}

static void a_commit_stands_when_the_service_says_so(void **state) {
    (void)state;
    three(7, false);
    uint64_t epoch = member_epoch(hall.people[0].member);
    hall.hold_ready = true;
    hall_renew(1);
    hall_run(5 * US_PER_S);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(member_epoch(hall.people[i].member), epoch);
        assert_int_equal(hall.people[i].key_epoch, epoch + 1); /* what others may seal with sooner opens */
        assert_int_equal(hall.people[i].seal_epoch, epoch);
    }
    hall_chat(0, "meanwhile");
    assert_string_equal(hall.people[2].last_chat, "meanwhile");
    hall_stand();
    hall_settle();
    for (int i = 0; i < 3; i++)
        assert_int_equal(hall.people[i].seal_epoch, epoch + 1);
    hall_agree(0, 1);
    hall_agree(0, 2);
    assert_int_equal(hall_alarms_but_of_order(), 0);
    hall_end();
}

static void a_message_of_an_epoch_that_does_not_stand_here_yet_waits(void **state) {
    (void)state;
    three(8, false);
    hall.hold_ready = true;
    hall_renew(1);
    uint64_t epoch = member_epoch(hall.people[0].member) + 1;
    hall_tell(1, (struct wire_message){.type = WIRE_READY, .seq = 0, .epoch = epoch}); /* the author hears it first */
    hall_settle();
    hall_chat(1, "from the next epoch");
    assert_int_equal(hall.people[0].chats, 0);
    hall_stand();
    hall_settle();
    assert_string_equal(hall.people[0].last_chat, "from the next epoch");
    assert_string_equal(hall.people[2].last_chat, "from the next epoch");
    assert_int_equal(hall_alarms_but_of_order(), 0);
    hall_end();
}

static void a_bad_commit_is_withdrawn_and_nothing_has_changed(void **state) {
    (void)state;
    three(9, false);
    uint64_t epoch = member_epoch(hall.people[0].member);
    hall.no_votes = true; /* what they really found is not asked: two say that it is bad */
    hall_renew(1);
    order_bad(hall.order, hall.now_us, hall_seat_of(0), epoch + 1);
    order_bad(hall.order, hall.now_us, hall_seat_of(2), epoch + 1);
    hall_drain();
    hall_settle();
    hall.no_votes = false;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(member_epoch(hall.people[i].member), epoch);
        assert_int_equal(hall.people[i].keys_dropped, epoch + 1);
        assert_int_equal(hall.people[i].withdrawn, 1);
    }
    hall_renew(2); /* another starts that epoch */
    hall_agree(0, 1);
    hall_agree(0, 2);
    assert_int_equal(member_epoch(hall.people[0].member), epoch + 1);
    assert_int_equal(hall_alarms(), 0);
    hall_end();
}

static void a_hosts_commit_is_never_withdrawn(void **state) {
    (void)state;
    three(10, true);
    uint64_t epoch = member_epoch(hall.people[0].member);
    hall.hold_ready = true;
    hall_renew(0);
    for (int i = 0; i < 3; i++)
        hall_tell(i, (struct wire_message){.type = WIRE_WITHDRAWN, .seq = order_seq(hall.order), .epoch = epoch + 1});
    hall_settle();
    for (int i = 0; i < 3; i++)
        assert_int_equal(hall.people[i].alarms[MEMBER_ALARM_WITHDRAWN], 1);
    hall_run(MEMBER_SWITCH_US + 100000); /* nor is it held back */
    for (int i = 0; i < 3; i++)
        assert_int_equal(hall.people[i].seal_epoch, epoch + 1);
    hall_agree(0, 2);
    hall_end();
}

static void what_stands_already_is_not_taken_back(void **state) {
    (void)state;
    three(11, false);
    uint64_t epoch = member_epoch(hall.people[0].member);
    hall_tell(1, (struct wire_message){.type = WIRE_WITHDRAWN, .seq = 0, .epoch = epoch});
    hall_settle();
    assert_int_equal(member_epoch(hall.people[1].member), epoch);
    assert_int_equal(hall.people[1].alarms[MEMBER_ALARM_WITHDRAWN], 1);
    hall_end();
}

/* ---- checking ---- */

static void who_is_asked_about_an_entrant_says_whether_its_commit_opens(void **state) {
    (void)state;
    three(12, false);
    hall.no_answers = true;
    int late = hall_join(false);
    hall.no_answers = false;
    uint64_t epoch = member_epoch(hall.people[0].member);
    struct wire_message ask = {.type = WIRE_CHECK_NOW,
                               .ticket = 7,
                               .commit = mls_buf_span(&hall.people[late].last_commit),
                               .group_info = mls_buf_span(&hall.people[late].last_info)};
    hall_tell(0, ask);
    hall_settle();
    assert_int_equal(hall.people[0].checks, 1);
    assert_int_equal(hall.people[0].checks_good, 1);
    struct mls_buf spoilt;
    mls_buf_init(&spoilt, ask.commit.len);
    mls_wr_span(&spoilt, ask.commit);
    spoilt.w.data[ask.commit.len - 1] ^= 1;
    ask.commit = mls_buf_span(&spoilt);
    hall_tell(0, ask);
    /* a good commit with another GroupInfo: who came next by it would be locked out */
    ask.commit = mls_buf_span(&hall.people[late].last_commit);
    ask.group_info = public_group_info(order_group(hall.order));
    hall_tell(0, ask);
    hall_settle();
    assert_int_equal(hall.people[0].checks, 3);
    assert_int_equal(hall.people[0].checks_good, 1);
    assert_int_equal(member_epoch(hall.people[0].member), epoch);
    assert_int_equal(hall_alarms(), 0);
    hall_renew(0); /* and nothing of it has stayed */
    hall_agree(0, 1);
    mls_buf_free(&spoilt);
    hall_end();
}

/* ---- coming back ---- */

static void resync(int i, uint64_t from_epoch) {
    hall_tell(i, (struct wire_message){.type = WIRE_RESYNC,
                                       .group_info = public_group_info(order_group(hall.order)),
                                       .tree_hash = public_group_tree_hash(order_group(hall.order)),
                                       .from_epoch = from_epoch});
    hall_settle();
}

static void cut_and_resume(int i) {
    hall_here(i, false);
    hall.people[i].cut = true;
    member_lost(hall.people[i].member, hall.now_us, 1006);
    hall_renew(0);
    hall_renew(1);
    hall.people[i].cut = false;
    member_connected(hall.people[i].member, hall.now_us, HALL_UNIX_S, &hall.rng);
    hall_challenge(i);
    hall_settle();
    hall_here(i, true);
}

static void who_missed_epochs_follows_a_chain_back(void **state) {
    (void)state;
    three(13, false);
    uint64_t epoch = member_epoch(hall.people[2].member);
    cut_and_resume(2);
    assert_int_equal(member_epoch(hall.people[2].member), epoch);
    resync(2, 0);
    assert_int_equal(member_epoch(hall.people[2].member), epoch + 3);
    hall_agree(0, 2);
    hall_agree(1, 2);
    assert_int_equal(hall_alarms(), 0);
    hall_chat(2, "back");
    assert_string_equal(hall.people[0].last_chat, "back");
    hall_end();
}

static void a_resync_that_does_not_descend_is_refused(void **state) {
    (void)state;
    three(14, false);
    uint64_t epoch = member_epoch(hall.people[2].member);
    char code[GROUP_CODE_DIGITS + 1];
    cut_and_resume(2);
    hall.forge_chain = true;
    resync(2, 0);
    assert_int_equal(hall.people[2].alarms[MEMBER_ALARM_FORK], 1);
    hall.forge_chain = false;
    hall.cut_chain = true; /* a link is missing */
    resync(2, 0);
    assert_int_equal(hall.people[2].alarms[MEMBER_ALARM_FORK], 2);
    hall.cut_chain = false;
    resync(2, epoch + 1); /* nor is there a chain from where it is */
    assert_int_equal(hall.people[2].alarms[MEMBER_ALARM_FORK], 3);
    assert_int_equal(member_epoch(hall.people[2].member), epoch);
    assert_true(member_code(hall.people[2].member, code)); /* the group that it had is still there */
    resync(2, 0);
    hall_agree(0, 2);
    hall_end();
}

static void a_resync_that_was_not_asked_for_is_refused(void **state) {
    (void)state;
    three(15, false);
    uint64_t epoch = member_epoch(hall.people[2].member);
    resync(2, 0);
    assert_int_equal(hall.people[2].alarms[MEMBER_ALARM_FORK], 1);
    assert_int_equal(member_epoch(hall.people[2].member), epoch);
    hall_agree(0, 2);
    hall_end();
}

static void who_was_cut_off_twice_and_missed_words_only_comes_back_by_the_log(void **state) {
    (void)state;
    three(22, false);
    for (int time = 0; time < 2; time++) {
        struct member *m = hall.people[2].member;
        hall_here(2, false);
        hall.people[2].cut = true;
        member_lost(m, hall.now_us, 1006);
        hall_chat(0, "meanwhile");
        uint64_t seq = order_seq(hall.order);
        hall.people[2].cut = false;
        member_connected(m, hall.now_us, HALL_UNIX_S, &hall.rng);
        hall_challenge(2);
        hall_settle();
        hall_here(2, true);
        assert_int_equal(hall.people[2].chats, time);
        hall_tell(2, hall.last_app); /* the log */
        hall_settle();
        assert_int_equal(hall.people[2].chats, time + 1);
        assert_int_equal(m->last_seq, seq);
        hall_run(2 * US_PER_S);
    }
    assert_int_equal(hall.people[2].bads, 0); /* it has nothing to come in again for */
    assert_int_equal(hall_alarms_but_of_order(), 0);
    hall_end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_meet_under_a_link_and_agree),
        cmocka_unit_test(who_holds_the_owners_key_is_host_and_makes_hosts),
        cmocka_unit_test(who_has_no_key_of_the_owner_begins_nothing),
        cmocka_unit_test(a_group_that_is_not_of_the_links_id_is_refused),
        cmocka_unit_test(a_replayed_hello_is_refused),
        cmocka_unit_test(a_wrong_clock_is_told_and_puts_nobody_out),
        cmocka_unit_test(who_loads_the_page_again_takes_the_place_of_its_own_leaf),
        cmocka_unit_test(who_comes_again_with_its_seat_is_heard_as_it_is_now),
        cmocka_unit_test(who_is_put_out_has_nothing_to_do_any_more),
        cmocka_unit_test(everybody_is_told_that_codes_differ_by_who_says_so_alone),
        cmocka_unit_test(people_are_told_that_the_server_goes_down),
        cmocka_unit_test(a_commit_stands_when_the_service_says_so),
        cmocka_unit_test(a_message_of_an_epoch_that_does_not_stand_here_yet_waits),
        cmocka_unit_test(a_bad_commit_is_withdrawn_and_nothing_has_changed),
        cmocka_unit_test(a_hosts_commit_is_never_withdrawn),
        cmocka_unit_test(what_stands_already_is_not_taken_back),
        cmocka_unit_test(who_is_asked_about_an_entrant_says_whether_its_commit_opens),
        cmocka_unit_test(who_missed_epochs_follows_a_chain_back),
        cmocka_unit_test(a_resync_that_does_not_descend_is_refused),
        cmocka_unit_test(a_resync_that_was_not_asked_for_is_refused),
        cmocka_unit_test(who_was_cut_off_twice_and_missed_words_only_comes_back_by_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
