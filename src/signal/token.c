#include "signal/token.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/secret.h"
#include "base/time.h"
#include "crypto/hmac.h"

const char *token_result_text(enum token_result result) {
    switch (result) {
    case TOKEN_OK:
        return "ok";
    case TOKEN_MISSING:
        return "no access token";
    case TOKEN_MALFORMED:
        return "malformed access token";
    case TOKEN_BAD_ALGORITHM:
        return "access token is not signed with HS256";
    case TOKEN_UNKNOWN_KEY:
        return "access token of an unknown API key";
    case TOKEN_BAD_SIGNATURE:
        return "access token with a wrong signature";
    case TOKEN_EXPIRED:
        return "access token has expired";
    case TOKEN_NOT_YET:
        return "access token is not valid yet";
    }
    return "invalid access token";
}

struct span token_from_header(struct span authorization) {
    static const char scheme[] = "Bearer ";
    size_t len = sizeof scheme - 1;
    if (authorization.len <= len)
        return span_of(NULL, 0);
    for (size_t i = 0; i < len; i++) {
        if ((authorization.data[i] | 0x20) != (scheme[i] | 0x20))
            return span_of(NULL, 0);
    }
    while (len < authorization.len && authorization.data[len] == ' ')
        len++;
    return span_of(authorization.data + len, authorization.len - len);
}

/* ---- verifying --------------------------------------------------------------------------------------------------- */

static json_t *decode_object(struct span text, struct arena *arena) {
    uint8_t *bytes = arena_bytes(arena, text.len + 1);
    size_t len = 0;
    if (!base64_decode(text, bytes, text.len + 1, &len))
        return NULL;
    json_t *object = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static const char *text_of(const json_t *object, const char *name, struct arena *arena) {
    const char *text = json_string_value(json_object_get(object, name));
    return arena_text(arena, span_str(text != NULL ? text : ""));
}

static bool flag_of(const json_t *object, const char *name, bool absent) {
    const json_t *value = json_object_get(object, name);
    return json_is_boolean(value) ? json_is_true(value) : absent;
}

static uint32_t number_of(const json_t *object, const char *name, const char *other_name) {
    const json_t *value = json_object_get(object, name);
    if (value == NULL)
        value = json_object_get(object, other_name);
    json_int_t number = json_integer_value(value);
    return number > 0 && number <= UINT32_MAX ? (uint32_t)number : 0;
}

static enum room_participant_kind kind_of(const char *name) {
    static const struct {
        const char *name;
        enum room_participant_kind kind;
    } kinds[] = {{"ingress", ROOM_INGRESS}, {"egress", ROOM_EGRESS},       {"sip", ROOM_SIP},
                 {"agent", ROOM_AGENT},     {"connector", ROOM_CONNECTOR}, {"bridge", ROOM_BRIDGE}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].kind;
    }
    return ROOM_STANDARD;
}

static uint32_t sources_of(const json_t *list) {
    static const char *const names[] = {"unknown", "camera", "microphone", "screen_share", "screen_share_audio"};
    uint32_t bits = 0;
    size_t index;
    json_t *entry;
    json_array_foreach(list, index, entry) {
        const char *name = json_string_value(entry);
        for (uint32_t i = 0; name != NULL && i < ARRAY_LEN(names); i++) {
            if (strcmp(names[i], name) == 0)
                bits |= UINT32_C(1) << i;
        }
    }
    /* a list of nothing we know permits nothing but "unknown", rather than everything */
    return json_array_size(list) > 0 && bits == 0 ? 1 : bits;
}

