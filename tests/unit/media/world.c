#include "world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/packet.h"
#include "base/seq.h"
#include "base/time.h"
#include "protocol/demux.h"

#define SERVER_PWD "serverpasswordserverpass"

bool world_in_media;

/* ---- the world ------------------------------------------------------------------------------------------------- */

struct world *world_make(uint64_t seed, const enum srtp_profile *profile) {
    struct world *w = calloc(1, sizeof *w);
    w->now_us = WORLD_START_US;
    w->rng = rng_seeded(seed);
    w->delay_us = 5000;
    w->config = engine_config_default(32, 64, 256);
    w->config.packets_max = 4096;
    struct dtls_options options = {.profiles = profile, .profile_count = profile != NULL ? 1 : 0};
    w->server_context = dtls_context_create(1800000000, profile != NULL ? &options : NULL);
    w->client_context = dtls_context_create(1800000000, NULL);
    w->memory_len = engine_size(&w->config);
    w->memory = mmap(NULL, w->memory_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(w->memory != MAP_FAILED);
    w->engine = engine_init(w->memory, &w->config, w->server_context, &w->rng, w->now_us);
    uint32_t capacity[3] = {w->config.transports_max, w->config.sources_max, w->config.sinks_max};
    struct pool *pools[3] = {&w->transports, &w->sources, &w->sinks};
    for (int i = 0; i < 3; i++) {
        w->pool_memory[i] = calloc(1, pool_size(capacity[i]));
        pool_init(pools[i], w->pool_memory[i], capacity[i]);
    }
    w->flights = calloc(WORLD_FLIGHT_MAX, sizeof *w->flights);
    engine_tick(w->engine, w->now_us, WORLD_UNIX_US);
    return w;
}

static void peer_free(struct peer *p) {
    if (p->sctp != NULL)
        sctp_release(p->sctp);
    if (p->dtls != NULL)
        dtls_destroy(p->dtls);
    srtp_session_end(&p->rx);
    srtp_session_end(&p->tx);
    free(p->rx_memory);
    free(p->tx_memory);
    free(p->sctp_memory);
    free(p->sctp_blocks);
    free(p);
}

void world_free(struct world *w) {
    engine_destroy(w->engine);
    for (uint32_t i = 0; i < w->peer_count; i++)
        peer_free(w->peers[i]);
    munmap(w->memory, w->memory_len);
    dtls_context_destroy(w->server_context);
    dtls_context_destroy(w->client_context);
    for (int i = 0; i < 3; i++)
        free(w->pool_memory[i]);
    free(w->flights);
    free(w);
}

static bool lost(struct world *w, bool to_engine, const uint8_t *data, size_t len) {
    if (w->drop != NULL)
        return w->drop(w, to_engine, data, len);
    uint32_t permille = to_engine ? w->loss_up_permille : w->loss_down_permille;
    if (permille == 0 || (w->srtp_loss_only && demux(span_of(data, len)) != DEMUX_RTP))
        return false;
    return rng_below(&w->rng, 1000) < permille;
}

static void post(struct world *w, bool to_engine, const struct net_addr *from, const struct net_addr *to,
                 const uint8_t *data, size_t len) {
    ASSERT(len <= sizeof w->flights[0].data - PACKET_TAILROOM);
    if (lost(w, to_engine, data, len))
        return;
    ASSERT(w->flight_count < WORLD_FLIGHT_MAX);
    struct flight *f = &w->flights[(w->flight_head + w->flight_count++) % WORLD_FLIGHT_MAX];
    *f = (struct flight){
        .at_us = w->now_us + w->delay_us, .to_engine = to_engine, .from = *from, .to = *to, .len = (uint16_t)len};
    memcpy(f->data, data, len);
}

void world_post(struct world *w, const struct net_addr *from, const struct net_addr *to, struct span datagram) {
    post(w, true, from, to, datagram.data, datagram.len);
}

static void peer_post(struct peer *p, const uint8_t *data, size_t len) {
    if (!p->mute_network)
        post(p->world, true, &p->addr, &p->server, data, len);
}

static void drain_tx(struct world *w) {
    struct engine_tx tx[64];
    for (;;) {
        world_in_media = true;
        size_t n = engine_poll_tx(w->engine, w->now_us, tx, ARRAY_LEN(tx));
        world_in_media = false;
        if (n == 0)
            break;
        for (size_t i = 0; i < n; i++) {
            w->tx_total++;
            w->watched_bytes += net_addr_equal(&tx[i].to, &w->watched) ? tx[i].len : 0;
            post(w, false, &tx[i].local, &tx[i].to, tx[i].data, tx[i].len);
        }
    }
}

static void release(struct world *w, uint32_t transport, uint32_t bytes) {
    struct engine_command command = {.type = ENGINE_CHANNEL_RELEASE, .object = transport};
    command.channel_release.bytes = bytes;
    w->charged_bytes -= bytes;
    engine_command(w->engine, w->now_us, &command, (struct span){0});
}

void world_release(struct world *w, uint32_t transport, uint32_t bytes) {
    release(w, transport, bytes);
    world_drain(w);
}

void world_drain(struct world *w) {
    drain_tx(w);
    struct engine_event event;
    while (engine_poll_event(w->engine, &event)) {
        if (event.type == ENGINE_EV_CHANNEL_MESSAGE) {
            w->messages++;
            w->charged_bytes += event.message.charged_bytes;
            if (w->on_message != NULL)
                w->on_message(w, &event);
            ASSERT(event.payload.len <= sizeof w->message);
            if (event.payload.len > 0)
                memcpy(w->message, event.payload.data, event.payload.len);
            w->message_len = (uint32_t)event.payload.len;
        }
        event.payload = (struct span){0};
        if (w->event_count < WORLD_EVENTS_MAX)
            w->events[w->event_count++] = event;
        if (event.type == ENGINE_EV_CHANNEL_MESSAGE && event.message.charged_bytes > 0 && !w->keep_charges) {
            release(w, event.object, event.message.charged_bytes);
            drain_tx(w);
        }
    }
    w->path_count +=
        (uint32_t)engine_poll_paths(w->engine, w->paths + w->path_count, ARRAY_LEN(w->paths) - w->path_count);
}

void world_command(struct world *w, const struct engine_command *command) {
    engine_command(w->engine, w->now_us, command, (struct span){0});
    world_drain(w);
}

void world_send(struct world *w, uint32_t transport, const char *label, bool text, const void *data, size_t len) {
    struct engine_command command = {.type = ENGINE_CHANNEL_SEND, .object = transport};
    strcpy(command.channel_send.label, label);
    command.channel_send.text = text;
    command.channel_send.payload_len = (uint32_t)len;
    engine_command(w->engine, w->now_us, &command, span_of(data, len));
    world_drain(w);
}

uint32_t world_count(const struct world *w, enum engine_event_type type, uint32_t object) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->event_count; i++)
        count += w->events[i].type == type && (object == 0 || w->events[i].object == object) ? 1 : 0;
    return count;
}

