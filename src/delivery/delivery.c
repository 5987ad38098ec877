#include "delivery/delivery.h"

#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "delivery/delivery_internal.h"
#include "e2ee/mem.h"
#include "e2ee/mls.h"

/* Outputs between two polls: a commit to everybody, a few words to each. */
#define OUTPUTS_MAX (16u * DELIVERY_MEMBERS_MAX)
#define HANDLE_INDEX_BITS 16
#define CONNECTIONS_MAX ((1u << HANDLE_INDEX_BITS) - 1)

struct span name_span(const struct name *name) {
    return span_of(name->bytes, name->len);
}

void name_set(struct name *name, struct span bytes) {
    ASSERT(bytes.len <= sizeof name->bytes);
    name->len = (uint8_t)bytes.len;
    if (bytes.len > 0)
        memcpy(name->bytes, bytes.data, bytes.len);
}

/* ---- outputs ---- */

static struct blob *blob_new(struct span bytes) {
    struct blob *blob = mls_alloc(sizeof *blob + bytes.len);
    if (blob == NULL)
        return NULL;
    blob->refs = 1;
    blob->len = bytes.len;
    memcpy(blob->bytes, bytes.data, bytes.len);
    return blob;
}

struct blob *blob_of(const struct wire1_message *message) {
    struct mls_buf out;
    mls_buf_init(&out, 2 * WIRE1_MESSAGE_LEN_MAX);
    wire1_write(message, &out);
    struct blob *blob = mls_buf_ok(&out) ? blob_new(mls_buf_span(&out)) : NULL;
    mls_buf_free(&out);
    return blob;
}

void blob_free(struct blob *blob) {
    if (blob == NULL)
        return;
    ASSERT(blob->refs > 0);
    if (--blob->refs == 0)
        mls_free(blob, sizeof *blob + blob->len);
}

/* Room for one more output. Without memory the server cannot go on telling people what they must know. */
static struct output *output_new(struct delivery *d, enum delivery_output_type type) {
    if (d->outputs_count == d->outputs_size) {
        size_t size = d->outputs_size == 0 ? 64 : 2 * d->outputs_size;
        struct output *more = size > OUTPUTS_MAX ? NULL : mls_alloc(size * sizeof *more);
        if (more == NULL)
            return NULL;
        for (size_t i = 0; i < d->outputs_count; i++)
            more[i] = d->outputs[(d->outputs_first + i) % d->outputs_size];
        mls_free(d->outputs, d->outputs_size * sizeof *d->outputs);
        d->outputs = more;
        d->outputs_size = size;
        d->outputs_first = 0;
    }
    struct output *out = &d->outputs[(d->outputs_first + d->outputs_count++) % d->outputs_size];
    *out = (struct output){.type = type};
    return out;
}

void delivery_send_blob(struct delivery *d, struct connection *c, struct blob *blob) {
    struct output *out = blob == NULL ? NULL : output_new(d, DELIVERY_SEND);
    if (out == NULL) /* it misses something: it must come again */
        return;
    out->connection = c->handle;
    out->blob = blob;
    blob->refs++;
}

void delivery_send(struct delivery *d, struct connection *c, const struct wire1_message *message) {
    struct blob *blob = blob_of(message);
    delivery_send_blob(d, c, blob);
    blob_free(blob);
}

void delivery_tell_held(struct delivery *d, const struct connection *c, bool held) {
    struct output *out = output_new(d, DELIVERY_HOLD);
    if (out == NULL)
        return;
    out->connection = c->handle;
    out->held = held;
}

void delivery_tell(struct delivery *d, enum delivery_output_type type, struct assembly *m, struct span identity) {
    struct output *out = output_new(d, type);
    if (out == NULL)
        return;
    out->meeting_len = m->id_len;
    memcpy(out->meeting, m->id, m->id_len);
    name_set(&out->identity, identity);
}

bool delivery_poll(struct delivery *d, struct delivery_output *out) {
    blob_free(d->given);
    d->given = NULL;
    if (d->outputs_count == 0)
        return false;
    d->given_output = d->outputs[d->outputs_first];
    d->outputs_first = (d->outputs_first + 1) % d->outputs_size;
    d->outputs_count--;
    const struct output *o = &d->given_output;
    d->given = o->blob;
    *out = (struct delivery_output){
        .type = o->type,
        .connection = o->connection,
        .code = o->code,
        .held = o->held,
        .meeting = span_of(o->meeting, o->meeting_len),
        .identity = name_span(&o->identity),
        .message = o->blob != NULL ? span_of(o->blob->bytes, o->blob->len) : span_of(NULL, 0),
    };
    return true;
}

