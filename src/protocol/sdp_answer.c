#include "protocol/sdp_answer.h"

#include <string.h>

#include "base/assert.h"
#include "protocol/h264.h"
#include "protocol/vp9.h"

static bool h264_fits(struct span offered_fmtp, struct span own_fmtp) {
    struct h264_format offered, own;
    return h264_format_of_fmtp(offered_fmtp, &offered) && h264_format_of_fmtp(own_fmtp, &own) &&
           h264_formats_match(&offered, &own);
}

static bool vp9_fits(struct span offered_fmtp, struct span own_fmtp) {
    uint8_t offered, own;
    return vp9_profile_of_fmtp(offered_fmtp, &offered) && vp9_profile_of_fmtp(own_fmtp, &own) && offered == own;
}

/* "profile: ... If the parameter is not present, it MUST be inferred to be 0" (AV1 RTP payload format, section 7.2.1)
 */
static uint64_t av1_profile(struct span fmtp) {
    struct span value;
    uint64_t profile = 0;
    if (sdp_fmtp_get(fmtp, "profile", &value) && !span_to_u64(value, 2, &profile))
        return UINT64_MAX;
    return profile;
}

static bool fits(const struct sdp_format *offered, const struct sdp_codec_support *own) {
    if (offered->codec != own->codec || offered->codec == CODEC_UNKNOWN || offered->codec == CODEC_RTX)
        return false;
    if (own->fmtp == NULL || own->fmtp[0] == 0)
        return true;
    struct span own_fmtp = span_str(own->fmtp);
    switch (offered->codec) {
    case CODEC_H264:
        return h264_fits(offered->fmtp, own_fmtp);
    case CODEC_VP9:
        return vp9_fits(offered->fmtp, own_fmtp);
    case CODEC_AV1:
        return av1_profile(offered->fmtp) == av1_profile(own_fmtp) && av1_profile(own_fmtp) != UINT64_MAX;
    default:
        return true;
    }
}

int sdp_format_match(const struct sdp_format *offered, const struct sdp_codec_support *supported, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (fits(offered, &supported[i]))
            return (int)i;
    }
    return -1;
}

void sdp_answer_reject(struct sdp *answer, struct sdp_section *section, const struct sdp_section *offered) {
    section->port = 0;
    section->bundle_only = false;
    section->bundled = false;
    section->format_count = 0;
    section->extmap_count = 0;
    section->rid_count = 0;
    section->simulcast_count = 0;
    section->msid_count = 0;
    section->ssrc_count = 0;
    section->ssrc_group_count = 0;
    section->candidate_count = 0;
    section->end_of_candidates = false;
    if (section->kind != SDP_APPLICATION)
        section->direction = SDP_INACTIVE;
    if (offered->format_count > 0) {
        struct sdp_format *format = sdp_add_format(answer, section);
        if (format != NULL) {
            *format = offered->formats[0];
            format->feedback = 0;
            format->feedback_other_count = 0;
        }
    }
}

struct sdp_section *sdp_answer_section(struct sdp *answer, const struct sdp_section *offered) {
    struct sdp_section *section = sdp_add_section(answer, offered->kind, offered->mid);
    if (section == NULL)
        return NULL;
    section->kind_text = offered->kind_text;
    section->protocol = offered->protocol;
    section->app_format = offered->app_format;
    section->bundled = offered->bundled;
    section->rtcp_mux = offered->rtcp_mux;
    section->rtcp_rsize = offered->rtcp_rsize;
    section->extmap_allow_mixed = offered->extmap_allow_mixed;
    section->sctp_port = offered->sctp_port;
    if (sdp_rejected(offered) || offered->kind == SDP_OTHER)
        sdp_answer_reject(answer, section, offered);
    return section;
}

