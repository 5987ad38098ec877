/* The inside of the media engine, shared by its files and by nobody else. engine.h is the contract.
 *
 *     engine.c     memory, command dispatch, ticks and timers       events.c    what the engine tells
 *     transport.c  ICE, DTLS, SRTP keys, paths of one 5-tuple       channels.c  SCTP and data channels
 *     input.c      datagrams in: demultiplexing, STUN, DTLS, RTP    source.c    published tracks, matching of streams
 *     receive.c    one RTP packet into a source                     forward.c   one packet from a source to its sinks
 *     sink.c       subscriptions, allocation among them             tx.c        queue, sealing, descriptors out
 *     feedback.c   RTCP in                                          reports.c   RTCP out: reports, NACK, PLI, feedback
 *
 * Objects live in arrays; lists between them are indices (NONE = end), so that a slot can be checked. */
#ifndef CONCLAVE_MEDIA_IMPL_H
#define CONCLAVE_MEDIA_IMPL_H

#include "base/assert.h"
#include "base/deadline.h"
#include "base/map.h"
#include "base/packet.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/seq.h"
#include "base/time.h"
#include "media/allocate.h"
#include "media/cache.h"
#include "media/engine.h"
#include "media/estimator.h"
#include "media/layers.h"
#include "media/nack.h"
#include "media/packetinfo.h"
#include "media/rate.h"
#include "media/rewrite.h"
#include "media/sendlog.h"
#include "media/speakers.h"
#include "protocol/av1dd.h"
#include "protocol/dcep.h"
#include "protocol/dtls.h"
#include "protocol/ice_lite.h"
#include "protocol/payload.h"
#include "protocol/rtcp.h"
#include "protocol/rtcp_twcc.h"
#include "protocol/rtp.h"
#include "protocol/sctp.h"
#include "protocol/srtp.h"

#define NONE UINT32_MAX

/* Streams in the SRTP tables of a transport; places are touched as they are used. Receiving: none is ever retired,
 * because a browser that publishes again on a used section may bring back the SSRC; 1024 are 170 cameras with three
 * layers and their retransmission, one after another. Sending: 1024 subscriptions without, or 512 with retransmission
 * at a time; SSRCs that ended are retired, each place sixteen times in one DTLS session. */
#define RX_STREAMS_MAX 1024
#define TX_STREAMS_MAX 1024
#define RX_RETIRED_MAX 1
#define TX_RETIRED_MAX 16384
/* Streams to a receiver that ended but may begin again under their SSRC: sections that are given another track. When
 * more rest, the one that rests longest is retired for good. */
#define RESTING_MAX 256
/* Media packets waiting for one receiver: a key frame of 4 MB; what is more would only be late. */
#define TRANSPORT_QUEUE_MAX 4096
/* Control datagrams waiting. Answers to checks, handshakes and reports of all transports between two polls. */
#define RAW_QUEUE_MAX 4096
#define PATH_QUEUE_MAX 1024
/* Bytes of queued events, payloads included. The largest message takes an eighth. Messages and what is told again and
 * again leave a part to the events that are told once. */
#define EVENT_BYTES_MAX (512 * 1024)
#define EVENT_RESERVE_BYTES (64 * 1024)
/* Lossy messages waiting in the send buffer of one transport, charged like reliable ones: the rest of its 256 kB, and
 * of its blocks, belongs to those. */
#define CHANNEL_LOSSY_BYTES_MAX 65536
/* Messages of one peer: each costs the control thread a look and a round to the others, whatever its length. Files come
 * in pieces of 15 kB, so this is 30 MB a second. */
#define CHANNEL_MESSAGES_PER_S 2000
#define CHANNEL_MESSAGES_BURST 500
/* What opens a channel is looked at like so many messages: two events that are told once, an answer, and a reset. A
 * hundred a second, then, and all sixteen channels at once. */
#define CHANNEL_CONTROL_MESSAGES 20
/* When a message that had to wait for room or for its share is tried again. */
#define CHANNEL_RETRY_US UINT64_C(2000)
/* How much must have been acknowledged before it is told while more waits. */
#define CHANNEL_TELL_BYTES 32768
#define RTCP_LEN_MAX 1180
/* How often: RTCP reports (RFC 3550 section 6.2 with its reduced minimum; the share of bandwidth stays below 1 %),
 * feedback of arrivals, allocation. */
