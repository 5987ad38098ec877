#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "crypto/hmac.h"
#include "server/keeper_internal.h"

static size_t no(uint8_t *out, const char *sentence) {
    size_t len = strlen(sentence);
    out[0] = 0;
    memcpy(out + 1, sentence, len);
    return 1 + len;
}

static size_t answer_mac(const struct keeper_store *store, struct reader *r, uint8_t *out) {
    uint8_t index = rd_u8(r);
    if (!reader_ok(r) || index >= store->keys_count)
        return no(out, "no such API key");
    out[0] = 1;
    hmac_once(HMAC_SHA256, span_str(store->keys[index].secret), rd_rest(r), out + 1);
    return 1 + HMAC_SHA256_LEN;
}

static size_t answer_tag(const struct keeper_store *store, struct reader *r, uint8_t *out) {
    struct span hash = rd_rest(r);
    if (hash.len != 16)
        return no(out, "not the hash of an id");
    out[0] = 1;
    group_id_tag(&crypto_openssl, secret_span(&store->server), hash.data, out + 1);
    return 1 + 8;
}

static size_t answer_seed(const struct keeper_store *store, struct reader *r, uint8_t *out) {
    struct span meeting = rd_rest(r);
    struct secret seed;
    if (meeting.len != 32 ||
        group_external_seed(&crypto_openssl, secret_span(&store->server), meeting, &seed) != CRYPTO_OK)
        return no(out, "not a meeting");
    out[0] = 1;
    memcpy(out + 1, seed.bytes, 32);
    secret_wipe(&seed);
    return 1 + 32;
}

static EVP_PKEY *tls_key(const struct keeper_store *store, uint32_t number) {
    uint32_t age = store->tls_next - number;
    return age >= 1 && age <= KEEPER_TLS_KEYS_MAX ? store->tls[number % KEEPER_TLS_KEYS_MAX] : NULL;
}

static size_t sign_digest(EVP_PKEY *key, struct span digest, uint8_t *out) {
    size_t len = KEEPER_ANSWER_LEN_MAX - 1;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    bool good = context != NULL && EVP_PKEY_sign_init(context) == 1 &&
                EVP_PKEY_sign(context, out, &len, digest.data, digest.len) == 1;
    EVP_PKEY_CTX_free(context);
    return good ? len : 0;
}

static size_t sign_block(EVP_PKEY *key, struct span block, uint8_t *out) {
    size_t len = KEEPER_ANSWER_LEN_MAX - 1;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    bool good = context != NULL && EVP_PKEY_sign_init(context) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) == 1 &&
                EVP_PKEY_sign(context, out, &len, block.data, block.len) == 1;
    EVP_PKEY_CTX_free(context);
    return good ? len : 0;
}

static size_t answer_sign(const struct keeper_store *store, struct reader *r, bool rsa, uint8_t *out) {
    uint32_t number = rd_u32(r);
    struct span text = rd_rest(r);
    EVP_PKEY *key = reader_ok(r) ? tls_key(store, number) : NULL;
    if (key == NULL || EVP_PKEY_get_base_id(key) != (rsa ? EVP_PKEY_RSA : EVP_PKEY_EC))
        return no(out, "no such key");
    bool fits = rsa ? text.len == (size_t)EVP_PKEY_get_size(key) : text.len > 0 && text.len <= KEEPER_DIGEST_LEN_MAX;
    size_t len = !fits ? 0 : rsa ? sign_block(key, text, out + 1) : sign_digest(key, text, out + 1);
    ERR_clear_error();
    if (len == 0)
        return no(out, "this cannot be signed");
    out[0] = 1;
    return 1 + len;
}

size_t keeper_answer(struct keeper_store *store, struct span question, uint8_t *out) {
    struct reader r = reader_of_span(question);
    switch (rd_u8(&r)) { /* 0 when there is nothing */
    case KEEPER_MAC:
        return answer_mac(store, &r, out);
    case KEEPER_TAG:
        return answer_tag(store, &r, out);
    case KEEPER_SEED:
        return answer_seed(store, &r, out);
    case KEEPER_SIGN_EC:
        return answer_sign(store, &r, false, out);
    case KEEPER_SIGN_RSA:
        return answer_sign(store, &r, true, out);
    default:
        return no(out, "nobody knows this question");
    }
}

uint32_t keeper_add_tls(struct keeper_store *store, EVP_PKEY *key) {
    EVP_PKEY *newest = tls_key(store, store->tls_next - 1);
    if (newest != NULL && EVP_PKEY_eq(newest, key) == 1) {
        EVP_PKEY_free(key);
        return store->tls_next - 1;
    }
    uint32_t number = store->tls_next++;
    EVP_PKEY **place = &store->tls[number % KEEPER_TLS_KEYS_MAX];
    EVP_PKEY_free(*place);
    *place = key;
    return number;
}

void keeper_wipe(struct keeper_store *store) {
    for (size_t i = 0; i < KEEPER_TLS_KEYS_MAX; i++)
        EVP_PKEY_free(store->tls[i]);
    secure_wipe(store, sizeof *store);
}
