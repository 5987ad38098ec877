/* What participants publish: from add_track and the section that carries it to an engine source that others may see. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "room/memory.h"
#include "signal/internal.h"

static void refuse(struct peer *peer, const Livekit__AddTrackRequest *request, Livekit__RequestResponse__Reason reason,
                   const char *text) {
    if (reason == LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED)
        peer->control->counters.limit_refused++;
    send_request_response(peer, 0, reason, text, LIVEKIT__REQUEST_RESPONSE__REQUEST_ADD_TRACK, request);
}

static bool copy(char *out, size_t size, const char *text) {
    return span_to_str(span_str(text), out, size);
}

static uint32_t bits_of(const void *values, size_t count) {
    const int *list = values;
    uint32_t bits = 0;
    for (size_t i = 0; i < count; i++)
        bits |= list[i] >= 0 && list[i] < 32 ? UINT32_C(1) << list[i] : 0;
    return bits;
}

static uint32_t copy_layers(struct room_layer *out, Livekit__VideoLayer *const *layers, size_t count) {
    uint32_t kept = 0;
    for (size_t i = 0; i < count && kept < ROOM_LAYERS_MAX; i++) {
        const Livekit__VideoLayer *layer = layers[i];
        if ((unsigned)layer->quality >= ROOM_OFF)
            continue;
        out[kept] = (struct room_layer){.quality = (enum room_quality)layer->quality,
                                        .width = layer->width,
                                        .height = layer->height,
                                        .bitrate_bps = layer->bitrate,
                                        .ssrc = layer->ssrc,
                                        .spatial_layer = layer->spatial_layer};
        (void)copy(out[kept].rid, sizeof out[kept].rid, layer->rid);
        kept++;
    }
    /* lowest first, as the engine counts them, in whatever order the client lists them */
    for (uint32_t i = 1; i < kept; i++) {
        for (uint32_t k = i; k > 0 && out[k - 1].quality > out[k].quality; k--) {
            struct room_layer swap = out[k];
            out[k] = out[k - 1];
            out[k - 1] = swap;
        }
    }
    return kept;
}

static void copy_codecs(struct track *track, const Livekit__AddTrackRequest *request) {
    for (size_t i = 0; i < request->n_simulcast_codecs && track->codecs_count < ROOM_CODECS_MAX; i++) {
        const Livekit__SimulcastCodec *wish = request->simulcast_codecs[i];
        enum codec codec = codec_by_mime(span_str(wish->codec));
        struct room_simulcast_codec *out = &track->codecs[track->codecs_count];
        if (codec == CODEC_UNKNOWN || !copy(out->mime, sizeof out->mime, codec_mime(codec)))
            continue;
        if (wish->cid[0] == 0 || !copy(out->cid, sizeof out->cid, wish->cid))
            (void)copy(out->cid, sizeof out->cid, request->cid);
        out->layer_mode = (int32_t)wish->video_layer_mode;
        out->layers_count = copy_layers(out->layers, wish->layers, wish->n_layers);
        track->codecs_count++;
    }
    if (track->codecs_count > 0)
        memcpy(track->mime, track->codecs[0].mime, sizeof track->mime);
}

static const char *default_stream(enum room_track_source source) {
    if (source == ROOM_SCREEN || source == ROOM_SCREEN_AUDIO)
        return "screen";
    return source == ROOM_CAMERA || source == ROOM_MICROPHONE ? "camera" : "";
}

static void fill_track(struct control *control, struct track *track, const Livekit__AddTrackRequest *request) {
    track->track_source =
        (unsigned)request->source <= ROOM_SCREEN_AUDIO ? (enum room_track_source)request->source : ROOM_SOURCE_UNKNOWN;
    (void)copy(track->cid, sizeof track->cid, request->cid);
    if (!room_is_meeting(control, track->publisher->room->name))
        memory_set_text(&track->name, request->name);
    track->muted = request->muted;
    track->width = request->width;
    track->height = request->height;
    track->disable_dtx = request->disable_dtx;
    track->stereo = request->stereo;
    track->encryption = (unsigned)request->encryption <= ROOM_ENCRYPTION_CUSTOM
                            ? (enum room_encryption)request->encryption
                            : ROOM_ENCRYPTION_CUSTOM;
    /* an encrypted payload cannot be split into blocks and put together again */
    track->disable_red = request->disable_red || track->encryption != ROOM_ENCRYPTION_NONE;
    track->backup_codec_policy = (int32_t)request->backup_codec_policy;
    track->audio_features = bits_of(request->audio_features, request->n_audio_features);
    track->trailer_features = bits_of(request->packet_trailer_features, request->n_packet_trailer_features);
    if (request->stream[0] == 0 || !copy(track->stream, sizeof track->stream, request->stream))
        (void)copy(track->stream, sizeof track->stream, default_stream(track->track_source));
    copy_codecs(track, request);
    track->layers_count = copy_layers(track->layers, request->layers, request->n_layers);
    if (track->layers_count == 0 && track->codecs_count > 0) {
        track->layers_count = track->codecs[0].layers_count;
        memcpy(track->layers, track->codecs[0].layers, sizeof track->layers);
    }
    track_sort_layers(track);
    track->simulcast = track->layers_count > 1;
    track->version_unix_us = control->unix_us;
}

