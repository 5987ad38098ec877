/* Synthetic media: what a participant publishes in place of sound and pictures, made so that a receiver can tell from
 * every packet where it comes from and whether something is missing.
 *
 *     opus   | TOC | stamp 20 | filler ...                                       50 packets a second
 *     VP8    | descriptor 6 | header 10 or 3 (first packet of a frame) | stamp 20 | filler ...
 *
 *     stamp  | magic 2 | flags 1 | layer 1 | publisher 4 | publication 2 | packet 1 | packets 1 | frame 4 | reference 1
 * | check 3 |
 *
 * The filler is made from the frame number, so that a packet can be checked byte by byte and made again for a
 * retransmission without being kept. Frames follow the pattern of three temporal layers, 0 2 1 2; a frame of layer 0
 * refers to the last of layer 0, one of layer 1 to layer 0 before it, one of layer 2 to the frame before it. Pure
 * functions. */
#ifndef CONCLAVE_CLIENT_STAMP_H
#define CONCLAVE_CLIENT_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

#define STAMP_LEN 20
/* Descriptor with 15-bit picture id, TL0PICIDX, TID and KEYIDX (RFC 7741 section 4.2). */
#define STAMP_VP8_DESCRIPTOR_LEN 6
/* Payload of one video packet: 1200 bytes of datagram less header, extensions, retransmission number and tag. */
#define STAMP_VIDEO_PAYLOAD_MAX 1100
#define STAMP_AUDIO_PAYLOAD_LEN 80
/* Packets of one frame: a receiver keeps them as bits of one word. */
#define STAMP_PACKETS_MAX 64

struct stamp {
    bool video, keyframe;
    uint8_t layer; /* simulcast, 0 lowest */
    uint8_t temporal;
    bool layer_sync; /* refers to temporal layer 0 */
    uint8_t packet, packets;
    uint8_t reference; /* the frame referred to is this many before; 0 of a key frame */
    uint16_t publication;
    uint32_t publisher;
    uint32_t frame; /* of this layer, counts from 1 */
    /* descriptor of VP8, written and read by the payload functions */
    uint16_t picture_id; /* 15 bits */
    uint8_t tl0;
    uint8_t key_index;
    uint16_t width, height; /* of a key frame */
};

/* Temporal layer, reference and sync of the n-th frame after a key frame (0). */
void stamp_pattern(struct stamp *stamp, uint32_t since_keyframe);
/* Packets that a frame of so many bytes takes, 1..STAMP_PACKETS_MAX. */
uint8_t stamp_packets(uint32_t frame_bytes);
/* Writes the payload of one packet; `len_bytes` in all (at least 40 of video, 24 of audio). */
bool stamp_write_video(struct writer *w, const struct stamp *stamp, uint16_t len_bytes);
bool stamp_write_audio(struct writer *w, const struct stamp *stamp, uint16_t len_bytes);
/* False when the payload is not what was written, but for the descriptor, whose fields are the forwarder's to rewrite.
 */
bool stamp_read_video(struct span payload, struct stamp *out);
bool stamp_read_audio(struct span payload, struct stamp *out);

#endif
