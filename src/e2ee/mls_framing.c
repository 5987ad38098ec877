#include "e2ee/mls_framing.h"

#include <string.h>

#include "base/assert.h"
#include "base/secret.h"

/* SenderData (section 6.3.2): leaf index, generation, reuse guard. */
#define SENDER_DATA_LEN 12
#define REUSE_GUARD_LEN 4

/* FramedContentTBS and AuthenticatedContentTBM start with this (section 6.1). */
static const uint8_t version_mls10[2] = {0, MLS_VERSION_10};

static bool signs_group_context(uint8_t sender_type) {
    return sender_type == MLS_SENDER_MEMBER || sender_type == MLS_SENDER_NEW_MEMBER_COMMIT;
}

/* ---- drafts ---- */

void mls_draft_begin(struct mls_draft *d, const struct mls_draft_header *header) {
    bool is_public = header->wire_format == MLS_WIRE_PUBLIC_MESSAGE;
    ASSERT(is_public || header->wire_format == MLS_WIRE_PRIVATE_MESSAGE);
    ASSERT(is_public || header->sender.type == MLS_SENDER_MEMBER);
    ASSERT(!is_public || header->content_type != MLS_CONTENT_APPLICATION);
    *d = (struct mls_draft){
        .wire_format = header->wire_format, .sender = header->sender, .content_type = header->content_type};
    mls_buf_init(&d->bytes, MLS_MESSAGE_LEN_MAX);
    mls_wr_u16(&d->bytes, MLS_VERSION_10);
    mls_wr_u16(&d->bytes, header->wire_format);
    mls_wr_vec(&d->bytes, header->group_id);
    mls_wr_u64(&d->bytes, header->epoch);
    mls_sender_write(&d->bytes, &header->sender);
    mls_wr_vec(&d->bytes, header->authenticated_data);
    mls_wr_u8(&d->bytes, header->content_type);
    d->header_end = mls_buf_len(&d->bytes);
}

void mls_draft_free(struct mls_draft *d) {
    mls_buf_free(&d->bytes);
}

enum mls_status mls_draft_sign(struct mls_draft *d, const struct mls_crypto *c, struct span group_context,
                               const struct secret *private_key) {
    ASSERT(d->content_end == 0);
    if (!mls_buf_ok(&d->bytes))
        return d->bytes.status;
    d->content_end = mls_buf_len(&d->bytes);
    ASSERT(d->content_end > d->header_end);
    const struct span parts[] = {mls_buf_span(&d->bytes), group_context};
    enum mls_status status = mls_sign_with_label(c, private_key, "FramedContentTBS", parts,
                                                 signs_group_context(d->sender.type) ? 2 : 1, &d->bytes);
    d->signature_end = mls_buf_len(&d->bytes);
    d->auth_end = d->content_type == MLS_CONTENT_COMMIT ? 0 : d->signature_end;
    return status;
}

/* The draft's bytes from the wire format up to `end`. */
static struct span draft_until(const struct mls_draft *d, size_t end) {
    ASSERT(end > d->header_end && end <= mls_buf_len(&d->bytes) && mls_buf_ok(&d->bytes));
    return span_of(d->bytes.w.data + sizeof version_mls10, end - sizeof version_mls10);
}

struct span mls_draft_confirmed_input(const struct mls_draft *d) {
    ASSERT(d->content_type == MLS_CONTENT_COMMIT);
    return draft_until(d, d->signature_end);
}

enum mls_status mls_draft_confirm(struct mls_draft *d, struct span confirmation_tag) {
    ASSERT(d->content_type == MLS_CONTENT_COMMIT && d->signature_end > 0 && d->auth_end == 0);
    mls_wr_vec(&d->bytes, confirmation_tag);
    d->auth_end = mls_buf_len(&d->bytes);
    return d->bytes.status;
}

struct span mls_draft_authenticated(const struct mls_draft *d) {
    return draft_until(d, d->auth_end);
}

/* ---- public messages ---- */

/* AuthenticatedContentTBM (section 6.2): the tag of `content_bytes` and `auth`, as MAC or as check. */
struct tbm {
    struct span parts[4];
};

