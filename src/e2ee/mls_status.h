/* Why an input was refused or an operation failed: one code for every rule of RFC 9420 that can be violated, and a few
 * for resources and order of calls. A function that answers anything but MLS_OK has changed nothing, unless its
 * contract says otherwise.
 *
 * MLS_STATUSES lists name, text, and the section that the rule comes from ("" where it is our own). Append; the numbers
 * are not stable between versions and go to no wire. */
#ifndef CONCLAVE_E2EE_MLS_STATUS_H
#define CONCLAVE_E2EE_MLS_STATUS_H

#define MLS_STATUSES(X)                                                                                                \
    X(OK, "no error", "")                                                                                              \
    /* resources and order of calls */                                                                                 \
    X(NO_MEMORY, "no memory; nothing changed, may be tried again", "")                                                 \
    X(TOO_LARGE, "longer than this implementation's limit", "")                                                        \
    X(CRYPTO_FAILED, "a primitive failed where it never should", "5.1")                                                \
    X(SUITE_UNSUPPORTED, "cipher suite unknown or without support here", "5.1")                                        \
    X(IDENTITY_SUITE, "identity of another cipher suite than the group's", "5.1")                                      \
    X(WRONG_STATE, "this call is not possible in the group's present state", "")                                       \
    X(END, "nothing more in this list", "")                                                                            \
    X(COMMIT_PENDING, "an own commit waits to be confirmed or dropped", "")                                            \
    X(COMMIT_STAGED, "a received commit waits to be applied or refused", "")                                           \
    X(NOTHING_PENDING, "no own commit is pending", "")                                                                 \
    X(NOTHING_STAGED, "no received commit is staged", "")                                                              \
    X(GROUP_LEFT, "we are no member any more", "12.4.2")                                                               \
    X(GROUP_BROKEN, "a deferred check failed; the group's secrets are wiped", "12.4.3.1")                              \
    X(GROUP_JOINING, "the external commit that makes us a member is not confirmed", "12.4.3.2")                        \
    X(PROPOSALS_OPEN, "proposals wait for a commit, which goes before application data", "12.4")                       \
    X(KEY_PACKAGE_UNKNOWN, "no key package of ours has this reference", "")                                            \
    X(KEY_PACKAGES_TOO_MANY, "too many key packages that nobody has used", "")                                         \
    X(PSK_LENGTH, "pre-shared key or its id is empty or too long", "8.4")                                              \
    X(SEAL_INVALID, "sealed state of another key or version, or damaged", "")                                          \
    /* syntax: sections 2.1, 6, 7, 8, 10, 12 */                                                                        \
    X(TRUNCATED, "ends in the middle of a field", "2.1")                                                               \
    X(TRAILING_BYTES, "bytes follow the end of the structure", "2.1")                                                  \
    X(LENGTH_INVALID, "length with the invalid prefix 11", "2.1.2")                                                    \
    X(LENGTH_NOT_MINIMAL, "length not in its shortest encoding", "2.1.2")                                              \
    X(OPTIONAL_INVALID, "presence octet neither 0 nor 1", "2.1.1")                                                     \
    X(LIST_MISALIGNED, "length of a list is no multiple of its elements'", "2.1.2")                                    \
    X(FIELD_TOO_LONG, "a key, hash, signature or identifier longer than any has reason to be", "2.1.2")                \
    X(VERSION_UNKNOWN, "protocol version is not mls10", "6")                                                           \
    X(WIRE_FORMAT_UNKNOWN, "unknown wire format", "6")                                                                 \
    X(CONTENT_TYPE_UNKNOWN, "unknown content type", "6")                                                               \
    X(SENDER_TYPE_UNKNOWN, "unknown sender type", "6")                                                                 \
    X(CREDENTIAL_TYPE_UNKNOWN, "unknown credential type, whose length nobody can tell", "5.3")                         \
    X(CERTIFICATES_EMPTY, "X.509 credential without a certificate", "5.3")                                             \
    X(CERTIFICATES_TOO_MANY, "too many certificates in one credential", "5.3")                                         \
    X(LEAF_SOURCE_UNKNOWN, "unknown leaf node source", "7.2")                                                          \
    X(CAPABILITIES_TOO_MANY, "too many entries in a list of capabilities", "7.2")                                      \
    X(EXTENSIONS_TOO_MANY, "too many extensions", "13.4")                                                              \
    X(EXTENSION_DUPLICATE, "two extensions of one type in a list", "13.4")                                             \
    X(NODE_TYPE_UNKNOWN, "unknown node type", "7.8")                                                                   \
    X(UNMERGED_UNSORTED, "unmerged leaves not in increasing order", "7.1")                                             \
    X(UNMERGED_TOO_MANY, "more unmerged leaves than a tree can have", "7.1")                                           \
    X(PATH_TOO_LONG, "update path longer than any tree is deep", "7.6")                                                \
    X(RESOLUTION_TOO_LARGE, "more ciphertexts for one node than members", "7.6")                                       \
    X(PSK_TYPE_UNKNOWN, "unknown PSK type", "8.4")                                                                     \
    X(PSK_USAGE_UNKNOWN, "unknown usage of a resumption PSK", "8.4")                                                   \
    X(PSKS_TOO_MANY, "too many PSKs", "8.4")                                                                           \
    X(PROPOSAL_TYPE_UNKNOWN, "unknown proposal type, whose length nobody can tell", "12.1")                            \
    X(PROPOSAL_OR_REF_UNKNOWN, "neither a proposal nor a reference", "12.4")                                           \
    X(PROPOSALS_TOO_MANY, "too many proposals in one commit", "12.4")                                                  \
    X(WELCOME_TOO_MANY, "too many joiners in one Welcome", "12.4.3.1")                                                 \
    X(EXTERNAL_SENDERS_TOO_MANY, "too many external senders", "12.1.8.1")                                              \
    /* framing: section 6 */                                                                                           \
    X(WRONG_GROUP, "message of another group", "6")                                                                    \
    X(WRONG_EPOCH, "message of another epoch", "12.4.2")                                                               \
    X(EPOCH_OVER, "proposal or commit of an epoch that is over", "12.4.2")                                             \
    X(EPOCH_AHEAD, "message of an epoch that has not begun here: commits were missed", "12.4.2")                       \
    X(EPOCH_FORGOTTEN, "message of an epoch whose keys are deleted", "9.2")                                            \
    X(WIRE_FORMAT_REFUSED, "the group's policy refuses this wire format", "6")                                         \
    X(SIGNATURE_INVALID, "signature of the message does not verify", "6.1")                                            \
    X(MEMBERSHIP_TAG_INVALID, "membership tag does not verify", "6.2")                                                 \
    X(CONFIRMATION_TAG_INVALID, "confirmation tag does not verify", "6.1")                                             \
    X(APPLICATION_DATA_PUBLIC, "application data in a PublicMessage", "6")                                             \
    X(SENDER_NOT_MEMBER, "sender's leaf is blank or outside of the tree", "6.3.2")                                     \
    X(SENDER_SELF, "own message coming back", "6")                                                                     \
    X(SENDER_EXTERNAL_UNKNOWN, "index of no external sender", "12.1.8.1")                                              \
    X(SENDER_CONTENT_MISMATCH, "this type of sender may not send this content", "6.1")                                 \
    X(SENDER_PROPOSAL_MISMATCH, "this type of sender may not send this type of proposal", "12.1.8")                    \
    X(EXTERNAL_SENDER_PRIVATE, "sender outside of the group in a PrivateMessage", "12.1.8")                            \
    X(SENDER_DATA_INVALID, "sender data does not decrypt", "6.3.2")                                                    \
    X(CONTENT_INVALID, "content does not decrypt", "6.3.1")                                                            \
    X(PADDING_NOT_ZERO, "padding with a byte that is not zero", "6.3.1")                                               \
    X(GENERATION_CONSUMED, "key of this generation was used or is deleted: a replay, or too late", "9.2")              \
    X(GENERATION_TOO_FAR, "generation too far ahead of the sender's ratchet", "15.3")                                  \
    X(GENERATION_EXHAUSTED, "the ratchet has used up its generations; commit first", "9.1")                            \
    /* leaf nodes: section 7.3; key packages: section 10.1 */                                                          \
    X(LEAF_SIGNATURE_INVALID, "signature of a leaf node does not verify", "7.3")                                       \
    X(LEAF_SOURCE_WRONG, "leaf node source does not fit the place", "7.3")                                             \
    X(LEAF_LIFETIME, "now is outside of the leaf node's lifetime", "7.3")                                              \
    X(LEAF_LIFETIME_TOO_LONG, "lifetime longer than the application accepts", "7.2")                                   \
    X(LEAF_VERSION_UNLISTED, "leaf node's capabilities lack the protocol version", "7.2")                              \
    X(LEAF_CREDENTIAL_UNLISTED, "leaf node's capabilities lack its own credential type", "7.2")                        \
    X(LEAF_EXTENSION_UNLISTED, "leaf node's capabilities lack one of its extensions", "7.3")                           \
    X(LEAF_LACKS_REQUIRED, "leaf node lacks a capability that the group requires", "7.3")                              \
    X(LEAF_LACKS_EXTENSION, "leaf node does not support an extension of the group context", "13.4")                    \
    X(CREDENTIAL_UNSUPPORTED_BY_MEMBER, "credential type that a member does not support", "7.3")                       \
    X(CREDENTIAL_IN_USE_UNSUPPORTED, "leaf node does not support a credential type in use", "7.3")                     \
    X(CREDENTIAL_REFUSED, "the application refuses the credential", "5.3.1")                                           \
    X(ENCRYPTION_KEY_INVALID, "encryption key is no public key of the suite", "5.1.1")                                 \
    X(SIGNATURE_KEY_INVALID, "signature key is no public key of the suite", "5.1.1")                                   \
    X(ENCRYPTION_KEY_DUPLICATE, "encryption key that another node has", "7.3")                                         \
    X(SIGNATURE_KEY_DUPLICATE, "signature key that another member has", "7.3")                                         \
    X(ENCRYPTION_KEY_NOT_FRESH, "encryption key is that of the leaf being replaced", "7.3")                            \
    X(KEY_PACKAGE_VERSION, "key package's version is not the group's or its message's", "10.1")                        \
    X(KEY_PACKAGE_SUITE, "key package's cipher suite is not the group's", "10.1")                                      \
    X(KEY_PACKAGE_SIGNATURE_INVALID, "signature of a key package does not verify", "10.1")                             \
    X(KEY_PACKAGE_INIT_KEY_INVALID, "init key is no public key of the suite", "10")                                    \
    X(KEY_PACKAGE_INIT_KEY_REUSED, "init key equals the encryption key", "10.1")                                       \
    /* the ratchet tree: section 7 */                                                                                  \
    X(TREE_EMPTY, "tree without a node", "12.4.3.3")                                                                   \
    X(TREE_FULL, "the group has as many members as it may have", "")                                                   \
    X(TREE_LAST_BLANK, "last node of a tree is blank", "12.4.3.3")                                                     \
    X(TREE_LAST_PARENT, "last node of a tree is a parent: a half without members", "12.1.3")                           \
    X(TREE_NODE_MISPLACED, "leaf at a parent's place, or the reverse", "12.4.3.3")                                     \
    X(TREE_UNMERGED_INVALID, "unmerged leaf is blank or no descendant", "12.4.3.1")                                    \
    X(TREE_UNMERGED_MISSING, "unmerged leaf not listed at a node between", "12.4.3.1")                                 \
    X(TREE_HASH_WRONG, "tree hash is not the group context's", "12.4.3.1")                                             \
    X(PARENT_HASH_WRONG, "parent hash does not verify", "7.9.2")                                                       \
    X(PATH_LENGTH_WRONG, "update path does not have the filtered direct path's length", "7.6")                         \
    X(PATH_CIPHERTEXTS_WRONG, "number of ciphertexts is not the resolution's", "7.6")                                  \
    X(PATH_SECRET_INVALID, "path secret does not decrypt", "7.5")                                                      \
    X(PATH_KEY_MISMATCH, "key derived from a path secret is not the one in the path", "7.5")                           \
    X(PATH_NOT_FOR_US, "no private key for any recipient of the path secret", "7.5")                                   \
    X(PATH_SECRET_MISPLACED, "path secret for a blank node", "12.4.3.1")                                               \
    X(PRIVATE_KEY_MISMATCH, "private key does not belong to the public one", "7.5")                                    \
    X(LEAF_BLANK, "no member at this leaf", "7.3")                                                                     \
    /* proposals: sections 12.1, 12.2 */                                                                               \
    X(PROPOSAL_TYPE_UNSUPPORTED, "proposal type that some member does not support", "12.2")                            \
    X(PROPOSAL_UNKNOWN_REF, "reference to a proposal that was not seen", "12.4.2")                                     \
    X(PROPOSALS_STORED_TOO_MANY, "too many proposals waiting in this epoch", "12.1")                                   \
    X(UPDATE_BY_COMMITTER, "update proposal of the committer", "12.2")                                                 \
    X(UPDATE_SENDER_WRONG, "update proposal of somebody who is no member", "12.1.2")                                   \
    X(REMOVE_COMMITTER, "removal of the committer", "12.2")                                                            \
    X(REMOVE_BLANK, "removal of nobody", "12.1.3")                                                                     \
    X(LEAF_TOUCHED_TWICE, "several updates or removals of one leaf", "12.2")                                           \
    X(ADD_DUPLICATE, "several adds of one client", "12.2")                                                             \
    X(ADD_ALREADY_MEMBER, "add of a client that is a member", "12.2")                                                  \
    X(PSK_NONCE_LENGTH, "PSK nonce is not of the hash's length", "12.1.4")                                             \
    X(PSK_USAGE_WRONG, "reinit or branch PSK outside of a reinitialisation or branch", "12.1.4")                       \
    X(PSK_DUPLICATE, "one PSK twice in a commit", "12.2")                                                              \
    X(PSK_UNKNOWN, "PSK that this client does not have", "12.4.2")                                                     \
    X(REINIT_VERSION, "reinitialisation to an older version", "12.1.5")                                                \
    X(REINIT_NOT_ALONE, "reinitialisation together with another proposal", "12.2")                                     \
    X(GROUP_ENDED, "the group was reinitialised; its successor goes on", "12.4.2")                                     \
    X(EXTERNAL_INIT_MISPLACED, "external init in a regular commit", "12.2")                                            \
    X(CONTEXT_EXTENSIONS_TWICE, "several group context extensions proposals", "12.2")                                  \
    X(CONTEXT_EXTENSIONS_UNSUPPORTED, "group context extension that some member does not support", "13.4")             \
    X(REQUIRED_CAPABILITIES_UNMET, "required capabilities that some member lacks", "12.1.7")                           \
    X(EXTENSION_MISPLACED, "extension in a place where its type may not be", "17.3")                                   \
    X(EXTENSION_MALFORMED, "contents of an extension cannot be read", "13.4")                                          \
    X(PROPOSAL_REFUSED, "the application's rules refuse this proposal", "12.1")                                        \
    /* commits: section 12.4 */                                                                                        \
    X(PATH_MISSING, "commit without the path that it needs", "12.4")                                                   \
    X(PATH_KEY_REUSED, "public key of the path is in the tree already", "12.4.2")                                      \
    X(EXTERNAL_COMMIT_PATH_MISSING, "external commit without a path", "12.4.3.2")                                      \
    X(EXTERNAL_COMMIT_INIT_COUNT, "external commit without exactly one external init", "12.2")                         \
    X(EXTERNAL_COMMIT_REMOVES, "external commit with more than one removal", "12.2")                                   \
    X(EXTERNAL_COMMIT_PROPOSAL, "external commit with a proposal that it may not have", "12.2")                        \
    X(EXTERNAL_COMMIT_REFERENCE, "external commit that refers to a proposal", "12.4.3.2")                              \
    X(EXTERNAL_COMMIT_REFUSED, "the group's policy refuses this external commit", "12.4.3.2")                          \
    X(EXTERNAL_PROPOSAL_REFUSED, "the group's policy refuses this type from an external sender", "12.1.8")             \
    X(NEW_MEMBER_PROPOSAL_REFUSED, "the group's policy refuses proposals of joiners", "12.1.8")                        \
    X(RESYNC_KEY_CHANGED, "external commit replaces a member that has another signature key", "12.4.3.2")              \
    X(NO_FORMER_SELF, "no member has our signature key", "12.4.3.2")                                                   \
    X(EXTERNAL_INIT_INVALID, "KEM output of an external init does not decapsulate", "8.3")                             \
    X(EPOCH_EXHAUSTED, "no epoch number is left", "8.1")                                                               \
    /* joining: section 12.4.3 */                                                                                      \
    X(WELCOME_NOT_FOR_US, "Welcome without an entry for this key package", "12.4.3.1")                                 \
    X(WELCOME_SUITE, "Welcome of another cipher suite than the key package's", "12.4.3.1")                             \
    X(WELCOME_SECRETS_INVALID, "group secrets do not decrypt", "12.4.3.1")                                             \
    X(WELCOME_INFO_INVALID, "group info does not decrypt", "12.4.3.1")                                                 \
    X(WELCOME_PSKS_MIXED, "reinit or branch PSK beside another such", "12.4.3.1")                                      \
    X(WELCOME_TREE_MISSING, "no ratchet tree, neither inside nor apart", "12.4.3.1")                                   \
    X(WELCOME_NOT_IN_TREE, "own leaf node is not in the tree", "12.4.3.1")                                             \
    X(WELCOME_EPOCH, "successor group's epoch is not 1", "12.4.3.1")                                                   \
    X(WELCOME_REINIT_MISMATCH, "successor group is not what the reinitialisation said", "11.2")                        \
    X(WELCOME_BRANCH_MISMATCH, "subgroup is not a branch of its parent", "11.3")                                       \
    X(GROUP_INFO_SIGNATURE_INVALID, "signature of the group info does not verify", "12.4.3")                           \
    X(GROUP_INFO_SIGNER_BLANK, "signer of the group info is no member", "12.4.3")                                      \
    X(GROUP_INFO_EXTERNAL_PUB_MISSING, "group info without an external public key", "12.4.3.2")                        \
    X(GROUP_INFO_MISMATCH, "group info is not the one that its commit leads to", "12.4.3")                             \
    X(GROUP_ID_IN_USE, "a group of this name is there already", "12.4.3")

#define MLS_STATUS_NAME(name, text, section) MLS_##name,
enum mls_status { MLS_STATUSES(MLS_STATUS_NAME) MLS_STATUS_COUNT };
#undef MLS_STATUS_NAME

/* A sentence without names of anybody, fit for a log. */
const char *mls_status_text(enum mls_status status);
/* "PADDING_NOT_ZERO". */
const char *mls_status_name(enum mls_status status);
/* Section of RFC 9420, "" when the rule is this implementation's own. */
const char *mls_status_section(enum mls_status status);

#endif
