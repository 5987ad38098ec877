#include "e2ee/mls_secret_tree.h"

#include <string.h>

#include "base/assert.h"
#include "base/secret.h"
#include "e2ee/mem.h"
#include "e2ee/mls_secret_tree_internal.h"

#define PAIR_LEN (2 * sizeof(struct mls_secret_tree_node))
#define RATCHETS_LEN (2 * sizeof(struct mls_ratchet))

static uint32_t depth_of(uint32_t leaves) {
    uint32_t depth = 0;
    while (UINT32_C(1) << depth < leaves)
        depth++;
    return depth;
}

enum mls_status mls_secret_tree_init(struct mls_secret_tree *tree, const struct mls_crypto *c,
                                     struct secret *encryption_secret, uint32_t leaves) {
    ASSERT(leaves > 0 && leaves <= MLS_MEMBERS_MAX && (leaves & (leaves - 1)) == 0);
    ASSERT(encryption_secret->len == c->suite->hash_len);
    *tree = (struct mls_secret_tree){.crypto = *c, .leaves = leaves};
    tree->root = mls_alloc(sizeof *tree->root);
    if (tree->root == NULL)
        return MLS_NO_MEMORY;
    tree->root->secret = *encryption_secret;
    secret_wipe(encryption_secret);
    return MLS_OK;
}

static void free_ratchets(struct mls_ratchet *ratchets) {
    for (size_t i = 0; ratchets != NULL && i < 2; i++)
        mls_free(ratchets[i].skipped, ratchets[i].skipped_room * sizeof *ratchets[i].skipped);
    mls_free(ratchets, RATCHETS_LEN);
}

/* Goes over all nodes below the root, children before their parents' pair is left: counts bytes, and frees when asked.
 * The stack holds the pairs from the root down; leaves are at the deepest level. */
static size_t walk(const struct mls_secret_tree *tree, bool release) {
    struct {
        struct mls_secret_tree_node *pair;
        uint32_t at;
    } stack[MLS_TREE_DEPTH_MAX + 1];
    uint32_t depth = depth_of(tree->leaves);
    uint32_t level = 0; /* of the node under the cursor, from the root */
    struct mls_secret_tree_node *node = tree->root;
    size_t bytes = 0;
    for (;;) {
        if (level < depth && node->children != NULL) {
            stack[level].pair = node->children;
            stack[level].at = 0;
            node = stack[level++].pair;
            continue;
        }
        if (level == depth && node->ratchets != NULL) {
            bytes += RATCHETS_LEN;
            for (size_t i = 0; i < 2; i++)
                bytes += node->ratchets[i].skipped_room * sizeof(struct mls_skipped_key);
            if (release)
                free_ratchets(node->ratchets);
        }
        /* on to the sibling, or up as long as both are done */
        while (level > 0 && stack[level - 1].at == 1) {
            level--;
            bytes += PAIR_LEN;
            if (release)
                mls_free(stack[level].pair, PAIR_LEN);
        }
        if (level == 0)
            return bytes;
        stack[level - 1].at = 1;
        node = stack[level - 1].pair + 1;
    }
}

void mls_secret_tree_free(struct mls_secret_tree *tree) {
    if (tree->root != NULL) {
        (void)walk(tree, true);
        mls_free(tree->root, sizeof *tree->root);
    }
    *tree = (struct mls_secret_tree){0};
}

size_t mls_secret_tree_bytes(const struct mls_secret_tree *tree) {
    return tree->root == NULL ? 0 : sizeof *tree->root + walk(tree, false);
}

/* Section 9: the secrets of the children; the parent's is consumed with that. */
static enum mls_status split(const struct mls_crypto *c, struct mls_secret_tree_node *node) {
    struct mls_secret_tree_node *pair = mls_alloc(PAIR_LEN);
    if (pair == NULL)
        return MLS_NO_MEMORY;
    enum mls_status status = mls_expand_secret(c, &node->secret, "tree", span_str("left"), &pair[0].secret);
    if (status == MLS_OK)
        status = mls_expand_secret(c, &node->secret, "tree", span_str("right"), &pair[1].secret);
    if (status != MLS_OK) {
        mls_free(pair, PAIR_LEN);
        return status;
    }
    secret_wipe(&node->secret);
    node->children = pair;
    return MLS_OK;
}

