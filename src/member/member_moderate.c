/* What hosts do to others. A removal is a wish that stands until it is fulfilled: whatever commit wins, that seat is to
 * go. */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "member/member_internal.h"

static void tell(struct member *m, const struct removal *wanted, enum member_removal state) {
    member_put(m, &(struct member_output){.type = MEMBER_REMOVAL,
                                          .identity = span_of(wanted->identity, wanted->identity_len),
                                          .removal = state});
}

/* The person that is to go, if that seat is still there. Another who has its identity now is somebody else. */
static const struct person *seat_of(const struct member *m, const struct removal *wanted) {
    const struct person *p = member_find_person(m, span_of(wanted->identity, wanted->identity_len));
    return p != NULL && span_equal(mls_buf_span(&p->signature_key), span_of(wanted->key, wanted->key_len)) ? p : NULL;
}

static bool proposed_already(const struct member *m, uint32_t leaf) {
    struct mls_proposal_info info;
    for (uint32_t i = 0; mls_proposal_at(m->group, i, &info); i++) {
        if (info.type == MLS_PROPOSAL_REMOVE && info.leaf_index == leaf)
            return true;
    }
    return false;
}

static bool wanted_out(const struct member *m, struct span seat_key) {
    for (uint32_t i = 0; i < m->removals_count; i++) {
        if (span_equal(span_of(m->removals[i].key, m->removals[i].key_len), seat_key))
            return true;
    }
    return false;
}

static bool is_barred(const struct member *m, const struct group_meeting *meeting, const struct removal *wanted) {
    uint8_t entry[GROUP_BARRED_LEN];
    group_barred_of_seat(m->crypto, span_of(wanted->key, wanted->key_len), entry);
    return group_is_barred(meeting, span_of(entry, sizeof entry));
}

/* Its leaf, also when the server took it meanwhile; and it comes back by no path. */
static bool is_out(const struct member *m, const struct removal *wanted) {
    struct group_meeting meeting;
    return seat_of(m, wanted) == NULL && group_meeting_of(mls_group_extensions(m->group), &meeting) &&
           is_barred(m, &meeting, wanted);
}

/* The GroupContext's extensions with another Meeting. */
static enum mls_status write_extensions(const struct member *m, const struct group_meeting *meeting,
                                        struct mls_buf *out) {
    struct mls_buf changed, wrapped;
    mls_buf_init(&changed, GROUP_MEETING_LEN_MAX);
    mls_buf_init(&wrapped, 2 * GROUP_MEETING_LEN_MAX);
    group_meeting_write(meeting, &changed);
    enum mls_status status = changed.status;
    mls_wr_vec(&wrapped, mls_group_extensions(m->group));
    struct mls_reader r = mls_reader_of(mls_buf_span(&wrapped));
    struct mls_list list;
    struct mls_extension extension;
    mls_extensions_read(&r, &list);
    struct mls_reader it = mls_reader_of(list.bytes);
    while (status == MLS_OK && mls_extensions_next(&it, &extension)) {
        bool ours = extension.type == GROUP_EXTENSION_MEETING;
        status = mls_extension_write(extension.type, ours ? mls_buf_span(&changed) : extension.data, out);
    }
    mls_buf_free(&changed);
    mls_buf_free(&wrapped);
    return status;
}

enum mls_status member_propose_meeting(const struct member *m, const struct group_meeting *meeting,
                                       struct mls_buf *proposals) {
    struct mls_buf extensions;
    mls_buf_init(&extensions, 2 * GROUP_MEETING_LEN_MAX);
    enum mls_status status = write_extensions(m, meeting, &extensions);
    if (status == MLS_OK)
        status = mls_propose_write_extensions(mls_buf_span(&extensions), proposals);
    mls_buf_free(&extensions);
    return status;
}

/* Who is put out has no role and is barred: the right to be host goes with the seat. The oldest of those that are
 * barred make room. */
static enum mls_status propose_bars(const struct member *m, struct mls_buf *proposals) {
    struct group_meeting meeting;
    struct group_role_entry entry;
    struct mls_buf roles, barred;
    size_t at = 0;
    if (!group_meeting_of(mls_group_extensions(m->group), &meeting))
        return MLS_WRONG_STATE;
    mls_buf_init(&roles, GROUP_MEETING_LEN_MAX);
    mls_buf_init(&barred, GROUP_BARRED_LEN * (GROUP_BARRED_MAX + REMOVALS_MAX));
    while (group_role_next(&meeting, &at, &entry)) {
        if (!wanted_out(m, entry.key))
            group_role_add(&roles, &entry);
    }
    mls_wr_span(&barred, meeting.barred);
    for (uint32_t i = 0; i < m->removals_count; i++) {
        const struct removal *wanted = &m->removals[i];
        uint8_t seat[GROUP_BARRED_LEN];
        group_barred_of_seat(m->crypto, span_of(wanted->key, wanted->key_len), seat);
        if (!is_barred(m, &meeting, wanted))
            mls_wr_span(&barred, span_of(seat, sizeof seat));
    }
    bool changed = mls_buf_len(&barred) != meeting.barred.len || mls_buf_len(&roles) != meeting.roles.len;
    struct span newest = mls_buf_span(&barred);
    size_t most = (size_t)GROUP_BARRED_LEN * GROUP_BARRED_MAX, skip = newest.len > most ? newest.len - most : 0;
    meeting.roles = mls_buf_span(&roles);
    meeting.barred = span_of(newest.data + skip, newest.len - skip);
    enum mls_status status = changed ? member_propose_meeting(m, &meeting, proposals) : MLS_OK;
    mls_buf_free(&roles);
    mls_buf_free(&barred);
    return status;
}

