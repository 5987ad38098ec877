/* The writer of sdp.h. Lines in the order in which browsers write them. */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "protocol/sdp.h"

static const char *const direction_names[] = {"inactive", "sendonly", "recvonly", "sendrecv"};

/* A text of the model. A line break in it would let its author add lines of his own. */
static void put_text(struct writer *w, struct span text) {
    for (size_t i = 0; i < text.len; i++)
        ASSERT(text.data[i] != '\r' && text.data[i] != '\n' && text.data[i] != 0);
    wr_span(w, text);
}

static void put_line(struct writer *w, const char *head, struct span text) {
    wr_str(w, head);
    put_text(w, text);
    wr_str(w, "\r\n");
}

static void put_session(const struct sdp *sdp, struct writer *w) {
    bool any_bundled = false;
    wr_str(w, "v=0\r\n");
    wr_fmt(w, "o=- %" PRIu64 " %" PRIu64 " IN IP4 127.0.0.1\r\n", sdp->session_id, sdp->session_version);
    put_line(w, "s=", sdp->session_name.len > 0 ? sdp->session_name : span_str("-"));
    wr_str(w, "t=0 0\r\n");
    for (uint16_t i = 0; i < sdp->section_count; i++) {
        const struct sdp_section *section = sdp->sections[i];
        if (!section->bundled || section->mid.len == 0)
            continue;
        wr_str(w, any_bundled ? " " : "a=group:BUNDLE ");
        put_text(w, section->mid);
        any_bundled = true;
    }
    if (any_bundled)
        wr_str(w, "\r\n");
    if (sdp->extmap_allow_mixed)
        wr_str(w, "a=extmap-allow-mixed\r\n");
    if (sdp->ice_lite)
        wr_str(w, "a=ice-lite\r\n");
    if (sdp->msid_semantic)
        wr_str(w, "a=msid-semantic: WMS *\r\n");
}

static void put_media_line(const struct sdp_section *section, struct writer *w) {
    static const char *const kinds[] = {
        [SDP_AUDIO] = "audio", [SDP_VIDEO] = "video", [SDP_APPLICATION] = "application"};
    wr_str(w, "m=");
    if (section->kind == SDP_OTHER)
        put_text(w, section->kind_text);
    else
        wr_str(w, kinds[section->kind]);
    wr_fmt(w, " %u ", section->port);
    put_text(w, section->protocol);
    if (section->kind == SDP_AUDIO || section->kind == SDP_VIDEO) {
        for (uint16_t i = 0; i < section->format_count; i++)
            wr_fmt(w, " %u", section->formats[i].pt);
    } else {
        wr_str(w, " ");
        put_text(w, section->app_format);
    }
    /* the address is found by ICE (RFC 9429 section 5.2.1 wants this line all the same) */
    wr_str(w, "\r\nc=IN IP4 0.0.0.0\r\n");
}

static void put_transport(const struct sdp_section *section, struct writer *w) {
    static const char *const setups[] = {[SDP_SETUP_ACTPASS] = "a=setup:actpass\r\n",
                                         [SDP_SETUP_ACTIVE] = "a=setup:active\r\n",
                                         [SDP_SETUP_PASSIVE] = "a=setup:passive\r\n",
                                         [SDP_SETUP_HOLDCONN] = "a=setup:holdconn\r\n"};
    const struct sdp_transport *t = &section->transport;
    for (uint16_t i = 0; i < section->candidate_count; i++)
        put_line(w, "a=", section->candidates[i]);
    if (section->end_of_candidates)
        wr_str(w, "a=end-of-candidates\r\n");
    if (t->ice_ufrag.len > 0)
        put_line(w, "a=ice-ufrag:", t->ice_ufrag);
    if (t->ice_pwd.len > 0)
        put_line(w, "a=ice-pwd:", t->ice_pwd);
    if (t->ice_options.len > 0)
        put_line(w, "a=ice-options:", t->ice_options);
    for (uint8_t i = 0; i < t->fingerprint_count; i++) {
        wr_str(w, "a=fingerprint:");
        put_text(w, t->fingerprints[i].algorithm);
        put_line(w, " ", t->fingerprints[i].value);
    }
    if (t->setup != SDP_SETUP_NONE)
        wr_str(w, setups[t->setup]);
}

static void put_extmaps(const struct sdp_section *section, struct writer *w) {
    for (uint16_t i = 0; i < section->extmap_count; i++) {
        const struct sdp_extmap *extmap = &section->extmaps[i];
        wr_fmt(w, "a=extmap:%u", extmap->id);
        if (extmap->direction != SDP_SENDRECV)
            wr_fmt(w, "/%s", direction_names[extmap->direction]);
        wr_str(w, " ");
        put_text(w, extmap->uri);
        if (extmap->attributes.len > 0) {
            wr_str(w, " ");
            put_text(w, extmap->attributes);
        }
        wr_str(w, "\r\n");
    }
}

