/* Extensions, leaf and parent nodes, and what is made of them: RFC 9420 sections 5.3, 7.1, 7.2, 10, 11.1, 12.1.8.1,
 * 12.4.3.2, 12.4.3.3. */
#include "base/assert.h"
#include "e2ee/mls_message.h"

/* ---- extensions ---- */

static void read_extension(struct mls_reader *r, struct mls_extension *out) {
    out->type = mls_rd_u16(r);
    /* a ratchet_tree extension holds a whole tree; everything is within the message's limit anyway */
    out->data = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE);
}

void mls_extensions_read(struct mls_reader *r, struct mls_list *out) {
    uint16_t seen[MLS_EXTENSIONS_MAX];
    *out = (struct mls_list){.bytes = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE)};
    struct mls_reader it = mls_reader_of(out->bytes);
    while (mls_reader_left(&it) > 0) {
        struct mls_extension extension;
        read_extension(&it, &extension);
        if (!mls_reader_ok(&it))
            break;
        if (out->count == MLS_EXTENSIONS_MAX) {
            mls_reader_refuse(&it, MLS_EXTENSIONS_TOO_MANY);
            break;
        }
        for (uint32_t i = 0; i < out->count; i++) {
            if (seen[i] == extension.type)
                mls_reader_refuse(&it, MLS_EXTENSION_DUPLICATE);
        }
        seen[out->count++] = extension.type;
    }
    if (!mls_reader_ok(&it))
        mls_reader_refuse(r, it.status);
}

void mls_extensions_write(struct mls_buf *b, const struct mls_list *list) {
    mls_wr_vec(b, list->bytes);
}

bool mls_extensions_next(struct mls_reader *it, struct mls_extension *out) {
    if (mls_reader_left(it) == 0)
        return false;
    read_extension(it, out);
    return mls_reader_ok(it);
}

bool mls_extensions_find(const struct mls_list *list, uint16_t type, struct span *data) {
    struct mls_reader it = mls_reader_of(list->bytes);
    struct mls_extension extension;
    while (mls_extensions_next(&it, &extension)) {
        if (extension.type == type) {
            *data = extension.data;
            return true;
        }
    }
    return false;
}

void mls_extensions_add(struct mls_buf *b, uint16_t type, struct span data) {
    mls_wr_u16(b, type);
    mls_wr_vec(b, data);
}

bool mls_extension_is_default(uint16_t type) {
    return type >= MLS_EXTENSION_APPLICATION_ID && type <= MLS_EXTENSION_EXTERNAL_SENDERS;
}

enum mls_status mls_required_capabilities_parse(struct span bytes, struct mls_required_capabilities *out) {
    struct mls_reader r = mls_reader_of(bytes);
    out->extensions = mls_rd_u16s(&r, MLS_CAPABILITIES_MAX, MLS_CAPABILITIES_TOO_MANY);
    out->proposals = mls_rd_u16s(&r, MLS_CAPABILITIES_MAX, MLS_CAPABILITIES_TOO_MANY);
    out->credentials = mls_rd_u16s(&r, MLS_CAPABILITIES_MAX, MLS_CAPABILITIES_TOO_MANY);
    return mls_reader_end(&r);
}

void mls_required_capabilities_write(struct mls_buf *b, const struct mls_required_capabilities *x) {
    mls_wr_vec(b, x->extensions);
    mls_wr_vec(b, x->proposals);
    mls_wr_vec(b, x->credentials);
}

