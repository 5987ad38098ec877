#include "protocol/h264.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "protocol/picture_size.h"
#include "protocol/sdp.h"

#define FORBIDDEN_BIT 0x80
#define REF_IDC_MASK 0x60
#define TYPE_MASK 0x1f

static bool is_slice(uint8_t type) {
    return type >= 1 && type <= 5;
}

/* `unit` is what follows the NAL unit header; may be empty, or the beginning of it. */
static void note_unit(struct h264_packet *out, uint8_t type, struct span unit, bool whole) {
    /* first_mb_in_slice is the first Exp-Golomb number of a slice: a set first bit is the number 0 (H.264
     * section 7.3.3) */
    bool first_slice = is_slice(type) && unit.len > 0 && (unit.data[0] & 0x80) != 0;
    if (type == H264_NAL_SPS)
        out->has_sps = true;
    if (type == H264_NAL_SPS && whole && !h264_sps_size(unit, &out->width, &out->height))
        out->width = out->height = 0;
    if (type == H264_NAL_PPS)
        out->has_pps = true;
    if (type == H264_NAL_IDR)
        out->has_idr = true;
    if (first_slice || (type >= H264_NAL_SEI && type <= H264_NAL_AUD))
        out->start_of_frame = true;
    if (type == H264_NAL_SPS || (type == H264_NAL_IDR && first_slice))
        out->keyframe = true;
}

static bool parse_stap(struct reader *r, struct h264_packet *out) {
    for (int i = 0; reader_left(r) > 0; i++) {
        if (i == H264_STAP_UNITS_MAX)
            return false;
        struct reader unit = rd_sub(r, rd_u16(r));
        uint8_t header = rd_u8(&unit);
        if (!reader_ok(r) || !reader_ok(&unit) || (header & FORBIDDEN_BIT) != 0)
            return false;
        note_unit(out, header & TYPE_MASK, rd_rest(&unit), true);
    }
    return true;
}

static bool parse_fragment(struct reader *r, struct h264_packet *out) {
    uint8_t header = rd_u8(r);
    out->fragment_start = (header & 0x80) != 0;
    out->fragment_end = (header & 0x40) != 0;
    /* "the Start bit and End bit MUST NOT both be set to one in the same FU header" (section 5.8) */
    if (!reader_ok(r) || reader_left(r) == 0 || (out->fragment_start && out->fragment_end))
        return false;
    if (out->fragment_start)
        note_unit(out, header & TYPE_MASK, rd_rest(r), false);
    return true;
}

bool h264_parse(struct span payload, struct h264_packet *out) {
    ASSERT(out != NULL);
    memset(out, 0, sizeof *out);
    struct reader r = reader_of_span(payload);
    uint8_t header = rd_u8(&r);
    if (!reader_ok(&r) || reader_left(&r) == 0 || (header & FORBIDDEN_BIT) != 0)
        return false;
    out->packet_type = header & TYPE_MASK;
    out->reference = (header & REF_IDC_MASK) != 0;
    if (out->packet_type == H264_NAL_STAP_A)
        return parse_stap(&r, out);
    if (out->packet_type == H264_NAL_FU_A)
        return parse_fragment(&r, out);
    if (out->packet_type == 0 || out->packet_type > 23)
        return false;
    note_unit(out, out->packet_type, rd_rest(&r), true);
    return true;
}

/* RFC 6184 table 5: profile_idc and a pattern over the eight constraint flags of profile-iop. */
struct profile_row {
    uint8_t idc;
    uint8_t mask;
    uint8_t value;
    enum h264_profile profile;
};

static const struct profile_row profiles[] = {
    {0x42, 0x4f, 0x40, H264_CONSTRAINED_BASELINE}, /* x1xx0000 */
    {0x4d, 0x8f, 0x80, H264_CONSTRAINED_BASELINE}, /* 1xxx0000 */
    {0x58, 0xcf, 0xc0, H264_CONSTRAINED_BASELINE}, /* 11xx0000 */
    {0x42, 0x4f, 0x00, H264_BASELINE},             /* x0xx0000 */
    {0x58, 0xcf, 0x80, H264_BASELINE},             /* 10xx0000 */
    {0x4d, 0xaf, 0x00, H264_MAIN},                 /* 0x0x0000 */
    {0x64, 0xff, 0x00, H264_HIGH},                 /* 00000000 */
    {0x64, 0xff, 0x0c, H264_CONSTRAINED_HIGH},     /* 00001100 */
    {0xf4, 0xff, 0x00, H264_HIGH_444_PREDICTIVE},  /* 00000000 */
};

