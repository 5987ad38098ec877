/* SHA3-256, SHA3-512, SHAKE128 and SHAKE256 (FIPS 202), in C: ML-KEM needs them inside its loops and X-Wing in its
 * combiner, natively and in WebAssembly. A state is plain data, holds what was absorbed, and is wiped by its owner when
 * that was secret. Nothing allocates or fails. */
#ifndef CONCLAVE_CRYPTO_KECCAK_H
#define CONCLAVE_CRYPTO_KECCAK_H

#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

enum keccak_kind { KECCAK_SHA3_256, KECCAK_SHA3_512, KECCAK_SHAKE128, KECCAK_SHAKE256 };

struct keccak {
    uint64_t lanes[25];
    uint16_t rate_bytes;
    uint16_t pos;
    uint8_t suffix;
    uint8_t squeezing;
};

void keccak_start(struct keccak *k, enum keccak_kind kind);
/* Not after the first squeeze (asserted). */
void keccak_absorb(struct keccak *k, struct span bytes);
/* May be called again and again for SHAKE. For SHA3 once, with the hash's length. */
void keccak_squeeze(struct keccak *k, uint8_t *out, size_t len);
/* All at once over the concatenation of `count` parts; wipes its state. */
void keccak_once(enum keccak_kind kind, const struct span *parts, size_t count, uint8_t *out, size_t out_len);

#endif
