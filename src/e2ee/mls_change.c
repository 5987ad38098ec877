/* From one epoch to the next: the key schedule's step, and entering what it made (RFC 9420 sections 8, 9.2, 12.4). */
#include <string.h>

#include "base/assert.h"
#include "e2ee/mls_group.h"

void mls_change_free(struct mls_change *c) {
    if (c == NULL)
        return;
    tree_change_free(c->tree);
    mls_epoch_free(&c->epoch);
    mls_past_free(c->past);
    mls_proposals_free(&c->proposals);
    mls_bytes_free(&c->content);
    mls_bytes_free(&c->reinit);
    mls_free(c, sizeof *c);
}

enum mls_status mls_context_next(const struct mls_group *g, struct span tree_hash, struct span confirmed,
                                 const struct mls_list *extensions, struct mls_bytes *out) {
    struct mls_group_context context = g->epoch.parsed;
    if (context.epoch == UINT64_MAX)
        return MLS_EPOCH_EXHAUSTED;
    context.epoch++;
    context.tree_hash = tree_hash;
    context.confirmed_transcript_hash = confirmed;
    context.extensions = *extensions;
    struct mls_buf bytes;
    mls_buf_init(&bytes, MLS_MESSAGE_LEN_MAX);
    mls_group_context_write(&bytes, &context);
    enum mls_status status = bytes.status;
    if (status == MLS_OK)
        status = mls_bytes_copy(mls_buf_span(&bytes), out);
    mls_buf_free(&bytes);
    return status;
}

enum mls_status mls_change_schedule(const struct mls_group *g, struct mls_change *c,
                                    const struct mls_schedule_inputs *in, struct secret *joiner,
                                    struct secret *member) {
    struct mls_hash confirmed;
    struct mls_epoch *e = &c->epoch;
    enum mls_status status =
        mls_confirmed_transcript_hash(&g->crypto, mls_hash_span(&g->epoch.interim), in->confirmed_input, &confirmed);
    if (status == MLS_OK)
        status = mls_context_next(g, in->tree_hash, mls_hash_span(&confirmed), in->extensions, &e->context);
    if (status == MLS_OK)
        status = mls_group_context_parse(mls_bytes_span(&e->context), &e->parsed);
    struct span context = mls_bytes_span(&e->context);
    if (status == MLS_OK)
        status = mls_joiner_secret(&g->crypto, in->init_secret, in->commit_secret, context, joiner);
    if (status == MLS_OK)
        status = mls_member_secret(&g->crypto, joiner, in->psk_secret, member);
    if (status == MLS_OK)
        status = mls_epoch_derive(&g->crypto, member, context, &e->secrets);
    if (status != MLS_OK) {
        secret_wipe(joiner);
        secret_wipe(member);
    }
    return status;
}

/* ---- what stays of the epoch that ends ---- */

static struct span key_of(const struct mls_leaf_node *leaf) {
    return leaf == NULL ? span_of(NULL, 0) : leaf->signature_key;
}

enum mls_status mls_past_alloc(struct mls_past *past, uint32_t count, size_t key_bytes) {
    if (count > 0) {
        past->changed = mls_alloc(count * sizeof *past->changed);
        if (past->changed == NULL)
            return MLS_NO_MEMORY;
        past->changed_room = count;
    }
    if (key_bytes > 0) {
        past->keys.data = mls_alloc(key_bytes);
        if (past->keys.data == NULL)
            return MLS_NO_MEMORY;
        past->keys.len = key_bytes;
    }
    return MLS_OK;
}

void mls_past_put(struct mls_past *past, uint32_t leaf, struct span key, size_t *used) {
    ASSERT(past->changed_count < past->changed_room && *used + key.len <= past->keys.len);
    struct mls_past_key *place = &past->changed[past->changed_count++];
    *place = (struct mls_past_key){.leaf = leaf};
    if (key.len > 0) {
        memcpy(past->keys.data + *used, key.data, key.len);
        place->key = span_of(past->keys.data + *used, key.len);
    }
    *used += key.len;
}

