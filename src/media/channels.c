/* Data channels of a transport: SCTP under DTLS, and the labels by which the control side names channels. */
#include <string.h>

#include "media/impl.h"

static void send_packets(struct engine *e, struct transport *t) {
    uint8_t packet[SCTP_MTU_BYTES + 64], sealed[PACKET_LEN_MAX];
    for (;;) {
        struct writer w = writer_of(packet, sizeof packet);
        if (!sctp_poll_packet(t->sctp, e->now_us, &w))
            break;
        struct writer out = writer_of(sealed, sizeof sealed);
        if (dtls_seal(t->dtls, writer_span(&w), &out))
            tx_raw_transport(e, t, writer_span(&out));
    }
}

static void name_channel(struct transport *t, uint32_t number) {
    const struct dcep_channel *channel = data_channels_get(&t->channels, number);
    ASSERT(channel != NULL && channel->label_len <= ENGINE_LABEL_LEN_MAX);
    memset(t->labels[number], 0, sizeof t->labels[number]);
    memcpy(t->labels[number], channel->label, channel->label_len);
}

static bool open_now(struct engine *e, struct transport *t, const struct engine_channel_open *open) {
    struct dcep_open request = {
        .unordered = !open->ordered,
        .reliability = open->reliable ? DCEP_RELIABLE : DCEP_MAX_RETRANSMITS,
        .reliability_value = open->reliable ? 0 : open->max_retransmits,
        .priority = 256,
        .label = span_of(open->label, strnlen(open->label, ENGINE_LABEL_LEN_MAX)),
    };
    uint32_t channel;
    if (!data_channels_open(&t->channels, e->now_us, &request, &channel))
        return false;
    name_channel(t, channel);
    return true;
}

void channels_start(struct engine *e, struct transport *t) {
    if (t->sctp != NULL || !t->data_channels || !t->keyed)
        return;
    uint8_t *memory = e->slices + (size_t)t->index * e->slice_len + e->slice_sctp;
    t->sctp = sctp_init(memory, &e->sctp_config, e->rng, e->now_us);
    bool client = dtls_role(t->dtls) == DTLS_CLIENT;
    data_channels_init(&t->channels, t->sctp, client ? DCEP_DTLS_CLIENT : DCEP_DTLS_SERVER, &e->modules.dcep);
    for (int i = 0; i < ENGINE_CHANNELS_MAX; i++) {
        if (t->pending[i].used && !open_now(e, t, &t->pending[i].open))
            event_refused(e, t->handle, ENGINE_CHANNEL_OPEN);
        t->pending[i].used = false;
    }
    sctp_connect(t->sctp, e->now_us);
    channels_pump(e, t);
}

void channels_input(struct engine *e, struct transport *t, struct span datagram) {
    if (t->sctp == NULL) /* no application section (yet): the peer's INIT is sent again */
        return;
    sctp_input(t->sctp, e->now_us, datagram);
    channels_pump(e, t);
}

static void take_message(struct engine *e, struct transport *t, const struct data_channel_event *incoming) {
    struct engine_event event = {
        .type = ENGINE_EV_CHANNEL_MESSAGE, .object = t->handle, .message.text = !incoming->binary};
    memcpy(event.message.label, t->labels[incoming->channel], sizeof event.message.label);
    uint8_t *payload = event_push(e, &event, incoming->len_bytes);
    if (payload == NULL)
        return;
    struct writer w = writer_of(payload, incoming->len_bytes);
    data_channels_copy(&t->channels, incoming, &w);
    ASSERT(writer_ok(&w) && w.len == incoming->len_bytes);
}

static void take_event(struct engine *e, struct transport *t, const struct data_channel_event *event) {
    switch (event->type) {
    case DATA_CHANNEL_OPENED:
        ASSERT(event->channel < ENGINE_CHANNELS_MAX);
        name_channel(t, event->channel);
        event_channel(e, t, ENGINE_EV_CHANNEL_OPENED, t->labels[event->channel]);
        break;
    case DATA_CHANNEL_MESSAGE:
        take_message(e, t, event);
        break;
    case DATA_CHANNEL_CLOSED:
        event_channel(e, t, ENGINE_EV_CHANNEL_CLOSED, t->labels[event->channel]);
        break;
    case DATA_CHANNELS_CONNECTED:
    case DATA_CHANNELS_WRITABLE:
    case DATA_CHANNELS_DOWN:
        t->channels_up =
            event->type != DATA_CHANNELS_DOWN && (t->channels_up || event->type == DATA_CHANNELS_CONNECTED);
        break;
    }
}

void channels_pump(struct engine *e, struct transport *t) {
    if (t->sctp == NULL || t->dtls == NULL)
        return;
    struct data_channel_event event;
    while (data_channels_poll(&t->channels, e->now_us, &event))
        take_event(e, t, &event);
    send_packets(e, t);
    timer_set(e, t, TIMER_SCTP, sctp_next_deadline(t->sctp));
}

void channels_open(struct engine *e, struct transport *t, const struct engine_channel_open *open) {
    if (t->sctp != NULL) {
        if (!open_now(e, t, open))
            event_refused(e, t->handle, ENGINE_CHANNEL_OPEN);
        channels_pump(e, t);
        return;
    }
    for (int i = 0; i < ENGINE_CHANNELS_MAX; i++) {
        if (t->pending[i].used)
            continue;
        t->pending[i] = (struct pending_channel){.used = true, .open = *open};
        return;
    }
    event_refused(e, t->handle, ENGINE_CHANNEL_OPEN);
}

void channels_send(struct engine *e, struct transport *t, const struct engine_channel_send *send, struct span payload) {
    uint32_t channel;
    struct span label = span_of(send->label, strnlen(send->label, ENGINE_LABEL_LEN_MAX));
    bool sent = t->sctp != NULL && payload.len <= t->message_len_max &&
                data_channels_find(&t->channels, label, &channel) &&
                data_channels_send(&t->channels, e->now_us, channel, !send->text, payload) == DATA_CHANNEL_OK;
    if (!sent)
        e->counters.channel_send_dropped++;
    channels_pump(e, t);
}

void channels_release(struct transport *t) {
    if (t->sctp != NULL)
        sctp_release(t->sctp);
    t->sctp = NULL;
}
