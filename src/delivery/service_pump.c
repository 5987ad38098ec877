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

/* Hosts by leaf, then others by leaf; who was passed over only when nobody else is there, and whose commits were
 * refused after these. */
static struct guest *choose_committer(struct hall *h, const struct service_now *now) {
    struct guest *best = NULL;
    uint64_t best_rank = UINT64_MAX;
    for (struct guest *g = h->first; g != NULL; g = g->next) {
        uint32_t leaf;
        if (g->phase != GUEST_MEMBER || g->resyncing || g->held_until_us != 0 || hall_is_leaving(h, guest_seat(g)) ||
            !hall_leaf(h, g, &leaf))
            continue;
        uint64_t rank = leaf + (hall_leads(h, guest_seat(g)) ? 0 : UINT64_C(1) << 20) +
                        (g->passed_over ? UINT64_C(1) << 21 : 0) +
                        (fair_distrusted(h, now->now_us, g) ? UINT64_C(1) << 22 : 0);
        if (rank < best_rank) {
            best = g;
            best_rank = rank;
        }
    }
    return best;
}

/* The packages to add, those who wait longest first. */
static void list_adds(struct hall *h, struct mls_buf *list) {
    struct guest *line[SERVICE_LINE_MAX];
    uint32_t count = 0, leaf, max = h->adds_max == 0 ? WIRE_ADDS_MAX : h->adds_max;
    for (struct guest *g = h->first; g != NULL; g = g->next) {
        g->asked_to_add = false;
        if (g->phase != GUEST_LINE || count == SERVICE_LINE_MAX || g->turns_missed > 0 || g->left_out > 0 ||
            public_group_find_seat(hall_group(h), guest_seat(g), &leaf))
            continue;
        uint32_t at = count++;
        for (; at > 0 && line[at - 1]->due_us > g->due_us; at--)
            line[at] = line[at - 1];
        line[at] = g;
    }
    for (uint32_t i = 0; i < count && i < max; i++) {
        if (mls_buf_len(list) + mls_buf_len(&line[i]->package) + 16 >= list->max)
            break;
        wire_add_package(list, &(struct wire_package){.key_package = mls_buf_span(&line[i]->package)});
        line[i]->asked_to_add = true;
    }
}

static void name_committer(struct hall *h, const struct service_now *now, struct guest *committer) {
    struct mls_buf list;
    mls_buf_init(&list, WIRE_MESSAGE_LEN_MAX - 64);
    list_adds(h, &list);
    guest_send(h->owner, committer,
               &(struct wire_message){
                   .type = WIRE_COMMIT_NOW, .epoch = public_group_epoch(hall_group(h)), .list = mls_buf_span(&list)});
    mls_buf_free(&list);
    h->named = committer->handle;
    h->named_for_us = h->named_for_us == 0 ? SERVICE_COMMIT_US : time_min(2 * h->named_for_us, SERVICE_COMMIT_MAX_US);
    h->named_until_us = now->now_us + h->named_for_us;
    committer->passed_over = true; /* until its commit comes */
}

/* One package must not keep the others out: fewer are named at once, and who could not be added alone enters by its own
 * commit. */
