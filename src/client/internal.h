/* The inside of a participant, shared by its files and by nobody else. participant.h is the contract.
 *
 *     participant.c  memory, queues, commands, insight     session.c     socket, joining, resuming, leaving
 *     message.c      signalling messages in and out        negotiate.c   offers, answers, sections
 *     link.c         ICE, DTLS, SRTP, SCTP of a connection  data.c        data channels and packets
 *     publish.c      media out, retransmission             receive.c     media in, and what is checked of it
 *     report.c       RTCP both ways                        stamp.c       what the payloads are */
#ifndef CONCLAVE_CLIENT_INTERNAL_H
#define CONCLAVE_CLIENT_INTERNAL_H

#include "base/assert.h"
#include "base/map.h"
#include "base/rng.h"
#include "base/seq.h"
#include "base/time.h"
#include "client/participant.h"
#include "client/stamp.h"
#include "media/nack.h"
#include "protocol/dcep.h"
#include "protocol/dtls.h"
#include "protocol/ice_client.h"
#include "protocol/rtcp.h"
#include "protocol/rtcp_twcc.h"
#include "protocol/rtp.h"
#include "protocol/sctp.h"
#include "protocol/sdp.h"
#include "protocol/srtp.h"
#include "signal/livekit.pb-c.h"

#define NONE UINT32_MAX

#define DATAGRAM_LEN_MAX 1280
#define SIGNAL_MESSAGES_MAX 256
#define EVENTS_MAX 128
#define SECTIONS_MAX 512
#define MID_LEN_MAX 16
#define ROSTER_MAX 256
#define REMOTE_TRACKS_MAX 512
#define RESEND_MAX 64
/* What we can send again: half a second and more of the highest layer. */
#define SENT_MAX 256
/* Sealing: two numbers a layer; what ended is retired. Opening: two a stream, and room for those that come and go. */
#define TX_STREAMS_MAX 64
#define TX_RETIRED_MAX 2048
#define RX_RETIRED_MAX 4096
#define SCTP_BLOCKS 192
/* Packets of a stream that are remembered to compare neighbours; a power of two. */
#define WINDOW PARTICIPANT_NUMBERS_MAX
#define FRAMES_MAX 32
#define DECODED_MAX 64

/* Work that is due in bulk: NACK, feedback, reports, key frame requests. */
#define GRID_US (20 * US_PER_MS)
#define REPORT_US US_PER_S
#define TWCC_US (100 * US_PER_MS)
/* Without a decodable frame for so long, while packets come, a key frame is asked for; libwebrtc waits 200 ms. */
#define STALL_US (300 * US_PER_MS)
#define PLI_US (500 * US_PER_MS)
/* Gaps between frames that count as freezes. */
#define FREEZE_US (400 * US_PER_MS)
#define JOIN_TIMEOUT_US (5 * US_PER_S)
#define SOCKET_TIMEOUT_US (15 * US_PER_S)
#define RESUME_SETTLE_US (2 * US_PER_S)
#define RESUME_MEDIA_US (15 * US_PER_S)
#define RETRIES_MAX 10

/* ---- publishing ------------------------------------------------------------------------------------------------- */

struct sent {
    bool valid, marker;
    uint16_t seq16, len_bytes;
    uint32_t timestamp;
    uint64_t resent_us;
    struct stamp stamp;
};

struct layer {
    uint32_t ssrc, rtx_ssrc;
    bool enabled, key_wanted, reported;
    uint16_t seq16, rtx_seq16;
    uint32_t timestamp_base;
    uint32_t frame, since_keyframe;
    uint16_t picture_id;
    uint8_t tl0, key_index;
    uint64_t keyframe_us;
    uint32_t packets, bytes;
    struct sent sent[SENT_MAX];
};

struct publication {
    uint16_t number; /* 0 = free */
    bool announced;  /* add_track was sent */
    bool sending;    /* negotiated */
    struct participant_publish what;
    char cid[40];
    char sid[PARTICIPANT_SID_LEN_MAX + 1];
    uint32_t section;
    uint8_t pt, rtx_pt;
    uint64_t next_us, epoch_us;
    struct layer layers[PARTICIPANT_LAYERS_MAX];
};

/* ---- receiving -------------------------------------------------------------------------------------------------- */

struct seen {
    uint64_t seq64; /* 0 = empty */
    uint32_t timestamp, frame;
    uint16_t picture_id;
    uint8_t tl0, layer, packet, temporal;
    bool marker, padding, keyframe;
};

struct frame {
    bool used, keyframe, decoded;
    uint8_t layer, packets, reference;
    uint32_t frame;
    uint64_t have; /* bit a packet */
    uint64_t started_us;
};

