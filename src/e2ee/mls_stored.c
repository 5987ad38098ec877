/* Single proposals: written, checked, described, and stored for a commit to come (RFC 9420 section 12.1). */
#include <string.h>

#include "base/assert.h"
#include "e2ee/mls_group.h"

/* ---- writing ---- */

enum mls_status mls_propose_write_add(struct span key_package, struct mls_buf *out) {
    struct mls_proposal p = {.type = MLS_PROPOSAL_ADD};
    enum mls_status status = mls_key_package_of(key_package, &p.add);
    if (status != MLS_OK)
        return status;
    size_t start = mls_buf_len(out);
    mls_wr_u16(out, MLS_PROPOSAL_ADD);
    mls_wr_span(out, p.add.encoding);
    return mls_output_end(out, start, MLS_OK);
}

static enum mls_status write_proposal(const struct mls_proposal *p, struct mls_buf *out) {
    size_t start = mls_buf_len(out);
    mls_proposal_write(out, p);
    if (!mls_buf_ok(out))
        return mls_output_end(out, start, MLS_OK);
    /* read back, so that what is too long or of no known type is refused here and not by everybody else */
    struct span all = mls_buf_span(out);
    struct mls_proposal check;
    return mls_output_end(out, start, mls_proposal_parse(span_of(all.data + start, all.len - start), &check));
}

enum mls_status mls_propose_write_remove(uint32_t leaf_index, struct mls_buf *out) {
    struct mls_proposal p = {.type = MLS_PROPOSAL_REMOVE, .removed = leaf_index};
    return write_proposal(&p, out);
}

/* Section 8.4: a fresh nonce of KDF.Nh bytes each time. */
static enum mls_status write_psk(uint16_t suite, struct mls_psk_id *id, struct rng *rng, struct mls_buf *out) {
    const struct mls_suite *s = mls_suite_find(suite);
    if (s == NULL)
        return MLS_SUITE_UNSUPPORTED;
    uint8_t nonce[HASH_LEN_MAX];
    rng_fill(rng, nonce, s->hash_len);
    id->nonce = span_of(nonce, s->hash_len);
    struct mls_proposal p = {.type = MLS_PROPOSAL_PSK, .psk = *id};
    return write_proposal(&p, out);
}

enum mls_status mls_propose_write_psk(uint16_t suite, struct span psk_id, struct rng *rng, struct mls_buf *out) {
    struct mls_psk_id id = {.type = MLS_PSK_EXTERNAL, .id = psk_id};
    return write_psk(suite, &id, rng, out);
}

enum mls_status mls_propose_write_resumption(uint16_t suite, struct span group_id, uint64_t epoch, struct rng *rng,
                                             struct mls_buf *out) {
    struct mls_psk_id id = {
        .type = MLS_PSK_RESUMPTION, .usage = MLS_PSK_USAGE_APPLICATION, .id = group_id, .epoch = epoch};
    return write_psk(suite, &id, rng, out);
}

enum mls_status mls_psk_write_successor(uint16_t suite, enum mls_psk_usage usage, struct span group_id, uint64_t epoch,
                                        struct rng *rng, struct mls_buf *out) {
    struct mls_psk_id id = {.type = MLS_PSK_RESUMPTION, .usage = (uint8_t)usage, .id = group_id, .epoch = epoch};
    return write_psk(suite, &id, rng, out);
}

enum mls_status mls_propose_write_reinit(struct span group_id, uint16_t suite, struct span extensions,
                                         struct mls_buf *out) {
    struct mls_proposal p = {.type = MLS_PROPOSAL_REINIT,
                             .reinit = {.group_id = group_id, .version = MLS_VERSION_10, .cipher_suite = suite}};
    enum mls_status status = mls_extension_list_of(extensions, &p.reinit.extensions);
    return status != MLS_OK ? status : write_proposal(&p, out);
}

enum mls_status mls_propose_write_extensions(struct span extensions, struct mls_buf *out) {
    struct mls_proposal p = {.type = MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS};
    enum mls_status status = mls_extension_list_of(extensions, &p.extensions);
    return status != MLS_OK ? status : write_proposal(&p, out);
}

