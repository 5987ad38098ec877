/* Lists of proposals: what may stand together in a commit, and what they do (RFC 9420 sections 12.2, 12.3). */
#include <string.h>

#include "base/assert.h"
#include "e2ee/mls_group.h"

/* ---- gathering ---- */

enum mls_status mls_proposals_alloc(struct mls_proposals *list, uint32_t room, uint32_t value_room) {
    *list = (struct mls_proposals){0};
    if (room > MLS_PROPOSALS_MAX)
        return MLS_PROPOSALS_TOO_MANY;
    if (room > 0) {
        list->entries = mls_alloc(room * sizeof *list->entries);
        if (list->entries == NULL)
            return MLS_NO_MEMORY;
        list->room = room;
    }
    if (value_room > 0) {
        list->values = mls_alloc(value_room * sizeof *list->values);
        if (list->values == NULL) {
            mls_proposals_free(list);
            return MLS_NO_MEMORY;
        }
        list->value_room = value_room;
    }
    return MLS_OK;
}

void mls_proposals_free(struct mls_proposals *list) {
    mls_free(list->entries, list->room * sizeof *list->entries);
    mls_free(list->values, list->value_room * sizeof *list->values);
    *list = (struct mls_proposals){0};
}

void mls_proposals_add_stored(struct mls_proposals *list, const struct mls_stored *stored) {
    ASSERT(list->count < list->room);
    list->entries[list->count++] = (struct mls_entry){.proposal = &stored->parsed.content.proposal,
                                                      .sender = stored->parsed.content.sender,
                                                      .stored = stored,
                                                      .leaf = TREE_NONE};
}

void mls_proposals_add_value(struct mls_proposals *list, const struct mls_proposal *p, struct mls_sender sender) {
    ASSERT(list->count < list->room && list->value_count < list->value_room);
    struct mls_proposal *value = &list->values[list->value_count++];
    *value = *p;
    list->entries[list->count++] = (struct mls_entry){.proposal = value, .sender = sender, .leaf = TREE_NONE};
}

enum mls_status mls_proposals_of_commit(const struct mls_group *g, const struct mls_commit *commit,
                                        struct mls_sender sender, struct mls_proposals *list) {
    uint32_t values = 0;
    struct mls_proposal_or_ref x;
    struct mls_reader it = mls_reader_of(commit->proposals.bytes);
    while (mls_proposal_or_ref_next(&it, &x))
        values += x.type == MLS_PROPOSAL_BY_VALUE;
    enum mls_status status = mls_proposals_alloc(list, commit->proposals.count, values);
    it = mls_reader_of(commit->proposals.bytes);
    while (status == MLS_OK && mls_proposal_or_ref_next(&it, &x)) {
        if (x.type == MLS_PROPOSAL_BY_VALUE) {
            mls_proposals_add_value(list, &x.proposal, sender);
            continue;
        }
        if (sender.type != MLS_SENDER_MEMBER)
            return MLS_EXTERNAL_COMMIT_REFERENCE;
        const struct mls_stored *stored = mls_group_stored(g, x.reference);
        if (stored == NULL)
            return MLS_PROPOSAL_UNKNOWN_REF;
        mls_proposals_add_stored(list, stored);
    }
    return status;
}

/* ---- section 12.2 ---- */

static enum mls_status check_one(const struct mls_group *g, const struct mls_entry *e,
                                 const struct mls_proposals_context *x) {
    const struct mls_proposal *p = e->proposal;
    bool external = x->committer.type != MLS_SENDER_MEMBER;
    if (external && p->type != MLS_PROPOSAL_EXTERNAL_INIT && p->type != MLS_PROPOSAL_REMOVE &&
        p->type != MLS_PROPOSAL_PSK)
        return MLS_EXTERNAL_COMMIT_PROPOSAL;
    if (!external && p->type == MLS_PROPOSAL_UPDATE && e->sender.index == x->committer.index &&
        e->sender.type == MLS_SENDER_MEMBER)
        return MLS_UPDATE_BY_COMMITTER;
    if (!external && p->type == MLS_PROPOSAL_REMOVE && p->removed == x->committer.index)
        return MLS_REMOVE_COMMITTER;
    if (external && p->type == MLS_PROPOSAL_EXTERNAL_INIT)
        return MLS_OK;
    if (p->type == MLS_PROPOSAL_PSK)
        return mls_psk_check(g, &p->psk, x->successor);
    /* those that came on their own were checked in the same state of the group */
    return e->stored != NULL ? MLS_OK : mls_proposal_check(g, p, e->sender, x->unix_s);
}

