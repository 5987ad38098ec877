/* The delivery service of meetings (docs/delivery-protocol.md): one accepted commit per epoch, one order for everybody,
 * who is in, who has to commit next, and a short log for those who come back. One object serves all meetings of the
 * server.
 *
 *     WebSocket connections           messages to connections, closes,
 *     (identity, meeting proven) -->  delivery  -->  admissions and expulsions for the media side
 *
 * It holds no secret of any group: it sees public handshake messages, the public tree and GroupInfos, sealed messages
 * that it passes on, and its own signature key as external sender, with which it can propose a Remove and nothing else.
 * What it checks, it checks to keep meetings working; clients trust none of it.
 *
 * The law: after any input or tick, call delivery_poll until it answers false. An output's spans live until the next
 * call. Sleep until delivery_next_deadline_us.
 *
 *     delivery_open        a WebSocket with a good token     -> handle, 0 when full
 *     delivery_message     a message came
 *     delivery_closed      the WebSocket is gone: `going` when the peer said so, else the grace period begins
 *     delivery_tick        the deadline has come
 *     delivery_expel       the media side or an administrator puts somebody out
 *     delivery_is_member   the gate of the media side: may this identity connect to the meeting's room?
 *     delivery_tree, delivery_group_info       what the HTTP interface answers from
 *
 * Who is a member: identities in the accepted tree, minus those for whom a Remove is open: they are out for the media
 * side at once. DELIVERY_ADMITTED and DELIVERY_EXPELLED tell every change.
 *
 * Limits: meetings, connections, members, waiting people, log, message rates; each with a counter. Memory is heap,
 * bounded by them. Time: now_us monotonic. Randomness: fit for secrets. Threads: none. Sans-IO. */
#ifndef CONCLAVE_DELIVERY_DELIVERY_H
#define CONCLAVE_DELIVERY_DELIVERY_H

#include "base/counter.h"
#include "base/cursor.h"
#include "base/net.h"
#include "base/rng.h"
#include "base/secret.h"
#include "crypto/backend.h"
#include "e2ee/mls_codec.h"
#include "group/wire1.h"

struct delivery;

/* A connection that has not said hello by then is closed: it only takes a place. */
#define DELIVERY_HELLO_US UINT64_C(10000000)
/* Who is not let in by then is told so: a rush of 256 takes a minute at most. */
#define DELIVERY_WAIT_US UINT64_C(120000000)
#define DELIVERY_CREATE_US UINT64_C(5000000)
#define DELIVERY_JOIN_US UINT64_C(2000000)
#define DELIVERY_COMMIT_US UINT64_C(300000)
#define DELIVERY_COMMIT_MAX_US UINT64_C(2400000)
#define DELIVERY_GRACE_US UINT64_C(10000000)
/* Joins are gathered for so long before a committer is named: idle, and above four joins a second. */
#define DELIVERY_GATHER_US UINT64_C(100000)
#define DELIVERY_GATHER_BUSY_US UINT64_C(250000)
#define DELIVERY_ONLINE_US UINT64_C(500000)
#define DELIVERY_MEMBERS_MAX 1000
/* Handles have 16 bits for the place. */
#define DELIVERY_CONNECTIONS_MAX 65535u
#define DELIVERY_WAITING_MAX 256
#define DELIVERY_LOG_MESSAGES_MAX 1024
#define DELIVERY_LOG_LEN_MAX (4u << 20)
/* Of all meetings together: beyond it each meeting that says something keeps less of its own. */
#define DELIVERY_LOGS_LEN_MAX (256u << 20)
#define DELIVERY_APP_RATE 20
#define DELIVERY_APP_BURST 100
/* Dropped without a rest that fills the bucket: it does not mean to stop. */
#define DELIVERY_APP_DROPPED_MAX 1000
#define DELIVERY_MEETING_ID_LEN_MAX 64
/* Shares of one network (an IPv4 /24, an IPv6 /48): of all connections and of all meetings one part in so many, but at
 * least some; of those who wait in a meeting half. An office is behind one address. */
#define DELIVERY_NETWORK_CONNECTIONS_PART 4
#define DELIVERY_NETWORK_CONNECTIONS_MIN 256
#define DELIVERY_NETWORK_MEETINGS_PART 8
#define DELIVERY_NETWORK_MEETINGS_MIN 16
#define DELIVERY_NETWORK_WAITING_MAX (DELIVERY_WAITING_MAX / 2)

