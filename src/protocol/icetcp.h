/* Frames over a TCP stream: two bytes of length, then one datagram (RFC 4571 section 2, as RFC 6544 section 3 uses it
 * for ICE candidates over TCP). Sans-IO, no allocation: the caller gives the buffer.
 *
 *     icetcp_deframer_init(d, buffer, size)
 *     for each chunk that the socket gave:
 *         icetcp_deframer_push(d, &chunk)           takes as much of the chunk as it needs for one frame
 *         while ((r = icetcp_deframer_push(d, &chunk)) == ICETCP_FRAME) use icetcp_deframer_frame(d)
 *         r == ICETCP_ERROR: close the connection
 *
 * Duties of the io layer, which owns the connection: the first frame of a connection must be a STUN Binding request; a
 * connection is closed when its first frame is anything else, when it does not come within ICETCP_FIRST_FRAME_US, or
 * when its length is more than ICETCP_FIRST_FRAME_LEN_MAX. So a stranger holds a descriptor for ten seconds and no
 * more, and no memory but his small buffer (the buffer may be as small as ICETCP_FIRST_FRAME_LEN_MAX until then). */
#ifndef CONCLAVE_PROTOCOL_ICETCP_H
#define CONCLAVE_PROTOCOL_ICETCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/packet.h"

#define ICETCP_HEADER_LEN 2
#define ICETCP_FRAME_LEN_MAX PACKET_LEN_MAX
#define ICETCP_FIRST_FRAME_US UINT64_C(10000000)
/* A Binding request of a browser has 100 to 200 bytes. */
#define ICETCP_FIRST_FRAME_LEN_MAX 576

enum icetcp_result {
    ICETCP_MORE,  /* the chunk is used up; give the next */
    ICETCP_FRAME, /* icetcp_deframer_frame has a frame; the rest of the chunk is still in it */
    ICETCP_ERROR, /* a frame longer than the buffer: close. Sticky. */
};

struct icetcp_deframer {
    uint8_t *buffer;
    uint16_t size;       /* longest frame */
    uint16_t frame_len;  /* of the frame in progress; valid once header_have is 2 */
    uint16_t have;       /* bytes of it */
    uint8_t header_have; /* bytes of the length read */
    bool failed;
};

/* `buffer` holds `size` bytes, at most ICETCP_FRAME_LEN_MAX, and outlives the deframer. */
void icetcp_deframer_init(struct icetcp_deframer *d, void *buffer, size_t size);
/* Moves a deframer to a larger buffer, with what it has collected; after the first frame was found good. */
void icetcp_deframer_grow(struct icetcp_deframer *d, void *buffer, size_t size);
/* Takes bytes from the front of `*chunk` (which is shortened) up to the end of one frame. Empty frames are skipped. */
enum icetcp_result icetcp_deframer_push(struct icetcp_deframer *d, struct span *chunk);
/* The frame that the last push completed: in the deframer's buffer, writable, valid until the next push. */
uint8_t *icetcp_deframer_frame(const struct icetcp_deframer *d, size_t *len);

/* Appends length and datagram to `w`, or nothing and false when it does not fit: a half-written frame would break the
 * stream. */
bool icetcp_frame_write(struct writer *w, struct span datagram);

#endif