static enum mls_status check_psk_again(const struct mls_proposals *list, uint32_t i) {
    for (uint32_t k = 0; k < i; k++) {
        const struct mls_proposal *other = list->entries[k].proposal;
        if (other->type == MLS_PROPOSAL_PSK && span_equal(other->psk.encoding, list->entries[i].proposal->psk.encoding))
            return MLS_PSK_DUPLICATE;
    }
    return list->psks > MLS_PSKS_MAX ? MLS_PSKS_TOO_MANY : MLS_OK;
}

/* Counts entry i and looks at what may be there only once. */
static enum mls_status count_one(struct mls_proposals *list, uint32_t i) {
    const struct mls_entry *e = &list->entries[i];
    list->needs_path |= mls_proposal_needs_path(e->proposal->type);
    switch (e->proposal->type) {
    case MLS_PROPOSAL_ADD:
        list->adds++;
        return MLS_OK;
    case MLS_PROPOSAL_UPDATE:
        list->updates++;
        return MLS_OK;
    case MLS_PROPOSAL_REMOVE:
        list->removes++;
        return MLS_OK;
    case MLS_PROPOSAL_PSK:
        list->psks++;
        return check_psk_again(list, i);
    case MLS_PROPOSAL_REINIT:
        list->reinit = e;
        return list->count > 1 ? MLS_REINIT_NOT_ALONE : MLS_OK;
    case MLS_PROPOSAL_EXTERNAL_INIT:
        if (list->external_init != NULL)
            return MLS_EXTERNAL_COMMIT_INIT_COUNT;
        list->external_init = e;
        return MLS_OK;
    case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS:
        if (list->extensions != NULL)
            return MLS_CONTEXT_EXTENSIONS_TWICE;
        list->extensions = e;
        return MLS_OK;
    default:
        return MLS_OK;
    }
}

/* Several Updates or Removes of one leaf: a bit a leaf, because a list may have a thousand of them. */
static enum mls_status check_leaves_once(const struct mls_group *g, const struct mls_proposals *list) {
    if (list->updates + list->removes < 2)
        return MLS_OK;
    size_t len = tree_leaf_count(g->tree) / 8 + 1;
    uint8_t *seen = mls_alloc(len);
    if (seen == NULL)
        return MLS_NO_MEMORY;
    enum mls_status status = MLS_OK;
    for (uint32_t i = 0; status == MLS_OK && i < list->count; i++) {
        const struct mls_entry *e = &list->entries[i];
        if (e->proposal->type != MLS_PROPOSAL_UPDATE && e->proposal->type != MLS_PROPOSAL_REMOVE)
            continue;
        uint32_t leaf = e->proposal->type == MLS_PROPOSAL_UPDATE ? e->sender.index : e->proposal->removed;
        uint8_t bit = (uint8_t)(1u << (leaf % 8));
        if (seen[leaf / 8] & bit)
            status = MLS_LEAF_TOUCHED_TWICE;
        seen[leaf / 8] |= bit;
    }
    mls_free(seen, len);
    return status;
}

enum mls_status mls_proposals_check(const struct mls_group *g, struct mls_proposals *list,
                                    const struct mls_proposals_context *x) {
    list->needs_path = list->count == 0;
    for (uint32_t i = 0; i < list->count; i++) {
        enum mls_status status = check_one(g, &list->entries[i], x);
        if (status == MLS_OK)
            status = count_one(list, i);
        if (status != MLS_OK)
            return status;
    }
    if (x->committer.type != MLS_SENDER_MEMBER) {
        if (list->external_init == NULL)
            return MLS_EXTERNAL_COMMIT_INIT_COUNT;
        if (list->removes > 1)
            return MLS_EXTERNAL_COMMIT_REMOVES;
        return MLS_OK;
    }
    return check_leaves_once(g, list);
}