enum mls_status mls_propose_write_other(uint16_t type, struct span body, struct mls_buf *out) {
    if (type < 0xf000)
        return MLS_PROPOSAL_TYPE_UNKNOWN; /* only the private range has a form that is known (mls_message.h) */
    struct mls_proposal p = {.type = type, .body = body};
    return write_proposal(&p, out);
}

/* ---- checking one ---- */

enum mls_status mls_psk_check(const struct mls_group *g, const struct mls_psk_id *id, bool successor) {
    if (id->nonce.len != g->crypto.suite->hash_len)
        return MLS_PSK_NONCE_LENGTH;
    if (id->type == MLS_PSK_RESUMPTION && id->usage != MLS_PSK_USAGE_APPLICATION && !successor)
        return MLS_PSK_USAGE_WRONG;
    return MLS_OK;
}

static enum mls_status check_add(const struct mls_group *g, const struct mls_key_package *x, uint64_t unix_s) {
    enum mls_status status = mls_key_package_validate(&g->crypto, x);
    return status != MLS_OK ? status : mls_leaf_check_times(&x->leaf_node, unix_s);
}

static enum mls_status check_update(const struct mls_group *g, const struct mls_leaf_node *leaf,
                                    struct mls_sender sender) {
    const struct mls_leaf_node *old = sender.type == MLS_SENDER_MEMBER ? tree_leaf(g->tree, sender.index) : NULL;
    if (old == NULL)
        return MLS_UPDATE_SENDER_WRONG;
    enum mls_status status = mls_leaf_node_check(&g->crypto, leaf, MLS_LEAF_UPDATE);
    if (status == MLS_OK && span_equal(leaf->encryption_key, old->encryption_key))
        status = MLS_ENCRYPTION_KEY_NOT_FRESH;
    if (status == MLS_OK)
        status = mls_leaf_node_verify(&g->crypto, leaf, mls_group_id(g), sender.index);
    return status;
}

enum mls_status mls_proposal_check(const struct mls_group *g, const struct mls_proposal *p, struct mls_sender sender,
                                   uint64_t unix_s) {
    switch (p->type) {
    case MLS_PROPOSAL_ADD:
        return check_add(g, &p->add, unix_s);
    case MLS_PROPOSAL_UPDATE:
        return check_update(g, &p->update, sender);
    case MLS_PROPOSAL_REMOVE:
        return tree_leaf(g->tree, p->removed) == NULL ? MLS_REMOVE_BLANK : MLS_OK;
    case MLS_PROPOSAL_PSK:
        return mls_psk_check(g, &p->psk, false);
    case MLS_PROPOSAL_REINIT:
        return p->reinit.version < g->epoch.parsed.version ? MLS_REINIT_VERSION : MLS_OK;
    case MLS_PROPOSAL_EXTERNAL_INIT:
        return MLS_EXTERNAL_INIT_MISPLACED;
    case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS:
        return mls_context_extensions_check(&p->extensions);
    default:
        return tree_all_support(g->tree, TREE_CAPABILITY_PROPOSAL, p->type) ? MLS_OK : MLS_PROPOSAL_TYPE_UNSUPPORTED;
    }
}

/* ---- describing one ---- */

void mls_proposal_info_of(const struct mls_group *g, const struct mls_proposal *p, struct mls_sender sender,
                          const struct mls_stored *stored, struct mls_proposal_info *out) {
    *out = (struct mls_proposal_info){
        .type = p->type,
        .sender_type = (enum mls_sender_type)sender.type,
        .sender = sender.index,
        .by_reference = stored != NULL,
        .ref = stored == NULL ? span_of(NULL, 0) : mls_hash_span(&stored->ref),
        .encoded = p->encoding,
    };
    const struct mls_leaf_node *old = NULL;
    switch (p->type) {
    case MLS_PROPOSAL_ADD:
        mls_leaf_info_of(&p->add.leaf_node, &out->leaf);
        out->leaf_index = TREE_NONE;
        break;
    case MLS_PROPOSAL_UPDATE:
        out->leaf_index = sender.index;
        mls_leaf_info_of(&p->update, &out->leaf);
        old = tree_leaf(g->tree, sender.index);
        if (old != NULL)
            mls_leaf_info_of(old, &out->old_leaf);
        break;
    case MLS_PROPOSAL_REMOVE:
        out->leaf_index = p->removed;
        old = tree_leaf(g->tree, p->removed);
        if (old != NULL)
            mls_leaf_info_of(old, &out->leaf);
        break;
    case MLS_PROPOSAL_PSK:
        out->psk_type = (enum mls_psk_type)p->psk.type;
        out->psk_id = p->psk.id;
        out->psk_epoch = p->psk.epoch;
        break;
    case MLS_PROPOSAL_REINIT:
        out->group_id = p->reinit.group_id;
        out->suite = p->reinit.cipher_suite;
        out->extensions = p->reinit.extensions.bytes;
        break;
    case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS:
        out->extensions = p->extensions.bytes;
        break;
    default:
        break;
    }
}

