/* Tracks as clients see them: publishing, subscribing, layers, mutes and permissions. */
#include <stdio.h>
#include <stdlib.h>

#include "signal/harness.h"

#define M(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name

/* ---- publishing and subscribing ---------------------------------------------------------------------------------- */

static void a_published_track_reaches_everybody_else(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "");
    struct offer offer = {0};
    char sid[32];
    (void)snprintf(sid, sizeof sid, "%s", publish(world, ana, &offer, "cam-1", true));
    assert_memory_equal(sid, "TR_", 3);
    const Livekit__ParticipantInfo *info = info_of(ben, "ana");
    assert_int_equal(info->n_tracks, 1);
    assert_string_equal(info->tracks[0]->sid, sid);
    assert_string_equal(info->tracks[0]->mime_type, "video/VP8");
    assert_string_equal(info->tracks[0]->mid, "1");
    assert_int_equal(info->tracks[0]->n_layers, 3);
    assert_true(info->is_publisher);
    /* the source expects three rids, lowest first */
    const struct object *source = nth_object(world, OBJECT_SOURCE, 0);
    assert_int_equal(source->source_open.layers, 3);
    assert_string_equal(source->source_open.rids[0], "q");
    assert_string_equal(source->source_open.rids[2], "f");
    assert_int_equal(source->source_open.codecs[0].codec, CODEC_VP8);
    assert_int_equal(source->source_open.codecs[0].rtx_pt, 97);
    assert_true(object_at(world, OBJECT_TRANSPORT, source->transport)->remote.feedback_transport_wide);
    /* ben is offered it with ids that name publisher and track */
    pass(world, 200 * US_PER_MS);
    const Livekit__SessionDescription *description = last_of(ben, M(OFFER))->offer;
    struct sdp sdp;
    parse_sdp(description->sdp, &sdp);
    assert_int_equal(sdp.section_count, 2);
    assert_int_equal(sdp.sections[1]->direction, SDP_SENDONLY);
    char stream[80];
    (void)snprintf(stream, sizeof stream, "%s|%s", ana->sid, sid);
    assert_true(span_equal_str(sdp.sections[1]->msids[0].stream, stream));
    assert_true(span_equal_str(sdp.sections[1]->msids[0].track, sid));
    assert_int_equal(sdp.sections[1]->formats[0].pt, 96);
    sdp_free(&sdp);
    assert_int_equal(description->n_mid_to_track_id, 1);
    assert_string_equal(description->mid_to_track_id[0]->value, sid);
    assert_int_equal(objects_of(world, OBJECT_SINK), 0);
    assert_true(answer_offer(world, ben, false));
    const struct object *sink = nth_object(world, OBJECT_SINK, 0);
    assert_int_equal(sink->source, source->handle);
    assert_string_equal(sink->sink_open.mid, "1");
    assert_int_equal(sink->sink_open.codecs[0].pt, 96);
    assert_true(sink->settings.enabled);
    assert_int_equal(sink->settings.max_spatial, 2);
    assert_non_null(last_of(ana, M(TRACK_SUBSCRIBED)));
    world_stop(world);
}

static void a_browsers_publish_offer_becomes_sources_with_its_codecs_and_rids(void **state) {
    (void)state;
    static const char *const files[] = {"chromium-publish-simulcast.sdp", "firefox-publish-simulcast.sdp"};
    static const char *const cids[][2] = {
        {"649cf499-4bd1-4586-8e41-1dc8a277a014", "b3f97ccf-403c-4cfa-ac5a-1ee7f40d6aef"},
        {"{d5b953ce-0ce5-4ba9-a963-87f07e396e95}", "{ef52533a-7e48-43c9-a22c-7fc1e2387265}"},
    };
    for (int i = 0; i < 2; i++) {
        struct world *world = world_start(NULL);
        struct client *ana = ready(world, "ana", "tea", "");
        char *offer = read_vector(files[i]);
        add_track(world, ana, cids[i][0], false, false);
        add_track(world, ana, cids[i][1], true, false);
        send_text_offer(world, ana, offer, 1);
        assert_int_equal(objects_of(world, OBJECT_SOURCE), 2);
        const struct object *audio = nth_object(world, OBJECT_SOURCE, 0), *video = nth_object(world, OBJECT_SOURCE, 1);
        assert_int_equal(audio->source_open.codecs[0].codec, CODEC_OPUS);
        assert_int_equal(video->source_open.codecs[0].codec, CODEC_VP8);
        assert_int_equal(video->source_open.layers, 3);
        struct sdp sdp;
        parse_sdp(last_of(ana, M(ANSWER))->answer->sdp, &sdp);
        assert_int_equal(sdp.sections[1]->simulcast_count, 3);
        assert_int_equal(sdp.sections[1]->direction, SDP_RECVONLY);
        size_t codecs = 0;
        for (uint16_t k = 0; k < sdp.sections[1]->format_count; k++) {
            codecs += sdp.sections[1]->formats[k].codec != CODEC_RTX;
            if (sdp.sections[1]->formats[k].codec != CODEC_RTX)
                assert_int_equal(sdp.sections[1]->formats[k].feedback & (SDP_FB_REMB | SDP_FB_TRANSPORT_CC),
                                 SDP_FB_TRANSPORT_CC);
        }
        if (i == 1) /* Firefox takes any codec of an answer */
            assert_int_equal(codecs, 1);
        else
            assert_in_range(codecs, 2, 4);
        struct span value;
        assert_true(sdp_fmtp_get(sdp.sections[0]->formats[0].fmtp, "usedtx", &value));
        sdp_free(&sdp);
        free(offer);
        world_stop(world);
    }
}

