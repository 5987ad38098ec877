#include <string.h>

#include <jansson.h>

#include "base/assert.h"
#include "base/rng.h"
#include "meeting/meeting.h"

#define PREFIX "/api/v1/meetings"

static void answer_json(struct meeting_reply *reply, uint16_t status, json_t *body) {
    ASSERT(body != NULL);
    reply->status = status;
    reply->len = json_dumpb(body, reply->body, sizeof reply->body, JSON_COMPACT);
    ASSERT(reply->len <= sizeof reply->body);
    json_decref(body);
}

static void answer_error(struct meeting_reply *reply, uint16_t status, const char *code, const char *message) {
    answer_json(reply, status, json_pack("{s:s, s:s}", "error", code, "message", message));
}

static bool spend(struct meeting *m, uint64_t now_us, const struct meeting_request *request, enum meeting_budget budget,
                  struct meeting_reply *reply) {
    if (meeting_spend(m, now_us, &request->client, budget, &reply->retry_s))
        return true;
    m->counters.meeting_refused_busy++;
    answer_error(reply, 429, "busy", "Too many requests from this address. Please wait a moment and try again.");
    return false;
}

static void make(struct meeting *m, struct rng *rng, uint64_t now_us, const struct meeting_request *request,
                 struct meeting_reply *reply) {
    if (!spend(m, now_us, request, MEETING_MAKE, reply))
        return;
    char id[MEETING_ID_LEN + 1];
    meeting_make(m, rng, id);
    m->counters.meetings_made++;
    answer_json(reply, 201, json_pack("{s:s, s:s+, s:i, s:I}", "id", id, "path", "/m/", id, "suite", m->config.suite,
                                       "file_len_max", (json_int_t)m->config.file_len_max));
}

static void join(struct meeting *m, struct rng *rng, uint64_t unix_us, const char *id, struct meeting_reply *reply) {
    char identity[2 + 16 + 1] = "p_", room[MEETING_ROOM_LEN + 1] = MEETING_ROOM_PREFIX;
    rng_token(rng, identity + 2, 16);
    memcpy(room + sizeof MEETING_ROOM_PREFIX - 1, id, MEETING_ID_LEN + 1);
    struct control_token_request request = {
        .identity = identity,
        .name = "",
        .room = room,
        .ttl_s = MEETING_TOKEN_TTL_S,
        .can_publish = true,
        .can_subscribe = true,
    };
    char token[MEETING_REPLY_LEN_MAX / 2];
    struct writer w = writer_of(token, sizeof token - 1);
    if (!token_sign(&m->config.key, unix_us, &request, &w)) {
        answer_error(reply, 500, "internal", "The server could not make a token.");
        return;
    }
    token[w.len] = 0;
    m->counters.meeting_joins++;
    answer_json(reply, 200, json_pack("{s:s, s:s, s:s}", "token", token, "identity", identity, "url", ""));
}

/* Splits what follows the prefix: "", "/<id>" or "/<id>/join". */
static bool split_path(struct span path, struct span *id, bool *joining) {
    struct reader r = reader_of_span(path);
    rd_skip(&r, sizeof PREFIX - 1);
    *joining = false;
    *id = span_of(NULL, 0);
    if (reader_left(&r) == 0)
        return true;
    struct span rest = rd_rest(&r), word;
    r = reader_of_span(rest);
    if (rd_u8(&r) != '/' || !rd_token(&r, '/', id))
        return false;
    if (reader_left(&r) == 0)
        return id->len > 0 && rest.data[rest.len - 1] != '/';
    word = rd_rest(&r);
    *joining = span_equal_str(word, "join");
    return *joining && id->len > 0;
}

void meeting_request(struct meeting *meeting, struct rng *rng, uint64_t now_us, uint64_t unix_us,
                     const struct meeting_request *request, struct meeting_reply *reply) {
    ASSERT(span_starts_with(request->path, PREFIX));
    *reply = (struct meeting_reply){0};
    struct span id;
    bool joining;
    if (!split_path(request->path, &id, &joining)) {
        answer_error(reply, 404, "not_found", "There is nothing here.");
        return;
    }
    bool posting = id.len == 0 || joining;
    if (!span_equal_str(request->method, posting ? "POST" : "GET")) {
        answer_error(reply, 405, "bad_method", posting ? "Use POST." : "Use GET.");
        return;
    }
    if (request->closing && posting) {
        answer_error(reply, 503, "closing", "The server is going down. Please try again in a minute.");
        return;
    }
    if (id.len == 0) {
        make(meeting, rng, now_us, request, reply);
        return;
    }
    if (!meeting_known(meeting, id)) {
        meeting->counters.meetings_unknown++;
        if (spend(meeting, now_us, request, MEETING_FAILURE, reply))
            answer_error(reply, 404, "meeting_not_found", "There is no such meeting. Please check the link.");
        return;
    }
    char text[MEETING_ID_LEN + 1];
    ASSERT(span_to_str(id, text, sizeof text));
    if (!joining) {
        meeting->counters.meetings_found++;
        answer_json(reply, 200, json_pack("{s:s, s:s, s:i, s:I}", "id", text, "status", "open", "suite",
                                           meeting->config.suite, "file_len_max",
                                           (json_int_t)meeting->config.file_len_max));
        return;
    }
    if (!spend(meeting, now_us, request, MEETING_JOIN, reply))
        return;
    join(meeting, rng, unix_us, text, reply);
}
