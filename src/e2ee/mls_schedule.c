#include "e2ee/mls_schedule.h"

#include "base/assert.h"

void mls_epoch_secrets_wipe(struct mls_epoch_secrets *s) {
    secure_wipe(s, sizeof *s);
}

enum mls_status mls_joiner_secret(const struct mls_crypto *c, const struct secret *init_secret,
                                  const struct secret *commit_secret, struct span group_context, struct secret *out) {
    struct secret extracted;
    enum mls_status status = mls_extract(c, secret_span(init_secret), secret_span(commit_secret), &extracted);
    if (status == MLS_OK)
        status = mls_expand_secret(c, &extracted, "joiner", group_context, out);
    else
        secret_wipe(out);
    secret_wipe(&extracted);
    return status;
}

enum mls_status mls_member_secret(const struct mls_crypto *c, const struct secret *joiner_secret,
                                  const struct secret *psk_secret, struct secret *out) {
    return mls_extract(c, secret_span(joiner_secret), secret_span(psk_secret), out);
}

enum mls_status mls_welcome_secret(const struct mls_crypto *c, const struct secret *member_secret, struct secret *out) {
    return mls_derive_secret(c, member_secret, "welcome", out);
}

enum mls_status mls_epoch_derive(const struct mls_crypto *c, const struct secret *member_secret,
                                 struct span group_context, struct mls_epoch_secrets *out) {
    struct secret epoch_secret;
    enum mls_status status = mls_expand_secret(c, member_secret, "epoch", group_context, &epoch_secret);
    if (status == MLS_OK)
        status = mls_epoch_expand(c, &epoch_secret, out);
    else
        mls_epoch_secrets_wipe(out);
    secret_wipe(&epoch_secret);
    return status;
}

enum mls_status mls_epoch_expand(const struct mls_crypto *c, const struct secret *epoch_secret,
                                 struct mls_epoch_secrets *out) {
    const struct {
        const char *label;
        struct secret *to;
    } table[] = {
        {"sender data", &out->sender_data},
        {"encryption", &out->encryption},
        {"exporter", &out->exporter},
        {"external", &out->external},
        {"confirm", &out->confirmation_key},
        {"membership", &out->membership_key},
        {"resumption", &out->resumption_psk},
        {"authentication", &out->epoch_authenticator},
        {"init", &out->init},
    };
    ASSERT(epoch_secret->len == c->suite->hash_len);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        enum mls_status status = mls_derive_secret(c, epoch_secret, table[i].label, table[i].to);
        if (status != MLS_OK) {
            mls_epoch_secrets_wipe(out);
            return status;
        }
    }
    return MLS_OK;
}

/* Key and nonce of encrypted_group_info. */
static enum mls_status welcome_keys(const struct mls_crypto *c, const struct secret *welcome_secret,
                                    uint8_t key[AEAD_KEY_LEN_MAX], uint8_t nonce[AEAD_NONCE_LEN]) {
    enum mls_status status = mls_expand_with_label(c, welcome_secret, "key", (struct span){0}, key, c->suite->key_len);
    if (status == MLS_OK)
        status = mls_expand_with_label(c, welcome_secret, "nonce", (struct span){0}, nonce, AEAD_NONCE_LEN);
    return status;
}

enum mls_status mls_group_info_seal(const struct mls_crypto *c, const struct secret *welcome_secret,
                                    struct span group_info, struct mls_buf *out) {
    uint8_t key[AEAD_KEY_LEN_MAX], nonce[AEAD_NONCE_LEN];
    size_t before = mls_buf_len(out);
    uint8_t *sealed = mls_wr_reserve(out, group_info.len + AEAD_TAG_LEN);
    if (sealed == NULL)
        return out->status;
    enum mls_status status = welcome_keys(c, welcome_secret, key, nonce);
    if (status == MLS_OK)
        status = mls_status_of_crypto(c->backend->aead_seal(c->suite->hpke.aead, span_of(key, c->suite->key_len), nonce,
                                                            (struct span){0}, group_info, sealed),
                                      MLS_CRYPTO_FAILED);
    if (status != MLS_OK)
        mls_buf_cut(out, before);
    secure_wipe(key, sizeof key);
    secure_wipe(nonce, sizeof nonce);
    return status;
}

enum mls_status mls_group_info_open(const struct mls_crypto *c, const struct secret *welcome_secret,
                                    struct span encrypted_group_info, struct mls_buf *out) {
    if (encrypted_group_info.len <= AEAD_TAG_LEN)
        return MLS_WELCOME_INFO_INVALID;
    uint8_t key[AEAD_KEY_LEN_MAX], nonce[AEAD_NONCE_LEN];
    size_t before = mls_buf_len(out);
    uint8_t *plain = mls_wr_reserve(out, encrypted_group_info.len - AEAD_TAG_LEN);
    if (plain == NULL)
        return out->status;
    enum mls_status status = welcome_keys(c, welcome_secret, key, nonce);
    if (status == MLS_OK)
        status = mls_status_of_crypto(c->backend->aead_open(c->suite->hpke.aead, span_of(key, c->suite->key_len), nonce,
                                                            (struct span){0}, encrypted_group_info, plain),
                                      MLS_WELCOME_INFO_INVALID);
    if (status != MLS_OK)
        mls_buf_cut(out, before);
    secure_wipe(key, sizeof key);
    secure_wipe(nonce, sizeof nonce);
    return status;
}

