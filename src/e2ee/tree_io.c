/* The ratchet_tree of RFC 9420 section 12.4.3.3, read and written. */
#include <string.h>

#include "base/assert.h"
#include "e2ee/mls_limits.h"
#include "e2ee/tree_internal.h"

static enum mls_status take_leaf(struct tree *t, uint32_t position, const struct mls_leaf_node *leaf) {
    struct leaf_content *content;
    enum mls_status status = leaf_content_make(t, leaf->encoding, &content);
    if (status != MLS_OK)
        return status;
    content->verdict = LEAF_WAITING;
    t->nodes[position].content = content;
    return MLS_OK;
}

static enum mls_status take_parent(struct tree *t, uint32_t position, const struct mls_parent_node *parent) {
    uint32_t unmerged_count = (uint32_t)(parent->unmerged_leaves.len / 4);
    struct parent_content *content;
    enum mls_status status =
        parent_content_make(t, parent->encryption_key, parent->parent_hash, unmerged_count, &content);
    if (status != MLS_OK)
        return status;
    if (unmerged_count > 0)
        memcpy(content->unmerged, parent->unmerged_leaves.data, parent->unmerged_leaves.len);
    content->unmerged_count = unmerged_count;
    t->nodes[position].content = content;
    return MLS_OK;
}

static enum mls_status take_node(struct tree *t, uint32_t position, const struct mls_node *node) {
    if (node->type == 0)
        return MLS_OK;
    bool is_leaf = node->type == MLS_NODE_LEAF;
    if (is_leaf != tree_node_is_leaf(position))
        return MLS_TREE_NODE_MISPLACED;
    enum mls_status status = key_table_reserve(&t->keys, 2);
    if (status == MLS_OK)
        status = is_leaf ? take_leaf(t, position, &node->leaf) : take_parent(t, position, &node->parent);
    if (status == MLS_OK)
        tree_count_in(t, position);
    return status;
}

static enum mls_status read_nodes(struct tree *t, struct span nodes) {
    struct mls_reader r = mls_reader_of(nodes);
    uint32_t position_max = tree_node_count(tree_round_up(t->members_max)), position = 0;
    struct mls_node node = {.type = 0};
    for (; mls_reader_left(&r) > 0; position++) {
        if (position == position_max)
            return MLS_TREE_FULL;
        enum mls_status status = MLS_OK;
        if (position == tree_node_count(t->capacity))
            status = tree_make_room(t, t->capacity == 0 ? 1 : t->capacity * 2);
        if (status != MLS_OK)
            return status;
        mls_node_read(&r, &node);
        if (!mls_reader_ok(&r))
            return mls_reader_end(&r);
        status = take_node(t, position, &node);
        if (status != MLS_OK)
            return status;
    }
    if (position == 0)
        return MLS_TREE_EMPTY;
    if (node.type != MLS_NODE_LEAF)
        return node.type == 0 ? MLS_TREE_LAST_BLANK : MLS_TREE_LAST_PARENT;
    t->shape.rightmost = (position - 1) / 2;
    t->shape.leaf_count = tree_round_up(t->shape.rightmost + 1);
    ASSERT(t->shape.leaf_count == t->capacity);
    if (t->member_count > t->members_max)
        return MLS_TREE_FULL;
    return tree_check_unmerged(t); /* from here on every entry is a member below, and resolutions are in the tree */
}

enum mls_status tree_read(const struct mls_crypto *crypto, uint32_t members_max, struct rng *rng,
                          struct span ratchet_tree, struct tree **out) {
    struct span nodes;
    enum mls_status status = mls_ratchet_tree_parse(ratchet_tree, &nodes);
    if (status != MLS_OK)
        return status;
    struct tree *t;
    status = tree_create(crypto, members_max, rng, &t);
    if (status != MLS_OK)
        return status;
    status = read_nodes(t, nodes);
    if (status != MLS_OK) {
        tree_free(t);
        return status;
    }
    *out = t;
    return MLS_OK;
}

static void write_node(const struct tree *t, uint32_t node, struct mls_buf *out) {
    const void *content = t->nodes[node].content;
    mls_wr_u8(out, content != NULL);
    if (content == NULL)
        return;
    if (tree_node_is_leaf(node)) {
        mls_wr_u8(out, MLS_NODE_LEAF);
        mls_wr_span(out, ((const struct leaf_content *)content)->node.encoding);
        return;
    }
    const struct parent_content *p = content;
    mls_wr_u8(out, MLS_NODE_PARENT);
    mls_wr_vec(out, parent_key(p));
    mls_wr_vec(out, parent_hash_field(p));
    mls_wr_vec(out, parent_unmerged(p));
}

enum mls_status tree_write(const struct tree *t, struct mls_buf *out) {
    ASSERT(t->shape.rightmost != TREE_NONE);
    size_t begin = mls_wr_vec_begin(out);
    for (uint32_t node = 0; node <= 2 * t->shape.rightmost; node++)
        write_node(t, node, out);
    mls_wr_vec_end(out, begin);
    return out->status;
}
