#include "protocol/bits.h"
#include "protocol/picture_size.h"

/* Section 7.3.1: a 3 behind two zeros keeps the bytes from looking like a start code and is not part of them. */
static size_t unescape(struct span unit, uint8_t out[H264_SPS_LEN_MAX]) {
    size_t len = 0;
    unsigned zeros = 0;
    ASSERT(unit.len <= H264_SPS_LEN_MAX);
    for (size_t i = 0; i < unit.len; i++) {
        if (zeros >= 2 && unit.data[i] == 3) {
            zeros = 0;
            continue;
        }
        zeros = unit.data[i] == 0 ? zeros + 1 : 0;
        out[len++] = unit.data[i];
    }
    return len;
}

/* scaling_list(), section 7.3.2.1.1.1. */
static void skip_scaling_list(struct bits *b, unsigned size) {
    int32_t last = 8, next = 8;
    for (unsigned i = 0; i < size && next != 0 && bits_ok(b); i++) {
        uint32_t code = bits_ue(b);
        if (code > 512) { /* se(v) of -128 to 127 */
            b->bad = true;
            return;
        }
        int32_t delta = (code & 1) != 0 ? (int32_t)(code / 2 + 1) : -(int32_t)(code / 2);
        next = (last + delta) & 255;
        last = next != 0 ? next : last;
    }
}

/* The profiles from High on; answers chroma_format_idc, and 0 as well where planes are coded apart: cropping counts in
 * samples of luma then. */
static uint32_t read_chroma(struct bits *b) {
    uint32_t format = bits_ue(b);
    bool apart = format == 3 && bits_flag(b);
    b->bad = b->bad || format > 3;
    (void)bits_ue(b); /* depth of luma, of chroma */
    (void)bits_ue(b);
    bits_skip(b, 1);
    if (bits_flag(b)) {
        for (unsigned i = 0; i < (format == 3 ? 12u : 8u) && bits_ok(b); i++) {
            if (bits_flag(b))
                skip_scaling_list(b, i < 6 ? 16 : 64);
        }
    }
    return apart ? 0 : format;
}

static void skip_picture_order(struct bits *b) {
    uint32_t type = bits_ue(b);
    b->bad = b->bad || type > 2;
    if (type == 0)
        (void)bits_ue(b);
    if (type != 1)
        return;
    bits_skip(b, 1);
    (void)bits_ue(b);
    (void)bits_ue(b);
    uint32_t count = bits_ue(b);
    b->bad = b->bad || count > 255;
    for (uint32_t i = 0; i < count && bits_ok(b); i++)
        (void)bits_ue(b);
}

static bool has_chroma_format(uint8_t profile) {
    static const uint8_t profiles[] = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
    for (size_t i = 0; i < sizeof profiles; i++) {
        if (profiles[i] == profile)
            return true;
    }
    return false;
}

/* From here on: pic_width_in_mbs_minus1 up to the cropping. */
static bool read_size(struct bits *b, uint32_t chroma, uint16_t *width, uint16_t *height) {
    uint64_t columns = (uint64_t)bits_ue(b) + 1, rows = (uint64_t)bits_ue(b) + 1;
    uint64_t fields = bits_flag(b) ? 1 : 2; /* pictures of two fields have twice the rows */
    bits_skip(b, fields == 2 ? 2 : 1);
    uint64_t crop[4] = {0}; /* left, right, top, bottom */
    if (bits_flag(b)) {
        for (int i = 0; i < 4; i++)
            crop[i] = bits_ue(b);
    }
    (void)bits_flag(b); /* whether more follows: at least this is there */
    uint64_t unit_x = chroma == 1 || chroma == 2 ? 2 : 1, unit_y = (chroma == 1 ? 2 : 1) * fields;
    uint64_t whole_x = columns * 16, whole_y = rows * 16 * fields;
    uint64_t cut_x = (crop[0] + crop[1]) * unit_x, cut_y = (crop[2] + crop[3]) * unit_y;
    if (!bits_ok(b) || cut_x >= whole_x || cut_y >= whole_y || whole_x - cut_x > UINT16_MAX ||
        whole_y - cut_y > UINT16_MAX)
        return false;
    *width = (uint16_t)(whole_x - cut_x);
    *height = (uint16_t)(whole_y - cut_y);
    return true;
}

bool h264_sps_size(struct span unit, uint16_t *width, uint16_t *height) {
    uint8_t bytes[H264_SPS_LEN_MAX];
    if (unit.len > sizeof bytes)
        return false;
    struct bits b = bits_of(span_of(bytes, unescape(unit, bytes)));
    uint8_t profile = (uint8_t)bits_read(&b, 8);
    bits_skip(&b, 16);
    if (bits_ue(&b) > 31) /* its number */
        return false;
    uint32_t chroma = has_chroma_format(profile) ? read_chroma(&b) : 1;
    if (bits_ue(&b) > 12)
        return false;
    skip_picture_order(&b);
    (void)bits_ue(&b);
    bits_skip(&b, 1);
    return read_size(&b, chroma, width, height);
}
