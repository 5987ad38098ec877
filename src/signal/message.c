/* The model as protocol messages, and the messages that need more than one line. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "signal/internal.h"

_Static_assert((int)ROOM_SCREEN_AUDIO == (int)LIVEKIT__TRACK_SOURCE__SCREEN_SHARE_AUDIO, "sources are the protocol's");
_Static_assert((int)ROOM_DISCONNECTED == (int)LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED,
               "states are the protocol's");
_Static_assert((int)ROOM_BRIDGE == (int)LIVEKIT__PARTICIPANT_INFO__KIND__BRIDGE, "kinds are the protocol's");
_Static_assert((int)ROOM_OFF == (int)LIVEKIT__VIDEO_QUALITY__OFF, "qualities are the protocol's");
_Static_assert((int)ROOM_LOST == (int)LIVEKIT__CONNECTION_QUALITY__LOST, "connection qualities are the protocol's");
_Static_assert((int)ROOM_LEAVE_MEDIA_FAILURE == (int)LIVEKIT__DISCONNECT_REASON__MEDIA_FAILURE,
               "reasons are the protocol's");
_Static_assert((int)ROOM_ENCRYPTION_CUSTOM == (int)LIVEKIT__ENCRYPTION__TYPE__CUSTOM, "encryptions are the protocol's");

/* Clients compare this: above 1.13.6 they would publish VP9 and AV1 as rid simulcast. */
#define SERVER_VERSION "1.13.5"
#define SERVER_PROTOCOL 17

/* Of names that a client asked for and that are nobody's: longer ones are not ours and not said back. */
#define ROOM_SID_ECHO_LEN_MAX 64

/* Texts of the model are only read while a message is packed. */
static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

Livekit__SignalResponse *message_response(struct arena *arena, Livekit__SignalResponse__MessageCase which) {
    Livekit__SignalResponse *response = arena_new(arena, &livekit__signal_response__descriptor);
    response->message_case = which;
    return response;
}

static Livekit__VideoLayer **message_layers(struct arena *arena, const struct room_layer *layers, uint32_t count) {
    Livekit__VideoLayer **out = arena_new_array(arena, &livekit__video_layer__descriptor, count);
    for (uint32_t i = 0; i < count; i++) {
        out[i]->quality = (Livekit__VideoQuality)layers[i].quality;
        out[i]->width = layers[i].width;
        out[i]->height = layers[i].height;
        out[i]->bitrate = layers[i].bitrate_bps;
        out[i]->ssrc = layers[i].ssrc;
        out[i]->spatial_layer = layers[i].spatial_layer;
        out[i]->rid = borrow(layers[i].rid);
    }
    return out;
}

/* A set of small enum values as the repeated field that it came from. */
static void *message_bits(struct arena *arena, uint32_t bits, size_t *count) {
    int *out = arena_bytes(arena, 32 * sizeof *out);
    for (int i = 0; i < 32; i++) {
        if ((bits >> i & 1) != 0)
            out[(*count)++] = i;
    }
    return out;
}

