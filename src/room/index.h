/* Finding objects of the model by name or by pair, in a time that does not grow with their number: intrusive, chained,
 * growing with what is in it. The hash is keyed, so that names of strangers make no long chains.
 *
 * A node is embedded in its object and in at most one index. Several objects may have one hash: the caller walks over
 * them with index_first and index_next and compares. Threads: none. */
#ifndef CONCLAVE_ROOM_INDEX_H
#define CONCLAVE_ROOM_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct rng;

struct index_node {
    struct index_node *next;
    uint64_t hash;
};

struct index {
    struct index_node **buckets;
    uint32_t size; /* of buckets, a power of two */
    uint32_t count;
    uint64_t key[2];
};

void index_init(struct index *index, struct rng *rng);
/* It is empty (an assert). */
void index_free(struct index *index);
uint64_t index_hash(const struct index *index, const void *name, size_t len);
/* Of two objects by their addresses, or of one and a number. */
uint64_t index_hash_pair(const struct index *index, const void *a, uintptr_t b);
void index_add(struct index *index, struct index_node *node, uint64_t hash);
void index_remove(struct index *index, struct index_node *node);
struct index_node *index_first(const struct index *index, uint64_t hash);
struct index_node *index_next(const struct index_node *node);

#endif