enum mls_status mls_external_pub_parse(struct span bytes, struct span *external_pub) {
    struct mls_reader r = mls_reader_of(bytes);
    *external_pub = mls_rd_vec(&r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
    return mls_reader_end(&r);
}

void mls_external_pub_write(struct mls_buf *b, struct span external_pub) {
    mls_wr_vec(b, external_pub);
}

/* ---- credentials, capabilities, leaf nodes ---- */

bool mls_certificate_next(struct mls_reader *it, struct span *out) {
    if (mls_reader_left(it) == 0)
        return false;
    *out = mls_rd_vec(it, MLS_CREDENTIAL_LEN_MAX, MLS_FIELD_TOO_LONG);
    return mls_reader_ok(it);
}

static void read_certificates(struct mls_reader *r, struct mls_list *out) {
    out->bytes = mls_rd_vec(r, MLS_CERTIFICATES_MAX * (MLS_CREDENTIAL_LEN_MAX + 4), MLS_FIELD_TOO_LONG);
    struct mls_reader it = mls_reader_of(out->bytes);
    struct span certificate;
    while (mls_certificate_next(&it, &certificate))
        out->count++;
    if (!mls_reader_ok(&it))
        mls_reader_refuse(r, it.status);
    else if (out->count > MLS_CERTIFICATES_MAX)
        mls_reader_refuse(r, MLS_CERTIFICATES_TOO_MANY);
    else if (out->count == 0 && mls_reader_ok(r))
        mls_reader_refuse(r, MLS_CERTIFICATES_EMPTY);
}

void mls_credential_read(struct mls_reader *r, struct mls_credential *out) {
    *out = (struct mls_credential){0};
    size_t start = mls_reader_pos(r);
    out->type = mls_rd_u16(r);
    if (!mls_reader_ok(r))
        return;
    switch (out->type) {
    case MLS_CREDENTIAL_BASIC:
        out->identity = mls_rd_vec(r, MLS_CREDENTIAL_LEN_MAX, MLS_FIELD_TOO_LONG);
        break;
    case MLS_CREDENTIAL_X509:
        read_certificates(r, &out->certificates);
        break;
    default:
        mls_reader_refuse(r, MLS_CREDENTIAL_TYPE_UNKNOWN);
    }
    out->encoding = mls_reader_since(r, start);
}

void mls_credential_write(struct mls_buf *b, const struct mls_credential *x) {
    ASSERT(x->type == MLS_CREDENTIAL_BASIC || x->type == MLS_CREDENTIAL_X509);
    mls_wr_u16(b, x->type);
    mls_wr_vec(b, x->type == MLS_CREDENTIAL_BASIC ? x->identity : x->certificates.bytes);
}

void mls_capabilities_read(struct mls_reader *r, struct mls_capabilities *out) {
    out->versions = mls_rd_u16s(r, MLS_CAPABILITIES_MAX, MLS_CAPABILITIES_TOO_MANY);
    out->cipher_suites = mls_rd_u16s(r, MLS_CAPABILITIES_MAX, MLS_CAPABILITIES_TOO_MANY);
    out->extensions = mls_rd_u16s(r, MLS_CAPABILITIES_MAX, MLS_CAPABILITIES_TOO_MANY);
    out->proposals = mls_rd_u16s(r, MLS_CAPABILITIES_MAX, MLS_CAPABILITIES_TOO_MANY);
    out->credentials = mls_rd_u16s(r, MLS_CAPABILITIES_MAX, MLS_CAPABILITIES_TOO_MANY);
}

void mls_capabilities_write(struct mls_buf *b, const struct mls_capabilities *x) {
    mls_wr_vec(b, x->versions);
    mls_wr_vec(b, x->cipher_suites);
    mls_wr_vec(b, x->extensions);
    mls_wr_vec(b, x->proposals);
    mls_wr_vec(b, x->credentials);
}

void mls_leaf_node_read(struct mls_reader *r, struct mls_leaf_node *out) {
    *out = (struct mls_leaf_node){0};
    size_t start = mls_reader_pos(r);
    out->encryption_key = mls_rd_vec(r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->signature_key = mls_rd_vec(r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
    mls_credential_read(r, &out->credential);
    mls_capabilities_read(r, &out->capabilities);
    out->source = mls_rd_u8(r);
    switch (out->source) {
    case MLS_LEAF_KEY_PACKAGE:
        out->not_before = mls_rd_u64(r);
        out->not_after = mls_rd_u64(r);
        break;
    case MLS_LEAF_UPDATE:
        break;
    case MLS_LEAF_COMMIT:
        out->parent_hash = mls_rd_vec(r, MLS_HASH_LEN_MAX, MLS_FIELD_TOO_LONG);
        break;
    default:
        mls_reader_refuse(r, MLS_LEAF_SOURCE_UNKNOWN);
    }
    mls_extensions_read(r, &out->extensions);
    out->tbs = mls_reader_since(r, start);
    out->signature = mls_rd_vec(r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->encoding = mls_reader_since(r, start);
}

enum mls_status mls_leaf_node_parse(struct span bytes, struct mls_leaf_node *out) {
    struct mls_reader r = mls_reader_of(bytes);
    mls_leaf_node_read(&r, out);
    return mls_reader_end(&r);
}

void mls_leaf_node_write_tbs(struct mls_buf *b, const struct mls_leaf_node *x) {
    mls_wr_vec(b, x->encryption_key);
    mls_wr_vec(b, x->signature_key);
    mls_credential_write(b, &x->credential);
    mls_capabilities_write(b, &x->capabilities);
    mls_wr_u8(b, x->source);
    if (x->source == MLS_LEAF_KEY_PACKAGE) {
        mls_wr_u64(b, x->not_before);
        mls_wr_u64(b, x->not_after);
    } else if (x->source == MLS_LEAF_COMMIT) {
        mls_wr_vec(b, x->parent_hash);
    } else {
        ASSERT(x->source == MLS_LEAF_UPDATE);
    }
    mls_extensions_write(b, &x->extensions);
}

void mls_leaf_node_write(struct mls_buf *b, const struct mls_leaf_node *x) {
    mls_leaf_node_write_tbs(b, x);
    mls_wr_vec(b, x->signature);
}

/* ---- external senders ---- */

bool mls_external_senders_next(struct mls_reader *it, struct mls_external_sender *out) {
    if (mls_reader_left(it) == 0)
        return false;
    out->signature_key = mls_rd_vec(it, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
    mls_credential_read(it, &out->credential);
    return mls_reader_ok(it);
}

enum mls_status mls_external_senders_parse(struct span bytes, struct mls_list *out) {
    struct mls_reader r = mls_reader_of(bytes);
    *out = (struct mls_list){.bytes = mls_rd_vec(&r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE)};
    struct mls_reader it = mls_reader_of(out->bytes);
    struct mls_external_sender sender;
    while (mls_external_senders_next(&it, &sender)) {
        if (out->count++ == MLS_EXTERNAL_SENDERS_MAX)
            mls_reader_refuse(&it, MLS_EXTERNAL_SENDERS_TOO_MANY);
    }
    if (!mls_reader_ok(&it))
        mls_reader_refuse(&r, it.status);
    return mls_reader_end(&r);
}

void mls_external_senders_add(struct mls_buf *b, const struct mls_external_sender *x) {
    mls_wr_vec(b, x->signature_key);
    mls_credential_write(b, &x->credential);
}

/* ---- nodes of the ratchet tree ---- */

void mls_parent_node_read(struct mls_reader *r, struct mls_parent_node *out) {
    *out = (struct mls_parent_node){0};
    size_t start = mls_reader_pos(r);
    out->encryption_key = mls_rd_vec(r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->parent_hash = mls_rd_vec(r, MLS_HASH_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->unmerged_leaves = mls_rd_vec(r, 4 * (size_t)MLS_MEMBERS_MAX, MLS_UNMERGED_TOO_MANY);
    if (out->unmerged_leaves.len % 4 != 0) {
        mls_reader_refuse(r, MLS_LIST_MISALIGNED);
        out->unmerged_leaves = (struct span){0};
    }
    for (size_t i = 1; i < out->unmerged_leaves.len / 4; i++) {
        if (mls_unmerged_at(out->unmerged_leaves, i - 1) >= mls_unmerged_at(out->unmerged_leaves, i))
            mls_reader_refuse(r, MLS_UNMERGED_UNSORTED);
    }
    out->encoding = mls_reader_since(r, start);
}

void mls_parent_node_write(struct mls_buf *b, const struct mls_parent_node *x) {
    mls_wr_vec(b, x->encryption_key);
    mls_wr_vec(b, x->parent_hash);
    mls_wr_vec(b, x->unmerged_leaves);
}

void mls_node_read(struct mls_reader *r, struct mls_node *out) {
    out->type = 0;
    if (!mls_rd_optional(r))
        return;
    uint8_t type = mls_rd_u8(r);
    if (type == MLS_NODE_LEAF)
        mls_leaf_node_read(r, &out->leaf);
    else if (type == MLS_NODE_PARENT)
        mls_parent_node_read(r, &out->parent);
    else
        mls_reader_refuse(r, MLS_NODE_TYPE_UNKNOWN);
    out->type = mls_reader_ok(r) ? type : 0;
}

void mls_node_write(struct mls_buf *b, const struct mls_node *x) {
    mls_wr_u8(b, x->type != 0);
    if (x->type == 0)
        return;
    mls_wr_u8(b, x->type);
    if (x->type == MLS_NODE_LEAF) {
        mls_leaf_node_write(b, &x->leaf);
    } else {
        ASSERT(x->type == MLS_NODE_PARENT);
        mls_parent_node_write(b, &x->parent);
    }
}

enum mls_status mls_ratchet_tree_parse(struct span bytes, struct span *nodes) {
    struct mls_reader r = mls_reader_of(bytes);
    *nodes = mls_rd_vec(&r, MLS_TREE_LEN_MAX, MLS_TOO_LARGE);
    return mls_reader_end(&r);
}

/* ---- key packages ---- */

void mls_key_package_read(struct mls_reader *r, struct mls_key_package *out) {
    size_t start = mls_reader_pos(r);
    out->version = mls_rd_u16(r);
    out->cipher_suite = mls_rd_u16(r);
    if (mls_reader_ok(r) && out->version != MLS_VERSION_10)
        mls_reader_refuse(r, MLS_VERSION_UNKNOWN);
    out->init_key = mls_rd_vec(r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
    mls_leaf_node_read(r, &out->leaf_node);
    mls_extensions_read(r, &out->extensions);
    out->tbs = mls_reader_since(r, start);
    out->signature = mls_rd_vec(r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->encoding = mls_reader_since(r, start);
}

enum mls_status mls_key_package_parse(struct span bytes, struct mls_key_package *out) {
    struct mls_reader r = mls_reader_of(bytes);
    mls_key_package_read(&r, out);
    return mls_reader_end(&r);
}

void mls_key_package_write_tbs(struct mls_buf *b, const struct mls_key_package *x) {
    mls_wr_u16(b, x->version);
    mls_wr_u16(b, x->cipher_suite);
    mls_wr_vec(b, x->init_key);
    mls_leaf_node_write(b, &x->leaf_node);
    mls_extensions_write(b, &x->extensions);
}

void mls_key_package_write(struct mls_buf *b, const struct mls_key_package *x) {
    mls_key_package_write_tbs(b, x);
    mls_wr_vec(b, x->signature);
}
