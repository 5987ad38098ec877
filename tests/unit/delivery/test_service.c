/* The service of delivery protocol 2 with scripted people: who founds, enters, is checked, comes back, is put out. */
#include "unit.h"

#include "../group/meeting_world.h"
#include "base/time.h"
#include "delivery/service.h"

#define LINES_MAX 10

/* A connection, and what came over it. */
struct line {
    struct seat *seat;
    uint32_t connection;
    uint16_t closed;
    uint32_t count[256];
    struct mls_buf last[256]; /* by type */
    uint8_t nonce[32], link_signature[64], leaf_signature[64];
};

static struct {
    struct meeting_world w;
    struct service *s;
    uint64_t now_us;
    struct line lines[LINES_MAX];
    size_t lines_count;
    uint32_t admitted, expelled, over;
} t;

static struct service_now now(void) {
    return (struct service_now){.now_us = t.now_us, .unix_s = MEETING_NOW, .rng = &t.w.rng};
}

static void drain(void) {
    struct service_output out;
    while (service_poll(t.s, &out)) {
        t.admitted += out.type == SERVICE_ADMITTED;
        t.expelled += out.type == SERVICE_EXPELLED;
        t.over += out.type == SERVICE_OVER;
        for (size_t i = 0; i < t.lines_count; i++) {
            struct line *l = &t.lines[i];
            if (l->connection != out.connection || out.connection == 0)
                continue;
            if (out.type == SERVICE_CLOSE)
                l->closed = out.code;
            if (out.type != SERVICE_SEND)
                continue;
            struct wire_message message;
            uint8_t type = out.message.data[0];
            assert_int_equal(wire_read(WIRE_FROM_SERVER, out.message, &message), WIRE_OK);
            l->count[type]++;
            mls_buf_clear(&l->last[type]);
            mls_wr_span(&l->last[type], out.message);
        }
    }
}

static struct wire_message last(struct line *l, enum wire_type type) {
    struct wire_message message;
    assert_true(l->count[type] > 0);
    assert_int_equal(wire_read(WIRE_FROM_SERVER, mls_buf_span(&l->last[type]), &message), WIRE_OK);
    return message;
}

static void says(struct line *l, const struct wire_message *message) {
    struct mls_buf bytes;
    struct service_now at = now();
    mls_buf_init(&bytes, WIRE_MESSAGE_LEN_MAX);
    wire_write(message, &bytes);
    assert_true(mls_buf_ok(&bytes));
    service_message(t.s, &at, l->connection, mls_buf_span(&bytes));
    mls_buf_free(&bytes);
    drain();
}

static void run(uint64_t us) {
    uint64_t end_us = t.now_us + us;
    while (t.now_us < end_us) {
        t.now_us = time_min(service_next_deadline_us(t.s), end_us);
        struct service_now at = now();
        service_tick(t.s, &at);
        drain();
        if (t.now_us < end_us && service_next_deadline_us(t.s) <= t.now_us)
            t.now_us++;
    }
}

static void begin(uint8_t entry) {
    memset(&t, 0, sizeof t);
    t.now_us = US_PER_S;
    meeting_init(&t.w, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW, entry);
    struct service_config config = {.crypto = &crypto_openssl,
                                    .server_secret = span_of(t.w.server_secret, 32),
                                    .operator_key = span_of(t.w.operator_key, 32),
                                    .meetings_max = 4,
                                    .connections_max = 64,
                                    .members_max = 100};
    t.s = service_create(&config);
    assert_non_null(t.s);
}

static void end(void) {
    service_free(t.s);
    for (size_t i = 0; i < t.lines_count; i++) {
        for (size_t k = 0; k < 256; k++)
            mls_buf_free(&t.lines[i].last[k]);
    }
    meeting_free(&t.w);
}

static struct line *connects(struct seat *seat) {
    struct line *l = &t.lines[t.lines_count++];
    struct service_now at = now();
    l->seat = seat;
    for (size_t k = 0; k < 256; k++)
        mls_buf_init(&l->last[k], 2 * WIRE_MESSAGE_LEN_MAX);
    l->connection = service_open(t.s, &at, span_str(t.w.id));
    assert_true(l->connection != 0);
    drain();
    struct wire_message challenge = last(l, WIRE_CHALLENGE);
    memcpy(l->nonce, challenge.nonce.data, 32);
    return l;
}

