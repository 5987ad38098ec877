/* Tokens, validation, WHIP, WHEP and the room API. */
#include "signal/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>
#include <zlib.h>

#include "base/assert.h"
#include "base/base64.h"
#include "crypto/hmac.h"
#include "signal/query.h"
#include "signal/token.h"

#define M(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name
#define JOIN_GRANT "{\"roomJoin\":true,\"room\":\"tea\"}"

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

static char *sign(const char *header, const char *claims, const char *secret) {
    char *text = calloc(1, 8192);
    struct writer w = writer_of(text, 8191);
    uint8_t mac[HMAC_SHA256_LEN];
    wr_base64url(&w, span_str(header));
    wr_str(&w, ".");
    wr_base64url(&w, span_str(claims));
    hmac_once(HMAC_SHA256, span_str(secret), writer_span(&w), mac);
    wr_str(&w, ".");
    wr_base64url(&w, span_of(mac, sizeof mac));
    return text;
}

static enum token_result verify(const char *header, const char *claims, const char *secret) {
    const struct control_key key = {.key = KEY, .secret = SECRET};
    const struct control_keys keys = control_keys_local(&key, 1);
    struct token *token = calloc(1, sizeof *token);
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    char *text = sign(header, claims, secret);
    enum token_result result = token_verify(&keys, UINT64_C(1760000000) * US_PER_S, span_str(text), &arena, token);
    free(text);
    free(token);
    arena_free(&arena);
    return result;
}

static void a_token_is_taken_only_when_everything_about_it_is_right(void **state) {
    (void)state;
    static const char header[] = "{\"alg\":\"HS256\"}",
                      claims[] = "{\"iss\":\"devkey\",\"sub\":\"ana\",\"exp\":1760000600}";
    assert_int_equal(verify(header, claims, SECRET), TOKEN_OK);
    assert_int_equal(verify(header, claims, "another secret"), TOKEN_BAD_SIGNATURE);
    assert_int_equal(verify("{\"alg\":\"none\"}", claims, SECRET), TOKEN_BAD_ALGORITHM);
    assert_int_equal(verify("{\"alg\":\"HS384\"}", claims, SECRET), TOKEN_BAD_ALGORITHM);
    assert_int_equal(verify("{\"alg\":\"HS256\",\"crit\":[\"b64\"]}", claims, SECRET), TOKEN_BAD_ALGORITHM);
    assert_int_equal(verify("{}", claims, SECRET), TOKEN_BAD_ALGORITHM);
    assert_int_equal(verify("[]", claims, SECRET), TOKEN_MALFORMED);
    assert_int_equal(verify(header, "not json", SECRET), TOKEN_MALFORMED);
    assert_int_equal(verify(header, "{\"iss\":\"other\",\"exp\":1760000600}", SECRET), TOKEN_UNKNOWN_KEY);
    assert_int_equal(verify(header, "{\"exp\":1760000600}", SECRET), TOKEN_UNKNOWN_KEY);
    assert_int_equal(verify(header, "{\"iss\":\"devkey\"}", SECRET), TOKEN_EXPIRED);
    assert_int_equal(verify(header, "{\"iss\":\"devkey\",\"exp\":1760000000}", SECRET), TOKEN_EXPIRED);
    assert_int_equal(verify(header, "{\"iss\":\"devkey\",\"exp\":\"1760000600\"}", SECRET), TOKEN_EXPIRED);
    assert_int_equal(verify(header, "{\"iss\":\"devkey\",\"exp\":1760000600,\"nbf\":1760000050}", SECRET), TOKEN_OK);
    assert_int_equal(verify(header, "{\"iss\":\"devkey\",\"exp\":1760000600,\"nbf\":1760000070}", SECRET),
                     TOKEN_NOT_YET);
    assert_int_equal(verify(header, "{\"iss\":\"devkey\",\"exp\":1760000600,\"iat\":1760000070}", SECRET),
                     TOKEN_NOT_YET);
}

