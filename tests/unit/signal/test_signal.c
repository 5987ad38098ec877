/* The LiveKit protocol as a client sees it: joining, publishing, subscribing, leaving, coming back. */
#include "signal/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/sdp.h"

#define M(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name

/* ---- joining ----------------------------------------------------------------------------------------------------- */

static void the_first_message_of_a_two_connection_join_is_the_join_and_an_offer_follows(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *client = join_v0(world, "ana", "tea", "");
    assert_int_equal(client->log[0]->message_case, M(JOIN));
    const Livekit__JoinResponse *join = client->log[0]->join;
    assert_string_equal(join->room->name, "tea");
    assert_memory_equal(join->room->sid, "RM_", 3);
    assert_memory_equal(join->participant->sid, "PA_", 3);
    assert_int_equal(join->participant->state, LIVEKIT__PARTICIPANT_INFO__STATE__JOINED);
    assert_true(join->participant->permission->can_publish);
    assert_string_equal(join->server_info->version, "1.13.5");
    assert_true(join->subscriber_primary);
    assert_int_equal(join->ping_interval, 5);
    assert_int_equal(join->ping_timeout, 15);
    assert_string_equal(join->enabled_publish_codecs[0]->mime, "video/VP8");
    assert_int_equal(join->n_other_participants, 0);
    assert_int_equal(join->sif_trailer.len, 0);
    const Livekit__SessionDescription *offer = last_of(client, M(OFFER))->offer;
    struct sdp sdp;
    parse_sdp(offer->sdp, &sdp);
    assert_int_equal(offer->id, 1);
    assert_int_equal(sdp.section_count, 1);
    assert_int_equal(sdp.sections[0]->kind, SDP_APPLICATION);
    assert_int_equal(sdp.sections[0]->transport.setup, SDP_SETUP_ACTPASS);
    assert_true(sdp.ice_lite);
    assert_int_equal(sdp.sections[0]->candidate_count, 2);
    assert_true(sdp.sections[0]->end_of_candidates);
    sdp_free(&sdp);
    assert_non_null(last_of(client, M(REFRESH_TOKEN)));
    world_stop(world);
}

static void a_participant_becomes_active_when_its_primary_connection_is(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "");
    assert_int_equal(info_of(ana, "ben")->state, LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE);
    assert_int_equal(info_of(ben, "ben")->state, LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE);
    assert_int_equal(ben->log[0]->join->n_other_participants, 1);
    assert_string_equal(ben->log[0]->join->other_participants[0]->identity, "ana");
    assert_true(nth_object(world, OBJECT_TRANSPORT, 0)->remote.data_channels);
    assert_false(nth_object(world, OBJECT_TRANSPORT, 0)->remote.dtls_client);
    world_stop(world);
}

static void a_one_connection_join_with_a_browsers_offer_is_answered(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    char *offer = read_vector("chromium-join.sdp");
    struct client *client = join_v1(world, "ana", "tea", offer);
    assert_int_equal(client->log[0]->message_case, M(JOIN));
    assert_false(client->log[0]->join->subscriber_primary);
    const Livekit__SessionDescription *answer = last_of(client, M(ANSWER))->answer;
    assert_int_equal(answer->id, 1);
    struct sdp sdp;
    parse_sdp(answer->sdp, &sdp);
    assert_int_equal(sdp.section_count, 7);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(sdp.sections[i]->direction, SDP_INACTIVE);
        assert_int_not_equal(sdp.sections[i]->port, 0);
        assert_int_equal(sdp.sections[i]->transport.setup, SDP_SETUP_PASSIVE);
    }
    assert_int_equal(sdp.sections[6]->max_message_size, 65535);
    sdp_free(&sdp);
    assert_int_equal(count_of(client, M(OFFER)), 0);
    assert_int_equal(count_of(client, M(TRICKLE)), 2);
    assert_int_equal(last_of(client, M(TRICKLE))->trickle->target, LIVEKIT__SIGNAL_TARGET__PUBLISHER);
    connect_all(world);
    assert_int_equal(info_of(client, "ana")->state, LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE);
    free(offer);
    world_stop(world);
}