static struct track *pending_by_cid(const struct participant *participant, const char *cid) {
    LIST_EACH(&participant->tracks, struct track, node, track) {
        if (track->mid[0] == 0 && strcmp(track->cid, cid) == 0)
            return track;
    }
    return NULL;
}

void publish_add_track(struct peer *peer, const Livekit__AddTrackRequest *request) {
    struct participant *participant = peer->participant;
    struct control *control = peer->control;
    if ((unsigned)request->source > ROOM_SCREEN_AUDIO ||
        !participant_may_publish(participant, (enum room_track_source)request->source)) {
        refuse(peer, request, LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED,
               "publishing this source is not permitted");
        return;
    }
    if (request->type != LIVEKIT__TRACK_TYPE__AUDIO && request->type != LIVEKIT__TRACK_TYPE__VIDEO) {
        refuse(peer, request, LIVEKIT__REQUEST_RESPONSE__REASON__UNSUPPORTED_TYPE, "not an audio or video track");
        return;
    }
    if (request->encryption == LIVEKIT__ENCRYPTION__TYPE__NONE && room_is_meeting(control, participant->room->name)) {
        control->counters.meeting_clear_refused++;
        refuse(peer, request, LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED,
               "tracks of a meeting must be end-to-end encrypted");
        return;
    }
    if (request->sid[0] != 0) {
        /* a second codec of a track; never asked for by subscribed_quality_update, so nobody should offer it */
        refuse(peer, request, LIVEKIT__REQUEST_RESPONSE__REASON__UNSUPPORTED_TYPE, "backup codecs are not supported");
        return;
    }
    if (request->cid[0] == 0 || strlen(request->cid) > ROOM_CID_LEN_MAX ||
        strlen(request->name) > ROOM_TRACK_NAME_LEN_MAX) {
        refuse(peer, request, LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_REQUEST, "track id or name too long");
        return;
    }
    struct track *track = pending_by_cid(participant, request->cid);
    if (track == NULL) {
        if (participant->tracks_count >= control->config.tracks_per_participant_max) {
            refuse(peer, request, LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED, "too many tracks");
            return;
        }
        track = track_open(participant, request->type == LIVEKIT__TRACK_TYPE__AUDIO ? ROOM_AUDIO : ROOM_VIDEO);
        fill_track(control, track, request);
    }
    send_track_published(peer, track, request->cid);
    if (peer->publisher != NULL) {
        publish_match(peer->publisher); /* its section may have come first */
        publish_start(peer->publisher);
    }
}

struct track *publish_synthesise(struct peer *peer, const struct section *section) {
    struct participant *participant = peer->participant;
    enum room_track_source source = section->kind == SDP_AUDIO ? ROOM_MICROPHONE : ROOM_CAMERA;
    if (!participant_may_publish(participant, source) ||
        participant->tracks_count >= peer->control->config.tracks_per_participant_max)
        return NULL;
    struct track *track = track_open(participant, section->kind == SDP_AUDIO ? ROOM_AUDIO : ROOM_VIDEO);
    track->track_source = source;
    memory_set_text(&track->name, section->kind == SDP_AUDIO ? "microphone" : "camera");
    (void)copy(track->cid, sizeof track->cid, section->cid);
    (void)copy(track->stream, sizeof track->stream, "camera");
    track->version_unix_us = peer->control->unix_us;
    track->stereo = section->offers_stereo;
    track->disable_dtx = !section->offers_dtx;
    for (uint8_t i = 0; track->type == ROOM_VIDEO && i < section->layers; i++) {
        struct room_layer *layer = &track->layers[track->layers_count++];
        layer->quality = (enum room_quality)i;
        layer->spatial_layer = i;
        memcpy(layer->rid, section->rids[i], sizeof layer->rid);
    }
    track->simulcast = track->layers_count > 1;
    return track;
}

