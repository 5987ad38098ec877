/* A meeting's people and the delivery service between them, on a virtual clock: members that run the real client side
 * (member/member.h), the real service (delivery/service.h), links with delay that keep their order, as WebSockets do,
 * and may be cut. No media. For unit tests, fuzzing, measuring, and for whole meetings (sim/gathering.h).
 *
 *     assembly_begin(&a, seed, suite);              a server with its secrets, a link; nobody has come
 *     assembly_join(&a, ASSEMBLY_OWNER);            person 0: holds the owner's key and is host
 *     assembly_settle(&a, 5 * US_PER_S);            until all who are there are in and show one code
 *     assembly_join(&a, ASSEMBLY_GUEST);            person 1
 *     assembly_settle(&a, 5 * US_PER_S);
 *     member_chat(a.people[1].member, ...);         a command of a person, and then always
 *     assembly_drain(&a, 1);
 *     assembly_run(&a, US_PER_S);                   time passes
 *     assembly_end(&a);
 *
 * With the kind of meeting that assembly_begin makes anybody may begin it; assembly_begin_kind takes another kind
 * (group/context.h). Who is dishonest: `watch.up` and `watch.down` see each message when it sets out to the server and
 * when it arrives at a person, and may drop it; assembly_inject says something else in its place, to the server over a
 * person's connection or to a person. One who lies with its own keys does it with member/member_internal.h.
 *
 * One seed gives the same run each time. `struct assembly` is large: keep it static, and zero it never: assembly_begin
 * does. Everything in it may be read; what may be written between two calls says so. */
#ifndef CONCLAVE_SIM_ASSEMBLY_H
#define CONCLAVE_SIM_ASSEMBLY_H

#include "delivery/service.h"
#include "member/member.h"

#define ASSEMBLY_PEOPLE_MAX 160

enum assembly_as {
    ASSEMBLY_GUEST,    /* has the link */
    ASSEMBLY_OWNER,    /* has the host link */
    ASSEMBLY_STRANGER, /* has the id, and a link that is not the meeting's */
};

/* Somebody who looks on, and ties more to the meeting than the group. All may be NULL. */
struct assembly_watch {
    void *context;
    /* What a member puts out but for SEND, FETCH and CONNECT. */
    void (*output)(void *context, int person, const struct member_output *out);
    /* ADMITTED, EXPELLED, OVER. */
    void (*service)(void *context, const struct service_output *out);
    /* A message sets out to the server; false: it is lost. May crash its sender. */
    bool (*up)(void *context, int person, struct span message);
    /* A message arrives at a person; false: it is lost. May crash the person. */
    bool (*down)(void *context, int person, struct span message);
    /* The server begins to take a message of a person, and has taken it. */
    void (*taking)(void *context, int person, struct span message);
    void (*taken)(void *context, int person, struct span message);
    /* What the server answers to a fetch of this path; may be changed: an empty one has failed. */
    struct span (*fetched)(void *context, int person, struct span path, struct span body);
};

struct assembly_person {
    bool used, up, crashed;
    bool owner;
    bool held;                      /* the server does not read from it; what is on the way arrives all the same */
    const struct net_addr *address; /* as the service's limits count it; NULL: not counted. May be written */
    struct member *member;
    struct secret seat; /* the seed of its seat key, which outlives the member: assembly_reload */
    uint32_t connection;
    char identity[GROUP_IDENTITY_LEN + 1], name[24];
    uint64_t delay_us;                 /* each way, and up to twice as long: may be written */
    int64_t clock_off_s;               /* of its wall clock: may be written */
    uint64_t last_up_us, last_down_us; /* arrival of the last message each way: order is kept */
    uint64_t deadline_us;              /* of the member */
    uint64_t asleep_until_us;
    uint32_t chats, private_chats, alarms, keys, switches, keys_dropped, withdrawn;
    uint32_t alarms_by_kind[MEMBER_ALARM_COUNT];
    uint32_t removals_failed, removals_done;
    enum member_alarm last_alarm;
    char last_chat[64], last_from[GROUP_IDENTITY_LEN + 1];
    uint64_t key_epoch, seal_epoch;
    uint8_t key[32];
    bool token_good; /* the newest token that it was given is for its own identity */
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
    uint8_t kind;
    uint8_t link_secret[GROUP_LINK_SECRET_LEN], server_secret[32], operator_key[32], operator_hash[16], owner[32];
    struct secret owner_seed;
    char meeting[GROUP_MEETING_ID_LEN + 1];
    struct service *service; /* NULL while the server is down */
    struct assembly_person people[ASSEMBLY_PEOPLE_MAX];
    struct assembly_event **events; /* a heap by time */
    size_t events_count, events_room;
    uint64_t events_made;
    uint32_t over;
    uint64_t overdue_us; /* so long a deadline stayed in the past although it was served, at the longest */
    uint64_t overdue_since_us;
    uint64_t commit_slow_us;     /* commits take up to that much longer to arrive: slow committers. May be written */
    bool blind;                  /* planted: the service is not told of connections that go. May be written */
    struct assembly_watch watch; /* may be written */
};

/* Of kind GROUP_KIND_NOW + GROUP_KIND_ANYBODY. */
void assembly_begin(struct assembly *a, uint64_t seed, uint16_t suite);
void assembly_begin_kind(struct assembly *a, uint64_t seed, uint16_t suite, uint8_t kind);
void assembly_end(struct assembly *a);
/* The service dies with all that it knew, and connections break; a new one begins, with the same secrets. Between the
 * two nobody can connect. */
void assembly_server_stop(struct assembly *a);
void assembly_server_start(struct assembly *a);
/* Connects somebody new; returns the index. */
int assembly_join(struct assembly *a, enum assembly_as as);
/* The page is loaded again: the connection goes, and a member that knows nothing but the link comes with the same seat.
 */
void assembly_reload(struct assembly *a, int person);
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
/* The connection is cut, and the client does not try again before `us` have passed: a phone that sleeps. Its timers do
 * not run either. */
void assembly_sleep(struct assembly *a, int person, uint64_t us);
/* The program dies; the server learns of it `seen_us` later. */
void assembly_crash(struct assembly *a, int person, uint64_t seen_us);
void assembly_leave(struct assembly *a, int person);
uint32_t assembly_in(const struct assembly *a);
/* A message that nobody sent, as it would arrive now: at the server over a person's connection, or at the person. */
void assembly_inject(struct assembly *a, int person, bool to_server, struct span message);
/* The same, written here. */
void assembly_say(struct assembly *a, int person, bool to_server, const struct wire_message *message);
/* Draws the outputs of a person after a command. */
void assembly_drain(struct assembly *a, int person);
/* The person whose seat that is; -1: nobody's. */
int assembly_person_of(const struct assembly *a, struct span identity);
struct service_now assembly_service_now(struct assembly *a);
/* once.c: the native backend, sparing of signature checks. */
const struct crypto_backend *assembly_crypto(void);
#define ASSEMBLY_UNIX_S(a) (UINT64_C(1790000000) + (a)->now_us / 1000000)
/* As a person's clock shows it. */
uint64_t assembly_unix_s(const struct assembly *a, int person);

#endif
