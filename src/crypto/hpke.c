#include "crypto/hpke.h"

#include "base/assert.h"
#include "crypto/labeled.h"

#define SUITE_ID_LEN 10
#define PSK_LEN_MIN 32 /* section 9.5 */

enum { MODE_BASE = 0, MODE_PSK = 1 }; /* section 5, table 1 */

/* "HPKE" and the three identifiers (section 5.1). */
static struct span suite_id_of(struct hpke_suite suite, uint8_t out[SUITE_ID_LEN]) {
    struct writer w = writer_of(out, SUITE_ID_LEN);
    wr_str(&w, "HPKE");
    wr_u16(&w, (uint16_t)suite.kem);
    wr_u16(&w, suite.kdf == HASH_SHA256 ? 1 : suite.kdf == HASH_SHA384 ? 2 : 3);             /* section 7.2 */
    wr_u16(&w, suite.aead == AEAD_AES_128_GCM ? 1 : suite.aead == AEAD_AES_256_GCM ? 2 : 3); /* section 7.3 */
    return writer_span(&w);
}

static enum crypto_status expand_all(struct hpke_context *c, struct span suite_id, const struct secret *secret,
                                     struct span context) {
    c->key.len = (uint8_t)aead_key_len(c->suite.aead);
    c->exporter_secret.len = (uint8_t)hash_len(c->suite.kdf);
    enum crypto_status status =
        labeled_expand(c->crypto, c->suite.kdf, suite_id, secret, "key", &context, 1, c->key.bytes, c->key.len);
    if (status == CRYPTO_OK)
        status = labeled_expand(c->crypto, c->suite.kdf, suite_id, secret, "base_nonce", &context, 1, c->base_nonce,
                                AEAD_NONCE_LEN);
    if (status == CRYPTO_OK)
        status = labeled_expand(c->crypto, c->suite.kdf, suite_id, secret, "exp", &context, 1, c->exporter_secret.bytes,
                                c->exporter_secret.len);
    return status;
}

/* KeySchedule (section 5.1). */
static enum crypto_status key_schedule(struct hpke_context *c, const struct secret *shared, struct span info,
                                       const struct hpke_psk *psk) {
    static const struct hpke_psk none = {0};
    if (psk == NULL)
        psk = &none;
    ASSERT(psk->psk.len == 0 ? psk->id.len == 0 : psk->psk.len >= PSK_LEN_MIN && psk->id.len > 0);
    uint8_t id[SUITE_ID_LEN], context[1 + 2 * HASH_LEN_MAX];
    struct span suite_id = suite_id_of(c->suite, id), empty = span_of(NULL, 0);
    struct secret psk_id_hash = {0}, info_hash = {0}, secret = {0};
    enum crypto_status status =
        labeled_extract(c->crypto, c->suite.kdf, suite_id, empty, "psk_id_hash", psk->id, &psk_id_hash);
    if (status == CRYPTO_OK)
        status = labeled_extract(c->crypto, c->suite.kdf, suite_id, empty, "info_hash", info, &info_hash);
    if (status == CRYPTO_OK)
        status = labeled_extract(c->crypto, c->suite.kdf, suite_id, secret_span(shared), "secret", psk->psk, &secret);
    if (status == CRYPTO_OK) {
        struct writer w = writer_of(context, sizeof context);
        wr_u8(&w, psk->psk.len == 0 ? MODE_BASE : MODE_PSK);
        wr_span(&w, secret_span(&psk_id_hash));
        wr_span(&w, secret_span(&info_hash));
        ASSERT(writer_ok(&w));
        status = expand_all(c, suite_id, &secret, writer_span(&w));
    }
    secret_wipe(&secret);
    return status;
}

/* What both directions end with: the shared secret is used up, and a context that failed is empty. */
static enum crypto_status finish_setup(struct hpke_context *c, enum crypto_status status, struct secret *shared,
                                       struct span info, const struct hpke_psk *psk) {
    if (status == CRYPTO_OK)
        status = key_schedule(c, shared, info, psk);
    secret_wipe(shared);
    if (status != CRYPTO_OK)
        hpke_wipe(c);
    return status;
}

