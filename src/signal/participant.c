/* Participants' signalling side: joining, leaving, updates, tokens, timers. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "room/memory.h"
#include "room/quality.h"
#include "room/speaking.h"
#include "signal/internal.h"

struct peer *peer_of(const struct participant *participant) {
    ASSERT(participant->user != NULL);
    return participant->user;
}

bool room_is_meeting(const struct control *control, const char *name) {
    const char *prefix = control->config.meeting_room_prefix;
    return prefix[0] != 0 && strncmp(name, prefix, strlen(prefix)) == 0;
}

/* ---- rooms ------------------------------------------------------------------------------------------------------- */

static bool source_has_its_share(const struct control *control, const struct net_addr *source) {
    uint32_t count = 0, share = control->config.rooms_max / ROOMS_SOURCE_PARTS;
    if (source == NULL || source->family == 0)
        return false;
    LIST_EACH(&control->rooms.list, struct room, node, room) {
        count += net_addr_equal(&room->source, source);
    }
    return count >= (share > ROOMS_SOURCE_MIN ? share : ROOMS_SOURCE_MIN);
}

struct room *room_open_configured(struct control *control, const char *name, const struct token *token,
                                  const struct net_addr *source) {
    const struct control_config *config = &control->config;
    bool draining = control->draining && !room_is_meeting(control, name);
    if (draining || control->rooms.count >= config->rooms_max ||
        (!room_is_meeting(control, name) && source_has_its_share(control, source))) {
        control->counters.limit_refused++;
        return NULL;
    }
    struct room *room = room_open(&control->rooms, name, control->now_us, control->unix_us);
    room->shard = shard_least_loaded(control);
    room->work_us = debt_of(control, name, "").work_us;
    if (source != NULL)
        room->source = *source;
    room->empty_timeout_s = config->empty_timeout_s;
    room->departure_timeout_s = config->departure_timeout_s;
    if (token != NULL) {
        if (token->config_empty_timeout_s != 0)
            room->empty_timeout_s = token->config_empty_timeout_s;
        if (token->config_departure_timeout_s != 0)
            room->departure_timeout_s = token->config_departure_timeout_s;
        room->participants_max = token->config_participants_max;
        if (strlen(token->config_metadata) <= config->metadata_len_max && !room_is_meeting(control, name))
            memory_set_text(&room->metadata, token->config_metadata);
    }
    timer_arm(control, room, room_expires_us(room));
    webhook_event(control, "room_started", room, NULL, NULL);
    return room;
}

void room_finish(struct control *control, struct room *room) {
    webhook_event(control, "room_finished", room, NULL, NULL);
    debt_keep(control, room->name, "", (struct debt){.work_us = room->work_us});
    room_close(room);
}

void room_end(struct control *control, struct room *room, enum room_leave_reason reason) {
    LIST_EACH(&room->participants, struct participant, node, participant) {
        peer_leave(peer_of(participant), reason, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
    }
    room_finish(control, room);
}

static void send_speakers(struct control *control, struct room *room, const struct speaking_change *changes,
                          size_t count) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    updates_flush(control);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SPEAKERS_CHANGED);
    response->speakers_changed = arena_new(&arena, &livekit__speakers_changed__descriptor);
    response->speakers_changed->n_speakers = count;
    response->speakers_changed->speakers = arena_new_array(&arena, &livekit__speaker_info__descriptor, count);
    for (size_t i = 0; i < count; i++) {
        response->speakers_changed->speakers[i]->sid = changes[i].participant->sid;
        response->speakers_changed->speakers[i]->level = changes[i].level;
        response->speakers_changed->speakers[i]->active = changes[i].active;
    }
    room_send(control, room, NULL, response);
    arena_free(&arena);
}

void room_tick(struct control *control, struct room *room) {
    if (control->now_us >= room->speakers_due_us) {
        struct speaking_change changes[SPEAKING_CHANGES_MAX];
        size_t count = speaking_step(room, control->now_us, changes, SPEAKING_CHANGES_MAX);
        if (count > 0)
            send_speakers(control, room, changes, count);
    }
    LIST_EACH(&room->participants, struct participant, node, participant) {
        LIST_EACH(&participant->tracks, struct track, node, track) {
            if (control->now_us >= track->dynacast.lower_at_us)
                publish_dynacast(track);
        }
    }
    data_history_expire(&room->history, control->now_us);
    timer_arm(control, room, room->speakers_due_us);
    timer_arm(control, room, room_expires_us(room));
}

