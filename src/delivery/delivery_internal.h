/* What delivery.c (connections, outputs), delivery_assembly.c (one meeting: who comes, commits, goes), delivery_pump.c
 * (what is due) and delivery_fair.c (what one may do to the others) share. */
#ifndef CONCLAVE_DELIVERY_DELIVERY_INTERNAL_H
#define CONCLAVE_DELIVERY_DELIVERY_INTERNAL_H

#include "base/deadline.h"
#include "base/map.h"
#include "delivery/budget.h"
#include "delivery/delivery.h"
#include "group/public1.h"

/* Bytes that wait for several connections at once. */
struct blob {
    uint32_t refs;
    size_t len;
    uint8_t bytes[];
};

enum phase {
    PHASE_NEW,     /* has not said hello */
    PHASE_WAITING, /* asks to be let in */
    PHASE_MEMBER,
    PHASES
};

struct name {
    uint8_t len;
    uint8_t bytes[WIRE1_IDENTITY_LEN_MAX];
};

struct connection {
    uint32_t handle; /* index + 1, and a generation in the upper bits; 0 = free */
    enum phase phase;
    struct assembly *meeting;
    struct connection *next, *previous; /* of the meeting */
    struct network *network;            /* NULL: its address is not counted */
    struct name identity;
    struct mls_buf key_package;
    uint64_t since_us;                         /* of its hello; before that of its opening */
    uint64_t waiting_since_us;                 /* its place in the line: for its hello, then to be let in */
    struct span signature_key, encryption_key; /* in key_package */
    struct mls_hash ref;                       /* of key_package */
    uint32_t leaf;                             /* of a member; of who waits: its former self's */
    bool acked;                                /* has entered the present epoch */
    bool passed_over;                          /* let a deadline pass, or its commit was refused by others */
    bool resyncing;       /* cannot follow, or missed too much: comes in again by external commit, in its turn */
    bool asked_to_add;    /* its key package is in the commit_now that is out */
    uint8_t turns_missed; /* leases that it let pass, or used for a commit that was refused */
    uint8_t left_out; /* a committer added others and not it, or could not add it alone: it enters by its own commit */
    uint64_t resync_at_us; /* its turn does not come before */
    struct ration sealed;  /* app and direct */
    uint32_t app_dropped;  /* since the ration was last full */
    struct budget work;
    uint64_t window_of_crowd, window_of_network; /* see budget_share */
    uint64_t in_debt_since_us;                   /* without a rest; 0 = it is not */
    uint64_t held_until_us;                      /* not read from until then; 0 = it is */
};

/* An IPv4 /24 or an IPv6 /48 with connections. */
struct network {
    uint8_t key[8];
    uint32_t connections, meetings; /* `meetings`: those that it began */
    struct budget_shared work;
};

struct logged {
    uint64_t seq;
    struct blob *blob;
};

/* A member without a connection, or one who is on the way out. */
struct absent {
    struct name identity;
    uint32_t leaf;
    uint64_t until_us;
};

/* How a member, or who was one, behaves: it outlives connections. The one that was used longest ago makes room. */
#define CONDUCTS_MAX 256
#define AUTHORS_MAX 3
struct accusation {
    struct name author;
    uint64_t at_us;
};
struct conduct {
    struct name identity;
    uint64_t used_us;
    struct ration bad;                      /* of `bad`, and of turns to come in again */
    uint32_t pauses;                        /* since it was last quiet: each is longer */
    uint64_t quiet_until_us;                /* its `bad` is not heard before */
    struct accusation accused[AUTHORS_MAX]; /* whose commits it refused, newest first */
    struct ration commits;                  /* beyond those asked for */
    struct ration urgent;
    uint64_t distrusted_until_us; /* others refused its commit */
};

struct assembly {
    struct assembly *next;
    struct delivery *owner;
    uint32_t slot;           /* in the owner's deadlines */
    struct network *network; /* that began it */
    uint8_t id_len;
    uint8_t id[DELIVERY_MEETING_ID_LEN_MAX];
    uint8_t id_hash[SECURE_MEETING_HASH_LEN];
    bool active;
    struct public1_group group;
    uint64_t seq;
    struct logged log[DELIVERY_LOG_MESSAGES_MAX];
    uint32_t log_first, log_count;
    size_t log_len;
    struct absent *absent; /* members_max of them */
    uint32_t absent_count;
    uint64_t absent_at_us; /* none of them is due before */
    struct connection *first;
    uint32_t connections; /* in all phases */
    uint32_t in_phase[PHASES];
    uint32_t resyncing; /* members who are */
    uint32_t unacked;   /* members who can follow and have not entered the present epoch */
    uint32_t held;      /* connections that are not read from */
    struct budget_shared members_work, others_work;
    struct conduct *conducts; /* CONDUCTS_MAX of them, from the first need on */
    uint32_t lease;           /* who creates the group or enters by external commit now */
    uint64_t lease_until_us;
    uint32_t named; /* committer */
    uint64_t named_until_us, named_for_us;
    uint32_t adds_max; /* packages that are named at once: fewer when a commit of several did not come */
    uint32_t urgent;   /* a host whose removal lost: only its commit is taken */
    uint64_t urgent_until_us;
    bool again_last; /* the last turn was of somebody who comes in again */
    bool ready_told;
    bool online_changed;
    uint64_t online_at_us;
    uint64_t last_join_us;
    uint64_t epoch_at_us;        /* of the commit that began the present epoch */
    uint64_t look_at_us;         /* pump again, even if nothing happens */
    struct mls_hash last_commit; /* SHA-256 of the last accepted commit */
    struct name last_commit_by;
};

