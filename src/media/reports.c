/* RTCP that goes out: to publishers what was received and what is missing, to receivers what was sent and when. */
#include <string.h>

#include "media/impl.h"

/* Numbers asked for in one round: more than the list holds. */
#define NACK_ROUND_MAX NACK_LIST_MAX

struct compound {
    uint8_t bytes[RTCP_LEN_MAX];
    struct writer w;
};

static void compound_begin(struct compound *c) {
    c->w = writer_of(c->bytes, sizeof c->bytes);
}

static void compound_send(struct engine *e, struct transport *t, struct compound *c) {
    ASSERT(writer_ok(&c->w));
    if (c->w.len > 0)
        tx_rtcp(e, t, writer_span(&c->w));
    compound_begin(c);
}

/* ---- key frames
 * ------------------------------------------------------------------------------------------------------ */

static void send_pli(struct engine *e, struct transport *t, struct stream *stream) {
    struct compound c;
    compound_begin(&c);
    rtcp_write_pli(&c.w, t->feedback_ssrc, stream->ssrc);
    compound_send(e, t, &c);
    stream->pli_sent_us = e->now_us;
    stream->pli_due_us = e->now_us + e->config.pli_interval_us;
    stream->pli_tries++;
    e->counters.tx_pli++;
}

void keyframe_request(struct engine *e, struct source *source, uint32_t layer) {
    ASSERT(layer < ENGINE_LAYERS_MAX);
    struct stream *stream = &source->streams[layer];
    struct transport *t = &e->transports[source->transport];
    if (!source->video || source->muted || stream->ssrc == 0 || !transport_can_send(t))
        return;
    if (stream->pli_wanted) { /* on its way, and repeated until the key frame comes */
        e->counters.pli_throttled++;
        return;
    }
    stream->pli_wanted = true;
    stream->pli_tries = 0;
    if (stream->pli_sent_us != 0 && time_since(e->now_us, stream->pli_sent_us) < e->config.pli_interval_us) {
        stream->pli_due_us = stream->pli_sent_us + e->config.pli_interval_us;
        e->counters.pli_throttled++;
    } else {
        send_pli(e, t, stream);
    }
    timer_sooner(e, t, TIMER_PLI, stream->pli_due_us);
}

void keyframe_wish(struct engine *e, struct sink *sink, uint32_t layer, uint64_t pause_max_us) {
    struct source *source = &e->sources[sink->source];
    if (source->streams[layer].pli_wanted) { /* somebody else asked: it costs nothing */
        e->counters.pli_throttled++;
        return;
    }
    uint64_t passed_us = time_since(e->now_us, sink->wish_us);
    if (sink->wish_us != 0 && passed_us < sink->wish_pause_us) {
        e->counters.pli_rationed++;
        return;
    }
    bool calm = sink->wish_us == 0 || passed_us >= 4 * sink->wish_pause_us;
    sink->wish_pause_us = calm ? e->config.pli_interval_us : time_min(2 * sink->wish_pause_us, pause_max_us);
    sink->wish_us = e->now_us;
    keyframe_request(e, source, layer);
}

void reports_pli(struct engine *e, struct transport *t) {
    uint64_t next_us = TIME_NEVER;
    for (uint32_t i = t->first_source; i != NONE; i = e->sources[i].next_of_transport) {
        for (uint32_t layer = 0; layer < e->sources[i].layers; layer++) {
            struct stream *stream = &e->sources[i].streams[layer];
            if (!stream->pli_wanted)
                continue;
            if (stream->pli_due_us <= e->now_us && stream->pli_tries >= PLI_TRIES_MAX) {
                stream->pli_wanted = false; /* it does not want to; the next wish begins anew */
                continue;
            }
            if (stream->pli_due_us <= e->now_us)
                send_pli(e, t, stream);
            next_us = time_min(next_us, stream->pli_due_us);
        }
    }
    timer_set(e, t, TIMER_PLI, next_us);
}

/* ---- missing packets
 * -------------------------------------------------------------------------------------------------- */

