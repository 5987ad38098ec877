#include "e2ee/mls_suite.h"

#include <string.h>

#include "base/assert.h"

/* Section 17.1, and draft-ietf-mls-pq-ciphersuites for the last one. */
static const struct mls_suite suites[] = {
    {.id = MLS_SUITE_X25519_AES128GCM_SHA256_ED25519,
     .name = "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
     .hpke = {KEM_DHKEM_X25519_SHA256, HASH_SHA256, AEAD_AES_128_GCM},
     .hash = HASH_SHA256,
     .sign = SIGN_ED25519,
     .hash_len = 32,
     .key_len = 16},
    {.id = MLS_SUITE_P256_AES128GCM_SHA256_P256,
     .name = "MLS_128_DHKEMP256_AES128GCM_SHA256_P256",
     .hpke = {KEM_DHKEM_P256_SHA256, HASH_SHA256, AEAD_AES_128_GCM},
     .hash = HASH_SHA256,
     .sign = SIGN_P256_SHA256,
     .hash_len = 32,
     .key_len = 16},
    {.id = MLS_SUITE_X25519_CHACHA20POLY1305_SHA256_ED25519,
     .name = "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
     .hpke = {KEM_DHKEM_X25519_SHA256, HASH_SHA256, AEAD_CHACHA20_POLY1305},
     .hash = HASH_SHA256,
     .sign = SIGN_ED25519,
     .hash_len = 32,
     .key_len = 32},
    {.id = MLS_SUITE_X448_AES256GCM_SHA512_ED448,
     .name = "MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448",
     .hpke = {KEM_DHKEM_X448_SHA512, HASH_SHA512, AEAD_AES_256_GCM},
     .hash = HASH_SHA512,
     .sign = SIGN_ED448,
     .hash_len = 64,
     .key_len = 32},
    {.id = MLS_SUITE_P521_AES256GCM_SHA512_P521,
     .name = "MLS_256_DHKEMP521_AES256GCM_SHA512_P521",
     .hpke = {KEM_DHKEM_P521_SHA512, HASH_SHA512, AEAD_AES_256_GCM},
     .hash = HASH_SHA512,
     .sign = SIGN_P521_SHA512,
     .hash_len = 64,
     .key_len = 32},
    {.id = MLS_SUITE_X448_CHACHA20POLY1305_SHA512_ED448,
     .name = "MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448",
     .hpke = {KEM_DHKEM_X448_SHA512, HASH_SHA512, AEAD_CHACHA20_POLY1305},
     .hash = HASH_SHA512,
     .sign = SIGN_ED448,
     .hash_len = 64,
     .key_len = 32},
    {.id = MLS_SUITE_P384_AES256GCM_SHA384_P384,
     .name = "MLS_256_DHKEMP384_AES256GCM_SHA384_P384",
     .hpke = {KEM_DHKEM_P384_SHA384, HASH_SHA384, AEAD_AES_256_GCM},
     .hash = HASH_SHA384,
     .sign = SIGN_P384_SHA384,
     .hash_len = 48,
     .key_len = 32},
    {.id = MLS_SUITE_XWING_AES256GCM_SHA384_ED25519,
     .name = "MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519",
     .hpke = {KEM_XWING, HASH_SHA384, AEAD_AES_256_GCM},
     .hash = HASH_SHA384,
     .sign = SIGN_ED25519,
     .hash_len = 48,
     .key_len = 32},
};

/* Every label of section 8 and 5.1 is prefixed with this. */
#define LABEL_PREFIX "MLS 1.0 "
/* Labels of the protocol are shorter; exporter labels are the application's, a URI at the longest. */
#define LABEL_LEN_MAX 1024

const struct mls_suite *mls_suite_find(uint16_t id) {
    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        if (suites[i].id == id)
            return &suites[i];
    }
    return NULL;
}

const struct mls_suite *mls_suite_named(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        if (strcmp(suites[i].name, name) == 0)
            return &suites[i];
    }
    return NULL;
}

const struct mls_suite *mls_suite_at(size_t i) {
    return i < ARRAY_LEN(suites) ? &suites[i] : NULL;
}

