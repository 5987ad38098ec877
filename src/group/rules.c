#include "group/rules.h"

#include <string.h>

#include "base/assert.h"
#include "e2ee/mls_message.h"
#include "group/link.h"
#include "group/statement.h"

const char *group_verdict_text(enum group_verdict verdict) {
#define VERDICT_TEXT(name, rule, text) text,
    static const char *const texts[] = {GROUP_VERDICTS(VERDICT_TEXT)};
    ASSERT((unsigned)verdict < GROUP_VERDICT_COUNT);
    return texts[verdict];
}

unsigned group_verdict_rule(enum group_verdict verdict) {
#define VERDICT_RULE(name, rule, text) rule,
    static const uint8_t rules[] = {GROUP_VERDICTS(VERDICT_RULE)};
    ASSERT((unsigned)verdict < GROUP_VERDICT_COUNT);
    return rules[verdict];
}

/* ---- the group before ---- */

static bool zeros(struct span bytes) {
    uint8_t any = 0;
    for (size_t i = 0; i < bytes.len; i++)
        any |= bytes.data[i];
    return any == 0;
}

/* What comes with accounts, policies and passcodes is not there yet; a meeting that has it is not ours to judge. */
static bool supported(const struct group_meeting *m) {
    return zeros(m->floor) && (m->mode & GROUP_PASSCODE) == 0;
}

enum group_verdict group_rules_before(const struct crypto_backend *crypto, uint16_t suite, struct span extensions,
                                      struct span link_key, struct group_before *out) {
    *out = (struct group_before){.crypto = crypto, .suite = suite, .extensions = extensions, .link_key = link_key};
    if (!group_suite_good(suite) || !group_meeting_of(extensions, &out->meeting))
        return GROUP_CONTEXT_MALFORMED;
    if (!supported(&out->meeting))
        return GROUP_UNSUPPORTED;
    if (out->meeting.generation == 0) {
        if (link_key.len != 0 && !span_equal(link_key, out->meeting.first_link_key))
            return GROUP_JOIN_INFO;
        out->link_key = out->meeting.first_link_key;
    } else if (link_key.len != GROUP_KEY_LEN) {
        return GROUP_JOIN_INFO;
    }
    return GROUP_GOOD;
}

static bool member_leaf_at(const void *group, uint32_t leaf_index, struct mls_leaf_info *leaf) {
    struct mls_member member;
    if (!mls_member_at(group, leaf_index, &member))
        return false;
    *leaf = member.leaf;
    return true;
}

enum group_verdict group_rules_before_of(const struct crypto_backend *crypto, const struct mls_group *group,
                                         struct span link_key, struct group_before *out) {
    enum group_verdict verdict =
        group_rules_before(crypto, mls_group_suite(group), mls_group_extensions(group), link_key, out);
    out->leaf_at = member_leaf_at;
    out->group = group;
    return verdict;
}

static bool member_proposal_at(const void *commit, uint32_t index, struct mls_proposal_info *out) {
    return mls_staged_proposal(commit, index, out);
}

bool group_staged_of(const struct mls_group *group, struct mls_commit_info *info, struct group_staged *out) {
    *out = (struct group_staged){.info = info, .proposal_at = member_proposal_at, .commit = group};
    return mls_staged_info(group, info);
}

/* ---- who somebody is ---- */

static enum group_verdict verdict_of(enum crypto_status status, enum group_verdict invalid) {
    if (status == CRYPTO_OK)
        return GROUP_GOOD;
    return status == CRYPTO_NO_MEMORY ? GROUP_NO_MEMORY : invalid;
}

static enum group_verdict check_grant(const struct group_before *b, const struct group_client *client,
                                      struct span seat_key) {
    return verdict_of(group_grant_check(b->crypto, client->grant, b->meeting.owner, b->meeting.meeting, seat_key),
                      GROUP_LEAF_GRANT);
}