static enum mls_status start_ratchets(const struct mls_crypto *c, struct mls_secret_tree_node *leaf) {
    struct mls_ratchet *ratchets = mls_alloc(RATCHETS_LEN);
    if (ratchets == NULL)
        return MLS_NO_MEMORY;
    struct secret *handshake = &ratchets[MLS_RATCHET_HANDSHAKE].secret;
    struct secret *application = &ratchets[MLS_RATCHET_APPLICATION].secret;
    enum mls_status status = mls_derive_secret(c, &leaf->secret, "handshake", handshake);
    if (status == MLS_OK)
        status = mls_derive_secret(c, &leaf->secret, "application", application);
    if (status != MLS_OK) {
        mls_free(ratchets, RATCHETS_LEN);
        return status;
    }
    secret_wipe(&leaf->secret);
    leaf->ratchets = ratchets;
    return MLS_OK;
}

/* The ratchet of a member, with the way to it derived when it was not. What is derived says nothing new: a failure
 * half-way leaves a tree that gives the same keys. */
static enum mls_status find_ratchet(struct mls_secret_tree *tree, uint32_t leaf, enum mls_ratchet_kind kind,
                                    struct mls_ratchet **out) {
    struct mls_secret_tree_node *node = tree->root;
    for (uint32_t level = depth_of(tree->leaves); level > 0; level--) {
        enum mls_status status = node->children == NULL ? split(&tree->crypto, node) : MLS_OK;
        if (status != MLS_OK)
            return status;
        node = &node->children[leaf >> (level - 1) & 1];
    }
    enum mls_status status = node->ratchets == NULL ? start_ratchets(&tree->crypto, node) : MLS_OK;
    if (status == MLS_OK)
        *out = &node->ratchets[kind];
    return status;
}

/* DeriveTreeSecret (section 9.1). */
static enum mls_status derive_tree(const struct mls_crypto *c, const struct secret *secret, const char *label,
                                   uint32_t generation, uint8_t *out, size_t len) {
    uint8_t context[4];
    struct writer w = writer_of(context, sizeof context);
    wr_u32(&w, generation);
    return mls_expand_with_label(c, secret, label, writer_span(&w), out, len);
}

static enum mls_status derive_key(const struct mls_crypto *c, const struct secret *secret, uint32_t generation,
                                  uint8_t *key, uint8_t *nonce) {
    enum mls_status status = derive_tree(c, secret, "key", generation, key, c->suite->key_len);
    if (status == MLS_OK)
        status = derive_tree(c, secret, "nonce", generation, nonce, AEAD_NONCE_LEN);
    return status;
}

static enum mls_status step(const struct mls_crypto *c, struct secret *secret, uint32_t generation) {
    struct secret next = {.len = c->suite->hash_len};
    enum mls_status status = derive_tree(c, secret, "secret", generation, next.bytes, next.len);
    if (status == MLS_OK)
        *secret = next;
    secret_wipe(&next);
    return status;
}

static uint32_t shared_of(uint32_t count) {
    return count > MLS_SKIPPED_KEYS_OWN ? count - MLS_SKIPPED_KEYS_OWN : 0;
}

/* How many late keys the ratchet may hold now. */
static uint32_t skipped_allowed(const struct mls_secret_tree *tree, const struct mls_ratchet *r) {
    uint32_t others = tree->skipped_shared - shared_of(r->skipped_count);
    uint32_t allowed = MLS_SKIPPED_KEYS_OWN + (MLS_SKIPPED_KEYS_SHARED_MAX - others);
    return allowed < MLS_SKIPPED_KEYS_MAX ? allowed : MLS_SKIPPED_KEYS_MAX;
}

static const struct mls_skipped_key *find_skipped(const struct mls_ratchet *r, uint32_t generation) {
    for (uint32_t i = 0; i < r->skipped_count; i++) {
        if (r->skipped[i].generation == generation)
            return &r->skipped[i];
    }
    return NULL;
}

/* Derives `out` ahead of the ratchet, and the list of late keys that the ratchet will then have: the newest of those
 * that it has and those that are skipped now. The ratchet itself stays. */
