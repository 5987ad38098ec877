/* Descriptions: our offers (publisher, or the only connection), and answers to the server's. Policy and reading are our
 * own, only the text form is protocol/sdp's. */
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

#define OPUS_PT 111
#define VP8_PT 96
#define VP8_RTX_PT 97
#define SECTIONS_FIRST 3

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static void add_format(struct sdp *sdp, struct sdp_section *section, uint8_t pt, enum codec codec, const char *fmtp,
                       uint32_t feedback) {
    struct sdp_format *format = sdp_add_format(sdp, section);
    if (format == NULL)
        return;
    format->pt = pt;
    format->codec = codec;
    format->clock_hz = codec == CODEC_RTX ? 90000 : codec_clock_hz(codec);
    format->channels = codec_channels(codec);
    format->fmtp = span_str(fmtp);
    format->feedback = feedback;
}

static void add_formats(struct sdp *sdp, struct sdp_section *section) {
    if (section->kind == SDP_AUDIO) {
        add_format(sdp, section, OPUS_PT, CODEC_OPUS, "minptime=10;useinbandfec=1", SDP_FB_TRANSPORT_CC);
        return;
    }
    add_format(sdp, section, VP8_PT, CODEC_VP8, "",
               SDP_FB_REMB | SDP_FB_TRANSPORT_CC | SDP_FB_CCM_FIR | SDP_FB_NACK | SDP_FB_NACK_PLI);
    add_format(sdp, section, VP8_RTX_PT, CODEC_RTX, "apt=96", 0);
}

static void add_extensions(struct sdp *sdp, struct sdp_section *section) {
    static const struct {
        enum rtp_ext_kind kind;
        uint8_t id;
        bool audio, video;
    } offered[] = {{RTP_EXT_AUDIO_LEVEL, 1, true, false},  {RTP_EXT_ABS_SEND_TIME, 2, true, true},
                   {RTP_EXT_TRANSPORT_SEQ, 3, true, true}, {RTP_EXT_MID, 4, true, true},
                   {RTP_EXT_RID, 10, false, true},         {RTP_EXT_REPAIRED_RID, 11, false, true}};
    for (size_t i = 0; i < ARRAY_LEN(offered); i++) {
        if (!(section->kind == SDP_AUDIO ? offered[i].audio : offered[i].video))
            continue;
        struct sdp_extmap *extmap = sdp_add_extmap(sdp, section);
        if (extmap != NULL) {
            extmap->id = offered[i].id;
            extmap->uri = span_str(rtp_ext_uri(offered[i].kind));
        }
    }
}

static void describe_transport(const struct participant *p, const struct link *link, struct sdp_section *section,
                               enum sdp_setup setup) {
    section->transport.ice_ufrag = span_str(link->ice.local_ufrag);
    section->transport.ice_pwd = span_str(link->ice.local_pwd);
    section->transport.ice_options = span_str("trickle");
    section->transport.setup = setup;
    (void)sdp_add_fingerprint(section, span_str("sha-256"), span_str(dtls_context_fingerprint_text(p->dtls)));
}

static void describe_publication(struct sdp *sdp, struct sdp_section *section, const struct publication *publication) {
    static const char *const rids[] = {"q", "h", "f"};
    struct sdp_msid *msid = sdp_add_msid(sdp, section);
    if (msid != NULL)
        *msid = (struct sdp_msid){span_str("stream"), span_str(publication->cid)};
    uint32_t layers = publication_layers(publication);
    ASSERT(layers <= PARTICIPANT_LAYERS_MAX);
    for (uint32_t i = 0; layers > 1 && i < layers; i++) {
        struct sdp_rid *rid = sdp_add_rid(sdp, section);
        struct sdp_simulcast *entry = sdp_add_simulcast(sdp, section);
        if (rid == NULL || entry == NULL)
            return;
        *rid = (struct sdp_rid){.id = span_str(rids[i]), .direction = SDP_SENDONLY};
        *entry = (struct sdp_simulcast){.direction = SDP_SENDONLY, .stream = (uint8_t)i, .rid = span_str(rids[i])};
    }
    if (layers > 1)
        return;
    const struct layer *layer = &publication->layers[0];
    struct sdp_ssrc *ssrc = sdp_add_ssrc(sdp, section);
    if (ssrc != NULL)
        *ssrc = (struct sdp_ssrc){.ssrc = layer->ssrc, .cname = span_str("conclave")};
    if (!publication->what.video)
        return;
    struct sdp_ssrc *rtx = sdp_add_ssrc(sdp, section);
    struct sdp_ssrc_group *group = sdp_add_ssrc_group(sdp, section);
    if (rtx == NULL || group == NULL)
        return;
    *rtx = (struct sdp_ssrc){.ssrc = layer->rtx_ssrc, .cname = span_str("conclave")};
    *group = (struct sdp_ssrc_group){.semantics = SDP_SSRC_FID, .count = 2, .ssrcs = {layer->ssrc, layer->rtx_ssrc}};
}

