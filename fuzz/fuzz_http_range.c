/* A Range header never reaches beyond the file, and hexadecimal reads back as it is written. First 8 bytes: the file's
 * length. */
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/base64.h"
#include "server/http_range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(data, size);
    uint64_t len = rd_u64(&r) >> 1; /* files are far below the half of what 64 bits count */
    struct span text = rd_rest(&r);
    struct http_range range;
    if (!reader_ok(&r))
        return 0;
    if (http_range_read(text, len, &range)) {
        ASSERT(range.first <= len && range.count <= len - range.first);
        ASSERT(range.count > 0 || len == 0);
        ASSERT(range.partial || (range.first == 0 && range.count == len));
    }
    uint8_t bytes[64], again[128];
    size_t count;
    if (hex_decode(text, bytes, sizeof bytes, &count)) {
        struct writer w = writer_of(again, sizeof again);
        wr_hex(&w, span_of(bytes, count));
        ASSERT(span_equal(span_of(again, 2 * count), text));
    }
    return 0;
}
