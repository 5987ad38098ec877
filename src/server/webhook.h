/* Webhooks: signed events posted to the operator's own addresses, from a thread of their own, since a name may take seconds to
 * resolve and the control thread must not wait.
 *
 *     control thread -- events (1 MB ring) --> webhook thread: to every address, in order, one at a time for each address
 *
 * Each address has a queue of its own (WEBHOOK_QUEUE_MAX events); a post that fails (no connection, no answer in
 * WEBHOOK_TIMEOUT_S, status 5xx or 429) is tried again after 1, 2, 4, 8 ... 60 s, up to WEBHOOK_TRIES_MAX times, and
 * later events wait behind it, so that a receiver sees them in order. When a queue is full the new event is dropped for that
 * address, with a counter. At shutdown what is queued is given WEBHOOK_FLUSH_US. TLS certificates are verified with the
 * system's authorities. */
#ifndef CONCLAVE_SERVER_WEBHOOK_H
#define CONCLAVE_SERVER_WEBHOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"

#define WEBHOOK_QUEUE_MAX 256
#define WEBHOOK_RING_LEN (1u << 20)
#define WEBHOOK_TRIES_MAX 8
#define WEBHOOK_TIMEOUT_S 10
#define WEBHOOK_FLUSH_US UINT64_C(1500000)
/* A participant's metadata is inside. */
#define WEBHOOK_BODY_LEN_MAX (192u << 10)

#define WEBHOOK_COUNTERS(X)                                                                                            \
    X(delivered, "webhook posts that were taken")                                                                      \
    X(retried, "webhook posts tried again")                                                                            \
    X(failed, "webhook posts given up")                                                                                \
    X(dropped, "webhook posts dropped because too many were waiting")
COUNTERS_DEFINE(webhook_counters, WEBHOOK_COUNTERS)

struct webhook;

/* Starts the thread. The addresses are copied. NULL with a sentence. */
struct webhook *webhook_start(const char *const *urls, size_t urls_count, char *error, size_t error_size);
/* Control thread; copies. */
void webhook_post(struct webhook *webhook, struct span body, struct span authorization);
/* Waits up to WEBHOOK_FLUSH_US for what is queued, and ends the thread. */
void webhook_stop(struct webhook *webhook);
/* A copy that may be a moment old. */
void webhook_counters_get(struct webhook *webhook, struct webhook_counters *out);

#endif