static void describe_channels(struct sdp_section *section) {
    section->sctp_port = SCTP_PORT;
    section->has_max_message_size = true;
    section->max_message_size = SCTP_MESSAGE_BYTES;
}

static char *text_of(const struct sdp *sdp) {
    size_t size = sdp_write_len_max(sdp);
    char *text = sdp->failed ? NULL : malloc(size + 1);
    if (text == NULL)
        return NULL;
    struct writer w = writer_of(text, size);
    if (!sdp_write(sdp, &w)) {
        free(text);
        return NULL;
    }
    text[w.len] = 0;
    return text;
}

/* ---- offers ----------------------------------------------------------------------------------------------------- */

static uint32_t section_add(struct link *link, enum sdp_kind kind, bool receives) {
    if (link->sections_count == SECTIONS_MAX)
        return NONE;
    struct section *section = &link->sections[link->sections_count];
    *section = (struct section){.kind = kind, .publication = NONE, .receives = receives};
    struct writer w = writer_of(section->mid, sizeof section->mid - 1);
    wr_fmt(&w, "%u", link->sections_count);
    return link->sections_count++;
}

void sections_add_initial(struct participant *p, struct link *link) {
    (void)p;
    for (int i = 0; i < SECTIONS_FIRST; i++)
        (void)section_add(link, SDP_AUDIO, true);
    for (int i = 0; i < SECTIONS_FIRST; i++)
        (void)section_add(link, SDP_VIDEO, true);
}

static void assign_sections(struct participant *p, struct link *link) {
    bool application = false;
    for (uint32_t i = 0; i < link->sections_count; i++)
        application = application || link->sections[i].kind == SDP_APPLICATION;
    if (!application)
        (void)section_add(link, SDP_APPLICATION, false);
    for (uint32_t i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
        struct publication *publication = &p->publications[i];
        if (publication->number == 0 || !publication->announced || publication->section != NONE)
            continue;
        publication->section = section_add(link, publication->what.video ? SDP_VIDEO : SDP_AUDIO, false);
        if (publication->section != NONE)
            link->sections[publication->section].publication = i;
    }
}

char *negotiate_offer(struct participant *p, struct link *link) {
    assign_sections(p, link);
    struct sdp sdp;
    sdp_init(&sdp);
    sdp.session_id = link->sdp_id;
    sdp.session_version = ++link->sdp_version;
    sdp.extmap_allow_mixed = true;
    sdp.msid_semantic = true;
    for (uint32_t i = 0; i < link->sections_count; i++) {
        const struct section *section = &link->sections[i];
        struct sdp_section *out = sdp_add_section(&sdp, section->kind, span_str(section->mid));
        if (out == NULL)
            break;
        describe_transport(p, link, out, SDP_SETUP_ACTPASS);
        if (section->kind == SDP_APPLICATION) {
            describe_channels(out);
            continue;
        }
        add_formats(&sdp, out);
        add_extensions(&sdp, out);
        out->direction = section->receives ? SDP_RECVONLY : section->publication != NONE ? SDP_SENDONLY : SDP_INACTIVE;
        if (section->publication != NONE)
            describe_publication(&sdp, out, &p->publications[section->publication]);
    }
    char *text = text_of(&sdp);
    sdp_free(&sdp);
    return text;
}

void negotiate(struct participant *p) {
    struct link *link = &p->links[0];
    link->needed = true;
    bool signalling = p->state == SESSION_JOINED || p->state == SESSION_SETTLING;
    if (!signalling || link->in_flight || !link->open)
        return;
    char *text = negotiate_offer(p, link);
    if (text == NULL)
        return;
    link->needed = false;
    link->in_flight = true;
    link->offer_id++;
    free(link->offer_text);
    link->offer_text = text;
    message_send_description(p, true, text, link->offer_id);
}

void negotiate_requirement(struct participant *p, uint32_t audios, uint32_t videos) {
    if (!p->config.single_connection)
        return;
    struct link *link = &p->links[0];
    for (uint32_t i = 0; i < audios; i++)
        (void)section_add(link, SDP_AUDIO, true);
    for (uint32_t i = 0; i < videos; i++)
        (void)section_add(link, SDP_VIDEO, true);
    negotiate(p);
}

/* ---- what the other side sends ---------------------------------------------------------------------------------- */

