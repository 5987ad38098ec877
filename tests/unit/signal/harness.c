#include "signal/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <zlib.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/pool.h"
#include "signal/token.h"

static const struct control_key api_key = {.key = KEY, .secret = SECRET};

struct control_config test_config(void) {
    struct control_config config = control_config_default();
    config.keys = control_keys_local(&api_key, 1);
    config.candidates_count = 2;
    config.candidates[0] = net_addr_v4(192, 0, 2, 1, 7882);
    config.candidates[1] = net_addr_v4(192, 0, 2, 1, 7881);
    config.candidates[1].proto = NET_TCP;
    strcpy(config.dtls_fingerprint,
           "5F:7A:7D:8E:F6:32:B0:71:16:91:BA:5F:87:18:2B:BD:74:C4:9E:9A:12:B8:CE:98:A2:79:50:ED:4D:4D:AA:75");
    config.shards = 1;
    config.transports_max = 128;
    config.sources_max = 256;
    config.sinks_max = 1024;
    config.sessions_max = CLIENTS_MAX;
    config.rooms_max = 16;
    config.webhooks = true;
    strcpy(config.meeting_room_prefix, "meeting-");
    strcpy(config.node_id, "ND_test");
    return config;
}

struct world *world_start(const struct control_config *config) {
    struct world *world = calloc(1, sizeof *world);
    struct control_config fallback = test_config();
    world->rng = rng_seeded(7);
    world->now_us = 1000 * US_PER_S;
    world->unix_us = UINT64_C(1760000000) * US_PER_S;
    world->control = control_create(config != NULL ? config : &fallback, &world->rng, world->now_us, world->unix_us);
    assert_non_null(world->control);
    return world;
}

static void client_clear(struct client *client) {
    for (size_t i = 0; i < client->count; i++)
        livekit__signal_response__free_unpacked(client->log[i], NULL);
    client->count = 0;
}

void forget(struct client *client) {
    client_clear(client);
}

void world_stop(struct world *world) {
    control_shutdown(world->control, world->now_us);
    drain(world);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (world->clients[i].session != 0)
            control_session_closed(world->control, world->now_us, world->clients[i].session);
        client_clear(&world->clients[i]);
    }
    drain(world);
    for (int kind = OBJECT_TRANSPORT; kind <= OBJECT_SINK; kind++)
        assert_int_equal(objects_of(world, (enum object_kind)kind), 0);
    struct control_gauges gauges;
    control_gauges_get(world->control, &gauges);
    assert_int_equal(gauges.rooms + gauges.participants + gauges.sessions + gauges.tracks + gauges.subscriptions, 0);
    control_destroy(world->control);
    for (size_t i = 0; i < world->data_count; i++)
        free(world->data[i].bytes);
    for (size_t i = 0; i < world->webhooks_count; i++)
        free(world->webhooks[i]);
    free(world->expelled);
    free(world);
}

/* ---- the pretended engine ---------------------------------------------------------------------------------------- */

struct object *object_at(struct world *world, enum object_kind kind, uint32_t handle) {
    struct object *object = &world->objects[kind - 1][pool_index(handle)];
    return object->kind == kind && object->handle == handle ? object : NULL;
}

struct object *nth_object(struct world *world, enum object_kind kind, size_t n) {
    for (size_t i = 0; i < OBJECTS_MAX; i++) {
        if (world->objects[kind - 1][i].kind != OBJECT_NONE && n-- == 0)
            return &world->objects[kind - 1][i];
    }
    return NULL;
}

size_t objects_of(const struct world *world, enum object_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < OBJECTS_MAX; i++)
        count += world->objects[kind - 1][i].kind != OBJECT_NONE;
    return count;
}

static struct object *open_object(struct world *world, enum object_kind kind, uint32_t handle) {
    struct object *object = &world->objects[kind - 1][pool_index(handle)];
    assert_int_equal(object->kind, OBJECT_NONE);
    memset(object, 0, sizeof *object);
    object->kind = kind;
    object->handle = handle;
    return object;
}