/* ---- updates ----------------------------------------------------------------------------------------------------- */

void participant_touch(struct participant *participant) {
    if (!list_linked(&participant->dirty_node))
        list_append(&participant->room->owner->dirty_participants, &participant->dirty_node);
}

void room_touch(struct room *room) {
    if (!list_linked(&room->dirty_node))
        list_append(&room->owner->dirty, &room->dirty_node);
}

static void send_update(struct participant *participant) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    participant->version++;
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE);
    response->update = arena_new(&arena, &livekit__participant_update__descriptor);
    Livekit__ParticipantInfo *info = message_participant(&arena, participant);
    response->update->n_participants = 1;
    response->update->participants = &info;
    struct peer *peer = peer_of(participant);
    if (participant->permission.hidden)
        peer_send(peer, response);
    else
        room_send(peer->control, participant->room, NULL, response);
    arena_free(&arena);
}

void updates_flush(struct control *control) {
    LIST_EACH(&control->rooms.dirty, struct room, dirty_node, room) {
        list_remove(&room->dirty_node);
        send_room_update(control, room);
    }
    LIST_EACH(&control->rooms.dirty_participants, struct participant, dirty_node, participant) {
        list_remove(&participant->dirty_node);
        send_update(participant);
    }
}

/* ---- joining ----------------------------------------------------------------------------------------------------- */

/* In a meeting whatever people say of themselves goes through the group, where this server cannot read it. */
static void adopt_token(struct participant *participant, const struct token *token, bool meeting) {
    participant->permission = token->permission;
    participant->kind = token->kind;
    if (meeting) {
        participant->permission.can_publish_data = participant->permission.can_update_metadata = false;
        return;
    }
    memory_set_text(&participant->name, token->name);
    memory_set_text(&participant->metadata, token->metadata);
    for (uint32_t i = 0; i < token->attributes_count; i++)
        (void)participant_attribute_set(participant, token->attributes[i][0], token->attributes[i][1]);
    participant_count_info(participant);
}

static bool token_fits(const struct room *room, const struct token *token) {
    size_t len = strlen(token->name) + strlen(token->metadata);
    for (uint32_t i = 0; i < token->attributes_count; i++)
        len += strlen(token->attributes[i][0]) + strlen(token->attributes[i][1]);
    return room_info_fits(room, 0, len);
}

static bool open_connections(struct peer *peer) {
    if (peer->kind == PEER_V0) {
        peer->subscriber_primary = peer->participant->permission.can_subscribe;
        if (!peer->subscriber_primary)
            return true; /* its publisher connection comes with its first offer */
        peer->subscriber = pc_open(peer, PC_SERVER_OFFERS);
        return peer->subscriber != NULL;
    }
    peer->publisher = peer->subscriber = pc_open(peer, PC_CLIENT_OFFERS);
    return peer->publisher != NULL;
}

struct peer *peer_join(struct control *control, enum peer_kind kind, const struct token *token, struct room *room) {
    ASSERT(participant_find(room, token->identity) == NULL);
    if (!room_is_meeting(control, room->name) && !token_fits(room, token)) {
        control->counters.limit_refused++;
        return NULL;
    }
    struct peer *peer = memory_new(sizeof *peer);
    struct participant *participant = participant_open(room, token->identity, control->now_us, control->unix_us);
    peer->control = control;
    peer->participant = participant;
    peer->kind = kind;
    peer->key_index = token->key_index;
    peer->absent_since_us = peer->failed_since_us = peer->token_at_us = TIME_NEVER;
    peer->whep_identity = memory_text("");
    participant->user = peer;
    struct debt debt = debt_of(control, room->name, participant->identity);
    peer->work_us = debt.work_us;
    peer->budget_us = debt.budget_us;
    peer->slow_us = debt.slow_us;
    adopt_token(participant, token, room_is_meeting(control, room->name));
    participant->auto_subscribe = kind != PEER_WHIP;
    if (!open_connections(peer)) {
        participant_close(participant, control->now_us);
        free(peer->whep_identity);
        free(peer);
        return NULL;
    }
    control->counters.joins++;
    if (kind == PEER_WHIP || kind == PEER_WHEP)
        control->whip_resources++;
    return peer;
}

