/* ICE, a small full agent (RFC 8445) for our own clients: the native client, the load generator and the simulator. One
 * component, one local base for each transport protocol (the io layer's UDP socket, and one connection for each TCP
 * candidate), up to ICE_CLIENT_PAIRS_MAX remote candidates. It starts in the controlling role, as a full agent facing a
 * lite one must (section 6.1.1). Sans-IO, fixed size, no allocation.
 *
 *     ice_client_init, ice_client_set_remote, ice_client_add_candidate (1..8, also later: trickle, RFC 8838)
 *     after that, after every ice_client_input and at ice_client_next_deadline:
 *         ice_client_tick(now)
 *         while (ice_client_poll(now, &writer, &to)) send(writer, to)
 *         look at ice_client_state, ice_client_selected
 *
 * Checks are paced at 50 ms (Ta, section 14.2), retransmitted with RTO 500 ms doubling to 1.6 s (section 14.3) and
 * given up after 12 tries. The best pair that works is nominated once (regular nomination, section 8.1.1): at once when
 * no better one is still being tried, else after ICE_CLIENT_PATIENCE_US. Consent is checked each 5 s ± 20 % and lost
 * after 30 s (RFC 7675 section 5.1). */
#ifndef CONCLAVE_PROTOCOL_ICE_CLIENT_H
#define CONCLAVE_PROTOCOL_ICE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"
#include "base/net.h"
#include "base/rng.h"
#include "protocol/ice_lite.h"
#include "protocol/stun.h"

#define ICE_CLIENT_PAIRS_MAX 8
/* RFC 8445 section 5.3: a receiver accepts up to 256 characters; ours come from Conclave (32) or a browser (32). */
#define ICE_CLIENT_PWD_LEN_MAX 64
#define ICE_CLIENT_PACING_US UINT64_C(50000)
#define ICE_CLIENT_RTO_US UINT64_C(500000)
/* RFC 8489 section 6.2.1 doubles without end and sends 7 requests. With a tenth of the packets lost that leaves a
 * person waiting for many seconds; so the doubling ends here and there are more requests, over about half the time. */
#define ICE_CLIENT_RTO_MAX_US UINT64_C(1600000)
#define ICE_CLIENT_TRIES_MAX 12
#define ICE_CLIENT_PATIENCE_US UINT64_C(200000)
#define ICE_CLIENT_CONSENT_INTERVAL_US UINT64_C(5000000)
/* Two consent checks are up to 6 s apart: a single lost one is not yet a disconnection. */
#define ICE_CLIENT_QUIET_US UINT64_C(13000000)
/* No pair nominated this long after the first candidate: failed. */
#define ICE_CLIENT_GIVE_UP_US UINT64_C(30000000)
/* Answers waiting for a poll. */
#define ICE_CLIENT_ANSWERS_MAX 4
/* Room that ice_client_poll needs in the writer. */
#define ICE_CLIENT_DATAGRAM_LEN_MAX 256

#define ICE_CLIENT_COUNTERS(X)                                                                                         \
    X(tx_checks, "binding requests sent")                                                                              \
    X(tx_retransmits, "of these, retransmissions")                                                                     \
    X(tx_answers, "answers to the peer's requests sent")                                                               \
    X(rx_success, "valid success answers")                                                                             \
    X(rx_error, "valid error answers")                                                                                 \
    X(rx_role_conflict, "487 answers, or requests that conflicted with our role")                                      \
    X(rx_requests, "valid requests of the peer")                                                                       \
    X(rx_dropped, "STUN datagrams dropped: malformed, unauthenticated, or answers to nothing")                         \
    X(answers_dropped, "answers dropped because too many were waiting")                                                \
    X(pairs_refused, "candidates refused because all pairs were in use or they were not usable")
COUNTERS_DEFINE(ice_client_counters, ICE_CLIENT_COUNTERS)

enum ice_client_state {
    ICE_CLIENT_NEW, /* no remote credentials or no candidate */
    ICE_CLIENT_CHECKING,
    ICE_CLIENT_CONNECTED,    /* a pair is nominated; during a restart: the old one is still used */
    ICE_CLIENT_DISCONNECTED, /* nothing authentic for ICE_CLIENT_QUIET_US; still sending */
    ICE_CLIENT_FAILED,       /* consent lost, or nothing worked: stop sending. Only a restart helps */
};

enum ice_client_pair_state { ICE_PAIR_WAITING, ICE_PAIR_IN_PROGRESS, ICE_PAIR_SUCCEEDED, ICE_PAIR_FAILED };

