/* Media in: each packet is matched to its stream, compared with its neighbours and put into its frame. */
#include <string.h>

#include "client/internal.h"

/* A step of the numbers wider than this is no loss but a mistake of the sender. */
#define JUMP_MAX 3000

/* ---- streams ---------------------------------------------------------------------------------------------------- */

static void map_stream(struct participant *p, const struct stream *stream, bool add) {
    uint32_t slot = (uint32_t)(stream - p->streams);
    for (uint32_t rtx = 0; rtx < 2; rtx++) {
        struct stream_key key = {stream->link, rtx != 0 ? stream->rtx_ssrc : stream->ssrc};
        if (key.ssrc == 0)
            continue;
        if (add)
            (void)map_put(&p->by_ssrc, &key, slot << 1 | rtx);
        else
            (void)map_remove(&p->by_ssrc, &key);
    }
}

struct stream *stream_open(struct participant *p, const struct stream *like) {
    for (uint32_t i = 0; i < p->config.streams_max; i++) {
        struct stream *stream = &p->streams[i];
        if (stream->used)
            continue;
        *stream = *like;
        stream->used = stream->keep = true;
        stream->view.started_us = p->now_us;
        nack_init(&stream->nacks);
        map_stream(p, stream, true);
        client_event_simple(p, PARTICIPANT_EV_SUBSCRIBED, stream->view.track_sid);
        return stream;
    }
    return NULL;
}

void stream_close(struct participant *p, struct stream *stream) {
    ASSERT(stream->used);
    map_stream(p, stream, false);
    struct link *link = &p->links[stream->link];
    if (link->keyed) {
        (void)srtp_retire(&link->rx, stream->ssrc);
        if (stream->rtx_ssrc != 0)
            (void)srtp_retire(&link->rx, stream->rtx_ssrc);
    }
    stream->used = false;
    client_event_simple(p, PARTICIPANT_EV_UNSUBSCRIBED, stream->view.track_sid);
}

void streams_close_all(struct participant *p, uint32_t link) {
    for (uint32_t i = 0; i < p->config.streams_max; i++) {
        if (p->streams[i].used && p->streams[i].link == link)
            stream_close(p, &p->streams[i]);
    }
}

/* ---- continuity ------------------------------------------------------------------------------------------------- */

static void check_audio(struct participant *p, struct stream *stream, const struct seen *before,
                        const struct seen *after) {
    if (!seq32_newer(after->timestamp, before->timestamp))
        violate(p, stream, "timestamp %u after %u", after->timestamp, before->timestamp);
    if (after->frame <= before->frame)
        violate(p, stream, "sound %u after %u", after->frame, before->frame);
}

static void check_same_frame(struct participant *p, struct stream *stream, const struct seen *before,
                             const struct seen *after) {
    if (before->layer != after->layer || before->frame != after->frame || before->packet + 1 != after->packet ||
        before->marker)
        violate(p, stream, "packet %u of frame %u layer %u follows packet %u of frame %u layer %u", after->packet,
                after->frame, after->layer, before->packet, before->frame, before->layer);
    else if (before->timestamp != after->timestamp || before->picture_id != after->picture_id ||
             before->tl0 != after->tl0)
        violate(p, stream, "a frame changes its timestamp, picture id or TL0PICIDX");
}

static void check_next_frame(struct participant *p, struct stream *stream, const struct seen *before,
                             const struct seen *after) {
    bool switched = before->layer != after->layer;
    if (switched && !after->keyframe)
        violate(p, stream, "layer %u follows layer %u without a key frame", after->layer, before->layer);
    /* a stream that is switched off or to another layer may stop inside a frame; it begins again with a key frame */
    if (!after->keyframe && !before->marker)
        violate(p, stream, "frame %u begins before frame %u ended", after->frame, before->frame);
    if (!switched && after->frame <= before->frame)
        violate(p, stream, "frame %u after frame %u", after->frame, before->frame);
    if (!seq32_newer(after->timestamp, before->timestamp))
        violate(p, stream, "timestamp %u after %u", after->timestamp, before->timestamp);
    if (after->picture_id != ((before->picture_id + 1) & 0x7fff))
        violate(p, stream, "picture id %u after %u", after->picture_id, before->picture_id);
    uint8_t tl0 = (uint8_t)(before->tl0 + (after->temporal == 0 ? 1 : 0));
    if (after->tl0 != tl0)
        violate(p, stream, "TL0PICIDX %u instead of %u", after->tl0, tl0);
}

