/* What one may do to the others: work, refusals, commits that nobody asked for. */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "delivery/delivery_internal.h"
#include "e2ee/mem.h"
#include "e2ee/mls.h"

#define MINUTE_US (60 * US_PER_S)
/* Turns to come in again: so many a minute, then each after a longer pause. */
#define TURNS_BURST 3
#define PAUSE_MAX_S 60
#define QUIET_US (5 * MINUTE_US)
#define ACCUSED_US (5 * MINUTE_US)
#define DISTRUST_US (10 * MINUTE_US)
/* One member's word counts against so many authors. */
#define DISTRUSTED_BY_ONE 2
#define COMMITS_BURST 4
#define COMMITS_HOST_BURST 60
#define URGENT_BURST 3
#define URGENT_US (500 * US_PER_MS)

/* ---- work ---- */

uint64_t fair_price(const struct connection *c, const struct wire1_message *message) {
    uint64_t members = c->meeting->in_phase[PHASE_MEMBER];
    size_t len = message->commit.len + message->group_info.len + message->tree.len + message->welcome.len;
    switch (message->type) {
    case WIRE1_HELLO:
        return message->resume ? PRICE_RESUME_US + PRICE_SEND_US * c->meeting->log_count : PRICE_HELLO_US;
    case WIRE1_CREATE:
        return PRICE_CREATE_US + PRICE_COMMIT_KB_US * (len >> 10);
    case WIRE1_COMMIT:
        return PRICE_COMMIT_US + PRICE_COMMIT_KB_US * (len >> 10) + 2 * PRICE_SEND_US * members;
    case WIRE1_ACK:
        return PRICE_ACK_US;
    case WIRE1_BAD:
        return PRICE_BAD_US;
    case WIRE1_APP:
        return PRICE_SEALED_US + PRICE_SEND_US * members;
    case WIRE1_DIRECT:
        return PRICE_SEALED_US + PRICE_SEND_US;
    case WIRE1_LEAVE:
        return PRICE_LEAVE_US + PRICE_SEND_US * members;
    default:
        return PRICE_MALFORMED_US;
    }
}

static uint64_t longer(uint64_t a_us, uint64_t b_us) {
    return a_us > b_us ? a_us : b_us;
}

static void hold(struct connection *c, uint64_t until_us) {
    struct assembly *m = c->meeting;
    if (c->held_until_us == 0) {
        m->held++;
        m->owner->counters.delivery_held++;
        delivery_tell_held(m->owner, c, true);
    }
    c->held_until_us = longer(c->held_until_us, until_us);
    m->look_at_us = time_min(m->look_at_us, c->held_until_us);
}

bool fair_charge(struct connection *c, uint64_t now_us, uint64_t price_us, bool own) {
    struct assembly *m = c->meeting;
    bool member = c->phase == PHASE_MEMBER;
    if (own)
        budget_charge(&c->work, now_us, BUDGET_OWN_RATE, price_us);
    uint64_t wait_us = budget_debt_us(&c->work, now_us, BUDGET_OWN_RATE, BUDGET_OWN_BURST_US);
    if (budget_debt_us(&c->work, now_us, BUDGET_OWN_RATE, BUDGET_OWN_BURST_US / 2) == 0)
        c->in_debt_since_us = 0;
    else if (wait_us > 0 && c->in_debt_since_us == 0)
        c->in_debt_since_us = now_us;
    uint64_t crowd_us = budget_share(member ? &m->members_work : &m->others_work, now_us,
                                     member ? BUDGET_MEMBERS_RATE : BUDGET_OTHERS_RATE, price_us, &c->window_of_crowd);
    uint64_t network_us = c->network == NULL ? 0
                                             : budget_share(&c->network->work, now_us, BUDGET_NETWORK_RATE, price_us,
                                                            &c->window_of_network);
    if (!fair_is_host(c)) /* what a host has to say goes before what the others want */
        wait_us = longer(wait_us, longer(crowd_us, network_us));
    if (wait_us == 0)
        return true;
    if (c->in_debt_since_us != 0 && now_us >= c->in_debt_since_us + BUDGET_EMPTY_MAX_US)
        return false;
    hold(c, now_us + wait_us);
    return true;
}

