/* The proofs of a hello, by people who have less than they should. */
#include "unit.h"

#include "../group/meeting_world.h"
#include "delivery/entry.h"

struct scene {
    struct meeting_world w;
    struct seat *owner;
    struct public_group *g;
    uint8_t server_nonce[32], client_nonce[32], link_signature[64], leaf_signature[64];
    uint8_t none[64];
    bool taken;
};

static struct scene s;

static void scene_init(uint8_t entry, bool runs) {
    memset(&s, 0, sizeof s);
    meeting_init(&s.w, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW, entry);
    s.owner = seat_make(&s.w, true);
    memset(s.server_nonce, 1, sizeof s.server_nonce);
    memset(s.client_nonce, 2, sizeof s.client_nonce);
    if (!runs)
        return;
    struct mls_crypto crypto;
    seat_found(s.owner, true);
    assert_int_equal(mls_crypto_of(&crypto_openssl, s.w.suite, &crypto), MLS_OK);
    assert_int_equal(
        public_group_open(&crypto, 100, mls_buf_span(&s.w.group_info), mls_buf_span(&s.w.tree), &s.w.rng, &s.g),
        MLS_OK);
}

static void scene_free(void) {
    public_group_free(s.g);
    meeting_free(&s.w);
}

static bool was_taken(const void *context, struct span seat_key) {
    (void)seat_key;
    return ((const struct scene *)context)->taken;
}

/* What an honest holder of the link says. */
static struct wire_message hello_of(struct seat *seat, enum wire_how how) {
    struct meeting_world *w = &s.w;
    struct span meeting = span_of(w->meeting, 32), key = span_of(seat->public_key, 32);
    struct wire_message hello = {.type = WIRE_HELLO,
                                 .how = (uint8_t)how,
                                 .kind = w->kind,
                                 .suite = w->suite,
                                 .first_link_key = span_of(w->link.link_key, 32),
                                 .owner = span_of(w->owner_key, 32),
                                 .link_key = span_of(w->link.link_key, 32),
                                 .seat_key = key,
                                 .nonce = span_of(s.client_nonce, 32),
                                 .link_signature = span_of(s.none, 64),
                                 .leaf_signature = span_of(s.leaf_signature, 64)};
    if (how != WIRE_RESUME) {
        mls_buf_clear(&seat->key_package);
        assert_int_equal(
            mls_key_package_create(seat->client, &seat->mls, NULL, MEETING_NOW, &w->rng, &seat->key_package), MLS_OK);
        hello.key_package = mls_buf_span(&seat->key_package);
    }
    if (how == WIRE_ENTER) {
        assert_int_equal(group_leaf_sign(&crypto_openssl, &w->link.sign, meeting, 0, key, s.link_signature), CRYPTO_OK);
        hello.link_signature = span_of(s.link_signature, 64);
    }
    struct group_hello said = {.meeting = meeting,
                               .seat_key = key,
                               .how = (uint8_t)how,
                               .server_nonce = span_of(s.server_nonce, 32),
                               .client_nonce = hello.nonce,
                               .key_package = hello.key_package};
    assert_int_equal(group_hello_sign(&crypto_openssl, &seat->key, &said, s.leaf_signature), CRYPTO_OK);
    return hello;
}

static struct entry_result check(const struct wire_message *hello) {
    struct entry_result result;
    const struct group_server server = group_server_local(&crypto_openssl, span_of(s.w.server_secret, 32));
    struct entry_meeting meeting = {.server = &server,
                                    .operator_key = span_of(s.w.operator_key, 32),
                                    .id = span_str(s.w.id),
                                    .group = s.g,
                                    .was_taken = was_taken,
                                    .context = &s};
    entry_check(&crypto_openssl, &meeting, hello, span_of(s.server_nonce, 32), MEETING_NOW, &result);
    return result;
}

