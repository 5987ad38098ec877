/* What people say may be as long as it is: what the server answers stays within bounds, and what it costs, too. */
#include "signal/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "room/room.h"
#include "signal/internal.h"

#define M(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name
#define PEOPLE 48

static char *text_of(size_t len) {
    char *text = malloc(len + 1);
    memset(text, 'x', len);
    text[len] = 0;
    return text;
}

static void say(struct world *world, struct client *client, char *metadata) {
    Livekit__SignalRequest request;
    Livekit__UpdateParticipantMetadata update;
    livekit__signal_request__init(&request);
    livekit__update_participant_metadata__init(&update);
    update.metadata = metadata;
    update.request_id = 7;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_METADATA;
    request.update_metadata = &update;
    send_request(world, client, &request);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void a_refused_request_as_long_as_a_message_is_answered_in_a_few_bytes(void **state) {
    (void)state;
    /* just below the longest message; the harness checks the length of everything that goes out */
    char *text = text_of(CONTROL_MESSAGE_LEN_MAX - 64);
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    Livekit__SignalRequest request;
    livekit__signal_request__init(&request);
    Livekit__AddTrackRequest add;
    livekit__add_track_request__init(&add);
    add.cid = (char *)(uintptr_t) "camera";
    add.name = text;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK;
    request.add_track = &add;
    forget(ana);
    send_request(world, ana, &request);
    const Livekit__RequestResponse *answer = last_of(ana, M(REQUEST_RESPONSE))->request_response;
    assert_int_equal(answer->reason, LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_REQUEST);
    assert_string_equal(answer->add_track->cid, "camera");
    assert_in_range(protobuf_c_message_get_packed_size(&answer->base), 1, 1024);
    pass(world, 10 * US_PER_S); /* a new allowance */
    say(world, ana, text);
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED);
    pass(world, 10 * US_PER_S);
    Livekit__PublishDataTrackRequest data;
    livekit__publish_data_track_request__init(&data);
    data.pub_handle = 3;
    data.name = text;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PUBLISH_DATA_TRACK_REQUEST;
    request.publish_data_track_request = &data;
    send_request(world, ana, &request);
    answer = last_of(ana, M(REQUEST_RESPONSE))->request_response;
    assert_int_equal(answer->publish_data_track->pub_handle, 3);
    pass(world, 10 * US_PER_S);
    Livekit__MuteTrackRequest mute;
    livekit__mute_track_request__init(&mute);
    mute.sid = text;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE;
    request.mute = &mute;
    send_request(world, ana, &request);
    assert_int_equal(last_of(ana, M(REQUEST_RESPONSE))->request_response->reason,
                     LIVEKIT__REQUEST_RESPONSE__REASON__NOT_FOUND);
    assert_false(ana->closed);
    world_stop(world);
    free(text);
}

static void of_a_long_list_of_tracks_that_are_not_there_only_the_first_are_answered(void **state) {
    (void)state;
    enum { LISTED = 4000 };
    static char sids[LISTED][16];
    static char *list[LISTED];
    for (int i = 0; i < LISTED; i++) {
        (void)snprintf(sids[i], sizeof sids[i], "TR_%d", i);
        list[i] = sids[i];
    }
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    Livekit__SignalRequest request;
    Livekit__UpdateSubscription subscription;
    livekit__signal_request__init(&request);
    livekit__update_subscription__init(&subscription);
    subscription.n_track_sids = LISTED;
    subscription.track_sids = list;
    subscription.subscribe = true;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
    request.subscription = &subscription;
    send_request(world, ana, &request);
    assert_int_equal(count_of(ana, M(SUBSCRIPTION_RESPONSE)), SUBSCRIPTION_ERRORS_MAX);
    world_stop(world);
}

