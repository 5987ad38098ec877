#include "group/public.h"

#include <string.h>

#include "base/assert.h"
#include "e2ee/mem.h"
#include "e2ee/mls_framing.h"
#include "e2ee/mls_group.h"
#include "e2ee/mls_schedule.h"
#include "e2ee/mls_validate.h"
#include "group/link.h"
#include "group/public_internal.h"

/* ---- an epoch ---- */

void public_epoch_init(struct public_epoch *e) {
    *e = (struct public_epoch){0};
    mls_buf_init(&e->context, INFO_LEN_MAX);
    mls_buf_init(&e->info, INFO_LEN_MAX);
}

void public_epoch_free(struct public_epoch *e) {
    mls_buf_free(&e->context);
    mls_buf_free(&e->info);
    public_epoch_init(e);
}

static bool leaf_at(const void *group, uint32_t leaf_index, struct mls_leaf_info *out) {
    return public_group_leaf(group, leaf_index, out);
}

void public_epoch_bind(struct public_group *g, struct public_epoch *e) {
    e->before.link_key = span_of(e->link_key, sizeof e->link_key);
    e->before.leaf_at = leaf_at;
    e->before.group = g;
}

enum mls_status public_info_parse(const struct public_group *g, struct span bytes, struct mls_group_info *out) {
    struct mls_message message;
    struct span external_pub;
    if (bytes.len > INFO_LEN_MAX)
        return MLS_TOO_LARGE;
    enum mls_status status = mls_message_parse(bytes, &message);
    if (status != MLS_OK)
        return status;
    if (message.wire_format != MLS_WIRE_GROUP_INFO)
        return MLS_WIRE_FORMAT_REFUSED;
    *out = message.group_info;
    if (out->group_context.cipher_suite != g->crypto.suite->id)
        return MLS_SUITE_UNSUPPORTED;
    if (!mls_extensions_find(&out->extensions, MLS_EXTENSION_EXTERNAL_PUB, &external_pub))
        return MLS_GROUP_INFO_EXTERNAL_PUB_MISSING;
    return MLS_OK;
}

/* The Info of a GroupInfo: of the Meeting's generation, with bodies that fit their hashes; its tag. */
static enum mls_status take_info_extension(struct public_group *g, struct public_epoch *e,
                                           const struct mls_group_info *info) {
    struct group_info ours;
    struct group_meeting meeting;
    struct span data, external_pub, founding;
    static const uint8_t zeros[GROUP_HASH_LEN];
    uint8_t hash[HASH_LEN_MAX] = {0};
    bool found = mls_extensions_find(&info->extensions, MLS_EXTENSION_EXTERNAL_PUB, &data);
    if (!found || mls_external_pub_parse(data, &external_pub) != MLS_OK ||
        kem_public_good(g->crypto.backend, g->crypto.suite->hpke.kem, external_pub) == CRYPTO_INVALID)
        return MLS_GROUP_INFO_EXTERNAL_PUB_MISSING;
    if (!group_info_of(info->extensions.bytes, &ours) || !group_meeting_of(e->parsed.extensions.bytes, &meeting) ||
        ours.generation != meeting.generation || ours.policy.len > 0)
        return MLS_GROUP_INFO_MISMATCH;
    founding = ours.founding;
    if (founding.len > 0)
        (void)g->crypto.backend->hash(HASH_SHA256, &founding, 1, hash);
    if (!span_equal(meeting.founding, span_of(founding.len > 0 ? hash : zeros, GROUP_HASH_LEN)))
        return MLS_GROUP_INFO_MISMATCH;
    memcpy(e->link_key, ours.link_key.data, sizeof e->link_key);
    group_info_tag(g->crypto.backend, external_pub, ours.generation, ours.link_key, e->info_tag);
    return MLS_OK;
}

