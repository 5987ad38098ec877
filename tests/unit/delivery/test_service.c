/* The delivery service with scripted people: who founds, enters, is checked, comes back, is put out. */
#include "unit.h"

#include "service_world.h"

static void the_owner_founds_and_others_enter_when_a_host_has_opened_their_commit(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds();
    struct line *guest = comes(owner);
    assert_int_equal(owner->count[WIRE_CHECK_NOW], 1);
    assert_int_equal(owner->count[WIRE_HANDSHAKE], 0); /* nothing is numbered before */
    assert_int_equal(guest->count[WIRE_ACCEPTED], 0);
    vouches(owner, true);
    assert_int_equal(owner->count[WIRE_HANDSHAKE], 1);
    assert_int_equal(guest->count[WIRE_ACCEPTED], 1);
    assert_int_equal(guest->count[WIRE_READY], 0);
    assert_false(is_member(guest));
    run(ORDER_READY_US + US_PER_MS);
    assert_int_equal(guest->count[WIRE_READY], 1);
    assert_int_equal(owner->count[WIRE_READY], 1);
    assert_true(is_member(guest) && is_member(owner));
    assert_int_equal(t.admitted, 2);
    end();
}

static void a_commit_that_the_host_refuses_is_not_numbered(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds();
    struct line *guest = comes(owner);
    vouches(owner, false);
    assert_int_equal(guest->count[WIRE_STALE], 1);
    assert_int_equal(owner->count[WIRE_HANDSHAKE], 0);
    assert_false(is_member(guest));
    /* what nobody asked about is dropped */
    says(owner, &(struct wire_message){.type = WIRE_CHECKED, .ticket = 77, .good = true});
    assert_false(is_member(guest));
    end();
}

static void a_checker_that_is_silent_is_passed_over(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds();
    struct line *first = enters(owner);
    struct line *guest = comes(owner);
    assert_int_equal(owner->count[WIRE_CHECK_NOW], 2);
    run(SERVICE_CHECK_US + US_PER_MS);
    vouches(first, true);
    assert_int_equal(guest->count[WIRE_ACCEPTED], 1);
    end();
}

static void there_is_one_answer_without_the_link_and_it_leaves_on_the_grid(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    for (int runs = 0; runs < 2; runs++) {
        struct line *stranger = connects(seat_make(&t.w, false));
        t.now_us += 1234;
        hello(stranger, WIRE_ENTER, true, false, 0);
        assert_int_equal(stranger->closed, 0);
        run(ENTRY_GRID_US);
        assert_int_equal(stranger->closed, WIRE_CLOSE_NO_ENTRY);
        for (int type = WIRE_STATE; type < 256; type++)
            assert_int_equal(stranger->count[type], 0);
        if (runs == 0)
            (void)founds();
    }
    assert_int_equal(service_counters_get(t.s)->service_no_entry, 2);
    end();
}

static void a_connection_that_says_nothing_is_closed(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *silent = connects(seat_make(&t.w, false));
    run(SERVICE_HELLO_US + 1);
    assert_int_equal(silent->closed, WIRE_CLOSE_MALFORMED);
    end();
}

static void who_waits_in_a_lobby_gets_nothing_of_the_group(void **state) {
    (void)state;
    begin(GROUP_LOBBY);
    struct line *owner = founds();
    struct line *guest = connects(seat_make(&t.w, false));
    hello(guest, WIRE_ENTER, false, true, 0);
    run(5 * US_PER_S);
    says(owner, &(struct wire_message){.type = WIRE_LEAVE});
    assert_int_equal(last(guest, WIRE_STATE).standing, WIRE_STANDING_WAIT);
    for (int type = WIRE_CREATE_NOW; type < 256; type++) {
        if (type != WIRE_GONE && type != WIRE_WAITING)
            assert_int_equal(guest->count[type], 0);
    }
    assert_false(service_may_read(t.s, span_str(t.w.id), span_of(guest->seat->identity, GROUP_IDENTITY_LEN)));
    end();
}

static void who_crashes_is_removed_after_the_grace_period_and_who_leaves_at_once(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds();
    struct line *one = enters(owner), *two = enters(owner);
    struct service_now at = now();
    service_closed(t.s, &at, one->connection, false);
    drain();
    run(SERVICE_GRACE_US - US_PER_S);
    assert_true(is_member(one));
    run(2 * US_PER_S);
    assert_false(is_member(one));
    assert_int_equal(t.expelled, 1);
    assert_true(owner->count[WIRE_COMMIT_NOW] > 0);
    says(two, &(struct wire_message){.type = WIRE_LEAVE});
    assert_false(is_member(two));
    assert_int_equal(t.expelled, 2);
    end();
}

