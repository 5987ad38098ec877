#include "crypto/selftest.h"

#include <string.h>

#include "base/assert.h"
#include "crypto/aead.h"
#include "crypto/aes_ctr.h"
#include "crypto/hmac.h"

struct aead_answer {
    enum aead_algorithm algorithm;
    uint8_t key[32];
    uint8_t nonce[AEAD_NONCE_LEN];
    uint8_t text[16];
    uint8_t sealed[16 + AEAD_TAG_LEN];
};

/* McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 2 and 14: all zeros. */
static const struct aead_answer aead_answers[] = {
    {.algorithm = AEAD_AES_128_GCM,
     .sealed = {0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92, 0xf3, 0x28, 0xc2, 0xb9, 0x71, 0xb2, 0xfe, 0x78,
                0xab, 0x6e, 0x47, 0xd4, 0x2c, 0xec, 0x13, 0xbd, 0xf5, 0x3a, 0x67, 0xb2, 0x12, 0x57, 0xbd, 0xdf}},
    {.algorithm = AEAD_AES_256_GCM,
     .sealed = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18,
                0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19}},
};

static bool aead_seal_matches(const struct aead_answer *answer) {
    struct aead_key key;
    uint8_t out[sizeof answer->sealed];
    if (!aead_key_init(&key, &aead_openssl, answer->algorithm, AEAD_SEAL, answer->key))
        return false;
    struct aead_job job = {
        .key = &key, .nonce = answer->nonce, .in = answer->text, .len = sizeof answer->text, .out = out};
    aead_seal(&job, 1);
    aead_key_end(&key);
    return job.ok && memcmp(out, answer->sealed, sizeof out) == 0;
}

/* Opens the answer, and must refuse it with any one tag bit changed: a library that skips the comparison is found. */
static bool aead_open_matches(const struct aead_answer *answer) {
    struct aead_key key;
    uint8_t sealed[sizeof answer->sealed];
    uint8_t out[sizeof answer->text];
    memcpy(sealed, answer->sealed, sizeof sealed);
    if (!aead_key_init(&key, &aead_openssl, answer->algorithm, AEAD_OPEN, answer->key))
        return false;
    struct aead_job job = {.key = &key, .nonce = answer->nonce, .in = sealed, .len = sizeof sealed, .out = out};
    bool good = aead_open(&job, 1) == 1 && memcmp(out, answer->text, sizeof out) == 0;
    for (size_t bit = 0; bit < 8 * AEAD_TAG_LEN; bit++) {
        sealed[sizeof answer->text + bit / 8] ^= (uint8_t)(1u << bit % 8);
        good = good && aead_open(&job, 1) == 0;
        sealed[sizeof answer->text + bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    aead_key_end(&key);
    return good;
}

/* RFC 3711 appendix B.2: the first blocks of the AES-CM key stream. */
static bool aes_ctr_matches(void) {
    static const uint8_t bytes[16] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                      0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
    static const uint8_t iv[AES_CTR_IV_LEN] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7,
                                               0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0x00, 0x00};
    static const uint8_t expected[32] = {0xe0, 0x3e, 0xad, 0x09, 0x35, 0xc9, 0x5e, 0x80, 0xe1, 0x66, 0xb1,
                                         0x6d, 0xd9, 0x2b, 0x4e, 0xb4, 0xd2, 0x35, 0x13, 0x16, 0x2b, 0x02,
                                         0xd0, 0xf7, 0x2a, 0x43, 0xa2, 0xfe, 0x4a, 0x5f, 0x97, 0xab};
    uint8_t stream[sizeof expected] = {0};
    struct aes_ctr_key key;
    if (!aes_ctr_key_init(&key, bytes, sizeof bytes))
        return false;
    aes_ctr_start(&key, iv);
    aes_ctr_xor(&key, stream, stream, 5);
    aes_ctr_xor(&key, stream + 5, stream + 5, sizeof stream - 5);
    aes_ctr_key_end(&key);
    return memcmp(stream, expected, sizeof stream) == 0;
}

/* RFC 2202 section 3 and RFC 4231 section 4.3: test case 2 of each. */
static bool hmac_matches(void) {
    static const uint8_t sha1[HMAC_SHA1_LEN] = {0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74,
                                                0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79};
    static const uint8_t sha256[HMAC_SHA256_LEN] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
                                                    0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
                                                    0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    uint8_t out[HMAC_LEN_MAX];
    struct span text = span_str("what do ya want for nothing?");
    hmac_once(HMAC_SHA1, span_str("Jefe"), text, out);
    if (memcmp(out, sha1, sizeof sha1) != 0)
        return false;
    hmac_once(HMAC_SHA256, span_str("Jefe"), text, out);
    return memcmp(out, sha256, sizeof sha256) == 0;
}

const char *crypto_self_test(void) {
    for (size_t i = 0; i < ARRAY_LEN(aead_answers); i++) {
        if (!aead_seal_matches(&aead_answers[i]))
            return aead_answers[i].algorithm == AEAD_AES_128_GCM ? "AES-128-GCM sealing" : "AES-256-GCM sealing";
        if (!aead_open_matches(&aead_answers[i]))
            return aead_answers[i].algorithm == AEAD_AES_128_GCM ? "AES-128-GCM opening" : "AES-256-GCM opening";
    }
    if (!aes_ctr_matches())
        return "AES-CTR";
    if (!hmac_matches())
        return "HMAC";
    return NULL;
}
