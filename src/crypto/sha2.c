#include "crypto/sha2.h"

#include <string.h>

#include "base/assert.h"

/* Section 4.2.3: the first 64 bits of the fractional parts of the cube roots of the first eighty primes. SHA-256 takes
 * the upper halves of the first 64 of them (section 4.2.2). */
static const uint64_t round_constants[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
    0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
    0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
    0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
    0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
    0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
    0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
    0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
    0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
    0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
    0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
    0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
    0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817};

/* Section 5.3: square roots of the first eight primes, and (SHA-384) of the ninth to the sixteenth. SHA-256 takes the
 * upper halves. */
static const uint64_t start_512[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                                      0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
static const uint64_t start_384[8] = {0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
                                      0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4};

static inline uint32_t rotr32(uint32_t x, unsigned n) {
    return x >> n | x << (32 - n);
}

static inline uint64_t rotr64(uint64_t x, unsigned n) {
    return x >> n | x << (64 - n);
}

static inline uint32_t load32_be(const uint8_t *in) {
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static inline uint64_t load64_be(const uint8_t *in) {
    return (uint64_t)load32_be(in) << 32 | load32_be(in + 4);
}

/* Section 6.2.2. The message schedule is kept as a window of sixteen words, the inner loop is for the
 * compiler to unroll. */
static void block_256(uint32_t h[8], const uint8_t *block) {
    uint32_t w[16], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], last = h[7];
    for (size_t t = 0; t < 16; t++)
        w[t] = load32_be(block + 4 * t);
    for (size_t t = 0; t < 64; t += 16) {
        for (size_t i = 0; i < 16; i++) {
            uint32_t t1 = last + (rotr32(e, 6) ^ rotr32(e, 11) ^ rotr32(e, 25)) + ((e & f) ^ (~e & g)) +
                          (uint32_t)(round_constants[t + i] >> 32) + w[i];
            uint32_t t2 = (rotr32(a, 2) ^ rotr32(a, 13) ^ rotr32(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            uint32_t w1 = w[(i + 1) % 16], w14 = w[(i + 14) % 16];
            w[i] += (rotr32(w1, 7) ^ rotr32(w1, 18) ^ w1 >> 3) + w[(i + 9) % 16] +
                    (rotr32(w14, 17) ^ rotr32(w14, 19) ^ w14 >> 10);
            last = g;
            g = f;
            f = e;
            e = d + t1;
            d = c;
            c = b;
            b = a;
            a = t1 + t2;
        }
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
    h[5] += f;
    h[6] += g;
    h[7] += last;
}

/* Section 6.4.2. */
static void block_512(uint64_t h[8], const uint8_t *block) {
    uint64_t w[16], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], last = h[7];
    for (size_t t = 0; t < 16; t++)
        w[t] = load64_be(block + 8 * t);
    for (size_t t = 0; t < 80; t += 16) {
        for (size_t i = 0; i < 16; i++) {
            uint64_t t1 = last + (rotr64(e, 14) ^ rotr64(e, 18) ^ rotr64(e, 41)) + ((e & f) ^ (~e & g)) +
                          round_constants[t + i] + w[i];
            uint64_t t2 = (rotr64(a, 28) ^ rotr64(a, 34) ^ rotr64(a, 39)) + ((a & b) ^ (a & c) ^ (b & c));
            uint64_t w1 = w[(i + 1) % 16], w14 = w[(i + 14) % 16];
            w[i] += (rotr64(w1, 1) ^ rotr64(w1, 8) ^ w1 >> 7) + w[(i + 9) % 16] +
                    (rotr64(w14, 19) ^ rotr64(w14, 61) ^ w14 >> 6);
            last = g;
            g = f;
            f = e;
            e = d + t1;
            d = c;
            c = b;
            b = a;
            a = t1 + t2;
        }
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
    h[5] += f;
    h[6] += g;
    h[7] += last;
}

static size_t block_len(const struct sha2 *s) {
    return s->kind == SHA2_256 ? 64 : 128;
}

static void add_block(struct sha2 *s, const uint8_t *block) {
    if (s->kind == SHA2_256)
        block_256(s->h32, block);
    else
        block_512(s->h64, block);
}

void sha2_start(struct sha2 *s, enum sha2_kind kind) {
    ASSERT(s != NULL);
    ASSERT(kind == SHA2_256 || kind == SHA2_384 || kind == SHA2_512);
    s->kind = (uint8_t)kind;
    s->len_bytes = 0;
    for (size_t i = 0; i < 8; i++) {
        if (kind == SHA2_256)
            s->h32[i] = (uint32_t)(start_512[i] >> 32);
        else
            s->h64[i] = kind == SHA2_384 ? start_384[i] : start_512[i];
    }
}

void sha2_add(struct sha2 *s, const uint8_t *data, size_t len) {
    ASSERT(s != NULL && (data != NULL || len == 0));
    size_t size = block_len(s), pos = (size_t)(s->len_bytes % size);
    s->len_bytes += len;
    if (pos > 0 && len > 0) {
        size_t some = len < size - pos ? len : size - pos;
        memcpy(s->block + pos, data, some);
        if (pos + some < size)
            return;
        add_block(s, s->block);
        data += some;
        len -= some;
    }
    for (; len >= size; data += size, len -= size)
        add_block(s, data);
    if (len > 0)
        memcpy(s->block, data, len);
}

/* Padding of section 5.1: a 1, zeros, and the length in bits, whose upper bytes are zero here. */
void sha2_finish(struct sha2 *s, uint8_t *out) {
    ASSERT(s != NULL && out != NULL);
    size_t size = block_len(s), pos = (size_t)(s->len_bytes % size), length_at = size - (size == 64 ? 8 : 16);
    s->block[pos++] = 0x80;
    if (pos > length_at) {
        memset(s->block + pos, 0, size - pos);
        add_block(s, s->block);
        pos = 0;
    }
    memset(s->block + pos, 0, size - pos);
    uint64_t bits = s->len_bytes * 8;
    for (size_t i = 0; i < 8; i++)
        s->block[size - 1 - i] = (uint8_t)(bits >> (8 * i));
    add_block(s, s->block);
    if (s->kind == SHA2_256) {
        for (size_t i = 0; i < 32; i++)
            out[i] = (uint8_t)(s->h32[i / 4] >> (24 - 8 * (i % 4)));
    } else {
        for (size_t i = 0; i < (s->kind == SHA2_384 ? 48u : 64u); i++)
            out[i] = (uint8_t)(s->h64[i / 8] >> (56 - 8 * (i % 8)));
    }
}
