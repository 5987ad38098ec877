#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

#include "protocol/sdp.h"

static const char *const files[] = {
    "chromium-join",
    "chromium-publish-simulcast",
    "chromium-publish-simulcast-paused",
    "chromium-subscribe-answer",
    "chromium-publish-svc-and-screen",
    "chromium-unpublish",
    "firefox-join",
    "firefox-publish-simulcast",
    "firefox-publish-simulcast-paused",
    "firefox-subscribe-answer",
    "firefox-publish-svc-and-screen",
    "firefox-unpublish",
};

static struct span load(const char *name) {
    static uint8_t text[65536];
    char path[512];
    (void)snprintf(path, sizeof path, "%s/sdp/%s.sdp", VECTORS_DIR, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    assert_true(len > 0 && len < sizeof text);
    return span_of(text, len);
}

static void parse(struct span text, struct sdp *sdp) {
    struct sdp_error error;
    sdp_init(sdp);
    if (!sdp_parse(text, sdp, &error))
        fail_msg("line %u: %s", error.line, error.what);
}

static void parse_file(const char *name, struct sdp *sdp) {
    parse(load(name), sdp);
}

/* The caller frees the text. */
static struct span write_all(const struct sdp *sdp) {
    size_t size = sdp_write_len_max(sdp);
    uint8_t *text = malloc(size);
    assert_non_null(text);
    struct writer w = writer_of(text, size);
    assert_true(sdp_write(sdp, &w));
    return writer_span(&w);
}

static void assert_text(struct span text, const char *expected) {
    if (!span_equal_str(text, expected))
        fail_msg("\"%.*s\" is not \"%s\"", (int)text.len, (const char *)text.data, expected);
}

static void assert_error(const char *text, uint32_t line, const char *part) {
    struct sdp sdp;
    struct sdp_error error;
    sdp_init(&sdp);
    assert_false(sdp_parse(span_str(text), &sdp, &error));
    if (strstr(error.what, part) == NULL)
        fail_msg("\"%s\" does not speak of \"%s\"", error.what, part);
    assert_int_equal(error.line, line);
    assert_null(sdp.blocks);
}

static void what_is_written_reads_as_the_same_description(void **unused) {
    (void)unused;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct sdp first, second;
        parse_file(files[i], &first);
        struct span once = write_all(&first);
        parse(once, &second);
        struct span twice = write_all(&second);
        assert_true(span_equal(once, twice));
        assert_int_equal(first.section_count, second.section_count);
        sdp_free(&first);
        sdp_free(&second);
        free((void *)(uintptr_t)once.data);
        free((void *)(uintptr_t)twice.data);
    }
}

static bool has_line(struct span text, struct span line) {
    struct reader r = reader_of_span(text);
    struct span other;
    while (rd_line(&r, &other)) {
        if (span_equal(line, other))
            return true;
    }
    return false;
}

/* Lines that are left out on purpose. */
static bool is_not_kept(struct span line) {
    static const char *const heads[] = {
        "c=",         "o=", "a=rtcp:", "a=rtcp-xr:", "a=msid-semantic", "a=group:", "a=ice-options", "a=fingerprint",
        "a=sendrecv", "m="};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        if (span_starts_with(line, heads[i]))
            return true;
    }
    return false;
}

static void no_line_of_a_browser_is_lost(void **unused) {
    (void)unused;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct sdp sdp;
        struct span line, text = load(files[i]);
        parse(text, &sdp);
        struct span written = write_all(&sdp);
        struct reader r = reader_of_span(text);
        while (rd_line(&r, &line)) {
            /* one channel is what no number means, too (RFC 8866 section 6.6) */
            if (span_equal_str(line, "a=rtpmap:9 G722/8000/1"))
                line.len -= 2;
            if (!is_not_kept(line) && !has_line(written, line))
                fail_msg("%s lost \"%.*s\"", files[i], (int)line.len, (const char *)line.data);
        }
        sdp_free(&sdp);
        free((void *)(uintptr_t)written.data);
    }
}

