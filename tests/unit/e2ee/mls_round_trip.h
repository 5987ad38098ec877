/* Reads any MLS structure and writes it again: for the unit tests and the fuzz target of the parsers. */
#ifndef CONCLAVE_TESTS_MLS_ROUND_TRIP_H
#define CONCLAVE_TESTS_MLS_ROUND_TRIP_H

#include "base/assert.h"
#include "e2ee/mls_message.h"

enum mls_structure {
    MLS_STRUCTURE_MESSAGE,
    MLS_STRUCTURE_LEAF_NODE,
    MLS_STRUCTURE_KEY_PACKAGE,
    MLS_STRUCTURE_PSK_ID,
    MLS_STRUCTURE_PROPOSAL,
    MLS_STRUCTURE_UPDATE_PATH,
    MLS_STRUCTURE_COMMIT,
    MLS_STRUCTURE_GROUP_CONTEXT,
    MLS_STRUCTURE_GROUP_INFO,
    MLS_STRUCTURE_GROUP_SECRETS,
    MLS_STRUCTURE_AUTHENTICATED_CONTENT,
    MLS_STRUCTURE_RATCHET_TREE,
    MLS_STRUCTURE_REQUIRED_CAPABILITIES,
    MLS_STRUCTURE_EXTERNAL_PUB,
    MLS_STRUCTURE_EXTERNAL_SENDERS,
    MLS_STRUCTURE_COUNT
};

/* A span that a parser gave lies inside of its input. */
static inline void round_trip_inside(struct span part, struct span whole) {
    ASSERT(part.len == 0 || (part.data >= whole.data && part.data + part.len <= whole.data + whole.len));
}

/* Every list has as many entries as its count says, and the last one ends where the list does. */
#define ROUND_TRIP_WALK(list, whole, type, next)                                                                       \
    do {                                                                                                               \
        struct mls_reader it_ = mls_reader_of((list)->bytes);                                                          \
        type entry_;                                                                                                   \
        uint32_t count_ = 0;                                                                                           \
        while (next(&it_, &entry_))                                                                                    \
            count_++;                                                                                                  \
        ASSERT(count_ == (list)->count && mls_reader_end(&it_) == MLS_OK);                                             \
        round_trip_inside((list)->bytes, whole);                                                                       \
    } while (0)

static inline void round_trip_leaf(const struct mls_leaf_node *x, struct span whole) {
    round_trip_inside(x->encryption_key, whole);
    round_trip_inside(x->signature_key, whole);
    round_trip_inside(x->credential.identity, whole);
    round_trip_inside(x->capabilities.credentials, whole);
    round_trip_inside(x->parent_hash, whole);
    round_trip_inside(x->signature, whole);
    round_trip_inside(x->encoding, whole);
    ASSERT(x->tbs.data == x->encoding.data && x->tbs.len < x->encoding.len);
    ROUND_TRIP_WALK(&x->extensions, whole, struct mls_extension, mls_extensions_next);
    ROUND_TRIP_WALK(&x->credential.certificates, whole, struct span, mls_certificate_next);
}

static inline void round_trip_path(const struct mls_update_path *x, struct span whole) {
    round_trip_leaf(&x->leaf_node, whole);
    ROUND_TRIP_WALK(&x->nodes, whole, struct mls_update_path_node, mls_update_path_node_next);
    struct mls_reader it = mls_reader_of(x->nodes.bytes);
    struct mls_update_path_node node;
    while (mls_update_path_node_next(&it, &node))
        ROUND_TRIP_WALK(&node.encrypted_path_secret, whole, struct mls_hpke_ciphertext, mls_hpke_ciphertext_next);
}

static inline void round_trip_commit(const struct mls_commit *x, struct span whole) {
    ROUND_TRIP_WALK(&x->proposals, whole, struct mls_proposal_or_ref, mls_proposal_or_ref_next);
    if (x->has_path)
        round_trip_path(&x->path, whole);
}

static inline void round_trip_content(const struct mls_authenticated_content *x, struct span whole) {
    round_trip_inside(x->encoding, whole);
    ASSERT(x->content_bytes.data == x->encoding.data && x->confirmed_input.data == x->encoding.data);
    ASSERT(x->content_bytes.len < x->confirmed_input.len && x->confirmed_input.len <= x->encoding.len);
    ASSERT(x->auth.encoding.data == x->encoding.data + x->content_bytes.len);
    if (x->content.content_type == MLS_CONTENT_COMMIT)
        round_trip_commit(&x->content.commit, whole);
}

static inline enum mls_status round_trip_message(struct span in, struct mls_buf *out) {
    struct mls_message x;
    enum mls_status status = mls_message_parse(in, &x);
    if (status != MLS_OK)
        return status;
    if (x.wire_format == MLS_WIRE_PUBLIC_MESSAGE)
        round_trip_content(&x.public_message.authenticated, in);
    if (x.wire_format == MLS_WIRE_WELCOME)
        ROUND_TRIP_WALK(&x.welcome.secrets, in, struct mls_encrypted_group_secrets, mls_encrypted_group_secrets_next);
    if (x.wire_format == MLS_WIRE_KEY_PACKAGE)
        round_trip_leaf(&x.key_package.leaf_node, in);
    mls_message_write(out, &x);
    return MLS_OK;
}

