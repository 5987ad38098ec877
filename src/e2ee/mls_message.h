/* The structures of RFC 9420 as they travel, read and written.
 *
 * A parsed structure holds spans into its input and owns nothing; it is valid while the input is. Lists were checked
 * entry by entry when they were read, and are walked afterwards with a reader over them: the `_next` functions cannot
 * meet anything malformed then. Reading allocates nothing. `encoding` of a structure is its own bytes in the input, for
 * hashes and references; writers do not look at it.
 *
 * For each structure: `mls_x_read` reads it at the cursor (sticky error), `mls_x_parse` wants it to be the whole input
 * and answers why not (mls_status.h), `mls_x_write` appends it to a buffer. What is read and written again gives the
 * same bytes. Reading checks syntax, limits (mls_limits.h) and what needs no group to know; signatures, keys and all
 * else are in mls_validate.h and above.
 *
 * Strictness where RFC 9420 is silent: unknown credential and proposal types are refused, because their length is not
 * on the wire; default types listed in capabilities (section 7.2 forbids to list them) are accepted from others, as
 * they change nothing; extensions of one type twice are refused in every list (section 13.4). */
#ifndef CONCLAVE_E2EE_MLS_MESSAGE_H
#define CONCLAVE_E2EE_MLS_MESSAGE_H

#include "e2ee/mls_codec.h"
#include "e2ee/mls_types.h"

/* The contents of a vector whose entries were checked. */
struct mls_list {
    struct span bytes;
    uint32_t count;
};

/* ---- extensions (sections 7.2, 13.4) ---- */

struct mls_extension {
    uint16_t type;
    struct span data;
};
void mls_extensions_read(struct mls_reader *r, struct mls_list *out);
void mls_extensions_write(struct mls_buf *b, const struct mls_list *list);
/* `it` starts as mls_reader_of(list.bytes); false at the end. */
bool mls_extensions_next(struct mls_reader *it, struct mls_extension *out);
bool mls_extensions_find(const struct mls_list *list, uint16_t type, struct span *data);
void mls_extensions_add(struct mls_buf *b, uint16_t type, struct span data);
/* "Default" extension types, which nobody needs to list (section 7.2). */
bool mls_extension_is_default(uint16_t type);

/* required_capabilities (section 11.1). */
struct mls_required_capabilities {
    struct span extensions, proposals, credentials; /* lists of 16-bit values */
};
enum mls_status mls_required_capabilities_parse(struct span bytes, struct mls_required_capabilities *out);
void mls_required_capabilities_write(struct mls_buf *b, const struct mls_required_capabilities *x);

/* external_pub (section 12.4.3.2). */
enum mls_status mls_external_pub_parse(struct span bytes, struct span *external_pub);
void mls_external_pub_write(struct mls_buf *b, struct span external_pub);

/* ---- leaf nodes (sections 5.3, 7.2) ---- */

struct mls_credential {
    uint16_t type;
    struct span identity;         /* basic */
    struct mls_list certificates; /* x509: DER certificates, opaque<V> each, the end entity's first */
    struct span encoding;
};
void mls_credential_read(struct mls_reader *r, struct mls_credential *out);
void mls_credential_write(struct mls_buf *b, const struct mls_credential *x);
/* One certificate after the other, like mls_extensions_next. */
bool mls_certificate_next(struct mls_reader *it, struct span *out);

struct mls_capabilities {
    struct span versions, cipher_suites, extensions, proposals, credentials; /* lists of 16-bit values */
};
void mls_capabilities_read(struct mls_reader *r, struct mls_capabilities *out);
void mls_capabilities_write(struct mls_buf *b, const struct mls_capabilities *x);

