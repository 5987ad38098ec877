/* X-Wing (draft-connolly-cfrg-xwing-kem): ML-KEM-768 and X25519 of one 32 byte seed, safe while either of the two is.
 * The inner part of kem.h, which is what others use: lengths are the caller's duty (asserted).
 *
 * An X25519 output of zeros is refused (RFC 7748 section 6.1), as in DHKEM; the draft leaves that check open. */
#ifndef CONCLAVE_CRYPTO_XWING_H
#define CONCLAVE_CRYPTO_XWING_H

#include "crypto/backend.h"

#define XWING_SEED_LEN 32
#define XWING_PUBLIC_LEN 1216
#define XWING_CT_LEN 1120
#define XWING_SS_LEN 32
#define XWING_ESEED_LEN 64

/* GenerateKeyPairDerand: the public key of a seed. */
enum crypto_status xwing_public(const struct crypto_backend *crypto, struct span seed, uint8_t *public_key);
/* Whether the ML-KEM part passes FIPS 203's modulus check, and the other is a good key of X25519. */
enum crypto_status xwing_public_good(const struct crypto_backend *crypto, struct span public_key);
/* EncapsulateDerand. */
enum crypto_status xwing_encap(const struct crypto_backend *crypto, struct span public_key, struct span eseed,
                               struct secret *shared, uint8_t *ct);
/* Decapsulate. The public key comes out of the seed and need not be known. */
enum crypto_status xwing_decap(const struct crypto_backend *crypto, struct span seed, struct span ct,
                               struct secret *shared);

#endif
