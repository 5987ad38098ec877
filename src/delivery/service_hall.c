/* One meeting: who comes, commits, answers, goes. */
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "base/time.h"
#include "delivery/service_internal.h"
#include "e2ee/mem.h"
#include "e2ee/mls.h"
#include "group/context.h"

struct span guest_seat(const struct guest *g) {
    return span_of(g->seat, sizeof g->seat);
}

static struct span identity_span(const struct guest *g) {
    return span_of(g->identity, sizeof g->identity);
}

struct public_group *hall_group(const struct hall *h) {
    return h->order != NULL ? order_group(h->order) : NULL;
}

static enum group_role role_of(const struct hall *h, struct span seat) {
    struct group_standing standing;
    uint32_t leaf;
    bool known = h->order != NULL && public_group_find_seat(hall_group(h), seat, &leaf) &&
                 public_group_standing(hall_group(h), leaf, &standing);
    return known ? standing.role : GROUP_PARTICIPANT;
}

bool hall_leads(const struct hall *h, struct span seat) {
    return role_of(h, seat) == GROUP_HOST || role_of(h, seat) == GROUP_COHOST;
}

/* ---- telling ---- */

void hall_log_drop_oldest(struct hall *h) {
    struct kept *oldest = &h->log[h->log_first];
    h->log_len -= oldest->blob->len;
    blob_drop(oldest->blob);
    h->log_first = (h->log_first + 1) % SERVICE_LOG_MESSAGES_MAX;
    h->log_count--;
}

static void log_add(struct hall *h, uint64_t seq, struct service_blob *blob) {
    while (h->log_count > 0 &&
           (h->log_count == SERVICE_LOG_MESSAGES_MAX || h->log_len + blob->len > SERVICE_LOG_LEN_MAX))
        hall_log_drop_oldest(h);
    h->log[(h->log_first + h->log_count++) % SERVICE_LOG_MESSAGES_MAX] = (struct kept){.seq = seq, .blob = blob};
    h->log_len += blob->len;
    blob->refs++;
}

/* To all members but `except`; kept when it is numbered. */
static void broadcast(struct hall *h, const struct wire_message *message, const struct guest *except) {
    struct service_blob *blob = blob_of(message);
    if (blob == NULL) /* a gap: whoever resumes over it comes in again */
        return;
    if (message->seq != 0)
        log_add(h, message->seq, blob);
    for (const struct guest *g = h->first; g != NULL; g = g->next) {
        if (g->phase == GUEST_MEMBER && g != except)
            guest_send_blob(h->owner, g, blob);
    }
    blob_drop(blob);
}

static void send_stale(struct hall *h, const struct guest *g, const char *reason) {
    h->owner->counters.service_stale++;
    guest_send(h->owner, g,
               &(struct wire_message){.type = WIRE_STALE,
                                      .epoch = h->order != NULL ? public_group_epoch(hall_group(h)) : 0,
                                      .reason = span_str(reason)});
}

static void send_state(struct hall *h, const struct guest *g, enum wire_standing standing) {
    static const uint8_t zeros[16];
    struct mls_buf token;
    mls_buf_init(&token, WIRE_TOKEN_LEN_MAX);
    if (h->owner->config.token != NULL)
        h->owner->config.token(h->owner->config.context, span_of(h->id, h->id_len), identity_span(g), &token);
    struct wire_message state = {.type = WIRE_STATE,
                                 .suite = h->crypto.suite->id,
                                 .standing = (uint8_t)standing,
                                 .claim = span_of(zeros, sizeof zeros),
                                 .token = mls_buf_span(&token),
                                 .file_len_max = h->owner->config.file_len_max};
    if (standing == WIRE_STANDING_RESUMED) {
        state.epoch = public_group_epoch(hall_group(h));
        state.seq = order_seq(h->order);
    }
    guest_send(h->owner, g, &state);
    mls_buf_free(&token);
}

/* ---- members ---- */

bool hall_was_taken(const void *hall, struct span seat) {
    const struct hall *h = hall;
    for (uint32_t i = 0; h != NULL && i < HALL_TAKEN_MAX && i < h->taken_count; i++) {
        if (span_equal(span_of(h->taken[i], 32), seat))
            return true;
    }
    return false;
}

