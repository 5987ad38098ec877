/* The ratchet tree without TreeKEM: arithmetic, edits, hashes, the journal, parent hashes, the queue. What is refused:
 * test_tree_refused.c. */
#include "unit.h"

#include <stdlib.h>

#include "base/assert.h"
#include "e2ee/mls_limits.h"
#include "tree_world.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

/* ---- arithmetic ---- */

static void children_parents_and_siblings_agree_in_every_size(void **state) {
    (void)state;
    for (uint32_t leaves = 1; leaves <= 256; leaves *= 2) {
        uint32_t count = tree_node_count(leaves), roots = 0;
        for (uint32_t node = 0; node < count; node++) {
            uint32_t parent = tree_parent(node, leaves);
            roots += parent == TREE_NONE;
            if (parent == TREE_NONE) {
                assert_int_equal(node, tree_root(leaves));
                assert_int_equal(tree_sibling(node, leaves), TREE_NONE);
                continue;
            }
            uint32_t sibling = tree_sibling(node, leaves);
            assert_true((tree_left(parent) == node && tree_right(parent) == sibling) ||
                        (tree_right(parent) == node && tree_left(parent) == sibling));
            assert_int_equal(tree_common_ancestor(node, sibling), parent);
            assert_int_equal(tree_ancestor(node, tree_level(parent)), parent);
            assert_true(tree_is_below(node, parent) && !tree_is_below(parent, node) && !tree_is_below(node, sibling));
        }
        assert_int_equal(roots, 1);
    }
}

static void the_leaves_below_a_node_are_those_whose_ancestor_it_is(void **state) {
    (void)state;
    for (uint32_t node = 0; node < tree_node_count(64); node++)
        for (uint32_t leaf = 0; leaf < 64; leaf++) {
            bool inside = leaf >= tree_first_leaf(node) && leaf - tree_first_leaf(node) < tree_leaves_below(node);
            assert_int_equal(inside, tree_is_below(2 * leaf, node));
        }
    assert_int_equal(tree_round_up(0), 1);
    assert_int_equal(tree_round_up(5), 8);
    assert_int_equal(tree_round_up(8), 8);
}

/* ---- edits ---- */

static void the_cached_tree_hash_is_the_one_computed_from_scratch(void **state) {
    (void)state;
    static const uint32_t targets[] = {300, 3, 70, 1, 130, 0, 17};
    struct world w;
    world_init(&w, SUITE, 1);
    struct tree *t = make_tree(&w, 0);
    uint32_t most = 0;
    for (size_t phase = 0; phase < ARRAY_LEN(targets); phase++)
        for (int commit = 0; commit < 70; commit++) {
            assert_int_equal(tree_begin(t), MLS_OK);
            random_commit(&w, t, targets[phase]);
            if (rng_below(&w.rng, 4) == 0 && tree_member_count(t) > 0)
                assert_tree_sound(&w, t);
            tree_keep(t);
            if (commit % 3 == 0)
                assert_tree_sound(&w, t);
            if (tree_member_count(t) > 0)
                assert_int_equal(tree_validate(t), MLS_OK);
            most = tree_member_count(t) > most ? tree_member_count(t) : most;
        }
    assert_true(most > 280);
    tree_free(t);
}

static void rolling_back_restores_bytes_hashes_and_keys_exactly(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 2);
    struct tree *t = make_tree(&w, 9);
    for (uint32_t level = 0; level < TREE_LEVELS_MAX; level++) {
        secret_zeros(&t->private_keys[level], 32);
        rng_fill(&w.rng, t->private_keys[level].bytes, 32);
    }
    t->shape.own_leaf = 4;
    for (int commit = 0; commit < 300; commit++) {
        struct picture before;
        if (commit % 2 == 0 && tree_member_count(t) > 0)
            assert_tree_sound(&w, t);
        picture_take(t, &before);
        for (uint64_t tries = 1 + rng_below(&w.rng, 3); tries > 0; tries--) {
            assert_int_equal(tree_begin(t), MLS_OK);
            random_commit(&w, t, commit < 150 ? 60 : 2);
            if (rng_below(&w.rng, 2) == 0 && tree_member_count(t) > 0)
                assert_tree_sound(&w, t);
            if (rng_below(&w.rng, 2) == 0)
                random_commit(&w, t, 20);
            tree_rollback(t);
            assert_picture(t, &before);
        }
        picture_free(&before);
        if (tree_member_count(t) > 0)
            assert_tree_sound(&w, t);
        assert_int_equal(tree_begin(t), MLS_OK);
        random_commit(&w, t, commit < 150 ? 60 : 2);
        tree_keep(t);
    }
    if (tree_member_count(t) > 0)
        assert_tree_sound(&w, t);
    tree_free(t);
}

