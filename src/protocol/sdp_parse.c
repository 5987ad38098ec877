/* The parser of sdp.h. One pass over the lines; what belongs together across lines (BUNDLE group, session-level
 * attributes handed down) is settled at the end. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "protocol/sdp.h"

struct parser {
    struct sdp *sdp;
    struct sdp_error *error;
    uint32_t line;
    struct sdp_section *section; /* NULL in the session part */
    bool has_direction;          /* of `section` */
    struct sdp_transport session_transport;
    enum sdp_direction session_direction;
    bool has_version;
    bool has_origin;
    bool has_name;
    bool has_bundle;
    struct span bundle;
};

static bool fail(struct parser *p, const char *what) {
    if (p->error->what[0] == 0) {
        p->error->line = p->line;
        (void)snprintf(p->error->what, sizeof p->error->what, "%s", what);
    }
    return false;
}

static bool token(struct reader *r, struct span *out) {
    do {
        if (!rd_token(r, ' ', out))
            return false;
    } while (out->len == 0);
    return true;
}

static bool equal_nocase(struct span a, const char *text) {
    size_t len = strlen(text);
    return a.len == len && strncasecmp((const char *)a.data, text, len) == 0;
}

static struct span rest_trimmed(struct reader *r) {
    struct span rest = rd_rest(r);
    while (rest.len > 0 && rest.data[0] == ' ')
        rest = span_of(rest.data + 1, rest.len - 1);
    while (rest.len > 0 && rest.data[rest.len - 1] == ' ')
        rest.len--;
    return rest;
}

/* RFC 8851 section 10, which the mid's token (RFC 8866 section 9) contains. */
static bool is_name(struct span text, size_t len_max) {
    if (text.len == 0 || text.len > len_max)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_'))
            return false;
    }
    return true;
}

static bool is_token(struct span text, size_t len_max) {
    if (text.len == 0 || text.len > len_max)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c <= 0x20 || c >= 0x7f || memchr("\"(),/:;<=>?@[\\]", c, 15) != NULL)
            return false;
    }
    return true;
}

static struct sdp_transport *transport_of(struct parser *p) {
    return p->section != NULL ? &p->section->transport : &p->session_transport;
}

static bool is_media(const struct sdp_section *section) {
    return section->kind == SDP_AUDIO || section->kind == SDP_VIDEO;
}

/* "<pt> <rest>": the format, or NULL when the m= line does not list it (the line is then read over). */
static bool format_of(struct parser *p, struct reader *r, struct sdp_format **format) {
    struct span text;
    uint64_t pt;
    if (!token(r, &text) || !span_to_u64(text, 127, &pt))
        return fail(p, "a payload type is not a number below 128");
    *format = (struct sdp_format *)(uintptr_t)sdp_format_by_pt(p->section, (uint8_t)pt);
    return true;
}

static bool on_rtpmap(struct parser *p, struct reader r) {
    struct sdp_format *format;
    struct span encoding, name, clock, channels;
    uint64_t clock_hz, channel_count = 0;
    if (!format_of(p, &r, &format))
        return false;
    if (!token(&r, &encoding))
        return fail(p, "an rtpmap without encoding");
    struct reader parts = reader_of_span(encoding);
    if (!rd_token(&parts, '/', &name) || name.len == 0 || !rd_token(&parts, '/', &clock) ||
        !span_to_u64(clock, UINT32_MAX, &clock_hz) || clock_hz == 0)
        return fail(p, "an rtpmap without name and clock rate");
    if (rd_token(&parts, '/', &channels) && !span_to_u64(channels, UINT8_MAX, &channel_count))
        return fail(p, "an rtpmap whose channel count is not a number");
    if (format == NULL)
        return true;
    format->name = name;
    format->codec = codec_by_name(name);
    format->clock_hz = (uint32_t)clock_hz;
    format->channels = (uint8_t)channel_count;
    return true;
}

static bool on_fmtp(struct parser *p, struct reader r) {
    struct sdp_format *format;
    if (!format_of(p, &r, &format))
        return false;
    struct span text = rest_trimmed(&r);
    if (format == NULL || text.len == 0)
        return true;
    if (format->fmtp.len > 0) {
        if (format->fmtp.len + text.len > 1000)
            return fail(p, "the fmtp lines of a payload type are too long together");
        text = sdp_format_text(p->sdp, "%.*s;%.*s", (int)format->fmtp.len, (const char *)format->fmtp.data,
                               (int)text.len, (const char *)text.data);
    }
    format->fmtp = text;
    return true;
}

