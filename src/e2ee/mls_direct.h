/* One message to one person, outside of MLS's own framing: sealed with EncryptWithLabel (RFC 9420 section 5.1.3) to the
 * encryption key of a member's leaf, or to the init key of a key package, so that nobody else can read it, the other
 * members included. It proves no sender: put a signature inside. A leaf's key changes when its owner commits with a
 * path; what was sealed to the one before does not open any more, and is sent again.
 *
 * The label is the application's; it must not be one of RFC 9420's ("UpdatePathNode", "Welcome"). What is authenticated
 * with it: the group id (of members), then `context`, which both sides must have the same (a transcript hash, say, so
 * that it opens in no fork; empty for nothing). Changes nothing of the group or client. */
#ifndef CONCLAVE_E2EE_MLS_DIRECT_H
#define CONCLAVE_E2EE_MLS_DIRECT_H

#include "e2ee/mls.h"

/* Appends an HPKECiphertext (section 7.6). MLS_LEAF_BLANK when there is no member at `leaf`. */
enum mls_status mls_seal_to_member(const struct mls_group *group, uint32_t leaf, const char *label, struct span context,
                                   struct span plaintext, struct rng *rng, struct mls_buf *out);
/* Appends what was sealed to our leaf. MLS_CONTENT_INVALID when it does not open. */
enum mls_status mls_open_as_member(const struct mls_group *group, const char *label, struct span context,
                                   struct span sealed, struct mls_buf *out);

/* Appends an HPKECiphertext to the init key of a key package (message or bare), which is validated first (section 10.1)
 * as far as it can be without a clock. */
enum mls_status mls_seal_to_package(const struct crypto_backend *crypto, struct span key_package, const char *label,
                                    struct span context, struct span plaintext, struct rng *rng, struct mls_buf *out);
/* Appends what was sealed to a key package of ours that is not used up. MLS_KEY_PACKAGE_UNKNOWN; MLS_CONTENT_INVALID
 * when it does not open. */
enum mls_status mls_open_with_package(const struct mls_client *client, struct span key_package_ref, const char *label,
                                      struct span context, struct span sealed, struct mls_buf *out);

#endif
