/* FIPS 203 with k = 3, eta1 = eta2 = 2, du = 10, dv = 4. Numbers of algorithms and sections are the standard's.
 *
 * Coefficients are 16-bit signed numbers that stand for their class modulo q and are made canonical only when they are
 * written out. A "bound" in a comment is on the absolute value. Products are reduced by Montgomery's method with
 * R = 2^16, sums by Barrett's; both are multiplications and shifts only. */
#include "crypto/mlkem.h"

#include <string.h>

#include "base/assert.h"
#include "base/secret.h"
#include "crypto/keccak.h"

#define N 256
#define Q 3329
#define K 3
#define Q_INVERSE_MOD_R (-3327) /* Q * -3327 = 1 modulo 2^16 */
#define R_SQUARED 1353          /* 2^32 modulo Q */
#define R_SQUARED_OVER_128 1441 /* 2^32 / 128 modulo Q */
#define POLY12_LEN 384          /* ByteEncode_12 of one polynomial */
#define POLY10_LEN 320
#define POLY4_LEN 128
#define DK_PKE_LEN (K * POLY12_LEN)
#define RHO_LEN 32
#define SIGMA_LEN 32

_Static_assert(MLKEM768_EK_LEN == DK_PKE_LEN + RHO_LEN, "section 8, table 3");
_Static_assert(MLKEM768_DK_LEN == DK_PKE_LEN + MLKEM768_EK_LEN + 32 + 32, "section 8, table 3");
_Static_assert(MLKEM768_CT_LEN == K * POLY10_LEN + POLY4_LEN, "section 8, table 3");

struct poly {
    int16_t c[N];
};

struct poly_vec {
    struct poly p[K];
};

/* 17^BitRev7(i) times R modulo Q, in [-Q/2, Q/2] (section 4.3 and appendix A). */
static const int16_t zetas[128] = {
    -1044, -758,  -359,  -1517, 1493,  1422,  287,   202,   -171,  622,  1577,  182,   962,   -1202, -1474, 1468,
    573,   -1325, 264,   383,   -829,  1458,  -1602, -130,  -681,  1017, 732,   608,   -1542, 411,   -205,  -1571,
    1223,  652,   -552,  1015,  -1293, 1491,  -282,  -1544, 516,   -8,   -320,  -666,  -1618, -1162, 126,   1469,
    -853,  -90,   -271,  830,   107,   -1421, -247,  -951,  -398,  961,  -1508, -725,  448,   -1065, 677,   -1275,
    -1103, 430,   555,   843,   -1251, 871,   1550,  105,   422,   587,  177,   -235,  -291,  -460,  1574,  1653,
    -246,  778,   1159,  -147,  -777,  1483,  -602,  1119,  -1590, 644,  -872,  349,   418,   329,   -156,  -75,
    817,   1097,  603,   610,   1322,  -1285, -1465, 384,   -1215, -136, 1218,  -1335, -874,  220,   -1187, -1659,
    -1185, -1530, -1278, 794,   -1510, -854,  -870,  478,   -108,  -308, 996,   991,   958,   -1460, 1522,  1628};

/* ---- arithmetic modulo q -------------------------------------------------------------------------------------- */

/* a / R modulo Q, bound Q - 1, for |a| < Q * 2^15. */
static inline int16_t montgomery(int32_t a) {
    int16_t t = (int16_t)((int16_t)a * Q_INVERSE_MOD_R);
    return (int16_t)((a - (int32_t)t * Q) >> 16);
}

static inline int16_t multiply(int16_t a, int16_t b) {
    return montgomery((int32_t)a * b);
}

/* The same class with bound Q / 2. 20159 is 2^26 / Q, rounded. */
static inline int16_t barrett(int16_t a) {
    int32_t t = ((int32_t)20159 * a + (1 << 25)) >> 26;
    return (int16_t)(a - t * Q);
}

