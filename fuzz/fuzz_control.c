/* The whole control core: people in three rooms who join, resume, publish, subscribe and leave with messages up to the
 * longest, HTTP requests, engine events and time. The harness of the unit tests is the engine and checks what goes out:
 * its length, and that commands make sense. An abort of either side is a finding.
 *
 * The input is a list of steps, one byte and its arguments each. A length is two bytes, the second of which is how often
 * the first is doubled: so few bytes of input make messages of megabytes. */
#include "signal/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define PEOPLE 8
#define ROOMS 3
#define LIST_MAX 5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct person {
    struct client *client; /* NULL: away */
    char sid[32];
    const char *room;
    bool v1;
    struct offer offer;
};

struct stage {
    struct world *world;
    struct reader r;
    struct person people[PEOPLE];
    uint32_t tracks;
};

static const char *const identities[PEOPLE] = {"ana", "ben", "eva", "joe", "kim", "lea", "max", "zoe"};
static const char *const rooms[ROOMS] = {"tea", "coffee", "meeting-x"};

static uint8_t take(struct stage *stage) {
    return rd_u8(&stage->r);
}

static size_t take_len(struct stage *stage) {
    size_t len = take(stage);
    len <<= take(stage) % 15;
    return len < CONTROL_MESSAGE_LEN_MAX - 512 ? len : CONTROL_MESSAGE_LEN_MAX - 512;
}

static char *take_text(struct stage *stage) {
    size_t len = take_len(stage);
    uint8_t fill = take(stage);
    char *text = malloc(len + 1);
    memset(text, fill != 0 ? fill : 'x', len);
    text[len] = 0;
    return text;
}

static void notice_closed(struct stage *stage) {
    for (size_t i = 0; i < PEOPLE; i++) {
        struct person *person = &stage->people[i];
        if (person->client == NULL)
            continue;
        memcpy(person->sid, person->client->sid, sizeof person->sid);
        if (person->client->session != 0)
            continue;
        forget(person->client);
        person->client->identity = NULL;
        person->client = NULL;
    }
}

static struct person *take_person(struct stage *stage) {
    return &stage->people[take(stage) % PEOPLE];
}

static void arrive(struct stage *stage) {
    struct person *person = take_person(stage);
    const char *identity = identities[person - stage->people];
    uint8_t how = take(stage);
    if (person->client != NULL)
        return;
    if ((how & 1) != 0 && person->room != NULL && !person->v1) {
        struct client before = {.identity = identity};
        memcpy(before.sid, person->sid, sizeof before.sid);
        person->client = resume_v0(stage->world, &before, person->room);
        return;
    }
    memset(&person->offer, 0, sizeof person->offer);
    person->room = rooms[(how >> 4) % ROOMS];
    person->v1 = (how & 2) != 0;
    if (!person->v1) {
        person->client = join_v0(stage->world, identity, person->room, (how & 4) != 0 ? "&adaptive_stream=1" : "");
        return;
    }
    for (int i = 0; i < 6; i++)
        person->offer.sections[person->offer.count++] = (struct section_wish){.video = i >= 2, .recvonly = true};
    char *text = offer_text(&person->offer);
    person->client = join_v1(stage->world, identity, person->room, (how & 4) != 0 ? NULL : text);
    free(text);
}

static void send_raw(struct stage *stage, struct person *person) {
    struct span bytes = rd_span(&stage->r, take(stage));
    if (reader_ok(&stage->r))
        control_session_message(stage->world->control, stage->world->now_us, stage->world->unix_us,
                                person->client->session, bytes, false);
    drain(stage->world);
}

static void make_offer(struct stage *stage, struct person *person, uint8_t how) {
    struct offer *offer = &person->offer;
    if ((how & 1) != 0)
        offer->ice++;
    if ((how & 2) != 0 && offer->count > 0)
        offer->sections[how % offer->count].active ^= true;
    char *text = offer_text(offer);
    if ((how & 12) == 12)
        text[(size_t)how * 37 % strlen(text)] = (char)(1 + (how ^ 0x55) % 127);
    send_text_offer(stage->world, person->client, text, ++offer->id);
    free(text);
}

