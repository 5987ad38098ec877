#include "delivery/service_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "base/time.h"
#include "e2ee/mem.h"
#include "e2ee/mls.h"

#define QUEUE_MAX (16u * SERVICE_MEMBERS_MAX)
#define INDEX_BITS 16

struct queued_output {
    enum service_output_type type;
    uint32_t connection;
    uint16_t code;
    uint8_t id_len, identity_len;
    uint8_t id[GROUP_MEETING_ID_LEN_MAX], identity[GROUP_IDENTITY_LEN];
    struct service_blob *blob;
};

/* ---- outputs ---- */

struct service_blob *blob_of(const struct wire_message *message) {
    struct mls_buf out;
    mls_buf_init(&out, 2 * WIRE_MESSAGE_LEN_MAX);
    wire_write(message, &out);
    struct service_blob *blob = mls_buf_ok(&out) ? mls_alloc(sizeof *blob + mls_buf_len(&out)) : NULL;
    if (blob != NULL) {
        blob->refs = 1;
        blob->len = mls_buf_len(&out);
        memcpy(blob->bytes, mls_buf_span(&out).data, blob->len);
    }
    mls_buf_free(&out);
    return blob;
}

void blob_drop(struct service_blob *blob) {
    if (blob != NULL && --blob->refs == 0)
        mls_free(blob, sizeof *blob + blob->len);
}

static struct queued_output *queue_new(struct service *s, enum service_output_type type) {
    if (s->queue_count == s->queue_size) {
        size_t size = s->queue_size == 0 ? 64 : 2 * s->queue_size;
        struct queued_output *more = size > QUEUE_MAX ? NULL : mls_alloc(size * sizeof *more);
        if (more == NULL)
            return NULL;
        for (size_t i = 0; i < s->queue_count; i++)
            more[i] = s->queue[(s->queue_first + i) % s->queue_size];
        if (s->queue != NULL)
            mls_free(s->queue, s->queue_size * sizeof *s->queue);
        s->queue = more;
        s->queue_size = size;
        s->queue_first = 0;
    }
    struct queued_output *out = &s->queue[(s->queue_first + s->queue_count++) % s->queue_size];
    *out = (struct queued_output){.type = type};
    return out;
}

void guest_send_blob(struct service *s, const struct guest *g, struct service_blob *blob) {
    struct queued_output *out = blob == NULL ? NULL : queue_new(s, SERVICE_SEND);
    if (out == NULL) /* it misses something: it must come again */
        return;
    out->connection = g->handle;
    out->blob = blob;
    blob->refs++;
}

void guest_send(struct service *s, const struct guest *g, const struct wire_message *message) {
    struct service_blob *blob = blob_of(message);
    guest_send_blob(s, g, blob);
    blob_drop(blob);
}

void service_tell(struct service *s, enum service_output_type type, const struct hall *h, struct span identity) {
    struct queued_output *out = queue_new(s, type);
    ASSERT(identity.len <= sizeof out->identity);
    if (out == NULL)
        return;
    out->id_len = h->id_len;
    memcpy(out->id, h->id, h->id_len);
    out->identity_len = (uint8_t)identity.len;
    if (identity.len > 0)
        memcpy(out->identity, identity.data, identity.len);
}

bool service_poll(struct service *s, struct service_output *out) {
    blob_drop(s->given);
    s->given = NULL;
    if (s->queue_count == 0)
        return false;
    struct queued_output *q = &s->queue[s->queue_first];
    s->queue_first = (s->queue_first + 1) % s->queue_size;
    s->queue_count--;
    s->given = q->blob;
    memcpy(s->given_id, q->id, sizeof s->given_id);
    memcpy(s->given_identity, q->identity, sizeof s->given_identity);
    *out = (struct service_output){.type = q->type,
                                   .connection = q->connection,
                                   .code = q->code,
                                   .id = span_of(s->given_id, q->id_len),
                                   .identity = span_of(s->given_identity, q->identity_len)};
    if (q->blob != NULL)
        out->message = span_of(q->blob->bytes, q->blob->len);
    return true;
}

/* ---- life ---- */

struct service *service_create(const struct service_config *config) {
    ASSERT(config->members_max > 0 && config->members_max <= SERVICE_MEMBERS_MAX);
    ASSERT(config->connections_max > 0 && config->connections_max < 1u << INDEX_BITS);
    struct service *s = mls_alloc(sizeof *s);
    if (s == NULL)
        return NULL;
    s->config = *config;
    s->guests = mls_alloc(config->connections_max * sizeof *s->guests);
    if (s->guests == NULL) {
        mls_free(s, sizeof *s);
        return NULL;
    }
    return s;
}

