/* What is due in a meeting: who is let in, who has to commit, who is told what, who is given up. */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "delivery/delivery_internal.h"
#include "e2ee/mem.h"

/* Turns that somebody may let pass. */
#define TURNS_MISSED_MAX 3

bool assembly_is_over(const struct assembly *m) {
    if (m->connections > 0)
        return false;
    return !m->active || m->absent_count == 0;
}

/* ---- committers ---- */

static bool eligible(const struct assembly *m, const struct connection *c) {
    return c->phase == PHASE_MEMBER && c->acked && !c->resyncing && c->leaf != TREE_NONE && c->held_until_us == 0 &&
           !public1_group_is_leaving(&m->group, c->leaf);
}

/* Hosts by leaf, then others by leaf; who was passed over only when nobody else is there, and whose commits were
 * refused after these. */
static struct connection *choose_committer(struct assembly *m) {
    struct connection *best = NULL, *c = NULL;
    uint64_t best_rank = UINT64_MAX;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (!eligible(m, c))
            continue;
        uint64_t rank = c->leaf + (public1_group_is_host(&m->group, c->leaf) ? 0 : UINT64_C(1) << 20) +
                        (c->passed_over ? UINT64_C(1) << 21 : 0) + (fair_distrusted(m, c) ? UINT64_C(1) << 22 : 0);
        if (rank < best_rank) {
            best = c;
            best_rank = rank;
        }
    }
    return best;
}

/* A package that was good when it came may clash with the tree as it is now. */
static bool can_be_added(const struct assembly *m, const struct connection *c) {
    const struct mls_leaf_node *former = c->leaf != TREE_NONE ? tree_leaf(m->group.tree, c->leaf) : NULL;
    if (former != NULL && span_equal(former->credential.identity, name_span(&c->identity)))
        return false; /* who comes again is added when the former self has gone */
    return tree_find_signature_key(m->group.tree, c->signature_key) == TREE_NONE &&
           !tree_has_encryption_key(m->group.tree, c->encryption_key);
}

/* The packages to add, those who wait longest first. */
static void list_adds(struct assembly *m, struct mls_buf *list) {
    struct connection *line[DELIVERY_WAITING_MAX], *c = NULL;
    uint32_t count = 0, max = m->adds_max == 0 ? WIRE1_ADDS_MAX : m->adds_max;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        c->asked_to_add = false;
        if (c->phase != PHASE_WAITING || count == DELIVERY_WAITING_MAX || !can_be_added(m, c))
            continue;
        uint32_t at = count++;
        for (; at > 0 && line[at - 1]->waiting_since_us > c->waiting_since_us; at--)
            line[at] = line[at - 1];
        line[at] = c;
    }
    for (uint32_t i = 0; i < count && i < max; i++) {
        if (mls_buf_len(list) + mls_buf_len(&line[i]->key_package) + 8 >= list->max)
            break;
        mls_wr_vec(list, mls_buf_span(&line[i]->key_package));
        line[i]->asked_to_add = true;
    }
}

static void name_committer(struct assembly *m, struct connection *committer, uint64_t now_us) {
    struct delivery *d = m->owner;
    struct mls_buf list;
    mls_buf_init(&list, WIRE1_MESSAGE_LEN_MAX - 64);
    list_adds(m, &list);
    struct wire1_message message = {.type = WIRE1_COMMIT_NOW, .epoch = m->group.epoch, .list = mls_buf_span(&list)};
    delivery_send(d, committer, &message);
    mls_buf_free(&list);
    m->named = committer->handle;
    m->named_for_us = m->named_for_us == 0 ? DELIVERY_COMMIT_US : time_min(2 * m->named_for_us, DELIVERY_COMMIT_MAX_US);
    m->named_until_us = now_us + m->named_for_us;
    committer->passed_over = true; /* until its commit comes */
    d->counters.delivery_committers_named++;
}

/* One package must not keep the others out: fewer are named at once, and who could not be added alone enters by its own
 * commit. */
void assembly_not_committed(struct assembly *m) {
    struct connection *c = NULL, *alone = NULL;
    uint32_t asked = 0;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (!c->asked_to_add)
            continue;
        c->asked_to_add = false;
        alone = c;
        asked++;
    }
    if (asked > 1) {
        m->adds_max = asked / 2;
    } else if (asked == 1) {
        alone->left_out++;
        alone->waiting_since_us = m->owner->now_us; /* to the end of the line */
    }
}

