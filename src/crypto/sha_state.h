/* The hash states under HMAC: OpenSSL's, or those of sha2.h where OpenSSL is not there (WebAssembly) or tests ask for
 * them (CONCLAVE_OWN_SHA2). Included by hmac.c only. */
#ifndef CONCLAVE_CRYPTO_SHA_STATE_H
#define CONCLAVE_CRYPTO_SHA_STATE_H

#if defined(__wasm__) || defined(CONCLAVE_OWN_SHA2)

#include "base/assert.h"
#include "crypto/hmac.h"
#include "crypto/sha2.h"

union sha_state {
    struct sha2 sha2;
};

/* No SHA-1: nothing in the end-to-end library is defined with it. */
static inline void sha_start(union sha_state *state, enum hmac_hash hash) {
    ASSERT(hash == HMAC_SHA256 || hash == HMAC_SHA384 || hash == HMAC_SHA512);
    sha2_start(&state->sha2, hash == HMAC_SHA256 ? SHA2_256 : hash == HMAC_SHA384 ? SHA2_384 : SHA2_512);
}

static inline void sha_add(union sha_state *state, enum hmac_hash hash, const void *data, size_t len) {
    (void)hash;
    if (len > 0)
        sha2_add(&state->sha2, data, len);
}

static inline void sha_finish(union sha_state *state, enum hmac_hash hash, uint8_t *out) {
    (void)hash;
    sha2_finish(&state->sha2, out);
}

#else

/* The low-level SHA functions instead of EVP: in OpenSSL 3 an EVP digest allocates and takes locks for each message,
 * several times the cost of hashing a STUN message. They are marked deprecated, hence the compatibility level. */
#define OPENSSL_API_COMPAT 10100
#include <openssl/sha.h>

#include "base/assert.h"
#include "crypto/hmac.h"

union sha_state {
    SHA_CTX sha1;
    SHA256_CTX sha256;
    SHA512_CTX sha512; /* SHA-384, too */
};

static inline void sha_start(union sha_state *state, enum hmac_hash hash) {
    int ok = 0;
    if (hash == HMAC_SHA1)
        ok = SHA1_Init(&state->sha1);
    else if (hash == HMAC_SHA256)
        ok = SHA256_Init(&state->sha256);
    else if (hash == HMAC_SHA384)
        ok = SHA384_Init(&state->sha512);
    else if (hash == HMAC_SHA512)
        ok = SHA512_Init(&state->sha512);
    ASSERT(ok == 1);
}

static inline void sha_add(union sha_state *state, enum hmac_hash hash, const void *data, size_t len) {
    if (len == 0)
        return;
    int ok = 0;
    if (hash == HMAC_SHA1)
        ok = SHA1_Update(&state->sha1, data, len);
    else if (hash == HMAC_SHA256)
        ok = SHA256_Update(&state->sha256, data, len);
    else
        ok = SHA512_Update(&state->sha512, data, len);
    ASSERT(ok == 1);
}

static inline void sha_finish(union sha_state *state, enum hmac_hash hash, uint8_t *out) {
    int ok = 0;
    if (hash == HMAC_SHA1)
        ok = SHA1_Final(out, &state->sha1);
    else if (hash == HMAC_SHA256)
        ok = SHA256_Final(out, &state->sha256);
    else
        ok = SHA512_Final(out, &state->sha512); /* as many bytes as the state was started for */
    ASSERT(ok == 1);
}

#endif

_Static_assert(sizeof(union sha_state) <= HMAC_STATE_LEN, "a hash state fits its place in struct hmac_key");

#endif
