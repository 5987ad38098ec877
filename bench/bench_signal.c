/* What the control core's work takes, beside the prices that are charged for it (WORK_*_NS of src/signal/internal.h).
 *
 *     bench_signal [tests/vectors/sdp/chromium-publish-svc-and-screen.sdp]
 *
 * Processor time of one thread, so that a busy machine does not matter. Each row repeats one kind of request and sets the
 * time that it took against what it charged. A message costs its socket besides, which has rows of its own. A price is good when it is a little above, and wrong when it is off by more than twice. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "signal/internal.h"

#define PEOPLE 200u
#define START_US (1000 * US_PER_S)
#define UNIX_US (UINT64_C(1700000000) * US_PER_S)

static struct control *control;
static struct rng rng;
static uint64_t now_us = START_US;
static uint32_t sessions[PEOPLE + 2];

static double cpu_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void drain(void) {
    struct control_output out;
    while (control_poll(control, &out)) {
        if (out.type == CONTROL_CLOSE)
            control_session_closed(control, now_us, out.session);
    }
}

/* Debts are paid between two rounds, so that nothing waits or is refused. */
static void rest(void) {
    now_us += 60 * US_PER_S;
    memset(control->debts, 0, sizeof control->debts);
    LIST_EACH(&control->rooms.list, struct room, node, room) {
        room->work_us = 0;
        LIST_EACH(&room->participants, struct participant, node, participant) {
            struct session *session = peer_of(participant)->session;
            if (session != NULL) {
                session->work_us = session->budget_us = 0;
                session->seen_us = now_us;
            }
        }
    }
}

static uint32_t join(const char *identity, const char *room, const char *more) {
    static char bearer[4096] = "Bearer ";
    char query[256];
    struct control_token_request request = {.identity = identity,
                                            .room = room,
                                            .ttl_s = 86400,
                                            .can_publish = true,
                                            .can_subscribe = true,
                                            .can_publish_data = true,
                                            .room_create = true,
                                            .can_update_own_metadata = true};
    struct writer w = writer_of(bearer + 7, sizeof bearer - 8);
    bool fits = control_token_make(control, UNIX_US, &request, &w);
    ASSERT(fits);
    bearer[7 + w.len] = 0;
    (void)snprintf(query, sizeof query, "protocol=17&sdk=js%s", more);
    struct control_http_request http = {.method = span_str("GET"),
                                        .path = span_str("/rtc"),
                                        .query = span_str(query),
                                        .authorization = span_str(bearer)};
    struct control_http_reply reply;
    uint32_t session = control_session_open(control, now_us, UNIX_US, &http, &reply);
    ASSERT(session != 0);
    return session;
}

static void say(uint32_t session, const Livekit__SignalRequest *request) {
    static uint8_t bytes[2u << 20];
    size_t len = livekit__signal_request__pack(request, bytes);
    control_session_message(control, now_us, UNIX_US, session, span_of(bytes, len), false);
}

struct row {
    const char *what;
    double took_ns, units;
    uint64_t charged_before_ns, charged_ns;
    double begun_ns;
};

static void begin(struct row *row) {
    row->charged_before_ns = control->work_ns;
    row->begun_ns = cpu_ns();
}

static void end(struct row *row, double units) {
    drain();
    row->took_ns += cpu_ns() - row->begun_ns;
    row->charged_ns += control->work_ns - row->charged_before_ns;
    row->units += units;
    rest();
}

static void print(const struct row *row) {
    printf("%-46s %9.0f %9.0f   %5.2f\n", row->what, row->took_ns / row->units, (double)row->charged_ns / row->units,
           (double)row->charged_ns / row->took_ns);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void joins(void) {
    struct row alone = {.what = "a join into an empty room, and the end"},
               full = {.what = "a join into a room of 200, and the end"};
    for (int i = 0; i < 200; i++) {
        begin(&alone);
        uint32_t session = join("guest", "empty", "");
        control_session_closed(control, now_us, session);
        end(&alone, 1);
        begin(&full);
        session = join("guest", "tea", "");
        control_session_closed(control, now_us, session);
        end(&full, 1);
    }
    print(&alone);
    print(&full);
}

static void updates(size_t len, const char *what) {
    struct row row = {.what = what};
    char *text = malloc(len + 1);
    ASSERT(text != NULL);
    memset(text, 'x', len);
    text[len] = 0;
    Livekit__SignalRequest request;
    Livekit__UpdateParticipantMetadata update;
    livekit__signal_request__init(&request);
    livekit__update_participant_metadata__init(&update);
    update.metadata = text;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_METADATA;
    request.update_metadata = &update;
    for (int i = 0; i < 100; i++) {
        text[0] = (char)('a' + i % 26);
        begin(&row);
        say(sessions[0], &request);
        end(&row, PEOPLE);
    }
    print(&row);
    free(text);
}

static void pings(void) {
    struct row row = {.what = "a ping and its answer"};
    Livekit__SignalRequest request;
    livekit__signal_request__init(&request);
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING;
    request.ping = 1;
    for (int i = 0; i < 200; i++) {
        begin(&row);
        for (int k = 0; k < 100; k++)
            say(sessions[0], &request);
        end(&row, 100);
    }
    print(&row);
}

static void lists(void) {
    struct row row = {.what = "a name in a list of 4000"};
    static char names[4000][16], *sids[4000];
    Livekit__SignalRequest request;
    Livekit__UpdateTrackSettings settings;
    livekit__signal_request__init(&request);
    livekit__update_track_settings__init(&settings);
    for (size_t i = 0; i < ARRAY_LEN(sids); i++) {
        (void)snprintf(names[i], sizeof names[i], "TR_%zu", i);
        sids[i] = names[i];
    }
    settings.n_track_sids = ARRAY_LEN(sids);
    settings.track_sids = sids;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING;
    request.track_setting = &settings;
    for (int i = 0; i < 50; i++) {
        begin(&row);
        say(sessions[0], &request);
        end(&row, ARRAY_LEN(sids));
    }
    print(&row);
}

static void attributes(void) {
    struct row row = {.what = "an attribute compared with another"};
    enum { COUNT = ROOM_ATTRIBUTES_MAX };
    static char keys[COUNT][16], values[2][2] = {"a", "b"};
    static Livekit__UpdateParticipantMetadata__AttributesEntry entries[COUNT], *list[COUNT];
    Livekit__SignalRequest request;
    Livekit__UpdateParticipantMetadata update;
    livekit__signal_request__init(&request);
    livekit__update_participant_metadata__init(&update);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "attribute-%d", i);
        livekit__update_participant_metadata__attributes_entry__init(&entries[i]);
        entries[i].key = keys[i];
        list[i] = &entries[i];
    }
    update.n_attributes = COUNT;
    update.attributes = list;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_METADATA;
    request.update_metadata = &update;
    uint32_t session = join("alone", "alone", "");
    for (int i = 0; i < 300; i++) {
        for (int k = 0; k < COUNT; k++)
            entries[k].value = values[i % 2];
        begin(&row);
        say(session, &request);
        end(&row, i == 0 ? 1 : 2.0 * COUNT * COUNT);
    }
    print(&row);
}

