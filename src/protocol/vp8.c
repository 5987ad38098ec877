#include "protocol/vp8.h"

#include <string.h>

#include "base/assert.h"

/* Frame header of a key frame: 3 byte frame tag, start code 9d 01 2a, two sizes (RFC 6386 section 9.1). */
#define KEYFRAME_HEADER_LEN 10
#define START_CODE UINT32_C(0x9d012a)

static void parse_picture_id(struct reader *r, struct vp8_descriptor *out) {
    uint8_t first = rd_u8(r);
    out->has_picture_id = true;
    out->picture_id_15bit = (first & 0x80) != 0;
    out->picture_id = first & 0x7f;
    if (out->picture_id_15bit)
        out->picture_id = (uint16_t)((first & 0x7f) << 8 | rd_u8(r));
}

static void parse_optional(struct reader *r, struct vp8_descriptor *out) {
    uint8_t flags = rd_u8(r);
    if (flags & 0x80)
        parse_picture_id(r, out);
    if (flags & 0x40) {
        out->has_tl0 = true;
        out->tl0_picture_index = rd_u8(r);
    }
    out->has_temporal = (flags & 0x20) != 0;
    out->has_key_index = (flags & 0x10) != 0;
    if (flags & 0x30) {
        uint8_t layers = rd_u8(r);
        if (out->has_temporal) {
            out->temporal = layers >> 6;
            out->layer_sync = (layers & 0x20) != 0;
        }
        if (out->has_key_index)
            out->key_index = layers & 0x1f;
    }
}

static void parse_frame_header(struct span frame, struct vp8_descriptor *out) {
    /* the lowest bit of the frame tag is 0 for key frames (RFC 6386 section 9.1) */
    if (!out->start_of_frame || (frame.data[0] & 1) != 0)
        return;
    out->keyframe = true;
    if (frame.len < KEYFRAME_HEADER_LEN)
        return;
    struct reader r = reader_of_span(frame);
    rd_skip(&r, 3);
    if (rd_u24(&r) != START_CODE)
        return;
    /* little-endian, the two upper bits are a scaling hint */
    uint8_t low = rd_u8(&r);
    out->width = (uint16_t)(low | (rd_u8(&r) & 0x3f) << 8);
    low = rd_u8(&r);
    out->height = (uint16_t)(low | (rd_u8(&r) & 0x3f) << 8);
}

bool vp8_parse(struct span payload, struct vp8_descriptor *out) {
    ASSERT(out != NULL);
    memset(out, 0, sizeof *out);
    struct reader r = reader_of_span(payload);
    uint8_t first = rd_u8(&r);
    out->non_reference = (first & 0x20) != 0;
    out->start_of_partition = (first & 0x10) != 0;
    out->partition = first & 0x07;
    if (first & 0x80)
        parse_optional(&r, out);
    if (!reader_ok(&r) || reader_left(&r) == 0)
        return false;
    ASSERT(r.pos <= VP8_DESCRIPTOR_LEN_MAX);
    out->len_bytes = (uint8_t)r.pos;
    out->start_of_frame = out->start_of_partition && out->partition == 0;
    parse_frame_header(rd_rest(&r), out);
    return true;
}

void vp8_write_ids(uint8_t *payload, size_t payload_len, const struct vp8_descriptor *d, uint16_t picture_id,
                   uint8_t tl0) {
    ASSERT(d->len_bytes > 0 && d->len_bytes < payload_len);
    size_t at = 2; /* behind the required byte and the flags of the optional ones */
    if (d->has_picture_id && d->picture_id_15bit) {
        ASSERT((payload[at] & 0x80) != 0);
        payload[at++] = (uint8_t)(0x80 | (picture_id >> 8 & 0x7f));
        payload[at++] = (uint8_t)picture_id;
    } else if (d->has_picture_id) {
        payload[at++] = picture_id & 0x7f;
    }
    if (d->has_tl0)
        payload[at++] = tl0;
    ASSERT(at <= d->len_bytes || at == 2);
}

void vp8_write_key_index(uint8_t *payload, size_t payload_len, const struct vp8_descriptor *d, uint8_t key_index) {
    ASSERT(d->len_bytes > 0 && d->len_bytes < payload_len);
    if (!d->has_key_index)
        return;
    /* the T/K byte is the last of the descriptor */
    uint8_t *layers = &payload[d->len_bytes - 1];
    *layers = (uint8_t)((*layers & 0xe0) | (key_index & 0x1f));
}

int32_t vp8_picture_id_diff(uint16_t to, uint16_t from, bool is_15bit) {
    int32_t range = is_15bit ? 0x8000 : 0x80;
    int32_t diff = (to - from) & (range - 1);
    return diff >= range / 2 ? diff - range : diff;
}
