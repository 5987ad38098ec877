/* After the server was started again: the group of a meeting is where its members are, who come back and say where they
 * stand. Anybody who has the link can make up a group, with any seats but those whose keys it lacks; so what counts is
 * which of them the seats that prove themselves stand on.
 *
 *     hello 2 --restate--> where (epoch, hash of its context, of a staged one's) --restate, whole--> restated
 *
 * A candidate is opened and looked at under the rules of who joins, a few leaves at a time. One beats another when more
 * of the seats that are in both trees stand on it, first of those that are hosts in both; where none decides (no seat
 * in common) when more seats with a Grant do, then when more networks and more seats do, then by its epoch. The one
 * that none beats stands when most of its own tree is here, after RESTATE_US at the soonest; after RESTATE_LAST_US
 * nobody's does, and whoever may begins anew. Trees are asked for one at a time, first where most stand. */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "delivery/service_internal.h"
#include "e2ee/mem.h"
#include "e2ee/mls.h"
#include "group/context.h"

/* Most have noticed by then that the server is back. */
#define RESTATE_US UINT64_C(2000000)
/* Pauses between attempts to connect grow to 8 s. */
#define RESTATE_LAST_US UINT64_C(10000000)
/* While candidates are still being looked at, because many meetings come back at once. */
#define RESTATE_CHECKING_US UINT64_C(60000000)
/* Between two looks at who is ahead. */
#define RESTATE_DECIDE_US UINT64_C(100000)
/* An answer with the whole tree, and the pause between two that are opened; a word where one stands. */
#define RESTATE_ASK_US UINT64_C(1500000)
#define RESTATE_PAUSE_US UINT64_C(250000)
#define RESTATE_TELL_US UINT64_C(5000000)
/* Different groups at a time, as many as there are bits in a seat's sets. */
#define CANDIDATES_MAX 8
/* Trees that are asked of one network. */
#define ASKED_OF_NETWORK_MAX 6
/* Leaves looked at a step, two signatures each: a millisecond; and the pause after it, of the whole service. */
#define STEP_LEAVES 4
#define STEP_US UINT64_C(4000)
#define HASH_LEN 32

struct restate_seat {
    uint32_t handle;
    uint8_t seat[32];
    uint64_t until_us;  /* for its word */
    uint8_t network[8]; /* key of it; zeros: not counted */
    bool told, has_next, asked;
    uint8_t here[HASH_LEN], next[HASH_LEN]; /* contexts: where it is, and what it has staged */
    uint8_t in, leads, granted;             /* bits: in the tree of that candidate; host or co-host there; by a Grant */
};

struct restate_candidate {
    struct public_group *group; /* NULL: free */
    uint8_t hash[HASH_LEN];
    uint32_t cursor; /* of the leaves that were looked at */
    bool good;
};

struct restate {
    uint64_t since_us, decide_us; /* the first hello; when to look next */
    struct restate_seat *seats;   /* members_max of them */
    uint32_t seats_count;
    struct restate_candidate candidates[CANDIDATES_MAX];
    uint32_t asked; /* handle of who was asked for the whole */
    uint64_t asked_until_us, ask_us;
    /* once one stands: who comes later for the first time is compared with it */
    bool stands;
    uint64_t epoch;
    uint8_t hash[HASH_LEN];
    uint8_t (*unseen)[32]; /* seats of its tree; members_max of them */
    uint32_t unseen_count;
};

/* ---- life ---- */

static struct restate *restate_new(const struct hall *h, const struct service_now *now) {
    const uint32_t members = h->owner->config.members_max;
    struct restate *r = mls_alloc(sizeof *r);
    if (r == NULL)
        return NULL;
    r->since_us = now->now_us;
    r->decide_us = now->now_us + RESTATE_DECIDE_US;
    r->seats = mls_alloc(members * sizeof *r->seats);
    r->unseen = mls_alloc(members * sizeof *r->unseen);
    if (r->seats != NULL && r->unseen != NULL)
        return r;
    if (r->seats != NULL)
        mls_free(r->seats, members * sizeof *r->seats);
    if (r->unseen != NULL)
        mls_free(r->unseen, members * sizeof *r->unseen);
    mls_free(r, sizeof *r);
    return NULL;
}