/* The signature keys that senders of the old epoch had where the open change of the tree has other ones. */
static enum mls_status past_of_change(const struct mls_group *g, struct mls_past *past) {
    struct tree_changed_leaf changed;
    uint32_t cursor = 0, count = 0;
    size_t key_bytes = 0, used = 0;
    while (tree_changed_next(g->tree, &cursor, &changed)) {
        if (!span_equal(key_of(changed.before), key_of(changed.after))) {
            count++;
            key_bytes += key_of(changed.before).len;
        }
    }
    enum mls_status status = mls_past_alloc(past, count, key_bytes);
    cursor = 0;
    while (status == MLS_OK && tree_changed_next(g->tree, &cursor, &changed)) {
        if (!span_equal(key_of(changed.before), key_of(changed.after)))
            mls_past_put(past, changed.leaf, key_of(changed.before), &used);
    }
    return status;
}

/* The keys of everybody, for when the tree itself is about to go. */
static enum mls_status past_of_all(const struct mls_group *g, struct mls_past *past) {
    size_t key_bytes = 0, used = 0;
    for (uint32_t l = tree_next_member(g->tree, 0); l != TREE_NONE; l = tree_next_member(g->tree, l + 1))
        key_bytes += tree_leaf(g->tree, l)->signature_key.len;
    enum mls_status status = mls_past_alloc(past, tree_member_count(g->tree), key_bytes);
    for (uint32_t l = tree_next_member(g->tree, 0); status == MLS_OK && l != TREE_NONE;
         l = tree_next_member(g->tree, l + 1))
        mls_past_put(past, l, tree_leaf(g->tree, l)->signature_key, &used);
    return status;
}

static enum mls_status make_past(const struct mls_group *g, struct mls_change *c,
                                 enum mls_status (*fill)(const struct mls_group *, struct mls_past *)) {
    if (g->past_max == 0 || g->state == MLS_STATE_JOINING)
        return MLS_OK;
    c->past = mls_alloc(sizeof *c->past);
    return c->past == NULL ? MLS_NO_MEMORY : fill(g, c->past);
}

enum mls_status mls_change_finish(struct mls_group *g, struct mls_change *c, struct span confirmation_tag) {
    struct mls_epoch *e = &c->epoch;
    ASSERT(confirmation_tag.len <= HASH_LEN_MAX);
    e->confirmation_tag.len = (uint8_t)confirmation_tag.len;
    memcpy(e->confirmation_tag.bytes, confirmation_tag.data, confirmation_tag.len);
    enum mls_status status =
        mls_interim_transcript_hash(&g->crypto, e->parsed.confirmed_transcript_hash, confirmation_tag, &e->interim);
    if (status == MLS_OK)
        status = mls_secret_tree_init(&e->messages, &g->crypto, &e->secrets.encryption, tree_leaf_count(g->tree));
    if (status == MLS_OK)
        status = make_past(g, c, past_of_change);
    if (status == MLS_OK)
        c->tree = tree_detach(g->tree);
    return status;
}

enum mls_status mls_change_finish_removed(struct mls_group *g, struct mls_change *c) {
    c->removes_us = true;
    tree_rollback(g->tree);
    return make_past(g, c, past_of_all);
}

/* ---- entering ---- */

static void push_past(struct mls_group *g, struct mls_change *c) {
    struct mls_past *past = c->past;
    if (past == NULL)
        return;
    c->past = NULL;
    if (g->past_count == g->past_max)
        mls_past_free(g->past[--g->past_count]);
    memmove(&g->past[1], &g->past[0], g->past_count * sizeof g->past[0]);
    g->past[0] = past;
    g->past_count++;
    past->sender_data = g->epoch.secrets.sender_data;
    past->messages = g->epoch.messages;
    g->epoch.messages = (struct mls_secret_tree){0};
    if (!c->removes_us) {
        past->context = g->epoch.context;
        past->parsed = g->epoch.parsed;
        g->epoch.context = (struct mls_bytes){0};
    }
}

/* The group goes on telling its name and epoch; nothing else is left but late messages. */
static void leave(struct mls_group *g, struct mls_change *c) {
    push_past(g, c);
    mls_epoch_secrets_wipe(&g->epoch.secrets);
    mls_secret_tree_free(&g->epoch.messages);
    tree_free(g->tree);
    g->tree = NULL;
    secret_wipe(&g->signature_key);
    secure_wipe(g->resumption, g->resumption_max * sizeof *g->resumption);
    g->resumption_count = 0;
    g->state = MLS_STATE_REMOVED;
}