const struct engine_event *world_last(const struct world *w, enum engine_event_type type, uint32_t object) {
    for (uint32_t i = w->event_count; i > 0; i--) {
        if (w->events[i - 1].type == type && (object == 0 || w->events[i - 1].object == object))
            return &w->events[i - 1];
    }
    return NULL;
}

enum engine_transport_state world_state(const struct world *w, const struct peer *p) {
    const struct engine_event *event = world_last(w, ENGINE_EV_TRANSPORT_STATE, p->transport);
    return event != NULL ? event->transport_state.state : ENGINE_TRANSPORT_NEW;
}

struct engine_counters world_counters(const struct world *w) {
    struct engine_counters counters;
    engine_counters_get(w->engine, &counters);
    return counters;
}

/* ---- peers: what they receive ------------------------------------------------------------------------------------ */

struct track *peer_track(struct peer *p, uint32_t ssrc) {
    for (uint32_t i = 0; i < p->track_count; i++) {
        if (p->tracks[i].ssrc == ssrc)
            return &p->tracks[i];
    }
    ASSERT(p->track_count < PEER_TRACKS_MAX);
    p->tracks[p->track_count].ssrc = ssrc;
    return &p->tracks[p->track_count++];
}

static struct track *track_of_rtx(struct peer *p, uint32_t rtx_ssrc) {
    for (uint32_t i = 0; i < p->track_count; i++) {
        if (p->tracks[i].rtx_ssrc == rtx_ssrc)
            return &p->tracks[i];
    }
    return NULL;
}