struct stream {
    bool used, keep;
    uint32_t link;
    uint32_t ssrc, rtx_ssrc;
    uint8_t pt, rtx_pt;
    bool nack;
    char mid[MID_LEN_MAX + 1];
    struct participant_stream view;
    bool started;
    uint64_t seq_first, seq_highest;
    uint64_t received, expected_prior, received_prior;
    int64_t transit;
    uint32_t jitter_q4;
    uint64_t sr_ntp, sr_at_us;
    uint64_t pli_us;
    struct nack_list nacks;
    struct seen seen[WINDOW];
    struct frame frames[FRAMES_MAX];
    uint64_t decoded[DECODED_MAX]; /* layer << 32 | frame */
    uint32_t decoded_count;
};

struct stream_key {
    uint32_t link, ssrc;
};

/* ---- connections ------------------------------------------------------------------------------------------------ */

struct section {
    char mid[MID_LEN_MAX + 1];
    enum sdp_kind kind;
    uint32_t publication; /* index, NONE = none */
    bool receives;        /* asks for a track (one connection) */
};

struct link {
    bool open;
    uint32_t index;
    struct ice_client ice;
    bool remote_known, dtls_client;
    char remote_ufrag[64];
    uint8_t fingerprint[DTLS_FINGERPRINT_LEN];
    struct dtls *dtls;
    bool keyed, failed;
    uint64_t keyed_us;
    struct srtp_session rx, tx;
    uint8_t *rx_memory, *tx_memory, *sctp_memory;
    struct rtp_ext_map ext;
    bool transport_wide; /* feedback was agreed, both ways */
    struct twcc_log twcc;
    uint16_t twcc_seq16;
    uint32_t feedback_ssrc;
    uint64_t report_us, feedback_us;
    bool wants_channels, agreed_channels;
    struct sctp *sctp;
    struct data_channels channels;
    /* negotiation of an offering link */
    uint64_t sdp_id, sdp_version;
    uint32_t offer_id, answered_id;
    bool in_flight, needed, restart;
    struct section *sections;
    uint32_t sections_count;
    char *offer_text, *answer_text; /* as last agreed, for sync_state; owned */
};

/* ---- the participant -------------------------------------------------------------------------------------------- */

struct tx_slot {
    uint32_t link;
    uint32_t len;
    struct net_addr to;
    uint8_t data[DATAGRAM_LEN_MAX];
};

struct signal_node {
    struct signal_node *next;
    enum participant_signal_type type;
    size_t len;
    uint8_t bytes[];
};

struct event_node {
    struct participant_event event;
    uint8_t *payload;
};

struct remote {
    char sid[PARTICIPANT_SID_LEN_MAX + 1];
    char identity[PARTICIPANT_IDENTITY_LEN_MAX + 1];
    uint32_t version;
    uint32_t data_seq;
};

struct resend {
    uint32_t sequence;
    uint32_t len;
    uint8_t *bytes;
};

enum session_state {
    SESSION_OPENING, /* the socket was asked for */
    SESSION_JOINING, /* it is there: join or reconnect is awaited */
    SESSION_JOINED,
    SESSION_SETTLING, /* resumed: media is awaited */
    SESSION_BACKOFF,
    SESSION_OVER,
};

struct participant {
    struct participant_config config;
    char token[PARTICIPANT_TOKEN_LEN_MAX + 1];
    struct dtls_context *dtls;
    struct rng *rng;
    uint64_t now_us;
    /* session */
    enum session_state state;
    bool resume, ever_joined, connected, reconnecting, subscriber_primary;
    int reconnect_reason;
    uint32_t attempt;
    uint64_t retry_us, deadline_us, settle_us, ping_us, heard_us;
    uint32_t ping_interval_s, ping_timeout_s;
    char sid[PARTICIPANT_SID_LEN_MAX + 1];
    uint32_t last_message_seq;
    struct remote roster[ROSTER_MAX];
    uint32_t roster_count;
    struct {
        char sid[PARTICIPANT_SID_LEN_MAX + 1];
    } unsubscribed[REMOTE_TRACKS_MAX];
    uint32_t unsubscribed_count;
    /* connections and media */
    struct link links[PARTICIPANT_LINKS];
    uint16_t publication_last;
    struct publication publications[PARTICIPANT_TRACKS_MAX];
    /* with encryption: what was sent, by track and layer, SENT_MAX payloads each */
    uint8_t *sealed[PARTICIPANT_TRACKS_MAX][PARTICIPANT_LAYERS_MAX];
    struct stream *streams;
    struct map by_ssrc;
    uint64_t grid_us;
    struct sctp_buffers sctp_buffers;
    struct sctp_counters sctp_counters;
    struct dcep_counters dcep_counters;
    struct dtls_counters dtls_counters;
    uint32_t data_seq;
    struct resend resends[RESEND_MAX];
    uint32_t resend_next;
    /* queues */
    struct tx_slot *tx;
    uint32_t tx_head, tx_count;
    struct signal_node *signal_head, **signal_tail, *signal_polled;
    uint32_t signal_count;
    struct event_node events[EVENTS_MAX];
    uint32_t event_head, event_count;
    uint8_t *event_polled;
    char violation[256];
    struct participant_counters counters;
};