void mls_change_enter(struct mls_group *g, struct mls_change *c) {
    if (g->pending == c)
        g->pending = NULL;
    if (g->staged == c)
        g->staged = NULL;
    mls_change_free(g->pending);
    mls_change_free(g->staged);
    g->pending = g->staged = NULL;
    if (c->removes_us) {
        leave(g, c);
    } else {
        tree_attach(g->tree, c->tree);
        tree_keep(g->tree);
        c->tree = NULL;
        push_past(g, c);
        mls_epoch_free(&g->epoch);
        g->epoch = c->epoch;
        secure_wipe(&c->epoch, sizeof c->epoch);
        if (c->signature_key.len > 0)
            g->signature_key = c->signature_key;
        g->own_leaf = tree_own_leaf(g->tree);
        mls_group_keep_resumption(g);
        g->reinit = c->reinit;
        c->reinit = (struct mls_bytes){0};
        g->state = g->reinit.len > 0 ? MLS_STATE_REINIT : MLS_STATE_ACTIVE;
    }
    mls_group_forget_proposals(g);
    mls_change_free(c);
}

enum mls_status mls_commit_confirm(struct mls_group *group) {
    if (group->pending == NULL)
        return MLS_NOTHING_PENDING;
    mls_change_enter(group, group->pending);
    return MLS_OK;
}

void mls_commit_drop(struct mls_group *group) {
    mls_change_free(group->pending);
    group->pending = NULL;
}

bool mls_commit_is_pending(const struct mls_group *group) {
    return group->pending != NULL;
}

enum mls_status mls_staged_apply(struct mls_group *group) {
    if (group->staged == NULL)
        return MLS_NOTHING_STAGED;
    mls_change_enter(group, group->staged);
    return MLS_OK;
}

void mls_staged_refuse(struct mls_group *group) {
    mls_change_free(group->staged);
    group->staged = NULL;
    /* proposals that were forgotten while the commit was made of them */
    uint32_t kept = 0;
    for (uint32_t i = 0; i < group->stored_count; i++) {
        if (group->stored[i]->forgotten)
            mls_stored_free(group->stored[i]);
        else
            group->stored[kept++] = group->stored[i];
    }
    group->stored_count = kept;
}

/* ---- looking at a staged commit ---- */

bool mls_staged_info(const struct mls_group *group, struct mls_commit_info *info) {
    const struct mls_change *c = group->staged;
    if (c == NULL)
        return false;
    const struct mls_framed_content *content = &c->parsed.content;
    const struct mls_proposals *list = &c->proposals;
    struct mls_list extensions =
        list->extensions == NULL ? mls_group_extension_list(group) : list->extensions->proposal->extensions;
    *info = (struct mls_commit_info){
        .epoch = content->epoch + 1,
        .sender_type = (enum mls_sender_type)content->sender.type,
        .sender = c->committer,
        .has_path = content->commit.has_path,
        .removes_us = c->removes_us,
        .reinit = list->reinit != NULL,
        .proposals = list->count,
        .adds = list->adds,
        .removes = list->removes,
        .updates = list->updates,
        .extensions = extensions.bytes,
        .extensions_changed = !span_equal(extensions.bytes, mls_group_extensions(group)),
        .authenticated_data = content->authenticated_data,
    };
    if (info->has_path)
        mls_leaf_info_of(&content->commit.path.leaf_node, &info->leaf);
    if (info->sender_type == MLS_SENDER_MEMBER)
        mls_leaf_info_of(tree_leaf(group->tree, c->committer), &info->old_leaf);
    return true;
}

bool mls_staged_proposal(const struct mls_group *group, uint32_t index, struct mls_proposal_info *info) {
    if (group->staged == NULL || index >= group->staged->proposals.count)
        return false;
    const struct mls_entry *e = &group->staged->proposals.entries[index];
    mls_proposal_info_of(group, e->proposal, e->sender, e->stored, info);
    if (e->proposal->type == MLS_PROPOSAL_ADD)
        info->leaf_index = e->leaf;
    return true;
}
