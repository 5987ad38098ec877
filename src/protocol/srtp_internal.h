/* Shared by the files of SRTP, not for others: keys of a session, and the table of streams.
 *
 * A stream holds two numbers spaces, RTP's 48-bit index (base/replay.h) and RTCP's 31-bit one, as its highest accepted
 * index and a bitmap of the indices up to it, bit (index modulo window). Every function that takes a `stream` accepts
 * NULL: an SSRC of which nothing was authenticated yet. */
#ifndef CONCLAVE_PROTOCOL_SRTP_INTERNAL_H
#define CONCLAVE_PROTOCOL_SRTP_INTERNAL_H

#include "protocol/srtp.h"

struct srtp_stream {
    uint32_t ssrc;
    bool rtcp_started;
    uint32_t rtcp_highest;
    uint64_t rtcp_seen; /* SRTCP_WINDOW_PACKETS bits */
    struct replay_window rtp;
};

/* Session keys by RFC 3711 section 4.3 with a key derivation rate of 0. */
bool srtp_keys_derive(const struct srtp_master *master, struct srtp_keys *rtp, struct srtp_keys *rtcp, bool sealing);
void srtp_keys_end(struct srtp_keys *keys);

struct srtp_stream *srtp_stream_find(struct srtp_session *session, uint32_t ssrc);
/* After authentication: the stream's place, a new one when *stream is NULL. */
enum srtp_result srtp_stream_admit(struct srtp_session *session, uint32_t ssrc, struct srtp_stream **stream);

/* RFC 3711 section 3.3.1: the index nearest to the highest one. One that would lie below 0 comes out as
 * SRTP_INDEX_BELOW, and beyond 2^48 packets it is above SRTP_INDEX_MAX: the check refuses both. */
#define SRTP_INDEX_BELOW UINT64_MAX
uint64_t srtp_rtp_index(const struct srtp_stream *stream, uint16_t seq16);
enum srtp_result srtp_rtp_check(const struct srtp_stream *stream, uint64_t index);
void srtp_rtp_mark(struct srtp_stream *stream, uint64_t index);
enum srtp_result srtp_rtcp_check(const struct srtp_stream *stream, uint32_t index);
void srtp_rtcp_mark(struct srtp_stream *stream, uint32_t index);

#endif
