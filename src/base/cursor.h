/* Bounded cursors: the only way in which parsers read and serialisers write foreign bytes.
 *
 * A `struct reader` walks over bytes that somebody else owns and keeps alive. Reading past the end sets a sticky
 * error, answers zeros or empty spans and never touches memory outside, so a parser may read a whole header and
 * check `reader_ok` once. A `struct writer` is its mirror over a caller's buffer: writing past the end sets the sticky
 * error and writes nothing.
 *
 * All multi-byte integers are in network byte order unless the name says `le`. What is done several times for each
 * packet and frame is inline. Threads: none. */
#ifndef CONCLAVE_BASE_CURSOR_H
#define CONCLAVE_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"

/* Borrowed, read-only bytes. Not zero terminated. `data` may be NULL when `len` is 0. */
struct span {
    const uint8_t *data;
    size_t len;
};

static inline struct span span_of(const void *data, size_t len) {
    ASSERT(data != NULL || len == 0);
    return (struct span){.data = data, .len = len};
}
/* A span over a C string without its terminator. */
struct span span_str(const char *text);
bool span_equal(struct span a, struct span b);
bool span_equal_str(struct span a, const char *text);
bool span_starts_with(struct span a, const char *prefix);
/* Copies a span to a zero-terminated string. Answers false, with out[0] = 0, when it does not fit or holds a zero byte.
 */
bool span_to_str(struct span a, char *out, size_t out_size);
/* Decimal number without sign or spaces, at most `max`; false when anything else is in the span. */
bool span_to_u64(struct span a, uint64_t max, uint64_t *out);

struct reader {
    const uint8_t *data;
    size_t len;
    size_t pos;
    bool failed;
};

static inline struct reader reader_of(const void *data, size_t len) {
    ASSERT(data != NULL || len == 0);
    return (struct reader){.data = data, .len = len};
}
static inline struct reader reader_of_span(struct span bytes) {
    return reader_of(bytes.data, bytes.len);
}
static inline bool reader_ok(const struct reader *r) {
    return !r->failed;
}
static inline size_t reader_left(const struct reader *r) {
    return r->failed ? 0 : r->len - r->pos;
}
/* Marks the input as bad; later reads answer zeros. */
static inline void reader_fail(struct reader *r) {
    r->failed = true;
}
/* Where the next `len` bytes start, which are skipped, or NULL with the sticky error. Parsers call rd_span. */
static inline const uint8_t *rd_take(struct reader *r, size_t len) {
    if (r->failed || r->len - r->pos < len) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *at = r->data + r->pos;
    r->pos += len;
    return at;
}
static inline uint8_t rd_u8(struct reader *r) {
    const uint8_t *at = rd_take(r, 1);
    return at != NULL ? *at : 0;
}
uint16_t rd_u16(struct reader *r);
uint32_t rd_u24(struct reader *r);
uint32_t rd_u32(struct reader *r);
uint64_t rd_u48(struct reader *r);
uint64_t rd_u64(struct reader *r);
/* Looks at a byte `offset` bytes ahead without moving; 0 and no error past the end. */
static inline uint8_t rd_peek(const struct reader *r, size_t offset) {
    return reader_left(r) > offset ? r->data[r->pos + offset] : 0;
}
static inline void rd_skip(struct reader *r, size_t len) {
    if (len > 0)
        (void)rd_take(r, len);
}
static inline struct span rd_span(struct reader *r, size_t len) {
    const uint8_t *at = len > 0 ? rd_take(r, len) : NULL;
    return at != NULL ? (struct span){.data = at, .len = len} : (struct span){0};
}
static inline struct span rd_rest(struct reader *r) {
    return rd_span(r, reader_left(r));
}
/* Copies exactly `len` bytes; on failure fills `out` with zeros. */
void rd_copy(struct reader *r, void *out, size_t len);
/* A reader over the next `len` bytes, which are skipped in `r`. */
struct reader rd_sub(struct reader *r, size_t len);
/* One line up to LF (CR LF and LF accepted, neither returned); false at the end of input. */
bool rd_line(struct reader *r, struct span *line);
/* The part before the next `separator`, which is skipped; the rest when there is none; false at the end of input. */
bool rd_token(struct reader *r, char separator, struct span *token);

struct writer {
    uint8_t *data;
    size_t size;
    size_t len;
    bool failed;
};

static inline struct writer writer_of(void *data, size_t size) {
    ASSERT(data != NULL || size == 0);
    return (struct writer){.data = data, .size = size};
}
static inline bool writer_ok(const struct writer *w) {
    return !w->failed;
}
static inline size_t writer_left(const struct writer *w) {
    return w->failed ? 0 : w->size - w->len;
}
static inline struct span writer_span(const struct writer *w) {
    return span_of(w->data, w->len);
}
/* Room for `len` bytes to be filled in by the caller; NULL (and the sticky error) when there is none. */
static inline uint8_t *wr_reserve(struct writer *w, size_t len) {
    if (w->failed || w->size - w->len < len) {
        w->failed = true;
        return NULL;
    }
    uint8_t *at = w->data + w->len;
    w->len += len;
    return at;
}
static inline void wr_u8(struct writer *w, uint8_t value) {
    uint8_t *at = wr_reserve(w, 1);
    if (at != NULL)
        *at = value;
}
void wr_u16(struct writer *w, uint16_t value);
void wr_u24(struct writer *w, uint32_t value);
void wr_u32(struct writer *w, uint32_t value);
void wr_u48(struct writer *w, uint64_t value);
void wr_u64(struct writer *w, uint64_t value);
static inline void wr_bytes(struct writer *w, const void *data, size_t len) {
    uint8_t *at = len > 0 ? wr_reserve(w, len) : NULL;
    if (at != NULL)
        memcpy(at, data, len);
}
static inline void wr_span(struct writer *w, struct span bytes) {
    wr_bytes(w, bytes.data, bytes.len);
}
void wr_zeros(struct writer *w, size_t len);
/* Overwrites bytes already written, at `offset`; an assert when they were not. */
void wr_patch_u8(struct writer *w, size_t offset, uint8_t value);
void wr_patch_u16(struct writer *w, size_t offset, uint16_t value);
void wr_patch_u32(struct writer *w, size_t offset, uint32_t value);
/* Text. wr_str leaves the terminator out; wr_fmt formats like printf, also without terminator. */
void wr_str(struct writer *w, const char *text);
void wr_fmt(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
