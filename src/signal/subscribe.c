/* Who receives what: the rules of room/ turned into sections and engine sinks. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "room/memory.h"
#include "signal/internal.h"

/* Order in which the allocator serves sinks of one receiver. */
#define PRIORITY_AUDIO 255
#define PRIORITY_SCREEN 200
#define PRIORITY_ASKED 150
#define PRIORITY_CAMERA 100

void section_draw_ssrcs(struct control *control, struct section *section) {
    /* never 0, and never the same: one is odd, the other even */
    section->ssrc = rng_u32(control->rng) | 1;
    section->rtx_ssrc = section->kind == SDP_VIDEO ? (rng_u32(control->rng) & ~UINT32_C(1)) | 2 : 0;
}

static void sink_close(struct subscription *subscription) {
    if (subscription->sink == 0)
        return;
    struct control *control = peer_of(subscription->subscriber)->control;
    struct shard *shard = &control->shards[subscription->subscriber->room->shard];
    struct engine_command command = {.type = ENGINE_SINK_CLOSE, .object = subscription->sink};
    output_command(control, subscription->subscriber->room->shard, &command, NULL);
    shard->sink_owner[pool_index(subscription->sink)] = NULL;
    room_give(control, subscription->subscriber->room, ROOM_SINKS, subscription->sink);
    subscription->sink = 0;
}

static void detach(struct subscription *subscription) {
    struct section *section = subscription->section;
    sink_close(subscription);
    if (section == NULL)
        return;
    ASSERT(section->subscription == subscription);
    section->subscription = NULL;
    section->agreed = false;
    section->settled = false;
    subscription->section = NULL;
}

void subscribe_unsupported(struct subscription *subscription) {
    subscription->unsupported = true;
    detach(subscription);
    subscription->active = false;
    subscription_recount(subscription);
    send_subscription_error(peer_of(subscription->subscriber), subscription->track->sid,
                            LIVEKIT__SUBSCRIPTION_ERROR__SE_CODEC_UNSUPPORTED);
}

/* ---- WHEP: sections are given once, tracks come and go ----------------------------------------------------------- */

static bool whep_takes(struct peer *peer, const struct track *track) {
    if (peer->whep_identity[0] == 0) {
        /* the first publisher found is the one that is watched, until it leaves */
        LIST_EACH(&peer->participant->subscriptions, struct subscription, node, subscription) {
            if (subscription->active)
                return subscription->track->publisher == track->publisher;
        }
        return true;
    }
    return strcmp(peer->whep_identity, track->publisher->identity) == 0;
}

/* Agreed formats against those of a track that came later. */
static bool whep_map(struct section *section, const struct track *track) {
    uint32_t count = 0;
    memset(section->tx_codecs, 0, sizeof section->tx_codecs);
    for (uint32_t i = 0; i < track->formats_count && count < ENGINE_SOURCE_CODECS_MAX; i++) {
        struct sdp_codec_support own = {.codec = track->formats[i].codec, .fmtp = track->formats[i].fmtp};
        if (own.codec == CODEC_RED || own.codec == CODEC_OPUS)
            own.fmtp = NULL;
        for (uint32_t k = 0; k < section->tx_formats_count; k++) {
            struct sdp_format format = {.codec = section->tx_formats[k].codec,
                                        .fmtp = span_str(section->tx_formats[k].fmtp)};
            if (sdp_format_match(&format, &own, 1) != 0)
                continue;
            section->tx_codecs[count++] = section->tx_maps[k];
            break;
        }
    }
    return count > 0;
}

static void whep_bind(struct peer *peer, struct subscription *subscription) {
    struct pc *pc = peer->subscriber;
    enum sdp_kind kind = subscription->track->type == ROOM_AUDIO ? SDP_AUDIO : SDP_VIDEO;
    for (uint32_t i = 0; i < pc->sections_count; i++) {
        struct section *section = pc->sections[i];
        if (section->kind != kind || section->stopped || !section->can_send || section->subscription != NULL ||
            section->tx_formats == NULL || !whep_map(section, subscription->track))
            continue;
        if (section->used) /* a second stream under the same number would look like a replay */
            section_draw_ssrcs(peer->control, section);
        section->subscription = subscription;
        subscription->section = section;
        section->used = section->agreed = true;
        return;
    }
}

/* A place became free: another track of this kind may wait for one. */
static void whep_rebind(struct peer *peer) {
    if (peer->leaving || peer->subscriber == NULL)
        return;
    LIST_EACH(&peer->participant->subscriptions, struct subscription, node, subscription) {
        if (subscription->active && subscription->section == NULL)
            whep_bind(peer, subscription);
    }
    subscribe_start(peer->subscriber);
}

