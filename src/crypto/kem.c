#include "crypto/kem.h"

#include "base/assert.h"
#include "crypto/backend_internal.h"
#include "crypto/keccak.h"
#include "crypto/labeled.h"
#include "crypto/xwing.h"

#define SUITE_ID_LEN 5
#define CANDIDATES_MAX 256 /* RFC 9180 section 7.1.3: a counter of one byte */

/* RFC 9180 section 7.1, table 2. */
struct dhkem {
    enum kem kem;
    enum dh_group group;
    enum hash_algorithm hash;
};

static const struct dhkem dhkems[] = {
    {KEM_DHKEM_P256_SHA256, DH_P256, HASH_SHA256}, {KEM_DHKEM_P384_SHA384, DH_P384, HASH_SHA384},
    {KEM_DHKEM_P521_SHA512, DH_P521, HASH_SHA512}, {KEM_DHKEM_X25519_SHA256, DH_X25519, HASH_SHA256},
    {KEM_DHKEM_X448_SHA512, DH_X448, HASH_SHA512},
};

static const struct dhkem *dhkem_of(enum kem kem) {
    for (size_t i = 0; i < ARRAY_LEN(dhkems); i++) {
        if (dhkems[i].kem == kem)
            return &dhkems[i];
    }
    return NULL;
}

static const struct dhkem *dhkem_known(enum kem kem) {
    const struct dhkem *dhkem = dhkem_of(kem);
    ASSERT(dhkem != NULL);
    return dhkem;
}

bool kem_supported(const struct crypto_backend *crypto, enum kem kem) {
    const struct dhkem *dhkem = dhkem_of(kem);
    return kem == KEM_XWING ? crypto->has_dh(DH_X25519) : dhkem != NULL && crypto->has_dh(dhkem->group);
}

size_t kem_public_len(enum kem kem) {
    return kem == KEM_XWING ? XWING_PUBLIC_LEN : dh_public_len(dhkem_known(kem)->group);
}

size_t kem_private_len(enum kem kem) {
    return kem == KEM_XWING ? XWING_SEED_LEN : dh_private_len(dhkem_known(kem)->group);
}

size_t kem_enc_len(enum kem kem) {
    return kem == KEM_XWING ? XWING_CT_LEN : dh_public_len(dhkem_known(kem)->group);
}

size_t kem_shared_len(enum kem kem) {
    return kem == KEM_XWING ? XWING_SS_LEN : hash_len(dhkem_known(kem)->hash);
}

/* What encapsulation draws. */
static size_t randomness_len(enum kem kem) {
    return kem == KEM_XWING ? XWING_ESEED_LEN : dh_private_len(dhkem_known(kem)->group);
}

/* "KEM" and the identifier (section 4.1). */
static struct span suite_id_of(enum kem kem, uint8_t out[SUITE_ID_LEN]) {
    struct writer w = writer_of(out, SUITE_ID_LEN);
    wr_str(&w, "KEM");
    wr_u16(&w, (uint16_t)kem);
    return writer_span(&w);
}

/* ---- DHKEM -------------------------------------------------------------------------------------------------- */

static enum crypto_status dhkem_candidate(const struct crypto_backend *crypto, const struct dhkem *dhkem,
                                          struct span suite_id, const struct secret *prk, struct secret *private_key) {
    enum nist_curve curve;
    size_t len = dh_private_len(dhkem->group);
    private_key->len = (uint8_t)len;
    if (!dh_is_nist(dhkem->group, &curve))
        return labeled_expand(crypto, dhkem->hash, suite_id, prk, "sk", NULL, 0, private_key->bytes, len);
    for (unsigned i = 0; i < CANDIDATES_MAX; i++) {
        uint8_t counter = (uint8_t)i;
        struct span info = span_of(&counter, 1);
        enum crypto_status status =
            labeled_expand(crypto, dhkem->hash, suite_id, prk, "candidate", &info, 1, private_key->bytes, len);
        if (status != CRYPTO_OK)
            return status;
        nist_scalar_mask(curve, private_key->bytes);
        if (nist_scalar_valid(curve, private_key->bytes))
            return CRYPTO_OK;
    }
    return CRYPTO_INVALID;
}

