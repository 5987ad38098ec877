/* Memory for one message: everything that is decoded from it or built for it, given back at once.
 *
 *     struct arena arena;
 *     arena_init(&arena, arena_decode_max(len));
 *     ... protobuf_c_message_unpack(descriptor, arena_allocator(&arena), len, data) ... arena_new(&arena, descriptor)
 * ... arena_free(&arena);
 *
 * A decoder that allocates what a stranger's message asks for can be made to use hundreds of bytes for each byte
 * received (an empty submessage is two bytes on the wire). `limit_bytes` stops that: beyond it the allocator answers
 * NULL, protobuf-c gives up and the message counts as malformed.
 *
 * arena_bytes, arena_new and the text functions are for building our own messages: they assert that memory is there, so
 * an arena for building is made with ARENA_UNLIMITED; what goes into it is bounded by the limits of the model.
 *
 * Not thread safe; an arena must not move while its allocator is in use. */
#ifndef CONCLAVE_SIGNAL_ARENA_H
#define CONCLAVE_SIGNAL_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "base/cursor.h"

#define ARENA_UNLIMITED SIZE_MAX
/* The largest real messages (an add_track with layers, a sync_state) take 6 times their length. */
#define ARENA_DECODE_FACTOR 16
#define ARENA_DECODE_BASE_BYTES 8192

struct arena_chunk;

struct arena {
    ProtobufCAllocator allocator;
    struct arena_chunk *chunks; /* newest first */
    size_t used_bytes;          /* of all chunks */
    size_t limit_bytes;
};

void arena_init(struct arena *arena, size_t limit_bytes);
void arena_free(struct arena *arena);
/* The limit for decoding a message of `len` bytes. */
size_t arena_decode_max(size_t len);
ProtobufCAllocator *arena_allocator(struct arena *arena);

/* Zeroed, 16-byte aligned. */
void *arena_bytes(struct arena *arena, size_t len);
/* A message with its default values. */
void *arena_new(struct arena *arena, const ProtobufCMessageDescriptor *descriptor);
/* An array of `count` pointers to new messages; NULL for none. */
void *arena_new_array(struct arena *arena, const ProtobufCMessageDescriptor *descriptor, size_t count);
/* Copies; never NULL. A zero byte ends the text. */
char *arena_text(struct arena *arena, struct span text);
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
