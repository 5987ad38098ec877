/* A commit as the public sees it: from its bytes to an epoch that does not stand yet. */
#include <string.h>

#include "base/assert.h"
#include "e2ee/mem.h"
#include "e2ee/mls_framing.h"
#include "e2ee/mls_group.h"
#include "e2ee/mls_schedule.h"
#include "e2ee/mls_validate.h"
#include "group/public_internal.h"

struct attempt {
    struct public_group *g;
    const struct mls_authenticated_content *content;
    const struct mls_commit *commit;
    struct mls_commit_info info;
    uint64_t unix_s;
    bool external;
    uint32_t committer; /* of a member; of an external one when it has its place */
};

/* ---- proposals ---- */

/* The Remove that a reference names. They mostly come in the order in which they were made. */
static enum mls_status resolve(const struct public_group *g, struct span ref, uint32_t *at, uint32_t *leaf) {
    for (uint32_t i = 0; i < g->removes_count; i++) {
        uint32_t k = (*at + i) % g->removes_count;
        if (mls_hash_equal(&g->removes[k].ref, ref)) {
            *at = k + 1;
            *leaf = g->removes[k].leaf;
            return MLS_OK;
        }
    }
    return MLS_PROPOSAL_UNKNOWN_REF;
}

static void describe_remove(const struct public_group *g, uint32_t leaf, struct mls_proposal_info *out) {
    const struct mls_leaf_node *gone = tree_leaf(g->tree, leaf);
    out->leaf_index = leaf;
    if (gone != NULL)
        mls_leaf_info_of(gone, &out->leaf);
}

static enum mls_status describe(struct attempt *a, const struct mls_proposal_or_ref *entry, uint32_t *at,
                                struct mls_proposal_info *out) {
    const struct public_group *g = a->g;
    *out = (struct mls_proposal_info){.sender_type = a->info.sender_type, .sender = a->info.sender};
    if (entry->type != MLS_PROPOSAL_BY_VALUE) {
        uint32_t leaf;
        enum mls_status status = resolve(g, entry->reference, at, &leaf);
        if (status != MLS_OK)
            return status;
        out->type = MLS_PROPOSAL_REMOVE;
        out->sender_type = MLS_SENDER_EXTERNAL;
        out->sender = 0;
        out->by_reference = true;
        out->ref = entry->reference;
        describe_remove(g, leaf, out);
        return MLS_OK;
    }
    const struct mls_proposal *p = &entry->proposal;
    out->type = p->type;
    out->encoded = p->encoding;
    if (p->type == MLS_PROPOSAL_ADD) {
        mls_leaf_info_of(&p->add.leaf_node, &out->leaf);
        out->leaf_index = TREE_NONE;
    } else if (p->type == MLS_PROPOSAL_REMOVE) {
        describe_remove(g, p->removed, out);
    } else if (p->type == MLS_PROPOSAL_PSK) {
        out->psk_type = (enum mls_psk_type)p->psk.type;
        out->psk_id = p->psk.id;
    } else if (p->type == MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS) {
        out->extensions = p->extensions.bytes;
    }
    return MLS_OK;
}

/* All of them at once, so that whoever walks them later looks nothing up again. */
static enum mls_status describe_all(struct attempt *a) {
    struct public_group *g = a->g;
    struct mls_reader it = mls_reader_of(a->commit->proposals.bytes);
    struct mls_proposal_or_ref entry;
    uint32_t count = a->commit->proposals.count, at = 0, i = 0;
    bool needs_path = count == 0;
    if (count > 0) {
        g->proposals = mls_alloc(count * sizeof *g->proposals);
        if (g->proposals == NULL)
            return MLS_NO_MEMORY;
        g->proposals_max = count;
    }
    a->info.extensions = g->now.parsed.extensions.bytes;
    for (; i < count && mls_proposal_or_ref_next(&it, &entry); i++) {
        struct mls_proposal_info *p = &g->proposals[i];
        enum mls_status status = describe(a, &entry, &at, p);
        if (status != MLS_OK)
            return status;
        needs_path = needs_path || mls_proposal_needs_path(p->type);
        a->info.adds += p->type == MLS_PROPOSAL_ADD;
        a->info.removes += p->type == MLS_PROPOSAL_REMOVE;
        a->info.updates += p->type == MLS_PROPOSAL_UPDATE;
        a->info.reinit = a->info.reinit || p->type == MLS_PROPOSAL_REINIT;
        if (p->type == MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS) {
            if (a->info.extensions_changed)
                return MLS_PROPOSAL_REFUSED;
            a->info.extensions_changed = true;
            a->info.extensions = p->extensions;
        }
    }
    a->info.proposals = i;
    g->staged.adds = a->info.adds;
    g->staged.removes = a->info.removes;
    g->staged.proposals = i;
    g->staged.context_changed = a->info.extensions_changed;
    return needs_path && !a->commit->has_path ? MLS_PATH_MISSING : MLS_OK;
}

