/* The VP9 payload descriptor (RFC 9628 section 4.2). Everything needed to forward layers is in it; the payload behind may
 * be encrypted from its first byte.
 *
 *      0 1 2 3 4 5 6 7
 *     |I|P|L|F|B|E|V|Z|
 *  I: |M| PICTURE ID  |  7 bits, or 15 when M is set
 *  L: | TID |U| SID |D|
 *     |   TL0PICIDX   |  only when F is 0
 *  FP:|  P_DIFF     |N|  up to 3 times, when F and P are 1
 *  V: scalability structure
 *
 * Pure functions over one payload. */
#ifndef CONCLAVE_PROTOCOL_VP9_H
#define CONCLAVE_PROTOCOL_VP9_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

/* N_S is 3 bits and counts from 1 (section 4.2.1). */
#define VP9_SPATIAL_LAYERS_MAX 8
/* "the maximum number of reference pictures is 3" (section 4.2). */
#define VP9_REFERENCES_MAX 3

struct vp9_structure {
    uint8_t spatial_layers;                 /* 1..8 */
    bool has_resolutions;                   /* Y */
    uint16_t width[VP9_SPATIAL_LAYERS_MAX]; /* 0 without Y */
    uint16_t height[VP9_SPATIAL_LAYERS_MAX];
    uint8_t pictures_in_group; /* N_G; the group's description is checked and skipped */
};

struct vp9_descriptor {
    uint16_t len_bytes; /* of the descriptor; the VP9 payload begins here */
    bool has_picture_id;
    bool picture_id_15bit;
    uint16_t picture_id;
    bool inter_predicted; /* P: uses pictures before this one */
    bool has_layers;      /* L: `temporal` to `inter_layer` mean something */
    uint8_t temporal;     /* TID, 0..7 */
    bool switching_up;    /* U: from this frame on a receiver may take higher temporal layers */
    uint8_t spatial;      /* SID, 0..7 */
    bool inter_layer;     /* D: uses the spatial layer below of the same picture */
    bool flexible;        /* F */
    bool has_tl0;
    uint8_t tl0_picture_index;
    uint8_t reference_count;
    uint8_t reference_diff[VP9_REFERENCES_MAX]; /* P_DIFF */
    bool start_of_frame;                        /* B, of this spatial layer's frame */
    bool end_of_frame;                          /* E */
    bool not_reference_upper;                   /* Z: upper spatial layers do not use this frame */
    bool has_structure;                         /* V */
    struct vp9_structure structure;
    /* First packet of a picture that needs nothing before it: B = 1, P = 0, spatial layer 0. */
    bool keyframe;
};

/* False when the payload ends inside the descriptor, has no byte behind it, or lists more references than allowed. */
bool vp9_parse(struct span payload, struct vp9_descriptor *out);
/* Overwrites picture id and TL0PICIDX in place, as vp8_write_ids. */
void vp9_write_ids(uint8_t *payload, size_t payload_len, const struct vp9_descriptor *d, uint16_t picture_id,
                   uint8_t tl0);

/* profile-id of an SDP fmtp text (section 7.1); 0 when it is missing, as the RFC says; false when it is malformed. */
bool vp9_profile_of_fmtp(struct span fmtp, uint8_t *profile);

#endif