static void what_nobody_publishes_is_not_said_back_whole(void **state) {
    (void)state;
    char *text = text_of(CONTROL_MESSAGE_LEN_MAX - 64);
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    Livekit__SignalRequest request;
    Livekit__UpdateSubscription subscription;
    char *sids[1] = {text};
    livekit__signal_request__init(&request);
    livekit__update_subscription__init(&subscription);
    subscription.n_track_sids = 1;
    subscription.track_sids = sids;
    subscription.subscribe = true;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
    request.subscription = &subscription;
    send_request(world, ana, &request);
    assert_int_equal(last_of(ana, M(SUBSCRIPTION_RESPONSE))->subscription_response->err,
                     LIVEKIT__SUBSCRIPTION_ERROR__SE_TRACK_NOTFOUND);
    assert_string_equal(last_of(ana, M(SUBSCRIPTION_RESPONSE))->subscription_response->track_sid, "");
    world_stop(world);
    free(text);
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

/* Everybody of the room with all they say, counted once each over the join and the updates that a client got. */
static void assert_knows(const struct client *client, uint32_t people, size_t metadata_len) {
    bool known[PEOPLE] = {false};
    for (size_t i = 0; i < client->count; i++) {
        const Livekit__SignalResponse *message = client->log[i];
        bool join = message->message_case == M(JOIN), update = message->message_case == M(UPDATE);
        size_t count = join ? message->join->n_other_participants : update ? message->update->n_participants : 0;
        for (size_t k = 0; k < count; k++) {
            const Livekit__ParticipantInfo *info =
                join ? message->join->other_participants[k] : message->update->participants[k];
            unsigned number;
            if (sscanf(info->identity, "person-%u", &number) == 1 && number < people &&
                strlen(info->metadata) == metadata_len)
                known[number] = true;
        }
    }
    for (uint32_t i = 0; i < people; i++)
        assert_true(known[i]);
}

static void everybody_is_told_of_a_room(uint32_t people, size_t metadata_len) {
    char *text = text_of(metadata_len);
    static char names[PEOPLE][16];
    struct world *world = world_start(NULL);
    struct client *first = NULL;
    for (uint32_t i = 0; i < people; i++) {
        (void)snprintf(names[i], sizeof names[i], "person-%u", i);
        struct client *client = join_v0(world, names[i], "tea", "");
        assert_non_null(client);
        say(world, client, text);
        assert_int_equal(last_of(client, M(REQUEST_RESPONSE))->request_response->reason,
                         LIVEKIT__REQUEST_RESPONSE__REASON__OK);
        first = first != NULL ? first : client;
        if (client != first)
            forget(client);
    }
    assert_knows(first, people, metadata_len);
    struct client *late = join_v0(world, "late", "tea", "");
    assert_non_null(late);
    assert_false(late->closed);
    assert_int_equal(late->log[0]->message_case, M(JOIN));
    assert_knows(late, people, metadata_len);
    /* and who comes back: its connection was up, so that it may */
    (void)answer_offer(world, late, false);
    connect_all(world);
    struct client before = *late;
    lose(world, late);
    forget(late);
    before.count = 0;
    struct client *back = resume_v0(world, &before, "tea");
    assert_int_equal(back->log[0]->message_case, M(RECONNECT));
    assert_knows(back, people, metadata_len);
    world_stop(world);
    free(text);
}

static void everybody_is_told_of_a_room_whose_metadata_is_more_than_a_message_may_be(void **state) {
    (void)state;
    everybody_is_told_of_a_room(48, 44 << 10);
    everybody_is_told_of_a_room(5, 500 << 10);
}

static void a_room_has_an_end_to_its_metadata_and_little_always_fits(void **state) {
    (void)state;
    char *text = text_of(500 << 10), *little = text_of(1000);
    static char names[12][16];
    struct world *world = world_start(NULL);
    uint32_t refused = 0;
    for (uint32_t i = 0; i < 12; i++) {
        (void)snprintf(names[i], sizeof names[i], "person-%u", i);
        struct client *client = join_v0(world, names[i], "tea", "");
        say(world, client, text);
        if (last_of(client, M(REQUEST_RESPONSE))->request_response->reason ==
            LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED) {
            refused++;
            say(world, client, little);
            assert_int_equal(last_of(client, M(REQUEST_RESPONSE))->request_response->reason,
                             LIVEKIT__REQUEST_RESPONSE__REASON__OK);
        }
        assert_false(client->closed);
    }
    assert_in_range(refused, 1, 8);
    world_stop(world);
    free(text);
    free(little);
}

static void a_refresh_token_fits_into_the_request_that_it_comes_back_in(void **state) {
    (void)state;
    /* control characters, which take six bytes each in a token */
    char *text = text_of(500 << 10);
    memset(text, 1, 500 << 10);
    struct world *world = world_start(NULL);
    struct client *ana = ready(world, "ana", "tea", "");
    say(world, ana, text);
    forget(ana);
    for (int i = 0; i < 80; i++) { /* tokens come each five minutes, to those who ping */
        Livekit__SignalRequest request;
        livekit__signal_request__init(&request);
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
        request.ping = 1;
        send_request(world, ana, &request);
        pass(world, 5 * US_PER_S);
    }
    const Livekit__SignalResponse *token = last_of(ana, M(REFRESH_TOKEN));
    assert_non_null(token);
    assert_in_range(strlen(token->refresh_token), 100, 40 << 10);
    char *copy = strdup(token->refresh_token);
    struct client before = *ana;
    lose(world, ana);
    forget(ana);
    char more[64];
    (void)snprintf(more, sizeof more, "&reconnect=1&sid=%s", before.sid);
    char query[256];
    (void)snprintf(query, sizeof query, "sdk=js%s", more);
    assert_in_range(strlen(copy), 1, 16000); /* the harness's buffer */
    struct client *back = join_with_token(world, "ana", copy, more);
    assert_int_equal(back->log[0]->message_case, M(RECONNECT));
    free(copy);
    world_stop(world);
    free(text);
}

/* ---- work -------------------------------------------------------------------------------------------------------- */

#define NAMES 4000

static void ask_for_settings(struct world *world, struct client *client, const char *sid) {
    static char *sids[NAMES];
    Livekit__SignalRequest request;
    Livekit__UpdateTrackSettings settings;
    livekit__signal_request__init(&request);
    livekit__update_track_settings__init(&settings);
    for (size_t i = 0; i < NAMES; i++)
        sids[i] = (char *)(uintptr_t)sid;
    settings.n_track_sids = NAMES;
    settings.track_sids = sids;
    settings.width = 320;
    settings.height = 180;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING;
    request.track_setting = &settings;
    send_request(world, client, &request);
}

static void a_track_named_four_thousand_times_is_one_request(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct offer offer = {0};
    struct client *ana = ready(world, "ana", "tea", "");
    struct client *ben = ready(world, "ben", "tea", "");
    const char *sid = publish(world, ana, &offer, "camera", true);
    connect_all(world);
    settle(world);
    assert_int_equal(objects_of(world, OBJECT_SINK), 1);
    world->settings_sent = 0;
    ask_for_settings(world, ben, sid);
    assert_int_equal(world->settings_sent, 1);
    world_stop(world);
}

static void who_asks_for_much_work_waits_for_it_and_others_do_not(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    static char names[60][16];
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "milk", "");
    for (int i = 0; i < 60; i++) {
        (void)snprintf(names[i], sizeof names[i], "person-%d", i);
        assert_non_null(join_v0(world, names[i], "tea", ""));
    }
    Livekit__SignalRequest ping;
    livekit__signal_request__init(&ping);
    ping.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
    ping.ping = 1;
    /* what a budget of bytes lets pass is told to sixty people */
    char *text = text_of(40 << 10);
    for (int i = 0; i < 65 && ana->session != 0; i++)
        say(world, ana, text);
    free(text);
    struct control_counters counters;
    control_counters_get(world->control, &counters);
    assert_true(counters.messages_waited > 0);
    assert_int_not_equal(ana->session, 0);
    forget(ben);
    send_request(world, ben, &ping);
    assert_int_equal(count_of(ben, M(PONG)), 1); /* at once */
    forget(ana);
    send_request(world, ana, &ping);
    assert_int_equal(count_of(ana, M(PONG)), 0); /* in its turn */
    pass(world, 5 * US_PER_S);
    assert_int_equal(count_of(ana, M(PONG)), 1);
    world_stop(world);
}

