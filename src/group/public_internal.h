/* What public.c (the epoch that stands) and public_stage.c (the one that may follow) share. */
#ifndef CONCLAVE_GROUP_PUBLIC_INTERNAL_H
#define CONCLAVE_GROUP_PUBLIC_INTERNAL_H

#include <string.h>

#include "e2ee/mls_message.h"
#include "e2ee/tree.h"
#include "group/public.h"

#define INFO_LEN_MAX (16u << 10) /* as WIRE_GROUP_INFO_LEN_MAX */

/* An epoch, but for the tree. */
struct public_epoch {
    struct mls_buf context;          /* encoded GroupContext */
    struct mls_buf info;             /* MLSMessage with the GroupInfo; empty when there was none */
    struct mls_group_context parsed; /* of context */
    struct mls_hash interim;
    struct mls_hash confirmation_tag;
    uint8_t link_key[GROUP_KEY_LEN];
    uint8_t info_tag[16];
    struct group_before before; /* its spans point into context, and to link_key once the epoch has its place */
};

struct public_tree {
    struct mls_hash hash;
    struct mls_buf bytes;
};

struct public_remove {
    struct mls_hash ref;
    uint32_t leaf;
};

struct public_standing {
    bool known;
    struct group_standing standing;
};

struct public_group {
    struct mls_crypto crypto;
    uint32_t members_max;
    struct tree *tree; /* always of the epoch that stands */
    struct public_epoch now;
    struct public_standing *standings; /* of leaves, filled in when asked for; `leaves_max` of them */
    uint32_t leaves_max;
    struct public_tree past[PUBLIC_GROUP_TREES_MAX];
    uint32_t past_next;
    struct mls_buf tree_bytes; /* written when asked for */
    struct mls_buf check;      /* for the queue of leaf signatures */
    uint32_t check_cursor;
    uint32_t removes_count;
    struct public_remove *removes; /* PUBLIC_GROUP_REMOVES_MAX of them */
    /* the staged commit */
    struct tree_change *change; /* NULL: none */
    struct public_epoch next;
    struct mls_buf commit; /* MLSMessage, what `proposals` points into */
    struct mls_proposal_info *proposals;
    uint32_t proposals_max;
    struct public_group_staged staged;
    struct mls_leaf_info committer; /* its new leaf; extensions empty without a path */
};

void public_epoch_init(struct public_epoch *e);
void public_epoch_free(struct public_epoch *e);
/* Fills in the rest of an epoch whose context, interim hash and tag are there. `info_bytes` may be empty. `link_key`:
 * of the former epoch, empty when there is none. MLS_GROUP_INFO_MISMATCH when the GroupInfo is not of this epoch. */
enum mls_status public_epoch_finish(struct public_group *g, struct public_epoch *e, struct span info_bytes,
                                    struct span link_key, enum group_verdict *verdict);
/* False when it is longer than any hash. */
static inline bool public_hash_set(struct mls_hash *hash, struct span bytes) {
    if (bytes.len == 0 || bytes.len > sizeof hash->bytes)
        return false;
    hash->len = (uint8_t)bytes.len;
    memcpy(hash->bytes, bytes.data, bytes.len);
    return true;
}
/* Parses a GroupInfo message of our suite with an external key. */
enum mls_status public_info_parse(const struct public_group *g, struct span bytes, struct mls_group_info *out);
/* Points `before` to its own storage, after an epoch was moved. */
void public_epoch_bind(struct public_group *g, struct public_epoch *e);

#endif
