/* Messaging Layer Security (RFC 9420): the one header that applications include.
 *
 * A group of clients agrees on a secret that changes whenever its membership does. This library is the whole protocol
 * and nothing else: bytes in, bytes out. It makes no system call, reads no clock, starts no thread and keeps no global;
 * randomness, time and the primitives are arguments. Whoever uses it brings three things:
 *   - a delivery service that gives every member the same commits in the same order (RFC 9420 section 14),
 *   - an authentication service that says whether a credential may be believed (section 5.3.1): the library checks
 *     signatures, the application checks names, at the places marked AS below,
 *   - rules of its own about who may add, remove or change what: it looks at a proposal or a staged commit before that
 *     takes effect, and refuses it if it wishes.
 *
 * OBJECTS. Two, both opaque, both single-threaded (use one from one thread at a time; different clients are
 * independent):
 *   struct mls_client  who we are on this device: the backend, our unused key packages, the pre-shared keys that we
 *                      know, and which groups are open (group ids are unique among them, section 12.4.3.1).
 *   struct mls_group   our membership in one group. Belongs to a client and is freed before it.
 *
 * LIFE OF A GROUP.
 *   born:     mls_group_create, mls_join (by Welcome), mls_join_external (by own commit), mls_group_restore,
 *             mls_branch, mls_reinit_finish
 *   changes:  our own: mls_commit makes a PENDING commit. The group stays as it is, until the delivery service has
 *             accepted it: mls_commit_confirm; or has taken somebody else's: mls_commit_drop (applying the winner does
 *             that by itself). One pending commit at a time.
 *             others': mls_process of a commit checks all of it and leaves it STAGED. The group stays as it is until
 *             mls_staged_apply; mls_staged_refuse forgets it. One staged commit at a time.
 *   ends:     MLS_STATE_REMOVED when a commit removed us, MLS_STATE_REINIT when one closed the group for a successor,
 *             MLS_STATE_BROKEN when a deferred check failed (mls_verify_done) or memory ran out at a point of no
 *             return. mls_group_free wipes everything.
 *
 * WHAT A REFUSAL MEANS. A function that does not answer MLS_OK changed nothing: not the group, not the client, not the
 * proposals stored, and has written nothing into its outputs. The status names the rule that was broken;
 * mls_status_text says it in words with its section. (Two exceptions, which the RFC wants: the key of a PrivateMessage
 * that was authentic is used up even when what it carries is refused, and secrets are wiped on MLS_STATE_BROKEN.)
 *
 * BYTES. Inputs are spans that are read during the call only. Outputs go into a `struct mls_buf`, which the caller
 * initialises and frees (mls_codec.h); functions append to it. Spans that the library gives out are borrowed, and live
 * until the next call that is not `const` on the same object, unless another life is stated. "Message" always means an
 * encoded MLSMessage (section 6). Lists of extensions and proposals are passed as the concatenation of encoded
 * elements, which mls_extension_write and mls_propose_write_* build; a list of no elements is an empty span.
 *
 * WHAT IS KEPT. Per group: the tree (about 700 bytes + credential a member with suite 1; the journal of edits only
 * while a commit is staged or pending), the secrets of this epoch, the message keys of the last `past_epochs` epochs
 * for late application messages, and the resumption secrets of the last `resumption_epochs` epochs. Everything
 * else is wiped as section 9.2 says: init_secret, commit_secret, joiner_secret, epoch_secret and encryption_secret of
 * an epoch once consumed, message keys when used, path secrets when the path is done, private keys of replaced nodes.
 *
 * STRICTNESS, where the RFC leaves a choice:
 *   - a lifetime that has ended or not begun, or is longer than MLS_LIFETIME_MAX_S (7.2), is refused in messages sent
 *     and received and in the tree that a joiner gets (7.3 recommends it for the latter two); unix_s == 0 leaves all of
 *     that out, for who has no clock;
 *   - a leaf need not list its own cipher suite, nor a key package's extensions in its capabilities: 7.3 and 10.1 have
 *     no such step, and some clients leave them out;
 *   - two proposals of a list that add the same client are found by equal signature keys (12.2); what else makes two
 *     clients the same is the application's to check;
 *   - unknown proposal types are stored and may be committed when every member lists them in its capabilities; they
 *     have no effect on the group, need a path, and may not come from outside (17.4 lets their definitions decide);
 *   - in a branch or reinitialisation, members are the same when their credentials are equal byte for byte
 * (11.2, 11.3); `match_by_application` leaves that to the caller;
 *   - an external commit that replaces our former self (resync) must carry the former leaf's signature key, unless
 *     `resync_any_key` (12.4.3.2 leaves it to the application).
 *
 * EXAMPLE. Alice makes a group and adds Bob; both then write. Errors are left out; `rng` is fit for secrets.
 *
 *     struct mls_client *alice, *bob;
 *     mls_client_create(&crypto_openssl, &alice);
 *     mls_client_create(&crypto_openssl, &bob);
 *
 *     struct mls_buf bob_credential, bob_package;        // Bob, on his device
 *     mls_buf_init(&bob_credential, MLS_CREDENTIAL_LEN_MAX);
 *     mls_buf_init(&bob_package, MLS_MESSAGE_LEN_MAX);
 *     mls_credential_basic(span_str("bob"), &bob_credential);
 *     struct mls_identity bob_identity = {.suite = MLS_SUITE_X25519_AES128GCM_SHA256_ED25519,
 *                                         .credential = mls_buf_span(&bob_credential),
 *                                         .signature_key = &bob_key};     // from mls_signature_key_generate
 *     mls_key_package_create(bob, &bob_identity, NULL, now_s, rng, &bob_package);  // published
 *
 *     struct mls_group *at_alice;                         // Alice
 *     mls_group_create(alice, &alice_identity, NULL, span_str("a group id"), span_of(NULL, 0), now_s, rng, &at_alice);
 *     mls_propose_write_add(mls_buf_span(&bob_package), &proposals);
 *     struct mls_commit_options what = {.proposals = mls_buf_span(&proposals), .tree_in_welcome = true};
 *     mls_commit(at_alice, &what, now_s, rng, &commit, &welcome, NULL);
 *     // ... the delivery service accepts `commit` ...
 *     mls_commit_confirm(at_alice);
 *
 *     struct mls_group *at_bob;                           // Bob, on receiving `welcome`
 *     mls_join(bob, NULL, mls_buf_span(&welcome), NULL, now_s, rng, &at_bob);
 *     mls_protect(at_bob, span_str("hello"), span_of(NULL, 0), rng, &message);
 *
 *     struct mls_received got;                            // Alice
 *     mls_process(at_alice, mls_buf_span(&message), now_s, &got);
 *     // got.kind == MLS_RECEIVED_APPLICATION, got.application_data == "hello", got.sender == mls_own_leaf(at_bob)
 *
 *     // A commit of somebody else: look at it, then apply or refuse.
 *     if (mls_process(g, bytes, now_s, &got) == MLS_OK && got.kind == MLS_RECEIVED_COMMIT) {
 *         bool fine = true;
 *         struct mls_proposal_info p;
 *         for (uint32_t i = 0; mls_staged_proposal(g, i, &p); i++) {
 *             fine = fine && our_rules_allow(got.sender, &p);
 *         }
 *         fine ? mls_staged_apply(g) : mls_staged_refuse(g);
 *     }
 */
