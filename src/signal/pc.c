/* Connections: their engine transports, sections, candidates and timers. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "protocol/candidate.h"
#include "protocol/rtp.h"
#include "room/memory.h"
#include "signal/internal.h"

/* The io layer finds the shard of a first packet by the first two characters of its ufrag. */
static void make_credentials(struct pc *pc) {
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    ASSERT(pc->shard < 36 * 36);
    pc->local_ufrag[0] = digits[pc->shard / 36];
    pc->local_ufrag[1] = digits[pc->shard % 36];
    rng_token(pc->peer->control->rng, pc->local_ufrag + 2, 10);
    rng_token(pc->peer->control->rng, pc->local_pwd, 28);
}

static void transport_command(struct pc *pc, enum engine_command_type type) {
    struct engine_command command = {.type = type, .object = pc->transport};
    if (type != ENGINE_TRANSPORT_CLOSE) {
        command.transport_open.room = pc->peer->participant->room->tag;
        memcpy(command.transport_open.local_ufrag, pc->local_ufrag, sizeof pc->local_ufrag);
        memcpy(command.transport_open.local_pwd, pc->local_pwd, sizeof pc->local_pwd);
        command.transport_open.dtls_client = false;
    }
    output_command(pc->peer->control, pc->shard, &command, NULL);
}

struct pc *pc_open(struct peer *peer, enum pc_role role) {
    struct control *control = peer->control;
    uint32_t shard_number = peer->participant->room->shard;
    struct shard *shard = &control->shards[shard_number];
    uint32_t transport = room_take(control, peer->participant->room, ROOM_TRANSPORTS);
    if (transport == 0) {
        control->counters.limit_refused++;
        return NULL;
    }
    struct pc *pc = memory_new(sizeof *pc);
    pc->peer = peer;
    pc->role = role;
    pc->shard = shard_number;
    pc->transport = transport;
    pc->sdp_id = rng_u64(control->rng) >> 2; /* below 2^63 and never 0 */
    pc->sdp_id |= 1;
    outbox_init(&pc->outbox);
    shard->transport_owner[pool_index(transport)] = pc;
    make_credentials(pc);
    transport_command(pc, ENGINE_TRANSPORT_OPEN);
    return pc;
}

void pc_close(struct pc *pc) {
    struct control *control = pc->peer->control;
    struct shard *shard = &control->shards[pc->shard];
    outbox_clear(pc);
    for (uint32_t i = 0; i < pc->sections_count; i++) {
        ASSERT(pc->sections[i]->track == NULL && pc->sections[i]->subscription == NULL);
        free(pc->sections[i]->tx_formats);
        free(pc->sections[i]->tx_maps);
        free(pc->sections[i]);
    }
    transport_command(pc, ENGINE_TRANSPORT_CLOSE);
    shard->transport_owner[pool_index(pc->transport)] = NULL;
    room_give(control, pc->peer->participant->room, ROOM_TRANSPORTS, pc->transport);
    free(pc->sections);
    free(pc);
}

void pc_restart_ice(struct pc *pc) {
    make_credentials(pc);
    transport_command(pc, ENGINE_TRANSPORT_RESTART);
}

struct section *pc_section_add(struct pc *pc, enum sdp_kind kind, const char *mid) {
    if (pc->sections_count == PC_SECTIONS_MAX || strlen(mid) > ENGINE_MID_LEN_MAX)
        return NULL;
    struct section *section = memory_new(sizeof *section);
    memcpy(section->mid, mid, strlen(mid) + 1);
    section->kind = kind;
    if (pc->sections_count % 16 == 0)
        pc->sections = memory_grow(pc->sections, pc->sections_count + 16, sizeof *pc->sections);
    pc->sections[pc->sections_count++] = section;
    return section;
}

void pc_schedule_at(struct pc *pc, uint64_t due_us) {
    if (!pc->dirty || due_us < pc->due_us)
        pc->due_us = due_us;
    pc->dirty = true;
    timer_arm(pc->peer->control, pc->peer->participant->room, pc->due_us);
}

