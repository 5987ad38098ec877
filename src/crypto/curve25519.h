/* X25519 (RFC 7748) and Ed25519 (RFC 8032), in C, for WebAssembly, where there is no OpenSSL and JavaScript is ten
 * times as slow; natively
 * tests call this, and openssl.c to make sure of a bad signature. Constant time in private keys and in what follows
 * from them; verification, whose inputs are public, is not.
 *
 * Nothing allocates or fails but for bad input. Threads: any. */
#ifndef CONCLAVE_CRYPTO_CURVE25519_H
#define CONCLAVE_CRYPTO_CURVE25519_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

#define X25519_LEN 32
#define ED25519_KEY_LEN 32
#define ED25519_SIGNATURE_LEN 64

/* RFC 7748 section 6.1: the public key of a private one. */
void x25519_public(const uint8_t private_key[X25519_LEN], uint8_t public_key[X25519_LEN]);
/* Section 5. False for a shared secret of zeros (section 6.1), which is then what `shared` holds. */
bool x25519(const uint8_t private_key[X25519_LEN], const uint8_t public_key[X25519_LEN], uint8_t shared[X25519_LEN]);

/* RFC 8032 section 5.1.5. */
void ed25519_public(const uint8_t private_key[ED25519_KEY_LEN], uint8_t public_key[ED25519_KEY_LEN]);
/* Section 5.1.6. */
void ed25519_sign(const uint8_t private_key[ED25519_KEY_LEN], struct span message,
                  uint8_t signature[ED25519_SIGNATURE_LEN]);
/* Section 5.1.7, with the equation that has no cofactor; refuses non-canonical numbers as section 5.1.3 says. */
bool ed25519_verify(const uint8_t public_key[ED25519_KEY_LEN], struct span message,
                    const uint8_t signature[ED25519_SIGNATURE_LEN]);

#endif