bool group_standing_of(const struct group_before *before, const struct mls_leaf_info *leaf,
                       struct group_standing *out) {
    struct group_client client;
    struct group_role_entry entry = {0};
    *out = (struct group_standing){.role = GROUP_PARTICIPANT};
    bool listed = group_role_find(&before->meeting, leaf->signature_key, &entry);
    if (listed)
        out->role = (enum group_role)entry.role;
    if (group_client_of(leaf->extensions, &client) && client.grant.len > 0) {
        enum group_verdict grant = check_grant(before, &client, leaf->signature_key);
        if (grant == GROUP_NO_MEMORY)
            return false;
        if (grant == GROUP_GOOD) {
            out->role = GROUP_HOST;
            out->by_grant = true;
        }
    }
    if (out->role == GROUP_HOST || out->role == GROUP_COHOST)
        out->may = GROUP_MAY_ALL;
    else if (out->role == GROUP_VIEWER)
        out->may = entry.allow & ~entry.deny;
    else
        out->may = (before->meeting.may | entry.allow) & ~entry.deny;
    return true;
}

static bool runs_meeting(enum group_role role) {
    return role == GROUP_HOST || role == GROUP_COHOST;
}

/* ---- leaves ---- */

/* Of any leaf of the group: credential, identity, client extension, no House, a Grant only if it is good. */
static enum group_verdict check_leaf(const struct group_before *b, const struct mls_leaf_info *leaf,
                                     struct group_client *client) {
    uint8_t identity[GROUP_IDENTITY_LEN];
    if (leaf->credential_type != MLS_CREDENTIAL_BASIC || leaf->signature_key.len != GROUP_KEY_LEN ||
        !group_client_of(leaf->extensions, client))
        return GROUP_LEAF_MALFORMED;
    group_identity(b->crypto, b->meeting.meeting, leaf->signature_key, identity);
    if (!group_identity_good(leaf->identity) || !span_equal(leaf->identity, span_of(identity, sizeof identity)))
        return GROUP_LEAF_IDENTITY;
    if (client->house.len > 0)
        return GROUP_UNSUPPORTED;
    return client->grant.len > 0 ? check_grant(b, client, leaf->signature_key) : GROUP_GOOD;
}

static enum group_verdict check_link(const struct group_before *b, const struct mls_leaf_info *leaf,
                                     const struct group_client *client) {
    if (client->generation != b->meeting.generation)
        return GROUP_LEAF_LINK;
    return verdict_of(group_leaf_verify(b->crypto, b->link_key, b->meeting.meeting, client->generation,
                                        leaf->signature_key, client->link_signature),
                      GROUP_LEAF_LINK);
}

/* The conditions of rule 1 for who comes in; barred as it is after the commit. */
static enum group_verdict check_newcomer(const struct group_before *b, const struct group_meeting *after,
                                         const struct mls_leaf_info *leaf, struct group_client *client) {
    uint8_t seat[GROUP_BARRED_LEN];
    enum group_verdict verdict = check_leaf(b, leaf, client);
    if (verdict == GROUP_GOOD)
        verdict = check_link(b, leaf, client);
    if (verdict != GROUP_GOOD)
        return verdict;
    if ((after->mode & GROUP_MEMBERS_ONLY) != 0)
        return GROUP_LEAF_MEMBERS_ONLY; /* a good House is what no leaf can have yet */
    group_barred_of_seat(b->crypto, leaf->signature_key, seat);
    return group_is_barred(after, span_of(seat, sizeof seat)) ? GROUP_LEAF_BARRED : GROUP_GOOD;
}

static bool may_add(const struct group_before *b, enum group_role role) {
    return runs_meeting(role) || b->meeting.entry == GROUP_OPEN;
}

enum group_verdict group_rules_add(const struct group_before *before, const struct mls_leaf_info *leaf,
                                   const struct mls_leaf_info *by) {
    struct group_client client;
    struct group_standing standing;
    if (by != NULL) {
        if (!group_standing_of(before, by, &standing))
            return GROUP_NO_MEMORY;
        if (!may_add(before, standing.role))
            return GROUP_ADD_BY_NOBODY;
    }
    return check_newcomer(before, &before->meeting, leaf, &client);
}

enum group_verdict group_rules_enter(const struct group_before *before, const struct mls_leaf_info *leaf,
                                     bool in_tree) {
    struct group_client client;
    struct group_standing standing;
    enum group_verdict verdict = check_newcomer(before, &before->meeting, leaf, &client);
    if (verdict != GROUP_GOOD || in_tree || before->meeting.entry == GROUP_OPEN)
        return verdict;
    if (!group_standing_of(before, leaf, &standing))
        return GROUP_NO_MEMORY;
    return runs_meeting(standing.role) ? GROUP_GOOD : GROUP_EXTERNAL_ENTRY;
}

