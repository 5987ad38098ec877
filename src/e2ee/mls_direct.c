#include "e2ee/mls_direct.h"

#include "base/assert.h"
#include "e2ee/mls_group.h"

enum mls_status mls_seal_to_member(const struct mls_group *group, uint32_t leaf, const char *label,
                                   struct span plaintext, struct rng *rng, struct mls_buf *out) {
    ASSERT(!span_equal_str(span_str(label), "UpdatePathNode") && !span_equal_str(span_str(label), "Welcome"));
    size_t start = mls_buf_len(out);
    if (group->state != MLS_STATE_ACTIVE)
        return MLS_WRONG_STATE;
    const struct mls_leaf_node *node = tree_leaf(group->tree, leaf);
    if (node == NULL)
        return MLS_LEAF_BLANK;
    return mls_output_end(out, start,
                          mls_encrypt_with_label(&group->crypto, node->encryption_key, label, mls_group_id(group),
                                                 plaintext, rng, out, MLS_ENCRYPTION_KEY_INVALID));
}

enum mls_status mls_open_as_member(const struct mls_group *group, const char *label, struct span sealed,
                                   struct mls_buf *out) {
    size_t start = mls_buf_len(out);
    if (group->state != MLS_STATE_ACTIVE)
        return MLS_WRONG_STATE;
    struct mls_reader r = mls_reader_of(sealed);
    struct mls_hpke_ciphertext ciphertext;
    mls_hpke_ciphertext_read(&r, &ciphertext);
    enum mls_status status = mls_reader_end(&r);
    if (status != MLS_OK)
        return status;
    const struct secret *key = tree_private_key(group->tree, 2 * group->own_leaf);
    const struct mls_leaf_node *node = tree_leaf(group->tree, group->own_leaf);
    ASSERT(key != NULL && node != NULL);
    status = mls_decrypt_with_label(&group->crypto, key, node->encryption_key, label, mls_group_id(group),
                                    ciphertext.kem_output, ciphertext.ciphertext, out, MLS_CONTENT_INVALID);
    return mls_output_end(out, start, status);
}