static void candidate_drop(struct restate *r, uint32_t at) {
    public_group_free(r->candidates[at].group);
    r->candidates[at] = (struct restate_candidate){0};
    for (uint32_t i = 0; i < r->seats_count; i++) {
        uint8_t keep = (uint8_t) ~(1u << at);
        r->seats[i].in &= keep;
        r->seats[i].leads &= keep;
        r->seats[i].granted &= keep;
    }
}

void hall_restate_free(struct hall *h) {
    struct restate *r = h->restate;
    const uint32_t members = h->owner->config.members_max;
    if (r == NULL)
        return;
    for (uint32_t i = 0; i < CANDIDATES_MAX; i++)
        candidate_drop(r, i);
    mls_free(r->seats, members * sizeof *r->seats);
    mls_free(r->unseen, members * sizeof *r->unseen);
    mls_free(r, sizeof *r);
    h->restate = NULL;
}

bool hall_is_restating(const struct hall *h) {
    return h->restate != NULL && !h->restate->stands;
}

static struct restate_seat *seat_find(struct restate *r, struct span seat) {
    for (uint32_t i = 0; i < r->seats_count; i++) {
        if (span_equal(span_of(r->seats[i].seat, 32), seat))
            return &r->seats[i];
    }
    return NULL;
}

static bool is_unseen(const struct restate *r, struct span seat) {
    for (uint32_t i = 0; i < r->unseen_count; i++) {
        if (span_equal(span_of(r->unseen[i], 32), seat))
            return true;
    }
    return false;
}

static void now_seen(struct restate *r, struct span seat) {
    for (uint32_t i = 0; i < r->unseen_count; i++) {
        if (span_equal(span_of(r->unseen[i], 32), seat))
            memcpy(r->unseen[i--], r->unseen[--r->unseen_count], 32);
    }
}

static bool hash_of(const struct hall *h, struct span context, uint8_t out[HASH_LEN]) {
    return h->owner->config.crypto->hash(HASH_SHA256, &context, 1, out) == CRYPTO_OK;
}

/* ---- who comes ---- */

/* The seat's place in the list: its former one, or a new one; NULL when it is full. Who has gone makes room. */
static struct restate_seat *seat_place(struct hall *h, struct span seat) {
    struct restate *r = h->restate;
    struct restate_seat *e = seat_find(r, seat);
    for (uint32_t i = 0; e == NULL && i < r->seats_count; i++) {
        if (guest_find(h->owner, r->seats[i].handle) == NULL)
            e = &r->seats[i];
    }
    if (e == NULL && r->seats_count < h->owner->config.members_max)
        e = &r->seats[r->seats_count++];
    return e;
}

bool hall_restate_enter(struct hall *h, const struct service_now *now, struct guest *g) {
    struct service *s = h->owner;
    if (h->order != NULL && (h->restate == NULL || !is_unseen(h->restate, guest_seat(g))))
        return false;
    if (s->restate_until_us == 0) { /* of the first who resumes nowhere */
        uint64_t from_us = s->config.founding_from_us;
        s->restate_until_us = (now->now_us > from_us ? now->now_us : from_us) + SERVICE_RESTATE_US;
    }
    bool in_time = now->now_us <= s->restate_until_us && !h->restate_over;
    if (h->restate == NULL && in_time) {
        h->restate = restate_new(h, now);
        h->lease = 0; /* who was about to begin another waits */
    }
    struct restate_seat *e = h->restate != NULL ? seat_place(h, guest_seat(g)) : NULL;
    if (e == NULL) {
        guest_close(s, g, WIRE_GONE_OVER, WIRE_CLOSE_OVER);
        return true;
    }
    *e = (struct restate_seat){.handle = g->handle, .until_us = now->now_us + RESTATE_TELL_US};
    memcpy(e->seat, g->seat, sizeof e->seat);
    if (g->network != NULL)
        memcpy(e->network, g->network->key, sizeof e->network);
    g->phase = GUEST_RESTATING;
    guest_send(s, g, &(struct wire_message){.type = WIRE_RESTATE});
    return true;
}

