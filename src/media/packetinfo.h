/* What the engine keeps beside each packet slot of a received media packet: all that forwarding needs, so that a packet
 * is parsed once, whatever the number of its receivers. Offsets count from packet_data(). */
#ifndef CONCLAVE_MEDIA_PACKETINFO_H
#define CONCLAVE_MEDIA_PACKETINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/rtp.h"

/* Header extensions that are handed through unchanged when both sides negotiated them (the dependency descriptor with a
 * new frame number). */
enum pass_ext {
    PASS_AUDIO_LEVEL,
    PASS_DEPENDENCY_DESCRIPTOR,
    PASS_PLAYOUT_DELAY,
    PASS_ABS_CAPTURE_TIME,
    PASS_VIDEO_ORIENTATION,
    PASS_COLOR_SPACE,
    PASS_EXTS
};
/* Which they are, by their places above. */
extern const enum rtp_ext_kind packet_ext_kinds[PASS_EXTS];

struct packet_ext {
    uint16_t offset;
    uint8_t len; /* 0 = absent */
};

struct packet_info {
    uint64_t seq64;
    uint64_t picture64;
    uint64_t dtis; /* decode target indications, with has_dd */
    uint32_t timestamp;
    uint16_t epoch; /* of the stream: counts its restarts with another SSRC */
    uint16_t payload_offset;
    uint16_t payload_len; /* without padding; 0 = padding only */
    uint16_t frame16;     /* frame number of the dependency descriptor */
    uint8_t codec;        /* enum codec */
    uint8_t layer;        /* simulcast stream */
    uint8_t rank;         /* its place by size, 0 smallest */
    uint8_t spatial, temporal;
    uint8_t descriptor_len; /* VP8, VP9: the first bytes of the payload, in which numbers are rewritten; below
                               payload_len */
    uint8_t tl0, key_index;
    bool marker : 1;
    bool start_of_frame : 1;
    bool end_of_frame : 1;
    bool keyframe : 1;
    bool layer_sync : 1;
    bool has_layers : 1;
    bool has_picture : 1;
    bool has_tl0 : 1;
    bool has_key_index : 1;
    bool has_dd : 1;        /* layers and dtis are from the dependency descriptor */
    bool has_frame : 1;     /* frame16 is valid */
    bool has_structure : 1; /* the descriptor carries a template structure */
    bool retransmitted : 1; /* came on the RTX stream: its arrival says nothing of jitter */
    struct packet_ext ext[PASS_EXTS];
};

#endif
