#include "e2ee/mls_codec.h"

#include <string.h>

#include "base/assert.h"
#include "base/secret.h"
#include "e2ee/mem.h"

/* The first allocation of a buffer: most messages and hash inputs are a few hundred bytes. */
#define BUF_LEN_MIN 256

/* Largest length that four bytes encode (section 2.1.2). */
#define VECTOR_LEN_MAX ((UINT32_C(1) << 30) - 1)

struct mls_reader mls_reader_of(struct span bytes) {
    return (struct mls_reader){.r = reader_of_span(bytes), .status = MLS_OK};
}

void mls_reader_refuse(struct mls_reader *r, enum mls_status reason) {
    ASSERT(reason != MLS_OK);
    if (r->status == MLS_OK)
        r->status = reason;
    reader_fail(&r->r);
}

/* Takes over what the cursor found: only running out of bytes can fail there. */
static void note(struct mls_reader *r) {
    if (!reader_ok(&r->r) && r->status == MLS_OK)
        r->status = MLS_TRUNCATED;
}

size_t mls_reader_left(const struct mls_reader *r) {
    return reader_left(&r->r);
}

enum mls_status mls_reader_end(struct mls_reader *r) {
    if (mls_reader_left(r) > 0)
        mls_reader_refuse(r, MLS_TRAILING_BYTES);
    return r->status;
}

size_t mls_reader_pos(const struct mls_reader *r) {
    return r->r.pos;
}

struct span mls_reader_since(const struct mls_reader *r, size_t pos) {
    if (!mls_reader_ok(r) || r->r.pos == pos)
        return (struct span){0};
    ASSERT(pos < r->r.pos);
    return span_of(r->r.data + pos, r->r.pos - pos);
}

uint8_t mls_rd_u8(struct mls_reader *r) {
    uint8_t value = rd_u8(&r->r);
    note(r);
    return value;
}

uint16_t mls_rd_u16(struct mls_reader *r) {
    uint16_t value = rd_u16(&r->r);
    note(r);
    return value;
}

uint32_t mls_rd_u32(struct mls_reader *r) {
    uint32_t value = rd_u32(&r->r);
    note(r);
    return value;
}

uint64_t mls_rd_u64(struct mls_reader *r) {
    uint64_t value = rd_u64(&r->r);
    note(r);
    return value;
}

struct span mls_rd_bytes(struct mls_reader *r, size_t len) {
    struct span bytes = rd_span(&r->r, len);
    note(r);
    return bytes;
}

bool mls_rd_optional(struct mls_reader *r) {
    uint8_t presence = mls_rd_u8(r);
    if (presence > 1)
        mls_reader_refuse(r, MLS_OPTIONAL_INVALID);
    return presence == 1;
}

size_t mls_rd_len(struct mls_reader *r) {
    uint8_t first = mls_rd_u8(r);
    uint32_t prefix = first >> 6;
    if (prefix == 3) {
        mls_reader_refuse(r, MLS_LENGTH_INVALID);
        return 0;
    }
    uint32_t value = first & 0x3f;
    for (uint32_t i = 1; i < UINT32_C(1) << prefix; i++)
        value = value << 8 | mls_rd_u8(r);
    if (mls_reader_ok(r) && ((prefix == 1 && value < 64) || (prefix == 2 && value < 16384)))
        mls_reader_refuse(r, MLS_LENGTH_NOT_MINIMAL);
    return mls_reader_ok(r) ? value : 0;
}

struct span mls_rd_vec(struct mls_reader *r, size_t max, enum mls_status reason) {
    size_t len = mls_rd_len(r);
    if (len > max) {
        mls_reader_refuse(r, reason);
        return (struct span){0};
    }
    return mls_rd_bytes(r, len);
}

struct span mls_rd_u16s(struct mls_reader *r, size_t max, enum mls_status reason) {
    struct span list = mls_rd_vec(r, 2 * max, reason);
    if (list.len % 2 != 0) {
        mls_reader_refuse(r, MLS_LIST_MISALIGNED);
        return (struct span){0};
    }
    return list;
}

bool mls_u16s_have(struct span list, uint16_t value) {
    for (size_t i = 0; i < mls_u16s_count(list); i++) {
        if (mls_u16s_at(list, i) == value)
            return true;
    }
    return false;
}

void mls_buf_init(struct mls_buf *b, size_t max) {
    *b = (struct mls_buf){.max = max, .status = MLS_OK};
}

void mls_buf_over(struct mls_buf *b, void *storage, size_t size) {
    *b = (struct mls_buf){.w = writer_of(storage, size), .max = size, .status = MLS_OK, .borrowed = true};
}

void mls_buf_free(struct mls_buf *b) {
    if (b->borrowed) {
        mls_buf_clear(b);
        return;
    }
    mls_free(b->w.data, b->w.size);
    mls_buf_init(b, b->max);
}

