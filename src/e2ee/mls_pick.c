/* Which of the stored proposals a commit takes when it is to take all that fit together (RFC 9420 sections 12.2, 12.4).
 *
 * Whatever would make the list invalid stays out, so that one member's bad proposal cannot keep others from
 * committing. The order is: new context extensions (they bind the leaves that come after), removals, updates, adds,
 * pre-shared keys, other types; a reinitialisation only when nothing else is there. */
#include "base/assert.h"
#include "e2ee/mls_group.h"

/* Credential types that a leaf can have here (mls_message.h refuses others). */
static const uint16_t credential_types[] = {MLS_CREDENTIAL_BASIC, MLS_CREDENTIAL_X509};

struct pick {
    const struct mls_group *g;
    struct mls_proposals *list;
    struct mls_list extensions; /* of the context that the commit will make */
    uint32_t members;           /* after what was picked */
    /* Of members and picked leaves: types in use, types that somebody lacks. */
    bool in_use[ARRAY_LEN(credential_types)], lacking[ARRAY_LEN(credential_types)];
};

static void count_credential(struct pick *p, const struct mls_leaf_node *leaf) {
    for (size_t i = 0; i < ARRAY_LEN(credential_types); i++) {
        p->in_use[i] |= leaf->credential.type == credential_types[i];
        p->lacking[i] |= !mls_leaf_node_supports_credential(leaf, credential_types[i]);
    }
}

static bool credentials_fit(const struct pick *p, const struct mls_leaf_node *leaf) {
    for (size_t i = 0; i < ARRAY_LEN(credential_types); i++) {
        if (leaf->credential.type == credential_types[i] && p->lacking[i])
            return false;
        if (p->in_use[i] && !mls_leaf_node_supports_credential(leaf, credential_types[i]))
            return false;
    }
    return true;
}

static const struct mls_leaf_node *leaf_of(const struct mls_proposal *p) {
    if (p->type == MLS_PROPOSAL_ADD)
        return &p->add.leaf_node;
    return p->type == MLS_PROPOSAL_UPDATE ? &p->update : NULL;
}

/* A leaf whose keys nobody in the tree or the list has. `self`: the member whose keys may be its own. */
static bool keys_fit(const struct pick *p, const struct mls_leaf_node *leaf, uint32_t self) {
    if (tree_has_encryption_key(p->g->tree, leaf->encryption_key))
        return false;
    for (uint32_t i = 0; i < p->list->count; i++) {
        const struct mls_leaf_node *other = leaf_of(p->list->entries[i].proposal);
        if (other != NULL && (span_equal(other->signature_key, leaf->signature_key) ||
                              span_equal(other->encryption_key, leaf->encryption_key)))
            return false;
    }
    uint32_t holder = tree_find_signature_key(p->g->tree, leaf->signature_key);
    return holder == TREE_NONE || holder == self;
}

/* Whether the list changes this leaf already. */
static bool touched(const struct pick *p, uint32_t leaf) {
    for (uint32_t i = 0; i < p->list->count; i++) {
        const struct mls_entry *e = &p->list->entries[i];
        if (e->proposal->type == MLS_PROPOSAL_REMOVE && e->proposal->removed == leaf)
            return true;
        if (e->proposal->type == MLS_PROPOSAL_UPDATE && e->sender.index == leaf)
            return true;
    }
    return false;
}

static bool has_type(const struct pick *p, uint16_t type) {
    for (uint32_t i = 0; i < p->list->count; i++) {
        if (p->list->entries[i].proposal->type == type)
            return true;
    }
    return false;
}

/* A client that is a member may be added again when its old leaf goes. */
static bool add_fits(const struct pick *p, const struct mls_leaf_node *leaf) {
    if (p->members >= p->g->options.members_max || !credentials_fit(p, leaf) ||
        mls_leaf_node_check_group(leaf, &p->extensions) != MLS_OK)
        return false;
    uint32_t holder = tree_find_signature_key(p->g->tree, leaf->signature_key);
    bool goes = false;
    for (uint32_t i = 0; holder != TREE_NONE && i < p->list->count; i++) {
        const struct mls_proposal *other = p->list->entries[i].proposal;
        goes |= other->type == MLS_PROPOSAL_REMOVE && other->removed == holder;
    }
    return keys_fit(p, leaf, goes ? holder : TREE_NONE);
}

