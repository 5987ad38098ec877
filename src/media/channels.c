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
    t->label_reliable[number] = channel->reliability == DCEP_RELIABLE;
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
    t->controls_paid = 0;
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
    if (t->label_reliable[incoming->channel])
        event.message.charged_bytes = engine_channel_charge(incoming->len_bytes);
    uint8_t *payload = event_push(e, &event, incoming->len_bytes);
    ASSERT(payload != NULL); /* else the message would have been held: see hold_messages */
    t->rx_charged_bytes += event.message.charged_bytes;
    t->message_credit -= (int64_t)US_PER_S;
    struct writer w = writer_of(payload, incoming->len_bytes);
    data_channels_copy(&t->channels, incoming, &w);
    ASSERT(writer_ok(&w) && w.len == incoming->len_bytes);
}

static void tell_closed(struct engine *e, struct transport *t, uint32_t number) {
    t->label_open[number] = false;
    event_channel(e, t, ENGINE_EV_CHANNEL_CLOSED, t->labels[number]);
}

static void take_event(struct engine *e, struct transport *t, const struct data_channel_event *event) {
    switch (event->type) {
    case DATA_CHANNEL_OPENED:
        ASSERT(event->channel < ENGINE_CHANNELS_MAX);
        name_channel(t, event->channel);
        t->label_open[event->channel] = true;
        event_channel(e, t, ENGINE_EV_CHANNEL_OPENED, t->labels[event->channel]);
        break;
    case DATA_CHANNEL_MESSAGE:
        take_message(e, t, event);
        break;
    case DATA_CHANNEL_CLOSED:
        tell_closed(e, t, event->channel);
        break;
    case DATA_CHANNELS_DOWN:
        for (uint32_t number = 0; number < ENGINE_CHANNELS_MAX; number++) {
            if (t->label_open[number])
                tell_closed(e, t, number);
        }
        break;
    case DATA_CHANNELS_CONNECTED:
    case DATA_CHANNELS_WRITABLE:
        break;
    }
}

static void refill_credit(struct engine *e, struct transport *t) {
    const int64_t most = (int64_t)(CHANNEL_MESSAGES_BURST * US_PER_S);
    uint64_t passed_us = time_min(time_since(e->now_us, t->message_credit_us), US_PER_S);
    t->message_credit += (int64_t)(passed_us * CHANNEL_MESSAGES_PER_S);
    t->message_credit = t->message_credit < most ? t->message_credit : most;
    t->message_credit_us = e->now_us;
}

/* Which messages may come out. Nothing reliable is ever dropped here: what finds no room stays in the association. */
static void hold_messages(struct engine *e, struct transport *t) {
    uint64_t controls = t->channels.controls - t->controls_paid;
    t->message_credit -= (int64_t)(controls * CHANNEL_CONTROL_MESSAGES * US_PER_S);
    t->controls_paid += controls;
    if (!event_room(e, ENGINE_MESSAGE_LEN_MAX) || t->message_credit < (int64_t)US_PER_S)
        data_channels_hold(&t->channels, DATA_CHANNELS_HOLD_ALL);
    else if (t->rx_charged_bytes >= ENGINE_CHANNEL_RX_WINDOW_BYTES)
        data_channels_hold(&t->channels, DATA_CHANNELS_HOLD_RELIABLE);
    else
        data_channels_hold(&t->channels, DATA_CHANNELS_HOLD_NONE);
}

/* Tells what was acknowledged and what was refused; false when there was no room for that. */
static bool tell_sent(struct engine *e, struct transport *t) {
    if (t->tx_refusal_due && event_refused(e, t->handle, ENGINE_CHANNEL_SEND))
        t->tx_refusal_due = false;
    uint64_t settled_bytes = data_channels_settled(&t->channels, DATA_CHANNEL_RELIABLE) + t->tx_refused_bytes;
    uint64_t new_bytes = settled_bytes - t->tx_told_bytes;
    bool due =
        new_bytes >= CHANNEL_TELL_BYTES || (new_bytes > 0 && settled_bytes == t->tx_given_bytes[DATA_CHANNEL_RELIABLE]);
    if (!due)
        return !t->tx_refusal_due;
    struct engine_event event = {.type = ENGINE_EV_CHANNEL_SENT, .object = t->handle, .channel_sent = {settled_bytes}};
    if (event_push(e, &event, 0) == NULL)
        return false;
    t->tx_told_bytes = settled_bytes;
    return !t->tx_refusal_due;
}

