/* The media engine: one shard of the SFU, sans-IO.
 *
 *                    commands (engine_command)             events (engine_poll_event)
 *      control thread ------------------------>  engine  ---------------------------> control thread
 *                                                ^    |
 *                     datagrams (engine_input)   |    |  descriptors (engine_poll_tx)
 *                                             io layer or simulator
 *
 * An engine owns transports (ICE-lite + DTLS + SRTP + SCTP on one 5-tuple), sources (a published track, with one stream
 * per simulcast layer) and sinks (a source forwarded to one transport). A room lives on one engine. A media thread
 * drives one engine; the simulator drives several from one thread. The engine never calls back: everything it has to
 * say comes out of the two poll functions.
 *
 * The law: after any input, command or tick, call engine_poll_tx until it answers 0 and engine_poll_event until it
 * answers false, then sleep until engine_next_deadline_us. Who has no room for events may leave them for a while: they
 * wait in a queue (512 kB), then messages wait in their associations. Several inputs may be given before the polls: that makes
 * longer runs for one destination. Events are valid until the next call that is not a poll, descriptors until the next
 * engine_poll_tx.
 *
 * Handles (`transport`, `source`, `sink`) are allotted by the control side with base/pool.h (index and generation), so
 * that it can name an object in the next command without waiting for an answer; the engine checks them
 * (pool_take_handle). Commands about dead handles are counted and ignored, as are events about dead handles on the
 * other side: both can cross on the way. Commands are applied in order.
 *
 * No allocation after init but inside OpenSSL: for a DTLS object, which is made when a verified address sends DTLS (or,
 * in the client role, after the first authenticated STUN check), and for the MAC of a check; none for media. Everything
 * is bounded by struct engine_config; what does not fit is refused with ENGINE_EV_REFUSED or dropped with a counter.
 *
 * RFC 8445 (ICE-lite), 6347/5764 (DTLS-SRTP), 3711/7714 (SRTP), 3550/4585/5104/8285 (RTP, RTCP), 4588 (RTX), 8831 (data
 * channels). */
#ifndef CONCLAVE_MEDIA_ENGINE_H
#define CONCLAVE_MEDIA_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"
#include "base/net.h"
#include "protocol/codec.h"
#include "protocol/dcep.h"
#include "protocol/dtls.h"
#include "protocol/ice_lite.h"
#include "protocol/rtcp.h"
#include "protocol/rtp.h"
#include "protocol/sctp.h"

struct rng;
struct engine;

/* ---- limits ---------------------------------------------------------------------------------------------------- */

/* rids of a simulcast track: LiveKit clients send at most q, h, f. */
#define ENGINE_LAYERS_MAX 3
/* RFC 8852 allows longer rids and mids; browsers use 1 to 3 characters, 16 leaves room and keeps structs small. */
#define ENGINE_RID_LEN_MAX 16
#define ENGINE_MID_LEN_MAX 16
/* Codecs that one source may switch between during its life (RED and Opus; VP8 and a fallback). */
#define ENGINE_SOURCE_CODECS_MAX 4
/* Header extensions that a transport may negotiate and the engine understands. */
#define ENGINE_EXTENSIONS_MAX 16
#define ENGINE_UFRAG_LEN_MAX 32
#define ENGINE_PWD_LEN_MAX 64
#define ENGINE_LABEL_LEN_MAX 64
/* Data channels a transport may have open: LiveKit uses 3, WHIP none; the rest is for applications. */
#define ENGINE_CHANNELS_MAX 16
#define ENGINE_MESSAGE_LEN_MAX 65535
/* Reliable messages are never dropped for want of room: both sides have windows, charged by what a message really holds
 * (blocks, the head of an event), so that many small ones cost what they are. See engine_channel_charge.
 *   RX: what one peer sent and the control side has not released yet. Beyond it messages stay in the association, whose
 *       window towards the peer closes by itself.
 *   TX: what the control side may have in the send buffer of one transport (SCTP_BUFFER_BYTES); the rest is for what is
 *       lossy. */