static void firefox_offers_after_a_one_connection_join(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *client = join_v1(world, "ana", "tea", NULL);
    pass(world, US_PER_S);
    assert_int_equal(count_of(client, M(MEDIA_SECTIONS_REQUIREMENT)), 0);
    char *offer = read_vector("firefox-join.sdp");
    send_text_offer(world, client, offer, 1);
    assert_non_null(last_of(client, M(ANSWER)));
    free(offer);
    world_stop(world);
}

/* ---- the room's state -------------------------------------------------------------------------------------------- */

static void metadata_is_changed_by_those_who_may(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "");
    Livekit__SignalRequest request;
    Livekit__UpdateParticipantMetadata update;
    Livekit__UpdateParticipantMetadata__AttributesEntry entry, *entries = &entry;
    livekit__signal_request__init(&request);
    livekit__update_participant_metadata__init(&update);
    livekit__update_participant_metadata__attributes_entry__init(&entry);
    entry.key = (char *)(uintptr_t) "hand";
    entry.value = (char *)(uintptr_t) "up";
    update.n_attributes = 1;
    update.attributes = &entries;
    update.name = (char *)(uintptr_t) "Ana B.";
    update.request_id = 9;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_METADATA;
    request.update_metadata = &update;
    send_request(world, ana, &request);
    assert_string_equal(info_of(ben, "ana")->name, "Ana B.");
    assert_string_equal(info_of(ben, "ana")->metadata, "{}");
    assert_string_equal(info_of(ben, "ana")->attributes[0]->value, "up");
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->request_id, 9);
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__OK);
    entry.value = (char *)(uintptr_t) "";
    send_request(world, ana, &request);
    assert_int_equal(info_of(ben, "ana")->n_attributes, 0);
    char *token = token_with(world, "eva", "{\"roomJoin\":true,\"room\":\"tea\"}", "");
    struct client *eva = join_with_token(world, "eva", token, "");
    free(token);
    send_request(world, eva, &request);
    assert_int_equal(last_of(eva, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED);
    world_stop(world);
}

static void hidden_participants_are_not_shown(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    char *token = token_with(world, "spy", "{\"roomJoin\":true,\"room\":\"tea\",\"hidden\":true}", "");
    struct client *spy = join_with_token(world, "spy", token, "");
    free(token);
    answer_offer(world, spy, false);
    connect_all(world);
    assert_null(info_of(ana, "spy"));
    assert_int_equal(spy->log[0]->join->n_other_participants, 1);
    leave(world, spy);
    assert_null(info_of(ana, "spy"));
    struct client *ben = join_v0(world, "ben", "tea", "");
    assert_int_equal(ben->log[0]->join->n_other_participants, 1);
    world_stop(world);
}

static void a_second_join_of_an_identity_ends_the_first(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *first = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "");
    char sid[32];
    strcpy(sid, first->sid);
    forget(ben);
    struct client *second = ready(world, "ana", "tea", "");
    assert_true(first->closed);
    assert_int_equal(last_of(first, M(LEAVE))->leave->reason, LIVEKIT__DISCONNECT_REASON__DUPLICATE_IDENTITY);
    assert_int_equal(last_of(first, M(LEAVE))->leave->action, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
    assert_string_not_equal(second->sid, sid);
    /* the others see the old one go before the new one comes */
    assert_int_equal(ben->log[0]->message_case, M(UPDATE));
    assert_string_equal(ben->log[0]->update->participants[0]->sid, sid);
    assert_int_equal(ben->log[0]->update->participants[0]->state, LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    assert_string_equal(info_of(ben, "ana")->sid, second->sid);
    world_stop(world);
}

static void speakers_are_announced_when_they_start_and_stop(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "");
    struct offer offer = {0};
    publish(world, ana, &offer, "mic", false);
    struct engine_event levels = {.type = ENGINE_EV_LEVELS};
    levels.levels.count = 1;
    levels.levels.level[0] = (struct engine_level){nth_object(world, OBJECT_SOURCE, 0)->handle, 12, 900};
    for (int i = 0; i < 4; i++) {
        control_engine_event(world->control, world->now_us, world->unix_us, 0, &levels);
        pass(world, 500 * US_PER_MS);
    }
    const Livekit__SpeakersChanged *changed = last_of(ben, M(SPEAKERS_CHANGED))->speakers_changed;
    assert_int_equal(changed->n_speakers, 1);
    assert_string_equal(changed->speakers[0]->sid, ana->sid);
    assert_true(changed->speakers[0]->active);
    assert_non_null(last_of(ana, M(SPEAKERS_CHANGED)));
    pass(world, 8 * US_PER_S);
    changed = last_of(ben, M(SPEAKERS_CHANGED))->speakers_changed;
    assert_false(changed->speakers[0]->active);
    assert_true(changed->speakers[0]->level == 0);
    world_stop(world);
}

