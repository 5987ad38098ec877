/* Our offers to clients that have a connection of their own for what they receive (RFC 9429 section 5.2). */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "signal/internal.h"

static void offer_msid(struct sdp *sdp, struct sdp_section *out, const struct section *section) {
    const struct track *track = section->subscription->track;
    struct sdp_msid *msid = sdp_add_msid(sdp, out);
    struct sdp_ssrc *ssrc = sdp_add_ssrc(sdp, out);
    if (msid == NULL || ssrc == NULL)
        return;
    msid->stream = sdp_format_text(sdp, "%s|%s", track->publisher->sid, track->sid);
    msid->track = span_str(track->sid);
    /* the old form as well: some native clients read nothing else */
    *ssrc = (struct sdp_ssrc){.ssrc = section->ssrc, .cname = span_str(track->publisher->sid), .msid = *msid};
    if (section->rtx_ssrc == 0 || section->tx_offered[0].rtx_pt == 0)
        return;
    struct sdp_ssrc *rtx = sdp_add_ssrc(sdp, out);
    struct sdp_ssrc_group *group = sdp_add_ssrc_group(sdp, out);
    if (rtx == NULL || group == NULL)
        return;
    *rtx = (struct sdp_ssrc){.ssrc = section->rtx_ssrc, .cname = span_str(track->publisher->sid), .msid = *msid};
    *group =
        (struct sdp_ssrc_group){.semantics = SDP_SSRC_FID, .count = 2, .ssrcs = {section->ssrc, section->rtx_ssrc}};
}

static void offer_section(struct pc *pc, struct sdp *sdp, struct section *section) {
    struct sdp_section *out = sdp_add_section(sdp, section->kind, span_str(section->mid));
    if (out == NULL)
        return;
    out->extmap_allow_mixed = true;
    if (section->kind == SDP_APPLICATION) {
        out->sctp_port = 5000;
        out->has_max_message_size = true;
        out->max_message_size = ENGINE_MESSAGE_LEN_MAX;
    } else {
        codecs_offer_write(sdp, out, pc, section->tx_offered);
        codecs_offer_extensions(sdp, out);
    }
    if (section->stopped) {
        out->port = 0;
        out->bundled = false;
        return;
    }
    if (section->subscription != NULL) {
        out->direction = SDP_SENDONLY;
        offer_msid(sdp, out, section);
    }
    pc_describe_transport(pc, sdp, out, SDP_SETUP_ACTPASS);
}

static char *offer_text(struct pc *pc, struct arena *arena) {
    struct sdp sdp;
    sdp_init(&sdp);
    sdp.session_id = pc->sdp_id;
    sdp.session_version = ++pc->sdp_version;
    sdp.ice_lite = true;
    sdp.extmap_allow_mixed = true;
    sdp.msid_semantic = true;
    for (uint32_t i = 0; i < pc->sections_count; i++)
        offer_section(pc, &sdp, pc->sections[i]);
    char *text = sdp.failed ? NULL : pc_write(pc, &sdp, arena);
    sdp_free(&sdp);
    return text;
}

void pc_offer(struct pc *pc) {
    ASSERT(pc->role == PC_SERVER_OFFERS && !pc->in_flight);
    struct control *control = pc->peer->control;
    if (pc->sections_count == 0) {
        struct section *application = pc_section_add(pc, SDP_APPLICATION, "0");
        ASSERT(application != NULL);
    }
    uint32_t audios = 0, videos = 0;
    subscribe_assign(pc, &audios, &videos);
    updates_flush(control);
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    const char *text = offer_text(pc, &arena);
    pc->dirty = false;
    control->work_ns += text != NULL ? strlen(text) * WORK_DESCRIPTION_NS : 0;
    if (text != NULL) {
        pc->offer_id++;
        pc->in_flight = true;
        pc->sent_us = pc->last_offer_us = control->now_us;
        timer_arm(control, pc->peer->participant->room, pc->sent_us + NEGOTIATION_TIMEOUT_US);
        send_description(pc->peer, true, text, pc->offer_id, pc);
    } else { /* beyond a limit of descriptions: whoever asked for so much gets no further, alone */
        control->counters.negotiations_failed++;
        if (pc->peer->session != NULL)
            output_close(control, pc->peer->session, 1011);
    }
    arena_free(&arena);
}

