/* Meeting links without storage, and how often strangers may ask.
 *
 * A meeting is a link. Its secrets are made in a browser; the server is shown the public halves of two keys, and answers an id that
 * commits to both, to its own operator key, to the suite and to the kind (group/link.h). The tag in the id, an HMAC under the
 * server's secret, lets the server tell its own links from invented ones without remembering any: an unknown id costs a hash and no
 * memory, and links outlive a restart. The id is no password, and no request tells whether a meeting exists: who may come in is
 * proven over the delivery service.
 *
 * Budgets. Token buckets per client (an IPv4 address or an IPv6 /64) for meetings made and WebSockets opened to meetings. The table has
 * room for MEETING_CLIENTS_MAX clients; when it is full the one heard of longest ago makes room, which gives a flood of
 * addresses nothing that it does not have already: each address has a full budget of its own.
 *
 *     meeting_init       secret, operator key, budgets
 *     meeting_request    one request of the meeting API, answered at once
 *     meeting_token      a token for a member's seat
 *
 * API, JSON, for the web client of the same origin:
 *     GET  /api/v2/house       200 {"operator","suite","file_len_max"}
 *     POST /api/v2/meetings    {"link_key","owner_key","suite","kind"} -> 201 {"id"}
 *     errors                   4xx, 5xx {"error","message"}
 * Keys are 32 bytes in base64url without padding. `suite`: group_suite_good; `kind`: GROUP_KIND_NOW, or with GROUP_KIND_ANYBODY.
 *
 * Sans-IO; allocates only inside the JSON library, within MEETING_BODY_LEN_MAX and MEETING_REPLY_LEN_MAX. Threads: none. */
#ifndef CONCLAVE_MEETING_MEETING_H
#define CONCLAVE_MEETING_MEETING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"
#include "base/map.h"
#include "base/net.h"
#include "group/link.h"
#include "signal/control.h"

struct rng;

/* Of this server's own links: without a cell before it. */
#define MEETING_ID_LEN GROUP_MEETING_ID_LEN
/* Rooms of meetings; the control core keeps WHIP and the room API out of them. */
#define MEETING_ROOM_PREFIX "cm_"
#define MEETING_ROOM_LEN (3 + MEETING_ID_LEN)
#define MEETING_BODY_LEN_MAX 4096
#define MEETING_CLIENTS_MAX 16384
/* A day of meeting. It is worth what its seat is at that moment, and each connection of the seat brings another. */
#define MEETING_TOKEN_TTL_S 86400
#define MEETING_TOKEN_LEN_MAX 2048
#define MEETING_HOUSE_PATH "/api/v2/house"
#define MEETING_PATH "/api/v2/meetings"
#define MEETING_REPLY_LEN_MAX 4096

#define MEETING_COUNTERS(X)                                                                                            \
    X(meetings_made, "meeting links made")                                                                             \
    X(meeting_refused_keys, "meeting links asked for with keys or numbers that cannot be")                             \
    X(meeting_tokens, "tokens handed out for meetings")                                                                \
    X(meeting_refused_busy, "meeting requests refused because a budget was used up")
COUNTERS_DEFINE(meeting_counters, MEETING_COUNTERS)

enum meeting_budget { MEETING_MAKE, MEETING_ENTER, MEETING_BUDGETS };

/* `burst` at once, refilled over `period_s`. */
struct meeting_rate {
    uint32_t burst, period_s;
};

struct meeting_config {
    const struct crypto_backend *crypto;
    struct group_server server; /* makes and knows ids */
    uint8_t operator_key[32];   /* public half */
    struct control_keys keys;   /* the first signs tokens */
    uint16_t suite;             /* that new meetings take unless their maker wants another */
    uint64_t file_len_max;      /* told to clients, so that they need not try */
    struct meeting_rate rates[MEETING_BUDGETS];
};

struct meeting_client {
    struct net_addr addr;
    uint64_t full_at_us[MEETING_BUDGETS]; /* when each bucket is full again */
    uint32_t newer, older;                /* list by last use; index + 1, 0 = none */
};

struct meeting {
    struct meeting_config config;
    struct meeting_counters counters;
    struct map map;
    uint32_t clients_count, newest, oldest;
    struct meeting_client *clients;
};

size_t meeting_size(void);
/* `memory` holds meeting_size() bytes, zeros, 8-byte aligned. The config is copied. */
struct meeting *meeting_init(void *memory, const struct meeting_config *config, struct rng *rng);

/* The id of a meeting with these keys. `link_key` and `owner` have 32 bytes (asserted). */
bool meeting_make(const struct meeting *meeting, struct span link_key, struct span owner, uint16_t suite, uint8_t kind,
                  char id[MEETING_ID_LEN + 1]);
/* Did this server make it? Constant time in the tag. */
bool meeting_known(const struct meeting *meeting, struct span id);
/* The id in a meeting room's name, empty when it is no room of a meeting that this server made. Borrowed. */
struct span meeting_of_room(const struct meeting *meeting, struct span room);
/* Takes one from a client's budget; false when there is none left. `retry_s` is then when there will be one. */
bool meeting_spend(struct meeting *meeting, uint64_t now_us, const struct net_addr *client, enum meeting_budget budget,
                   uint32_t *retry_s);

/* Appends an access token for the room of meeting `id` (MEETING_ID_LEN characters) and the seat's identity; false when it does not fit. */
bool meeting_token(struct meeting *meeting, uint64_t unix_us, struct span id, struct span identity, struct writer *out);

struct meeting_request {
    struct span method, path, body;
    struct net_addr client; /* as limits count it, see io/address.h */
    bool closing;           /* the server takes no new meetings */
};

struct meeting_reply {
    uint16_t status;
    uint32_t retry_s; /* 0 = no Retry-After */
    size_t len;
    char body[MEETING_REPLY_LEN_MAX];
};

/* `path` is anything at or below /api/v2; 404 for what is not of this API. */
void meeting_request(struct meeting *meeting, uint64_t now_us, const struct meeting_request *request,
                     struct meeting_reply *reply);

#endif