/* ---- rules 1 to 5 ---- */

/* What one walk over a commit gathers. */
struct walk {
    const struct group_before *before;
    const struct group_staged *staged;
    struct group_standing committer; /* of a member */
    struct group_meeting after;
    bool external;
    bool has_psk;
    bool init;
    uint32_t adds;
    struct span returns; /* external: the seat whose leaf it removes */
};

static enum group_verdict judge_psk(struct walk *w, const struct mls_proposal_info *p) {
    uint8_t id[GROUP_PSK_ID_LEN];
    group_psk_id(w->before->meeting.generation, id);
    if (p->psk_type != MLS_PSK_EXTERNAL || !span_equal(p->psk_id, span_of(id, sizeof id)))
        return GROUP_PSK_OTHER;
    bool twice = w->has_psk;
    w->has_psk = true;
    return twice ? GROUP_PSK_OTHER : GROUP_GOOD;
}

static enum group_verdict judge_remove(struct walk *w, const struct mls_proposal_info *p) {
    struct group_standing gone;
    if (p->sender_type == MLS_SENDER_EXTERNAL)
        return GROUP_GOOD;
    if (w->external) {
        if (w->returns.len > 0)
            return GROUP_EXTERNAL_OTHER;
        w->returns = p->leaf.signature_key;
        return span_equal(p->leaf.signature_key, w->staged->info->leaf.signature_key) ? GROUP_GOOD
                                                                                      : GROUP_EXTERNAL_OTHER;
    }
    if (w->committer.role == GROUP_HOST)
        return GROUP_GOOD;
    if (w->committer.role != GROUP_COHOST)
        return GROUP_REMOVE_BY_NOBODY;
    if (!group_standing_of(w->before, &p->leaf, &gone))
        return GROUP_NO_MEMORY;
    return runs_meeting(gone.role) ? GROUP_REMOVE_ABOVE : GROUP_GOOD;
}

static enum group_verdict judge_add(struct walk *w, const struct mls_proposal_info *p) {
    struct group_client client;
    w->adds++;
    if (w->external)
        return GROUP_EXTERNAL_OTHER;
    if (!may_add(w->before, w->committer.role))
        return GROUP_ADD_BY_NOBODY;
    return check_newcomer(w->before, &w->after, &p->leaf, &client);
}

static enum group_verdict judge_proposal(struct walk *w, const struct mls_proposal_info *p) {
    if (p->by_reference && (p->sender_type != MLS_SENDER_EXTERNAL || p->type != MLS_PROPOSAL_REMOVE))
        return GROUP_BY_REFERENCE;
    switch (p->type) {
    case MLS_PROPOSAL_ADD:
        return judge_add(w, p);
    case MLS_PROPOSAL_REMOVE:
        if (w->external && p->by_reference)
            return GROUP_EXTERNAL_OTHER;
        return judge_remove(w, p);
    case MLS_PROPOSAL_PSK:
        return judge_psk(w, p);
    case MLS_PROPOSAL_EXTERNAL_INIT:
        if (!w->external || w->init)
            return GROUP_PROPOSAL_KIND;
        w->init = true;
        return GROUP_GOOD;
    case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS: /* what it does is judged by the result */
        return w->external ? GROUP_EXTERNAL_OTHER : GROUP_GOOD;
    default:
        return w->external ? GROUP_EXTERNAL_OTHER : GROUP_PROPOSAL_KIND;
    }
}

/* Entries of `roles` that are neither host nor co-host may differ; those that are either, before or after, may not. */
static bool hosts_kept(const struct group_meeting *from, const struct group_meeting *to) {
    struct group_role_entry entry, other;
    size_t at = 0;
    while (group_role_next(from, &at, &entry)) {
        if (entry.role > GROUP_COHOST)
            continue;
        if (!group_role_find(to, entry.key, &other) || other.role != entry.role || other.allow != entry.allow ||
            other.deny != entry.deny)
            return false;
    }
    return true;
}

static bool barred_hosts(const struct crypto_backend *crypto, const struct group_meeting *m) {
    struct group_role_entry entry;
    uint8_t seat[GROUP_BARRED_LEN];
    size_t at = 0;
    while (m->barred.len > 0 && group_role_next(m, &at, &entry)) {
        group_barred_of_seat(crypto, entry.key, seat);
        if (entry.role <= GROUP_COHOST && group_is_barred(m, span_of(seat, sizeof seat)))
            return true;
    }
    return false;
}

