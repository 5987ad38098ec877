/* Inside of the group state machine: what mls_client.c, mls_identity.c, mls_group.c, mls_stored.c, mls_send.c,
 * mls_proposal_list.c, mls_pick.c, mls_change.c, mls_commit.c, mls_process.c, mls_welcome.c, mls_external.c,
 * mls_successor.c and mls_seal.c share. Applications include mls.h.
 *
 * The rule that makes refusals harmless: whatever a commit does is computed into a `struct mls_change`, with the tree
 * edited under its journal and rolled back again; entering the change's epoch afterwards (mls_change_enter) needs no
 * memory and cannot fail. Functions that make something give it out at their end only. */
#ifndef CONCLAVE_E2EE_MLS_GROUP_H
#define CONCLAVE_E2EE_MLS_GROUP_H

#include "e2ee/mem.h"
#include "e2ee/mls.h"
#include "e2ee/mls_framing.h"
#include "e2ee/mls_message.h"
#include "e2ee/mls_schedule.h"
#include "e2ee/mls_secret_tree.h"
#include "e2ee/mls_suite.h"
#include "e2ee/mls_validate.h"
#include "e2ee/tree.h"

/* Owned bytes on the heap, wiped when freed. */
struct mls_bytes {
    uint8_t *data;
    size_t len;
};
static inline struct span mls_bytes_span(const struct mls_bytes *b) {
    return (struct span){.data = b->data, .len = b->len};
}
/* `out` is empty on failure, and for an empty span. */
enum mls_status mls_bytes_copy(struct span from, struct mls_bytes *out);
void mls_bytes_free(struct mls_bytes *b);

/* Answers the buffer's error; cuts what was appended since `start` when `status` or the buffer is not fine, so that a
 * refusal leaves no output. */
enum mls_status mls_output_end(struct mls_buf *out, size_t start, enum mls_status status);

/* ---- the client (mls_client.c) ---- */

struct mls_psk {
    struct mls_bytes id;
    struct mls_bytes psk;
};

/* A key package of ours that nobody has used yet. */
struct mls_package {
    struct mls_package *next;
    struct mls_crypto crypto;
    struct mls_hash ref;
    struct mls_bytes bytes; /* KeyPackage */
    struct secret init_key, encryption_key, signature_key;
    bool keep;
};

struct mls_client {
    const struct crypto_backend *backend;
    struct mls_package *packages; /* newest first */
    uint32_t package_count;
    struct mls_psk *psks; /* MLS_CLIENT_PSKS_MAX places, made with the first */
    uint32_t psk_count;
    struct mls_group *groups;
    uint32_t group_count;
};

struct mls_package *mls_client_package(const struct mls_client *client, struct span ref);
void mls_client_remove_package(struct mls_client *client, struct mls_package *package);
enum mls_status mls_client_add_package(struct mls_client *client, struct mls_package *package);
void mls_package_free(struct mls_package *package);
/* NULL when no open group has this id. */
struct mls_group *mls_client_group(const struct mls_client *client, struct span group_id);
const struct mls_psk *mls_client_psk(const struct mls_client *client, struct span id);

/* ---- identities (mls_identity.c) ---- */

/* A LeafNode's fields from an identity: spans into the identity and into `storage`, which is initialised by the caller
 * and holds keys and capabilities made for the leaf. Key, source, lifetime and parent hash are left to the caller.
 * `package_extensions`: of the key package that it is for, whose types go into the capabilities (section 10); NULL. */
enum mls_status mls_identity_leaf(const struct mls_crypto *c, const struct mls_identity *identity,
                                  const struct mls_list *package_extensions, struct rng *rng, struct mls_buf *storage,
                                  struct mls_leaf_node *leaf);
/* MLS_LIFETIME_DEFAULT_S around `unix_s`, unless options say something else; `options` may be NULL. Without a clock:
 * for ever, which only those accept who have none either. */
