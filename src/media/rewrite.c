#include "media/rewrite.h"

#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "base/seq.h"
#include "base/time.h"

/* Timestamps of two segments are at least a millisecond apart. */
#define STEP_PER_S 1000
/* A sender report that puts a packet further than this from the clock's guess is not believed. */
#define ALIGN_MAX_US (5 * US_PER_S)

void rewrite_init(struct rewrite *r, struct rng *rng) {
    ASSERT(r != NULL);
    *r = (struct rewrite){0};
    /* room below for numbers that are late, above for 2^15 packets before the first wrap (RFC 3711 section 3.3.1) */
    r->out_seq = UINT64_C(0x10000) + rng_below(rng, 0x7fff);
    r->out_picture = UINT64_C(0x10000) + rng_below(rng, 0x4000);
    r->out_timestamp = rng_u32(rng);
    r->out_frame = (uint16_t)rng_u32(rng);
    r->out_tl0 = (uint8_t)rng_u32(rng);
    r->out_key = (uint8_t)(rng_u32(rng) & 31);
}

struct rewrite_end rewrite_end(const struct rewrite *r) {
    return (struct rewrite_end){
        .out_seq = r->out_seq,
        .out_picture = r->out_picture,
        .out_at_us = r->out_at_us,
        .out_timestamp = r->out_timestamp,
        .out_frame = r->out_frame,
        .out_tl0 = r->out_tl0,
        .out_key = r->out_key,
    };
}

void rewrite_resume(struct rewrite *r, const struct rewrite_end *end) {
    ASSERT(!r->started && end->out_seq >= UINT64_C(0x10000));
    r->started = true; /* the next switch is not the first */
    r->first = UINT64_MAX;
    r->out_seq = end->out_seq;
    r->out_picture = end->out_picture;
    r->out_at_us = end->out_at_us;
    r->out_timestamp = end->out_timestamp;
    r->out_frame = end->out_frame;
    r->out_tl0 = end->out_tl0;
    r->out_key = end->out_key;
}

static bool bit_get(const uint64_t *bits, uint64_t index, uint64_t window) {
    uint64_t at = index & (window - 1);
    return (bits[at / 64] >> (at % 64) & 1) != 0;
}

static void bit_put(uint64_t *bits, uint64_t index, uint64_t window, bool value) {
    uint64_t at = index & (window - 1);
    uint64_t mask = UINT64_C(1) << (at % 64);
    bits[at / 64] = value ? bits[at / 64] | mask : bits[at / 64] & ~mask;
}

/* Numbers (from, to] are new: nothing is known of them. */
static void bits_forget(uint64_t *bits, uint64_t from, uint64_t to, uint64_t window) {
    if (to - from >= window) {
        memset(bits, 0, (size_t)(window / 8));
        return;
    }
    for (uint64_t i = from + 1; i <= to; i++)
        bit_put(bits, i, window, false);
}

/* How many of (from, to] were left out. */
static uint64_t bits_count(const uint64_t *bits, uint64_t from, uint64_t to, uint64_t window) {
    uint64_t count = 0;
    for (uint64_t i = from + 1; i <= to; i++)
        count += bit_get(bits, i, window) ? 1 : 0;
    return count;
}

static uint32_t clock_guess(const struct rewrite *r, uint64_t now_us, uint32_t clock_hz) {
    uint64_t passed_us = time_since(now_us, r->out_at_us);
    return r->out_timestamp + (uint32_t)(passed_us * clock_hz / US_PER_S);
}

static uint32_t segment_timestamp(const struct rewrite *r, uint64_t now_us, uint32_t clock_hz,
                                  const uint32_t *expected) {
    uint32_t guess = clock_guess(r, now_us, clock_hz);
    uint32_t timestamp = guess;
    if (expected != NULL) {
        int64_t apart = (int32_t)(*expected - guess);
        int64_t apart_max = (int64_t)(ALIGN_MAX_US / US_PER_S * clock_hz);
        if (apart <= apart_max && apart >= -apart_max)
            timestamp = *expected;
    }
    uint32_t least = r->out_timestamp + (clock_hz / STEP_PER_S > 0 ? clock_hz / STEP_PER_S : 1);
    return seq32_newer(timestamp, least) ? timestamp : least;
}

void rewrite_switch(struct rewrite *r, uint64_t now_us, uint32_t clock_hz, const struct rewrite_in *in,
                    const uint32_t *expected) {
    ASSERT(r != NULL && in != NULL);
    ASSERT(clock_hz > 0 && in->seq64 >= UINT64_C(0x8000));
    uint32_t timestamp = r->started ? segment_timestamp(r, now_us, clock_hz, expected)
                                    : (expected != NULL ? *expected : r->out_timestamp);
    r->timestamp_offset = timestamp - in->timestamp;
    r->seq_offset = r->out_seq + 1 - in->seq64;
    r->first = in->seq64;
    r->highest = in->seq64 - 1;
    memset(r->left_out, 0, sizeof r->left_out);
    r->picture_any = in->has_picture;
    if (in->has_picture) {
        r->picture_offset = r->out_picture + 1 - in->picture64;
        r->picture_highest = in->picture64 - 1;
        memset(r->picture_left_out, 0, sizeof r->picture_left_out);
    }
    if (in->has_tl0)
        r->tl0_offset = (uint8_t)(r->out_tl0 + 1 - in->tl0);
    if (in->has_key_index)
        r->key_offset = (uint8_t)(r->out_key + 1 - in->key_index);
    if (in->has_frame)
        r->frame_offset = (uint16_t)(r->out_frame + 1 - in->frame16);
    r->started = true;
}