static void read_video(const json_t *video, struct arena *arena, struct token *out) {
    out->has_video = true;
    out->room = text_of(video, "room", arena);
    out->room_create = flag_of(video, "roomCreate", false);
    out->room_list = flag_of(video, "roomList", false);
    out->room_admin = flag_of(video, "roomAdmin", false);
    out->room_join = flag_of(video, "roomJoin", false);
    struct room_permission *permission = &out->permission;
    permission->can_publish = flag_of(video, "canPublish", true);
    permission->can_subscribe = flag_of(video, "canSubscribe", true);
    permission->can_publish_data = flag_of(video, "canPublishData", permission->can_publish);
    permission->publish_sources = sources_of(json_object_get(video, "canPublishSources"));
    permission->can_update_metadata = flag_of(video, "canUpdateOwnMetadata", false);
    permission->hidden = flag_of(video, "hidden", false);
    permission->recorder = flag_of(video, "recorder", false);
    permission->agent = flag_of(video, "agent", false);
    permission->can_subscribe_metrics = flag_of(video, "canSubscribeMetrics", false);
    permission->can_manage_agent_session = flag_of(video, "canManageAgentSession", false);
}

static void read_claims(const json_t *claims, struct arena *arena, struct token *out) {
    out->identity = text_of(claims, "sub", arena);
    if (out->identity[0] == 0)
        out->identity = text_of(claims, "jti", arena);
    out->name = text_of(claims, "name", arena);
    out->metadata = text_of(claims, "metadata", arena);
    out->kind = kind_of(text_of(claims, "kind", arena));
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json_object_get(claims, "attributes"), key, value) {
        if (!json_is_string(value) || out->attributes_count == TOKEN_ATTRIBUTES_MAX)
            continue;
        out->attributes[out->attributes_count][0] = arena_text(arena, span_str(key));
        out->attributes[out->attributes_count++][1] = arena_text(arena, span_str(json_string_value(value)));
    }
    out->room = "";
    const json_t *video = json_object_get(claims, "video");
    if (json_is_object(video))
        read_video(video, arena, out);
    const json_t *config = json_object_get(claims, "roomConfig");
    out->config_empty_timeout_s = number_of(config, "emptyTimeout", "empty_timeout");
    out->config_departure_timeout_s = number_of(config, "departureTimeout", "departure_timeout");
    out->config_participants_max = number_of(config, "maxParticipants", "max_participants");
    out->config_metadata = text_of(config, "metadata", arena);
}

static enum token_result check_times(const json_t *claims, uint64_t unix_us, struct token *out) {
    double now_s = (double)unix_us / (double)US_PER_S;
    const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf"),
                 *iat = json_object_get(claims, "iat");
    if (!json_is_number(exp) || json_number_value(exp) <= now_s)
        return TOKEN_EXPIRED;
    if ((nbf != NULL && !json_is_number(nbf)) || (iat != NULL && !json_is_number(iat)))
        return TOKEN_MALFORMED;
    if (json_number_value(nbf) > now_s + TOKEN_LEEWAY_S || json_number_value(iat) > now_s + TOKEN_LEEWAY_S)
        return TOKEN_NOT_YET;
    double expires_s = json_number_value(exp);
    out->expires_unix_us = expires_s < 1e12 ? (uint64_t)(expires_s * (double)US_PER_S) : UINT64_MAX;
    return TOKEN_OK;
}

static bool split(struct span text, struct span part[3]) {
    size_t start = 0, count = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.data[i] != '.')
            continue;
        if (count == 3)
            return false;
        part[count++] = span_of(text.data + start, i - start);
        start = i + 1;
    }
    return count == 3 && part[0].len > 0 && part[1].len > 0 && part[2].len > 0;
}

static enum token_result check_signature(const struct control_keys *keys, struct span signed_part,
                                         struct span signature, const json_t *claims, struct token *out) {
    const char *issuer = json_string_value(json_object_get(claims, "iss"));
    if (issuer == NULL)
        return TOKEN_UNKNOWN_KEY;
    out->key_index = keys->count;
    for (uint32_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->names[i], issuer) == 0)
            out->key_index = i;
    }
    if (out->key_index == keys->count)
        return TOKEN_UNKNOWN_KEY;
    uint8_t given[HMAC_SHA256_LEN + 1], expected[HMAC_SHA256_LEN];
    size_t given_len = 0;
    if (!base64_decode(signature, given, sizeof given, &given_len) || given_len != HMAC_SHA256_LEN)
        return TOKEN_BAD_SIGNATURE;
    bool equal = keys->mac(keys->context, out->key_index, signed_part, expected) &&
                 secure_equal(given, expected, sizeof expected);
    secure_wipe(expected, sizeof expected);
    return equal ? TOKEN_OK : TOKEN_BAD_SIGNATURE;
}

