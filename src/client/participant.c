/* A participant: memory, queues, commands, insight. */
#include "client/participant.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

/* ---- memory ----------------------------------------------------------------------------------------------------- */

static size_t round_up(size_t size) {
    return (size + 63) & ~(size_t)63;
}

static size_t rx_len(const struct participant_config *config) {
    return round_up(srtp_size(config->streams_max * 4 + 16, RX_RETIRED_MAX));
}

static size_t tx_len(void) {
    return round_up(srtp_size(TX_STREAMS_MAX, TX_RETIRED_MAX));
}

static size_t sctp_len(void) {
    struct sctp_config config = {0};
    return round_up(sctp_size(&config));
}

static size_t link_len(const struct participant_config *config) {
    return rx_len(config) + tx_len() + sctp_len() + round_up(SECTIONS_MAX * sizeof(struct section));
}

static size_t sealed_len(void) {
    return round_up(SENT_MAX * STAMP_VIDEO_PAYLOAD_MAX);
}

size_t participant_size(const struct participant_config *config) {
    ASSERT(config->streams_max >= 1 && config->streams_max <= 512 && config->datagrams_max >= 16);
    return round_up(sizeof(struct participant)) + round_up(config->streams_max * sizeof(struct stream)) +
           round_up(map_size(config->streams_max * 2, sizeof(struct stream_key))) +
           round_up(sctp_buffers_size(SCTP_BLOCKS)) + round_up(config->datagrams_max * sizeof(struct tx_slot)) +
           PARTICIPANT_LINKS * link_len(config) +
           (config->crypt != NULL ? PARTICIPANT_TRACKS_MAX * PARTICIPANT_LAYERS_MAX * sealed_len() : 0);
}

static uint8_t *carve(uint8_t **at, size_t len) {
    uint8_t *part = *at;
    *at += round_up(len);
    return part;
}

struct participant *participant_init(void *memory, const struct participant_config *config, struct dtls_context *dtls,
                                     struct rng *rng, uint64_t now_us) {
    ASSERT(now_us != 0 && strlen(config->token) <= PARTICIPANT_TOKEN_LEN_MAX);
    uint8_t *at = memory;
    struct participant *p = (struct participant *)(void *)carve(&at, sizeof *p);
    memset(p, 0, sizeof *p);
    p->config = *config;
    text_copy(p->token, sizeof p->token, config->token);
    p->config.token = p->token;
    p->dtls = dtls;
    p->rng = rng;
    p->now_us = now_us;
    p->grid_us = now_us + GRID_US;
    p->signal_tail = &p->signal_head;
    p->streams = (struct stream *)(void *)carve(&at, config->streams_max * sizeof *p->streams);
    for (uint32_t i = 0; i < config->streams_max; i++)
        p->streams[i].used = false;
    map_init(&p->by_ssrc, carve(&at, map_size(config->streams_max * 2, sizeof(struct stream_key))),
             config->streams_max * 2, sizeof(struct stream_key), rng);
    sctp_buffers_init(&p->sctp_buffers, carve(&at, sctp_buffers_size(SCTP_BLOCKS)), SCTP_BLOCKS);
    p->tx = (struct tx_slot *)(void *)carve(&at, config->datagrams_max * sizeof *p->tx);
    for (uint32_t i = 0; i < PARTICIPANT_LINKS; i++) {
        struct link *link = &p->links[i];
        link->index = i;
        link->rx_memory = carve(&at, rx_len(config));
        link->tx_memory = carve(&at, tx_len());
        link->sctp_memory = carve(&at, sctp_len());
        link->sections = (struct section *)(void *)carve(&at, SECTIONS_MAX * sizeof(struct section));
    }
    for (uint32_t i = 0; config->crypt != NULL && i < PARTICIPANT_TRACKS_MAX * PARTICIPANT_LAYERS_MAX; i++) {
        uint32_t track = i / PARTICIPANT_LAYERS_MAX, layer = i % PARTICIPANT_LAYERS_MAX;
        p->sealed[track][layer] = carve(&at, sealed_len());
    }
    ASSERT((size_t)(at - (uint8_t *)memory) == participant_size(config));
    session_start(p);
    return p;
}

void participant_destroy(struct participant *p) {
    for (uint32_t i = 0; i < PARTICIPANT_LINKS; i++)
        link_close(p, &p->links[i]);
    for (uint32_t i = 0; i < RESEND_MAX; i++)
        free(p->resends[i].bytes);
    client_signal_clear(p);
    free(p->signal_polled);
    for (; p->event_count > 0; p->event_count--)
        free(p->events[p->event_head++ % EVENTS_MAX].payload);
    free(p->event_polled);
}

