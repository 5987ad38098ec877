#include "group/public1.h"

#include <string.h>

#include "base/assert.h"
#include "e2ee/mls.h"
#include "e2ee/mls_framing.h"
#include "e2ee/mls_schedule.h"
#include "e2ee/mls_validate.h"

struct span public1_group_identity(const struct public1_group *g, uint32_t leaf) {
    const struct mls_leaf_node *node = tree_leaf(g->tree, leaf);
    return node != NULL ? node->credential.identity : span_of(NULL, 0);
}

uint32_t public1_group_find(const struct public1_group *g, struct span identity) {
    for (uint32_t leaf = tree_next_member(g->tree, 0); leaf != TREE_NONE; leaf = tree_next_member(g->tree, leaf + 1)) {
        if (span_equal(public1_group_identity(g, leaf), identity))
            return leaf;
    }
    return TREE_NONE;
}

static bool meeting_of(struct span context, struct secure_meeting *out) {
    struct mls_group_context parsed;
    struct span data;
    return mls_group_context_parse(context, &parsed) == MLS_OK &&
           mls_extensions_find(&parsed.extensions, SECURE_EXTENSION_MEETING, &data) && secure_meeting_read(data, out);
}

bool public1_group_is_host(const struct public1_group *g, uint32_t leaf) {
    struct secure_meeting meeting;
    return meeting_of(mls_buf_span(&g->context), &meeting) && secure_is_host(&meeting, public1_group_identity(g, leaf));
}

/* ---- GroupInfo ---- */

/* The parts of a GroupInfo that have to fit: signed by `signer`, for meetings, open to external commits. */
static enum mls_status read_info(const struct public1_group *g, struct span bytes, struct mls_group_info *out) {
    struct mls_message message;
    struct span external_pub;
    enum mls_status status = mls_message_parse(bytes, &message);
    if (status != MLS_OK)
        return status;
    if (message.wire_format != MLS_WIRE_GROUP_INFO || bytes.len > PUBLIC1_GROUP_INFO_LEN_MAX)
        return MLS_WIRE_FORMAT_REFUSED;
    *out = message.group_info;
    const struct mls_leaf_node *signer = tree_leaf(g->tree, out->signer);
    if (signer == NULL)
        return MLS_LEAF_BLANK;
    if (out->group_context.cipher_suite != g->crypto.suite->id)
        return MLS_SUITE_UNSUPPORTED;
    if (!mls_extensions_find(&out->extensions, MLS_EXTENSION_EXTERNAL_PUB, &external_pub))
        return MLS_GROUP_INFO_EXTERNAL_PUB_MISSING;
    return mls_group_info_verify(&g->crypto, out, signer->signature_key);
}

/* Takes over what `info` says; its tree is the tree of the object. Fails only for memory, and then changes nothing. */
static enum mls_status enter(struct public1_group *g, struct span bytes, const struct mls_group_info *info,
                             const struct mls_hash *tree_hash) {
    struct mls_hash interim;
    enum mls_status status = mls_interim_transcript_hash(&g->crypto, info->group_context.confirmed_transcript_hash,
                                                         info->confirmation_tag, &interim);
    struct mls_buf new_info, context;
    mls_buf_init(&new_info, PUBLIC1_GROUP_INFO_LEN_MAX);
    mls_buf_init(&context, PUBLIC1_GROUP_INFO_LEN_MAX);
    mls_wr_span(&new_info, bytes);
    mls_wr_span(&context, info->group_context.encoding);
    if (status == MLS_OK)
        status = mls_buf_ok(&new_info) ? context.status : new_info.status;
    if (status != MLS_OK) {
        mls_buf_free(&new_info);
        mls_buf_free(&context);
        return status;
    }
    g->epoch = info->group_context.epoch;
    g->interim = interim;
    mls_buf_free(&g->info);
    mls_buf_free(&g->context);
    g->info = new_info;
    g->context = context;
    g->tree_hash = *tree_hash;
    g->removes_count = 0;
    return MLS_OK;
}

/* ---- birth ---- */

