/* One datagram of SRTP from a publisher: opened once, placed in its stream, kept for retransmission, forwarded. */
#include <string.h>

#include "media/impl.h"

/* A packet on its way through this file. */
struct incoming {
    struct transport *t;
    struct source *source;
    struct stream *stream;
    uint32_t layer;
    uint8_t *data;
    size_t len;
    const struct engine_rx *rx;
    struct rtp_header header;
    struct rtp_exts exts;
    bool rtx;
    const struct engine_codec_map *codec;
    struct span payload;
    uint16_t seq16;
    uint64_t seq64;
};

static bool open_packet(struct engine *e, struct transport *t, uint8_t *data, size_t *len) {
    switch (srtp_open(&t->rx, data, len)) {
    case SRTP_OK:
        return true;
    case SRTP_REPLAYED:
    case SRTP_TOO_OLD:
        e->counters.rx_dropped_replay++;
        return false;
    case SRTP_MALFORMED:
        e->counters.rx_dropped_malformed++;
        return false;
    case SRTP_STREAMS_FULL:
    case SRTP_RETIRED:
        e->counters.rx_dropped_ssrc++;
        return false;
    default:
        e->counters.rx_dropped_auth++;
        return false;
    }
}

/* Takes an RTX packet apart; false for probes and for what repairs nothing known. */
static bool unwrap(struct engine *e, struct incoming *in) {
    in->codec = source_codec(in->source, in->header.pt, in->rtx);
    in->payload = in->header.payload;
    in->seq16 = in->header.seq16;
    if (in->codec == NULL) {
        e->counters.rx_dropped_ssrc++;
        return false;
    }
    if (!in->rtx)
        return true;
    if (!in->stream->started || !rtp_rtx_unwrap(in->header.payload, &in->seq16, &in->payload) || in->payload.len == 0) {
        e->counters.rx_padding++;
        return false;
    }
    return true;
}

/* RFC 3550 appendix A.8, on the clock of the stream. */
static void note_jitter(struct engine *e, struct incoming *in) {
    struct stream *stream = in->stream;
    stream->clock_hz = codec_clock_hz(in->codec->codec);
    int64_t arrival = (int64_t)(e->now_us * stream->clock_hz / US_PER_S);
    int64_t transit = (int64_t)(int32_t)((uint32_t)arrival - in->header.timestamp);
    if (stream->received > 0) {
        int64_t d = (int32_t)((uint32_t)transit - (uint32_t)stream->transit);
        d = d < 0 ? -d : d;
        if (d < (int64_t)stream->clock_hz * 10) /* a jump of the sender's clock is no jitter */
            stream->jitter_q4 += (uint32_t)d - ((stream->jitter_q4 + 8) >> 4);
    }
    stream->transit = transit;
    stream->last_timestamp = in->header.timestamp;
    stream->last_timestamp_us = e->now_us;
}

/* Extends the number and throws out what was here before or is too late to be placed. */
static bool place(struct engine *e, struct incoming *in) {
    struct stream *stream = in->stream;
    if (!stream->started) {
        stream->started = true;
        stream->seq_first = UINT64_C(0x10000) + in->seq16;
        stream->seq_highest = stream->seq_first - 1;
        stream->picture_highest = 0;
    }
    in->seq64 = seq16_extend(stream->seq_highest, in->seq16);
    if (in->seq64 <= stream->seq_highest) {
        if (in->seq64 < stream->seq_first || stream->seq_highest - in->seq64 >= stream->cache.capacity ||
            (stream->cache.count > 0 && in->seq64 < stream->cache.oldest)) {
            e->counters.rx_late++;
            return false;
        }
        if (cache_get(&stream->cache, &e->arena, in->seq64) != NULL) {
            e->counters.rx_duplicate++;
            return false;
        }
    }
    return true;
}

static void note_received(struct engine *e, struct incoming *in) {
    struct stream *stream = in->stream;
    struct source *source = in->source;
    if (in->rtx) {
        stream->recovered++;
    } else {
        note_jitter(e, in);
        stream->received++;
    }
    if (in->seq64 > stream->seq_highest)
        stream->seq_highest = in->seq64;
    stream->pt = in->codec->pt;
    stream->last_rx_us = e->now_us;
    if (stream->first_rx_us == 0)
        stream->first_rx_us = e->now_us;
    source->last_rx_us = e->now_us;
    if (source->started_us == 0)
        source->started_us = e->now_us;
    if (!in->codec->nack)
        return;
    if (!nack_packet(&stream->nack, e->now_us, in->seq64))
        keyframe_request(e, source, in->layer);
    if (stream->nack.count > 0)
        timer_sooner(e, in->t, TIMER_NACK, nack_next_deadline(&stream->nack));
}

