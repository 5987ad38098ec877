/* Tree hashes (RFC 9420 section 7.8), cached, and parent hashes (section 7.9). */
#include <string.h>

#include "base/assert.h"
#include "e2ee/tree_internal.h"

/* Parts of one hash input: spans over what is there, and the few bytes between them that are made. */
#define PARTS_MAX 16
struct hash_input {
    struct span parts[PARTS_MAX];
    size_t count;
    uint8_t made[64];
    size_t made_len;
    bool made_last; /* the last part is in `made`, and grows */
};

static void input_span(struct hash_input *in, struct span bytes) {
    ASSERT(in->count < PARTS_MAX);
    in->parts[in->count++] = bytes;
    in->made_last = false;
}

static void input_made(struct hash_input *in, const uint8_t *bytes, size_t len) {
    ASSERT(in->made_len + len <= sizeof in->made);
    uint8_t *at = in->made + in->made_len;
    memcpy(at, bytes, len);
    in->made_len += len;
    if (in->made_last)
        in->parts[in->count - 1].len += len;
    else
        input_span(in, span_of(at, len));
    in->made_last = true;
}

static void input_vec(struct hash_input *in, struct span contents) {
    uint8_t length[4];
    input_made(in, length, mls_len_encode(contents.len, length));
    if (contents.len > 0)
        input_span(in, contents);
}

static enum mls_status input_hash(const struct tree *t, const struct hash_input *in, uint8_t *out) {
    return mls_status_of_crypto(t->crypto.backend->hash(t->crypto.suite->hash, in->parts, in->count, out),
                                MLS_CRYPTO_FAILED);
}

/* `content` may be another than the node's own: a leaf that is blanked for the occasion. */
static enum mls_status leaf_hash(const struct tree *t, uint32_t node, const struct leaf_content *content,
                                 uint8_t *out) {
    uint32_t leaf = node / 2;
    uint8_t head[6] = {MLS_NODE_LEAF,        (uint8_t)(leaf >> 24), (uint8_t)(leaf >> 16),
                       (uint8_t)(leaf >> 8), (uint8_t)leaf,         content != NULL};
    struct hash_input in = {.count = 0};
    input_made(&in, head, sizeof head);
    if (content != NULL)
        input_span(&in, content->node.encoding);
    return input_hash(t, &in, out);
}

static enum mls_status parent_hash(const struct tree *t, const struct parent_content *p, struct span unmerged,
                                   struct span left, struct span right, uint8_t *out) {
    uint8_t head[2] = {MLS_NODE_PARENT, p != NULL};
    struct hash_input in = {.count = 0};
    input_made(&in, head, sizeof head);
    if (p != NULL) {
        input_vec(&in, parent_key(p));
        input_vec(&in, parent_hash_field(p));
        input_vec(&in, unmerged);
    }
    input_vec(&in, left);
    input_vec(&in, right);
    return input_hash(t, &in, out);
}

static enum mls_status hash_one(struct tree *t, uint32_t node) {
    if (tree_node_is_leaf(node))
        return leaf_hash(t, node, t->nodes[node].content, tree_cached_hash(t, node));
    const struct parent_content *p = t->nodes[node].content;
    return parent_hash(t, p, p == NULL ? span_of(NULL, 0) : parent_unmerged(p),
                       span_of(tree_cached_hash(t, tree_left(node)), t->hash_len),
                       span_of(tree_cached_hash(t, tree_right(node)), t->hash_len), tree_cached_hash(t, node));
}

/* Goes down to a node whose children are clean, and up again. */
static enum mls_status make_clean(struct tree *t, uint32_t head) {
    uint32_t node = head;
    while ((t->nodes[head].flags & NODE_DIRTY) != 0) {
        if (!tree_node_is_leaf(node)) {
            uint32_t left = tree_left(node), right = tree_right(node);
            if ((t->nodes[left].flags & NODE_DIRTY) != 0) {
                node = left;
                continue;
            }
            if ((t->nodes[right].flags & NODE_DIRTY) != 0) {
                node = right;
                continue;
            }
        }
        enum mls_status status = hash_one(t, node);
        if (status != MLS_OK)
            return status;
        t->nodes[node].flags &= (uint8_t)~NODE_DIRTY;
        if (node != head)
            node = tree_parent(node, t->shape.leaf_count);
    }
    return MLS_OK;
}

enum mls_status tree_node_hash(struct tree *t, uint32_t node, uint8_t *out) {
    ASSERT(node < tree_node_count(t->shape.leaf_count));
    enum mls_status status = make_clean(t, node);
    if (status == MLS_OK)
        memcpy(out, tree_cached_hash(t, node), t->hash_len);
    return status;
}

