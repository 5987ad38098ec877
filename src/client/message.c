/* Signalling messages: what we say, and what the server's mean. */
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"
#include "protocol/candidate.h"

static char *text(const char *constant) {
    return (char *)(uintptr_t)constant; /* protobuf-c takes no const, and packing only reads */
}

void message_send(struct participant *p, const Livekit__SignalRequest *request) {
    size_t len = livekit__signal_request__get_packed_size(request);
    uint8_t *bytes = malloc(len + 1);
    if (bytes == NULL)
        return;
    livekit__signal_request__pack(request, bytes);
    client_signal(p, PARTICIPANT_SIGNAL_MESSAGE, span_of(bytes, len));
    free(bytes);
}

static void send_candidate(struct participant *p, bool subscriber) {
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__TrickleRequest trickle = LIVEKIT__TRICKLE_REQUEST__INIT;
    trickle.candidateinit =
        text("{\"candidate\":\"candidate:1 1 udp 2130706431 192.168.1.2 50000 typ host\",\"sdpMid\":\"0\","
             "\"sdpMLineIndex\":0}");
    trickle.target = subscriber ? LIVEKIT__SIGNAL_TARGET__SUBSCRIBER : LIVEKIT__SIGNAL_TARGET__PUBLISHER;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRICKLE;
    request.trickle = &trickle;
    message_send(p, &request);
}

void message_send_description(struct participant *p, bool offer, const char *sdp, uint32_t id) {
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__SessionDescription description = LIVEKIT__SESSION_DESCRIPTION__INIT;
    description.type = text(offer ? "offer" : "answer");
    description.sdp = text(sdp);
    description.id = id;
    request.message_case = offer ? LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER : LIVEKIT__SIGNAL_REQUEST__MESSAGE_ANSWER;
    if (offer)
        request.offer = &description;
    else
        request.answer = &description;
    message_send(p, &request);
    send_candidate(p, !offer);
}

void message_add_track(struct participant *p, const struct publication *publication) {
    static const char *const rids[] = {"q", "h", "f"};
    const struct participant_publish *what = &publication->what;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__AddTrackRequest add = LIVEKIT__ADD_TRACK_REQUEST__INIT;
    Livekit__VideoLayer layers[PARTICIPANT_LAYERS_MAX], *list[PARTICIPANT_LAYERS_MAX];
    Livekit__SimulcastCodec codec = LIVEKIT__SIMULCAST_CODEC__INIT, *codecs[1] = {&codec};
    add.cid = text(publication->cid);
    add.name = text(what->video ? "camera" : "microphone");
    add.type = what->video ? LIVEKIT__TRACK_TYPE__VIDEO : LIVEKIT__TRACK_TYPE__AUDIO;
    add.source = what->video    ? (what->screen ? LIVEKIT__TRACK_SOURCE__SCREEN_SHARE : LIVEKIT__TRACK_SOURCE__CAMERA)
                 : what->screen ? LIVEKIT__TRACK_SOURCE__SCREEN_SHARE_AUDIO
                                : LIVEKIT__TRACK_SOURCE__MICROPHONE;
    add.muted = what->muted;
    add.disable_red = true;
    if (p->config.crypt != NULL)
        add.encryption = LIVEKIT__ENCRYPTION__TYPE__GCM;
    if (what->video) {
        uint32_t count = publication_layers(publication);
        ASSERT(count <= PARTICIPANT_LAYERS_MAX);
        add.width = what->width;
        add.height = what->height;
        for (uint32_t i = 0; i < count; i++) {
            livekit__video_layer__init(&layers[i]);
            layers[i].quality = count == 1 ? LIVEKIT__VIDEO_QUALITY__HIGH : (Livekit__VideoQuality)i;
            layers[i].width = (uint32_t)what->width >> (count - 1 - i);
            layers[i].height = (uint32_t)what->height >> (count - 1 - i);
            layers[i].bitrate = what->frame_bytes[i] * what->fps * 8;
            if (count > 1)
                layers[i].rid = text(rids[i]);
            list[i] = &layers[i];
        }
        add.n_layers = count;
        add.layers = list;
        codec.codec = text("vp8");
        codec.cid = text(publication->cid);
        add.n_simulcast_codecs = 1;
        add.simulcast_codecs = codecs;
    }
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK;
    request.add_track = &add;
    message_send(p, &request);
}