static enum mls_status check_first(const struct public1_group *g, const struct mls_group_info *info,
                                   struct span identity, struct span meeting_hash, struct span external_sender) {
    struct secure_meeting meeting;
    struct span senders;
    const struct mls_leaf_node *leaf = tree_leaf(g->tree, info->signer);
    if (info->group_context.epoch != 0 || tree_member_count(g->tree) != 1)
        return MLS_EPOCH_AHEAD;
    if (!secure_identity_good(identity) || !span_equal(leaf->credential.identity, identity))
        return MLS_CREDENTIAL_REFUSED;
    if (!meeting_of(info->group_context.encoding, &meeting) || !span_equal(meeting.meeting, meeting_hash) ||
        !secure_is_host(&meeting, identity))
        return MLS_WRONG_GROUP;
    /* exactly one external sender: ours */
    if (!mls_extensions_find(&info->group_context.extensions, MLS_EXTENSION_EXTERNAL_SENDERS, &senders))
        return MLS_SENDER_EXTERNAL_UNKNOWN;
    struct mls_reader r = mls_reader_of(senders);
    struct span list = mls_rd_vec(&r, senders.len, MLS_TOO_LARGE);
    return mls_reader_end(&r) == MLS_OK && span_equal(list, external_sender) ? MLS_OK : MLS_SENDER_EXTERNAL_UNKNOWN;
}

enum mls_status public1_group_create(struct public1_group *g, const struct mls_crypto *crypto, uint32_t members_max,
                                     struct span group_info, struct span tree, struct span identity,
                                     struct span meeting_hash, struct span external_sender, struct rng *rng) {
    struct mls_group_info info = {0};
    struct mls_hash tree_hash_now = {.len = crypto->suite->hash_len};
    memset(g, 0, sizeof *g);
    g->crypto = *crypto;
    g->members_max = members_max;
    mls_buf_init(&g->info, PUBLIC1_GROUP_INFO_LEN_MAX);
    mls_buf_init(&g->context, PUBLIC1_GROUP_INFO_LEN_MAX);
    mls_buf_init(&g->tree_bytes, MLS_TREE_LEN_MAX);
    for (size_t i = 0; i < PUBLIC1_GROUP_TREES_MAX; i++)
        mls_buf_init(&g->past[i].bytes, MLS_TREE_LEN_MAX);
    enum mls_status status = tree_read(crypto, members_max, rng, tree, &g->tree);
    if (status == MLS_OK)
        status = tree_validate(g->tree);
    if (status == MLS_OK)
        status = tree_hash(g->tree, tree_hash_now.bytes);
    if (status == MLS_OK)
        status = read_info(g, group_info, &info);
    if (status == MLS_OK && !mls_hash_equal(&tree_hash_now, info.group_context.tree_hash))
        status = MLS_TREE_HASH_WRONG;
    if (status == MLS_OK)
        status =
            mls_leaf_node_verify(crypto, tree_leaf(g->tree, info.signer), info.group_context.group_id, info.signer);
    if (status == MLS_OK)
        status = check_first(g, &info, identity, meeting_hash, external_sender);
    if (status == MLS_OK)
        status = enter(g, group_info, &info, &tree_hash_now);
    if (status != MLS_OK)
        public1_group_free(g);
    return status;
}

void public1_group_free(struct public1_group *g) {
    tree_free(g->tree);
    g->tree = NULL;
    mls_buf_free(&g->info);
    mls_buf_free(&g->context);
    mls_buf_free(&g->tree_bytes);
    for (size_t i = 0; i < PUBLIC1_GROUP_TREES_MAX; i++)
        mls_buf_free(&g->past[i].bytes);
    g->removes_count = 0;
}

/* ---- proposals ---- */

bool public1_group_is_leaving(const struct public1_group *g, uint32_t leaf) {
    for (uint32_t i = 0; i < g->removes_count; i++) {
        if (g->removes[i].leaf == leaf)
            return true;
    }
    return false;
}

static struct span group_id_of(const struct public1_group *g) {
    struct mls_group_context context;
    enum mls_status status = mls_group_context_parse(mls_buf_span(&g->context), &context);
    ASSERT(status == MLS_OK);
    return context.group_id;
}

