/* H.264 payloads (RFC 6184): what a forwarder can tell from NAL unit headers, which stay in clear under end-to-end
 * encryption, and the profile-level-id of its SDP (sections 8.1 and 8.2.2). Pure functions. */
#ifndef CONCLAVE_PROTOCOL_H264_H
#define CONCLAVE_PROTOCOL_H264_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

/* A STAP-A in one datagram holds few units; more than this is taken for damage. A unit costs 3 bytes at least. */
#define H264_STAP_UNITS_MAX 64

enum h264_nal_type {
    H264_NAL_SLICE = 1,
    H264_NAL_IDR = 5,
    H264_NAL_SEI = 6,
    H264_NAL_SPS = 7,
    H264_NAL_PPS = 8,
    H264_NAL_AUD = 9,
    H264_NAL_STAP_A = 24,
    H264_NAL_FU_A = 28
};

struct h264_packet {
    uint8_t packet_type; /* of the first byte: 1..23 single unit, 24 STAP-A, 28 FU-A */
    bool fragment_start; /* FU-A only */
    bool fragment_end;
    bool has_sps;
    bool has_pps;
    bool has_idr; /* an IDR slice begins in this packet */
    /* A non-slice unit, or the slice whose first_mb_in_slice is 0: a picture may begin here. Parameter sets and their
     * picture each say so, thus only the first of one RTP timestamp counts. */
    bool start_of_frame;
    /* An SPS, or an IDR's first slice: decoding can begin with this RTP timestamp. */
    bool keyframe;
    bool reference; /* nal_ref_idc of the (first) unit is not 0 */
    uint16_t width; /* of the pictures, when a sequence parameter set is in this packet whole; else 0 */
    uint16_t height;
};

/* False for empty, truncated, or forbidden (F bit, types 0, 30, 31) payloads and the unnegotiated STAP-B, MTAP, FU-B. */
bool h264_parse(struct span payload, struct h264_packet *out);

enum h264_profile {
    H264_PROFILE_UNKNOWN = 0,
    H264_CONSTRAINED_BASELINE,
    H264_BASELINE,
    H264_MAIN,
    H264_CONSTRAINED_HIGH,
    H264_HIGH,
    H264_HIGH_444_PREDICTIVE
};

/* Level 1b gets a number of its own between 1 (10) and 1.1 (11): order is kept by h264_level_less. */
#define H264_LEVEL_1B 9

struct h264_format {
    enum h264_profile profile;
    uint8_t level;              /* ten times the level: 31 is 3.1; or H264_LEVEL_1B */
    uint8_t packetization_mode; /* 0 or 1; 2 is refused */
    bool level_asymmetry_allowed;
};

/* Reads an fmtp text. Without profile-level-id the default is Constrained Baseline level 1 as RFC 6184 section 8.1 says
 * ("Baseline, 1" there, which every receiver of the constrained profile reads too). False: unknown profile or bad text. */
bool h264_format_of_fmtp(struct span fmtp, struct h264_format *out);
/* Six hexadecimal digits. */
bool h264_profile_level_id(struct span hex, enum h264_profile *profile, uint8_t *level);
bool h264_level_less(uint8_t a, uint8_t b);
/* Same profile and packetization mode: the two payload types can be answered with each other (section 8.2.2). */
bool h264_formats_match(const struct h264_format *a, const struct h264_format *b);
/* The level of an answer: the answerer's own when both allow asymmetry, else the lower of the two. */
uint8_t h264_answer_level(const struct h264_format *offered, const struct h264_format *own);
/* Six lower-case hexadecimal digits and a terminator. */
void h264_profile_level_text(enum h264_profile profile, uint8_t level, char out[7]);

#endif
