/* Thousands of random messages, events and accidents from a handful of clients: no assert fails, the pretended engine's
 * rules hold after every step, and in the end everything is given back. A failure is reproduced by its seed. */
#include "signal/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define PEOPLE 5
#define STEPS 3000
#define SEEDS 12

struct person {
    struct client *client; /* NULL: away */
    struct client last;    /* its session and sid when it was lost */
    bool was_lost, v1;
    struct offer offer;
    uint32_t tracks;
};

struct chaos {
    struct world *world;
    struct rng rng;
    struct person people[PEOPLE];
};

static const char *const identities[PEOPLE] = {"ana", "ben", "eva", "joe", "kim"};

static uint32_t below(struct chaos *chaos, uint32_t bound) {
    return (uint32_t)rng_below(&chaos->rng, bound);
}

static const char *room_of(struct chaos *chaos) {
    return below(chaos, 8) == 0 ? "coffee" : "tea";
}

static void notice_closed(struct chaos *chaos) {
    for (size_t i = 0; i < PEOPLE; i++) {
        struct person *person = &chaos->people[i];
        if (person->client == NULL || person->client->session != 0)
            continue;
        forget(person->client);
        person->client->identity = NULL;
        person->client = NULL;
        person->was_lost = false;
    }
}

static void arrive(struct chaos *chaos, struct person *person, const char *identity) {
    if (person->client != NULL)
        return;
    if (person->was_lost && below(chaos, 2) == 0) {
        person->client = resume_v0(chaos->world, &person->last, "tea");
        person->was_lost = false;
        return;
    }
    person->was_lost = false;
    memset(&person->offer, 0, sizeof person->offer);
    person->v1 = below(chaos, 2) == 0;
    if (!person->v1) {
        person->client =
            join_v0(chaos->world, identity, room_of(chaos), below(chaos, 2) == 0 ? "&adaptive_stream=1" : "");
        return;
    }
    for (int i = 0; i < 4; i++)
        person->offer.sections[person->offer.count++] = (struct section_wish){.video = i >= 2, .recvonly = true};
    char *text = offer_text(&person->offer);
    person->client = join_v1(chaos->world, identity, room_of(chaos), below(chaos, 4) == 0 ? NULL : text);
    free(text);
}

static void make_offer(struct chaos *chaos, struct person *person) {
    struct offer *offer = &person->offer;
    if (below(chaos, 6) == 0)
        offer->ice++;
    char *text = offer_text(offer);
    if (below(chaos, 30) == 0) /* broken */
        text[below(chaos, (uint32_t)strlen(text))] = (char)(1 + below(chaos, 127));
    send_text_offer(chaos->world, person->client, text, ++offer->id);
    free(text);
}

static void start_track(struct chaos *chaos, struct person *person) {
    struct offer *offer = &person->offer;
    bool video = below(chaos, 2) == 0;
    char cid[40];
    if (offer->count >= ARRAY_LEN(offer->sections) - 4)
        return;
    (void)snprintf(cid, sizeof cid, "track-%u", person->tracks++);
    if (below(chaos, 8) != 0)
        add_track(chaos->world, person->client, cid, video, below(chaos, 3) == 0);
    struct section_wish *wish = &offer->sections[offer->count++];
    *wish =
        (struct section_wish){.video = video, .active = true, .rids = video && below(chaos, 2) == 0 ? "q;h;f" : NULL};
    strcpy(wish->cid, cid);
    if (person->client->session != 0 && below(chaos, 8) != 0)
        make_offer(chaos, person);
}

static void stop_track(struct chaos *chaos, struct person *person) {
    if (person->offer.count == 0)
        return;
    struct section_wish *wish = &person->offer.sections[below(chaos, (uint32_t)person->offer.count)];
    wish->active = !wish->active;
    make_offer(chaos, person);
}

static void more_sections(struct chaos *chaos, struct person *person) {
    const Livekit__SignalResponse *response =
        last_of(person->client, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MEDIA_SECTIONS_REQUIREMENT);
    if (response == NULL)
        return;
    uint32_t audios = response->media_sections_requirement->num_audios,
             videos = response->media_sections_requirement->num_videos;
    while (audios + videos > 0 && person->offer.count < ARRAY_LEN(person->offer.sections)) {
        bool video = audios == 0;
        *(video ? &videos : &audios) -= 1;
        person->offer.sections[person->offer.count++] = (struct section_wish){.video = video, .recvonly = true};
    }
    make_offer(chaos, person);
}