static bool proposal_at(const void *commit, uint32_t index, struct mls_proposal_info *out) {
    const struct public_group *g = commit;
    if (index >= g->staged.proposals)
        return false;
    *out = g->proposals[index];
    return true;
}

/* ---- who ---- */

static enum mls_status check_member(struct attempt *a, struct span seat_key, struct span *key) {
    const struct public_group *g = a->g;
    uint32_t index = a->content->content.sender.index;
    const struct mls_leaf_node *leaf = tree_leaf(g->tree, index);
    if (leaf == NULL || (seat_key.len > 0 && !span_equal(leaf->signature_key, seat_key)))
        return MLS_SENDER_NOT_MEMBER;
    if (public_group_is_leaving(g, index))
        return MLS_REMOVE_COMMITTER;
    a->committer = index;
    *key = leaf->signature_key;
    if (a->commit->has_path)
        mls_leaf_info_of(leaf, &a->info.old_leaf);
    return MLS_OK;
}

static enum mls_status check_sender(struct attempt *a, struct span seat_key) {
    const struct mls_framed_content *content = &a->content->content;
    struct public_group *g = a->g;
    struct span key;
    enum mls_status status = mls_content_check_sender(a->content);
    if (status != MLS_OK)
        return status;
    if (!span_equal(content->group_id, public_group_id(g)))
        return MLS_WRONG_GROUP;
    if (content->epoch != public_group_epoch(g))
        return content->epoch < public_group_epoch(g) ? MLS_EPOCH_OVER : MLS_EPOCH_AHEAD;
    if (content->epoch == UINT64_MAX)
        return MLS_EPOCH_EXHAUSTED;
    a->info = (struct mls_commit_info){.epoch = content->epoch + 1,
                                       .sender_type = (enum mls_sender_type)content->sender.type,
                                       .sender = content->sender.index,
                                       .has_path = a->commit->has_path,
                                       .authenticated_data = content->authenticated_data};
    if (a->commit->has_path)
        mls_leaf_info_of(&a->commit->path.leaf_node, &a->info.leaf);
    if (content->sender.type == MLS_SENDER_MEMBER) {
        status = check_member(a, seat_key, &key);
        if (status != MLS_OK)
            return status;
    } else if (content->sender.type == MLS_SENDER_NEW_MEMBER_COMMIT && a->commit->has_path) {
        a->external = true;
        key = a->info.leaf.signature_key;
        if (seat_key.len > 0 && !span_equal(key, seat_key))
            return MLS_SENDER_NOT_MEMBER;
    } else {
        return MLS_SENDER_NOT_MEMBER;
    }
    g->staged =
        (struct public_group_staged){.epoch = a->info.epoch, .external = a->external, .committer = a->committer};
    return mls_content_verify(&g->crypto, a->content, mls_buf_span(&g->now.context), key);
}

/* ---- the tree ---- */

/* The new list of extensions, which everybody's leaf must support. */
static enum mls_status extensions_after(const struct attempt *a, struct mls_list *out) {
    if (!a->info.extensions_changed) {
        *out = a->g->now.parsed.extensions;
        return MLS_OK;
    }
    struct mls_reader it = mls_reader_of(a->commit->proposals.bytes);
    struct mls_proposal_or_ref entry;
    while (mls_proposal_or_ref_next(&it, &entry)) {
        if (entry.type == MLS_PROPOSAL_BY_VALUE && entry.proposal.type == MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS) {
            *out = entry.proposal.extensions;
            return MLS_OK;
        }
    }
    return MLS_PROPOSAL_REFUSED;
}

static enum mls_status apply_removes(struct attempt *a) {
    for (uint32_t i = 0; i < a->g->staged.proposals; i++) {
        const struct mls_proposal_info *p = &a->g->proposals[i];
        if (p->type != MLS_PROPOSAL_REMOVE)
            continue;
        if (!a->external && p->leaf_index == a->committer)
            return MLS_REMOVE_COMMITTER;
        if (tree_leaf(a->g->tree, p->leaf_index) == NULL)
            return MLS_LEAF_BLANK;
        enum mls_status status = tree_remove(a->g->tree, p->leaf_index);
        if (status != MLS_OK)
            return status;
    }
    return MLS_OK;
}

static enum mls_status apply_add(struct attempt *a, const struct mls_key_package *package,
                                 const struct mls_list *extensions, uint32_t *leaf) {
    struct public_group *g = a->g;
    enum mls_status status = mls_key_package_validate(&g->crypto, package);
    if (status == MLS_OK && a->unix_s != 0)
        status = mls_leaf_node_check_lifetime(&package->leaf_node, a->unix_s);
    if (status == MLS_OK)
        status = mls_leaf_node_check_group(&package->leaf_node, extensions);
    return status == MLS_OK ? tree_add(g->tree, package->leaf_node.encoding, leaf) : status;
}

