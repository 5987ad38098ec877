/* One peer connection: ICE, then DTLS, then SRTP and SCTP under the same 5-tuple. */
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"
#include "protocol/candidate.h"
#include "protocol/demux.h"

void link_open(struct participant *p, uint32_t index) {
    struct link *link = &p->links[index];
    ASSERT(!link->open);
    uint8_t *rx = link->rx_memory, *tx = link->tx_memory, *sctp = link->sctp_memory;
    struct section *sections = link->sections;
    bool wants_channels = link->wants_channels;
    *link = (struct link){.open = true, .index = index, .rx_memory = rx, .tx_memory = tx, .sctp_memory = sctp};
    link->sections = sections;
    link->wants_channels = link->needed = wants_channels; /* also of a connection that follows another */
    ice_client_init(&link->ice, p->rng);
    twcc_init(&link->twcc);
    link->feedback_ssrc = rng_u32(p->rng) | 1;
    link->sdp_id = rng_u64(p->rng) >> 2 | 1;
    link->dtls_client = true;
}

static void send_out(struct participant *p, struct link *link) {
    struct net_addr to;
    bool target = link_target(link, &to);
    for (;;) {
        struct tx_slot *slot = client_tx_reserve(p);
        if (slot == NULL)
            return;
        struct writer w = writer_of(slot->data, sizeof slot->data);
        if (!dtls_poll_out(link->dtls, &w))
            return;
        if (target)
            client_tx_commit(p, link, &to, w.len);
    }
}

void link_close(struct participant *p, struct link *link) {
    if (!link->open)
        return;
    streams_close_all(p, link->index);
    if (link->sctp != NULL)
        sctp_release(link->sctp);
    link->sctp = NULL;
    if (link->dtls != NULL) {
        dtls_close(link->dtls);
        send_out(p, link);
        dtls_destroy(link->dtls);
    }
    link->dtls = NULL;
    if (link->keyed) {
        srtp_session_end(&link->rx);
        srtp_session_end(&link->tx);
    }
    link->keyed = false;
    ice_client_destroy(&link->ice);
    free(link->offer_text);
    free(link->answer_text);
    link->offer_text = link->answer_text = NULL;
    link->open = false;
}

bool link_target(const struct link *link, struct net_addr *to) {
    return ice_client_selected(&link->ice, to);
}

bool link_usable(const struct link *link) {
    struct net_addr to;
    return link->open && link->keyed && !link->failed && link_target(link, &to);
}

void link_restart_ice(struct participant *p, struct link *link) {
    ice_client_restart(&link->ice, p->now_us);
    link->remote_ufrag[0] = 0;
    link->remote_known = false;
    link->failed = false;
}

static void add_candidates(struct participant *p, struct link *link, const struct sdp *remote) {
    for (uint16_t i = 0; i < remote->section_count; i++) {
        const struct sdp_section *section = remote->sections[i];
        for (uint16_t k = 0; k < section->candidate_count; k++) {
            struct candidate candidate;
            if (!candidate_parse(section->candidates[k], &candidate) || candidate.addr.proto != NET_UDP)
                continue;
            (void)ice_client_add_candidate(&link->ice, p->now_us, &candidate.addr, candidate.priority);
        }
    }
}

bool link_remote(struct participant *p, struct link *link, const struct sdp *remote) {
    const struct sdp_section *section = sdp_transport_section(remote);
    char ufrag[sizeof link->remote_ufrag];
    uint8_t fingerprint[DTLS_FINGERPRINT_LEN];
    if (section == NULL || !sdp_sha256(&section->transport, fingerprint) ||
        !span_to_str(section->transport.ice_ufrag, ufrag, sizeof ufrag))
        return false;
    if (strcmp(ufrag, link->remote_ufrag) != 0) {
        if (link->remote_known) /* they restart: new credentials on our side as well (RFC 8445 section 9) */
            link_restart_ice(p, link);
        if (!ice_client_set_remote(&link->ice, section->transport.ice_ufrag, section->transport.ice_pwd))
            return false;
        text_copy(link->remote_ufrag, sizeof link->remote_ufrag, ufrag);
    }
    memcpy(link->fingerprint, fingerprint, sizeof fingerprint);
    if (link->dtls == NULL)
        link->dtls_client = section->transport.setup != SDP_SETUP_ACTIVE;
    link->remote_known = true;
    add_candidates(p, link, remote);
    return true;
}

/* ---- DTLS ------------------------------------------------------------------------------------------------------- */

static void begin_dtls(struct participant *p, struct link *link) {
    link->dtls = dtls_create(p->dtls, link->dtls_client ? DTLS_CLIENT : DTLS_SERVER, &p->dtls_counters);
    if (link->dtls == NULL) {
        link->failed = true;
        return;
    }
    dtls_set_fingerprint(link->dtls, link->fingerprint);
    dtls_start(link->dtls, p->now_us);
}

