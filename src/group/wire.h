/* The delivery protocol of meetings on the wire (docs/delivery-protocol.md), both directions, for server and clients.
 * Integers are big-endian, <V> is a vector of RFC 9420 section 2.1.2, a message begins with one byte that is its type.
 *
 * Reading makes a struct of spans into the message; lists inside of it are checked once and then walked with
 * wire_next_*. Writing appends to an mls_buf. Every limit that a single message can break is checked here, so whoever
 * reads gets a well-formed message, one to be skipped, or a reason to close the connection (4002). What a well-formed
 * message may do is decided elsewhere.
 *
 * The path is the version: what is incompatible gets another path. Compatible growth: bits of `features` (a bit is sent
 * one release before anybody relies on it) and the types 192 to 223 (client) and 224 to 255 (server), which are skipped
 * when unknown. Sans-IO, allocates only in the buffer written to. Threads: any. */
#ifndef CONCLAVE_GROUP_WIRE_H
#define CONCLAVE_GROUP_WIRE_H

#include "base/cursor.h"
#include "e2ee/mls_codec.h"

#define WIRE_PATH "/mls/v2"

/* A commit with a path in a bare hybrid group of 1000 is 1.3 MB; the connection takes no more than this. */
#define WIRE_MESSAGE_LEN_MAX (2u << 20)
/* Chat and the like: 8000 bytes of text, padded, sealed; a roster of 300 people. */
#define WIRE_APP_LEN_MAX (64u << 10)
#define WIRE_IDENTITY_LEN_MAX 64
/* Of the hybrid suite: 2.6 kB of keys and signatures, 1 KiB of our own extension (context.h), capabilities. */
#define WIRE_PACKAGE_LEN_MAX (8u << 10)
/* Without the tree: the meeting (5 KiB), Info (3 KiB), the external key (1.2 kB), hashes, a signature. */
#define WIRE_GROUP_INFO_LEN_MAX (16u << 10)
/* In one commit_now: 64 packages of the hybrid suite are 180 kB. */
#define WIRE_ADDS_MAX 64
#define WIRE_IDENTITIES_MAX 1024
#define WIRE_REASON_LEN_MAX 128
#define WIRE_KEY_LEN 32
#define WIRE_NONCE_LEN 32
#define WIRE_HASH_LEN 32
#define WIRE_SIGNATURE_LEN 64
#define WIRE_INFO_TAG_LEN 16
#define WIRE_CLAIM_LEN 16
/* A signed token of HTTP and /rtc; the sealed info of a stored meeting; names of nodes (empty on a single one). */
#define WIRE_TOKEN_LEN_MAX (4u << 10)
#define WIRE_INFO_LEN_MAX (17u << 10)
#define WIRE_HERE_LEN_MAX (1u << 10)
#define WIRE_POLICY_LEN_MAX (3u << 10)

/* Close codes of the WebSocket. */
enum wire_close {
    WIRE_CLOSE_REPLACED = 4001,  /* another connection of the same seat */
    WIRE_CLOSE_MALFORMED = 4002, /* not a message, or none that may come now */
    WIRE_CLOSE_OVER = 4003,      /* after `gone` */
    WIRE_CLOSE_TOO_MUCH = 4004,
    WIRE_CLOSE_NO_ENTRY = 4005, /* the one answer for unknown, ended, revoked, forbidden, missing or wrong proof */
};

