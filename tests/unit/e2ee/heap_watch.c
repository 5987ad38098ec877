#include "heap_watch.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define BLOCKS_MAX 65536

static struct {
    void *at;
    size_t len;
} blocks[BLOCKS_MAX];
static size_t block_count;
static size_t dirty;
static int fail_after = -1;
static bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *block);

static bool fails_now(void) {
    if (fail_after < 0)
        return false;
    if (fail_after-- > 0)
        return false;
    failed = true;
    return true;
}

static void *note(void *block, size_t len) {
    ASSERT(block != NULL && block_count < BLOCKS_MAX);
    blocks[block_count].at = block;
    blocks[block_count++].len = len;
    return block;
}

static bool is_zero(const uint8_t *bytes, size_t len) {
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++)
        any |= bytes[i];
    return any == 0;
}

/* Blocks that others allocated (strdup, getline) are not known and just freed. */
static void forget(void *block) {
    for (size_t i = block_count; i-- > 0;) {
        if (blocks[i].at != block)
            continue;
        dirty += !is_zero(block, blocks[i].len);
        blocks[i] = blocks[--block_count];
        return;
    }
}

void *__wrap_malloc(size_t size) {
    return fails_now() ? NULL : note(__real_malloc(size), size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails_now() ? NULL : note(__real_calloc(count, size), count * size);
}

void *__wrap_realloc(void *old, size_t size) {
    if (fails_now())
        return NULL;
    if (old != NULL)
        forget(old);
    return note(__real_realloc(old, size), size);
}

void __wrap_free(void *block) {
    if (block != NULL)
        forget(block);
    __real_free(block);
}

void heap_fail_after(int n) {
    fail_after = n;
    failed = false;
}

bool heap_has_failed(void) {
    return failed;
}

size_t heap_blocks(void) {
    return block_count;
}

size_t heap_bytes(void) {
    size_t bytes = 0;
    for (size_t i = 0; i < block_count; i++)
        bytes += blocks[i].len;
    return bytes;
}

bool heap_holds(const void *bytes, size_t len) {
    for (size_t i = 0; i < block_count; i++) {
        if (memmem(blocks[i].at, blocks[i].len, bytes, len) != NULL)
            return true;
    }
    return false;
}

size_t heap_freed_dirty(void) {
    size_t count = dirty;
    dirty = 0;
    return count;
}
