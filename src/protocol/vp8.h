/* The VP8 payload descriptor (RFC 7741 section 4.2) and the first bytes of the payload header that stay in clear under
 * end-to-end encryption (10 of a key frame, 3 of another).
 *
 *      0 1 2 3 4 5 6 7
 *     |X|R|N|S|R| PID |   required
 *  X: |I|L|T|K| RSV   |   optional
 *  I: |M| PictureID   |   7 bits, or 15 when M is set
 *  L: |   TL0PICIDX   |
 * TK: |TID|Y| KEYIDX  |
 *
 * Pure functions over one payload. Continuity across layer switches is decided elsewhere; vp8_write_ids only puts its
 * outcome into the packet, in the fields and the lengths that the sender chose. */
#ifndef CONCLAVE_PROTOCOL_VP8_H
#define CONCLAVE_PROTOCOL_VP8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

/* X, I (two bytes), L and T/K bytes behind the first: RFC 7741 section 4.2. */
#define VP8_DESCRIPTOR_LEN_MAX 6

struct vp8_descriptor {
    uint8_t len_bytes; /* of the descriptor; the VP8 payload begins here */
    bool non_reference;
    bool start_of_partition; /* S */
    uint8_t partition;       /* PID */
    bool has_picture_id;
    bool picture_id_15bit; /* M */
    uint16_t picture_id;   /* 7 or 15 bits */
    bool has_tl0;
    uint8_t tl0_picture_index;
    bool has_temporal; /* T: `temporal` and `layer_sync` mean something */
    uint8_t temporal;  /* TID, 0..3 */
    bool layer_sync;   /* Y: this frame depends on temporal layer 0 alone */
    bool has_key_index;
    uint8_t key_index; /* KEYIDX, 5 bits */
    /* From the payload header, where S is set and PID is 0: */
    bool start_of_frame;
    bool keyframe;  /* first packet of a key frame */
    uint16_t width; /* of a key frame whose packet holds its 10 byte header, else 0 */
    uint16_t height;
};

/* False when the payload ends inside the descriptor or has no byte behind it. */
bool vp8_parse(struct span payload, struct vp8_descriptor *out);
/* Overwrites picture id (its low 7 or 15 bits) and TL0PICIDX of `payload`, from which `d` was parsed (an assert when the
 * length does not fit). Fields that the descriptor does not have are left out: the length never changes. */
void vp8_write_ids(uint8_t *payload, size_t payload_len, const struct vp8_descriptor *d, uint16_t picture_id,
                   uint8_t tl0);
/* The same for KEYIDX, low 5 bits. */
void vp8_write_key_index(uint8_t *payload, size_t payload_len, const struct vp8_descriptor *d, uint8_t key_index);
/* Distance from picture id `from` to `to`, both of the width that `is_15bit` says, in [-half, half). */
int32_t vp8_picture_id_diff(uint16_t to, uint16_t from, bool is_15bit);

#endif
