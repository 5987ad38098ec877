/* One meeting: who comes, commits, answers, goes. */
#include <string.h>

#include "base/time.h"
#include "delivery/service_internal.h"
#include "e2ee/mem.h"
#include "e2ee/mls.h"
#include "group/context.h"

struct span guest_seat(const struct guest *g) {
    return span_of(g->seat, sizeof g->seat);
}

struct span guest_identity(const struct guest *g) {
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
    h->owner->logs_len -= oldest->blob->len;
    blob_drop(oldest->blob);
    h->log_first = (h->log_first + 1) % SERVICE_LOG_MESSAGES_MAX;
    h->log_count--;
}

static void log_add(struct hall *h, uint64_t seq, struct service_blob *blob) {
    struct service *s = h->owner;
    while (h->log_count > 0 &&
           (h->log_count == SERVICE_LOG_MESSAGES_MAX || h->log_len + blob->len > SERVICE_LOG_LEN_MAX ||
            s->logs_len + blob->len > s->config.logs_len_max))
        hall_log_drop_oldest(h);
    h->log[(h->log_first + h->log_count++) % SERVICE_LOG_MESSAGES_MAX] = (struct kept){.seq = seq, .blob = blob};
    h->log_len += blob->len;
    s->logs_len += blob->len;
    blob->refs++;
}