static void a_join_offer_of_chromium_is_understood(void **unused) {
    (void)unused;
    struct sdp sdp;
    size_t audio = 0, video = 0, data = 0;
    parse_file("chromium-join", &sdp);
    assert_int_equal(sdp.section_count, 7);
    assert_true(sdp.extmap_allow_mixed && !sdp.ice_lite);
    for (uint16_t i = 0; i < sdp.section_count; i++) {
        const struct sdp_section *s = sdp.sections[i];
        audio += s->kind == SDP_AUDIO;
        video += s->kind == SDP_VIDEO;
        data += s->kind == SDP_APPLICATION;
        assert_true(s->bundled && !sdp_rejected(s));
        assert_true(s->transport.ice_ufrag.len >= 4 && s->transport.ice_pwd.len >= 22);
        assert_int_equal(s->transport.setup, SDP_SETUP_ACTPASS);
        uint8_t digest[32];
        assert_true(sdp_sha256(&s->transport, digest));
        if (s->kind == SDP_APPLICATION) {
            assert_int_equal(s->sctp_port, 5000);
            assert_int_equal(s->max_message_size, 262144);
            assert_text(s->app_format, "webrtc-datachannel");
            continue;
        }
        assert_int_equal(s->direction, SDP_RECVONLY);
        assert_true(s->rtcp_mux && s->rtcp_rsize);
        assert_non_null(sdp_extmap_by_uri(s, "urn:ietf:params:rtp-hdrext:sdes:mid"));
    }
    assert_int_equal(audio, 3);
    assert_int_equal(video, 3);
    assert_int_equal(data, 1);
    assert_ptr_equal(sdp_transport_section(&sdp), sdp.sections[0]);
    sdp_free(&sdp);
}

static void formats_carry_codec_feedback_parameters_and_retransmission(void **unused) {
    (void)unused;
    struct sdp sdp;
    parse_file("chromium-publish-simulcast", &sdp);
    const struct sdp_section *video = NULL, *audio = NULL;
    for (uint16_t i = 0; i < sdp.section_count; i++) {
        if (sdp.sections[i]->kind == SDP_VIDEO)
            video = sdp.sections[i];
        if (sdp.sections[i]->kind == SDP_AUDIO)
            audio = sdp.sections[i];
    }
    assert_non_null(video);
    assert_non_null(audio);
    const struct sdp_format *vp8 = sdp_format_by_pt(video, 96), *rtx = sdp_rtx_of(video, 96);
    assert_int_equal(vp8->codec, CODEC_VP8);
    assert_int_equal(vp8->clock_hz, 90000);
    assert_int_equal(vp8->feedback, SDP_FB_NACK | SDP_FB_NACK_PLI | SDP_FB_CCM_FIR | SDP_FB_REMB | SDP_FB_TRANSPORT_CC);
    assert_int_equal(rtx->pt, 97);
    assert_null(sdp_rtx_of(video, 97));
    const struct sdp_format *opus = sdp_format_by_pt(audio, 111);
    struct span value;
    assert_int_equal(opus->codec, CODEC_OPUS);
    assert_int_equal(opus->channels, 2);
    assert_true(sdp_fmtp_get(opus->fmtp, "useinbandfec", &value));
    assert_text(value, "1");
    assert_false(sdp_fmtp_get(opus->fmtp, "inbandfec", &value));
    assert_int_equal(sdp_format_by_pt(audio, 0)->codec, CODEC_PCMU);
    assert_int_equal(video->msid_count, 1);
    assert_int_equal(video->direction, SDP_SENDONLY);
    sdp_free(&sdp);
}

static void simulcast_of_both_browsers_is_understood(void **unused) {
    (void)unused;
    static const char *const names[] = {"chromium-publish-simulcast", "firefox-publish-simulcast"};
    for (size_t n = 0; n < 2; n++) {
        struct sdp sdp;
        parse_file(names[n], &sdp);
        for (uint16_t i = 0; i < sdp.section_count; i++) {
            const struct sdp_section *s = sdp.sections[i];
            if (s->kind != SDP_VIDEO)
                continue;
            assert_int_equal(s->rid_count, 3);
            assert_int_equal(s->simulcast_count, 3);
            assert_text(s->simulcast[0].rid, "q");
            assert_text(s->simulcast[2].rid, "f");
            assert_int_equal(s->simulcast[2].stream, 2);
            assert_int_equal(s->simulcast[1].direction, SDP_SENDONLY);
            assert_int_equal(sdp_rid_by_id(s, span_str("h"))->direction, SDP_SENDONLY);
            if (n == 1) { /* Firefox names the SSRCs and their retransmission streams */
                assert_true(s->bundle_only && !sdp_rejected(s));
                assert_int_equal(s->ssrc_count, 6);
                assert_int_equal(s->ssrc_group_count, 3);
                assert_int_equal(sdp_rtx_ssrc_of(s, s->ssrcs[0].ssrc), s->ssrcs[1].ssrc);
                assert_non_null(sdp_ssrc_by_number(s, s->ssrcs[5].ssrc));
                assert_true(s->ssrcs[0].cname.len > 0);
            }
        }
        sdp_free(&sdp);
    }
    struct sdp sdp;
    parse_file("chromium-publish-simulcast-paused", &sdp);
    assert_false(sdp.sections[0]->simulcast[0].paused);
    assert_true(sdp.sections[0]->simulcast[1].paused);
    sdp_free(&sdp);
}

