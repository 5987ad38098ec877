/* The private keys that one member knows: of its leaf and of nodes above it. */
#include "base/assert.h"
#include "e2ee/tree_internal.h"

enum mls_status tree_set_own(struct tree *t, uint32_t leaf, const struct secret *private_key) {
    ASSERT(t->shape.own_leaf == TREE_NONE || t->shape.own_leaf == leaf);
    const struct mls_leaf_node *node = tree_leaf(t, leaf);
    if (node == NULL)
        return MLS_LEAF_BLANK;
    uint8_t public_key[KEM_PUBLIC_LEN_MAX];
    if (private_key->len != kem_private_len(t->crypto.suite->hpke.kem))
        return MLS_PRIVATE_KEY_MISMATCH;
    enum mls_status status = mls_status_of_crypto(
        kem_public(t->crypto.backend, t->crypto.suite->hpke.kem, private_key, public_key), MLS_PRIVATE_KEY_MISMATCH);
    if (status != MLS_OK)
        return status;
    if (!span_equal(span_of(public_key, t->key_len), node->encryption_key))
        return MLS_PRIVATE_KEY_MISMATCH;
    t->shape.own_leaf = leaf;
    tree_set_private(t, 0, private_key);
    return MLS_OK;
}

uint32_t tree_own_leaf(const struct tree *t) {
    return t->shape.own_leaf;
}

const struct secret *tree_private_key(const struct tree *t, uint32_t node) {
    if (t->shape.own_leaf == TREE_NONE || !tree_is_below(2 * t->shape.own_leaf, node))
        return NULL;
    const struct secret *key = &t->private_keys[tree_level(node)];
    return key->len == 0 ? NULL : key;
}

enum mls_status tree_node_key_pair(const struct tree *t, const struct secret *path_secret, struct secret *private_key,
                                   uint8_t *public_key) {
    struct secret node_secret = {0};
    enum mls_status status = mls_derive_secret(&t->crypto, path_secret, "node", &node_secret);
    if (status == MLS_OK)
        status = mls_kem_derive(&t->crypto, &node_secret, private_key, public_key);
    secret_wipe(&node_secret);
    return status;
}

enum mls_status tree_take_path_secret(struct tree *t, uint32_t node, const struct secret *path_secret) {
    struct secret private_key = {0};
    uint8_t public_key[KEM_PUBLIC_LEN_MAX];
    enum mls_status status = tree_node_key_pair(t, path_secret, &private_key, public_key);
    if (status == MLS_OK && !span_equal(span_of(public_key, t->key_len), tree_node_key(t, node)))
        status = MLS_PATH_KEY_MISMATCH;
    if (status == MLS_OK)
        tree_set_private(t, tree_level(node), &private_key);
    secret_wipe(&private_key);
    return status;
}

enum mls_status tree_set_path_secret(struct tree *t, uint32_t node, const struct secret *path_secret) {
    ASSERT(t->shape.own_leaf != TREE_NONE && node < tree_node_count(t->shape.leaf_count));
    ASSERT(!tree_node_is_leaf(node) && tree_is_below(2 * t->shape.own_leaf, node));
    if (t->nodes[node].content == NULL)
        return MLS_PATH_SECRET_MISPLACED;
    return tree_take_path_secret(t, node, path_secret);
}

enum mls_status tree_join_path(struct tree *t, uint32_t signer, const struct secret *path_secret) {
    ASSERT(t->shape.own_leaf != TREE_NONE && t->open == NULL);
    if (tree_leaf(t, signer) == NULL || signer == t->shape.own_leaf)
        return MLS_LEAF_BLANK;
    if (path_secret->len != t->hash_len)
        return MLS_PATH_SECRET_INVALID;
    uint32_t node = tree_common_ancestor(2 * t->shape.own_leaf, 2 * signer);
    if (t->nodes[node].content == NULL)
        return MLS_PATH_SECRET_MISPLACED;
    struct secret secret = *path_secret;
    enum mls_status status = MLS_OK;
    for (; node != TREE_NONE && status == MLS_OK; node = tree_parent(node, t->shape.leaf_count)) {
        /* blank ones were not on the filtered direct path of the signer, which has just set all others */
        if (t->nodes[node].content == NULL)
            continue;
        status = tree_take_path_secret(t, node, &secret);
        if (status == MLS_OK)
            status = mls_derive_secret(&t->crypto, &secret, "path", &secret);
    }
    secret_wipe(&secret);
    for (uint32_t level = 1; level < TREE_LEVELS_MAX && status != MLS_OK; level++)
        tree_set_private(t, level, NULL);
    return status;
}

