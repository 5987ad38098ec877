/* What a joiner checks of a whole tree (RFC 9420 sections 7.9.2 and 12.4.3.1), and the queue of leaf signatures. */
#include "base/assert.h"
#include "e2ee/mls_validate.h"
#include "e2ee/tree_internal.h"

/* Entries are members below the parent, and stand in the lists of the parents between. The nearest of those is looked
 * at only: the next one is that one's own concern. */
static enum mls_status check_unmerged(const struct tree *t, uint32_t node) {
    const struct parent_content *p = tree_parent_content(t, node);
    for (uint32_t i = 0; i < p->unmerged_count; i++) {
        uint32_t leaf = parent_unmerged_at(p, i);
        if (leaf >= t->shape.leaf_count || !tree_is_below(2 * leaf, node) || tree_leaf_content(t, leaf) == NULL)
            return MLS_TREE_UNMERGED_INVALID;
        for (uint32_t level = tree_level(node) - 1; level > 0; level--) {
            const struct parent_content *between = tree_parent_content(t, tree_ancestor(2 * leaf, level));
            if (between == NULL)
                continue;
            if (!parent_has_unmerged(between, leaf))
                return MLS_TREE_UNMERGED_MISSING;
            break;
        }
    }
    return MLS_OK;
}

/* The one node of the resolution of `child` that is not an unmerged leaf of its parent `p`, when the others are exactly
 * the unmerged leaves of `p` below `child`: the only one whose parent hash can be valid for `p`. */
static uint32_t link_of(const struct tree *t, const struct parent_content *p, uint32_t child) {
    struct span unmerged = tree_list_below(parent_unmerged(p), child);
    struct tree_resolution walk = tree_resolve(t, child);
    uint32_t link = TREE_NONE;
    size_t seen = 0;
    for (uint32_t node = tree_resolution_next(&walk); node != TREE_NONE; node = tree_resolution_next(&walk)) {
        bool is_unmerged =
            tree_node_is_leaf(node) && seen < unmerged.len / 4 && mls_unmerged_at(unmerged, seen) == node / 2;
        if (is_unmerged)
            seen++;
        else if (link == TREE_NONE)
            link = node;
        else
            return TREE_NONE;
    }
    return seen == unmerged.len / 4 ? link : TREE_NONE;
}

/* Empty when the node has none. */
static struct span parent_hash_of(const struct tree *t, uint32_t node) {
    const void *content = t->nodes[node].content;
    if (!tree_node_is_leaf(node))
        return parent_hash_field(content);
    const struct mls_leaf_node *leaf = &((const struct leaf_content *)content)->node;
    return leaf->source == MLS_LEAF_COMMIT ? leaf->parent_hash : span_of(NULL, 0);
}

/* Whether `p` at `node` is chained to something below `child`, whose sibling is `sibling`. */
static enum mls_status check_link(struct tree *t, uint32_t node, uint32_t child, uint32_t sibling, uint32_t *links) {
    const struct parent_content *p = tree_parent_content(t, node);
    uint32_t below = link_of(t, p, child);
    if (below == TREE_NONE || parent_hash_of(t, below).len != t->hash_len)
        return MLS_OK;
    uint8_t hash[HASH_LEN_MAX];
    enum mls_status status =
        tree_parent_hash(t, parent_key(p), parent_hash_field(p), sibling, parent_unmerged(p), hash);
    if (status == MLS_OK && span_equal(span_of(hash, t->hash_len), parent_hash_of(t, below)))
        (*links)++;
    return status;
}

/* Section 7.9.2, from the top: every parent has exactly one valid link downwards, so chains end at leaves. */
static enum mls_status check_parent_hash(struct tree *t, uint32_t node) {
    uint32_t links = 0, left = tree_left(node), right = tree_right(node);
    enum mls_status status = check_link(t, node, left, right, &links);
    if (status == MLS_OK)
        status = check_link(t, node, right, left, &links);
    if (status != MLS_OK)
        return status;
    return links == 1 ? MLS_OK : MLS_PARENT_HASH_WRONG;
}

enum mls_status tree_check_unmerged(const struct tree *t) {
    enum mls_status status = MLS_OK;
    uint32_t count = tree_node_count(t->shape.leaf_count);
    for (uint32_t node = 1; node < count && status == MLS_OK; node += 2)
        if (t->nodes[node].content != NULL)
            status = check_unmerged(t, node);
    return status;
}

