#include "fake_engine.h"

#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/time.h"
#include "io/steer.h"
#include "media/engine.h"
#include "protocol/demux.h"
#include "protocol/ice_lite.h"

#define PATHS_MAX 256
#define QUEUE_MAX 64

_Atomic bool fake_engine_hold;

struct engine {
    struct engine_config config;
    struct net_addr paths[PATHS_MAX];
    bool proven[PATHS_MAX];
    size_t paths_count, told;
    struct engine_tx tx[QUEUE_MAX];
    uint8_t bytes[QUEUE_MAX][2048];
    size_t tx_count;
    struct engine_event events[QUEUE_MAX];
    uint8_t payload[ENGINE_MESSAGE_LEN_MAX];
    size_t events_count;
    uint64_t sent_bytes, told_bytes; /* as ENGINE_EV_CHANNEL_SENT tells them: again when there was no room */
    struct engine_counters counters;
};

size_t fake_check(uint8_t out[128], const char *ufrag) {
    struct writer w = writer_of(out, 128);
    size_t name_len = strlen(ufrag) + 5;
    wr_u16(&w, 1);
    wr_u16(&w, (uint16_t)(4 + ((name_len + 3) & ~3u)));
    wr_u32(&w, 0x2112a442);
    wr_str(&w, "transaction1");
    wr_u16(&w, 6);
    wr_u16(&w, (uint16_t)name_len);
    wr_str(&w, ufrag);
    wr_str(&w, ":peer");
    wr_zeros(&w, (4 - name_len % 4) % 4);
    ASSERT(writer_ok(&w));
    return w.len;
}

size_t engine_size(const struct engine_config *config) {
    (void)config;
    return sizeof(struct engine);
}

struct engine *engine_init(void *memory, const struct engine_config *config, struct dtls_context *dtls, struct rng *rng,
                           uint64_t now_us) {
    (void)dtls;
    (void)rng;
    (void)now_us;
    struct engine *e = memory;
    e->config = *config;
    return e;
}

void engine_destroy(struct engine *engine) {
    (void)engine;
}

/* Like the engine's, a queue that has an end. */
static void add_event(struct engine *e, const struct engine_event *event) {
    if (e->events_count < QUEUE_MAX)
        e->events[e->events_count++] = *event;
}

static void tell_sent(struct engine *e) {
    if (e->sent_bytes == e->told_bytes || e->events_count == QUEUE_MAX)
        return;
    struct engine_event event = {.type = ENGINE_EV_CHANNEL_SENT, .object = 7, .channel_sent = {e->sent_bytes}};
    add_event(e, &event);
    e->told_bytes = e->sent_bytes;
}

void engine_command(struct engine *engine, uint64_t now_us, const struct engine_command *command, struct span payload) {
    (void)now_us;
    while (atomic_load(&fake_engine_hold))
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    struct engine_event event = {.object = command->object};
    if (command->type == ENGINE_TRANSPORT_OPEN) {
        event.type = ENGINE_EV_TRANSPORT_STATE;
        event.transport_state.state = ENGINE_TRANSPORT_CONNECTED;
        add_event(engine, &event);
    } else if (command->type == ENGINE_CHANNEL_SEND) {
        event.type = ENGINE_EV_CHANNEL_MESSAGE;
        memcpy(engine->payload, payload.data, payload.len);
        event.payload = span_of(engine->payload, payload.len);
        event.message.charged_bytes = command->channel_send.text ? engine_channel_charge(payload.len) : 0;
        add_event(engine, &event);
    } else if (command->type == ENGINE_CHANNEL_RELEASE) {
        engine->sent_bytes += command->channel_release.bytes;
        tell_sent(engine);
    }
}

bool engine_poll_event(struct engine *engine, struct engine_event *event) {
    if (engine->events_count == 0)
        return false;
    *event = engine->events[0];
    engine->events_count--;
    memmove(engine->events, engine->events + 1, engine->events_count * sizeof *event);
    return true;
}

static bool has_path(const struct engine *e, const struct net_addr *from) {
    for (size_t i = 0; i < e->paths_count; i++) {
        if (net_addr_equal(&e->paths[i], from))
            return true;
    }
    return false;
}

enum engine_rx_result engine_input(struct engine *engine, uint64_t now_us, const struct engine_rx *rx, uint8_t *data,
                                   size_t len) {
    (void)now_us;
    struct span datagram = span_of(data, len);
    /* the promise of the caller */
    memset(data + len, 0xee, PACKET_TAILROOM);
    engine->counters.rx_datagrams++;
    bool known = has_path(engine, &rx->from);
    if (demux(datagram) == DEMUX_STUN) {
        if (steer_stun_shard(datagram) != engine->config.core)
            return ENGINE_RX_UNKNOWN;
        if (!known) {
            struct span ufrag;
            ASSERT(engine->paths_count < PATHS_MAX && ice_peek_local_ufrag(datagram, &ufrag));
            engine->proven[engine->paths_count] = ufrag.len > 2 && ufrag.data[2] == 'P';
            engine->paths[engine->paths_count++] = rx->from;
        }
    } else if (!known) {
        return ENGINE_RX_UNKNOWN;
    } else {
        engine->counters.rx_rtp++;
    }
    ASSERT(engine->tx_count < QUEUE_MAX);
    uint8_t *bytes = engine->bytes[engine->tx_count];
    memcpy(bytes, data, len);
    engine->tx[engine->tx_count++] =
        (struct engine_tx){.data = bytes, .len = (uint16_t)len, .ecn = rx->ecn, .to = rx->from, .local = rx->local};
    return ENGINE_RX_TAKEN;
}

size_t engine_poll_paths(struct engine *engine, struct engine_path *out, size_t max) {
    size_t count = 0;
    for (; engine->told < engine->paths_count && count < max; engine->told++)
        out[count++] = (struct engine_path){
            .from = engine->paths[engine->told], .added = true, .proven = engine->proven[engine->told]};
    return count;
}

void engine_path_elsewhere(struct engine *engine, const struct net_addr *from) {
    for (size_t i = 0; i < engine->paths_count; i++) {
        if (net_addr_equal(&engine->paths[i], from))
            engine->paths[i] = (struct net_addr){0};
    }
}

void engine_connection_lost(struct engine *engine, uint64_t now_us, uint32_t conn) {
    (void)now_us;
    struct engine_event event = {.type = ENGINE_EV_TRANSPORT_STATE, .object = conn};
    event.transport_state.state = ENGINE_TRANSPORT_FAILED;
    add_event(engine, &event);
}

size_t engine_poll_tx(struct engine *engine, uint64_t now_us, struct engine_tx *out, size_t max) {
    (void)now_us;
    size_t count = engine->tx_count < max ? engine->tx_count : max;
    memcpy(out, engine->tx, count * sizeof *out);
    engine->tx_count = 0;
    return count;
}

void engine_tick(struct engine *engine, uint64_t now_us, uint64_t unix_us) {
    (void)now_us;
    (void)unix_us;
    tell_sent(engine);
}

uint64_t engine_next_deadline_us(const struct engine *engine) {
    return engine->sent_bytes == engine->told_bytes ? TIME_NEVER : 1;
}

void engine_module_counters_get(const struct engine *engine, struct engine_module_counters *out) {
    (void)engine;
    *out = (struct engine_module_counters){0};
}

void engine_counters_get(const struct engine *engine, struct engine_counters *out) {
    *out = engine->counters;
}

void engine_gauges_get(const struct engine *engine, struct engine_gauges *out) {
    (void)engine;
    *out = (struct engine_gauges){0};
}