void pc_schedule(struct pc *pc, bool at_once) {
    struct peer *peer = pc->peer;
    uint64_t now_us = peer->control->now_us;
    if (peer->kind == PEER_WHIP || peer->kind == PEER_WHEP)
        return; /* one description is all they get */
    if (pc->role == PC_CLIENT_OFFERS && pc->sections_count == 0)
        return; /* the client's first offer comes by itself, and its answer has everything */
    bool recent = pc->last_offer_us != 0 && time_since(now_us, pc->last_offer_us) < US_PER_S;
    pc_schedule_at(pc, at_once ? now_us : now_us + (recent ? OFFER_DEBOUNCE_US : OFFER_FIRST_US));
}

uint64_t pc_deadline_us(const struct pc *pc) {
    if (pc->peer->session == NULL)
        return TIME_NEVER;
    if (pc->in_flight) {
        uint64_t end_us = pc->sent_us + NEGOTIATION_TIMEOUT_US;
        return pc->role == PC_CLIENT_OFFERS ? time_min(end_us, pc->asked_us + NEGOTIATION_REPEAT_US) : end_us;
    }
    return pc->dirty ? pc->due_us : TIME_NEVER;
}

struct demand {
    uint32_t plain, encrypted; /* subscriptions that wait */
    uint32_t fresh, used;      /* sections that are free */
};

static uint32_t sections_needed(const struct demand *demand) {
    /* what another track has used carries unencrypted ones only: see subscribe.c */
    uint32_t plain = demand->plain > demand->used ? demand->plain - demand->used : 0;
    uint32_t need = plain + demand->encrypted;
    return need > demand->fresh ? need - demand->fresh : 0;
}

/* Asks a client that makes all offers for one: with sections for what waits, or just to have changes answered. */
static void request_sections(struct pc *pc) {
    struct demand demand[2] = {{0}}; /* audio, video */
    LIST_EACH(&pc->peer->participant->subscriptions, struct subscription, node, subscription) {
        if (!subscription->active || subscription->section != NULL)
            continue;
        struct demand *of = &demand[subscription->track->type == ROOM_VIDEO];
        if (subscription->track->encryption != ROOM_ENCRYPTION_NONE && pc->sections_count < PC_SECTIONS_REUSE)
            of->encrypted++;
        else
            of->plain++;
    }
    for (uint32_t i = 0; i < pc->sections_count; i++) {
        const struct section *section = pc->sections[i];
        struct demand *of = &demand[section->kind == SDP_VIDEO];
        if (section->stopped || !section->can_send || section->subscription != NULL)
            continue;
        if (!section->used)
            of->fresh++;
        else if (section->settled && (!section->used_encrypted || pc->sections_count >= PC_SECTIONS_REUSE))
            of->used++;
    }
    uint32_t audios = sections_needed(&demand[0]), videos = sections_needed(&demand[1]);
    uint32_t room = PC_SECTIONS_MAX - pc->sections_count;
    audios = audios < room ? audios : room;
    videos = videos < room - audios ? videos : room - audios;
    updates_flush(pc->peer->control);
    send_sections_requirement(pc->peer, audios, videos);
}