bool hall_is_leaving(const struct hall *h, struct span seat) {
    for (uint32_t i = 0; i < h->leaving_count; i++) {
        if (span_equal(span_of(h->leaving[i], 32), seat))
            return true;
    }
    return false;
}

static bool is_put_out(const struct hall *h, struct span seat) {
    for (uint32_t i = 0; i < HALL_PUT_OUT_MAX && i < h->put_out_count; i++) {
        if (span_equal(span_of(h->put_out[i], 32), seat))
            return true;
    }
    return false;
}

bool hall_is_member(const struct hall *h, struct span seat) {
    uint32_t leaf;
    return h->order != NULL && public_group_find_seat(hall_group(h), seat, &leaf) && !hall_is_leaving(h, seat) &&
           !is_put_out(h, seat);
}

void hall_forget_absent(struct hall *h, struct span seat) {
    for (uint32_t i = 0; i < h->absent_count; i++) {
        if (span_equal(span_of(h->absent[i].seat, 32), seat))
            h->absent[i--] = h->absent[--h->absent_count];
    }
}

static void become_member(struct hall *h, const struct service_now *now, struct guest *g) {
    g->phase = GUEST_MEMBER;
    g->resyncing = g->asked_to_add = false;
    g->holds_info = false;
    g->turns_missed = 0;
    mls_buf_clear(&g->package);
    hall_forget_absent(h, guest_seat(g));
    order_here(h->order, now->now_us, guest_seat(g), true);
}

/* The Removes that could not be proposed while a commit was staged, and those of the epoch before. */
void hall_propose_leaving(struct hall *h) {
    struct public_group *group = hall_group(h);
    uint32_t leaf;
    if (h->order == NULL || public_group_is_staged(group))
        return;
    for (uint32_t i = 0; i < h->leaving_count; i++) {
        if (!public_group_find_seat(group, span_of(h->leaving[i], 32), &leaf)) {
            memcpy(h->leaving[i--], h->leaving[--h->leaving_count], 32);
            continue;
        }
        if (!public_group_is_leaving(group, leaf) && order_remove(h->order, leaf, &h->external_seed) == MLS_OK)
            h->owner->counters.service_removes++;
    }
}

void hall_leaves(struct hall *h, const struct service_now *now, struct span seat) {
    struct mls_leaf_info leaf;
    uint32_t at;
    (void)now;
    hall_forget_absent(h, seat);
    if (h->order == NULL || hall_is_leaving(h, seat) || !public_group_find_seat(hall_group(h), seat, &at) ||
        h->leaving_count == h->owner->config.members_max)
        return;
    memcpy(h->leaving[h->leaving_count++], seat.data, 32);
    memcpy(h->taken[h->taken_count++ % HALL_TAKEN_MAX], seat.data, 32);
    if (public_group_leaf(hall_group(h), at, &leaf))
        service_tell(h->owner, SERVICE_EXPELLED, h, leaf.identity);
}

void hall_lost(struct hall *h, const struct service_now *now, struct span seat, bool going) {
    uint32_t leaf;
    if (h->order == NULL || !public_group_find_seat(hall_group(h), seat, &leaf))
        return;
    order_here(h->order, now->now_us, seat, false);
    hall_forget_absent(h, seat);
    if (going) {
        hall_leaves(h, now, seat);
        return;
    }
    ASSERT(h->absent_count < h->owner->config.members_max);
    struct absent_seat *absent = &h->absent[h->absent_count++];
    memcpy(absent->seat, seat.data, 32);
    absent->until_us = now->now_us + (hall_leads(h, seat) ? SERVICE_GRACE_HOST_US : SERVICE_GRACE_US);
}