/* Nothing more of the track to this subscriber; the object stays, for what was said about it. */
void subscribe_drop(struct subscription *subscription) {
    struct peer *peer = peer_of(subscription->subscriber);
    bool negotiated = subscription->section != NULL;
    detach(subscription);
    subscription->active = false;
    subscription->paused = false;
    subscription_recount(subscription);
    if (!negotiated || peer->subscriber == NULL)
        return;
    if (peer->kind == PEER_WHEP)
        whep_rebind(peer);
    else
        pc_schedule(peer->subscriber, false);
}

/* ---- wishes ------------------------------------------------------------------------------------------------------ */

static void tell_first_subscriber(struct track *track) {
    if (track->first_subscriber_told)
        return;
    track->first_subscriber_told = true;
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_SUBSCRIBED);
    response->track_subscribed = arena_new(&arena, &livekit__track_subscribed__descriptor);
    response->track_subscribed->track_sid = track->sid;
    peer_send(peer_of(track->publisher), response);
    arena_free(&arena);
}

static bool connection_ready(struct peer *peer) {
    if (peer->subscriber == NULL && peer->kind == PEER_V0)
        peer->subscriber = pc_open(peer, PC_SERVER_OFFERS);
    return peer->subscriber != NULL;
}

static void activate(struct peer *peer, struct subscription *subscription) {
    /* a client of one connection makes it with its first offer; subscriptions wait for that */
    if (!connection_ready(peer) && peer->kind == PEER_V0) {
        send_subscription_error(peer, subscription->track->sid, LIVEKIT__SUBSCRIPTION_ERROR__SE_UNKNOWN);
        return;
    }
    subscription->active = true;
    subscription_recount(subscription);
    if (peer->subscriber == NULL)
        return;
    if (peer->kind == PEER_WHEP) {
        whep_bind(peer, subscription);
        subscribe_start(peer->subscriber);
        return;
    }
    pc_schedule(peer->subscriber, false);
}

static bool notice_permission(struct peer *peer, struct track *track, struct subscription *subscription) {
    bool denied = track->published && peer->participant->permission.can_subscribe &&
                  peer->participant != track->publisher && subscription_desired(peer->participant, track) &&
                  !subscription_permitted(peer->participant, track);
    bool told = subscription != NULL && subscription->denied_told;
    if (denied == told)
        return denied;
    if (subscription == NULL)
        subscription = subscription_open(peer->participant, track);
    subscription->denied_told = denied;
    updates_flush(peer->control);
    send_permission_update(peer, track, !denied);
    return denied;
}

void subscribe_update(struct participant *subscriber, struct track *track) {
    struct peer *peer = peer_of(subscriber);
    peer->control->work_ns += WORK_PAIR_NS;
    if (subscriber == track->publisher || peer->kind == PEER_WHIP)
        return;
    struct subscription *subscription = subscription_find(subscriber, track);
    bool denied = notice_permission(peer, track, subscription);
    subscription = subscription_find(subscriber, track);
    bool wanted = subscription_wanted(subscriber, track) && (peer->kind != PEER_WHEP || whep_takes(peer, track));
    if (wanted) {
        if (subscription == NULL)
            subscription = subscription_open(subscriber, track);
        if (!subscription->active && !subscription->unsupported) {
            activate(peer, subscription);
            if (subscription->active)
                tell_first_subscriber(track);
        }
        return;
    }
    if (subscription == NULL)
        return;
    if (subscription->active)
        subscribe_drop(subscription);
    if (subscription->wish == ROOM_WISH_NONE && !subscription->settings.given && !denied)
        subscription_close(subscription);
}

void subscribe_update_track(struct track *track) {
    LIST_EACH(&track->publisher->room->participants, struct participant, node, other) {
        subscribe_update(other, track);
    }
    publish_dynacast(track);
}

void subscribe_update_participant(struct participant *subscriber) {
    LIST_EACH(&subscriber->room->participants, struct participant, node, publisher) {
        LIST_EACH(&publisher->tracks, struct track, node, track) {
            if (publisher == subscriber || !track->published)
                continue;
            subscribe_update(subscriber, track);
            publish_dynacast(track);
        }
    }
}

void subscribe_request(struct participant *subscriber, struct track *track, bool subscribe) {
    if (subscriber == track->publisher)
        return;
    struct subscription *subscription = subscription_find(subscriber, track);
    if (subscription == NULL)
        subscription = subscription_open(subscriber, track);
    subscription->wish = subscribe ? ROOM_WISH_YES : ROOM_WISH_NO;
    subscription->unsupported = false; /* asked again, it is tried again */
    subscribe_update(subscriber, track);
    publish_dynacast(track);
}

