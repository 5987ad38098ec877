/* What a secret tree is made of; for mls_secret_tree.c and its tests. */
#ifndef CONCLAVE_E2EE_MLS_SECRET_TREE_INTERNAL_H
#define CONCLAVE_E2EE_MLS_SECRET_TREE_INTERNAL_H

#include "e2ee/mls_secret_tree.h"

/* Key of a generation that was skipped, for its late message. */
struct mls_skipped_key {
    uint32_t generation;
    uint8_t key[AEAD_KEY_LEN_MAX];
    uint8_t nonce[AEAD_NONCE_LEN];
};

struct mls_ratchet {
    struct secret secret; /* of `generation` */
    uint32_t generation;  /* the next one; all below were used, skipped or given up */
    struct mls_skipped_key *skipped;
    uint32_t skipped_count; /* rising generations */
    uint32_t skipped_room;  /* of the allocation, for wiping */
};

/* A node whose secret is there has nothing below it; one whose secret was used (len 0) has. */
struct mls_secret_tree_node {
    struct secret secret;
    union {
        struct mls_secret_tree_node *children; /* of a parent: two */
        struct mls_ratchet *ratchets;          /* of a leaf: two, by enum mls_ratchet_kind */
    };
};

#endif
