/* Every parser of MLS structures: what is accepted lies inside of the input, its lists are as long as they say, and
 * what is written again is the same bytes. Rules of leaf nodes that look at nothing else are asked as well.
 *
 * Input: which structure (1 byte, enum mls_structure), then its bytes. */
#include <stdint.h>

#include "../tests/unit/e2ee/mls_round_trip.h"
#include "e2ee/mls_validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask_leaf(const struct mls_leaf_node *leaf) {
    struct mls_crypto c;
    ASSERT(mls_crypto_of(&crypto_openssl, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, &c) == MLS_OK);
    if (mls_leaf_node_check(&c, leaf, 0) == MLS_OK) {
        ASSERT(leaf->encryption_key.len == mls_public_key_len(&c));
        ASSERT(leaf->signature_key.len == mls_signature_key_len(&c));
        ASSERT(mls_leaf_node_supports_credential(leaf, leaf->credential.type));
    }
    if (mls_leaf_node_check_lifetime(leaf, 5) == MLS_OK && leaf->source == MLS_LEAF_KEY_PACKAGE)
        ASSERT(leaf->not_before <= 5 && leaf->not_after >= 5);
    /* its own extensions as a group context's: required_capabilities may be among them */
    (void)mls_leaf_node_check_group(leaf, &leaf->extensions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || data[0] >= MLS_STRUCTURE_COUNT)
        return 0;
    struct span in = span_of(data + 1, size - 1);
    struct mls_buf out;
    mls_buf_init(&out, MLS_TREE_LEN_MAX);
    enum mls_status status = round_trip((enum mls_structure)data[0], in, &out);
    ASSERT((unsigned)status < MLS_STATUS_COUNT);
    if (status == MLS_OK)
        ASSERT(mls_buf_ok(&out) && span_equal(mls_buf_span(&out), in));
    struct mls_leaf_node leaf;
    if (status == MLS_OK && data[0] == MLS_STRUCTURE_LEAF_NODE && mls_leaf_node_parse(in, &leaf) == MLS_OK)
        ask_leaf(&leaf);
    mls_buf_free(&out);
    return 0;
}