static void layers_of_any_other_name_are_expected_in_their_order_of_preference_and_the_engine_finds_out(void **state) {
    (void)state;
    static const char *const rids[][3] = {{"q;h;f", "q", "f"}, {"f;h;q", "q", "f"}, {"h;m;l", "l", "h"}};
    for (size_t i = 0; i < ARRAY_LEN(rids); i++) {
        struct world *world = world_start(NULL);
        struct client *ana = ready(world, "ana", "tea", "");
        struct offer offer = {0};
        add_track(world, ana, "cam", true, false);
        offer.sections[offer.count++] =
            (struct section_wish){.video = true, .active = true, .cid = "cam", .rids = rids[i][0]};
        char *text = offer_text(&offer);
        send_text_offer(world, ana, text, 1);
        free(text);
        const struct object *source = nth_object(world, OBJECT_SOURCE, 0);
        assert_int_equal(source->source_open.layers, 3);
        assert_string_equal(source->source_open.rids[0], rids[i][1]);
        assert_string_equal(source->source_open.rids[2], rids[i][2]);
        assert_int_equal(source->source_open.order_known, i < 2);
        world_stop(world);
    }
}

static void a_track_is_named_by_its_section_even_when_the_id_changed_on_the_way(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    struct offer offer = {0};
    add_track(world, ana, "called-so", true, false);
    offer.sections[offer.count++] = (struct section_wish){.video = true, .active = true, .cid = "but-sent-so"};
    char *text = offer_text(&offer);
    send_text_offer(world, ana, text, 1);
    free(text);
    assert_int_equal(objects_of(world, OBJECT_SOURCE), 1);
    world_stop(world);
}

static void a_section_may_come_before_its_add_track(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    struct offer offer = {0};
    offer.sections[offer.count++] = (struct section_wish){.active = true, .cid = "mic"};
    char *text = offer_text(&offer);
    send_text_offer(world, ana, text, 1);
    free(text);
    assert_int_equal(objects_of(world, OBJECT_SOURCE), 0);
    add_track(world, ana, "mic", false, false);
    assert_int_equal(objects_of(world, OBJECT_SOURCE), 1);
    assert_int_equal(info_of(ana, "ana")->n_tracks, 1);
    world_stop(world);
}

static void who_joins_later_gets_what_is_there_in_the_first_offer(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    struct offer offer = {0};
    publish(world, ana, &offer, "mic", false);
    publish(world, ana, &offer, "cam", true);
    struct client *ben = join_v0(world, "ben", "tea", "");
    assert_int_equal(ben->log[0]->join->other_participants[0]->n_tracks, 2);
    assert_int_equal(last_of(ben, M(OFFER))->offer->id, 1);
    assert_int_equal(last_of(ben, M(OFFER))->offer->n_mid_to_track_id, 2);
    assert_true(answer_offer(world, ben, false));
    assert_int_equal(objects_of(world, OBJECT_SINK), 2);
    world_stop(world);
}

