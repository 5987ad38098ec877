/* The life of a session: socket, join, resume, full reconnect, goodbye, by the schedule of livekit-client (LiveKit
 * client protocol). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "client/internal.h"

#define PATH_LEN_MAX (256 * 1024)

/* ---- the socket ------------------------------------------------------------------------------------------------- */

static void write_v0(struct participant *p, struct writer *w) {
    wr_fmt(w, "/rtc?access_token=%s&auto_subscribe=%d&sdk=cpp&version=2.0.0&protocol=17&client_protocol=2", p->token,
           p->config.auto_subscribe);
    if (p->config.adaptive_stream)
        wr_str(w, "&adaptive_stream=1");
    if (p->resume)
        wr_fmt(w, "&reconnect=1&sid=%s&reconnect_reason=%d", p->sid, p->reconnect_reason);
}

/* The one connection and its offer exist before the server said a word. */
static const char *first_offer(struct participant *p) {
    struct link *link = &p->links[0];
    if (!link->open) {
        link_open(p, 0);
        link->sections_count = 0;
        link->wants_channels = true;
        sections_add_initial(p, link);
    }
    free(link->offer_text);
    link->offer_text = negotiate_offer(p, link);
    link->in_flight = true;
    link->needed = false;
    link->offer_id = 1;
    return link->offer_text;
}

static void write_v1(struct participant *p, struct writer *w) {
    Livekit__ClientInfo info = LIVEKIT__CLIENT_INFO__INIT;
    Livekit__ConnectionSettings settings = LIVEKIT__CONNECTION_SETTINGS__INIT;
    Livekit__SessionDescription offer = LIVEKIT__SESSION_DESCRIPTION__INIT;
    Livekit__JoinRequest join = LIVEKIT__JOIN_REQUEST__INIT;
    Livekit__WrappedJoinRequest wrapped = LIVEKIT__WRAPPED_JOIN_REQUEST__INIT;
    info.sdk = LIVEKIT__CLIENT_INFO__SDK__CPP;
    info.protocol = 17;
    info.client_protocol = 2;
    settings.auto_subscribe = p->config.auto_subscribe;
    settings.adaptive_stream = p->config.adaptive_stream;
    join.client_info = &info;
    join.connection_settings = &settings;
    if (p->resume) {
        join.reconnect = true;
        join.participant_sid = p->sid;
        join.reconnect_reason = (Livekit__ReconnectReason)p->reconnect_reason;
    } else {
        offer.type = (char *)(uintptr_t) "offer";
        offer.sdp = (char *)(uintptr_t)first_offer(p);
        offer.id = 1;
        join.publisher_offer = &offer;
    }
    size_t inner_len = livekit__join_request__get_packed_size(&join);
    uint8_t *inner = malloc(inner_len + 1);
    ASSERT(inner != NULL);
    wrapped.join_request = (ProtobufCBinaryData){livekit__join_request__pack(&join, inner), inner};
    size_t outer_len = livekit__wrapped_join_request__get_packed_size(&wrapped);
    uint8_t *outer = malloc(outer_len + 1);
    ASSERT(outer != NULL);
    outer_len = livekit__wrapped_join_request__pack(&wrapped, outer);
    wr_fmt(w, "/rtc/v1?access_token=%s&join_request=", p->token);
    wr_base64url(w, span_of(outer, outer_len));
    free(inner);
    free(outer);
}

static void open_socket(struct participant *p) {
    char *path = malloc(PATH_LEN_MAX);
    ASSERT(path != NULL);
    struct writer w = writer_of(path, PATH_LEN_MAX);
    if (p->config.single_connection)
        write_v1(p, &w);
    else
        write_v0(p, &w);
    ASSERT(writer_ok(&w));
    client_signal_clear(p);
    client_signal(p, PARTICIPANT_SIGNAL_OPEN, writer_span(&w));
    free(path);
    p->state = SESSION_OPENING;
    p->deadline_us = p->now_us + SOCKET_TIMEOUT_US;
}

void session_start(struct participant *p) {
    p->resume = false;
    open_socket(p);
}

static void over(struct participant *p, int reason) {
    for (uint32_t i = 0; i < PARTICIPANT_LINKS; i++)
        link_close(p, &p->links[i]);
    p->state = SESSION_OVER;
    p->connected = false;
    struct participant_event event = {.type = PARTICIPANT_EV_DISCONNECTED, .reason = reason};
    client_event(p, &event, span_of(NULL, 0));
}

/* ---- trying again ----------------------------------------------------------------------------------------------- */