/* Of all nodes: one bad key would fail whoever encapsulates to it, for as long as it is in the tree. */
static enum mls_status check_keys(const struct tree *t, uint32_t count) {
    for (uint32_t node = 0; node < count; node++) {
        const void *content = t->nodes[node].content;
        if (content == NULL)
            continue;
        enum mls_status status = mls_status_of_crypto(
            kem_public_good(t->crypto.backend, t->crypto.suite->hpke.kem, content_key(node, content)),
            MLS_ENCRYPTION_KEY_INVALID);
        if (status != MLS_OK)
            return status;
    }
    return MLS_OK;
}

enum mls_status tree_validate(struct tree *t) {
    enum mls_status status = tree_check(t);
    uint32_t count = tree_node_count(t->shape.leaf_count);
    if (status == MLS_OK)
        status = tree_check_unmerged(t);
    for (uint32_t node = 1; node < count && status == MLS_OK; node += 2)
        if (t->nodes[node].content != NULL)
            status = check_parent_hash(t, node);
    return status == MLS_OK ? check_keys(t, count) : status;
}

/* ---- queue of leaf signatures ---- */

static uint64_t ticket_of(uint32_t leaf, const struct leaf_content *c) {
    return (uint64_t)c->serial << 32 | leaf;
}

uint32_t tree_unverified_count(const struct tree *t) {
    return t->unverified;
}

bool tree_is_verified(const struct tree *t, uint32_t leaf) {
    return tree_leaf(t, leaf) != NULL && tree_leaf_content(t, leaf)->verdict == LEAF_VERIFIED;
}

void tree_set_verified(struct tree *t, uint32_t leaf) {
    ASSERT(tree_leaf(t, leaf) != NULL);
    struct leaf_content *c = tree_leaf_content(t, leaf);
    t->unverified -= c->verdict != LEAF_VERIFIED;
    c->verdict = LEAF_VERIFIED;
}

enum mls_status tree_verify_next(struct tree *t, struct span group_id, uint32_t *cursor, struct mls_buf *buf,
                                 struct tree_verify_job *job) {
    *job = (struct tree_verify_job){.leaf = TREE_NONE};
    uint32_t leaf = *cursor;
    while (leaf < t->shape.leaf_count &&
           (tree_leaf(t, leaf) == NULL || tree_leaf_content(t, leaf)->verdict != LEAF_WAITING))
        leaf++;
    *cursor = leaf;
    if (leaf >= t->shape.leaf_count)
        return MLS_OK;
    struct leaf_content *c = tree_leaf_content(t, leaf);
    struct mls_leaf_node_tbs tbs;
    mls_leaf_node_tbs(&tbs, c->node.tbs, c->node.source, group_id, leaf);
    mls_buf_clear(buf);
    mls_sign_content_write(buf, "LeafNodeTBS", tbs.parts, tbs.count);
    if (!mls_buf_ok(buf))
        return buf->status;
    c->verdict = LEAF_HANDED_OUT;
    *cursor = leaf + 1;
    *job = (struct tree_verify_job){.leaf = leaf,
                                    .ticket = ticket_of(leaf, c),
                                    .public_key = c->node.signature_key,
                                    .message = mls_buf_span(buf),
                                    .signature = c->node.signature};
    return MLS_OK;
}

/* The contents that a ticket names: in the tree, or in the journal, when the open change replaced them. */
static struct leaf_content *find_ticket(struct tree *t, uint64_t ticket, bool *in_tree) {
    uint32_t leaf = (uint32_t)ticket;
    *in_tree = true;
    if (leaf < t->capacity) {
        struct leaf_content *c = tree_leaf_content(t, leaf);
        if (c != NULL && ticket_of(leaf, c) == ticket)
            return c;
    }
    *in_tree = false;
    for (uint32_t i = 0; t->open != NULL && i < t->open->count; i++) {
        const struct change_entry *entry = &t->open->entries[i];
        struct leaf_content *c = entry->content;
        if (tree_node_is_leaf(entry->node) && c != NULL && ticket_of(entry->node / 2, c) == ticket)
            return c;
    }
    return NULL;
}

enum mls_status tree_verify_done(struct tree *t, uint64_t ticket, bool valid) {
    bool in_tree;
    struct leaf_content *c = find_ticket(t, ticket, &in_tree);
    if (c == NULL || c->verdict == LEAF_VERIFIED)
        return MLS_OK;
    if (!valid) {
        c->verdict = LEAF_BAD;
        return MLS_LEAF_SIGNATURE_INVALID;
    }
    if (c->verdict == LEAF_BAD)
        return MLS_OK;
    c->verdict = LEAF_VERIFIED;
    t->unverified -= in_tree;
    return MLS_OK;
}

void tree_verify_give_back(struct tree *t, uint64_t ticket) {
    bool in_tree;
    struct leaf_content *c = find_ticket(t, ticket, &in_tree);
    if (c != NULL && c->verdict == LEAF_HANDED_OUT)
        c->verdict = LEAF_WAITING;
}