static void a_one_connection_client_gets_tracks_on_its_own_sections(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    struct offer offer = {0};
    char sid[32];
    (void)snprintf(sid, sizeof sid, "%s", publish(world, ana, &offer, "mic", false));
    char *join = read_vector("chromium-join.sdp");
    struct client *ben = join_v1(world, "ben", "tea", join);
    free(join);
    const Livekit__SessionDescription *answer = last_of(ben, M(ANSWER))->answer;
    assert_int_equal(answer->n_mid_to_track_id, 1);
    assert_string_equal(answer->mid_to_track_id[0]->value, sid);
    struct sdp sdp;
    parse_sdp(answer->sdp, &sdp);
    assert_int_equal(sdp.sections[0]->direction, SDP_SENDONLY);
    assert_true(span_equal_str(sdp.sections[0]->msids[0].track, sid));
    assert_int_equal(sdp.sections[1]->direction, SDP_INACTIVE);
    sdp_free(&sdp);
    assert_int_equal(objects_of(world, OBJECT_SINK), 1);
    world_stop(world);
}

static void a_one_connection_client_is_asked_for_sections_when_there_are_too_few(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    struct offer mine = {.count = 1, .sections = {{.video = false, .recvonly = true}}};
    char *text = offer_text(&mine);
    struct client *ben = join_v1(world, "ben", "tea", text);
    free(text);
    struct offer offer = {0};
    publish(world, ana, &offer, "mic", false);
    publish(world, ana, &offer, "cam", true);
    publish(world, ana, &offer, "screen", true);
    pass(world, 300 * US_PER_MS);
    const Livekit__SignalResponse *requirement = last_of(ben, M(MEDIA_SECTIONS_REQUIREMENT));
    assert_non_null(requirement);
    assert_int_equal(requirement->media_sections_requirement->num_audios, 0);
    assert_int_equal(requirement->media_sections_requirement->num_videos, 2);
    mine.sections[mine.count++] = (struct section_wish){.video = true, .recvonly = true};
    mine.sections[mine.count++] = (struct section_wish){.video = true, .recvonly = true};
    text = offer_text(&mine);
    send_text_offer(world, ben, text, 2);
    free(text);
    assert_int_equal(last_of(ben, M(ANSWER))->answer->n_mid_to_track_id, 3);
    assert_int_equal(objects_of(world, OBJECT_SINK), 3);
    forget(ben);
    pass(world, US_PER_S);
    assert_int_equal(count_of(ben, M(MEDIA_SECTIONS_REQUIREMENT)), 0);
    world_stop(world);
}

static void a_client_that_missed_a_request_for_an_offer_is_asked_again(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    struct offer mine = {.count = 1, .sections = {{.video = false, .recvonly = true}}};
    char *text = offer_text(&mine);
    struct client *ben = join_v1(world, "ben", "tea", text);
    struct offer offer = {0};
    publish(world, ana, &offer, "mic", false);
    pass(world, 300 * US_PER_MS);
    assert_int_equal(count_of(ben, M(MEDIA_SECTIONS_REQUIREMENT)), 1);
    pass(world, 4 * US_PER_S);
    assert_int_equal(count_of(ben, M(MEDIA_SECTIONS_REQUIREMENT)), 2);
    assert_int_equal(count_of(ben, M(LEAVE)), 0);
    send_text_offer(world, ben, text, 2);
    free(text);
    assert_int_equal(objects_of(world, OBJECT_SINK), 1);
    pass(world, 4 * US_PER_S);
    assert_int_equal(count_of(ben, M(MEDIA_SECTIONS_REQUIREMENT)), 2);
    world_stop(world);
}

static void a_client_that_offers_without_a_track_it_announced_is_asked_for_another_offer(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct offer mine = {.count = 1, .sections = {{.video = true, .recvonly = true}}};
    char *text = offer_text(&mine);
    struct client *ben = join_v1(world, "ben", "tea", text);
    free(text);
    add_track(world, ben, "mic", false, false);
    publish(world, ben, &mine, "cam", true);
    assert_int_equal(objects_of(world, OBJECT_SOURCE), 1);
    pass(world, 1500 * US_PER_MS);
    assert_int_equal(count_of(ben, M(MEDIA_SECTIONS_REQUIREMENT)), 1);
    mine.sections[mine.count++] = (struct section_wish){.active = true, .cid = "mic"};
    text = offer_text(&mine);
    send_text_offer(world, ben, text, ++mine.id);
    free(text);
    assert_int_equal(objects_of(world, OBJECT_SOURCE), 2);
    /* who announces what never comes is asked so often and no more */
    add_track(world, ben, "screen", true, false);
    forget(ben);
    for (int i = 0; i < 10; i++) {
        text = offer_text(&mine);
        send_text_offer(world, ben, text, ++mine.id);
        free(text);
        pass(world, 2 * US_PER_S);
    }
    assert_int_equal(count_of(ben, M(MEDIA_SECTIONS_REQUIREMENT)), 3);
    assert_int_equal(count_of(ben, M(LEAVE)), 0);
    world_stop(world);
}