static struct object *live_object(struct world *world, enum object_kind kind, uint32_t handle) {
    struct object *object = object_at(world, kind, handle);
    assert_non_null(object);
    return object;
}

static void carry_out_sink(struct world *world, const struct engine_command *command) {
    struct object *object = open_object(world, OBJECT_SINK, command->object);
    const struct object *transport = live_object(world, OBJECT_TRANSPORT, command->sink_open.transport);
    const struct object *source = live_object(world, OBJECT_SOURCE, command->sink_open.source);
    const struct object *from = live_object(world, OBJECT_TRANSPORT, source->transport);
    assert_true(transport->has_remote);
    assert_int_equal(transport->transport_open.room, from->transport_open.room);
    assert_int_not_equal(command->sink_open.codecs[0].codec, CODEC_UNKNOWN);
    assert_int_not_equal(command->sink_open.ssrc, 0);
    for (size_t i = 0; i < OBJECTS_MAX; i++) {
        const struct object *other = &world->objects[OBJECT_SINK - 1][i];
        if (other->kind == OBJECT_NONE || other == object || other->transport != command->sink_open.transport)
            continue;
        assert_string_not_equal(other->sink_open.mid, command->sink_open.mid);
        assert_int_not_equal(other->source, command->sink_open.source);
    }
    object->sink_open = command->sink_open;
    world->sinks_opened++;
    object->transport = command->sink_open.transport;
    object->source = command->sink_open.source;
}

static void close_dependents(struct world *world, enum object_kind kind, uint32_t handle) {
    /* the core closes leaves first: nothing may hang on what is closed */
    for (size_t i = 0; i < OBJECTS_MAX; i++) {
        const struct object *sink = &world->objects[OBJECT_SINK - 1][i],
                            *source = &world->objects[OBJECT_SOURCE - 1][i];
        if (sink->kind != OBJECT_NONE)
            assert_false(kind == OBJECT_SOURCE ? sink->source == handle : sink->transport == handle);
        if (source->kind != OBJECT_NONE && kind == OBJECT_TRANSPORT)
            assert_int_not_equal(source->transport, handle);
    }
}

static void carry_out_data(struct world *world, const struct engine_command *command, struct span payload) {
    assert_non_null(live_object(world, OBJECT_TRANSPORT, command->object));
    assert_int_equal(command->channel_send.payload_len, payload.len);
    assert_in_range(payload.len, 0, ENGINE_MESSAGE_LEN_MAX);
    if (strcmp(command->channel_send.label, "_reliable") == 0)
        live_object(world, OBJECT_TRANSPORT, command->object)->given_bytes += engine_channel_charge(payload.len);
    if (world->data_count == LOG_MAX)
        return;
    struct sent_data *data = &world->data[world->data_count++];
    data->transport = command->object;
    strcpy(data->label, command->channel_send.label);
    data->len = payload.len;
    data->bytes = malloc(data->len + 1);
    memcpy(data->bytes, payload.data, data->len);
}