enum mls_status public_epoch_finish(struct public_group *g, struct public_epoch *e, struct span info_bytes,
                                    struct span link_key, enum group_verdict *verdict) {
    struct mls_group_info info;
    struct group_meeting meeting;
    enum mls_status status = mls_group_context_parse(mls_buf_span(&e->context), &e->parsed);
    if (status == MLS_OK && !group_meeting_of(e->parsed.extensions.bytes, &meeting))
        status = MLS_EXTENSION_MALFORMED;
    if (status != MLS_OK)
        return status;
    if (info_bytes.len > 0) {
        status = public_info_parse(g, info_bytes, &info);
        if (status == MLS_OK && (!span_equal(info.group_context.encoding, mls_buf_span(&e->context)) ||
                                 !mls_hash_equal(&e->confirmation_tag, info.confirmation_tag)))
            status = MLS_GROUP_INFO_MISMATCH;
        if (status == MLS_OK)
            status = take_info_extension(g, e, &info);
        if (status == MLS_OK) {
            mls_wr_span(&e->info, info_bytes);
            status = e->info.status;
        }
    } else if (link_key.len == sizeof e->link_key) {
        memcpy(e->link_key, link_key.data, sizeof e->link_key);
    }
    if (status != MLS_OK)
        return status;
    /* what a change of generation leads to is only in a GroupInfo, and a key that did not change is the former one */
    bool raised = link_key.len > 0 && meeting.generation != g->now.before.meeting.generation;
    if (link_key.len > 0 && !raised && !span_equal(span_of(e->link_key, sizeof e->link_key), link_key))
        return MLS_GROUP_INFO_MISMATCH;
    if (raised && info_bytes.len == 0) {
        *verdict = GROUP_UNSUPPORTED;
        return MLS_PROPOSAL_REFUSED;
    }
    *verdict = group_rules_before(g->crypto.backend, e->parsed.cipher_suite, e->parsed.extensions.bytes,
                                  span_of(e->link_key, sizeof e->link_key), &e->before);
    return *verdict == GROUP_GOOD ? MLS_OK : MLS_PROPOSAL_REFUSED;
}

/* ---- life ---- */

static struct public_group *make(const struct mls_crypto *crypto, uint32_t members_max) {
    struct public_group *g = mls_alloc(sizeof *g);
    if (g == NULL)
        return NULL;
    *g = (struct public_group){.crypto = *crypto, .members_max = members_max, .leaves_max = 1};
    while (g->leaves_max < members_max)
        g->leaves_max *= 2;
    public_epoch_init(&g->now);
    public_epoch_init(&g->next);
    mls_buf_init(&g->tree_bytes, MLS_TREE_LEN_MAX);
    mls_buf_init(&g->check, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&g->commit, MLS_MESSAGE_LEN_MAX);
    for (size_t i = 0; i < PUBLIC_GROUP_TREES_MAX; i++)
        mls_buf_init(&g->past[i].bytes, MLS_TREE_LEN_MAX);
    g->standings = mls_alloc(g->leaves_max * sizeof *g->standings);
    g->removes = mls_alloc(PUBLIC_GROUP_REMOVES_MAX * sizeof *g->removes);
    if (g->standings != NULL && g->removes != NULL)
        return g;
    public_group_free(g);
    return NULL;
}

void public_group_free(struct public_group *g) {
    if (g == NULL)
        return;
    public_group_withdraw(g);
    tree_free(g->tree);
    public_epoch_free(&g->now);
    mls_buf_free(&g->tree_bytes);
    mls_buf_free(&g->check);
    for (size_t i = 0; i < PUBLIC_GROUP_TREES_MAX; i++)
        mls_buf_free(&g->past[i].bytes);
    mls_free(g->standings, g->leaves_max * sizeof *g->standings);
    mls_free(g->removes, PUBLIC_GROUP_REMOVES_MAX * sizeof *g->removes);
    mls_free(g, sizeof *g);
}

/* Everything about the leaves that a tree alone tells, as who joins checks it (RFC 9420 section 12.4.3.1). */
static enum mls_status check_leaves(const struct public_group *g, const struct mls_group_context *context) {
    for (uint32_t l = tree_next_member(g->tree, 0); l != TREE_NONE; l = tree_next_member(g->tree, l + 1)) {
        const struct mls_leaf_node *leaf = tree_leaf(g->tree, l);
        enum mls_status status = mls_leaf_node_check(&g->crypto, leaf, 0);
        if (status == MLS_OK)
            status = mls_leaf_node_check_group(leaf, &context->extensions);
        if (status != MLS_OK)
            return status;
    }
    return MLS_OK;
}