static void read_extensions(struct link *link, const struct sdp_section *section) {
    for (uint16_t i = 0; i < section->extmap_count; i++) {
        enum rtp_ext_kind kind = rtp_ext_kind_of(section->extmaps[i].uri);
        if (kind != RTP_EXT_NONE)
            (void)rtp_ext_map_set(&link->ext, kind, section->extmaps[i].id);
    }
    for (uint16_t i = 0; i < section->format_count; i++)
        link->transport_wide = link->transport_wide || (section->formats[i].feedback & SDP_FB_TRANSPORT_CC) != 0;
}

/* The stream that a section announces; false when it announces none that we can take. */
static bool read_stream(const struct link *link, const struct sdp_section *section, struct stream *out) {
    *out = (struct stream){.link = link->index};
    out->view.video = section->kind == SDP_VIDEO;
    if (sdp_rejected(section) || (section->direction & SDP_SENDONLY) == 0 || section->ssrc_count == 0 ||
        section->msid_count == 0 || !span_to_str(section->mid, out->mid, sizeof out->mid))
        return false;
    struct span stream = section->msids[0].stream, publisher;
    struct reader r = reader_of_span(stream);
    if (!rd_token(&r, '|', &publisher) ||
        !span_to_str(publisher, out->view.publisher_sid, sizeof out->view.publisher_sid) ||
        !span_to_str(section->msids[0].track, out->view.track_sid, sizeof out->view.track_sid))
        return false;
    enum codec wanted = out->view.video ? CODEC_VP8 : CODEC_OPUS;
    const struct sdp_format *format = NULL;
    for (uint16_t i = 0; i < section->format_count && format == NULL; i++)
        format = section->formats[i].codec == wanted ? &section->formats[i] : NULL;
    if (format == NULL)
        return false;
    const struct sdp_format *rtx = sdp_rtx_of(section, format->pt);
    out->pt = format->pt;
    out->ssrc = section->ssrcs[0].ssrc;
    out->rtx_ssrc = sdp_rtx_ssrc_of(section, out->ssrc);
    out->rtx_pt = rtx != NULL && out->rtx_ssrc != 0 && (format->feedback & SDP_FB_NACK) != 0 ? rtx->pt : 0;
    return true;
}

static struct stream *stream_like(struct participant *p, const struct stream *like) {
    for (uint32_t i = 0; i < p->config.streams_max; i++) {
        struct stream *stream = &p->streams[i];
        if (stream->used && stream->link == like->link && stream->ssrc == like->ssrc &&
            strcmp(stream->mid, like->mid) == 0 && strcmp(stream->view.track_sid, like->view.track_sid) == 0)
            return stream;
    }
    return NULL;
}

