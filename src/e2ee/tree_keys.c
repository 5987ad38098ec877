/* The table of keys. Places hold node numbers, not keys: keys are compared in the nodes. */
#include <string.h>

#include "base/assert.h"
#include "base/map.h"
#include "e2ee/tree_internal.h"

#define PLACES_MIN 16

uint32_t key_table_tag(const struct key_table *keys, struct span key) {
    return (uint32_t)siphash13(keys->seed, key.data, key.len);
}

static void place_put(struct key_place *places, uint32_t size, struct key_place place) {
    uint32_t i = place.tag & (size - 1);
    while (places[i].ref != TREE_NONE)
        i = (i + 1) & (size - 1);
    places[i] = place;
}

enum mls_status key_table_reserve(struct key_table *keys, uint32_t more) {
    uint32_t wanted = (keys->count + more) * 2; /* at most half full: probes stay short */
    if (wanted <= keys->size)
        return MLS_OK;
    uint32_t size = keys->size == 0 ? PLACES_MIN : keys->size;
    while (size < wanted)
        size *= 2;
    struct key_place *places = mls_alloc(size * sizeof *places);
    if (places == NULL)
        return MLS_NO_MEMORY;
    memset(places, 0xff, size * sizeof *places);
    for (uint32_t i = 0; i < keys->size; i++)
        if (keys->places[i].ref != TREE_NONE)
            place_put(places, size, keys->places[i]);
    mls_free(keys->places, keys->size * sizeof *keys->places);
    keys->places = places;
    keys->size = size;
    return MLS_OK;
}

void key_table_free(struct key_table *keys) {
    mls_free(keys->places, keys->size * sizeof *keys->places);
    *keys = (struct key_table){0};
}

static struct span key_of(const struct tree *t, uint32_t ref) {
    const void *content = t->nodes[ref >> 1].content;
    if ((ref & 1) == KEY_SIGNATURE)
        return ((const struct leaf_content *)content)->node.signature_key;
    return content_key(ref >> 1, content);
}

static uint32_t find(const struct tree *t, enum key_kind kind, uint32_t tag, struct span key) {
    const struct key_table *keys = &t->keys;
    if (keys->size == 0)
        return TREE_NONE;
    for (uint32_t i = tag & (keys->size - 1); keys->places[i].ref != TREE_NONE; i = (i + 1) & (keys->size - 1)) {
        const struct key_place *place = &keys->places[i];
        if (place->tag == tag && (place->ref & 1) == kind && span_equal(key_of(t, place->ref), key))
            return place->ref >> 1;
    }
    return TREE_NONE;
}

uint32_t tree_keys_find(const struct tree *t, enum key_kind kind, struct span key) {
    return find(t, kind, key_table_tag(&t->keys, key), key);
}

static void insert_one(struct tree *t, enum key_kind kind, uint32_t node, uint32_t tag, struct span key) {
    struct key_table *keys = &t->keys;
    ASSERT((keys->count + 1) * 2 <= keys->size);
    if (find(t, kind, tag, key) != TREE_NONE)
        keys->duplicates[kind]++;
    place_put(keys->places, keys->size, (struct key_place){.tag = tag, .ref = node << 1 | kind});
    keys->count++;
}

/* Takes the place out and closes the gap: a later entry moves up unless its home lies behind the gap. */
static void remove_place(struct key_table *keys, uint32_t gap) {
    uint32_t mask = keys->size - 1;
    for (uint32_t i = (gap + 1) & mask; keys->places[i].ref != TREE_NONE; i = (i + 1) & mask) {
        uint32_t home = keys->places[i].tag & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            keys->places[gap] = keys->places[i];
            gap = i;
        }
    }
    keys->places[gap] = (struct key_place){.tag = 0, .ref = TREE_NONE};
    keys->count--;
}

static void remove_one(struct tree *t, enum key_kind kind, uint32_t node, uint32_t tag, struct span key) {
    struct key_table *keys = &t->keys;
    uint32_t ref = node << 1 | kind, i = tag & (keys->size - 1);
    while (keys->places[i].ref != ref) {
        ASSERT(keys->places[i].ref != TREE_NONE);
        i = (i + 1) & (keys->size - 1);
    }
    remove_place(keys, i);
    if (keys->duplicates[kind] > 0 && find(t, kind, tag, key) != TREE_NONE)
        keys->duplicates[kind]--;
}

void tree_keys_insert(struct tree *t, uint32_t node) {
    const void *content = t->nodes[node].content;
    if (tree_node_is_leaf(node)) {
        const struct leaf_content *c = content;
        insert_one(t, KEY_ENCRYPTION, node, c->encryption_tag, c->node.encryption_key);
        insert_one(t, KEY_SIGNATURE, node, c->signature_tag, c->node.signature_key);
    } else {
        insert_one(t, KEY_ENCRYPTION, node, ((const struct parent_content *)content)->key_tag, parent_key(content));
    }
}

void tree_keys_remove(struct tree *t, uint32_t node) {
    const void *content = t->nodes[node].content;
    if (tree_node_is_leaf(node)) {
        const struct leaf_content *c = content;
        remove_one(t, KEY_ENCRYPTION, node, c->encryption_tag, c->node.encryption_key);
        remove_one(t, KEY_SIGNATURE, node, c->signature_tag, c->node.signature_key);
    } else {
        remove_one(t, KEY_ENCRYPTION, node, ((const struct parent_content *)content)->key_tag, parent_key(content));
    }
}