static void not_committed(struct hall *h, const struct service_now *now) {
    struct guest *alone = NULL;
    uint32_t asked = 0;
    for (struct guest *g = h->first; g != NULL; g = g->next) {
        if (!g->asked_to_add)
            continue;
        g->asked_to_add = false;
        alone = g;
        asked++;
    }
    h->named = 0;
    if (asked > 1) {
        h->adds_max = asked / 2;
    } else if (asked == 1) {
        alone->left_out++;
        alone->due_us = now->now_us; /* to the end of the line */
    }
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

/* Joins are gathered, so that one commit adds several: whoever came first has waited for so long then. */
static uint64_t gathered_us(const struct hall *h, const struct guest *first) {
    bool busy = h->this_join_us - time_min(h->last_join_us, h->this_join_us) < SERVICE_GATHER_BUSY_US;
    return first->due_us + (busy ? SERVICE_GATHER_BUSY_US : SERVICE_GATHER_US);
}

static void pump_membership(struct hall *h, const struct service_now *now) {
    uint32_t count, again_count;
    if (h->lease != 0 || h->check_of != 0)
        return;
    if (h->order == NULL) {
        struct guest *founder = hall_is_restating(h) ? NULL : first_of(h, GUEST_FOUND, false, &count);
        if (founder != NULL && now->now_us >= h->owner->config.founding_from_us)
            give_lease(h, now, founder);
        return;
    }
    if (public_group_is_staged(hall_group(h)) || (h->named != 0 && now->now_us < h->named_until_us))
        return;
    if (h->named != 0)
        not_committed(h, now);
    if (h->urgent != 0 && now->now_us < h->urgent_until_us)
        return;
    h->urgent = 0;
    struct guest *line = first_of(h, GUEST_LINE, false, &count), *again = first_of(h, GUEST_MEMBER, true, &again_count);
    /* hosts, or most, say that the GroupInfo is another: it is not handed out, a commit brings the next */
    bool doubted = h->info_doubted && choose_committer(h, now) != NULL;
    bool removes = h->leaving_count > 0, may_again = again != NULL && now->now_us >= again->due_us && !doubted;
    bool gather = line != NULL && count > 1 && line->turns_missed == 0 && line->left_out == 0;
    bool work = removes || gather || doubted;
    bool turn_of_again = may_again && (!h->again_last || (!work && line == NULL));
    h->again_last = turn_of_again; /* in turn with the others' work */
    struct guest *committer = turn_of_again || !work ? NULL : choose_committer(h, now);
    if (turn_of_again)
        give_lease(h, now, again);
    else if (committer != NULL && (removes || doubted || now->now_us >= gathered_us(h, line)))
        name_committer(h, now, committer);
    else if (committer == NULL && line != NULL)
        give_lease(h, now, line);
    else if (committer == NULL && may_again)
        give_lease(h, now, again);
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
        s->counters.service_cannot_follow += member;
        s->counters.service_tired += !member;
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

/* Large meetings hear of it less often: the list goes to everybody. */
static void pump_online(struct hall *h, const struct service_now *now) {
    if (!h->online_changed || h->order == NULL) {
        h->online_at_us = 0;
        return;
    }
    if (h->online_at_us == 0)
        h->online_at_us = now->now_us + SERVICE_ONLINE_US * (1 + h->guests / 100);
    if (now->now_us < h->online_at_us)
        return;
    hall_tell_online(h);
    h->online_changed = false;
    h->online_at_us = 0;
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
    hall_restate_free(h);
    h->leaving_count = h->taken_count = h->put_out_count = 0;
    h->lease = h->named = h->staged_author = h->urgent = h->adds_max = 0;
    h->named_for_us = 0;
    h->info_doubted = h->has_last_author = false;
}

void hall_pump(struct hall *h, const struct service_now *now) {
    give_up(h, now);
    hall_restate_pump(h, now);
    if (h->order != NULL) {
        order_tick(h->order, now->now_us);
        hall_drain(h, now);
        hall_finish_put_out(h, now);
        hall_propose_leaving(h);
        hall_drain(h, now);
    }
    if (h->order != NULL && members_here(h) == 0 && h->absent_count == 0)
        end_group(h);
    pump_membership(h, now);
    pump_online(h, now);
}

uint64_t hall_deadline_us(const struct hall *h) {
    uint64_t deadline_us = h->order != NULL ? order_deadline_us(h->order) : TIME_NEVER;
    deadline_us = time_min(deadline_us, hall_restate_deadline_us(h));
    if (h->lease != 0)
        deadline_us = time_min(deadline_us, h->lease_until_us);
    /* of those that pump_membership looks at now: one that it does not would only wake us for nothing, again and again
     */
    bool open = h->order != NULL && h->lease == 0 && h->check_of == 0 && !public_group_is_staged(hall_group(h));
    if (open && h->named != 0)
        deadline_us = time_min(deadline_us, h->named_until_us);
    if (open && h->named == 0 && h->urgent != 0)
        deadline_us = time_min(deadline_us, h->urgent_until_us);
    if (h->online_at_us != 0)
        deadline_us = time_min(deadline_us, h->online_at_us);
    for (const struct guest *g = h->first; g != NULL && h->order == NULL && h->lease == 0; g = g->next) {
        if (g->phase == GUEST_FOUND && !hall_is_restating(h))
            deadline_us = time_min(deadline_us, h->owner->config.founding_from_us);
    }
    for (const struct guest *g = h->first; g != NULL && open && h->named == 0; g = g->next) {
        if (g->phase == GUEST_MEMBER && g->resyncing)
            deadline_us = time_min(deadline_us, g->due_us);
        else if (g->phase == GUEST_LINE && gathered_us(h, g) > h->owner->now_us)
            deadline_us = time_min(deadline_us, gathered_us(h, g));
        else if (g->held_until_us != 0) /* it may be the one who commits */
            deadline_us = time_min(deadline_us, g->held_until_us);
    }
    if (h->check_of != 0)
        deadline_us = time_min(deadline_us, h->check_until_us);
    for (uint32_t i = 0; i < HALL_PUT_OUT_MAX && i < h->put_out_count; i++)
        deadline_us = time_min(deadline_us, h->put_out[i].until_us);
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
    hall_restate_free(h);
    secret_wipe(&h->external_seed);
    mls_buf_free(&h->external_sender);
    mls_buf_free(&h->check_commit);
    mls_buf_free(&h->check_info);
    mls_buf_free(&h->welcome);
    mls_free(h->absent, h->absent_size * sizeof *h->absent);
    mls_free(h->leaving, h->leaving_size * sizeof *h->leaving);
    if (h->conducts != NULL)
        mls_free(h->conducts, HALL_CONDUCTS_MAX * sizeof *h->conducts);
    mls_free(h, sizeof *h);
}