#ifndef CONCLAVE_E2EE_MLS_H
#define CONCLAVE_E2EE_MLS_H

#include "base/cursor.h"
#include "base/rng.h"
#include "base/secret.h"
#include "crypto/backend.h"
#include "e2ee/mls_codec.h"
#include "e2ee/mls_limits.h"
#include "e2ee/mls_status.h"
#include "e2ee/mls_types.h"

struct mls_client;
struct mls_group;

/* ---- The client -------------------------------------------------------------------------------------------------- */

/* `crypto` is constant data that outlives the client. MLS_NO_MEMORY is the only failure. */
enum mls_status mls_client_create(const struct crypto_backend *crypto, struct mls_client **client);
/* Wipes and frees; all of the client's groups were freed before (asserted). NULL is fine. */
void mls_client_free(struct mls_client *client);

/* Pre-shared keys from elsewhere (section 8.4): `psk` of 1 to MLS_PSK_LEN_MAX bytes under an `id`. Adding an id again
 * replaces its key. At most MLS_CLIENT_PSKS_MAX of them. Groups look them up when a commit or Welcome names one. */
enum mls_status mls_psk_add(struct mls_client *client, struct span id, struct span psk);
void mls_psk_remove(struct mls_client *client, struct span id);

/* ---- Identities and key packages --------------------------------------------------------------------------------- */