void assembly_note_left_out(struct assembly *m, const struct connection *committer) {
    struct connection *c = NULL;
    bool any = false;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (c->asked_to_add && c->phase == PHASE_WAITING && c != committer) {
            c->left_out++;
            any = true;
        }
        c->asked_to_add = false;
    }
    m->adds_max = any ? 1 : 0;
}

static void lease(struct assembly *m, struct connection *c, uint64_t now_us) {
    struct wire1_message message = {.type = WIRE1_CREATE_NOW};
    if (m->active) {
        message = (struct wire1_message){.type = c->resyncing ? WIRE1_RESYNC : WIRE1_JOIN_NOW,
                                         .group_info = mls_buf_span(&m->group.info),
                                         .tree_hash = mls_hash_span(&m->group.tree_hash)};
        m->owner->counters.delivery_resyncs += c->resyncing;
    }
    delivery_send(m->owner, c, &message);
    m->lease = c->handle;
    m->lease_until_us = now_us + (m->active ? DELIVERY_JOIN_US : DELIVERY_CREATE_US);
}

/* Who waits for entry longest, and who waits longest to come in again and may by now. */
static struct connection *first_in_line(struct assembly *m, uint64_t now_us, bool resyncing) {
    struct connection *first = NULL, *c = NULL;
    if (m->in_phase[PHASE_WAITING] == 0 && m->resyncing == 0)
        return NULL;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        bool waits = resyncing ? c->phase == PHASE_MEMBER && c->resyncing && now_us >= c->resync_at_us
                               : c->phase == PHASE_WAITING;
        if (resyncing && c->resyncing && c->resync_at_us > now_us)
            m->look_at_us = time_min(m->look_at_us, c->resync_at_us);
        if (waits && (first == NULL || c->waiting_since_us < first->waiting_since_us))
            first = c;
    }
    return first;
}

/* Somebody has to commit for those who go or come; `first` waits longest. */
static void pump_committer(struct assembly *m, struct connection *first, uint64_t now_us) {
    bool work = m->group.removes_count > 0;
    bool busy = now_us - time_min(m->last_join_us, now_us) < DELIVERY_GATHER_BUSY_US;
    uint64_t gathered_us =
        work ? now_us : first->waiting_since_us + (busy ? DELIVERY_GATHER_BUSY_US : DELIVERY_GATHER_US);
    if (now_us < gathered_us) {
        m->look_at_us = time_min(m->look_at_us, gathered_us);
        return;
    }
    struct connection *committer = choose_committer(m);
    if (committer != NULL)
        name_committer(m, committer, now_us);
    else if (first != NULL && now_us >= first->waiting_since_us + DELIVERY_COMMIT_US &&
             now_us >= m->epoch_at_us + DELIVERY_COMMIT_US)
        lease(m, first, now_us); /* nobody can commit: whoever enters can */
    else
        m->look_at_us = time_min(m->look_at_us, now_us + DELIVERY_COMMIT_US);
}

/* Lets people in and out: one at a time by external commit, several by a member's. */
static void pump_membership(struct assembly *m, uint64_t now_us) {
    if (m->lease != 0)
        return;
    struct connection *first = first_in_line(m, now_us, false);
    if (!m->active) {
        if (first != NULL)
            lease(m, first, now_us);
        return;
    }
    if (m->named != 0 && now_us < m->named_until_us)
        return;
    if (m->named != 0) {
        m->owner->counters.delivery_committers_late++;
        m->named = 0;
        assembly_not_committed(m);
    }
    if (m->urgent != 0 && now_us < m->urgent_until_us) {
        m->look_at_us = time_min(m->look_at_us, m->urgent_until_us);
        return;
    }
    m->urgent = 0;
    struct connection *again = first_in_line(m, now_us, true);
    bool work = m->group.removes_count > 0;
    bool turn_of_again = again != NULL && !m->again_last;
    m->again_last = turn_of_again; /* in turn with the others' work */
    if (turn_of_again || (again != NULL && !work && first == NULL))
        lease(m, again, now_us);
    else if (!work && first != NULL && (m->in_phase[PHASE_WAITING] == 1 || first->left_out > 0))
        lease(m, first, now_us);
    else if (work || first != NULL)
        pump_committer(m, first, now_us);
}

/* ---- telling ---- */

static void pump_ready(struct assembly *m) {
    if (m->ready_told || m->unacked > 0)
        return;
    struct wire1_message ready = {.type = WIRE1_READY, .epoch = m->group.epoch};
    assembly_tell_members(m, &ready);
    m->ready_told = true;
}

