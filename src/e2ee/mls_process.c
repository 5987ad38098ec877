/* Messages that we receive (RFC 9420 sections 6, 12.1, 12.4.2, 15.3). */
#include <string.h>

#include "base/assert.h"
#include "e2ee/mls_group.h"

/* ---- commits ---- */

/* What section 12.4.2 and 7.3 say about the path's leaf before the tree changes. `old`: the leaf that it replaces. */
static enum mls_status check_path_leaf(const struct mls_group *g, const struct mls_change *c,
                                       const struct mls_leaf_node *old) {
    const struct mls_leaf_node *leaf = &c->parsed.content.commit.path.leaf_node;
    enum mls_status status = mls_leaf_node_check(&g->crypto, leaf, MLS_LEAF_COMMIT);
    if (status != MLS_OK || old == NULL)
        return status;
    if (span_equal(leaf->encryption_key, old->encryption_key))
        return MLS_ENCRYPTION_KEY_NOT_FRESH;
    bool external = c->parsed.content.sender.type != MLS_SENDER_MEMBER;
    if (external && !g->options.resync_any_key && !span_equal(leaf->signature_key, old->signature_key))
        return MLS_RESYNC_KEY_CHANGED;
    return MLS_OK;
}

/* The leaf that the committer leaves behind: its own, or the one that a resync removes; NULL when there is none. */
static const struct mls_leaf_node *former_leaf(const struct mls_group *g, const struct mls_change *c) {
    const struct mls_sender *sender = &c->parsed.content.sender;
    if (sender->type == MLS_SENDER_MEMBER)
        return tree_leaf(g->tree, sender->index);
    for (uint32_t i = 0; i < c->proposals.count; i++) {
        if (c->proposals.entries[i].proposal->type == MLS_PROPOSAL_REMOVE)
            return tree_leaf(g->tree, c->proposals.entries[i].proposal->removed);
    }
    return NULL;
}

static enum mls_status check_policy(const struct mls_group *g, const struct mls_change *c) {
    const struct mls_commit *commit = &c->parsed.content.commit;
    if (c->parsed.content.sender.type == MLS_SENDER_MEMBER)
        return c->proposals.needs_path && !commit->has_path ? MLS_PATH_MISSING : MLS_OK;
    if (!commit->has_path)
        return MLS_EXTERNAL_COMMIT_PATH_MISSING;
    if (g->options.no_external_commits || (g->options.no_resync && c->proposals.removes > 0))
        return MLS_EXTERNAL_COMMIT_REFUSED;
    return MLS_OK;
}

static bool removes_leaf(const struct mls_proposals *list, uint32_t leaf) {
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->entries[i].proposal->type == MLS_PROPOSAL_REMOVE && list->entries[i].proposal->removed == leaf)
            return true;
    }
    return false;
}

/* Puts the path into the tree, whose change is open and has the proposals. */
static enum mls_status merge_path(struct mls_group *g, struct mls_change *c, const struct mls_list *extensions) {
    const struct mls_update_path *path = &c->parsed.content.commit.path;
    enum mls_status status = MLS_OK;
    if (c->parsed.content.sender.type != MLS_SENDER_MEMBER)
        status = tree_reserve(g->tree, &c->committer);
    if (status == MLS_OK)
        status = mls_leaf_node_verify(&g->crypto, &path->leaf_node, mls_group_id(g), c->committer);
    if (status == MLS_OK)
        status = mls_leaf_node_check_group(&path->leaf_node, extensions);
    if (status == MLS_OK)
        status = tree_path_merge(g->tree, c->committer, path);
    return status != MLS_OK ? status : tree_check(g->tree);
}

/* commit_secret (section 12.4.2): out of the path under the provisional context, or zeros. */
static enum mls_status open_path(struct mls_group *g, const struct mls_change *c, const struct mls_list *extensions,
                                 struct span tree_hash_span, struct secret *commit_secret) {
    if (!c->parsed.content.commit.has_path) {
        mls_zero_secret(&g->crypto, commit_secret);
        return MLS_OK;
    }
    struct mls_bytes provisional = {0};
    enum mls_status status =
        mls_context_next(g, tree_hash_span, g->epoch.parsed.confirmed_transcript_hash, extensions, &provisional);
    if (status == MLS_OK)
        status = tree_path_open(g->tree, c->committer, &c->parsed.content.commit.path, mls_bytes_span(&provisional),
                                NULL, commit_secret);
    mls_bytes_free(&provisional);
    return status;
}