/* For H.264 without a fixed text: the offered text with the answer's level in it. */
static struct span answer_fmtp(struct sdp *answer, const struct sdp_format *offered,
                               const struct sdp_codec_support *own) {
    struct h264_format ours, theirs;
    struct span id;
    char text[7];
    if (own->answer_fmtp != NULL)
        return span_str(own->answer_fmtp);
    if (offered->codec != CODEC_H264 || own->fmtp == NULL || own->fmtp[0] == 0 ||
        !sdp_fmtp_get(offered->fmtp, "profile-level-id", &id))
        return offered->fmtp;
    if (!h264_format_of_fmtp(offered->fmtp, &theirs) || !h264_format_of_fmtp(span_str(own->fmtp), &ours))
        return offered->fmtp;
    uint8_t level = h264_answer_level(&theirs, &ours);
    if (level == theirs.level)
        return offered->fmtp;
    ASSERT(id.len == 6 && id.data >= offered->fmtp.data);
    h264_profile_level_text(theirs.profile, level, text);
    int before = (int)(id.data - offered->fmtp.data), after = (int)offered->fmtp.len - before - 6;
    return sdp_format_text(answer, "%.*s%s%.*s", before, (const char *)offered->fmtp.data, text, after,
                           (const char *)id.data + 6);
}

static void add_format(struct sdp *answer, struct sdp_section *section, const struct sdp_format *offered,
                       struct span fmtp, uint32_t feedback) {
    struct sdp_format *format = sdp_add_format(answer, section);
    if (format == NULL)
        return;
    format->pt = offered->pt;
    format->codec = offered->codec;
    format->name = offered->name;
    format->clock_hz = offered->clock_hz;
    format->channels = offered->channels;
    format->fmtp = fmtp;
    format->feedback = feedback;
}

static void take(struct sdp *answer, struct sdp_section *section, const struct sdp_section *offered,
                 const struct sdp_format *format, const struct sdp_codec_support *own) {
    if (sdp_format_by_pt(section, format->pt) != NULL)
        return;
    add_format(answer, section, format, answer_fmtp(answer, format, own), format->feedback & own->feedback);
    const struct sdp_format *rtx = own->rtx ? sdp_rtx_of(offered, format->pt) : NULL;
    if (rtx != NULL && sdp_format_by_pt(section, rtx->pt) == NULL)
        add_format(answer, section, rtx, rtx->fmtp, 0);
}

/* RED's fmtp is the list of the payload types that its blocks use, "111/111" (RFC 2198 section 5). */
static bool red_fits(const struct sdp_section *offered, const int *match, const struct sdp_format *red) {
    struct reader r = reader_of_span(red->fmtp);
    struct span first;
    uint64_t pt;
    if (!rd_token(&r, '/', &first) || !span_to_u64(first, 127, &pt))
        return false;
    for (uint16_t i = 0; i < offered->format_count; i++) {
        if (offered->formats[i].pt == pt)
            return match[i] >= 0 && offered->formats[i].codec != CODEC_RED;
    }
    return false;
}

size_t sdp_answer_formats(struct sdp *answer, struct sdp_section *section, const struct sdp_section *offered,
                          const struct sdp_codec_support *supported, size_t count, enum sdp_format_order order) {
    int match[SDP_FORMATS_MAX];
    size_t taken = 0;
    ASSERT(offered->format_count <= SDP_FORMATS_MAX);
    for (uint16_t i = 0; i < offered->format_count; i++)
        match[i] = sdp_format_match(&offered->formats[i], supported, count);
    for (uint16_t i = 0; i < offered->format_count; i++) {
        if (offered->formats[i].codec == CODEC_RED && match[i] >= 0 && !red_fits(offered, match, &offered->formats[i]))
            match[i] = -1;
        taken += match[i] >= 0;
    }
    for (size_t k = 0; order == SDP_ORDER_OURS && k < count; k++) {
        for (uint16_t i = 0; i < offered->format_count; i++) {
            if (match[i] == (int)k)
                take(answer, section, offered, &offered->formats[i], &supported[k]);
        }
    }
    for (uint16_t i = 0; order == SDP_ORDER_OFFER && i < offered->format_count; i++) {
        if (match[i] >= 0)
            take(answer, section, offered, &offered->formats[i], &supported[match[i]]);
    }
    return taken;
}