/* Ten times something that is told to everybody, and never more waiting than a session may have. */
static void keep_busy(struct world *world, struct client *client, char *text, uint32_t *outstanding) {
    Livekit__SignalRequest ping;
    livekit__signal_request__init(&ping);
    ping.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
    ping.ping = 1;
    *outstanding -= (uint32_t)count_of(client, M(PONG));
    forget(client);
    if (*outstanding == 4)
        return;
    for (int i = 0; i < 10; i++) {
        text[0] = text[0] == 'z' ? 'a' : (char)(text[0] + 1);
        say(world, client, text);
    }
    send_request(world, client, &ping);
    (*outstanding)++;
}

static void many_who_keep_a_room_busy_leave_a_turn_to_each_of_the_others(void **state) {
    (void)state;
    enum { BUSY = 10 };
    struct world *world = world_start(NULL);
    static char names[60][16];
    struct client *people[60];
    uint32_t outstanding[BUSY] = {0};
    for (int i = 0; i < 60; i++) {
        (void)snprintf(names[i], sizeof names[i], "person-%d", i);
        people[i] = join_v0(world, names[i], "tea", "");
        assert_non_null(people[i]);
    }
    struct client *eva = people[59];
    Livekit__SignalRequest ping;
    livekit__signal_request__init(&ping);
    ping.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
    ping.ping = 1;
    uint32_t asked = 0, answered = 0;
    char *text = text_of(4000);
    text[0] = 'a';
    for (uint32_t round = 0; round < 600; round++) { /* 12 s; eva asks twice a second */
        for (int i = 0; i < BUSY && round % 3 == 0; i++)
            keep_busy(world, people[i], text, &outstanding[i]);
        if (round % 25 == 0 && asked < 20) {
            send_request(world, eva, &ping);
            asked++;
        }
        pass(world, 20 * US_PER_MS);
        answered += (uint32_t)count_of(eva, M(PONG));
        for (int i = BUSY; i < 60; i++)
            forget(people[i]);
    }
    free(text);
    assert_false(people[0]->closed);
    struct control_counters counters;
    control_counters_get(world->control, &counters);
    assert_true(counters.messages_waited > 100);
    assert_false(eva->closed);
    assert_in_range(answered, 15, 20);
    world_stop(world);
}

