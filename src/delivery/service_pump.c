/* What is due in a meeting: who is let in, who has to commit, who is given up. */
#include <string.h>

#include "base/time.h"
#include "delivery/service_internal.h"
#include "e2ee/mem.h"

#define TURNS_MISSED_MAX 3

/* ---- what is due ---- */

static void give_lease(struct hall *h, const struct service_now *now, struct guest *g) {
    h->lease = g->handle;
    if (h->order == NULL) {
        h->lease_until_us = now->now_us + SERVICE_CREATE_US;
        guest_send(
            h->owner, g,
            &(struct wire_message){.type = WIRE_CREATE_NOW, .external_sender = mls_buf_span(&h->external_sender)});
        return;
    }
    h->lease_until_us = now->now_us + SERVICE_JOIN_US;
    h->owner->counters.service_resyncs += g->resyncing;
    g->holds_info = true;
    guest_send(h->owner, g,
               &(struct wire_message){.type = g->resyncing ? WIRE_RESYNC : WIRE_JOIN_NOW,
                                      .group_info = public_group_info(hall_group(h)),
                                      .tree_hash = public_group_tree_hash(hall_group(h)),
                                      .from_epoch = order_chain_from(h->order)});
}

static struct guest *choose_committer(struct hall *h) {
    struct guest *best = NULL;
    uint64_t best_rank = UINT64_MAX;
    for (struct guest *g = h->first; g != NULL; g = g->next) {
        uint32_t leaf;
        if (g->phase != GUEST_MEMBER || g->resyncing || hall_is_leaving(h, guest_seat(g)) ||
            !public_group_find_seat(hall_group(h), guest_seat(g), &leaf))
            continue;
        uint64_t rank =
            leaf + (hall_leads(h, guest_seat(g)) ? 0 : UINT64_C(1) << 20) + (g->passed_over ? UINT64_C(1) << 21 : 0);
        if (rank < best_rank) {
            best = g;
            best_rank = rank;
        }
    }
    return best;
}

static void name_committer(struct hall *h, const struct service_now *now, struct guest *committer) {
    struct mls_buf list;
    uint32_t adds = 0, leaf;
    mls_buf_init(&list, WIRE_MESSAGE_LEN_MAX - 64);
    for (struct guest *g = h->first; g != NULL; g = g->next) {
        g->asked_to_add = g->phase == GUEST_LINE && adds < WIRE_ADDS_MAX && g->turns_missed == 0 &&
                          !public_group_find_seat(hall_group(h), guest_seat(g), &leaf);
        if (!g->asked_to_add)
            continue;
        wire_add_package(&list, &(struct wire_package){.key_package = mls_buf_span(&g->package)});
        adds++;
    }
    guest_send(h->owner, committer,
               &(struct wire_message){
                   .type = WIRE_COMMIT_NOW, .epoch = public_group_epoch(hall_group(h)), .list = mls_buf_span(&list)});
    mls_buf_free(&list);
    h->named = committer->handle;
    h->named_until_us = now->now_us + SERVICE_COMMIT_US;
    committer->passed_over = true; /* until its commit comes */
}

static struct guest *first_of(struct hall *h, enum guest_phase phase, bool resyncing, uint32_t *count) {
    struct guest *first = NULL;
    *count = 0;
    for (struct guest *g = h->first; g != NULL; g = g->next) {
        if (g->phase != phase || g->resyncing != resyncing)
            continue;
        (*count)++;
        if (first == NULL || g->due_us < first->due_us)
            first = g;
    }
    return first;
}

static void pump_membership(struct hall *h, const struct service_now *now) {
    uint32_t count, again_count;
    if (h->lease != 0 || h->check_of != 0)
        return;
    if (h->order == NULL) {
        struct guest *founder = first_of(h, GUEST_FOUND, false, &count);
        if (founder != NULL)
            give_lease(h, now, founder);
        return;
    }
    if (public_group_is_staged(hall_group(h)) || (h->named != 0 && now->now_us < h->named_until_us))
        return;
    if (h->named != 0) {
        for (struct guest *g = h->first; g != NULL; g = g->next) {
            g->turns_missed += g->asked_to_add; /* it enters by its own commit */
            g->asked_to_add = false;
        }
        h->named = 0;
    }
    struct guest *line = first_of(h, GUEST_LINE, false, &count), *again = first_of(h, GUEST_MEMBER, true, &again_count);
    bool removes = h->leaving_count > 0;
    struct guest *committer = choose_committer(h);
    if ((removes || (count > 1 && line->turns_missed == 0)) && committer != NULL)
        name_committer(h, now, committer);
    else if (again != NULL && now->now_us >= again->due_us)
        give_lease(h, now, again);
    else if (line != NULL)
        give_lease(h, now, line);
}