static struct tbm tbm_of(struct span content_bytes, struct span group_context, struct span auth) {
    return (struct tbm){{span_of(version_mls10, sizeof version_mls10), content_bytes, group_context, auth}};
}

enum mls_status mls_public_protect(struct mls_draft *d, const struct mls_crypto *c, struct span group_context,
                                   const struct secret *membership_key) {
    ASSERT(d->wire_format == MLS_WIRE_PUBLIC_MESSAGE && d->auth_end > 0);
    if (!mls_buf_ok(&d->bytes) || d->sender.type != MLS_SENDER_MEMBER)
        return d->bytes.status;
    ASSERT(membership_key != NULL);
    struct span auth = span_of(d->bytes.w.data + d->content_end, d->auth_end - d->content_end);
    struct tbm tbm = tbm_of(draft_until(d, d->content_end), group_context, auth);
    struct mls_hash tag;
    enum mls_status status = mls_mac(c, membership_key, tbm.parts, ARRAY_LEN(tbm.parts), &tag);
    if (status != MLS_OK)
        return status;
    mls_wr_vec(&d->bytes, mls_hash_span(&tag));
    return d->bytes.status;
}

enum mls_status mls_public_check_membership(const struct mls_crypto *c, const struct mls_public_message *message,
                                            struct span group_context, const struct secret *membership_key) {
    const struct mls_authenticated_content *ac = &message->authenticated;
    if (ac->content.sender.type != MLS_SENDER_MEMBER)
        return MLS_OK;
    ASSERT(membership_key != NULL);
    struct tbm tbm = tbm_of(ac->content_bytes, group_context, ac->auth.encoding);
    return mls_mac_check(c, membership_key, tbm.parts, ARRAY_LEN(tbm.parts), message->membership_tag,
                         MLS_MEMBERSHIP_TAG_INVALID);
}

enum mls_status mls_content_check_sender(const struct mls_authenticated_content *ac) {
    const struct mls_framed_content *content = &ac->content;
    bool is_public = ac->wire_format == MLS_WIRE_PUBLIC_MESSAGE;
    if (is_public && content->content_type == MLS_CONTENT_APPLICATION)
        return MLS_APPLICATION_DATA_PUBLIC;
    if (!is_public && content->sender.type != MLS_SENDER_MEMBER)
        return MLS_EXTERNAL_SENDER_PRIVATE;
    switch (content->sender.type) {
    case MLS_SENDER_EXTERNAL:
        if (content->content_type != MLS_CONTENT_PROPOSAL)
            return MLS_SENDER_CONTENT_MISMATCH;
        return mls_proposal_may_be_external(content->proposal.type) ? MLS_OK : MLS_SENDER_PROPOSAL_MISMATCH;
    case MLS_SENDER_NEW_MEMBER_PROPOSAL:
        if (content->content_type != MLS_CONTENT_PROPOSAL)
            return MLS_SENDER_CONTENT_MISMATCH;
        return content->proposal.type == MLS_PROPOSAL_ADD ? MLS_OK : MLS_SENDER_PROPOSAL_MISMATCH;
    case MLS_SENDER_NEW_MEMBER_COMMIT:
        return content->content_type == MLS_CONTENT_COMMIT ? MLS_OK : MLS_SENDER_CONTENT_MISMATCH;
    default:
        return MLS_OK;
    }
}

enum mls_status mls_content_verify(const struct mls_crypto *c, const struct mls_authenticated_content *ac,
                                   struct span group_context, struct span signature_key) {
    const struct span parts[] = {span_of(version_mls10, sizeof version_mls10), ac->content_bytes, group_context};
    return mls_verify_with_label(c, signature_key, "FramedContentTBS", parts,
                                 signs_group_context(ac->content.sender.type) ? 3 : 2, ac->auth.signature,
                                 MLS_SIGNATURE_INVALID);
}

enum mls_status mls_public_unprotect(const struct mls_crypto *c, const struct mls_public_message *message,
                                     struct span group_context, const struct secret *membership_key,
                                     struct span signature_key) {
    enum mls_status status = mls_content_check_sender(&message->authenticated);
    if (status == MLS_OK)
        status = mls_public_check_membership(c, message, group_context, membership_key);
    if (status == MLS_OK)
        status = mls_content_verify(c, &message->authenticated, group_context, signature_key);
    return status;
}

