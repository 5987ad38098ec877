/* Decides for one receiver which packets of a source it gets: the simulcast stream, the spatial and temporal layers.
 *
 *     layers_aim(target)        what the allocator gives it; takes effect where the stream allows
 *     layers_packet(info)       for every packet of the source, in order of arrival
 *
 * Rules. Another simulcast stream begins at a key frame of that stream; the old one is forwarded until then. With
 * nothing forwarded yet, any smaller stream than the target may begin, so that a picture comes soon. Within a stream,
 * dependency descriptors decide by decode target, changed at a frame that is marked as a switch; else spatial layers
 * rise at a key frame and fall with any picture, temporal layers rise at a layer sync frame and fall with any frame.
 * Audio is one layer of which every packet is a key frame. Pure, by value. */
#ifndef CONCLAVE_MEDIA_LAYERS_H
#define CONCLAVE_MEDIA_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include "media/packetinfo.h"
#include "protocol/av1dd.h"

#define LAYERS_ALL 7

struct layers {
    int8_t stream;        /* forwarded simulcast stream, -1 = none */
    int8_t target_stream; /* -1 = nothing is wanted */
    uint8_t target_rank;  /* place of target_stream by size */
    uint8_t target_spatial, target_temporal;
    uint8_t spatial, temporal; /* forwarded now; meaningful with stream >= 0 */
    int8_t decode_target;      /* with dependency descriptors; -1 = none chosen */
    uint16_t epoch;            /* of the forwarded stream */
    bool want_keyframe;        /* the target cannot be reached without one of target_stream */
};

enum layers_verdict {
    LAYERS_OTHER,             /* of a stream that is not forwarded: as if it did not exist */
    LAYERS_LEAVE_OUT,         /* of the forwarded stream, but not for this receiver */
    LAYERS_LEAVE_OUT_PICTURE, /* the same, and with it its whole picture */
    LAYERS_TAKE,
    LAYERS_SWITCH, /* take it: the first packet of another stream */
};

struct layers_result {
    enum layers_verdict verdict;
    bool marker;             /* the packet ends what the receiver gets of its picture */
    uint32_t active_targets; /* decode targets to announce with this packet, 0 = leave the descriptor's as they are */
};

void layers_init(struct layers *l);
/* stream -1 = stop at once. `rank` is the stream's place by size. For simulcast `spatial` is LAYERS_ALL, for scalable
 * streams `stream` is 0. */
void layers_aim(struct layers *l, int8_t stream, uint8_t rank, uint8_t spatial, uint8_t temporal);
/* `dd` is the descriptor state of the packet's stream, NULL when it has none. */
struct layers_result layers_packet(struct layers *l, const struct packet_info *info, const struct av1dd_state *dd);

#endif