static void carry_out(struct world *world, const struct control_output *out) {
    const struct engine_command *command = &out->command;
    uint32_t handle = command->object;
    struct object *object;
    switch (command->type) {
    case ENGINE_TRANSPORT_OPEN:
        object = open_object(world, OBJECT_TRANSPORT, handle);
        object->transport_open = command->transport_open;
        object->room = command->transport_open.room;
        assert_in_range(strlen(command->transport_open.local_ufrag), 10, ENGINE_UFRAG_LEN_MAX);
        assert_int_equal(command->transport_open.local_ufrag[1] - '0', out->shard);
        break;
    case ENGINE_TRANSPORT_REMOTE:
        object = live_object(world, OBJECT_TRANSPORT, handle);
        object->remote = command->transport_remote;
        object->has_remote = true;
        break;
    case ENGINE_TRANSPORT_RESTART:
        object = live_object(world, OBJECT_TRANSPORT, handle);
        assert_string_not_equal(object->transport_open.local_ufrag, command->transport_open.local_ufrag);
        object->transport_open = command->transport_open;
        object->restarts++;
        break;
    case ENGINE_TRANSPORT_CLOSE:
        object = live_object(world, OBJECT_TRANSPORT, handle);
        close_dependents(world, OBJECT_TRANSPORT, handle);
        object->kind = OBJECT_NONE;
        break;
    case ENGINE_SOURCE_OPEN:
        object = open_object(world, OBJECT_SOURCE, handle);
        assert_true(live_object(world, OBJECT_TRANSPORT, command->source_open.transport)->has_remote);
        assert_int_not_equal(command->source_open.codecs[0].codec, CODEC_UNKNOWN);
        object->source_open = command->source_open;
        world->sources_opened++;
        object->transport = command->source_open.transport;
        break;
    case ENGINE_SOURCE_MUTE:
        live_object(world, OBJECT_SOURCE, handle)->muted = command->source_mute.muted;
        break;
    case ENGINE_SOURCE_CLOSE:
        object = live_object(world, OBJECT_SOURCE, handle);
        close_dependents(world, OBJECT_SOURCE, handle);
        object->kind = OBJECT_NONE;
        break;
    case ENGINE_SINK_OPEN:
        carry_out_sink(world, command);
        break;
    case ENGINE_SINK_SETTINGS:
        object = live_object(world, OBJECT_SINK, handle);
        object->settings = command->sink_settings;
        world->settings_sent++;
        object->has_settings = true;
        break;
    case ENGINE_SINK_CLOSE:
        live_object(world, OBJECT_SINK, handle)->kind = OBJECT_NONE;
        break;
    case ENGINE_CHANNEL_OPEN:
        assert_non_null(live_object(world, OBJECT_TRANSPORT, handle));
        break;
    case ENGINE_CHANNEL_SEND:
        carry_out_data(world, command, out->message);
        break;
    case ENGINE_CHANNEL_RELEASE:
        assert_int_not_equal(command->channel_release.bytes, 0);
        live_object(world, OBJECT_TRANSPORT, handle)->released_bytes += command->channel_release.bytes;
        break;
    case ENGINE_KEYFRAME_REQUEST:
        world->keyframes++;
        break;
    default:
        fail();
    }
}

static struct client *client_of(struct world *world, uint32_t session) {
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (world->clients[i].session == session)
            return &world->clients[i];
    }
    return NULL;
}

static struct client *new_client(struct world *world) {
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (world->clients[i].session == 0 && world->clients[i].identity == NULL)
            return &world->clients[i];
    }
    fail();
    return NULL;
}

static void receive(struct world *world, const struct control_output *out) {
    struct client *client = client_of(world, out->session);
    assert_non_null(client);
    assert_false(client->closed);
    assert_in_range(out->message.len, 1, CONTROL_MESSAGE_LEN_MAX); /* the socket takes no longer one */
    Livekit__SignalResponse *response = livekit__signal_response__unpack(NULL, out->message.len, out->message.data);
    assert_non_null(response);
    assert_int_not_equal(response->message_case, LIVEKIT__SIGNAL_RESPONSE__MESSAGE__NOT_SET);
    if (response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN)
        (void)snprintf(client->sid, sizeof client->sid, "%s", response->join->participant->sid);
    if (client->count == LOG_MAX) {
        livekit__signal_response__free_unpacked(client->log[0], NULL);
        memmove(client->log, client->log + 1, (LOG_MAX - 1) * sizeof client->log[0]);
        client->count--;
    }
    client->log[client->count++] = response;
}