Livekit__TrackInfo *message_track(struct arena *arena, const struct track *track) {
    Livekit__TrackInfo *info = arena_new(arena, &livekit__track_info__descriptor);
    info->sid = borrow(track->sid);
    info->type = track->type == ROOM_AUDIO ? LIVEKIT__TRACK_TYPE__AUDIO : LIVEKIT__TRACK_TYPE__VIDEO;
    info->name = track->name;
    info->muted = track->muted;
    info->width = track->width;
    info->height = track->height;
    info->simulcast = track->simulcast;
    info->disable_dtx = track->disable_dtx;
    info->source = (Livekit__TrackSource)track->track_source;
    info->n_layers = track->layers_count;
    info->layers = message_layers(arena, track->layers, track->layers_count);
    info->mime_type = borrow(track->mime);
    info->mid = borrow(track->mid);
    info->stereo = track->stereo;
    info->disable_red = track->disable_red;
    info->encryption = (Livekit__Encryption__Type)track->encryption;
    info->stream = borrow(track->stream);
    info->backup_codec_policy = (Livekit__BackupCodecPolicy)track->backup_codec_policy;
    info->audio_features = message_bits(arena, track->audio_features, &info->n_audio_features);
    info->packet_trailer_features = message_bits(arena, track->trailer_features, &info->n_packet_trailer_features);
    info->version = arena_new(arena, &livekit__timed_version__descriptor);
    info->version->unix_micro = (int64_t)track->version_unix_us;
    info->n_codecs = track->codecs_count;
    info->codecs = arena_new_array(arena, &livekit__simulcast_codec_info__descriptor, track->codecs_count);
    for (uint32_t i = 0; i < track->codecs_count; i++) {
        const struct room_simulcast_codec *codec = &track->codecs[i];
        info->codecs[i]->mime_type = borrow(codec->mime);
        info->codecs[i]->cid = borrow(codec->cid);
        info->codecs[i]->sdp_cid = borrow(track->sdp_cid);
        info->codecs[i]->mid = borrow(track->mid);
        info->codecs[i]->video_layer_mode = (Livekit__VideoLayer__Mode)codec->layer_mode;
        info->codecs[i]->n_layers = codec->layers_count;
        info->codecs[i]->layers = message_layers(arena, codec->layers, codec->layers_count);
    }
    return info;
}

Livekit__ParticipantPermission *message_permission(struct arena *arena, const struct room_permission *permission) {
    Livekit__ParticipantPermission *out = arena_new(arena, &livekit__participant_permission__descriptor);
    out->can_subscribe = permission->can_subscribe;
    out->can_publish = permission->can_publish;
    out->can_publish_data = permission->can_publish_data;
    out->can_publish_sources = message_bits(arena, permission->publish_sources, &out->n_can_publish_sources);
    out->hidden = permission->hidden;
    out->recorder = permission->recorder;
    out->can_update_metadata = permission->can_update_metadata;
    out->agent = permission->agent;
    out->can_subscribe_metrics = permission->can_subscribe_metrics;
    out->can_manage_agent_session = permission->can_manage_agent_session;
    return out;
}

struct room_permission permission_of_message(const Livekit__ParticipantPermission *message) {
    struct room_permission out = {
        .can_subscribe = message->can_subscribe,
        .can_publish = message->can_publish,
        .can_publish_data = message->can_publish_data,
        .hidden = message->hidden,
        .recorder = message->recorder,
        .can_update_metadata = message->can_update_metadata,
        .agent = message->agent,
        .can_subscribe_metrics = message->can_subscribe_metrics,
        .can_manage_agent_session = message->can_manage_agent_session,
    };
    for (size_t i = 0; i < message->n_can_publish_sources; i++) {
        unsigned source = (unsigned)message->can_publish_sources[i];
        out.publish_sources |= source < 32 ? UINT32_C(1) << source : 0;
    }
    return out;
}

static void message_attributes(struct arena *arena, const struct participant *participant,
                               Livekit__ParticipantInfo *info) {
    info->n_attributes = participant->attributes_count;
    info->attributes =
        arena_new_array(arena, &livekit__participant_info__attributes_entry__descriptor, participant->attributes_count);
    for (uint32_t i = 0; i < participant->attributes_count; i++) {
        info->attributes[i]->key = participant->attributes[i].key;
        info->attributes[i]->value = participant->attributes[i].value;
    }
}

static void message_data_tracks(struct arena *arena, const struct participant *participant,
                                Livekit__ParticipantInfo *info) {
    info->data_tracks = arena_bytes(arena, (participant->data_tracks_count + 1) * sizeof *info->data_tracks);
    LIST_EACH(&participant->data_tracks, struct data_track, node, track) {
        struct span packed = track->info;
        Livekit__DataTrackInfo *data =
            livekit__data_track_info__unpack(arena_allocator(arena), packed.len, packed.data);
        if (data != NULL)
            info->data_tracks[info->n_data_tracks++] = data;
    }
}