enum mls_status public1_group_remove(struct public1_group *g, uint32_t leaf, const struct secret *signature_key,
                                     struct mls_buf *message) {
    ASSERT(tree_leaf(g->tree, leaf) != NULL);
    struct mls_proposal proposal = {.type = MLS_PROPOSAL_REMOVE, .removed = leaf};
    struct mls_draft_header header = {.wire_format = MLS_WIRE_PUBLIC_MESSAGE,
                                      .group_id = group_id_of(g),
                                      .epoch = g->epoch,
                                      .sender = {.type = MLS_SENDER_EXTERNAL},
                                      .content_type = MLS_CONTENT_PROPOSAL};
    struct mls_hash ref = {0};
    struct mls_draft draft;
    if (g->removes_count == PUBLIC1_GROUP_REMOVES_MAX)
        return MLS_PROPOSALS_STORED_TOO_MANY;
    mls_draft_begin(&draft, &header);
    mls_proposal_write(&draft.bytes, &proposal);
    enum mls_status status = mls_draft_sign(&draft, &g->crypto, mls_buf_span(&g->context), signature_key);
    if (status == MLS_OK)
        status = mls_proposal_ref(&g->crypto, mls_draft_authenticated(&draft), &ref);
    if (status == MLS_OK)
        status = mls_public_protect(&draft, &g->crypto, mls_buf_span(&g->context), NULL);
    if (status == MLS_OK) {
        mls_wr_span(message, mls_buf_span(&draft.bytes));
        status = message->status;
    }
    if (status == MLS_OK)
        g->removes[g->removes_count++] = (struct public1_group_remove){.ref = ref, .leaf = leaf};
    mls_draft_free(&draft);
    return status;
}

/* ---- commits ---- */

struct attempt {
    struct public1_group *g;
    const struct public1_group_sender *sender;
    const struct mls_authenticated_content *content;
    const struct mls_commit *commit;
    uint64_t unix_s;
    bool external;
    bool host;
    bool psk;
    bool external_init;
    uint32_t committer;     /* of a member; TREE_NONE before an external one has its place */
    struct span extensions; /* a GroupContextExtensions proposal's new list */
    bool extensions_changed;
};

static enum mls_status resolve(const struct attempt *a, const struct mls_proposal_or_ref *entry,
                               struct mls_proposal *out, bool *ours) {
    *ours = false;
    if (entry->type == MLS_PROPOSAL_BY_VALUE) {
        *out = entry->proposal;
        return MLS_OK;
    }
    for (uint32_t i = 0; i < a->g->removes_count; i++) {
        if (mls_hash_equal(&a->g->removes[i].ref, entry->reference)) {
            *out = (struct mls_proposal){.type = MLS_PROPOSAL_REMOVE, .removed = a->g->removes[i].leaf};
            *ours = true;
            return MLS_OK;
        }
    }
    return MLS_PROPOSAL_UNKNOWN_REF;
}

/* Who may remove: hosts, the server by its own proposal, a returning member its former leaf. */
static enum mls_status may_remove(const struct attempt *a, uint32_t leaf, bool ours) {
    const struct mls_leaf_node *gone = tree_leaf(a->g->tree, leaf);
    if (gone == NULL)
        return MLS_LEAF_BLANK;
    if (ours)
        return MLS_OK;
    if (!a->external)
        return a->host ? MLS_OK : MLS_PROPOSAL_REFUSED;
    bool self = span_equal(gone->credential.identity, a->sender->identity) && a->commit->has_path &&
                span_equal(gone->signature_key, a->commit->path.leaf_node.signature_key);
    return self ? MLS_OK : MLS_PROPOSAL_REFUSED;
}

/* What a proposal needs beside the tree. */
static enum mls_status note(struct attempt *a, const struct mls_proposal *proposal, bool ours) {
    switch (proposal->type) {
    case MLS_PROPOSAL_REMOVE:
        return may_remove(a, proposal->removed, ours);
    case MLS_PROPOSAL_ADD:
        return a->external ? MLS_PROPOSAL_REFUSED : MLS_OK;
    case MLS_PROPOSAL_PSK:
        if (proposal->psk.type != MLS_PSK_EXTERNAL || !span_equal_str(proposal->psk.id, SECURE_PSK_ID))
            return MLS_PROPOSAL_REFUSED;
        a->psk = true;
        return MLS_OK;
    case MLS_PROPOSAL_EXTERNAL_INIT:
        a->external_init = true;
        return a->external ? MLS_OK : MLS_PROPOSAL_REFUSED;
    case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS:
        if (!a->host || a->external || a->extensions_changed)
            return MLS_PROPOSAL_REFUSED;
        a->extensions_changed = true;
        a->extensions = proposal->extensions.bytes;
        return MLS_OK;
    default:
        return MLS_PROPOSAL_REFUSED;
    }
}