void drain(struct world *world) {
    struct control_output out;
    while (control_poll(world->control, &out)) {
        struct client *client;
        switch (out.type) {
        case CONTROL_SEND:
            receive(world, &out);
            break;
        case CONTROL_CLOSE:
            client = client_of(world, out.session);
            assert_non_null(client);
            client->closed = true;
            client->code = out.code;
            break;
        case CONTROL_COMMAND:
            carry_out(world, &out);
            break;
        case CONTROL_WEBHOOK:
            assert_true(out.authorization.len > 0);
            if (world->webhooks_count < LOG_MAX) {
                char *text = calloc(1, out.message.len + 1);
                memcpy(text, out.message.data, out.message.len);
                world->webhooks[world->webhooks_count++] = text;
            }
            break;
        case CONTROL_EXPELLED:
            free(world->expelled);
            assert_true(asprintf(&world->expelled, "%.*s %.*s", (int)out.message.len, (const char *)out.message.data,
                                 (int)out.authorization.len, (const char *)out.authorization.data) > 0);
            break;
        }
    }
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &world->clients[i];
        if (client->closed && client->session != 0) {
            uint32_t session = client->session;
            client->session = 0;
            control_session_closed(world->control, world->now_us, session);
            drain(world);
        }
    }
}

void pass(struct world *world, uint64_t us) {
    uint64_t end_us = world->now_us + us;
    for (;;) {
        uint64_t next_us = control_next_deadline_us(world->control);
        uint64_t at_us = next_us < end_us ? (next_us > world->now_us ? next_us : world->now_us) : end_us;
        world->unix_us += at_us - world->now_us;
        world->now_us = at_us;
        control_tick(world->control, world->now_us, world->unix_us);
        drain(world);
        if (at_us == end_us && control_next_deadline_us(world->control) > end_us)
            return;
    }
}

/* ---- tokens and HTTP --------------------------------------------------------------------------------------------- */

char *token_with(const struct world *world, const char *identity, const char *video, const char *more) {
    char claims[4096];
    (void)snprintf(claims, sizeof claims, "{\"iss\":\"%s\",\"sub\":\"%s\",\"nbf\":%llu,\"exp\":%llu,\"video\":%s%s}",
                   KEY, identity, (unsigned long long)(world->unix_us / US_PER_S),
                   (unsigned long long)(world->unix_us / US_PER_S + 3600), video, more);
    json_t *json = json_loads(claims, 0, NULL);
    assert_non_null(json);
    const struct control_keys keys = control_keys_local(&api_key, 1);
    char *text = calloc(1, 16384);
    struct writer w = writer_of(text, 16383);
    assert_true(token_sign_claims(&keys, 0, json, &w));
    json_decref(json);
    return text;
}

char *token_for(const struct world *world, const char *identity, const char *room) {
    char video[256];
    (void)snprintf(video, sizeof video, "{\"roomJoin\":true,\"canUpdateOwnMetadata\":true,\"room\":\"%s\"}", room);
    return token_with(world, identity, video, ",\"name\":\"Somebody\",\"metadata\":\"{}\"");
}

struct control_http_reply http(struct world *world, const char *method, const char *path, const char *query,
                               const char *token, const char *type, const char *if_match, struct span body) {
    char bearer[20000] = "";
    if (token != NULL)
        (void)snprintf(bearer, sizeof bearer, "Bearer %s", token);
    struct control_http_request request = {
        .method = span_str(method),
        .path = span_str(path),
        .query = span_str(query),
        .authorization = span_str(bearer),
        .content_type = span_str(type),
        .if_match = span_str(if_match),
        .body = body,
    };
    struct control_http_reply reply;
    control_http(world->control, world->now_us, world->unix_us, &request, &reply);
    return reply;
}

static struct client *open_session(struct world *world, const char *identity, const char *path, const char *query,
                                   const char *token) {
    struct client *client = new_client(world);
    char bearer[20000];
    (void)snprintf(bearer, sizeof bearer, "Bearer %s", token);
    struct control_http_request request = {
        .method = span_str("GET"), .path = span_str(path), .query = span_str(query), .authorization = span_str(bearer)};
    struct control_http_reply reply;
    memset(client, 0, sizeof *client);
    client->session = control_session_open(world->control, world->now_us, world->unix_us, &request, &reply);
    client->identity = identity;
    strcpy(client->ufrag, "abcd0");
    if (client->session == 0) {
        assert_true(reply.status >= 400);
        client->identity = NULL;
        drain(world);
        return NULL;
    }
    drain(world);
    return client;
}

