/* The wiring of a whole encrypted meeting. */
#include "sim/gathering.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "e2ee/sframe_native.h"
#include "member/member_internal.h"

#define RECEIVER_KEYS_MAX 512
/* Of those who publish now, and of those who just went. */
#define STREAMS_MAX 32
#define CAMERA_CONTEXT 1
#define CAMERA_FPS 5
#define CAMERA_BYTES 250
/* A person asks again for a removal that lost against another commit. */
#define REMOVE_AGAIN_US (500 * US_PER_MS)
#define PUT_OUT_TRIES_MAX 8
/* How long a server may take to see that somebody is gone who said nothing. */
#define UNSEEN_MAX_US (3 * US_PER_S)

static const struct frame_info picture = GATHERING_FRAME;

static struct attendee *attendee_of(struct gathering *g, struct span identity) {
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        if (span_equal_str(identity, g->assembly.people[g->attendees[i].person].identity))
            return &g->attendees[i];
    }
    return NULL;
}

static struct attendee *attendee_at(struct gathering *g, int person) {
    ASSERT(person >= 0 && (uint32_t)person < g->attendees_count && g->attendees[person].person == person);
    return &g->attendees[person];
}

static struct assembly_person *person_of(const struct attendee *a) {
    return &a->gathering->assembly.people[a->person];
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static size_t seal_frame(void *context, uint64_t now_us, bool video, struct span frame, uint8_t *out, size_t out_size) {
    struct attendee *a = context;
    struct frame_seal begun;
    size_t len;
    ASSERT(video);
    if (a->gathering->conference->options.plant == PLANT_AGAIN && a->sender.streams[CAMERA_CONTEXT].next_ctr == 4)
        a->sender.streams[CAMERA_CONTEXT].next_ctr = 1;
    if (!a->keyed ||
        frame_seal_begin(&a->sender, CAMERA_CONTEXT, &picture, frame, now_us, out, out_size, &begun) != SFRAME_OK)
        return 0;
    bool sealed = sframe_native_seal(&begun.sframe, span_of(begun.aad.bytes, begun.aad.len), begun.text, begun.body);
    ASSERT(sealed);
    frame_seal_finish(&begun, &len);
    gathering_check_sealed(a->gathering, a, &begun.sframe, video, span_of(out, len));
    return len;
}

static size_t open_frame(void *context, uint64_t now_us, const char *identity, bool video, struct span sealed,
                         uint8_t *out, size_t out_size) {
    struct attendee *a = context;
    struct gathering *g = a->gathering;
    struct member_person publisher;
    struct frame_open begun;
    size_t len = 0;
    ASSERT(video);
    g->figures.unopened++;
    if (!a->keyed || !member_person_find(person_of(a)->member, span_str(identity), &publisher))
        return 0;
    a->last_frame_us = now_us;
    if (frame_open_begin(&a->receiver, publisher.leaf, &picture, sealed, now_us, out, out_size, &begun) != SFRAME_OK)
        return 0;
    bool authentic =
        sframe_native_open(&begun.sframe, span_of(begun.aad.bytes, begun.aad.len), begun.sealed, begun.text);
    if (frame_open_finish(&a->receiver, &begun, authentic, &len) != SFRAME_OK)
        return 0;
    g->figures.unopened--;
    g->figures.opened++;
    gathering_check_opened(g, a, begun.sframe.kid);
    return len;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static uint64_t print_of_key(struct span key) {
    static const uint64_t siphash_key[2] = {1, 2};
    return siphash13(siphash_key, key.data, key.len) | 1;
}

static void keep(struct attendee *a, const struct member_output *out) {
    memmove(&a->kept[1], &a->kept[0], (GATHERING_KEPT - 1) * sizeof a->kept[0]);
    a->kept[0] = (struct kept_key){.epoch = out->epoch, .print = print_of_key(out->bytes), .leaf = out->own_leaf};
    ASSERT(out->bytes.len == sizeof a->kept[0].key);
    memcpy(a->kept[0].key, out->bytes.data, out->bytes.len);
    if (a->kept_count < GATHERING_KEPT)
        a->kept_count++;
}

static void plant_keys(struct gathering *g, const struct attendee *of, const struct member_output *out) {
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        struct attendee *a = &g->attendees[i];
        bool told = g->conference->options.plant == PLANT_KEEP ? a->removed && a->removed_epoch <= out->epoch
                                                               : a != of && a->kept_count == 0;
        if (told)
            keep(a, out);
    }
}

static void take_keys(struct gathering *g, struct attendee *a, const struct member_output *out) {
    uint64_t now_us = g->assembly.now_us;
    /* MEMBER_SWITCH comes before; it is the member's to say when */
    struct sframe_epoch_key key = {
        .epoch = out->epoch, .leaf = out->own_leaf, .base_key = out->bytes, .switch_by_us = TIME_NEVER};
    bool early = g->conference->options.plant == PLANT_EARLY;
    bool first = a->first_epoch == UINT64_MAX;
    if (g->conference->options.plant == PLANT_KEEP || early)
        plant_keys(g, a, out);
    enum sframe_status sender = sframe_sender_install(&a->sender, &key, now_us);
    enum sframe_status receiver = sframe_receiver_install(&a->receiver, &key, now_us);
    ASSERT(sender == SFRAME_OK && receiver == SFRAME_OK);
    if (first) {
        a->first_epoch = out->epoch;
    }
    if (!(early && first && a->kept_count > 0))
        keep(a, out);
    if (out->epoch > g->figures.epochs)
        g->figures.epochs = out->epoch;
    if (first)
        gathering_check_newcomer(g, a);
}

/* Its commit was withdrawn. */
static void drop_keys(struct attendee *a, uint64_t epoch) {
    sframe_sender_withdraw(&a->sender, epoch);
    sframe_receiver_withdraw(&a->receiver, epoch);
    if (a->kept_count == 0 || a->kept[0].epoch != epoch)
        return;
    a->kept_count--;
    memmove(&a->kept[0], &a->kept[1], a->kept_count * sizeof a->kept[0]);
}

static void take_switch(struct gathering *g, struct attendee *a, uint64_t epoch) {
    if (g->conference->options.plant == PLANT_SLOW && a->keyed && a->person == 1)
        return;
    a->keyed = true;
    a->seal_epoch = epoch;
    sframe_sender_switch(&a->sender, epoch, g->assembly.now_us);
    sframe_receiver_switch(&a->receiver, epoch, g->assembly.now_us);
    gathering_check_departures(g);
}

/* ---- what the group says ----------------------------------------------------------------------------------------- */

static void on_output(void *context, int person, const struct member_output *out) {
    struct gathering *g = context;
    struct conference *c = g->conference;
    struct attendee *a = attendee_at(g, person);
    conference_trace(c, TRACE_MEMBER, (uint32_t)person, (uint64_t)out->type, out->epoch);
    if (c->options.verbose && (out->type == MEMBER_KEYS || out->type == MEMBER_REMOVED || out->type == MEMBER_STATE))
        printf("%9.4f p_%d output %d state %d epoch %llu %.*s\n", (double)(g->assembly.now_us - c->start_us) / 1e6,
               person, (int)out->type, (int)out->state, (unsigned long long)out->epoch, (int)out->identity.len,
               out->identity.data);
    struct attendee *gone;
    if (a->hostile) {
        if (out->type == MEMBER_KEYS)
            keep(a, out);
        return;
    }
    switch (out->type) {
    case MEMBER_EPOCH:
        gathering_check_applied(g, a, out->epoch);
        gathering_check_code(g, a, out->epoch);
        break;
    case MEMBER_WITHDRAWN:
        gathering_check_withdrawn(g, a, out->identity);
        break;
    case MEMBER_KEYS:
        a->staged_since_us = g->assembly.now_us;
        take_keys(g, a, out);
        break;
    case MEMBER_KEYS_DROP:
        drop_keys(a, out->epoch);
        break;
    case MEMBER_SWITCH:
        take_switch(g, a, out->epoch);
        break;
    case MEMBER_REMOVED:
        gone = attendee_of(g, out->identity);
        if (gone != NULL)
            gathering_gone_in_epoch(g, gone->person, out->epoch);
        break;
    case MEMBER_ALARM:
        if (a->lied_to || (g->alarms_expected & 1u << out->alarm) != 0)
            break;
        conference_fail(c, "p_%d raised an alarm: %s (%s)", person, member_alarm_text(out->alarm),
                        mls_status_name(out->status));
    case MEMBER_ENDED:
        /* its seat is taken, or nothing runs any more: the web client begins another stay (web/src/secure/worker.ts) */
        if (a->should_be_in && a->may_come_again)
            a->again = true;
        else if (a->should_be_in)
            conference_fail(c, "p_%d, who should be in, was sent away: %u", person, out->gone);
        break;
    default:
        break;
    }
}

static void on_service(void *context, const struct service_output *out) {
    struct gathering *g = context;
    struct attendee *a = attendee_of(g, out->identity);
    if (g->conference->options.verbose)
        printf("%9.4f delivery %d %.*s\n", (double)(g->assembly.now_us - g->conference->start_us) / 1e6, (int)out->type,
               (int)out->identity.len, out->identity.data);
    conference_trace(g->conference, TRACE_DELIVERY, a != NULL ? (uint32_t)a->person : 0, (uint64_t)out->type, 0);
    switch (out->type) {
    case SERVICE_EXPELLED:
        ASSERT(a != NULL);
        if (!a->expelled) /* it is told again when a commit did not carry the Remove out */
            gathering_departed(g, a->person);
        a->expelled = true;
        if (g->conference->options.plant == PLANT_STAY)
            break;
        if (a->client != NULL && rng_below(&g->conference->rng, 2) == 0)
            a->client->stubborn = true;
        g->expelling = true;
        g->conference->keeps_media = g->conference->options.plant == PLANT_SOURCE;
        conference_expel(g->conference, span_str(g->room), out->identity);
        g->expelling = g->conference->keeps_media = false;
        break;
    case SERVICE_OVER:
        g->expelling = true;
        conference_room_end(g->conference, span_str(g->room));
        g->expelling = false;
        break;
    case SERVICE_ADMITTED: /* after a restart: the room was closed to it as long as its group was not there again */
        if (a != NULL && a->client != NULL)
            a->enters_again = true;
        break;
    case SERVICE_SEND:
    case SERVICE_HOLD:
    case SERVICE_CLOSE:
        break;
    }
}

/* ---- crashes ----------------------------------------------------------------------------------------------------- */

void gathering_crash(struct gathering *g, struct attendee *a) {
    struct conference *c = g->conference;
    a->should_be_in = false;
    assembly_crash(&g->assembly, a->person, US_PER_MS * 200 + rng_below(&c->rng, UNSEEN_MAX_US));
    if (a->client != NULL && a->client->used)
        conference_kill(c, a->client);
    g->figures.crashes++;
}

/* Does this person die here? The last three never do: somebody has to be there who carries on. */
static bool dies(struct gathering *g, int person, enum crash_at at) {
    if ((g->crash_at & at) == 0 || g->crashes_left == 0 || g->assembly.now_us < g->crash_not_before_us ||
        gathering_count(g) <= 3 || rng_below(&g->conference->rng, 2) == 0)
        return false;
    g->crashes_left--;
    g->crash_not_before_us = g->assembly.now_us + rng_below(&g->conference->rng, 2 * US_PER_S);
    gathering_crash(g, attendee_at(g, person));
    return true;
}

/* The sequence number of a message that has one. */
static uint64_t seq_of(struct span message) {
    struct reader r = reader_of_span(message);
    rd_skip(&r, 1);
    return rd_u64(&r);
}

static void say(const struct gathering *g, int person, const char *what, struct span message) {
    const struct conference *c = g->conference;
    if (c->options.verbose)
        printf("%9.4f p_%d %s %u (%zu bytes, %llu)\n", (double)(g->assembly.now_us - c->start_us) / 1e6, person, what,
               message.data[0], message.len, (unsigned long long)seq_of(message));
}

static void plant_free(struct attendee *a) {
    struct member *m = person_of(a)->member;
    if (a->hostile)
        return;
    mls_group_free(m->group);
    m->group = NULL;
}

static bool on_up(void *context, int person, struct span message) {
    struct gathering *g = context;
    say(g, person, "sends", message);
    conference_trace(g->conference, TRACE_GROUP_UP, (uint32_t)person, message.data[0], message.len);
    if (message.data[0] == WIRE_HELLO)
        attendee_at(g, person)->resumed_us = g->assembly.now_us;
    if (message.data[0] == WIRE_BAD && g->conference->options.plant == PLANT_FREE)
        plant_free(attendee_at(g, person));
    if (message.data[0] == WIRE_COMMIT)
        (void)dies(g, person, CRASH_COMMITTED); /* the message is on its way */
    return !(message.data[0] == WIRE_ACK && dies(g, person, CRASH_ENTERED));
}

/* `ready`: type, seq, epoch. */
static void note_ready(struct attendee *a, struct span message) {
    struct reader r = reader_of_span(message);
    rd_skip(&r, 9);
    uint64_t epoch = rd_u64(&r);
    if (reader_ok(&r) && epoch > a->ready_epoch)
        a->ready_epoch = epoch;
}

static bool plant_down(struct gathering *g, struct attendee *a, struct span message) {
    struct member *m = person_of(a)->member;
    uint32_t plant = g->conference->options.plant;
    uint8_t type = message.data[0];
    if (plant == PLANT_HASTE && m->next == NEXT_STAGED && m->next_apply_us == TIME_NEVER)
        m->next_apply_us = g->assembly.now_us; /* at the next tick, which something else brings */
    return !(plant == PLANT_HANG && a->person == 2 && (type == WIRE_READY || type == WIRE_WITHDRAWN) && a->keyed);
}

static bool on_down(void *context, int person, struct span message) {
    struct gathering *g = context;
    uint8_t type = message.data[0];
    say(g, person, "gets", message);
    conference_trace(g->conference, TRACE_GROUP_DOWN, (uint32_t)person, type, message.len);
    struct attendee *a = attendee_at(g, person);
    if (a->hostile && !gathering_hostile_down(g, person, message))
        return false;
    if (a->lied_to && g->lying && !gathering_lie(g, person, message))
        return false;
    if (!plant_down(g, a, message))
        return false;
    if (type == WIRE_READY)
        note_ready(a, message);
    if (g->conference->options.plant == PLANT_DEAF && person == 2 && attendee_at(g, person)->keyed)
        return false;
    return !(type == WIRE_COMMIT_NOW && dies(g, person, CRASH_NAMED)) &&
           !(type == WIRE_ACCEPTED && dies(g, person, CRASH_ACCEPTED));
}

/* ---- a part of the conference ------------------------------------------------------------------------------------ */

static uint64_t part_next_us(void *context) {
    const struct gathering *g = context;
    return assembly_next_us(&g->assembly);
}

static bool part_may_enter(void *context, struct span room, struct span identity) {
    struct gathering *g = context;
    if (g->conference->options.plant == PLANT_OPEN)
        return true;
    return g->assembly.service != NULL && span_equal_str(room, g->room) &&
           service_is_member(g->assembly.service, span_str(g->assembly.meeting), identity);
}

/* control is being drained: the delivery service hears of it in the next step */
static void part_expelled(void *context, struct span room, struct span identity) {
    struct gathering *g = context;
    ASSERT(span_equal_str(room, g->room) && g->out_of_control_count < ARRAY_LEN(g->out_of_control));
    bool fits = span_to_str(identity, g->out_of_control[g->out_of_control_count++], sizeof g->out_of_control[0]);
    ASSERT(fits);
}

static void part_media(void *context, const struct client *to, uint32_t shard, const struct engine_tx *tx) {
    gathering_check_media(context, to, shard, tx);
}

static void part_signal(void *context, const struct client *to) {
    gathering_check_signal(context, to);
}

/* The web client connects for media when the group has let it in. */
static void enter_room(struct gathering *g, struct attendee *a) {
    struct conference *c = g->conference;
    struct path_config path = {.delay_us = person_of(a)->delay_us / 2};
    if (g->lossy) {
        path.loss = 0.02 * rng_unit(&c->rng);
        path.jitter_us = rng_below(&c->rng, 10 * US_PER_MS);
    }
    struct client_options options = {.single_connection = rng_below(&c->rng, 2) == 0,
                                     .up = path,
                                     .down = path,
                                     .streams_max = STREAMS_MAX,
                                     .room_name = g->room,
                                     .identity = person_of(a)->identity,
                                     .crypt = &a->crypt};
    a->client = conference_join(c, &options);
}

static void publish(struct gathering *g, struct attendee *a) {
    struct participant_publish camera = {
        .video = true, .layers = 1, .width = 320, .height = 180, .fps = CAMERA_FPS, .frame_bytes = {CAMERA_BYTES}};
    a->publisher = true;
    enum mls_status status = member_track(person_of(a)->member, &g->assembly.rng, CAMERA_CONTEXT, 2, span_str("vp8"));
    ASSERT(status == MLS_OK);
    assembly_drain(&g->assembly, a->person);
    (void)conference_publish(g->conference, a->client, &camera);
}

static void put_out_again(struct gathering *g, struct attendee *a);

/* As the web client: it leaves the room, asks for a token again, and is somebody else. */
static void stay_again(struct gathering *g, struct attendee *a) {
    a->again = a->should_be_in = false;
    if (a->client != NULL && a->client->used)
        conference_kill(g->conference, a->client);
    (void)gathering_join(g);
}

static void look_after(struct gathering *g) {
    uint32_t publishers = 0;
    bool open_room = g->conference->options.plant == PLANT_OPEN;
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        struct attendee *a = &g->attendees[i];
        bool in = gathering_in(g, a);
        if (a->enters_again && in) {
            if (a->client != NULL && a->client->used)
                conference_kill(g->conference, a->client);
            a->client = NULL;
            a->publisher = a->enters_again = false;
        }
        if (a->client == NULL && ((in && a->keyed) || (open_room && a->should_be_in)))
            enter_room(g, a);
        if (a->again)
            stay_again(g, a);
        if (a->put_out_us != 0 && a->put_out_us <= g->assembly.now_us)
            put_out_again(g, a);
        publishers += in && a->publisher;
    }
    for (uint32_t i = 0; i < g->attendees_count && publishers < g->publishers_wanted; i++) {
        struct attendee *a = &g->attendees[i];
        if (!gathering_in(g, a) || a->publisher || a->client == NULL || !person_of(a)->up)
            continue;
        publish(g, a);
        publishers++;
    }
    for (uint32_t i = 0; i < g->out_of_control_count; i++) {
        struct service_now now = assembly_service_now(&g->assembly);
        service_expel(g->assembly.service, &now, span_str(g->assembly.meeting), span_str(g->out_of_control[i]));
    }
    g->out_of_control_count = 0;
}

