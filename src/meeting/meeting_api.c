#include <string.h>

#include <jansson.h>

#include "base/assert.h"
#include "base/base64.h"
#include "group/context.h"
#include "meeting/meeting.h"

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

static bool read_key(const json_t *body, const char *name, uint8_t out[32]) {
    const json_t *value = json_object_get(body, name);
    struct span text = span_of(json_string_value(value), json_string_length(value));
    return base64url_decode_exact(text, out, 32) && sign_public_good(SIGN_ED25519, span_of(out, 32));
}

static bool read_number(const json_t *body, const char *name, json_int_t max, json_int_t *out) {
    const json_t *value = json_object_get(body, name);
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= 0 && *out <= max;
}

static void make(struct meeting *m, uint64_t now_us, const struct meeting_request *request,
                 struct meeting_reply *reply) {
    uint8_t link_key[32], owner[32];
    json_int_t suite, kind;
    if (!spend(m, now_us, request, MEETING_MAKE, reply))
        return;
    json_t *body = request->body.len <= MEETING_BODY_LEN_MAX
                       ? json_loadb((const char *)request->body.data, request->body.len, JSON_REJECT_DUPLICATES, NULL)
                       : NULL;
    bool good = json_is_object(body) && json_object_size(body) == 4 && read_key(body, "link_key", link_key) &&
                read_key(body, "owner_key", owner) && read_number(body, "suite", UINT16_MAX, &suite) &&
                group_suite_good((uint16_t)suite) && read_number(body, "kind", UINT8_MAX, &kind) &&
                (kind & ~(json_int_t)GROUP_KIND_ANYBODY) == GROUP_KIND_NOW;
    json_decref(body);
    if (!good) {
        m->counters.meeting_refused_keys++;
        answer_error(reply, 400, "bad_request",
                     "A meeting is made of link_key and owner_key (Ed25519, base64url), suite (1 or 61607) and kind (1 "
                     "or 129).");
        return;
    }
    char id[MEETING_ID_LEN + 1];
    if (!meeting_make(m, span_of(link_key, 32), span_of(owner, 32), (uint16_t)suite, (uint8_t)kind, id)) {
        answer_error(reply, 503, "unavailable", "The server is going down. Try again in a minute.");
        return;
    }
    m->counters.meetings_made++;
    answer_json(reply, 201, json_pack("{s:s}", "id", id));
}

static void tell_house(const struct meeting *m, struct meeting_reply *reply) {
    char key[BASE64_LEN(32) + 1];
    struct writer w = writer_of(key, sizeof key - 1);
    wr_base64url(&w, span_of(m->config.operator_key, sizeof m->config.operator_key));
    ASSERT(writer_ok(&w));
    key[w.len] = 0;
    answer_json(reply, 200,
                json_pack("{s:s, s:i, s:I}", "operator", key, "suite", m->config.suite, "file_len_max",
                          (json_int_t)m->config.file_len_max));
}

bool meeting_token(struct meeting *meeting, uint64_t unix_us, struct span id, struct span identity,
                   struct writer *out) {
    char name[GROUP_IDENTITY_LEN + 1], room[MEETING_ROOM_LEN + 1] = MEETING_ROOM_PREFIX;
    ASSERT(id.len == MEETING_ID_LEN && span_to_str(identity, name, sizeof name) &&
           span_to_str(id, room + sizeof MEETING_ROOM_PREFIX - 1, MEETING_ID_LEN + 1));
    const struct control_token_request request = {
        .identity = name,
        .name = "",
        .room = room,
        .ttl_s = MEETING_TOKEN_TTL_S,
        .can_publish = true,
        .can_subscribe = true,
    };
    meeting->counters.meeting_tokens++;
    return token_sign(&meeting->config.keys, 0, unix_us, &request, out);
}

void meeting_request(struct meeting *meeting, uint64_t now_us, const struct meeting_request *request,
                     struct meeting_reply *reply) {
    *reply = (struct meeting_reply){0};
    bool making = span_equal_str(request->path, MEETING_PATH),
         house = span_equal_str(request->path, MEETING_HOUSE_PATH);
    if (!making && !house)
        answer_error(reply, 404, "not_found", "There is nothing here.");
    else if (!span_equal_str(request->method, making ? "POST" : "GET"))
        answer_error(reply, 405, "bad_method", making ? "Use POST." : "Use GET.");
    else if (making && request->closing)
        answer_error(reply, 503, "closing", "The server is going down. Please try again in a minute.");
    else if (making)
        make(meeting, now_us, request, reply);
    else
        tell_house(meeting, reply);
}
