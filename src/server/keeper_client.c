#define OPENSSL_SUPPRESS_DEPRECATED /* methods of keys: what OpenSSL 3.0 has for keys elsewhere, short of a provider */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "server/keeper_internal.h"

/* ---- tokens and meetings ---- */

static bool ask_mac(void *context, uint32_t index, struct span text, uint8_t mac[32]) {
    const uint8_t head[2] = {KEEPER_MAC, (uint8_t)index};
    const struct span parts[] = {span_of(head, sizeof head), text};
    size_t len = 0;
    return keeper_ask(context, parts, ARRAY_LEN(parts), mac, 32, &len) && len == 32;
}

struct control_keys keeper_keys(struct keeper *keeper, const struct config *config) {
    struct control_keys keys = {.count = config->keys_count, .mac = ask_mac, .context = keeper};
    for (uint32_t i = 0; i < config->keys_count; i++)
        memcpy(keys.names[i], config->keys[i].key, sizeof keys.names[i]);
    return keys;
}

static bool ask_tag(const struct group_server *server, const uint8_t hash[16], uint8_t out[8]) {
    struct keeper *keeper = server->context;
    /* an id's hash is as good as random, and who chooses one only pushes another out */
    struct keeper_tag *place = &keeper->tags[(hash[0] | (uint32_t)hash[1] << 8) % KEEPER_TAGS_MAX];
    if (!place->known || memcmp(place->hash, hash, sizeof place->hash) != 0) {
        const uint8_t head = KEEPER_TAG;
        const struct span parts[] = {span_of(&head, 1), span_of(hash, 16)};
        size_t len = 0;
        place->known = keeper_ask(keeper, parts, ARRAY_LEN(parts), place->tag, sizeof place->tag, &len) && len == 8;
        memcpy(place->hash, hash, sizeof place->hash);
    }
    if (place->known)
        memcpy(out, place->tag, sizeof place->tag);
    return place->known;
}

static bool ask_seed(const struct group_server *server, struct span meeting, struct secret *out) {
    const uint8_t head = KEEPER_SEED;
    const struct span parts[] = {span_of(&head, 1), meeting};
    size_t len = 0;
    secret_zeros(out, 32);
    if (keeper_ask(server->context, parts, ARRAY_LEN(parts), out->bytes, 32, &len) && len == 32)
        return true;
    secret_wipe(out);
    return false;
}

struct group_server keeper_server(struct keeper *keeper) {
    return (struct group_server){
        .tag = ask_tag, .external_seed = ask_seed, .crypto = &crypto_openssl, .context = keeper};
}

/* ---- the certificate ---- */

bool keeper_certificate(struct keeper *keeper, const char *const *names, size_t names_count,
                        struct keeper_certificate *out, struct config_error *error) {
    uint8_t question[1 + VAULT_NAMES_MAX * 256];
    struct writer w = writer_of(question, sizeof question);
    wr_u8(&w, KEEPER_CERTIFICATE);
    for (size_t i = 0; i < names_count; i++)
        wr_bytes(&w, names[i], strlen(names[i]) + 1);
    ASSERT(writer_ok(&w)); /* our own names: of hosts and addresses */
    struct span asked = writer_span(&w);
    uint8_t *answer = malloc(KEEPER_ANSWER_LEN_MAX);
    size_t len = 0;
    struct keeper_certificate_head head;
    *out = (struct keeper_certificate){0};
    bool good = answer != NULL && keeper_ask(keeper, &asked, 1, answer, KEEPER_ANSWER_LEN_MAX, &len) &&
                len > sizeof head && len - sizeof head <= KEEPER_CHAIN_LEN_MAX;
    if (good) {
        memcpy(&head, answer, sizeof head);
        out->files = head.files;
        out->key_number = head.key_number;
        out->chain_len = len - sizeof head;
        memmove(answer, answer + sizeof head, out->chain_len);
        out->chain = (char *)answer;
        return true;
    }
    (void)snprintf(error->text, sizeof error->text, "%.*s", (int)len,
                   len > 0 ? (const char *)answer : "the process that keeps the keys does not answer");
    if (len == 0)
        (void)snprintf(error->text, sizeof error->text, "the process that keeps the keys does not answer");
    free(answer);
    return false;
}

/* ---- handshakes ---- */

/* What a key knows: whom to ask, for which. */
struct handle {
    struct keeper *keeper;
    uint32_t number;
};

static int ec_place = -1, rsa_place = -1;

static void free_handle(void *parent, void *handle, CRYPTO_EX_DATA *data, int place, long number, void *more) {
    (void)parent, (void)data, (void)place, (void)number, (void)more;
    free(handle);
}

static size_t ask_signature(const struct handle *handle, enum keeper_question what, struct span text, uint8_t *out,
                            size_t max) {
    uint8_t head[5];
    struct writer w = writer_of(head, sizeof head);
    wr_u8(&w, (uint8_t)what);
    wr_u32(&w, handle->number);
    const struct span parts[] = {writer_span(&w), text};
    size_t len = 0;
    return keeper_ask(handle->keeper, parts, ARRAY_LEN(parts), out, max, &len) ? len : 0;
}

