#include "e2ee/tree_math.h"

#include "base/assert.h"

uint32_t tree_level(uint32_t node) {
    uint32_t level = 0;
    while ((node >> level & 1) != 0)
        level++;
    return level;
}

uint32_t tree_node_count(uint32_t leaf_count) {
    return leaf_count == 0 ? 0 : 2 * leaf_count - 1;
}

uint32_t tree_root(uint32_t leaf_count) {
    ASSERT(leaf_count > 0 && (leaf_count & (leaf_count - 1)) == 0);
    return leaf_count - 1;
}

uint32_t tree_left(uint32_t node) {
    uint32_t level = tree_level(node);
    ASSERT(level > 0);
    return node ^ (UINT32_C(1) << (level - 1));
}

uint32_t tree_right(uint32_t node) {
    uint32_t level = tree_level(node);
    ASSERT(level > 0);
    return node ^ (UINT32_C(3) << (level - 1));
}

uint32_t tree_parent(uint32_t node, uint32_t leaf_count) {
    ASSERT(node < tree_node_count(leaf_count));
    if (node == tree_root(leaf_count))
        return TREE_NONE;
    return tree_ancestor(node, tree_level(node) + 1);
}

uint32_t tree_sibling(uint32_t node, uint32_t leaf_count) {
    uint32_t parent = tree_parent(node, leaf_count);
    if (parent == TREE_NONE)
        return TREE_NONE;
    return node < parent ? tree_right(parent) : tree_left(parent);
}

/* A node at level k is a prefix, a 0, and k ones; its leaves share the prefix. */
uint32_t tree_ancestor(uint32_t node, uint32_t level) {
    ASSERT(level >= tree_level(node) && level < 31);
    uint32_t ones = (UINT32_C(1) << level) - 1;
    return (node & ~(ones << 1 | 1)) | ones;
}

uint32_t tree_common_ancestor(uint32_t a, uint32_t b) {
    uint32_t level_a = tree_level(a), level_b = tree_level(b);
    uint32_t level = level_a > level_b ? level_a : level_b;
    while (tree_ancestor(a, level) != tree_ancestor(b, level))
        level++;
    return tree_ancestor(a, level);
}

bool tree_is_below(uint32_t node, uint32_t head) {
    uint32_t level = tree_level(head);
    return tree_level(node) <= level && tree_ancestor(node, level) == head;
}

uint32_t tree_first_leaf(uint32_t head) {
    uint32_t ones = (UINT32_C(1) << tree_level(head)) - 1;
    return (head ^ ones) >> 1;
}

uint32_t tree_leaves_below(uint32_t head) {
    return UINT32_C(1) << tree_level(head);
}

uint32_t tree_round_up(uint32_t leaves) {
    ASSERT(leaves <= UINT32_C(1) << 30);
    uint32_t count = 1;
    while (count < leaves)
        count *= 2;
    return count;
}
