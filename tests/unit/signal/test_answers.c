/* What clients are told where they would otherwise wait, guess or be told nothing. */
#include "signal/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/base64.h"
#include "protocol/sdp_answer.h"

#define M(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name

static void stats(struct world *world, size_t nth) {
    struct engine_event event = {.type = ENGINE_EV_STATS, .object = nth_object(world, OBJECT_TRANSPORT, nth)->handle};
    event.stats.rtt_us = 20000;
    control_engine_event(world->control, world->now_us, world->unix_us, 0, &event);
    drain(world);
}

static void connection_quality_is_told_at_the_start_and_again(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    stats(world, 0);
    assert_int_equal(count_of(ana, M(CONNECTION_QUALITY)), 1);
    assert_int_equal(last_of(ana, M(CONNECTION_QUALITY))->connection_quality->updates[0]->quality,
                     LIVEKIT__CONNECTION_QUALITY__EXCELLENT);
    pass(world, 5 * US_PER_S);
    stats(world, 0);
    assert_int_equal(count_of(ana, M(CONNECTION_QUALITY)), 1);
    pass(world, 6 * US_PER_S);
    stats(world, 0);
    assert_int_equal(count_of(ana, M(CONNECTION_QUALITY)), 2);
    world_stop(world);
}

/* Joins at /rtc/v1 with what `request` says; the status of the refusal, 0 when it is in. */
static uint16_t join_saying(struct world *world, const char *token, const Livekit__JoinRequest *request,
                            uint32_t *session) {
    uint8_t packed[4096], wrapped_bytes[4200];
    char query[8192] = "";
    Livekit__WrappedJoinRequest wrapped;
    livekit__wrapped_join_request__init(&wrapped);
    wrapped.join_request = (ProtobufCBinaryData){livekit__join_request__pack(request, packed), packed};
    size_t len = livekit__wrapped_join_request__pack(&wrapped, wrapped_bytes);
    struct writer w = writer_of(query, sizeof query - 1);
    wr_str(&w, "join_request=");
    wr_base64url(&w, span_of(wrapped_bytes, len));
    char bearer[8192];
    (void)snprintf(bearer, sizeof bearer, "Bearer %s", token);
    struct control_http_request http_request = {.method = span_str("GET"),
                                                .path = span_str("/rtc/v1"),
                                                .query = span_str(query),
                                                .authorization = span_str(bearer)};
    struct control_http_reply reply;
    *session = control_session_open(world->control, world->now_us, world->unix_us, &http_request, &reply);
    return *session != 0 ? 0 : reply.status;
}

static void attributes_of_the_join_request_are_the_participants(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ben = ready(world, "ben", "tea", "");
    char *token = token_for(world, "ana", "tea");
    Livekit__JoinRequest request;
    Livekit__JoinRequest__ParticipantAttributesEntry entry, *entries = &entry;
    livekit__join_request__init(&request);
    livekit__join_request__participant_attributes_entry__init(&entry);
    entry.key = (char *)(uintptr_t) "hand";
    entry.value = (char *)(uintptr_t) "up";
    request.n_participant_attributes = 1;
    request.participant_attributes = &entries;
    request.metadata = (char *)(uintptr_t) "said at the door";
    struct client *ana = &world->clients[CLIENTS_MAX - 1];
    ana->identity = "ana";
    assert_int_equal(join_saying(world, token, &request, &ana->session), 0);
    drain(world);
    assert_string_equal(info_of(ben, "ana")->attributes[0]->value, "up");
    assert_string_equal(info_of(ben, "ana")->metadata, "said at the door");
    assert_string_equal(ana->log[0]->join->participant->attributes[0]->key, "hand");
    free(token);
    world_stop(world);
}

static void a_request_that_is_not_known_is_answered(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    /* field 100 of the request, as a later version might have it */
    static const uint8_t bytes[] = {0xa2, 0x06, 0x02, 0x08, 0x01};
    control_session_message(world->control, world->now_us, world->unix_us, ana->session, span_of(bytes, sizeof bytes),
                            false);
    drain(world);
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__UNSUPPORTED_TYPE);
    world_stop(world);
}

static void nobody_comes_under_a_name_with_control_characters(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    char *token = token_with(world, "a\\u0007b", "{\"roomJoin\":true,\"room\":\"tea\"}", "");
    assert_int_equal(http(world, "GET", "/rtc/validate", "", token, "", "", span_str("")).status, 400);
    assert_int_equal(http(world, "POST", "/whip/v1", "", token, "application/sdp", "", span_str("x")).status, 400);
    free(token);
    token = token_with(world, "ana", "{\"roomJoin\":true,\"room\":\"t\\nea\"}", "");
    assert_int_equal(http(world, "GET", "/rtc/validate", "", token, "", "", span_str("")).status, 400);
    free(token);
    world_stop(world);
}

