/* One table of primitives against Project Wycheproof's vectors, and against what its contract says. Linked twice: over
 * OpenSSL, and over the host's table with OpenSSL in JavaScript's place. */
#include "base/assert.h"
#include "base/rng.h"
#include "crypto/hkdf.h"
#include "crypto/kem.h"
#include "crypto/selftest.h"
#include "tested.h"
#include "vectors.h"

static struct {
    size_t valid;
    size_t invalid;
    size_t other; /* of a shape that the table does not take */
} results;

static bool is(json_t *test, const char *result) {
    return strcmp(vector_text(test, "result"), result) == 0;
}

static void run_file(const char *name, void (*run)(json_t *group, json_t *test)) {
    memset(&results, 0, sizeof results);
    char path[128];
    (void)snprintf(path, sizeof path, "wycheproof/%s", name);
    json_t *root = vectors_load(path), *group, *test;
    size_t i, j;
    json_array_foreach(json_object_get(root, "testGroups"), i, group) {
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            run(group, test);
        }
    }
    json_decref(root);
    print_message("%s: %zu valid, %zu invalid, %zu of other shapes\n", name, results.valid, results.invalid,
                  results.other);
}

static void the_self_tests_pass(void **state) {
    (void)state;
    assert_null(crypto_self_test_backend(tested));
    assert_null(crypto_self_test_curves(tested));
}

/* ---- AEAD ------------------------------------------------------------------------------------------------------- */

static enum aead_algorithm aead;

static void run_aead(json_t *group, json_t *test) {
    struct vector key = vector_of(test, "key"), iv = vector_of(test, "iv"), aad = vector_of(test, "aad");
    struct vector msg = vector_of(test, "msg"), ct = vector_of(test, "ct"), tag = vector_of(test, "tag");
    uint8_t sealed[VECTOR_LEN_MAX], out[VECTOR_LEN_MAX];
    if (json_integer_value(json_object_get(group, "ivSize")) != 96 ||
        json_integer_value(json_object_get(group, "tagSize")) != 128 || key.len != aead_key_len(aead)) {
        results.other++;
        return;
    }
    memcpy(sealed, ct.data, ct.len);
    memcpy(sealed + ct.len, tag.data, tag.len);
    struct span whole = span_of(sealed, ct.len + tag.len);
    memset(out, 0xaa, sizeof out);
    enum crypto_status status = tested->aead_open(aead, vector_span(&key), iv.data, vector_span(&aad), whole, out);
    if (is(test, "invalid")) {
        assert_int_equal(status, CRYPTO_INVALID);
        for (size_t i = 0; i < ct.len; i++)
            assert_int_equal(out[i], 0);
        results.invalid++;
        return;
    }
    assert_int_equal(status, CRYPTO_OK);
    assert_memory_equal(out, msg.data, msg.len);
    assert_int_equal(tested->aead_seal(aead, vector_span(&key), iv.data, vector_span(&aad), vector_span(&msg), out),
                     CRYPTO_OK);
    assert_memory_equal(out, sealed, whole.len);
    /* in place, both ways */
    assert_int_equal(tested->aead_open(aead, vector_span(&key), iv.data, vector_span(&aad), whole, sealed), CRYPTO_OK);
    assert_memory_equal(sealed, msg.data, msg.len);
    assert_int_equal(
        tested->aead_seal(aead, vector_span(&key), iv.data, vector_span(&aad), span_of(sealed, msg.len), sealed),
        CRYPTO_OK);
    assert_memory_equal(out, sealed, whole.len);
    results.valid++;
}

static void wycheproof_of_the_aeads_is_answered_right(void **state) {
    (void)state;
    aead = AEAD_AES_128_GCM;
    run_file("aes_gcm_test.json", run_aead);
    assert_true(results.valid >= 40 && results.invalid >= 27);
    aead = AEAD_AES_256_GCM;
    run_file("aes_gcm_test.json", run_aead);
    assert_true(results.valid >= 39 && results.invalid >= 27);
    aead = AEAD_CHACHA20_POLY1305;
    run_file("chacha20_poly1305_test.json", run_aead);
    assert_true(results.valid >= 240 && results.invalid >= 40);
}

