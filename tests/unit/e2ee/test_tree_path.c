/* TreeKEM: whole groups in which every member has its own tree. */
#include "unit.h"

#include "base/assert.h"
#include "tree_group.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519
static void everybody_derives_the_same_commit_secret_in_random_groups(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct group g;
        group_init(&g, SUITE, seed);
        for (int epoch = 0; epoch < 60; epoch++) {
            struct rng *rng = &g.w.rng;
            uint32_t target = epoch < 25 ? 48 : epoch < 45 ? 3 : 20;
            uint32_t removals = g.members > target ? (uint32_t)rng_below(rng, 6) : rng_below(rng, 4) == 0;
            uint32_t adds = g.members < target ? (uint32_t)rng_below(rng, 6) : rng_below(rng, 4) == 0;
            if (g.members == 1)
                removals = 0;
            if (rng_below(rng, 8) == 0 && g.members < PLACES)
                external_commit(&g, g.members > 1 && rng_below(rng, 2) == 0);
            else
                commit_run(&g, any_member(&g), removals, (uint32_t)rng_below(rng, 3), adds, rng_below(rng, 2) == 0);
            assert_views(&g);
        }
        group_free(&g);
    }
}

static void every_suite_runs_the_same_life(void **state) {
    (void)state;
    for (size_t i = 0; mls_suite_at(i) != NULL; i++) {
        struct mls_crypto crypto;
        struct group g;
        if (mls_crypto_of(&crypto_openssl, mls_suite_at(i)->id, &crypto) != MLS_OK)
            fail_msg("suite %u is not supported natively", mls_suite_at(i)->id);
        group_init(&g, mls_suite_at(i)->id, 40 + i);
        commit_run(&g, 0, 0, 0, 5, true);
        commit_run(&g, 3, 0, 0, 2, false);
        commit_run(&g, any_member(&g), 1, 2, 1, true);
        external_commit(&g, true);
        commit_run(&g, any_member(&g), 3, 0, 0, true);
        assert_views(&g);
        group_free(&g);
    }
}

static void a_single_member_commits_and_is_joined_by_a_second(void **state) {
    (void)state;
    struct group g;
    group_init(&g, SUITE, 100);
    commit_run(&g, 0, 0, 0, 0, true); /* an empty filtered path */
    assert_int_equal(tree_leaf(g.trees[0], 0)->parent_hash.len, 0);
    commit_run(&g, 0, 0, 0, 1, true);
    assert_int_equal(tree_leaf_count(g.trees[1]), 2);
    assert_non_null(tree_private_key(g.trees[1], 1));
    commit_run(&g, 1, 0, 0, 0, true);
    struct commit c; /* 1 removes 0: leaf 0 is blank, the filtered path is empty again */
    commit_draw(&g, &c, 1, 0, 0, 0, true);
    c.removed[c.remove_count++] = 0;
    commit_make(&g, &c);
    everybody_follows(&g, &c);
    assert_int_equal(tree_leaf_count(g.trees[1]), 2);
    assert_null(tree_private_key(g.trees[1], 1));
    commit_run(&g, 1, 0, 0, 1, true);
    assert_views(&g);
    group_free(&g);
}

static void the_root_stays_blank_when_the_left_half_is_empty(void **state) {
    (void)state;
    struct group g;
    group_init(&g, SUITE, 101);
    commit_run(&g, 0, 0, 0, 5, true);
    struct commit c;
    commit_draw(&g, &c, 4, 0, 0, 0, true);
    for (uint32_t leaf = 0; leaf < 4; leaf++)
        c.removed[c.remove_count++] = leaf;
    commit_make(&g, &c);
    everybody_follows(&g, &c);
    assert_int_equal(tree_leaf_count(g.trees[5]), 8);
    assert_int_equal(tree_node_key(g.trees[5], 7).len, 0);
    assert_int_equal(tree_node_key(g.trees[5], 11).len, 0);
    assert_int_equal(tree_node_key(g.trees[5], 9).len, 32);
    commit_run(&g, 5, 0, 0, 2, true);
    assert_views(&g);
    group_free(&g);
}

