/* Encoded media frames under SFrame: what is done to a frame between the encoder and the packetizer, and undone between
 * the depacketizer and the decoder, so that everything in between still works (frame_clear.h says what stays in clear).
 *
 *     sealed frame:  clear bytes | SFrame header | encrypted data | tag | trailer
 *     trailer:       1LLLLLLL                clear length below 127
 *                    16 bits | 11111111      clear length from 127 on
 *
 * The trailer ends in a byte that is never 0, because no H.264 unit and no OBU does; other first bits are left for
 * later layouts and refused. H.264: from the SFrame header on, emulation prevention is applied. AV1: all of it stands
 * in one OBU of type metadata, 0x2A, with its size in the shortest LEB128 form, because packetizers take sizes away and
 * put them back (AV1 specification section 5.3, RTP payload format for AV1 section 5).
 *
 * AUTHENTICATED, as SFrame metadata (RFC 9605 section 9.4):
 *
 *     codec, 8 bits | kind, 8 bits | type, 8 bits | clear length, 16 bits | clear bytes
 *
 * Codec and kind are known to the receiver from signalling, not from the frame. The type comes from the clear bytes
 * where they tell (VP8, H.264); for VP9 and AV1 it is what both callers say, and they say FRAME_TYPE_NONE when the two
 * ends may see it differently, as with spatial layers. The receiver works the clear length out by the codec's rule and
 * refuses a frame whose trailer says another. Nothing of a frame is used before it is authentic.
 *
 * EMPTY. A frame of no bytes answers EMPTY at both ends: jitter buffers make such. It is not sent, not played, and not
 * a failure; it is counted by itself.
 *
 * TWO WAYS, as in sframe_sender.h. Natively: frame_native.h, one call a frame. For a host that encrypts asynchronously:
 *
 *     frame_seal_begin -> key (sframe_key_raw and its handle, borrowed now), sframe.nonce, aad, text, body
 *     host: AES-GCM over text, written to body: text.len bytes and the tag
 *     frame_seal_finish -> the sealed frame
 *
 *     frame_open_begin -> key, sframe.nonce, aad, sealed
 *     host: AES-GCM, the plaintext written to text
 *     frame_open_finish(authentic?) -> the frame, or why not; only now does the replay window move
 *
 * The structs are plain data of some 4 kB and may be many at a time, in any order; frame and buffers stay where they
 * are until the finish. Nothing is allocated for a frame. Threads: none. */
#ifndef CONCLAVE_E2EE_FRAME_H
#define CONCLAVE_E2EE_FRAME_H

#include "e2ee/frame_clear.h"
#include "e2ee/sframe_receiver.h"
#include "e2ee/sframe_sender.h"

/* A key frame of 4k video at a high rate is below 2 MiB. */
#define FRAME_LEN_MAX (4u << 20)

/* Values go into authenticated metadata: they never change. */
enum frame_kind {
    FRAME_KIND_DATA = 0,
    FRAME_KIND_AUDIO = 1,
    FRAME_KIND_VIDEO = 2,
    FRAME_KIND_SCREEN = 3,
    FRAME_KIND_SCREEN_AUDIO = 4,
};

/* What the caller knows of a frame. */
struct frame_info {
    enum frame_codec codec;
    enum frame_kind kind;
    enum frame_type type; /* counts only when the clear bytes do not tell */
};

#define FRAME_METADATA_FIXED_LEN 5
#define FRAME_AAD_LEN_MAX (SFRAME_HEADER_LEN_MAX + FRAME_METADATA_FIXED_LEN + FRAME_CLEAR_LEN_MAX)

struct frame_aad {
    size_t len;
    uint8_t bytes[FRAME_AAD_LEN_MAX];
};

struct frame_seal {
    struct sframe_seal sframe;
    struct frame_aad aad;
    struct span text; /* of the frame: what is to be encrypted */
    uint8_t *body;    /* in the output: where the encrypted data and the tag go */
    /* for the finish */
    uint8_t *out;
    enum frame_codec codec;
    size_t clear_len;
    size_t tag_len;
};

struct frame_open {
    struct sframe_open sframe;
    struct frame_aad aad;
    struct span sealed; /* encrypted data and tag, in the sealed frame or, when it had escapes, in the output */
    uint8_t *text;      /* in the output: where the plaintext goes; may overlap `sealed` */
    size_t text_len;
    enum frame_type type; /* of the frame, not to be used before the finish */
    size_t clear_len;
};

/* Room that sealing a frame of `frame_len` bytes asks for. */
size_t frame_sealed_len_max(enum frame_codec codec, size_t frame_len);

/* `out` does not overlap `frame`. OK; EMPTY, TOO_LONG, NO_ROOM (out_size < frame_sealed_len_max), BAD_FRAME,
 * CLEAR_TOO_LONG, or what sframe_seal_begin answers: then nothing may be sent. Counted. */
enum sframe_status frame_seal_begin(struct sframe_sender *sender, uint32_t context, const struct frame_info *info,
                                    struct span frame, uint64_t now_us, uint8_t *out, size_t out_size,
                                    struct frame_seal *seal);
/* Once for each begin. The sealed frame is `*len` bytes at the begin's `out`. */
void frame_seal_finish(struct frame_seal *seal, size_t *len);

/* `leaf`: whose stream it came on. `out` does not overlap `sealed` and has room for sealed.len bytes (frames with short
 * start codes may need one more for each). OK; EMPTY, TOO_LONG, NO_ROOM, BAD_FRAME, CLEAR_TOO_LONG, BAD_TRAILER,
 * CLEAR_MISMATCH, BAD_WRAPPING, BAD_ESCAPE, or what sframe_open_begin answers. Refusals are counted. */
enum sframe_status frame_open_begin(struct sframe_receiver *receiver, uint32_t leaf, const struct frame_info *info,
                                    struct span sealed, uint64_t now_us, uint8_t *out, size_t out_size,
                                    struct frame_open *open);
/* Once for each begin. OK: the frame is `*len` bytes at the begin's `out`. Else NOT_AUTHENTIC, REPLAYED, TOO_OLD or
 * KEY_GONE, and the plaintext is wiped. Counted. */
enum sframe_status frame_open_finish(struct sframe_receiver *receiver, struct frame_open *open, bool authentic,
                                     size_t *len);

#endif
