/* The low-level EC_KEY and EC_POINT functions instead of EVP: in OpenSSL 3 an EVP key of these curves is made through a
 * list of text parameters, at a third of the cost of the arithmetic itself. They are marked deprecated, hence the
 * compatibility level. */
#define OPENSSL_API_COMPAT 10100
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>

#include "base/assert.h"
#include "crypto/backend_internal.h"
#include "crypto/curve25519.h"

static bool everything(enum dh_group group) {
    ASSERT(group >= DH_X25519 && group <= DH_P521);
    return true;
}

static bool every_signature(enum sign_algorithm algorithm) {
    ASSERT(algorithm >= SIGN_ED25519 && algorithm <= SIGN_P521_SHA512);
    return true;
}

/* What a failed call of OpenSSL means where bad input is the usual reason: its queue of errors tells, which public
 * functions empty before, and each failure leaves empty. */
static enum crypto_status invalid_or_no_memory(void) {
    bool memory = false;
    for (unsigned long error; (error = ERR_get_error()) != 0;)
        memory = memory || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
    return memory ? CRYPTO_NO_MEMORY : CRYPTO_INVALID;
}

static enum crypto_status no_memory(void) {
    ERR_clear_error();
    return CRYPTO_NO_MEMORY;
}

/* ---- AEAD: one message under a key that is used once -------------------------------------------------------- */

static enum crypto_status openssl_aead_seal(enum aead_algorithm algorithm, struct span key, const uint8_t *nonce,
                                            struct span aad, struct span text, uint8_t *out) {
    ASSERT(key.len == aead_key_len(algorithm) && nonce != NULL && out != NULL);
    struct aead_key state;
    if (!aead_key_init(&state, &aead_openssl, algorithm, AEAD_SEAL, key.data))
        return no_memory();
    struct aead_job job = {.key = &state,
                           .nonce = nonce,
                           .aad = aad.data,
                           .aad_len = aad.len,
                           .in = text.data,
                           .len = text.len,
                           .out = out};
    aead_seal(&job, 1);
    aead_key_end(&state);
    return CRYPTO_OK;
}

static enum crypto_status openssl_aead_open(enum aead_algorithm algorithm, struct span key, const uint8_t *nonce,
                                            struct span aad, struct span sealed, uint8_t *out) {
    ASSERT(key.len == aead_key_len(algorithm) && nonce != NULL);
    if (sealed.len < AEAD_TAG_LEN)
        return CRYPTO_INVALID;
    ASSERT(out != NULL || sealed.len == AEAD_TAG_LEN);
    struct aead_key state;
    if (!aead_key_init(&state, &aead_openssl, algorithm, AEAD_OPEN, key.data)) {
        secure_wipe(out, sealed.len - AEAD_TAG_LEN);
        return no_memory();
    }
    struct aead_job job = {.key = &state,
                           .nonce = nonce,
                           .aad = aad.data,
                           .aad_len = aad.len,
                           .in = sealed.data,
                           .len = sealed.len,
                           .out = out};
    bool good = aead_open(&job, 1) == 1;
    aead_key_end(&state);
    if (good)
        return CRYPTO_OK;
    secure_wipe(out, sealed.len - AEAD_TAG_LEN);
    ERR_clear_error();
    return CRYPTO_INVALID;
}

/* ---- X25519 and X448 ---------------------------------------------------------------------------------------- */

static int raw_type(enum dh_group group) {
    return group == DH_X25519 ? EVP_PKEY_X25519 : EVP_PKEY_X448;
}

static enum crypto_status raw_public(int type, const struct secret *private_key, uint8_t *public_key, size_t len) {
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(type, NULL, private_key->bytes, private_key->len);
    if (key == NULL)
        return no_memory(); /* every string of the right length is a key */
    bool ok = EVP_PKEY_get_raw_public_key(key, public_key, &len) == 1;
    EVP_PKEY_free(key);
    return ok ? CRYPTO_OK : no_memory();
}

/* A key pair for derivation only: zeros stand where its public key belongs. Derivation does not look at them, and
 * OpenSSL, given a private key alone, would compute the public one first, which costs as much as the derivation. */
