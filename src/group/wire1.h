/* The delivery protocol of meetings on the wire (docs/delivery-protocol.md), both directions, for server and clients.
 *
 * Reading makes a struct of spans into the message; lists inside of it (key packages, identities) are checked once and
 * then walked with wire1_next. Writing appends to an mls_buf. Every limit of the page's table that a single message can
 * break is checked here, so whoever reads gets either a well-formed message or a reason to close the connection.
 * Sans-IO, allocates only in the buffer written to. Threads: any. */
#ifndef CONCLAVE_GROUP_WIRE1_H
#define CONCLAVE_GROUP_WIRE1_H

#include "base/cursor.h"
#include "e2ee/mls_codec.h"

/* Path and version of the WebSocket. */
#define WIRE1_PATH "/mls/v1"

/* A commit with a path in a bare hybrid group of 1000 is 1.3 MB; the connection takes no more than this. */
#define WIRE1_MESSAGE_LEN_MAX (2u << 20)
/* Chat and the like: 8000 bytes of text, padded, sealed; a roster of 300 people. */
#define WIRE1_APP_LEN_MAX (64u << 10)
#define WIRE1_IDENTITY_LEN_MAX 64
/* Key packages in one commit_now: 64 of the hybrid suite are 180 kB. */
#define WIRE1_ADDS_MAX 64
#define WIRE1_IDENTITIES_MAX 1024
#define WIRE1_REASON_LEN_MAX 128

/* Close codes of the WebSocket. */
enum wire1_close {
    WIRE1_CLOSE_REPLACED = 4001,
    WIRE1_CLOSE_MALFORMED = 4002,
    WIRE1_CLOSE_OVER = 4003,
    WIRE1_CLOSE_TOO_MUCH = 4004
};

enum wire1_type {
    WIRE1_HELLO = 1,
    WIRE1_CREATE = 2,
    WIRE1_COMMIT = 3,
    WIRE1_ACK = 4,
    WIRE1_BAD = 5,
    WIRE1_APP = 6,
    WIRE1_DIRECT = 7,
    WIRE1_LEAVE = 8,
    WIRE1_STATE = 129,
    WIRE1_CREATE_NOW = 130,
    WIRE1_JOIN_NOW = 131,
    WIRE1_COMMIT_NOW = 132,
    WIRE1_HANDSHAKE = 133,
    WIRE1_ACCEPTED = 134,
    WIRE1_STALE = 135,
    WIRE1_WELCOME = 136,
    WIRE1_APP_FROM = 137,
    WIRE1_DIRECT_FROM = 138,
    WIRE1_READY = 139,
    WIRE1_RESYNC = 140,
    WIRE1_GONE = 141,
    WIRE1_ONLINE = 142,
    WIRE1_SENT = 143,
};

enum wire1_gone {
    WIRE1_GONE_REMOVED = 1,
    WIRE1_GONE_OVER = 2,
    WIRE1_GONE_TIMEOUT = 3,
    WIRE1_GONE_FULL = 4,
    WIRE1_GONE_REFUSED = 5,
    WIRE1_GONE_CANNOT_FOLLOW = 9
};

/* One message of any type; the fields that its type has (see the page) are set, all others are zero. */
struct wire1_message {
    enum wire1_type type;
    bool resume;                 /* hello */
    bool active;                 /* state */
    uint8_t gone;                /* gone: enum wire1_gone */
    uint16_t suite;              /* state */
    uint16_t status;             /* bad: enum mls_status */
    uint64_t epoch;              /* ack, bad, state, commit_now, accepted, stale, ready */
    uint64_t seq;                /* hello (last_seq), state, handshake, accepted, welcome, sent, app from the server */
    struct span key_package;     /* hello */
    struct span message;         /* handshake; app both ways */
    struct span commit;          /* commit */
    struct span welcome;         /* commit, welcome */
    struct span group_info;      /* create, commit, state, join_now, resync */
    struct span tree;            /* create */
    struct span tree_hash;       /* state, join_now, welcome, resync */
    struct span external_sender; /* state: an encoded ExternalSender */
    struct span identity;        /* app, direct: from (server), direct: to (client) */
    struct span sealed;          /* direct */
    struct span list;            /* commit_now: key packages; online: identities; each <V>, see wire1_next */
    struct span reason;          /* stale */
};

/* Messages of the given direction only. False for anything that is not exactly one well-formed message within the
 * limits. */
enum wire1_direction { WIRE1_FROM_CLIENT, WIRE1_FROM_SERVER };
bool wire1_read(enum wire1_direction direction, struct span bytes, struct wire1_message *out);
/* Appends the encoding of the fields that `type` has. What is too long for the protocol is misuse (asserted). */
void wire1_write(const struct wire1_message *message, struct mls_buf *out);
/* Walks message->list: start with *at = 0, until false. */
bool wire1_next(const struct wire1_message *message, size_t *at, struct span *element);

#endif
