/* The queue of outputs, the buffers in it, and the handles of engine objects. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/map.h"
#include "room/memory.h"
#include "signal/internal.h"

struct buffer *buffer_new(struct span bytes) {
    ASSERT(bytes.len <= UINT32_MAX);
    struct buffer *buffer = memory_new(sizeof *buffer + bytes.len);
    buffer->refs = 1;
    buffer->len = (uint32_t)bytes.len;
    if (bytes.len > 0)
        memcpy(buffer->data, bytes.data, bytes.len);
    return buffer;
}

void buffer_release(struct buffer *buffer) {
    if (buffer == NULL)
        return;
    ASSERT(buffer->refs > 0);
    if (--buffer->refs == 0)
        free(buffer);
}

static struct buffer *buffer_share(struct buffer *buffer) {
    if (buffer != NULL)
        buffer->refs++;
    return buffer;
}

static struct span buffer_span(const struct buffer *buffer) {
    return buffer == NULL ? span_of(NULL, 0) : span_of(buffer->data, buffer->len);
}

static struct output_node *enqueue(struct control *control, enum control_output_type type, struct buffer *message) {
    struct output_node *node = memory_new(sizeof *node);
    node->output.type = type;
    node->message = buffer_share(message);
    node->output.message = buffer_span(message);
    *control->queue_tail = node;
    control->queue_tail = &node->next;
    return node;
}

void output_send(struct control *control, struct session *session, struct buffer *buffer) {
    if (session == NULL || session->closing)
        return;
    if (session->queued_bytes + buffer->len > CONTROL_SESSION_QUEUE_LEN_MAX) {
        control->counters.queue_overrun++;
        output_close(control, session, 1013); /* try again later (RFC 6455's registry); the client resumes */
        return;
    }
    session->queued_bytes += buffer->len;
    control->work_ns += WORK_MESSAGE_NS + buffer->len / 2;
    control->counters.messages_out++;
    enqueue(control, CONTROL_SEND, buffer)->output.session = session->handle;
}

void output_close(struct control *control, struct session *session, uint16_t code) {
    if (session->closing)
        return;
    session->closing = true;
    struct output_node *node = enqueue(control, CONTROL_CLOSE, NULL);
    node->output.session = session->handle;
    node->output.code = code;
}

void output_command(struct control *control, uint32_t shard, const struct engine_command *command,
                    struct buffer *payload) {
    ASSERT(shard < control->config.shards && command->object != 0);
    control->work_ns += WORK_COMMAND_NS;
    struct output_node *node = enqueue(control, CONTROL_COMMAND, payload);
    node->output.shard = shard;
    node->output.command = *command;
}

void output_webhook(struct control *control, struct buffer *body, struct buffer *authorization) {
    struct output_node *node = enqueue(control, CONTROL_WEBHOOK, body);
    node->authorization = buffer_share(authorization);
    node->output.authorization = buffer_span(authorization);
}

void output_expelled(struct control *control, const char *room, const char *identity) {
    struct buffer *message = buffer_new(span_str(room)), *who = buffer_new(span_str(identity));
    struct output_node *node = enqueue(control, CONTROL_EXPELLED, message);
    node->authorization = buffer_share(who);
    node->output.authorization = buffer_span(who);
    buffer_release(message);
    buffer_release(who);
}

static void node_free(struct output_node *node) {
    buffer_release(node->message);
    buffer_release(node->authorization);
    free(node);
}

bool control_poll(struct control *control, struct control_output *out) {
    if (control->polled != NULL) {
        node_free(control->polled);
        control->polled = NULL;
    }
    struct output_node *node = control->queue_head;
    if (node == NULL)
        return false;
    control->queue_head = node->next;
    if (control->queue_head == NULL)
        control->queue_tail = &control->queue_head;
    control->polled = node;
    *out = node->output;
    if (node->output.type == CONTROL_SEND && pool_live(&control->sessions, node->output.session)) {
        struct session *session = control->session_slots[pool_index(node->output.session)];
        ASSERT(session->queued_bytes >= node->message->len);
        session->queued_bytes -= node->message->len;
    }
    return true;
}

void output_free_all(struct control *control) {
    if (control->polled != NULL)
        node_free(control->polled);
    for (struct output_node *node = control->queue_head, *next; node != NULL; node = next) {
        next = node->next;
        node_free(node);
    }
    control->polled = control->queue_head = NULL;
    control->queue_tail = &control->queue_head;
}

