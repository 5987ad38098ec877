/* SCTP for WebRTC data channels: one association with one path over DTLS (RFC 9260 over RFC 8261, as RFC 8831 profiles
 * it), with partial reliability (RFC 3758), stream reset (RFC 6525) and the immediate-SACK bit. Message interleaving
 * (RFC 8260), zero checksum, AUTH, address changes and multihoming are not spoken and never offered.
 *
 *      engine                struct sctp                      DTLS
 *        | sctp_send ----------->| queue                         |
 *        | sctp_poll_event <-----| messages, states              |
 *        | sctp_poll_packet <----| one packet <= mtu ----------->| encrypt and send
 *        |                       |<------------------ sctp_input | decrypted datagram
 *        | sctp_tick, sctp_next_deadline: virtual time           |
 *
 * Order of calls: sctp_size and sctp_init; once DTLS is up, sctp_connect on at least one side (on both is fine: RFC
 * 9260 section 5.2 settles the collision); then the law of this project: after every sctp_input, sctp_tick, sctp_send,
 * sctp_reset_stream or sctp_close, call sctp_poll_event and sctp_poll_packet until both answer false (each may make
 * work for the other), and set the timer to sctp_next_deadline. Messages may be sent before the association is up; they
 * wait. sctp_release gives every block back; call it before the memory goes away.
 *
 * Memory: sctp_size() bytes (under 6 KiB with 1024 streams) belong to the caller. Message bytes live in blocks of one
 * `struct sctp_buffers` that all associations of a thread share; a block is held only while it carries queued or
 * unacknowledged data, a received fragment that was not taken yet, or an unanswered control chunk. No allocation.
 *
 * Choices where the RFCs leave one: initial RTO 500 ms (RFC 9260: 1 s), minimum 200 ms (1 s), maximum 10 s (60 s),
 * because a meeting cannot wait a second for a lost chat line; the last chunk of a burst asks for an immediate SACK
 * (RFC 9260 section 3.3.1), so that a peer's delayed SACK does not look like a loss; initial window 10 packets (RFC
 * 6928).
 *
 * Threads: none; one thread owns an association and its buffers. Errors: bad input is counted and dropped. */
#ifndef CONCLAVE_PROTOCOL_SCTP_H
#define CONCLAVE_PROTOCOL_SCTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"

struct rng;
struct sctp;
struct sctp_block;

/* Both ports of WebRTC associations (a=sctp-port:5000, RFC 8841). */
#define SCTP_PORT 5000
/* Packet: 1280 (IPv6's least MTU) - 48 (IPv6, UDP) - 37 (DTLS) leaves 1195; less the 45 bytes that a TURN hop may add.
 */
#define SCTP_MTU_BYTES 1150
/* Streams each way: what Chromium gives out as ids; costs 4 bytes a stream in every association. */
#define SCTP_STREAMS_MAX 1024
/* Default and largest message, both ways: a=max-message-size. no more than any browser takes without being told. */
#define SCTP_MESSAGE_BYTES 65535
#define SCTP_MESSAGE_BYTES_MAX 262144
/* Default and largest send and reassembly buffers, as payload bytes. */
#define SCTP_BUFFER_BYTES 262144
#define SCTP_BUFFER_BYTES_MAX 1048576
/* Payload of one block: the DATA chunk of the longest datagram that the engine takes (PACKET_LEN_MAX less DTLS, SCTP).
 */
#define SCTP_BLOCK_BYTES 1536

