#include "base/secret.h"

#include <stdint.h>
#include <string.h>

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
