/* ML-KEM-768: any bytes as a key, a ciphertext, a seed. A key is taken exactly when its numbers are below q; what was
 * encapsulated comes out again; a changed ciphertext gives the secret of implicit rejection, which is recomputed here.
 */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "crypto/keccak.h"
#include "crypto/mlkem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENCAPSULATE, ROUND_TRIP, DECAPSULATE, KINDS };

/* As many bytes as there are, then zeros. */
static void take(struct reader *r, uint8_t *out, size_t len) {
    size_t some = reader_left(r) < len ? reader_left(r) : len;
    memset(out, 0, len);
    rd_copy(r, out, some);
}

static bool numbers_below_q(const uint8_t *ek) {
    for (size_t i = 0; i < 3 * 384; i += 3) {
        unsigned a = ek[i] | (ek[i + 1] & 15u) << 8, b = ek[i + 1] >> 4 | (unsigned)ek[i + 2] << 4;
        if (a >= 3329 || b >= 3329)
            return false;
    }
    return true;
}

static void encapsulate(struct reader *r) {
    static uint8_t ek[MLKEM768_EK_LEN], m[MLKEM768_M_LEN], ct[MLKEM768_CT_LEN], ss[MLKEM768_SS_LEN];
    take(r, ek, sizeof ek);
    take(r, m, sizeof m);
    bool taken = mlkem768_encaps(ek, m, ct, ss);
    ASSERT(taken == numbers_below_q(ek) && taken == mlkem768_ek_valid(ek));
}

static void check_rejection(const uint8_t *dk, const uint8_t *ct, const uint8_t *got) {
    uint8_t expected[MLKEM768_SS_LEN];
    struct span parts[] = {span_of(dk + MLKEM768_DK_LEN - 32, 32), span_of(ct, MLKEM768_CT_LEN)};
    keccak_once(KECCAK_SHAKE256, parts, 2, expected, sizeof expected);
    ASSERT(memcmp(expected, got, sizeof expected) == 0);
}

static void round_trip(struct reader *r) {
    static uint8_t seed[MLKEM768_SEED_LEN], m[MLKEM768_M_LEN], ek[MLKEM768_EK_LEN], dk[MLKEM768_DK_LEN];
    static uint8_t ct[MLKEM768_CT_LEN], sent[MLKEM768_SS_LEN], got[MLKEM768_SS_LEN];
    take(r, seed, sizeof seed);
    take(r, m, sizeof m);
    mlkem768_keygen(seed, ek, dk);
    bool ok = mlkem768_encaps(ek, m, ct, sent) && mlkem768_decaps(dk, ct, got);
    ASSERT(ok && memcmp(sent, got, sizeof sent) == 0);
    bool changed = false;
    while (reader_left(r) >= 3) {
        uint16_t place = rd_u16(r);
        uint8_t bits = rd_u8(r);
        ct[place % sizeof ct] ^= bits;
        changed = changed || bits != 0;
    }
    ok = mlkem768_decaps(dk, ct, got);
    ASSERT(ok);
    if (changed && memcmp(sent, got, sizeof sent) != 0)
        check_rejection(dk, ct, got);
}

/* A private key that nobody made, but whose hash fits: decapsulation has to end well. */
static void decapsulate(struct reader *r) {
    static uint8_t dk[MLKEM768_DK_LEN], ct[MLKEM768_CT_LEN], ss[MLKEM768_SS_LEN];
    take(r, dk, sizeof dk);
    take(r, ct, sizeof ct);
    (void)mlkem768_decaps(dk, ct, ss);
    struct span ek = span_of(dk + 3 * 384, MLKEM768_EK_LEN);
    keccak_once(KECCAK_SHA3_256, &ek, 1, dk + 3 * 384 + MLKEM768_EK_LEN, 32);
    bool ok = mlkem768_decaps(dk, ct, ss);
    ASSERT(ok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(data, size);
    switch (rd_u8(&r) % KINDS) {
    case ENCAPSULATE:
        encapsulate(&r);
        break;
    case ROUND_TRIP:
        round_trip(&r);
        break;
    default:
        decapsulate(&r);
        break;
    }
    return 0;
}
