/* PSK identifiers, proposals, update paths and commits: RFC 9420 sections 7.6, 8.4, 12.1, 12.4. */
#include "base/assert.h"
#include "e2ee/mls_message.h"

/* Types from here on are for private use (section 17.4). */
#define PRIVATE_TYPES 0xf000

/* ---- PSK identifiers ---- */

void mls_psk_id_read(struct mls_reader *r, struct mls_psk_id *out) {
    *out = (struct mls_psk_id){0};
    size_t start = mls_reader_pos(r);
    out->type = mls_rd_u8(r);
    if (!mls_reader_ok(r))
        return;
    if (out->type == MLS_PSK_EXTERNAL) {
        out->id = mls_rd_vec(r, MLS_PSK_ID_LEN_MAX, MLS_FIELD_TOO_LONG);
    } else if (out->type == MLS_PSK_RESUMPTION) {
        out->usage = mls_rd_u8(r);
        if (mls_reader_ok(r) && (out->usage < MLS_PSK_USAGE_APPLICATION || out->usage > MLS_PSK_USAGE_BRANCH))
            mls_reader_refuse(r, MLS_PSK_USAGE_UNKNOWN);
        out->id = mls_rd_vec(r, MLS_GROUP_ID_LEN_MAX, MLS_FIELD_TOO_LONG);
        out->epoch = mls_rd_u64(r);
    } else {
        mls_reader_refuse(r, MLS_PSK_TYPE_UNKNOWN);
    }
    out->nonce = mls_rd_vec(r, MLS_HASH_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->encoding = mls_reader_since(r, start);
}

enum mls_status mls_psk_id_parse(struct span bytes, struct mls_psk_id *out) {
    struct mls_reader r = mls_reader_of(bytes);
    mls_psk_id_read(&r, out);
    return mls_reader_end(&r);
}

void mls_psk_id_write(struct mls_buf *b, const struct mls_psk_id *x) {
    ASSERT(x->type == MLS_PSK_EXTERNAL || x->type == MLS_PSK_RESUMPTION);
    mls_wr_u8(b, x->type);
    if (x->type == MLS_PSK_RESUMPTION)
        mls_wr_u8(b, x->usage);
    mls_wr_vec(b, x->id);
    if (x->type == MLS_PSK_RESUMPTION)
        mls_wr_u64(b, x->epoch);
    mls_wr_vec(b, x->nonce);
}

bool mls_psk_id_next(struct mls_reader *it, struct mls_psk_id *out) {
    if (mls_reader_left(it) == 0)
        return false;
    mls_psk_id_read(it, out);
    return mls_reader_ok(it);
}

/* ---- proposals ---- */

static void read_reinit(struct mls_reader *r, struct mls_reinit *out) {
    out->group_id = mls_rd_vec(r, MLS_GROUP_ID_LEN_MAX, MLS_FIELD_TOO_LONG);
    /* any version and suite can be proposed; whether we can follow is the group's to decide */
    out->version = mls_rd_u16(r);
    out->cipher_suite = mls_rd_u16(r);
    mls_extensions_read(r, &out->extensions);
}

void mls_proposal_read(struct mls_reader *r, struct mls_proposal *out) {
    size_t start = mls_reader_pos(r);
    out->type = mls_rd_u16(r);
    out->encoding = (struct span){0};
    if (!mls_reader_ok(r))
        return;
    switch (out->type) {
    case MLS_PROPOSAL_ADD:
        mls_key_package_read(r, &out->add);
        break;
    case MLS_PROPOSAL_UPDATE:
        mls_leaf_node_read(r, &out->update);
        break;
    case MLS_PROPOSAL_REMOVE:
        out->removed = mls_rd_u32(r);
        break;
    case MLS_PROPOSAL_PSK:
        mls_psk_id_read(r, &out->psk);
        break;
    case MLS_PROPOSAL_REINIT:
        read_reinit(r, &out->reinit);
        break;
    case MLS_PROPOSAL_EXTERNAL_INIT:
        out->kem_output = mls_rd_vec(r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
        break;
    case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS:
        mls_extensions_read(r, &out->extensions);
        break;
    default:
        if (out->type >= PRIVATE_TYPES)
            out->body = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE);
        else
            mls_reader_refuse(r, MLS_PROPOSAL_TYPE_UNKNOWN);
    }
    out->encoding = mls_reader_since(r, start);
}

enum mls_status mls_proposal_parse(struct span bytes, struct mls_proposal *out) {
    struct mls_reader r = mls_reader_of(bytes);
    mls_proposal_read(&r, out);
    return mls_reader_end(&r);
}

void mls_proposal_write(struct mls_buf *b, const struct mls_proposal *x) {
    mls_wr_u16(b, x->type);
    switch (x->type) {
    case MLS_PROPOSAL_ADD:
        mls_key_package_write(b, &x->add);
        break;
    case MLS_PROPOSAL_UPDATE:
        mls_leaf_node_write(b, &x->update);
        break;
    case MLS_PROPOSAL_REMOVE:
        mls_wr_u32(b, x->removed);
        break;
    case MLS_PROPOSAL_PSK:
        mls_psk_id_write(b, &x->psk);
        break;
    case MLS_PROPOSAL_REINIT:
        mls_wr_vec(b, x->reinit.group_id);
        mls_wr_u16(b, x->reinit.version);
        mls_wr_u16(b, x->reinit.cipher_suite);
        mls_extensions_write(b, &x->reinit.extensions);
        break;
    case MLS_PROPOSAL_EXTERNAL_INIT:
        mls_wr_vec(b, x->kem_output);
        break;
    case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS:
        mls_extensions_write(b, &x->extensions);
        break;
    default:
        ASSERT(x->type >= PRIVATE_TYPES);
        mls_wr_vec(b, x->body);
    }
}

bool mls_proposal_needs_path(uint16_t type) {
    return type != MLS_PROPOSAL_ADD && type != MLS_PROPOSAL_PSK && type != MLS_PROPOSAL_REINIT;
}

bool mls_proposal_may_be_external(uint16_t type) {
    switch (type) {
    case MLS_PROPOSAL_ADD:
    case MLS_PROPOSAL_REMOVE:
    case MLS_PROPOSAL_PSK:
    case MLS_PROPOSAL_REINIT:
    case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS:
        return true;
    default:
        return false;
    }
}

/* ---- update paths ---- */

void mls_hpke_ciphertext_read(struct mls_reader *r, struct mls_hpke_ciphertext *out) {
    out->kem_output = mls_rd_vec(r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->ciphertext = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE);
}

void mls_hpke_ciphertext_write(struct mls_buf *b, const struct mls_hpke_ciphertext *x) {
    mls_wr_vec(b, x->kem_output);
    mls_wr_vec(b, x->ciphertext);
}

bool mls_hpke_ciphertext_next(struct mls_reader *it, struct mls_hpke_ciphertext *out) {
    if (mls_reader_left(it) == 0)
        return false;
    mls_hpke_ciphertext_read(it, out);
    return mls_reader_ok(it);
}

/* Counts the ciphertexts, checking each. */
static void read_update_path_node(struct mls_reader *r, struct mls_update_path_node *out) {
    out->encryption_key = mls_rd_vec(r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->encrypted_path_secret = (struct mls_list){.bytes = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE)};
    struct mls_list *list = &out->encrypted_path_secret;
    struct mls_reader it = mls_reader_of(list->bytes);
    struct mls_hpke_ciphertext ciphertext;
    while (mls_hpke_ciphertext_next(&it, &ciphertext)) {
        if (list->count++ == MLS_RESOLUTION_MAX)
            mls_reader_refuse(&it, MLS_RESOLUTION_TOO_LARGE);
    }
    if (!mls_reader_ok(&it))
        mls_reader_refuse(r, it.status);
}

void mls_update_path_node_write(struct mls_buf *b, const struct mls_update_path_node *x) {
    mls_wr_vec(b, x->encryption_key);
    mls_wr_vec(b, x->encrypted_path_secret.bytes);
}

bool mls_update_path_node_next(struct mls_reader *it, struct mls_update_path_node *out) {
    if (mls_reader_left(it) == 0)
        return false;
    read_update_path_node(it, out);
    return mls_reader_ok(it);
}

void mls_update_path_read(struct mls_reader *r, struct mls_update_path *out) {
    size_t start = mls_reader_pos(r);
    mls_leaf_node_read(r, &out->leaf_node);
    out->nodes = (struct mls_list){.bytes = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE)};
    struct mls_reader it = mls_reader_of(out->nodes.bytes);
    struct mls_update_path_node node;
    while (mls_update_path_node_next(&it, &node)) {
        if (out->nodes.count++ == MLS_TREE_DEPTH_MAX)
            mls_reader_refuse(&it, MLS_PATH_TOO_LONG);
    }
    if (!mls_reader_ok(&it))
        mls_reader_refuse(r, it.status);
    out->encoding = mls_reader_since(r, start);
}