static void take_rtp(struct peer *p, uint8_t *data, size_t len) {
    enum srtp_result result = srtp_open(&p->rx, data, &len);
    ASSERT(result == SRTP_OK); /* the engine never sends what does not open, nor anything twice */
    struct rtp_header h;
    ASSERT(rtp_parse(span_of(data, len), &h) == RTP_OK);
    struct track *t = track_of_rtx(p, h.ssrc);
    struct span payload = h.payload;
    uint16_t seq16 = h.seq16;
    bool repaired = t != NULL;
    if (repaired)
        ASSERT(rtp_rtx_unwrap(h.payload, &seq16, &payload));
    else
        t = peer_track(p, h.ssrc);
    if (t->count == 0)
        t->highest = UINT64_C(0x10000) + seq16;
    uint64_t seq64 = seq16_extend(t->highest, seq16);
    if (seq64 > t->highest)
        t->highest = seq64;
    struct span ext;
    if (t->count < PEER_LOG_MAX) {
        struct logged *l = &t->log[t->count++];
        *l = (struct logged){.at_us = p->world->now_us,
                             .seq64 = seq64,
                             .timestamp = h.timestamp,
                             .marker = h.marker,
                             .padding_only = payload.len == 0,
                             .repaired = repaired,
                             .pt = h.pt,
                             .len = (uint16_t)payload.len};
        if (payload.len > 0)
            memcpy(l->payload, payload.data, payload.len < sizeof l->payload ? payload.len : sizeof l->payload);
        if (rtp_ext_find(&h, EXT_DD, &ext) && ext.len <= sizeof l->dd) {
            memcpy(l->dd, ext.data, ext.len);
            l->dd_len = (uint8_t)ext.len;
        }
        if (rtp_ext_find(&h, EXT_MID, &ext))
            span_to_str(ext, l->mid, sizeof l->mid);
    }
}

static void take_view(struct peer *p, const struct rtcp_view *view) {
    if (view->kind == RTCP_PLI && p->plis < ARRAY_LEN(p->pli_ssrc))
        p->pli_ssrc[p->plis++] = view->media_ssrc;
    if (view->kind == RTCP_NACK) {
        struct rtcp_nack_iter iter = rtcp_nack_iter_of(view);
        uint16_t seq16;
        while (rtcp_nack_next(&iter, &seq16)) {
            p->nack_ssrc[p->nacks % ARRAY_LEN(p->nack_seq)] = view->media_ssrc;
            p->nack_seq[p->nacks++ % ARRAY_LEN(p->nack_seq)] = seq16;
        }
    }
    if (view->kind == RTCP_RR && view->count > 0) {
        p->rrs++;
        p->last_block = rtcp_report_block_at(view, 0);
    }
    if (view->kind == RTCP_TWCC)
        p->twcc_ssrc[p->twccs++ % ARRAY_LEN(p->twcc_ssrc)] = view->media_ssrc;
    if (view->kind == RTCP_REMB) {
        p->rembs++;
        p->remb_ssrcs = (uint32_t)rtcp_remb_count(view);
        p->remb_ssrc = p->remb_ssrcs > 0 ? rtcp_remb_ssrc(view, 0) : 0;
    }
    if (view->kind == RTCP_SR) {
        struct track *t = peer_track(p, view->sender_ssrc);
        t->sr = view->sr;
        t->sr_count++;
    }
    if (view->kind == RTCP_SDES && view->count > 0) {
        uint32_t ssrc;
        struct span cname = rtcp_sdes_cname(view, 0, &ssrc);
        for (uint32_t i = 0; i < p->track_count; i++) {
            if (p->tracks[i].ssrc == ssrc)
                span_to_str(cname, p->tracks[i].cname, sizeof p->tracks[i].cname);
        }
    }
}

static void take_rtcp(struct peer *p, uint8_t *data, size_t len) {
    ASSERT(srtcp_open(&p->rx, data, &len) == SRTP_OK);
    struct rtcp_iter iter = rtcp_iter_of(span_of(data, len), NULL);
    struct rtcp_view view;
    while (rtcp_next(&iter, &view))
        take_view(p, &view);
}