void pc_tick(struct pc *pc) {
    struct peer *peer = pc->peer;
    uint64_t now_us = peer->control->now_us;
    if (peer->session == NULL || now_us < pc_deadline_us(pc))
        return;
    if (pc->in_flight && now_us < pc->sent_us + NEGOTIATION_TIMEOUT_US) {
        pc->asked_us = now_us;
        timer_arm(peer->control, peer->participant->room, pc_deadline_us(pc));
        request_sections(pc);
        return;
    }
    if (pc->in_flight) {
        peer->control->counters.negotiations_failed++;
        peer_leave(peer, ROOM_LEAVE_STATE_MISMATCH, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
        return;
    }
    ASSERT(pc->dirty);
    struct room *room = peer->participant->room;
    if (work_room_waits(peer->control, room)) { /* changes gather in one description meanwhile */
        pc->due_us = room->work_us - WORK_ROOM_BURST_US;
        return;
    }
    if (pc->role == PC_SERVER_OFFERS) {
        pc_offer(pc);
        return;
    }
    pc->dirty = false;
    pc->in_flight = true;
    pc->sent_us = pc->asked_us = pc->last_offer_us = now_us;
    timer_arm(peer->control, peer->participant->room, pc_deadline_us(pc));
    request_sections(pc);
}

/* ---- descriptions of the transport ------------------------------------------------------------------------------- */

void candidate_text(const struct control *control, uint32_t index, struct writer *w) {
    ASSERT(index < control->config.candidates_count);
    const struct net_addr *addr = &control->config.candidates[index];
    struct candidate candidate = {.type = CANDIDATE_HOST, .component = 1, .addr = *addr};
    /* UDP before TCP, IPv6 before IPv4 (RFC 8421), then in the order of the configuration */
    uint32_t preference =
        (addr->proto == NET_UDP ? 0xc000u : 0x4000u) + (addr->family == 6 ? 0x1000u : 0) + 0xfffu - index;
    candidate.tcp = addr->proto == NET_TCP ? CANDIDATE_TCP_PASSIVE : CANDIDATE_TCP_NONE;
    candidate.priority = candidate_priority(CANDIDATE_HOST, (uint16_t)preference, 1);
    struct writer foundation = writer_of(candidate.foundation, sizeof candidate.foundation - 1);
    wr_fmt(&foundation, "%u", index + 1);
    (void)candidate_write(w, &candidate);
}

void pc_describe_transport(struct pc *pc, struct sdp *sdp, struct sdp_section *section, enum sdp_setup setup) {
    const struct control_config *config = &pc->peer->control->config;
    section->transport.ice_ufrag = span_str(pc->local_ufrag);
    section->transport.ice_pwd = span_str(pc->local_pwd);
    section->transport.ice_options = span_str("trickle");
    section->transport.setup = setup;
    (void)sdp_add_fingerprint(section, span_str("sha-256"), span_str(config->dtls_fingerprint));
    if (sdp_transport_section(sdp) != section)
        return;
    for (uint32_t i = 0; i < config->candidates_count; i++) {
        char line[256];
        struct writer w = writer_of(line, sizeof line);
        candidate_text(pc->peer->control, i, &w);
        struct span *slot = writer_ok(&w) ? sdp_add_candidate(sdp, section) : NULL;
        if (slot != NULL)
            *slot = sdp_copy_text(sdp, writer_span(&w));
    }
    section->end_of_candidates = true;
}

bool pc_remote_changed(const struct pc *pc, const struct sdp *theirs) {
    const struct sdp_section *section = sdp_transport_section(theirs);
    return section != NULL && pc->remote_ufrag[0] != 0 &&
           (!span_equal_str(section->transport.ice_ufrag, pc->remote_ufrag) ||
            !span_equal_str(section->transport.ice_pwd, pc->remote_pwd));
}

static void add_extensions(struct engine_extension out[ENGINE_EXTENSIONS_MAX], const struct sdp_section *section) {
    for (uint16_t i = 0; i < section->extmap_count; i++) {
        enum rtp_ext_kind kind = rtp_ext_kind_of(section->extmaps[i].uri);
        for (uint32_t k = 0; kind != RTP_EXT_NONE && k < ENGINE_EXTENSIONS_MAX; k++) {
            if (out[k].id == 0)
                out[k] = (struct engine_extension){section->extmaps[i].id, kind};
            if (out[k].kind == kind)
                break;
        }
    }
}

/* What both descriptions have in common, from the answer, whoever made it. */
static void read_agreed(const struct pc *pc, const struct sdp *theirs, const struct sdp *agreed,
                        struct engine_transport_remote *out) {
    for (uint16_t i = 0; i < agreed->section_count && i < pc->sections_count; i++) {
        const struct sdp_section *section = agreed->sections[i];
        if (sdp_rejected(section))
            continue;
        if (section->kind == SDP_APPLICATION) {
            const struct sdp_section *their_section = theirs->sections[i];
            out->data_channels = true;
            /* 0 there means any size */
            uint64_t max =
                !their_section->has_max_message_size ? 0
                : their_section->max_message_size == 0 || their_section->max_message_size > ENGINE_MESSAGE_LEN_MAX
                    ? ENGINE_MESSAGE_LEN_MAX
                    : their_section->max_message_size;
            out->data_message_len_max = (uint32_t)max;
            continue;
        }
        add_extensions(out->rx_extensions, section);
        add_extensions(out->tx_extensions, section);
        uint32_t feedback = 0;
        for (uint16_t k = 0; k < section->format_count; k++)
            feedback |= section->formats[k].feedback;
        if (pc->sections[i]->receives && (feedback & SDP_FB_TRANSPORT_CC) != 0)
            out->feedback_transport_wide = true;
        if (pc->sections[i]->receives && (feedback & SDP_FB_REMB) != 0)
            out->feedback_remb_send = true;
        if ((pc->sections[i]->can_send || pc->role == PC_SERVER_OFFERS) &&
            (feedback & (SDP_FB_TRANSPORT_CC | SDP_FB_REMB)) != 0)
            out->feedback_remb_receive = true;
    }
}

bool pc_remote(struct pc *pc, const struct sdp *theirs, const struct sdp *ours, bool dtls_client) {
    const struct sdp_section *section = sdp_transport_section(theirs);
    struct engine_command command = {.type = ENGINE_TRANSPORT_REMOTE, .object = pc->transport};
    struct engine_transport_remote *remote = &command.transport_remote;
    if (section == NULL || section->transport.ice_ufrag.len < 4 || section->transport.ice_pwd.len < 22 ||
        !span_to_str(section->transport.ice_ufrag, remote->remote_ufrag, sizeof remote->remote_ufrag) ||
        !span_to_str(section->transport.ice_pwd, remote->remote_pwd, sizeof remote->remote_pwd) ||
        !sdp_sha256(&section->transport, remote->fingerprint_sha256))
        return false;
    remote->dtls_client = dtls_client;
    read_agreed(pc, theirs, pc->role == PC_CLIENT_OFFERS ? ours : theirs, remote);
    memcpy(pc->remote_ufrag, remote->remote_ufrag, sizeof pc->remote_ufrag);
    memcpy(pc->remote_pwd, remote->remote_pwd, sizeof pc->remote_pwd);
    pc->remote = *remote;
    output_command(pc->peer->control, pc->shard, &command, NULL);
    return true;
}

void pc_remote_credentials(struct pc *pc, const char *ufrag, const char *pwd) {
    bool fits = span_to_str(span_str(ufrag), pc->remote_ufrag, sizeof pc->remote_ufrag) &&
                span_to_str(span_str(pwd), pc->remote_pwd, sizeof pc->remote_pwd);
    ASSERT(fits);
    memcpy(pc->remote.remote_ufrag, pc->remote_ufrag, sizeof pc->remote_ufrag);
    memcpy(pc->remote.remote_pwd, pc->remote_pwd, sizeof pc->remote_pwd);
    struct engine_command command = {.type = ENGINE_TRANSPORT_REMOTE, .object = pc->transport};
    command.transport_remote = pc->remote;
    output_command(pc->peer->control, pc->shard, &command, NULL);
}

char *pc_write(struct pc *pc, const struct sdp *sdp, struct arena *arena) {
    (void)pc;
    size_t size = sdp_write_len_max(sdp);
    char *text = arena_bytes(arena, size + 1);
    struct writer w = writer_of(text, size);
    if (!sdp_write(sdp, &w))
        return NULL;
    text[w.len] = 0;
    return text;
}