static EVP_PKEY *raw_pair_without_public(int type, const struct secret *private_key) {
    uint8_t zeros[56] = {0};
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, (void *)(uintptr_t)private_key->bytes,
                                          private_key->len),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, zeros, private_key->len),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(type, NULL);
    EVP_PKEY *key = NULL;
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static enum crypto_status raw_dh(int type, const struct secret *private_key, struct span public_key,
                                 struct secret *shared) {
    EVP_PKEY *own = raw_pair_without_public(type, private_key);
    EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(type, NULL, public_key.data, public_key.len);
    EVP_PKEY_CTX *ctx = own == NULL ? NULL : EVP_PKEY_CTX_new(own, NULL);
    enum crypto_status status = CRYPTO_NO_MEMORY;
    size_t len = private_key->len; /* of keys and shared secrets alike */
    uint8_t out[56];
    if (peer != NULL && ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
        EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) == 1) {
        /* fails for an output of zeros, and for nothing else (RFC 7748 section 6) */
        status = EVP_PKEY_derive(ctx, out, &len) == 1 ? CRYPTO_OK : CRYPTO_INVALID;
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer);
    EVP_PKEY_free(own);
    if (status == CRYPTO_OK)
        secret_set(shared, span_of(out, len));
    else
        ERR_clear_error();
    secure_wipe(out, sizeof out);
    return status;
}

/* ---- NIST curves -------------------------------------------------------------------------------------------- */

static int nist_nid(enum nist_curve curve) {
    return curve == NIST_P256 ? NID_X9_62_prime256v1 : curve == NIST_P384 ? NID_secp384r1 : NID_secp521r1;
}

/* Arithmetic on one curve: all that a function below needs, made and freed together. */
struct ec {
    EC_KEY *key; /* owns the group */
    const EC_GROUP *group;
    BN_CTX *bn;
    EC_POINT *point;
    EC_POINT *result;
    BIGNUM *scalar;
};

static void ec_end(struct ec *ec) {
    BN_clear_free(ec->scalar);
    EC_POINT_clear_free(ec->result);
    EC_POINT_free(ec->point);
    BN_CTX_free(ec->bn);
    EC_KEY_free(ec->key);
}

static bool ec_start(struct ec *ec, enum nist_curve curve) {
    *ec = (struct ec){.key = EC_KEY_new_by_curve_name(nist_nid(curve)), .bn = BN_CTX_secure_new()};
    ec->group = ec->key == NULL ? NULL : EC_KEY_get0_group(ec->key);
    if (ec->group != NULL && ec->bn != NULL) {
        ec->point = EC_POINT_new(ec->group);
        ec->result = EC_POINT_new(ec->group);
        ec->scalar = BN_secure_new();
    }
    if (ec->point != NULL && ec->result != NULL && ec->scalar != NULL)
        return true;
    ec_end(ec);
    return false;
}

static enum crypto_status ec_read_point(struct ec *ec, struct span public_key) {
    if (EC_POINT_oct2point(ec->group, ec->point, public_key.data, public_key.len, ec->bn) != 1)
        return invalid_or_no_memory();
    return CRYPTO_OK;
}

static bool ec_read_scalar(struct ec *ec, const struct secret *private_key) {
    if (BN_bin2bn(private_key->bytes, private_key->len, ec->scalar) == NULL)
        return false;
    BN_set_flags(ec->scalar, BN_FLG_CONSTTIME);
    return true;
}

static enum crypto_status ec_public(enum nist_curve curve, const struct secret *private_key, uint8_t *public_key) {
    struct ec ec;
    size_t len = 1 + 2 * nist_len(curve);
    if (!ec_start(&ec, curve))
        return no_memory();
    bool ok = ec_read_scalar(&ec, private_key) &&
              EC_POINT_mul(ec.group, ec.result, ec.scalar, NULL, NULL, ec.bn) == 1 &&
              EC_POINT_point2oct(ec.group, ec.result, POINT_CONVERSION_UNCOMPRESSED, public_key, len, ec.bn) == len;
    ec_end(&ec);
    return ok ? CRYPTO_OK : no_memory();
}

static enum crypto_status ec_check(enum nist_curve curve, struct span public_key) {
    struct ec ec;
    if (!ec_start(&ec, curve))
        return no_memory();
    enum crypto_status status = ec_read_point(&ec, public_key);
    ec_end(&ec);
    return status;
}

