/* Data between participants: packets on the reliable and the lossy channel, and data tracks (LiveKit
 * client protocol). */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "room/memory.h"
#include "signal/internal.h"

#define DATA_TRACK_NAME_LEN_MAX 256
/* Name, encoding and the name of a schema; it is in every update of its publisher. */
#define DATA_TRACK_INFO_LEN_MAX 2048

const char *channel_label(enum channel channel) {
    static const char *const labels[CHANNELS] = {"_reliable", "_lossy", "_data_track"};
    ASSERT(channel < CHANNELS);
    return labels[channel];
}

static enum channel channel_of(const char *label) {
    for (int i = 0; i < CHANNELS; i++) {
        if (strcmp(label, channel_label((enum channel)i)) == 0)
            return (enum channel)i;
    }
    return CHANNELS;
}

struct pc *data_pc(const struct peer *peer) {
    if (peer->kind == PEER_WHIP || peer->kind == PEER_WHEP)
        return NULL;
    return peer->kind == PEER_V0 && peer->subscriber_primary ? peer->subscriber : peer->publisher;
}

static struct pc *ready_pc(const struct peer *peer, enum channel channel, size_t len) {
    struct pc *pc = data_pc(peer);
    if (pc == NULL || !pc->channel_ready[channel])
        return NULL;
    /* RFC 8841 section 6.1: the peer takes no longer one, 64 kB when it says nothing */
    if (pc->remote.data_message_len_max != 0 && len > pc->remote.data_message_len_max) {
        peer->control->counters.data_dropped++;
        return NULL;
    }
    return pc;
}

/* What may be lost on the way. */
static void send_lossy(struct pc *pc, enum channel channel, struct buffer *payload) {
    struct engine_command command = {.type = ENGINE_CHANNEL_SEND, .object = pc->transport};
    const char *label = channel_label(channel);
    memcpy(command.channel_send.label, label, strlen(label) + 1);
    command.channel_send.payload_len = payload->len;
    output_command(pc->peer->control, pc->shard, &command, payload);
    pc->peer->control->counters.data_packets++;
}

/* ---- packets ----------------------------------------------------------------------------------------------------- */

static bool may_receive(const struct datapacket *packet, const struct participant *receiver) {
    if (packet->value == DATAPACKET_METRICS && !receiver->permission.can_subscribe_metrics)
        return false;
    return datapacket_is_for(packet, receiver->identity, receiver->sid);
}

static void forward_lossy(struct control *control, struct room *room, const struct participant *sender,
                          struct span bytes) {
    struct buffer *buffer = buffer_new(bytes);
    LIST_EACH(&room->participants, struct participant, node, receiver) {
        struct pc *pc = ready_pc(peer_of(receiver), CHANNEL_LOSSY, bytes.len);
        if (receiver != sender && pc != NULL && may_receive(control->packet, receiver))
            send_lossy(pc, CHANNEL_LOSSY, buffer);
    }
    buffer_release(buffer);
}

static void forward_reliable(struct control *control, struct room *room, const struct participant *sender,
                             struct data_message *message, size_t len) {
    LIST_EACH(&room->participants, struct participant, node, receiver) {
        struct pc *pc = ready_pc(peer_of(receiver), CHANNEL_RELIABLE, len);
        if (receiver != sender && pc != NULL && may_receive(control->packet, receiver))
            outbox_send(pc, message);
    }
}

static bool may_send(const struct participant *sender, const struct datapacket *packet) {
    if (!sender->permission.can_publish_data)
        return false;
    switch (packet->value) {
    case DATAPACKET_NONE:
    case DATAPACKET_SPEAKER:
        return false; /* the server's own */
    case DATAPACKET_TRANSCRIPTION:
        return sender->permission.agent || sender->kind == ROOM_AGENT;
    default:
        return true;
    }
}