static void part_step(void *context) {
    struct gathering *g = context;
    ASSERT(g->assembly.now_us <= g->conference->now_us);
    assembly_run(&g->assembly, g->conference->now_us - g->assembly.now_us);
    gathering_check_ghosts(g);
    gathering_misbehave(g);
    look_after(g);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

void gathering_begin(struct gathering *g, struct conference *c, uint16_t suite, uint8_t kind) {
    memset(g, 0, sizeof *g);
    g->conference = c;
    g->publishers_wanted = GATHERING_PUBLISHERS;
    g->used = calloc(GATHERING_USED_MAX, sizeof *g->used);
    ASSERT(g->used != NULL);
    assembly_begin_kind(&g->assembly, rng_u64(&c->rng), suite, kind);
    (void)snprintf(g->room, sizeof g->room, "%s%s", MEETING_ROOM_PREFIX, g->assembly.meeting);
    g->assembly.now_us = c->now_us;
    if (c->options.plant == PLANT_HANG)
        g->alarms_expected =
            1u << MEMBER_ALARM_ORDER | 1u << MEMBER_ALARM_COMMIT; /* it sees the gap, and what comes after it */
    g->assembly.blind = c->options.plant == PLANT_GHOST;
    g->assembly.watch =
        (struct assembly_watch){.context = g, .output = on_output, .service = on_service, .up = on_up, .down = on_down};
    g->part = (struct conference_part){.context = g,
                                       .next_us = part_next_us,
                                       .step = part_step,
                                       .may_enter = part_may_enter,
                                       .expelled = part_expelled,
                                       .media = part_media,
                                       .signal = part_signal};
    c->part = &g->part;
}

void gathering_end(struct gathering *g) {
    struct service_counters counters = *service_counters_get(g->assembly.service);
    g->figures.checks = counters.service_checks;
    g->figures.withdrawn = counters.service_withdrawn;
    g->figures.removes = counters.service_removes;
    g->figures.resyncs = counters.service_resyncs;
    g->conference->part = NULL;
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        struct attendee *a = &g->attendees[i];
        sframe_sender_end(&a->sender);
        sframe_receiver_end(&a->receiver);
        free(a->receiver_memory);
    }
    assembly_end(&g->assembly);
    free(g->used);
}

