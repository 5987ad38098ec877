/* Handling of secret bytes: a type of their own, wiping that the compiler may not drop, and comparison whose time tells
 * nothing. */
#ifndef CONCLAVE_BASE_SECRET_H
#define CONCLAVE_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

void secure_wipe(void *data, size_t len);
/* Constant time in the contents; the length is not secret. */
bool secure_equal(const void *a, const void *b, size_t len);

/* A P-521 private key takes 66 bytes, a SHA-512 output 64; longer secrets do not occur. */
#define SECRET_LEN_MAX 66

/* A secret of up to SECRET_LEN_MAX bytes. Plain data: it may be embedded; every copy has an owner who calls
 * secret_wipe. len 0 is "no secret". Never given to a log, a trace or a counter. */
struct secret {
    uint8_t len;
    uint8_t bytes[SECRET_LEN_MAX];
};

/* `bytes` is at most SECRET_LEN_MAX long (asserted: callers know their lengths). */
void secret_set(struct secret *secret, struct span bytes);
/* `len` zero bytes, the start of many a key schedule. */
void secret_zeros(struct secret *secret, size_t len);
/* Borrowed; lives as long as the secret. */
struct span secret_span(const struct secret *secret);
void secret_wipe(struct secret *secret);

#endif
