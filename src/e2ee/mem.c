#include "e2ee/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/secret.h"

void *mls_alloc(size_t len) {
    ASSERT(len > 0);
    return calloc(1, len);
}

void mls_free(void *memory, size_t len) {
    if (memory == NULL)
        return;
    secure_wipe(memory, len);
    free(memory);
}

void *mls_resize(void *memory, size_t old_len, size_t new_len) {
    ASSERT(memory != NULL || old_len == 0);
    /* realloc would leave a copy of the old contents behind when it moves the block */
    void *bigger = mls_alloc(new_len);
    if (bigger == NULL)
        return NULL;
    if (old_len > 0)
        memcpy(bigger, memory, old_len < new_len ? old_len : new_len);
    mls_free(memory, old_len);
    return bigger;
}