/* Large meetings hear of it less often: the list goes to everybody. */
static void pump_online(struct assembly *m, uint64_t now_us) {
    if (!m->online_changed)
        return;
    if (m->online_at_us == TIME_NEVER)
        m->online_at_us = now_us + DELIVERY_ONLINE_US * (1 + m->connections / 100);
    if (now_us < m->online_at_us)
        return;
    struct mls_buf list;
    mls_buf_init(&list, WIRE1_MESSAGE_LEN_MAX - 64);
    struct connection *c = NULL;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (c->phase == PHASE_MEMBER)
            mls_wr_vec(&list, name_span(&c->identity));
    }
    struct wire1_message online = {.type = WIRE1_ONLINE, .list = mls_buf_span(&list)};
    assembly_tell_members(m, &online);
    mls_buf_free(&list);
    m->online_changed = false;
    m->online_at_us = TIME_NEVER;
}

/* ---- giving up ---- */

static void pump_absent(struct assembly *m, uint64_t now_us) {
    if (now_us < m->absent_at_us)
        return;
    for (uint32_t i = 0; i < m->absent_count;) {
        struct name identity = m->absent[i].identity;
        if (m->absent[i].until_us > now_us) {
            i++;
            continue;
        }
        assembly_forget_absent(m, name_span(&identity));
        assembly_leaves(m, name_span(&identity)); /* expects it back where that fails */
    }
    m->absent_at_us = TIME_NEVER;
    for (uint32_t i = 0; i < m->absent_count; i++)
        m->absent_at_us = time_min(m->absent_at_us, m->absent[i].until_us);
}

/* Connections that only take a place: no hello, or waiting for entry beyond all patience. */
static void pump_patience(struct assembly *m, uint64_t now_us) {
    struct connection *c = NULL, *next;
    if (m->in_phase[PHASE_NEW] == 0 && m->in_phase[PHASE_WAITING] == 0 && m->resyncing == 0)
        return;
    for (c = delivery_next_connection(m, NULL); c != NULL; c = next) {
        next = delivery_next_connection(m, c);
        bool tired = c->turns_missed >= TURNS_MISSED_MAX;
        uint64_t until_us = c->since_us + (c->phase == PHASE_NEW ? DELIVERY_HELLO_US : DELIVERY_WAIT_US);
        if (c->phase == PHASE_NEW && now_us >= until_us) {
            m->owner->counters.delivery_silent++;
            delivery_close(m->owner, c, 0, WIRE1_CLOSE_MALFORMED);
        } else if (c->phase == PHASE_WAITING && (tired || now_us >= until_us)) {
            m->owner->counters.delivery_tired++;
            delivery_close(m->owner, c, WIRE1_GONE_TIMEOUT, WIRE1_CLOSE_OVER);
        } else if (c->phase == PHASE_MEMBER && c->resyncing && tired) {
            struct name identity = c->identity;
            m->owner->counters.delivery_cannot_follow++;
            delivery_close(m->owner, c, WIRE1_GONE_CANNOT_FOLLOW, WIRE1_CLOSE_OVER);
            assembly_leaves(m, name_span(&identity));
        } else if (c->phase != PHASE_MEMBER) {
            m->look_at_us = time_min(m->look_at_us, until_us);
        }
    }
}

void assembly_pump(struct assembly *m, uint64_t now_us) {
    m->look_at_us = TIME_NEVER;
    if (m->lease != 0 && now_us >= m->lease_until_us) {
        struct connection *slow = delivery_find(m->owner, m->lease);
        m->lease = 0;
        if (slow != NULL) {
            slow->waiting_since_us = now_us; /* to the end of the line */
            slow->turns_missed++;
        }
    }
    fair_release(m, now_us);
    pump_patience(m, now_us);
    pump_absent(m, now_us);
    /* A group whose members have all gone has no use for its keys: whoever comes begins anew. */
    if (m->active && m->absent_count == 0 && m->in_phase[PHASE_MEMBER] == 0) {
        assembly_group_free(m);
        m->named = m->lease = 0;
        m->last_commit.len = 0;
    }
    pump_membership(m, now_us);
    if (m->active) {
        pump_ready(m);
        pump_online(m, now_us);
    }
}

uint64_t assembly_deadline_us(const struct assembly *m) {
    uint64_t deadline_us = time_min(m->look_at_us, m->absent_at_us);
    if (m->lease != 0)
        deadline_us = time_min(deadline_us, m->lease_until_us);
    if (m->named != 0)
        deadline_us = time_min(deadline_us, m->named_until_us);
    if (m->online_changed)
        deadline_us = time_min(deadline_us, m->online_at_us);
    return deadline_us;
}
