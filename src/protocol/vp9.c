#include "protocol/vp9.h"

#include <string.h>

#include "base/assert.h"
#include "protocol/sdp.h"

/* Where picture id begins: right behind the flags. */
#define PICTURE_ID_AT 1

static void parse_picture_id(struct reader *r, struct vp9_descriptor *out) {
    uint8_t first = rd_u8(r);
    out->has_picture_id = true;
    out->picture_id_15bit = (first & 0x80) != 0;
    out->picture_id = first & 0x7f;
    if (out->picture_id_15bit)
        out->picture_id = (uint16_t)((first & 0x7f) << 8 | rd_u8(r));
}

static void parse_layers(struct reader *r, struct vp9_descriptor *out) {
    uint8_t byte = rd_u8(r);
    out->has_layers = true;
    out->temporal = byte >> 5;
    out->switching_up = (byte & 0x10) != 0;
    out->spatial = byte >> 1 & 0x07;
    out->inter_layer = (byte & 0x01) != 0;
    if (!out->flexible) {
        out->has_tl0 = true;
        out->tl0_picture_index = rd_u8(r);
    }
}

static void parse_references(struct reader *r, struct vp9_descriptor *out) {
    bool more = true;
    while (more && reader_ok(r)) {
        if (out->reference_count == VP9_REFERENCES_MAX) {
            reader_fail(r);
            return;
        }
        uint8_t byte = rd_u8(r);
        out->reference_diff[out->reference_count++] = byte >> 1;
        more = (byte & 1) != 0;
    }
}

/* |N_S 3|Y|G|- 3|, sizes when Y, then a group when G: N_G and per picture |TID 3|U|R 2|- 2| with R differences. */
static void parse_structure(struct reader *r, struct vp9_descriptor *out) {
    struct vp9_structure *s = &out->structure;
    uint8_t byte = rd_u8(r);
    out->has_structure = true;
    s->spatial_layers = (uint8_t)((byte >> 5) + 1);
    s->has_resolutions = (byte & 0x10) != 0;
    if (s->has_resolutions) {
        for (uint8_t i = 0; i < s->spatial_layers; i++) {
            s->width[i] = rd_u16(r);
            s->height[i] = rd_u16(r);
        }
    }
    if ((byte & 0x08) == 0)
        return;
    s->pictures_in_group = rd_u8(r);
    for (uint8_t i = 0; i < s->pictures_in_group && reader_ok(r); i++)
        rd_skip(r, rd_u8(r) >> 2 & 3);
}

bool vp9_parse(struct span payload, struct vp9_descriptor *out) {
    ASSERT(out != NULL);
    memset(out, 0, sizeof *out);
    struct reader r = reader_of_span(payload);
    uint8_t flags = rd_u8(&r);
    out->inter_predicted = (flags & 0x40) != 0;
    out->flexible = (flags & 0x10) != 0;
    out->start_of_frame = (flags & 0x08) != 0;
    out->end_of_frame = (flags & 0x04) != 0;
    out->not_reference_upper = (flags & 0x01) != 0;
    if (flags & 0x80)
        parse_picture_id(&r, out);
    if (flags & 0x20)
        parse_layers(&r, out);
    if (out->flexible && out->inter_predicted)
        parse_references(&r, out);
    if (flags & 0x02)
        parse_structure(&r, out);
    if (!reader_ok(&r) || reader_left(&r) == 0)
        return false;
    out->len_bytes = (uint16_t)r.pos;
    out->keyframe = out->start_of_frame && !out->inter_predicted && out->spatial == 0 && !out->inter_layer;
    return true;
}

void vp9_write_ids(uint8_t *payload, size_t payload_len, const struct vp9_descriptor *d, uint16_t picture_id,
                   uint8_t tl0) {
    ASSERT(d->len_bytes > 0 && d->len_bytes < payload_len);
    size_t at = PICTURE_ID_AT;
    if (d->has_picture_id && d->picture_id_15bit) {
        ASSERT((payload[at] & 0x80) != 0);
        payload[at++] = (uint8_t)(0x80 | (picture_id >> 8 & 0x7f));
        payload[at++] = (uint8_t)picture_id;
    } else if (d->has_picture_id) {
        payload[at++] = picture_id & 0x7f;
    }
    if (d->has_tl0)
        payload[at + 1] = tl0; /* behind the layer byte */
}

bool vp9_profile_of_fmtp(struct span fmtp, uint8_t *profile) {
    struct span value;
    uint64_t number = 0;
    /* "When the optional parameter is absent, its value MUST be inferred to be 0" (section 7.1.1) */
    if (sdp_fmtp_get(fmtp, "profile-id", &value) && !span_to_u64(value, 3, &number))
        return false;
    *profile = (uint8_t)number;
    return true;
}