static void note_feedback(struct sdp_format *format, struct span text) {
    static const struct {
        const char *text;
        uint32_t bit;
    } known[] = {{"nack", SDP_FB_NACK},      {"nack pli", SDP_FB_NACK_PLI},         {"ccm fir", SDP_FB_CCM_FIR},
                 {"goog-remb", SDP_FB_REMB}, {"transport-cc", SDP_FB_TRANSPORT_CC}, {"rrtr", SDP_FB_RRTR}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (span_equal_str(text, known[i].text)) {
            format->feedback |= known[i].bit;
            return;
        }
    }
    if (format->feedback_other_count < SDP_FEEDBACK_OTHER_MAX)
        format->feedback_other[format->feedback_other_count++] = text;
}

static bool on_rtcp_fb(struct parser *p, struct reader r) {
    struct sdp_format *format;
    bool all = rd_peek(&r, 0) == '*';
    if (all)
        rd_skip(&r, 1);
    else if (!format_of(p, &r, &format))
        return false;
    struct span text = rest_trimmed(&r);
    if (text.len == 0)
        return fail(p, "an rtcp-fb without value");
    if (!all && format != NULL)
        note_feedback(format, text);
    for (uint16_t i = 0; all && i < p->section->format_count; i++)
        note_feedback(&p->section->formats[i], text);
    return true;
}

static bool direction_of(struct span text, enum sdp_direction *out) {
    static const char *const names[] = {"inactive", "sendonly", "recvonly", "sendrecv"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (span_equal_str(text, names[i])) {
            *out = (enum sdp_direction)i;
            return true;
        }
    }
    return false;
}

static bool on_extmap(struct parser *p, struct reader r) {
    struct span head, number, direction_text, uri;
    uint64_t id;
    enum sdp_direction direction = SDP_SENDRECV;
    if (!token(&r, &head) || !token(&r, &uri))
        return fail(p, "an extmap without id and URI");
    struct reader parts = reader_of_span(head);
    /* 4096..4351 are placeholders of an offer with too many extensions (RFC 8285 section 7): never in a packet */
    if (!rd_token(&parts, '/', &number) || !span_to_u64(number, 4351, &id) || id == 0 || (id > 255 && id < 4096))
        return fail(p, "an extmap id is out of range");
    if (rd_token(&parts, '/', &direction_text) && !direction_of(direction_text, &direction))
        return fail(p, "an extmap direction is unknown");
    if (id > 255)
        return true;
    for (uint16_t i = 0; i < p->section->extmap_count; i++) {
        if (p->section->extmaps[i].id == id)
            return fail(p, "an extmap id is used twice");
    }
    struct sdp_extmap *extmap = sdp_add_extmap(p->sdp, p->section);
    if (extmap == NULL)
        return fail(p, "too many extmaps");
    extmap->id = (uint8_t)id;
    extmap->direction = direction;
    extmap->uri = uri;
    extmap->attributes = rest_trimmed(&r);
    return true;
}

static bool send_or_recv(struct span text, enum sdp_direction *direction) {
    if (span_equal_str(text, "send"))
        *direction = SDP_SENDONLY;
    else if (span_equal_str(text, "recv"))
        *direction = SDP_RECVONLY;
    else
        return false;
    return true;
}

static bool on_rid(struct parser *p, struct reader r) {
    struct span id, direction_text;
    enum sdp_direction direction;
    if (!token(&r, &id) || !is_name(id, SDP_RID_LEN_MAX))
        return fail(p, "a rid is not a short name");
    if (!token(&r, &direction_text) || !send_or_recv(direction_text, &direction))
        return fail(p, "a rid without send or recv");
    if (sdp_rid_by_id(p->section, id) != NULL)
        return fail(p, "a rid is named twice");
    struct sdp_rid *rid = sdp_add_rid(p->sdp, p->section);
    if (rid == NULL)
        return fail(p, "too many rids");
    *rid = (struct sdp_rid){id, direction, rest_trimmed(&r)};
    return true;
}

