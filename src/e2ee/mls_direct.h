/* One message to one member of a group, outside of MLS's own framing: sealed to the encryption key of the member's leaf
 * with EncryptWithLabel (RFC 9420 section 5.1.3), so that nobody else can read it, the other members included. It
 * proves no sender: put a signature inside. The key changes when its owner commits with a path; what was sealed to the
 * one before does not open any more, and is sent again.
 *
 * The label is the application's; it must not be one of RFC 9420's ("UpdatePathNode", "Welcome"). The group id is
 * authenticated. Changes nothing of the group. */
#ifndef CONCLAVE_E2EE_MLS_DIRECT_H
#define CONCLAVE_E2EE_MLS_DIRECT_H

#include "e2ee/mls.h"

/* Appends an HPKECiphertext (section 7.6). MLS_LEAF_BLANK when there is no member at `leaf`. */
enum mls_status mls_seal_to_member(const struct mls_group *group, uint32_t leaf, const char *label,
                                   struct span plaintext, struct rng *rng, struct mls_buf *out);
/* Appends what was sealed to our leaf. MLS_CONTENT_INVALID when it does not open. */
enum mls_status mls_open_as_member(const struct mls_group *group, const char *label, struct span sealed,
                                   struct mls_buf *out);

#endif
