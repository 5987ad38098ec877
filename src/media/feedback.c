/* RTCP that comes in: reports of publishers, and what receivers ask for (RFC 3550, 4585, 5104). */
#include <string.h>

#include "media/impl.h"

static struct sink *sink_of(struct engine *e, const struct transport *t, uint32_t ssrc) {
    struct ssrc_key key = {.transport = t->index, .ssrc = ssrc};
    uint32_t index;
    if (!map_get(&e->tx_ssrcs, &key, &index))
        return NULL;
    ASSERT(e->sinks[index].handle != 0 && e->sinks[index].transport == t->index);
    return &e->sinks[index];
}

static void take_sender_info(struct engine *e, struct transport *t, const struct rtcp_view *view) {
    struct ssrc_key key = {.transport = t->index, .ssrc = view->sender_ssrc};
    uint32_t value;
    if (!map_get(&e->rx_ssrcs, &key, &value) || (value & 1) != 0)
        return;
    struct stream *stream = &e->sources[value >> 3].streams[value >> 1 & 3];
    stream->sr_ntp = view->sr.ntp;
    stream->sr_timestamp = view->sr.rtp_time;
    stream->sr_at_us = e->now_us;
}

static void take_round_trip(struct engine *e, struct transport *t, const struct sink *sink,
                            const struct rtcp_report_block *block) {
    for (int i = 0; i < 2; i++) {
        if (block->lsr == 0 || sink->sr_sent_us[i] == 0 || sink->sr_middle[i] != block->lsr)
            continue;
        uint64_t held_us = (uint64_t)block->dlsr * US_PER_S >> 16;
        uint64_t passed_us = time_since(e->now_us, sink->sr_sent_us[i]);
        if (passed_us < held_us || passed_us - held_us > 10 * US_PER_S)
            return;
        uint32_t sample_us = (uint32_t)(passed_us - held_us);
        t->rtt_us = t->rtt_us == 0 ? (sample_us > 0 ? sample_us : 1) : (t->rtt_us * 7 + sample_us) / 8;
        return;
    }
}

static void take_blocks(struct engine *e, struct transport *t, const struct rtcp_view *view) {
    for (size_t i = 0; i < view->count; i++) {
        struct rtcp_report_block block = rtcp_report_block_at(view, i);
        struct sink *sink = sink_of(e, t, block.ssrc);
        if (sink == NULL)
            continue;
        sink->loss_permille = (uint16_t)(block.fraction_lost * 1000u / 256u);
        take_round_trip(e, t, sink, &block);
    }
}

/* ---- retransmission ------------------------------------------------------------------------------------------------
 */

static bool budget_allows(struct engine *e, struct transport *t, uint32_t bytes) {
    uint32_t rate = rate_bps(&t->tx_rate, e->now_us) / 2;
    if (rate < RTX_RATE_MIN_BPS)
        rate = RTX_RATE_MIN_BPS;
    uint64_t passed_us = time_min(time_since(e->now_us, t->rtx_budget_us), US_PER_S);
    t->rtx_budget_us = e->now_us;
    t->rtx_budget_bytes += (int64_t)(passed_us * rate / 8 / US_PER_S);
    if (t->rtx_budget_bytes > RTX_BURST_BYTES)
        t->rtx_budget_bytes = RTX_BURST_BYTES;
    if (t->rtx_budget_bytes < (int64_t)bytes)
        return false;
    t->rtx_budget_bytes -= bytes;
    return true;
}

/* Asked for again within a round trip of the last time: the answer is still on its way. */
static bool asked_too_soon(const struct engine *e, const struct transport *t, const struct history_entry *entry) {
    if (entry->tries == 0)
        return false;
    uint32_t passed_ms = (uint32_t)(e->now_us / US_PER_MS) - entry->sent_ms;
    uint32_t least_ms = t->rtt_us / 1000 > 20 ? t->rtt_us / 1000 * 3 / 4 : 15;
    return entry->tries >= RTX_TRIES_MAX || passed_ms < least_ms;
}

