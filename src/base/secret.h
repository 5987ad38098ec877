/* Handling of secret bytes: wiping that the compiler may not drop, and comparison whose time tells nothing. */
#ifndef CONCLAVE_BASE_SECRET_H
#define CONCLAVE_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

void secure_wipe(void *data, size_t len);
/* Constant time in the contents; the length is not secret. */
bool secure_equal(const void *a, const void *b, size_t len);

#endif
