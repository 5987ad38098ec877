/* The ratchet tree without TreeKEM: keys, credentials and whole trees that are refused. */
#include "unit.h"

#include <stdlib.h>

#include "base/assert.h"
#include "e2ee/mls_limits.h"
#include "tree_world.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

/* ---- unique keys and credentials (section 7.3) ---- */

static void key_copies_are_found_and_may_be_resolved_within_one_change(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 10);
    struct tree *t = make_tree(&w, 5);
    uint8_t encryption_key[32], signature_key[32];
    memcpy(encryption_key, tree_leaf(t, 1)->encryption_key.data, 32);
    memcpy(signature_key, tree_leaf(t, 1)->signature_key.data, 32);
    struct made_leaf same_encryption, same_signature;
    make_leaf(&w, &(struct leaf_wish){.cheap = true, .encryption_key = span_of(encryption_key, 32)}, &same_encryption);
    make_leaf(&w, &(struct leaf_wish){.cheap = true, .signature_key = span_of(signature_key, 32)}, &same_signature);
    uint32_t leaf;
    assert_int_equal(tree_begin(t), MLS_OK);
    assert_int_equal(tree_add(t, mls_buf_span(&same_encryption.encoding), &leaf), MLS_OK);
    assert_int_equal(tree_check(t), MLS_ENCRYPTION_KEY_DUPLICATE);
    replace_member(&w, t, 1);
    assert_int_equal(tree_check(t), MLS_OK);
    tree_rollback(t);
    assert_int_equal(tree_begin(t), MLS_OK);
    assert_int_equal(tree_add(t, mls_buf_span(&same_signature.encoding), &leaf), MLS_OK);
    assert_int_equal(tree_check(t), MLS_SIGNATURE_KEY_DUPLICATE);
    assert_int_equal(tree_remove(t, 1), MLS_OK);
    assert_int_equal(tree_check(t), MLS_OK);
    assert_int_equal(tree_find_signature_key(t, span_of(signature_key, 32)), leaf);
    tree_rollback(t);
    assert_int_equal(tree_find_signature_key(t, span_of(signature_key, 32)), 1);
    struct made_leaf crossed; /* the kinds are apart */
    make_leaf(&w, &(struct leaf_wish){.cheap = true, .encryption_key = span_of(signature_key, 32)}, &crossed);
    assert_int_equal(tree_begin(t), MLS_OK);
    assert_int_equal(tree_add(t, mls_buf_span(&crossed.encoding), &leaf), MLS_OK);
    assert_int_equal(tree_check(t), MLS_OK);
    assert_int_equal(tree_find_signature_key(t, span_of(signature_key, 32)), 1);
    tree_rollback(t);
    made_leaf_free(&crossed);
    assert_int_equal(tree_begin(t), MLS_OK);
    assert_int_equal(tree_update(t, 1, mls_buf_span(&same_encryption.encoding)), MLS_ENCRYPTION_KEY_NOT_FRESH);
    tree_rollback(t);
    made_leaf_free(&same_encryption);
    made_leaf_free(&same_signature);
    tree_free(t);
}

static void a_credential_type_in_use_must_be_supported_by_all(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 11);
    struct tree *t = make_tree(&w, 3);
    struct made_leaf basic_only, x509;
    make_leaf(&w, &(struct leaf_wish){.cheap = true, .basic_only = true}, &basic_only);
    make_leaf(&w, &(struct leaf_wish){.cheap = true, .credential = MLS_CREDENTIAL_X509}, &x509);
    uint32_t first, second;
    assert_true(tree_all_support(t, TREE_CAPABILITY_CREDENTIAL, MLS_CREDENTIAL_X509));
    assert_int_equal(tree_begin(t), MLS_OK);
    assert_int_equal(tree_add(t, mls_buf_span(&x509.encoding), &first), MLS_OK);
    assert_int_equal(tree_check(t), MLS_OK);
    assert_int_equal(tree_add(t, mls_buf_span(&basic_only.encoding), &second), MLS_OK);
    assert_int_equal(tree_check(t), MLS_CREDENTIAL_UNSUPPORTED_BY_MEMBER);
    assert_false(tree_all_support(t, TREE_CAPABILITY_CREDENTIAL, MLS_CREDENTIAL_X509));
    assert_int_equal(tree_remove(t, first), MLS_OK);
    assert_int_equal(tree_check(t), MLS_OK);
    tree_rollback(t);
    assert_true(tree_all_support(t, TREE_CAPABILITY_CREDENTIAL, MLS_CREDENTIAL_X509));
    assert_false(tree_all_support(t, TREE_CAPABILITY_EXTENSION, 0xf001));
    assert_true(tree_all_support(t, TREE_CAPABILITY_PROPOSAL, MLS_PROPOSAL_ADD));
    made_leaf_free(&basic_only);
    made_leaf_free(&x509);
    tree_free(t);
}

/* ---- reading ---- */

