/* What anybody can know of a meeting's group without its secrets (RFC 9420 section 14): the tree of public keys, the
 * GroupContext, the open Removes. The server follows the group with it; who comes back replays with it what happened
 * since. It refuses what the members would refuse for what is public: order, membership, tree, signatures, rules.h.
 * What needs secrets (membership and confirmation tag, what is sealed in a path) it cannot see; members who do, say so.
 *
 *     public_group_open       from the GroupInfo and tree of any epoch
 *     public_group_remove     proposes a Remove as external sender
 *     public_group_stage      checks a commit; the group then has a next epoch that does not stand yet
 *     public_group_keep       it stands (`ready`);    public_group_withdraw: it does not, and nothing has changed
 *
 * All queries answer for the epoch that stands, until public_group_keep. Memory: heap, bounded by the members.
 * Randomness: fit for secrets. Threads: none. */
#ifndef CONCLAVE_GROUP_PUBLIC_H
#define CONCLAVE_GROUP_PUBLIC_H

#include "base/rng.h"
#include "e2ee/mls_suite.h"
#include "group/rules.h"

/* Removes proposed in one epoch: everybody may leave at once. */
#define PUBLIC_GROUP_REMOVES_MAX 1000
/* Trees of past epochs that joiners may still ask for: they were told a hash, and the group went on before their
 * request came. */
#define PUBLIC_GROUP_TREES_MAX 8

struct public_group;

/* Checks that `group_info` (MLSMessage) and `tree` belong together and are valid: hashes, parent hashes, keys, the
 * signature of the GroupInfo, the signer's leaf. Its suite is `crypto`'s, it has a well-formed Meeting, and an Info of
 * the same generation. Whether the group may be is asked of rules.h, with public_group_before. Signatures of other
 * leaves wait: public_group_verify. */
enum mls_status public_group_open(const struct mls_crypto *crypto, uint32_t members_max, struct span group_info,
                                  struct span tree, struct rng *rng, struct public_group **out);
void public_group_free(struct public_group *g); /* NULL is fine */
/* Verifies up to `max` leaf signatures. MLS_LEAF_SIGNATURE_INVALID: the tree is forged, give the group up. */
enum mls_status public_group_verify(struct public_group *g, uint32_t max);
uint32_t public_group_verify_left(const struct public_group *g);

/* ---- Removes ---- */

/* Appends the message that proposes to remove `leaf`, a member, and notes it. MLS_PROPOSALS_STORED_TOO_MANY when there
 * is no room. Not while a commit is staged (MLS_COMMIT_STAGED). */
enum mls_status public_group_remove(struct public_group *g, uint32_t leaf, const struct secret *signature_key,
                                    struct mls_buf *message);
/* Notes such a message of the group's external sender, for who replays. */
enum mls_status public_group_proposal(struct public_group *g, struct span message);
/* A Remove of it is open in this epoch. */
bool public_group_is_leaving(const struct public_group *g, uint32_t leaf);

/* ---- commits ---- */

struct public_group_staged {
    uint64_t epoch;     /* that it would start */
    bool external;      /* by somebody who comes in */
    uint32_t committer; /* leaf in the new epoch */
    uint32_t adds, removes, proposals;
    bool context_changed;
    enum group_verdict verdict; /* why it was refused, when the status is MLS_PROPOSAL_REFUSED */
};
/* `commit`: MLSMessage. `group_info`: MLSMessage of the epoch that it starts, checked against the context, tree,
 * confirmation tag and signer that the commit leads to; empty where only the chain is known. `seat_key`: of the
 * connection that sent it, which its author must have; empty: any. `unix_s` for lifetimes, 0: not judged. On any status
 * but MLS_OK nothing has changed; `out` is filled in as far as it got. MLS_COMMIT_STAGED when one is staged already. */
enum mls_status public_group_stage(struct public_group *g, struct span commit, struct span group_info,
                                   struct span seat_key, uint64_t unix_s, struct public_group_staged *out);
bool public_group_is_staged(const struct public_group *g);
/* What is in the staged commit: index from 0 until false. Leaves of adds, and of removed members. */
bool public_group_staged_proposal(const struct public_group *g, uint32_t index, struct mls_proposal_info *out);
/* The committer's leaf, its new one where it has a path: an entrant's. False when nothing is staged. */
bool public_group_staged_committer(const struct public_group *g, struct mls_leaf_info *out);
/* The staged epoch stands; open Removes of the former are forgotten. Nothing staged: nothing happens. */
void public_group_keep(struct public_group *g);
void public_group_withdraw(struct public_group *g);

/* ---- the epoch that stands ---- */

uint64_t public_group_epoch(const struct public_group *g);
uint32_t public_group_members(const struct public_group *g);
struct span public_group_id(const struct public_group *g);
struct span public_group_context(const struct public_group *g);    /* encoded GroupContext */
struct span public_group_transcript(const struct public_group *g); /* its confirmed transcript hash */
struct span public_group_tree_hash(const struct public_group *g);
/* MLSMessage with the GroupInfo; empty after a commit that came without one. */
struct span public_group_info(const struct public_group *g);
/* Its extensions, encoded; empty without one. */
struct span public_group_info_extensions(const struct public_group *g);
/* SHA-256("conclave info v2" ...) of that GroupInfo: what an honest `ack` says of it. */
void public_group_info_tag(const struct public_group *g, uint8_t out[16]);
/* For the rules; lives until the group changes. */
const struct group_before *public_group_before(const struct public_group *g);
/* A member's leaf; false for a blank one. Spans live until the group changes. */
bool public_group_leaf(const struct public_group *g, uint32_t leaf, struct mls_leaf_info *out);
/* Its standing, as it was when the epoch began. */
bool public_group_standing(const struct public_group *g, uint32_t leaf, struct group_standing *out);
/* The leaf with this seat key or identity; false when there is none. O(N). */
bool public_group_find_seat(const struct public_group *g, struct span seat_key, uint32_t *leaf);
bool public_group_find(const struct public_group *g, struct span identity, uint32_t *leaf);
/* The next member's leaf from *cursor on, which moves past it: start with 0, until false. */
bool public_group_next(const struct public_group *g, uint32_t *cursor, uint32_t *leaf);
/* The tree with this hash: of this epoch or a recent one; empty when there is none. Borrowed until the group changes.
 */
struct span public_group_tree(struct public_group *g, struct span tree_hash);

/* ---- who comes back ---- */

/* After a chain was staged and kept commit by commit from the epoch that one knew: whether this GroupInfo (MLSMessage)
 * is of the epoch where the chain ends: same context (so transcript, tree, extensions), confirmation tag of the last
 * commit, signed by a member, Info of the same generation. MLS_GROUP_INFO_MISMATCH otherwise. */
enum mls_status public_group_agrees(const struct public_group *g, struct span group_info);

#endif
