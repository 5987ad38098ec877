/* Members of MLS groups for tests: each has a client of its own, as if on its own device, and a group handle; messages
 * go by direct calls. Also the forger: messages that the library itself would not make, with real signatures and tags,
 * so that a rule can be seen to be refused for itself. Everything asserts (cmocka). */
#ifndef CONCLAVE_TESTS_GROUP_WORLD_H
#define CONCLAVE_TESTS_GROUP_WORLD_H

#include "e2ee/mls.h"
#include "e2ee/mls_message.h"
#include "e2ee/mls_suite.h"

#define WORLD_PEERS_MAX 64
/* What the peers take for the present time. */
#define WORLD_NOW 1700000000u

struct peer {
    struct world *world;
    char name[16];
    struct mls_client *client;
    struct mls_group *group; /* NULL: in none */
    struct secret signature_key;
    struct mls_buf signature_public;
    struct mls_buf credential;
    struct mls_buf key_package; /* the last one made, as message */
    struct mls_identity identity;
};

struct world {
    uint16_t suite;
    struct rng rng;
    struct mls_group_options options; /* of every group handle made from now on */
    struct span context_extensions;   /* of the group that world_found makes */
    struct peer peers[WORLD_PEERS_MAX];
    uint32_t count;
    struct mls_buf commit, welcome, group_info, message, proposals; /* scratch, the last made */
};

void world_init(struct world *w, uint16_t suite);
void world_free(struct world *w);
/* A peer without a group. */
struct peer *world_peer(struct world *w, const char *name);
/* The first member's group. */
void world_found(struct peer *p);
/* `count` members, "m0" who founded, "m1".. invited one after the other. */
void world_grow(struct world *w, uint32_t count);

/* A fresh key package in p->key_package. */
struct span peer_package(struct peer *p);
/* KeyPackageRef of p->key_package. */
struct mls_hash peer_package_ref(struct peer *p);
/* Commits with these options, delivers to everybody, lets the added join. */
void peer_commit(struct peer *p, const struct mls_commit_options *options);
/* mls_commit into the world's buffers (cleared), pending at p. */
enum mls_status peer_try_commit(struct peer *p, const struct mls_commit_options *options);
/* A commit with these proposals by value. */
void peer_commit_values(struct peer *p, struct span proposals);
/* Adds one member, who joins by the Welcome. */
void peer_invite(struct peer *p, struct peer *joiner);
void peer_remove(struct peer *p, uint32_t leaf);
/* Everybody else stages and applies w->commit; p confirms. */
void world_deliver_commit(struct peer *from);
/* Everybody else in the group processes a proposal message. */
void world_deliver_proposal(struct peer *from, struct span message);
/* Joins by w->welcome. */
void peer_join(struct peer *joiner);
/* Joins by external commit from a fresh GroupInfo of `host`; everybody follows. */
void peer_join_external(struct peer *joiner, struct peer *host, const struct mls_external_options *options);
/* All who are in the group agree in everything, and a message from one opens at all others. */
void world_check(struct world *w);
void world_say(struct peer *from, const char *text);
/* Leaves and forgets the group. */
void peer_leave(struct peer *p);

/* Sealed state under a fixed key and nonce: equal bytes, equal state. */
void peer_seal(const struct peer *p, struct mls_buf *out);
/* p refuses this message for this reason, and is as before. */
void peer_refuses(struct peer *p, struct span message, enum mls_status reason);
/* p cannot make such a commit, and is as before. */
void peer_cannot_commit(struct peer *p, const struct mls_commit_options *options, enum mls_status reason);

/* ---- the forger: with the keys of member p ---- */

/* A PublicMessage with this Commit content: `proposals` is a list of encoded ProposalOrRef, `path` an UpdatePath or
 * empty. Signature and membership tag are good; the confirmation tag is what a list without effect would give: wrong.
 */
void forge_commit(struct peer *p, struct span proposals, struct span path, struct mls_buf *out);
/* The same from a stranger: sender new_member_commit, signed by `key`. */
void forge_external_commit(struct peer *in_group, const struct secret *key, struct span proposals, struct span path,
                           struct mls_buf *out);
/* A PublicMessage with this Proposal from p as member. */
void forge_proposal(struct peer *p, struct span proposal, struct mls_buf *out);
/* A ProposalOrRef by value around an encoded Proposal; by reference. */
void forge_by_value(struct span proposal, struct mls_buf *out);
void forge_by_ref(struct span ref, struct mls_buf *out);
/* A whole commit with one proposal by value, no path. */
void forge_commit_of(struct peer *p, struct span proposal, struct mls_buf *out);
/* Nobody follows a forged commit of the first peer with this proposal, and the honest one does not make it. */
void world_refuses(struct world *w, struct span proposal, enum mls_status reason);

/* Changes a leaf before it is signed. */
typedef void forge_leaf(struct mls_leaf_node *leaf, void *with);
typedef void forge_package(struct mls_key_package *package, void *with);
/* A key package of a new client with `p`'s identity, changed and signed: leaf first, then package. Either may be NULL.
 * Appends the bare KeyPackage. */
void forge_key_package(struct peer *p, forge_leaf *leaf, forge_package *package, void *with, struct mls_buf *out);
/* An Update of p's own leaf: a fresh key, then changed and signed. Appends the encoded Proposal. */
void forge_update(struct peer *p, forge_leaf *leaf, void *with, struct mls_buf *out);

/* No bytes; and a buffer, emptied. */
static inline struct span none(void) {
    return span_of(NULL, 0);
}

static inline struct mls_buf *empty(struct mls_buf *b) {
    mls_buf_clear(b);
    return b;
}

#endif
