/* The control core's life, its timers, and what the engines say. */
#include "signal/control.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "room/memory.h"
#include "room/speaking.h"
#include "signal/internal.h"

struct control_config control_config_default(void) {
    struct control_config config = {
        .shards = 1,
        .transports_max = 2048,
        .sources_max = 4096,
        .sinks_max = 65536,
        .sessions_max = 4096,
        .rooms_max = 4096,
        .tracks_per_participant_max = 16,
        .room_name_len_max = 256,
        .identity_len_max = 256,
        .metadata_len_max = 512 * 1024,
        .attributes_len_max = 64 * 1024,
        .empty_timeout_s = 300,
        .departure_timeout_s = 20,
        .auto_create = true,
        .ping_interval_s = 5,
        .ping_timeout_s = 15,
    };
    return config;
}

struct control *control_create(const struct control_config *config, struct rng *rng, uint64_t now_us,
                               uint64_t unix_us) {
    ASSERT(config->keys.count > 0 && config->keys.count <= CONTROL_KEYS_MAX && config->keys.mac != NULL);
    ASSERT(config->shards > 0 && config->shards <= CONTROL_SHARDS_MAX &&
           config->candidates_count <= CONTROL_CANDIDATES_MAX);
    ASSERT(config->sessions_max > 0 && config->sessions_max < POOL_CAPACITY_MAX);
    struct control *control = calloc(1, sizeof *control);
    if (control == NULL)
        return NULL;
    control->config = *config;
    control->rng = rng;
    control->now_us = now_us;
    control->unix_us = unix_us;
    control->next_us = TIME_NEVER;
    control->queue_tail = &control->queue_head;
    for (int i = 0; i < 2; i++)
        control->debts_key[i] = rng_u64(rng);
    rooms_init(&control->rooms, rng);
    arena_init(&control->reply_arena, ARENA_UNLIMITED);
    control->sessions_memory = calloc(1, pool_size(config->sessions_max));
    control->session_slots = calloc(config->sessions_max, sizeof(struct session *));
    control->packet = calloc(1, sizeof *control->packet);
    control->packet_bytes = malloc(ENGINE_MESSAGE_LEN_MAX);
    if (control->sessions_memory != NULL)
        pool_init(&control->sessions, control->sessions_memory, config->sessions_max);
    if (!shards_init(control) || control->sessions_memory == NULL || control->session_slots == NULL ||
        control->packet == NULL || control->packet_bytes == NULL) {
        control_destroy(control);
        return NULL;
    }
    return control;
}

static void drop_rooms(struct control *control, enum room_leave_reason reason, Livekit__LeaveRequest__Action action) {
    LIST_EACH(&control->rooms.list, struct room, node, room) {
        LIST_EACH(&room->participants, struct participant, node, participant) {
            peer_leave(peer_of(participant), reason, action);
        }
        room_finish(control, room);
    }
}