static void start_track(struct stage *stage, struct person *person, uint8_t how) {
    struct offer *offer = &person->offer;
    bool video = (how & 1) != 0;
    char cid[40];
    if (offer->count >= ARRAY_LEN(offer->sections) - 4)
        return;
    (void)snprintf(cid, sizeof cid, "track-%u", stage->tracks++);
    add_track(stage->world, person->client, cid, video, (how & 4) != 0);
    struct section_wish *wish = &offer->sections[offer->count++];
    *wish = (struct section_wish){.video = video, .active = true, .rids = video && (how & 8) != 0 ? "q;h;f" : NULL};
    strcpy(wish->cid, cid);
    if (person->client->session != 0 && (how & 16) == 0)
        make_offer(stage, person, 0);
}

/* A list of track names: of somebody whom this client was told of, one repeated, or nobody's. */
struct names {
    char **list;
    size_t count;
    char *other;
};

static struct names take_names(struct stage *stage, const struct client *client) {
    const Livekit__ParticipantInfo *info = info_of(client, identities[take(stage) % PEOPLE]);
    struct names names = {.count = take_len(stage), .other = take_text(stage)};
    names.count = names.count < LIST_MAX ? names.count : LIST_MAX;
    if (strlen(names.other) * names.count > CONTROL_MESSAGE_LEN_MAX - 512)
        names.count = 1;
    names.list = calloc(names.count + 1, sizeof *names.list);
    for (size_t i = 0; i < names.count; i++) {
        char *sid = names.other;
        if (info != NULL && info->n_tracks > 0 && i % 3 != 2)
            sid = info->tracks[i % info->n_tracks]->sid;
        else if (info != NULL && info->n_data_tracks > 0)
            sid = info->data_tracks[i % info->n_data_tracks]->sid;
        names.list[i] = strdup(sid);
    }
    return names;
}

static void names_free(struct names *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
    free(names->other);
}

static void send_lists(struct stage *stage, struct person *person, uint8_t how) {
    struct names names = take_names(stage, person->client);
    Livekit__SignalRequest request;
    Livekit__UpdateSubscription subscription;
    Livekit__UpdateTrackSettings settings;
    Livekit__SyncState sync;
    Livekit__SubscriptionPermission permission;
    Livekit__TrackPermission entry, *entries = &entry;
    livekit__signal_request__init(&request);
    livekit__update_subscription__init(&subscription);
    livekit__update_track_settings__init(&settings);
    livekit__sync_state__init(&sync);
    livekit__subscription_permission__init(&permission);
    livekit__track_permission__init(&entry);
    subscription.n_track_sids = settings.n_track_sids = entry.n_track_sids = names.count;
    subscription.track_sids = settings.track_sids = entry.track_sids = names.list;
    subscription.subscribe = (how & 8) != 0;
    switch (how % 4) {
    case 0:
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
        request.subscription = &subscription;
        break;
    case 1:
        settings.disabled = (how & 16) != 0;
        settings.width = how * 5;
        settings.height = how * 3;
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING;
        request.track_setting = &settings;
        break;
    case 2:
        sync.subscription = &subscription;
        if ((how & 16) != 0) {
            subscription.n_track_sids = 0;
            sync.n_track_sids_disabled = names.count;
            sync.track_sids_disabled = names.list;
        }
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE;
        request.sync_state = &sync;
        break;
    default:
        permission.all_participants = (how & 16) != 0;
        entry.participant_identity = (char *)(uintptr_t)identities[how % PEOPLE];
        entry.all_tracks = (how & 32) != 0;
        permission.n_track_permissions = 1;
        permission.track_permissions = &entries;
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION_PERMISSION;
        request.subscription_permission = &permission;
    }
    send_request(stage->world, person->client, &request);
    names_free(&names);
}

