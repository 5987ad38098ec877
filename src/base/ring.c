#include "base/ring.h"

#include "base/assert.h"

/* Each record is an 8-byte header (the length) and its bytes, rounded up to 8. A header of SKIP fills the end of the
 * buffer when the next record would not be contiguous there. */
#define HEADER_LEN 8u
#define SKIP UINT64_MAX

static size_t rounded(size_t len) {
    return (len + 7) & ~(size_t)7;
}

void ring_init(struct ring *ring, void *memory, size_t size) {
    ASSERT(size >= 64 && (size & (size - 1)) == 0);
    ASSERT(memory != NULL && ((uintptr_t)memory & 7) == 0);
    ring->data = memory;
    ring->size = size;
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    ring->reserved = 0;
    ring->reserved_len = 0;
    ring->refused = 0;
}

size_t ring_record_max(const struct ring *ring) {
    return ring->size / 4;
}

static uint64_t *header_at(struct ring *ring, uint64_t position) {
    return (uint64_t *)(void *)(ring->data + (position & (ring->size - 1)));
}

void *ring_reserve(struct ring *ring, size_t len) {
    ASSERT(len > 0 && len <= ring_record_max(ring));
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    size_t need = HEADER_LEN + rounded(len);
    size_t to_end = ring->size - (size_t)(head & (ring->size - 1));
    size_t skip = need > to_end ? to_end : 0;
    if (ring->size - (size_t)(head - tail) < skip + need) {
        ring->refused++;
        return NULL;
    }
    if (skip > 0)
        *header_at(ring, head) = SKIP;
    ring->reserved = head + skip;
    ring->reserved_len = len;
    *header_at(ring, ring->reserved) = len;
    return ring->data + (ring->reserved & (ring->size - 1)) + HEADER_LEN;
}

size_t ring_free(const struct ring *ring) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    return ring->size - (size_t)(head - tail);
}

void ring_commit(struct ring *ring) {
    ASSERT(ring->reserved_len > 0);
    uint64_t head = ring->reserved + HEADER_LEN + rounded(ring->reserved_len);
    ring->reserved_len = 0;
    atomic_store_explicit(&ring->head, head, memory_order_release);
}

void *ring_peek(struct ring *ring, size_t *len) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    if (tail == head)
        return NULL;
    uint64_t header = *header_at(ring, tail);
    if (header == SKIP) {
        tail += ring->size - (tail & (ring->size - 1));
        atomic_store_explicit(&ring->tail, tail, memory_order_release);
        /* the record that made the producer skip was committed together with the skip */
        ASSERT(tail != head);
        header = *header_at(ring, tail);
    }
    ASSERT(header > 0 && header <= ring_record_max(ring));
    *len = (size_t)header;
    return ring->data + (tail & (ring->size - 1)) + HEADER_LEN;
}

void ring_release(struct ring *ring) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t header = *header_at(ring, tail);
    ASSERT(header > 0 && header <= ring_record_max(ring));
    atomic_store_explicit(&ring->tail, tail + HEADER_LEN + rounded((size_t)header), memory_order_release);
}
