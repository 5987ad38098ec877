/* The primitives that the end-to-end library stands on, as one table of functions, so that the same protocol code runs
 * over OpenSSL natively and over the browser's host in WebAssembly. Everything that is not a primitive (HMAC-based key
 * derivation, DHKEM, HPKE, X-Wing, MLS, SFrame) is written once, above this table: hkdf.h, kem.h, hpke.h.
 *
 * A table is constant data; whoever makes a group or a key passes a pointer to it, and nobody keeps a mutable global.
 * Every function works on whole messages, keeps nothing between calls, and may allocate inside the backend. Threads:
 * any. Known answers for every entry are checked by crypto_self_test (selftest.h).
 *
 * Secrets are `struct secret` (base/secret.h); a function that fails leaves a secret output wiped. Randomness is the
 * `rng` argument where a function takes one; ECDSA's nonce is the backend's own (OpenSSL: its generator mixed with key
 * and message; host: RFC 6979). */
#ifndef CONCLAVE_CRYPTO_BACKEND_H
#define CONCLAVE_CRYPTO_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/rng.h"
#include "base/secret.h"
#include "crypto/aead.h"

enum crypto_status {
    CRYPTO_OK = 0,
    CRYPTO_INVALID, /* a key that is none, a point off its curve, all-zero Diffie-Hellman output, wrong tag or signature
                     */
    CRYPTO_NO_MEMORY,   /* nothing happened; may be tried again */
    CRYPTO_UNSUPPORTED, /* this backend does not have the algorithm */
};

enum hash_algorithm { HASH_SHA256, HASH_SHA384, HASH_SHA512 };
#define HASH_LEN_MAX 64

/* RFC 9180 section 7.1 without the hash part: the groups under DHKEM. */
enum dh_group { DH_X25519, DH_X448, DH_P256, DH_P384, DH_P521 };
#define DH_PUBLIC_LEN_MAX 133 /* P-521, uncompressed (SEC 1 section 2.3.3) */

/* RFC 9420 section 5.1.2 and RFC 8446 section 4.2.3: ed25519, ed448, ecdsa_secp256r1_sha256 and so on. */
enum sign_algorithm { SIGN_ED25519, SIGN_ED448, SIGN_P256_SHA256, SIGN_P384_SHA384, SIGN_P521_SHA512 };
#define SIGN_PUBLIC_LEN_MAX 133    /* P-521, uncompressed */
#define SIGN_SIGNATURE_LEN_MAX 139 /* P-521, DER (RFC 3279 section 2.2.3) */

struct crypto_backend {
    const char *name;
    bool (*has_dh)(enum dh_group group);
    bool (*has_sign)(enum sign_algorithm algorithm);

    /* Hash over the concatenation of `count` parts; writes hash_len(algorithm) bytes. */
    enum crypto_status (*hash)(enum hash_algorithm algorithm, const struct span *parts, size_t count, uint8_t *out);
    /* HMAC, likewise. Keys of any length. */
    enum crypto_status (*hmac)(enum hash_algorithm algorithm, struct span key, const struct span *parts, size_t count,
                               uint8_t *out);

    /* `key` has aead_key_len(algorithm) bytes, `nonce` AEAD_NONCE_LEN. seal writes text.len + AEAD_TAG_LEN bytes, open
     * writes sealed.len - AEAD_TAG_LEN (CRYPTO_INVALID when sealed is shorter than a tag, or not authentic; `out` is
     * then wiped). `out` is the input's own place or does not overlap it. */
    enum crypto_status (*aead_seal)(enum aead_algorithm algorithm, struct span key, const uint8_t *nonce,
                                    struct span aad, struct span text, uint8_t *out);
    enum crypto_status (*aead_open)(enum aead_algorithm algorithm, struct span key, const uint8_t *nonce,
                                    struct span aad, struct span sealed, uint8_t *out);

    /* Private keys: RFC 7748 byte strings (32, 56), or big-endian scalars of the field's length (32, 48, 66), valid
     * when in [1, order - 1]. Public keys: RFC 7748 u-coordinates, or uncompressed points. */
    enum crypto_status (*dh_public)(enum dh_group group, const struct secret *private_key, uint8_t *public_key);
    /* CRYPTO_INVALID when `public_key` is no key of this group, and `dh` with it could fail or would not be what its
     * maker meant: of a wrong length, not on the curve, over X25519 and X448 of small order or not reduced (RFC 7748
     * has `dh` itself take those that are not reduced). */
    enum crypto_status (*dh_check)(enum dh_group group, struct span public_key);
    /* Shared secret: u-coordinate or x-coordinate. Checks the point (RFC 9180 section 7.1.4): on the curve, or output
     * not all zero. */
    enum crypto_status (*dh)(enum dh_group group, const struct secret *private_key, struct span public_key,
                             struct secret *shared);

    /* Private keys: the 32 or 57 byte seeds of RFC 8032, or scalars as above. Public keys: RFC 8032, or uncompressed
     * points (RFC 9420 section 5.1.1). Signatures: RFC 8032, or DER; *signature_len is 0 when there is none. verify
     * answers CRYPTO_INVALID for any that is not good. Ed25519 has many criteria in use; every backend keeps to one, so
     * that nobody accepts what another refuses: the key is reduced and not of small order, S is below the group's
     * order, and R equals the bytes that follow from the equation without the cofactor. */
    enum crypto_status (*sign_public)(enum sign_algorithm algorithm, const struct secret *private_key,
                                      uint8_t *public_key);
    enum crypto_status (*sign)(enum sign_algorithm algorithm, const struct secret *private_key, struct span message,
                               uint8_t *signature, size_t *signature_len);
    enum crypto_status (*verify)(enum sign_algorithm algorithm, struct span public_key, struct span message,
                                 struct span signature);
};

/* Natively. */
extern const struct crypto_backend crypto_openssl;
/* In WebAssembly: what is worth having in C is in the module, the rest are imports (crypto/host.c). */
extern const struct crypto_backend crypto_host;

size_t hash_len(enum hash_algorithm algorithm);
size_t dh_private_len(enum dh_group group);
size_t dh_public_len(enum dh_group group);
size_t sign_private_len(enum sign_algorithm algorithm);
size_t sign_public_len(enum sign_algorithm algorithm);
/* What one can tell of a public key and of a signature's form without the message: all that `verify` would refuse
 * whatever the message is, but for keys that are on no curve. For those who have signatures verified by other means,
 * whose criterion may be laxer. */
bool sign_public_good(enum sign_algorithm algorithm, struct span public_key);
bool sign_signature_good(enum sign_algorithm algorithm, struct span signature);
/* A fresh key pair from `rng`, which must be fit for secrets: scalars by rejection sampling (FIPS 186-5 A.2.2). */
enum crypto_status sign_generate(const struct crypto_backend *crypto, enum sign_algorithm algorithm, struct rng *rng,
                                 struct secret *private_key, uint8_t *public_key);

#endif