enum mls_status mls_crypto_of(const struct crypto_backend *backend, uint16_t suite_id, struct mls_crypto *out) {
    const struct mls_suite *suite = mls_suite_find(suite_id);
    if (suite == NULL || !kem_supported(backend, suite->hpke.kem) || !backend->has_sign(suite->sign))
        return MLS_SUITE_UNSUPPORTED;
    *out = (struct mls_crypto){.backend = backend, .suite = suite};
    return MLS_OK;
}

enum mls_status mls_status_of_crypto(enum crypto_status status, enum mls_status invalid) {
    switch (status) {
    case CRYPTO_OK:
        return MLS_OK;
    case CRYPTO_INVALID:
        return invalid;
    case CRYPTO_NO_MEMORY:
        return MLS_NO_MEMORY;
    case CRYPTO_UNSUPPORTED:
        return MLS_SUITE_UNSUPPORTED;
    }
    return MLS_CRYPTO_FAILED;
}

enum mls_status mls_hash_parts(const struct mls_crypto *c, const struct span *parts, size_t count,
                               struct mls_hash *out) {
    out->len = c->suite->hash_len;
    return mls_status_of_crypto(c->backend->hash(c->suite->hash, parts, count, out->bytes), MLS_CRYPTO_FAILED);
}

enum mls_status mls_mac(const struct mls_crypto *c, const struct secret *key, const struct span *parts, size_t count,
                        struct mls_hash *out) {
    ASSERT(key->len == c->suite->hash_len);
    out->len = c->suite->hash_len;
    return mls_status_of_crypto(c->backend->hmac(c->suite->hash, secret_span(key), parts, count, out->bytes),
                                MLS_CRYPTO_FAILED);
}

enum mls_status mls_mac_check(const struct mls_crypto *c, const struct secret *key, const struct span *parts,
                              size_t count, struct span tag, enum mls_status mismatch) {
    struct mls_hash mac;
    enum mls_status status = mls_mac(c, key, parts, count, &mac);
    if (status == MLS_OK && (tag.len != mac.len || !secure_equal(tag.data, mac.bytes, mac.len)))
        status = mismatch;
    secure_wipe(&mac, sizeof mac);
    return status;
}

/* label<V> and content<V> as hash parts, without a copy of either: RefHashInput, SignContent, EncryptContext and the
 * end of KDFLabel are all of this form. */
struct labelled {
    uint8_t lens[8];
    struct span parts[5];
    size_t count;
};

static void labelled_init(struct labelled *l, const char *prefix, const char *label, size_t content_len) {
    struct span a = span_str(prefix);
    struct span b = span_str(label);
    ASSERT(b.len <= LABEL_LEN_MAX);
    size_t label_len = mls_len_encode(a.len + b.len, l->lens);
    size_t content_at = 4;
    size_t len_len = mls_len_encode(content_len, l->lens + content_at);
    l->parts[0] = span_of(l->lens, label_len);
    l->parts[1] = a;
    l->parts[2] = b;
    l->parts[3] = span_of(l->lens + content_at, len_len);
    l->count = 4;
}

static size_t parts_len(const struct span *parts, size_t count) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    return len;
}

enum mls_status mls_ref_hash(const struct mls_crypto *c, const char *label, struct span value, struct mls_hash *out) {
    struct labelled l;
    labelled_init(&l, "", label, value.len);
    l.parts[l.count++] = value;
    return mls_hash_parts(c, l.parts, l.count, out);
}

enum mls_status mls_key_package_ref(const struct mls_crypto *c, struct span key_package, struct mls_hash *out) {
    return mls_ref_hash(c, LABEL_PREFIX "KeyPackage Reference", key_package, out);
}

enum mls_status mls_proposal_ref(const struct mls_crypto *c, struct span authenticated_content, struct mls_hash *out) {
    return mls_ref_hash(c, LABEL_PREFIX "Proposal Reference", authenticated_content, out);
}