void mls_leaf_set_lifetime(const struct mls_key_package_options *options, uint64_t unix_s, struct mls_leaf_node *leaf);
/* Checks an identity and finds its suite. */
enum mls_status mls_identity_crypto(const struct crypto_backend *backend, const struct mls_identity *identity,
                                    struct mls_crypto *out);
/* The encoded KeyPackage in a message or bare: parsed. */
enum mls_status mls_key_package_of(struct span message_or_bare, struct mls_key_package *out);
void mls_leaf_info_of(const struct mls_leaf_node *leaf, struct mls_leaf_info *out);
/* Lifetime rules of mls.h; 0 leaves them out. */
enum mls_status mls_leaf_check_times(const struct mls_leaf_node *leaf, uint64_t unix_s);
/* A list of encoded extensions, checked. */
enum mls_status mls_extension_list_of(struct span extensions, struct mls_list *out);

/* ---- the group ---- */

/* What an epoch is made of. */
struct mls_epoch {
    struct mls_bytes context; /* encoded GroupContext */
    struct mls_group_context parsed;
    struct mls_hash interim; /* interim_transcript_hash */
    struct mls_hash confirmation_tag;
    struct mls_epoch_secrets secrets; /* without `encryption`, which `messages` took */
    struct mls_secret_tree messages;
};
void mls_epoch_free(struct mls_epoch *e);

/* A leaf whose signature key is another one after the epoch. key.len 0: blank in the epoch. */
struct mls_past_key {
    uint32_t leaf;
    struct span key; /* into mls_past.keys */
};

/* What is kept of an epoch that is over, for late application messages. */
struct mls_past {
    struct mls_bytes context;
    struct mls_group_context parsed;
    struct secret sender_data;
    struct mls_secret_tree messages;
    struct mls_past_key *changed;
    uint32_t changed_count, changed_room;
    struct mls_bytes keys;
};
void mls_past_free(struct mls_past *past);
/* Room for `count` leaves with key_bytes of keys in all. */
enum mls_status mls_past_alloc(struct mls_past *past, uint32_t count, size_t key_bytes);
/* Adds one; `used` counts the bytes of past->keys that are taken. */
void mls_past_put(struct mls_past *past, uint32_t leaf, struct span key, size_t *used);

struct mls_resumption {
    uint64_t epoch;
    struct secret psk;
};

/* A proposal of this epoch that came in a message of its own. */
struct mls_stored {
    struct mls_hash ref;
    struct mls_bytes bytes; /* AuthenticatedContent */
    struct mls_authenticated_content parsed;
    bool own;
    bool forgotten;               /* not wanted any more, but a staged commit covers it */
    struct mls_hash message_hash; /* own: of the message that was sent */
    struct secret encryption_key; /* own Update: of the new leaf */
    struct secret signature_key;  /* own Update with a new identity */
};

/* One proposal of a commit, by value or by reference. */
struct mls_entry {
    const struct mls_proposal *proposal;
    struct mls_sender sender;
    const struct mls_stored *stored; /* NULL: by value */
    uint32_t leaf;                   /* add: where it went */
};

/* The proposals of a commit, in its order. */
struct mls_proposals {
    struct mls_entry *entries;
    uint32_t count, room;
    struct mls_proposal *values; /* parsed ones of those by value */
    uint32_t value_count, value_room;
    /* Filled by mls_proposals_check. */
    uint32_t adds, updates, removes, psks;
    const struct mls_entry *extensions, *reinit, *external_init;
    bool needs_path;
};

/* A commit that was made or checked and waits for its fate. */
struct mls_change {
    struct tree_change *tree;    /* NULL when we are removed */
    struct mls_epoch epoch;      /* empty when we are removed */
    struct mls_past *past;       /* what will be kept of the epoch before; NULL: nothing */
    struct secret signature_key; /* our next one; len 0: the same */
    uint32_t committer;          /* leaf index in the new epoch */
    bool removes_us;
    struct mls_bytes content; /* AuthenticatedContent of a staged commit; spans below are into it */
    struct mls_authenticated_content parsed;
    struct mls_proposals proposals;
    struct mls_bytes reinit;      /* encoded ReInit proposal that it covers */
    struct mls_hash message_hash; /* own commits: of the message */
};
void mls_change_free(struct mls_change *c);