struct attendee *gathering_join(struct gathering *g) {
    int person = assembly_join(&g->assembly, g->attendees_count == 0 ? ASSEMBLY_OWNER : ASSEMBLY_GUEST);
    ASSERT((uint32_t)person == g->attendees_count && g->attendees_count < ASSEMBLY_PEOPLE_MAX);
    struct attendee *a = &g->attendees[g->attendees_count++];
    *a = (struct attendee){.gathering = g, .person = person, .should_be_in = true, .first_epoch = UINT64_MAX};
    a->receiver_memory = calloc(1, sframe_receiver_size(RECEIVER_KEYS_MAX));
    ASSERT(a->receiver_memory != NULL);
    sframe_sender_init(&a->sender, &crypto_openssl, GATHERING_SFRAME, &sframe_native);
    sframe_receiver_init(&a->receiver, a->receiver_memory, RECEIVER_KEYS_MAX, &crypto_openssl, GATHERING_SFRAME,
                         &sframe_native, &g->conference->rng);
    a->crypt = (struct participant_crypt){.context = a, .seal = seal_frame, .open = open_frame};
    return a;
}

void gathering_restart(struct gathering *g, uint64_t down_us) {
    conference_server_stop(g->conference);
    assembly_server_stop(&g->assembly);
    conference_run(g->conference, down_us);
    for (uint32_t i = 0; i < g->attendees_count; i++)
        g->attendees[i].may_come_again = true;
    g->restarted_us = g->assembly.now_us;
    assembly_server_start(&g->assembly);
    conference_server_start(g->conference);
}

