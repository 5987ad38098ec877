#include "delivery/service_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "base/time.h"
#include "e2ee/mem.h"
#include "e2ee/mls.h"

#define INDEX_BITS 16
#define SEAT_KEY_LEN (sizeof(uint32_t) + 32)

/* ---- life ---- */

static void free_lists(struct service *s) {
    for (uint32_t i = s->config.connections_max; i-- > 0;) {
        s->guests[i].next = s->free;
        s->free = &s->guests[i];
    }
    for (uint32_t i = s->networks_max; i-- > 0;) {
        s->networks[i].next_free = s->networks_free;
        s->networks_free = &s->networks[i];
    }
    for (uint32_t i = 0; i < s->config.meetings_max; i++)
        s->slots[i] = i;
}

static bool make_tables(struct service *s) {
    const uint32_t connections = s->config.connections_max, meetings = s->config.meetings_max;
    struct rng rng = rng_seeded(s->config.table_seed);
    s->networks_max = connections + meetings;
    s->guests = mls_alloc(connections * sizeof *s->guests);
    s->by_slot = mls_alloc(meetings * sizeof(struct hall *));
    s->slots = mls_alloc(meetings * sizeof *s->slots);
    s->networks = mls_alloc(s->networks_max * sizeof *s->networks);
    s->by_id_memory = mls_alloc(map_size(meetings, GROUP_MEETING_ID_LEN_MAX));
    s->by_seat_memory = mls_alloc(map_size(connections, SEAT_KEY_LEN));
    s->by_network_memory = mls_alloc(map_size(s->networks_max, sizeof s->networks->key));
    s->deadlines_memory = mls_alloc(deadline_size(connections + meetings + s->networks_max));
    if (s->guests == NULL || s->by_slot == NULL || s->slots == NULL || s->networks == NULL || s->by_id_memory == NULL ||
        s->by_seat_memory == NULL || s->by_network_memory == NULL || s->deadlines_memory == NULL)
        return false;
    map_init(&s->by_id, s->by_id_memory, meetings, GROUP_MEETING_ID_LEN_MAX, &rng);
    map_init(&s->by_seat, s->by_seat_memory, connections, SEAT_KEY_LEN, &rng);
    map_init(&s->by_network, s->by_network_memory, s->networks_max, sizeof s->networks->key, &rng);
    deadline_init(&s->deadlines, s->deadlines_memory, connections + meetings + s->networks_max);
    free_lists(s);
    return true;
}

static void free_tables(struct service *s) {
    const uint32_t connections = s->config.connections_max, meetings = s->config.meetings_max;
    struct {
        void *memory;
        size_t len;
    } tables[] = {{s->guests, connections * sizeof *s->guests},
                  {(void *)s->by_slot, meetings * sizeof(struct hall *)},
                  {s->slots, meetings * sizeof *s->slots},
                  {s->networks, s->networks_max * sizeof *s->networks},
                  {s->by_id_memory, map_size(meetings, GROUP_MEETING_ID_LEN_MAX)},
                  {s->by_seat_memory, map_size(connections, SEAT_KEY_LEN)},
                  {s->by_network_memory, map_size(s->networks_max, sizeof s->networks->key)},
                  {s->deadlines_memory, deadline_size(connections + meetings + s->networks_max)}};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (tables[i].memory != NULL)
            mls_free(tables[i].memory, tables[i].len);
    }
}

struct service *service_create(const struct service_config *config) {
    ASSERT(config->members_max > 0 && config->members_max <= SERVICE_MEMBERS_MAX && config->meetings_max > 0);
    ASSERT(config->connections_max > 0 && config->connections_max < 1u << INDEX_BITS);
    struct service *s = mls_alloc(sizeof *s);
    if (s == NULL)
        return NULL;
    s->config = *config;
    if (s->config.logs_len_max == 0)
        s->config.logs_len_max = SERVICE_LOGS_LEN_MAX;
    if (!make_tables(s)) {
        free_tables(s);
        mls_free(s, sizeof *s);
        return NULL;
    }
    return s;
}

