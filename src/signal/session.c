/* WebSocket sessions: opening, joining, resuming, closing; and the paths of HTTP. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "room/memory.h"
#include "signal/internal.h"
#include "signal/query.h"

void http_text(struct control_http_reply *reply, uint16_t status, const char *text) {
    *reply = (struct control_http_reply){.status = status, .body = span_str(text)};
    (void)span_to_str(span_str("text/plain; charset=utf-8"), reply->content_type, sizeof reply->content_type);
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

static bool path_is(struct span path, const char *text) {
    return span_equal_str(path, text);
}

static bool path_below(struct span path, const char *text) {
    return span_starts_with(path, text) && (path.len == strlen(text) || path.data[strlen(text)] == '/');
}

bool control_http_route(struct span path) {
    /* also what is not there below /rtc: its answer may be read from any origin, as all of them */
    return path_below(path, "/rtc") || path_below(path, "/whip/v1") || path_below(path, "/whep/v1") ||
           path_below(path, "/twirp");
}

/* ---- admission --------------------------------------------------------------------------------------------------- */

struct admission {
    struct token token;
    Livekit__JoinRequest *request;
    bool v1;
    struct net_addr source;
    struct room *room; /* NULL: it will be made */
};

static bool refuse(struct control *control, struct control_http_reply *reply, uint16_t status, const char *text) {
    if (status == 503)
        control->counters.limit_refused++;
    http_text(reply, status, text);
    return false;
}

static bool check_token(struct control *control, const struct control_http_request *http, struct arena *arena,
                        struct token *token, struct control_http_reply *reply) {
    struct span text = token_from_header(http->authorization);
    if (text.len == 0)
        (void)query_get(http->query, "access_token", arena, &text);
    enum token_result result = token_verify(&control->config.keys, control->unix_us, text, arena, token);
    if (result == TOKEN_OK && token->has_video && token->room_join)
        return true;
    control->counters.tokens_refused++;
    return refuse(control, reply, 401, result != TOKEN_OK ? token_result_text(result) : "no permission to join a room");
}

bool name_usable(const char *name) {
    for (const char *c = name; *c != 0; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    }
    return true;
}

static bool check_limits(struct control *control, const struct token *token, struct control_http_reply *reply) {
    const struct control_config *config = &control->config;
    size_t attributes_len = 0;
    for (uint32_t i = 0; i < token->attributes_count; i++)
        attributes_len += strlen(token->attributes[i][0]) + strlen(token->attributes[i][1]);
    if (token->identity[0] == 0)
        return refuse(control, reply, 400, "the access token has no identity");
    if (token->room[0] == 0)
        return refuse(control, reply, 400, "the access token names no room");
    if (strlen(token->identity) > config->identity_len_max || strlen(token->name) > config->identity_len_max)
        return refuse(control, reply, 400, "identity or name too long");
    if (strlen(token->room) > config->room_name_len_max)
        return refuse(control, reply, 400, "room name too long");
    if (!name_usable(token->identity) || !name_usable(token->room))
        return refuse(control, reply, 400, "control characters in the identity or room name");
    if (strlen(token->metadata) > config->metadata_len_max || attributes_len > config->attributes_len_max)
        return refuse(control, reply, 400, "metadata or attributes too long");
    return true;
}

/* What a stock client of LiveKit shows to its person. */
#define NOT_A_MEMBER                                                                                                   \
    "this is an end-to-end encrypted Conclave meeting, and only members of its group may connect: open its link in a " \
    "browser"

static bool check_meeting(struct control *control, const struct token *token, struct control_http_reply *reply) {
    const struct control_config *config = &control->config;
    if (!room_is_meeting(control, token->room) ||
        (config->may_enter != NULL &&
         config->may_enter(config->may_enter_context, span_str(token->room), span_str(token->identity))))
        return true;
    control->counters.meeting_entry_refused++;
    /* Not 403, which clients of LiveKit take as final: after a restart of the server a member is not one yet. */
    return refuse(control, reply, 503, NOT_A_MEMBER);
}