struct output {
    enum delivery_output_type type;
    uint32_t connection;
    uint16_t code;
    bool held;
    uint8_t meeting_len;
    uint8_t meeting[DELIVERY_MEETING_ID_LEN_MAX];
    struct name identity;
    struct blob *blob;
};

struct delivery {
    struct delivery_config config;
    struct mls_crypto crypto;
    struct delivery_counters counters;
    struct secret signature_key;
    struct mls_buf external_sender;
    struct connection *connections; /* config.connections_max of them */
    struct connection *free;        /* by `next` */
    uint32_t connections_count;
    uint32_t generation;
    uint64_t now_us; /* of the input that is being taken */
    size_t logs_len; /* of all meetings */
    struct assembly *meetings;
    uint32_t meetings_count;
    struct assembly **by_slot; /* config.meetings_max of them */
    struct map by_id;          /* padded id -> slot */
    void *by_id_memory;
    struct deadlines deadlines; /* by slot */
    void *deadlines_memory;
    struct network *networks; /* config.connections_max of them */
    uint32_t networks_count;
    struct map by_network;
    void *by_network_memory;
    struct output *outputs;
    size_t outputs_count, outputs_first, outputs_size;
    struct blob *given; /* with the last output that was polled */
    struct output given_output;
};

struct span name_span(const struct name *name);
void name_set(struct name *name, struct span bytes);

/* ---- delivery.c ---- */

struct connection *delivery_find(struct delivery *d, uint32_t handle);
/* The connection of an identity in a meeting, NULL when there is none. */
struct connection *delivery_connection_of(struct assembly *m, struct span identity);
/* Each connection of a meeting: start with NULL. */
struct connection *delivery_next_connection(struct assembly *m, struct connection *after);
struct blob *blob_of(const struct wire1_message *message);
void blob_free(struct blob *blob);
void delivery_send(struct delivery *d, struct connection *c, const struct wire1_message *message);
void delivery_send_blob(struct delivery *d, struct connection *c, struct blob *blob);
/* Says why (0: nothing) and closes; the connection object is free afterwards. */
void delivery_close(struct delivery *d, struct connection *c, uint8_t gone, uint16_t code);
void delivery_tell(struct delivery *d, enum delivery_output_type type, struct assembly *m, struct span identity);

void delivery_tell_held(struct delivery *d, const struct connection *c, bool held);
/* Changes what a connection is; the meeting's counts follow. */
void connection_set(struct connection *c, enum phase phase, bool acked, bool resyncing);

/* ---- delivery_assembly.c ---- */

void assembly_hello(struct assembly *m, struct connection *c, uint64_t now_us, const struct wire1_message *message);
void assembly_created(struct assembly *m, struct connection *c, uint64_t now_us, struct rng *rng,
                      const struct wire1_message *message);
void assembly_commit(struct assembly *m, struct connection *c, uint64_t now_us, uint64_t unix_s,
                     const struct wire1_message *message);
void assembly_ack(struct assembly *m, struct connection *c, uint64_t epoch);
void assembly_app(struct assembly *m, struct connection *c, const struct wire1_message *message);
void assembly_direct(struct assembly *m, struct connection *c, const struct wire1_message *message);
/* The person of a connection, or an identity without one, goes now: Remove is proposed. */
void assembly_leaves(struct assembly *m, struct span identity);
void assembly_lost(struct assembly *m, struct span identity, uint64_t now_us);
void assembly_forget_absent(struct assembly *m, struct span identity);
void assembly_tell_members(struct assembly *m, const struct wire1_message *message);
void assembly_group_free(struct assembly *m);

/* ---- delivery_pump.c ---- */

/* Does what is due; after every input and tick. */
void assembly_pump(struct assembly *m, uint64_t now_us);
uint64_t assembly_deadline_us(const struct assembly *m);
/* Nobody is in it and nobody is expected back. */
bool assembly_is_over(const struct assembly *m);
/* A commit was taken that should have added those who were asked for: who is still waiting was left out. */
void assembly_note_left_out(struct assembly *m, const struct connection *committer);
/* The named committer did not do it. */
void assembly_not_committed(struct assembly *m);

/* ---- delivery_fair.c ---- */

/* Takes the work for a message out of everybody's buckets who has a part in it, and holds the connection until that is
 * paid. False: it has to be closed, since it does not mean to stop. `own` false: the server asked for it, so it is only
 * the crowd's. */
bool fair_charge(struct connection *c, uint64_t now_us, uint64_t price_us, bool own);
uint64_t fair_price(const struct connection *c, const struct wire1_message *message);
void fair_release(struct assembly *m, uint64_t now_us);
struct conduct *fair_conduct(struct assembly *m, struct span identity);
bool fair_is_host(const struct connection *c);
/* `bad`: who cannot follow comes in again, in its turn and with growing pauses. */
void fair_bad(struct assembly *m, struct connection *c, uint64_t now_us, uint64_t epoch);
/* It has to come in again; not before its pause is over. */
void fair_resync(struct assembly *m, struct connection *c, uint64_t now_us);
bool fair_distrusted(struct assembly *m, const struct connection *c);
/* May this commit be looked at? NULL, or why not. `asked`: the server asked for it. */
const char *fair_commit_refused(struct assembly *m, struct connection *c, uint64_t now_us, bool asked);
void fair_commit_give_back(struct assembly *m, const struct connection *c);
/* A commit was too late. A host's that removes somebody goes first now. */
void fair_commit_lost(struct assembly *m, struct connection *c, uint64_t now_us, struct span commit);

#endif