/* How a client presents itself. Plain data of the caller, read during the call. */
struct mls_identity {
    uint16_t suite;         /* MLS_SUITE_*: mls_suite_supported says which this backend has */
    struct span credential; /* an encoded Credential: mls_credential_basic, mls_credential_x509 */
    /* sign_private_len bytes; copied into whatever is made with it. Its public half goes into the leaf. */
    const struct secret *signature_key;
    /* The leaf's own extensions (list of encoded Extension), open to the application. */
    struct span extensions;
    /* Capabilities (section 7.2): what the application understands beyond the default types. Types of `extensions` and
     * of the credential are added by themselves, and so are the suites that the backend supports. */
    const uint16_t *extension_types;
    size_t extension_type_count;
    const uint16_t *proposal_types;
    size_t proposal_type_count;
    const uint16_t *credential_types;
    size_t credential_type_count;
    /* Section 13.5: leave out the random GREASE values that are otherwise put into capabilities. */
    bool no_grease;
};

bool mls_suite_supported(const struct crypto_backend *crypto, uint16_t suite);
/* Appends an encoded Credential (section 5.3). `certificates`: concatenated cert_data<V> elements. */
enum mls_status mls_credential_basic(struct span identity, struct mls_buf *out);
enum mls_status mls_credential_x509(struct span certificates, struct mls_buf *out);
/* Appends one encoded Extension (section 7.2). */
enum mls_status mls_extension_write(uint16_t type, struct span data, struct mls_buf *out);
/* The data of an external_senders extension is the concatenation of these, in a vector (section 12.1.8.1): append every
 * sender, then wrap the list: mls_extension_write_external_senders. */
enum mls_status mls_external_sender_write(struct span signature_public, struct span credential, struct mls_buf *out);
enum mls_status mls_extension_write_external_senders(struct span senders, struct mls_buf *out);
/* A required_capabilities extension (section 11.1). */
enum mls_status mls_extension_write_required(const uint16_t *extension_types, size_t extension_type_count,
                                             const uint16_t *proposal_types, size_t proposal_type_count,
                                             const uint16_t *credential_types, size_t credential_type_count,
                                             struct mls_buf *out);
/* A fresh signature key pair of the suite; appends the public key to `public_key`. */
enum mls_status mls_signature_key_generate(const struct crypto_backend *crypto, uint16_t suite, struct rng *rng,
                                           struct secret *private_key, struct mls_buf *public_key);

struct mls_key_package_options {
    /* Seconds since 1970. Both 0 (or no options): from MLS_LIFETIME_SLACK_S before `unix_s` to MLS_LIFETIME_DEFAULT_S
     * after it. */
    uint64_t not_before_s;
    uint64_t not_after_s;
    struct span extensions; /* of the KeyPackage, not of the leaf */
    bool keep; /* "last resort" (section 16.8): the private keys stay after a join. Loses forward secrecy; off. */
};

/* Makes a key package and keeps its private keys in the client until a Welcome uses it. Appends the message to publish.
 * At most MLS_KEY_PACKAGES_MAX are open (MLS_KEY_PACKAGES_TOO_MANY: remove old ones). */
enum mls_status mls_key_package_create(struct mls_client *client, const struct mls_identity *identity,
                                       const struct mls_key_package_options *options, uint64_t unix_s, struct rng *rng,
                                       struct mls_buf *message);
/* Takes in a key package that was made elsewhere or kept by the application, with its private keys. Refused when a
 * private key does not belong to its public one (MLS_PRIVATE_KEY_MISMATCH). `message`: MLSMessage or bare KeyPackage.
 */
enum mls_status mls_key_package_import(struct mls_client *client, struct span message, struct span init_private,
                                       struct span encryption_private, struct span signature_private, bool keep);
/* Wipes and forgets a key package; `ref` is its KeyPackageRef. Unknown ones are fine. */
void mls_key_package_remove(struct mls_client *client, struct span ref);
/* Wipes and forgets all but the newest `count`. */
void mls_key_packages_keep(struct mls_client *client, uint32_t count);

/* What a leaf says of its member (section 7.2). Borrowed spans. */
struct mls_leaf_info {
    uint16_t credential_type;
    struct span credential; /* encoded */
    struct span identity;   /* of a basic credential; the certificates<V> content of an x509 one */
    struct span signature_key;
    struct span encryption_key;
    struct span extensions;
    enum mls_leaf_source source;
    uint64_t not_before_s, not_after_s; /* source MLS_LEAF_KEY_PACKAGE only, else 0 */
};

struct mls_key_package_info {
    uint16_t suite;
    struct mls_leaf_info leaf;
    struct span extensions;
    uint8_t ref[HASH_LEN_MAX]; /* KeyPackageRef (section 5.2) */
    size_t ref_len;
};
/* Checks everything of a key package that can be checked without a group (section 10.1): form, both signatures,
 * lifetime, sources, keys. For lobbies and directories. `info` borrows from `message`. AS: its credential. */
enum mls_status mls_key_package_check(const struct crypto_backend *crypto, struct span message, uint64_t unix_s,
                                      struct mls_key_package_info *info);

