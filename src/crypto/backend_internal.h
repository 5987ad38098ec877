/* What the tables of primitives share. Not for users of the library. */
#ifndef CONCLAVE_CRYPTO_BACKEND_INTERNAL_H
#define CONCLAVE_CRYPTO_BACKEND_INTERNAL_H

#include "crypto/backend.h"
#include "crypto/nist.h"

/* The entries `hash` and `hmac` of every table: hmac.h is built over OpenSSL natively and over sha2.h elsewhere. */
enum crypto_status backend_hash(enum hash_algorithm algorithm, const struct span *parts, size_t count, uint8_t *out);
enum crypto_status backend_hmac(enum hash_algorithm algorithm, struct span key, const struct span *parts, size_t count,
                                uint8_t *out);

/* False for the curves that are not NIST's. */
bool dh_is_nist(enum dh_group group, enum nist_curve *curve);
bool sign_is_nist(enum sign_algorithm algorithm, enum nist_curve *curve);
/* The hash inside of ECDSA with this curve (RFC 8446 section 4.2.3). */
enum hash_algorithm nist_sign_hash(enum nist_curve curve);
/* A private key has its group's length and, on NIST curves, is in [1, order - 1]; a public one has its length and, on
 * NIST curves, the uncompressed form. Whether a point is on its curve is the backend's to say. */
bool dh_private_fits(enum dh_group group, const struct secret *private_key);
bool dh_public_fits(enum dh_group group, struct span public_key);
bool sign_private_fits(enum sign_algorithm algorithm, const struct secret *private_key);
/* Of X25519 and X448: reduced, and of large order. On their curves and twists `dh` is zero for no other key. */
bool dh_montgomery_good(enum dh_group group, struct span public_key);
/* RFC 3279 section 2.2.3 in DER: a sequence of two integers that are not negative, and nothing else. */
bool ecdsa_signature_fits(struct span signature);

#endif
