/* A LiveKit participant without a face: joins a room as livekit-client does, publishes synthetic media, receives what
 * it subscribes to and checks every packet of it. Sans-IO. The simulator and the load tool are made of these, and it is
 * the second, independent implementation of the media path: it shares with the server the protocol modules and pure
 * parts, but reads descriptions, makes and judges media on its own.
 *
 *        commands                    participant_input_signal     participant_input_datagram
 *           |                                   |                            |
 *           +------------------------> struct participant <------------------+        participant_tick
 *                                       |       |       |
 *               participant_poll_event -+       |       +- participant_poll_tx
 *                                   participant_poll_signal
 *
 * The law: after any input, command or tick call the three poll functions until they answer false, then sleep until
 * participant_next_deadline_us. What a poll hands out is valid until the next call of the same poll.
 *
 * Signalling. participant_poll_signal asks for a WebSocket (PARTICIPANT_SIGNAL_OPEN with path and query); the owner
 * answers by participant_signal_opened or _refused and passes messages; _closed tells that it is gone, whoever closed
 * it. A new OPEN replaces the last socket: what comes from the old one is the owner's to drop.
 *
 * Two forms of the protocol: /rtc/v1 with one peer connection, /rtc with two (config.single_connection). Connections
 * are numbered: link 0 is the publisher's or the only one, link 1 the subscriber's; each has a UDP socket of its own.
 *
 * Recovery is livekit-client's: a lost socket or a failed connection is resumed after 0, 0.3, 1.2, 2.7, 4.8, 7 s ..
 * (+-50 %), ten times; what cannot be resumed is joined anew with everything published again; then it gives up
 * (DISCONNECTED).
 *
 * Checked of each received stream: the numbers are continuous (after repair) and each packet follows from the one
 * before it: timestamp, picture id, TL0PICIDX, marker; the payload is what its publisher made, one publication only, in
 * order; frames are decodable: all packets, and the frame that they refer to. What is wrong is counted in
 * participant_stream.violations and named by the last violation's text.
 *
 * Memory: participant_size bytes from the caller, about 1 MB of which is touched as it is used. Signalling (protobuf,
 * SDP) and OpenSSL allocate; media does not. Owner and threads: one owner, no threads. */
#ifndef CONCLAVE_CLIENT_PARTICIPANT_H
#define CONCLAVE_CLIENT_PARTICIPANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"
#include "base/net.h"

struct rng;
struct dtls_context;
struct participant;

/* Camera, microphone, screen and its sound; a simulator wants no more. */
#define PARTICIPANT_TRACKS_MAX 4
#define PARTICIPANT_LAYERS_MAX 3
#define PARTICIPANT_LINKS 2
/* Sids as the server makes them are 15 characters; identities and rooms of 256 bytes fit as well. */
#define PARTICIPANT_SID_LEN_MAX 32
#define PARTICIPANT_IDENTITY_LEN_MAX 256
#define PARTICIPANT_TOKEN_LEN_MAX 4096
/* Identities that one data packet of ours is addressed to. */
#define PARTICIPANT_DESTINATIONS_MAX 16
/* livekit-client keeps its own messages below 64000 bytes. */
#define PARTICIPANT_DATA_LEN_MAX 60000

/* End-to-end encryption: what is published goes through `seal`, what is received through `open`; for rooms where the
 * server wants it. Both answer the length of what they wrote to `out`, 0 when they cannot: the frame is then not sent,
 * or not played (it counts in the stream's `unopened`). A frame is sealed once; retransmissions repeat the sealed
 * bytes. `context` outlives the participant. Frames must fit into one packet with what sealing adds
 * (PARTICIPANT_SEALING_LEN_MAX); asserted. */
#define PARTICIPANT_SEALING_LEN_MAX 48
struct participant_crypt {
    void *context;
    size_t (*seal)(void *context, uint64_t now_us, bool video, struct span frame, uint8_t *out, size_t out_size);
    /* `identity`: whose stream it is, as the server says. */
    size_t (*open)(void *context, uint64_t now_us, const char *identity, bool video, struct span sealed, uint8_t *out,
                   size_t out_size);
};

struct participant_config {
    const char *token; /* copied */
    uint32_t number;   /* goes into the stamps of what is published */
    bool single_connection;
    bool auto_subscribe;
    bool adaptive_stream;
    bool dynacast;                         /* stop layers that nobody watches */
    uint32_t streams_max;                  /* received at one time, 1..512 */
    uint32_t datagrams_max;                /* waiting for participant_poll_tx: two ticks' worth of what is sent */
    const struct participant_crypt *crypt; /* NULL: in clear; else it outlives the participant */
};

