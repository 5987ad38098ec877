/* What one address, one seat or one connection may take of the delivery service: work, places, memory, the others'
 * patience. */
#include <string.h>

#include "unit.h"

#include "delivery/budget.h"
#include "service_world.h"

static const struct net_addr elsewhere = {.family = 4, .ip = {198, 51, 100, 7}};

static struct net_addr bad_address(int i) {
    return (struct net_addr){
        .family = 6, .ip = {0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, (uint8_t)(i >> 8), 0, 0, 0, 0, 0, (uint8_t)i}};
}

static const struct service_counters *counters(void) {
    return service_counters_get(t.s);
}

static uint32_t opens(const struct net_addr *address, const char *id, uint8_t nonce[32]) {
    struct service_now at = now();
    struct service_output out;
    uint32_t connection = service_open(t.s, &at, address, span_str(id));
    while (service_poll(t.s, &out)) {
        struct wire_message message;
        t.held += out.type == SERVICE_HOLD && out.held;
        if (out.type == SERVICE_SEND && nonce != NULL && out.connection == connection &&
            wire_read(WIRE_FROM_SERVER, out.message, &message) == WIRE_OK && message.type == WIRE_CHALLENGE)
            memcpy(nonce, message.nonce.data, 32);
    }
    return connection;
}

/* The id of a meeting of this server, whose owner nobody is. */
static void id_of(uint8_t owner[32], char id[GROUP_MEETING_ID_LEN + 1]) {
    uint8_t hash[16], tag[8];
    struct group_id_parts parts = {span_of(t.w.link.link_key, 32), span_of(owner, 32), span_of(t.w.operator_key, 32),
                                   t.w.suite, t.w.kind};
    group_id_hash(&crypto_openssl, &parts, hash);
    group_id_tag(&crypto_openssl, span_of(t.w.server_secret, 32), hash, tag);
    group_id_text(hash, tag, id);
}

/* Says that it was in a meeting before the server was started; `good`: with the right signature. */
static void resumes(uint32_t connection, const uint8_t nonce[32], const uint8_t owner[32], const char *id, bool good) {
    static const uint8_t zeros[64];
    uint8_t meeting[32], signature[64], public_key[32];
    struct secret key;
    struct mls_buf bytes;
    assert_int_equal(sign_generate(&crypto_openssl, SIGN_ED25519, &t.w.rng, &key, public_key), CRYPTO_OK);
    group_meeting_hash(&crypto_openssl, span_str(id), meeting);
    struct group_hello said = {.meeting = span_of(meeting, 32),
                               .seat_key = span_of(public_key, 32),
                               .how = WIRE_RESUME,
                               .server_nonce = span_of(nonce, 32),
                               .client_nonce = span_of(zeros, 32)};
    assert_int_equal(group_hello_sign(&crypto_openssl, &key, &said, signature), CRYPTO_OK);
    signature[9] ^= !good;
    mls_buf_init(&bytes, WIRE_MESSAGE_LEN_MAX);
    wire_write(&(struct wire_message){.type = WIRE_HELLO,
                                      .how = WIRE_RESUME,
                                      .kind = t.w.kind,
                                      .suite = t.w.suite,
                                      .first_link_key = span_of(t.w.link.link_key, 32),
                                      .owner = span_of(owner, 32),
                                      .link_key = span_of(t.w.link.link_key, 32),
                                      .claim = span_of(zeros, 16),
                                      .seat_key = span_of(public_key, 32),
                                      .nonce = span_of(zeros, 32),
                                      .link_signature = span_of(zeros, 64),
                                      .leaf_signature = span_of(signature, 64)},
               &bytes);
    struct service_now at = now();
    service_message(t.s, &at, connection, mls_buf_span(&bytes));
    mls_buf_free(&bytes);
    secret_wipe(&key);
    drain();
}

/* ---- places ---- */

static void one_network_cannot_take_all_meetings(void **state) {
    (void)state;
    begin_with(GROUP_OPEN, 256, 2000, 0);
    uint8_t owner[32] = {0}, nonce[32];
    char id[GROUP_MEETING_ID_LEN + 1];
    for (int i = 0; i < 100; i++, t.now_us += 50 * US_PER_MS) {
        struct net_addr bad = bad_address(i);
        owner[0] = (uint8_t)i;
        id_of(owner, id);
        uint32_t connection = opens(&bad, id, nonce);
        assert_true(connection != 0);
        resumes(connection, nonce, owner, id, true);
    }
    assert_int_equal(counters()->service_refused_full, 100 - 256 / SERVICE_NETWORK_MEETINGS_PART);
    owner[1] = 1;
    id_of(owner, id);
    resumes(opens(&elsewhere, id, nonce), nonce, owner, id, true);
    assert_int_equal(counters()->service_refused_full, 100 - 256 / SERVICE_NETWORK_MEETINGS_PART);
    end();
}

