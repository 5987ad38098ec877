/* The keeper: a process of its own that holds the secrets which outlive a run, so that whoever takes over the process that
 * parses strangers' bytes finds none of them in its memory, and no file with one that it may open. It is asked for the
 * least that the server needs of each, and never gives one away:
 *
 *     API secrets          the HMAC of a token, or of a webhook's claims
 *     server.secret        the tag of a meeting's id; the seed of the server's key in one meeting's group
 *     TLS private key      a signature of a handshake
 *     house.key            nothing: its public half is told once, at the start
 *
 * Order of calls, in the server:
 *     keeper_start        before anything is read and before the first thread: forks. The keeper reads configuration and
 *                         data folder; the server gets the configuration without the API secrets
 *     keeper_certificate  reads, or makes, the certificate; again for each renewal
 *     keeper_keys, keeper_server, keeper_tls_key   what other modules ask through
 *     keeper_look         now and then: false when the keeper is gone
 *     keeper_end
 *
 * One question at a time, each answered before the next: a round trip over a socket pair, some ten microseconds. Who
 * gets no answer within KEEPER_WAIT_S, or finds the keeper gone, says so once; every later question fails, keeper_look
 * answers false, and the server ends with a failure, so that the service manager starts both anew. When the server ends,
 * however it does, the keeper ends.
 *
 * What the keeper cannot help: while somebody has the server's process, he can have tokens and handshakes made. When he
 * is thrown out, he has nothing that lasts but the seeds of the meetings that he asked about.
 *
 * Threads: the control thread only. */
#ifndef CONCLAVE_SERVER_KEEPER_H
#define CONCLAVE_SERVER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <openssl/types.h>

#include "group/link.h"
#include "server/config.h"
#include "server/vault.h"
#include "signal/control.h"

#define KEEPER_WAIT_S 10
/* Ids of meetings whose tags were asked for lately; a meeting is looked up with every request for it. */
#define KEEPER_TAGS_MAX 1024

struct keeper_tag {
    bool known;
    uint8_t hash[16], tag[8];
};

struct keeper {
    int fd; /* -1 = not there */
    pid_t pid;
    bool failed;
    uint8_t operator_key[32]; /* public half of house.key */
    bool made_key;            /* an API key, at this start */
    uint32_t weak_keys;       /* API keys, a bit each, whose secret is shorter than advised */
    struct keeper_tag tags[KEEPER_TAGS_MAX];
};

struct cli_common;

/* Forks. False when there is no keeper: it has said on stderr why. `config` is what it read, without API secrets; where
 * these were given on the command line or in the environment, they are overwritten in this process. */
bool keeper_start(struct keeper *keeper, const struct cli_common *common, struct config *config);

/* A certificate and the number of its key at the keeper. */
struct keeper_certificate {
    struct vault_certificate files;
    uint32_t key_number;
    char *chain; /* PEM, `chain_len` bytes; owner: the caller, free */
    size_t chain_len;
};
/* `names` as in vault_certificate, for one that is self-made; ignored with a configured one. */
bool keeper_certificate(struct keeper *keeper, const char *const *names, size_t names_count,
                        struct keeper_certificate *out, struct config_error *error);
/* A private key for SSL_CTX_use_PrivateKey that has the public half of `certificate` and asks the keeper to sign. NULL:
 * neither RSA nor ECDSA. The keeper outlives it. */
EVP_PKEY *keeper_tls_key(struct keeper *keeper, X509 *certificate, uint32_t key_number);

/* `names` are config->keys, in that order. */
struct control_keys keeper_keys(struct keeper *keeper, const struct config *config);
struct group_server keeper_server(struct keeper *keeper);

bool keeper_look(struct keeper *keeper);
/* Closes the connection and waits for the keeper's end. */
void keeper_end(struct keeper *keeper);

#endif
