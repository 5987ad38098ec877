/* Changes and how they are undone: what tree.h calls the journal. */
#include <string.h>

#include "base/assert.h"
#include "e2ee/tree_internal.h"

#define ENTRIES_MIN 32

enum mls_status tree_fail(struct tree *t, enum mls_status status) {
    if (status != MLS_OK)
        t->open->failed = true;
    return status;
}

enum mls_status tree_make_room(struct tree *t, uint32_t leaf_count) {
    if (leaf_count <= t->capacity)
        return MLS_OK;
    uint32_t old_count = tree_node_count(t->capacity), count = tree_node_count(leaf_count);
    struct tree_node *nodes = mls_alloc(count * sizeof *nodes);
    uint8_t *hashes = mls_alloc((size_t)count * t->hash_len);
    if (nodes == NULL || hashes == NULL) {
        mls_free(nodes, count * sizeof *nodes);
        mls_free(hashes, (size_t)count * t->hash_len);
        return MLS_NO_MEMORY;
    }
    if (old_count > 0) {
        memcpy(nodes, t->nodes, old_count * sizeof *nodes);
        memcpy(hashes, t->hashes, (size_t)old_count * t->hash_len);
    }
    for (uint32_t node = old_count; node < count; node++)
        nodes[node].flags = NODE_DIRTY;
    mls_free(t->nodes, old_count * sizeof *nodes);
    mls_free(t->hashes, (size_t)old_count * t->hash_len);
    t->nodes = nodes;
    t->hashes = hashes;
    t->capacity = leaf_count;
    return MLS_OK;
}

/* ---- writing down ---- */

static enum mls_status write_down(struct tree *t, uint32_t node) {
    struct tree_change *change = t->open;
    if (change->count == change->max) {
        uint32_t max = change->max == 0 ? ENTRIES_MIN : change->max * 2;
        size_t len = sizeof *change->entries;
        struct change_entry *entries = mls_resize(change->entries, change->max * len, max * len);
        if (entries == NULL)
            return MLS_NO_MEMORY;
        change->entries = entries;
        change->max = max;
    }
    struct change_entry *entry = &change->entries[change->count++];
    entry->node = node;
    entry->flags = t->nodes[node].flags & (NODE_DIRTY | NODE_ADDED);
    entry->content = t->nodes[node].content;
    memcpy(entry->hash, tree_cached_hash(t, node), t->hash_len);
    t->nodes[node].flags |= NODE_JOURNALED;
    return MLS_OK;
}

enum mls_status tree_touch(struct tree *t, uint32_t node) {
    ASSERT(t->open != NULL);
    while (node != TREE_NONE) {
        uint8_t *flags = &t->nodes[node].flags;
        if ((*flags & NODE_JOURNALED) != 0 && (*flags & NODE_DIRTY) != 0)
            return MLS_OK; /* then it is so all the way up */
        if ((*flags & NODE_JOURNALED) == 0) {
            enum mls_status status = write_down(t, node);
            if (status != MLS_OK)
                return status;
        }
        *flags |= NODE_DIRTY;
        node = tree_parent(node, t->shape.leaf_count);
    }
    return MLS_OK;
}

void tree_count_in(struct tree *t, uint32_t node) {
    if (t->nodes[node].content == NULL)
        return;
    tree_keys_insert(t, node);
    if (!tree_node_is_leaf(node))
        return;
    const struct leaf_content *c = t->nodes[node].content;
    t->member_count++;
    t->unverified += c->verdict != LEAF_VERIFIED;
    t->credential_in_use[c->credential]++;
    for (int i = 0; i < CREDENTIAL_KINDS; i++)
        t->credential_supported[i] += c->supports[i];
}

void tree_count_out(struct tree *t, uint32_t node) {
    if (t->nodes[node].content == NULL)
        return;
    tree_keys_remove(t, node);
    if (!tree_node_is_leaf(node))
        return;
    const struct leaf_content *c = t->nodes[node].content;
    t->member_count--;
    t->unverified -= c->verdict != LEAF_VERIFIED;
    t->credential_in_use[c->credential]--;
    for (int i = 0; i < CREDENTIAL_KINDS; i++)
        t->credential_supported[i] -= c->supports[i];
}

void tree_note_leaf(struct tree *t, uint32_t leaf) {
    struct tree_shape *shape = &t->shape;
    if (tree_leaf_content(t, leaf) != NULL) {
        if (shape->blank_from == leaf)
            shape->blank_from++;
        if (shape->rightmost == TREE_NONE || shape->rightmost < leaf)
            shape->rightmost = leaf;
        return;
    }
    if (leaf < shape->blank_from)
        shape->blank_from = leaf;
    if (shape->rightmost != leaf)
        return;
    while (leaf > 0 && tree_leaf_content(t, leaf - 1) == NULL)
        leaf--;
    shape->rightmost = leaf == 0 ? TREE_NONE : leaf - 1;
}

enum mls_status tree_set_content(struct tree *t, uint32_t node, void *content) {
    enum mls_status status = key_table_reserve(&t->keys, 2);
    if (status == MLS_OK)
        status = tree_touch(t, node);
    if (status != MLS_OK) {
        content_free(node, content);
        return status;
    }
    tree_count_out(t, node);
    if ((t->nodes[node].flags & NODE_FRESH) != 0)
        content_free(node, t->nodes[node].content); /* what was there before is in the journal */
    t->nodes[node].content = content;
    t->nodes[node].flags = (t->nodes[node].flags & (uint8_t)~NODE_ADDED) | NODE_FRESH;
    tree_count_in(t, node);
    if (tree_node_is_leaf(node))
        tree_note_leaf(t, node / 2);
    if (t->shape.own_leaf != TREE_NONE && tree_is_below(2 * t->shape.own_leaf, node))
        tree_set_private(t, tree_level(node), NULL); /* the key belonged to what was there */
    return MLS_OK;
}

