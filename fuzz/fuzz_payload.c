/* First byte: codec and marker; second: length of the dependency descriptor, then it, then the payload. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "protocol/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rewrite(struct span payload, const struct payload_info *info) {
    uint8_t *copy = malloc(payload.len);
    if (copy == NULL)
        abort();
    memcpy(copy, payload.data, payload.len);
    if (info->codec == CODEC_VP8) {
        struct vp8_descriptor back;
        vp8_write_ids(copy, payload.len, &info->as.vp8, 0x5555, 0x77);
        vp8_write_key_index(copy, payload.len, &info->as.vp8, 0x15);
        ASSERT(vp8_parse(span_of(copy, payload.len), &back));
        ASSERT(back.len_bytes == info->as.vp8.len_bytes && back.keyframe == info->as.vp8.keyframe);
        ASSERT(!back.has_tl0 || back.tl0_picture_index == 0x77);
        ASSERT(back.temporal == info->as.vp8.temporal);
        vp8_write_ids(copy, payload.len, &back, info->as.vp8.picture_id, info->as.vp8.tl0_picture_index);
        vp8_write_key_index(copy, payload.len, &back, info->as.vp8.key_index);
        ASSERT(memcmp(copy, payload.data, payload.len) == 0);
    } else if (info->codec == CODEC_VP9) {
        struct vp9_descriptor back;
        vp9_write_ids(copy, payload.len, &info->as.vp9, 0x5555, 0x77);
        ASSERT(vp9_parse(span_of(copy, payload.len), &back));
        ASSERT(back.len_bytes == info->as.vp9.len_bytes && back.keyframe == info->as.vp9.keyframe);
        vp9_write_ids(copy, payload.len, &back, info->as.vp9.picture_id, info->as.vp9.tl0_picture_index);
        ASSERT(memcmp(copy, payload.data, payload.len) == 0);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const enum codec codecs[] = {CODEC_VP8,  CODEC_VP9,  CODEC_H264,    CODEC_AV1,
                                        CODEC_OPUS, CODEC_H265, CODEC_UNKNOWN, CODEC_VP8};
    struct reader r = reader_of(data, size);
    uint8_t head = rd_u8(&r);
    struct span extension = rd_span(&r, rd_u8(&r)), payload = rd_rest(&r);
    struct payload_info info;
    struct av1dd_state state;
    if (!reader_ok(&r))
        return 0;
    av1dd_state_init(&state);
    enum payload_result result = payload_inspect(codecs[head & 7], payload, (head & 0x80) != 0, extension,
                                                 (head & 0x40) != 0 ? &state : NULL, &info);
    ASSERT(info.end_of_picture == ((head & 0x80) != 0));
    ASSERT(result == PAYLOAD_OK || !info.keyframe);
    ASSERT((result == PAYLOAD_EMPTY) == (payload.len == 0));
    ASSERT(!info.has_dd || state.valid);
    if (result == PAYLOAD_OK)
        rewrite(payload, &info);
    return 0;
}