/* Some track's sid that this client has heard of, or nonsense. */
static const char *some_sid(struct chaos *chaos, const struct client *client) {
    const Livekit__ParticipantInfo *info = info_of(client, identities[below(chaos, PEOPLE)]);
    if (info == NULL || info->n_tracks == 0 || below(chaos, 10) == 0)
        return "TR_0123456789abcdefgh";
    return info->tracks[below(chaos, (uint32_t)info->n_tracks)]->sid;
}

static void small_request(struct chaos *chaos, struct person *person) {
    Livekit__SignalRequest request;
    Livekit__MuteTrackRequest mute;
    Livekit__UpdateSubscription subscription;
    Livekit__UpdateTrackSettings settings;
    Livekit__SubscriptionPermission permission;
    Livekit__UpdateParticipantMetadata metadata;
    Livekit__PublishDataTrackRequest data;
    Livekit__TrackPermission entry, *entries = &entry;
    char *sids[1] = {(char *)(uintptr_t)some_sid(chaos, person->client)};
    livekit__signal_request__init(&request);
    switch (below(chaos, 7)) {
    case 0:
        livekit__mute_track_request__init(&mute);
        mute.sid = sids[0];
        mute.muted = below(chaos, 2) == 0;
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE;
        request.mute = &mute;
        break;
    case 1:
        livekit__update_subscription__init(&subscription);
        subscription.n_track_sids = 1;
        subscription.track_sids = sids;
        subscription.subscribe = below(chaos, 2) == 0;
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
        request.subscription = &subscription;
        break;
    case 2:
        livekit__update_track_settings__init(&settings);
        settings.n_track_sids = 1;
        settings.track_sids = sids;
        settings.disabled = below(chaos, 3) == 0;
        settings.width = below(chaos, 1500);
        settings.height = below(chaos, 800);
        settings.quality = (Livekit__VideoQuality)below(chaos, 6);
        settings.fps = below(chaos, 31);
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING;
        request.track_setting = &settings;
        break;
    case 3:
        livekit__subscription_permission__init(&permission);
        livekit__track_permission__init(&entry);
        permission.all_participants = below(chaos, 3) != 0;
        entry.participant_identity = (char *)(uintptr_t)identities[below(chaos, PEOPLE)];
        entry.all_tracks = below(chaos, 2) == 0;
        permission.n_track_permissions = 1;
        permission.track_permissions = &entries;
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION_PERMISSION;
        request.subscription_permission = &permission;
        break;
    case 4:
        livekit__update_participant_metadata__init(&metadata);
        metadata.name = (char *)(uintptr_t) "Name";
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_METADATA;
        request.update_metadata = &metadata;
        break;
    case 5:
        livekit__publish_data_track_request__init(&data);
        data.pub_handle = below(chaos, 40);
        data.name = (char *)(uintptr_t)identities[below(chaos, PEOPLE)];
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PUBLISH_DATA_TRACK_REQUEST;
        request.publish_data_track_request = &data;
        break;
    default:
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
        request.ping = 1;
    }
    send_request(chaos->world, person->client, &request);
}

static void garbage(struct chaos *chaos, struct person *person) {
    uint8_t bytes[64];
    size_t len = below(chaos, sizeof bytes);
    rng_fill(&chaos->rng, bytes, len);
    control_session_message(chaos->world->control, chaos->world->now_us, chaos->world->unix_us, person->client->session,
                            span_of(bytes, len), false);
    drain(chaos->world);
}

static void person_acts(struct chaos *chaos, size_t i) {
    struct person *person = &chaos->people[i];
    struct world *world = chaos->world;
    if (person->client == NULL) {
        arrive(chaos, person, identities[i]);
        return;
    }
    switch (below(chaos, 12)) {
    case 0:
    case 1:
        start_track(chaos, person);
        break;
    case 2:
        stop_track(chaos, person);
        break;
    case 3:
        if (!person->v1)
            (void)answer_offer(world, person->client, below(chaos, 5) == 0);
        else
            more_sections(chaos, person);
        break;
    case 4:
        if (below(chaos, 6) == 0)
            leave(world, person->client);
        break;
    case 5:
        if (below(chaos, 4) == 0) {
            person->last = *person->client;
            person->last.count = 0;
            person->was_lost = !person->v1;
            lose(world, person->client);
            forget(person->client);
            person->client->identity = NULL;
            person->client = NULL;
        }
        break;
    case 6:
        garbage(chaos, person);
        break;
    default:
        small_request(chaos, person);
    }
}

