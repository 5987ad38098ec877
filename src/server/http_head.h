/* The head of an HTTP/1.1 request (RFC 9112 sections 2 to 6), read strictly: what two readers could understand in two ways is refused
 * and not guessed at, since a proxy in front may be the other reader (RFC 9112 section 11.2, request smuggling).
 *
 *     http_head_scan    as bytes come: is the head complete, and can it still become one?
 *     http_head_read    a complete head, into struct http_head
 *
 * Refused with 400: lines that end in a bare LF, CR inside of a line, NUL and other control characters, a name that is no token or is
 * followed by a space, lines without colon, folded lines (section 5.2), no Host or two (section 3.2), a second Content-Length,
 * Content-Type, Authorization or other field that is one value, a Content-Length that is no plain number or comes with a
 * Transfer-Encoding, a Transfer-Encoding in HTTP/1.0, targets that are neither a path nor an absolute URI, escapes in the path that are
 * none or stand for a NUL. 431: more than HTTP_HEAD_LINES_MAX lines. 501: a method that is not known here. 505: another version.
 *
 * The path is given decoded, without empty and dot segments, so that nobody behind has to; the query as it came. Fields that are lists
 * are joined in their order (RFC 9110 section 5.3). Spans point into the head or into the caller's writer. No input and output;
 * nothing is kept. */
#ifndef CONCLAVE_SERVER_HTTP_HEAD_H
#define CONCLAVE_SERVER_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

/* Browsers send about 25, behind a proxy some more. */
#define HTTP_HEAD_LINES_MAX 100
/* Bytes that http_head_read writes at most for a head of this length: the path, and fields in several lines with ", " between. */
#define HTTP_HEAD_COPY_LEN_MAX(head_len) (2 * (head_len) + 16)

enum http_field {
    FIELD_HOST,
    FIELD_ORIGIN,
    FIELD_ACCEPT,
    FIELD_ACCEPT_ENCODING,
    FIELD_AUTHORIZATION,
    FIELD_CONTENT_TYPE,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_IF_MATCH,
    FIELD_IF_NONE_MATCH,
    FIELD_RANGE,
    FIELD_EXPECT,
    FIELD_CONNECTION,
    FIELD_UPGRADE,
    FIELD_FORWARDED,
    FIELD_FORWARDED_FOR,
    FIELD_VIA,
    FIELD_REAL_IP,
    FIELD_SOCKET_KEY,
    FIELD_SOCKET_VERSION,
    FIELDS_COUNT
};

struct http_head {
    struct span method, path, query;
    struct span fields[FIELDS_COUNT]; /* empty when absent */
    bool http10;
    bool has_length; /* there is a Content-Length, which is `content_len` */
    uint64_t content_len;
    bool keep; /* the connection may stay (RFC 9112 section 9.3) */
};

/* Looks at bytes from `*seen` on, which it moves. The length of the head with its empty line, 0: not complete yet, or
 * HTTP_HEAD_BROKEN: this is none and never will be. Empty lines in front, which are allowed (RFC 9112 section 2.2), are part of it. */
#define HTTP_HEAD_BROKEN SIZE_MAX
size_t http_head_scan(struct span bytes, size_t *seen);

/* 0, or the status to refuse with; `why` is a sentence for the answer then. `head_bytes` is what http_head_scan found complete. */
uint16_t http_head_read(struct span head_bytes, struct writer *copies, struct http_head *out, const char **why);

/* Whether `word` (lower case) stands in a comma-separated list, compared without case, parameters left out; what its sender weighs
 * with q=0 does not count (RFC 9110 section 12.4.2). */
bool http_list_has(struct span list, const char *word);

#endif
