/* X25519, Ed25519 and SHA-2 in C against OpenSSL's on random and on bad inputs; published vectors are in
 * test_backend.c, which runs the table that is made of them. */
#include <openssl/evp.h>

#include "base/assert.h"
#include "base/rng.h"
#include "crypto/backend.h"
#include "crypto/curve25519.h"
#include "crypto/fe25519.h"
#include "crypto/sha2.h"
#include "unit.h"

static struct rng rng;

static struct secret random_key(void) {
    struct secret key;
    secret_zeros(&key, 32);
    rng_fill(&rng, key.bytes, key.len);
    if (rng_below(&rng, 4) == 0) /* long runs of equal bits meet other paths of recoding */
        memset(key.bytes + rng_below(&rng, 16), rng_below(&rng, 2) ? 0xff : 0, 1 + rng_below(&rng, 16));
    return key;
}

static void hashes_agree_with_openssl_at_every_length_and_cut(void **state) {
    (void)state;
    static const enum hash_algorithm other[] = {HASH_SHA256, HASH_SHA384, HASH_SHA512};
    static uint8_t text[600];
    rng = rng_seeded(1);
    rng_fill(&rng, text, sizeof text);
    for (size_t len = 0; len <= sizeof text; len++) {
        for (int kind = SHA2_256; kind <= SHA2_512; kind++) {
            uint8_t out[64], expected[64];
            struct span whole = span_of(text, len);
            struct sha2 s;
            sha2_start(&s, (enum sha2_kind)kind);
            for (size_t at = 0; at < len;) {
                size_t some = 1 + rng_below(&rng, len - at);
                sha2_add(&s, text + at, some);
                at += some;
            }
            sha2_finish(&s, out);
            assert_int_equal(crypto_openssl.hash(other[kind], &whole, 1, expected), CRYPTO_OK);
            assert_memory_equal(out, expected, hash_len(other[kind]));
        }
    }
}

static void x25519_agrees_with_openssl(void **state) {
    (void)state;
    rng = rng_seeded(2);
    for (int round = 0; round < 1500; round++) {
        struct secret a = random_key(), b = random_key(), shared;
        uint8_t pub[32], expected[32], out[32];
        x25519_public(a.bytes, pub);
        assert_int_equal(crypto_openssl.dh_public(DH_X25519, &a, expected), CRYPTO_OK);
        assert_memory_equal(pub, expected, 32);
        if (round % 3 == 0) /* any string is a public key; half of them are on the twist */
            rng_fill(&rng, pub, sizeof pub);
        assert_true(x25519(b.bytes, pub, out));
        assert_int_equal(crypto_openssl.dh(DH_X25519, &b, span_of(pub, 32), &shared), CRYPTO_OK);
        assert_memory_equal(out, shared.bytes, 32);
    }
}

/* RFC 7748 section 5.2. */
static void a_thousand_iterations_give_the_answer_of_rfc_7748(void **state) {
    (void)state;
    static const uint8_t expected[32] = {0x68, 0x4c, 0xf5, 0x9b, 0xa8, 0x33, 0x09, 0x55, 0x28, 0x00, 0xef,
                                         0x56, 0x6f, 0x2f, 0x4d, 0x3c, 0x1c, 0x38, 0x87, 0xc4, 0x93, 0x60,
                                         0xe3, 0x87, 0x5f, 0x2e, 0xb9, 0x4d, 0x99, 0x53, 0x2c, 0x51};
    uint8_t k[32] = {9}, u[32] = {9}, out[32];
    for (int i = 0; i < 1000; i++) {
        assert_true(x25519(k, u, out));
        memcpy(u, k, sizeof u);
        memcpy(k, out, sizeof k);
    }
    assert_memory_equal(k, expected, sizeof k);
}

