#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "member/member_internal.h"

#define BASE_KEY_LEN 32 /* AES_256_GCM_SHA512_128 (RFC 9605 section 4.5) */

struct person *member_find_person(const struct member *m, struct span identity) {
    for (uint32_t i = 0; i < m->people_count; i++) {
        if (span_equal(mls_buf_span(&m->people[i].identity), identity))
            return &m->people[i];
    }
    return NULL;
}

struct person *member_person_at(const struct member *m, uint32_t leaf) {
    for (uint32_t i = 0; i < m->people_count; i++) {
        if (m->people[i].leaf == leaf)
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

/* ---- people ---- */

static void person_end(struct person *p) {
    mls_buf_free(&p->identity);
    mls_buf_free(&p->signature_key);
    mls_buf_free(&p->software);
    mls_buf_free(&p->bundle);
    mls_buf_free(&p->profile);
}

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

static void fill(struct person *p, const struct mls_member *leaf) {
    struct span data;
    struct secure_client client;
    buf_set(&p->identity, leaf->leaf.identity);
    buf_set(&p->signature_key, leaf->leaf.signature_key);
    if (mls_extension_find(leaf->leaf.extensions, SECURE_EXTENSION_CLIENT, &data) &&
        secure_client_read(data, &client)) {
        p->kind = client.kind;
        buf_set(&p->software, client.software);
        buf_set(&p->bundle, client.bundle);
    }
}

static bool is_leaf_of(const struct person *p, const struct mls_member *leaf) {
    return span_equal(leaf->leaf.signature_key, mls_buf_span(&p->signature_key)) &&
           span_equal(leaf->leaf.identity, mls_buf_span(&p->identity));
}

/* Most stay where they were; who came again has another leaf. */
static bool find_leaf(const struct member *m, struct person *p) {
    struct mls_member leaf;
    uint32_t cursor = 0;
    if (mls_member_at(m->group, p->leaf, &leaf) && is_leaf_of(p, &leaf))
        return true;
    while (mls_member_next(m->group, &cursor, &leaf)) {
        if (!is_leaf_of(p, &leaf))
            continue;
        p->leaf = leaf.leaf_index;
        return true;
    }
    return false;
}

/* Brings the list in line with the group's leaves; who is new or gone is noted. */
static void update_people(struct member *m, uint64_t unix_s, struct span by, bool first) {
    struct mls_member leaf;
    uint32_t cursor = 0;
    for (uint32_t i = 0; i < m->people_count;) {
        struct person *p = &m->people[i];
        if (find_leaf(m, p)) {
            i++;
            continue;
        }
        member_note(m, MEMBER_WENT, unix_s, mls_buf_span(&p->identity), by);
        member_put(m, &(struct member_output){
                          .type = MEMBER_REMOVED, .identity = mls_buf_span(&p->identity), .epoch = member_epoch(m)});
        person_end(p);
        m->people[i] = m->people[--m->people_count];
    }
    while (m->people_count < mls_member_count(m->group) && mls_member_next(m->group, &cursor, &leaf)) {
        if (member_find_person(m, leaf.leaf.identity) != NULL)
            continue;
        struct person *p = person_new(m);
        if (p == NULL)
            continue; /* shown when there is memory again: at the next epoch */
        p->leaf = leaf.leaf_index;
        fill(p, &leaf);
        p->online = true;
        if (!first)
            member_note(m, MEMBER_CAME, unix_s, leaf.leaf.identity, by);
    }
    struct person *self = member_find_person(m, mls_buf_span(&m->identity));
    if (self != NULL) {
        self->name = m->name;
        self->named = true;
        self->verified = true;
    }
    if (first)
        member_note(m, MEMBER_BEGAN, unix_s, mls_buf_span(&m->identity), by);
}

/* ---- keys ---- */

static void give_keys(struct member *m) {
    uint8_t key[BASE_KEY_LEN];
    if (mls_export(m->group, "SFrame 1.0 Base Key", span_of(NULL, 0), key, sizeof key) == MLS_OK) {
        member_put(m, &(struct member_output){.type = MEMBER_KEYS,
                                              .epoch = member_epoch(m),
                                              .own_leaf = mls_own_leaf(m->group),
                                              .bytes = span_of(key, sizeof key)});
    }
    secure_wipe(key, sizeof key);
}

void member_switch(struct member *m, uint64_t epoch) {
    uint32_t done = 0;
    while (done < m->switches_count && m->switches[done].epoch <= epoch)
        done++;
    if (done == 0)
        return;
    uint64_t to = m->switches[done - 1].epoch;
    m->switches_count -= done;
    memmove(m->switches, m->switches + done, m->switches_count * sizeof m->switches[0]);
    member_put(m, &(struct member_output){.type = MEMBER_SWITCH, .epoch = to});
}

/* Each epoch has a time of its own: commits that come faster than that must not put the switch off for ever. */
static void plan_switch(struct member *m, uint64_t at_us) {
    if (m->switches_count == SWITCHES_MAX)
        m->switches[SWITCHES_MAX - 1].epoch = member_epoch(m);
    else
        m->switches[m->switches_count++] = (struct due_switch){member_epoch(m), at_us};
}

static bool anybody_new(const struct member *m, uint32_t before, uint32_t history_before) {
    return m->people_count != before || m->history_count != history_before;
}

void member_entered(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng, struct span by, bool first) {
    uint32_t before = m->people_count, history = m->history_count;
    update_people(m, unix_s, by, first);
    if (!first && !anybody_new(m, before, history))
        member_note(m, MEMBER_HEALED, unix_s, by, by);
    m->remove_open_us = 0;
    m->withheld_told = false;
    m->pending_since_us = 0;
    give_keys(m);
    member_send_wire(m, &(struct wire_message){.type = WIRE_ACK, .epoch = member_epoch(m)});
    plan_switch(m, now_us + MEMBER_SWITCH_US);
    if (first)
        member_switch(m, member_epoch(m));
    /* Somebody commits when nothing has changed for long; spread, so that it is one and not all. */
    m->heal_at_us = now_us + MEMBER_HEAL_US + rng_below(rng, MEMBER_HEAL_US / 10 * (1 + m->people_count / 10));
    m->checks_at_us = mls_verify_left(m->group) > 0 ? now_us : TIME_NEVER;
    m->names_at_us = now_us + NAMES_US;
    m->names_tries = 0;
    member_set_state(m, MEMBER_IN);
    member_put(m, &(struct member_output){.type = MEMBER_EPOCH, .epoch = member_epoch(m)});
    member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
    member_directs_again(m, rng);
    if (first)
        member_send_profile(m, rng);
}
