/* What the WebAssembly module asks of its host (JavaScript with the @noble libraries): the imports under the table
 * `crypto_host`. SHA-2, HMAC, X25519, Ed25519 and ML-KEM are in the module; these are the rest.
 *
 * The ABI, for whoever writes the other side: functions of the import module "host", all synchronous. Arguments are
 * i32: numbers, or addresses of bytes in the module's exported memory; lengths are in bytes. A length that follows from
 * the algorithm is not passed. Inputs are only read and only during the call; outputs are written from their address
 * on, and only when the answer is 0; an output may have an input's address. The answer is an enum crypto_status: 0
 * good, 1 bad input (a key that is none, a point off its curve, all-zero output, wrong tag or signature), 2 out of
 * memory, 3 not supported. The host keeps no copy of a key and throws nothing into the module: an exception becomes 1.
 *
 * Numbers of algorithms:
 *   aead   0 AES-128-GCM, 1 AES-256-GCM, 2 ChaCha20-Poly1305 (keys of 16, 32, 32 bytes; nonce 12; tag 16, last)
 *   group  1 X448, 2 P-256, 3 P-384, 4 P-521 (private keys 56, 32, 48, 66; public keys 56, 65, 97, 133)
 *   sign   1 Ed448, 2 ECDSA P-256, 3 ECDSA P-384, 4 ECDSA P-521 (private keys 57, 32, 48, 66; public 57, 65, 97, 133)
 * Points are uncompressed and begin with 4, which is checked here, as is the range of scalars. Ed448 signs a message;
 * ECDSA a digest that was made here (SHA-256, -384, -512), its nonces are RFC 6979's, its signatures strict DER, and
 * those with a high s are as good as others. */
#ifndef CONCLAVE_CRYPTO_HOST_H
#define CONCLAVE_CRYPTO_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

#ifdef __wasm__
#define HOST_IMPORT(name) __attribute__((import_module("host"), import_name(name)))
#else
#define HOST_IMPORT(name) /* tests bring functions of these names */
#endif

/* Writes text_len + 16 bytes. */
HOST_IMPORT("aead_seal")
uint32_t host_aead_seal(uint32_t aead, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                        const uint8_t *text, size_t text_len, uint8_t *out);
/* sealed_len >= 16. Writes sealed_len - 16 bytes. */
HOST_IMPORT("aead_open")
uint32_t host_aead_open(uint32_t aead, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                        const uint8_t *sealed, size_t sealed_len, uint8_t *out);

HOST_IMPORT("dh_public") uint32_t host_dh_public(uint32_t group, const uint8_t *private_key, uint8_t *public_key);
/* Never for X448. */
HOST_IMPORT("dh_check") uint32_t host_dh_check(uint32_t group, const uint8_t *public_key);
/* Writes as many bytes as a private key has: the u- or x-coordinate. */
HOST_IMPORT("dh")
uint32_t host_dh(uint32_t group, const uint8_t *private_key, const uint8_t *public_key, uint8_t *shared);

HOST_IMPORT("sign_public") uint32_t host_sign_public(uint32_t sign, const uint8_t *private_key, uint8_t *public_key);
/* Writes at most 139 bytes, and their number as an i32. */
HOST_IMPORT("sign")
uint32_t host_sign(uint32_t sign, const uint8_t *private_key, const uint8_t *data, size_t data_len, uint8_t *signature,
                   uint32_t *signature_len);
HOST_IMPORT("verify")
uint32_t host_verify(uint32_t sign, const uint8_t *public_key, const uint8_t *data, size_t data_len,
                     const uint8_t *signature, size_t signature_len);

/* Fit for secrets: crypto.getRandomValues. Cannot fail. */
HOST_IMPORT("random") void host_random(uint8_t *out, size_t len);

/* A generator over host_random, for the library's `rng` arguments. */
struct rng rng_host(void);

#endif
