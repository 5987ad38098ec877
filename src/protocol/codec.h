/* The codecs that a session can name: their SDP encoding names, mime names and clock rates. A codec here is a format of
 * RTP payloads, so retransmission (RFC 4588) and redundancy (RFC 2198) are in the list. Nothing decodes media. */
#ifndef CONCLAVE_PROTOCOL_CODEC_H
#define CONCLAVE_PROTOCOL_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

/* Values are internal, never on a wire. CODEC_UNKNOWN is 0 so that a zeroed struct names no codec. */
enum codec {
    CODEC_UNKNOWN = 0,
    CODEC_OPUS,
    CODEC_RED, /* RFC 2198; "red" exists for audio and for video, told apart by the section that names it */
    CODEC_PCMU,
    CODEC_PCMA,
    CODEC_G722,
    CODEC_CN,
    CODEC_TELEPHONE_EVENT,
    CODEC_VP8,
    CODEC_VP9,
    CODEC_H264,
    CODEC_H265,
    CODEC_AV1,
    CODEC_RTX,
    CODEC_ULPFEC,
    CODEC_FLEXFEC,
    CODEC_COUNT
};

enum codec_kind { CODEC_KIND_NONE = 0, CODEC_KIND_AUDIO, CODEC_KIND_VIDEO, CODEC_KIND_REPAIR };

/* Encoding name as a=rtpmap spells it ("VP8", "opus"), "" for CODEC_UNKNOWN. */
const char *codec_name(enum codec codec);
/* "video/VP8", "audio/opus", "audio/red", "video/rtx"; "" for CODEC_UNKNOWN. Static text. */
const char *codec_mime(enum codec codec);
/* By encoding name, letter case ignored as RFC 4855 section 3 says; CODEC_UNKNOWN when it is not in the list. */
enum codec codec_by_name(struct span name);
/* By "kind/name", letter case ignored, or by name alone ("vp8"). */
enum codec codec_by_mime(struct span mime);
/* RTP clock rate; 0 for CODEC_UNKNOWN. G722 answers 8000 as RFC 3551 section 4.5.2 wants it. */
uint32_t codec_clock_hz(enum codec codec);
/* Channels that a=rtpmap names: 2 for opus (RFC 7587 section 7), 1 for other audio, 0 for video and repair. */
uint8_t codec_channels(enum codec codec);
/* REPAIR: rtx, ulpfec, flexfec, which carry no media of their own. */
enum codec_kind codec_kind(enum codec codec);
/* The codec of a payload type of the static table (RFC 3551 section 6) that needs no a=rtpmap; CODEC_UNKNOWN if none. */
enum codec codec_static(uint8_t payload_type);

#endif