void service_free(struct service *s) {
    struct service_output out;
    if (s == NULL)
        return;
    while (service_poll(s, &out))
        continue;
    for (uint32_t i = 0; i < s->config.connections_max; i++) {
        if (s->guests[i].handle != 0)
            mls_buf_free(&s->guests[i].package);
    }
    while (s->halls != NULL) {
        struct hall *next = s->halls->next;
        hall_free(s->halls);
        s->halls = next;
    }
    mls_free(s->guests, s->config.connections_max * sizeof *s->guests);
    if (s->queue != NULL)
        mls_free(s->queue, s->queue_size * sizeof *s->queue);
    mls_free(s, sizeof *s);
}

const struct service_counters *service_counters_get(const struct service *s) {
    return &s->counters;
}

/* ---- meetings and connections ---- */

static struct hall *hall_find(const struct service *s, struct span id) {
    for (struct hall *h = s->halls; h != NULL; h = h->next) {
        if (span_equal(span_of(h->id, h->id_len), id))
            return h;
    }
    return NULL;
}

static struct hall *hall_new(struct service *s, struct span id, uint16_t suite) {
    struct hall *h = s->halls_count < s->config.meetings_max ? mls_alloc(sizeof *h) : NULL;
    uint8_t public_key[32];
    if (h == NULL)
        return NULL;
    h->owner = s;
    h->id_len = (uint8_t)id.len;
    memcpy(h->id, id.data, id.len);
    group_meeting_hash(s->config.crypto, id, h->meeting);
    mls_buf_init(&h->external_sender, 1024);
    mls_buf_init(&h->check_commit, WIRE_MESSAGE_LEN_MAX);
    mls_buf_init(&h->check_info, WIRE_MESSAGE_LEN_MAX);
    mls_buf_init(&h->welcome, WIRE_MESSAGE_LEN_MAX);
    h->absent = mls_alloc(s->config.members_max * sizeof *h->absent);
    h->leaving = mls_alloc(s->config.members_max * sizeof *h->leaving);
    bool good = h->absent != NULL && h->leaving != NULL &&
                mls_crypto_of(s->config.crypto, suite, &h->crypto) == MLS_OK &&
                group_external_sender(s->config.crypto, s->config.server_secret, span_of(h->meeting, 32),
                                      &h->external_seed, public_key) == CRYPTO_OK;
    if (good)
        group_external_sender_write(span_of(public_key, sizeof public_key), &h->external_sender);
    if (!good || !mls_buf_ok(&h->external_sender)) {
        hall_free(h);
        return NULL;
    }
    h->next = s->halls;
    s->halls = h;
    s->halls_count++;
    return h;
}

struct guest *guest_find(struct service *s, uint32_t handle) {
    uint32_t index = (handle & ((1u << INDEX_BITS) - 1)) - 1;
    if (handle == 0 || index >= s->config.connections_max || s->guests[index].handle != handle)
        return NULL;
    return &s->guests[index];
}

struct guest *guest_of_seat(struct hall *h, struct span seat) {
    for (struct guest *g = h->first; g != NULL; g = g->next) {
        if (span_equal(span_of(g->seat, sizeof g->seat), seat))
            return g;
    }
    return NULL;
}

static void guest_free(struct service *s, struct guest *g) {
    struct hall *h = g->hall;
    if (h != NULL) {
        *(g->previous != NULL ? &g->previous->next : &h->first) = g->next;
        if (g->next != NULL)
            g->next->previous = g->previous;
        h->guests--;
        if (h->lease == g->handle)
            h->lease = 0;
        if (h->named == g->handle)
            h->named_until_us = 0;
    }
    mls_buf_free(&g->package);
    secure_wipe(g, sizeof *g);
    s->guests_count--;
}

void guest_close(struct service *s, struct guest *g, uint8_t gone, uint16_t code) {
    if (gone != 0)
        guest_send(s, g, &(struct wire_message){.type = WIRE_GONE, .reason_gone = gone});
    struct queued_output *out = queue_new(s, SERVICE_CLOSE);
    if (out != NULL) {
        out->connection = g->handle;
        out->code = code;
    }
    guest_free(s, g);
}