static void malformed_texts_are_no_tokens(void **state) {
    (void)state;
    const struct control_key key = {.key = KEY, .secret = SECRET};
    const struct control_keys keys = control_keys_local(&key, 1);
    static struct token token;
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    static const char *const texts[] = {"a",        "a.b",         "..",    "a.b.c.d",
                                        "e30.e30.", "e30.e30.e30", "!.!.!", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_not_equal(token_verify(&keys, US_PER_S, span_str(texts[i]), &arena, &token), TOKEN_OK);
    assert_int_equal(token_verify(&keys, US_PER_S, span_str(""), &arena, &token), TOKEN_MISSING);
    arena_free(&arena);
}

static void validation_tells_what_an_upgrade_would(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    char *token = token_for(world, "ana", "tea");
    struct control_http_reply reply = http(world, "GET", "/rtc/validate", "", token, "", "", span_str(""));
    assert_int_equal(reply.status, 200);
    assert_true(span_equal_str(reply.body, "success"));
    assert_int_equal(http(world, "GET", "/rtc/validate", "", NULL, "", "", span_str("")).status, 401);
    assert_int_equal(http(world, "GET", "/rtc/v1/validate", "", token, "", "", span_str("")).status, 400);
    assert_int_equal(http(world, "GET", "/rtc/v1/validate", "join_request=AAAA", token, "", "", span_str("")).status,
                     400);
    assert_int_equal(http(world, "GET", "/rtc", "", token, "", "", span_str("")).status, 404);
    free(token);
    token = token_with(world, "", JOIN_GRANT, "");
    assert_int_equal(http(world, "GET", "/rtc/validate", "", token, "", "", span_str("")).status, 400);
    free(token);
    token = token_with(world, "ana", "{\"roomJoin\":false,\"room\":\"tea\"}", "");
    assert_int_equal(http(world, "GET", "/rtc/validate", "", token, "", "", span_str("")).status, 401);
    free(token);
    token = token_with(world, "ana", "{\"roomJoin\":true}", "");
    assert_int_equal(http(world, "GET", "/rtc/validate", "", token, "", "", span_str("")).status, 400);
    free(token);
    world_stop(world);
}

static void a_missing_room_is_said_in_the_words_that_clients_look_for(void **state) {
    (void)state;
    struct control_config config = test_config();
    config.auto_create = false;
    struct world *world = world_start(&config);
    char *token = token_for(world, "ana", "tea");
    struct control_http_reply reply = http(world, "GET", "/rtc/validate", "", token, "", "", span_str(""));
    assert_int_equal(reply.status, 404);
    assert_true(span_starts_with(reply.body, "requested room does not exist"));
    free(token);
    world_stop(world);
}

static void full_rooms_and_servers_refuse(void **state) {
    (void)state;
    struct control_config config = test_config();
    config.participants_max = 2;
    config.rooms_max = 2;
    config.transports_max = 3;
    struct world *world = world_start(&config);
    assert_non_null(join_v0(world, "ana", "tea", ""));
    assert_non_null(join_v0(world, "ben", "tea", ""));
    assert_null(join_v0(world, "eva", "tea", ""));
    char *token = token_for(world, "eva", "tea");
    assert_int_equal(http(world, "GET", "/rtc/validate", "", token, "", "", span_str("")).status, 503);
    free(token);
    assert_non_null(join_v0(world, "eva", "coffee", ""));
    assert_null(join_v0(world, "joe", "coffee", "")); /* no transport left */
    assert_null(join_v0(world, "joe", "milk", ""));
    struct control_counters counters;
    control_counters_get(world->control, &counters);
    assert_true(counters.limit_refused >= 4);
    assert_int_equal(counters.sessions_refused, 3);
    world_stop(world);
}

/* gzip of 8 MiB of zeros, as a join request */
static char *make_bomb(void) {
    size_t zeros_len = 8 << 20;
    uint8_t *zeros = calloc(1, zeros_len), *zipped = malloc(1 << 16), *packed = malloc(1 << 17);
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = zeros;
    stream.avail_in = (uInt)zeros_len;
    stream.next_out = zipped;
    stream.avail_out = 1 << 16;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t zipped_len = (1 << 16) - stream.avail_out;
    deflateEnd(&stream);
    Livekit__WrappedJoinRequest wrapped;
    livekit__wrapped_join_request__init(&wrapped);
    wrapped.compression = LIVEKIT__WRAPPED_JOIN_REQUEST__COMPRESSION__GZIP;
    wrapped.join_request = (ProtobufCBinaryData){zipped_len, zipped};
    size_t len = livekit__wrapped_join_request__pack(&wrapped, packed);
    char *text = calloc(1, BASE64_LEN(len) + 1);
    struct writer w = writer_of(text, BASE64_LEN(len));
    wr_base64url(&w, span_of(packed, len));
    free(zeros);
    free(zipped);
    free(packed);
    return text;
}

static void a_join_request_bomb_is_refused(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    char *bomb = make_bomb();
    assert_null(query_join_request(span_str(bomb), &arena));
    free(bomb);
    assert_null(query_join_request(span_str("%%%"), &arena));
    assert_null(query_join_request(span_str(""), &arena));
    arena_free(&arena);
}

static void query_values_are_decoded(void **state) {
    (void)state;
    struct arena arena;
    struct span value;
    arena_init(&arena, ARENA_UNLIMITED);
    struct span query = span_str("a=1&name=A%20B%2bC+D&empty=&bad=%4&last=x");
    assert_true(query_get(query, "name", &arena, &value));
    assert_true(span_equal_str(value, "A B+C D"));
    assert_true(query_get(query, "empty", &arena, &value));
    assert_int_equal(value.len, 0);
    assert_false(query_get(query, "bad", &arena, &value));
    assert_false(query_get(query, "am", &arena, &value));
    assert_true(query_get(query, "last", &arena, &value));
    assert_true(query_bool(query, "a", false, &arena));
    assert_true(query_bool(query, "absent", true, &arena));
    arena_free(&arena);
}

/* ---- WHIP and WHEP ----------------------------------------------------------------------------------------------- */

static struct control_http_reply whip_post(struct world *world, const char *path, const char *query, const char *token,
                                           const char *sdp) {
    struct control_http_reply reply = http(world, "POST", path, query, token, "application/sdp", "", span_str(sdp));
    drain(world);
    return reply;
}

static void a_whip_resource_lives_from_post_to_delete(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ben = join_v0(world, "ben", "tea", "");
    assert_true(answer_offer(world, ben, false));
    connect_all(world);
    struct offer offer = {
        .count = 2,
        .sections = {{.active = true, .cid = "a"}, {.video = true, .active = true, .cid = "v", .rids = "q;h;f"}}};
    char *sdp = offer_text(&offer), *token = token_for(world, "encoder", "tea");
    struct control_http_reply reply = whip_post(world, "/whip/v1", "", token, sdp);
    assert_int_equal(reply.status, 201);
    assert_string_equal(reply.content_type, "application/sdp");
    assert_memory_equal(reply.location, "/whip/v1/PA_", 12);
    assert_int_equal(reply.etag[0], '"');
    struct sdp answer;
    struct sdp_error error;
    sdp_init(&answer);
    assert_true(sdp_parse(reply.body, &answer, &error));
    assert_int_equal(answer.sections[1]->direction, SDP_RECVONLY);
    assert_int_equal(answer.sections[2]->simulcast_count, 3);
    sdp_free(&answer);
    assert_int_equal(objects_of(world, OBJECT_SOURCE), 2);
    assert_int_equal(info_of(ben, "encoder")->n_tracks, 2);
    assert_int_equal(info_of(ben, "encoder")->tracks[0]->source, LIVEKIT__TRACK_SOURCE__MICROPHONE);
    char location[256], etag[64];
    strcpy(location, reply.location);
    strcpy(etag, reply.etag);
    static const char trickle[] =
        "a=ice-ufrag:abcd0\r\na=ice-pwd:passwordpasswordpassword\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n";
    static const char restart[] = "a=ice-ufrag:wxyz\r\na=ice-pwd:newpasswordnewpassword\r\n";
    static const char type[] = "application/trickle-ice-sdpfrag";
    assert_int_equal(http(world, "PATCH", location, "", token, type, "", span_str(trickle)).status, 428);
    assert_int_equal(http(world, "PATCH", location, "", token, type, "\"other\"", span_str(trickle)).status, 412);
    assert_int_equal(http(world, "PATCH", location, "", token, type, etag, span_str(trickle)).status, 204);
    assert_int_equal(http(world, "PATCH", location, "", token, "text/plain", etag, span_str(trickle)).status, 415);
    assert_int_equal(http(world, "PATCH", location, "", token, type, etag, span_str(restart)).status, 412);
    reply = http(world, "PATCH", location, "", token, type, "*", span_str(restart));
    assert_int_equal(reply.status, 200);
    assert_string_not_equal(reply.etag, etag);
    drain(world);
    const struct object *transport = object_at(world, OBJECT_TRANSPORT, nth_object(world, OBJECT_SOURCE, 0)->transport);
    assert_int_equal(transport->restarts, 1);
    assert_string_equal(transport->remote.remote_ufrag, "wxyz");
    char *other = token_for(world, "thief", "tea");
    assert_int_equal(http(world, "DELETE", location, "", other, "", "", span_str("")).status, 404);
    assert_int_equal(http(world, "DELETE", location, "", NULL, "", "", span_str("")).status, 401);
    assert_int_equal(http(world, "DELETE", location, "", token, "", "", span_str("")).status, 200);
    drain(world);
    assert_int_equal(objects_of(world, OBJECT_SOURCE), 0);
    assert_int_equal(http(world, "DELETE", location, "", token, "", "", span_str("")).status, 404);
    assert_int_equal(http(world, "GET", location, "", token, "", "", span_str("")).status, 405);
    assert_int_equal(http(world, "OPTIONS", "/whip/v1", "", NULL, "", "", span_str("")).status, 204);
    free(sdp);
    free(token);
    free(other);
    world_stop(world);
}

static void whip_is_refused_without_the_right_and_for_meetings(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct offer offer = {.count = 1, .sections = {{.active = true, .cid = "a"}}};
    char *sdp = offer_text(&offer);
    char *token = token_with(world, "x", "{\"roomJoin\":true,\"room\":\"tea\",\"canPublish\":false}", "");
    assert_int_equal(whip_post(world, "/whip/v1", "", token, sdp).status, 403);
    free(token);
    token = token_for(world, "x", "meeting-1");
    assert_int_equal(whip_post(world, "/whip/v1", "", token, sdp).status, 403);
    assert_int_equal(whip_post(world, "/whep/v1", "", token, sdp).status, 403);
    free(token);
    token = token_for(world, "x", "tea");
    assert_int_equal(whip_post(world, "/whip/v1", "", token, "nonsense").status, 400);
    assert_int_equal(http(world, "POST", "/whip/v1", "", token, "text/plain", "", span_str(sdp)).status, 415);
    assert_int_equal(whip_post(world, "/whip/v1", "", NULL, sdp).status, 401);
    free(token);
    free(sdp);
    struct control_gauges gauges;
    control_gauges_get(world->control, &gauges);
    assert_int_equal(gauges.participants, 0);
    world_stop(world);
}

static void the_type_of_an_offer_is_compared_without_case_and_parameters(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct offer offer = {.count = 1, .sections = {{.active = true, .cid = "a"}}};
    char *sdp = offer_text(&offer), *token = token_for(world, "x", "tea");
    assert_int_equal(
        http(world, "POST", "/whip/v1", "", token, "Application/SDP ; charset=utf-8", "", span_str(sdp)).status, 201);
    assert_int_equal(http(world, "POST", "/whip/v1", "", token, "application/sdpx", "", span_str(sdp)).status, 415);
    assert_int_equal(http(world, "POST", "/whip/v1", "", token, "", "", span_str(sdp)).status, 415);
    free(token);
    free(sdp);
    world_stop(world);
}

static void who_publishes_by_whip_again_and_again_is_told_to_wait(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct offer offer = {
        .count = 2,
        .sections = {{.active = true, .cid = "a"}, {.video = true, .active = true, .cid = "v", .rids = "q;h;f"}}};
    char *sdp = offer_text(&offer), *token = token_for(world, "encoder", "tea"),
         *other = token_for(world, "ben", "tea");
    uint32_t taken = 0;
    while (taken < 5000 && whip_post(world, "/whip/v1", "", token, sdp).status == 201) {
        taken++;
        pass(world, US_PER_MS);
    }
    assert_in_range(taken, 20, 4999);
    assert_int_equal(whip_post(world, "/whip/v1", "", token, sdp).status, 503);
    assert_int_equal(whip_post(world, "/whip/v1", "", other, sdp).status, 201); /* somebody else need not */
    pass(world, 5 * US_PER_S);
    assert_int_equal(whip_post(world, "/whip/v1", "", token, sdp).status, 201);
    free(sdp);
    free(token);
    free(other);
    world_stop(world);
}

static void a_whip_resource_whose_media_stops_is_gone(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct offer offer = {.count = 1, .sections = {{.active = true, .cid = "a"}}};
    char *sdp = offer_text(&offer), *token = token_for(world, "encoder", "tea");
    struct control_gauges gauges;
    assert_int_equal(whip_post(world, "/whip/v1", "", token, sdp).status, 201);
    connect_all(world);
    pass(world, 300 * US_PER_S);
    control_gauges_get(world->control, &gauges);
    assert_int_equal(gauges.whip_resources, 1);
    transport_state(world, nth_object(world, OBJECT_TRANSPORT, 0)->handle, ENGINE_TRANSPORT_FAILED);
    control_gauges_get(world->control, &gauges);
    assert_int_equal(gauges.whip_resources, 0);
    assert_int_equal(whip_post(world, "/whip/v1", "", token, sdp).status, 201);
    pass(world, 120 * US_PER_S); /* never connects */
    control_gauges_get(world->control, &gauges);
    assert_int_equal(gauges.whip_resources, 0);
    free(sdp);
    free(token);
    world_stop(world);
}

static void whep_watches_what_is_there_and_what_comes(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = join_v0(world, "ana", "tea", "");
    assert_true(answer_offer(world, ana, false));
    connect_all(world);
    struct offer mine = {0};
    publish(world, ana, &mine, "mic", false);
    struct offer offer = {.count = 2, .sections = {{.recvonly = true}, {.video = true, .recvonly = true}}};
    char *sdp = offer_text(&offer), *token = token_for(world, "viewer", "tea");
    struct control_http_reply reply = whip_post(world, "/whep/v1", "participant=ana", token, sdp);
    assert_int_equal(reply.status, 201);
    assert_memory_equal(reply.location, "/whep/v1/PA_", 12);
    struct sdp answer;
    struct sdp_error error;
    sdp_init(&answer);
    assert_true(sdp_parse(reply.body, &answer, &error));
    assert_int_equal(answer.sections[1]->direction, SDP_SENDONLY);
    assert_int_equal(answer.sections[2]->direction, SDP_SENDONLY); /* bound to a track that is still to come */
    sdp_free(&answer);
    assert_int_equal(objects_of(world, OBJECT_SINK), 1);
    publish(world, ana, &mine, "cam", true);
    assert_int_equal(objects_of(world, OBJECT_SINK), 2);
    const struct object *video = nth_object(world, OBJECT_SINK, 1);
    assert_string_equal(video->sink_open.mid, "2");
    assert_int_equal(video->sink_open.codecs[0].codec, CODEC_VP8);
    uint32_t ssrc = video->sink_open.ssrc;
    /* the camera goes and another comes: the same section, another stream */
    mine.sections[1].active = false;
    char *text = offer_text(&mine);
    send_text_offer(world, ana, text, ++mine.id);
    free(text);
    assert_int_equal(objects_of(world, OBJECT_SINK), 1);
    publish(world, ana, &mine, "cam2", true);
    assert_int_equal(objects_of(world, OBJECT_SINK), 2);
    assert_string_equal(nth_object(world, OBJECT_SINK, 1)->sink_open.mid, "2");
    assert_int_not_equal(nth_object(world, OBJECT_SINK, 1)->sink_open.ssrc, ssrc);
    free(sdp);
    free(token);
    world_stop(world);
}

/* ---- the room API ------------------------------------------------------------------------------------------------ */

static json_t *call(struct world *world, const char *method, const char *token, const char *body, int status) {
    char path[128];
    (void)snprintf(path, sizeof path, "/twirp/livekit.RoomService/%s", method);
    struct control_http_reply reply = http(world, "POST", path, "", token, "application/json", "", span_str(body));
    assert_int_equal(reply.status, status);
    json_t *json = json_loadb((const char *)reply.body.data, reply.body.len, 0, NULL);
    assert_true(json_is_object(json));
    drain(world);
    return json;
}

static const char *text_at(const json_t *json, const char *name) {
    const char *text = json_string_value(json_object_get(json, name));
    return text != NULL ? text : "(none)";
}

static void rooms_are_made_listed_and_deleted_by_the_api(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    char *token = token_with(world, "", "{\"roomCreate\":true,\"roomList\":true}", "");
    json_t *json =
        call(world, "CreateRoom", token,
             "{\"name\":\"tea\",\"emptyTimeout\":60,\"max_participants\":\"5\",\"metadata\":\"m\",\"later\":1}", 200);
    assert_string_equal(text_at(json, "name"), "tea");
    assert_memory_equal(text_at(json, "sid"), "RM_", 3);
    assert_int_equal(json_integer_value(json_object_get(json, "empty_timeout")), 60);
    assert_int_equal(json_integer_value(json_object_get(json, "max_participants")), 5);
    assert_string_equal(text_at(json, "creation_time"), "1760000000");
    char sid[32];
    strcpy(sid, text_at(json, "sid"));
    json_decref(json);
    json = call(world, "CreateRoom", token, "{\"name\":\"tea\"}", 200);
    assert_string_equal(text_at(json, "sid"), sid);
    json_decref(json);
    json = call(world, "ListRooms", token, "{}", 200);
    assert_int_equal(json_array_size(json_object_get(json, "rooms")), 1);
    json_decref(json);
    json = call(world, "ListRooms", token, "{\"names\":[\"milk\"]}", 200);
    assert_int_equal(json_array_size(json_object_get(json, "rooms")), 0);
    json_decref(json);
    struct client *ana = join_v0(world, "ana", "tea", "");
    json_decref(call(world, "DeleteRoom", token, "{\"room\":\"tea\"}", 200));
    assert_true(ana->closed);
    assert_int_equal(last_of(ana, M(LEAVE))->leave->reason, LIVEKIT__DISCONNECT_REASON__ROOM_DELETED);
    json = call(world, "DeleteRoom", token, "{\"room\":\"tea\"}", 404);
    assert_string_equal(text_at(json, "code"), "not_found");
    json_decref(json);
    json_decref(call(world, "CreateRoom", token, "{\"name\":\"meeting-1\"}", 403));
    free(token);
    world_stop(world);
}

static void api_errors_are_twirps(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    char *token = token_with(world, "", "{\"roomAdmin\":true,\"room\":\"tea\"}", "");
    json_t *json = call(world, "ListRooms", token, "{}", 401);
    assert_string_equal(text_at(json, "code"), "unauthenticated");
    json_decref(json);
    json_decref(call(world, "ListRooms", NULL, "{}", 401));
    json_decref(call(world, "ListParticipants", token, "{\"room\":\"other\"}", 401));
    json_decref(call(world, "GetParticipant", token, "{\"room\":\"tea\",\"identity\":\"x\"}", 404));
    json_decref(call(world, "ListParticipants", token, "{\"room\":7}", 400));
    json_decref(call(world, "ListParticipants", token, "{", 400));
    json = call(world, "MoveParticipant", token, "{}", 501);
    assert_string_equal(text_at(json, "code"), "unimplemented");
    json_decref(json);
    json_decref(call(world, "Nonsense", token, "{}", 404));
    assert_int_equal(
        http(world, "POST", "/twirp/livekit.Egress/ListEgress", "", token, "application/json", "", span_str("{}"))
            .status,
        501);
    assert_int_equal(
        http(world, "GET", "/twirp/livekit.RoomService/ListRooms", "", token, "application/json", "", span_str("{}"))
            .status,
        404);
    free(token);
    world_stop(world);
}

static void participants_are_managed_by_the_api(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = join_v0(world, "ana", "tea", "&auto_subscribe=0"), *ben = join_v0(world, "ben", "tea", "");
    assert_true(answer_offer(world, ana, false));
    assert_true(answer_offer(world, ben, false));
    connect_all(world);
    struct offer offer = {0};
    char sid[32], body[512];
    (void)snprintf(sid, sizeof sid, "%s", publish(world, ana, &offer, "mic", false));
    char *token = token_with(world, "", "{\"roomAdmin\":true,\"room\":\"tea\"}", "");
    json_t *json = call(world, "ListParticipants", token, "{\"room\":\"tea\"}", 200);
    assert_int_equal(json_array_size(json_object_get(json, "participants")), 2);
    json_decref(json);
    json = call(world, "GetParticipant", token, "{\"room\":\"tea\",\"identity\":\"ana\"}", 200);
    assert_string_equal(text_at(json, "state"), "ACTIVE");
    assert_string_equal(text_at(json_array_get(json_object_get(json, "tracks"), 0), "sid"), sid);
    json_decref(json);
    (void)snprintf(body, sizeof body, "{\"room\":\"tea\",\"identity\":\"ana\",\"trackSid\":\"%s\",\"muted\":true}",
                   sid);
    json = call(world, "MutePublishedTrack", token, body, 200);
    assert_true(json_is_true(json_object_get(json_object_get(json, "track"), "muted")));
    json_decref(json);
    assert_true(last_of(ana, M(MUTE))->mute->muted);
    assert_true(nth_object(world, OBJECT_SOURCE, 0)->muted);
    assert_true(info_of(ben, "ana")->tracks[0]->muted);
    (void)snprintf(body, sizeof body, "{\"room\":\"tea\",\"identity\":\"ana\",\"track_sid\":\"%s\",\"muted\":false}",
                   sid);
    json_decref(call(world, "MutePublishedTrack", token, body, 403));
    json = call(world, "UpdateParticipant", token,
                "{\"room\":\"tea\",\"identity\":\"ana\",\"name\":\"A\",\"attributes\":{\"k\":\"v\"},"
                "\"permission\":{\"canSubscribe\":true,\"canPublish\":false}}",
                200);
    assert_string_equal(text_at(json_object_get(json, "attributes"), "k"), "v");
    json_decref(json);
    assert_non_null(last_of(ana, M(TRACK_UNPUBLISHED)));
    assert_int_equal(objects_of(world, OBJECT_SOURCE), 0);
    assert_false(info_of(ana, "ana")->permission->can_publish);
    json_decref(call(world, "SendData", token,
                     "{\"room\":\"tea\",\"data\":\"aGVsbG8=\",\"kind\":\"RELIABLE\",\"topic\":\"t\","
                     "\"destinationIdentities\":[\"ben\"]}",
                     200));
    assert_int_equal(world->data_count, 1);
    Livekit__DataPacket *packet = livekit__data_packet__unpack(NULL, world->data[0].len, world->data[0].bytes);
    assert_memory_equal(packet->user->payload.data, "hello", 5);
    assert_string_equal(packet->user->topic, "t");
    livekit__data_packet__free_unpacked(packet, NULL);
    json_decref(call(world, "UpdateRoomMetadata", token, "{\"room\":\"tea\",\"metadata\":\"new\"}", 200));
    assert_string_equal(last_of(ben, M(ROOM_UPDATE))->room_update->room->metadata, "new");
    json_decref(call(world, "RemoveParticipant", token, "{\"room\":\"tea\",\"identity\":\"ben\"}", 200));
    assert_int_equal(last_of(ben, M(LEAVE))->leave->reason, LIVEKIT__DISCONNECT_REASON__PARTICIPANT_REMOVED);
    free(token);
    world_stop(world);
}

static void the_api_speaks_protocol_buffers_too(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    char *token = token_with(world, "", "{\"roomCreate\":true}", "");
    Livekit__CreateRoomRequest request;
    livekit__create_room_request__init(&request);
    request.name = (char *)(uintptr_t) "tea";
    uint8_t bytes[64];
    size_t len = livekit__create_room_request__pack(&request, bytes);
    struct control_http_reply reply = http(world, "POST", "/twirp/livekit.RoomService/CreateRoom", "", token,
                                           "application/protobuf", "", span_of(bytes, len));
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.content_type, "application/protobuf");
    Livekit__Room *room = livekit__room__unpack(NULL, reply.body.len, reply.body.data);
    assert_string_equal(room->name, "tea");
    livekit__room__free_unpacked(room, NULL);
    free(token);
    world_stop(world);
}