void service_free(struct service *s) {
    if (s == NULL)
        return;
    service_queue_free(s);
    for (uint32_t i = 0; i < s->config.connections_max; i++) {
        if (s->guests[i].handle != 0)
            mls_buf_free(&s->guests[i].package);
    }
    while (s->halls != NULL) {
        struct hall *next = s->halls->next;
        hall_free(s->halls);
        s->halls = next;
    }
    free_tables(s);
    mls_free(s, sizeof *s);
}

const struct service_counters *service_counters_get(const struct service *s) {
    return &s->counters;
}

/* ---- meetings and connections ---- */

static void pad_id(struct span id, uint8_t key[GROUP_MEETING_ID_LEN_MAX]) {
    memset(key, 0, GROUP_MEETING_ID_LEN_MAX);
    memcpy(key, id.data, id.len);
}

static struct hall *hall_find(const struct service *s, struct span id) {
    uint8_t key[GROUP_MEETING_ID_LEN_MAX];
    uint32_t slot;
    if (id.len == 0 || id.len > sizeof key)
        return NULL;
    pad_id(id, key);
    if (!map_get(&s->by_id, key, &slot))
        return NULL;
    struct hall *h = s->by_slot[slot];
    return h->id_len == id.len ? h : NULL;
}

/* It has a place from here on. */
static void hall_link(struct service *s, struct hall *h) {
    uint8_t key[GROUP_MEETING_ID_LEN_MAX];
    h->slot = s->slots[s->halls_count++];
    s->by_slot[h->slot] = h;
    pad_id(span_of(h->id, h->id_len), key);
    bool fits = map_put(&s->by_id, key, h->slot);
    ASSERT(fits); /* of meetings_max ids */
    h->next = s->halls;
    if (h->next != NULL)
        h->next->previous = h;
    s->halls = h;
    if (h->network != NULL)
        h->network->meetings++;
}

static void hall_unlink(struct service *s, uint64_t now_us, struct hall *h) {
    uint8_t key[GROUP_MEETING_ID_LEN_MAX];
    pad_id(span_of(h->id, h->id_len), key);
    (void)map_remove(&s->by_id, key);
    deadline_set(&s->deadlines, s->config.connections_max + h->slot, TIME_NEVER);
    s->by_slot[h->slot] = NULL;
    s->slots[--s->halls_count] = h->slot;
    *(h->previous != NULL ? &h->previous->next : &s->halls) = h->next;
    if (h->next != NULL)
        h->next->previous = h->previous;
    if (h->network != NULL)
        h->network->meetings--;
    network_done(s, now_us, h->network);
}

static struct hall *hall_new(struct service *s, struct span id, uint16_t suite, struct network *network) {
    uint32_t share = network_share(s->config.meetings_max, SERVICE_NETWORK_MEETINGS_PART, SERVICE_NETWORK_MEETINGS_MIN);
    if (s->halls_count == s->config.meetings_max || (network != NULL && network->meetings >= share))
        return NULL;
    struct hall *h = mls_alloc(sizeof *h);
    uint8_t public_key[32];
    if (h == NULL)
        return NULL;
    h->owner = s;
    h->network = network;
    h->id_len = (uint8_t)id.len;
    memcpy(h->id, id.data, id.len);
    group_meeting_hash(s->config.crypto, id, h->meeting);
    mls_buf_init(&h->external_sender, 1024);
    mls_buf_init(&h->check_commit, WIRE_MESSAGE_LEN_MAX);
    mls_buf_init(&h->check_info, WIRE_MESSAGE_LEN_MAX);
    mls_buf_init(&h->welcome, WIRE_MESSAGE_LEN_MAX);
    bool good = mls_crypto_of(s->config.crypto, suite, &h->crypto) == MLS_OK &&
                group_external_sender(s->config.crypto, &s->config.server, span_of(h->meeting, 32), &h->external_seed,
                                      public_key) == CRYPTO_OK;
    if (good)
        group_external_sender_write(span_of(public_key, sizeof public_key), &h->external_sender);
    if (!good || !mls_buf_ok(&h->external_sender)) {
        hall_free(h);
        return NULL;
    }
    hall_link(s, h);
    return h;
}