void text_copy(char *out, size_t out_size, const char *text) {
    size_t len = strnlen(text, out_size - 1);
    memcpy(out, text, len);
    out[len] = 0;
}

/* ---- queues ----------------------------------------------------------------------------------------------------- */

struct tx_slot *client_tx_reserve(struct participant *p) {
    if (p->tx_count == p->config.datagrams_max) {
        p->counters.drop_tx++;
        return NULL;
    }
    return &p->tx[(p->tx_head + p->tx_count) % p->config.datagrams_max];
}

void client_tx_commit(struct participant *p, const struct link *link, const struct net_addr *to, size_t len) {
    struct tx_slot *slot = client_tx_reserve(p);
    ASSERT(slot != NULL && len > 0 && len <= DATAGRAM_LEN_MAX);
    slot->link = link->index;
    slot->to = *to;
    slot->len = (uint32_t)len;
    p->tx_count++;
}

bool participant_poll_tx(struct participant *p, uint64_t now_us, struct participant_tx *out) {
    p->now_us = now_us;
    if (p->tx_count == 0)
        return false;
    const struct tx_slot *slot = &p->tx[p->tx_head];
    *out = (struct participant_tx){.link = slot->link, .to = slot->to, .datagram = span_of(slot->data, slot->len)};
    p->tx_head = (p->tx_head + 1) % p->config.datagrams_max;
    p->tx_count--;
    return true;
}

void client_signal(struct participant *p, enum participant_signal_type type, struct span bytes) {
    struct signal_node *node = p->signal_count < SIGNAL_MESSAGES_MAX ? malloc(sizeof *node + bytes.len) : NULL;
    if (node == NULL)
        return;
    node->next = NULL;
    node->type = type;
    node->len = bytes.len;
    if (bytes.len > 0)
        memcpy(node->bytes, bytes.data, bytes.len);
    *p->signal_tail = node;
    p->signal_tail = &node->next;
    p->signal_count++;
}

void client_signal_clear(struct participant *p) {
    while (p->signal_head != NULL) {
        struct signal_node *node = p->signal_head;
        p->signal_head = node->next;
        free(node);
    }
    p->signal_tail = &p->signal_head;
    p->signal_count = 0;
}

bool participant_poll_signal(struct participant *p, struct participant_signal *out) {
    free(p->signal_polled);
    p->signal_polled = NULL;
    struct signal_node *node = p->signal_head;
    if (node == NULL)
        return false;
    p->signal_head = node->next;
    if (p->signal_head == NULL)
        p->signal_tail = &p->signal_head;
    p->signal_count--;
    p->signal_polled = node;
    *out = (struct participant_signal){node->type, span_of(node->bytes, node->len)};
    return true;
}

void client_event(struct participant *p, const struct participant_event *event, struct span payload) {
    if (p->event_count == EVENTS_MAX) {
        p->counters.drop_events++;
        return;
    }
    struct event_node *node = &p->events[(p->event_head + p->event_count++) % EVENTS_MAX];
    node->event = *event;
    node->payload = payload.len > 0 ? malloc(payload.len) : NULL;
    if (node->payload != NULL)
        memcpy(node->payload, payload.data, payload.len);
    node->event.payload = span_of(node->payload, node->payload != NULL ? payload.len : 0);
}

void client_event_simple(struct participant *p, enum participant_event_type type, const char *sid) {
    struct participant_event event = {.type = type};
    text_copy(event.sid, sizeof event.sid, sid);
    client_event(p, &event, span_of(NULL, 0));
}

bool participant_poll_event(struct participant *p, struct participant_event *event) {
    free(p->event_polled);
    p->event_polled = NULL;
    if (p->event_count == 0)
        return false;
    struct event_node *node = &p->events[p->event_head];
    p->event_head = (p->event_head + 1) % EVENTS_MAX;
    p->event_count--;
    *event = node->event;
    p->event_polled = node->payload;
    node->payload = NULL;
    return true;
}

void violate(struct participant *p, struct stream *stream, const char *format, ...) {
    char what[160];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    stream->view.violations++;
    p->counters.violations++;
    (void)snprintf(p->violation, sizeof p->violation, "track %s at sequence %llu: %s", stream->view.track_sid,
                   (unsigned long long)(stream->seq_highest & 0xffff), what);
}

/* ---- input, time ------------------------------------------------------------------------------------------------ */

