#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "protocol/dtls_internal.h"

#define CERTIFICATE_BACKDATE_S (24 * 3600)
#define CERTIFICATE_VALID_S (366 * 24 * 3600L)
/* A peer's certificate chain is one self-signed certificate; OpenSSL reserves reassembly memory of up to this. */
#define PEER_CERTIFICATES_LEN_MAX 16384
/* Sizes OpenSSL's write buffer: our records are no longer than the MTU. */
#define SEND_FRAGMENT_LEN 1400

static const char *profile_name(enum srtp_profile profile) {
    switch (profile) {
    case SRTP_PROFILE_AEAD_AES_256_GCM:
        return "SRTP_AEAD_AES_256_GCM";
    case SRTP_PROFILE_AEAD_AES_128_GCM:
        return "SRTP_AEAD_AES_128_GCM";
    case SRTP_PROFILE_AES128_CM_SHA1_80:
        return "SRTP_AES128_CM_SHA1_80";
    case SRTP_PROFILE_NONE:
        break;
    }
    return NULL;
}

static bool set_profiles(SSL_CTX *ssl, const struct dtls_options *options) {
    static const enum srtp_profile all[] = {SRTP_PROFILE_AEAD_AES_256_GCM, SRTP_PROFILE_AEAD_AES_128_GCM,
                                            SRTP_PROFILE_AES128_CM_SHA1_80};
    bool given = options != NULL && options->profiles != NULL;
    const enum srtp_profile *profiles = given ? options->profiles : all;
    size_t count = given ? options->profile_count : ARRAY_LEN(all);
    char names[128];
    struct writer w = writer_of(names, sizeof names);
    for (size_t i = 0; i < count; i++) {
        ASSERT(profile_name(profiles[i]) != NULL);
        wr_fmt(&w, "%s%s", i > 0 ? ":" : "", profile_name(profiles[i]));
    }
    wr_u8(&w, 0);
    /* this one answers 0 for success */
    return writer_ok(&w) && SSL_CTX_set_tlsext_use_srtp(ssl, names) == 0;
}

/* Whom to trust is decided by the fingerprint when the handshake is over; see dtls.h. */
static int accept_any_certificate(X509_STORE_CTX *store, void *argument) {
    (void)store;
    (void)argument;
    return 1;
}

static bool sign_certificate(X509 *x509, EVP_PKEY *key, uint64_t unix_s) {
    uint64_t serial;
    if (RAND_bytes((unsigned char *)&serial, sizeof serial) != 1)
        return false;
    X509_NAME *name = X509_get_subject_name(x509);
    time_t now = (time_t)unix_s;
    /* the name that browsers use: it says nothing of the software or the host */
    return X509_set_version(x509, 2) == 1 && ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), serial >> 1) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"WebRTC", -1, -1, 0) == 1 &&
           X509_set_issuer_name(x509, name) == 1 &&
           X509_time_adj_ex(X509_getm_notBefore(x509), 0, -CERTIFICATE_BACKDATE_S, &now) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(x509), 0, CERTIFICATE_VALID_S, &now) != NULL &&
           X509_set_pubkey(x509, key) == 1 && X509_sign(x509, key, EVP_sha256()) > 0;
}

static bool set_certificate(struct dtls_context *context, uint64_t unix_s) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    unsigned len = 0;
    bool good = key != NULL && x509 != NULL && sign_certificate(x509, key, unix_s) &&
                SSL_CTX_use_certificate(context->ssl, x509) == 1 && SSL_CTX_use_PrivateKey(context->ssl, key) == 1 &&
                X509_digest(x509, EVP_sha256(), context->fingerprint, &len) == 1 && len == DTLS_FINGERPRINT_LEN;
    X509_free(x509);
    EVP_PKEY_free(key);
    return good;
}

static bool configure(SSL_CTX *ssl, const struct dtls_options *options) {
    const char *groups = options != NULL && options->groups != NULL ? options->groups : "X25519:P-256";
    SSL_CTX_set_options(ssl, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ssl, accept_any_certificate, NULL);
    SSL_CTX_set_max_cert_list(ssl, PEER_CERTIFICATES_LEN_MAX);
    SSL_CTX_set_read_ahead(ssl, 1); /* whole datagrams */
    return SSL_CTX_set_min_proto_version(ssl, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ssl, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ssl, "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
                                        "ECDHE-ECDSA-AES128-GCM-SHA256") == 1 &&
           SSL_CTX_set1_groups_list(ssl, groups) == 1 && SSL_CTX_set_max_send_fragment(ssl, SEND_FRAGMENT_LEN) == 1 &&
           set_profiles(ssl, options);
}

struct dtls_context *dtls_context_create(uint64_t unix_s, const struct dtls_options *options) {
    struct dtls_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return NULL;
    context->mtu = options != NULL && options->mtu != 0 ? options->mtu : DTLS_MTU;
    ASSERT(context->mtu >= 256 && context->mtu <= DTLS_MTU);
    ERR_clear_error();
    context->ssl = SSL_CTX_new(DTLS_method());
    context->datagrams = dtls_bio_method();
    if (context->ssl == NULL || context->datagrams == NULL || !configure(context->ssl, options) ||
        !set_certificate(context, unix_s)) {
        dtls_context_destroy(context);
        ERR_clear_error();
        return NULL;
    }
    struct writer w = writer_of(context->fingerprint_text, sizeof context->fingerprint_text);
    for (size_t i = 0; i < DTLS_FINGERPRINT_LEN; i++)
        wr_fmt(&w, "%s%02X", i > 0 ? ":" : "", context->fingerprint[i]);
    wr_u8(&w, 0);
    ASSERT(writer_ok(&w) && w.len == DTLS_FINGERPRINT_TEXT_LEN);
    return context;
}

void dtls_context_destroy(struct dtls_context *context) {
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->datagrams);
    free(context);
}

const char *dtls_context_fingerprint_text(const struct dtls_context *context) {
    return context->fingerprint_text;
}

const uint8_t *dtls_context_fingerprint(const struct dtls_context *context) {
    return context->fingerprint;
}

static int hex_value(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool dtls_fingerprint_parse(struct span text, uint8_t out[DTLS_FINGERPRINT_LEN]) {
    struct reader r = reader_of_span(text);
    for (size_t i = 0; i < DTLS_FINGERPRINT_LEN; i++) {
        if (i > 0 && rd_u8(&r) != ':')
            return false;
        int high = hex_value(rd_u8(&r));
        int low = hex_value(rd_u8(&r));
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return reader_ok(&r) && reader_left(&r) == 0;
}