/* Joined, with sixty others in the room, and with more said than there was time for. */
static struct client *in_debt(struct world *world) {
    static char names[60][16];
    struct client *ana = ready(world, "ana", "tea", "");
    for (int i = 0; i < 60; i++) {
        (void)snprintf(names[i], sizeof names[i], "person-%d", i);
        assert_non_null(join_v0(world, names[i], "tea", ""));
    }
    char *text = text_of(40 << 10);
    struct control_counters counters = {0};
    for (int i = 0; i < 65 && counters.messages_waited == 0; i++) {
        say(world, ana, text);
        control_counters_get(world->control, &counters);
    }
    free(text);
    assert_true(counters.messages_waited > 0);
    return ana;
}

static void who_connects_anew_still_owes_what_it_caused(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = in_debt(world);
    lose(world, ana);
    struct client *again = resume_v0(world, ana, "tea");
    assert_non_null(again);
    Livekit__SignalRequest ping;
    livekit__signal_request__init(&ping);
    ping.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
    ping.ping = 1;
    send_request(world, again, &ping);
    assert_int_equal(count_of(again, M(PONG)), 0);
    pass(world, 5 * US_PER_S);
    assert_int_equal(count_of(again, M(PONG)), 1);
    world_stop(world);
}

static Livekit__SignalRequest *a_ping(void) {
    static Livekit__SignalRequest ping;
    livekit__signal_request__init(&ping);
    ping.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
    ping.ping = 1;
    return &ping;
}

static void who_joins_anew_still_owes_what_it_caused(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = in_debt(world);
    leave(world, ana);
    lose(world, ana);
    struct client *again = join_v0(world, "ana", "tea", "");
    assert_non_null(again);
    send_request(world, again, a_ping());
    assert_int_equal(count_of(again, M(PONG)), 0);
    pass(world, 5 * US_PER_S);
    assert_int_equal(count_of(again, M(PONG)), 1);
    world_stop(world);
}

