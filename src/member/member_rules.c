#include <string.h>

#include "base/assert.h"
#include "member/member_internal.h"

static const uint16_t our_extensions[] = {SECURE_EXTENSION_MEETING, SECURE_EXTENSION_CLIENT};

struct mls_identity member_identity(const struct member *m) {
    return (struct mls_identity){
        .suite = m->suite.suite->id,
        .credential = mls_buf_span(&m->credential),
        .signature_key = &m->signature_key,
        .extensions = mls_buf_span(&m->leaf_extensions),
        .extension_types = our_extensions,
        .extension_type_count = ARRAY_LEN(our_extensions),
    };
}

/* Chat goes on while a departure waits for its commit, and the server may propose removals and nothing else. */
struct mls_group_options member_options(const struct member *m) {
    return (struct mls_group_options){
        .members_max = m->people_max,
        .past_epochs = PAST_EPOCHS,
        .padding_step = 256,
        .external_proposals = MLS_EXTERNAL_ONLY(MLS_PROPOSAL_REMOVE),
        .no_new_member_proposals = true,
        .send_with_proposals_open = true,
    };
}

/* A leaf that may be in a meeting: a plain identity and the proof that its owner has the link. */
static bool leaf_good(struct member *m, const struct mls_leaf_info *leaf) {
    struct span data;
    struct secure_client client;
    uint8_t proof[SECURE_PROOF_LEN];
    if (leaf->credential_type != MLS_CREDENTIAL_BASIC || !secure_identity_good(leaf->identity))
        return false;
    if (!mls_extension_find(leaf->extensions, SECURE_EXTENSION_CLIENT, &data) || !secure_client_read(data, &client))
        return false;
    return secure_link_proof(m->crypto, &m->link, leaf->identity, leaf->signature_key, proof) == CRYPTO_OK &&
           secure_equal(proof, client.link_proof.data, sizeof proof);
}

static bool meeting_good(const struct member *m, struct span extensions, struct secure_meeting *out) {
    struct span data;
    return mls_extension_find(extensions, SECURE_EXTENSION_MEETING, &data) && secure_meeting_read(data, out) &&
           span_equal(out->meeting, span_of(m->meeting_hash, sizeof m->meeting_hash));
}

static bool sender_good(const struct member *m, struct span extensions) {
    struct span data;
    if (!mls_extension_find(extensions, MLS_EXTENSION_EXTERNAL_SENDERS, &data))
        return false;
    struct mls_reader r = mls_reader_of(data);
    struct span list = mls_rd_vec(&r, data.len, MLS_TOO_LARGE);
    return mls_reader_end(&r) == MLS_OK && span_equal(list, mls_buf_span(&m->external_sender));
}

/* No two of a group's members share an identity. O(N log N) would need memory; meetings are small enough for N^2
 * compares of a few bytes, once a join. */
static bool identities_unique(const struct mls_group *group) {
    uint32_t cursor = 0;
    struct mls_member a, b;
    while (mls_member_next(group, &cursor, &a)) {
        uint32_t rest = cursor;
        while (mls_member_next(group, &rest, &b)) {
            if (span_equal(a.leaf.identity, b.leaf.identity))
                return false;
        }
    }
    return true;
}

bool member_group_good(struct member *m, const struct mls_group *group) {
    struct secure_meeting meeting;
    struct span extensions = mls_group_extensions(group);
    if (mls_group_suite(group) != m->suite.suite->id) {
        member_alarm(m, MEMBER_ALARM_SUITE, span_of(NULL, 0), MLS_OK);
        return false;
    }
    if (!meeting_good(m, extensions, &meeting)) {
        member_alarm(m, MEMBER_ALARM_GROUP, span_of(NULL, 0), MLS_OK);
        return false;
    }
    if (!sender_good(m, extensions)) {
        member_alarm(m, MEMBER_ALARM_SENDER, span_of(NULL, 0), MLS_OK);
        return false;
    }
    uint32_t cursor = 0;
    struct mls_member member;
    while (mls_member_next(group, &cursor, &member)) {
        if (!leaf_good(m, &member.leaf)) {
            member_alarm(m, MEMBER_ALARM_ADD, member.leaf.identity, MLS_OK);
            return false;
        }
    }
    if (!identities_unique(group)) {
        member_alarm(m, MEMBER_ALARM_IDENTITY, span_of(NULL, 0), MLS_OK);
        return false;
    }
    return true;
}

