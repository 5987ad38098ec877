#include "protocol/av1dd.h"
#include "protocol/bits.h"
#include "protocol/picture_size.h"

#define OBU_SEQUENCE_HEADER 1
/* Colour primaries of BT.709, the transfer of sRGB, the identity matrix: no subsampling, nothing more is told. */
#define COLOURS_SRGB (1u << 16 | 13u << 8)

struct sequence {
    uint8_t profile;
    bool reduced;                      /* of a still picture */
    bool decoder_model, display_delay; /* are told for operating points */
    uint8_t delay_bits;
    uint32_t width, height;
};

/* timing_info() and decoder_model_info(), sections 5.5.3 and 5.5.4. */
static void read_timing(struct bits *b, struct sequence *s) {
    bits_skip(b, 64);
    if (bits_flag(b)) /* uvlc() */
        bits_skip(b, bits_zeros(b, 31));
    s->decoder_model = bits_flag(b);
    if (!s->decoder_model)
        return;
    s->delay_bits = (uint8_t)(bits_read(b, 5) + 1);
    bits_skip(b, 32 + 5 + 5);
}

static void skip_operating_points(struct bits *b, const struct sequence *s) {
    uint32_t count = bits_read(b, 5) + 1;
    for (uint32_t i = 0; i < count && bits_ok(b); i++) {
        bits_skip(b, 12);
        if (bits_read(b, 5) > 7) /* levels from 4.0 on have tiers */
            bits_skip(b, 1);
        if (s->decoder_model && bits_flag(b))
            bits_skip(b, 2u * s->delay_bits + 1);
        if (s->display_delay && bits_flag(b))
            bits_skip(b, 4);
    }
}

static void skip_tools(struct bits *b, const struct sequence *s) {
    if (!s->reduced && bits_flag(b)) /* frame ids */
        bits_skip(b, 4 + 3);
    bits_skip(b, 3);
    if (!s->reduced) {
        bits_skip(b, 4);
        bool order_hint = bits_flag(b);
        bits_skip(b, order_hint ? 2 : 0);
        bool screen_content = bits_flag(b) || bits_flag(b); /* chosen by frame, or forced */
        if (screen_content && !bits_flag(b))
            bits_skip(b, 1);
        bits_skip(b, order_hint ? 3 : 0);
    }
    bits_skip(b, 3);
}

/* color_config(), section 5.5.2. */
static void skip_colours(struct bits *b, const struct sequence *s) {
    bool deep = bits_flag(b), twelve = s->profile == 2 && deep && bits_flag(b);
    bool mono = s->profile != 1 && bits_flag(b);
    bool srgb = bits_flag(b) && bits_read(b, 24) == COLOURS_SRGB;
    if (mono) {
        bits_skip(b, 1);
        return;
    }
    if (!srgb) {
        bits_skip(b, 1);
        bool half_x = s->profile != 1, half_y = s->profile == 0;
        if (twelve) {
            half_x = bits_flag(b);
            half_y = half_x && bits_flag(b);
        }
        bits_skip(b, half_x && half_y ? 2 : 0);
    }
    bits_skip(b, 1);
}

/* trailing_bits(), section 5.3.4: a one, and zeros to the end. */
static bool ends(struct bits *b) {
    bool good = bits_flag(b);
    while (good && b->left > 0)
        good = !bits_flag(b);
    while (good && reader_left(&b->r) > 0)
        good = rd_u8(&b->r) == 0;
    return good && bits_ok(b);
}

static bool read_sequence(struct span bytes, uint16_t *width, uint16_t *height) {
    struct bits b = bits_of(bytes);
    struct sequence s = {.profile = (uint8_t)bits_read(&b, 3)};
    bool still = bits_flag(&b);
    s.reduced = bits_flag(&b);
    if (s.profile > 2 || (s.reduced && !still))
        return false;
    if (s.reduced) {
        bits_skip(&b, 5);
    } else {
        if (bits_flag(&b))
            read_timing(&b, &s);
        s.display_delay = bits_flag(&b);
        skip_operating_points(&b, &s);
    }
    unsigned width_bits = bits_read(&b, 4) + 1, height_bits = bits_read(&b, 4) + 1;
    s.width = bits_read(&b, width_bits) + 1;
    s.height = bits_read(&b, height_bits) + 1;
    skip_tools(&b, &s);
    skip_colours(&b, &s);
    bits_skip(&b, 1); /* film grain */
    if (!ends(&b) || s.width > UINT16_MAX || s.height > UINT16_MAX)
        return false;
    *width = (uint16_t)s.width;
    *height = (uint16_t)s.height;
    return true;
}

/* leb128() of at most four bytes: more than a packet holds. */
static bool read_len(struct reader *r, size_t *len) {
    *len = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t byte = rd_u8(r);
        *len |= (size_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0)
            return reader_ok(r);
    }
    return false;
}

/* One element: an OBU, which says its own length only where a sender did not take that out. */
static bool read_element(struct span element, uint16_t *width, uint16_t *height) {
    struct reader r = reader_of_span(element);
    uint8_t header = rd_u8(&r);
    size_t len = 0;
    if ((header & 0x81) != 0 || (header >> 3 & 15) != OBU_SEQUENCE_HEADER) /* forbidden and reserved bits are 0 */
        return false;
    if ((header & 0x04) != 0)
        rd_skip(&r, 1);
    if ((header & 0x02) != 0 && !read_len(&r, &len))
        return false;
    struct span body = (header & 0x02) != 0 ? rd_span(&r, len) : rd_rest(&r);
    return reader_ok(&r) && read_sequence(body, width, height);
}

bool av1_sequence_size(struct span payload, const struct av1_aggregation *aggregation, uint16_t *width,
                       uint16_t *height) {
    struct reader r = reader_of_span(payload);
    rd_skip(&r, 1);
    if (!aggregation->new_coded_sequence)
        return false;
    for (uint8_t i = 1; i <= AV1_ELEMENTS_MAX && reader_left(&r) > 0; i++) {
        bool last = aggregation->obu_count == i; /* its length is what is left */
        size_t len = reader_left(&r);
        if (!last && !read_len(&r, &len))
            return false;
        struct span element = rd_span(&r, len);
        if (!reader_ok(&r))
            return false;
        if (element.len > 0 && read_element(element, width, height))
            return true;
    }
    return false;
}