/* Every extension but the meeting is as it was; and none came or went. */
static bool others_kept(struct span before, struct span after) {
    struct mls_reader it = mls_reader_of(before);
    struct mls_extension extension;
    struct span other;
    size_t count = 0, count_after = 0;
    while (mls_extensions_next(&it, &extension)) {
        count++;
        if (!mls_extension_find(after, extension.type, &other) ||
            (extension.type != GROUP_EXTENSION_MEETING && !span_equal(other, extension.data)))
            return false;
    }
    it = mls_reader_of(after);
    while (mls_extensions_next(&it, &extension))
        count_after++;
    return count == count_after;
}

static enum group_verdict judge_meeting(const struct walk *w) {
    const struct group_meeting *was = &w->before->meeting, *is = &w->after;
    if (!span_equal(was->meeting, is->meeting) || was->kind != is->kind ||
        !span_equal(was->operator_key, is->operator_key) || !span_equal(was->owner, is->owner) ||
        !span_equal(was->first_link_key, is->first_link_key) || !span_equal(was->founding, is->founding))
        return GROUP_CONTEXT_IMMUTABLE;
    if (!runs_meeting(w->committer.role))
        return GROUP_CONTEXT_BY_NOBODY;
    if (is->generation != was->generation && (is->generation != was->generation + 1 || is->generation == 0))
        return GROUP_CONTEXT_GENERATION;
    if (w->committer.role == GROUP_COHOST) {
        uint8_t others = GROUP_SUSPENDED | GROUP_MEMBERS_ONLY;
        if (is->generation != was->generation || !span_equal(is->regions, was->regions) || is->may != was->may ||
            (is->mode & ~others) != (was->mode & ~others) || is->succession != was->succession ||
            is->succession_min != was->succession_min || !span_equal(is->floor, was->floor) || !hosts_kept(was, is) ||
            !hosts_kept(is, was))
            return GROUP_CONTEXT_COHOST;
    }
    return barred_hosts(w->before->crypto, is) ? GROUP_CONTEXT_BARRED_HOST : GROUP_GOOD;
}

static enum group_verdict judge_context(struct walk *w) {
    struct span after = w->staged->info->extensions;
    if (!w->staged->info->extensions_changed) {
        w->after = w->before->meeting;
        return GROUP_GOOD;
    }
    if (w->external)
        return GROUP_EXTERNAL_OTHER;
    if (!group_meeting_of(after, &w->after))
        return GROUP_CONTEXT_MALFORMED;
    if (!supported(&w->after))
        return GROUP_UNSUPPORTED;
    if (!others_kept(w->before->extensions, after))
        return GROUP_CONTEXT_IMMUTABLE;
    return judge_meeting(w);
}

/* Rule 5: a member's own leaf, which a path replaces. */
static enum group_verdict judge_own_leaf(const struct walk *w) {
    const struct mls_commit_info *info = w->staged->info;
    struct group_client is, was;
    if (!info->has_path || w->external)
        return GROUP_GOOD;
    if (!span_equal(info->leaf.signature_key, info->old_leaf.signature_key) ||
        !span_equal(info->leaf.identity, info->old_leaf.identity))
        return GROUP_LEAF_CHANGED;
    if (!group_client_of(info->old_leaf.extensions, &was))
        return GROUP_LEAF_MALFORMED;
    if (!group_client_of(info->leaf.extensions, &is) || info->leaf.credential_type != MLS_CREDENTIAL_BASIC)
        return GROUP_LEAF_MALFORMED;
    if (!span_equal(is.house, was.house) || !span_equal(is.grant, was.grant))
        return GROUP_LEAF_CHANGED;
    if (is.generation == was.generation && span_equal(is.link_signature, was.link_signature))
        return GROUP_GOOD;
    return check_link(w->before, &info->leaf, &is);
}

/* Rule 2, after the walk: what it removes is known. */
static enum group_verdict judge_entrant(const struct walk *w) {
    const struct mls_leaf_info *leaf = &w->staged->info->leaf;
    if (!w->init || !w->staged->info->has_path)
        return GROUP_EXTERNAL_OTHER;
    if (!w->has_psk)
        return GROUP_PSK_MISSING;
    return group_rules_enter(w->before, leaf, w->returns.len > 0);
}

