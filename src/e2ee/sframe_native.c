#include "e2ee/sframe_native.h"

#include <string.h>

#include "base/assert.h"

static bool is_ctr(const struct sframe_suite *suite) {
    return suite->nka != 0;
}

static bool native_key_make(struct sframe_key *key, enum aead_direction direction) {
    const struct sframe_suite *suite = key->suite;
    uint8_t *raw = key->material.key;
    if (is_ctr(suite)) {
        bool made = aes_ctr_key_init(&key->ctr, raw, suite->nka);
        secure_wipe(raw, suite->nka); /* the HMAC key behind it stays */
        return made;
    }
    bool made =
        aead_key_init(&key->aead, &aead_openssl, suite->nk == 16 ? AEAD_AES_128_GCM : AEAD_AES_256_GCM, direction, raw);
    secure_wipe(raw, suite->nk);
    return made;
}

static void native_key_end(struct sframe_key *key) {
    aead_key_end(&key->aead);
    aes_ctr_key_end(&key->ctr);
}

const struct sframe_cipher sframe_native = {.key_make = native_key_make, .key_end = native_key_end};

/* ---- AES-CTR with HMAC (section 4.5.1) --------------------------------------------------------------------------- */

static bool ctr_tag(const struct sframe_key *key, const uint8_t *nonce, struct span aad, struct span encrypted,
                    uint8_t tag[HASH_LEN_MAX]) {
    uint8_t lens[24];
    struct writer w = writer_of(lens, sizeof lens);
    wr_u64(&w, aad.len);
    wr_u64(&w, encrypted.len);
    wr_u64(&w, key->suite->nt);
    struct span parts[] = {writer_span(&w), span_of(nonce, SFRAME_NONCE_LEN), aad, encrypted};
    struct span mac_key = span_of(key->material.key + key->suite->nka, key->suite->nh);
    return key->crypto->hmac(key->suite->hash, mac_key, parts, ARRAY_LEN(parts), tag) == CRYPTO_OK;
}

static void ctr_xor(const struct sframe_key *key, const uint8_t *nonce, struct span in, uint8_t *out) {
    uint8_t iv[AES_CTR_IV_LEN] = {0};
    memcpy(iv, nonce, SFRAME_NONCE_LEN);
    struct aes_ctr_key cipher = key->ctr; /* a handle */
    aes_ctr_start(&cipher, iv);
    aes_ctr_xor(&cipher, in.data, out, in.len);
}

static bool ctr_seal(const struct sframe_seal *seal, struct span aad, struct span text, uint8_t *out) {
    uint8_t tag[HASH_LEN_MAX];
    if (text.len > 0)
        ctr_xor(seal->key, seal->nonce, text, out);
    if (!ctr_tag(seal->key, seal->nonce, aad, span_of(out, text.len), tag))
        return false;
    memcpy(out + text.len, tag, seal->key->suite->nt);
    return true;
}

static bool ctr_open(const struct sframe_open *open, struct span aad, struct span sealed, uint8_t *out) {
    uint8_t tag[HASH_LEN_MAX];
    size_t nt = open->key->suite->nt;
    struct span encrypted = span_of(sealed.data, sealed.len - nt);
    if (!ctr_tag(open->key, open->nonce, aad, encrypted, tag) || !secure_equal(tag, sealed.data + encrypted.len, nt)) {
        memset(out, 0, encrypted.len);
        return false;
    }
    if (encrypted.len > 0)
        ctr_xor(open->key, open->nonce, encrypted, out);
    return true;
}

/* ---- One ciphertext ---------------------------------------------------------------------------------------------- */

bool sframe_native_seal(const struct sframe_seal *seal, struct span aad, struct span text, uint8_t *out) {
    ASSERT(seal != NULL && out != NULL && seal->key->handle != 0);
    if (is_ctr(seal->key->suite))
        return ctr_seal(seal, aad, text, out);
    struct aead_key key = seal->key->aead; /* a handle */
    struct aead_job job = {.key = &key,
                           .nonce = seal->nonce,
                           .aad = aad.data,
                           .aad_len = aad.len,
                           .in = text.data,
                           .len = text.len,
                           .out = out};
    aead_seal(&job, 1);
    return job.ok;
}

bool sframe_native_open(const struct sframe_open *open, struct span aad, struct span sealed, uint8_t *out) {
    ASSERT(open != NULL && out != NULL && open->key->handle != 0);
    ASSERT(sealed.len >= open->key->suite->nt);
    if (is_ctr(open->key->suite))
        return ctr_open(open, aad, sealed, out);
    struct aead_key key = open->key->aead; /* a handle */
    struct aead_job job = {.key = &key,
                           .nonce = open->nonce,
                           .aad = aad.data,
                           .aad_len = aad.len,
                           .in = sealed.data,
                           .len = sealed.len,
                           .out = out};
    bool authentic = aead_open(&job, 1) == 1;
    if (!authentic)
        memset(out, 0, sealed.len - AEAD_TAG_LEN); /* GCM decrypts before it knows */
    return authentic;
}

enum sframe_status sframe_seal(struct sframe_sender *sender, uint32_t context, struct span metadata, struct span text,
                               uint64_t now_us, uint8_t *out, size_t *out_len) {
    ASSERT(out != NULL && out_len != NULL);
    ASSERT(metadata.len <= SFRAME_METADATA_LEN_MAX && text.len <= AEAD_MESSAGE_LEN_MAX);
    struct sframe_seal seal;
    enum sframe_status status = sframe_seal_begin(sender, context, now_us, &seal);
    if (status != SFRAME_OK)
        return status;
    uint8_t aad[SFRAME_HEADER_LEN_MAX + SFRAME_METADATA_LEN_MAX];
    struct writer w = writer_of(aad, sizeof aad);
    wr_bytes(&w, seal.header, seal.header_len);
    wr_span(&w, metadata);
    memcpy(out, seal.header, seal.header_len);
    if (!sframe_native_seal(&seal, writer_span(&w), text, out + seal.header_len)) {
        sender->counts.of[SFRAME_NO_MEMORY]++;
        return SFRAME_NO_MEMORY;
    }
    *out_len = seal.header_len + text.len + seal.key->suite->nt;
    return SFRAME_OK;
}

enum sframe_status sframe_open(struct sframe_receiver *receiver, uint32_t leaf, struct span metadata,
                               struct span ciphertext, uint64_t now_us, uint8_t *out, size_t *out_len) {
    ASSERT(out != NULL && out_len != NULL && metadata.len <= SFRAME_METADATA_LEN_MAX);
    ASSERT(ciphertext.len <= AEAD_MESSAGE_LEN_MAX);
    struct sframe_open open;
    enum sframe_status status = sframe_open_begin(receiver, leaf, ciphertext, now_us, &open);
    if (status != SFRAME_OK)
        return status;
    uint8_t aad[SFRAME_HEADER_LEN_MAX + SFRAME_METADATA_LEN_MAX];
    struct writer w = writer_of(aad, sizeof aad);
    wr_bytes(&w, ciphertext.data, open.header_len);
    wr_span(&w, metadata);
    struct span sealed = span_of(ciphertext.data + open.header_len, ciphertext.len - open.header_len);
    if (!sframe_native_open(&open, writer_span(&w), sealed, out))
        return sframe_open_failed(receiver, &open);
    *out_len = sealed.len - open.key->suite->nt;
    return sframe_open_commit(receiver, &open);
}