/* ---- matching sections and tracks -------------------------------------------------------------------------------- */

static bool named(const struct track *track, const char *cid) {
    if (cid[0] == 0)
        return false;
    if (strcmp(track->cid, cid) == 0)
        return true;
    for (uint32_t i = 0; i < track->codecs_count; i++) {
        if (strcmp(track->codecs[i].cid, cid) == 0)
            return true;
    }
    return false;
}

static bool is_pending(const struct track *track, const struct section *section) {
    return track->mid[0] == 0 && (track->type == ROOM_AUDIO) == (section->kind == SDP_AUDIO);
}

/* By the id in the description, else the only one of its kind that waits: some clients change ids on the way. */
static struct track *track_for(struct peer *peer, const struct section *section) {
    struct track *single = NULL;
    uint32_t pending = 0;
    LIST_EACH(&peer->participant->tracks, struct track, node, track) {
        if (!is_pending(track, section))
            continue;
        if (named(track, section->cid))
            return track;
        single = track;
        pending++;
    }
    if (pending == 1)
        return single;
    return peer->kind == PEER_WHIP ? publish_synthesise(peer, section) : NULL;
}

void publish_match(struct pc *pc) {
    /* sections whose id is known first, so that the others do not take their tracks */
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < pc->sections_count; i++) {
            struct section *section = pc->sections[i];
            if (!section->receives || section->stopped || section->track != NULL)
                continue;
            struct track *track = NULL;
            if (pass == 0) {
                LIST_EACH(&pc->peer->participant->tracks, struct track, node, pending) {
                    if (track == NULL && is_pending(pending, section) && named(pending, section->cid))
                        track = pending;
                }
            } else {
                track = track_for(pc->peer, section);
            }
            if (track == NULL)
                continue;
            section->track = track;
            memcpy(track->mid, section->mid, sizeof track->mid);
            memcpy(track->sdp_cid, section->cid, sizeof track->sdp_cid);
        }
    }
}

bool publish_remind(struct peer *peer) {
    bool missing = false;
    if (peer->kind != PEER_V1)
        return false; /* others can't be asked */
    LIST_EACH(&peer->participant->tracks, struct track, node, track) {
        if (track->mid[0] == 0 && track->reminders < PUBLISH_REMINDERS_MAX) {
            track->reminders++;
            missing = true;
        }
    }
    return missing;
}

/* Others come, too: see SOURCES_SCARCE_MAX. */
static bool sources_scarce(const struct pc *pc, const struct shard *shard) {
    uint32_t own = 0;
    if (shard->objects[ROOM_SOURCES].used < shard->objects[ROOM_SOURCES].capacity / 2)
        return false;
    LIST_EACH(&pc->peer->participant->tracks, struct track, node, track) {
        own += track->source != 0;
    }
    return own >= SOURCES_SCARCE_MAX;
}

static bool source_open(struct pc *pc, struct section *section) {
    struct control *control = pc->peer->control;
    struct shard *shard = &control->shards[pc->shard];
    struct track *track = section->track;
    if (sources_scarce(pc, shard))
        return false;
    track->source = room_take(control, track->publisher->room, ROOM_SOURCES);
    if (track->source == 0)
        return false;
    shard->source_owner[pool_index(track->source)] = track;
    struct engine_command command = {.type = ENGINE_SOURCE_OPEN, .object = track->source};
    struct engine_source_open *open = &command.source_open;
    open->transport = pc->transport;
    open->video = track->type == ROOM_VIDEO;
    open->screen = track->track_source == ROOM_SCREEN || track->track_source == ROOM_SCREEN_AUDIO;
    memcpy(open->mid, section->mid, sizeof open->mid);
    memcpy(open->codecs, section->rx_codecs, sizeof open->codecs);
    open->layers = section->layers;
    open->order_known = section->rids_known;
    memcpy(open->rids, section->rids, sizeof open->rids);
    memcpy(open->ssrcs, section->ssrcs, sizeof open->ssrcs);
    memcpy(open->rtx_ssrcs, section->rtx_ssrcs, sizeof open->rtx_ssrcs);
    output_command(control, pc->shard, &command, NULL);
    return true;
}

