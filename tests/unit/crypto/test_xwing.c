#include "base/assert.h"
#include "crypto/kem.h"
#include "crypto/xwing.h"
#include "vectors.h"

static const struct crypto_backend *const crypto = &crypto_openssl;

static void the_vectors_of_the_draft_are_answered_right(void **state) {
    (void)state;
    json_t *root = vectors_load("xwing/xwing-draft-test-vectors.json"), *test;
    size_t i;
    json_array_foreach(root, i, test) {
        struct secret seed = vector_secret(test, "seed"), shared;
        struct vector eseed = vector_of(test, "eseed");
        uint8_t pk[XWING_PUBLIC_LEN], ct[XWING_CT_LEN];
        assert_vector(test, "sk", seed.bytes, seed.len);
        assert_int_equal(kem_public(crypto, KEM_XWING, &seed, pk), CRYPTO_OK);
        assert_vector(test, "pk", pk, sizeof pk);
        assert_int_equal(kem_encap_derand(crypto, KEM_XWING, span_of(pk, sizeof pk), vector_span(&eseed), &shared, ct),
                         CRYPTO_OK);
        assert_vector(test, "ct", ct, sizeof ct);
        assert_vector(test, "ss", shared.bytes, shared.len);
        secret_wipe(&shared);
        assert_int_equal(kem_decap(crypto, KEM_XWING, &seed, span_of(NULL, 0), span_of(ct, sizeof ct), &shared),
                         CRYPTO_OK);
        assert_vector(test, "ss", shared.bytes, shared.len);
    }
    assert_int_equal(i, 3);
    json_decref(root);
}

static void a_bad_public_key_is_refused(void **state) {
    (void)state;
    struct rng rng = rng_seeded(1);
    struct secret seed, shared;
    uint8_t pk[XWING_PUBLIC_LEN], ct[XWING_CT_LEN];
    assert_int_equal(kem_generate(crypto, KEM_XWING, &rng, &seed, pk), CRYPTO_OK);
    struct span key = span_of(pk, sizeof pk);
    assert_int_equal(kem_public_good(crypto, KEM_XWING, key), CRYPTO_OK);
    assert_int_equal(kem_public_good(crypto, KEM_XWING, span_of(pk, sizeof pk - 1)), CRYPTO_INVALID);
    pk[0] = pk[1] = 0xff; /* the first number is 4095 */
    assert_int_equal(kem_public_good(crypto, KEM_XWING, key), CRYPTO_INVALID);
    assert_int_equal(kem_encap(crypto, KEM_XWING, key, &rng, &shared, ct), CRYPTO_INVALID);
    assert_int_equal(shared.len, 0);
    assert_int_equal(kem_public(crypto, KEM_XWING, &seed, pk), CRYPTO_OK);
    memset(pk + XWING_PUBLIC_LEN - 32, 0, 32); /* an X25519 key of order 4 */
    assert_int_equal(kem_public_good(crypto, KEM_XWING, key), CRYPTO_INVALID);
    assert_int_equal(kem_encap(crypto, KEM_XWING, key, &rng, &shared, ct), CRYPTO_INVALID);
    assert_int_equal(shared.len, 0);
}

static void what_has_a_wrong_length_is_refused(void **state) {
    (void)state;
    struct rng rng = rng_seeded(1);
    struct secret seed, shared, cut;
    uint8_t pk[XWING_PUBLIC_LEN], ct[XWING_CT_LEN];
    assert_int_equal(kem_generate(crypto, KEM_XWING, &rng, &seed, pk), CRYPTO_OK);
    assert_int_equal(kem_encap(crypto, KEM_XWING, span_of(pk, sizeof pk - 1), &rng, &shared, ct), CRYPTO_INVALID);
    assert_int_equal(kem_encap(crypto, KEM_XWING, span_of(pk, sizeof pk), &rng, &shared, ct), CRYPTO_OK);
    struct span none = span_of(NULL, 0);
    assert_int_equal(kem_decap(crypto, KEM_XWING, &seed, none, span_of(ct, sizeof ct - 1), &shared), CRYPTO_INVALID);
    cut = seed;
    cut.len--;
    assert_int_equal(kem_decap(crypto, KEM_XWING, &cut, none, span_of(ct, sizeof ct), &shared), CRYPTO_INVALID);
    assert_int_equal(kem_public(crypto, KEM_XWING, &cut, pk), CRYPTO_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_draft_are_answered_right),
        cmocka_unit_test(a_bad_public_key_is_refused),
        cmocka_unit_test(what_has_a_wrong_length_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