static void webhooks_carry_a_signed_hash_of_their_body(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)join_v0(world, "ana", "tea", "");
    assert_int_equal(world->webhooks_count, 2);
    json_t *json = json_loads(world->webhooks[1], 0, NULL);
    assert_string_equal(text_at(json, "event"), "participant_joined");
    assert_string_equal(text_at(json_object_get(json, "participant"), "identity"), "ana");
    assert_memory_equal(text_at(json, "id"), "EV_", 3);
    assert_string_equal(text_at(json, "createdAt"), "1760000000");
    json_decref(json);
    world_stop(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_taken_only_when_everything_about_it_is_right),
        cmocka_unit_test(malformed_texts_are_no_tokens),
        cmocka_unit_test(validation_tells_what_an_upgrade_would),
        cmocka_unit_test(a_missing_room_is_said_in_the_words_that_clients_look_for),
        cmocka_unit_test(full_rooms_and_servers_refuse),
        cmocka_unit_test(a_join_request_bomb_is_refused),
        cmocka_unit_test(query_values_are_decoded),
        cmocka_unit_test(a_whip_resource_lives_from_post_to_delete),
        cmocka_unit_test(whip_is_refused_without_the_right_and_for_meetings),
        cmocka_unit_test(the_type_of_an_offer_is_compared_without_case_and_parameters),
        cmocka_unit_test(who_publishes_by_whip_again_and_again_is_told_to_wait),
        cmocka_unit_test(a_whip_resource_whose_media_stops_is_gone),
        cmocka_unit_test(whep_watches_what_is_there_and_what_comes),
        cmocka_unit_test(rooms_are_made_listed_and_deleted_by_the_api),
        cmocka_unit_test(api_errors_are_twirps),
        cmocka_unit_test(participants_are_managed_by_the_api),
        cmocka_unit_test(the_api_speaks_protocol_buffers_too),
        cmocka_unit_test(webhooks_carry_a_signed_hash_of_their_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