/* Streams that are no longer announced end, new ones begin. */
static void read_streams(struct participant *p, struct link *link, const struct sdp *sdp) {
    struct stream *wanted = malloc(sizeof *wanted); /* too large for a stack */
    if (wanted == NULL)
        return;
    for (uint32_t i = 0; i < p->config.streams_max; i++)
        p->streams[i].keep = false;
    for (uint16_t i = 0; i < sdp->section_count; i++) {
        struct stream *known = read_stream(link, sdp->sections[i], wanted) ? stream_like(p, wanted) : NULL;
        if (known != NULL)
            known->keep = true;
    }
    for (uint32_t i = 0; i < p->config.streams_max; i++) {
        if (p->streams[i].used && !p->streams[i].keep && p->streams[i].link == link->index)
            stream_close(p, &p->streams[i]);
    }
    for (uint16_t i = 0; i < sdp->section_count; i++) {
        if (read_stream(link, sdp->sections[i], wanted) && stream_like(p, wanted) == NULL &&
            stream_open(p, wanted) == NULL)
            p->counters.signal_bad++;
    }
    free(wanted);
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static void accept_publication(struct participant *p, const struct sdp_section *answered,
                               struct publication *publication) {
    publication->sending = false;
    if (sdp_rejected(answered) || (answered->direction & SDP_RECVONLY) == 0)
        return;
    enum codec wanted = publication->what.video ? CODEC_VP8 : CODEC_OPUS;
    const struct sdp_format *format = answered->format_count > 0 ? &answered->formats[0] : NULL;
    if (format == NULL || format->codec != wanted) {
        p->counters.signal_bad++;
        return;
    }
    const struct sdp_format *rtx = sdp_rtx_of(answered, format->pt);
    publication->pt = format->pt;
    publication->rtx_pt = rtx != NULL ? rtx->pt : 0;
    publication->sending = true;
}

static void check_map(struct participant *p, const Livekit__SessionDescription *answer,
                      const struct sdp_section *section) {
    struct span sid = section->msid_count > 0 ? section->msids[0].track : span_of(NULL, 0);
    for (size_t i = 0; i < answer->n_mid_to_track_id; i++) {
        if (span_equal_str(section->mid, answer->mid_to_track_id[i]->key)) {
            if (!span_equal_str(sid, answer->mid_to_track_id[i]->value))
                p->counters.signal_bad++;
            return;
        }
    }
    p->counters.signal_bad++; /* native clients find the track by this map alone */
}

static bool accept_answer(struct participant *p, struct link *link, const Livekit__SessionDescription *message,
                          const struct sdp *answer) {
    if (answer->section_count > link->sections_count || !link_remote(p, link, answer))
        return false;
    for (uint16_t i = 0; i < answer->section_count; i++) {
        const struct sdp_section *answered = answer->sections[i];
        const struct section *section = &link->sections[i];
        if (!span_equal_str(answered->mid, section->mid))
            return false;
        if (section->kind == SDP_APPLICATION) {
            link->agreed_channels = !sdp_rejected(answered);
            continue;
        }
        read_extensions(link, answered);
        if (section->publication != NONE)
            accept_publication(p, answered, &p->publications[section->publication]);
        if (section->receives && (answered->direction & SDP_SENDONLY) != 0 && !sdp_rejected(answered))
            check_map(p, message, answered);
    }
    if (p->config.single_connection)
        read_streams(p, link, answer);
    return true;
}

void negotiate_answer(struct participant *p, const Livekit__SessionDescription *message) {
    struct link *link = &p->links[0];
    if (!link->open || !link->in_flight || (message->id != 0 && message->id != link->offer_id))
        return; /* stale */
    struct sdp answer;
    struct sdp_error error;
    sdp_init(&answer);
    bool accepted = sdp_parse(span_str(message->sdp), &answer, &error) && accept_answer(p, link, message, &answer);
    sdp_free(&answer);
    if (!accepted) {
        p->counters.signal_bad++;
        return;
    }
    link->in_flight = false;
    free(link->answer_text);
    link->answer_text = strdup(message->sdp);
    data_start(p, link);
    link_pump(p, link);
    if (link->needed)
        negotiate(p);
}

static void answer_section(struct participant *p, struct link *link, struct sdp *answer,
                           const struct sdp_section *offered) {
    struct sdp_section *out = sdp_add_section(answer, offered->kind, offered->mid);
    if (out == NULL)
        return;
    if (sdp_rejected(offered)) {
        out->port = 0;
        out->bundled = false;
    }
    describe_transport(p, link, out, SDP_SETUP_ACTIVE);
    if (offered->kind == SDP_APPLICATION) {
        describe_channels(out);
        link->agreed_channels = true;
        return;
    }
    for (uint16_t i = 0; i < offered->format_count; i++) {
        struct sdp_format *format = sdp_add_format(answer, out);
        if (format != NULL)
            *format = offered->formats[i];
    }
    for (uint16_t i = 0; i < offered->extmap_count; i++) {
        struct sdp_extmap *extmap = sdp_add_extmap(answer, out);
        if (extmap != NULL)
            *extmap = offered->extmaps[i];
    }
    out->direction = (offered->direction & SDP_SENDONLY) != 0 ? SDP_RECVONLY : SDP_INACTIVE;
    read_extensions(link, offered);
}

static char *answer_to(struct participant *p, struct link *link, const struct sdp *offer) {
    struct sdp answer;
    sdp_init(&answer);
    answer.session_id = link->sdp_id;
    answer.session_version = ++link->sdp_version;
    answer.extmap_allow_mixed = offer->extmap_allow_mixed;
    answer.msid_semantic = true;
    for (uint16_t i = 0; i < offer->section_count; i++)
        answer_section(p, link, &answer, offer->sections[i]);
    char *text = text_of(&answer);
    sdp_free(&answer);
    return text;
}

void negotiate_remote_offer(struct participant *p, const Livekit__SessionDescription *message) {
    if (p->config.single_connection) {
        p->counters.signal_bad++;
        return;
    }
    struct link *link = &p->links[1];
    if (!link->open)
        link_open(p, 1);
    struct sdp offer;
    struct sdp_error error;
    sdp_init(&offer);
    char *text = NULL;
    if (sdp_parse(span_str(message->sdp), &offer, &error) && link_remote(p, link, &offer)) {
        text = answer_to(p, link, &offer);
        if (text != NULL)
            read_streams(p, link, &offer);
    }
    sdp_free(&offer);
    if (text == NULL) {
        p->counters.signal_bad++;
        return;
    }
    free(link->offer_text);
    free(link->answer_text);
    link->offer_text = strdup(message->sdp);
    link->answer_text = text;
    message_send_description(p, false, text, message->id);
    data_start(p, link);
    link_pump(p, link);
}
