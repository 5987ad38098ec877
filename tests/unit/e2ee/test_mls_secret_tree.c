#include "base/assert.h"
#include "base/secret.h"
#include "e2ee/mls_secret_tree_internal.h"
#include "heap_watch.h"
#include "unit.h"

struct keys {
    uint8_t key[AEAD_KEY_LEN_MAX];
    uint8_t nonce[AEAD_NONCE_LEN];
};

static struct mls_crypto crypto_of(uint16_t suite) {
    struct mls_crypto c;
    assert_int_equal(mls_crypto_of(&crypto_openssl, suite, &c), MLS_OK);
    return c;
}

static struct secret encryption_secret(const struct mls_crypto *c, uint64_t seed) {
    struct rng rng = rng_seeded(seed);
    struct secret secret;
    mls_random_secret(c, &rng, &secret);
    return secret;
}

static struct mls_secret_tree tree_of(const struct mls_crypto *c, uint64_t seed, uint32_t leaves) {
    struct mls_secret_tree tree;
    struct secret secret = encryption_secret(c, seed);
    assert_int_equal(mls_secret_tree_init(&tree, c, &secret, leaves), MLS_OK);
    return tree;
}

/* The secret of a leaf, straight from the root (section 9), with nothing kept. */
static struct secret reference_leaf(const struct mls_crypto *c, struct secret secret, uint32_t leaves, uint32_t leaf) {
    for (uint32_t half = leaves / 2; half > 0; half /= 2) {
        const char *side = (leaf & half) == 0 ? "left" : "right";
        assert_int_equal(mls_expand_secret(c, &secret, "tree", span_str(side), &secret), MLS_OK);
    }
    return secret;
}

static struct secret reference_ratchet(const struct mls_crypto *c, struct secret secret, enum mls_ratchet_kind kind,
                                       uint32_t generation) {
    const char *label = kind == MLS_RATCHET_HANDSHAKE ? "handshake" : "application";
    assert_int_equal(mls_derive_secret(c, &secret, label, &secret), MLS_OK);
    for (uint32_t g = 0; g < generation; g++) {
        const uint8_t context[] = {(uint8_t)(g >> 24), (uint8_t)(g >> 16), (uint8_t)(g >> 8), (uint8_t)g};
        assert_int_equal(mls_expand_secret(c, &secret, "secret", span_of(context, 4), &secret), MLS_OK);
    }
    return secret;
}

static struct keys reference(const struct mls_crypto *c, struct secret root, uint32_t leaves, uint32_t leaf,
                             enum mls_ratchet_kind kind, uint32_t g) {
    struct keys out = {0};
    struct secret secret = reference_ratchet(c, reference_leaf(c, root, leaves, leaf), kind, g);
    const uint8_t context[] = {(uint8_t)(g >> 24), (uint8_t)(g >> 16), (uint8_t)(g >> 8), (uint8_t)g};
    assert_int_equal(mls_expand_with_label(c, &secret, "key", span_of(context, 4), out.key, c->suite->key_len), MLS_OK);
    assert_int_equal(mls_expand_with_label(c, &secret, "nonce", span_of(context, 4), out.nonce, AEAD_NONCE_LEN),
                     MLS_OK);
    return out;
}

/* Takes a generation; the keys are zeros when it is refused. */
static enum mls_status take(struct mls_secret_tree *tree, uint32_t leaf, enum mls_ratchet_kind kind, uint32_t g,
                            struct keys *out) {
    struct mls_message_key key;
    enum mls_status status = mls_secret_tree_peek(tree, leaf, kind, g, &key);
    if (status == MLS_OK) {
        if (out != NULL) {
            memcpy(out->key, key.key, sizeof out->key);
            memcpy(out->nonce, key.nonce, sizeof out->nonce);
        }
        mls_secret_tree_consume(tree, &key);
    }
    mls_message_key_wipe(tree, &key);
    return status;
}