Livekit__ParticipantInfo *message_participant(struct arena *arena, const struct participant *participant) {
    peer_of(participant)->control->work_ns += WORK_PERSON_NS;
    Livekit__ParticipantInfo *info = arena_new(arena, &livekit__participant_info__descriptor);
    info->sid = borrow(participant->sid);
    info->identity = participant->identity;
    info->name = participant->name;
    info->metadata = participant->metadata;
    info->state = (Livekit__ParticipantInfo__State)participant->state;
    info->kind = (Livekit__ParticipantInfo__Kind)participant->kind;
    info->version = participant->version;
    info->joined_at = (int64_t)(participant->joined_unix_us / US_PER_S);
    info->joined_at_ms = (int64_t)(participant->joined_unix_us / US_PER_MS);
    info->permission = message_permission(arena, &participant->permission);
    info->is_publisher = participant_publishes(participant);
    info->disconnect_reason = (Livekit__DisconnectReason)participant->leave_reason;
    info->client_protocol = participant->client_protocol;
    info->n_capabilities = participant->capabilities_count;
    info->capabilities = arena_bytes(arena, ROOM_CAPABILITIES_MAX * sizeof *info->capabilities);
    for (uint32_t i = 0; i < participant->capabilities_count; i++)
        info->capabilities[i] = (Livekit__ClientInfo__Capability)participant->capabilities[i];
    message_attributes(arena, participant, info);
    info->tracks = arena_bytes(arena, (participant->tracks_count + 1) * sizeof *info->tracks);
    if (participant->state != ROOM_DISCONNECTED) {
        LIST_EACH(&participant->tracks, struct track, node, track) {
            if (track->published)
                info->tracks[info->n_tracks++] = message_track(arena, track);
        }
        message_data_tracks(arena, participant, info);
    }
    return info;
}

static Livekit__Codec **message_codecs(struct arena *arena, size_t *count) {
    /* video first: clients take the first entry for a codec that is not listed */
    static const char *const mimes[] = {"video/VP8", "video/H264", "video/VP9", "video/AV1", "audio/opus", "audio/red"};
    Livekit__Codec **out = arena_new_array(arena, &livekit__codec__descriptor, ARRAY_LEN(mimes));
    for (size_t i = 0; i < ARRAY_LEN(mimes); i++)
        out[i]->mime = borrow(mimes[i]);
    *count = ARRAY_LEN(mimes);
    return out;
}

Livekit__Room *message_room(struct arena *arena, const struct control *control, const struct room *room) {
    (void)control;
    Livekit__Room *out = arena_new(arena, &livekit__room__descriptor);
    uint32_t visible, publishers;
    room_census(room, &visible, &publishers);
    out->sid = borrow(room->sid);
    out->name = room->name;
    out->metadata = room->metadata;
    out->empty_timeout = room->empty_timeout_s;
    out->departure_timeout = room->departure_timeout_s;
    out->max_participants = room->participants_max;
    out->creation_time = (int64_t)(room->created_unix_us / US_PER_S);
    out->creation_time_ms = (int64_t)(room->created_unix_us / US_PER_MS);
    out->num_participants = visible;
    out->num_publishers = publishers;
    out->enabled_codecs = message_codecs(arena, &out->n_enabled_codecs);
    return out;
}

Livekit__ServerInfo *message_server(struct arena *arena, const struct control *control) {
    Livekit__ServerInfo *server = arena_new(arena, &livekit__server_info__descriptor);
    server->version = borrow(SERVER_VERSION);
    server->protocol = SERVER_PROTOCOL;
    server->region = borrow(control->config.region);
    server->node_id = borrow(control->config.node_id);
    return server;
}

