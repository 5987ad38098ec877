/* Well-formed MLS structures for tests: one client's keys in one suite, and one of everything that it could send. What
 * is in them is valid as far as one structure alone can be (signatures included where a function says signed);
 * ciphertexts are made up. Spans live until samples_free. */
#ifndef CONCLAVE_TESTS_MLS_SAMPLES_H
#define CONCLAVE_TESTS_MLS_SAMPLES_H

#include "e2ee/mls_framing.h"
#include "e2ee/mls_schedule.h"
#include "e2ee/mls_validate.h"

#define SAMPLES_KEPT_MAX 4096

struct samples {
    struct mls_crypto c;
    struct rng rng;
    struct secret sign_private, leaf_private, init_private;
    uint8_t sign_public[SIGN_PUBLIC_LEN_MAX];
    uint8_t leaf_public[KEM_PUBLIC_LEN_MAX];
    uint8_t init_public[KEM_PUBLIC_LEN_MAX];
    struct span group_id;
    struct mls_buf kept[SAMPLES_KEPT_MAX];
    size_t kept_count;
};

void samples_make(struct samples *s, uint16_t suite);
void samples_free(struct samples *s);
/* A buffer of the samples' for one more thing; valid until samples_free. */
struct mls_buf *samples_buf(struct samples *s);
/* `len` random bytes. */
struct span samples_bytes(struct samples *s, size_t len);
/* A list of 16-bit values, ends with 0. */
struct span samples_u16s(struct samples *s, const uint16_t *values);

/* All fields but the signature. */
struct mls_leaf_node samples_leaf(struct samples *s, uint8_t source);
struct span samples_leaf_signed(struct samples *s, const struct mls_leaf_node *leaf);
/* Leaf signed, key package's own fields but for its signature. */
struct mls_key_package samples_key_package(struct samples *s);
struct span samples_key_package_signed(struct samples *s, const struct mls_key_package *key_package);
struct mls_psk_id samples_psk_id(struct samples *s, uint8_t type);
struct mls_proposal samples_proposal(struct samples *s, uint16_t type);
/* One proposal of each type by value, one reference, and a path of 3 nodes. */
struct mls_commit samples_commit(struct samples *s);
struct mls_group_context samples_group_context(struct samples *s);
struct mls_group_info samples_group_info(struct samples *s);
struct mls_group_secrets samples_group_secrets(struct samples *s);
struct mls_welcome samples_welcome(struct samples *s);

/* Both ends of an epoch's keys; the same seed gives the same keys. */
struct samples_epoch {
    struct secret sender_data, membership_key;
    struct mls_secret_tree tree;
    struct span group_context;
};
void samples_epoch_make(struct samples *s, uint64_t seed, uint32_t leaves, struct samples_epoch *out);
void samples_epoch_free(struct samples_epoch *e);
/* A signed draft of the content type: application data "sample", a Remove, or samples_commit with a confirmation tag.
 */
void samples_draft(struct samples *s, const struct samples_epoch *e, uint16_t wire_format, struct mls_sender sender,
                   uint8_t content_type, struct mls_draft *d);

#endif
