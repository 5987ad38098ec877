/* Messages that we send: proposals of members and of outsiders, application data (RFC 9420 sections 6, 12.1, 15). */
#include "base/assert.h"
#include "e2ee/mls_group.h"

/* ---- framing ---- */

bool mls_frame_is_private(const struct mls_group *g, const struct mls_frame_options *frame) {
    ASSERT(frame == NULL || !(frame->as_public && frame->as_private));
    if (frame != NULL && frame->as_public)
        return false;
    return g->options.private_handshake || (frame != NULL && frame->as_private);
}

/* Zero bytes after the content and its authentication, so that both together fill a step. */
static size_t padding_of(const struct mls_group *g, const struct mls_draft *d) {
    size_t step = g->options.padding_step;
    size_t len = d->auth_end - d->header_end;
    return step < 2 ? 0 : (step - len % step) % step;
}

enum mls_status mls_frame_protect(struct mls_group *g, struct mls_draft *d, struct rng *rng, struct mls_buf *out) {
    struct mls_epoch *e = &g->epoch;
    if (d->wire_format == MLS_WIRE_PRIVATE_MESSAGE)
        return mls_private_protect(d, &e->messages, &e->secrets.sender_data, padding_of(g, d), rng, out);
    const struct secret *membership_key = d->sender.type == MLS_SENDER_MEMBER ? &e->secrets.membership_key : NULL;
    enum mls_status status = mls_public_protect(d, &g->crypto, mls_bytes_span(&e->context), membership_key);
    if (status != MLS_OK)
        return status;
    mls_wr_span(out, mls_buf_span(&d->bytes));
    return out->status;
}

enum mls_status mls_message_hash(const struct mls_crypto *c, const struct mls_buf *out, size_t start,
                                 struct mls_hash *hash) {
    struct span all = mls_buf_span(out);
    struct span message = span_of(all.data + start, all.len - start);
    return mls_hash_parts(c, &message, 1, hash);
}

/* ---- proposals ---- */

/* The message and the stored copy of an own proposal. `extra`: secrets of an Update, moved into it. */
static enum mls_status send_proposal(struct mls_group *g, struct span proposal, const struct mls_frame_options *frame,
                                     const struct secret *encryption_key, const struct secret *signature_key,
                                     struct rng *rng, struct mls_buf *message) {
    struct mls_draft_header header = {
        .wire_format = mls_frame_is_private(g, frame) ? MLS_WIRE_PRIVATE_MESSAGE : MLS_WIRE_PUBLIC_MESSAGE,
        .group_id = mls_group_id(g),
        .epoch = mls_group_epoch(g),
        .sender = {.type = MLS_SENDER_MEMBER, .index = g->own_leaf},
        .authenticated_data = frame == NULL ? span_of(NULL, 0) : frame->authenticated_data,
        .content_type = MLS_CONTENT_PROPOSAL,
    };
    if (header.authenticated_data.len > MLS_AUTHENTICATED_DATA_LEN_MAX)
        return MLS_TOO_LARGE;
    enum mls_status status = mls_group_store_reserve(g);
    if (status != MLS_OK)
        return status;
    size_t start = mls_buf_len(message);
    struct mls_stored *stored = NULL;
    struct mls_draft d;
    mls_draft_begin(&d, &header);
    mls_wr_span(&d.bytes, proposal);
    status = mls_draft_sign(&d, &g->crypto, mls_bytes_span(&g->epoch.context), &g->signature_key);
    if (status == MLS_OK)
        status = mls_stored_make(&g->crypto, mls_draft_authenticated(&d), &stored);
    if (status == MLS_OK)
        status = mls_frame_protect(g, &d, rng, message);
    if (status == MLS_OK)
        status = mls_message_hash(&g->crypto, message, start, &stored->message_hash);
    mls_draft_free(&d);
    status = mls_output_end(message, start, status);
    if (status != MLS_OK || stored == NULL) {
        mls_stored_free(stored);
        return status;
    }
    stored->own = true;
    if (encryption_key != NULL)
        stored->encryption_key = *encryption_key;
    if (signature_key != NULL)
        stored->signature_key = *signature_key;
    mls_group_store(g, stored);
    return MLS_OK;
}