static void take_keys(struct participant *p, struct link *link) {
    struct srtp_master ours, theirs;
    if (!dtls_export(link->dtls, &ours, &theirs))
        return;
    uint32_t rx_streams = p->config.streams_max * 4 + 16;
    bool made =
        srtp_session_init(&link->rx, link->rx_memory, rx_streams, RX_RETIRED_MAX, SRTP_OPENING, &theirs, p->rng);
    made = made &&
           srtp_session_init(&link->tx, link->tx_memory, TX_STREAMS_MAX, TX_RETIRED_MAX, SRTP_SEALING, &ours, p->rng);
    srtp_master_wipe(&ours);
    srtp_master_wipe(&theirs);
    if (!made) {
        link->failed = true;
        return;
    }
    link->keyed = true;
    link->keyed_us = p->now_us;
    link->report_us = p->now_us + REPORT_US / 2;
    link->feedback_us = p->now_us + TWCC_US;
    data_start(p, link);
    session_link_changed(p);
}

static void pump_dtls(struct participant *p, struct link *link) {
    if (link->dtls == NULL) {
        struct net_addr to;
        if (!link->remote_known || !link->dtls_client || !link_target(link, &to) || link->failed)
            return;
        begin_dtls(p, link);
        if (link->dtls == NULL)
            return;
    }
    uint8_t data[DTLS_DATAGRAM_LEN_MAX];
    for (;;) {
        struct writer w = writer_of(data, sizeof data);
        if (!dtls_poll_data(link->dtls, &w))
            break;
        data_input(p, link, writer_span(&w));
    }
    send_out(p, link);
    enum dtls_state state = dtls_state(link->dtls);
    if (state == DTLS_CONNECTED && !link->keyed && !link->failed)
        take_keys(p, link);
    if ((state == DTLS_FAILED || state == DTLS_CLOSED) && !link->failed) {
        link->failed = true;
        session_link_changed(p);
    }
}

static void pump_ice(struct participant *p, struct link *link) {
    ice_client_tick(&link->ice, p->now_us);
    for (;;) {
        struct tx_slot *slot = client_tx_reserve(p);
        if (slot == NULL)
            return;
        struct writer w = writer_of(slot->data, sizeof slot->data);
        struct net_addr to;
        if (!ice_client_poll(&link->ice, p->now_us, &w, &to))
            break;
        client_tx_commit(p, link, &to, w.len);
    }
    if (ice_client_state(&link->ice, p->now_us) == ICE_CLIENT_FAILED && !link->failed) {
        link->failed = true;
        session_link_changed(p);
    }
}

void link_pump(struct participant *p, struct link *link) {
    if (!link->open)
        return;
    pump_ice(p, link);
    if (!link->open)
        return;
    pump_dtls(p, link);
    if (link->open && link->sctp != NULL)
        data_pump(p, link);
}

void link_input(struct participant *p, struct link *link, const struct net_addr *from, uint8_t *data, size_t len) {
    struct span datagram = span_of(data, len);
    switch (demux(datagram)) {
    case DEMUX_STUN:
        (void)ice_client_input(&link->ice, p->now_us, from, datagram);
        break;
    case DEMUX_DTLS:
        if (link->dtls == NULL && link->remote_known && !link->dtls_client && !link->failed)
            begin_dtls(p, link);
        if (link->dtls == NULL)
            return;
        dtls_input(link->dtls, p->now_us, datagram);
        break;
    case DEMUX_RTP:
        client_receive_rtp(p, link, data, len);
        return;
    case DEMUX_RTCP:
        report_input(p, link, data, len);
        return;
    case DEMUX_NONE:
        p->counters.rx_bad++;
        return;
    }
    link_pump(p, link);
}

uint64_t link_deadline(const struct participant *p, const struct link *link) {
    if (!link->open)
        return TIME_NEVER;
    uint64_t at_us = link->failed ? TIME_NEVER : ice_client_next_deadline(&link->ice);
    if (link->dtls != NULL)
        at_us = time_min(at_us, dtls_next_deadline(link->dtls));
    if (link->sctp != NULL)
        at_us = time_min(at_us, sctp_next_deadline(link->sctp));
    /* a deadline in the past was served; what is left of it waits for the grid */
    return at_us <= p->now_us ? p->now_us + US_PER_MS : at_us;
}

void link_send_rtcp(struct participant *p, struct link *link, struct span compound) {
    struct net_addr to;
    struct tx_slot *slot = link->keyed && link_target(link, &to) && !link->failed ? client_tx_reserve(p) : NULL;
    size_t len;
    if (slot == NULL || compound.len == 0)
        return;
    if (srtcp_seal(&link->tx, compound, slot->data, sizeof slot->data, &len) == SRTP_OK)
        client_tx_commit(p, link, &to, len);
}