#define ENGINE_CHANNEL_UNIT_BYTES DATA_CHANNEL_UNIT_BYTES
#define ENGINE_CHANNEL_RX_WINDOW_BYTES (128u << 10)
#define ENGINE_CHANNEL_TX_WINDOW_BYTES (192u << 10)
/* Sources named in one levels event. */
#define ENGINE_LEVELS_MAX 64
#define ENGINE_TX_BATCH_MAX 256

struct engine_config {
    uint32_t transports_max;
    uint32_t sources_max;
    uint32_t sinks_max;
    uint32_t packets_max;     /* slots in the arena: caches of sources and transmit slots */
    uint32_t data_blocks_max; /* blocks of the shared SCTP buffer pool */
    uint32_t
        tx_queue_max; /* media packets waiting for engine_poll_tx: inputs between two polls times their receivers */
    uint32_t
        video_cache_packets; /* retransmission cache of a video layer, a power of two (512: 1 s at 500 packets/s) */
    uint32_t audio_cache_packets; /* of an audio source (64: 1.28 s at 20 ms) */
    uint64_t pli_interval_us;     /* least time between two PLIs to one layer: 500 ms */
    uint64_t levels_interval_us;  /* how often audio levels are reported: 500 ms */
    uint64_t stats_interval_us;   /* how often transport statistics are reported: 5 s */
    uint16_t core;                /* number of the thread that drives this engine */
};

/* Defaults as named above, for a few hundred participants; the three caller-supplied maxima scale the rest. */
struct engine_config engine_config_default(uint32_t transports_max, uint32_t sources_max, uint32_t sinks_max);
/* Bytes of memory for an engine. The memory should come from untouched zero pages (anonymous mapping): what is not used
 * is then not resident. */
size_t engine_size(const struct engine_config *config);
/* `dtls` (certificate, shared, read-only after setup) and `rng` (fit for secrets) outlive the engine. */
struct engine *engine_init(void *memory, const struct engine_config *config, struct dtls_context *dtls, struct rng *rng,
                           uint64_t now_us);
/* Closes what is open, frees what OpenSSL holds and wipes keys; the memory goes back to the caller. To let close_notify
 * out, close the transports and poll before. */
void engine_destroy(struct engine *engine);

/* ---- commands -------------------------------------------------------------------------------------------------- */

enum engine_command_type {
    ENGINE_TRANSPORT_OPEN,    /* .transport_open */
    ENGINE_TRANSPORT_REMOTE,  /* .transport_remote: after the first and every later description of the peer */
    ENGINE_TRANSPORT_RESTART, /* .transport_open.local_*: new local ICE credentials; REMOTE follows */
    ENGINE_TRANSPORT_CLOSE,   /* closes its sources, sinks and channels as well; sends close_notify */
    ENGINE_SOURCE_OPEN,       /* .source_open */
    ENGINE_SOURCE_MUTE,       /* .source_mute: a forced mute: media is dropped here until it is lifted */
    ENGINE_SOURCE_CLOSE,      /* its sinks are closed as well */
    ENGINE_SINK_OPEN,         /* .sink_open */
    ENGINE_SINK_SETTINGS,     /* .sink_settings */
    ENGINE_SINK_CLOSE,
    ENGINE_CHANNEL_OPEN,     /* .channel_open: a data channel opened by us */
    ENGINE_CHANNEL_SEND,     /* .channel_send with payload bytes */
    ENGINE_CHANNEL_RELEASE,  /* .channel_release: so much of what the peer sent reliably was passed on; its window
                                advances */
    ENGINE_KEYFRAME_REQUEST, /* object = source: PLI to every active layer, throttled */
};

struct engine_extension {
    uint8_t id; /* 1..255, 0 = unused entry */
    enum rtp_ext_kind kind;
};

struct engine_transport_open {
    uint64_t
        room; /* opaque tag: sinks only join a source and a transport of the same room (asserted on every forward) */
    char local_ufrag[ENGINE_UFRAG_LEN_MAX + 1]; /* unique within the engine */
    char local_pwd[ENGINE_PWD_LEN_MAX + 1];
    bool dtls_client; /* our DTLS role; false = server (a=setup:passive), preferred */
};