static void who_has_the_link_enters_in_turn_or_waits(void **state) {
    (void)state;
    for (uint8_t entry = GROUP_OPEN; entry <= GROUP_LOBBY; entry = (uint8_t)(entry + GROUP_LOBBY)) {
        scene_init(entry, true);
        struct seat *guest = seat_make(&s.w, false);
        struct wire_message hello = hello_of(guest, WIRE_ENTER);
        struct entry_result result = check(&hello);
        assert_true(result.good && !result.in_tree);
        assert_int_equal(result.standing, entry == GROUP_OPEN ? WIRE_STANDING_TURN : WIRE_STANDING_WAIT);
        assert_memory_equal(result.identity, guest->identity, GROUP_IDENTITY_LEN);
        scene_free();
    }
}

static void who_may_found_is_told_so_and_others_wait(void **state) {
    (void)state;
    scene_init(GROUP_OPEN, false);
    struct wire_message hello = hello_of(s.owner, WIRE_ENTER);
    assert_int_equal(check(&hello).standing, WIRE_STANDING_WAIT);
    hello.flags = WIRE_HELLO_MAY_FOUND;
    struct entry_result result = check(&hello);
    assert_true(result.good);
    assert_int_equal(result.standing, WIRE_STANDING_FOUND);
    scene_free();
}

static void who_has_the_id_and_not_the_link_gets_the_answer_of_unknown_ids(void **state) {
    (void)state;
    for (int runs = 0; runs < 2; runs++) {
        scene_init(GROUP_OPEN, runs == 1);
        struct seat *guest = seat_make(&s.w, false);
        struct wire_message hello = hello_of(guest, WIRE_ENTER);
        /* the public keys can be read off by the server's operator; what signs cannot */
        hello.link_signature = span_of(s.none, 64);
        assert_false(check(&hello).good);
        /* signed by a link of one's own */
        struct group_link own;
        uint8_t secret[GROUP_LINK_SECRET_LEN] = {9};
        assert_int_equal(group_link_derive(&crypto_openssl, span_of(secret, sizeof secret), &own), CRYPTO_OK);
        assert_int_equal(
            group_leaf_sign(&crypto_openssl, &own.sign, span_of(s.w.meeting, 32), 0, hello.seat_key, s.link_signature),
            CRYPTO_OK);
        hello.link_signature = span_of(s.link_signature, 64);
        assert_false(check(&hello).good);
        hello.link_key = span_of(own.link_key, 32);
        assert_false(check(&hello).good);
        group_link_wipe(&own);
        /* and an id that nobody made */
        hello = hello_of(guest, WIRE_ENTER);
        char real = s.w.id[3];
        s.w.id[3] = real == 'A' ? 'B' : 'A';
        assert_false(check(&hello).good);
        s.w.id[3] = real;
        assert_true(check(&hello).good);
        scene_free();
    }
}

static void squatting_an_id_without_its_link_gets_nowhere(void **state) {
    (void)state;
    scene_init(GROUP_OPEN, false);
    /* another link and another owner under the same id: its hash does not fit */
    struct wire_message hello = hello_of(s.owner, WIRE_ENTER);
    hello.flags = WIRE_HELLO_MAY_FOUND;
    struct group_link own;
    uint8_t secret[GROUP_LINK_SECRET_LEN] = {9}, owner[32] = {7};
    assert_int_equal(group_link_derive(&crypto_openssl, span_of(secret, sizeof secret), &own), CRYPTO_OK);
    assert_int_equal(
        group_leaf_sign(&crypto_openssl, &own.sign, span_of(s.w.meeting, 32), 0, hello.seat_key, s.link_signature),
        CRYPTO_OK);
    hello.first_link_key = hello.link_key = span_of(own.link_key, 32);
    assert_false(check(&hello).good);
    group_link_wipe(&own);
    hello = hello_of(s.owner, WIRE_ENTER);
    hello.flags = WIRE_HELLO_MAY_FOUND;
    hello.owner = span_of(owner, 32);
    assert_false(check(&hello).good);
    scene_free();
}

static void an_added_j_opens_nothing(void **state) {
    (void)state;
    scene_init(GROUP_OPEN, false);
    struct wire_message hello = hello_of(s.owner, WIRE_ENTER);
    hello.flags = WIRE_HELLO_MAY_FOUND;
    hello.kind = GROUP_KIND_NOW | GROUP_KIND_ANYBODY;
    assert_false(check(&hello).good);
    hello = hello_of(s.owner, WIRE_ENTER);
    hello.suite = MLS_SUITE_XWING_AES256GCM_SHA384_ED25519;
    assert_false(check(&hello).good);
    scene_free();
}