static bool simulcast_list(struct parser *p, struct span list, enum sdp_direction direction) {
    struct reader streams = reader_of_span(list);
    struct span stream, rid;
    for (uint8_t n = 0; rd_token(&streams, ';', &stream); n++) {
        struct reader alternatives = reader_of_span(stream);
        if (n == SDP_SIMULCAST_MAX || stream.len == 0)
            return fail(p, "a simulcast list is empty or too long");
        while (rd_token(&alternatives, ',', &rid)) {
            bool paused = rid.len > 0 && rid.data[0] == '~';
            if (paused)
                rid = span_of(rid.data + 1, rid.len - 1);
            if (!is_name(rid, SDP_RID_LEN_MAX))
                return fail(p, "a simulcast list names no rid");
            struct sdp_simulcast *entry = sdp_add_simulcast(p->sdp, p->section);
            if (entry == NULL)
                return fail(p, "too many simulcast streams");
            *entry = (struct sdp_simulcast){direction, n, paused, rid};
        }
    }
    return true;
}

static bool on_simulcast(struct parser *p, struct reader r) {
    struct span word, list;
    enum sdp_direction seen = SDP_INACTIVE, direction;
    /* one line a section (RFC 8853 section 5.1) */
    if (p->section->simulcast_count > 0)
        return fail(p, "a second simulcast line");
    while (token(&r, &word)) {
        if (!send_or_recv(word, &direction) || (seen & direction) != 0 || !token(&r, &list))
            return fail(p, "a simulcast line without send or recv list");
        seen |= direction;
        if (!simulcast_list(p, list, direction))
            return false;
    }
    return seen != SDP_INACTIVE || fail(p, "an empty simulcast line");
}

static bool on_msid(struct parser *p, struct reader r) {
    struct span stream, track = {NULL, 0};
    if (!token(&r, &stream))
        return fail(p, "an empty msid");
    (void)token(&r, &track);
    struct sdp_msid *msid = sdp_add_msid(p->sdp, p->section);
    if (msid == NULL)
        return fail(p, "too many msids");
    *msid = (struct sdp_msid){stream, track};
    return true;
}

static bool on_ssrc(struct parser *p, struct reader r) {
    struct span number, attribute, name;
    uint64_t value;
    if (!token(&r, &number) || !span_to_u64(number, UINT32_MAX, &value))
        return fail(p, "an ssrc is not a 32-bit number");
    struct sdp_ssrc *ssrc = (struct sdp_ssrc *)(uintptr_t)sdp_ssrc_by_number(p->section, (uint32_t)value);
    if (ssrc == NULL) {
        ssrc = sdp_add_ssrc(p->sdp, p->section);
        if (ssrc == NULL)
            return fail(p, "too many ssrcs");
        ssrc->ssrc = (uint32_t)value;
    }
    if (!token(&r, &attribute))
        return true;
    struct reader parts = reader_of_span(attribute);
    if (!rd_token(&parts, ':', &name))
        return true;
    if (span_equal_str(name, "cname"))
        ssrc->cname = rd_rest(&parts);
    if (span_equal_str(name, "msid")) {
        ssrc->msid.stream = rd_rest(&parts);
        ssrc->msid.track = (struct span){NULL, 0};
        if (ssrc->msid.stream.len > 0)
            (void)token(&r, &ssrc->msid.track);
    }
    return true;
}

static bool on_ssrc_group(struct parser *p, struct reader r) {
    struct span semantics, number;
    uint64_t value;
    if (!token(&r, &semantics))
        return fail(p, "an empty ssrc-group");
    struct sdp_ssrc_group *group = sdp_add_ssrc_group(p->sdp, p->section);
    if (group == NULL)
        return fail(p, "too many ssrc-groups");
    if (span_equal_str(semantics, "FID"))
        group->semantics = SDP_SSRC_FID;
    else if (span_equal_str(semantics, "SIM"))
        group->semantics = SDP_SSRC_SIM;
    else if (span_equal_str(semantics, "FEC-FR"))
        group->semantics = SDP_SSRC_FEC_FR;
    else
        group->semantics_text = semantics;
    while (token(&r, &number)) {
        if (group->count == SDP_SSRC_GROUP_MEMBERS_MAX || !span_to_u64(number, UINT32_MAX, &value))
            return fail(p, "an ssrc-group with too many or bad members");
        group->ssrcs[group->count++] = (uint32_t)value;
    }
    return true;
}

static bool on_mid(struct parser *p, struct reader r) {
    struct span mid = rest_trimmed(&r);
    if (!is_token(mid, SDP_MID_LEN_MAX))
        return fail(p, "a mid is not a short token");
    if (p->section->mid.len > 0 || sdp_section_by_mid(p->sdp, mid) != NULL)
        return fail(p, "a mid is named twice");
    p->section->mid = mid;
    return true;
}

