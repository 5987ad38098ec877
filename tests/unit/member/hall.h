/* A meeting for tests of a person's side of the delivery protocol, with the server's own judgement of hellos
 * (delivery/entry.h) and order of commits (delivery/order.h); what is between them and the people is played here:
 * honest unless a test says otherwise. Time is virtual, one meeting at a time. */
#ifndef CONCLAVE_TESTS_MEMBER_HALL_H
#define CONCLAVE_TESTS_MEMBER_HALL_H

#include "base/time.h"
#include "delivery/entry.h"
#include "delivery/order.h"
#include "member/member_internal.h"

#define HALL_PEOPLE_MAX 5
#define HALL_UNIX_S UINT64_C(1790000000)

struct person_here {
    struct member *member;
    bool in, cut;
    uint8_t nonce[32];
    uint32_t bads;
    uint64_t key_epoch, seal_epoch, keys_dropped;
    uint8_t key[32];
    uint32_t alarms[MEMBER_ALARM_COUNT], chats, withdrawn;
    char last_chat[64];
    bool ended, has_token;
    uint8_t gone;
    int64_t clock_off_s;
    uint32_t checks, checks_good;
    uint32_t disputed, resolved; /* that it was told of */
    uint64_t closing_s;
    struct mls_buf last_commit, last_info; /* that it sent */
};

struct hall {
    struct rng rng;
    uint64_t now_us, server_s;
    uint8_t link_secret[32], operator_key[32], operator_hash[16], server_secret[32], owner[32];
    struct secret owner_seed;
    struct group_link link;
    char id[GROUP_MEETING_ID_LEN + 1];
    uint8_t kind;
    struct mls_crypto crypto;
    struct mls_buf external_sender;
    struct secret external_key;
    struct order *order; /* NULL: nobody has begun */
    struct person_here people[HALL_PEOPLE_MAX];
    int count, author;
    bool no_votes, no_answers, hold_ready, forge_chain, cut_chain;
    struct order_output held; /* what was decided and not told */
    struct wire_message last_app;
    struct mls_buf last_app_message; /* what its message points into */
    uint32_t refused;                /* hellos */
};
extern struct hall hall;

/* A meeting that nobody has come to, and its end. */
void hall_begin(uint64_t seed, uint16_t suite, uint8_t kind);
void hall_end(void);
/* Person `i`, the next one or one whose member is gone, has a new member, which connects; the service has said nothing
 * to it yet. `seat`: the seed of its seat key, or NULL. */
void hall_make(int i, const char *name, bool owner, const struct secret *seat);
/* The next person comes, the owner or not: its number. */
int hall_join(bool owner);
void hall_run(uint64_t us);
/* Until nobody has anything to say. */
void hall_settle(void);
/* The service says this to person `i`, whether it would or not. */
void hall_tell(int i, struct wire_message message);
/* Begins a connection of that person. */
void hall_challenge(int i);
/* Whether that person has its place in the order, and gets what is numbered. */
void hall_here(int i, bool is);
/* What the order has to say goes out. */
void hall_drain(void);
/* What was held back by hold_ready is told. */
void hall_stand(void);
/* Of all people. */
uint32_t hall_alarms(void);
/* A `ready` that is held back leaves a gap in the numbers, which is seen. */
uint32_t hall_alarms_but_of_order(void);
struct span hall_identity_of(int i);
struct span hall_seat_of(int i);
/* Asserts that both show the same code and have the same key for frames. */
void hall_agree(int a, int b);
/* An empty commit by that person. */
void hall_renew(int i);
void hall_chat(int i, const char *text);

#endif
