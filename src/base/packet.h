/* Packet slots: every datagram lives in a fixed slot of one arena, with room in front for headers that grow (and, later,
 * for Ethernet, IP and UDP headers of a kernel-bypass backend) and behind for the authentication tag and padding.
 *
 *     | headroom 128 | data (len_bytes) ... | tailroom |      2048 bytes a slot
 *
 * A slot has a reference count because one received packet is in the retransmission cache and in the hands of the
 * forwarder at once. One thread owns the arena and all its slots. */
#ifndef CONCLAVE_BASE_PACKET_H
#define CONCLAVE_BASE_PACKET_H

#include <stddef.h>
#include <stdint.h>

#define PACKET_SLOT_LEN 2048
#define PACKET_HEADROOM 128
#define PACKET_TAILROOM 64
/* Longest datagram that a slot takes: more than any path MTU that WebRTC uses. */
#define PACKET_LEN_MAX 1600

struct packet {
    uint64_t rx_us;  /* when it was received, monotonic */
    uint32_t index;  /* of its slot, fixed */
    uint16_t refs;   /* 0 while free */
    uint16_t offset; /* of the first byte, from the slot's start */
    uint16_t len_bytes;
    uint32_t next; /* free list */
};

struct packet_arena {
    uint8_t *bytes; /* capacity * PACKET_SLOT_LEN, cache-line aligned */
    struct packet *packets;
    uint32_t capacity;
    uint32_t used;
    uint32_t free_head;
    uint64_t exhausted; /* takes that found no slot */
};

/* The bytes may come from untouched pages of an anonymous mapping: a slot costs memory when it is first used, and slots
 * are reused last-in first-out so that an idle server touches few. */
size_t packet_arena_bytes_len(uint32_t capacity);
size_t packet_arena_headers_len(uint32_t capacity);
void packet_arena_init(struct packet_arena *arena, void *bytes, void *headers, uint32_t capacity);
/* A slot with one reference, empty, its offset at PACKET_HEADROOM; NULL and a count when the arena is full. */
struct packet *packet_take(struct packet_arena *arena);
void packet_ref(struct packet *packet);
void packet_unref(struct packet_arena *arena, struct packet *packet);

static inline uint8_t *packet_data(const struct packet_arena *arena, const struct packet *packet) {
    return arena->bytes + (size_t)packet->index * PACKET_SLOT_LEN + packet->offset;
}

#endif