/* ---- section 12.3 ---- */

static enum mls_status apply_update(struct mls_group *g, const struct mls_entry *e, const struct mls_list *extensions) {
    const struct mls_leaf_node *leaf = &e->proposal->update;
    enum mls_status status = mls_leaf_node_check_group(leaf, extensions);
    if (status == MLS_OK)
        status = tree_update(g->tree, e->sender.index, leaf->encoding);
    if (status == MLS_OK && e->sender.index == g->own_leaf) {
        /* an Update of ours that is stored was made by us, with its private key */
        ASSERT(e->stored != NULL && e->stored->own);
        status = tree_set_own(g->tree, g->own_leaf, &e->stored->encryption_key);
    }
    return status;
}

static enum mls_status apply_add(struct mls_group *g, struct mls_proposals *list, struct mls_entry *e,
                                 const struct mls_list *extensions) {
    const struct mls_leaf_node *leaf = &e->proposal->add.leaf_node;
    uint32_t same = tree_find_signature_key(g->tree, leaf->signature_key);
    if (same != TREE_NONE) {
        for (const struct mls_entry *other = list->entries; other != e; other++) {
            if (other->leaf == same)
                return MLS_ADD_DUPLICATE;
        }
        return MLS_ADD_ALREADY_MEMBER;
    }
    enum mls_status status = mls_leaf_node_check_group(leaf, extensions);
    return status != MLS_OK ? status : tree_add(g->tree, leaf->encoding, &e->leaf);
}

static enum mls_status all_support_list(const struct tree *t, enum tree_capability kind, struct span types) {
    for (size_t i = 0; i < mls_u16s_count(types); i++) {
        if (!tree_all_support(t, kind, mls_u16s_at(types, i)))
            return MLS_REQUIRED_CAPABILITIES_UNMET;
    }
    return MLS_OK;
}

/* New extensions of the context bind everybody who is in the new tree (sections 12.1.7, 13.4). */
enum mls_status mls_extensions_all_support(const struct tree *t, const struct mls_list *extensions) {
    struct mls_reader it = mls_reader_of(extensions->bytes);
    struct mls_extension extension;
    while (mls_extensions_next(&it, &extension)) {
        if (!tree_all_support(t, TREE_CAPABILITY_EXTENSION, extension.type))
            return MLS_CONTEXT_EXTENSIONS_UNSUPPORTED;
    }
    struct span data;
    if (!mls_extensions_find(extensions, MLS_EXTENSION_REQUIRED_CAPABILITIES, &data))
        return MLS_OK;
    struct mls_required_capabilities required;
    enum mls_status status = mls_required_capabilities_parse(data, &required);
    if (status == MLS_OK)
        status = all_support_list(t, TREE_CAPABILITY_EXTENSION, required.extensions);
    if (status == MLS_OK)
        status = all_support_list(t, TREE_CAPABILITY_PROPOSAL, required.proposals);
    if (status == MLS_OK)
        status = all_support_list(t, TREE_CAPABILITY_CREDENTIAL, required.credentials);
    return status;
}

static bool is_default_type(uint16_t type) {
    return type >= MLS_PROPOSAL_ADD && type <= MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS;
}

/* Some member does not support a credential type in use. Is it a new leaf that does not, or is a new leaf's type one
 * that others do not? */
static enum mls_status why_credential(const struct mls_group *g, const struct mls_proposals *list) {
    for (uint32_t i = 0; i < list->count; i++) {
        const struct mls_proposal *p = list->entries[i].proposal;
        const struct mls_leaf_node *leaf = p->type == MLS_PROPOSAL_ADD      ? &p->add.leaf_node
                                           : p->type == MLS_PROPOSAL_UPDATE ? &p->update
                                                                            : NULL;
        for (uint32_t l = tree_next_member(g->tree, 0); leaf != NULL && l != TREE_NONE;
             l = tree_next_member(g->tree, l + 1)) {
            if (!mls_leaf_node_supports_credential(leaf, tree_leaf(g->tree, l)->credential.type))
                return MLS_CREDENTIAL_IN_USE_UNSUPPORTED;
        }
    }
    return MLS_CREDENTIAL_UNSUPPORTED_BY_MEMBER;
}

