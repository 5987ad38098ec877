#include "protocol/av1dd.h"

#include <string.h>

#include "base/assert.h"
#include "base/seq.h"
#include "protocol/bits.h"

/* ns(n) of the AV1 specification, section 4.10.7: a number below n in the fewest bits. */
static uint32_t read_ns(struct bits *b, uint32_t n) {
    unsigned width = 0;
    for (uint32_t x = n; x != 0; x >>= 1)
        width++;
    uint32_t short_codes = (UINT32_C(1) << width) - n;
    uint32_t value = bits_read(b, width - 1);
    if (value < short_codes)
        return value;
    return (value << 1) - short_codes + bits_read(b, 1);
}

static bool read_layers(struct bits *b, struct av1dd_structure *s) {
    enum { SAME = 0, NEXT_TEMPORAL = 1, NEXT_SPATIAL = 2, END = 3 } next = SAME;
    uint8_t spatial = 0, temporal = 0;
    do {
        if (s->template_count == AV1DD_TEMPLATES_MAX || spatial == AV1DD_SPATIAL_MAX || temporal == AV1DD_TEMPORAL_MAX)
            return false;
        struct av1dd_template *t = &s->templates[s->template_count++];
        t->spatial = spatial;
        t->temporal = temporal;
        if (temporal + 1 > s->temporal_count)
            s->temporal_count = (uint8_t)(temporal + 1);
        next = bits_read(b, 2);
        if (next == NEXT_TEMPORAL) {
            temporal++;
        } else if (next == NEXT_SPATIAL) {
            temporal = 0;
            spatial++;
        }
    } while (next != END && reader_ok(&b->r));
    s->spatial_count = (uint8_t)(spatial + 1);
    return reader_ok(&b->r);
}

static uint64_t read_dtis(struct bits *b, uint8_t target_count) {
    uint64_t dtis = 0;
    for (uint8_t i = 0; i < target_count; i++)
        dtis |= (uint64_t)bits_read(b, 2) << (2 * i);
    return dtis;
}

static bool read_template_fdiffs(struct bits *b, struct av1dd_template *t) {
    while (bits_flag(b)) {
        if (t->fdiff_count == AV1DD_FDIFFS_MAX)
            return false;
        t->fdiffs[t->fdiff_count++] = (uint8_t)(bits_read(b, 4) + 1);
    }
    return true;
}

static bool read_chains(struct bits *b, struct av1dd_structure *s) {
    s->chain_count = (uint8_t)read_ns(b, s->target_count + 1u);
    if (s->chain_count == 0)
        return true;
    for (uint8_t i = 0; i < s->target_count; i++)
        s->target_chain[i] = (uint8_t)read_ns(b, s->chain_count);
    for (uint8_t i = 0; i < s->template_count; i++) {
        for (uint8_t c = 0; c < s->chain_count; c++)
            s->templates[i].chain_diffs[c / 2] |= (uint8_t)(bits_read(b, 4) << (c % 2 * 4));
    }
    return s->chain_count <= s->target_count;
}

/* decode_target_layers() of A.8.3: a target's layers are the highest of the templates present in it. */
static void derive_target_layers(struct av1dd_structure *s) {
    for (uint8_t target = 0; target < s->target_count; target++) {
        for (uint8_t i = 0; i < s->template_count; i++) {
            const struct av1dd_template *t = &s->templates[i];
            if (av1dd_dti_of(t->dtis, target) == AV1DD_NOT_PRESENT)
                continue;
            if (t->spatial > s->target_spatial[target])
                s->target_spatial[target] = t->spatial;
            if (t->temporal > s->target_temporal[target])
                s->target_temporal[target] = t->temporal;
        }
    }
}

static bool read_structure(struct bits *b, struct av1dd_structure *s) {
    memset(s, 0, sizeof *s);
    s->template_id_offset = (uint8_t)bits_read(b, 6);
    s->target_count = (uint8_t)(bits_read(b, 5) + 1);
    if (!read_layers(b, s))
        return false;
    for (uint8_t i = 0; i < s->template_count; i++)
        s->templates[i].dtis = read_dtis(b, s->target_count);
    for (uint8_t i = 0; i < s->template_count; i++) {
        if (!read_template_fdiffs(b, &s->templates[i]))
            return false;
    }
    if (!read_chains(b, s))
        return false;
    derive_target_layers(s);
    s->has_resolutions = bits_flag(b);
    for (uint8_t i = 0; s->has_resolutions && i < s->spatial_count; i++) {
        /* stored minus one; a size of 65536 does not exist in practice and would not fit */
        uint32_t width = bits_read(b, 16) + 1, height = bits_read(b, 16) + 1;
        if (width > UINT16_MAX || height > UINT16_MAX)
            return false;
        s->width[i] = (uint16_t)width;
        s->height[i] = (uint16_t)height;
    }
    return reader_ok(&b->r);
}

static bool read_frame_fdiffs(struct bits *b, struct av1dd *out) {
    for (unsigned size = bits_read(b, 2); size != 0; size = bits_read(b, 2)) {
        if (out->fdiff_count == AV1DD_FDIFFS_MAX)
            return false;
        out->fdiffs[out->fdiff_count++] = (uint16_t)(bits_read(b, 4 * size) + 1);
    }
    return true;
}