enum mls_status mls_propose(struct mls_group *group, struct span proposal, const struct mls_frame_options *options,
                            uint64_t unix_s, struct rng *rng, struct mls_buf *message) {
    enum mls_status status = mls_group_ready(group);
    struct mls_proposal p;
    if (status == MLS_OK)
        status = mls_proposal_parse(proposal, &p);
    if (status != MLS_OK)
        return status;
    if (p.type == MLS_PROPOSAL_UPDATE)
        return MLS_SENDER_PROPOSAL_MISMATCH; /* mls_propose_update keeps the private key that it needs */
    struct mls_sender self = {.type = MLS_SENDER_MEMBER, .index = group->own_leaf};
    status = mls_proposal_check(group, &p, self, unix_s);
    if (status != MLS_OK)
        return status;
    return send_proposal(group, proposal, options, NULL, NULL, rng, message);
}

enum mls_status mls_propose_update(struct mls_group *group, const struct mls_identity *identity,
                                   const struct mls_frame_options *options, uint64_t unix_s, struct rng *rng,
                                   struct mls_buf *message) {
    (void)unix_s; /* an Update has no lifetime */
    enum mls_status status = mls_group_ready(group);
    if (status != MLS_OK)
        return status;
    struct mls_own_leaf work;
    uint8_t public_key[KEM_PUBLIC_LEN_MAX];
    struct secret private_key = {0};
    struct mls_buf proposal;
    mls_buf_init(&proposal, MLS_MESSAGE_LEN_MAX);
    status = mls_own_leaf_begin(group, group->own_leaf, identity, rng, &work);
    if (status == MLS_OK)
        status = mls_kem_generate(&group->crypto, rng, &private_key, public_key);
    if (status == MLS_OK) {
        work.leaf.encryption_key = span_of(public_key, mls_public_key_len(&group->crypto));
        work.leaf.source = MLS_LEAF_UPDATE;
        mls_wr_u16(&proposal, MLS_PROPOSAL_UPDATE);
        status = mls_leaf_node_sign(&group->crypto, &work.leaf, mls_group_id(group), group->own_leaf,
                                    work.signature_key, &proposal);
    }
    struct mls_proposal p;
    struct mls_sender self = {.type = MLS_SENDER_MEMBER, .index = group->own_leaf};
    if (status == MLS_OK)
        status = proposal.status;
    if (status == MLS_OK)
        status = mls_proposal_parse(mls_buf_span(&proposal), &p);
    if (status == MLS_OK)
        status = mls_proposal_check(group, &p, self, 0);
    if (status == MLS_OK)
        status = send_proposal(group, mls_buf_span(&proposal), options, &private_key,
                               identity == NULL ? NULL : identity->signature_key, rng, message);
    secret_wipe(&private_key);
    mls_buf_free(&proposal);
    mls_own_leaf_end(&work);
    return status;
}

/* A PublicMessage of somebody outside of the group. */
static enum mls_status send_from_outside(const struct mls_crypto *c, const struct mls_draft_header *header,
                                         struct span proposal, const struct secret *signature_key,
                                         struct mls_buf *message) {
    if (header->authenticated_data.len > MLS_AUTHENTICATED_DATA_LEN_MAX)
        return MLS_TOO_LARGE;
    if (header->group_id.len > MLS_GROUP_ID_LEN_MAX)
        return MLS_FIELD_TOO_LONG;
    size_t start = mls_buf_len(message);
    struct mls_draft d;
    mls_draft_begin(&d, header);
    mls_wr_span(&d.bytes, proposal);
    enum mls_status status = mls_draft_sign(&d, c, span_of(NULL, 0), signature_key);
    if (status == MLS_OK)
        status = mls_public_protect(&d, c, span_of(NULL, 0), NULL);
    if (status == MLS_OK)
        mls_wr_span(message, mls_buf_span(&d.bytes));
    mls_draft_free(&d);
    return mls_output_end(message, start, status);
}

enum mls_status mls_external_propose(const struct crypto_backend *crypto, uint16_t suite, struct span group_id,
                                     uint64_t epoch, uint32_t sender_index, const struct secret *signature_key,
                                     struct span proposal, struct span authenticated_data, struct mls_buf *message) {
    struct mls_crypto c;
    struct mls_proposal p;
    enum mls_status status = mls_crypto_of(crypto, suite, &c);
    if (status == MLS_OK)
        status = mls_proposal_parse(proposal, &p);
    if (status == MLS_OK && !mls_proposal_may_be_external(p.type))
        status = MLS_SENDER_PROPOSAL_MISMATCH;
    if (status == MLS_OK && signature_key->len != sign_private_len(c.suite->sign))
        status = MLS_SIGNATURE_KEY_INVALID;
    if (status != MLS_OK)
        return status;
    struct mls_draft_header header = {
        .wire_format = MLS_WIRE_PUBLIC_MESSAGE,
        .group_id = group_id,
        .epoch = epoch,
        .sender = {.type = MLS_SENDER_EXTERNAL, .index = sender_index},
        .authenticated_data = authenticated_data,
        .content_type = MLS_CONTENT_PROPOSAL,
    };
    return send_from_outside(&c, &header, proposal, signature_key, message);
}