/* ---- standing ---- */

/* It goes on where the group that stands is; or it cannot. */
static void place(struct hall *h, const struct service_now *now, struct guest *g, const struct restate_seat *e) {
    struct restate *r = h->restate;
    uint32_t leaf;
    bool is_here = memcmp(e->here, r->hash, HASH_LEN) == 0;
    bool has_staged = !is_here && e->has_next && memcmp(e->next, r->hash, HASH_LEN) == 0;
    if (!public_group_find_seat(hall_group(h), guest_seat(g), &leaf)) {
        guest_close(h->owner, g, 0, WIRE_CLOSE_NO_ENTRY);
    } else if (is_here || (has_staged && hall_log_is_whole(h))) {
        now_seen(r, guest_seat(g));
        hall_restated(h, now, g, r->epoch, has_staged);
    } else { /* it missed epochs whose commits nobody has any more, or was ahead of the others: its leaf waits for it */
        guest_close(h->owner, g, WIRE_GONE_CANNOT_FOLLOW, WIRE_CLOSE_OVER);
    }
}

static bool supports(const struct restate *r, const struct restate_seat *e, uint32_t at) {
    const uint8_t *hash = r->candidates[at].hash;
    return e->told && (e->in >> at & 1) != 0 &&
           (memcmp(e->here, hash, HASH_LEN) == 0 || (e->has_next && memcmp(e->next, hash, HASH_LEN) == 0));
}

struct tally {
    uint32_t leaders, common, granted, networks, all;
};

/* Networks that are told apart; more count as so many. */
#define NETWORKS_MAX 16

struct networks {
    uint8_t keys[NETWORKS_MAX][8];
    uint32_t count;
};

static void note_network(struct networks *n, const uint8_t key[8]) {
    for (uint32_t i = 0; i < n->count; i++) {
        if (memcmp(n->keys[i], key, sizeof n->keys[i]) == 0)
            return;
    }
    if (n->count < NETWORKS_MAX)
        memcpy(n->keys[n->count++], key, sizeof n->keys[0]);
}

/* What speaks for `at` when it is compared with `other`. */
static struct tally tally_of(struct hall *h, uint32_t at, uint32_t other) {
    struct restate *r = h->restate;
    struct tally t = {0};
    struct networks networks = {.count = 0};
    for (uint32_t i = 0; i < r->seats_count; i++) {
        const struct restate_seat *e = &r->seats[i];
        if (!supports(r, e, at) || guest_find(h->owner, e->handle) == NULL)
            continue;
        bool in_both = (e->in >> other & 1) != 0;
        t.leaders += in_both && (e->leads >> at & e->leads >> other & 1) != 0;
        t.common += in_both;
        t.granted += e->granted >> at & 1;
        t.all++;
        note_network(&networks, e->network);
    }
    t.networks = networks.count;
    return t;
}

static bool beats(struct hall *h, uint32_t x, uint32_t y) {
    const struct restate_candidate *c = h->restate->candidates;
    struct tally a = tally_of(h, x, y), b = tally_of(h, y, x);
    if (a.leaders != b.leaders)
        return a.leaders > b.leaders;
    if (a.common != b.common)
        return a.common > b.common;
    if (a.granted != b.granted)
        return a.granted > b.granted;
    if (a.common == 0 && a.networks != b.networks)
        return a.networks > b.networks;
    if (a.common == 0 && a.all != b.all)
        return a.all > b.all;
    return public_group_epoch(c[x].group) > public_group_epoch(c[y].group);
}

static uint32_t best_of(struct hall *h) {
    uint32_t best = CANDIDATES_MAX;
    for (uint32_t i = 0; i < CANDIDATES_MAX; i++) {
        if (h->restate->candidates[i].good && (best == CANDIDATES_MAX || beats(h, i, best)))
            best = i;
    }
    return best;
}