void participant_input_datagram(struct participant *p, uint64_t now_us, uint32_t link, const struct net_addr *from,
                                uint8_t *data, size_t len) {
    ASSERT(link < PARTICIPANT_LINKS);
    p->now_us = now_us;
    p->counters.rx_datagrams++;
    if (p->links[link].open)
        link_input(p, &p->links[link], from, data, len);
}

void participant_input_signal(struct participant *p, uint64_t now_us, struct span message) {
    p->now_us = now_us;
    p->heard_us = now_us;
    if (p->state == SESSION_JOINING || p->state == SESSION_JOINED || p->state == SESSION_SETTLING)
        message_input(p, message);
}

static void tick_grid(struct participant *p) {
    if (p->now_us < p->grid_us)
        return;
    p->grid_us = p->now_us + GRID_US;
    for (uint32_t i = 0; i < p->config.streams_max; i++) {
        if (p->streams[i].used && link_usable(&p->links[p->streams[i].link]))
            stream_tick(p, &p->streams[i]);
    }
    for (uint32_t i = 0; i < PARTICIPANT_LINKS; i++)
        report_tick(p, &p->links[i]);
}

void participant_tick(struct participant *p, uint64_t now_us) {
    p->now_us = now_us;
    session_tick(p);
    for (uint32_t i = 0; i < PARTICIPANT_LINKS; i++) {
        struct link *link = &p->links[i];
        if (link->open && link->dtls != NULL && dtls_next_deadline(link->dtls) <= now_us)
            dtls_tick(link->dtls, now_us);
        link_pump(p, link);
    }
    for (uint32_t i = 0; i < PARTICIPANT_TRACKS_MAX; i++)
        publication_tick(p, &p->publications[i]);
    tick_grid(p);
}