enum mls_status mls_new_member_propose(struct mls_client *client, struct span key_package_ref, struct span group_id,
                                       uint64_t epoch, struct span authenticated_data, struct mls_buf *message) {
    const struct mls_package *package = mls_client_package(client, key_package_ref);
    if (package == NULL)
        return MLS_KEY_PACKAGE_UNKNOWN;
    struct mls_buf proposal;
    mls_buf_init(&proposal, MLS_MESSAGE_LEN_MAX);
    enum mls_status status = mls_propose_write_add(mls_bytes_span(&package->bytes), &proposal);
    struct mls_draft_header header = {
        .wire_format = MLS_WIRE_PUBLIC_MESSAGE,
        .group_id = group_id,
        .epoch = epoch,
        .sender = {.type = MLS_SENDER_NEW_MEMBER_PROPOSAL},
        .authenticated_data = authenticated_data,
        .content_type = MLS_CONTENT_PROPOSAL,
    };
    if (status == MLS_OK)
        status =
            send_from_outside(&package->crypto, &header, mls_buf_span(&proposal), &package->signature_key, message);
    mls_buf_free(&proposal);
    return status;
}

/* ---- application data ---- */

static bool proposals_open(const struct mls_group *g) {
    for (uint32_t i = 0; i < g->stored_count; i++) {
        if (!g->stored[i]->forgotten)
            return true;
    }
    return false;
}

enum mls_status mls_protect(struct mls_group *group, struct span application_data, struct span authenticated_data,
                            struct rng *rng, struct mls_buf *message) {
    enum mls_status status = mls_group_ready(group);
    if (status != MLS_OK)
        return status;
    if (!group->options.send_with_proposals_open && proposals_open(group))
        return MLS_PROPOSALS_OPEN;
    if (authenticated_data.len > MLS_AUTHENTICATED_DATA_LEN_MAX)
        return MLS_TOO_LARGE;
    struct mls_draft_header header = {
        .wire_format = MLS_WIRE_PRIVATE_MESSAGE,
        .group_id = mls_group_id(group),
        .epoch = mls_group_epoch(group),
        .sender = {.type = MLS_SENDER_MEMBER, .index = group->own_leaf},
        .authenticated_data = authenticated_data,
        .content_type = MLS_CONTENT_APPLICATION,
    };
    size_t start = mls_buf_len(message);
    struct mls_draft d;
    mls_draft_begin(&d, &header);
    mls_wr_vec(&d.bytes, application_data);
    status = mls_draft_sign(&d, &group->crypto, mls_bytes_span(&group->epoch.context), &group->signature_key);
    if (status == MLS_OK)
        status = mls_frame_protect(group, &d, rng, message);
    mls_draft_free(&d);
    return mls_output_end(message, start, status);
}

/* ---- routing ---- */

enum mls_status mls_message_peek(struct span message, struct mls_message_info *info) {
    struct mls_message m;
    enum mls_status status = mls_message_parse(message, &m);
    if (status != MLS_OK)
        return status;
    *info = (struct mls_message_info){.wire_format = (enum mls_wire_format)m.wire_format};
    switch (info->wire_format) {
    case MLS_WIRE_PUBLIC_MESSAGE: {
        const struct mls_framed_content *content = &m.public_message.authenticated.content;
        info->group_id = content->group_id;
        info->epoch = content->epoch;
        info->content_type = (enum mls_content_type)content->content_type;
        info->sender_type = (enum mls_sender_type)content->sender.type;
        info->sender = content->sender.index;
        break;
    }
    case MLS_WIRE_PRIVATE_MESSAGE:
        info->group_id = m.private_message.group_id;
        info->epoch = m.private_message.epoch;
        info->content_type = (enum mls_content_type)m.private_message.content_type;
        break;
    case MLS_WIRE_GROUP_INFO:
        info->group_id = m.group_info.group_context.group_id;
        info->epoch = m.group_info.group_context.epoch;
        break;
    case MLS_WIRE_WELCOME:
    case MLS_WIRE_KEY_PACKAGE:
        break;
    }
    return MLS_OK;
}
