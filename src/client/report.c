/* RTCP (RFC 3550, 4585, 5104; transport-wide feedback): what we say of what we receive, and what is asked of us. */
#include <string.h>

#include "client/internal.h"

#define COMPOUND_LEN_MAX 1150
#define NACKS_MAX 96

static struct span cname(const struct participant *p) {
    return span_of(p->sid, p->sid[0] != 0 ? strlen(p->sid) : 0);
}

static void finish(struct participant *p, struct link *link, struct writer *w, uint32_t ssrc) {
    struct span name = cname(p);
    if (name.len > 0)
        (void)rtcp_write_sdes(w, ssrc, name);
    if (writer_ok(w))
        link_send_rtcp(p, link, writer_span(w));
}

static void send_sender_reports(struct participant *p, struct link *link) {
    for (int i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
        struct publication *publication = &p->publications[i];
        for (uint32_t k = 0; publication->sending && k < publication_layers(publication); k++) {
            struct layer *layer = &publication->layers[k];
            if (layer->packets == 0)
                continue;
            uint32_t clock_khz = publication->what.video ? 90 : 48;
            struct rtcp_sender_info info = {
                .ntp = time_ntp(p->now_us), .packets = layer->packets, .bytes = layer->bytes};
            info.rtp_time = layer->timestamp_base + (uint32_t)((p->now_us - publication->epoch_us) * clock_khz / 1000);
            uint8_t bytes[COMPOUND_LEN_MAX];
            struct writer w = writer_of(bytes, sizeof bytes);
            (void)rtcp_write_sr(&w, layer->ssrc, &info, NULL, 0);
            finish(p, link, &w, layer->ssrc);
        }
    }
}

/* RFC 3550 appendix A.3. */
static struct rtcp_report_block block_of(struct participant *p, struct stream *stream) {
    uint64_t expected = stream->seq_highest - stream->seq_first + 1;
    uint64_t now_expected = expected - stream->expected_prior, now_received = stream->received - stream->received_prior;
    stream->expected_prior = expected;
    stream->received_prior = stream->received;
    uint64_t lost_now = now_expected > now_received ? now_expected - now_received : 0;
    struct rtcp_report_block block = {.ssrc = stream->ssrc, .highest_seq = (uint32_t)(stream->seq_highest - 0x10000)};
    block.fraction_lost = (uint8_t)(now_expected == 0 ? 0 : lost_now * 255 / now_expected);
    block.lost = (int32_t)(expected - stream->received);
    block.jitter = stream->jitter_q4 >> 4;
    if (stream->sr_at_us != 0) {
        block.lsr = rtcp_ntp_middle(stream->sr_ntp);
        block.dlsr = (uint32_t)((time_since(p->now_us, stream->sr_at_us) << 16) / US_PER_S);
    }
    return block;
}

static void send_receiver_reports(struct participant *p, struct link *link) {
    struct rtcp_report_block blocks[RTCP_BLOCKS_MAX];
    size_t count = 0;
    bool sent = false;
    for (uint32_t i = 0; i <= p->config.streams_max; i++) {
        bool last = i == p->config.streams_max;
        struct stream *stream = last ? NULL : &p->streams[i];
        if (stream != NULL && stream->used && stream->started && stream->link == link->index)
            blocks[count++] = block_of(p, stream);
        if (count < RTCP_BLOCKS_MAX && !(last && (count > 0 || !sent)))
            continue;
        uint8_t bytes[COMPOUND_LEN_MAX];
        struct writer w = writer_of(bytes, sizeof bytes);
        (void)rtcp_write_rr(&w, link->feedback_ssrc, blocks, count);
        finish(p, link, &w, link->feedback_ssrc);
        sent = true;
        count = 0;
    }
}