/* ---- life ---- */

static enum mls_status make_sender(struct delivery *d, struct rng *rng) {
    struct mls_buf credential, key;
    mls_buf_init(&credential, 256);
    mls_buf_init(&key, SIGN_PUBLIC_LEN_MAX);
    enum mls_status status =
        mls_signature_key_generate(d->config.crypto, d->config.suite, rng, &d->signature_key, &key);
    if (status == MLS_OK)
        status = mls_credential_basic(span_str("conclave delivery service"), &credential);
    if (status == MLS_OK)
        status = mls_external_sender_write(mls_buf_span(&key), mls_buf_span(&credential), &d->external_sender);
    mls_buf_free(&credential);
    mls_buf_free(&key);
    return status;
}

static bool make_tables(struct delivery *d, struct rng *rng) {
    const struct delivery_config *config = &d->config;
    const uint32_t connections = config->connections_max, meetings = config->meetings_max;
    d->connections = mls_alloc(connections * sizeof *d->connections);
    d->networks = mls_alloc(connections * sizeof *d->networks);
    d->by_slot = mls_alloc(meetings * sizeof(struct assembly *));
    d->by_id_memory = mls_alloc(map_size(meetings, DELIVERY_MEETING_ID_LEN_MAX));
    d->by_network_memory = mls_alloc(map_size(connections, sizeof d->networks->key));
    d->deadlines_memory = mls_alloc(deadline_size(meetings));
    if (d->connections == NULL || d->networks == NULL || d->by_slot == NULL || d->by_id_memory == NULL ||
        d->by_network_memory == NULL || d->deadlines_memory == NULL)
        return false;
    map_init(&d->by_id, d->by_id_memory, meetings, DELIVERY_MEETING_ID_LEN_MAX, rng);
    map_init(&d->by_network, d->by_network_memory, connections, sizeof d->networks->key, rng);
    deadline_init(&d->deadlines, d->deadlines_memory, meetings);
    for (uint32_t i = connections; i-- > 0;) {
        d->connections[i].next = d->free;
        d->free = &d->connections[i];
    }
    return true;
}

static void free_tables(struct delivery *d) {
    const uint32_t connections = d->config.connections_max, meetings = d->config.meetings_max;
    struct {
        void *memory;
        size_t size;
    } tables[] = {{d->connections, connections * sizeof *d->connections},
                  {d->networks, connections * sizeof *d->networks},
                  {(void *)d->by_slot, meetings * sizeof(struct assembly *)},
                  {d->by_id_memory, map_size(meetings, DELIVERY_MEETING_ID_LEN_MAX)},
                  {d->by_network_memory, map_size(connections, sizeof d->networks->key)},
                  {d->deadlines_memory, deadline_size(meetings)}};
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        if (tables[i].memory != NULL)
            mls_free(tables[i].memory, tables[i].size);
    }
}

struct delivery *delivery_create(const struct delivery_config *config, struct rng *rng) {
    ASSERT(config->connections_max > 0 && config->connections_max <= CONNECTIONS_MAX);
    ASSERT(config->members_max > 0 && config->members_max <= DELIVERY_MEMBERS_MAX && config->meetings_max > 0);
    struct delivery *d = mls_alloc(sizeof *d);
    if (d == NULL)
        return NULL;
    d->config = *config;
    mls_buf_init(&d->external_sender, 1024);
    if (!make_tables(d, rng) || mls_crypto_of(config->crypto, config->suite, &d->crypto) != MLS_OK ||
        make_sender(d, rng) != MLS_OK) {
        delivery_destroy(d);
        return NULL;
    }
    return d;
}

static struct network *network_of(struct delivery *d, const struct net_addr *client) {
    uint8_t key[sizeof d->networks->key] = {0};
    uint32_t index = 0;
    if (client == NULL || client->family == 0 || net_addr_is_loopback(client))
        return NULL;
    key[0] = client->family;
    memcpy(key + 1, client->ip, client->family == 4 ? 3 : 6);
    if (map_get(&d->by_network, key, &index))
        return &d->networks[index];
    while (index < d->config.connections_max && d->networks[index].key[0] != 0)
        index++;
    if (index == d->config.connections_max || !map_put(&d->by_network, key, index))
        return NULL;
    memcpy(d->networks[index].key, key, sizeof key);
    return &d->networks[index];
}