struct engine_transport_remote {
    char remote_ufrag[ENGINE_UFRAG_LEN_MAX + 1];
    char remote_pwd[ENGINE_PWD_LEN_MAX + 1];
    bool dtls_client; /* our role as finally agreed; ignored once DTLS has started */
    uint8_t fingerprint_sha256[32];
    bool data_channels;            /* an application section was negotiated: start SCTP after DTLS */
    uint32_t data_message_len_max; /* the peer's a=max-message-size, 0 = RFC 8841 default 64 kB */
    bool feedback_transport_wide;  /* we send transport-wide feedback for what we receive */
    bool feedback_remb_receive;    /* the peer sends REMB or transport-wide feedback for what it receives */
    bool
        feedback_remb_send; /* we send REMB for what we receive; only when transport-wide feedback was not negotiated */
    /* One id space per bundle and direction (RFC 9143 section 15): ids in packets from the peer, and in packets to it.
     */
    struct engine_extension rx_extensions[ENGINE_EXTENSIONS_MAX];
    struct engine_extension tx_extensions[ENGINE_EXTENSIONS_MAX];
};

struct engine_codec_map {
    enum codec codec; /* CODEC_UNKNOWN ends the list */
    uint8_t pt;
    uint8_t rtx_pt; /* 0 = no retransmission payload type */
    bool nack;      /* generic NACK negotiated for it */
};

struct engine_source_open {
    uint32_t transport;
    bool video;
    bool screen;
    char mid[ENGINE_MID_LEN_MAX + 1];
    struct engine_codec_map codecs[ENGINE_SOURCE_CODECS_MAX];
    uint8_t layers; /* simulcast streams expected: 0 or 1 = a single stream */
    /* Empty without rids. From the lowest quality to the best as far as the caller can tell: names and their order say
     * nothing of size (RFC 8853 section 5.1 orders by preference). What the pictures say of themselves counts more, and
     * where they are silent (encrypted, or of equal size) and `order_known` is not set, the rates do. */
    char rids[ENGINE_LAYERS_MAX][ENGINE_RID_LEN_MAX + 1];
    bool order_known;                  /* by names that everybody uses in one sense, or by sizes that signalling told */
    uint32_t ssrcs[ENGINE_LAYERS_MAX]; /* 0 = unknown: learned from mid/rid, or from the mid's only stream */
    uint32_t rtx_ssrcs[ENGINE_LAYERS_MAX]; /* 0 = unknown: learned from rrid */
};

struct engine_sink_open {
    uint32_t transport;
    uint32_t source;
    char mid[ENGINE_MID_LEN_MAX + 1]; /* of the receiver's section; sent in the mid extension when negotiated */
    uint32_t ssrc;                    /* ours towards this receiver; one of a closed sink goes on with its numbers */
    uint32_t rtx_ssrc;                /* 0 = no retransmission stream */
    struct engine_codec_map codecs[ENGINE_SOURCE_CODECS_MAX]; /* the receiver's payload types */
    char cname[33]; /* of the publisher towards this room, zero terminated, random text */
};

/* What the subscriber wants, worked out by the room from its settings; the engine's allocator decides what it gets. */
struct engine_sink_settings {
    bool enabled;         /* false: nothing is forwarded (hidden tile, muted subscription) */
    uint8_t max_spatial;  /* 0..2: highest simulcast stream, counted from the smallest, or SVC spatial layer */
    uint8_t max_temporal; /* 0..3, 3 = all */
    uint8_t priority;     /* higher gets bandwidth first; screen share and speaker above the rest */
    bool allow_pause;     /* may the allocator stop it when bandwidth is short */
};

struct engine_channel_open {
    char label[ENGINE_LABEL_LEN_MAX + 1];
    bool ordered;
    bool reliable; /* otherwise max_retransmits counts */
    uint16_t max_retransmits;
};

struct engine_channel_send {
    char label[ENGINE_LABEL_LEN_MAX + 1]; /* the open channel with this label; dropped and counted if there is none */
    bool text;                            /* PPID 51 instead of 53 */
    uint32_t payload_len;                 /* bytes that follow (see engine_command) */
};

