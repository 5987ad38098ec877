/* ML-KEM-768 against published vectors, and Keccak below it against OpenSSL. */
#ifndef __wasm__
#include <openssl/evp.h>
#endif

#include "base/assert.h"
#include "base/rng.h"
#include "crypto/keccak.h"
#include "crypto/mlkem.h"
#include "vectors.h"

static struct rng rng;

#ifndef __wasm__ /* the other implementation is OpenSSL */
static void the_sponge_agrees_with_another_implementation(void **state) {
    (void)state;
    static const struct {
        enum keccak_kind kind;
        const char *name;
        size_t len;
    } kinds[] = {{KECCAK_SHA3_256, "SHA3-256", 32},
                 {KECCAK_SHA3_512, "SHA3-512", 64},
                 {KECCAK_SHAKE128, "SHAKE128", 0},
                 {KECCAK_SHAKE256, "SHAKE256", 0}};
    static uint8_t text[700], expected[700], out[700];
    rng = rng_seeded(1);
    rng_fill(&rng, text, sizeof text);
    for (size_t round = 0; round < 4000; round++) {
        size_t which = round % ARRAY_LEN(kinds), len = rng_below(&rng, sizeof text), at = 0;
        size_t out_len = kinds[which].len > 0 ? kinds[which].len : rng_below(&rng, sizeof out);
        EVP_MD *md = EVP_MD_fetch(NULL, kinds[which].name, NULL);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        assert_int_equal(EVP_DigestInit_ex(ctx, md, NULL), 1);
        assert_int_equal(EVP_DigestUpdate(ctx, text, len), 1);
        if (kinds[which].len > 0)
            assert_int_equal(EVP_DigestFinal_ex(ctx, expected, NULL), 1);
        else if (out_len > 0)
            assert_int_equal(EVP_DigestFinalXOF(ctx, expected, out_len), 1);
        EVP_MD_CTX_free(ctx);
        EVP_MD_free(md);
        struct keccak k;
        keccak_start(&k, kinds[which].kind);
        while (at < len) {
            size_t some = 1 + rng_below(&rng, len - at);
            keccak_absorb(&k, span_of(text + at, some));
            at += some;
        }
        for (at = 0; at < out_len;) {
            size_t some = kinds[which].len > 0 ? out_len : 1 + rng_below(&rng, out_len - at);
            keccak_squeeze(&k, out + at, some);
            at += some;
        }
        assert_memory_equal(out, expected, out_len);
    }
}
#endif

struct results {
    size_t valid;
    size_t invalid;
    size_t wrong_length; /* these cannot be asked: the types have one length */
};

static void run_keygen(json_t *test, struct results *results) {
    struct vector seed = vector_of(test, "seed");
    uint8_t ek[MLKEM768_EK_LEN], dk[MLKEM768_DK_LEN];
    assert_int_equal(seed.len, MLKEM768_SEED_LEN);
    mlkem768_keygen(seed.data, ek, dk);
    assert_vector(test, "ek", ek, sizeof ek);
    assert_vector(test, "dk", dk, sizeof dk);
    results->valid++;
}

static void run_encaps(json_t *test, struct results *results) {
    struct vector ek = vector_of(test, "ek"), m = vector_of(test, "m");
    bool valid = strcmp(vector_text(test, "result"), "valid") == 0;
    uint8_t ct[MLKEM768_CT_LEN], ss[MLKEM768_SS_LEN];
    if (ek.len != MLKEM768_EK_LEN) {
        assert_false(valid);
        results->wrong_length++;
        return;
    }
    assert_int_equal(m.len, MLKEM768_M_LEN);
    assert_int_equal(mlkem768_encaps(ek.data, m.data, ct, ss), valid);
    assert_int_equal(mlkem768_ek_valid(ek.data), valid);
    if (valid) {
        assert_vector(test, "c", ct, sizeof ct);
        assert_vector(test, "K", ss, sizeof ss);
        results->valid++;
    } else {
        results->invalid++;
    }
}