void fair_release(struct assembly *m, uint64_t now_us) {
    struct connection *c = NULL;
    if (m->held == 0)
        return;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (c->held_until_us == 0)
            continue;
        if (c->held_until_us > now_us) {
            m->look_at_us = time_min(m->look_at_us, c->held_until_us);
            continue;
        }
        c->held_until_us = 0;
        m->held--;
        delivery_tell_held(m->owner, c, false);
    }
}

/* ---- conduct ---- */

struct conduct *fair_conduct(struct assembly *m, struct span identity) {
    if (m->conducts == NULL)
        m->conducts = mls_alloc(CONDUCTS_MAX * sizeof *m->conducts);
    if (m->conducts == NULL)
        return NULL;
    struct conduct *oldest = &m->conducts[0];
    for (uint32_t i = 0; i < CONDUCTS_MAX; i++) {
        struct conduct *k = &m->conducts[i];
        if (k->identity.len > 0 && span_equal(name_span(&k->identity), identity)) {
            k->used_us = m->owner->now_us;
            return k;
        }
        if (k->used_us < oldest->used_us)
            oldest = k;
    }
    memset(oldest, 0, sizeof *oldest);
    name_set(&oldest->identity, identity);
    oldest->used_us = m->owner->now_us;
    return oldest;
}

bool fair_is_host(const struct connection *c) {
    return c->phase == PHASE_MEMBER && c->leaf != TREE_NONE && c->meeting->active &&
           public1_group_is_host(&c->meeting->group, c->leaf);
}

static const struct conduct *known_conduct(const struct assembly *m, struct span identity) {
    for (uint32_t i = 0; m->conducts != NULL && i < CONDUCTS_MAX; i++) {
        if (m->conducts[i].identity.len > 0 && span_equal(name_span(&m->conducts[i].identity), identity))
            return &m->conducts[i];
    }
    return NULL;
}

bool fair_distrusted(struct assembly *m, const struct connection *c) {
    const struct conduct *k = known_conduct(m, name_span(&c->identity));
    return k != NULL && m->owner->now_us < k->distrusted_until_us && !fair_is_host(c);
}

/* ---- who cannot follow ---- */

void fair_resync(struct assembly *m, struct connection *c, uint64_t now_us) {
    struct conduct *k = fair_conduct(m, name_span(&c->identity));
    connection_set(c, PHASE_MEMBER, false, true);
    c->waiting_since_us = c->resync_at_us = now_us;
    if (m->lease == c->handle)
        m->lease = 0;
    if (k == NULL)
        return;
    if (now_us < k->quiet_until_us) {
        c->resync_at_us = k->quiet_until_us;
    } else if (!ration_take(&k->bad, now_us, TURNS_BURST, MINUTE_US / TURNS_BURST)) {
        uint64_t pause_s = k->pauses < 6 ? UINT64_C(1) << k->pauses : PAUSE_MAX_S;
        k->pauses++;
        m->owner->counters.delivery_rationed++;
        c->resync_at_us = k->quiet_until_us = now_us + pause_s * US_PER_S;
    } else if (now_us > k->quiet_until_us + QUIET_US) {
        k->pauses = 0;
    }
    m->look_at_us = time_min(m->look_at_us, c->resync_at_us);
}

/* Notes whose commit it refused; the number of authors lately. */
static uint32_t accuse(struct conduct *k, struct span author, uint64_t now_us) {
    uint32_t at = AUTHORS_MAX - 1;
    for (uint32_t i = 0; i < AUTHORS_MAX; i++) {
        if (k->accused[i].author.len > 0 && span_equal(name_span(&k->accused[i].author), author))
            at = i;
    }
    memmove(&k->accused[1], &k->accused[0], at * sizeof k->accused[0]);
    name_set(&k->accused[0].author, author);
    k->accused[0].at_us = now_us;
    uint32_t lately = 0;
    for (uint32_t i = 0; i < AUTHORS_MAX; i++)
        lately += k->accused[i].author.len > 0 && now_us < k->accused[i].at_us + ACCUSED_US;
    return lately;
}

