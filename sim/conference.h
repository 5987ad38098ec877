/* A whole conference in one thread on a virtual clock: one server (control core and engines, wired by direct calls),
 * many participants (client/participant.h), the network between them, and somebody who watches.
 *
 *     scenario -> participants <-> network <-> server
 *                       \______ checker _____/
 *
 * A scenario adds participants, lets time pass (conference_run) and breaks things. The checker looks at every datagram
 * that the server sends, and every 100 ms at every stream that a participant receives:
 *
 *     media goes to nobody who is not (or no longer) in the room, nor   conference.c, server's side
 *     to one that has not been heard of for half a minute
 *     each stream is continuous and has one origin                      participant_stream.violations
 *     that origin is the publication that was subscribed, in this room  check.c
 *     what was unsubscribed or switched off falls silent                check.c
 *     queues and pools stay within their limits                         check.c
 *     once faults have ended, everybody gets everything again           conference_expect_media
 *     when all are gone, nothing is left                                conference_finish
 *
 * A failed check prints what is wrong, the last records of the trace and how to see it again, and ends the process with
 * 1: the runner gives each run a process of its own. */
#ifndef CONCLAVE_SIM_CONFERENCE_H
#define CONCLAVE_SIM_CONFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/time.h"
#include "base/trace.h"
#include "client/participant.h"
#include "media/engine.h"
#include "signal/control.h"
#include "sim/network.h"

#define CONFERENCE_CLIENTS_MAX 160
#define CONFERENCE_SHARDS_MAX 2
#define CONFERENCE_STREAMS_MAX 128
#define CONFERENCE_QUIET_MAX 32
/* All that happens within this span is handled at one time: inputs come to an engine in bursts, as from a socket. */
#define CONFERENCE_STEP_US 500
/* Without a sign of life a participant gets media for 30 s (consent, RFC 7675 section 5.1); the rest is timers. */
#define CONFERENCE_VANISHED_US (32 * US_PER_S)

enum canary {
    CANARY_NONE,
    CANARY_STAY, /* the engine never hears that somebody left: media flows on to a non-member */
    CANARY_SWAP, /* a sink gets another source of its room than the one subscribed */
    CANARY_DEAF, /* key frame requests and NACKs of receivers never arrive: nothing recovers */
    CANARY_LEAK, /* a source is never closed */
    CANARY_SKIP, /* the numbers towards receivers jump once */
    CANARY_LOUD, /* the engine never hears that a subscriber gave up a track or switched it off */
    CANARY_LOSE, /* some data packets to receivers get lost inside of the server */
};

#define CONFERENCE_EXIT_EXPECTED 3

struct sim_options {
    uint64_t seed;
    const char *scenario;
    enum canary canary;
    uint32_t plant; /* enum plant of sim/gathering.h */
    const char
        *expected; /* what a failure says that was planted: the process ends with CONFERENCE_EXIT_EXPECTED then */
    bool verbose;
};

struct client_track {
    uint16_t publication;
    bool video, muted;
};

struct quiet {
    char sid[PARTICIPANT_SID_LEN_MAX + 1];
    uint64_t since_us;
};

struct client {
    bool used;     /* has a participant object */
    bool vanished; /* killed: its object is gone, the server does not know */
    uint64_t vanished_us;
    bool departed;   /* the server took its goodbye: nothing may be sent to it */
    bool slow;       /* its path is too narrow for video: only sound is promised */
    bool subscribes; /* expects the media of the others */
    bool stubborn;   /* hears nothing any more, and goes on sending while its consent lasts */
    uint32_t index, node, room;
    char identity[32];
    struct participant *participant;
    void *memory;
    struct rng rng;
    uint32_t connection; /* WebSocket */
    uint64_t deadline_us;
    uint64_t violations;
    uint32_t joined_count, connected_count, resumed_count;
    bool over;
    int over_reason;
    struct client_track tracks[PARTICIPANT_TRACKS_MAX];
    struct quiet quiet[CONFERENCE_QUIET_MAX];
    uint32_t quiet_count;
    /* data: what it sent to whom, what it got */
    uint32_t data_sent_reliable, data_sent_lossy;
    uint32_t data_got[CONFERENCE_CLIENTS_MAX];  /* reliable, by sender */
    uint32_t data_last[CONFERENCE_CLIENTS_MAX]; /* newest reliable number, by sender */
    uint32_t data_got_lossy;
};

struct ws_binding {
    uint32_t session; /* 0 = none */
    uint32_t client;
};

struct server {
    bool running;
    struct control *control;
    struct engine *engines[CONFERENCE_SHARDS_MAX];
    void *engine_memory[CONFERENCE_SHARDS_MAX];
    size_t engine_len;
    struct engine_config engine_config;
    struct control_config control_config;
    struct rng rng;
    uint32_t tx_queue_high;
    struct engine_counters counters; /* summed over servers that were restarted */
    bool skipped;                    /* CANARY_SKIP has struck */
    uint32_t data_sent;
};