static void run_decaps(json_t *test, struct results *results) {
    bool valid = strcmp(vector_text(test, "result"), "valid") == 0, expanded = vector_text(test, "dk") != NULL;
    struct vector dk = vector_of(test, expanded ? "dk" : "seed"), ct = vector_of(test, "c");
    uint8_t ss[MLKEM768_SS_LEN], ek[MLKEM768_EK_LEN];
    if (ct.len != MLKEM768_CT_LEN || dk.len != (expanded ? MLKEM768_DK_LEN : MLKEM768_SEED_LEN)) {
        assert_false(valid);
        results->wrong_length++;
        return;
    }
    if (!expanded) {
        uint8_t seed[MLKEM768_SEED_LEN];
        memcpy(seed, dk.data, sizeof seed);
        mlkem768_keygen(seed, ek, dk.data);
        if (vector_text(test, "ek") != NULL)
            assert_vector(test, "ek", ek, sizeof ek);
    }
    assert_int_equal(mlkem768_decaps(dk.data, ct.data, ss), valid);
    if (valid) {
        assert_vector(test, "K", ss, sizeof ss);
        results->valid++;
    } else {
        results->invalid++;
    }
}

static struct results run_file(const char *name, void (*run)(json_t *test, struct results *results)) {
    struct results results = {0};
    json_t *root = vectors_load(name), *group, *test;
    size_t i, j;
    json_array_foreach(json_object_get(root, "testGroups"), i, group) {
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            run(test, &results);
        }
    }
    json_decref(root);
    print_message("%s: %zu valid, %zu invalid, %zu of a wrong length\n", name, results.valid, results.invalid,
                  results.wrong_length);
    return results;
}

static void wycheproof_is_answered_right(void **state) {
    (void)state;
    struct results r = run_file("mlkem/mlkem_768_keygen_seed_test.json", run_keygen);
    assert_int_equal(r.valid, 100);
    r = run_file("mlkem/mlkem_768_encaps_test.json", run_encaps);
    assert_true(r.valid == 133 && r.invalid == 112 && r.wrong_length == 20);
    r = run_file("mlkem/mlkem_768_test.json", run_decaps);
    assert_true(r.valid == 153 && r.invalid == 0 && r.wrong_length == 40);
    r = run_file("mlkem/mlkem_768_semi_expanded_decaps_test.json", run_decaps);
    assert_true(r.valid == 3 && r.invalid == 2 && r.wrong_length == 4);
}

#ifndef __wasm__ /* files of lines are read natively only */
/* A file of lines "name = hex". */
static struct vector line_of(const char *file, const char *name) {
    static char line[VECTOR_LEN_MAX * 2];
    char path[512], wanted[16];
    struct vector out = {0};
    (void)snprintf(path, sizeof path, "%s/mlkem/%s", VECTORS_DIR, file);
    (void)snprintf(wanted, sizeof wanted, "%s = ", name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL) {
        line[strcspn(line, "\r\n")] = 0;
        if (strncmp(line, wanted, strlen(wanted)) == 0)
            out = vector_of_hex(line + strlen(wanted));
    }
    fclose(in);
    assert_true(out.len > 0);
    return out;
}

static void a_ciphertext_with_zeros_inside_is_compared_to_its_end(void **state) {
    (void)state;
    struct vector dk = line_of("cctv-strcmp-ML-KEM-768.txt", "dk"), ct = line_of("cctv-strcmp-ML-KEM-768.txt", "c");
    struct vector expected = line_of("cctv-strcmp-ML-KEM-768.txt", "K");
    uint8_t ss[MLKEM768_SS_LEN];
    assert_true(dk.len == MLKEM768_DK_LEN && ct.len == MLKEM768_CT_LEN);
    assert_true(mlkem768_decaps(dk.data, ct.data, ss));
    assert_memory_equal(ss, expected.data, sizeof ss);
}

