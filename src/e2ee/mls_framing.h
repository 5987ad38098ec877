/* Framing (RFC 9420 section 6): content becomes a signed AuthenticatedContent, and that a PublicMessage or
 * PrivateMessage, and back.
 *
 * Sending. A draft is one buffer in which the message grows:
 *
 *     mls_draft_begin(&d, ...)             version, wire format, FramedContent up to the content
 *     mls_proposal_write(&d.bytes, ...)    the caller writes Proposal, Commit, or opaque application_data<V>
 *     mls_draft_sign(&d, ...)              FramedContentAuthData's signature
 *     mls_draft_confirm(&d, tag)           commits only: the confirmation tag, computed from mls_draft_confirmed_input
 *     mls_draft_authenticated(&d)          the AuthenticatedContent: input of ProposalRef
 *     mls_public_protect(&d, ...)          d.bytes is now the MLSMessage, or
 *     mls_private_protect(&d, ..., &out)   out is
 *     mls_draft_free(&d)
 *
 * Receiving. mls_message_parse (mls_message.h), compare group and epoch, then for a PublicMessage find the sender's
 * signature key and mls_public_unprotect; for a PrivateMessage mls_private_sender tells the leaf, whose key the caller
 * finds, then mls_private_unprotect. Both check everything of section 6: after MLS_OK the content is authentic, and
 * what a commit's confirmation tag has to be is checked later, with the new epoch's key (mls_schedule.h).
 *
 * `group_context` is the encoded GroupContext of the message's epoch throughout. */
#ifndef CONCLAVE_E2EE_MLS_FRAMING_H
#define CONCLAVE_E2EE_MLS_FRAMING_H

#include "e2ee/mls_message.h"
#include "e2ee/mls_secret_tree.h"
#include "e2ee/mls_suite.h"

struct mls_draft {
    struct mls_buf bytes;
    uint16_t wire_format;
    struct mls_sender sender;
    uint8_t content_type;
    size_t header_end; /* where the content begins */
    size_t content_end;
    size_t signature_end;
    size_t auth_end;
};

struct mls_draft_header {
    uint16_t wire_format;
    struct span group_id;
    uint64_t epoch;
    struct mls_sender sender;
    struct span authenticated_data;
    uint8_t content_type;
};
/* Combinations that section 6 forbids are asserted: application data in public, senders outside of the group in
 * private. */
void mls_draft_begin(struct mls_draft *d, const struct mls_draft_header *header);
void mls_draft_free(struct mls_draft *d);
/* `private_key` of the sender (section 6.1). Answers the buffer's error, too. */
enum mls_status mls_draft_sign(struct mls_draft *d, const struct mls_crypto *c, struct span group_context,
                               const struct secret *private_key);
/* Of a signed commit: ConfirmedTranscriptHashInput (section 8.2). */
struct span mls_draft_confirmed_input(const struct mls_draft *d);
/* Only for commits, which need it. */
enum mls_status mls_draft_confirm(struct mls_draft *d, struct span confirmation_tag);
/* Signed and, if a commit, confirmed. */
struct span mls_draft_authenticated(const struct mls_draft *d);

/* Appends the membership tag (members; `membership_key` may be NULL for other senders): d->bytes is the MLSMessage. */
enum mls_status mls_public_protect(struct mls_draft *d, const struct mls_crypto *c, struct span group_context,
                                   const struct secret *membership_key);
/* Appends the MLSMessage to `out`: encrypts with the sender's next key, `padding_len` zero bytes (section 6.3.1). The
 * key is used up even when a later step fails. */
enum mls_status mls_private_protect(struct mls_draft *d, struct mls_secret_tree *tree,
                                    const struct secret *sender_data_secret, size_t padding_len, struct rng *rng,
                                    struct mls_buf *out);

/* Sections 6.1, 6.2, 12.1.8: may this type of sender send this content, with this wire format? */
enum mls_status mls_content_check_sender(const struct mls_authenticated_content *ac);
/* The signature alone. */
enum mls_status mls_content_verify(const struct mls_crypto *c, const struct mls_authenticated_content *ac,
                                   struct span group_context, struct span signature_key);
/* Membership tag (members), rules of senders, signature. The content is in `message`. `membership_key` may be NULL when
 * the sender is no member. */
enum mls_status mls_public_unprotect(const struct mls_crypto *c, const struct mls_public_message *message,
                                     struct span group_context, const struct secret *membership_key,
                                     struct span signature_key);
/* The membership tag alone: cheap, for a receiver that wants to refuse before it looks for keys. */
enum mls_status mls_public_check_membership(const struct mls_crypto *c, const struct mls_public_message *message,
                                            struct span group_context, const struct secret *membership_key);

/* Section 6.3.2. */
struct mls_sender_data {
    uint32_t leaf;
    uint32_t generation;
    uint8_t reuse_guard[4];
};
enum mls_status mls_private_sender(const struct mls_crypto *c, const struct mls_private_message *message,
                                   const struct secret *sender_data_secret, struct mls_sender_data *out);
/* Decrypts, checks padding and the signature, and on success consumes the generation; a refused message changes
 * nothing. `plain` gets the AuthenticatedContent, and `out` are spans into it: they live until `plain` is freed. */
enum mls_status mls_private_unprotect(struct mls_secret_tree *tree, const struct mls_private_message *message,
                                      const struct mls_sender_data *sender, struct span group_context,
                                      struct span signature_key, struct mls_buf *plain,
                                      struct mls_authenticated_content *out);

/* The same but for the last step, for a receiver that may still run out of memory with what the message says and then
 * wants to try again: after MLS_OK the caller calls mls_secret_tree_consume or not, and mls_message_key_wipe. */
enum mls_status mls_private_open(struct mls_secret_tree *tree, const struct mls_private_message *message,
                                 const struct mls_sender_data *sender, struct span group_context,
                                 struct span signature_key, struct mls_buf *plain,
                                 struct mls_authenticated_content *out, struct mls_message_key *key);

/* Key and nonce for sender data (section 6.3.2), for known-answer tests. */
enum mls_status mls_sender_data_keys(const struct mls_crypto *c, const struct secret *sender_data_secret,
                                     struct span ciphertext, uint8_t key[AEAD_KEY_LEN_MAX],
                                     uint8_t nonce[AEAD_NONCE_LEN]);

#endif