void subscribe_settings(struct participant *subscriber, const Livekit__UpdateTrackSettings *settings) {
    struct control *control = peer_of(subscriber)->control;
    uint64_t visit = ++control->visits;
    for (size_t i = 0; i < settings->n_track_sids; i++) {
        struct track *track = track_find_in_room(subscriber->room, settings->track_sids[i]);
        control->work_ns += WORK_ENTRY_NS;
        if (track == NULL || track->publisher == subscriber || track->visited == visit)
            continue; /* named again, it gets the same settings */
        track->visited = visit;
        struct subscription *subscription = subscription_find(subscriber, track);
        if (subscription == NULL)
            subscription = subscription_open(subscriber, track);
        subscription->settings = (struct room_settings){
            .given = true,
            .disabled = settings->disabled,
            .quality = (unsigned)settings->quality < ROOM_OFF ? (enum room_quality)settings->quality : ROOM_HIGH,
            .width = settings->width,
            .height = settings->height,
            .fps = settings->fps,
            .priority = settings->priority,
        };
        subscription_recount(subscription);
        subscribe_apply(subscription);
        publish_dynacast(track);
    }
}

static void copy_permission(struct room_allow *out, const Livekit__TrackPermission *permission) {
    out->by_sid = permission->participant_identity[0] == 0;
    const char *name = out->by_sid ? permission->participant_sid : permission->participant_identity;
    out->name = memory_text(strlen(name) <= CONTROL_WHO_LEN_MAX ? name : "");
    out->all_tracks = permission->all_tracks;
    size_t count = permission->n_track_sids < ROOM_ALLOW_SIDS_MAX ? permission->n_track_sids : ROOM_ALLOW_SIDS_MAX;
    out->sids = memory_new(count * sizeof *out->sids);
    for (size_t i = 0; i < count; i++) {
        if (span_to_str(span_str(permission->track_sids[i]), out->sids[out->sids_count], ROOM_SID_SIZE))
            out->sids_count++;
    }
}

void subscribe_permission(struct peer *publisher, const Livekit__SubscriptionPermission *permission) {
    struct participant *participant = publisher->participant;
    participant_allow_clear(participant);
    participant->allow_all = permission->all_participants;
    publisher->control->work_ns += WORK_ENTRY_NS * permission->n_track_permissions;
    size_t count = permission->n_track_permissions < ROOM_ALLOW_MAX ? permission->n_track_permissions : ROOM_ALLOW_MAX;
    if (count > 0)
        participant->allow = memory_new(count * sizeof *participant->allow);
    for (size_t i = 0; i < count; i++)
        copy_permission(&participant->allow[participant->allow_count++], permission->track_permissions[i]);
    participant_allow_sort(participant);
    LIST_EACH(&participant->tracks, struct track, node, track) {
        if (track->published)
            subscribe_update_track(track);
    }
}

/* ---- sections and sinks ------------------------------------------------------------------------------------------ */

/* An inactive section may carry another track. Not for encrypted ones while there is room: a decryptor that is set up
 * for one sender should never see frames of another. */
static bool reusable(const struct pc *pc, const struct section *section, const struct track *track) {
    if (!section->settled)
        return false;
    if (!section->used)
        return true;
    bool encrypted = section->used_encrypted || track->encryption != ROOM_ENCRYPTION_NONE;
    return !encrypted || pc->sections_count >= PC_SECTIONS_REUSE;
}

static struct section *section_for(struct pc *pc, const struct track *track) {
    enum sdp_kind kind = track->type == ROOM_AUDIO ? SDP_AUDIO : SDP_VIDEO;
    for (uint32_t i = 0; i < pc->sections_count; i++) {
        struct section *section = pc->sections[i];
        if (section->kind != kind || section->stopped || section->subscription != NULL)
            continue;
        if (pc->role == PC_CLIENT_OFFERS ? section->can_send && (reusable(pc, section, track) || !section->used)
                                         : reusable(pc, section, track))
            return section;
    }
    if (pc->role == PC_CLIENT_OFFERS)
        return NULL;
    char mid[ENGINE_MID_LEN_MAX + 1];
    struct writer w = writer_of(mid, sizeof mid - 1);
    wr_fmt(&w, "%u", pc->sections_count);
    mid[w.len] = 0;
    return pc_section_add(pc, kind, mid);
}

static bool place(struct pc *pc, struct subscription *subscription) {
    struct engine_codec_map offered[ENGINE_SOURCE_CODECS_MAX];
    codecs_offer_choose(subscription->track, offered);
    if (pc->role == PC_SERVER_OFFERS && offered[0].codec == CODEC_UNKNOWN) {
        subscribe_unsupported(subscription);
        return true;
    }
    struct section *section = section_for(pc, subscription->track);
    if (section == NULL)
        return false;
    section->subscription = subscription;
    subscription->section = section;
    section->used = true;
    section->used_encrypted = section->used_encrypted || subscription->track->encryption != ROOM_ENCRYPTION_NONE;
    section->agreed = section->settled = false;
    memcpy(section->tx_offered, offered, sizeof offered);
    memset(section->tx_codecs, 0, sizeof section->tx_codecs);
    section_draw_ssrcs(pc->peer->control, section);
    return true;
}

