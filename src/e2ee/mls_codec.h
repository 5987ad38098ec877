/* The presentation language of MLS (RFC 9420 section 2.1): reading with a reason for what is wrong, writing into memory
 * that grows.
 *
 * Reading never allocates: what was parsed are spans into the input, which its owner keeps alive. Writing allocates
 * through mem.h, in doubling steps up to a maximum, so everything written is wiped when the buffer is freed. Both have
 * sticky errors: the first one stays, whatever follows does nothing, and callers look once. Threads: none. */
#ifndef CONCLAVE_E2EE_MLS_CODEC_H
#define CONCLAVE_E2EE_MLS_CODEC_H

#include "base/cursor.h"
#include "e2ee/mls_limits.h"
#include "e2ee/mls_status.h"

struct mls_reader {
    struct reader r;
    enum mls_status status; /* MLS_OK while r has not failed */
};

struct mls_reader mls_reader_of(struct span bytes);
/* Marks the input as bad for this reason; the first reason stays. */
void mls_reader_refuse(struct mls_reader *r, enum mls_status reason);
static inline bool mls_reader_ok(const struct mls_reader *r) {
    return r->status == MLS_OK;
}
/* Bytes left; 0 after an error, so that loops end. */
size_t mls_reader_left(const struct mls_reader *r);
/* The verdict when the structure ends here: an earlier error, MLS_TRAILING_BYTES, or MLS_OK. */
enum mls_status mls_reader_end(struct mls_reader *r);
/* Where the reader is, and the bytes that it went over since. Empty after an error. */
size_t mls_reader_pos(const struct mls_reader *r);
struct span mls_reader_since(const struct mls_reader *r, size_t pos);

uint8_t mls_rd_u8(struct mls_reader *r);
uint16_t mls_rd_u16(struct mls_reader *r);
uint32_t mls_rd_u32(struct mls_reader *r);
uint64_t mls_rd_u64(struct mls_reader *r);
struct span mls_rd_bytes(struct mls_reader *r, size_t len);
/* Section 2.1.1: a presence octet. */
bool mls_rd_optional(struct mls_reader *r);
/* Section 2.1.2: the length of a vector. */
size_t mls_rd_len(struct mls_reader *r);
/* A vector's contents; refused for `reason` when it is longer than `max` bytes. */
struct span mls_rd_vec(struct mls_reader *r, size_t max, enum mls_status reason);
/* A vector of 16-bit values, at most `max` of them: an even number of bytes. */
struct span mls_rd_u16s(struct mls_reader *r, size_t max, enum mls_status reason);
bool mls_u16s_have(struct span list, uint16_t value);
/* Entries of a validated list of 16-bit values. */
static inline size_t mls_u16s_count(struct span list) {
    return list.len / 2;
}
static inline uint16_t mls_u16s_at(struct span list, size_t i) {
    return (uint16_t)(list.data[2 * i] << 8 | list.data[2 * i + 1]);
}

struct mls_buf {
    struct writer w;
    size_t max;
    enum mls_status status; /* MLS_OK, MLS_NO_MEMORY, MLS_TOO_LARGE; later writes do nothing */
    bool borrowed;          /* over the caller's storage: does not grow, is not freed */
};

/* An empty buffer that may grow to `max` bytes; allocates nothing yet. Its owner calls mls_buf_free. */
void mls_buf_init(struct mls_buf *b, size_t max);
/* A buffer over storage of the caller, who wipes it. */
void mls_buf_over(struct mls_buf *b, void *storage, size_t size);
/* Wipes and frees; the buffer is then empty and may be used again with the same maximum. */
void mls_buf_free(struct mls_buf *b);
/* Forgets the contents (wiped) and any error, keeps the memory. */
void mls_buf_clear(struct mls_buf *b);
/* The bytes written; empty after an error. Valid until the next write. */
struct span mls_buf_span(const struct mls_buf *b);
static inline size_t mls_buf_len(const struct mls_buf *b) {
    return b->w.len;
}
static inline bool mls_buf_ok(const struct mls_buf *b) {
    return b->status == MLS_OK;
}
/* Room for `len` bytes in all from now on, so that this many writes cannot fail. */
void mls_buf_reserve(struct mls_buf *b, size_t len);
/* Room for `len` > 0 bytes to be filled in by the caller, before the next write; NULL after an error. */
uint8_t *mls_wr_reserve(struct mls_buf *b, size_t len);
/* Cuts back to `len` bytes; what is cut is wiped. */
void mls_buf_cut(struct mls_buf *b, size_t len);
/* The same, and forgets an error: what was written and tried since is undone. */
void mls_buf_restore(struct mls_buf *b, size_t len);

void mls_wr_u8(struct mls_buf *b, uint8_t value);
void mls_wr_u16(struct mls_buf *b, uint16_t value);
void mls_wr_u32(struct mls_buf *b, uint32_t value);
void mls_wr_u64(struct mls_buf *b, uint64_t value);
void mls_wr_zeros(struct mls_buf *b, size_t len);
void mls_wr_span(struct mls_buf *b, struct span bytes);
/* A vector's length alone (section 2.1.2), and a whole vector opaque<V>. */
void mls_wr_len(struct mls_buf *b, size_t len);
void mls_wr_vec(struct mls_buf *b, struct span contents);
/* A vector of unknown length: begin, write the contents, end with what begin answered. Vectors may nest. */
size_t mls_wr_vec_begin(struct mls_buf *b);
void mls_wr_vec_end(struct mls_buf *b, size_t begin);
/* The encoding of a vector's length in front of `len` bytes, for hash inputs that are made of parts. Answers its
 * length, 1, 2 or 4. len < 2^30 (asserted). */
size_t mls_len_encode(size_t len, uint8_t out[4]);

#endif