static void pump_channels(struct peer *p) {
    if (p->sctp == NULL)
        return;
    struct data_channel_event event;
    while (data_channels_poll(&p->channels, p->world->now_us, &event)) {
        if (event.type == DATA_CHANNEL_OPENED) {
            const struct dcep_channel *c = data_channels_get(&p->channels, event.channel);
            memset(p->last_label, 0, sizeof p->last_label);
            memcpy(p->last_label, c->label, c->label_len);
            p->opened++;
        } else if (event.type == DATA_CHANNEL_CLOSED) {
            p->closed++;
        } else if (event.type == DATA_CHANNEL_MESSAGE) {
            struct writer w = writer_of(p->last_message, sizeof p->last_message);
            data_channels_copy(&p->channels, &event, &w);
            p->last_message_len = w.len;
            p->last_binary = event.binary;
            p->messages++;
        }
    }
    uint8_t packet[1500], sealed[1500];
    for (;;) {
        struct writer w = writer_of(packet, sizeof packet), out = writer_of(sealed, sizeof sealed);
        if (!sctp_poll_packet(p->sctp, p->world->now_us, &w))
            break;
        if (dtls_seal(p->dtls, writer_span(&w), &out))
            peer_post(p, sealed, out.len);
    }
}

static void keys_up(struct peer *p) {
    struct srtp_master sealing, opening;
    ASSERT(dtls_export(p->dtls, &sealing, &opening));
    p->rx_memory = calloc(1, srtp_size(256, 256));
    p->tx_memory = calloc(1, srtp_size(256, 256));
    ASSERT(srtp_session_init(&p->rx, p->rx_memory, 256, 256, SRTP_OPENING, &opening, &p->world->rng));
    ASSERT(srtp_session_init(&p->tx, p->tx_memory, 256, 256, SRTP_SEALING, &sealing, &p->world->rng));
    p->keyed = true;
    if (p->sctp_memory == NULL)
        return;
    struct sctp_config config = {.buffers = &p->sctp_buffers, .counters = &p->sctp_counters};
    p->sctp = sctp_init(p->sctp_memory, &config, &p->world->rng, p->world->now_us);
    data_channels_init(&p->channels, p->sctp, p->dtls_client ? DCEP_DTLS_CLIENT : DCEP_DTLS_SERVER, &p->dcep_counters);
    sctp_connect(p->sctp, p->world->now_us);
}

static void pump_dtls(struct peer *p) {
    uint8_t bytes[2000];
    for (;;) {
        struct writer w = writer_of(bytes, sizeof bytes);
        if (!dtls_poll_data(p->dtls, &w))
            break;
        if (p->sctp != NULL)
            sctp_input(p->sctp, p->world->now_us, writer_span(&w));
        pump_channels(p);
    }
    for (;;) {
        struct writer w = writer_of(bytes, sizeof bytes);
        if (!dtls_poll_out(p->dtls, &w))
            break;
        peer_post(p, bytes, w.len);
    }
    if (dtls_state(p->dtls) == DTLS_CONNECTED && !p->keyed)
        keys_up(p);
    pump_channels(p);
}

static void peer_take(struct peer *p, const struct net_addr *from, uint8_t *data, size_t len) {
    switch (demux(span_of(data, len))) {
    case DEMUX_STUN:
        ice_client_input(&p->ice, p->world->now_us, from, span_of(data, len));
        break;
    case DEMUX_DTLS:
        dtls_input(p->dtls, p->world->now_us, span_of(data, len));
        pump_dtls(p);
        break;
    case DEMUX_RTP:
        take_rtp(p, data, len);
        break;
    case DEMUX_RTCP:
        take_rtcp(p, data, len);
        break;
    default:
        ASSERT(false);
    }
}

/* ---- stepping
 * --------------------------------------------------------------------------------------------------------- */

