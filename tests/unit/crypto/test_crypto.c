#include <jansson.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/rng.h"
#include "crypto/aead.h"
#include "crypto/aes_ctr.h"
#include "crypto/hmac.h"
#include "crypto/selftest.h"
#include "unit.h"

#define HEX_LEN_MAX 2500

struct bytes {
    uint8_t data[HEX_LEN_MAX];
    size_t len;
};

static struct bytes unhex(const char *text) {
    struct bytes out = {0};
    assert_non_null(text);
    out.len = strlen(text) / 2;
    assert_true(out.len <= sizeof out.data);
    for (size_t i = 0; i < out.len; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], 0};
        out.data[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return out;
}

static void the_self_test_passes(void **state) {
    (void)state;
    assert_null(crypto_self_test());
    assert_null(crypto_self_test_backend(&crypto_openssl));
    assert_null(crypto_self_test_curves(&crypto_openssl));
}

struct hmac_case {
    enum hmac_hash hash;
    uint8_t key_byte;
    size_t key_len;
    const char *text;
    const char *mac;
};

/* RFC 2202 section 3 cases 1, 6, 7 and RFC 4231 cases 1, 6, 7: short keys, and keys longer than a block. */
static const struct hmac_case hmac_cases[] = {
    {HMAC_SHA1, 0x0b, 20, "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"},
    {HMAC_SHA1, 0xaa, 80, "Test Using Larger Than Block-Size Key - Hash Key First",
     "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
    {HMAC_SHA1, 0xaa, 80, "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
     "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"},
    {HMAC_SHA256, 0x0b, 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {HMAC_SHA256, 0xaa, 131, "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
};

static void hmac_gives_the_published_answers(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hmac_cases); i++) {
        const struct hmac_case *c = &hmac_cases[i];
        uint8_t key[131], out[HMAC_LEN_MAX];
        memset(key, c->key_byte, c->key_len);
        hmac_once(c->hash, span_of(key, c->key_len), span_str(c->text), out);
        struct bytes expected = unhex(c->mac);
        assert_int_equal(expected.len, hmac_len(c->hash));
        assert_memory_equal(out, expected.data, expected.len);
    }
}

static void a_keyed_hmac_over_parts_equals_one_over_the_whole(void **state) {
    (void)state;
    struct rng rng = rng_seeded(1);
    for (int round = 0; round < 200; round++) {
        uint8_t text[300], key[90], once[HMAC_LEN_MAX], parts_out[HMAC_LEN_MAX];
        rng_fill(&rng, text, sizeof text);
        rng_fill(&rng, key, sizeof key);
        size_t key_len = rng_below(&rng, sizeof key + 1), cut = rng_below(&rng, sizeof text + 1);
        enum hmac_hash hash = rng_below(&rng, 2) == 0 ? HMAC_SHA1 : HMAC_SHA256;
        hmac_once(hash, span_of(key, key_len), span_of(text, sizeof text), once);
        struct hmac_key keyed;
        hmac_key_init(&keyed, hash, span_of(key, key_len));
        struct span parts[2] = {span_of(text, cut), span_of(text + cut, sizeof text - cut)};
        hmac_key_sign(&keyed, parts, 2, parts_out);
        assert_memory_equal(once, parts_out, hmac_len(hash));
        hmac_key_wipe(&keyed);
    }
}

static void sha256_gives_the_published_answer(void **state) {
    (void)state;
    uint8_t out[HMAC_SHA256_LEN];
    sha256_once(span_str("abc"), out);
    struct bytes expected = unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_memory_equal(out, expected.data, expected.len);
}

/* RFC 3711 appendix B.2: the key stream at the counters 0, 0xFEFF, 0xFF00 and 0xFF01. */
static void the_counter_mode_runs_as_in_rfc_3711(void **state) {
    (void)state;
    struct bytes key_bytes = unhex("2b7e151628aed2a6abf7158809cf4f3c");
    struct bytes iv = unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000");
    struct bytes early =
        unhex("e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0");
    struct bytes late =
        unhex("ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44");
    static uint8_t stream[0xff02 * 16];
    memset(stream, 0, sizeof stream);
    struct aes_ctr_key key;
    assert_true(aes_ctr_key_init(&key, key_bytes.data, key_bytes.len));
    aes_ctr_start(&key, iv.data);
    aes_ctr_xor(&key, stream, stream, 1000);
    aes_ctr_xor(&key, stream + 1000, stream + 1000, sizeof stream - 1000);
    aes_ctr_key_end(&key);
    assert_memory_equal(stream, early.data, early.len);
    assert_memory_equal(stream + 0xfeff * 16, late.data, late.len);
}

static const char *text_of(json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

static void run_gcm_case(json_t *test, size_t key_bits) {
    struct bytes key_bytes = unhex(text_of(test, "key")), iv = unhex(text_of(test, "iv"));
    struct bytes aad = unhex(text_of(test, "aad")), msg = unhex(text_of(test, "msg"));
    struct bytes ct = unhex(text_of(test, "ct")), tag = unhex(text_of(test, "tag"));
    bool valid = strcmp(text_of(test, "result"), "valid") == 0;
    enum aead_algorithm algorithm = key_bits == 128 ? AEAD_AES_128_GCM : AEAD_AES_256_GCM;
    assert_int_equal(key_bytes.len, aead_key_len(algorithm));
    struct aead_key seal, open;
    assert_true(aead_key_init(&seal, &aead_openssl, algorithm, AEAD_SEAL, key_bytes.data));
    assert_true(aead_key_init(&open, &aead_openssl, algorithm, AEAD_OPEN, key_bytes.data));
    uint8_t sealed[HEX_LEN_MAX + AEAD_TAG_LEN], opened[HEX_LEN_MAX + AEAD_TAG_LEN];
    memcpy(sealed, ct.data, ct.len);
    memcpy(sealed + ct.len, tag.data, tag.len);
    struct aead_job job = {.key = &open,
                           .nonce = iv.data,
                           .aad = aad.data,
                           .aad_len = aad.len,
                           .in = sealed,
                           .len = ct.len + tag.len,
                           .out = opened};
    assert_int_equal(aead_open(&job, 1), valid ? 1 : 0);
    if (valid) {
        assert_memory_equal(opened, msg.data, msg.len);
        job = (struct aead_job){.key = &seal,
                                .nonce = iv.data,
                                .aad = aad.data,
                                .aad_len = aad.len,
                                .in = msg.data,
                                .len = msg.len,
                                .out = opened};
        aead_seal(&job, 1);
        assert_memory_equal(opened, sealed, ct.len + tag.len);
        /* once more with the text cut into prefix and rest */
        job.prefix = msg.data;
        job.prefix_len = msg.len / 3;
        job.in = msg.data + job.prefix_len;
        job.len = msg.len - job.prefix_len;
        aead_seal(&job, 1);
        assert_memory_equal(opened, sealed, ct.len + tag.len);
    }
    aead_key_end(&seal);
    aead_key_end(&open);
}

static void wycheproof_is_answered_right(void **state) {
    (void)state;
    json_t *root = json_load_file(VECTORS_DIR "/wycheproof/aes_gcm_test.json", 0, NULL);
    assert_non_null(root);
    size_t at, run = 0;
    json_t *group;
    json_array_foreach(json_object_get(root, "testGroups"), at, group) {
        json_int_t key_bits = json_integer_value(json_object_get(group, "keySize"));
        if (json_integer_value(json_object_get(group, "ivSize")) != 96 ||
            json_integer_value(json_object_get(group, "tagSize")) != 128 || (key_bits != 128 && key_bits != 256))
            continue;
        size_t i;
        json_t *test;
        json_array_foreach(json_object_get(group, "tests"), i, test) {
            run_gcm_case(test, (size_t)key_bits);
            run++;
        }
    }
    assert_true(run > 100);
    print_message("%zu vectors\n", run);
    json_decref(root);
}

static void jobs_of_several_keys_go_in_one_call(void **state) {
    (void)state;
    enum { JOBS = 7 };
    struct aead_key seal[JOBS], open[JOBS];
    struct aead_job jobs[JOBS];
    uint8_t text[100], out[JOBS][100 + AEAD_TAG_LEN], back[JOBS][100], key[32], nonce[AEAD_NONCE_LEN] = {1};
    struct rng rng = rng_seeded(4);
    rng_fill(&rng, text, sizeof text);
    for (size_t i = 0; i < JOBS; i++) {
        rng_fill(&rng, key, sizeof key);
        enum aead_algorithm algorithm = i % 2 == 0 ? AEAD_AES_128_GCM : AEAD_AES_256_GCM;
        assert_true(aead_key_init(&seal[i], &aead_openssl, algorithm, AEAD_SEAL, key));
        assert_true(aead_key_init(&open[i], &aead_openssl, algorithm, AEAD_OPEN, key));
        jobs[i] = (struct aead_job){.key = &seal[i], .nonce = nonce, .in = text, .len = sizeof text, .out = out[i]};
    }
    aead_seal(jobs, JOBS);
    for (size_t i = 0; i < JOBS; i++)
        jobs[i] =
            (struct aead_job){.key = &open[i], .nonce = nonce, .in = out[i], .len = sizeof out[i], .out = back[i]};
    out[3][5] ^= 1;
    assert_int_equal(aead_open(jobs, JOBS), JOBS - 1);
    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].ok, i != 3);
        if (jobs[i].ok)
            assert_memory_equal(back[i], text, sizeof text);
        aead_key_end(&seal[i]);
        aead_key_end(&open[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_self_test_passes),
        cmocka_unit_test(hmac_gives_the_published_answers),
        cmocka_unit_test(a_keyed_hmac_over_parts_equals_one_over_the_whole),
        cmocka_unit_test(sha256_gives_the_published_answer),
        cmocka_unit_test(the_counter_mode_runs_as_in_rfc_3711),
        cmocka_unit_test(wycheproof_is_answered_right),
        cmocka_unit_test(jobs_of_several_keys_go_in_one_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