void report_tick(struct participant *p, struct link *link) {
    if (!link_usable(link))
        return;
    if (p->now_us >= link->report_us) {
        link->report_us = p->now_us + REPORT_US * 3 / 4 + rng_below(p->rng, REPORT_US / 2);
        if (link->index == 0)
            send_sender_reports(p, link);
        send_receiver_reports(p, link);
    }
    if (p->now_us < link->feedback_us || !link->transport_wide)
        return;
    link->feedback_us = p->now_us + TWCC_US;
    while (twcc_pending(&link->twcc) > 0) {
        uint8_t bytes[COMPOUND_LEN_MAX];
        struct writer w = writer_of(bytes, sizeof bytes);
        if (!twcc_write(&link->twcc, &w, link->feedback_ssrc, 0))
            return;
        link_send_rtcp(p, link, writer_span(&w));
    }
}

void report_nack(struct participant *p, struct stream *stream) {
    uint64_t due[NACKS_MAX];
    uint16_t numbers[NACKS_MAX];
    size_t count = nack_due(&stream->nacks, p->now_us, due, NACKS_MAX, NULL);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (uint16_t)due[i];
    size_t done = 0;
    while (done < count) {
        uint8_t bytes[COMPOUND_LEN_MAX];
        struct writer w = writer_of(bytes, sizeof bytes);
        struct link *link = &p->links[stream->link];
        size_t written = rtcp_write_nack(&w, link->feedback_ssrc, stream->ssrc, numbers + done, count - done);
        if (written == 0)
            return;
        link_send_rtcp(p, link, writer_span(&w));
        done += written;
    }
    p->counters.tx_nack += count;
}

void report_pli(struct participant *p, struct stream *stream) {
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct link *link = &p->links[stream->link];
    (void)rtcp_write_pli(&w, link->feedback_ssrc, stream->ssrc);
    link_send_rtcp(p, link, writer_span(&w));
    stream->pli_us = p->now_us;
    p->counters.tx_pli++;
}

/* ---- in --------------------------------------------------------------------------------------------------------- */

static void take_sender_report(struct participant *p, const struct link *link, const struct rtcp_view *view) {
    struct stream_key key = {link->index, view->sender_ssrc};
    uint32_t value;
    if (!map_get(&p->by_ssrc, &key, &value) || (value & 1) != 0)
        return;
    p->streams[value >> 1].sr_ntp = view->sr.ntp;
    p->streams[value >> 1].sr_at_us = p->now_us;
}

static void take_view(struct participant *p, struct link *link, const struct rtcp_view *view) {
    if (view->kind == RTCP_SR)
        take_sender_report(p, link, view);
    if (view->kind == RTCP_SR || view->kind == RTCP_RR) {
        for (size_t i = 0; i < view->count; i++)
            publish_reported(p, rtcp_report_block_at(view, i).ssrc);
    }
    if (view->kind == RTCP_NACK) {
        struct rtcp_nack_iter iter = rtcp_nack_iter_of(view);
        uint16_t seq16;
        while (rtcp_nack_next(&iter, &seq16))
            publish_nack(p, view->media_ssrc, seq16);
    }
    if (view->kind == RTCP_PLI)
        publish_keyframe(p, view->media_ssrc);
    for (size_t i = 0; view->kind == RTCP_FIR && i < rtcp_fir_count(view); i++)
        publish_keyframe(p, rtcp_fir_at(view, i).ssrc);
    if (view->kind == RTCP_TWCC)
        p->counters.rx_feedback++;
}

void report_input(struct participant *p, struct link *link, uint8_t *data, size_t len) {
    if (!link->keyed || srtcp_open(&link->rx, data, &len) != SRTP_OK) {
        p->counters.rx_bad++;
        return;
    }
    ice_client_note_authentic(&link->ice, p->now_us);
    p->counters.rx_rtcp++;
    struct rtcp_iter iter = rtcp_iter_of(span_of(data, len), NULL);
    struct rtcp_view view;
    while (rtcp_next(&iter, &view))
        take_view(p, link, &view);
}
