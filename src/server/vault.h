/* The data folder: what the server makes for itself at first run and must find again.
 *
 *     <data_dir>/server.secret   32 random bytes in base64url: makes the ids of meetings and the server's keys in their groups
 *     <data_dir>/house.key       32 random bytes in base64url: the seed of the operator key (Ed25519), which every link names
 *     <data_dir>/keys.yaml       one API key and its secret, made when the configuration names none
 *     <data_dir>/tls/cert.pem    self-made certificate (P-256, one year) and its key, used when no certificate is configured
 *     <data_dir>/tls/key.pem
 *     <data_dir>/run             what is there while the server runs: admin.h, app_running.c; the only part, with files, that
 *                                it can still open then (guard.h)
 *
 * The folder has mode 0700, the files 0600. A file is written under another name, synced and renamed, so that a crash leaves either
 * none or a whole one. Errors are sentences. Whoever can read this folder can make
 * tokens and links and pose as the server; what was said in past meetings is not in it. */
#ifndef CONCLAVE_SERVER_VAULT_H
#define CONCLAVE_SERVER_VAULT_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/secret.h"
#include "server/config.h"

struct rng;

#define VAULT_SECRET_LEN 32
#define VAULT_PATH_LEN_MAX 512
/* "AB:CD:..", SHA-256. */
#define VAULT_FINGERPRINT_LEN 96
/* localhost, the host's name, what the configuration adds, and the interfaces' addresses. */
#define VAULT_NAMES_MAX 32
/* A certificate is made anew when it has less than this left. */
#define VAULT_RENEW_DAYS 14

/* A whole file into `out`; false with a sentence. `max` bytes at most. */
bool vault_read(const char *path, uint8_t *out, size_t max, size_t *len, struct config_error *error);
bool vault_write(const char *path, struct span bytes, struct config_error *error);
/* Makes the folder where it is missing. */
bool vault_open(const char *dir, struct config_error *error);
/* Read, or made at the first start. Wiped by the caller. */
bool vault_secret(const char *dir, struct rng *rng, struct secret *out, struct config_error *error);
bool vault_house(const char *dir, struct rng *rng, struct secret *out, struct config_error *error);
/* Reads or makes the API key. `made` tells which. */
bool vault_api_key(const char *dir, struct rng *rng, struct config *config, bool *made, struct config_error *error);

struct vault_certificate {
    char cert_path[VAULT_PATH_LEN_MAX], key_path[VAULT_PATH_LEN_MAX];
    char fingerprint[VAULT_FINGERPRINT_LEN];
    bool made;
};

/* `names` are DNS names and IP addresses; the certificate is made anew when one of them is missing in it, or when the
 * pair is damaged or not valid now. */
bool vault_certificate(const char *dir, const char *const *names, size_t names_count, uint64_t unix_us,
                       struct vault_certificate *out, struct config_error *error);
/* NULL when it is no private key in PEM, or one with a password; freed by the caller. */
EVP_PKEY *vault_read_key(const char *path);
/* Fingerprint of a certificate file (its first certificate), and whether the key belongs to it. */
bool vault_check_certificate(const char *cert_path, const char *key_path, uint64_t unix_us,
                             char fingerprint[VAULT_FINGERPRINT_LEN], struct config_error *error);

#endif
