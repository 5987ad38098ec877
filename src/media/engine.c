#include "media/engine.h"

#include <string.h>

#include "media/impl.h"

struct engine_config engine_config_default(uint32_t transports_max, uint32_t sources_max, uint32_t sinks_max) {
    uint32_t queue = sinks_max > 16384 ? sinks_max * 2 : 32768;
    return (struct engine_config){
        .transports_max = transports_max,
        .sources_max = sources_max,
        .sinks_max = sinks_max,
        /* a second and a half of cache: 40 packets for each audio and screen of small rooms, 600 for a camera in three
           layers */
        .packets_max = 8192 + sources_max * 256,
        /* 100 kB a transport: a quarter of what its buffers may hold when both are full */
        .data_blocks_max = 1024 + transports_max * 64,
        .tx_queue_max = queue,
        .video_cache_packets = 512,
        .audio_cache_packets = 64,
        .pli_interval_us = 500000,
        .levels_interval_us = 500000,
        .stats_interval_us = 5000000,
        .core = 0,
    };
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

/* Lays out one mapping: first with base NULL to learn the size, then in earnest. */
struct layout {
    uint8_t *base;
    size_t len;
};

static void *lay(struct layout *layout, size_t len) {
    void *at = layout->base == NULL ? NULL : layout->base + layout->len;
    layout->len += (len + 63) & ~(size_t)63;
    return at;
}

static struct sctp_config sctp_settings(struct engine *e) {
    return (struct sctp_config){.buffers = &e->sctp_buffers, .counters = &e->modules.sctp};
}

/* What each transport has beside its struct; touched only when it is used. */
static size_t slice_layout(struct engine *e) {
    struct layout slice = {0};
    struct sctp_config settings = sctp_settings(e);
    e->slice_rx = slice.len;
    lay(&slice, srtp_size(RX_STREAMS_MAX, RX_RETIRED_MAX));
    e->slice_tx = slice.len;
    lay(&slice, srtp_size(TX_STREAMS_MAX, TX_RETIRED_MAX));
    e->slice_sctp = slice.len;
    lay(&slice, sctp_size(&settings));
    e->slice_twcc = slice.len;
    lay(&slice, sizeof(struct twcc_log));
    e->slice_sendlog = slice.len;
    lay(&slice, sizeof(struct sendlog));
    e->slice_resting = slice.len;
    lay(&slice, RESTING_MAX * sizeof(struct resting));
    e->slice_len = slice.len;
    return slice.len;
}

struct tables {
    void *transport_pool, *source_pool, *sink_pool;
    void *by_ufrag, *by_addr, *rx_ssrcs, *tx_ssrcs;
    void *deadlines, *packet_bytes, *packet_headers, *sctp_buffers;
};

static uint32_t rx_ssrcs_capacity(const struct engine_config *c) {
    return c->sources_max * ENGINE_LAYERS_MAX * 2;
}

static void tables_layout(struct layout *layout, struct engine *e, struct tables *tables) {
    const struct engine_config *c = &e->config;
    tables->transport_pool = lay(layout, pool_size(c->transports_max));
    tables->source_pool = lay(layout, pool_size(c->sources_max));
    tables->sink_pool = lay(layout, pool_size(c->sinks_max));
    /* two ufrags a transport while it restarts */
    tables->by_ufrag = lay(layout, map_size(c->transports_max * 2, ENGINE_UFRAG_LEN_MAX));
    tables->by_addr = lay(layout, map_size(c->transports_max * ICE_LITE_PATHS_MAX, sizeof(struct net_addr)));
    tables->rx_ssrcs = lay(layout, map_size(rx_ssrcs_capacity(c), sizeof(struct ssrc_key)));
    tables->tx_ssrcs = lay(layout, map_size(c->sinks_max, sizeof(struct ssrc_key)));
    tables->deadlines = lay(layout, deadline_size(c->transports_max));
    tables->packet_headers = lay(layout, packet_arena_headers_len(c->packets_max));
    tables->sctp_buffers = lay(layout, sctp_buffers_size(c->data_blocks_max));
    e->transports = lay(layout, c->transports_max * sizeof(struct transport));
    e->sources = lay(layout, c->sources_max * sizeof(struct source));
    e->sinks = lay(layout, c->sinks_max * sizeof(struct sink));
    e->infos = lay(layout, c->packets_max * sizeof(struct packet_info));
    e->cache_slots =
        lay(layout, (size_t)c->sources_max * ENGINE_LAYERS_MAX * c->video_cache_packets * sizeof(struct cache_slot));
    e->dd_states = lay(layout, (size_t)c->sources_max * ENGINE_LAYERS_MAX * sizeof(struct av1dd_state));
    e->histories = lay(layout, (size_t)c->sinks_max * e->history_len * sizeof(struct history_entry));
    e->slices = lay(layout, (size_t)c->transports_max * slice_layout(e));
    e->tx_entries = lay(layout, c->tx_queue_max * sizeof(struct tx_entry));
    e->jobs = lay(layout, ENGINE_TX_BATCH_MAX * sizeof(struct srtp_job));
    e->prefixes = lay(layout, ENGINE_TX_BATCH_MAX * SRTP_PREFIX_LEN_MAX);
    e->paths = lay(layout, PATH_QUEUE_MAX * sizeof(struct engine_path));
    e->events = lay(layout, EVENT_BYTES_MAX);
    e->allocation = lay(layout, TX_STREAMS_MAX * sizeof(struct allocate_stream));
    e->allocation_sinks = lay(layout, TX_STREAMS_MAX * sizeof(uint32_t));
    e->tx_slots = lay(layout, ENGINE_TX_BATCH_MAX * PACKET_SLOT_LEN);
    tables->packet_bytes = lay(layout, packet_arena_bytes_len(c->packets_max));
}

static void config_check(const struct engine_config *c) {
    ASSERT(c->transports_max > 0 && c->sources_max > 0 && c->sinks_max > 0);
    ASSERT(c->transports_max < POOL_CAPACITY_MAX && c->sources_max < POOL_CAPACITY_MAX &&
           c->sinks_max < POOL_CAPACITY_MAX);
    ASSERT(c->packets_max > 0 && c->data_blocks_max > 0 && c->tx_queue_max > 0);
    ASSERT(c->video_cache_packets > 0 && (c->video_cache_packets & (c->video_cache_packets - 1)) == 0);
    ASSERT(c->audio_cache_packets > 0 && (c->audio_cache_packets & (c->audio_cache_packets - 1)) == 0);
    ASSERT(c->audio_cache_packets <= c->video_cache_packets);
}

size_t engine_size(const struct engine_config *config) {
    config_check(config);
    struct engine model = {.config = *config, .history_len = config->video_cache_packets};
    struct tables tables;
    struct layout layout = {0};
    lay(&layout, sizeof(struct engine));
    tables_layout(&layout, &model, &tables);
    return layout.len;
}

struct engine *engine_init(void *memory, const struct engine_config *config, struct dtls_context *dtls, struct rng *rng,
                           uint64_t now_us) {
    ASSERT(memory != NULL && dtls != NULL && rng != NULL && now_us > 0);
    config_check(config);
    struct layout layout = {.base = memory};
    struct engine *e = lay(&layout, sizeof(struct engine));
    *e = (struct engine){.config = *config, .dtls = dtls, .rng = rng, .now_us = now_us};
    e->history_len = config->video_cache_packets;
    struct tables tables;
    tables_layout(&layout, e, &tables);
    pool_init(&e->transport_pool, tables.transport_pool, config->transports_max);
    pool_init(&e->source_pool, tables.source_pool, config->sources_max);
    pool_init(&e->sink_pool, tables.sink_pool, config->sinks_max);
    map_init(&e->by_ufrag, tables.by_ufrag, config->transports_max * 2, ENGINE_UFRAG_LEN_MAX, rng);
    map_init(&e->by_addr, tables.by_addr, config->transports_max * ICE_LITE_PATHS_MAX, sizeof(struct net_addr), rng);
    map_init(&e->rx_ssrcs, tables.rx_ssrcs, rx_ssrcs_capacity(config), sizeof(struct ssrc_key), rng);
    map_init(&e->tx_ssrcs, tables.tx_ssrcs, config->sinks_max, sizeof(struct ssrc_key), rng);
    deadline_init(&e->deadlines, tables.deadlines, config->transports_max);
    packet_arena_init(&e->arena, tables.packet_bytes, tables.packet_headers, config->packets_max);
    sctp_buffers_init(&e->sctp_buffers, tables.sctp_buffers, config->data_blocks_max);
    e->sctp_config = sctp_settings(e);
    e->levels_due_us = now_us + config->levels_interval_us;
    tx_init(e);
    return e;
}

void engine_destroy(struct engine *e) {
    ASSERT(e != NULL);
    for (uint32_t i = 0; i < e->config.transports_max; i++) {
        if (pool_handle_at(&e->transport_pool, i) != 0)
            transport_close(e, &e->transports[i]);
    }
    tx_drop_raw(e);
    ASSERT(e->source_pool.used == 0 && e->sink_pool.used == 0);
    ASSERT(e->tx_used == 0 && e->arena.used == 0 && e->sctp_buffers.used == 0);
}

/* ---- commands -------------------------------------------------------------------------------------------------- */

static void transport_command(struct engine *e, const struct engine_command *command, struct span payload) {
    if (command->type == ENGINE_TRANSPORT_OPEN) {
        transport_open(e, command->object, &command->transport_open);
        return;
    }
    struct transport *t = engine_transport(e, command->object);
    if (t == NULL) {
        e->counters.command_stale++;
        return;
    }
    if (command->type == ENGINE_TRANSPORT_REMOTE)
        transport_remote(e, t, &command->transport_remote);
    else if (command->type == ENGINE_TRANSPORT_RESTART)
        transport_restart(e, t, &command->transport_open);
    else if (command->type == ENGINE_TRANSPORT_CLOSE)
        transport_close(e, t);
    else if (command->type == ENGINE_CHANNEL_OPEN)
        channels_open(e, t, &command->channel_open);
    else if (command->type == ENGINE_CHANNEL_SEND)
        channels_send(e, t, &command->channel_send, payload);
    else
        channels_passed_on(e, t, command->channel_release.bytes);
}

static void source_command(struct engine *e, const struct engine_command *command) {
    if (command->type == ENGINE_SOURCE_OPEN) {
        source_open(e, command->object, &command->source_open);
        return;
    }
    struct source *source = engine_source(e, command->object);
    if (source == NULL) {
        e->counters.command_stale++;
        return;
    }
    if (command->type == ENGINE_SOURCE_MUTE) {
        source_mute(e, source, command->source_mute.muted);
    } else if (command->type == ENGINE_SOURCE_CLOSE) {
        source_close(e, source);
    } else {
        for (uint32_t layer = 0; layer < source->layers; layer++)
            keyframe_request(e, source, layer);
    }
}

static void sink_command(struct engine *e, const struct engine_command *command) {
    if (command->type == ENGINE_SINK_OPEN) {
        sink_open(e, command->object, &command->sink_open);
        return;
    }
    struct sink *sink = engine_sink(e, command->object);
    if (sink == NULL)
        e->counters.command_stale++;
    else if (command->type == ENGINE_SINK_SETTINGS)
        sink_settings(e, sink, &command->sink_settings);
    else
        sink_close(e, sink);
}

static void set_now(struct engine *e, uint64_t now_us) {
    if (now_us > e->now_us) /* a clock that seems to step back is not followed */
        e->now_us = now_us;
}

void engine_command(struct engine *e, uint64_t now_us, const struct engine_command *command, struct span payload) {
    ASSERT(e != NULL && command != NULL);
    set_now(e, now_us);
    switch (command->type) {
    case ENGINE_TRANSPORT_OPEN:
    case ENGINE_TRANSPORT_REMOTE:
    case ENGINE_TRANSPORT_RESTART:
    case ENGINE_TRANSPORT_CLOSE:
    case ENGINE_CHANNEL_OPEN:
    case ENGINE_CHANNEL_SEND:
    case ENGINE_CHANNEL_RELEASE:
        transport_command(e, command, payload);
        break;
    case ENGINE_SOURCE_OPEN:
    case ENGINE_SOURCE_MUTE:
    case ENGINE_SOURCE_CLOSE:
    case ENGINE_KEYFRAME_REQUEST:
        source_command(e, command);
        break;
    case ENGINE_SINK_OPEN:
    case ENGINE_SINK_SETTINGS:
    case ENGINE_SINK_CLOSE:
        sink_command(e, command);
        break;
    }
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

void timer_set(struct engine *e, struct transport *t, enum timer timer, uint64_t at_us) {
    t->due_us[timer] = at_us;
    uint64_t next_us = TIME_NEVER;
    for (int i = 0; i < TIMERS; i++)
        next_us = time_min(next_us, t->due_us[i]);
    if (next_us == t->next_us)
        return;
    t->next_us = next_us;
    deadline_set(&e->deadlines, t->index, next_us);
}

void timer_sooner(struct engine *e, struct transport *t, enum timer timer, uint64_t at_us) {
    if (at_us < t->due_us[timer])
        timer_set(e, t, timer, at_us);
}

static void run_timer(struct engine *e, struct transport *t, enum timer timer) {
    switch (timer) {
    case TIMER_ICE:
        transport_tick_ice(e, t);
        break;
    case TIMER_DTLS:
        if (t->dtls != NULL)
            dtls_tick(t->dtls, e->now_us);
        transport_pump(e, t);
        break;
    case TIMER_SCTP:
        if (t->sctp != NULL)
            sctp_tick(t->sctp, e->now_us);
        channels_pump(e, t);
        break;
    case TIMER_NACK:
        reports_nack(e, t);
        break;
    case TIMER_PLI:
        reports_pli(e, t);
        break;
    case TIMER_TWCC:
        reports_twcc(e, t);
        break;
    case TIMER_REPORT:
        reports_tick(e, t);
        break;
    case TIMER_ALLOCATE:
        sinks_allocate(e, t);
        break;
    case TIMER_STATS:
        reports_stats(e, t);
        break;
    case TIMERS:
        break;
    }
}

static void levels_flush(struct engine *e, struct engine_event *event) {
    if (event->levels.count > 0)
        event_push(e, event, 0);
    event->levels.count = 0;
}

static void levels_tick(struct engine *e) {
    struct engine_event event = {.type = ENGINE_EV_LEVELS};
    for (uint32_t i = 0; i < e->source_high; i++) {
        struct source *source = &e->sources[i];
        struct engine_level level = {.source = source->handle};
        if (source->handle == 0 || source->video ||
            !speaker_take(&source->speaker, e->now_us, &level.level_dbov, &level.active_permille))
            continue;
        event.levels.level[event.levels.count++] = level;
        if (event.levels.count == ENGINE_LEVELS_MAX)
            levels_flush(e, &event);
    }
    levels_flush(e, &event);
    e->levels_due_us = e->now_us + e->config.levels_interval_us;
}

void engine_tick(struct engine *e, uint64_t now_us, uint64_t unix_us) {
    ASSERT(e != NULL);
    set_now(e, now_us);
    e->unix_offset_us = unix_us - e->now_us;
    e->unix_known = unix_us != 0;
    uint32_t index;
    /* each at most once a tick, so that a timer that is always due cannot hold the thread */
    for (uint32_t left = e->transport_pool.used; left > 0 && deadline_pop(&e->deadlines, e->now_us, &index); left--) {
        struct transport *t = &e->transports[index];
        ASSERT(t->handle != 0);
        uint32_t handle = t->handle;
        t->next_us = TIME_NEVER;
        for (int i = 0; i < TIMERS && t->handle == handle; i++) {
            if (t->due_us[i] > e->now_us)
                continue;
            t->due_us[i] = TIME_NEVER;
            run_timer(e, t, (enum timer)i);
        }
        if (t->handle == handle)
            timer_set(e, t, TIMER_ICE, t->due_us[TIMER_ICE]);
    }
    if (e->levels_due_us <= e->now_us)
        levels_tick(e);
}

uint64_t engine_next_deadline_us(const struct engine *e) {
    uint64_t next_us = deadline_next(&e->deadlines);
    return e->source_pool.used > 0 ? time_min(next_us, e->levels_due_us) : next_us;
}

/* ---- insight --------------------------------------------------------------------------------------------------- */

void engine_counters_get(const struct engine *e, struct engine_counters *out) {
    *out = e->counters;
}

void engine_module_counters_get(const struct engine *e, struct engine_module_counters *out) {
    *out = e->modules;
}

void engine_gauges_get(const struct engine *e, struct engine_gauges *out) {
    *out = (struct engine_gauges){
        .transports = e->transport_pool.used,
        .transports_connected = e->connected,
        .sources = e->source_pool.used,
        .sinks = e->sink_pool.used,
        .packets_used = e->arena.used,
        .packets_max = e->arena.capacity,
        .data_blocks_used = e->sctp_buffers.used,
        .tx_queue_high = e->tx_high,
    };
}
