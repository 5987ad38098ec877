#include "signal/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define CHUNK_LEN 4096u
#define ALIGNMENT 16u

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    size_t used;
    _Alignas(16) uint8_t bytes[];
};

static void *take(struct arena *arena, size_t len) {
    if (len > arena->limit_bytes)
        return NULL;
    size_t need = (len + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (need == 0)
        need = ALIGNMENT;
    if (need > arena->limit_bytes - arena->used_bytes)
        return NULL;
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - chunk->used < need) {
        size_t size = need > CHUNK_LEN ? need : CHUNK_LEN;
        chunk = malloc(sizeof *chunk + size);
        if (chunk == NULL)
            return NULL;
        chunk->size = size;
        chunk->used = 0;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    void *out = chunk->bytes + chunk->used;
    chunk->used += need;
    arena->used_bytes += need;
    return out;
}

static void *allocate(void *data, size_t len) {
    return take(data, len);
}

static void release(void *data, void *pointer) {
    (void)data;
    (void)pointer; /* all at once, by arena_free */
}

void arena_init(struct arena *arena, size_t limit_bytes) {
    ASSERT(arena != NULL);
    *arena = (struct arena){.limit_bytes = limit_bytes};
    arena->allocator = (ProtobufCAllocator){.alloc = allocate, .free = release, .allocator_data = arena};
}

void arena_free(struct arena *arena) {
    ASSERT(arena != NULL);
    for (struct arena_chunk *chunk = arena->chunks, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    arena->chunks = NULL;
    arena->used_bytes = 0;
}

size_t arena_decode_max(size_t len) {
    return ARENA_DECODE_BASE_BYTES + len * ARENA_DECODE_FACTOR;
}

ProtobufCAllocator *arena_allocator(struct arena *arena) {
    ASSERT(arena->allocator.allocator_data == arena); /* it did not move */
    return &arena->allocator;
}

void *arena_bytes(struct arena *arena, size_t len) {
    void *out = take(arena, len);
    ASSERT(out != NULL);
    memset(out, 0, len);
    return out;
}

void *arena_new(struct arena *arena, const ProtobufCMessageDescriptor *descriptor) {
    ProtobufCMessage *message = arena_bytes(arena, descriptor->sizeof_message);
    descriptor->message_init(message);
    return message;
}

void *arena_new_array(struct arena *arena, const ProtobufCMessageDescriptor *descriptor, size_t count) {
    if (count == 0)
        return NULL;
    void **out = arena_bytes(arena, count * sizeof *out);
    for (size_t i = 0; i < count; i++)
        out[i] = arena_new(arena, descriptor);
    return out;
}

char *arena_text(struct arena *arena, struct span text) {
    char *out = arena_bytes(arena, text.len + 1);
    if (text.len > 0)
        memcpy(out, text.data, text.len);
    return out;
}

char *arena_format(struct arena *arena, const char *format, ...) {
    ASSERT(format != NULL);
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    ASSERT(len >= 0);
    char *out = arena_bytes(arena, (size_t)len + 1);
    (void)vsnprintf(out, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return out;
}
