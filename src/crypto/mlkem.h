/* ML-KEM-768 (FIPS 203), in C, for OpenSSL 3.0 has none and a browser's WebCrypto neither. Constant time: no branch and
 * no index depends on a secret, and there is no division by secrets.
 *
 * The deterministic inner functions are the interface (FIPS 203 section 6), because HPKE and X-Wing derive keys from
 * seeds; whoever wants a random key draws the seed itself. Nothing allocates. Threads: any. */
#ifndef CONCLAVE_CRYPTO_MLKEM_H
#define CONCLAVE_CRYPTO_MLKEM_H

#include <stdbool.h>
#include <stdint.h>

#define MLKEM768_SEED_LEN 64 /* d || z */
#define MLKEM768_EK_LEN 1184
#define MLKEM768_DK_LEN 2400
#define MLKEM768_CT_LEN 1088
#define MLKEM768_SS_LEN 32
#define MLKEM768_M_LEN 32

/* Algorithm 16, ML-KEM.KeyGen_internal. */
void mlkem768_keygen(const uint8_t seed[MLKEM768_SEED_LEN], uint8_t ek[MLKEM768_EK_LEN], uint8_t dk[MLKEM768_DK_LEN]);
/* The modulus check of section 7.2, which encapsulation makes as well. */
bool mlkem768_ek_valid(const uint8_t ek[MLKEM768_EK_LEN]);
/* Algorithm 17 after the checks of section 7.2: false for a key that fails the modulus check (the length is the
 * type's). */
bool mlkem768_encaps(const uint8_t ek[MLKEM768_EK_LEN], const uint8_t m[MLKEM768_M_LEN], uint8_t ct[MLKEM768_CT_LEN],
                     uint8_t ss[MLKEM768_SS_LEN]);
/* Algorithm 18 after the hash check of section 7.3: false for a key whose H(ek) does not match (never for keys that
 * mlkem768_keygen made). A wrong ciphertext gives the implicit-rejection secret, not an error. */
bool mlkem768_decaps(const uint8_t dk[MLKEM768_DK_LEN], const uint8_t ct[MLKEM768_CT_LEN], uint8_t ss[MLKEM768_SS_LEN]);

#endif