/* ---- Birth of a group -------------------------------------------------------------------------------------------- */

/* Rules of one membership, the same for its whole life. Zero-initialised (or NULL where a pointer is taken) is a
 * sensible default everywhere. */
struct mls_group_options {
    uint32_t members_max;       /* 0: MLS_MEMBERS_MAX. Bounds memory; an Add beyond it is MLS_TREE_FULL */
    uint32_t past_epochs;       /* epochs whose late application messages open; 0: MLS_PAST_EPOCHS_DEFAULT */
    bool no_past_epochs;        /* none at all */
    uint32_t resumption_epochs; /* epochs whose resumption PSK is known; 0: MLS_RESUMPTION_EPOCHS_DEFAULT */
    bool private_handshake;     /* proposals and commits as PrivateMessage unless a call says otherwise */
    uint32_t padding_step; /* PrivateMessage contents are padded to a multiple; 0 or 1: none; <= MLS_PADDING_STEP_MAX */
    /* Which proposal types members of external_senders may send: bit t for type t of section 17.4. 0: all five that
     * section 12.1.8 allows. MLS_EXTERNAL_NONE: nobody may. Others are MLS_EXTERNAL_PROPOSAL_REFUSED. */
    uint32_t external_proposals;
    bool no_new_member_proposals; /* section 12.1.8: MLS_NEW_MEMBER_PROPOSAL_REFUSED */
    bool no_external_commits;     /* section 12.4.3.2: MLS_EXTERNAL_COMMIT_REFUSED */
    bool no_resync;               /* external commits that remove a former self */
    bool resync_any_key;
    bool match_by_application; /* section 11.2, 11.3; see "strictness" */
    /* Section 12.4 forbids application data while proposals wait for their commit (MLS_PROPOSALS_OPEN). Where the
     * delivery service sees to it that a commit follows at once, chat need not stop: this lets it pass. */
    bool send_with_proposals_open;
};
#define MLS_EXTERNAL_ONLY(type) (1u << (type))
#define MLS_EXTERNAL_NONE (1u << 31)

/* A group of one, epoch 0 (section 11). `extensions`: of the GroupContext. Our own leaf must support them. */
enum mls_status mls_group_create(struct mls_client *client, const struct mls_identity *identity,
                                 const struct mls_group_options *options, struct span group_id, struct span extensions,
                                 uint64_t unix_s, struct rng *rng, struct mls_group **group);

struct mls_join_options {
    struct span tree; /* an encoded ratchet_tree handed over apart; empty: it is in the GroupInfo */
    /* Usable at once: the leaves' signatures (one a member) go into a queue, mls_verify_next, while everything else
     * (tree and parent hashes, GroupInfo's signature, the signer's leaf, confirmation tag) is checked before. */
    bool verify_later;
};

/* Joins by Welcome (section 12.4.3.1) with one of the client's key packages, which is used up unless it was made with
 * `keep`. MLS_WELCOME_NOT_FOR_US when none fits. PSKs that the Welcome names must be known to the client. A Welcome
 * that continues another group (reinit, branch) is checked against that group, which must be open at this client. AS:
 * every member's credential, by mls_member_next. */
enum mls_status mls_join(struct mls_client *client, const struct mls_group_options *options, struct span welcome,
                         const struct mls_join_options *join, uint64_t unix_s, struct rng *rng,
                         struct mls_group **group);
/* The KeyPackageRef of entry `index` of a Welcome; MLS_END after the last. For relays that hand out Welcomes. */
enum mls_status mls_welcome_ref(struct span welcome, uint32_t index, struct span *ref);
/* Appends the Welcome reduced to the one entry of that key package: what a relay sends to that joiner instead of the
 * entries of all (the format allows any splitting, section 12.4.3.1). */
enum mls_status mls_welcome_for(struct span welcome, struct span ref, struct mls_buf *out);

struct mls_external_options {
    struct mls_join_options join;
    bool resync;             /* also remove the member whose leaf has our signature key; MLS_NO_FORMER_SELF if none */
    const struct span *psks; /* ids of external PSKs to inject, all known to the client */
    size_t psk_count;
    struct span authenticated_data;
    bool group_info; /* fill `group_info` for the next joiner, with external_pub */
    bool tree_in_group_info;
};

/* Joins without being invited (section 12.4.3.2): makes an external commit from a GroupInfo with external_pub. The
 * group is in MLS_STATE_JOINING: mls_commit_confirm makes it usable; when the commit was not accepted, free the group
 * and start again from a newer GroupInfo. `group_info` may be NULL. While joining, the tree may be looked at. AS: every
 * member's credential. */