enum mls_status mls_update_path_parse(struct span bytes, struct mls_update_path *out) {
    struct mls_reader r = mls_reader_of(bytes);
    mls_update_path_read(&r, out);
    return mls_reader_end(&r);
}

void mls_update_path_write(struct mls_buf *b, const struct mls_update_path *x) {
    mls_leaf_node_write(b, &x->leaf_node);
    mls_wr_vec(b, x->nodes.bytes);
}

/* ---- commits ---- */

static void read_proposal_or_ref(struct mls_reader *r, struct mls_proposal_or_ref *out) {
    out->type = mls_rd_u8(r);
    if (!mls_reader_ok(r))
        return;
    if (out->type == MLS_PROPOSAL_BY_VALUE)
        mls_proposal_read(r, &out->proposal);
    else if (out->type == MLS_PROPOSAL_BY_REFERENCE)
        out->reference = mls_rd_vec(r, MLS_HASH_LEN_MAX, MLS_FIELD_TOO_LONG);
    else
        mls_reader_refuse(r, MLS_PROPOSAL_OR_REF_UNKNOWN);
}

bool mls_proposal_or_ref_next(struct mls_reader *it, struct mls_proposal_or_ref *out) {
    if (mls_reader_left(it) == 0)
        return false;
    read_proposal_or_ref(it, out);
    return mls_reader_ok(it);
}