static void what_is_shorter_than_a_tag_does_not_open(void **state) {
    (void)state;
    uint8_t key[32] = {0}, nonce[AEAD_NONCE_LEN] = {0}, sealed[AEAD_TAG_LEN] = {0};
    for (size_t len = 0; len < AEAD_TAG_LEN; len++)
        assert_int_equal(
            tested->aead_open(AEAD_AES_256_GCM, span_of(key, 32), nonce, span_of(NULL, 0), span_of(sealed, len), NULL),
            CRYPTO_INVALID);
}

/* ---- HMAC and HKDF ------------------------------------------------------------------------------------------------
 */

static enum hash_algorithm hash;

static void run_hmac(json_t *group, json_t *test) {
    (void)group;
    struct vector key = vector_of(test, "key"), msg = vector_of(test, "msg"), tag = vector_of(test, "tag");
    uint8_t out[HASH_LEN_MAX];
    struct span parts[] = {span_of(msg.data, msg.len / 3), span_of(msg.data + msg.len / 3, msg.len - msg.len / 3)};
    assert_int_equal(tested->hmac(hash, vector_span(&key), parts, 2, out), CRYPTO_OK);
    assert_true(tag.len <= hash_len(hash));
    assert_int_equal(memcmp(out, tag.data, tag.len) == 0, is(test, "valid")); /* some tags are cut short */
    if (is(test, "valid"))
        results.valid++;
    else
        results.invalid++;
}

static void run_hkdf(json_t *group, json_t *test) {
    (void)group;
    struct vector ikm = vector_of(test, "ikm"), salt = vector_of(test, "salt"), info = vector_of(test, "info");
    size_t size = (size_t)json_integer_value(json_object_get(test, "size"));
    struct secret prk;
    uint8_t out[HKDF_OUT_LEN_MAX];
    if (size > HKDF_OUT_LEN_MAX) {
        results.other++; /* more than this interface gives, or than HKDF itself */
        return;
    }
    struct span ikm_parts[] = {span_of(ikm.data, ikm.len / 2), span_of(ikm.data + ikm.len / 2, ikm.len - ikm.len / 2)};
    struct span info_span = vector_span(&info);
    assert_true(is(test, "valid"));
    assert_int_equal(hkdf_extract(tested, hash, vector_span(&salt), ikm_parts, 2, &prk), CRYPTO_OK);
    assert_int_equal(prk.len, hash_len(hash));
    assert_int_equal(hkdf_expand(tested, hash, secret_span(&prk), &info_span, 1, out, size), CRYPTO_OK);
    assert_vector(test, "okm", out, size);
    results.valid++;
}

static void wycheproof_of_hmac_and_hkdf_is_answered_right(void **state) {
    (void)state;
    static const char *const names[] = {"sha256", "sha384", "sha512"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char name[64];
        hash = (enum hash_algorithm)i;
        (void)snprintf(name, sizeof name, "hmac_%s_test.json", names[i]);
        run_file(name, run_hmac);
        assert_true(results.valid == 66 && results.invalid == 108);
        (void)snprintf(name, sizeof name, "hkdf_%s_test.json", names[i]);
        run_file(name, run_hkdf);
        assert_true(results.valid >= 60);
    }
}

/* ---- Diffie-Hellman ------------------------------------------------------------------------------------------------
 */

static void check_dh(json_t *test, enum dh_group group, const struct secret *key, struct span peer, bool valid) {
    struct secret shared;
    assert_int_equal(tested->dh(group, key, peer, &shared), valid ? CRYPTO_OK : CRYPTO_INVALID);
    if (valid) {
        assert_vector(test, "shared", shared.bytes, shared.len);
        results.valid++;
    } else {
        assert_int_equal(shared.len, 0);
        results.invalid++;
    }
}