static void announce(struct engine *e, struct incoming *in) {
    if (in->stream->announced)
        return;
    in->stream->announced = true;
    struct engine_event event = {
        .type = ENGINE_EV_SOURCE_STARTED,
        .object = in->source->handle,
        .source_started = {in->codec->codec, in->codec->pt, (uint8_t)in->layer, in->stream->ssrc},
    };
    event_push(e, &event, 0);
    for (uint32_t i = in->source->first_sink; i != NONE; i = e->sinks[i].next_of_source)
        timer_sooner(e, &e->transports[e->sinks[i].transport], TIMER_ALLOCATE, e->now_us);
}

static void note_level(struct engine *e, struct incoming *in) {
    struct span data = in->exts.data[RTP_EXT_AUDIO_LEVEL];
    bool voice;
    uint8_t level;
    if (in->source->video || !rtp_exts_has(&in->exts, RTP_EXT_AUDIO_LEVEL) ||
        !rtp_ext_audio_level(data, &voice, &level))
        return;
    speaker_note(&in->source->speaker, e->now_us, level);
}

/* ---- what forwarding needs to know ------------------------------------------------------------------------------- */

static uint64_t extend_picture(struct stream *stream, uint16_t picture_id, bool is_15bit) {
    if (stream->picture_highest == 0)
        stream->picture_highest = UINT64_C(0x10000) + picture_id;
    uint16_t mask = is_15bit ? 0x7fff : 0x7f;
    int64_t diff = vp8_picture_id_diff(picture_id, (uint16_t)(stream->picture_highest & mask), is_15bit);
    uint64_t picture64 = stream->picture_highest + (uint64_t)diff;
    if (diff > 0)
        stream->picture_highest = picture64;
    return picture64;
}

static void info_of_codec(struct stream *stream, const struct payload_info *p, struct packet_info *info) {
    if (p->codec == CODEC_VP8) {
        const struct vp8_descriptor *d = &p->as.vp8;
        info->descriptor_len = d->len_bytes;
        info->has_picture = d->has_picture_id;
        info->has_tl0 = d->has_tl0;
        info->tl0 = d->tl0_picture_index;
        info->has_key_index = d->has_key_index;
        info->key_index = d->key_index;
        if (d->has_picture_id)
            info->picture64 = extend_picture(stream, d->picture_id, d->picture_id_15bit);
    } else if (p->codec == CODEC_VP9) {
        const struct vp9_descriptor *d = &p->as.vp9;
        info->descriptor_len = d->len_bytes < 8 ? (uint8_t)d->len_bytes : 8; /* the ids are in the first five */
        info->has_picture = d->has_picture_id;
        info->has_tl0 = d->has_tl0;
        info->tl0 = d->tl0_picture_index;
        if (d->has_picture_id)
            info->picture64 = extend_picture(stream, d->picture_id, d->picture_id_15bit);
    }
}

const enum rtp_ext_kind packet_ext_kinds[PASS_EXTS] = {
    [PASS_AUDIO_LEVEL] = RTP_EXT_AUDIO_LEVEL,
    [PASS_DEPENDENCY_DESCRIPTOR] = RTP_EXT_DEPENDENCY_DESCRIPTOR,
    [PASS_PLAYOUT_DELAY] = RTP_EXT_PLAYOUT_DELAY,
    [PASS_ABS_CAPTURE_TIME] = RTP_EXT_ABS_CAPTURE_TIME,
    [PASS_VIDEO_ORIENTATION] = RTP_EXT_VIDEO_ORIENTATION,
    [PASS_COLOR_SPACE] = RTP_EXT_COLOR_SPACE,
};

/* The longest that each may be by its definition; more is no such extension, and together they fit into a header that
 * is sent (RTP_EXTENSIONS_LEN_MAX). */