enum mls_status mls_join_external(struct mls_client *client, const struct mls_identity *identity,
                                  const struct mls_group_options *options, struct span group_info_message,
                                  const struct mls_external_options *external, uint64_t unix_s, struct rng *rng,
                                  struct mls_group **group, struct mls_buf *commit, struct mls_buf *group_info);

/* Wipes and frees. NULL is fine. */
void mls_group_free(struct mls_group *group);

/* ---- Looking at a group ------------------------------------------------------------------------------------------ */

enum mls_group_state {
    MLS_STATE_ACTIVE,
    MLS_STATE_JOINING, /* external commit not confirmed yet */
    MLS_STATE_REMOVED, /* only late application messages of past epochs open */
    MLS_STATE_REINIT,  /* closed for a successor: mls_reinit_finish or mls_join; exports still answer */
    MLS_STATE_BROKEN,  /* secrets are wiped; mls_group_broken_by says why */
};

enum mls_group_state mls_group_state(const struct mls_group *group);
enum mls_status mls_group_broken_by(const struct mls_group *group); /* MLS_OK unless broken */
uint16_t mls_group_suite(const struct mls_group *group);
uint64_t mls_group_epoch(const struct mls_group *group);
struct span mls_group_id(const struct mls_group *group);
struct span mls_group_extensions(const struct mls_group *group); /* GroupContext's, list of encoded */
/* The data of one GroupContext extension; false when there is none of this type. */
bool mls_group_extension(const struct mls_group *group, uint16_t type, struct span *data);
struct span mls_group_context(const struct mls_group *group); /* encoded GroupContext (section 8.1) */
struct span mls_group_tree_hash(const struct mls_group *group);
struct span mls_group_transcript_hash(const struct mls_group *group); /* confirmed (section 8.2) */
/* Section 8.7: equal at two members exactly if they agree on everything. Empty unless ACTIVE or REINIT. */
struct span mls_epoch_authenticator(const struct mls_group *group);
uint32_t mls_own_leaf(const struct mls_group *group);
/* Of the GroupInfo by which we came in, by Welcome or by external commit: the leaf that signed it, and its extensions
 * (list of encoded). TREE_NONE (all ones) and empty when we made the group, or it was restored. */
uint32_t mls_group_info_signer(const struct mls_group *group);
struct span mls_group_info_extensions(const struct mls_group *group);
/* MLS-Exporter (section 8.5). `out_len` <= MLS_EXPORT_LEN_MAX. */
enum mls_status mls_export(const struct mls_group *group, const char *label, struct span context, uint8_t *out,
                           size_t out_len);

struct mls_member {
    uint32_t leaf_index;
    bool verified; /* false: its leaf signature is still in the queue */
    struct mls_leaf_info leaf;
};
uint32_t mls_member_count(const struct mls_group *group);
/* false when that leaf is blank or outside. */
bool mls_member_at(const struct mls_group *group, uint32_t leaf_index, struct mls_member *member);
/* Walks the members by rising leaf index: start with *cursor = 0, until false. */
bool mls_member_next(const struct mls_group *group, uint32_t *cursor, struct mls_member *member);
/* The data of one extension in a list of encoded extensions. */
bool mls_extension_find(struct span extensions, uint16_t type, struct span *data);

/* Appends the ratchet tree (section 12.4.3.3), for joiners who get it apart. */
enum mls_status mls_group_tree(const struct mls_group *group, struct mls_buf *out);

struct mls_group_info_options {
    bool external_pub;      /* lets whoever reads it join by external commit (where the group allows that) */
    bool tree;              /* with ratchet_tree */
    struct span extensions; /* further extensions of the GroupInfo */
};
/* Appends a message with a signed GroupInfo of this epoch (section 12.4.3). */
enum mls_status mls_group_info(const struct mls_group *group, const struct mls_group_info_options *options,
                               struct mls_buf *out);

/* ---- Leaf signatures checked later ------------------------------------------------------------------------------- */

/* One check: is `signature` by `public_key` over `message`. Spans live until the next call on the group. */
struct mls_check {
    uint32_t leaf_index;
    uint64_t ticket;
    enum sign_algorithm algorithm;
    struct span public_key, message, signature;
};
/* The next check that has not been handed out; MLS_END when all have. Keys and signatures that this library's criterion
 * refuses whatever the message (sign_public_good, sign_signature_good) are never handed out, so a verifier of the
 * application's may be laxer about them: such a signature is MLS_LEAF_SIGNATURE_INVALID here, and the group broken. */