/* Advances the picture window. Returns false when the picture is too old to be placed. */
static bool place_picture(struct rewrite *r, const struct rewrite_in *in, bool drop, uint64_t *out) {
    if (!r->picture_any) { /* the segment began with a packet without picture id */
        r->picture_any = true;
        r->picture_offset = r->out_picture + 1 - in->picture64;
        r->picture_highest = in->picture64 - 1;
        memset(r->picture_left_out, 0, sizeof r->picture_left_out);
    }
    if ((int64_t)(in->picture64 - r->picture_highest) > 0) {
        bits_forget(r->picture_left_out, r->picture_highest, in->picture64, REWRITE_PICTURES);
        r->picture_highest = in->picture64;
        if (drop) {
            bit_put(r->picture_left_out, in->picture64, REWRITE_PICTURES, true);
            r->picture_offset--;
        }
        *out = in->picture64 + r->picture_offset;
        return true;
    }
    if (r->picture_highest - in->picture64 >= REWRITE_PICTURES)
        return false;
    uint64_t later = bits_count(r->picture_left_out, in->picture64, r->picture_highest, REWRITE_PICTURES);
    *out = in->picture64 + r->picture_offset + later;
    return true;
}

bool rewrite_picture_dropped(const struct rewrite *r, uint64_t picture64) {
    if (!r->picture_any || picture64 > r->picture_highest || r->picture_highest - picture64 >= REWRITE_PICTURES)
        return false;
    return bit_get(r->picture_left_out, picture64, REWRITE_PICTURES);
}

/* The sequence number for a packet; the verdict when all else is right. */
static enum rewrite_verdict place_seq(struct rewrite *r, uint64_t seq64, bool keep, uint64_t *out) {
    if (seq64 < r->first)
        return REWRITE_DROP;
    if (seq64 > r->highest) {
        bits_forget(r->left_out, r->highest, seq64, REWRITE_WINDOW);
        r->highest = seq64;
        if (!keep) {
            bit_put(r->left_out, seq64, REWRITE_WINDOW, true);
            r->seq_offset--;
            return REWRITE_DROP;
        }
        *out = seq64 + r->seq_offset;
        return REWRITE_FORWARD;
    }
    if (r->highest - seq64 >= REWRITE_WINDOW || bit_get(r->left_out, seq64, REWRITE_WINDOW))
        return REWRITE_DROP;
    *out = seq64 + r->seq_offset + bits_count(r->left_out, seq64, r->highest, REWRITE_WINDOW);
    if (keep)
        return REWRITE_FORWARD;
    if (*out < r->out_seq)
        return REWRITE_FILL;
    /* everything after it was left out as well: no number behind it is taken, so it can close up like them */
    bit_put(r->left_out, seq64, REWRITE_WINDOW, true);
    r->seq_offset--;
    return REWRITE_DROP;
}

static void note_sent(struct rewrite *r, uint64_t now_us, const struct rewrite_in *in, const struct rewrite_out *out) {
    if (out->seq64 <= r->out_seq)
        return;
    r->out_seq = out->seq64;
    if (seq32_newer(out->timestamp, r->out_timestamp) || r->out_at_us == 0) {
        r->out_timestamp = out->timestamp;
        r->out_at_us = now_us;
    }
    if (in->has_tl0)
        r->out_tl0 = out->tl0;
    if (in->has_key_index)
        r->out_key = out->key_index;
    if (in->has_frame && seq16_newer(out->frame16, r->out_frame))
        r->out_frame = out->frame16;
}

enum rewrite_verdict rewrite_packet(struct rewrite *r, uint64_t now_us, const struct rewrite_in *in, bool keep,
                                    bool drop_picture, struct rewrite_out *out) {
    ASSERT(r != NULL && in != NULL && out != NULL);
    ASSERT(r->started);
    *out = (struct rewrite_out){0};
    enum rewrite_verdict verdict = place_seq(r, in->seq64, keep, &out->seq64);
    uint64_t picture64 = 0;
    if (in->has_picture && in->seq64 >= r->first) {
        if (!place_picture(r, in, !keep && drop_picture, &picture64) && verdict == REWRITE_FORWARD)
            verdict = REWRITE_FILL;
    }
    out->timestamp = in->timestamp + r->timestamp_offset;
    if (verdict == REWRITE_FILL && out->seq64 > r->out_seq)
        r->out_seq = out->seq64;
    if (verdict != REWRITE_FORWARD)
        return verdict;
    out->picture_id = (uint16_t)(picture64 & 0x7fff);
    out->tl0 = (uint8_t)(in->tl0 + r->tl0_offset);
    out->key_index = (uint8_t)((in->key_index + r->key_offset) & 31);
    out->frame16 = (uint16_t)(in->frame16 + r->frame_offset);
    if (in->has_picture && picture64 > r->out_picture)
        r->out_picture = picture64;
    note_sent(r, now_us, in, out);
    return verdict;
}