static void new_members_are_not_recipients_and_old_ones_are(void **state) {
    (void)state;
    struct group g;
    group_init(&g, SUITE, 102);
    commit_run(&g, 0, 0, 0, 3, true);
    struct commit c;
    commit_draw(&g, &c, 0, 0, 0, 4, true);
    commit_make(&g, &c);
    struct mls_update_path path;
    assert_int_equal(mls_update_path_parse(mls_buf_span(&c.path), &path), MLS_OK);
    struct mls_reader it = mls_reader_of(path.nodes.bytes);
    struct mls_update_path_node node;
    static const uint32_t expected[] = {1, 2, 0}; /* leaf 1; leaves 2 and 3; nobody of the four new ones */
    uint32_t count = 0;
    while (mls_update_path_node_next(&it, &node)) {
        assert_true(count < 3);
        assert_int_equal(node.encrypted_path_secret.count, expected[count++]);
    }
    assert_int_equal(count, 3);
    everybody_follows(&g, &c);
    assert_views(&g);
    group_free(&g);
}

static void a_removed_member_cannot_open_the_path(void **state) {
    (void)state;
    struct group g;
    group_init(&g, SUITE, 103);
    commit_run(&g, 0, 0, 0, 7, true);
    for (uint32_t leaf = 1; leaf < 8; leaf++)
        commit_run(&g, leaf, 0, 0, 0, true);
    struct commit c;
    commit_draw(&g, &c, 2, 0, 0, 0, true);
    c.removed[c.remove_count++] = 6;
    commit_make(&g, &c);
    struct tree *t = g.trees[6]; /* does what the others do, with all keys that it has */
    struct secret keys[TREE_LEVELS_MAX], commit_secret = {0};
    memcpy(keys, t->private_keys, sizeof keys);
    assert_int_equal(tree_begin(t), MLS_OK);
    apply_edits(t, &c);
    memcpy(t->private_keys, keys, sizeof keys);
    assert_int_not_equal(merge_and_open(t, &c, &commit_secret), MLS_OK);
    assert_int_equal(commit_secret.len, 0);
    tree_rollback(t);
    everybody_follows(&g, &c);
    group_free(&g);
}

static void refuse(struct group *g, struct commit *c, uint32_t leaf, enum mls_status reason) {
    struct picture before;
    struct secret commit_secret = {0};
    struct tree *t = g->trees[leaf];
    picture_take(t, &before);
    assert_int_equal(tree_begin(t), MLS_OK);
    apply_edits(t, c);
    enum mls_status status = merge_and_open(t, c, &commit_secret);
    if (reason != MLS_OK)
        assert_int_equal(status, reason);
    else
        assert_int_not_equal(status, MLS_OK);
    assert_int_equal(commit_secret.len, 0);
    tree_rollback(t);
    assert_picture(t, &before);
    picture_free(&before);
}

/* Puts the path together again from its parsed parts, after `change` had its way with them. */
#define NODES_MAX 4
struct loose_path {
    struct mls_update_path path;
    struct mls_update_path_node nodes[NODES_MAX];
    uint32_t count;
};
static void take_apart(struct span bytes, struct loose_path *out) {
    assert_int_equal(mls_update_path_parse(bytes, &out->path), MLS_OK);
    struct mls_reader it = mls_reader_of(out->path.nodes.bytes);
    out->count = 0;
    while (mls_update_path_node_next(&it, &out->nodes[out->count]))
        out->count++;
}
static void put_together(struct loose_path *in, struct mls_buf *out) {
    struct mls_buf nodes, whole;
    mls_buf_init(&nodes, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&whole, MLS_MESSAGE_LEN_MAX);
    for (uint32_t i = 0; i < in->count; i++)
        mls_update_path_node_write(&nodes, &in->nodes[i]);
    in->path.nodes = (struct mls_list){.bytes = mls_buf_span(&nodes), .count = in->count};
    mls_update_path_write(&whole, &in->path);
    assert_true(mls_buf_ok(&whole));
    mls_buf_free(&nodes);
    mls_buf_free(out);
    *out = whole;
}

/* A group of 8 with all paths sent, and a commit by 2 that nobody has yet. */
static void prepared(struct group *g, struct commit *c) {
    group_init(g, SUITE, 104);
    commit_run(g, 0, 0, 0, 7, true);
    for (uint32_t leaf = 0; leaf < 8; leaf++)
        commit_run(g, leaf, 0, 0, 0, true);
    commit_draw(g, c, 2, 0, 0, 0, true);
    commit_make(g, c);
}