static void firefox_hands_its_fingerprint_down_from_the_session(void **unused) {
    (void)unused;
    struct sdp sdp;
    uint8_t first[32], last[32];
    parse_file("firefox-join", &sdp);
    assert_true(sdp_sha256(&sdp.sections[0]->transport, first));
    assert_true(sdp_sha256(&sdp.sections[sdp.section_count - 1]->transport, last));
    assert_memory_equal(first, last, sizeof first);
    assert_text(sdp.sections[0]->transport.ice_options, "trickle");
    assert_true(sdp.sections[0]->candidate_count > 0);
    assert_true(span_starts_with(sdp.sections[0]->candidates[0], "candidate:0 1 UDP "));
    assert_true(sdp.sections[0]->end_of_candidates);
    sdp_free(&sdp);
}

static void a_stopped_section_is_rejected_and_out_of_the_bundle(void **unused) {
    (void)unused;
    static const char *const names[] = {"chromium-unpublish", "firefox-unpublish"};
    for (size_t n = 0; n < 2; n++) {
        struct sdp sdp;
        size_t rejected = 0, inactive = 0;
        parse_file(names[n], &sdp);
        for (uint16_t i = 0; i < sdp.section_count; i++) {
            const struct sdp_section *s = sdp.sections[i];
            rejected += sdp_rejected(s);
            assert_true(!sdp_rejected(s) || !s->bundled);
            inactive += s->kind == SDP_VIDEO && s->direction == SDP_INACTIVE;
        }
        assert_int_equal(rejected, 1);
        assert_int_equal(inactive, 1);
        sdp_free(&sdp);
    }
}

#define HEAD "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
#define VIDEO HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"