void fair_bad(struct assembly *m, struct connection *c, uint64_t now_us, uint64_t epoch) {
    if (!m->active || c->phase != PHASE_MEMBER || epoch > m->group.epoch)
        return;
    if (c->resyncing && m->lease != c->handle) {
        m->owner->counters.delivery_rationed++;
        return; /* it is waiting for its turn */
    }
    m->owner->counters.delivery_bad_reports++;
    struct conduct *k = fair_conduct(m, name_span(&c->identity));
    bool about_author =
        epoch == m->group.epoch && epoch != 0 && !span_equal(name_span(&m->last_commit_by), name_span(&c->identity));
    bool heard = k != NULL && now_us >= k->quiet_until_us;
    if (about_author && heard) {
        uint32_t authors = accuse(k, name_span(&m->last_commit_by), now_us);
        struct conduct *author = authors <= DISTRUSTED_BY_ONE ? fair_conduct(m, name_span(&m->last_commit_by)) : NULL;
        if (author != NULL)
            author->distrusted_until_us = now_us + DISTRUST_US;
        if (authors >= AUTHORS_MAX) {
            struct name identity = c->identity;
            m->owner->counters.delivery_cannot_follow++;
            delivery_close(m->owner, c, WIRE1_GONE_CANNOT_FOLLOW, WIRE1_CLOSE_OVER);
            assembly_leaves(m, name_span(&identity));
            return;
        }
    }
    fair_resync(m, c, now_us);
}

/* ---- commits ---- */

const char *fair_commit_refused(struct assembly *m, struct connection *c, uint64_t now_us, bool asked) {
    if (m->urgent != 0 && now_us < m->urgent_until_us && c->handle != m->urgent)
        return "a host's removal goes first";
    if (c->phase != PHASE_MEMBER || c->resyncing)
        return NULL; /* by their turn */
    bool host = fair_is_host(c), distrusted = fair_distrusted(m, c);
    if (asked && !distrusted)
        return NULL;
    struct conduct *k = fair_conduct(m, name_span(&c->identity));
    uint32_t burst = host ? COMMITS_HOST_BURST : distrusted ? 1 : COMMITS_BURST;
    if (k == NULL || ration_take(&k->commits, now_us, burst, MINUTE_US / burst))
        return NULL;
    m->owner->counters.delivery_rationed++;
    return "too many commits of this member";
}

void fair_commit_give_back(struct assembly *m, const struct connection *c) {
    struct conduct *k = fair_conduct(m, name_span(&c->identity));
    if (k != NULL)
        ration_give_back(&k->commits, MINUTE_US / (fair_is_host(c) ? COMMITS_HOST_BURST : COMMITS_BURST));
}

static bool removes_by_value(struct span commit) {
    struct mls_message message;
    struct mls_proposal_or_ref entry;
    if (mls_message_parse(commit, &message) != MLS_OK || message.wire_format != MLS_WIRE_PUBLIC_MESSAGE ||
        message.public_message.authenticated.content.content_type != MLS_CONTENT_COMMIT)
        return false;
    struct mls_reader it = mls_reader_of(message.public_message.authenticated.content.commit.proposals.bytes);
    while (mls_proposal_or_ref_next(&it, &entry)) {
        if (entry.type == MLS_PROPOSAL_BY_VALUE && entry.proposal.type == MLS_PROPOSAL_REMOVE)
            return true;
    }
    return false;
}

void fair_commit_lost(struct assembly *m, struct connection *c, uint64_t now_us, struct span commit) {
    if (!fair_is_host(c) || !removes_by_value(commit))
        return;
    struct conduct *k = fair_conduct(m, name_span(&c->identity));
    if (k == NULL || !ration_take(&k->urgent, now_us, URGENT_BURST, MINUTE_US / URGENT_BURST))
        return;
    m->urgent = c->handle;
    m->urgent_until_us = now_us + URGENT_US;
    m->look_at_us = time_min(m->look_at_us, m->urgent_until_us);
}
