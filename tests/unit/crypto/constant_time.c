/* Runs what is written in C over secrets that valgrind takes for uninitialised memory: it reports each branch and each
 * address that depends on one. Memory from malloc is such; --malloc-fill=5a gives it a value. Nothing here may look at
 * a result. With the argument "leak" it branches on a secret, which has to be reported: the test of the test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/curve25519.h"
#include "crypto/hmac.h"
#include "crypto/keccak.h"
#include "crypto/mlkem.h"
#include "crypto/nist.h"

#define FILL 0x5a

static uint8_t *secret_of(size_t len) {
    uint8_t *bytes = malloc(len);
    ASSERT(bytes != NULL);
    __asm__ volatile("" : : "r"(bytes) : "memory"); /* a compiler may think anything of memory that nobody wrote */
    return bytes;
}

static void run_mlkem(void) {
    static uint8_t seed[MLKEM768_SEED_LEN], ek[MLKEM768_EK_LEN], dk[MLKEM768_DK_LEN], ct[MLKEM768_CT_LEN];
    static uint8_t secret_ek[MLKEM768_EK_LEN], secret_dk[MLKEM768_DK_LEN], secret_ct[MLKEM768_CT_LEN];
    uint8_t m[MLKEM768_M_LEN] = {1}, ss[MLKEM768_SS_LEN];
    uint8_t *secret_seed = secret_of(MLKEM768_SEED_LEN), *secret_m = secret_of(MLKEM768_M_LEN);
    /* the same key from a seed that is known: what is public about it is taken from here */
    memset(seed, FILL, sizeof seed);
    mlkem768_keygen(seed, ek, dk);
    bool ok = mlkem768_encaps(ek, m, ct, ss);
    ASSERT(ok);
    mlkem768_keygen(secret_seed, secret_ek, secret_dk);
    memcpy(secret_dk + 1152, dk + 1152, MLKEM768_EK_LEN + 32); /* ek and its hash */
    ok = mlkem768_decaps(secret_dk, ct, ss);
    ASSERT(ok);
    ct[3] ^= 1;
    ok = mlkem768_decaps(secret_dk, ct, ss); /* implicit rejection */
    ASSERT(ok);
    ok = mlkem768_encaps(ek, secret_m, secret_ct, ss);
    ASSERT(ok);
    free(secret_seed);
    free(secret_m);
}

static void run_curve25519(void) {
    uint8_t *key = secret_of(32), peer[32] = {9}, out[32], signature[64];
    x25519_public(key, out);
    volatile bool good = x25519(key, peer, out);
    (void)good;
    ed25519_public(key, out);
    ed25519_sign(key, span_str("message"), signature);
    free(key);
}

static void run_rest(void) {
    uint8_t *key = secret_of(66), out[64];
    struct span parts[] = {span_of(key, 66), span_str("text")};
    for (enum hmac_hash hash = HMAC_SHA256; hash <= HMAC_SHA512; hash++) {
        sha_parts(hash, parts, 2, out);
        hmac_once(hash, parts[0], parts[1], out);
    }
    keccak_once(KECCAK_SHAKE256, parts, 2, out, sizeof out);
    volatile bool valid = nist_scalar_valid(NIST_P256, key);
    valid = nist_scalar_valid(NIST_P521, key);
    (void)valid;
    free(key);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "leak") == 0) {
        uint8_t *key = secret_of(1);
        printf("%s\n", key[0] == FILL ? "as filled" : "not run by valgrind with --malloc-fill=5a");
        free(key);
        return 0;
    }
    run_mlkem();
    run_curve25519();
    run_rest();
    return 0;
}
