/* Points of the curve edwards25519 (RFC 8032 section 5.1), the part of curve25519.h that its two users share. Not for
 * users of the library. */
#ifndef CONCLAVE_CRYPTO_ED25519_POINT_H
#define CONCLAVE_CRYPTO_ED25519_POINT_H

#include <stdbool.h>

#include "crypto/fe25519.h"

/* Extended coordinates (section 5.1.4): x = X / Z, y = Y / Z, x y = T / Z. All weigh 1, or 2 when just read. */
struct ed_point {
    struct fe x;
    struct fe y;
    struct fe z;
    struct fe t;
};

/* scalar times the base point, in constant time. The scalar is below 2^255 (not asserted: it is
 * secret), little-endian. T is not to be used. */
void ed_base_multiply(struct ed_point *p, const uint8_t scalar[32]);
/* a times `point` plus b times the base point, in time that depends on all of them: public numbers only. T is not to be
 * used. Scalars are below 2^253. */
void ed_double_multiply_public(struct ed_point *p, const uint8_t a[32], const struct ed_point *point,
                               const uint8_t b[32]);
void ed_encode(uint8_t out[32], const struct ed_point *p);
/* Section 5.1.3; false for bytes that no point has. */
bool ed_decode(struct ed_point *p, const uint8_t in[32]);
void ed_negate(struct ed_point *p);

#endif