static void a_tree_that_was_written_is_read_as_the_same(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 12);
    struct tree *t = make_tree(&w, 40);
    for (int commit = 0; commit < 40; commit++) {
        assert_int_equal(tree_begin(t), MLS_OK);
        random_commit(&w, t, 60);
        tree_keep(t);
        struct mls_buf bytes, again;
        struct tree *copy;
        uint8_t hash[HASH_LEN_MAX], hash_of_copy[HASH_LEN_MAX];
        write_tree(t, &bytes);
        assert_int_equal(tree_read(&w.crypto, MLS_MEMBERS_MAX, &w.rng, mls_buf_span(&bytes), &copy), MLS_OK);
        write_tree(copy, &again);
        assert_true(span_equal(mls_buf_span(&bytes), mls_buf_span(&again)));
        assert_int_equal(tree_hash(t, hash), MLS_OK);
        assert_int_equal(tree_hash(copy, hash_of_copy), MLS_OK);
        assert_memory_equal(hash, hash_of_copy, 32);
        assert_int_equal(tree_validate(copy), MLS_OK);
        assert_int_equal(tree_unverified_count(copy), tree_member_count(t));
        assert_tree_sound(&w, copy);
        mls_buf_free(&bytes);
        mls_buf_free(&again);
        tree_free(copy);
    }
    tree_free(t);
}

/* Node 0 and further ones, each as optional<Node>. */
static void assert_refused(struct world *w, const struct mls_node *nodes, size_t count, enum mls_status reason) {
    struct mls_buf bytes;
    struct tree *t = NULL;
    mls_buf_init(&bytes, 1 << 20);
    size_t begin = mls_wr_vec_begin(&bytes);
    for (size_t i = 0; i < count; i++)
        mls_node_write(&bytes, &nodes[i]);
    mls_wr_vec_end(&bytes, begin);
    enum mls_status status = tree_read(&w->crypto, 16, &w->rng, mls_buf_span(&bytes), &t);
    if (status == MLS_OK)
        status = tree_validate(t);
    assert_int_equal(status, reason);
    tree_free(t);
    mls_buf_free(&bytes);
}

static void a_tree_of_the_wrong_shape_is_refused(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 13);
    struct made_leaf made[3];
    struct mls_node leaf[3], blank = {.type = 0}, parent = {.type = MLS_NODE_PARENT};
    uint8_t key[32] = {1};
    parent.parent.encryption_key = span_of(key, 32);
    for (int i = 0; i < 3; i++) {
        make_leaf(&w, &(struct leaf_wish){.cheap = true}, &made[i]);
        leaf[i].type = MLS_NODE_LEAF;
        assert_int_equal(mls_leaf_node_parse(mls_buf_span(&made[i].encoding), &leaf[i].leaf), MLS_OK);
    }
    assert_refused(&w, NULL, 0, MLS_TREE_EMPTY);
    assert_refused(&w, (struct mls_node[]){leaf[0], blank, blank}, 3, MLS_TREE_LAST_BLANK);
    assert_refused(&w, (struct mls_node[]){leaf[0], parent}, 2, MLS_TREE_LAST_PARENT);
    assert_refused(&w, (struct mls_node[]){parent}, 1, MLS_TREE_NODE_MISPLACED);
    assert_refused(&w, (struct mls_node[]){leaf[0], leaf[1], leaf[2]}, 3, MLS_TREE_NODE_MISPLACED);
    assert_refused(&w, (struct mls_node[]){leaf[0], blank, leaf[0]}, 3, MLS_ENCRYPTION_KEY_DUPLICATE);
    assert_refused(&w, (struct mls_node[]){leaf[0], parent, leaf[1]}, 3, MLS_PARENT_HASH_WRONG);
    struct mls_node many[33];
    for (int i = 0; i < 33; i++)
        many[i] = blank;
    many[32] = leaf[0];
    assert_refused(&w, many, 33, MLS_TREE_FULL);
    many[30] = leaf[0];
    assert_refused(&w, many, 31, MLS_OK); /* one member far to the right is a tree */
    parent.parent.encryption_key = span_of(key, 31);
    assert_refused(&w, (struct mls_node[]){leaf[0], parent, leaf[1]}, 3, MLS_ENCRYPTION_KEY_INVALID);
    leaf[0].leaf.signature_key.len = 31;
    assert_refused(&w, (struct mls_node[]){leaf[0]}, 1, MLS_SIGNATURE_KEY_INVALID);
    for (int i = 0; i < 3; i++)
        made_leaf_free(&made[i]);
}

