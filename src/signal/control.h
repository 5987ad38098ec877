/* The control core: every room of one server and everybody who signals to it, sans-IO.
 *
 *     WebSocket sessions, HTTP requests           engine commands, frames to sessions, webhooks
 *        server (io) ------------------>  control  ------------------> server (io) -> media threads
 *                                          ^
 *                                          | engine events
 *                                     media threads
 *
 * It speaks the LiveKit client protocol towards clients (signal/), keeps rooms, participants, tracks, subscriptions and
 * permissions (room/), makes offers and answers, and tells the media engines what to do (media/engine.h). It runs in
 * one thread, makes no system call, and is given the time and randomness. It may allocate, within the limits of struct
 * control_config.
 *
 * The law: after any input or tick, call control_poll until it answers false. Outputs are in the order in which they
 * must be carried out; an output's spans are valid until the next call of control_poll.
 *
 * Time: `now_us` monotonic; `unix_us` wall clock, for tokens and timestamps only. Threads: none. */
#ifndef CONCLAVE_SIGNAL_CONTROL_H
#define CONCLAVE_SIGNAL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"
#include "base/net.h"
#include "media/engine.h"

struct rng;
struct control;

#define CONTROL_KEYS_MAX 16       /* API keys of one server */
#define CONTROL_CANDIDATES_MAX 16 /* host candidates advertised: addresses x {udp, tcp} */
#define CONTROL_SHARDS_MAX 64
#define CONTROL_WEBHOOKS_MAX 8
/* One signalling message, either way: SDP of a 50-person room is ~200 kB. */
#define CONTROL_MESSAGE_LEN_MAX (2u << 20)
/* Lists of participants go on in another message after so much: a room's metadata may be many times one message. */
#define CONTROL_LIST_LEN_MAX (512u << 10)
/* The join request after decompression: a gzip bomb stops here. */
#define CONTROL_JOIN_REQUEST_LEN_MAX (1u << 20)
/* Messages that may wait for one session, here between two polls and in the server for a client that does not read:
 * beyond it the session is closed. A join into a room of a thousand is half a megabyte. */
#define CONTROL_SESSION_QUEUE_LEN_MAX (8u << 20)

#define CONTROL_KEY_NAME_LEN_MAX 64
#define CONTROL_KEY_SECRET_LEN_MAX 256

/* An API key, where its secret is at hand. */
struct control_key {
    char key[CONTROL_KEY_NAME_LEN_MAX + 1];
    char secret[CONTROL_KEY_SECRET_LEN_MAX + 1]; /* UTF-8 bytes are the HMAC key */
};

/* API keys by name, and who knows their secrets: the core has none, so that a server can keep them in a process of their
 * own (server/keeper.h). `mac` is the HMAC-SHA-256 of `text` under the secret of key `index`; false when there is no
 * answer, which no token outlives. It may wait, but not for a peer. */
struct control_keys {
    uint32_t count;
    char names[CONTROL_KEYS_MAX][CONTROL_KEY_NAME_LEN_MAX + 1];
    bool (*mac)(void *context, uint32_t index, struct span text, uint8_t mac[32]);
    void *context;
};
/* Secrets that are at hand, for tools and tests; `keys` outlives what is made of it. */
struct control_keys control_keys_local(const struct control_key *keys, uint32_t count);

struct control_config {
    struct control_keys keys;                           /* webhooks are signed with the first */
    struct net_addr candidates[CONTROL_CANDIDATES_MAX]; /* with port and proto */
    uint32_t candidates_count;
    char dtls_fingerprint[96];                       /* "AB:CD:..", SHA-256, of the engines' certificate */
    uint32_t shards;                                 /* engines: events and commands carry 0 .. shards - 1 */
    uint32_t transports_max, sources_max, sinks_max; /* of each engine */
    uint32_t sessions_max;
    uint32_t rooms_max;
    uint32_t participants_max; /* of one room; 0 = only the other limits */
    uint32_t tracks_per_participant_max;
    uint32_t room_name_len_max, identity_len_max;  /* 256, 256 */
    uint32_t metadata_len_max, attributes_len_max; /* 512 kB, 64 kB */
    uint32_t empty_timeout_s, departure_timeout_s; /* 300, 20 */
    bool auto_create;
    bool enable_remote_unmute;
    uint32_t ping_interval_s, ping_timeout_s; /* 5, 15 */
    bool webhooks;                            /* make CONTROL_WEBHOOK outputs: the server has somewhere to send them */
    char node_id[33];
    char region[33];
    /* Rooms with this prefix are Conclave meetings, end-to-end encrypted by the group that their members keep
     * (delivery/service.h): WHIP, WHEP and the room API may not touch them; nobody enters whom `may_enter` does not
     * know; data packets, names, metadata, attributes and tracks without encryption are refused. */
    char meeting_room_prefix[17];
    /* Is this identity a member of the group of the meeting with this room? NULL: nobody is. */
    bool (*may_enter)(void *context, struct span room, struct span identity);
    void *may_enter_context;
};