static void stand(struct hall *h, const struct service_now *now, uint32_t at) {
    struct restate *r = h->restate;
    struct restate_candidate *c = &r->candidates[at];
    struct order *order = order_create(h->owner->config.crypto, c->group, h->owner->config.members_max);
    struct mls_leaf_info info;
    uint32_t cursor = 0, leaf;
    if (order == NULL)
        return; /* in the next step, or never */
    h->order = order;
    h->owner->counters.service_restated++;
    memcpy(r->hash, c->hash, HASH_LEN);
    r->epoch = public_group_epoch(c->group);
    r->stands = true;
    r->asked = 0;
    c->group = NULL;
    for (uint32_t i = 0; i < CANDIDATES_MAX; i++)
        candidate_drop(r, i);
    while (public_group_next(hall_group(h), &cursor, &leaf)) {
        if (!public_group_leaf(hall_group(h), leaf, &info) || r->unseen_count == h->owner->config.members_max)
            continue;
        memcpy(r->unseen[r->unseen_count++], info.signature_key.data, 32);
        hall_lost(h, now, info.signature_key, false); /* who is not back yet has as long as whoever is cut off */
    }
    for (uint32_t i = 0; i < r->seats_count; i++) {
        struct guest *g = guest_find(h->owner, r->seats[i].handle);
        if (g != NULL && g->phase == GUEST_RESTATING && r->seats[i].told)
            place(h, now, g, &r->seats[i]);
    }
    hall_begun(h, now);
}

static void nobody_stands(struct hall *h) {
    struct restate *r = h->restate;
    h->restate_over = true;
    for (uint32_t i = 0; i < r->seats_count; i++) {
        struct guest *g = guest_find(h->owner, r->seats[i].handle);
        if (g != NULL && g->phase == GUEST_RESTATING)
            guest_close(h->owner, g, WIRE_GONE_OVER, WIRE_CLOSE_OVER);
    }
    hall_restate_free(h);
}

/* ---- candidates ---- */

static void find_in(struct restate *r, struct restate_seat *e, uint32_t at) {
    struct group_standing standing;
    struct public_group *group = r->candidates[at].group;
    uint32_t leaf;
    if (!r->candidates[at].good || !public_group_find_seat(group, span_of(e->seat, 32), &leaf))
        return;
    e->in |= (uint8_t)(1u << at);
    if (!public_group_standing(group, leaf, &standing))
        return;
    if (standing.role == GROUP_HOST || standing.role == GROUP_COHOST)
        e->leads |= (uint8_t)(1u << at);
    if (standing.by_grant)
        e->granted |= (uint8_t)(1u << at);
}

/* A place for another: a free one, or that of the one that all others beat. */
static uint32_t candidate_place(struct hall *h) {
    struct restate *r = h->restate;
    uint32_t worst = 0;
    for (uint32_t i = 0; i < CANDIDATES_MAX; i++) {
        if (r->candidates[i].group == NULL)
            return i;
        if (i > 0 && beats(h, worst, i))
            worst = i;
    }
    candidate_drop(r, worst);
    return worst;
}

/* What can be seen at once; leaves follow. */
static bool open_good(const struct hall *h, const struct public_group *group) {
    uint8_t operator_hash[HASH_LEN];
    struct span operator_key = h->owner->config.operator_key;
    const struct group_before *before = public_group_before(group);
    if (h->owner->config.crypto->hash(HASH_SHA256, &operator_key, 1, operator_hash) != CRYPTO_OK)
        return false;
    const struct group_joining joining = {.id = span_of(h->id, h->id_len),
                                          .operator_hash = span_of(operator_hash, 16),
                                          .generation = before->meeting.generation,
                                          .group_id = public_group_id(group),
                                          .info_extensions = public_group_info_extensions(group),
                                          .external_sender = mls_buf_span(&h->external_sender)};
    return group_rules_join(before, &joining) == GROUP_GOOD;
}

