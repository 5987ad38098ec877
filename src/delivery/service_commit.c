/* One meeting's commits: who may make one, who looks at an entrant's before it is numbered, and what the order says of
 * them. */
#include <string.h>

#include "base/rng.h"
#include "delivery/service_internal.h"
#include "e2ee/mls.h"

/* ---- what the order says ---- */

static void give_welcome(struct hall *h, const struct service_now *now, struct guest *g, uint64_t seq) {
    struct mls_buf part;
    mls_buf_init(&part, WIRE_MESSAGE_LEN_MAX);
    bool good = mls_welcome_for(mls_buf_span(&h->welcome), mls_hash_span(&g->ref), &part) == MLS_OK;
    hall_become_member(h, now, g);
    g->resyncing = !good; /* a committer who adds and does not welcome: the way in is open all the same */
    g->due_us = now->now_us;
    g->holds_info = true;
    if (good)
        guest_send(h->owner, g,
                   &(struct wire_message){.type = WIRE_WELCOME,
                                          .seq = seq,
                                          .welcome = mls_buf_span(&part),
                                          .tree_hash = public_group_tree_hash(hall_group(h))});
    mls_buf_free(&part);
    service_tell(h->owner, SERVICE_ADMITTED, h, guest_identity(g));
}

/* `by`: whose commit it was; NULL: ours, or of somebody who has gone. */
static void put_out(struct hall *h, struct guest *g, const struct guest *by) {
    guest_send(h->owner, g,
               &(struct wire_message){.type = WIRE_GONE,
                                      .reason_gone = WIRE_GONE_REMOVED,
                                      .by = by != NULL ? guest_identity(by) : span_of(NULL, 0)});
    guest_close(h->owner, g, 0, WIRE_CLOSE_OVER);
}

static void on_ready(struct hall *h, const struct service_now *now, const struct order_output *out) {
    struct wire_message ready = {.type = WIRE_READY, .seq = out->seq, .epoch = out->epoch};
    uint32_t leaf;
    for (struct guest *g = h->first, *next; g != NULL; g = next) {
        next = g->next;
        bool in = hall_leaf(h, g, &leaf);
        if (g->phase == GUEST_MEMBER && !in) {
            service_tell(h->owner, SERVICE_EXPELLED, h, guest_identity(g));
            put_out(h, g, hall_is_leaving(h, guest_seat(g)) ? NULL : guest_find(h->owner, h->staged_author));
        } else if (g->handle == h->staged_author && in) {
            bool newcomer = g->phase != GUEST_MEMBER;
            hall_become_member(h, now, g);
            if (newcomer)
                service_tell(h->owner, SERVICE_ADMITTED, h, guest_identity(g));
        }
    }
    hall_broadcast(h, &ready, NULL);
    for (struct guest *g = h->first; g != NULL; g = g->next) {
        if (guest_waits(g) && public_group_find_seat(hall_group(h), guest_seat(g), &leaf))
            give_welcome(h, now, g, out->seq);
    }
    hall_remove_ghosts(h, now);
}

static void strike(struct hall *h, const struct service_now *now, struct span seat) {
    if (!fair_strike(h, now->now_us, seat) || hall_leads(h, seat))
        return;
    struct guest *g = guest_of_seat(h, seat);
    hall_leaves(h, now, seat);
    if (g != NULL)
        guest_close(h->owner, g, WIRE_GONE_REMOVED, WIRE_CLOSE_OVER);
}

static void on_withdrawn(struct hall *h, const struct service_now *now, const struct order_output *out) {
    uint8_t author[32];
    memcpy(author, out->seat.data, sizeof author);
    h->owner->counters.service_withdrawn++;
    hall_broadcast(h, &(struct wire_message){.type = WIRE_WITHDRAWN, .seq = out->seq, .epoch = out->epoch}, NULL);
    struct guest *g = guest_find(h->owner, h->staged_author);
    if (g != NULL && g->phase != GUEST_MEMBER)
        guest_send(h->owner, g, &(struct wire_message){.type = WIRE_WITHDRAWN, .seq = out->seq, .epoch = out->epoch});
    if (g != NULL)
        g->passed_over = true;
    if (h->has_vouched)
        strike(h, now, span_of(h->vouched, sizeof h->vouched));
    strike(h, now, span_of(author, sizeof author));
}