static void one_network_cannot_take_all_connections(void **state) {
    (void)state;
    begin_with(GROUP_OPEN, 10, 2000, 0);
    uint32_t taken = 0;
    for (int i = 0; i < 1000; i++) {
        struct net_addr bad = bad_address(i);
        taken += opens(&bad, t.w.id, NULL) != 0;
    }
    /* those who have not said hello have less than those who have */
    assert_int_equal(taken, SERVICE_NETWORK_STRANGERS_MAX);
    assert_true(opens(&elsewhere, t.w.id, NULL) != 0);
    assert_int_equal(counters()->service_refused_full, 1000 - SERVICE_NETWORK_STRANGERS_MAX);
    run(SERVICE_HELLO_US + US_PER_S);
    assert_int_equal(counters()->service_silent, SERVICE_NETWORK_STRANGERS_MAX + 1);
    struct net_addr bad = bad_address(0);
    assert_true(opens(&bad, t.w.id, NULL) != 0);
    end();
}

static void who_waits_for_a_host_in_vain_is_sent_away(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *l = connects(seat_make(&t.w, false));
    hello(l, WIRE_ENTER, false, true, 0);
    assert_int_equal(last(l, WIRE_STATE).standing, WIRE_STANDING_WAIT);
    run(SERVICE_WAIT_US + US_PER_S);
    assert_int_equal(last(l, WIRE_GONE).reason_gone, WIRE_GONE_TIMEOUT);
    assert_int_equal(l->closed, WIRE_CLOSE_OVER);
    assert_int_equal(counters()->service_tired, 1);
    assert_int_equal(t.over, 1);
    end();
}

/* ---- work ---- */

static void bad_hellos_are_paid_by_their_network_however_often_it_connects(void **state) {
    (void)state;
    begin_with(GROUP_OPEN, 10, 2000, 0);
    uint8_t owner[32] = {0}, nonce[32];
    char id[GROUP_MEETING_ID_LEN + 1];
    struct net_addr bad = bad_address(1);
    id_of(owner, id);
    uint32_t before = 0;
    for (int i = 0; i < 1000 && t.held == 0; i++, before++) {
        uint32_t connection = opens(&bad, id, nonce);
        assert_true(connection != 0);
        resumes(connection, nonce, owner, id, false);
        struct service_now at = now();
        service_closed(t.s, &at, connection, true); /* nothing of it is left but what it cost */
        drain();
    }
    assert_in_range(before, 2, BUDGET_SHARED_BURST_US / PRICE_HELLO_US + 50);
    t.held = t.released = 0;
    uint32_t connection = opens(&bad, id, nonce);
    assert_true(connection != 0);
    assert_int_equal(t.held, 1); /* it is not read from before that is paid */
    assert_true(opens(&elsewhere, id, nonce) != 0);
    assert_int_equal(t.held, 1);
    run(2 * US_PER_S);
    assert_int_equal(t.released, 1);
    end();
}

static void who_costs_too_much_is_not_read_from_and_then_closed(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds(), *greedy = enters(owner);
    uint8_t junk[2000] = {0};
    struct wire_message commit = {
        .type = WIRE_COMMIT, .commit = span_of(junk, sizeof junk), .group_info = span_of(junk, 100)};
    for (int i = 0; i < 20000 && greedy->closed == 0; i++) {
        run(US_PER_MS);
        says(greedy, &commit);
        if (i == 100)
            assert_int_equal(t.held, 0); /* a burst is nothing */
    }
    assert_int_equal(greedy->closed, WIRE_CLOSE_TOO_MUCH);
    assert_true(t.held > 0);
    assert_int_equal(owner->closed, 0);
    end();
}