static void a_path_that_does_not_fit_the_tree_is_refused(void **state) {
    (void)state;
    struct group g;
    struct commit c;
    prepared(&g, &c);
    struct mls_buf sound;
    mls_buf_init(&sound, MLS_MESSAGE_LEN_MAX);
    mls_wr_span(&sound, mls_buf_span(&c.path));
    uint8_t taken[32];
    memcpy(taken, tree_node_key(g.trees[5], 5).data, 32); /* the sender's old parent: overwritten, yet in the tree */
    for (int change = 0; change < 9; change++) {
        struct loose_path p;
        take_apart(mls_buf_span(&sound), &p);
        enum mls_status reason = MLS_OK;
        switch (change) {
        case 0:
            p.count = 2;
            reason = MLS_PATH_LENGTH_WRONG;
            break;
        case 1:
            p.nodes[3] = p.nodes[2];
            p.count = 4;
            reason = MLS_PATH_LENGTH_WRONG;
            break;
        case 2:
            p.nodes[1].encrypted_path_secret = (struct mls_list){.count = 0};
            reason = MLS_PATH_CIPHERTEXTS_WRONG;
            break;
        case 3:
            p.nodes[1].encryption_key = span_of(taken, 32);
            reason = MLS_PATH_KEY_REUSED;
            break;
        case 4:
            p.nodes[1].encryption_key = p.nodes[0].encryption_key;
            reason = MLS_PARENT_HASH_WRONG;
            break;
        case 5:
            p.nodes[2].encryption_key.len = 31;
            reason = MLS_ENCRYPTION_KEY_INVALID;
            break;
        case 6:
            p.path.leaf_node.parent_hash.len = 31;
            reason = MLS_PARENT_HASH_WRONG;
            break;
        case 7:
            p.path.leaf_node.source = MLS_LEAF_UPDATE;
            reason = MLS_LEAF_SOURCE_WRONG;
            break;
        case 8:
            p.path.leaf_node.encryption_key = tree_leaf(g.trees[5], 2)->encryption_key;
            reason = MLS_ENCRYPTION_KEY_NOT_FRESH;
            break;
        }
        put_together(&p, &c.path);
        refuse(&g, &c, 5, reason);
    }
    mls_buf_free(&c.path);
    c.path = sound;
    everybody_follows(&g, &c);
    group_free(&g);
}

static void one_key_twice_in_a_path_is_refused_even_with_the_right_parent_hash(void **state) {
    (void)state;
    struct group g;
    struct commit c;
    prepared(&g, &c);
    struct loose_path p;
    take_apart(mls_buf_span(&c.path), &p);
    p.nodes[1].encryption_key = p.nodes[0].encryption_key;
    /* the parent hash that such a sender would sign */
    struct tree *t = g.trees[2];
    struct mls_hash hash = {.len = 0};
    struct filtered_path f;
    tree_filtered_path(t, 2, &f);
    for (uint32_t i = 3; i > 0; i--) {
        struct mls_hash above = hash;
        assert_int_equal(tree_parent_hash(t, p.nodes[i - 1].encryption_key, mls_hash_span(&above), f.siblings[i - 1],
                                          span_of(NULL, 0), hash.bytes),
                         MLS_OK);
        hash.len = 32;
    }
    p.path.leaf_node.parent_hash = mls_hash_span(&hash);
    put_together(&p, &c.path);
    refuse(&g, &c, 5, MLS_PATH_KEY_REUSED);
    commit_free(&c);
    group_free(&g);
}

static void a_path_secret_that_gives_other_keys_than_the_path_is_refused(void **state) {
    (void)state;
    struct group g;
    struct commit c;
    prepared(&g, &c);
    /* sealed rightly, to the right one, but another secret */
    struct loose_path p;
    take_apart(mls_buf_span(&c.path), &p);
    struct tree *t = g.trees[2];
    struct mls_buf sealed;
    struct secret other = {0};
    mls_random_secret(&g.w.crypto, &g.w.rng, &other);
    mls_buf_init(&sealed, 4096);
    assert_int_equal(mls_encrypt_with_label(&g.w.crypto, tree_node_key(t, 11), "UpdatePathNode",
                                            span_of(c.tree_hash, 32), secret_span(&other), &g.w.rng, &sealed,
                                            MLS_ENCRYPTION_KEY_INVALID),
                     MLS_OK);
    p.nodes[2].encrypted_path_secret = (struct mls_list){.bytes = mls_buf_span(&sealed), .count = 1};
    put_together(&p, &c.path);
    refuse(&g, &c, 5, MLS_PATH_KEY_MISMATCH);
    mls_buf_clear(&sealed); /* the same of another length */
    assert_int_equal(mls_encrypt_with_label(&g.w.crypto, tree_node_key(t, 11), "UpdatePathNode",
                                            span_of(c.tree_hash, 32), span_of(other.bytes, 31), &g.w.rng, &sealed,
                                            MLS_ENCRYPTION_KEY_INVALID),
                     MLS_OK);
    take_apart(mls_buf_span(&c.path), &p);
    p.nodes[2].encrypted_path_secret = (struct mls_list){.bytes = mls_buf_span(&sealed), .count = 1};
    struct mls_buf whole;
    mls_buf_init(&whole, MLS_MESSAGE_LEN_MAX);
    put_together(&p, &whole);
    mls_buf_free(&c.path);
    c.path = whole;
    refuse(&g, &c, 5, MLS_PATH_SECRET_INVALID);
    mls_buf_free(&sealed);
    commit_free(&c);
    group_free(&g);
}