static void source_mute(struct track *track, bool muted) {
    struct engine_command command = {.type = ENGINE_SOURCE_MUTE, .object = track->source, .source_mute = {muted}};
    if (track->source != 0)
        output_command(peer_of(track->publisher)->control, track->publisher->room->shard, &command, NULL);
}

static void adopt_formats(struct track *track, const struct section *section) {
    track->formats_count = 0;
    for (uint32_t i = 0; i < ENGINE_SOURCE_CODECS_MAX && section->rx_codecs[i].codec != CODEC_UNKNOWN; i++)
        track->formats[track->formats_count++] = section->rx_formats[i];
    /* what the client was asked to send comes first in the answer */
    (void)copy(track->mime, sizeof track->mime, codec_mime(track->formats[0].codec));
}

void publish_start(struct pc *pc) {
    struct control *control = pc->peer->control;
    for (uint32_t i = 0; i < pc->sections_count; i++) {
        struct section *section = pc->sections[i];
        struct track *track = section->track;
        if (track == NULL || section->stopped || section->rx_codecs[0].codec == CODEC_UNKNOWN || track->source != 0)
            continue;
        if (!source_open(pc, section)) {
            control->counters.limit_refused++;
            publish_remove(track, true);
            continue;
        }
        adopt_formats(track, section);
        track->published = true;
        if (track->forced_mute)
            source_mute(track, true);
        participant_touch(track->publisher);
        webhook_event(control, "track_published", track->publisher->room, track->publisher, track);
        subscribe_update_track(track);
        publish_dynacast(track);
    }
}

/* ---- later ------------------------------------------------------------------------------------------------------- */

static void send_track_unpublished(struct peer *peer, const struct track *track) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_UNPUBLISHED);
    response->track_unpublished = arena_new(&arena, &livekit__track_unpublished_response__descriptor);
    response->track_unpublished->track_sid = (char *)(uintptr_t)track->sid;
    peer_send(peer, response);
    arena_free(&arena);
}

void publish_remove(struct track *track, bool tell) {
    struct peer *peer = peer_of(track->publisher);
    struct control *control = peer->control;
    struct shard *shard = &control->shards[track->publisher->room->shard];
    LIST_EACH(&track->subscriptions, struct subscription, track_node, subscription) {
        subscribe_drop(subscription);
        subscription_close(subscription);
    }
    for (uint32_t i = 0; peer->publisher != NULL && i < peer->publisher->sections_count; i++) {
        if (peer->publisher->sections[i]->track == track)
            peer->publisher->sections[i]->track = NULL;
    }
    if (track->source != 0) {
        struct engine_command command = {.type = ENGINE_SOURCE_CLOSE, .object = track->source};
        output_command(control, track->publisher->room->shard, &command, NULL);
        shard->source_owner[pool_index(track->source)] = NULL;
        room_give(control, track->publisher->room, ROOM_SOURCES, track->source);
        track->source = 0;
    }
    if (track->published) {
        participant_touch(track->publisher);
        webhook_event(control, "track_unpublished", track->publisher->room, track->publisher, track);
    }
    if (tell)
        send_track_unpublished(peer, track);
    track_close(track);
}

void publish_mute(struct track *track, bool muted, bool by_server) {
    bool enforced = track->forced_mute;
    if (by_server && muted)
        track->forced_mute = true;
    else if (!muted)
        track->forced_mute = false; /* who was muted may speak again by the own hand */
    if (enforced != track->forced_mute)
        source_mute(track, track->forced_mute);
    if (track->muted == muted)
        return;
    track->muted = muted;
    track->version_unix_us = peer_of(track->publisher)->control->unix_us;
    if (by_server)
        send_mute(peer_of(track->publisher), track);
    if (track->published)
        participant_touch(track->publisher);
}

void publish_source_started(struct track *track, enum codec codec) {
    const char *mime = codec_mime(codec);
    bool known = false;
    for (uint32_t i = 0; i < track->formats_count; i++)
        known = known || track->formats[i].codec == codec;
    if (!known || strcmp(mime, track->mime) == 0)
        return;
    (void)copy(track->mime, sizeof track->mime, mime);
    participant_touch(track->publisher);
    LIST_EACH(&track->subscriptions, struct subscription, track_node, subscription) {
        subscription->unsupported = false;
    }
    subscribe_update_track(track);
}

void publish_dynacast(struct track *track) {
    struct peer *peer = peer_of(track->publisher);
    if (track_dynacast_step(track, peer->control->now_us))
        send_quality_request(track);
    timer_arm(peer->control, track->publisher->room, track->dynacast.lower_at_us);
}
