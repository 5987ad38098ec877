/* Tells the protocols apart that share one 5-tuple, by the first byte (RFC 7983 section 7); RTCP is told from RTP by
 * the second byte (RFC 5761 section 4). A decision about whom to ask, not about validity: every parser checks for
 * itself. */
#ifndef CONCLAVE_PROTOCOL_DEMUX_H
#define CONCLAVE_PROTOCOL_DEMUX_H

#include "base/cursor.h"

enum demux_kind { DEMUX_NONE, DEMUX_STUN, DEMUX_DTLS, DEMUX_RTP, DEMUX_RTCP };

static inline enum demux_kind demux(struct span datagram) {
    if (datagram.len < 2)
        return DEMUX_NONE;
    uint8_t first = datagram.data[0];
    uint8_t second = datagram.data[1];
    if (first <= 3)
        return DEMUX_STUN;
    if (first >= 20 && first <= 63)
        return DEMUX_DTLS;
    if (first >= 128 && first <= 191)
        return second >= 192 && second <= 223 ? DEMUX_RTCP : DEMUX_RTP;
    return DEMUX_NONE;
}

#endif