static void take_restated(struct hall *h, const struct service_now *now, struct restate_seat *e,
                          const struct wire_message *message) {
    struct restate *r = h->restate;
    struct public_group *group = NULL;
    uint8_t hash[HASH_LEN];
    uint32_t leaf;
    r->asked = 0;
    bool good = public_group_open(&h->crypto, h->owner->config.members_max, message->group_info, message->tree,
                                  now->rng, &group) == MLS_OK;
    good = good && hash_of(h, public_group_context(group), hash) && memcmp(hash, e->here, HASH_LEN) == 0 &&
           public_group_find_seat(group, span_of(e->seat, 32), &leaf) && open_good(h, group);
    if (!good) { /* another who stands there may say it better */
        public_group_free(group);
        h->owner->counters.service_restated_bad++;
        return;
    }
    uint32_t at = candidate_place(h);
    r->candidates[at] = (struct restate_candidate){.group = group};
    memcpy(r->candidates[at].hash, hash, HASH_LEN);
}

/* How many say that they are there. */
static uint32_t told_of(const struct restate *r, const uint8_t hash[HASH_LEN]) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->seats_count; i++)
        count += r->seats[i].told && memcmp(r->seats[i].here, hash, HASH_LEN) == 0;
    return count;
}

/* The one that is to be looked at: CANDIDATES_MAX when there is none. */
static uint32_t next_to_look_at(const struct restate *r) {
    uint32_t next = CANDIDATES_MAX, most = 0;
    for (uint32_t i = 0; i < CANDIDATES_MAX; i++) {
        const struct restate_candidate *c = &r->candidates[i];
        uint32_t count = c->group != NULL && !c->good ? 1 + told_of(r, c->hash) : 0;
        if (count > most) {
            most = count;
            next = i;
        }
    }
    return next;
}

static void look_at(struct hall *h, uint32_t at) {
    struct restate *r = h->restate;
    struct restate_candidate *c = &r->candidates[at];
    const struct group_before *before = public_group_before(c->group);
    bool good = public_group_verify(c->group, STEP_LEAVES) == MLS_OK, more = true;
    for (uint32_t i = 0, leaf; good && more && i < STEP_LEAVES; i++) {
        more = public_group_next(c->group, &c->cursor, &leaf);
        good = !more || group_rules_members(before, leaf, leaf + 1) == GROUP_GOOD;
    }
    if (!good) {
        candidate_drop(r, at);
        h->owner->counters.service_restated_bad++;
    } else if (!more && public_group_verify_left(c->group) == 0) {
        c->good = true;
        for (uint32_t i = 0; i < r->seats_count; i++)
            find_in(r, &r->seats[i], at);
    }
}

static bool is_candidate(const struct restate *r, const uint8_t hash[HASH_LEN]) {
    for (uint32_t i = 0; i < CANDIDATES_MAX; i++) {
        if (r->candidates[i].group != NULL && memcmp(r->candidates[i].hash, hash, HASH_LEN) == 0)
            return true;
    }
    return false;
}

/* Its network has been asked often enough. */
static bool network_is_used_up(const struct restate *r, const struct restate_seat *e) {
    static const uint8_t not_counted[sizeof e->network];
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->seats_count; i++)
        count += r->seats[i].asked && memcmp(r->seats[i].network, e->network, sizeof e->network) == 0;
    return count >= ASKED_OF_NETWORK_MAX && memcmp(e->network, not_counted, sizeof e->network) != 0;
}

/* Somebody who stands where nobody has shown it yet, and most others do, is asked for the whole; one at a time. */
static void ask(struct hall *h, const struct service_now *now) {
    struct restate *r = h->restate;
    if (now->now_us < r->ask_us ||
        (r->asked != 0 && now->now_us < r->asked_until_us && guest_find(h->owner, r->asked) != NULL))
        return;
    struct restate_seat *first = NULL;
    uint32_t most = 0;
    r->asked = 0;
    for (uint32_t i = 0; i < r->seats_count; i++) {
        struct restate_seat *e = &r->seats[i];
        if (!e->told || e->asked || guest_find(h->owner, e->handle) == NULL || is_candidate(r, e->here) ||
            network_is_used_up(r, e))
            continue;
        uint32_t count = told_of(r, e->here);
        if (count > most) {
            most = count;
            first = e;
        }
    }
    if (first == NULL)
        return;
    first->asked = true;
    r->asked = first->handle;
    r->asked_until_us = now->now_us + RESTATE_ASK_US;
    r->ask_us = now->now_us + RESTATE_PAUSE_US;
    guest_send(h->owner, guest_find(h->owner, first->handle),
               &(struct wire_message){.type = WIRE_RESTATE, .flags = WIRE_RESTATE_WHOLE});
}

