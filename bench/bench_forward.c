/* What forwarding costs, in process: one publisher, N receivers, 1200-byte packets through the engine, without sockets.
 * Prints the nanoseconds for each forwarded packet (everything: opening once, choosing, rewriting, header, sealing) for
 * each SRTP profile and number of receivers, as the median of the rounds, and the bytes that the kinds of objects take.
 *
 *     bench_forward [rounds]
 *
 * The receivers are real transports: each did ICE and DTLS with a small peer made of the protocol modules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/assert.h"
#include "base/packet.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/time.h"
#include "media/engine.h"
#include "media/impl.h"
#include "protocol/demux.h"
#include "protocol/dtls.h"
#include "protocol/ice_client.h"

#define PEERS_MAX 401
#define PACKETS_PER_ROUND 64
#define PAYLOAD_LEN 1160 /* 1200 bytes on the wire with header, extensions and tag */
#define PWD "benchmarkbenchmarkbench"

struct peer {
    uint32_t transport;
    struct net_addr addr;
    struct ice_client ice;
    struct dtls *dtls;
    struct dtls_counters counters;
};

struct bench {
    struct engine_config config;
    struct engine *engine;
    void *memory;
    size_t len;
    struct rng rng;
    uint64_t now_us;
    struct dtls_context *server, *client;
    struct peer peers[PEERS_MAX];
    uint32_t peer_count;
    struct srtp_session tx; /* the publisher's */
    uint32_t number;
    _Alignas(8) uint8_t srtp_memory[1 << 16];
};

static uint64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct peer *peer_of(struct bench *b, const struct net_addr *addr) {
    for (uint32_t i = 0; i < b->peer_count; i++) {
        if (net_addr_equal(&b->peers[i].addr, addr))
            return &b->peers[i];
    }
    return NULL;
}

static void input(struct bench *b, const struct peer *p, const uint8_t *data, size_t len) {
    uint8_t copy[PACKET_LEN_MAX + PACKET_TAILROOM];
    memcpy(copy, data, len);
    struct engine_rx rx = {.from = p->addr};
    engine_input(b->engine, b->now_us, &rx, copy, len);
}

static uint64_t drain(struct bench *b, bool deliver) {
    struct engine_tx tx[ENGINE_TX_BATCH_MAX];
    struct engine_event event;
    uint64_t count = 0;
    for (size_t n; (n = engine_poll_tx(b->engine, b->now_us, tx, ENGINE_TX_BATCH_MAX)) > 0;) {
        count += n;
        for (size_t i = 0; deliver && i < n; i++) {
            struct peer *p = peer_of(b, &tx[i].to);
            struct span data = span_of(tx[i].data, tx[i].len);
            struct net_addr server = net_addr_v4(127, 0, 0, 1, 1);
            if (demux(data) == DEMUX_STUN)
                ice_client_input(&p->ice, b->now_us, &server, data);
            else if (demux(data) == DEMUX_DTLS)
                dtls_input(p->dtls, b->now_us, data);
        }
    }
    while (engine_poll_event(b->engine, &event)) {
    }
    return count;
}

static void peer_open(struct bench *b) {
    struct peer *p = &b->peers[b->peer_count++];
    p->addr = net_addr_v4(10, 0, (uint8_t)(b->peer_count >> 8), (uint8_t)b->peer_count, 4000);
    p->transport = b->peer_count | 1 << POOL_INDEX_BITS;
    struct engine_command c = {.type = ENGINE_TRANSPORT_OPEN, .object = p->transport};
    snprintf(c.transport_open.local_ufrag, sizeof c.transport_open.local_ufrag, "00peer%u", b->peer_count);
    strcpy(c.transport_open.local_pwd, PWD);
    engine_command(b->engine, b->now_us, &c, (struct span){0});
    ice_client_init(&p->ice, &b->rng);
    ice_client_set_remote(&p->ice, span_str(c.transport_open.local_ufrag), span_str(PWD));
    struct net_addr server = net_addr_v4(127, 0, 0, 1, 1);
    ice_client_add_candidate(&p->ice, b->now_us, &server, 1);
    p->dtls = dtls_create(b->client, DTLS_CLIENT, &p->counters);
    dtls_set_fingerprint(p->dtls, dtls_context_fingerprint(b->server));
    c = (struct engine_command){.type = ENGINE_TRANSPORT_REMOTE, .object = p->transport};
    strcpy(c.transport_remote.remote_ufrag, p->ice.local_ufrag);
    strcpy(c.transport_remote.remote_pwd, p->ice.local_pwd);
    memcpy(c.transport_remote.fingerprint_sha256, dtls_context_fingerprint(b->client), 32);
    const enum rtp_ext_kind kinds[] = {RTP_EXT_MID, RTP_EXT_TRANSPORT_SEQ, RTP_EXT_ABS_SEND_TIME};
    for (uint8_t i = 0; i < 3; i++) {
        c.transport_remote.rx_extensions[i] = (struct engine_extension){(uint8_t)(i + 1), kinds[i]};
        c.transport_remote.tx_extensions[i] = (struct engine_extension){(uint8_t)(i + 1), kinds[i]};
    }
    engine_command(b->engine, b->now_us, &c, (struct span){0});
}