static void nack_stream(struct engine *e, struct transport *t, struct source *source, uint32_t layer,
                        struct compound *c) {
    struct stream *stream = &source->streams[layer];
    uint64_t due[NACK_ROUND_MAX];
    uint16_t seqs[NACK_ROUND_MAX];
    uint32_t lost = 0;
    size_t count = nack_due(&stream->nack, e->now_us, due, NACK_ROUND_MAX, &lost);
    for (size_t i = 0; i < count; i++)
        seqs[i] = (uint16_t)due[i];
    for (size_t done = 0; done < count;) {
        size_t part = rtcp_write_nack(&c->w, t->feedback_ssrc, stream->ssrc, seqs + done, count - done);
        if (part == 0)
            compound_send(e, t, c);
        done += part;
    }
    e->counters.tx_nack += count;
    e->counters.rx_lost += lost;
    if (lost > 0)
        keyframe_request(e, source, layer);
}

void reports_nack(struct engine *e, struct transport *t) {
    struct compound c;
    compound_begin(&c);
    uint64_t next_us = TIME_NEVER;
    for (uint32_t i = t->first_source; i != NONE; i = e->sources[i].next_of_transport) {
        for (uint32_t layer = 0; layer < e->sources[i].layers; layer++) {
            struct stream *stream = &e->sources[i].streams[layer];
            if (stream->nack.count == 0)
                continue;
            nack_stream(e, t, &e->sources[i], layer, &c);
            next_us = time_min(next_us, nack_next_deadline(&stream->nack));
        }
    }
    compound_send(e, t, &c);
    timer_set(e, t, TIMER_NACK, next_us);
}

/* A stream of the peer's, whichever it is; 0 when none is known. */
static uint32_t any_ssrc(const struct engine *e, const struct transport *t) {
    for (uint32_t i = t->first_source; i != NONE; i = e->sources[i].next_of_transport) {
        for (uint32_t layer = 0; layer < e->sources[i].layers; layer++) {
            if (e->sources[i].streams[layer].ssrc != 0)
                return e->sources[i].streams[layer].ssrc;
        }
    }
    return 0;
}

void reports_twcc(struct engine *e, struct transport *t) {
    if (t->twcc == NULL)
        return;
    uint32_t media_ssrc = t->heard_ssrc != 0 ? t->heard_ssrc : any_ssrc(e, t);
    struct compound c;
    /* each message takes at least one arrival away, so the window bounds the rounds */
    for (uint32_t round = 0; round < TWCC_WINDOW && twcc_pending(t->twcc) > 0; round++) {
        compound_begin(&c);
        if (!twcc_write(t->twcc, &c.w, t->feedback_ssrc, media_ssrc))
            break;
        compound_send(e, t, &c);
    }
}

/* ---- regular reports
 * --------------------------------------------------------------------------------------------------- */

/* RFC 3550 appendix A.3. */
static struct rtcp_report_block block_of(struct engine *e, struct stream *stream) {
    uint64_t expected = stream->seq_highest - stream->seq_first + 1;
    int64_t lost = (int64_t)expected - (int64_t)stream->received;
    uint64_t expected_now = expected - stream->expected_prior;
    uint64_t received_now = stream->received - stream->received_prior;
    stream->expected_prior = expected;
    stream->received_prior = stream->received;
    uint64_t lost_now = expected_now > received_now ? expected_now - received_now : 0;
    uint64_t fraction = expected_now > 0 ? lost_now * 256 / expected_now : 0;
    int64_t lost_max = 0x7fffff;
    bool reported = stream->sr_at_us != 0;
    return (struct rtcp_report_block){
        .ssrc = stream->ssrc,
        .fraction_lost = (uint8_t)(fraction < 255 ? fraction : 255),
        .lost = (int32_t)(lost > lost_max    ? lost_max
                          : lost < -lost_max ? -lost_max
                                             : lost),
        .highest_seq = (uint32_t)(stream->seq_highest - UINT64_C(0x10000)),
        .jitter = stream->jitter_q4 >> 4,
        .lsr = reported ? rtcp_ntp_middle(stream->sr_ntp) : 0,
        .dlsr = reported ? (uint32_t)((time_since(e->now_us, stream->sr_at_us) << 16) / US_PER_S) : 0,
    };
}

static void send_receiver_report(struct engine *e, struct transport *t, const struct rtcp_report_block *blocks,
                                 size_t count) {
    struct compound c;
    compound_begin(&c);
    rtcp_write_rr(&c.w, t->feedback_ssrc, blocks, count);
    rtcp_write_sdes(&c.w, t->feedback_ssrc, span_str(t->cname));
    compound_send(e, t, &c);
}

