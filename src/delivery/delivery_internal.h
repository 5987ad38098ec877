/* What delivery.c (connections, outputs) and delivery_assembly.c (one meeting's policy) share. */
#ifndef CONCLAVE_DELIVERY_DELIVERY_INTERNAL_H
#define CONCLAVE_DELIVERY_DELIVERY_INTERNAL_H

#include "delivery/delivery.h"
#include "group/public.h"

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
};

struct name {
    uint8_t len;
    uint8_t bytes[WIRE_IDENTITY_LEN_MAX];
};

struct connection {
    uint32_t handle; /* index + 1, and a generation in the upper bits; 0 = free */
    enum phase phase;
    struct assembly *meeting;
    struct name identity;
    struct mls_buf key_package;
    uint64_t waiting_since_us; /* for its hello, then to be let in */
    uint32_t leaf;             /* of a member */
    bool acked;                /* has entered the present epoch */
    bool passed_over;          /* let a deadline pass, or its commit was refused by others */
    bool resyncing;            /* may replace its own leaf by external commit */
    bool asked_to_add;         /* its key package is in the commit_now that is out */
    uint64_t app_full_at_us;   /* token bucket: when it is full again */
    uint32_t app_dropped;      /* since the bucket was last full */
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

struct assembly {
    struct assembly *next;
    struct delivery *owner;
    uint8_t id_len;
    uint8_t id[DELIVERY_MEETING_ID_LEN_MAX];
    uint8_t id_hash[SECURE_MEETING_HASH_LEN];
    bool active;
    struct public_group group;
    uint64_t seq;
    struct logged log[DELIVERY_LOG_MESSAGES_MAX];
    uint32_t log_first, log_count;
    size_t log_len;
    struct absent *absent; /* members_max of them */
    uint32_t absent_count;
    uint32_t connections; /* in all phases */
    uint32_t lease;       /* who creates the group or enters by external commit now */
    uint64_t lease_until_us;
    uint32_t named; /* committer */
    uint64_t named_until_us, named_for_us;
    bool ready_told;
    bool online_changed;
    uint64_t online_at_us;
    uint64_t last_join_us;
    uint64_t look_at_us; /* pump again, even if nothing happens */
    uint32_t last_committer;
    struct mls_hash last_commit; /* SHA-256 of the last accepted commit */
    struct name last_commit_by;
};

struct output {
    enum delivery_output_type type;
    uint32_t connection;
    uint16_t code;
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
    uint32_t connections_count;
    uint32_t generation;
    uint64_t now_us; /* of the input that is being taken */
    struct assembly *meetings;
    uint32_t meetings_count;
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
struct blob *blob_of(const struct wire_message *message);
void blob_free(struct blob *blob);
void delivery_send(struct delivery *d, struct connection *c, const struct wire_message *message);
void delivery_send_blob(struct delivery *d, struct connection *c, struct blob *blob);
/* Says why (0: nothing) and closes; the connection object is free afterwards. */
void delivery_close(struct delivery *d, struct connection *c, uint8_t gone, uint16_t code);
void delivery_tell(struct delivery *d, enum delivery_output_type type, struct assembly *m, struct span identity);

/* ---- delivery_assembly.c ---- */

void assembly_hello(struct assembly *m, struct connection *c, uint64_t now_us, struct rng *rng,
                    const struct wire_message *message);
void assembly_created(struct assembly *m, struct connection *c, uint64_t now_us, struct rng *rng,
                      const struct wire_message *message);
void assembly_commit(struct assembly *m, struct connection *c, uint64_t now_us, uint64_t unix_s,
                     const struct wire_message *message);
void assembly_ack(struct assembly *m, struct connection *c, uint64_t epoch);
void assembly_bad(struct assembly *m, struct connection *c, uint64_t epoch);
void assembly_app(struct assembly *m, struct connection *c, const struct wire_message *message);
void assembly_direct(struct assembly *m, struct connection *c, const struct wire_message *message);
/* The person of a connection, or an identity without one, goes now: Remove is proposed. */
void assembly_leaves(struct assembly *m, struct span identity);
void assembly_lost(struct assembly *m, struct span identity, uint64_t now_us);
/* Does what is due; after every input and tick. */
void assembly_pump(struct assembly *m, uint64_t now_us);
uint64_t assembly_deadline_us(const struct assembly *m);
/* Nobody is in it and nobody is expected back. */
bool assembly_is_over(const struct assembly *m);
void assembly_group_free(struct assembly *m);

#endif