static enum mls_status commit_removals(struct member *m, struct rng *rng) {
    struct mls_buf proposals;
    mls_buf_init(&proposals, 64 * REMOVALS_MAX + 2 * GROUP_MEETING_LEN_MAX);
    enum mls_status status = propose_bars(m, &proposals);
    for (uint32_t i = 0; status == MLS_OK && i < m->removals_count; i++) {
        const struct person *p = seat_of(m, &m->removals[i]);
        if (p != NULL && !proposed_already(m, p->leaf)) /* what is proposed goes with every commit */
            status = mls_propose_write_remove(p->leaf, &proposals);
    }
    if (status == MLS_OK)
        status = member_commit(m, rng, mls_buf_span(&proposals), false, true, span_of(NULL, 0));
    mls_buf_free(&proposals);
    return status;
}

static bool self_is_host(const struct member *m) {
    const struct person *self = member_find_person(m, mls_buf_span(&m->identity));
    return self != NULL && self->role == GROUP_HOST;
}

void member_removals_look(struct member *m, uint64_t now_us, struct rng *rng) {
    bool host = self_is_host(m);
    for (uint32_t i = 0; i < m->removals_count;) {
        struct removal *wanted = &m->removals[i];
        bool out = is_out(m, wanted);
        if (!out && host && now_us < wanted->since_us + MEMBER_REMOVAL_US) {
            i++;
            continue;
        }
        tell(m, wanted, out ? MEMBER_REMOVAL_DONE : MEMBER_REMOVAL_FAILED);
        *wanted = m->removals[--m->removals_count];
    }
    m->removal_at_us = m->removals_count > 0 ? now_us + REMOVAL_AGAIN_US : TIME_NEVER;
    if (m->removals_count > 0 && !member_is_committing(m) && m->connected && !m->astray && !m->catching_up)
        (void)commit_removals(m, rng);
}

enum mls_status member_remove(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                              struct span identity) {
    (void)unix_s;
    m->now_us = now_us;
    if (m->state != MEMBER_IN || m->group == NULL)
        return MEMBER_NOT_IN;
    const struct person *p = member_find_person(m, identity);
    if (!self_is_host(m) || p == NULL || p->leaf == mls_own_leaf(m->group))
        return MLS_PROPOSAL_REFUSED;
    struct removal *wanted = &m->removals[m->removals_count];
    struct span key = mls_buf_span(&p->signature_key);
    for (uint32_t i = 0; i < m->removals_count; i++) {
        if (seat_of(m, &m->removals[i]) == p)
            return MLS_OK;
    }
    if (m->removals_count == REMOVALS_MAX)
        return MLS_PROPOSALS_STORED_TOO_MANY;
    ASSERT(identity.len <= sizeof wanted->identity && key.len <= sizeof wanted->key);
    *wanted = (struct removal){.identity_len = (uint8_t)identity.len, .key_len = (uint8_t)key.len, .since_us = now_us};
    memcpy(wanted->identity, identity.data, identity.len);
    memcpy(wanted->key, key.data, key.len);
    m->removals_count++;
    tell(m, wanted, MEMBER_REMOVAL_WANTED);
    /* media ends at once, before the group has another key */
    member_send_wire(m, &(struct wire_message){.type = WIRE_MODERATE, .what = WIRE_REMOVE, .target = identity});
    member_removals_look(m, now_us, rng);
    return MLS_OK;
}

/* One more host: its seat key, so that the right goes with that key and ends with it. */
static enum mls_status propose_host(const struct member *m, struct span seat_key, struct mls_buf *proposals) {
    struct group_meeting meeting;
    struct group_role_entry entry;
    struct mls_buf roles;
    size_t at = 0;
    if (!group_meeting_of(mls_group_extensions(m->group), &meeting))
        return MLS_WRONG_STATE;
    mls_buf_init(&roles, GROUP_MEETING_LEN_MAX);
    while (group_role_next(&meeting, &at, &entry)) {
        if (!span_equal(entry.key, seat_key))
            group_role_add(&roles, &entry);
    }
    group_role_add(&roles, &(struct group_role_entry){.role = GROUP_HOST, .key = seat_key});
    meeting.roles = mls_buf_span(&roles);
    enum mls_status status = roles.status == MLS_OK ? member_propose_meeting(m, &meeting, proposals) : roles.status;
    mls_buf_free(&roles);
    return status;
}

enum mls_status member_make_host(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                                 struct span identity) {
    (void)unix_s;
    struct mls_buf proposal;
    m->now_us = now_us;
    if (m->state != MEMBER_IN || m->group == NULL)
        return MEMBER_NOT_IN;
    const struct person *p = member_find_person(m, identity);
    if (!self_is_host(m) || p == NULL || p->role == GROUP_HOST)
        return MLS_PROPOSAL_REFUSED;
    mls_buf_init(&proposal, 2 * GROUP_MEETING_LEN_MAX + 64);
    enum mls_status status = propose_host(m, mls_buf_span(&p->signature_key), &proposal);
    if (status == MLS_OK)
        status = member_commit(m, rng, mls_buf_span(&proposal), false, false, span_of(NULL, 0));
    mls_buf_free(&proposal);
    return status;
}
