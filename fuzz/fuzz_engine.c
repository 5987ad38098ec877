/* The media engine with a publisher and a receiver connected. The input is a list of records (kind, length, bytes):
 * datagrams as they are, RTP, RTCP and SCTP that the harness seals with the peers' keys so that they get past
 * authentication, commands, and time. Whatever comes: nothing breaks, the receiver can open everything it is sent and
 * nothing comes twice under one number, and nothing reaches it from the other room.
 *
 * Connecting costs milliseconds, so it is done once; after each input the engine's memory is put back as it was. What
 * lies outside of it (OpenSSL's objects) only counts on. If the input closed a transport, everything is built anew. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/crc.h"
#include "base/packet.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/time.h"
#include "media/engine.h"
#include "protocol/demux.h"
#include "protocol/dtls.h"
#include "protocol/ice_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEERS 2
#define PWD "fuzzfuzzfuzzfuzzfuzzfuzz"
#define START_US UINT64_C(1000000000)
#define HANDLE(index) ((uint32_t)(index) | UINT32_C(1) << POOL_INDEX_BITS)
#define SRTP_STREAMS 64

enum kind {
    RAW,
    RTP_A,
    RTP_B,
    RTCP_A,
    RTCP_B,
    DATA_A,
    TIME,
    SETTINGS,
    MUTE,
    REOPEN,
    ELSEWHERE, /* a datagram from an address of nobody's, or of the other peer's */
    SEND,      /* a message to the publisher's data channels */
    RELEASE,   /* of what it sent */
    KINDS
};

struct peer {
    struct net_addr addr;
    struct ice_client ice;
    struct srtp_session rx, tx;
    bool keyed;
    _Alignas(8) uint8_t rx_memory[32768], tx_memory[32768];
};

/* Everything that is put back: no pointers out of it but to OpenSSL's objects and to the engine's memory. */
struct world {
    uint64_t now_us;
    struct rng rng;
    struct peer peers[PEERS];
    uint32_t video_sink, generation;
};

static struct world world, world_saved;
static struct engine *engine;
static uint8_t *memory, *memory_saved;
static size_t memory_len;
static struct dtls_context *server_context, *client_context;
static struct dtls *dtls[PEERS];
static struct dtls_counters dtls_counters;

static void take(struct peer *p, struct dtls *d, uint8_t *data, size_t len) {
    struct net_addr server = net_addr_v4(127, 0, 0, 1, 1);
    switch (demux(span_of(data, len))) {
    case DEMUX_STUN:
        ice_client_input(&p->ice, world.now_us, &server, span_of(data, len));
        break;
    case DEMUX_DTLS:
        if (!p->keyed)
            dtls_input(d, world.now_us, span_of(data, len));
        break;
    case DEMUX_RTP: {
        struct rtp_header header;
        ASSERT(p->keyed && srtp_open(&p->rx, data, &len) == SRTP_OK);
        ASSERT(rtp_parse(span_of(data, len), &header) == RTP_OK);
        ASSERT(header.ssrc >= 900 && header.ssrc < 1000000);
        break;
    }
    case DEMUX_RTCP:
        ASSERT(p->keyed && srtcp_open(&p->rx, data, &len) == SRTP_OK);
        break;
    default:
        ASSERT(false);
    }
}

static void drain(void) {
    struct engine_tx tx[32];
    struct engine_event event;
    struct engine_path paths[8];
    for (size_t n; (n = engine_poll_tx(engine, world.now_us, tx, ARRAY_LEN(tx))) > 0;) {
        for (size_t i = 0; i < n; i++) {
            uint8_t copy[PACKET_LEN_MAX];
            memcpy(copy, tx[i].data, tx[i].len);
            for (int p = 0; p < PEERS; p++) {
                if (net_addr_equal(&tx[i].to, &world.peers[p].addr))
                    take(&world.peers[p], dtls[p], copy, tx[i].len);
            }
        }
    }
    while (engine_poll_event(engine, &event)) {
    }
    while (engine_poll_paths(engine, paths, ARRAY_LEN(paths)) > 0) {
    }
}

static void input(const struct peer *from, const uint8_t *data, size_t len) {
    uint8_t copy[PACKET_LEN_MAX + PACKET_TAILROOM];
    struct engine_rx rx = {.from = from->addr};
    if (len > PACKET_LEN_MAX)
        return;
    memcpy(copy, data, len);
    engine_input(engine, world.now_us, &rx, copy, len);
    drain();
}

static void tick(uint64_t us) {
    world.now_us += us;
    engine_tick(engine, world.now_us, UINT64_C(1800000000000000) + world.now_us);
    drain();
}

