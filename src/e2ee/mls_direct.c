#include "e2ee/mls_direct.h"

#include "base/assert.h"
#include "e2ee/mls_group.h"
#include "e2ee/mls_validate.h"

/* Longer than any hash; the context is no place for data. */
#define CONTEXT_LEN_MAX 1024

static void check_label(const char *label) {
    ASSERT(!span_equal_str(span_str(label), "UpdatePathNode") && !span_equal_str(span_str(label), "Welcome"));
}

/* What is authenticated. */
static enum mls_status join(struct mls_buf *b, struct span group_id, struct span context) {
    mls_buf_init(b, MLS_GROUP_ID_LEN_MAX + CONTEXT_LEN_MAX);
    mls_wr_span(b, group_id);
    mls_wr_span(b, context);
    return b->status;
}

static enum mls_status open_sealed(const struct mls_crypto *c, const struct secret *key, struct span public_key,
                                   const char *label, struct span context, struct span sealed, struct mls_buf *out) {
    struct mls_reader r = mls_reader_of(sealed);
    struct mls_hpke_ciphertext ciphertext;
    mls_hpke_ciphertext_read(&r, &ciphertext);
    enum mls_status status = mls_reader_end(&r);
    if (status != MLS_OK)
        return status;
    return mls_decrypt_with_label(c, key, public_key, label, context, ciphertext.kem_output, ciphertext.ciphertext, out,
                                  MLS_CONTENT_INVALID);
}

enum mls_status mls_seal_to_member(const struct mls_group *group, uint32_t leaf, const char *label, struct span context,
                                   struct span plaintext, struct rng *rng, struct mls_buf *out) {
    struct mls_buf both;
    size_t start = mls_buf_len(out);
    check_label(label);
    if (group->state != MLS_STATE_ACTIVE)
        return MLS_WRONG_STATE;
    const struct mls_leaf_node *node = tree_leaf(group->tree, leaf);
    if (node == NULL)
        return MLS_LEAF_BLANK;
    enum mls_status status = join(&both, mls_group_id(group), context);
    if (status == MLS_OK)
        status = mls_encrypt_with_label(&group->crypto, node->encryption_key, label, mls_buf_span(&both), plaintext,
                                        rng, out, MLS_ENCRYPTION_KEY_INVALID);
    mls_buf_free(&both);
    return mls_output_end(out, start, status);
}

enum mls_status mls_open_as_member(const struct mls_group *group, const char *label, struct span context,
                                   struct span sealed, struct mls_buf *out) {
    struct mls_buf both;
    size_t start = mls_buf_len(out);
    check_label(label);
    if (group->state != MLS_STATE_ACTIVE)
        return MLS_WRONG_STATE;
    const struct secret *key = tree_private_key(group->tree, 2 * group->own_leaf);
    const struct mls_leaf_node *node = tree_leaf(group->tree, group->own_leaf);
    ASSERT(key != NULL && node != NULL);
    enum mls_status status = join(&both, mls_group_id(group), context);
    if (status == MLS_OK)
        status = open_sealed(&group->crypto, key, node->encryption_key, label, mls_buf_span(&both), sealed, out);
    mls_buf_free(&both);
    return mls_output_end(out, start, status);
}

enum mls_status mls_seal_to_package(const struct crypto_backend *crypto, struct span key_package, const char *label,
                                    struct span context, struct span plaintext, struct rng *rng, struct mls_buf *out) {
    struct mls_key_package package;
    struct mls_crypto c;
    size_t start = mls_buf_len(out);
    check_label(label);
    enum mls_status status = mls_key_package_of(key_package, &package);
    if (status == MLS_OK)
        status = mls_crypto_of(crypto, package.cipher_suite, &c);
    if (status == MLS_OK)
        status = mls_key_package_validate(&c, &package);
    if (status == MLS_OK)
        status = mls_encrypt_with_label(&c, package.init_key, label, context, plaintext, rng, out,
                                        MLS_KEY_PACKAGE_INIT_KEY_INVALID);
    return mls_output_end(out, start, status);
}

enum mls_status mls_open_with_package(const struct mls_client *client, struct span key_package_ref, const char *label,
                                      struct span context, struct span sealed, struct mls_buf *out) {
    struct mls_key_package parsed;
    size_t start = mls_buf_len(out);
    check_label(label);
    const struct mls_package *package = mls_client_package(client, key_package_ref);
    if (package == NULL)
        return MLS_KEY_PACKAGE_UNKNOWN;
    enum mls_status status = mls_key_package_parse(mls_bytes_span(&package->bytes), &parsed);
    if (status == MLS_OK)
        status = open_sealed(&package->crypto, &package->init_key, parsed.init_key, label, context, sealed, out);
    return mls_output_end(out, start, status);
}