static bool read_request(struct control *control, const struct control_http_request *http, struct arena *arena,
                         struct admission *out, struct control_http_reply *reply) {
    struct span value;
    if (query_get(http->query, "join_request", arena, &value)) {
        out->v1 = true;
        out->request = query_join_request(value, arena);
        if (out->request == NULL)
            return refuse(control, reply, 400, "malformed join request");
    } else {
        if (span_starts_with(http->path, "/rtc/v1"))
            return refuse(control, reply, 400, "no join request");
        out->request = query_join_request_v0(http->query, arena);
    }
    return true;
}

/* Everything that can be said before a WebSocket is there; the same for the validate paths. */
static bool admit(struct control *control, const struct control_http_request *http, struct arena *arena,
                  struct admission *out, struct control_http_reply *reply) {
    *out = (struct admission){.source = http->source};
    if (control->shutting_down)
        return refuse(control, reply, 503, "the server is shutting down");
    if (!check_token(control, http, arena, &out->token, reply) || !check_limits(control, &out->token, reply) ||
        !check_meeting(control, &out->token, reply) || !read_request(control, http, arena, out, reply))
        return false;
    out->room = room_find(&control->rooms, out->token.room);
    if (!work_lets_in(control, out->room, &out->token))
        return refuse(control, reply, 503,
                      "this participant has come too often or caused too much work: wait a little");
    if (out->request->reconnect)
        return true;
    if (out->room == NULL && !control->config.auto_create && !out->token.room_create)
        return refuse(control, reply, 404, "requested room does not exist");
    if (out->room == NULL && control->draining && !room_is_meeting(control, out->token.room))
        return refuse(control, reply, 503, "the server is about to stop and begins no new rooms");
    if (out->room == NULL && control->rooms.count >= control->config.rooms_max)
        return refuse(control, reply, 503, "too many rooms");
    if (out->room != NULL && out->room->work_us > control->now_us + 2 * WORK_ROOM_BURST_US)
        return refuse(control, reply, 503, "the room is busy");
    bool known = out->room != NULL && participant_find(out->room, out->token.identity) != NULL;
    if (out->room != NULL && !known &&
        room_full(out->room, control->config.participants_max, &out->token.permission, out->token.kind))
        return refuse(control, reply, 503, "the room is full");
    return true;
}

static void validate(struct control *control, const struct control_http_request *http,
                     struct control_http_reply *reply) {
    struct arena arena;
    struct admission *admission = memory_new(sizeof *admission);
    arena_init(&arena, ARENA_UNLIMITED);
    if (admit(control, http, &arena, admission, reply))
        http_text(reply, 200, "success");
    arena_free(&arena);
    free(admission);
}

static void clock_set(struct control *control, uint64_t now_us, uint64_t unix_us) {
    ASSERT(now_us > 0);
    control->now_us = now_us;
    if (unix_us != 0)
        control->unix_us = unix_us;
}

void control_http(struct control *control, uint64_t now_us, uint64_t unix_us,
                  const struct control_http_request *request, struct control_http_reply *reply) {
    clock_set(control, now_us, unix_us);
    arena_free(&control->reply_arena);
    http_text(reply, 404, "not found");
    if (path_is(request->path, "/rtc/validate") || path_is(request->path, "/rtc/v1/validate"))
        validate(control, request, reply);
    else if (path_below(request->path, "/whip/v1") || path_below(request->path, "/whep/v1"))
        whip_http(control, request, reply);
    else if (path_below(request->path, "/twirp"))
        api_http(control, request, reply);
    updates_flush(control);
}

bool control_who(struct control *control, uint64_t unix_us, const struct control_http_request *request,
                 struct control_who *out, struct control_http_reply *reply) {
    struct arena arena;
    struct token *token = memory_new(sizeof *token);
    control->unix_us = unix_us;
    arena_init(&arena, ARENA_UNLIMITED);
    http_text(reply, 404, "not found");
    bool good = check_token(control, request, &arena, token, reply) && check_limits(control, token, reply);
    if (good && (!span_to_str(span_str(token->room), out->room, sizeof out->room) ||
                 !span_to_str(span_str(token->identity), out->identity, sizeof out->identity)))
        good = refuse(control, reply, 400, "identity or room name too long");
    arena_free(&arena);
    free(token);
    return good;
}

/* ---- joining ----------------------------------------------------------------------------------------------------- */

