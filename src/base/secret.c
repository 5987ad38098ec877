#include "base/secret.h"

#include <stdint.h>
#include <string.h>

#include "base/assert.h"

void secure_wipe(void *data, size_t len) {
    if (len == 0)
        return;
    memset(data, 0, len);
    __asm__ __volatile__("" : : "r"(data) : "memory");
}

bool secure_equal(const void *a, const void *b, size_t len) {
    const volatile uint8_t *left = a;
    const volatile uint8_t *right = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < len; i++)
        difference = (uint8_t)(difference | (left[i] ^ right[i]));
    return difference == 0;
}

void secret_set(struct secret *secret, struct span bytes) {
    ASSERT(bytes.len <= SECRET_LEN_MAX);
    if (bytes.len > 0)
        memmove(secret->bytes, bytes.data, bytes.len);
    secret->len = (uint8_t)bytes.len;
}

void secret_zeros(struct secret *secret, size_t len) {
    ASSERT(len <= SECRET_LEN_MAX);
    memset(secret->bytes, 0, sizeof secret->bytes);
    secret->len = (uint8_t)len;
}

struct span secret_span(const struct secret *secret) {
    return span_of(secret->bytes, secret->len);
}

void secret_wipe(struct secret *secret) {
    secure_wipe(secret, sizeof *secret);
}