void gathering_leave(struct gathering *g, struct attendee *a) {
    a->should_be_in = false;
    assembly_leave(&g->assembly, a->person);
}

void gathering_cut(struct gathering *g, struct attendee *a) {
    a->resumed_us = g->assembly.now_us;
    if (person_of(a)->up)
        assembly_cut(&g->assembly, a->person, false);
}

bool gathering_remove(struct gathering *g, struct attendee *a) {
    struct member_person whom;
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        struct attendee *by = &g->attendees[i];
        struct assembly_person *p = person_of(by);
        struct member_person self;
        if (by == a || !gathering_in(g, by) || !p->up || !member_person_find(p->member, span_str(p->identity), &self) ||
            !self.host || !member_person_find(p->member, span_str(person_of(a)->identity), &whom))
            continue;
        enum mls_status status = member_remove(p->member, g->assembly.now_us, ASSEMBLY_UNIX_S(&g->assembly),
                                               &g->assembly.rng, span_str(person_of(a)->identity));
        assembly_drain(&g->assembly, by->person);
        return status == MLS_OK;
    }
    return false;
}

void gathering_put_out(struct gathering *g, struct attendee *a) {
    a->should_be_in = false;
    a->put_out_us = g->assembly.now_us;
}

static void put_out_again(struct gathering *g, struct attendee *a) {
    if (a->expelled || a->removed || !assembly_present(person_of(a))) {
        a->put_out_us = 0;
        return;
    }
    a->put_out_us = g->assembly.now_us + REMOVE_AGAIN_US;
    if (!gathering_remove(g, a) && ++a->put_out_tries >= PUT_OUT_TRIES_MAX)
        gathering_leave(g, a);
}

