#include "crypto/backend.h"

#include "base/assert.h"
#include "crypto/backend_internal.h"
#include "crypto/hmac.h"

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

/* RFC 8032 section 5.1.3, steps 1 and 4: y is below p, and x = 0 has no sign. OpenSSL looks at neither; members over
 * different backends have to refuse the same keys. Whether y is on the curve is left to verification. */
static bool ed25519_canonical(const uint8_t *key) {
    uint8_t middle_and = 0xff, middle_or = 0;
    for (size_t i = 1; i < 31; i++) {
        middle_and &= key[i];
        middle_or |= key[i];
    }
    bool all_ones = middle_and == 0xff && (key[31] & 0x7f) == 0x7f, zeros = middle_or == 0 && (key[31] & 0x7f) == 0;
    if (all_ones && key[0] >= 0xed)
        return false;
    bool x_is_zero = (zeros && key[0] == 1) || (all_ones && key[0] == 0xec); /* y = 1 and y = -1 */
    return !x_is_zero || (key[31] & 0x80) == 0;
}

bool sign_public_fits(enum sign_algorithm algorithm, struct span public_key) {
    enum nist_curve curve;
    if (public_key.len != sign_public_len(algorithm))
        return false;
    if (algorithm == SIGN_ED25519)
        return ed25519_canonical(public_key.data);
    return !sign_is_nist(algorithm, &curve) || public_key.data[0] == POINT_UNCOMPRESSED;
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
