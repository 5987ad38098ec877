/* The ratchet tree of an MLS group (RFC 9420 sections 4 and 7): who is a member, with which keys, and the private keys
 * that one member knows of it; TreeKEM on top (sections 7.4, 7.5, 7.6).
 *
 * Edits and the journal. A tree is changed only between tree_begin and one of three ends:
 *
 *     tree_begin(t);
 *     tree_update(t, ..); tree_remove(t, ..); tree_add(t, ..);     in this order (section 12.3)
 *     tree_check(t);                                               what holds of a valid tree holds
 *     tree_path_*(t, ..); tree_hash(t, ..);
 *     tree_keep(t)      the change is the tree; what it replaced is wiped and freed
 *     tree_rollback(t)  the tree is exactly as at tree_begin: nodes, cached hashes, private keys, counters
 *     tree_detach(t)    rolls back and hands the change out, to be attached later: a commit that waits for its fate
 *
 * One span from begin to end is one commit. When an edit fails, for whatever reason, the change can only be rolled back
 * (tree_keep and tree_detach assert). Rolling back, detaching, attaching and keeping never fail and never allocate. The
 * tree knows which leaves were added since tree_begin and leaves them out of path encryption (section 7.5).
 *
 * Cost, N leaves: an edit is O(log N) (an added leaf is inserted in the unmerged_leaves of O(log N) parents); the tree
 * hash is computed only along changed paths; the journal holds what changed, nothing else. Doubling and halving the
 * tree is O(N), once per doubling.
 *
 * Memory, with suite 1: about 450 bytes a member beside the bytes of its leaf node (its parsed form, two nodes with
 * cached hashes, places in the key table), and 100 more for a filled parent; 32 bytes more a member for SHA-512's
 * hashes. tree_memory tells. Bounded by `members_max`, given at creation.
 *
 * Ownership: the tree copies every leaf that it is given; structs and spans that it hands out live until the node is
 * changed, or the change that made it ends otherwise than kept. Secrets are wiped when they are replaced, rolled back
 * or freed. No recursion, no clock; randomness is an argument. Threads: one owner.
 *
 * Errors: enum mls_status names the broken rule. MLS_NO_MEMORY and crypto failures can come from every function that
 * returns a status. Out-of-range leaf numbers from messages are data (MLS_LEAF_BLANK or similar); nodes that the caller
 * computes are asserted on. Outputs are unchanged or wiped on failure.
 *
 * Not done here: what a credential says, lifetimes, required capabilities and leaf signatures: whoever edits a tree has
 * checked the leaf first (sections 7.3 and 10.1), and for trees read there is the queue below. Nothing about epochs. */
#ifndef CONCLAVE_E2EE_TREE_H
#define CONCLAVE_E2EE_TREE_H

#include "base/cursor.h"
#include "base/rng.h"
#include "base/secret.h"
#include "crypto/backend.h"
#include "e2ee/mem.h"
#include "e2ee/mls_codec.h"
#include "e2ee/mls_message.h"
#include "e2ee/mls_status.h"
#include "e2ee/mls_suite.h"
#include "e2ee/tree_math.h"

struct tree;
struct tree_change;
struct tree_path;

/* Levels of the largest tree: MLS_MEMBERS_MAX (16384) leaves are level 0, their root is level 14. */
#define TREE_LEVELS_MAX 15

/* ---- life ---- */

/* An empty tree. `members_max` <= MLS_MEMBERS_MAX: an add beyond it is refused (MLS_TREE_FULL). `rng` gives the secret
 * seed of the key table, so that nobody can choose keys that collide in it. */
enum mls_status tree_create(const struct mls_crypto *crypto, uint32_t members_max, struct rng *rng, struct tree **out);
/* Reads a `ratchet_tree` (section 12.4.3.3), length header included and nothing after it. Checks the syntax of every
 * node, the place of leaves and parents, that the last node is there and is a leaf (a tree is always truncated to its
 * rightmost leaf, section 12.1.3), that keys have the suite's length, and the entries of unmerged_leaves (section
 * 12.4.3.1). Leaves come in as not verified. Afterwards the caller compares tree_hash and calls tree_validate. */
enum mls_status tree_read(const struct mls_crypto *crypto, uint32_t members_max, struct rng *rng,
                          struct span ratchet_tree, struct tree **out);
/* Frees everything, wiping secrets; an open change is given up. NULL is fine. */
void tree_free(struct tree *t);

/* What else somebody who joins checks of a tree as a whole (section 12.4.3.1): every parent is parent-hash valid
 * through exactly one child (section 7.9.2), encryption and signature keys are unique, encryption keys are good
 * (kem_public_good), credential types are supported by all. Signatures are left to the queue. */
enum mls_status tree_validate(struct tree *t);
/* The ratchet_tree with its length header. */
enum mls_status tree_write(const struct tree *t, struct mls_buf *out);
/* Bytes of heap that this tree holds, journal included. */
size_t tree_memory(const struct tree *t);

/* ---- look ---- */