#define REPORT_INTERVAL_US UINT64_C(1000000)
#define TWCC_INTERVAL_US UINT64_C(80000)
#define TWCC_PENDING_MAX 64
#define ALLOCATE_INTERVAL_US UINT64_C(500000)
/* A layer is gone when others of its source had packets this long without it. */
#define LAYER_GONE_US UINT64_C(1000000)
/* Rates tell which of two simulcast streams is the larger when both came for this long, and one takes half as much
 * again as the other. */
#define RANK_RATE_AGE_US UINT64_C(2000000)
/* Layers change places by their sizes so often in so long: a publisher whose pictures change size with each packet would
 * have every receiver's layers worked out anew with each. The report, each second, looks again in any case. */
#define RANK_CHANGES_MAX 4
#define RANK_INTERVAL_US US_PER_S
#define RANK_RATE_NUM 3
#define RANK_RATE_DEN 2
#define PLI_TRIES_MAX 10
/* A key frame costs its publisher, and everybody who watches, many times an ordinary picture. So who keeps wishing for
 * them is heard after ever longer pauses (from pli_interval_us, twice as long each time, up to these), until he was
 * quiet for four of them; what others wish for is not delayed. The shorter one is for changes of layer, which the
 * server itself decides on. */
#define WISH_PAUSE_MAX_US UINT64_C(16000000)
#define WISH_PAUSE_LAYER_US UINT64_C(1000000)
/* A publisher that sends no sender reports for this long gets ours by arrival time. */
#define SR_PATIENCE_US UINT64_C(5000000)
/* Retransmissions to one receiver: at most this share of the bits sent, and a burst. */
#define RTX_BURST_BYTES (128 * 1024)
#define RTX_RATE_MIN_BPS 500000
#define RTX_TRIES_MAX 6

enum timer {
    TIMER_ICE,
    TIMER_DTLS,
    TIMER_SCTP,
    TIMER_NACK,
    TIMER_PLI,
    TIMER_TWCC,
    TIMER_REPORT,
    TIMER_ALLOCATE,
    TIMER_STATS,
    TIMERS
};

/* ---- sources --------------------------------------------------------------------------------------------------- */

struct stream {
    uint32_t ssrc, rtx_ssrc; /* 0 = unknown */
    uint16_t epoch;
    bool started, announced;
    uint8_t pt;
    uint64_t seq_first, seq_highest;
    uint64_t picture_highest;
    uint32_t pixels; /* of its latest picture that told its size; 0 = none did */
    uint64_t first_rx_us, last_rx_us;
    uint32_t last_timestamp;
    uint64_t last_timestamp_us; /* when it came */
    /* reception report (RFC 3550 appendix A.3, A.8) */
    uint64_t received, recovered, expected_prior, received_prior; /* recovered: by retransmission, not in received */
    int64_t transit;
    uint32_t jitter_q4;
    uint32_t clock_hz;
    /* the publisher's sender report */
    uint64_t sr_ntp, sr_at_us;
    uint32_t sr_timestamp;
    /* key frames */
    bool pli_wanted;
    uint8_t pli_tries;
    uint64_t pli_sent_us, pli_due_us;
    uint64_t keyframe_us;
    bool has_dd_state;
    struct cache cache;
    struct nack_list nack;
};

struct source {
    uint32_t handle; /* 0 = free */
    uint32_t index;
    uint32_t transport; /* index */
    uint32_t next_of_transport;
    uint32_t first_sink, sink_count;
    uint64_t room;
    bool video, screen, muted;
    uint8_t layers;       /* 1..ENGINE_LAYERS_MAX */
    uint8_t rank_changes; /* since rank_since_us */
    uint64_t rank_since_us;
    bool order_known;
    /* Simulcast: streams by size, smallest first, and the other way round. Streams keep their places in all that
     * follows; what receivers and the allocator count in are ranks. */
    uint8_t stream_of_rank[ENGINE_LAYERS_MAX], rank_of_stream[ENGINE_LAYERS_MAX];
    char mid[ENGINE_MID_LEN_MAX + 1];
    char rids[ENGINE_LAYERS_MAX][ENGINE_RID_LEN_MAX + 1];
    struct engine_codec_map codecs[ENGINE_SOURCE_CODECS_MAX];
    uint64_t last_rx_us;
    uint64_t started_us;
    uint8_t spatial_seen; /* SVC: highest spatial layer seen */
    struct rate_meter rates[ENGINE_LAYERS_MAX][ALLOCATE_TEMPORAL];
    uint64_t spatial_rx_us[ENGINE_LAYERS_MAX]; /* last packet of each (simulcast or spatial) layer */
    struct speaker_meter speaker;
    struct stream streams[ENGINE_LAYERS_MAX];
};

