/* A set of at most one deadline per slot index, answering the earliest: a binary min-heap with positions. Used by whoever
 * owns many timed objects (the engine's transports). No allocation after init; the caller gives deadline_size() bytes. */
#ifndef CONCLAVE_BASE_DEADLINE_H
#define CONCLAVE_BASE_DEADLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadline_entry {
    uint64_t at_us;
    uint32_t index;
};

struct deadlines {
    uint32_t capacity;
    uint32_t count;
    struct deadline_entry *heap;
    uint32_t *position; /* per index: place in the heap, or UINT32_MAX */
};

size_t deadline_size(uint32_t capacity);
void deadline_init(struct deadlines *set, void *memory, uint32_t capacity);
/* Sets, moves, or (with TIME_NEVER) clears the deadline of `index`. */
void deadline_set(struct deadlines *set, uint32_t index, uint64_t at_us);
/* The earliest deadline, TIME_NEVER when there is none. */
uint64_t deadline_next(const struct deadlines *set);
/* Takes one index whose deadline is at or before `now_us`; false when there is none. Its deadline is cleared. */
bool deadline_pop(struct deadlines *set, uint64_t now_us, uint32_t *index);

#endif