static void command(const struct engine_command *c) {
    engine_command(engine, world.now_us, c, (struct span){0});
    drain();
}

/* ---- setting up ---------------------------------------------------------------------------------------------------
 */

static void describe(uint32_t i) {
    struct engine_command c = {.type = ENGINE_TRANSPORT_REMOTE, .object = HANDLE(i)};
    static const enum rtp_ext_kind kinds[] = {
        RTP_EXT_MID,           RTP_EXT_RID,           RTP_EXT_REPAIRED_RID,          RTP_EXT_AUDIO_LEVEL,
        RTP_EXT_TRANSPORT_SEQ, RTP_EXT_ABS_SEND_TIME, RTP_EXT_DEPENDENCY_DESCRIPTOR, RTP_EXT_PLAYOUT_DELAY};
    memcpy(c.transport_remote.remote_ufrag, world.peers[i].ice.local_ufrag, sizeof world.peers[i].ice.local_ufrag);
    memcpy(c.transport_remote.remote_pwd, world.peers[i].ice.local_pwd, sizeof world.peers[i].ice.local_pwd);
    memcpy(c.transport_remote.fingerprint_sha256, dtls_context_fingerprint(client_context), DTLS_FINGERPRINT_LEN);
    c.transport_remote.data_channels = true;
    c.transport_remote.feedback_transport_wide = true;
    c.transport_remote.feedback_remb_receive = true;
    for (uint8_t k = 0; k < ARRAY_LEN(kinds); k++) {
        c.transport_remote.rx_extensions[k] = (struct engine_extension){(uint8_t)(k + 1), kinds[k]};
        c.transport_remote.tx_extensions[k] = (struct engine_extension){(uint8_t)(k + 1), kinds[k]};
    }
    command(&c);
}

static void open_transport(uint32_t i) {
    struct peer *p = &world.peers[i];
    struct net_addr server = net_addr_v4(127, 0, 0, 1, 1);
    p->addr = net_addr_v4(10, 0, 0, (uint8_t)(i + 1), 4000);
    struct engine_command c = {.type = ENGINE_TRANSPORT_OPEN, .object = HANDLE(i)};
    memcpy(c.transport_open.local_ufrag, "00fuzzA", 8);
    c.transport_open.local_ufrag[6] = (char)('A' + i);
    memcpy(c.transport_open.local_pwd, PWD, sizeof PWD);
    c.transport_open.room = 1;
    command(&c);
    ice_client_init(&p->ice, &world.rng);
    ice_client_set_remote(&p->ice, span_str(c.transport_open.local_ufrag), span_str(PWD));
    ice_client_add_candidate(&p->ice, world.now_us, &server, 1);
    dtls[i] = dtls_create(client_context, DTLS_CLIENT, &dtls_counters);
    dtls_set_fingerprint(dtls[i], dtls_context_fingerprint(server_context));
    describe(i);
}

static void connect_step(uint32_t i) {
    struct peer *p = &world.peers[i];
    uint8_t bytes[DTLS_DATAGRAM_LEN_MAX];
    struct net_addr to;
    struct writer w = writer_of(bytes, sizeof bytes);
    ice_client_tick(&p->ice, world.now_us);
    for (; ice_client_poll(&p->ice, world.now_us, &w, &to); w.len = 0)
        input(p, bytes, w.len);
    if (p->keyed || !ice_client_selected(&p->ice, &to))
        return;
    dtls_start(dtls[i], world.now_us);
    for (w.len = 0; dtls_poll_out(dtls[i], &w); w.len = 0)
        input(p, bytes, w.len);
    struct srtp_master sealing, opening;
    if (!dtls_export(dtls[i], &sealing, &opening))
        return;
    ASSERT(srtp_size(SRTP_STREAMS, 1) <= sizeof p->rx_memory);
    p->keyed = srtp_session_init(&p->rx, p->rx_memory, SRTP_STREAMS, 1, SRTP_OPENING, &opening, &world.rng) &&
               srtp_session_init(&p->tx, p->tx_memory, SRTP_STREAMS, 1, SRTP_SEALING, &sealing, &world.rng);
    ASSERT(p->keyed);
}

static const struct engine_codec_map video_codecs[ENGINE_SOURCE_CODECS_MAX] = {
    {CODEC_VP8, 96, 97, true}, {CODEC_VP9, 98, 99, true}, {CODEC_AV1, 45, 46, true}, {CODEC_H264, 108, 109, true}};