/* What a message of this length takes of a window. */
static inline uint32_t engine_channel_charge(size_t len_bytes) {
    return data_channel_charge(len_bytes);
}

struct engine_command {
    enum engine_command_type type;
    uint32_t object; /* the transport, source or sink that the command is about */
    union {
        struct engine_transport_open transport_open;
        struct engine_transport_remote transport_remote;
        struct engine_source_open source_open;
        struct {
            bool muted;
        } source_mute;
        struct engine_sink_open sink_open;
        struct engine_sink_settings sink_settings;
        struct engine_channel_open channel_open;
        struct engine_channel_send channel_send;
        struct {
            uint32_t bytes; /* the sum of charged_bytes of messages, each given back once */
        } channel_release;
    };
};

/* `payload` is borrowed for the call; empty but for ENGINE_CHANNEL_SEND. */
void engine_command(struct engine *engine, uint64_t now_us, const struct engine_command *command, struct span payload);

/* ---- events ---------------------------------------------------------------------------------------------------- */

enum engine_event_type {
    ENGINE_EV_TRANSPORT_STATE, /* .transport_state */
    ENGINE_EV_SOURCE_STARTED,  /* .source_started: first authenticated RTP packet of a source (and again for each new
                                  layer) */
    ENGINE_EV_CHANNEL_OPENED,  /* .channel: a data channel is usable (theirs or ours) */
    ENGINE_EV_CHANNEL_CLOSED,  /* .channel */
    ENGINE_EV_CHANNEL_MESSAGE, /* .message, payload in engine_event.payload */
    ENGINE_EV_CHANNEL_SENT,    /* .channel_sent: reliable messages left the send buffer: the TX window advances */
    ENGINE_EV_LEVELS,          /* .levels: audio levels of the last interval, those that changed or are audible */
    ENGINE_EV_STATS,           /* .stats: one transport, once per stats interval while it is connected */
    ENGINE_EV_STREAM_STATE,    /* .stream_state: the allocator paused or resumed a sink */
    ENGINE_EV_SINK_LAYER,      /* .sink_layer: what is really forwarded changed */
    ENGINE_EV_REFUSED,         /* .refused: a command did not fit into the limits; ENGINE_CHANNEL_SEND only for reliable
                                  messages, object = transport: its stream has a hole now */
};

enum engine_transport_state {
    ENGINE_TRANSPORT_NEW,
    ENGINE_TRANSPORT_CHECKING,     /* first authenticated check seen */
    ENGINE_TRANSPORT_CONNECTED,    /* ICE and DTLS done */
    ENGINE_TRANSPORT_DISCONNECTED, /* nothing authentic for 7 s; may come back */
    ENGINE_TRANSPORT_FAILED,       /* consent expired (30 s, RFC 7675), DTLS failed or fingerprint mismatch: close it */
    ENGINE_TRANSPORT_CLOSED,       /* the peer sent close_notify */
};

struct engine_level {
    uint32_t source;
    uint8_t level_dbov;       /* 0 loudest .. 127 silence (RFC 6464): the loudest smoothed value in the interval */
    uint16_t active_permille; /* share of the interval's packets louder than the threshold */
};

struct engine_stats {
    uint32_t rtt_us;           /* 0 = unknown */
    uint16_t rx_loss_permille; /* of what the peer publishes, after its own retransmission: not recovered */
    uint16_t tx_loss_permille; /* of what we send, from its feedback */
    uint32_t rx_jitter_us;
    uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets;
    uint32_t tx_estimate_bps; /* first estimate of the path to the peer; 0 = none */
    uint32_t tx_allocated_bps;
    bool tcp;
};