static void who_takes_its_own_place_again_still_owes_what_it_caused(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    (void)in_debt(world);
    struct client *again = join_v0(world, "ana", "tea", ""); /* the former one is put out */
    assert_non_null(again);
    send_request(world, again, a_ping());
    assert_int_equal(count_of(again, M(PONG)), 0);
    world_stop(world);
}

/* How many of the tries to come in were let in, 20 ms after another. */
static uint32_t come_again_and_again(struct world *world, bool resume, uint32_t tries, uint32_t *first_refused) {
    static char names[60][16];
    struct client *ana = ready(world, "ana", "tea", "");
    for (int i = 0; i < 55; i++) {
        (void)snprintf(names[i], sizeof names[i], "person-%d", i);
        assert_non_null(join_v0(world, names[i], "tea", ""));
    }
    connect_all(world);
    uint32_t in = 0;
    *first_refused = tries;
    for (uint32_t i = 0; i < tries; i++) {
        struct client before = *ana;
        if (ana->session != 0)
            lose(world, ana);
        forget(ana);
        before.count = 0;
        ana->identity = NULL; /* its place may be used again */
        ana = resume ? resume_v0(world, &before, "tea") : join_v0(world, "ana", "tea", "");
        if (ana == NULL) {
            *first_refused = i;
            break;
        }
        in++;
        pass(world, 2 * US_PER_MS);
        for (size_t k = 0; k < CLIENTS_MAX; k++) {
            if (world->clients[k].identity != NULL && &world->clients[k] != ana)
                forget(&world->clients[k]);
        }
    }
    return in;
}

static void who_resumes_again_and_again_is_told_to_wait(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    uint32_t refused_at;
    (void)come_again_and_again(world, true, 2000, &refused_at);
    assert_in_range(refused_at, 100, 1999);
    struct client *ben = join_v0(world, "ben", "tea", ""); /* others come in all the same */
    assert_non_null(ben);
    pass(world, 5 * US_PER_S);
    assert_non_null(join_v0(world, "ana", "tea", ""));
    world_stop(world);
}

static void who_joins_again_and_again_is_told_to_wait_before_the_room_is(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    uint32_t refused_at;
    (void)come_again_and_again(world, false, 2000, &refused_at);
    assert_in_range(refused_at, 20, 1999);
    assert_non_null(join_v0(world, "ben", "tea", ""));
    pass(world, 5 * US_PER_S);
    assert_non_null(join_v0(world, "ana", "tea", ""));
    world_stop(world);
}

static void a_room_that_ends_still_owes_what_it_caused(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = in_debt(world);
    control_room_end(world->control, world->now_us, span_str("tea"));
    drain(world);
    assert_true(ana->closed || ana->session == 0);
    lose(world, ana);
    struct client *again = join_v0(world, "ana", "tea", "");
    assert_non_null(again);
    send_request(world, again, a_ping());
    assert_int_equal(count_of(again, M(PONG)), 0);
    world_stop(world);
}