/* ---- sealed states ---- */

enum mls_status tree_private_write(const struct tree *t, struct mls_buf *out) {
    ASSERT(t->shape.own_leaf != TREE_NONE && t->open == NULL);
    mls_wr_u32(out, t->shape.own_leaf);
    size_t begin = mls_wr_vec_begin(out);
    for (uint32_t level = 0; level < TREE_LEVELS_MAX; level++) {
        if (t->private_keys[level].len == 0)
            continue;
        mls_wr_u8(out, (uint8_t)level);
        mls_wr_vec(out, secret_span(&t->private_keys[level]));
    }
    mls_wr_vec_end(out, begin);
    return out->status;
}

/* Whether the private key belongs to the node at this level above the own leaf. */
static enum mls_status check_private(const struct tree *t, uint32_t node, const struct secret *key) {
    uint8_t public_key[KEM_PUBLIC_LEN_MAX];
    if (t->nodes[node].content == NULL)
        return MLS_PRIVATE_KEY_MISMATCH;
    enum mls_status status = mls_status_of_crypto(
        kem_public(t->crypto.backend, t->crypto.suite->hpke.kem, key, public_key), MLS_PRIVATE_KEY_MISMATCH);
    if (status == MLS_OK && !span_equal(span_of(public_key, t->key_len), tree_node_key(t, node)))
        status = MLS_PRIVATE_KEY_MISMATCH;
    return status;
}

static enum mls_status read_private(struct tree *t, struct mls_reader *keys) {
    uint8_t level = mls_rd_u8(keys);
    struct span bytes = mls_rd_vec(keys, SECRET_LEN_MAX, MLS_FIELD_TOO_LONG);
    if (!mls_reader_ok(keys))
        return keys->status;
    uint32_t levels = tree_level(tree_root(t->shape.leaf_count)) + 1;
    if (level >= levels || bytes.len != kem_private_len(t->crypto.suite->hpke.kem))
        return MLS_PRIVATE_KEY_MISMATCH;
    struct secret key = {0};
    secret_set(&key, bytes);
    enum mls_status status = check_private(t, tree_ancestor(2 * t->shape.own_leaf, level), &key);
    if (status == MLS_OK)
        tree_set_private(t, level, &key);
    secret_wipe(&key);
    return status;
}

enum mls_status tree_private_read(struct tree *t, struct mls_reader *in) {
    ASSERT(t->shape.own_leaf == TREE_NONE && t->open == NULL);
    uint32_t leaf = mls_rd_u32(in);
    struct span list = mls_rd_vec(in, TREE_LEVELS_MAX * (SECRET_LEN_MAX + 4), MLS_FIELD_TOO_LONG);
    if (!mls_reader_ok(in))
        return in->status;
    if (tree_leaf(t, leaf) == NULL)
        return MLS_LEAF_BLANK;
    t->shape.own_leaf = leaf;
    struct mls_reader keys = mls_reader_of(list);
    enum mls_status status = MLS_OK;
    while (status == MLS_OK && mls_reader_left(&keys) > 0)
        status = read_private(t, &keys);
    if (status == MLS_OK && t->private_keys[0].len == 0)
        status = MLS_PRIVATE_KEY_MISMATCH;
    if (status == MLS_OK)
        return MLS_OK;
    for (uint32_t level = 0; level < TREE_LEVELS_MAX; level++)
        tree_set_private(t, level, NULL);
    t->shape.own_leaf = TREE_NONE;
    return status;
}
