/* The host's functions (crypto/host.h) over OpenSSL's table, in place of the JavaScript that a browser has. */
#define OPENSSL_API_COMPAT 10100
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/host.h"
#include "tested.h"

const struct crypto_backend *const tested = &crypto_host;

uint32_t host_aead_seal(uint32_t aead, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                        const uint8_t *text, size_t text_len, uint8_t *out) {
    return crypto_openssl.aead_seal(aead, span_of(key, aead_key_len(aead)), nonce, span_of(aad, aad_len),
                                    span_of(text, text_len), out);
}

uint32_t host_aead_open(uint32_t aead, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                        const uint8_t *sealed, size_t sealed_len, uint8_t *out) {
    uint32_t status = crypto_openssl.aead_open(aead, span_of(key, aead_key_len(aead)), nonce, span_of(aad, aad_len),
                                               span_of(sealed, sealed_len), out);
    if (status != CRYPTO_OK && sealed_len > AEAD_TAG_LEN)
        memset(out, 0xee, sealed_len - AEAD_TAG_LEN); /* the table has to wipe it */
    return status;
}

static struct secret key_of(const uint8_t *bytes, size_t len) {
    struct secret key;
    secret_set(&key, span_of(bytes, len));
    return key;
}

uint32_t host_dh_public(uint32_t group, const uint8_t *private_key, uint8_t *public_key) {
    ASSERT(group != DH_X25519);
    struct secret key = key_of(private_key, dh_private_len(group));
    return crypto_openssl.dh_public(group, &key, public_key);
}

uint32_t host_dh_check(uint32_t group, const uint8_t *public_key) {
    ASSERT(group != DH_X25519 && group != DH_X448);
    return crypto_openssl.dh_check(group, span_of(public_key, dh_public_len(group)));
}

uint32_t host_dh(uint32_t group, const uint8_t *private_key, const uint8_t *public_key, uint8_t *shared) {
    ASSERT(group != DH_X25519);
    struct secret key = key_of(private_key, dh_private_len(group)), out;
    uint32_t status = crypto_openssl.dh(group, &key, span_of(public_key, dh_public_len(group)), &out);
    if (status == CRYPTO_OK)
        memcpy(shared, out.bytes, out.len);
    return status;
}

uint32_t host_sign_public(uint32_t sign, const uint8_t *private_key, uint8_t *public_key) {
    ASSERT(sign != SIGN_ED25519);
    struct secret key = key_of(private_key, sign_private_len(sign));
    return crypto_openssl.sign_public(sign, &key, public_key);
}

/* ECDSA gets a digest, which the other table does not take. */
static EC_KEY *curve_key(uint32_t sign) {
    EC_KEY *key = EC_KEY_new_by_curve_name(sign == SIGN_P256_SHA256   ? NID_X9_62_prime256v1
                                           : sign == SIGN_P384_SHA384 ? NID_secp384r1
                                                                      : NID_secp521r1);
    ASSERT(key != NULL);
    return key;
}

uint32_t host_sign(uint32_t sign, const uint8_t *private_key, const uint8_t *data, size_t data_len, uint8_t *signature,
                   uint32_t *signature_len) {
    ASSERT(sign != SIGN_ED25519);
    if (sign == SIGN_ED448) {
        struct secret key = key_of(private_key, sign_private_len(sign));
        size_t len = 0;
        uint32_t status = crypto_openssl.sign(sign, &key, span_of(data, data_len), signature, &len);
        *signature_len = (uint32_t)len;
        return status;
    }
    EC_KEY *key = curve_key(sign);
    int ok = EC_KEY_oct2priv(key, private_key, sign_private_len(sign));
    ASSERT(ok == 1);
    ok = ECDSA_sign(0, data, (int)data_len, signature, signature_len, key);
    EC_KEY_free(key);
    return ok == 1 ? CRYPTO_OK : CRYPTO_INVALID;
}

uint32_t host_verify(uint32_t sign, const uint8_t *public_key, const uint8_t *data, size_t data_len,
                     const uint8_t *signature, size_t signature_len) {
    ASSERT(sign != SIGN_ED25519);
    if (sign == SIGN_ED448)
        return crypto_openssl.verify(sign, span_of(public_key, sign_public_len(sign)), span_of(data, data_len),
                                     span_of(signature, signature_len));
    EC_KEY *key = curve_key(sign);
    bool good = EC_KEY_oct2key(key, public_key, sign_public_len(sign), NULL) == 1 &&
                ECDSA_verify(0, data, (int)data_len, signature, (int)signature_len, key) == 1;
    EC_KEY_free(key);
    return good ? CRYPTO_OK : CRYPTO_INVALID;
}

void host_random(uint8_t *out, size_t len) {
    static struct rng rng;
    if (rng.fill == NULL)
        rng = rng_seeded(1);
    rng_fill(&rng, out, len);
}