static void what_is_wrong_is_told_with_its_line(void **unused) {
    (void)unused;
    assert_error("", 0, "missing");
    assert_error("o=- 1 2 IN IP4 127.0.0.1\r\n", 1, "v=0");
    assert_error("v=0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", 3, "before the o=");
    assert_error("v=0\r\no=- x 2 IN IP4 127.0.0.1\r\n", 2, "o= line");
    assert_error(HEAD "nonsense\r\n", 5, "equals");
    assert_error(HEAD "a=x\ry\r\n", 5, "control");
    assert_error(HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96 96\r\n", 5, "twice");
    assert_error(HEAD "m=video 9 UDP/TLS/RTP/SAVPF 128\r\n", 5, "payload type");
    assert_error(HEAD "m=video 65536 UDP/TLS/RTP/SAVPF 96\r\n", 5, "port");
    assert_error(HEAD "m=video\r\n", 5, "m= line");
    assert_error(HEAD "m=application 9 UDP/DTLS/SCTP\r\n", 5, "format");
    assert_error(VIDEO "a=rtpmap:96 VP8\r\n", 6, "clock");
    assert_error(VIDEO "a=rtpmap:96 VP8/0\r\n", 6, "clock");
    assert_error(VIDEO "a=extmap:0 urn:x\r\n", 6, "range");
    assert_error(VIDEO "a=extmap:256 urn:x\r\n", 6, "range");
    assert_error(VIDEO "a=extmap:1 urn:x\r\na=extmap:1 urn:y\r\n", 7, "twice");
    assert_error(VIDEO "a=rid:averyveryverylongrid send\r\n", 6, "rid");
    assert_error(VIDEO "a=rid:a b\r\n", 6, "send or recv");
    assert_error(VIDEO "a=rid:a send\r\na=rid:a send\r\n", 7, "twice");
    assert_error(VIDEO "a=simulcast:send\r\n", 6, "simulcast");
    assert_error(VIDEO "a=simulcast:send a;;b\r\n", 6, "simulcast");
    assert_error(VIDEO "a=simulcast:send a send b\r\n", 6, "simulcast");
    assert_error(VIDEO "a=simulcast:send a\r\na=simulcast:recv b\r\n", 7, "second");
    assert_error(VIDEO "a=ssrc:4294967296 cname:x\r\n", 6, "ssrc");
    assert_error(VIDEO "a=ssrc-group:FID 1 x\r\n", 6, "ssrc-group");
    assert_error(VIDEO "a=mid:0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n", 8, "mid");
    assert_error(VIDEO "a=ice-ufrag:abc\r\n", 6, "ufrag");
    assert_error(VIDEO "a=ice-pwd:short\r\n", 6, "pwd");
    assert_error(VIDEO "a=setup:sometimes\r\n", 6, "setup");
    assert_error(VIDEO "a=fingerprint:sha-256\r\n", 6, "fingerprint");
    assert_error(VIDEO "a=rtpmap:x VP8/90000\r\n", 6, "payload type");
    assert_error(VIDEO "a=rtpmap:96\r\n", 6, "encoding");
    assert_error(VIDEO "a=rtpmap:96 x/1/y\r\n", 6, "channel");
    assert_error(VIDEO "a=fmtp:128 x\r\n", 6, "payload type");
    assert_error(VIDEO "a=rtcp-fb:128 x\r\n", 6, "payload type");
    assert_error(VIDEO "a=rtcp-fb:96\r\n", 6, "rtcp-fb");
    assert_error(VIDEO "a=extmap:1\r\n", 6, "URI");
    assert_error(VIDEO "a=extmap:1/sideways urn:x\r\n", 6, "direction");
    assert_error(VIDEO "a=rid:\r\n", 6, "rid");
    assert_error(VIDEO "a=simulcast:send a,~\r\n", 6, "simulcast");
    assert_error(VIDEO "a=msid:\r\n", 6, "msid");
    assert_error(VIDEO "a=ssrc-group:\r\n", 6, "ssrc-group");
    assert_error(VIDEO "a=ssrc-group:SIM 1 2 3 4 5 6 7 8 9\r\n", 6, "ssrc-group");
    assert_error(VIDEO "a=mid:a b\r\n", 6, "mid");
    assert_error(VIDEO "a=mid:\r\n", 6, "mid");
    assert_error(VIDEO "a=candidate:\r\n", 6, "candidate");
    assert_error(HEAD "m=application 9 UDP/DTLS/SCTP x\r\na=sctp-port:65536\r\n", 6, "sctp-port");
    assert_error(HEAD "m=application 9 UDP/DTLS/SCTP x\r\na=max-message-size:-1\r\n", 6, "max-message-size");
}

static void unusual_but_legal_texts_are_taken(void **unused) {
    (void)unused;
    struct sdp sdp;
    parse(span_str("v=0\no=- 1 2 IN IP4 127.0.0.1\ns=a meeting\nt=0 0\na=ice-lite\na=setup:passive\na=recvonly\n"
                   "a=extmap:9 urn:session\na=group:LS 0\na=group:BUNDLE 0 nosuch\na=group:BUNDLE 1\n"
                   "m=video 9/2 RTP/SAVPF 96 97\nb=AS:100\na=mid:0\na=rtcp-fb:* nack\na=rtcp-fb:96 nack rpsi\n"
                   "a=fmtp:96 a=1\na=fmtp:96 b = 2\na=fmtp:120 c=3\na=unknown\na=extmap:4096 "
                   "urn:x\na=extmap:20/sendonly urn:y a b\n"
                   "a=simulcast: recv a,~b;c send d\na=ssrc:7 msid:s t\na=ssrc:8\na=ssrc:9 label:x\na=ssrc:9 mslabel\n"
                   "a=rtpmap:120 VP8/90000\na=ssrc-group:SIM 7 8 9\na=ssrc-group:FEC-FR 7 8\na=ssrc-group:DUP 8 9\n"
                   "a=rtcp-fb:96 ack \n"
                   "m=audio 0 RTP/SAVPF 0\na=mid:1\n"
                   "m=text 9 RTP/AVP 100 101\na=rtpmap:100 t140/1000\n"
                   "m=video 0 TCP x\n"),
          &sdp);
    assert_int_equal(sdp.section_count, 4);
    assert_text(sdp.session_name, "a meeting");
    assert_true(sdp.ice_lite);
    const struct sdp_section *s = sdp.sections[0];
    assert_int_equal(s->direction, SDP_RECVONLY);
    assert_int_equal(s->transport.setup, SDP_SETUP_PASSIVE);
    assert_true(s->bundled && !sdp.sections[1]->bundled);
    assert_true(sdp_rejected(sdp.sections[1]));
    assert_int_equal(s->formats[0].feedback, SDP_FB_NACK);
    assert_int_equal(s->formats[1].feedback, SDP_FB_NACK);
    assert_text(s->formats[0].feedback_other[0], "nack rpsi");
    struct span value;
    assert_true(sdp_fmtp_get(s->formats[0].fmtp, "A", &value));
    assert_text(value, "1");
    assert_true(sdp_fmtp_get(s->formats[0].fmtp, "b", &value));
    assert_text(value, "2");
    assert_int_equal(s->extmap_count, 1);
    assert_int_equal(s->extmaps[0].direction, SDP_SENDONLY);
    assert_text(s->extmaps[0].attributes, "a b");
    assert_int_equal(s->simulcast_count, 4);
    assert_int_equal(s->simulcast[1].stream, 0);
    assert_true(s->simulcast[1].paused);
    assert_int_equal(s->simulcast[2].stream, 1);
    assert_int_equal(s->simulcast[3].direction, SDP_SENDONLY);
    assert_int_equal(s->ssrc_count, 3);
    assert_text(s->ssrcs[0].msid.track, "t");
    assert_int_equal(s->ssrc_group_count, 3);
    assert_int_equal(s->ssrc_groups[0].semantics, SDP_SSRC_SIM);
    assert_int_equal(s->ssrc_groups[0].ssrcs[2], 9);
    assert_int_equal(s->ssrc_groups[1].semantics, SDP_SSRC_FEC_FR);
    assert_text(s->ssrc_groups[2].semantics_text, "DUP");
    assert_int_equal(sdp_rtx_ssrc_of(s, 7), 0);
    assert_null(sdp_ssrc_by_number(s, 10));
    assert_null(sdp_format_by_pt(s, 120));
    assert_null(sdp_section_by_mid(&sdp, span_str("nosuch")));
    assert_null(sdp_rid_by_id(s, span_str("a")));
    uint8_t digest[32];
    assert_false(sdp_sha256(&s->transport, digest));
    assert_ptr_equal(sdp_transport_section(&sdp), s);
    assert_int_equal(sdp.sections[2]->kind, SDP_OTHER);
    assert_text(sdp.sections[2]->app_format, "100 101");
    assert_text(sdp.sections[3]->kind_text, "video");
    struct span once = write_all(&sdp);
    assert_true(has_line(once, span_str("a=simulcast:send d recv a,~b;c")));
    assert_true(has_line(once, span_str("m=text 9 RTP/AVP 100 101")));
    assert_true(has_line(once, span_str("a=group:BUNDLE 0")));
    struct sdp again;
    parse(once, &again);
    struct span twice = write_all(&again);
    assert_true(span_equal(once, twice));
    free((void *)(uintptr_t)once.data);
    free((void *)(uintptr_t)twice.data);
    sdp_free(&sdp);
    sdp_free(&again);
}

static void too_much_of_anything_is_refused(void **unused) {
    (void)unused;
    static char text[SDP_TEXT_MAX + 64];
    struct sdp sdp;
    struct sdp_error error;
    memset(text, 'a', sizeof text);
    sdp_init(&sdp);
    assert_false(sdp_parse(span_of(text, sizeof text), &sdp, &error));
    assert_non_null(strstr(error.what, "too long"));
    /* sections */
    size_t len = (size_t)sprintf(text, HEAD);
    for (int i = 0; i <= SDP_SECTIONS_MAX; i++)
        len += (size_t)sprintf(text + len, "m=audio 9 RTP/SAVPF 0\r\n");
    assert_false(sdp_parse(span_of(text, len), &sdp, &error));
    assert_non_null(strstr(error.what, "sections"));
    /* ssrcs */
    len = (size_t)sprintf(text, VIDEO);
    for (int i = 0; i <= SDP_SSRCS_MAX; i++)
        len += (size_t)sprintf(text + len, "a=ssrc:%d cname:x\r\n", i);
    assert_false(sdp_parse(span_of(text, len), &sdp, &error));
    assert_non_null(strstr(error.what, "ssrcs"));
    /* the other lists */
    static const struct {
        const char *line;
        int max;
        const char *what;
    } lists[] = {{"a=extmap:%d urn:x\r\n", SDP_EXTMAPS_MAX, "extmaps"},
                 {"a=rid:r%d send\r\n", SDP_RIDS_MAX, "rids"},
                 {"a=msid:s%d t\r\n", SDP_MSIDS_MAX, "msids"},
                 {"a=ssrc-group:FID %d 2\r\n", SDP_SSRC_GROUPS_MAX, "ssrc-groups"}};
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        len = (size_t)sprintf(text, VIDEO);
        for (int i = 1; i <= lists[k].max + 1; i++)
            len += (size_t)sprintf(text + len, lists[k].line, i);
        assert_false(sdp_parse(span_of(text, len), &sdp, &error));
        assert_non_null(strstr(error.what, lists[k].what));
        assert_int_equal(error.line, 5 + lists[k].max + 1);
    }
    len = (size_t)sprintf(text, HEAD "m=video 9 RTP/SAVPF");
    for (int i = 0; i <= SDP_FORMATS_MAX; i++)
        len += (size_t)sprintf(text + len, " %d", i);
    assert_false(sdp_parse(span_of(text, len), &sdp, &error));
    assert_non_null(strstr(error.what, "payload types"));
    len = (size_t)sprintf(text, VIDEO "a=simulcast:send r");
    for (int i = 0; i < SDP_SIMULCAST_MAX; i++)
        len += (size_t)sprintf(text + len, ",r%d", i);
    assert_false(sdp_parse(span_of(text, len), &sdp, &error));
    assert_non_null(strstr(error.what, "simulcast"));
    /* candidates are only read over */
    len = (size_t)sprintf(text, VIDEO);
    for (int i = 0; i <= 2 * SDP_CANDIDATES_MAX; i++)
        len += (size_t)sprintf(text + len, "a=candidate:%d 1 udp 1 192.0.2.1 1 typ host\r\n", i);
    parse(span_of(text, len), &sdp);
    assert_int_equal(sdp.sections[0]->candidate_count, SDP_CANDIDATES_MAX);
    sdp_free(&sdp);
    /* lines */
    len = (size_t)sprintf(text, VIDEO);
    for (int i = 0; i <= SDP_LINES_MAX; i++)
        len += (size_t)sprintf(text + len, "a=x\r\n");
    assert_false(sdp_parse(span_of(text, len), &sdp, &error));
    assert_non_null(strstr(error.what, "lines"));
    /* memory: texts that have to be joined again and again */
    len = (size_t)sprintf(text, VIDEO);
    for (int i = 0; i < 400; i++)
        len += (size_t)sprintf(text + len, "a=fmtp:96 a=%d\r\n", i);
    assert_false(sdp_parse(span_of(text, len), &sdp, &error));
    assert_non_null(strstr(error.what, "fmtp"));
}

