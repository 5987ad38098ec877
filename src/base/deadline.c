#include "base/deadline.h"

#include "base/assert.h"
#include "base/time.h"

#define NOWHERE UINT32_MAX

size_t deadline_size(uint32_t capacity) {
    return (size_t)capacity * (sizeof(struct deadline_entry) + sizeof(uint32_t));
}

void deadline_init(struct deadlines *set, void *memory, uint32_t capacity) {
    ASSERT(memory != NULL && capacity > 0 && capacity < NOWHERE);
    *set = (struct deadlines){.capacity = capacity, .heap = memory};
    set->position = (uint32_t *)(void *)(set->heap + capacity);
    for (uint32_t i = 0; i < capacity; i++)
        set->position[i] = NOWHERE;
}

static void place(struct deadlines *set, uint32_t at, struct deadline_entry entry) {
    set->heap[at] = entry;
    set->position[entry.index] = at;
}

static void sift_up(struct deadlines *set, uint32_t at) {
    struct deadline_entry entry = set->heap[at];
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (set->heap[parent].at_us <= entry.at_us)
            break;
        place(set, at, set->heap[parent]);
        at = parent;
    }
    place(set, at, entry);
}

static void sift_down(struct deadlines *set, uint32_t at) {
    struct deadline_entry entry = set->heap[at];
    for (;;) {
        uint32_t child = at * 2 + 1;
        if (child >= set->count)
            break;
        if (child + 1 < set->count && set->heap[child + 1].at_us < set->heap[child].at_us)
            child++;
        if (set->heap[child].at_us >= entry.at_us)
            break;
        place(set, at, set->heap[child]);
        at = child;
    }
    place(set, at, entry);
}

static void remove_at(struct deadlines *set, uint32_t at) {
    ASSERT(at < set->count);
    set->position[set->heap[at].index] = NOWHERE;
    set->count--;
    if (at == set->count)
        return;
    place(set, at, set->heap[set->count]);
    sift_down(set, at);
    sift_up(set, at);
}

void deadline_set(struct deadlines *set, uint32_t index, uint64_t at_us) {
    ASSERT(index < set->capacity);
    uint32_t at = set->position[index];
    if (at_us == TIME_NEVER) {
        if (at != NOWHERE)
            remove_at(set, at);
        return;
    }
    if (at == NOWHERE) {
        at = set->count++;
        place(set, at, (struct deadline_entry){.at_us = at_us, .index = index});
    } else {
        set->heap[at].at_us = at_us;
    }
    sift_down(set, at);
    sift_up(set, set->position[index]);
}

uint64_t deadline_next(const struct deadlines *set) {
    return set->count > 0 ? set->heap[0].at_us : TIME_NEVER;
}

bool deadline_pop(struct deadlines *set, uint64_t now_us, uint32_t *index) {
    if (set->count == 0 || set->heap[0].at_us > now_us)
        return false;
    *index = set->heap[0].index;
    remove_at(set, 0);
    return true;
}