static const uint8_t passed_len_max[PASS_EXTS] = {
    [PASS_AUDIO_LEVEL] = 1,       [PASS_DEPENDENCY_DESCRIPTOR] = AV1DD_LEN_MAX,
    [PASS_PLAYOUT_DELAY] = 3,     [PASS_ABS_CAPTURE_TIME] = 16,
    [PASS_VIDEO_ORIENTATION] = 1, [PASS_COLOR_SPACE] = 28,
};
/* With two bytes before each, the mid, the time of sending and the number on the transport: padded to four bytes. */
_Static_assert(1 + AV1DD_LEN_MAX + 3 + 16 + 1 + 28 + ENGINE_MID_LEN_MAX + 3 + 2 + 2 * (PASS_EXTS + 3) + 3 <=
                   RTP_EXTENSIONS_LEN_MAX,
               "all that is sent fits");

static void info_of_extensions(const struct incoming *in, struct packet_info *info) {
    for (int i = 0; i < PASS_EXTS; i++) {
        struct span data = in->exts.data[packet_ext_kinds[i]];
        if (!rtp_exts_has(&in->exts, packet_ext_kinds[i]) || data.len == 0 || data.len > passed_len_max[i])
            continue;
        info->ext[i] = (struct packet_ext){.offset = (uint16_t)(data.data - in->data), .len = (uint8_t)data.len};
    }
}

static void inspect(struct engine *e, struct incoming *in, struct packet_info *info) {
    struct stream *stream = in->stream;
    struct span descriptor = in->exts.data[RTP_EXT_DEPENDENCY_DESCRIPTOR];
    struct av1dd_state *dd = NULL;
    bool described = rtp_exts_has(&in->exts, RTP_EXT_DEPENDENCY_DESCRIPTOR);
    if (described && in->source->video) {
        dd = engine_dd_state(e, in->source, in->layer);
        if (!stream->has_dd_state)
            av1dd_state_init(dd);
        stream->has_dd_state = true;
    }
    struct payload_info p;
    enum payload_result result = payload_inspect(in->codec->codec, in->payload, in->header.marker, descriptor, dd, &p);
    *info = (struct packet_info){
        .seq64 = in->seq64,
        .timestamp = in->header.timestamp,
        .epoch = stream->epoch,
        .payload_offset = (uint16_t)(in->payload.len > 0 ? in->payload.data - in->data : 0),
        .payload_len = (uint16_t)in->payload.len,
        .codec = (uint8_t)in->codec->codec,
        .layer = (uint8_t)in->layer,
        .rank = in->source->rank_of_stream[in->layer],
        .spatial = p.spatial,
        .temporal = p.temporal,
        .marker = in->header.marker,
        .start_of_frame = p.start_of_frame,
        .end_of_frame = p.end_of_frame,
        .keyframe = p.keyframe,
        .layer_sync = p.layer_sync,
        .has_layers = p.has_layers,
        .has_dd = p.has_dd,
        .has_structure = p.has_dd && p.dd.has_structure,
        .dtis = p.has_dd ? p.dd.dtis : 0,
        .retransmitted = in->rtx,
    };
    if (described && descriptor.len >= 3 && result == PAYLOAD_OK) {
        info->has_frame = true;
        info->frame16 = (uint16_t)(descriptor.data[1] << 8 | descriptor.data[2]);
    }
    if (result == PAYLOAD_OK)
        info_of_codec(stream, &p, info);
    if (p.width > 0 && p.height > 0)
        source_note_size(e, in->source, in->layer, (uint32_t)p.width * p.height);
    info_of_extensions(in, info);
}

static void note_layer(struct engine *e, struct incoming *in, const struct packet_info *info) {
    struct source *source = in->source;
    uint32_t spatial = source->layers > 1 ? in->layer : info->spatial;
    uint32_t temporal = info->temporal < ALLOCATE_TEMPORAL ? info->temporal : ALLOCATE_TEMPORAL - 1;
    if (spatial >= ENGINE_LAYERS_MAX)
        spatial = ENGINE_LAYERS_MAX - 1;
    if (source->spatial_rx_us[spatial] == 0 || time_since(e->now_us, source->spatial_rx_us[spatial]) >= LAYER_GONE_US) {
        for (uint32_t i = source->first_sink; i != NONE; i = e->sinks[i].next_of_source)
            timer_sooner(e, &e->transports[e->sinks[i].transport], TIMER_ALLOCATE, e->now_us);
    }
    source->spatial_rx_us[spatial] = e->now_us;
    if (source->layers == 1 && spatial > source->spatial_seen)
        source->spatial_seen = (uint8_t)spatial;
    rate_add(&source->rates[spatial][temporal], e->now_us, (uint32_t)in->len);
    if (!info->keyframe || !source->video)
        return;
    in->stream->pli_wanted = false;
    in->stream->pli_tries = 0;
    in->stream->keyframe_us = e->now_us;
}