static inline enum mls_status round_trip_tree(struct span in, struct mls_buf *out) {
    struct span nodes;
    enum mls_status status = mls_ratchet_tree_parse(in, &nodes);
    if (status != MLS_OK)
        return status;
    size_t begin = mls_wr_vec_begin(out);
    struct mls_reader r = mls_reader_of(nodes);
    while (mls_reader_left(&r) > 0) {
        struct mls_node node;
        mls_node_read(&r, &node);
        if (!mls_reader_ok(&r))
            return r.status;
        mls_node_write(out, &node);
    }
    mls_wr_vec_end(out, begin);
    return MLS_OK;
}

static inline enum mls_status round_trip_senders(struct span in, struct mls_buf *out) {
    struct mls_list x;
    enum mls_status status = mls_external_senders_parse(in, &x);
    if (status != MLS_OK)
        return status;
    ROUND_TRIP_WALK(&x, in, struct mls_external_sender, mls_external_senders_next);
    size_t begin = mls_wr_vec_begin(out);
    struct mls_reader it = mls_reader_of(x.bytes);
    struct mls_external_sender sender;
    while (mls_external_senders_next(&it, &sender))
        mls_external_senders_add(out, &sender);
    mls_wr_vec_end(out, begin);
    return MLS_OK;
}

#define ROUND_TRIP_CASE(structure, type, name, look)                                                                   \
    case structure: {                                                                                                  \
        type x;                                                                                                        \
        enum mls_status status = mls_##name##_parse(in, &x);                                                           \
        if (status == MLS_OK) {                                                                                        \
            look;                                                                                                      \
            mls_##name##_write(out, &x);                                                                               \
        }                                                                                                              \
        return status;                                                                                                 \
    }

/* Reads `in` and appends to `out` what the parsed structure writes. */
static inline enum mls_status round_trip(enum mls_structure structure, struct span in, struct mls_buf *out) {
    switch (structure) {
    case MLS_STRUCTURE_MESSAGE:
        return round_trip_message(in, out);
    case MLS_STRUCTURE_RATCHET_TREE:
        return round_trip_tree(in, out);
    case MLS_STRUCTURE_EXTERNAL_SENDERS:
        return round_trip_senders(in, out);
    case MLS_STRUCTURE_EXTERNAL_PUB: {
        struct span x;
        enum mls_status status = mls_external_pub_parse(in, &x);
        if (status == MLS_OK)
            mls_external_pub_write(out, x);
        return status;
    }
        ROUND_TRIP_CASE(MLS_STRUCTURE_LEAF_NODE, struct mls_leaf_node, leaf_node, round_trip_leaf(&x, in))
        ROUND_TRIP_CASE(MLS_STRUCTURE_KEY_PACKAGE, struct mls_key_package, key_package,
                        round_trip_leaf(&x.leaf_node, in))
        ROUND_TRIP_CASE(MLS_STRUCTURE_PSK_ID, struct mls_psk_id, psk_id, round_trip_inside(x.nonce, in))
        ROUND_TRIP_CASE(MLS_STRUCTURE_PROPOSAL, struct mls_proposal, proposal, round_trip_inside(x.encoding, in))
        ROUND_TRIP_CASE(MLS_STRUCTURE_UPDATE_PATH, struct mls_update_path, update_path, round_trip_path(&x, in))
        ROUND_TRIP_CASE(MLS_STRUCTURE_COMMIT, struct mls_commit, commit, round_trip_commit(&x, in))
        ROUND_TRIP_CASE(MLS_STRUCTURE_GROUP_CONTEXT, struct mls_group_context, group_context,
                        round_trip_inside(x.encoding, in))
        ROUND_TRIP_CASE(MLS_STRUCTURE_GROUP_INFO, struct mls_group_info, group_info, round_trip_inside(x.tbs, in))
        ROUND_TRIP_CASE(MLS_STRUCTURE_GROUP_SECRETS, struct mls_group_secrets, group_secrets,
                        ROUND_TRIP_WALK(&x.psks, in, struct mls_psk_id, mls_psk_id_next))
        ROUND_TRIP_CASE(MLS_STRUCTURE_AUTHENTICATED_CONTENT, struct mls_authenticated_content, authenticated_content,
                        round_trip_content(&x, in))
        ROUND_TRIP_CASE(MLS_STRUCTURE_REQUIRED_CAPABILITIES, struct mls_required_capabilities, required_capabilities,
                        round_trip_inside(x.credentials, in))
    case MLS_STRUCTURE_COUNT:
        break;
    }
    ASSERT(false); /* no such structure */
    return MLS_OK;
}

#endif