#define DELIVERY_COUNTERS(X)                                                                                           \
    X(delivery_opened, "connections to the delivery service")                                                          \
    X(delivery_refused_full, "connections and joins refused because a limit was reached")                              \
    X(delivery_silent, "connections closed because no hello came")                                                     \
    X(delivery_malformed, "connections closed for a message that was none")                                            \
    X(delivery_groups, "groups created")                                                                               \
    X(delivery_commits, "commits accepted")                                                                            \
    X(delivery_commits_stale, "commits refused because another one had won")                                           \
    X(delivery_commits_refused, "commits refused because they broke a rule")                                           \
    X(delivery_joins_external, "members who entered by external commit")                                               \
    X(delivery_joins_welcome, "members who entered by Welcome")                                                        \
    X(delivery_removes, "Remove proposals made for members who left or were lost")                                     \
    X(delivery_ghosts, "members removed because they had gone before they were added")                                 \
    X(delivery_committers_named, "times that a committer was named")                                                   \
    X(delivery_committers_late, "times that a named committer let its deadline pass")                                  \
    X(delivery_bad_reports, "commits that members refused")                                                            \
    X(delivery_resyncs, "members sent to rejoin because the log did not reach back")                                   \
    X(delivery_cannot_follow, "members put out because they could not follow")                                         \
    X(delivery_tired, "people sent away who were not let in in time")                                                  \
    X(delivery_rationed, "refusals and commits put off because there were too many of a member")                       \
    X(delivery_held, "times that a connection was not read from because its work was used up")                         \
    X(delivery_app, "sealed messages passed on")                                                                       \
    X(delivery_too_much, "connections closed for too long messages, or too many")                                      \
    X(delivery_app_dropped, "sealed messages dropped: too many, or not from a member")
COUNTERS_DEFINE(delivery_counters, DELIVERY_COUNTERS)

struct delivery_config {
    const struct crypto_backend *crypto;
    uint16_t suite; /* of meetings that begin from now on */
    uint32_t meetings_max, connections_max, members_max;
};

/* NULL when memory is short or the suite is not supported. Draws the external sender's key pair from `rng`: it lives as
 * long as the object, and groups pin it. */
struct delivery *delivery_create(const struct delivery_config *config, struct rng *rng);
void delivery_destroy(struct delivery *d);
const struct delivery_counters *delivery_counters_get(const struct delivery *d);

/* `meeting` and `identity` come from a verified token. A connection of the same identity that is still open is closed
 * (4001). `client` is the address as limits count it; NULL, or of this machine: not counted. 0: full, or the share of
 * its network is. */
uint32_t delivery_open(struct delivery *d, uint64_t now_us, const struct net_addr *client, struct span meeting,
                       struct span identity);
void delivery_message(struct delivery *d, uint64_t now_us, uint64_t unix_s, struct rng *rng, uint32_t connection,
                      struct span message);
void delivery_closed(struct delivery *d, uint64_t now_us, struct rng *rng, uint32_t connection, bool going);
void delivery_tick(struct delivery *d, uint64_t now_us, uint64_t unix_s, struct rng *rng);
uint64_t delivery_next_deadline_us(const struct delivery *d);
void delivery_expel(struct delivery *d, uint64_t now_us, struct rng *rng, struct span meeting, struct span identity);

enum delivery_output_type {
    DELIVERY_SEND,     /* connection, message */
    DELIVERY_HOLD,     /* connection, held: is it read from? Its messages wait in its socket as long as it is held */
    DELIVERY_CLOSE,    /* connection, code; it is then gone, no delivery_closed follows for it */
    DELIVERY_ADMITTED, /* meeting, identity: may have media from now on */
    DELIVERY_EXPELLED, /* meeting, identity: take its media away now */
    DELIVERY_OVER,     /* meeting: nobody is left; delete what was kept for it */
};
struct delivery_output {
    enum delivery_output_type type;
    uint32_t connection;
    uint16_t code;
    bool held;
    struct span meeting, identity, message;
};
bool delivery_poll(struct delivery *d, struct delivery_output *out);

bool delivery_is_member(const struct delivery *d, struct span meeting, struct span identity);
/* Members as delivery_is_member means it: start with *cursor 0, until false. Borrowed. */
bool delivery_member_next(const struct delivery *d, struct span meeting, uint32_t *cursor, struct span *identity);
/* The encoded ratchet tree with this tree hash, current or previous; empty when there is none. Borrowed. */
struct span delivery_tree(struct delivery *d, struct span meeting, struct span tree_hash);
struct span delivery_group_info(const struct delivery *d, struct span meeting);
uint32_t delivery_meetings(const struct delivery *d);
uint32_t delivery_members(const struct delivery *d, struct span meeting);

#endif
