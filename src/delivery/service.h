/* The server of the delivery protocol (docs/delivery-protocol.md, src/group/wire.h): who may say hello, who founds and
 * enters, one order of commits for everybody, what is kept for those who come back. One object serves all meetings.
 *
 *     WebSocket connections (a path's id)        messages, closes,
 *     the time, randomness               -->  service  -->  admissions and expulsions for the media side
 *
 * It holds no secret of any group; it follows groups publicly (group/public.h) and refuses what the members would
 * refuse for what is public.
 *
 * The law: after any input or tick, call service_poll until it answers false. An output's spans live until the next
 * call. Sleep until service_next_deadline_us.
 *
 *     service_open       a WebSocket at /mls/v2/ID: challenge goes out; nothing is known of its sender yet
 *     service_message    a message came
 *     service_closed     the WebSocket is gone: `going` when the peer said so
 *     service_tick       the deadline has come
 *     service_expel      the media side or an administrator puts somebody out
 *     service_is_member  the gate of the media side
 *     service_may_read   the gate of the HTTP interface: members, and who holds join_now or a Welcome; copies of trees and
 *                        chains are work, too: service_pay_reading
 *
 * Not here yet: the lobby (standing 3 waits until the entry lets it in), Return, clusters; their messages are read and
 * dropped. Memory is heap, bounded by the limits. Threads: none. Sans-IO. */
#ifndef CONCLAVE_DELIVERY_SERVICE_H
#define CONCLAVE_DELIVERY_SERVICE_H

#include "base/counter.h"
#include "base/net.h"
#include "delivery/entry.h"
#include "delivery/order.h"

struct service;

#define SERVICE_HELLO_US UINT64_C(10000000)
#define SERVICE_CREATE_US UINT64_C(5000000)
#define SERVICE_JOIN_US UINT64_C(2000000)
#define SERVICE_CHECK_US UINT64_C(500000)
/* Doubled for each further committer. */
#define SERVICE_COMMIT_US UINT64_C(300000)
#define SERVICE_COMMIT_MAX_US UINT64_C(2400000)
/* Who is not let in by then is told so: a rush of 256 takes a minute at most. */
#define SERVICE_WAIT_US UINT64_C(120000000)
/* Joins are gathered for so long before a committer is named: idle, and above four joins a second. */
#define SERVICE_GATHER_US UINT64_C(100000)
#define SERVICE_GATHER_BUSY_US UINT64_C(250000)
#define SERVICE_ONLINE_US UINT64_C(500000)
#define SERVICE_GRACE_US UINT64_C(10000000)
/* A host's commit that removes whom it put out comes so soon, or the service proposes that Remove itself: the host may
 * be gone. */
#define SERVICE_PUT_OUT_US UINT64_C(1500000)
#define SERVICE_GRACE_HOST_US UINT64_C(60000000)
/* So long after the first came back, and after founding_from_us, groups from before a restart are taken up again. */
#define SERVICE_RESTATE_US UINT64_C(60000000)
#define SERVICE_MEMBERS_MAX 1000
/* Handles have 16 bits for the place. */
#define SERVICE_CONNECTIONS_MAX 65535u
#define SERVICE_LINE_MAX 256
#define SERVICE_LOG_MESSAGES_MAX 1024
#define SERVICE_LOG_LEN_MAX (4u << 20)
/* Of all meetings together: beyond it each meeting that says something keeps less of its own. */
#define SERVICE_LOGS_LEN_MAX (256u << 20)
#define SERVICE_SEALED_RATE 20
#define SERVICE_SEALED_BURST 100
/* Dropped without a rest that fills the bucket: it does not mean to stop. */
#define SERVICE_SEALED_DROPPED_MAX 1000
/* Shares of one network (an IPv4 /24, an IPv6 /48): of all connections and of all meetings one part in so many, but at
 * least some; of those who wait in a meeting half; and so many that have not said hello. An office is behind one
 * address. */
#define SERVICE_NETWORK_CONNECTIONS_PART 4
#define SERVICE_NETWORK_CONNECTIONS_MIN 256
#define SERVICE_NETWORK_MEETINGS_PART 8
#define SERVICE_NETWORK_MEETINGS_MIN 16
#define SERVICE_NETWORK_WAITING_MAX (SERVICE_LINE_MAX / 2)
#define SERVICE_NETWORK_STRANGERS_MAX 128
/* Authors of withdrawn commits, and who called these good: who is one twice within so long goes. */
#define SERVICE_STRIKE_US UINT64_C(3600000000)

