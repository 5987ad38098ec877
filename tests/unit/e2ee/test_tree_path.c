/* TreeKEM: whole groups in which every member has its own tree. */
#include "unit.h"

#include "base/assert.h"
#include "e2ee/mls_limits.h"
#include "tree_world.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519
#define PLACES 64 /* leaves of the largest group here */

/* A group: trees[l] is the view of the member at leaf l, NULL where nobody is. */
struct group {
    struct world w;
    struct tree *trees[PLACES];
    uint32_t members;
};

/* What one commit does, as every member gets it. */
struct commit {
    uint32_t sender;
    bool with_path;
    bool external; /* the sender is new */
    uint32_t update_count, remove_count, add_count;
    uint32_t updated[4], removed[PLACES], added[16];
    struct made_leaf updates[4], adds[16];
    struct mls_buf path; /* UpdatePath */
    struct secret path_secrets[16];
    bool has_path_secret[16];
    uint8_t tree_hash[HASH_LEN_MAX];
    struct secret commit_secret;
    struct mls_buf tree_after;
};

static void group_init(struct group *g, uint16_t suite, uint64_t seed) {
    *g = (struct group){.members = 1};
    world_init(&g->w, suite, seed);
    struct made_leaf leaf;
    uint32_t place;
    make_leaf(&g->w, &(struct leaf_wish){0}, &leaf);
    assert_int_equal(tree_create(&g->w.crypto, PLACES, &g->w.rng, &g->trees[0]), MLS_OK);
    assert_int_equal(tree_begin(g->trees[0]), MLS_OK);
    assert_int_equal(tree_add(g->trees[0], mls_buf_span(&leaf.encoding), &place), MLS_OK);
    assert_int_equal(tree_set_own(g->trees[0], place, &leaf.private_key), MLS_OK);
    tree_keep(g->trees[0]);
    made_leaf_free(&leaf);
}

static void group_free(struct group *g) {
    for (uint32_t leaf = 0; leaf < PLACES; leaf++)
        tree_free(g->trees[leaf]);
}

static uint32_t any_member(struct group *g) {
    uint32_t leaf;
    do
        leaf = (uint32_t)rng_below(&g->w.rng, PLACES);
    while (g->trees[leaf] == NULL);
    return leaf;
}

/* ---- one side of a commit ---- */

static bool is_listed(const uint32_t *list, uint32_t count, uint32_t leaf) {
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == leaf)
            return true;
    return false;
}

/* A commit by `sender` that removes, updates and adds about as many as it is told; who is drawn. */
static void commit_draw(struct group *g, struct commit *c, uint32_t sender, uint32_t removals, uint32_t updates,
                        uint32_t adds, bool with_path) {
    *c = (struct commit){.sender = sender, .with_path = with_path || removals > 0 || updates > 0};
    for (uint32_t i = 0; i < removals; i++) {
        uint32_t leaf = any_member(g);
        if (leaf != sender && !is_listed(c->removed, c->remove_count, leaf))
            c->removed[c->remove_count++] = leaf;
    }
    for (uint32_t i = 0; i < updates; i++) {
        uint32_t leaf = any_member(g);
        if (leaf == sender || is_listed(c->removed, c->remove_count, leaf) ||
            is_listed(c->updated, c->update_count, leaf))
            continue;
        make_leaf(&g->w, &(struct leaf_wish){.source = MLS_LEAF_UPDATE}, &c->updates[c->update_count]);
        c->updated[c->update_count++] = leaf;
    }
    for (; c->add_count < adds && g->members - c->remove_count + c->add_count < PLACES; c->add_count++)
        make_leaf(&g->w, &(struct leaf_wish){0}, &c->adds[c->add_count]);
}

static void commit_free(struct commit *c) {
    for (uint32_t i = 0; i < c->update_count; i++)
        made_leaf_free(&c->updates[i]);
    for (uint32_t i = 0; i < c->add_count; i++)
        made_leaf_free(&c->adds[i]);
    mls_buf_free(&c->path);
    mls_buf_free(&c->tree_after);
    secure_wipe(c, sizeof *c);
}