/* ---- leaving ----------------------------------------------------------------------------------------------------- */

void session_leave(struct control *control, struct session *session, enum room_leave_reason reason,
                   Livekit__LeaveRequest__Action action) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE);
    response->leave = arena_new(&arena, &livekit__leave_request__descriptor);
    response->leave->reason = (Livekit__DisconnectReason)reason;
    response->leave->action = action;
    response->leave->can_reconnect = action != LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT;
    session_send(control, session, response);
    arena_free(&arena);
    output_close(control, session, 1000);
}

static void close_connections(struct peer *peer) {
    struct pc *publisher = peer->publisher, *subscriber = peer->subscriber;
    peer->publisher = peer->subscriber = NULL;
    if (publisher != NULL)
        pc_close(publisher);
    if (subscriber != NULL && subscriber != publisher)
        pc_close(subscriber);
}

static void announce_departure(struct participant *participant) {
    participant->state = ROOM_DISCONNECTED;
    list_remove(&participant->dirty_node);
    participant->version++;
    if (participant->permission.hidden)
        return;
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE);
    response->update = arena_new(&arena, &livekit__participant_update__descriptor);
    Livekit__ParticipantInfo *info = message_participant(&arena, participant);
    response->update->n_participants = 1;
    response->update->participants = &info;
    room_send(peer_of(participant)->control, participant->room, participant, response);
    arena_free(&arena);
}

void peer_gone(struct peer *peer, enum room_leave_reason reason) {
    struct control *control = peer->control;
    struct participant *participant = peer->participant;
    struct room *room = participant->room;
    uint64_t before_ns = control->work_ns;
    if (peer->session != NULL) {
        struct session *session = peer->session;
        session_detach(peer);
        output_close(control, session, 1000);
    }
    peer->leaving = true;
    participant->leave_reason = reason;
    LIST_EACH(&participant->tracks, struct track, node, track) {
        publish_remove(track, false);
    }
    LIST_EACH(&participant->subscriptions, struct subscription, node, subscription) {
        struct track *track = subscription->track;
        subscribe_drop(subscription);
        subscription_close(subscription);
        publish_dynacast(track);
    }
    close_connections(peer);
    announce_departure(participant);
    webhook_event(control, "participant_left", room, participant, NULL);
    if (peer->kind == PEER_WHIP || peer->kind == PEER_WHEP)
        control->whip_resources--;
    work_charge_peer(peer, before_ns);
    debt_keep(control, room->name, participant->identity,
              (struct debt){.work_us = peer->work_us, .budget_us = peer->budget_us, .slow_us = peer->slow_us});
    participant_close(participant, control->now_us);
    data_tracks_changed(room);
    LIST_EACH(&room->participants, struct participant, node, other) {
        if (peer_of(other)->kind == PEER_WHEP && !peer_of(other)->leaving)
            subscribe_update_participant(other); /* it may watch the next publisher now */
    }
    timer_arm(control, room, room_expires_us(room));
    free(peer->whep_identity);
    free(peer);
}

void peer_leave(struct peer *peer, enum room_leave_reason reason, Livekit__LeaveRequest__Action action) {
    if (peer->session != NULL)
        session_leave(peer->control, peer->session, reason, action);
    peer_gone(peer, reason);
}