static enum mls_status add(struct attempt *a, const struct mls_key_package *package) {
    struct public1_group *g = a->g;
    struct mls_group_context context;
    uint32_t leaf;
    enum mls_status status = mls_group_context_parse(mls_buf_span(&g->context), &context);
    if (status == MLS_OK)
        status = mls_key_package_validate(&g->crypto, package);
    if (status == MLS_OK && a->unix_s != 0)
        status = mls_leaf_node_check_lifetime(&package->leaf_node, a->unix_s);
    if (status == MLS_OK)
        status = mls_leaf_node_check_group(&package->leaf_node, &context.extensions);
    if (status == MLS_OK && (package->leaf_node.credential.type != MLS_CREDENTIAL_BASIC ||
                             !secure_identity_good(package->leaf_node.credential.identity)))
        status = MLS_CREDENTIAL_REFUSED;
    if (status == MLS_OK && public1_group_find(g, package->leaf_node.credential.identity) != TREE_NONE)
        status = MLS_CREDENTIAL_REFUSED;
    return status == MLS_OK ? tree_add(g->tree, package->leaf_node.encoding, &leaf) : status;
}

enum pass { PASS_RULES, PASS_REMOVES, PASS_ADDS };

/* One walk over the proposals: all rules first, then removes, then adds (section 12.3). */
static enum mls_status walk(struct attempt *a, enum pass pass) {
    struct mls_reader it = mls_reader_of(a->commit->proposals.bytes);
    struct mls_proposal_or_ref entry;
    while (mls_proposal_or_ref_next(&it, &entry)) {
        struct mls_proposal proposal;
        bool ours;
        enum mls_status status = resolve(a, &entry, &proposal, &ours);
        if (status == MLS_OK && pass == PASS_RULES)
            status = note(a, &proposal, ours);
        else if (status == MLS_OK && pass == PASS_REMOVES && proposal.type == MLS_PROPOSAL_REMOVE)
            status =
                proposal.removed == a->committer ? MLS_REMOVE_COMMITTER : tree_remove(a->g->tree, proposal.removed);
        else if (status == MLS_OK && pass == PASS_ADDS && proposal.type == MLS_PROPOSAL_ADD)
            status = add(a, &proposal.add);
        if (status != MLS_OK)
            return status;
    }
    return MLS_OK;
}

static enum mls_status merge_path(struct attempt *a) {
    struct public1_group *g = a->g;
    struct mls_group_context context;
    const struct mls_leaf_node *leaf = &a->commit->path.leaf_node;
    enum mls_status status = mls_group_context_parse(mls_buf_span(&g->context), &context);
    if (!a->commit->has_path)
        return a->external ? MLS_PATH_MISSING : MLS_OK;
    if (status == MLS_OK && a->external)
        status = tree_reserve(g->tree, &a->committer);
    if (status == MLS_OK)
        status = mls_leaf_node_check(&g->crypto, leaf, MLS_LEAF_COMMIT);
    if (status == MLS_OK)
        status = mls_leaf_node_check_group(leaf, &context.extensions);
    if (status == MLS_OK &&
        (leaf->credential.type != MLS_CREDENTIAL_BASIC || !secure_identity_good(leaf->credential.identity) ||
         !span_equal(leaf->credential.identity, a->sender->identity)))
        status = MLS_CREDENTIAL_REFUSED;
    if (status == MLS_OK)
        status = mls_leaf_node_verify(&g->crypto, leaf, context.group_id, a->committer);
    return status == MLS_OK ? tree_path_merge(g->tree, a->committer, &a->commit->path) : status;
}

