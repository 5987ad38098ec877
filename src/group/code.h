/* The code that people read to each other: equal at two members exactly if they agree on group, epoch, everybody in it
 * and its history. */
#ifndef CONCLAVE_GROUP_CODE_H
#define CONCLAVE_GROUP_CODE_H

#include "crypto/backend.h"

#define GROUP_CODE_DIGITS 30 /* in 6 groups of 5: 99 bits */

/* Expand(Extract(SHA-512, no salt, epoch_authenticator), "conclave security code v2" || GroupContext, 48): five digits
 * from eight bytes each, whose remainder's bias is below 2^-47. Zero-terminated. Nothing else is shown: a shorter code
 * without a commitment before it could be ground. */
enum crypto_status group_code(const struct crypto_backend *crypto, struct span epoch_authenticator,
                              struct span group_context, char out[GROUP_CODE_DIGITS + 1]);
/* The code of two people, which stays when others come: Expand(Extract(SHA-512, no salt, meeting), "conclave pair code
 * v2" || the smaller seat key || the greater, 48), spelled the same way. No secret is in it, and none is needed: who
 * stands between two people has another key. */
enum crypto_status group_pair_code(const struct crypto_backend *crypto, struct span meeting, struct span a,
                                   struct span b, char out[GROUP_CODE_DIGITS + 1]);

#endif