static enum mls_status open_epoch(struct public_group *g, struct span group_info, struct span tree, struct rng *rng) {
    struct mls_group_info info;
    enum group_verdict verdict = GROUP_GOOD;
    struct mls_hash hash = {.len = g->crypto.suite->hash_len};
    enum mls_status status = public_info_parse(g, group_info, &info);
    if (status == MLS_OK)
        status = tree_read(&g->crypto, g->members_max, rng, tree, &g->tree);
    if (status == MLS_OK)
        status = tree_hash(g->tree, hash.bytes);
    if (status == MLS_OK && !mls_hash_equal(&hash, info.group_context.tree_hash))
        status = MLS_TREE_HASH_WRONG;
    if (status == MLS_OK)
        status = tree_validate(g->tree);
    if (status == MLS_OK)
        status = check_leaves(g, &info.group_context);
    if (status != MLS_OK)
        return status;
    const struct mls_leaf_node *signer = tree_leaf(g->tree, info.signer);
    if (signer == NULL)
        return MLS_GROUP_INFO_SIGNER_BLANK;
    status = mls_group_info_verify(&g->crypto, &info, signer->signature_key);
    if (status == MLS_OK)
        status = mls_leaf_node_verify(&g->crypto, signer, info.group_context.group_id, info.signer);
    if (status != MLS_OK)
        return status;
    tree_set_verified(g->tree, info.signer);
    if (!public_hash_set(&g->now.confirmation_tag, info.confirmation_tag))
        return MLS_CONFIRMATION_TAG_INVALID;
    mls_wr_span(&g->now.context, info.group_context.encoding);
    status = mls_buf_ok(&g->now.context)
                 ? mls_interim_transcript_hash(&g->crypto, info.group_context.confirmed_transcript_hash,
                                               info.confirmation_tag, &g->now.interim)
                 : g->now.context.status;
    if (status == MLS_OK)
        status = public_epoch_finish(g, &g->now, group_info, span_of(NULL, 0), &verdict);
    if (status == MLS_OK)
        public_epoch_bind(g, &g->now);
    return status;
}

enum mls_status public_group_open(const struct mls_crypto *crypto, uint32_t members_max, struct span group_info,
                                  struct span tree, struct rng *rng, struct public_group **out) {
    struct public_group *g = make(crypto, members_max);
    *out = NULL;
    if (g == NULL)
        return MLS_NO_MEMORY;
    enum mls_status status = open_epoch(g, group_info, tree, rng);
    if (status != MLS_OK) {
        public_group_free(g);
        return status;
    }
    *out = g;
    return MLS_OK;
}

enum mls_status public_group_verify(struct public_group *g, uint32_t max) {
    for (uint32_t i = 0; i < max; i++) {
        struct tree_verify_job job;
        enum mls_status status = tree_verify_next(g->tree, public_group_id(g), &g->check_cursor, &g->check, &job);
        if (status != MLS_OK)
            return status;
        if (job.leaf == TREE_NONE)
            return MLS_OK;
        enum crypto_status good =
            g->crypto.backend->verify(g->crypto.suite->sign, job.public_key, job.message, job.signature);
        if (good == CRYPTO_NO_MEMORY) {
            tree_verify_give_back(g->tree, job.ticket);
            g->check_cursor = job.leaf;
            return MLS_NO_MEMORY;
        }
        status = tree_verify_done(g->tree, job.ticket, good == CRYPTO_OK);
        if (status != MLS_OK)
            return status;
    }
    return MLS_OK;
}

uint32_t public_group_verify_left(const struct public_group *g) {
    return tree_unverified_count(g->tree);
}

/* ---- Removes ---- */

bool public_group_is_leaving(const struct public_group *g, uint32_t leaf) {
    for (uint32_t i = 0; i < g->removes_count; i++) {
        if (g->removes[i].leaf == leaf)
            return true;
    }
    return false;
}

static enum mls_status note_remove(struct public_group *g, uint32_t leaf, const struct mls_hash *ref) {
    if (tree_leaf(g->tree, leaf) == NULL)
        return MLS_LEAF_BLANK;
    if (g->removes_count == PUBLIC_GROUP_REMOVES_MAX)
        return MLS_PROPOSALS_STORED_TOO_MANY;
    g->removes[g->removes_count++] = (struct public_remove){.ref = *ref, .leaf = leaf};
    return MLS_OK;
}

