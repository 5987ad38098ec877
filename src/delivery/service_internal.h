/* What service.c (connections), service_output.c (what goes out), service_network.c (shares of addresses),
 * service_hall.c (one meeting: who comes and goes), service_commit.c (its commits), service_pump.c (what is due),
 * service_fair.c (what one may do to the others) and service_restate.c (the group of before a restart) share. */
#ifndef CONCLAVE_DELIVERY_SERVICE_INTERNAL_H
#define CONCLAVE_DELIVERY_SERVICE_INTERNAL_H

#include "base/deadline.h"
#include "base/map.h"
#include "delivery/budget.h"
#include "delivery/service.h"

struct service_blob {
    uint32_t refs;
    size_t len;
    uint8_t bytes[];
};

enum guest_phase {
    GUEST_NEW,       /* has the challenge */
    GUEST_REFUSED,   /* its 4005 leaves on the grid */
    GUEST_FOUND,     /* may begin the group */
    GUEST_LINE,      /* enters in turn */
    GUEST_WAIT,      /* may not enter yet */
    GUEST_RESTATING, /* says where the group is that we do not have */
    GUEST_MEMBER,
};

/* An IPv4 /24 or an IPv6 /48 with connections, meetings, or work that is not paid. */
struct network {
    uint8_t key[8];                            /* key[0] 0: free */
    uint32_t connections, strangers, meetings; /* strangers: have not said hello; meetings: that it began */
    struct budget_shared work;
    uint64_t window_of_strangers;
    struct network *next_free;
};

struct guest {
    uint32_t handle; /* index + 1 and a generation; 0 = free */
    enum guest_phase phase;
    struct hall *hall;             /* NULL before its hello was good */
    struct guest *next, *previous; /* of the hall; `next` of the free ones */
    struct network *network;       /* NULL: its address is not counted */
    uint8_t id_len, id[GROUP_MEETING_ID_LEN_MAX];
    uint8_t nonce[32];
    uint8_t seat[32], identity[GROUP_IDENTITY_LEN];
    bool missed;   /* something it was told found no room: it is closed */
    uint32_t leaf; /* where its seat was last found */
    struct budget work;
    uint64_t window_of_crowd, window_of_network; /* see budget_share */
    uint64_t in_debt_since_us;                   /* without a rest; 0: it is not */
    uint64_t held_until_us;                      /* not read from until then; 0: it is */
    uint64_t wait_until_us;                      /* LINE, FOUND, WAIT */
    struct ration sealed;                        /* app and direct */
    uint32_t sealed_dropped;                     /* since the ration was last full */
    uint64_t due_us;        /* NEW: of the hello; REFUSED: of the answer; else its place in the line */
    struct mls_buf package; /* FOUND, LINE, WAIT */
    struct mls_hash ref;    /* of it */
    bool resyncing;         /* a member that comes in again */
    bool holds_info;        /* it was given join_now or a Welcome: it may read the tree */
    bool passed_over;
    bool asked_to_add;
    uint64_t checked_ticket; /* the last one that it was asked about */
    uint8_t turns_missed;
    uint8_t left_out; /* a committer added others and not it, or could not add it alone: it enters by its own commit */
};

struct kept {
    uint64_t seq;
    struct service_blob *blob;
};

struct absent_seat {
    uint8_t seat[32];
    uint64_t until_us;
};

/* Whose commits a seat refused, newest first. */
#define AUTHORS_MAX 3
struct accusation {
    uint8_t author[32];
    uint64_t at_us; /* 0: none */
};

/* How a seat behaves, and what it owes: it outlives connections. One with nothing to say makes room first, then the one
 * that was used longest ago. */
struct conduct {
    uint8_t seat[32];
    uint64_t used_us;    /* 0: free */
    struct ration turns; /* to come in again */
    uint32_t pauses;
    uint64_t quiet_until_us; /* its `bad` is not heard before */
    struct accusation accused[AUTHORS_MAX];
    uint64_t distrusted_until_us; /* others refused its commit */
    uint64_t struck_at_us;        /* 0: never */
    struct ration commits;        /* beyond those asked for */
    struct ration urgent, moderates;
    struct ration sealed; /* of its last connection */
    struct budget work;
};