static void every_member_gets_the_keys_that_follow_from_the_root(void **state) {
    (void)state;
    struct rng rng = rng_seeded(1);
    static const uint32_t sizes[] = {1, 2, 8, 64, 1024, MLS_MEMBERS_MAX};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        const struct mls_suite *suite = mls_suite_at(i);
        struct mls_crypto c = crypto_of(suite->id);
        struct secret root = encryption_secret(&c, i);
        struct mls_secret_tree tree = tree_of(&c, i, sizes[i]);
        for (uint32_t n = 0; n < 30; n++) {
            uint32_t leaf = (uint32_t)rng_below(&rng, sizes[i]), g = (uint32_t)rng_below(&rng, 20);
            enum mls_ratchet_kind kind = (enum mls_ratchet_kind)rng_below(&rng, 2);
            struct keys got = {0}, expected = reference(&c, root, sizes[i], leaf, kind, g);
            enum mls_status status = take(&tree, leaf, kind, g, &got);
            if (status == MLS_GENERATION_CONSUMED)
                continue; /* drawn twice */
            assert_int_equal(status, MLS_OK);
            assert_memory_equal(&got, &expected, sizeof got);
        }
        mls_secret_tree_free(&tree);
    }
}

static void sending_goes_through_the_generations_one_by_one(void **state) {
    (void)state;
    struct mls_crypto c = crypto_of(MLS_SUITE_P256_AES128GCM_SHA256_P256);
    struct secret root = encryption_secret(&c, 2);
    struct mls_secret_tree tree = tree_of(&c, 2, 4);
    for (uint32_t g = 0; g < 10; g++) {
        for (int kind = 0; kind < 2; kind++) {
            struct mls_message_key key;
            assert_int_equal(mls_secret_tree_next(&tree, 3, (enum mls_ratchet_kind)kind, &key), MLS_OK);
            struct keys expected = reference(&c, root, 4, 3, (enum mls_ratchet_kind)kind, g);
            assert_int_equal(key.generation, g);
            assert_memory_equal(key.key, expected.key, sizeof expected.key);
            assert_memory_equal(key.nonce, expected.nonce, sizeof expected.nonce);
            mls_message_key_wipe(&tree, &key);
        }
    }
    mls_secret_tree_free(&tree);
}

static void messages_in_any_order_open_exactly_once(void **state) {
    (void)state;
    enum { COUNT = 200 };
    struct mls_crypto c = crypto_of(MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct secret root = encryption_secret(&c, 3);
    struct rng rng = rng_seeded(3);
    struct mls_secret_tree tree = tree_of(&c, 3, 2);
    uint32_t order[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t j = (uint32_t)rng_below(&rng, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        struct keys got, expected = reference(&c, root, 2, 1, MLS_RATCHET_APPLICATION, order[i]);
        assert_int_equal(take(&tree, 1, MLS_RATCHET_APPLICATION, order[i], &got), MLS_OK);
        assert_memory_equal(&got, &expected, sizeof got);
        for (uint32_t j = 0; j <= i; j += 17)
            assert_int_equal(take(&tree, 1, MLS_RATCHET_APPLICATION, order[j], NULL), MLS_GENERATION_CONSUMED);
        assert_int_equal(take(&tree, 1, MLS_RATCHET_APPLICATION, order[i], NULL), MLS_GENERATION_CONSUMED);
    }
    /* all came: nothing is kept, and the other ratchet never moved */
    assert_int_equal(tree.skipped_shared, 0);
    assert_int_equal(take(&tree, 1, MLS_RATCHET_HANDSHAKE, 0, NULL), MLS_OK);
    mls_secret_tree_free(&tree);
}

static void a_refused_message_changes_nothing(void **state) {
    (void)state;
    struct mls_crypto c = crypto_of(MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct mls_secret_tree tree = tree_of(&c, 4, 8);
    assert_int_equal(take(&tree, 5, MLS_RATCHET_APPLICATION, 3, NULL), MLS_OK);
    static const uint32_t generations[] = {4, 700, 1, 0, 4, 1028, 2};
    size_t bytes = mls_secret_tree_bytes(&tree);
    for (size_t i = 0; i < ARRAY_LEN(generations); i++) {
        struct mls_message_key first, second;
        assert_int_equal(mls_secret_tree_peek(&tree, 5, MLS_RATCHET_APPLICATION, generations[i], &first), MLS_OK);
        struct mls_message_key copy = first;
        mls_message_key_wipe(&tree, &first);
        assert_int_equal(mls_secret_tree_bytes(&tree), bytes);
        assert_int_equal(mls_secret_tree_peek(&tree, 5, MLS_RATCHET_APPLICATION, generations[i], &second), MLS_OK);
        assert_memory_equal(copy.key, second.key, sizeof copy.key);
        assert_memory_equal(copy.nonce, second.nonce, sizeof copy.nonce);
        mls_message_key_wipe(&tree, &second);
    }
    assert_int_equal(take(&tree, 5, MLS_RATCHET_APPLICATION, 3, NULL), MLS_GENERATION_CONSUMED);
    mls_secret_tree_free(&tree);
}

static void a_generation_may_be_1024_ahead_and_not_more(void **state) {
    (void)state;
    struct mls_crypto c = crypto_of(MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct mls_secret_tree tree = tree_of(&c, 5, 2);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, MLS_GENERATION_AHEAD_MAX + 1, NULL),
                     MLS_GENERATION_TOO_FAR);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, UINT32_MAX, NULL), MLS_GENERATION_TOO_FAR);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, MLS_GENERATION_AHEAD_MAX, NULL), MLS_OK);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, 2 * MLS_GENERATION_AHEAD_MAX + 1, NULL), MLS_OK);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, 3 * MLS_GENERATION_AHEAD_MAX + 3, NULL),
                     MLS_GENERATION_TOO_FAR);
    mls_secret_tree_free(&tree);
}