static void connection_quality_is_told_to_oneself_and_ones_viewers(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", ""),
                  *eva = ready(world, "eva", "tea", "&auto_subscribe=0");
    struct offer offer = {0};
    publish(world, ana, &offer, "mic", false);
    settle(world);
    uint32_t transport = nth_object(world, OBJECT_SOURCE, 0)->transport;
    struct engine_event stats = {.type = ENGINE_EV_STATS, .object = transport};
    stats.stats = (struct engine_stats){.rtt_us = 30000};
    control_engine_event(world->control, world->now_us, world->unix_us, 0, &stats);
    drain(world);
    assert_int_equal(last_of(ana, M(CONNECTION_QUALITY))->connection_quality->updates[0]->quality,
                     LIVEKIT__CONNECTION_QUALITY__EXCELLENT); /* clients assume nothing */
    stats.stats.rx_loss_permille = 200;
    control_engine_event(world->control, world->now_us, world->unix_us, 0, &stats);
    drain(world);
    assert_int_equal(last_of(ana, M(CONNECTION_QUALITY))->connection_quality->updates[0]->quality,
                     LIVEKIT__CONNECTION_QUALITY__POOR);
    assert_int_equal(last_of(ben, M(CONNECTION_QUALITY))->connection_quality->updates[0]->quality,
                     LIVEKIT__CONNECTION_QUALITY__POOR);
    assert_int_equal(count_of(eva, M(CONNECTION_QUALITY)), 0);
    world_stop(world);
}

static void pings_are_answered_and_silence_closes_the_session(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    Livekit__SignalRequest request;
    Livekit__Ping ping;
    livekit__signal_request__init(&request);
    livekit__ping__init(&ping);
    ping.timestamp = 123456;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ;
    request.ping_req = &ping;
    send_request(world, ana, &request);
    assert_int_equal(last_of(ana, M(PONG_RESP))->pong_resp->last_ping_timestamp, 123456);
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
    request.ping = 1;
    send_request(world, ana, &request);
    assert_int_equal(last_of(ana, M(PONG))->pong, (int64_t)(world->unix_us / 1000));
    pass(world, 29 * US_PER_S);
    assert_false(ana->closed);
    pass(world, 2 * US_PER_S);
    assert_true(ana->closed);
    world_stop(world);
}

static uint32_t requests_until_closed(struct world *world, struct client *client,
                                      const Livekit__SignalRequest *request) {
    for (uint32_t count = 1; count < 5000; count++) {
        send_request(world, client, request);
        if (client->closed)
            return count;
        forget(client);
    }
    return 0;
}

static void who_asks_too_much_at_once_is_sent_away(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    Livekit__SignalRequest request;
    livekit__signal_request__init(&request);
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
    assert_in_range(requests_until_closed(world, ready(world, "ana", "tea", ""), &request), 990, 1001);
    /* long requests count for more: the decoder and whatever they list cost more */
    Livekit__UpdateParticipantMetadata metadata;
    livekit__update_participant_metadata__init(&metadata);
    metadata.metadata = malloc((1 << 20) + 1);
    memset(metadata.metadata, 'm', 1 << 20);
    metadata.metadata[1 << 20] = 0;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_METADATA;
    request.update_metadata = &metadata;
    assert_int_equal(requests_until_closed(world, ready(world, "ben", "tea", ""), &request), 4);
    free(metadata.metadata);
    /* at its own pace everybody may go on for ever */
    struct client *eva = ready(world, "eva", "tea", "");
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
    for (int i = 0; i < 3000; i++) {
        send_request(world, eva, &request);
        pass(world, 5 * US_PER_MS);
        forget(eva);
    }
    assert_false(eva->closed);
    world_stop(world);
}