static void a_detached_change_can_be_attached_and_is_then_the_same(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 3);
    struct tree *t = make_tree(&w, 20);
    for (int commit = 0; commit < 100; commit++) {
        struct picture before, after;
        picture_take(t, &before);
        assert_int_equal(tree_begin(t), MLS_OK);
        random_commit(&w, t, commit < 50 ? 80 : 5);
        picture_take(t, &after);
        struct tree_change *change = tree_detach(t);
        assert_picture(t, &before);
        assert_int_equal(tree_begin(t), MLS_OK); /* somebody else's commit, which is then refused */
        random_commit(&w, t, 40);
        tree_rollback(t);
        assert_picture(t, &before);
        tree_attach(t, change);
        assert_picture(t, &after);
        if (commit % 3 == 0) {
            tree_rollback(t);
            assert_picture(t, &before);
        } else {
            random_commit(&w, t, 10); /* an attached change is open like any other */
            tree_keep(t);
        }
        if (tree_member_count(t) > 0)
            assert_tree_sound(&w, t);
        picture_free(&before);
        picture_free(&after);
    }
    assert_int_equal(tree_begin(t), MLS_OK);
    random_commit(&w, t, 40);
    struct tree_change *lost = tree_detach(t);
    assert_int_equal(tree_begin(t), MLS_OK);
    random_commit(&w, t, 40);
    tree_keep(t);
    tree_change_free(lost); /* overtaken: it can only be dropped */
    if (tree_member_count(t) > 0)
        assert_tree_sound(&w, t);
    tree_free(t);
}

static void a_new_member_takes_the_leftmost_blank_leaf(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 4);
    struct tree *t = make_tree(&w, 8);
    assert_int_equal(tree_begin(t), MLS_OK);
    assert_int_equal(tree_remove(t, 5), MLS_OK);
    assert_int_equal(tree_remove(t, 2), MLS_OK);
    assert_int_equal(add_member(&w, t), 2);
    assert_int_equal(add_member(&w, t), 5);
    assert_int_equal(tree_leaf_count(t), 8);
    assert_int_equal(add_member(&w, t), 8);
    assert_int_equal(tree_leaf_count(t), 16);
    tree_keep(t);
    tree_free(t);
}

static void a_new_member_is_unmerged_at_its_filled_ancestors_only(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 5);
    struct tree *t = make_tree(&w, 7);
    assert_int_equal(tree_begin(t), MLS_OK);
    send_path(&w, t, 0); /* fills 1, 3, 7 */
    tree_keep(t);
    assert_int_equal(tree_begin(t), MLS_OK);
    assert_int_equal(add_member(&w, t), 7);
    assert_true(parent_has_unmerged(tree_parent_content(t, 7), 7));
    assert_int_equal(tree_parent_content(t, 3)->unmerged_count, 0);
    assert_null(tree_parent_content(t, 13));
    tree_keep(t);
    assert_int_equal(tree_validate(t), MLS_OK);
    tree_free(t);
}

static void removing_the_right_half_truncates_the_tree(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 6);
    struct tree *t = make_tree(&w, 9);
    assert_int_equal(tree_leaf_count(t), 16);
    assert_int_equal(tree_begin(t), MLS_OK);
    send_path(&w, t, 8);
    assert_int_equal(tree_remove(t, 8), MLS_OK);
    assert_int_equal(tree_leaf_count(t), 8);
    for (uint32_t leaf = 1; leaf < 8; leaf++)
        assert_int_equal(tree_remove(t, leaf), MLS_OK);
    assert_int_equal(tree_leaf_count(t), 1);
    assert_int_equal(tree_remove(t, 0), MLS_OK);
    assert_int_equal(tree_leaf_count(t), 0);
    assert_int_equal(add_member(&w, t), 0);
    tree_keep(t);
    assert_tree_sound(&w, t);
    tree_free(t);
}

