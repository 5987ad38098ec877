/* ICE candidates as text: the value of SDP's `a=candidate` and of trickled candidates (RFC 8839 section 5.1; TCP: RFC
 * 6544 section 4.5). Pure functions.
 *
 *     candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host
 *     candidate:2 1 tcp 1671430143 192.0.2.1 7881 typ host tcptype passive
 *     candidate:3 1 udp 1685987071 198.51.100.7 40112 typ srflx raddr 10.0.0.4 rport 40112 generation 0 ufrag Xy9z
 *
 * A host name (RFC 8839 allows one; browsers send mDNS names "….local") is kept as an address of family 0: not
 * resolvable here, to be skipped. A browser behind one is learnt as peer-reflexive anyway. */
#ifndef CONCLAVE_PROTOCOL_CANDIDATE_H
#define CONCLAVE_PROTOCOL_CANDIDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/net.h"

/* RFC 8839 section 5.1: 1*32 ice-char. */
#define CANDIDATE_FOUNDATION_LEN_MAX 32
/* Senders use at most 32 characters (RFC 8839 section 5.4). */
#define CANDIDATE_UFRAG_LEN_MAX 32
/* The longest line that is read or written: a 253 byte host name twice, and extensions. Longer ones are refused. */
#define CANDIDATE_LINE_LEN_MAX 1024

enum candidate_type { CANDIDATE_HOST, CANDIDATE_SRFLX, CANDIDATE_PRFLX, CANDIDATE_RELAY };
enum candidate_tcp { CANDIDATE_TCP_NONE, CANDIDATE_TCP_ACTIVE, CANDIDATE_TCP_PASSIVE, CANDIDATE_TCP_SO };

struct candidate {
    enum candidate_type type;
    enum candidate_tcp tcp;  /* CANDIDATE_TCP_NONE unless addr.proto is NET_TCP */
    uint16_t component;      /* 1..256; 1 = RTP, and everything else with rtcp-mux */
    uint32_t priority;       /* 1..2^31-1 */
    struct net_addr addr;    /* family 0: a host name, skip the candidate; port and proto are set even then */
    struct net_addr related; /* family 0: none */
    char foundation[CANDIDATE_FOUNDATION_LEN_MAX + 1];
    char ufrag[CANDIDATE_UFRAG_LEN_MAX + 1]; /* of the "ufrag" extension; "" = not said */
};

/* Reads one line with or without "a=" before and line end behind. Transports other than UDP and TCP and other types are
 * refused: RFC 8839 section 5.1 says to ignore such candidates. Unknown extension pairs are skipped. */
bool candidate_parse(struct span line, struct candidate *out);
/* Writes "candidate:…" without "a=" and line end. The candidate has an address. */
bool candidate_write(struct writer *w, const struct candidate *candidate);
/* RFC 8445 section 5.1.2.1: (2^24) type preference + (2^8) local preference + 256 - component. The type preferences are
 * the recommended ones (host 126, prflx 110, srflx 100, relay 0). For TCP the caller lowers `local_preference` (RFC
 * 6544 section 4.2). */
uint32_t candidate_priority(enum candidate_type type, uint16_t local_preference, uint16_t component);
/* RFC 8445 section 6.1.2.3: G is the priority of the controlling side's candidate, D of the controlled side's. */
uint64_t candidate_pair_priority(uint32_t g, uint32_t d);

#endif
