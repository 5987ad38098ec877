/* Who is in the group, who was in the epochs before, and who went. */
#include <string.h>

#include "base/assert.h"
#include "member/member_internal.h"

struct person *member_find_person(const struct member *m, struct span identity) {
    for (uint32_t i = 0; i < m->people_count; i++) {
        if (span_equal(mls_buf_span(&m->people[i].identity), identity))
            return &m->people[i];
    }
    return NULL;
}

void member_note(struct member *m, enum member_change_kind kind, uint64_t unix_s, struct span identity,
                 struct span by) {
    if (m->history_count == MEMBER_HISTORY_MAX)
        memmove(&m->history[0], &m->history[1], (--m->history_count) * sizeof m->history[0]);
    struct change *c = &m->history[m->history_count++];
    const struct person *p = member_find_person(m, identity);
    *c = (struct change){.kind = kind, .epoch = member_epoch(m), .unix_s = unix_s};
    c->identity_len = (uint8_t)identity.len;
    c->by_len = (uint8_t)by.len;
    if (identity.len > 0)
        memcpy(c->identity, identity.data, identity.len);
    if (by.len > 0)
        memcpy(c->by, by.data, by.len);
    if (p != NULL)
        c->name = p->name;
}

void member_person_free(struct person *p) {
    mls_buf_free(&p->identity);
    mls_buf_free(&p->signature_key);
    mls_buf_free(&p->software);
    mls_buf_free(&p->bundle);
    mls_buf_free(&p->profile);
}

/* ---- who was here ---- */

struct span author_identity(const struct author *a) {
    return span_of(a->identity, a->identity_len);
}

static void author_of(const struct person *p, struct author *out) {
    struct span identity = mls_buf_span(&p->identity), key = mls_buf_span(&p->signature_key);
    ASSERT(identity.len > 0 && identity.len <= sizeof out->identity && key.len > 0 && key.len <= sizeof out->key);
    *out = (struct author){
        .leaf = p->leaf, .role = p->role, .identity_len = (uint8_t)identity.len, .key_len = (uint8_t)key.len};
    memcpy(out->identity, identity.data, identity.len);
    memcpy(out->key, key.data, key.len);
}

static void roster_free(struct roster *roster) {
    if (roster->authors != NULL)
        mls_free(roster->authors, roster->count * sizeof *roster->authors);
    *roster = (struct roster){0};
}

void member_past_forget(struct member *m) {
    for (uint32_t i = 0; i < PAST_EPOCHS; i++)
        roster_free(&m->past[i]);
}

static void keep_roster(struct member *m) {
    struct roster *roster = &m->past[m->past_next++ % PAST_EPOCHS];
    roster_free(roster);
    if (m->people_count == 0)
        return;
    roster->authors = mls_alloc(m->people_count * sizeof *roster->authors);
    if (roster->authors == NULL)
        return; /* late messages of this epoch have no author then, and are not shown */
    roster->epoch = m->people_epoch;
    roster->count = m->people_count;
    for (uint32_t i = 0; i < m->people_count; i++)
        author_of(&m->people[i], &roster->authors[i]);
}

bool member_author(const struct member *m, uint64_t epoch, uint32_t leaf, struct author *out) {
    for (uint32_t i = 0; epoch == member_epoch(m) && i < m->people_count; i++) {
        if (m->people[i].leaf != leaf)
            continue;
        author_of(&m->people[i], out);
        return true;
    }
    for (uint32_t i = 0; epoch != member_epoch(m) && i < PAST_EPOCHS; i++) {
        const struct roster *roster = &m->past[i];
        for (uint32_t k = 0; roster->epoch == epoch && k < roster->count; k++) {
            if (roster->authors[k].leaf != leaf)
                continue;
            *out = roster->authors[k];
            return true;
        }
    }
    return false;
}

/* ---- who is here ---- */

static struct person *person_new(struct member *m) {
    if (m->people_count == m->people_room) {
        uint32_t room = m->people_room == 0 ? 16 : 2 * m->people_room;
        struct person *more = mls_resize(m->people, m->people_room * sizeof *more, room * sizeof *more);
        if (more == NULL)
            return NULL;
        m->people = more;
        m->people_room = room;
    }
    struct person *p = &m->people[m->people_count++];
    memset(p, 0, sizeof *p);
    return p;
}

static uint64_t mark_of(const struct mls_member *leaf) {
    uint64_t mark = 0;
    size_t len = leaf->leaf.encryption_key.len;
    memcpy(&mark, leaf->leaf.encryption_key.data, len < sizeof mark ? len : sizeof mark);
    return mark;
}

static void fill(struct person *p, const struct mls_member *leaf) {
    struct group_client client;
    p->key_mark = mark_of(leaf);
    buf_set(&p->identity, leaf->leaf.identity);
    buf_set(&p->signature_key, leaf->leaf.signature_key);
    if (group_client_of(leaf->leaf.extensions, &client)) {
        p->client = (enum group_client_kind)client.kind;
        buf_set(&p->software, client.software);
        buf_set(&p->bundle, client.bundle);
    }
}

static bool is_leaf_of(const struct person *p, const struct mls_member *leaf) {
    return span_equal(leaf->leaf.signature_key, mls_buf_span(&p->signature_key)) &&
           span_equal(leaf->leaf.identity, mls_buf_span(&p->identity));
}