static enum mls_status peek_ahead(const struct mls_secret_tree *tree, const struct mls_ratchet *r,
                                  struct mls_message_key *out) {
    const struct mls_crypto *c = &tree->crypto;
    uint32_t skipped = out->generation - r->generation;
    uint32_t kept_new = 0;
    if (skipped > 0) {
        uint32_t all = r->skipped_count + skipped;
        uint32_t allowed = skipped_allowed(tree, r);
        out->skipped_count = all < allowed ? all : allowed;
        kept_new = skipped < out->skipped_count ? skipped : out->skipped_count;
        uint32_t kept_old = out->skipped_count - kept_new;
        out->skipped = mls_alloc(out->skipped_count * sizeof *out->skipped);
        if (out->skipped == NULL)
            return MLS_NO_MEMORY;
        if (kept_old > 0)
            memcpy(out->skipped, r->skipped + (r->skipped_count - kept_old), kept_old * sizeof *out->skipped);
    }
    out->next = r->secret;
    enum mls_status status = MLS_OK;
    for (uint32_t g = r->generation; g != out->generation && status == MLS_OK; g++) {
        uint32_t from_end = out->generation - g; /* 1 for the last that is skipped */
        if (from_end <= kept_new) {
            struct mls_skipped_key *key = &out->skipped[out->skipped_count - from_end];
            key->generation = g;
            status = derive_key(c, &out->next, g, key->key, key->nonce);
        }
        if (status == MLS_OK)
            status = step(c, &out->next, g);
    }
    if (status == MLS_OK)
        status = derive_key(c, &out->next, out->generation, out->key, out->nonce);
    if (status == MLS_OK)
        status = step(c, &out->next, out->generation);
    return status;
}

static void wipe_key(struct mls_message_key *key) {
    mls_free(key->skipped, key->skipped_count * sizeof *key->skipped);
    secure_wipe(key, sizeof *key);
}

enum mls_status mls_secret_tree_peek(struct mls_secret_tree *tree, uint32_t leaf, enum mls_ratchet_kind ratchet,
                                     uint32_t generation, struct mls_message_key *out) {
    ASSERT(!tree->peeked);
    *out = (struct mls_message_key){.leaf = leaf, .ratchet = ratchet, .generation = generation};
    if (tree->root == NULL)
        return MLS_EPOCH_FORGOTTEN;
    if (leaf >= tree->leaves)
        return MLS_SENDER_NOT_MEMBER;
    /* the ratchet's own counter could not go past the last one */
    if (generation == UINT32_MAX)
        return MLS_GENERATION_TOO_FAR;
    struct mls_ratchet *r = NULL;
    enum mls_status status = find_ratchet(tree, leaf, ratchet, &r);
    if (status != MLS_OK)
        return status;
    if (generation < r->generation) {
        const struct mls_skipped_key *skipped = find_skipped(r, generation);
        if (skipped == NULL)
            return MLS_GENERATION_CONSUMED;
        memcpy(out->key, skipped->key, sizeof out->key);
        memcpy(out->nonce, skipped->nonce, sizeof out->nonce);
        out->from_skipped = true;
    } else if (generation - r->generation > MLS_GENERATION_AHEAD_MAX) {
        return MLS_GENERATION_TOO_FAR;
    } else {
        status = peek_ahead(tree, r, out);
        if (status != MLS_OK) {
            wipe_key(out);
            return status;
        }
    }
    tree->peeked = true;
    return MLS_OK;
}

static void set_skipped(struct mls_secret_tree *tree, struct mls_ratchet *r, struct mls_skipped_key *list,
                        uint32_t count) {
    tree->skipped_shared = tree->skipped_shared - shared_of(r->skipped_count) + shared_of(count);
    mls_free(r->skipped, r->skipped_room * sizeof *r->skipped);
    r->skipped = list;
    r->skipped_count = count;
    r->skipped_room = count;
}

/* The used one goes; the list stays in order, and is given back when it gets empty. */
static void remove_skipped(struct mls_secret_tree *tree, struct mls_ratchet *r, uint32_t generation) {
    const struct mls_skipped_key *used = find_skipped(r, generation);
    ASSERT(used != NULL);
    uint32_t at = (uint32_t)(used - r->skipped);
    uint32_t left = r->skipped_count - 1;
    memmove(&r->skipped[at], &r->skipped[at + 1], (left - at) * sizeof *r->skipped);
    secure_wipe(&r->skipped[left], sizeof *r->skipped);
    tree->skipped_shared = tree->skipped_shared - shared_of(r->skipped_count) + shared_of(left);
    r->skipped_count = left;
    if (left == 0)
        set_skipped(tree, r, NULL, 0);
}