#define SCTP_COUNTERS(X)                                                                                               \
    X(rx_packets, "SCTP packets received")                                                                             \
    X(rx_bad_packet, "packets too short, with a wrong checksum or port, or with a chunk running past the end")         \
    X(rx_bad_tag, "packets whose verification tag did not match")                                                      \
    X(rx_bad_chunk, "chunks malformed, too short or inconsistent")                                                     \
    X(rx_repeated_chunk, "chunks that a packet may have once, and had again")                                          \
    X(rx_unexpected, "chunks that do not fit the state of the association")                                            \
    X(rx_unknown_chunk, "chunks of a type not known")                                                                  \
    X(rx_bad_cookie, "state cookies that were not made by this association")                                           \
    X(rx_stale_cookie, "state cookies older than their lifetime")                                                      \
    X(rx_data, "DATA chunks received")                                                                                 \
    X(rx_duplicate, "DATA chunks received again")                                                                      \
    X(rx_beyond_window, "DATA chunks too far ahead of the cumulative TSN")                                             \
    X(rx_no_room, "DATA chunks refused because the reassembly buffer was full")                                        \
    X(rx_no_block, "chunks refused because the shared blocks were used up")                                            \
    X(rx_reneged, "DATA chunks given up after a gap acknowledgement to make room for earlier ones")                    \
    X(rx_bad_stream, "DATA chunks on streams beyond those agreed")                                                     \
    X(rx_old_ssn, "ordered DATA chunks behind their stream's next message")                                            \
    X(rx_messages, "messages delivered")                                                                               \
    X(rx_skipped, "received fragments dropped because the sender abandoned their message")                             \
    X(rx_bad_sack, "SACKs that acknowledge what was never sent")                                                       \
    X(rx_old_sack, "SACKs overtaken by a later one")                                                                   \
    X(rx_bad_reconfig, "stream reconfiguration requests with a wrong sequence number or content")                      \
    X(rx_no_reply_room, "requests not answered because too many answers were waiting")                                 \
    X(tx_packets, "SCTP packets made")                                                                                 \
    X(tx_data, "DATA chunks sent, first time")                                                                         \
    X(tx_retransmits, "DATA chunks sent again")                                                                        \
    X(tx_fast_retransmits, "entries into fast recovery")                                                               \
    X(tx_timeouts, "expiries of the retransmission timer")                                                             \
    X(tx_abandoned, "messages abandoned by their reliability limit")                                                   \
    X(tx_full, "messages refused because the send buffer was full")                                                    \
    X(tx_no_block, "messages refused because the shared blocks were used up")                                          \
    X(tx_bad_stream, "messages discarded because the peer has fewer streams")                                          \
    X(established, "associations that came up")                                                                        \
    X(restarted, "associations restarted by their peer")                                                               \
    X(aborted, "associations aborted, by either side")                                                                 \
    X(timed_out, "associations given up after too many retransmissions")
COUNTERS_DEFINE(sctp_counters, SCTP_COUNTERS)

/* --- blocks ------------------------------------------------------------------------------------------------------- */

/* Receiving, an association takes at most a share of the blocks that are free (one quarter, but always enough for one
 * message while there are any), so that no few of them can hold all; and an eighth of all blocks is left for sending.
 * Who gets no block is not acknowledged and sends again. */
#define SCTP_RX_SHARE 4
#define SCTP_TX_RESERVE 8

/* The blocks of one thread's associations. A block costs memory when first used (the arena may be an untouched
 * anonymous mapping) and the last one given back is the next one taken. */
struct sctp_buffers {
    struct sctp_block *blocks;
    uint32_t capacity;
    uint32_t used;
    uint32_t fresh;     /* blocks from here on were never taken */
    uint32_t free_head; /* UINT32_MAX: none below `fresh` is free */
};

size_t sctp_buffers_size(uint32_t capacity);
/* `memory`: sctp_buffers_size(capacity) bytes, 8-byte aligned, kept until the last association is released. */
void sctp_buffers_init(struct sctp_buffers *buffers, void *memory, uint32_t capacity);

/* --- association -------------------------------------------------------------------------------------------------- */