static void who_says_goodbye_and_hangs_up_is_gone_however_busy_it_was(void **state) {
    (void)state;
    struct world *world = world_start(NULL);
    struct client *ana = in_debt(world), *other = &world->clients[1];
    leave(world, ana);
    lose(world, ana);
    assert_int_equal(info_of(other, "ana")->state, LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    world_stop(world);
}

/* ---- shares ------------------------------------------------------------------------------------------------------ */

static uint16_t validate_and_join(struct world *world, const char *identity, const char *room, uint8_t from) {
    char *token = token_for(world, identity, room), bearer[20000];
    (void)snprintf(bearer, sizeof bearer, "Bearer %s", token);
    free(token);
    struct control_http_request request = {.method = span_str("GET"),
                                           .path = span_str("/rtc"),
                                           .query = span_str("protocol=17"),
                                           .authorization = span_str(bearer),
                                           .source = net_addr_v4(198, 51, 100, from, 0)};
    struct control_http_reply reply;
    uint32_t session = control_session_open(world->control, world->now_us, world->unix_us, &request, &reply);
    for (size_t i = 0; session != 0 && i < CLIENTS_MAX; i++) {
        if (world->clients[i].identity == NULL) {
            world->clients[i].identity = identity;
            world->clients[i].session = session;
            break;
        }
    }
    drain(world);
    return session != 0 ? 0 : reply.status;
}

static void rooms_of_one_source_leave_rooms_for_others(void **state) {
    (void)state;
    struct control_config config = test_config();
    config.rooms_max = 40;
    struct world *world = world_start(&config);
    static char names[60][16];
    uint32_t refused = 0;
    for (uint32_t i = 0; i < 40; i++) { /* two sources, everybody alone in a room */
        (void)snprintf(names[i], sizeof names[i], "alone-%u", i);
        refused += validate_and_join(world, names[i], names[i], (uint8_t)(i % 2)) == 503;
    }
    assert_int_equal(refused, 40 - 2 * 16);
    assert_int_equal(validate_and_join(world, "ben", "tea", 7), 0);
    assert_int_equal(validate_and_join(world, "eva", "alone-0", 0), 0); /* into a room that is there */
    world_stop(world);
}

static void one_participant_leaves_tracks_for_others(void **state) {
    (void)state;
    struct control_config config = test_config();
    config.sources_max = 32;
    config.tracks_per_participant_max = 64;
    struct world *world = world_start(&config);
    struct client *ana = ready(world, "ana", "tea", ""), *ben = ready(world, "ben", "milk", "");
    struct offer offer = {0}, other = {0};
    for (uint32_t i = 0; i < 30; i++) {
        char cid[16];
        (void)snprintf(cid, sizeof cid, "mic-%u", i);
        add_track(world, ana, cid, false, false);
        offer.sections[offer.count] = (struct section_wish){.active = true};
        strcpy(offer.sections[offer.count++].cid, cid);
        char *text = offer_text(&offer);
        send_text_offer(world, ana, text, ++offer.id);
        free(text);
    }
    assert_int_equal(objects_of(world, OBJECT_SOURCE), 16);
    assert_false(ana->closed);
    (void)publish(world, ben, &other, "mic", false);
    assert_int_equal(objects_of(world, OBJECT_SOURCE), 17);
    world_stop(world);
}

/* One after the other comes into a room from an address of its own; how many were let in. */
static uint32_t crowd(struct world *world, const char *room, uint32_t people, char names[][24]) {
    uint32_t in = 0;
    for (uint32_t i = 0; i < people; i++) {
        (void)snprintf(names[i], sizeof names[i], "%s-%u", room, i);
        in += validate_and_join(world, names[i], room, (uint8_t)(i + 1)) == 0;
    }
    return in;
}

static void one_room_leaves_connections_for_others(void **state) {
    (void)state;
    static char tea[60][24], milk[60][24];
    struct control_config config = test_config();
    config.transports_max = 48;
    struct world *world = world_start(&config);
    uint32_t in = crowd(world, "tea", 48, tea);
    assert_in_range(in, 24, 32); /* as many as are free, twice */
    struct control_counters counters;
    control_counters_get(world->control, &counters);
    assert_int_equal(counters.room_share_refused, 48 - in);
    assert_in_range(crowd(world, "milk", 15, milk), 10, 15);
    world_stop(world);
}

static void a_small_room_gets_what_is_left_however_much_others_have(void **state) {
    (void)state;
    static char tea[60][24], milk[60][24];
    struct control_config config = test_config();
    config.transports_max = 30;
    struct world *world = world_start(&config);
    (void)crowd(world, "tea", 30, tea);
    size_t left = 30 - objects_of(world, OBJECT_TRANSPORT);
    assert_in_range(left, 8, 14);
    assert_int_equal(crowd(world, "milk", 14, milk), left);
    world_stop(world);
}

static void one_room_leaves_tracks_for_others(void **state) {
    (void)state;
    struct control_config config = test_config();
    config.sources_max = 48;
    config.tracks_per_participant_max = 64;
    struct world *world = world_start(&config);
    struct client *ana[4], *ben = ready(world, "ben", "milk", "");
    static const char *const names[4] = {"ana", "eva", "ivo", "uta"};
    struct offer other = {0};
    for (int k = 0; k < 4; k++) {
        struct offer offer = {0};
        ana[k] = ready(world, names[k], "tea", "");
        for (uint32_t i = 0; i < 30; i++) {
            char cid[16];
            (void)snprintf(cid, sizeof cid, "mic-%u", i);
            add_track(world, ana[k], cid, false, false);
            offer.sections[offer.count] = (struct section_wish){.active = true};
            strcpy(offer.sections[offer.count++].cid, cid);
        }
        char *text = offer_text(&offer);
        send_text_offer(world, ana[k], text, ++offer.id);
        free(text);
    }
    size_t taken = objects_of(world, OBJECT_SOURCE);
    assert_in_range(taken, 24, 32);
    struct control_counters counters;
    control_counters_get(world->control, &counters);
    assert_true(counters.room_share_refused > 0);
    (void)publish(world, ben, &other, "mic", false);
    assert_int_equal(objects_of(world, OBJECT_SOURCE), taken + 1);
    world_stop(world);
}

static void one_room_leaves_subscriptions_for_others(void **state) {
    (void)state;
    struct control_config config = test_config();
    config.sinks_max = 48;
    struct world *world = world_start(&config);
    static char names[12][16];
    for (int i = 0; i < 12; i++) { /* everybody hears everybody: 132 */
        struct offer offer = {0};
        (void)snprintf(names[i], sizeof names[i], "person-%d", i);
        (void)publish(world, ready(world, names[i], "tea", ""), &offer, "mic", false);
        settle(world);
    }
    size_t taken = objects_of(world, OBJECT_SINK);
    assert_in_range(taken, 24, 32);
    struct offer offer = {0};
    struct client *ben = ready(world, "ben", "milk", "");
    (void)ready(world, "eva", "milk", "");
    (void)publish(world, ben, &offer, "mic", false);
    settle(world);
    settle(world);
    assert_int_equal(objects_of(world, OBJECT_SINK), taken + 1);
    world_stop(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_request_as_long_as_a_message_is_answered_in_a_few_bytes),
        cmocka_unit_test(of_a_long_list_of_tracks_that_are_not_there_only_the_first_are_answered),
        cmocka_unit_test(what_nobody_publishes_is_not_said_back_whole),
        cmocka_unit_test(everybody_is_told_of_a_room_whose_metadata_is_more_than_a_message_may_be),
        cmocka_unit_test(a_room_has_an_end_to_its_metadata_and_little_always_fits),
        cmocka_unit_test(a_refresh_token_fits_into_the_request_that_it_comes_back_in),
        cmocka_unit_test(a_track_named_four_thousand_times_is_one_request),
        cmocka_unit_test(who_asks_for_much_work_waits_for_it_and_others_do_not),
        cmocka_unit_test(who_connects_anew_still_owes_what_it_caused),
        cmocka_unit_test(who_joins_anew_still_owes_what_it_caused),
        cmocka_unit_test(who_takes_its_own_place_again_still_owes_what_it_caused),
        cmocka_unit_test(who_resumes_again_and_again_is_told_to_wait),
        cmocka_unit_test(who_joins_again_and_again_is_told_to_wait_before_the_room_is),
        cmocka_unit_test(a_room_that_ends_still_owes_what_it_caused),
        cmocka_unit_test(who_says_goodbye_and_hangs_up_is_gone_however_busy_it_was),
        cmocka_unit_test(many_who_keep_a_room_busy_leave_a_turn_to_each_of_the_others),
        cmocka_unit_test(rooms_of_one_source_leave_rooms_for_others),
        cmocka_unit_test(one_participant_leaves_tracks_for_others),
        cmocka_unit_test(one_room_leaves_connections_for_others),
        cmocka_unit_test(a_small_room_gets_what_is_left_however_much_others_have),
        cmocka_unit_test(one_room_leaves_tracks_for_others),
        cmocka_unit_test(one_room_leaves_subscriptions_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