void mls_secret_tree_consume(struct mls_secret_tree *tree, struct mls_message_key *key) {
    ASSERT(tree->peeked);
    struct mls_ratchet *r = NULL;
    enum mls_status status = find_ratchet(tree, key->leaf, key->ratchet, &r);
    ASSERT(status == MLS_OK && r != NULL); /* the way was derived by the peek */
    tree->peeked = false;
    if (key->from_skipped) {
        remove_skipped(tree, r, key->generation);
        return;
    }
    if (key->skipped != NULL)
        set_skipped(tree, r, key->skipped, key->skipped_count);
    key->skipped = NULL;
    key->skipped_count = 0;
    r->secret = key->next;
    secret_wipe(&key->next);
    r->generation = key->generation + 1;
}

void mls_message_key_wipe(struct mls_secret_tree *tree, struct mls_message_key *key) {
    tree->peeked = false;
    wipe_key(key);
}

enum mls_status mls_secret_tree_next(struct mls_secret_tree *tree, uint32_t leaf, enum mls_ratchet_kind ratchet,
                                     struct mls_message_key *out) {
    ASSERT(!tree->peeked);
    *out = (struct mls_message_key){.leaf = leaf, .ratchet = ratchet};
    if (tree->root == NULL)
        return MLS_EPOCH_FORGOTTEN;
    ASSERT(leaf < tree->leaves);
    struct mls_ratchet *r = NULL;
    enum mls_status status = find_ratchet(tree, leaf, ratchet, &r);
    if (status != MLS_OK)
        return status;
    if (r->generation == UINT32_MAX)
        return MLS_GENERATION_EXHAUSTED;
    status = mls_secret_tree_peek(tree, leaf, ratchet, r->generation, out);
    if (status == MLS_OK)
        mls_secret_tree_consume(tree, out);
    return status;
}

/* ---- as bytes: nodes in preorder, each with its kind ---- */

enum node_kind {
    NODE_SECRET,   /* nothing derived yet */
    NODE_PARENT,   /* its children follow */
    NODE_RATCHETS, /* a leaf that was heard of */
};

static void write_ratchet(const struct mls_crypto *c, const struct mls_ratchet *r, struct mls_buf *out) {
    mls_wr_vec(out, secret_span(&r->secret));
    mls_wr_u32(out, r->generation);
    mls_wr_u32(out, r->skipped_count);
    for (uint32_t i = 0; i < r->skipped_count; i++) {
        mls_wr_u32(out, r->skipped[i].generation);
        mls_wr_span(out, span_of(r->skipped[i].key, c->suite->key_len));
        mls_wr_span(out, span_of(r->skipped[i].nonce, AEAD_NONCE_LEN));
    }
}

/* The way down that a node's position gives: the pairs from the root, and which half of each is next. */
struct descent {
    struct {
        struct mls_secret_tree_node *pair;
        uint32_t at;
    } stack[MLS_TREE_DEPTH_MAX + 1];
    uint32_t level;
};

/* From a node without children that are to be visited to the next one in preorder; NULL at the end. */
static struct mls_secret_tree_node *next_after(struct descent *d) {
    while (d->level > 0 && d->stack[d->level - 1].at == 1)
        d->level--;
    if (d->level == 0)
        return NULL;
    d->stack[d->level - 1].at = 1;
    return d->stack[d->level - 1].pair + 1;
}

static struct mls_secret_tree_node *first_below(struct descent *d, struct mls_secret_tree_node *pair) {
    d->stack[d->level].pair = pair;
    d->stack[d->level].at = 0;
    d->level++;
    return pair;
}

enum mls_status mls_secret_tree_write(const struct mls_secret_tree *tree, struct mls_buf *out) {
    ASSERT(!tree->peeked);
    mls_wr_u32(out, tree->root == NULL ? 0 : tree->leaves);
    uint32_t depth = depth_of(tree->leaves);
    struct descent d = {0};
    struct mls_secret_tree_node *node = tree->root;
    while (node != NULL) {
        if (d.level < depth && node->children != NULL) {
            mls_wr_u8(out, NODE_PARENT);
            node = first_below(&d, node->children);
            continue;
        }
        if (d.level == depth && node->ratchets != NULL) {
            mls_wr_u8(out, NODE_RATCHETS);
            write_ratchet(&tree->crypto, &node->ratchets[0], out);
            write_ratchet(&tree->crypto, &node->ratchets[1], out);
        } else {
            mls_wr_u8(out, NODE_SECRET);
            mls_wr_vec(out, secret_span(&node->secret));
        }
        node = next_after(&d);
    }
    return out->status;
}