/* Zero in a number means its default. `buffers` and `counters` are shared and outlive the association. */
struct sctp_config {
    struct sctp_buffers *buffers;
    struct sctp_counters *counters;
    uint16_t local_port;        /* SCTP_PORT */
    uint16_t remote_port;       /* SCTP_PORT */
    uint16_t mtu_bytes;         /* SCTP_MTU_BYTES; 512 to 1400 */
    uint16_t streams;           /* SCTP_STREAMS_MAX, each way, at most that */
    uint32_t send_buffer_bytes; /* SCTP_BUFFER_BYTES; at most SCTP_BUFFER_BYTES_MAX, not under a message */
    uint32_t recv_buffer_bytes; /* the same */
    uint32_t message_bytes_max; /* SCTP_MESSAGE_BYTES, both ways; at most SCTP_MESSAGE_BYTES_MAX */
    uint32_t low_water_bytes;   /* half of the send buffer; see SCTP_EVENT_BUFFERED_LOW */
};

size_t sctp_size(const struct sctp_config *config);
/* `memory`: sctp_size(config) bytes, 8-byte aligned. `rng` must be fit for secrets (tags and cookie key are drawn); it
 * is not kept. The association waits for the peer's INIT until sctp_connect. */
struct sctp *sctp_init(void *memory, const struct sctp_config *config, struct rng *rng, uint64_t now_us);
/* Gives all blocks back and wipes the keys; the memory may then be reused. Nothing is sent. */
void sctp_release(struct sctp *s);

/* Sends INIT. No effect when the association is already being set up, up or closed. */
void sctp_connect(struct sctp *s, uint64_t now_us);
/* One decrypted datagram, borrowed for the call. Anything wrong with it is counted, never an assert. */
void sctp_input(struct sctp *s, uint64_t now_us, struct span datagram);
/* Runs the timers that are due. */
void sctp_tick(struct sctp *s, uint64_t now_us);
/* When sctp_tick wants to be called; TIME_NEVER when no timer runs. */
uint64_t sctp_next_deadline(const struct sctp *s);
/* Appends one packet of at most mtu_bytes to `w`, which has room for that many; false when there is nothing to send. */
bool sctp_poll_packet(struct sctp *s, uint64_t now_us, struct writer *w);

enum sctp_close_reason {
    SCTP_CLOSED_BY_US,     /* sctp_close */
    SCTP_CLOSED_BY_PEER,   /* the peer's SHUTDOWN or ABORT */
    SCTP_CLOSED_TIMEOUT,   /* the peer did not answer (10 retransmissions; 8 while setting up) */
    SCTP_CLOSED_VIOLATION, /* the peer broke the protocol or one of our limits (message too long, buffer blocked) */
};

enum sctp_event_type {
    SCTP_EVENT_CONNECTED,    /* the association is up */
    SCTP_EVENT_RESTARTED,    /* the peer started anew: queues and streams were emptied, the association is up again */
    SCTP_EVENT_MESSAGE,      /* .message; its bytes are valid until the next call on the association */
    SCTP_EVENT_STREAM_RESET, /* .stream: the peer closed its side; every message of that stream was delivered before */
    SCTP_EVENT_RESET_DONE,   /* .stream: our sctp_reset_stream is complete (or refused by the peer); usable again */
    SCTP_EVENT_BUFFERED_LOW, /* after an SCTP_SEND_FULL the send buffer fell to low_water_bytes */
    SCTP_EVENT_CLOSED,       /* .reason; the last event ever, every block is given back */
};

struct sctp_message {
    uint16_t stream;
    bool unordered;
    uint32_t ppid;
    uint32_t len_bytes; /* at least 1 */
};

struct sctp_event {
    enum sctp_event_type type;
    enum sctp_close_reason reason;
    uint16_t stream;
    struct sctp_message message;
};

/* The next event; false when there is none. */
bool sctp_poll_event(struct sctp *s, struct sctp_event *event);
/* The message that sctp_poll_event would hand out next; false when there is none. */
bool sctp_peek_message(const struct sctp *s, struct sctp_message *message);
/* While held, messages stay here, and with them what may only be told behind them (the peer's resets, the end); the
 * window towards the peer closes as they pile up, and opens again when they are taken. Everything else goes on. */