/* Streams that fell silent are not reported on. */
static bool is_heard(const struct engine *e, const struct stream *stream) {
    return stream->started && time_since(e->now_us, stream->last_rx_us) <= 2 * REPORT_INTERVAL_US;
}

static void report_received(struct engine *e, struct transport *t) {
    struct rtcp_report_block blocks[RTCP_BLOCKS_MAX];
    size_t count = 0;
    for (uint32_t i = t->first_source; i != NONE; i = e->sources[i].next_of_transport) {
        for (uint32_t layer = 0; layer < e->sources[i].layers; layer++) {
            struct stream *stream = &e->sources[i].streams[layer];
            if (!is_heard(e, stream))
                continue;
            blocks[count++] = block_of(e, stream);
            if (count < RTCP_BLOCKS_MAX)
                continue;
            send_receiver_report(e, t, blocks, count);
            count = 0;
        }
    }
    if (count > 0)
        send_receiver_report(e, t, blocks, count);
}

/* A cap for publishers without transport-wide feedback: twice what comes, so that it may grow, and less than what comes
 * when much of it is lost on the way. */
static void report_estimate(struct engine *e, struct transport *t) {
    uint32_t ssrcs[RTCP_BLOCKS_MAX];
    size_t count = 0;
    uint32_t lost = 0;
    for (uint32_t i = t->first_source; i != NONE; i = e->sources[i].next_of_transport) {
        for (uint32_t layer = 0; e->sources[i].video && layer < e->sources[i].layers; layer++) {
            const struct stream *stream = &e->sources[i].streams[layer];
            if (!is_heard(e, stream) || count == RTCP_BLOCKS_MAX)
                continue;
            ssrcs[count++] = stream->ssrc;
            lost += stream->nack.count > NACK_LIST_MAX / 4 ? 1 : 0;
        }
    }
    if (count == 0)
        return;
    uint32_t received_bps = rate_bps(&t->rx_rate, e->now_us);
    uint32_t cap_bps = received_bps * 2 > 1000000 ? received_bps * 2 : 1000000;
    t->remb_bps = lost * 2 > count ? received_bps / 10 * 9 : cap_bps;
    struct compound c;
    compound_begin(&c);
    rtcp_write_rr(&c.w, t->feedback_ssrc, NULL, 0);
    rtcp_write_remb(&c.w, t->feedback_ssrc, t->remb_bps, ssrcs, count);
    compound_send(e, t, &c);
}

/* What the publisher's clock and timestamp are now, by its last report or else by arrival. */
static bool clock_of(struct engine *e, const struct source *source, const struct stream *stream, uint64_t *ntp,
                     uint32_t *timestamp) {
    if (!stream->started || stream->clock_hz == 0)
        return false;
    if (stream->sr_ntp != 0) {
        uint64_t passed_us = time_since(e->now_us, stream->sr_at_us);
        *ntp = stream->sr_ntp + (passed_us << 32) / US_PER_S;
        *timestamp = stream->sr_timestamp + (uint32_t)(passed_us * stream->clock_hz / US_PER_S);
        return true;
    }
    if (!e->unix_known || time_since(e->now_us, source->started_us) < SR_PATIENCE_US)
        return false;
    *ntp = time_ntp(e->now_us + e->unix_offset_us);
    *timestamp = stream->last_timestamp +
                 (uint32_t)(time_since(e->now_us, stream->last_timestamp_us) * stream->clock_hz / US_PER_S);
    return true;
}

static void report_sent(struct engine *e, struct transport *t) {
    struct compound c;
    compound_begin(&c);
    for (uint32_t i = t->first_sink; i != NONE; i = e->sinks[i].next_of_transport) {
        struct sink *sink = &e->sinks[i];
        const struct source *source = &e->sources[sink->source];
        struct rtcp_sender_info info = {.packets = sink->packets, .bytes = sink->bytes};
        if (sink->layers.stream < 0 || sink->packets == 0 ||
            !clock_of(e, source, &source->streams[sink->layers.stream], &info.ntp, &info.rtp_time))
            continue;
        info.rtp_time += sink->rewrite.timestamp_offset;
        size_t cname_len = strlen(sink->cname);
        if (writer_left(&c.w) < 28 + 8 + 4 + cname_len + 4)
            compound_send(e, t, &c);
        rtcp_write_sr(&c.w, sink->ssrc, &info, NULL, 0);
        if (cname_len > 0)
            rtcp_write_sdes(&c.w, sink->ssrc, span_of(sink->cname, cname_len));
        sink->sr_sent_us[1] = sink->sr_sent_us[0];
        sink->sr_middle[1] = sink->sr_middle[0];
        sink->sr_sent_us[0] = e->now_us;
        sink->sr_middle[0] = rtcp_ntp_middle(info.ntp);
    }
    compound_send(e, t, &c);
}

