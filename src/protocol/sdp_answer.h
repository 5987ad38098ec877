/* Putting an answer together (RFC 3264, RFC 9429 section 5.3): pure functions from one section of an offer to the section
 * of the answer. Which codecs and extensions are taken is the caller's policy and an argument. In the order of use:
 *
 *     s = sdp_answer_section(&answer, offered);            // same place, mid, kind and protocol; inactive, no formats
 *     n = sdp_answer_formats(&answer, s, offered, supported, count, SDP_ORDER_OURS);
 *     if (n == 0) sdp_answer_reject(&answer, s, offered);
 *     sdp_answer_extmaps(&answer, s, offered, uris, uri_count);
 *     s->direction = sdp_direction_mirror(offered->direction) & what we want;
 *     sdp_answer_simulcast(&answer, s, offered);           // when we receive
 *
 * Texts of the offer are borrowed by the answer: keep the offer until the answer is written. */
#ifndef CONCLAVE_PROTOCOL_SDP_ANSWER_H
#define CONCLAVE_PROTOCOL_SDP_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/sdp.h"

/* One thing that the caller takes. */
struct sdp_codec_support {
    enum codec codec;
    /* What an offered format's fmtp has to be compatible with. H264: profile-level-id and packetization-mode (RFC 6184
     * section 8.2.2); VP9: profile-id; AV1: profile, as subset rules of RFC 9628 and of the AV1 format say; NULL or ""
     * for any. Other codecs: not looked at. */
    const char *fmtp;
    /* fmtp of the answer; NULL repeats the offered one (for H264 with the level of section 8.2.2's answer). */
    const char *answer_fmtp;
    /* SDP_FB_* that we can do; the answer has those that the offer has too. */
    uint32_t feedback;
    bool rtx; /* take the retransmission format along when it is offered */
};

enum sdp_format_order {
    SDP_ORDER_OFFER, /* as the offerer prefers */
    SDP_ORDER_OURS   /* by the index in the caller's list, then as the offerer prefers */
};

/* Index in `supported` of the first entry that the offered format fits, or -1. RTX never fits: it follows its codec. */
int sdp_format_match(const struct sdp_format *offered, const struct sdp_codec_support *supported, size_t count);

/* Opens the answer's section for `offered`; NULL as sdp_add_section. */
struct sdp_section *sdp_answer_section(struct sdp *answer, const struct sdp_section *offered);
/* Adds the common formats under the offerer's payload type numbers; answers how many, retransmission not counted.
 * RED (RFC 2198) is taken only when the codec its fmtp names is taken as well. */
size_t sdp_answer_formats(struct sdp *answer, struct sdp_section *section, const struct sdp_section *offered,
                          const struct sdp_codec_support *supported, size_t count, enum sdp_format_order order);
/* Adds those of the offered extensions whose URI is in the list, with the offered ids, mirrored directions. An id that means
 * another extension in an earlier section of the answer is left out: in a bundle ids must mean the same everywhere (RFC 9143
 * section 15), which some stacks do not heed. */
size_t sdp_answer_extmaps(struct sdp *answer, struct sdp_section *section, const struct sdp_section *offered,
                          const char *const *uris, size_t count);
/* Answers the streams that the offerer would send by receiving them: same rids, restrictions repeated (RFC 8853 section
 * 5.3.2). Offered receive streams are not answered. Returns the number of streams. What is offered as paused is answered as
 * paused: Chromium takes an answer without '~' as the wish to start the layer and turns an encoding on that the
 * application had turned off. */
size_t sdp_answer_simulcast(struct sdp *answer, struct sdp_section *section, const struct sdp_section *offered);
/* Port 0, out of the BUNDLE group, inactive, with one of the offered formats as RFC 3264 section 6 wants. */
void sdp_answer_reject(struct sdp *answer, struct sdp_section *section, const struct sdp_section *offered);

/* sendonly <-> recvonly. */
enum sdp_direction sdp_direction_mirror(enum sdp_direction offered);
/* Common part of what one side can and the other wants. */
enum sdp_direction sdp_direction_and(enum sdp_direction a, enum sdp_direction b);
/* Our role for an offered one (RFC 5763 section 5): of actpass we take the preferred; NONE when they cannot fit. */
enum sdp_setup sdp_setup_answer(enum sdp_setup offered, enum sdp_setup preferred);

#endif