/* Leaves, blank ones included: a power of two, or 0 for the empty tree. */
uint32_t tree_leaf_count(const struct tree *t);
uint32_t tree_member_count(const struct tree *t);
/* NULL when the leaf is blank or outside of the tree. */
const struct mls_leaf_node *tree_leaf(const struct tree *t, uint32_t leaf);
/* The leaf as it was signed and sent; empty when blank. */
struct span tree_leaf_encoding(const struct tree *t, uint32_t leaf);
/* The first member at leaf `from` or right of it, TREE_NONE after the last: for (l = tree_next_member(t, 0); l !=
 * TREE_NONE; l = tree_next_member(t, l + 1)). */
uint32_t tree_next_member(const struct tree *t, uint32_t from);
/* The member with this signature key, TREE_NONE when there is none. O(1). */
uint32_t tree_find_signature_key(const struct tree *t, struct span signature_key);
/* Whether some node has this encryption key. O(1). */
bool tree_has_encryption_key(const struct tree *t, struct span encryption_key);
/* Whether every member's capabilities list `type` in the given list. Default proposal and extension types (section 7.2)
 * count as listed. O(N). */
enum tree_capability { TREE_CAPABILITY_EXTENSION, TREE_CAPABILITY_PROPOSAL, TREE_CAPABILITY_CREDENTIAL };
bool tree_all_support(const struct tree *t, enum tree_capability list, uint16_t type);

/* Tree hash of the root (section 7.8): `suite` hash length bytes. Recomputes what changed; the cache is part of the
 * tree. The tree is not empty. */
enum mls_status tree_hash(struct tree *t, uint8_t *out);
/* Tree hash of any node; `node` is in the tree. */
enum mls_status tree_node_hash(struct tree *t, uint32_t node, uint8_t *out);
/* Empty for a blank node. */
struct span tree_node_key(const struct tree *t, uint32_t node);

/* Resolution of a node (section 4.1.1), one node at a time: start with *state zeroed; TREE_NONE at the end. */
struct tree_resolution {
    const struct tree *tree;
    uint32_t head;
    uint32_t next; /* node that is visited next, in depth-first order */
    uint32_t unmerged_at;
    uint32_t unmerged_pos;
};
struct tree_resolution tree_resolve(const struct tree *t, uint32_t node);
uint32_t tree_resolution_next(struct tree_resolution *r);

/* ---- change ---- */

/* Opens a change. Only one may be open. */
enum mls_status tree_begin(struct tree *t);
bool tree_is_open(const struct tree *t);
void tree_keep(struct tree *t);
void tree_rollback(struct tree *t);
/* Rolls back and hands out what was rolled back. The change fits this tree only as long as nothing else was kept;
 * attaching it after that asserts, freeing it is always right. */
struct tree_change *tree_detach(struct tree *t);
/* Puts the change in again, as the open change: tree_keep or tree_rollback follows. Takes `change`. */
void tree_attach(struct tree *t, struct tree_change *change);
/* Forgets a detached change, wiping its secrets. NULL is fine. */
void tree_change_free(struct tree_change *change);
/* The leaves that the open change touched: before and after (NULL: blank). Start with *cursor 0; false at the end. A
 * leaf comes once. */
struct tree_changed_leaf {
    uint32_t leaf;
    const struct mls_leaf_node *before;
    const struct mls_leaf_node *after;
};
bool tree_changed_next(const struct tree *t, uint32_t *cursor, struct tree_changed_leaf *out);

/* ---- edits, inside an open change ---- */

/* Section 12.1.1: the leftmost blank leaf, extending the tree when there is none; unmerged at its non-blank ancestors.
 * `encoding` is one LeafNode, whose signature the caller has checked. */
enum mls_status tree_add(struct tree *t, struct span encoding, uint32_t *leaf);
/* Section 12.1.2. MLS_LEAF_BLANK when there is no member at `leaf`, MLS_ENCRYPTION_KEY_NOT_FRESH when the key is the
 * old one. The private key of an own leaf is gone then: tree_set_own gives the new one. */
enum mls_status tree_update(struct tree *t, uint32_t leaf, struct span encoding);
/* Section 12.1.3, with truncation (section 7.7). */
enum mls_status tree_remove(struct tree *t, uint32_t leaf);
/* An external committer's place (section 12.4.2): as tree_add, but the leaf stays blank until tree_path_finish or
 * tree_path_merge sets it, which is the next edit. */
enum mls_status tree_reserve(struct tree *t, uint32_t *leaf);
/* After all edits of a proposal list, and again after a path: encryption keys of all nodes and signature keys of leaves
 * are unique, and every credential type in use is supported by every member (section 7.3). O(1). */
enum mls_status tree_check(const struct tree *t);

/* ---- own member ---- */

/* Makes the member at `leaf` the owner of this tree's private keys, with its leaf's private key: checked against the
 * public key (MLS_PRIVATE_KEY_MISMATCH). With or without an open change; without, it is final. */