static enum mls_status init_secret_of(const struct mls_group *g, const struct mls_change *c, struct secret *init) {
    const struct mls_entry *external = c->proposals.external_init;
    if (external != NULL)
        return mls_external_init_receive(&g->crypto, &g->epoch.secrets.external, external->proposal->kem_output, init);
    *init = g->epoch.secrets.init;
    return MLS_OK;
}

/* The new epoch's secrets, checked against the confirmation tag. */
static enum mls_status derive_epoch(struct mls_group *g, struct mls_change *c, const struct mls_list *extensions) {
    uint8_t tree_hash_bytes[HASH_LEN_MAX] = {0};
    struct span tree_hash_span = span_of(tree_hash_bytes, g->crypto.suite->hash_len);
    struct secret commit = {0}, init = {0}, psk = {0}, joiner = {0}, member = {0};
    enum mls_status status = tree_hash(g->tree, tree_hash_bytes);
    if (status == MLS_OK)
        status = open_path(g, c, extensions, tree_hash_span, &commit);
    if (status == MLS_OK)
        status = init_secret_of(g, c, &init);
    if (status == MLS_OK)
        status = mls_proposals_psk_secret(g, &c->proposals, &psk);
    if (status == MLS_OK) {
        struct mls_schedule_inputs in = {.init_secret = &init,
                                         .commit_secret = &commit,
                                         .psk_secret = &psk,
                                         .confirmed_input = c->parsed.confirmed_input,
                                         .tree_hash = tree_hash_span,
                                         .extensions = extensions};
        status = mls_change_schedule(g, c, &in, &joiner, &member);
    }
    struct span tag = c->parsed.auth.confirmation_tag;
    if (status == MLS_OK)
        status = mls_confirmation_tag_check(&g->crypto, &c->epoch.secrets.confirmation_key,
                                            c->epoch.parsed.confirmed_transcript_hash, tag);
    if (status == MLS_OK)
        status = mls_change_finish(g, c, tag);
    secret_wipe(&commit);
    secret_wipe(&init);
    secret_wipe(&psk);
    secret_wipe(&joiner);
    secret_wipe(&member);
    return status;
}

/* What our own committed Update and a ReInit leave behind. */
static enum mls_status note_effects(const struct mls_group *g, struct mls_change *c) {
    for (uint32_t i = 0; i < c->proposals.count; i++) {
        const struct mls_entry *e = &c->proposals.entries[i];
        if (e->proposal->type == MLS_PROPOSAL_UPDATE && e->sender.index == g->own_leaf)
            c->signature_key = e->stored->signature_key;
    }
    return c->proposals.reinit == NULL ? MLS_OK : mls_bytes_copy(c->proposals.reinit->proposal->encoding, &c->reinit);
}

/* Everything that happens with the tree's change open; the caller rolls back on failure. */
static enum mls_status change_tree(struct mls_group *g, struct mls_change *c) {
    struct mls_list extensions;
    bool removes_us = removes_leaf(&c->proposals, g->own_leaf);
    enum mls_status status = mls_proposals_apply(g, &c->proposals, &extensions);
    if (status == MLS_OK && c->parsed.content.commit.has_path)
        status = merge_path(g, c, &extensions);
    if (status != MLS_OK)
        return status;
    return removes_us ? mls_change_finish_removed(g, c) : derive_epoch(g, c, &extensions);
}

static enum mls_status fill_change(struct mls_group *g, struct mls_change *c, struct span authenticated_content,
                                   uint64_t unix_s) {
    enum mls_status status = mls_bytes_copy(authenticated_content, &c->content);
    if (status == MLS_OK)
        status = mls_authenticated_content_parse(mls_bytes_span(&c->content), &c->parsed);
    if (status != MLS_OK)
        return status;
    const struct mls_framed_content *content = &c->parsed.content;
    c->committer = content->sender.index;
    struct mls_proposals_context x = {.committer = content->sender, .unix_s = unix_s};
    status = mls_proposals_of_commit(g, &content->commit, content->sender, &c->proposals);
    if (status == MLS_OK)
        status = mls_proposals_check(g, &c->proposals, &x);
    if (status == MLS_OK)
        status = check_policy(g, c);
    if (status == MLS_OK && content->commit.has_path)
        status = check_path_leaf(g, c, former_leaf(g, c));
    if (status == MLS_OK)
        status = note_effects(g, c);
    if (status == MLS_OK)
        status = tree_begin(g->tree);
    if (status != MLS_OK)
        return status;
    status = change_tree(g, c);
    if (tree_is_open(g->tree))
        tree_rollback(g->tree);
    return status;
}

