/* Arithmetic modulo 2^255 - 19, under X25519 and Ed25519 where OpenSSL is not there (curve25519.h). Not for users of
 * the library. Nothing branches on a number's value.
 *
 * Ten signed limbs of 26 and 25 bits in turn: their products fit 64 bits, which is what WebAssembly can multiply.
 * Limbs are not always carried, so numbers have weights: what a multiplication gives weighs 1 (limbs within 1.01 times
 * half of their range), what was loaded 2, a sum or difference as much as its parts together. Multiplications and
 * fe_store take weights up to 4. Any output may be an input. */
#ifndef CONCLAVE_CRYPTO_FE25519_H
#define CONCLAVE_CRYPTO_FE25519_H

#include <stddef.h>
#include <stdint.h>

struct fe {
    int32_t v[10];
};

/* Little-endian bytes or words; the highest bit is ignored. Numbers of p and above are taken modulo p. */
void fe_load(struct fe *h, const uint8_t in[32]);
void fe_load_words(struct fe *h, const uint32_t words[8]);
/* The canonical bytes. */
void fe_store(uint8_t out[32], const struct fe *f);

void fe_add(struct fe *h, const struct fe *f, const struct fe *g);
void fe_sub(struct fe *h, const struct fe *f, const struct fe *g);
void fe_negate(struct fe *h, const struct fe *f);
void fe_mul(struct fe *h, const struct fe *f, const struct fe *g);
void fe_square(struct fe *h, const struct fe *f);
/* factor < 2^17 */
void fe_mul_small(struct fe *h, const struct fe *f, uint32_t factor);
/* 1 / f; 0 for 0. */
void fe_invert(struct fe *h, const struct fe *f);
/* f^((p - 5) / 8), from which square roots come. */
void fe_power_5_8(struct fe *h, const struct fe *f);

/* `yes` is 0 or 1 and may be secret. */
void fe_swap_if(struct fe *f, struct fe *g, uint32_t yes);
void fe_move_if(struct fe *f, const struct fe *g, uint32_t yes);
/* 0 or 1. */
uint32_t fe_is_odd(const struct fe *f);
uint32_t fe_is_zero(const struct fe *f);

#endif
