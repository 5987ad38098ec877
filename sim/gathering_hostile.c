/* Those who do not keep to the protocol, and what must hold for the others all the same. */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "member/member_internal.h"
#include "sim/gathering.h"

/* How long a commit may be staged: the service decides within ORDER_READY_US, and messages are under way. */
#define STAGED_MAX_US (2 * US_PER_S)

static struct assembly_person *person_of(struct gathering *g, const struct attendee *a) {
    return &g->assembly.people[a->person];
}

static bool dice(struct gathering *g, uint64_t of) {
    return rng_below(&g->conference->rng, of) == 0;
}

/* ---- hostile members --------------------------------------------------------------------------------------------- */

/* A commit that is good for all that is public, and that nobody can open: its key schedule has another PSK in it. */
static void bad_commit(struct gathering *g, struct attendee *a) {
    static const uint8_t wrong[32] = {1};
    struct member *m = person_of(g, a)->member;
    const struct span id = span_of(m->psk_id, sizeof m->psk_id), none = span_of(NULL, 0);
    struct mls_buf proposals;
    if (m->group == NULL || m->next != NEXT_NONE || mls_commit_is_pending(m->group))
        return;
    mls_buf_init(&proposals, 256);
    enum mls_status status = mls_psk_add(m->client, id, span_of(wrong, sizeof wrong));
    if (status == MLS_OK)
        status = mls_propose_write_psk(m->suite.suite->id, id, &g->assembly.rng, &proposals);
    if (status == MLS_OK)
        (void)member_commit(m, &g->assembly.rng, mls_buf_span(&proposals), false, false, none);
    status = mls_psk_add(m->client, id, secret_span(&m->link.psk));
    ASSERT(status == MLS_OK);
    mls_buf_free(&proposals);
    g->figures.bad_commits++;
}

static void own_commit(struct gathering *g, struct attendee *a) {
    struct member *m = person_of(g, a)->member;
    const struct span none = span_of(NULL, 0);
    if (m->group != NULL && m->next == NEXT_NONE && !mls_commit_is_pending(m->group))
        (void)member_commit(m, &g->assembly.rng, none, false, dice(g, 2), none);
}

static void say(struct gathering *g, const struct attendee *a, const struct wire_message *message) {
    assembly_say(&g->assembly, a->person, true, message);
}

static void flood(struct gathering *g, struct attendee *a) {
    static const uint8_t tag[GROUP_INFO_TAG_LEN];
    uint64_t epoch = member_epoch(person_of(g, a)->member);
    for (uint32_t i = 0; i < 20; i++) {
        if (i % 2 == 0)
            say(g, a,
                &(struct wire_message){.type = WIRE_ACK, .epoch = epoch + 1, .info_tag = span_of(tag, sizeof tag)});
        else
            say(g, a, &(struct wire_message){.type = WIRE_CHECKED, .ticket = i, .good = i % 4 == 1});
    }
}

static void deed(struct gathering *g, struct attendee *a) {
    uint64_t epoch = member_epoch(person_of(g, a)->member);
    struct attendee *other = gathering_any(g);
    switch (rng_below(&g->conference->rng, 6)) {
    case 0:
        bad_commit(g, a);
        break;
    case 1:
        own_commit(g, a);
        break;
    case 2:
        flood(g, a);
        break;
    case 3: /* of what is open now, and of what was */
        say(g, a, &(struct wire_message){.type = WIRE_BAD, .epoch = epoch + 1, .status = MLS_PROPOSAL_REFUSED});
        say(g, a, &(struct wire_message){.type = WIRE_BAD, .epoch = epoch, .status = MLS_PROPOSAL_REFUSED});
        break;
    case 4: /* what hosts may */
        if (other != NULL)
            say(g, a,
                &(struct wire_message){
                    .type = WIRE_MODERATE, .what = WIRE_REMOVE, .target = span_str(person_of(g, other)->identity)});
        break;
    default:
        gathering_cut(g, a);
        break;
    }
    assembly_drain(&g->assembly, a->person);
}

void gathering_misbehave(struct gathering *g) {
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        struct attendee *a = &g->attendees[i];
        struct assembly_person *p = person_of(g, a);
        if (!a->hostile || !assembly_present(p) || !p->up || g->assembly.now_us < a->deed_us)
            continue;
        a->deed_us = g->assembly.now_us + 50 * US_PER_MS + rng_below(&g->conference->rng, US_PER_S);
        if (member_state(p->member) == MEMBER_IN && !g->ending)
            deed(g, a);
    }
}

/* Who is asked about an entrant says anything, unseen. */
bool gathering_hostile_down(struct gathering *g, int person, struct span bytes) {
    struct wire_message message;
    if (wire_read(WIRE_FROM_SERVER, bytes, &message) != WIRE_OK || message.type != WIRE_CHECK_NOW)
        return true;
    assembly_say(&g->assembly, person, true,
                 &(struct wire_message){.type = WIRE_CHECKED, .ticket = message.ticket, .good = dice(g, 2)});
    return false;
}

/* ---- a server that lies to one ----------------------------------------------------------------------------------- */

