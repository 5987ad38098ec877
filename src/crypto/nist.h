/* Scalars of the NIST curves (FIPS 186-5, SP 800-186) as byte strings: what backends and key generation ask of them
 * before any arithmetic. Not for users of the library. */
#ifndef CONCLAVE_CRYPTO_NIST_H
#define CONCLAVE_CRYPTO_NIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nist_curve { NIST_P256, NIST_P384, NIST_P521 };

#define NIST_SCALAR_LEN_MAX 66

/* Of scalars and of one coordinate: 32, 48 or 66 bytes. */
size_t nist_len(enum nist_curve curve);
/* Whether a big-endian scalar of nist_len bytes is in [1, order - 1]. Time does not depend on the scalar. */
bool nist_scalar_valid(enum nist_curve curve, const uint8_t *scalar);
/* Clears the bits of the first byte that no scalar has: for P-521 seven of them (RFC 9180 section 7.1.3). */
void nist_scalar_mask(enum nist_curve curve, uint8_t *scalar);

#endif