/* ---- sinks ----------------------------------------------------------------------------------------------------- */

#define HISTORY_VALID 1
#define HISTORY_MARKER 2

/* What was sent under one sequence number, so that it can be made again. */
struct history_entry {
    uint32_t seq;        /* low half of the receiver's extended number */
    uint32_t source_seq; /* low half of the source's */
    uint32_t timestamp;
    uint32_t sent_ms; /* last time, wraps */
    uint32_t active_targets;
    uint16_t epoch;
    uint16_t picture_id;
    uint16_t frame16;
    uint8_t tl0, key_index;
    uint8_t layer;
    uint8_t flags;
    uint8_t tries;
    uint8_t reserved;
};

struct sink {
    uint32_t handle;
    uint32_t index;
    uint32_t transport, source; /* indices */
    uint32_t next_of_source, prev_of_source;
    uint32_t next_of_transport, prev_of_transport;
    uint32_t ssrc, rtx_ssrc;
    uint8_t mid_len;
    bool video;
    bool paused;        /* by the allocator, as last reported */
    uint8_t last_codec; /* enum codec of the pair below */
    uint8_t last_pt, last_rtx_pt;
    int8_t told_spatial, told_temporal;
    char mid[ENGINE_MID_LEN_MAX + 1];
    char cname[33];
    struct engine_codec_map codecs[ENGINE_SOURCE_CODECS_MAX];
    struct engine_sink_settings settings;
    struct layers layers;
    struct rewrite rewrite;
    uint64_t rtx_seq64;
    uint32_t packets, bytes; /* for sender reports */
    uint64_t sr_sent_us[2];  /* of the last two, for the round trip */
    uint32_t sr_middle[2];
    uint8_t fir_seq8;
    bool fir_seen;
    uint16_t loss_permille;
    uint64_t wish_us;       /* its last wish for a key frame that was heard; 0 = none */
    uint64_t wish_pause_us; /* what comes sooner after it is not heard */
};

struct resting {
    uint32_t ssrc; /* 0 = free */
    uint32_t rtx_ssrc;
    uint64_t rtx_seq64;
    uint32_t packets, bytes;
    struct rewrite_end end;
};

/* ---- transports ------------------------------------------------------------------------------------------------- */

enum tx_class { TX_CLASS_AUDIO, TX_CLASS_RTX, TX_CLASS_VIDEO, TX_CLASSES };
enum tx_kind { TX_RAW, TX_MEDIA, TX_RTX, TX_FILL };

struct tx_entry {
    uint32_t next;
    uint32_t packet; /* slot index; NONE for TX_FILL */
    uint32_t sink;   /* index; its handle is checked by closing sinks, which take their entries along */
    uint32_t timestamp;
    uint32_t active_targets;
    uint16_t seq16;
    uint16_t original_seq16; /* TX_RTX */
    uint16_t picture_id;
    uint16_t frame16;
    uint8_t tl0, key_index;
    uint8_t kind, class;
    uint8_t pt;
    bool marker;
};

struct tx_list {
    uint32_t head, tail;
};

struct pending_channel {
    bool used;
    struct engine_channel_open open;
};

