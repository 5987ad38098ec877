/* The dependency descriptor, an RTP header extension (AV1 RTP payload format, appendix A), sent with AV1 and, when
 * negotiated, with VP8, VP9 and H.264 too. It names the frame's layers and, per decode target, whether the frame is needed,
 * outside of the encrypted payload. Here: parser, writer, and the AV1 aggregation header (section 4.4).
 *
 * A key frame's first packet carries a template dependency structure; every later packet names one of its templates. So a
 * parser needs the structure that was last seen. The caller keeps one `struct av1dd_state` per received stream:
 *
 *     av1dd_state_init(&state);
 *     for each packet that has the extension, in order of arrival:
 *         if (av1dd_input(&state, bytes, &dd) == AV1DD_OK) ... use dd
 *
 * av1dd_input takes over an attached structure (and an active decode targets bitmask) unless the packet is older than
 * the one that brought the present ones. Until a first structure AV1DD_NO_STRUCTURE comes back, with the mandatory fields
 * filled in; so it does for late packets from before the present structure. A rewriter for one receiver keeps a copy of the structure and calls av1dd_write.
 *
 * Sizes: a state is about 2.8 kB and holds no pointers: copy it by assignment. */
#ifndef CONCLAVE_PROTOCOL_AV1DD_H
#define CONCLAVE_PROTOCOL_AV1DD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

/* template ids are 6 bits (A.8.2) */
#define AV1DD_TEMPLATES_MAX 64
/* dt_cnt_minus_one is 5 bits; chains are at most as many as decode targets */
#define AV1DD_TARGETS_MAX 32
/* AV1 operating points have 4 spatial and 8 temporal layers at most (spec of AV1, section 6.10.23) */
#define AV1DD_SPATIAL_MAX 4
#define AV1DD_TEMPORAL_MAX 8
/* An AV1 frame references 7 others, an encoder's template never more than 8. */
#define AV1DD_FDIFFS_MAX 8
/* Longest descriptor: two-byte header extensions carry 255 bytes (RFC 8285 section 4.3). */
#define AV1DD_LEN_MAX 255

/* Decode target indication, the two bits on the wire. */
enum av1dd_dti { AV1DD_NOT_PRESENT = 0, AV1DD_DISCARDABLE = 1, AV1DD_SWITCH = 2, AV1DD_REQUIRED = 3 };

struct av1dd_template {
    uint64_t dtis; /* two bits a decode target, target 0 lowest: av1dd_dti_of */
    uint8_t spatial;
    uint8_t temporal;
    uint8_t fdiff_count;
    uint8_t fdiffs[AV1DD_FDIFFS_MAX];           /* 1..16 frames back */
    uint8_t chain_diffs[AV1DD_TARGETS_MAX / 2]; /* four bits a chain, chain 0 in the low bits of byte 0 */
};

struct av1dd_structure {
    uint8_t template_id_offset;
    uint8_t template_count;
    uint8_t target_count;
    uint8_t chain_count;
    uint8_t spatial_count; /* layers, 1..4 */
    uint8_t temporal_count;
    bool has_resolutions;
    uint8_t target_chain[AV1DD_TARGETS_MAX];   /* chain that protects the target; meaningless without chains */
    uint8_t target_spatial[AV1DD_TARGETS_MAX]; /* highest layer of the target, derived as A.8.3 decode_target_layers */
    uint8_t target_temporal[AV1DD_TARGETS_MAX];
    uint16_t width[AV1DD_SPATIAL_MAX];
    uint16_t height[AV1DD_SPATIAL_MAX];
    struct av1dd_template templates[AV1DD_TEMPLATES_MAX];
};

struct av1dd {
    /* mandatory fields */
    bool start_of_frame;
    bool end_of_frame;
    uint8_t template_id; /* as on the wire */
    uint16_t frame_number;
    /* what came in the extended part, and is written again by av1dd_write */
    bool has_structure; /* the structure is attached to this packet */
    bool has_active_targets;
    bool custom_dtis;
    bool custom_fdiffs;
    bool custom_chains;
    uint32_t
        active_targets; /* bit i: decode target i; of this packet, or all targets when a structure is attached alone */
    /* of the frame, from the template or custom */
    uint8_t spatial;
    uint8_t temporal;
    uint8_t target_count;
    uint8_t chain_count;
    uint64_t dtis;
    uint8_t fdiff_count;
    uint16_t fdiffs[AV1DD_FDIFFS_MAX];
    uint8_t chain_diffs[AV1DD_TARGETS_MAX];
    uint16_t width; /* 0 when the structure has no resolutions */
    uint16_t height;
    /* A frame that depends on nothing, announced with a structure: decoding can begin here. True for every packet of
     * such a frame that carries the structure (the first one). */
    bool keyframe;
};

struct av1dd_state {
    bool valid;
    uint32_t active_targets;
    /* frame numbers, extended to 64 bits */
    uint64_t newest_frame;
    uint64_t structure_first; /* the structure holds from here on ... */
    uint64_t structure_last;  /* ... and was last repeated here */
    uint64_t active_frame;    /* brought `active_targets` */
    struct av1dd_structure structure;
};

enum av1dd_result {
    AV1DD_OK = 0,
    AV1DD_NO_STRUCTURE, /* mandatory fields are valid; layers are not known (yet, or the template is of another structure) */
    AV1DD_MALFORMED /* truncated, or over a limit above */
};

void av1dd_state_init(struct av1dd_state *state);
enum av1dd_result av1dd_input(struct av1dd_state *state, struct span extension, struct av1dd *out);
/* The pure part: `structure` is the present one or NULL; an attached one is stored to `attached`, which is required. */
enum av1dd_result av1dd_parse(struct span extension, const struct av1dd_structure *structure, struct av1dd *out,
                              struct av1dd_structure *attached);

static inline enum av1dd_dti av1dd_dti_of(uint64_t dtis, uint8_t target) {
    return (enum av1dd_dti)(dtis >> (2 * target) & 3);
}

static inline uint8_t av1dd_chain_diff_of(const struct av1dd_template *t, uint8_t chain) {
    return (uint8_t)(t->chain_diffs[chain / 2] >> (chain % 2 * 4) & 15);
}

/* Writes `d`: three bytes when nothing extended is set, else the extended fields, with `structure` if has_structure.
 * `structure` is the one by which `d` was parsed (it gives the number of targets). The writer fails when it is full. */
void av1dd_write(const struct av1dd *d, const struct av1dd_structure *structure, struct writer *w);
/* Decode targets whose layers are all at or below these: the mask for a receiver that gets no higher layers. */
uint32_t av1dd_targets_within(const struct av1dd_structure *structure, uint8_t spatial_max, uint8_t temporal_max);
/* The first decode target with exactly these highest layers, or -1. */
int av1dd_target_of(const struct av1dd_structure *structure, uint8_t spatial, uint8_t temporal);

/* AV1 aggregation header, the first byte of an AV1 payload: |Z|Y|W W|N|-|-|-|. */
struct av1_aggregation {
    bool continues_previous; /* Z */
    bool continues_next;     /* Y */
    uint8_t obu_count;       /* W: 0 = every OBU element has a length */
    bool new_coded_sequence; /* N: first packet of a coded video sequence */
};
bool av1_aggregation_parse(struct span payload, struct av1_aggregation *out);

#endif