static enum mls_status apply_adds(struct attempt *a, const struct mls_list *extensions) {
    struct mls_reader it = mls_reader_of(a->commit->proposals.bytes);
    struct mls_proposal_or_ref entry;
    for (uint32_t i = 0; mls_proposal_or_ref_next(&it, &entry); i++) {
        if (entry.type != MLS_PROPOSAL_BY_VALUE || entry.proposal.type != MLS_PROPOSAL_ADD)
            continue;
        enum mls_status status = apply_add(a, &entry.proposal.add, extensions, &a->g->proposals[i].leaf_index);
        if (status != MLS_OK)
            return status;
    }
    return MLS_OK;
}

static enum mls_status apply_path(struct attempt *a, const struct mls_list *extensions) {
    struct public_group *g = a->g;
    const struct mls_leaf_node *leaf = &a->commit->path.leaf_node;
    enum mls_status status = MLS_OK;
    if (!a->commit->has_path)
        return MLS_OK;
    if (a->external)
        status = tree_reserve(g->tree, &a->committer);
    if (status == MLS_OK)
        status = mls_leaf_node_check(&g->crypto, leaf, MLS_LEAF_COMMIT);
    if (status == MLS_OK)
        status = mls_leaf_node_check_group(leaf, extensions);
    if (status == MLS_OK)
        status = mls_leaf_node_verify(&g->crypto, leaf, public_group_id(g), a->committer);
    return status == MLS_OK ? tree_path_merge(g->tree, a->committer, &a->commit->path) : status;
}

/* Members that stay support a list of extensions that changed. */
static enum mls_status check_all_support(const struct attempt *a, const struct mls_list *extensions) {
    const struct tree *t = a->g->tree;
    for (uint32_t l = tree_next_member(t, 0); a->info.extensions_changed && l != TREE_NONE;
         l = tree_next_member(t, l + 1)) {
        enum mls_status status = mls_leaf_node_check_group(tree_leaf(t, l), extensions);
        if (status != MLS_OK)
            return status;
    }
    return MLS_OK;
}

/* ---- the epoch ---- */

static enum mls_status make_epoch(struct attempt *a, struct mls_list *extensions,
                                  const struct mls_hash *tree_hash_after, struct span group_info) {
    struct public_group *g = a->g;
    struct mls_hash confirmed;
    struct mls_group_info info;
    enum mls_status status = mls_confirmed_transcript_hash(&g->crypto, mls_hash_span(&g->now.interim),
                                                           a->content->confirmed_input, &confirmed);
    if (status != MLS_OK)
        return status;
    struct mls_group_context context = {.version = MLS_VERSION_10,
                                        .cipher_suite = g->crypto.suite->id,
                                        .group_id = public_group_id(g),
                                        .epoch = a->info.epoch,
                                        .tree_hash = mls_hash_span(tree_hash_after),
                                        .confirmed_transcript_hash = mls_hash_span(&confirmed),
                                        .extensions = *extensions};
    mls_group_context_write(&g->next.context, &context);
    if (!mls_buf_ok(&g->next.context))
        return g->next.context.status;
    if (!public_hash_set(&g->next.confirmation_tag, a->content->auth.confirmation_tag))
        return MLS_CONFIRMATION_TAG_INVALID;
    status = mls_interim_transcript_hash(&g->crypto, mls_hash_span(&confirmed), a->content->auth.confirmation_tag,
                                         &g->next.interim);
    if (status == MLS_OK)
        status = public_epoch_finish(g, &g->next, group_info, g->now.before.link_key, &g->staged.verdict);
    if (status != MLS_OK || group_info.len == 0)
        return status;
    status = public_info_parse(g, group_info, &info);
    if (status == MLS_OK && info.signer != a->committer)
        status = MLS_GROUP_INFO_MISMATCH;
    return status == MLS_OK ? mls_group_info_verify(&g->crypto, &info, tree_leaf(g->tree, a->committer)->signature_key)
                            : status;
}

/* Everything between tree_begin and its end. */
static enum mls_status apply(struct attempt *a, struct span group_info) {
    struct public_group *g = a->g;
    struct mls_hash hash = {.len = g->crypto.suite->hash_len};
    struct mls_list extensions;
    enum mls_status status = extensions_after(a, &extensions);
    if (status == MLS_OK)
        status = apply_removes(a);
    if (status == MLS_OK)
        status = apply_adds(a, &extensions);
    if (status == MLS_OK)
        status = apply_path(a, &extensions);
    if (status == MLS_OK)
        status = tree_check(g->tree);
    if (status == MLS_OK)
        status = check_all_support(a, &extensions);
    if (status == MLS_OK)
        status = tree_hash(g->tree, hash.bytes);
    if (status == MLS_OK)
        status = make_epoch(a, &extensions, &hash, group_info);
    if (status == MLS_OK)
        g->staged.committer = a->committer;
    return status;
}