/* ---- private messages ---- */

enum mls_status mls_sender_data_keys(const struct mls_crypto *c, const struct secret *sender_data_secret,
                                     struct span ciphertext, uint8_t key[AEAD_KEY_LEN_MAX],
                                     uint8_t nonce[AEAD_NONCE_LEN]) {
    struct span sample = ciphertext;
    if (sample.len > c->suite->hash_len)
        sample.len = c->suite->hash_len;
    enum mls_status status = mls_expand_with_label(c, sender_data_secret, "key", sample, key, c->suite->key_len);
    if (status == MLS_OK)
        status = mls_expand_with_label(c, sender_data_secret, "nonce", sample, nonce, AEAD_NONCE_LEN);
    return status;
}

static enum mls_ratchet_kind ratchet_of(uint8_t content_type) {
    return content_type == MLS_CONTENT_APPLICATION ? MLS_RATCHET_APPLICATION : MLS_RATCHET_HANDSHAKE;
}

/* Section 6.3.1: the guard goes into the first four bytes of the nonce. */
static void guard_nonce(uint8_t *nonce, const uint8_t *reuse_guard) {
    for (size_t i = 0; i < REUSE_GUARD_LEN; i++)
        nonce[i] ^= reuse_guard[i];
}

/* Places in a PrivateMessage under construction. */
struct private_places {
    size_t struct_start;    /* after version and wire format */
    size_t sender_data_aad; /* ends of the two AADs, which start at struct_start */
    size_t content_aad;
    size_t sender_data;
    size_t ciphertext;
};

/* Everything of the message but what is encrypted, whose places are left free. */
static struct private_places write_private_shell(const struct mls_draft *d, size_t plain_len, struct mls_buf *out) {
    struct private_places places;
    struct mls_reader r = mls_reader_of(mls_buf_span(&d->bytes));
    (void)mls_rd_bytes(&r, sizeof version_mls10 + 2);
    struct mls_framed_content header = {.group_id = mls_rd_vec(&r, MLS_GROUP_ID_LEN_MAX, MLS_TOO_LARGE)};
    header.epoch = mls_rd_u64(&r);
    (void)mls_rd_bytes(&r, 1 + 4); /* the sender, a member */
    header.authenticated_data = mls_rd_vec(&r, MLS_AUTHENTICATED_DATA_LEN_MAX, MLS_TOO_LARGE);
    ASSERT(mls_reader_ok(&r) && mls_reader_pos(&r) + 1 == d->header_end);

    mls_wr_u16(out, MLS_VERSION_10);
    mls_wr_u16(out, MLS_WIRE_PRIVATE_MESSAGE);
    places.struct_start = mls_buf_len(out);
    mls_wr_vec(out, header.group_id);
    mls_wr_u64(out, header.epoch);
    mls_wr_u8(out, d->content_type);
    places.sender_data_aad = mls_buf_len(out);
    mls_wr_vec(out, header.authenticated_data);
    places.content_aad = mls_buf_len(out);
    mls_wr_len(out, SENDER_DATA_LEN + AEAD_TAG_LEN);
    places.sender_data = mls_buf_len(out);
    mls_wr_zeros(out, SENDER_DATA_LEN + AEAD_TAG_LEN);
    mls_wr_len(out, plain_len + AEAD_TAG_LEN);
    places.ciphertext = mls_buf_len(out);
    mls_wr_zeros(out, plain_len + AEAD_TAG_LEN);
    return places;
}