static void peer_step(struct peer *p) {
    struct world *w = p->world;
    uint8_t bytes[300];
    ice_client_tick(&p->ice, w->now_us);
    struct net_addr to;
    for (;;) {
        struct writer out = writer_of(bytes, sizeof bytes);
        if (!ice_client_poll(&p->ice, w->now_us, &out, &to))
            break;
        peer_post(p, bytes, out.len);
    }
    struct net_addr selected;
    if (!ice_client_selected(&p->ice, &selected))
        return;
    dtls_start(p->dtls, w->now_us);
    dtls_tick(p->dtls, w->now_us);
    pump_dtls(p);
    if (p->sctp != NULL) {
        sctp_tick(p->sctp, w->now_us);
        pump_channels(p);
    }
}

static void deliver(struct world *w) {
    while (w->flight_count > 0) {
        struct flight *f = &w->flights[w->flight_head];
        if (f->at_us > w->now_us)
            return;
        w->flight_head = (w->flight_head + 1) % WORLD_FLIGHT_MAX;
        w->flight_count--;
        if (f->to_engine) {
            struct engine_rx rx = {.from = f->from, .local = f->to};
            world_in_media = demux(span_of(f->data, f->len)) >= DEMUX_RTP;
            engine_input(w->engine, w->now_us, &rx, f->data, f->len);
            world_in_media = false;
            world_drain(w);
            continue;
        }
        for (uint32_t i = 0; i < w->peer_count; i++) {
            if (net_addr_equal(&w->peers[i]->addr, &f->to))
                peer_take(w->peers[i], &w->peers[i]->server, f->data, f->len);
        }
    }
}

void world_step(struct world *w) {
    w->now_us += WORLD_STEP_US;
    deliver(w);
    for (uint32_t i = 0; i < w->peer_count; i++)
        peer_step(w->peers[i]);
    for (int rounds = 0; engine_next_deadline_us(w->engine) <= w->now_us; rounds++) {
        ASSERT(rounds < 100); /* deadlines are served, not merely promised */
        world_in_media = true;
        engine_tick(w->engine, w->now_us, WORLD_UNIX_US + w->now_us - WORLD_START_US);
        world_in_media = false;
        world_drain(w);
    }
    world_drain(w);
}

void world_run(struct world *w, uint64_t us) {
    for (uint64_t end = w->now_us + us; w->now_us < end;)
        world_step(w);
}

/* ---- peers: making
 * ------------------------------------------------------------------------------------------------------ */

struct peer *peer_make(struct world *w, uint64_t room, bool server_is_dtls_client, bool tcp) {
    ASSERT(w->peer_count < WORLD_PEERS_MAX);
    struct peer *p = calloc(1, sizeof *p);
    p->world = w;
    w->peers[w->peer_count++] = p;
    p->addr = net_addr_v4(192, 0, 2, (uint8_t)w->peer_count, (uint16_t)(40000 + w->peer_count));
    p->server = net_addr_v4(198, 51, 100, 1, 7882);
    if (tcp) {
        p->addr.proto = NET_TCP;
        p->addr.conn = 1000 + w->peer_count;
        p->server.proto = NET_TCP;
        p->server.conn = p->addr.conn;
    }
    p->dtls_client = !server_is_dtls_client;
    p->dtls = dtls_create(w->client_context, p->dtls_client ? DTLS_CLIENT : DTLS_SERVER, &p->dtls_counters);
    dtls_set_fingerprint(p->dtls, dtls_context_fingerprint(w->server_context));
    ice_client_init(&p->ice, &w->rng);
    p->transport = pool_take(&w->transports);
    struct engine_command open = {.type = ENGINE_TRANSPORT_OPEN, .object = p->transport};
    open.transport_open.room = room;
    memcpy(open.transport_open.local_ufrag, "00", 2);
    rng_token(&w->rng, open.transport_open.local_ufrag + 2, 8);
    strcpy(open.transport_open.local_pwd, SERVER_PWD);
    open.transport_open.dtls_client = server_is_dtls_client;
    world_command(w, &open);
    ice_client_set_remote(&p->ice, span_str(open.transport_open.local_ufrag), span_str(SERVER_PWD));
    ice_client_add_candidate(&p->ice, w->now_us, &p->server, 1000);
    return p;
}