/* "Try again later", RFC 6455 registry. */
#define SERVICE_CLOSE_BEHIND 1013
#define HALL_CONDUCTS_MAX 128
#define HALL_TAKEN_MAX 256
#define HALL_PUT_OUT_MAX 64

struct hall {
    struct hall *next, *previous;
    uint32_t slot;           /* in by_slot and deadlines */
    struct network *network; /* that began it; NULL: not counted */
    struct service *owner;
    uint8_t id_len, id[GROUP_MEETING_ID_LEN_MAX];
    uint8_t meeting[32];
    struct secret external_seed;
    struct mls_buf external_sender;
    struct mls_crypto crypto; /* of its suite */
    struct order *order;      /* NULL before it is founded */
    struct guest *first;
    uint32_t guests;
    struct kept log[SERVICE_LOG_MESSAGES_MAX];
    uint32_t log_first, log_count;
    size_t log_len;
    struct absent_seat *absent;
    uint32_t absent_count, absent_size;
    uint8_t (*leaving)[32]; /* their Remove is proposed in each epoch until it is done */
    uint32_t leaving_count, leaving_size;
    struct absent_seat put_out[HALL_PUT_OUT_MAX]; /* by a host, whose commit follows until then: out for the media side
                                                     at once */
    uint32_t put_out_count;
    uint8_t taken[HALL_TAKEN_MAX][32]; /* seats whose leaves the server took */
    uint32_t taken_count;
    struct conduct *conducts; /* HALL_CONDUCTS_MAX of them, from the first need on */
    struct budget_shared members_work, others_work;
    bool look; /* something happened that hall_pump has to look at */
    uint32_t lease;
    uint64_t lease_until_us;
    uint32_t named;
    uint64_t named_until_us, named_for_us;
    uint32_t
        adds_max; /* packages that are named at once; 0: as many as fit. Fewer when a commit of several did not come */
    uint64_t last_join_us, this_join_us; /* the two newest hellos of those who enter */
    bool again_last;                     /* the last turn was of somebody who comes in again */
    uint32_t urgent;                     /* a host whose removal lost: only its commit is taken */
    uint64_t urgent_until_us;
    bool info_doubted; /* the GroupInfo of this epoch is not handed out */
    bool online_changed;
    uint64_t online_at_us;
    uint8_t last_author[32]; /* of the commit that began this epoch */
    bool has_last_author;
    /* an entrant's commit that a member looks at */
    uint64_t ticket;
    uint32_t check_of, checker;
    uint64_t check_until_us;
    uint32_t checks_bad;
    struct mls_buf check_commit, check_info;
    uint8_t vouched[32]; /* who called the commit that is staged good */
    bool has_vouched;
    uint32_t staged_author; /* connection */
    uint8_t staged_seat[32];
    struct mls_buf welcome;  /* of the commit that is staged */
    struct restate *restate; /* service_restate.c; NULL: nothing of before a restart is expected */
    bool restate_over;       /* it was tried, and nobody's group stood */
};

struct service {
    struct service_config config;
    struct service_counters counters;
    struct guest *guests; /* connections_max of them */
    uint64_t now_us;      /* of the input that is being taken */
    struct guest *free;   /* by `next` */
    uint32_t guests_count, generation, missed_count;
    struct hall *halls;
    uint32_t halls_count;
    struct hall **by_slot; /* meetings_max of them */
    uint32_t *slots;       /* those that are free: the last meetings_max - halls_count of it */
    struct map by_id;      /* padded id -> slot */
    struct map by_seat;    /* slot, seat -> index of its connection */
    struct map by_network;
    struct network *networks, *networks_free; /* networks_max of them */
    uint32_t networks_max;
    struct deadlines deadlines; /* of connections, then meetings, then networks */
    void *by_id_memory, *by_seat_memory, *by_network_memory, *deadlines_memory;
    struct budget_shared strangers; /* who has not proven anything yet */
    size_t logs_len;                /* of all meetings */
    struct queued_output *queue;
    size_t queue_first, queue_count, queue_size;
    bool draining;
    uint64_t restate_until_us; /* groups of before a restart are taken up; 0: nobody has resumed one yet */
    uint64_t restate_step_us;  /* when the next leaves of restated groups may be looked at */
    struct service_blob *given;
    uint8_t given_identity[GROUP_IDENTITY_LEN], given_id[GROUP_MEETING_ID_LEN_MAX];
};

