#include "e2ee/frame_native.h"

#include <string.h>

#include "base/assert.h"

enum sframe_status frame_seal(struct sframe_sender *sender, uint32_t context, const struct frame_info *info,
                              struct span frame, uint64_t now_us, uint8_t *out, size_t out_size, size_t *len) {
    struct frame_seal seal;
    enum sframe_status status = frame_seal_begin(sender, context, info, frame, now_us, out, out_size, &seal);
    if (status != SFRAME_OK)
        return status;
    if (!sframe_native_seal(&seal.sframe, span_of(seal.aad.bytes, seal.aad.len), seal.text, seal.body)) {
        sender->counts.of[SFRAME_NO_MEMORY]++;
        return SFRAME_NO_MEMORY;
    }
    frame_seal_finish(&seal, len);
    return SFRAME_OK;
}

enum sframe_status frame_open(struct sframe_receiver *receiver, uint32_t leaf, const struct frame_info *info,
                              struct span sealed, uint64_t now_us, uint8_t *out, size_t out_size, size_t *len) {
    struct frame_open open;
    enum sframe_status status = frame_open_begin(receiver, leaf, info, sealed, now_us, out, out_size, &open);
    if (status != SFRAME_OK)
        return status;
    struct span aad = span_of(open.aad.bytes, open.aad.len);
    /* H.264 with escapes: in the output already, a little behind the text's place; opened there, then moved */
    bool moved = open.sealed.data >= out && open.sealed.data < out + out_size;
    uint8_t *plain = moved ? out + (open.sealed.data - out) : open.text;
    bool authentic = sframe_native_open(&open.sframe, aad, open.sealed, plain);
    if (moved)
        memmove(open.text, plain, open.text_len);
    return frame_open_finish(receiver, &open, authentic, len);
}