struct mls_group {
    struct mls_client *client;
    struct mls_group *next;
    struct mls_group_options options;
    uint32_t past_max; /* epochs, from the options */
    struct mls_crypto crypto;
    enum mls_group_state state;
    enum mls_status broken_by;
    uint32_t own_leaf;
    uint32_t info_signer; /* TREE_NONE: we did not come in by a GroupInfo */
    struct mls_bytes info_extensions;
    struct secret signature_key;
    struct tree *tree; /* NULL after a removal or a break */
    struct mls_epoch epoch;
    struct mls_past *past[MLS_PAST_EPOCHS_MAX]; /* newest first */
    uint32_t past_count;
    struct mls_resumption *resumption; /* resumption_max of them, newest first; the present epoch's is [0] */
    uint32_t resumption_count, resumption_max;
    struct mls_stored **stored; /* in order of arrival */
    uint32_t stored_count, stored_room;
    struct mls_change *pending, *staged;
    struct mls_buf received; /* content of the last message */
    struct mls_buf check;    /* content of the last leaf signature to check */
    uint32_t check_cursor;
    struct mls_bytes reinit; /* MLS_STATE_REINIT: the proposal */
};

/* The next content of our own leaf, by Update or by path (section 7.2): fields to which the caller adds key, source and
 * parent hash, and then signs. */
struct mls_own_leaf {
    struct mls_leaf_node leaf;
    const struct secret *signature_key; /* the identity's, or the group's when that is kept */
    struct mls_buf storage;
};
/* `identity` NULL: as the leaf at `leaf` is now. mls_own_leaf_end follows in every case. */
enum mls_status mls_own_leaf_begin(const struct mls_group *g, uint32_t leaf, const struct mls_identity *identity,
                                   struct rng *rng, struct mls_own_leaf *out);
void mls_own_leaf_end(struct mls_own_leaf *work);

/* mls_group.c */

/* An empty group of a suite, not yet in the client's list. */
enum mls_status mls_group_alloc(struct mls_client *client, const struct mls_crypto *crypto,
                                const struct mls_group_options *options, struct mls_group **out);
/* Puts a finished group into the client's list. */
void mls_group_enlist(struct mls_group *g);
/* Whether a call that sends or changes may go on: MLS_OK in state ACTIVE, else why not. */
enum mls_status mls_group_ready(const struct mls_group *g);
struct mls_list mls_group_extension_list(const struct mls_group *g);
/* The signature key that a leaf has, or had in past epoch g->past[past_index]; empty when there was no member.
 * MLS_PRESENT: in the present one. */
#define MLS_PRESENT UINT32_MAX
struct span mls_group_sender_key(const struct mls_group *g, uint32_t past_index, uint32_t leaf);
/* Makes the group useless and wipes its secrets. */
void mls_group_break(struct mls_group *g, enum mls_status why);
/* Remembers the epoch's resumption PSK. */
void mls_group_keep_resumption(struct mls_group *g);
const struct secret *mls_group_resumption(const struct mls_group *g, uint64_t epoch);

/* A GroupInfo of the tree and epoch given, signed; appends a whole message, or the bare struct when `bare`. */
struct mls_group_info_parts {
    const struct mls_epoch *epoch;
    const struct tree *tree;
    uint32_t signer;
    const struct secret *signature_key;
    const struct mls_group_info_options *options;
    bool bare;
};
enum mls_status mls_group_info_make(const struct mls_crypto *c, const struct mls_group_info_parts *parts,
                                    struct mls_buf *out);

/* mls_stored.c */