static void a_seat_that_connects_anew_still_owes_what_it_cost(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds(), *greedy = enters(owner);
    uint8_t junk[2000] = {0};
    for (int i = 0; i < 2000 && t.held == 0; i++)
        says(greedy, &(struct wire_message){
                         .type = WIRE_COMMIT, .commit = span_of(junk, sizeof junk), .group_info = span_of(junk, 100)});
    assert_int_equal(t.held, 1);
    struct service_now at = now();
    service_closed(t.s, &at, greedy->connection, false);
    drain();
    t.held = 0;
    struct line *again = connects(greedy->seat);
    assert_int_equal(t.held, 0);
    hello(again, WIRE_RESUME, false, false, 1);
    assert_int_equal(last(again, WIRE_STATE).standing, WIRE_STANDING_RESUMED);
    assert_int_equal(t.held, 1);
    end();
}

static void who_reads_much_waits_until_it_is_paid_and_nobody_else_does(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds(), *greedy = enters(owner);
    struct span id = span_str(t.w.id), reader = span_of(greedy->seat->identity, GROUP_IDENTITY_LEN);
    struct service_now at = now();
    const size_t chain_len = 8u << 20;
    uint64_t wait_us = 0;
    uint32_t copies = 0;
    while (copies < 1000 && (wait_us = service_pay_reading(t.s, &at, id, reader, chain_len)) == 0)
        copies++;
    assert_in_range(copies, 10, 100);
    assert_in_range(wait_us, 1, US_PER_S);
    assert_int_equal(counters()->service_read_later, 1);
    assert_int_equal(service_pay_reading(t.s, &at, id, span_of(owner->seat->identity, GROUP_IDENTITY_LEN), chain_len),
                     0);
    /* its connection owes as well, and its seat when that is gone */
    t.held = 0;
    says(greedy, &(struct wire_message){.type = WIRE_WHERE});
    assert_int_equal(t.held, 1);
    service_closed(t.s, &at, greedy->connection, false);
    drain();
    assert_true(is_member(greedy));
    assert_true(service_pay_reading(t.s, &at, id, reader, chain_len) > 0);
    run(2 * US_PER_S);
    at = now();
    assert_int_equal(service_pay_reading(t.s, &at, id, reader, chain_len), 0);
    end();
}

static void a_stranger_has_nothing_copied(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    (void)founds();
    struct service_now at = now();
    assert_true(service_pay_reading(t.s, &at, span_str(t.w.id), span_str("p_nobody"), 1) > 0);
    assert_true(service_pay_reading(t.s, &at, span_str("no meeting"), span_str("p_nobody"), 1) > 0);
    end();
}

static void sealed_messages_beyond_the_rate_are_dropped_and_who_goes_on_is_closed(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds(), *loud = enters(owner);
    uint8_t sealed[100] = {0};
    struct wire_message direct = {.type = WIRE_DIRECT,
                                  .identity = span_of(owner->seat->identity, GROUP_IDENTITY_LEN),
                                  .sealed = span_of(sealed, sizeof sealed)};
    for (int i = 0; i < SERVICE_SEALED_BURST + 50; i++)
        says(loud, &direct);
    assert_int_equal(owner->count[WIRE_DIRECT_FROM], SERVICE_SEALED_BURST);
    run(US_PER_S);
    for (int i = 0; i < 50; i++)
        says(loud, &direct);
    assert_int_equal(owner->count[WIRE_DIRECT_FROM], SERVICE_SEALED_BURST + SERVICE_SEALED_RATE);
    for (int i = 0; i < SERVICE_SEALED_DROPPED_MAX && loud->closed == 0; i++)
        says(loud, &direct);
    assert_int_equal(loud->closed, WIRE_CLOSE_TOO_MUCH);
    assert_int_equal(owner->closed, 0);
    end();
}

/* ---- what is told ---- */

static void a_connection_that_would_miss_a_message_is_closed(void **state) {
    (void)state;
    begin_with(GROUP_OPEN, 4, 100, 0);
    struct line *owner = founds(), *one = enters(owner), *two = enters(owner);
    (void)two;
    uint8_t sealed[100] = {0};
    struct mls_buf bytes;
    mls_buf_init(&bytes, WIRE_MESSAGE_LEN_MAX);
    wire_write(&(struct wire_message){.type = WIRE_DIRECT,
                                      .identity = span_of(one->seat->identity, GROUP_IDENTITY_LEN),
                                      .sealed = span_of(sealed, sizeof sealed)},
               &bytes);
    run(5 * US_PER_S);
    uint32_t before = one->count[WIRE_DIRECT_FROM];
    /* nobody polls: the outputs have no room any more */
    for (int i = 0; i < 30000 && counters()->service_behind == 0; i++, t.now_us += 50 * US_PER_MS) {
        struct service_now at = now();
        service_message(t.s, &at, owner->connection, mls_buf_span(&bytes));
    }
    mls_buf_free(&bytes);
    drain();
    assert_true(one->count[WIRE_DIRECT_FROM] - before >= 16000);
    assert_int_equal(one->closed, 1013);
    assert_int_equal(owner->closed, 0);
    assert_int_equal(counters()->service_behind, 1);
    end();
}