void sctp_hold_messages(struct sctp *s, bool hold);
/* After SCTP_EVENT_MESSAGE and before any other call: the message's bytes. sctp_message_part walks over the fragments
 * (`*part` = 0 at first) and answers false behind the last; sctp_message_copy appends all of them to a writer. */
bool sctp_message_part(const struct sctp *s, uint32_t *part, struct span *bytes);
void sctp_message_copy(const struct sctp *s, struct writer *w);

/* How a message is sent. Limits (RFC 3758, RFC 8831 section 6.6): a message that was lost is sent again at most
 * `retransmits_max` times when `limit_retransmits`, and not after `lifetime_ms` when that is not 0; then it is
 * abandoned. A peer without FORWARD-TSN gets everything reliably. */
#define SCTP_ACCOUNTS 2

struct sctp_send_options {
    uint16_t stream;
    bool unordered;
    bool limit_retransmits;
    uint16_t retransmits_max;
    uint32_t lifetime_ms;
    uint32_t ppid;
    uint8_t account;       /* [0, SCTP_ACCOUNTS) */
    uint32_t charge_bytes; /* see sctp_settled_bytes */
};

enum sctp_send_result {
    SCTP_SEND_OK,
    SCTP_SEND_FULL,       /* the send buffer or the shared blocks: nothing was taken; SCTP_EVENT_BUFFERED_LOW follows */
    SCTP_SEND_TOO_LONG,   /* over message_bytes_max */
    SCTP_SEND_BAD_STREAM, /* beyond the streams agreed with the peer, or being reset */
    SCTP_SEND_CLOSED,     /* closing or closed */
};

/* Copies `bytes` (at least one) into the send buffer, wholly or not at all. */
enum sctp_send_result sctp_send(struct sctp *s, uint64_t now_us, const struct sctp_send_options *options,
                                struct span bytes);
/* Resets our direction of a stream (RFC 6525 section 4.1) once everything queued on it arrived; SCTP_EVENT_RESET_DONE
 * tells the end, at once when the peer knows no RE-CONFIG. Until then sctp_send refuses the stream. */
void sctp_reset_stream(struct sctp *s, uint64_t now_us, uint16_t stream);
/* Graceful: what is queued is delivered, then SHUTDOWN (at most 10 s in all). Otherwise ABORT with the next packet.
 * Both end in SCTP_EVENT_CLOSED. */
void sctp_close(struct sctp *s, uint64_t now_us, bool graceful);

bool sctp_is_connected(const struct sctp *s);
/* Whether the peer knows RE-CONFIG; without it a stream is never reset from the other side. */
bool sctp_peer_resets(const struct sctp *s);
/* Payload bytes accepted and not yet acknowledged or abandoned. By stream it walks over the queues (at most the blocks
 * of one send buffer); the total is at hand. */
uint32_t sctp_buffered_bytes(const struct sctp *s, uint16_t stream);
uint32_t sctp_buffered_total(const struct sctp *s);
/* The charges of one account's messages that left the send buffer for good, ever: acknowledged, abandoned, or discarded
 * with their stream or association. Belongs to the memory, so that it counts on through a restart. */
uint64_t sctp_settled_bytes(const struct sctp *s, uint8_t account);
/* Blocks held now, both directions: 0 on an idle association. */
uint32_t sctp_blocks_held(const struct sctp *s);
/* What congestion control believes: for statistics. `rtt_us` 0 before the first measurement. */
struct sctp_stats {
    uint64_t rtt_us;
    uint64_t rto_us;
    uint32_t cwnd_bytes;
    uint32_t flight_bytes;
    uint32_t peer_window_bytes;
};
struct sctp_stats sctp_stats(const struct sctp *s);

#endif