enum mls_status mls_group_stage(struct mls_group *g, struct span authenticated_content, uint64_t unix_s) {
    struct mls_change *c = mls_alloc(sizeof *c);
    if (c == NULL)
        return MLS_NO_MEMORY;
    enum mls_status status = fill_change(g, c, authenticated_content, unix_s);
    if (status != MLS_OK) {
        mls_change_free(c);
        return status;
    }
    g->staged = c;
    return MLS_OK;
}

/* ---- proposals ---- */

/* Own messages come back from a delivery service that sends to everybody. */
static const struct mls_stored *own_proposal(const struct mls_group *g, struct span message) {
    struct mls_hash hash;
    bool hashed = false;
    for (uint32_t i = 0; i < g->stored_count; i++) {
        const struct mls_stored *s = g->stored[i];
        if (!s->own || s->forgotten)
            continue;
        if (!hashed && mls_hash_parts(&g->crypto, &message, 1, &hash) != MLS_OK)
            return NULL;
        hashed = true;
        if (mls_hash_equal(&hash, mls_hash_span(&s->message_hash)))
            return s;
    }
    return NULL;
}

static enum mls_status take_proposal(struct mls_group *g, struct span authenticated_content, uint64_t unix_s,
                                     struct mls_received *out) {
    struct mls_stored *s;
    enum mls_status status = mls_stored_make(&g->crypto, authenticated_content, &s);
    if (status != MLS_OK)
        return status;
    const struct mls_stored *known = mls_group_stored(g, mls_hash_span(&s->ref));
    if (known == NULL) {
        const struct mls_framed_content *content = &s->parsed.content;
        status = mls_proposal_check(g, &content->proposal, content->sender, unix_s);
        if (status == MLS_OK)
            status = mls_group_store_reserve(g);
        if (status == MLS_OK)
            mls_group_store(g, s);
        known = s;
    }
    if (known != s || status != MLS_OK)
        mls_stored_free(s);
    if (status != MLS_OK)
        return status;
    out->kind = MLS_RECEIVED_PROPOSAL;
    out->proposal_ref = mls_hash_span(&known->ref);
    out->authenticated_data = known->parsed.content.authenticated_data;
    return MLS_OK;
}

/* ---- any content, authentic ---- */

static enum mls_status take_handshake(struct mls_group *g, const struct mls_authenticated_content *ac, uint64_t unix_s,
                                      struct mls_received *out) {
    if (ac->content.content_type == MLS_CONTENT_PROPOSAL)
        return take_proposal(g, ac->encoding, unix_s, out);
    enum mls_status status = mls_group_stage(g, ac->encoding, unix_s);
    if (status != MLS_OK)
        return status;
    out->kind = MLS_RECEIVED_COMMIT;
    out->authenticated_data = g->staged->parsed.content.authenticated_data;
    if (out->sender_type == MLS_SENDER_NEW_MEMBER_COMMIT)
        out->sender = g->staged->committer;
    return MLS_OK;
}

/* Before anything is computed: may a handshake message of this epoch be taken now? */
static enum mls_status handshake_ready(const struct mls_group *g, uint64_t epoch, uint8_t content_type) {
    if (epoch != mls_group_epoch(g))
        return epoch < mls_group_epoch(g) ? MLS_EPOCH_OVER : MLS_EPOCH_AHEAD;
    enum mls_status status = mls_group_ready(g);
    if (status == MLS_OK && content_type == MLS_CONTENT_COMMIT && g->staged != NULL)
        status = MLS_COMMIT_STAGED;
    return status;
}

/* ---- PublicMessage ---- */