static void engine_acts(struct chaos *chaos) {
    struct world *world = chaos->world;
    size_t count = objects_of(world, OBJECT_TRANSPORT);
    if (count == 0)
        return;
    struct object *transport = nth_object(world, OBJECT_TRANSPORT, below(chaos, (uint32_t)count));
    uint32_t handle = transport->handle;
    struct engine_event event = {.object = handle};
    switch (below(chaos, 10)) {
    case 0:
        if (below(chaos, 4) == 0)
            transport_state(world, handle, (enum engine_transport_state)below(chaos, ENGINE_TRANSPORT_CLOSED + 1));
        return;
    case 1:
        channel_open(world, handle);
        return;
    case 2: {
        /* a user packet: field 2 with a payload, sequence */
        static const uint8_t packet[] = {0x12, 4, 0x12, 2, 'h', 'i', 0x80, 0x01, 5};
        channel_message(world, handle, below(chaos, 2) == 0 ? "_reliable" : "_lossy", span_of(packet, sizeof packet));
        return;
    }
    case 3:
        event.type = ENGINE_EV_STATS;
        event.stats.rtt_us = below(chaos, 400000);
        event.stats.rx_loss_permille = (uint16_t)below(chaos, 300);
        break;
    case 4:
        event.type = ENGINE_EV_LEVELS;
        count = objects_of(world, OBJECT_SOURCE);
        event.levels.count = count > 0;
        if (count > 0)
            event.levels.level[0] =
                (struct engine_level){nth_object(world, OBJECT_SOURCE, below(chaos, (uint32_t)count))->handle,
                                      (uint8_t)below(chaos, 128), (uint16_t)below(chaos, 1001)};
        break;
    case 5:
        event.type = ENGINE_EV_REFUSED;
        event.refused.command = (enum engine_command_type)below(chaos, ENGINE_KEYFRAME_REQUEST + 1);
        if (below(chaos, 8) != 0)
            return;
        break;
    case 6:
        count = objects_of(world, OBJECT_SINK);
        if (count == 0)
            return;
        event.object = nth_object(world, OBJECT_SINK, below(chaos, (uint32_t)count))->handle;
        event.type = below(chaos, 2) == 0 ? ENGINE_EV_STREAM_STATE : ENGINE_EV_SINK_LAYER;
        event.stream_state.paused = below(chaos, 2) == 0;
        break;
    case 7:
        event.type = ENGINE_EV_SOURCE_STARTED;
        event.object = rng_u32(&chaos->rng); /* stale */
        break;
    default:
        transport_state(world, handle, ENGINE_TRANSPORT_CONNECTED);
        return;
    }
    control_engine_event(world->control, world->now_us, world->unix_us, 0, &event);
    drain(world);
}

static void one_seed(uint64_t seed) {
    struct chaos *chaos = calloc(1, sizeof *chaos);
    struct control_config config = test_config();
    config.sinks_max = 12; /* so that limits are reached */
    config.sources_max = 10;
    chaos->world = world_start(&config);
    chaos->rng = rng_seeded(seed);
    for (int step = 0; step < STEPS; step++) {
        switch (below(chaos, 4)) {
        case 0:
            engine_acts(chaos);
            break;
        case 1:
            pass(chaos->world, below(chaos, 20) == 0 ? below(chaos, 8 * (uint32_t)US_PER_S) : below(chaos, 300000));
            break;
        default:
            person_acts(chaos, below(chaos, PEOPLE));
        }
        notice_closed(chaos);
    }
    /* a run in which nothing happens proves nothing */
    struct control_counters counters;
    control_counters_get(chaos->world->control, &counters);
    print_message("seed %llu: %llu joins, %llu resumes, %u sources, %u sinks, %llu data packets, %llu limits, %llu "
                  "failed negotiations\n",
                  (unsigned long long)seed, (unsigned long long)counters.joins, (unsigned long long)counters.resumes,
                  chaos->world->sources_opened, chaos->world->sinks_opened, (unsigned long long)counters.data_packets,
                  (unsigned long long)counters.limit_refused, (unsigned long long)counters.negotiations_failed);
    assert_true(counters.joins > 20 && chaos->world->sources_opened > 20 && chaos->world->sinks_opened > 20);
    world_stop(chaos->world);
    free(chaos);
}

static void nothing_breaks_under_random_messages_and_events(void **state) {
    (void)state;
    const char *chosen = getenv("SEED");
    if (chosen != NULL) {
        one_seed(strtoull(chosen, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        one_seed(seed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_breaks_under_random_messages_and_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
