/* WebRTC data channels: the Data Channel Establishment Protocol (RFC 8832) and the small table of channels of one
 * association, after RFC 8831: stream ids by DTLS role, payload protocol identifiers, closing by stream reset both
 * ways.
 *
 *     data_channels_init -> data_channels_open* -> sctp_connect
 *     after every call on either object: data_channels_poll and sctp_poll_packet until both answer false.
 *
 * `struct data_channels` wraps a `struct sctp` whose events it takes: from data_channels_init on nobody else calls
 * sctp_poll_event, sctp_send or sctp_reset_stream. Input, ticks, packets and closing go to the sctp directly. A
 * channel's number is its place in the table, [0, DATA_CHANNELS_MAX), and is free again after DATA_CHANNEL_CLOSED.
 *
 * Memory: the struct is embedded by its owner (under 2 KiB); no allocation. Threads: none. */
#ifndef CONCLAVE_PROTOCOL_DCEP_H
#define CONCLAVE_PROTOCOL_DCEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"
#include "protocol/sctp.h"

/* Channels of one association: LiveKit's clients open three; a full table refuses by resetting the stream. */
#define DATA_CHANNELS_MAX 16
/* Longest label and protocol taken or sent, bytes of UTF-8: "_data_track" is the longest of LiveKit's. */
#define DCEP_LABEL_MAX 64
#define DCEP_PROTOCOL_MAX 32
/* Longest OPEN message that those make (RFC 8832 section 5.1: 12 bytes in front). */
#define DCEP_OPEN_BYTES_MAX (12 + DCEP_LABEL_MAX + DCEP_PROTOCOL_MAX)

/* Payload protocol identifiers (RFC 8831 section 8). 52 and 54, fragments by an old draft, are not taken. */
enum dcep_ppid {
    DCEP_PPID_CONTROL = 50,
    DCEP_PPID_STRING = 51,
    DCEP_PPID_BINARY = 53,
    DCEP_PPID_STRING_EMPTY = 56,
    DCEP_PPID_BINARY_EMPTY = 57,
};

enum dcep_reliability { DCEP_RELIABLE = 0, DCEP_MAX_RETRANSMITS = 1, DCEP_LIFETIME_MS = 2 };

/* What an OPEN message says; the spans borrow from the message or from the caller. */
struct dcep_open {
    bool unordered;
    enum dcep_reliability reliability;
    uint32_t reliability_value; /* retransmissions or milliseconds; 0 when reliable */
    uint16_t priority;          /* RFC 8831 section 6.4: 128 below normal, 256 normal, 512 high */
    struct span label;
    struct span protocol;
};

/* The wire format alone. dcep_parse_open refuses anything but exactly one OPEN message with texts inside our limits and
 * a channel type known to RFC 8832 section 5.1. */
bool dcep_parse_open(struct span message, struct dcep_open *open);
void dcep_write_open(struct writer *w, const struct dcep_open *open);
bool dcep_is_ack(struct span message);
void dcep_write_ack(struct writer *w);

#define DCEP_COUNTERS(X)                                                                                               \
    X(rx_bad_control, "DCEP messages malformed or of unknown type")                                                    \
    X(rx_unexpected, "DCEP messages that do not fit the channel: OPEN on a used stream, ACK for nothing")              \
    X(rx_wrong_parity, "channels opened by the peer on a stream of our parity")                                        \
    X(rx_no_channel, "messages on streams without a channel")                                                          \
    X(rx_bad_ppid, "messages with a payload protocol identifier of no meaning here")                                   \
    X(opened_by_us, "channels opened by us")                                                                           \
    X(opened_by_peer, "channels opened by the peer")                                                                   \
    X(refused_full, "channels refused because the table was full or the OPEN could not be kept")                       \
    X(closed, "channels closed")
COUNTERS_DEFINE(dcep_counters, DCEP_COUNTERS)

enum dcep_state {
    DCEP_FREE,
    DCEP_OPENING, /* OPEN is sent, no answer yet: messages may be sent, in order (RFC 8832 section 6) */
    DCEP_OPEN,
    DCEP_CLOSING, /* one direction or both are being reset */
};

struct dcep_channel {
    uint8_t state; /* enum dcep_state */
    bool unordered;
    bool answered;       /* anything came from the peer: messages need not be ordered any more (RFC 8832 section 6) */
    bool ack_wanted;     /* our ACK found the send buffer full and waits */
    bool old_reset;      /* the stream's former channel: the answer to its reset is still to come */
    bool outgoing_reset; /* our direction is closed */
    bool incoming_reset; /* the peer's direction is closed */
    bool closed;         /* to be told and freed */
    uint8_t reliability; /* enum dcep_reliability */
    uint8_t label_len;
    uint8_t protocol_len;
    uint16_t stream;
    uint16_t priority;
    uint32_t reliability_value;
    char label[DCEP_LABEL_MAX];
    char protocol[DCEP_PROTOCOL_MAX];
};

/* Which streams are ours to open (RFC 8832 section 6): the DTLS client's are even, the server's odd. */
enum dcep_side { DCEP_DTLS_CLIENT = 0, DCEP_DTLS_SERVER = 1 };