/* What an encrypted meeting adds (sim/gathering.h): a part of the world with its own deadlines on the same clock. */
struct conference_part {
    void *context;
    uint64_t (*next_us)(void *context);
    void (*step)(void *context);
    bool (*may_enter)(void *context, struct span room, struct span identity);
    /* control put somebody out of a meeting's room */
    void (*expelled)(void *context, struct span room, struct span identity);
    /* the server sends this RTP or RTCP now */
    void (*media)(void *context, const struct client *to, uint32_t shard, const struct engine_tx *tx);
    /* the server sends a signalling message now */
    void (*signal)(void *context, const struct client *to);
};

struct conference {
    struct sim_options options;
    const struct conference_part *part; /* NULL: none */
    struct rng rng;                     /* of the scenario's choices */
    uint64_t now_us, start_us;
    struct network *network;
    struct dtls_context *server_dtls, *client_dtls;
    struct server server;
    bool keeps_media; /* a planted bug: engines are not told what is closed now */
    uint32_t shards;
    struct client clients[CONFERENCE_CLIENTS_MAX];
    uint32_t client_count;
    struct ws_binding *ws;        /* by connection */
    uint32_t *session_connection; /* by session index */
    uint64_t check_us;
    uint64_t hash;
    struct trace trace;
    uint64_t datagrams;
    uint64_t frames_total, freeze_total_us, seen_streams;
};

struct client_options {
    uint32_t room;
    bool single_connection, adaptive_stream, dynacast;
    bool no_auto_subscribe;
    uint32_t streams_max; /* 0: CONFERENCE_STREAMS_MAX */
    /* of a meeting: its room, who it is there, sealing; NULL: by number, in clear */
    const char *room_name, *identity;
    const struct participant_crypt *crypt;
    struct path_config up, down;
};

void conference_init(struct conference *c, const struct sim_options *options, uint32_t shards);
void conference_free(struct conference *c);
/* A new participant joins now. */
struct client *conference_join(struct conference *c, const struct client_options *options);
/* Time passes. */
void conference_run(struct conference *c, uint64_t for_us);
void conference_leave(struct conference *c, struct client *client);
/* Vanishes without a word: process killed, phone out of power. */
void conference_kill(struct conference *c, struct client *client);
void conference_cut_socket(struct conference *c, struct client *client, uint64_t later_us);
/* The server dies and comes back without its state after a while. */
void conference_server_stop(struct conference *c);
void conference_server_start(struct conference *c);
/* The delivery service's word: out with this person, or with everybody. */
void conference_expel(struct conference *c, struct span room, struct span identity);
void conference_room_end(struct conference *c, struct span room);
uint16_t conference_publish(struct conference *c, struct client *client, const struct participant_publish *what);
void conference_unpublish(struct conference *c, struct client *client, uint16_t publication);
void conference_mute(struct conference *c, struct client *client, uint16_t publication, bool muted);
/* The participant must not get this track any more, from a moment after now on. */
void conference_quiet(struct conference *c, struct client *client, const char *track_sid);
void conference_not_quiet(struct client *client, const char *track_sid);
bool conference_send_data(struct conference *c, struct client *client, bool reliable, struct client *only_to);

/* ---- check.c ---------------------------------------------------------------------------------------------------- */

_Noreturn void conference_fail(struct conference *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_streams(struct conference *c);
void check_limits(struct conference *c);
/* Every participant that is there is connected and has had media from every live publication of its room within the
 * last `window_us`. */
void conference_expect_media(struct conference *c, uint64_t window_us);
/* Of the newest `numbers` of every stream that flows none is missing: on a network without loss a gap is one that the
 * server made. */
void conference_expect_whole(struct conference *c, uint32_t numbers);
/* Every reliable data packet that a connected participant sent arrived, in order, once. */
void conference_expect_data(struct conference *c);
/* Everybody leaves, time passes until the server has forgotten them, and nothing may be left in any pool. */
void conference_finish(struct conference *c);
void conference_trace(struct conference *c, uint32_t event, uint32_t object, uint64_t a, uint64_t b);
/* For a failure that does not come through conference_fail: an assert. */
void conference_print_trace(const struct conference *c);

enum trace_event {
    TRACE_DATAGRAM_UP = 1 << 16,
    TRACE_DATAGRAM_DOWN,
    TRACE_WS_OPEN,
    TRACE_WS_UP,
    TRACE_WS_DOWN,
    TRACE_WS_CLOSED,
    TRACE_COMMAND,
    TRACE_ENGINE_EVENT,
    TRACE_CLIENT_EVENT,
    TRACE_SCRIPT,
    TRACE_MEMBER,
    TRACE_DELIVERY,
    TRACE_GROUP_UP,
    TRACE_GROUP_DOWN,
};

/* ---- scenario.c ------------------------------------------------------------------------------------------------- */

struct scenario {
    const char *name, *what;
    uint32_t weight; /* seeds are shared out by it */
    void (*run)(struct conference *c);
};

extern const struct scenario scenarios[];
extern const uint32_t scenarios_count;
/* Of one of the two tables, this one or that of sim/gathering.h. */
const struct scenario *scenario_of_seed(const struct scenario *table, uint32_t count, uint64_t seed);

/* ---- entropy.c: OpenSSL's randomness from a seed ------------------------------------------------------------------
 */

void entropy_install(uint64_t seed);

#endif