/* The class's number in [0, Q). */
static inline uint16_t canonical(int16_t a) {
    int16_t reduced = barrett(a);
    return (uint16_t)(reduced + ((reduced >> 15) & Q));
}

static void poly_reduce(struct poly *f) {
    for (size_t i = 0; i < N; i++)
        f->c[i] = barrett(f->c[i]);
}

static void poly_add(struct poly *f, const struct poly *g) {
    for (size_t i = 0; i < N; i++)
        f->c[i] = (int16_t)(f->c[i] + g->c[i]);
}

/* ---- NTT (section 4.3) ------------------------------------------------------------------------------------------ */

/* Algorithm 9. Bound Q before, 8 Q (< 2^15) after the seven layers, Q / 2 at the end. */
static void ntt(struct poly *f) {
    size_t i = 1;
    for (size_t len = 128; len >= 2; len /= 2) {
        for (size_t start = 0; start < N; start += 2 * len) {
            int16_t zeta = zetas[i++];
            for (size_t j = start; j < start + len; j++) {
                int16_t t = multiply(zeta, f->c[j + len]);
                f->c[j + len] = (int16_t)(f->c[j] - t);
                f->c[j] = (int16_t)(f->c[j] + t);
            }
        }
    }
    poly_reduce(f);
}

/* Algorithm 10, times R: undoes the 1 / R that the products before it have left. Bound Q before and after. A layer
 * doubles the bound of sums; they are reduced at the third and the sixth. */
static void ntt_inverse(struct poly *f) {
    size_t i = 127;
    for (size_t len = 2; len <= 128; len *= 2) {
        for (size_t start = 0; start < N; start += 2 * len) {
            int16_t zeta = zetas[i--];
            for (size_t j = start; j < start + len; j++) {
                int16_t t = f->c[j];
                f->c[j] = (int16_t)(t + f->c[j + len]);
                f->c[j + len] = multiply(zeta, (int16_t)(f->c[j + len] - t));
            }
        }
        if (len == 8 || len == 64)
            poly_reduce(f);
    }
    for (size_t j = 0; j < N; j++)
        f->c[j] = multiply(f->c[j], R_SQUARED_OVER_128);
}

/* Algorithms 11 and 12 for a sum of products: acc += f * g over R, unreduced. With bounds 4095 and Q / 2 for f and g
 * (and Q for g's second coefficients times gamma), K terms stay below Q * 2^15. */
static void multiply_add(int32_t acc[N], const struct poly *f, const struct poly *g) {
    for (size_t i = 0; i < N / 4; i++) {
        int16_t zeta = zetas[64 + i];
        const int16_t *a = &f->c[4 * i], *b = &g->c[4 * i];
        int32_t *sum = &acc[4 * i];
        sum[0] += a[0] * b[0] + a[1] * multiply(b[1], zeta);
        sum[1] += a[0] * b[1] + a[1] * b[0];
        sum[2] += a[2] * b[2] - a[3] * multiply(b[3], zeta);
        sum[3] += a[2] * b[3] + a[3] * b[2];
    }
}

static void reduce_sums(struct poly *f, const int32_t acc[N]) {
    for (size_t i = 0; i < N; i++)
        f->c[i] = montgomery(acc[i]);
}

/* Sum of products of two vectors, over R. */
static void dot(struct poly *out, const struct poly_vec *f, const struct poly_vec *g) {
    int32_t acc[N] = {0};
    for (size_t i = 0; i < K; i++)
        multiply_add(acc, &f->p[i], &g->p[i]);
    reduce_sums(out, acc);
    secure_wipe(acc, sizeof acc);
}

/* ---- encoding (section 4.2.1) ----------------------------------------------------------------------------------- */

/* Algorithm 5, ByteEncode_12. */
static void encode12(const struct poly *f, uint8_t out[POLY12_LEN]) {
    for (size_t i = 0; i < N / 2; i++) {
        uint16_t a = canonical(f->c[2 * i]), b = canonical(f->c[2 * i + 1]);
        out[3 * i] = (uint8_t)a;
        out[3 * i + 1] = (uint8_t)(a >> 8 | b << 4);
        out[3 * i + 2] = (uint8_t)(b >> 4);
    }
}