uint64_t participant_next_deadline_us(const struct participant *p) {
    uint64_t at_us = session_deadline(p);
    bool media = false;
    for (uint32_t i = 0; i < PARTICIPANT_LINKS; i++) {
        at_us = time_min(at_us, link_deadline(p, &p->links[i]));
        media = media || p->links[i].keyed;
    }
    for (uint32_t i = 0; i < PARTICIPANT_TRACKS_MAX; i++)
        at_us = time_min(at_us, publication_deadline(p, &p->publications[i]));
    return media ? time_min(at_us, p->grid_us) : at_us;
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

static bool may_say(const struct participant *p) {
    return p->state == SESSION_JOINED;
}

uint16_t participant_publish(struct participant *p, uint64_t now_us, const struct participant_publish *what) {
    ASSERT(!what->video ||
           (what->fps > 0 && what->fps <= 60 && what->layers >= 1 && what->layers <= PARTICIPANT_LAYERS_MAX));
    p->now_us = now_us;
    struct publication *publication = NULL;
    for (uint32_t i = 0; i < PARTICIPANT_TRACKS_MAX && publication == NULL; i++)
        publication = p->publications[i].number == 0 ? &p->publications[i] : NULL;
    if (publication == NULL)
        return 0;
    memset(publication, 0, sizeof *publication);
    publication->number = ++p->publication_last;
    publication->what = *what;
    rng_token(p->rng, publication->cid, 36);
    publication_reset(p, publication);
    if (may_say(p)) {
        publication->announced = true;
        message_add_track(p, publication);
        negotiate(p);
    }
    return publication->number;
}

void participant_unpublish(struct participant *p, uint64_t now_us, uint16_t number) {
    p->now_us = now_us;
    struct publication *publication = publication_of(p, number);
    if (publication == NULL)
        return;
    struct link *link = &p->links[0];
    for (uint32_t i = 0; link->keyed && i < publication_layers(publication); i++) {
        (void)srtp_retire(&link->tx, publication->layers[i].ssrc);
        (void)srtp_retire(&link->tx, publication->layers[i].rtx_ssrc);
    }
    if (publication->section != NONE)
        link->sections[publication->section].publication = NONE;
    publication->number = 0;
    publication->sending = false;
    negotiate(p);
}

void participant_mute(struct participant *p, uint64_t now_us, uint16_t number, bool muted) {
    p->now_us = now_us;
    struct publication *publication = publication_of(p, number);
    if (publication == NULL)
        return;
    if (publication->what.muted && !muted) {
        for (uint32_t i = 0; i < PARTICIPANT_LAYERS_MAX; i++)
            publication->layers[i].key_wanted = true;
    }
    publication->what.muted = muted;
    if (publication->sid[0] == 0 || !may_say(p))
        return;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__MuteTrackRequest mute = LIVEKIT__MUTE_TRACK_REQUEST__INIT;
    mute.sid = publication->sid;
    mute.muted = muted;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE;
    request.mute = &mute;
    message_send(p, &request);
}

static void note_subscription(struct participant *p, const char *track_sid, bool exception) {
    uint32_t i = 0;
    while (i < p->unsubscribed_count && strcmp(p->unsubscribed[i].sid, track_sid) != 0)
        i++;
    if (!exception && i < p->unsubscribed_count)
        p->unsubscribed[i] = p->unsubscribed[--p->unsubscribed_count];
    if (exception && i == p->unsubscribed_count && i < REMOTE_TRACKS_MAX)
        text_copy(p->unsubscribed[p->unsubscribed_count++].sid, sizeof p->unsubscribed[0].sid, track_sid);
}

void participant_subscribe(struct participant *p, uint64_t now_us, const char *track_sid, bool subscribe) {
    p->now_us = now_us;
    note_subscription(p, track_sid, subscribe != p->config.auto_subscribe);
    if (!may_say(p))
        return;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__UpdateSubscription update = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
    char *sids[1] = {(char *)(uintptr_t)track_sid};
    update.n_track_sids = 1;
    update.track_sids = sids;
    update.subscribe = subscribe;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
    request.subscription = &update;
    message_send(p, &request);
}

void participant_settings(struct participant *p, uint64_t now_us, const char *track_sid,
                          const struct participant_settings *settings) {
    p->now_us = now_us;
    if (!may_say(p))
        return;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__UpdateTrackSettings update = LIVEKIT__UPDATE_TRACK_SETTINGS__INIT;
    char *sids[1] = {(char *)(uintptr_t)track_sid};
    update.n_track_sids = 1;
    update.track_sids = sids;
    update.disabled = settings->disabled;
    update.quality = (Livekit__VideoQuality)settings->quality;
    update.width = settings->width;
    update.height = settings->height;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING;
    request.track_setting = &update;
    message_send(p, &request);
}

/* ---- insight ---------------------------------------------------------------------------------------------------- */

enum participant_state participant_state(const struct participant *p) {
    if (p->state == SESSION_OVER)
        return PARTICIPANT_DISCONNECTED;
    if (p->connected)
        return PARTICIPANT_CONNECTED;
    return p->reconnecting ? PARTICIPANT_RECONNECTING : PARTICIPANT_CONNECTING;
}

const char *participant_sid(const struct participant *p) {
    return p->sid;
}

void participant_counters_get(const struct participant *p, struct participant_counters *out) {
    *out = p->counters;
}

const char *participant_violation(const struct participant *p) {
    return p->violation;
}

bool participant_stream_get(const struct participant *p, uint32_t slot, struct participant_stream *out) {
    if (slot >= p->config.streams_max || !p->streams[slot].used)
        return false;
    *out = p->streams[slot].view;
    return true;
}

uint32_t participant_stream_missing(const struct participant *p, uint32_t slot, uint32_t count) {
    ASSERT(slot < p->config.streams_max && p->streams[slot].used && count <= WINDOW);
    const struct stream *stream = &p->streams[slot];
    uint32_t missing = 0;
    for (uint32_t i = 0; stream->started && i < count && stream->seq_highest - i >= stream->seq_first; i++) {
        uint64_t seq64 = stream->seq_highest - i;
        missing += stream->seen[seq64 % WINDOW].seq64 != seq64;
    }
    return missing;
}

const char *participant_publication_sid(const struct participant *p, uint16_t number, bool *live) {
    for (uint32_t i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
        const struct publication *publication = &p->publications[i];
        if (publication->number != number || number == 0)
            continue;
        *live = publication->sending && !publication->what.muted;
        return publication->sid;
    }
    *live = false;
    return "";
}

bool participant_roster_has(const struct participant *p, const char *identity) {
    for (uint32_t i = 0; i < p->roster_count; i++) {
        if (strcmp(p->roster[i].identity, identity) == 0)
            return true;
    }
    return false;
}

void participant_link_text(const struct participant *p, uint32_t index, struct writer *w) {
    const struct link *link = &p->links[index];
    wr_fmt(w, "link %u open %d", index, link->open);
    if (link->open)
        wr_fmt(w, " ice %d dtls %d keyed %d failed %d in flight %d sctp %d", ice_client_state(&link->ice, p->now_us),
               link->dtls != NULL ? (int)dtls_state(link->dtls) : -1, link->keyed, link->failed, link->in_flight,
               link->sctp != NULL && sctp_is_connected(link->sctp));
}