static void a_tree_that_grows_again_forgets_its_old_root(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 22);
    struct tree *t = make_tree(&w, 9), *copy;
    uint8_t hash[HASH_LEN_MAX], hash_of_copy[HASH_LEN_MAX];
    assert_int_equal(tree_begin(t), MLS_OK);
    for (uint32_t leaf = 4; leaf < 8; leaf++)
        assert_int_equal(tree_remove(t, leaf), MLS_OK);
    assert_int_equal(tree_hash(t, hash), MLS_OK); /* also of the node that is the root of 8 leaves */
    assert_int_equal(tree_remove(t, 8), MLS_OK);
    assert_int_equal(tree_leaf_count(t), 4);
    tree_keep(t);
    assert_int_equal(tree_begin(t), MLS_OK);
    replace_member(&w, t, 0);
    tree_keep(t);
    assert_int_equal(tree_hash(t, hash), MLS_OK);
    struct mls_buf bytes;
    write_tree(t, &bytes);
    assert_int_equal(tree_read(&w.crypto, 64, &w.rng, mls_buf_span(&bytes), &copy), MLS_OK);
    mls_buf_free(&bytes);
    uint32_t leaf;
    assert_int_equal(tree_begin(t), MLS_OK);
    assert_int_equal(tree_begin(copy), MLS_OK);
    assert_int_equal(tree_reserve(t, &leaf), MLS_OK); /* of an external committer, who is not there yet */
    assert_int_equal(tree_reserve(copy, &leaf), MLS_OK);
    assert_int_equal(leaf, 4);
    assert_int_equal(tree_hash(t, hash), MLS_OK);
    assert_int_equal(tree_hash(copy, hash_of_copy), MLS_OK);
    assert_memory_equal(hash, hash_of_copy, 32);
    tree_free(t);
    tree_free(copy);
}

static void the_members_maximum_is_kept(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 7);
    struct tree *t;
    assert_int_equal(tree_create(&w.crypto, 3, &w.rng, &t), MLS_OK);
    assert_int_equal(tree_begin(t), MLS_OK);
    for (int i = 0; i < 3; i++)
        (void)add_member(&w, t);
    tree_keep(t);
    struct made_leaf leaf;
    make_leaf(&w, &(struct leaf_wish){.cheap = true}, &leaf);
    uint32_t place;
    assert_int_equal(tree_begin(t), MLS_OK);
    assert_int_equal(tree_add(t, mls_buf_span(&leaf.encoding), &place), MLS_TREE_FULL);
    tree_rollback(t);
    struct mls_buf bytes;
    struct tree *small;
    write_tree(t, &bytes);
    assert_int_equal(tree_read(&w.crypto, 2, &w.rng, mls_buf_span(&bytes), &small), MLS_TREE_FULL);
    mls_buf_free(&bytes);
    made_leaf_free(&leaf);
    tree_free(t);
}

static void edits_of_nobody_are_refused(void **state) {
    (void)state;
    static const uint32_t nobody[] = {3, 4, TREE_NONE};
    struct world w;
    world_init(&w, SUITE, 8);
    struct tree *t = make_tree(&w, 3);
    struct made_leaf leaf;
    make_leaf(&w, &(struct leaf_wish){.cheap = true, .source = MLS_LEAF_UPDATE}, &leaf);
    for (size_t i = 0; i < ARRAY_LEN(nobody); i++) {
        assert_int_equal(tree_begin(t), MLS_OK);
        assert_int_equal(tree_update(t, nobody[i], mls_buf_span(&leaf.encoding)), MLS_LEAF_BLANK);
        tree_rollback(t);
        assert_int_equal(tree_begin(t), MLS_OK);
        assert_int_equal(tree_remove(t, nobody[i]), MLS_LEAF_BLANK);
        tree_rollback(t);
        assert_null(tree_leaf(t, nobody[i]));
    }
    made_leaf_free(&leaf);
    tree_free(t);
}

static void the_change_tells_which_leaves_it_touched(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 9);
    struct tree *t = make_tree(&w, 4);
    assert_int_equal(tree_begin(t), MLS_OK);
    replace_member(&w, t, 0);
    assert_int_equal(tree_remove(t, 2), MLS_OK);
    assert_int_equal(tree_remove(t, 1), MLS_OK);
    assert_int_equal(add_member(&w, t), 1);
    uint32_t cursor = 0, seen = 0;
    struct tree_changed_leaf changed;
    while (tree_changed_next(t, &cursor, &changed)) {
        seen |= UINT32_C(1) << changed.leaf;
        assert_non_null(changed.before);
        assert_ptr_equal(changed.after, tree_leaf(t, changed.leaf));
        assert_ptr_not_equal(changed.before, changed.after);
        assert_int_equal(changed.after == NULL, changed.leaf == 2);
    }
    assert_int_equal(seen, 7);
    tree_rollback(t);
    tree_free(t);
}

/* ---- parent hashes (section 7.9.2) ---- */