/* Fills in encrypted_sender_data; the ciphertext is there already. */
static enum mls_status seal_sender_data(const struct mls_crypto *c, const struct secret *sender_data_secret,
                                        const struct private_places *places, const struct mls_sender_data *sender,
                                        struct span ciphertext, uint8_t *message) {
    uint8_t key[AEAD_KEY_LEN_MAX], nonce[AEAD_NONCE_LEN], plain[SENDER_DATA_LEN];
    struct writer w = writer_of(plain, sizeof plain);
    wr_u32(&w, sender->leaf);
    wr_u32(&w, sender->generation);
    wr_bytes(&w, sender->reuse_guard, REUSE_GUARD_LEN);
    ASSERT(writer_ok(&w));
    enum mls_status status = mls_sender_data_keys(c, sender_data_secret, ciphertext, key, nonce);
    if (status == MLS_OK) {
        struct span aad = span_of(message + places->struct_start, places->sender_data_aad - places->struct_start);
        status =
            mls_status_of_crypto(c->backend->aead_seal(c->suite->hpke.aead, span_of(key, c->suite->key_len), nonce, aad,
                                                       span_of(plain, sizeof plain), message + places->sender_data),
                                 MLS_CRYPTO_FAILED);
    }
    secure_wipe(key, sizeof key);
    secure_wipe(nonce, sizeof nonce);
    secure_wipe(plain, sizeof plain);
    return status;
}

enum mls_status mls_private_protect(struct mls_draft *d, struct mls_secret_tree *tree,
                                    const struct secret *sender_data_secret, size_t padding_len, struct rng *rng,
                                    struct mls_buf *out) {
    ASSERT(d->wire_format == MLS_WIRE_PRIVATE_MESSAGE && d->auth_end > 0);
    const struct mls_crypto *c = &tree->crypto;
    if (!mls_buf_ok(&d->bytes))
        return d->bytes.status;
    /* the whole message must be one that others take: what the shell adds is less than what the draft's header has */
    size_t content_len = d->auth_end - d->header_end;
    size_t overhead = 2 * AEAD_TAG_LEN + SENDER_DATA_LEN + 8;
    if (padding_len > MLS_MESSAGE_LEN_MAX || d->auth_end + overhead + padding_len > MLS_MESSAGE_LEN_MAX)
        return MLS_TOO_LARGE;
    size_t before = mls_buf_len(out);
    struct private_places places = write_private_shell(d, content_len + padding_len, out);
    if (!mls_buf_ok(out))
        return out->status;
    uint8_t *message = out->w.data;
    struct span text = span_of(message + places.ciphertext, content_len + padding_len);
    memcpy(message + places.ciphertext, d->bytes.w.data + d->header_end, content_len);

    struct mls_message_key key;
    enum mls_status status = mls_secret_tree_next(tree, d->sender.index, ratchet_of(d->content_type), &key);
    if (status == MLS_OK) {
        struct mls_sender_data sender = {.leaf = d->sender.index, .generation = key.generation};
        rng_fill(rng, sender.reuse_guard, REUSE_GUARD_LEN);
        guard_nonce(key.nonce, sender.reuse_guard);
        struct span aad = span_of(message + places.struct_start, places.content_aad - places.struct_start);
        status = mls_status_of_crypto(c->backend->aead_seal(c->suite->hpke.aead, span_of(key.key, c->suite->key_len),
                                                            key.nonce, aad, text, message + places.ciphertext),
                                      MLS_CRYPTO_FAILED);
        if (status == MLS_OK)
            status = seal_sender_data(c, sender_data_secret, &places, &sender,
                                      span_of(message + places.ciphertext, text.len + AEAD_TAG_LEN), message);
    }
    mls_message_key_wipe(tree, &key);
    if (status != MLS_OK)
        mls_buf_cut(out, before);
    return status;
}

enum mls_status mls_private_sender(const struct mls_crypto *c, const struct mls_private_message *message,
                                   const struct secret *sender_data_secret, struct mls_sender_data *out) {
    if (message->encrypted_sender_data.len != SENDER_DATA_LEN + AEAD_TAG_LEN)
        return MLS_SENDER_DATA_INVALID;
    uint8_t key[AEAD_KEY_LEN_MAX], nonce[AEAD_NONCE_LEN], plain[SENDER_DATA_LEN];
    enum mls_status status = mls_sender_data_keys(c, sender_data_secret, message->ciphertext, key, nonce);
    if (status == MLS_OK)
        status =
            mls_status_of_crypto(c->backend->aead_open(c->suite->hpke.aead, span_of(key, c->suite->key_len), nonce,
                                                       message->sender_data_aad, message->encrypted_sender_data, plain),
                                 MLS_SENDER_DATA_INVALID);
    if (status == MLS_OK) {
        struct reader r = reader_of(plain, sizeof plain);
        out->leaf = rd_u32(&r);
        out->generation = rd_u32(&r);
        rd_copy(&r, out->reuse_guard, REUSE_GUARD_LEN);
    }
    secure_wipe(key, sizeof key);
    secure_wipe(nonce, sizeof nonce);
    secure_wipe(plain, sizeof plain);
    return status;
}