struct client *join_with_token(struct world *world, const char *identity, const char *token, const char *more) {
    char query[1024];
    (void)snprintf(query, sizeof query, "sdk=js&protocol=17&client_protocol=2&version=2.23.0%s", more);
    return open_session(world, identity, "/rtc", query, token);
}

struct client *join_v0(struct world *world, const char *identity, const char *room, const char *more) {
    char *token = token_for(world, identity, room);
    struct client *client = join_with_token(world, identity, token, more);
    free(token);
    return client;
}

struct client *resume_v0(struct world *world, const struct client *before, const char *room) {
    char more[64];
    (void)snprintf(more, sizeof more, "&reconnect=1&sid=%s", before->sid);
    return join_v0(world, before->identity, room, more);
}

static char *wrap_join_request(const Livekit__JoinRequest *request) {
    uint8_t packed[65536], zipped[65536];
    size_t len = livekit__join_request__pack(request, packed);
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = packed;
    stream.avail_in = (uInt)len;
    stream.next_out = zipped;
    stream.avail_out = sizeof zipped;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t zipped_len = sizeof zipped - stream.avail_out;
    deflateEnd(&stream);
    Livekit__WrappedJoinRequest wrapped;
    livekit__wrapped_join_request__init(&wrapped);
    wrapped.compression = LIVEKIT__WRAPPED_JOIN_REQUEST__COMPRESSION__GZIP;
    wrapped.join_request = (ProtobufCBinaryData){zipped_len, zipped};
    len = livekit__wrapped_join_request__pack(&wrapped, packed);
    char *query = calloc(1, 2 * 65536);
    struct writer w = writer_of(query, 2 * 65536 - 1);
    wr_str(&w, "join_request=");
    wr_base64url(&w, span_of(packed, len));
    return query;
}

struct client *join_v1(struct world *world, const char *identity, const char *room, const char *offer) {
    Livekit__JoinRequest request;
    Livekit__ConnectionSettings settings;
    Livekit__ClientInfo info;
    Livekit__SessionDescription description;
    livekit__join_request__init(&request);
    livekit__connection_settings__init(&settings);
    livekit__client_info__init(&info);
    livekit__session_description__init(&description);
    info.sdk = LIVEKIT__CLIENT_INFO__SDK__JS;
    info.protocol = 17;
    info.client_protocol = 2;
    settings.auto_subscribe = true;
    request.client_info = &info;
    request.connection_settings = &settings;
    description.type = (char *)(uintptr_t) "offer";
    description.sdp = (char *)(uintptr_t)offer;
    description.id = 1;
    if (offer != NULL)
        request.publisher_offer = &description;
    char *query = wrap_join_request(&request), *token = token_for(world, identity, room);
    struct client *client = open_session(world, identity, "/rtc/v1", query, token);
    free(query);
    free(token);
    return client;
}

/* ---- clients' messages ------------------------------------------------------------------------------------------- */

void send_request(struct world *world, struct client *client, const Livekit__SignalRequest *request) {
    size_t len = livekit__signal_request__get_packed_size(request);
    uint8_t *bytes = malloc(len + 1);
    livekit__signal_request__pack(request, bytes);
    control_session_message(world->control, world->now_us, world->unix_us, client->session, span_of(bytes, len), false);
    free(bytes);
    drain(world);
}

void send_text_offer(struct world *world, struct client *client, const char *sdp, uint32_t id) {
    Livekit__SignalRequest request;
    Livekit__SessionDescription description;
    livekit__signal_request__init(&request);
    livekit__session_description__init(&description);
    description.type = (char *)(uintptr_t) "offer";
    description.sdp = (char *)(uintptr_t)sdp;
    description.id = id;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER;
    request.offer = &description;
    send_request(world, client, &request);
}

