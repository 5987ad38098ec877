/* The inside of the ratchet tree, shared by the tree_*.c files. tree.h is the contract.
 *
 * What a node holds (a leaf or a parent) is one heap block that does not change once another change could see it: an
 * edit puts a new block in its place and the journal keeps the old one. So rolling back is putting pointers back. */
#ifndef CONCLAVE_E2EE_TREE_INTERNAL_H
#define CONCLAVE_E2EE_TREE_INTERNAL_H

#include "e2ee/tree.h"

enum leaf_verdict { LEAF_VERIFIED, LEAF_WAITING, LEAF_HANDED_OUT, LEAF_BAD };

/* Credential types that can be in a tree at all: others cannot be parsed (section 5.3). */
#define CREDENTIAL_KINDS 2

struct leaf_content {
    struct mls_leaf_node node; /* spans into encoding */
    uint32_t serial;
    uint32_t encryption_tag; /* hashes of the keys in the key table */
    uint32_t signature_tag;
    uint8_t verdict;
    uint8_t credential; /* index of the credential type */
    bool supports[CREDENTIAL_KINDS];
    uint32_t encoding_len;
    uint8_t encoding[];
};

struct parent_content {
    uint32_t key_tag;
    uint16_t key_len;
    uint16_t parent_hash_len;
    uint32_t unmerged_count;
    uint32_t unmerged_max;
    uint8_t *unmerged; /* leaf numbers in network byte order, increasing: as they are hashed and sent */
    uint8_t bytes[];   /* key, parent hash */
};

enum node_flag {
    NODE_DIRTY = 1,     /* the cached hash is not valid; then neither are those above */
    NODE_JOURNALED = 2, /* the open change has an entry for it */
    NODE_FRESH = 4,     /* the open change made its contents: nobody else knows them */
    NODE_ADDED = 8,     /* a leaf added by the open change */
};

struct tree_node {
    void *content; /* struct leaf_content or parent_content; NULL: blank */
    uint8_t flags;
};

/* What a change remembers of a node: what it does not have now. */
struct change_entry {
    uint32_t node;
    uint8_t flags; /* NODE_DIRTY, NODE_ADDED */
    bool same;     /* in a detached change: the contents were not replaced, only the hash */
    void *content;
    uint8_t hash[HASH_LEN_MAX];
};

struct tree_shape {
    uint32_t leaf_count;
    uint32_t blank_from; /* no leaf left of it is blank */
    uint32_t rightmost;  /* the last member, TREE_NONE when there is none */
    uint32_t own_leaf;
};

struct tree_change {
    struct change_entry *entries;
    uint32_t count;
    uint32_t max;
    struct tree_shape shape;
    uint32_t keys_saved; /* a bit for every level whose private key is in `keys` */
    struct secret keys[TREE_LEVELS_MAX];
    uint64_t version;
    bool failed; /* an edit failed in the middle */
};

/* Which node has which key: a hash table of node numbers, open addressing with linear probing. Equal keys may be in it,
 * and are counted: while a proposal list is applied, one member may take a key that another is about to give up. */
enum key_kind { KEY_ENCRYPTION, KEY_SIGNATURE };
struct key_place {
    uint32_t tag;
    uint32_t ref; /* node * 2 + kind, TREE_NONE: free */
};
struct key_table {
    struct key_place *places;
    uint32_t size; /* power of two, or 0 */
    uint32_t count;
    uint32_t duplicates[2];
    uint64_t seed[2];
};

struct tree {
    struct mls_crypto crypto;
    uint32_t hash_len;
    uint32_t key_len;
    uint32_t signature_key_len;
    uint32_t members_max;
    struct tree_node *nodes;
    uint8_t *hashes;
    uint32_t capacity; /* leaves that nodes and hashes have room for */
    struct tree_shape shape;
    uint32_t member_count;
    uint32_t unverified;
    uint32_t credential_in_use[CREDENTIAL_KINDS];
    uint32_t credential_supported[CREDENTIAL_KINDS];
    struct key_table keys;
    struct secret private_keys[TREE_LEVELS_MAX]; /* of the own leaf and the nodes above it, by level */
    struct tree_change *open;
    uint64_t version;     /* counts what was kept */
    uint32_t leaf_serial; /* counts leaves made, for tickets */
};

static inline bool tree_node_is_leaf(uint32_t node) {
    return (node & 1) == 0;
}
static inline struct leaf_content *tree_leaf_content(const struct tree *t, uint32_t leaf) {
    return t->nodes[2 * leaf].content;
}
static inline struct parent_content *tree_parent_content(const struct tree *t, uint32_t node) {
    return t->nodes[node].content;
}
static inline uint8_t *tree_cached_hash(const struct tree *t, uint32_t node) {
    return t->hashes + (size_t)node * t->hash_len;
}

/* ---- contents (tree_content.c) ---- */

