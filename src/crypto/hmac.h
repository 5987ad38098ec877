/* HMAC (RFC 2104, FIPS 198-1) over SHA-1, SHA-256, SHA-384 and SHA-512, and the plain hashes.
 *
 * SHA-1 is here because STUN (RFC 8489 section 14.5) and SRTP's mandatory profile (RFC 3711 section 4.2.1) are defined
 * with it; as a MAC it is still sound. Nothing else should ask for it.
 *
 * Two forms: `hmac_once` for a key that is used once, and `struct hmac_key`, which keeps the hash states behind the
 * two padded key blocks so that a packet costs two block operations less. A key object is plain data: it may be
 * embedded and copied, holds secrets, and its owner calls `hmac_key_wipe`. Nothing here allocates or can fail. Threads:
 * a key may be used by several at once, it is only read. Keys of any length are accepted (longer than a block: hashed
 * first). */
#ifndef CONCLAVE_CRYPTO_HMAC_H
#define CONCLAVE_CRYPTO_HMAC_H

#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

#define HMAC_SHA1_LEN 20
#define HMAC_SHA256_LEN 32
#define HMAC_SHA384_LEN 48
#define HMAC_SHA512_LEN 64
#define HMAC_LEN_MAX HMAC_SHA512_LEN

enum hmac_hash { HMAC_SHA1, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512 };

/* Output length of this hash and of HMAC with it: 20, 32, 48 or 64. */
size_t hmac_len(enum hmac_hash hash);
/* Writes hmac_len(hash) bytes to `out`. Compare MACs with secure_equal. */
void hmac_once(enum hmac_hash hash, struct span key, struct span data, uint8_t *out);
void sha256_once(struct span data, uint8_t out[HMAC_SHA256_LEN]);
/* The plain hash over the concatenation of `count` parts; writes hmac_len(hash) bytes. */
void sha_parts(enum hmac_hash hash, const struct span *parts, size_t count, uint8_t *out);

/* The largest hash state used (OpenSSL's SHA512_CTX, 216 bytes), checked where it is used. */
#define HMAC_STATE_LEN 216

struct hmac_key {
    enum hmac_hash hash;
    _Alignas(8) uint8_t inner[HMAC_STATE_LEN];
    _Alignas(8) uint8_t outer[HMAC_STATE_LEN];
};

void hmac_key_init(struct hmac_key *key, enum hmac_hash hash, struct span bytes);
/* HMAC over the concatenation of `count` parts. */
void hmac_key_sign(const struct hmac_key *key, const struct span *parts, size_t count, uint8_t *out);
void hmac_key_wipe(struct hmac_key *key);

#endif
