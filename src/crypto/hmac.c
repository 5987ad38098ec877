/* The low-level SHA functions instead of EVP: in OpenSSL 3 an EVP digest allocates and takes locks for each message,
 * several times the cost of hashing a STUN message. They are marked deprecated, hence the compatibility level. */
#define OPENSSL_API_COMPAT 10100
#include "crypto/hmac.h"

#include <openssl/sha.h>
#include <string.h>

#include "base/assert.h"
#include "base/secret.h"

#define BLOCK_LEN 64 /* of SHA-1 and SHA-256 alike */

union sha_state {
    SHA_CTX sha1;
    SHA256_CTX sha256;
};

_Static_assert(sizeof(union sha_state) <= HMAC_STATE_LEN, "a hash state fits its place in struct hmac_key");

size_t hmac_len(enum hmac_hash hash) {
    ASSERT(hash == HMAC_SHA1 || hash == HMAC_SHA256);
    return hash == HMAC_SHA1 ? HMAC_SHA1_LEN : HMAC_SHA256_LEN;
}

static void sha_start(union sha_state *state, enum hmac_hash hash) {
    int ok = hash == HMAC_SHA1 ? SHA1_Init(&state->sha1) : SHA256_Init(&state->sha256);
    ASSERT(ok == 1);
}

static void sha_add(union sha_state *state, enum hmac_hash hash, const void *data, size_t len) {
    if (len == 0)
        return;
    int ok = hash == HMAC_SHA1 ? SHA1_Update(&state->sha1, data, len) : SHA256_Update(&state->sha256, data, len);
    ASSERT(ok == 1);
}

static void sha_finish(union sha_state *state, enum hmac_hash hash, uint8_t *out) {
    int ok = hash == HMAC_SHA1 ? SHA1_Final(out, &state->sha1) : SHA256_Final(out, &state->sha256);
    ASSERT(ok == 1);
}

void hmac_key_init(struct hmac_key *key, enum hmac_hash hash, struct span bytes) {
    ASSERT(key != NULL);
    ASSERT(bytes.data != NULL || bytes.len == 0);
    uint8_t block[BLOCK_LEN] = {0};
    union sha_state state = {0};
    if (bytes.len > BLOCK_LEN) {
        sha_start(&state, hash);
        sha_add(&state, hash, bytes.data, bytes.len);
        sha_finish(&state, hash, block);
    } else if (bytes.len > 0) {
        memcpy(block, bytes.data, bytes.len);
    }
    *key = (struct hmac_key){.hash = hash};
    for (size_t i = 0; i < BLOCK_LEN; i++)
        block[i] ^= 0x36;
    sha_start(&state, hash);
    sha_add(&state, hash, block, BLOCK_LEN);
    memcpy(key->inner, &state, sizeof state);
    for (size_t i = 0; i < BLOCK_LEN; i++)
        block[i] ^= 0x36 ^ 0x5c;
    sha_start(&state, hash);
    sha_add(&state, hash, block, BLOCK_LEN);
    memcpy(key->outer, &state, sizeof state);
    secure_wipe(block, sizeof block);
    secure_wipe(&state, sizeof state);
}

void hmac_key_sign(const struct hmac_key *key, const struct span *parts, size_t count, uint8_t *out) {
    ASSERT(key != NULL && out != NULL);
    ASSERT(parts != NULL || count == 0);
    union sha_state state;
    memcpy(&state, key->inner, sizeof state);
    for (size_t i = 0; i < count; i++)
        sha_add(&state, key->hash, parts[i].data, parts[i].len);
    uint8_t digest[HMAC_LEN_MAX];
    sha_finish(&state, key->hash, digest);
    memcpy(&state, key->outer, sizeof state);
    sha_add(&state, key->hash, digest, hmac_len(key->hash));
    sha_finish(&state, key->hash, out);
    secure_wipe(&state, sizeof state);
}

void hmac_key_wipe(struct hmac_key *key) {
    ASSERT(key != NULL);
    secure_wipe(key, sizeof *key);
}

void hmac_once(enum hmac_hash hash, struct span key, struct span data, uint8_t *out) {
    struct hmac_key state;
    hmac_key_init(&state, hash, key);
    hmac_key_sign(&state, &data, 1, out);
    hmac_key_wipe(&state);
}

void sha256_once(struct span data, uint8_t out[HMAC_SHA256_LEN]) {
    ASSERT(out != NULL);
    union sha_state state;
    sha_start(&state, HMAC_SHA256);
    sha_add(&state, HMAC_SHA256, data.data, data.len);
    sha_finish(&state, HMAC_SHA256, out);
}
