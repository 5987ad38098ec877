#include "crypto/keccak.h"

#include <string.h>

#include "base/assert.h"
#include "base/secret.h"

#define LANES 25
#define ROUNDS 24
#define PAD_LAST 0x80 /* the last 1 of pad10*1 (FIPS 202 section 5.1) */

/* FIPS 202 section 3.2.5: RC[i] of the iota step. */
static const uint64_t round_constants[ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};

static inline uint64_t rotl(uint64_t x, unsigned n) {
    return x << n | x >> (64 - n);
}

/* chi (section 3.2.4) over one row that rho and pi have brought together. */
static inline void chi(uint64_t *e, uint64_t b0, uint64_t b1, uint64_t b2, uint64_t b3, uint64_t b4) {
    e[0] = b0 ^ (~b1 & b2);
    e[1] = b1 ^ (~b2 & b3);
    e[2] = b2 ^ (~b3 & b4);
    e[3] = b3 ^ (~b4 & b0);
    e[4] = b4 ^ (~b0 & b1);
}

/* One round (section 3.3) from `a` to `e`; lane (x, y) is at x + 5 y. */
static inline __attribute__((always_inline)) void round_of(const uint64_t *a, uint64_t *e, uint64_t constant) {
    uint64_t c0 = a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20], c1 = a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21];
    uint64_t c2 = a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22], c3 = a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23];
    uint64_t c4 = a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24];
    uint64_t d0 = c4 ^ rotl(c1, 1), d1 = c0 ^ rotl(c2, 1), d2 = c1 ^ rotl(c3, 1), d3 = c2 ^ rotl(c4, 1);
    uint64_t d4 = c3 ^ rotl(c0, 1);
    chi(e, a[0] ^ d0, rotl(a[6] ^ d1, 44), rotl(a[12] ^ d2, 43), rotl(a[18] ^ d3, 21), rotl(a[24] ^ d4, 14));
    e[0] ^= constant;
    chi(e + 5, rotl(a[3] ^ d3, 28), rotl(a[9] ^ d4, 20), rotl(a[10] ^ d0, 3), rotl(a[16] ^ d1, 45),
        rotl(a[22] ^ d2, 61));
    chi(e + 10, rotl(a[1] ^ d1, 1), rotl(a[7] ^ d2, 6), rotl(a[13] ^ d3, 25), rotl(a[19] ^ d4, 8),
        rotl(a[20] ^ d0, 18));
    chi(e + 15, rotl(a[4] ^ d4, 27), rotl(a[5] ^ d0, 36), rotl(a[11] ^ d1, 10), rotl(a[17] ^ d2, 15),
        rotl(a[23] ^ d3, 56));
    chi(e + 20, rotl(a[2] ^ d2, 62), rotl(a[8] ^ d3, 55), rotl(a[14] ^ d4, 39), rotl(a[15] ^ d0, 41),
        rotl(a[21] ^ d1, 2));
}

static void permute(uint64_t lanes[LANES]) {
    uint64_t a[LANES], e[LANES];
    memcpy(a, lanes, sizeof a);
    for (size_t i = 0; i < ROUNDS; i += 2) {
        round_of(a, e, round_constants[i]);
        round_of(e, a, round_constants[i + 1]);
    }
    memcpy(lanes, a, sizeof a);
}

static inline uint64_t load64_le(const uint8_t *in) {
    return (uint64_t)in[0] | (uint64_t)in[1] << 8 | (uint64_t)in[2] << 16 | (uint64_t)in[3] << 24 |
           (uint64_t)in[4] << 32 | (uint64_t)in[5] << 40 | (uint64_t)in[6] << 48 | (uint64_t)in[7] << 56;
}

static inline void store64_le(uint8_t *out, uint64_t lane) {
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(lane >> (8 * i));
}

static inline void xor_byte(struct keccak *k, size_t at, uint8_t byte) {
    k->lanes[at / 8] ^= (uint64_t)byte << (8 * (at % 8));
}

void keccak_start(struct keccak *k, enum keccak_kind kind) {
    ASSERT(k != NULL);
    *k = (struct keccak){0};
    switch (kind) {
    case KECCAK_SHA3_256:
    case KECCAK_SHAKE256:
        k->rate_bytes = 136;
        break;
    case KECCAK_SHA3_512:
        k->rate_bytes = 72;
        break;
    case KECCAK_SHAKE128:
        k->rate_bytes = 168;
        break;
    }
    ASSERT(k->rate_bytes > 0);
    /* the domain's bits and the first 1 of the padding (sections 6.1 and 6.2) */
    k->suffix = kind == KECCAK_SHAKE128 || kind == KECCAK_SHAKE256 ? 0x1f : 0x06;
}

void keccak_absorb(struct keccak *k, struct span bytes) {
    ASSERT(k != NULL && k->rate_bytes > 0 && !k->squeezing);
    const uint8_t *in = bytes.data;
    size_t left = bytes.len;
    while (left > 0) {
        if (k->pos % 8 == 0 && left >= 8) {
            k->lanes[k->pos / 8] ^= load64_le(in);
            k->pos = (uint16_t)(k->pos + 8);
            in += 8;
            left -= 8;
        } else {
            xor_byte(k, k->pos++, *in++);
            left--;
        }
        if (k->pos == k->rate_bytes) {
            permute(k->lanes);
            k->pos = 0;
        }
    }
}

void keccak_squeeze(struct keccak *k, uint8_t *out, size_t len) {
    ASSERT(k != NULL && k->rate_bytes > 0 && (out != NULL || len == 0));
    if (!k->squeezing) {
        xor_byte(k, k->pos, k->suffix);
        xor_byte(k, k->rate_bytes - 1u, PAD_LAST);
        k->squeezing = 1;
        k->pos = k->rate_bytes;
    }
    while (len > 0) {
        if (k->pos == k->rate_bytes) {
            permute(k->lanes);
            k->pos = 0;
        }
        if (k->pos % 8 == 0 && len >= 8) {
            store64_le(out, k->lanes[k->pos / 8]);
            k->pos = (uint16_t)(k->pos + 8);
            out += 8;
            len -= 8;
        } else {
            *out++ = (uint8_t)(k->lanes[k->pos / 8] >> (8 * (k->pos % 8)));
            k->pos++;
            len--;
        }
    }
}

void keccak_once(enum keccak_kind kind, const struct span *parts, size_t count, uint8_t *out, size_t out_len) {
    ASSERT(parts != NULL || count == 0);
    struct keccak k;
    keccak_start(&k, kind);
    for (size_t i = 0; i < count; i++)
        keccak_absorb(&k, parts[i]);
    keccak_squeeze(&k, out, out_len);
    secure_wipe(&k, sizeof k);
}
