/* HKDF (RFC 5869) over a backend's HMAC. */
#ifndef CONCLAVE_CRYPTO_HKDF_H
#define CONCLAVE_CRYPTO_HKDF_H

#include "crypto/backend.h"

/* Nothing in MLS, HPKE or SFrame asks for more at a time (RFC 5869 would allow 255 blocks; MLS exporters are bounded
 * here). */
#define HKDF_OUT_LEN_MAX 1024

/* The longest list of parts that anything above joins to an info; asserted. */
#define HKDF_PARTS_MAX 12

/* Section 2.2. `prk` gets hash_len bytes. The input keying material is the concatenation of the parts. */
enum crypto_status hkdf_extract(const struct crypto_backend *crypto, enum hash_algorithm hash, struct span salt,
                                const struct span *ikm_parts, size_t count, struct secret *prk);
/* Section 2.3. `info` is the concatenation of the parts. out_len <= HKDF_OUT_LEN_MAX (asserted). `out` does not overlap
 * the inputs, except that one block (out_len <= hash_len) may replace the very `prk` that it comes from. */
enum crypto_status hkdf_expand(const struct crypto_backend *crypto, enum hash_algorithm hash, struct span prk,
                               const struct span *info_parts, size_t count, uint8_t *out, size_t out_len);

#endif