void hall_drain(struct hall *h, const struct service_now *now) {
    struct order_output out;
    while (h->order != NULL && order_poll(h->order, &out)) {
        h->look = true;
        if (out.type == ORDER_HANDSHAKE) {
            struct guest *author = out.seat.len > 0 ? guest_of_seat(h, out.seat) : NULL;
            hall_broadcast(h, &(struct wire_message){.type = WIRE_HANDSHAKE, .seq = out.seq, .message = out.message},
                           author);
            if (author != NULL)
                guest_send(h->owner, author,
                           &(struct wire_message){.type = WIRE_ACCEPTED, .seq = out.seq, .epoch = out.epoch});
            continue;
        }
        if (out.type == ORDER_READY)
            on_ready(h, now, &out);
        else
            on_withdrawn(h, now, &out);
        if (out.type == ORDER_READY) {
            h->has_last_author = h->staged_author != 0;
            memcpy(h->last_author, h->staged_seat, sizeof h->last_author);
            h->info_doubted = out.info_doubted;
        }
        h->staged_author = 0;
        h->has_vouched = false;
        mls_buf_clear(&h->welcome);
    }
}

/* ---- commits ---- */

void hall_drop_check(struct hall *h, const char *reason) {
    struct guest *of = guest_find(h->owner, h->check_of);
    h->check_of = h->checker = 0;
    mls_buf_clear(&h->check_commit);
    mls_buf_clear(&h->check_info);
    if (of != NULL && reason != NULL)
        hall_stale(h, of, reason);
}

/* A commit was taken that should have added those who were asked for. Whoever of them is not in it was left out, which
 * shows when it stands. */
static void note_left_out(struct hall *h, const struct guest *committer) {
    struct mls_buf part;
    uint32_t left_out = 0, asked = 0;
    for (struct guest *g = h->first; g != NULL; g = g->next) {
        if (!g->asked_to_add || g == committer)
            continue;
        mls_buf_init(&part, WIRE_MESSAGE_LEN_MAX);
        bool in = mls_buf_len(&h->welcome) > 0 &&
                  mls_welcome_for(mls_buf_span(&h->welcome), mls_hash_span(&g->ref), &part) == MLS_OK;
        mls_buf_free(&part);
        asked++;
        left_out += !in;
        g->left_out += !in;
        g->asked_to_add = false;
    }
    if (asked > 0)
        h->adds_max = left_out > 0 ? 1 : 0;
}

/* Numbers it when it keeps to the rules; says why not else. */
static bool number_commit(struct hall *h, const struct service_now *now, struct guest *g, bool urgent,
                          struct span commit, struct span group_info, struct span welcome) {
    struct public_group_staged staged;
    enum mls_status status =
        order_commit(h->order, now->now_us, now->unix_s, guest_seat(g), urgent, commit, group_info, &staged);
    if (status == MLS_OK) {
        h->owner->counters.service_commits++;
        mls_buf_clear(&h->welcome);
        mls_wr_span(&h->welcome, welcome);
        h->staged_author = g->handle;
        memcpy(h->staged_seat, g->seat, sizeof h->staged_seat);
        note_left_out(h, g);
        if (h->urgent == g->handle)
            h->urgent = 0;
        if (h->named == g->handle) {
            h->named = 0;
            h->named_for_us = 0;
        }
        if (h->lease == g->handle)
            h->lease = 0;
        g->passed_over = false;
    } else {
        fair_commit_lost(h, now->now_us, g, urgent && (status == MLS_EPOCH_OVER || status == MLS_COMMIT_STAGED));
        hall_drain(h, now); /* an urgent one may have closed a window */
        hall_stale(h, g, mls_status_name(status));
        return false;
    }
    if (h->check_of != 0 && h->check_of != g->handle)
        hall_drop_check(h, "another commit was numbered");
    hall_drain(h, now);
    return true;
}

