/* The harness's descriptions: answers to the core's offers, and offers of pretended clients. */
#include <stdio.h>
#include <stdlib.h>

#include "signal/harness.h"

#include "base/assert.h"
#include "protocol/sdp_answer.h"

/* ---- descriptions ------------------------------------------------------------------------------------------------ */

#define FINGERPRINT "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF"
#define PASSWORD "passwordpasswordpassword"

static void describe(struct sdp_section *section, const char *ufrag, enum sdp_setup setup) {
    section->transport.ice_ufrag = span_str(ufrag);
    section->transport.ice_pwd = span_str(PASSWORD);
    section->transport.setup = setup;
    assert_true(sdp_add_fingerprint(section, span_str("sha-256"), span_str(FINGERPRINT)));
}

static char *write_sdp(struct sdp *sdp) {
    size_t size = sdp_write_len_max(sdp);
    char *text = calloc(1, size + 1);
    struct writer w = writer_of(text, size);
    assert_true(sdp_write(sdp, &w));
    sdp_free(sdp);
    return text;
}

static char *make_answer(const char *text, const char *ufrag, bool audio_only) {
    static const struct sdp_codec_support supported[] = {
        {.codec = CODEC_OPUS, .feedback = SDP_FB_TRANSPORT_CC | SDP_FB_NACK},
        {.codec = CODEC_VP8, .feedback = ~0u, .rtx = true},
        {.codec = CODEC_H264,
         .fmtp = "packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1",
         .feedback = ~0u,
         .rtx = true},
    };
    struct sdp offer, answer;
    struct sdp_error error;
    sdp_init(&offer);
    sdp_init(&answer);
    assert_true(sdp_parse(span_str(text), &offer, &error));
    answer.session_id = 1;
    for (uint16_t i = 0; i < offer.section_count; i++) {
        const struct sdp_section *offered = offer.sections[i];
        struct sdp_section *section = sdp_answer_section(&answer, offered);
        if (sdp_rejected(offered))
            continue;
        describe(section, ufrag, SDP_SETUP_ACTIVE);
        if (offered->kind == SDP_APPLICATION) {
            section->sctp_port = 5000;
            continue;
        }
        if (sdp_answer_formats(&answer, section, offered, supported, audio_only ? 1 : ARRAY_LEN(supported),
                               SDP_ORDER_OFFER) == 0) {
            sdp_answer_reject(&answer, section, offered);
            continue;
        }
        section->direction = sdp_direction_mirror(offered->direction);
    }
    char *out = write_sdp(&answer);
    sdp_free(&offer);
    return out;
}

bool answer_offer(struct world *world, struct client *client, bool audio_only) {
    const Livekit__SignalResponse *response = last_of(client, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER);
    if (response == NULL || response->offer->id == client->answered)
        return false;
    client->answered = response->offer->id;
    char *text = make_answer(response->offer->sdp, client->ufrag, audio_only);
    Livekit__SignalRequest request;
    Livekit__SessionDescription description;
    livekit__signal_request__init(&request);
    livekit__session_description__init(&description);
    description.type = (char *)(uintptr_t) "answer";
    description.sdp = text;
    description.id = client->answered;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ANSWER;
    request.answer = &description;
    send_request(world, client, &request);
    free(text);
    return true;
}

static void add_codec(struct sdp *sdp, struct sdp_section *section, uint8_t pt, enum codec codec, const char *fmtp) {
    struct sdp_format *format = sdp_add_format(sdp, section);
    format->pt = pt;
    format->codec = codec;
    format->clock_hz = codec_clock_hz(codec);
    format->channels = codec_channels(codec);
    format->fmtp = span_str(fmtp);
    if (codec_kind(codec) == CODEC_KIND_VIDEO)
        format->feedback = SDP_FB_NACK | SDP_FB_NACK_PLI | SDP_FB_CCM_FIR | SDP_FB_REMB | SDP_FB_TRANSPORT_CC;
    else if (codec == CODEC_OPUS)
        format->feedback = SDP_FB_TRANSPORT_CC;
}

static void add_extmap(struct sdp *sdp, struct sdp_section *section, uint8_t id, const char *uri) {
    struct sdp_extmap *extmap = sdp_add_extmap(sdp, section);
    extmap->id = id;
    extmap->uri = span_str(uri);
}

