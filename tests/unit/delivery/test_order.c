/* Commits that stand at ready, votes, and the chain, with members who lie. */
#include "unit.h"

#include "../group/meeting_world.h"
#include "delivery/order.h"
#include "e2ee/mls_message.h"

#define NOW_US UINT64_C(1000000)
#define GUESTS 4

struct scene {
    struct meeting_world w;
    struct seat *owner, *guests[GUESTS];
    struct order *o;
    uint32_t ready, withdrawn, handshakes;
    struct order_output last;
};

static struct scene s;

static struct span key_of(const struct seat *seat) {
    return span_of(seat->public_key, 32);
}

static void drain(void) {
    struct order_output out;
    while (order_poll(s.o, &out)) {
        s.ready += out.type == ORDER_READY;
        s.withdrawn += out.type == ORDER_WITHDRAWN;
        s.handshakes += out.type == ORDER_HANDSHAKE;
        s.last = out;
    }
}

static enum mls_status sends(struct seat *by, bool urgent) {
    struct public_group_staged staged;
    enum mls_status status = order_commit(s.o, NOW_US, MEETING_NOW, key_of(by), urgent, mls_buf_span(&s.w.commit),
                                          mls_buf_span(&s.w.group_info), &staged);
    drain();
    return status;
}

/* The tag that an honest member finds: of the GroupInfo that went with the commit. */
static void tag_of_info(uint8_t tag[16]) {
    struct mls_message message;
    struct group_info info;
    struct span external_pub;
    assert_int_equal(mls_message_parse(mls_buf_span(&s.w.group_info), &message), MLS_OK);
    assert_true(mls_extensions_find(&message.group_info.extensions, MLS_EXTENSION_EXTERNAL_PUB, &external_pub));
    assert_true(group_info_of(message.group_info.extensions.bytes, &info));
    struct mls_reader r = mls_reader_of(external_pub);
    group_info_tag(&crypto_openssl, mls_rd_vec(&r, external_pub.len, MLS_TOO_LARGE), info.generation, info.link_key,
                   tag);
}

static void ack(const struct seat *by) {
    uint8_t tag[16];
    tag_of_info(tag);
    order_ack(s.o, NOW_US, key_of(by), public_group_epoch(order_group(s.o)) + 1, tag);
    drain();
}

static void bad(const struct seat *by) {
    order_bad(s.o, NOW_US, key_of(by), public_group_epoch(order_group(s.o)) + 1);
    drain();
}

/* An owner and four guests, all here. */
static void scene_init(void) {
    struct mls_crypto crypto;
    struct public_group *g = NULL;
    memset(&s, 0, sizeof s);
    meeting_init(&s.w, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW, GROUP_OPEN);
    s.owner = seat_make(&s.w, true);
    seat_found(s.owner, true);
    assert_int_equal(mls_crypto_of(&crypto_openssl, s.w.suite, &crypto), MLS_OK);
    assert_int_equal(
        public_group_open(&crypto, 100, mls_buf_span(&s.w.group_info), mls_buf_span(&s.w.tree), &s.w.rng, &g), MLS_OK);
    s.o = order_create(&crypto_openssl, g, 100);
    assert_non_null(s.o);
    order_here(s.o, NOW_US, key_of(s.owner), true);
    for (size_t i = 0; i < GUESTS; i++) {
        s.guests[i] = seat_make(&s.w, false);
        propose_add(&s.w, s.guests[i]);
    }
    propose_psk(&s.w);
    seat_commit(s.owner);
    assert_int_equal(sends(s.owner, false), MLS_OK);
    assert_int_equal(s.ready, 1); /* nobody else was here */
    meeting_deliver(s.owner);
    for (size_t i = 0; i < GUESTS; i++)
        order_here(s.o, NOW_US, key_of(s.guests[i]), true);
    s.ready = s.handshakes = 0;
}

static void scene_free(void) {
    order_free(s.o);
    meeting_free(&s.w);
}

static void a_commit_stands_when_all_who_are_here_have_answered(void **state) {
    (void)state;
    scene_init();
    seat_commit(s.guests[0]);
    assert_int_equal(sends(s.guests[0], false), MLS_OK);
    assert_int_equal(s.handshakes, 1);
    uint64_t epoch = public_group_epoch(order_group(s.o));
    ack(s.owner);
    ack(s.guests[1]);
    ack(s.guests[1]); /* twice is once */
    ack(s.guests[0]); /* the author has no vote */
    assert_int_equal(s.ready, 0);
    order_here(s.o, NOW_US, key_of(s.guests[3]), false);
    ack(s.guests[2]);
    assert_int_equal(s.ready, 1);
    assert_int_equal(public_group_epoch(order_group(s.o)), epoch + 1);
    assert_int_equal(s.last.epoch, epoch + 1);
    assert_false(s.last.info_doubted);
    scene_free();
}

