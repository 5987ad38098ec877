/* Subscriptions: opening, closing, what the receiver wants, and what it gets of the bandwidth. */
#include <string.h>

#include "media/impl.h"

static bool texts_end(const struct engine_sink_open *open) {
    return memchr(open->mid, 0, sizeof open->mid) != NULL && memchr(open->cname, 0, sizeof open->cname) != NULL;
}

static void link_sink(struct engine *e, struct sink *sink, struct source *source, struct transport *t) {
    sink->prev_of_source = NONE;
    sink->next_of_source = source->first_sink;
    if (source->first_sink != NONE)
        e->sinks[source->first_sink].prev_of_source = sink->index;
    source->first_sink = sink->index;
    source->sink_count++;
    sink->prev_of_transport = NONE;
    sink->next_of_transport = t->first_sink;
    if (t->first_sink != NONE)
        e->sinks[t->first_sink].prev_of_transport = sink->index;
    t->first_sink = sink->index;
    t->sink_count++;
}

static void unlink_sink(struct engine *e, struct sink *sink, struct source *source, struct transport *t) {
    if (sink->prev_of_source != NONE)
        e->sinks[sink->prev_of_source].next_of_source = sink->next_of_source;
    else
        source->first_sink = sink->next_of_source;
    if (sink->next_of_source != NONE)
        e->sinks[sink->next_of_source].prev_of_source = sink->prev_of_source;
    if (sink->prev_of_transport != NONE)
        e->sinks[sink->prev_of_transport].next_of_transport = sink->next_of_transport;
    else
        t->first_sink = sink->next_of_transport;
    if (sink->next_of_transport != NONE)
        e->sinks[sink->next_of_transport].prev_of_transport = sink->prev_of_transport;
    ASSERT(source->sink_count > 0 && t->sink_count > 0);
    source->sink_count--;
    t->sink_count--;
}

/* ---- streams that rest ---------------------------------------------------------------------------------------------
 */

static struct resting *resting_of(const struct engine *e, const struct transport *t) {
    return (struct resting *)(void *)(e->slices + (size_t)t->index * e->slice_len + e->slice_resting);
}

static void retire(struct transport *t, uint32_t ssrc, uint32_t rtx_ssrc) {
    srtp_retire(&t->tx, ssrc);
    if (rtx_ssrc != 0)
        srtp_retire(&t->tx, rtx_ssrc);
}

/* A nonce is never used twice, so an SSRC that comes back must go on where it ended. */
static void rest(struct engine *e, struct transport *t, const struct sink *sink) {
    struct resting *list = resting_of(e, t);
    uint32_t at = 0;
    while (at < t->resting_used && list[at].ssrc != 0)
        at++;
    if (at == RESTING_MAX) {
        at = t->resting_next++ % RESTING_MAX;
        retire(t, list[at].ssrc, list[at].rtx_ssrc);
    } else if (at == t->resting_used) {
        t->resting_used++;
    }
    list[at] = (struct resting){
        .ssrc = sink->ssrc,
        .rtx_ssrc = sink->rtx_ssrc,
        .rtx_seq64 = sink->rtx_seq64,
        .packets = sink->packets,
        .bytes = sink->bytes,
        .end = rewrite_end(&sink->rewrite),
    };
}

static void wake(struct engine *e, struct transport *t, struct sink *sink) {
    struct resting *list = resting_of(e, t);
    for (uint32_t i = 0; i < t->resting_used; i++) {
        if (list[i].ssrc != sink->ssrc)
            continue;
        rewrite_resume(&sink->rewrite, &list[i].end);
        sink->packets = list[i].packets;
        sink->bytes = list[i].bytes;
        if (list[i].rtx_ssrc == sink->rtx_ssrc)
            sink->rtx_seq64 = list[i].rtx_seq64;
        else if (list[i].rtx_ssrc != 0)
            srtp_retire(&t->tx, list[i].rtx_ssrc);
        list[i] = (struct resting){0};
        return;
    }
}

/* What is wanted before the first settings come: everything. */
static struct engine_sink_settings settings_default(void) {
    return (struct engine_sink_settings){.enabled = true, .max_spatial = 2, .max_temporal = 3, .priority = 1};
}

/* Puts the allocator's choice into effect; the streams follow as they can. */
static void aim(struct engine *e, struct sink *sink, int8_t spatial, int8_t temporal) {
    struct source *source = &e->sources[sink->source];
    bool simulcast = source->layers > 1;
    int8_t stream = spatial < 0 ? -1 : simulcast ? (int8_t)source->stream_of_rank[spatial] : 0;
    uint8_t within = spatial < 0 || simulcast ? LAYERS_ALL : (uint8_t)spatial;
    /* all that there is, should it be more than the engine counts */
    if (!simulcast && sink->settings.max_spatial >= ALLOCATE_SPATIAL - 1 && spatial == (int8_t)source->spatial_seen)
        within = LAYERS_ALL;
    uint8_t upper = temporal < 0 || temporal >= ALLOCATE_TEMPORAL - 1 ? LAYERS_ALL : (uint8_t)temporal;
    int8_t before = sink->layers.target_stream;
    layers_aim(&sink->layers, stream, simulcast && spatial >= 0 ? (uint8_t)spatial : 0, within, upper);
    if (stream < 0)
        sink_tell_layer(e, sink);
    if (sink->video && stream >= 0 && stream != before && stream != sink->layers.stream)
        keyframe_wish(e, sink, (uint32_t)stream, WISH_PAUSE_LAYER_US);
}