static void an_inactive_section_unpublishes_its_track(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "");
    struct offer offer = {0};
    publish(world, ana, &offer, "mic", false);
    publish(world, ana, &offer, "cam", true);
    settle(world);
    assert_int_equal(objects_of(world, OBJECT_SINK), 2);
    offer.sections[1].active = false;
    char *text = offer_text(&offer);
    send_text_offer(world, ana, text, ++offer.id);
    free(text);
    assert_int_equal(objects_of(world, OBJECT_SOURCE), 1);
    assert_int_equal(objects_of(world, OBJECT_SINK), 1);
    assert_int_equal(info_of(ben, "ana")->n_tracks, 1);
    settle(world);
    struct sdp sdp;
    parse_sdp(last_of(ben, M(OFFER))->offer->sdp, &sdp);
    assert_int_equal(sdp.section_count, 3);
    assert_int_equal(sdp.sections[2]->direction, SDP_INACTIVE);
    sdp_free(&sdp);
    world_stop(world);
}

static void sections_of_plain_tracks_are_used_again_and_of_encrypted_ones_not(void **state) {
    (void)state;
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        struct world *world = world_start(NULL);
        struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "");
        struct offer offer = {0};
        for (int round = 0; round < 3; round++) {
            char cid[16];
            (void)snprintf(cid, sizeof cid, "cam-%d", round);
            add_track(world, ana, cid, true, encrypted != 0);
            offer.sections[offer.count++] = (struct section_wish){.video = true, .active = true};
            strcpy(offer.sections[offer.count - 1].cid, cid);
            char *text = offer_text(&offer);
            send_text_offer(world, ana, text, ++offer.id);
            free(text);
            settle(world);
            assert_int_equal(objects_of(world, OBJECT_SINK), 1);
            offer.sections[offer.count - 1].active = false;
            text = offer_text(&offer);
            send_text_offer(world, ana, text, ++offer.id);
            free(text);
            settle(world);
            assert_int_equal(objects_of(world, OBJECT_SINK), 0);
        }
        struct sdp sdp;
        parse_sdp(last_of(ben, M(OFFER))->offer->sdp, &sdp);
        assert_int_equal(sdp.section_count, encrypted ? 4 : 2);
        sdp_free(&sdp);
        world_stop(world);
    }
}

static void offers_are_gathered_and_one_is_in_flight_at_a_time(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = join_v0(world, "ben", "tea", "");
    struct offer offer = {0};
    publish(world, ana, &offer, "mic", false);
    publish(world, ana, &offer, "cam", true);
    pass(world, US_PER_S);
    assert_int_equal(count_of(ben, M(OFFER)), 1); /* the first one has not been answered */
    assert_true(answer_offer(world, ben, false));
    pass(world, US_PER_S);
    assert_int_equal(count_of(ben, M(OFFER)), 2);
    assert_int_equal(last_of(ben, M(OFFER))->offer->n_mid_to_track_id, 2);
    /* a stale answer changes nothing */
    uint32_t answered = ben->answered;
    Livekit__SignalRequest request;
    Livekit__SessionDescription description;
    livekit__signal_request__init(&request);
    livekit__session_description__init(&description);
    description.sdp = (char *)(uintptr_t) "nonsense";
    description.id = answered;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ANSWER;
    request.answer = &description;
    send_request(world, ben, &request);
    assert_false(ben->closed);
    pass(world, 20 * US_PER_S);
    assert_true(ben->closed); /* no answer in time */
    assert_int_equal(last_of(ben, M(LEAVE))->leave->action, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
    world_stop(world);
}

static void a_track_that_cannot_be_decoded_is_refused_and_the_rest_flows(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "");
    struct offer offer = {0};
    publish(world, ana, &offer, "mic", false);
    const char *sid = publish(world, ana, &offer, "cam", true);
    pass(world, 200 * US_PER_MS);
    assert_true(answer_offer(world, ben, true));
    assert_int_equal(objects_of(world, OBJECT_SINK), 1);
    const Livekit__SignalResponse *error = last_of(ben, M(SUBSCRIPTION_RESPONSE));
    assert_non_null(error);
    assert_string_equal(error->subscription_response->track_sid, sid);
    assert_int_equal(error->subscription_response->err, LIVEKIT__SUBSCRIPTION_ERROR__SE_CODEC_UNSUPPORTED);
    world_stop(world);
}