static void a_parent_key_that_its_sender_did_not_set_is_found(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 16);
    for (uint32_t node = 1; node < 31; node += 2) {
        struct tree *t = make_tree(&w, 16);
        assert_int_equal(tree_begin(t), MLS_OK);
        for (uint32_t leaf = 0; leaf < 16; leaf++)
            send_path(&w, t, leaf);
        assert_int_equal(tree_validate(t), MLS_OK);
        uint8_t key[32];
        rng_fill(&w.rng, key, 32);
        struct parent_content *old = tree_parent_content(t, node), *p;
        assert_int_equal(parent_content_make(t, span_of(key, 32), parent_hash_field(old), 0, &p), MLS_OK);
        assert_int_equal(tree_set_content(t, node, p), MLS_OK);
        assert_int_equal(tree_validate(t), MLS_PARENT_HASH_WRONG);
        tree_keep(t);
        tree_free(t);
    }
}

static void unmerged_leaves_are_left_out_of_the_original_sibling_hash(void **state) {
    (void)state;
    /* the tree of figure 12: G is there, F came after E's and A's paths */
    struct world w;
    world_init(&w, SUITE, 17);
    struct tree *t = make_tree(&w, 7);
    assert_int_equal(tree_begin(t), MLS_OK);
    assert_int_equal(tree_remove(t, 5), MLS_OK);
    send_path(&w, t, 0);
    tree_keep(t);
    assert_int_equal(tree_begin(t), MLS_OK);
    send_path(&w, t, 4);
    tree_keep(t);
    assert_int_equal(tree_begin(t), MLS_OK);
    assert_int_equal(add_member(&w, t), 5);
    tree_keep(t);
    assert_true(parent_has_unmerged(tree_parent_content(t, 7), 5));
    assert_true(parent_has_unmerged(tree_parent_content(t, 11), 5));
    assert_int_equal(tree_validate(t), MLS_OK);
    /* the same when the path came from the other half: the new leaf is below the sibling */
    assert_int_equal(tree_begin(t), MLS_OK);
    send_path(&w, t, 1);
    assert_int_equal(add_member(&w, t), 7);
    assert_int_equal(tree_validate(t), MLS_OK);
    tree_keep(t);
    tree_free(t);
}

/* ---- queue of signatures ---- */

static struct tree *signed_tree(struct world *w, uint32_t count, struct span group_id) {
    struct tree *t = make_tree(w, 0);
    struct mls_buf bytes;
    assert_int_equal(tree_begin(t), MLS_OK);
    for (uint32_t i = 0; i < count; i++) {
        struct made_leaf leaf;
        uint32_t place;
        make_leaf(w,
                  &(struct leaf_wish){.sign = true,
                                      .group_id = group_id,
                                      .leaf = i,
                                      .source = i % 2 == 0 ? MLS_LEAF_UPDATE : MLS_LEAF_KEY_PACKAGE},
                  &leaf);
        assert_int_equal(tree_add(t, mls_buf_span(&leaf.encoding), &place), MLS_OK);
        made_leaf_free(&leaf);
    }
    tree_keep(t);
    assert_int_equal(tree_unverified_count(t), 0);
    write_tree(t, &bytes);
    tree_free(t);
    assert_int_equal(tree_read(&w->crypto, 64, &w->rng, mls_buf_span(&bytes), &t), MLS_OK);
    mls_buf_free(&bytes);
    return t;
}

static bool job_is_good(const struct world *w, const struct tree_verify_job *job) {
    return crypto_openssl.verify(w->crypto.suite->sign, job->public_key, job->message, job->signature) == CRYPTO_OK;
}

static void every_leaf_of_a_read_tree_is_handed_out_once_for_verification(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 18);
    struct tree *t = signed_tree(&w, 6, span_str("group"));
    struct mls_buf buf;
    mls_buf_init(&buf, 4096);
    struct tree_verify_job job;
    uint32_t cursor = 0, jobs = 0;
    assert_int_equal(tree_verify_next(t, span_str("group"), &cursor, &buf, &job), MLS_OK);
    for (; job.leaf != TREE_NONE; jobs++) {
        assert_true(job_is_good(&w, &job));
        assert_false(tree_is_verified(t, job.leaf));
        assert_int_equal(tree_verify_done(t, job.ticket, true), MLS_OK);
        assert_true(tree_is_verified(t, job.leaf));
        assert_int_equal(tree_unverified_count(t), 5 - jobs);
        assert_int_equal(tree_verify_done(t, job.ticket, true), MLS_OK); /* twice is nothing more */
        assert_int_equal(tree_verify_next(t, span_str("group"), &cursor, &buf, &job), MLS_OK);
    }
    assert_int_equal(jobs, 6);
    mls_buf_free(&buf);
    tree_free(t);
}

