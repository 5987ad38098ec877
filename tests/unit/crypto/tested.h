#ifndef CONCLAVE_TESTS_CRYPTO_TESTED_H
#define CONCLAVE_TESTS_CRYPTO_TESTED_H

#include "crypto/backend.h"

/* The table that test_backend.c is linked with. */
extern const struct crypto_backend *const tested;

#endif
