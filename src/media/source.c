/* Published tracks: opening, closing, and finding the track that an SSRC belongs to (RFC 9143 section 9.2, RFC 8852).
 */
#include <string.h>

#include "media/impl.h"

static void stream_reset(struct engine *e, struct source *source, uint32_t layer) {
    struct stream *stream = &source->streams[layer];
    uint32_t capacity = source->video ? e->config.video_cache_packets : e->config.audio_cache_packets;
    struct cache_slot *slots =
        e->cache_slots + ((size_t)source->index * ENGINE_LAYERS_MAX + layer) * e->config.video_cache_packets;
    cache_init(&stream->cache, slots, capacity);
    nack_init(&stream->nack);
}

static void stream_open(struct engine *e, struct source *source, uint32_t layer) {
    struct stream *stream = &source->streams[layer];
    memset(stream, 0, offsetof(struct stream, nack)); /* the list behind is written before it is read */
    stream_reset(e, source, layer);
}

/* Another SSRC carries the layer from now on: the publisher started anew. */
static void stream_restart(struct engine *e, struct source *source, uint32_t layer) {
    struct stream *stream = &source->streams[layer];
    cache_clear(&stream->cache, &e->arena);
    uint16_t epoch = (uint16_t)(stream->epoch + 1);
    uint32_t ssrc = stream->ssrc, rtx_ssrc = stream->rtx_ssrc;
    stream_open(e, source, layer);
    stream->epoch = epoch;
    stream->ssrc = ssrc;
    stream->rtx_ssrc = rtx_ssrc;
}

static bool ssrc_put(struct engine *e, const struct source *source, uint32_t ssrc, uint32_t layer, bool rtx) {
    struct ssrc_key key = {.transport = source->transport, .ssrc = ssrc};
    uint32_t value;
    if (map_get(&e->rx_ssrcs, &key, &value))
        return value == rx_value(source->index, layer, rtx);
    return map_put(&e->rx_ssrcs, &key, rx_value(source->index, layer, rtx));
}

static void ssrc_remove(struct engine *e, const struct source *source, uint32_t ssrc, uint32_t layer, bool rtx) {
    struct ssrc_key key = {.transport = source->transport, .ssrc = ssrc};
    uint32_t value;
    if (ssrc != 0 && map_get(&e->rx_ssrcs, &key, &value) && value == rx_value(source->index, layer, rtx))
        map_remove(&e->rx_ssrcs, &key);
}

static bool texts_end(const struct engine_source_open *open) {
    bool good = memchr(open->mid, 0, sizeof open->mid) != NULL;
    for (int i = 0; i < ENGINE_LAYERS_MAX; i++)
        good = good && memchr(open->rids[i], 0, sizeof open->rids[i]) != NULL;
    return good;
}

void source_open(struct engine *e, uint32_t handle, const struct engine_source_open *open) {
    struct transport *t = engine_transport(e, open->transport);
    if (t == NULL) {
        e->counters.command_stale++;
        return;
    }
    if (!texts_end(open) || open->layers > ENGINE_LAYERS_MAX || !pool_take_handle(&e->source_pool, handle)) {
        event_refused(e, handle, ENGINE_SOURCE_OPEN);
        return;
    }
    uint32_t index = pool_index(handle);
    struct source *source = &e->sources[index];
    ASSERT(source->handle == 0);
    memset(source, 0, offsetof(struct source, streams));
    source->handle = handle;
    source->index = index;
    source->transport = t->index;
    source->room = t->room;
    source->first_sink = NONE;
    source->video = open->video;
    source->screen = open->screen;
    source->layers = open->layers > 1 ? open->layers : 1;
    source->order_known = open->order_known;
    for (uint8_t i = 0; i < ENGINE_LAYERS_MAX; i++)
        source->stream_of_rank[i] = source->rank_of_stream[i] = i;
    memcpy(source->mid, open->mid, sizeof source->mid);
    memcpy(source->rids, open->rids, sizeof source->rids);
    memcpy(source->codecs, open->codecs, sizeof source->codecs);
    source->next_of_transport = t->first_source;
    t->first_source = index;
    t->source_count++;
    if (index >= e->source_high)
        e->source_high = index + 1;
    for (uint32_t layer = 0; layer < ENGINE_LAYERS_MAX; layer++) {
        stream_open(e, source, layer);
        if (layer >= source->layers)
            continue;
        if (open->ssrcs[layer] != 0 && ssrc_put(e, source, open->ssrcs[layer], layer, false))
            source->streams[layer].ssrc = open->ssrcs[layer];
        if (open->rtx_ssrcs[layer] != 0 && ssrc_put(e, source, open->rtx_ssrcs[layer], layer, true))
            source->streams[layer].rtx_ssrc = open->rtx_ssrcs[layer];
    }
}