static enum crypto_status dhkem_derive(const struct crypto_backend *crypto, const struct dhkem *dhkem, struct span ikm,
                                       struct secret *private_key, uint8_t *public_key) {
    uint8_t id[SUITE_ID_LEN];
    struct span suite_id = suite_id_of(dhkem->kem, id);
    struct secret prk;
    enum crypto_status status = labeled_extract(crypto, dhkem->hash, suite_id, span_of(NULL, 0), "dkp_prk", ikm, &prk);
    if (status == CRYPTO_OK)
        status = dhkem_candidate(crypto, dhkem, suite_id, &prk, private_key);
    if (status == CRYPTO_OK)
        status = crypto->dh_public(dhkem->group, private_key, public_key);
    secret_wipe(&prk);
    if (status != CRYPTO_OK)
        secret_wipe(private_key);
    return status;
}

/* ExtractAndExpand (section 4.1) over Diffie-Hellman of the two keys; the context is enc || pkRm. */
static enum crypto_status dhkem_shared(const struct crypto_backend *crypto, const struct dhkem *dhkem,
                                       const struct secret *private_key, struct span peer, struct span enc,
                                       struct span receiver, struct secret *shared) {
    uint8_t id[SUITE_ID_LEN];
    struct span suite_id = suite_id_of(dhkem->kem, id), context[] = {enc, receiver};
    struct secret dh, prk = {0};
    enum crypto_status status = crypto->dh(dhkem->group, private_key, peer, &dh);
    if (status == CRYPTO_OK)
        status = labeled_extract(crypto, dhkem->hash, suite_id, span_of(NULL, 0), "eae_prk", secret_span(&dh), &prk);
    if (status == CRYPTO_OK) {
        shared->len = (uint8_t)hash_len(dhkem->hash);
        status = labeled_expand(crypto, dhkem->hash, suite_id, &prk, "shared_secret", context, ARRAY_LEN(context),
                                shared->bytes, shared->len);
    }
    secret_wipe(&dh);
    secret_wipe(&prk);
    if (status != CRYPTO_OK)
        secret_wipe(shared);
    return status;
}

static enum crypto_status dhkem_encap(const struct crypto_backend *crypto, const struct dhkem *dhkem,
                                      struct span public_key, struct span ikm, struct secret *shared, uint8_t *enc) {
    struct secret ephemeral;
    enum crypto_status status = dhkem_derive(crypto, dhkem, ikm, &ephemeral, enc);
    if (status == CRYPTO_OK) {
        struct span enc_span = span_of(enc, dh_public_len(dhkem->group));
        status = dhkem_shared(crypto, dhkem, &ephemeral, public_key, enc_span, public_key, shared);
    } else {
        secret_wipe(shared);
    }
    secret_wipe(&ephemeral);
    return status;
}

static enum crypto_status dhkem_decap(const struct crypto_backend *crypto, const struct dhkem *dhkem,
                                      const struct secret *private_key, struct span public_key, struct span enc,
                                      struct secret *shared) {
    uint8_t computed[DH_PUBLIC_LEN_MAX];
    enum crypto_status status = CRYPTO_OK;
    if (public_key.len == 0) {
        status = crypto->dh_public(dhkem->group, private_key, computed);
        public_key = span_of(computed, dh_public_len(dhkem->group));
    }
    if (status == CRYPTO_OK)
        return dhkem_shared(crypto, dhkem, private_key, enc, enc, public_key, shared);
    secret_wipe(shared);
    return status;
}

/* ---- X-Wing in HPKE (draft-ietf-hpke-pq, hybrid KEMs) --------------------------------------------------------- */

/* The seed is SHAKE256's LabeledDerive of `ikm`: its parts are ikm, "HPKE-v1", suite_id, the label behind its length,
 * the output's length, and an empty context. */
static enum crypto_status xwing_derive(const struct crypto_backend *crypto, struct span ikm, struct secret *private_key,
                                       uint8_t *public_key) {
    static const char label[] = "DeriveKeyPair";
    uint8_t id[SUITE_ID_LEN], label_len[2] = {0, sizeof label - 1}, out_len[2] = {0, XWING_SEED_LEN};
    struct span parts[] = {ikm,
                           span_str("HPKE-v1"),
                           suite_id_of(KEM_XWING, id),
                           span_of(label_len, sizeof label_len),
                           span_str(label),
                           span_of(out_len, sizeof out_len)};
    struct secret seed = {.len = XWING_SEED_LEN};
    keccak_once(KECCAK_SHAKE256, parts, ARRAY_LEN(parts), seed.bytes, seed.len);
    enum crypto_status status = xwing_public(crypto, secret_span(&seed), public_key);
    if (status == CRYPTO_OK)
        *private_key = seed;
    else
        secret_wipe(private_key);
    secret_wipe(&seed);
    return status;
}