enum mls_status public_group_remove(struct public_group *g, uint32_t leaf, const struct secret *signature_key,
                                    struct mls_buf *message) {
    struct mls_proposal proposal = {.type = MLS_PROPOSAL_REMOVE, .removed = leaf};
    struct mls_draft_header header = {.wire_format = MLS_WIRE_PUBLIC_MESSAGE,
                                      .group_id = public_group_id(g),
                                      .epoch = public_group_epoch(g),
                                      .sender = {.type = MLS_SENDER_EXTERNAL},
                                      .content_type = MLS_CONTENT_PROPOSAL};
    struct mls_hash ref = {0};
    struct mls_draft draft;
    if (g->change != NULL)
        return MLS_COMMIT_STAGED;
    if (tree_leaf(g->tree, leaf) == NULL)
        return MLS_LEAF_BLANK;
    if (g->removes_count == PUBLIC_GROUP_REMOVES_MAX)
        return MLS_PROPOSALS_STORED_TOO_MANY;
    mls_draft_begin(&draft, &header);
    mls_proposal_write(&draft.bytes, &proposal);
    enum mls_status status = mls_draft_sign(&draft, &g->crypto, mls_buf_span(&g->now.context), signature_key);
    if (status == MLS_OK)
        status = mls_proposal_ref(&g->crypto, mls_draft_authenticated(&draft), &ref);
    if (status == MLS_OK)
        status = mls_public_protect(&draft, &g->crypto, mls_buf_span(&g->now.context), NULL);
    if (status == MLS_OK) {
        mls_wr_span(message, mls_buf_span(&draft.bytes));
        status = message->status;
    }
    if (status == MLS_OK)
        status = note_remove(g, leaf, &ref);
    mls_draft_free(&draft);
    return status;
}

enum mls_status public_group_proposal(struct public_group *g, struct span bytes) {
    struct mls_message message;
    struct span data;
    struct mls_list senders;
    struct mls_external_sender sender;
    struct mls_hash ref;
    if (g->change != NULL)
        return MLS_COMMIT_STAGED;
    enum mls_status status = mls_message_parse(bytes, &message);
    if (status != MLS_OK)
        return status;
    if (message.wire_format != MLS_WIRE_PUBLIC_MESSAGE)
        return MLS_WIRE_FORMAT_REFUSED;
    const struct mls_authenticated_content *content = &message.public_message.authenticated;
    if (content->content.content_type != MLS_CONTENT_PROPOSAL || content->content.sender.type != MLS_SENDER_EXTERNAL ||
        content->content.sender.index != 0 || content->content.proposal.type != MLS_PROPOSAL_REMOVE)
        return MLS_PROPOSAL_REFUSED;
    if (!span_equal(content->content.group_id, public_group_id(g)))
        return MLS_WRONG_GROUP;
    if (content->content.epoch != public_group_epoch(g))
        return content->content.epoch < public_group_epoch(g) ? MLS_EPOCH_OVER : MLS_EPOCH_AHEAD;
    if (!mls_extensions_find(&g->now.parsed.extensions, MLS_EXTENSION_EXTERNAL_SENDERS, &data) ||
        mls_external_senders_parse(data, &senders) != MLS_OK)
        return MLS_SENDER_EXTERNAL_UNKNOWN;
    struct mls_reader it = mls_reader_of(senders.bytes);
    if (!mls_external_senders_next(&it, &sender))
        return MLS_SENDER_EXTERNAL_UNKNOWN;
    status = mls_public_unprotect(&g->crypto, &message.public_message, mls_buf_span(&g->now.context), NULL,
                                  sender.signature_key);
    if (status == MLS_OK)
        status = mls_proposal_ref(&g->crypto, content->encoding, &ref);
    return status == MLS_OK ? note_remove(g, content->content.proposal.removed, &ref) : status;
}

/* ---- the epoch that stands ---- */

uint64_t public_group_epoch(const struct public_group *g) {
    return g->now.parsed.epoch;
}

uint32_t public_group_members(const struct public_group *g) {
    return tree_member_count(g->tree);
}

struct span public_group_id(const struct public_group *g) {
    return g->now.parsed.group_id;
}

struct span public_group_context(const struct public_group *g) {
    return mls_buf_span(&g->now.context);
}

