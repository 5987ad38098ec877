/* Which first bytes of an encoded frame stay in clear under end-to-end encryption, because packetizers, depacketizers
 * and forwarders between the two ends read them; and how ciphertext is written so that none of them stumbles over it.
 * Pure functions, shared by both ends of frame.h. Threads: any.
 *
 *     codec   clear
 *     Opus    nothing
 *     VP8     a key frame's 10 bytes (frame tag, start code, size: RFC 6386 section 9.1), of other frames 1 (the P bit)
 *     VP9     nothing: the payload descriptor comes from the encoder (RFC 9628)
 *     H.264   access units in Annex B form (ITU-T H.264): SEI, SPS, PPS and access unit delimiters at the beginning,
 * whole; then start code and NAL header of the next unit, and of a slice all bytes up to the end of
 *             pic_parameter_set_id (section 7.3.3: three ue(v) values, emulation prevention bytes skipped). The last
 * unit of a frame is never whole, so that something is left for the ciphertext to stand in. AV1     nothing, but the
 * ciphertext is wrapped in one OBU (frame.h) data    nothing
 *
 * H.264: what follows the clear bytes, further slices with their start codes included, becomes one ciphertext inside
 * the unit that the clear bytes end in. Start codes of the clear part come out with four bytes and without the zeros
 * that Annex B allows around them, at both ends: depacketizers write them so. The ciphertext has emulation prevention
 * bytes (section 7.4.1: 03 after two zeros and before 00 to 03), so no start code is seen in it. */
#ifndef CONCLAVE_E2EE_FRAME_CLEAR_H
#define CONCLAVE_E2EE_FRAME_CLEAR_H

#include "e2ee/sframe.h"

/* Values go into authenticated metadata: they never change. */
enum frame_codec {
    FRAME_CODEC_DATA = 0, /* not media: whiteboards and the like */
    FRAME_CODEC_OPUS = 1,
    FRAME_CODEC_VP8 = 2,
    FRAME_CODEC_VP9 = 3,
    FRAME_CODEC_H264 = 4,
    FRAME_CODEC_AV1 = 5,
};
#define FRAME_CODEC_COUNT 6

enum frame_type {
    FRAME_TYPE_NONE = 0, /* sound, data, or not known at both ends alike */
    FRAME_TYPE_KEY = 1,
    FRAME_TYPE_DELTA = 2,
};

/* Parameter sets and SEI of a key frame take about a hundred bytes; text that an encoder puts into SEI takes several
 * hundred. They are copied to be authenticated. */
#define FRAME_CLEAR_LEN_MAX 4096

struct frame_clear {
    size_t source_len;    /* of the frame */
    size_t len;           /* as written, at most FRAME_CLEAR_LEN_MAX */
    enum frame_type type; /* what the clear bytes tell: VP8 and H.264; else NONE */
};

/* Finds the clear bytes of a frame, or of a sealed frame, and writes them to `w`. OK; BAD_FRAME when the frame does not
 * begin as its codec says, CLEAR_TOO_LONG. */
enum sframe_status frame_clear_find(enum frame_codec codec, struct span frame, struct writer *w,
                                    struct frame_clear *out);

/* Emulation prevention in place. `bytes` stand behind `before`, whose last zeros count. Answers the new length, at most
 * frame_escaped_len_max(len): the caller has that much room. */
size_t frame_escape(struct span before, uint8_t *bytes, size_t len);
size_t frame_escaped_len_max(size_t len);
/* The reverse. Bytes that hold no escape, as nearly all do, stay where they are; else the plain ones are written to
 * `out`, which has room for bytes->len, and `*bytes` is there. False when the bytes are not what frame_escape writes:
 * there is exactly one escaped form of anything. */
bool frame_unescape(struct span before, struct span *bytes, uint8_t *out);

#endif