static void give_up(struct hall *h, const struct service_now *now) {
    struct service *s = h->owner;
    struct guest *slow = h->lease != 0 && now->now_us >= h->lease_until_us ? guest_find(s, h->lease) : NULL;
    if (h->lease != 0 && now->now_us >= h->lease_until_us)
        h->lease = 0;
    if (slow != NULL) {
        slow->due_us = now->now_us; /* to the end of the line */
        slow->turns_missed++;
    }
    for (struct guest *g = h->first, *next; g != NULL; g = next) {
        next = g->next;
        if (g->turns_missed < TURNS_MISSED_MAX || (g->phase == GUEST_MEMBER && !g->resyncing))
            continue;
        uint8_t seat[32];
        bool member = g->phase == GUEST_MEMBER;
        memcpy(seat, g->seat, sizeof seat);
        guest_close(s, g, member ? WIRE_GONE_CANNOT_FOLLOW : WIRE_GONE_TIMEOUT, WIRE_CLOSE_OVER);
        if (member)
            hall_leaves(h, now, span_of(seat, sizeof seat));
    }
    for (uint32_t i = 0; i < h->absent_count;) {
        uint8_t seat[32];
        memcpy(seat, h->absent[i].seat, sizeof seat);
        if (h->absent[i].until_us > now->now_us) {
            i++;
            continue;
        }
        hall_leaves(h, now, span_of(seat, sizeof seat)); /* takes it out of the list */
        hall_forget_absent(h, span_of(seat, sizeof seat));
    }
    if (h->check_of != 0 && guest_find(s, h->check_of) == NULL)
        hall_drop_check(h, NULL);
    else if (h->check_of != 0 && (now->now_us >= h->check_until_us || guest_find(s, h->checker) == NULL))
        hall_ask_checker(h, now);
}

static uint32_t members_here(const struct hall *h) {
    uint32_t count = 0;
    for (const struct guest *g = h->first; g != NULL; g = g->next)
        count += g->phase == GUEST_MEMBER;
    return count;
}

/* A group whose members have all gone has no use for its keys: whoever may begins anew. */
static void end_group(struct hall *h) {
    hall_drop_check(h, "the group is over");
    while (h->log_count > 0)
        hall_log_drop_oldest(h);
    order_free(h->order);
    h->order = NULL;
    h->leaving_count = h->taken_count = h->strikes_count = h->put_out_count = 0;
    h->lease = h->named = h->staged_author = 0;
}

void hall_pump(struct hall *h, const struct service_now *now) {
    give_up(h, now);
    if (h->order != NULL) {
        order_tick(h->order, now->now_us);
        hall_drain(h, now);
        hall_propose_leaving(h);
        hall_drain(h, now);
    }
    if (h->order != NULL && members_here(h) == 0 && h->absent_count == 0)
        end_group(h);
    pump_membership(h, now);
}

uint64_t hall_deadline_us(const struct hall *h) {
    uint64_t deadline_us = h->order != NULL ? order_deadline_us(h->order) : TIME_NEVER;
    if (h->lease != 0)
        deadline_us = time_min(deadline_us, h->lease_until_us);
    if (h->named != 0)
        deadline_us = time_min(deadline_us, h->named_until_us);
    for (const struct guest *g = h->first; g != NULL && h->lease == 0; g = g->next) {
        if (g->phase == GUEST_MEMBER && g->resyncing)
            deadline_us = time_min(deadline_us, g->due_us);
    }
    if (h->check_of != 0)
        deadline_us = time_min(deadline_us, h->check_until_us);
    for (uint32_t i = 0; i < h->absent_count; i++)
        deadline_us = time_min(deadline_us, h->absent[i].until_us);
    return deadline_us;
}

bool hall_is_over(const struct hall *h) {
    return h->guests == 0 && (h->order == NULL || h->absent_count == 0);
}

void hall_free(struct hall *h) {
    while (h->log_count > 0)
        hall_log_drop_oldest(h);
    order_free(h->order);
    secret_wipe(&h->external_seed);
    mls_buf_free(&h->external_sender);
    mls_buf_free(&h->check_commit);
    mls_buf_free(&h->check_info);
    mls_buf_free(&h->welcome);
    const uint32_t members = h->owner->config.members_max;
    if (h->absent != NULL)
        mls_free(h->absent, members * sizeof *h->absent);
    if (h->leaving != NULL)
        mls_free(h->leaving, members * sizeof *h->leaving);
    mls_free(h, sizeof *h);
}
