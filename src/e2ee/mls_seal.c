/* A group as bytes, encrypted: only when the application asks (section 9.2 is about not keeping such things). */
#include <string.h>

#include "base/assert.h"
#include "e2ee/mls_group.h"

/* Of the layout below; another number is another layout. Also the additional data of the encryption. */
#define SEAL_VERSION 2
static const char seal_label[] = "conclave mls group state 1";

/* ---- writing ---- */

static void write_hash(struct mls_buf *b, const struct mls_hash *h) {
    mls_wr_vec(b, mls_hash_span(h));
}

static void write_secret(struct mls_buf *b, const struct secret *s) {
    mls_wr_vec(b, secret_span(s));
}

/* The secrets of an epoch in one order for writing and reading. `encryption` is always consumed. */
#define EPOCH_SECRETS(S)                                                                                               \
    {                                                                                                                  \
        &(S)->sender_data, &(S)->exporter, &(S)->external, &(S)->confirmation_key, &(S)->membership_key,               \
            &(S)->resumption_psk, &(S)->epoch_authenticator, &(S)->init                                                \
    }
#define EPOCH_SECRET_COUNT 8

static void write_options(struct mls_buf *b, const struct mls_group_options *o) {
    mls_wr_u32(b, o->members_max);
    mls_wr_u32(b, o->past_epochs);
    mls_wr_u32(b, o->resumption_epochs);
    mls_wr_u32(b, o->padding_step);
    mls_wr_u32(b, o->external_proposals);
    const bool flags[] = {
        o->no_past_epochs, o->private_handshake, o->no_new_member_proposals, o->no_external_commits,
        o->no_resync,      o->resync_any_key,    o->match_by_application,    o->send_with_proposals_open};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        mls_wr_u8(b, flags[i]);
}

static void write_epoch(struct mls_buf *b, const struct mls_epoch *e) {
    mls_wr_vec(b, mls_bytes_span(&e->context));
    write_hash(b, &e->interim);
    write_hash(b, &e->confirmation_tag);
    const struct secret *const secrets[] = EPOCH_SECRETS(&e->secrets);
    for (size_t i = 0; i < EPOCH_SECRET_COUNT; i++)
        write_secret(b, secrets[i]);
}

static enum mls_status write_tree(struct mls_buf *b, const struct tree *t) {
    size_t begin = mls_wr_vec_begin(b);
    enum mls_status status = tree_write(t, b);
    mls_wr_vec_end(b, begin);
    if (status == MLS_OK)
        status = tree_private_write(t, b);
    begin = mls_wr_vec_begin(b);
    for (uint32_t l = tree_next_member(t, 0); l != TREE_NONE; l = tree_next_member(t, l + 1)) {
        if (!tree_is_verified(t, l))
            mls_wr_u32(b, l);
    }
    mls_wr_vec_end(b, begin);
    return status;
}

static enum mls_status write_past(struct mls_buf *b, const struct mls_past *past) {
    mls_wr_vec(b, mls_bytes_span(&past->context));
    write_secret(b, &past->sender_data);
    enum mls_status status = mls_secret_tree_write(&past->messages, b);
    mls_wr_u32(b, past->changed_count);
    for (uint32_t i = 0; i < past->changed_count; i++) {
        mls_wr_u32(b, past->changed[i].leaf);
        mls_wr_vec(b, past->changed[i].key);
    }
    return status;
}

static void write_stored(struct mls_buf *b, const struct mls_stored *s) {
    mls_wr_vec(b, mls_bytes_span(&s->bytes));
    mls_wr_u8(b, s->own);
    write_hash(b, &s->message_hash);
    write_secret(b, &s->encryption_key);
    write_secret(b, &s->signature_key);
}

static enum mls_status write_state(const struct mls_group *g, struct mls_buf *b) {
    mls_wr_u16(b, SEAL_VERSION);
    mls_wr_u16(b, g->crypto.suite->id);
    write_options(b, &g->options);
    write_epoch(b, &g->epoch);
    enum mls_status status = mls_secret_tree_write(&g->epoch.messages, b);
    write_secret(b, &g->signature_key);
    if (status == MLS_OK)
        status = write_tree(b, g->tree);
    mls_wr_u32(b, g->past_count);
    for (uint32_t i = 0; status == MLS_OK && i < g->past_count; i++)
        status = write_past(b, g->past[i]);
    mls_wr_u32(b, g->resumption_count);
    for (uint32_t i = 0; i < g->resumption_count; i++) {
        mls_wr_u64(b, g->resumption[i].epoch);
        write_secret(b, &g->resumption[i].psk);
    }
    mls_wr_u32(b, g->stored_count);
    for (uint32_t i = 0; i < g->stored_count; i++)
        write_stored(b, g->stored[i]);
    mls_wr_vec(b, mls_bytes_span(&g->reinit));
    return status != MLS_OK ? status : b->status;
}