enum mls_status mls_psk_secret_add(const struct mls_crypto *c, struct secret *psk_secret, struct span id,
                                   struct span psk, uint16_t index, uint16_t count) {
    ASSERT(index < count && psk_secret->len == c->suite->hash_len);
    /* PSKLabel: the identifier and two numbers; identifiers are bounded by mls_limits.h */
    uint8_t storage[MLS_GROUP_ID_LEN_MAX + MLS_PSK_ID_LEN_MAX + MLS_HASH_LEN_MAX];
    struct mls_buf label;
    mls_buf_over(&label, storage, sizeof storage);
    mls_wr_span(&label, id);
    mls_wr_u16(&label, index);
    mls_wr_u16(&label, count);
    struct secret zero, input;
    mls_zero_secret(c, &zero);
    enum mls_status status = label.status;
    if (status == MLS_OK)
        status = mls_extract(c, secret_span(&zero), psk, &input);
    if (status == MLS_OK) {
        status = mls_expand_secret(c, &input, "derived psk", mls_buf_span(&label), &input);
        if (status == MLS_OK)
            status = mls_extract(c, secret_span(&input), secret_span(psk_secret), psk_secret);
        secret_wipe(&input);
    }
    if (status != MLS_OK)
        secret_wipe(psk_secret);
    return status;
}

enum mls_status mls_exporter(const struct mls_crypto *c, const struct secret *exporter_secret, const char *label,
                             struct span context, uint8_t *out, size_t len) {
    if (len > HKDF_OUT_LEN_MAX)
        return MLS_TOO_LARGE;
    struct mls_hash context_hash;
    struct secret derived;
    enum mls_status status = mls_hash_parts(c, &context, 1, &context_hash);
    if (status == MLS_OK)
        status = mls_derive_secret(c, exporter_secret, label, &derived);
    if (status == MLS_OK) {
        status = mls_expand_with_label(c, &derived, "exported", mls_hash_span(&context_hash), out, len);
        secret_wipe(&derived);
    }
    if (status != MLS_OK)
        secure_wipe(out, len);
    return status;
}

enum mls_status mls_external_key_pair(const struct mls_crypto *c, const struct secret *external_secret,
                                      struct secret *private_key, uint8_t *public_key) {
    return mls_kem_derive(c, external_secret, private_key, public_key);
}

/* The label is the exporter context of HPKE, and Nh the length (section 8.3). */
static enum mls_status external_export(const struct mls_crypto *c, const struct hpke_context *context,
                                       struct secret *init_secret) {
    secret_zeros(init_secret, c->suite->hash_len);
    return mls_status_of_crypto(
        hpke_context_export(context, span_str("MLS 1.0 external init secret"), init_secret->bytes, init_secret->len),
        MLS_CRYPTO_FAILED);
}

enum mls_status mls_external_init_send(const struct mls_crypto *c, struct span external_pub, struct rng *rng,
                                       struct mls_buf *kem_output, struct secret *init_secret) {
    struct hpke_context context;
    size_t before = mls_buf_len(kem_output);
    uint8_t *enc = mls_wr_reserve(kem_output, kem_enc_len(c->suite->hpke.kem));
    if (enc == NULL)
        return kem_output->status;
    enum mls_status status = mls_status_of_crypto(
        hpke_setup_sender(&context, c->backend, c->suite->hpke, external_pub, (struct span){0}, NULL, rng, enc),
        MLS_EXTERNAL_INIT_INVALID);
    if (status == MLS_OK) {
        status = external_export(c, &context, init_secret);
        hpke_wipe(&context);
    }
    if (status != MLS_OK) {
        mls_buf_cut(kem_output, before);
        secret_wipe(init_secret);
    }
    return status;
}

enum mls_status mls_external_init_receive(const struct mls_crypto *c, const struct secret *external_secret,
                                          struct span kem_output, struct secret *init_secret) {
    struct hpke_context context;
    struct secret private_key;
    uint8_t public_key[KEM_PUBLIC_LEN_MAX];
    if (kem_output.len != kem_enc_len(c->suite->hpke.kem)) {
        secret_wipe(init_secret);
        return MLS_EXTERNAL_INIT_INVALID;
    }
    enum mls_status status = mls_external_key_pair(c, external_secret, &private_key, public_key);
    if (status == MLS_OK) {
        status = mls_status_of_crypto(hpke_setup_receiver(&context, c->backend, c->suite->hpke, &private_key,
                                                          span_of(public_key, mls_public_key_len(c)), kem_output,
                                                          (struct span){0}, NULL),
                                      MLS_EXTERNAL_INIT_INVALID);
        secret_wipe(&private_key);
    }
    if (status == MLS_OK) {
        status = external_export(c, &context, init_secret);
        hpke_wipe(&context);
    }
    if (status != MLS_OK)
        secret_wipe(init_secret);
    return status;
}

enum mls_status mls_confirmed_transcript_hash(const struct mls_crypto *c, struct span interim,
                                              struct span confirmed_input, struct mls_hash *out) {
    const struct span parts[] = {interim, confirmed_input};
    return mls_hash_parts(c, parts, ARRAY_LEN(parts), out);
}

enum mls_status mls_interim_transcript_hash(const struct mls_crypto *c, struct span confirmed,
                                            struct span confirmation_tag, struct mls_hash *out) {
    uint8_t len[4];
    const struct span parts[] = {confirmed, span_of(len, mls_len_encode(confirmation_tag.len, len)), confirmation_tag};
    return mls_hash_parts(c, parts, ARRAY_LEN(parts), out);
}

enum mls_status mls_confirmation_tag(const struct mls_crypto *c, const struct secret *confirmation_key,
                                     struct span confirmed, struct mls_hash *out) {
    return mls_mac(c, confirmation_key, &confirmed, 1, out);
}

enum mls_status mls_confirmation_tag_check(const struct mls_crypto *c, const struct secret *confirmation_key,
                                           struct span confirmed, struct span tag) {
    return mls_mac_check(c, confirmation_key, &confirmed, 1, tag, MLS_CONFIRMATION_TAG_INVALID);
}