/* ---- service_output.c ---- */

struct service_blob *blob_of(const struct wire_message *message);
void blob_drop(struct service_blob *blob);
/* Where there is no room the connection is closed: it never goes on without a message. */
void guest_send_blob(struct service *s, const struct guest *g, struct service_blob *blob);
void guest_send(struct service *s, const struct guest *g, const struct wire_message *message);
void service_tell(struct service *s, enum service_output_type type, const struct hall *h, struct span identity);
void service_tell_held(struct service *s, const struct guest *g, bool held);
bool service_tell_close(struct service *s, uint32_t connection, uint16_t code);
void service_queue_free(struct service *s);

/* ---- service.c ---- */

/* Says why (0: nothing), closes, and frees the guest. */
void guest_close(struct service *s, struct guest *g, uint8_t gone, uint16_t code);
struct guest *guest_find(struct service *s, uint32_t handle);
struct guest *guest_of_seat(const struct hall *h, struct span seat);
/* It has proven itself, and is not in yet. */
bool guest_waits(const struct guest *g);
/* After what may change when it is due. */
void guest_rearm(struct service *s, const struct guest *g);

/* ---- service_network.c ---- */

/* Of an address; NULL: it is not counted. False: there is no room for one more network. */
bool network_of(struct service *s, const struct net_addr *client, struct network **out);
/* Forgets it when nothing is of it any more and its work is paid; looks again when it will be. */
void network_done(struct service *s, uint64_t now_us, struct network *network);
uint32_t network_share(uint32_t all, uint32_t part, uint32_t min);

/* ---- service_fair.c ---- */

uint64_t fair_price(const struct hall *h, const struct wire_message *message);
/* Takes the work for a message out of everybody's buckets who has a part in it, and holds the connection until that is
 * paid. False: it has to be closed, since it does not mean to stop. `own` false: the server asked for it. */
bool fair_charge(struct service *s, const struct service_now *now, struct guest *g, uint64_t price_us, bool own);
/* The debt of its network or its seat is not paid: not read from before. */
void fair_meet(struct service *s, uint64_t now_us, struct guest *g);
/* A seat, with or without a connection, has so many bytes copied: 0, and it is charged; or how long until it may. */
uint64_t fair_read(struct hall *h, uint64_t now_us, struct span seat, struct guest *g, size_t len_bytes);
/* What a seat owes goes with it from one connection to the next. */
void fair_keep(struct hall *h, uint64_t now_us, const struct guest *g);
void fair_restore(struct hall *h, struct guest *g);
/* Takes one of app and direct. False: it is dropped; `*stop`: it does not mean to stop. */
bool fair_sealed(struct service *s, uint64_t now_us, struct guest *g, bool *stop);
bool fair_moderate(struct hall *h, uint64_t now_us, const struct guest *g);
/* It comes in again in its turn. */
void fair_resync(struct hall *h, uint64_t now_us, struct guest *g);
/* `bad` about an epoch that stands. True: it was put out, and is no more. */
bool fair_bad(struct hall *h, const struct service_now *now, struct guest *g, uint64_t epoch);
bool fair_distrusted(const struct hall *h, uint64_t now_us, const struct guest *g);
/* May this commit be looked at? NULL, or why not. `asked`: the server asked for it. */
const char *fair_commit_refused(struct hall *h, uint64_t now_us, const struct guest *g, bool asked);
/* A commit was too late: an urgent one of a host goes first now. */
void fair_commit_lost(struct hall *h, uint64_t now_us, const struct guest *g, bool urgent);
/* True: it has had too many lately. */
bool fair_strike(struct hall *h, uint64_t now_us, struct span seat);