static void a_small_description_is_small_and_a_large_one_fits(void **unused) {
    (void)unused;
    struct sdp sdp;
    parse_file("firefox-subscribe-answer", &sdp);
    assert_true(sdp.memory_bytes < 16 * 1024);
    sdp_free(&sdp);
    sdp_init(&sdp);
    for (int i = 0; i < SDP_SECTIONS_MAX; i++) {
        struct sdp_section *s = sdp_add_section(&sdp, SDP_VIDEO, sdp_format_text(&sdp, "%d", i));
        assert_non_null(s);
        for (uint8_t pt = 96; pt < 120; pt++)
            *sdp_add_format(&sdp, s) = (struct sdp_format){.pt = pt, .codec = CODEC_VP8, .feedback = SDP_FB_NACK};
    }
    assert_int_equal(sdp.section_count, SDP_SECTIONS_MAX);
    assert_text(sdp.sections[511]->mid, "511");
    assert_null(sdp_add_section(&sdp, SDP_VIDEO, span_str("x")));
    assert_true(sdp.failed);
    uint8_t small[16];
    struct writer w = writer_of(small, sizeof small);
    assert_false(sdp_write(&sdp, &w));
    sdp_free(&sdp);
}

static void memory_has_a_limit_and_a_description_over_it_stays_failed(void **unused) {
    (void)unused;
    static uint8_t big[SDP_TEXT_MAX];
    struct sdp sdp;
    size_t copies = 0;
    memset(big, 'x', sizeof big);
    sdp_init(&sdp);
    while (sdp_copy_text(&sdp, span_of(big, sizeof big)).len > 0)
        copies++;
    assert_true(copies > 10 && sdp.memory_bytes <= SDP_MEMORY_MAX);
    assert_true(sdp.failed);
    assert_null(sdp_add_section(&sdp, SDP_AUDIO, span_str("0")));
    assert_int_equal(sdp_format_text(&sdp, "%d", 1).len, 0);
    sdp_free(&sdp);
    assert_false(sdp.failed);
    assert_int_equal(sdp_format_text(&sdp, "%01100d", 1).len, 0); /* over its length */
    assert_true(sdp.failed);
    sdp_free(&sdp);
}