static void who_is_online_is_told_twice_a_second_at_most(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds(), *one = enters(owner);
    run(5 * US_PER_S);
    uint32_t before = owner->count[WIRE_ONLINE];
    assert_true(before > 0);
    for (int i = 0; i < 40; i++) { /* two seconds */
        struct service_now at = now();
        service_closed(t.s, &at, one->connection, false);
        drain();
        t.lines_count--;
        for (size_t k = 0; k < 256; k++)
            mls_buf_free(&one->last[k]);
        struct seat *seat = one->seat;
        memset(one, 0, sizeof *one);
        one = connects(seat);
        hello(one, WIRE_RESUME, false, false, 1);
        run(50 * US_PER_MS);
    }
    assert_in_range(owner->count[WIRE_ONLINE] - before, 1, 5);
    end();
}

static void who_refuses_each_commit_is_given_turns_after_growing_pauses(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds(), *one = enters(owner);
    uint64_t until_us = t.now_us + 30 * US_PER_S;
    while (t.now_us < until_us && one->closed == 0) {
        uint32_t before = one->count[WIRE_RESYNC], checks = owner->count[WIRE_CHECK_NOW];
        says(one, &(struct wire_message){.type = WIRE_BAD, .epoch = 1, .status = 7});
        while (t.now_us < until_us && one->count[WIRE_RESYNC] == before)
            run(50 * US_PER_MS);
        if (one->count[WIRE_RESYNC] == before)
            break;
        seat_publish(owner->seat);
        seat_enter(one->seat, owner->seat, true, true);
        says(one, &(struct wire_message){.type = WIRE_COMMIT,
                                         .commit = mls_buf_span(&t.w.commit),
                                         .group_info = mls_buf_span(&t.w.group_info)});
        assert_true(owner->count[WIRE_CHECK_NOW] > checks);
        vouches(owner, true);
        run(ORDER_READY_US + US_PER_MS);
        meeting_deliver(one->seat);
    }
    /* three at once, then after 1, 2, 4, 8 and 16 s */
    assert_in_range(one->count[WIRE_RESYNC], 4, 8);
    assert_true(counters()->service_rationed > 0);
    end();
}

/* ---- commits ---- */

static uint32_t packages(struct line *l) {
    struct wire_message message = last(l, WIRE_COMMIT_NOW);
    struct wire_package one;
    size_t at = 0;
    uint32_t count = 0;
    while (wire_next_package(&message, &at, &one))
        count++;
    return count;
}

static void one_package_that_nobody_can_add_keeps_nobody_else_out(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds(), *people[5];
    for (int i = 0; i < 5; i++) {
        people[i] = connects(seat_make(&t.w, false));
        hello(people[i], WIRE_ENTER, false, true, 0);
    }
    assert_int_equal(people[0]->count[WIRE_JOIN_NOW], 1); /* it was alone */
    run(SERVICE_JOIN_US + SERVICE_GATHER_BUSY_US);
    assert_int_equal(owner->count[WIRE_COMMIT_NOW], 1);
    assert_int_equal(packages(owner), 4); /* who let its turn pass is not among them */
    run(SERVICE_COMMIT_US);
    assert_int_equal(owner->count[WIRE_COMMIT_NOW], 2);
    assert_int_equal(packages(owner), 2);
    run(2 * SERVICE_COMMIT_US);
    assert_int_equal(owner->count[WIRE_COMMIT_NOW], 3);
    assert_int_equal(packages(owner), 1);
    run(4 * SERVICE_COMMIT_US);
    uint32_t turns = 0;
    for (int i = 0; i < 5; i++)
        turns += people[i]->count[WIRE_JOIN_NOW];
    assert_true(turns > 1 || owner->count[WIRE_COMMIT_NOW] > 3); /* the next one's turn */
    end();
}

static void commits(struct line *l) {
    seat_commit(l->seat);
    says(l, &(struct wire_message){
                .type = WIRE_COMMIT, .commit = mls_buf_span(&t.w.commit), .group_info = mls_buf_span(&t.w.group_info)});
}