struct guest *guest_find(struct service *s, uint32_t handle) {
    uint32_t index = (handle & ((1u << INDEX_BITS) - 1)) - 1;
    if (handle == 0 || index >= s->config.connections_max || s->guests[index].handle != handle)
        return NULL;
    return &s->guests[index];
}

static void seat_key(const struct hall *h, struct span seat, uint8_t key[SEAT_KEY_LEN]) {
    memcpy(key, &h->slot, sizeof h->slot);
    memcpy(key + sizeof h->slot, seat.data, 32);
}

struct guest *guest_of_seat(const struct hall *h, struct span seat) {
    uint8_t key[SEAT_KEY_LEN];
    uint32_t index;
    if (seat.len != 32)
        return NULL;
    seat_key(h, seat, key);
    return map_get(&h->owner->by_seat, key, &index) ? &h->owner->guests[index] : NULL;
}

bool guest_waits(const struct guest *g) {
    return g->phase == GUEST_LINE || g->phase == GUEST_FOUND || g->phase == GUEST_WAIT;
}

void guest_rearm(struct service *s, const struct guest *g) {
    uint64_t due_us = g->hall == NULL ? g->due_us : guest_waits(g) ? g->wait_until_us : TIME_NEVER;
    if (g->held_until_us != 0)
        due_us = time_min(due_us, g->held_until_us);
    deadline_set(&s->deadlines, (uint32_t)(g - s->guests), g->missed ? 0 : due_us);
}

static void guest_join(struct service *s, struct hall *h, struct guest *g) {
    uint8_t key[SEAT_KEY_LEN];
    seat_key(h, guest_seat(g), key);
    bool fits = map_put(&s->by_seat, key, (uint32_t)(g - s->guests));
    ASSERT(fits); /* of connections_max seats */
    if (g->network != NULL)
        g->network->strangers--;
    g->hall = h;
    g->next = h->first;
    if (h->first != NULL)
        h->first->previous = g;
    h->first = g;
    h->guests++;
    h->online_changed = true;
}

static void guest_free(struct service *s, struct guest *g) {
    struct hall *h = g->hall;
    struct network *network = g->network;
    if (h != NULL) {
        uint8_t key[SEAT_KEY_LEN];
        seat_key(h, guest_seat(g), key);
        (void)map_remove(&s->by_seat, key);
        *(g->previous != NULL ? &g->previous->next : &h->first) = g->next;
        if (g->next != NULL)
            g->next->previous = g->previous;
        h->guests--;
        h->online_changed = h->look = true;
        if (h->lease == g->handle)
            h->lease = 0;
        if (h->named == g->handle)
            h->named_until_us = 0;
        fair_keep(h, s->now_us, g);
    } else if (network != NULL) {
        network->strangers--;
    }
    if (network != NULL)
        network->connections--;
    network_done(s, s->now_us, network);
    deadline_set(&s->deadlines, (uint32_t)(g - s->guests), TIME_NEVER);
    s->missed_count -= g->missed;
    mls_buf_free(&g->package);
    secure_wipe(g, sizeof *g);
    g->next = s->free;
    s->free = g;
    s->guests_count--;
}

void guest_close(struct service *s, struct guest *g, uint8_t gone, uint16_t code) {
    if (gone != 0)
        guest_send(s, g, &(struct wire_message){.type = WIRE_GONE, .reason_gone = gone});
    (void)service_tell_close(s, g->handle, code);
    guest_free(s, g);
}

/* After any input: what is due, and an end when nobody is left. */
static void settle(struct service *s, const struct service_now *now, struct hall *h) {
    hall_pump(h, now);
    h->look = false;
    if (hall_is_over(h)) {
        service_tell(s, SERVICE_OVER, h, span_of(NULL, 0));
        hall_unlink(s, now->now_us, h);
        hall_free(h);
        return;
    }
    /* later than now in any case: a tick ends */
    uint64_t deadline_us = hall_deadline_us(h);
    deadline_set(&s->deadlines, s->config.connections_max + h->slot,
                 deadline_us > now->now_us ? deadline_us : now->now_us + US_PER_MS);
}