static void check_pair(struct participant *p, struct stream *stream, const struct seen *before,
                       const struct seen *after) {
    if (before->seq64 == 0 || after->seq64 == 0 || before->seq64 + 1 != after->seq64 || before->padding ||
        after->padding)
        return;
    if (!stream->view.video)
        check_audio(p, stream, before, after);
    else if (after->packet > 0)
        check_same_frame(p, stream, before, after);
    else
        check_next_frame(p, stream, before, after);
}

/* Makes room for numbers up to `seq64`; what falls out of the window without having come is lost. */
static void advance(struct participant *p, struct stream *stream, uint64_t seq64) {
    uint64_t from = stream->seq_highest + 1;
    if (seq64 - from > JUMP_MAX)
        violate(p, stream, "the number jumps from %llu to %llu", (unsigned long long)stream->seq_highest,
                (unsigned long long)seq64);
    if (seq64 - from >= WINDOW)
        from = seq64 - WINDOW + 1;
    for (uint64_t seq = from; seq <= seq64; seq++) {
        struct seen *slot = &stream->seen[seq % WINDOW];
        if (seq >= WINDOW && seq - WINDOW >= stream->seq_first && slot->seq64 != seq - WINDOW) {
            stream->view.lost++;
            p->counters.rx_lost++;
        }
        slot->seq64 = 0;
    }
    stream->seq_highest = seq64;
}

/* False when the packet came before, or too late to be judged. */
static bool place(struct participant *p, struct stream *stream, uint64_t seq64) {
    if (!stream->started) {
        stream->started = true;
        stream->seq_first = stream->seq_highest = seq64;
        return true;
    }
    if (seq64 > stream->seq_highest) {
        advance(p, stream, seq64);
        return true;
    }
    if (stream->seq_highest - seq64 >= WINDOW || stream->seen[seq64 % WINDOW].seq64 == seq64) {
        stream->view.duplicates++;
        p->counters.rx_duplicate++;
        return false;
    }
    if (seq64 < stream->seq_first)
        stream->seq_first = seq64;
    return true;
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static bool was_decoded(const struct stream *stream, uint8_t layer, uint32_t frame) {
    uint64_t key = (uint64_t)layer << 32 | frame;
    for (uint32_t i = 0; i < DECODED_MAX; i++) {
        if (stream->decoded[i] == key)
            return true;
    }
    return false;
}

static bool decode(struct participant *p, struct stream *stream, struct frame *frame) {
    bool whole = frame->packets == STAMP_PACKETS_MAX ? frame->have == UINT64_MAX
                                                     : frame->have == (UINT64_C(1) << frame->packets) - 1;
    if (frame->decoded || !whole ||
        (!frame->keyframe && !was_decoded(stream, frame->layer, frame->frame - frame->reference)))
        return false;
    frame->decoded = true;
    stream->decoded[stream->decoded_count++ % DECODED_MAX] = (uint64_t)frame->layer << 32 | frame->frame;
    stream->view.frames++;
    stream->view.last_decoded_us = p->now_us;
    p->counters.rx_frames++;
    return true;
}

static void put_frame(struct participant *p, struct stream *stream, const struct stamp *stamp) {
    struct frame *frame = NULL, *oldest = &stream->frames[0];
    for (uint32_t i = 0; i < FRAMES_MAX && frame == NULL; i++) {
        struct frame *candidate = &stream->frames[i];
        if (candidate->used && candidate->layer == stamp->layer && candidate->frame == stamp->frame)
            frame = candidate;
        if (oldest->used && (!candidate->used || candidate->started_us < oldest->started_us))
            oldest = candidate;
    }
    if (frame == NULL) {
        frame = oldest;
        *frame = (struct frame){.used = true,
                                .keyframe = stamp->keyframe,
                                .layer = stamp->layer,
                                .packets = stamp->packets,
                                .reference = stamp->reference,
                                .frame = stamp->frame,
                                .started_us = p->now_us};
    }
    frame->have |= UINT64_C(1) << stamp->packet;
    if (!decode(p, stream, frame))
        return;
    /* what waited for it */
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 0; i < FRAMES_MAX; i++)
            more = (stream->frames[i].used && decode(p, stream, &stream->frames[i])) || more;
    }
}