void sink_open(struct engine *e, uint32_t handle, const struct engine_sink_open *open) {
    struct transport *t = engine_transport(e, open->transport);
    struct source *source = engine_source(e, open->source);
    if (t == NULL || source == NULL) {
        e->counters.command_stale++;
        return;
    }
    struct ssrc_key key = {.transport = t->index, .ssrc = open->ssrc};
    uint32_t taken;
    bool fits = texts_end(open) && open->ssrc != 0 && open->ssrc != open->rtx_ssrc && t->room == source->room &&
                t->sink_count < TX_STREAMS_MAX / 2 && !map_get(&e->tx_ssrcs, &key, &taken);
    if (!fits || !pool_take_handle(&e->sink_pool, handle)) {
        event_refused(e, handle, ENGINE_SINK_OPEN);
        return;
    }
    struct sink *sink = &e->sinks[pool_index(handle)];
    ASSERT(sink->handle == 0);
    *sink = (struct sink){
        .handle = handle,
        .index = pool_index(handle),
        .transport = t->index,
        .source = source->index,
        .ssrc = open->ssrc,
        .rtx_ssrc = open->rtx_ssrc,
        .video = source->video,
        .settings = settings_default(),
        .told_spatial = -1,
        .told_temporal = -1,
        .rtx_seq64 = UINT64_C(0x10000) + rng_below(e->rng, 0x7fff),
    };
    memcpy(sink->mid, open->mid, sizeof sink->mid);
    sink->mid_len = (uint8_t)strlen(open->mid);
    memcpy(sink->cname, open->cname, sizeof sink->cname);
    memcpy(sink->codecs, open->codecs, sizeof sink->codecs);
    layers_init(&sink->layers);
    rewrite_init(&sink->rewrite, e->rng);
    wake(e, t, sink);
    struct history_entry *history = sink_history(e, sink, 0);
    for (uint32_t i = 0; i < e->history_len && sink->rtx_ssrc != 0; i++) {
        if (history[i].flags != 0) /* of an earlier sink; untouched pages stay untouched */
            history[i] = (struct history_entry){0};
    }
    bool put = map_put(&e->tx_ssrcs, &key, sink->index);
    ASSERT(put); /* as many places as sinks */
    link_sink(e, sink, source, t);
    aim(e, sink, sink->video && source->layers > 1 ? (int8_t)(source->layers - 1) : 0, ALLOCATE_TEMPORAL - 1);
    if (t->keyed)
        timer_sooner(e, t, TIMER_ALLOCATE, e->now_us);
}

void sink_close(struct engine *e, struct sink *sink) {
    ASSERT(sink->handle != 0);
    struct transport *t = &e->transports[sink->transport];
    tx_drop_sink(e, t, sink);
    struct ssrc_key key = {.transport = t->index, .ssrc = sink->ssrc};
    map_remove(&e->tx_ssrcs, &key);
    if (t->keyed && sink->rewrite.started)
        rest(e, t, sink);
    unlink_sink(e, sink, &e->sources[sink->source], t);
    uint32_t handle = sink->handle;
    sink->handle = 0;
    pool_give(&e->sink_pool, handle);
}

void sink_settings(struct engine *e, struct sink *sink, const struct engine_sink_settings *settings) {
    sink->settings = *settings;
    if (sink->settings.max_spatial >= ALLOCATE_SPATIAL)
        sink->settings.max_spatial = ALLOCATE_SPATIAL - 1;
    if (sink->settings.max_temporal >= ALLOCATE_TEMPORAL)
        sink->settings.max_temporal = ALLOCATE_TEMPORAL - 1;
    sinks_allocate(e, &e->transports[sink->transport]);
}

uint8_t sink_pt(struct sink *sink, enum codec codec, uint8_t *rtx_pt) {
    if (sink->last_codec != (uint8_t)codec) {
        sink->last_codec = (uint8_t)codec;
        sink->last_pt = UINT8_MAX;
        sink->last_rtx_pt = 0;
        for (int i = 0; i < ENGINE_SOURCE_CODECS_MAX && sink->codecs[i].codec != CODEC_UNKNOWN; i++) {
            if (sink->codecs[i].codec != codec)
                continue;
            sink->last_pt = sink->codecs[i].pt;
            sink->last_rtx_pt = sink->codecs[i].rtx_pt;
            break;
        }
    }
    *rtx_pt = sink->last_rtx_pt;
    return sink->last_pt;
}