/* Walks over those that a participant is told of, as many as one message takes. */
struct others {
    struct participant *next; /* NULL = done */
    const struct participant *self;
    bool with_self;
};

static struct participant *participant_after(const struct room *room, const struct participant *participant) {
    const struct list *next = participant != NULL ? participant->node.next : room->participants.next;
    return next == &room->participants ? NULL : LIST_ENTRY(next, struct participant, node);
}

static struct others others_of(const struct participant *self, bool with_self) {
    return (struct others){.next = participant_after(self->room, NULL), .self = self, .with_self = with_self};
}

/* Takes the next ones until `len` bytes are reached, at least one if `len` is not there yet. */
static Livekit__ParticipantInfo **message_others(struct arena *arena, struct others *others, size_t len,
                                                 size_t *count) {
    const struct room *room = others->self->room;
    Livekit__ParticipantInfo **out = arena_bytes(arena, (room->participants_count + 1) * sizeof *out);
    *count = 0;
    while (others->next != NULL && len < CONTROL_LIST_LEN_MAX) {
        struct participant *other = others->next;
        if (other == others->self ? others->with_self : !other->permission.hidden) {
            Livekit__ParticipantInfo *info = message_participant(arena, other);
            size_t info_len = protobuf_c_message_get_packed_size(&info->base);
            if (len > 0 && len + info_len > CONTROL_LIST_LEN_MAX)
                break;
            len += info_len;
            out[(*count)++] = info;
        }
        others->next = participant_after(room, other);
    }
    return out;
}

/* What one message did not take. Ends early when the client does not read. */
static void send_others(struct peer *peer, struct others others) {
    while (others.next != NULL && peer->session != NULL && !peer->session->closing) {
        struct arena arena;
        arena_init(&arena, ARENA_UNLIMITED);
        Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE);
        response->update = arena_new(&arena, &livekit__participant_update__descriptor);
        response->update->participants = message_others(&arena, &others, 0, &response->update->n_participants);
        if (response->update->n_participants > 0)
            peer_send(peer, response);
        arena_free(&arena);
    }
}

void send_join(struct peer *peer) {
    const struct participant *participant = peer->participant;
    const struct control_config *config = &peer->control->config;
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN);
    Livekit__JoinResponse *join = response->join = arena_new(&arena, &livekit__join_response__descriptor);
    join->room = message_room(&arena, peer->control, participant->room);
    join->participant = message_participant(&arena, participant);
    join->server_info = message_server(&arena, peer->control);
    join->server_version = join->server_info->version;
    join->server_region = join->server_info->region;
    join->subscriber_primary = peer->kind == PEER_V0 && peer->subscriber_primary;
    join->ping_interval = (int32_t)config->ping_interval_s;
    join->ping_timeout = (int32_t)config->ping_timeout_s;
    join->enabled_publish_codecs = message_codecs(&arena, &join->n_enabled_publish_codecs);
    struct others others = others_of(participant, false);
    join->other_participants = message_others(&arena, &others, protobuf_c_message_get_packed_size(&response->base),
                                              &join->n_other_participants);
    peer_send(peer, response);
    arena_free(&arena);
    send_others(peer, others); /* clients take participants from updates as they do from the join */
}

void send_reconnect(struct peer *peer) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT);
    response->reconnect = arena_new(&arena, &livekit__reconnect_response__descriptor);
    response->reconnect->server_info = message_server(&arena, peer->control);
    response->reconnect->last_message_seq = peer->participant->data_seq;
    peer_send(peer, response);
    arena_free(&arena);
}

void send_participants(struct peer *peer) {
    send_others(peer, others_of(peer->participant, true));
}

void send_room_update(struct control *control, struct room *room) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ROOM_UPDATE);
    response->room_update = arena_new(&arena, &livekit__room_update__descriptor);
    response->room_update->room = message_room(&arena, control, room);
    room_send(control, room, NULL, response);
    arena_free(&arena);
}