struct mls_leaf_node {
    struct span encryption_key;
    struct span signature_key;
    struct mls_credential credential;
    struct mls_capabilities capabilities;
    uint8_t source;                 /* enum mls_leaf_source */
    uint64_t not_before, not_after; /* key_package: seconds since 1970 */
    struct span parent_hash;        /* commit */
    struct mls_list extensions;
    struct span signature;
    struct span tbs; /* the fields above the signature: LeafNodeTBS without group_id and leaf_index */
    struct span encoding;
};
void mls_leaf_node_read(struct mls_reader *r, struct mls_leaf_node *out);
enum mls_status mls_leaf_node_parse(struct span bytes, struct mls_leaf_node *out);
void mls_leaf_node_write(struct mls_buf *b, const struct mls_leaf_node *x);
/* The fields above the signature. */
void mls_leaf_node_write_tbs(struct mls_buf *b, const struct mls_leaf_node *x);

/* external_senders (section 12.1.8.1). */
struct mls_external_sender {
    struct span signature_key;
    struct mls_credential credential;
};
/* Checks every entry; `out` is walked with mls_external_senders_next. */
enum mls_status mls_external_senders_parse(struct span bytes, struct mls_list *out);
bool mls_external_senders_next(struct mls_reader *it, struct mls_external_sender *out);
void mls_external_senders_add(struct mls_buf *b, const struct mls_external_sender *x);

/* ---- the ratchet tree (sections 7.1, 12.4.3.3) ---- */