enum mls_status mls_group_seal(const struct mls_group *group, struct span key, struct rng *rng, struct mls_buf *out) {
    ASSERT(key.len == MLS_SEAL_KEY_LEN);
    if (group->state != MLS_STATE_ACTIVE && group->state != MLS_STATE_REINIT)
        return mls_group_ready(group);
    if (group->staged != NULL)
        return MLS_COMMIT_STAGED;
    struct mls_buf plain;
    mls_buf_init(&plain, 2 * (size_t)MLS_TREE_LEN_MAX);
    size_t start = mls_buf_len(out);
    enum mls_status status = write_state(group, &plain);
    uint8_t nonce[AEAD_NONCE_LEN];
    rng_fill(rng, nonce, sizeof nonce);
    mls_wr_span(out, span_of(nonce, sizeof nonce));
    uint8_t *to = mls_wr_reserve(out, mls_buf_len(&plain) + AEAD_TAG_LEN);
    if (status == MLS_OK && to != NULL)
        status = mls_status_of_crypto(group->crypto.backend->aead_seal(AEAD_AES_256_GCM, key, nonce,
                                                                       span_str(seal_label), mls_buf_span(&plain), to),
                                      MLS_CRYPTO_FAILED);
    mls_buf_free(&plain);
    return mls_output_end(out, start, status);
}

/* ---- reading ----
 *
 * The bytes are authentic: they were written above. They are read with the same care as others all the same, as a key
 * may leak. */

static void read_hash(struct mls_reader *r, struct mls_hash *out) {
    struct span bytes = mls_rd_vec(r, HASH_LEN_MAX, MLS_SEAL_INVALID);
    out->len = (uint8_t)bytes.len;
    if (bytes.len > 0)
        memcpy(out->bytes, bytes.data, bytes.len);
}

static void read_secret(struct mls_reader *r, struct secret *out) {
    secret_set(out, mls_rd_vec(r, SECRET_LEN_MAX, MLS_SEAL_INVALID));
}

/* A secret of a length that later code counts on. */
static void read_secret_of(struct mls_reader *r, size_t len, struct secret *out) {
    read_secret(r, out);
    if (mls_reader_ok(r) && out->len != len)
        mls_reader_refuse(r, MLS_SEAL_INVALID);
}

static bool read_flag(struct mls_reader *r) {
    uint8_t value = mls_rd_u8(r);
    if (mls_reader_ok(r) && value > 1)
        mls_reader_refuse(r, MLS_SEAL_INVALID);
    return value == 1;
}

static void read_options(struct mls_reader *r, struct mls_group_options *o) {
    o->members_max = mls_rd_u32(r);
    o->past_epochs = mls_rd_u32(r);
    o->resumption_epochs = mls_rd_u32(r);
    o->padding_step = mls_rd_u32(r);
    o->external_proposals = mls_rd_u32(r);
    bool *const flags[] = {
        &o->no_past_epochs, &o->private_handshake, &o->no_new_member_proposals, &o->no_external_commits,
        &o->no_resync,      &o->resync_any_key,    &o->match_by_application,    &o->send_with_proposals_open};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        *flags[i] = read_flag(r);
    if (mls_reader_ok(r) &&
        (o->members_max > MLS_MEMBERS_MAX || o->past_epochs > MLS_PAST_EPOCHS_MAX ||
         o->resumption_epochs > MLS_RESUMPTION_EPOCHS_MAX || o->padding_step > MLS_PADDING_STEP_MAX))
        mls_reader_refuse(r, MLS_SEAL_INVALID);
}

static enum mls_status read_epoch(struct mls_reader *r, struct mls_group *g) {
    struct mls_epoch *e = &g->epoch;
    struct span context = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_SEAL_INVALID);
    read_hash(r, &e->interim);
    read_hash(r, &e->confirmation_tag);
    struct secret *const secrets[] = EPOCH_SECRETS(&e->secrets);
    for (size_t i = 0; i < EPOCH_SECRET_COUNT; i++)
        read_secret_of(r, g->crypto.suite->hash_len, secrets[i]);
    enum mls_status status = r->status;
    if (status == MLS_OK)
        status = mls_epoch_take_context(e, context);
    if (status == MLS_OK && e->parsed.cipher_suite != g->crypto.suite->id)
        status = MLS_SEAL_INVALID;
    return status != MLS_OK ? status : mls_secret_tree_read(r, &g->crypto, &e->messages);
}