static void every_changed_byte_of_a_path_is_refused_by_whom_it_concerns(void **state) {
    (void)state;
    struct group g;
    struct commit c;
    prepared(&g, &c);
    size_t len = mls_buf_span(&c.path).len, refused = 0;
    for (size_t i = 0; i < len; i += 3) {
        c.path.w.data[i] ^= 0x40;
        /* leaf contents are under the leaf's signature, ciphertexts of others are not this member's: what can be told
         * here is refused, and nothing ever opens to another secret */
        struct tree *t = g.trees[5];
        struct secret commit_secret = {0};
        assert_int_equal(tree_begin(t), MLS_OK);
        apply_edits(t, &c);
        if (merge_and_open(t, &c, &commit_secret) == MLS_OK)
            assert_true(span_equal(secret_span(&commit_secret), secret_span(&c.commit_secret)));
        else
            refused++;
        tree_rollback(t);
        c.path.w.data[i] ^= 0x40;
    }
    assert_true(refused > len / 3 / 2);
    everybody_follows(&g, &c);
    group_free(&g);
}

static void the_context_of_another_tree_opens_nothing(void **state) {
    (void)state;
    struct group g;
    struct commit c;
    prepared(&g, &c);
    struct mls_update_path path;
    struct secret commit_secret = {0};
    assert_int_equal(mls_update_path_parse(mls_buf_span(&c.path), &path), MLS_OK);
    assert_int_equal(tree_begin(g.trees[0]), MLS_OK);
    assert_int_equal(tree_path_merge(g.trees[0], 2, &path), MLS_OK);
    assert_int_equal(tree_path_open(g.trees[0], 2, &path, span_str("other"), NULL, &commit_secret),
                     MLS_PATH_SECRET_INVALID);
    tree_rollback(g.trees[0]);
    everybody_follows(&g, &c);
    group_free(&g);
}

static void a_welcome_path_secret_that_does_not_fit_is_refused(void **state) {
    (void)state;
    struct group g;
    group_init(&g, SUITE, 105);
    commit_run(&g, 0, 0, 0, 4, true);
    struct commit c;
    commit_draw(&g, &c, 4, 0, 0, 2, true);
    commit_make(&g, &c);
    struct tree *t;
    assert_int_equal(tree_read(&g.w.crypto, PLACES, &g.w.rng, mls_buf_span(&c.tree_after), &t), MLS_OK);
    assert_int_equal(tree_set_own(t, c.added[1], &c.adds[1].private_key), MLS_OK);
    assert_int_equal(tree_set_own(t, c.added[1], &c.adds[0].private_key), MLS_PRIVATE_KEY_MISMATCH);
    struct secret wrong = c.path_secrets[1];
    wrong.bytes[0] ^= 1;
    assert_int_equal(tree_join_path(t, c.sender, &wrong), MLS_PATH_KEY_MISMATCH);
    wrong.bytes[0] ^= 1;
    assert_int_equal(tree_join_path(t, 7, &wrong), MLS_LEAF_BLANK);
    wrong.len = 31;
    assert_int_equal(tree_join_path(t, c.sender, &wrong), MLS_PATH_SECRET_INVALID);
    /* right at the common ancestor, wrong further up: nothing of it stays */
    uint32_t above = tree_common_ancestor(2 * c.added[0], 2 * c.sender);
    assert_int_not_equal(above, tree_root(tree_leaf_count(t)));
    struct tree *forged;
    struct parent_content *root;
    uint8_t key[32] = {9};
    assert_int_equal(tree_read(&g.w.crypto, PLACES, &g.w.rng, mls_buf_span(&c.tree_after), &forged), MLS_OK);
    assert_int_equal(tree_set_own(forged, c.added[0], &c.adds[0].private_key), MLS_OK);
    assert_int_equal(tree_begin(forged), MLS_OK);
    assert_int_equal(parent_content_make(forged, span_of(key, 32), span_of(NULL, 0), 0, &root), MLS_OK);
    assert_int_equal(tree_set_content(forged, tree_root(tree_leaf_count(forged)), root), MLS_OK);
    tree_keep(forged);
    assert_int_equal(tree_join_path(forged, c.sender, &c.path_secrets[0]), MLS_PATH_KEY_MISMATCH);
    assert_null(tree_private_key(forged, above));
    tree_free(forged);
    for (uint32_t level = 1; level < TREE_LEVELS_MAX; level++)
        assert_int_equal(t->private_keys[level].len, 0);
    tree_free(t);
    everybody_follows(&g, &c);
    group_free(&g);
}