enum mls_status mls_expand_with_label(const struct mls_crypto *c, const struct secret *secret, const char *label,
                                      struct span context, uint8_t *out, size_t out_len) {
    ASSERT(out_len <= HKDF_OUT_LEN_MAX);
    struct labelled l;
    labelled_init(&l, LABEL_PREFIX, label, context.len);
    const uint8_t length[2] = {(uint8_t)(out_len >> 8), (uint8_t)out_len};
    const struct span info[] = {
        span_of(length, sizeof length), l.parts[0], l.parts[1], l.parts[2], l.parts[3], context};
    return mls_status_of_crypto(
        hkdf_expand(c->backend, c->suite->hash, secret_span(secret), info, ARRAY_LEN(info), out, out_len),
        MLS_CRYPTO_FAILED);
}

enum mls_status mls_expand_secret(const struct mls_crypto *c, const struct secret *secret, const char *label,
                                  struct span context, struct secret *out) {
    struct secret result = {.len = c->suite->hash_len};
    enum mls_status status = mls_expand_with_label(c, secret, label, context, result.bytes, result.len);
    if (status == MLS_OK)
        *out = result;
    else
        secret_wipe(out);
    secret_wipe(&result);
    return status;
}

enum mls_status mls_derive_secret(const struct mls_crypto *c, const struct secret *secret, const char *label,
                                  struct secret *out) {
    return mls_expand_secret(c, secret, label, (struct span){0}, out);
}

enum mls_status mls_extract(const struct mls_crypto *c, struct span salt, struct span ikm, struct secret *out) {
    struct secret result = {0};
    enum crypto_status status = hkdf_extract(c->backend, c->suite->hash, salt, &ikm, 1, &result);
    if (status == CRYPTO_OK)
        *out = result;
    else
        secret_wipe(out);
    secret_wipe(&result);
    return mls_status_of_crypto(status, MLS_CRYPTO_FAILED);
}

void mls_random_secret(const struct mls_crypto *c, struct rng *rng, struct secret *out) {
    secret_zeros(out, c->suite->hash_len);
    rng_fill(rng, out->bytes, out->len);
}

void mls_zero_secret(const struct mls_crypto *c, struct secret *out) {
    secret_zeros(out, c->suite->hash_len);
}

void mls_sign_content_write(struct mls_buf *out, const char *label, const struct span *parts, size_t count) {
    struct labelled l;
    size_t content_len = parts_len(parts, count);
    labelled_init(&l, LABEL_PREFIX, label, content_len);
    mls_buf_reserve(out, parts_len(l.parts, l.count) + content_len);
    for (size_t i = 0; i < l.count; i++)
        mls_wr_span(out, l.parts[i]);
    for (size_t i = 0; i < count; i++)
        mls_wr_span(out, parts[i]);
}

enum mls_status mls_sign_with_label(const struct mls_crypto *c, const struct secret *private_key, const char *label,
                                    const struct span *parts, size_t count, struct mls_buf *out) {
    struct mls_buf content;
    mls_buf_init(&content, MLS_TREE_LEN_MAX);
    mls_sign_content_write(&content, label, parts, count);
    enum mls_status status = content.status;
    if (status == MLS_OK) {
        uint8_t signature[SIGN_SIGNATURE_LEN_MAX];
        size_t signature_len = 0;
        status = mls_status_of_crypto(
            c->backend->sign(c->suite->sign, private_key, mls_buf_span(&content), signature, &signature_len),
            MLS_SIGNATURE_KEY_INVALID);
        if (status == MLS_OK) {
            mls_wr_vec(out, span_of(signature, signature_len));
            status = out->status;
        }
    }
    mls_buf_free(&content);
    return status;
}

enum mls_status mls_verify_with_label(const struct mls_crypto *c, struct span public_key, const char *label,
                                      const struct span *parts, size_t count, struct span signature,
                                      enum mls_status invalid) {
    struct mls_buf content;
    mls_buf_init(&content, MLS_TREE_LEN_MAX);
    mls_sign_content_write(&content, label, parts, count);
    enum mls_status status = content.status;
    if (status == MLS_OK)
        status = mls_status_of_crypto(c->backend->verify(c->suite->sign, public_key, mls_buf_span(&content), signature),
                                      invalid);
    mls_buf_free(&content);
    return status;
}

