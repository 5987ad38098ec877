/* TreeKEM: update paths made, merged and opened (RFC 9420 sections 7.4 to 7.6). */
#include <string.h>

#include "base/assert.h"
#include "crypto/aead.h"
#include "e2ee/mls_limits.h"
#include "e2ee/tree_internal.h"

static const char label[] = "UpdatePathNode";

struct tree_path {
    struct mls_crypto crypto;
    uint32_t leaf;
    struct filtered_path filtered;
    struct secret leaf_private;
    struct secret secrets[TREE_LEVELS_MAX]; /* path_secret[n] of the nth node of the filtered path */
    struct secret commit_secret;
    struct mls_hash parent_hash;
    uint8_t leaf_key[KEM_PUBLIC_LEN_MAX];
};

static bool is_empty(const struct tree *t, uint32_t node) {
    struct tree_resolution walk = tree_resolve(t, node);
    return tree_resolution_next(&walk) == TREE_NONE;
}

void tree_filtered_path(const struct tree *t, uint32_t leaf, struct filtered_path *out) {
    uint32_t leaf_count = t->shape.leaf_count, root = tree_root(leaf_count);
    out->count = 0;
    for (uint32_t node = 2 * leaf; node != root; node = tree_parent(node, leaf_count)) {
        uint32_t sibling = tree_sibling(node, leaf_count);
        if (is_empty(t, sibling))
            continue;
        out->nodes[out->count] = tree_parent(node, leaf_count);
        out->siblings[out->count++] = sibling;
    }
}

/* Places the public half of a path, from the root down: each parent hash covers those above. `keys` are in the order of
 * the path. */
static enum mls_status place_one(struct tree *t, const struct filtered_path *f, uint32_t i, struct span key,
                                 struct mls_hash *hash) {
    struct parent_content *p;
    enum mls_status status = parent_content_make(t, key, mls_hash_span(hash), 0, &p);
    if (status != MLS_OK)
        return status;
    status = tree_set_content(t, f->nodes[i], p);
    if (status != MLS_OK)
        return status;
    status = tree_parent_hash(t, parent_key(p), parent_hash_field(p), f->siblings[i], span_of(NULL, 0), hash->bytes);
    hash->len = (uint8_t)t->hash_len;
    return status;
}

/* ---- sender ---- */

static enum mls_status draw_secrets(struct tree *t, struct tree_path *path, struct rng *rng) {
    enum mls_status status = mls_kem_generate(&t->crypto, rng, &path->leaf_private, path->leaf_key);
    struct secret next = {0};
    mls_random_secret(&t->crypto, rng, &next);
    for (uint32_t i = 0; i < path->filtered.count && status == MLS_OK; i++) {
        path->secrets[i] = next;
        status = mls_derive_secret(&t->crypto, &next, "path", &next);
    }
    /* path_secret[n+1]; without a node in the path nobody else needs it, and it is path_secret[0] */
    if (status == MLS_OK)
        path->commit_secret = next;
    secret_wipe(&next);
    return status;
}

static enum mls_status place_own(struct tree *t, struct tree_path *path) {
    enum mls_status status = tree_blank_direct_path(t, path->leaf);
    for (uint32_t i = path->filtered.count; i > 0 && status == MLS_OK; i--) {
        struct secret private_key = {0};
        uint8_t public_key[KEM_PUBLIC_LEN_MAX];
        status = tree_node_key_pair(t, &path->secrets[i - 1], &private_key, public_key);
        if (status == MLS_OK)
            status = place_one(t, &path->filtered, i - 1, span_of(public_key, t->key_len), &path->parent_hash);
        if (status == MLS_OK)
            tree_set_private(t, tree_level(path->filtered.nodes[i - 1]), &private_key);
        secret_wipe(&private_key);
    }
    return status;
}

enum mls_status tree_path_create(struct tree *t, uint32_t leaf, struct rng *rng, struct tree_path **out) {
    ASSERT(t->open != NULL && !t->open->failed && leaf < t->shape.leaf_count);
    ASSERT(t->shape.own_leaf == TREE_NONE || t->shape.own_leaf == leaf);
    struct tree_path *path = mls_alloc(sizeof *path);
    if (path == NULL)
        return tree_fail(t, MLS_NO_MEMORY);
    t->shape.own_leaf = leaf;
    path->crypto = t->crypto;
    path->leaf = leaf;
    tree_filtered_path(t, leaf, &path->filtered);
    enum mls_status status = draw_secrets(t, path, rng);
    if (status == MLS_OK)
        status = place_own(t, path);
    if (status != MLS_OK) {
        tree_path_free(path);
        return tree_fail(t, status);
    }
    *out = path;
    return MLS_OK;
}

struct span tree_path_leaf_key(const struct tree_path *path) {
    return span_of(path->leaf_key, mls_public_key_len(&path->crypto));
}

struct span tree_path_parent_hash(const struct tree_path *path) {
    return mls_hash_span(&path->parent_hash);
}