/* Algorithm 6, ByteDecode_12, without its reduction modulo q: bound 4095. */
static void decode12(struct poly *f, const uint8_t in[POLY12_LEN]) {
    for (size_t i = 0; i < N / 2; i++) {
        f->c[2 * i] = (int16_t)(in[3 * i] | (in[3 * i + 1] & 15) << 8);
        f->c[2 * i + 1] = (int16_t)(in[3 * i + 1] >> 4 | in[3 * i + 2] << 4);
    }
}

/* Compress_d: 2^d / q * x, rounded, modulo 2^d. (2^d x + q / 2) / q by multiplication with 2^20 / q (d = 1, 4) or
 * 2^29 / q (d = 10), rounded up: exact for every x in [0, q). */
static inline uint32_t compress1(uint16_t x) {
    return ((((uint32_t)x << 1) + Q / 2) * 315 >> 20) & 1;
}

static inline uint32_t compress4(uint16_t x) {
    return ((((uint32_t)x << 4) + Q / 2) * 315 >> 20) & 15;
}

static inline uint32_t compress10(uint16_t x) {
    return (uint32_t)((((uint64_t)x << 10) + Q / 2) * 161271 >> 29) & 1023;
}

static void compress_encode10(const struct poly *f, uint8_t out[POLY10_LEN]) {
    for (size_t i = 0; i < N / 4; i++, out += 5) {
        uint32_t a = compress10(canonical(f->c[4 * i])), b = compress10(canonical(f->c[4 * i + 1]));
        uint32_t c = compress10(canonical(f->c[4 * i + 2])), d = compress10(canonical(f->c[4 * i + 3]));
        out[0] = (uint8_t)a;
        out[1] = (uint8_t)(a >> 8 | b << 2);
        out[2] = (uint8_t)(b >> 6 | c << 4);
        out[3] = (uint8_t)(c >> 4 | d << 6);
        out[4] = (uint8_t)(d >> 2);
    }
}

/* Decompress_d: q / 2^d * y, rounded. */
static void decode_decompress10(struct poly *f, const uint8_t in[POLY10_LEN]) {
    for (size_t i = 0; i < N / 4; i++, in += 5) {
        uint32_t y[4] = {in[0] | (in[1] & 3u) << 8, in[1] >> 2 | (in[2] & 15u) << 6, in[2] >> 4 | (in[3] & 63u) << 4,
                         in[3] >> 6 | (uint32_t)in[4] << 2};
        for (size_t j = 0; j < 4; j++)
            f->c[4 * i + j] = (int16_t)((y[j] * Q + 512) >> 10);
    }
}

static void compress_encode4(const struct poly *f, uint8_t out[POLY4_LEN]) {
    for (size_t i = 0; i < N / 2; i++)
        out[i] = (uint8_t)(compress4(canonical(f->c[2 * i])) | compress4(canonical(f->c[2 * i + 1])) << 4);
}

static void decode_decompress4(struct poly *f, const uint8_t in[POLY4_LEN]) {
    for (size_t i = 0; i < N / 2; i++) {
        f->c[2 * i] = (int16_t)(((in[i] & 15u) * Q + 8) >> 4);
        f->c[2 * i + 1] = (int16_t)(((in[i] >> 4) * (uint32_t)Q + 8) >> 4);
    }
}

static void compress_encode1(const struct poly *f, uint8_t out[MLKEM768_M_LEN]) {
    memset(out, 0, MLKEM768_M_LEN);
    for (size_t i = 0; i < N; i++)
        out[i / 8] = (uint8_t)(out[i / 8] | compress1(canonical(f->c[i])) << (i % 8));
}

