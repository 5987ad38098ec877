/* Adding, replacing and removing leaves (RFC 9420 sections 7.7, 12.1.1 to 12.1.3). */
#include "base/assert.h"
#include "e2ee/tree_internal.h"

/* Section 7.7: a blank root above the tree, and a blank subtree right of it. */
static enum mls_status extend(struct tree *t) {
    uint32_t leaf_count = t->shape.leaf_count == 0 ? 1 : t->shape.leaf_count * 2;
    enum mls_status status = tree_make_room(t, leaf_count);
    if (status != MLS_OK)
        return status;
    t->shape.leaf_count = leaf_count;
    return tree_touch(t, tree_root(leaf_count));
}

/* Section 7.7: drops the right half while nobody is in it. Whatever stands there beside members is blanked first. */
static enum mls_status truncate_tree(struct tree *t) {
    uint32_t wanted = t->shape.rightmost == TREE_NONE ? 0 : tree_round_up(t->shape.rightmost + 1);
    for (uint32_t node = tree_node_count(wanted); node < tree_node_count(t->shape.leaf_count); node++) {
        if (t->nodes[node].content == NULL)
            continue;
        enum mls_status status = tree_set_content(t, node, NULL);
        if (status != MLS_OK)
            return status;
    }
    t->shape.leaf_count = wanted;
    if (t->shape.blank_from > wanted)
        t->shape.blank_from = wanted;
    return MLS_OK;
}

enum mls_status tree_blank_direct_path(struct tree *t, uint32_t leaf) {
    for (uint32_t node = tree_parent(2 * leaf, t->shape.leaf_count); node != TREE_NONE;
         node = tree_parent(node, t->shape.leaf_count)) {
        if (t->nodes[node].content == NULL)
            continue;
        enum mls_status status = tree_set_content(t, node, NULL);
        if (status != MLS_OK)
            return status;
    }
    return MLS_OK;
}

/* A parent whose unmerged list this change may write, with room for one more: its own, or a copy. */
static enum mls_status own_parent(struct tree *t, uint32_t node, struct parent_content **out) {
    struct parent_content *p = tree_parent_content(t, node);
    bool fresh = (t->nodes[node].flags & NODE_FRESH) != 0;
    if (fresh && p->unmerged_count < p->unmerged_max) {
        *out = p;
        return tree_touch(t, node);
    }
    /* room for one at the change's first, doubled after that: a list that stays is as long as it needs to be */
    struct parent_content *copy;
    enum mls_status status = parent_content_copy(t, p, fresh ? p->unmerged_max * 2 + 1 : p->unmerged_count + 1, &copy);
    if (status != MLS_OK)
        return status;
    struct secret key = {0}; /* the node's key stays the same, so does the private one */
    uint32_t level = tree_level(node);
    bool is_own = t->shape.own_leaf != TREE_NONE && tree_is_below(2 * t->shape.own_leaf, node);
    if (is_own)
        key = t->private_keys[level];
    status = tree_set_content(t, node, copy);
    if (status == MLS_OK && is_own)
        tree_set_private(t, level, &key);
    secret_wipe(&key);
    *out = copy;
    return status;
}

static enum mls_status mark_unmerged(struct tree *t, uint32_t leaf) {
    for (uint32_t node = tree_parent(2 * leaf, t->shape.leaf_count); node != TREE_NONE;
         node = tree_parent(node, t->shape.leaf_count)) {
        struct parent_content *p = tree_parent_content(t, node);
        if (p == NULL || parent_has_unmerged(p, leaf)) /* the latter only in a tree that nobody validated */
            continue;
        enum mls_status status = own_parent(t, node, &p);
        if (status != MLS_OK)
            return status;
        parent_insert_unmerged(p, leaf);
    }
    return MLS_OK;
}

/* The leftmost blank leaf, made if there is none. */
static enum mls_status find_place(struct tree *t, uint32_t *leaf) {
    uint32_t place = t->shape.blank_from;
    while (place < t->shape.leaf_count && tree_leaf_content(t, place) != NULL)
        place++;
    t->shape.blank_from = place;
    *leaf = place;
    return place < t->shape.leaf_count ? MLS_OK : extend(t);
}

enum mls_status tree_add(struct tree *t, struct span encoding, uint32_t *leaf) {
    ASSERT(t->open != NULL && !t->open->failed);
    if (t->member_count >= t->members_max)
        return tree_fail(t, MLS_TREE_FULL);
    struct leaf_content *content;
    enum mls_status status = leaf_content_make(t, encoding, &content);
    if (status != MLS_OK)
        return tree_fail(t, status);
    uint32_t place;
    status = find_place(t, &place);
    if (status == MLS_OK)
        status = mark_unmerged(t, place);
    if (status != MLS_OK) {
        content_free(2 * place, content);
        return tree_fail(t, status);
    }
    status = tree_set_content(t, 2 * place, content);
    if (status != MLS_OK)
        return tree_fail(t, status);
    t->nodes[2 * place].flags |= NODE_ADDED;
    *leaf = place;
    return MLS_OK;
}

enum mls_status tree_reserve(struct tree *t, uint32_t *leaf) {
    ASSERT(t->open != NULL && !t->open->failed);
    if (t->member_count >= t->members_max)
        return tree_fail(t, MLS_TREE_FULL);
    uint32_t place;
    enum mls_status status = find_place(t, &place);
    if (status == MLS_OK)
        *leaf = place;
    return tree_fail(t, status);
}

enum mls_status tree_update(struct tree *t, uint32_t leaf, struct span encoding) {
    ASSERT(t->open != NULL && !t->open->failed);
    const struct mls_leaf_node *old = tree_leaf(t, leaf);
    if (old == NULL)
        return tree_fail(t, MLS_LEAF_BLANK);
    struct leaf_content *content;
    enum mls_status status = leaf_content_make(t, encoding, &content);
    if (status != MLS_OK)
        return tree_fail(t, status);
    if (span_equal(content->node.encryption_key, old->encryption_key)) {
        content_free(2 * leaf, content);
        return tree_fail(t, MLS_ENCRYPTION_KEY_NOT_FRESH);
    }
    status = tree_set_content(t, 2 * leaf, content);
    if (status == MLS_OK)
        status = tree_blank_direct_path(t, leaf);
    return tree_fail(t, status);
}

enum mls_status tree_remove(struct tree *t, uint32_t leaf) {
    ASSERT(t->open != NULL && !t->open->failed);
    if (tree_leaf(t, leaf) == NULL)
        return tree_fail(t, MLS_LEAF_BLANK);
    enum mls_status status = tree_set_content(t, 2 * leaf, NULL);
    if (status == MLS_OK)
        status = tree_blank_direct_path(t, leaf);
    if (status == MLS_OK)
        status = truncate_tree(t);
    return tree_fail(t, status);
}