static bool psk_fits(const struct pick *p, const struct mls_psk_id *id) {
    uint32_t count = 0;
    struct span psk;
    for (uint32_t i = 0; i < p->list->count; i++) {
        const struct mls_proposal *other = p->list->entries[i].proposal;
        if (other->type != MLS_PROPOSAL_PSK)
            continue;
        if (span_equal(other->psk.encoding, id->encoding))
            return false;
        count++;
    }
    return count < MLS_PSKS_MAX && mls_psk_find(p->g->client, id, &psk) == MLS_OK;
}

static bool fits(const struct pick *p, const struct mls_stored *s) {
    const struct mls_proposal *x = &s->parsed.content.proposal;
    const struct mls_sender *sender = &s->parsed.content.sender;
    switch (x->type) {
    case MLS_PROPOSAL_ADD:
        return add_fits(p, &x->add.leaf_node);
    case MLS_PROPOSAL_UPDATE:
        return sender->index != p->g->own_leaf && !touched(p, sender->index) && credentials_fit(p, &x->update) &&
               mls_leaf_node_check_group(&x->update, &p->extensions) == MLS_OK &&
               keys_fit(p, &x->update, sender->index);
    case MLS_PROPOSAL_REMOVE:
        return x->removed != p->g->own_leaf && !touched(p, x->removed);
    case MLS_PROPOSAL_PSK:
        return psk_fits(p, &x->psk);
    case MLS_PROPOSAL_REINIT:
        return p->list->count == 0;
    case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS:
        return !has_type(p, x->type) && mls_extensions_all_support(p->g->tree, &x->extensions) == MLS_OK;
    default:
        return tree_all_support(p->g->tree, TREE_CAPABILITY_PROPOSAL, x->type);
    }
}

/* Takes all of one type that fit; 0: of every type that has no place of its own in the order. */
static void pick_type(struct pick *p, uint16_t type, bool newest_first) {
    const struct mls_group *g = p->g;
    for (uint32_t n = 0; n < g->stored_count; n++) {
        const struct mls_stored *s = g->stored[newest_first ? g->stored_count - 1 - n : n];
        uint16_t its_type = s->parsed.content.proposal.type;
        bool other = its_type < MLS_PROPOSAL_ADD || its_type > MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS;
        if (s->forgotten || (type == 0 ? !other : its_type != type) || p->list->count == p->list->room || !fits(p, s))
            continue;
        mls_proposals_add_stored(p->list, s);
        const struct mls_leaf_node *leaf = leaf_of(&s->parsed.content.proposal);
        if (leaf != NULL)
            count_credential(p, leaf);
        p->members += type == MLS_PROPOSAL_ADD;
        p->members -= type == MLS_PROPOSAL_REMOVE;
        if (type == MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS)
            p->extensions = s->parsed.content.proposal.extensions;
    }
}

void mls_proposals_pick(const struct mls_group *g, struct mls_proposals *list, bool adds) {
    struct pick p = {
        .g = g, .list = list, .extensions = mls_group_extension_list(g), .members = tree_member_count(g->tree)};
    for (uint32_t l = tree_next_member(g->tree, 0); l != TREE_NONE; l = tree_next_member(g->tree, l + 1))
        count_credential(&p, tree_leaf(g->tree, l));
    for (uint32_t i = 0; i < list->count; i++) {
        const struct mls_proposal *value = list->entries[i].proposal;
        p.members += value->type == MLS_PROPOSAL_ADD;
        p.members -= value->type == MLS_PROPOSAL_REMOVE && p.members > 0;
        if (value->type == MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS)
            p.extensions = value->extensions;
        if (leaf_of(value) != NULL)
            count_credential(&p, leaf_of(value));
    }
    if (has_type(&p, MLS_PROPOSAL_REINIT))
        return;
    pick_type(&p, MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS, true);
    pick_type(&p, MLS_PROPOSAL_REMOVE, false);
    pick_type(&p, MLS_PROPOSAL_UPDATE, true);
    if (adds)
        pick_type(&p, MLS_PROPOSAL_ADD, false);
    pick_type(&p, MLS_PROPOSAL_PSK, false);
    pick_type(&p, 0, false);
    pick_type(&p, MLS_PROPOSAL_REINIT, true);
}