enum wire_type {
    /* from the client */
    WIRE_HELLO = 1,
    WIRE_CREATE = 2,
    WIRE_COMMIT = 3,
    WIRE_ACK = 4,
    WIRE_BAD = 5,
    WIRE_APP = 6,
    WIRE_DIRECT = 7,
    WIRE_LEAVE = 8,
    WIRE_RESTATED = 9,
    WIRE_MODERATE = 14,
    WIRE_CHECKED = 15,
    WIRE_WHERE = 16,
    /* from the server */
    WIRE_CHALLENGE = 128,
    WIRE_STATE = 129,
    WIRE_CREATE_NOW = 130,
    WIRE_JOIN_NOW = 131,
    WIRE_COMMIT_NOW = 132,
    WIRE_HANDSHAKE = 133,
    WIRE_ACCEPTED = 134,
    WIRE_STALE = 135,
    WIRE_WELCOME = 136,
    WIRE_APP_FROM = 137,
    WIRE_DIRECT_FROM = 138,
    WIRE_READY = 139,
    WIRE_RESYNC = 140,
    WIRE_GONE = 141,
    WIRE_ONLINE = 142,
    WIRE_SENT = 143,
    WIRE_RESTATE = 145,
    WIRE_WAITING = 148,
    WIRE_CHECK_NOW = 153,
    WIRE_MODERATED = 154,
    WIRE_WITHDRAWN = 155,
    WIRE_CLOSING = 224, /* the server goes down; clients that do not know it skip it */
};

enum wire_how { WIRE_ENTER = 1, WIRE_RESUME = 2, WIRE_RETURN = 3 };
enum wire_standing {
    WIRE_STANDING_FOUND = 1,   /* create_now may follow */
    WIRE_STANDING_TURN = 2,    /* join_now or welcome follows */
    WIRE_STANDING_WAIT = 3,    /* for a person */
    WIRE_STANDING_RESUMED = 4, /* the log from last_seq follows, or resync */
    WIRE_STANDING_RETURN = 5,  /* a member is asked */
};
enum wire_gone {
    WIRE_GONE_REMOVED = 1,
    WIRE_GONE_OVER = 2,
    WIRE_GONE_TIMEOUT = 3,
    WIRE_GONE_FULL = 4,
    WIRE_GONE_REFUSED = 5,
    WIRE_GONE_LOBBY = 6,
    WIRE_GONE_DENIED = 7,
    WIRE_GONE_REPLACED_LINK = 8,
    WIRE_GONE_CANNOT_FOLLOW = 9,
};
enum wire_moderate {
    WIRE_MUTE = 1,
    WIRE_STOP = 2,
    WIRE_SUSPEND = 3,
    WIRE_CONTINUE = 4,
    WIRE_REMOVE = 5,
    WIRE_BACK = 6,
    WIRE_END = 7,
};

/* Bits of `flags`; others are zero (a message with another bit set is malformed). */
#define WIRE_HELLO_MAY_FOUND 0x01 /* our client can begin the meeting: it holds O, or the kind has 128 */
#define WIRE_COMMIT_URGENT 0x01   /* a host's Remove */
#define WIRE_APP_NOT_KEPT 0x01    /* forwarded, neither numbered nor logged: heartbeats, reactions */
#define WIRE_RESTATE_WHOLE 0x01   /* `restated` too, not only `where` */

/* One message of any type; the fields that its type has are set, all others are zero. After each name: its encoding,
 * and the messages that have it. Fixed lengths are spans of exactly that length. */
