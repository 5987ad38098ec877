#include "crypto/fe25519.h"

#include <string.h>

#include "base/assert.h"

/* Limb i counts 2^offset: 0, 26, 51, 77, 102, 128, 153, 179, 204, 230; even limbs have 26 bits, odd ones 25. */
static inline unsigned bits_of(size_t limb) {
    return limb % 2 == 0 ? 26 : 25;
}

static inline uint32_t load32_le(const uint8_t *in) {
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

void fe_load_words(struct fe *h, const uint32_t w[8]) {
    const uint32_t m26 = (1u << 26) - 1, m25 = (1u << 25) - 1;
    h->v[0] = (int32_t)(w[0] & m26);
    h->v[1] = (int32_t)((w[0] >> 26 | w[1] << 6) & m25);
    h->v[2] = (int32_t)((w[1] >> 19 | w[2] << 13) & m26);
    h->v[3] = (int32_t)((w[2] >> 13 | w[3] << 19) & m25);
    h->v[4] = (int32_t)(w[3] >> 6);
    h->v[5] = (int32_t)(w[4] & m25);
    h->v[6] = (int32_t)((w[4] >> 25 | w[5] << 7) & m26);
    h->v[7] = (int32_t)((w[5] >> 19 | w[6] << 13) & m25);
    h->v[8] = (int32_t)((w[6] >> 12 | w[7] << 20) & m26);
    h->v[9] = (int32_t)(w[7] >> 6 & m25);
}

void fe_load(struct fe *h, const uint8_t in[32]) {
    uint32_t w[8];
    for (size_t i = 0; i < 8; i++)
        w[i] = load32_le(in + 4 * i);
    fe_load_words(h, w);
}

void fe_store(uint8_t out[32], const struct fe *f) {
    int32_t h[10];
    memcpy(h, f->v, sizeof h);
    /* q = floor(f / p), a small number, which f + 19 q carries beyond 2^255; its first guess, from the top limb, is
     * right up to a fraction that rounding takes away. Then f - q p = f + 19 q - q 2^255 is in [0, p). */
    int32_t q = (19 * h[9] + (1 << 24)) >> 25;
    for (size_t i = 0; i < 10; i++)
        q = (h[i] + q) >> bits_of(i);
    h[0] += 19 * q;
    for (size_t i = 0; i < 10; i++) {
        int32_t carry = h[i] >> bits_of(i);
        if (i < 9)
            h[i + 1] += carry;
        h[i] -= carry * (1 << bits_of(i)); /* the last carry is q: it goes with the multiple of 2^255 */
    }
    uint32_t w[8], u[10];
    for (size_t i = 0; i < 10; i++)
        u[i] = (uint32_t)h[i];
    w[0] = u[0] | u[1] << 26;
    w[1] = u[1] >> 6 | u[2] << 19;
    w[2] = u[2] >> 13 | u[3] << 13;
    w[3] = u[3] >> 19 | u[4] << 6;
    w[4] = u[5] | u[6] << 25;
    w[5] = u[6] >> 7 | u[7] << 19;
    w[6] = u[7] >> 13 | u[8] << 12;
    w[7] = u[8] >> 20 | u[9] << 6;
    for (size_t i = 0; i < 32; i++)
        out[i] = (uint8_t)(w[i / 4] >> (8 * (i % 4)));
}

void fe_add(struct fe *h, const struct fe *f, const struct fe *g) {
    for (size_t i = 0; i < 10; i++)
        h->v[i] = f->v[i] + g->v[i];
}

void fe_sub(struct fe *h, const struct fe *f, const struct fe *g) {
    for (size_t i = 0; i < 10; i++)
        h->v[i] = f->v[i] - g->v[i];
}

void fe_negate(struct fe *h, const struct fe *f) {
    for (size_t i = 0; i < 10; i++)
        h->v[i] = -f->v[i];
}

void fe_swap_if(struct fe *f, struct fe *g, uint32_t yes) {
    int32_t mask = -(int32_t)yes;
    for (size_t i = 0; i < 10; i++) {
        int32_t x = mask & (f->v[i] ^ g->v[i]);
        f->v[i] ^= x;
        g->v[i] ^= x;
    }
}

void fe_move_if(struct fe *f, const struct fe *g, uint32_t yes) {
    int32_t mask = -(int32_t)yes;
    for (size_t i = 0; i < 10; i++)
        f->v[i] ^= mask & (f->v[i] ^ g->v[i]);
}

/* h[i] to h[i + 1], rounding to the nearest: what is left has half of the limb's range as its bound. */
static inline void carry_from(int64_t h[10], size_t i) {
    int64_t carry = (h[i] + ((int64_t)1 << (bits_of(i) - 1))) >> bits_of(i);
    h[i + 1] += carry;
    h[i] -= carry * ((int64_t)1 << bits_of(i));
}

/* Two chains side by side, 0 to 5 and 4 to 9 and round to 0, since each step waits for the one before it. For sums
 * below 2^62, the result's bounds are 1.01 * 2^25 in even and 1.01 * 2^24 in odd limbs. */
static inline void carry_all(struct fe *out, int64_t h[10]) {
    carry_from(h, 0);
    carry_from(h, 4);
    carry_from(h, 1);
    carry_from(h, 5);
    carry_from(h, 2);
    carry_from(h, 6);
    carry_from(h, 3);
    carry_from(h, 7);
    carry_from(h, 4);
    carry_from(h, 8);
    int64_t carry = (h[9] + ((int64_t)1 << 24)) >> 25;
    h[0] += carry * 19; /* 2^255 = 19 */
    h[9] -= carry * ((int64_t)1 << 25);
    carry_from(h, 0);
    for (size_t i = 0; i < 10; i++)
        out->v[i] = (int32_t)h[i];
}

/* Column by column. A product of two odd limbs counts twice (their offsets add up to one more than the column's), one
 * that passes limb 9 counts 19 times. With weights of 4 a column stays below 2^61. */
void fe_mul(struct fe *out, const struct fe *f, const struct fe *g) {
    int64_t f0 = f->v[0], f1 = f->v[1], f2 = f->v[2], f3 = f->v[3], f4 = f->v[4];
    int64_t f5 = f->v[5], f6 = f->v[6], f7 = f->v[7], f8 = f->v[8], f9 = f->v[9];
    int64_t g0 = g->v[0], g1 = g->v[1], g2 = g->v[2], g3 = g->v[3], g4 = g->v[4];
    int64_t g5 = g->v[5], g6 = g->v[6], g7 = g->v[7], g8 = g->v[8], g9 = g->v[9];
    int64_t f1_2 = 2 * f1, f3_2 = 2 * f3, f5_2 = 2 * f5, f7_2 = 2 * f7, f9_2 = 2 * f9;
    int64_t g1_19 = 19 * g1, g2_19 = 19 * g2, g3_19 = 19 * g3, g4_19 = 19 * g4, g5_19 = 19 * g5;
    int64_t g6_19 = 19 * g6, g7_19 = 19 * g7, g8_19 = 19 * g8, g9_19 = 19 * g9;
    int64_t h[10];
    h[0] = f0 * g0 + f1_2 * g9_19 + f2 * g8_19 + f3_2 * g7_19 + f4 * g6_19 + f5_2 * g5_19 + f6 * g4_19 + f7_2 * g3_19 +
           f8 * g2_19 + f9_2 * g1_19;
    h[1] = f0 * g1 + f1 * g0 + f2 * g9_19 + f3 * g8_19 + f4 * g7_19 + f5 * g6_19 + f6 * g5_19 + f7 * g4_19 +
           f8 * g3_19 + f9 * g2_19;
    h[2] = f0 * g2 + f1_2 * g1 + f2 * g0 + f3_2 * g9_19 + f4 * g8_19 + f5_2 * g7_19 + f6 * g6_19 + f7_2 * g5_19 +
           f8 * g4_19 + f9_2 * g3_19;
    h[3] = f0 * g3 + f1 * g2 + f2 * g1 + f3 * g0 + f4 * g9_19 + f5 * g8_19 + f6 * g7_19 + f7 * g6_19 + f8 * g5_19 +
           f9 * g4_19;
    h[4] = f0 * g4 + f1_2 * g3 + f2 * g2 + f3_2 * g1 + f4 * g0 + f5_2 * g9_19 + f6 * g8_19 + f7_2 * g7_19 + f8 * g6_19 +
           f9_2 * g5_19;
    h[5] =
        f0 * g5 + f1 * g4 + f2 * g3 + f3 * g2 + f4 * g1 + f5 * g0 + f6 * g9_19 + f7 * g8_19 + f8 * g7_19 + f9 * g6_19;
    h[6] = f0 * g6 + f1_2 * g5 + f2 * g4 + f3_2 * g3 + f4 * g2 + f5_2 * g1 + f6 * g0 + f7_2 * g9_19 + f8 * g8_19 +
           f9_2 * g7_19;
    h[7] = f0 * g7 + f1 * g6 + f2 * g5 + f3 * g4 + f4 * g3 + f5 * g2 + f6 * g1 + f7 * g0 + f8 * g9_19 + f9 * g8_19;
    h[8] =
        f0 * g8 + f1_2 * g7 + f2 * g6 + f3_2 * g5 + f4 * g4 + f5_2 * g3 + f6 * g2 + f7_2 * g1 + f8 * g0 + f9_2 * g9_19;
    h[9] = f0 * g9 + f1 * g8 + f2 * g7 + f3 * g6 + f4 * g5 + f5 * g4 + f6 * g3 + f7 * g2 + f8 * g1 + f9 * g0;
    carry_all(out, h);
}

void fe_square(struct fe *out, const struct fe *f) {
    int64_t f0 = f->v[0], f1 = f->v[1], f2 = f->v[2], f3 = f->v[3], f4 = f->v[4];
    int64_t f5 = f->v[5], f6 = f->v[6], f7 = f->v[7], f8 = f->v[8], f9 = f->v[9];
    int64_t f0_2 = 2 * f0, f1_2 = 2 * f1, f2_2 = 2 * f2, f3_2 = 2 * f3, f4_2 = 2 * f4, f5_2 = 2 * f5, f7_2 = 2 * f7;
    int64_t f5_38 = 38 * f5, f6_19 = 19 * f6, f6_38 = 38 * f6, f7_38 = 38 * f7, f8_19 = 19 * f8, f8_38 = 38 * f8;
    int64_t f9_38 = 38 * f9;
    int64_t h[10];
    h[0] = f0 * f0 + f1_2 * f9_38 + f2 * f8_38 + f3_2 * f7_38 + f4 * f6_38 + f5 * f5_38;
    h[1] = f0_2 * f1 + f2 * f9_38 + f3 * f8_38 + f4 * f7_38 + f5 * f6_38;
    h[2] = f0_2 * f2 + f1_2 * f1 + f3_2 * f9_38 + f4 * f8_38 + f5_2 * f7_38 + f6 * f6_19;
    h[3] = f0_2 * f3 + f1_2 * f2 + f4 * f9_38 + f5 * f8_38 + f6 * f7_38;
    h[4] = f0_2 * f4 + f1_2 * f3_2 + f2 * f2 + f5_2 * f9_38 + f6 * f8_38 + f7 * f7_38;
    h[5] = f0_2 * f5 + f1_2 * f4 + f2_2 * f3 + f6 * f9_38 + f7 * f8_38;
    h[6] = f0_2 * f6 + f1_2 * f5_2 + f2_2 * f4 + f3_2 * f3 + f7_2 * f9_38 + f8 * f8_19;
    h[7] = f0_2 * f7 + f1_2 * f6 + f2_2 * f5 + f3_2 * f4 + f8 * f9_38;
    h[8] = f0_2 * f8 + f1_2 * f7_2 + f2_2 * f6 + f3_2 * f5_2 + f4 * f4 + f9 * f9_38;
    h[9] = f0_2 * f9 + f1_2 * f8 + f2_2 * f7 + f3_2 * f6 + f4_2 * f5;
    carry_all(out, h);
}

void fe_mul_small(struct fe *out, const struct fe *f, uint32_t factor) {
    int64_t h[10];
    for (size_t i = 0; i < 10; i++)
        h[i] = (int64_t)f->v[i] * factor;
    carry_all(out, h);
}

static void square_times(struct fe *out, const struct fe *f, unsigned times) {
    fe_square(out, f);
    while (--times > 0)
        fe_square(out, out);
}

/* f^(2^250 - 1), and f^11 on the way: the common part of both exponents. */
static void power_2_250_minus_1(struct fe *out, struct fe *f11, const struct fe *f) {
    struct fe a, b, c;
    fe_square(&a, f);        /* 2 */
    square_times(&b, &a, 2); /* 8 */
    fe_mul(&b, &b, f);       /* 9 */
    fe_mul(f11, &a, &b);     /* 11 */
    fe_square(&a, f11);      /* 22 */
    fe_mul(&a, &a, &b);      /* 31 = 2^5 - 1 */
    square_times(&b, &a, 5); /* 2^10 - 2^5 */
    fe_mul(&a, &a, &b);      /* 2^10 - 1 */
    square_times(&b, &a, 10);
    fe_mul(&b, &b, &a); /* 2^20 - 1 */
    square_times(&c, &b, 20);
    fe_mul(&b, &b, &c); /* 2^40 - 1 */
    square_times(&b, &b, 10);
    fe_mul(&a, &a, &b); /* 2^50 - 1 */
    square_times(&b, &a, 50);
    fe_mul(&b, &b, &a); /* 2^100 - 1 */
    square_times(&c, &b, 100);
    fe_mul(&b, &b, &c); /* 2^200 - 1 */
    square_times(&b, &b, 50);
    fe_mul(out, &a, &b); /* 2^250 - 1 */
}

void fe_invert(struct fe *out, const struct fe *f) {
    struct fe a, f11;
    power_2_250_minus_1(&a, &f11, f);
    square_times(&a, &a, 5);
    fe_mul(out, &a, &f11); /* 2^255 - 21 = p - 2 */
}

void fe_power_5_8(struct fe *out, const struct fe *f) {
    struct fe a, f11;
    power_2_250_minus_1(&a, &f11, f);
    square_times(&a, &a, 2);
    fe_mul(out, &a, f); /* 2^252 - 3 = (p - 5) / 8 */
}

uint32_t fe_is_odd(const struct fe *f) {
    uint8_t bytes[32];
    fe_store(bytes, f);
    return bytes[0] & 1u;
}

uint32_t fe_is_zero(const struct fe *f) {
    uint8_t bytes[32];
    uint32_t any = 0;
    fe_store(bytes, f);
    for (size_t i = 0; i < 32; i++)
        any |= bytes[i];
    return (any - 1) >> 31;
}