/* Roles may change; the meeting, and every other extension, may not. */
static enum mls_status check_extensions(const struct attempt *a, const struct mls_group_context *before,
                                        const struct mls_group_context *after) {
    if (!a->extensions_changed)
        return span_equal(before->extensions.bytes, after->extensions.bytes) ? MLS_OK : MLS_GROUP_INFO_MISMATCH;
    if (!span_equal(a->extensions, after->extensions.bytes) || before->extensions.count != after->extensions.count)
        return MLS_PROPOSAL_REFUSED;
    struct mls_reader it = mls_reader_of(after->extensions.bytes);
    struct mls_extension extension;
    while (mls_extensions_next(&it, &extension)) {
        struct span old;
        struct secure_meeting was, is;
        if (!mls_extensions_find(&before->extensions, extension.type, &old))
            return MLS_PROPOSAL_REFUSED;
        if (extension.type == SECURE_EXTENSION_MEETING) {
            if (!secure_meeting_read(old, &was) || !secure_meeting_read(extension.data, &is) ||
                !span_equal(was.meeting, is.meeting))
                return MLS_PROPOSAL_REFUSED;
        } else if (!span_equal(old, extension.data)) {
            return MLS_PROPOSAL_REFUSED;
        }
    }
    return MLS_OK;
}

/* The GroupInfo that came with the commit must be what the commit leads to. */
static enum mls_status check_info(struct attempt *a, const struct mls_group_info *info, const struct mls_hash *hash) {
    const struct public1_group *g = a->g;
    const struct mls_group_context *after = &info->group_context;
    struct mls_group_context before;
    struct mls_hash confirmed;
    enum mls_status status = mls_group_context_parse(mls_buf_span(&g->context), &before);
    if (status != MLS_OK)
        return status;
    if (info->signer != a->committer || after->epoch != g->epoch + 1 || !span_equal(after->group_id, before.group_id))
        return MLS_GROUP_INFO_MISMATCH;
    if (!mls_hash_equal(hash, after->tree_hash))
        return MLS_TREE_HASH_WRONG;
    status =
        mls_confirmed_transcript_hash(&g->crypto, mls_hash_span(&g->interim), a->content->confirmed_input, &confirmed);
    if (status == MLS_OK && (!mls_hash_equal(&confirmed, after->confirmed_transcript_hash) ||
                             !span_equal(a->content->auth.confirmation_tag, info->confirmation_tag)))
        status = MLS_GROUP_INFO_MISMATCH;
    return status == MLS_OK ? check_extensions(a, &before, after) : status;
}

static enum mls_status check_sender(struct attempt *a) {
    const struct mls_framed_content *content = &a->content->content;
    struct mls_group_context context;
    struct span key;
    enum mls_status status = mls_group_context_parse(mls_buf_span(&a->g->context), &context);
    if (status == MLS_OK)
        status = mls_content_check_sender(a->content);
    if (status != MLS_OK)
        return status;
    if (!span_equal(content->group_id, context.group_id))
        return MLS_WRONG_GROUP;
    if (content->epoch != a->g->epoch)
        return content->epoch < a->g->epoch ? MLS_EPOCH_OVER : MLS_EPOCH_AHEAD;
    if (content->sender.type == MLS_SENDER_MEMBER) {
        const struct mls_leaf_node *leaf = tree_leaf(a->g->tree, content->sender.index);
        if (leaf == NULL || !span_equal(leaf->credential.identity, a->sender->identity))
            return MLS_SENDER_NOT_MEMBER;
        if (public1_group_is_leaving(a->g, content->sender.index))
            return MLS_REMOVE_COMMITTER;
        a->committer = content->sender.index;
        a->host = public1_group_is_host(a->g, a->committer);
        key = leaf->signature_key;
    } else if (content->sender.type == MLS_SENDER_NEW_MEMBER_COMMIT && a->sender->may_join && a->commit->has_path) {
        a->external = true;
        key = a->commit->path.leaf_node.signature_key;
    } else {
        return MLS_SENDER_NOT_MEMBER;
    }
    return mls_content_verify(&a->g->crypto, a->content, mls_buf_span(&a->g->context), key);
}

