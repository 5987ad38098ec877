/* What clients ask over their session. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "room/memory.h"
#include "signal/internal.h"

/* What a client said, when it is short enough to be a name. */
static char *short_text(char *text, size_t len_max) {
    return strlen(text) <= len_max ? text : (char *)(uintptr_t) "";
}

/* What tells the client which of its requests is meant: the names in it, never its whole text. A request may be as long
 * as a message, and an answer with all of it longer. */
static void *echo_of(struct arena *arena, Livekit__RequestResponse__RequestCase which, const void *request) {
    const Livekit__AddTrackRequest *add_track = request;
    const Livekit__MuteTrackRequest *mute = request;
    const Livekit__UpdateLocalAudioTrack *audio = request;
    const Livekit__UpdateLocalVideoTrack *video = request;
    const Livekit__PublishDataTrackRequest *publish = request;
    const Livekit__UnpublishDataTrackRequest *unpublish = request;
    void *out = NULL;
    switch (which) {
    case LIVEKIT__REQUEST_RESPONSE__REQUEST_ADD_TRACK:
        out = arena_new(arena, &livekit__add_track_request__descriptor);
        ((Livekit__AddTrackRequest *)out)->cid = short_text(add_track->cid, ROOM_CID_LEN_MAX);
        ((Livekit__AddTrackRequest *)out)->type = add_track->type;
        ((Livekit__AddTrackRequest *)out)->source = add_track->source;
        break;
    case LIVEKIT__REQUEST_RESPONSE__REQUEST_MUTE:
        out = arena_new(arena, &livekit__mute_track_request__descriptor);
        ((Livekit__MuteTrackRequest *)out)->sid = short_text(mute->sid, ROOM_SID_LEN);
        ((Livekit__MuteTrackRequest *)out)->muted = mute->muted;
        break;
    case LIVEKIT__REQUEST_RESPONSE__REQUEST_UPDATE_METADATA:
        out = arena_new(arena, &livekit__update_participant_metadata__descriptor);
        break;
    case LIVEKIT__REQUEST_RESPONSE__REQUEST_UPDATE_AUDIO_TRACK:
        out = arena_new(arena, &livekit__update_local_audio_track__descriptor);
        ((Livekit__UpdateLocalAudioTrack *)out)->track_sid = short_text(audio->track_sid, ROOM_SID_LEN);
        break;
    case LIVEKIT__REQUEST_RESPONSE__REQUEST_UPDATE_VIDEO_TRACK:
        out = arena_new(arena, &livekit__update_local_video_track__descriptor);
        ((Livekit__UpdateLocalVideoTrack *)out)->track_sid = short_text(video->track_sid, ROOM_SID_LEN);
        break;
    case LIVEKIT__REQUEST_RESPONSE__REQUEST_PUBLISH_DATA_TRACK:
        out = arena_new(arena, &livekit__publish_data_track_request__descriptor);
        ((Livekit__PublishDataTrackRequest *)out)->pub_handle = publish->pub_handle;
        ((Livekit__PublishDataTrackRequest *)out)->name = short_text(publish->name, ROOM_TRACK_NAME_LEN_MAX);
        break;
    case LIVEKIT__REQUEST_RESPONSE__REQUEST_UNPUBLISH_DATA_TRACK:
        out = arena_new(arena, &livekit__unpublish_data_track_request__descriptor);
        ((Livekit__UnpublishDataTrackRequest *)out)->pub_handle = unpublish->pub_handle;
        break;
    default:
        break;
    }
    return out;
}

void send_request_response(struct peer *peer, uint32_t request_id, Livekit__RequestResponse__Reason reason,
                           const char *text, Livekit__RequestResponse__RequestCase which, const void *request) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REQUEST_RESPONSE);
    Livekit__RequestResponse *out = arena_new(&arena, &livekit__request_response__descriptor);
    response->request_response = out;
    out->request_id = request_id;
    out->reason = reason;
    out->message = (char *)(uintptr_t)text;
    /* every member of the oneof is a pointer to a message */
    out->trickle = echo_of(&arena, which, request);
    if (out->trickle != NULL)
        out->request_case = which;
    peer_send(peer, response);
    arena_free(&arena);
}

/* ---- descriptions ------------------------------------------------------------------------------------------------ */

