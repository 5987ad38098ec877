/* Access units as encoders make them, for tests: random, but with real parameter sets, and taken apart by construction
 * and not by the code under test. */
#ifndef CONCLAVE_TESTS_H264_UNIT_H
#define CONCLAVE_TESTS_H264_UNIT_H

#include "base/cursor.h"
#include "base/rng.h"

#define H264_UNIT_LEN_MAX 4096

struct h264_unit {
    uint8_t frame[H264_UNIT_LEN_MAX]; /* start codes of three or four bytes, as it comes */
    size_t len;
    uint8_t normal[H264_UNIT_LEN_MAX]; /* with the start codes of the clear part normalised */
    size_t normal_len;
    size_t clear_len; /* of `normal` */
    bool key;
};

void h264_unit_make(struct h264_unit *unit, struct rng *rng);

#endif
