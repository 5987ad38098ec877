/* First byte: bit 0 picks AV1 (an RTP payload) or H.264 (a sequence parameter set without its NAL unit header). */
#include <string.h>

#include "base/assert.h"
#include "protocol/av1dd.h"
#include "protocol/picture_size.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint16_t width = 0, height = 0;
    if (size == 0)
        return 0;
    struct span rest = span_of(data + 1, size - 1);
    struct av1_aggregation aggregation;
    bool told = (data[0] & 1) == 0 ? h264_sps_size(rest, &width, &height)
                                   : av1_aggregation_parse(rest, &aggregation) &&
                                         av1_sequence_size(rest, &aggregation, &width, &height);
    ASSERT(told == (width > 0 && height > 0));
    return 0;
}