static enum mls_status read_secret(struct mls_reader *r, const struct mls_crypto *c, struct secret *out) {
    struct span bytes = mls_rd_vec(r, SECRET_LEN_MAX, MLS_FIELD_TOO_LONG);
    if (mls_reader_ok(r) && bytes.len != c->suite->hash_len)
        mls_reader_refuse(r, MLS_SEAL_INVALID);
    if (!mls_reader_ok(r))
        return r->status;
    secret_set(out, bytes);
    return MLS_OK;
}

static enum mls_status read_ratchet(struct mls_reader *r, struct mls_secret_tree *tree, struct mls_ratchet *out) {
    const struct mls_crypto *c = &tree->crypto;
    enum mls_status status = read_secret(r, c, &out->secret);
    out->generation = mls_rd_u32(r);
    uint32_t count = mls_rd_u32(r);
    if (status == MLS_OK && mls_reader_ok(r) && count > MLS_SKIPPED_KEYS_MAX)
        mls_reader_refuse(r, MLS_SEAL_INVALID);
    if (!mls_reader_ok(r) || count == 0)
        return r->status;
    out->skipped = mls_alloc(count * sizeof *out->skipped);
    if (out->skipped == NULL)
        return MLS_NO_MEMORY;
    out->skipped_room = out->skipped_count = count;
    tree->skipped_shared += shared_of(count);
    for (uint32_t i = 0; i < count; i++) {
        out->skipped[i].generation = mls_rd_u32(r);
        struct span key = mls_rd_bytes(r, c->suite->key_len), nonce = mls_rd_bytes(r, AEAD_NONCE_LEN);
        if (!mls_reader_ok(r))
            return r->status;
        memcpy(out->skipped[i].key, key.data, key.len);
        memcpy(out->skipped[i].nonce, nonce.data, nonce.len);
    }
    return MLS_OK;
}

/* One node; `below` gets the pair of a parent, else NULL. */
static enum mls_status read_node(struct mls_reader *r, struct mls_secret_tree *tree, bool is_leaf,
                                 struct mls_secret_tree_node *node, struct mls_secret_tree_node **below) {
    *below = NULL;
    uint8_t kind = mls_rd_u8(r);
    if (!mls_reader_ok(r))
        return r->status;
    if (kind == NODE_SECRET)
        return read_secret(r, &tree->crypto, &node->secret);
    if (kind == NODE_PARENT && !is_leaf) {
        *below = node->children = mls_alloc(PAIR_LEN);
        return node->children == NULL ? MLS_NO_MEMORY : MLS_OK;
    }
    if (kind != NODE_RATCHETS || !is_leaf)
        return MLS_SEAL_INVALID;
    node->ratchets = mls_alloc(RATCHETS_LEN);
    if (node->ratchets == NULL)
        return MLS_NO_MEMORY;
    enum mls_status status = read_ratchet(r, tree, &node->ratchets[0]);
    return status != MLS_OK ? status : read_ratchet(r, tree, &node->ratchets[1]);
}

enum mls_status mls_secret_tree_read(struct mls_reader *r, const struct mls_crypto *c, struct mls_secret_tree *tree) {
    *tree = (struct mls_secret_tree){0};
    uint32_t leaves = mls_rd_u32(r);
    if (!mls_reader_ok(r) || leaves == 0)
        return r->status;
    if (leaves > MLS_MEMBERS_MAX || (leaves & (leaves - 1)) != 0)
        return MLS_SEAL_INVALID;
    *tree = (struct mls_secret_tree){.crypto = *c, .leaves = leaves, .root = mls_alloc(sizeof *tree->root)};
    enum mls_status status = tree->root == NULL ? MLS_NO_MEMORY : MLS_OK;
    uint32_t depth = depth_of(leaves);
    struct descent d = {0};
    struct mls_secret_tree_node *node = tree->root;
    while (status == MLS_OK && node != NULL) {
        struct mls_secret_tree_node *below;
        status = read_node(r, tree, d.level == depth, node, &below);
        node = below != NULL ? first_below(&d, below) : next_after(&d);
    }
    if (status != MLS_OK)
        mls_secret_tree_free(tree);
    return status;
}
