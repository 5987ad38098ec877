/* What each primitive of the end-to-end library costs in microseconds: the smallest mean of several slices, so that
 * other work of the machine disturbs little. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "crypto/hkdf.h"
#include "crypto/hpke.h"
#include "crypto/mlkem.h"

#define SLICES 200
#define SLICE_NS UINT64_C(1000000)

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static const struct crypto_backend *const crypto = &crypto_openssl;
static struct rng rng;
static struct {
    struct secret private_key, shared, prk;
    uint8_t public_key[KEM_PUBLIC_LEN_MAX], enc[KEM_ENC_LEN_MAX], signature[SIGN_SIGNATURE_LEN_MAX];
    uint8_t text[1200], out[1200 + AEAD_TAG_LEN], hash[HASH_LEN_MAX], nonce[AEAD_NONCE_LEN];
    size_t signature_len;
    enum hash_algorithm hash_algorithm;
    enum aead_algorithm aead;
    enum dh_group group;
    enum sign_algorithm sign;
    enum kem kem;
} b;

static void measure(const char *name, enum crypto_status (*one)(void)) {
    double best_us = 1e9;
    for (int slice = 0; slice < SLICES; slice++) {
        uint64_t start = now_ns(), runs = 0, end;
        do {
            enum crypto_status status = one();
            ASSERT(status == CRYPTO_OK);
            runs++;
            end = now_ns();
        } while (end - start < SLICE_NS);
        double us = (double)(end - start) / 1000.0 / (double)runs;
        best_us = us < best_us ? us : best_us;
    }
    printf("  %-34s %9.2f us\n", name, best_us);
}

static enum crypto_status hash_100(void) {
    struct span part = span_of(b.text, 100);
    return crypto->hash(b.hash_algorithm, &part, 1, b.hash);
}

static enum crypto_status expand(void) {
    struct span part = span_of(b.text, 60);
    return hkdf_expand(crypto, b.hash_algorithm, secret_span(&b.prk), &part, 1, b.hash, 32);
}

static enum crypto_status aead_seal_100(void) {
    return crypto->aead_seal(b.aead, secret_span(&b.prk), b.nonce, span_of(NULL, 0), span_of(b.text, 100), b.out);
}

static enum crypto_status dh_public(void) {
    return crypto->dh_public(b.group, &b.private_key, b.public_key);
}

static enum crypto_status dh(void) {
    return crypto->dh(b.group, &b.private_key, span_of(b.public_key, dh_public_len(b.group)), &b.shared);
}

static enum crypto_status sign(void) {
    return crypto->sign(b.sign, &b.private_key, span_of(b.text, 300), b.signature, &b.signature_len);
}

static enum crypto_status verify(void) {
    return crypto->verify(b.sign, span_of(b.public_key, sign_public_len(b.sign)), span_of(b.text, 300),
                          span_of(b.signature, b.signature_len));
}

static enum crypto_status key_pair(void) {
    return kem_generate(crypto, b.kem, &rng, &b.private_key, b.public_key);
}

static enum crypto_status encap(void) {
    return kem_encap(crypto, b.kem, span_of(b.public_key, kem_public_len(b.kem)), &rng, &b.shared, b.enc);
}

static enum crypto_status decap(void) {
    return kem_decap(crypto, b.kem, &b.private_key, span_of(b.public_key, kem_public_len(b.kem)),
                     span_of(b.enc, kem_enc_len(b.kem)), &b.shared);
}

static void measure_hashes(void) {
    static const char *const names[] = {"SHA-256 of 100 B", "SHA-384 of 100 B", "SHA-512 of 100 B"};
    static const char *const expands[] = {"HKDF-Expand 32 B, SHA-256", "HKDF-Expand 32 B, SHA-384",
                                          "HKDF-Expand 32 B, SHA-512"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        b.hash_algorithm = (enum hash_algorithm)i;
        secret_zeros(&b.prk, hash_len(b.hash_algorithm));
        measure(names[i], hash_100);
        measure(expands[i], expand);
    }
}

static void measure_aead(void) {
    static const char *const names[] = {"AES-128-GCM, key and 100 B", "AES-256-GCM, key and 100 B",
                                        "ChaCha20-Poly1305, key and 100 B"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        b.aead = (enum aead_algorithm)i;
        secret_zeros(&b.prk, aead_key_len(b.aead));
        measure(names[i], aead_seal_100);
    }
}

static void measure_groups(void) {
    static const char *const names[] = {"X25519", "X448", "P-256", "P-384", "P-521"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char line[64];
        b.group = (enum dh_group)i;
        secret_zeros(&b.private_key, dh_private_len(b.group));
        rng_fill(&rng, b.private_key.bytes + 1, b.private_key.len - 1u);
        (void)snprintf(line, sizeof line, "%s public key", names[i]);
        measure(line, dh_public);
        (void)snprintf(line, sizeof line, "%s shared secret", names[i]);
        measure(line, dh);
    }
}

static void measure_signatures(void) {
    static const char *const names[] = {"Ed25519", "Ed448", "ECDSA P-256", "ECDSA P-384", "ECDSA P-521"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char line[64];
        b.sign = (enum sign_algorithm)i;
        enum crypto_status status = sign_generate(crypto, b.sign, &rng, &b.private_key, b.public_key);
        ASSERT(status == CRYPTO_OK);
        (void)snprintf(line, sizeof line, "%s sign", names[i]);
        measure(line, sign);
        (void)snprintf(line, sizeof line, "%s verify", names[i]);
        measure(line, verify);
    }
}

static struct {
    uint8_t seed[MLKEM768_SEED_LEN], ek[MLKEM768_EK_LEN], dk[MLKEM768_DK_LEN], ct[MLKEM768_CT_LEN];
    uint8_t ss[MLKEM768_SS_LEN];
} m;

static enum crypto_status mlkem_keygen(void) {
    mlkem768_keygen(m.seed, m.ek, m.dk);
    return CRYPTO_OK;
}

static enum crypto_status mlkem_encaps(void) {
    return mlkem768_encaps(m.ek, m.seed, m.ct, m.ss) ? CRYPTO_OK : CRYPTO_INVALID;
}

static enum crypto_status mlkem_decaps(void) {
    return mlkem768_decaps(m.dk, m.ct, m.ss) ? CRYPTO_OK : CRYPTO_INVALID;
}

static void measure_kems(void) {
    static const struct {
        enum kem kem;
        const char *name;
    } kems[] = {
        {KEM_DHKEM_X25519_SHA256, "DHKEM X25519"}, {KEM_DHKEM_P256_SHA256, "DHKEM P-256"}, {KEM_XWING, "X-Wing"}};
    for (size_t i = 0; i < ARRAY_LEN(kems); i++) {
        char line[64];
        b.kem = kems[i].kem;
        (void)snprintf(line, sizeof line, "%s key pair", kems[i].name);
        measure(line, key_pair);
        (void)snprintf(line, sizeof line, "%s encapsulate", kems[i].name);
        measure(line, encap);
        (void)snprintf(line, sizeof line, "%s decapsulate", kems[i].name);
        measure(line, decap);
    }
}

int main(void) {
    rng = rng_seeded(1);
    rng_fill(&rng, b.text, sizeof b.text);
    measure_hashes();
    measure_aead();
    measure_groups();
    measure_signatures();
    measure("ML-KEM-768 key pair", mlkem_keygen);
    measure("ML-KEM-768 encapsulate", mlkem_encaps);
    measure("ML-KEM-768 decapsulate", mlkem_decaps);
    measure_kems();
    return 0;
}
