/* Validity of leaf nodes and key packages as far as one of them alone can tell (RFC 9420
 * sections 7.2, 7.3, 10.1, 13.4), and the signatures on them. What depends on other members (unique keys, credential
 * types in use) is the tree's and the group's. All answer the reason of the first violated rule. Nothing is changed. */
#ifndef CONCLAVE_E2EE_MLS_VALIDATE_H
#define CONCLAVE_E2EE_MLS_VALIDATE_H

#include "e2ee/mls_message.h"
#include "e2ee/mls_suite.h"

/* Section 7.3, the parts that need neither group nor signature: capabilities list the version, the credential type and
 * the extensions of the leaf itself (not its suite: section 7.3 has no such step, its keys show it, and some clients
 * leave it out); keys are good public keys of the suite (kem_public_good, sign_public_good); `source` is the wanted one
 * (0 = any, for the leaves of a received tree). */
enum mls_status mls_leaf_node_check(const struct mls_crypto *c, const struct mls_leaf_node *leaf, uint8_t source);
/* Section 7.3: now within [not_before, not_after], for leaves that have a lifetime; others are MLS_OK. */
enum mls_status mls_leaf_node_check_lifetime(const struct mls_leaf_node *leaf, uint64_t unix_s);
/* Section 7.2: not_after - not_before <= max_s, what the application accepts; an interval that ends before it begins is
 * MLS_LEAF_LIFETIME. */
enum mls_status mls_leaf_node_check_lifetime_max(const struct mls_leaf_node *leaf, uint64_t max_s);
/* Sections 7.3, 13.4: capabilities list what the group context's extensions are and require. */
enum mls_status mls_leaf_node_check_group(const struct mls_leaf_node *leaf, const struct mls_list *context_extensions);
/* Support for one value; default types count as supported (section 7.2). */
bool mls_leaf_node_supports_extension(const struct mls_leaf_node *leaf, uint16_t type);
bool mls_leaf_node_supports_proposal(const struct mls_leaf_node *leaf, uint16_t type);
bool mls_leaf_node_supports_credential(const struct mls_leaf_node *leaf, uint16_t type);

/* LeafNodeTBS in three parts: the leaf's own fields and, for sources update and commit, group_id<V> and leaf_index.
 * `storage` holds what is made for it and must live as long as the parts. */
struct mls_leaf_node_tbs {
    uint8_t storage[4 + 4];
    struct span parts[4];
    size_t count;
};
void mls_leaf_node_tbs(struct mls_leaf_node_tbs *out, struct span tbs, uint8_t source, struct span group_id,
                       uint32_t leaf_index);
/* The signature under the leaf's own key. group_id and leaf_index do not matter for source key_package. */
enum mls_status mls_leaf_node_verify(const struct mls_crypto *c, const struct mls_leaf_node *leaf, struct span group_id,
                                     uint32_t leaf_index);
/* Writes the leaf (all fields of `leaf` but its signature) and signs it: `out` then ends with a LeafNode. */
enum mls_status mls_leaf_node_sign(const struct mls_crypto *c, const struct mls_leaf_node *leaf, struct span group_id,
                                   uint32_t leaf_index, const struct secret *private_key, struct mls_buf *out);

/* Section 10.1, complete but for credential and lifetime: version, suite, leaf (mls_leaf_node_check with source
 * key_package, its signature), init key, signature. Extensions of the key package that its capabilities do not list are
 * let pass: section 10 asks it of the maker, 10.1 has no such step, and others do not keep to it. */
enum mls_status mls_key_package_validate(const struct mls_crypto *c, const struct mls_key_package *key_package);
/* Writes all fields of `x` but its signature, and signs. */
enum mls_status mls_key_package_sign(const struct mls_crypto *c, const struct mls_key_package *x,
                                     const struct secret *private_key, struct mls_buf *out);

/* Section 12.4.3. */
enum mls_status mls_group_info_verify(const struct mls_crypto *c, const struct mls_group_info *info,
                                      struct span signature_key);
enum mls_status mls_group_info_sign(const struct mls_crypto *c, const struct mls_group_info *x,
                                    const struct secret *private_key, struct mls_buf *out);

#endif