static void run_x25519(json_t *group, json_t *test) {
    (void)group;
    struct secret key = vector_secret(test, "private");
    struct vector peer = vector_of(test, "public"), expected = vector_of(test, "shared");
    uint8_t any = 0;
    for (size_t i = 0; i < expected.len; i++)
        any |= expected.data[i];
    check_dh(test, DH_X25519, &key, vector_span(&peer), any != 0); /* zeros are refused */
    assert_true(any != 0 || tested->dh_check(DH_X25519, vector_span(&peer)) == CRYPTO_INVALID);
}

/* Keys are wrapped in ASN.1; one with uncompressed points and the curve's name begins like this. */
static const char p256_prefix[] = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";

static void run_p256(json_t *group, json_t *test) {
    (void)group;
    const char *public_key = vector_text(test, "public"), *private_key = vector_text(test, "private");
    if (strncmp(public_key, p256_prefix, strlen(p256_prefix)) != 0 || strlen(public_key) != 2 * 91 ||
        is(test, "acceptable")) { /* for those who are lax about ASN.1 */
        results.other++;
        return;
    }
    struct vector peer = vector_of_hex(public_key + 2 * (91 - 65));
    char padded[160];
    struct secret key;
    memset(padded, '0', 64);
    assert_true(strlen(private_key) < sizeof padded - 64);
    memcpy(padded + 64, private_key, strlen(private_key) + 1);
    struct vector scalar = vector_of_hex(padded + strlen(padded) - 64);
    secret_set(&key, vector_span(&scalar));
    assert_int_equal(tested->dh_check(DH_P256, vector_span(&peer)), is(test, "invalid") ? CRYPTO_INVALID : CRYPTO_OK);
    check_dh(test, DH_P256, &key, vector_span(&peer), !is(test, "invalid"));
}

static void wycheproof_of_diffie_hellman_is_answered_right(void **state) {
    (void)state;
    run_file("x25519_test.json", run_x25519);
    assert_true(results.valid >= 480 && results.invalid >= 25);
    run_file("ecdh_secp256r1_test.json", run_p256);
    assert_true(results.valid >= 300 && results.invalid >= 10);
}

static void both_sides_get_one_secret_over_every_group(void **state) {
    (void)state;
    struct rng rng = rng_seeded(1);
    for (enum dh_group group = DH_X25519; group <= DH_P521; group++) {
        for (int round = 0; round < 5; round++) {
            struct secret a, b, ab, ba;
            uint8_t a_public[DH_PUBLIC_LEN_MAX], b_public[DH_PUBLIC_LEN_MAX];
            size_t len = dh_private_len(group);
            secret_zeros(&a, len);
            secret_zeros(&b, len);
            rng_fill(&rng, a.bytes + 1, len - 1);
            rng_fill(&rng, b.bytes + 1, len - 1);
            assert_int_equal(tested->dh_public(group, &a, a_public), CRYPTO_OK);
            assert_int_equal(tested->dh_public(group, &b, b_public), CRYPTO_OK);
            struct span pa = span_of(a_public, dh_public_len(group)), pb = span_of(b_public, dh_public_len(group));
            assert_int_equal(tested->dh_check(group, pa), CRYPTO_OK);
            assert_int_equal(tested->dh(group, &a, pb, &ab), CRYPTO_OK);
            assert_int_equal(tested->dh(group, &b, pa, &ba), CRYPTO_OK);
            assert_int_equal(ab.len, len);
            assert_memory_equal(&ab, &ba, 1 + len);
        }
    }
}

