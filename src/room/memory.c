#include "room/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

void *memory_new(size_t len) {
    void *out = calloc(1, len > 0 ? len : 1);
    ASSERT(out != NULL);
    return out;
}

void *memory_grow(void *old, size_t count, size_t element_len) {
    ASSERT(element_len > 0 && count <= SIZE_MAX / element_len);
    void *out = realloc(old, count * element_len);
    ASSERT(out != NULL || count == 0);
    return out;
}

char *memory_text(const char *text) {
    ASSERT(text != NULL);
    return memory_span_text(span_str(text));
}

char *memory_span_text(struct span text) {
    char *out = memory_new(text.len + 1);
    if (text.len > 0)
        memcpy(out, text.data, text.len);
    return out;
}

void memory_set_text(char **owned, const char *text) {
    char *copy = memory_text(text);
    free(*owned);
    *owned = copy;
}
