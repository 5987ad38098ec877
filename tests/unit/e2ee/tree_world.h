/* What tests of the ratchet tree share: leaves with keys, a tree hash computed from scratch, counts taken again, and a
 * picture of everything that a tree is, to compare before and after. */
#ifndef CONCLAVE_TESTS_TREE_WORLD_H
#define CONCLAVE_TESTS_TREE_WORLD_H

#include "e2ee/mls_validate.h"
#include "e2ee/tree_internal.h"

struct world {
    struct mls_crypto crypto;
    struct rng rng;
};

void world_init(struct world *w, uint16_t suite, uint64_t seed);

/* How a leaf is to be. Zeros: source key_package, basic credential, fresh keys, a signature of random bytes. */
struct leaf_wish {
    uint8_t source;
    struct span encryption_key; /* fresh when empty */
    struct span signature_key;
    struct span parent_hash;
    uint16_t credential; /* 0: basic */
    bool basic_only;     /* capabilities list basic credentials only, else basic and x509 */
    bool cheap;          /* keys are random bytes: nobody will use them */
    bool sign;           /* really, for this group and leaf */
    struct span group_id;
    uint32_t leaf;
};
struct made_leaf {
    struct mls_buf encoding;
    struct secret private_key;
};
void make_leaf(struct world *w, const struct leaf_wish *wish, struct made_leaf *out);
void made_leaf_free(struct made_leaf *leaf);

/* A tree of `count` members with cheap keys, kept. */
struct tree *make_tree(struct world *w, uint32_t count);
/* Adds one member inside of the open change. */
uint32_t add_member(struct world *w, struct tree *t);
/* Inside of the open change: another leaf for that member. */
void replace_member(struct world *w, struct tree *t, uint32_t leaf);
uint32_t random_member(struct world *w, const struct tree *t);
/* Sets the path of a member who sends it, from nothing but random public keys. */
void send_path(struct world *w, struct tree *t, uint32_t leaf);
/* One commit's worth of random edits: updates, removals, adds, perhaps a path. `target` is the size to drift to. */
void random_commit(struct world *w, struct tree *t, uint32_t target);
void write_tree(const struct tree *t, struct mls_buf *out);

/* The tree hash from the serialised tree alone, recursively, with no cache. */
void plain_tree_hash(const struct world *w, const struct tree *t, uint8_t *out);
/* The cached hash of every node is what it should be, and so are counters, key table and shape. */
void assert_tree_sound(const struct world *w, struct tree *t);

/* Everything: the serialised tree, cached hashes and which of them are valid, shape, counters, private keys. */
struct picture {
    struct mls_buf bytes;
    uint8_t *hashes;
    uint8_t *flags;
    uint32_t node_count;
    struct tree_shape shape;
    uint32_t member_count, unverified, key_count, duplicates[2];
    struct secret private_keys[TREE_LEVELS_MAX];
};
void picture_take(const struct tree *t, struct picture *out);
void picture_free(struct picture *p);
void assert_picture(const struct tree *t, const struct picture *p);

#endif
