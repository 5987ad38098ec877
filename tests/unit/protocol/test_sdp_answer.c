#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

#include "protocol/h264.h"
#include "protocol/sdp_answer.h"

static uint8_t offer_text[65536];

static void offer_of(const char *name, struct sdp *offer) {
    char path[512];
    struct sdp_error error;
    (void)snprintf(path, sizeof path, "%s/sdp/%s.sdp", VECTORS_DIR, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(offer_text, 1, sizeof offer_text, file);
    (void)fclose(file);
    sdp_init(offer);
    assert_true(sdp_parse(span_of(offer_text, len), offer, &error));
}

static const struct sdp_section *section_of(const struct sdp *sdp, enum sdp_kind kind) {
    for (uint16_t i = 0; i < sdp->section_count; i++) {
        if (sdp->sections[i]->kind == kind)
            return sdp->sections[i];
    }
    fail_msg("no such section");
    return NULL;
}

#define H264_OURS "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e034"

static const struct sdp_codec_support video_codecs[] = {
    {.codec = CODEC_VP9,
     .fmtp = "profile-id=0",
     .feedback = SDP_FB_NACK | SDP_FB_NACK_PLI | SDP_FB_TRANSPORT_CC,
     .rtx = true},
    {.codec = CODEC_VP8, .feedback = SDP_FB_NACK | SDP_FB_NACK_PLI | SDP_FB_TRANSPORT_CC, .rtx = true},
    {.codec = CODEC_H264, .fmtp = H264_OURS, .rtx = true},
    {.codec = CODEC_AV1, .fmtp = "profile=0", .rtx = false},
};

static void common_formats_keep_the_offerers_numbers_in_the_wanted_order(void **unused) {
    (void)unused;
    struct sdp offer, answer;
    offer_of("chromium-publish-simulcast", &offer);
    const struct sdp_section *theirs = section_of(&offer, SDP_VIDEO);
    sdp_init(&answer);
    struct sdp_section *ours = sdp_answer_section(&answer, theirs);
    size_t count = sdp_answer_formats(&answer, ours, theirs, video_codecs, 4, SDP_ORDER_OURS);
    assert_int_equal(ours->formats[0].codec, CODEC_VP9);
    assert_int_equal(ours->formats[0].pt, 98);
    assert_int_equal(ours->formats[1].codec, CODEC_RTX);
    assert_int_equal(ours->formats[1].pt, 99);
    assert_int_equal(ours->formats[2].codec, CODEC_VP8);
    assert_int_equal(ours->formats[2].feedback, SDP_FB_NACK | SDP_FB_NACK_PLI | SDP_FB_TRANSPORT_CC);
    assert_null(sdp_format_by_pt(ours, 100)); /* VP9 profile 2 */
    size_t h264 = 0, av1 = 0;
    for (uint16_t i = 0; i < ours->format_count; i++) {
        struct h264_format format;
        const struct sdp_format *f = &ours->formats[i];
        av1 += f->codec == CODEC_AV1;
        if (f->codec != CODEC_H264)
            continue;
        h264++;
        assert_true(h264_format_of_fmtp(f->fmtp, &format));
        assert_int_equal(format.profile, H264_CONSTRAINED_BASELINE);
        assert_int_equal(format.packetization_mode, 1);
        assert_int_equal(format.level, 52); /* asymmetry is allowed: the level that we receive */
    }
    assert_int_equal(h264, 1);
    assert_int_equal(av1, 1);
    assert_int_equal(count, 4);
    sdp_free(&answer);
    sdp_init(&answer);
    ours = sdp_answer_section(&answer, theirs);
    assert_int_equal(sdp_answer_formats(&answer, ours, theirs, video_codecs, 4, SDP_ORDER_OFFER), 4);
    assert_int_equal(ours->formats[0].codec, CODEC_VP8);
    sdp_free(&answer);
    sdp_free(&offer);
}

static void nothing_in_common_rejects_the_section(void **unused) {
    (void)unused;
    static const struct sdp_codec_support none[] = {{.codec = CODEC_H265}};
    struct sdp offer, answer;
    offer_of("firefox-publish-simulcast", &offer);
    const struct sdp_section *theirs = section_of(&offer, SDP_VIDEO);
    sdp_init(&answer);
    struct sdp_section *ours = sdp_answer_section(&answer, theirs);
    assert_int_equal(sdp_answer_formats(&answer, ours, theirs, none, 1, SDP_ORDER_OURS), 0);
    sdp_answer_reject(&answer, ours, theirs);
    assert_true(sdp_rejected(ours) && !ours->bundled);
    assert_int_equal(ours->format_count, 1);
    assert_int_equal(ours->formats[0].pt, theirs->formats[0].pt);
    assert_true(span_equal(ours->mid, theirs->mid));
    sdp_free(&answer);
    sdp_free(&offer);
}

static void a_rejected_section_stays_rejected(void **unused) {
    (void)unused;
    struct sdp offer, answer;
    offer_of("chromium-unpublish", &offer);
    sdp_init(&answer);
    size_t rejected = 0;
    for (uint16_t i = 0; i < offer.section_count; i++) {
        struct sdp_section *ours = sdp_answer_section(&answer, offer.sections[i]);
        assert_int_equal(sdp_rejected(ours), sdp_rejected(offer.sections[i]));
        rejected += sdp_rejected(ours);
    }
    assert_int_equal(rejected, 1);
    sdp_free(&answer);
    sdp_free(&offer);
}

static void red_is_taken_only_with_the_codec_inside(void **unused) {
    (void)unused;
    static const struct sdp_codec_support with[] = {{.codec = CODEC_RED}, {.codec = CODEC_OPUS}};
    static const struct sdp_codec_support without[] = {{.codec = CODEC_RED}, {.codec = CODEC_PCMU}};
    struct sdp offer, answer;
    offer_of("chromium-publish-simulcast", &offer);
    const struct sdp_section *theirs = section_of(&offer, SDP_AUDIO);
    sdp_init(&answer);
    struct sdp_section *ours = sdp_answer_section(&answer, theirs);
    assert_int_equal(sdp_answer_formats(&answer, ours, theirs, with, 2, SDP_ORDER_OURS), 2);
    assert_int_equal(ours->formats[0].codec, CODEC_RED);
    assert_true(span_equal_str(ours->formats[0].fmtp, "111/111"));
    ours = sdp_answer_section(&answer, theirs);
    assert_int_equal(sdp_answer_formats(&answer, ours, theirs, without, 2, SDP_ORDER_OURS), 1);
    assert_int_equal(ours->formats[0].codec, CODEC_PCMU);
    sdp_free(&answer);
    sdp_free(&offer);
}

static void simulcast_is_answered_with_the_same_rids_and_pauses(void **unused) {
    (void)unused;
    struct sdp offer, answer;
    offer_of("chromium-publish-simulcast-paused", &offer);
    const struct sdp_section *theirs = section_of(&offer, SDP_VIDEO);
    sdp_init(&answer);
    struct sdp_section *ours = sdp_answer_section(&answer, theirs);
    assert_int_equal(sdp_answer_simulcast(&answer, ours, theirs), 2);
    uint8_t text[4096];
    struct writer w = writer_of(text, sizeof text);
    assert_true(sdp_write(&answer, &w));
    wr_u8(&w, 0);
    assert_non_null(strstr((char *)text, "a=rid:q recv\r\na=rid:h recv\r\na=simulcast:recv q;~h\r\n"));
    sdp_free(&answer);
    sdp_free(&offer);
}

static void extensions_are_taken_by_uri_with_offered_ids_and_mirrored_directions(void **unused) {
    (void)unused;
    static const char *const uris[] = {"urn:ietf:params:rtp-hdrext:sdes:mid",
                                       "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "urn:not:offered"};
    struct sdp offer, answer;
    offer_of("firefox-publish-simulcast", &offer);
    const struct sdp_section *theirs = section_of(&offer, SDP_VIDEO);
    sdp_init(&answer);
    struct sdp_section *ours = sdp_answer_section(&answer, theirs);
    assert_int_equal(sdp_answer_extmaps(&answer, ours, theirs, uris, 3), 2);
    assert_int_equal(sdp_extmap_by_uri(ours, uris[0])->id, 3);
    assert_int_equal(sdp_extmap_by_uri(ours, uris[0])->direction, SDP_SENDRECV);
    assert_int_equal(sdp_extmap_by_uri(ours, uris[1])->id, 9);
    assert_int_equal(sdp_extmap_by_uri(ours, uris[1])->direction, SDP_RECVONLY);
    sdp_free(&answer);
    sdp_free(&offer);
}

static void an_id_that_means_something_else_in_an_earlier_section_is_not_answered(void **unused) {
    (void)unused;
    static const char *const uris[] = {"urn:mid", "urn:level", "urn:time", "urn:last"};
    struct sdp offer, answer;
    sdp_init(&offer);
    sdp_init(&answer);
    struct sdp_section *ours[2];
    for (int i = 0; i < 2; i++) { /* as aiortc offers: 1 and 2 in both, and 2 is another extension in each */
        struct sdp_section *theirs =
            sdp_add_section(&offer, i == 0 ? SDP_AUDIO : SDP_VIDEO, span_str(i == 0 ? "0" : "1"));
        assert_non_null(theirs);
        const char *second = i == 0 ? uris[1] : uris[2];
        *sdp_add_extmap(&offer, theirs) =
            (struct sdp_extmap){.id = 1, .direction = SDP_SENDRECV, .uri = span_str(uris[0])};
        *sdp_add_extmap(&offer, theirs) =
            (struct sdp_extmap){.id = 2, .direction = SDP_SENDRECV, .uri = span_str(second)};
        ours[i] = sdp_answer_section(&answer, theirs);
        /* and a number that is none in packets with short elements */
        *sdp_add_extmap(&offer, theirs) =
            (struct sdp_extmap){.id = 15, .direction = SDP_SENDRECV, .uri = span_str("urn:last")};
        assert_int_equal(sdp_answer_extmaps(&answer, ours[i], theirs, uris, 4), 2 - i);
    }
    assert_non_null(sdp_extmap_by_uri(ours[0], uris[1]));
    assert_int_equal(sdp_extmap_by_uri(ours[1], uris[0])->id, 1);
    assert_null(sdp_extmap_by_uri(ours[1], uris[2]));
    sdp_free(&offer);
    sdp_free(&answer);
}

static void h264_levels_are_lowered_when_asymmetry_is_not_allowed(void **unused) {
    (void)unused;
    static const struct sdp_codec_support ours_31[] = {
        {.codec = CODEC_H264, .fmtp = "packetization-mode=1;profile-level-id=42e01f"}};
    struct sdp offer, answer;
    struct sdp_error error;
    sdp_init(&offer);
    assert_true(
        sdp_parse(span_str("v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\nm=video 9 UDP/TLS/RTP/SAVPF 102 103\na=mid:v\n"
                           "a=rtpmap:102 H264/90000\na=fmtp:102 packetization-mode=1;profile-level-id=42c034;x=1\n"
                           "a=rtpmap:103 H264/90000\na=fmtp:103 packetization-mode=1;profile-level-id=42c015\n"),
                  &offer, &error));
    sdp_init(&answer);
    struct sdp_section *ours = sdp_answer_section(&answer, offer.sections[0]);
    assert_int_equal(sdp_answer_formats(&answer, ours, offer.sections[0], ours_31, 1, SDP_ORDER_OURS), 2);
    assert_true(span_equal_str(ours->formats[0].fmtp, "packetization-mode=1;profile-level-id=42e01f;x=1"));
    assert_true(span_equal_str(ours->formats[1].fmtp, "packetization-mode=1;profile-level-id=42c015"));
    sdp_free(&answer);
    sdp_free(&offer);
}

static void a_fixed_answer_text_replaces_the_offered_one(void **unused) {
    (void)unused;
    static const struct sdp_codec_support list[] = {
        {.codec = CODEC_OPUS, .answer_fmtp = "minptime=10;useinbandfec=1;usedtx=1", .feedback = SDP_FB_NACK},
        {.codec = CODEC_TELEPHONE_EVENT, .fmtp = "0-15"},
        {.codec = CODEC_RED}};
    struct sdp offer, answer;
    struct sdp_error error;
    sdp_init(&offer);
    assert_true(
        sdp_parse(span_str("v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63 64 65 126\n"
                           "a=mid:a\na=rtpmap:111 opus/48000/2\na=fmtp:111 minptime=10\na=rtcp-fb:111 transport-cc\n"
                           "a=rtpmap:63 red/48000/2\na=rtpmap:64 red/48000/2\na=fmtp:64 99/99\n"
                           "a=rtpmap:65 red/48000/2\na=fmtp:65 111/111\na=rtpmap:126 telephone-event/8000\n"),
                  &offer, &error));
    sdp_init(&answer);
    struct sdp_section *ours = sdp_answer_section(&answer, offer.sections[0]);
    assert_int_equal(sdp_answer_formats(&answer, ours, offer.sections[0], list, 3, SDP_ORDER_OURS), 3);
    assert_true(span_equal_str(ours->formats[0].fmtp, "minptime=10;useinbandfec=1;usedtx=1"));
    assert_int_equal(ours->formats[0].feedback, 0); /* nothing that both can */
    assert_int_equal(ours->formats[1].pt, 126);
    assert_int_equal(ours->formats[2].pt, 65); /* the only RED that contains the codec taken */
    sdp_free(&answer);
    sdp_free(&offer);
}

static void directions_and_roles_are_mirrored(void **unused) {
    (void)unused;
    assert_int_equal(sdp_direction_mirror(SDP_SENDONLY), SDP_RECVONLY);
    assert_int_equal(sdp_direction_mirror(SDP_RECVONLY), SDP_SENDONLY);
    assert_int_equal(sdp_direction_mirror(SDP_SENDRECV), SDP_SENDRECV);
    assert_int_equal(sdp_direction_mirror(SDP_INACTIVE), SDP_INACTIVE);
    assert_int_equal(sdp_direction_and(SDP_SENDRECV, SDP_RECVONLY), SDP_RECVONLY);
    assert_int_equal(sdp_setup_answer(SDP_SETUP_ACTPASS, SDP_SETUP_PASSIVE), SDP_SETUP_PASSIVE);
    assert_int_equal(sdp_setup_answer(SDP_SETUP_PASSIVE, SDP_SETUP_PASSIVE), SDP_SETUP_ACTIVE);
    assert_int_equal(sdp_setup_answer(SDP_SETUP_ACTIVE, SDP_SETUP_ACTIVE), SDP_SETUP_PASSIVE);
    assert_int_equal(sdp_setup_answer(SDP_SETUP_NONE, SDP_SETUP_ACTIVE), SDP_SETUP_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_formats_keep_the_offerers_numbers_in_the_wanted_order),
        cmocka_unit_test(nothing_in_common_rejects_the_section),
        cmocka_unit_test(a_rejected_section_stays_rejected),
        cmocka_unit_test(red_is_taken_only_with_the_codec_inside),
        cmocka_unit_test(simulcast_is_answered_with_the_same_rids_and_pauses),
        cmocka_unit_test(extensions_are_taken_by_uri_with_offered_ids_and_mirrored_directions),
        cmocka_unit_test(an_id_that_means_something_else_in_an_earlier_section_is_not_answered),
        cmocka_unit_test(h264_levels_are_lowered_when_asymmetry_is_not_allowed),
        cmocka_unit_test(a_fixed_answer_text_replaces_the_offered_one),
        cmocka_unit_test(directions_and_roles_are_mirrored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
