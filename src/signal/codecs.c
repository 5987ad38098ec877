/* Which codecs, feedback and header extensions are spoken, and in what order. */
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "signal/internal.h"

#define VIDEO_FEEDBACK (SDP_FB_NACK | SDP_FB_NACK_PLI | SDP_FB_CCM_FIR | SDP_FB_TRANSPORT_CC | SDP_FB_REMB)
#define AUDIO_FEEDBACK (SDP_FB_NACK | SDP_FB_TRANSPORT_CC)

/* ProtocolBuffers' AudioTrackFeature bits that matter here */
#define FEATURE_STEREO (UINT32_C(1) << LIVEKIT__AUDIO_TRACK_FEATURE__TF_STEREO)
#define FEATURE_NO_DTX (UINT32_C(1) << LIVEKIT__AUDIO_TRACK_FEATURE__TF_NO_DTX)

#define H264(profile, mode) "level-asymmetry-allowed=1;packetization-mode=" mode ";profile-level-id=" profile

/* Our order: VP8 is what every client and every layer switch handles; H.264 is next because phones encode it in
 * hardware. Payload type numbers are those of our offers; rtx is the next one. */
static const struct codec_row {
    enum codec codec;
    const char *fmtp;
    uint8_t pt, rtx_pt;
} rows[] = {
    {CODEC_OPUS, NULL, 111, 0},
    {CODEC_RED, "111/111", 63, 0},
    {CODEC_PCMU, NULL, 0, 0},
    {CODEC_PCMA, NULL, 8, 0},
    {CODEC_VP8, NULL, 96, 97},
    {CODEC_H264, H264("42e01f", "1"), 108, 109},
    {CODEC_H264, H264("42e01f", "0"), 125, 126},
    {CODEC_H264, H264("42001f", "1"), 102, 103},
    {CODEC_H264, H264("42001f", "0"), 104, 105},
    {CODEC_H264, H264("4d001f", "1"), 106, 107},
    {CODEC_H264, H264("4d001f", "0"), 39, 40},
    {CODEC_H264, H264("640032", "1"), 123, 124},
    {CODEC_H264, H264("640032", "0"), 112, 113},
    {CODEC_H264, H264("640c32", "1"), 114, 115},
    {CODEC_H264, H264("640c32", "0"), 116, 117},
    {CODEC_VP9, "profile-id=0", 98, 99},
    {CODEC_AV1, "profile=0", 35, 36},
};

static bool row_is_video(const struct codec_row *row) {
    return codec_kind(row->codec) == CODEC_KIND_VIDEO;
}

/* One text for all audio sections of a connection: a payload type means the same everywhere in a bundle. */
const char *codecs_opus_fmtp(const struct pc *pc) {
    static const char *const texts[2][2][2] = {
        {{"minptime=10;useinbandfec=1", "minptime=10;useinbandfec=1;sprop-stereo=1"},
         {"minptime=10;useinbandfec=1;stereo=1;maxaveragebitrate=510000",
          "minptime=10;useinbandfec=1;stereo=1;maxaveragebitrate=510000;sprop-stereo=1"}},
        {{"minptime=10;useinbandfec=1;usedtx=1", "minptime=10;useinbandfec=1;usedtx=1;sprop-stereo=1"},
         {"minptime=10;useinbandfec=1;usedtx=1;stereo=1;maxaveragebitrate=510000",
          "minptime=10;useinbandfec=1;usedtx=1;stereo=1;maxaveragebitrate=510000;sprop-stereo=1"}},
    };
    bool dtx = pc->role == PC_CLIENT_OFFERS, stereo = false, sends_stereo = false;
    for (uint32_t i = 0; i < pc->sections_count; i++) {
        const struct section *section = pc->sections[i];
        const struct track *track = section->track;
        if (track != NULL && track->type == ROOM_AUDIO) {
            dtx = dtx && !track->disable_dtx && (track->audio_features & FEATURE_NO_DTX) == 0;
            stereo = stereo || track->stereo || (track->audio_features & FEATURE_STEREO) != 0;
        }
        const struct track *sent = section->subscription != NULL ? section->subscription->track : NULL;
        if (sent != NULL && sent->type == ROOM_AUDIO)
            sends_stereo = sends_stereo || sent->stereo || (sent->audio_features & FEATURE_STEREO) != 0;
    }
    return texts[dtx][stereo][sends_stereo];
}

enum codec codecs_of_track(const struct track *track) {
    if (track->codecs_count > 0)
        return codec_by_mime(span_str(track->codecs[0].mime));
    return CODEC_UNKNOWN;
}