struct span public_group_transcript(const struct public_group *g) {
    return g->now.parsed.confirmed_transcript_hash;
}

struct span public_group_tree_hash(const struct public_group *g) {
    return g->now.parsed.tree_hash;
}

struct span public_group_info(const struct public_group *g) {
    return mls_buf_span(&g->now.info);
}

struct span public_group_info_extensions(const struct public_group *g) {
    struct mls_message message;
    if (mls_buf_len(&g->now.info) == 0 || mls_message_parse(mls_buf_span(&g->now.info), &message) != MLS_OK)
        return span_of(NULL, 0);
    return message.group_info.extensions.bytes;
}

void public_group_info_tag(const struct public_group *g, uint8_t out[16]) {
    memcpy(out, g->now.info_tag, sizeof g->now.info_tag);
}

const struct group_before *public_group_before(const struct public_group *g) {
    return &g->now.before;
}

bool public_group_leaf(const struct public_group *g, uint32_t leaf, struct mls_leaf_info *out) {
    const struct mls_leaf_node *node = tree_leaf(g->tree, leaf);
    if (node == NULL)
        return false;
    mls_leaf_info_of(node, out);
    return true;
}

bool public_group_standing(const struct public_group *g, uint32_t leaf, struct group_standing *out) {
    struct mls_leaf_info info;
    if (!public_group_leaf(g, leaf, &info) || leaf >= g->leaves_max)
        return false;
    struct public_standing *kept = &g->standings[leaf];
    if (!kept->known) {
        if (!group_standing_of(&g->now.before, &info, &kept->standing))
            return false;
        kept->known = true;
    }
    *out = kept->standing;
    return true;
}

bool public_group_next(const struct public_group *g, uint32_t *cursor, uint32_t *leaf) {
    *leaf = tree_next_member(g->tree, *cursor);
    *cursor = *leaf == TREE_NONE ? *cursor : *leaf + 1;
    return *leaf != TREE_NONE;
}

bool public_group_find_seat(const struct public_group *g, struct span seat_key, uint32_t *leaf) {
    uint32_t cursor = 0;
    while (public_group_next(g, &cursor, leaf)) {
        if (span_equal(tree_leaf(g->tree, *leaf)->signature_key, seat_key))
            return true;
    }
    return false;
}

bool public_group_find(const struct public_group *g, struct span identity, uint32_t *leaf) {
    uint32_t cursor = 0;
    while (public_group_next(g, &cursor, leaf)) {
        if (span_equal(tree_leaf(g->tree, *leaf)->credential.identity, identity))
            return true;
    }
    return false;
}

struct span public_group_tree(struct public_group *g, struct span hash) {
    if (span_equal(public_group_tree_hash(g), hash)) {
        if (mls_buf_len(&g->tree_bytes) == 0 && tree_write(g->tree, &g->tree_bytes) != MLS_OK)
            mls_buf_free(&g->tree_bytes);
        return mls_buf_span(&g->tree_bytes);
    }
    for (size_t i = 0; i < PUBLIC_GROUP_TREES_MAX; i++) {
        if (g->past[i].hash.len > 0 && mls_hash_equal(&g->past[i].hash, hash))
            return mls_buf_span(&g->past[i].bytes);
    }
    return span_of(NULL, 0);
}

/* ---- who comes back ---- */

enum mls_status public_group_agrees(const struct public_group *g, struct span group_info) {
    struct mls_group_info info;
    struct group_info ours;
    enum mls_status status = public_info_parse(g, group_info, &info);
    if (status != MLS_OK)
        return status;
    const struct mls_leaf_node *signer = tree_leaf(g->tree, info.signer);
    if (signer == NULL)
        return MLS_GROUP_INFO_SIGNER_BLANK;
    if (!span_equal(info.group_context.encoding, mls_buf_span(&g->now.context)) ||
        !mls_hash_equal(&g->now.confirmation_tag, info.confirmation_tag) ||
        !group_info_of(info.extensions.bytes, &ours) || ours.generation != g->now.before.meeting.generation ||
        !span_equal(ours.link_key, g->now.before.link_key))
        return MLS_GROUP_INFO_MISMATCH;
    return mls_group_info_verify(&g->crypto, &info, signer->signature_key);
}