static void keep_and_forward(struct engine *e, struct incoming *in, const struct packet_info *info) {
    struct packet *packet = packet_take(&e->arena);
    if (packet == NULL) {
        e->counters.drop_no_slot++;
        return;
    }
    memcpy(packet_data(&e->arena, packet), in->data, in->len);
    packet->len_bytes = (uint16_t)in->len;
    packet->rx_us = e->now_us;
    *engine_info(e, packet) = *info;
    /* when slots get scarce each stream keeps less */
    uint64_t age_us = e->arena.used > e->arena.capacity / 8 * 7 ? CACHE_AGE_SCARCE_US : CACHE_AGE_US;
    cache_expire(&in->stream->cache, &e->arena, e->now_us > age_us ? e->now_us - age_us : 0);
    cache_put(&in->stream->cache, &e->arena, in->seq64, packet);
    forward_packet(e, in->source, info, packet);
    packet_unref(&e->arena, packet);
}

static void take_media(struct engine *e, struct incoming *in) {
    if (!unwrap(e, in) || !place(e, in))
        return;
    if (e->arena.used >= e->arena.capacity) /* the live packet is worth more than the kept ones */
        cache_clear(&in->stream->cache, &e->arena);
    if (e->arena.used >= e->arena.capacity) { /* as if it had been lost, so that it is asked for again */
        e->counters.drop_no_slot++;
        return;
    }
    if (in->rtx)
        e->counters.rx_rtx++;
    note_received(e, in);
    announce(e, in);
    struct packet_info info;
    inspect(e, in, &info);
    if (info.payload_len == 0) {
        e->counters.rx_padding++;
        forward_packet(e, in->source, &info, NULL);
        return;
    }
    note_level(e, in);
    note_layer(e, in, &info);
    keep_and_forward(e, in, &info);
}

/* Feedback of arrivals is about the whole connection, yet it names a stream, and senders ignore it when that is not one
 * of theirs: so the newest that was heard is named. Probes without media carry the number 0 and are nobody's. */
static void note_arrival(struct engine *e, const struct incoming *in) {
    struct transport *t = in->t;
    uint16_t transport_seq;
    if (t->twcc == NULL || !rtp_exts_has(&in->exts, RTP_EXT_TRANSPORT_SEQ) ||
        !rtp_ext_transport_seq(in->exts.data[RTP_EXT_TRANSPORT_SEQ], &transport_seq))
        return;
    if (in->header.ssrc != 0)
        t->heard_ssrc = in->header.ssrc;
    twcc_note(t->twcc, transport_seq, e->now_us);
    timer_sooner(e, t, TIMER_TWCC,
                 twcc_pending(t->twcc) >= TWCC_PENDING_MAX ? e->now_us : e->now_us + TWCC_INTERVAL_US);
}

void receive_rtp(struct engine *e, struct transport *t, const struct engine_rx *rx, uint8_t *data, size_t len) {
    if (!t->keyed || t->state == ENGINE_TRANSPORT_FAILED || t->state == ENGINE_TRANSPORT_CLOSED) {
        e->counters.rx_dropped_state++;
        return;
    }
    if (!open_packet(e, t, data, &len))
        return;
    struct incoming in = {.t = t, .data = data, .len = len, .rx = rx};
    transport_heard(e, t, &rx->from);
    if (rtp_parse(span_of(data, len), &in.header) != RTP_OK) {
        e->counters.rx_dropped_malformed++;
        return;
    }
    e->counters.rx_rtp++;
    rtp_exts_read(&in.header, &t->rx_ext, &in.exts);
    note_arrival(e, &in);
    rate_add(&t->rx_rate, e->now_us, (uint32_t)len);
    uint32_t value;
    if (!source_match(e, t, &in.header, &in.exts, &value)) {
        e->counters.rx_dropped_ssrc++;
        return;
    }
    in.source = &e->sources[value >> 3];
    in.layer = value >> 1 & 3;
    in.rtx = (value & 1) != 0;
    ASSERT(in.source->handle != 0 && in.source->transport == t->index && in.layer < ENGINE_LAYERS_MAX);
    in.stream = &in.source->streams[in.layer];
    if (in.source->muted) {
        e->counters.drop_forced_mute++;
        return;
    }
    take_media(e, &in);
}