static enum group_verdict find_committer(struct walk *w) {
    const struct mls_commit_info *info = w->staged->info;
    struct mls_leaf_info leaf;
    w->external = info->sender_type == MLS_SENDER_NEW_MEMBER_COMMIT;
    if (w->external)
        return GROUP_GOOD;
    if (info->sender_type != MLS_SENDER_MEMBER || !w->before->leaf_at(w->before->group, info->sender, &leaf))
        return GROUP_PROPOSAL_KIND;
    return group_standing_of(w->before, &leaf, &w->committer) ? GROUP_GOOD : GROUP_NO_MEMORY;
}

enum group_verdict group_rules_commit(const struct group_before *before, const struct group_staged *staged) {
    struct walk w = {.before = before, .staged = staged};
    struct mls_proposal_info proposal;
    if (staged->info->reinit)
        return GROUP_PROPOSAL_KIND;
    if (staged->info->adds > GROUP_ADDS_MAX)
        return GROUP_ADD_TOO_MANY;
    enum group_verdict verdict = find_committer(&w);
    if (verdict == GROUP_GOOD)
        verdict = judge_context(&w);
    for (uint32_t i = 0; verdict == GROUP_GOOD && staged->proposal_at(staged->commit, i, &proposal); i++)
        verdict = judge_proposal(&w, &proposal);
    if (verdict == GROUP_GOOD && w.adds > 0 && !w.has_psk)
        verdict = GROUP_PSK_MISSING;
    if (verdict == GROUP_GOOD && w.adds > 0 && w.after.generation != before->meeting.generation)
        verdict = GROUP_CONTEXT_GENERATION;
    if (verdict == GROUP_GOOD && w.external)
        verdict = judge_entrant(&w);
    return verdict == GROUP_GOOD ? judge_own_leaf(&w) : verdict;
}

/* ---- beginning and joining ---- */

static enum group_verdict check_info(const struct group_before *b, struct span info_extensions,
                                     struct group_info *out) {
    if (!group_info_of(info_extensions, out) || out->generation != b->meeting.generation ||
        !span_equal(out->link_key, b->link_key) || out->policy.len > 0 ||
        (out->founding.len == 0) != zeros(b->meeting.founding))
        return GROUP_JOIN_INFO;
    if (out->founding.len == 0)
        return GROUP_GOOD;
    uint8_t hash[HASH_LEN_MAX];
    (void)b->crypto->hash(HASH_SHA256, &out->founding, 1, hash);
    return span_equal(span_of(hash, GROUP_HASH_LEN), b->meeting.founding) ? GROUP_GOOD : GROUP_JOIN_INFO;
}

/* By the owner for this group; or by anybody, where that was said from the start. */
static enum group_verdict check_founding(const struct group_before *b, const struct group_info *info,
                                         struct span group_id, struct span *seat) {
    struct group_founding founding;
    *seat = span_of(NULL, 0);
    if (info->founding.len == 0)
        return (b->meeting.kind & GROUP_KIND_ANYBODY) != 0 ? GROUP_GOOD : GROUP_JOIN_FOUNDING;
    enum crypto_status status =
        group_founding_check(b->crypto, info->founding, b->meeting.owner, b->meeting.meeting, group_id, &founding);
    if (status == CRYPTO_OK)
        *seat = founding.grant.seat_key;
    return verdict_of(status, GROUP_JOIN_FOUNDING);
}

static enum group_verdict check_id(const struct group_before *b, struct span id) {
    uint8_t hash[GROUP_HASH_LEN];
    const struct group_id_parts parts = {.first_link_key = b->meeting.first_link_key,
                                         .owner = b->meeting.owner,
                                         .operator_key = b->meeting.operator_key,
                                         .suite = b->suite,
                                         .kind = b->meeting.kind};
    group_meeting_hash(b->crypto, id, hash);
    return span_equal(b->meeting.meeting, span_of(hash, sizeof hash)) && group_id_is_of(b->crypto, id, &parts)
               ? GROUP_GOOD
               : GROUP_JOIN_ID;
}