struct engine_event {
    enum engine_event_type type;
    uint32_t object;
    struct span payload; /* ENGINE_EV_CHANNEL_MESSAGE only; valid until the next non-poll call */
    union {
        struct {
            enum engine_transport_state state;
        } transport_state;
        struct {
            enum codec codec;
            uint8_t pt;
            uint8_t layer; /* as in engine_source_open */
            uint32_t ssrc;
        } source_started;
        struct {
            char label[ENGINE_LABEL_LEN_MAX + 1];
        } channel;
        struct {
            char label[ENGINE_LABEL_LEN_MAX + 1];
            bool text;
            uint32_t charged_bytes; /* of the RX window, to be given back by ENGINE_CHANNEL_RELEASE; 0 = not reliable */
        } message;
        struct {
            /* Charges of all reliable ENGINE_CHANNEL_SENDs of this transport, ever, that its peer acknowledged (or
             * whose channel is gone). A sum, so that an event for which there was no room is made good by the next. */
            uint64_t total_bytes;
        } channel_sent;
        struct {
            uint32_t count;
            struct engine_level level[ENGINE_LEVELS_MAX];
        } levels;
        struct engine_stats stats;
        struct {
            bool paused;
        } stream_state;
        struct {
            int8_t spatial; /* counted from the smallest */
            int8_t temporal;
        } sink_layer; /* -1 = nothing */
        struct {
            enum engine_command_type command;
        } refused;
    };
};

bool engine_poll_event(struct engine *engine, struct engine_event *event);

/* ---- datagrams ------------------------------------------------------------------------------------------------- */

struct engine_rx {
    struct net_addr from;
    struct net_addr local; /* the address it arrived at, as advertised; family 0 = unknown */
    uint8_t ecn;
};

enum engine_rx_result {
    ENGINE_RX_TAKEN,
    ENGINE_RX_DROPPED, /* counted */
    ENGINE_RX_UNKNOWN, /* no transport of this engine has this ufrag or address: another shard may (io hands it over) */
};

/* One datagram (UDP, or one RFC 4571 frame over TCP). `data` is borrowed, writable (SRTP opens in place) and must have
 * PACKET_TAILROOM writable bytes behind `len`. */
enum engine_rx_result engine_input(struct engine *engine, uint64_t now_us, const struct engine_rx *rx, uint8_t *data,
                                   size_t len);

/* Remote addresses that this engine has authenticated since the last call: how io learns to steer 5-tuples to shards.
 * Returns how many were written; `added` false = forgotten. `proven`: the peer answered from there; before that a check
 * with a forged source may name anybody's address. An address is told again when it is proven. */
struct engine_path {
    struct net_addr from;
    bool added, proven;
};
size_t engine_poll_paths(struct engine *engine, struct engine_path *out, size_t max);
/* Another engine's transport has proven to be at this address: what comes from there is not for ours any more, until one
 * of them proves to be there after that. Nothing is told about it. */
void engine_path_elsewhere(struct engine *engine, const struct net_addr *from);

/* A TCP connection was closed or refused more bytes: paths over it are dead at once. */
void engine_connection_lost(struct engine *engine, uint64_t now_us, uint32_t conn);

/* One datagram to send. The bytes lie in the engine's transmit slots, which are few so that they stay in the cache:
 * they are valid until the next engine_poll_tx or other call that is not engine_poll_event or engine_poll_paths. Runs
 * of descriptors with the same destination are adjacent where possible, so that a backend can use segmentation offload.
 */
struct engine_tx {
    const uint8_t *data;
    uint16_t len;
    uint8_t ecn;
    uint8_t priority;    /* 0 audio and control, 1 retransmission, 2 video, 3 padding */
    uint64_t release_us; /* not before; 0 = now (a pacer sets it later) */
    struct net_addr to;
    struct net_addr local; /* source address to send from; family 0 = any */
};

/* Returns how many descriptors were written, at most `max` and at most ENGINE_TX_BATCH_MAX. Call until 0. */
size_t engine_poll_tx(struct engine *engine, uint64_t now_us, struct engine_tx *out, size_t max);

void engine_tick(struct engine *engine, uint64_t now_us, uint64_t unix_us);
uint64_t engine_next_deadline_us(const struct engine *engine);

/* ---- insight --------------------------------------------------------------------------------------------------- */