static void keys_that_are_none_are_refused(void **state) {
    (void)state;
    struct rng rng = rng_seeded(2);
    for (enum dh_group group = DH_X25519; group <= DH_P521; group++) {
        bool nist = group >= DH_P256;
        struct secret key, shared;
        uint8_t good[DH_PUBLIC_LEN_MAX], bad[DH_PUBLIC_LEN_MAX], out[DH_PUBLIC_LEN_MAX];
        size_t len = dh_public_len(group);
        secret_zeros(&key, dh_private_len(group));
        rng_fill(&rng, key.bytes + 1, key.len - 1u);
        assert_int_equal(tested->dh_public(group, &key, good), CRYPTO_OK);
        assert_int_equal(tested->dh(group, &key, span_of(good, len - 1), &shared), CRYPTO_INVALID);
        assert_int_equal(tested->dh_check(group, span_of(good, len - 1)), CRYPTO_INVALID);
        assert_int_equal(tested->dh_check(group, span_of(NULL, 0)), CRYPTO_INVALID);
        memset(bad, 0, sizeof bad); /* of small order, or no form of a point */
        assert_int_equal(tested->dh(group, &key, span_of(bad, len), &shared), CRYPTO_INVALID);
        assert_int_equal(shared.len, 0);
        assert_int_equal(tested->dh_check(group, span_of(bad, len)), CRYPTO_INVALID);
        memcpy(bad, good, len);
        bad[len - 1] ^= 1;
        assert_int_equal(tested->dh_check(group, span_of(bad, len)), nist ? CRYPTO_INVALID : CRYPTO_OK);
        assert_int_equal(tested->dh(group, &key, span_of(bad, len), &shared), nist ? CRYPTO_INVALID : CRYPTO_OK);
        if (!nist)
            continue;
        memcpy(bad, good, len);
        bad[0] = (uint8_t)(6 + (good[len - 1] & 1)); /* the hybrid form, which OpenSSL knows */
        assert_int_equal(tested->dh_check(group, span_of(bad, len)), CRYPTO_INVALID);
        secret_zeros(&key, dh_private_len(group));
        assert_int_equal(tested->dh_public(group, &key, out), CRYPTO_INVALID);
        assert_int_equal(tested->dh(group, &key, span_of(good, len), &shared), CRYPTO_INVALID);
        memset(key.bytes, 0xff, key.len);
        assert_int_equal(tested->dh_public(group, &key, out), CRYPTO_INVALID);
        assert_int_equal(tested->dh(group, &key, span_of(good, len), &shared), CRYPTO_INVALID);
    }
}