static void a_replayed_hello_is_refused(void **state) {
    (void)state;
    scene_init(GROUP_OPEN, true);
    struct wire_message hello = hello_of(seat_make(&s.w, false), WIRE_ENTER);
    assert_true(check(&hello).good);
    s.server_nonce[5] ^= 1; /* another connection */
    assert_false(check(&hello).good);
    scene_free();
}

static void a_hello_with_anothers_key_package_is_refused(void **state) {
    (void)state;
    scene_init(GROUP_OPEN, true);
    struct seat *guest = seat_make(&s.w, false), *other = seat_make(&s.w, false);
    (void)hello_of(other, WIRE_ENTER); /* makes its package */
    struct wire_message hello = hello_of(guest, WIRE_ENTER);
    assert_true(check(&hello).good);
    hello.key_package = mls_buf_span(&other->key_package);
    assert_false(check(&hello).good);
    scene_free();
}

static void only_a_seat_resumes_or_returns_without_the_link(void **state) {
    (void)state;
    scene_init(GROUP_OPEN, true);
    struct seat *guest = seat_make(&s.w, false);
    struct wire_message hello = hello_of(s.owner, WIRE_RESUME);
    struct entry_result result = check(&hello);
    assert_true(result.good && result.in_tree);
    assert_int_equal(result.standing, WIRE_STANDING_RESUMED);
    hello = hello_of(guest, WIRE_RESUME);
    assert_false(check(&hello).good);
    hello = hello_of(guest, WIRE_RETURN);
    assert_false(check(&hello).good);
    s.taken = true;
    result = check(&hello);
    assert_true(result.good);
    assert_int_equal(result.standing, WIRE_STANDING_RETURN);
    scene_free();
    /* the owner's seat comes back to its own group from another device, by its Grant */
    scene_init(GROUP_LOCKED, true);
    hello = hello_of(seat_make(&s.w, true), WIRE_RETURN);
    assert_true(check(&hello).good);
    scene_free();
    /* and nobody to a group that does not run, but for who may know of it more than a server that was started again;
     * with the seat's signature, and what the id commits to */
    scene_init(GROUP_OPEN, false);
    hello = hello_of(s.owner, WIRE_RETURN);
    assert_false(check(&hello).good);
    hello = hello_of(s.owner, WIRE_RESUME);
    hello.kind = s.w.kind;
    result = check(&hello);
    assert_true(result.good && !result.in_tree);
    assert_int_equal(result.standing, WIRE_STANDING_RESUMED);
    hello.kind ^= GROUP_KIND_ANYBODY;
    assert_false(check(&hello).good);
    hello.kind = s.w.kind;
    hello.nonce = span_of(s.link_signature, 32); /* which was not signed */
    assert_false(check(&hello).good);
    scene_free();
}

static void answers_leave_on_a_grid(void **state) {
    (void)state;
    assert_int_equal(entry_answer_us(0), ENTRY_GRID_US);
    assert_int_equal(entry_answer_us(ENTRY_GRID_US - 1), ENTRY_GRID_US);
    assert_int_equal(entry_answer_us(ENTRY_GRID_US), 2 * ENTRY_GRID_US);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_the_link_enters_in_turn_or_waits),
        cmocka_unit_test(who_may_found_is_told_so_and_others_wait),
        cmocka_unit_test(who_has_the_id_and_not_the_link_gets_the_answer_of_unknown_ids),
        cmocka_unit_test(squatting_an_id_without_its_link_gets_nowhere),
        cmocka_unit_test(an_added_j_opens_nothing),
        cmocka_unit_test(a_replayed_hello_is_refused),
        cmocka_unit_test(a_hello_with_anothers_key_package_is_refused),
        cmocka_unit_test(only_a_seat_resumes_or_returns_without_the_link),
        cmocka_unit_test(answers_leave_on_a_grid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