void source_close(struct engine *e, struct source *source) {
    ASSERT(source->handle != 0);
    struct transport *t = &e->transports[source->transport];
    while (source->first_sink != NONE)
        sink_close(e, &e->sinks[source->first_sink]);
    ASSERT(source->sink_count == 0);
    for (uint32_t layer = 0; layer < ENGINE_LAYERS_MAX; layer++) {
        ssrc_remove(e, source, source->streams[layer].ssrc, layer, false);
        ssrc_remove(e, source, source->streams[layer].rtx_ssrc, layer, true);
        cache_clear(&source->streams[layer].cache, &e->arena);
    }
    uint32_t *link = &t->first_source;
    while (*link != source->index) {
        ASSERT(*link != NONE);
        link = &e->sources[*link].next_of_transport;
    }
    *link = source->next_of_transport;
    ASSERT(t->source_count > 0);
    t->source_count--;
    uint32_t handle = source->handle;
    source->handle = 0;
    pool_give(&e->source_pool, handle);
}

void source_mute(struct engine *e, struct source *source, bool muted) {
    bool released = source->muted && !muted;
    source->muted = muted;
    /* what was thrown away meanwhile must not look like a loss to anybody */
    for (uint32_t layer = 0; released && layer < source->layers; layer++) {
        if (source->streams[layer].started)
            stream_restart(e, source, layer);
        if (source->video)
            keyframe_request(e, source, layer);
    }
}

const struct engine_codec_map *source_codec(const struct source *source, uint8_t pt, bool rtx) {
    for (int i = 0; i < ENGINE_SOURCE_CODECS_MAX && source->codecs[i].codec != CODEC_UNKNOWN; i++) {
        uint8_t wanted = rtx ? source->codecs[i].rtx_pt : source->codecs[i].pt;
        if (wanted == pt && !(rtx && wanted == 0))
            return &source->codecs[i];
    }
    return NULL;
}

bool source_layer_alive(const struct source *source, uint32_t layer) {
    ASSERT(layer < ENGINE_LAYERS_MAX);
    uint64_t last_us = source->spatial_rx_us[layer];
    return last_us != 0 && time_since(source->last_rx_us, last_us) < LAYER_GONE_US;
}

/* ---- order of simulcast streams ---------------------------------------------------------------------------------- */

static uint64_t stream_bps(const struct engine *e, struct source *source, uint32_t layer) {
    uint64_t bps = 0;
    for (uint32_t temporal = 0; temporal < ALLOCATE_TEMPORAL; temporal++)
        bps += rate_bps(&source->rates[layer][temporal], e->now_us);
    return bps;
}

/* Whether a stream takes clearly more bits than another; both have been coming for a while. */
static bool takes_more(const struct engine *e, struct source *source, uint32_t a, uint32_t b) {
    const uint32_t pair[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        const struct stream *stream = &source->streams[pair[i]];
        if (!source_layer_alive(source, pair[i]) || time_since(e->now_us, stream->first_rx_us) < RANK_RATE_AGE_US)
            return false;
    }
    return stream_bps(e, source, a) * RANK_RATE_DEN >= stream_bps(e, source, b) * RANK_RATE_NUM;
}

/* One of two measures for all pairs at a time, so that the order is one: sizes when every stream that comes told its
 * own, else the rates. */
static bool is_larger(const struct engine *e, struct source *source, bool by_size, uint32_t a, uint32_t b) {
    uint32_t pixels_a = source->streams[a].pixels, pixels_b = source->streams[b].pixels;
    if (by_size && (pixels_a == 0 || pixels_b == 0))
        return false; /* one of them never came */
    if (by_size && pixels_a != pixels_b)
        return pixels_a > pixels_b;
    return !source->order_known && takes_more(e, source, a, b);
}

void source_rank(struct engine *e, struct source *source) {
    bool by_size = true, changed = false;
    for (uint32_t layer = 0; layer < source->layers; layer++)
        by_size = by_size && (!source->streams[layer].started || source->streams[layer].pixels != 0);
    uint8_t *order = source->stream_of_rank;
    for (uint32_t i = 1; source->video && i < source->layers; i++) {
        for (uint32_t k = i; k > 0 && is_larger(e, source, by_size, order[k - 1], order[k]); k--) {
            uint8_t swap = order[k];
            order[k] = order[k - 1];
            order[k - 1] = swap;
            changed = true;
        }
    }
    if (!changed)
        return;
    e->counters.layers_ranked++;
    if (source->rank_changes == 0 || time_since(e->now_us, source->rank_since_us) >= RANK_INTERVAL_US) {
        source->rank_since_us = e->now_us;
        source->rank_changes = 0;
    }
    source->rank_changes++;
    for (uint32_t rank = 0; rank < source->layers; rank++)
        source->rank_of_stream[order[rank]] = (uint8_t)rank;
    for (uint32_t i = source->first_sink; i != NONE; i = e->sinks[i].next_of_source)
        timer_sooner(e, &e->transports[e->sinks[i].transport], TIMER_ALLOCATE, e->now_us);
}