/* Forgets a network that nothing is of any more and whose work is paid. */
static void network_done(struct delivery *d, struct network *network) {
    if (network == NULL || network->connections > 0 || network->meetings > 0)
        return;
    bool known = map_remove(&d->by_network, network->key);
    ASSERT(known);
    memset(network, 0, sizeof *network);
}

static void pad_id(struct span id, uint8_t key[DELIVERY_MEETING_ID_LEN_MAX]) {
    memset(key, 0, DELIVERY_MEETING_ID_LEN_MAX);
    memcpy(key, id.data, id.len);
}

static void assembly_free(struct delivery *d, struct assembly *m) {
    struct assembly **at = &d->meetings;
    uint8_t key[DELIVERY_MEETING_ID_LEN_MAX];
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    pad_id(span_of(m->id, m->id_len), key);
    bool known = map_remove(&d->by_id, key);
    ASSERT(known);
    deadline_set(&d->deadlines, m->slot, TIME_NEVER);
    d->by_slot[m->slot] = NULL;
    d->meetings_count--;
    if (m->network != NULL)
        m->network->meetings--;
    network_done(d, m->network);
    assembly_group_free(m);
    if (m->conducts != NULL)
        mls_free(m->conducts, CONDUCTS_MAX * sizeof *m->conducts);
    mls_free(m->absent, d->config.members_max * sizeof *m->absent);
    mls_free(m, sizeof *m);
}

void delivery_destroy(struct delivery *d) {
    if (d == NULL)
        return;
    struct delivery_output out;
    while (delivery_poll(d, &out))
        continue;
    for (uint32_t i = 0; d->connections != NULL && i < d->config.connections_max; i++) {
        if (d->connections[i].handle != 0)
            mls_buf_free(&d->connections[i].key_package);
    }
    while (d->meetings != NULL)
        assembly_free(d, d->meetings);
    free_tables(d);
    mls_free(d->outputs, d->outputs_size * sizeof *d->outputs);
    mls_buf_free(&d->external_sender);
    secret_wipe(&d->signature_key);
    mls_free(d, sizeof *d);
}

const struct delivery_counters *delivery_counters_get(const struct delivery *d) {
    return &d->counters;
}

/* ---- meetings and connections ---- */

static struct assembly *find_meeting(const struct delivery *d, struct span id) {
    uint8_t key[DELIVERY_MEETING_ID_LEN_MAX];
    uint32_t slot;
    if (id.len == 0 || id.len > sizeof key)
        return NULL;
    pad_id(id, key);
    return map_get(&d->by_id, key, &slot) ? d->by_slot[slot] : NULL;
}

static uint32_t share_of(uint32_t all, uint32_t part, uint32_t min) {
    return all / part > min ? all / part : min;
}

static struct assembly *assembly_new(struct delivery *d, struct span id, struct network *network) {
    uint8_t key[DELIVERY_MEETING_ID_LEN_MAX];
    uint32_t share = share_of(d->config.meetings_max, DELIVERY_NETWORK_MEETINGS_PART, DELIVERY_NETWORK_MEETINGS_MIN);
    if (network != NULL && network->meetings >= share)
        return NULL;
    struct assembly *m = d->meetings_count < d->config.meetings_max ? mls_alloc(sizeof *m) : NULL;
    if (m == NULL)
        return NULL;
    m->owner = d;
    m->id_len = (uint8_t)id.len;
    memcpy(m->id, id.data, id.len);
    m->look_at_us = m->online_at_us = m->absent_at_us = TIME_NEVER;
    m->absent = mls_alloc(d->config.members_max * sizeof *m->absent);
    if (m->absent == NULL || d->config.crypto->hash(HASH_SHA256, &id, 1, m->id_hash) != CRYPTO_OK) {
        if (m->absent != NULL)
            mls_free(m->absent, d->config.members_max * sizeof *m->absent);
        mls_free(m, sizeof *m);
        return NULL;
    }
    while (d->by_slot[m->slot] != NULL)
        m->slot++;
    d->by_slot[m->slot] = m;
    pad_id(id, key);
    bool fits = map_put(&d->by_id, key, m->slot);
    ASSERT(fits);
    m->network = network;
    if (network != NULL)
        network->meetings++;
    m->next = d->meetings;
    d->meetings = m;
    d->meetings_count++;
    return m;
}