static void fingerprints_are_read_as_bytes_or_refused(void **unused) {
    (void)unused;
    static const char good[] =
        "00:01:02:03:04:05:06:07:08:09:0a:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1a:1b:1C:1D:1E:fF";
    char bad[sizeof good];
    uint8_t digest[32];
    struct sdp sdp;
    sdp_init(&sdp);
    struct sdp_section *s = sdp_add_section(&sdp, SDP_AUDIO, span_str("0"));
    assert_true(sdp_add_fingerprint(s, span_str("sha-1"), span_str("00")));
    assert_true(sdp_add_fingerprint(s, span_str("SHA-256"), span_str(good)));
    assert_true(sdp_sha256(&s->transport, digest));
    assert_int_equal(digest[11], 11);
    assert_int_equal(digest[31], 0xff);
    memcpy(bad, good, sizeof bad);
    bad[5] = '-';
    s->transport.fingerprints[1].value = span_str(bad);
    assert_false(sdp_sha256(&s->transport, digest));
    memcpy(bad, good, sizeof bad);
    bad[4] = 'g';
    assert_false(sdp_sha256(&s->transport, digest));
    s->transport.fingerprints[1].value = span_str("00:01");
    assert_false(sdp_sha256(&s->transport, digest));
    while (s->transport.fingerprint_count < SDP_FINGERPRINTS_MAX)
        assert_true(sdp_add_fingerprint(s, span_str("sha-1"), span_str("00")));
    assert_false(sdp_add_fingerprint(s, span_str("sha-1"), span_str("00")));
    sdp_free(&sdp);
}

