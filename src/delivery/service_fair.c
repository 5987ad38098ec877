/* What one may do to the others: work, messages, refusals, commits that nobody asked for. */
#include <string.h>

#include "base/time.h"
#include "delivery/service_internal.h"
#include "e2ee/mem.h"

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
#define MODERATES_BURST 120
#define SEALED_EACH_US (US_PER_S / SERVICE_SEALED_RATE)

/* ---- work ---- */

uint64_t fair_price(const struct hall *h, const struct wire_message *message) {
    size_t len = message->commit.len + message->group_info.len + message->tree.len + message->welcome.len;
    uint64_t all_us = (uint64_t)PRICE_SEND_US * h->guests;
    switch (message->type) {
    case WIRE_CREATE:
    case WIRE_RESTATED:
        return PRICE_CREATE_US + PRICE_COMMIT_KB_US * (len >> 10);
    case WIRE_COMMIT:
        return PRICE_COMMIT_US + PRICE_COMMIT_KB_US * (len >> 10) + 2 * all_us;
    case WIRE_CHECKED:
        return message->good ? PRICE_CHECKED_US + 2 * all_us : PRICE_BAD_US;
    case WIRE_ACK:
        return PRICE_ACK_US;
    case WIRE_BAD:
        return PRICE_BAD_US;
    case WIRE_APP:
        return PRICE_SEALED_US + all_us;
    case WIRE_DIRECT:
        return PRICE_SEALED_US + PRICE_SEND_US;
    case WIRE_MODERATE:
        return PRICE_MODERATE_US + all_us;
    case WIRE_WHERE:
        return PRICE_WHERE_US;
    case WIRE_LEAVE:
        return PRICE_LEAVE_US + all_us;
    default:
        return PRICE_MALFORMED_US;
    }
}

static uint64_t longer(uint64_t a_us, uint64_t b_us) {
    return a_us > b_us ? a_us : b_us;
}

static void hold(struct service *s, struct guest *g, uint64_t until_us) {
    if (g->held_until_us == 0) {
        s->counters.service_held++;
        service_tell_held(s, g, true);
    }
    g->held_until_us = longer(g->held_until_us, until_us);
    if (g->hall == NULL && g->phase == GUEST_NEW) /* its time for the hello does not run meanwhile */
        g->due_us = longer(g->due_us, g->held_until_us + SERVICE_HELLO_US);
    guest_rearm(s, g);
}

/* Its part of the bucket that it shares with those in the same position. */
static uint64_t share_of_crowd(struct service *s, uint64_t now_us, struct guest *g, uint64_t price_us) {
    struct hall *h = g->hall;
    if (h == NULL) /* users are networks: one has many connections */
        return budget_share(&s->strangers, now_us, BUDGET_STRANGERS_RATE, price_us,
                            g->network != NULL ? &g->network->window_of_strangers : &g->window_of_crowd);
    bool member = g->phase == GUEST_MEMBER;
    return budget_share(member ? &h->members_work : &h->others_work, now_us,
                        member ? BUDGET_MEMBERS_RATE : BUDGET_OTHERS_RATE, price_us, &g->window_of_crowd);
}

bool fair_charge(struct service *s, const struct service_now *now, struct guest *g, uint64_t price_us, bool own) {
    uint64_t now_us = now->now_us, network_us = 0;
    if (own)
        budget_charge(&g->work, now_us, BUDGET_OWN_RATE, price_us);
    uint64_t wait_us = budget_debt_us(&g->work, now_us, BUDGET_OWN_RATE, BUDGET_OWN_BURST_US);
    if (budget_debt_us(&g->work, now_us, BUDGET_OWN_RATE, BUDGET_OWN_BURST_US / 2) == 0)
        g->in_debt_since_us = 0;
    else if (wait_us > 0 && g->in_debt_since_us == 0)
        g->in_debt_since_us = now_us;
    uint64_t crowd_us = share_of_crowd(s, now_us, g, price_us);
    if (g->network != NULL)
        network_us = budget_share(&g->network->work, now_us, BUDGET_NETWORK_RATE, price_us, &g->window_of_network);
    bool host = g->hall != NULL && g->phase == GUEST_MEMBER && hall_leads(g->hall, guest_seat(g));
    if (!host) /* what a host has to say goes before what the others want */
        wait_us = longer(wait_us, longer(crowd_us, network_us));
    if (wait_us == 0)
        return true;
    if (g->in_debt_since_us != 0 && now_us >= g->in_debt_since_us + BUDGET_EMPTY_MAX_US)
        return false;
    hold(s, g, now_us + wait_us);
    return true;
}