struct connection *delivery_find(struct delivery *d, uint32_t handle) {
    uint32_t index = (handle & CONNECTIONS_MAX) - 1;
    if (handle == 0 || index >= d->config.connections_max || d->connections[index].handle != handle)
        return NULL;
    return &d->connections[index];
}

struct connection *delivery_next_connection(struct assembly *m, struct connection *after) {
    return after == NULL ? m->first : after->next;
}

struct connection *delivery_connection_of(struct assembly *m, struct span identity) {
    struct connection *c = NULL;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (span_equal(name_span(&c->identity), identity))
            return c;
    }
    return NULL;
}

static bool lags(const struct connection *c) {
    return c->phase == PHASE_MEMBER && !c->acked && !c->resyncing;
}

void connection_set(struct connection *c, enum phase phase, bool acked, bool resyncing) {
    struct assembly *m = c->meeting;
    m->in_phase[c->phase]--;
    m->unacked -= lags(c);
    m->resyncing -= c->resyncing;
    c->phase = phase;
    c->acked = acked;
    c->resyncing = resyncing;
    m->in_phase[phase]++;
    m->unacked += lags(c);
    m->resyncing += resyncing;
}

static void connection_free(struct delivery *d, struct connection *c) {
    struct assembly *m = c->meeting;
    if (m->lease == c->handle)
        m->lease = 0;
    if (m->named == c->handle)
        m->named_until_us = 0; /* the next one at once */
    connection_set(c, PHASE_NEW, false, false);
    m->in_phase[PHASE_NEW]--;
    *(c->previous != NULL ? &c->previous->next : &m->first) = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    m->connections--;
    m->held -= c->held_until_us != 0;
    m->online_changed = true;
    mls_buf_free(&c->key_package);
    struct network *network = c->network;
    secure_wipe(c, sizeof *c);
    if (network != NULL)
        network->connections--;
    network_done(d, network);
    c->next = d->free;
    d->free = c;
    d->connections_count--;
}

void delivery_close(struct delivery *d, struct connection *c, uint8_t gone, uint16_t code) {
    if (gone != 0) {
        struct wire1_message message = {.type = WIRE1_GONE, .gone = gone};
        delivery_send(d, c, &message);
    }
    struct output *out = output_new(d, DELIVERY_CLOSE);
    if (out != NULL) {
        out->connection = c->handle;
        out->code = code;
    }
    connection_free(d, c);
}

/* After any input: what is due, and an end when nobody is left. */
static void settle(struct delivery *d, struct assembly *m, uint64_t now_us) {
    assembly_pump(m, now_us);
    if (assembly_is_over(m)) {
        delivery_tell(d, DELIVERY_OVER, m, span_of(NULL, 0));
        assembly_free(d, m);
        return;
    }
    /* later than now in any case: a tick ends */
    uint64_t deadline_us = assembly_deadline_us(m);
    deadline_set(&d->deadlines, m->slot, deadline_us > now_us ? deadline_us : now_us + US_PER_MS);
}

/* The meeting that somebody comes to, where its network may have one more connection (there). */
static struct assembly *meeting_for(struct delivery *d, struct span id, const struct network *network) {
    uint32_t share =
        share_of(d->config.connections_max, DELIVERY_NETWORK_CONNECTIONS_PART, DELIVERY_NETWORK_CONNECTIONS_MIN);
    if (d->free == NULL || (network != NULL && network->connections >= share))
        return NULL;
    struct assembly *m = find_meeting(d, id);
    m = m != NULL ? m : assembly_new(d, id, (struct network *)(uintptr_t)network);
    return m != NULL && m->connections < d->config.members_max + DELIVERY_WAITING_MAX ? m : NULL;
}

