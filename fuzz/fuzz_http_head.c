/* Any bytes are a head, not yet one, or none, and it does not matter in which pieces they come. What is read can mean one thing only:
 * its path has no empty or dot segment, it has one Host, and a body's length is sure. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "server/http_head.h"
#include "server/http_range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same bytes in pieces whose lengths follow from them. */
static size_t scan_in_pieces(struct span bytes) {
    size_t seen = 0, found = 0;
    for (size_t have = 0; have < bytes.len && found == 0;) {
        have += 1 + (size_t)(bytes.data[have] % 7);
        if (have > bytes.len)
            have = bytes.len;
        found = http_head_scan(span_of(bytes.data, have), &seen);
    }
    return found;
}

static void check_path(struct span path) {
    struct reader r = reader_of(path.data + 1, path.len - 1);
    struct span segment;
    ASSERT(path.data[0] == '/');
    while (rd_token(&r, '/', &segment)) {
        /* an escaped slash is a slash by now, so that segments may look empty; what comes above them may not */
        for (size_t i = 0; i < segment.len; i++)
            ASSERT(segment.data[i] != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct span bytes = span_of(data, size);
    size_t seen = 0, len = http_head_scan(bytes, &seen);
    ASSERT(scan_in_pieces(bytes) == len);
    if (len == 0 || len == HTTP_HEAD_BROKEN)
        return 0;
    ASSERT(len <= size && len >= 4);
    size_t copies_len = HTTP_HEAD_COPY_LEN_MAX(len);
    uint8_t *memory = malloc(copies_len);
    ASSERT(memory != NULL);
    struct writer copies = writer_of(memory, copies_len);
    struct http_head head;
    const char *why = NULL;
    uint16_t refused = http_head_read(span_of(data, len), &copies, &head, &why);
    ASSERT(writer_ok(&copies));
    if (refused != 0) {
        ASSERT(refused >= 400 && refused < 600 && why != NULL);
    } else {
        ASSERT(head.method.len > 0 && head.path.len > 0);
        if (!span_equal_str(head.path, "*"))
            check_path(head.path);
        ASSERT(!head.has_length || head.fields[FIELD_TRANSFER_ENCODING].len == 0);
        for (size_t i = 0; i < FIELDS_COUNT; i++) {
            for (size_t k = 0; k < head.fields[i].len; k++)
                ASSERT(head.fields[i].data[k] != '\r' && head.fields[i].data[k] != '\n' && head.fields[i].data[k] != 0);
            (void)http_list_has(head.fields[i], "close");
        }
        struct http_range range;
        if (http_range_read(head.fields[FIELD_RANGE], 1000, &range))
            ASSERT(range.first <= 1000 && range.count <= 1000 - range.first);
    }
    free(memory);
    return 0;
}
