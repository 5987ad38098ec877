/* One summary of a media packet for the forwarder, whatever its codec: where frames begin and end, whether decoding can
 * begin here, which layers it belongs to. Everything is read from payload descriptors, header extensions and the bytes
 * that stay in clear under end-to-end encryption. Pure but for the dependency descriptor state of the stream.
 *
 * When the dependency descriptor is there and understood it decides; else the codec's own descriptor does.
 *
 * Two things about libwebrtc that matter to whoever negotiates the extension: with it, VP8's own descriptor comes without
 * picture id, TL0PICIDX and temporal layer, and nothing can be rewritten in it; and the descriptor of a key frame with nine
 * decode targets is over a hundred bytes, so such packets use the two-byte form of header extensions. */
#ifndef CONCLAVE_PROTOCOL_PAYLOAD_H
#define CONCLAVE_PROTOCOL_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "protocol/av1dd.h"
#include "protocol/codec.h"
#include "protocol/h264.h"
#include "protocol/vp8.h"
#include "protocol/vp9.h"

enum payload_result {
    PAYLOAD_OK = 0,
    PAYLOAD_EMPTY,    /* no payload: padding or a probe; nothing is known of it */
    PAYLOAD_MALFORMED /* the descriptor is broken; only end_of_frame (the marker) is set */
};

struct payload_info {
    /* First packet of a frame (of one spatial layer's frame with SVC). For H.264 see h264_packet. Audio: always. */
    bool start_of_frame;
    /* Last packet of a frame of one spatial layer. Without such information: the marker bit. Audio: always. */
    bool end_of_frame;
    /* The marker bit: last packet of the picture, all spatial layers. */
    bool end_of_picture;
    /* First packet of a picture from which decoding can begin, at the lowest spatial layer. Audio: always. */
    bool keyframe;
    bool has_layers; /* `spatial` and `temporal` come from the packet; both are 0 otherwise */
    uint8_t spatial;
    uint8_t temporal;
    /* A receiver of lower temporal layers may go up to this packet's temporal layer with this frame. */
    bool layer_sync;
    /* No other frame uses this one. */
    bool discardable;
    uint16_t width; /* of the frame when this packet tells, else 0 */
    uint16_t height;
    bool has_dd; /* `dd` is filled in and decided the fields above */
    struct av1dd dd;
    /* The codec's descriptor, for rewriting; valid with result PAYLOAD_OK, by `codec`. */
    enum codec codec;
    union {
        struct vp8_descriptor vp8;
        struct vp9_descriptor vp9;
        struct h264_packet h264;
        struct av1_aggregation av1;
    } as;
};

/* `extension` is the value of the dependency descriptor extension, empty when the packet has none; `state` is the stream's,
 * NULL when the extension is not negotiated (then the extension is ignored). `marker` is the RTP marker bit. `out` is
 * always filled in. For RTX the caller unwraps first (RFC 4588) and passes the codec behind it. */
enum payload_result payload_inspect(enum codec codec, struct span payload, bool marker, struct span extension,
                                    struct av1dd_state *state, struct payload_info *out);

/* An opus packet that carries no sound worth forwarding: the one- or two-byte packets of discontinuous transmission
 * (RFC 6716 section 2.1.9). Under end-to-end encryption, whose overhead is added, pass what remains without it. */
bool payload_opus_is_dtx(size_t payload_len);

#endif
