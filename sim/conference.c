/* The wiring of a conference, and the passing of time. */
#include "sim/conference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/crc.h"
#include "base/pool.h"
#include "media/impl.h"
#include "meeting/meeting.h"
#include "protocol/demux.h"
#include "protocol/dtls.h"
#include "signal/livekit.pb-c.h"

/* The virtual clock starts here, and its wall clock in the year 2026. */
#define START_US UINT64_C(1000000)
#define UNIX_START_US UINT64_C(1767225600000000)
#define SESSIONS_MAX 512
#define WS_MAX 65536
#define CHECK_US (100 * US_PER_MS)

static const struct control_key api_key = {.key = "sim", .secret = "a secret of the simulator, long enough for HMAC"};

static uint64_t unix_us(const struct conference *c) {
    return UNIX_START_US + c->now_us;
}

static struct net_addr server_addr(void) {
    return net_addr_v4(192, 0, 2, 1, 7882);
}

/* FNV-1a over everything that is traced; two runs are the same when this is. */
void conference_trace(struct conference *c, uint32_t event, uint32_t object, uint64_t a, uint64_t b) {
    uint64_t words[5] = {c->now_us, event, object, a, b};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        c->hash = (c->hash ^ words[i]) * UINT64_C(0x100000001b3);
    trace_note(&c->trace, c->now_us, event, object, a, b);
}

/* The end of a sealed datagram depends on all of it. */
static uint64_t print_of(struct span bytes) {
    struct span tail = span_of(bytes.data + (bytes.len > 24 ? bytes.len - 24 : 0), bytes.len > 24 ? 24 : bytes.len);
    return (uint64_t)crc32c(tail.data, tail.len) << 32 | bytes.len;
}

/* ---- server ---------------------------------------------------------------------------------------------------------
 */

static bool gate(void *context, struct span room, struct span identity) {
    const struct conference *c = context;
    return c->part != NULL && c->part->may_enter(c->part->context, room, identity);
}