static enum mls_status read_tree(struct mls_reader *r, struct mls_group *g, struct rng *rng) {
    struct span encoded = mls_rd_vec(r, MLS_TREE_LEN_MAX, MLS_SEAL_INVALID);
    uint8_t hash[HASH_LEN_MAX];
    if (!mls_reader_ok(r))
        return r->status;
    enum mls_status status = tree_read(&g->crypto, g->options.members_max, rng, encoded, &g->tree);
    if (status == MLS_OK)
        status = tree_hash(g->tree, hash);
    if (status == MLS_OK && !span_equal(span_of(hash, g->crypto.suite->hash_len), g->epoch.parsed.tree_hash))
        status = MLS_TREE_HASH_WRONG;
    if (status == MLS_OK)
        status = tree_private_read(g->tree, r);
    struct span unverified = mls_rd_vec(r, 4 * MLS_MEMBERS_MAX, MLS_SEAL_INVALID);
    if (status != MLS_OK || !mls_reader_ok(r))
        return status != MLS_OK ? status : r->status;
    struct mls_reader list = mls_reader_of(unverified);
    uint32_t next = unverified.len > 0 ? mls_rd_u32(&list) : TREE_NONE;
    for (uint32_t l = tree_next_member(g->tree, 0); l != TREE_NONE; l = tree_next_member(g->tree, l + 1)) {
        if (l != next)
            tree_set_verified(g->tree, l);
        else
            next = mls_reader_left(&list) > 0 ? mls_rd_u32(&list) : TREE_NONE;
    }
    g->own_leaf = tree_own_leaf(g->tree);
    /* secrets of a tree of this size */
    return g->epoch.messages.leaves == tree_leaf_count(g->tree) ? MLS_OK : MLS_SEAL_INVALID;
}

static enum mls_status read_changed(struct mls_reader *r, struct mls_past *past) {
    uint32_t count = mls_rd_u32(r);
    if (!mls_reader_ok(r) || count > 2 * MLS_MEMBERS_MAX)
        return MLS_SEAL_INVALID;
    struct mls_reader ahead = *r;
    size_t key_bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        (void)mls_rd_u32(&ahead);
        key_bytes += mls_rd_vec(&ahead, MLS_KEY_LEN_MAX, MLS_SEAL_INVALID).len;
    }
    if (!mls_reader_ok(&ahead))
        return ahead.status;
    enum mls_status status = mls_past_alloc(past, count, key_bytes);
    size_t used = 0;
    for (uint32_t i = 0; status == MLS_OK && i < count; i++) {
        uint32_t leaf = mls_rd_u32(r);
        mls_past_put(past, leaf, mls_rd_vec(r, MLS_KEY_LEN_MAX, MLS_SEAL_INVALID), &used);
    }
    return status;
}

static enum mls_status read_past(struct mls_reader *r, struct mls_group *g) {
    struct mls_past *past = mls_alloc(sizeof *past);
    if (past == NULL)
        return MLS_NO_MEMORY;
    g->past[g->past_count++] = past;
    struct span context = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_SEAL_INVALID);
    read_secret_of(r, g->crypto.suite->hash_len, &past->sender_data);
    enum mls_status status = r->status;
    if (status == MLS_OK)
        status = mls_bytes_copy(context, &past->context);
    if (status == MLS_OK)
        status = mls_group_context_parse(mls_bytes_span(&past->context), &past->parsed);
    if (status == MLS_OK)
        status = mls_secret_tree_read(r, &g->crypto, &past->messages);
    return status != MLS_OK ? status : read_changed(r, past);
}

static enum mls_status read_stored(struct mls_reader *r, struct mls_group *g) {
    struct span bytes = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_SEAL_INVALID);
    enum mls_status status = r->status;
    struct mls_stored *s = NULL;
    if (status == MLS_OK)
        status = mls_group_store_reserve(g);
    if (status == MLS_OK)
        status = mls_stored_make(&g->crypto, bytes, &s);
    if (status != MLS_OK)
        return status;
    mls_group_store(g, s);
    s->own = read_flag(r);
    read_hash(r, &s->message_hash);
    read_secret(r, &s->encryption_key);
    read_secret(r, &s->signature_key);
    const struct mls_framed_content *content = &s->parsed.content;
    if (content->content_type != MLS_CONTENT_PROPOSAL)
        return MLS_SEAL_INVALID;
    /* an Update of our leaf is one that we made, with the key that its commit will ask for */
    bool ours = content->proposal.type == MLS_PROPOSAL_UPDATE && content->sender.index == g->own_leaf;
    if (ours && (!s->own || s->encryption_key.len != kem_private_len(g->crypto.suite->hpke.kem)))
        return MLS_SEAL_INVALID;
    return r->status;
}