static void a_host_puts_out_for_the_media_side_at_once_and_nobody_else_does(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds();
    struct line *one = enters(owner), *two = enters(owner);
    struct wire_message remove = {
        .type = WIRE_MODERATE, .what = WIRE_REMOVE, .target = span_of(two->seat->identity, GROUP_IDENTITY_LEN)};
    says(one, &remove);
    assert_true(is_member(two));
    assert_int_equal(owner->count[WIRE_MODERATED], 0);
    says(owner, &remove);
    says(owner, &remove);
    assert_false(is_member(two));
    assert_int_equal(t.expelled, 1);
    assert_int_equal(one->count[WIRE_MODERATED], 2);
    assert_int_equal(two->closed, 0); /* the group goes on without it by the host's commit */
    end();
}

static void whom_a_host_put_out_is_removed_though_the_host_goes_before_its_commit(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds();
    (void)enters(owner);
    struct line *two = enters(owner);
    says(owner, &(struct wire_message){.type = WIRE_MODERATE,
                                       .what = WIRE_REMOVE,
                                       .target = span_of(two->seat->identity, GROUP_IDENTITY_LEN)});
    says(owner, &(struct wire_message){.type = WIRE_LEAVE});
    assert_int_equal(service_counters_get(t.s)->service_removes, 1); /* the host's own */
    run(SERVICE_PUT_OUT_US + ORDER_READY_US);
    assert_int_equal(service_counters_get(t.s)->service_removes, 2);
    assert_int_equal(t.expelled, 2); /* it was told once */
    end();
}

static void a_cut_connection_resumes_with_what_was_said_meanwhile(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds();
    struct line *guest = enters(owner);
    uint64_t seq = last(guest, WIRE_READY).seq;
    struct service_now at = now();
    service_closed(t.s, &at, guest->connection, false);
    drain();
    struct mls_buf sealed;
    mls_buf_init(&sealed, 4096);
    assert_int_equal(mls_protect(owner->seat->group, span_str("words"), span_of(NULL, 0), &t.w.rng, &sealed), MLS_OK);
    says(owner, &(struct wire_message){.type = WIRE_APP, .message = mls_buf_span(&sealed)});
    mls_buf_free(&sealed);
    struct line *again = connects(guest->seat);
    hello(again, WIRE_RESUME, false, false, seq);
    assert_int_equal(last(again, WIRE_STATE).standing, WIRE_STANDING_RESUMED);
    assert_int_equal(again->count[WIRE_APP_FROM], 1);
    assert_true(is_member(again));
    run(2 * SERVICE_GRACE_US);
    assert_true(is_member(again));
    end();
}

static void who_missed_too_much_is_sent_to_come_in_again_with_a_chain(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds();
    struct line *guest = enters(owner);
    struct line *again = connects(guest->seat);
    hello(again, WIRE_RESUME, false, false, 1000);
    assert_int_equal(guest->closed, WIRE_CLOSE_REPLACED);
    struct wire_message resync = last(again, WIRE_RESYNC);
    struct mls_buf chain;
    mls_buf_init(&chain, 1 << 20);
    assert_true(service_chain(t.s, span_str(t.w.id), resync.from_epoch, &chain));
    assert_true(mls_buf_len(&chain) > 0);
    mls_buf_free(&chain);
    seat_enter(again->seat, owner->seat, true, true);
    says(again, &(struct wire_message){.type = WIRE_COMMIT,
                                       .commit = mls_buf_span(&t.w.commit),
                                       .group_info = mls_buf_span(&t.w.group_info)});
    vouches(owner, true);
    run(ORDER_READY_US + US_PER_MS);
    assert_int_equal(again->count[WIRE_READY], 1);
    assert_true(is_member(again));
    end();
}

static void a_chain_keeps_its_mark_until_something_happens(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds();
    struct service_chain_mark first, again, later;
    struct mls_buf chain;
    assert_true(service_chain_mark(t.s, span_str(t.w.id), 0, &first));
    assert_false(service_chain_mark(t.s, span_str(t.w.id), 1, &again));
    assert_false(service_chain_mark(t.s, span_str("no meeting"), 0, &again));
    assert_int_equal(first.room, 0);
    (void)enters(owner);
    assert_true(service_chain_mark(t.s, span_str(t.w.id), 0, &again));
    assert_true(again.room > 0 && memcmp(again.digest, first.digest, sizeof first.digest) != 0);
    mls_buf_init(&chain, again.room);
    assert_true(service_chain(t.s, span_str(t.w.id), 0, &chain));
    assert_in_range(mls_buf_len(&chain), 1, again.room);
    mls_buf_free(&chain);
    run(US_PER_S);
    assert_true(service_chain_mark(t.s, span_str(t.w.id), 0, &later));
    assert_true(later.room == again.room && memcmp(later.digest, again.digest, sizeof again.digest) == 0);
    (void)enters(owner);
    assert_true(service_chain_mark(t.s, span_str(t.w.id), 0, &later));
    assert_true(later.room > again.room);
    end();
}