/* Most stay where they were; who came again may have another leaf. */
static bool find_leaf(const struct member *m, struct person *p, struct mls_member *leaf) {
    uint32_t cursor = 0;
    if (mls_member_at(m->group, p->leaf, leaf) && is_leaf_of(p, leaf))
        return true;
    while (mls_member_next(m->group, &cursor, leaf)) {
        if (!is_leaf_of(p, leaf))
            continue;
        p->leaf = leaf->leaf_index;
        return true;
    }
    return false;
}

/* One seat is one person, but what it said before it came again is not what it says now: its program may be another,
 * which counts names and private messages from the start. */
static void begin_anew(struct person *p) {
    p->name_version = 0;
    mls_buf_free(&p->profile);
    p->directs_seen = (struct replay_window){0};
}

static void look_whether_again(struct member *m, struct person *p, const struct mls_member *leaf, uint64_t unix_s,
                               struct span by, enum entry entry) {
    bool other_key = mark_of(leaf) != p->key_mark;
    bool by_itself = m->next_external && span_equal(by, mls_buf_span(&p->identity));
    p->key_mark = mark_of(leaf);
    if (!other_key || span_equal(mls_buf_span(&p->identity), mls_buf_span(&m->identity)))
        return;
    if (entry == ENTRY_AGAIN) { /* perhaps only a commit; what was sealed to our former leaf does not open any more */
        begin_anew(p);
    } else if (by_itself || leaf->leaf.source == MLS_LEAF_KEY_PACKAGE) {
        begin_anew(p);
        p->since_epoch = member_epoch(m); /* private messages of before are not taken, so that none comes twice */
        p->hand = p->disputes = p->withheld_told = false;
        p->hand_known = p->online = true;
        p->leaving_since_us = 0;
        member_note(m, MEMBER_CAME, unix_s, mls_buf_span(&p->identity), by);
    }
}

static void went(struct member *m, struct person *p, uint64_t unix_s, struct span by) {
    member_note(m, MEMBER_WENT, unix_s, mls_buf_span(&p->identity), by);
    member_put(m, &(struct member_output){
                      .type = MEMBER_REMOVED, .identity = mls_buf_span(&p->identity), .epoch = member_epoch(m)});
    member_person_free(p);
    *p = m->people[--m->people_count];
}

static void came(struct member *m, const struct mls_member *leaf, uint64_t unix_s, struct span by, bool first) {
    struct person *p = person_new(m);
    if (p == NULL)
        return; /* shown when there is memory again: at the next epoch */
    p->leaf = leaf->leaf_index;
    fill(p, leaf);
    p->online = true;
    p->since_epoch = member_epoch(m);
    p->hand_known = !first; /* of who comes after us we hear everything from itself */
    if (!first)
        member_note(m, MEMBER_CAME, unix_s, leaf->leaf.identity, by);
}

static void find_roles(struct member *m, uint64_t unix_s, struct span by, bool first) {
    for (uint32_t i = 0; i < m->people_count; i++) {
        struct person *p = &m->people[i];
        struct group_standing standing = {.role = GROUP_PARTICIPANT};
        (void)member_standing(m, p->leaf, &standing); /* without memory nobody has more than the least */
        bool changed = p->role != 0 && p->role != standing.role;
        p->role = standing.role;
        p->may = standing.may;
        if (changed && !first)
            member_note(m, MEMBER_ROLE, unix_s, mls_buf_span(&p->identity), by);
    }
}

uint32_t member_greeter_of(const struct member *m, struct span newcomer) {
    uint32_t lowest = UINT32_MAX;
    for (uint32_t i = 0; i < m->people_count; i++) {
        const struct person *p = &m->people[i];
        if (p->online && !span_equal(mls_buf_span(&p->identity), newcomer) && p->leaf < lowest)
            lowest = p->leaf;
    }
    return lowest;
}

void member_update_people(struct member *m, uint64_t unix_s, struct span by, enum entry entry) {
    struct mls_member leaf;
    uint32_t cursor = 0;
    bool first = entry == ENTRY_NEW;
    if (entry == ENTRY_NEXT)
        keep_roster(m);
    else
        member_past_forget(m);
    m->people_epoch = member_epoch(m);
    for (uint32_t i = 0; i < m->people_count;) {
        struct person *p = &m->people[i];
        if (find_leaf(m, p, &leaf)) {
            look_whether_again(m, p, &leaf, unix_s, by, entry);
            i++;
        } else {
            went(m, p, unix_s, by);
        }
    }
    while (m->people_count < mls_member_count(m->group) && mls_member_next(m->group, &cursor, &leaf)) {
        if (member_find_person(m, leaf.leaf.identity) == NULL)
            came(m, &leaf, unix_s, by, first);
    }
    find_roles(m, unix_s, by, first);
    struct person *self = member_find_person(m, mls_buf_span(&m->identity));
    if (self != NULL) {
        self->name = m->name;
        self->named = true;
        self->verified = true;
    }
    if (first)
        member_note(m, MEMBER_BEGAN, unix_s, mls_buf_span(&m->identity), by);
}