static void back_off(struct participant *p) {
    static const uint16_t delays_ms[] = {0, 300, 1200, 2700, 4800, 7000, 7000, 7000, 7000, 7000};
    if (p->attempt >= RETRIES_MAX) {
        over(p, -1);
        return;
    }
    uint64_t delay_ms = delays_ms[p->attempt];
    delay_ms = p->attempt == 0 ? rng_below(p->rng, 500) : delay_ms / 2 + rng_below(p->rng, delay_ms);
    p->state = SESSION_BACKOFF;
    p->retry_us = p->now_us + delay_ms * US_PER_MS;
}

static void forget_session(struct participant *p) {
    for (uint32_t i = 0; i < PARTICIPANT_LINKS; i++)
        link_close(p, &p->links[i]);
    for (uint32_t i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
        if (p->publications[i].number != 0)
            publication_reset(p, &p->publications[i]);
    }
    for (uint32_t i = 0; i < RESEND_MAX; i++) {
        free(p->resends[i].bytes);
        p->resends[i] = (struct resend){0};
    }
    p->roster_count = 0;
    p->unsubscribed_count = 0;
    p->data_seq = p->last_message_seq = 0;
}

void session_reconnect(struct participant *p, bool full, int reason) {
    if (p->state == SESSION_OVER)
        return;
    bool was_resume = p->resume && p->reconnecting;
    p->attempt = p->reconnecting ? p->attempt + 1 : 0;
    p->resume = !full && p->ever_joined && p->sid[0] != 0 && (!p->reconnecting || was_resume);
    p->reconnect_reason = reason;
    p->connected = false;
    client_signal(p, PARTICIPANT_SIGNAL_CLOSE, span_of(NULL, 0));
    if (!p->reconnecting || was_resume != p->resume) {
        struct participant_event event = {.type = PARTICIPANT_EV_RECONNECTING, .full = !p->resume};
        client_event(p, &event, span_of(NULL, 0));
    }
    p->reconnecting = true;
    if (!p->resume)
        forget_session(p);
    back_off(p);
}

void participant_signal_opened(struct participant *p, uint64_t now_us) {
    p->now_us = now_us;
    if (p->state != SESSION_OPENING)
        return;
    p->state = SESSION_JOINING;
    p->deadline_us = now_us + JOIN_TIMEOUT_US;
}

void participant_signal_refused(struct participant *p, uint64_t now_us, uint16_t status) {
    p->now_us = now_us;
    if (p->state != SESSION_OPENING)
        return;
    if (status == 401 || status == 403)
        over(p, -1);
    else
        session_reconnect(p, !p->resume, p->reconnect_reason);
}

void participant_signal_closed(struct participant *p, uint64_t now_us) {
    p->now_us = now_us;
    if (p->state != SESSION_BACKOFF && p->state != SESSION_OVER)
        session_reconnect(p, !p->ever_joined, LIVEKIT__RECONNECT_REASON__RR_SIGNAL_DISCONNECTED);
}

/* ---- progress --------------------------------------------------------------------------------------------------- */

static bool link_ready(const struct link *link) {
    return link_usable(link) && link->remote_known;
}

bool session_ready(const struct participant *p) {
    if (p->config.single_connection)
        return link_ready(&p->links[0]);
    bool publisher = !p->links[0].open || p->links[0].offer_id == 0 || link_ready(&p->links[0]);
    return (p->subscriber_primary ? link_ready(&p->links[1]) : true) && publisher;
}

static void announce_all(struct participant *p) {
    bool any = false;
    for (uint32_t i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
        struct publication *publication = &p->publications[i];
        if (publication->number == 0 || publication->announced)
            continue;
        publication->announced = any = true;
        message_add_track(p, publication);
    }
    if (any || p->links[0].needed)
        negotiate(p);
}

static void connected(struct participant *p) {
    p->connected = true;
    p->reconnecting = false;
    p->attempt = 0;
    client_event_simple(p, PARTICIPANT_EV_CONNECTED, p->sid);
}

void session_link_changed(struct participant *p) {
    if (p->state != SESSION_JOINED)
        return;
    for (uint32_t i = 0; i < PARTICIPANT_LINKS; i++) {
        if (p->links[i].open && p->links[i].failed) {
            session_reconnect(p, !p->connected, LIVEKIT__RECONNECT_REASON__RR_PUBLISHER_FAILED + (int)i);
            return;
        }
    }
    if (!p->connected && session_ready(p))
        connected(p);
}

void session_joined(struct participant *p, const Livekit__JoinResponse *join) {
    if (p->state != SESSION_JOINING || p->resume || join->participant == NULL) {
        p->counters.signal_bad++;
        return;
    }
    text_copy(p->sid, sizeof p->sid, join->participant->sid);
    p->subscriber_primary = join->subscriber_primary;
    p->ping_interval_s = join->ping_interval > 0 ? (uint32_t)join->ping_interval : 5;
    p->ping_timeout_s = join->ping_timeout > 0 ? (uint32_t)join->ping_timeout : 15;
    p->state = SESSION_JOINED;
    p->heard_us = p->now_us;
    p->ping_us = p->now_us + p->ping_interval_s * US_PER_S;
    p->deadline_us = p->now_us + RESUME_MEDIA_US;
    p->counters.rejoins += p->ever_joined;
    p->ever_joined = true;
    if (!p->links[0].open) {
        link_open(p, 0);
        p->links[0].sections_count = 0;
    }
    client_event_simple(p, PARTICIPANT_EV_JOINED, p->sid);
    announce_all(p);
    session_link_changed(p); /* nothing to connect: at once */
}

