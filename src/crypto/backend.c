#include "crypto/backend.h"

#include <string.h>

#include "base/assert.h"
#include "crypto/backend_internal.h"
#include "crypto/curve25519.h"
#include "crypto/hmac.h"

#define ED448_SIGNATURE_LEN 114 /* RFC 8032 section 5.2.6 */
#define POINT_UNCOMPRESSED 0x04 /* SEC 1 section 2.3.3 */

size_t hash_len(enum hash_algorithm algorithm) {
    ASSERT(algorithm == HASH_SHA256 || algorithm == HASH_SHA384 || algorithm == HASH_SHA512);
    return algorithm == HASH_SHA256 ? 32 : algorithm == HASH_SHA384 ? 48 : 64;
}

static enum hmac_hash hmac_of(enum hash_algorithm algorithm) {
    ASSERT(algorithm == HASH_SHA256 || algorithm == HASH_SHA384 || algorithm == HASH_SHA512);
    return algorithm == HASH_SHA256 ? HMAC_SHA256 : algorithm == HASH_SHA384 ? HMAC_SHA384 : HMAC_SHA512;
}

enum crypto_status backend_hash(enum hash_algorithm algorithm, const struct span *parts, size_t count, uint8_t *out) {
    sha_parts(hmac_of(algorithm), parts, count, out);
    return CRYPTO_OK;
}

enum crypto_status backend_hmac(enum hash_algorithm algorithm, struct span key, const struct span *parts, size_t count,
                                uint8_t *out) {
    struct hmac_key state;
    hmac_key_init(&state, hmac_of(algorithm), key);
    hmac_key_sign(&state, parts, count, out);
    hmac_key_wipe(&state);
    return CRYPTO_OK;
}

bool dh_is_nist(enum dh_group group, enum nist_curve *curve) {
    ASSERT(group >= DH_X25519 && group <= DH_P521);
    if (group == DH_X25519 || group == DH_X448)
        return false;
    *curve = group == DH_P256 ? NIST_P256 : group == DH_P384 ? NIST_P384 : NIST_P521;
    return true;
}

bool sign_is_nist(enum sign_algorithm algorithm, enum nist_curve *curve) {
    ASSERT(algorithm >= SIGN_ED25519 && algorithm <= SIGN_P521_SHA512);
    if (algorithm == SIGN_ED25519 || algorithm == SIGN_ED448)
        return false;
    *curve = algorithm == SIGN_P256_SHA256 ? NIST_P256 : algorithm == SIGN_P384_SHA384 ? NIST_P384 : NIST_P521;
    return true;
}

enum hash_algorithm nist_sign_hash(enum nist_curve curve) {
    return curve == NIST_P256 ? HASH_SHA256 : curve == NIST_P384 ? HASH_SHA384 : HASH_SHA512;
}

size_t dh_private_len(enum dh_group group) {
    enum nist_curve curve;
    if (dh_is_nist(group, &curve))
        return nist_len(curve);
    return group == DH_X25519 ? 32 : 56;
}

size_t dh_public_len(enum dh_group group) {
    enum nist_curve curve;
    return dh_is_nist(group, &curve) ? 1 + 2 * nist_len(curve) : dh_private_len(group);
}

size_t sign_private_len(enum sign_algorithm algorithm) {
    enum nist_curve curve;
    if (sign_is_nist(algorithm, &curve))
        return nist_len(curve);
    return algorithm == SIGN_ED25519 ? 32 : 57;
}

size_t sign_public_len(enum sign_algorithm algorithm) {
    enum nist_curve curve;
    return sign_is_nist(algorithm, &curve) ? 1 + 2 * nist_len(curve) : sign_private_len(algorithm);
}

bool dh_private_fits(enum dh_group group, const struct secret *private_key) {
    enum nist_curve curve;
    return private_key->len == dh_private_len(group) &&
           (!dh_is_nist(group, &curve) || nist_scalar_valid(curve, private_key->bytes));
}

bool dh_public_fits(enum dh_group group, struct span public_key) {
    enum nist_curve curve;
    return public_key.len == dh_public_len(group) &&
           (!dh_is_nist(group, &curve) || public_key.data[0] == POINT_UNCOMPRESSED);
}

bool sign_private_fits(enum sign_algorithm algorithm, const struct secret *private_key) {
    enum nist_curve curve;
    return private_key->len == sign_private_len(algorithm) &&
           (!sign_is_nist(algorithm, &curve) || nist_scalar_valid(curve, private_key->bytes));
}

/* ---- keys of small order, and numbers that are not reduced ----
 *
 * Numbers here are public, little-endian. */

/* RFC 7748 section 4.1: p = 2^255 - 19; 4.2: p = 2^448 - 2^224 - 1. RFC 8032 section 5.1: the order of the base point.
 */
