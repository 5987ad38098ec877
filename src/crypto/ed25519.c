#include <string.h>

#include "base/assert.h"
#include "base/secret.h"
#include "crypto/curve25519.h"
#include "crypto/ed25519_point.h"
#include "crypto/hmac.h"

#define WORDS 8 /* of 32 bits, little-endian */

/* RFC 8032 section 5.1: the order L of the base point, 2^252 + 27742317777372353535851937790883648493. */
static const uint32_t order[WORDS] = {0x5cf5d3ed, 0x5812631a, 0xa2f79cd6, 0x14def9de, 0, 0, 0, 0x10000000};

static void load_words(uint32_t *out, const uint8_t *in, size_t count) {
    for (size_t i = 0; i < count; i++, in += 4)
        out[i] = (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

/* t = r - L; answers 1 when r < L. */
static uint32_t subtract_order(uint32_t t[WORDS], const uint32_t r[WORDS]) {
    uint64_t borrow = 0;
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t difference = (uint64_t)r[i] - order[i] - borrow;
        t[i] = (uint32_t)difference;
        borrow = difference >> 63;
    }
    return (uint32_t)borrow;
}

/* x modulo L: long division bit by bit, which takes a twentieth of a signature's time and knows no exception. The first
 * 252 bits are below L as they are. */
static void reduce(uint8_t out[32], const uint32_t x[2 * WORDS]) {
    uint32_t r[WORDS], t[WORDS];
    for (size_t i = 0; i < WORDS; i++)
        r[i] = x[WORDS + i] >> 4 | (i + 1 < WORDS ? x[WORDS + i + 1] << 28 : 0);
    for (size_t bit = 260; bit-- > 0;) {
        for (size_t i = WORDS - 1; i > 0; i--)
            r[i] = r[i] << 1 | r[i - 1] >> 31;
        r[0] = r[0] << 1 | (x[bit / 32] >> (bit % 32) & 1u);
        uint32_t keep = 0u - subtract_order(t, r); /* all ones when r is below L */
        for (size_t i = 0; i < WORDS; i++)
            r[i] = (r[i] & keep) | (t[i] & ~keep);
    }
    for (size_t i = 0; i < 32; i++)
        out[i] = (uint8_t)(r[i / 4] >> (8 * (i % 4)));
    secure_wipe(r, sizeof r);
    secure_wipe(t, sizeof t);
}

static void reduce_bytes(uint8_t out[32], const uint8_t in[64]) {
    uint32_t x[2 * WORDS];
    load_words(x, in, 2 * WORDS);
    reduce(out, x);
    secure_wipe(x, sizeof x);
}

/* (k a + r) modulo L, for a and k below 2^255 and r below L. */
static void multiply_add(uint8_t out[32], const uint8_t k[32], const uint8_t a[32], const uint8_t r[32]) {
    uint32_t kw[WORDS], aw[WORDS], x[2 * WORDS] = {0};
    load_words(kw, k, WORDS);
    load_words(aw, a, WORDS);
    load_words(x, r, WORDS);
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t carry = 0;
        for (size_t j = 0; j < WORDS; j++) {
            carry += (uint64_t)kw[i] * aw[j] + x[i + j];
            x[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        x[i + WORDS] = (uint32_t)carry;
    }
    reduce(out, x);
    secure_wipe(aw, sizeof aw);
    secure_wipe(x, sizeof x);
}

/* Section 5.1.5: the secret scalar and the prefix. */
static void expand(uint8_t scalar_and_prefix[64], const uint8_t private_key[ED25519_KEY_LEN]) {
    struct span seed = span_of(private_key, ED25519_KEY_LEN);
    sha_parts(HMAC_SHA512, &seed, 1, scalar_and_prefix);
    scalar_and_prefix[0] &= 248;
    scalar_and_prefix[31] = (uint8_t)((scalar_and_prefix[31] & 127) | 64);
}

static void encode_multiple(uint8_t out[32], const uint8_t scalar[32]) {
    struct ed_point p;
    ed_base_multiply(&p, scalar);
    ed_encode(out, &p);
    secure_wipe(&p, sizeof p);
}

void ed25519_public(const uint8_t private_key[ED25519_KEY_LEN], uint8_t public_key[ED25519_KEY_LEN]) {
    ASSERT(private_key != NULL && public_key != NULL);
    uint8_t expanded[64];
    expand(expanded, private_key);
    encode_multiple(public_key, expanded);
    secure_wipe(expanded, sizeof expanded);
}

/* k of sections 5.1.6 and 5.1.7. */
static void challenge(uint8_t k[32], const uint8_t r[32], const uint8_t public_key[32], struct span message) {
    uint8_t digest[64];
    struct span parts[] = {span_of(r, 32), span_of(public_key, 32), message};
    sha_parts(HMAC_SHA512, parts, ARRAY_LEN(parts), digest);
    reduce_bytes(k, digest);
}

void ed25519_sign(const uint8_t private_key[ED25519_KEY_LEN], struct span message,
                  uint8_t signature[ED25519_SIGNATURE_LEN]) {
    ASSERT(private_key != NULL && signature != NULL);
    uint8_t expanded[64], public_key[32], nonce[64], r[32], k[32];
    expand(expanded, private_key);
    encode_multiple(public_key, expanded);
    struct span parts[] = {span_of(expanded + 32, 32), message};
    sha_parts(HMAC_SHA512, parts, ARRAY_LEN(parts), nonce);
    reduce_bytes(r, nonce);
    encode_multiple(signature, r);
    challenge(k, signature, public_key, message);
    multiply_add(signature + 32, k, expanded, r);
    secure_wipe(expanded, sizeof expanded);
    secure_wipe(nonce, sizeof nonce);
    secure_wipe(r, sizeof r);
}

bool ed25519_verify(const uint8_t public_key[ED25519_KEY_LEN], struct span message,
                    const uint8_t signature[ED25519_SIGNATURE_LEN]) {
    ASSERT(public_key != NULL && signature != NULL);
    const uint8_t *r = signature, *s = signature + 32;
    uint32_t words[WORDS], unused[WORDS];
    struct ed_point a, p;
    uint8_t k[32], again[32];
    load_words(words, s, WORDS);
    if (subtract_order(unused, words) == 0 || !ed_decode(&a, public_key))
        return false;
    challenge(k, r, public_key, message);
    ed_negate(&a);
    ed_double_multiply_public(&p, k, &a, s);
    ed_encode(again, &p);
    return secure_equal(again, r, sizeof again);
}
