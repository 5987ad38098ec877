/* Authenticated encryption (RFC 5116: AES-128-GCM, AES-256-GCM; RFC 8439: ChaCha20-Poly1305; 12-byte nonce, 16-byte
 * tag) over arrays of jobs.
 *
 * An array, because a forwarder seals one packet for many receivers at a time and a backend may interleave them; each
 * job names its own key. A key belongs to one direction (seal or open) and is made at setup, where memory may be
 * allocated; jobs never allocate. Nonces are the caller's business: one that repeats under a key gives the key stream
 * away.
 *
 * Backends are tables of functions, chosen when the key is made: `aead_openssl` today. They are compared with known
 * answers by crypto_self_test (selftest.h) at start. One owner a key, threads: none.
 *
 * Limits (NIST SP 800-38D): 2^32 - 2 blocks of plaintext a message; ours are datagrams. */
#ifndef CONCLAVE_CRYPTO_AEAD_H
#define CONCLAVE_CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AEAD_NONCE_LEN 12
#define AEAD_TAG_LEN 16
#define AEAD_KEY_LEN_MAX 32
/* Far above any datagram or frame, far below what an int or GCM takes. */
#define AEAD_MESSAGE_LEN_MAX (UINT32_C(1) << 30)

enum aead_algorithm { AEAD_AES_128_GCM, AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305 };
enum aead_direction { AEAD_SEAL, AEAD_OPEN };

struct aead_backend;

struct aead_key {
    const struct aead_backend *backend; /* NULL = no key */
    enum aead_direction direction;
    void *state; /* the backend's, holds the secret */
};

struct aead_job {
    struct aead_key *key;
    const uint8_t *nonce; /* AEAD_NONCE_LEN */
    const uint8_t *aad;
    size_t aad_len;
    const uint8_t *prefix; /* sealing only: encrypted in front of `in`; prefix_len is 0 when there is none */
    size_t prefix_len;
    const uint8_t *in;
    size_t len;   /* of `in`: plaintext (sealing), ciphertext with tag (opening) */
    uint8_t *out; /* sealing: prefix_len + len + AEAD_TAG_LEN bytes, tag last; opening: len - AEAD_TAG_LEN bytes.
                   * Equal to `in` (without a prefix) or not overlapping it. */
    bool ok;      /* result; false when opening: not authentic, `out` is undefined and must not be used */
};

struct aead_backend {
    const char *name;
    bool (*key_make)(struct aead_key *key, enum aead_algorithm algorithm, const uint8_t *bytes);
    void (*key_free)(struct aead_key *key);
    void (*seal)(struct aead_job *jobs, size_t count);
    void (*open)(struct aead_job *jobs, size_t count);
};

extern const struct aead_backend aead_openssl;

size_t aead_key_len(enum aead_algorithm algorithm);
/* `bytes`: aead_key_len(algorithm) secret bytes, which remain the caller's to wipe. False only when memory is short;
 * the key is then empty. */
bool aead_key_init(struct aead_key *key, const struct aead_backend *backend, enum aead_algorithm algorithm,
                   enum aead_direction direction, const uint8_t *bytes);
/* Wipes and frees; also allowed on an empty (zeroed) key. */
void aead_key_end(struct aead_key *key);
/* All keys of one call are of one backend and of the right direction. */
void aead_seal(struct aead_job *jobs, size_t count);
/* Returns how many are ok. */
size_t aead_open(struct aead_job *jobs, size_t count);

#endif