static void apply_edits(struct tree *t, struct commit *c) {
    for (uint32_t i = 0; i < c->update_count; i++) {
        assert_int_equal(tree_update(t, c->updated[i], mls_buf_span(&c->updates[i].encoding)), MLS_OK);
        if (c->updated[i] == tree_own_leaf(t)) {
            assert_null(tree_private_key(t, 2 * c->updated[i]));
            assert_int_equal(tree_set_own(t, c->updated[i], &c->updates[i].private_key), MLS_OK);
        }
    }
    for (uint32_t i = 0; i < c->remove_count; i++)
        assert_int_equal(tree_remove(t, c->removed[i]), MLS_OK);
    for (uint32_t i = 0; i < c->add_count; i++)
        assert_int_equal(tree_add(t, mls_buf_span(&c->adds[i].encoding), &c->added[i]), MLS_OK);
    assert_int_equal(tree_check(t), MLS_OK);
}

static void make_path(struct group *g, struct tree *t, struct commit *c) {
    struct tree_path *path;
    struct made_leaf leaf;
    assert_int_equal(tree_path_create(t, c->sender, &g->w.rng, &path), MLS_OK);
    make_leaf(&g->w,
              &(struct leaf_wish){.source = MLS_LEAF_COMMIT,
                                  .encryption_key = tree_path_leaf_key(path),
                                  .parent_hash = tree_path_parent_hash(path)},
              &leaf);
    assert_int_equal(tree_path_finish(t, path, mls_buf_span(&leaf.encoding)), MLS_OK);
    made_leaf_free(&leaf);
    assert_int_equal(tree_check(t), MLS_OK);
    assert_int_equal(tree_hash(t, c->tree_hash), MLS_OK);
    mls_buf_init(&c->path, MLS_MESSAGE_LEN_MAX);
    assert_int_equal(tree_path_encrypt(t, path, span_of(c->tree_hash, t->hash_len), &g->w.rng, &c->path), MLS_OK);
    c->commit_secret = *tree_path_commit_secret(path);
    for (uint32_t i = 0; i < c->add_count; i++) {
        const struct secret *secret = tree_path_secret_for(path, c->added[i]);
        assert_non_null(secret);
        c->path_secrets[i] = *secret;
    }
    tree_path_free(path);
}

/* The sender's side; the tree's change is left detached or kept. */
static void commit_make(struct group *g, struct commit *c) {
    struct tree *t = g->trees[c->sender];
    struct picture before;
    picture_take(t, &before);
    assert_int_equal(tree_begin(t), MLS_OK);
    apply_edits(t, c);
    if (c->with_path)
        make_path(g, t, c);
    assert_int_equal(tree_hash(t, c->tree_hash), MLS_OK);
    struct tree_change *change = tree_detach(t); /* the commit is sent, and comes back */
    assert_picture(t, &before);
    picture_free(&before);
    tree_attach(t, change);
    tree_keep(t);
    write_tree(t, &c->tree_after);
}

static enum mls_status merge_and_open(struct tree *t, const struct commit *c, struct secret *commit_secret) {
    struct mls_update_path path;
    enum mls_status status = mls_update_path_parse(mls_buf_span(&c->path), &path);
    if (status == MLS_OK)
        status = tree_path_merge(t, c->sender, &path);
    uint8_t hash[HASH_LEN_MAX];
    if (status == MLS_OK)
        status = tree_hash(t, hash);
    if (status == MLS_OK)
        status = tree_path_open(t, c->sender, &path, span_of(hash, t->hash_len), NULL, commit_secret);
    return status;
}

static void commit_take(struct group *g, struct commit *c, uint32_t leaf) {
    struct tree *t = g->trees[leaf];
    uint8_t hash[HASH_LEN_MAX];
    assert_int_equal(tree_begin(t), MLS_OK);
    apply_edits(t, c);
    if (c->external) {
        uint32_t place;
        assert_int_equal(tree_reserve(t, &place), MLS_OK);
        assert_int_equal(place, c->sender);
    }
    if (c->with_path) {
        struct secret commit_secret = {0};
        assert_int_equal(merge_and_open(t, c, &commit_secret), MLS_OK);
        assert_int_equal(commit_secret.len, t->hash_len);
        assert_true(span_equal(secret_span(&commit_secret), secret_span(&c->commit_secret)));
    }
    assert_int_equal(tree_check(t), MLS_OK);
    assert_int_equal(tree_hash(t, hash), MLS_OK);
    assert_memory_equal(hash, c->tree_hash, t->hash_len);
    tree_keep(t);
}

