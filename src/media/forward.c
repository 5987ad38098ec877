/* One packet of a source to each of its sinks: whether the receiver gets it, under which numbers, and a note of it for
 * retransmission. What is queued here is sealed in tx.c. */
#include <string.h>

#include "media/impl.h"

/* A stream's next packets that came before the first one of a key frame, by reordering. */
#define REPLAY_MAX 64

static struct rewrite_in rewrite_of(const struct packet_info *info) {
    return (struct rewrite_in){
        .seq64 = info->seq64,
        .timestamp = info->timestamp,
        .has_picture = info->has_picture,
        .picture64 = info->picture64,
        .has_tl0 = info->has_tl0,
        .tl0 = info->tl0,
        .has_key_index = info->has_key_index,
        .key_index = info->key_index,
        .has_frame = info->has_frame,
        .frame16 = info->frame16,
    };
}

/* RTP timestamp of a stream at a time of its publisher's clock; false when it sent no report yet. */
static bool timestamp_at(const struct stream *stream, uint64_t ntp, uint32_t *timestamp) {
    if (stream->sr_ntp == 0 || stream->clock_hz == 0)
        return false;
    int64_t apart = (int64_t)(ntp - stream->sr_ntp);
    /* 32.32 seconds times the clock; apart is a matter of seconds, so that the high bits are free */
    if (apart > INT64_C(600) << 32 || apart < -(INT64_C(600) << 32))
        return false;
    int64_t ticks = (apart >> 16) * (int64_t)stream->clock_hz >> 16;
    *timestamp = stream->sr_timestamp + (uint32_t)ticks;
    return true;
}

static bool ntp_at(const struct stream *stream, uint32_t timestamp, uint64_t *ntp) {
    if (stream->sr_ntp == 0 || stream->clock_hz == 0)
        return false;
    int64_t ticks = (int32_t)(timestamp - stream->sr_timestamp); /* of a picture from before the report: negative */
    *ntp = stream->sr_ntp + (uint64_t)(ticks * (INT64_C(1) << 32) / (int64_t)stream->clock_hz);
    return true;
}

/* What the packet's timestamp should be for the receiver, who up to now saw another layer. */
static bool align(const struct source *source, const struct sink *sink, const struct packet_info *info, int8_t before,
                  uint32_t *expected) {
    if (before < 0 || before >= source->layers || !sink->rewrite.started)
        return false;
    const struct stream *from = &source->streams[before], *to = &source->streams[info->layer];
    uint64_t ntp;
    uint32_t in_old;
    if (from == to || !ntp_at(to, info->timestamp, &ntp) || !timestamp_at(from, ntp, &in_old))
        return false;
    *expected = in_old + sink->rewrite.timestamp_offset;
    return true;
}

static void note_history(struct engine *e, const struct sink *sink, const struct packet_info *info,
                         const struct rewrite_out *out, const struct tx_entry *entry) {
    *sink_history(e, sink, out->seq64) = (struct history_entry){
        .seq = (uint32_t)out->seq64,
        .source_seq = (uint32_t)info->seq64,
        .timestamp = out->timestamp,
        .sent_ms = (uint32_t)(e->now_us / US_PER_MS),
        .active_targets = entry->active_targets,
        .epoch = info->epoch,
        .picture_id = out->picture_id,
        .frame16 = out->frame16,
        .tl0 = out->tl0,
        .key_index = out->key_index,
        .layer = info->layer,
        .flags = (uint8_t)(HISTORY_VALID | (entry->marker ? HISTORY_MARKER : 0)),
    };
}

static void queue_fill(struct engine *e, struct transport *t, struct sink *sink, const struct rewrite_out *out,
                       uint8_t pt) {
    struct tx_entry *entry = tx_push(e, t, sink->video ? TX_CLASS_VIDEO : TX_CLASS_AUDIO, NULL);
    if (entry == NULL)
        return;
    entry->kind = TX_FILL;
    entry->sink = sink->index;
    entry->seq16 = (uint16_t)out->seq64;
    entry->timestamp = out->timestamp;
    entry->pt = pt;
    e->counters.tx_fill++;
}