static void of_skipped_keys_the_newest_256_are_kept(void **state) {
    (void)state;
    struct mls_crypto c = crypto_of(MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct secret root = encryption_secret(&c, 6);
    struct mls_secret_tree tree = tree_of(&c, 6, 2);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, 300, NULL), MLS_OK);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, 300 - MLS_SKIPPED_KEYS_MAX - 1, NULL),
                     MLS_GENERATION_CONSUMED);
    struct keys got, expected = reference(&c, root, 2, 0, MLS_RATCHET_APPLICATION, 300 - MLS_SKIPPED_KEYS_MAX);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, 300 - MLS_SKIPPED_KEYS_MAX, &got), MLS_OK);
    assert_memory_equal(&got, &expected, sizeof got);
    /* 255 are left; ten more are skipped: the oldest nine go */
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, 311, NULL), MLS_OK);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, 300 - MLS_SKIPPED_KEYS_MAX + 9, NULL),
                     MLS_GENERATION_CONSUMED);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, 300 - MLS_SKIPPED_KEYS_MAX + 10, NULL), MLS_OK);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, 310, NULL), MLS_OK);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, 299, NULL), MLS_OK);
    mls_secret_tree_free(&tree);
}

static void all_ratchets_together_keep_a_bounded_number_and_each_its_own_eight(void **state) {
    (void)state;
    struct mls_crypto c = crypto_of(MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct mls_secret_tree tree = tree_of(&c, 7, 64);
    for (uint32_t leaf = 0; leaf < 64; leaf++) {
        assert_int_equal(take(&tree, leaf, MLS_RATCHET_APPLICATION, 1000, NULL), MLS_OK);
        assert_true(tree.skipped_shared <= MLS_SKIPPED_KEYS_SHARED_MAX);
    }
    assert_int_equal(tree.skipped_shared, MLS_SKIPPED_KEYS_SHARED_MAX);
    /* 63 came when the common room was full */
    assert_int_equal(take(&tree, 63, MLS_RATCHET_APPLICATION, 1000 - MLS_SKIPPED_KEYS_OWN - 1, NULL),
                     MLS_GENERATION_CONSUMED);
    assert_int_equal(take(&tree, 63, MLS_RATCHET_APPLICATION, 1000 - MLS_SKIPPED_KEYS_OWN, NULL), MLS_OK);
    /* a ratchet that has much may renew it: the newest are kept, no more in number */
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, 1900, NULL), MLS_OK);
    assert_int_equal(tree.skipped_shared, MLS_SKIPPED_KEYS_SHARED_MAX);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, 1900 - MLS_SKIPPED_KEYS_MAX, NULL), MLS_OK);
    assert_int_equal(tree.skipped_shared, MLS_SKIPPED_KEYS_SHARED_MAX - 1);
    size_t list_bytes = (64 * MLS_SKIPPED_KEYS_OWN + MLS_SKIPPED_KEYS_SHARED_MAX) * sizeof(struct mls_skipped_key);
    assert_true(mls_secret_tree_bytes(&tree) < list_bytes + 64 * 512);
    mls_secret_tree_free(&tree);
}