void mls_stored_free(struct mls_stored *s);
void mls_group_forget_proposals(struct mls_group *g);
struct mls_stored *mls_group_stored(const struct mls_group *g, struct span ref);
/* Room for one more; then storing one that was checked cannot fail. */
enum mls_status mls_group_store_reserve(struct mls_group *g);
void mls_group_store(struct mls_group *g, struct mls_stored *s);
/* Section 12.1.4. `successor`: in the first commit of a reinitialisation or branch. */
enum mls_status mls_psk_check(const struct mls_group *g, const struct mls_psk_id *id, bool successor);
/* A PreSharedKey proposal that links a successor to its origin (sections 11.2, 11.3). */
enum mls_status mls_psk_write_successor(uint16_t suite, enum mls_psk_usage usage, struct span group_id, uint64_t epoch,
                                        struct rng *rng, struct mls_buf *out);
/* A stored proposal from AuthenticatedContent bytes: copies, parses, computes the reference. */
enum mls_status mls_stored_make(const struct mls_crypto *c, struct span authenticated_content, struct mls_stored **out);
/* What can be checked of a proposal before its commit (section 12.1). */
enum mls_status mls_proposal_check(const struct mls_group *g, const struct mls_proposal *p, struct mls_sender sender,
                                   uint64_t unix_s);
void mls_proposal_info_of(const struct mls_group *g, const struct mls_proposal *p, struct mls_sender sender,
                          const struct mls_stored *stored, struct mls_proposal_info *out);

/* mls_send.c */

bool mls_frame_is_private(const struct mls_group *g, const struct mls_frame_options *frame);
/* Appends the message that a signed draft of ours becomes. */
enum mls_status mls_frame_protect(struct mls_group *g, struct mls_draft *d, struct rng *rng, struct mls_buf *out);
/* Hash of the message that was appended since `start`: by it an own message is known when it comes back. */
enum mls_status mls_message_hash(const struct mls_crypto *c, const struct mls_buf *out, size_t start,
                                 struct mls_hash *hash);

/* mls_proposals.c: lists of proposals (sections 12.2, 12.3) */

enum mls_status mls_proposals_alloc(struct mls_proposals *list, uint32_t room, uint32_t value_room);
void mls_proposals_free(struct mls_proposals *list);
/* By reference: `stored` lives as long as the list. */
void mls_proposals_add_stored(struct mls_proposals *list, const struct mls_stored *stored);
/* By value: a copy of the parsed struct, whose bytes live as long as the list. */
void mls_proposals_add_value(struct mls_proposals *list, const struct mls_proposal *p, struct mls_sender sender);
/* From a commit's list: looks up the references. */
enum mls_status mls_proposals_of_commit(const struct mls_group *g, const struct mls_commit *commit,
                                        struct mls_sender sender, struct mls_proposals *list);

/* How a list is looked at. */
struct mls_proposals_context {
    struct mls_sender committer;
    bool successor;  /* the first commit of a successor group: may have reinit and branch PSKs */
    uint64_t unix_s; /* 0: no lifetimes */
};
/* Section 12.2, what can be said before the tree changes; fills the list's summary. */
enum mls_status mls_proposals_check(const struct mls_group *g, struct mls_proposals *list,
                                    const struct mls_proposals_context *x);
/* Section 12.3: edits the group's tree, whose change is open. Checks what the new tree has to fulfil, except the path.
 * `extensions` gets the new GroupContext's. */
enum mls_status mls_proposals_apply(struct mls_group *g, struct mls_proposals *list, struct mls_list *extensions);
/* Section 8.4. */
enum mls_status mls_proposals_psk_secret(const struct mls_group *g, const struct mls_proposals *list,
                                         struct secret *psk_secret);
/* Looks up one PSK at the client and its groups; MLS_PSK_UNKNOWN. */
enum mls_status mls_psk_find(const struct mls_client *client, const struct mls_psk_id *id, struct span *psk);
/* Whether all members of a tree support these extensions of a GroupContext and what they require. */
enum mls_status mls_extensions_all_support(const struct tree *t, const struct mls_list *extensions);
/* Extensions that may stand in a GroupContext, and can be read (sections 11.1, 12.1.8.1, 17.3). */
enum mls_status mls_context_extensions_check(const struct mls_list *extensions);