static void a_client_mutes_itself_and_others_see_it(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "");
    struct offer offer = {0};
    const char *sid = publish(world, ana, &offer, "mic", false);
    uint32_t version = info_of(ben, "ana")->version;
    Livekit__SignalRequest request;
    Livekit__MuteTrackRequest mute;
    livekit__signal_request__init(&request);
    livekit__mute_track_request__init(&mute);
    mute.sid = (char *)(uintptr_t)sid;
    mute.muted = true;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE;
    request.mute = &mute;
    send_request(world, ana, &request);
    assert_true(info_of(ben, "ana")->tracks[0]->muted);
    assert_true(info_of(ben, "ana")->version > version);
    assert_false(nth_object(world, OBJECT_SOURCE, 0)->muted);
    world_stop(world);
}

static void send_subscription(struct world *world, struct client *client, const char *sid, bool subscribe) {
    Livekit__SignalRequest request;
    Livekit__UpdateSubscription update;
    Livekit__ParticipantTracks tracks, *list = &tracks;
    livekit__signal_request__init(&request);
    livekit__update_subscription__init(&update);
    livekit__participant_tracks__init(&tracks);
    char *sids[1] = {(char *)(uintptr_t)sid};
    tracks.n_track_sids = update.n_track_sids = 1;
    tracks.track_sids = update.track_sids = sids;
    update.n_participant_tracks = 1;
    update.participant_tracks = &list;
    update.subscribe = subscribe;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
    request.subscription = &update;
    send_request(world, client, &request);
}

static void subscriptions_follow_the_subscribers_word(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", "&auto_subscribe=0");
    struct offer offer = {0};
    char sid[32];
    (void)snprintf(sid, sizeof sid, "%s", publish(world, ana, &offer, "cam", true));
    settle(world);
    assert_int_equal(objects_of(world, OBJECT_SINK), 0);
    send_subscription(world, ben, sid, true);
    settle(world);
    assert_int_equal(objects_of(world, OBJECT_SINK), 1);
    send_subscription(world, ben, sid, false);
    assert_int_equal(objects_of(world, OBJECT_SINK), 0);
    send_subscription(world, ben, "TR_nothing", true);
    const Livekit__SignalResponse *error = last_of(ben, M(SUBSCRIPTION_RESPONSE));
    assert_int_equal(count_of(ben, M(SUBSCRIPTION_RESPONSE)), 1);
    assert_int_equal(error->subscription_response->err, LIVEKIT__SUBSCRIPTION_ERROR__SE_TRACK_NOTFOUND);
    world_stop(world);
}

static void a_request_that_lists_more_than_there_can_be_ends_its_session_only(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    enum { COUNT = 2100 };
    static char *sids[2 * COUNT];
    for (size_t i = 0; i < 2 * COUNT; i++)
        sids[i] = (char *)(uintptr_t) "TR_nothing";
    for (int which = 0; which < 4; which++) {
        struct client *eve = ready(world, "eve", "tea", "");
        struct control_counters before, after;
        control_counters_get(world->control, &before);
        Livekit__SignalRequest request;
        Livekit__UpdateSubscription update;
        Livekit__ParticipantTracks tracks, *list = &tracks;
        Livekit__UpdateTrackSettings settings;
        Livekit__SyncState sync;
        livekit__signal_request__init(&request);
        livekit__update_subscription__init(&update);
        livekit__participant_tracks__init(&tracks);
        livekit__update_track_settings__init(&settings);
        livekit__sync_state__init(&sync);
        update.n_track_sids = tracks.n_track_sids = which == 3 ? 1 : COUNT;
        update.track_sids = tracks.track_sids = sids;
        update.n_participant_tracks = 1;
        update.participant_tracks = &list;
        settings.n_track_sids = sync.n_track_sids_disabled = 2 * COUNT;
        settings.track_sids = sync.track_sids_disabled = sids;
        request.message_case = which == 1   ? LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING
                               : which == 2 ? LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE
                                            : LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
        request.subscription = &update; /* a oneof of pointers */
        if (which == 1)
            request.track_setting = &settings;
        else if (which == 2)
            request.sync_state = &sync;
        update.subscribe = true;
        forget(eve);
        send_request(world, eve, &request);
        control_counters_get(world->control, &after);
        assert_int_equal(after.limit_refused - before.limit_refused, which == 3 ? 0 : 1);
        assert_int_equal(eve->closed, which != 3);
        /* named in both lists, told of once */
        assert_int_equal(count_of(eve, M(SUBSCRIPTION_RESPONSE)), which == 3 ? 1 : 0);
        assert_int_equal(count_of(eve, M(LEAVE)), which == 3 ? 0 : 1);
    }
    assert_false(ana->closed);
    world_stop(world);
}

