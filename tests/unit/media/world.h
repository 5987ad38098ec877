/* A small world for testing the engine: one engine, a few peers made of the protocol modules (ICE, DTLS, SRTP, SCTP), a
 * network with delay and loss between them, and a clock that only the test moves. */
#ifndef CONCLAVE_TESTS_MEDIA_WORLD_H
#define CONCLAVE_TESTS_MEDIA_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/rng.h"
#include "media/engine.h"
#include "protocol/dcep.h"
#include "protocol/dtls.h"
#include "protocol/ice_client.h"
#include "protocol/rtcp.h"
#include "protocol/sctp.h"
#include "protocol/srtp.h"

#define WORLD_PEERS_MAX 8
#define WORLD_FLIGHT_MAX 4096
#define WORLD_STEP_US 1000
#define WORLD_START_US UINT64_C(1000000000)
#define WORLD_UNIX_US UINT64_C(1800000000000000)
#define PEER_TRACKS_MAX 16
#define PEER_LOG_MAX 4096
#define WORLD_EVENTS_MAX 2048

/* Extension ids that every transport of the tests uses, both ways. */
enum { EXT_MID = 1, EXT_RID = 2, EXT_RRID = 3, EXT_LEVEL = 4, EXT_TWCC = 5, EXT_AST = 6, EXT_DD = 7 };

struct logged {
    uint64_t at_us;
    uint64_t seq64;
    uint32_t timestamp;
    bool marker;
    bool padding_only;
    bool repaired; /* came by RTX */
    uint8_t pt;
    uint16_t len;
    uint8_t payload[64]; /* its begin */
    uint8_t dd[64];
    uint8_t dd_len;
    char mid[8];
};

/* What a peer received on one SSRC. */
struct track {
    uint32_t ssrc;
    uint32_t rtx_ssrc; /* set by the test, to unwrap */
    uint64_t highest;
    uint32_t count;
    struct logged log[PEER_LOG_MAX];
    struct rtcp_sender_info sr;
    uint32_t sr_count;
    char cname[40];
};

struct peer {
    struct world *world;
    uint32_t transport;
    struct net_addr addr, server;
    bool mute_network; /* nothing gets out */
    struct ice_client ice;
    struct dtls *dtls;
    struct dtls_counters dtls_counters;
    bool keyed, dtls_client;
    struct srtp_session rx, tx;
    void *rx_memory, *tx_memory, *sctp_memory;
    struct sctp *sctp;
    struct sctp_buffers sctp_buffers;
    struct sctp_counters sctp_counters;
    struct dcep_counters dcep_counters;
    struct data_channels channels;
    void *sctp_blocks;
    struct track tracks[PEER_TRACKS_MAX];
    uint32_t track_count;
    uint16_t twcc_seq;
    /* RTCP seen */
    uint32_t plis, nacks, rrs, twccs, rembs;
    uint32_t twcc_ssrc[256]; /* media SSRCs named in the feedback of arrivals */
    uint32_t remb_ssrc, remb_ssrcs;
    uint32_t pli_ssrc[256];
    uint16_t nack_seq[256];
    uint32_t nack_ssrc[256];
    struct rtcp_report_block last_block;
    /* data channels */
    uint32_t opened, messages, closed;
    char last_label[65];
    uint8_t last_message[70000];
    size_t last_message_len;
    bool last_binary;
};

struct flight {
    uint64_t at_us;
    bool to_engine;
    struct net_addr from, to;
    uint16_t len;
    uint8_t data[1700];
};

struct world {
    uint64_t now_us;
    struct rng rng;
    struct engine_config config;
    struct engine *engine;
    void *memory;
    size_t memory_len;
    struct dtls_context *server_context, *client_context;
    struct pool transports, sources, sinks;
    void *pool_memory[3];
    struct peer *peers[WORLD_PEERS_MAX];
    uint32_t peer_count;
    struct flight *flights; /* a ring */
    uint32_t flight_head, flight_count;
    uint64_t delay_us;
    uint32_t loss_up_permille, loss_down_permille;
    bool srtp_loss_only;
    bool (*drop)(struct world *w, bool to_engine, const uint8_t *data, size_t len); /* NULL: by chance */
    /* everything the engine said */
    struct engine_event events[WORLD_EVENTS_MAX];
    uint32_t event_count;
    uint8_t message[70000];
    uint32_t message_len;
    uint32_t messages;
    uint64_t charged_bytes; /* of messages that are not released; they are at once unless keep_charges is set */
    bool keep_charges;
    void (*on_message)(struct world *w, const struct engine_event *event); /* with its payload; may be NULL */
    void *context;
    struct engine_path paths[256];
    uint32_t path_count;
    uint64_t tx_total;
    struct net_addr watched; /* an address of nobody's */
    uint64_t watched_bytes;  /* that the engine sent there */
};

/* True while the engine works on media: RTP, RTCP, its timers and its polls. */
extern bool world_in_media;