struct mls_parent_node {
    struct span encryption_key;
    struct span parent_hash;
    struct span unmerged_leaves; /* 32-bit leaf indices, strictly increasing */
    struct span encoding;
};
void mls_parent_node_read(struct mls_reader *r, struct mls_parent_node *out);
void mls_parent_node_write(struct mls_buf *b, const struct mls_parent_node *x);
static inline uint32_t mls_unmerged_at(struct span list, size_t i) {
    const uint8_t *at = list.data + 4 * i;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* optional<Node>: type 0 is a blank node. */
struct mls_node {
    uint8_t type; /* enum mls_node_type, or 0 */
    union {
        struct mls_leaf_node leaf;
        struct mls_parent_node parent;
    };
};
void mls_node_read(struct mls_reader *r, struct mls_node *out);
void mls_node_write(struct mls_buf *b, const struct mls_node *x);
/* The vector around the nodes; `out` is walked with mls_node_read. Nodes are not checked here: a tree is read once. */
enum mls_status mls_ratchet_tree_parse(struct span bytes, struct span *nodes);

/* ---- key packages (section 10) ---- */

struct mls_key_package {
    uint16_t version;
    uint16_t cipher_suite;
    struct span init_key;
    struct mls_leaf_node leaf_node;
    struct mls_list extensions;
    struct span signature;
    struct span tbs; /* all fields but the signature */
    struct span encoding;
};
void mls_key_package_read(struct mls_reader *r, struct mls_key_package *out);
enum mls_status mls_key_package_parse(struct span bytes, struct mls_key_package *out);
void mls_key_package_write(struct mls_buf *b, const struct mls_key_package *x);
void mls_key_package_write_tbs(struct mls_buf *b, const struct mls_key_package *x);

/* ---- proposals (section 12.1) ---- */

struct mls_psk_id {
    uint8_t type;   /* enum mls_psk_type */
    uint8_t usage;  /* enum mls_psk_usage; 0 for an external PSK */
    struct span id; /* psk_id, or psk_group_id */
    uint64_t epoch; /* resumption */
    struct span nonce;
    struct span encoding;
};
void mls_psk_id_read(struct mls_reader *r, struct mls_psk_id *out);
enum mls_status mls_psk_id_parse(struct span bytes, struct mls_psk_id *out);
void mls_psk_id_write(struct mls_buf *b, const struct mls_psk_id *x);

struct mls_reinit {
    struct span group_id;
    uint16_t version;
    uint16_t cipher_suite;
    struct mls_list extensions;
};

struct mls_proposal {
    uint16_t type; /* enum mls_proposal_type */
    union {
        struct mls_key_package add;
        struct mls_leaf_node update;
        uint32_t removed; /* leaf index */
        struct mls_psk_id psk;
        struct mls_reinit reinit;
        struct span kem_output;     /* external_init */
        struct mls_list extensions; /* group_context_extensions */
        struct span body;           /* types of the private range */
    };
    struct span encoding;
};
void mls_proposal_read(struct mls_reader *r, struct mls_proposal *out);
enum mls_status mls_proposal_parse(struct span bytes, struct mls_proposal *out);
void mls_proposal_write(struct mls_buf *b, const struct mls_proposal *x);
/* Types that section 12.4 wants a path for; unknown ones do. */
bool mls_proposal_needs_path(uint16_t type);
/* Types that an external sender may send (section 12.1.8). */
bool mls_proposal_may_be_external(uint16_t type);

/* ---- commits (sections 7.6, 12.4) ---- */

struct mls_hpke_ciphertext {
    struct span kem_output;
    struct span ciphertext;
};
void mls_hpke_ciphertext_read(struct mls_reader *r, struct mls_hpke_ciphertext *out);
void mls_hpke_ciphertext_write(struct mls_buf *b, const struct mls_hpke_ciphertext *x);
/* Over a list of them, like mls_extensions_next. */
bool mls_hpke_ciphertext_next(struct mls_reader *it, struct mls_hpke_ciphertext *out);

struct mls_update_path_node {
    struct span encryption_key;
    struct mls_list encrypted_path_secret; /* of mls_hpke_ciphertext */
};
void mls_update_path_node_write(struct mls_buf *b, const struct mls_update_path_node *x);
bool mls_update_path_node_next(struct mls_reader *it, struct mls_update_path_node *out);

struct mls_update_path {
    struct mls_leaf_node leaf_node;
    struct mls_list nodes; /* of mls_update_path_node */
    struct span encoding;
};
void mls_update_path_read(struct mls_reader *r, struct mls_update_path *out);
enum mls_status mls_update_path_parse(struct span bytes, struct mls_update_path *out);
void mls_update_path_write(struct mls_buf *b, const struct mls_update_path *x);

struct mls_proposal_or_ref {
    uint8_t type; /* enum mls_proposal_or_ref_type */
    union {
        struct mls_proposal proposal;
        struct span reference;
    };
};
bool mls_proposal_or_ref_next(struct mls_reader *it, struct mls_proposal_or_ref *out);
void mls_proposal_or_ref_write(struct mls_buf *b, const struct mls_proposal_or_ref *x);

struct mls_commit {
    struct mls_list proposals; /* of mls_proposal_or_ref */
    bool has_path;
    struct mls_update_path path;
    struct span encoding;
};
void mls_commit_read(struct mls_reader *r, struct mls_commit *out);
enum mls_status mls_commit_parse(struct span bytes, struct mls_commit *out);
void mls_commit_write(struct mls_buf *b, const struct mls_commit *x);

/* ---- group state and joining (sections 8.1, 12.4.3) ---- */

struct mls_group_context {
    uint16_t version;
    uint16_t cipher_suite;
    struct span group_id;
    uint64_t epoch;
    struct span tree_hash;
    struct span confirmed_transcript_hash;
    struct mls_list extensions;
    struct span encoding;
};
void mls_group_context_read(struct mls_reader *r, struct mls_group_context *out);
enum mls_status mls_group_context_parse(struct span bytes, struct mls_group_context *out);
void mls_group_context_write(struct mls_buf *b, const struct mls_group_context *x);

struct mls_group_info {
    struct mls_group_context group_context;
    struct mls_list extensions;
    struct span confirmation_tag;
    uint32_t signer; /* leaf index */
    struct span signature;
    struct span tbs; /* all fields but the signature */
    struct span encoding;
};
void mls_group_info_read(struct mls_reader *r, struct mls_group_info *out);
enum mls_status mls_group_info_parse(struct span bytes, struct mls_group_info *out);
void mls_group_info_write(struct mls_buf *b, const struct mls_group_info *x);
void mls_group_info_write_tbs(struct mls_buf *b, const struct mls_group_info *x);

struct mls_group_secrets {
    struct span joiner_secret;
    bool has_path_secret;
    struct span path_secret;
    struct mls_list psks; /* of mls_psk_id */
};
enum mls_status mls_group_secrets_parse(struct span bytes, struct mls_group_secrets *out);
void mls_group_secrets_write(struct mls_buf *b, const struct mls_group_secrets *x);
/* Over GroupSecrets.psks, like mls_extensions_next. */
bool mls_psk_id_next(struct mls_reader *it, struct mls_psk_id *out);

struct mls_encrypted_group_secrets {
    struct span new_member; /* KeyPackageRef */
    struct mls_hpke_ciphertext encrypted;
};
void mls_encrypted_group_secrets_write(struct mls_buf *b, const struct mls_encrypted_group_secrets *x);
bool mls_encrypted_group_secrets_next(struct mls_reader *it, struct mls_encrypted_group_secrets *out);

struct mls_welcome {
    uint16_t cipher_suite;
    struct mls_list secrets; /* of mls_encrypted_group_secrets */
    struct span encrypted_group_info;
    struct span encoding;
};
void mls_welcome_read(struct mls_reader *r, struct mls_welcome *out);
void mls_welcome_write(struct mls_buf *b, const struct mls_welcome *x);

/* ---- framing (section 6) ---- */

struct mls_sender {
    uint8_t type;   /* enum mls_sender_type */
    uint32_t index; /* member: leaf index; external: index into external_senders */
};

void mls_sender_write(struct mls_buf *b, const struct mls_sender *x);

struct mls_framed_content {
    struct span group_id;
    uint64_t epoch;
    struct mls_sender sender;
    struct span authenticated_data;
    uint8_t content_type; /* enum mls_content_type */
    union {
        struct span application_data;
        struct mls_proposal proposal;
        struct mls_commit commit;
    };
    struct span encoding;
};
void mls_framed_content_read(struct mls_reader *r, struct mls_framed_content *out);
void mls_framed_content_write(struct mls_buf *b, const struct mls_framed_content *x);

struct mls_auth_data {
    struct span signature;
    struct span confirmation_tag; /* commits */
    struct span encoding;
};

/* AuthenticatedContent (section 6). The spans at its end are what hashes and signatures are over: */
struct mls_authenticated_content {
    uint16_t wire_format;
    struct mls_framed_content content;
    struct mls_auth_data auth;
    struct span content_bytes; /* wire_format and content: FramedContentTBS between version and context (section 6.1) */
    struct span confirmed_input; /* ConfirmedTranscriptHashInput (section 8.2): ... and the signature */
    struct span encoding;        /* the whole: input of ProposalRef (section 5.2) */
};
void mls_authenticated_content_read(struct mls_reader *r, struct mls_authenticated_content *out);
enum mls_status mls_authenticated_content_parse(struct span bytes, struct mls_authenticated_content *out);
void mls_authenticated_content_write(struct mls_buf *b, const struct mls_authenticated_content *x);

struct mls_public_message {
    struct mls_authenticated_content authenticated;
    struct span membership_tag; /* members */
};

struct mls_private_message {
    struct span group_id;
    uint64_t epoch;
    uint8_t content_type;
    struct span authenticated_data;
    struct span encrypted_sender_data;
    struct span ciphertext;
    struct span sender_data_aad; /* SenderDataAAD (section 6.3.2): the first three fields; spans into the input */
    struct span content_aad;     /* PrivateContentAAD (section 6.3.1): the first four */
};
void mls_private_message_write(struct mls_buf *b, const struct mls_private_message *x);

struct mls_message {
    uint16_t version;
    uint16_t wire_format; /* enum mls_wire_format */
    union {
        struct mls_public_message public_message;
        struct mls_private_message private_message;
        struct mls_welcome welcome;
        struct mls_group_info group_info;
        struct mls_key_package key_package;
    };
};
/* Messages longer than MLS_MESSAGE_LEN_MAX are MLS_TOO_LARGE. A KeyPackage must have the message's version (section
 * 10). Application data in a PublicMessage is well-formed; mls_framing.h refuses it. */
enum mls_status mls_message_parse(struct span bytes, struct mls_message *out);
void mls_message_write(struct mls_buf *b, const struct mls_message *x);

#endif