static void tokens_are_renewed_every_five_minutes(void **state) {
    (void)state;
    struct control_config config = test_config();
    config.ping_timeout_s = 0;
    struct world *world = world_start(&config);
    struct client *ana = ready(world, "ana", "tea", "");
    size_t before = count_of(ana, M(REFRESH_TOKEN));
    pass(world, 301 * US_PER_S);
    assert_int_equal(count_of(ana, M(REFRESH_TOKEN)), before + 1);
    /* and they open the door */
    struct client *again = join_with_token(world, "ana", last_of(ana, M(REFRESH_TOKEN))->refresh_token, "");
    assert_non_null(again);
    assert_string_equal(again->log[0]->join->participant->name, "Somebody");
    assert_true(again->log[0]->join->participant->permission->can_update_metadata);
    world_stop(world);
}

/* ---- leaving and coming back ------------------------------------------------------------------------------------- */

static void leaving_frees_everything_and_tells_the_others(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "");
    struct offer offer = {0};
    publish(world, ana, &offer, "mic", false);
    publish(world, ana, &offer, "cam", true);
    settle(world);
    leave(world, ana);
    assert_true(ana->closed);
    assert_int_equal(count_of(ana, M(LEAVE)), 0);
    assert_int_equal(info_of(ben, "ana")->state, LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    assert_int_equal(info_of(ben, "ana")->disconnect_reason, LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED);
    assert_int_equal(info_of(ben, "ana")->n_tracks, 0);
    assert_int_equal(objects_of(world, OBJECT_SOURCE) + objects_of(world, OBJECT_SINK), 0);
    assert_int_equal(objects_of(world, OBJECT_TRANSPORT), 1);
    world_stop(world);
}

static void a_lost_socket_can_be_resumed_with_everything_kept(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "");
    struct offer offer = {0};
    char sid[32];
    (void)snprintf(sid, sizeof sid, "%s", publish(world, ana, &offer, "cam", true));
    settle(world);
    forget(ben);
    lose(world, ana);
    pass(world, 3 * US_PER_S);
    struct client *back = resume_v0(world, ana, "tea");
    assert_int_equal(back->log[0]->message_case, M(RECONNECT));
    assert_non_null(back->log[0]->reconnect->server_info);
    assert_int_equal(back->log[1]->message_case, M(UPDATE));
    assert_int_equal(back->log[1]->update->n_participants, 2);
    assert_int_equal(back->log[2]->message_case, M(ROOM_UPDATE));
    /* the subscriber connection restarts with new credentials */
    assert_non_null(last_of(back, M(OFFER)));
    assert_int_equal(nth_object(world, OBJECT_TRANSPORT, 0)->restarts, 1);
    strcpy(back->ufrag, "efgh0");
    assert_true(answer_offer(world, back, false));
    assert_string_equal(nth_object(world, OBJECT_TRANSPORT, 0)->remote.remote_ufrag, "efgh0");
    assert_int_equal(objects_of(world, OBJECT_SOURCE), 1);
    assert_int_equal(objects_of(world, OBJECT_SINK), 1);
    assert_int_equal(count_of(ben, M(UPDATE)), 0);
    /* the publisher's restart is the client's offer */
    offer.ice = 7;
    char *text = offer_text(&offer);
    send_text_offer(world, back, text, ++offer.id);
    free(text);
    const struct object *publisher = object_at(world, OBJECT_TRANSPORT, nth_object(world, OBJECT_SOURCE, 0)->transport);
    assert_int_equal(publisher->restarts, 1);
    assert_string_equal(publisher->remote.remote_ufrag, "abcd7");
    /* sync_state with a track that nobody knows means that the client must start over */
    Livekit__SignalRequest request;
    Livekit__SyncState sync;
    Livekit__TrackPublishedResponse published, *list = &published;
    Livekit__TrackInfo info;
    livekit__signal_request__init(&request);
    livekit__sync_state__init(&sync);
    livekit__track_published_response__init(&published);
    livekit__track_info__init(&info);
    info.sid = sid;
    published.track = &info;
    sync.n_publish_tracks = 1;
    sync.publish_tracks = &list;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE;
    request.sync_state = &sync;
    send_request(world, back, &request);
    assert_false(back->closed);
    info.sid = (char *)(uintptr_t) "TR_unknown";
    send_request(world, back, &request);
    assert_true(back->closed);
    assert_int_equal(last_of(back, M(LEAVE))->leave->action, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
    world_stop(world);
}