static void a_publisher_decides_who_may_subscribe(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "tea", ""),
                  *eva = ready(world, "eva", "tea", "");
    struct offer offer = {0};
    char sid[32];
    (void)snprintf(sid, sizeof sid, "%s", publish(world, ana, &offer, "cam", true));
    settle(world);
    assert_int_equal(objects_of(world, OBJECT_SINK), 2);
    Livekit__SignalRequest request;
    Livekit__SubscriptionPermission permission;
    Livekit__TrackPermission entry, *entries = &entry;
    livekit__signal_request__init(&request);
    livekit__subscription_permission__init(&permission);
    livekit__track_permission__init(&entry);
    entry.participant_identity = (char *)(uintptr_t) "eva";
    entry.all_tracks = true;
    permission.n_track_permissions = 1;
    permission.track_permissions = &entries;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION_PERMISSION;
    request.subscription_permission = &permission;
    send_request(world, ana, &request);
    assert_int_equal(objects_of(world, OBJECT_SINK), 1);
    assert_int_equal(count_of(eva, M(SUBSCRIPTION_PERMISSION_UPDATE)), 0);
    assert_false(last_of(ben, M(SUBSCRIPTION_PERMISSION_UPDATE))->subscription_permission_update->allowed);
    assert_string_equal(last_of(ben, M(SUBSCRIPTION_PERMISSION_UPDATE))->subscription_permission_update->track_sid,
                        sid);
    permission.all_participants = true;
    send_request(world, ana, &request);
    assert_true(last_of(ben, M(SUBSCRIPTION_PERMISSION_UPDATE))->subscription_permission_update->allowed);
    settle(world);
    assert_int_equal(objects_of(world, OBJECT_SINK), 2);
    world_stop(world);
}

static void what_a_token_does_not_permit_is_refused(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    char *token = token_with(
        world, "ana",
        "{\"roomJoin\":true,\"room\":\"tea\",\"canPublishSources\":[\"microphone\"],\"canSubscribe\":false}", "");
    struct client *ana = join_with_token(world, "ana", token, "");
    free(token);
    assert_false(ana->log[0]->join->subscriber_primary);
    assert_int_equal(count_of(ana, M(OFFER)), 0);
    add_track(world, ana, "cam", true, false);
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED);
    struct offer offer = {0};
    publish(world, ana, &offer, "mic", false);
    connect_all(world);
    assert_int_equal(info_of(ana, "ana")->state, LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE);
    struct client *ben = ready(world, "ben", "tea", "");
    struct offer bens = {0};
    publish(world, ben, &bens, "mic", false);
    settle(world);
    assert_int_equal(objects_of(world, OBJECT_SINK), 1); /* ana's, to ben */
    world_stop(world);
}

static void track_limits_hold(void **state) {
    (void)state;
    struct control_config config = test_config();
    config.tracks_per_participant_max = 2;
    struct world *world = world_start(&config);
    struct client *ana = ready(world, "ana", "tea", "");
    add_track(world, ana, "1", true, false);
    add_track(world, ana, "2", true, false);
    assert_int_equal(count_of(ana, M(REQUEST_RESPONSE)), 0);
    add_track(world, ana, "3", true, false);
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED);
    assert_string_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->add_track->cid, "3");
    world_stop(world);
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

static void send_settings(struct world *world, struct client *client, const char *sid, bool disabled, uint32_t width,
                          uint32_t height) {
    Livekit__SignalRequest request;
    Livekit__UpdateTrackSettings settings;
    livekit__signal_request__init(&request);
    livekit__update_track_settings__init(&settings);
    char *sids[1] = {(char *)(uintptr_t)sid};
    settings.n_track_sids = 1;
    settings.track_sids = sids;
    settings.disabled = disabled;
    settings.width = width;
    settings.height = height;
    settings.quality = LIVEKIT__VIDEO_QUALITY__HIGH;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING;
    request.track_setting = &settings;
    send_request(world, client, &request);
}