#define SERVICE_COUNTERS(X)                                                                                            \
    X(service_opened, "connections to the delivery service")                                                           \
    X(service_no_entry, "connections answered that there is no entry")                                                 \
    X(service_refused_full, "connections refused because a limit was reached")                                         \
    X(service_silent, "connections closed because no hello came")                                                      \
    X(service_behind, "connections closed because something they had to be told found no room")                        \
    X(service_held, "times that a connection was not read from because its work was used up")                          \
    X(service_too_much, "connections closed for work or messages beyond all measure")                                  \
    X(service_tired, "people sent away who were not let in in time")                                                   \
    X(service_cannot_follow, "members put out because they could not follow")                                          \
    X(service_bad_reports, "commits that stood and that members refused")                                              \
    X(service_sealed_dropped, "sealed messages dropped because there were too many of a member")                       \
    X(service_malformed, "connections closed for a message that was none, or none now")                                \
    X(service_groups, "groups founded")                                                                                \
    X(service_restated, "groups from before a restart that stand again")                                               \
    X(service_restated_bad, "groups that were restated and are none of their meeting")                                 \
    X(service_commits, "commits numbered")                                                                             \
    X(service_stale, "commits not taken")                                                                              \
    X(service_withdrawn, "commits that members took back")                                                             \
    X(service_checks, "commits of entrants that were checked")                                                         \
    X(service_checks_bad, "commits of entrants that checkers refused")                                                 \
    X(service_removes, "Removes proposed")                                                                             \
    X(service_resyncs, "members sent to come in again")                                                                \
    X(service_rationed, "commits and turns to come in again put off because there were too many of a seat")            \
    X(service_read_later, "readers of trees and chains sent away until what they read before is paid")                 \
    X(service_dropped, "messages for which there was no use")
COUNTERS_DEFINE(service_counters, SERVICE_COUNTERS)

struct service_config {
    const struct crypto_backend *crypto;
    struct group_server server; /* makes the ids and the keys of external senders */
    struct span operator_key;   /* [32]; outlives the service */
    uint64_t table_seed;        /* random: strangers choose ids and addresses, and must not know where they land */
    uint32_t meetings_max, connections_max, members_max;
    uint64_t file_len_max;
    uint64_t founding_from_us; /* before it nobody is given create_now: members of a group from before a restart come
                                  first */
    size_t logs_len_max;       /* of all meetings together; 0: SERVICE_LOGS_LEN_MAX */
    /* Appends a token for HTTP and /rtc; a function of its arguments. Must not call the service. */
    void (*token)(void *context, struct span id, struct span identity, struct mls_buf *out);
    void *context;
};
struct service *service_create(const struct service_config *config);
void service_free(struct service *s);
const struct service_counters *service_counters_get(const struct service *s);

struct service_now {
    uint64_t now_us, unix_s;
    struct rng *rng;
};
/* 0: full, or the share of its network is. `client`: the address as limits count it; NULL or of this machine: not
 * counted. What `id` is shows at hello only. */
uint32_t service_open(struct service *s, const struct service_now *now, const struct net_addr *client, struct span id);
void service_message(struct service *s, const struct service_now *now, uint32_t connection, struct span message);
void service_closed(struct service *s, const struct service_now *now, uint32_t connection, bool going);
void service_tick(struct service *s, const struct service_now *now);
uint64_t service_next_deadline_us(const struct service *s);
/* The server goes down within so many seconds: everybody who has said hello is told. */
void service_closing(struct service *s, uint32_t within_s);
/* From now on no group is founded, or again: whoever proves itself where none runs is told that the server goes down,
 * and closed with 1001. */
void service_drain(struct service *s, bool on);
void service_expel(struct service *s, const struct service_now *now, struct span id, struct span identity);

enum service_output_type {
    SERVICE_SEND,     /* connection, message */
    SERVICE_HOLD,     /* connection, held: it is not read from as long as it is held; its messages wait in its socket */
    SERVICE_CLOSE,    /* connection, code (1013: it was not told all, and comes again); no service_closed follows */
    SERVICE_ADMITTED, /* id, identity */
    SERVICE_EXPELLED, /* id, identity */
    SERVICE_OVER,     /* id */
};
struct service_output {
    enum service_output_type type;
    uint32_t connection;
    uint16_t code;
    bool held;
    struct span id, identity, message;
};
bool service_poll(struct service *s, struct service_output *out);

bool service_is_member(const struct service *s, struct span id, struct span identity);
/* Meetings with somebody in or expected back. */
uint32_t service_meetings(const struct service *s);
/* The next member, as service_is_member means it: start with *cursor 0, until false. Borrowed until the group changes. */
bool service_member_next(const struct service *s, struct span id, uint32_t *cursor, struct span *identity);
bool service_may_read(const struct service *s, struct span id, struct span identity);
struct span service_tree(struct service *s, struct span id, struct span tree_hash);
/* What a chain is, without its bytes: two with the same mark are the same, so that many may be given the same copy. False:
 * it does not reach back to `epoch`. */
struct service_chain_mark {
    uint64_t epoch;
    size_t room;        /* that its bytes have in any case */
    uint8_t digest[32]; /* of the group and what it went through */
};
bool service_chain_mark(const struct service *s, struct span id, uint64_t epoch, struct service_chain_mark *out);
bool service_chain(const struct service *s, struct span id, uint64_t epoch, struct mls_buf *out);
/* Before so many bytes are copied for whoever may read: 0, and they are paid by its seat and its network; or how long until
 * it may ask again, since what it asked for before is not paid. */
uint64_t service_pay_reading(struct service *s, const struct service_now *now, struct span id, struct span identity,
                             size_t len_bytes);

#endif