static enum crypto_status ec_dh(enum nist_curve curve, const struct secret *private_key, struct span public_key,
                                struct secret *shared) {
    struct ec ec;
    if (!ec_start(&ec, curve))
        return no_memory();
    enum crypto_status status = ec_read_point(&ec, public_key);
    if (status == CRYPTO_OK) {
        int len = (int)nist_len(curve);
        BIGNUM *x = BN_secure_new();
        bool ok = x != NULL && ec_read_scalar(&ec, private_key) &&
                  EC_POINT_mul(ec.group, ec.result, NULL, ec.point, ec.scalar, ec.bn) == 1 &&
                  EC_POINT_get_affine_coordinates(ec.group, ec.result, x, NULL, ec.bn) == 1;
        secret_zeros(shared, (size_t)len);
        if (!ok || BN_bn2binpad(x, shared->bytes, len) != len)
            status = no_memory();
        BN_clear_free(x);
    }
    ec_end(&ec);
    return status;
}

static enum crypto_status ec_sign(enum nist_curve curve, const struct secret *private_key, struct span message,
                                  uint8_t *signature, size_t *signature_len) {
    struct ec ec;
    if (!ec_start(&ec, curve))
        return no_memory();
    enum hash_algorithm hash = nist_sign_hash(curve);
    uint8_t digest[HASH_LEN_MAX];
    backend_hash(hash, &message, 1, digest);
    unsigned len = 0;
    bool ok = ec_read_scalar(&ec, private_key) && EC_KEY_set_private_key(ec.key, ec.scalar) == 1 &&
              ECDSA_sign(0, digest, (int)hash_len(hash), signature, &len, ec.key) == 1 &&
              len <= SIGN_SIGNATURE_LEN_MAX; /* it answers 1 and -1 bytes when memory is short at its very end */
    ec_end(&ec);
    if (!ok)
        return no_memory();
    *signature_len = len;
    return CRYPTO_OK;
}

static enum crypto_status ec_verify(enum nist_curve curve, struct span public_key, struct span message,
                                    struct span signature) {
    struct ec ec;
    if (!ec_start(&ec, curve))
        return no_memory();
    enum hash_algorithm hash = nist_sign_hash(curve);
    uint8_t digest[HASH_LEN_MAX];
    backend_hash(hash, &message, 1, digest);
    enum crypto_status status = ec_read_point(&ec, public_key);
    if (status == CRYPTO_OK) {
        /* 1 and 0 are about the signature. -1 is short memory, for its form has been looked at, or a sum of points that
         * is at infinity, which has no x-coordinate. */
        int good = -1;
        if (EC_KEY_set_public_key(ec.key, ec.point) == 1)
            good = ECDSA_verify(0, digest, (int)hash_len(hash), signature.data, (int)signature.len, ec.key);
        if (good < 0 && ERR_GET_REASON(ERR_peek_error()) == EC_R_POINT_AT_INFINITY)
            good = 0;
        status = good == 1 ? CRYPTO_OK : good == 0 ? CRYPTO_INVALID : CRYPTO_NO_MEMORY;
        ERR_clear_error();
    }
    ec_end(&ec);
    return status;
}

/* ---- Diffie-Hellman ----------------------------------------------------------------------------------------- */

static enum crypto_status openssl_dh_public(enum dh_group group, const struct secret *private_key,
                                            uint8_t *public_key) {
    ASSERT(private_key != NULL && public_key != NULL);
    enum nist_curve curve;
    if (!dh_private_fits(group, private_key))
        return CRYPTO_INVALID;
    if (dh_is_nist(group, &curve))
        return ec_public(curve, private_key, public_key);
    return raw_public(raw_type(group), private_key, public_key, dh_public_len(group));
}

static enum crypto_status openssl_dh_check(enum dh_group group, struct span public_key) {
    enum nist_curve curve;
    if (!dh_public_fits(group, public_key))
        return CRYPTO_INVALID;
    ERR_clear_error();
    if (dh_is_nist(group, &curve))
        return ec_check(curve, public_key);
    return dh_montgomery_good(group, public_key) ? CRYPTO_OK : CRYPTO_INVALID;
}

