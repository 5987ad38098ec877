/* Answers to clients' offers (RFC 9429 section 5.3). */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "room/memory.h"
#include "signal/internal.h"

/* Firefox names itself in the origin line. */
static bool text_contains(struct span text, const char *word) {
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++) {
        if (memcmp(text.data + i, word, len) == 0)
            return true;
    }
    return false;
}

/* Mids go into JSON and into header extensions. */
static bool mid_usable(struct span mid, char out[ENGINE_MID_LEN_MAX + 1]) {
    if (mid.len == 0 || !span_to_str(mid, out, ENGINE_MID_LEN_MAX + 1))
        return false;
    for (const char *c = out; *c != 0; c++) {
        if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
            return false;
    }
    return true;
}

static struct span track_id(const struct sdp_section *offered) {
    for (uint16_t i = 0; i < offered->msid_count; i++) {
        if (offered->msids[i].track.len > 0)
            return offered->msids[i].track;
    }
    for (uint16_t i = 0; i < offered->ssrc_count; i++) {
        if (offered->ssrcs[i].msid.track.len > 0)
            return offered->ssrcs[i].msid.track;
    }
    return span_of(NULL, 0);
}

/* Place of a name that LiveKit's clients use, low to high; -1 for others. */
static int rid_rank(const char *rid) {
    if (rid[0] == 0 || rid[1] != 0)
        return -1;
    return rid[0] == 'q' ? 0 : rid[0] == 'h' ? 1 : rid[0] == 'f' ? 2 : -1;
}

/* Lowest first: q, h, f by name. Others stand in the order of preference (RFC 8853 section 5.1), so that the first is taken
 * for the best until pictures or rates tell the engine. */
static void order_rids(struct section *section) {
    section->rids_known = section->layers > 0;
    for (uint8_t i = 0; i < section->layers; i++)
        section->rids_known = section->rids_known && rid_rank(section->rids[i]) >= 0;
    for (uint8_t i = 1; i < section->layers; i++) {
        for (uint8_t k = i; k > 0; k--) {
            if (section->rids_known && rid_rank(section->rids[k - 1]) <= rid_rank(section->rids[k]))
                break;
            char swap[ENGINE_RID_LEN_MAX + 1];
            memcpy(swap, section->rids[k], sizeof swap);
            memcpy(section->rids[k], section->rids[k - 1], sizeof swap);
            memcpy(section->rids[k - 1], swap, sizeof swap);
        }
    }
}

static void read_rids(struct section *section, const struct sdp_section *offered) {
    for (uint16_t i = 0; i < offered->simulcast_count && section->layers < ENGINE_LAYERS_MAX; i++) {
        const struct sdp_simulcast *entry = &offered->simulcast[i];
        /* alternatives of one stream: the first is what it will use */
        bool alternative = i > 0 && offered->simulcast[i - 1].stream == entry->stream &&
                           offered->simulcast[i - 1].direction == entry->direction;
        if (entry->direction == SDP_SENDONLY && !alternative &&
            span_to_str(entry->rid, section->rids[section->layers], sizeof section->rids[0]))
            section->layers++;
    }
    order_rids(section);
}

static void read_ssrcs(struct section *section, const struct sdp_section *offered) {
    for (uint16_t i = 0; i < offered->ssrc_group_count; i++) {
        const struct sdp_ssrc_group *group = &offered->ssrc_groups[i];
        if (group->semantics != SDP_SSRC_SIM)
            continue;
        for (uint8_t k = 0; k < group->count && k < ENGINE_LAYERS_MAX; k++) {
            section->ssrcs[k] = group->ssrcs[k];
            section->rtx_ssrcs[k] = sdp_rtx_ssrc_of(offered, group->ssrcs[k]);
            section->layers = (uint8_t)(k + 1);
        }
        return;
    }
    if (offered->ssrc_count > 0) {
        section->ssrcs[0] = offered->ssrcs[0].ssrc;
        section->rtx_ssrcs[0] = sdp_rtx_ssrc_of(offered, section->ssrcs[0]);
    }
}