void stream_tick(struct participant *p, struct stream *stream) {
    if (stream->rtx_pt != 0 && nack_next_deadline(&stream->nacks) <= p->now_us)
        report_nack(p, stream);
    struct participant_stream *view = &stream->view;
    if (!view->video || view->last_rx_us == 0 || time_since(p->now_us, view->last_rx_us) > STALL_US)
        return;
    uint64_t since_us = view->last_decoded_us > view->started_us ? view->last_decoded_us : view->started_us;
    if (time_since(p->now_us, since_us) > FREEZE_US)
        view->freeze_us += GRID_US;
    if (time_since(p->now_us, since_us) > STALL_US && time_since(p->now_us, stream->pli_us) > PLI_US)
        report_pli(p, stream);
}

/* ---- packets ---------------------------------------------------------------------------------------------------- */

static void check_origin(struct participant *p, struct stream *stream, const struct stamp *stamp) {
    struct participant_stream *view = &stream->view;
    if (!view->stamped) {
        view->stamped = true;
        view->publisher = stamp->publisher;
        view->publication = stamp->publication;
    } else if (view->publisher != stamp->publisher || view->publication != stamp->publication) {
        violate(p, stream, "a packet of publication %u/%u in the stream of %u/%u", stamp->publisher, stamp->publication,
                view->publisher, view->publication);
    }
}

/* The payload with its frame in clear, in `out`; empty when it cannot be opened. */
static struct span open_payload(struct participant *p, struct stream *stream, struct span payload, uint8_t *out,
                                size_t out_size) {
    const struct participant_crypt *crypt = p->config.crypt;
    size_t head_len = stream->view.video ? STAMP_VP8_DESCRIPTOR_LEN : 0;
    const struct remote *publisher = roster_find(p, stream->view.publisher_sid);
    if (publisher == NULL || payload.len <= head_len || payload.len > out_size)
        return span_of(NULL, 0);
    memcpy(out, payload.data, head_len);
    size_t len =
        crypt->open(crypt->context, p->now_us, publisher->identity, stream->view.video,
                    span_of(payload.data + head_len, payload.len - head_len), out + head_len, out_size - head_len);
    return len == 0 ? span_of(NULL, 0) : span_of(out, head_len + len);
}

static void take_payload(struct participant *p, struct stream *stream, const struct rtp_header *rtp,
                         struct span payload, uint64_t seq64) {
    uint8_t clear[STAMP_VIDEO_PAYLOAD_MAX];
    struct seen *slot = &stream->seen[seq64 % WINDOW];
    *slot =
        (struct seen){.seq64 = seq64, .timestamp = rtp->timestamp, .marker = rtp->marker, .padding = payload.len == 0};
    if (payload.len == 0)
        return;
    if (p->config.crypt != NULL) {
        stream->view.last_rx_us = p->now_us;
        payload = open_payload(p, stream, payload, clear, sizeof clear);
        if (payload.len == 0) {
            slot->padding = true; /* nothing can be said of its neighbours */
            stream->view.unopened++;
            return;
        }
    }
    struct stamp stamp;
    if (!(stream->view.video ? stamp_read_video(payload, &stamp) : stamp_read_audio(payload, &stamp))) {
        violate(p, stream, "a payload that nobody made");
        slot->padding = true;
        return;
    }
    slot->frame = stamp.frame;
    slot->picture_id = stamp.picture_id;
    slot->tl0 = stamp.tl0;
    slot->layer = stamp.layer;
    slot->packet = stamp.packet;
    slot->temporal = stamp.temporal;
    slot->keyframe = stamp.keyframe;
    check_origin(p, stream, &stamp);
    check_pair(p, stream, &stream->seen[(seq64 - 1) % WINDOW], slot);
    check_pair(p, stream, slot, &stream->seen[(seq64 + 1) % WINDOW]);
    stream->view.packets++;
    stream->view.last_rx_us = p->now_us;
    if (!stream->view.video) {
        stream->view.last_decoded_us = p->now_us;
        return;
    }
    stream->view.layer = stamp.layer;
    stream->view.temporal_max = stamp.temporal;
    if (stamp.width != 0)
        stream->view.width = stamp.width;
    put_frame(p, stream, &stamp);
}