static void settle(struct service *s, const struct service_now *now, struct hall *h) {
    hall_pump(h, now);
    if (!hall_is_over(h))
        return;
    service_tell(s, SERVICE_OVER, h, span_of(NULL, 0));
    struct hall **at = &s->halls;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    s->halls_count--;
    hall_free(h);
}

uint32_t service_open(struct service *s, const struct service_now *now, struct span id) {
    static const uint8_t zeros[16];
    if (s->guests_count == s->config.connections_max || id.len == 0 || id.len > GROUP_MEETING_ID_LEN_MAX) {
        s->counters.service_refused_full += id.len > 0 && id.len <= GROUP_MEETING_ID_LEN_MAX;
        return 0;
    }
    uint32_t index = 0;
    while (s->guests[index].handle != 0)
        index++;
    struct guest *g = &s->guests[index];
    s->generation = (s->generation + 1) & 0xffff;
    *g = (struct guest){.handle = s->generation << INDEX_BITS | (index + 1), .due_us = now->now_us + SERVICE_HELLO_US};
    g->id_len = (uint8_t)id.len;
    memcpy(g->id, id.data, id.len);
    mls_buf_init(&g->package, WIRE_PACKAGE_LEN_MAX);
    rng_fill(now->rng, g->nonce, sizeof g->nonce);
    s->guests_count++;
    s->counters.service_opened++;
    guest_send(s, g,
               &(struct wire_message){.type = WIRE_CHALLENGE,
                                      .nonce = span_of(g->nonce, sizeof g->nonce),
                                      .claim = span_of(zeros, sizeof zeros),
                                      .unix_s = now->unix_s});
    return g->handle;
}

static void no_entry(struct service *s, const struct service_now *now, struct guest *g) {
    s->counters.service_no_entry++;
    g->phase = GUEST_REFUSED;
    g->due_us = entry_answer_us(now->now_us);
}

static void take_hello(struct service *s, const struct service_now *now, struct guest *g,
                       const struct wire_message *hello) {
    struct span id = span_of(g->id, g->id_len);
    struct hall *h = hall_find(s, id);
    struct entry_result result;
    struct entry_meeting meeting = {.server_secret = s->config.server_secret,
                                    .operator_key = s->config.operator_key,
                                    .id = id,
                                    .group = h != NULL && h->order != NULL ? order_group(h->order) : NULL,
                                    .was_taken = hall_was_taken,
                                    .context = h};
    entry_check(s->config.crypto, &meeting, hello, span_of(g->nonce, sizeof g->nonce), now->unix_s, &result);
    rng_fill(now->rng, g->nonce, sizeof g->nonce); /* it was used */
    bool known = h != NULL;
    if (result.good && !known)
        h = hall_new(s, id, hello->suite);
    if (!result.good || h == NULL) {
        s->counters.service_refused_full += result.good;
        no_entry(s, now, g);
        return;
    }
    struct guest *older = guest_of_seat(h, hello->seat_key);
    if (older != NULL) {
        bool member = older->phase == GUEST_MEMBER;
        guest_close(s, older, 0, WIRE_CLOSE_REPLACED);
        if (member)
            hall_lost(h, now, hello->seat_key, false);
    }
    memcpy(g->seat, hello->seat_key.data, sizeof g->seat);
    memcpy(g->identity, result.identity, sizeof g->identity);
    g->hall = h;
    g->next = h->first;
    if (h->first != NULL)
        h->first->previous = g;
    h->first = g;
    h->guests++;
    hall_enter(h, now, g, hello, &result);
    settle(s, now, h);
}

void service_message(struct service *s, const struct service_now *now, uint32_t connection, struct span message) {
    struct guest *g = guest_find(s, connection);
    struct wire_message parsed;
    if (g == NULL || g->phase == GUEST_REFUSED)
        return;
    struct hall *h = g->hall;
    enum wire_verdict verdict = wire_read(WIRE_FROM_CLIENT, message, &parsed);
    if (verdict == WIRE_SKIP && g->phase != GUEST_NEW)
        return;
    if (verdict != WIRE_OK || (parsed.type == WIRE_HELLO) != (g->phase == GUEST_NEW)) {
        uint8_t seat[32];
        bool member = g->phase == GUEST_MEMBER;
        memcpy(seat, g->seat, sizeof seat);
        s->counters.service_malformed++;
        guest_close(s, g, 0, message.len > WIRE_MESSAGE_LEN_MAX ? WIRE_CLOSE_TOO_MUCH : WIRE_CLOSE_MALFORMED);
        if (member)
            hall_lost(h, now, span_of(seat, sizeof seat), false);
        if (h != NULL)
            settle(s, now, h);
    } else if (parsed.type == WIRE_HELLO) {
        take_hello(s, now, g, &parsed);
    } else {
        hall_message(h, now, g, &parsed);
        settle(s, now, h);
    }
}