static void read_media(struct section *section, const struct sdp_section *offered) {
    bool media = section->kind == SDP_AUDIO || section->kind == SDP_VIDEO;
    section->stopped = sdp_rejected(offered) || offered->kind == SDP_OTHER;
    section->receives = media && !section->stopped && (offered->direction & SDP_SENDONLY) != 0;
    section->can_send = media && !section->stopped && (offered->direction & SDP_RECVONLY) != 0;
    char cid[ROOM_CID_LEN_MAX + 1];
    if (!section->receives || !span_to_str(track_id(offered), cid, sizeof cid))
        cid[0] = 0;
    if (section->track != NULL && (!section->receives || (cid[0] != 0 && strcmp(cid, section->cid) != 0)))
        publish_remove(section->track, false);
    memcpy(section->cid, cid, sizeof cid);
    section->layers = 0;
    memset(section->rids, 0, sizeof section->rids);
    memset(section->ssrcs, 0, sizeof section->ssrcs);
    memset(section->rtx_ssrcs, 0, sizeof section->rtx_ssrcs);
    section->offers_stereo = section->offers_dtx = false;
    for (uint16_t i = 0; i < offered->format_count; i++) {
        if (offered->formats[i].codec != CODEC_OPUS)
            continue;
        section->offers_stereo = section->offers_stereo || text_contains(offered->formats[i].fmtp, "stereo=1");
        section->offers_dtx = section->offers_dtx || text_contains(offered->formats[i].fmtp, "usedtx=1");
    }
    if (!section->receives)
        return;
    read_rids(section, offered);
    /* with rids every layer tells its number itself */
    if (section->layers == 0)
        read_ssrcs(section, offered);
}

static void section_release(struct section *section) {
    if (section->track != NULL)
        publish_remove(section->track, false);
    if (section->subscription != NULL)
        subscribe_drop(section->subscription);
}

/* A place whose section was stopped may be taken by a new one with another mid (RFC 9429 section 5.2.2). */
static bool recycle(struct section *section, enum sdp_kind kind, const char *mid) {
    if (!section->stopped)
        return false;
    section_release(section);
    free(section->tx_formats);
    free(section->tx_maps);
    *section = (struct section){.kind = kind};
    memcpy(section->mid, mid, strlen(mid) + 1);
    return true;
}

static bool offer_acceptable(const struct pc *pc, const struct sdp *offer) {
    if (offer->section_count < pc->sections_count || offer->section_count > PC_SECTIONS_MAX)
        return false;
    const struct sdp_section *transport = sdp_transport_section(offer);
    uint8_t digest[32];
    if (transport == NULL || transport->transport.ice_ufrag.len < 4 || transport->transport.ice_pwd.len < 22 ||
        transport->transport.ice_ufrag.len > ENGINE_UFRAG_LEN_MAX ||
        transport->transport.ice_pwd.len > ENGINE_PWD_LEN_MAX || !sdp_sha256(&transport->transport, digest) ||
        sdp_setup_answer(transport->transport.setup, SDP_SETUP_PASSIVE) == SDP_SETUP_NONE)
        return false;
    for (uint16_t i = 0; i < offer->section_count; i++) {
        char mid[ENGINE_MID_LEN_MAX + 1];
        if (!mid_usable(offer->sections[i]->mid, mid))
            return false;
        if (i >= pc->sections_count || pc->sections[i]->stopped)
            continue;
        if (strcmp(pc->sections[i]->mid, mid) != 0 || pc->sections[i]->kind != offer->sections[i]->kind)
            return false;
    }
    return true;
}