/* Closes, and the meeting learns that it is gone. */
static void lose(struct service *s, const struct service_now *now, struct guest *g, uint8_t gone, uint16_t code) {
    struct hall *h = g->hall;
    bool member = g->phase == GUEST_MEMBER;
    uint8_t seat[32];
    memcpy(seat, g->seat, sizeof seat);
    guest_close(s, g, gone, code);
    if (member)
        hall_lost(h, now, span_of(seat, sizeof seat), false);
    if (h != NULL)
        settle(s, now, h);
}

uint32_t service_open(struct service *s, const struct service_now *now, const struct net_addr *client, struct span id) {
    static const uint8_t zeros[16];
    struct network *network = NULL;
    uint32_t share =
        network_share(s->config.connections_max, SERVICE_NETWORK_CONNECTIONS_PART, SERVICE_NETWORK_CONNECTIONS_MIN);
    s->now_us = now->now_us;
    if (id.len == 0 || id.len > GROUP_MEETING_ID_LEN_MAX)
        return 0;
    bool room = s->free != NULL && network_of(s, client, &network);
    if (!room ||
        (network != NULL && (network->connections >= share || network->strangers >= SERVICE_NETWORK_STRANGERS_MAX))) {
        network_done(s, now->now_us, network);
        s->counters.service_refused_full++;
        return 0;
    }
    struct guest *g = s->free;
    s->free = g->next;
    s->generation = (s->generation + 1) & 0xffff;
    *g = (struct guest){.handle = s->generation << INDEX_BITS | ((uint32_t)(g - s->guests) + 1),
                        .network = network,
                        .due_us = now->now_us + SERVICE_HELLO_US};
    if (network != NULL) {
        network->connections++;
        network->strangers++;
    }
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
    fair_meet(s, now->now_us, g);
    guest_rearm(s, g);
    return g->handle;
}

static void no_entry(struct service *s, const struct service_now *now, struct guest *g) {
    s->counters.service_no_entry++;
    g->phase = GUEST_REFUSED;
    g->due_us = entry_answer_us(now->now_us);
    guest_rearm(s, g);
}

static void take_hello(struct service *s, const struct service_now *now, struct guest *g,
                       const struct wire_message *hello) {
    struct span id = span_of(g->id, g->id_len);
    struct hall *h = hall_find(s, id);
    struct entry_result result;
    struct entry_meeting meeting = {.server = &s->config.server,
                                    .operator_key = s->config.operator_key,
                                    .id = id,
                                    .group = h != NULL && h->order != NULL ? order_group(h->order) : NULL,
                                    .was_taken = hall_was_taken,
                                    .context = h};
    entry_check(s->config.crypto, &meeting, hello, span_of(g->nonce, sizeof g->nonce), now->unix_s, &result);
    rng_fill(now->rng, g->nonce, sizeof g->nonce); /* it was used */
    bool known = h != NULL;
    if (result.good && !known)
        h = hall_new(s, id, hello->suite, g->network);
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
    guest_join(s, h, g);
    fair_restore(h, g);
    uint32_t handle = g->handle;
    g->wait_until_us = now->now_us + SERVICE_WAIT_US;
    hall_enter(h, now, g, hello, &result);
    if ((g = guest_find(s, handle)) != NULL) {
        fair_meet(s, now->now_us, g); /* its seat may owe something */
        guest_rearm(s, g);
    }
    settle(s, now, h);
}

/* Who was not told all goes: it comes again. */
static void close_behind(struct service *s, const struct service_now *now) {
    for (uint32_t i = 0; s->missed_count > 0 && i < s->config.connections_max; i++) {
        if (s->guests[i].handle == 0 || !s->guests[i].missed)
            continue;
        s->counters.service_behind++;
        lose(s, now, &s->guests[i], 0, SERVICE_CLOSE_BEHIND);
    }
}

