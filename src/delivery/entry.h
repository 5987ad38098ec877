/* Who may say hello to a meeting: the proofs of the first message, in the order that the protocol names, and with the
 * same work whatever is wrong, so that nobody learns from the time which of them failed. There is one answer for all of
 * it, close code 4005.
 *
 *     tag of the id (this server made it) -> hash of the id (keys, operator, suite, kind) -> link key, or the seat ->
 * the two signatures
 *
 * Sans-IO, no state. Threads: any. */
#ifndef CONCLAVE_DELIVERY_ENTRY_H
#define CONCLAVE_DELIVERY_ENTRY_H

#include "group/link.h"
#include "group/public.h"
#include "group/wire.h"

/* Answers of 4005 leave at the next of these times: what is left of the work's time does not show. */
#define ENTRY_GRID_US UINT64_C(50000)

struct entry_meeting {
    const struct group_server *server;
    struct span operator_key;         /* [32] */
    struct span id;                   /* as in the path */
    const struct public_group *group; /* that runs, or NULL */
    /* Seats whose leaves the server took in this group: they come back, too. False when it is none. */
    bool (*was_taken)(const void *context, struct span seat_key);
    const void *context;
};

struct entry_result {
    bool good;
    bool in_tree;                /* its seat is a member: it may resume, or replace its leaf */
    enum wire_standing standing; /* FOUND, TURN, WAIT, RESUMED or RETURN */
    uint8_t identity[GROUP_IDENTITY_LEN];
};

/* `server_nonce` is the one of this connection's challenge, which is used once. `unix_s` for the key package's
 * lifetime. */
void entry_check(const struct crypto_backend *crypto, const struct entry_meeting *meeting,
                 const struct wire_message *hello, struct span server_nonce, uint64_t unix_s, struct entry_result *out);
/* When the answer to what came at `now_us` may leave. */
uint64_t entry_answer_us(uint64_t now_us);

#endif