/* The formats of ours that the answer kept. */
static void agree_codecs(struct section *section, const struct sdp_section *answered) {
    uint32_t count = 0;
    memset(section->tx_codecs, 0, sizeof section->tx_codecs);
    for (uint32_t i = 0; i < ENGINE_SOURCE_CODECS_MAX && section->tx_offered[i].codec != CODEC_UNKNOWN; i++) {
        const struct sdp_format *format = sdp_format_by_pt(answered, section->tx_offered[i].pt);
        if (format == NULL || format->codec != section->tx_offered[i].codec)
            continue;
        section->tx_codecs[count++] = codecs_map_format(answered, format);
    }
}

static void accept_section(struct section *section, const struct sdp_section *answered) {
    section->settled = true;
    if (section->kind == SDP_APPLICATION || section->stopped)
        return;
    struct subscription *subscription = section->subscription;
    if (sdp_rejected(answered)) {
        section->stopped = true;
        if (subscription != NULL)
            subscribe_unsupported(subscription);
        return;
    }
    agree_codecs(section, answered);
    if (subscription == NULL)
        return;
    if (section->tx_codecs[0].codec == CODEC_UNKNOWN)
        subscribe_unsupported(subscription);
    else if ((answered->direction & SDP_RECVONLY) != 0)
        section->agreed = true;
}

static bool answer_acceptable(const struct pc *pc, const struct sdp *answer) {
    if (answer->section_count != pc->sections_count || sdp_transport_section(answer) == NULL)
        return false;
    for (uint16_t i = 0; i < answer->section_count; i++) {
        if (!span_equal_str(answer->sections[i]->mid, pc->sections[i]->mid) && !sdp_rejected(answer->sections[i]))
            return false;
    }
    enum sdp_setup setup = sdp_transport_section(answer)->transport.setup;
    return setup == SDP_SETUP_ACTIVE || setup == SDP_SETUP_PASSIVE;
}

static void open_channels(struct pc *pc) {
    static const bool ordered[CHANNELS] = {[CHANNEL_RELIABLE] = true};
    pc->channels_asked = true;
    for (int i = 0; i < CHANNELS; i++) {
        struct engine_command command = {.type = ENGINE_CHANNEL_OPEN, .object = pc->transport};
        const char *label = channel_label((enum channel)i);
        memcpy(command.channel_open.label, label, strlen(label) + 1);
        command.channel_open.ordered = command.channel_open.reliable = ordered[i];
        output_command(pc->peer->control, pc->shard, &command, NULL);
    }
}

bool pc_accept(struct pc *pc, struct span text) {
    ASSERT(pc->role == PC_SERVER_OFFERS && pc->in_flight);
    struct sdp answer;
    struct sdp_error error;
    sdp_init(&answer);
    if (!sdp_parse(text, &answer, &error))
        return false;
    pc->peer->control->work_ns += text.len * WORK_DESCRIPTION_NS;
    bool usable = answer_acceptable(pc, &answer);
    if (usable) {
        /* who starts DTLS follows from the answer: an active client makes us the server */
        bool dtls_client = sdp_transport_section(&answer)->transport.setup == SDP_SETUP_PASSIVE;
        usable = pc_remote(pc, &answer, NULL, dtls_client);
    }
    for (uint16_t i = 0; usable && i < answer.section_count; i++)
        accept_section(pc->sections[i], answer.sections[i]);
    sdp_free(&answer);
    if (!usable)
        return false;
    pc->in_flight = false;
    if (!pc->channels_asked)
        open_channels(pc);
    subscribe_start(pc);
    if (pc->dirty)
        pc_schedule(pc, false);
    return true;
}
