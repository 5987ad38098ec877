#include "base/pool.h"

#include <string.h>

#include "base/assert.h"

#define SLOT_TAKEN (POOL_NONE - 1)
/* 12 bits of generation are left beside the index; 0 is skipped so that no handle is 0. */
#define GENERATION_MAX 0xfffu

size_t pool_size(uint32_t capacity) {
    return (size_t)capacity * (sizeof(uint32_t) + sizeof(uint16_t));
}

void pool_init(struct pool *pool, void *memory, uint32_t capacity) {
    ASSERT(capacity > 0 && capacity < POOL_CAPACITY_MAX);
    ASSERT(memory != NULL);
    *pool = (struct pool){.capacity = capacity, .next = memory};
    pool->generation = (uint16_t *)(void *)(pool->next + capacity);
    for (uint32_t i = 0; i < capacity; i++) {
        pool->next[i] = i + 1 < capacity ? i + 1 : POOL_NONE;
        pool->generation[i] = 1;
    }
}

static uint32_t handle_of(const struct pool *pool, uint32_t index) {
    return index | (uint32_t)pool->generation[index] << POOL_INDEX_BITS;
}

uint32_t pool_take(struct pool *pool) {
    uint32_t index = pool->free_head;
    if (index == POOL_NONE)
        return 0;
    ASSERT(index < pool->capacity);
    pool->free_head = pool->next[index];
    pool->next[index] = SLOT_TAKEN;
    pool->used++;
    return handle_of(pool, index);
}

bool pool_live(const struct pool *pool, uint32_t handle) {
    uint32_t index = pool_index(handle);
    return handle != 0 && index < pool->capacity && pool->next[index] == SLOT_TAKEN && handle_of(pool, index) == handle;
}

void pool_give(struct pool *pool, uint32_t handle) {
    ASSERT(pool_live(pool, handle));
    uint32_t index = pool_index(handle);
    uint16_t generation = (uint16_t)((pool->generation[index] + 1) & GENERATION_MAX);
    pool->generation[index] = generation != 0 ? generation : 1;
    pool->next[index] = pool->free_head;
    pool->free_head = index;
    ASSERT(pool->used > 0);
    pool->used--;
}

bool pool_take_handle(struct pool *pool, uint32_t handle) {
    uint32_t index = pool_index(handle);
    if (handle == 0 || index >= pool->capacity || pool->next[index] == SLOT_TAKEN)
        return false;
    uint32_t *link = &pool->free_head;
    while (*link != index) {
        ASSERT(*link < pool->capacity);
        link = &pool->next[*link];
    }
    *link = pool->next[index];
    pool->next[index] = SLOT_TAKEN;
    pool->generation[index] = (uint16_t)(handle >> POOL_INDEX_BITS);
    pool->used++;
    return true;
}

uint32_t pool_handle_at(const struct pool *pool, uint32_t index) {
    ASSERT(index < pool->capacity);
    return pool->next[index] == SLOT_TAKEN ? handle_of(pool, index) : 0;
}
