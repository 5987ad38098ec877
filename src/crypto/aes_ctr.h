/* AES in counter mode as RFC 3711 section 4.1.1 uses it: a 16-byte initial counter block, and the key stream that
 * follows from it, XORed to the data. Also SRTP's key derivation function (sections 4.3.1, 4.3.3; RFC 6188 for 256
 * bits), which is the same key stream over zeros.
 *
 * The key object is made at setup, where memory may be allocated; use never allocates. One owner, threads: none. No
 * authentication: used only together with HMAC, encrypt-then-MAC. */
#ifndef CONCLAVE_CRYPTO_AES_CTR_H
#define CONCLAVE_CRYPTO_AES_CTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AES_CTR_IV_LEN 16

struct aes_ctr_key {
    void *state; /* NULL = no key */
};

/* key_len: 16 or 32. False only when memory is short; the key is then empty. */
bool aes_ctr_key_init(struct aes_ctr_key *key, const uint8_t *bytes, size_t key_len);
/* Wipes and frees; also allowed on an empty (zeroed) key. */
void aes_ctr_key_end(struct aes_ctr_key *key);
/* Starts a key stream at `iv`; aes_ctr_xor then continues it from call to call. `out` is `in` or elsewhere. */
void aes_ctr_start(struct aes_ctr_key *key, const uint8_t iv[AES_CTR_IV_LEN]);
void aes_ctr_xor(struct aes_ctr_key *key, const uint8_t *in, uint8_t *out, size_t len);

#endif