void fair_meet(struct service *s, uint64_t now_us, struct guest *g) {
    uint64_t wait_us = budget_debt_us(&g->work, now_us, BUDGET_OWN_RATE, BUDGET_OWN_BURST_US);
    if (g->network != NULL)
        wait_us = longer(wait_us,
                         budget_debt_us(&g->network->work.budget, now_us, BUDGET_NETWORK_RATE, BUDGET_SHARED_BURST_US));
    if (wait_us > 0)
        hold(s, g, now_us + wait_us);
}

/* ---- conduct ---- */

static struct conduct *known_conduct(const struct hall *h, struct span seat) {
    for (uint32_t i = 0; h->conducts != NULL && i < HALL_CONDUCTS_MAX; i++) {
        struct conduct *k = &h->conducts[i];
        if (k->used_us != 0 && span_equal(span_of(k->seat, sizeof k->seat), seat))
            return k;
    }
    return NULL;
}

/* Nothing of it is worth keeping: whoever it is of gets the same without it. */
static bool at_rest(const struct conduct *k, uint64_t now_us) {
    bool accused = false;
    for (uint32_t i = 0; i < AUTHORS_MAX; i++)
        accused = accused || (k->accused[i].at_us != 0 && now_us < k->accused[i].at_us + ACCUSED_US);
    return !accused && ration_full(&k->turns, now_us) && ration_full(&k->commits, now_us) &&
           ration_full(&k->urgent, now_us) && ration_full(&k->moderates, now_us) && ration_full(&k->sealed, now_us) &&
           k->work.full_at_us <= now_us && now_us >= k->distrusted_until_us &&
           (k->pauses == 0 || now_us > k->quiet_until_us + QUIET_US) &&
           (k->struck_at_us == 0 || now_us >= k->struck_at_us + SERVICE_STRIKE_US);
}

/* NULL when memory is short. */
static struct conduct *conduct_of(struct hall *h, uint64_t now_us, struct span seat) {
    struct conduct *k = known_conduct(h, seat), *oldest = NULL;
    if (k != NULL) {
        k->used_us = now_us + 1;
        return k;
    }
    if (h->conducts == NULL)
        h->conducts = mls_alloc(HALL_CONDUCTS_MAX * sizeof *h->conducts);
    bool oldest_rests = false;
    for (uint32_t i = 0; h->conducts != NULL && i < HALL_CONDUCTS_MAX; i++) {
        k = &h->conducts[i];
        bool rests = k->used_us == 0 || at_rest(k, now_us);
        if (oldest == NULL || (rests && !oldest_rests) || (rests == oldest_rests && k->used_us < oldest->used_us)) {
            oldest = k;
            oldest_rests = rests;
        }
    }
    if (oldest == NULL)
        return NULL;
    *oldest = (struct conduct){.used_us = now_us + 1};
    memcpy(oldest->seat, seat.data, sizeof oldest->seat);
    return oldest;
}

