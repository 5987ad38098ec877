/* A meeting's people and the delivery service between them, on a virtual clock: members that run the real client side,
 * links with delay that keep their order, as WebSockets do, and may be cut. */
#ifndef CONCLAVE_SIM_ASSEMBLY_H
#define CONCLAVE_SIM_ASSEMBLY_H

#include "delivery/delivery.h"
#include "member/member.h"

#define ASSEMBLY_PEOPLE_MAX 160
#define ASSEMBLY_MEETING "a meeting's id of some length"

/* Somebody who looks on, and ties more to the meeting than the group. All may be NULL. */
struct assembly_watch {
    void *context;
    /* What a member puts out but for SEND, FETCH and CONNECT. */
    void (*output)(void *context, int person, const struct member_output *out);
    /* ADMITTED, EXPELLED, OVER. */
    void (*delivery)(void *context, const struct delivery_output *out);
    /* A message sets out to the server; false: it is lost. May crash its sender. */
    bool (*up)(void *context, int person, struct span message);
    /* A message arrives at a person; false: it is lost. May crash the person. */
    bool (*down)(void *context, int person, struct span message);
    /* The server begins to take a message of a person, and has taken it. */
    void (*taking)(void *context, int person, struct span message);
    void (*taken)(void *context, int person, struct span message);
    /* What the server answers to a fetch; may be changed: an empty one has failed. */
    struct span (*fetched)(void *context, int person, struct span body);
};

struct assembly_person {
    bool used, up, crashed;
    bool held; /* the server does not read from it; what is on the way arrives all the same */
    struct member *member;
    uint32_t connection;
    char identity[16], name[24];
    uint64_t delay_us;
    int64_t clock_off_s;               /* of its wall clock */
    uint64_t last_up_us, last_down_us; /* arrival of the last message each way: order is kept */
    uint32_t chats, private_chats, alarms, keys, switches;
    uint32_t alarms_by_kind[MEMBER_ALARM_COUNT];
    uint32_t removals_failed, removals_done;
    enum member_alarm last_alarm;
    char last_chat[64], last_from[16], last_id[40];
    uint64_t key_epoch, seal_epoch;
    uint8_t key[32];
    bool ended;
    uint8_t gone;
    uint64_t joined_us;
    bool admitted;
    bool seen_up;          /* the server has a connection of it, */
    uint64_t seen_gone_us; /* or has seen the last one go */
};

struct assembly_event;

struct assembly {
    uint64_t now_us;
    struct rng rng;
    uint16_t suite;
    char meeting[MEMBER_MEETING_ID_LEN_MAX + 1]; /* ASSEMBLY_MEETING, unless changed before the first joins */
    struct delivery *delivery;                   /* NULL while the server is down */
    struct assembly_person people[ASSEMBLY_PEOPLE_MAX];
    struct assembly_event **events; /* a heap by time */
    size_t events_count, events_room;
    uint64_t events_made;
    uint32_t over;
    uint64_t commit_slow_us; /* commits take up to that much longer to arrive: slow committers */
    bool blind;              /* planted: the delivery service is not told of connections that go */
    struct assembly_watch watch;
};

void assembly_begin(struct assembly *a, uint64_t seed, uint16_t suite);
void assembly_end(struct assembly *a);
/* The delivery service dies with all that it knew, and connections break; a new one begins. Between the two nobody can
 * connect. */
void assembly_server_stop(struct assembly *a);
void assembly_server_start(struct assembly *a);
/* Connects somebody new; returns the index. `secret_seed` picks the link's secret: 1 is the meeting's. */
int assembly_join(struct assembly *a, uint8_t secret_seed);
void assembly_run(struct assembly *a, uint64_t us);
/* Runs until everybody who is up is in and agrees; false when that did not happen in time. */
bool assembly_settle(struct assembly *a, uint64_t within_us);
bool assembly_agree(struct assembly *a);
/* When something happens next. */
uint64_t assembly_next_us(const struct assembly *a);
/* Is there, as far as the person knows: neither crashed nor at the end. */
bool assembly_present(const struct assembly_person *p);
/* Cuts the connection; the client tries again by itself unless `crash`. */
void assembly_cut(struct assembly *a, int person, bool crash);
/* The program dies; the server learns of it `seen_us` later. */
void assembly_crash(struct assembly *a, int person, uint64_t seen_us);
void assembly_leave(struct assembly *a, int person);
uint32_t assembly_in(const struct assembly *a);
/* A message that nobody sent, as it would arrive now: at the server over a person's connection, or at the person. */
void assembly_inject(struct assembly *a, int person, bool to_server, struct span message);
/* Draws the outputs of a person after a command. */
void assembly_drain(struct assembly *a, int person);
/* once.c: the native backend, sparing of signature checks. */
const struct crypto_backend *assembly_crypto(void);
#define ASSEMBLY_UNIX_S(a) (UINT64_C(1790000000) + (a)->now_us / 1000000)
/* As a person's clock shows it. */
uint64_t assembly_unix_s(const struct assembly *a, int person);

#endif