void peer_expel(struct peer *peer) {
    const struct participant *participant = peer->participant;
    if (room_is_meeting(peer->control, participant->room->name))
        output_expelled(peer->control, participant->room->name, participant->identity);
    peer_leave(peer, ROOM_LEAVE_UNKNOWN, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
}

static struct room *room_of_span(struct control *control, struct span name) {
    char text[CONTROL_WHO_LEN_MAX + 1];
    return span_to_str(name, text, sizeof text) ? room_find(&control->rooms, text) : NULL;
}

void control_expel(struct control *control, uint64_t now_us, struct span room_name, struct span identity) {
    char text[CONTROL_WHO_LEN_MAX + 1];
    struct room *room = room_of_span(control, room_name);
    struct participant *participant =
        room != NULL && span_to_str(identity, text, sizeof text) ? participant_find(room, text) : NULL;
    control->now_us = now_us;
    if (participant != NULL)
        peer_leave(peer_of(participant), ROOM_LEAVE_REMOVED, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
    updates_flush(control);
}

void control_room_end(struct control *control, uint64_t now_us, struct span room_name) {
    struct room *room = room_of_span(control, room_name);
    control->now_us = now_us;
    if (room != NULL)
        room_end(control, room, ROOM_LEAVE_ROOM_CLOSED);
    updates_flush(control);
}

/* ---- permissions, tokens ----------------------------------------------------------------------------------------- */

void peer_send_token(struct peer *peer) {
    struct control *control = peer->control;
    const struct participant *participant = peer->participant;
    peer->token_at_us = control->now_us + TOKEN_REFRESH_US;
    timer_arm(control, peer->participant->room, peer->token_at_us);
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    char *text = arena_bytes(&arena, REFRESH_TOKEN_LEN_MAX + 1);
    const struct control_keys *keys = &control->config.keys;
    struct writer w = writer_of(text, REFRESH_TOKEN_LEN_MAX);
    bool fits =
        token_sign_participant(keys, peer->key_index, control->unix_us, TOKEN_REFRESH_TTL_S, participant, true, &w);
    if (!fits) { /* who comes back with it keeps metadata while it is in the room, and says it anew after that */
        w = writer_of(text, REFRESH_TOKEN_LEN_MAX);
        fits = token_sign_participant(keys, peer->key_index, control->unix_us, TOKEN_REFRESH_TTL_S, participant, false,
                                      &w);
    }
    if (fits) {
        text[w.len] = 0;
        Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN);
        response->refresh_token = text;
        peer_send(peer, response);
    }
    arena_free(&arena);
}

void peer_set_permission(struct peer *peer, const struct room_permission *permission) {
    struct participant *participant = peer->participant;
    bool was_hidden = participant->permission.hidden;
    participant->permission = *permission;
    participant->permission.hidden = was_hidden; /* who came unseen stays so, and the other way round */
    LIST_EACH(&participant->tracks, struct track, node, track) {
        if (!participant_may_publish(participant, track->track_source))
            publish_remove(track, true);
    }
    subscribe_update_participant(participant);
    participant_touch(participant);
    peer_send_token(peer);
}

/* ---- transports -------------------------------------------------------------------------------------------------- */

static struct pc *primary_pc(const struct peer *peer) {
    return peer->kind == PEER_V0 && peer->subscriber_primary ? peer->subscriber : peer->publisher;
}

static void set_connection(struct participant *participant, enum room_connection connection, float score) {
    uint64_t now_us = peer_of(participant)->control->now_us;
    if (participant->connection == connection && now_us < participant->connection_at_us)
        return;
    participant->connection = connection;
    participant->connection_at_us = now_us + QUALITY_REPEAT_US;
    participant->connection_score = score;
    updates_flush(peer_of(participant)->control);
    send_connection_quality(participant);
}

static void connected(struct peer *peer) {
    struct participant *participant = peer->participant;
    peer->ever_connected = true;
    peer->failed_since_us = TIME_NEVER;
    if (peer->kind == PEER_WHIP || peer->kind == PEER_WHEP)
        peer->absent_since_us = TIME_NEVER; /* they have no session to be absent from */
    if (participant->connection == ROOM_LOST)
        set_connection(participant, ROOM_GOOD, 3.5f);
    if (participant->state != ROOM_ACTIVE) {
        participant->state = ROOM_ACTIVE;
        participant_touch(participant);
    }
}

/* The worse of its two connections counts. */
void peer_stats(struct pc *pc, const struct engine_stats *stats) {
    const struct peer *peer = pc->peer;
    struct participant *participant = peer->participant;
    pc->score = quality_score(stats);
    float score = pc->score;
    if (peer->publisher != NULL && peer->publisher->score > 0 && peer->publisher->score < score)
        score = peer->publisher->score;
    if (peer->subscriber != NULL && peer->subscriber->score > 0 && peer->subscriber->score < score)
        score = peer->subscriber->score;
    if (participant->connection != ROOM_LOST)
        set_connection(participant, quality_class(score, participant->connection), score);
}

void peer_transport_state(struct pc *pc, enum engine_transport_state state) {
    struct peer *peer = pc->peer;
    pc->state = state;
    if (state == ENGINE_TRANSPORT_CONNECTED && pc == primary_pc(peer)) {
        connected(peer);
        return;
    }
    if (state == ENGINE_TRANSPORT_DISCONNECTED && pc == primary_pc(peer)) {
        set_connection(peer->participant, ROOM_LOST, 1.0f);
        return;
    }
    if (state != ENGINE_TRANSPORT_FAILED && state != ENGINE_TRANSPORT_CLOSED)
        return;
    if (peer->kind == PEER_WHIP || peer->kind == PEER_WHEP) {
        peer_gone(peer, state == ENGINE_TRANSPORT_CLOSED ? ROOM_LEAVE_CLIENT : ROOM_LEAVE_TIMEOUT);
        return;
    }
    /* the engine's transport is of no use any more; a client that still signals builds a new one */
    if (state == ENGINE_TRANSPORT_FAILED && peer->session != NULL) {
        peer_leave(peer, ROOM_LEAVE_TIMEOUT, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
        return;
    }
    if (peer->failed_since_us == TIME_NEVER)
        peer->failed_since_us = peer->control->now_us;
    timer_arm(peer->control, peer->participant->room, peer->failed_since_us + FAILED_GRACE_US);
}

void peer_tick(struct peer *peer) {
    struct control *control = peer->control;
    uint64_t now_us = control->now_us;
    if (peer->session == NULL && peer->failed_since_us != TIME_NEVER &&
        now_us >= peer->failed_since_us + FAILED_GRACE_US) {
        peer_gone(peer, ROOM_LEAVE_TIMEOUT);
        return;
    }
    if (peer->absent_since_us != TIME_NEVER && now_us >= peer->absent_since_us + ABSENT_MAX_US) {
        peer_gone(peer, ROOM_LEAVE_SIGNAL_CLOSE);
        return;
    }
    struct pc *data = data_pc(peer);
    if (data != NULL && outbox_too_slow(data)) {
        control->counters.data_slow_ended++;
        peer->slow_us = now_us + DATA_REMEMBERED_US;
        peer_leave(peer, ROOM_LEAVE_STATE_MISMATCH, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
        return;
    }
    if (peer->session == NULL && peer->failed_since_us != TIME_NEVER)
        timer_arm(control, peer->participant->room, peer->failed_since_us + FAILED_GRACE_US);
    if (peer->absent_since_us != TIME_NEVER)
        timer_arm(control, peer->participant->room, peer->absent_since_us + ABSENT_MAX_US);
    if (peer->session == NULL)
        return;
    /* a client pings every interval; several missed ones are a dead connection, whatever TCP believes */
    uint64_t silent_us = (uint64_t)control->config.ping_timeout_s * 2 * US_PER_S;
    if (silent_us > 0 && now_us >= peer->session->seen_us + silent_us) {
        output_close(control, peer->session, 1000);
        return;
    }
    if (silent_us > 0)
        timer_arm(control, peer->participant->room, peer->session->seen_us + silent_us);
    if (now_us >= peer->token_at_us)
        peer_send_token(peer);
    timer_arm(control, peer->participant->room, peer->token_at_us);
    for (int i = 0; i < 2; i++) {
        struct pc *pc = i == 0 ? peer->subscriber : peer->publisher;
        if (pc == NULL || (i == 1 && pc == peer->subscriber))
            continue;
        if (now_us >= pc_deadline_us(pc)) {
            /* timed out: the peer does not survive it */
            bool last = pc->in_flight && now_us >= pc->sent_us + NEGOTIATION_TIMEOUT_US;
            pc_tick(pc);
            if (last)
                return;
        }
        timer_arm(control, peer->participant->room, pc_deadline_us(pc));
    }
}