static void memory_is_logarithmic_for_each_sender_that_was_heard(void **state) {
    (void)state;
    struct mls_crypto c = crypto_of(MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    size_t before = heap_bytes();
    struct mls_secret_tree tree = tree_of(&c, 8, MLS_MEMBERS_MAX);
    assert_true(mls_secret_tree_bytes(&tree) < 128);
    assert_int_equal(take(&tree, 12345, MLS_RATCHET_HANDSHAKE, 0, NULL), MLS_OK);
    assert_true(mls_secret_tree_bytes(&tree) < (MLS_TREE_DEPTH_MAX + 2) * 2 * 96);
    assert_int_equal(mls_secret_tree_bytes(&tree), heap_bytes() - before);
    mls_secret_tree_free(&tree);
    assert_int_equal(heap_bytes(), before);
    assert_int_equal(mls_secret_tree_bytes(&tree), 0);
}

static void leaves_outside_and_trees_that_are_gone_are_refused(void **state) {
    (void)state;
    struct mls_crypto c = crypto_of(MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct mls_secret_tree tree = tree_of(&c, 9, 4);
    assert_int_equal(take(&tree, 4, MLS_RATCHET_HANDSHAKE, 0, NULL), MLS_SENDER_NOT_MEMBER);
    assert_int_equal(take(&tree, UINT32_MAX, MLS_RATCHET_HANDSHAKE, 0, NULL), MLS_SENDER_NOT_MEMBER);
    mls_secret_tree_free(&tree);
    struct mls_message_key key;
    assert_int_equal(take(&tree, 0, MLS_RATCHET_HANDSHAKE, 0, NULL), MLS_EPOCH_FORGOTTEN);
    assert_int_equal(mls_secret_tree_next(&tree, 0, MLS_RATCHET_HANDSHAKE, &key), MLS_EPOCH_FORGOTTEN);
    mls_secret_tree_free(&tree);
}

static void a_ratchet_that_used_all_generations_sends_no_more(void **state) {
    (void)state;
    struct mls_crypto c = crypto_of(MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct mls_secret_tree tree = tree_of(&c, 10, 1);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, 0, NULL), MLS_OK);
    struct mls_ratchet *r = &tree.root->ratchets[MLS_RATCHET_APPLICATION];
    r->generation = UINT32_MAX - 1;
    struct mls_message_key key;
    assert_int_equal(mls_secret_tree_next(&tree, 0, MLS_RATCHET_APPLICATION, &key), MLS_OK);
    assert_int_equal(key.generation, UINT32_MAX - 1);
    mls_message_key_wipe(&tree, &key);
    assert_int_equal(mls_secret_tree_next(&tree, 0, MLS_RATCHET_APPLICATION, &key), MLS_GENERATION_EXHAUSTED);
    assert_int_equal(take(&tree, 0, MLS_RATCHET_APPLICATION, UINT32_MAX - 1, NULL), MLS_GENERATION_CONSUMED);
    mls_secret_tree_free(&tree);
}

/* The example of section 9.2: the second message of D arrives first, in a group of four. */
static void what_a_message_consumes_is_nowhere_in_memory(void **state) {
    (void)state;
    struct mls_crypto c = crypto_of(MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct secret root = encryption_secret(&c, 11), right, leaf_d;
    struct mls_secret_tree tree = tree_of(&c, 11, 4);
    assert_true(heap_holds(root.bytes, root.len));
    assert_int_equal(mls_expand_secret(&c, &root, "tree", span_str("right"), &right), MLS_OK);
    leaf_d = reference_leaf(&c, root, 4, 3);
    struct keys k0 = reference(&c, root, 4, 3, MLS_RATCHET_APPLICATION, 0);
    struct keys k1 = reference(&c, root, 4, 3, MLS_RATCHET_APPLICATION, 1);
    struct secret ar0 = reference_ratchet(&c, leaf_d, MLS_RATCHET_APPLICATION, 0);
    struct secret ar1 = reference_ratchet(&c, leaf_d, MLS_RATCHET_APPLICATION, 1);
    struct secret ar2 = reference_ratchet(&c, leaf_d, MLS_RATCHET_APPLICATION, 2);
    struct secret hr0 = reference_ratchet(&c, leaf_d, MLS_RATCHET_HANDSHAKE, 0);
    struct secret leaf_c = reference_leaf(&c, root, 4, 2);
    assert_int_equal(take(&tree, 3, MLS_RATCHET_APPLICATION, 1, NULL), MLS_OK);
    const struct secret *consumed[] = {&root, &right, &leaf_d, &ar0, &ar1};
    for (size_t i = 0; i < ARRAY_LEN(consumed); i++)
        assert_false(heap_holds(consumed[i]->bytes, consumed[i]->len));
    assert_false(heap_holds(k1.key, c.suite->key_len) || heap_holds(k1.nonce, sizeof k1.nonce));
    const struct secret *kept[] = {&ar2, &hr0, &leaf_c};
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        assert_true(heap_holds(kept[i]->bytes, kept[i]->len));
    assert_true(heap_holds(k0.key, c.suite->key_len));
    /* the late one */
    assert_int_equal(take(&tree, 3, MLS_RATCHET_APPLICATION, 0, NULL), MLS_OK);
    assert_false(heap_holds(k0.key, c.suite->key_len) || heap_holds(k0.nonce, sizeof k0.nonce));
    /* three late ones, the newest first */
    assert_int_equal(take(&tree, 3, MLS_RATCHET_APPLICATION, 5, NULL), MLS_OK);
    for (uint32_t g = 4; g >= 2; g--) {
        struct keys late = reference(&c, root, 4, 3, MLS_RATCHET_APPLICATION, g);
        assert_true(heap_holds(late.key, c.suite->key_len) && heap_holds(late.nonce, sizeof late.nonce));
        assert_int_equal(take(&tree, 3, MLS_RATCHET_APPLICATION, g, NULL), MLS_OK);
        assert_false(heap_holds(late.key, c.suite->key_len) || heap_holds(late.nonce, sizeof late.nonce));
    }
    (void)heap_freed_dirty();
    mls_secret_tree_free(&tree);
    assert_int_equal(heap_freed_dirty(), 0);
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        assert_false(heap_holds(kept[i]->bytes, kept[i]->len));
}

static void the_encryption_secret_is_taken_over_and_wiped(void **state) {
    (void)state;
    struct mls_crypto c = crypto_of(MLS_SUITE_P384_AES256GCM_SHA384_P384);
    struct secret secret = encryption_secret(&c, 12), copy = secret;
    struct mls_secret_tree tree;
    heap_fail_after(0);
    assert_int_equal(mls_secret_tree_init(&tree, &c, &secret, 16), MLS_NO_MEMORY);
    heap_fail_after(-1);
    assert_memory_equal(&secret, &copy, sizeof secret);
    assert_int_equal(mls_secret_tree_init(&tree, &c, &secret, 16), MLS_OK);
    assert_int_equal(secret.len, 0);
    for (size_t i = 0; i < SECRET_LEN_MAX; i++)
        assert_int_equal(secret.bytes[i], 0);
    mls_secret_tree_free(&tree);
}

static void a_failed_allocation_at_any_point_leaves_the_same_keys(void **state) {
    (void)state;
    struct mls_crypto c = crypto_of(MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct secret root = encryption_secret(&c, 13);
    struct keys expected = reference(&c, root, 64, 37, MLS_RATCHET_HANDSHAKE, 5);
    unsigned failures = 0;
    for (int n = 0;; n++) {
        struct mls_secret_tree tree = tree_of(&c, 13, 64);
        struct keys got = {0};
        heap_fail_after(n);
        enum mls_status status = take(&tree, 37, MLS_RATCHET_HANDSHAKE, 5, &got);
        bool failed = heap_has_failed();
        heap_fail_after(-1);
        if (failed) {
            failures++;
            assert_int_equal(status, MLS_NO_MEMORY);
            assert_int_equal(take(&tree, 37, MLS_RATCHET_HANDSHAKE, 5, &got), MLS_OK);
        } else {
            assert_int_equal(status, MLS_OK);
        }
        assert_memory_equal(&got, &expected, sizeof got);
        mls_secret_tree_free(&tree);
        if (!failed)
            break;
    }
    assert_int_equal(failures, 6 + 1 + 1); /* six pairs of nodes, the ratchets, the late keys */
    assert_int_equal(heap_blocks(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_gets_the_keys_that_follow_from_the_root),
        cmocka_unit_test(sending_goes_through_the_generations_one_by_one),
        cmocka_unit_test(messages_in_any_order_open_exactly_once),
        cmocka_unit_test(a_refused_message_changes_nothing),
        cmocka_unit_test(a_generation_may_be_1024_ahead_and_not_more),
        cmocka_unit_test(of_skipped_keys_the_newest_256_are_kept),
        cmocka_unit_test(all_ratchets_together_keep_a_bounded_number_and_each_its_own_eight),
        cmocka_unit_test(memory_is_logarithmic_for_each_sender_that_was_heard),
        cmocka_unit_test(leaves_outside_and_trees_that_are_gone_are_refused),
        cmocka_unit_test(a_ratchet_that_used_all_generations_sends_no_more),
        cmocka_unit_test(what_a_message_consumes_is_nowhere_in_memory),
        cmocka_unit_test(the_encryption_secret_is_taken_over_and_wiped),
        cmocka_unit_test(a_failed_allocation_at_any_point_leaves_the_same_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