uint64_t fair_read(struct hall *h, uint64_t now_us, struct span seat, struct guest *g, size_t len_bytes) {
    struct conduct *k = g == NULL ? conduct_of(h, now_us, seat) : NULL;
    struct budget *own = g != NULL ? &g->work : k != NULL ? &k->work : NULL;
    if (own == NULL)
        return US_PER_S; /* memory is short */
    uint64_t wait_us = budget_debt_us(own, now_us, BUDGET_OWN_RATE, BUDGET_OWN_BURST_US);
    if (wait_us > 0)
        return wait_us;
    uint64_t price_us = PRICE_READ_US + PRICE_READ_64KB_US * (uint64_t)(len_bytes >> 16), share_us = 0;
    if (g != NULL)
        share_us = share_of_crowd(h->owner, now_us, g, price_us);
    if (g != NULL && g->network != NULL)
        share_us = longer(
            share_us, budget_share(&g->network->work, now_us, BUDGET_NETWORK_RATE, price_us, &g->window_of_network));
    /* where a shared bucket is short it owes as much as takes it so long to pay */
    budget_charge(own, now_us, BUDGET_OWN_RATE, longer(price_us, share_us * BUDGET_OWN_RATE / US_PER_S));
    return 0;
}

void fair_keep(struct hall *h, uint64_t now_us, const struct guest *g) {
    bool owes = g->work.full_at_us > now_us || !ration_full(&g->sealed, now_us);
    struct conduct *k = owes ? conduct_of(h, now_us, guest_seat(g)) : known_conduct(h, guest_seat(g));
    if (k == NULL)
        return;
    k->work = g->work;
    k->sealed = g->sealed;
}

void fair_restore(struct hall *h, struct guest *g) {
    const struct conduct *k = known_conduct(h, guest_seat(g));
    if (k == NULL)
        return;
    g->work.full_at_us = longer(g->work.full_at_us, k->work.full_at_us);
    g->sealed = k->sealed;
}

bool fair_sealed(struct service *s, uint64_t now_us, struct guest *g, bool *stop) {
    if (ration_full(&g->sealed, now_us))
        g->sealed_dropped = 0;
    *stop = false;
    if (ration_take(&g->sealed, now_us, SERVICE_SEALED_BURST, SEALED_EACH_US))
        return true;
    s->counters.service_sealed_dropped++;
    *stop = ++g->sealed_dropped > SERVICE_SEALED_DROPPED_MAX;
    return false;
}

bool fair_moderate(struct hall *h, uint64_t now_us, const struct guest *g) {
    struct conduct *k = conduct_of(h, now_us, guest_seat(g));
    if (k == NULL || ration_take(&k->moderates, now_us, MODERATES_BURST, MINUTE_US / MODERATES_BURST))
        return true;
    h->owner->counters.service_rationed++;
    return false;
}

bool fair_strike(struct hall *h, uint64_t now_us, struct span seat) {
    struct conduct *k = conduct_of(h, now_us, seat);
    if (k == NULL)
        return false;
    bool lately = k->struck_at_us != 0 && now_us < k->struck_at_us + SERVICE_STRIKE_US;
    k->struck_at_us = now_us;
    return lately;
}

bool fair_distrusted(const struct hall *h, uint64_t now_us, const struct guest *g) {
    const struct conduct *k = known_conduct(h, guest_seat(g));
    return k != NULL && now_us < k->distrusted_until_us && !hall_leads(h, guest_seat(g));
}

/* ---- who cannot follow ---- */

void fair_resync(struct hall *h, uint64_t now_us, struct guest *g) {
    struct conduct *k = conduct_of(h, now_us, guest_seat(g));
    hall_resyncing(h, now_us, g);
    if (k == NULL)
        return;
    if (now_us < k->quiet_until_us) {
        g->due_us = k->quiet_until_us;
    } else if (!ration_take(&k->turns, now_us, TURNS_BURST, MINUTE_US / TURNS_BURST)) {
        uint64_t pause_s = k->pauses < 6 ? UINT64_C(1) << k->pauses : PAUSE_MAX_S;
        k->pauses++;
        h->owner->counters.service_rationed++;
        g->due_us = k->quiet_until_us = now_us + pause_s * US_PER_S;
    } else if (now_us > k->quiet_until_us + QUIET_US) {
        k->pauses = 0;
    }
}