static void a_seat_has_so_many_commits_and_turns_whatever_it_connects_with(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds();
    struct line *guest = enters(owner);
    for (int i = 0; i < 8; i++) {
        seat_commit(guest->seat);
        says(guest, &(struct wire_message){.type = WIRE_COMMIT,
                                           .commit = mls_buf_span(&t.w.commit),
                                           .group_info = mls_buf_span(&t.w.group_info)});
        bool taken = guest->count[WIRE_ACCEPTED] == (uint32_t)i + 2;
        assert_int_equal(taken, i < 4);
        run(ORDER_READY_US + US_PER_MS);
        if (taken)
            meeting_deliver(guest->seat);
        else
            mls_commit_drop(guest->seat->group);
    }
    struct line *again = guest;
    for (int i = 0; i < 5; i++) {
        again = connects(guest->seat);
        hello(again, WIRE_RESUME, false, false, 1000);
        assert_int_equal(again->count[WIRE_RESYNC], i < 3);
        if (t.lines_count == LINES_MAX)
            break;
    }
    run(3 * US_PER_S / 2);
    assert_int_equal(again->count[WIRE_RESYNC], 1);
    /* who lets its turns pass cannot follow, and goes */
    run(4 * SERVICE_JOIN_US);
    assert_int_equal(again->closed, WIRE_CLOSE_OVER);
    assert_int_equal(last(again, WIRE_GONE).reason_gone, WIRE_GONE_CANNOT_FOLLOW);
    assert_false(is_member(again));
    end();
}

static void who_is_asked_for_a_commit_while_another_is_open_wakes_nobody_again_and_again(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds();
    struct line *one = enters(owner), *two = enters(owner);
    uint64_t seq = last(owner, WIRE_READY).seq;
    owner = connects(owner->seat); /* which is waited for again */
    hello(owner, WIRE_RESUME, false, false, seq);
    says(one, &(struct wire_message){.type = WIRE_LEAVE});
    assert_int_equal(owner->count[WIRE_COMMIT_NOW], 1);
    t.w.proposals.w.len = 0;
    seat_commit(two->seat); /* another was faster, though it does not remove anybody */
    says(two, &(struct wire_message){.type = WIRE_COMMIT,
                                     .commit = mls_buf_span(&t.w.commit),
                                     .group_info = mls_buf_span(&t.w.group_info)});
    uint32_t taken = two->count[WIRE_ACCEPTED];
    run(SERVICE_COMMIT_US + US_PER_MS);
    struct service_now at = now();
    service_tick(t.s, &at);
    drain();
    assert_true(service_next_deadline_us(t.s) > t.now_us);
    assert_int_equal(taken, 2);
    end();
}

static void a_meeting_that_all_have_left_is_forgotten(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds();
    struct line *guest = enters(owner);
    says(guest, &(struct wire_message){.type = WIRE_LEAVE});
    says(owner, &(struct wire_message){.type = WIRE_LEAVE});
    run(US_PER_S);
    assert_int_equal(t.over, 1);
    end();
}

static void who_is_expelled_while_it_waits_does_not_come_in(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds();
    struct line *one = connects(seat_make(&t.w, false)), *two = connects(seat_make(&t.w, false));
    hello(one, WIRE_ENTER, false, true, 0);
    hello(two, WIRE_ENTER, false, true, 0);
    struct service_now at = now();
    service_expel(t.s, &at, span_str(t.w.id), span_of(two->seat->identity, GROUP_IDENTITY_LEN));
    drain();
    assert_int_equal(two->closed, WIRE_CLOSE_OVER);
    assert_int_equal(last(two, WIRE_GONE).reason_gone, WIRE_GONE_REMOVED);
    assert_int_equal(one->closed, 0);
    assert_int_equal(owner->closed, 0);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_owner_founds_and_others_enter_when_a_host_has_opened_their_commit),
        cmocka_unit_test(a_commit_that_the_host_refuses_is_not_numbered),
        cmocka_unit_test(a_checker_that_is_silent_is_passed_over),
        cmocka_unit_test(there_is_one_answer_without_the_link_and_it_leaves_on_the_grid),
        cmocka_unit_test(a_connection_that_says_nothing_is_closed),
        cmocka_unit_test(who_waits_in_a_lobby_gets_nothing_of_the_group),
        cmocka_unit_test(who_crashes_is_removed_after_the_grace_period_and_who_leaves_at_once),
        cmocka_unit_test(a_host_puts_out_for_the_media_side_at_once_and_nobody_else_does),
        cmocka_unit_test(whom_a_host_put_out_is_removed_though_the_host_goes_before_its_commit),
        cmocka_unit_test(a_cut_connection_resumes_with_what_was_said_meanwhile),
        cmocka_unit_test(who_missed_too_much_is_sent_to_come_in_again_with_a_chain),
        cmocka_unit_test(a_chain_keeps_its_mark_until_something_happens),
        cmocka_unit_test(a_seat_has_so_many_commits_and_turns_whatever_it_connects_with),
        cmocka_unit_test(who_is_asked_for_a_commit_while_another_is_open_wakes_nobody_again_and_again),
        cmocka_unit_test(a_meeting_that_all_have_left_is_forgotten),
        cmocka_unit_test(who_is_expelled_while_it_waits_does_not_come_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
