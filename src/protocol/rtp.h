/* RTP packets (RFC 3550 section 5) and their header extensions (RFC 8285).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |V=2|P|X|  CC   |M|     PT      |            sequence           |
 *     |                           timestamp                           |
 *     |                             SSRC                              |
 *     |                       CSRCs (CC times)                        |
 *     |  extension profile (X)        |  length in 32-bit words       |   0xBEDE one-byte, 0x100x two-byte form
 *     |                        extension elements                     |
 *     |                     payload, then padding (P)                 |
 *
 * Receiving: SRTP opens the packet, `rtp_parse` reads it, `rtp_exts_read` collects the extensions that a transport
 * negotiated in one pass. Sending: `rtp_write` makes header and extensions in a buffer of the caller; the payload is
 * not copied here (the SRTP seal takes it from the shared packet). Spans point into the caller's packet. Pure
 * functions, no state, no allocation.
 *
 * Not here: payload formats (codec.h, payload.h), sequence extension (base/seq.h), RTCP (rtcp.h). */
#ifndef CONCLAVE_PROTOCOL_RTP_H
#define CONCLAVE_PROTOCOL_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

#define RTP_HEADER_LEN 12
/* CC is a 4-bit field. */
#define RTP_CSRCS_MAX 15
/* Longest header that rtp_write makes: fixed part, all CSRCs, and extensions. Browsers send less than 100 bytes of
 * extensions, a dependency descriptor with its structure and a mid included; 384 leaves room for one element of the
 * greatest length (255) and for all others that are sent, each as long as it may be. What is passed on of a peer's
 * packet has to be bounded by who passes it on. */
#define RTP_EXTENSIONS_LEN_MAX 384
#define RTP_HEADER_LEN_MAX (RTP_HEADER_LEN + 4 * RTP_CSRCS_MAX + 4 + RTP_EXTENSIONS_LEN_MAX)
/* One-byte elements: ids 1 to 14, 1 to 16 bytes (RFC 8285 section 4.2). */
#define RTP_EXT_ONE_BYTE_ID_MAX 14
#define RTP_EXT_ONE_BYTE_LEN_MAX 16

enum rtp_result {
    RTP_OK = 0,
    RTP_TOO_SHORT,   /* fixed header, CSRCs or extension block run past the end */
    RTP_BAD_VERSION, /* not version 2 */
    RTP_BAD_PADDING, /* padding of 0 bytes, or longer than the payload (section 5.1) */
};

struct rtp_header {
    bool marker;
    uint8_t pt;
    uint16_t seq16;
    uint32_t timestamp;
    uint32_t ssrc;
    struct span csrcs;    /* 4 bytes each, network order */
    bool has_extension;   /* the X bit; the block may still be empty */
    uint16_t ext_profile; /* 0xBEDE, 0x1000..0x100F, or something unknown */
    struct span ext;      /* the elements, without the 4-byte block header */
    size_t header_len;    /* all that precedes the payload */
    struct span payload;  /* without padding */
    uint8_t padding_len;  /* 0 = no P bit */
};

/* Reads a whole, decrypted packet. On any result but RTP_OK `out` is zeroed. */
enum rtp_result rtp_parse(struct span packet, struct rtp_header *out);
/* Reads only what SRTP leaves in the clear: as rtp_parse, but padding is not looked at, so `payload` is the rest of the
 * packet and `padding_len` is 0. For an encrypted packet, before it is opened. */
enum rtp_result rtp_parse_clear(struct span packet, struct rtp_header *out);

/* ---- header extensions --------------------------------------------------------------------------------- */

