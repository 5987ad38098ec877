/* Fixed-capacity index pools with generations. A pool hands out slot indices of an array that its user owns, and handles
 * (`index | generation << 20`) that go stale when the slot is given back, so that a late message about a dead object is
 * recognised. Handle 0 is never valid. No allocation after init; the caller gives `pool_size(capacity)` bytes. */
#ifndef CONCLAVE_BASE_POOL_H
#define CONCLAVE_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_INDEX_BITS 20
#define POOL_CAPACITY_MAX (UINT32_C(1) << POOL_INDEX_BITS)
#define POOL_NONE UINT32_MAX

struct pool {
    uint32_t capacity;
    uint32_t used;
    uint32_t free_head; /* POOL_NONE when full */
    uint32_t *next;     /* per slot: next free slot, or POOL_NONE - 1 while taken */
    uint16_t *generation;
};

size_t pool_size(uint32_t capacity);
void pool_init(struct pool *pool, void *memory, uint32_t capacity);
/* A handle, or 0 when every slot is taken. */
uint32_t pool_take(struct pool *pool);
/* Gives a live handle back; a stale one is an assert. */
void pool_give(struct pool *pool, uint32_t handle);
bool pool_live(const struct pool *pool, uint32_t handle);
/* For users that keep the slot's owner elsewhere: takes exactly this handle's slot, with its generation. Used by the side of
 * a queue that does not allot handles itself. False when the slot is out of range or taken. */
bool pool_take_handle(struct pool *pool, uint32_t handle);
/* Handle of a taken slot, 0 when the slot is free: for iteration over [0, capacity). */
uint32_t pool_handle_at(const struct pool *pool, uint32_t index);

static inline uint32_t pool_index(uint32_t handle) {
    return handle & (POOL_CAPACITY_MAX - 1);
}

#endif