static void ed25519_agrees_with_openssl(void **state) {
    (void)state;
    static uint8_t text[300];
    rng = rng_seeded(3);
    rng_fill(&rng, text, sizeof text);
    for (int round = 0; round < 1500; round++) {
        struct secret key = random_key();
        uint8_t pub[32], expected[32], signature[64], other[64];
        size_t other_len, len = rng_below(&rng, sizeof text);
        ed25519_public(key.bytes, pub);
        assert_int_equal(crypto_openssl.sign_public(SIGN_ED25519, &key, expected), CRYPTO_OK);
        assert_memory_equal(pub, expected, 32);
        ed25519_sign(key.bytes, span_of(text, len), signature);
        assert_int_equal(crypto_openssl.sign(SIGN_ED25519, &key, span_of(text, len), other, &other_len), CRYPTO_OK);
        assert_memory_equal(signature, other, 64);
        assert_true(ed25519_verify(pub, span_of(text, len), signature));
        signature[rng_below(&rng, 64)] ^= (uint8_t)(1u << rng_below(&rng, 8));
        assert_false(ed25519_verify(pub, span_of(text, len), signature));
    }
}

/* What the two verifiers say of keys and signatures that nobody would make: members who disagree would part ways. */
static void ed25519_refuses_what_openssl_refuses(void **state) {
    (void)state;
    static const uint8_t special[][32] = {
        {0},                             /* order 4 */
        {1},                             /* the identity */
        {2},                             /* y = 2, on no point or some */
        {0xec, [1 ... 30] = 0xff, 0x7f}, /* p - 1, order 2 */
        {0xed, [1 ... 30] = 0xff, 0x7f}, /* p, not canonical */
        {0xee, [1 ... 30] = 0xff, 0x7f}, /* p + 1, not canonical */
        {1, [31] = 0x80},                /* the identity with a sign */
        {0xec, [1 ... 31] = 0xff},       /* order 2 with a sign */
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
         0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05}, /* order 8 */
    };
    static const uint8_t orders[][32] = {
        {0},
        {1},
        {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
         0x14, [31] = 0x10}, /* the order */
        {0xec, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10},
        {[0 ... 31] = 0xff},
    };
    size_t accepted = 0;
    for (size_t a = 0; a < ARRAY_LEN(special); a++) {
        for (size_t r = 0; r < ARRAY_LEN(special); r++) {
            for (size_t s = 0; s < ARRAY_LEN(orders); s++) {
                for (uint8_t text = 0; text < 16; text++) {
                    uint8_t signature[64];
                    memcpy(signature, special[r], 32);
                    memcpy(signature + 32, orders[s], 32);
                    bool own = sign_public_good(SIGN_ED25519, span_of(special[a], 32)) &&
                               ed25519_verify(special[a], span_of(&text, 1), signature);
                    bool other = crypto_openssl.verify(SIGN_ED25519, span_of(special[a], 32), span_of(&text, 1),
                                                       span_of(signature, 64)) == CRYPTO_OK;
                    if (own != other)
                        print_message("key %zu, R %zu, S %zu, text %d: %d, %d\n", a, r, s, text, own, other);
                    assert_int_equal(own, other);
                    accepted += own ? 1 : 0;
                }
            }
        }
    }
    assert_int_equal(accepted, 0); /* a key of small order would sign some messages without a private key */
}

static void field_elements_of_p_and_more_are_written_reduced(void **state) {
    (void)state;
    for (unsigned add = 0; add < 19; add++) {
        uint8_t in[32], out[32], expected[32] = {(uint8_t)add};
        struct fe f, g;
        memset(in, 0xff, sizeof in);
        in[0] = (uint8_t)(0xed + add);
        in[31] = 0x7f;
        fe_load(&f, in);
        fe_store(out, &f);
        assert_memory_equal(out, expected, 32);
        fe_add(&g, &f, &f);
        fe_store(out, &g);
        expected[0] = (uint8_t)(2 * add);
        assert_memory_equal(out, expected, 32);
        fe_sub(&g, &f, &f);
        assert_true(fe_is_zero(&g));
    }
    struct fe zero = {{0}}, one = {{1}}, minus;
    uint8_t out[32];
    fe_sub(&minus, &zero, &one);
    fe_store(out, &minus);
    assert_int_equal(out[0], 0xec);
    assert_int_equal(out[31], 0x7f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_agree_with_openssl_at_every_length_and_cut),
        cmocka_unit_test(field_elements_of_p_and_more_are_written_reduced),
        cmocka_unit_test(x25519_agrees_with_openssl),
        cmocka_unit_test(a_thousand_iterations_give_the_answer_of_rfc_7748),
        cmocka_unit_test(ed25519_agrees_with_openssl),
        cmocka_unit_test(ed25519_refuses_what_openssl_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