static void a_resume_of_the_unknown_is_told_to_start_over(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client ghost = {.identity = "ana", .sid = "PA_unknown"};
    struct client *client = resume_v0(world, &ghost, "tea");
    assert_int_equal(client->count, 1);
    assert_int_equal(client->log[0]->message_case, M(LEAVE));
    assert_int_equal(client->log[0]->leave->reason, LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH);
    assert_int_equal(client->log[0]->leave->action, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
    assert_true(client->closed);
    assert_int_equal(client->code, 1000);
    world_stop(world);
}

static void who_never_connected_is_gone_with_the_socket(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ben = ready(world, "ben", "tea", ""), *ana = join_v0(world, "ana", "tea", "");
    lose(world, ana);
    assert_int_equal(info_of(ben, "ana")->state, LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    world_stop(world);
}

static void who_connected_is_kept_until_media_fails_as_well(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "");
    uint32_t transport = nth_object(world, OBJECT_TRANSPORT, 0)->handle;
    lose(world, ana);
    pass(world, 20 * US_PER_S);
    transport_state(world, transport, ENGINE_TRANSPORT_FAILED);
    pass(world, 4 * US_PER_S);
    assert_null(info_of(ben, "ana"));
    pass(world, 2 * US_PER_S);
    assert_int_equal(info_of(ben, "ana")->state, LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    world_stop(world);
}

static void rooms_close_when_nobody_comes_and_after_the_last_has_left(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct control_gauges gauges;
    struct client *ana = ready(world, "ana", "tea", "");
    pass(world, US_PER_S);
    leave(world, ana);
    pass(world, 19 * US_PER_S);
    control_gauges_get(world->control, &gauges);
    assert_int_equal(gauges.rooms, 1);
    pass(world, 2 * US_PER_S);
    control_gauges_get(world->control, &gauges);
    assert_int_equal(gauges.rooms, 0);
    assert_true(world->webhooks_count >= 4);
    assert_non_null(strstr(world->webhooks[0], "\"room_started\""));
    assert_non_null(strstr(world->webhooks[1], "\"participant_joined\""));
    assert_non_null(strstr(world->webhooks[2], "\"participant_left\""));
    assert_non_null(strstr(world->webhooks[3], "\"room_finished\""));
    world_stop(world);
}

static void a_shutdown_tells_everybody_and_lets_nobody_in(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    control_shutdown(world->control, world->now_us);
    drain(world);
    assert_int_equal(last_of(ana, M(LEAVE))->leave->reason, LIVEKIT__DISCONNECT_REASON__SERVER_SHUTDOWN);
    assert_true(ana->closed);
    assert_null(join_v0(world, "ben", "tea", ""));
    world_stop(world);
}

static void an_unusable_offer_ends_the_session_and_nothing_else(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "");
    send_text_offer(world, ana, "v=0\r\nthis is no offer", 1);
    assert_true(ana->closed);
    assert_false(ben->closed);
    control_session_message(world->control, world->now_us, world->unix_us, ben->session, span_str("{}"), true);
    drain(world);
    assert_true(ben->closed); /* text is not spoken here */
    assert_non_null(last_of(ben, M(LEAVE)));
    world_stop(world);
}

static void what_the_engine_refuses_is_told_to_the_client(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    struct offer offer = {0};
    publish(world, ana, &offer, "cam", true);
    struct engine_event refused = {.type = ENGINE_EV_REFUSED,
                                   .object = nth_object(world, OBJECT_SOURCE, 0)->handle,
                                   .refused = {ENGINE_SOURCE_OPEN}};
    control_engine_event(world->control, world->now_us, world->unix_us, 0, &refused);
    drain(world);
    assert_non_null(last_of(ana, M(TRACK_UNPUBLISHED)));
    assert_int_equal(objects_of(world, OBJECT_SOURCE), 0);
    refused.object = nth_object(world, OBJECT_TRANSPORT, 0)->handle;
    refused.refused.command = ENGINE_TRANSPORT_OPEN;
    control_engine_event(world->control, world->now_us, world->unix_us, 0, &refused);
    drain(world);
    assert_true(ana->closed);
    assert_int_equal(last_of(ana, M(LEAVE))->leave->reason, LIVEKIT__DISCONNECT_REASON__JOIN_FAILURE);
    world_stop(world);
}

static void simulated_failures_do_what_they_say(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    Livekit__SignalRequest request;
    Livekit__SimulateScenario scenario;
    livekit__signal_request__init(&request);
    livekit__simulate_scenario__init(&scenario);
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SIMULATE;
    request.simulate = &scenario;
    struct client *ana = ready(world, "ana", "tea", "");
    scenario.scenario_case = LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SPEAKER_UPDATE;
    scenario.speaker_update = 3;
    send_request(world, ana, &request);
    assert_non_null(last_of(ana, M(SPEAKERS_CHANGED)));
    scenario.scenario_case = LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SWITCH_CANDIDATE_PROTOCOL;
    send_request(world, ana, &request);
    assert_int_equal(last_of(ana, M(LEAVE))->leave->action, LIVEKIT__LEAVE_REQUEST__ACTION__RESUME);
    struct client *back = resume_v0(world, ana, "tea");
    assert_non_null(last_of(back, M(RECONNECT)));
    scenario.scenario_case = LIVEKIT__SIMULATE_SCENARIO__SCENARIO_LEAVE_REQUEST_FULL_RECONNECT;
    send_request(world, back, &request);
    assert_int_equal(last_of(back, M(LEAVE))->leave->action, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
    world_stop(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_message_of_a_two_connection_join_is_the_join_and_an_offer_follows),
        cmocka_unit_test(a_participant_becomes_active_when_its_primary_connection_is),
        cmocka_unit_test(a_one_connection_join_with_a_browsers_offer_is_answered),
        cmocka_unit_test(firefox_offers_after_a_one_connection_join),
        cmocka_unit_test(metadata_is_changed_by_those_who_may),
        cmocka_unit_test(hidden_participants_are_not_shown),
        cmocka_unit_test(a_second_join_of_an_identity_ends_the_first),
        cmocka_unit_test(speakers_are_announced_when_they_start_and_stop),
        cmocka_unit_test(connection_quality_is_told_to_oneself_and_ones_viewers),
        cmocka_unit_test(pings_are_answered_and_silence_closes_the_session),
        cmocka_unit_test(who_asks_too_much_at_once_is_sent_away),
        cmocka_unit_test(tokens_are_renewed_every_five_minutes),
        cmocka_unit_test(leaving_frees_everything_and_tells_the_others),
        cmocka_unit_test(a_lost_socket_can_be_resumed_with_everything_kept),
        cmocka_unit_test(a_resume_of_the_unknown_is_told_to_start_over),
        cmocka_unit_test(who_never_connected_is_gone_with_the_socket),
        cmocka_unit_test(who_connected_is_kept_until_media_fails_as_well),
        cmocka_unit_test(rooms_close_when_nobody_comes_and_after_the_last_has_left),
        cmocka_unit_test(a_shutdown_tells_everybody_and_lets_nobody_in),
        cmocka_unit_test(an_unusable_offer_ends_the_session_and_nothing_else),
        cmocka_unit_test(what_the_engine_refuses_is_told_to_the_client),
        cmocka_unit_test(simulated_failures_do_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