static void adopt_client(struct participant *participant, const Livekit__JoinRequest *request) {
    const Livekit__ClientInfo *info = request->client_info;
    if (info != NULL) {
        participant->client_protocol = info->client_protocol;
        for (size_t i = 0; i < info->n_capabilities && participant->capabilities_count < ROOM_CAPABILITIES_MAX; i++)
            participant->capabilities[participant->capabilities_count++] = (int32_t)info->capabilities[i];
    }
    const Livekit__ConnectionSettings *settings = request->connection_settings;
    participant->auto_subscribe = settings == NULL || settings->auto_subscribe;
    participant->adaptive_stream = settings != NULL && settings->adaptive_stream;
    participant->allow_pause =
        settings != NULL &&
        settings->subscriber_allow_pause_presence_case ==
            LIVEKIT__CONNECTION_SETTINGS__SUBSCRIBER_ALLOW_PAUSE_PRESENCE_SUBSCRIBER_ALLOW_PAUSE &&
        settings->subscriber_allow_pause;
    participant->auto_subscribe_data =
        settings != NULL &&
        settings->auto_subscribe_data_track_presence_case ==
            LIVEKIT__CONNECTION_SETTINGS__AUTO_SUBSCRIBE_DATA_TRACK_PRESENCE_AUTO_SUBSCRIBE_DATA_TRACK &&
        settings->auto_subscribe_data_track;
}

/* What a client says of itself as it joins, for those who may: as if it had asked right afterwards. */
static void adopt_texts(struct peer *peer, const Livekit__JoinRequest *request) {
    const char *keys[ROOM_ATTRIBUTES_MAX], *values[ROOM_ATTRIBUTES_MAX];
    size_t count = request->n_participant_attributes;
    if (!peer->participant->permission.can_update_metadata || (count == 0 && request->metadata[0] == 0))
        return;
    if (count > ROOM_ATTRIBUTES_MAX) {
        peer->control->counters.limit_refused++;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        keys[i] = request->participant_attributes[i]->key;
        values[i] = request->participant_attributes[i]->value;
    }
    (void)participant_set_info(peer, request->metadata[0] != 0 ? request->metadata : NULL, NULL, count, keys, values);
    list_remove(&peer->participant->dirty_node); /* the join tells of it, and an update to the others follows */
}

static void attach(struct peer *peer, struct session *session) {
    ASSERT(peer->session == NULL);
    peer->session = session;
    session->peer = peer;
    session->work_us = peer->work_us;
    session->budget_us = peer->budget_us;
    peer->absent_since_us = TIME_NEVER;
    timer_arm(peer->control, peer->participant->room,
              peer->control->now_us + peer->control->config.ping_timeout_s * 2 * US_PER_S);
}

void session_detach(struct peer *peer) {
    struct session *session = peer->session;
    peer->work_us = session->work_us;
    peer->budget_us = session->budget_us;
    peer->session = NULL;
    session->peer = NULL;
}

static void start_negotiation(struct peer *peer, const Livekit__JoinRequest *request) {
    for (size_t i = 0; i < request->n_add_track_requests; i++)
        publish_add_track(peer, request->add_track_requests[i]);
    if (peer->kind == PEER_V0 && peer->subscriber != NULL)
        pc_offer(peer->subscriber);
    else if (request->publisher_offer != NULL && request->publisher_offer->sdp[0] != 0)
        request_offer(peer, request->publisher_offer);
}

