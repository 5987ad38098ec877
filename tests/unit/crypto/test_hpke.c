#include "base/assert.h"
#include "crypto/hpke.h"
#include "vectors.h"

static const struct crypto_backend *const crypto = &crypto_openssl;

static const enum kem kems[] = {KEM_DHKEM_P256_SHA256,   KEM_DHKEM_P384_SHA384, KEM_DHKEM_P521_SHA512,
                                KEM_DHKEM_X25519_SHA256, KEM_DHKEM_X448_SHA512, KEM_XWING};

static bool hash_of_kdf(json_int_t id, enum hash_algorithm *hash) {
    *hash = id == 1 ? HASH_SHA256 : id == 2 ? HASH_SHA384 : HASH_SHA512;
    return id >= 1 && id <= 3;
}

/* RFC 7748 section 5. Some authors of vectors clamp private keys when they write them down, others do not. */
static void clamp(enum kem kem, uint8_t *key) {
    if (kem == KEM_DHKEM_X25519_SHA256) {
        key[0] &= 248;
        key[31] = (uint8_t)((key[31] & 127) | 64);
    } else if (kem == KEM_DHKEM_X448_SHA512) {
        key[0] &= 252;
        key[55] |= 128;
    }
}

static void check_keys(json_t *test, enum kem kem, uint8_t *public_key) {
    struct vector ikm = vector_of(test, "ikmR"), randomness = vector_of(test, "ikmE");
    struct secret private_key, shared;
    uint8_t enc[KEM_ENC_LEN_MAX];
    assert_int_equal(kem_derive_key_pair(crypto, kem, vector_span(&ikm), &private_key, public_key), CRYPTO_OK);
    struct vector expected = vector_of(test, "skRm");
    assert_int_equal(expected.len, private_key.len);
    struct secret clamped = private_key;
    clamp(kem, clamped.bytes);
    clamp(kem, expected.data);
    assert_memory_equal(clamped.bytes, expected.data, expected.len);
    assert_vector(test, "pkRm", public_key, kem_public_len(kem));
    struct span pk = span_of(public_key, kem_public_len(kem));
    assert_int_equal(kem_check_public(crypto, kem, pk), CRYPTO_OK);
    assert_int_equal(kem_encap_derand(crypto, kem, pk, vector_span(&randomness), &shared, enc), CRYPTO_OK);
    assert_vector(test, "enc", enc, kem_enc_len(kem));
    assert_vector(test, "shared_secret", shared.bytes, shared.len);
    for (int known = 0; known < 2; known++) {
        assert_int_equal(kem_decap(crypto, kem, &private_key, known ? pk : span_of(NULL, 0),
                                   span_of(enc, kem_enc_len(kem)), &shared),
                         CRYPTO_OK);
        assert_vector(test, "shared_secret", shared.bytes, shared.len);
    }
}

static void check_contexts(json_t *test, struct hpke_suite suite, const uint8_t *public_key) {
    struct secret private_key = vector_secret(test, "skRm");
    struct vector enc = vector_of(test, "enc"), info = vector_of(test, "info"), psk = {0}, psk_id = {0};
    struct hpke_psk with = {0};
    if (json_integer_value(json_object_get(test, "mode")) == 1) {
        psk = vector_of(test, "psk");
        psk_id = vector_of(test, "psk_id");
        with = (struct hpke_psk){vector_span(&psk), vector_span(&psk_id)};
    }
    struct hpke_context c;
    assert_int_equal(hpke_setup_receiver(&c, crypto, suite, &private_key,
                                         span_of(public_key, kem_public_len(suite.kem)), vector_span(&enc),
                                         vector_span(&info), &with),
                     CRYPTO_OK);
    assert_vector(test, "exporter_secret", c.exporter_secret.bytes, c.exporter_secret.len);
    assert_vector(test, "base_nonce", c.base_nonce, AEAD_NONCE_LEN);
    struct hpke_context sender = c; /* both directions of the same keys */
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(test, "encryptions"), i, one) {
        struct vector aad = vector_of(one, "aad"), text = vector_of(one, "pt"), sealed = vector_of(one, "ct");
        uint8_t out[VECTOR_LEN_MAX];
        json_t *seq = json_object_get(one, "seq"); /* without one: all of them in order */
        c.seq = sender.seq = seq != NULL ? (uint64_t)json_integer_value(seq) : i;
        assert_int_equal(hpke_context_seal(&sender, vector_span(&aad), vector_span(&text), out), CRYPTO_OK);
        assert_vector(one, "ct", out, text.len + AEAD_TAG_LEN);
        assert_int_equal(hpke_context_open(&c, vector_span(&aad), vector_span(&sealed), out), CRYPTO_OK);
        assert_vector(one, "pt", out, sealed.len - AEAD_TAG_LEN);
    }
    json_array_foreach(json_object_get(test, "exports"), i, one) {
        struct vector context = vector_of(one, "exporter_context");
        uint8_t out[HKDF_OUT_LEN_MAX];
        size_t len = (size_t)json_integer_value(json_object_get(one, "L"));
        assert_int_equal(hpke_context_export(&c, vector_span(&context), out, len), CRYPTO_OK);
        assert_vector(one, "exported_value", out, len);
    }
    hpke_wipe(&c);
    hpke_wipe(&sender);
}