enum crypto_status hpke_setup_sender(struct hpke_context *c, const struct crypto_backend *crypto,
                                     struct hpke_suite suite, struct span public_key, struct span info,
                                     const struct hpke_psk *psk, struct rng *rng, uint8_t *enc) {
    ASSERT(c != NULL && crypto != NULL && rng != NULL && enc != NULL);
    struct secret shared;
    *c = (struct hpke_context){.crypto = crypto, .suite = suite};
    enum crypto_status status = kem_encap(crypto, suite.kem, public_key, rng, &shared, enc);
    return finish_setup(c, status, &shared, info, psk);
}

enum crypto_status hpke_setup_receiver(struct hpke_context *c, const struct crypto_backend *crypto,
                                       struct hpke_suite suite, const struct secret *private_key,
                                       struct span public_key, struct span enc, struct span info,
                                       const struct hpke_psk *psk) {
    ASSERT(c != NULL && crypto != NULL && private_key != NULL);
    struct secret shared;
    *c = (struct hpke_context){.crypto = crypto, .suite = suite};
    enum crypto_status status = kem_decap(crypto, suite.kem, private_key, public_key, enc, &shared);
    return finish_setup(c, status, &shared, info, psk);
}

/* ComputeNonce (section 5.2). */
static void nonce_of(const struct hpke_context *c, uint8_t nonce[AEAD_NONCE_LEN]) {
    for (size_t i = 0; i < AEAD_NONCE_LEN; i++) {
        size_t place = AEAD_NONCE_LEN - 1 - i;
        nonce[place] = (uint8_t)(c->base_nonce[place] ^ (i < 8 ? c->seq >> (8 * i) : 0));
    }
}

enum crypto_status hpke_context_seal(struct hpke_context *c, struct span aad, struct span text, uint8_t *out) {
    ASSERT(c != NULL && c->key.len > 0 && out != NULL);
    uint8_t nonce[AEAD_NONCE_LEN];
    if (c->seq == UINT64_MAX)
        return CRYPTO_INVALID;
    nonce_of(c, nonce);
    enum crypto_status status = c->crypto->aead_seal(c->suite.aead, secret_span(&c->key), nonce, aad, text, out);
    if (status == CRYPTO_OK)
        c->seq++;
    return status;
}

enum crypto_status hpke_context_open(struct hpke_context *c, struct span aad, struct span sealed, uint8_t *out) {
    ASSERT(c != NULL && c->key.len > 0);
    uint8_t nonce[AEAD_NONCE_LEN];
    if (c->seq == UINT64_MAX)
        return CRYPTO_INVALID;
    nonce_of(c, nonce);
    enum crypto_status status = c->crypto->aead_open(c->suite.aead, secret_span(&c->key), nonce, aad, sealed, out);
    if (status == CRYPTO_OK)
        c->seq++;
    return status;
}

enum crypto_status hpke_context_export(const struct hpke_context *c, struct span exporter_context, uint8_t *out,
                                       size_t out_len) {
    ASSERT(c != NULL && c->exporter_secret.len > 0);
    uint8_t id[SUITE_ID_LEN];
    return labeled_expand(c->crypto, c->suite.kdf, suite_id_of(c->suite, id), &c->exporter_secret, "sec",
                          &exporter_context, 1, out, out_len);
}

void hpke_wipe(struct hpke_context *c) {
    ASSERT(c != NULL);
    secure_wipe(c, sizeof *c);
}

enum crypto_status hpke_seal(const struct crypto_backend *crypto, struct hpke_suite suite, struct span public_key,
                             struct span info, struct span aad, struct span text, struct rng *rng, uint8_t *enc,
                             uint8_t *sealed) {
    struct hpke_context c;
    enum crypto_status status = hpke_setup_sender(&c, crypto, suite, public_key, info, NULL, rng, enc);
    if (status == CRYPTO_OK)
        status = hpke_context_seal(&c, aad, text, sealed);
    hpke_wipe(&c);
    return status;
}

enum crypto_status hpke_open(const struct crypto_backend *crypto, struct hpke_suite suite,
                             const struct secret *private_key, struct span public_key, struct span enc,
                             struct span info, struct span aad, struct span sealed, uint8_t *out) {
    struct hpke_context c;
    enum crypto_status status = hpke_setup_receiver(&c, crypto, suite, private_key, public_key, enc, info, NULL);
    if (status == CRYPTO_OK)
        status = hpke_context_open(&c, aad, sealed, out);
    else if (sealed.len > AEAD_TAG_LEN)
        secure_wipe(out, sealed.len - AEAD_TAG_LEN);
    hpke_wipe(&c);
    return status;
}