void service_closed(struct service *s, const struct service_now *now, uint32_t connection, bool going) {
    struct guest *g = guest_find(s, connection);
    if (g == NULL)
        return;
    struct hall *h = g->hall;
    bool member = g->phase == GUEST_MEMBER;
    uint8_t seat[32];
    memcpy(seat, g->seat, sizeof seat);
    guest_free(s, g);
    if (member)
        hall_lost(h, now, span_of(seat, sizeof seat), going);
    if (h != NULL)
        settle(s, now, h);
}

void service_tick(struct service *s, const struct service_now *now) {
    for (uint32_t i = 0; i < s->config.connections_max; i++) {
        struct guest *g = &s->guests[i];
        if (g->handle == 0 || g->hall != NULL || now->now_us < g->due_us)
            continue;
        bool refused = g->phase == GUEST_REFUSED;
        guest_close(s, g, 0, refused ? WIRE_CLOSE_NO_ENTRY : WIRE_CLOSE_MALFORMED);
    }
    for (struct hall *h = s->halls, *next; h != NULL; h = next) {
        next = h->next;
        if (hall_deadline_us(h) <= now->now_us)
            settle(s, now, h);
    }
}

uint64_t service_next_deadline_us(const struct service *s) {
    uint64_t deadline_us = TIME_NEVER;
    for (uint32_t i = 0; i < s->config.connections_max; i++) {
        if (s->guests[i].handle != 0 && s->guests[i].hall == NULL)
            deadline_us = time_min(deadline_us, s->guests[i].due_us);
    }
    for (const struct hall *h = s->halls; h != NULL; h = h->next)
        deadline_us = time_min(deadline_us, hall_deadline_us(h));
    return deadline_us;
}

/* ---- questions ---- */

static bool seat_of(const struct hall *h, struct span identity, uint8_t seat[32]) {
    struct mls_leaf_info leaf;
    uint32_t at;
    if (h == NULL || h->order == NULL || !public_group_find(order_group(h->order), identity, &at) ||
        !public_group_leaf(order_group(h->order), at, &leaf) || leaf.signature_key.len != 32)
        return false;
    memcpy(seat, leaf.signature_key.data, 32);
    return true;
}

void service_expel(struct service *s, const struct service_now *now, struct span id, struct span identity) {
    struct hall *h = hall_find(s, id);
    uint8_t seat[32];
    if (!seat_of(h, identity, seat))
        return;
    struct guest *g = guest_of_seat(h, span_of(seat, sizeof seat));
    if (g != NULL)
        guest_close(s, g, WIRE_GONE_REMOVED, WIRE_CLOSE_OVER);
    hall_leaves(h, now, span_of(seat, sizeof seat));
    settle(s, now, h);
}

bool service_is_member(const struct service *s, struct span id, struct span identity) {
    const struct hall *h = hall_find(s, id);
    uint8_t seat[32];
    return seat_of(h, identity, seat) && hall_is_member(h, span_of(seat, sizeof seat));
}

bool service_may_read(const struct service *s, struct span id, struct span identity) {
    const struct hall *h = hall_find(s, id);
    for (const struct guest *g = h != NULL ? h->first : NULL; g != NULL; g = g->next) {
        if (g->holds_info && span_equal(span_of(g->identity, sizeof g->identity), identity))
            return true;
    }
    return service_is_member(s, id, identity);
}

struct span service_tree(struct service *s, struct span id, struct span tree_hash) {
    struct hall *h = hall_find(s, id);
    return h != NULL && h->order != NULL ? public_group_tree(order_group(h->order), tree_hash) : span_of(NULL, 0);
}

bool service_chain(const struct service *s, struct span id, uint64_t epoch, struct mls_buf *out) {
    const struct hall *h = hall_find(s, id);
    return h != NULL && h->order != NULL && order_chain(h->order, epoch, out);
}
