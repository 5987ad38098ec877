/* WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): one offer, one answer, over HTTP.
 *
 * A resource is a participant without a session. Its path ends in the participant's sid, which nobody can guess, and
 * requests to it need a token of the same identity besides. Trickled candidates are not needed (ICE-lite learns
 * peer-reflexive ones), so a PATCH has an effect only when it restarts ICE. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "room/memory.h"
#include "signal/internal.h"
#include "signal/query.h"

#define OFFER_TYPE "application/sdp"
#define FRAGMENT_TYPE "application/trickle-ice-sdpfrag"

static void set(char *out, size_t size, const char *text) {
    bool fits = span_to_str(span_str(text), out, size);
    ASSERT(fits);
}

/* A token that lets its bearer do this; else the reply says why not. */
static bool authorize(struct control *control, const struct control_http_request *request, bool whep,
                      struct arena *arena, struct token *token, struct control_http_reply *reply) {
    const struct control_config *config = &control->config;
    struct span text = token_from_header(request->authorization);
    if (text.len == 0)
        (void)query_get(request->query, "access_token", arena, &text);
    enum token_result result = token_verify(&config->keys, control->unix_us, text, arena, token);
    if (result != TOKEN_OK || !token->has_video || !token->room_join) {
        control->counters.tokens_refused++;
        http_text(reply, 401, result != TOKEN_OK ? token_result_text(result) : "no permission to join a room");
        reply->authenticate = true;
        return false;
    }
    if (token->identity[0] == 0 || token->room[0] == 0 || strlen(token->identity) > config->identity_len_max ||
        strlen(token->room) > config->room_name_len_max || strlen(token->metadata) > config->metadata_len_max ||
        strlen(token->name) > config->identity_len_max || !name_usable(token->identity) || !name_usable(token->room)) {
        http_text(reply, 400,
                  "the access token lacks identity or room, or they are too long or have control characters");
        return false;
    }
    if (whep ? !token->permission.can_subscribe : !token->permission.can_publish) {
        http_text(reply, 403, whep ? "no permission to subscribe" : "no permission to publish");
        return false;
    }
    if (room_is_meeting(control, token->room)) {
        http_text(reply, 403, "this room is a meeting: meetings have no WHIP or WHEP");
        return false;
    }
    return true;
}

/* ---- POST -------------------------------------------------------------------------------------------------------- */

/* Who offers, restarts and goes again and again waits, as who joins by signalling does. */
static bool may_enter(struct control *control, const struct token *token, struct control_http_reply *reply) {
    const struct room *room = room_find(&control->rooms, token->room);
    bool busy = room != NULL && room->work_us > control->now_us + 2 * WORK_ROOM_BURST_US;
    if (!busy && work_lets_in(control, room, token))
        return true;
    control->counters.limit_refused++;
    http_text(reply, 503, busy ? "the room is busy" : "this participant has come too often: wait a little");
    return false;
}