static void unmerged_leaves_must_be_members_below_and_listed_between(void **state) {
    (void)state;
    static const struct {
        uint32_t node, leaf;
        enum mls_status reason;
    } wrong[] = {
        {1, 5, MLS_TREE_UNMERGED_INVALID},         /* no descendant */
        {7, 4, MLS_TREE_UNMERGED_INVALID},         /* blank */
        {7, 900, MLS_TREE_UNMERGED_INVALID},       /* outside */
        {7, TREE_NONE, MLS_TREE_UNMERGED_INVALID}, /* outside of all */
        {7, 2, MLS_TREE_UNMERGED_MISSING},         /* merged at node 3 */
        {3, 2, MLS_PARENT_HASH_WRONG},             /* in order, but the chain does not hold */
    };
    struct world w;
    world_init(&w, SUITE, 14);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct tree *t = make_tree(&w, 8);
        assert_int_equal(tree_begin(t), MLS_OK);
        assert_int_equal(tree_remove(t, 4), MLS_OK);
        send_path(&w, t, 0);
        assert_int_equal(tree_validate(t), MLS_OK);
        struct parent_content *p;
        assert_int_equal(parent_content_copy(t, tree_parent_content(t, wrong[i].node), 1, &p), MLS_OK);
        parent_insert_unmerged(p, wrong[i].leaf);
        assert_int_equal(tree_set_content(t, wrong[i].node, p), MLS_OK);
        assert_int_equal(tree_validate(t), wrong[i].reason);
        tree_keep(t);
        tree_free(t);
    }
}

static void every_changed_byte_of_a_filled_tree_is_noticed(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 15);
    struct tree *t = make_tree(&w, 6);
    assert_int_equal(tree_begin(t), MLS_OK);
    send_path(&w, t, 0);
    send_path(&w, t, 3);
    send_path(&w, t, 5);
    tree_keep(t);
    uint8_t hash[HASH_LEN_MAX], other[HASH_LEN_MAX];
    struct mls_buf bytes;
    assert_int_equal(tree_hash(t, hash), MLS_OK);
    write_tree(t, &bytes);
    for (size_t i = 0; i < bytes.w.len; i++) {
        bytes.w.data[i] ^= 1;
        struct tree *copy;
        if (tree_read(&w.crypto, 16, &w.rng, mls_buf_span(&bytes), &copy) == MLS_OK) {
            assert_int_equal(tree_hash(copy, other), MLS_OK);
            assert_memory_not_equal(hash, other, 32);
            tree_free(copy);
        }
        bytes.w.data[i] ^= 1;
    }
    mls_buf_free(&bytes);
    tree_free(t);
}

static void a_tree_with_a_key_that_fails_in_encapsulation_is_refused(void **state) {
    (void)state;
    static const uint8_t zeros[32];
    struct world w;
    world_init(&w, SUITE, 15);
    for (int leaf = 0; leaf < 2; leaf++) {
        struct tree *t = make_tree(&w, 2);
        struct mls_buf bytes;
        struct made_leaf made;
        uint8_t hash[HASH_LEN_MAX];
        struct parent_content *p;
        assert_int_equal(tree_begin(t), MLS_OK);
        if (leaf) {
            make_leaf(&w, &(struct leaf_wish){.cheap = true, .encryption_key = span_of(zeros, 32)}, &made);
            uint32_t place;
            assert_int_equal(tree_add(t, mls_buf_span(&made.encoding), &place), MLS_OK);
        } else { /* the parent's key, and all that hangs on it as its maker would have it */
            assert_int_equal(parent_content_make(t, span_of(zeros, 32), span_of(NULL, 0), 0, &p), MLS_OK);
            assert_int_equal(tree_set_content(t, 1, p), MLS_OK);
            assert_int_equal(tree_parent_hash(t, span_of(zeros, 32), span_of(NULL, 0), 2, span_of(NULL, 0), hash),
                             MLS_OK);
            struct leaf_wish wish = {.source = MLS_LEAF_COMMIT, .cheap = true, .parent_hash = span_of(hash, 32)};
            make_leaf(&w, &wish, &made);
            struct leaf_content *content;
            assert_int_equal(leaf_content_make(t, mls_buf_span(&made.encoding), &content), MLS_OK);
            assert_int_equal(tree_set_content(t, 0, content), MLS_OK);
        }
        tree_keep(t);
        write_tree(t, &bytes);
        struct tree *read;
        assert_int_equal(tree_read(&w.crypto, 16, &w.rng, mls_buf_span(&bytes), &read), MLS_OK);
        assert_int_equal(tree_validate(read), MLS_ENCRYPTION_KEY_INVALID);
        tree_free(read);
        tree_free(t);
        made_leaf_free(&made);
        mls_buf_free(&bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_copies_are_found_and_may_be_resolved_within_one_change),
        cmocka_unit_test(a_credential_type_in_use_must_be_supported_by_all),
        cmocka_unit_test(a_tree_that_was_written_is_read_as_the_same),
        cmocka_unit_test(a_tree_of_the_wrong_shape_is_refused),
        cmocka_unit_test(unmerged_leaves_must_be_members_below_and_listed_between),
        cmocka_unit_test(every_changed_byte_of_a_filled_tree_is_noticed),
        cmocka_unit_test(a_tree_with_a_key_that_fails_in_encapsulation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