#define ENGINE_COUNTERS(X)                                                                                             \
    X(rx_datagrams, "datagrams taken in")                                                                              \
    X(rx_bytes, "bytes taken in")                                                                                      \
    X(rx_unknown, "datagrams of no known transport")                                                                   \
    X(rx_dropped_malformed, "datagrams dropped as malformed")                                                          \
    X(rx_dropped_auth, "datagrams dropped because authentication failed")                                              \
    X(rx_dropped_replay, "SRTP and SRTCP packets dropped as replayed or too old")                                      \
    X(rx_dropped_state, "datagrams dropped because the transport was not ready for them")                              \
    X(rx_dropped_ssrc, "RTP packets whose stream could not be matched to a source")                                    \
    X(rx_rtp, "RTP packets accepted")                                                                                  \
    X(rx_rtx, "retransmitted RTP packets accepted")                                                                    \
    X(rx_rtcp, "RTCP packets accepted")                                                                                \
    X(rx_stun, "STUN messages answered")                                                                               \
    X(rx_dtls, "DTLS datagrams taken")                                                                                 \
    X(rx_duplicate, "RTP packets that had been received before")                                                       \
    X(rx_late, "RTP packets that came too late to be placed")                                                          \
    X(rx_padding, "RTP packets of padding only")                                                                       \
    X(rx_lost, "RTP packets of publishers that were given up")                                                         \
    X(tx_datagrams, "datagrams handed to the backend")                                                                 \
    X(tx_bytes, "bytes handed to the backend")                                                                         \
    X(tx_rtp, "RTP packets forwarded")                                                                                 \
    X(tx_rtx, "RTP packets retransmitted on request")                                                                  \
    X(tx_nack, "sequence numbers asked for again")                                                                     \
    X(tx_pli, "key frames asked for")                                                                                  \
    X(pli_throttled, "key frame requests absorbed by the throttle")                                                    \
    X(pli_rationed, "key frame requests of receivers who ask for them all the time")                                   \
    X(rtx_missed, "retransmissions asked for but no longer in the cache")                                              \
    X(rtx_throttled, "retransmissions refused because asked for too often")                                            \
    X(drop_no_slot, "packets dropped because no packet slot was free")                                                 \
    X(drop_tx_queue, "datagrams dropped because the transmit queue was full")                                          \
    X(drop_forced_mute, "packets dropped because the track was muted by force")                                        \
    X(drop_transport_queue, "packets dropped because too many were waiting for one receiver")                          \
    X(drop_path_queue, "learned addresses not told because too many were waiting")                                     \
    X(drop_unproven, "datagrams not sent because nobody had proved yet to be at their destination")                    \
    X(drop_seal, "packets that could not be sealed")                                                                   \
    X(layers_ranked, "times that pictures or rates put simulcast layers in another order")                             \
    X(tx_fill, "packets of padding sent in place of packets left out")                                                 \
    X(drop_event_queue, "events dropped because the event queue was full")                                             \
    X(channel_send_dropped, "lossy data messages dropped: no channel, or too many waited for the receiver")            \
    X(channel_send_refused, "reliable data messages that could not be taken: the receiver's stream has a hole")        \
    X(channel_held, "times that messages of a peer had to wait: for what it sent before, or for its share")            \
    X(channel_release_excess, "bytes released beyond what was charged")                                                \
    X(command_stale, "commands about objects that no longer exist")                                                    \
    X(command_refused, "commands that did not fit into the limits")                                                    \
    X(dtls_failed, "DTLS handshakes failed")                                                                           \
    X(consent_expired, "transports closed for lack of consent")
COUNTERS_DEFINE(engine_counters, ENGINE_COUNTERS)

/* Counters of the protocol modules, summed over the engine's transports. */
struct engine_module_counters {
    struct ice_lite_counters ice;
    struct dtls_counters dtls;
    struct sctp_counters sctp;
    struct dcep_counters dcep;
    struct rtcp_counters rtcp;
};

struct engine_gauges {
    uint32_t transports, transports_connected, sources, sinks, packets_used, packets_max, data_blocks_used;
    uint32_t tx_queue_high; /* highest fill of the transmit queue since start */
};

void engine_counters_get(const struct engine *engine, struct engine_counters *out);
void engine_module_counters_get(const struct engine *engine, struct engine_module_counters *out);
void engine_gauges_get(const struct engine *engine, struct engine_gauges *out);

#endif