static void run_file(const char *name, size_t keys_min, size_t contexts_min) {
    json_t *root = vectors_load(name), *test;
    size_t i, keys = 0, contexts = 0;
    json_array_foreach(root, i, test) {
        enum kem kem = (enum kem)json_integer_value(json_object_get(test, "kem_id"));
        json_int_t aead = json_integer_value(json_object_get(test, "aead_id"));
        if (!kem_supported(crypto, kem))
            continue;
        uint8_t public_key[KEM_PUBLIC_LEN_MAX];
        check_keys(test, kem, public_key);
        keys++;
        struct hpke_suite suite = {.kem = kem, .aead = (enum aead_algorithm)(aead - 1)};
        if (!hash_of_kdf(json_integer_value(json_object_get(test, "kdf_id")), &suite.kdf))
            continue;
        check_contexts(test, suite, public_key);
        contexts++;
    }
    json_decref(root);
    print_message("%zu key pairs, %zu contexts\n", keys, contexts);
    assert_true(keys >= keys_min && contexts >= contexts_min);
}

static void the_vectors_of_the_post_quantum_draft_are_answered_right(void **state) {
    (void)state;
    run_file("hpke/hpke-pq.json", 6, 1);
}

static void the_vectors_of_rfc_9180_are_answered_right(void **state) {
    (void)state;
    run_file("hpke/rfc9180.json", 12, 12);
}

static void what_is_sealed_to_a_key_opens_with_it_and_with_no_other(void **state) {
    (void)state;
    struct rng rng = rng_seeded(1);
    for (size_t i = 0; i < ARRAY_LEN(kems) * 9; i++) {
        struct hpke_suite suite = {kems[i / 9], (enum hash_algorithm)(i % 3), (enum aead_algorithm)(i / 3 % 3)};
        struct secret key, other;
        uint8_t public_key[KEM_PUBLIC_LEN_MAX], other_public[KEM_PUBLIC_LEN_MAX], enc[KEM_ENC_LEN_MAX];
        uint8_t sealed[5 + AEAD_TAG_LEN], out[5];
        assert_int_equal(kem_generate(crypto, suite.kem, &rng, &key, public_key), CRYPTO_OK);
        assert_int_equal(kem_generate(crypto, suite.kem, &rng, &other, other_public), CRYPTO_OK);
        struct span pk = span_of(public_key, kem_public_len(suite.kem)), info = span_str("info"), aad = span_str("aad");
        struct span e = span_of(enc, kem_enc_len(suite.kem)), s = span_of(sealed, sizeof sealed);
        assert_int_equal(hpke_seal(crypto, suite, pk, info, aad, span_str("hello"), &rng, enc, sealed), CRYPTO_OK);
        assert_int_equal(hpke_open(crypto, suite, &key, pk, e, info, aad, s, out), CRYPTO_OK);
        assert_memory_equal(out, "hello", 5);
        assert_int_equal(hpke_open(crypto, suite, &key, span_of(NULL, 0), e, info, aad, s, out), CRYPTO_OK);
        assert_int_equal(hpke_open(crypto, suite, &other, span_of(NULL, 0), e, info, aad, s, out), CRYPTO_INVALID);
        assert_int_equal(hpke_open(crypto, suite, &key, pk, e, span_str("infp"), aad, s, out), CRYPTO_INVALID);
        assert_int_equal(hpke_open(crypto, suite, &key, pk, e, info, span_str("aae"), s, out), CRYPTO_INVALID);
        sealed[i % sizeof sealed] ^= 1;
        assert_int_equal(hpke_open(crypto, suite, &key, pk, e, info, aad, s, out), CRYPTO_INVALID);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_9180_are_answered_right),
        cmocka_unit_test(the_vectors_of_the_post_quantum_draft_are_answered_right),
        cmocka_unit_test(what_is_sealed_to_a_key_opens_with_it_and_with_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