static struct control_http_reply api(struct world *world, const char *method, const char *token, const char *body) {
    char path[128];
    (void)snprintf(path, sizeof path, "/twirp/livekit.RoomService/%s", method);
    struct control_http_reply reply = http(world, "POST", path, "", token, "application/json", "", span_str(body));
    drain(world);
    return reply;
}

static void creating_a_room_that_is_there_changes_what_is_given(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    char *token = token_with(world, "", "{\"roomCreate\":true}", "");
    assert_int_equal(
        api(world, "CreateRoom", token, "{\"name\":\"tea\",\"metadata\":\"later\",\"maxParticipants\":1}").status, 200);
    assert_string_equal(last_of(ana, M(ROOM_UPDATE))->room_update->room->metadata, "later");
    assert_null(join_v0(world, "ben", "tea", "")); /* the room is full now */
    assert_int_equal(api(world, "CreateRoom", token, "{\"name\":\"milk\",\"agents\":[{\"agentName\":\"x\"}]}").status,
                     501);
    assert_int_equal(api(world, "CreateRoom", token, "{\"name\":\"milk\",\"syncStreams\":true}").status, 501);
    free(token);
    world_stop(world);
}

static void a_room_that_ended_has_nobody_in_it(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    char *token = token_with(world, "", "{\"roomAdmin\":true,\"room\":\"tea\"}", "");
    struct control_http_reply reply = api(world, "ListParticipants", token, "{\"room\":\"tea\"}");
    assert_int_equal(reply.status, 200);
    assert_true(span_equal_str(reply.body, "{\"participants\":[]}"));
    free(token);
    world_stop(world);
}

/* ---- WHIP -------------------------------------------------------------------------------------------------------- */

static char *replaced(char *text, const char *what, const char *with) {
    char *at = strstr(text, what), *out = NULL;
    assert_non_null(at);
    assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, with, at + strlen(what)) > 0);
    free(text);
    return out;
}

static char *broadcast(void) {
    struct offer offer = {.count = 2,
                          .sections = {{.active = true, .cid = "a"}, {.video = true, .active = true, .cid = "v"}}};
    return offer_text(&offer);
}

static void whip_takes_the_token_of_the_query_and_says_what_is_missing(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    char *sdp = broadcast(), *token = token_for(world, "encoder", "tea"), query[20000];
    (void)snprintf(query, sizeof query, "access_token=%s", token);
    assert_int_equal(http(world, "POST", "/whip/v1", query, NULL, "application/sdp", "", span_str(sdp)).status, 201);
    drain(world);
    struct control_http_reply reply = http(world, "POST", "/whip/v1", "", NULL, "application/sdp", "", span_str(sdp));
    assert_int_equal(reply.status, 401);
    assert_true(reply.authenticate);
    free(token);
    free(sdp);
    world_stop(world);
}

static void whip_keeps_stereo_and_adds_no_silence(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    char *sdp = replaced(broadcast(), "useinbandfec=1", "useinbandfec=1;stereo=1;sprop-stereo=1");
    char *token = token_for(world, "encoder", "tea");
    struct control_http_reply reply = http(world, "POST", "/whip/v1", "", token, "application/sdp", "", span_str(sdp));
    assert_int_equal(reply.status, 201);
    char *answer = strndup((const char *)reply.body.data, reply.body.len);
    assert_non_null(strstr(answer, "stereo=1"));
    assert_null(strstr(answer, "usedtx=1"));
    drain(world);
    free(answer);
    free(token);
    free(sdp);
    world_stop(world);
}

static void a_whip_offer_of_a_codec_that_nobody_takes_is_refused_as_a_whole(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    char *sdp = broadcast(), *token = token_for(world, "encoder", "tea");
    sdp = replaced(sdp, "VP8/90000", "H265/90000");
    sdp = replaced(sdp, "H264/90000", "H265/90000");
    sdp = replaced(sdp, "VP9/90000", "H265/90000");
    struct control_http_reply reply = http(world, "POST", "/whip/v1", "", token, "application/sdp", "", span_str(sdp));
    assert_int_equal(reply.status, 406);
    char *text = strndup((const char *)reply.body.data, reply.body.len);
    assert_non_null(strstr(text, "video codec"));
    drain(world);
    struct control_gauges gauges;
    control_gauges_get(world->control, &gauges);
    assert_int_equal(gauges.participants, 0);
    free(text);
    free(token);
    free(sdp);
    world_stop(world);
}

/* What encoders offer alone: their one profile, in one packetization mode (RFC 6184 section 8.2.2: both must be answered
 * as they are offered; the level is each side's own). */
