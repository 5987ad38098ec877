/* A control core with clients and an engine that are only pretended, for tests.
 *
 * Outputs are carried out as they come: messages are decoded into the logs of their clients, commands are checked
 * against the rules that a real engine has (handles taken once, sinks between a source and a transport of one room) and
 * kept. */
#ifndef CONCLAVE_TESTS_SIGNAL_HARNESS_H
#define CONCLAVE_TESTS_SIGNAL_HARNESS_H

#include "unit.h"

#include "base/rng.h"
#include "base/time.h"
#include "protocol/sdp.h"
#include "signal/control.h"
#include "signal/livekit.pb-c.h"

#define CLIENTS_MAX 64
#ifndef OBJECTS_MAX
#define OBJECTS_MAX 4096
#define LOG_MAX 512
#endif

struct client {
    const char *identity;
    uint32_t session;
    bool closed; /* the core closed it */
    uint16_t code;
    Livekit__SignalResponse *log[LOG_MAX];
    size_t count;
    char sid[32];
    char ufrag[16];    /* of its descriptions */
    uint32_t answered; /* id of the last offer it answered */
};

enum object_kind { OBJECT_NONE, OBJECT_TRANSPORT, OBJECT_SOURCE, OBJECT_SINK };

struct object {
    enum object_kind kind;
    uint32_t handle;
    uint64_t room;
    uint32_t transport, source;
    struct engine_transport_open transport_open;
    struct engine_transport_remote remote;
    struct engine_source_open source_open;
    struct engine_sink_open sink_open;
    struct engine_sink_settings settings;
    bool has_remote, has_settings, muted;
    uint32_t restarts;
    uint64_t given_bytes, released_bytes; /* charges of reliable data sent to it, and given back of what it sent */
};

struct sent_data {
    uint32_t transport;
    char label[ENGINE_LABEL_LEN_MAX + 1];
    uint8_t *bytes;
    size_t len;
};

struct world {
    struct control *control;
    struct rng rng;
    uint64_t now_us, unix_us;
    struct client clients[CLIENTS_MAX];
    struct object objects[3][OBJECTS_MAX]; /* by kind - 1 and pool index */
    struct sent_data data[LOG_MAX];
    size_t data_count;
    char *webhooks[LOG_MAX];
    size_t webhooks_count;
    char *expelled; /* "room identity" of the last CONTROL_EXPELLED */
    uint32_t keyframes, settings_sent;
    uint32_t sinks_opened, sources_opened; /* in all */
};

#define KEY "devkey"
#define SECRET "a secret of thirty-two characters"

struct control_config test_config(void);
struct world *world_start(const struct control_config *config);
/* Everybody leaves, the core is destroyed (which asserts that nothing is left over). */
void world_stop(struct world *world);
void drain(struct world *world);
/* Lets time pass, ticking as often as the core asks for. */
void pass(struct world *world, uint64_t us);

/* A token made by hand: `video` is the JSON of the grant, `more` further claims with a leading comma, or "". */
char *token_with(const struct world *world, const char *identity, const char *video, const char *more);
char *token_for(const struct world *world, const char *identity, const char *room);

struct control_http_reply http(struct world *world, const char *method, const char *path, const char *query,
                               const char *token, const char *type, const char *if_match, struct span body);

/* Joins at /rtc; `more` are further query parameters ("&adaptive_stream=1"). NULL when it is refused. */
struct client *join_v0(struct world *world, const char *identity, const char *room, const char *more);
struct client *join_with_token(struct world *world, const char *identity, const char *token, const char *more);
struct client *join_v1(struct world *world, const char *identity, const char *room, const char *offer);
struct client *resume_v0(struct world *world, const struct client *before, const char *room);
void send_request(struct world *world, struct client *client, const Livekit__SignalRequest *request);
void send_text_offer(struct world *world, struct client *client, const char *sdp, uint32_t id);
void leave(struct world *world, struct client *client);
void lose(struct world *world, struct client *client);

/* Messages of one kind in a client's log. */
size_t count_of(const struct client *client, Livekit__SignalResponse__MessageCase which);
Livekit__SignalResponse *last_of(const struct client *client, Livekit__SignalResponse__MessageCase which);
/* The newest information about a participant in updates; NULL when there was none. */
Livekit__ParticipantInfo *info_of(const struct client *client, const char *identity);
void forget(struct client *client);

/* Answers the newest offer, when there is a new one; taking only VP8 and opus, or without video when `audio_only`. */
bool answer_offer(struct world *world, struct client *client, bool audio_only);
/* Announces a track and offers it: one connection per client, sections pile up in `offer`. */
struct offer {
    struct section_wish {
        bool video, active, encrypted, recvonly;
        char cid[40];
        const char *rids; /* "q;h;f" or NULL */
    } sections[40];
    size_t count;
    uint32_t id;
    uint32_t ice; /* counts restarts */
};
char *offer_text(const struct offer *offer);
void add_track(struct world *world, struct client *client, const char *cid, bool video, bool encrypted);
/* add_track, a section for it, the offer; answers the track's sid. */
const char *publish(struct world *world, struct client *client, struct offer *offer, const char *cid, bool video);

/* Engine events. */
void transport_state(struct world *world, uint32_t transport, enum engine_transport_state state);
void connect_all(struct world *world);
void channel_open(struct world *world, uint32_t transport);
void channel_message(struct world *world, uint32_t transport, const char *label, struct span bytes);
size_t objects_of(const struct world *world, enum object_kind kind);
struct object *object_at(struct world *world, enum object_kind kind, uint32_t handle);
struct object *nth_object(struct world *world, enum object_kind kind, size_t n);

char *read_vector(const char *name);
void parse_sdp(const char *text, struct sdp *out);

/* Joined at /rtc, subscriber connection answered, everything connected. */
struct client *ready(struct world *world, const char *identity, const char *room, const char *more);
/* Time for offers to go out, be answered and take effect. */
void settle(struct world *world);

#endif