void hall_broadcast(struct hall *h, const struct wire_message *message, const struct guest *except) {
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

void hall_tell_online(struct hall *h) {
    struct mls_buf list;
    mls_buf_init(&list, WIRE_MESSAGE_LEN_MAX - 64);
    for (const struct guest *g = h->first; g != NULL; g = g->next) {
        if (g->phase == GUEST_MEMBER)
            wire_add_identity(&list, guest_identity(g));
    }
    hall_broadcast(h, &(struct wire_message){.type = WIRE_ONLINE, .list = mls_buf_span(&list)}, NULL);
    mls_buf_free(&list);
}

void hall_stale(struct hall *h, const struct guest *g, const char *reason) {
    h->owner->counters.service_stale++;
    guest_send(h->owner, g,
               &(struct wire_message){.type = WIRE_STALE,
                                      .epoch = h->order != NULL ? public_group_epoch(hall_group(h)) : 0,
                                      .reason = span_str(reason)});
}

/* `seq`: what is sent next follows it. */
static void send_state(struct hall *h, const struct guest *g, enum wire_standing standing, uint64_t seq) {
    static const uint8_t zeros[16];
    struct mls_buf token;
    mls_buf_init(&token, WIRE_TOKEN_LEN_MAX);
    if (h->owner->config.token != NULL)
        h->owner->config.token(h->owner->config.context, span_of(h->id, h->id_len), guest_identity(g), &token);
    struct wire_message state = {.type = WIRE_STATE,
                                 .suite = h->crypto.suite->id,
                                 .standing = (uint8_t)standing,
                                 .claim = span_of(zeros, sizeof zeros),
                                 .token = mls_buf_span(&token),
                                 .file_len_max = h->owner->config.file_len_max};
    if (standing == WIRE_STANDING_RESUMED) {
        state.epoch = public_group_epoch(hall_group(h));
        state.seq = seq;
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
        if (span_equal(span_of(h->put_out[i].seat, 32), seat))
            return true;
    }
    return false;
}

/* Lists that grow with what is in them: a meeting of three has no room for a thousand. The list with room for one more,
 * or NULL. */
static void *list_room(void *list, uint32_t count, uint32_t *size, size_t each) {
    if (count < *size)
        return list;
    uint32_t more = *size == 0 ? 4 : 2 * *size;
    void *grown = count < SERVICE_MEMBERS_MAX ? mls_resize(list, *size * each, more * each) : NULL;
    if (grown != NULL)
        *size = more;
    return grown;
}

bool hall_leaf(const struct hall *h, struct guest *g, uint32_t *leaf) {
    struct mls_leaf_info info;
    *leaf = g->leaf;
    if (public_group_leaf(hall_group(h), g->leaf, &info) && span_equal(info.signature_key, guest_seat(g)))
        return true;
    if (!public_group_find_seat(hall_group(h), guest_seat(g), leaf))
        return false;
    g->leaf = *leaf;
    return true;
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

void hall_become_member(struct hall *h, const struct service_now *now, struct guest *g) {
    g->phase = GUEST_MEMBER;
    h->online_changed = true;
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
    void *list;
    uint32_t at;
    (void)now;
    hall_forget_absent(h, seat);
    if (h->order == NULL || hall_is_leaving(h, seat) || !public_group_find_seat(hall_group(h), seat, &at) ||
        (list = list_room(h->leaving, h->leaving_count, &h->leaving_size, sizeof *h->leaving)) == NULL)
        return;
    h->leaving = list;
    memcpy(h->leaving[h->leaving_count++], seat.data, 32);
    bool told = is_put_out(h, seat);
    if (!told) /* who was put out does not come back as one whom the service took does */
        memcpy(h->taken[h->taken_count++ % HALL_TAKEN_MAX], seat.data, 32);
    if (!told && public_group_leaf(hall_group(h), at, &leaf))
        service_tell(h->owner, SERVICE_EXPELLED, h, leaf.identity);
}

/* Whoever put it out did not go through with it. */
void hall_finish_put_out(struct hall *h, const struct service_now *now) {
    for (uint32_t i = 0; i < HALL_PUT_OUT_MAX && i < h->put_out_count; i++) {
        struct absent_seat *out = &h->put_out[i];
        if (now->now_us < out->until_us)
            continue;
        out->until_us = TIME_NEVER;
        hall_leaves(h, now, span_of(out->seat, sizeof out->seat));
    }
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
    void *list = list_room(h->absent, h->absent_count, &h->absent_size, sizeof *h->absent);
    if (list == NULL) { /* nobody more can be expected */
        hall_leaves(h, now, seat);
        return;
    }
    h->absent = list;
    struct absent_seat *absent = &h->absent[h->absent_count++];
    memcpy(absent->seat, seat.data, 32);
    absent->until_us = now->now_us + (hall_leads(h, seat) ? SERVICE_GRACE_HOST_US : SERVICE_GRACE_US);
}

void hall_remove_ghosts(struct hall *h, const struct service_now *now) {
    uint32_t cursor = 0, leaf;
    struct mls_leaf_info info;
    while (public_group_next(hall_group(h), &cursor, &leaf)) {
        if (!public_group_leaf(hall_group(h), leaf, &info))
            continue;
        const struct guest *g = guest_of_seat(h, info.signature_key);
        if ((g != NULL && g->phase == GUEST_MEMBER) || info.signature_key.len != 32)
            continue;
        uint8_t seat[32];
        bool expected = false;
        memcpy(seat, info.signature_key.data, sizeof seat);
        for (uint32_t i = 0; i < h->absent_count; i++)
            expected = expected || memcmp(h->absent[i].seat, seat, sizeof seat) == 0;
        if (!expected)
            hall_leaves(h, now, span_of(seat, sizeof seat));
    }
}

void hall_resyncing(struct hall *h, uint64_t now_us, struct guest *g) {
    g->resyncing = true;
    g->due_us = now_us;
    if (h->lease == g->handle)
        h->lease = 0;
    order_here(h->order, now_us, guest_seat(g), false);
}

/* ---- messages ---- */

void hall_begun(struct hall *h, const struct service_now *now) {
    for (struct guest *g = h->first, *next; g != NULL; g = next) {
        struct mls_key_package_info info;
        uint32_t leaf;
        next = g->next;
        if (g->phase != GUEST_WAIT && g->phase != GUEST_FOUND)
            continue;
        bool in_tree = public_group_find_seat(hall_group(h), guest_seat(g), &leaf);
        enum group_verdict verdict = GROUP_UNSUPPORTED;
        if (mls_key_package_check(h->owner->config.crypto, mls_buf_span(&g->package), now->unix_s, &info) == MLS_OK)
            verdict = group_rules_enter(public_group_before(hall_group(h)), &info.leaf, in_tree);
        g->phase = verdict == GROUP_GOOD ? GUEST_LINE : GUEST_WAIT;
        g->due_us = now->now_us;
        if (verdict == GROUP_LEAF_BARRED) /* a host had put it out, before the server was started again */
            guest_close(h->owner, g, 0, WIRE_CLOSE_NO_ENTRY);
    }
}

static void on_create(struct hall *h, const struct service_now *now, struct guest *g,
                      const struct wire_message *message) {
    struct service *s = h->owner;
    struct public_group *group = NULL;
    struct mls_leaf_info founder = {0};
    uint32_t leaf;
    if (h->order != NULL || h->lease != g->handle) {
        hall_stale(h, g, "somebody else begins the group");
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
    hall_become_member(h, now, g);
    guest_send(s, g, &(struct wire_message){.type = WIRE_ACCEPTED, .seq = order_number(order), .epoch = 0});
    service_tell(s, SERVICE_ADMITTED, h, guest_identity(g));
    hall_begun(h, now);
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
    hall_broadcast(h,
                   &(struct wire_message){
                       .type = WIRE_APP_FROM, .seq = seq, .identity = guest_identity(g), .message = message->message},
                   g);
    if (kept)
        guest_send(h->owner, g, &(struct wire_message){.type = WIRE_SENT, .seq = seq});
}

static void on_direct(struct hall *h, struct guest *g, const struct wire_message *message) {
    for (const struct guest *to = h->first; to != NULL; to = to->next) {
        if (to->phase != GUEST_MEMBER || !span_equal(guest_identity(to), message->identity))
            continue;
        guest_send(
            h->owner, to,
            &(struct wire_message){.type = WIRE_DIRECT_FROM, .identity = guest_identity(g), .sealed = message->sealed});
        return;
    }
    h->owner->counters.service_dropped++;
}

/* One who has gone makes room; nobody who has not: it would be let in again. */
static struct absent_seat *put_out_place(struct hall *h) {
    uint32_t leaf;
    if (h->put_out_count < HALL_PUT_OUT_MAX)
        return &h->put_out[h->put_out_count++];
    for (uint32_t i = 0; i < HALL_PUT_OUT_MAX; i++) {
        if (!public_group_find_seat(hall_group(h), span_of(h->put_out[i].seat, 32), &leaf))
            return &h->put_out[i];
    }
    return NULL;
}

static void on_moderate(struct hall *h, const struct service_now *now, struct guest *g,
                        const struct wire_message *message) {
    struct service *s = h->owner;
    if (!hall_leads(h, guest_seat(g)) || !fair_moderate(h, now->now_us, g)) {
        s->counters.service_dropped++;
        return;
    }
    hall_broadcast(h,
                   &(struct wire_message){.type = WIRE_MODERATED,
                                          .what = message->what,
                                          .bits = message->bits,
                                          .target = message->target,
                                          .by = guest_identity(g)},
                   NULL);
    uint32_t leaf;
    struct mls_leaf_info info;
    if (message->what != WIRE_REMOVE || !public_group_find(hall_group(h), message->target, &leaf) ||
        !public_group_leaf(hall_group(h), leaf, &info) || is_put_out(h, info.signature_key) ||
        (hall_leads(h, info.signature_key) && role_of(h, guest_seat(g)) != GROUP_HOST))
        return;
    /* media and token go at once; the group follows by the host's commit */
    struct absent_seat *out = info.signature_key.len == 32 ? put_out_place(h) : NULL;
    if (out == NULL)
        return;
    memcpy(out->seat, info.signature_key.data, 32);
    out->until_us = now->now_us + SERVICE_PUT_OUT_US;
    service_tell(s, SERVICE_EXPELLED, h, message->target);
}

bool hall_message(struct hall *h, const struct service_now *now, struct guest *g, const struct wire_message *message) {
    bool member = g->phase == GUEST_MEMBER && h->order != NULL;
    bool stop = false;
    uint8_t seat[32];
    memcpy(seat, g->seat, sizeof seat);
    switch (message->type) {
    case WIRE_CREATE:
        on_create(h, now, g, message);
        return true;
    case WIRE_COMMIT:
        hall_commit(h, now, g, message);
        return true;
    case WIRE_LEAVE:
        guest_close(h->owner, g, 0, 1000);
        if (member)
            hall_lost(h, now, span_of(seat, sizeof seat), true);
        return true;
    default:
        break;
    }
    if (g->phase == GUEST_RESTATING) {
        hall_restate_message(h, now, g, message);
    } else if (!member) {
        h->owner->counters.service_dropped++;
    } else if (message->type == WIRE_ACK) {
        order_ack(h->order, now->now_us, guest_seat(g), message->epoch, message->info_tag.data);
    } else if (message->type == WIRE_BAD) {
        order_bad(h->order, now->now_us, guest_seat(g), message->epoch);
        hall_drain(h, now); /* it may have put this one out */
        if (guest_of_seat(h, span_of(seat, sizeof seat)) == g && message->epoch <= public_group_epoch(hall_group(h)))
            (void)fair_bad(h, now, g, message->epoch); /* it stands, and this one cannot follow */
    } else if (message->type == WIRE_APP || message->type == WIRE_DIRECT) {
        if (fair_sealed(h->owner, now->now_us, g, &stop))
            (message->type == WIRE_APP ? on_app : on_direct)(h, g, message);
    } else if (message->type == WIRE_MODERATE) {
        on_moderate(h, now, g, message);
    } else if (message->type == WIRE_CHECKED) {
        hall_checked(h, now, g, message);
    } else {
        h->owner->counters.service_dropped++;
    }
    hall_drain(h, now);
    return !stop;
}

/* ---- coming ---- */

static uint64_t log_oldest(const struct hall *h) {
    return h->log_count > 0 ? h->log[h->log_first].seq : order_seq(h->order) + 1;
}

bool hall_log_is_whole(const struct hall *h) {
    return log_oldest(h) == 1;
}

static void replay(struct hall *h, const struct guest *g, uint64_t last_seq) {
    for (uint32_t i = 0; i < h->log_count; i++) {
        const struct kept *entry = &h->log[(h->log_first + i) % SERVICE_LOG_MESSAGES_MAX];
        if (entry->seq > last_seq)
            guest_send_blob(h->owner, g, entry->blob);
    }
}

static void resume(struct hall *h, const struct service_now *now, struct guest *g, uint64_t last_seq) {
    hall_become_member(h, now, g);
    send_state(h, g, WIRE_STANDING_RESUMED, order_seq(h->order));
    if (last_seq > order_seq(h->order) || last_seq + 1 < log_oldest(h))
        fair_resync(h, now->now_us, g);
    else
        replay(h, g, last_seq);
}

void hall_restated(struct hall *h, const struct service_now *now, struct guest *g, uint64_t epoch, bool has_staged) {
    bool whole = hall_log_is_whole(h);
    hall_become_member(h, now, g);
    service_tell(h->owner, SERVICE_ADMITTED, h, guest_identity(g));
    send_state(h, g, WIRE_STANDING_RESUMED, whole ? 0 : order_seq(h->order)); /* it counts anew */
    if (has_staged)
        guest_send(h->owner, g, &(struct wire_message){.type = WIRE_READY, .epoch = epoch});
    if (whole)
        replay(h, g, 0);
    else
        fair_resync(h, now->now_us, g);
}

void hall_enter(struct hall *h, const struct service_now *now, struct guest *g, const struct wire_message *hello,
                const struct entry_result *result) {
    uint32_t waiting = 0, of_network = 0;
    for (const struct guest *other = h->first; other != NULL; other = other->next) {
        waiting += guest_waits(other);
        of_network += guest_waits(other) && other->network == g->network;
    }
    g->due_us = now->now_us;
    if (result->standing == WIRE_STANDING_RESUMED) {
        if (!hall_restate_enter(h, now, g))
            resume(h, now, g, hello->seq);
        return;
    }
    if (h->owner->draining && h->order == NULL && !hall_is_restating(h)) {
        guest_send(h->owner, g, &(struct wire_message){.type = WIRE_CLOSING});
        guest_close(h->owner, g, 0, 1001);
        return;
    }
    struct mls_key_package_info info;
    mls_wr_span(&g->package, hello->key_package);
    if (waiting >= SERVICE_LINE_MAX || (g->network != NULL && of_network >= SERVICE_NETWORK_WAITING_MAX) ||
        !mls_buf_ok(&g->package) ||
        mls_key_package_check(h->owner->config.crypto, mls_buf_span(&g->package), now->unix_s, &info) != MLS_OK ||
        info.ref_len > sizeof g->ref.bytes) {
        guest_close(h->owner, g, WIRE_GONE_FULL, WIRE_CLOSE_OVER);
        return;
    }
    h->last_join_us = h->this_join_us;
    h->this_join_us = now->now_us;
    g->ref.len = (uint8_t)info.ref_len;
    memcpy(g->ref.bytes, info.ref, info.ref_len);
    g->phase = result->standing == WIRE_STANDING_FOUND  ? GUEST_FOUND
               : result->standing == WIRE_STANDING_TURN ? GUEST_LINE
                                                        : GUEST_WAIT;
    send_state(h, g, result->standing, 0);
}
