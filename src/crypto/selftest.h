/* Known-answer tests of every primitive, through the very backends that will be used. Run once by the server before it
 * opens a socket, and by the WebAssembly module when it starts: a broken library or CPU feature shows here and not as
 * noise at the receivers. Each answers NULL when all is well, else the name of what failed, and may allocate. */
#ifndef CONCLAVE_CRYPTO_SELFTEST_H
#define CONCLAVE_CRYPTO_SELFTEST_H

#include <stdbool.h>

#include "crypto/backend.h"

/* Natively: what the media path relies on. Takes well under a millisecond. */
const char *crypto_self_test(void);
/* What every group of the end-to-end library relies on: hashes, HMAC, AEADs, X25519, Ed25519, ML-KEM-768, X-Wing, HPKE.
 * Takes 2 ms natively; in a browser ten times that while everything is compiled for the first time. */
const char *crypto_self_test_backend(const struct crypto_backend *crypto);
/* The other curves: 15 ms natively, several hundred in JavaScript, hence for those who are about to use one. */
const char *crypto_self_test_curves(const struct crypto_backend *crypto);

#endif