bool member_package_good(struct member *m, struct span key_package) {
    struct mls_key_package_info info;
    enum mls_status status = mls_key_package_check(m->crypto, key_package, 0, &info);
    if (status == MLS_OK && info.suite == m->suite.suite->id && leaf_good(m, &info.leaf) &&
        member_find_person(m, info.leaf.identity) == NULL)
        return true;
    member_alarm(m, MEMBER_ALARM_ADD, status == MLS_OK ? info.leaf.identity : span_of(NULL, 0), status);
    return false;
}

/* ---- a commit of somebody else ---- */

struct look {
    struct member *m;
    struct mls_group *group;
    struct mls_commit_info commit;
    struct span committer; /* identity */
    bool external;
    bool host;
    bool psk;
    bool adds;
    uint32_t removes_of_self;
};

static bool refuse(const struct look *look, enum member_alarm alarm, struct span identity) {
    member_alarm(look->m, alarm, identity, MLS_PROPOSAL_REFUSED);
    return false;
}

static bool remove_good(struct look *look, const struct mls_proposal_info *p) {
    if (p->by_reference && p->sender_type == MLS_SENDER_EXTERNAL)
        return true;
    if (look->external) {
        bool former_self = span_equal(p->leaf.identity, look->committer) &&
                           span_equal(p->leaf.signature_key, look->commit.leaf.signature_key);
        look->removes_of_self++;
        return former_self || refuse(look, MEMBER_ALARM_REMOVE, p->leaf.identity);
    }
    return (look->host && !p->by_reference) || refuse(look, MEMBER_ALARM_REMOVE, p->leaf.identity);
}

static bool add_good(struct look *look, const struct mls_proposal_info *p) {
    struct mls_member there;
    uint32_t cursor = 0;
    look->adds = true;
    if (look->external || p->by_reference || !leaf_good(look->m, &p->leaf))
        return refuse(look, MEMBER_ALARM_ADD, p->leaf.identity);
    while (mls_member_next(look->group, &cursor, &there)) {
        if (span_equal(there.leaf.identity, p->leaf.identity))
            return refuse(look, MEMBER_ALARM_IDENTITY, p->leaf.identity);
    }
    /* nor twice in the commit */
    struct mls_proposal_info other;
    uint32_t same = 0;
    for (uint32_t i = 0; mls_staged_proposal(look->group, i, &other); i++)
        same += other.type == MLS_PROPOSAL_ADD && span_equal(other.leaf.identity, p->leaf.identity);
    return same == 1 || refuse(look, MEMBER_ALARM_IDENTITY, p->leaf.identity);
}

static bool proposal_good(struct look *look, const struct mls_proposal_info *p) {
    switch (p->type) {
    case MLS_PROPOSAL_ADD:
        return add_good(look, p);
    case MLS_PROPOSAL_REMOVE:
        return remove_good(look, p);
    case MLS_PROPOSAL_PSK:
        look->psk = p->psk_type == MLS_PSK_EXTERNAL && span_equal_str(p->psk_id, SECURE_PSK_ID);
        return look->psk || refuse(look, MEMBER_ALARM_ROLES, look->committer);
    case MLS_PROPOSAL_EXTERNAL_INIT:
        return look->external || refuse(look, MEMBER_ALARM_COMMIT, look->committer);
    case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS:
        return (look->host && !look->external && !p->by_reference) || refuse(look, MEMBER_ALARM_ROLES, look->committer);
    default:
        return refuse(look, MEMBER_ALARM_COMMIT, look->committer);
    }
}