/* What the program knows by URI. The others are negotiated away. */
#define RTP_EXT_KINDS_LIST(X)                                                                                          \
    X(RTP_EXT_MID, "urn:ietf:params:rtp-hdrext:sdes:mid")                             /* RFC 9143 */                   \
    X(RTP_EXT_RID, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id")                   /* RFC 8852 */                   \
    X(RTP_EXT_REPAIRED_RID, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id") /* RFC 8852 */                   \
    X(RTP_EXT_AUDIO_LEVEL, "urn:ietf:params:rtp-hdrext:ssrc-audio-level")             /* RFC 6464 */                   \
    X(RTP_EXT_TRANSPORT_SEQ, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01")              \
    X(RTP_EXT_ABS_SEND_TIME, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time")                             \
    X(RTP_EXT_ABS_CAPTURE_TIME, "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time")                       \
    X(RTP_EXT_PLAYOUT_DELAY, "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay")                             \
    X(RTP_EXT_TIME_OFFSET, "urn:ietf:params:rtp-hdrext:toffset") /* RFC 5450 */                                        \
    X(RTP_EXT_VIDEO_ORIENTATION, "urn:3gpp:video-orientation")   /* TS 26.114 */                                       \
    X(RTP_EXT_VIDEO_CONTENT_TYPE, "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type")                   \
    X(RTP_EXT_VIDEO_TIMING, "http://www.webrtc.org/experiments/rtp-hdrext/video-timing")                               \
    X(RTP_EXT_COLOR_SPACE, "http://www.webrtc.org/experiments/rtp-hdrext/color-space")                                 \
    X(RTP_EXT_DEPENDENCY_DESCRIPTOR,                                                                                   \
      "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension")                       \
    X(RTP_EXT_VIDEO_LAYERS, "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00")

#define RTP_EXT_ENUM(name, uri) name,
enum rtp_ext_kind { RTP_EXT_NONE = 0, RTP_EXT_KINDS_LIST(RTP_EXT_ENUM) RTP_EXT_KINDS };
#undef RTP_EXT_ENUM

/* URI of a kind; asserts that it is one. */
const char *rtp_ext_uri(enum rtp_ext_kind kind);
/* RTP_EXT_NONE for a URI that is not known. */
enum rtp_ext_kind rtp_ext_kind_of(struct span uri);

struct rtp_ext {
    uint8_t id;
    struct span data;
};

/* Walks over the elements of either form. Order of calls: init, then next until it answers false. An unknown profile
 * has no elements; an element that runs past the block ends the walk, as do id 15 and a zero id with a length in the
 * one-byte form (RFC 8285 section 4.2). What came before stays valid. */
struct rtp_ext_iter {
    struct reader in;
    bool two_byte;
};

struct rtp_ext_iter rtp_ext_iter_of(const struct rtp_header *header);
bool rtp_ext_next(struct rtp_ext_iter *iter, struct rtp_ext *out);
/* The first element with this id. */
bool rtp_ext_find(const struct rtp_header *header, uint8_t id, struct span *data);

/* The ids that one transport negotiated in one direction: one id space a bundle (RFC 9143 section 15). Zero-initialised
 * = none. */
struct rtp_ext_map {
    uint8_t id[RTP_EXT_KINDS]; /* per kind, 0 = not negotiated */
    uint8_t kind_low[16];      /* per id below 16, RTP_EXT_NONE = unknown: the common case without a search */
};

/* False, without change, for id 0, for id 15 (reserved in the one-byte form) and when the id already stands for another
 * kind. A kind that has an id gets the new one. */
bool rtp_ext_map_set(struct rtp_ext_map *map, enum rtp_ext_kind kind, uint8_t id);
enum rtp_ext_kind rtp_ext_map_kind(const struct rtp_ext_map *map, uint8_t id);

/* All known extensions of one packet. A kind that is absent has an empty span; rtp_exts_has tells that from an element
 * of no length. */
struct rtp_exts {
    uint32_t present; /* bit per kind */
    struct span data[RTP_EXT_KINDS];
};

static inline bool rtp_exts_has(const struct rtp_exts *exts, enum rtp_ext_kind kind) {
    return (exts->present >> kind & 1) != 0;
}