static void put_feedback(const struct sdp_format *format, struct writer *w) {
    static const struct {
        uint32_t bit;
        const char *text;
    } known[] = {{SDP_FB_REMB, "goog-remb"}, {SDP_FB_TRANSPORT_CC, "transport-cc"}, {SDP_FB_CCM_FIR, "ccm fir"},
                 {SDP_FB_NACK, "nack"},      {SDP_FB_NACK_PLI, "nack pli"},         {SDP_FB_RRTR, "rrtr"}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if ((format->feedback & known[i].bit) != 0)
            wr_fmt(w, "a=rtcp-fb:%u %s\r\n", format->pt, known[i].text);
    }
    for (uint8_t i = 0; i < format->feedback_other_count; i++) {
        wr_fmt(w, "a=rtcp-fb:%u", format->pt);
        put_line(w, " ", format->feedback_other[i]);
    }
}

static void put_formats(const struct sdp_section *section, struct writer *w) {
    for (uint16_t i = 0; i < section->format_count; i++) {
        const struct sdp_format *format = &section->formats[i];
        struct span name = format->name.len > 0 ? format->name : span_str(codec_name(format->codec));
        if (name.len > 0) {
            uint32_t clock_hz = format->clock_hz > 0 ? format->clock_hz : codec_clock_hz(format->codec);
            wr_fmt(w, "a=rtpmap:%u ", format->pt);
            put_text(w, name);
            wr_fmt(w, "/%" PRIu32, clock_hz);
            if (format->channels > 1)
                wr_fmt(w, "/%u", format->channels);
            wr_str(w, "\r\n");
        }
        put_feedback(format, w);
        if (format->fmtp.len > 0) {
            wr_fmt(w, "a=fmtp:%u", format->pt);
            put_line(w, " ", format->fmtp);
        }
    }
}

/* "send a;b,~c": the entries of one direction are in the order of their streams. */
static void put_simulcast_list(const struct sdp_section *section, enum sdp_direction direction, struct writer *w) {
    const struct sdp_simulcast *last = NULL;
    for (uint16_t i = 0; i < section->simulcast_count; i++) {
        const struct sdp_simulcast *entry = &section->simulcast[i];
        if (entry->direction != direction)
            continue;
        if (last == NULL)
            wr_str(w, direction == SDP_SENDONLY ? "send " : "recv ");
        else
            wr_str(w, last->stream == entry->stream ? "," : ";");
        if (entry->paused)
            wr_str(w, "~");
        put_text(w, entry->rid);
        last = entry;
    }
}

static void put_simulcast(const struct sdp_section *section, struct writer *w) {
    bool sends = false, receives = false;
    for (uint16_t i = 0; i < section->rid_count; i++) {
        const struct sdp_rid *rid = &section->rids[i];
        wr_str(w, "a=rid:");
        put_text(w, rid->id);
        wr_str(w, rid->direction == SDP_SENDONLY ? " send" : " recv");
        if (rid->restrictions.len > 0) {
            wr_str(w, " ");
            put_text(w, rid->restrictions);
        }
        wr_str(w, "\r\n");
    }
    for (uint16_t i = 0; i < section->simulcast_count; i++) {
        sends |= section->simulcast[i].direction == SDP_SENDONLY;
        receives |= section->simulcast[i].direction == SDP_RECVONLY;
    }
    if (!sends && !receives)
        return;
    wr_str(w, "a=simulcast:");
    put_simulcast_list(section, SDP_SENDONLY, w);
    if (sends && receives)
        wr_str(w, " ");
    put_simulcast_list(section, SDP_RECVONLY, w);
    wr_str(w, "\r\n");
}

static void put_msid(struct span head, const struct sdp_msid *msid, struct writer *w) {
    wr_span(w, head);
    put_text(w, msid->stream);
    if (msid->track.len > 0) {
        wr_str(w, " ");
        put_text(w, msid->track);
    }
    wr_str(w, "\r\n");
}

static void put_ssrcs(const struct sdp_section *section, struct writer *w) {
    static const char *const names[] = {[SDP_SSRC_FID] = "FID", [SDP_SSRC_SIM] = "SIM", [SDP_SSRC_FEC_FR] = "FEC-FR"};
    for (uint16_t i = 0; i < section->ssrc_group_count; i++) {
        const struct sdp_ssrc_group *group = &section->ssrc_groups[i];
        wr_str(w, "a=ssrc-group:");
        if (group->semantics == SDP_SSRC_OTHER)
            put_text(w, group->semantics_text);
        else
            wr_str(w, names[group->semantics]);
        for (uint8_t k = 0; k < group->count; k++)
            wr_fmt(w, " %" PRIu32, group->ssrcs[k]);
        wr_str(w, "\r\n");
    }
    for (uint16_t i = 0; i < section->ssrc_count; i++) {
        const struct sdp_ssrc *ssrc = &section->ssrcs[i];
        if (ssrc->cname.len > 0 || ssrc->msid.stream.len == 0) {
            wr_fmt(w, "a=ssrc:%" PRIu32, ssrc->ssrc);
            put_line(w, ssrc->cname.len > 0 ? " cname:" : "", ssrc->cname);
        }
        if (ssrc->msid.stream.len > 0) {
            wr_fmt(w, "a=ssrc:%" PRIu32 " ", ssrc->ssrc);
            put_msid(span_str("msid:"), &ssrc->msid, w);
        }
    }
}

