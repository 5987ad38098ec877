#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/net.h"
#include "base/time.h"
#include "server/vault.h"

#define SECONDS_PER_DAY 86400
#define CERTIFICATE_DAYS 365
#define SAN_LEN_MAX (VAULT_NAMES_MAX * 72)

static bool fail(struct config_error *error, const char *path, const char *why) {
    (void)snprintf(error->text, sizeof error->text, "%s %s", path, why);
    return false;
}

static bool is_ip(const char *name) {
    struct net_addr addr;
    return net_ip_parse(span_str(name), &addr);
}

static bool fingerprint_of(const X509 *cert, char out[VAULT_FINGERPRINT_LEN]) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (X509_digest(cert, EVP_sha256(), digest, &len) != 1 || len != 32)
        return false;
    for (unsigned i = 0; i < len; i++)
        (void)snprintf(out + i * 3, 4, i + 1 < len ? "%02X:" : "%02X", digest[i]);
    return true;
}

static X509 *read_certificate(const char *path) {
    BIO *bio = BIO_new_file(path, "r");
    X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return cert;
}

EVP_PKEY *vault_read_key(const char *path) {
    BIO *bio = BIO_new_file(path, "r");
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return key;
}

bool vault_check_certificate(const char *cert_path, const char *key_path, uint64_t unix_us,
                             char fingerprint[VAULT_FINGERPRINT_LEN], struct config_error *error) {
    X509 *cert = read_certificate(cert_path);
    EVP_PKEY *key = vault_read_key(key_path);
    time_t now = (time_t)(unix_us / US_PER_S);
    bool ok = false;
    if (cert == NULL)
        (void)fail(error, cert_path, "is not a readable PEM certificate");
    else if (key == NULL)
        (void)fail(error, key_path, "is not a readable PEM private key without password");
    else if (X509_check_private_key(cert, key) != 1)
        (void)fail(error, key_path, "does not belong to the certificate");
    else if (X509_cmp_time(X509_get0_notAfter(cert), &now) < 0)
        (void)fail(error, cert_path, "has expired; renew it");
    else
        ok = fingerprint_of(cert, fingerprint);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok;
}

/* The pair is made anew when it is about to run out, is not valid yet (the clock was wrong when it was made), lacks a name, or does not
 * belong together: a kill between the writing of its files leaves it so. */
static bool still_good(const char *cert_path, const char *key_path, const char *const *names, size_t count,
                       uint64_t unix_us) {
    X509 *cert = read_certificate(cert_path);
    EVP_PKEY *key = vault_read_key(key_path);
    time_t now = (time_t)(unix_us / US_PER_S), soon = now + (time_t)VAULT_RENEW_DAYS * SECONDS_PER_DAY;
    bool good = cert != NULL && key != NULL && X509_check_private_key(cert, key) == 1 &&
                X509_cmp_time(X509_get0_notBefore(cert), &now) < 0 &&
                X509_cmp_time(X509_get0_notAfter(cert), &soon) > 0;
    for (size_t i = 0; i < count && good; i++) {
        good = is_ip(names[i]) ? X509_check_ip_asc(cert, names[i], 0) == 1
                               : X509_check_host(cert, names[i], strlen(names[i]), 0, NULL) == 1;
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    return good;
}

static bool add_extension(X509 *cert, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool fill_certificate(X509 *cert, EVP_PKEY *key, const char *const *names, size_t count, uint64_t unix_us) {
    char san[SAN_LEN_MAX];
    struct writer w = writer_of(san, sizeof san - 1);
    for (size_t i = 0; i < count; i++)
        wr_fmt(&w, "%s%s:%s", i > 0 ? "," : "", is_ip(names[i]) ? "IP" : "DNS", names[i]);
    ASSERT(writer_ok(&w));
    san[w.len] = 0;
    uint8_t serial[16];
    if (RAND_bytes(serial, sizeof serial) != 1)
        return false;
    serial[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    bool ok = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    time_t start = (time_t)(unix_us / US_PER_S) - SECONDS_PER_DAY; /* for clients whose clock is behind */
    X509_NAME *subject = X509_get_subject_name(cert);
    return ok && X509_set_version(cert, X509_VERSION_3) == 1 &&
           ASN1_TIME_set(X509_getm_notBefore(cert), start) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(cert), start + (time_t)CERTIFICATE_DAYS * SECONDS_PER_DAY) != NULL &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)"Conclave", -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, subject) == 1 && X509_set_pubkey(cert, key) == 1 &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") && add_extension(cert, NID_subject_alt_name, san) &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

static bool write_pem(const char *path, BIO *bio, struct config_error *error) {
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    return len > 0 && vault_write(path, span_of(data, (size_t)len), error);
}

static bool make_certificate(const struct vault_certificate *out, const char *const *names, size_t count,
                             uint64_t unix_us, struct config_error *error) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    BIO *cert_pem = BIO_new(BIO_s_mem()), *key_pem = BIO_new(BIO_s_secmem());
    bool ok = key != NULL && cert != NULL && cert_pem != NULL && key_pem != NULL &&
              fill_certificate(cert, key, names, count, unix_us) && PEM_write_bio_X509(cert_pem, cert) == 1 &&
              PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (!ok)
        (void)fail(error, out->cert_path, "cannot be made: OpenSSL refused");
    ok = ok && write_pem(out->key_path, key_pem, error) && write_pem(out->cert_path, cert_pem, error);
    BIO_free(cert_pem);
    BIO_free(key_pem);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok;
}

bool vault_certificate(const char *dir, const char *const *names, size_t names_count, uint64_t unix_us,
                       struct vault_certificate *out, struct config_error *error) {
    ASSERT(names_count > 0 && names_count <= VAULT_NAMES_MAX);
    (void)snprintf(out->cert_path, sizeof out->cert_path, "%s/tls/cert.pem", dir);
    (void)snprintf(out->key_path, sizeof out->key_path, "%s/tls/key.pem", dir);
    out->made = !still_good(out->cert_path, out->key_path, names, names_count, unix_us);
    if (out->made && !make_certificate(out, names, names_count, unix_us, error))
        return false;
    return vault_check_certificate(out->cert_path, out->key_path, unix_us, out->fingerprint, error);
}
