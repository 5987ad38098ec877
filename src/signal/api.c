/* The room API: livekit.RoomService by Twirp, in JSON and in protocol buffers (LiveKit client protocol). */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "room/memory.h"
#include "signal/internal.h"
#include "signal/pbjson.h"
#include "signal/query.h"

/* Twirp's error codes and the statuses that they travel with. */
enum api_code {
    API_OK = 0,
    API_UNAUTHENTICATED,
    API_DENIED,
    API_INVALID,
    API_MALFORMED,
    API_NOT_FOUND,
    API_EXHAUSTED,
    API_UNIMPLEMENTED,
    API_BAD_ROUTE,
    API_UNAVAILABLE
};

static const struct {
    const char *name;
    uint16_t status;
} codes[] = {
    [API_OK] = {"", 200},
    [API_UNAUTHENTICATED] = {"unauthenticated", 401},
    [API_DENIED] = {"permission_denied", 403},
    [API_INVALID] = {"invalid_argument", 400},
    [API_MALFORMED] = {"malformed", 400},
    [API_NOT_FOUND] = {"not_found", 404},
    [API_EXHAUSTED] = {"resource_exhausted", 429},
    [API_UNIMPLEMENTED] = {"unimplemented", 501},
    [API_BAD_ROUTE] = {"bad_route", 404},
    [API_UNAVAILABLE] = {"unavailable", 503},
};

struct call {
    struct control *control;
    struct arena *arena;
    struct token *token;
    const void *request;
    ProtobufCMessage *response;
    const char *message; /* of an error */
};

static enum api_code fail(struct call *call, enum api_code code, const char *message) {
    call->message = message;
    return code;
}

/* ---- finding things ---------------------------------------------------------------------------------------------- */

/* Meetings have hosts of their own; the keeper of an API key is none of them. */
static enum api_code find_room(struct call *call, const char *name, struct room **room) {
    if (room_is_meeting(call->control, name))
        return fail(call, API_DENIED, "meetings cannot be changed by the room API");
    *room = room_find(&call->control->rooms, name);
    return *room != NULL ? API_OK : fail(call, API_NOT_FOUND, "requested room does not exist");
}

static enum api_code admin_room(struct call *call, const char *name, struct room **room) {
    if (!call->token->room_admin || strcmp(call->token->room, name) != 0)
        return fail(call, API_UNAUTHENTICATED, "roomAdmin for this room is needed");
    return find_room(call, name, room);
}

static enum api_code admin_participant(struct call *call, const char *name, const char *identity,
                                       struct participant **participant) {
    struct room *room = NULL;
    enum api_code code = admin_room(call, name, &room);
    if (code != API_OK)
        return code;
    *participant = participant_find(room, identity);
    return *participant != NULL ? API_OK : fail(call, API_NOT_FOUND, "participant does not exist");
}

/* ---- rooms ------------------------------------------------------------------------------------------------------- */

static enum api_code create_room(struct call *call) {
    const Livekit__CreateRoomRequest *request = call->request;
    struct control *control = call->control;
    if (!call->token->room_create)
        return fail(call, API_UNAUTHENTICATED, "roomCreate is needed");
    if (!name_usable(request->name))
        return fail(call, API_INVALID, "control characters in the name");
    if (request->min_playout_delay != 0 || request->max_playout_delay != 0 || request->sync_streams ||
        request->replay_enabled || request->n_agents != 0)
        return fail(call, API_UNIMPLEMENTED, "playout delays, synchronised streams, replays and agents are not there");
    if (request->name[0] == 0 || strlen(request->name) > control->config.room_name_len_max ||
        strlen(request->metadata) > control->config.metadata_len_max)
        return fail(call, API_INVALID, "name or metadata missing or too long");
    if (room_is_meeting(control, request->name))
        return fail(call, API_DENIED, "names of meetings cannot be used");
    struct room *room = room_find(&control->rooms, request->name);
    if (room == NULL) {
        room = control->shutting_down ? NULL : room_open_configured(control, request->name, NULL, NULL);
        if (room == NULL)
            return fail(call, API_EXHAUSTED, "too many rooms");
    } else {
        room_touch(room);
    }
    /* of a room that is there, what is given changes */
    if (request->empty_timeout != 0)
        room->empty_timeout_s = request->empty_timeout;
    if (request->departure_timeout != 0)
        room->departure_timeout_s = request->departure_timeout;
    if (request->max_participants != 0)
        room->participants_max = request->max_participants;
    if (request->metadata[0] != 0)
        memory_set_text(&room->metadata, request->metadata);
    timer_arm(control, room, room_expires_us(room));
    call->response = (ProtobufCMessage *)message_room(call->arena, control, room);
    return API_OK;
}

