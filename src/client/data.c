/* Data channels and the packets on them (LiveKit client protocol). */
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

static const char *const labels[] = {"_lossy", "_reliable", "_data_track"};

void data_start(struct participant *p, struct link *link) {
    if (link->sctp != NULL || !link->agreed_channels || !link->keyed)
        return;
    struct sctp_config config = {.buffers = &p->sctp_buffers, .counters = &p->sctp_counters};
    link->sctp = sctp_init(link->sctp_memory, &config, p->rng, p->now_us);
    bool client = dtls_role(link->dtls) == DTLS_CLIENT;
    data_channels_init(&link->channels, link->sctp, client ? DCEP_DTLS_CLIENT : DCEP_DTLS_SERVER, &p->dcep_counters);
    for (size_t i = 0; link->index == 0 && i < ARRAY_LEN(labels); i++) {
        bool reliable = i == 1;
        struct dcep_open open = {.unordered = !reliable,
                                 .reliability = reliable ? DCEP_RELIABLE : DCEP_MAX_RETRANSMITS,
                                 .priority = 256,
                                 .label = span_str(labels[i])};
        uint32_t channel;
        (void)data_channels_open(&link->channels, p->now_us, &open, &channel);
    }
    sctp_connect(link->sctp, p->now_us);
}

/* ---- packets in ------------------------------------------------------------------------------------------------- */

static void take_packet(struct participant *p, bool reliable, const Livekit__DataPacket *packet) {
    if (packet->value_case != LIVEKIT__DATA_PACKET__VALUE_USER || packet->user == NULL)
        return;
    struct remote *sender = roster_find(p, packet->participant_sid);
    if (reliable && sender != NULL && packet->sequence != 0) {
        if (packet->sequence <= sender->data_seq) {
            p->counters.data_duplicate++;
            return;
        }
        sender->data_seq = packet->sequence;
    }
    p->counters.data_in++;
    struct participant_event event = {.type = PARTICIPANT_EV_DATA, .reliable = reliable};
    text_copy(event.sid, sizeof event.sid, packet->participant_sid);
    text_copy(event.identity, sizeof event.identity, packet->participant_identity);
    client_event(p, &event, span_of(packet->user->payload.data, packet->user->payload.len));
}

static void take_message(struct participant *p, struct link *link, const struct data_channel_event *event) {
    const struct dcep_channel *channel = data_channels_get(&link->channels, event->channel);
    bool reliable = channel != NULL && span_equal_str(span_of(channel->label, channel->label_len), "_reliable");
    uint8_t *bytes = malloc(event->len_bytes > 0 ? event->len_bytes : 1);
    if (bytes == NULL)
        return;
    struct writer w = writer_of(bytes, event->len_bytes);
    data_channels_copy(&link->channels, event, &w);
    Livekit__DataPacket *packet = livekit__data_packet__unpack(NULL, w.len, bytes);
    if (packet != NULL) {
        take_packet(p, reliable, packet);
        livekit__data_packet__free_unpacked(packet, NULL);
    } else {
        p->counters.signal_bad++;
    }
    free(bytes);
}

static void send_packets(struct participant *p, struct link *link) {
    uint8_t packet[SCTP_MTU_BYTES + 64];
    struct net_addr to;
    for (;;) {
        struct writer w = writer_of(packet, sizeof packet);
        if (!sctp_poll_packet(link->sctp, p->now_us, &w))
            return;
        struct tx_slot *slot = link_target(link, &to) ? client_tx_reserve(p) : NULL;
        if (slot == NULL)
            continue; /* lost, as on any path; SCTP sends it again */
        struct writer out = writer_of(slot->data, sizeof slot->data);
        if (dtls_seal(link->dtls, writer_span(&w), &out))
            client_tx_commit(p, link, &to, out.len);
    }
}

void data_input(struct participant *p, struct link *link, struct span datagram) {
    if (link->sctp != NULL) {
        sctp_input(link->sctp, p->now_us, datagram);
        data_pump(p, link);
    }
}