static void decode_decompress1(struct poly *f, const uint8_t in[MLKEM768_M_LEN]) {
    for (size_t i = 0; i < N; i++) {
        int16_t bit = (int16_t)(in[i / 8] >> (i % 8) & 1);
        f->c[i] = (int16_t)(-bit & ((Q + 1) / 2));
    }
}

/* ---- sampling (section 4.2.2) ----------------------------------------------------------------------------------- */

/* Algorithm 7, SampleNTT of rho || column || row. The seed and what comes of it are public: this, and nothing else
 * here, may branch on its numbers. Not inlined, so that the test of constant time can name it as the exception. */
static __attribute__((noinline)) void sample_ntt(struct poly *f, const uint8_t rho[RHO_LEN], uint8_t column,
                                                 uint8_t row) {
    uint8_t block[168]; /* SHAKE128's rate, a multiple of 3 */
    const uint8_t place[2] = {column, row};
    struct keccak k;
    keccak_start(&k, KECCAK_SHAKE128);
    keccak_absorb(&k, span_of(rho, RHO_LEN));
    keccak_absorb(&k, span_of(place, sizeof place));
    for (size_t j = 0; j < N;) {
        keccak_squeeze(&k, block, sizeof block);
        for (size_t i = 0; i < sizeof block && j < N; i += 3) {
            uint16_t d1 = (uint16_t)(block[i] | (block[i + 1] & 15) << 8);
            uint16_t d2 = (uint16_t)(block[i + 1] >> 4 | block[i + 2] << 4);
            if (d1 < Q)
                f->c[j++] = (int16_t)d1;
            if (d2 < Q && j < N)
                f->c[j++] = (int16_t)d2;
        }
    }
}

/* Algorithm 8, SamplePolyCBD_2 of PRF_2(seed, nonce) (section 4.1). Bound 2. */
static void sample_cbd(struct poly *f, const uint8_t seed[32], uint8_t nonce) {
    uint8_t bytes[128];
    struct span parts[] = {span_of(seed, 32), span_of(&nonce, 1)};
    keccak_once(KECCAK_SHAKE256, parts, 2, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        uint8_t pairs = (uint8_t)((bytes[i] & 0x55) + (bytes[i] >> 1 & 0x55)); /* four sums of two bits */
        f->c[2 * i] = (int16_t)((pairs & 3) - (pairs >> 2 & 3));
        f->c[2 * i + 1] = (int16_t)((pairs >> 4 & 3) - (pairs >> 6));
    }
    secure_wipe(bytes, sizeof bytes);
}

static void sample_vec(struct poly_vec *f, const uint8_t seed[32], uint8_t first_nonce) {
    for (uint8_t i = 0; i < K; i++)
        sample_cbd(&f->p[i], seed, (uint8_t)(first_nonce + i));
}

static void ntt_vec(struct poly_vec *f) {
    for (size_t i = 0; i < K; i++)
        ntt(&f->p[i]);
}

/* One row of A-hat (or of its transpose) times a vector, over R. */
static void matrix_row(struct poly *out, const uint8_t rho[RHO_LEN], uint8_t row, bool transposed,
                       const struct poly_vec *f) {
    int32_t acc[N] = {0};
    struct poly a;
    for (uint8_t j = 0; j < K; j++) {
        if (transposed)
            sample_ntt(&a, rho, row, j);
        else
            sample_ntt(&a, rho, j, row);
        multiply_add(acc, &a, &f->p[j]);
    }
    reduce_sums(out, acc);
    secure_wipe(acc, sizeof acc);
}

/* ---- K-PKE (section 5) ------------------------------------------------------------------------------------------ */