enum mls_status tree_hash(struct tree *t, uint8_t *out) {
    return tree_node_hash(t, tree_root(t->shape.leaf_count), out);
}

/* ---- hashes of the tree as it was before some leaves came (section 7.9) ---- */

/* Position of the first entry that is at least `leaf`. */
static size_t lower_bound(struct span leaves, uint32_t leaf) {
    size_t low = 0, high = leaves.len / 4;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mls_unmerged_at(leaves, middle) < leaf)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct span tree_list_below(struct span leaves, uint32_t head) {
    uint32_t first = tree_first_leaf(head);
    size_t from = lower_bound(leaves, first), to = lower_bound(leaves, first + tree_leaves_below(head));
    return from == to ? span_of(NULL, 0) : span_of(leaves.data + 4 * from, 4 * (to - from));
}

/* `p`'s unmerged leaves without those in `without`. Both are sorted. */
static struct span unmerged_without(const struct parent_content *p, struct span without, uint8_t *room) {
    size_t len = 0, skip = 0;
    for (uint32_t i = 0; i < p->unmerged_count; i++) {
        uint32_t leaf = parent_unmerged_at(p, i);
        while (skip < without.len / 4 && mls_unmerged_at(without, skip) < leaf)
            skip++;
        if (skip < without.len / 4 && mls_unmerged_at(without, skip) == leaf)
            continue;
        memcpy(room + len, p->unmerged + 4 * (size_t)i, 4);
        len += 4;
    }
    return span_of(room, len);
}

/* Tree hash of `node` with the children's hashes given, without the leaves `without`. */
static enum mls_status reduced_parent(struct tree *t, uint32_t node, struct span without, struct span left,
                                      struct span right, uint8_t *out) {
    const struct parent_content *p = tree_parent_content(t, node);
    if (p == NULL || p->unmerged_count == 0)
        return parent_hash(t, p, span_of(NULL, 0), left, right, out);
    size_t room_len = (size_t)p->unmerged_count * 4;
    uint8_t *room = mls_alloc(room_len);
    if (room == NULL)
        return MLS_NO_MEMORY;
    enum mls_status status = parent_hash(t, p, unmerged_without(p, without, room), left, right, out);
    mls_free(room, room_len);
    return status;
}

/* Post-order over the subtrees that hold leaves to be left out; all others have their cached hash. `done` is the hash
 * of the left child at each level while the right one is worked on. */
static enum mls_status reduced_hash(struct tree *t, uint32_t head, struct span without, uint8_t *out) {
    uint8_t done[TREE_LEVELS_MAX][HASH_LEN_MAX], hash[HASH_LEN_MAX];
    uint32_t node = head;
    bool down = true;
    for (;;) {
        enum mls_status status = MLS_OK;
        struct span here = tree_list_below(without, node);
        if (down && here.len > 0 && !tree_node_is_leaf(node)) {
            node = tree_left(node);
            continue;
        }
        if (down && here.len > 0)
            status = leaf_hash(t, node, NULL, hash);
        else if (down)
            status = tree_node_hash(t, node, hash);
        else
            status = reduced_parent(t, node, here, span_of(done[tree_level(node) - 1], t->hash_len),
                                    span_of(hash, t->hash_len), hash);
        if (status != MLS_OK)
            return status;
        if (node == head)
            break;
        uint32_t parent = tree_parent(node, t->shape.leaf_count);
        down = node < parent;
        if (down) {
            memcpy(done[tree_level(node)], hash, t->hash_len);
            node = tree_right(parent);
        } else {
            node = parent;
        }
    }
    memcpy(out, hash, t->hash_len);
    return MLS_OK;
}

enum mls_status tree_parent_hash(struct tree *t, struct span key, struct span parent_hash_of_parent, uint32_t sibling,
                                 struct span unmerged, uint8_t *out) {
    uint8_t sibling_hash[HASH_LEN_MAX];
    struct span without = tree_list_below(unmerged, sibling);
    enum mls_status status =
        without.len == 0 ? tree_node_hash(t, sibling, sibling_hash) : reduced_hash(t, sibling, without, sibling_hash);
    if (status != MLS_OK)
        return status;
    struct hash_input in = {.count = 0};
    input_vec(&in, key);
    input_vec(&in, parent_hash_of_parent);
    input_vec(&in, span_of(sibling_hash, t->hash_len));
    return input_hash(t, &in, out);
}