/* frame_dependency_definition(): from the template, or as the custom flags say. */
static bool read_frame(struct bits *b, const struct av1dd_structure *s, const struct av1dd_template *t,
                       struct av1dd *out) {
    out->spatial = t->spatial;
    out->temporal = t->temporal;
    out->target_count = s->target_count;
    out->chain_count = s->chain_count;
    out->dtis = out->custom_dtis ? read_dtis(b, s->target_count) : t->dtis;
    if (out->custom_fdiffs) {
        if (!read_frame_fdiffs(b, out))
            return false;
    } else {
        out->fdiff_count = t->fdiff_count;
        for (uint8_t i = 0; i < t->fdiff_count; i++)
            out->fdiffs[i] = t->fdiffs[i];
    }
    for (uint8_t c = 0; c < s->chain_count; c++)
        out->chain_diffs[c] = out->custom_chains ? (uint8_t)bits_read(b, 8) : av1dd_chain_diff_of(t, c);
    if (s->has_resolutions) {
        out->width = s->width[t->spatial];
        out->height = s->height[t->spatial];
    }
    out->keyframe = out->has_structure && out->fdiff_count == 0;
    return reader_ok(&b->r);
}

static uint32_t all_targets(uint8_t count) {
    return count >= 32 ? UINT32_MAX : (UINT32_C(1) << count) - 1;
}

enum av1dd_result av1dd_parse(struct span extension, const struct av1dd_structure *structure, struct av1dd *out,
                              struct av1dd_structure *attached) {
    ASSERT(out != NULL && attached != NULL && attached != structure);
    memset(out, 0, sizeof *out);
    struct bits b = bits_of(extension);
    out->start_of_frame = bits_flag(&b);
    out->end_of_frame = bits_flag(&b);
    out->template_id = (uint8_t)bits_read(&b, 6);
    out->frame_number = (uint16_t)bits_read(&b, 16);
    if (!reader_ok(&b.r))
        return AV1DD_MALFORMED;
    if (reader_left(&b.r) > 0) {
        out->has_structure = bits_flag(&b);
        out->has_active_targets = bits_flag(&b);
        out->custom_dtis = bits_flag(&b);
        out->custom_fdiffs = bits_flag(&b);
        out->custom_chains = bits_flag(&b);
    }
    if (out->has_structure) {
        if (!read_structure(&b, attached))
            return AV1DD_MALFORMED;
        structure = attached;
        out->active_targets = all_targets(structure->target_count);
    }
    if (structure == NULL)
        return AV1DD_NO_STRUCTURE;
    if (out->has_active_targets)
        out->active_targets = bits_read(&b, structure->target_count);
    uint8_t index = (out->template_id - structure->template_id_offset) & (AV1DD_TEMPLATES_MAX - 1);
    if (index >= structure->template_count)
        return out->has_structure ? AV1DD_MALFORMED : AV1DD_NO_STRUCTURE;
    return read_frame(&b, structure, &structure->templates[index], out) ? AV1DD_OK : AV1DD_MALFORMED;
}

void av1dd_state_init(struct av1dd_state *state) {
    memset(state, 0, sizeof *state);
}

static void take_structure(struct av1dd_state *state, const struct av1dd_structure *attached, uint64_t frame) {
    /* a repeated structure keeps holding for the packets before; both were zeroed before they were filled in */
    bool repeated = state->valid && memcmp(&state->structure, attached, sizeof *attached) == 0;
    if (!repeated) {
        memcpy(&state->structure, attached, sizeof *attached);
        state->structure_first = frame;
    }
    state->structure_last = frame;
    state->valid = true;
}

enum av1dd_result av1dd_input(struct av1dd_state *state, struct span extension, struct av1dd *out) {
    struct av1dd_structure attached;
    enum av1dd_result result = av1dd_parse(extension, state->valid ? &state->structure : NULL, out, &attached);
    if (result == AV1DD_MALFORMED)
        return result;
    uint64_t frame =
        state->valid ? seq16_extend(state->newest_frame, out->frame_number) : UINT64_C(0x10000) + out->frame_number;
    if (out->has_structure) {
        ASSERT(result == AV1DD_OK);
        /* an older one that arrives late describes its own packet and nothing else */
        if (!state->valid || frame >= state->structure_last)
            take_structure(state, &attached, frame);
    } else if (result == AV1DD_OK && frame < state->structure_first) {
        result = AV1DD_NO_STRUCTURE;
    }
    if (!state->valid)
        return result;
    if (frame > state->newest_frame)
        state->newest_frame = frame;
    if (result == AV1DD_OK && (out->has_structure || out->has_active_targets) && frame >= state->active_frame) {
        state->active_targets = out->active_targets;
        state->active_frame = frame;
    }
    return result;
}

uint32_t av1dd_targets_within(const struct av1dd_structure *structure, uint8_t spatial_max, uint8_t temporal_max) {
    uint32_t mask = 0;
    for (uint8_t i = 0; i < structure->target_count; i++) {
        if (structure->target_spatial[i] <= spatial_max && structure->target_temporal[i] <= temporal_max)
            mask |= UINT32_C(1) << i;
    }
    return mask;
}

int av1dd_target_of(const struct av1dd_structure *structure, uint8_t spatial, uint8_t temporal) {
    for (uint8_t i = 0; i < structure->target_count; i++) {
        if (structure->target_spatial[i] == spatial && structure->target_temporal[i] == temporal)
            return i;
    }
    return -1;
}

bool av1_aggregation_parse(struct span payload, struct av1_aggregation *out) {
    memset(out, 0, sizeof *out);
    if (payload.len < 2)
        return false;
    uint8_t byte = payload.data[0];
    out->continues_previous = (byte & 0x80) != 0;
    out->continues_next = (byte & 0x40) != 0;
    out->obu_count = byte >> 4 & 3;
    out->new_coded_sequence = (byte & 0x08) != 0;
    /* "If N is equal to 1 then Z must be equal to 0" (section 4.4) */
    return !(out->new_coded_sequence && out->continues_previous);
}