static void sync_descriptions(const struct participant *p, Livekit__SyncState *state,
                              Livekit__SessionDescription *offer, Livekit__SessionDescription *answer) {
    const struct link *link = p->config.single_connection ? &p->links[0] : &p->links[1];
    if (link->offer_text == NULL || link->answer_text == NULL)
        return;
    offer->type = text("offer");
    offer->sdp = link->offer_text;
    answer->type = text("answer");
    answer->sdp = link->answer_text;
    state->offer = offer;
    state->answer = answer;
}

void message_sync_state(struct participant *p) {
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__SyncState state = LIVEKIT__SYNC_STATE__INIT;
    Livekit__SessionDescription offer = LIVEKIT__SESSION_DESCRIPTION__INIT, answer = LIVEKIT__SESSION_DESCRIPTION__INIT;
    Livekit__UpdateSubscription subscription = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
    Livekit__TrackPublishedResponse published[PARTICIPANT_TRACKS_MAX], *published_list[PARTICIPANT_TRACKS_MAX];
    Livekit__TrackInfo infos[PARTICIPANT_TRACKS_MAX];
    Livekit__DataChannelReceiveState states[ROSTER_MAX], *state_list[ROSTER_MAX];
    char *sids[REMOTE_TRACKS_MAX];
    sync_descriptions(p, &state, &offer, &answer);
    for (uint32_t i = 0; i < p->unsubscribed_count; i++)
        sids[i] = p->unsubscribed[i].sid;
    subscription.n_track_sids = p->unsubscribed_count;
    subscription.track_sids = sids;
    subscription.subscribe = !p->config.auto_subscribe;
    state.subscription = &subscription;
    for (uint32_t i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
        struct publication *publication = &p->publications[i];
        if (publication->number == 0 || publication->sid[0] == 0)
            continue;
        size_t n = state.n_publish_tracks++;
        livekit__track_published_response__init(&published[n]);
        livekit__track_info__init(&infos[n]);
        infos[n].sid = publication->sid;
        infos[n].type = publication->what.video ? LIVEKIT__TRACK_TYPE__VIDEO : LIVEKIT__TRACK_TYPE__AUDIO;
        infos[n].muted = publication->what.muted;
        published[n].cid = publication->cid;
        published[n].track = &infos[n];
        published_list[n] = &published[n];
    }
    state.publish_tracks = published_list;
    for (uint32_t i = 0; i < p->roster_count; i++) {
        if (p->roster[i].data_seq == 0)
            continue;
        size_t n = state.n_datachannel_receive_states++;
        livekit__data_channel_receive_state__init(&states[n]);
        states[n].publisher_sid = p->roster[i].sid;
        states[n].last_seq = p->roster[i].data_seq;
        state_list[n] = &states[n];
    }
    state.datachannel_receive_states = state_list;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE;
    request.sync_state = &state;
    message_send(p, &request);
}

/* ---- in --------------------------------------------------------------------------------------------------------- */

struct remote *roster_find(struct participant *p, const char *sid) {
    for (uint32_t i = 0; i < p->roster_count; i++) {
        if (strcmp(p->roster[i].sid, sid) == 0)
            return &p->roster[i];
    }
    return NULL;
}

static void take_participant(struct participant *p, const Livekit__ParticipantInfo *info) {
    if (strcmp(info->sid, p->sid) == 0)
        return;
    struct remote *remote = roster_find(p, info->sid);
    if (info->state == LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED) {
        if (remote != NULL)
            *remote = p->roster[--p->roster_count];
        return;
    }
    if (remote == NULL) {
        for (uint32_t i = 0; i < p->roster_count; i++) { /* a new session of the same person */
            if (strcmp(p->roster[i].identity, info->identity) == 0)
                remote = &p->roster[i];
        }
        if (remote == NULL && p->roster_count == ROSTER_MAX)
            return;
        remote = remote != NULL ? remote : &p->roster[p->roster_count++];
        *remote = (struct remote){0};
        text_copy(remote->sid, sizeof remote->sid, info->sid);
        text_copy(remote->identity, sizeof remote->identity, info->identity);
    } else if (info->version <= remote->version && info->version != 0) {
        return;
    }
    remote->version = info->version;
}