/* Reports what is forwarded when it is not what was reported last. */
void sink_tell_layer(struct engine *e, struct sink *sink) {
    if (!sink->video)
        return;
    const struct source *source = &e->sources[sink->source];
    int8_t spatial = sink->layers.stream, temporal = -1;
    if (spatial >= 0) {
        if (source->layers > 1)
            spatial = (int8_t)source->rank_of_stream[spatial];
        else
            spatial = sink->layers.spatial < source->spatial_seen ? (int8_t)sink->layers.spatial
                                                                  : (int8_t)source->spatial_seen;
        temporal = sink->layers.temporal < ALLOCATE_TEMPORAL ? (int8_t)sink->layers.temporal : ALLOCATE_TEMPORAL - 1;
    }
    if (spatial == sink->told_spatial && temporal == sink->told_temporal)
        return;
    sink->told_spatial = spatial;
    sink->told_temporal = temporal;
    struct engine_event event = {
        .type = ENGINE_EV_SINK_LAYER, .object = sink->handle, .sink_layer = {spatial, temporal}};
    event_push(e, &event, 0);
}

/* ---- allocation ---------------------------------------------------------------------------------------------------
 */

static uint32_t saturating_add(uint32_t a, uint32_t b) {
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static void describe(struct engine *e, const struct sink *sink, struct allocate_stream *s) {
    struct source *source = &e->sources[sink->source];
    *s = (struct allocate_stream){
        .audio = !source->video,
        .allow_pause = sink->settings.allow_pause,
        .priority = sink->settings.priority,
        .temporal_max = sink->settings.max_temporal,
        .spatial_now = sink->layers.target_stream,
        .temporal_now = ALLOCATE_TEMPORAL - 1,
    };
    bool simulcast = source->layers > 1;
    if (simulcast && s->spatial_now >= 0)
        s->spatial_now = (int8_t)source->rank_of_stream[s->spatial_now];
    uint8_t there = simulcast ? (uint8_t)(source->layers - 1) : source->spatial_seen;
    s->spatial_max = !source->video ? 0 : sink->settings.max_spatial < there ? sink->settings.max_spatial : there;
    if (!simulcast && s->spatial_now >= 0)
        s->spatial_now = (int8_t)(sink->layers.target_spatial < there ? sink->layers.target_spatial : there);
    if (sink->layers.target_temporal < ALLOCATE_TEMPORAL)
        s->temporal_now = (int8_t)sink->layers.target_temporal;
    for (uint32_t spatial = 0; spatial <= s->spatial_max; spatial++) {
        uint32_t layer = simulcast ? source->stream_of_rank[spatial] : spatial;
        s->alive[spatial] = source_layer_alive(source, layer);
        uint32_t sum = 0;
        for (uint32_t temporal = 0; temporal < ALLOCATE_TEMPORAL; temporal++) {
            sum = saturating_add(sum, rate_bps(&source->rates[layer][temporal], e->now_us));
            bool below = !simulcast && spatial > 0; /* scalable: a layer needs those below */
            s->bps[spatial][temporal] = saturating_add(sum, below ? s->bps[spatial - 1][temporal] : 0);
        }
    }
}

static size_t gather(struct engine *e, struct transport *t) {
    size_t count = 0;
    for (uint32_t i = t->first_sink; i != NONE && count < TX_STREAMS_MAX; i = e->sinks[i].next_of_transport) {
        struct sink *sink = &e->sinks[i];
        if (!sink->settings.enabled) {
            if (sink->layers.target_stream >= 0)
                aim(e, sink, -1, -1);
            continue;
        }
        describe(e, sink, &e->allocation[count]);
        e->allocation_sinks[count++] = i;
    }
    return count;
}

static void tell_pause(struct engine *e, struct sink *sink, bool paused) {
    if (sink->paused == paused)
        return;
    sink->paused = paused;
    struct engine_event event = {.type = ENGINE_EV_STREAM_STATE, .object = sink->handle, .stream_state = {paused}};
    event_push(e, &event, 0);
}

void sinks_allocate(struct engine *e, struct transport *t) {
    if (!t->keyed)
        return;
    size_t count = gather(e, t);
    uint64_t demand_bps = allocate(e->allocation, count, ALLOCATE_UNLIMITED);
    estimator_tick(&t->estimator, e->now_us, demand_bps < UINT32_MAX ? (uint32_t)demand_bps : UINT32_MAX);
    uint32_t estimate_bps = t->feedback_receive ? estimator_bps(&t->estimator) : 0;
    t->allocated_bps = demand_bps;
    if (estimate_bps != 0 && estimate_bps < demand_bps + demand_bps / 10)
        t->allocated_bps = allocate(e->allocation, count, estimate_bps);
    for (size_t i = 0; i < count; i++) {
        struct sink *sink = &e->sinks[e->allocation_sinks[i]];
        const struct allocate_stream *s = &e->allocation[i];
        aim(e, sink, s->spatial, s->temporal);
        tell_pause(e, sink, s->spatial < 0);
        sink_tell_layer(e, sink);
    }
    if (t->sink_count > 0)
        timer_set(e, t, TIMER_ALLOCATE, e->now_us + ALLOCATE_INTERVAL_US);
}