/* The key of an external sender (section 12.1.8.1), if the group lets that one propose this. */
static enum mls_status external_key(const struct mls_group *g, const struct mls_framed_content *content,
                                    struct span *key) {
    uint16_t type = content->proposal.type;
    uint32_t allowed = g->options.external_proposals;
    if (allowed != 0 && (type > 30 || (allowed & MLS_EXTERNAL_ONLY(type)) == 0))
        return MLS_EXTERNAL_PROPOSAL_REFUSED;
    struct span data;
    struct mls_list senders;
    if (!mls_group_extension(g, MLS_EXTENSION_EXTERNAL_SENDERS, &data) ||
        mls_external_senders_parse(data, &senders) != MLS_OK)
        return MLS_SENDER_EXTERNAL_UNKNOWN;
    struct mls_reader it = mls_reader_of(senders.bytes);
    struct mls_external_sender sender;
    for (uint32_t i = 0; mls_external_senders_next(&it, &sender); i++) {
        if (i == content->sender.index) {
            *key = sender.signature_key;
            return MLS_OK;
        }
    }
    return MLS_SENDER_EXTERNAL_UNKNOWN;
}

static enum mls_status public_key_of(const struct mls_group *g, const struct mls_framed_content *content,
                                     struct span *key) {
    switch (content->sender.type) {
    case MLS_SENDER_MEMBER:
        *key = mls_group_sender_key(g, MLS_PRESENT, content->sender.index);
        return key->len == 0 ? MLS_SENDER_NOT_MEMBER : MLS_OK;
    case MLS_SENDER_EXTERNAL:
        return external_key(g, content, key);
    case MLS_SENDER_NEW_MEMBER_PROPOSAL:
        if (g->options.no_new_member_proposals)
            return MLS_NEW_MEMBER_PROPOSAL_REFUSED;
        *key = content->proposal.add.leaf_node.signature_key;
        return MLS_OK;
    default:
        if (!content->commit.has_path)
            return MLS_EXTERNAL_COMMIT_PATH_MISSING;
        if (g->options.no_external_commits)
            return MLS_EXTERNAL_COMMIT_REFUSED;
        *key = content->commit.path.leaf_node.signature_key;
        return MLS_OK;
    }
}

static enum mls_status process_public(struct mls_group *g, const struct mls_public_message *m, uint64_t unix_s,
                                      struct mls_received *out) {
    const struct mls_authenticated_content *ac = &m->authenticated;
    const struct mls_framed_content *content = &ac->content;
    if (!span_equal(content->group_id, mls_group_id(g)))
        return MLS_WRONG_GROUP;
    enum mls_status status = mls_content_check_sender(ac);
    if (status == MLS_OK)
        status = handshake_ready(g, content->epoch, content->content_type);
    if (status != MLS_OK)
        return status;
    struct span context = mls_bytes_span(&g->epoch.context);
    struct span key;
    out->sender_type = (enum mls_sender_type)content->sender.type;
    out->sender = content->sender.index;
    /* the cheap check first */
    if (content->sender.type == MLS_SENDER_MEMBER)
        status = mls_public_check_membership(&g->crypto, m, context, &g->epoch.secrets.membership_key);
    if (status == MLS_OK)
        status = public_key_of(g, content, &key);
    if (status == MLS_OK)
        status = mls_content_verify(&g->crypto, ac, context, key);
    if (status == MLS_OK && content->sender.type == MLS_SENDER_MEMBER && content->sender.index == g->own_leaf)
        status = MLS_SENDER_SELF; /* and it is none of those that we know to have sent */
    return status != MLS_OK ? status : take_handshake(g, ac, unix_s, out);
}

/* ---- PrivateMessage ---- */

/* Where the keys of an epoch are. */
struct epoch_keys {
    uint32_t past_index; /* MLS_PRESENT */
    struct span context;
    const struct secret *sender_data;
    struct mls_secret_tree *messages;
};

static enum mls_status find_epoch(struct mls_group *g, uint64_t epoch, struct epoch_keys *out) {
    if (epoch == mls_group_epoch(g) && g->state != MLS_STATE_REMOVED) {
        *out = (struct epoch_keys){.past_index = MLS_PRESENT,
                                   .context = mls_bytes_span(&g->epoch.context),
                                   .sender_data = &g->epoch.secrets.sender_data,
                                   .messages = &g->epoch.messages};
        return MLS_OK;
    }
    for (uint32_t i = 0; i < g->past_count; i++) {
        struct mls_past *past = g->past[i];
        /* the epoch that a removal ended has its context with the group still */
        bool last = past->context.len == 0;
        if ((last ? mls_group_epoch(g) : past->parsed.epoch) != epoch)
            continue;
        *out = (struct epoch_keys){.past_index = i,
                                   .context = mls_bytes_span(last ? &g->epoch.context : &past->context),
                                   .sender_data = &past->sender_data,
                                   .messages = &past->messages};
        return MLS_OK;
    }
    if (epoch > mls_group_epoch(g))
        return MLS_EPOCH_AHEAD;
    return g->state == MLS_STATE_REMOVED && epoch == mls_group_epoch(g) ? MLS_GROUP_LEFT : MLS_EPOCH_FORGOTTEN;
}