/* Whether an id already stands for another extension, or for none: 15 ends the list in the one-byte form (RFC 8285
 * section 4.2). */
static bool extmap_id_taken(const struct sdp *answer, const struct sdp_section *section,
                            const struct sdp_extmap *theirs) {
    if (theirs->id == 15)
        return true;
    for (uint16_t i = 0; i < answer->section_count; i++) {
        const struct sdp_section *other = answer->sections[i];
        for (uint16_t k = 0; other != section && k < other->extmap_count; k++) {
            if (other->extmaps[k].id == theirs->id && !span_equal(other->extmaps[k].uri, theirs->uri))
                return true;
        }
    }
    return false;
}

size_t sdp_answer_extmaps(struct sdp *answer, struct sdp_section *section, const struct sdp_section *offered,
                          const char *const *uris, size_t count) {
    size_t taken = 0;
    for (uint16_t i = 0; i < offered->extmap_count; i++) {
        const struct sdp_extmap *theirs = &offered->extmaps[i];
        for (size_t k = 0; k < count; k++) {
            /* one URI may be offered under two ids (an encrypted variant): the first is answered */
            if (!span_equal_str(theirs->uri, uris[k]) || sdp_extmap_by_uri(section, uris[k]) != NULL ||
                extmap_id_taken(answer, section, theirs))
                continue;
            struct sdp_extmap *ours = sdp_add_extmap(answer, section);
            if (ours == NULL)
                return taken;
            ours->id = theirs->id;
            ours->uri = theirs->uri;
            ours->direction = sdp_direction_mirror(theirs->direction);
            taken++;
        }
    }
    return taken;
}

size_t sdp_answer_simulcast(struct sdp *answer, struct sdp_section *section, const struct sdp_section *offered) {
    size_t streams = 0;
    int last = -1;
    for (uint16_t i = 0; i < offered->simulcast_count; i++) {
        const struct sdp_simulcast *theirs = &offered->simulcast[i];
        const struct sdp_rid *their_rid = sdp_rid_by_id(offered, theirs->rid);
        if (theirs->direction != SDP_SENDONLY || their_rid == NULL || their_rid->direction != SDP_SENDONLY ||
            sdp_rid_by_id(section, theirs->rid) != NULL)
            continue;
        struct sdp_rid *rid = sdp_add_rid(answer, section);
        struct sdp_simulcast *ours = sdp_add_simulcast(answer, section);
        if (rid == NULL || ours == NULL)
            return streams;
        *rid = (struct sdp_rid){theirs->rid, SDP_RECVONLY, their_rid->restrictions};
        *ours = (struct sdp_simulcast){SDP_RECVONLY, theirs->stream, theirs->paused, theirs->rid};
        streams += theirs->stream != last;
        last = theirs->stream;
    }
    return streams;
}

enum sdp_direction sdp_direction_mirror(enum sdp_direction offered) {
    return (enum sdp_direction)((offered >> 1 & 1) | (offered << 1 & 2));
}

enum sdp_direction sdp_direction_and(enum sdp_direction a, enum sdp_direction b) {
    return (enum sdp_direction)(a & b);
}

enum sdp_setup sdp_setup_answer(enum sdp_setup offered, enum sdp_setup preferred) {
    ASSERT(preferred == SDP_SETUP_ACTIVE || preferred == SDP_SETUP_PASSIVE);
    switch (offered) {
    case SDP_SETUP_ACTPASS:
        return preferred;
    case SDP_SETUP_ACTIVE:
        return SDP_SETUP_PASSIVE;
    case SDP_SETUP_PASSIVE:
        return SDP_SETUP_ACTIVE;
    default:
        return SDP_SETUP_NONE;
    }
}