static void join(struct group *g, const struct commit *c, uint32_t i) {
    struct tree *t;
    uint8_t hash[HASH_LEN_MAX];
    assert_int_equal(tree_read(&g->w.crypto, PLACES, &g->w.rng, mls_buf_span(&c->tree_after), &t), MLS_OK);
    assert_int_equal(tree_validate(t), MLS_OK);
    assert_int_equal(tree_hash(t, hash), MLS_OK);
    assert_memory_equal(hash, c->tree_hash, t->hash_len);
    assert_int_equal(tree_set_own(t, c->added[i], &c->adds[i].private_key), MLS_OK);
    if (c->with_path)
        assert_int_equal(tree_join_path(t, c->sender, &c->path_secrets[i]), MLS_OK);
    assert_null(g->trees[c->added[i]]);
    g->trees[c->added[i]] = t;
}

/* Section 4.2: a private key is known exactly where the own leaf is below and not unmerged. */
static void assert_views(struct group *g) {
    for (uint32_t leaf = 0; leaf < PLACES; leaf++) {
        struct tree *t = g->trees[leaf];
        if (t == NULL)
            continue;
        assert_int_equal(tree_own_leaf(t), leaf);
        for (uint32_t node = 0; node < tree_node_count(tree_leaf_count(t)); node++) {
            const struct parent_content *p = (node & 1) != 0 ? tree_parent_content(t, node) : NULL;
            bool expected =
                node == 2 * leaf || (p != NULL && tree_is_below(2 * leaf, node) && !parent_has_unmerged(p, leaf));
            const struct secret *key = tree_private_key(t, node);
            assert_int_equal(key != NULL, expected);
            if (key == NULL)
                continue;
            uint8_t public_key[KEM_PUBLIC_LEN_MAX];
            assert_int_equal(kem_public(&crypto_openssl, g->w.crypto.suite->hpke.kem, key, public_key), CRYPTO_OK);
            assert_memory_equal(public_key, tree_node_key(t, node).data, t->key_len);
        }
    }
}

static void everybody_follows(struct group *g, struct commit *c) {
    for (uint32_t i = 0; i < c->remove_count; i++) {
        tree_free(g->trees[c->removed[i]]);
        g->trees[c->removed[i]] = NULL;
    }
    for (uint32_t leaf = 0; leaf < PLACES; leaf++)
        if (g->trees[leaf] != NULL && leaf != c->sender)
            commit_take(g, c, leaf);
    for (uint32_t i = 0; i < c->add_count; i++)
        join(g, c, i);
    g->members += c->add_count - c->remove_count + c->external;
    commit_free(c);
}

static void commit_run(struct group *g, uint32_t sender, uint32_t removals, uint32_t updates, uint32_t adds,
                       bool with_path) {
    struct commit c;
    commit_draw(g, &c, sender, removals, updates, adds, with_path);
    commit_make(g, &c);
    everybody_follows(g, &c);
}

/* An outsider reads the tree and puts itself in. With `resync` it first removes a member, its former self. */
static void external_commit(struct group *g, bool resync) {
    struct commit c = {.with_path = true, .external = true};
    struct mls_buf bytes;
    struct tree *t;
    write_tree(g->trees[any_member(g)], &bytes);
    assert_int_equal(tree_read(&g->w.crypto, PLACES, &g->w.rng, mls_buf_span(&bytes), &t), MLS_OK);
    mls_buf_free(&bytes);
    if (resync)
        c.removed[c.remove_count++] = any_member(g);
    assert_int_equal(tree_begin(t), MLS_OK);
    apply_edits(t, &c);
    assert_int_equal(tree_reserve(t, &c.sender), MLS_OK);
    make_path(g, t, &c);
    tree_keep(t);
    assert_int_equal(tree_own_leaf(t), c.sender);
    for (uint32_t i = 0; i < c.remove_count; i++) {
        tree_free(g->trees[c.removed[i]]);
        g->trees[c.removed[i]] = NULL;
    }
    g->trees[c.sender] = t;
    c.remove_count = 0; /* freed above; the members still have to remove it */
    if (resync)
        c.remove_count = 1;
    for (uint32_t leaf = 0; leaf < PLACES; leaf++)
        if (g->trees[leaf] != NULL && leaf != c.sender)
            commit_take(g, &c, leaf);
    g->members += 1 - c.remove_count;
    commit_free(&c);
}

/* ---- tests ---- */

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
