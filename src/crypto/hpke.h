/* Hybrid public key encryption (RFC 9180), base and PSK modes, the parts that MLS and private messages use: one message
 * sealed to a public key, and a secret exported. Contexts for several messages keep their sequence number and refuse to
 * wrap. The authenticated modes are left out: MLS has no use for them. */
#ifndef CONCLAVE_CRYPTO_HPKE_H
#define CONCLAVE_CRYPTO_HPKE_H

#include "crypto/hkdf.h"
#include "crypto/kem.h"

struct hpke_suite {
    enum kem kem;
    enum hash_algorithm kdf; /* HKDF-SHA256, -SHA384, -SHA512: KDF identifiers 1, 2, 3 */
    enum aead_algorithm aead;
};

/* Mode base when psk.len is 0 (then psk_id.len is 0 too), else mode PSK, which wants psk.len >= 32 (section 9.5;
 * asserted). */
struct hpke_psk {
    struct span psk;
    struct span id;
};

/* One direction of one exchange. Holds secrets; its owner calls hpke_wipe. Plain data. */
struct hpke_context {
    const struct crypto_backend *crypto;
    struct hpke_suite suite;
    struct secret key;
    uint8_t base_nonce[AEAD_NONCE_LEN];
    struct secret exporter_secret;
    uint64_t seq;
};

/* SetupBaseS, SetupPSKS (section 5.1): `enc` has room for kem_enc_len bytes. `psk` may be NULL: base mode. */
enum crypto_status hpke_setup_sender(struct hpke_context *c, const struct crypto_backend *crypto,
                                     struct hpke_suite suite, struct span public_key, struct span info,
                                     const struct hpke_psk *psk, struct rng *rng, uint8_t *enc);
/* SetupBaseR, SetupPSKR. `public_key`: the receiver's own, may be empty (see kem_decap). */
enum crypto_status hpke_setup_receiver(struct hpke_context *c, const struct crypto_backend *crypto,
                                       struct hpke_suite suite, const struct secret *private_key,
                                       struct span public_key, struct span enc, struct span info,
                                       const struct hpke_psk *psk);
/* Section 5.2. seal writes text.len + AEAD_TAG_LEN bytes, open sealed.len - AEAD_TAG_LEN. A failed open does not use up
 * a sequence number. CRYPTO_INVALID as well when all sequence numbers are used up. */
enum crypto_status hpke_context_seal(struct hpke_context *c, struct span aad, struct span text, uint8_t *out);
enum crypto_status hpke_context_open(struct hpke_context *c, struct span aad, struct span sealed, uint8_t *out);
/* Section 5.3. out_len <= HKDF_OUT_LEN_MAX (asserted). */
enum crypto_status hpke_context_export(const struct hpke_context *c, struct span exporter_context, uint8_t *out,
                                       size_t out_len);
void hpke_wipe(struct hpke_context *c);

/* SealBase and OpenBase (section 6.1). */
enum crypto_status hpke_seal(const struct crypto_backend *crypto, struct hpke_suite suite, struct span public_key,
                             struct span info, struct span aad, struct span text, struct rng *rng, uint8_t *enc,
                             uint8_t *sealed);
enum crypto_status hpke_open(const struct crypto_backend *crypto, struct hpke_suite suite,
                             const struct secret *private_key, struct span public_key, struct span enc,
                             struct span info, struct span aad, struct span sealed, uint8_t *out);

#endif