#define CONSTRAINT_SET3 0x10

static bool hex_byte(const uint8_t *text, uint8_t *out) {
    unsigned value = 0;
    for (int i = 0; i < 2; i++) {
        uint8_t c = text[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = c - (unsigned)'0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (c | 0x20u) - 'a' + 10;
        else
            return false;
        value = value << 4 | digit;
    }
    *out = (uint8_t)value;
    return true;
}

static bool level_known(uint8_t level) {
    static const uint8_t levels[] = {10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52, 60, 61, 62};
    return memchr(levels, level, sizeof levels) != NULL;
}

bool h264_profile_level_id(struct span hex, enum h264_profile *profile, uint8_t *level) {
    uint8_t idc, iop, level_idc;
    if (hex.len != 6 || !hex_byte(hex.data, &idc) || !hex_byte(hex.data + 2, &iop) ||
        !hex_byte(hex.data + 4, &level_idc))
        return false;
    /* level 1b: level_idc 11 with constraint_set3_flag in the profiles before High (H.264 section A.3.1), 9 in High */
    bool old_profile = idc == 0x42 || idc == 0x4d || idc == 0x58;
    if (old_profile && level_idc == 11 && (iop & CONSTRAINT_SET3) != 0)
        level_idc = H264_LEVEL_1B;
    else if (!level_known(level_idc) && !(level_idc == 9 && !old_profile))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        if (profiles[i].idc == idc && (iop & profiles[i].mask) == profiles[i].value) {
            *profile = profiles[i].profile;
            *level = level_idc;
            return true;
        }
    }
    return false;
}

bool h264_format_of_fmtp(struct span fmtp, struct h264_format *out) {
    struct span value;
    uint64_t number = 0;
    *out = (struct h264_format){H264_CONSTRAINED_BASELINE, 10, 0, false};
    if (sdp_fmtp_get(fmtp, "profile-level-id", &value) && !h264_profile_level_id(value, &out->profile, &out->level))
        return false;
    /* mode 2 is interleaved, which real-time peers do not do */
    if (sdp_fmtp_get(fmtp, "packetization-mode", &value)) {
        if (!span_to_u64(value, 1, &number))
            return false;
        out->packetization_mode = (uint8_t)number;
    }
    if (sdp_fmtp_get(fmtp, "level-asymmetry-allowed", &value))
        out->level_asymmetry_allowed = span_equal_str(value, "1");
    return true;
}

bool h264_level_less(uint8_t a, uint8_t b) {
    /* 1b stands between 1 and 1.1 */
    unsigned rank_a = a == H264_LEVEL_1B ? 21 : a * 2u;
    unsigned rank_b = b == H264_LEVEL_1B ? 21 : b * 2u;
    return rank_a < rank_b;
}

bool h264_formats_match(const struct h264_format *a, const struct h264_format *b) {
    return a->profile == b->profile && a->packetization_mode == b->packetization_mode;
}

uint8_t h264_answer_level(const struct h264_format *offered, const struct h264_format *own) {
    if (offered->level_asymmetry_allowed && own->level_asymmetry_allowed)
        return own->level;
    return h264_level_less(offered->level, own->level) ? offered->level : own->level;
}

void h264_profile_level_text(enum h264_profile profile, uint8_t level, char out[7]) {
    static const char *const prefixes[] = {
        [H264_CONSTRAINED_BASELINE] = "42e0", [H264_BASELINE] = "4200", [H264_MAIN] = "4d00",
        [H264_CONSTRAINED_HIGH] = "640c",     [H264_HIGH] = "6400",     [H264_HIGH_444_PREDICTIVE] = "f400",
    };
    ASSERT(profile > H264_PROFILE_UNKNOWN && profile < ARRAY_LEN(prefixes));
    const char *prefix = prefixes[profile];
    unsigned level_idc = level;
    if (level == H264_LEVEL_1B && profile <= H264_MAIN) {
        static const char *const prefixes_1b[] = {
            [H264_CONSTRAINED_BASELINE] = "42f0", [H264_BASELINE] = "4210", [H264_MAIN] = "4d10"};
        prefix = prefixes_1b[profile];
        level_idc = 11;
    }
    (void)snprintf(out, 7, "%s%02x", prefix, level_idc);
}