struct buffer *message_pack(const ProtobufCMessage *message) {
    size_t len = protobuf_c_message_get_packed_size(message);
    ASSERT(len <= UINT32_MAX);
    struct buffer *buffer = memory_new(sizeof *buffer + len);
    buffer->refs = 1;
    buffer->len = (uint32_t)len;
    size_t packed = protobuf_c_message_pack(message, buffer->data);
    ASSERT(packed == len);
    return buffer;
}

/* NULL when it is longer than anybody would take. */
static struct buffer *pack_within(struct control *control, const Livekit__SignalResponse *response) {
    if (protobuf_c_message_get_packed_size(&response->base) <= CONTROL_MESSAGE_LEN_MAX)
        return message_pack(&response->base);
    control->counters.messages_too_long++;
    return NULL;
}

void session_send(struct control *control, struct session *session, const Livekit__SignalResponse *response) {
    if (session == NULL || session->closing)
        return;
    struct buffer *buffer = pack_within(control, response);
    if (buffer == NULL)
        output_close(control, session, 1009); /* RFC 6455 section 7.4.1; without it the client's state has a hole */
    else
        output_send(control, session, buffer);
    buffer_release(buffer);
}

void peer_send(struct peer *peer, const Livekit__SignalResponse *response) {
    session_send(peer->control, peer->session, response);
}

void room_send(struct control *control, struct room *room, const struct participant *except,
               const Livekit__SignalResponse *response) {
    struct buffer *buffer = NULL;
    LIST_EACH(&room->participants, struct participant, node, participant) {
        struct peer *peer = peer_of(participant);
        if (participant == except || peer->session == NULL)
            continue;
        if (buffer == NULL)
            buffer = pack_within(control, response);
        if (buffer == NULL)
            return; /* what everybody is told is bounded by the limits of the model: nobody is to blame */
        output_send(control, peer->session, buffer);
    }
    buffer_release(buffer);
}

void work_charge_room(struct control *control, struct room *room, uint64_t before_ns) {
    uint64_t from_us = room->work_us > control->now_us ? room->work_us : control->now_us;
    room->work_us = from_us + (control->work_ns - before_ns) * WORK_ROOM_PARTS / 1000;
    control->work_charged_ns += control->work_ns - before_ns;
}

/* When what this one caused is paid for: of its session, or as that left it. */
static uint64_t *work_of(struct peer *peer) {
    return peer->session != NULL ? &peer->session->work_us : &peer->work_us;
}

void work_charge_peer(struct peer *peer, uint64_t before_ns) {
    const struct control *control = peer->control;
    uint64_t *work_us = work_of(peer);
    uint64_t from_us = *work_us > control->now_us ? *work_us : control->now_us;
    *work_us = from_us + (control->work_ns - before_ns) * WORK_SESSION_PARTS / 1000;
}

static uint64_t debt_key(const struct control *control, const char *room, const char *identity) {
    uint64_t parts[2] = {siphash13(control->debts_key, room, strlen(room)),
                         siphash13(control->debts_key, identity, strlen(identity))};
    return siphash13(control->debts_key, parts, sizeof parts);
}

struct debt debt_of(const struct control *control, const char *room, const char *identity) {
    uint64_t key = debt_key(control, room, identity);
    const struct debt *set = &control->debts[key % (DEBTS_MAX / DEBTS_WAYS) * DEBTS_WAYS];
    for (uint32_t i = 0; i < DEBTS_WAYS; i++) {
        if (set[i].key == key)
            return set[i];
    }
    return (struct debt){0};
}

/* Until when it is worth being known. */
static uint64_t debt_ends_us(const struct debt *debt) {
    return debt->slow_us > debt->work_us ? debt->slow_us : debt->work_us;
}

void debt_keep(struct control *control, const char *room, const char *identity, struct debt debt) {
    debt.key = debt_key(control, room, identity);
    struct debt *set = &control->debts[debt.key % (DEBTS_MAX / DEBTS_WAYS) * DEBTS_WAYS], *place = NULL;
    for (uint32_t i = 0; i < DEBTS_WAYS && (place == NULL || place->key != debt.key); i++) {
        if (place == NULL || set[i].key == debt.key || debt_ends_us(&set[i]) < debt_ends_us(place))
            place = &set[i];
    }
    if (place->key == debt.key || debt_ends_us(place) < debt_ends_us(&debt) || debt_ends_us(place) <= control->now_us)
        *place = debt;
}

