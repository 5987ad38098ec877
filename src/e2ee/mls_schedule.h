/* The key schedule of an epoch (RFC 9420 section 8), PSK secrets (8.4), exporters (8.5), external initialisation (8.3),
 * transcript hashes (8.2) and the tags over them. Pure functions; the caller owns and wipes what comes out, and what
 * went in: after mls_epoch_derive the init, commit, joiner and PSK secrets are consumed (section 9.2).
 *
 *     joiner = mls_joiner_secret(init of the last epoch, commit secret, group context)
 *     member = mls_member_secret(joiner, psk secret)          a joiner starts here, with the joiner secret of its
 * Welcome welcome = mls_welcome_secret(member)                    only for Welcomes mls_epoch_derive(member, group
 * context, &secrets)       or, in a new group: mls_epoch_expand(random epoch secret)
 */
#ifndef CONCLAVE_E2EE_MLS_SCHEDULE_H
#define CONCLAVE_E2EE_MLS_SCHEDULE_H

#include "e2ee/mls_message.h"
#include "e2ee/mls_suite.h"

/* What an epoch keeps. `encryption` is consumed by the secret tree (mls_secret_tree_init wipes it). */
struct mls_epoch_secrets {
    struct secret sender_data;
    struct secret encryption;
    struct secret exporter;
    struct secret external;
    struct secret confirmation_key;
    struct secret membership_key;
    struct secret resumption_psk;
    struct secret epoch_authenticator; /* not secret from the application, which shows it (section 8.7) */
    struct secret init;
};
void mls_epoch_secrets_wipe(struct mls_epoch_secrets *s);

enum mls_status mls_joiner_secret(const struct mls_crypto *c, const struct secret *init_secret,
                                  const struct secret *commit_secret, struct span group_context, struct secret *out);
/* The unnamed value between joiner_secret and epoch_secret. psk_secret: KDF.Nh zero bytes without PSKs. */
enum mls_status mls_member_secret(const struct mls_crypto *c, const struct secret *joiner_secret,
                                  const struct secret *psk_secret, struct secret *out);
enum mls_status mls_welcome_secret(const struct mls_crypto *c, const struct secret *member_secret, struct secret *out);
enum mls_status mls_epoch_derive(const struct mls_crypto *c, const struct secret *member_secret,
                                 struct span group_context, struct mls_epoch_secrets *out);
/* From the epoch secret itself: a new group draws it at random (section 11). */
enum mls_status mls_epoch_expand(const struct mls_crypto *c, const struct secret *epoch_secret,
                                 struct mls_epoch_secrets *out);

/* Section 12.4.3.1: seals or opens encrypted_group_info with key and nonce from the welcome secret; appends to `out`.
 */
enum mls_status mls_group_info_seal(const struct mls_crypto *c, const struct secret *welcome_secret,
                                    struct span group_info, struct mls_buf *out);
enum mls_status mls_group_info_open(const struct mls_crypto *c, const struct secret *welcome_secret,
                                    struct span encrypted_group_info, struct mls_buf *out);

/* Section 8.4. `psk_secret` starts as mls_zero_secret; then each PSK in the order of the commit, index from 0. `id` is
 * the encoded PreSharedKeyID. */
enum mls_status mls_psk_secret_add(const struct mls_crypto *c, struct secret *psk_secret, struct span id,
                                   struct span psk, uint16_t index, uint16_t count);

/* Section 8.5. len <= HKDF_OUT_LEN_MAX, else MLS_TOO_LARGE. */
enum mls_status mls_exporter(const struct mls_crypto *c, const struct secret *exporter_secret, const char *label,
                             struct span context, uint8_t *out, size_t len);

/* Section 8: the group's external key pair. */
enum mls_status mls_external_key_pair(const struct mls_crypto *c, const struct secret *external_secret,
                                      struct secret *private_key, uint8_t *public_key);
/* Section 8.3. The joiner: appends the bare KEM output to `kem_output`. MLS_EXTERNAL_INIT_INVALID when the key is none.
 */
enum mls_status mls_external_init_send(const struct mls_crypto *c, struct span external_pub, struct rng *rng,
                                       struct mls_buf *kem_output, struct secret *init_secret);
/* A member. MLS_EXTERNAL_INIT_INVALID when the KEM output is none. */
enum mls_status mls_external_init_receive(const struct mls_crypto *c, const struct secret *external_secret,
                                          struct span kem_output, struct secret *init_secret);

/* Section 8.2. `interim` of epoch 0's predecessor is empty. */
enum mls_status mls_confirmed_transcript_hash(const struct mls_crypto *c, struct span interim,
                                              struct span confirmed_input, struct mls_hash *out);
enum mls_status mls_interim_transcript_hash(const struct mls_crypto *c, struct span confirmed,
                                            struct span confirmation_tag, struct mls_hash *out);
/* Section 6.1. */
enum mls_status mls_confirmation_tag(const struct mls_crypto *c, const struct secret *confirmation_key,
                                     struct span confirmed, struct mls_hash *out);
/* MLS_CONFIRMATION_TAG_INVALID when it is not; constant time. */
enum mls_status mls_confirmation_tag_check(const struct mls_crypto *c, const struct secret *confirmation_key,
                                           struct span confirmed, struct span tag);

#endif