void control_destroy(struct control *control) {
    if (control == NULL)
        return;
    drop_rooms(control, ROOM_LEAVE_SHUTDOWN, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
    for (uint32_t i = 0; control->session_slots != NULL && i < control->config.sessions_max; i++)
        free(control->session_slots[i]);
    output_free_all(control);
    shards_free(control);
    arena_free(&control->reply_arena);
    rooms_free(&control->rooms);
    free(control->sessions_memory);
    free(control->session_slots);
    free(control->packet);
    free(control->packet_bytes);
    free(control);
}

void control_drain(struct control *control, bool draining) {
    control->draining = draining;
}

void control_shutdown(struct control *control, uint64_t now_us) {
    control->now_us = now_us;
    control->shutting_down = true;
    /* clients try again for a while: a restarted server gets its meetings back */
    drop_rooms(control, ROOM_LEAVE_SHUTDOWN, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

uint64_t control_next_deadline_us(const struct control *control) {
    return control->next_us;
}

void control_tick(struct control *control, uint64_t now_us, uint64_t unix_us) {
    ASSERT(now_us > 0);
    control->now_us = now_us;
    control->unix_us = unix_us;
    if (now_us < control->next_us)
        return;
    /* everything that is still to come arms it again */
    control->next_us = TIME_NEVER;
    LIST_EACH(&control->rooms.list, struct room, node, room) {
        if (now_us < room->next_us) {
            control->next_us = time_min(control->next_us, room->next_us);
            continue;
        }
        room->next_us = TIME_NEVER;
        uint64_t before_ns = control->work_ns, charged_ns = control->work_charged_ns;
        LIST_EACH(&room->participants, struct participant, node, participant) {
            peer_tick(peer_of(participant));
        }
        room_catch_up(control, room);
        room_tick(control, room);
        /* messages that had waited are charged already */
        work_charge_room(control, room, before_ns + (control->work_charged_ns - charged_ns));
        if (now_us >= room_expires_us(room)) {
            room_finish(control, room);
        }
    }
    for (uint32_t i = 0; i < control->config.shards; i++) {
        if (!list_empty(&control->shards[i].data_waiting))
            control->next_us = time_min(control->next_us, now_us + 2 * US_PER_MS);
    }
    updates_flush(control);
}

/* ---- engine events ----------------------------------------------------------------------------------------------- */

static struct pc *transport_of(struct shard *shard, uint32_t handle) {
    return pool_live(&shard->objects[ROOM_TRANSPORTS], handle) ? shard->transport_owner[pool_index(handle)] : NULL;
}

static struct track *source_of(struct shard *shard, uint32_t handle) {
    return pool_live(&shard->objects[ROOM_SOURCES], handle) ? shard->source_owner[pool_index(handle)] : NULL;
}

static struct subscription *sink_of(struct shard *shard, uint32_t handle) {
    return pool_live(&shard->objects[ROOM_SINKS], handle) ? shard->sink_owner[pool_index(handle)] : NULL;
}

static bool refused(struct control *control, struct shard *shard, uint32_t object, enum engine_command_type command) {
    control->counters.engine_refused++;
    struct pc *pc = NULL;
    struct track *track = NULL;
    struct subscription *subscription = NULL;
    switch (command) {
    case ENGINE_TRANSPORT_OPEN:
    case ENGINE_TRANSPORT_REMOTE:
    case ENGINE_TRANSPORT_RESTART:
    case ENGINE_CHANNEL_OPEN:
        pc = transport_of(shard, object);
        if (pc != NULL)
            peer_leave(pc->peer, ROOM_LEAVE_JOIN_FAILURE, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
        return pc != NULL;
    case ENGINE_CHANNEL_SEND:
        pc = transport_of(shard, object);
        if (pc != NULL && pc->channel_ready[CHANNEL_RELIABLE]) { /* its stream has a hole: it begins anew */
            control->counters.data_holes++;
            peer_leave(pc->peer, ROOM_LEAVE_STATE_MISMATCH, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
        }
        return pc != NULL;
    case ENGINE_SOURCE_OPEN:
        track = source_of(shard, object);
        if (track != NULL)
            publish_remove(track, true);
        return track != NULL;
    case ENGINE_SINK_OPEN:
        subscription = sink_of(shard, object);
        if (subscription == NULL)
            return false;
        send_subscription_error(peer_of(subscription->subscriber), subscription->track->sid,
                                LIVEKIT__SUBSCRIPTION_ERROR__SE_UNKNOWN);
        subscribe_drop(subscription);
        subscription->unsupported = true; /* until somebody asks again */
        return true;
    default:
        return true;
    }
}

static bool transport_event(struct control *control, struct shard *shard, const struct engine_event *event) {
    (void)control;
    struct pc *pc = transport_of(shard, event->object);
    if (pc == NULL)
        return false;
    switch (event->type) {
    case ENGINE_EV_TRANSPORT_STATE:
        peer_transport_state(pc, event->transport_state.state);
        break;
    case ENGINE_EV_CHANNEL_OPENED:
        data_channel_opened(pc, event->channel.label);
        break;
    case ENGINE_EV_CHANNEL_CLOSED:
        data_channel_closed(pc, event->channel.label);
        break;
    case ENGINE_EV_CHANNEL_MESSAGE:
        data_channel_message(pc, event->message.label, event->payload, event->message.charged_bytes);
        break;
    case ENGINE_EV_CHANNEL_SENT:
        outbox_sent(pc, event->channel_sent.total_bytes);
        break;
    default:
        ASSERT(event->type == ENGINE_EV_STATS);
        peer_stats(pc, &event->stats);
        break;
    }
    return true;
}

static void levels(struct control *control, struct shard *shard, const struct engine_event *event) {
    ASSERT(event->levels.count <= ENGINE_LEVELS_MAX);
    for (uint32_t i = 0; i < event->levels.count; i++) {
        struct track *track = source_of(shard, event->levels.level[i].source);
        if (track == NULL) {
            control->counters.events_stale++;
            continue;
        }
        speaking_input(track, &event->levels.level[i], control->now_us);
        timer_arm(control, track->publisher->room, track->publisher->room->speakers_due_us);
    }
}

static bool source_event(struct shard *shard, const struct engine_event *event) {
    struct track *track = source_of(shard, event->object);
    if (track != NULL)
        publish_source_started(track, event->source_started.codec);
    return track != NULL;
}

static bool sink_event(struct shard *shard, const struct engine_event *event) {
    struct subscription *subscription = sink_of(shard, event->object);
    if (subscription != NULL && event->type == ENGINE_EV_STREAM_STATE)
        subscribe_stream_state(subscription, event->stream_state.paused);
    return subscription != NULL;
}

void control_engine_event(struct control *control, uint64_t now_us, uint64_t unix_us, uint32_t shard_number,
                          const struct engine_event *event) {
    ASSERT(shard_number < control->config.shards);
    control->now_us = now_us;
    control->unix_us = unix_us;
    struct shard *shard = &control->shards[shard_number];
    bool live = true;
    switch (event->type) {
    case ENGINE_EV_TRANSPORT_STATE:
    case ENGINE_EV_CHANNEL_OPENED:
    case ENGINE_EV_CHANNEL_CLOSED:
    case ENGINE_EV_CHANNEL_MESSAGE:
    case ENGINE_EV_CHANNEL_SENT:
    case ENGINE_EV_STATS:
        live = transport_event(control, shard, event);
        break;
    case ENGINE_EV_SOURCE_STARTED:
        live = source_event(shard, event);
        break;
    case ENGINE_EV_LEVELS:
        levels(control, shard, event);
        break;
    case ENGINE_EV_STREAM_STATE:
    case ENGINE_EV_SINK_LAYER:
        live = sink_event(shard, event);
        break;
    case ENGINE_EV_REFUSED:
        live = refused(control, shard, event->object, event->refused.command);
        break;
    }
    if (!live)
        control->counters.events_stale++;
    updates_flush(control);
}

/* ---- tokens, insight --------------------------------------------------------------------------------------------- */

bool control_token_make(const struct control *control, uint64_t unix_us, const struct control_token_request *request,
                        struct writer *out) {
    return token_sign(&control->config.keys, 0, unix_us, request, out);
}

void control_counters_get(const struct control *control, struct control_counters *out) {
    *out = control->counters;
}

void control_gauges_get(const struct control *control, struct control_gauges *out) {
    *out = (struct control_gauges){.rooms = control->rooms.count,
                                   .participants = control->rooms.participants_count,
                                   .sessions = control->sessions.used,
                                   .tracks = control->rooms.tracks_count,
                                   .subscriptions = control->rooms.subscriptions_count,
                                   .whip_resources = control->whip_resources};
}