/* What it says in place of, or beside, a message to that one; false: the message does not arrive. */
bool gathering_lie(struct gathering *g, int person, struct span bytes) {
    struct wire_message message;
    struct member *m = g->assembly.people[person].member;
    uint64_t epoch = member_epoch(m);
    if (m->group == NULL || wire_read(WIRE_FROM_SERVER, bytes, &message) != WIRE_OK)
        return true;
    struct wire_message lie = {.seq = message.seq, .epoch = epoch + 1};
    switch (rng_below(&g->conference->rng, 8)) {
    case 0:
        lie.type = WIRE_WITHDRAWN;
        break;
    case 1:
        lie.type = WIRE_READY;
        lie.epoch = epoch + 1 + rng_below(&g->conference->rng, 3);
        break;
    case 2:
        return message.type != WIRE_READY;
    case 3:
        lie = (struct wire_message){.type = WIRE_STATE,
                                    .suite = g->assembly.suite,
                                    .standing = WIRE_STANDING_RESUMED,
                                    .epoch = epoch,
                                    .seq = m->last_seq,
                                    .token = span_str("another's token")};
        break;
    case 4:
        lie.type = WIRE_STALE;
        break;
    case 5: /* a group of its own: it cannot make one that descends from ours */
        lie = (struct wire_message){.type = WIRE_RESYNC,
                                    .group_info = bytes,
                                    .tree_hash = span_str("thirty-two bytes of no tree hash"),
                                    .from_epoch = epoch};
        break;
    case 6:
        return message.type != WIRE_HANDSHAKE;
    default:
        return true;
    }
    g->figures.lies++;
    struct mls_buf out;
    mls_buf_init(&out, 2 * WIRE_MESSAGE_LEN_MAX);
    wire_write(&lie, &out);
    if (mls_buf_ok(&out))
        assembly_inject(&g->assembly, person, false, mls_buf_span(&out));
    mls_buf_free(&out);
    return true;
}

/* ---- what must hold ---------------------------------------------------------------------------------------------- */

/* j: two honest members of one epoch show one code, or one of them an alarm. */
void gathering_check_code(struct gathering *g, const struct attendee *a, uint64_t epoch) {
    struct epoch_code *of = &g->codes[epoch % ARRAY_LEN(g->codes)];
    char code[GROUP_CODE_DIGITS + 1];
    const struct assembly_person *p = person_of(g, a);
    if (!member_code(p->member, code))
        return;
    if (of->epoch != epoch || of->code[0] == 0) {
        of->epoch = epoch;
        memcpy(of->code, code, sizeof of->code);
        of->person = a->person;
    } else if (strcmp(of->code, code) != 0 && p->alarms == 0 && g->assembly.people[of->person].alarms == 0) {
        conference_fail(g->conference, "p_%d and p_%d have different codes in epoch %llu", a->person, of->person,
                        (unsigned long long)epoch);
    }
}

/* k: a commit is applied when the service has said that it stands; a host's may be after a while. */
void gathering_check_applied(struct gathering *g, const struct attendee *a, uint64_t epoch) {
    bool first = epoch == a->first_epoch, told = a->ready_epoch >= epoch;
    bool waited = g->assembly.now_us >= a->staged_since_us + MEMBER_SWITCH_US;
    if (!first && !told && !waited && !a->lied_to)
        conference_fail(g->conference, "p_%d is in epoch %llu before that stands", a->person,
                        (unsigned long long)epoch);
}

/* i: nobody's commit stays open. */
static void check_staged(struct gathering *g, struct attendee *a) {
    const struct assembly_person *p = person_of(g, a);
    bool open = p->member->next == NEXT_STAGED || p->member->next == NEXT_OWN;
    if (!open || !p->up || a->lied_to || g->assembly.service == NULL)
        a->open_since_us = 0;
    else if (a->open_since_us == 0 || a->staged_since_us > a->open_since_us) /* another since we looked */
        a->open_since_us = g->assembly.now_us;
    else if (g->assembly.now_us > a->open_since_us + STAGED_MAX_US)
        conference_fail(g->conference, "p_%d has a commit staged for %.1f s", a->person,
                        (double)(g->assembly.now_us - a->open_since_us) / 1e6);
}

void gathering_check_groups(struct gathering *g) {
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        struct attendee *a = &g->attendees[i];
        const struct assembly_person *p = person_of(g, a);
        if (a->hostile || !assembly_present(p) || a->first_epoch == UINT64_MAX)
            continue;
        if (p->member->group == NULL) /* h */
            conference_fail(g->conference, "p_%d gave its group up before it had another", a->person);
        check_staged(g, a);
    }
    if (g->assembly.overdue_us > 100 * US_PER_MS)
        conference_fail(g->conference, "a deadline that was served came again for %.1f s",
                        (double)g->assembly.overdue_us / 1e6);
}

void gathering_check_withdrawn(struct gathering *g, const struct attendee *a, struct span identity) {
    struct member_person author;
    if (!a->lied_to && member_person_find(person_of(g, a)->member, identity, &author) && author.host &&
        !span_equal_str(identity, person_of(g, a)->identity))
        conference_fail(g->conference, "a commit of a host was taken back at p_%d", a->person);
}