static bool on_candidate(struct parser *p, struct reader r) {
    if (r.len == 0)
        return fail(p, "an empty candidate");
    if (p->section->candidate_count == SDP_CANDIDATES_MAX)
        return true;
    struct span *candidate = sdp_add_candidate(p->sdp, p->section);
    if (candidate == NULL)
        return fail(p, "too much memory");
    /* with the attribute's name, as the candidate travels outside of SDP too */
    *candidate = span_of(r.data - strlen("candidate:"), r.len + strlen("candidate:"));
    return true;
}

static bool on_sctp_port(struct parser *p, struct reader r) {
    uint64_t port;
    if (!span_to_u64(rest_trimmed(&r), UINT16_MAX, &port))
        return fail(p, "sctp-port is not a port");
    p->section->sctp_port = (uint16_t)port;
    return true;
}

static bool on_max_message_size(struct parser *p, struct reader r) {
    if (!span_to_u64(rest_trimmed(&r), UINT64_MAX, &p->section->max_message_size))
        return fail(p, "max-message-size is not a number");
    p->section->has_max_message_size = true;
    return true;
}

/* RFC 8839 section 5.4: 4..256 and 22..256 characters. */
static bool on_ice_ufrag(struct parser *p, struct reader r) {
    struct span text = rest_trimmed(&r);
    if (text.len < 4 || text.len > 256)
        return fail(p, "an ice-ufrag of a bad length");
    transport_of(p)->ice_ufrag = text;
    return true;
}

static bool on_ice_pwd(struct parser *p, struct reader r) {
    struct span text = rest_trimmed(&r);
    if (text.len < 22 || text.len > 256)
        return fail(p, "an ice-pwd of a bad length");
    transport_of(p)->ice_pwd = text;
    return true;
}

static bool on_ice_options(struct parser *p, struct reader r) {
    transport_of(p)->ice_options = rest_trimmed(&r);
    return true;
}

static bool on_fingerprint(struct parser *p, struct reader r) {
    struct span algorithm, value;
    struct sdp_transport *transport = transport_of(p);
    if (!token(&r, &algorithm) || !token(&r, &value))
        return fail(p, "a fingerprint without algorithm and value");
    if (transport->fingerprint_count < SDP_FINGERPRINTS_MAX)
        transport->fingerprints[transport->fingerprint_count++] = (struct sdp_fingerprint){algorithm, value};
    return true;
}

static bool on_setup(struct parser *p, struct reader r) {
    static const char *const names[] = {[SDP_SETUP_ACTPASS] = "actpass",
                                        [SDP_SETUP_ACTIVE] = "active",
                                        [SDP_SETUP_PASSIVE] = "passive",
                                        [SDP_SETUP_HOLDCONN] = "holdconn"};
    struct span text = rest_trimmed(&r);
    for (size_t i = SDP_SETUP_ACTPASS; i < ARRAY_LEN(names); i++) {
        if (span_equal_str(text, names[i])) {
            transport_of(p)->setup = (enum sdp_setup)i;
            return true;
        }
    }
    return fail(p, "an unknown setup role");
}

static bool on_group(struct parser *p, struct reader r) {
    struct span semantics;
    if (token(&r, &semantics) && span_equal_str(semantics, "BUNDLE") && !p->has_bundle) {
        p->has_bundle = true;
        p->bundle = rd_rest(&r);
    }
    return true;
}

enum place { SESSION = 1, SECTION = 2, MEDIA = 4, DATA = 8 };

struct attribute {
    const char *name;
    unsigned places; /* where it counts; elsewhere it is read over */
    bool (*read)(struct parser *p, struct reader value);
};

static const struct attribute attributes[] = {
    {"rtpmap", MEDIA, on_rtpmap},
    {"fmtp", MEDIA, on_fmtp},
    {"rtcp-fb", MEDIA, on_rtcp_fb},
    {"extmap", MEDIA, on_extmap},
    {"rid", MEDIA, on_rid},
    {"simulcast", MEDIA, on_simulcast},
    {"msid", MEDIA, on_msid},
    {"ssrc", MEDIA, on_ssrc},
    {"ssrc-group", MEDIA, on_ssrc_group},
    {"mid", SECTION, on_mid},
    {"candidate", SECTION, on_candidate},
    {"sctp-port", DATA, on_sctp_port},
    {"max-message-size", DATA, on_max_message_size},
    {"ice-ufrag", SESSION | SECTION, on_ice_ufrag},
    {"ice-pwd", SESSION | SECTION, on_ice_pwd},
    {"ice-options", SESSION | SECTION, on_ice_options},
    {"fingerprint", SESSION | SECTION, on_fingerprint},
    {"setup", SESSION | SECTION, on_setup},
    {"group", SESSION, on_group},
};