static bool name_listed(const Livekit__ListRoomsRequest *request, const char *name) {
    for (size_t i = 0; i < request->n_names; i++) {
        if (strcmp(request->names[i], name) == 0)
            return true;
    }
    return request->n_names == 0;
}

static enum api_code list_rooms(struct call *call) {
    if (!call->token->room_list)
        return fail(call, API_UNAUTHENTICATED, "roomList is needed");
    Livekit__ListRoomsResponse *response = arena_new(call->arena, &livekit__list_rooms_response__descriptor);
    response->rooms = arena_bytes(call->arena, (call->control->rooms.count + 1) * sizeof *response->rooms);
    LIST_EACH(&call->control->rooms.list, struct room, node, room) {
        /* that a meeting exists is its members' business */
        if (name_listed(call->request, room->name) && !room_is_meeting(call->control, room->name))
            response->rooms[response->n_rooms++] = message_room(call->arena, call->control, room);
    }
    call->response = &response->base;
    return API_OK;
}

static enum api_code delete_room(struct call *call) {
    const Livekit__DeleteRoomRequest *request = call->request;
    if (!call->token->room_create)
        return fail(call, API_UNAUTHENTICATED, "roomCreate is needed");
    struct room *room = NULL;
    enum api_code code = find_room(call, request->room, &room);
    if (code != API_OK)
        return code;
    room_end(call->control, room, ROOM_LEAVE_ROOM_DELETED);
    call->response = arena_new(call->arena, &livekit__delete_room_response__descriptor);
    return API_OK;
}

static enum api_code update_room_metadata(struct call *call) {
    const Livekit__UpdateRoomMetadataRequest *request = call->request;
    struct room *room = NULL;
    enum api_code code = admin_room(call, request->room, &room);
    if (code != API_OK)
        return code;
    if (strlen(request->metadata) > call->control->config.metadata_len_max)
        return fail(call, API_INVALID, "metadata too long");
    memory_set_text(&room->metadata, request->metadata);
    room_touch(room);
    call->response = (ProtobufCMessage *)message_room(call->arena, call->control, room);
    return API_OK;
}

/* ---- participants ------------------------------------------------------------------------------------------------ */

static enum api_code list_participants(struct call *call) {
    const Livekit__ListParticipantsRequest *request = call->request;
    struct room *room = NULL;
    enum api_code code = admin_room(call, request->room, &room);
    if (code != API_OK && code != API_NOT_FOUND)
        return code;
    Livekit__ListParticipantsResponse *response =
        arena_new(call->arena, &livekit__list_participants_response__descriptor);
    call->response = &response->base;
    if (code == API_NOT_FOUND) /* it ended, or never was: nobody is in it */
        return API_OK;
    response->participants = arena_bytes(call->arena, (room->participants_count + 1) * sizeof *response->participants);
    LIST_EACH(&room->participants, struct participant, node, participant) {
        response->participants[response->n_participants++] = message_participant(call->arena, participant);
    }
    call->response = &response->base;
    return API_OK;
}

static enum api_code get_participant(struct call *call) {
    const Livekit__RoomParticipantIdentity *request = call->request;
    struct participant *participant = NULL;
    enum api_code code = admin_participant(call, request->room, request->identity, &participant);
    if (code == API_OK)
        call->response = (ProtobufCMessage *)message_participant(call->arena, participant);
    return code;
}