static void send_texts(struct stage *stage, struct person *person, uint8_t how) {
    char *text = take_text(stage);
    Livekit__SignalRequest request;
    Livekit__AddTrackRequest add;
    Livekit__UpdateParticipantMetadata metadata;
    Livekit__UpdateParticipantMetadata__AttributesEntry attribute, *attributes = &attribute;
    Livekit__MuteTrackRequest mute;
    Livekit__PublishDataTrackRequest data;
    livekit__signal_request__init(&request);
    livekit__add_track_request__init(&add);
    livekit__update_participant_metadata__init(&metadata);
    livekit__update_participant_metadata__attributes_entry__init(&attribute);
    livekit__mute_track_request__init(&mute);
    livekit__publish_data_track_request__init(&data);
    switch (how % 5) {
    case 0:
        add.cid = (how & 16) != 0 ? text : (char *)(uintptr_t) "cid";
        add.name = text;
        add.stream = text;
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK;
        request.add_track = &add;
        break;
    case 1:
        metadata.metadata = text;
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_METADATA;
        request.update_metadata = &metadata;
        break;
    case 2:
        attribute.key = (char *)(uintptr_t)identities[how % PEOPLE];
        attribute.value = text;
        metadata.n_attributes = 1;
        metadata.attributes = &attributes;
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_METADATA;
        request.update_metadata = &metadata;
        break;
    case 3:
        mute.sid = text;
        mute.muted = (how & 16) != 0;
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE;
        request.mute = &mute;
        break;
    default:
        data.pub_handle = how;
        data.name = text;
        request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PUBLISH_DATA_TRACK_REQUEST;
        request.publish_data_track_request = &data;
    }
    send_request(stage->world, person->client, &request);
    free(text);
}

static void act(struct stage *stage) {
    struct person *person = take_person(stage);
    uint8_t what = take(stage), how = take(stage);
    if (person->client == NULL)
        return;
    switch (what % 10) {
    case 0:
    case 1:
        start_track(stage, person, how);
        break;
    case 2:
        make_offer(stage, person, how);
        break;
    case 3:
        if (!person->v1)
            (void)answer_offer(stage->world, person->client, (how & 1) != 0);
        break;
    case 4:
        send_lists(stage, person, how);
        break;
    case 5:
        send_texts(stage, person, how);
        break;
    case 6:
        send_raw(stage, person);
        break;
    case 7:
        leave(stage->world, person->client);
        break;
    case 8: {
        struct client *client = person->client;
        lose(stage->world, client);
        forget(client);
        client->identity = NULL;
        person->client = NULL;
        break;
    }
    default:
        for (uint8_t i = 0; i < how % 3 && person->offer.count < ARRAY_LEN(person->offer.sections); i++)
            person->offer.sections[person->offer.count++] = (struct section_wish){.video = i > 0, .recvonly = true};
        make_offer(stage, person, 0);
    }
}

