/* What a request's Range header asks for (RFC 9110 section 14.2): one range of bytes. A header that asks for anything
 * else, or for several ranges, is ignored, as that section allows. Sans-IO. */
#ifndef CONCLAVE_SERVER_HTTP_RANGE_H
#define CONCLAVE_SERVER_HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

struct http_range {
    uint64_t first, count;
    bool partial; /* else all of it: answer 200 */
};

/* `len` bytes are there. False when none of them is asked for: answer 416. Else first + count <= len. */
bool http_range_read(struct span header, uint64_t len, struct http_range *out);

#endif