static enum mls_status process_private(struct mls_group *g, const struct mls_private_message *m, uint64_t unix_s,
                                       struct mls_received *out) {
    if (!span_equal(m->group_id, mls_group_id(g)))
        return MLS_WRONG_GROUP;
    enum mls_status status = MLS_OK;
    if (m->content_type != MLS_CONTENT_APPLICATION)
        status = handshake_ready(g, m->epoch, m->content_type);
    struct epoch_keys keys = {0};
    if (status == MLS_OK)
        status = find_epoch(g, m->epoch, &keys);
    struct mls_sender_data sender;
    if (status == MLS_OK)
        status = mls_private_sender(&g->crypto, m, keys.sender_data, &sender);
    if (status != MLS_OK)
        return status;
    if (keys.past_index == MLS_PRESENT && sender.leaf == g->own_leaf)
        return MLS_SENDER_SELF;
    struct span key = mls_group_sender_key(g, keys.past_index, sender.leaf);
    if (key.len == 0)
        return MLS_SENDER_NOT_MEMBER;
    struct mls_authenticated_content ac;
    struct mls_message_key message_key;
    status = mls_private_open(keys.messages, m, &sender, keys.context, key, &g->received, &ac, &message_key);
    if (status != MLS_OK)
        return status;
    out->was_private = true;
    out->sender_type = MLS_SENDER_MEMBER;
    out->sender = sender.leaf;
    if (m->content_type == MLS_CONTENT_APPLICATION) {
        out->kind = MLS_RECEIVED_APPLICATION;
        out->authenticated_data = ac.content.authenticated_data;
        out->application_data = ac.content.application_data;
    } else {
        status = take_handshake(g, &ac, unix_s, out);
        mls_buf_clear(&g->received);
    }
    /* authentic, so the key is used up (section 9.2), whatever came out; but for want of memory it may be tried again
     */
    if (status != MLS_NO_MEMORY)
        mls_secret_tree_consume(keys.messages, &message_key);
    mls_message_key_wipe(keys.messages, &message_key);
    return status;
}

/* ---- any message ---- */

enum mls_status mls_process(struct mls_group *group, struct span message, uint64_t unix_s,
                            struct mls_received *received) {
    mls_buf_clear(&group->received);
    if (group->state == MLS_STATE_BROKEN || group->state == MLS_STATE_JOINING)
        return mls_group_ready(group);
    struct mls_message m;
    enum mls_status status = mls_message_parse(message, &m);
    if (status != MLS_OK)
        return status;
    struct mls_received out = {.epoch = mls_group_epoch(group), .sender_type = MLS_SENDER_MEMBER};
    struct mls_hash hash;
    const struct mls_stored *own = own_proposal(group, message);
    if (group->pending != NULL) {
        status = mls_hash_parts(&group->crypto, &message, 1, &hash);
        if (status != MLS_OK)
            return status;
    }
    if (group->pending != NULL && mls_hash_equal(&hash, mls_hash_span(&group->pending->message_hash))) {
        out.kind = MLS_RECEIVED_OWN_COMMIT;
        out.sender = group->own_leaf;
    } else if (own != NULL) {
        out.kind = MLS_RECEIVED_OWN_PROPOSAL;
        out.sender = group->own_leaf;
        out.proposal_ref = mls_hash_span(&own->ref);
        out.authenticated_data = own->parsed.content.authenticated_data;
    } else if (m.wire_format == MLS_WIRE_PUBLIC_MESSAGE) {
        status = process_public(group, &m.public_message, unix_s, &out);
    } else if (m.wire_format == MLS_WIRE_PRIVATE_MESSAGE) {
        out.epoch = m.private_message.epoch;
        status = process_private(group, &m.private_message, unix_s, &out);
    } else {
        status = MLS_WIRE_FORMAT_REFUSED;
    }
    if (status == MLS_OK)
        *received = out;
    else
        mls_buf_clear(&group->received);
    return status;
}
