#include "tree_group.h"

#include "base/assert.h"
#include "unit.h"

void group_init(struct group *g, uint16_t suite, uint64_t seed) {
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

void group_free(struct group *g) {
    for (uint32_t leaf = 0; leaf < PLACES; leaf++)
        tree_free(g->trees[leaf]);
}

uint32_t any_member(struct group *g) {
    uint32_t leaf;
    do
        leaf = (uint32_t)rng_below(&g->w.rng, PLACES);
    while (g->trees[leaf] == NULL);
    return leaf;
}

static bool is_listed(const uint32_t *list, uint32_t count, uint32_t leaf) {
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == leaf)
            return true;
    return false;
}

/* A commit by `sender` that removes, updates and adds about as many as it is told; who is drawn. */
void commit_draw(struct group *g, struct commit *c, uint32_t sender, uint32_t removals, uint32_t updates, uint32_t adds,
                 bool with_path) {
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

void commit_free(struct commit *c) {
    for (uint32_t i = 0; i < c->update_count; i++)
        made_leaf_free(&c->updates[i]);
    for (uint32_t i = 0; i < c->add_count; i++)
        made_leaf_free(&c->adds[i]);
    mls_buf_free(&c->path);
    mls_buf_free(&c->tree_after);
    secure_wipe(c, sizeof *c);
}

void apply_edits(struct tree *t, struct commit *c) {
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
void commit_make(struct group *g, struct commit *c) {
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

enum mls_status merge_and_open(struct tree *t, const struct commit *c, struct secret *commit_secret) {
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
void assert_views(struct group *g) {
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

void everybody_follows(struct group *g, struct commit *c) {
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

void commit_run(struct group *g, uint32_t sender, uint32_t removals, uint32_t updates, uint32_t adds, bool with_path) {
    struct commit c;
    commit_draw(g, &c, sender, removals, updates, adds, with_path);
    commit_make(g, &c);
    everybody_follows(g, &c);
}

/* An outsider reads the tree and puts itself in. With `resync` it first removes a member, its former self. */
void external_commit(struct group *g, bool resync) {
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
