/* Meeting links without storage, and how often strangers may ask.
 *
 * A meeting is a link. Its id is base64url(random ‖ tag): 16 random bytes and the first 8 bytes of
 * HMAC-SHA-256(server secret, "conclave meeting v1" ‖ random). 128 random bits cannot be guessed; the tag lets the server tell
 * its own links from invented ones without remembering any: an unknown id costs a hash and no memory, and links
 * outlive a restart. The tag is no password: who has the link may come in.
 *
 * Budgets. Token buckets per client (an IPv4 address or an IPv6 /64) for meetings made, joins, and wrong links. The table has
 * room for MEETING_CLIENTS_MAX clients; when it is full the one heard of longest ago makes room, which gives a flood of
 * addresses nothing that it does not have already: each address has a full budget of its own.
 *
 *     meeting_init       secret, budgets
 *     meeting_request    one request of the meeting API, answered at once
 *
 * API, JSON, for the web client of the same origin:
 *     POST /api/v1/meetings             201 {"id","path","suite","file_len_max"}
 *     GET  /api/v1/meetings/<id>        200 {"id","status":"open","suite","file_len_max"}
 *     POST /api/v1/meetings/<id>/join   200 {"token","identity","url":""}
 *     errors                            4xx, 5xx {"error","message"}
 *
 * `suite` is the number of the MLS suite that the meeting's group has to have. What a request says in its body is ignored: names
 * are between the members of the group, and no token has one.
 *
 * Sans-IO; allocates only inside the JSON library, within MEETING_REPLY_LEN_MAX. Threads: none. */
#ifndef CONCLAVE_MEETING_MEETING_H
#define CONCLAVE_MEETING_MEETING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"
#include "base/map.h"
#include "base/net.h"
#include "signal/control.h"

struct rng;

#define MEETING_SECRET_LEN 32
#define MEETING_RANDOM_LEN 16
#define MEETING_TAG_LEN 8
/* base64url of 24 bytes. */
#define MEETING_ID_LEN 32
/* Rooms of meetings; the control core keeps WHIP and the room API out of them. */
#define MEETING_ROOM_PREFIX "cm_"
#define MEETING_ROOM_LEN (3 + MEETING_ID_LEN)
#define MEETING_BODY_LEN_MAX 4096
#define MEETING_CLIENTS_MAX 16384
/* Long enough to reconnect through a bad quarter of an hour; the session refreshes it. */
#define MEETING_TOKEN_TTL_S 600
#define MEETING_REPLY_LEN_MAX 4096

#define MEETING_COUNTERS(X)                                                                                            \
    X(meetings_made, "meeting links made")                                                                             \
    X(meetings_found, "meeting links asked about and found")                                                           \
    X(meetings_unknown, "meeting links asked about that this server did not make")                                     \
    X(meeting_joins, "tokens handed out for meetings")                                                                 \
    X(meeting_refused_busy, "meeting requests refused because a budget was used up")
COUNTERS_DEFINE(meeting_counters, MEETING_COUNTERS)

enum meeting_budget { MEETING_MAKE, MEETING_JOIN, MEETING_FAILURE, MEETING_BUDGETS };

/* `burst` at once, refilled over `period_s`. */
struct meeting_rate {
    uint32_t burst, period_s;
};

struct meeting_config {
    uint8_t secret[MEETING_SECRET_LEN];
    struct control_key key; /* signs tokens */
    uint16_t suite;         /* of the meetings' groups */
    uint64_t file_len_max;  /* told to clients, so that they need not try */
    struct meeting_rate rates[MEETING_BUDGETS];
};

struct meeting_client {
    struct net_addr addr;
    uint64_t full_at_us[MEETING_BUDGETS]; /* when each bucket is full again */
    uint32_t newer, older;                         /* list by last use; index + 1, 0 = none */
};

struct meeting {
    struct meeting_config config;
    struct meeting_counters counters;
    struct map map;
    uint32_t clients_count, newest, oldest;
    struct meeting_client *clients;
};

size_t meeting_size(void);
/* `memory` holds meeting_size() bytes, zeros, 8-byte aligned. The config is copied; wipe yours. */
struct meeting *meeting_init(void *memory, const struct meeting_config *config, struct rng *rng);
void meeting_wipe(struct meeting *meeting);

/* Makes a link's id: MEETING_ID_LEN characters and a terminator. */
void meeting_make(struct meeting *meeting, struct rng *rng, char id[MEETING_ID_LEN + 1]);
/* Did this server make it? Constant time in the tag. */
bool meeting_known(const struct meeting *meeting, struct span id);
/* The id in a meeting room's name, empty when it is no room of a meeting that this server made. Borrowed. */
struct span meeting_of_room(const struct meeting *meeting, struct span room);
/* Takes one from a client's budget; false when there is none left. `retry_s` is then when there will be one. */
bool meeting_spend(struct meeting *meeting, uint64_t now_us, const struct net_addr *client, enum meeting_budget budget,
                   uint32_t *retry_s);

struct meeting_request {
    struct span method, path; /* path begins with /api/v1/meetings */
    struct net_addr client; /* as limits count it, see io/address.h */
    bool closing;           /* the server is going down: no new joins */
};

struct meeting_reply {
    uint16_t status;
    uint32_t retry_s; /* 0 = no Retry-After */
    size_t len;
    char body[MEETING_REPLY_LEN_MAX];
};

void meeting_request(struct meeting *meeting, struct rng *rng, uint64_t now_us, uint64_t unix_us,
                     const struct meeting_request *request, struct meeting_reply *reply);

#endif