void gathering_calm(struct gathering *g) {
    struct conference *c = g->conference;
    g->lossy = false;
    for (uint32_t i = 0; i < c->client_count; i++) {
        struct path_config up = {.delay_us = network_path(c->network, i, true)->delay_us};
        struct path_config down = {.delay_us = network_path(c->network, i, false)->delay_us};
        network_set(c->network, i, &up, &down);
    }
}

void gathering_switch_off(struct gathering *g) {
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        struct client *client = g->attendees[i].client;
        if (g->attendees[i].expelled && client != NULL && client->used && !client->over)
            conference_kill(g->conference, client);
    }
}

bool gathering_in(const struct gathering *g, const struct attendee *a) {
    const struct assembly_person *p = &g->assembly.people[a->person];
    return a->should_be_in && assembly_present(p) && member_state(p->member) == MEMBER_IN;
}

uint32_t gathering_count(const struct gathering *g) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->attendees_count; i++)
        count += gathering_in(g, &g->attendees[i]);
    return count;
}

struct attendee *gathering_any(struct gathering *g) {
    uint32_t count = gathering_count(g);
    if (count == 0)
        return NULL;
    uint64_t pick = rng_below(&g->conference->rng, count);
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        if (gathering_in(g, &g->attendees[i]) && pick-- == 0)
            return &g->attendees[i];
    }
    return NULL;
}