static void a_writer_that_is_full_fails(void **unused) {
    (void)unused;
    struct sdp sdp;
    parse_file("chromium-join", &sdp);
    uint8_t small[1000];
    struct writer w = writer_of(small, sizeof small);
    assert_false(sdp_write(&sdp, &w));
    sdp_free(&sdp);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_as_the_same_description),
        cmocka_unit_test(no_line_of_a_browser_is_lost),
        cmocka_unit_test(a_join_offer_of_chromium_is_understood),
        cmocka_unit_test(formats_carry_codec_feedback_parameters_and_retransmission),
        cmocka_unit_test(simulcast_of_both_browsers_is_understood),
        cmocka_unit_test(firefox_hands_its_fingerprint_down_from_the_session),
        cmocka_unit_test(a_stopped_section_is_rejected_and_out_of_the_bundle),
        cmocka_unit_test(what_is_wrong_is_told_with_its_line),
        cmocka_unit_test(unusual_but_legal_texts_are_taken),
        cmocka_unit_test(too_much_of_anything_is_refused),
        cmocka_unit_test(a_small_description_is_small_and_a_large_one_fits),
        cmocka_unit_test(memory_has_a_limit_and_a_description_over_it_stays_failed),
        cmocka_unit_test(fingerprints_are_read_as_bytes_or_refused),
        cmocka_unit_test(a_writer_that_is_full_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
