/* The writing half of av1dd.h. */
#include <string.h>

#include "base/assert.h"
#include "protocol/av1dd.h"

struct bit_writer {
    struct writer *w;
    uint8_t byte;
    uint8_t used;
};

static void put(struct bit_writer *b, uint32_t value, unsigned count) {
    for (unsigned i = count; i > 0; i--) {
        b->byte = (uint8_t)((unsigned)b->byte << 1 | (value >> (i - 1) & 1u));
        if (++b->used == 8) {
            wr_u8(b->w, b->byte);
            b->byte = 0;
            b->used = 0;
        }
    }
}

static void put_ns(struct bit_writer *b, uint32_t value, uint32_t n) {
    ASSERT(value < n);
    unsigned width = 0;
    for (uint32_t x = n; x != 0; x >>= 1)
        width++;
    uint32_t short_codes = (UINT32_C(1) << width) - n;
    if (value < short_codes)
        put(b, value, width - 1);
    else
        put(b, value + short_codes, width);
}

static void put_dtis(struct bit_writer *b, uint64_t dtis, uint8_t target_count) {
    for (uint8_t i = 0; i < target_count; i++)
        put(b, av1dd_dti_of(dtis, i), 2);
}

static void put_layers(struct bit_writer *b, const struct av1dd_structure *s) {
    for (uint8_t i = 1; i < s->template_count; i++) {
        const struct av1dd_template *last = &s->templates[i - 1], *t = &s->templates[i];
        bool same = t->spatial == last->spatial && t->temporal == last->temporal;
        bool next_temporal = t->spatial == last->spatial && t->temporal == last->temporal + 1;
        bool next_spatial = t->spatial == last->spatial + 1 && t->temporal == 0;
        ASSERT(same || next_temporal || next_spatial);
        put(b, same ? 0 : next_temporal ? 1 : 2, 2);
    }
    put(b, 3, 2);
}

static void put_chains(struct bit_writer *b, const struct av1dd_structure *s) {
    put_ns(b, s->chain_count, s->target_count + 1u);
    if (s->chain_count == 0)
        return;
    for (uint8_t i = 0; i < s->target_count; i++)
        put_ns(b, s->target_chain[i], s->chain_count);
    for (uint8_t i = 0; i < s->template_count; i++) {
        for (uint8_t c = 0; c < s->chain_count; c++)
            put(b, av1dd_chain_diff_of(&s->templates[i], c), 4);
    }
}

static void put_structure(struct bit_writer *b, const struct av1dd_structure *s) {
    ASSERT(s->template_count > 0 && s->template_count <= AV1DD_TEMPLATES_MAX);
    ASSERT(s->target_count > 0 && s->target_count <= AV1DD_TARGETS_MAX && s->chain_count <= s->target_count);
    put(b, s->template_id_offset, 6);
    put(b, s->target_count - 1u, 5);
    put_layers(b, s);
    for (uint8_t i = 0; i < s->template_count; i++)
        put_dtis(b, s->templates[i].dtis, s->target_count);
    for (uint8_t i = 0; i < s->template_count; i++) {
        const struct av1dd_template *t = &s->templates[i];
        for (uint8_t k = 0; k < t->fdiff_count; k++)
            put(b, 0x10u | (t->fdiffs[k] - 1u), 5); /* fdiff_follows_flag and fdiff_minus_one */
        put(b, 0, 1);
    }
    put_chains(b, s);
    put(b, s->has_resolutions, 1);
    for (uint8_t i = 0; s->has_resolutions && i < s->spatial_count; i++) {
        put(b, s->width[i] - 1u, 16);
        put(b, s->height[i] - 1u, 16);
    }
}

static void put_frame_fdiffs(struct bit_writer *b, const struct av1dd *d) {
    for (uint8_t i = 0; i < d->fdiff_count; i++) {
        uint32_t minus_one = d->fdiffs[i] - 1u;
        unsigned size = minus_one < 16 ? 1 : minus_one < 256 ? 2 : 3;
        ASSERT(minus_one < 4096);
        put(b, size, 2);
        put(b, minus_one, 4 * size);
    }
    put(b, 0, 2);
}

void av1dd_write(const struct av1dd *d, const struct av1dd_structure *structure, struct writer *w) {
    struct bit_writer b = {.w = w};
    put(&b, d->start_of_frame, 1);
    put(&b, d->end_of_frame, 1);
    put(&b, d->template_id, 6);
    put(&b, d->frame_number, 16);
    if (!d->has_structure && !d->has_active_targets && !d->custom_dtis && !d->custom_fdiffs && !d->custom_chains)
        return;
    ASSERT(structure != NULL);
    put(&b, d->has_structure, 1);
    put(&b, d->has_active_targets, 1);
    put(&b, d->custom_dtis, 1);
    put(&b, d->custom_fdiffs, 1);
    put(&b, d->custom_chains, 1);
    if (d->has_structure)
        put_structure(&b, structure);
    if (d->has_active_targets)
        put(&b, d->active_targets, structure->target_count);
    if (d->custom_dtis)
        put_dtis(&b, d->dtis, structure->target_count);
    if (d->custom_fdiffs)
        put_frame_fdiffs(&b, d);
    for (uint8_t c = 0; d->custom_chains && c < structure->chain_count; c++)
        put(&b, d->chain_diffs[c], 8);
    if (b.used > 0)
        put(&b, 0, 8u - b.used);
}