enum token_result token_verify(const struct control_keys *keys, uint64_t unix_us, struct span text, struct arena *arena,
                               struct token *out) {
    ASSERT(keys != NULL && keys->count > 0 && out != NULL);
    *out = (struct token){.identity = "", .name = "", .metadata = "", .room = "", .config_metadata = ""};
    struct span part[3];
    if (text.len == 0)
        return TOKEN_MISSING;
    if (text.len > TOKEN_LEN_MAX || !split(text, part))
        return TOKEN_MALFORMED;
    json_t *header = decode_object(part[0], arena), *claims = decode_object(part[1], arena);
    enum token_result result = TOKEN_OK;
    const char *algorithm = json_string_value(json_object_get(header, "alg"));
    if (header == NULL || claims == NULL)
        result = TOKEN_MALFORMED;
    else if (algorithm == NULL || strcmp(algorithm, "HS256") != 0 || json_object_get(header, "crit") != NULL)
        result = TOKEN_BAD_ALGORITHM;
    else
        result = check_signature(keys, span_of(text.data, part[0].len + 1 + part[1].len), part[2], claims, out);
    if (result == TOKEN_OK)
        result = check_times(claims, unix_us, out);
    if (result == TOKEN_OK)
        read_claims(claims, arena, out);
    json_decref(header);
    json_decref(claims);
    return result;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static bool mac_local(void *context, uint32_t index, struct span text, uint8_t mac[HMAC_SHA256_LEN]) {
    const struct control_key *keys = context;
    hmac_once(HMAC_SHA256, span_str(keys[index].secret), text, mac);
    return true;
}

struct control_keys control_keys_local(const struct control_key *keys, uint32_t count) {
    ASSERT(count <= CONTROL_KEYS_MAX);
    struct control_keys out = {.count = count, .mac = mac_local, .context = (void *)(uintptr_t)keys};
    for (uint32_t i = 0; i < count; i++)
        memcpy(out.names[i], keys[i].key, sizeof out.names[i]);
    return out;
}

/* ---- signing ----------------------------------------------------------------------------------------------------- */

bool token_sign_claims(const struct control_keys *keys, uint32_t index, const json_t *claims, struct writer *out) {
    ASSERT(index < keys->count && claims != NULL);
    char *text = json_dumps(claims, JSON_COMPACT);
    ASSERT(text != NULL);
    size_t start = out->len;
    wr_base64url(out, span_str("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
    wr_str(out, ".");
    wr_base64url(out, span_str(text));
    free(text);
    if (!writer_ok(out))
        return false;
    uint8_t mac[HMAC_SHA256_LEN];
    struct span written = writer_span(out);
    if (!keys->mac(keys->context, index, span_of(written.data + start, written.len - start), mac))
        return false;
    wr_str(out, ".");
    wr_base64url(out, span_of(mac, sizeof mac));
    return writer_ok(out);
}

static json_t *claims_new(const char *issuer, uint64_t unix_us, uint32_t ttl_s, const char *identity, const char *name,
                          const char *metadata, json_t *video) {
    json_int_t now_s = (json_int_t)(unix_us / US_PER_S);
    json_t *claims = json_object();
    (void)json_object_set_new(claims, "iss", json_string(issuer));
    if (identity != NULL && identity[0] != 0)
        (void)json_object_set_new(claims, "sub", json_string(identity));
    (void)json_object_set_new(claims, "nbf", json_integer(now_s));
    (void)json_object_set_new(claims, "exp", json_integer(now_s + (json_int_t)ttl_s));
    if (name != NULL && name[0] != 0)
        (void)json_object_set_new(claims, "name", json_string(name));
    if (metadata != NULL && metadata[0] != 0)
        (void)json_object_set_new(claims, "metadata", json_string(metadata));
    (void)json_object_set_new(claims, "video", video);
    ASSERT(claims != NULL);
    return claims;
}

static void set_flag(json_t *video, const char *name, bool value) {
    (void)json_object_set_new(video, name, json_boolean(value));
}

bool token_sign(const struct control_keys *keys, uint32_t index, uint64_t unix_us,
                const struct control_token_request *request, struct writer *out) {
    json_t *video = json_object();
    if (request->room != NULL && request->room[0] != 0) {
        (void)json_object_set_new(video, "room", json_string(request->room));
        if (request->identity != NULL && request->identity[0] != 0)
            set_flag(video, "roomJoin", true);
    }
    set_flag(video, "canPublish", request->can_publish);
    set_flag(video, "canSubscribe", request->can_subscribe);
    set_flag(video, "canPublishData", request->can_publish_data);
    if (request->room_admin)
        set_flag(video, "roomAdmin", true);
    if (request->room_create)
        set_flag(video, "roomCreate", true);
    if (request->room_list)
        set_flag(video, "roomList", true);
    if (request->hidden)
        set_flag(video, "hidden", true);
    if (request->can_update_own_metadata)
        set_flag(video, "canUpdateOwnMetadata", true);
    json_t *claims = claims_new(keys->names[index], unix_us, request->ttl_s, request->identity, request->name,
                                request->metadata, video);
    bool fits = token_sign_claims(keys, index, claims, out);
    json_decref(claims);
    return fits;
}

static json_t *source_names(uint32_t bits) {
    static const char *const names[] = {"unknown", "camera", "microphone", "screen_share", "screen_share_audio"};
    json_t *list = json_array();
    for (uint32_t i = 0; i < ARRAY_LEN(names); i++) {
        if ((bits >> i & 1) != 0)
            (void)json_array_append_new(list, json_string(names[i]));
    }
    return list;
}

bool token_sign_participant(const struct control_keys *keys, uint32_t index, uint64_t unix_us, uint32_t ttl_s,
                            const struct participant *participant, bool with_texts, struct writer *out) {
    static const char *const kinds[] = {
        [ROOM_INGRESS] = "ingress", [ROOM_EGRESS] = "egress",       [ROOM_SIP] = "sip",
        [ROOM_AGENT] = "agent",     [ROOM_CONNECTOR] = "connector", [ROOM_BRIDGE] = "bridge"};
    const struct room_permission *permission = &participant->permission;
    json_t *video = json_object();
    (void)json_object_set_new(video, "room", json_string(participant->room->name));
    set_flag(video, "roomJoin", true);
    set_flag(video, "canPublish", permission->can_publish);
    set_flag(video, "canSubscribe", permission->can_subscribe);
    set_flag(video, "canPublishData", permission->can_publish_data);
    if (permission->publish_sources != 0)
        (void)json_object_set_new(video, "canPublishSources", source_names(permission->publish_sources));
    set_flag(video, "canUpdateOwnMetadata", permission->can_update_metadata);
    set_flag(video, "hidden", permission->hidden);
    set_flag(video, "recorder", permission->recorder);
    set_flag(video, "agent", permission->agent);
    set_flag(video, "canSubscribeMetrics", permission->can_subscribe_metrics);
    set_flag(video, "canManageAgentSession", permission->can_manage_agent_session);
    json_t *claims = claims_new(keys->names[index], unix_us, ttl_s, participant->identity, participant->name,
                                with_texts ? participant->metadata : NULL, video);
    if (participant->kind < (int)ARRAY_LEN(kinds) && kinds[participant->kind] != NULL)
        (void)json_object_set_new(claims, "kind", json_string(kinds[participant->kind]));
    if (with_texts && participant->attributes_count > 0) {
        json_t *attributes = json_object();
        for (uint32_t i = 0; i < participant->attributes_count; i++)
            (void)json_object_set_new(attributes, participant->attributes[i].key,
                                      json_string(participant->attributes[i].value));
        (void)json_object_set_new(claims, "attributes", attributes);
    }
    bool fits = token_sign_claims(keys, index, claims, out);
    json_decref(claims);
    return fits;
}