uint32_t delivery_open(struct delivery *d, uint64_t now_us, const struct net_addr *client, struct span meeting,
                       struct span identity) {
    d->now_us = now_us;
    ASSERT(meeting.len > 0 && meeting.len <= DELIVERY_MEETING_ID_LEN_MAX);
    struct network *network = network_of(d, client);
    struct assembly *m =
        identity.len > 0 && identity.len <= WIRE1_IDENTITY_LEN_MAX ? meeting_for(d, meeting, network) : NULL;
    if (m == NULL) {
        d->counters.delivery_refused_full++;
        network_done(d, network);
        return 0;
    }
    if (network != NULL)
        network->connections++;
    m->connections++; /* it stays, whatever goes now */
    struct connection *older = delivery_connection_of(m, identity);
    if (older != NULL) {
        bool member = older->phase == PHASE_MEMBER;
        delivery_close(d, older, 0, WIRE1_CLOSE_REPLACED);
        if (member)
            assembly_lost(m, identity, now_us);
    }
    struct connection *c = d->free;
    d->free = c->next;
    *c = (struct connection){
        .meeting = m, .leaf = TREE_NONE, .since_us = now_us, .waiting_since_us = now_us, .network = network};
    d->generation = (d->generation + 1) & 0xffff;
    c->handle = (d->generation << HANDLE_INDEX_BITS) | (uint32_t)(c - d->connections + 1);
    name_set(&c->identity, identity);
    mls_buf_init(&c->key_package, PUBLIC1_GROUP_INFO_LEN_MAX);
    c->next = m->first;
    if (m->first != NULL)
        m->first->previous = c;
    m->first = c;
    m->in_phase[PHASE_NEW]++;
    d->connections_count++;
    m->look_at_us = time_min(m->look_at_us, now_us + DELIVERY_HELLO_US);
    deadline_set(&d->deadlines, m->slot, assembly_deadline_us(m));
    d->counters.delivery_opened++;
    return c->handle;
}

/* Closes a connection for what it sent; its person may come again, and is waited for. */
static void refuse(struct delivery *d, struct connection *c, uint64_t now_us, uint16_t code) {
    struct assembly *m = c->meeting;
    struct name identity = c->identity;
    bool member = c->phase == PHASE_MEMBER;
    if (code == WIRE1_CLOSE_TOO_MUCH)
        d->counters.delivery_too_much++;
    else
        d->counters.delivery_malformed++;
    delivery_close(d, c, 0, code);
    if (member)
        assembly_lost(m, name_span(&identity), now_us);
}

static void take_sealed(struct connection *c, uint64_t now_us, const struct wire1_message *message) {
    struct assembly *m = c->meeting;
    if (ration_full(&c->sealed, now_us))
        c->app_dropped = 0;
    if (c->phase != PHASE_MEMBER ||
        !ration_take(&c->sealed, now_us, DELIVERY_APP_BURST, US_PER_S / DELIVERY_APP_RATE)) {
        m->owner->counters.delivery_app_dropped++;
        if (++c->app_dropped > DELIVERY_APP_DROPPED_MAX)
            refuse(m->owner, c, now_us, WIRE1_CLOSE_TOO_MUCH);
        return;
    }
    if (message->type == WIRE1_APP)
        assembly_app(m, c, message);
    else
        assembly_direct(m, c, message);
}

/* Is what could not be read a sealed message that is too long? */
static bool sealed_too_long(struct span message) {
    return message.len > WIRE1_APP_LEN_MAX && (message.data[0] == WIRE1_APP || message.data[0] == WIRE1_DIRECT);
}

static void take(struct delivery *d, struct connection *c, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                 const struct wire1_message *message) {
    struct assembly *m = c->meeting;
    switch (message->type) {
    case WIRE1_HELLO:
        assembly_hello(m, c, now_us, message);
        break;
    case WIRE1_CREATE:
        assembly_created(m, c, now_us, rng, message);
        break;
    case WIRE1_COMMIT:
        assembly_commit(m, c, now_us, unix_s, message);
        break;
    case WIRE1_ACK:
        assembly_ack(m, c, message->epoch);
        break;
    case WIRE1_BAD:
        fair_bad(m, c, now_us, message->epoch);
        break;
    case WIRE1_APP:
    case WIRE1_DIRECT:
        take_sealed(c, now_us, message);
        break;
    case WIRE1_LEAVE: {
        struct name identity = c->identity;
        bool member = c->phase == PHASE_MEMBER;
        delivery_close(d, c, 0, 1000);
        if (member)
            assembly_leaves(m, name_span(&identity));
        break;
    }
    default:
        ASSERT(false);
    }
}

/* What the server asked for is the meeting's work, not one person's. */
static bool was_asked(const struct connection *c, const struct wire1_message *message) {
    const struct assembly *m = c->meeting;
    return message->type == WIRE1_COMMIT && m->active && (m->named == c->handle || m->lease == c->handle);
}