struct transport {
    uint32_t handle;
    uint32_t index;
    uint64_t room;
    enum engine_transport_state state;
    bool remote_known, dtls_client, data_channels, keyed;
    bool feedback_send, remb_send, feedback_receive;
    bool has_target;
    bool unproven;        /* nobody has answered at `to` yet: what may be sent there is limited */
    bool handshake_moved; /* `to` changed between the handshake's first datagram and its end */
    uint64_t checked_us;  /* first authenticated check */
    struct net_addr to, local;
    char ufrag[ENGINE_UFRAG_LEN_MAX + 1];     /* keys in the map, zero padded */
    char old_ufrag[ENGINE_UFRAG_LEN_MAX + 1]; /* during a restart */
    uint8_t fingerprint[DTLS_FINGERPRINT_LEN];
    uint32_t message_len_max;
    struct dtls *dtls;
    struct rtp_ext_map rx_ext, tx_ext;
    uint32_t first_source, source_count;
    uint32_t first_sink, sink_count;
    uint32_t resting_used, resting_next;
    /* transmit queue */
    struct tx_list queue[TX_CLASSES];
    uint32_t queued;
    uint32_t next_active;
    bool active;
    /* timers */
    uint64_t due_us[TIMERS];
    uint64_t next_us;
    uint64_t connected_us;
    uint64_t allocated_us;
    /* RTCP */
    uint32_t feedback_ssrc;
    uint32_t heard_ssrc; /* of the newest packet that feedback of arrivals reports; 0 = none yet */
    char cname[17];
    struct twcc_log *twcc; /* in memory of this index; NULL until negotiated */
    struct sendlog *sendlog;
    struct estimator estimator;
    uint64_t allocated_bps;
    uint32_t remb_bps;
    uint64_t remb_at_us;
    struct rate_meter tx_rate, rx_rate;
    int64_t rtx_budget_bytes;
    uint64_t rtx_budget_us;
    /* statistics */
    uint32_t rtt_us;
    uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets;
    uint64_t loss_expected, loss_lost; /* of what is received, at the last report of statistics */
    struct srtp_session rx, tx;
    struct ice_lite ice;
    struct sctp *sctp;
    struct data_channels channels;
    bool label_reliable[ENGINE_CHANNELS_MAX], label_open[ENGINE_CHANNELS_MAX];
    uint32_t rx_charged_bytes;  /* told and not released */
    uint64_t tx_given_bytes[2]; /* charges of what was sent, by enum data_channel_account */
    uint64_t tx_refused_bytes;  /* of reliable ones that no channel took: settled at once */
    uint64_t tx_told_bytes;     /* of the reliable ones, as last told */
    bool tx_refusal_due;        /* a reliable message was refused, and there was no room to tell */
    int64_t message_credit;     /* messages that may come, times US_PER_S; below 0 when one cost more than there was */
    uint64_t message_credit_us; /* when it was last worked out */
    uint64_t controls_paid;     /* of data_channels.controls */
    /* transport_open leaves what follows as it is */
    char labels[ENGINE_CHANNELS_MAX][ENGINE_LABEL_LEN_MAX + 1]; /* by channel number: the name outlives the channel */
    struct pending_channel pending[ENGINE_CHANNELS_MAX];
};

/* ---- engine ----------------------------------------------------------------------------------------------------- */

struct raw_head { /* at the begin of the headroom of a raw packet's slot */
    struct net_addr to, local;
};

struct event_head {
    uint32_t event_bytes;
    uint32_t payload_bytes;
};

struct engine {
    struct engine_config config;
    struct dtls_context *dtls;
    struct rng *rng;
    uint64_t now_us;
    uint64_t unix_offset_us; /* unix_us - now_us, from the last tick */
    bool unix_known;
    uint64_t levels_due_us;
    struct pool transport_pool, source_pool, sink_pool;
    uint32_t source_high; /* no source at or above was ever opened */
    uint32_t connected;
    struct transport *transports;
    struct source *sources;
    struct sink *sinks;
    struct map by_ufrag, by_addr, rx_ssrcs, tx_ssrcs;
    struct deadlines deadlines;
    struct packet_arena arena;
    struct packet_info *infos; /* by packet index */
    struct cache_slot *cache_slots;
    struct av1dd_state *dd_states; /* by source index * ENGINE_LAYERS_MAX + layer */
    uint32_t history_len;
    struct history_entry *histories; /* history_len a sink */
    uint8_t *slices;                 /* by transport index: SRTP tables, SCTP, feedback */
    size_t slice_len, slice_rx, slice_tx, slice_sctp, slice_twcc, slice_sendlog, slice_resting;
    struct sctp_buffers sctp_buffers;
    struct sctp_config sctp_config;
    /* transmit */
    struct tx_entry *tx_entries;
    uint32_t tx_free, tx_fresh, tx_used, tx_high;
    struct tx_list raw;
    uint32_t raw_count;
    uint32_t active_head, active_tail; /* transports with queued media */
    uint8_t *tx_slots;                 /* ENGINE_TX_BATCH_MAX */
    struct srtp_job *jobs;
    uint8_t *prefixes; /* SRTP_PREFIX_LEN_MAX a job */
    /* paths learned */
    struct engine_path *paths;
    uint32_t path_head, path_count;
    /* events: linear, starts again when all are out */
    uint8_t *events;
    size_t event_read, event_write;
    /* allocator's table, shared by all transports in turn */
    struct allocate_stream *allocation;
    uint32_t *allocation_sinks;
    uint8_t scratch[PACKET_LEN_MAX + PACKET_TAILROOM];
    struct engine_counters counters;
    struct engine_module_counters modules;
};