static bool packet_arrived(const struct pc *from, struct span payload, bool lossy, uint32_t *charged_bytes) {
    struct participant *sender = from->peer->participant;
    struct control *control = from->peer->control;
    struct datapacket *packet = control->packet;
    if (!datapacket_parse(payload, packet) || !may_send(sender, packet))
        return false;
    /* A channel of that name that is not reliable: nothing would make its sender wait for those who receive. */
    if (!lossy && *charged_bytes == 0)
        return false;
    if (!lossy && !data_sequence_take(&sender->data_seq, packet->sequence))
        return false;
    struct writer w = writer_of(control->packet_bytes, ENGINE_MESSAGE_LEN_MAX);
    const char *identity = sender->permission.hidden ? "" : sender->identity;
    if (!datapacket_patch(payload, lossy, identity, sender->sid, &w))
        return false;
    if (lossy) {
        forward_lossy(control, sender->room, sender, writer_span(&w));
        return true;
    }
    data_history_add(&sender->room->history, control->now_us, sender->sid, packet->sequence, writer_span(&w));
    struct data_message *message = data_message_new(control, from, *charged_bytes, writer_span(&w));
    *charged_bytes = 0; /* it gives them back */
    forward_reliable(control, sender->room, sender, message, w.len);
    data_message_release(control, message);
    return true;
}

static bool anybody_behind(const struct room *room) {
    LIST_EACH(&room->participants, struct participant, node, receiver) {
        const struct pc *pc = data_pc(peer_of(receiver));
        if (pc != NULL && pc->outbox.queued_bytes > DATA_SLACK_BYTES)
            return true;
    }
    return false;
}

bool data_send_from_server(struct control *control, struct room *room, struct span bytes, bool lossy) {
    if (!datapacket_parse(bytes, control->packet)) {
        control->counters.data_dropped++;
        return true;
    }
    if (lossy) {
        forward_lossy(control, room, NULL, bytes);
        return true;
    }
    if (anybody_behind(room))
        return false;
    data_history_add(&room->history, control->now_us, "", 0, bytes);
    struct data_message *message = data_message_new(control, NULL, 0, bytes);
    forward_reliable(control, room, NULL, message, bytes.len);
    data_message_release(control, message);
    return true;
}

/* Sends a kept packet to one receiver, if it is for it. */
static void replay_one(struct peer *peer, const struct data_entry *entry) {
    struct span bytes = span_of(entry->bytes, entry->len);
    if (strcmp(entry->sender_sid, peer->participant->sid) == 0 || !datapacket_parse(bytes, peer->control->packet) ||
        !may_receive(peer->control->packet, peer->participant))
        return;
    struct pc *pc = ready_pc(peer, CHANNEL_RELIABLE, entry->len);
    if (pc == NULL)
        return;
    struct data_message *message = data_message_new(peer->control, NULL, 0, bytes);
    outbox_send(pc, message);
    data_message_release(peer->control, message);
}

static int compare_states(const void *a, const void *b) {
    const Livekit__DataChannelReceiveState *const *one = a, *const *other = b;
    return strcmp((*one)->publisher_sid, (*other)->publisher_sid);
}

/* The last number that the client has of this sender; of several, the last that it names. */
static uint32_t last_received(Livekit__DataChannelReceiveState **states, size_t count, const char *sender_sid) {
    Livekit__DataChannelReceiveState key = {.publisher_sid = (char *)(uintptr_t)sender_sid}, *pointer = &key;
    Livekit__DataChannelReceiveState **found =
        count > 0 ? bsearch(&pointer, states, count, sizeof pointer, compare_states) : NULL;
    return found != NULL ? (*found)->last_seq : 0;
}

