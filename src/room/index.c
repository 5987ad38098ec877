#include "room/index.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/rng.h"
#include "room/memory.h"

#define SIZE_FIRST 64u

void index_init(struct index *index, struct rng *rng) {
    *index = (struct index){.size = SIZE_FIRST, .key = {rng_u64(rng), rng_u64(rng)}};
    index->buckets = memory_new(SIZE_FIRST * sizeof(struct index_node *));
}

void index_free(struct index *index) {
    ASSERT(index->count == 0);
    free(index->buckets);
    *index = (struct index){0};
}

uint64_t index_hash(const struct index *index, const void *name, size_t len) {
    return siphash13(index->key, name, len);
}

uint64_t index_hash_pair(const struct index *index, const void *a, uintptr_t b) {
    uintptr_t pair[2] = {(uintptr_t)a, b};
    return siphash13(index->key, pair, sizeof pair);
}

static struct index_node **bucket_of(const struct index *index, uint64_t hash) {
    return &index->buckets[hash & (index->size - 1)];
}

static void grow(struct index *index) {
    struct index old = *index;
    index->size *= 2;
    index->buckets = memory_new(index->size * sizeof(struct index_node *));
    for (uint32_t i = 0; i < old.size; i++) {
        for (struct index_node *node = old.buckets[i], *next; node != NULL; node = next) {
            next = node->next;
            struct index_node **bucket = bucket_of(index, node->hash);
            node->next = *bucket;
            *bucket = node;
        }
    }
    free(old.buckets);
}

void index_add(struct index *index, struct index_node *node, uint64_t hash) {
    if (index->count >= index->size)
        grow(index);
    struct index_node **bucket = bucket_of(index, hash);
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    index->count++;
}

void index_remove(struct index *index, struct index_node *node) {
    struct index_node **at = bucket_of(index, node->hash);
    while (*at != node) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    index->count--;
}

static struct index_node *same(struct index_node *node, uint64_t hash) {
    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

struct index_node *index_first(const struct index *index, uint64_t hash) {
    return same(*bucket_of(index, hash), hash);
}

struct index_node *index_next(const struct index_node *node) {
    return same(node->next, node->hash);
}