struct control_config control_config_default(void);
/* NULL only when memory is short. The config is copied. `rng` must be fit for secrets and outlive the core. */
struct control *control_create(const struct control_config *config, struct rng *rng, uint64_t now_us, uint64_t unix_us);
void control_destroy(struct control *control);

/* ---- HTTP -------------------------------------------------------------------------------------------------------- */

/* A request that the server hands on: /rtc, /rtc/v1 and their /validate, /whip/v1.., /whep/v1.., /twirp/... */
struct control_http_request {
    struct span method;        /* "GET" */
    struct span path;          /* decoded, without query, leading // reduced to / */
    struct span query;         /* raw, after the '?' */
    struct span authorization; /* the header's value, empty without */
    struct span content_type;
    struct span if_match;
    struct span body;       /* at most CONTROL_MESSAGE_LEN_MAX, whole */
    bool tls;               /* came over TLS (makes absolute URLs) */
    struct net_addr source; /* whom shares count, as http_source_of says; family 0 = nobody */
};

#define CONTROL_HTTP_LOCATION_LEN_MAX 256
struct control_http_reply {
    uint16_t status;
    char content_type[64];
    char location[CONTROL_HTTP_LOCATION_LEN_MAX]; /* empty = no header */
    char etag[64];                                /* empty = no header; with quotes */
    char accept_patch[64];
    char accept_post[64]; /* Accept-Post, empty = no header */
    bool authenticate;    /* WWW-Authenticate: Bearer (RFC 6750 section 3) */
    struct span body;     /* valid until the next call into control */
};

/* Answers synchronously. CORS headers are the server's business: the same for every reply. */
void control_http(struct control *control, uint64_t now_us, uint64_t unix_us,
                  const struct control_http_request *request, struct control_http_reply *reply);
/* Whose access token a request bears, checked as for /rtc. False, with the refusal in `reply`, when it has none that is
 * good, or it names no room or identity. */
#define CONTROL_WHO_LEN_MAX 256
struct control_who {
    char room[CONTROL_WHO_LEN_MAX + 1], identity[CONTROL_WHO_LEN_MAX + 1];
};
bool control_who(struct control *control, uint64_t unix_us, const struct control_http_request *request,
                 struct control_who *out, struct control_http_reply *reply);
/* Does control serve this path (else the server's own routes do)? */
bool control_http_route(struct span path);

/* ---- WebSocket sessions ------------------------------------------------------------------------------------------ */

/* A client asks to upgrade at /rtc or /rtc/v1. On success answers a session handle (never 0); the join or reconnect
 * message follows by control_poll. Otherwise 0 and `reply` says which HTTP status and text to refuse with. */
uint32_t control_session_open(struct control *control, uint64_t now_us, uint64_t unix_us,
                              const struct control_http_request *request, struct control_http_reply *reply);
/* One whole message. Oversized messages are refused by the server before this (CONTROL_MESSAGE_LEN_MAX). */
void control_session_message(struct control *control, uint64_t now_us, uint64_t unix_us, uint32_t session,
                             struct span message, bool text);
/* The connection is gone, whoever closed it. Stale handles are ignored. Every successful open has exactly one of these.
 */
void control_session_closed(struct control *control, uint64_t now_us, uint32_t session);

/* Puts a participant out of a room, at once: nothing is forwarded to or from it any more. Unknown names are ignored. */
void control_expel(struct control *control, uint64_t now_us, struct span room, struct span identity);
/* Ends a room for everybody in it. */
void control_room_end(struct control *control, uint64_t now_us, struct span room);

/* ---- engines, time ----------------------------------------------------------------------------------------------- */

void control_engine_event(struct control *control, uint64_t now_us, uint64_t unix_us, uint32_t shard,
                          const struct engine_event *event);
/* So many bytes of commands the way to this engine takes now; reliable data beyond it waits. Without this call: any
 * number. Before control_poll, as often as it may have changed. */