void conference_server_start(struct conference *c) {
    struct server *s = &c->server;
    ASSERT(!s->running);
    s->running = true;
    s->engine_config = engine_config_default(256, 512, 8192);
    s->engine_len = engine_size(&s->engine_config);
    s->control_config = control_config_default();
    struct control_config *config = &s->control_config;
    config->keys = control_keys_local(&api_key, 1);
    config->candidates[0] = server_addr();
    config->candidates_count = 1;
    (void)snprintf(config->dtls_fingerprint, sizeof config->dtls_fingerprint, "%s",
                   dtls_context_fingerprint_text(c->server_dtls));
    config->shards = c->shards;
    config->transports_max = s->engine_config.transports_max;
    config->sources_max = s->engine_config.sources_max;
    config->sinks_max = s->engine_config.sinks_max;
    config->sessions_max = SESSIONS_MAX;
    (void)snprintf(config->meeting_room_prefix, sizeof config->meeting_room_prefix, "%s", MEETING_ROOM_PREFIX);
    config->may_enter = gate;
    config->may_enter_context = c;
    s->rng = rng_seeded(rng_u64(&c->rng));
    s->control = control_create(config, &s->rng, c->now_us, unix_us(c));
    ASSERT(s->control != NULL);
    for (uint32_t i = 0; i < c->shards; i++) {
        s->engine_memory[i] =
            mmap(NULL, s->engine_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        ASSERT(s->engine_memory[i] != MAP_FAILED);
        s->engine_config.core = (uint16_t)i;
        s->engines[i] = engine_init(s->engine_memory[i], &s->engine_config, c->server_dtls, &s->rng, c->now_us);
        engine_tick(s->engines[i], c->now_us, unix_us(c));
    }
}

void conference_server_stop(struct conference *c) {
    struct server *s = &c->server;
    ASSERT(s->running);
    conference_trace(c, TRACE_SCRIPT, 0, 2, 0);
    for (uint32_t i = 0; i < c->shards; i++) {
        struct engine_counters counters;
        engine_counters_get(s->engines[i], &counters);
        counters_add(&s->counters, &counters, sizeof counters);
        engine_destroy(s->engines[i]);
        (void)munmap(s->engine_memory[i], s->engine_len);
    }
    control_destroy(s->control);
    s->running = false;
    for (uint32_t i = 1; i < WS_MAX; i++) {
        if (c->ws[i].session == 0)
            continue;
        c->ws[i].session = 0;
        network_ws_close(c->network, c->now_us, i, false);
    }
}

/* Only the owner of an object may be told; what the canary hides shows whether the checker sees. */
static bool canary_eats(struct conference *c, struct engine_command *command) {
    if (c->keeps_media && (command->type == ENGINE_TRANSPORT_CLOSE || command->type == ENGINE_SINK_CLOSE ||
                           command->type == ENGINE_SOURCE_CLOSE))
        return true;
    switch (c->options.canary) {
    case CANARY_STAY:
        return command->type == ENGINE_TRANSPORT_CLOSE || command->type == ENGINE_SINK_CLOSE ||
               command->type == ENGINE_SOURCE_CLOSE;
    case CANARY_LEAK:
        return command->type == ENGINE_SOURCE_CLOSE || command->type == ENGINE_TRANSPORT_CLOSE;
    case CANARY_SWAP:
        if (command->type == ENGINE_SINK_OPEN) {
            static uint32_t last_source, last_transport;
            uint32_t own = command->sink_open.source;
            if (last_source != 0 && last_source != own && command->sink_open.transport == last_transport)
                command->sink_open.source = last_source;
            last_source = own;
            last_transport = command->sink_open.transport;
        }
        return false;
    case CANARY_LOUD:
        return command->type == ENGINE_SINK_CLOSE ||
               (command->type == ENGINE_SINK_SETTINGS && !command->sink_settings.enabled);
    case CANARY_LOSE:
        return command->type == ENGINE_CHANNEL_SEND && c->server.data_sent++ % 16 == 15;
    case CANARY_NONE:
    case CANARY_DEAF:
    case CANARY_SKIP:
        break;
    }
    return false;
}

/* Four seconds into the run every stream to a receiver leaves out three numbers. */
static void canary_skip(struct conference *c) {
    struct server *s = &c->server;
    if (c->options.canary != CANARY_SKIP || s->skipped || c->now_us < c->start_us + 4 * US_PER_S)
        return;
    s->skipped = true;
    for (uint32_t i = 0; i < c->shards; i++) {
        for (uint32_t k = 0; k < s->engine_config.sinks_max; k++)
            s->engines[i]->sinks[k].rewrite.seq_offset += 3;
    }
}

static void session_ended(struct conference *c, uint32_t session) {
    uint32_t connection = c->session_connection[pool_index(session)];
    ASSERT(connection != 0 && c->ws[connection].session == session);
    c->ws[connection].session = 0;
    c->session_connection[pool_index(session)] = 0;
    network_ws_close(c->network, c->now_us, connection, false);
    control_session_closed(c->server.control, c->now_us, session);
}

/* Does what control wants. Sessions that it closes are ended when the queue is empty: that is an input of its own. */
static void drain_control(struct conference *c) {
    struct server *s = &c->server;
    struct control_output out;
    for (;;) {
        uint32_t closed[SESSIONS_MAX], closed_count = 0;
        while (control_poll(s->control, &out)) {
            switch (out.type) {
            case CONTROL_SEND: {
                uint32_t connection = c->session_connection[pool_index(out.session)];
                ASSERT(connection != 0 && c->ws[connection].session == out.session);
                conference_trace(c, TRACE_WS_DOWN, connection, print_of(out.message), 0);
                if (c->part != NULL)
                    c->part->signal(c->part->context, &c->clients[c->ws[connection].client]);
                network_ws_send(c->network, c->now_us, connection, false, out.message);
                break;
            }
            case CONTROL_CLOSE:
                ASSERT(closed_count < SESSIONS_MAX);
                closed[closed_count++] = out.session;
                break;
            case CONTROL_COMMAND:
                ASSERT(out.shard < c->shards);
                conference_trace(c, TRACE_COMMAND, out.command.object, (uint64_t)out.command.type, 0);
                if (!canary_eats(c, &out.command))
                    engine_command(s->engines[out.shard], c->now_us, &out.command, out.message);
                break;
            case CONTROL_EXPELLED:
                if (c->part != NULL)
                    c->part->expelled(c->part->context, out.message, out.authorization);
                break;
            case CONTROL_WEBHOOK:
                break;
            }
        }
        if (closed_count == 0)
            return;
        for (uint32_t i = 0; i < closed_count; i++)
            session_ended(c, closed[i]);
    }
}

static void check_destination(struct conference *c, uint32_t shard, const struct engine_tx *tx) {
    uint32_t node, socket;
    bool current;
    if (!network_owner(c->network, &tx->to, &node, &socket, &current))
        conference_fail(c, "the server sends to an address that nobody has");
    struct client *client = &c->clients[node];
    enum demux_kind kind = demux(span_of(tx->data, tx->len));
    if ((kind == DEMUX_RTP || kind == DEMUX_RTCP) && (client->departed || client->joined_count == 0))
        conference_fail(c, "media goes to %s, who %s", client->identity,
                        client->departed ? "has left the room" : "was not admitted yet");
    if (kind == DEMUX_RTP && client->vanished && c->now_us > client->vanished_us + CONFERENCE_VANISHED_US)
        conference_fail(c, "media goes to %s, who has not been heard of since %.3f s", client->identity,
                        (double)(client->vanished_us - c->start_us) / 1e6);
    if ((kind == DEMUX_RTP || kind == DEMUX_RTCP) && c->part != NULL)
        c->part->media(c->part->context, client, shard, tx);
}

static bool drain_engine(struct conference *c, uint32_t shard) {
    struct engine *engine = c->server.engines[shard];
    struct engine_event event;
    struct engine_tx tx[ENGINE_TX_BATCH_MAX];
    struct engine_path paths[64];
    bool any = false;
    while (engine_poll_event(engine, &event)) {
        any = true;
        conference_trace(c, TRACE_ENGINE_EVENT, event.object, (uint64_t)event.type, 0);
        control_engine_event(c->server.control, c->now_us, unix_us(c), shard, &event);
        drain_control(c);
    }
    size_t count;
    while ((count = engine_poll_tx(engine, c->now_us, tx, ARRAY_LEN(tx))) > 0) {
        any = true;
        for (size_t i = 0; i < count; i++) {
            struct span datagram = span_of(tx[i].data, tx[i].len);
            check_destination(c, shard, &tx[i]);
            conference_trace(c, TRACE_DATAGRAM_DOWN, tx[i].to.ip[2], print_of(datagram), 0);
            network_send_down(c->network, c->now_us, &tx[i].to, datagram);
        }
    }
    while (engine_poll_paths(engine, paths, ARRAY_LEN(paths)) > 0)
        any = true;
    return any;
}

static void drain_server(struct conference *c) {
    bool any = c->server.running;
    while (any) {
        drain_control(c);
        any = false;
        for (uint32_t i = 0; i < c->shards; i++)
            any = drain_engine(c, i) || any;
    }
}

void conference_expel(struct conference *c, struct span room, struct span identity) {
    if (!c->server.running)
        return;
    control_expel(c->server.control, c->now_us, room, identity);
    drain_server(c);
}

void conference_room_end(struct conference *c, struct span room) {
    if (!c->server.running)
        return;
    control_room_end(c->server.control, c->now_us, room);
    drain_server(c);
}

static void tick_server(struct conference *c) {
    struct server *s = &c->server;
    if (!s->running)
        return;
    canary_skip(c);
    for (uint32_t i = 0; i < c->shards; i++) {
        if (engine_next_deadline_us(s->engines[i]) <= c->now_us)
            engine_tick(s->engines[i], c->now_us, unix_us(c));
    }
    if (control_next_deadline_us(s->control) <= c->now_us)
        control_tick(s->control, c->now_us, unix_us(c));
    drain_server(c);
}

/* ---- clients
 * --------------------------------------------------------------------------------------------------------- */

static void take_data(struct conference *c, struct client *client, const struct participant_event *event) {
    struct reader r = reader_of_span(event->payload);
    uint32_t sender = rd_u32(&r), number = rd_u32(&r), only_to = rd_u32(&r);
    if (!reader_ok(&r) || sender >= c->client_count)
        conference_fail(c, "%s got data that nobody sent", client->identity);
    const struct client *from = &c->clients[sender];
    if (from->room != client->room || strcmp(from->identity, event->identity) != 0)
        conference_fail(c, "%s got data of %s, said to be of %s", client->identity, from->identity, event->identity);
    if (only_to != UINT32_MAX && only_to != client->index)
        conference_fail(c, "%s got data that was for %s", client->identity, c->clients[only_to].identity);
    if (!event->reliable) {
        client->data_got_lossy++;
        return;
    }
    if (number <= client->data_last[sender])
        conference_fail(c, "%s got reliable data %u of %s after %u", client->identity, number, from->identity,
                        client->data_last[sender]);
    client->data_last[sender] = number;
    client->data_got[sender]++;
}

static void take_event(struct conference *c, struct client *client, const struct participant_event *event) {
    conference_trace(c, TRACE_CLIENT_EVENT, client->index, (uint64_t)event->type, event->publication);
    if (c->options.verbose && event->type != PARTICIPANT_EV_DATA)
        printf("%9.3f %s: event %d %s\n", (double)(c->now_us - c->start_us) / 1e6, client->identity, (int)event->type,
               event->sid);
    switch (event->type) {
    case PARTICIPANT_EV_JOINED:
        client->joined_count++;
        break;
    case PARTICIPANT_EV_CONNECTED:
        client->connected_count++;
        break;
    case PARTICIPANT_EV_DISCONNECTED:
        client->over = true;
        client->over_reason = event->reason;
        break;
    case PARTICIPANT_EV_DATA:
        take_data(c, client, event);
        break;
    case PARTICIPANT_EV_RECONNECTING:
    case PARTICIPANT_EV_PUBLISHED:
    case PARTICIPANT_EV_SUBSCRIBED:
    case PARTICIPANT_EV_UNSUBSCRIBED:
        break;
    }
}

static void take_signal(struct conference *c, struct client *client, const struct participant_signal *signal) {
    switch (signal->type) {
    case PARTICIPANT_SIGNAL_OPEN:
        client->connection = network_ws_dial(c->network, c->now_us, client->node, signal->bytes);
        ASSERT(client->connection < WS_MAX);
        c->ws[client->connection] = (struct ws_binding){.client = client->index};
        break;
    case PARTICIPANT_SIGNAL_MESSAGE:
        if (client->connection != 0)
            network_ws_send(c->network, c->now_us, client->connection, true, signal->bytes);
        break;
    case PARTICIPANT_SIGNAL_CLOSE:
        if (client->connection != 0)
            network_ws_close(c->network, c->now_us, client->connection, true);
        client->connection = 0;
        break;
    }
}

static void drain_client(struct conference *c, struct client *client) {
    struct participant_signal signal;
    struct participant_tx tx;
    struct participant_event event;
    while (participant_poll_signal(client->participant, &signal))
        take_signal(c, client, &signal);
    while (participant_poll_tx(client->participant, c->now_us, &tx))
        network_send_up(c->network, c->now_us, client->node, tx.link, tx.datagram);
    while (participant_poll_event(client->participant, &event))
        take_event(c, client, &event);
    client->deadline_us = participant_next_deadline_us(client->participant);
}

struct client *conference_join(struct conference *c, const struct client_options *options) {
    ASSERT(c->client_count < CONFERENCE_CLIENTS_MAX);
    struct client *client = &c->clients[c->client_count];
    *client = (struct client){.used = true, .index = c->client_count, .room = options->room, .subscribes = true};
    c->client_count++;
    client->node = network_add(c->network, &options->up, &options->down);
    ASSERT(client->node == client->index);
    (void)snprintf(client->identity, sizeof client->identity, "person-%u", client->index);
    if (options->identity != NULL)
        (void)snprintf(client->identity, sizeof client->identity, "%s", options->identity);
    client->rng = rng_seeded(rng_u64(&c->rng));
    char room[64], token[2048];
    (void)snprintf(room, sizeof room, "room-%u", options->room);
    if (options->room_name != NULL)
        (void)snprintf(room, sizeof room, "%s", options->room_name);
    struct control_token_request request = {.identity = client->identity,
                                            .name = client->identity,
                                            .room = room,
                                            .ttl_s = 3600,
                                            .can_publish = true,
                                            .can_subscribe = true,
                                            .can_publish_data = true};
    struct writer w = writer_of(token, sizeof token - 1);
    bool made = token_sign(&c->server.control_config.keys, 0, unix_us(c), &request, &w);
    ASSERT(made);
    token[w.len] = 0;
    struct participant_config config = {.token = token,
                                        .number = client->index,
                                        .single_connection = options->single_connection,
                                        .auto_subscribe = !options->no_auto_subscribe,
                                        .adaptive_stream = options->adaptive_stream,
                                        .dynacast = options->dynacast,
                                        .streams_max =
                                            options->streams_max != 0 ? options->streams_max : CONFERENCE_STREAMS_MAX,
                                        .datagrams_max = 256,
                                        .crypt = options->crypt};
    client->memory = calloc(1, participant_size(&config));
    ASSERT(client->memory != NULL);
    client->participant = participant_init(client->memory, &config, c->client_dtls, &client->rng, c->now_us);
    conference_trace(c, TRACE_SCRIPT, client->index, 1, options->room);
    drain_client(c, client);
    return client;
}

static void release(struct client *client) {
    participant_destroy(client->participant);
    free(client->memory);
    client->participant = NULL;
    client->memory = NULL;
    client->used = false;
}

void conference_kill(struct conference *c, struct client *client) {
    conference_trace(c, TRACE_SCRIPT, client->index, 3, 0);
    release(client);
    client->vanished = true;
    client->vanished_us = c->now_us;
    uint32_t connection = client->connection;
    client->connection = 0;
    if (connection != 0 && network_ws_alive(c->network, connection) && rng_below(&c->rng, 2) == 0)
        network_ws_cut(c->network, c->now_us, connection, rng_below(&c->rng, 3 * US_PER_S));
}

void conference_leave(struct conference *c, struct client *client) {
    conference_trace(c, TRACE_SCRIPT, client->index, 4, 0);
    participant_leave(client->participant, c->now_us);
    drain_client(c, client);
}

void conference_cut_socket(struct conference *c, struct client *client, uint64_t later_us) {
    conference_trace(c, TRACE_SCRIPT, client->index, 5, later_us);
    if (client->connection != 0)
        network_ws_cut(c->network, c->now_us, client->connection, later_us);
}

uint16_t conference_publish(struct conference *c, struct client *client, const struct participant_publish *what) {
    conference_trace(c, TRACE_SCRIPT, client->index, 6, what->video);
    uint16_t publication = participant_publish(client->participant, c->now_us, what);
    for (int i = 0; publication != 0 && i < PARTICIPANT_TRACKS_MAX; i++) {
        if (client->tracks[i].publication == 0) {
            client->tracks[i] = (struct client_track){publication, what->video, what->muted};
            break;
        }
    }
    drain_client(c, client);
    return publication;
}

void conference_unpublish(struct conference *c, struct client *client, uint16_t publication) {
    conference_trace(c, TRACE_SCRIPT, client->index, 7, publication);
    participant_unpublish(client->participant, c->now_us, publication);
    for (int i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
        if (client->tracks[i].publication == publication)
            client->tracks[i].publication = 0;
    }
    drain_client(c, client);
}

void conference_mute(struct conference *c, struct client *client, uint16_t publication, bool muted) {
    conference_trace(c, TRACE_SCRIPT, client->index, 8, publication);
    participant_mute(client->participant, c->now_us, publication, muted);
    for (int i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
        if (client->tracks[i].publication == publication)
            client->tracks[i].muted = muted;
    }
    drain_client(c, client);
}

void conference_quiet(struct conference *c, struct client *client, const char *track_sid) {
    conference_not_quiet(client, track_sid);
    if (client->quiet_count == CONFERENCE_QUIET_MAX)
        return;
    struct quiet *quiet = &client->quiet[client->quiet_count++];
    (void)snprintf(quiet->sid, sizeof quiet->sid, "%s", track_sid);
    quiet->since_us = c->now_us;
}

void conference_not_quiet(struct client *client, const char *track_sid) {
    for (uint32_t i = 0; i < client->quiet_count; i++) {
        if (strcmp(client->quiet[i].sid, track_sid) == 0)
            client->quiet[i] = client->quiet[--client->quiet_count];
    }
}

bool conference_send_data(struct conference *c, struct client *client, bool reliable, struct client *only_to) {
    uint8_t payload[600];
    size_t len = 12 + (size_t)rng_below(&c->rng, sizeof payload - 12);
    struct writer w = writer_of(payload, sizeof payload);
    wr_u32(&w, client->index);
    wr_u32(&w, reliable ? client->data_sent_reliable + 1 : client->data_sent_lossy + 1);
    wr_u32(&w, only_to != NULL ? only_to->index : UINT32_MAX);
    wr_zeros(&w, len - w.len);
    const char *destination = only_to != NULL ? only_to->identity : NULL;
    bool sent = participant_send_data(client->participant, c->now_us, reliable, writer_span(&w), &destination,
                                      only_to != NULL ? 1 : 0);
    if (sent && reliable)
        client->data_sent_reliable++;
    else if (sent)
        client->data_sent_lossy++;
    drain_client(c, client);
    return sent;
}

/* ---- deliveries
 * ------------------------------------------------------------------------------------------------------ */

static void deliver_up(struct conference *c, struct network_item *item) {
    if (!c->server.running)
        return;
    struct engine_rx rx = {.from = item->from, .local = server_addr()};
    conference_trace(c, TRACE_DATAGRAM_UP, item->node, print_of(span_of(item->data, item->len)), item->socket);
    if (c->options.canary == CANARY_DEAF && demux(span_of(item->data, item->len)) == DEMUX_RTCP)
        return;
    for (uint32_t i = 0; i < c->shards; i++) {
        if (engine_input(c->server.engines[i], c->now_us, &rx, item->data, item->len) != ENGINE_RX_UNKNOWN)
            return;
    }
}

static void deliver_open(struct conference *c, const struct network_item *item) {
    struct control_http_reply reply = {0};
    struct span path = span_of(item->data, item->len), query = span_of(NULL, 0);
    const uint8_t *mark = memchr(path.data, '?', path.len);
    if (mark != NULL) {
        query = span_of(mark + 1, path.len - (size_t)(mark - path.data) - 1);
        path.len = (size_t)(mark - path.data);
    }
    struct control_http_request request = {.method = span_str("GET"), .path = path, .query = query, .tls = true};
    if (!c->server.running) {
        network_ws_answer(c->network, c->now_us, item->connection, 502);
        return;
    }
    uint32_t session = control_session_open(c->server.control, c->now_us, unix_us(c), &request, &reply);
    conference_trace(c, TRACE_WS_OPEN, item->connection, session, reply.status);
    if (c->options.verbose && session == 0)
        printf("%9.3f refused %u %.*s\n", (double)(c->now_us - c->start_us) / 1e6, reply.status, (int)reply.body.len,
               reply.body.data);
    if (session != 0) {
        c->ws[item->connection].session = session;
        c->session_connection[pool_index(session)] = item->connection;
    }
    network_ws_answer(c->network, c->now_us, item->connection, session != 0 ? 101 : reply.status);
    drain_server(c);
}

static bool is_goodbye(const struct network_item *item) {
    Livekit__SignalRequest *request = livekit__signal_request__unpack(NULL, item->len, item->data);
    bool goodbye = request != NULL && request->message_case == LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE;
    if (request != NULL)
        livekit__signal_request__free_unpacked(request, NULL);
    return goodbye;
}

static void deliver_ws_server(struct conference *c, const struct network_item *item) {
    uint32_t session = c->ws[item->connection].session;
    if (!c->server.running || session == 0)
        return;
    if (item->kind == NETWORK_WS_CLOSED_UP) {
        conference_trace(c, TRACE_WS_CLOSED, item->connection, session, 0);
        session_ended(c, session);
        drain_server(c);
        return;
    }
    struct span message = span_of(item->data, item->len);
    conference_trace(c, TRACE_WS_UP, item->connection, print_of(message), 0);
    control_session_message(c->server.control, c->now_us, unix_us(c), session, message, false);
    drain_control(c);
    if (is_goodbye(item)) /* what the engine has not handed out by now must not be sent any more */
        c->clients[c->ws[item->connection].client].departed = true;
    drain_server(c);
}

static void deliver_client(struct conference *c, struct network_item *item) {
    struct client *client = &c->clients[item->node];
    if (!client->used)
        return;
    struct net_addr from = server_addr();
    bool stale = item->connection != 0 && item->connection != client->connection;
    if (stale || client->stubborn)
        return;
    switch (item->kind) {
    case NETWORK_DATAGRAM_DOWN:
        participant_input_datagram(client->participant, c->now_us, item->socket, &from, item->data, item->len);
        break;
    case NETWORK_WS_OPENED:
        participant_signal_opened(client->participant, c->now_us);
        break;
    case NETWORK_WS_REFUSED:
        client->connection = 0;
        participant_signal_refused(client->participant, c->now_us, item->status);
        break;
    case NETWORK_WS_DOWN:
        participant_input_signal(client->participant, c->now_us, span_of(item->data, item->len));
        break;
    case NETWORK_WS_CLOSED_DOWN:
        client->connection = 0;
        participant_signal_closed(client->participant, c->now_us);
        break;
    case NETWORK_DATAGRAM_UP:
    case NETWORK_WS_UP:
    case NETWORK_WS_OPEN:
    case NETWORK_WS_CLOSED_UP:
        ASSERT(false);
    }
    drain_client(c, client);
}

/* ---- time
 * -------------------------------------------------------------------------------------------------------------- */

static uint64_t next_us(const struct conference *c) {
    uint64_t at_us = time_min(network_next_us(c->network), c->check_us);
    if (c->part != NULL)
        at_us = time_min(at_us, c->part->next_us(c->part->context));
    for (uint32_t i = 0; c->server.running && i < c->shards; i++)
        at_us = time_min(at_us, engine_next_deadline_us(c->server.engines[i]));
    if (c->server.running)
        at_us = time_min(at_us, control_next_deadline_us(c->server.control));
    for (uint32_t i = 0; i < c->client_count; i++) {
        if (c->clients[i].used)
            at_us = time_min(at_us, c->clients[i].deadline_us);
    }
    return at_us;
}

static void step(struct conference *c) {
    struct network_item item;
    while (network_take(c->network, c->now_us, &item)) {
        c->datagrams++;
        if (item.kind == NETWORK_DATAGRAM_UP)
            deliver_up(c, &item);
        else if (item.kind == NETWORK_WS_OPEN)
            deliver_open(c, &item);
        else if (item.kind == NETWORK_WS_UP || item.kind == NETWORK_WS_CLOSED_UP)
            deliver_ws_server(c, &item);
        else
            deliver_client(c, &item);
    }
    drain_server(c);
    if (c->part != NULL)
        c->part->step(c->part->context);
    for (uint32_t i = 0; i < c->client_count; i++) {
        struct client *client = &c->clients[i];
        if (!client->used || client->deadline_us > c->now_us)
            continue;
        participant_tick(client->participant, c->now_us);
        drain_client(c, client);
    }
    tick_server(c);
    if (c->now_us >= c->check_us) {
        c->check_us = c->now_us + CHECK_US;
        check_streams(c);
        check_limits(c);
    }
}

void conference_run(struct conference *c, uint64_t for_us) {
    uint64_t until_us = c->now_us + for_us;
    while (c->now_us < until_us) {
        uint64_t at_us = next_us(c);
        if (at_us > until_us)
            at_us = until_us;
        at_us = (at_us + CONFERENCE_STEP_US - 1) / CONFERENCE_STEP_US * CONFERENCE_STEP_US;
        c->now_us = at_us > c->now_us ? at_us : c->now_us + CONFERENCE_STEP_US;
        step(c);
    }
}

void conference_init(struct conference *c, const struct sim_options *options, uint32_t shards) {
    memset(c, 0, sizeof *c);
    c->options = *options;
    c->shards = shards;
    entropy_install(options->seed);
    c->rng = rng_seeded(options->seed);
    c->now_us = c->start_us = START_US;
    c->check_us = START_US;
    c->hash = UINT64_C(0xcbf29ce484222325);
    c->network = network_create(rng_u64(&c->rng));
    c->server_dtls = dtls_context_create(unix_us(c) / US_PER_S, NULL);
    c->client_dtls = dtls_context_create(unix_us(c) / US_PER_S, NULL);
    c->ws = calloc(WS_MAX, sizeof *c->ws);
    c->session_connection = calloc(SESSIONS_MAX, sizeof *c->session_connection);
    c->trace.records = calloc(TRACE_RECORDS_MAX, sizeof *c->trace.records);
    ASSERT(c->server_dtls != NULL && c->client_dtls != NULL && c->ws != NULL && c->session_connection != NULL &&
           c->trace.records != NULL);
    conference_server_start(c);
}

void conference_free(struct conference *c) {
    if (c->server.running)
        conference_server_stop(c);
    for (uint32_t i = 0; i < c->client_count; i++) {
        if (c->clients[i].used)
            release(&c->clients[i]);
    }
    dtls_context_destroy(c->server_dtls);
    dtls_context_destroy(c->client_dtls);
    network_destroy(c->network);
    free(c->ws);
    free(c->session_connection);
    free(c->trace.records);
}