static int sign_ec(int type, const unsigned char *digest, int digest_len, unsigned char *out, unsigned *out_len,
                   const BIGNUM *k_inverse, const BIGNUM *r, EC_KEY *key) {
    (void)type, (void)k_inverse, (void)r;
    size_t len = ask_signature(EC_KEY_get_ex_data(key, ec_place), KEEPER_SIGN_EC, span_of(digest, (size_t)digest_len),
                               out, (size_t)ECDSA_size(key));
    *out_len = (unsigned)len;
    return len > 0;
}

/* RSA_PKCS1_PADDING is what RSASSA-PKCS1-v1_5 of TLS 1.2 asks for, RSA_NO_PADDING what PSS has padded already. */
static int sign_rsa(int len, const unsigned char *from, unsigned char *to, RSA *key, int padding) {
    uint8_t block[KEEPER_BLOCK_LEN_MAX];
    int size = RSA_size(key);
    if (size <= 0 || (size_t)size > sizeof block)
        return -1;
    int padded = padding == RSA_PKCS1_PADDING ? RSA_padding_add_PKCS1_type_1(block, size, from, len)
                 : padding == RSA_NO_PADDING  ? RSA_padding_add_none(block, size, from, len)
                                              : 0;
    if (padded != 1)
        return -1;
    size_t got =
        ask_signature(RSA_get_ex_data(key, rsa_place), KEEPER_SIGN_RSA, span_of(block, (size_t)size), to, (size_t)size);
    return got == (size_t)size ? size : -1;
}

/* The key of a web server decrypts nothing: RSA key exchange is off. */
static int decrypt_nothing(int len, const unsigned char *from, unsigned char *to, RSA *key, int padding) {
    (void)len, (void)from, (void)to, (void)key, (void)padding;
    return -1;
}

static const EC_KEY_METHOD *ec_method(void) {
    static EC_KEY_METHOD *method;
    if (method == NULL && (method = EC_KEY_METHOD_new(EC_KEY_OpenSSL())) != NULL) {
        int (*setup)(EC_KEY *, BN_CTX *, BIGNUM **, BIGNUM **);
        EC_KEY_METHOD_get_sign(method, NULL, &setup, NULL);
        EC_KEY_METHOD_set_sign(method, sign_ec, setup, NULL);
        ec_place = EC_KEY_get_ex_new_index(0, NULL, NULL, NULL, free_handle);
    }
    return method;
}

static const RSA_METHOD *rsa_method(void) {
    static RSA_METHOD *method;
    if (method == NULL && (method = RSA_meth_dup(RSA_get_default_method())) != NULL) {
        (void)RSA_meth_set_priv_enc(method, sign_rsa);
        (void)RSA_meth_set_priv_dec(method, decrypt_nothing);
        rsa_place = RSA_get_ex_new_index(0, NULL, NULL, NULL, free_handle);
    }
    return method;
}

EVP_PKEY *keeper_tls_key(struct keeper *keeper, X509 *certificate, uint32_t key_number) {
    EVP_PKEY *public_key = X509_get0_pubkey(certificate), *key = EVP_PKEY_new();
    struct handle *handle = malloc(sizeof *handle);
    EC_KEY *ec = NULL;
    RSA *rsa = NULL;
    bool good = public_key != NULL && key != NULL && handle != NULL;
    if (good && EVP_PKEY_get_base_id(public_key) == EVP_PKEY_EC) {
        ec = EVP_PKEY_get1_EC_KEY(public_key);
        EC_KEY *own = ec != NULL ? EC_KEY_dup(ec) : NULL;
        EC_KEY_free(ec);
        ec = own;
        good = ec != NULL && EC_KEY_set_method(ec, ec_method()) == 1 && EC_KEY_set_ex_data(ec, ec_place, handle) == 1;
    } else if (good && EVP_PKEY_get_base_id(public_key) == EVP_PKEY_RSA) {
        RSA *theirs = EVP_PKEY_get1_RSA(public_key);
        rsa = theirs != NULL ? RSAPublicKey_dup(theirs) : NULL;
        RSA_free(theirs);
        good = rsa != NULL && RSA_set_method(rsa, rsa_method()) == 1 && RSA_set_ex_data(rsa, rsa_place, handle) == 1;
    } else {
        good = false;
    }
    if (good) {
        *handle = (struct handle){keeper, key_number};
        handle = NULL; /* the key's */
        good = (ec != NULL ? EVP_PKEY_set1_EC_KEY(key, ec) : EVP_PKEY_set1_RSA(key, rsa)) == 1;
    }
    free(handle);
    EC_KEY_free(ec);
    RSA_free(rsa);
    if (good)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}