static void read_sections(struct pc *pc, const struct sdp *offer) {
    for (uint16_t i = 0; i < offer->section_count; i++) {
        const struct sdp_section *offered = offer->sections[i];
        char mid[ENGINE_MID_LEN_MAX + 1];
        bool usable = mid_usable(offered->mid, mid);
        ASSERT(usable);
        struct section *section;
        if (i == pc->sections_count) {
            section = pc_section_add(pc, offered->kind, mid);
            ASSERT(section != NULL);
        } else {
            section = pc->sections[i];
            if (strcmp(section->mid, mid) != 0 || section->kind != offered->kind) {
                bool recycled = recycle(section, offered->kind, mid);
                ASSERT(recycled);
            }
        }
        read_media(section, offered);
        if (section->subscription != NULL && !section->can_send)
            subscribe_drop(section->subscription);
    }
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* One format a codec: the engine tells formats of a source apart by codec. Retransmission formats stay with theirs. */
static void prune_formats(struct sdp_section *answered, size_t max) {
    uint16_t kept = 0;
    size_t codecs = 0;
    bool keep = false;
    for (uint16_t i = 0; i < answered->format_count; i++) {
        if (answered->formats[i].codec != CODEC_RTX) {
            keep = codecs < max;
            for (uint16_t k = 0; k < kept; k++)
                keep = keep && answered->formats[k].codec != answered->formats[i].codec;
            codecs += keep;
        }
        if (keep)
            answered->formats[kept++] = answered->formats[i];
    }
    answered->format_count = kept;
}

/* Transport-wide feedback where it is offered; both would make the client average two opinions. */
static void prefer_transport_cc(struct sdp_section *answered) {
    for (uint16_t i = 0; i < answered->format_count; i++) {
        if ((answered->formats[i].feedback & SDP_FB_TRANSPORT_CC) != 0)
            answered->formats[i].feedback &= ~(uint32_t)SDP_FB_REMB;
    }
}

static void note_received(struct section *section, const struct sdp_section *answered) {
    uint32_t count = 0;
    memset(section->rx_codecs, 0, sizeof section->rx_codecs);
    memset(section->rx_formats, 0, sizeof section->rx_formats);
    for (uint16_t i = 0; i < answered->format_count && count < ENGINE_SOURCE_CODECS_MAX; i++) {
        const struct sdp_format *format = &answered->formats[i];
        if (format->codec == CODEC_RTX)
            continue;
        section->rx_codecs[count] = codecs_map_format(answered, format);
        section->rx_formats[count].codec = format->codec;
        (void)span_to_str(format->fmtp, section->rx_formats[count].fmtp, sizeof section->rx_formats[count].fmtp);
        count++;
    }
}

/* WHEP has one description for tracks that do not exist yet: everything is kept. */
static void note_sent(struct section *section, const struct sdp_section *answered) {
    free(section->tx_formats);
    free(section->tx_maps);
    section->tx_formats = memory_new((answered->format_count + 1u) * sizeof *section->tx_formats);
    section->tx_maps = memory_new((answered->format_count + 1u) * sizeof *section->tx_maps);
    section->tx_formats_count = 0;
    for (uint16_t i = 0; i < answered->format_count; i++) {
        const struct sdp_format *format = &answered->formats[i];
        struct room_format *kept = &section->tx_formats[section->tx_formats_count];
        if (format->codec == CODEC_RTX || !span_to_str(format->fmtp, kept->fmtp, sizeof kept->fmtp))
            continue;
        kept->codec = format->codec;
        section->tx_maps[section->tx_formats_count++] = codecs_map_format(answered, format);
    }
}

static void describe_sent(struct sdp *answer, struct sdp_section *answered, const struct section *section, bool msid) {
    const struct subscription *subscription = section->subscription;
    const char *publisher = "-", *cname = section->mid;
    if (subscription != NULL) {
        publisher = subscription->track->publisher->sid;
        cname = publisher;
    }
    struct sdp_msid *id = msid && subscription != NULL ? sdp_add_msid(answer, answered) : NULL;
    if (id != NULL) {
        id->stream = sdp_format_text(answer, "%s|%s", publisher, subscription->track->sid);
        id->track = span_str(subscription->track->sid);
    }
    struct sdp_ssrc *ssrc = sdp_add_ssrc(answer, answered);
    if (ssrc != NULL)
        *ssrc = (struct sdp_ssrc){.ssrc = section->ssrc, .cname = span_str(cname)};
    bool has_rtx = false;
    for (uint16_t i = 0; i < answered->format_count; i++)
        has_rtx = has_rtx || answered->formats[i].codec == CODEC_RTX;
    if (section->rtx_ssrc == 0 || !has_rtx)
        return;
    ssrc = sdp_add_ssrc(answer, answered);
    struct sdp_ssrc_group *group = sdp_add_ssrc_group(answer, answered);
    if (ssrc == NULL || group == NULL)
        return;
    *ssrc = (struct sdp_ssrc){.ssrc = section->rtx_ssrc, .cname = span_str(cname)};
    *group =
        (struct sdp_ssrc_group){.semantics = SDP_SSRC_FID, .count = 2, .ssrcs = {section->ssrc, section->rtx_ssrc}};
}

/* One id means one extension in a whole bundle (RFC 9143 section 15). Some offers have it mean two, or give one extension
 * two ids: the first section that was answered is right, and later ones go without. */
static void drop_clashing_extensions(const struct sdp *answer, struct sdp_section *answered) {
    uint16_t kept = 0;
    for (uint16_t i = 0; i < answered->extmap_count; i++) {
        bool clashes = false;
        for (uint16_t s = 0; s < answer->section_count && answer->sections[s] != answered; s++) {
            const struct sdp_section *before = answer->sections[s];
            for (uint16_t k = 0; k < before->extmap_count; k++)
                clashes = clashes || (before->extmaps[k].id == answered->extmaps[i].id) !=
                                         span_equal(before->extmaps[k].uri, answered->extmaps[i].uri);
        }
        if (!clashes)
            answered->extmaps[kept++] = answered->extmaps[i];
    }
    answered->extmap_count = kept;
}

/* Every section accepts all that a publisher may need, also where nothing is received: Chromium never offers an
 * extension again for later sections of the connection once an answer has left it out of all earlier ones, and refuses
 * to publish simulcast without the rid. The dependency descriptor is left out for codecs that describe themselves: with
 * it, Chromium sends VP8 without picture ids and temporal layers. */
static void answer_extensions(struct sdp *answer, struct sdp_section *answered, const struct sdp_section *offered,
                              const struct section *section) {
    size_t count;
    const char *const *uris = codecs_extensions(true, section->kind, &count);
    const char *kept[ENGINE_EXTENSIONS_MAX];
    size_t kept_count = 0;
    enum codec first = answered->formats[0].codec;
    bool describes_itself = section->receives && first != CODEC_VP9 && first != CODEC_AV1;
    for (size_t i = 0; i < count && kept_count < ARRAY_LEN(kept); i++) {
        if (!describes_itself || rtp_ext_kind_of(span_str(uris[i])) != RTP_EXT_DEPENDENCY_DESCRIPTOR)
            kept[kept_count++] = uris[i];
    }
    (void)sdp_answer_extmaps(answer, answered, offered, kept, kept_count);
    drop_clashing_extensions(answer, answered);
}

static void answer_media(struct pc *pc, struct sdp *answer, struct section *section, const struct sdp_section *offered,
                         struct sdp_section *answered) {
    const struct track *sent = section->subscription != NULL ? section->subscription->track : NULL;
    struct codec_choice choice = section->receives ? codecs_for_publish(pc, section->kind, section->track)
                                                   : codecs_for_subscribe(pc, section->kind, sent);
    (void)sdp_answer_formats(answer, answered, offered, choice.list, choice.count, SDP_ORDER_OURS);
    if (section->receives)
        prune_formats(answered, choice.only_first ? 1 : ENGINE_SOURCE_CODECS_MAX);
    prefer_transport_cc(answered);
    if (answered->format_count == 0) {
        sdp_answer_reject(answer, answered, offered);
        section_release(section);
        section->stopped = true;
        section->receives = section->can_send = false;
        return;
    }
    answer_extensions(answer, answered, offered, section);
    bool whep = pc->peer->kind == PEER_WHEP && section->can_send;
    if (sent != NULL && !codecs_map_track(answered, sent, section->tx_codecs)) {
        subscribe_unsupported(section->subscription);
        sent = NULL;
    }
    if (section->receives) {
        note_received(section, answered);
        (void)sdp_answer_simulcast(answer, answered, offered);
    }
    if (whep)
        note_sent(section, answered);
    bool sends = sent != NULL || whep;
    if (whep && section->ssrc == 0)
        section_draw_ssrcs(pc->peer->control, section);
    answered->direction =
        (enum sdp_direction)((section->receives ? (int)SDP_RECVONLY : 0) | (sends ? (int)SDP_SENDONLY : 0));
    if (sends)
        describe_sent(answer, answered, section, true);
    if (sent != NULL)
        section->agreed = true;
}

static void write_sections(struct pc *pc, struct sdp *answer, const struct sdp *offer, enum sdp_setup setup) {
    for (uint16_t i = 0; i < offer->section_count; i++) {
        const struct sdp_section *offered = offer->sections[i];
        struct section *section = pc->sections[i];
        struct sdp_section *answered = sdp_answer_section(answer, offered);
        if (answered == NULL)
            return;
        if (!section->stopped && section->kind == SDP_APPLICATION) {
            answered->sctp_port = 5000;
            answered->has_max_message_size = true;
            answered->max_message_size = ENGINE_MESSAGE_LEN_MAX;
        } else if (!section->stopped) {
            answer_media(pc, answer, section, offered, answered);
        }
        section->settled = true;
        if (!section->stopped)
            pc_describe_transport(pc, answer, answered, setup);
    }
}

static const char *answer_parsed(struct pc *pc, const struct sdp *offer, struct arena *arena) {
    if (!offer_acceptable(pc, offer))
        return NULL;
    enum sdp_setup setup = sdp_setup_answer(sdp_transport_section(offer)->transport.setup, SDP_SETUP_PASSIVE);
    if (pc_remote_changed(pc, offer))
        pc_restart_ice(pc);
    read_sections(pc, offer);
    publish_match(pc);
    uint32_t audios = 0, videos = 0;
    subscribe_assign(pc, &audios, &videos);
    struct sdp answer;
    sdp_init(&answer);
    answer.session_id = pc->sdp_id;
    answer.session_version = ++pc->sdp_version;
    answer.ice_lite = true;
    answer.extmap_allow_mixed = offer->extmap_allow_mixed;
    answer.msid_semantic = true;
    write_sections(pc, &answer, offer, setup);
    char *text = NULL;
    if (!answer.failed && pc_remote(pc, offer, &answer, setup == SDP_SETUP_ACTIVE))
        text = pc_write(pc, &answer, arena);
    sdp_free(&answer);
    if (text == NULL)
        return NULL;
    pc->in_flight = false;
    pc->dirty = false;
    if (audios + videos > 0)
        pc_schedule(pc, false);
    else if (publish_remind(pc->peer))
        pc_schedule_at(pc, pc->peer->control->now_us + OFFER_MISSING_US);
    return text;
}

const char *pc_answer(struct pc *pc, struct span text, struct arena *arena) {
    ASSERT(pc->role == PC_CLIENT_OFFERS);
    struct sdp offer;
    struct sdp_error error;
    sdp_init(&offer);
    if (!sdp_parse(text, &offer, &error))
        return NULL;
    pc->peer->control->work_ns += text.len * WORK_DESCRIPTION_NS;
    pc->firefox = text_contains(span_of(text.data, text.len < 512 ? text.len : 512), "THIS_IS_SDPARTA");
    const char *answer = answer_parsed(pc, &offer, arena);
    sdp_free(&offer);
    if (answer == NULL)
        return NULL;
    publish_start(pc);
    subscribe_start(pc);
    return answer;
}