static void take_message(struct service *s, const struct service_now *now, struct guest *g,
                         const struct wire_message *message) {
    struct hall *h = g->hall;
    bool asked = (message->type == WIRE_COMMIT && (h->named == g->handle || h->lease == g->handle)) ||
                 (message->type == WIRE_CREATE && h->lease == g->handle) ||
                 (message->type == WIRE_CHECKED && h->checker == g->handle);
    if (!fair_charge(s, now, g, fair_price(h, message), !asked)) {
        s->counters.service_too_much++;
        lose(s, now, g, 0, WIRE_CLOSE_TOO_MUCH);
        return;
    }
    /* what most messages are changes nothing that is due */
    bool quiet = message->type == WIRE_ACK || message->type == WIRE_APP || message->type == WIRE_DIRECT;
    h->look = h->look || !quiet;
    if (!hall_message(h, now, g, message)) {
        s->counters.service_too_much++;
        lose(s, now, g, 0, WIRE_CLOSE_TOO_MUCH);
    } else if (h->look) {
        settle(s, now, h);
    }
}

void service_message(struct service *s, const struct service_now *now, uint32_t connection, struct span message) {
    struct guest *g = guest_find(s, connection);
    struct wire_message parsed;
    s->now_us = now->now_us;
    if (g == NULL || g->phase == GUEST_REFUSED)
        return;
    enum wire_verdict verdict = wire_read(WIRE_FROM_CLIENT, message, &parsed);
    bool in = g->phase != GUEST_NEW;
    if (verdict == WIRE_SKIP && in) {
        if (!fair_charge(s, now, g, PRICE_MALFORMED_US, true)) {
            s->counters.service_too_much++;
            lose(s, now, g, 0, WIRE_CLOSE_TOO_MUCH);
        }
    } else if (verdict != WIRE_OK || (parsed.type == WIRE_HELLO) == in) {
        s->counters.service_malformed++;
        (void)fair_charge(s, now, g, PRICE_MALFORMED_US, true);
        lose(s, now, g, 0, message.len > WIRE_MESSAGE_LEN_MAX ? WIRE_CLOSE_TOO_MUCH : WIRE_CLOSE_MALFORMED);
    } else if (parsed.type == WIRE_HELLO) {
        (void)fair_charge(s, now, g, PRICE_HELLO_US, true);
        take_hello(s, now, g, &parsed);
    } else {
        take_message(s, now, g, &parsed);
    }
    close_behind(s, now);
}

void service_closed(struct service *s, const struct service_now *now, uint32_t connection, bool going) {
    struct guest *g = guest_find(s, connection);
    s->now_us = now->now_us;
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
    close_behind(s, now);
}

static void guest_due(struct service *s, const struct service_now *now, struct guest *g) {
    if (g->missed) {
        s->counters.service_behind++;
        lose(s, now, g, 0, SERVICE_CLOSE_BEHIND);
        return;
    }
    if (g->held_until_us != 0 && now->now_us >= g->held_until_us) {
        g->held_until_us = 0;
        service_tell_held(s, g, false);
    }
    if (g->hall == NULL && now->now_us >= g->due_us) {
        bool refused = g->phase == GUEST_REFUSED;
        s->counters.service_silent += !refused;
        guest_close(s, g, 0, refused ? WIRE_CLOSE_NO_ENTRY : WIRE_CLOSE_MALFORMED);
    } else if (g->hall != NULL && guest_waits(g) && now->now_us >= g->wait_until_us) {
        s->counters.service_tired++;
        lose(s, now, g, WIRE_GONE_TIMEOUT, WIRE_CLOSE_OVER);
    } else {
        guest_rearm(s, g);
    }
}

void service_tick(struct service *s, const struct service_now *now) {
    const uint32_t connections = s->config.connections_max, meetings = s->config.meetings_max;
    uint32_t index;
    s->now_us = now->now_us;
    while (deadline_pop(&s->deadlines, now->now_us, &index)) {
        if (index < connections)
            guest_due(s, now, &s->guests[index]);
        else if (index < connections + meetings)
            settle(s, now, s->by_slot[index - connections]);
        else
            network_done(s, now->now_us, &s->networks[index - connections - meetings]);
    }
    close_behind(s, now);
}