static bool stored_info(const struct mls_group *g, const struct mls_stored *s, struct mls_proposal_info *info) {
    if (s == NULL)
        return false;
    mls_proposal_info_of(g, &s->parsed.content.proposal, s->parsed.content.sender, s, info);
    return true;
}

bool mls_proposal_at(const struct mls_group *group, uint32_t index, struct mls_proposal_info *info) {
    for (uint32_t i = 0; i < group->stored_count; i++) {
        if (!group->stored[i]->forgotten && index-- == 0)
            return stored_info(group, group->stored[i], info);
    }
    return false;
}

bool mls_proposal_find(const struct mls_group *group, struct span ref, struct mls_proposal_info *info) {
    return stored_info(group, mls_group_stored(group, ref), info);
}

/* ---- storing ---- */

void mls_stored_free(struct mls_stored *s) {
    if (s == NULL)
        return;
    mls_bytes_free(&s->bytes);
    mls_free(s, sizeof *s);
}

enum mls_status mls_stored_make(const struct mls_crypto *c, struct span authenticated_content,
                                struct mls_stored **out) {
    struct mls_stored *s = mls_alloc(sizeof *s);
    if (s == NULL)
        return MLS_NO_MEMORY;
    enum mls_status status = mls_bytes_copy(authenticated_content, &s->bytes);
    if (status == MLS_OK)
        status = mls_authenticated_content_parse(mls_bytes_span(&s->bytes), &s->parsed);
    if (status == MLS_OK)
        status = mls_proposal_ref(c, authenticated_content, &s->ref);
    if (status != MLS_OK) {
        mls_stored_free(s);
        return status;
    }
    *out = s;
    return MLS_OK;
}

struct mls_stored *mls_group_stored(const struct mls_group *g, struct span ref) {
    for (uint32_t i = 0; i < g->stored_count; i++) {
        if (!g->stored[i]->forgotten && mls_hash_equal(&g->stored[i]->ref, ref))
            return g->stored[i];
    }
    return NULL;
}

enum mls_status mls_group_store_reserve(struct mls_group *g) {
    if (g->stored_count == MLS_PROPOSALS_MAX)
        return MLS_PROPOSALS_STORED_TOO_MANY;
    if (g->stored_count < g->stored_room)
        return MLS_OK;
    uint32_t room = g->stored_room == 0 ? 8 : 2 * g->stored_room;
    struct mls_stored **bigger = mls_resize(g->stored, g->stored_room * sizeof *bigger, room * sizeof *bigger);
    if (bigger == NULL)
        return MLS_NO_MEMORY;
    g->stored = bigger;
    g->stored_room = room;
    return MLS_OK;
}

void mls_group_store(struct mls_group *g, struct mls_stored *s) {
    ASSERT(g->stored_count < g->stored_room);
    g->stored[g->stored_count++] = s;
}

void mls_group_forget_proposals(struct mls_group *g) {
    for (uint32_t i = 0; i < g->stored_count; i++)
        mls_stored_free(g->stored[i]);
    g->stored_count = 0;
}

void mls_proposal_forget(struct mls_group *group, struct span ref) {
    struct mls_stored *s = mls_group_stored(group, ref);
    if (s == NULL)
        return;
    if (group->staged != NULL) {
        s->forgotten = true; /* the staged commit may be made of it */
        return;
    }
    uint32_t i = 0;
    while (group->stored[i] != s)
        i++;
    mls_stored_free(s);
    group->stored_count--;
    memmove(&group->stored[i], &group->stored[i + 1], (group->stored_count - i) * sizeof(struct mls_stored *));
}