struct ice_client_pair {
    struct net_addr remote;
    uint32_t remote_priority;
    enum ice_client_pair_state state;
    bool triggered;        /* a check from there came: ours is due at once (RFC 8445 section 7.3.1.4) */
    bool pending;          /* a transaction is open */
    bool nominating;       /* and it carries USE-CANDIDATE */
    bool nominate_next;    /* its next check carries USE-CANDIDATE */
    bool peer_nominated;   /* the peer nominated it (we are controlled) */
    bool sent_controlling; /* role in which the open transaction was sent */
    uint8_t tries;         /* requests sent in this transaction */
    uint64_t retry_us;     /* when to send again, or give up */
    uint64_t rto_us;       /* RFC 8445 section 14.3: max(500 ms, Ta * pairs), and 8 pairs * 50 ms are less */
    uint64_t sent_us;      /* first request of this transaction */
    uint8_t transaction[STUN_TRANSACTION_LEN];
};

struct ice_client_answer {
    struct net_addr to;
    bool role_conflict; /* 487, else success */
    uint8_t transaction[STUN_TRANSACTION_LEN];
};

/* By value in its owner. Fields are private. */
struct ice_client {
    struct rng *rng;
    uint64_t tie_breaker;
    bool controlling;
    bool failed;
    bool remote_known;
    bool nominated; /* a pair of this generation is selected */
    uint8_t pair_count;
    uint8_t answer_count;
    struct net_addr selected;  /* nominated path, family 0 = none; survives a restart until the next nomination */
    uint64_t started_us;       /* first candidate of this generation; 0 = none */
    uint64_t first_success_us; /* 0 = none */
    uint64_t next_check_us;    /* pacing */
    uint64_t next_consent_us;
    uint64_t consent_us;    /* last proof of consent */
    uint64_t heard_us;      /* that, or the last authentic packet */
    uint32_t rtt_us;        /* of the last answered request, 0 = unknown */
    uint32_t selected_pair; /* index, while `nominated` */
    struct ice_client_pair pairs[ICE_CLIENT_PAIRS_MAX];
    struct ice_client_answer answers[ICE_CLIENT_ANSWERS_MAX];
    struct ice_client_counters counters;
    char local_ufrag[ICE_UFRAG_LEN_MAX + 1];
    char local_pwd[ICE_CLIENT_PWD_LEN_MAX + 1];
    char remote_ufrag[ICE_UFRAG_LEN_MAX + 1];
    char remote_pwd[ICE_CLIENT_PWD_LEN_MAX + 1];
};

/* Draws local credentials (8 and 24 characters), to be read from local_ufrag and local_pwd. `rng` outlives it. */
void ice_client_init(struct ice_client *ice, struct rng *rng);
/* False when the lengths are not acceptable. */
bool ice_client_set_remote(struct ice_client *ice, struct span ufrag, struct span pwd);
/* A candidate of the peer. For TCP `addr.conn` is the open connection. Family 0 (a host name) and repetitions are
 * ignored; false when it was not taken. */
bool ice_client_add_candidate(struct ice_client *ice, uint64_t now_us, const struct net_addr *addr, uint32_t priority);
/* New local credentials, no remote ones, no candidates; the old path stays selected until a new one is nominated. */
void ice_client_restart(struct ice_client *ice, uint64_t now_us);
/* SRTP or DTLS authenticated a packet from the peer: it is not quiet. (Consent still needs an answered check, RFC
 * 7675.) */
void ice_client_note_authentic(struct ice_client *ice, uint64_t now_us);
/* One STUN datagram. ICE_ANSWERED: a request, its answer comes out of the poll or, as ICE_REFUSED, an error answer;
 * ICE_TAKEN: an answer to one of our checks. */
enum ice_result ice_client_input(struct ice_client *ice, uint64_t now_us, const struct net_addr *from,
                                 struct span datagram);
void ice_client_tick(struct ice_client *ice, uint64_t now_us);
/* Appends one datagram to `datagram` and says where to; false when nothing is due. */
bool ice_client_poll(struct ice_client *ice, uint64_t now_us, struct writer *datagram, struct net_addr *to);
/* 0 = at once: there is something to poll. */
uint64_t ice_client_next_deadline(const struct ice_client *ice);
enum ice_client_state ice_client_state(const struct ice_client *ice, uint64_t now_us);
bool ice_client_selected(const struct ice_client *ice, struct net_addr *to);
void ice_client_destroy(struct ice_client *ice);

#endif