/* ---- service_hall.c ---- */

/* Who has proven itself comes in. */
void hall_enter(struct hall *h, const struct service_now *now, struct guest *g, const struct wire_message *hello,
                const struct entry_result *result);
/* False: it does not mean to stop, and has to be closed. */
bool hall_message(struct hall *h, const struct service_now *now, struct guest *g, const struct wire_message *message);
bool hall_leaf(const struct hall *h, struct guest *g, uint32_t *leaf); /* of its seat */
void hall_resyncing(struct hall *h, uint64_t now_us, struct guest *g); /* it has no vote until it is back */
/* A member's connection is gone. */
void hall_lost(struct hall *h, const struct service_now *now, struct span seat, bool going);
void hall_leaves(struct hall *h, const struct service_now *now, struct span seat);
struct public_group *hall_group(const struct hall *h); /* NULL before it is founded */
struct span guest_seat(const struct guest *g);
struct span guest_identity(const struct guest *g);
bool hall_leads(const struct hall *h, struct span seat); /* host or co-host */
void hall_finish_put_out(struct hall *h, const struct service_now *now);
bool hall_is_leaving(const struct hall *h, struct span seat);
void hall_forget_absent(struct hall *h, struct span seat);
void hall_propose_leaving(struct hall *h);
/* To all members but `except`; kept when it is numbered. */
void hall_broadcast(struct hall *h, const struct wire_message *message, const struct guest *except);
void hall_stale(struct hall *h, const struct guest *g, const char *reason);
void hall_become_member(struct hall *h, const struct service_now *now, struct guest *g);
/* Leaves that nobody answers for, and nobody is expected back for. */
void hall_remove_ghosts(struct hall *h, const struct service_now *now);
void hall_tell_online(struct hall *h);
void hall_log_drop_oldest(struct hall *h);

/* A group is there: who waited for it is judged by its entry. */
void hall_begun(struct hall *h, const struct service_now *now);
/* Goes on in the group that was restated at `epoch`, which it is in, or has staged. */
void hall_restated(struct hall *h, const struct service_now *now, struct guest *g, uint64_t epoch, bool has_staged);
/* All that was numbered since the group is here is in the log. */
bool hall_log_is_whole(const struct hall *h);

/* ---- service_commit.c ---- */

void hall_commit(struct hall *h, const struct service_now *now, struct guest *g, const struct wire_message *message);
void hall_checked(struct hall *h, const struct service_now *now, struct guest *g, const struct wire_message *message);
/* Tells what the order has to say. */
void hall_drain(struct hall *h, const struct service_now *now);
/* The commit that is looked at: it is given up, or the next member is asked. */
void hall_drop_check(struct hall *h, const char *reason);
void hall_ask_checker(struct hall *h, const struct service_now *now);

/* ---- service_restate.c ---- */

/* Who resumes where no group is known, or comes for the first time since it was restated. False: no such one. */
bool hall_restate_enter(struct hall *h, const struct service_now *now, struct guest *g);
void hall_restate_message(struct hall *h, const struct service_now *now, struct guest *g,
                          const struct wire_message *message);
void hall_restate_pump(struct hall *h, const struct service_now *now);
uint64_t hall_restate_deadline_us(const struct hall *h);
/* Nobody may begin a group meanwhile. */
bool hall_is_restating(const struct hall *h);
void hall_restate_free(struct hall *h);

/* ---- service_pump.c ---- */

void hall_pump(struct hall *h, const struct service_now *now);
uint64_t hall_deadline_us(const struct hall *h);
bool hall_is_over(const struct hall *h);
bool hall_is_member(const struct hall *h, struct span seat);
bool hall_was_taken(const void *hall, struct span seat);
void hall_free(struct hall *h);

#endif