/* Hosts and co-hosts by their leaf, then others drawn at random, who have not been asked about this one. */
static struct guest *choose_checker(struct hall *h, const struct service_now *now) {
    struct guest *best = NULL;
    uint64_t best_rank = UINT64_MAX;
    for (struct guest *g = h->first; g != NULL; g = g->next) {
        if (g->phase != GUEST_MEMBER || g->resyncing || g->checked_ticket == h->ticket || g->handle == h->check_of)
            continue;
        uint64_t rank = rng_u64(now->rng) >> 1 | (hall_leads(h, guest_seat(g)) ? 0 : UINT64_C(1) << 63);
        if (rank <= best_rank) {
            best = g;
            best_rank = rank;
        }
    }
    return best;
}

static void checked_good(struct hall *h, const struct service_now *now, const struct guest *checker) {
    struct guest *of = guest_find(h->owner, h->check_of);
    struct mls_buf commit = h->check_commit, info = h->check_info;
    mls_buf_init(&h->check_commit, WIRE_MESSAGE_LEN_MAX);
    mls_buf_init(&h->check_info, WIRE_MESSAGE_LEN_MAX);
    h->check_of = h->checker = 0;
    if (of != NULL && number_commit(h, now, of, false, mls_buf_span(&commit), mls_buf_span(&info), span_of(NULL, 0)) &&
        checker != NULL && public_group_is_staged(hall_group(h))) {
        memcpy(h->vouched, checker->seat, sizeof h->vouched);
        h->has_vouched = true;
    }
    mls_buf_free(&commit);
    mls_buf_free(&info);
}

void hall_ask_checker(struct hall *h, const struct service_now *now) {
    struct guest *checker = choose_checker(h, now);
    if (checker == NULL) {
        struct guest *of = guest_find(h->owner, h->check_of);
        bool nobody = true;
        for (const struct guest *g = h->first; g != NULL; g = g->next)
            nobody = nobody && !(g->phase == GUEST_MEMBER && !g->resyncing && g != of);
        if (nobody) /* nobody is there who could open it: whoever enters can go on */
            checked_good(h, now, NULL);
        else
            hall_drop_check(h, "nobody has checked it in time");
        return;
    }
    checker->checked_ticket = h->ticket;
    h->checker = checker->handle;
    h->check_until_us = now->now_us + SERVICE_CHECK_US;
    h->owner->counters.service_checks++;
    guest_send(h->owner, checker,
               &(struct wire_message){.type = WIRE_CHECK_NOW,
                                      .ticket = h->ticket,
                                      .commit = mls_buf_span(&h->check_commit),
                                      .group_info = mls_buf_span(&h->check_info)});
}

void hall_commit(struct hall *h, const struct service_now *now, struct guest *g, const struct wire_message *message) {
    bool enters = g->phase != GUEST_MEMBER || g->resyncing;
    if (h->order == NULL || (enters && h->lease != g->handle)) {
        hall_stale(h, g, "it is not its turn");
        return;
    }
    const char *refused = fair_commit_refused(h, now->now_us, g, h->named == g->handle);
    if (refused != NULL) {
        hall_stale(h, g, refused);
        return;
    }
    if (!enters) {
        bool urgent = (message->flags & WIRE_COMMIT_URGENT) != 0;
        (void)number_commit(h, now, g, urgent, message->commit, message->group_info, message->welcome);
        return;
    }
    if (h->check_of != 0 || public_group_is_staged(hall_group(h))) {
        hall_stale(h, g, "another commit is open");
        return;
    }
    h->lease = 0;
    h->check_of = g->handle;
    h->ticket++;
    h->checks_bad = 0;
    mls_buf_clear(&h->check_commit);
    mls_buf_clear(&h->check_info);
    mls_wr_span(&h->check_commit, message->commit);
    mls_wr_span(&h->check_info, message->group_info);
    hall_ask_checker(h, now);
}

void hall_checked(struct hall *h, const struct service_now *now, struct guest *g, const struct wire_message *message) {
    if (h->check_of == 0 || h->checker != g->handle || message->ticket != h->ticket) {
        h->owner->counters.service_dropped++;
        return;
    }
    if (message->good) {
        checked_good(h, now, g);
        return;
    }
    h->owner->counters.service_checks_bad++;
    struct guest *of = guest_find(h->owner, h->check_of);
    if (!hall_leads(h, guest_seat(g)) && ++h->checks_bad < 2) {
        hall_ask_checker(h, now);
        return;
    }
    if (of != NULL)
        of->turns_missed++;
    hall_drop_check(h, "members refuse it");
}