static void pairs(void) {
    struct row row = {.what = "a subscriber and a track looked at"};
    struct room *room = room_find(&control->rooms, "tea");
    struct participant *first = NULL, *watcher;
    uint32_t session = join("watcher", "tea", "&auto_subscribe=0");
    drain();
    watcher = participant_find(room, "watcher");
    LIST_EACH(&room->participants, struct participant, node, participant) {
        if (participant == watcher)
            continue;
        first = first != NULL ? first : participant;
        for (int k = 0; k < 4; k++)
            track_open(participant, ROOM_AUDIO)->published = true;
    }
    for (int i = 0; i < 100; i++) {
        begin(&row);
        subscribe_update_participant(watcher);
        end(&row, 4.0 * PEOPLE);
    }
    print(&row);
    control_session_closed(control, now_us, session);
    drain();
}

static void commands(void) {
    struct row row = {.what = "a command to an engine"};
    struct engine_command command = {.type = ENGINE_SINK_SETTINGS, .object = 1};
    for (int i = 0; i < 1000; i++) {
        begin(&row);
        for (int k = 0; k < 100; k++)
            output_command(control, 0, &command, NULL);
        end(&row, 100);
    }
    print(&row);
}

static void descriptions(const char *path) {
    static char text[1 << 18];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        printf("(no description at %s)\n", path);
        return;
    }
    size_t len = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[len] = 0;
    struct row row = {.what = "a byte of a description"};
    Livekit__SignalRequest request;
    Livekit__SessionDescription description;
    livekit__signal_request__init(&request);
    livekit__session_description__init(&description);
    description.type = (char *)(uintptr_t) "offer";
    description.sdp = text;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER;
    request.offer = &description;
    uint64_t failed = control->counters.negotiations_failed;
    for (uint32_t i = 1; i <= 200; i++) {
        description.id = i;
        begin(&row);
        say(sessions[1], &request);
        end(&row, (double)len);
    }
    print(&row);
    ASSERT(control->counters.negotiations_failed == failed);
}

/* A connection over loopback, where the sender does the receiver's part of TCP as well: more than a network card takes. */
static void sockets(size_t len, const char *what) {
    static uint8_t bytes[4096];
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t name_len = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    bool good = bind(listener, (struct sockaddr *)&name, sizeof name) == 0 && listen(listener, 1) == 0 &&
                getsockname(listener, (struct sockaddr *)&name, &name_len) == 0 &&
                connect(client, (struct sockaddr *)&name, sizeof name) == 0;
    int server = good ? accept(listener, NULL, NULL) : -1;
    ASSERT(server >= 0 && setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    double took_ns = 0;
    for (int i = 0; i < 20000; i++) {
        double begun_ns = cpu_ns();
        ssize_t sent = send(server, bytes, len, 0);
        took_ns += cpu_ns() - begun_ns;
        ASSERT(sent == (ssize_t)len && recv(client, bytes, len, MSG_WAITALL) == (ssize_t)len);
    }
    printf("%-46s %9.0f\n", what, took_ns / 20000);
    (void)close(server), (void)close(client), (void)close(listener);
}

int main(int argc, char **argv) {
    struct control_config config = control_config_default();
    static const struct control_key key = {.key = "key", .secret = "a secret of thirty-two characters"};
    config.keys = control_keys_local(&key, 1);
    rng = rng_seeded(1);
    control = control_create(&config, &rng, now_us, UNIX_US);
    ASSERT(control != NULL);
    for (uint32_t i = 0; i < PEOPLE; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "person-%u", i);
        sessions[i] = join(name, "tea", "");
        drain();
        rest();
    }
    printf("%-46s %9s %9s   %5s\n", "", "took, ns", "charged", "ratio");
    joins();
    pings();
    updates(10, "a short message to one of 200");
    updates(4000, "4 kB to one of 200");
    lists();
    attributes();
    descriptions(argc > 1 ? argv[1] : "tests/vectors/sdp/chromium-publish-svc-and-screen.sdp");
    commands();
    pairs();
    sockets(200, "beside it: 200 bytes to a socket");
    sockets(4000, "beside it: 4 kB to a socket");
    return 0;
}