void tree_set_private(struct tree *t, uint32_t level, const struct secret *key) {
    ASSERT(level < TREE_LEVELS_MAX);
    struct secret *place = &t->private_keys[level];
    if (t->open != NULL && (t->open->keys_saved >> level & 1) == 0) {
        if (place->len == 0 && (key == NULL || key->len == 0))
            return;
        t->open->keys[level] = *place;
        t->open->keys_saved |= UINT32_C(1) << level;
    }
    secret_wipe(place);
    if (key != NULL)
        *place = *key;
}

/* ---- beginning and end ---- */

enum mls_status tree_begin(struct tree *t) {
    ASSERT(t->open == NULL);
    struct tree_change *change = mls_alloc(sizeof *change);
    if (change == NULL)
        return MLS_NO_MEMORY;
    change->shape = t->shape;
    change->version = t->version;
    t->open = change;
    return MLS_OK;
}

bool tree_is_open(const struct tree *t) {
    return t->open != NULL;
}

/* Exchanges what the tree has and what the change remembers. The key table never gets more keys than it had room for:
 * all go out before the others come in. */
static void exchange(struct tree *t, struct tree_change *change) {
    for (uint32_t i = 0; i < change->count; i++) {
        const struct change_entry *entry = &change->entries[i];
        if (entry->content != t->nodes[entry->node].content)
            tree_count_out(t, entry->node);
    }
    for (uint32_t i = 0; i < change->count; i++) {
        struct change_entry *entry = &change->entries[i];
        struct tree_node *node = &t->nodes[entry->node];
        void *content = node->content;
        uint8_t flags = node->flags & (NODE_DIRTY | NODE_ADDED), hash[HASH_LEN_MAX];
        memcpy(hash, tree_cached_hash(t, entry->node), t->hash_len);
        memcpy(tree_cached_hash(t, entry->node), entry->hash, t->hash_len);
        node->content = entry->content;
        node->flags = entry->flags;
        if (content != entry->content)
            tree_count_in(t, entry->node);
        memcpy(entry->hash, hash, t->hash_len);
        entry->content = content;
        entry->flags = flags;
    }
    struct tree_shape shape = t->shape;
    t->shape = change->shape;
    change->shape = shape;
    for (uint32_t level = 0; level < TREE_LEVELS_MAX; level++) {
        if ((change->keys_saved >> level & 1) == 0)
            continue;
        struct secret key = t->private_keys[level];
        t->private_keys[level] = change->keys[level];
        change->keys[level] = key;
        secret_wipe(&key);
    }
}

/* Frees a change and the contents that only it knows: those that differ from `t`'s, or all when it is detached. */
static void change_dispose(const struct tree *t, struct tree_change *change) {
    for (uint32_t i = 0; i < change->count; i++) {
        struct change_entry *entry = &change->entries[i];
        if (t == NULL || entry->content != t->nodes[entry->node].content)
            content_free(entry->node, entry->content);
    }
    mls_free(change->entries, change->max * sizeof *change->entries);
    mls_free(change, sizeof *change);
}

void tree_keep(struct tree *t) {
    struct tree_change *change = t->open;
    ASSERT(change != NULL && !change->failed);
    for (uint32_t i = 0; i < change->count; i++)
        t->nodes[change->entries[i].node].flags &= NODE_DIRTY;
    change_dispose(t, change);
    t->open = NULL;
    t->version++;
}

void tree_rollback(struct tree *t) {
    struct tree_change *change = t->open;
    ASSERT(change != NULL);
    exchange(t, change);
    t->open = NULL;
    change_dispose(t, change);
}

struct tree_change *tree_detach(struct tree *t) {
    struct tree_change *change = t->open;
    ASSERT(change != NULL && !change->failed);
    exchange(t, change);
    t->open = NULL;
    /* contents that the change did not replace stay the tree's alone */
    for (uint32_t i = 0; i < change->count; i++) {
        struct change_entry *entry = &change->entries[i];
        entry->same = entry->content == t->nodes[entry->node].content;
        if (entry->same)
            entry->content = NULL;
    }
    return change;
}

void tree_attach(struct tree *t, struct tree_change *change) {
    ASSERT(t->open == NULL && change->version == t->version);
    for (uint32_t i = 0; i < change->count; i++) {
        struct change_entry *entry = &change->entries[i];
        if (entry->same)
            entry->content = t->nodes[entry->node].content;
    }
    exchange(t, change);
    for (uint32_t i = 0; i < change->count; i++)
        t->nodes[change->entries[i].node].flags |=
            change->entries[i].same ? NODE_JOURNALED : NODE_JOURNALED | NODE_FRESH;
    t->open = change;
}

void tree_change_free(struct tree_change *change) {
    if (change != NULL)
        change_dispose(NULL, change);
}

bool tree_changed_next(const struct tree *t, uint32_t *cursor, struct tree_changed_leaf *out) {
    ASSERT(t->open != NULL);
    while (*cursor < t->open->count) {
        const struct change_entry *entry = &t->open->entries[(*cursor)++];
        const struct leaf_content *before = entry->content, *after = t->nodes[entry->node].content;
        if (!tree_node_is_leaf(entry->node) || before == after)
            continue;
        *out = (struct tree_changed_leaf){.leaf = entry->node / 2,
                                          .before = before == NULL ? NULL : &before->node,
                                          .after = after == NULL ? NULL : &after->node};
        return true;
    }
    return false;
}