static void a_matrix_that_takes_many_samples_is_right(void **state) {
    (void)state;
    static const char file[] = "cctv-unluckysample-ML-KEM-768.txt";
    struct vector ek = line_of(file, "ek"), dk = line_of(file, "dk"), m = line_of(file, "m");
    struct vector ct = line_of(file, "c"), expected = line_of(file, "K");
    uint8_t own_ct[MLKEM768_CT_LEN], ss[MLKEM768_SS_LEN];
    assert_true(ek.len == MLKEM768_EK_LEN && dk.len == MLKEM768_DK_LEN);
    assert_true(mlkem768_encaps(ek.data, m.data, own_ct, ss));
    assert_memory_equal(own_ct, ct.data, sizeof own_ct);
    assert_memory_equal(ss, expected.data, sizeof ss);
    assert_true(mlkem768_decaps(dk.data, ct.data, ss));
    assert_memory_equal(ss, expected.data, sizeof ss);
}

static void a_key_with_a_number_of_q_or_more_is_refused(void **state) {
    (void)state;
    static char line[2 * MLKEM768_EK_LEN + 3];
    size_t count = 0;
    FILE *in = fopen(VECTORS_DIR "/mlkem/cctv-modulus-ML-KEM-768.txt", "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL) {
        line[strcspn(line, "\r\n")] = 0;
        struct vector ek = vector_of_hex(line);
        uint8_t m[MLKEM768_M_LEN] = {1}, ct[MLKEM768_CT_LEN], ss[MLKEM768_SS_LEN];
        assert_int_equal(ek.len, MLKEM768_EK_LEN);
        assert_false(mlkem768_encaps(ek.data, m, ct, ss));
        count++;
    }
    fclose(in);
    assert_int_equal(count, 60);
}
#endif

static void both_sides_get_one_secret_and_any_changed_ciphertext_another(void **state) {
    (void)state;
    static uint8_t seed[MLKEM768_SEED_LEN], m[MLKEM768_M_LEN], ek[MLKEM768_EK_LEN], dk[MLKEM768_DK_LEN];
    static uint8_t ct[MLKEM768_CT_LEN], sent[MLKEM768_SS_LEN], got[MLKEM768_SS_LEN], again[MLKEM768_SS_LEN];
    rng = rng_seeded(2);
    for (int round = 0; round < 500; round++) {
        rng_fill(&rng, seed, sizeof seed);
        rng_fill(&rng, m, sizeof m);
        mlkem768_keygen(seed, ek, dk);
        assert_true(mlkem768_encaps(ek, m, ct, sent));
        assert_true(mlkem768_decaps(dk, ct, got));
        assert_memory_equal(sent, got, sizeof sent);
        ct[rng_below(&rng, sizeof ct)] ^= (uint8_t)(1u << rng_below(&rng, 8));
        assert_true(mlkem768_decaps(dk, ct, got));
        assert_memory_not_equal(sent, got, sizeof sent);
        assert_true(mlkem768_decaps(dk, ct, again));
        assert_memory_equal(got, again, sizeof got);
    }
}

static void a_private_key_whose_hash_is_wrong_is_refused(void **state) {
    (void)state;
    static uint8_t seed[MLKEM768_SEED_LEN], ek[MLKEM768_EK_LEN], dk[MLKEM768_DK_LEN], ct[MLKEM768_CT_LEN];
    uint8_t ss[MLKEM768_SS_LEN];
    mlkem768_keygen(seed, ek, dk);
    dk[1152 + 5] ^= 1;
    assert_false(mlkem768_decaps(dk, ct, ss));
    dk[1152 + 5] ^= 1;
    dk[1152 + MLKEM768_EK_LEN] ^= 1;
    assert_false(mlkem768_decaps(dk, ct, ss));
}

int main(void) {
    const struct CMUnitTest tests[] = {
#ifndef __wasm__
        cmocka_unit_test(the_sponge_agrees_with_another_implementation),
        cmocka_unit_test(a_ciphertext_with_zeros_inside_is_compared_to_its_end),
        cmocka_unit_test(a_matrix_that_takes_many_samples_is_right),
        cmocka_unit_test(a_key_with_a_number_of_q_or_more_is_refused),
#endif
        cmocka_unit_test(wycheproof_is_answered_right),
        cmocka_unit_test(both_sides_get_one_secret_and_any_changed_ciphertext_another),
        cmocka_unit_test(a_private_key_whose_hash_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