enum mls_status mls_verify_next(struct mls_group *group, struct mls_check *check);
/* The answer to a check. A bad signature means that the tree was forged in part: the group is MLS_STATE_BROKEN at once
 * (MLS_LEAF_SIGNATURE_INVALID). An answer about a leaf that has been replaced since is ignored. */
void mls_verify_done(struct mls_group *group, uint64_t ticket, bool good);
/* Checks up to `max` itself, with the backend. Answers MLS_OK, or MLS_LEAF_SIGNATURE_INVALID when the group just broke.
 */
enum mls_status mls_verify_some(struct mls_group *group, uint32_t max);
/* Members not verified yet, handed out or not. */
uint32_t mls_verify_left(const struct mls_group *group);

/* ---- Proposals --------------------------------------------------------------------------------------------------- */

/* Each appends one encoded Proposal (section 12.1): a list of them goes by value into mls_commit, one into mls_propose,
 * mls_external_propose. */
enum mls_status mls_propose_write_add(struct span key_package, struct mls_buf *out); /* message or bare */
enum mls_status mls_propose_write_remove(uint32_t leaf_index, struct mls_buf *out);
enum mls_status mls_propose_write_psk(uint16_t suite, struct span psk_id, struct rng *rng, struct mls_buf *out);
/* The resumption PSK (section 8.6) of an epoch of any group open at the members. */
enum mls_status mls_propose_write_resumption(uint16_t suite, struct span group_id, uint64_t epoch, struct rng *rng,
                                             struct mls_buf *out);
enum mls_status mls_propose_write_reinit(struct span group_id, uint16_t suite, struct span extensions,
                                         struct mls_buf *out);
/* Replaces the GroupContext's extensions, all of them (section 12.1.7). */
enum mls_status mls_propose_write_extensions(struct span extensions, struct mls_buf *out);
enum mls_status mls_propose_write_other(uint16_t type, struct span body, struct mls_buf *out);

struct mls_frame_options {
    struct span authenticated_data;
    bool as_public;  /* PublicMessage, whatever the group's default */
    bool as_private; /* PrivateMessage; both set is misuse */
};

/* Appends a message that proposes, and stores the proposal with those of others. `options` may be NULL. */
enum mls_status mls_propose(struct mls_group *group, struct span proposal, const struct mls_frame_options *options,
                            uint64_t unix_s, struct rng *rng, struct mls_buf *message);
/* Proposes new keys for our own leaf (section 12.1.2). `identity`: NULL keeps credential, extensions, capabilities and
 * signature key; else they become these. AS: at everybody else. */
enum mls_status mls_propose_update(struct mls_group *group, const struct mls_identity *identity,
                                   const struct mls_frame_options *options, uint64_t unix_s, struct rng *rng,
                                   struct mls_buf *message);
/* From outside (section 12.1.8): by entry `sender_index` of the group's external_senders; `signature_key` is its
 * private key. Needs no group. */
enum mls_status mls_external_propose(const struct crypto_backend *crypto, uint16_t suite, struct span group_id,
                                     uint64_t epoch, uint32_t sender_index, const struct secret *signature_key,
                                     struct span proposal, struct span authenticated_data, struct mls_buf *message);
/* By a joiner, asking to be added with one of its own key packages (`key_package_ref`): new_member_proposal. */
enum mls_status mls_new_member_propose(struct mls_client *client, struct span key_package_ref, struct span group_id,
                                       uint64_t epoch, struct span authenticated_data, struct mls_buf *message);

struct mls_proposal_info {
    uint16_t type; /* MLS_PROPOSAL_* */
    enum mls_sender_type sender_type;
    uint32_t sender;               /* leaf index; index in external_senders; else 0 */
    bool by_reference;             /* as opposed to inside the commit */
    struct span ref;               /* ProposalRef when by reference */
    struct span encoded;           /* the Proposal */
    uint32_t leaf_index;           /* remove, update: whose leaf; add in a staged or pending commit: the place it got */
    struct mls_leaf_info leaf;     /* add, update: the new leaf; remove: the one that goes */
    struct mls_leaf_info old_leaf; /* update: the one that is replaced */
    enum mls_psk_type psk_type;
    struct span psk_id;     /* external: psk_id; resumption: psk_group_id */
    uint64_t psk_epoch;     /* resumption */
    struct span extensions; /* group_context_extensions, reinit: the new list */
    struct span group_id;   /* reinit */
    uint16_t suite;         /* reinit */
};

/* Proposals stored in this epoch, in order of arrival: index from 0 until false. At most MLS_PROPOSALS_MAX; then
 * MLS_PROPOSALS_STORED_TOO_MANY. They are forgotten when the epoch ends. */