static unsigned place_of(const struct parser *p) {
    if (p->section == NULL)
        return SESSION;
    return SECTION | (is_media(p->section) ? MEDIA : 0u) | (p->section->kind == SDP_APPLICATION ? DATA : 0u);
}

/* Attributes without value. */
static void read_property(struct parser *p, struct span name) {
    struct sdp_section *section = p->section;
    enum sdp_direction direction;
    if (direction_of(name, &direction)) {
        if (section == NULL) {
            p->session_direction = direction;
        } else if (section->kind != SDP_APPLICATION) {
            section->direction = direction;
            p->has_direction = true;
        }
    } else if (span_equal_str(name, "extmap-allow-mixed")) {
        *(section != NULL ? &section->extmap_allow_mixed : &p->sdp->extmap_allow_mixed) = true;
    } else if (section == NULL) {
        p->sdp->ice_lite |= span_equal_str(name, "ice-lite");
    } else {
        section->rtcp_mux |= span_equal_str(name, "rtcp-mux");
        section->rtcp_rsize |= span_equal_str(name, "rtcp-rsize");
        section->bundle_only |= span_equal_str(name, "bundle-only");
        section->end_of_candidates |= span_equal_str(name, "end-of-candidates");
    }
}

static bool on_attribute(struct parser *p, struct span text) {
    struct reader r = reader_of_span(text);
    struct span name = {NULL, 0};
    (void)rd_token(&r, ':', &name);
    if (name.len == text.len) {
        read_property(p, name);
        return true;
    }
    if (p->section == NULL && span_equal_str(name, "msid-semantic"))
        p->sdp->msid_semantic = true;
    unsigned place = place_of(p);
    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        if ((attributes[i].places & place) != 0 && span_equal_str(name, attributes[i].name))
            return attributes[i].read(p, reader_of_span(rd_rest(&r)));
    }
    return true;
}

static void end_section(struct parser *p) {
    struct sdp_section *section = p->section;
    if (section == NULL)
        return;
    struct sdp_transport *own = &section->transport;
    const struct sdp_transport *session = &p->session_transport;
    if (own->ice_ufrag.len == 0 && own->ice_pwd.len == 0) {
        own->ice_ufrag = session->ice_ufrag;
        own->ice_pwd = session->ice_pwd;
    }
    if (own->ice_options.len == 0)
        own->ice_options = session->ice_options;
    if (own->setup == SDP_SETUP_NONE)
        own->setup = session->setup;
    if (own->fingerprint_count == 0) {
        own->fingerprint_count = session->fingerprint_count;
        memcpy(own->fingerprints, session->fingerprints, sizeof own->fingerprints);
    }
    if (!p->has_direction && section->kind != SDP_APPLICATION)
        section->direction = p->session_direction;
}

static bool media_formats(struct parser *p, struct reader *r) {
    struct span text;
    uint64_t pt;
    while (token(r, &text)) {
        if (!span_to_u64(text, 127, &pt))
            return fail(p, "a payload type is not a number below 128");
        if (sdp_format_by_pt(p->section, (uint8_t)pt) != NULL)
            return fail(p, "a payload type is listed twice");
        struct sdp_format *format = sdp_add_format(p->sdp, p->section);
        if (format == NULL)
            return fail(p, "too many payload types");
        format->pt = (uint8_t)pt;
        format->codec = codec_static((uint8_t)pt);
        format->clock_hz = codec_clock_hz(format->codec);
    }
    return true;
}

