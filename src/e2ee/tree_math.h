/* Arithmetic of the complete binary tree in an array (RFC 9420 section 4.1 and appendix C).
 *
 * Leaves are numbered from 0; leaf n is node 2n, parents are the odd nodes. A tree of `leaf_count` leaves, a power of
 * two, has 2 * leaf_count - 1 nodes. Pure functions over numbers; arguments outside the tree are asserted on. */
#ifndef CONCLAVE_E2EE_TREE_MATH_H
#define CONCLAVE_E2EE_TREE_MATH_H

#include <stdbool.h>
#include <stdint.h>

/* No node, no leaf. */
#define TREE_NONE UINT32_MAX

/* 0 for leaves; a parent at level k has 2^k leaves below it. */
uint32_t tree_level(uint32_t node);
uint32_t tree_node_count(uint32_t leaf_count);
uint32_t tree_root(uint32_t leaf_count);
/* `node` is a parent. */
uint32_t tree_left(uint32_t node);
uint32_t tree_right(uint32_t node);
/* TREE_NONE for the root. */
uint32_t tree_parent(uint32_t node, uint32_t leaf_count);
uint32_t tree_sibling(uint32_t node, uint32_t leaf_count);
/* The ancestor of `node` at `level`, which is at least the node's own. */
uint32_t tree_ancestor(uint32_t node, uint32_t level);
/* The lowest node above (or equal to) both. */
uint32_t tree_common_ancestor(uint32_t a, uint32_t b);
/* Whether `node` is `head` or below it. */
bool tree_is_below(uint32_t node, uint32_t head);
/* The leaves below `head` are first .. first + count - 1. */
uint32_t tree_first_leaf(uint32_t head);
uint32_t tree_leaves_below(uint32_t head);
/* The smallest power of two that is at least `leaves`; 1 for 0. At most 2^30 leaves. */
uint32_t tree_round_up(uint32_t leaves);

#endif