static void queue_media(struct engine *e, struct transport *t, struct sink *sink, const struct packet_info *info,
                        struct packet *packet, const struct rewrite_out *out, const struct layers_result *choice,
                        uint8_t pt) {
    struct tx_entry *entry = tx_push(e, t, sink->video ? TX_CLASS_VIDEO : TX_CLASS_AUDIO, packet);
    if (entry == NULL)
        return;
    entry->kind = TX_MEDIA;
    entry->sink = sink->index;
    entry->seq16 = (uint16_t)out->seq64;
    entry->timestamp = out->timestamp;
    entry->picture_id = out->picture_id;
    entry->tl0 = out->tl0;
    entry->key_index = out->key_index;
    entry->frame16 = out->frame16;
    entry->active_targets = choice->active_targets;
    entry->pt = pt;
    entry->marker = choice->marker;
    sink->packets++;
    sink->bytes += info->payload_len;
    e->counters.tx_rtp++;
    if (sink->rtx_ssrc != 0)
        note_history(e, sink, info, out, entry);
}

static const struct av1dd_state *dd_of(struct engine *e, const struct source *source, const struct packet_info *info) {
    return source->streams[info->layer].has_dd_state ? engine_dd_state(e, source, info->layer) : NULL;
}

/* True when this packet began another stream for the receiver. */
static bool forward_to(struct engine *e, struct source *source, struct sink *sink, const struct packet_info *info,
                       struct packet *packet) {
    struct transport *t = &e->transports[sink->transport];
    ASSERT(sink->handle != 0 && t->handle != 0);
    ASSERT(t->room == source->room); /* nothing ever crosses from one room to another */
    uint8_t rtx_pt, pt = sink_pt(sink, (enum codec)info->codec, &rtx_pt);
    if (!transport_can_send(t) || pt == UINT8_MAX)
        return false;
    int8_t before = sink->layers.stream;
    struct layers_result choice = layers_packet(&sink->layers, info, dd_of(e, source, info));
    if (sink->layers.want_keyframe && sink->video && (int8_t)info->layer == sink->layers.target_stream &&
        !source->streams[info->layer].pli_wanted)
        keyframe_wish(e, sink, info->layer, WISH_PAUSE_LAYER_US);
    if (choice.verdict == LAYERS_OTHER)
        return false;
    struct rewrite_in in = rewrite_of(info);
    if (choice.verdict == LAYERS_SWITCH) {
        uint32_t expected;
        bool known = align(source, sink, info, before, &expected);
        rewrite_switch(&sink->rewrite, e->now_us, codec_clock_hz((enum codec)info->codec), &in,
                       known ? &expected : NULL);
        sink_tell_layer(e, sink);
    }
    bool keep = choice.verdict == LAYERS_TAKE || choice.verdict == LAYERS_SWITCH;
    bool drop_picture = choice.verdict == LAYERS_LEAVE_OUT_PICTURE;
    if (keep && info->has_picture && rewrite_picture_dropped(&sink->rewrite, info->picture64))
        keep = false;
    struct rewrite_out out;
    enum rewrite_verdict verdict = rewrite_packet(&sink->rewrite, e->now_us, &in, keep, drop_picture, &out);
    if (verdict == REWRITE_FORWARD)
        queue_media(e, t, sink, info, packet, &out, &choice, pt);
    else if (verdict == REWRITE_FILL)
        queue_fill(e, t, sink, &out, pt);
    return choice.verdict == LAYERS_SWITCH;
}

/* Packets of the new stream that overtook the first one of its key frame are in the cache. */
static void replay(struct engine *e, struct source *source, struct sink *sink, const struct packet_info *first) {
    const struct stream *stream = &source->streams[first->layer];
    uint64_t last = stream->seq_highest - first->seq64 > REPLAY_MAX ? first->seq64 + REPLAY_MAX : stream->seq_highest;
    for (uint64_t seq64 = first->seq64 + 1; seq64 <= last; seq64++) {
        struct packet *packet = cache_get(&stream->cache, &e->arena, seq64);
        if (packet != NULL)
            forward_to(e, source, sink, engine_info(e, packet), packet);
    }
}

void forward_packet(struct engine *e, struct source *source, const struct packet_info *info, struct packet *packet) {
    ASSERT(packet != NULL || info->payload_len == 0);
    for (uint32_t i = source->first_sink; i != NONE;) {
        struct sink *sink = &e->sinks[i];
        ASSERT(sink->source == source->index);
        i = sink->next_of_source;
        if (i != NONE)
            __builtin_prefetch(&e->sinks[i]);
        bool began = forward_to(e, source, sink, info, packet);
        if (began && source->streams[info->layer].seq_highest > info->seq64)
            replay(e, source, sink, info);
    }
}
