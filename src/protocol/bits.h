/* Bits, most significant first, over the byte cursor; reading past the end sets the cursor's error and answers zeros. For
 * what codecs write into their headers: the dependency descriptor, H.264's parameter sets, AV1's sequence header. */
#ifndef CONCLAVE_PROTOCOL_BITS_H
#define CONCLAVE_PROTOCOL_BITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/cursor.h"

struct bits {
    struct reader r;
    bool bad; /* what was read cannot be */
    uint8_t byte;
    uint8_t left; /* bits of `byte` that are still to be read */
};

static inline struct bits bits_of(struct span bytes) {
    return (struct bits){.r = reader_of_span(bytes)};
}

static inline bool bits_ok(const struct bits *b) {
    return reader_ok(&b->r) && !b->bad;
}

static inline uint32_t bits_read(struct bits *b, unsigned count) {
    uint32_t value = 0;
    ASSERT(count <= 32);
    for (unsigned i = 0; i < count; i++) {
        if (b->left == 0) {
            b->byte = rd_u8(&b->r);
            b->left = 8;
        }
        b->left--;
        value = value << 1 | ((uint32_t)b->byte >> b->left & 1u);
    }
    return value;
}

static inline bool bits_flag(struct bits *b) {
    return bits_read(b, 1) != 0;
}

static inline void bits_skip(struct bits *b, unsigned count) {
    for (; count > 32; count -= 32)
        (void)bits_read(b, 32);
    (void)bits_read(b, count);
}

/* How many zeros come before the next one, which is read as well; more than `max` is bad. */
static inline unsigned bits_zeros(struct bits *b, unsigned max) {
    unsigned zeros = 0;
    while (bits_ok(b) && !bits_flag(b))
        b->bad = ++zeros > max;
    return bits_ok(b) ? zeros : 0;
}

/* ue(v) of H.264 (section 9.1): up to 2^32 - 2. */
static inline uint32_t bits_ue(struct bits *b) {
    unsigned zeros = bits_zeros(b, 31);
    return ((UINT32_C(1) << zeros) - 1) + bits_read(b, zeros);
}

#endif
