#include "e2ee/mls_validate.h"

#include "base/assert.h"

bool mls_leaf_node_supports_extension(const struct mls_leaf_node *leaf, uint16_t type) {
    return mls_extension_is_default(type) || mls_u16s_have(leaf->capabilities.extensions, type);
}

bool mls_leaf_node_supports_proposal(const struct mls_leaf_node *leaf, uint16_t type) {
    return (type >= MLS_PROPOSAL_ADD && type <= MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS) ||
           mls_u16s_have(leaf->capabilities.proposals, type);
}

bool mls_leaf_node_supports_credential(const struct mls_leaf_node *leaf, uint16_t type) {
    return mls_u16s_have(leaf->capabilities.credentials, type);
}

enum mls_status mls_leaf_node_check(const struct mls_crypto *c, const struct mls_leaf_node *leaf, uint8_t source) {
    if (source != 0 && leaf->source != source)
        return MLS_LEAF_SOURCE_WRONG;
    if (!mls_u16s_have(leaf->capabilities.versions, MLS_VERSION_10))
        return MLS_LEAF_VERSION_UNLISTED;
    if (!mls_leaf_node_supports_credential(leaf, leaf->credential.type))
        return MLS_LEAF_CREDENTIAL_UNLISTED;
    struct mls_reader it = mls_reader_of(leaf->extensions.bytes);
    struct mls_extension extension;
    while (mls_extensions_next(&it, &extension)) {
        if (!mls_leaf_node_supports_extension(leaf, extension.type))
            return MLS_LEAF_EXTENSION_UNLISTED;
    }
    if (!sign_public_good(c->suite->sign, leaf->signature_key))
        return MLS_SIGNATURE_KEY_INVALID;
    return mls_status_of_crypto(kem_public_good(c->backend, c->suite->hpke.kem, leaf->encryption_key),
                                MLS_ENCRYPTION_KEY_INVALID);
}

enum mls_status mls_leaf_node_check_lifetime(const struct mls_leaf_node *leaf, uint64_t unix_s) {
    if (leaf->source == MLS_LEAF_KEY_PACKAGE && (unix_s < leaf->not_before || unix_s > leaf->not_after))
        return MLS_LEAF_LIFETIME;
    return MLS_OK;
}

enum mls_status mls_leaf_node_check_lifetime_max(const struct mls_leaf_node *leaf, uint64_t max_s) {
    if (leaf->source != MLS_LEAF_KEY_PACKAGE)
        return MLS_OK;
    if (leaf->not_after < leaf->not_before)
        return MLS_LEAF_LIFETIME;
    return leaf->not_after - leaf->not_before > max_s ? MLS_LEAF_LIFETIME_TOO_LONG : MLS_OK;
}

/* Every type that `wanted` lists is supported, as `supports` says. */
static bool supports_all(const struct mls_leaf_node *leaf, struct span wanted,
                         bool (*supports)(const struct mls_leaf_node *leaf, uint16_t type)) {
    for (size_t i = 0; i < mls_u16s_count(wanted); i++) {
        if (!supports(leaf, mls_u16s_at(wanted, i)))
            return false;
    }
    return true;
}

enum mls_status mls_leaf_node_check_group(const struct mls_leaf_node *leaf, const struct mls_list *context_extensions) {
    struct mls_reader it = mls_reader_of(context_extensions->bytes);
    struct mls_extension extension;
    while (mls_extensions_next(&it, &extension)) {
        if (!mls_leaf_node_supports_extension(leaf, extension.type))
            return MLS_LEAF_LACKS_EXTENSION;
        if (extension.type != MLS_EXTENSION_REQUIRED_CAPABILITIES)
            continue;
        struct mls_required_capabilities required;
        if (mls_required_capabilities_parse(extension.data, &required) != MLS_OK)
            return MLS_EXTENSION_MALFORMED;
        if (!supports_all(leaf, required.extensions, mls_leaf_node_supports_extension) ||
            !supports_all(leaf, required.proposals, mls_leaf_node_supports_proposal) ||
            !supports_all(leaf, required.credentials, mls_leaf_node_supports_credential))
            return MLS_LEAF_LACKS_REQUIRED;
    }
    return MLS_OK;
}