static enum mls_status read_lists(struct mls_reader *r, struct mls_group *g) {
    uint32_t past = mls_rd_u32(r);
    enum mls_status status = mls_reader_ok(r) && past > g->past_max ? MLS_SEAL_INVALID : r->status;
    for (uint32_t i = 0; status == MLS_OK && i < past; i++)
        status = read_past(r, g);
    uint32_t resumptions = mls_rd_u32(r);
    if (status == MLS_OK && mls_reader_ok(r) && resumptions > g->resumption_max)
        status = MLS_SEAL_INVALID;
    for (uint32_t i = 0; status == MLS_OK && mls_reader_ok(r) && i < resumptions; i++) {
        g->resumption[i].epoch = mls_rd_u64(r);
        read_secret_of(r, g->crypto.suite->hash_len, &g->resumption[i].psk);
        g->resumption_count++;
    }
    uint32_t stored = mls_rd_u32(r);
    if (status == MLS_OK && mls_reader_ok(r) && stored > MLS_PROPOSALS_MAX)
        status = MLS_SEAL_INVALID;
    for (uint32_t i = 0; status == MLS_OK && mls_reader_ok(r) && i < stored; i++)
        status = read_stored(r, g);
    struct span reinit = mls_rd_vec(r, MLS_MESSAGE_LEN_MAX, MLS_SEAL_INVALID);
    if (status == MLS_OK)
        status = mls_reader_end(r);
    struct mls_proposal p;
    if (status == MLS_OK && reinit.len > 0)
        status = mls_proposal_parse(reinit, &p);
    if (status == MLS_OK && reinit.len > 0 && p.type != MLS_PROPOSAL_REINIT)
        status = MLS_SEAL_INVALID;
    return status != MLS_OK ? status : mls_bytes_copy(reinit, &g->reinit);
}

static enum mls_status read_state(struct mls_client *client, struct mls_reader *r, struct rng *rng,
                                  struct mls_group **out) {
    struct mls_crypto crypto;
    struct mls_group_options options = {0};
    if (mls_rd_u16(r) != SEAL_VERSION)
        return MLS_SEAL_INVALID;
    enum mls_status status = mls_crypto_of(client->backend, mls_rd_u16(r), &crypto);
    read_options(r, &options);
    if (status == MLS_OK)
        status = r->status;
    if (status == MLS_OK)
        status = mls_group_alloc(client, &crypto, &options, out);
    if (status != MLS_OK)
        return status;
    struct mls_group *g = *out;
    status = read_epoch(r, g);
    if (status == MLS_OK)
        read_secret_of(r, sign_private_len(crypto.suite->sign), &g->signature_key);
    if (status == MLS_OK)
        status = r->status;
    if (status == MLS_OK)
        status = read_tree(r, g, rng);
    if (status == MLS_OK)
        status = read_lists(r, g);
    if (status == MLS_OK)
        g->state = g->reinit.len > 0 ? MLS_STATE_REINIT : MLS_STATE_ACTIVE;
    return status;
}

enum mls_status mls_group_restore(struct mls_client *client, struct span key, struct span sealed, struct rng *rng,
                                  struct mls_group **group) {
    ASSERT(key.len == MLS_SEAL_KEY_LEN);
    if (sealed.len < AEAD_NONCE_LEN + AEAD_TAG_LEN + 4)
        return MLS_SEAL_INVALID;
    struct span text = span_of(sealed.data + AEAD_NONCE_LEN, sealed.len - AEAD_NONCE_LEN);
    size_t plain_len = text.len - AEAD_TAG_LEN;
    uint8_t *plain = mls_alloc(plain_len);
    if (plain == NULL)
        return MLS_NO_MEMORY;
    struct mls_group *g = NULL;
    enum mls_status status = mls_status_of_crypto(
        client->backend->aead_open(AEAD_AES_256_GCM, key, sealed.data, span_str(seal_label), text, plain),
        MLS_SEAL_INVALID);
    if (status == MLS_OK) {
        struct mls_reader r = mls_reader_of(span_of(plain, plain_len));
        status = read_state(client, &r, rng, &g);
    }
    mls_free(plain, plain_len);
    if (status == MLS_OK && mls_client_group(client, mls_group_id(g)) != NULL)
        status = MLS_GROUP_ID_IN_USE;
    if (status != MLS_OK) {
        mls_group_free(g);
        return status == MLS_NO_MEMORY || status == MLS_GROUP_ID_IN_USE ? status : MLS_SEAL_INVALID;
    }
    mls_group_enlist(g);
    *group = g;
    return MLS_OK;
}
