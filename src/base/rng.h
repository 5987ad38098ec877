/* Randomness is an argument: a `struct rng` hands out bytes from wherever its maker decided. The server's comes from
 * the operating system (io/entropy.h) and is fit for secrets; `rng_seeded` is a deterministic generator for tests, the
 * simulator and for choices that need no secrecy. One owner, one thread. */
#ifndef CONCLAVE_BASE_RNG_H
#define CONCLAVE_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    void (*fill)(struct rng *rng, void *out, size_t len);
    uint64_t state[4]; /* used by the seeded generator (xoshiro256**) */
};

/* Equal seeds give equal streams for ever: a failing simulation is reproduced by its seed. Not for secrets. */
struct rng rng_seeded(uint64_t seed);
void rng_fill(struct rng *rng, void *out, size_t len);
uint32_t rng_u32(struct rng *rng);
uint64_t rng_u64(struct rng *rng);
/* Uniform in [0, bound), without modulo bias; bound > 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);
/* Uniform in [0, 1). */
double rng_unit(struct rng *rng);
/* `len` characters of [A-Za-z0-9] and a terminator; out holds len + 1 bytes. 5.95 bits a character. */
void rng_token(struct rng *rng, char *out, size_t len);

#endif