void mls_leaf_node_tbs(struct mls_leaf_node_tbs *out, struct span tbs, uint8_t source, struct span group_id,
                       uint32_t leaf_index) {
    out->parts[0] = tbs;
    out->count = 1;
    if (source == MLS_LEAF_KEY_PACKAGE)
        return;
    size_t len_len = mls_len_encode(group_id.len, out->storage);
    struct writer w = writer_of(out->storage + 4, 4);
    wr_u32(&w, leaf_index);
    out->parts[1] = span_of(out->storage, len_len);
    out->parts[2] = group_id;
    out->parts[3] = writer_span(&w);
    out->count = 4;
}

enum mls_status mls_leaf_node_verify(const struct mls_crypto *c, const struct mls_leaf_node *leaf, struct span group_id,
                                     uint32_t leaf_index) {
    struct mls_leaf_node_tbs tbs;
    mls_leaf_node_tbs(&tbs, leaf->tbs, leaf->source, group_id, leaf_index);
    return mls_verify_with_label(c, leaf->signature_key, "LeafNodeTBS", tbs.parts, tbs.count, leaf->signature,
                                 MLS_LEAF_SIGNATURE_INVALID);
}

enum mls_status mls_leaf_node_sign(const struct mls_crypto *c, const struct mls_leaf_node *leaf, struct span group_id,
                                   uint32_t leaf_index, const struct secret *private_key, struct mls_buf *out) {
    size_t start = mls_buf_len(out);
    mls_leaf_node_write_tbs(out, leaf);
    if (!mls_buf_ok(out))
        return out->status;
    struct mls_leaf_node_tbs tbs;
    struct span fields = span_of(out->w.data + start, mls_buf_len(out) - start);
    mls_leaf_node_tbs(&tbs, fields, leaf->source, group_id, leaf_index);
    return mls_sign_with_label(c, private_key, "LeafNodeTBS", tbs.parts, tbs.count, out);
}

enum mls_status mls_key_package_validate(const struct mls_crypto *c, const struct mls_key_package *key_package) {
    const struct mls_leaf_node *leaf = &key_package->leaf_node;
    if (key_package->version != MLS_VERSION_10)
        return MLS_KEY_PACKAGE_VERSION;
    if (key_package->cipher_suite != c->suite->id)
        return MLS_KEY_PACKAGE_SUITE;
    enum mls_status status = mls_leaf_node_check(c, leaf, MLS_LEAF_KEY_PACKAGE);
    if (status != MLS_OK)
        return status;
    if (span_equal(key_package->init_key, leaf->encryption_key))
        return MLS_KEY_PACKAGE_INIT_KEY_REUSED;
    status = mls_status_of_crypto(kem_public_good(c->backend, c->suite->hpke.kem, key_package->init_key),
                                  MLS_KEY_PACKAGE_INIT_KEY_INVALID);
    if (status != MLS_OK)
        return status;
    status = mls_leaf_node_verify(c, leaf, (struct span){0}, 0);
    if (status != MLS_OK)
        return status;
    return mls_verify_with_label(c, leaf->signature_key, "KeyPackageTBS", &key_package->tbs, 1, key_package->signature,
                                 MLS_KEY_PACKAGE_SIGNATURE_INVALID);
}

/* Signs what was appended since `start` and appends the signature. */
static enum mls_status sign_since(const struct mls_crypto *c, const struct secret *private_key, const char *label,
                                  size_t start, struct mls_buf *out) {
    if (!mls_buf_ok(out))
        return out->status;
    struct span tbs = span_of(out->w.data + start, mls_buf_len(out) - start);
    return mls_sign_with_label(c, private_key, label, &tbs, 1, out);
}

enum mls_status mls_key_package_sign(const struct mls_crypto *c, const struct mls_key_package *x,
                                     const struct secret *private_key, struct mls_buf *out) {
    size_t start = mls_buf_len(out);
    mls_key_package_write_tbs(out, x);
    return sign_since(c, private_key, "KeyPackageTBS", start, out);
}

enum mls_status mls_group_info_verify(const struct mls_crypto *c, const struct mls_group_info *info,
                                      struct span signature_key) {
    return mls_verify_with_label(c, signature_key, "GroupInfoTBS", &info->tbs, 1, info->signature,
                                 MLS_GROUP_INFO_SIGNATURE_INVALID);
}

enum mls_status mls_group_info_sign(const struct mls_crypto *c, const struct mls_group_info *x,
                                    const struct secret *private_key, struct mls_buf *out) {
    size_t start = mls_buf_len(out);
    mls_group_info_write_tbs(out, x);
    return sign_since(c, private_key, "GroupInfoTBS", start, out);
}