/* Parses and copies one LeafNode; keys of the wrong length are refused. */
enum mls_status leaf_content_make(struct tree *t, struct span encoding, struct leaf_content **out);
/* A parent with room for `unmerged_max` unmerged leaves, none in it yet. */
enum mls_status parent_content_make(struct tree *t, struct span key, struct span parent_hash, uint32_t unmerged_max,
                                    struct parent_content **out);
enum mls_status parent_content_copy(struct tree *t, const struct parent_content *p, uint32_t unmerged_max,
                                    struct parent_content **out);
void content_free(uint32_t node, void *content);
size_t content_memory(uint32_t node, const void *content);
struct span parent_key(const struct parent_content *p);
struct span parent_hash_field(const struct parent_content *p);
struct span parent_unmerged(const struct parent_content *p);
uint32_t parent_unmerged_at(const struct parent_content *p, uint32_t i);
/* Position of the first entry that is at least `leaf`. */
uint32_t parent_unmerged_find(const struct parent_content *p, uint32_t leaf);
bool parent_has_unmerged(const struct parent_content *p, uint32_t leaf);
/* Inserts in place; room must be there. */
void parent_insert_unmerged(struct parent_content *p, uint32_t leaf);
struct span content_key(uint32_t node, const void *content);

/* ---- key table (tree_keys.c) ---- */

uint32_t key_table_tag(const struct key_table *keys, struct span key);
/* Room for `more` further keys. */
enum mls_status key_table_reserve(struct key_table *keys, uint32_t more);
void key_table_free(struct key_table *keys);
/* The keys of a node go in or out while the node has them. Never fails: room was reserved. */
void tree_keys_insert(struct tree *t, uint32_t node);
void tree_keys_remove(struct tree *t, uint32_t node);
/* The first node with this key, TREE_NONE. */
uint32_t tree_keys_find(const struct tree *t, enum key_kind kind, struct span key);

/* ---- journal (tree_journal.c) ---- */

/* Writes the node and all nodes above it down, and marks their hashes as not valid. */
enum mls_status tree_touch(struct tree *t, uint32_t node);
/* Puts `content` (NULL: blank) in the node's place, with all that follows from it; takes it, also on failure. */
enum mls_status tree_set_content(struct tree *t, uint32_t node, void *content);
/* Journaled when a change is open. NULL or len 0: no key. */
void tree_set_private(struct tree *t, uint32_t level, const struct secret *key);
/* Marks the open change as failed, so that it can only be rolled back, and answers `status`. */
enum mls_status tree_fail(struct tree *t, enum mls_status status);
/* Counts a node's contents in or out: members, credentials, keys. */
void tree_count_in(struct tree *t, uint32_t node);
void tree_count_out(struct tree *t, uint32_t node);
/* Room for this many leaves in the arrays. */
enum mls_status tree_make_room(struct tree *t, uint32_t leaf_count);
/* Sets blank_from and rightmost after `leaf` changed. */
void tree_note_leaf(struct tree *t, uint32_t leaf);

/* ---- hashes (tree_hash.c) ---- */

/* Parent hash of `node` (section 7.9) with the copath child `sibling`: `key` and `parent_hash` are the node's. The
 * sibling's tree hash is taken as it is, or, when `unmerged` holds leaves below it, without those. */
enum mls_status tree_parent_hash(struct tree *t, struct span key, struct span parent_hash, uint32_t sibling,
                                 struct span unmerged, uint8_t *out);

/* The part of a sorted list of leaves (unmerged_leaves) that is below `head`. */
struct span tree_list_below(struct span leaves, uint32_t head);

/* ---- validation (tree_validate.c) ---- */

/* The rules of section 12.4.3.1 for the entries of unmerged_leaves. */
enum mls_status tree_check_unmerged(const struct tree *t);

/* ---- edits (tree_edit.c) ---- */

enum mls_status tree_blank_direct_path(struct tree *t, uint32_t leaf);

/* ---- own member (tree_own.c) ---- */

/* The key pair of a parent from its path secret (section 7.4). */
enum mls_status tree_node_key_pair(const struct tree *t, const struct secret *path_secret, struct secret *private_key,
                                   uint8_t *public_key);
/* Derives the key pair of `node`, which is not blank, and stores the private key if the public one is right
 * (MLS_PATH_KEY_MISMATCH). */
enum mls_status tree_take_path_secret(struct tree *t, uint32_t node, const struct secret *path_secret);

/* ---- paths (tree_path.c) ---- */

/* The filtered direct path of a leaf (section 4.1.2), from below, and the copath child of each of its nodes. */
struct filtered_path {
    uint32_t count;
    uint32_t nodes[TREE_LEVELS_MAX];
    uint32_t siblings[TREE_LEVELS_MAX];
};
void tree_filtered_path(const struct tree *t, uint32_t leaf, struct filtered_path *out);
/* Nodes of the resolution to which a path secret is encrypted: without leaves that the open change added. */
uint32_t tree_recipients_next(struct tree_resolution *r);

#endif