/* mls_change.c: from proposals to a new epoch */

/* A GroupContext one epoch on, encoded and parsed. */
enum mls_status mls_context_next(const struct mls_group *g, struct span tree_hash, struct span confirmed,
                                 const struct mls_list *extensions, struct mls_bytes *out);
/* The key schedule's step into the new epoch (section 8): `c->epoch` but for interim hash and confirmation tag, which
 * need the tag. `joiner` and `member` are for Welcomes; the caller wipes them. */
struct mls_schedule_inputs {
    const struct secret *init_secret;
    const struct secret *commit_secret;
    const struct secret *psk_secret;
    struct span confirmed_input;
    struct span tree_hash;
    const struct mls_list *extensions;
};
enum mls_status mls_change_schedule(const struct mls_group *g, struct mls_change *c,
                                    const struct mls_schedule_inputs *in, struct secret *joiner, struct secret *member);
/* With the confirmation tag known (and right): interim hash, message keys, past epoch. The tree's change is open. */
enum mls_status mls_change_finish(struct mls_group *g, struct mls_change *c, struct span confirmation_tag);
/* When the commit removes us. */
enum mls_status mls_change_finish_removed(struct mls_group *g, struct mls_change *c);
/* Enters the epoch; frees the change. Cannot fail. */
void mls_change_enter(struct mls_group *g, struct mls_change *c);

/* mls_process.c */

/* Checks a commit whose framing and signature are good, and stages it. */
enum mls_status mls_group_stage(struct mls_group *g, struct span authenticated_content, uint64_t unix_s);

/* mls_commit.c */

/* The parts of making a commit that members and external joiners share. */
struct mls_commit_work {
    struct mls_group *group;
    struct mls_change *change;
    const struct mls_commit_options *options;
    struct mls_sender sender;
    uint32_t leaf;                       /* ours */
    const struct secret *init_secret;    /* of the last epoch, or the external one */
    const struct mls_identity *identity; /* content of the leaf; NULL keeps it */
    bool successor;
    uint64_t unix_s;
    struct rng *rng;
    struct mls_buf *commit, *welcome, *group_info;
};
/* `change->proposals` is filled. On success the change is the group's pending commit. */
enum mls_status mls_commit_make(struct mls_commit_work *w);
/* mls_commit, also for the first commit of a successor group. */
enum mls_status mls_commit_of(struct mls_group *group, const struct mls_commit_options *options, bool successor,
                              uint64_t unix_s, struct rng *rng, struct mls_buf *commit, struct mls_buf *welcome,
                              struct mls_buf *group_info);

/* mls_pick.c: adds the stored proposals that fit to those that are in the list by value, as far as there is room. Adds
 * only when there is a place for a Welcome. */
void mls_proposals_pick(const struct mls_group *g, struct mls_proposals *list, bool adds);

/* mls_welcome.c */

/* A group at the epoch of a GroupInfo, without secrets and not in the client's list: context, tree (validated and of
 * the right hash), signer, tags; all that a joiner of either kind checks of them (section 12.4.3). */
enum mls_status mls_group_take_info(struct mls_client *client, const struct mls_crypto *crypto,
                                    const struct mls_group_options *options, const struct mls_group_info *info,
                                    const struct mls_join_options *join, uint64_t unix_s, struct rng *rng,
                                    struct mls_group **out);
/* Sets epoch.context from an encoded one (mls_group.c). */
enum mls_status mls_epoch_take_context(struct mls_epoch *e, struct span encoded);
/* `mismatch` unless each member of `smaller` has a credential that some member of `larger` has. */
enum mls_status mls_members_covered(const struct tree *smaller, const struct tree *larger, enum mls_status mismatch);

#endif
