/* Life of a tree, and looking at it. */
#include "e2ee/tree.h"

#include "base/assert.h"
#include "e2ee/mls_limits.h"
#include "e2ee/mls_validate.h"
#include "e2ee/tree_internal.h"

_Static_assert(MLS_MEMBERS_MAX == 1 << (TREE_LEVELS_MAX - 1), "levels of the largest tree");

enum mls_status tree_create(const struct mls_crypto *crypto, uint32_t members_max, struct rng *rng, struct tree **out) {
    ASSERT(members_max > 0 && members_max <= MLS_MEMBERS_MAX);
    struct tree *t = mls_alloc(sizeof *t);
    if (t == NULL)
        return MLS_NO_MEMORY;
    t->crypto = *crypto;
    t->hash_len = crypto->suite->hash_len;
    t->key_len = (uint32_t)mls_public_key_len(crypto);
    t->signature_key_len = (uint32_t)mls_signature_key_len(crypto);
    t->members_max = members_max;
    t->shape = (struct tree_shape){.rightmost = TREE_NONE, .own_leaf = TREE_NONE};
    rng_fill(rng, t->keys.seed, sizeof t->keys.seed);
    *out = t;
    return MLS_OK;
}

void tree_free(struct tree *t) {
    if (t == NULL)
        return;
    if (t->open != NULL)
        tree_rollback(t);
    uint32_t count = tree_node_count(t->capacity);
    for (uint32_t node = 0; node < count; node++)
        content_free(node, t->nodes[node].content);
    mls_free(t->nodes, count * sizeof *t->nodes);
    mls_free(t->hashes, (size_t)count * t->hash_len);
    key_table_free(&t->keys);
    mls_free(t, sizeof *t);
}

size_t tree_memory(const struct tree *t) {
    uint32_t count = tree_node_count(t->capacity);
    size_t len = sizeof *t + count * (sizeof *t->nodes + t->hash_len) + t->keys.size * sizeof *t->keys.places;
    for (uint32_t node = 0; node < count; node++)
        len += content_memory(node, t->nodes[node].content);
    if (t->open == NULL)
        return len;
    len += sizeof *t->open + t->open->max * sizeof *t->open->entries;
    for (uint32_t i = 0; i < t->open->count; i++) {
        const struct change_entry *entry = &t->open->entries[i];
        if (entry->content != t->nodes[entry->node].content)
            len += content_memory(entry->node, entry->content);
    }
    return len;
}

/* ---- looking ---- */

uint32_t tree_leaf_count(const struct tree *t) {
    return t->shape.leaf_count;
}

uint32_t tree_member_count(const struct tree *t) {
    return t->member_count;
}

const struct mls_leaf_node *tree_leaf(const struct tree *t, uint32_t leaf) {
    if (leaf >= t->shape.leaf_count || tree_leaf_content(t, leaf) == NULL)
        return NULL;
    return &tree_leaf_content(t, leaf)->node;
}

struct span tree_leaf_encoding(const struct tree *t, uint32_t leaf) {
    const struct mls_leaf_node *node = tree_leaf(t, leaf);
    return node == NULL ? span_of(NULL, 0) : node->encoding;
}

uint32_t tree_next_member(const struct tree *t, uint32_t from) {
    for (uint32_t leaf = from; leaf < t->shape.leaf_count; leaf++)
        if (tree_leaf_content(t, leaf) != NULL)
            return leaf;
    return TREE_NONE;
}

uint32_t tree_find_signature_key(const struct tree *t, struct span signature_key) {
    uint32_t node = tree_keys_find(t, KEY_SIGNATURE, signature_key);
    return node == TREE_NONE ? TREE_NONE : node / 2;
}

bool tree_has_encryption_key(const struct tree *t, struct span encryption_key) {
    return tree_keys_find(t, KEY_ENCRYPTION, encryption_key) != TREE_NONE;
}

struct span tree_node_key(const struct tree *t, uint32_t node) {
    ASSERT(node < tree_node_count(t->shape.leaf_count));
    return content_key(node, t->nodes[node].content);
}

bool tree_all_support(const struct tree *t, enum tree_capability list, uint16_t type) {
    for (uint32_t leaf = tree_next_member(t, 0); leaf != TREE_NONE; leaf = tree_next_member(t, leaf + 1)) {
        const struct mls_leaf_node *node = tree_leaf(t, leaf);
        bool supports = list == TREE_CAPABILITY_EXTENSION  ? mls_leaf_node_supports_extension(node, type)
                        : list == TREE_CAPABILITY_PROPOSAL ? mls_leaf_node_supports_proposal(node, type)
                                                           : mls_leaf_node_supports_credential(node, type);
        if (!supports)
            return false;
    }
    return true;
}

enum mls_status tree_check(const struct tree *t) {
    if (t->keys.duplicates[KEY_ENCRYPTION] > 0)
        return MLS_ENCRYPTION_KEY_DUPLICATE;
    if (t->keys.duplicates[KEY_SIGNATURE] > 0)
        return MLS_SIGNATURE_KEY_DUPLICATE;
    for (int i = 0; i < CREDENTIAL_KINDS; i++)
        if (t->credential_in_use[i] > 0 && t->credential_supported[i] < t->member_count)
            return MLS_CREDENTIAL_UNSUPPORTED_BY_MEMBER;
    return MLS_OK;
}

/* ---- resolutions ---- */

/* The walk goes down from `head`, left first, into blank parents; whatever is not blank is an answer and is not gone
 * into. `next` is where the walk stands. */
struct tree_resolution tree_resolve(const struct tree *t, uint32_t node) {
    ASSERT(node < tree_node_count(t->shape.leaf_count));
    return (struct tree_resolution){.tree = t, .head = node, .next = node, .unmerged_at = TREE_NONE};
}

/* The node after the whole subtree of `node`, in the order of the walk. */
static uint32_t after_subtree(const struct tree_resolution *r, uint32_t node) {
    uint32_t leaf_count = r->tree->shape.leaf_count;
    while (node != r->head) {
        uint32_t parent = tree_parent(node, leaf_count);
        if (node < parent)
            return tree_right(parent);
        node = parent;
    }
    return TREE_NONE;
}

uint32_t tree_resolution_next(struct tree_resolution *r) {
    if (r->unmerged_at != TREE_NONE) {
        const struct parent_content *parent = tree_parent_content(r->tree, r->unmerged_at);
        if (r->unmerged_pos < parent->unmerged_count)
            return 2 * parent_unmerged_at(parent, r->unmerged_pos++);
        r->unmerged_at = TREE_NONE;
    }
    while (r->next != TREE_NONE) {
        uint32_t node = r->next;
        const void *content = r->tree->nodes[node].content;
        if (content == NULL && !tree_node_is_leaf(node)) {
            r->next = tree_left(node);
            continue;
        }
        r->next = after_subtree(r, node);
        if (content == NULL)
            continue;
        if (!tree_node_is_leaf(node)) {
            r->unmerged_at = node;
            r->unmerged_pos = 0;
        }
        return node;
    }
    return TREE_NONE;
}

uint32_t tree_recipients_next(struct tree_resolution *r) {
    uint32_t node = tree_resolution_next(r);
    while (node != TREE_NONE && (r->tree->nodes[node].flags & NODE_ADDED) != 0)
        node = tree_resolution_next(r);
    return node;
}