static void negotiation_failed(struct peer *peer) {
    peer->control->counters.negotiations_failed++;
    peer_leave(peer, ROOM_LEAVE_MEDIA_FAILURE, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
}

void request_offer(struct peer *peer, const Livekit__SessionDescription *offer) {
    bool first = peer->publisher == NULL;
    if (first)
        peer->publisher = pc_open(peer, PC_CLIENT_OFFERS);
    if (peer->publisher == NULL) {
        peer_leave(peer, ROOM_LEAVE_JOIN_FAILURE, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
        return;
    }
    struct pc *pc = peer->publisher;
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    first = pc->sections_count == 0;
    char ufrag[sizeof pc->local_ufrag];
    memcpy(ufrag, pc->local_ufrag, sizeof ufrag);
    updates_flush(peer->control);
    const char *answer = pc_answer(pc, span_str(offer->sdp), &arena);
    if (answer == NULL) {
        arena_free(&arena);
        negotiation_failed(peer);
        return;
    }
    pc->offer_id = offer->id;
    updates_flush(peer->control);
    send_description(peer, false, answer, offer->id, pc);
    if (first || strcmp(ufrag, pc->local_ufrag) != 0)
        send_candidates(peer, pc, false);
    arena_free(&arena);
}

static void handle_answer(struct peer *peer, const Livekit__SessionDescription *answer) {
    struct pc *pc = peer->subscriber;
    if (peer->kind != PEER_V0 || pc == NULL || !pc->in_flight || (answer->id != 0 && answer->id != pc->offer_id))
        return; /* stale: a newer offer is under way, or none */
    bool first = pc->remote_ufrag[0] == 0;
    if (!pc_accept(pc, span_str(answer->sdp))) {
        negotiation_failed(peer);
        return;
    }
    if (first)
        send_candidates(peer, pc, true);
}

/* ---- tracks ------------------------------------------------------------------------------------------------------ */

static void handle_mute(struct peer *peer, const Livekit__MuteTrackRequest *request) {
    struct track *track = track_find(peer->participant, request->sid);
    if (track == NULL) {
        send_request_response(peer, 0, LIVEKIT__REQUEST_RESPONSE__REASON__NOT_FOUND, "no such track",
                              LIVEKIT__REQUEST_RESPONSE__REQUEST_MUTE, request);
        return;
    }
    publish_mute(track, request->muted, false);
}

/* A list longer than anything there can be is no list of a client that means well. */
static bool list_fits(struct peer *peer, size_t count) {
    if (count <= REQUEST_LIST_MAX)
        return true;
    peer->control->counters.limit_refused++;
    peer_expel(peer);
    return false;
}

/* What one request for subscriptions has come to. */
struct visit {
    uint64_t number; /* of the request: of a track that it names twice, once */
    uint32_t errors;
};

static void subscribe_one(struct peer *peer, const char *sid, bool subscribe, bool tell, struct visit *visit) {
    struct track *track = track_find_in_room(peer->participant->room, sid);
    peer->control->work_ns += WORK_ENTRY_NS;
    if (track != NULL && track->visited == visit->number)
        return;
    if (track != NULL)
        track->visited = visit->number;
    if (track != NULL && track->published)
        subscribe_request(peer->participant, track, subscribe);
    else if (subscribe && tell && visit->errors++ < SUBSCRIPTION_ERRORS_MAX)
        send_subscription_error(peer, sid, LIVEKIT__SUBSCRIPTION_ERROR__SE_TRACK_NOTFOUND);
}

static size_t subscription_len(const Livekit__UpdateSubscription *request) {
    size_t count = request->n_track_sids + request->n_participant_tracks;
    for (size_t i = 0; i < request->n_participant_tracks; i++)
        count += request->participant_tracks[i]->n_track_sids;
    return count;
}

/* Clients name a track in both lists. Telling twice of what is not there would not be harmless. */
static void handle_subscription(struct peer *peer, const Livekit__UpdateSubscription *request) {
    if (!list_fits(peer, subscription_len(request)) ||
        (request->subscribe && !peer->participant->permission.can_subscribe))
        return;
    struct visit visit = {.number = ++peer->control->visits};
    for (size_t i = 0; i < request->n_track_sids; i++)
        subscribe_one(peer, request->track_sids[i], request->subscribe, true, &visit);
    for (size_t i = 0; i < request->n_participant_tracks; i++) {
        const Livekit__ParticipantTracks *tracks = request->participant_tracks[i];
        for (size_t k = 0; k < tracks->n_track_sids; k++)
            subscribe_one(peer, tracks->track_sids[k], request->subscribe, request->n_track_sids == 0, &visit);
    }
}

static void handle_audio_track(struct peer *peer, const Livekit__UpdateLocalAudioTrack *request) {
    struct track *track = track_find(peer->participant, request->track_sid);
    if (track == NULL || track->type != ROOM_AUDIO) {
        send_request_response(peer, 0, LIVEKIT__REQUEST_RESPONSE__REASON__NOT_FOUND, "no such track",
                              LIVEKIT__REQUEST_RESPONSE__REQUEST_UPDATE_AUDIO_TRACK, request);
        return;
    }
    track->audio_features = 0;
    for (size_t i = 0; i < request->n_features; i++) {
        unsigned feature = (unsigned)request->features[i];
        track->audio_features |= feature < 32 ? UINT32_C(1) << feature : 0;
    }
    track->version_unix_us = peer->control->unix_us;
    participant_touch(peer->participant);
}

static void handle_video_track(struct peer *peer, const Livekit__UpdateLocalVideoTrack *request) {
    struct track *track = track_find(peer->participant, request->track_sid);
    if (track == NULL || track->type != ROOM_VIDEO) {
        send_request_response(peer, 0, LIVEKIT__REQUEST_RESPONSE__REASON__NOT_FOUND, "no such track",
                              LIVEKIT__REQUEST_RESPONSE__REQUEST_UPDATE_VIDEO_TRACK, request);
        return;
    }
    track->width = request->width;
    track->height = request->height;
    track->version_unix_us = peer->control->unix_us;
    participant_touch(peer->participant);
}

/* ---- metadata ---------------------------------------------------------------------------------------------------- */

static bool fits(const struct peer *peer, const char *metadata, const char *name, size_t count, const char *const *keys,
                 const char *const *values) {
    const struct control_config *config = &peer->control->config;
    size_t attributes = participant_attributes_len(peer->participant);
    size_t added = 0;
    for (size_t i = 0; i < count; i++) {
        const char *old = participant_attribute(peer->participant, keys[i]);
        if (old != NULL)
            attributes -= strlen(old) + strlen(keys[i]);
        else
            added++;
        attributes += values[i][0] != 0 ? strlen(keys[i]) + strlen(values[i]) : 0;
        if (attributes > config->attributes_len_max)
            return false;
    }
    size_t len = attributes + strlen(metadata != NULL ? metadata : peer->participant->metadata) +
                 strlen(name != NULL ? name : peer->participant->name);
    return room_info_fits(peer->participant->room, peer->participant->info_len, len) &&
           (metadata == NULL || strlen(metadata) <= config->metadata_len_max) &&
           (name == NULL || strlen(name) <= config->identity_len_max) &&
           peer->participant->attributes_count + added <= ROOM_ATTRIBUTES_MAX;
}

static bool keys_unique(size_t count, const char *const *keys) {
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(keys[i], keys[k]) == 0)
                return false;
        }
    }
    return true;
}

