/* Cipher suites of MLS (RFC 9420 sections 5.1 and 17.1) and the labelled primitives over them (5.1.2, 5.1.3, 5.2, 8).
 *
 * Everything cryptographic in this library takes a `struct mls_crypto`: the table of primitives and the suite of the
 * group. It is two pointers to constants: copy it freely. Nothing here keeps state; secrets that come out belong to the
 * caller, and are wiped when a call fails. Threads: any. */
#ifndef CONCLAVE_E2EE_MLS_SUITE_H
#define CONCLAVE_E2EE_MLS_SUITE_H

#include "crypto/backend.h"
#include "crypto/hpke.h"
#include "e2ee/mls_codec.h"
#include "e2ee/mls_types.h"

struct mls_suite {
    uint16_t id;
    const char *name; /* as in the registry */
    struct hpke_suite hpke;
    enum hash_algorithm hash; /* of hashes, HMAC and the key schedule's KDF */
    enum sign_algorithm sign;
    uint8_t hash_len; /* KDF.Nh: secrets, hashes, MACs and nonces of PSKs */
    uint8_t key_len;  /* AEAD.Nk; AEAD.Nn is AEAD_NONCE_LEN in all suites */
};

struct mls_crypto {
    const struct crypto_backend *backend;
    const struct mls_suite *suite;
};

/* NULL when the number is unknown. */
const struct mls_suite *mls_suite_find(uint16_t id);
/* By the registry's name, which is how the hybrid suite is negotiated; NULL when unknown. */
const struct mls_suite *mls_suite_named(const char *name);
/* All suites in the order of their numbers: i from 0 until NULL. */
const struct mls_suite *mls_suite_at(size_t i);
/* MLS_SUITE_UNSUPPORTED when the number is unknown or the backend lacks a primitive of it. */
enum mls_status mls_crypto_of(const struct crypto_backend *backend, uint16_t suite_id, struct mls_crypto *out);

/* A public hash or MAC of the suite; len 0 is "none", the empty string of the first transcript hash. */
struct mls_hash {
    uint8_t len;
    uint8_t bytes[HASH_LEN_MAX];
};
static inline struct span mls_hash_span(const struct mls_hash *h) {
    return (struct span){.data = h->bytes, .len = h->len};
}
static inline bool mls_hash_equal(const struct mls_hash *h, struct span other) {
    return span_equal(mls_hash_span(h), other);
}

/* Answers MLS_OK, MLS_NO_MEMORY, MLS_SUITE_UNSUPPORTED, or `invalid` for CRYPTO_INVALID. */
enum mls_status mls_status_of_crypto(enum crypto_status status, enum mls_status invalid);

/* Hash over the concatenation of parts. */
enum mls_status mls_hash_parts(const struct mls_crypto *c, const struct span *parts, size_t count,
                               struct mls_hash *out);
/* HMAC under `key`. */
enum mls_status mls_mac(const struct mls_crypto *c, const struct secret *key, const struct span *parts, size_t count,
                        struct mls_hash *out);
/* Constant time: true when `tag` is the MAC. The status tells of failures of the primitive only. */
enum mls_status mls_mac_check(const struct mls_crypto *c, const struct secret *key, const struct span *parts,
                              size_t count, struct span tag, enum mls_status mismatch);

/* Section 5.2: RefHash(label, value). The label is the whole one, with "MLS 1.0 ". */
enum mls_status mls_ref_hash(const struct mls_crypto *c, const char *label, struct span value, struct mls_hash *out);
/* MakeKeyPackageRef of an encoded KeyPackage, MakeProposalRef of an encoded AuthenticatedContent. */
enum mls_status mls_key_package_ref(const struct mls_crypto *c, struct span key_package, struct mls_hash *out);
enum mls_status mls_proposal_ref(const struct mls_crypto *c, struct span authenticated_content, struct mls_hash *out);

/* Section 8. Labels come without "MLS 1.0 "; `context` of up to 2^30 bytes; out_len <= HKDF_OUT_LEN_MAX (asserted). */
enum mls_status mls_expand_with_label(const struct mls_crypto *c, const struct secret *secret, const char *label,
                                      struct span context, uint8_t *out, size_t out_len);
/* The same with KDF.Nh bytes of output; `out` may be `secret`. */
enum mls_status mls_expand_secret(const struct mls_crypto *c, const struct secret *secret, const char *label,
                                  struct span context, struct secret *out);
/* DeriveSecret(secret, label); `out` may be `secret`. */
enum mls_status mls_derive_secret(const struct mls_crypto *c, const struct secret *secret, const char *label,
                                  struct secret *out);
/* KDF.Extract(salt, ikm). `out` may be either of the two. */
enum mls_status mls_extract(const struct mls_crypto *c, struct span salt, struct span ikm, struct secret *out);
/* KDF.Nh random bytes. */
void mls_random_secret(const struct mls_crypto *c, struct rng *rng, struct secret *out);
/* KDF.Nh zero bytes. */
void mls_zero_secret(const struct mls_crypto *c, struct secret *out);

/* Section 5.1.2. The content is the concatenation of parts. The signature is appended to `out` as opaque signature<V>;
 * a failure is also the buffer's. */
enum mls_status mls_sign_with_label(const struct mls_crypto *c, const struct secret *private_key, const char *label,
                                    const struct span *parts, size_t count, struct mls_buf *out);
/* `invalid` when the signature does not verify or the key is none. */
enum mls_status mls_verify_with_label(const struct mls_crypto *c, struct span public_key, const char *label,
                                      const struct span *parts, size_t count, struct span signature,
                                      enum mls_status invalid);
/* The SignContent that such a signature is over, for verification by somebody else (the host's asynchronous verifier).
 */
void mls_sign_content_write(struct mls_buf *out, const char *label, const struct span *parts, size_t count);

/* Section 5.1.3: appends an HPKECiphertext (section 7.6: kem_output<V>, ciphertext<V>) to `out`. `invalid` when the
 * public key is none. */
enum mls_status mls_encrypt_with_label(const struct mls_crypto *c, struct span public_key, const char *label,
                                       struct span context, struct span plaintext, struct rng *rng, struct mls_buf *out,
                                       enum mls_status invalid);
/* Appends the plaintext to `out`. `public_key` is the receiver's own, or empty (it is then computed). */
enum mls_status mls_decrypt_with_label(const struct mls_crypto *c, const struct secret *private_key,
                                       struct span public_key, const char *label, struct span context,
                                       struct span kem_output, struct span ciphertext, struct mls_buf *out,
                                       enum mls_status invalid);

/* Key pairs of the suite. Public keys: mls_public_key_len, mls_signature_key_len bytes. */
size_t mls_public_key_len(const struct mls_crypto *c);
size_t mls_signature_key_len(const struct mls_crypto *c);
enum mls_status mls_kem_generate(const struct mls_crypto *c, struct rng *rng, struct secret *private_key,
                                 uint8_t *public_key);
/* KEM.DeriveKeyPair(ikm): node secrets (section 7.4) and the external secret (section 8). */
enum mls_status mls_kem_derive(const struct mls_crypto *c, const struct secret *ikm, struct secret *private_key,
                               uint8_t *public_key);
enum mls_status mls_signature_generate(const struct mls_crypto *c, struct rng *rng, struct secret *private_key,
                                       uint8_t *public_key);

#endif
