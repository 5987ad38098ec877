#include "crypto/aead.h"

#include <openssl/evp.h>

#include "base/assert.h"

size_t aead_key_len(enum aead_algorithm algorithm) {
    ASSERT(algorithm == AEAD_AES_128_GCM || algorithm == AEAD_AES_256_GCM || algorithm == AEAD_CHACHA20_POLY1305);
    return algorithm == AEAD_AES_128_GCM ? 16 : 32;
}

bool aead_key_init(struct aead_key *key, const struct aead_backend *backend, enum aead_algorithm algorithm,
                   enum aead_direction direction, const uint8_t *bytes) {
    ASSERT(key != NULL && backend != NULL && bytes != NULL);
    ASSERT(direction == AEAD_SEAL || direction == AEAD_OPEN);
    *key = (struct aead_key){.backend = backend, .direction = direction};
    if (!backend->key_make(key, algorithm, bytes)) {
        *key = (struct aead_key){0};
        return false;
    }
    ASSERT(key->state != NULL);
    return true;
}

void aead_key_end(struct aead_key *key) {
    ASSERT(key != NULL);
    if (key->backend != NULL)
        key->backend->key_free(key);
    *key = (struct aead_key){0};
}

static const struct aead_backend *checked_backend(const struct aead_job *jobs, size_t count,
                                                  enum aead_direction direction) {
    ASSERT(jobs[0].key != NULL && jobs[0].key->backend != NULL);
    const struct aead_backend *backend = jobs[0].key->backend;
    for (size_t i = 0; i < count; i++) {
        const struct aead_job *job = &jobs[i];
        ASSERT(job->key->backend == backend && job->key->direction == direction);
        ASSERT(job->len <= AEAD_MESSAGE_LEN_MAX && job->aad_len <= AEAD_MESSAGE_LEN_MAX);
        ASSERT(job->prefix_len == 0 || (direction == AEAD_SEAL && job->prefix_len <= AEAD_MESSAGE_LEN_MAX));
    }
    return backend;
}

void aead_seal(struct aead_job *jobs, size_t count) {
    ASSERT(jobs != NULL || count == 0);
    if (count > 0)
        checked_backend(jobs, count, AEAD_SEAL)->seal(jobs, count);
}

size_t aead_open(struct aead_job *jobs, size_t count) {
    ASSERT(jobs != NULL || count == 0);
    size_t good = 0;
    if (count > 0)
        checked_backend(jobs, count, AEAD_OPEN)->open(jobs, count);
    for (size_t i = 0; i < count; i++)
        good += jobs[i].ok ? 1 : 0;
    return good;
}

/* ---- OpenSSL -------------------------------------------------------------------------------------------- */

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
