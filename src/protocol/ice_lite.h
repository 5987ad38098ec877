/* ICE, the lite side (RFC 8445 section 2.5): the server's half of one transport. It answers connectivity checks, learns
 * the peer's addresses from them, and follows the peer's nomination; of its own it sends checks only to ask whether
 * somebody is there. Sans-IO, fixed size, no allocation.
 *
 *     ice_lite_init          local credentials, drawn by the caller (rng_token)
 *     ice_lite_set_remote    when the peer's description came; earlier checks are answered (RFC 8445 section 7.3)
 *     ice_lite_input         every STUN datagram for its ufrag (find the agent with ice_peek_local_ufrag)
 *     ice_lite_note_authentic  every other datagram from a verified address that SRTP or DTLS authenticated
 *     ice_lite_target        where to send
 *     ice_lite_liveness      at ice_lite_next_deadline, and whenever asked
 *
 * Paths. A remote address becomes a path when a check with valid MESSAGE-INTEGRITY came from it. That proves that it
 * was made by somebody who knows the password, not that he is at that address: a source address can be forged by the
 * peer himself, and a check replayed from elsewhere by whoever saw it. So a path has to be *proven*: it is sent a
 * Binding request with a number that only who receives there can know, and answers (as every full agent does). Over TCP
 * the connection is the proof. A path that is not proven never replaces one that is, and gets no more than three times
 * the bytes that came from it, as with QUIC (RFC 9000 sections 8.2 and 9.3).
 *
 * Nomination. Of nominated paths the one with the highest PRIORITY is selected when their nominations come together
 * (aggressive nomination, RFC 5245, as Firefox does), else the newest nomination wins: a peer that moves from Wi-Fi to
 * cellular nominates a path of lower priority, and libwebrtc nominates again with every check on its selected path when
 * the other side is lite. Before any nomination the first path is used, so that DTLS can start with the first check.
 *
 * Consent (RFC 7675). A lite agent sends no consent checks; the peer's checks and authenticated packets are its
 * consent.
 *
 * Roles. A lite agent facing a full one is always controlled (RFC 8445 section 6.1.1). A request with ICE-CONTROLLED is
 * answered 487, as if our tie-breaker were 0 and so always the smaller (section 7.3.1.1), upon which the peer takes the
 * controlling role.
 *
 * Restart (RFC 8445 section 9). ice_lite_restart takes new local credentials; the old ones stay good until the first
 * check with the new ones was accepted, and sending goes on to the old path until the peer nominates again. */
#ifndef CONCLAVE_PROTOCOL_ICE_LITE_H
#define CONCLAVE_PROTOCOL_ICE_LITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"
#include "base/net.h"

struct rng;

/* RFC 8445 section 5.3: ufrag at least 24 bits (4 characters), password at least 128 bits (22); a sender uses at most
 * 32 characters for its ufrag. Our password is at most 32 characters, 190 bits: more proves nothing more and costs
 * memory. */
#define ICE_UFRAG_LEN_MIN 4
#define ICE_UFRAG_LEN_MAX 32
#define ICE_PWD_LEN_MIN 22
#define ICE_LITE_PWD_LEN_MAX 32
/* The peer's password: browsers use 24 characters, RFC 8445 allows 256. */
#define ICE_LITE_REMOTE_PWD_LEN_MAX 64
/* Addresses of the peer that are remembered: Wi-Fi, cellular, VPN, each IPv4 and IPv6, and TCP. The one heard of
 * longest ago makes room; never the selected one. */
#define ICE_LITE_PATHS_MAX 8
/* Local addresses that these came in at. One more replaces one that no path uses, else it is "any". */
#define ICE_LITE_LOCALS_MAX 3
/* RFC 7675 section 5.1: consent expires 30 seconds after the last proof. */
#define ICE_CONSENT_US UINT64_C(30000000)
/* Full agents check each 5 s on average (4 to 6); after 7 s without anything the peer may be gone. */
#define ICE_QUIET_US UINT64_C(7000000)
/* Nominations closer together than this are compared by priority; later ones replace. */
#define ICE_LITE_NOMINATION_US UINT64_C(1000000)
/* A selected path on which nothing came for this long, not even reports or consent, gives way to one that was just
 * checked: the peer's address changed and it does not nominate again. Reports come each second. */
#define ICE_LITE_SILENT_US UINT64_C(3000000)
/* Room for any answer. */
#define ICE_LITE_RESPONSE_LEN_MAX 128
/* Room for a question: header, a username of 65 bytes, priority, role, integrity, fingerprint. */
#define ICE_LITE_QUESTION_LEN_MAX 176