static void open_sink(uint32_t index, uint32_t source, uint32_t ssrc, bool video) {
    struct engine_command c = {.type = ENGINE_SINK_OPEN,
                               .object = index | (1 + world.generation % 4000) << POOL_INDEX_BITS};
    c.sink_open = (struct engine_sink_open){.transport = HANDLE(1),
                                            .source = source,
                                            .mid = "v",
                                            .ssrc = ssrc,
                                            .rtx_ssrc = video ? ssrc + 1 : 0,
                                            .cname = "fuzz"};
    if (video)
        memcpy(c.sink_open.codecs, video_codecs, sizeof video_codecs);
    else
        c.sink_open.codecs[0] = (struct engine_codec_map){CODEC_OPUS, 111, 0, false};
    command(&c);
    if (video)
        world.video_sink = c.object;
}

static void open_media(void) {
    struct engine_command c = {.type = ENGINE_SOURCE_OPEN, .object = HANDLE(0)};
    c.source_open = (struct engine_source_open){.transport = HANDLE(0),
                                                .video = true,
                                                .layers = 3,
                                                .mid = "1",
                                                .rids = {"q", "h", "f"},
                                                .ssrcs = {101, 102, 103},
                                                .rtx_ssrcs = {201, 202, 203}};
    memcpy(c.source_open.codecs, video_codecs, sizeof video_codecs);
    command(&c);
    struct engine_command single = {.type = ENGINE_SOURCE_OPEN, .object = HANDLE(1)};
    single.source_open = (struct engine_source_open){
        .transport = HANDLE(0), .video = true, .layers = 1, .mid = "2", .ssrcs = {104}, .rtx_ssrcs = {204}};
    memcpy(single.source_open.codecs, video_codecs, sizeof video_codecs);
    command(&single);
    struct engine_command audio = {.type = ENGINE_SOURCE_OPEN, .object = HANDLE(2)};
    audio.source_open = (struct engine_source_open){.transport = HANDLE(0), .layers = 1, .mid = "0", .ssrcs = {105}};
    audio.source_open.codecs[0] = (struct engine_codec_map){CODEC_OPUS, 111, 0, true};
    command(&audio);
    open_sink(0, HANDLE(0), 901, true);
    open_sink(1, HANDLE(1), 903, true);
    open_sink(2, HANDLE(2), 905, false);
}

static void tear_down(void) {
    if (engine == NULL)
        return;
    engine_destroy(engine);
    engine = NULL;
    for (uint32_t i = 0; i < PEERS; i++) {
        dtls_destroy(dtls[i]);
        srtp_session_end(&world.peers[i].rx);
        srtp_session_end(&world.peers[i].tx);
    }
}

static void set_up(void) {
    tear_down();
    struct engine_config config = engine_config_default(4, 4, 8);
    config.packets_max = 512;
    config.data_blocks_max = 64;
    config.tx_queue_max = 1024;
    config.video_cache_packets = 64;
    config.audio_cache_packets = 16;
    if (memory == NULL) {
        server_context = dtls_context_create(1800000000, NULL);
        client_context = dtls_context_create(1800000000, NULL);
        memory_len = engine_size(&config);
        memory = calloc(1, memory_len);
        memory_saved = malloc(memory_len);
        ASSERT(memory != NULL && memory_saved != NULL);
    }
    memset(memory, 0, memory_len);
    memset(&world, 0, sizeof world);
    world.now_us = START_US;
    world.rng = rng_seeded(1);
    engine = engine_init(memory, &config, server_context, &world.rng, world.now_us);
    for (uint32_t i = 0; i < PEERS; i++)
        open_transport(i);
    for (int step = 0; step < 200 && !(world.peers[0].keyed && world.peers[1].keyed); step++) {
        tick(10000);
        for (uint32_t i = 0; i < PEERS; i++)
            connect_step(i);
    }
    ASSERT(world.peers[0].keyed && world.peers[1].keyed);
    open_media();
    memcpy(memory_saved, memory, memory_len);
    world_saved = world;
}

/* ---- records --------------------------------------------------------------------------------------------------------
 */

static void seal_rtp(struct peer *p, struct span plain) {
    struct rtp_header header;
    uint8_t out[PACKET_LEN_MAX];
    size_t len;
    if (plain.len > 1500 || rtp_parse_clear(plain, &header) != RTP_OK)
        return;
    if (srtp_seal(&p->tx, plain.data, header.header_len, header.payload, out, sizeof out, &len) == SRTP_OK)
        input(p, out, len);
}

static void seal_rtcp(struct peer *p, struct span plain) {
    uint8_t out[PACKET_LEN_MAX];
    size_t len;
    if (plain.len >= 8 && plain.len <= 1500 && srtcp_seal(&p->tx, plain, out, sizeof out, &len) == SRTP_OK)
        input(p, out, len);
}