static void add(struct codec_choice *choice, enum codec codec, const char *fmtp, const char *answer_fmtp) {
    ASSERT(choice->count < CODECS_SUPPORT_MAX);
    bool video = codec_kind(codec) == CODEC_KIND_VIDEO;
    choice->list[choice->count++] = (struct sdp_codec_support){.codec = codec,
                                                               .fmtp = fmtp,
                                                               .answer_fmtp = answer_fmtp,
                                                               .feedback = video ? VIDEO_FEEDBACK : AUDIO_FEEDBACK,
                                                               .rtx = video};
}

/* Rows of this kind, those of `first` before the others. */
static void add_rows(struct codec_choice *choice, const struct pc *pc, enum sdp_kind kind, enum codec first) {
    bool telephony = pc->peer->kind == PEER_WHIP || pc->peer->kind == PEER_WHEP;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            const struct codec_row *row = &rows[i];
            if (row_is_video(row) != (kind == SDP_VIDEO) || (row->codec == first) != (pass == 0))
                continue;
            if ((row->codec == CODEC_PCMU || row->codec == CODEC_PCMA) && !telephony)
                continue;
            add(choice, row->codec, row->codec == CODEC_RED ? NULL : row->fmtp,
                row->codec == CODEC_OPUS ? codecs_opus_fmtp(pc) : NULL);
        }
    }
}

struct codec_choice codecs_for_publish(const struct pc *pc, enum sdp_kind kind, const struct track *track) {
    struct codec_choice choice = {.only_first = pc->firefox && kind == SDP_VIDEO};
    enum codec first = track != NULL ? codecs_of_track(track) : CODEC_UNKNOWN;
    /* RED is taken where it is the only thing that fits, but not asked for: it cannot be unpacked for those without it
     */
    add_rows(&choice, pc, kind, first == CODEC_RED ? CODEC_OPUS : first);
    return choice;
}

struct codec_choice codecs_for_subscribe(const struct pc *pc, enum sdp_kind kind, const struct track *track) {
    struct codec_choice choice = {0};
    /* a format of the track is matched in its own flavour before the general rows */
    for (uint32_t i = 0; i < 2 && track != NULL && i < track->formats_count; i++) {
        const struct room_format *format = &track->formats[i];
        if (format->codec == CODEC_H264)
            add(&choice, format->codec, format->fmtp, NULL);
    }
    add_rows(&choice, pc, kind, track != NULL && track->formats_count > 0 ? track->formats[0].codec : CODEC_UNKNOWN);
    return choice;
}

/* ---- our own offers ---------------------------------------------------------------------------------------------- */

static const struct codec_row *row_for(const struct room_format *format) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sdp_format as_format = {.codec = format->codec, .fmtp = span_str(format->fmtp)};
        struct sdp_codec_support own = {.codec = rows[i].codec,
                                        .fmtp = rows[i].codec == CODEC_RED ? NULL : rows[i].fmtp};
        if (sdp_format_match(&as_format, &own, 1) == 0)
            return &rows[i];
    }
    return NULL;
}

void codecs_offer_choose(const struct track *track, struct engine_codec_map maps[ENGINE_SOURCE_CODECS_MAX]) {
    uint32_t count = 0;
    memset(maps, 0, ENGINE_SOURCE_CODECS_MAX * sizeof *maps);
    for (uint32_t i = 0; i < track->formats_count && count < ENGINE_SOURCE_CODECS_MAX; i++) {
        const struct codec_row *row = row_for(&track->formats[i]);
        if (row != NULL)
            maps[count++] = (struct engine_codec_map){row->codec, row->pt, row->rtx_pt, true};
    }
}

void codecs_offer_write(struct sdp *sdp, struct sdp_section *section, const struct pc *pc,
                        const struct engine_codec_map maps[ENGINE_SOURCE_CODECS_MAX]) {
    for (uint32_t i = 0; i < ENGINE_SOURCE_CODECS_MAX && maps[i].codec != CODEC_UNKNOWN; i++) {
        const struct codec_row *row = NULL;
        for (size_t k = 0; k < ARRAY_LEN(rows) && row == NULL; k++)
            row = rows[k].pt == maps[i].pt && rows[k].codec == maps[i].codec ? &rows[k] : NULL;
        ASSERT(row != NULL);
        struct sdp_format *format = sdp_add_format(sdp, section);
        if (format == NULL)
            return;
        bool video = row_is_video(row);
        format->pt = row->pt;
        format->codec = row->codec;
        format->clock_hz = codec_clock_hz(row->codec);
        format->channels = codec_channels(row->codec);
        format->fmtp = span_str(row->codec == CODEC_OPUS ? codecs_opus_fmtp(pc) : row->fmtp != NULL ? row->fmtp : "");
        format->feedback = video ? VIDEO_FEEDBACK & ~(uint32_t)SDP_FB_REMB : AUDIO_FEEDBACK;
        struct sdp_format *rtx = row->rtx_pt != 0 ? sdp_add_format(sdp, section) : NULL;
        if (rtx == NULL)
            continue;
        rtx->pt = row->rtx_pt;
        rtx->codec = CODEC_RTX;
        rtx->clock_hz = 90000;
        rtx->fmtp = sdp_format_text(sdp, "apt=%u", row->pt);
    }
}

