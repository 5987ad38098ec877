/* What nodes hold: making, reading and freeing it. */
#include <string.h>

#include "base/assert.h"
#include "e2ee/tree_internal.h"

/* Section 5.3: the types that the parser lets through. */
static const uint16_t credential_types[CREDENTIAL_KINDS] = {MLS_CREDENTIAL_BASIC, MLS_CREDENTIAL_X509};

enum mls_status leaf_content_make(struct tree *t, struct span encoding, struct leaf_content **out) {
    if (encoding.len == 0)
        return MLS_TRUNCATED;
    struct leaf_content *c = mls_alloc(sizeof *c + encoding.len);
    if (c == NULL)
        return MLS_NO_MEMORY;
    c->encoding_len = (uint32_t)encoding.len;
    memcpy(c->encoding, encoding.data, encoding.len);
    enum mls_status status = mls_leaf_node_parse(span_of(c->encoding, encoding.len), &c->node);
    if (status == MLS_OK && c->node.encryption_key.len != t->key_len)
        status = MLS_ENCRYPTION_KEY_INVALID;
    if (status == MLS_OK && c->node.signature_key.len != t->signature_key_len)
        status = MLS_SIGNATURE_KEY_INVALID;
    if (status != MLS_OK) {
        content_free(0, c);
        return status;
    }
    c->serial = t->leaf_serial++;
    c->encryption_tag = key_table_tag(&t->keys, c->node.encryption_key);
    c->signature_tag = key_table_tag(&t->keys, c->node.signature_key);
    for (uint8_t i = 0; i < CREDENTIAL_KINDS; i++) {
        if (c->node.credential.type == credential_types[i])
            c->credential = i;
        c->supports[i] = mls_u16s_have(c->node.capabilities.credentials, credential_types[i]);
    }
    *out = c;
    return MLS_OK;
}

enum mls_status parent_content_make(struct tree *t, struct span key, struct span parent_hash, uint32_t unmerged_max,
                                    struct parent_content **out) {
    ASSERT(parent_hash.len <= HASH_LEN_MAX);
    if (key.len != t->key_len)
        return MLS_ENCRYPTION_KEY_INVALID;
    struct parent_content *p = mls_alloc(sizeof *p + key.len + parent_hash.len);
    if (p == NULL)
        return MLS_NO_MEMORY;
    p->key_len = (uint16_t)key.len;
    p->parent_hash_len = (uint16_t)parent_hash.len;
    memcpy(p->bytes, key.data, key.len);
    if (parent_hash.len > 0)
        memcpy(p->bytes + key.len, parent_hash.data, parent_hash.len);
    p->key_tag = key_table_tag(&t->keys, key);
    if (unmerged_max > 0) {
        p->unmerged = mls_alloc((size_t)unmerged_max * 4);
        if (p->unmerged == NULL) {
            content_free(1, p);
            return MLS_NO_MEMORY;
        }
        p->unmerged_max = unmerged_max;
    }
    *out = p;
    return MLS_OK;
}

enum mls_status parent_content_copy(struct tree *t, const struct parent_content *p, uint32_t unmerged_max,
                                    struct parent_content **out) {
    ASSERT(unmerged_max >= p->unmerged_count);
    enum mls_status status = parent_content_make(t, parent_key(p), parent_hash_field(p), unmerged_max, out);
    if (status != MLS_OK)
        return status;
    if (p->unmerged_count > 0)
        memcpy((*out)->unmerged, p->unmerged, (size_t)p->unmerged_count * 4);
    (*out)->unmerged_count = p->unmerged_count;
    return MLS_OK;
}

size_t content_memory(uint32_t node, const void *content) {
    if (content == NULL)
        return 0;
    if (tree_node_is_leaf(node)) {
        const struct leaf_content *c = content;
        return sizeof *c + c->encoding_len;
    }
    const struct parent_content *p = content;
    return sizeof *p + p->key_len + p->parent_hash_len + (size_t)p->unmerged_max * 4;
}

void content_free(uint32_t node, void *content) {
    if (content == NULL)
        return;
    if (tree_node_is_leaf(node)) {
        struct leaf_content *c = content;
        mls_free(c, sizeof *c + c->encoding_len);
        return;
    }
    struct parent_content *p = content;
    mls_free(p->unmerged, (size_t)p->unmerged_max * 4);
    mls_free(p, sizeof *p + p->key_len + p->parent_hash_len);
}

struct span parent_key(const struct parent_content *p) {
    return span_of(p->bytes, p->key_len);
}

struct span parent_hash_field(const struct parent_content *p) {
    return span_of(p->bytes + p->key_len, p->parent_hash_len);
}

struct span parent_unmerged(const struct parent_content *p) {
    return span_of(p->unmerged, (size_t)p->unmerged_count * 4);
}

uint32_t parent_unmerged_at(const struct parent_content *p, uint32_t i) {
    ASSERT_HOT(i < p->unmerged_count);
    return mls_unmerged_at(parent_unmerged(p), i);
}

uint32_t parent_unmerged_find(const struct parent_content *p, uint32_t leaf) {
    uint32_t low = 0, high = p->unmerged_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (parent_unmerged_at(p, middle) < leaf)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool parent_has_unmerged(const struct parent_content *p, uint32_t leaf) {
    uint32_t i = parent_unmerged_find(p, leaf);
    return i < p->unmerged_count && parent_unmerged_at(p, i) == leaf;
}

void parent_insert_unmerged(struct parent_content *p, uint32_t leaf) {
    ASSERT(p->unmerged_count < p->unmerged_max);
    uint32_t i = parent_unmerged_find(p, leaf);
    uint8_t *at = p->unmerged + (size_t)i * 4;
    memmove(at + 4, at, (size_t)(p->unmerged_count - i) * 4);
    for (int byte = 0; byte < 4; byte++)
        at[byte] = (uint8_t)(leaf >> (24 - 8 * byte));
    p->unmerged_count++;
}

struct span content_key(uint32_t node, const void *content) {
    if (content == NULL)
        return span_of(NULL, 0);
    if (tree_node_is_leaf(node))
        return ((const struct leaf_content *)content)->node.encryption_key;
    return parent_key(content);
}
