/* A meeting's people and the delivery service between them, on a virtual clock: members that run the real client side,
 * links with delay that keep their order, as WebSockets do, and may be cut. */
#ifndef CONCLAVE_TESTS_ASSEMBLY_H
#define CONCLAVE_TESTS_ASSEMBLY_H

#include "meeting/delivery.h"
#include "secure/member.h"

#define ASSEMBLY_PEOPLE_MAX 160
#define ASSEMBLY_MEETING "a meeting's id of some length"

struct assembly_person {
    bool used, up, crashed;
    struct member *member;
    uint32_t connection;
    char identity[16], name[24];
    uint64_t delay_us;
    uint64_t last_up_us, last_down_us; /* arrival of the last message each way: order is kept */
    uint32_t chats, private_chats, alarms, keys, switches;
    enum member_alarm last_alarm;
    char last_chat[64], last_from[16], last_id[40];
    uint64_t key_epoch, seal_epoch;
    uint8_t key[32];
    bool ended;
    uint8_t gone;
    uint64_t joined_us;
    bool admitted;
};

struct assembly_event;

struct assembly {
    uint64_t now_us;
    struct rng rng;
    uint16_t suite;
    struct delivery *delivery;
    struct assembly_person people[ASSEMBLY_PEOPLE_MAX];
    struct assembly_event *events; /* by time */
    uint32_t over;
    /* Between the server and a client: may change, drop (return false) or keep a message. A malicious server. */
    bool (*tamper)(struct assembly *a, int person, struct mls_buf *message);
    void *tamper_context;
};

void assembly_begin(struct assembly *a, uint64_t seed, uint16_t suite);
void assembly_end(struct assembly *a);
/* Connects somebody new; returns the index. `secret_seed` picks the link's secret: 1 is the meeting's. */
int assembly_join(struct assembly *a, uint8_t secret_seed);
void assembly_run(struct assembly *a, uint64_t us);
/* Runs until everybody who is up is in and agrees; false when that did not happen in time. */
bool assembly_settle(struct assembly *a, uint64_t within_us);
bool assembly_agree(struct assembly *a);
/* Cuts the connection; the client tries again by itself unless `crash`. */
void assembly_cut(struct assembly *a, int person, bool crash);
void assembly_leave(struct assembly *a, int person);
uint32_t assembly_in(const struct assembly *a);
/* Draws the outputs of a person after a command. */
void assembly_drain(struct assembly *a, int person);
#define ASSEMBLY_UNIX_S(a) (UINT64_C(1790000000) + (a)->now_us / 1000000)

#endif
