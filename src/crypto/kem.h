/* Key encapsulation as HPKE wants it: DHKEM (RFC 9180 section 4.1) over five groups, and X-Wing
 * (draft-connolly-cfrg-xwing-kem; HPKE KEM 0x647a of draft-ietf-hpke-pq): ML-KEM-768 with X25519.
 *
 * All lengths follow from the KEM: kem_*_len. Buffers that callers size at compile time use the maxima. */
#ifndef CONCLAVE_CRYPTO_KEM_H
#define CONCLAVE_CRYPTO_KEM_H

#include "crypto/backend.h"

/* HPKE KEM identifiers (RFC 9180 section 7.1, draft-ietf-hpke-pq). */
enum kem {
    KEM_DHKEM_P256_SHA256 = 0x0010,
    KEM_DHKEM_P384_SHA384 = 0x0011,
    KEM_DHKEM_P521_SHA512 = 0x0012,
    KEM_DHKEM_X25519_SHA256 = 0x0020,
    KEM_DHKEM_X448_SHA512 = 0x0021,
    KEM_XWING = 0x647a,
};

#define KEM_PUBLIC_LEN_MAX 1216 /* X-Wing: 1184 + 32 */
#define KEM_ENC_LEN_MAX 1120    /* X-Wing: 1088 + 32 */

bool kem_supported(const struct crypto_backend *crypto, enum kem kem);
size_t kem_public_len(enum kem kem);
size_t kem_private_len(enum kem kem); /* X-Wing: the 32 byte seed */
size_t kem_enc_len(enum kem kem);
size_t kem_shared_len(enum kem kem);

/* DeriveKeyPair (RFC 9180 section 7.1.3; X-Wing: SHAKE256 LabeledDerive of draft-ietf-hpke-pq). `public_key` has room
 * for kem_public_len bytes. */
enum crypto_status kem_derive_key_pair(const struct crypto_backend *crypto, enum kem kem, struct span ikm,
                                       struct secret *private_key, uint8_t *public_key);
/* A fresh key pair: DeriveKeyPair of kem_private_len random bytes. */
enum crypto_status kem_generate(const struct crypto_backend *crypto, enum kem kem, struct rng *rng,
                                struct secret *private_key, uint8_t *public_key);
/* The public key of a private one. */
enum crypto_status kem_public(const struct crypto_backend *crypto, enum kem kem, const struct secret *private_key,
                              uint8_t *public_key);
/* CRYPTO_OK for a key to which kem_encap cannot fail, CRYPTO_INVALID for any other, and for one that is not in the only
 * form that its maker may write: wrong length, not on the curve, of small order or not reduced (X25519, X448), either
 * of these in X-Wing's half, or failing ML-KEM's modulus check (FIPS 203 section 7.2). Whoever takes in a key of a peer
 * asks this first: a key that fails later stops everybody who has to encapsulate to it. */
enum crypto_status kem_public_good(const struct crypto_backend *crypto, enum kem kem, struct span public_key);

/* `enc` has room for kem_enc_len bytes. */
enum crypto_status kem_encap(const struct crypto_backend *crypto, enum kem kem, struct span public_key, struct rng *rng,
                             struct secret *shared, uint8_t *enc);
/* `public_key`: the receiver's own, kem_public_len bytes, which goes into DHKEM's context; an empty span makes it be
 * computed. */
enum crypto_status kem_decap(const struct crypto_backend *crypto, enum kem kem, const struct secret *private_key,
                             struct span public_key, struct span enc, struct secret *shared);

/* For known-answer tests only: encapsulation with the ephemeral randomness given: DHKEM: the ikm of the ephemeral key
 * pair; X-Wing: the 64 byte eseed. */
enum crypto_status kem_encap_derand(const struct crypto_backend *crypto, enum kem kem, struct span public_key,
                                    struct span randomness, struct secret *shared, uint8_t *enc);

#endif
