/* SHA-256, SHA-384 and SHA-512 (FIPS 180-4), in C, under hmac.h where OpenSSL is not there: in WebAssembly. Natively
 * only tests call this. A state is plain data, holds what was added, and is wiped by its owner when that was secret.
 * Nothing allocates or fails. */
#ifndef CONCLAVE_CRYPTO_SHA2_H
#define CONCLAVE_CRYPTO_SHA2_H

#include <stddef.h>
#include <stdint.h>

enum sha2_kind { SHA2_256, SHA2_384, SHA2_512 };

struct sha2 {
    union {
        uint32_t h32[8];
        uint64_t h64[8];
    };
    uint64_t len_bytes; /* far below the 2^61 that the standard allows */
    uint8_t block[128];
    uint8_t kind;
};

void sha2_start(struct sha2 *s, enum sha2_kind kind);
void sha2_add(struct sha2 *s, const uint8_t *data, size_t len);
/* Writes 32, 48 or 64 bytes. The state is used up. */
void sha2_finish(struct sha2 *s, uint8_t *out);

#endif