bool work_lets_in(const struct control *control, const struct room *room, const struct token *token) {
    const struct participant *participant = room != NULL ? participant_find(room, token->identity) : NULL;
    uint64_t work_us =
        participant != NULL ? *work_of(peer_of(participant)) : debt_of(control, token->room, token->identity).work_us;
    return work_us <= control->now_us + WORK_ENTRY_US;
}

bool work_room_waits(const struct control *control, const struct room *room) {
    return room->work_us > control->now_us + WORK_ROOM_BURST_US;
}

void timer_arm(struct control *control, struct room *room, uint64_t at_us) {
    room->next_us = time_min(room->next_us, at_us);
    control->next_us = time_min(control->next_us, at_us);
}

/* ---- shards ------------------------------------------------------------------------------------------------------ */

static uint32_t capacity_of(const struct control_config *config, enum room_object object) {
    const uint32_t capacities[ROOM_OBJECTS] = {[ROOM_TRANSPORTS] = config->transports_max,
                                               [ROOM_SOURCES] = config->sources_max,
                                               [ROOM_SINKS] = config->sinks_max};
    return capacities[object];
}

/* Pools lie behind each other in one block: each starts aligned. */
static size_t pool_room(uint32_t capacity) {
    return (pool_size(capacity) + 15) & ~(size_t)15;
}

bool shards_init(struct control *control) {
    const struct control_config *config = &control->config;
    size_t len = 0;
    for (int object = 0; object < ROOM_OBJECTS; object++)
        len += pool_room(capacity_of(config, (enum room_object)object));
    for (uint32_t i = 0; i < config->shards; i++) {
        struct shard *shard = &control->shards[i];
        list_init(&shard->data_waiting);
        shard->data_room_bytes = SIZE_MAX;
        uint8_t *memory = calloc(1, len);
        shard->transport_owner = calloc(config->transports_max, sizeof(struct pc *));
        shard->source_owner = calloc(config->sources_max, sizeof(struct track *));
        shard->sink_owner = calloc(config->sinks_max, sizeof(struct subscription *));
        control->shard_memory[i] = memory;
        if (memory == NULL || shard->transport_owner == NULL || shard->source_owner == NULL ||
            shard->sink_owner == NULL)
            return false;
        for (int object = 0; object < ROOM_OBJECTS; object++) {
            pool_init(&shard->objects[object], memory, capacity_of(config, (enum room_object)object));
            memory += pool_room(capacity_of(config, (enum room_object)object));
        }
    }
    return true;
}

void shards_free(struct control *control) {
    for (uint32_t i = 0; i < control->config.shards; i++) {
        struct shard *shard = &control->shards[i];
        for (int object = 0; object < ROOM_OBJECTS; object++)
            ASSERT(shard->objects[object].used == 0);
        free(control->shard_memory[i]);
        free(shard->transport_owner);
        free(shard->source_owner);
        free(shard->sink_owner);
    }
}

uint32_t room_take(struct control *control, struct room *room, enum room_object object) {
    struct pool *pool = &control->shards[room->shard].objects[object];
    uint32_t left = pool->capacity - pool->used, own = room->objects[object];
    if (own >= ROOM_SHARE_MIN && own / ROOM_SHARE_OF_FREE >= left) {
        control->counters.room_share_refused++;
        return 0;
    }
    uint32_t handle = pool_take(pool);
    room->objects[object] += handle != 0;
    return handle;
}

void room_give(struct control *control, struct room *room, enum room_object object, uint32_t handle) {
    ASSERT(room->objects[object] > 0);
    room->objects[object]--;
    pool_give(&control->shards[room->shard].objects[object], handle);
}

uint32_t shard_least_loaded(const struct control *control) {
    uint32_t best = 0;
    uint64_t best_load = UINT64_MAX;
    for (uint32_t i = 0; i < control->config.shards; i++) {
        const struct shard *shard = &control->shards[i];
        /* sinks are what costs; a room without media yet still counts by its transports */
        uint64_t load = 0;
        for (int object = 0; object < ROOM_OBJECTS; object++)
            load += shard->objects[object].used;
        LIST_EACH(&control->rooms.list, struct room, node, room) {
            if (room->shard == i && room->participants_count == 0)
                load++;
        }
        if (load < best_load) {
            best = i;
            best_load = load;
        }
    }
    return best;
}