struct world *world_make(uint64_t seed, const enum srtp_profile *profile);
void world_free(struct world *w);
void world_step(struct world *w);
void world_run(struct world *w, uint64_t us);
void world_command(struct world *w, const struct engine_command *command);
void world_send(struct world *w, uint32_t transport, const char *label, bool text, const void *data, size_t len);
/* Gives back what is charged for a peer's messages. */
void world_release(struct world *w, uint32_t transport, uint32_t bytes);
/* A datagram to the engine from wherever. */
void world_post(struct world *w, const struct net_addr *from, const struct net_addr *to, struct span datagram);
/* Takes the events and descriptors without moving the clock. */
void world_drain(struct world *w);
/* Events of one type about one object since the start (object 0 = any). */
uint32_t world_count(const struct world *w, enum engine_event_type type, uint32_t object);
const struct engine_event *world_last(const struct world *w, enum engine_event_type type, uint32_t object);
enum engine_transport_state world_state(const struct world *w, const struct peer *p);
struct engine_counters world_counters(const struct world *w);

/* A peer with its transport opened and described. */
struct peer *peer_make(struct world *w, uint64_t room, bool server_is_dtls_client, bool tcp);
void peer_describe(struct peer *p, bool data_channels, bool remb);
bool peer_connect(struct peer *p); /* runs the world until it is connected, at most 5 s */
void peer_close(struct peer *p);
void peer_send_rtp(struct peer *p, uint32_t ssrc, uint8_t pt, uint16_t seq16, uint32_t timestamp, bool marker,
                   const struct rtp_ext_out *exts, struct span payload, uint8_t padding);
void peer_send_rtcp(struct peer *p, struct span compound);
struct track *peer_track(struct peer *p, uint32_t ssrc);

uint32_t world_source(struct world *w, const struct engine_source_open *open);
uint32_t world_sink(struct world *w, const struct engine_sink_open *open);

/* ---- a publisher of VP8 in up to three layers, and of Opus ---- */

struct vp8_layer {
    uint32_t ssrc, rtx_ssrc;
    char rid[8];
    uint16_t width, height; /* told by its key frames; 0 = they do not tell */
    uint16_t seq16, rtx_seq16;
    uint32_t timestamp;
    uint16_t picture;
    uint8_t tl0, key_index;
    uint32_t frame;
    uint32_t packets_per_frame;
    bool want_key, stopped, any;
    uint32_t keys;
    uint32_t plis_seen;
    /* sent before, for answering NACKs */
    struct {
        uint16_t seq16;
        uint32_t timestamp;
        bool marker;
        uint16_t len;
        uint8_t bytes[1300];
    } sent[512];
};

struct camera {
    struct peer *peer;
    uint32_t source;
    char mid[4];
    uint32_t layers;
    struct vp8_layer layer[3];
    uint64_t next_us;
    uint32_t packet_len;
    uint32_t nacks_seen;
    bool answer_nacks, temporal;
};

/* Layer stamps inside the payload, behind descriptor and payload header. */
struct stamp {
    uint8_t layer, temporal;
    uint32_t frame;
    uint8_t part;
    bool key;
    uint16_t picture;
    uint8_t tl0, key_index;
};

/* Layers in the order in which signalling names them. */
struct camera_plan {
    uint32_t layers;
    const char *rids[3];
    uint16_t widths[3];  /* 0 = pictures do not tell */
    uint32_t packets[3]; /* of a picture */
    bool order_known;
};
void camera_make_plan(struct camera *c, struct peer *p, const char *mid, const struct camera_plan *plan,
                      uint32_t ssrc_base);
/* q, h and f: 320, 640 and 1280 wide. */
void camera_make(struct camera *c, struct peer *p, const char *mid, uint32_t layers, uint32_t ssrc_base);
void camera_frame(struct camera *c, uint32_t layer);
/* Sends what is due and answers PLIs and NACKs; to be called each step. */
void camera_step(struct camera *c);
/* A picture is encoded before it is sent: reports are ahead of the pictures that follow them. */
#define CAMERA_ENCODING_US 100000
void camera_report(struct camera *c);
/* False for padding. */
bool stamp_read(const struct logged *packet, struct stamp *out);

struct engine_sink_open sink_video(const struct peer *to, uint32_t source, uint32_t ssrc);
struct engine_sink_open sink_audio(const struct peer *to, uint32_t source, uint32_t ssrc);
uint32_t source_audio(struct peer *p, const char *mid, uint32_t ssrc);
void send_opus(struct peer *p, const char *mid, uint32_t ssrc, uint16_t seq16, uint32_t timestamp, uint8_t level);

#define PT_OPUS 111
#define PT_VP8 96
#define PT_VP8_RTX 97
#define PT_AV1 45
#define PT_AV1_RTX 46
/* Towards receivers other numbers are used, so that the mapping shows. */
#define PT_OPUS_OUT 109
#define PT_VP8_OUT 120
#define PT_VP8_RTX_OUT 121

#endif