void subscribe_assign(struct pc *pc, uint32_t *audios, uint32_t *videos) {
    *audios = *videos = 0;
    if (pc != pc->peer->subscriber || pc->peer->kind == PEER_WHIP)
        return;
    LIST_EACH(&pc->peer->participant->subscriptions, struct subscription, node, subscription) {
        if (!subscription->active || subscription->section != NULL || place(pc, subscription))
            continue;
        if (subscription->track->type == ROOM_AUDIO)
            (*audios)++;
        else
            (*videos)++;
    }
}

static void sink_open(struct pc *pc, struct section *section) {
    struct control *control = pc->peer->control;
    struct shard *shard = &control->shards[pc->shard];
    struct subscription *subscription = section->subscription;
    subscription->sink = room_take(control, subscription->subscriber->room, ROOM_SINKS);
    if (subscription->sink == 0) {
        control->counters.limit_refused++;
        section->agreed = false; /* not tried again with every description */
        send_subscription_error(pc->peer, subscription->track->sid, LIVEKIT__SUBSCRIPTION_ERROR__SE_UNKNOWN);
        return;
    }
    shard->sink_owner[pool_index(subscription->sink)] = subscription;
    struct engine_command command = {.type = ENGINE_SINK_OPEN, .object = subscription->sink};
    struct engine_sink_open *open = &command.sink_open;
    open->transport = pc->transport;
    open->source = subscription->track->source;
    memcpy(open->mid, section->mid, sizeof open->mid);
    open->ssrc = section->ssrc;
    open->rtx_ssrc = section->tx_codecs[0].rtx_pt != 0 ? section->rtx_ssrc : 0;
    memcpy(open->codecs, section->tx_codecs, sizeof open->codecs);
    memcpy(open->cname, subscription->track->publisher->sid, ROOM_SID_SIZE);
    output_command(control, pc->shard, &command, NULL);
    subscribe_apply(subscription);
}

void subscribe_start(struct pc *pc) {
    for (uint32_t i = 0; i < pc->sections_count; i++) {
        struct section *section = pc->sections[i];
        struct subscription *subscription = section->subscription;
        if (subscription != NULL && section->agreed && subscription->sink == 0 && subscription->track->source != 0)
            sink_open(pc, section);
    }
}

static uint8_t temporal_for(uint32_t fps) {
    if (fps == 0 || fps > 20)
        return 3;
    return fps > 10 ? 1 : 0; /* three temporal layers are a quarter, half and the full frame rate */
}

static uint8_t priority_for(const struct track *track, const struct room_settings *settings) {
    if (track->type == ROOM_AUDIO)
        return PRIORITY_AUDIO;
    if (settings->given && settings->priority > 0) /* 1 is the client's first choice */
        return (uint8_t)(PRIORITY_ASKED - (settings->priority < 40 ? settings->priority : 40));
    return track->track_source == ROOM_SCREEN ? PRIORITY_SCREEN : PRIORITY_CAMERA;
}

void subscribe_apply(struct subscription *subscription) {
    if (subscription->sink == 0)
        return;
    const struct participant *subscriber = subscription->subscriber;
    const struct room_settings *settings = &subscription->settings;
    struct engine_command command = {.type = ENGINE_SINK_SETTINGS, .object = subscription->sink};
    struct engine_sink_settings *out = &command.sink_settings;
    out->enabled = !settings->given || !settings->disabled;
    out->max_spatial =
        track_layer_for(subscription->track, settings, subscriber->adaptive_stream ? ROOM_LOW : ROOM_HIGH);
    out->max_temporal = temporal_for(settings->fps);
    out->priority = priority_for(subscription->track, settings);
    out->allow_pause = subscriber->allow_pause && subscription->track->type == ROOM_VIDEO;
    output_command(peer_of(subscriber)->control, subscriber->room->shard, &command, NULL);
}

void subscribe_stream_state(struct subscription *subscription, bool paused) {
    if (subscription->paused == paused)
        return;
    subscription->paused = paused;
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_STREAM_STATE_UPDATE);
    response->stream_state_update = arena_new(&arena, &livekit__stream_state_update__descriptor);
    response->stream_state_update->n_stream_states = 1;
    response->stream_state_update->stream_states = arena_new_array(&arena, &livekit__stream_state_info__descriptor, 1);
    Livekit__StreamStateInfo *info = response->stream_state_update->stream_states[0];
    info->participant_sid = subscription->track->publisher->sid;
    info->track_sid = subscription->track->sid;
    info->state = paused ? LIVEKIT__STREAM_STATE__PAUSED : LIVEKIT__STREAM_STATE__ACTIVE;
    peer_send(peer_of(subscription->subscriber), response);
    arena_free(&arena);
}