static void a_welcome_path_secret_for_a_blank_node_is_refused(void **state) {
    (void)state;
    struct group g;
    group_init(&g, SUITE, 107);
    commit_run(&g, 0, 0, 0, 1, true);
    struct commit c; /* the joiner at 3 is told that the one at 2 had signed: their common node is blank */
    commit_draw(&g, &c, 0, 0, 0, 2, true);
    commit_make(&g, &c);
    struct tree *t;
    assert_int_equal(tree_read(&g.w.crypto, PLACES, &g.w.rng, mls_buf_span(&c.tree_after), &t), MLS_OK);
    assert_int_equal(tree_set_own(t, c.added[1], &c.adds[1].private_key), MLS_OK);
    assert_int_equal(tree_join_path(t, c.added[0], &c.path_secrets[1]), MLS_PATH_SECRET_MISPLACED);
    tree_free(t);
    everybody_follows(&g, &c);
    group_free(&g);
}

static void private_keys_survive_sealing_and_must_fit_the_tree(void **state) {
    (void)state;
    struct group g;
    group_init(&g, SUITE, 106);
    commit_run(&g, 0, 0, 0, 6, true);
    commit_run(&g, 3, 1, 1, 0, true);
    uint32_t leaf = any_member(&g);
    struct mls_buf keys, bytes;
    struct tree *t;
    mls_buf_init(&keys, 4096);
    assert_int_equal(tree_private_write(g.trees[leaf], &keys), MLS_OK);
    write_tree(g.trees[leaf], &bytes);
    assert_int_equal(tree_read(&g.w.crypto, PLACES, &g.w.rng, mls_buf_span(&bytes), &t), MLS_OK);
    struct mls_reader r = mls_reader_of(mls_buf_span(&keys));
    assert_int_equal(tree_private_read(t, &r), MLS_OK);
    assert_int_equal(mls_reader_end(&r), MLS_OK);
    tree_free(g.trees[leaf]);
    g.trees[leaf] = t;
    assert_views(&g);
    for (size_t i = 0; i < mls_buf_len(&keys); i++) {
        struct tree *other;
        assert_int_equal(tree_read(&g.w.crypto, PLACES, &g.w.rng, mls_buf_span(&bytes), &other), MLS_OK);
        keys.w.data[i] ^= (uint8_t)(1u << (i % 7 + 1));
        r = mls_reader_of(mls_buf_span(&keys));
        if (tree_private_read(other, &r) == MLS_OK) /* bits that X25519 clamps away */
            assert_int_equal(tree_own_leaf(other), leaf);
        else
            assert_int_equal(tree_own_leaf(other), TREE_NONE);
        keys.w.data[i] ^= (uint8_t)(1u << (i % 7 + 1));
        tree_free(other);
    }
    mls_buf_free(&keys);
    mls_buf_free(&bytes);
    commit_run(&g, any_member(&g), 1, 1, 1, true);
    group_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_derives_the_same_commit_secret_in_random_groups),
        cmocka_unit_test(every_suite_runs_the_same_life),
        cmocka_unit_test(a_single_member_commits_and_is_joined_by_a_second),
        cmocka_unit_test(the_root_stays_blank_when_the_left_half_is_empty),
        cmocka_unit_test(new_members_are_not_recipients_and_old_ones_are),
        cmocka_unit_test(a_removed_member_cannot_open_the_path),
        cmocka_unit_test(a_path_that_does_not_fit_the_tree_is_refused),
        cmocka_unit_test(one_key_twice_in_a_path_is_refused_even_with_the_right_parent_hash),
        cmocka_unit_test(a_path_secret_that_gives_other_keys_than_the_path_is_refused),
        cmocka_unit_test(every_changed_byte_of_a_path_is_refused_by_whom_it_concerns),
        cmocka_unit_test(the_context_of_another_tree_opens_nothing),
        cmocka_unit_test(a_welcome_path_secret_that_does_not_fit_is_refused),
        cmocka_unit_test(a_welcome_path_secret_for_a_blank_node_is_refused),
        cmocka_unit_test(private_keys_survive_sealing_and_must_fit_the_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