/* Exactly one external sender, with an Ed25519 key; `only`, when it is known. */
static enum group_verdict check_sender(const struct group_before *b, struct span only) {
    struct span data;
    struct mls_list senders;
    struct mls_external_sender sender;
    if (!mls_extension_find(b->extensions, MLS_EXTENSION_EXTERNAL_SENDERS, &data) ||
        mls_external_senders_parse(data, &senders) != MLS_OK || senders.count != 1)
        return GROUP_JOIN_SENDER;
    struct mls_reader it = mls_reader_of(senders.bytes);
    if (!mls_external_senders_next(&it, &sender) || !sign_public_good(SIGN_ED25519, sender.signature_key))
        return GROUP_JOIN_SENDER;
    return only.len == 0 || span_equal(only, senders.bytes) ? GROUP_GOOD : GROUP_JOIN_SENDER;
}

enum group_verdict group_rules_found(const struct group_before *first, const struct mls_leaf_info *founder,
                                     const struct group_beginning *beginning) {
    struct group_client client;
    struct group_info info;
    struct span seat;
    const struct group_meeting *m = &first->meeting;
    enum group_verdict verdict = check_id(first, beginning->id);
    if (verdict == GROUP_GOOD && m->generation != 0)
        verdict = GROUP_JOIN_GENERATION;
    if (verdict == GROUP_GOOD)
        verdict = check_sender(first, beginning->external_sender);
    if (verdict == GROUP_GOOD)
        verdict = check_info(first, beginning->info_extensions, &info);
    if (verdict == GROUP_GOOD)
        verdict = check_founding(first, &info, beginning->group_id, &seat);
    if (verdict == GROUP_GOOD)
        verdict = check_newcomer(first, m, founder, &client);
    if (verdict != GROUP_GOOD)
        return verdict;
    if (seat.len > 0)
        return span_equal(seat, founder->signature_key) && client.grant.len > 0 ? GROUP_GOOD : GROUP_JOIN_FOUNDING;
    /* who begins for everybody is a participant like all who follow; a Grant would come with a Founding */
    return m->roles.len == 0 && m->entry == GROUP_OPEN && client.grant.len == 0 ? GROUP_GOOD : GROUP_FOUND_ROLES;
}

enum group_verdict group_rules_members(const struct group_before *b, uint32_t from, uint32_t end) {
    for (uint32_t i = from; i < end; i++) {
        struct mls_leaf_info leaf;
        struct group_client client;
        if (!b->leaf_at(b->group, i, &leaf))
            continue;
        enum group_verdict verdict = check_leaf(b, &leaf, &client);
        if (verdict == GROUP_GOOD && client.generation > b->meeting.generation)
            verdict = GROUP_LEAF_LINK;
        /* of an earlier generation: by its place in the tree, which a member signed */
        if (verdict == GROUP_GOOD && client.generation == b->meeting.generation)
            verdict = check_link(b, &leaf, &client);
        if (verdict != GROUP_GOOD)
            return verdict;
    }
    return GROUP_GOOD;
}

enum group_verdict group_rules_join(const struct group_before *joined, const struct group_joining *joining) {
    const struct group_meeting *m = &joined->meeting;
    struct group_info info;
    struct span seat;
    uint8_t operator_hash[HASH_LEN_MAX];
    enum group_verdict verdict = check_id(joined, joining->id);
    if (verdict != GROUP_GOOD)
        return verdict;
    (void)joined->crypto->hash(HASH_SHA256, &m->operator_key, 1, operator_hash);
    if (!span_equal(joining->operator_hash, span_of(operator_hash, 16)))
        return GROUP_JOIN_OPERATOR;
    if (m->generation != joining->generation)
        return GROUP_JOIN_GENERATION;
    verdict = check_sender(joined, joining->external_sender);
    if (verdict == GROUP_GOOD)
        verdict = check_info(joined, joining->info_extensions, &info);
    if (verdict == GROUP_GOOD)
        verdict = check_founding(joined, &info, joining->group_id, &seat);
    if (verdict == GROUP_GOOD && joining->by_welcome) {
        struct mls_leaf_info leaf;
        struct group_standing standing;
        if (!joined->leaf_at(joined->group, joining->signer, &leaf))
            return GROUP_JOIN_SIGNER;
        if (!group_standing_of(joined, &leaf, &standing))
            return GROUP_NO_MEMORY;
        if (!may_add(joined, standing.role))
            return GROUP_JOIN_SIGNER;
    }
    return verdict == GROUP_GOOD ? group_rules_members(joined, 0, joining->leaf_count) : verdict;
}