enum mls_status tree_set_own(struct tree *t, uint32_t leaf, const struct secret *private_key);
/* TREE_NONE for a tree without private keys. */
uint32_t tree_own_leaf(const struct tree *t);
/* The private key known at `node`, which is the own leaf or above it; NULL when there is none. */
const struct secret *tree_private_key(const struct tree *t, uint32_t node);
/* Path secret of a Welcome (section 12.4.3.1): sets private keys from the common ancestor of the own leaf and `signer`
 * up to the root, and checks each against the public key. Outside of a change. */
enum mls_status tree_join_path(struct tree *t, uint32_t signer, const struct secret *path_secret);
/* Sets the private key of one node above the own leaf from its path secret, checked likewise. */
enum mls_status tree_set_path_secret(struct tree *t, uint32_t node, const struct secret *path_secret);
/* Own leaf and private keys as bytes, for sealed states. The buffer then holds secrets. */
enum mls_status tree_private_write(const struct tree *t, struct mls_buf *out);
/* Into a tree just read; checks every key against the public one. */
enum mls_status tree_private_read(struct tree *t, struct mls_reader *in);

/* ---- paths, inside an open change ---- */

/* The own member's fresh path (section 7.4): blanks the direct path, sets new keys along the filtered direct path,
 * computes the parent hashes and stores the private keys. `leaf` is the own leaf, or was reserved and becomes it. The
 * caller builds and signs the LeafNode with tree_path_leaf_key and tree_path_parent_hash, hands it to
 * tree_path_finish, computes tree_hash and the provisional GroupContext, and encrypts. */
enum mls_status tree_path_create(struct tree *t, uint32_t leaf, struct rng *rng, struct tree_path **out);
struct span tree_path_leaf_key(const struct tree_path *path);
struct span tree_path_parent_hash(const struct tree_path *path);
/* `encoding`: the new LeafNode, with exactly that key and parent hash (asserted). */
enum mls_status tree_path_finish(struct tree *t, struct tree_path *path, struct span encoding);
/* Appends the UpdatePath, each path secret sealed to the resolution of its copath node without leaves added in this
 * change (section 7.6). */
enum mls_status tree_path_encrypt(const struct tree *t, const struct tree_path *path, struct span group_context,
                                  struct rng *rng, struct mls_buf *out);
const struct secret *tree_path_commit_secret(const struct tree_path *path);
/* The path secret of the common ancestor of the sender and `leaf`, another member: for its Welcome (section 12.4.3.1).
 */
const struct secret *tree_path_secret_for(const struct tree_path *path, uint32_t leaf);
/* Wipes and frees; NULL is fine. Paths are not tied to the change: keep one as long as Welcomes are to be made. */
void tree_path_free(struct tree_path *path);

/* A receiver's first half (section 7.5): refuses an UpdatePath whose nodes are not those of the filtered direct path,
 * whose ciphertexts do not match the resolutions, whose public keys are in the tree already or no keys, or whose leaf's
 * parent hash is wrong; then merges it. `sender` is a member or was reserved. The caller has checked the leaf's
 * signature and the rest of section 7.3. */
enum mls_status tree_path_merge(struct tree *t, uint32_t sender, const struct mls_update_path *path);
/* Second half: decrypts with the provisional GroupContext, derives, compares every public key, stores the private keys,
 * and gives the commit secret. `path_secret`, if not NULL, gets the decrypted one. `sender` is not the own leaf. */
enum mls_status tree_path_open(struct tree *t, uint32_t sender, const struct mls_update_path *path,
                               struct span group_context, struct secret *path_secret, struct secret *commit_secret);

/* ---- queue of leaf signatures ---- */

/* One signature to check, VerifyWithLabel(signature_key, "LeafNodeTBS", ..) of section 7.2. */
struct tree_verify_job {
    uint32_t leaf;
    uint64_t
        ticket; /* names the leaf and its contents: a verdict about a leaf that was replaced meanwhile is ignored */
    struct span public_key;
    struct span message; /* the whole signed content (SignContent), in the buffer that was passed */
    struct span signature;
};
/* Leaves not verified yet, handed out or not. */
uint32_t tree_unverified_count(const struct tree *t);
/* The next leaf that was not handed out yet; `*cursor` starts at 0. `buf` gets the signed content and is cleared first,
 * so each job that is held at a time needs its own. MLS_OK with job->leaf == TREE_NONE at the end. */
enum mls_status tree_verify_next(struct tree *t, struct span group_id, uint32_t *cursor, struct mls_buf *buf,
                                 struct tree_verify_job *job);
/* The verdict. MLS_OK, or MLS_LEAF_SIGNATURE_INVALID when it is bad and about a leaf that is still in the tree: the
 * tree cannot be trusted. */
enum mls_status tree_verify_done(struct tree *t, uint64_t ticket, bool valid);
bool tree_is_verified(const struct tree *t, uint32_t leaf);
/* There was no verdict after all (memory ran out): the leaf waits again. */
void tree_verify_give_back(struct tree *t, uint64_t ticket);
/* The caller has checked this member's signature otherwise: it leaves the queue. */
void tree_set_verified(struct tree *t, uint32_t leaf);

#endif