static bool join(struct control *control, struct session *session, struct admission *admission,
                 struct control_http_reply *reply) {
    struct room *room = admission->room;
    const struct token *token = &admission->token;
    uint64_t before_ns = control->work_ns;
    if (room == NULL) {
        room = room_open_configured(control, token->room, token, &admission->source);
        if (room == NULL)
            return refuse(control, reply, 503, "too many rooms");
    }
    struct participant *before = participant_find(room, token->identity);
    control->work_ns += WORK_HELLO_NS;
    if (before != NULL)
        peer_leave(peer_of(before), ROOM_LEAVE_DUPLICATE, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
    struct peer *peer = peer_join(control, admission->v1 ? PEER_V1 : PEER_V0, token, room);
    if (peer == NULL)
        return refuse(control, reply, 503, "the server is full");
    adopt_client(peer->participant, admission->request);
    adopt_texts(peer, admission->request);
    attach(peer, session);
    updates_flush(control);
    peer->participant->version++;
    send_join(peer);
    peer_send_token(peer);
    participant_touch(peer->participant);
    subscribe_update_participant(peer->participant);
    webhook_event(control, "participant_joined", room, peer->participant, NULL);
    start_negotiation(peer, admission->request);
    work_charge_room(control, room, before_ns);
    if (session->peer != NULL) /* else it is gone, and has paid */
        work_charge_peer(session->peer, before_ns);
    return true;
}

/* ---- resuming ---------------------------------------------------------------------------------------------------- */

static struct peer *resumable(const struct admission *admission) {
    if (admission->room == NULL)
        return NULL;
    struct participant *participant = participant_find(admission->room, admission->token.identity);
    if (participant == NULL)
        return NULL;
    struct peer *peer = peer_of(participant);
    const char *sid = admission->request->participant_sid;
    if ((sid[0] != 0 && strcmp(sid, participant->sid) != 0) || peer->kind != (admission->v1 ? PEER_V1 : PEER_V0))
        return NULL;
    return peer->failed_since_us == TIME_NEVER ? peer : NULL;
}

static void reset_negotiation(struct pc *pc) {
    /* what was under way is lost with the old connection */
    if (pc->in_flight)
        pc->dirty = true;
    pc->in_flight = false;
}

static void resume(struct control *control, struct session *session, struct admission *admission) {
    struct peer *peer = resumable(admission);
    if (peer == NULL) {
        control->counters.resumes_refused++;
        session_leave(control, session, ROOM_LEAVE_STATE_MISMATCH, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
        return;
    }
    if (peer->session != NULL) {
        struct session *old = peer->session;
        session_detach(peer);
        output_close(control, old, 1000);
    }
    if (peer->drop_on_resume) {
        peer->drop_on_resume = false;
        output_close(control, session, 1000);
        if (peer->absent_since_us == TIME_NEVER)
            peer->absent_since_us = control->now_us;
        timer_arm(control, peer->participant->room, peer->absent_since_us + ABSENT_MAX_US);
        return;
    }
    uint64_t before_ns = control->work_ns;
    struct room *room = peer->participant->room;
    control->work_ns += WORK_HELLO_NS;
    control->counters.resumes++;
    attach(peer, session);
    updates_flush(control);
    send_reconnect(peer);
    send_participants(peer);
    send_room_update(control, peer->participant->room);
    peer_send_token(peer);
    if (peer->publisher != NULL)
        reset_negotiation(peer->publisher);
    if (peer->kind == PEER_V0 && peer->subscriber != NULL) {
        reset_negotiation(peer->subscriber);
        pc_restart_ice(peer->subscriber);
        pc_offer(peer->subscriber);
    }
    if (peer->kind == PEER_V1 && admission->request->publisher_offer != NULL &&
        admission->request->publisher_offer->sdp[0] != 0)
        request_offer(peer, admission->request->publisher_offer);
    else if (peer->kind == PEER_V1 && peer->publisher->dirty)
        pc_schedule(peer->publisher, false);
    work_charge_room(control, room, before_ns);
    if (session->peer != NULL)
        work_charge_peer(session->peer, before_ns);
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static struct session *session_new(struct control *control) {
    uint32_t handle = pool_take(&control->sessions);
    if (handle == 0)
        return NULL;
    struct session *session = memory_new(sizeof *session);
    session->handle = handle;
    session->seen_us = control->now_us;
    control->session_slots[pool_index(handle)] = session;
    return session;
}

static struct waiting_message *take_waiting(struct session *session);
static void waiting_free(struct waiting_message *waiting);

static void session_free(struct control *control, struct session *session) {
    ASSERT(session->peer == NULL);
    while (session->waiting_first != NULL)
        waiting_free(take_waiting(session));
    control->session_slots[pool_index(session->handle)] = NULL;
    pool_give(&control->sessions, session->handle);
    free(session);
}

static uint32_t open_admitted(struct control *control, struct admission *admission, struct control_http_reply *reply) {
    struct session *session = session_new(control);
    if (session == NULL) {
        (void)refuse(control, reply, 503, "too many sessions");
        return 0;
    }
    if (admission->request->reconnect) {
        resume(control, session, admission);
    } else if (!join(control, session, admission, reply)) {
        session_free(control, session);
        return 0;
    }
    return session->handle;
}

uint32_t control_session_open(struct control *control, uint64_t now_us, uint64_t unix_us,
                              const struct control_http_request *request, struct control_http_reply *reply) {
    clock_set(control, now_us, unix_us);
    http_text(reply, 404, "not found");
    uint32_t handle = 0;
    if (path_is(request->path, "/rtc") || path_is(request->path, "/rtc/v1")) {
        struct arena arena;
        struct admission *admission = memory_new(sizeof *admission);
        arena_init(&arena, ARENA_UNLIMITED);
        if (admit(control, request, &arena, admission, reply))
            handle = open_admitted(control, admission, reply);
        arena_free(&arena);
        free(admission);
    }
    if (handle != 0)
        control->counters.sessions_opened++;
    else
        control->counters.sessions_refused++;
    updates_flush(control);
    return handle;
}

static bool within_budget(struct control *control, struct session *session, size_t len) {
    const uint64_t each_us = US_PER_S / SESSION_REQUESTS_PER_S, burst_us = each_us * SESSION_REQUESTS_BURST;
    const uint64_t cost_us = each_us * (1 + len / SESSION_REQUEST_LEN);
    uint64_t from_us = session->budget_us > control->now_us ? session->budget_us : control->now_us;
    session->budget_us = from_us + cost_us;
    return session->budget_us - control->now_us <= burst_us;
}

static void handle_message(struct control *control, struct session *session, struct span message) {
    struct arena arena;
    arena_init(&arena, arena_decode_max(message.len));
    Livekit__SignalRequest *request =
        livekit__signal_request__unpack(arena_allocator(&arena), message.len, message.data);
    if (request == NULL)
        control->counters.messages_bad++;
    else
        request_handle(session->peer, request);
    arena_free(&arena);
}

/* When the session may go on; 0 = now. */
static uint64_t waits_until_us(const struct control *control, const struct session *session) {
    const struct room *room = session->peer->participant->room;
    uint64_t until_us = 0;
    if (session->work_us > control->now_us + WORK_SESSION_BURST_US)
        until_us = session->work_us - WORK_SESSION_BURST_US;
    if (work_room_waits(control, room) && room->work_us - WORK_ROOM_BURST_US > until_us)
        until_us = room->work_us - WORK_ROOM_BURST_US;
    return until_us;
}

/* Who caused it pays, also when it is gone afterwards: the room's part is known before. */
static void handle_charged(struct control *control, struct session *session, struct span message) {
    struct room *room = session->peer->participant->room;
    uint64_t before_ns = control->work_ns;
    control->work_ns += WORK_MESSAGE_NS + message.len * WORK_BYTE_IN_NS;
    work_charge_peer(session->peer, before_ns);
    uint64_t rest_ns = control->work_ns;
    handle_message(control, session, message);
    updates_flush(control);
    work_charge_room(control, room, before_ns); /* rooms end by themselves later than their last participant */
    if (session->peer != NULL)                  /* what is gone has paid for its going */
        work_charge_peer(session->peer, rest_ns);
}

static void put_waiting(struct control *control, struct session *session, struct span message, uint64_t until_us) {
    control->counters.messages_waited++;
    if (session->waiting_count == WORK_WAITING_MAX ||
        (session->waiting_count > 0 && session->waiting_bytes + message.len > WORK_WAITING_BYTES_MAX)) {
        control->counters.limit_refused++;
        peer_expel(session->peer);
        return;
    }
    struct waiting_message *waiting = memory_new(sizeof *waiting);
    waiting->buffer = buffer_new(message);
    session->waiting_count++;
    session->waiting_bytes += message.len;
    if (session->waiting_last != NULL)
        session->waiting_last->next = waiting;
    else
        session->waiting_first = waiting;
    session->waiting_last = waiting;
    timer_arm(control, session->peer->participant->room, until_us);
}

static struct waiting_message *take_waiting(struct session *session) {
    struct waiting_message *waiting = session->waiting_first;
    session->waiting_first = waiting->next;
    if (session->waiting_first == NULL)
        session->waiting_last = NULL;
    session->waiting_count--;
    session->waiting_bytes -= waiting->buffer->len;
    return waiting;
}

static void waiting_free(struct waiting_message *waiting) {
    buffer_release(waiting->buffer);
    free(waiting);
}

/* Whose turn it is: of those who may go on whoever had none for the longest time, so that however many keep the room
 * busy, each of the others has its part. NULL: nobody's before `until_us`. */
static struct session *next_turn(const struct control *control, const struct room *room, uint64_t *until_us) {
    struct session *next = NULL;
    *until_us = TIME_NEVER;
    LIST_EACH(&room->participants, struct participant, node, participant) {
        struct session *session = peer_of(participant)->session;
        if (session == NULL || session->waiting_first == NULL || session->closing)
            continue;
        uint64_t waits_us = waits_until_us(control, session);
        if (waits_us > control->now_us)
            *until_us = time_min(*until_us, waits_us);
        else if (next == NULL || session->turn < next->turn)
            next = session;
    }
    return next;
}

void room_catch_up(struct control *control, struct room *room) {
    struct session *session;
    uint64_t until_us;
    while ((session = next_turn(control, room, &until_us)) != NULL) {
        struct waiting_message *waiting = take_waiting(session);
        session->turn = ++control->turns;
        handle_charged(control, session, span_of(waiting->buffer->data, waiting->buffer->len));
        waiting_free(waiting);
    }
    if (until_us != TIME_NEVER)
        timer_arm(control, room, until_us);
}

void control_session_message(struct control *control, uint64_t now_us, uint64_t unix_us, uint32_t handle,
                             struct span message, bool text) {
    clock_set(control, now_us, unix_us);
    if (!pool_live(&control->sessions, handle))
        return;
    struct session *session = control->session_slots[pool_index(handle)];
    if (session->closing || session->peer == NULL)
        return;
    control->counters.messages_in++;
    session->seen_us = now_us;
    if (!within_budget(control, session, message.len)) {
        control->counters.limit_refused++;
        peer_expel(session->peer);
    } else if (text || message.len > CONTROL_MESSAGE_LEN_MAX) {
        /* the JSON form is for looking on by hand; nobody's client speaks it */
        control->counters.messages_bad++;
        peer_leave(session->peer, ROOM_LEAVE_UNKNOWN, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
    } else {
        uint64_t until_us = session->waiting_first != NULL ? now_us : waits_until_us(control, session);
        if (until_us != 0)
            put_waiting(control, session, message, until_us);
        else
            handle_charged(control, session, message);
    }
    updates_flush(control);
}

/* Longer than a goodbye is. */
#define GOODBYE_LEN_MAX 256

/* Is the last thing that waits a goodbye? It costs next to nothing, and nobody is there to wait for its turn. */
static bool says_goodbye(const struct session *session) {
    const struct waiting_message *last = session->waiting_last;
    if (last == NULL || last->buffer->len > GOODBYE_LEN_MAX)
        return false;
    struct arena arena;
    arena_init(&arena, arena_decode_max(last->buffer->len));
    const Livekit__SignalRequest *request =
        livekit__signal_request__unpack(arena_allocator(&arena), last->buffer->len, last->buffer->data);
    bool is = request != NULL && request->message_case == LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE;
    arena_free(&arena);
    return is;
}

void control_session_closed(struct control *control, uint64_t now_us, uint32_t handle) {
    clock_set(control, now_us, 0);
    if (!pool_live(&control->sessions, handle))
        return;
    struct session *session = control->session_slots[pool_index(handle)];
    struct peer *peer = session->peer;
    if (peer != NULL) {
        ASSERT(peer->session == session);
        bool goodbye = says_goodbye(session);
        session_detach(peer);
        peer->absent_since_us = now_us;
        if (goodbye) {
            peer_gone(peer, ROOM_LEAVE_CLIENT);
        } else if (!peer->ever_connected) {
            peer_gone(peer, ROOM_LEAVE_SIGNAL_CLOSE);
        } else {
            timer_arm(control, peer->participant->room, now_us + ABSENT_MAX_US);
            if (peer->failed_since_us != TIME_NEVER)
                timer_arm(control, peer->participant->room, peer->failed_since_us + FAILED_GRACE_US);
        }
    }
    session_free(control, session);
    updates_flush(control);
}