enum mls_status tree_path_finish(struct tree *t, struct tree_path *path, struct span encoding) {
    ASSERT(t->open != NULL && !t->open->failed && t->shape.own_leaf == path->leaf);
    struct leaf_content *content;
    enum mls_status status = leaf_content_make(t, encoding, &content);
    if (status != MLS_OK)
        return tree_fail(t, status);
    ASSERT(span_equal(content->node.encryption_key, tree_path_leaf_key(path)));
    ASSERT(content->node.source == MLS_LEAF_COMMIT &&
           span_equal(content->node.parent_hash, mls_hash_span(&path->parent_hash)));
    status = tree_set_content(t, 2 * path->leaf, content);
    if (status == MLS_OK)
        tree_set_private(t, 0, &path->leaf_private);
    return tree_fail(t, status);
}

static enum mls_status encrypt_node(const struct tree *t, const struct tree_path *path, uint32_t i,
                                    struct span group_context, struct rng *rng, struct mls_buf *out) {
    mls_wr_vec(out, tree_node_key(t, path->filtered.nodes[i]));
    size_t begin = mls_wr_vec_begin(out);
    struct tree_resolution walk = tree_resolve(t, path->filtered.siblings[i]);
    for (uint32_t to = tree_recipients_next(&walk); to != TREE_NONE; to = tree_recipients_next(&walk)) {
        enum mls_status status =
            mls_encrypt_with_label(&t->crypto, tree_node_key(t, to), label, group_context,
                                   secret_span(&path->secrets[i]), rng, out, MLS_ENCRYPTION_KEY_INVALID);
        if (status != MLS_OK)
            return status;
    }
    mls_wr_vec_end(out, begin);
    return out->status;
}

enum mls_status tree_path_encrypt(const struct tree *t, const struct tree_path *path, struct span group_context,
                                  struct rng *rng, struct mls_buf *out) {
    ASSERT(t->open != NULL && tree_leaf(t, path->leaf) != NULL);
    mls_wr_span(out, tree_leaf_encoding(t, path->leaf));
    size_t begin = mls_wr_vec_begin(out);
    for (uint32_t i = 0; i < path->filtered.count; i++) {
        enum mls_status status = encrypt_node(t, path, i, group_context, rng, out);
        if (status != MLS_OK)
            return status;
    }
    mls_wr_vec_end(out, begin);
    return out->status;
}

const struct secret *tree_path_commit_secret(const struct tree_path *path) {
    return &path->commit_secret;
}

const struct secret *tree_path_secret_for(const struct tree_path *path, uint32_t leaf) {
    ASSERT(leaf != path->leaf);
    uint32_t node = tree_common_ancestor(2 * leaf, 2 * path->leaf);
    for (uint32_t i = 0; i < path->filtered.count; i++)
        if (path->filtered.nodes[i] == node)
            return &path->secrets[i];
    return NULL;
}

void tree_path_free(struct tree_path *path) {
    mls_free(path, sizeof *path);
}

/* ---- receiver ---- */

/* Sections 7.5, 12.4.2: a public key that is one, and that nobody has. */
static enum mls_status check_new_key(const struct tree *t, struct span key) {
    enum mls_status status = mls_status_of_crypto(kem_public_good(t->crypto.backend, t->crypto.suite->hpke.kem, key),
                                                  MLS_ENCRYPTION_KEY_INVALID);
    if (status != MLS_OK)
        return status;
    return tree_has_encryption_key(t, key) ? MLS_PATH_KEY_REUSED : MLS_OK;
}

static enum mls_status check_path(const struct tree *t, uint32_t sender, const struct mls_update_path *path,
                                  const struct filtered_path *f, struct span *keys) {
    const struct mls_leaf_node *old = tree_leaf(t, sender);
    if (path->leaf_node.source != MLS_LEAF_COMMIT)
        return MLS_LEAF_SOURCE_WRONG;
    if (old != NULL && span_equal(old->encryption_key, path->leaf_node.encryption_key))
        return MLS_ENCRYPTION_KEY_NOT_FRESH;
    enum mls_status status = check_new_key(t, path->leaf_node.encryption_key);
    if (status != MLS_OK)
        return status;
    if (path->nodes.count != f->count)
        return MLS_PATH_LENGTH_WRONG;
    struct mls_reader it = mls_reader_of(path->nodes.bytes);
    struct mls_update_path_node node;
    for (uint32_t i = 0; mls_update_path_node_next(&it, &node); i++) {
        status = check_new_key(t, node.encryption_key);
        if (status != MLS_OK)
            return status;
        uint32_t recipients = 0;
        struct tree_resolution walk = tree_resolve(t, f->siblings[i]);
        while (tree_recipients_next(&walk) != TREE_NONE)
            recipients++;
        if (node.encrypted_path_secret.count != recipients)
            return MLS_PATH_CIPHERTEXTS_WRONG;
        keys[i] = node.encryption_key;
    }
    return MLS_OK;
}

