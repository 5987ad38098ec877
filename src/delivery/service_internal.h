/* What service.c (connections, outputs) and service_hall.c (one meeting) share. */
#ifndef CONCLAVE_DELIVERY_SERVICE_INTERNAL_H
#define CONCLAVE_DELIVERY_SERVICE_INTERNAL_H

#include "delivery/budget.h"
#include "delivery/service.h"

struct service_blob {
    uint32_t refs;
    size_t len;
    uint8_t bytes[];
};

enum guest_phase {
    GUEST_NEW,     /* has the challenge */
    GUEST_REFUSED, /* its 4005 leaves on the grid */
    GUEST_FOUND,   /* may begin the group */
    GUEST_LINE,    /* enters in turn */
    GUEST_WAIT,    /* may not enter yet */
    GUEST_MEMBER,
};

struct guest {
    uint32_t handle; /* index + 1 and a generation; 0 = free */
    enum guest_phase phase;
    struct hall *hall;             /* NULL before its hello was good */
    struct guest *next, *previous; /* of the hall */
    uint8_t id_len, id[GROUP_MEETING_ID_LEN_MAX];
    uint8_t nonce[32];
    uint8_t seat[32], identity[GROUP_IDENTITY_LEN];
    uint64_t due_us;        /* NEW: of the hello; REFUSED: of the answer; else its place in the line */
    struct mls_buf package; /* FOUND, LINE, WAIT */
    struct mls_hash ref;    /* of it */
    bool resyncing;         /* a member that comes in again */
    bool holds_info;        /* it was given join_now or a Welcome: it may read the tree */
    bool passed_over;
    bool asked_to_add;
    uint64_t checked_ticket; /* the last one that it was asked about */
    uint8_t turns_missed;
};

struct kept {
    uint64_t seq;
    struct service_blob *blob;
};

struct absent_seat {
    uint8_t seat[32];
    uint64_t until_us;
};

struct strike {
    uint8_t seat[32];
    uint64_t at_us;
};

/* How a seat behaves: it outlives connections. The one that was used longest ago makes room. */
struct conduct {
    uint8_t seat[32];
    uint64_t used_us;    /* 0: free */
    struct ration turns; /* to come in again */
    uint32_t pauses;
    uint64_t quiet_until_us;
    struct ration commits; /* beyond those asked for */
};

#define HALL_CONDUCTS_MAX 128
#define HALL_TAKEN_MAX 256
#define HALL_STRIKES_MAX 64
#define HALL_PUT_OUT_MAX 64

struct hall {
    struct hall *next;
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
    struct absent_seat *absent; /* members_max of them */
    uint32_t absent_count;
    uint8_t (*leaving)[32]; /* members_max of them: their Remove is proposed in each epoch until it is done */
    uint32_t leaving_count;
    uint8_t put_out[HALL_PUT_OUT_MAX][32]; /* by a host, whose commit follows: out for the media side at once; newest */
    uint32_t put_out_count;
    uint8_t taken[HALL_TAKEN_MAX][32]; /* seats whose leaves the server took */
    uint32_t taken_count;
    struct conduct conducts[HALL_CONDUCTS_MAX];
    struct strike strikes[HALL_STRIKES_MAX];
    uint32_t strikes_count;
    uint32_t lease;
    uint64_t lease_until_us;
    uint32_t named;
    uint64_t named_until_us;
    /* an entrant's commit that a member looks at */
    uint64_t ticket;
    uint32_t check_of, checker;
    uint64_t check_until_us;
    uint32_t checks_bad;
    struct mls_buf check_commit, check_info;
    uint8_t vouched[32]; /* who called the commit that is staged good */
    bool has_vouched;
    uint32_t staged_author; /* connection */
    struct mls_buf welcome; /* of the commit that is staged */
};

struct service {
    struct service_config config;
    struct service_counters counters;
    struct guest *guests; /* connections_max of them */
    uint32_t guests_count, generation;
    struct hall *halls;
    uint32_t halls_count;
    struct queued_output *queue;
    size_t queue_first, queue_count, queue_size;
    struct service_blob *given;
    uint8_t given_identity[GROUP_IDENTITY_LEN], given_id[GROUP_MEETING_ID_LEN_MAX];
};

/* ---- service.c ---- */

struct service_blob *blob_of(const struct wire_message *message);
void blob_drop(struct service_blob *blob);
void guest_send_blob(struct service *s, const struct guest *g, struct service_blob *blob);
void guest_send(struct service *s, const struct guest *g, const struct wire_message *message);
/* Says why (0: nothing), closes, and frees the guest. */
void guest_close(struct service *s, struct guest *g, uint8_t gone, uint16_t code);
struct guest *guest_find(struct service *s, uint32_t handle);
struct guest *guest_of_seat(struct hall *h, struct span seat);
void service_tell(struct service *s, enum service_output_type type, const struct hall *h, struct span identity);

/* ---- service_hall.c ---- */

/* Who has proven itself comes in. */
void hall_enter(struct hall *h, const struct service_now *now, struct guest *g, const struct wire_message *hello,
                const struct entry_result *result);
void hall_message(struct hall *h, const struct service_now *now, struct guest *g, const struct wire_message *message);
/* A member's connection is gone. */
void hall_lost(struct hall *h, const struct service_now *now, struct span seat, bool going);
void hall_leaves(struct hall *h, const struct service_now *now, struct span seat);
struct public_group *hall_group(const struct hall *h); /* NULL before it is founded */
struct span guest_seat(const struct guest *g);
bool hall_leads(const struct hall *h, struct span seat); /* host or co-host */
bool hall_is_leaving(const struct hall *h, struct span seat);
void hall_forget_absent(struct hall *h, struct span seat);
void hall_propose_leaving(struct hall *h);
/* Tells what the order has to say. */
void hall_drain(struct hall *h, const struct service_now *now);
/* The commit that is looked at: it is given up, or the next member is asked. */
void hall_drop_check(struct hall *h, const char *reason);
void hall_ask_checker(struct hall *h, const struct service_now *now);
void hall_log_drop_oldest(struct hall *h);

/* ---- service_pump.c ---- */

void hall_pump(struct hall *h, const struct service_now *now);
uint64_t hall_deadline_us(const struct hall *h);
bool hall_is_over(const struct hall *h);
bool hall_is_member(const struct hall *h, struct span seat);
bool hall_was_taken(const void *hall, struct span seat);
void hall_free(struct hall *h);

#endif
