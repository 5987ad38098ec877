/* The server of delivery protocol 2 (docs/delivery-protocol.md, src/group/wire.h): who may say hello, who founds and
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
 *     service_may_read   the gate of the HTTP interface: members, and who holds join_now or a Welcome
 *
 * Not here yet: the lobby (standing 3 waits until the entry lets it in), Return, restating after a restart, clusters;
 * their messages are read and dropped. Memory is heap, bounded by the limits. Threads: none. Sans-IO. */
#ifndef CONCLAVE_DELIVERY_SERVICE_H
#define CONCLAVE_DELIVERY_SERVICE_H

#include "base/counter.h"
#include "delivery/entry.h"
#include "delivery/order.h"

struct service;

#define SERVICE_HELLO_US UINT64_C(10000000)
#define SERVICE_CREATE_US UINT64_C(5000000)
#define SERVICE_JOIN_US UINT64_C(2000000)
#define SERVICE_CHECK_US UINT64_C(500000)
#define SERVICE_COMMIT_US UINT64_C(300000)
#define SERVICE_GRACE_US UINT64_C(10000000)
#define SERVICE_GRACE_HOST_US UINT64_C(60000000)
#define SERVICE_MEMBERS_MAX 1000
#define SERVICE_LINE_MAX 256
#define SERVICE_LOG_MESSAGES_MAX 1024
#define SERVICE_LOG_LEN_MAX (4u << 20)
/* Authors of withdrawn commits, and who called these good: two in an hour go. */
#define SERVICE_STRIKES_MAX 2
#define SERVICE_STRIKE_US UINT64_C(3600000000)

#define SERVICE_COUNTERS(X)                                                                                            \
    X(service_opened, "connections to the delivery service")                                                           \
    X(service_no_entry, "connections answered that there is no entry")                                                 \
    X(service_refused_full, "connections refused because a limit was reached")                                         \
    X(service_malformed, "connections closed for a message that was none, or none now")                                \
    X(service_groups, "groups founded")                                                                                \
    X(service_commits, "commits numbered")                                                                             \
    X(service_stale, "commits not taken")                                                                              \
    X(service_withdrawn, "commits that members took back")                                                             \
    X(service_checks, "commits of entrants that were checked")                                                         \
    X(service_checks_bad, "commits of entrants that checkers refused")                                                 \
    X(service_removes, "Removes proposed")                                                                             \
    X(service_resyncs, "members sent to come in again")                                                                \
    X(service_rationed, "commits and turns to come in again put off because there were too many of a seat")            \
    X(service_dropped, "messages for which there was no use")
COUNTERS_DEFINE(service_counters, SERVICE_COUNTERS)

struct service_config {
    const struct crypto_backend *crypto;
    struct span server_secret, operator_key; /* [32] each; outlive the service */
    uint32_t meetings_max, connections_max, members_max;
    uint64_t file_len_max;
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
/* 0: full. What `id` is shows at hello only. */
uint32_t service_open(struct service *s, const struct service_now *now, struct span id);
void service_message(struct service *s, const struct service_now *now, uint32_t connection, struct span message);
void service_closed(struct service *s, const struct service_now *now, uint32_t connection, bool going);
void service_tick(struct service *s, const struct service_now *now);
uint64_t service_next_deadline_us(const struct service *s);
void service_expel(struct service *s, const struct service_now *now, struct span id, struct span identity);

enum service_output_type {
    SERVICE_SEND,     /* connection, message */
    SERVICE_CLOSE,    /* connection, code; no service_closed follows */
    SERVICE_ADMITTED, /* id, identity */
    SERVICE_EXPELLED, /* id, identity */
    SERVICE_OVER,     /* id */
};
struct service_output {
    enum service_output_type type;
    uint32_t connection;
    uint16_t code;
    struct span id, identity, message;
};
bool service_poll(struct service *s, struct service_output *out);

bool service_is_member(const struct service *s, struct span id, struct span identity);
bool service_may_read(const struct service *s, struct span id, struct span identity);
struct span service_tree(struct service *s, struct span id, struct span tree_hash);
bool service_chain(const struct service *s, struct span id, uint64_t epoch, struct mls_buf *out);

#endif
