#include "media/layers.h"

#include "base/assert.h"
#include "protocol/codec.h"

void layers_init(struct layers *l) {
    ASSERT(l != NULL);
    *l = (struct layers){.stream = -1, .target_stream = -1, .decode_target = -1};
}

void layers_aim(struct layers *l, int8_t stream, uint8_t rank, uint8_t spatial, uint8_t temporal) {
    ASSERT(stream >= -1 && stream < 3);
    l->target_stream = stream;
    l->target_rank = rank;
    l->target_spatial = spatial;
    l->target_temporal = temporal;
    if (stream < 0) {
        l->stream = -1;
        l->want_keyframe = false;
    } else if (l->stream != stream) {
        l->want_keyframe = true;
    }
}

/* The decode target with the highest layers that are not above the wanted ones. */
static int8_t best_target(const struct av1dd_structure *structure, uint8_t spatial, uint8_t temporal) {
    int best = -1;
    for (int i = 0; i < structure->target_count; i++) {
        uint8_t s = structure->target_spatial[i], t = structure->target_temporal[i];
        if (s > spatial || t > temporal)
            continue;
        if (best < 0 || s > structure->target_spatial[best] ||
            (s == structure->target_spatial[best] && t > structure->target_temporal[best]))
            best = i;
    }
    return (int8_t)best;
}

static bool can_begin(const struct layers *l, const struct packet_info *info) {
    if (!info->keyframe || info->payload_len == 0 || l->target_stream < 0)
        return false;
    if ((int8_t)info->layer == l->target_stream)
        return true;
    return l->stream < 0 && info->rank < l->target_rank;
}

static void begin(struct layers *l, const struct packet_info *info) {
    l->stream = (int8_t)info->layer;
    l->epoch = info->epoch;
    l->spatial = l->target_spatial;
    l->temporal = l->target_temporal;
    l->decode_target = -1;
    l->want_keyframe = l->stream != l->target_stream;
}

static struct layers_result by_descriptor(struct layers *l, const struct packet_info *info,
                                          const struct av1dd_state *dd) {
    const struct av1dd_structure *structure = &dd->structure;
    struct layers_result result = {.verdict = LAYERS_TAKE};
    bool announce = info->has_structure;
    if (info->start_of_frame) {
        int8_t wanted = best_target(structure, l->target_spatial, l->target_temporal);
        bool fits = l->decode_target >= 0 && l->decode_target < (int8_t)structure->target_count;
        bool may = wanted >= 0 && av1dd_dti_of(info->dtis, (uint8_t)wanted) == AV1DD_SWITCH;
        if (wanted >= 0 && wanted != l->decode_target && (may || info->keyframe || !fits)) {
            announce = true;
            l->decode_target = wanted;
        }
        /* temporal layers find their switch soon; another spatial one may need a key frame */
        bool spatial_waits = wanted >= 0 && l->decode_target >= 0 && wanted != l->decode_target &&
                             structure->target_spatial[wanted] != structure->target_spatial[l->decode_target];
        l->want_keyframe = l->stream != l->target_stream || spatial_waits;
    }
    if (l->decode_target < 0 || l->decode_target >= (int8_t)structure->target_count)
        return result;
    uint8_t target = (uint8_t)l->decode_target;
    l->spatial = structure->target_spatial[target];
    l->temporal = structure->target_temporal[target];
    if (av1dd_dti_of(info->dtis, target) == AV1DD_NOT_PRESENT) {
        bool whole = info->codec == CODEC_VP8 && info->temporal > l->temporal;
        result.verdict = whole ? LAYERS_LEAVE_OUT_PICTURE : LAYERS_LEAVE_OUT;
    }
    result.marker = info->end_of_frame && info->spatial == l->spatial;
    bool limited = l->spatial + 1 < structure->spatial_count;
    if (announce && info->start_of_frame && (limited || !info->has_structure))
        result.active_targets = av1dd_targets_within(structure, l->spatial, LAYERS_ALL) & dd->active_targets;
    return result;
}

static void move_layers(struct layers *l, const struct packet_info *info) {
    if (info->keyframe) {
        l->spatial = l->target_spatial;
        l->temporal = l->target_temporal;
    }
    if (l->target_spatial < l->spatial && info->spatial == 0)
        l->spatial = l->target_spatial;
    if (l->target_temporal < l->temporal)
        l->temporal = l->target_temporal;
    if (info->temporal > l->temporal && info->temporal <= l->target_temporal && info->layer_sync)
        l->temporal = info->temporal;
    /* a stream that shows no spatial layers cannot be asked for more of them */
    bool higher = info->has_layers && l->spatial < l->target_spatial && info->spatial > l->spatial;
    if (higher)
        l->want_keyframe = true;
    else if (info->keyframe)
        l->want_keyframe = l->stream != l->target_stream;
}

static struct layers_result by_payload(struct layers *l, const struct packet_info *info) {
    struct layers_result result = {.verdict = LAYERS_TAKE};
    if (info->start_of_frame)
        move_layers(l, info);
    if (info->temporal > l->temporal)
        result.verdict = info->codec == CODEC_VP8 ? LAYERS_LEAVE_OUT_PICTURE : LAYERS_LEAVE_OUT;
    else if (info->spatial > l->spatial)
        result.verdict = LAYERS_LEAVE_OUT;
    result.marker = info->has_layers && info->codec != CODEC_VP8 && info->end_of_frame && info->spatial == l->spatial;
    return result;
}

struct layers_result layers_packet(struct layers *l, const struct packet_info *info, const struct av1dd_state *dd) {
    ASSERT(l != NULL && info != NULL);
    struct layers_result result = {.verdict = LAYERS_OTHER};
    if (l->target_stream < 0)
        return result;
    const struct layers before = *l;
    bool forwarded = l->stream == (int8_t)info->layer && l->epoch == info->epoch;
    bool switched = false;
    if (!forwarded) {
        bool restarted = l->stream == (int8_t)info->layer; /* the same layer under another SSRC */
        if (restarted && !info->keyframe)
            l->want_keyframe = true;
        if (!can_begin(l, info) && !(restarted && info->keyframe && info->payload_len > 0))
            return result;
        begin(l, info);
        switched = true;
    }
    if (info->payload_len == 0) {
        result.verdict = LAYERS_LEAVE_OUT;
        return result;
    }
    result = info->has_dd && dd != NULL && dd->valid ? by_descriptor(l, info, dd) : by_payload(l, info);
    result.marker = result.marker || info->marker;
    if (switched && result.verdict != LAYERS_TAKE) { /* a key frame that its own descriptor keeps from this target */
        *l = before;
        return (struct layers_result){.verdict = LAYERS_OTHER};
    }
    if (switched)
        result.verdict = LAYERS_SWITCH;
    return result;
}