size_t participant_size(const struct participant_config *config);
/* `dtls` and `rng` (fit for secrets where it matters) outlive the participant. Asks for its socket at once. */
struct participant *participant_init(void *memory, const struct participant_config *config, struct dtls_context *dtls,
                                     struct rng *rng, uint64_t now_us);
/* Frees what OpenSSL and signalling hold. Says nothing to the server: participant_leave first. */
void participant_destroy(struct participant *p);

/* ---- signalling ------------------------------------------------------------------------------------------------- */

enum participant_signal_type { PARTICIPANT_SIGNAL_OPEN, PARTICIPANT_SIGNAL_MESSAGE, PARTICIPANT_SIGNAL_CLOSE };

struct participant_signal {
    enum participant_signal_type type;
    struct span bytes; /* OPEN: path and query; MESSAGE: one binary message */
};

bool participant_poll_signal(struct participant *p, struct participant_signal *out);
void participant_signal_opened(struct participant *p, uint64_t now_us);
/* The upgrade was answered with this HTTP status; 0 = no answer at all. */
void participant_signal_refused(struct participant *p, uint64_t now_us, uint16_t status);
void participant_input_signal(struct participant *p, uint64_t now_us, struct span message);
void participant_signal_closed(struct participant *p, uint64_t now_us);

/* ---- datagrams -------------------------------------------------------------------------------------------------- */

/* `data` is writable (SRTP opens in place); borrowed for the call. */
void participant_input_datagram(struct participant *p, uint64_t now_us, uint32_t link, const struct net_addr *from,
                                uint8_t *data, size_t len);

struct participant_tx {
    uint32_t link;
    struct net_addr to;
    struct span datagram;
};

bool participant_poll_tx(struct participant *p, uint64_t now_us, struct participant_tx *out);
void participant_tick(struct participant *p, uint64_t now_us);
uint64_t participant_next_deadline_us(const struct participant *p);

/* ---- commands --------------------------------------------------------------------------------------------------- */

struct participant_publish {
    bool video;
    bool screen;
    uint8_t layers;                               /* video: 1 = one stream without rids, 2 or 3 = simulcast q, h(, f) */
    uint16_t width, height;                       /* of the highest layer */
    uint16_t fps;                                 /* video: 1..60 */
    uint32_t frame_bytes[PARTICIPANT_LAYERS_MAX]; /* of a delta frame; key frames have three times as many */
    uint8_t level_dbov;                           /* audio: what the level extension says */
    bool muted;
};

/* Answers the publication's number (> 0, in the stamps), 0 when all tracks are in use. Media flows once it is
 * negotiated. */
uint16_t participant_publish(struct participant *p, uint64_t now_us, const struct participant_publish *what);
void participant_unpublish(struct participant *p, uint64_t now_us, uint16_t publication);
void participant_mute(struct participant *p, uint64_t now_us, uint16_t publication, bool muted);
void participant_subscribe(struct participant *p, uint64_t now_us, const char *track_sid, bool subscribe);

struct participant_settings {
    bool disabled;
    uint8_t quality;        /* 0 low, 1 medium, 2 high; when there is no size */
    uint16_t width, height; /* 0 = by quality */
};
void participant_settings(struct participant *p, uint64_t now_us, const char *track_sid,
                          const struct participant_settings *settings);
/* False when the channel is not open yet, full, or the message too long. Destinations: identities; none = everybody. */
bool participant_send_data(struct participant *p, uint64_t now_us, bool reliable, struct span payload,
                           const char *const *destinations, size_t destinations_count);
/* Opens the data channels of a participant of two connections that publishes nothing. */
void participant_want_data(struct participant *p, uint64_t now_us);
/* Says goodbye; DISCONNECTED follows. */
void participant_leave(struct participant *p, uint64_t now_us);

/* ---- events ----------------------------------------------------------------------------------------------------- */

enum participant_event_type {
    PARTICIPANT_EV_JOINED,       /* admitted: signalling is up, with a new sid */
    PARTICIPANT_EV_CONNECTED,    /* media is up: first time, after a resume and after a full reconnect */
    PARTICIPANT_EV_RECONNECTING, /* .full */
    PARTICIPANT_EV_DISCONNECTED, /* .reason of the server's leave, or -1; the last event */
    PARTICIPANT_EV_PUBLISHED,    /* .publication has .sid */
    PARTICIPANT_EV_SUBSCRIBED,   /* a stream of track .sid began */
    PARTICIPANT_EV_UNSUBSCRIBED, /* it ended */
    PARTICIPANT_EV_DATA,         /* .sid of the sender, .reliable, payload */
};