/* A leaf that nobody answers for, and nobody is expected back for. */
static void remove_ghosts(struct hall *h, const struct service_now *now) {
    uint32_t cursor = 0, leaf;
    struct mls_leaf_info info;
    while (public_group_next(hall_group(h), &cursor, &leaf)) {
        if (!public_group_leaf(hall_group(h), leaf, &info))
            continue;
        uint8_t seat[32];
        bool expected = false;
        memcpy(seat, info.signature_key.data, sizeof seat);
        for (uint32_t i = 0; i < h->absent_count; i++)
            expected = expected || memcmp(h->absent[i].seat, seat, sizeof seat) == 0;
        const struct guest *g = guest_of_seat(h, span_of(seat, sizeof seat));
        if (!expected && (g == NULL || g->phase != GUEST_MEMBER))
            hall_leaves(h, now, span_of(seat, sizeof seat));
    }
}

/* ---- conduct ---- */

#define MINUTE_US (60 * US_PER_S)
#define TURNS_BURST 3
#define PAUSE_MAX_S 60
#define COMMITS_BURST 4
#define COMMITS_HOST_BURST 60

static struct conduct *conduct_of(struct hall *h, const struct service_now *now, struct span seat) {
    struct conduct *oldest = &h->conducts[0];
    for (uint32_t i = 0; i < HALL_CONDUCTS_MAX; i++) {
        struct conduct *k = &h->conducts[i];
        if (k->used_us != 0 && span_equal(span_of(k->seat, sizeof k->seat), seat)) {
            k->used_us = now->now_us;
            return k;
        }
        if (k->used_us < oldest->used_us)
            oldest = k;
    }
    *oldest = (struct conduct){.used_us = now->now_us};
    memcpy(oldest->seat, seat.data, sizeof oldest->seat);
    return oldest;
}

/* It comes in again in its turn: three times a minute, then after growing pauses. */
static void resync(struct hall *h, const struct service_now *now, struct guest *g) {
    struct conduct *k = conduct_of(h, now, guest_seat(g));
    g->resyncing = true;
    g->due_us = now->now_us;
    order_here(h->order, now->now_us, guest_seat(g), false); /* it has no vote until it is back */
    if (now->now_us < k->quiet_until_us) {
        g->due_us = k->quiet_until_us;
    } else if (!ration_take(&k->turns, now->now_us, TURNS_BURST, MINUTE_US / TURNS_BURST)) {
        uint64_t pause_s = k->pauses < 6 ? UINT64_C(1) << k->pauses : PAUSE_MAX_S;
        k->pauses++;
        h->owner->counters.service_rationed++;
        g->due_us = k->quiet_until_us = now->now_us + pause_s * US_PER_S;
    } else if (now->now_us > k->quiet_until_us + 5 * MINUTE_US) {
        k->pauses = 0;
    }
}

static bool may_commit(struct hall *h, const struct service_now *now, const struct guest *g) {
    uint32_t burst = hall_leads(h, guest_seat(g)) ? COMMITS_HOST_BURST : COMMITS_BURST;
    if (h->named == g->handle ||
        ration_take(&conduct_of(h, now, guest_seat(g))->commits, now->now_us, burst, MINUTE_US / burst))
        return true;
    h->owner->counters.service_rationed++;
    return false;
}

/* ---- what the order says ---- */

static void give_welcome(struct hall *h, const struct service_now *now, struct guest *g, uint64_t seq) {
    struct mls_buf part;
    mls_buf_init(&part, WIRE_MESSAGE_LEN_MAX);
    bool good = mls_welcome_for(mls_buf_span(&h->welcome), mls_hash_span(&g->ref), &part) == MLS_OK;
    become_member(h, now, g);
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
    service_tell(h->owner, SERVICE_ADMITTED, h, identity_span(g));
}

static void on_ready(struct hall *h, const struct service_now *now, const struct order_output *out) {
    struct wire_message ready = {.type = WIRE_READY, .seq = out->seq, .epoch = out->epoch};
    uint32_t leaf;
    for (struct guest *g = h->first, *next; g != NULL; g = next) {
        next = g->next;
        bool in = public_group_find_seat(hall_group(h), guest_seat(g), &leaf);
        if (g->phase == GUEST_MEMBER && !in) {
            service_tell(h->owner, SERVICE_EXPELLED, h, identity_span(g));
            guest_close(h->owner, g, WIRE_GONE_REMOVED, WIRE_CLOSE_OVER);
        } else if (g->handle == h->staged_author && in) {
            bool newcomer = g->phase != GUEST_MEMBER;
            become_member(h, now, g);
            if (newcomer)
                service_tell(h->owner, SERVICE_ADMITTED, h, identity_span(g));
        }
    }
    broadcast(h, &ready, NULL);
    for (struct guest *g = h->first; g != NULL; g = g->next) {
        bool waits = g->phase == GUEST_LINE || g->phase == GUEST_WAIT || g->phase == GUEST_FOUND;
        if (waits && public_group_find_seat(hall_group(h), guest_seat(g), &leaf))
            give_welcome(h, now, g, out->seq);
    }
    remove_ghosts(h, now);
}