static void decide(struct hall *h, const struct service_now *now) {
    struct restate *r = h->restate;
    if (now->now_us < r->decide_us)
        return;
    r->decide_us = now->now_us + RESTATE_DECIDE_US;
    bool looking = next_to_look_at(r) < CANDIDATES_MAX;
    if (now->now_us < r->since_us + (looking ? 2 : 1) * RESTATE_US)
        return;
    uint32_t best = best_of(h);
    if (best < CANDIDATES_MAX && 2 * tally_of(h, best, best).all > public_group_members(r->candidates[best].group))
        stand(h, now, best);
    else if (now->now_us >= r->since_us + (looking ? RESTATE_CHECKING_US : RESTATE_LAST_US))
        nobody_stands(h);
}

/* ---- hooks ---- */

static bool is_zeros(struct span bytes) {
    uint8_t any = 0;
    for (size_t i = 0; i < bytes.len; i++)
        any |= bytes.data[i];
    return any == 0;
}

void hall_restate_message(struct hall *h, const struct service_now *now, struct guest *g,
                          const struct wire_message *message) {
    struct restate *r = h->restate;
    struct restate_seat *e = r != NULL ? seat_find(r, guest_seat(g)) : NULL;
    if (e == NULL || e->handle != g->handle) {
        h->owner->counters.service_dropped++;
    } else if (message->type == WIRE_WHERE && !e->told) {
        e->told = true;
        e->has_next = !is_zeros(message->next_hash);
        memcpy(e->here, message->context_hash.data, HASH_LEN);
        memcpy(e->next, message->next_hash.data, HASH_LEN);
        for (uint32_t i = 0; i < CANDIDATES_MAX; i++)
            find_in(r, e, i);
    } else if (message->type == WIRE_RESTATED && r->asked == g->handle) {
        take_restated(h, now, e, message);
    } else {
        h->owner->counters.service_dropped++;
    }
}

/* Who was not there when it was decided. */
static void take_late(struct hall *h, const struct service_now *now) {
    struct restate *r = h->restate;
    for (uint32_t i = 0; i < r->seats_count; i++) {
        struct restate_seat *e = &r->seats[i];
        struct guest *g = guest_find(h->owner, e->handle);
        if (g == NULL || g->phase != GUEST_RESTATING || (!e->told && now->now_us < e->until_us))
            continue;
        if (e->told)
            place(h, now, g, e);
        else
            guest_close(h->owner, g, 0, WIRE_CLOSE_MALFORMED);
    }
}

void hall_restate_pump(struct hall *h, const struct service_now *now) {
    struct service *s = h->owner;
    if (h->restate == NULL)
        return;
    if (h->restate->stands) {
        take_late(h, now);
        return;
    }
    uint32_t next = now->now_us >= s->restate_step_us ? next_to_look_at(h->restate) : CANDIDATES_MAX;
    if (next < CANDIDATES_MAX) {
        look_at(h, next);
        s->restate_step_us = now->now_us + STEP_US;
    }
    ask(h, now);
    decide(h, now);
}

uint64_t hall_restate_deadline_us(const struct hall *h) {
    const struct restate *r = h->restate;
    uint64_t deadline_us = TIME_NEVER;
    if (r == NULL)
        return deadline_us;
    for (uint32_t i = 0; r->stands && i < r->seats_count; i++) {
        const struct guest *g = guest_find(h->owner, r->seats[i].handle);
        if (g != NULL && g->phase == GUEST_RESTATING)
            deadline_us = time_min(deadline_us, r->seats[i].until_us);
    }
    if (r->stands)
        return deadline_us;
    if (next_to_look_at(r) < CANDIDATES_MAX)
        deadline_us = time_min(deadline_us, h->owner->restate_step_us);
    if (r->asked != 0)
        deadline_us = time_min(deadline_us, r->asked_until_us);
    return time_min(deadline_us, r->decide_us);
}
