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
    assert_int_equal(kem_public_good(crypto, kem, pk), CRYPTO_OK);
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

static const struct hpke_suite suite_1 = {KEM_DHKEM_X25519_SHA256, HASH_SHA256, AEAD_AES_128_GCM};

/* Both ends of one exchange, the receiver with its own idea of info and PSK. */
static void make_pair(struct hpke_context *sender, struct hpke_context *receiver, const struct hpke_psk *sent,
                      const struct hpke_psk *expected) {
    struct rng rng = rng_seeded(7);
    struct secret key;
    uint8_t public_key[KEM_PUBLIC_LEN_MAX], enc[KEM_ENC_LEN_MAX];
    assert_int_equal(kem_generate(crypto, suite_1.kem, &rng, &key, public_key), CRYPTO_OK);
    struct span pk = span_of(public_key, kem_public_len(suite_1.kem)), e = span_of(enc, kem_enc_len(suite_1.kem));
    assert_int_equal(hpke_setup_sender(sender, crypto, suite_1, pk, span_str("info"), sent, &rng, enc), CRYPTO_OK);
    assert_int_equal(hpke_setup_receiver(receiver, crypto, suite_1, &key, pk, e, span_str("info"), expected),
                     CRYPTO_OK);
}

static void messages_open_in_their_order_and_a_failure_uses_up_no_number(void **state) {
    (void)state;
    struct hpke_context sender, receiver;
    struct span aad = span_of(NULL, 0);
    uint8_t first[3 + AEAD_TAG_LEN], second[3 + AEAD_TAG_LEN], out[3];
    make_pair(&sender, &receiver, NULL, NULL);
    assert_int_equal(hpke_context_seal(&sender, aad, span_str("one"), first), CRYPTO_OK);
    assert_int_equal(hpke_context_seal(&sender, aad, span_str("two"), second), CRYPTO_OK);
    assert_int_equal(hpke_context_open(&receiver, aad, span_of(second, sizeof second), out), CRYPTO_INVALID);
    assert_int_equal(hpke_context_open(&receiver, aad, span_of(first, sizeof first), out), CRYPTO_OK);
    assert_memory_equal(out, "one", 3);
    assert_int_equal(hpke_context_open(&receiver, aad, span_of(first, sizeof first), out), CRYPTO_INVALID);
    assert_int_equal(hpke_context_open(&receiver, aad, span_of(second, sizeof second), out), CRYPTO_OK);
    assert_memory_equal(out, "two", 3);
}

static void the_sequence_number_does_not_wrap(void **state) {
    (void)state;
    struct hpke_context sender, receiver;
    struct span aad = span_of(NULL, 0);
    uint8_t sealed[3 + AEAD_TAG_LEN], out[3];
    make_pair(&sender, &receiver, NULL, NULL);
    sender.seq = receiver.seq = UINT64_MAX - 1;
    assert_int_equal(hpke_context_seal(&sender, aad, span_str("end"), sealed), CRYPTO_OK);
    assert_int_equal(hpke_context_open(&receiver, aad, span_of(sealed, sizeof sealed), out), CRYPTO_OK);
    assert_int_equal(hpke_context_seal(&sender, aad, span_str("end"), sealed), CRYPTO_INVALID);
    assert_int_equal(hpke_context_open(&receiver, aad, span_of(sealed, sizeof sealed), out), CRYPTO_INVALID);
}

static void another_psk_gives_other_keys(void **state) {
    (void)state;
    static const uint8_t bytes[2][32] = {{1}, {2}};
    const struct hpke_psk psks[] = {{span_of(bytes[0], 32), span_str("id")},
                                    {span_of(bytes[1], 32), span_str("id")},
                                    {span_of(bytes[0], 32), span_str("ie")},
                                    {span_of(NULL, 0), span_of(NULL, 0)}};
    for (size_t i = 0; i < ARRAY_LEN(psks); i++) {
        struct hpke_context sender, receiver;
        uint8_t a[16], b[16];
        make_pair(&sender, &receiver, &psks[0], &psks[i]);
        assert_int_equal(hpke_context_export(&sender, span_str("x"), a, sizeof a), CRYPTO_OK);
        assert_int_equal(hpke_context_export(&receiver, span_str("x"), b, sizeof b), CRYPTO_OK);
        assert_int_equal(memcmp(a, b, sizeof a) == 0, i == 0);
    }
}

static void keys_that_are_none_are_refused(void **state) {
    (void)state;
    struct rng rng = rng_seeded(8);
    for (size_t i = 0; i < ARRAY_LEN(kems); i++) {
        struct secret key, shared;
        uint8_t public_key[KEM_PUBLIC_LEN_MAX], bad[KEM_PUBLIC_LEN_MAX] = {0}, enc[KEM_ENC_LEN_MAX];
        struct span none = span_of(NULL, 0), b = span_of(bad, kem_public_len(kems[i]));
        assert_int_equal(kem_generate(crypto, kems[i], &rng, &key, public_key), CRYPTO_OK);
        if (kems[i] == KEM_XWING)
            bad[0] = bad[1] = 0xff;
        assert_int_equal(kem_encap(crypto, kems[i], b, &rng, &shared, enc), CRYPTO_INVALID);
        assert_int_equal(shared.len, 0);
        memset(bad, 0, sizeof bad); /* of small order in all KEMs with X25519 or X448, no point in the others */
        assert_int_equal(kem_decap(crypto, kems[i], &key, none, span_of(bad, kem_enc_len(kems[i])), &shared),
                         CRYPTO_INVALID);
        assert_int_equal(shared.len, 0);
        assert_int_equal(kem_public_good(crypto, kems[i], span_of(bad, b.len - 1)), CRYPTO_INVALID);
        assert_int_equal(kem_public_good(crypto, kems[i], none), CRYPTO_INVALID);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_9180_are_answered_right),
        cmocka_unit_test(the_vectors_of_the_post_quantum_draft_are_answered_right),
        cmocka_unit_test(what_is_sealed_to_a_key_opens_with_it_and_with_no_other),
        cmocka_unit_test(messages_open_in_their_order_and_a_failure_uses_up_no_number),
        cmocka_unit_test(the_sequence_number_does_not_wrap),
        cmocka_unit_test(another_psk_gives_other_keys),
        cmocka_unit_test(keys_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
