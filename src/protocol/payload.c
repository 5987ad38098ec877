#include "protocol/payload.h"

#include <string.h>

#include "base/assert.h"
#include "protocol/picture_size.h"

static void from_vp8(struct payload_info *out) {
    const struct vp8_descriptor *d = &out->as.vp8;
    out->start_of_frame = d->start_of_frame;
    out->keyframe = d->keyframe;
    out->has_layers = d->has_temporal;
    out->temporal = d->temporal;
    out->layer_sync = d->temporal == 0 || d->layer_sync;
    out->discardable = d->non_reference;
    out->width = d->width;
    out->height = d->height;
}

static void from_vp9(struct payload_info *out) {
    const struct vp9_descriptor *d = &out->as.vp9;
    out->start_of_frame = d->start_of_frame;
    out->end_of_frame = d->end_of_frame;
    out->keyframe = d->keyframe;
    out->has_layers = d->has_layers;
    out->spatial = d->spatial;
    out->temporal = d->temporal;
    out->layer_sync = d->temporal == 0 || d->switching_up;
    if (d->has_structure && d->spatial < d->structure.spatial_layers) {
        out->width = d->structure.width[d->spatial];
        out->height = d->structure.height[d->spatial];
    }
}

static void from_h264(struct payload_info *out) {
    const struct h264_packet *p = &out->as.h264;
    out->start_of_frame = p->start_of_frame;
    out->keyframe = p->keyframe;
    out->layer_sync = true;
    out->discardable = !p->reference;
    out->width = p->width;
    out->height = p->height;
}

static void from_av1(struct payload_info *out, struct span payload) {
    const struct av1_aggregation *a = &out->as.av1;
    /* Without the dependency descriptor this is what can be known: a continued element is no start of a frame. */
    out->start_of_frame = !a->continues_previous;
    out->keyframe = a->new_coded_sequence && !a->continues_previous;
    out->layer_sync = out->keyframe;
    if (!av1_sequence_size(payload, a, &out->width, &out->height))
        out->width = out->height = 0;
}

static bool inspect_video(enum codec codec, struct span payload, struct payload_info *out) {
    switch (codec) {
    case CODEC_VP8:
        if (!vp8_parse(payload, &out->as.vp8))
            return false;
        from_vp8(out);
        return true;
    case CODEC_VP9:
        if (!vp9_parse(payload, &out->as.vp9))
            return false;
        from_vp9(out);
        return true;
    case CODEC_H264:
        if (!h264_parse(payload, &out->as.h264))
            return false;
        from_h264(out);
        return true;
    case CODEC_AV1:
        if (!av1_aggregation_parse(payload, &out->as.av1))
            return false;
        from_av1(out, payload);
        return true;
    default:
        return true;
    }
}

static bool is_discardable(const struct av1dd *dd) {
    for (uint8_t i = 0; i < dd->target_count; i++) {
        enum av1dd_dti dti = av1dd_dti_of(dd->dtis, i);
        if (dti == AV1DD_SWITCH || dti == AV1DD_REQUIRED)
            return false;
    }
    return true;
}

static void from_dd(const struct av1dd_state *state, struct payload_info *out) {
    const struct av1dd *dd = &out->dd;
    int target = av1dd_target_of(&state->structure, dd->spatial, dd->temporal);
    out->has_dd = true;
    out->has_layers = true;
    out->keyframe = dd->keyframe && dd->start_of_frame && dd->spatial == 0;
    out->spatial = dd->spatial;
    out->temporal = dd->temporal;
    out->layer_sync = dd->temporal == 0 || (target >= 0 && av1dd_dti_of(dd->dtis, (uint8_t)target) == AV1DD_SWITCH);
    out->discardable = is_discardable(dd);
    if (dd->width == 0)
        return; /* a structure need not tell sizes: the payload's stand */
    out->width = dd->width;
    out->height = dd->height;
}

enum payload_result payload_inspect(enum codec codec, struct span payload, bool marker, struct span extension,
                                    struct av1dd_state *state, struct payload_info *out) {
    ASSERT(out != NULL);
    ASSERT(codec != CODEC_RTX);
    memset(out, 0, sizeof *out);
    out->codec = codec;
    out->end_of_picture = marker;
    out->end_of_frame = marker;
    if (payload.len == 0)
        return PAYLOAD_EMPTY;
    if (codec_kind(codec) != CODEC_KIND_VIDEO) {
        out->start_of_frame = true;
        out->end_of_frame = true;
        out->keyframe = true;
        out->layer_sync = true;
        return PAYLOAD_OK;
    }
    if (!inspect_video(codec, payload, out))
        return PAYLOAD_MALFORMED;
    if (state == NULL || extension.len == 0)
        return PAYLOAD_OK;
    enum av1dd_result result = av1dd_input(state, extension, &out->dd);
    if (result == AV1DD_MALFORMED)
        return PAYLOAD_OK; /* the codec's own descriptor stands */
    /* the mandatory fields need no structure */
    out->start_of_frame = out->dd.start_of_frame;
    out->end_of_frame = out->dd.end_of_frame;
    if (result == AV1DD_OK)
        from_dd(state, out);
    return PAYLOAD_OK;
}

bool payload_opus_is_dtx(size_t payload_len) {
    return payload_len <= 2;
}