/* Notes whose commit it refused; the number of authors lately. */
static uint32_t accuse(struct conduct *k, const uint8_t author[32], uint64_t now_us) {
    uint32_t at = AUTHORS_MAX - 1, lately = 0;
    for (uint32_t i = 0; i < AUTHORS_MAX; i++) {
        if (k->accused[i].at_us != 0 && memcmp(k->accused[i].author, author, 32) == 0)
            at = i;
    }
    memmove(&k->accused[1], &k->accused[0], at * sizeof k->accused[0]);
    memcpy(k->accused[0].author, author, 32);
    k->accused[0].at_us = now_us;
    for (uint32_t i = 0; i < AUTHORS_MAX; i++)
        lately += k->accused[i].at_us != 0 && now_us < k->accused[i].at_us + ACCUSED_US;
    return lately;
}

static void put_out_who_refuses_all(struct hall *h, const struct service_now *now, struct guest *g) {
    uint8_t seat[32];
    memcpy(seat, g->seat, sizeof seat);
    h->owner->counters.service_cannot_follow++;
    guest_close(h->owner, g, WIRE_GONE_CANNOT_FOLLOW, WIRE_CLOSE_OVER);
    hall_leaves(h, now, span_of(seat, sizeof seat));
}

bool fair_bad(struct hall *h, const struct service_now *now, struct guest *g, uint64_t epoch) {
    if (g->resyncing && h->lease != g->handle) {
        h->owner->counters.service_rationed++;
        return false; /* it is waiting for its turn */
    }
    h->owner->counters.service_bad_reports++;
    bool about_author = h->has_last_author && epoch != 0 && epoch == public_group_epoch(hall_group(h)) &&
                        memcmp(h->last_author, g->seat, sizeof g->seat) != 0;
    struct conduct *k = about_author ? conduct_of(h, now->now_us, guest_seat(g)) : NULL;
    if (k != NULL && now->now_us >= k->quiet_until_us) {
        uint32_t authors = accuse(k, h->last_author, now->now_us);
        struct conduct *author = authors <= DISTRUSTED_BY_ONE
                                     ? conduct_of(h, now->now_us, span_of(h->last_author, sizeof h->last_author))
                                     : NULL;
        if (author != NULL)
            author->distrusted_until_us = now->now_us + DISTRUST_US;
        if (authors >= AUTHORS_MAX) {
            put_out_who_refuses_all(h, now, g);
            return true;
        }
    }
    fair_resync(h, now->now_us, g);
    return false;
}

/* ---- commits ---- */

const char *fair_commit_refused(struct hall *h, uint64_t now_us, const struct guest *g, bool asked) {
    if (h->urgent != 0 && now_us < h->urgent_until_us && g->handle != h->urgent)
        return "a host's removal goes first";
    if (g->phase != GUEST_MEMBER || g->resyncing)
        return NULL; /* by their turn */
    bool host = hall_leads(h, guest_seat(g)), distrusted = fair_distrusted(h, now_us, g);
    if (asked && !distrusted)
        return NULL;
    struct conduct *k = conduct_of(h, now_us, guest_seat(g));
    uint32_t burst = host ? COMMITS_HOST_BURST : distrusted ? 1 : COMMITS_BURST;
    if (k == NULL || ration_take(&k->commits, now_us, burst, MINUTE_US / burst))
        return NULL;
    h->owner->counters.service_rationed++;
    return "too many commits of this member";
}

void fair_commit_lost(struct hall *h, uint64_t now_us, const struct guest *g, bool urgent) {
    if (!urgent || g->phase != GUEST_MEMBER || !hall_leads(h, guest_seat(g)) ||
        (h->urgent != 0 && now_us < h->urgent_until_us))
        return;
    struct conduct *k = conduct_of(h, now_us, guest_seat(g));
    if (k == NULL || !ration_take(&k->urgent, now_us, URGENT_BURST, MINUTE_US / URGENT_BURST))
        return;
    h->urgent = g->handle;
    h->urgent_until_us = now_us + URGENT_US;
}