void rtp_exts_read(const struct rtp_header *header, const struct rtp_ext_map *map, struct rtp_exts *out);

/* ---- values of extensions ------------------------------------------------------------------------------- */

/* Readers answer false when the length is wrong. */

/* RFC 6464: level in -dBov, 0 loudest .. 127 silence. One byte; a two-byte-form element may carry a second, ignored
 * one. */
bool rtp_ext_audio_level(struct span data, bool *voice, uint8_t *level_dbov);
uint8_t rtp_ext_audio_level_byte(bool voice, uint8_t level_dbov);
/* Transport-wide sequence number, 2 bytes. */
bool rtp_ext_transport_seq(struct span data, uint16_t *seq16);
/* 24 bits, 6.18 fixed point seconds, wraps every 64 s. */
bool rtp_ext_abs_send_time(struct span data, uint32_t *value);
/* The value for a time of our own monotonic clock. */
uint32_t rtp_ext_abs_send_time_of(uint64_t now_us);
/* Two 12-bit fields in units of 10 ms. */
bool rtp_ext_playout_delay(struct span data, uint32_t *min_ms, uint32_t *max_ms);
/* mid, rid, repaired rid: copies to a zero-terminated string; false when empty, longer than out_size - 1, or not made
 * of RFC 4566 token characters without spaces and controls (0x21..0x7e). */
bool rtp_ext_text(struct span data, char *out, size_t out_size);

/* Elements gathered for rtp_write: values of at most 4 bytes are stored here, others borrowed until the write. */
#define RTP_EXT_OUT_MAX 16

struct rtp_ext_out {
    size_t count;
    struct rtp_ext ext[RTP_EXT_OUT_MAX];
    uint8_t small[RTP_EXT_OUT_MAX][4];
};

/* Each does nothing when `id` is 0 (not negotiated), so that callers pass map->id[kind] without asking. Exceeding
 * RTP_EXT_OUT_MAX is an assert (it is as many as there are kinds). */
void rtp_ext_add(struct rtp_ext_out *out, uint8_t id, struct span data);
void rtp_ext_add_u8(struct rtp_ext_out *out, uint8_t id, uint8_t value);
void rtp_ext_add_u16(struct rtp_ext_out *out, uint8_t id, uint16_t value);
void rtp_ext_add_u24(struct rtp_ext_out *out, uint8_t id, uint32_t value);

/* Writes fixed header, CSRCs and the extension block. From `header` it takes marker, pt, seq16, timestamp, ssrc, csrcs
 * and whether padding_len is above 0 (the P bit; the caller's payload then ends in the padding). `exts` may be NULL.
 * The one-byte form is chosen when every id is at most 14 and every length 1 to 16, else the two-byte form. False when
 * the writer is full or an element is longer than 255 bytes; the writer has then failed. */
bool rtp_write(struct writer *w, const struct rtp_header *header, const struct rtp_ext_out *exts);

/* ---- retransmission and redundancy payloads ------------------------------------------------------------- */

/* RFC 4588 section 4: a retransmission's payload is the original sequence number and then the original payload. */
#define RTP_RTX_OSN_LEN 2

/* False when there is no room for the number: a padding-only probe on the RTX stream, or garbage. */
bool rtp_rtx_unwrap(struct span rtx_payload, uint16_t *original_seq16, struct span *payload);
/* The bytes that precede the payload (the `prefix` of a struct srtp_job). */
void rtp_rtx_prefix(uint16_t original_seq16, uint8_t out[RTP_RTX_OSN_LEN]);

/* Most blocks in one RED packet that are looked at: the timestamp offset's 14 bits at 20 ms allow 17, browsers send 2
 * or 3. */
#define RTP_RED_BLOCKS_MAX 32

/* RFC 2198: payload type and bytes of the primary (last) block. False when the block headers are inconsistent. */
bool rtp_red_primary(struct span payload, uint8_t *pt, struct span *primary);

#endif