Livekit__RequestResponse__Reason participant_set_info(struct peer *peer, const char *metadata, const char *name,
                                                      size_t count, const char *const *keys,
                                                      const char *const *values) {
    struct participant *participant = peer->participant;
    peer->control->work_ns += WORK_ATTRIBUTE_NS * count * (count + participant->attributes_count);
    if (count > ROOM_ATTRIBUTES_MAX || !keys_unique(count, keys) || !fits(peer, metadata, name, count, keys, values)) {
        peer->control->counters.limit_refused++;
        return LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED;
    }
    if (metadata != NULL)
        memory_set_text(&participant->metadata, metadata);
    if (name != NULL)
        memory_set_text(&participant->name, name);
    for (size_t i = 0; i < count; i++) {
        bool set = participant_attribute_set(participant, keys[i], values[i]);
        ASSERT(set);
    }
    participant_count_info(participant);
    participant_touch(participant);
    return LIVEKIT__REQUEST_RESPONSE__REASON__OK;
}

static void handle_metadata(struct peer *peer, const Livekit__UpdateParticipantMetadata *request) {
    Livekit__RequestResponse__Reason reason = LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED;
    if (room_is_meeting(peer->control, peer->participant->room->name))
        peer->control->counters.meeting_clear_refused++;
    if (peer->participant->permission.can_update_metadata && request->n_attributes > ROOM_ATTRIBUTES_MAX) {
        reason = LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED;
    } else if (peer->participant->permission.can_update_metadata) {
        const char *keys[ROOM_ATTRIBUTES_MAX], *values[ROOM_ATTRIBUTES_MAX];
        for (size_t i = 0; i < request->n_attributes; i++) {
            keys[i] = request->attributes[i]->key;
            values[i] = request->attributes[i]->value;
        }
        /* clients send what they do not change as it is, and both empty when only attributes change */
        const char *metadata = request->metadata[0] != 0 ? request->metadata : NULL;
        const char *name = request->name[0] != 0 ? request->name : NULL;
        reason = participant_set_info(peer, metadata, name, request->n_attributes, keys, values);
    }
    const char *text = reason == LIVEKIT__REQUEST_RESPONSE__REASON__OK ? ""
                       : reason == LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED
                           ? "changing own metadata is not permitted"
                           : "metadata, name or attributes too long";
    updates_flush(peer->control);
    send_request_response(peer, request->request_id, reason, text, LIVEKIT__REQUEST_RESPONSE__REQUEST_UPDATE_METADATA,
                          request);
}