static void engine_acts(struct stage *stage) {
    struct world *world = stage->world;
    static const char *const labels[] = {"_reliable", "_lossy", "_data_track", "other"};
    uint8_t what = take(stage), which = take(stage), how = take(stage);
    enum object_kind kind = what % 8 == 3 ? OBJECT_SINK : what % 8 == 4 ? OBJECT_SOURCE : OBJECT_TRANSPORT;
    size_t count = objects_of(world, kind);
    struct engine_event event = {.object = count > 0 ? nth_object(world, kind, which % count)->handle : which};
    uint8_t *payload = NULL;
    switch (what % 8) {
    case 0:
        event.type = ENGINE_EV_TRANSPORT_STATE;
        event.transport_state.state = (enum engine_transport_state)(how % (ENGINE_TRANSPORT_CLOSED + 1));
        break;
    case 1:
        event.type = (how & 16) != 0 ? ENGINE_EV_CHANNEL_CLOSED : ENGINE_EV_CHANNEL_OPENED;
        strcpy(event.channel.label, labels[how % ARRAY_LEN(labels)]);
        break;
    case 2: {
        struct span bytes = rd_span(&stage->r, take(stage));
        size_t more = take_len(stage);
        more = bytes.len + more <= ENGINE_MESSAGE_LEN_MAX ? more : 0;
        payload = calloc(1, bytes.len + more + 1);
        if (bytes.len > 0)
            memcpy(payload, bytes.data, bytes.len);
        event.type = ENGINE_EV_CHANNEL_MESSAGE;
        event.payload = span_of(payload, bytes.len + more);
        strcpy(event.message.label, labels[how % ARRAY_LEN(labels)]);
        if (how % ARRAY_LEN(labels) == 0)
            event.message.charged_bytes = engine_channel_charge(event.payload.len);
        break;
    }
    case 3:
        event.type = (how & 1) != 0 ? ENGINE_EV_STREAM_STATE : ENGINE_EV_SINK_LAYER;
        event.stream_state.paused = (how & 2) != 0;
        break;
    case 4:
        event.type = ENGINE_EV_SOURCE_STARTED;
        event.source_started.codec = (enum codec)(how % CODEC_RTX);
        break;
    case 5:
        event.type = ENGINE_EV_STATS;
        event.stats.rtt_us = how * 4000u;
        event.stats.tx_loss_permille = how;
        break;
    case 6:
        event.type = ENGINE_EV_REFUSED;
        event.refused.command = (enum engine_command_type)(how % (ENGINE_KEYFRAME_REQUEST + 1));
        break;
    default:
        event.type = ENGINE_EV_CHANNEL_SENT;
        event.channel_sent.total_bytes = (uint64_t)how << (which % 32);
    }
    control_engine_event(world->control, world->now_us, world->unix_us, 0, &event);
    drain(world);
    free(payload);
}

static void ask(struct stage *stage) {
    static const char *const paths[] = {"/rtc/validate",
                                        "/whip/v1",
                                        "/whep/v1",
                                        "/twirp/livekit.RoomService/CreateRoom",
                                        "/twirp/livekit.RoomService/ListParticipants",
                                        "/twirp/livekit.RoomService/UpdateParticipant",
                                        "/twirp/livekit.RoomService/DeleteRoom",
                                        "/twirp/livekit.RoomService/SendData"};
    uint8_t which = take(stage), how = take(stage);
    char body[512];
    struct offer offer = {.count = 2, .sections = {{.active = true}, {.video = true, .active = true}}};
    offer.sections[0].recvonly = offer.sections[1].recvonly = (how & 1) != 0;
    char *sdp = offer_text(&offer), *text = take_text(stage);
    char *token = token_with(stage->world, identities[how % PEOPLE],
                             "{\"roomJoin\":true,\"roomAdmin\":true,\"roomCreate\":true,\"room\":\"tea\"}", "");
    (void)snprintf(body, sizeof body, "{\"room\":\"tea\",\"name\":\"tea\",\"identity\":\"%s\",\"metadata\":\"%.200s\"}",
                   identities[how % PEOPLE], text[0] >= ' ' && text[0] != '"' && text[0] != '\\' ? text : "");
    const char *path = paths[which % ARRAY_LEN(paths)];
    bool twirp = strncmp(path, "/twirp", 6) == 0;
    (void)http(stage->world, "POST", path, "", token, twirp ? "application/json" : "application/sdp", "",
               span_str(twirp ? body : sdp));
    drain(stage->world);
    free(token);
    free(text);
    free(sdp);
}

static void step(struct stage *stage) {
    switch (take(stage) % 8) {
    case 0:
        arrive(stage);
        break;
    case 1:
        connect_all(stage->world);
        break;
    case 2:
    case 3:
        engine_acts(stage);
        break;
    case 4:
        pass(stage->world, (uint64_t)take(stage) * 40 * US_PER_MS);
        break;
    case 5:
        ask(stage);
        break;
    default:
        act(stage);
    }
    notice_closed(stage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct control_config config = test_config();
    config.sinks_max = 60;
    config.sources_max = 40;
    config.transports_max = 14;
    config.rooms_max = 3;
    struct stage *stage = calloc(1, sizeof *stage);
    stage->world = world_start(&config);
    stage->r = reader_of(data, size < 4096 ? size : 4096);
    while (reader_ok(&stage->r) && reader_left(&stage->r) > 0)
        step(stage);
    world_stop(stage->world);
    free(stage);
    return 0;
}