/* Decrypts into `plain`, behind the header that makes an AuthenticatedContent of it. */
static enum mls_status open_content(const struct mls_crypto *c, const struct mls_private_message *message,
                                    const struct mls_sender_data *sender, struct mls_message_key *key,
                                    struct mls_buf *plain) {
    struct mls_sender from = {.type = MLS_SENDER_MEMBER, .index = sender->leaf};
    size_t plain_len = message->ciphertext.len - AEAD_TAG_LEN;
    mls_wr_u16(plain, MLS_WIRE_PRIVATE_MESSAGE);
    mls_wr_vec(plain, message->group_id);
    mls_wr_u64(plain, message->epoch);
    mls_sender_write(plain, &from);
    mls_wr_vec(plain, message->authenticated_data);
    mls_wr_u8(plain, message->content_type);
    uint8_t none;
    uint8_t *to = plain_len > 0 ? mls_wr_reserve(plain, plain_len) : &none;
    if (!mls_buf_ok(plain))
        return plain->status;
    guard_nonce(key->nonce, sender->reuse_guard);
    return mls_status_of_crypto(c->backend->aead_open(c->suite->hpke.aead, span_of(key->key, c->suite->key_len),
                                                      key->nonce, message->content_aad, message->ciphertext, to),
                                MLS_CONTENT_INVALID);
}

/* PrivateMessageContent (section 6.3.1): content, authentication, zeros. */
static enum mls_status read_content(struct span plain, struct mls_authenticated_content *out) {
    struct mls_reader r = mls_reader_of(plain);
    mls_authenticated_content_read(&r, out);
    if (!mls_reader_ok(&r))
        return r.status;
    struct span padding = mls_rd_bytes(&r, mls_reader_left(&r));
    uint8_t any = 0;
    for (size_t i = 0; i < padding.len; i++)
        any |= padding.data[i];
    return any == 0 ? MLS_OK : MLS_PADDING_NOT_ZERO;
}

enum mls_status mls_private_open(struct mls_secret_tree *tree, const struct mls_private_message *message,
                                 const struct mls_sender_data *sender, struct span group_context,
                                 struct span signature_key, struct mls_buf *plain,
                                 struct mls_authenticated_content *out, struct mls_message_key *key) {
    const struct mls_crypto *c = &tree->crypto;
    if (message->ciphertext.len < AEAD_TAG_LEN)
        return MLS_CONTENT_INVALID;
    enum mls_status status =
        mls_secret_tree_peek(tree, sender->leaf, ratchet_of(message->content_type), sender->generation, key);
    if (status != MLS_OK)
        return status;
    mls_buf_clear(plain);
    status = open_content(c, message, sender, key, plain);
    if (status == MLS_OK)
        status = read_content(mls_buf_span(plain), out);
    if (status == MLS_OK)
        status = mls_content_check_sender(out);
    if (status == MLS_OK)
        status = mls_content_verify(c, out, group_context, signature_key);
    if (status != MLS_OK) {
        mls_buf_clear(plain);
        mls_message_key_wipe(tree, key);
    }
    return status;
}

enum mls_status mls_private_unprotect(struct mls_secret_tree *tree, const struct mls_private_message *message,
                                      const struct mls_sender_data *sender, struct span group_context,
                                      struct span signature_key, struct mls_buf *plain,
                                      struct mls_authenticated_content *out) {
    struct mls_message_key key;
    enum mls_status status = mls_private_open(tree, message, sender, group_context, signature_key, plain, out, &key);
    if (status != MLS_OK)
        return status;
    mls_secret_tree_consume(tree, &key);
    mls_message_key_wipe(tree, &key);
    return MLS_OK;
}
