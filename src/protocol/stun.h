/* STUN Binding messages as ICE uses them (RFC 8489, RFC 8445 section 7.1). Pure functions over bytes.
 *
 *      0                   1                   2                   3
 *     |0 0|  type (14 bits)           |  length of what follows 20    |
 *     |                    magic cookie 0x2112A442                    |
 *     |                   transaction id (96 bits)                    |
 *     |  attribute type               |  length  | value, padded to 4 |  ...
 *
 * Reading: stun_parse, then stun_check_integrity with the password that belongs to the username. Nothing of a message
 * is to be believed before that. Writing: one of the stun_write_ functions, which add MESSAGE-INTEGRITY (HMAC-SHA1 of
 * the short-term credential, RFC 8489 section 9.1) and FINGERPRINT (ICE demands it, RFC 8445 section 7.1).
 *
 * What it does not do: the long-term credential, TURN, MESSAGE-INTEGRITY-SHA256 (ICE stays with SHA-1: RFC 8445
 * predates it and no client sends it alone), DNS discovery. */
#ifndef CONCLAVE_PROTOCOL_STUN_H
#define CONCLAVE_PROTOCOL_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/net.h"

#define STUN_HEADER_LEN 20
#define STUN_COOKIE UINT32_C(0x2112A442)
#define STUN_TRANSACTION_LEN 12
#define STUN_METHOD_BINDING 1
/* The longest message that we write: a username of 508 bytes (RFC 8489 section 14.3), integrity, fingerprint. */
#define STUN_MESSAGE_LEN_MAX 700
/* Unknown comprehension-required attributes that a 420 answer names; more are counted as present but not named. */
#define STUN_UNKNOWN_MAX 8
/* Attributes in one message: ICE sends at most 9, WebRTC's private ones add a few. More is taken for malformed. */
#define STUN_ATTRIBUTES_MAX 32

enum stun_class { STUN_REQUEST = 0, STUN_INDICATION = 1, STUN_SUCCESS = 2, STUN_ERROR = 3 };

/* Bits of stun_message.present. Of an attribute that comes twice only the first counts (RFC 8489 section 14). */
enum stun_attribute_bit {
    STUN_HAS_USERNAME = 1 << 0,
    STUN_HAS_INTEGRITY = 1 << 1,
    STUN_HAS_FINGERPRINT = 1 << 2, /* and it is right: a wrong one makes the message STUN_BAD_FINGERPRINT */
    STUN_HAS_PRIORITY = 1 << 3,
    STUN_HAS_USE_CANDIDATE = 1 << 4,
    STUN_HAS_CONTROLLING = 1 << 5,
    STUN_HAS_CONTROLLED = 1 << 6,
    STUN_HAS_MAPPED = 1 << 7, /* XOR-MAPPED-ADDRESS */
    STUN_HAS_ERROR = 1 << 8,
};

/* Error codes that ICE knows: RFC 8489 section 14.8, RFC 8445 section 7.3.1.1. */
enum stun_error_code {
    STUN_ERROR_BAD_REQUEST = 400,
    STUN_ERROR_UNAUTHENTICATED = 401,
    STUN_ERROR_UNKNOWN_ATTRIBUTE = 420,
    STUN_ERROR_ROLE_CONFLICT = 487,
};

/* Spans point into the datagram and live as long as it. */
struct stun_message {
    enum stun_class class;
    uint16_t method;
    uint16_t present;    /* enum stun_attribute_bit */
    uint16_t error_code; /* 300..699 */
    uint32_t priority;
    uint64_t tie_breaker;   /* of ICE-CONTROLLING or ICE-CONTROLLED */
    struct net_addr mapped; /* proto NET_UDP, conn 0: STUN does not say */
    struct span username;
    struct span bytes;     /* the whole message */
    uint16_t integrity_at; /* offset of the MESSAGE-INTEGRITY attribute */
    uint16_t unknown_count;
    uint16_t unknown[STUN_UNKNOWN_MAX]; /* comprehension-required attributes (below 0x8000) that we do not know */
    uint8_t transaction[STUN_TRANSACTION_LEN];
};

enum stun_result {
    STUN_OK,
    STUN_MALFORMED,       /* not STUN, or lengths that do not add up */
    STUN_BAD_FINGERPRINT, /* FINGERPRINT is there and wrong: another protocol's bytes, drop in silence */
};

/* Cheap and not believed: first two bits 0, cookie, length a multiple of 4 that fits exactly (RFC 8489 section 5). */
bool stun_looks_like(struct span datagram);
/* USERNAME of a Binding request, found without judging the rest: for looking up whose password applies. */
bool stun_peek_username(struct span datagram, struct span *username);
/* Attributes after MESSAGE-INTEGRITY other than FINGERPRINT are ignored (RFC 8489 section 14.5). */
enum stun_result stun_parse(struct span datagram, struct stun_message *out);
/* True when MESSAGE-INTEGRITY is there and verifies under `key`; constant time. */
bool stun_check_integrity(const struct stun_message *message, struct span key);

/* The writers append one message to `w` (which may hold other bytes before it) and answer whether it fitted. */
struct stun_binding_request {
    const uint8_t *transaction; /* STUN_TRANSACTION_LEN random bytes */
    struct span username;       /* "remote:local" of the sender's view */
    struct span key;            /* the receiver's password */
    uint32_t priority;
    uint64_t tie_breaker;
    bool controlling;
    bool use_candidate;
};
bool stun_write_request(struct writer *w, const struct stun_binding_request *request);
/* Success with XOR-MAPPED-ADDRESS = `mapped`, signed with `key`. */
bool stun_write_success(struct writer *w, const uint8_t transaction[STUN_TRANSACTION_LEN],
                        const struct net_addr *mapped, struct span key);
/* Error answer to `request`; 420 names its unknown attributes. An empty `key` leaves MESSAGE-INTEGRITY out, as 400 and
 * 401 demand (RFC 8489 section 9.1.3). */
bool stun_write_error(struct writer *w, const struct stun_message *request, enum stun_error_code code, struct span key);

#endif