/* Algorithm 13. */
static void pke_keygen(const uint8_t d[32], uint8_t ek[MLKEM768_EK_LEN], uint8_t dk_pke[DK_PKE_LEN]) {
    uint8_t seeds[RHO_LEN + SIGMA_LEN];
    const uint8_t rank = K;
    struct span parts[] = {span_of(d, 32), span_of(&rank, 1)};
    keccak_once(KECCAK_SHA3_512, parts, 2, seeds, sizeof seeds);
    const uint8_t *rho = seeds, *sigma = seeds + RHO_LEN;
    struct poly_vec s, e;
    sample_vec(&s, sigma, 0);
    sample_vec(&e, sigma, K);
    ntt_vec(&s);
    ntt_vec(&e);
    for (uint8_t i = 0; i < K; i++) {
        struct poly t;
        matrix_row(&t, rho, i, false, &s);
        for (size_t j = 0; j < N; j++)
            t.c[j] = multiply(t.c[j], R_SQUARED);
        poly_add(&t, &e.p[i]);
        encode12(&t, ek + i * POLY12_LEN);
        encode12(&s.p[i], dk_pke + i * POLY12_LEN);
    }
    memcpy(ek + K * POLY12_LEN, rho, RHO_LEN);
    secure_wipe(seeds, sizeof seeds);
    secure_wipe(&s, sizeof s);
    secure_wipe(&e, sizeof e);
}

/* Algorithm 14. */
static void pke_encrypt(const uint8_t ek[MLKEM768_EK_LEN], const uint8_t m[MLKEM768_M_LEN], const uint8_t r[32],
                        uint8_t ct[MLKEM768_CT_LEN]) {
    const uint8_t *rho = ek + K * POLY12_LEN;
    struct poly_vec y, t;
    struct poly e, u, message;
    sample_vec(&y, r, 0);
    ntt_vec(&y);
    for (uint8_t i = 0; i < K; i++) {
        matrix_row(&u, rho, i, true, &y);
        ntt_inverse(&u);
        sample_cbd(&e, r, (uint8_t)(K + i));
        poly_add(&u, &e);
        compress_encode10(&u, ct + i * POLY10_LEN);
        decode12(&t.p[i], ek + i * POLY12_LEN);
    }
    dot(&u, &t, &y);
    ntt_inverse(&u);
    sample_cbd(&e, r, 2 * K);
    decode_decompress1(&message, m);
    poly_add(&u, &e);
    poly_add(&u, &message);
    compress_encode4(&u, ct + K * POLY10_LEN);
    secure_wipe(&y, sizeof y);
    secure_wipe(&e, sizeof e);
    secure_wipe(&u, sizeof u);
    secure_wipe(&message, sizeof message);
}

/* Algorithm 15. */
static void pke_decrypt(const uint8_t dk_pke[DK_PKE_LEN], const uint8_t ct[MLKEM768_CT_LEN],
                        uint8_t m[MLKEM768_M_LEN]) {
    struct poly_vec s, u;
    struct poly v, w;
    for (size_t i = 0; i < K; i++) {
        decode12(&s.p[i], dk_pke + i * POLY12_LEN);
        decode_decompress10(&u.p[i], ct + i * POLY10_LEN);
    }
    decode_decompress4(&v, ct + K * POLY10_LEN);
    ntt_vec(&u);
    dot(&w, &s, &u);
    ntt_inverse(&w);
    for (size_t i = 0; i < N; i++)
        w.c[i] = (int16_t)(v.c[i] - w.c[i]);
    compress_encode1(&w, m);
    secure_wipe(&s, sizeof s);
    secure_wipe(&w, sizeof w);
}

/* ---- ML-KEM (section 6) ----------------------------------------------------------------------------------------- */

/* H of section 4.1. */
static void hash_h(const uint8_t *in, size_t len, uint8_t out[32]) {
    struct span part = span_of(in, len);
    keccak_once(KECCAK_SHA3_256, &part, 1, out, 32);
}

/* (K, r) = G(m || h). */
static void hash_g(const uint8_t m[MLKEM768_M_LEN], const uint8_t h[32], uint8_t out[64]) {
    struct span parts[] = {span_of(m, MLKEM768_M_LEN), span_of(h, 32)};
    keccak_once(KECCAK_SHA3_512, parts, 2, out, 64);
}