/* ---- lookups ------------------------------------------------------------------------------------------------------
 */

struct ssrc_key {
    uint32_t transport, ssrc;
};

/* Values in rx_ssrcs: source index, layer, whether it is the retransmission stream. */
static inline uint32_t rx_value(uint32_t source, uint32_t layer, bool rtx) {
    return source << 3 | layer << 1 | (rtx ? 1u : 0u);
}

static inline struct transport *engine_transport(struct engine *e, uint32_t handle) {
    return pool_live(&e->transport_pool, handle) ? &e->transports[pool_index(handle)] : NULL;
}

static inline struct source *engine_source(struct engine *e, uint32_t handle) {
    return pool_live(&e->source_pool, handle) ? &e->sources[pool_index(handle)] : NULL;
}

static inline struct sink *engine_sink(struct engine *e, uint32_t handle) {
    return pool_live(&e->sink_pool, handle) ? &e->sinks[pool_index(handle)] : NULL;
}

static inline struct av1dd_state *engine_dd_state(struct engine *e, const struct source *source, uint32_t layer) {
    return &e->dd_states[(size_t)source->index * ENGINE_LAYERS_MAX + layer];
}

static inline struct packet_info *engine_info(struct engine *e, const struct packet *packet) {
    return &e->infos[packet->index];
}

/* ---- engine.c ------------------------------------------------------------------------------------------------------
 */

/* Sets one timer of a transport; TIME_NEVER stops it. */
void timer_set(struct engine *e, struct transport *t, enum timer timer, uint64_t at_us);
/* Only ever to an earlier time. */
void timer_sooner(struct engine *e, struct transport *t, enum timer timer, uint64_t at_us);

/* ---- events.c ------------------------------------------------------------------------------------------------------
 */

/* Queues an event; NULL (and a count) when there is no room, else where `payload_len` payload bytes are to be written.
 */
uint8_t *event_push(struct engine *e, const struct engine_event *event, size_t payload_len);
/* Whether a message of this length would find room. */
bool event_room(const struct engine *e, size_t payload_len);
void event_state(struct engine *e, struct transport *t, enum engine_transport_state state);
bool event_refused(struct engine *e, uint32_t object, enum engine_command_type command);
void event_channel(struct engine *e, struct transport *t, enum engine_event_type type, const char *label);

/* ---- transport.c ----------------------------------------------------------------------------------------------------
 */

void transport_open(struct engine *e, uint32_t handle, const struct engine_transport_open *open);
void transport_remote(struct engine *e, struct transport *t, const struct engine_transport_remote *remote);
void transport_restart(struct engine *e, struct transport *t, const struct engine_transport_open *open);
void transport_close(struct engine *e, struct transport *t);
/* A STUN datagram that names or comes from this transport; true when it was authentic. */
bool transport_stun(struct engine *e, struct transport *t, const struct engine_rx *rx, struct span datagram);
/* An answer to a question of ours; false when it is none, or of another agent. */
bool transport_stun_answer(struct engine *e, struct transport *t, const struct engine_rx *rx, struct span datagram);
void transport_dtls_input(struct engine *e, struct transport *t, const struct engine_rx *rx, struct span datagram);
/* Moves everything that DTLS (and what it carries) has to say. */
void transport_pump(struct engine *e, struct transport *t);
void transport_heard(struct engine *e, struct transport *t, const struct net_addr *from);
void transport_connection_lost(struct engine *e, struct transport *t, uint32_t conn);
void transport_tick_ice(struct engine *e, struct transport *t);
/* Looks again where to send. */
void transport_retarget(struct engine *e, struct transport *t);
static inline bool transport_can_send(const struct transport *t) {
    return t->keyed && t->has_target;
}

/* ---- channels.c
 * ------------------------------------------------------------------------------------------------------ */