struct wire_message {
    enum wire_type type;
    uint8_t how;           /* uint8: hello. enum wire_how */
    uint8_t flags;         /* uint8: hello, commit, app, restate */
    uint8_t kind;          /* uint8: hello. As in context.h; 0: not known */
    uint8_t standing;      /* uint8: state. enum wire_standing */
    uint8_t reason_gone;   /* uint8: gone. enum wire_gone */
    uint8_t what;          /* uint8: moderate, moderated. enum wire_moderate */
    uint8_t entry;         /* uint8: waiting */
    uint8_t mode;          /* uint8: waiting */
    uint8_t host_here;     /* uint8: waiting. 0 none, 1 yes, 2 not begun */
    bool good;             /* uint8, 0 or 1: checked */
    uint16_t suite;        /* uint16: hello, state */
    uint16_t status;       /* uint16: bad, checked. Opaque to the server */
    uint16_t position;     /* uint16: waiting */
    uint32_t within_s;     /* uint32: closing. Connections end after that at the latest */
    uint32_t features;     /* uint32: challenge, hello */
    uint32_t generation;   /* uint32: hello. Of the link that the sender has */
    uint32_t bits;         /* uint32: moderate, moderated */
    uint64_t epoch;        /* uint64: hello, ack, bad, where, state (standing 4), commit_now, accepted, stale, ready,
                            * withdrawn */
    uint64_t seq;          /* uint64: hello (last_seq), state (standing 4), handshake, accepted, welcome, app from the
                            * server (0: not kept), sent, ready, withdrawn */
    uint64_t from_epoch;   /* uint64: join_now, resync: the chain is there from this epoch on */
    uint64_t ticket;       /* uint64: check_now, checked */
    uint64_t unix_s;       /* uint64: challenge */
    uint64_t file_len_max; /* uint64: state */
    uint64_t term;         /* uint64, first part of Term: challenge, hello, state; 0 on a single node */
    struct span claim;     /* [16], second part of Term, likewise; zeros on a single node */
    struct span nonce;     /* [32]: challenge (the server's), hello (the client's) */
    struct span first_link_key, owner, link_key; /* [32]: hello; who does not know them sends zeros */
    struct span seat_key;                        /* <V>, 32 bytes: hello */
    struct span link_signature;                  /* [64]: hello; zeros if how is not 1. statement.h, "Leaf" */
    struct span leaf_signature;                  /* [64]: hello. statement.h, "Hello" */
    struct span key_package;                     /* <V>: hello; empty when how is 2, and only then */
    struct span info_tag;                        /* [16]: ack. group_info_tag of link.h */
    struct span context_hash;                    /* [32]: where. SHA-256 of the GroupContext of `epoch` */
    struct span next_hash;                       /* [32]: where. Of the one staged or pending; zeros: none */
    struct span message;                         /* <V>: handshake; app both ways */
    struct span commit;                          /* <V>: commit, check_now */
    struct span welcome;                         /* <V>: commit (empty: adds nobody), welcome */
    struct span group_info;                      /* <V>: create, restated, commit, join_now, resync, check_now */
    struct span tree;                            /* <V>: create, restated */
    struct span tree_hash;                       /* <V>: join_now, welcome, resync */
    struct span external_sender;                 /* <V>: create_now: an encoded ExternalSender */
    struct span identity;                        /* <V>: direct: to; app, direct from the server: from */
    struct span sealed;                          /* <V>: direct */
    struct span target;                          /* <V>: moderate, moderated: an identity, or empty for everybody */
    struct span by;                              /* <V>: gone, moderated: an identity, or empty: the service */
    struct span reason;                          /* <V>: stale: a sentence for logs */
    struct span here, token, info, policy;       /* <V>: state; policy: waiting */
    struct span list; /* <V>: commit_now: packages, commit: left_out, online: identities; see wire_next_* */
};

enum wire_verdict { WIRE_OK, WIRE_SKIP, WIRE_MALFORMED };
enum wire_direction { WIRE_FROM_CLIENT, WIRE_FROM_SERVER };
/* Messages of the given direction only. Anything that is not exactly one well-formed message within the limits is
 * malformed, but for the types that are skipped; with both, `out` is all zeros. */
enum wire_verdict wire_read(enum wire_direction direction, struct span bytes, struct wire_message *out);
/* Appends the encoding of the fields that `type` has. Fixed fields that are empty spans are written as zeros. A message
 * that wire_read would not take is refused: `out` gets the status MLS_TOO_LARGE and nothing else; so what others sent
 * cannot be passed on in a form that is none. */
void wire_write(const struct wire_message *message, struct mls_buf *out);

/* Lists inside of a message: start with *at = 0, until false. */
struct wire_package {
    uint32_t knock; /* 0: an entrant in turn */
    struct span key_package;
};
struct wire_left_out {
    uint32_t knock;
    uint16_t status;
};
bool wire_next_package(const struct wire_message *commit_now, size_t *at, struct wire_package *out);
bool wire_next_left_out(const struct wire_message *commit, size_t *at, struct wire_left_out *out);
bool wire_next_identity(const struct wire_message *online, size_t *at, struct span *out);
/* Append one element to a list that is written elsewhere. */
void wire_add_package(struct mls_buf *list, const struct wire_package *package);
void wire_add_left_out(struct mls_buf *list, const struct wire_left_out *left_out);
void wire_add_identity(struct mls_buf *list, struct span identity);

#endif
