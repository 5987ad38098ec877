/* Code points of MLS: the registries of RFC 9420 section 17 and the enumerations of its structs. Values on the wire
 * that are none of these are kept as numbers where the RFC wants them ignored (capabilities, extensions) and refused
 * where it does not. */
#ifndef CONCLAVE_E2EE_MLS_TYPES_H
#define CONCLAVE_E2EE_MLS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

/* Section 6. */
#define MLS_VERSION_10 1

/* Section 17.1. The hybrid suite of draft-ietf-mls-pq-ciphersuites has no number yet; ours is from the private range
 * and agrees with nobody else's by number: negotiate it by name. */
enum mls_suite_id {
    MLS_SUITE_X25519_AES128GCM_SHA256_ED25519 = 0x0001,
    MLS_SUITE_P256_AES128GCM_SHA256_P256 = 0x0002,
    MLS_SUITE_X25519_CHACHA20POLY1305_SHA256_ED25519 = 0x0003,
    MLS_SUITE_X448_AES256GCM_SHA512_ED448 = 0x0004,
    MLS_SUITE_P521_AES256GCM_SHA512_P521 = 0x0005,
    MLS_SUITE_X448_CHACHA20POLY1305_SHA512_ED448 = 0x0006,
    MLS_SUITE_P384_AES256GCM_SHA384_P384 = 0x0007,
    MLS_SUITE_XWING_AES256GCM_SHA384_ED25519 = 0xf0a7,
};

/* Section 17.2. */
enum mls_wire_format {
    MLS_WIRE_PUBLIC_MESSAGE = 1,
    MLS_WIRE_PRIVATE_MESSAGE = 2,
    MLS_WIRE_WELCOME = 3,
    MLS_WIRE_GROUP_INFO = 4,
    MLS_WIRE_KEY_PACKAGE = 5,
};

/* Section 17.3; after each where it may stand: LN leaf node, GC group context, GI group info. */
enum mls_extension_type {
    MLS_EXTENSION_APPLICATION_ID = 1,        /* LN */
    MLS_EXTENSION_RATCHET_TREE = 2,          /* GI */
    MLS_EXTENSION_REQUIRED_CAPABILITIES = 3, /* GC */
    MLS_EXTENSION_EXTERNAL_PUB = 4,          /* GI */
    MLS_EXTENSION_EXTERNAL_SENDERS = 5,      /* GC */
};

/* Section 17.4. */
enum mls_proposal_type {
    MLS_PROPOSAL_ADD = 1,
    MLS_PROPOSAL_UPDATE = 2,
    MLS_PROPOSAL_REMOVE = 3,
    MLS_PROPOSAL_PSK = 4,
    MLS_PROPOSAL_REINIT = 5,
    MLS_PROPOSAL_EXTERNAL_INIT = 6,
    MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS = 7,
};

/* Section 17.5. */
enum mls_credential_type {
    MLS_CREDENTIAL_BASIC = 1,
    MLS_CREDENTIAL_X509 = 2,
};

/* Section 6. */
enum mls_content_type {
    MLS_CONTENT_APPLICATION = 1,
    MLS_CONTENT_PROPOSAL = 2,
    MLS_CONTENT_COMMIT = 3,
};

/* Section 6. */
enum mls_sender_type {
    MLS_SENDER_MEMBER = 1,
    MLS_SENDER_EXTERNAL = 2,
    MLS_SENDER_NEW_MEMBER_PROPOSAL = 3,
    MLS_SENDER_NEW_MEMBER_COMMIT = 4,
};

/* Section 7.2. */
enum mls_leaf_source {
    MLS_LEAF_KEY_PACKAGE = 1,
    MLS_LEAF_UPDATE = 2,
    MLS_LEAF_COMMIT = 3,
};

/* Section 7.8. */
enum mls_node_type {
    MLS_NODE_LEAF = 1,
    MLS_NODE_PARENT = 2,
};

/* Section 8.4. */
enum mls_psk_type {
    MLS_PSK_EXTERNAL = 1,
    MLS_PSK_RESUMPTION = 2,
};
enum mls_psk_usage {
    MLS_PSK_USAGE_APPLICATION = 1,
    MLS_PSK_USAGE_REINIT = 2,
    MLS_PSK_USAGE_BRANCH = 3,
};

/* Section 12.4. */
enum mls_proposal_or_ref_type {
    MLS_PROPOSAL_BY_VALUE = 1,
    MLS_PROPOSAL_BY_REFERENCE = 2,
};

#endif