static enum api_code remove_participant(struct call *call) {
    const Livekit__RoomParticipantIdentity *request = call->request;
    struct participant *participant = NULL;
    enum api_code code = admin_participant(call, request->room, request->identity, &participant);
    if (code != API_OK)
        return code;
    peer_leave(peer_of(participant), ROOM_LEAVE_REMOVED, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
    call->response = arena_new(call->arena, &livekit__remove_participant_response__descriptor);
    return API_OK;
}

static enum api_code mute_track(struct call *call) {
    const Livekit__MuteRoomTrackRequest *request = call->request;
    struct participant *participant = NULL;
    enum api_code code = admin_participant(call, request->room, request->identity, &participant);
    if (code != API_OK)
        return code;
    struct track *track = track_find(participant, request->track_sid);
    if (track == NULL)
        return fail(call, API_NOT_FOUND, "track does not exist");
    if (!request->muted && !call->control->config.enable_remote_unmute)
        return fail(call, API_DENIED, "unmuting others is not enabled");
    publish_mute(track, request->muted, true);
    Livekit__MuteRoomTrackResponse *response = arena_new(call->arena, &livekit__mute_room_track_response__descriptor);
    response->track = message_track(call->arena, track);
    call->response = &response->base;
    return API_OK;
}

static enum api_code update_participant(struct call *call) {
    const Livekit__UpdateParticipantRequest *request = call->request;
    struct participant *participant = NULL;
    enum api_code code = admin_participant(call, request->room, request->identity, &participant);
    if (code != API_OK)
        return code;
    const char *keys[ROOM_ATTRIBUTES_MAX], *values[ROOM_ATTRIBUTES_MAX];
    if (request->n_attributes > ROOM_ATTRIBUTES_MAX)
        return fail(call, API_INVALID, "too many attributes");
    for (size_t i = 0; i < request->n_attributes; i++) {
        keys[i] = request->attributes[i]->key;
        values[i] = request->attributes[i]->value;
    }
    struct peer *peer = peer_of(participant);
    if (participant_set_info(peer, request->metadata[0] != 0 ? request->metadata : NULL,
                             request->name[0] != 0 ? request->name : NULL, request->n_attributes, keys,
                             values) != LIVEKIT__REQUEST_RESPONSE__REASON__OK)
        return fail(call, API_INVALID, "metadata, name or attributes too long");
    if (request->permission != NULL) {
        struct room_permission permission = permission_of_message(request->permission);
        peer_set_permission(peer, &permission);
    }
    call->response = (ProtobufCMessage *)message_participant(call->arena, participant);
    return API_OK;
}

static void subscribe_listed(struct participant *subscriber, char *const *sids, size_t count, bool subscribe) {
    for (size_t i = 0; i < count; i++) {
        struct track *track = track_find_in_room(subscriber->room, sids[i]);
        if (track != NULL && track->published)
            subscribe_request(subscriber, track, subscribe);
    }
}

static enum api_code update_subscriptions(struct call *call) {
    const Livekit__UpdateSubscriptionsRequest *request = call->request;
    struct participant *participant = NULL;
    enum api_code code = admin_participant(call, request->room, request->identity, &participant);
    if (code != API_OK)
        return code;
    subscribe_listed(participant, request->track_sids, request->n_track_sids, request->subscribe);
    for (size_t i = 0; i < request->n_participant_tracks; i++)
        subscribe_listed(participant, request->participant_tracks[i]->track_sids,
                         request->participant_tracks[i]->n_track_sids, request->subscribe);
    call->response = arena_new(call->arena, &livekit__update_subscriptions_response__descriptor);
    return API_OK;
}

/* Callers repeat a call whose answer was lost: its nonce tells. */
static bool seen_before(struct control *control, const ProtobufCBinaryData *nonce) {
    if (nonce->len != sizeof control->nonces[0])
        return false;
    for (size_t i = 0; i < CONTROL_NONCES_MAX; i++) {
        if (memcmp(control->nonces[i], nonce->data, nonce->len) == 0)
            return true;
    }
    memcpy(control->nonces[control->nonces_next], nonce->data, nonce->len);
    control->nonces_next = (control->nonces_next + 1) % CONTROL_NONCES_MAX;
    return false;
}

static enum api_code send_data(struct call *call) {
    const Livekit__SendDataRequest *request = call->request;
    struct room *room = NULL;
    enum api_code code = admin_room(call, request->room, &room);
    if (code != API_OK)
        return code;
    Livekit__DataPacket *packet = arena_new(call->arena, &livekit__data_packet__descriptor);
    Livekit__UserPacket *user = arena_new(call->arena, &livekit__user_packet__descriptor);
    packet->kind = request->kind;
    packet->n_destination_identities = request->n_destination_identities;
    packet->destination_identities = request->destination_identities;
    packet->value_case = LIVEKIT__DATA_PACKET__VALUE_USER;
    packet->user = user;
    user->payload = request->data;
    user->n_destination_sids = request->n_destination_sids;
    user->destination_sids = request->destination_sids;
    user->n_destination_identities = request->n_destination_identities;
    user->destination_identities = request->destination_identities;
    user->nonce = request->nonce;
    if (request->topic_presence_case == LIVEKIT__SEND_DATA_REQUEST__TOPIC_PRESENCE_TOPIC) {
        user->topic_presence_case = LIVEKIT__USER_PACKET__TOPIC_PRESENCE_TOPIC;
        user->topic = request->topic;
    }
    size_t len = protobuf_c_message_get_packed_size(&packet->base);
    if (len > ENGINE_MESSAGE_LEN_MAX)
        return fail(call, API_INVALID, "data too long");
    uint8_t *bytes = arena_bytes(call->arena, len);
    (void)protobuf_c_message_pack(&packet->base, bytes);
    if (!seen_before(call->control, &request->nonce) &&
        !data_send_from_server(call->control, room, span_of(bytes, len),
                               request->kind == LIVEKIT__DATA_PACKET__KIND__LOSSY))
        return fail(call, API_EXHAUSTED, "somebody in the room has not taken earlier data yet");
    call->response = arena_new(call->arena, &livekit__send_data_response__descriptor);
    return API_OK;
}

/* ---- Twirp ------------------------------------------------------------------------------------------------------- */

static const struct method {
    const char *name;
    const ProtobufCMessageDescriptor *request;
    enum api_code (*run)(struct call *call);
} methods[] = {
    {"CreateRoom", &livekit__create_room_request__descriptor, create_room},
    {"ListRooms", &livekit__list_rooms_request__descriptor, list_rooms},
    {"DeleteRoom", &livekit__delete_room_request__descriptor, delete_room},
    {"ListParticipants", &livekit__list_participants_request__descriptor, list_participants},
    {"GetParticipant", &livekit__room_participant_identity__descriptor, get_participant},
    {"RemoveParticipant", &livekit__room_participant_identity__descriptor, remove_participant},
    {"MutePublishedTrack", &livekit__mute_room_track_request__descriptor, mute_track},
    {"UpdateParticipant", &livekit__update_participant_request__descriptor, update_participant},
    {"UpdateSubscriptions", &livekit__update_subscriptions_request__descriptor, update_subscriptions},
    {"SendData", &livekit__send_data_request__descriptor, send_data},
    {"UpdateRoomMetadata", &livekit__update_room_metadata_request__descriptor, update_room_metadata},
    /* known, and answered as not implemented */
    {"ForwardParticipant", NULL, NULL},
    {"MoveParticipant", NULL, NULL},
    {"PerformRpc", NULL, NULL},
};

static void reply_error(struct control_http_reply *reply, struct arena *arena, enum api_code code,
                        const char *message) {
    http_text(reply, codes[code].status, "");
    (void)span_to_str(span_str("application/json"), reply->content_type, sizeof reply->content_type);
    /* messages are ours and need no escape */
    reply->body =
        span_str(arena_format(arena, "{\"code\":\"%s\",\"msg\":\"%s\",\"meta\":{}}", codes[code].name, message));
}

static const void *decode(const struct method *method, struct span body, bool json, struct arena *arena) {
    if (!json)
        return protobuf_c_message_unpack(method->request, arena_allocator(arena), body.len, body.data);
    if (body.len == 0)
        return arena_new(arena, method->request);
    json_t *object = json_loadb((const char *)body.data, body.len, 0, NULL);
    ProtobufCMessage *message = object != NULL ? pbjson_read(method->request, object, arena) : NULL;
    json_decref(object);
    return message;
}

static void reply_message(struct call *call, bool json, struct control_http_reply *reply) {
    struct arena *arena = &call->control->reply_arena;
    http_text(reply, 200, "");
    if (json) {
        json_t *object = pbjson_write(call->response, (struct pbjson_style){.defaults = true});
        char *text = json_dumps(object, JSON_COMPACT);
        ASSERT(text != NULL);
        reply->body = span_str(arena_text(arena, span_str(text)));
        free(text);
        json_decref(object);
    } else {
        size_t len = protobuf_c_message_get_packed_size(call->response);
        uint8_t *bytes = arena_bytes(arena, len);
        reply->body = span_of(bytes, protobuf_c_message_pack(call->response, bytes));
    }
    (void)span_to_str(span_str(json ? "application/json" : "application/protobuf"), reply->content_type,
                      sizeof reply->content_type);
}

static void run(struct call *call, const struct method *method, const struct control_http_request *http, bool json,
                struct control_http_reply *reply) {
    struct control *control = call->control;
    struct arena decoded;
    arena_init(&decoded, arena_decode_max(http->body.len) + method->request->sizeof_message);
    call->request = decode(method, http->body, json, &decoded);
    enum api_code code = API_MALFORMED;
    call->message = "the request could not be read";
    if (call->request != NULL)
        code = method->run(call);
    if (code == API_OK)
        reply_message(call, json, reply);
    else
        reply_error(reply, &control->reply_arena, code, call->message);
    arena_free(&decoded);
}

static const struct method *find_method(struct span path, enum api_code *code) {
    static const char service[] = "/twirp/livekit.RoomService/";
    size_t len = sizeof service - 1;
    *code = API_BAD_ROUTE;
    if (!span_starts_with(path, service)) {
        /* the SDKs' other services (Egress, Ingress, SIP, AgentDispatchService, Connector) */
        if (span_starts_with(path, "/twirp/livekit."))
            *code = API_UNIMPLEMENTED;
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (!span_equal_str(span_of(path.data + len, path.len - len), methods[i].name))
            continue;
        *code = methods[i].run != NULL ? API_OK : API_UNIMPLEMENTED;
        return methods[i].run != NULL ? &methods[i] : NULL;
    }
    return NULL;
}

void api_http(struct control *control, const struct control_http_request *request, struct control_http_reply *reply) {
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    struct token *token = memory_new(sizeof *token);
    struct call call = {.control = control, .arena = &arena, .token = token};
    enum api_code code;
    const struct method *method = find_method(request->path, &code);
    bool json = media_type_is(request->content_type, "application/json");
    bool binary = media_type_is(request->content_type, "application/protobuf");
    enum token_result result =
        token_verify(&control->config.keys, control->unix_us, token_from_header(request->authorization), &arena, token);
    if (!span_equal_str(request->method, "POST") || (method != NULL && !json && !binary)) {
        reply_error(reply, &control->reply_arena, API_BAD_ROUTE,
                    "POST of application/json or application/protobuf only");
    } else if (result != TOKEN_OK) {
        control->counters.tokens_refused++;
        reply_error(reply, &control->reply_arena, API_UNAUTHENTICATED, token_result_text(result));
    } else if (method == NULL) {
        reply_error(reply, &control->reply_arena, code, code == API_BAD_ROUTE ? "no such method" : "not implemented");
    } else {
        run(&call, method, request, json, reply);
    }
    arena_free(&arena);
    free(token);
}