/* Everything between tree_begin and its end. */
static enum mls_status try_commit(struct attempt *a, struct span group_info) {
    struct public1_group *g = a->g;
    struct mls_hash hash = {.len = g->crypto.suite->hash_len};
    struct mls_group_info info;
    uint32_t members = tree_member_count(g->tree);
    enum mls_status status = walk(a, PASS_REMOVES);
    if (status == MLS_OK)
        status = walk(a, PASS_ADDS);
    /* somebody new needs the link's secret; and one identity is here once */
    bool adds = tree_member_count(g->tree) > members || a->external;
    if (status == MLS_OK && a->external && public1_group_find(g, a->sender->identity) != TREE_NONE)
        status = MLS_CREDENTIAL_REFUSED;
    if (status == MLS_OK && adds && !a->psk)
        status = MLS_PROPOSAL_REFUSED;
    if (status == MLS_OK)
        status = merge_path(a);
    if (status == MLS_OK)
        status = tree_check(g->tree);
    if (status == MLS_OK)
        status = tree_hash(g->tree, hash.bytes);
    if (status == MLS_OK)
        status = read_info(g, group_info, &info);
    if (status == MLS_OK)
        status = check_info(a, &info, &hash);
    if (status != MLS_OK)
        return status;
    return enter(g, group_info, &info, &hash);
}

enum mls_status public1_group_commit(struct public1_group *g, const struct public1_group_sender *sender,
                                     struct span commit, struct span group_info, uint64_t unix_s,
                                     struct public1_group_result *result) {
    struct mls_message message;
    enum mls_status status = mls_message_parse(commit, &message);
    if (status != MLS_OK)
        return status;
    if (message.wire_format != MLS_WIRE_PUBLIC_MESSAGE ||
        message.public_message.authenticated.content.content_type != MLS_CONTENT_COMMIT)
        return MLS_WIRE_FORMAT_REFUSED;
    struct attempt a = {.g = g,
                        .sender = sender,
                        .content = &message.public_message.authenticated,
                        .commit = &message.public_message.authenticated.content.commit,
                        .unix_s = unix_s,
                        .committer = TREE_NONE};
    status = check_sender(&a);
    if (status == MLS_OK)
        status = walk(&a, PASS_RULES);
    if (status == MLS_OK && a.external != a.external_init)
        status = MLS_PROPOSAL_REFUSED;
    /* the tree of the epoch that ends is what late joiners may still ask for */
    struct span tree_now = status == MLS_OK ? public1_group_tree(g, mls_hash_span(&g->tree_hash)) : span_of(NULL, 0);
    if (status == MLS_OK && tree_now.len == 0)
        status = MLS_NO_MEMORY;
    if (status == MLS_OK)
        status = tree_begin(g->tree);
    if (status != MLS_OK)
        return status;
    struct mls_hash tree_hash_before = g->tree_hash;
    status = try_commit(&a, group_info);
    if (status != MLS_OK) {
        tree_rollback(g->tree);
        return status;
    }
    tree_keep(g->tree);
    struct public1_group_tree *past = &g->past[g->past_next++ % PUBLIC1_GROUP_TREES_MAX];
    mls_buf_free(&past->bytes);
    *past = (struct public1_group_tree){.hash = tree_hash_before, .bytes = g->tree_bytes};
    mls_buf_init(&g->tree_bytes, MLS_TREE_LEN_MAX);
    *result = (struct public1_group_result){.committer = a.committer, .external = a.external};
    return MLS_OK;
}

struct span public1_group_tree(struct public1_group *g, struct span tree_hash) {
    if (mls_hash_equal(&g->tree_hash, tree_hash)) {
        if (mls_buf_len(&g->tree_bytes) == 0 && tree_write(g->tree, &g->tree_bytes) != MLS_OK)
            mls_buf_free(&g->tree_bytes);
        return mls_buf_span(&g->tree_bytes);
    }
    for (size_t i = 0; i < PUBLIC1_GROUP_TREES_MAX; i++) {
        if (g->past[i].hash.len > 0 && mls_hash_equal(&g->past[i].hash, tree_hash))
            return mls_buf_span(&g->past[i].bytes);
    }
    return span_of(NULL, 0);
}
