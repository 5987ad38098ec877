/* Makes one continuous RTP stream for one receiver out of the streams of a source: sequence numbers, timestamps,
 * picture ids (VP8, VP9), TL0PICIDX, KEYIDX and frame numbers (dependency descriptor).
 *
 *     source, layer q:  100 101 102 103 ...      layer f:  7000 7001 ...
 *     to the receiver:   21  22  23  24 | switch |          25   26  ...
 *
 * A *segment* is the time during which packets of one received stream are forwarded. Inside a segment every field is
 * the received one plus an offset. A packet that is left out on purpose (padding, an upper layer) takes one off the
 * offset, so that the receiver sees no gap; a packet that is missing leaves its gap, because it may still come. For
 * packets that come late, the segment remembers which of the last REWRITE_WINDOW numbers were left out.
 *
 *     rewrite_init                         once a sink
 *     rewrite_switch(first packet, ...)    begins a segment: at the first packet of a key frame (any packet of audio)
 *     rewrite_packet(packet, keep)         for every packet of the stream, the first included, in order of arrival
 *
 * Duplicates are the caller's to remove. Numbers in are extended (base/seq.h) and start at 2^16 at least. Pure,
 * embedded by value, no allocation. */
#ifndef CONCLAVE_MEDIA_REWRITE_H
#define CONCLAVE_MEDIA_REWRITE_H

#include <stdbool.h>
#include <stdint.h>

struct rng;

/* How late a packet may come: a second at 500 packets a second. A power of two. */
#define REWRITE_WINDOW 512
/* The same for pictures: two seconds at 60 a second. */
#define REWRITE_PICTURES 128

/* What a packet says of itself, in the numbers of its own stream. */
struct rewrite_in {
    uint64_t seq64;
    uint32_t timestamp;
    bool has_picture;
    uint64_t picture64; /* extended */
    bool has_tl0;
    uint8_t tl0;
    bool has_key_index;
    uint8_t key_index;
    bool has_frame;
    uint16_t frame16; /* frame number of the dependency descriptor */
};

struct rewrite_out {
    uint64_t seq64;
    uint32_t timestamp;
    uint16_t picture_id; /* low 15 bits, to be cut to the width of the descriptor */
    uint16_t frame16;
    uint8_t tl0;
    uint8_t key_index;
};

enum rewrite_verdict {
    REWRITE_FORWARD,
    REWRITE_DROP, /* not to be sent: left out, or too late */
    REWRITE_FILL, /* left out, but its number had been kept free when it was missing: fill it with a packet of padding
                   */
};

struct rewrite {
    bool started;
    /* segment, source side */
    uint64_t first, highest; /* sequence numbers */
    uint64_t picture_highest;
    bool picture_any;
    uint64_t left_out[REWRITE_WINDOW / 64];
    uint64_t picture_left_out[REWRITE_PICTURES / 64];
    /* out = in + offset */
    uint64_t seq_offset, picture_offset; /* modulo 2^64 */
    uint32_t timestamp_offset;
    uint16_t frame_offset;
    uint8_t tl0_offset, key_offset;
    /* the receiver's side, newest sent */
    uint64_t out_seq, out_picture;
    uint32_t out_timestamp;
    uint64_t out_at_us; /* when out_timestamp was first sent */
    uint16_t out_frame;
    uint8_t out_tl0, out_key;
};

/* Where a stream to the receiver ended, should it go on later under the same SSRC. */
struct rewrite_end {
    uint64_t out_seq, out_picture, out_at_us;
    uint32_t out_timestamp;
    uint16_t out_frame;
    uint8_t out_tl0, out_key;
};

struct rewrite_end rewrite_end(const struct rewrite *r);
/* After rewrite_init: the numbers go on behind `end`. */
void rewrite_resume(struct rewrite *r, const struct rewrite_end *end);

/* Draws where the numbers begin (RFC 3550 section 5.1 wants them random). */
void rewrite_init(struct rewrite *r, struct rng *rng);
/* `expected` is the timestamp (receiver's side) that the packet should get by the clocks of sender reports; NULL when
 * that is not known: then the time since the last packet counts. A value that does not lie after the last one, or is
 * more than 5 s from where the clock says, is not believed. */
void rewrite_switch(struct rewrite *r, uint64_t now_us, uint32_t clock_hz, const struct rewrite_in *in,
                    const uint32_t *expected);
/* `keep` false leaves the packet out; `drop_picture` says that with it goes its whole picture, for all time, so that
 * picture ids close up as well (temporal layers of VP8; not for padding nor spatial layers). On DROP `out` is not set,
 * on FILL seq64 and timestamp are. */
enum rewrite_verdict rewrite_packet(struct rewrite *r, uint64_t now_us, const struct rewrite_in *in, bool keep,
                                    bool drop_picture, struct rewrite_out *out);
/* True when the picture was left out before: the rest of its packets must be, too. */
bool rewrite_picture_dropped(const struct rewrite *r, uint64_t picture64);

#endif