static const uint8_t p_25519[32] = {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
static const uint8_t p_448[56] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t order_25519[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                        0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                        0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

/* The u-coordinates of order 8; u = 0, 1 and -1 are the smaller orders, on the curve or its twist. */
static const uint8_t u_25519_of_order_8[2][32] = {
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
     0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
    {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
     0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
};
/* The y-coordinates of order 8 on edwards25519; y = 0, 1 and -1 are those of the smaller orders. */
static const uint8_t y_25519_of_order_8[2][32] = {
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
     0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
     0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
};

static bool is_below(const uint8_t *x, const uint8_t *limit, size_t len) {
    for (size_t i = len; i-- > 0;) {
        if (x[i] != limit[i])
            return x[i] < limit[i];
    }
    return false;
}

/* 0, 1 or p - 1. */
static bool is_end(const uint8_t *x, const uint8_t *p, size_t len) {
    uint8_t others = 0;
    for (size_t i = 1; i < len; i++)
        others |= x[i];
    return (others == 0 && x[0] <= 1) || (x[0] == p[0] - 1 && memcmp(x + 1, p + 1, len - 1) == 0);
}

bool dh_montgomery_good(enum dh_group group, struct span public_key) {
    const uint8_t *u = public_key.data;
    if (public_key.len != dh_public_len(group))
        return false;
    if (group == DH_X448)
        return is_below(u, p_448, sizeof p_448) && !is_end(u, p_448, sizeof p_448);
    return is_below(u, p_25519, sizeof p_25519) && !is_end(u, p_25519, sizeof p_25519) &&
           memcmp(u, u_25519_of_order_8[0], sizeof p_25519) != 0 &&
           memcmp(u, u_25519_of_order_8[1], sizeof p_25519) != 0;
}

/* RFC 8032 section 5.1.3: y below p, whatever the sign; then none of the small orders, among which are those whose x is
 * 0 and has no sign. Whether y is on the curve is left to verification. */
static bool ed25519_key_good(const uint8_t *key) {
    uint8_t y[32];
    memcpy(y, key, sizeof y);
    y[31] &= 0x7f;
    return is_below(y, p_25519, sizeof y) && !is_end(y, p_25519, sizeof y) &&
           memcmp(y, y_25519_of_order_8[0], sizeof y) != 0 && memcmp(y, y_25519_of_order_8[1], sizeof y) != 0;
}

bool sign_public_good(enum sign_algorithm algorithm, struct span public_key) {
    enum nist_curve curve;
    if (public_key.len != sign_public_len(algorithm))
        return false;
    if (algorithm == SIGN_ED25519)
        return ed25519_key_good(public_key.data);
    return !sign_is_nist(algorithm, &curve) || public_key.data[0] == POINT_UNCOMPRESSED;
}

/* R is the encoding of a point, so its y is below p; verification compares bytes, and finds no other. */
bool sign_signature_good(enum sign_algorithm algorithm, struct span signature) {
    enum nist_curve curve;
    if (sign_is_nist(algorithm, &curve))
        return ecdsa_signature_fits(signature);
    if (algorithm != SIGN_ED25519)
        return signature.len == ED448_SIGNATURE_LEN;
    if (signature.len != ED25519_SIGNATURE_LEN)
        return false;
    uint8_t y[32];
    memcpy(y, signature.data, sizeof y);
    y[31] &= 0x7f;
    return is_below(y, p_25519, sizeof y) && is_below(signature.data + 32, order_25519, sizeof order_25519);
}

/* X.690 sections 8.1.3, 10.1: of these lengths, one byte or 0x81 and a byte that needs it. */
static size_t der_len(struct reader *r) {
    uint8_t first = rd_u8(r);
    if (first < 0x80)
        return first;
    uint8_t len = rd_u8(r);
    if (first != 0x81 || len < 0x80)
        reader_fail(r);
    return len;
}

/* A positive integer in the least bytes (section 8.3), or 0. */
static void der_skip_integer(struct reader *r) {
    if (rd_u8(r) != 0x02)
        reader_fail(r);
    struct span bytes = rd_span(r, der_len(r));
    bool positive = bytes.len > 0 && bytes.data[0] < 0x80;
    if (!positive || (bytes.len > 1 && bytes.data[0] == 0 && bytes.data[1] < 0x80))
        reader_fail(r);
}

bool ecdsa_signature_fits(struct span signature) {
    struct reader r = reader_of_span(signature);
    if (signature.len > SIGN_SIGNATURE_LEN_MAX || rd_u8(&r) != 0x30 || der_len(&r) != reader_left(&r))
        return false;
    der_skip_integer(&r);
    der_skip_integer(&r);
    return reader_ok(&r) && reader_left(&r) == 0;
}

enum crypto_status sign_generate(const struct crypto_backend *crypto, enum sign_algorithm algorithm, struct rng *rng,
                                 struct secret *private_key, uint8_t *public_key) {
    ASSERT(crypto != NULL && rng != NULL && private_key != NULL && public_key != NULL);
    enum nist_curve curve;
    bool nist = sign_is_nist(algorithm, &curve);
    secret_zeros(private_key, sign_private_len(algorithm));
    do {
        rng_fill(rng, private_key->bytes, private_key->len);
        if (nist)
            nist_scalar_mask(curve, private_key->bytes);
    } while (nist && !nist_scalar_valid(curve, private_key->bytes));
    enum crypto_status status = crypto->sign_public(algorithm, private_key, public_key);
    if (status != CRYPTO_OK)
        secret_wipe(private_key);
    return status;
}