struct participant_event {
    enum participant_event_type type;
    bool full, reliable;
    int reason;
    uint16_t publication;
    char sid[PARTICIPANT_SID_LEN_MAX + 1];
    char identity[PARTICIPANT_IDENTITY_LEN_MAX + 1]; /* DATA: of the sender */
    struct span payload;
};

bool participant_poll_event(struct participant *p, struct participant_event *event);

/* ---- insight ---------------------------------------------------------------------------------------------------- */

#define PARTICIPANT_COUNTERS(X)                                                                                        \
    X(rx_datagrams, "datagrams taken in")                                                                              \
    X(rx_rtp, "RTP packets received")                                                                                  \
    X(rx_rtx, "retransmissions received")                                                                              \
    X(rx_rtcp, "RTCP compounds received")                                                                              \
    X(rx_duplicate, "RTP packets received twice")                                                                      \
    X(rx_lost, "RTP packets that never came")                                                                          \
    X(rx_unknown_ssrc, "RTP packets of no stream that was negotiated")                                                 \
    X(rx_bad, "datagrams that could not be opened or read")                                                            \
    X(rx_frames, "frames decoded")                                                                                     \
    X(tx_rtp, "RTP packets sent")                                                                                      \
    X(tx_rtx, "RTP packets sent again on request")                                                                     \
    X(tx_rtx_missed, "packets asked for again that were no longer known")                                              \
    X(tx_keyframes, "key frames made on request")                                                                      \
    X(tx_nack, "packets asked for again")                                                                              \
    X(tx_pli, "key frames asked for")                                                                                  \
    X(rx_feedback, "transport-wide feedback messages received")                                                        \
    X(drop_tx, "datagrams dropped because too many were waiting")                                                      \
    X(drop_events, "events dropped because too many were waiting")                                                     \
    X(data_in, "data packets received")                                                                                \
    X(data_duplicate, "data packets received twice")                                                                   \
    X(data_out, "data packets sent")                                                                                   \
    X(signal_bad, "signalling messages that could not be used")                                                        \
    X(resumes, "sessions resumed")                                                                                     \
    X(rejoins, "full reconnects")                                                                                      \
    X(violations, "packets that break the continuity or the origin of a stream")
COUNTERS_DEFINE(participant_counters, PARTICIPANT_COUNTERS)

enum participant_state {
    PARTICIPANT_CONNECTING, /* first join is under way */
    PARTICIPANT_CONNECTED,
    PARTICIPANT_RECONNECTING,
    PARTICIPANT_DISCONNECTED,
};

struct participant_stream {
    char track_sid[PARTICIPANT_SID_LEN_MAX + 1];
    char publisher_sid[PARTICIPANT_SID_LEN_MAX + 1];
    bool video;
    bool stamped;       /* the two below are known: a payload came */
    uint32_t publisher; /* number */
    uint16_t publication;
    uint8_t layer, temporal_max; /* of the newest frames */
    uint16_t width;              /* of the last key frame */
    uint64_t started_us;
    uint64_t last_rx_us;      /* newest packet, 0 = none */
    uint64_t last_decoded_us; /* newest decodable frame or sound, 0 = none */
    uint64_t packets, frames, lost, repaired, duplicates;
    uint64_t unopened;  /* frames that `open` refused */
    uint64_t freeze_us; /* time without a decodable frame while packets came */
    uint64_t violations;
};

enum participant_state participant_state(const struct participant *p);
/* "" before the first join. */
const char *participant_sid(const struct participant *p);
void participant_counters_get(const struct participant *p, struct participant_counters *out);
/* One sentence about the newest violation, "" without. */
const char *participant_violation(const struct participant *p);
/* Streams by slot, 0 .. streams_max - 1; false = the slot is free, or beyond. */
bool participant_stream_get(const struct participant *p, uint32_t slot, struct participant_stream *out);
/* How many of the newest `count` numbers of a stream in use have not come, neither at first nor again. Only the last
 * PARTICIPANT_NUMBERS_MAX are remembered; what is older and never came is in `lost`. */
#define PARTICIPANT_NUMBERS_MAX 512
uint32_t participant_stream_missing(const struct participant *p, uint32_t slot, uint32_t count);
/* A publication's sid, "" while it has none (yet); `live` tells whether it is negotiated and not muted. */
const char *participant_publication_sid(const struct participant *p, uint16_t publication, bool *live);
/* Among the remote participants as the server last told, the left ones excluded. */
bool participant_roster_has(const struct participant *p, const char *identity);
/* State of a connection for reports: "ice 2 dtls 1 keyed 1". */
void participant_link_text(const struct participant *p, uint32_t link, struct writer *w);

#endif