bool mls_proposal_at(const struct mls_group *group, uint32_t index, struct mls_proposal_info *info);
bool mls_proposal_find(const struct mls_group *group, struct span ref, struct mls_proposal_info *info);
/* Forgets one that the application does not want; a commit that refers to it is then MLS_PROPOSAL_UNKNOWN_REF. */
void mls_proposal_forget(struct mls_group *group, struct span ref);

/* ---- Commits ----------------------------------------------------------------------------------------------------- */

enum mls_commit_pick {
    /* Every stored proposal that makes a valid list, as section 12.4 wants: a Remove goes before an Update of the same
     * leaf, the latest Update before earlier ones, ReInit only when alone; our own Updates, and what would remove us,
     * stay out. */
    MLS_PICK_ALL,
    MLS_PICK_NONE,
    MLS_PICK_LISTED, /* exactly `refs` */
};

struct mls_commit_options {
    struct span proposals; /* by value: list of encoded Proposal; after the ones by reference */
    enum mls_commit_pick pick;
    const struct span *refs;
    size_t ref_count;
    bool no_path; /* leave the path out where the proposals allow it (section 12.4); default: always a path */
    const struct mls_identity *identity; /* new content of our own leaf (path needed); NULL keeps it */
    struct mls_frame_options frame;
    bool tree_in_welcome;
    struct mls_group_info_options group_info; /* of the new epoch; only when the buffer is given */
    struct span welcome_extensions;           /* further extensions of the GroupInfo inside the Welcome */
};

/* Makes a commit, the Welcome for those it adds (one for all; nothing is appended when it adds nobody), and the
 * GroupInfo of the epoch that it starts. The commit is then pending. `options` and `group_info` may be NULL; so may
 * `welcome`, when nobody is added by value or by a listed reference: stored Adds are then not picked. The Welcome must
 * not be sent before the commit is accepted (section 14). MLS_COMMIT_PENDING when one is pending already,
 * MLS_COMMIT_STAGED when one of others waits to be applied. */
enum mls_status mls_commit(struct mls_group *group, const struct mls_commit_options *options, uint64_t unix_s,
                           struct rng *rng, struct mls_buf *commit, struct mls_buf *welcome,
                           struct mls_buf *group_info);
/* The pending commit was accepted: enter its epoch. MLS_NOTHING_PENDING without one. */
enum mls_status mls_commit_confirm(struct mls_group *group);
/* The pending commit was not accepted: wipe it. Fine without one. */
void mls_commit_drop(struct mls_group *group);
bool mls_commit_is_pending(const struct mls_group *group);

struct mls_commit_info {
    uint64_t epoch;                   /* that it starts */
    enum mls_sender_type sender_type; /* member or new_member_commit */
    uint32_t sender;                  /* leaf index in the new epoch */
    bool has_path;
    bool removes_us;
    bool reinit;
    uint32_t proposals, adds, removes, updates;
    struct mls_leaf_info leaf;     /* with a path: the committer's new leaf. AS: when its credential changed */
    struct mls_leaf_info old_leaf; /* with a path, sender member: the one that it replaces */
    struct span extensions;        /* GroupContext's, in the new epoch */
    bool extensions_changed;
    struct span authenticated_data;
};
/* The staged commit; false without one. Meanwhile all other queries answer for the epoch that still is. */
bool mls_staged_info(const struct mls_group *group, struct mls_commit_info *info);
/* Its proposals in order, index from 0 until false. */
bool mls_staged_proposal(const struct mls_group *group, uint32_t index, struct mls_proposal_info *info);
/* Enters the epoch. Drops a pending commit of our own. MLS_NOTHING_STAGED without one. */
enum mls_status mls_staged_apply(struct mls_group *group);
/* Forgets it. The application now disagrees with whoever applies it, and leaves or rejoins. Fine without one. */
void mls_staged_refuse(struct mls_group *group);

/* ---- The epoch that a waiting commit starts -----------------------------------------------------------------------
 */

/* Of the staged commit; else of our pending one, an external commit included (MLS_STATE_JOINING); MLS_NOTHING_STAGED
 * without either, MLS_GROUP_LEFT when it removes us. For who has to install keys, or to say what the next epoch's
 * GroupInfo is, before the commit stands; nothing of the group changes, and when the commit does not stand, what was
 * exported is to be wiped. */
enum mls_status mls_next_export(const struct mls_group *group, const char *label, struct span context, uint8_t *out,
                                size_t out_len);