static void a_group_info_that_members_find_another_is_not_handed_out(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds(), *one = enters(owner), *two = enters(owner);
    commits(owner);
    struct wire_message ack = {.type = WIRE_ACK, .epoch = last(owner, WIRE_ACCEPTED).epoch};
    uint8_t other_tag[16] = {1};
    ack.info_tag = span_of(other_tag, sizeof other_tag);
    says(one, &ack);
    says(two, &ack);
    meeting_deliver(owner->seat);
    /* a host's commit stands; who enters gets the GroupInfo of the next */
    struct line *late = connects(seat_make(&t.w, false));
    hello(late, WIRE_ENTER, false, true, 0);
    assert_int_equal(late->count[WIRE_JOIN_NOW], 0);
    assert_int_equal(owner->count[WIRE_COMMIT_NOW], 1);
    commits(owner);
    run(ORDER_READY_US + SERVICE_GATHER_BUSY_US);
    assert_int_equal(late->count[WIRE_JOIN_NOW], 1);
    end();
}

static void who_refuses_the_commits_of_three_others_goes_at_the_third(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds(), *authors[3] = {enters(owner), enters(owner), enters(owner)}, *liar = enters(owner);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(liar->closed, 0);
        commits(authors[i]);
        run(ORDER_READY_US + US_PER_MS);
        meeting_deliver(authors[i]->seat);
        says(liar, &(struct wire_message){.type = WIRE_BAD, .epoch = last(owner, WIRE_READY).epoch, .status = 7});
    }
    assert_int_equal(last(liar, WIRE_GONE).reason_gone, WIRE_GONE_CANNOT_FOLLOW);
    assert_int_equal(liar->closed, WIRE_CLOSE_OVER);
    assert_false(is_member(liar));
    end();
}

static void after_a_hosts_urgent_commit_that_was_too_late_only_its_next_is_taken(void **state) {
    (void)state;
    begin(GROUP_OPEN);
    struct line *owner = founds(), *one = enters(owner);
    struct mls_buf late;
    commits(owner);
    mls_buf_init(&late, WIRE_MESSAGE_LEN_MAX);
    mls_wr_span(&late, mls_buf_span(&t.w.commit));
    run(ORDER_READY_US + US_PER_MS);
    meeting_deliver(owner->seat);
    says(owner, &(struct wire_message){.type = WIRE_COMMIT,
                                       .flags = WIRE_COMMIT_URGENT,
                                       .commit = mls_buf_span(&late),
                                       .group_info = mls_buf_span(&t.w.group_info)});
    mls_buf_free(&late);
    assert_int_equal(owner->count[WIRE_STALE], 1);
    uint32_t before = one->count[WIRE_ACCEPTED];
    commits(one);
    assert_int_equal(one->count[WIRE_STALE], 1);
    assert_int_equal(one->count[WIRE_ACCEPTED], before);
    run(500 * US_PER_MS);
    says(one, &(struct wire_message){.type = WIRE_COMMIT,
                                     .commit = mls_buf_span(&t.w.commit),
                                     .group_info = mls_buf_span(&t.w.group_info)});
    assert_int_equal(one->count[WIRE_ACCEPTED], before + 1);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_network_cannot_take_all_meetings),
        cmocka_unit_test(one_network_cannot_take_all_connections),
        cmocka_unit_test(who_waits_for_a_host_in_vain_is_sent_away),
        cmocka_unit_test(bad_hellos_are_paid_by_their_network_however_often_it_connects),
        cmocka_unit_test(who_costs_too_much_is_not_read_from_and_then_closed),
        cmocka_unit_test(a_seat_that_connects_anew_still_owes_what_it_cost),
        cmocka_unit_test(who_reads_much_waits_until_it_is_paid_and_nobody_else_does),
        cmocka_unit_test(a_stranger_has_nothing_copied),
        cmocka_unit_test(sealed_messages_beyond_the_rate_are_dropped_and_who_goes_on_is_closed),
        cmocka_unit_test(a_connection_that_would_miss_a_message_is_closed),
        cmocka_unit_test(who_is_online_is_told_twice_a_second_at_most),
        cmocka_unit_test(who_refuses_each_commit_is_given_turns_after_growing_pauses),
        cmocka_unit_test(one_package_that_nobody_can_add_keeps_nobody_else_out),
        cmocka_unit_test(a_group_info_that_members_find_another_is_not_handed_out),
        cmocka_unit_test(who_refuses_the_commits_of_three_others_goes_at_the_third),
        cmocka_unit_test(after_a_hosts_urgent_commit_that_was_too_late_only_its_next_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