/* RFC 7748 section 6: the small orders of curve and twist, and numbers that are not below p. */
static const char *const bad_x25519[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0900000000000000000000000000000000000000000000000000000000000080",
};
static const char *const bad_x448[] = {
    "00000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000",
    "01000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000",
    "feffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "feffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "feffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "00000000000000000000000000000000000000000000000000000000"
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "04000000000000000000000000000000000000000000000000000000"
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

static void check_bad_keys(enum dh_group group, const char *const *keys, size_t count, size_t zeros) {
    struct secret key, shared;
    size_t failed = 0;
    secret_zeros(&key, dh_private_len(group));
    key.bytes[3] = 7;
    for (size_t i = 0; i < count; i++) {
        struct vector u = vector_of_hex(keys[i]);
        assert_int_equal(tested->dh_check(group, vector_span(&u)), CRYPTO_INVALID);
        failed += tested->dh(group, &key, vector_span(&u), &shared) == CRYPTO_INVALID;
    }
    assert_int_equal(failed, zeros);
}

static void keys_of_small_order_are_told_before_they_are_used(void **state) {
    (void)state;
    check_bad_keys(DH_X25519, bad_x25519, ARRAY_LEN(bad_x25519), 7); /* p + 9 and 9 with the unused bit are 9 */
    check_bad_keys(DH_X448, bad_x448, ARRAY_LEN(bad_x448), 5);
}

/* SP 800-186: the order of each curve, and the number below it, whose point is minus the base point. */
static void private_keys_end_below_the_order(void **state) {
    (void)state;
    static const struct {
        enum dh_group group;
        const char *order;
    } curves[] = {
        {DH_P256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"},
        {DH_P384, "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"},
        {DH_P521,
         "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03b"
         "b5c9b8899c47aebb6fb71e91386409"},
    };
    for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
        struct vector order = vector_of_hex(curves[i].order);
        struct secret key, one;
        uint8_t last[DH_PUBLIC_LEN_MAX], first[DH_PUBLIC_LEN_MAX];
        secret_set(&key, vector_span(&order));
        assert_int_equal(tested->dh_public(curves[i].group, &key, last), CRYPTO_INVALID);
        key.bytes[key.len - 1]--;
        assert_int_equal(tested->dh_public(curves[i].group, &key, last), CRYPTO_OK);
        secret_zeros(&one, key.len);
        one.bytes[one.len - 1] = 1;
        assert_int_equal(tested->dh_public(curves[i].group, &one, first), CRYPTO_OK);
        assert_memory_equal(first, last, 1u + key.len);
        assert_memory_not_equal(first + 1 + key.len, last + 1 + key.len, key.len);
    }
}

/* ---- signatures ----------------------------------------------------------------------------------------------------
 */

static enum sign_algorithm algorithm;

static void run_verify(json_t *group, json_t *test) {
    json_t *key = json_object_get(group, "publicKey");
    struct vector pk = vector_of(key, algorithm == SIGN_ED25519 ? "pk" : "uncompressed");
    struct vector msg = vector_of(test, "msg"), sig = vector_of(test, "sig");
    enum crypto_status status = tested->verify(algorithm, vector_span(&pk), vector_span(&msg), vector_span(&sig));
    if (status != (is(test, "valid") ? CRYPTO_OK : CRYPTO_INVALID))
        fail_msg("case %d: %d", (int)json_integer_value(json_object_get(test, "tcId")), status);
    if (is(test, "valid"))
        results.valid++;
    else
        results.invalid++;
}

static void wycheproof_of_signatures_is_answered_right(void **state) {
    (void)state;
    algorithm = SIGN_ED25519;
    run_file("ed25519_test.json", run_verify);
    assert_true(results.valid == 88 && results.invalid == 63);
    algorithm = SIGN_P256_SHA256;
    run_file("ecdsa_secp256r1_sha256_test.json", run_verify);
    assert_true(results.valid == 174 && results.invalid == 310);
    algorithm = SIGN_P384_SHA384;
    run_file("ecdsa_secp384r1_sha384_test.json", run_verify);
    assert_true(results.valid == 194 && results.invalid == 310);
}

static void what_is_signed_verifies_and_nothing_near_it(void **state) {
    (void)state;
    struct rng rng = rng_seeded(3);
    for (algorithm = SIGN_ED25519; algorithm <= SIGN_P521_SHA512; algorithm++) {
        struct secret key, again;
        uint8_t pk[SIGN_PUBLIC_LEN_MAX], other[SIGN_PUBLIC_LEN_MAX], sig[SIGN_SIGNATURE_LEN_MAX], text[40] = {1};
        size_t len;
        assert_int_equal(sign_generate(tested, algorithm, &rng, &key, pk), CRYPTO_OK);
        assert_int_equal(key.len, sign_private_len(algorithm));
        assert_int_equal(sign_generate(tested, algorithm, &rng, &again, other), CRYPTO_OK);
        struct span p = span_of(pk, sign_public_len(algorithm)), o = span_of(other, sign_public_len(algorithm));
        struct span message = span_of(text, sizeof text);
        assert_int_equal(tested->sign(algorithm, &key, message, sig, &len), CRYPTO_OK);
        assert_int_equal(tested->verify(algorithm, p, message, span_of(sig, len)), CRYPTO_OK);
        assert_int_equal(tested->verify(algorithm, o, message, span_of(sig, len)), CRYPTO_INVALID);
        assert_int_equal(tested->verify(algorithm, p, span_of(text, 39), span_of(sig, len)), CRYPTO_INVALID);
        assert_int_equal(tested->verify(algorithm, p, message, span_of(sig, len - 1)), CRYPTO_INVALID);
        assert_int_equal(tested->verify(algorithm, p, message, span_of(NULL, 0)), CRYPTO_INVALID);
        assert_int_equal(tested->verify(algorithm, span_of(pk, p.len - 1), message, span_of(sig, len)), CRYPTO_INVALID);
        for (size_t i = 0; i < len; i++) {
            sig[i] ^= (uint8_t)(1u << i % 8);
            assert_int_equal(tested->verify(algorithm, p, message, span_of(sig, len)), CRYPTO_INVALID);
            sig[i] ^= (uint8_t)(1u << i % 8);
        }
        key.len--;
        assert_int_equal(tested->sign(algorithm, &key, message, sig, &len), CRYPTO_INVALID);
        assert_int_equal(len, 0);
        assert_int_equal(tested->sign_public(algorithm, &key, pk), CRYPTO_INVALID);
    }
}

/* The points of order 1, 2, 4 and 8 of edwards25519, both signs. With R neutral and S = 0, such a key verifies each
 * message whose hash is a multiple of the order. */
static void an_ed25519_key_of_small_order_verifies_nothing(void **state) {
    (void)state;
    static const char *const keys[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    static const uint8_t signature[64] = {1};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct vector key = vector_of_hex(keys[i]);
        assert_false(sign_public_good(SIGN_ED25519, vector_span(&key)));
        for (uint8_t message = 0; message < 64; message++)
            assert_int_equal(
                tested->verify(SIGN_ED25519, vector_span(&key), span_of(&message, 1), span_of(signature, 64)),
                CRYPTO_INVALID);
    }
}

/* S and R have one form each: what is malleable would be another message with the same meaning. */
static void an_ed25519_signature_has_one_form(void **state) {
    (void)state;
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    struct rng rng = rng_seeded(9);
    struct secret key;
    uint8_t pk[32], sig[64], other[64];
    size_t len;
    assert_int_equal(sign_generate(tested, SIGN_ED25519, &rng, &key, pk), CRYPTO_OK);
    assert_int_equal(tested->sign(SIGN_ED25519, &key, span_str("m"), sig, &len), CRYPTO_OK);
    assert_true(sign_signature_good(SIGN_ED25519, span_of(sig, 64)));
    memcpy(other, sig, 64);
    unsigned carry = 0;
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)sig[32 + i] + order[i];
        other[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_false(sign_signature_good(SIGN_ED25519, span_of(other, 64)));
    assert_int_equal(tested->verify(SIGN_ED25519, span_of(pk, 32), span_str("m"), span_of(other, 64)), CRYPTO_INVALID);
    memset(other, 0xff, 32); /* R's y is p + 18 */
    memcpy(other + 32, sig + 32, 32);
    assert_false(sign_signature_good(SIGN_ED25519, span_of(other, 64)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_self_tests_pass),
        cmocka_unit_test(wycheproof_of_the_aeads_is_answered_right),
        cmocka_unit_test(what_is_shorter_than_a_tag_does_not_open),
        cmocka_unit_test(wycheproof_of_hmac_and_hkdf_is_answered_right),
        cmocka_unit_test(wycheproof_of_diffie_hellman_is_answered_right),
        cmocka_unit_test(both_sides_get_one_secret_over_every_group),
        cmocka_unit_test(keys_that_are_none_are_refused),
        cmocka_unit_test(keys_of_small_order_are_told_before_they_are_used),
        cmocka_unit_test(private_keys_end_below_the_order),
        cmocka_unit_test(wycheproof_of_signatures_is_answered_right),
        cmocka_unit_test(what_is_signed_verifies_and_nothing_near_it),
        cmocka_unit_test(an_ed25519_key_of_small_order_verifies_nothing),
        cmocka_unit_test(an_ed25519_signature_has_one_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
