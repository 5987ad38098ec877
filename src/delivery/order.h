/* The order of a meeting's group on the server: one commit after the other, each of which stands at `ready` or is
 * withdrawn, what its members say of it, and the chain of those that stood, for who comes back.
 *
 *     order_commit    a commit came: numbered and staged, or why not
 *     order_ack, order_bad    what a member who is here says of the staged commit
 *     order_here      a member's connection is there, or gone: who is not here is not waited for
 *     order_remove    the server proposes a Remove
 *     order_tick      the deadline has come
 *     order_poll      what is to be told, in order, after each of these until it answers false
 *
 * VOTES. The author, whom the commit adds and whom it removes have none. A GroupInfo that a member finds another than
 * the server has is a bad. A commit of a host or co-host always stands. Another is withdrawn when the bads of hosts and
 * co-hosts outnumber their acks, or, where none of these said anything, when two bads or more outnumber the acks. It is
 * decided when all who are here have answered, or after ORDER_READY_US; who let that pass is not waited for until it
 * answers in time again. An urgent commit of a host closes a window in which nobody said bad.
 *
 * Memory: heap, bounded by the members and ORDER_CHAIN_LEN_MAX. Time: now_us monotonic. Threads: none. Sans-IO. */
#ifndef CONCLAVE_DELIVERY_ORDER_H
#define CONCLAVE_DELIVERY_ORDER_H

#include "group/public.h"

struct order;

/* Answers of members on a slow line are in by then; who waits for `ready` waits no longer. */
#define ORDER_READY_US UINT64_C(600000)
/* Commits that stood and Removes, from the oldest kept epoch on: what an hour of a busy meeting is. */
#define ORDER_CHAIN_LEN_MAX (8u << 20)
#define ORDER_CHAIN_MESSAGES_MAX 4096

/* `group` is open at any epoch, and becomes the order's. NULL when memory is short; then it is still the caller's. */
struct order *order_create(const struct crypto_backend *crypto, struct public_group *group, uint32_t members_max);
void order_free(struct order *o);
struct public_group *order_group(struct order *o);

/* A commit from the connection of `seat_key`. MLS_OK: it is numbered, staged and put out. MLS_COMMIT_STAGED: another is
 * not decided yet; MLS_EPOCH_OVER and the others: as public_group_stage says; nothing has changed then. `urgent` closes
 * the open window for the commits that follow. */
enum mls_status order_commit(struct order *o, uint64_t now_us, uint64_t unix_s, struct span seat_key, bool urgent,
                             struct span commit, struct span group_info, struct public_group_staged *out);
/* Of a member's seat. `epoch` is that of the staged commit, else it is nothing. A second answer is nothing, too. */
void order_ack(struct order *o, uint64_t now_us, struct span seat_key, uint64_t epoch, const uint8_t info_tag[16]);
void order_bad(struct order *o, uint64_t now_us, struct span seat_key, uint64_t epoch);
void order_here(struct order *o, uint64_t now_us, struct span seat_key, bool here);
enum mls_status order_remove(struct order *o, uint32_t leaf, const struct secret *signature_key);
void order_tick(struct order *o, uint64_t now_us);
uint64_t order_deadline_us(const struct order *o);
/* Numbers anything else that goes to everybody. */
uint64_t order_number(struct order *o);
uint64_t order_seq(const struct order *o);

enum order_output_type {
    ORDER_HANDSHAKE, /* seq, message: to all members but `seat`, who gets `accepted` (empty: to all) */
    ORDER_READY,     /* seq, epoch: the commit that starts it stands; the group is there */
    ORDER_WITHDRAWN, /* seq, epoch; `seat` is its author: a strike */
};
struct order_output {
    enum order_output_type type;
    uint64_t seq, epoch;
    struct span message, seat;
    bool info_doubted; /* ready: a host or most say that its GroupInfo is another; it is not handed out, ask for a
                          commit */
};
/* Spans live until the next call. */
bool order_poll(struct order *o, struct order_output *out);

/* What happened from `epoch` on: each element <V> is a Remove or a commit, in order. False when the chain does not
 * reach back. */
bool order_chain(const struct order *o, uint64_t epoch, struct mls_buf *out);
/* Room for it: more when there is more in it, and never less than it takes. */
bool order_chain_room(const struct order *o, uint64_t epoch, size_t *room);
uint64_t order_chain_from(const struct order *o);

#endif