struct data_channels {
    struct sctp *sctp;
    struct dcep_counters *counters;
    enum dcep_side side;
    bool down;
    bool holds;        /* a message waits because of `hold` */
    uint64_t controls; /* DCEP messages that were taken in, ever, good or bad: for their price */
    uint8_t hold;      /* enum data_channels_hold */
    struct dcep_channel channels[DATA_CHANNELS_MAX];
};

/* `sctp` and `counters` are borrowed and outlive the table. */
void data_channels_init(struct data_channels *set, struct sctp *sctp, enum dcep_side side,
                        struct dcep_counters *counters);

enum data_channel_event_type {
    DATA_CHANNELS_CONNECTED, /* the association is up */
    DATA_CHANNEL_OPENED,     /* .channel: the peer answered our OPEN, or opened one itself (.by_peer) */
    DATA_CHANNEL_MESSAGE,    /* .channel, .binary, .len_bytes; bytes by data_channels_copy until the next call */
    DATA_CHANNEL_CLOSED,     /* .channel: closed by either side, its number is free */
    DATA_CHANNELS_WRITABLE,  /* after a DATA_CHANNEL_FULL there is room again; also comes uncalled for */
    DATA_CHANNELS_DOWN,      /* .reason: the association ended, all channels are gone; the last event */
};

struct data_channel_event {
    enum data_channel_event_type type;
    uint32_t channel;
    bool by_peer;
    bool binary;
    uint32_t len_bytes; /* may be 0 */
    enum sctp_close_reason reason;
};

/* The next event, after answering what DCEP asks for; false when there is none. A restart of the association by its
 * peer closes every channel. */
bool data_channels_poll(struct data_channels *set, uint64_t now_us, struct data_channel_event *event);
/* Which messages data_channels_poll may hand out at the moment: none, not even what makes channels; only what is not a
 * message of a reliable channel; or all (as at first). Those that may not wait in the association, in their order, and
 * whatever is behind them. */
enum data_channels_hold { DATA_CHANNELS_HOLD_NONE, DATA_CHANNELS_HOLD_RELIABLE, DATA_CHANNELS_HOLD_ALL };
void data_channels_hold(struct data_channels *set, enum data_channels_hold hold);
/* Whether the last data_channels_poll that answered false left a message behind because of that. */
static inline bool data_channels_holds(const struct data_channels *set) {
    return set->holds;
}
/* After DATA_CHANNEL_MESSAGE and before any other call on the table or the sctp: the message's bytes, all of them at
 * once or (`*part` = 0 at first) fragment by fragment. */
void data_channels_copy(const struct data_channels *set, const struct data_channel_event *event, struct writer *w);
bool data_channels_part(const struct data_channels *set, const struct data_channel_event *event, uint32_t *part,
                        struct span *bytes);

/* Opens a channel on the lowest free stream of our parity; also before the association is up. Messages may follow at
 * once. False when the table, the streams or the send buffer are full. Label and protocol are copied and within the
 * limits. */
bool data_channels_open(struct data_channels *set, uint64_t now_us, const struct dcep_open *open, uint32_t *channel);

/* What a message takes of a sender's account: what it really holds, since small ones cost a block as well. */
#define DATA_CHANNEL_UNIT_BYTES 1024
static inline uint32_t data_channel_charge(size_t len_bytes) {
    return (uint32_t)(len_bytes / DATA_CHANNEL_UNIT_BYTES + 1) * DATA_CHANNEL_UNIT_BYTES;
}
/* Accounts of the association: messages of reliable channels, and of the others. */
enum data_channel_account { DATA_CHANNEL_RELIABLE, DATA_CHANNEL_LOSSY };
/* Charges of messages that were taken by data_channels_send and left the send buffer, ever; those that are taken but
 * not settled wait there or are on their way. Only valid while the association's memory is. */
uint64_t data_channels_settled(const struct data_channels *set, enum data_channel_account account);

enum data_channel_send_result {
    DATA_CHANNEL_OK,
    DATA_CHANNEL_FULL, /* nothing was taken; DATA_CHANNELS_WRITABLE follows */
    DATA_CHANNEL_TOO_LONG,
    DATA_CHANNEL_NOT_OPEN, /* the channel is closing, the number free, or the association down */
};

/* Sends one message with the channel's order and reliability; an empty one is allowed (RFC 8831 section 6.6). */
enum data_channel_send_result data_channels_send(struct data_channels *set, uint64_t now_us, uint32_t channel,
                                                 bool binary, struct span bytes);
/* What is queued is still delivered; DATA_CHANNEL_CLOSED follows when both directions are reset. */
void data_channels_close(struct data_channels *set, uint64_t now_us, uint32_t channel);

/* NULL when the number is free. Borrowed until the next call on the table. */
const struct dcep_channel *data_channels_get(const struct data_channels *set, uint32_t channel);
/* The open or opening channel with this label, by number; false when there is none. */
bool data_channels_find(const struct data_channels *set, struct span label, uint32_t *channel);
uint32_t data_channels_buffered_bytes(const struct data_channels *set, uint32_t channel);

#endif
