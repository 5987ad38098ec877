/* Reads tests/vectors/payload/: see the README there. */
#ifndef CONCLAVE_TESTS_PAYLOAD_VECTORS_H
#define CONCLAVE_TESTS_PAYLOAD_VECTORS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

#include "base/cursor.h"

struct vector_packet {
    uint32_t ssrc;
    uint16_t seq16;
    uint32_t timestamp;
    bool marker;
    size_t dd_len;
    uint8_t dd[256];
    size_t payload_len; /* bytes behind the stored ones are zero */
    uint8_t payload[2048];
};

static inline size_t vector_hex(const char *text, uint8_t *out, size_t max) {
    size_t len = 0;
    for (; text[0] != '-' && text[0] != 0 && text[1] != 0; text += 2) {
        unsigned byte;
        assert_true(len < max);
        assert_int_equal(sscanf(text, "%2x", &byte), 1);
        out[len++] = (uint8_t)byte;
    }
    return len;
}

static inline bool vector_next(FILE *file, struct vector_packet *out) {
    char dd[600], payload[300];
    unsigned ssrc, seq, timestamp, marker;
    memset(out, 0, sizeof *out);
    if (fscanf(file, "%u %u %u %u %599s %zu %299s", &ssrc, &seq, &timestamp, &marker, dd, &out->payload_len, payload) !=
        7)
        return false;
    out->ssrc = ssrc;
    out->seq16 = (uint16_t)seq;
    out->timestamp = timestamp;
    out->marker = marker != 0;
    out->dd_len = vector_hex(dd, out->dd, sizeof out->dd);
    (void)vector_hex(payload, out->payload, sizeof out->payload);
    assert_true(out->payload_len <= sizeof out->payload);
    return true;
}

static inline FILE *vector_open(const char *name) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/payload/%s", VECTORS_DIR, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    return file;
}

#endif
