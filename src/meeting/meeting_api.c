#include <stdlib.h>
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
    answer_json(reply, 201, json_pack("{s:s, s:s+}", "id", id, "path", "/m/", id));
}

/* Names are shown to others: no control characters (C0, DEL, C1), no line and direction controls that could make one name
 * look like another, and not empty. Jansson has checked that it is UTF-8. */
static bool name_good(const char *name) {
    size_t characters = 0;
    bool visible = false;
    const uint8_t *p = (const uint8_t *)name;
    while (*p != 0) {
        size_t len = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
        uint32_t code = len == 1 ? *p : *p & (0x7fu >> len);
        for (size_t i = 1; i < len; i++)
            code = code << 6 | (p[i] & 0x3fu);
        bool control = code < 0x20 || (code >= 0x7f && code <= 0x9f);
        bool direction = code == 0x200e || code == 0x200f || code == 0x61c || (code >= 0x2028 && code <= 0x202e) ||
                         (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
        if (control || direction)
            return false;
        visible = visible || code != ' ';
        characters++;
        p += len;
    }
    return visible && characters <= MEETING_NAME_CHARACTERS_MAX;
}

/* The name in the body, or NULL with the error in the reply. The string is the caller's to free. */
static char *read_name(struct meeting *m, const struct meeting_request *request, struct meeting_reply *reply) {
    json_t *body = NULL;
    if (request->body.len > 0 && request->body.len <= MEETING_BODY_LEN_MAX)
        body = json_loadb((const char *)request->body.data, request->body.len, JSON_REJECT_DUPLICATES, NULL);
    const char *name = json_string_value(json_object_get(body, "name"));
    char *copy = NULL;
    if (body == NULL) {
        answer_error(reply, 400, "bad_request", "The request is not JSON.");
    } else if (name == NULL || !name_good(name)) {
        answer_error(reply, 400, "bad_name", "Please give a name of 1 to 64 characters.");
    } else {
        copy = strdup(name);
        ASSERT(copy != NULL);
    }
    m->counters.meeting_refused_input += copy == NULL;
    json_decref(body);
    return copy;
}

static void join(struct meeting *m, struct rng *rng, uint64_t unix_us, const char *id, const char *name,
                 struct meeting_reply *reply) {
    char identity[2 + 16 + 1] = "p_", room[MEETING_ROOM_LEN + 1] = MEETING_ROOM_PREFIX;
    rng_token(rng, identity + 2, 16);
    memcpy(room + sizeof MEETING_ROOM_PREFIX - 1, id, MEETING_ID_LEN + 1);
    struct control_token_request request = {
        .identity = identity,
        .name = name,
        .room = room,
        .ttl_s = MEETING_TOKEN_TTL_S,
        .can_publish = true,
        .can_subscribe = true,
        .can_publish_data = true,
        .can_update_own_metadata = true,
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
        answer_json(reply, 200, json_pack("{s:s, s:s}", "id", text, "status", "open"));
        return;
    }
    if (!spend(meeting, now_us, request, MEETING_JOIN, reply))
        return;
    char *name = read_name(meeting, request, reply);
    if (name != NULL)
        join(meeting, rng, unix_us, text, name, reply);
    free(name);
}