static void put_section(const struct sdp_section *section, struct writer *w) {
    bool media = section->kind == SDP_AUDIO || section->kind == SDP_VIDEO;
    put_media_line(section, w);
    if (section->bundle_only)
        wr_str(w, "a=bundle-only\r\n");
    put_transport(section, w);
    if (section->mid.len > 0)
        put_line(w, "a=mid:", section->mid);
    if (section->extmap_allow_mixed)
        wr_str(w, "a=extmap-allow-mixed\r\n");
    put_extmaps(section, w);
    if (section->kind != SDP_APPLICATION)
        wr_fmt(w, "a=%s\r\n", direction_names[section->direction & 3]);
    for (uint16_t i = 0; i < section->msid_count; i++)
        put_msid(span_str("a=msid:"), &section->msids[i], w);
    if (section->rtcp_mux)
        wr_str(w, "a=rtcp-mux\r\n");
    if (section->rtcp_rsize)
        wr_str(w, "a=rtcp-rsize\r\n");
    if (media) {
        put_formats(section, w);
        put_simulcast(section, w);
        put_ssrcs(section, w);
    }
    if (section->kind == SDP_APPLICATION) {
        if (section->sctp_port > 0)
            wr_fmt(w, "a=sctp-port:%u\r\n", section->sctp_port);
        if (section->has_max_message_size)
            wr_fmt(w, "a=max-message-size:%" PRIu64 "\r\n", section->max_message_size);
    }
}

bool sdp_write(const struct sdp *sdp, struct writer *w) {
    if (sdp->failed)
        return false;
    put_session(sdp, w);
    for (uint16_t i = 0; i < sdp->section_count; i++)
        put_section(sdp->sections[i], w);
    return writer_ok(w);
}

/* Longest fixed part of any line and its numbers. */
#define LINE_LEN_MAX 80

static size_t format_len_max(const struct sdp_format *format) {
    size_t len = format->name.len + format->fmtp.len + 8 * LINE_LEN_MAX;
    for (uint8_t i = 0; i < format->feedback_other_count; i++)
        len += LINE_LEN_MAX + format->feedback_other[i].len;
    return len;
}

static size_t section_len_max(const struct sdp_section *s) {
    const struct sdp_transport *t = &s->transport;
    size_t len = 16 * LINE_LEN_MAX + 2 * s->mid.len + s->kind_text.len + s->protocol.len + s->app_format.len +
                 t->ice_ufrag.len + t->ice_pwd.len + t->ice_options.len;
    for (uint8_t i = 0; i < t->fingerprint_count; i++)
        len += LINE_LEN_MAX + t->fingerprints[i].algorithm.len + t->fingerprints[i].value.len;
    for (uint16_t i = 0; i < s->format_count; i++)
        len += format_len_max(&s->formats[i]);
    for (uint16_t i = 0; i < s->extmap_count; i++)
        len += LINE_LEN_MAX + s->extmaps[i].uri.len + s->extmaps[i].attributes.len;
    for (uint16_t i = 0; i < s->rid_count; i++)
        len += LINE_LEN_MAX + s->rids[i].id.len + s->rids[i].restrictions.len;
    for (uint16_t i = 0; i < s->simulcast_count; i++)
        len += 8 + s->simulcast[i].rid.len;
    for (uint16_t i = 0; i < s->msid_count; i++)
        len += LINE_LEN_MAX + s->msids[i].stream.len + s->msids[i].track.len;
    for (uint16_t i = 0; i < s->ssrc_count; i++)
        len += 2 * LINE_LEN_MAX + s->ssrcs[i].cname.len + s->ssrcs[i].msid.stream.len + s->ssrcs[i].msid.track.len;
    for (uint16_t i = 0; i < s->ssrc_group_count; i++)
        len += 2 * LINE_LEN_MAX + s->ssrc_groups[i].semantics_text.len;
    for (uint16_t i = 0; i < s->candidate_count; i++)
        len += LINE_LEN_MAX + s->candidates[i].len;
    return len;
}

size_t sdp_write_len_max(const struct sdp *sdp) {
    size_t len = 8 * LINE_LEN_MAX + sdp->session_name.len;
    for (uint16_t i = 0; i < sdp->section_count; i++)
        len += section_len_max(sdp->sections[i]);
    return len;
}
