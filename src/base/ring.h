/* A bounded single-producer single-consumer ring of variable-length records: the only way in which threads speak.
 *
 * The producer reserves a record, fills it and commits; the consumer peeks at the oldest record, uses it in place and
 * releases it. A record is contiguous. Nobody waits: when there is no room `ring_reserve` answers NULL and counts, and the
 * producer decides (a command is refused, a datagram is dropped). Alignment of records: 8 bytes.
 *
 * Memory orders: commit is a release store of `head` that pairs with the consumer's acquire load, release is a release
 * store of `tail` that pairs with the producer's acquire load. One thread per side, nothing else is shared. */
#ifndef CONCLAVE_BASE_RING_H
#define CONCLAVE_BASE_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    uint8_t *data;
    size_t size; /* a power of two */
    /* consumer and producer positions sit on cache lines of their own */
    _Alignas(64) _Atomic uint64_t head;
    uint64_t reserved;   /* producer: start of the open record */
    size_t reserved_len; /* producer: 0 when no record is open */
    uint64_t refused;    /* producer: records that found no room */
    _Alignas(64) _Atomic uint64_t tail;
};

/* `memory` holds `size` bytes (a power of two, at least 64, 8-byte aligned) and outlives the ring. The largest record is
 * a quarter of that, so that a record never has to wait for an empty ring. */
void ring_init(struct ring *ring, void *memory, size_t size);
size_t ring_record_max(const struct ring *ring);

/* Producer. Room for a record of `len` > 0 bytes, or NULL. A second reserve before the commit replaces the first. */
void *ring_reserve(struct ring *ring, size_t len);
void ring_commit(struct ring *ring);
/* Producer. Bytes that are free now, heads of records included. */
size_t ring_free(const struct ring *ring);

/* Consumer. The oldest record and its length, or NULL when the ring is empty; valid until ring_release. */
void *ring_peek(struct ring *ring, size_t *len);
void ring_release(struct ring *ring);

#endif