static void seal_data(struct span plain) {
    uint8_t copy[DTLS_DATA_LEN_MAX], out[DTLS_DATAGRAM_LEN_MAX];
    if (plain.len < 12 || plain.len > sizeof copy)
        return;
    memcpy(copy, plain.data, plain.len);
    memset(copy + 8, 0, 4); /* the checksum, RFC 9260 appendix A: least significant byte first */
    uint32_t sum = crc32c(copy, plain.len);
    for (int i = 0; i < 4; i++)
        copy[8 + i] = (uint8_t)(sum >> (8 * i));
    struct writer w = writer_of(out, sizeof out);
    if (dtls_seal(dtls[0], span_of(copy, plain.len), &w))
        input(&world.peers[0], out, w.len);
}

static void reopen(uint8_t how) {
    struct engine_command c = {.type = ENGINE_SINK_CLOSE, .object = world.video_sink};
    command(&c);
    world.generation++;
    open_sink(1, HANDLE(how & 1), 10000 + world.generation * 2, true);
}

static void from_elsewhere(uint8_t where, struct span bytes) {
    struct peer stranger = {.addr = net_addr_v4(203, 0, 113, where, 4000)};
    if (bytes.len > 0)
        input((where & 1) != 0 ? &world.peers[where >> 1 & 1] : &stranger, bytes.data, bytes.len);
}

static void send_message(uint8_t which, struct span bytes) {
    static const char *const labels[] = {"_reliable", "_lossy", "", "x"};
    static uint8_t message[ENGINE_MESSAGE_LEN_MAX];
    struct engine_command c = {.type = ENGINE_CHANNEL_SEND, .object = HANDLE(which >> 2 & 1)};
    size_t len = (size_t)which * 257 + bytes.len;
    len = len < sizeof message ? len : sizeof message;
    strcpy(c.channel_send.label, labels[which & 3]);
    c.channel_send.payload_len = (uint32_t)len;
    engine_command(engine, world.now_us, &c, span_of(message, len));
    drain();
}

static void record(enum kind kind, struct span bytes) {
    uint8_t first = bytes.len > 0 ? bytes.data[0] : 0, second = bytes.len > 1 ? bytes.data[1] : 0;
    struct engine_command c = {.object = world.video_sink};
    switch (kind) {
    case RAW:
        if (bytes.len > 0)
            input(&world.peers[first & 1], bytes.data, bytes.len);
        break;
    case RTP_A:
    case RTP_B:
        seal_rtp(&world.peers[kind == RTP_B], bytes);
        break;
    case RTCP_A:
    case RTCP_B:
        seal_rtcp(&world.peers[kind == RTCP_B], bytes);
        break;
    case DATA_A:
        seal_data(bytes);
        break;
    case TIME:
        tick((uint64_t)(first + 1) * 2000);
        break;
    case SETTINGS:
        c.type = ENGINE_SINK_SETTINGS;
        c.sink_settings =
            (struct engine_sink_settings){first & 1, first >> 1 & 3, first >> 3 & 7, second, first >> 6 & 1};
        command(&c);
        break;
    case MUTE:
        c = (struct engine_command){
            .type = ENGINE_SOURCE_MUTE, .object = HANDLE(first % 3), .source_mute = {second & 1}};
        command(&c);
        break;
    case REOPEN:
        if (world.generation < 20)
            reopen(first);
        break;
    case ELSEWHERE:
        from_elsewhere(first, bytes);
        break;
    case SEND:
        send_message(first, bytes);
        break;
    case RELEASE:
        c = (struct engine_command){.type = ENGINE_CHANNEL_RELEASE, .object = HANDLE(first & 1)};
        c.channel_release.bytes = (uint32_t)first << 16 | (uint32_t)second << 8;
        command(&c);
        break;
    case KINDS:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (engine == NULL)
        set_up();
    struct reader r = reader_of(data, size);
    while (reader_left(&r) >= 3) {
        enum kind kind = (enum kind)(rd_u8(&r) % KINDS);
        size_t len = rd_u16(&r);
        if (len > reader_left(&r))
            len = reader_left(&r);
        record(kind, rd_span(&r, len));
    }
    tick(200000);
    struct engine_gauges gauges;
    engine_gauges_get(engine, &gauges);
    if (gauges.transports_connected < PEERS || dtls_state(dtls[0]) != DTLS_CONNECTED) {
        set_up();
        return 0;
    }
    memcpy(memory, memory_saved, memory_len);
    world = world_saved;
    return 0;
}