enum mls_status mls_encrypt_with_label(const struct mls_crypto *c, struct span public_key, const char *label,
                                       struct span context, struct span plaintext, struct rng *rng, struct mls_buf *out,
                                       enum mls_status invalid) {
    enum kem kem = c->suite->hpke.kem;
    size_t enc_len = kem_enc_len(kem);
    struct mls_buf info;
    mls_buf_init(&info, MLS_TREE_LEN_MAX);
    mls_sign_content_write(&info, label, &context, 1);
    size_t before = mls_buf_len(out);
    mls_wr_len(out, enc_len);
    uint8_t *enc = mls_wr_reserve(out, enc_len);
    mls_wr_len(out, plaintext.len + AEAD_TAG_LEN);
    size_t enc_end = mls_buf_len(out);
    uint8_t *sealed = mls_wr_reserve(out, plaintext.len + AEAD_TAG_LEN);
    enum mls_status status = info.status != MLS_OK ? info.status : out->status;
    if (status == MLS_OK) {
        ASSERT(enc != NULL && sealed != NULL);
        /* the buffer may have moved since `enc` was reserved */
        enc = out->w.data + before + (enc_len < 64 ? 1 : 2);
        ASSERT(enc + enc_len < out->w.data + enc_end);
        status = mls_status_of_crypto(hpke_seal(c->backend, c->suite->hpke, public_key, mls_buf_span(&info),
                                                (struct span){0}, plaintext, rng, enc, sealed),
                                      invalid);
        if (status != MLS_OK)
            mls_buf_cut(out, before);
    }
    mls_buf_free(&info);
    return status;
}

enum mls_status mls_decrypt_with_label(const struct mls_crypto *c, const struct secret *private_key,
                                       struct span public_key, const char *label, struct span context,
                                       struct span kem_output, struct span ciphertext, struct mls_buf *out,
                                       enum mls_status invalid) {
    if (ciphertext.len < AEAD_TAG_LEN || kem_output.len != kem_enc_len(c->suite->hpke.kem))
        return invalid;
    struct mls_buf info;
    mls_buf_init(&info, MLS_TREE_LEN_MAX);
    mls_sign_content_write(&info, label, &context, 1);
    size_t before = mls_buf_len(out);
    size_t plain_len = ciphertext.len - AEAD_TAG_LEN;
    uint8_t none;
    uint8_t *plain = plain_len > 0 ? mls_wr_reserve(out, plain_len) : &none;
    enum mls_status status = info.status != MLS_OK ? info.status : out->status;
    if (status == MLS_OK) {
        ASSERT(plain != NULL);
        status = mls_status_of_crypto(hpke_open(c->backend, c->suite->hpke, private_key, public_key, kem_output,
                                                mls_buf_span(&info), (struct span){0}, ciphertext, plain),
                                      invalid);
        if (status != MLS_OK)
            mls_buf_cut(out, before);
    }
    mls_buf_free(&info);
    return status;
}

size_t mls_public_key_len(const struct mls_crypto *c) {
    return kem_public_len(c->suite->hpke.kem);
}

size_t mls_signature_key_len(const struct mls_crypto *c) {
    return sign_public_len(c->suite->sign);
}

enum mls_status mls_kem_generate(const struct mls_crypto *c, struct rng *rng, struct secret *private_key,
                                 uint8_t *public_key) {
    return mls_status_of_crypto(kem_generate(c->backend, c->suite->hpke.kem, rng, private_key, public_key),
                                MLS_CRYPTO_FAILED);
}

enum mls_status mls_kem_derive(const struct mls_crypto *c, const struct secret *ikm, struct secret *private_key,
                               uint8_t *public_key) {
    return mls_status_of_crypto(
        kem_derive_key_pair(c->backend, c->suite->hpke.kem, secret_span(ikm), private_key, public_key),
        MLS_CRYPTO_FAILED);
}

enum mls_status mls_signature_generate(const struct mls_crypto *c, struct rng *rng, struct secret *private_key,
                                       uint8_t *public_key) {
    return mls_status_of_crypto(sign_generate(c->backend, c->suite->sign, rng, private_key, public_key),
                                MLS_CRYPTO_FAILED);
}