static void whip_answers_every_profile_of_h264_that_encoders_have_in_either_mode(void **state) {
    (void)state;
    static const char *const profiles[] = {"42e01f", "42c01f", "42001f", "4d001f", "4d401f",
                                           "640028", "64001f", "640c1f", "640c28", "640032"};
    static const char *const modes[] = {"packetization-mode=1;", "packetization-mode=0;", ""};
    struct world *world = world_start(NULL);
    char *token = token_for(world, "encoder", "tea");
    for (size_t i = 0; i < ARRAY_LEN(profiles) * ARRAY_LEN(modes); i++) {
        char fmtp[128];
        (void)snprintf(fmtp, sizeof fmtp, "a=fmtp:102 level-asymmetry-allowed=1;%sprofile-level-id=%s",
                       modes[i % ARRAY_LEN(modes)], profiles[i / ARRAY_LEN(modes)]);
        char *sdp = broadcast();
        sdp = replaced(sdp, "VP8/90000", "H265/90000");
        sdp = replaced(sdp, "VP9/90000", "H265/90000");
        char *at = strstr(sdp, "a=fmtp:102 ");
        assert_non_null(at);
        char *old = strndup(at, strcspn(at, "\r"));
        sdp = replaced(sdp, old, fmtp);
        struct control_http_reply reply =
            http(world, "POST", "/whip/v1", "", token, "application/sdp", "", span_str(sdp));
        assert_int_equal(reply.status, 201);
        char *answer = strndup((const char *)reply.body.data, reply.body.len), prefix[32];
        (void)snprintf(prefix, sizeof prefix, "profile-level-id=%.4s", profiles[i / ARRAY_LEN(modes)]);
        const char *answered = strstr(answer, "a=fmtp:102 ");
        assert_non_null(answered);
        /* the same profile may be written in another way, but not another mode */
        if (memcmp(prefix + 17, "42c0", 4) != 0 && memcmp(prefix + 17, "4d40", 4) != 0)
            assert_non_null(strstr(answered, prefix));
        assert_int_equal(strstr(answered, "packetization-mode=1") != NULL, i % ARRAY_LEN(modes) == 0);
        drain(world);
        free(answer);
        free(old);
        free(sdp);
        pass(world, US_PER_S);
    }
    free(token);
    world_stop(world);
}

static void an_extension_id_with_two_meanings_is_agreed_with_one(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    /* the audio level's id means the rid in the video section, as some stacks offer it */
    char *sdp = replaced(broadcast(), "extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
                         "extmap:1 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id");
    char *token = token_for(world, "encoder", "tea");
    struct control_http_reply reply = http(world, "POST", "/whip/v1", "", token, "application/sdp", "", span_str(sdp));
    assert_int_equal(reply.status, 201);
    drain(world);
    const struct object *transport = nth_object(world, OBJECT_TRANSPORT, 0);
    for (size_t i = 0; i < ENGINE_EXTENSIONS_MAX; i++) {
        for (size_t k = 0; k < i; k++)
            assert_true(transport->remote.rx_extensions[i].id == 0 ||
                        transport->remote.rx_extensions[i].id != transport->remote.rx_extensions[k].id);
    }
    free(token);
    free(sdp);
    world_stop(world);
}

static void a_participant_publishes_256_data_tracks(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    for (uint32_t i = 1; i <= 257; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "pose-%u", i);
        Livekit__SignalRequest request;
        Livekit__PublishDataTrackRequest data;
        livekit__signal_request__init(&request);
        livekit__publish_data_track_request__init(&data);
        data.pub_handle = i;
        data.name = name;
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PUBLISH_DATA_TRACK_REQUEST;
        request.publish_data_track_request = &data;
        forget(ana);
        send_request(world, ana, &request);
        assert_int_equal(count_of(ana, M(PUBLISH_DATA_TRACK_RESPONSE)), i <= 256);
        if (i % 100 == 0)
            pass(world, US_PER_S);
    }
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED);
    world_stop(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_quality_is_told_at_the_start_and_again),
        cmocka_unit_test(attributes_of_the_join_request_are_the_participants),
        cmocka_unit_test(a_request_that_is_not_known_is_answered),
        cmocka_unit_test(nobody_comes_under_a_name_with_control_characters),
        cmocka_unit_test(creating_a_room_that_is_there_changes_what_is_given),
        cmocka_unit_test(a_room_that_ended_has_nobody_in_it),
        cmocka_unit_test(whip_takes_the_token_of_the_query_and_says_what_is_missing),
        cmocka_unit_test(whip_keeps_stereo_and_adds_no_silence),
        cmocka_unit_test(a_whip_offer_of_a_codec_that_nobody_takes_is_refused_as_a_whole),
        cmocka_unit_test(whip_answers_every_profile_of_h264_that_encoders_have_in_either_mode),
        cmocka_unit_test(an_extension_id_with_two_meanings_is_agreed_with_one),
        cmocka_unit_test(a_participant_publishes_256_data_tracks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