enum mls_status mls_proposals_apply(struct mls_group *g, struct mls_proposals *list, struct mls_list *extensions) {
    *extensions = list->extensions == NULL ? mls_group_extension_list(g) : list->extensions->proposal->extensions;
    enum mls_status status = MLS_OK;
    for (uint32_t i = 0; status == MLS_OK && i < list->count; i++) {
        if (list->entries[i].proposal->type == MLS_PROPOSAL_UPDATE)
            status = apply_update(g, &list->entries[i], extensions);
    }
    for (uint32_t i = 0; status == MLS_OK && i < list->count; i++) {
        if (list->entries[i].proposal->type == MLS_PROPOSAL_REMOVE)
            status = tree_remove(g->tree, list->entries[i].proposal->removed);
    }
    /* who is added or removed need not know the types of the proposals */
    for (uint32_t i = 0; status == MLS_OK && i < list->count; i++) {
        uint16_t type = list->entries[i].proposal->type;
        if (!is_default_type(type) && !tree_all_support(g->tree, TREE_CAPABILITY_PROPOSAL, type))
            status = MLS_PROPOSAL_TYPE_UNSUPPORTED;
    }
    for (uint32_t i = 0; status == MLS_OK && i < list->count; i++) {
        if (list->entries[i].proposal->type == MLS_PROPOSAL_ADD)
            status = apply_add(g, list, &list->entries[i], extensions);
    }
    if (status == MLS_OK && list->extensions != NULL)
        status = mls_extensions_all_support(g->tree, extensions);
    if (status == MLS_OK)
        status = tree_check(g->tree);
    return status == MLS_CREDENTIAL_UNSUPPORTED_BY_MEMBER ? why_credential(g, list) : status;
}

enum mls_status mls_proposals_psk_secret(const struct mls_group *g, const struct mls_proposals *list,
                                         struct secret *psk_secret) {
    mls_zero_secret(&g->crypto, psk_secret);
    enum mls_status status = MLS_OK;
    uint16_t index = 0;
    for (uint32_t i = 0; status == MLS_OK && i < list->count; i++) {
        const struct mls_proposal *p = list->entries[i].proposal;
        if (p->type != MLS_PROPOSAL_PSK)
            continue;
        struct span psk;
        status = mls_psk_find(g->client, &p->psk, &psk);
        if (status == MLS_OK)
            status = mls_psk_secret_add(&g->crypto, psk_secret, p->psk.encoding, psk, index++, (uint16_t)list->psks);
    }
    if (status != MLS_OK)
        secret_wipe(psk_secret);
    return status;
}

enum mls_status mls_context_extensions_check(const struct mls_list *extensions) {
    struct mls_reader it = mls_reader_of(extensions->bytes);
    struct mls_extension extension;
    struct mls_required_capabilities required;
    struct mls_list senders;
    while (mls_extensions_next(&it, &extension)) {
        switch (extension.type) {
        case MLS_EXTENSION_APPLICATION_ID:
        case MLS_EXTENSION_RATCHET_TREE:
        case MLS_EXTENSION_EXTERNAL_PUB:
            return MLS_EXTENSION_MISPLACED;
        case MLS_EXTENSION_REQUIRED_CAPABILITIES:
            if (mls_required_capabilities_parse(extension.data, &required) != MLS_OK)
                return MLS_EXTENSION_MALFORMED;
            break;
        case MLS_EXTENSION_EXTERNAL_SENDERS:
            if (mls_external_senders_parse(extension.data, &senders) != MLS_OK)
                return MLS_EXTENSION_MALFORMED;
            break;
        default:
            break;
        }
    }
    return MLS_OK;
}