static void a_signature_for_another_group_is_bad_unless_the_leaf_is_from_a_key_package(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 19);
    struct tree *t = signed_tree(&w, 4, span_str("group"));
    struct mls_buf buf;
    mls_buf_init(&buf, 4096);
    struct tree_verify_job job;
    uint32_t cursor = 0;
    for (uint32_t leaf = 0; leaf < 4; leaf++) {
        assert_int_equal(tree_verify_next(t, span_str("other"), &cursor, &buf, &job), MLS_OK);
        assert_int_equal(job.leaf, leaf);
        bool good = job_is_good(&w, &job);
        assert_int_equal(good, leaf % 2 == 1);
        assert_int_equal(tree_verify_done(t, job.ticket, good), good ? MLS_OK : MLS_LEAF_SIGNATURE_INVALID);
    }
    assert_int_equal(tree_unverified_count(t), 2);
    mls_buf_free(&buf);
    tree_free(t);
}

static void a_verdict_about_a_replaced_leaf_is_ignored_and_one_in_the_journal_is_kept(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 20);
    struct tree *t = signed_tree(&w, 4, span_str("group"));
    struct mls_buf buf;
    mls_buf_init(&buf, 4096);
    struct tree_verify_job job[3];
    uint32_t cursor = 0;
    for (uint32_t i = 0; i < 3; i++) {
        cursor = 0; /* from the start again: what was handed out does not come twice */
        assert_int_equal(tree_verify_next(t, span_str("group"), &cursor, &buf, &job[i]), MLS_OK);
        assert_int_equal(job[i].leaf, i);
    }
    assert_int_equal(tree_begin(t), MLS_OK);
    replace_member(&w, t, 0);
    assert_int_equal(tree_remove(t, 1), MLS_OK);
    replace_member(&w, t, 2);
    assert_int_equal(tree_unverified_count(t), 1);
    assert_int_equal(tree_verify_done(t, job[2].ticket, true), MLS_OK); /* of the leaf that may come back */
    assert_int_equal(tree_unverified_count(t), 1);
    tree_rollback(t);
    assert_int_equal(tree_unverified_count(t), 3);
    assert_true(tree_is_verified(t, 2));
    assert_int_equal(tree_begin(t), MLS_OK);
    replace_member(&w, t, 0);
    assert_int_equal(tree_remove(t, 1), MLS_OK);
    tree_keep(t);
    assert_int_equal(tree_verify_done(t, job[0].ticket, false), MLS_OK);
    assert_int_equal(tree_verify_done(t, job[1].ticket, false), MLS_OK);
    assert_int_equal(tree_unverified_count(t), 1);
    assert_tree_sound(&w, t);
    mls_buf_free(&buf);
    tree_free(t);
}

static void memory_of_a_member_is_bounded(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE, 21);
    struct tree *t = make_tree(&w, 1024);
    size_t encodings = 0;
    for (uint32_t leaf = 0; leaf < 1024; leaf++)
        encodings += tree_leaf_encoding(t, leaf).len;
    size_t each = (tree_memory(t) - encodings) / 1024;
    assert_true(each <= 640);
    tree_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_parents_and_siblings_agree_in_every_size),
        cmocka_unit_test(the_leaves_below_a_node_are_those_whose_ancestor_it_is),
        cmocka_unit_test(the_cached_tree_hash_is_the_one_computed_from_scratch),
        cmocka_unit_test(rolling_back_restores_bytes_hashes_and_keys_exactly),
        cmocka_unit_test(a_detached_change_can_be_attached_and_is_then_the_same),
        cmocka_unit_test(a_new_member_takes_the_leftmost_blank_leaf),
        cmocka_unit_test(a_new_member_is_unmerged_at_its_filled_ancestors_only),
        cmocka_unit_test(removing_the_right_half_truncates_the_tree),
        cmocka_unit_test(a_tree_that_grows_again_forgets_its_old_root),
        cmocka_unit_test(the_members_maximum_is_kept),
        cmocka_unit_test(edits_of_nobody_are_refused),
        cmocka_unit_test(the_change_tells_which_leaves_it_touched),
        cmocka_unit_test(a_parent_key_that_its_sender_did_not_set_is_found),
        cmocka_unit_test(unmerged_leaves_are_left_out_of_the_original_sibling_hash),
        cmocka_unit_test(every_leaf_of_a_read_tree_is_handed_out_once_for_verification),
        cmocka_unit_test(a_signature_for_another_group_is_bad_unless_the_leaf_is_from_a_key_package),
        cmocka_unit_test(a_verdict_about_a_replaced_leaf_is_ignored_and_one_in_the_journal_is_kept),
        cmocka_unit_test(memory_of_a_member_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