static void hello(struct line *l, enum wire_how how, bool may_found, bool with_link, uint64_t last_seq) {
    static const uint8_t zeros[64];
    struct seat *seat = l->seat;
    struct span meeting = span_of(t.w.meeting, 32), key = span_of(seat->public_key, 32);
    struct wire_message message = {.type = WIRE_HELLO,
                                   .how = (uint8_t)how,
                                   .flags = may_found ? WIRE_HELLO_MAY_FOUND : 0,
                                   .kind = how == WIRE_ENTER ? t.w.kind : 0,
                                   .suite = t.w.suite,
                                   .first_link_key = span_of(t.w.link.link_key, 32),
                                   .owner = span_of(t.w.owner_key, 32),
                                   .link_key = span_of(t.w.link.link_key, 32),
                                   .claim = span_of(zeros, 16),
                                   .seat_key = key,
                                   .nonce = span_of(zeros, 32),
                                   .seq = last_seq,
                                   .link_signature = span_of(zeros, 64)};
    if (how == WIRE_ENTER && with_link) {
        assert_int_equal(group_leaf_sign(&crypto_openssl, &t.w.link.sign, meeting, 0, key, l->link_signature),
                         CRYPTO_OK);
        message.link_signature = span_of(l->link_signature, 64);
    }
    if (how != WIRE_RESUME) {
        mls_buf_clear(&seat->key_package);
        assert_int_equal(
            mls_key_package_create(seat->client, &seat->mls, NULL, MEETING_NOW, &t.w.rng, &seat->key_package), MLS_OK);
        message.key_package = mls_buf_span(&seat->key_package);
    }
    struct group_hello said = {.meeting = meeting,
                               .seat_key = key,
                               .how = (uint8_t)how,
                               .server_nonce = span_of(l->nonce, 32),
                               .client_nonce = span_of(zeros, 32),
                               .key_package = message.key_package};
    assert_int_equal(group_hello_sign(&crypto_openssl, &seat->key, &said, l->leaf_signature), CRYPTO_OK);
    message.leaf_signature = span_of(l->leaf_signature, 64);
    says(l, &message);
}

static struct line *founds(void) {
    struct line *l = connects(seat_make(&t.w, true));
    hello(l, WIRE_ENTER, true, true, 0);
    assert_int_equal(last(l, WIRE_STATE).standing, WIRE_STANDING_FOUND);
    assert_true(span_equal(last(l, WIRE_CREATE_NOW).external_sender, mls_buf_span(&t.w.external_sender)));
    seat_found(l->seat, true);
    says(l, &(struct wire_message){
                .type = WIRE_CREATE, .group_info = mls_buf_span(&t.w.group_info), .tree = mls_buf_span(&t.w.tree)});
    assert_int_equal(l->count[WIRE_ACCEPTED], 1);
    return l;
}

/* Somebody comes as far as its external commit, which then is in t.w. */
static struct line *comes(struct line *owner) {
    struct line *l = connects(seat_make(&t.w, false));
    hello(l, WIRE_ENTER, false, true, 0);
    assert_int_equal(last(l, WIRE_STATE).standing, WIRE_STANDING_TURN);
    struct wire_message join = last(l, WIRE_JOIN_NOW);
    assert_true(service_tree(t.s, span_str(t.w.id), join.tree_hash).len > 0);
    assert_true(service_may_read(t.s, span_str(t.w.id), span_of(l->seat->identity, GROUP_IDENTITY_LEN)));
    seat_enter(l->seat, owner->seat, true, false);
    says(l, &(struct wire_message){
                .type = WIRE_COMMIT, .commit = mls_buf_span(&t.w.commit), .group_info = mls_buf_span(&t.w.group_info)});
    return l;
}

static void vouches(struct line *checker, bool good) {
    struct wire_message check = last(checker, WIRE_CHECK_NOW);
    says(checker, &(struct wire_message){.type = WIRE_CHECKED, .ticket = check.ticket, .good = good});
}

static struct line *enters(struct line *owner) {
    struct line *l = comes(owner);
    vouches(owner, true);
    assert_int_equal(l->count[WIRE_ACCEPTED], 1);
    run(ORDER_READY_US + US_PER_MS);
    assert_int_equal(l->count[WIRE_READY], 1);
    meeting_deliver(l->seat);
    return l;
}

static bool is_member(const struct line *l) {
    return service_is_member(t.s, span_str(t.w.id), span_of(l->seat->identity, GROUP_IDENTITY_LEN));
}

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
        cmocka_unit_test(a_cut_connection_resumes_with_what_was_said_meanwhile),
        cmocka_unit_test(who_missed_too_much_is_sent_to_come_in_again_with_a_chain),
        cmocka_unit_test(a_seat_has_so_many_commits_and_turns_whatever_it_connects_with),
        cmocka_unit_test(a_meeting_that_all_have_left_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