#define ICE_LITE_COUNTERS(X)                                                                                           \
    X(rx_requests, "binding requests taken in")                                                                        \
    X(tx_success, "binding requests answered with success")                                                            \
    X(rx_malformed, "STUN datagrams that did not parse or had a wrong fingerprint")                                    \
    X(rx_not_request, "STUN messages that were no binding request")                                                    \
    X(rx_incomplete, "binding requests without username, integrity or priority, answered 400")                         \
    X(rx_bad_username, "binding requests for other credentials, answered 401")                                         \
    X(rx_bad_integrity, "binding requests whose integrity did not verify, answered 401")                               \
    X(rx_unknown_attribute, "binding requests with unknown required attributes, answered 420")                         \
    X(rx_role_conflict, "binding requests of a controlled peer, answered 487")                                         \
    X(rx_bad_answer, "answers to questions that were not asked, or not of that address")                               \
    X(path_added, "remote addresses from which a check came")                                                          \
    X(path_proven, "remote addresses at which the peer proved to receive")                                             \
    X(challenges, "questions whether somebody is at a remote address")                                                 \
    X(path_evicted, "remote addresses forgotten to make room")                                                         \
    X(selected_changed, "changes of the selected path")                                                                \
    X(restarted, "restarts completed")
COUNTERS_DEFINE(ice_lite_counters, ICE_LITE_COUNTERS)

enum ice_result {
    ICE_ANSWERED, /* an authenticated check: the answer is in the writer, send it to where the request came from */
    ICE_REFUSED,  /* an error answer is in the writer; nothing changed. May be dropped instead under load */
    ICE_TAKEN,    /* an answer to a check of ours */
    ICE_DROPPED,  /* no answer; counted */
};

/* What an ICE_ANSWERED or ICE_TAKEN input changed. */
struct ice_lite_change {
    bool path_added;       /* `from` is newly verified */
    bool proven;           /* `from` answered: somebody with the peer's password receives there */
    bool selected_changed; /* ice_lite_target answers another path */
    bool restarted;        /* the old local ufrag is dead from now on */
    bool path_removed;
    struct net_addr removed;
};

struct ice_lite_credentials {
    uint8_t ufrag_len; /* 0 = none */
    uint8_t pwd_len;
    char ufrag[ICE_UFRAG_LEN_MAX];
    char pwd[ICE_LITE_PWD_LEN_MAX];
};

/* A local address without the fields that a UDP source address has no use for. */
struct ice_lite_local {
    uint8_t ip[16];
    uint16_t port;
    uint8_t family; /* 0 = free */
    uint8_t proto;
};

/* Of the transaction id of our questions: the rest is the owner's route. */
#define ICE_LITE_NONCE_LEN 6
/* How the answer to a question finds its agent: by thread, and by what that calls it. Nothing is trusted for it; an
 * answer counts by its nonce and its integrity. */
struct ice_lite_route {
    uint32_t tag;
    uint16_t shard;
};
/* Least time between two questions to one address; each is caused by something authentic from it. */
#define ICE_LITE_ASK_US UINT64_C(131072)
/* Bytes to an address that is not proven, for each that came from it. */
#define ICE_LITE_AMPLIFICATION_MAX 3

struct ice_lite_path {
    struct net_addr addr;
    uint32_t priority;
    uint32_t heard_ticks : 30; /* when it was last heard, in 2^16 us; wraps after two years */
    uint32_t local : 2;        /* 0 = any, else index + 1 */
    uint32_t asked_ticks : 29; /* when it was last asked */
    uint32_t asked : 1;
    uint32_t proven : 1;
    uint32_t wanted : 1;         /* to be selected once it is proven */
    uint32_t rx_bytes, tx_bytes; /* while it is not proven; they saturate */
    uint8_t nonce[ICE_LITE_NONCE_LEN];
};

/* By value in the transport. Fields are private. */
struct ice_lite {
    uint64_t heard_us;     /* last authentic packet; before the first one, init or the peer's description */
    uint64_t nominated_us; /* last nomination of the selected path; 0 = it is not nominated */
    struct ice_lite_path paths[ICE_LITE_PATHS_MAX];
    struct ice_lite_local locals[ICE_LITE_LOCALS_MAX];
    struct ice_lite_credentials current;
    struct ice_lite_credentials old; /* during a restart */
    char remote_ufrag[ICE_UFRAG_LEN_MAX];
    char remote_pwd[ICE_LITE_REMOTE_PWD_LEN_MAX];
    uint8_t remote_ufrag_len; /* 0 = not known yet */
    uint8_t remote_pwd_len;   /* the same */
    uint8_t path_count;
    uint8_t selected; /* index; path_count 0 = none */
    bool heard;       /* something authentic since init */
};

_Static_assert(sizeof(struct ice_lite) <= 896, "one for every transport");