/* Which track each mid carries to the client. Rust clients rely on it. */
static void map_mids(struct arena *arena, const struct pc *pc, Livekit__SessionDescription *description) {
    const ProtobufCMessageDescriptor *entry = &livekit__session_description__mid_to_track_id_entry__descriptor;
    description->mid_to_track_id = arena_bytes(arena, (pc->sections_count + 1) * sizeof *description->mid_to_track_id);
    for (uint32_t i = 0; i < pc->sections_count; i++) {
        const struct section *section = pc->sections[i];
        if (section->subscription == NULL || section->stopped)
            continue;
        Livekit__SessionDescription__MidToTrackIdEntry *out = arena_new(arena, entry);
        out->key = borrow(section->mid);
        out->value = section->subscription->track->sid;
        description->mid_to_track_id[description->n_mid_to_track_id++] = out;
    }
}

void send_description(struct peer *peer, bool offer, const char *sdp, uint32_t id, const struct pc *pc) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, offer ? LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER
                                                                       : LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ANSWER);
    Livekit__SessionDescription *description = arena_new(&arena, &livekit__session_description__descriptor);
    description->type = borrow(offer ? "offer" : "answer");
    description->sdp = borrow(sdp);
    description->id = id;
    map_mids(&arena, pc, description);
    if (offer)
        response->offer = description;
    else
        response->answer = description;
    peer_send(peer, response);
    arena_free(&arena);
}

void send_candidates(struct peer *peer, const struct pc *pc, bool subscriber_target) {
    if (pc->sections_count == 0)
        return;
    for (uint32_t i = 0; i < peer->control->config.candidates_count; i++) {
        struct arena arena;
        arena_init(&arena, ARENA_UNLIMITED);
        Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRICKLE);
        response->trickle = arena_new(&arena, &livekit__trickle_request__descriptor);
        char line[256];
        struct writer w = writer_of(line, sizeof line - 1);
        candidate_text(peer->control, i, &w);
        line[w.len] = 0;
        /* mids are of characters that need no escape in JSON: see pc_section_add */
        response->trickle->candidateinit = arena_format(
            &arena, "{\"candidate\":\"%s\",\"sdpMid\":\"%s\",\"sdpMLineIndex\":0,\"usernameFragment\":\"%s\"}", line,
            pc->sections[0]->mid, pc->local_ufrag);
        response->trickle->target =
            subscriber_target ? LIVEKIT__SIGNAL_TARGET__SUBSCRIBER : LIVEKIT__SIGNAL_TARGET__PUBLISHER;
        response->trickle->final = i + 1 == peer->control->config.candidates_count;
        peer_send(peer, response);
        arena_free(&arena);
    }
}

void send_track_published(struct peer *peer, const struct track *track, const char *cid) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_PUBLISHED);
    response->track_published = arena_new(&arena, &livekit__track_published_response__descriptor);
    response->track_published->cid = borrow(cid);
    response->track_published->track = message_track(&arena, track);
    peer_send(peer, response);
    arena_free(&arena);
}

void send_mute(struct peer *peer, const struct track *track) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MUTE);
    response->mute = arena_new(&arena, &livekit__mute_track_request__descriptor);
    response->mute->sid = borrow(track->sid);
    response->mute->muted = track->muted;
    peer_send(peer, response);
    arena_free(&arena);
}

static Livekit__SubscribedQuality **message_qualities(struct arena *arena, const struct track *track) {
    Livekit__SubscribedQuality **out = arena_new_array(arena, &livekit__subscribed_quality__descriptor, 3);
    enum room_quality best = track->dynacast.announced;
    /* spatial layers in one stream depend on the lower ones: any means all */
    bool svc = track->codecs_count > 0 &&
               track->codecs[0].layer_mode == LIVEKIT__VIDEO_LAYER__MODE__MULTIPLE_SPATIAL_LAYERS_PER_STREAM;
    for (int i = 0; i < 3; i++) {
        out[i]->quality = (Livekit__VideoQuality)i;
        out[i]->enabled = best != ROOM_OFF && (svc || i <= (int)best);
    }
    return out;
}

