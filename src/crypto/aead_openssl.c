#include <openssl/evp.h>

#include "base/assert.h"
#include "crypto/aead.h"

/* One EVP_CIPHER_CTX a key, in which a job changes only the nonce: no look-up and no allocation per packet. */

static const char *const openssl_names[] = {
    [AEAD_AES_128_GCM] = "AES-128-GCM",
    [AEAD_AES_256_GCM] = "AES-256-GCM",
    [AEAD_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
};

static bool openssl_key_make(struct aead_key *key, enum aead_algorithm algorithm, const uint8_t *bytes) {
    ASSERT((size_t)algorithm < ARRAY_LEN(openssl_names));
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, openssl_names[algorithm], NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int encrypt = key->direction == AEAD_SEAL ? 1 : 0;
    bool ok = cipher != NULL && ctx != NULL && EVP_CipherInit_ex2(ctx, cipher, bytes, NULL, encrypt, NULL) == 1 &&
              EVP_CIPHER_CTX_get_iv_length(ctx) == AEAD_NONCE_LEN;
    EVP_CIPHER_free(cipher); /* the context keeps its own reference */
    if (!ok) {
        EVP_CIPHER_CTX_free(ctx);
        return false;
    }
    key->state = ctx;
    return true;
}

static void openssl_key_free(struct aead_key *key) {
    EVP_CIPHER_CTX_free(key->state); /* wipes the key schedule */
    key->state = NULL;
}

static bool openssl_seal_one(const struct aead_job *job) {
    EVP_CIPHER_CTX *ctx = job->key->state;
    uint8_t *out = job->out;
    int written = 0;
    if (EVP_CipherInit_ex2(ctx, NULL, NULL, job->nonce, -1, NULL) != 1)
        return false;
    if (job->aad_len > 0 && EVP_EncryptUpdate(ctx, NULL, &written, job->aad, (int)job->aad_len) != 1)
        return false;
    if (job->prefix_len > 0) {
        if (EVP_EncryptUpdate(ctx, out, &written, job->prefix, (int)job->prefix_len) != 1)
            return false;
        out += job->prefix_len;
    }
    if (job->len > 0) {
        if (EVP_EncryptUpdate(ctx, out, &written, job->in, (int)job->len) != 1)
            return false;
        out += job->len;
    }
    return EVP_EncryptFinal_ex(ctx, out, &written) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_LEN, out) == 1;
}

static bool openssl_open_one(const struct aead_job *job) {
    if (job->len < AEAD_TAG_LEN)
        return false;
    EVP_CIPHER_CTX *ctx = job->key->state;
    size_t text_len = job->len - AEAD_TAG_LEN;
    uint8_t tag[AEAD_TAG_LEN];
    uint8_t none[AEAD_TAG_LEN];
    for (size_t i = 0; i < AEAD_TAG_LEN; i++)
        tag[i] = job->in[text_len + i];
    int written = 0;
    if (EVP_CipherInit_ex2(ctx, NULL, NULL, job->nonce, -1, NULL) != 1)
        return false;
    if (job->aad_len > 0 && EVP_DecryptUpdate(ctx, NULL, &written, job->aad, (int)job->aad_len) != 1)
        return false;
    if (text_len > 0 && EVP_DecryptUpdate(ctx, job->out, &written, job->in, (int)text_len) != 1)
        return false;
    return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_LEN, tag) == 1 &&
           EVP_DecryptFinal_ex(ctx, none, &written) == 1;
}

static void openssl_seal(struct aead_job *jobs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        jobs[i].ok = openssl_seal_one(&jobs[i]);
        /* nothing can fail here but the library itself; going on would send plaintext or a bad tag */
        ASSERT(jobs[i].ok);
    }
}

static void openssl_open(struct aead_job *jobs, size_t count) {
    for (size_t i = 0; i < count; i++)
        jobs[i].ok = openssl_open_one(&jobs[i]);
}

const struct aead_backend aead_openssl = {
    .name = "openssl",
    .key_make = openssl_key_make,
    .key_free = openssl_key_free,
    .seal = openssl_seal,
    .open = openssl_open,
};