void delivery_message(struct delivery *d, uint64_t now_us, uint64_t unix_s, struct rng *rng, uint32_t connection,
                      struct span message) {
    struct connection *c = delivery_find(d, connection);
    struct wire1_message parsed;
    d->now_us = now_us;
    if (c == NULL)
        return;
    struct assembly *m = c->meeting;
    bool read = wire1_read(WIRE1_FROM_CLIENT, message, &parsed);
    if (!read || (parsed.type == WIRE1_HELLO) != (c->phase == PHASE_NEW)) {
        bool long_one = message.len > WIRE1_MESSAGE_LEN_MAX || sealed_too_long(message);
        refuse(d, c, now_us, long_one ? WIRE1_CLOSE_TOO_MUCH : WIRE1_CLOSE_MALFORMED);
    } else if (!fair_charge(c, now_us, fair_price(c, &parsed), !was_asked(c, &parsed))) {
        refuse(d, c, now_us, WIRE1_CLOSE_TOO_MUCH);
    } else {
        take(d, c, now_us, unix_s, rng, &parsed);
        /* one of many acks changes nothing yet */
        if (parsed.type == WIRE1_ACK && m->unacked > 0 && now_us < assembly_deadline_us(m))
            return;
    }
    settle(d, m, now_us);
}

void delivery_closed(struct delivery *d, uint64_t now_us, struct rng *rng, uint32_t connection, bool going) {
    (void)rng;
    d->now_us = now_us;
    struct connection *c = delivery_find(d, connection);
    if (c == NULL)
        return;
    struct assembly *m = c->meeting;
    struct name identity = c->identity;
    bool member = c->phase == PHASE_MEMBER;
    connection_free(d, c);
    if (member && going)
        assembly_leaves(m, name_span(&identity));
    else if (member)
        assembly_lost(m, name_span(&identity), now_us);
    settle(d, m, now_us);
}

void delivery_tick(struct delivery *d, uint64_t now_us, uint64_t unix_s, struct rng *rng) {
    (void)unix_s;
    (void)rng;
    uint32_t slot;
    d->now_us = now_us;
    while (deadline_pop(&d->deadlines, now_us, &slot))
        settle(d, d->by_slot[slot], now_us);
}

uint64_t delivery_next_deadline_us(const struct delivery *d) {
    return deadline_next(&d->deadlines);
}

void delivery_expel(struct delivery *d, uint64_t now_us, struct rng *rng, struct span meeting, struct span identity) {
    (void)rng;
    d->now_us = now_us;
    struct assembly *m = find_meeting(d, meeting);
    if (m == NULL)
        return;
    struct connection *c = delivery_connection_of(m, identity);
    if (c != NULL)
        delivery_close(d, c, WIRE1_GONE_REMOVED, WIRE1_CLOSE_OVER);
    assembly_leaves(m, identity);
    settle(d, m, now_us);
}

/* ---- questions ---- */

bool delivery_is_member(const struct delivery *d, struct span meeting, struct span identity) {
    const struct assembly *m = find_meeting(d, meeting);
    if (m == NULL || !m->active)
        return false;
    uint32_t leaf = public1_group_find(&m->group, identity);
    return leaf != TREE_NONE && !public1_group_is_leaving(&m->group, leaf);
}

bool delivery_member_next(const struct delivery *d, struct span meeting, uint32_t *cursor, struct span *identity) {
    const struct assembly *m = find_meeting(d, meeting);
    if (m == NULL || !m->active)
        return false;
    uint32_t leaf = tree_next_member(m->group.tree, *cursor);
    while (leaf != TREE_NONE && public1_group_is_leaving(&m->group, leaf))
        leaf = tree_next_member(m->group.tree, leaf + 1);
    if (leaf == TREE_NONE)
        return false;
    *cursor = leaf + 1;
    *identity = public1_group_identity(&m->group, leaf);
    return true;
}

struct span delivery_tree(struct delivery *d, struct span meeting, struct span tree_hash) {
    struct assembly *m = find_meeting(d, meeting);
    return m != NULL && m->active ? public1_group_tree(&m->group, tree_hash) : span_of(NULL, 0);
}

struct span delivery_group_info(const struct delivery *d, struct span meeting) {
    const struct assembly *m = find_meeting(d, meeting);
    return m != NULL && m->active ? mls_buf_span(&m->group.info) : span_of(NULL, 0);
}

uint32_t delivery_meetings(const struct delivery *d) {
    return d->meetings_count;
}

uint32_t delivery_members(const struct delivery *d, struct span meeting) {
    const struct assembly *m = find_meeting(d, meeting);
    return m != NULL && m->active ? tree_member_count(m->group.tree) : 0;
}