/* What a caller may ask of the staged commit later points into g->commit, or into the tree that stands. */
static enum mls_status try_stage(struct attempt *a, struct span group_info, struct span seat_key) {
    struct public_group *g = a->g;
    enum mls_status status = check_sender(a, seat_key);
    if (status == MLS_OK)
        status = describe_all(a);
    if (status != MLS_OK)
        return status;
    const struct group_staged staged = {.info = &a->info, .proposal_at = proposal_at, .commit = g};
    g->staged.verdict = group_rules_commit(&g->now.before, &staged);
    if (g->staged.verdict != GROUP_GOOD)
        return g->staged.verdict == GROUP_NO_MEMORY ? MLS_NO_MEMORY : MLS_PROPOSAL_REFUSED;
    /* the tree of the epoch that ends is what late joiners may still ask for */
    if (public_group_tree(g, public_group_tree_hash(g)).len == 0)
        return MLS_NO_MEMORY;
    status = tree_begin(g->tree);
    if (status != MLS_OK)
        return status;
    status = apply(a, group_info);
    if (status != MLS_OK) {
        tree_rollback(g->tree);
        return status;
    }
    g->change = tree_detach(g->tree);
    g->committer = a->info.leaf;
    return MLS_OK;
}

static void forget(struct public_group *g) {
    tree_change_free(g->change);
    g->change = NULL;
    public_epoch_free(&g->next);
    mls_free(g->proposals, g->proposals_max * sizeof *g->proposals);
    g->proposals = NULL;
    g->proposals_max = 0;
    mls_buf_free(&g->commit);
    g->staged = (struct public_group_staged){0};
}

enum mls_status public_group_stage(struct public_group *g, struct span commit, struct span group_info,
                                   struct span seat_key, uint64_t unix_s, struct public_group_staged *out) {
    struct mls_message message;
    *out = (struct public_group_staged){0};
    if (g->change != NULL)
        return MLS_COMMIT_STAGED;
    mls_wr_span(&g->commit, commit);
    enum mls_status status = g->commit.status;
    if (status == MLS_OK)
        status = mls_message_parse(mls_buf_span(&g->commit), &message);
    if (status == MLS_OK && (message.wire_format != MLS_WIRE_PUBLIC_MESSAGE ||
                             message.public_message.authenticated.content.content_type != MLS_CONTENT_COMMIT))
        status = MLS_WIRE_FORMAT_REFUSED;
    if (status == MLS_OK) {
        struct attempt a = {.g = g,
                            .content = &message.public_message.authenticated,
                            .commit = &message.public_message.authenticated.content.commit,
                            .unix_s = unix_s,
                            .committer = TREE_NONE};
        status = try_stage(&a, group_info, seat_key);
    }
    *out = g->staged;
    if (status != MLS_OK)
        forget(g);
    return status;
}

bool public_group_is_staged(const struct public_group *g) {
    return g->change != NULL;
}

bool public_group_staged_proposal(const struct public_group *g, uint32_t index, struct mls_proposal_info *out) {
    return g->change != NULL && proposal_at(g, index, out);
}

bool public_group_staged_committer(const struct public_group *g, struct mls_leaf_info *out) {
    if (g->change == NULL)
        return false;
    if (g->committer.signature_key.len == 0)
        return public_group_leaf(g, g->staged.committer, out);
    *out = g->committer;
    return true;
}

void public_group_keep(struct public_group *g) {
    if (g->change == NULL)
        return;
    struct public_tree *past = &g->past[g->past_next++ % PUBLIC_GROUP_TREES_MAX];
    mls_buf_free(&past->bytes);
    past->bytes = g->tree_bytes;
    past->hash.len = 0;
    (void)public_hash_set(&past->hash, public_group_tree_hash(g));
    mls_buf_init(&g->tree_bytes, MLS_TREE_LEN_MAX);
    tree_attach(g->tree, g->change);
    g->change = NULL;
    tree_keep(g->tree);
    public_epoch_free(&g->now);
    g->now = g->next;
    public_epoch_init(&g->next);
    public_epoch_bind(g, &g->now);
    memset(g->standings, 0, g->leaves_max * sizeof *g->standings);
    g->removes_count = 0;
    forget(g);
}

void public_group_withdraw(struct public_group *g) {
    if (g->change != NULL)
        forget(g);
}