void leave(struct world *world, struct client *client) {
    Livekit__SignalRequest request;
    Livekit__LeaveRequest message;
    livekit__signal_request__init(&request);
    livekit__leave_request__init(&message);
    message.reason = LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE;
    request.leave = &message;
    send_request(world, client, &request);
}

void lose(struct world *world, struct client *client) {
    uint32_t session = client->session;
    client->session = 0;
    control_session_closed(world->control, world->now_us, session);
    drain(world);
}

size_t count_of(const struct client *client, Livekit__SignalResponse__MessageCase which) {
    size_t count = 0;
    for (size_t i = 0; i < client->count; i++)
        count += client->log[i]->message_case == which;
    return count;
}

Livekit__SignalResponse *last_of(const struct client *client, Livekit__SignalResponse__MessageCase which) {
    for (size_t i = client->count; i > 0; i--) {
        if (client->log[i - 1]->message_case == which)
            return client->log[i - 1];
    }
    return NULL;
}

Livekit__ParticipantInfo *info_of(const struct client *client, const char *identity) {
    for (size_t i = client->count; i > 0; i--) {
        const Livekit__SignalResponse *response = client->log[i - 1];
        if (response->message_case != LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE)
            continue;
        for (size_t k = response->update->n_participants; k > 0; k--) {
            if (strcmp(response->update->participants[k - 1]->identity, identity) == 0)
                return response->update->participants[k - 1];
        }
    }
    return NULL;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static uint32_t shard_of(struct world *world, uint32_t transport) {
    const struct object *object = object_at(world, OBJECT_TRANSPORT, transport);
    assert_non_null(object);
    return (uint32_t)(object->transport_open.local_ufrag[1] - '0');
}

static void event(struct world *world, uint32_t shard, const struct engine_event *engine_event) {
    control_engine_event(world->control, world->now_us, world->unix_us, shard, engine_event);
    drain(world);
}

void transport_state(struct world *world, uint32_t transport, enum engine_transport_state state) {
    struct engine_event change = {.type = ENGINE_EV_TRANSPORT_STATE, .object = transport, .transport_state = {state}};
    event(world, shard_of(world, transport), &change);
}

void connect_all(struct world *world) {
    for (size_t i = 0; i < OBJECTS_MAX; i++) {
        struct object *object = &world->objects[OBJECT_TRANSPORT - 1][i];
        if (object->kind == OBJECT_NONE || !object->has_remote)
            continue;
        uint32_t handle = object->handle;
        transport_state(world, handle, ENGINE_TRANSPORT_CONNECTED);
        if (object_at(world, OBJECT_TRANSPORT, handle) != NULL && object->remote.data_channels)
            channel_open(world, handle);
    }
}

void channel_open(struct world *world, uint32_t transport) {
    static const char *const labels[] = {"_reliable", "_lossy", "_data_track"};
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        struct engine_event opened = {.type = ENGINE_EV_CHANNEL_OPENED, .object = transport};
        strcpy(opened.channel.label, labels[i]);
        event(world, shard_of(world, transport), &opened);
    }
}

void channel_message(struct world *world, uint32_t transport, const char *label, struct span bytes) {
    struct engine_event message = {.type = ENGINE_EV_CHANNEL_MESSAGE, .object = transport, .payload = bytes};
    strcpy(message.message.label, label);
    message.message.charged_bytes = strcmp(label, "_reliable") == 0 ? engine_channel_charge(bytes.len) : 0;
    event(world, shard_of(world, transport), &message);
}

char *read_vector(const char *name) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/sdp/%s", VECTORS_DIR, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 18);
    size_t len = fread(text, 1, (1 << 18) - 1, file);
    assert_true(len > 0);
    fclose(file);
    return text;
}