static void common_extensions(struct engine_extension *list) {
    const enum rtp_ext_kind kinds[] = {
        RTP_EXT_MID,           RTP_EXT_RID,           RTP_EXT_REPAIRED_RID,         RTP_EXT_AUDIO_LEVEL,
        RTP_EXT_TRANSPORT_SEQ, RTP_EXT_ABS_SEND_TIME, RTP_EXT_DEPENDENCY_DESCRIPTOR};
    for (uint8_t i = 0; i < ARRAY_LEN(kinds); i++)
        list[i] = (struct engine_extension){.id = (uint8_t)(i + 1), .kind = kinds[i]};
}

void peer_describe(struct peer *p, bool data_channels, bool remb) {
    struct world *w = p->world;
    struct engine_command c = {.type = ENGINE_TRANSPORT_REMOTE, .object = p->transport};
    strcpy(c.transport_remote.remote_ufrag, p->ice.local_ufrag);
    strcpy(c.transport_remote.remote_pwd, p->ice.local_pwd);
    c.transport_remote.dtls_client = !p->dtls_client;
    memcpy(c.transport_remote.fingerprint_sha256, dtls_context_fingerprint(w->client_context), 32);
    c.transport_remote.data_channels = data_channels;
    c.transport_remote.feedback_transport_wide = !remb;
    c.transport_remote.feedback_remb_send = remb;
    c.transport_remote.feedback_remb_receive = true;
    common_extensions(c.transport_remote.rx_extensions);
    common_extensions(c.transport_remote.tx_extensions);
    if (data_channels && p->sctp_memory == NULL) {
        struct sctp_config config = {.buffers = &p->sctp_buffers, .counters = &p->sctp_counters};
        p->sctp_memory = calloc(1, sctp_size(&config));
        p->sctp_blocks = calloc(1, sctp_buffers_size(512));
        sctp_buffers_init(&p->sctp_buffers, p->sctp_blocks, 512);
    }
    world_command(w, &c);
}

bool peer_connect(struct peer *p) {
    for (int i = 0; i < 5000; i++) {
        if (p->keyed && world_state(p->world, p) == ENGINE_TRANSPORT_CONNECTED)
            return true;
        world_step(p->world);
    }
    return false;
}

void peer_close(struct peer *p) {
    struct engine_command c = {.type = ENGINE_TRANSPORT_CLOSE, .object = p->transport};
    world_command(p->world, &c);
    pool_give(&p->world->transports, p->transport);
}

void peer_send_rtp(struct peer *p, uint32_t ssrc, uint8_t pt, uint16_t seq16, uint32_t timestamp, bool marker,
                   const struct rtp_ext_out *exts, struct span payload, uint8_t padding) {
    uint8_t header[1200], body[1500], out[1700]; /* longer headers than honest ones, too */
    struct rtp_ext_out all = *exts;
    rtp_ext_add_u16(&all, EXT_TWCC, p->twcc_seq++);
    rtp_ext_add_u24(&all, EXT_AST, rtp_ext_abs_send_time_of(p->world->now_us));
    struct rtp_header h = {
        .marker = marker, .pt = pt, .seq16 = seq16, .timestamp = timestamp, .ssrc = ssrc, .padding_len = padding};
    struct writer w = writer_of(header, sizeof header);
    ASSERT(rtp_write(&w, &h, &all));
    if (payload.len > 0)
        memcpy(body, payload.data, payload.len);
    memset(body + payload.len, 0, padding);
    if (padding > 0)
        body[payload.len + padding - 1] = padding;
    size_t len;
    ASSERT(srtp_seal(&p->tx, header, w.len, span_of(body, payload.len + padding), out, sizeof out, &len) == SRTP_OK);
    peer_post(p, out, len);
}

void peer_send_rtcp(struct peer *p, struct span compound) {
    uint8_t out[1600];
    size_t len;
    ASSERT(srtcp_seal(&p->tx, compound, out, sizeof out, &len) == SRTP_OK);
    peer_post(p, out, len);
}

uint32_t world_source(struct world *w, const struct engine_source_open *open) {
    struct engine_command c = {.type = ENGINE_SOURCE_OPEN, .object = pool_take(&w->sources), .source_open = *open};
    world_command(w, &c);
    return c.object;
}

uint32_t world_sink(struct world *w, const struct engine_sink_open *open) {
    struct engine_command c = {.type = ENGINE_SINK_OPEN, .object = pool_take(&w->sinks), .sink_open = *open};
    world_command(w, &c);
    return c.object;
}