static void connect_all(struct bench *b) {
    for (int step = 0; step < 400; step++) {
        b->now_us += 5000;
        for (uint32_t i = 0; i < b->peer_count; i++) {
            struct peer *p = &b->peers[i];
            uint8_t bytes[2000];
            struct net_addr to;
            ice_client_tick(&p->ice, b->now_us);
            for (struct writer w = writer_of(bytes, sizeof bytes); ice_client_poll(&p->ice, b->now_us, &w, &to);
                 w = writer_of(bytes, sizeof bytes))
                input(b, p, bytes, w.len);
            if (ice_client_selected(&p->ice, &to))
                dtls_start(p->dtls, b->now_us);
            for (struct writer w = writer_of(bytes, sizeof bytes); dtls_poll_out(p->dtls, &w);
                 w = writer_of(bytes, sizeof bytes))
                input(b, p, bytes, w.len);
        }
        engine_tick(b->engine, b->now_us, 1);
        drain(b, true);
    }
    struct engine_gauges gauges;
    engine_gauges_get(b->engine, &gauges);
    ASSERT(gauges.transports_connected == b->peer_count);
}

static void open_media(struct bench *b) {
    struct engine_command c = {.type = ENGINE_SOURCE_OPEN, .object = 1 | 1 << POOL_INDEX_BITS};
    c.source_open =
        (struct engine_source_open){.transport = b->peers[0].transport, .video = true, .layers = 1, .ssrcs = {1}};
    c.source_open.codecs[0] = (struct engine_codec_map){.codec = CODEC_VP8, .pt = 96, .rtx_pt = 97, .nack = true};
    engine_command(b->engine, b->now_us, &c, (struct span){0});
    for (uint32_t i = 1; i < b->peer_count; i++) {
        struct engine_command s = {.type = ENGINE_SINK_OPEN, .object = i | 1 << POOL_INDEX_BITS};
        s.sink_open = (struct engine_sink_open){.transport = b->peers[i].transport,
                                                .source = c.object,
                                                .mid = "1",
                                                .ssrc = 10 + 2 * i,
                                                .rtx_ssrc = 11 + 2 * i,
                                                .cname = "bench"};
        s.sink_open.codecs[0] = c.source_open.codecs[0];
        engine_command(b->engine, b->now_us, &s, (struct span){0});
    }
    struct srtp_master sealing, opening;
    ASSERT(dtls_export(b->peers[0].dtls, &sealing, &opening));
    ASSERT(srtp_size(8, 1) <= sizeof b->srtp_memory);
    ASSERT(srtp_session_init(&b->tx, b->srtp_memory, 8, 1, SRTP_SEALING, &sealing, &b->rng));
}

/* A packet of VP8: each frame is ten packets, the first a key frame. */
static size_t make_packet(struct bench *b, uint32_t number, uint8_t *out) {
    uint8_t header[32], payload[PAYLOAD_LEN] = {0x90, 0xe0, 0x80, 0, 0, 0};
    uint32_t frame = number / 10;
    payload[0] = number % 10 == 0 ? 0x90 : 0x80;
    payload[2] = (uint8_t)(0x80 | (frame >> 8 & 0x7f));
    payload[3] = (uint8_t)frame;
    payload[6] = number == 0 ? 0 : 1;
    struct rtp_header h = {
        .marker = number % 10 == 9, .pt = 96, .seq16 = (uint16_t)number, .timestamp = frame * 3000, .ssrc = 1};
    struct writer w = writer_of(header, sizeof header);
    rtp_write(&w, &h, NULL);
    size_t len;
    ASSERT(srtp_seal(&b->tx, header, w.len, span_of(payload, sizeof payload), out, 1700, &len) == SRTP_OK);
    return len;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double run(struct bench *b, uint32_t rounds) {
    static uint8_t packets[PACKETS_PER_ROUND][1700];
    static size_t lens[PACKETS_PER_ROUND];
    double *times = calloc(rounds, sizeof *times);
    for (uint32_t round = 0; round < rounds; round++) {
        for (int i = 0; i < PACKETS_PER_ROUND; i++)
            lens[i] = make_packet(b, b->number++, packets[i]);
        uint64_t forwarded = 0, start = nanoseconds();
        for (int i = 0; i < PACKETS_PER_ROUND; i++) {
            b->now_us += 1000;
            input(b, &b->peers[0], packets[i], lens[i]);
            if (i % 8 == 7) /* as many as a receive batch brings */
                forwarded += drain(b, false);
        }
        times[round] = (double)(nanoseconds() - start) / (double)forwarded;
        ASSERT(forwarded >= (uint64_t)PACKETS_PER_ROUND * (b->peer_count - 1));
    }
    qsort(times, rounds, sizeof *times, compare);
    double median = times[rounds / 2];
    free(times);
    return median;
}

/* Bytes of the engine's mapping that are in memory. */
static size_t resident(const struct bench *b) {
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[256];
    size_t bytes = 0;
    bool inside = false;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        unsigned long from, to, kb;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = from < (unsigned long)b->memory + b->len && to > (unsigned long)b->memory;
        else if (inside && sscanf(line, "Rss: %lu kB", &kb) == 1)
            bytes += kb << 10;
    }
    if (f != NULL)
        fclose(f);
    return bytes;
}