/* ---- resuming ---------------------------------------------------------------------------------------------------- */

static void handle_sync_state(struct peer *peer, const Livekit__SyncState *state) {
    struct participant *participant = peer->participant;
    size_t listed = state->n_publish_tracks + state->n_track_sids_disabled + state->n_datachannel_receive_states +
                    (state->subscription != NULL ? subscription_len(state->subscription) : 0) +
                    (state->data_subscription != NULL ? state->data_subscription->n_updates : 0);
    if (!list_fits(peer, listed))
        return;
    for (size_t i = 0; i < state->n_publish_tracks; i++) {
        const Livekit__TrackInfo *info = state->publish_tracks[i]->track;
        if (info != NULL && track_find(participant, info->sid) == NULL) {
            peer->control->counters.resumes_refused++;
            peer_leave(peer, ROOM_LEAVE_STATE_MISMATCH, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
            return;
        }
    }
    if (state->subscription != NULL)
        handle_subscription(peer, state->subscription);
    for (size_t i = 0; i < state->n_track_sids_disabled; i++) {
        struct track *track = track_find_in_room(participant->room, state->track_sids_disabled[i]);
        struct subscription *subscription = track != NULL ? subscription_find(participant, track) : NULL;
        peer->control->work_ns += WORK_ENTRY_NS;
        if (subscription == NULL || (subscription->settings.given && subscription->settings.disabled))
            continue;
        if (!subscription->settings.given)
            subscription->settings = (struct room_settings){.given = true, .quality = ROOM_HIGH};
        subscription->settings.disabled = true;
        subscription_recount(subscription);
        subscribe_apply(subscription);
        publish_dynacast(track);
    }
    if (state->data_subscription != NULL)
        data_update_subscription(peer, state->data_subscription);
    data_replay(peer, state);
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void answer_ping(struct peer *peer, const Livekit__Ping *ping) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    int64_t now_ms = (int64_t)(peer->control->unix_us / US_PER_MS);
    Livekit__SignalResponse *response = message_response(
        &arena, ping != NULL ? LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG_RESP : LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG);
    if (ping != NULL) {
        response->pong_resp = arena_new(&arena, &livekit__pong__descriptor);
        response->pong_resp->last_ping_timestamp = ping->timestamp;
        response->pong_resp->timestamp = now_ms;
    } else {
        response->pong = now_ms;
    }
    peer_send(peer, response);
    arena_free(&arena);
}

static void simulate_speakers(struct peer *peer) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SPEAKERS_CHANGED);
    response->speakers_changed = arena_new(&arena, &livekit__speakers_changed__descriptor);
    response->speakers_changed->n_speakers = 1;
    response->speakers_changed->speakers = arena_new_array(&arena, &livekit__speaker_info__descriptor, 1);
    response->speakers_changed->speakers[0]->sid = peer->participant->sid;
    response->speakers_changed->speakers[0]->level = 0.9f;
    response->speakers_changed->speakers[0]->active = true;
    room_send(peer->control, peer->participant->room, NULL, response);
    arena_free(&arena);
}

