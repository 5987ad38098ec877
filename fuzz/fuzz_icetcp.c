/* The TCP deframer: however the stream is cut, the frames are the same. The first byte chooses buffer and cutting. */
#include <stdint.h>

#include "base/assert.h"
#include "protocol/icetcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct digest {
    uint64_t sum;
    size_t frames;
    bool failed;
};

static struct digest deframe(const uint8_t *data, size_t size, size_t buffer_len, size_t part) {
    uint8_t buffer[ICETCP_FRAME_LEN_MAX];
    struct icetcp_deframer d;
    struct digest digest = {0};
    icetcp_deframer_init(&d, buffer, buffer_len);
    for (size_t at = 0; at < size; at += part) {
        struct span chunk = {.data = data + at, .len = size - at < part ? size - at : part};
        enum icetcp_result result;
        while ((result = icetcp_deframer_push(&d, &chunk)) == ICETCP_FRAME) {
            size_t len;
            const uint8_t *frame = icetcp_deframer_frame(&d, &len);
            ASSERT(len > 0 && len <= buffer_len);
            for (size_t i = 0; i < len; i++)
                digest.sum = digest.sum * 31 + frame[i] + 1;
            digest.frames++;
        }
        digest.failed = result == ICETCP_ERROR;
    }
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    size_t buffer_len = data[0] & 1 ? ICETCP_FRAME_LEN_MAX : 16 + data[0];
    struct digest whole = deframe(data + 1, size - 1, buffer_len, size);
    struct digest cut = deframe(data + 1, size - 1, buffer_len, 1u + (data[0] >> 1) % 7);
    ASSERT(whole.sum == cut.sum && whole.frames == cut.frames && whole.failed == cut.failed);
    return 0;
}