/* Appends the public key that its external_pub extension holds (section 12.4.3.2). */
enum mls_status mls_next_external_pub(const struct mls_group *group, struct mls_buf *out);
/* Its encoded GroupContext. Borrowed until the commit is applied, confirmed, refused or dropped. */
enum mls_status mls_next_context(const struct mls_group *group, struct span *out);
/* Appends a message with its GroupInfo, signed by us, as mls_group_info does for the present epoch. For extensions that
 * follow from its secrets. */
enum mls_status mls_next_group_info(struct mls_group *group, const struct mls_group_info_options *options,
                                    struct mls_buf *out);

/* ---- Messages ---------------------------------------------------------------------------------------------------- */

enum mls_received_kind {
    MLS_RECEIVED_APPLICATION,
    MLS_RECEIVED_PROPOSAL,   /* stored; look at it with mls_proposal_find. AS: the credential of an add or update */
    MLS_RECEIVED_COMMIT,     /* staged. AS: added and changed credentials */
    MLS_RECEIVED_OWN_COMMIT, /* our own pending commit came back: mls_commit_confirm is the answer */
    MLS_RECEIVED_OWN_PROPOSAL,
};

/* Spans live until the next call that changes the group; the plaintext is wiped then. */
struct mls_received {
    enum mls_received_kind kind;
    uint64_t epoch;
    enum mls_sender_type sender_type;
    uint32_t sender; /* leaf index of a member (in that epoch), index of an external sender, else 0 */
    bool was_private;
    struct span authenticated_data;
    struct span application_data;
    struct span proposal_ref;
};

/* Takes in any message that a group receives: checks all of it, then does what `kind` says. Messages of other groups,
 * and of epochs that are over or to come, are refused as such (MLS_WRONG_GROUP, MLS_EPOCH_OVER, MLS_EPOCH_AHEAD: in the
 * last case commits were missed). Application messages of the last `past_epochs` epochs still open. */
enum mls_status mls_process(struct mls_group *group, struct span message, uint64_t unix_s,
                            struct mls_received *received);

/* Appends a PrivateMessage with application data (section 15). MLS_PROPOSALS_OPEN when proposals are stored that a
 * commit must cover first (section 12.4), unless they were forgotten. */
enum mls_status mls_protect(struct mls_group *group, struct span application_data, struct span authenticated_data,
                            struct rng *rng, struct mls_buf *message);

/* What can be told from a message without any group, for routing. */
struct mls_message_info {
    enum mls_wire_format wire_format;
    struct span group_id; /* private, public message and GroupInfo */
    uint64_t epoch;
    enum mls_content_type content_type; /* private and public message */
    enum mls_sender_type sender_type;   /* public message */
    uint32_t sender;
};
enum mls_status mls_message_peek(struct span message, struct mls_message_info *info);

/* ---- Successors and subgroups ------------------------------------------------------------------------------------ */

struct mls_successor_options {
    const struct mls_identity *identity; /* of the new group's suite */
    const struct mls_group_options *options;
    const struct span *key_packages; /* of all members but us (reinit), of some (branch): messages or bare */
    size_t key_package_count;
    bool tree_in_welcome;
};

/* Section 11.2, after a ReInit was committed and applied (MLS_STATE_REINIT): makes the group that it describes, with
 * one commit that adds everybody, in epoch 1 at once, and the Welcome for them. The old group stays until freed. */
enum mls_status mls_reinit_finish(struct mls_group *old, const struct mls_successor_options *successor, uint64_t unix_s,
                                  struct rng *rng, struct mls_group **group, struct mls_buf *welcome);
/* Section 11.3: a group of some of the members, linked to this one. `extensions` of the new GroupContext. */
enum mls_status mls_branch(struct mls_group *parent, const struct mls_successor_options *successor,
                           struct span group_id, struct span extensions, uint64_t unix_s, struct rng *rng,
                           struct mls_group **group, struct mls_buf *welcome);

/* ---- Keeping a group --------------------------------------------------------------------------------------------- */

/* Appends everything of a group, encrypted with AES-256-GCM under the caller's `key` (MLS_SEAL_KEY_LEN bytes) and a
 * nonce from `rng`. Only when asked for: state that is kept outlives its deletion schedule (section 9.2), and restoring
 * an old state repeats keys, so keep the newest only. Neither a pending nor a staged commit is in it: one that waits is
 * MLS_COMMIT_STAGED; a pending one is left out, so confirm or drop it first when it matters. */
enum mls_status mls_group_seal(const struct mls_group *group, struct span key, struct rng *rng, struct mls_buf *out);
/* MLS_SEAL_INVALID when it was not sealed under this key, or not by this format's version. */
enum mls_status mls_group_restore(struct mls_client *client, struct span key, struct span sealed, struct rng *rng,
                                  struct mls_group **group);

#endif
