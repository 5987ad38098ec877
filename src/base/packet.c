#include "base/packet.h"

#include <string.h>

#include "base/assert.h"

#define NONE UINT32_MAX

size_t packet_arena_bytes_len(uint32_t capacity) {
    return (size_t)capacity * PACKET_SLOT_LEN;
}

size_t packet_arena_headers_len(uint32_t capacity) {
    return (size_t)capacity * sizeof(struct packet);
}

/* Slots enter the free list on first use only (`used_ever` is packets[capacity - 1].next's role taken by free_head
 * pointing past the list): the headers of untouched slots stay untouched pages as well. */
void packet_arena_init(struct packet_arena *arena, void *bytes, void *headers, uint32_t capacity) {
    ASSERT(bytes != NULL && headers != NULL);
    ASSERT(capacity > 0 && capacity < NONE);
    *arena = (struct packet_arena){.bytes = bytes, .packets = headers, .capacity = capacity, .free_head = NONE};
}

struct packet *packet_take(struct packet_arena *arena) {
    struct packet *packet;
    if (arena->free_head != NONE) {
        packet = &arena->packets[arena->free_head];
        arena->free_head = packet->next;
    } else if (arena->used < arena->capacity) {
        /* with an empty free list the slots in use are exactly 0 .. used - 1 */
        packet = &arena->packets[arena->used];
        packet->index = arena->used;
    } else {
        arena->exhausted++;
        return NULL;
    }
    ASSERT_HOT(packet->refs == 0);
    arena->used++;
    uint32_t index = packet->index;
    *packet = (struct packet){.index = index, .refs = 1, .offset = PACKET_HEADROOM};
    return packet;
}

void packet_ref(struct packet *packet) {
    ASSERT_HOT(packet->refs > 0 && packet->refs < UINT16_MAX);
    packet->refs++;
}

void packet_unref(struct packet_arena *arena, struct packet *packet) {
    ASSERT(packet->refs > 0);
    if (--packet->refs > 0)
        return;
    packet->next = arena->free_head;
    arena->free_head = packet->index;
    arena->used--;
}