void send_quality_request(const struct track *track) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response =
        message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIBED_QUALITY_UPDATE);
    Livekit__SubscribedQualityUpdate *update = arena_new(&arena, &livekit__subscribed_quality_update__descriptor);
    response->subscribed_quality_update = update;
    update->track_sid = borrow(track->sid);
    update->n_subscribed_qualities = 3;
    update->subscribed_qualities = message_qualities(&arena, track);
    update->n_subscribed_codecs = 1;
    update->subscribed_codecs = arena_new_array(&arena, &livekit__subscribed_codec__descriptor, 1);
    enum codec codec = codec_by_mime(span_str(track->mime));
    char *name = arena_text(&arena, span_str(codec_name(codec)));
    for (char *c = name; *c != 0; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    update->subscribed_codecs[0]->codec = name;
    update->subscribed_codecs[0]->n_qualities = 3;
    update->subscribed_codecs[0]->qualities = update->subscribed_qualities;
    peer_send(peer_of(track->publisher), response);
    arena_free(&arena);
}

void send_subscription_error(struct peer *peer, const char *track_sid, Livekit__SubscriptionError error) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response =
        message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_RESPONSE);
    response->subscription_response = arena_new(&arena, &livekit__subscription_response__descriptor);
    response->subscription_response->track_sid = borrow(strlen(track_sid) <= ROOM_SID_ECHO_LEN_MAX ? track_sid : "");
    response->subscription_response->err = error;
    peer_send(peer, response);
    arena_free(&arena);
}

void send_permission_update(struct peer *peer, const struct track *track, bool allowed) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response =
        message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_PERMISSION_UPDATE);
    Livekit__SubscriptionPermissionUpdate *update =
        arena_new(&arena, &livekit__subscription_permission_update__descriptor);
    response->subscription_permission_update = update;
    update->participant_sid = borrow(track->publisher->sid);
    update->track_sid = borrow(track->sid);
    update->allowed = allowed;
    peer_send(peer, response);
    arena_free(&arena);
}

void send_sections_requirement(struct peer *peer, uint32_t audios, uint32_t videos) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response =
        message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MEDIA_SECTIONS_REQUIREMENT);
    response->media_sections_requirement = arena_new(&arena, &livekit__media_sections_requirement__descriptor);
    response->media_sections_requirement->num_audios = audios;
    response->media_sections_requirement->num_videos = videos;
    peer_send(peer, response);
    arena_free(&arena);
}

/* To the participant itself and to those who receive something of it. */
void send_connection_quality(struct participant *participant) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response = message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_CONNECTION_QUALITY);
    Livekit__ConnectionQualityUpdate *update = arena_new(&arena, &livekit__connection_quality_update__descriptor);
    response->connection_quality = update;
    update->n_updates = 1;
    update->updates = arena_new_array(&arena, &livekit__connection_quality_info__descriptor, 1);
    update->updates[0]->participant_sid = participant->sid;
    update->updates[0]->quality = (Livekit__ConnectionQuality)participant->connection;
    update->updates[0]->score = participant->connection_score;
    /* a client that hears of its own loss reconnects from scratch; it finds out by itself when that is needed */
    if (participant->connection != ROOM_LOST)
        peer_send(peer_of(participant), response);
    struct control *control = peer_of(participant)->control;
    uint64_t stamp = ++control->visits;
    LIST_EACH(&participant->tracks, struct track, node, track) {
        LIST_EACH(&track->subscriptions, struct subscription, track_node, subscription) {
            struct peer *receiver = peer_of(subscription->subscriber);
            if (!subscription->active || receiver->visited == stamp)
                continue;
            receiver->visited = stamp;
            peer_send(receiver, response);
        }
    }
    arena_free(&arena);
}
