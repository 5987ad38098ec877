#include "base/cursor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

struct span span_str(const char *text) {
    return span_of(text, strlen(text));
}

bool span_equal(struct span a, struct span b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool span_equal_str(struct span a, const char *text) {
    return span_equal(a, span_str(text));
}

bool span_starts_with(struct span a, const char *prefix) {
    size_t len = strlen(prefix);
    return a.len >= len && (len == 0 || memcmp(a.data, prefix, len) == 0);
}

bool span_to_str(struct span a, char *out, size_t out_size) {
    ASSERT(out != NULL && out_size > 0);
    out[0] = 0;
    if (a.len >= out_size || (a.len > 0 && memchr(a.data, 0, a.len) != NULL))
        return false;
    if (a.len > 0)
        memcpy(out, a.data, a.len);
    out[a.len] = 0;
    return true;
}

bool span_to_u64(struct span a, uint64_t max, uint64_t *out) {
    uint64_t value = 0;
    if (a.len == 0 || a.len > 20)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (a.data[i] < '0' || a.data[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(a.data[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > max)
        return false;
    *out = value;
    return true;
}

static uint64_t take_uint(struct reader *r, size_t len) {
    const uint8_t *at = rd_take(r, len);
    uint64_t value = 0;
    for (size_t i = 0; at != NULL && i < len; i++)
        value = value << 8 | at[i];
    return value;
}

uint16_t rd_u16(struct reader *r) {
    return (uint16_t)take_uint(r, 2);
}

uint32_t rd_u24(struct reader *r) {
    return (uint32_t)take_uint(r, 3);
}

uint32_t rd_u32(struct reader *r) {
    return (uint32_t)take_uint(r, 4);
}

uint64_t rd_u48(struct reader *r) {
    return take_uint(r, 6);
}

uint64_t rd_u64(struct reader *r) {
    return take_uint(r, 8);
}

void rd_copy(struct reader *r, void *out, size_t len) {
    if (len == 0)
        return;
    const uint8_t *at = rd_take(r, len);
    if (at != NULL)
        memcpy(out, at, len);
    else
        memset(out, 0, len);
}

struct reader rd_sub(struct reader *r, size_t len) {
    struct span part = rd_span(r, len);
    struct reader sub = reader_of_span(part);
    sub.failed = r->failed;
    return sub;
}

bool rd_token(struct reader *r, char separator, struct span *token) {
    size_t left = reader_left(r);
    if (left == 0)
        return false;
    const uint8_t *start = r->data + r->pos;
    const uint8_t *end = memchr(start, separator, left);
    size_t len = end != NULL ? (size_t)(end - start) : left;
    *token = span_of(start, len);
    r->pos += len + (end != NULL ? 1 : 0);
    return true;
}

bool rd_line(struct reader *r, struct span *line) {
    if (!rd_token(r, '\n', line))
        return false;
    if (line->len > 0 && line->data[line->len - 1] == '\r')
        line->len--;
    return true;
}

static void store(uint8_t *at, uint64_t value, size_t len) {
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
}

static void put_uint(struct writer *w, uint64_t value, size_t len) {
    uint8_t *at = wr_reserve(w, len);
    if (at != NULL)
        store(at, value, len);
}

void wr_u16(struct writer *w, uint16_t value) {
    put_uint(w, value, 2);
}

void wr_u24(struct writer *w, uint32_t value) {
    ASSERT(value <= 0xffffff);
    put_uint(w, value, 3);
}

void wr_u32(struct writer *w, uint32_t value) {
    put_uint(w, value, 4);
}

void wr_u48(struct writer *w, uint64_t value) {
    ASSERT(value <= 0xffffffffffff);
    put_uint(w, value, 6);
}

void wr_u64(struct writer *w, uint64_t value) {
    put_uint(w, value, 8);
}

void wr_zeros(struct writer *w, size_t len) {
    uint8_t *at = len > 0 ? wr_reserve(w, len) : NULL;
    if (at != NULL)
        memset(at, 0, len);
}

static void patch(struct writer *w, size_t offset, uint64_t value, size_t len) {
    if (w->failed)
        return;
    ASSERT(offset <= w->len && w->len - offset >= len);
    store(w->data + offset, value, len);
}

void wr_patch_u8(struct writer *w, size_t offset, uint8_t value) {
    patch(w, offset, value, 1);
}

void wr_patch_u16(struct writer *w, size_t offset, uint16_t value) {
    patch(w, offset, value, 2);
}

void wr_patch_u32(struct writer *w, size_t offset, uint32_t value) {
    patch(w, offset, value, 4);
}

void wr_str(struct writer *w, const char *text) {
    wr_bytes(w, text, strlen(text));
}

void wr_fmt(struct writer *w, const char *format, ...) {
    /* vsnprintf also writes a terminator, which must not count as part of the output; the last byte of the buffer is
     * therefore formatted through a second, exact pass only when the text ends flush with it. */
    char small[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    ASSERT(len >= 0);
    if ((size_t)len < sizeof small) {
        wr_bytes(w, small, (size_t)len);
        return;
    }
    if (w->failed || w->size - w->len <= (size_t)len) {
        w->failed = true;
        return;
    }
    va_start(args, format);
    (void)vsnprintf((char *)w->data + w->len, w->size - w->len, format, args);
    va_end(args);
    w->len += (size_t)len;
}