static void strike(struct hall *h, const struct service_now *now, struct span seat) {
    uint32_t lately = 1;
    for (uint32_t i = 0; i < HALL_STRIKES_MAX && i < h->strikes_count; i++)
        lately +=
            span_equal(span_of(h->strikes[i].seat, 32), seat) && now->now_us < h->strikes[i].at_us + SERVICE_STRIKE_US;
    struct strike *one = &h->strikes[h->strikes_count++ % HALL_STRIKES_MAX];
    memcpy(one->seat, seat.data, 32);
    one->at_us = now->now_us;
    if (lately < SERVICE_STRIKES_MAX || hall_leads(h, seat))
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
    broadcast(h, &(struct wire_message){.type = WIRE_WITHDRAWN, .seq = out->seq, .epoch = out->epoch}, NULL);
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
        if (out.type == ORDER_HANDSHAKE) {
            struct guest *author = out.seat.len > 0 ? guest_of_seat(h, out.seat) : NULL;
            broadcast(h, &(struct wire_message){.type = WIRE_HANDSHAKE, .seq = out.seq, .message = out.message},
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
        send_stale(h, of, reason);
}

/* Numbers it when it keeps to the rules; says why not else. */
static bool number_commit(struct hall *h, const struct service_now *now, struct guest *g, bool urgent,
                          struct span commit, struct span group_info, struct span welcome) {
    struct public_group_staged staged;
    enum mls_status status =
        order_commit(h->order, now->now_us, now->unix_s, guest_seat(g), urgent, commit, group_info, &staged);
    if (status == MLS_OK) {
        h->owner->counters.service_commits++;
        h->staged_author = g->handle;
        mls_buf_clear(&h->welcome);
        mls_wr_span(&h->welcome, welcome);
        if (h->named == g->handle)
            h->named = 0;
        if (h->lease == g->handle)
            h->lease = 0;
        g->passed_over = false;
    } else {
        hall_drain(h, now); /* an urgent one may have closed a window */
        send_stale(h, g, mls_status_name(status));
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

static void on_commit(struct hall *h, const struct service_now *now, struct guest *g,
                      const struct wire_message *message) {
    bool enters = g->phase != GUEST_MEMBER || g->resyncing;
    if (h->order == NULL || (enters && h->lease != g->handle)) {
        send_stale(h, g, "it is not its turn");
        return;
    }
    if (!enters && !may_commit(h, now, g)) {
        send_stale(h, g, "too many commits of this member");
        return;
    }
    if (!enters) {
        bool urgent = (message->flags & WIRE_COMMIT_URGENT) != 0;
        (void)number_commit(h, now, g, urgent, message->commit, message->group_info, message->welcome);
        return;
    }
    if (h->check_of != 0 || public_group_is_staged(hall_group(h))) {
        send_stale(h, g, "another commit is open");
        return;
    }
    h->lease = 0;
    h->check_of = g->handle;
    h->ticket++;
    h->checks_bad = 0;
    mls_wr_span(&h->check_commit, message->commit);
    mls_wr_span(&h->check_info, message->group_info);
    hall_ask_checker(h, now);
}

static void on_checked(struct hall *h, const struct service_now *now, struct guest *g,
                       const struct wire_message *message) {
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

/* ---- messages ---- */

static void on_create(struct hall *h, const struct service_now *now, struct guest *g,
                      const struct wire_message *message) {
    struct service *s = h->owner;
    struct public_group *group = NULL;
    struct mls_leaf_info founder = {0};
    uint32_t leaf;
    if (h->order != NULL || h->lease != g->handle) {
        send_stale(h, g, "somebody else begins the group");
        return;
    }
    h->lease = 0;
    bool good = public_group_open(&h->crypto, s->config.members_max, message->group_info, message->tree, now->rng,
                                  &group) == MLS_OK;
    good = good && public_group_epoch(group) == 0 && public_group_members(group) == 1 &&
           public_group_find_seat(group, guest_seat(g), &leaf) && public_group_leaf(group, leaf, &founder) &&
           public_group_verify(group, 1) == MLS_OK;
    struct group_beginning beginning = {.id = span_of(h->id, h->id_len),
                                        .external_sender = mls_buf_span(&h->external_sender)};
    if (good) {
        beginning.group_id = public_group_id(group);
        beginning.info_extensions = public_group_info_extensions(group);
        good = group_rules_found(public_group_before(group), &founder, &beginning) == GROUP_GOOD;
    }
    struct order *order = good ? order_create(s->config.crypto, group, s->config.members_max) : NULL;
    if (order == NULL) {
        public_group_free(group);
        guest_close(s, g, WIRE_GONE_REFUSED, WIRE_CLOSE_OVER);
        return;
    }
    h->order = order;
    s->counters.service_groups++;
    become_member(h, now, g);
    guest_send(s, g, &(struct wire_message){.type = WIRE_ACCEPTED, .seq = order_number(order), .epoch = 0});
    service_tell(s, SERVICE_ADMITTED, h, identity_span(g));
    /* who waited for the beginning is judged by the group's entry now: it says hello again */
    for (struct guest *other = h->first; other != NULL; other = other->next) {
        struct mls_key_package_info info;
        if (other->phase != GUEST_WAIT && other->phase != GUEST_FOUND)
            continue;
        bool enters =
            mls_key_package_check(s->config.crypto, mls_buf_span(&other->package), now->unix_s, &info) == MLS_OK &&
            group_rules_enter(public_group_before(hall_group(h)), &info.leaf, false) == GROUP_GOOD;
        other->phase = enters ? GUEST_LINE : GUEST_WAIT;
        other->due_us = now->now_us;
    }
}

static void on_app(struct hall *h, struct guest *g, const struct wire_message *message) {
    struct mls_message_info info;
    if (mls_message_peek(message->message, &info) != MLS_OK || info.wire_format != MLS_WIRE_PRIVATE_MESSAGE ||
        info.content_type != MLS_CONTENT_APPLICATION) {
        h->owner->counters.service_dropped++;
        return;
    }
    bool kept = (message->flags & WIRE_APP_NOT_KEPT) == 0;
    uint64_t seq = kept ? order_number(h->order) : 0;
    broadcast(h,
              &(struct wire_message){
                  .type = WIRE_APP_FROM, .seq = seq, .identity = identity_span(g), .message = message->message},
              g);
    if (kept)
        guest_send(h->owner, g, &(struct wire_message){.type = WIRE_SENT, .seq = seq});
}

static void on_direct(struct hall *h, struct guest *g, const struct wire_message *message) {
    for (const struct guest *to = h->first; to != NULL; to = to->next) {
        if (to->phase != GUEST_MEMBER || !span_equal(identity_span(to), message->identity))
            continue;
        guest_send(
            h->owner, to,
            &(struct wire_message){.type = WIRE_DIRECT_FROM, .identity = identity_span(g), .sealed = message->sealed});
        return;
    }
    h->owner->counters.service_dropped++;
}

static void on_moderate(struct hall *h, struct guest *g, const struct wire_message *message) {
    struct service *s = h->owner;
    if (!hall_leads(h, guest_seat(g))) {
        s->counters.service_dropped++;
        return;
    }
    broadcast(h,
              &(struct wire_message){.type = WIRE_MODERATED,
                                     .what = message->what,
                                     .bits = message->bits,
                                     .target = message->target,
                                     .by = identity_span(g)},
              NULL);
    uint32_t leaf;
    struct mls_leaf_info info;
    if (message->what != WIRE_REMOVE || !public_group_find(hall_group(h), message->target, &leaf) ||
        !public_group_leaf(hall_group(h), leaf, &info) || is_put_out(h, info.signature_key) ||
        (hall_leads(h, info.signature_key) && role_of(h, guest_seat(g)) != GROUP_HOST))
        return;
    /* media and token go at once; the group follows by the host's commit */
    memcpy(h->put_out[h->put_out_count++ % HALL_PUT_OUT_MAX], info.signature_key.data, 32);
    service_tell(s, SERVICE_EXPELLED, h, message->target);
}

void hall_message(struct hall *h, const struct service_now *now, struct guest *g, const struct wire_message *message) {
    bool member = g->phase == GUEST_MEMBER && h->order != NULL;
    uint8_t seat[32];
    memcpy(seat, g->seat, sizeof seat);
    switch (message->type) {
    case WIRE_CREATE:
        on_create(h, now, g, message);
        return;
    case WIRE_COMMIT:
        on_commit(h, now, g, message);
        return;
    case WIRE_LEAVE:
        guest_close(h->owner, g, 0, 1000);
        if (member)
            hall_lost(h, now, span_of(seat, sizeof seat), true);
        return;
    default:
        break;
    }
    if (!member) {
        h->owner->counters.service_dropped++;
    } else if (message->type == WIRE_ACK) {
        order_ack(h->order, now->now_us, guest_seat(g), message->epoch, message->info_tag.data);
    } else if (message->type == WIRE_BAD) {
        order_bad(h->order, now->now_us, guest_seat(g), message->epoch);
        if (message->epoch <= public_group_epoch(hall_group(h)) && !g->resyncing)
            resync(h, now, g); /* it stands, and this one cannot follow */
    } else if (message->type == WIRE_APP) {
        on_app(h, g, message);
    } else if (message->type == WIRE_DIRECT) {
        on_direct(h, g, message);
    } else if (message->type == WIRE_MODERATE) {
        on_moderate(h, g, message);
    } else if (message->type == WIRE_CHECKED) {
        on_checked(h, now, g, message);
    } else {
        h->owner->counters.service_dropped++;
    }
    hall_drain(h, now);
}

/* ---- coming ---- */

static void resume(struct hall *h, const struct service_now *now, struct guest *g, uint64_t last_seq) {
    uint64_t oldest = h->log_count > 0 ? h->log[h->log_first].seq : order_seq(h->order) + 1;
    become_member(h, now, g);
    send_state(h, g, WIRE_STANDING_RESUMED);
    if (last_seq > order_seq(h->order) || last_seq + 1 < oldest) {
        resync(h, now, g);
        return;
    }
    for (uint32_t i = 0; i < h->log_count; i++) {
        const struct kept *entry = &h->log[(h->log_first + i) % SERVICE_LOG_MESSAGES_MAX];
        if (entry->seq > last_seq)
            guest_send_blob(h->owner, g, entry->blob);
    }
}

void hall_enter(struct hall *h, const struct service_now *now, struct guest *g, const struct wire_message *hello,
                const struct entry_result *result) {
    uint32_t waiting = 0;
    for (const struct guest *other = h->first; other != NULL; other = other->next)
        waiting += other->phase == GUEST_LINE || other->phase == GUEST_WAIT || other->phase == GUEST_FOUND;
    g->due_us = now->now_us;
    if (result->standing == WIRE_STANDING_RESUMED) {
        resume(h, now, g, hello->seq);
        return;
    }
    struct mls_key_package_info info;
    mls_wr_span(&g->package, hello->key_package);
    if (waiting >= SERVICE_LINE_MAX || !mls_buf_ok(&g->package) ||
        mls_key_package_check(h->owner->config.crypto, mls_buf_span(&g->package), now->unix_s, &info) != MLS_OK ||
        info.ref_len > sizeof g->ref.bytes) {
        guest_close(h->owner, g, WIRE_GONE_FULL, WIRE_CLOSE_OVER);
        return;
    }
    g->ref.len = (uint8_t)info.ref_len;
    memcpy(g->ref.bytes, info.ref, info.ref_len);
    g->phase = result->standing == WIRE_STANDING_FOUND  ? GUEST_FOUND
               : result->standing == WIRE_STANDING_TURN ? GUEST_LINE
                                                        : GUEST_WAIT;
    send_state(h, g, result->standing);
}
