/* Candidate lines: what is read and written is read again as the same. */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "protocol/candidate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct candidate c;
    struct candidate again;
    if (!candidate_parse((struct span){.data = data, .len = size}, &c) || c.addr.family == 0)
        return 0;
    uint8_t out[CANDIDATE_LINE_LEN_MAX];
    struct writer w = writer_of(out, sizeof out);
    ASSERT(candidate_write(&w, &c));
    ASSERT(candidate_parse(writer_span(&w), &again));
    if (c.related.family == 0)
        c.related.port = 0; /* a port without an address is not written */
    ASSERT(memcmp(&c, &again, sizeof c) == 0);
    return 0;
}