void channels_pump(struct engine *e, struct transport *t) {
    if (t->sctp == NULL || t->dtls == NULL)
        return;
    refill_credit(e, t);
    struct data_channel_event event;
    hold_messages(e, t);
    while (data_channels_poll(&t->channels, e->now_us, &event)) {
        take_event(e, t, &event);
        hold_messages(e, t);
    }
    bool waits = data_channels_holds(&t->channels);
    e->counters.channel_held += waits ? 1 : 0;
    send_packets(e, t);
    bool told = tell_sent(e, t);
    timer_set(e, t, TIMER_SCTP, sctp_next_deadline(t->sctp));
    /* a full window opens by a command, all else with time */
    if (!told || (waits && t->channels.hold == DATA_CHANNELS_HOLD_ALL))
        timer_sooner(e, t, TIMER_SCTP, e->now_us + CHANNEL_RETRY_US);
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

/* Whether the last channel of this name was a reliable one, be it gone. */
static bool was_reliable(const struct transport *t, struct span label) {
    for (uint32_t i = 0; i < ENGINE_CHANNELS_MAX; i++) {
        if (t->label_reliable[i] && span_equal(span_str(t->labels[i]), label))
            return true;
    }
    return false;
}

void channels_send(struct engine *e, struct transport *t, const struct engine_channel_send *send, struct span payload) {
    uint32_t channel;
    struct span label = span_of(send->label, strnlen(send->label, ENGINE_LABEL_LEN_MAX));
    bool found = t->sctp != NULL && data_channels_find(&t->channels, label, &channel);
    bool reliable =
        found ? data_channels_get(&t->channels, channel)->reliability == DCEP_RELIABLE : was_reliable(t, label);
    enum data_channel_account account = reliable ? DATA_CHANNEL_RELIABLE : DATA_CHANNEL_LOSSY;
    uint32_t charge_bytes = engine_channel_charge(payload.len);
    bool sent = found && payload.len <= t->message_len_max;
    if (sent && !reliable) {
        uint64_t waiting_bytes = t->tx_given_bytes[account] - data_channels_settled(&t->channels, account);
        sent = waiting_bytes + charge_bytes <= CHANNEL_LOSSY_BYTES_MAX;
    }
    sent = sent && data_channels_send(&t->channels, e->now_us, channel, !send->text, payload) == DATA_CHANNEL_OK;
    if (sent) {
        t->tx_given_bytes[account] += charge_bytes;
    } else if (reliable) {
        e->counters.channel_send_refused++;
        t->tx_given_bytes[DATA_CHANNEL_RELIABLE] +=
            charge_bytes; /* else the control side's window would stay closed by it */
        t->tx_refused_bytes += charge_bytes;
        t->tx_refusal_due = !event_refused(e, t->handle, ENGINE_CHANNEL_SEND) || t->tx_refusal_due;
    } else {
        e->counters.channel_send_dropped++;
    }
    channels_pump(e, t);
}

void channels_passed_on(struct engine *e, struct transport *t, uint32_t bytes) {
    uint32_t known_bytes = bytes < t->rx_charged_bytes ? bytes : t->rx_charged_bytes;
    e->counters.channel_release_excess += bytes - known_bytes;
    t->rx_charged_bytes -= known_bytes;
    channels_pump(e, t);
}

void channels_release(struct transport *t) {
    if (t->sctp != NULL)
        sctp_release(t->sctp);
    t->sctp = NULL;
}