uint64_t service_next_deadline_us(const struct service *s) {
    return deadline_next(&s->deadlines);
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
    s->now_us = now->now_us;
    if (h == NULL)
        return;
    for (struct guest *g = h->first, *next; g != NULL; g = next) { /* whether it is in, or waits to be */
        next = g->next;
        if (span_equal(guest_identity(g), identity))
            guest_close(s, g, WIRE_GONE_REMOVED, WIRE_CLOSE_OVER);
    }
    if (seat_of(h, identity, seat))
        hall_leaves(h, now, span_of(seat, sizeof seat));
    settle(s, now, h);
    close_behind(s, now);
}

bool service_is_member(const struct service *s, struct span id, struct span identity) {
    const struct hall *h = hall_find(s, id);
    uint8_t seat[32];
    return seat_of(h, identity, seat) && hall_is_member(h, span_of(seat, sizeof seat));
}

uint32_t service_meetings(const struct service *s) {
    uint32_t count = 0;
    for (const struct hall *h = s->halls; h != NULL; h = h->next)
        count += h->order != NULL;
    return count;
}

bool service_member_next(const struct service *s, struct span id, uint32_t *cursor, struct span *identity) {
    const struct hall *h = hall_find(s, id);
    struct mls_leaf_info leaf;
    uint32_t at;
    while (h != NULL && h->order != NULL && public_group_next(hall_group(h), cursor, &at)) {
        if (!public_group_leaf(hall_group(h), at, &leaf) || !hall_is_member(h, leaf.signature_key))
            continue;
        *identity = leaf.identity;
        return true;
    }
    return false;
}

void service_drain(struct service *s, bool on) {
    s->draining = on;
}

void service_closing(struct service *s, uint32_t within_s) {
    for (struct hall *h = s->halls; h != NULL; h = h->next) {
        for (const struct guest *g = h->first; g != NULL; g = g->next)
            guest_send(s, g, &(struct wire_message){.type = WIRE_CLOSING, .within_s = within_s});
    }
}

static struct guest *guest_of_identity(const struct hall *h, struct span identity) {
    for (struct guest *g = h != NULL ? h->first : NULL; g != NULL; g = g->next) {
        if (span_equal(guest_identity(g), identity))
            return g;
    }
    return NULL;
}

bool service_may_read(const struct service *s, struct span id, struct span identity) {
    const struct guest *g = guest_of_identity(hall_find(s, id), identity);
    return (g != NULL && g->holds_info) || service_is_member(s, id, identity);
}

uint64_t service_pay_reading(struct service *s, const struct service_now *now, struct span id, struct span identity,
                             size_t len_bytes) {
    struct hall *h = hall_find(s, id);
    struct guest *g = guest_of_identity(h, identity);
    uint8_t seat[32];
    uint64_t wait_us = US_PER_S;
    s->now_us = now->now_us;
    if (g != NULL)
        wait_us = fair_read(h, now->now_us, guest_seat(g), g, len_bytes);
    else if (seat_of(h, identity, seat))
        wait_us = fair_read(h, now->now_us, span_of(seat, sizeof seat), NULL, len_bytes);
    s->counters.service_read_later += wait_us > 0;
    return wait_us;
}

struct span service_tree(struct service *s, struct span id, struct span tree_hash) {
    struct hall *h = hall_find(s, id);
    return h != NULL && h->order != NULL ? public_group_tree(order_group(h->order), tree_hash) : span_of(NULL, 0);
}

bool service_chain_mark(const struct service *s, struct span id, uint64_t epoch, struct service_chain_mark *out) {
    const struct hall *h = hall_find(s, id);
    *out = (struct service_chain_mark){.epoch = epoch};
    if (h == NULL || h->order == NULL || !order_chain_room(h->order, epoch, &out->room))
        return false;
    const struct public_group *g = order_group(h->order);
    struct span parts[] = {public_group_id(g), public_group_transcript(g)};
    return s->config.crypto->hash(HASH_SHA256, parts, ARRAY_LEN(parts), out->digest) == CRYPTO_OK;
}

bool service_chain(const struct service *s, struct span id, uint64_t epoch, struct mls_buf *out) {
    const struct hall *h = hall_find(s, id);
    return h != NULL && h->order != NULL && order_chain(h->order, epoch, out);
}