/* ---- by name ------------------------------------------------------------------------------------------------ */

enum crypto_status kem_derive_key_pair(const struct crypto_backend *crypto, enum kem kem, struct span ikm,
                                       struct secret *private_key, uint8_t *public_key) {
    ASSERT(crypto != NULL && private_key != NULL && public_key != NULL);
    if (kem == KEM_XWING)
        return xwing_derive(crypto, ikm, private_key, public_key);
    return dhkem_derive(crypto, dhkem_known(kem), ikm, private_key, public_key);
}

enum crypto_status kem_generate(const struct crypto_backend *crypto, enum kem kem, struct rng *rng,
                                struct secret *private_key, uint8_t *public_key) {
    ASSERT(rng != NULL);
    struct secret ikm = {.len = (uint8_t)kem_private_len(kem)};
    rng_fill(rng, ikm.bytes, ikm.len);
    enum crypto_status status = kem_derive_key_pair(crypto, kem, secret_span(&ikm), private_key, public_key);
    secret_wipe(&ikm);
    return status;
}

enum crypto_status kem_public(const struct crypto_backend *crypto, enum kem kem, const struct secret *private_key,
                              uint8_t *public_key) {
    ASSERT(crypto != NULL && private_key != NULL && public_key != NULL);
    if (private_key->len != kem_private_len(kem))
        return CRYPTO_INVALID;
    if (kem == KEM_XWING)
        return xwing_public(crypto, secret_span(private_key), public_key);
    return crypto->dh_public(dhkem_known(kem)->group, private_key, public_key);
}

enum crypto_status kem_public_good(const struct crypto_backend *crypto, enum kem kem, struct span public_key) {
    ASSERT(crypto != NULL);
    if (public_key.len != kem_public_len(kem))
        return CRYPTO_INVALID;
    if (kem == KEM_XWING)
        return xwing_public_good(crypto, public_key);
    return crypto->dh_check(dhkem_known(kem)->group, public_key);
}

enum crypto_status kem_encap(const struct crypto_backend *crypto, enum kem kem, struct span public_key, struct rng *rng,
                             struct secret *shared, uint8_t *enc) {
    ASSERT(rng != NULL);
    struct secret randomness = {.len = (uint8_t)randomness_len(kem)};
    rng_fill(rng, randomness.bytes, randomness.len);
    enum crypto_status status = kem_encap_derand(crypto, kem, public_key, secret_span(&randomness), shared, enc);
    secret_wipe(&randomness);
    return status;
}

enum crypto_status kem_decap(const struct crypto_backend *crypto, enum kem kem, const struct secret *private_key,
                             struct span public_key, struct span enc, struct secret *shared) {
    ASSERT(crypto != NULL && private_key != NULL && shared != NULL);
    ASSERT(public_key.len == 0 || public_key.len == kem_public_len(kem));
    if (enc.len != kem_enc_len(kem) || private_key->len != kem_private_len(kem)) {
        secret_wipe(shared);
        return CRYPTO_INVALID;
    }
    if (kem == KEM_XWING)
        return xwing_decap(crypto, secret_span(private_key), enc, shared);
    return dhkem_decap(crypto, dhkem_known(kem), private_key, public_key, enc, shared);
}

enum crypto_status kem_encap_derand(const struct crypto_backend *crypto, enum kem kem, struct span public_key,
                                    struct span randomness, struct secret *shared, uint8_t *enc) {
    ASSERT(crypto != NULL && shared != NULL && enc != NULL);
    if (public_key.len != kem_public_len(kem)) {
        secret_wipe(shared);
        return CRYPTO_INVALID;
    }
    if (kem == KEM_XWING)
        return xwing_encap(crypto, public_key, randomness, shared, enc);
    return dhkem_encap(crypto, dhkem_known(kem), public_key, randomness, shared, enc);
}