static double measure(const enum srtp_profile *profile, uint32_t receivers, uint32_t rounds, bool print_memory) {
    struct bench *b = calloc(1, sizeof *b);
    struct dtls_options options = {.profiles = profile, .profile_count = 1};
    b->rng = rng_seeded(1);
    b->now_us = 1000000000;
    b->server = dtls_context_create(1800000000, &options);
    b->client = dtls_context_create(1800000000, NULL);
    b->config = engine_config_default(512, 8, 1024);
    b->len = engine_size(&b->config);
    b->memory = mmap(NULL, b->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(b->memory != MAP_FAILED);
    b->engine = engine_init(b->memory, &b->config, b->server, &b->rng, b->now_us);
    size_t idle = resident(b);
    for (uint32_t i = 0; i <= receivers; i++)
        peer_open(b);
    connect_all(b);
    size_t connected = resident(b);
    open_media(b);
    run(b, 3);
    double median = run(b, rounds);
    size_t busy = resident(b);
    if (print_memory)
        printf(
            "resident: idle engine %zu KB; a connected transport %zu bytes (and what OpenSSL holds for its DTLS);\n"
            "a sink of video that has sent %u packets %zu bytes, its share of the source's cache and queues included\n",
            idle >> 10, (connected - idle) / b->peer_count, b->number, (busy - connected) / receivers);
    engine_destroy(b->engine);
    srtp_session_end(&b->tx);
    for (uint32_t i = 0; i < b->peer_count; i++)
        dtls_destroy(b->peers[i].dtls);
    dtls_context_destroy(b->server);
    dtls_context_destroy(b->client);
    munmap(b->memory, b->len);
    free(b);
    return median;
}

static void print_sizes(void) {
    struct engine_config config = engine_config_default(1024, 1024, 8192);
    printf("struct transport %zu bytes, source %zu, sink %zu, history of a video sink %zu, cache slots of a video "
           "layer %zu\n",
           sizeof(struct transport), sizeof(struct source), sizeof(struct sink),
           config.video_cache_packets * sizeof(struct history_entry),
           config.video_cache_packets * sizeof(struct cache_slot));
    printf(
        "mapping for 1024 transports, 1024 sources, 8192 sinks: %zu MB, of which only what is used becomes resident\n",
        engine_size(&config) >> 20);
}

int main(int argc, char **argv) {
    uint32_t rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 21;
    if (rounds == 0) {
        fprintf(stderr, "usage: bench_forward [rounds]\n");
        return 2;
    }
    static const struct {
        enum srtp_profile profile;
        const char *name;
    } profiles[] = {
        {SRTP_PROFILE_AEAD_AES_256_GCM, "AEAD_AES_256_GCM"},
        {SRTP_PROFILE_AEAD_AES_128_GCM, "AEAD_AES_128_GCM"},
        {SRTP_PROFILE_AES128_CM_SHA1_80, "AES128_CM_SHA1_80"},
    };
    static const uint32_t receivers[] = {10, 100, 400};
    print_sizes();
    measure(&profiles[0].profile, 400, rounds, true);
    printf("%-20s %10s %16s\n", "profile", "receivers", "ns per packet");
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        for (size_t j = 0; j < ARRAY_LEN(receivers); j++)
            printf("%-20s %10u %16.0f\n", profiles[i].name, receivers[j],
                   measure(&profiles[i].profile, receivers[j], rounds, false));
    }
    return 0;
}