enum mls_status tree_path_merge(struct tree *t, uint32_t sender, const struct mls_update_path *path) {
    ASSERT(t->open != NULL && !t->open->failed);
    if (sender >= t->shape.leaf_count)
        return tree_fail(t, MLS_LEAF_BLANK);
    struct filtered_path f;
    struct span keys[TREE_LEVELS_MAX];
    tree_filtered_path(t, sender, &f);
    enum mls_status status = check_path(t, sender, path, &f, keys);
    if (status == MLS_OK)
        status = tree_blank_direct_path(t, sender);
    struct mls_hash hash = {.len = 0};
    for (uint32_t i = f.count; i > 0 && status == MLS_OK; i--)
        status = place_one(t, &f, i - 1, keys[i - 1], &hash);
    if (status == MLS_OK && !mls_hash_equal(&hash, path->leaf_node.parent_hash))
        status = MLS_PARENT_HASH_WRONG;
    struct leaf_content *content;
    if (status == MLS_OK)
        status = leaf_content_make(t, path->leaf_node.encoding, &content);
    if (status == MLS_OK)
        status = tree_set_content(t, 2 * sender, content);
    if (status == MLS_OK && t->keys.duplicates[KEY_ENCRYPTION] > 0)
        status = MLS_PATH_KEY_REUSED; /* one key twice in the path */
    return tree_fail(t, status);
}

/* The first recipient of a path secret whose private key is known, and its place among the ciphertexts. */
static const struct secret *find_recipient(const struct tree *t, uint32_t sibling, uint32_t *node, uint32_t *place) {
    struct tree_resolution walk = tree_resolve(t, sibling);
    *place = 0;
    for (*node = tree_recipients_next(&walk); *node != TREE_NONE; *node = tree_recipients_next(&walk), (*place)++) {
        const struct secret *key = tree_private_key(t, *node);
        if (key != NULL)
            return key;
    }
    return NULL;
}

static bool nth_ciphertext(const struct mls_update_path *path, uint32_t node, uint32_t place,
                           struct mls_hpke_ciphertext *out) {
    struct mls_reader nodes = mls_reader_of(path->nodes.bytes);
    struct mls_update_path_node n;
    for (uint32_t i = 0; i <= node; i++)
        if (!mls_update_path_node_next(&nodes, &n))
            return false;
    struct mls_reader list = mls_reader_of(n.encrypted_path_secret.bytes);
    for (uint32_t i = 0; i <= place; i++)
        if (!mls_hpke_ciphertext_next(&list, out))
            return false;
    return true;
}

static enum mls_status decrypt(const struct tree *t, const struct filtered_path *f, uint32_t at,
                               const struct mls_update_path *path, struct span group_context, struct secret *out) {
    uint32_t node, place;
    const struct secret *key = find_recipient(t, f->siblings[at], &node, &place);
    if (key == NULL)
        return MLS_PATH_NOT_FOR_US;
    struct mls_hpke_ciphertext sealed;
    if (!nth_ciphertext(path, at, place, &sealed))
        return MLS_PATH_CIPHERTEXTS_WRONG;
    if (sealed.ciphertext.len != t->hash_len + AEAD_TAG_LEN)
        return MLS_PATH_SECRET_INVALID;
    uint8_t plain[SECRET_LEN_MAX];
    struct mls_buf buf;
    mls_buf_over(&buf, plain, sizeof plain);
    enum mls_status status =
        mls_decrypt_with_label(&t->crypto, key, tree_node_key(t, node), label, group_context, sealed.kem_output,
                               sealed.ciphertext, &buf, MLS_PATH_SECRET_INVALID);
    if (status == MLS_OK)
        secret_set(out, mls_buf_span(&buf));
    secure_wipe(plain, sizeof plain);
    return status;
}

enum mls_status tree_path_open(struct tree *t, uint32_t sender, const struct mls_update_path *path,
                               struct span group_context, struct secret *path_secret, struct secret *commit_secret) {
    ASSERT(t->open != NULL && !t->open->failed && sender < t->shape.leaf_count);
    ASSERT(t->shape.own_leaf != TREE_NONE && t->shape.own_leaf != sender);
    struct filtered_path f;
    tree_filtered_path(t, sender, &f);
    uint32_t above = tree_common_ancestor(2 * t->shape.own_leaf, 2 * sender), at = 0;
    while (at < f.count && f.nodes[at] != above)
        at++;
    if (at == f.count)
        return tree_fail(t, MLS_PATH_NOT_FOR_US);
    struct secret secret = {0};
    enum mls_status status = decrypt(t, &f, at, path, group_context, &secret);
    struct secret first = secret;
    for (uint32_t i = at; i < f.count && status == MLS_OK; i++) {
        status = tree_take_path_secret(t, f.nodes[i], &secret);
        if (status == MLS_OK)
            status = mls_derive_secret(&t->crypto, &secret, "path", &secret);
    }
    if (status == MLS_OK && path_secret != NULL)
        *path_secret = first;
    if (status == MLS_OK)
        *commit_secret = secret;
    secret_wipe(&first);
    secret_wipe(&secret);
    return tree_fail(t, status);
}
