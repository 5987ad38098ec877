/* HPKE over every KEM: any bytes as a public key and as a message. What has passed a KEM's check can be encapsulated
 * to; a message that was sealed opens as it was, and not when any of its bytes has changed. */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hpke.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_LEN_MAX 4096

static const struct crypto_backend *const crypto = &crypto_openssl;

static struct hpke_suite suite_of(uint8_t byte) {
    static const enum kem kems[] = {KEM_DHKEM_X25519_SHA256, KEM_DHKEM_P256_SHA256, KEM_XWING, KEM_DHKEM_X448_SHA512,
                                    KEM_DHKEM_P521_SHA512};
    return (struct hpke_suite){kems[byte % ARRAY_LEN(kems)], (enum hash_algorithm)(byte / 8 % 3),
                               (enum aead_algorithm)(byte / 64 % 3)};
}

static void foreign_key(struct hpke_suite suite, struct span key, struct rng *rng) {
    struct secret shared;
    uint8_t enc[KEM_ENC_LEN_MAX];
    enum crypto_status checked = kem_public_good(crypto, suite.kem, key);
    enum crypto_status status = kem_encap(crypto, suite.kem, key, rng, &shared, enc);
    ASSERT(status == CRYPTO_OK || (status == CRYPTO_INVALID && checked == CRYPTO_INVALID));
    ASSERT(status == CRYPTO_INVALID ? shared.len == 0 : shared.len == kem_shared_len(suite.kem));
    ASSERT(checked == CRYPTO_INVALID || key.len == kem_public_len(suite.kem));
}

/* enc and ciphertext, to a key that nobody else has. */
static void foreign_message(struct hpke_suite suite, const struct secret *key, struct reader *r) {
    static uint8_t out[TEXT_LEN_MAX];
    struct span enc = rd_span(r, kem_enc_len(suite.kem)), sealed = rd_rest(r);
    if (!reader_ok(r) || sealed.len > TEXT_LEN_MAX)
        return;
    memset(out, 0xaa, sizeof out);
    enum crypto_status status =
        hpke_open(crypto, suite, key, span_of(NULL, 0), enc, span_str("info"), span_str("aad"), sealed, out);
    ASSERT(status == CRYPTO_INVALID);
    for (size_t i = 0; sealed.len > AEAD_TAG_LEN && i < sealed.len - AEAD_TAG_LEN; i++)
        ASSERT(out[i] == 0);
}

static void own_message(struct hpke_suite suite, const struct secret *key, const uint8_t *public_key, struct reader *r,
                        struct rng *rng) {
    static uint8_t sealed[TEXT_LEN_MAX + AEAD_TAG_LEN], out[TEXT_LEN_MAX];
    uint8_t enc[KEM_ENC_LEN_MAX];
    uint16_t place = rd_u16(r);
    uint8_t bits = rd_u8(r);
    struct span text = rd_rest(r), pk = span_of(public_key, kem_public_len(suite.kem));
    if (text.len > TEXT_LEN_MAX)
        return;
    enum crypto_status status = hpke_seal(crypto, suite, pk, span_str("info"), span_str("aad"), text, rng, enc, sealed);
    ASSERT(status == CRYPTO_OK);
    struct span e = span_of(enc, kem_enc_len(suite.kem)), s = span_of(sealed, text.len + AEAD_TAG_LEN);
    status = hpke_open(crypto, suite, key, pk, e, span_str("info"), span_str("aad"), s, out);
    ASSERT(status == CRYPTO_OK && memcmp(out, text.data, text.len) == 0);
    if (bits == 0)
        return;
    /* enc of X25519 has a bit that nobody reads (RFC 7748 section 5); it is in the KEM's context all the same */
    if (place % 2 == 0)
        enc[place / 2 % e.len] ^= bits;
    else
        sealed[place / 2 % s.len] ^= bits;
    status = hpke_open(crypto, suite, key, pk, e, span_str("info"), span_str("aad"), s, out);
    ASSERT(status == CRYPTO_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(data, size);
    struct hpke_suite suite = suite_of(rd_u8(&r));
    struct rng rng = rng_seeded(1);
    struct secret key;
    uint8_t public_key[KEM_PUBLIC_LEN_MAX], kind = rd_u8(&r);
    enum crypto_status status = kem_generate(crypto, suite.kem, &rng, &key, public_key);
    ASSERT(status == CRYPTO_OK);
    if (kind % 3 == 0)
        foreign_key(suite, rd_rest(&r), &rng);
    else if (kind % 3 == 1)
        foreign_message(suite, &key, &r);
    else
        own_message(suite, &key, public_key, &r, &rng);
    return 0;
}