void data_replay(struct peer *peer, const Livekit__SyncState *state) {
    const struct data_history *history = &peer->participant->room->history;
    const struct pc *pc = data_pc(peer);
    /* Nobody waits for what is sent again, so it must not gather: while that much is on its way, what is asked for is
     * part of it. */
    if (pc == NULL || pc->outbox.queued_bytes > DATA_SLACK_BYTES)
        return;
    size_t count = state->n_datachannel_receive_states;
    if (count > 0)
        qsort(state->datachannel_receive_states, count, sizeof *state->datachannel_receive_states, compare_states);
    const struct data_entry *entry;
    for (uint32_t n = 0; (entry = data_history_at(history, n)) != NULL; n++) {
        peer->control->work_ns += WORK_ENTRY_NS + entry->len / 2;
        /* without a number the receiver could not tell it from one it has */
        if (entry->sequence > last_received(state->datachannel_receive_states, count, entry->sender_sid) &&
            entry->at_us >= peer->participant->joined_us)
            replay_one(peer, entry);
    }
}

/* ---- data tracks ------------------------------------------------------------------------------------------------- */

static bool track_packet_arrived(struct participant *sender, struct span payload) {
    uint16_t handle;
    if (!sender->permission.can_publish_data || !datapacket_track_handle(payload, &handle))
        return false;
    const struct data_track *track = data_track_find(sender, handle);
    if (track == NULL)
        return false;
    LIST_EACH(&track->subscriptions, struct data_subscription, track_node, subscription) {
        struct participant *receiver = subscription->subscriber;
        struct pc *pc = ready_pc(peer_of(receiver), CHANNEL_DATA_TRACK, payload.len);
        if (!subscription->subscribed || !receiver->permission.can_subscribe || pc == NULL)
            continue;
        struct buffer *buffer = buffer_new(payload); /* a copy each: the handle differs */
        buffer->data[DATAPACKET_TRACK_HANDLE_OFFSET] = (uint8_t)(subscription->handle >> 8);
        buffer->data[DATAPACKET_TRACK_HANDLE_OFFSET + 1] = (uint8_t)subscription->handle;
        send_lossy(pc, CHANNEL_DATA_TRACK, buffer);
        buffer_release(buffer);
    }
    return true;
}

static void send_handles(struct peer *peer) {
    struct participant *subscriber = peer->participant;
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response =
        message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_DATA_TRACK_SUBSCRIBER_HANDLES);
    Livekit__DataTrackSubscriberHandles *out = arena_new(&arena, &livekit__data_track_subscriber_handles__descriptor);
    response->data_track_subscriber_handles = out;
    out->sub_handles = arena_bytes(&arena, (subscriber->data_subscriptions_count + 1) * sizeof *out->sub_handles);
    LIST_EACH(&subscriber->data_subscriptions, struct data_subscription, node, subscription) {
        if (!subscription->subscribed)
            continue;
        Livekit__DataTrackSubscriberHandles__SubHandlesEntry *entry =
            arena_new(&arena, &livekit__data_track_subscriber_handles__sub_handles_entry__descriptor);
        entry->key = subscription->handle;
        entry->value = arena_new(&arena, &livekit__data_track_subscriber_handles__published_data_track__descriptor);
        entry->value->publisher_identity = subscription->track->publisher->identity;
        entry->value->publisher_sid = subscription->track->publisher->sid;
        entry->value->track_sid = subscription->track->sid;
        out->sub_handles[out->n_sub_handles++] = entry;
    }
    subscriber->handles_changed = false;
    peer_send(peer, response);
    arena_free(&arena);
}

/* Answers whether the map of handles changed. */
static bool set_subscription(struct participant *subscriber, struct data_track *track, bool subscribe) {
    struct data_subscription *subscription = data_subscription_find(subscriber, track);
    if (subscription == NULL) {
        if (!subscribe || track->publisher == subscriber || !subscriber->permission.can_subscribe)
            return false;
        subscription = data_subscription_open(subscriber, track);
        if (subscription == NULL) {
            peer_of(subscriber)->control->counters.limit_refused++;
            return false;
        }
    }
    bool changed = subscription->subscribed != subscribe;
    subscription->subscribed = subscribe;
    return changed;
}

void data_tracks_changed(struct room *room) {
    LIST_EACH(&room->participants, struct participant, node, subscriber) {
        if (subscriber->handles_changed)
            send_handles(peer_of(subscriber));
    }
}