static bool contains(struct span text, const char *part) {
    return text.len > 0 && memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static bool on_media(struct parser *p, struct span value) {
    struct reader r = reader_of_span(value);
    struct span kind_text, port_text, port_number, protocol;
    uint64_t port;
    end_section(p);
    p->has_direction = false;
    if (!token(&r, &kind_text) || !token(&r, &port_text) || !token(&r, &protocol))
        return fail(p, "an m= line without kind, port and protocol");
    struct reader port_parts = reader_of_span(port_text);
    if (!rd_token(&port_parts, '/', &port_number) || !span_to_u64(port_number, UINT16_MAX, &port))
        return fail(p, "the port of an m= line is not a port");
    enum sdp_kind kind = SDP_OTHER;
    if (contains(protocol, "RTP/"))
        kind = equal_nocase(kind_text, "audio") ? SDP_AUDIO : equal_nocase(kind_text, "video") ? SDP_VIDEO : SDP_OTHER;
    else if (contains(protocol, "SCTP") && equal_nocase(kind_text, "application"))
        kind = SDP_APPLICATION;
    struct sdp_section *section = sdp_add_section(p->sdp, kind, (struct span){NULL, 0});
    if (section == NULL)
        return fail(p, "too many sections");
    p->section = section;
    section->kind_text = kind == SDP_OTHER ? kind_text : (struct span){NULL, 0};
    section->port = (uint16_t)port;
    section->protocol = protocol;
    section->bundled = false;
    section->rtcp_mux = false;
    section->rtcp_rsize = false;
    if (is_media(section))
        return media_formats(p, &r);
    section->app_format = rest_trimmed(&r);
    return section->app_format.len > 0 || fail(p, "an m= line without format");
}

static bool on_origin(struct parser *p, struct span value) {
    struct reader r = reader_of_span(value);
    struct span user, id, version;
    if (!token(&r, &user) || !token(&r, &id) || !token(&r, &version) ||
        !span_to_u64(id, UINT64_MAX, &p->sdp->session_id) ||
        !span_to_u64(version, UINT64_MAX, &p->sdp->session_version))
        return fail(p, "an o= line without numbers for session and version");
    p->has_origin = true;
    return true;
}

static bool is_clean(struct span line) {
    for (size_t i = 0; i < line.len; i++) {
        if ((line.data[i] < 0x20 && line.data[i] != '\t') || line.data[i] == 0x7f)
            return false;
    }
    return true;
}

static bool on_line(struct parser *p, struct span line) {
    if (!is_clean(line))
        return fail(p, "a control character");
    if (line.len < 2 || line.data[1] != '=')
        return fail(p, "a line that does not begin with a letter and an equals sign");
    struct span value = span_of(line.data + 2, line.len - 2);
    if (!p->has_version) {
        if (line.data[0] != 'v' || !span_equal_str(value, "0"))
            return fail(p, "the first line is not v=0");
        p->has_version = true;
        return true;
    }
    switch (line.data[0]) {
    case 'o':
        return on_origin(p, value);
    case 's':
        p->has_name = true;
        if (!span_equal_str(value, "-") && !span_equal_str(value, " "))
            p->sdp->session_name = value;
        return true;
    case 'm':
        if (!p->has_origin || !p->has_name)
            return fail(p, "a section before the o= and s= lines");
        return on_media(p, value);
    case 'a':
        return on_attribute(p, value);
    default:
        return true;
    }
}

static void mark_bundled(struct parser *p) {
    struct reader r = reader_of_span(p->bundle);
    struct span mid;
    for (int i = 0; i < SDP_SECTIONS_MAX && token(&r, &mid); i++) {
        struct sdp_section *section = sdp_section_by_mid(p->sdp, mid);
        if (section != NULL)
            section->bundled = true;
    }
}

static bool read_all(struct parser *p, struct span text) {
    if (text.len > SDP_TEXT_MAX)
        return fail(p, "the description is too long");
    /* one copy of the whole text, which every span of the model points into */
    struct reader r = reader_of_span(sdp_copy_text(p->sdp, text));
    struct span line;
    while (rd_line(&r, &line)) {
        p->line++;
        if (p->line > SDP_LINES_MAX)
            return fail(p, "too many lines");
        if (line.len > 0 && !on_line(p, line))
            return false;
    }
    p->line = 0;
    if (p->sdp->failed)
        return fail(p, "too much memory");
    if (!p->has_version || !p->has_origin || !p->has_name)
        return fail(p, "the v=, o= or s= line is missing");
    end_section(p);
    mark_bundled(p);
    return true;
}

bool sdp_parse(struct span text, struct sdp *out, struct sdp_error *error) {
    ASSERT(out->blocks == NULL && out->section_count == 0);
    struct parser p = {.sdp = out, .error = error, .session_direction = SDP_SENDRECV};
    memset(error, 0, sizeof *error);
    if (read_all(&p, text))
        return true;
    sdp_free(out);
    return false;
}
