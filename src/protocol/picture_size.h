/* How large the pictures of a stream are, as codecs say it at the head of a coded sequence: H.264 in its sequence
 * parameter set (ITU-T H.264 section 7.3.2.1.1), AV1 in its sequence header (AV1 specification section 5.5). VP8, VP9 and
 * the dependency descriptor tell it in what their own parsers read.
 *
 * What is read is a hint for ranking layers, nothing more: a publisher may say anything, and where frames are encrypted
 * the bytes may be noise. So the whole syntax of AV1's header is followed up to its end, and what does not end as it must
 * is no header. Pure functions. */
#ifndef CONCLAVE_PROTOCOL_PICTURE_SIZE_H
#define CONCLAVE_PROTOCOL_PICTURE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

/* Longest parameter set that is looked at; encoders write 10 to 60 bytes, scaling lists make it a few hundred. */
#define H264_SPS_LEN_MAX 512
/* Elements of one RTP payload that are looked at for a sequence header: it is the first, or follows metadata. */
#define AV1_ELEMENTS_MAX 4

/* `unit`: a sequence parameter set without its NAL unit header. The size behind cropping. False: no such thing, longer
 * than H264_SPS_LEN_MAX, or a size that is 0 or above 65535. */
bool h264_sps_size(struct span unit, uint16_t *width, uint16_t *height);

struct av1_aggregation;
/* `payload`: an RTP payload with its aggregation header, which was read. The largest size of its sequence; false when it
 * brings no sequence header. */
bool av1_sequence_size(struct span payload, const struct av1_aggregation *aggregation, uint16_t *width,
                       uint16_t *height);

#endif