/* RFC 3550 appendix A.8. */
static void note_jitter(struct participant *p, struct stream *stream, uint32_t timestamp) {
    uint32_t clock_khz = stream->view.video ? 90 : 48;
    int64_t transit = (int64_t)(uint32_t)(p->now_us * clock_khz / 1000) - (int64_t)timestamp;
    int64_t change = (int32_t)(uint32_t)(transit - stream->transit);
    stream->transit = transit;
    if (change < 0)
        change = -change;
    if (stream->received > 1)
        stream->jitter_q4 = (uint32_t)((int64_t)stream->jitter_q4 + change - (((int64_t)stream->jitter_q4 + 8) >> 4));
}

static void take_packet(struct participant *p, struct stream *stream, const struct rtp_header *rtp, bool rtx) {
    uint16_t seq16 = rtp->seq16;
    struct span payload = rtp->payload;
    if (rtx) {
        p->counters.rx_rtx++;
        if (!rtp_rtx_unwrap(rtp->payload, &seq16, &payload) || !stream->started)
            return; /* padding that probes the path */
    }
    if (rtp->pt != (rtx ? stream->rtx_pt : stream->pt)) {
        violate(p, stream, "payload type %u", rtp->pt);
        return;
    }
    uint64_t seq64 = stream->started ? seq16_extend(stream->seq_highest, seq16) : UINT64_C(0x10000) + seq16;
    if (!place(p, stream, seq64))
        return;
    if (stream->rtx_pt != 0 && !nack_packet(&stream->nacks, p->now_us, seq64))
        report_pli(p, stream);
    if (rtx)
        stream->view.repaired++;
    stream->received++;
    if (!rtx)
        note_jitter(p, stream, rtp->timestamp);
    take_payload(p, stream, rtp, payload, seq64);
}

void client_receive_rtp(struct participant *p, struct link *link, uint8_t *data, size_t len) {
    struct rtp_header rtp;
    if (!link->keyed || srtp_open(&link->rx, data, &len) != SRTP_OK || rtp_parse(span_of(data, len), &rtp) != RTP_OK) {
        p->counters.rx_bad++;
        return;
    }
    ice_client_note_authentic(&link->ice, p->now_us);
    p->counters.rx_rtp++;
    struct rtp_exts exts;
    rtp_exts_read(&rtp, &link->ext, &exts);
    uint16_t transport_seq16;
    if (rtp_exts_has(&exts, RTP_EXT_TRANSPORT_SEQ) &&
        rtp_ext_transport_seq(exts.data[RTP_EXT_TRANSPORT_SEQ], &transport_seq16))
        twcc_note(&link->twcc, transport_seq16, p->now_us);
    struct stream_key key = {link->index, rtp.ssrc};
    uint32_t value;
    if (!map_get(&p->by_ssrc, &key, &value)) {
        p->counters.rx_unknown_ssrc++;
        return;
    }
    struct stream *stream = &p->streams[value >> 1];
    char mid[MID_LEN_MAX + 1];
    if (rtp_exts_has(&exts, RTP_EXT_MID) && rtp_ext_text(exts.data[RTP_EXT_MID], mid, sizeof mid) &&
        strcmp(mid, stream->mid) != 0)
        violate(p, stream, "mid %s on a stream of mid %s", mid, stream->mid);
    take_packet(p, stream, &rtp, (value & 1) != 0);
}