void mls_buf_clear(struct mls_buf *b) {
    if (b->w.len > 0)
        secure_wipe(b->w.data, b->w.len);
    b->w.len = 0;
    b->w.failed = false;
    b->status = MLS_OK;
}

struct span mls_buf_span(const struct mls_buf *b) {
    return b->status == MLS_OK ? writer_span(&b->w) : (struct span){0};
}

/* Makes room for `more` bytes; false, with the sticky error, when there is none. */
static bool grow(struct mls_buf *b, size_t more) {
    if (b->status != MLS_OK)
        return false;
    if (more > b->max - b->w.len) {
        b->status = MLS_TOO_LARGE;
        return false;
    }
    size_t wanted = b->w.len + more;
    if (wanted <= b->w.size)
        return true;
    size_t size = b->w.size > BUF_LEN_MIN / 2 ? b->w.size : BUF_LEN_MIN / 2;
    while (size < wanted)
        size = size > b->max / 2 ? b->max : 2 * size;
    uint8_t *data = mls_resize(b->w.data, b->w.size, size);
    if (data == NULL) {
        b->status = MLS_NO_MEMORY;
        return false;
    }
    b->w.data = data;
    b->w.size = size;
    return true;
}

void mls_buf_reserve(struct mls_buf *b, size_t len) {
    (void)grow(b, len);
}

uint8_t *mls_wr_reserve(struct mls_buf *b, size_t len) {
    ASSERT(len > 0);
    return grow(b, len) ? wr_reserve(&b->w, len) : NULL;
}

void mls_buf_cut(struct mls_buf *b, size_t len) {
    if (b->status != MLS_OK)
        return;
    ASSERT(len <= b->w.len);
    if (len < b->w.len)
        secure_wipe(b->w.data + len, b->w.len - len);
    b->w.len = len;
}

void mls_buf_restore(struct mls_buf *b, size_t len) {
    b->w.failed = false;
    b->status = MLS_OK;
    mls_buf_cut(b, len);
}

void mls_wr_u8(struct mls_buf *b, uint8_t value) {
    if (grow(b, 1))
        wr_u8(&b->w, value);
}

void mls_wr_u16(struct mls_buf *b, uint16_t value) {
    if (grow(b, 2))
        wr_u16(&b->w, value);
}

void mls_wr_u32(struct mls_buf *b, uint32_t value) {
    if (grow(b, 4))
        wr_u32(&b->w, value);
}

void mls_wr_u64(struct mls_buf *b, uint64_t value) {
    if (grow(b, 8))
        wr_u64(&b->w, value);
}

void mls_wr_zeros(struct mls_buf *b, size_t len) {
    if (grow(b, len))
        wr_zeros(&b->w, len);
}

void mls_wr_span(struct mls_buf *b, struct span bytes) {
    if (grow(b, bytes.len))
        wr_span(&b->w, bytes);
}

size_t mls_len_encode(size_t len, uint8_t out[4]) {
    ASSERT(len <= VECTOR_LEN_MAX);
    struct writer w = writer_of(out, 4);
    if (len < 64)
        wr_u8(&w, (uint8_t)len);
    else if (len < 16384)
        wr_u16(&w, (uint16_t)(0x4000 | len));
    else
        wr_u32(&w, UINT32_C(0x80000000) | (uint32_t)len);
    return w.len;
}

void mls_wr_len(struct mls_buf *b, size_t len) {
    if (len > VECTOR_LEN_MAX) {
        if (b->status == MLS_OK)
            b->status = MLS_TOO_LARGE;
        return;
    }
    uint8_t encoded[4];
    mls_wr_span(b, span_of(encoded, mls_len_encode(len, encoded)));
}

void mls_wr_vec(struct mls_buf *b, struct span contents) {
    mls_wr_len(b, contents.len);
    mls_wr_span(b, contents);
}

size_t mls_wr_vec_begin(struct mls_buf *b) {
    /* one byte for the length: most vectors are shorter than 64; longer ones are moved once at the end */
    mls_wr_u8(b, 0);
    return b->w.len;
}

void mls_wr_vec_end(struct mls_buf *b, size_t begin) {
    if (b->status != MLS_OK)
        return;
    ASSERT(begin > 0 && begin <= b->w.len);
    size_t len = b->w.len - begin;
    if (len > VECTOR_LEN_MAX) {
        b->status = MLS_TOO_LARGE;
        return;
    }
    uint8_t encoded[4];
    size_t encoded_len = mls_len_encode(len, encoded);
    mls_wr_zeros(b, encoded_len - 1);
    if (b->status != MLS_OK)
        return;
    uint8_t *start = b->w.data + begin;
    memmove(start + encoded_len - 1, start, len);
    memcpy(start - 1, encoded, encoded_len);
}
