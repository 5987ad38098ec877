/* The way in: which transport a datagram belongs to, and which protocol of that transport (RFC 7983). */
#include <string.h>

#include "media/impl.h"
#include "protocol/demux.h"
#include "protocol/stun.h"

static struct transport *by_address(struct engine *e, const struct net_addr *from) {
    uint32_t index;
    if (!map_get(&e->by_addr, from, &index))
        return NULL;
    ASSERT(index < e->config.transports_max && e->transports[index].handle != 0);
    return &e->transports[index];
}

/* By the name that a check carries; an address alone may have passed to another participant. */
static struct transport *by_username(struct engine *e, struct span datagram) {
    struct span ufrag;
    char key[ENGINE_UFRAG_LEN_MAX + 1] = {0};
    uint32_t index;
    if (!ice_peek_local_ufrag(datagram, &ufrag) || ufrag.len > ENGINE_UFRAG_LEN_MAX)
        return NULL;
    memcpy(key, ufrag.data, ufrag.len);
    if (!map_get(&e->by_ufrag, key, &index))
        return NULL;
    ASSERT(index < e->config.transports_max && e->transports[index].handle != 0);
    return &e->transports[index];
}

static enum engine_rx_result input_stun(struct engine *e, const struct engine_rx *rx, struct span datagram) {
    if (!stun_looks_like(datagram)) {
        e->counters.rx_dropped_malformed++;
        return ENGINE_RX_DROPPED;
    }
    struct ice_lite_route route;
    if (ice_peek_answer_route(datagram, &route)) {
        struct transport *asked = route.shard == e->config.core ? engine_transport(e, route.tag) : NULL;
        if (asked != NULL && transport_stun_answer(e, asked, rx, datagram))
            return ENGINE_RX_TAKEN;
        e->counters.rx_unknown++; /* or another engine's transport asked */
        return ENGINE_RX_UNKNOWN;
    }
    struct transport *t = by_username(e, datagram);
    if (t == NULL)
        t = by_address(e, &rx->from);
    if (t == NULL) {
        e->counters.rx_unknown++;
        return ENGINE_RX_UNKNOWN;
    }
    t->rx_bytes += datagram.len;
    t->rx_packets++;
    return transport_stun(e, t, rx, datagram) ? ENGINE_RX_TAKEN : ENGINE_RX_DROPPED;
}

enum engine_rx_result engine_input(struct engine *e, uint64_t now_us, const struct engine_rx *rx, uint8_t *data,
                                   size_t len) {
    ASSERT(e != NULL && rx != NULL && data != NULL);
    if (now_us > e->now_us)
        e->now_us = now_us;
    e->counters.rx_datagrams++;
    e->counters.rx_bytes += len;
    struct span datagram = span_of(data, len);
    enum demux_kind kind = demux(datagram);
    if (kind == DEMUX_NONE || len > PACKET_LEN_MAX) {
        e->counters.rx_dropped_malformed++;
        return ENGINE_RX_DROPPED;
    }
    if (kind == DEMUX_STUN)
        return input_stun(e, rx, datagram);
    struct transport *t = by_address(e, &rx->from);
    if (t == NULL) {
        e->counters.rx_unknown++;
        return ENGINE_RX_UNKNOWN;
    }
    t->rx_bytes += len;
    t->rx_packets++;
    if (t->unproven)
        ice_lite_note_received(&t->ice, &rx->from, len);
    if (kind == DEMUX_DTLS)
        transport_dtls_input(e, t, rx, datagram);
    else if (kind == DEMUX_RTCP)
        feedback_input(e, t, rx, data, len);
    else
        receive_rtp(e, t, rx, data, len);
    return ENGINE_RX_TAKEN;
}
