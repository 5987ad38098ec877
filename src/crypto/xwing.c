#include "crypto/xwing.h"

#include <string.h>

#include "base/assert.h"
#include "crypto/keccak.h"
#include "crypto/mlkem.h"

#define X_LEN 32

_Static_assert(XWING_PUBLIC_LEN == MLKEM768_EK_LEN + X_LEN, "section 5.2");
_Static_assert(XWING_CT_LEN == MLKEM768_CT_LEN + X_LEN, "section 5.4");

struct expanded {
    struct secret x_private;
    uint8_t x_public[X_LEN];
    uint8_t ek[MLKEM768_EK_LEN];
    uint8_t dk[MLKEM768_DK_LEN];
};

/* expandDecapsulationKey (section 5.2). */
static enum crypto_status expand(const struct crypto_backend *crypto, struct span seed, struct expanded *out) {
    ASSERT(seed.len == XWING_SEED_LEN);
    uint8_t seeds[MLKEM768_SEED_LEN + X_LEN];
    keccak_once(KECCAK_SHAKE256, &seed, 1, seeds, sizeof seeds);
    mlkem768_keygen(seeds, out->ek, out->dk);
    secret_set(&out->x_private, span_of(seeds + MLKEM768_SEED_LEN, X_LEN));
    secure_wipe(seeds, sizeof seeds);
    return crypto->dh_public(DH_X25519, &out->x_private, out->x_public);
}

/* Combiner (section 5.3); its label is \.//^\ in ASCII. */
static void combine(const uint8_t ss_m[MLKEM768_SS_LEN], const struct secret *ss_x, const uint8_t ct_x[X_LEN],
                    const uint8_t pk_x[X_LEN], struct secret *shared) {
    static const uint8_t label[] = {0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c};
    struct span parts[] = {span_of(ss_m, MLKEM768_SS_LEN), secret_span(ss_x), span_of(ct_x, X_LEN),
                           span_of(pk_x, X_LEN), span_of(label, sizeof label)};
    keccak_once(KECCAK_SHA3_256, parts, ARRAY_LEN(parts), shared->bytes, XWING_SS_LEN);
    shared->len = XWING_SS_LEN;
}

enum crypto_status xwing_public(const struct crypto_backend *crypto, struct span seed, uint8_t *public_key) {
    struct expanded key;
    enum crypto_status status = expand(crypto, seed, &key);
    if (status == CRYPTO_OK) {
        memcpy(public_key, key.ek, MLKEM768_EK_LEN);
        memcpy(public_key + MLKEM768_EK_LEN, key.x_public, X_LEN);
    }
    secure_wipe(&key, sizeof key);
    return status;
}

enum crypto_status xwing_public_good(const struct crypto_backend *crypto, struct span public_key) {
    ASSERT(public_key.len == XWING_PUBLIC_LEN);
    if (!mlkem768_ek_valid(public_key.data))
        return CRYPTO_INVALID;
    return crypto->dh_check(DH_X25519, span_of(public_key.data + MLKEM768_EK_LEN, X_LEN));
}

enum crypto_status xwing_encap(const struct crypto_backend *crypto, struct span public_key, struct span eseed,
                               struct secret *shared, uint8_t *ct) {
    ASSERT(public_key.len == XWING_PUBLIC_LEN && eseed.len == XWING_ESEED_LEN);
    const uint8_t *pk_x = public_key.data + MLKEM768_EK_LEN;
    uint8_t *ct_x = ct + MLKEM768_CT_LEN, ss_m[MLKEM768_SS_LEN];
    struct secret ephemeral, ss_x = {0};
    secret_set(&ephemeral, span_of(eseed.data + MLKEM768_M_LEN, X_LEN));
    enum crypto_status status = crypto->dh_public(DH_X25519, &ephemeral, ct_x);
    if (status == CRYPTO_OK)
        status = crypto->dh(DH_X25519, &ephemeral, span_of(pk_x, X_LEN), &ss_x);
    if (status == CRYPTO_OK && !mlkem768_encaps(public_key.data, eseed.data, ct, ss_m))
        status = CRYPTO_INVALID;
    if (status == CRYPTO_OK)
        combine(ss_m, &ss_x, ct_x, pk_x, shared);
    else
        secret_wipe(shared);
    secret_wipe(&ephemeral);
    secret_wipe(&ss_x);
    secure_wipe(ss_m, sizeof ss_m);
    return status;
}

enum crypto_status xwing_decap(const struct crypto_backend *crypto, struct span seed, struct span ct,
                               struct secret *shared) {
    ASSERT(ct.len == XWING_CT_LEN);
    const uint8_t *ct_x = ct.data + MLKEM768_CT_LEN;
    struct expanded key;
    struct secret ss_x = {0};
    uint8_t ss_m[MLKEM768_SS_LEN];
    enum crypto_status status = expand(crypto, seed, &key);
    if (status == CRYPTO_OK)
        status = crypto->dh(DH_X25519, &key.x_private, span_of(ct_x, X_LEN), &ss_x);
    if (status == CRYPTO_OK) {
        bool own = mlkem768_decaps(key.dk, ct.data, ss_m);
        ASSERT(own); /* the key was made a moment ago */
        combine(ss_m, &ss_x, ct_x, key.x_public, shared);
    } else {
        secret_wipe(shared);
    }
    secure_wipe(&key, sizeof key);
    secret_wipe(&ss_x);
    secure_wipe(ss_m, sizeof ss_m);
    return status;
}