static bool asked_for(const struct client *client, Livekit__VideoQuality quality) {
    const Livekit__SubscribedQualityUpdate *update =
        last_of(client, M(SUBSCRIBED_QUALITY_UPDATE))->subscribed_quality_update;
    assert_int_equal(update->n_subscribed_codecs, 1);
    assert_string_equal(update->subscribed_codecs[0]->codec, "vp8");
    assert_int_equal(update->subscribed_codecs[0]->n_qualities, 3);
    return update->subscribed_codecs[0]->qualities[quality]->enabled;
}

static void the_size_of_a_tile_chooses_the_layer_and_the_publisher_stops_what_nobody_needs(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    (void)ready(world, "ben", "tea", "&adaptive_stream=1");
    struct client *ben = &world->clients[1];
    struct offer offer = {0};
    char sid[32];
    (void)snprintf(sid, sizeof sid, "%s", publish(world, ana, &offer, "cam", true));
    settle(world);
    const struct object *sink = nth_object(world, OBJECT_SINK, 0);
    assert_int_equal(sink->settings.max_spatial, 0); /* adaptive stream: low until the tile's size is known */
    send_settings(world, ben, sid, false, 640, 360);
    assert_int_equal(sink->settings.max_spatial, 1);
    pass(world, 6 * US_PER_S);
    assert_true(asked_for(ana, LIVEKIT__VIDEO_QUALITY__LOW));
    assert_true(asked_for(ana, LIVEKIT__VIDEO_QUALITY__MEDIUM));
    assert_false(asked_for(ana, LIVEKIT__VIDEO_QUALITY__HIGH));
    send_settings(world, ben, sid, false, 1280, 720); /* up at once */
    assert_true(asked_for(ana, LIVEKIT__VIDEO_QUALITY__HIGH));
    send_settings(world, ben, sid, true, 1280, 720);
    assert_false(sink->settings.enabled);
    pass(world, 4 * US_PER_S);
    assert_true(asked_for(ana, LIVEKIT__VIDEO_QUALITY__LOW)); /* down only later */
    pass(world, 2 * US_PER_S);
    assert_false(asked_for(ana, LIVEKIT__VIDEO_QUALITY__LOW));
    world_stop(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_published_track_reaches_everybody_else),
        cmocka_unit_test(layers_of_any_other_name_are_expected_in_their_order_of_preference_and_the_engine_finds_out),
        cmocka_unit_test(a_browsers_publish_offer_becomes_sources_with_its_codecs_and_rids),
        cmocka_unit_test(a_track_is_named_by_its_section_even_when_the_id_changed_on_the_way),
        cmocka_unit_test(a_section_may_come_before_its_add_track),
        cmocka_unit_test(who_joins_later_gets_what_is_there_in_the_first_offer),
        cmocka_unit_test(a_one_connection_client_gets_tracks_on_its_own_sections),
        cmocka_unit_test(a_one_connection_client_is_asked_for_sections_when_there_are_too_few),
        cmocka_unit_test(a_client_that_missed_a_request_for_an_offer_is_asked_again),
        cmocka_unit_test(a_client_that_offers_without_a_track_it_announced_is_asked_for_another_offer),
        cmocka_unit_test(an_inactive_section_unpublishes_its_track),
        cmocka_unit_test(sections_of_plain_tracks_are_used_again_and_of_encrypted_ones_not),
        cmocka_unit_test(offers_are_gathered_and_one_is_in_flight_at_a_time),
        cmocka_unit_test(a_track_that_cannot_be_decoded_is_refused_and_the_rest_flows),
        cmocka_unit_test(a_client_mutes_itself_and_others_see_it),
        cmocka_unit_test(subscriptions_follow_the_subscribers_word),
        cmocka_unit_test(a_request_that_lists_more_than_there_can_be_ends_its_session_only),
        cmocka_unit_test(a_publisher_decides_who_may_subscribe),
        cmocka_unit_test(what_a_token_does_not_permit_is_refused),
        cmocka_unit_test(track_limits_hold),
        cmocka_unit_test(the_size_of_a_tile_chooses_the_layer_and_the_publisher_stops_what_nobody_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