static enum crypto_status openssl_dh(enum dh_group group, const struct secret *private_key, struct span public_key,
                                     struct secret *shared) {
    ASSERT(private_key != NULL && shared != NULL);
    enum nist_curve curve;
    enum crypto_status status = CRYPTO_INVALID;
    ERR_clear_error();
    if (dh_private_fits(group, private_key) && dh_public_fits(group, public_key)) {
        if (dh_is_nist(group, &curve))
            status = ec_dh(curve, private_key, public_key, shared);
        else
            status = raw_dh(raw_type(group), private_key, public_key, shared);
    }
    if (status != CRYPTO_OK)
        secret_wipe(shared);
    return status;
}

/* ---- signatures --------------------------------------------------------------------------------------------- */

static int edwards_type(enum sign_algorithm algorithm) {
    return algorithm == SIGN_ED25519 ? EVP_PKEY_ED25519 : EVP_PKEY_ED448;
}

static size_t edwards_signature_len(enum sign_algorithm algorithm) {
    return algorithm == SIGN_ED25519 ? 64 : 114;
}

static enum crypto_status edwards_sign(enum sign_algorithm algorithm, const struct secret *private_key,
                                       struct span message, uint8_t *signature, size_t *signature_len) {
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(edwards_type(algorithm), NULL, private_key->bytes, private_key->len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = edwards_signature_len(algorithm);
    bool ok = key != NULL && ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestSign(ctx, signature, &len, message.data, message.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    if (!ok)
        return no_memory();
    *signature_len = len;
    return CRYPTO_OK;
}

static enum crypto_status edwards_verify(enum sign_algorithm algorithm, struct span public_key, struct span message,
                                         struct span signature) {
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(edwards_type(algorithm), NULL, public_key.data, public_key.len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    enum crypto_status status = CRYPTO_OK;
    if (key == NULL || ctx == NULL || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) != 1)
        status = no_memory();
    else if (EVP_DigestVerify(ctx, signature.data, signature.len, message.data, message.len) != 1)
        status = invalid_or_no_memory();
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    /* OpenSSL allocates inside of this verification and does not tell a failure of that from a bad signature; here the
     * two are told apart by a verification that does not allocate. Ed448 has none: memory that is short is a refusal.
     */
    if (status == CRYPTO_INVALID && algorithm == SIGN_ED25519 &&
        ed25519_verify(public_key.data, message, signature.data))
        status = CRYPTO_NO_MEMORY;
    return status;
}

static enum crypto_status openssl_sign_public(enum sign_algorithm algorithm, const struct secret *private_key,
                                              uint8_t *public_key) {
    ASSERT(private_key != NULL && public_key != NULL);
    enum nist_curve curve;
    if (!sign_private_fits(algorithm, private_key))
        return CRYPTO_INVALID;
    if (sign_is_nist(algorithm, &curve))
        return ec_public(curve, private_key, public_key);
    return raw_public(edwards_type(algorithm), private_key, public_key, sign_public_len(algorithm));
}

static enum crypto_status openssl_sign(enum sign_algorithm algorithm, const struct secret *private_key,
                                       struct span message, uint8_t *signature, size_t *signature_len) {
    ASSERT(private_key != NULL && signature != NULL && signature_len != NULL);
    enum nist_curve curve;
    *signature_len = 0;
    if (!sign_private_fits(algorithm, private_key))
        return CRYPTO_INVALID;
    if (sign_is_nist(algorithm, &curve))
        return ec_sign(curve, private_key, message, signature, signature_len);
    return edwards_sign(algorithm, private_key, message, signature, signature_len);
}

static enum crypto_status openssl_verify(enum sign_algorithm algorithm, struct span public_key, struct span message,
                                         struct span signature) {
    enum nist_curve curve;
    if (!sign_public_good(algorithm, public_key) || !sign_signature_good(algorithm, signature))
        return CRYPTO_INVALID;
    ERR_clear_error();
    if (sign_is_nist(algorithm, &curve))
        return ec_verify(curve, public_key, message, signature);
    return edwards_verify(algorithm, public_key, message, signature);
}

const struct crypto_backend crypto_openssl = {
    .name = "openssl",
    .has_dh = everything,
    .has_sign = every_signature,
    .hash = backend_hash,
    .hmac = backend_hmac,
    .aead_seal = openssl_aead_seal,
    .aead_open = openssl_aead_open,
    .dh_public = openssl_dh_public,
    .dh_check = openssl_dh_check,
    .dh = openssl_dh,
    .sign_public = openssl_sign_public,
    .sign = openssl_sign,
    .verify = openssl_verify,
};