void mlkem768_keygen(const uint8_t seed[MLKEM768_SEED_LEN], uint8_t ek[MLKEM768_EK_LEN], uint8_t dk[MLKEM768_DK_LEN]) {
    ASSERT(seed != NULL && ek != NULL && dk != NULL);
    uint8_t *h = dk + DK_PKE_LEN + MLKEM768_EK_LEN;
    pke_keygen(seed, ek, dk);
    memcpy(dk + DK_PKE_LEN, ek, MLKEM768_EK_LEN);
    hash_h(ek, MLKEM768_EK_LEN, h);
    memcpy(h + 32, seed + 32, 32);
}

bool mlkem768_ek_valid(const uint8_t ek[MLKEM768_EK_LEN]) {
    ASSERT(ek != NULL);
    bool valid = true;
    for (size_t i = 0; i < K; i++) {
        struct poly t;
        decode12(&t, ek + i * POLY12_LEN);
        for (size_t j = 0; j < N; j++)
            valid = valid && t.c[j] < Q;
    }
    return valid;
}

bool mlkem768_encaps(const uint8_t ek[MLKEM768_EK_LEN], const uint8_t m[MLKEM768_M_LEN], uint8_t ct[MLKEM768_CT_LEN],
                     uint8_t ss[MLKEM768_SS_LEN]) {
    ASSERT(ek != NULL && m != NULL && ct != NULL && ss != NULL);
    uint8_t h[32], key_and_r[64];
    if (!mlkem768_ek_valid(ek))
        return false;
    hash_h(ek, MLKEM768_EK_LEN, h);
    hash_g(m, h, key_and_r);
    pke_encrypt(ek, m, key_and_r + 32, ct);
    memcpy(ss, key_and_r, MLKEM768_SS_LEN);
    secure_wipe(key_and_r, sizeof key_and_r);
    return true;
}

/* 0xff when the two are equal, else 0, without a branch. */
static uint8_t equal_mask(const uint8_t *a, const uint8_t *b, size_t len) {
    uint32_t difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= (uint32_t)(a[i] ^ b[i]);
    uint32_t mask = (difference - 1) >> 8; /* all ones below the top byte when there is no difference */
    __asm__("" : "+r"(mask));              /* the compiler must not find out that it has two values only */
    return (uint8_t)mask;
}

bool mlkem768_decaps(const uint8_t dk[MLKEM768_DK_LEN], const uint8_t ct[MLKEM768_CT_LEN],
                     uint8_t ss[MLKEM768_SS_LEN]) {
    ASSERT(dk != NULL && ct != NULL && ss != NULL);
    const uint8_t *ek = dk + DK_PKE_LEN, *h = ek + MLKEM768_EK_LEN, *z = h + 32;
    uint8_t own_h[32], m[MLKEM768_M_LEN], key_and_r[64], again[MLKEM768_CT_LEN], rejected[MLKEM768_SS_LEN];
    hash_h(ek, MLKEM768_EK_LEN, own_h);
    if (memcmp(own_h, h, sizeof own_h) != 0) /* both public */
        return false;
    pke_decrypt(dk, ct, m);
    hash_g(m, h, key_and_r);
    struct span parts[] = {span_of(z, 32), span_of(ct, MLKEM768_CT_LEN)};
    keccak_once(KECCAK_SHAKE256, parts, 2, rejected, sizeof rejected); /* J of section 4.1 */
    pke_encrypt(ek, m, key_and_r + 32, again);
    uint8_t mask = equal_mask(ct, again, sizeof again);
    for (size_t i = 0; i < MLKEM768_SS_LEN; i++)
        ss[i] = (uint8_t)((key_and_r[i] & mask) | (rejected[i] & ~mask));
    secure_wipe(m, sizeof m);
    secure_wipe(key_and_r, sizeof key_and_r);
    secure_wipe(again, sizeof again);
    secure_wipe(rejected, sizeof rejected);
    return true;
}