void source_note_size(struct engine *e, struct source *source, uint32_t layer, uint32_t pixels) {
    ASSERT(layer < ENGINE_LAYERS_MAX);
    if (source->layers == 1 || source->streams[layer].pixels == pixels)
        return;
    source->streams[layer].pixels = pixels;
    if (source->rank_changes >= RANK_CHANGES_MAX && time_since(e->now_us, source->rank_since_us) < RANK_INTERVAL_US)
        return;
    source_rank(e, source);
}

/* ---- matching ---------------------------------------------------------------------------------------------------- */

static bool layer_of_rid(const struct source *source, const char *rid, uint32_t *layer) {
    for (uint32_t i = 0; i < source->layers; i++) {
        if (source->rids[i][0] != 0 && strcmp(source->rids[i], rid) == 0) {
            *layer = i;
            return true;
        }
    }
    return false;
}

static struct source *source_of_mid(struct engine *e, const struct transport *t, const char *mid) {
    for (uint32_t i = t->first_source; i != NONE; i = e->sources[i].next_of_transport) {
        if (strcmp(e->sources[i].mid, mid) == 0)
            return &e->sources[i];
    }
    return NULL;
}

/* The one source that the rid or, without rid, the payload type fits; NULL when several do. */
static struct source *source_alone(struct engine *e, const struct transport *t, uint8_t pt, const char *rid) {
    struct source *found = NULL;
    for (uint32_t i = t->first_source; i != NONE; i = e->sources[i].next_of_transport) {
        struct source *source = &e->sources[i];
        uint32_t layer;
        bool fits = source_codec(source, pt, false) != NULL || source_codec(source, pt, true) != NULL;
        if (rid[0] != 0)
            fits = fits && layer_of_rid(source, rid, &layer);
        else
            fits = fits && source->layers == 1;
        if (!fits)
            continue;
        if (found != NULL)
            return NULL;
        found = source;
    }
    return found;
}

static bool assign(struct engine *e, struct source *source, uint32_t layer, bool rtx, uint32_t ssrc) {
    struct stream *stream = &source->streams[layer];
    uint32_t before = rtx ? stream->rtx_ssrc : stream->ssrc;
    ASSERT(before != ssrc);
    if (!ssrc_put(e, source, ssrc, layer, rtx))
        return false;
    ssrc_remove(e, source, before, layer, rtx);
    if (rtx) {
        stream->rtx_ssrc = ssrc;
        return true;
    }
    stream->ssrc = ssrc;
    if (stream->started)
        stream_restart(e, source, layer);
    return true;
}

/* A packet that does not name its section is taken for a stream that has no number yet, or has fallen silent. A live
 * one it would hijack: it may be the last of a track that was just closed, or the first retransmission of another. */
static bool vacant(const struct engine *e, const struct source *source, uint32_t layer, bool rtx) {
    const struct stream *stream = &source->streams[layer];
    if (rtx)
        return stream->rtx_ssrc == 0;
    return stream->ssrc == 0 || (stream->started && time_since(e->now_us, stream->last_rx_us) >= LAYER_GONE_US);
}

bool source_match(struct engine *e, struct transport *t, const struct rtp_header *header, const struct rtp_exts *exts,
                  uint32_t *value) {
    struct ssrc_key key = {.transport = t->index, .ssrc = header->ssrc};
    if (map_get(&e->rx_ssrcs, &key, value))
        return true;
    char mid[ENGINE_MID_LEN_MAX + 1] = {0}, rid[ENGINE_RID_LEN_MAX + 1] = {0};
    bool has_mid = rtp_exts_has(exts, RTP_EXT_MID) && rtp_ext_text(exts->data[RTP_EXT_MID], mid, sizeof mid);
    bool rtx = false;
    bool has_rid = rtp_exts_has(exts, RTP_EXT_RID) && rtp_ext_text(exts->data[RTP_EXT_RID], rid, sizeof rid);
    if (!has_rid && rtp_exts_has(exts, RTP_EXT_REPAIRED_RID)) {
        has_rid = rtp_ext_text(exts->data[RTP_EXT_REPAIRED_RID], rid, sizeof rid);
        rtx = has_rid;
    }
    struct source *source = has_mid ? source_of_mid(e, t, mid) : source_alone(e, t, header->pt, has_rid ? rid : "");
    if (source == NULL)
        return false;
    const struct engine_codec_map *codec = source_codec(source, header->pt, rtx);
    if (codec == NULL && !rtx) {
        codec = source_codec(source, header->pt, true);
        rtx = codec != NULL;
    }
    uint32_t layer = 0;
    bool placed = source->layers == 1 || (has_rid && layer_of_rid(source, rid, &layer));
    if (codec == NULL || !placed || (!has_mid && !vacant(e, source, layer, rtx)))
        return false;
    if (!assign(e, source, layer, rtx, header->ssrc))
        return false;
    *value = rx_value(source->index, layer, rtx);
    return true;
}