void data_update_subscription(struct peer *peer, const Livekit__UpdateDataSubscription *request) {
    bool changed = false;
    for (size_t i = 0; i < request->n_updates; i++) {
        struct data_track *track = data_track_find_sid(peer->participant->room, request->updates[i]->track_sid);
        if (track != NULL)
            changed = set_subscription(peer->participant, track, request->updates[i]->subscribe) || changed;
    }
    if (changed)
        send_handles(peer);
}

static void refuse(struct peer *peer, const Livekit__PublishDataTrackRequest *request,
                   Livekit__RequestResponse__Reason reason, const char *text) {
    send_request_response(peer, 0, reason, text, LIVEKIT__REQUEST_RESPONSE__REQUEST_PUBLISH_DATA_TRACK, request);
}

static bool publishable(struct peer *peer, const Livekit__PublishDataTrackRequest *request) {
    struct participant *participant = peer->participant;
    size_t name_len = strlen(request->name);
    if (!participant->permission.can_publish_data) {
        refuse(peer, request, LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED, "publishing data is not permitted");
        return false;
    }
    if (request->pub_handle == 0 || request->pub_handle > UINT16_MAX) {
        refuse(peer, request, LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_HANDLE, "handles are 1 to 65535");
        return false;
    }
    if (name_len == 0 || name_len > DATA_TRACK_NAME_LEN_MAX) {
        refuse(peer, request, LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_NAME, "names have 1 to 256 characters");
        return false;
    }
    if (data_track_find(participant, (uint16_t)request->pub_handle) != NULL) {
        refuse(peer, request, LIVEKIT__REQUEST_RESPONSE__REASON__DUPLICATE_HANDLE, "this handle is in use");
        return false;
    }
    LIST_EACH(&participant->data_tracks, struct data_track, node, track) {
        if (strcmp(track->name, request->name) == 0) {
            refuse(peer, request, LIVEKIT__REQUEST_RESPONSE__REASON__DUPLICATE_NAME, "this name is in use");
            return false;
        }
    }
    if (participant->data_tracks_count == ROOM_DATA_TRACKS_MAX ||
        protobuf_c_message_get_packed_size(&request->base) > DATA_TRACK_INFO_LEN_MAX) {
        peer->control->counters.limit_refused++;
        refuse(peer, request, LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED,
               "too many data tracks, or too long a description");
        return false;
    }
    return true;
}

static struct span keep_packed(const ProtobufCMessage *message) {
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = memory_new(len);
    return span_of(bytes, protobuf_c_message_pack(message, bytes));
}

void data_publish_track(struct peer *peer, const Livekit__PublishDataTrackRequest *request) {
    struct participant *participant = peer->participant;
    if (!publishable(peer, request))
        return;
    struct data_track *track = data_track_open(participant, (uint16_t)request->pub_handle, request->name);
    ASSERT(track != NULL); /* publishable() counted them */
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response =
        message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PUBLISH_DATA_TRACK_RESPONSE);
    Livekit__DataTrackInfo *info = arena_new(&arena, &livekit__data_track_info__descriptor);
    info->pub_handle = request->pub_handle;
    info->sid = track->sid;
    info->name = track->name;
    info->encryption = request->encryption;
    info->frame_encoding = request->frame_encoding;
    info->schema = request->schema;
    track->info = keep_packed(&info->base);
    response->publish_data_track_response = arena_new(&arena, &livekit__publish_data_track_response__descriptor);
    response->publish_data_track_response->info = info;
    peer_send(peer, response);
    arena_free(&arena);
    participant_touch(participant);
    updates_flush(peer->control);
    LIST_EACH(&participant->room->participants, struct participant, node, other) {
        if (other != participant && other->auto_subscribe_data && set_subscription(other, track, true))
            send_handles(peer_of(other));
    }
}

