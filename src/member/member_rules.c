/* What is refused: group/rules.h asked about what is before us, and its verdicts as alarms. */
#include <string.h>

#include "base/assert.h"
#include "member/member_internal.h"

static const uint16_t our_extensions[] = {GROUP_EXTENSION_MEETING, GROUP_EXTENSION_CLIENT, GROUP_EXTENSION_INFO};

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

static struct span link_key(const struct member *m) {
    return span_of(m->link.link_key, sizeof m->link.link_key);
}

/* Rules are numbered as in rules.h; what a person is told is coarser. */
static enum member_alarm alarm_of(enum group_verdict verdict) {
    switch (group_verdict_rule(verdict)) {
    case 1:
    case 2:
        return verdict == GROUP_LEAF_IDENTITY ? MEMBER_ALARM_IDENTITY : MEMBER_ALARM_ADD;
    case 3:
        return MEMBER_ALARM_REMOVE;
    case 4:
        return MEMBER_ALARM_ROLES;
    case 5:
        return MEMBER_ALARM_IDENTITY;
    default:
        return verdict == GROUP_JOIN_SENDER ? MEMBER_ALARM_SENDER : MEMBER_ALARM_GROUP;
    }
}

static bool judged(struct member *m, enum group_verdict verdict, struct span identity, bool quiet) {
    if (verdict == GROUP_GOOD)
        return true;
    if (!quiet)
        member_alarm(m, alarm_of(verdict), identity, verdict == GROUP_NO_MEMORY ? MLS_NO_MEMORY : MLS_PROPOSAL_REFUSED);
    return false;
}

static uint32_t leaf_count(const struct mls_group *group) {
    uint32_t cursor = 0, count = 0;
    struct mls_member member;
    while (mls_member_next(group, &cursor, &member))
        count = member.leaf_index + 1;
    return count;
}

bool member_group_good(struct member *m, const struct mls_group *group, struct span info_extensions, bool by_welcome) {
    struct group_before joined;
    struct group_info info;
    if (mls_group_suite(group) != m->suite.suite->id) {
        member_alarm(m, MEMBER_ALARM_SUITE, span_of(NULL, 0), MLS_SUITE_UNSUPPORTED);
        return false;
    }
    enum group_verdict verdict = group_rules_before_of(m->crypto, group, link_key(m), &joined);
    const struct group_joining joining = {.id = mls_buf_span(&m->meeting),
                                          .operator_hash = span_of(m->operator_hash, sizeof m->operator_hash),
                                          .generation = m->generation,
                                          .group_id = mls_group_id(group),
                                          .info_extensions = info_extensions,
                                          .leaf_count = leaf_count(group),
                                          .by_welcome = by_welcome,
                                          .signer = mls_group_info_signer(group)};
    if (verdict == GROUP_GOOD)
        verdict = group_rules_join(&joined, &joining);
    if (!judged(m, verdict, span_of(NULL, 0), false))
        return false;
    if (m->owner_known && !span_equal(joined.meeting.owner, span_of(m->owner, sizeof m->owner)))
        return judged(m, GROUP_JOIN_ID, span_of(NULL, 0), false);
    if (m->group == NULL && group_info_of(info_extensions, &info)) { /* goes into each GroupInfo of ours */
        mls_buf_clear(&m->founding);
        mls_wr_span(&m->founding, info.founding);
    }
    return true;
}

bool member_commit_good(struct member *m, bool quiet) {
    struct group_before before;
    struct mls_commit_info info;
    struct group_staged staged;
    struct mls_member sender;
    struct span author = span_of(NULL, 0);
    enum group_verdict verdict = group_rules_before_of(m->crypto, m->group, link_key(m), &before);
    if (!group_staged_of(m->group, &info, &staged))
        return false;
    if (verdict == GROUP_GOOD)
        verdict = group_rules_commit(&before, &staged);
    if (info.sender_type == MLS_SENDER_NEW_MEMBER_COMMIT)
        author = info.leaf.identity;
    else if (mls_member_at(m->group, info.sender, &sender))
        author = sender.leaf.identity;
    return judged(m, verdict, author, quiet);
}

/* Keys that a member has, or another of these packages: one commit with both is none (RFC 9420 section 7.3). */
static bool doubles(const struct member *m, const struct mls_leaf_info *leaf, const struct member_package_keys *others,
                    size_t others_count) {
    struct mls_member member;
    uint32_t cursor = 0;
    while (mls_member_next(m->group, &cursor, &member)) {
        if (span_equal(member.leaf.signature_key, leaf->signature_key) ||
            span_equal(member.leaf.encryption_key, leaf->encryption_key))
            return true;
    }
    for (size_t i = 0; i < others_count; i++) {
        if (span_equal(others[i].signature, leaf->signature_key) ||
            span_equal(others[i].encryption, leaf->encryption_key))
            return true;
    }
    return false;
}

bool member_package_good(struct member *m, struct span key_package, struct member_package_keys *keys, size_t keys_count,
                         enum mls_status *status) {
    struct mls_key_package_info info;
    struct group_before before;
    struct mls_member self;
    *status = mls_key_package_check(m->crypto, key_package, 0, &info);
    if (*status == MLS_OK && info.suite != m->suite.suite->id)
        *status = MLS_SUITE_UNSUPPORTED;
    if (*status == MLS_OK && doubles(m, &info.leaf, keys, keys_count))
        *status = MLS_ADD_DUPLICATE;
    enum group_verdict verdict = GROUP_NO_MEMORY;
    if (*status == MLS_OK)
        verdict = group_rules_before_of(m->crypto, m->group, link_key(m), &before);
    if (*status == MLS_OK && verdict == GROUP_GOOD && mls_member_at(m->group, mls_own_leaf(m->group), &self))
        verdict = group_rules_add(&before, &info.leaf, &self.leaf);
    if (*status != MLS_OK) {
        member_alarm(m, MEMBER_ALARM_ADD, span_of(NULL, 0), *status);
        return false;
    }
    if (!judged(m, verdict, info.leaf.identity, false)) {
        *status = MLS_PROPOSAL_REFUSED;
        return false;
    }
    keys[keys_count] =
        (struct member_package_keys){.signature = info.leaf.signature_key, .encryption = info.leaf.encryption_key};
    return true;
}

bool member_standing(const struct member *m, uint32_t leaf, struct group_standing *out) {
    struct group_before before;
    struct mls_member member;
    return group_rules_before_of(m->crypto, m->group, link_key(m), &before) == GROUP_GOOD &&
           mls_member_at(m->group, leaf, &member) && group_standing_of(&before, &member.leaf, out);
}
