#include "crypto/aes_ctr.h"

#include <limits.h>
#include <openssl/evp.h>

#include "base/assert.h"

bool aes_ctr_key_init(struct aes_ctr_key *key, const uint8_t *bytes, size_t key_len) {
    ASSERT(key != NULL && bytes != NULL);
    ASSERT(key_len == 16 || key_len == 32);
    *key = (struct aes_ctr_key){0};
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, key_len == 16 ? "AES-128-CTR" : "AES-256-CTR", NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = cipher != NULL && ctx != NULL && EVP_EncryptInit_ex2(ctx, cipher, bytes, NULL, NULL) == 1;
    EVP_CIPHER_free(cipher); /* the context keeps its own reference */
    if (!ok) {
        EVP_CIPHER_CTX_free(ctx);
        return false;
    }
    key->state = ctx;
    return true;
}

void aes_ctr_key_end(struct aes_ctr_key *key) {
    ASSERT(key != NULL);
    EVP_CIPHER_CTX_free(key->state); /* NULL is allowed; wipes the key schedule */
    key->state = NULL;
}

void aes_ctr_start(struct aes_ctr_key *key, const uint8_t iv[AES_CTR_IV_LEN]) {
    ASSERT(key->state != NULL);
    int ok = EVP_EncryptInit_ex2(key->state, NULL, NULL, iv, NULL);
    ASSERT(ok == 1);
}

void aes_ctr_xor(struct aes_ctr_key *key, const uint8_t *in, uint8_t *out, size_t len) {
    ASSERT(key->state != NULL);
    ASSERT(len <= INT_MAX);
    if (len == 0)
        return;
    int written = 0;
    int ok = EVP_EncryptUpdate(key->state, out, &written, in, (int)len);
    ASSERT(ok == 1 && written == (int)len);
}