static void who_lets_a_window_pass_is_not_waited_for_again(void **state) {
    (void)state;
    scene_init();
    seat_commit(s.guests[0]);
    assert_int_equal(sends(s.guests[0], false), MLS_OK);
    ack(s.owner);
    ack(s.guests[1]);
    ack(s.guests[2]);
    order_tick(s.o, NOW_US + ORDER_READY_US - 1);
    drain();
    assert_int_equal(s.ready, 0);
    order_tick(s.o, order_deadline_us(s.o));
    drain();
    assert_int_equal(s.ready, 1);
    meeting_deliver(s.guests[0]);
    seat_commit(s.guests[0]);
    assert_int_equal(sends(s.guests[0], false), MLS_OK);
    ack(s.owner);
    ack(s.guests[1]);
    ack(s.guests[2]);
    assert_int_equal(s.ready, 2);
    scene_free();
}

static void a_second_commit_waits_for_the_end_of_the_first(void **state) {
    (void)state;
    scene_init();
    seat_commit(s.guests[0]);
    assert_int_equal(sends(s.guests[0], false), MLS_OK);
    struct mls_buf first = s.w.commit;
    mls_buf_init(&s.w.commit, first.max);
    seat_commit(s.guests[1]);
    assert_int_equal(sends(s.guests[1], false), MLS_COMMIT_STAGED);
    mls_buf_free(&first);
    scene_free();
}

static void a_bad_commit_is_withdrawn(void **state) {
    (void)state;
    scene_init();
    uint64_t epoch = public_group_epoch(order_group(s.o));
    seat_commit(s.guests[0]);
    assert_int_equal(sends(s.guests[0], false), MLS_OK);
    bad(s.guests[1]);
    bad(s.guests[2]);
    bad(s.guests[3]);
    order_here(s.o, NOW_US, key_of(s.owner), false); /* the host says nothing */
    drain();
    assert_int_equal(s.withdrawn, 1);
    assert_int_equal(public_group_epoch(order_group(s.o)), epoch);
    assert_true(span_equal(s.last.seat, key_of(s.guests[0])));
    /* and what follows is of the same epoch */
    struct mls_buf chain;
    mls_buf_init(&chain, 1 << 20);
    assert_true(order_chain(s.o, epoch, &chain));
    assert_int_equal(mls_buf_len(&chain), 0);
    mls_buf_free(&chain);
    scene_free();
}

static void a_lie_about_a_commit_harms_nobody_alone(void **state) {
    (void)state;
    scene_init();
    seat_commit(s.guests[0]);
    assert_int_equal(sends(s.guests[0], false), MLS_OK);
    bad(s.guests[1]);
    order_here(s.o, NOW_US, key_of(s.owner), false);
    order_here(s.o, NOW_US, key_of(s.guests[2]), false);
    order_here(s.o, NOW_US, key_of(s.guests[3]), false);
    drain();
    assert_int_equal(s.withdrawn, 0);
    assert_int_equal(s.ready, 1);
    scene_free();
}

static void a_host_outweighs_any_number_of_liars(void **state) {
    (void)state;
    scene_init();
    seat_commit(s.guests[0]);
    assert_int_equal(sends(s.guests[0], false), MLS_OK);
    bad(s.guests[1]);
    bad(s.guests[2]);
    bad(s.guests[3]);
    ack(s.owner);
    assert_int_equal(s.ready, 1);
    meeting_deliver(s.guests[0]);
    seat_commit(s.guests[0]);
    assert_int_equal(sends(s.guests[0], false), MLS_OK);
    ack(s.guests[1]);
    ack(s.guests[2]);
    ack(s.guests[3]);
    bad(s.owner);
    assert_int_equal(s.withdrawn, 1);
    scene_free();
}

static void a_commit_good_for_half_silences_nobody(void **state) {
    (void)state;
    scene_init();
    seat_commit(s.guests[0]);
    assert_int_equal(sends(s.guests[0], false), MLS_OK);
    order_here(s.o, NOW_US, key_of(s.owner), false);
    ack(s.guests[1]);
    bad(s.guests[2]);
    bad(s.guests[3]);
    assert_int_equal(s.withdrawn, 1);
    scene_free();
}

