/* What a delivery service can know of an MLS group (RFC 9420 section 14): the tree of public keys, the GroupContext,
 * the open proposals; no secret. It follows the group commit by commit, and refuses those that the members would refuse
 * for what is public: order, membership, tree, roles, signatures. What needs secrets (the membership tag, the
 * confirmation tag, what is sealed in a path) it cannot see; members who do, say so.
 *
 *     public1_group_create   from epoch 0's GroupInfo and tree
 *     public1_group_remove   proposes a Remove as external sender
 *     public1_group_commit   the next epoch, or a status and nothing changed
 *
 * The policy of meetings is in it: docs/delivery-protocol.md, "Rules of the server" 1 to 3. Memory: heap, bounded by
 * the members. Randomness: fit for secrets. Threads: none. */
#ifndef CONCLAVE_GROUP_PUBLIC1_H
#define CONCLAVE_GROUP_PUBLIC1_H

#include "base/rng.h"
#include "e2ee/mls_message.h"
#include "e2ee/mls_suite.h"
#include "e2ee/tree.h"
#include "group/extension.h"

/* Removes proposed in one epoch: everybody may leave at once. */
#define PUBLIC1_GROUP_REMOVES_MAX 1000
/* GroupInfo with the extensions of a meeting; hosts are the longest part. */
#define PUBLIC1_GROUP_INFO_LEN_MAX (16u << 10)

/* Trees of past epochs that joiners may still ask for: they were told a hash, and the group went on before their
 * request came. In a rush of joins an epoch lasts a tenth of a second, and a request a second at most. */
#define PUBLIC1_GROUP_TREES_MAX 8

struct public1_group_tree {
    struct mls_hash hash;
    struct mls_buf bytes;
};

struct public1_group_remove {
    struct mls_hash ref;
    uint32_t leaf;
};

struct public1_group {
    struct mls_crypto crypto;
    uint32_t members_max;
    uint64_t epoch;
    struct tree *tree;
    struct mls_buf info;    /* MLSMessage with the GroupInfo of this epoch */
    struct mls_buf context; /* encoded GroupContext of this epoch */
    struct mls_hash interim;
    struct mls_hash tree_hash;
    struct mls_buf tree_bytes; /* written when asked for */
    struct public1_group_tree past[PUBLIC1_GROUP_TREES_MAX];
    uint32_t past_next;
    uint32_t removes_count;
    struct public1_group_remove removes[PUBLIC1_GROUP_REMOVES_MAX];
};

/* Checks that `group_info` (MLSMessage, epoch 0) and `tree` are a group of one with this identity, suite, meeting and
 * external sender (an encoded ExternalSender). On failure the object is empty again. */
enum mls_status public1_group_create(struct public1_group *g, const struct mls_crypto *crypto, uint32_t members_max,
                                     struct span group_info, struct span tree, struct span identity,
                                     struct span meeting_hash, struct span external_sender, struct rng *rng);
void public1_group_free(struct public1_group *g);

/* Appends the message that proposes to remove `leaf`, a member, and notes the proposal. MLS_PROPOSALS_STORED_TOO_MANY
 * when there is no room. */
enum mls_status public1_group_remove(struct public1_group *g, uint32_t leaf, const struct secret *signature_key,
                                     struct mls_buf *message);
bool public1_group_is_leaving(const struct public1_group *g, uint32_t leaf);

/* Who sends a commit: a member, or somebody who may enter by external commit now. */
struct public1_group_sender {
    struct span identity;
    bool may_join;
};
struct public1_group_result {
    uint32_t committer; /* leaf in the new epoch */
    bool external;
};
/* `commit`: MLSMessage; `group_info`: MLSMessage of the epoch that it starts. `unix_s` for lifetimes. What changed in
 * the tree can be walked afterwards with public1_group_find. */
enum mls_status public1_group_commit(struct public1_group *g, const struct public1_group_sender *sender,
                                     struct span commit, struct span group_info, uint64_t unix_s,
                                     struct public1_group_result *result);

/* The leaf of an identity, TREE_NONE when it is no member. O(N). */
uint32_t public1_group_find(const struct public1_group *g, struct span identity);
struct span public1_group_identity(const struct public1_group *g, uint32_t leaf);
bool public1_group_is_host(const struct public1_group *g, uint32_t leaf);
/* The tree with this hash: the current or a recent epoch's; empty when there is none. Borrowed. */
struct span public1_group_tree(struct public1_group *g, struct span tree_hash);

#endif
