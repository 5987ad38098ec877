/* Group state, joining and framing: RFC 9420 sections 6, 8.1, 12.4.3. */
#include "e2ee/mls_message.h"

#include "base/assert.h"

/* ---- group state ---- */

void mls_group_context_read(struct mls_reader *r, struct mls_group_context *out) {
    size_t start = mls_reader_pos(r);
    out->version = mls_rd_u16(r);
    if (mls_reader_ok(r) && out->version != MLS_VERSION_10)
        mls_reader_refuse(r, MLS_VERSION_UNKNOWN);
    out->cipher_suite = mls_rd_u16(r);
    out->group_id = mls_rd_vec(r, MLS_GROUP_ID_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->epoch = mls_rd_u64(r);
    out->tree_hash = mls_rd_vec(r, MLS_HASH_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->confirmed_transcript_hash = mls_rd_vec(r, MLS_HASH_LEN_MAX, MLS_FIELD_TOO_LONG);
    mls_extensions_read(r, &out->extensions);
    out->encoding = mls_reader_since(r, start);
}

enum mls_status mls_group_context_parse(struct span bytes, struct mls_group_context *out) {
    struct mls_reader r = mls_reader_of(bytes);
    mls_group_context_read(&r, out);
    return mls_reader_end(&r);
}

void mls_group_context_write(struct mls_buf *b, const struct mls_group_context *x) {
    mls_wr_u16(b, x->version);
    mls_wr_u16(b, x->cipher_suite);
    mls_wr_vec(b, x->group_id);
    mls_wr_u64(b, x->epoch);
    mls_wr_vec(b, x->tree_hash);
    mls_wr_vec(b, x->confirmed_transcript_hash);
    mls_extensions_write(b, &x->extensions);
}

void mls_group_info_read(struct mls_reader *r, struct mls_group_info *out) {
    size_t start = mls_reader_pos(r);
    mls_group_context_read(r, &out->group_context);
    mls_extensions_read(r, &out->extensions);
    out->confirmation_tag = mls_rd_vec(r, MLS_HASH_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->signer = mls_rd_u32(r);
    out->tbs = mls_reader_since(r, start);
    out->signature = mls_rd_vec(r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->encoding = mls_reader_since(r, start);
}

enum mls_status mls_group_info_parse(struct span bytes, struct mls_group_info *out) {
    struct mls_reader r = mls_reader_of(bytes);
    mls_group_info_read(&r, out);
    return mls_reader_end(&r);
}

void mls_group_info_write_tbs(struct mls_buf *b, const struct mls_group_info *x) {
    mls_group_context_write(b, &x->group_context);
    mls_extensions_write(b, &x->extensions);
    mls_wr_vec(b, x->confirmation_tag);
    mls_wr_u32(b, x->signer);
}

void mls_group_info_write(struct mls_buf *b, const struct mls_group_info *x) {
    mls_group_info_write_tbs(b, x);
    mls_wr_vec(b, x->signature);
}

/* ---- joining ---- */

enum mls_status mls_group_secrets_parse(struct span bytes, struct mls_group_secrets *out) {
    struct mls_reader r = mls_reader_of(bytes);
    *out = (struct mls_group_secrets){.joiner_secret = mls_rd_vec(&r, MLS_HASH_LEN_MAX, MLS_FIELD_TOO_LONG)};
    out->has_path_secret = mls_rd_optional(&r);
    if (out->has_path_secret)
        out->path_secret = mls_rd_vec(&r, MLS_HASH_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->psks.bytes = mls_rd_vec(&r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE);
    struct mls_reader it = mls_reader_of(out->psks.bytes);
    struct mls_psk_id psk;
    while (mls_psk_id_next(&it, &psk)) {
        if (out->psks.count++ == MLS_PSKS_MAX)
            mls_reader_refuse(&it, MLS_PSKS_TOO_MANY);
    }
    if (!mls_reader_ok(&it))
        mls_reader_refuse(&r, it.status);
    return mls_reader_end(&r);
}

void mls_group_secrets_write(struct mls_buf *b, const struct mls_group_secrets *x) {
    mls_wr_vec(b, x->joiner_secret);
    mls_wr_u8(b, x->has_path_secret);
    if (x->has_path_secret)
        mls_wr_vec(b, x->path_secret);
    mls_wr_vec(b, x->psks.bytes);
}

void mls_encrypted_group_secrets_write(struct mls_buf *b, const struct mls_encrypted_group_secrets *x) {
    mls_wr_vec(b, x->new_member);
    mls_hpke_ciphertext_write(b, &x->encrypted);
}

bool mls_encrypted_group_secrets_next(struct mls_reader *it, struct mls_encrypted_group_secrets *out) {
    if (mls_reader_left(it) == 0)
        return false;
    out->new_member = mls_rd_vec(it, MLS_HASH_LEN_MAX, MLS_FIELD_TOO_LONG);
    mls_hpke_ciphertext_read(it, &out->encrypted);
    return mls_reader_ok(it);
}

void mls_welcome_read(struct mls_reader *r, struct mls_welcome *out) {
    size_t start = mls_reader_pos(r);
    out->cipher_suite = mls_rd_u16(r);
    out->secrets = (struct mls_list){.bytes = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE)};
    struct mls_reader it = mls_reader_of(out->secrets.bytes);
    struct mls_encrypted_group_secrets secrets;
    while (mls_encrypted_group_secrets_next(&it, &secrets)) {
        if (out->secrets.count++ == MLS_WELCOME_SECRETS_MAX)
            mls_reader_refuse(&it, MLS_WELCOME_TOO_MANY);
    }
    if (!mls_reader_ok(&it))
        mls_reader_refuse(r, it.status);
    out->encrypted_group_info = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE);
    out->encoding = mls_reader_since(r, start);
}

void mls_welcome_write(struct mls_buf *b, const struct mls_welcome *x) {
    mls_wr_u16(b, x->cipher_suite);
    mls_wr_vec(b, x->secrets.bytes);
    mls_wr_vec(b, x->encrypted_group_info);
}

/* ---- framing ---- */

static void read_sender(struct mls_reader *r, struct mls_sender *out) {
    *out = (struct mls_sender){.type = mls_rd_u8(r)};
    if (!mls_reader_ok(r))
        return;
    switch (out->type) {
    case MLS_SENDER_MEMBER:
    case MLS_SENDER_EXTERNAL:
        out->index = mls_rd_u32(r);
        break;
    case MLS_SENDER_NEW_MEMBER_PROPOSAL:
    case MLS_SENDER_NEW_MEMBER_COMMIT:
        break;
    default:
        mls_reader_refuse(r, MLS_SENDER_TYPE_UNKNOWN);
    }
}

void mls_framed_content_read(struct mls_reader *r, struct mls_framed_content *out) {
    size_t start = mls_reader_pos(r);
    out->group_id = mls_rd_vec(r, MLS_GROUP_ID_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->epoch = mls_rd_u64(r);
    read_sender(r, &out->sender);
    out->authenticated_data = mls_rd_vec(r, MLS_AUTHENTICATED_DATA_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->content_type = mls_rd_u8(r);
    out->encoding = (struct span){0};
    if (!mls_reader_ok(r))
        return;
    switch (out->content_type) {
    case MLS_CONTENT_APPLICATION:
        out->application_data = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE);
        break;
    case MLS_CONTENT_PROPOSAL:
        mls_proposal_read(r, &out->proposal);
        break;
    case MLS_CONTENT_COMMIT:
        mls_commit_read(r, &out->commit);
        break;
    default:
        mls_reader_refuse(r, MLS_CONTENT_TYPE_UNKNOWN);
    }
    out->encoding = mls_reader_since(r, start);
}

void mls_framed_content_write(struct mls_buf *b, const struct mls_framed_content *x) {
    mls_wr_vec(b, x->group_id);
    mls_wr_u64(b, x->epoch);
    mls_sender_write(b, &x->sender);
    mls_wr_vec(b, x->authenticated_data);
    mls_wr_u8(b, x->content_type);
    if (x->content_type == MLS_CONTENT_APPLICATION) {
        mls_wr_vec(b, x->application_data);
    } else if (x->content_type == MLS_CONTENT_PROPOSAL) {
        mls_proposal_write(b, &x->proposal);
    } else {
        ASSERT(x->content_type == MLS_CONTENT_COMMIT);
        mls_commit_write(b, &x->commit);
    }
}

void mls_sender_write(struct mls_buf *b, const struct mls_sender *x) {
    mls_wr_u8(b, x->type);
    if (x->type == MLS_SENDER_MEMBER || x->type == MLS_SENDER_EXTERNAL)
        mls_wr_u32(b, x->index);
}

void mls_authenticated_content_read(struct mls_reader *r, struct mls_authenticated_content *out) {
    size_t start = mls_reader_pos(r);
    out->wire_format = mls_rd_u16(r);
    if (mls_reader_ok(r) && out->wire_format != MLS_WIRE_PUBLIC_MESSAGE && out->wire_format != MLS_WIRE_PRIVATE_MESSAGE)
        mls_reader_refuse(r, MLS_WIRE_FORMAT_UNKNOWN);
    mls_framed_content_read(r, &out->content);
    out->content_bytes = mls_reader_since(r, start);
    size_t auth_start = mls_reader_pos(r);
    out->auth = (struct mls_auth_data){.signature = mls_rd_vec(r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG)};
    out->confirmed_input = mls_reader_since(r, start);
    if (mls_reader_ok(r) && out->content.content_type == MLS_CONTENT_COMMIT)
        out->auth.confirmation_tag = mls_rd_vec(r, MLS_HASH_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->auth.encoding = mls_reader_since(r, auth_start);
    out->encoding = mls_reader_since(r, start);
}

enum mls_status mls_authenticated_content_parse(struct span bytes, struct mls_authenticated_content *out) {
    struct mls_reader r = mls_reader_of(bytes);
    mls_authenticated_content_read(&r, out);
    return mls_reader_end(&r);
}

void mls_authenticated_content_write(struct mls_buf *b, const struct mls_authenticated_content *x) {
    mls_wr_u16(b, x->wire_format);
    mls_framed_content_write(b, &x->content);
    mls_wr_vec(b, x->auth.signature);
    if (x->content.content_type == MLS_CONTENT_COMMIT)
        mls_wr_vec(b, x->auth.confirmation_tag);
}

static void read_private_message(struct mls_reader *r, struct mls_private_message *out) {
    size_t start = mls_reader_pos(r);
    out->group_id = mls_rd_vec(r, MLS_GROUP_ID_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->epoch = mls_rd_u64(r);
    out->content_type = mls_rd_u8(r);
    if (mls_reader_ok(r) && (out->content_type < MLS_CONTENT_APPLICATION || out->content_type > MLS_CONTENT_COMMIT))
        mls_reader_refuse(r, MLS_CONTENT_TYPE_UNKNOWN);
    out->sender_data_aad = mls_reader_since(r, start);
    out->authenticated_data = mls_rd_vec(r, MLS_AUTHENTICATED_DATA_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->content_aad = mls_reader_since(r, start);
    out->encrypted_sender_data = mls_rd_vec(r, MLS_HASH_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->ciphertext = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE);
}

void mls_private_message_write(struct mls_buf *b, const struct mls_private_message *x) {
    mls_wr_vec(b, x->group_id);
    mls_wr_u64(b, x->epoch);
    mls_wr_u8(b, x->content_type);
    mls_wr_vec(b, x->authenticated_data);
    mls_wr_vec(b, x->encrypted_sender_data);
    mls_wr_vec(b, x->ciphertext);
}

/* AuthenticatedContent begins with the wire format, and so does the message after its version: it is read again. */
static void read_public_message(struct mls_reader *r, struct mls_public_message *out) {
    mls_authenticated_content_read(r, &out->authenticated);
    out->membership_tag = (struct span){0};
    if (mls_reader_ok(r) && out->authenticated.content.sender.type == MLS_SENDER_MEMBER)
        out->membership_tag = mls_rd_vec(r, MLS_HASH_LEN_MAX, MLS_FIELD_TOO_LONG);
}

enum mls_status mls_message_parse(struct span bytes, struct mls_message *out) {
    if (bytes.len > MLS_MESSAGE_LEN_MAX)
        return MLS_TOO_LARGE;
    struct mls_reader r = mls_reader_of(bytes);
    out->version = mls_rd_u16(&r);
    if (mls_reader_ok(&r) && out->version != MLS_VERSION_10)
        mls_reader_refuse(&r, MLS_VERSION_UNKNOWN);
    struct mls_reader at_wire_format = r;
    out->wire_format = mls_rd_u16(&r);
    if (!mls_reader_ok(&r))
        return r.status;
    switch (out->wire_format) {
    case MLS_WIRE_PUBLIC_MESSAGE:
        r = at_wire_format;
        read_public_message(&r, &out->public_message);
        break;
    case MLS_WIRE_PRIVATE_MESSAGE:
        read_private_message(&r, &out->private_message);
        break;
    case MLS_WIRE_WELCOME:
        mls_welcome_read(&r, &out->welcome);
        break;
    case MLS_WIRE_GROUP_INFO:
        mls_group_info_read(&r, &out->group_info);
        break;
    case MLS_WIRE_KEY_PACKAGE:
        /* section 10: its version is the message's; both are mls10 here, or refused */
        mls_key_package_read(&r, &out->key_package);
        break;
    default:
        mls_reader_refuse(&r, MLS_WIRE_FORMAT_UNKNOWN);
    }
    return mls_reader_end(&r);
}

void mls_message_write(struct mls_buf *b, const struct mls_message *x) {
    mls_wr_u16(b, x->version);
    if (x->wire_format == MLS_WIRE_PUBLIC_MESSAGE) {
        mls_authenticated_content_write(b, &x->public_message.authenticated);
        if (x->public_message.authenticated.content.sender.type == MLS_SENDER_MEMBER)
            mls_wr_vec(b, x->public_message.membership_tag);
        return;
    }
    mls_wr_u16(b, x->wire_format);
    switch (x->wire_format) {
    case MLS_WIRE_PRIVATE_MESSAGE:
        mls_private_message_write(b, &x->private_message);
        break;
    case MLS_WIRE_WELCOME:
        mls_welcome_write(b, &x->welcome);
        break;
    case MLS_WIRE_GROUP_INFO:
        mls_group_info_write(b, &x->group_info);
        break;
    default:
        ASSERT(x->wire_format == MLS_WIRE_KEY_PACKAGE);
        mls_key_package_write(b, &x->key_package);
    }
}