static struct peer *create_peer(struct control *control, const struct token *token, const struct net_addr *source,
                                bool whep, struct control_http_reply *reply) {
    struct room *room = room_find(&control->rooms, token->room);
    if (room == NULL && !control->config.auto_create && !token->room_create) {
        http_text(reply, 404, "requested room does not exist");
        return NULL;
    }
    struct participant *before = room != NULL ? participant_find(room, token->identity) : NULL;
    if (room != NULL && before == NULL &&
        room_full(room, control->config.participants_max, &token->permission, token->kind)) {
        control->counters.limit_refused++;
        http_text(reply, 503, "the room is full");
        return NULL;
    }
    if (before != NULL)
        peer_leave(peer_of(before), ROOM_LEAVE_DUPLICATE, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
    if (room == NULL)
        room = room_open_configured(control, token->room, token, source);
    struct peer *peer = room != NULL ? peer_join(control, whep ? PEER_WHEP : PEER_WHIP, token, room) : NULL;
    if (peer == NULL)
        http_text(reply, 503, "the server is full");
    return peer;
}

/* What the answer would have left out of the offer; NULL when nothing. */
static const char *codec_missing(const struct pc *pc) {
    for (uint32_t i = 0; i < pc->sections_count; i++) {
        const struct section *section = pc->sections[i];
        if (section->stopped && section->kind == SDP_VIDEO)
            return "no video codec of the offer is taken: VP8, H264, VP9 or AV1 is needed";
        if (section->stopped && section->kind == SDP_AUDIO)
            return "no audio codec of the offer is taken: opus, PCMU or PCMA is needed";
    }
    return NULL;
}

static void post(struct control *control, const struct control_http_request *request, bool whep,
                 struct control_http_reply *reply) {
    struct arena arena;
    struct token *token = memory_new(sizeof *token);
    arena_init(&arena, ARENA_UNLIMITED);
    struct peer *peer = NULL;
    struct span watched;
    uint64_t before_ns = control->work_ns;
    control->work_ns += WORK_HELLO_NS;
    if (control->shutting_down)
        http_text(reply, 503, "the server is shutting down");
    else if (!media_type_is(request->content_type, OFFER_TYPE))
        http_text(reply, 415, "an offer of type application/sdp is needed");
    else if (authorize(control, request, whep, &arena, token, reply) && may_enter(control, token, reply))
        peer = create_peer(control, token, &request->source, whep, reply);
    if (peer != NULL) {
        struct room *room = peer->participant->room;
        if (whep && query_get(request->query, "participant", &arena, &watched))
            memory_set_text(&peer->whep_identity, arena_text(&arena, watched));
        webhook_event(control, "participant_joined", peer->participant->room, peer->participant, NULL);
        subscribe_update_participant(peer->participant);
        participant_touch(peer->participant);
        const char *answer = pc_answer(peer->publisher, request->body, &control->reply_arena);
        work_charge_room(control, room, before_ns);
        work_charge_peer(peer, before_ns);
        const char *missing = answer != NULL && !whep ? codec_missing(peer->publisher) : NULL;
        if (missing != NULL) { /* RFC 9725 section 4.2: all of it or nothing */
            control->counters.negotiations_failed++;
            peer_gone(peer, ROOM_LEAVE_JOIN_FAILURE);
            http_text(reply, 406, missing);
        } else if (answer == NULL) {
            control->counters.negotiations_failed++;
            peer_gone(peer, ROOM_LEAVE_JOIN_FAILURE);
            http_text(reply, 400, "unusable offer");
        } else {
            http_text(reply, 201, answer);
            set(reply->content_type, sizeof reply->content_type, OFFER_TYPE);
            set(reply->accept_patch, sizeof reply->accept_patch, FRAGMENT_TYPE);
            struct writer w = writer_of(reply->location, sizeof reply->location - 1);
            wr_fmt(&w, "/%s/v1/%s", whep ? "whep" : "whip", peer->participant->sid);
            w = writer_of(reply->etag, sizeof reply->etag - 1);
            wr_fmt(&w, "\"%s\"", peer->publisher->local_ufrag);
            /* somebody who never connects is forgotten like a session that closed */
            peer->failed_since_us = TIME_NEVER;
            peer->absent_since_us = control->now_us;
            timer_arm(control, peer->participant->room, control->now_us + ABSENT_MAX_US);
        }
    }
    arena_free(&arena);
    free(token);
}

/* ---- resources --------------------------------------------------------------------------------------------------- */

static struct peer *find_resource(struct control *control, const char *sid, bool whep) {
    struct participant *participant = participant_find_sid(&control->rooms, sid);
    if (participant == NULL || peer_of(participant)->kind != (whep ? PEER_WHEP : PEER_WHIP))
        return NULL;
    return peer_of(participant);
}

/* ICE credentials of a fragment (RFC 8840 section 9): at its session level or in a section, all the same. */
static bool read_fragment(struct span body, char ufrag[ENGINE_UFRAG_LEN_MAX + 1], char pwd[ENGINE_PWD_LEN_MAX + 1]) {
    struct reader r = reader_of_span(body);
    struct span line;
    ufrag[0] = pwd[0] = 0;
    while (rd_line(&r, &line)) {
        if (span_starts_with(line, "a=ice-ufrag:") &&
            !span_to_str(span_of(line.data + 12, line.len - 12), ufrag, ENGINE_UFRAG_LEN_MAX + 1))
            return false;
        if (span_starts_with(line, "a=ice-pwd:") &&
            !span_to_str(span_of(line.data + 10, line.len - 10), pwd, ENGINE_PWD_LEN_MAX + 1))
            return false;
    }
    return ufrag[0] == 0 || (strlen(ufrag) >= 4 && strlen(pwd) >= 22); /* RFC 8839 section 5.4 */
}

static const char *write_fragment(struct control *control, const struct pc *pc) {
    const struct section *section = NULL;
    for (uint32_t i = 0; i < pc->sections_count && section == NULL; i++)
        section = pc->sections[i]->stopped ? NULL : pc->sections[i];
    if (section == NULL)
        return "";
    size_t size = 1024 + 160 * CONTROL_CANDIDATES_MAX;
    char *text = arena_bytes(&control->reply_arena, size);
    struct writer w = writer_of(text, size - 1);
    wr_fmt(&w, "a=ice-lite\r\na=ice-options:trickle\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", pc->local_ufrag,
           pc->local_pwd);
    wr_fmt(&w, "m=%s 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:%s\r\n", section->kind == SDP_AUDIO ? "audio" : "video",
           section->mid);
    for (uint32_t i = 0; i < control->config.candidates_count; i++) {
        wr_str(&w, "a=");
        candidate_text(control, i, &w);
        wr_str(&w, "\r\n");
    }
    wr_str(&w, "a=end-of-candidates\r\n");
    return text;
}

/* RFC 9725 section 4.3: a trickle names the session by its entity-tag, a restart does so by "*". */
static void patch(struct control *control, struct peer *peer, const struct control_http_request *request,
                  struct control_http_reply *reply) {
    struct pc *pc = peer->publisher;
    char ufrag[ENGINE_UFRAG_LEN_MAX + 1], pwd[ENGINE_PWD_LEN_MAX + 1], etag[ENGINE_UFRAG_LEN_MAX + 3];
    struct writer w = writer_of(etag, sizeof etag - 1);
    wr_fmt(&w, "\"%s\"", pc->local_ufrag);
    etag[w.len] = 0;
    if (!media_type_is(request->content_type, FRAGMENT_TYPE)) {
        http_text(reply, 415, "a fragment of type application/trickle-ice-sdpfrag is needed");
        return;
    }
    if (!read_fragment(request->body, ufrag, pwd)) {
        http_text(reply, 400, "unusable fragment");
        return;
    }
    if (request->if_match.len == 0) {
        http_text(reply, 428, "If-Match is needed");
        return;
    }
    bool any = span_equal_str(request->if_match, "*");
    if (!any && !span_equal_str(request->if_match, etag)) {
        http_text(reply, 412, "of another ICE session");
        return;
    }
    bool restart = ufrag[0] != 0 && (strcmp(ufrag, pc->remote_ufrag) != 0 || strcmp(pwd, pc->remote_pwd) != 0);
    if (!restart) {
        http_text(reply, 204, "");
        return;
    }
    if (!any) {
        http_text(reply, 412, "an ICE restart needs If-Match: *");
        return;
    }
    pc_restart_ice(pc);
    pc_remote_credentials(pc, ufrag, pwd);
    http_text(reply, 200, write_fragment(control, pc));
    set(reply->content_type, sizeof reply->content_type, FRAGMENT_TYPE);
    w = writer_of(reply->etag, sizeof reply->etag - 1);
    wr_fmt(&w, "\"%s\"", pc->local_ufrag);
}

static void resource(struct control *control, const struct control_http_request *request, struct span name, bool whep,
                     struct control_http_reply *reply) {
    struct arena arena;
    struct token *token = memory_new(sizeof *token);
    arena_init(&arena, ARENA_UNLIMITED);
    uint64_t before_ns = control->work_ns;
    char sid[ROOM_SID_SIZE];
    bool is_patch = span_equal_str(request->method, "PATCH"), is_delete = span_equal_str(request->method, "DELETE");
    if (!is_patch && !is_delete) {
        http_text(reply, 405, "PATCH or DELETE");
    } else if (authorize(control, request, whep, &arena, token, reply)) {
        struct peer *peer = span_to_str(name, sid, sizeof sid) ? find_resource(control, sid, whep) : NULL;
        if (peer == NULL || strcmp(peer->participant->identity, token->identity) != 0 ||
            strcmp(peer->participant->room->name, token->room) != 0) {
            http_text(reply, 404, "no such resource");
        } else if (is_patch && may_enter(control, token, reply)) {
            control->work_ns += WORK_HELLO_NS + request->body.len * WORK_DESCRIPTION_NS;
            patch(control, peer, request, reply);
            work_charge_room(control, peer->participant->room, before_ns);
            work_charge_peer(peer, before_ns);
        } else if (is_delete) {
            peer_gone(peer, ROOM_LEAVE_CLIENT);
            http_text(reply, 200, "");
        }
    }
    arena_free(&arena);
    free(token);
}

void whip_http(struct control *control, const struct control_http_request *request, struct control_http_reply *reply) {
    static const size_t prefix_len = sizeof "/whip/v1" - 1;
    bool whep = span_starts_with(request->path, "/whep/");
    struct span rest = span_of(request->path.data + prefix_len, request->path.len - prefix_len);
    bool endpoint = rest.len == 0 || span_equal_str(rest, "/");
    if (span_equal_str(request->method, "OPTIONS")) {
        http_text(reply, 204, "");
        if (endpoint)
            set(reply->accept_post, sizeof reply->accept_post, OFFER_TYPE);
        else
            set(reply->accept_patch, sizeof reply->accept_patch, FRAGMENT_TYPE);
    } else if (!endpoint) {
        resource(control, request, span_of(rest.data + 1, rest.len - 1), whep, reply);
    } else if (span_equal_str(request->method, "POST")) {
        post(control, request, whep, reply);
    } else {
        http_text(reply, 405, "POST");
        set(reply->accept_post, sizeof reply->accept_post, OFFER_TYPE);
    }
}
