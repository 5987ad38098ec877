#include "crypto/hmac.h"

#include <string.h>

#include "base/assert.h"
#include "base/secret.h"
#include "crypto/sha_state.h"

#define BLOCK_LEN_MAX 128

size_t hmac_len(enum hmac_hash hash) {
    switch (hash) {
    case HMAC_SHA1:
        return HMAC_SHA1_LEN;
    case HMAC_SHA256:
        return HMAC_SHA256_LEN;
    case HMAC_SHA384:
        return HMAC_SHA384_LEN;
    case HMAC_SHA512:
        return HMAC_SHA512_LEN;
    }
    ASSERT(false); /* no such hash */
    return 0;
}

static size_t block_len(enum hmac_hash hash) {
    return hash == HMAC_SHA384 || hash == HMAC_SHA512 ? 128 : 64;
}

void hmac_key_init(struct hmac_key *key, enum hmac_hash hash, struct span bytes) {
    ASSERT(key != NULL);
    ASSERT(bytes.data != NULL || bytes.len == 0);
    uint8_t block[BLOCK_LEN_MAX] = {0};
    size_t len = block_len(hash);
    union sha_state state = {0};
    if (bytes.len > len) {
        sha_start(&state, hash);
        sha_add(&state, hash, bytes.data, bytes.len);
        sha_finish(&state, hash, block);
    } else if (bytes.len > 0) {
        memcpy(block, bytes.data, bytes.len);
    }
    *key = (struct hmac_key){.hash = hash};
    for (size_t i = 0; i < len; i++)
        block[i] ^= 0x36;
    sha_start(&state, hash);
    sha_add(&state, hash, block, len);
    memcpy(key->inner, &state, sizeof state);
    for (size_t i = 0; i < len; i++)
        block[i] ^= 0x36 ^ 0x5c;
    sha_start(&state, hash);
    sha_add(&state, hash, block, len);
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
    secure_wipe(digest, sizeof digest);
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

void sha_parts(enum hmac_hash hash, const struct span *parts, size_t count, uint8_t *out) {
    ASSERT(out != NULL);
    ASSERT(parts != NULL || count == 0);
    union sha_state state;
    sha_start(&state, hash);
    for (size_t i = 0; i < count; i++)
        sha_add(&state, hash, parts[i].data, parts[i].len);
    sha_finish(&state, hash, out);
    secure_wipe(&state, sizeof state);
}

void sha256_once(struct span data, uint8_t out[HMAC_SHA256_LEN]) {
    sha_parts(HMAC_SHA256, &data, 1, out);
}
