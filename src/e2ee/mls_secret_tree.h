/* The secret tree of one epoch (RFC 9420 section 9): from the encryption secret a tree with the ratchet tree's shape,
 * two ratchets at each leaf, and from them a key and nonce for every message of every member.
 *
 * Lazy: a secret is derived when its sender is first heard of, in O(log N) derivations; memory is O(log N) for each
 * sender that was heard of, nothing for others. Deletion (section 9.2) is what the structure does: a node's secret is
 * wiped in the moment its children are made, a ratchet's secret when it steps, a message's key when
 * mls_secret_tree_consume says that it was used.
 *
 * Late messages: keys of skipped generations are kept, bounded (mls_limits.h); older ones are gone and answer
 * MLS_GENERATION_CONSUMED, like a replay.
 *
 * Receiving is in two steps, so that a message that is refused (not authentic, bad signature) changes nothing:
 *
 *     mls_secret_tree_peek(&tree, leaf, ratchet, generation, &key)   derives; the tree still gives the same again
 *     ... decrypt with key.key, key.nonce; verify ...
 *     mls_secret_tree_consume(&tree, &key)    on success: never fails, the generation is gone
 *     mls_message_key_wipe(&key)              always
 *
 * Between peek and consume no other function of the tree may be called (asserted). One owner, no threads. */
#ifndef CONCLAVE_E2EE_MLS_SECRET_TREE_H
#define CONCLAVE_E2EE_MLS_SECRET_TREE_H

#include "e2ee/mls_suite.h"

enum mls_ratchet_kind { MLS_RATCHET_HANDSHAKE, MLS_RATCHET_APPLICATION };

struct mls_secret_tree_node;
struct mls_skipped_key;

struct mls_secret_tree {
    struct mls_crypto crypto;
    uint32_t leaves; /* of the ratchet tree, blanks included: a power of two */
    struct mls_secret_tree_node *root;
    uint32_t skipped_shared; /* kept keys above each ratchet's own share */
    bool peeked;
};

/* A key and nonce of one generation, and what the ratchet becomes when it is consumed. */
struct mls_message_key {
    uint8_t key[AEAD_KEY_LEN_MAX];
    uint8_t nonce[AEAD_NONCE_LEN];
    uint32_t leaf;
    enum mls_ratchet_kind ratchet;
    uint32_t generation;
    /* private: */
    bool from_skipped;
    struct secret next;              /* ratchet secret after this generation */
    struct mls_skipped_key *skipped; /* the ratchet's list of late keys after this generation; NULL: as it is */
    uint32_t skipped_count;
};

/* Takes the encryption secret over and wipes the caller's. `leaves` is a power of two up to MLS_MEMBERS_MAX (asserted).
 * On failure the secret stays as it was and `tree` is empty. */
enum mls_status mls_secret_tree_init(struct mls_secret_tree *tree, const struct mls_crypto *c,
                                     struct secret *encryption_secret, uint32_t leaves);
/* Wipes and frees; the tree is then empty, and every peek answers MLS_EPOCH_FORGOTTEN. */
void mls_secret_tree_free(struct mls_secret_tree *tree);

/* Of a received message. MLS_SENDER_NOT_MEMBER: leaf outside of the tree; MLS_GENERATION_CONSUMED;
 * MLS_GENERATION_TOO_FAR. */
enum mls_status mls_secret_tree_peek(struct mls_secret_tree *tree, uint32_t leaf, enum mls_ratchet_kind ratchet,
                                     uint32_t generation, struct mls_message_key *out);
void mls_secret_tree_consume(struct mls_secret_tree *tree, struct mls_message_key *key);
/* Wipes the key; ends what peek began, when it was not consumed. */
void mls_message_key_wipe(struct mls_secret_tree *tree, struct mls_message_key *key);

/* Of an own message: the next generation of the own leaf's ratchet, consumed at once. MLS_GENERATION_EXHAUSTED after
 * 2^32 - 1. */
enum mls_status mls_secret_tree_next(struct mls_secret_tree *tree, uint32_t leaf, enum mls_ratchet_kind ratchet,
                                     struct mls_message_key *out);

/* For sealed states: everything of the tree, secrets in the clear, and back. Reading answers why the bytes are no tree
 * of this suite; `tree` is then empty. Not between peek and consume. */
enum mls_status mls_secret_tree_write(const struct mls_secret_tree *tree, struct mls_buf *out);
enum mls_status mls_secret_tree_read(struct mls_reader *r, const struct mls_crypto *c, struct mls_secret_tree *tree);

/* Bytes of heap that the tree holds, for statements about memory. */
size_t mls_secret_tree_bytes(const struct mls_secret_tree *tree);

#endif