static void take_published(struct participant *p, const Livekit__TrackPublishedResponse *response) {
    for (uint32_t i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
        struct publication *publication = &p->publications[i];
        if (publication->number == 0 || response->track == NULL || strcmp(publication->cid, response->cid) != 0)
            continue;
        text_copy(publication->sid, sizeof publication->sid, response->track->sid);
        struct participant_event event = {.type = PARTICIPANT_EV_PUBLISHED, .publication = publication->number};
        text_copy(event.sid, sizeof event.sid, publication->sid);
        client_event(p, &event, span_of(NULL, 0));
        if (publication->what.muted != response->track->muted)
            participant_mute(p, p->now_us, publication->number, publication->what.muted);
        return;
    }
}

static void take_qualities(struct participant *p, const Livekit__SubscribedQualityUpdate *update) {
    for (uint32_t i = 0; p->config.dynacast && i < PARTICIPANT_TRACKS_MAX; i++) {
        struct publication *publication = &p->publications[i];
        if (publication->number == 0 || strcmp(publication->sid, update->track_sid) != 0 ||
            publication_layers(publication) < 2)
            continue;
        for (size_t k = 0; k < update->n_subscribed_qualities; k++) {
            uint32_t layer = (uint32_t)update->subscribed_qualities[k]->quality;
            if (layer >= publication_layers(publication))
                continue;
            bool enabled = update->subscribed_qualities[k]->enabled;
            if (enabled && !publication->layers[layer].enabled)
                publication->layers[layer].key_wanted = true;
            publication->layers[layer].enabled = enabled;
        }
    }
}

static void take_trickle(struct participant *p, const Livekit__TrickleRequest *trickle) {
    struct link *link = &p->links[trickle->target == LIVEKIT__SIGNAL_TARGET__SUBSCRIBER ? 1 : 0];
    const char *line = strstr(trickle->candidateinit, "candidate:");
    const char *end = line != NULL ? strchr(line, '"') : NULL;
    struct candidate candidate;
    if (end == NULL || !link->open || !link->remote_known ||
        !candidate_parse(span_of(line, (size_t)(end - line)), &candidate) || candidate.addr.proto != NET_UDP)
        return;
    (void)ice_client_add_candidate(&link->ice, p->now_us, &candidate.addr, candidate.priority);
    link_pump(p, link);
}

static void take_mute(struct participant *p, const Livekit__MuteTrackRequest *mute) {
    for (uint32_t i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
        if (p->publications[i].number != 0 && strcmp(p->publications[i].sid, mute->sid) == 0)
            participant_mute(p, p->now_us, p->publications[i].number, mute->muted);
    }
}

static void take_unpublished(struct participant *p, const Livekit__TrackUnpublishedResponse *response) {
    for (uint32_t i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
        if (p->publications[i].number != 0 && strcmp(p->publications[i].sid, response->track_sid) == 0)
            participant_unpublish(p, p->now_us, p->publications[i].number);
    }
}

static void take(struct participant *p, const Livekit__SignalResponse *response) {
    switch ((int)response->message_case) {
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN:
        session_joined(p, response->join);
        for (size_t i = 0; i < response->join->n_other_participants; i++)
            take_participant(p, response->join->other_participants[i]);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT:
        session_resumed(p, response->reconnect);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ANSWER:
        negotiate_answer(p, response->answer);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER:
        negotiate_remote_offer(p, response->offer);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRICKLE:
        take_trickle(p, response->trickle);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE:
        for (size_t i = 0; i < response->update->n_participants; i++)
            take_participant(p, response->update->participants[i]);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_PUBLISHED:
        take_published(p, response->track_published);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE:
        session_server_leave(p, response->leave);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MUTE:
        take_mute(p, response->mute);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIBED_QUALITY_UPDATE:
        take_qualities(p, response->subscribed_quality_update);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_UNPUBLISHED:
        take_unpublished(p, response->track_unpublished);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN:
        text_copy(p->token, sizeof p->token, response->refresh_token);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MEDIA_SECTIONS_REQUIREMENT:
        negotiate_requirement(p, response->media_sections_requirement->num_audios,
                              response->media_sections_requirement->num_videos);
        break;
    default:
        break; /* speakers, quality, pongs: nothing to check here */
    }
}

void message_input(struct participant *p, struct span bytes) {
    Livekit__SignalResponse *response = livekit__signal_response__unpack(NULL, bytes.len, bytes.data);
    if (response == NULL) {
        p->counters.signal_bad++;
        return;
    }
    take(p, response);
    livekit__signal_response__free_unpacked(response, NULL);
}
