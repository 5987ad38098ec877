/* What the two sides of the keeper agree on: a question is a byte for what is asked and what belongs to it, an answer a
 * byte for yes (1) or no (0) and what was asked for, or a sentence. Over the socket pair each follows its length, 4 bytes,
 * most significant first. */
#ifndef CONCLAVE_SERVER_KEEPER_INTERNAL_H
#define CONCLAVE_SERVER_KEEPER_INTERNAL_H

#include <openssl/types.h>

#include "base/secret.h"
#include "server/config.h"
#include "server/keeper.h"
#include "signal/token.h"

enum keeper_question {
    KEEPER_MAC = 1,     /* u8 index of an API key, text -> HMAC-SHA-256 [32] */
    KEEPER_TAG,         /* hash of an id [16] -> tag [8] */
    KEEPER_SEED,        /* meeting [32] -> seed of its external sender [32] */
    KEEPER_SIGN_EC,     /* u32 key number, digest -> DER of an ECDSA signature */
    KEEPER_SIGN_RSA,    /* u32 key number, padded block as long as the modulus -> as long */
    KEEPER_CERTIFICATE, /* names, a NUL behind each -> struct keeper_certificate_head, PEM chain */
};

/* A token is the longest text; a digest, a block or names are less. */
#define KEEPER_QUESTION_LEN_MAX (TOKEN_LEN_MAX + 64)
/* Chains have three or four certificates of 1 to 2 kB. */
#define KEEPER_CHAIN_LEN_MAX (64u << 10)
#define KEEPER_ANSWER_LEN_MAX (KEEPER_CHAIN_LEN_MAX + 4096)
/* A key that is replaced may have handshakes on their way for a while. */
#define KEEPER_TLS_KEYS_MAX 4
#define KEEPER_DIGEST_LEN_MAX 64
/* RSA of 16384 bits, the largest that OpenSSL uses. */
#define KEEPER_BLOCK_LEN_MAX 2048

struct keeper_certificate_head {
    struct vault_certificate files;
    uint32_t key_number;
};

/* What the keeper says first, after its 1: one program on both sides, so that it goes as it is. */
struct keeper_hello {
    struct config config; /* API secrets are zeros */
    uint8_t operator_key[32];
    bool made_key;
    uint32_t weak_keys;
};

/* The secrets. */
struct keeper_store {
    struct secret server;
    struct control_key keys[CONTROL_KEYS_MAX];
    uint32_t keys_count;
    EVP_PKEY *tls[KEEPER_TLS_KEYS_MAX]; /* number n at n % KEEPER_TLS_KEYS_MAX */
    uint32_t tls_next;
};

/* Answers every question but KEEPER_CERTIFICATE, which needs files. No system call, no clock; any bytes are a question.
 * `out` has KEEPER_ANSWER_LEN_MAX bytes; the length of the answer. */
size_t keeper_answer(struct keeper_store *store, struct span question, uint8_t *out);
/* Takes a TLS key over and gives it the next number, or that of the newest when it is the same; the oldest goes. */
uint32_t keeper_add_tls(struct keeper_store *store, EVP_PKEY *key);
void keeper_wipe(struct keeper_store *store);

/* keeper_link.c: one side of the socket pair; blocking. False when the other side is gone or too slow (KEEPER_WAIT_S, of
 * the asking side only). */
bool keeper_send(int fd, const struct span *parts, size_t count);
bool keeper_receive(int fd, uint8_t *out, size_t max, size_t *len);
/* Asks; the answer's bytes behind its 1 in `out`. False: no answer, then `keeper->failed`, or a no, then `out` is its
 * sentence. */
bool keeper_ask(struct keeper *keeper, const struct span *parts, size_t count, uint8_t *out, size_t max, size_t *len);

/* keeper_process.c: the other process; does not return. */
_Noreturn void keeper_main(int fd, const struct cli_common *common);

#endif