void control_data_room(struct control *control, uint32_t shard, size_t bytes);
void control_tick(struct control *control, uint64_t now_us, uint64_t unix_us);
uint64_t control_next_deadline_us(const struct control *control);
/* The server is going down: every participant gets leave(SERVER_SHUTDOWN), every session is closed; new ones get 503.
 */
void control_shutdown(struct control *control, uint64_t now_us);
/* While it drains, no room begins (503); rooms that are there go on, and take who comes. Rooms of meetings begin when their
 * group lets somebody in (may_enter), which is asked before. */
void control_drain(struct control *control, bool draining);

/* ---- outputs ----------------------------------------------------------------------------------------------------- */

enum control_output_type {
    CONTROL_SEND,     /* message to a session */
    CONTROL_CLOSE,    /* send what is queued, then close the session with `code`; control_session_closed follows */
    CONTROL_COMMAND,  /* to engine `shard` */
    CONTROL_EXPELLED, /* `message` is the room of a meeting, `authorization` the identity of somebody who was put out of
                       * it for breaking limits, and must not come back */
    CONTROL_WEBHOOK, /* POST `message` (application/webhook+json) with `authorization` to every configured URL, in order
                      */
};

struct control_output {
    enum control_output_type type;
    uint32_t session;
    uint32_t shard;
    bool text;
    uint16_t code;
    struct span message; /* SEND, WEBHOOK; for COMMAND the payload */
    struct span authorization;
    struct engine_command command;
};

bool control_poll(struct control *control, struct control_output *out);

/* ---- for meetings ------------------------------------------------------------------------------------------------ */

struct control_token_request {
    const char *identity, *name, *room;
    const char *metadata; /* NULL = none */
    uint32_t ttl_s;
    bool can_publish, can_subscribe, can_publish_data, room_admin, room_create, room_list, hidden,
        can_update_own_metadata;
};
/* Writes a signed access token with the first configured key. False when it does not fit. */
bool control_token_make(const struct control *control, uint64_t unix_us, const struct control_token_request *request,
                        struct writer *out);
/* The same for the `token` command, without a control core. */
bool token_sign(const struct control_keys *keys, uint32_t index, uint64_t unix_us,
                const struct control_token_request *request, struct writer *out);

/* ---- insight ----------------------------------------------------------------------------------------------------- */

#define CONTROL_COUNTERS(X)                                                                                            \
    X(sessions_opened, "signalling sessions accepted")                                                                 \
    X(sessions_refused, "signalling sessions refused")                                                                 \
    X(tokens_refused, "access tokens refused")                                                                         \
    X(messages_in, "signalling messages received")                                                                     \
    X(messages_out, "signalling messages sent")                                                                        \
    X(messages_bad, "signalling messages that could not be parsed")                                                    \
    X(joins, "participants joined")                                                                                    \
    X(resumes, "sessions resumed")                                                                                     \
    X(resumes_refused, "resumes answered with a full reconnect")                                                       \
    X(data_packets, "data packets forwarded")                                                                          \
    X(data_dropped, "data packets dropped")                                                                            \
    X(data_rationed, "lossy data packets dropped because their sender had its share of the thread")                    \
    X(data_slow_ended, "participants put out because senders waited for them to take reliable data")                   \
    X(data_holes, "participants put out because an engine could not take reliable data for them")                      \
    X(limit_refused, "requests refused because of a limit")                                                            \
    X(room_share_refused, "transports, tracks and subscriptions refused because their room had its share")             \
    X(messages_waited, "messages that waited because their session or room had its share of the thread")               \
    X(queue_overrun, "sessions closed because too many messages waited for them")                                      \
    X(messages_too_long, "messages not sent because they were longer than a message may be")                           \
    X(meeting_entry_refused, "sessions and validations refused because the person is not in the meeting's group")      \
    X(meeting_clear_refused, "data packets, names, metadata and unencrypted tracks refused in meetings")               \
    X(engine_refused, "commands that an engine refused")                                                               \
    X(negotiations_failed, "descriptions refused, and negotiations that timed out")                                    \
    X(events_stale, "engine events about objects that no longer exist")
COUNTERS_DEFINE(control_counters, CONTROL_COUNTERS)

struct control_gauges {
    uint32_t rooms, participants, sessions, tracks, subscriptions, whip_resources;
};

void control_counters_get(const struct control *control, struct control_counters *out);
void control_gauges_get(const struct control *control, struct control_gauges *out);

#endif