struct engine_codec_map codecs_map_format(const struct sdp_section *section, const struct sdp_format *format) {
    const struct sdp_format *rtx = sdp_rtx_of(section, format->pt);
    return (struct engine_codec_map){.codec = format->codec,
                                     .pt = format->pt,
                                     .rtx_pt = rtx != NULL ? rtx->pt : 0,
                                     .nack = (format->feedback & SDP_FB_NACK) != 0};
}

bool codecs_map_track(const struct sdp_section *section, const struct track *track,
                      struct engine_codec_map maps[ENGINE_SOURCE_CODECS_MAX]) {
    uint32_t count = 0;
    bool current = false;
    enum codec now = codec_by_mime(span_str(track->mime));
    memset(maps, 0, ENGINE_SOURCE_CODECS_MAX * sizeof *maps);
    for (uint32_t i = 0; i < track->formats_count && count < ENGINE_SOURCE_CODECS_MAX; i++) {
        const struct room_format *format = &track->formats[i];
        struct sdp_codec_support own = {.codec = format->codec,
                                        .fmtp = format->codec == CODEC_RED ? NULL : format->fmtp};
        for (uint16_t k = 0; k < section->format_count; k++) {
            if (sdp_format_match(&section->formats[k], &own, 1) != 0)
                continue;
            maps[count++] = codecs_map_format(section, &section->formats[k]);
            current = current || format->codec == now;
            break;
        }
    }
    return count > 0 && (current || now == CODEC_UNKNOWN);
}

/* ---- header extensions ------------------------------------------------------------------------------------------- */

#define URI_MID "urn:ietf:params:rtp-hdrext:sdes:mid"
#define URI_RID "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
#define URI_REPAIRED_RID "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
#define URI_AUDIO_LEVEL "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
#define URI_TRANSPORT_CC "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define URI_ABS_SEND_TIME "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
#define URI_ORIENTATION "urn:3gpp:video-orientation"
#define URI_PLAYOUT_DELAY "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
#define URI_DEPENDENCY "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
#define URI_CAPTURE_TIME "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"

const char *const *codecs_extensions(bool publish, enum sdp_kind kind, size_t *count) {
    static const char *const publish_audio[] = {URI_MID, URI_AUDIO_LEVEL, URI_TRANSPORT_CC, URI_ABS_SEND_TIME,
                                                URI_CAPTURE_TIME};
    static const char *const publish_video[] = {URI_MID,           URI_RID,           URI_REPAIRED_RID,
                                                URI_TRANSPORT_CC,  URI_ABS_SEND_TIME, URI_ORIENTATION,
                                                URI_PLAYOUT_DELAY, URI_DEPENDENCY,    URI_CAPTURE_TIME};
    static const char *const send_audio[] = {URI_MID, URI_TRANSPORT_CC, URI_ABS_SEND_TIME, URI_CAPTURE_TIME};
    static const char *const send_video[] = {URI_MID,           URI_TRANSPORT_CC, URI_ABS_SEND_TIME, URI_ORIENTATION,
                                             URI_PLAYOUT_DELAY, URI_DEPENDENCY,   URI_CAPTURE_TIME};
    if (kind == SDP_AUDIO) {
        *count = publish ? ARRAY_LEN(publish_audio) : ARRAY_LEN(send_audio);
        return publish ? publish_audio : send_audio;
    }
    *count = publish ? ARRAY_LEN(publish_video) : ARRAY_LEN(send_video);
    return publish ? publish_video : send_video;
}

void codecs_offer_extensions(struct sdp *sdp, struct sdp_section *section) {
    /* one id for an extension in every section, so both kinds number by the longer list */
    size_t ids_count, count;
    const char *const *ids = codecs_extensions(false, SDP_VIDEO, &ids_count);
    const char *const *uris = codecs_extensions(false, section->kind, &count);
    for (size_t i = 0; i < count; i++) {
        struct sdp_extmap *extmap = sdp_add_extmap(sdp, section);
        if (extmap == NULL)
            return;
        extmap->uri = span_str(uris[i]);
        for (size_t k = 0; k < ids_count; k++) {
            if (strcmp(ids[k], uris[i]) == 0)
                extmap->id = (uint8_t)(k + 1);
        }
        ASSERT(extmap->id != 0);
    }
}