static void retransmit(struct engine *e, struct transport *t, struct sink *sink, uint16_t seq16) {
    uint64_t seq64 = seq16_extend(sink->rewrite.out_seq, seq16);
    struct history_entry *entry = sink_history(e, sink, seq64);
    struct source *source = &e->sources[sink->source];
    struct packet *packet = NULL;
    if ((entry->flags & HISTORY_VALID) != 0 && entry->seq == (uint32_t)seq64) {
        const struct stream *stream = &source->streams[entry->layer];
        if (stream->epoch == entry->epoch && stream->started)
            packet = cache_get(&stream->cache, &e->arena, seq32_extend(stream->seq_highest, entry->source_seq));
    }
    uint8_t rtx_pt = 0;
    if (packet != NULL)
        sink_pt(sink, (enum codec)engine_info(e, packet)->codec, &rtx_pt);
    if (packet == NULL || rtx_pt == 0) {
        e->counters.rtx_missed++;
        return;
    }
    if (asked_too_soon(e, t, entry) || !budget_allows(e, t, packet->len_bytes)) {
        e->counters.rtx_throttled++;
        return;
    }
    struct tx_entry *out = tx_push(e, t, TX_CLASS_RTX, packet);
    if (out == NULL)
        return;
    entry->tries++;
    entry->sent_ms = (uint32_t)(e->now_us / US_PER_MS);
    out->kind = TX_RTX;
    out->sink = sink->index;
    out->seq16 = (uint16_t)++sink->rtx_seq64;
    out->original_seq16 = seq16;
    out->timestamp = entry->timestamp;
    out->picture_id = entry->picture_id;
    out->frame16 = entry->frame16;
    out->tl0 = entry->tl0;
    out->key_index = entry->key_index;
    out->active_targets = entry->active_targets;
    out->marker = (entry->flags & HISTORY_MARKER) != 0;
    out->pt = rtx_pt;
    e->counters.tx_rtx++;
}

static void take_nack(struct engine *e, struct transport *t, const struct rtcp_view *view) {
    struct sink *sink = sink_of(e, t, view->media_ssrc);
    if (sink == NULL || sink->rtx_ssrc == 0 || !sink->rewrite.started || !transport_can_send(t))
        return;
    struct rtcp_nack_iter iter = rtcp_nack_iter_of(view);
    uint16_t seq16;
    while (rtcp_nack_next(&iter, &seq16))
        retransmit(e, t, sink, seq16);
}

/* ---- the rest
 * -------------------------------------------------------------------------------------------------------- */

static void take_keyframe_wish(struct engine *e, struct transport *t, uint32_t ssrc) {
    struct sink *sink = sink_of(e, t, ssrc);
    if (sink == NULL || !sink->video)
        return;
    int8_t layer = sink->layers.stream >= 0 ? sink->layers.stream : sink->layers.target_stream;
    if (layer >= 0)
        keyframe_wish(e, sink, (uint32_t)layer, WISH_PAUSE_MAX_US);
}

static void take_fir(struct engine *e, struct transport *t, const struct rtcp_view *view) {
    for (size_t i = 0; i < rtcp_fir_count(view); i++) {
        struct rtcp_fir_entry entry = rtcp_fir_at(view, i);
        struct sink *sink = sink_of(e, t, entry.ssrc);
        /* the same number again is the same request (RFC 5104 section 4.3.1.2) */
        if (sink == NULL || (sink->fir_seen && sink->fir_seq8 == entry.seq8))
            continue;
        sink->fir_seen = true;
        sink->fir_seq8 = entry.seq8;
        take_keyframe_wish(e, t, entry.ssrc);
    }
}

static void take_view(struct engine *e, struct transport *t, const struct rtcp_view *view) {
    switch (view->kind) {
    case RTCP_SR:
        take_sender_info(e, t, view);
        take_blocks(e, t, view);
        break;
    case RTCP_RR:
        take_blocks(e, t, view);
        break;
    case RTCP_NACK:
        take_nack(e, t, view);
        break;
    case RTCP_PLI:
        take_keyframe_wish(e, t, view->media_ssrc);
        break;
    case RTCP_FIR:
        take_fir(e, t, view);
        break;
    case RTCP_TWCC:
        if (t->sendlog != NULL && t->feedback_receive) {
            struct estimator_report report = sendlog_feedback(t->sendlog, view);
            estimator_report(&t->estimator, e->now_us, &report);
        }
        break;
    case RTCP_REMB:
        if (t->feedback_receive)
            estimator_remb(&t->estimator, e->now_us, view->remb_bps, rate_bps(&t->tx_rate, e->now_us));
        break;
    case RTCP_SDES:
    case RTCP_BYE:
        break; /* who sends what, and until when, is the business of signalling */
    }
}

void feedback_input(struct engine *e, struct transport *t, const struct engine_rx *rx, uint8_t *data, size_t len) {
    if (!t->keyed || t->state == ENGINE_TRANSPORT_FAILED || t->state == ENGINE_TRANSPORT_CLOSED) {
        e->counters.rx_dropped_state++;
        return;
    }
    enum srtp_result result = srtcp_open(&t->rx, data, &len);
    if (result != SRTP_OK) {
        if (result == SRTP_REPLAYED || result == SRTP_TOO_OLD)
            e->counters.rx_dropped_replay++;
        else if (result == SRTP_MALFORMED)
            e->counters.rx_dropped_malformed++;
        else
            e->counters.rx_dropped_auth++;
        return;
    }
    transport_heard(e, t, &rx->from);
    e->counters.rx_rtcp++;
    struct rtcp_iter iter = rtcp_iter_of(span_of(data, len), &e->modules.rtcp);
    struct rtcp_view view;
    while (rtcp_next(&iter, &view))
        take_view(e, t, &view);
}