/* Clients' own tests of their reconnection. */
static void handle_simulate(struct peer *peer, const Livekit__SimulateScenario *scenario) {
    switch (scenario->scenario_case) {
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SPEAKER_UPDATE:
        simulate_speakers(peer);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SERVER_LEAVE:
        peer_leave(peer, ROOM_LEAVE_SHUTDOWN, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_NODE_FAILURE:
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_MIGRATION:
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_LEAVE_REQUEST_FULL_RECONNECT:
        peer_leave(peer, ROOM_LEAVE_STATE_MISMATCH, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_DISCONNECT_SIGNAL_ON_RESUME:
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_DISCONNECT_SIGNAL_ON_RESUME_NO_MESSAGES:
        peer->drop_on_resume = true;
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SWITCH_CANDIDATE_PROTOCOL: {
        /* both protocols are in every answer; the client chooses when it restarts, which is what it waits for */
        struct session *session = peer->session;
        session_detach(peer);
        peer->absent_since_us = peer->control->now_us;
        timer_arm(peer->control, peer->participant->room, peer->absent_since_us + ABSENT_MAX_US);
        session_leave(peer->control, session, ROOM_LEAVE_UNKNOWN, LIVEKIT__LEAVE_REQUEST__ACTION__RESUME);
        break;
    }
    default: /* bandwidth is the engine's to find out */
        break;
    }
}

static size_t permission_len(const Livekit__SubscriptionPermission *permission) {
    size_t count = permission->n_track_permissions;
    for (size_t i = 0; i < permission->n_track_permissions; i++)
        count += permission->track_permissions[i]->n_track_sids;
    return count;
}

static void handle_track_request(struct peer *peer, const Livekit__SignalRequest *request) {
    switch (request->message_case) {
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK:
        publish_add_track(peer, request->add_track);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE:
        handle_mute(peer, request->mute);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION:
        handle_subscription(peer, request->subscription);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING:
        if (list_fits(peer, request->track_setting->n_track_sids))
            subscribe_settings(peer->participant, request->track_setting);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION_PERMISSION:
        if (list_fits(peer, permission_len(request->subscription_permission)))
            subscribe_permission(peer, request->subscription_permission);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_AUDIO_TRACK:
        handle_audio_track(peer, request->update_audio_track);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_VIDEO_TRACK:
        handle_video_track(peer, request->update_video_track);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_PUBLISH_DATA_TRACK_REQUEST:
        data_publish_track(peer, request->publish_data_track_request);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_UNPUBLISH_DATA_TRACK_REQUEST:
        data_unpublish_track(peer, request->unpublish_data_track_request);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_DATA_SUBSCRIPTION:
        if (list_fits(peer, request->update_data_subscription->n_updates))
            data_update_subscription(peer, request->update_data_subscription);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRICKLE:       /* of no use to an ICE-lite server */
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_LAYERS: /* deprecated */
        break;
    default: /* newer than us: so that nobody waits for what does not come */
        send_request_response(peer, 0, LIVEKIT__REQUEST_RESPONSE__REASON__UNSUPPORTED_TYPE,
                              "this server does not know the request", LIVEKIT__REQUEST_RESPONSE__REQUEST__NOT_SET,
                              NULL);
        break;
    }
}

void request_handle(struct peer *peer, const Livekit__SignalRequest *request) {
    switch (request->message_case) {
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER:
        request_offer(peer, request->offer);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_ANSWER:
        handle_answer(peer, request->answer);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE:
        peer_gone(peer, ROOM_LEAVE_CLIENT);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE:
        handle_sync_state(peer, request->sync_state);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_SIMULATE:
        handle_simulate(peer, request->simulate);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING:
        answer_ping(peer, NULL);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ:
        answer_ping(peer, request->ping_req);
        break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_METADATA:
        handle_metadata(peer, request->update_metadata);
        break;
    default:
        handle_track_request(peer, request);
        break;
    }
}
