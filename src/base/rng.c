#include "base/rng.h"

#include <string.h>

#include "base/assert.h"

static uint64_t rotl(uint64_t value, int bits) {
    return value << bits | value >> (64 - bits);
}

static uint64_t xoshiro_next(uint64_t s[4]) {
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

static void seeded_fill(struct rng *rng, void *out, size_t len) {
    uint8_t *at = out;
    while (len > 0) {
        uint64_t word = xoshiro_next(rng->state);
        size_t part = len < sizeof word ? len : sizeof word;
        for (size_t i = 0; i < part; i++)
            at[i] = (uint8_t)(word >> (8 * i));
        at += part;
        len -= part;
    }
}

struct rng rng_seeded(uint64_t seed) {
    struct rng rng = {.fill = seeded_fill};
    /* splitmix64 spreads the seed over the state, as the generator's authors advise. */
    for (size_t i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = seed;
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        rng.state[i] = z ^ z >> 31;
    }
    return rng;
}

void rng_fill(struct rng *rng, void *out, size_t len) {
    ASSERT(rng != NULL && rng->fill != NULL);
    if (len > 0)
        rng->fill(rng, out, len);
}

uint32_t rng_u32(struct rng *rng) {
    return (uint32_t)rng_u64(rng);
}

uint64_t rng_u64(struct rng *rng) {
    uint64_t value = 0;
    rng_fill(rng, &value, sizeof value);
    return value;
}

uint64_t rng_below(struct rng *rng, uint64_t bound) {
    ASSERT(bound > 0);
    uint64_t reject_below = (0 - bound) % bound;
    uint64_t value = rng_u64(rng);
    while (value < reject_below)
        value = rng_u64(rng);
    return value % bound;
}

double rng_unit(struct rng *rng) {
    return (double)(rng_u64(rng) >> 11) * 0x1.0p-53;
}

void rng_token(struct rng *rng, char *out, size_t len) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < len; i++)
        out[i] = alphabet[rng_below(rng, sizeof alphabet - 1)];
    out[len] = 0;
}