/* ---- participant.c ---------------------------------------------------------------------------------------------- */

/* A slot to write a datagram into; NULL and a count when all are waiting. Committed or taken again. */
struct tx_slot *client_tx_reserve(struct participant *p);
void client_tx_commit(struct participant *p, const struct link *link, const struct net_addr *to, size_t len);
void client_signal(struct participant *p, enum participant_signal_type type, struct span bytes);
void client_signal_clear(struct participant *p);
/* `payload` is copied. */
void client_event(struct participant *p, const struct participant_event *event, struct span payload);
void client_event_simple(struct participant *p, enum participant_event_type type, const char *sid);
void violate(struct participant *p, struct stream *stream, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Copies what fits; texts of the server that are longer than ours can be are cut. */
void text_copy(char *out, size_t out_size, const char *text);

/* ---- session.c -------------------------------------------------------------------------------------------------- */

void session_start(struct participant *p);
void session_tick(struct participant *p);
uint64_t session_deadline(const struct participant *p);
void session_joined(struct participant *p, const Livekit__JoinResponse *join);
void session_resumed(struct participant *p, const Livekit__ReconnectResponse *reconnect);
void session_server_leave(struct participant *p, const Livekit__LeaveRequest *leave);
/* Something is lost: resume, or join anew. */
void session_reconnect(struct participant *p, bool full, int reason);
/* A connection came up, or failed. */
void session_link_changed(struct participant *p);
bool session_ready(const struct participant *p);

/* ---- message.c -------------------------------------------------------------------------------------------------- */

void message_send(struct participant *p, const Livekit__SignalRequest *request);
void message_send_description(struct participant *p, bool offer, const char *sdp, uint32_t id);
void message_add_track(struct participant *p, const struct publication *publication);
void message_sync_state(struct participant *p);
void message_input(struct participant *p, struct span bytes);
struct remote *roster_find(struct participant *p, const char *sid);

/* ---- negotiate.c ------------------------------------------------------------------------------------------------ */

/* The offering link needs a new agreement: now, or when the one in flight is done. */
void negotiate(struct participant *p);
/* The text of an offer; NULL when memory is short. Caller frees. */
char *negotiate_offer(struct participant *p, struct link *link);
void negotiate_answer(struct participant *p, const Livekit__SessionDescription *answer);
void negotiate_remote_offer(struct participant *p, const Livekit__SessionDescription *offer);
void negotiate_requirement(struct participant *p, uint32_t audios, uint32_t videos);
void sections_add_initial(struct participant *p, struct link *link);

/* ---- link.c ----------------------------------------------------------------------------------------------------- */

void link_open(struct participant *p, uint32_t index);
void link_close(struct participant *p, struct link *link);
void link_restart_ice(struct participant *p, struct link *link);
bool link_remote(struct participant *p, struct link *link, const struct sdp *remote);
void link_input(struct participant *p, struct link *link, const struct net_addr *from, uint8_t *data, size_t len);
void link_pump(struct participant *p, struct link *link);
uint64_t link_deadline(const struct participant *p, const struct link *link);
bool link_usable(const struct link *link);
bool link_target(const struct link *link, struct net_addr *to);
void link_send_rtcp(struct participant *p, struct link *link, struct span compound);

/* ---- publish.c -------------------------------------------------------------------------------------------------- */

void publication_reset(struct participant *p, struct publication *publication);
void publication_tick(struct participant *p, struct publication *publication);
uint64_t publication_deadline(const struct participant *p, const struct publication *publication);
struct publication *publication_of(struct participant *p, uint16_t number);
void publish_nack(struct participant *p, uint32_t ssrc, uint16_t seq16);
void publish_keyframe(struct participant *p, uint32_t ssrc);
void publish_reported(struct participant *p, uint32_t ssrc);
uint32_t publication_layers(const struct publication *publication);

/* ---- receive.c -------------------------------------------------------------------------------------------------- */

void client_receive_rtp(struct participant *p, struct link *link, uint8_t *data, size_t len);
struct stream *stream_open(struct participant *p, const struct stream *like);
void stream_close(struct participant *p, struct stream *stream);
void streams_close_all(struct participant *p, uint32_t link);
void stream_tick(struct participant *p, struct stream *stream);

/* ---- report.c --------------------------------------------------------------------------------------------------- */

void report_input(struct participant *p, struct link *link, uint8_t *data, size_t len);
void report_tick(struct participant *p, struct link *link);
void report_nack(struct participant *p, struct stream *stream);
void report_pli(struct participant *p, struct stream *stream);

/* ---- data.c ----------------------------------------------------------------------------------------------------- */

void data_start(struct participant *p, struct link *link);
void data_pump(struct participant *p, struct link *link);
void data_input(struct participant *p, struct link *link, struct span datagram);
void data_resend(struct participant *p);

#endif