void session_resumed(struct participant *p, const Livekit__ReconnectResponse *reconnect) {
    if (p->state != SESSION_JOINING || !p->resume) {
        p->counters.signal_bad++;
        return;
    }
    p->last_message_seq = reconnect->last_message_seq;
    p->state = SESSION_SETTLING;
    p->heard_us = p->now_us;
    p->ping_us = p->now_us + p->ping_interval_s * US_PER_S;
    p->settle_us = p->now_us + RESUME_SETTLE_US;
    p->deadline_us = p->settle_us + RESUME_MEDIA_US;
    message_sync_state(p);
    struct link *link = &p->links[0];
    if (!link->open || link->offer_id == 0)
        return;
    link_restart_ice(p, link);
    link->in_flight = false;
    negotiate(p);
}

static void settled(struct participant *p) {
    p->state = SESSION_JOINED;
    p->counters.resumes++;
    connected(p);
    announce_all(p);
    for (uint32_t i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
        if (p->publications[i].sid[0] != 0)
            participant_mute(p, p->now_us, p->publications[i].number, p->publications[i].what.muted);
    }
    data_resend(p);
}

void session_server_leave(struct participant *p, const Livekit__LeaveRequest *leave) {
    if (leave->action == LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT)
        over(p, (int)leave->reason);
    else
        session_reconnect(p, leave->action == LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT,
                          LIVEKIT__RECONNECT_REASON__RR_UNKNOWN);
}

void participant_leave(struct participant *p, uint64_t now_us) {
    p->now_us = now_us;
    if (p->state == SESSION_OVER)
        return;
    if (p->state == SESSION_JOINED || p->state == SESSION_SETTLING) {
        Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
        Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
        leave.reason = LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED;
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE;
        request.leave = &leave;
        message_send(p, &request);
    }
    client_signal(p, PARTICIPANT_SIGNAL_CLOSE, span_of(NULL, 0));
    over(p, LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED);
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

static void send_pings(struct participant *p) {
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__Ping ping = LIVEKIT__PING__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
    request.ping = (int64_t)(p->now_us / 1000);
    message_send(p, &request);
    ping.timestamp = request.ping;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ;
    request.ping_req = &ping;
    message_send(p, &request);
    p->ping_us = p->now_us + p->ping_interval_s * US_PER_S;
}

void session_tick(struct participant *p) {
    switch (p->state) {
    case SESSION_OPENING:
    case SESSION_JOINING:
        if (p->now_us >= p->deadline_us)
            session_reconnect(p, !p->resume, p->reconnect_reason);
        return;
    case SESSION_BACKOFF:
        if (p->now_us >= p->retry_us)
            open_socket(p);
        return;
    case SESSION_SETTLING:
        if (p->now_us >= p->settle_us && session_ready(p))
            settled(p);
        else if (p->now_us >= p->deadline_us)
            session_reconnect(p, true, p->reconnect_reason);
        break;
    case SESSION_JOINED:
        if (!p->connected && p->now_us >= p->deadline_us) {
            session_reconnect(p, true, p->reconnect_reason);
            return;
        }
        break;
    case SESSION_OVER:
        return;
    }
    if (p->state != SESSION_JOINED && p->state != SESSION_SETTLING)
        return;
    if (p->now_us >= p->ping_us)
        send_pings(p);
    if (time_since(p->now_us, p->heard_us) > p->ping_timeout_s * US_PER_S)
        session_reconnect(p, false, LIVEKIT__RECONNECT_REASON__RR_SIGNAL_DISCONNECTED);
}

uint64_t session_deadline(const struct participant *p) {
    switch (p->state) {
    case SESSION_OPENING:
    case SESSION_JOINING:
        return p->deadline_us;
    case SESSION_BACKOFF:
        return p->retry_us;
    case SESSION_SETTLING:
        return time_min(p->now_us < p->settle_us ? p->settle_us : p->now_us + GRID_US,
                        time_min(p->deadline_us, p->ping_us));
    case SESSION_JOINED:
        return time_min(time_min(p->ping_us, p->connected ? TIME_NEVER : p->deadline_us),
                        p->heard_us + p->ping_timeout_s * US_PER_S + 1);
    case SESSION_OVER:
        break;
    }
    return TIME_NEVER;
}
