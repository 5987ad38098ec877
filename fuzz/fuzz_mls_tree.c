/* A ratchet tree from the wire, and an UpdatePath that is merged into it: whatever is accepted is written as the same
 * bytes, edits on it can be undone exactly, and its hash does not depend on how it came about.
 *
 * Input: cipher suite (1 byte; 1 to 3), sender's leaf (1), length of the tree (3), ratchet_tree, UpdatePath. */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "e2ee/tree.h"

#define MEMBERS_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(const struct tree *t, struct span expected) {
    struct mls_buf out;
    mls_buf_init(&out, MLS_TREE_LEN_MAX);
    ASSERT(tree_write(t, &out) == MLS_OK && span_equal(mls_buf_span(&out), expected));
    mls_buf_free(&out);
}

static void look_around(struct tree *t) {
    uint32_t members = 0;
    for (uint32_t leaf = tree_next_member(t, 0); leaf != TREE_NONE; leaf = tree_next_member(t, leaf + 1)) {
        members++;
        ASSERT(tree_find_signature_key(t, tree_leaf(t, leaf)->signature_key) != TREE_NONE);
        ASSERT(tree_has_encryption_key(t, tree_leaf(t, leaf)->encryption_key));
    }
    ASSERT(members == tree_member_count(t) && members == tree_unverified_count(t));
    for (uint32_t node = 0; node < tree_node_count(tree_leaf_count(t)); node++) {
        struct tree_resolution walk = tree_resolve(t, node);
        for (uint32_t next = tree_resolution_next(&walk); next != TREE_NONE; next = tree_resolution_next(&walk))
            ASSERT(tree_is_below(next, node) && tree_node_key(t, next).len > 0);
    }
}

/* Members taken out and put in again elsewhere, then all undone. */
static void edit_and_undo(struct tree *t, struct rng *rng) {
    uint8_t before[HASH_LEN_MAX], after[HASH_LEN_MAX], again[HASH_LEN_MAX] = {0};
    struct mls_buf bytes;
    mls_buf_init(&bytes, 4096);
    ASSERT(tree_hash(t, before) == MLS_OK);
    ASSERT(tree_begin(t) == MLS_OK);
    for (int i = 0; i < 4 && tree_member_count(t) > 1; i++) {
        uint32_t leaf = tree_next_member(t, (uint32_t)rng_below(rng, tree_leaf_count(t))), place;
        if (leaf == TREE_NONE)
            continue;
        mls_buf_clear(&bytes);
        mls_wr_span(&bytes, tree_leaf_encoding(t, leaf));
        if (!mls_buf_ok(&bytes) || tree_remove(t, leaf) != MLS_OK ||
            tree_add(t, mls_buf_span(&bytes), &place) != MLS_OK)
            break;
    }
    ASSERT(tree_hash(t, after) == MLS_OK);
    struct tree_change *change = tree_detach(t);
    ASSERT(tree_hash(t, again) == MLS_OK && memcmp(before, again, 32) == 0);
    tree_attach(t, change);
    ASSERT(tree_hash(t, again) == MLS_OK && memcmp(after, again, 32) == 0);
    tree_rollback(t);
    ASSERT(tree_hash(t, again) == MLS_OK && memcmp(before, again, 32) == 0);
    mls_buf_free(&bytes);
}

static void merge_and_undo(struct tree *t, uint32_t sender, struct span bytes) {
    struct mls_update_path path;
    if (mls_update_path_parse(bytes, &path) != MLS_OK)
        return;
    ASSERT(tree_begin(t) == MLS_OK);
    if (tree_path_merge(t, sender, &path) == MLS_OK) {
        uint8_t hash[HASH_LEN_MAX];
        ASSERT(tree_hash(t, hash) == MLS_OK);
        ASSERT(span_equal(tree_leaf_encoding(t, sender), path.leaf_node.encoding));
    }
    tree_rollback(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(data, size);
    struct rng rng = rng_seeded(size);
    struct mls_crypto crypto;
    uint16_t suite = rd_u8(&r);
    uint32_t sender = rd_u8(&r);
    struct span bytes = rd_span(&r, rd_u24(&r));
    struct tree *t;
    if (!reader_ok(&r) || suite < 1 || suite > 3 || mls_crypto_of(&crypto_openssl, suite, &crypto) != MLS_OK)
        return 0;
    if (tree_read(&crypto, MEMBERS_MAX, &rng, bytes, &t) != MLS_OK)
        return 0;
    check_written(t, bytes);
    look_around(t);
    enum mls_status valid = tree_validate(t);
    merge_and_undo(t, sender, rd_rest(&r));
    edit_and_undo(t, &rng);
    check_written(t, bytes);
    ASSERT(tree_validate(t) == valid);
    tree_free(t);
    return 0;
}
