#include "protocol/icetcp.h"

#include <string.h>

#include "base/assert.h"

void icetcp_deframer_init(struct icetcp_deframer *d, void *buffer, size_t size) {
    ASSERT(buffer != NULL);
    ASSERT(size > 0 && size <= ICETCP_FRAME_LEN_MAX);
    *d = (struct icetcp_deframer){.buffer = buffer, .size = (uint16_t)size};
}

void icetcp_deframer_grow(struct icetcp_deframer *d, void *buffer, size_t size) {
    ASSERT(buffer != NULL && buffer != d->buffer);
    ASSERT(size >= d->size && size <= ICETCP_FRAME_LEN_MAX);
    memcpy(buffer, d->buffer, d->have);
    d->buffer = buffer;
    d->size = (uint16_t)size;
}

/* Reads the two bytes of length, which may lie in two chunks, and passes over empty frames. */
static void push_header(struct icetcp_deframer *d, struct reader *r) {
    while (d->header_have < ICETCP_HEADER_LEN && reader_left(r) > 0) {
        d->frame_len = (uint16_t)(d->frame_len << 8 | rd_u8(r));
        d->header_have++;
        if (d->header_have == ICETCP_HEADER_LEN && d->frame_len == 0)
            d->header_have = 0;
    }
}

enum icetcp_result icetcp_deframer_push(struct icetcp_deframer *d, struct span *chunk) {
    if (d->failed)
        return ICETCP_ERROR;
    if (d->header_have == ICETCP_HEADER_LEN && d->have == d->frame_len) { /* the frame that was handed out */
        d->header_have = 0;
        d->frame_len = 0;
        d->have = 0;
    }
    struct reader r = reader_of_span(*chunk);
    push_header(d, &r);
    enum icetcp_result result = ICETCP_MORE;
    if (d->header_have == ICETCP_HEADER_LEN) {
        if (d->frame_len > d->size) {
            d->failed = true;
            return ICETCP_ERROR;
        }
        size_t want = (size_t)d->frame_len - d->have;
        size_t part = want < reader_left(&r) ? want : reader_left(&r);
        rd_copy(&r, d->buffer + d->have, part);
        d->have = (uint16_t)(d->have + part);
        if (d->have == d->frame_len)
            result = ICETCP_FRAME;
    }
    *chunk = rd_rest(&r);
    ASSERT(result == ICETCP_FRAME || chunk->len == 0);
    return result;
}

uint8_t *icetcp_deframer_frame(const struct icetcp_deframer *d, size_t *len) {
    ASSERT(d->header_have == ICETCP_HEADER_LEN && d->have == d->frame_len);
    *len = d->frame_len;
    return d->buffer;
}

bool icetcp_frame_write(struct writer *w, struct span datagram) {
    ASSERT(datagram.len > 0 && datagram.len <= ICETCP_FRAME_LEN_MAX);
    if (!writer_ok(w) || writer_left(w) < ICETCP_HEADER_LEN + datagram.len)
        return false;
    wr_u16(w, (uint16_t)datagram.len);
    wr_span(w, datagram);
    return true;
}