void reports_tick(struct engine *e, struct transport *t) {
    if (!t->keyed)
        return;
    report_received(e, t);
    for (uint32_t i = t->first_source; i != NONE; i = e->sources[i].next_of_transport) {
        if (e->sources[i].layers > 1)
            source_rank(e, &e->sources[i]);
    }
    if (t->remb_send)
        report_estimate(e, t);
    report_sent(e, t);
    timer_set(e, t, TIMER_REPORT, e->now_us + REPORT_INTERVAL_US);
}

/* ---- statistics
 * ----------------------------------------------------------------------------------------------------------- */

static void add_received(struct engine *e, struct transport *t, struct engine_stats *stats) {
    uint64_t expected = 0, lost = 0;
    for (uint32_t i = t->first_source; i != NONE; i = e->sources[i].next_of_transport) {
        for (uint32_t layer = 0; layer < e->sources[i].layers; layer++) {
            const struct stream *stream = &e->sources[i].streams[layer];
            if (!stream->started)
                continue;
            uint64_t all = stream->seq_highest - stream->seq_first + 1;
            uint64_t here = stream->received + stream->recovered;
            expected += all;
            lost += all > here ? all - here : 0;
            if (stream->clock_hz > 0) {
                uint32_t jitter_us = (uint32_t)((uint64_t)(stream->jitter_q4 >> 4) * US_PER_S / stream->clock_hz);
                stats->rx_jitter_us = jitter_us > stats->rx_jitter_us ? jitter_us : stats->rx_jitter_us;
            }
        }
    }
    uint64_t expected_now = expected > t->loss_expected ? expected - t->loss_expected : 0;
    uint64_t lost_now = lost > t->loss_lost ? lost - t->loss_lost : 0;
    bool sane = expected_now > 0 && lost_now <= expected_now;
    stats->rx_loss_permille = (uint16_t)(sane ? lost_now * 1000 / expected_now : 0);
    t->loss_expected = expected;
    t->loss_lost = lost;
}

void reports_stats(struct engine *e, struct transport *t) {
    if (!t->keyed)
        return;
    struct engine_event event = {.type = ENGINE_EV_STATS, .object = t->handle};
    struct engine_stats *stats = &event.stats;
    uint32_t loss_permille = 0, sinks = 0;
    for (uint32_t i = t->first_sink; i != NONE; i = e->sinks[i].next_of_transport) {
        if (e->sinks[i].packets == 0)
            continue;
        loss_permille += e->sinks[i].loss_permille;
        sinks++;
    }
    uint64_t sctp_rtt_us = t->sctp != NULL ? sctp_stats(t->sctp).rtt_us : 0;
    stats->rtt_us = t->rtt_us != 0 ? t->rtt_us : (uint32_t)time_min(sctp_rtt_us, UINT32_MAX);
    stats->tx_loss_permille = (uint16_t)(sinks > 0 ? loss_permille / sinks : 0);
    if (t->estimator.transport_wide)
        stats->tx_loss_permille = t->estimator.loss_permille;
    stats->rx_bytes = t->rx_bytes;
    stats->tx_bytes = t->tx_bytes;
    stats->rx_packets = t->rx_packets;
    stats->tx_packets = t->tx_packets;
    stats->tx_estimate_bps = t->feedback_receive ? estimator_bps(&t->estimator) : 0;
    stats->tx_allocated_bps = t->allocated_bps < UINT32_MAX ? (uint32_t)t->allocated_bps : UINT32_MAX;
    stats->tcp = t->has_target && t->to.proto == NET_TCP;
    add_received(e, t, stats);
    event_push(e, &event, 0);
    timer_set(e, t, TIMER_STATS, e->now_us + e->config.stats_interval_us);
}