static void a_hosts_remove_is_never_withdrawn(void **state) {
    (void)state;
    scene_init();
    propose_remove(&s.w, s.guests[3]);
    seat_commit(s.owner);
    assert_int_equal(sends(s.owner, true), MLS_OK);
    bad(s.guests[3]); /* who goes has no vote */
    assert_int_equal(s.ready, 0);
    bad(s.guests[0]);
    bad(s.guests[1]);
    bad(s.guests[2]);
    assert_int_equal(s.withdrawn, 0);
    assert_int_equal(s.ready, 1);
    assert_true(s.last.info_doubted);
    uint32_t leaf;
    assert_false(public_group_find_seat(order_group(s.o), key_of(s.guests[3]), &leaf));
    scene_free();
}

static void a_hosts_urgent_commit_closes_a_window_without_bad(void **state) {
    (void)state;
    for (int lies = 0; lies < 2; lies++) {
        scene_init();
        seat_commit(s.guests[0]);
        assert_int_equal(sends(s.guests[0], false), MLS_OK);
        if (lies == 1)
            bad(s.guests[1]);
        propose_remove(&s.w, s.guests[3]);
        seat_commit(s.owner);
        /* it is of the epoch that has ended with it: the host's client commits again */
        assert_int_equal(sends(s.owner, true), lies == 0 ? MLS_EPOCH_OVER : MLS_COMMIT_STAGED);
        assert_int_equal(s.ready, lies == 0);
        scene_free();
    }
    scene_init();
    seat_commit(s.guests[0]);
    assert_int_equal(sends(s.guests[0], false), MLS_OK);
    seat_commit(s.guests[1]);
    assert_int_equal(sends(s.guests[1], true), MLS_COMMIT_STAGED); /* nobody else has urgent ones */
    scene_free();
}

static void a_group_info_that_members_contradict_counts_as_bad(void **state) {
    (void)state;
    scene_init();
    static const uint8_t other[16] = {1};
    uint64_t epoch = public_group_epoch(order_group(s.o)) + 1;
    seat_commit(s.guests[0]);
    assert_int_equal(sends(s.guests[0], false), MLS_OK);
    order_here(s.o, NOW_US, key_of(s.owner), false);
    for (size_t i = 1; i < GUESTS; i++)
        order_ack(s.o, NOW_US, key_of(s.guests[i]), epoch, other);
    drain();
    assert_int_equal(s.withdrawn, 1);
    scene_free();
}

static void the_chain_leads_who_was_away_to_the_present_epoch(void **state) {
    (void)state;
    struct mls_crypto crypto;
    struct public_group *replay = NULL;
    struct mls_buf chain;
    scene_init();
    seat_publish(s.owner);
    uint64_t from = public_group_epoch(order_group(s.o));
    assert_int_equal(mls_crypto_of(&crypto_openssl, s.w.suite, &crypto), MLS_OK);
    assert_int_equal(
        public_group_open(&crypto, 100, mls_buf_span(&s.w.group_info), mls_buf_span(&s.w.tree), &s.w.rng, &replay),
        MLS_OK);
    for (size_t i = 0; i < 3; i++) {
        seat_commit(s.guests[i]);
        assert_int_equal(sends(s.guests[i], false), MLS_OK);
        order_tick(s.o, NOW_US + ORDER_READY_US);
        drain();
        meeting_deliver(s.guests[i]);
    }
    mls_buf_init(&chain, 1 << 20);
    assert_false(order_chain(s.o, from + 4, &chain));
    assert_true(order_chain(s.o, from, &chain));
    struct mls_reader r = mls_reader_of(mls_buf_span(&chain));
    while (mls_reader_left(&r) > 0) {
        struct public_group_staged staged;
        assert_int_equal(public_group_stage(replay, mls_rd_vec(&r, 1 << 20, MLS_TOO_LARGE), span_of(NULL, 0),
                                            span_of(NULL, 0), 0, &staged),
                         MLS_OK);
        public_group_keep(replay);
    }
    assert_int_equal(public_group_agrees(replay, public_group_info(order_group(s.o))), MLS_OK);
    public_group_free(replay);
    mls_buf_free(&chain);
    scene_free();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_stands_when_all_who_are_here_have_answered),
        cmocka_unit_test(who_lets_a_window_pass_is_not_waited_for_again),
        cmocka_unit_test(a_second_commit_waits_for_the_end_of_the_first),
        cmocka_unit_test(a_bad_commit_is_withdrawn),
        cmocka_unit_test(a_lie_about_a_commit_harms_nobody_alone),
        cmocka_unit_test(a_host_outweighs_any_number_of_liars),
        cmocka_unit_test(a_commit_good_for_half_silences_nobody),
        cmocka_unit_test(a_hosts_remove_is_never_withdrawn),
        cmocka_unit_test(a_hosts_urgent_commit_closes_a_window_without_bad),
        cmocka_unit_test(a_group_info_that_members_contradict_counts_as_bad),
        cmocka_unit_test(the_chain_leads_who_was_away_to_the_present_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
