#include <stdlib.h>

#include "base/assert.h"
#include "base/time.h"
#include "io/clock.h"
#include "server/app_internal.h"
#include "server/metrics.h"

/* Each shard's copy of one counter struct, side by side. */
#define COPY_SHARDS(app, field, type, out)                                                                             \
    do {                                                                                                               \
        for (uint32_t shard_ = 0; shard_ < (app)->shards; shard_++)                                                    \
            ((struct type *)(out))[shard_] = media_insight((app)->media, shard_)->field;                               \
    } while (0)

/* The protocol modules of one engine; all shards are added up. */
static void write_modules(struct app *app, struct writer *w) {
    struct engine_module_counters sum = {0};
    for (uint32_t shard = 0; shard < app->shards; shard++)
        counters_add(&sum, &media_insight(app->media, shard)->modules, sizeof sum);
    METRICS_COUNTERS(w, "ice", ice_lite_counters, &sum.ice, 1, false);
    METRICS_COUNTERS(w, "dtls", dtls_counters, &sum.dtls, 1, false);
    METRICS_COUNTERS(w, "sctp", sctp_counters, &sum.sctp, 1, false);
    METRICS_COUNTERS(w, "dcep", dcep_counters, &sum.dcep, 1, false);
    METRICS_COUNTERS(w, "rtcp", rtcp_counters, &sum.rtcp, 1, false);
}

static void write_shards(struct app *app, struct writer *w) {
    struct engine_counters *engine = calloc(app->shards, sizeof *engine);
    struct udp_counters *udp = calloc(app->shards, sizeof *udp);
    struct tcp_counters *tcp = calloc(app->shards, sizeof *tcp);
    struct media_counters *media = calloc(app->shards, sizeof *media);
    ASSERT(engine != NULL && udp != NULL && tcp != NULL && media != NULL);
    COPY_SHARDS(app, engine, engine_counters, engine);
    COPY_SHARDS(app, udp, udp_counters, udp);
    COPY_SHARDS(app, tcp, tcp_counters, tcp);
    COPY_SHARDS(app, media, media_counters, media);
    METRICS_COUNTERS(w, "engine", engine_counters, engine, app->shards, true);
    METRICS_COUNTERS(w, "io", udp_counters, udp, app->shards, true);
    METRICS_COUNTERS(w, "io", tcp_counters, tcp, app->shards, true);
    METRICS_COUNTERS(w, "io", media_counters, media, app->shards, true);
    write_modules(app, w);
    free(engine);
    free(udp);
    free(tcp);
    free(media);
}

struct shard_gauge {
    const char *name, *help;
    size_t offset;
};

#define GAUGE(field) offsetof(struct media_insight, field)

static void write_shard_gauges(struct app *app, struct writer *w) {
    static const struct shard_gauge gauges[] = {
        {"transports", "peer connections", GAUGE(gauges.transports)},
        {"transports_connected", "peer connections that are connected", GAUGE(gauges.transports_connected)},
        {"sources", "published tracks", GAUGE(gauges.sources)},
        {"sinks", "forwarded tracks", GAUGE(gauges.sinks)},
        {"packets_used", "packet slots in use", GAUGE(gauges.packets_used)},
        {"packets_max", "packet slots there are", GAUGE(gauges.packets_max)},
        {"data_blocks_used", "blocks of data channel buffers in use", GAUGE(gauges.data_blocks_used)},
        {"tx_queue_high", "highest fill of the transmit queue", GAUGE(gauges.tx_queue_high)},
        {"tcp_connections", "ICE-TCP connections", GAUGE(tcp_connections)},
    };
    for (size_t i = 0; i < ARRAY_LEN(gauges); i++) {
        uint64_t values[MEDIA_SHARDS_MAX];
        for (uint32_t shard = 0; shard < app->shards; shard++) {
            const uint8_t *insight = (const uint8_t *)media_insight(app->media, shard);
            values[shard] = *(const uint32_t *)(const void *)(insight + gauges[i].offset);
        }
        metrics_gauge_shards(w, gauges[i].name, gauges[i].help, values, app->shards);
    }
}

void app_write_metrics(struct app *app, struct writer *w) {
    struct control_counters control;
    struct control_gauges gauges;
    control_counters_get(app->control, &control);
    control_gauges_get(app->control, &gauges);
    metrics_gauge(w, "uptime_seconds", "seconds since the start",
                  time_since(clock_now_us(), app->started_us) / US_PER_S);
    metrics_gauge(w, "rooms", "rooms", gauges.rooms);
    metrics_gauge(w, "participants", "participants", gauges.participants);
    metrics_gauge(w, "sessions", "signalling sessions", gauges.sessions);
    metrics_gauge(w, "tracks", "published tracks known to signalling", gauges.tracks);
    metrics_gauge(w, "subscriptions", "subscriptions", gauges.subscriptions);
    metrics_gauge(w, "whip_resources", "WHIP and WHEP sessions", gauges.whip_resources);
    metrics_gauge(w, "meetings", "meetings with somebody in or expected back", service_meetings(app->service));
    metrics_gauge(w, "meeting_files_bytes", "bytes of files of meetings", store_len(app->store));
    metrics_gauge(w, "http_connections", "HTTP and WebSocket connections", http_connections(app->http));
    METRICS_COUNTERS(w, "control", control_counters, &control, 1, false);
    METRICS_COUNTERS(w, "server", http_counters, http_counters_get(app->http), 1, false);
    METRICS_COUNTERS(w, "meeting", meeting_counters, &app->meeting->counters, 1, false);
    METRICS_COUNTERS(w, "meeting", service_counters, service_counters_get(app->service), 1, false);
    METRICS_COUNTERS(w, "meeting", store_counters, store_counters_get(app->store), 1, false);
    struct counter_info dropped = {"commands_dropped", "data messages dropped on the way to a media thread"};
    uint64_t dropped_count = media_commands_dropped(app->media);
    metrics_counters(w, "control", &dropped, 1, &dropped_count, 1, false);
    if (app->webhook != NULL) {
        struct webhook_counters webhook;
        webhook_counters_get(app->webhook, &webhook);
        METRICS_COUNTERS(w, "webhook", webhook_counters, &webhook, 1, false);
    }
    write_shards(app, w);
    write_shard_gauges(app, w);
}