static void offer_media(struct sdp *sdp, struct sdp_section *section, const struct section_wish *wish) {
    add_extmap(sdp, section, 4, "urn:ietf:params:rtp-hdrext:sdes:mid");
    add_extmap(sdp, section, 3, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01");
    if (wish->video) {
        add_codec(sdp, section, 96, CODEC_VP8, "");
        add_codec(sdp, section, 97, CODEC_RTX, "apt=96");
        add_codec(sdp, section, 102, CODEC_H264,
                  "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
        add_codec(sdp, section, 98, CODEC_VP9, "profile-id=0");
        add_extmap(sdp, section, 10, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id");
    } else {
        add_codec(sdp, section, 111, CODEC_OPUS, "minptime=10;useinbandfec=1");
        add_codec(sdp, section, 63, CODEC_RED, "111/111");
        add_extmap(sdp, section, 1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level");
    }
    section->direction = wish->recvonly ? SDP_RECVONLY : wish->active ? SDP_SENDONLY : SDP_INACTIVE;
    if (wish->recvonly || !wish->active)
        return;
    *sdp_add_msid(sdp, section) = (struct sdp_msid){span_str("stream"), span_str(wish->cid)};
    for (const char *rid = wish->rids; rid != NULL && *rid != 0; rid += rid[1] != 0 ? 2 : 1) {
        *sdp_add_rid(sdp, section) = (struct sdp_rid){span_of(rid, 1), SDP_SENDONLY, span_of(NULL, 0)};
        *sdp_add_simulcast(sdp, section) = (struct sdp_simulcast){
            .direction = SDP_SENDONLY, .stream = (uint8_t)((rid - wish->rids) / 2), .rid = span_of(rid, 1)};
    }
}

char *offer_text(const struct offer *offer) {
    struct sdp sdp;
    char ufrag[16];
    sdp_init(&sdp);
    sdp.session_id = 1;
    sdp.session_version = offer->id;
    sdp.extmap_allow_mixed = true;
    (void)snprintf(ufrag, sizeof ufrag, "abcd%u", offer->ice);
    struct sdp_section *application = sdp_add_section(&sdp, SDP_APPLICATION, span_str("0"));
    application->sctp_port = 5000;
    describe(application, ufrag, SDP_SETUP_ACTPASS);
    for (size_t i = 0; i < offer->count; i++) {
        const struct section_wish *wish = &offer->sections[i];
        struct sdp_section *section =
            sdp_add_section(&sdp, wish->video ? SDP_VIDEO : SDP_AUDIO, sdp_format_text(&sdp, "%zu", i + 1));
        describe(section, ufrag, SDP_SETUP_ACTPASS);
        offer_media(&sdp, section, wish);
    }
    return write_sdp(&sdp);
}

void add_track(struct world *world, struct client *client, const char *cid, bool video, bool encrypted) {
    Livekit__SignalRequest request;
    Livekit__AddTrackRequest message;
    Livekit__SimulcastCodec codec, *codecs = &codec;
    livekit__signal_request__init(&request);
    livekit__add_track_request__init(&message);
    livekit__simulcast_codec__init(&codec);
    message.cid = (char *)(uintptr_t)cid;
    message.name = (char *)(uintptr_t)cid;
    message.type = video ? LIVEKIT__TRACK_TYPE__VIDEO : LIVEKIT__TRACK_TYPE__AUDIO;
    message.source = video ? LIVEKIT__TRACK_SOURCE__CAMERA : LIVEKIT__TRACK_SOURCE__MICROPHONE;
    message.encryption = encrypted ? LIVEKIT__ENCRYPTION__TYPE__GCM : LIVEKIT__ENCRYPTION__TYPE__NONE;
    Livekit__VideoLayer layers[3], *list[3] = {&layers[0], &layers[1], &layers[2]};
    if (video) {
        codec.codec = (char *)(uintptr_t) "vp8";
        codec.cid = message.cid;
        message.n_simulcast_codecs = 1;
        message.simulcast_codecs = &codecs;
        message.width = 1280;
        message.height = 720;
        for (int i = 0; i < 3; i++) {
            livekit__video_layer__init(&layers[i]);
            layers[i].quality = (Livekit__VideoQuality)i;
            layers[i].width = 320u << i;
            layers[i].height = 180u << i;
        }
        message.n_layers = 3;
        message.layers = list;
    }
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK;
    request.add_track = &message;
    send_request(world, client, &request);
}

const char *publish(struct world *world, struct client *client, struct offer *offer, const char *cid, bool video) {
    add_track(world, client, cid, video, false);
    const Livekit__SignalResponse *published = last_of(client, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_PUBLISHED);
    assert_non_null(published);
    assert_string_equal(published->track_published->cid, cid);
    struct section_wish *wish = &offer->sections[offer->count++];
    *wish = (struct section_wish){.video = video, .active = true, .rids = video ? "q;h;f" : NULL};
    (void)snprintf(wish->cid, sizeof wish->cid, "%s", cid);
    char *text = offer_text(offer);
    send_text_offer(world, client, text, ++offer->id);
    free(text);
    return published->track_published->track->sid;
}

void parse_sdp(const char *text, struct sdp *out) {
    struct sdp_error error;
    sdp_init(out);
    if (!sdp_parse(span_str(text), out, &error))
        fail_msg("line %u: %s", error.line, error.what);
}

struct client *ready(struct world *world, const char *identity, const char *room, const char *more) {
    struct client *client = join_v0(world, identity, room, more);
    assert_non_null(client);
    assert_true(answer_offer(world, client, false));
    connect_all(world);
    return client;
}

void settle(struct world *world) {
    for (int round = 0; round < 4; round++) {
        pass(world, 200 * US_PER_MS);
        for (size_t i = 0; i < CLIENTS_MAX; i++) {
            if (world->clients[i].session != 0)
                (void)answer_offer(world, &world->clients[i], false);
        }
        connect_all(world);
    }
}