/* The new list has the same extensions in the same order, all unchanged but for the meeting's roles and policy. */
static bool extensions_good(struct look *look, struct span after) {
    struct secure_meeting meeting;
    struct span before = mls_group_extensions(look->group);
    if (!meeting_good(look->m, after, &meeting))
        return refuse(look, MEMBER_ALARM_ROLES, look->committer);
    if (!sender_good(look->m, after))
        return refuse(look, MEMBER_ALARM_SENDER, look->committer);
    struct mls_list old_list, new_list;
    struct mls_extension old, new;
    struct mls_reader r = mls_reader_of(before);
    (void)r;
    struct mls_buf wrapped[2];
    struct span lists[2] = {before, after};
    bool good = true;
    for (size_t i = 0; i < 2; i++) {
        mls_buf_init(&wrapped[i], before.len + after.len + 16);
        mls_wr_vec(&wrapped[i], lists[i]);
        good = good && mls_buf_ok(&wrapped[i]);
    }
    struct mls_reader old_r = mls_reader_of(mls_buf_span(&wrapped[0])),
                      new_r = mls_reader_of(mls_buf_span(&wrapped[1]));
    mls_extensions_read(&old_r, &old_list);
    mls_extensions_read(&new_r, &new_list);
    good = good && mls_reader_ok(&old_r) && mls_reader_ok(&new_r) && old_list.count == new_list.count;
    struct mls_reader old_it = mls_reader_of(old_list.bytes), new_it = mls_reader_of(new_list.bytes);
    while (good && mls_extensions_next(&old_it, &old) && mls_extensions_next(&new_it, &new))
        good = old.type == new.type && (old.type == SECURE_EXTENSION_MEETING || span_equal(old.data, new.data));
    mls_buf_free(&wrapped[0]);
    mls_buf_free(&wrapped[1]);
    return good || refuse(look, MEMBER_ALARM_ROLES, look->committer);
}

static bool committer_good(struct look *look) {
    if (!look->commit.has_path)
        return !look->external || refuse(look, MEMBER_ALARM_COMMIT, look->committer);
    if (!leaf_good(look->m, &look->commit.leaf))
        return refuse(look, MEMBER_ALARM_ADD, look->committer);
    if (!look->external)
        return (span_equal(look->commit.leaf.identity, look->commit.old_leaf.identity) &&
                span_equal(look->commit.leaf.signature_key, look->commit.old_leaf.signature_key)) ||
               refuse(look, MEMBER_ALARM_IDENTITY, look->committer);
    /* nobody else with this identity stays */
    struct mls_member there;
    uint32_t cursor = 0, same = 0;
    while (mls_member_next(look->group, &cursor, &there))
        same += span_equal(there.leaf.identity, look->committer);
    return same == look->removes_of_self || refuse(look, MEMBER_ALARM_IDENTITY, look->committer);
}

bool member_commit_good(struct member *m, struct mls_group *group) {
    struct look look = {.m = m, .group = group};
    struct mls_proposal_info proposal;
    struct mls_member sender;
    struct secure_meeting meeting;
    bool staged = mls_staged_info(group, &look.commit);
    ASSERT(staged);
    look.external = look.commit.sender_type == MLS_SENDER_NEW_MEMBER_COMMIT;
    if (look.external)
        look.committer = look.commit.leaf.identity;
    else if (mls_member_at(group, look.commit.sender, &sender))
        look.committer = sender.leaf.identity;
    look.host = !look.external && meeting_good(m, mls_group_extensions(group), &meeting) &&
                secure_is_host(&meeting, look.committer);
    for (uint32_t i = 0; mls_staged_proposal(group, i, &proposal); i++) {
        if (!proposal_good(&look, &proposal))
            return false;
    }
    if ((look.adds || look.external) && !look.psk)
        return refuse(&look, MEMBER_ALARM_ADD, look.committer);
    if (look.commit.extensions_changed && !extensions_good(&look, look.commit.extensions))
        return false;
    return committer_good(&look);
}