void data_unpublish_track(struct peer *peer, const Livekit__UnpublishDataTrackRequest *request) {
    struct participant *participant = peer->participant;
    struct data_track *track =
        request->pub_handle <= UINT16_MAX ? data_track_find(participant, (uint16_t)request->pub_handle) : NULL;
    if (track == NULL) {
        send_request_response(peer, 0, LIVEKIT__REQUEST_RESPONSE__REASON__NOT_FOUND, "no data track has this handle",
                              LIVEKIT__REQUEST_RESPONSE__REQUEST_UNPUBLISH_DATA_TRACK, request);
        return;
    }
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__SignalResponse *response =
        message_response(&arena, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UNPUBLISH_DATA_TRACK_RESPONSE);
    response->unpublish_data_track_response = arena_new(&arena, &livekit__unpublish_data_track_response__descriptor);
    response->unpublish_data_track_response->info =
        livekit__data_track_info__unpack(arena_allocator(&arena), track->info.len, track->info.data);
    peer_send(peer, response);
    arena_free(&arena);
    data_track_close(track);
    participant_touch(participant);
    data_tracks_changed(participant->room);
}

/* ---- what the engine says ---------------------------------------------------------------------------------------- */

void data_channel_opened(struct pc *pc, const char *label) {
    enum channel channel = channel_of(label);
    if (channel == CHANNELS)
        return;
    pc->channel_ready[channel] = true;
    if (channel != CHANNEL_RELIABLE || pc->replayed || pc != data_pc(pc->peer))
        return;
    pc->replayed = true;
    const struct participant *participant = pc->peer->participant;
    const struct data_entry *entry;
    for (uint32_t n = 0; (entry = data_history_at(&participant->room->history, n)) != NULL; n++) {
        if (entry->at_us >= participant->joined_us)
            replay_one(pc->peer, entry);
    }
}

void data_channel_closed(struct pc *pc, const char *label) {
    enum channel channel = channel_of(label);
    if (channel == CHANNELS)
        return;
    pc->channel_ready[channel] = false;
    if (channel == CHANNEL_RELIABLE)
        outbox_clear(pc);
}

/* False when it is no message that may be sent. Messages that may be lost are, when there are more than their sender's share of the thread carries to others. */
static bool lossy_taken(struct pc *pc, enum channel channel, struct span payload, uint32_t *charged_bytes) {
    struct peer *peer = pc->peer;
    struct control *control = peer->control;
    if (peer->lossy_us > control->now_us + WORK_SESSION_BURST_US) {
        control->counters.data_rationed++;
        control->counters.data_dropped++;
        return true;
    }
    uint64_t before_ns = control->work_ns;
    control->work_ns += WORK_ENTRY_NS;
    bool taken = channel == CHANNEL_DATA_TRACK ? track_packet_arrived(peer->participant, payload)
                                               : packet_arrived(pc, payload, true, charged_bytes);
    uint64_t from_us = peer->lossy_us > control->now_us ? peer->lossy_us : control->now_us;
    peer->lossy_us = from_us + (control->work_ns - before_ns) * WORK_LOSSY_PARTS / 1000;
    return taken;
}

void data_channel_message(struct pc *pc, const char *label, struct span payload, uint32_t charged_bytes) {
    enum channel channel = channel_of(label);
    struct participant *sender = pc->peer->participant;
    struct control *control = pc->peer->control;
    bool taken = false;
    if (pc->peer->kind == PEER_V0 || pc->peer->kind == PEER_V1) {
        if (channel == CHANNEL_RELIABLE)
            taken = packet_arrived(pc, payload, false, &charged_bytes);
        else if (channel != CHANNELS)
            taken = lossy_taken(pc, channel, payload, &charged_bytes);
    }
    if (!taken && room_is_meeting(control, sender->room->name))
        control->counters.meeting_clear_refused++;
    if (!taken)
        control->counters.data_dropped++;
    if (charged_bytes != 0) { /* nobody's message any more */
        struct engine_command command = {.type = ENGINE_CHANNEL_RELEASE, .object = pc->transport};
        command.channel_release.bytes = charged_bytes;
        output_command(control, pc->shard, &command, NULL);
    }
}
