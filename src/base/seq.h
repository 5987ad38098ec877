/* Serial numbers that wrap (RFC 1982) and their extension to 64 bits. Inside the program sequence numbers and
 * timestamps are extended; they are truncated only on the wire. */
#ifndef CONCLAVE_BASE_SEQ_H
#define CONCLAVE_BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

/* True when `a` is after `b`, each at most half the number space apart. */
static inline bool seq16_newer(uint16_t a, uint16_t b) {
    return a != b && (uint16_t)(a - b) < 0x8000;
}

static inline bool seq32_newer(uint32_t a, uint32_t b) {
    return a != b && (uint32_t)(a - b) < UINT32_C(0x80000000);
}

/* The 64-bit number with these low bits that lies nearest to `reference`; callers start their reference at 2^16 (or
 * 2^32) plus the first value so that an early reordered packet does not fall below zero. */
static inline uint64_t seq16_extend(uint64_t reference, uint16_t seq) {
    return reference + (uint64_t)(int64_t)(int16_t)(uint16_t)(seq - (uint16_t)reference);
}

static inline uint64_t seq32_extend(uint64_t reference, uint32_t seq) {
    return reference + (uint64_t)(int64_t)(int32_t)(uint32_t)(seq - (uint32_t)reference);
}

#endif