void data_pump(struct participant *p, struct link *link) {
    if (sctp_next_deadline(link->sctp) <= p->now_us)
        sctp_tick(link->sctp, p->now_us);
    struct data_channel_event event;
    bool more = true;
    while (more) {
        more = false;
        while (data_channels_poll(&link->channels, p->now_us, &event)) {
            more = true;
            if (event.type == DATA_CHANNEL_MESSAGE)
                take_message(p, link, &event);
        }
        send_packets(p, link);
    }
}

/* ---- packets out ------------------------------------------------------------------------------------------------ */

static bool find_channel(const struct participant *p, bool reliable, uint32_t *channel) {
    const struct link *link = &p->links[0];
    if (!link_usable(link) || link->sctp == NULL || !sctp_is_connected(link->sctp) ||
        !data_channels_find(&link->channels, span_str(reliable ? "_reliable" : "_lossy"), channel))
        return false;
    const struct dcep_channel *found = data_channels_get(&link->channels, *channel);
    return found != NULL && found->state == DCEP_OPEN;
}

static void keep(struct participant *p, uint32_t sequence, struct span bytes) {
    struct resend *slot = &p->resends[p->resend_next++ % RESEND_MAX];
    free(slot->bytes);
    *slot = (struct resend){.sequence = sequence, .len = (uint32_t)bytes.len, .bytes = malloc(bytes.len)};
    if (slot->bytes != NULL)
        memcpy(slot->bytes, bytes.data, bytes.len);
}

/* What the server did not have when the session was resumed. */
void data_resend(struct participant *p) {
    uint32_t channel;
    if (!find_channel(p, true, &channel))
        return;
    for (uint32_t i = 0; i < RESEND_MAX; i++) {
        struct resend *slot = &p->resends[(p->resend_next + i) % RESEND_MAX];
        if (slot->bytes == NULL || slot->sequence <= p->last_message_seq)
            continue;
        (void)data_channels_send(&p->links[0].channels, p->now_us, channel, true, span_of(slot->bytes, slot->len));
    }
    link_pump(p, &p->links[0]);
}

bool participant_send_data(struct participant *p, uint64_t now_us, bool reliable, struct span payload,
                           const char *const *destinations, size_t destinations_count) {
    ASSERT(destinations_count <= PARTICIPANT_DESTINATIONS_MAX);
    p->now_us = now_us;
    uint32_t channel;
    if (payload.len > PARTICIPANT_DATA_LEN_MAX || p->state != SESSION_JOINED || !find_channel(p, reliable, &channel))
        return false;
    Livekit__UserPacket user = LIVEKIT__USER_PACKET__INIT;
    Livekit__DataPacket packet = LIVEKIT__DATA_PACKET__INIT;
    char *list[PARTICIPANT_DESTINATIONS_MAX];
    for (size_t i = 0; i < destinations_count; i++)
        list[i] = (char *)(uintptr_t)destinations[i];
    user.payload = (ProtobufCBinaryData){payload.len, (uint8_t *)(uintptr_t)payload.data};
    packet.kind = reliable ? LIVEKIT__DATA_PACKET__KIND__RELIABLE : LIVEKIT__DATA_PACKET__KIND__LOSSY;
    packet.value_case = LIVEKIT__DATA_PACKET__VALUE_USER;
    packet.user = &user;
    packet.n_destination_identities = destinations_count;
    packet.destination_identities = list;
    packet.sequence = reliable ? p->data_seq + 1 : 0;
    size_t size = livekit__data_packet__get_packed_size(&packet);
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    if (bytes == NULL)
        return false;
    livekit__data_packet__pack(&packet, bytes);
    bool sent =
        data_channels_send(&p->links[0].channels, now_us, channel, true, span_of(bytes, size)) == DATA_CHANNEL_OK;
    if (sent) {
        p->counters.data_out++;
        if (reliable)
            keep(p, ++p->data_seq, span_of(bytes, size));
        link_pump(p, &p->links[0]);
    }
    free(bytes);
    return sent;
}

void participant_want_data(struct participant *p, uint64_t now_us) {
    p->now_us = now_us;
    if (p->links[0].wants_channels)
        return;
    p->links[0].wants_channels = true;
    negotiate(p);
}