/* The credentials are copied. Their lengths are asserted: they are our own. */
void ice_lite_init(struct ice_lite *ice, uint64_t now_us, struct span ufrag, struct span pwd);
/* The peer's ufrag, for the second half of USERNAME, and its password, for our questions (empty, or
 * longer than we keep: none can be asked). False when the ufrag's length is not one of RFC 8445. Called again with
 * another ufrag without a restart of ours it replaces. */
bool ice_lite_set_remote(struct ice_lite *ice, uint64_t now_us, struct span ufrag, struct span pwd);
void ice_lite_restart(struct ice_lite *ice, struct span ufrag, struct span pwd);
/* One STUN datagram. `local` is where it arrived, family 0 if unknown. `response` has ICE_LITE_RESPONSE_LEN_MAX bytes
 * free. */
enum ice_result ice_lite_input(struct ice_lite *ice, uint64_t now_us, const struct net_addr *from,
                               const struct net_addr *local, struct span datagram, struct writer *response,
                               struct ice_lite_change *change, struct ice_lite_counters *counters);
/* A question to the path `to`, when it is due: the path is not proven, the peer's password is known, and the last
 * question is not too young. `route` comes first in the transaction id of the answer, so that its owner finds the agent.
 */
bool ice_lite_ask(struct ice_lite *ice, uint64_t now_us, const struct net_addr *to, struct ice_lite_route route,
                  struct rng *rng, struct writer *question, struct ice_lite_counters *counters);
/* The route, when the datagram looks like an answer to a question. */
bool ice_peek_answer_route(struct span datagram, struct ice_lite_route *route);
/* The selected path is proven by other means: the peer finished a handshake whose every datagram went there. */
void ice_lite_prove_selected(struct ice_lite *ice);
/* Somebody else proved to be at `addr`: what was proven there before counts no more. */
void ice_lite_doubt(struct ice_lite *ice, const struct net_addr *addr);
bool ice_lite_selected_proven(const struct ice_lite *ice);
bool ice_lite_is_proven(const struct ice_lite *ice, const struct net_addr *from);
/* Something was heard from this path within ICE_QUIET_US. */
bool ice_lite_is_fresh(const struct ice_lite *ice, uint64_t now_us, const struct net_addr *from);
/* While the selected path is not proven: bytes that came from an address, and whether so many may be sent to the
 * selected path (they are then counted). */
void ice_lite_note_received(struct ice_lite *ice, const struct net_addr *from, size_t bytes);
/* Answers and questions, which are sent in any case (they are no longer than what causes them) and count all the same. */
void ice_lite_note_sent(struct ice_lite *ice, const struct net_addr *to, size_t bytes);
bool ice_lite_may_send(struct ice_lite *ice, size_t bytes);
/* SRTP or DTLS authenticated a packet from `from`. False when that is no path: such a packet should not have been
 * accepted. */
bool ice_lite_note_authentic(struct ice_lite *ice, uint64_t now_us, const struct net_addr *from);
bool ice_lite_is_path(const struct ice_lite *ice, const struct net_addr *from);
/* Forgets every path over this TCP connection; true when the selected path changed (there may be none left). */
bool ice_lite_forget_conn(struct ice_lite *ice, uint32_t conn);
/* The selected path; false while there is none. `local` (may be NULL) has family 0 when the source does not matter. */
bool ice_lite_target(const struct ice_lite *ice, struct net_addr *to, struct net_addr *local);
size_t ice_lite_paths(const struct ice_lite *ice, struct net_addr out[ICE_LITE_PATHS_MAX]);
/* True when the selected path was nominated (and not merely the first). */
bool ice_lite_nominated(const struct ice_lite *ice);

enum ice_liveness {
    ICE_WAITING, /* nothing authentic yet, and less than ICE_CONSENT_US since the peer's description came (if it did) */
    ICE_LIVE,
    ICE_QUIET,   /* nothing for ICE_QUIET_US: show as disconnected, keep sending */
    ICE_EXPIRED, /* nothing for ICE_CONSENT_US (since the description, if ever): stop sending at once (RFC 7675
                    section 5.1), close */
};
enum ice_liveness ice_lite_liveness(const struct ice_lite *ice, uint64_t now_us);
static inline bool ice_lite_alive(const struct ice_lite *ice, uint64_t now_us) {
    return ice_lite_liveness(ice, now_us) != ICE_EXPIRED;
}
/* When the liveness next gets worse if nothing is heard; TIME_NEVER once expired, and while the peer's description is
 * awaited (how long that may take is the owner's decision). */
uint64_t ice_lite_next_deadline(const struct ice_lite *ice, uint64_t now_us);
/* Wipes the passwords. */
void ice_lite_destroy(struct ice_lite *ice);

/* Reads the first half of USERNAME, the receiver's ufrag, without verifying anything: for finding the agent. The span
 * lies in the datagram and has 1 to ICE_UFRAG_LEN_MAX bytes. */
bool ice_peek_local_ufrag(struct span datagram, struct span *ufrag);

#endif