void channels_start(struct engine *e, struct transport *t);
void channels_input(struct engine *e, struct transport *t, struct span datagram);
void channels_pump(struct engine *e, struct transport *t);
void channels_open(struct engine *e, struct transport *t, const struct engine_channel_open *open);
void channels_send(struct engine *e, struct transport *t, const struct engine_channel_send *send, struct span payload);
void channels_passed_on(struct engine *e, struct transport *t, uint32_t bytes);
void channels_release(struct transport *t);

/* ---- source.c
 * -------------------------------------------------------------------------------------------------------- */

void source_open(struct engine *e, uint32_t handle, const struct engine_source_open *open);
void source_close(struct engine *e, struct source *source);
void source_mute(struct engine *e, struct source *source, bool muted);
/* Finds the stream of an SSRC, by what is known or what the packet says of itself; false = no source. */
bool source_match(struct engine *e, struct transport *t, const struct rtp_header *header, const struct rtp_exts *exts,
                  uint32_t *value);
const struct engine_codec_map *source_codec(const struct source *source, uint8_t pt, bool rtx);
bool source_layer_alive(const struct source *source, uint32_t layer);
/* A picture of this stream told its size. */
void source_note_size(struct engine *e, struct source *source, uint32_t layer, uint32_t pixels);
/* Looks whether the streams' order by size is another one than was thought. */
void source_rank(struct engine *e, struct source *source);

/* ---- receive.c
 * ------------------------------------------------------------------------------------------------------- */

void receive_rtp(struct engine *e, struct transport *t, const struct engine_rx *rx, uint8_t *data, size_t len);

/* ---- forward.c
 * ------------------------------------------------------------------------------------------------------- */

/* `packet` NULL: a packet of padding only, described by `info`. */
void forward_packet(struct engine *e, struct source *source, const struct packet_info *info, struct packet *packet);

/* ---- sink.c
 * ---------------------------------------------------------------------------------------------------------- */

void sink_open(struct engine *e, uint32_t handle, const struct engine_sink_open *open);
void sink_close(struct engine *e, struct sink *sink);
void sink_settings(struct engine *e, struct sink *sink, const struct engine_sink_settings *settings);
/* Payload type for a codec; 0xff when the receiver has none. */
uint8_t sink_pt(struct sink *sink, enum codec codec, uint8_t *rtx_pt);
void sink_tell_layer(struct engine *e, struct sink *sink);
void sinks_allocate(struct engine *e, struct transport *t);
static inline struct history_entry *sink_history(const struct engine *e, const struct sink *sink, uint64_t seq64) {
    return &e->histories[(size_t)sink->index * e->history_len + (seq64 & (e->history_len - 1))];
}

/* ---- tx.c
 * -------------------------------------------------------------------------------------------------------------- */

void tx_init(struct engine *e);
/* Queues one media packet; a NULL result was counted. The caller fills in the entry's fields (all but next, class). */
struct tx_entry *tx_push(struct engine *e, struct transport *t, enum tx_class class, struct packet *packet);
/* Queues one datagram as it is. */
void tx_raw(struct engine *e, struct span datagram, const struct net_addr *to, const struct net_addr *local);
/* To the selected path of a transport; nothing happens without one. */
void tx_raw_transport(struct engine *e, struct transport *t, struct span datagram);
/* Seals a compound and queues it. */
void tx_rtcp(struct engine *e, struct transport *t, struct span compound);
void tx_drop_raw(struct engine *e);
void tx_drop_transport(struct engine *e, struct transport *t);
void tx_drop_sink(struct engine *e, struct transport *t, const struct sink *sink);

/* ---- feedback.c, reports.c
 * ----------------------------------------------------------------------------------------------- */

void feedback_input(struct engine *e, struct transport *t, const struct engine_rx *rx, uint8_t *data, size_t len);
void keyframe_request(struct engine *e, struct source *source, uint32_t layer);
/* The same on behalf of one receiver, who may not do so as often as he likes. */
void keyframe_wish(struct engine *e, struct sink *sink, uint32_t layer, uint64_t pause_max_us);
void reports_tick(struct engine *e, struct transport *t);
void reports_nack(struct engine *e, struct transport *t);
void reports_pli(struct engine *e, struct transport *t);
void reports_twcc(struct engine *e, struct transport *t);
void reports_stats(struct engine *e, struct transport *t);

#endif