void mls_proposal_or_ref_write(struct mls_buf *b, const struct mls_proposal_or_ref *x) {
    mls_wr_u8(b, x->type);
    if (x->type == MLS_PROPOSAL_BY_VALUE) {
        mls_proposal_write(b, &x->proposal);
    } else {
        ASSERT(x->type == MLS_PROPOSAL_BY_REFERENCE);
        mls_wr_vec(b, x->reference);
    }
}

void mls_commit_read(struct mls_reader *r, struct mls_commit *out) {
    size_t start = mls_reader_pos(r);
    out->proposals = (struct mls_list){.bytes = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE)};
    struct mls_reader it = mls_reader_of(out->proposals.bytes);
    struct mls_proposal_or_ref proposal;
    while (mls_proposal_or_ref_next(&it, &proposal)) {
        if (out->proposals.count++ == MLS_PROPOSALS_MAX)
            mls_reader_refuse(&it, MLS_PROPOSALS_TOO_MANY);
    }
    if (!mls_reader_ok(&it))
        mls_reader_refuse(r, it.status);
    out->has_path = mls_rd_optional(r);
    if (out->has_path)
        mls_update_path_read(r, &out->path);
    out->encoding = mls_reader_since(r, start);
}

enum mls_status mls_commit_parse(struct span bytes, struct mls_commit *out) {
    struct mls_reader r = mls_reader_of(bytes);
    mls_commit_read(&r, out);
    return mls_reader_end(&r);
}

void mls_commit_write(struct mls_buf *b, const struct mls_commit *x) {
    mls_wr_vec(b, x->proposals.bytes);
    mls_wr_u8(b, x->has_path);
    if (x->has_path)
        mls_update_path_write(b, &x->path);
}
