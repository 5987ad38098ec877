/* Whole groups in which every member has its own tree, and commits as each member gets them. */
#ifndef CONCLAVE_TESTS_TREE_GROUP_H
#define CONCLAVE_TESTS_TREE_GROUP_H

#include "e2ee/mls_limits.h"
#include "tree_world.h"

#define PLACES 64 /* leaves of the largest group here */

/* A group: trees[l] is the view of the member at leaf l, NULL where nobody is. */
struct group {
    struct world w;
    struct tree *trees[PLACES];
    uint32_t members;
};

/* What one commit does, as every member gets it. */
struct commit {
    uint32_t sender;
    bool with_path;
    bool external; /* the sender is new */
    uint32_t update_count, remove_count, add_count;
    uint32_t updated[4], removed[PLACES], added[16];
    struct made_leaf updates[4], adds[16];
    struct mls_buf path; /* UpdatePath */
    struct secret path_secrets[16];
    bool has_path_secret[16];
    uint8_t tree_hash[HASH_LEN_MAX];
    struct secret commit_secret;
    struct mls_buf tree_after;
};

void group_init(struct group *g, uint16_t suite, uint64_t seed);
void group_free(struct group *g);
uint32_t any_member(struct group *g);
void commit_draw(struct group *g, struct commit *c, uint32_t sender, uint32_t removals, uint32_t updates, uint32_t adds,
                 bool with_path);
void commit_free(struct commit *c);
void apply_edits(struct tree *t, struct commit *c);
void commit_make(struct group *g, struct commit *c);
enum mls_status merge_and_open(struct tree *t, const struct commit *c, struct secret *commit_secret);
void assert_views(struct group *g);
void everybody_follows(struct group *g, struct commit *c);
void commit_run(struct group *g, uint32_t sender, uint32_t removals, uint32_t updates, uint32_t adds, bool with_path);
void external_commit(struct group *g, bool resync);

#endif
