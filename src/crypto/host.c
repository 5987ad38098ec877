#include "crypto/host.h"

#include "base/assert.h"
#include "crypto/backend_internal.h"
#include "crypto/curve25519.h"

static enum crypto_status status_of(uint32_t answer) {
    ASSERT(answer <= CRYPTO_UNSUPPORTED);
    return (enum crypto_status)answer;
}

#ifdef CONCLAVE_SMALL
#define ONLY_25519 true /* what the web client's meetings use; the rest is left out of its module */
#else
#define ONLY_25519 false
#endif

static bool every_group(enum dh_group group) {
    ASSERT(group >= DH_X25519 && group <= DH_P521);
    return !ONLY_25519 || group == DH_X25519;
}

static bool every_signature(enum sign_algorithm algorithm) {
    ASSERT(algorithm >= SIGN_ED25519 && algorithm <= SIGN_P521_SHA512);
    return !ONLY_25519 || algorithm == SIGN_ED25519;
}

/* ---- AEAD ------------------------------------------------------------------------------------------------------- */

static enum crypto_status host_seal(enum aead_algorithm algorithm, struct span key, const uint8_t *nonce,
                                    struct span aad, struct span text, uint8_t *out) {
    ASSERT(key.len == aead_key_len(algorithm) && nonce != NULL && out != NULL);
    return status_of(host_aead_seal(algorithm, key.data, nonce, aad.data, aad.len, text.data, text.len, out));
}

static enum crypto_status host_open(enum aead_algorithm algorithm, struct span key, const uint8_t *nonce,
                                    struct span aad, struct span sealed, uint8_t *out) {
    ASSERT(key.len == aead_key_len(algorithm) && nonce != NULL);
    if (sealed.len < AEAD_TAG_LEN)
        return CRYPTO_INVALID;
    ASSERT(out != NULL || sealed.len == AEAD_TAG_LEN);
    enum crypto_status status =
        status_of(host_aead_open(algorithm, key.data, nonce, aad.data, aad.len, sealed.data, sealed.len, out));
    if (status != CRYPTO_OK)
        secure_wipe(out, sealed.len - AEAD_TAG_LEN);
    return status;
}

/* ---- Diffie-Hellman -----------------------------------------------------------------------------------------------
 */

static enum crypto_status dh_public(enum dh_group group, const struct secret *private_key, uint8_t *public_key) {
    ASSERT(private_key != NULL && public_key != NULL);
    if (!dh_private_fits(group, private_key))
        return CRYPTO_INVALID;
    if (group != DH_X25519)
        return status_of(host_dh_public(group, private_key->bytes, public_key));
    x25519_public(private_key->bytes, public_key);
    return CRYPTO_OK;
}

static enum crypto_status dh_check(enum dh_group group, struct span public_key) {
    enum nist_curve curve;
    if (!dh_public_fits(group, public_key))
        return CRYPTO_INVALID;
    if (dh_is_nist(group, &curve))
        return status_of(host_dh_check(group, public_key.data));
    return dh_montgomery_good(group, public_key) ? CRYPTO_OK : CRYPTO_INVALID;
}

static enum crypto_status dh(enum dh_group group, const struct secret *private_key, struct span public_key,
                             struct secret *shared) {
    ASSERT(private_key != NULL && shared != NULL);
    struct secret out;
    enum crypto_status status = CRYPTO_INVALID;
    secret_zeros(&out, dh_private_len(group));
    if (dh_private_fits(group, private_key) && dh_public_fits(group, public_key)) {
        if (group != DH_X25519)
            status = status_of(host_dh(group, private_key->bytes, public_key.data, out.bytes));
        else if (x25519(private_key->bytes, public_key.data, out.bytes))
            status = CRYPTO_OK;
    }
    if (status == CRYPTO_OK)
        *shared = out;
    else
        secret_wipe(shared);
    secret_wipe(&out);
    return status;
}

/* ---- signatures ---------------------------------------------------------------------------------------------------
 */

static enum crypto_status sign_public(enum sign_algorithm algorithm, const struct secret *private_key,
                                      uint8_t *public_key) {
    ASSERT(private_key != NULL && public_key != NULL);
    if (!sign_private_fits(algorithm, private_key))
        return CRYPTO_INVALID;
    if (algorithm != SIGN_ED25519)
        return status_of(host_sign_public(algorithm, private_key->bytes, public_key));
    ed25519_public(private_key->bytes, public_key);
    return CRYPTO_OK;
}

/* What the host is given to sign: the message itself, or its digest for ECDSA. */
static struct span data_to_sign(enum sign_algorithm algorithm, struct span message, uint8_t digest[HASH_LEN_MAX]) {
    enum nist_curve curve;
    if (!sign_is_nist(algorithm, &curve))
        return message;
    backend_hash(nist_sign_hash(curve), &message, 1, digest);
    return span_of(digest, hash_len(nist_sign_hash(curve)));
}

static enum crypto_status sign(enum sign_algorithm algorithm, const struct secret *private_key, struct span message,
                               uint8_t *signature, size_t *signature_len) {
    ASSERT(private_key != NULL && signature != NULL && signature_len != NULL);
    *signature_len = 0;
    if (!sign_private_fits(algorithm, private_key))
        return CRYPTO_INVALID;
    if (algorithm == SIGN_ED25519) {
        ed25519_sign(private_key->bytes, message, signature);
        *signature_len = ED25519_SIGNATURE_LEN;
        return CRYPTO_OK;
    }
    uint8_t digest[HASH_LEN_MAX];
    struct span data = data_to_sign(algorithm, message, digest);
    uint32_t len = 0;
    enum crypto_status status =
        status_of(host_sign(algorithm, private_key->bytes, data.data, data.len, signature, &len));
    if (status != CRYPTO_OK)
        return status;
    ASSERT(len <= SIGN_SIGNATURE_LEN_MAX);
    *signature_len = len;
    return CRYPTO_OK;
}

static enum crypto_status verify(enum sign_algorithm algorithm, struct span public_key, struct span message,
                                 struct span signature) {
    if (!sign_public_good(algorithm, public_key) || !sign_signature_good(algorithm, signature))
        return CRYPTO_INVALID;
    if (algorithm == SIGN_ED25519)
        return ed25519_verify(public_key.data, message, signature.data) ? CRYPTO_OK : CRYPTO_INVALID;
    uint8_t digest[HASH_LEN_MAX];
    struct span data = data_to_sign(algorithm, message, digest);
    return status_of(host_verify(algorithm, public_key.data, data.data, data.len, signature.data, signature.len));
}

static void fill(struct rng *rng, void *out, size_t len) {
    (void)rng;
    host_random(out, len);
}

struct rng rng_host(void) {
    return (struct rng){.fill = fill};
}

const struct crypto_backend crypto_host = {
    .name = "host",
    .has_dh = every_group,
    .has_sign = every_signature,
    .hash = backend_hash,
    .hmac = backend_hmac,
    .aead_seal = host_seal,
    .aead_open = host_open,
    .dh_public = dh_public,
    .dh_check = dh_check,
    .dh = dh,
    .sign_public = sign_public,
    .sign = sign,
    .verify = verify,
};
