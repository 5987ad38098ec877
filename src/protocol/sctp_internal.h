/* What the files of the SCTP association share; nobody outside src/protocol/sctp*.c includes it.
 *
 *     sctp.c          life, events, timers, dispatch of chunks
 *     sctp_setup.c    INIT, cookies, collision and restart, SHUTDOWN, ABORT
 *     sctp_output.c   making of packets
 *     sctp_send.c     send queue, fragmentation, choice of the next chunk, abandoning
 *     sctp_ack.c      SACK from the peer, congestion control, retransmission
 *     sctp_recv.c     DATA and FORWARD-TSN from the peer, reassembly, our SACK
 *     sctp_reset.c    RE-CONFIG
 *     sctp_block.c    blocks and lists of blocks
 *
 * TSNs are 64 bits wide inside: 2^32 plus the initial TSN, and up. Stream sequence numbers stay at 16 bits: there are
 * two for every stream, and RFC 9260 orders them by serial arithmetic. */
#ifndef CONCLAVE_PROTOCOL_SCTP_INTERNAL_H
#define CONCLAVE_PROTOCOL_SCTP_INTERNAL_H

#include "base/assert.h"
#include "base/cursor.h"
#include "base/seq.h"
#include "base/time.h"
#include "protocol/sctp.h"

#define SCTP_NONE UINT32_MAX
#define SCTP_TSN_BASE (UINT64_C(1) << 32)

/* --- wire (RFC 9260 section 3) --- */
#define SCTP_HEADER_BYTES 12
#define SCTP_CHUNK_HEADER_BYTES 4
#define SCTP_DATA_HEADER_BYTES 16
/* Longest packet taken: a packet slot of the engine holds 1600. */
#define SCTP_PACKET_BYTES_MAX 2048

enum sctp_chunk_type {
    SCTP_DATA = 0,
    SCTP_INIT = 1,
    SCTP_INIT_ACK = 2,
    SCTP_SACK = 3,
    SCTP_HEARTBEAT = 4,
    SCTP_HEARTBEAT_ACK = 5,
    SCTP_ABORT = 6,
    SCTP_SHUTDOWN = 7,
    SCTP_SHUTDOWN_ACK = 8,
    SCTP_ERROR = 9,
    SCTP_COOKIE_ECHO = 10,
    SCTP_COOKIE_ACK = 11,
    SCTP_SHUTDOWN_COMPLETE = 14,
    SCTP_RECONFIG = 130,
    SCTP_FORWARD_TSN = 192,
};

enum { SCTP_FLAG_END = 1, SCTP_FLAG_BEGIN = 2, SCTP_FLAG_UNORDERED = 4, SCTP_FLAG_IMMEDIATE = 8 };
#define SCTP_FLAG_TAG_REFLECTED 1 /* the T bit of ABORT and SHUTDOWN COMPLETE */

enum sctp_cause {
    SCTP_CAUSE_STALE_COOKIE = 3,
    SCTP_CAUSE_UNKNOWN_CHUNK = 6,
    SCTP_CAUSE_UNKNOWN_PARAMS = 8,
    SCTP_CAUSE_USER_ABORT = 12,
    SCTP_CAUSE_VIOLATION = 13,
};

/* --- limits and times --- */
#define SCTP_RTO_INITIAL_US (500 * US_PER_MS)
#define SCTP_RTO_MIN_US (200 * US_PER_MS)
#define SCTP_RTO_MAX_US (10 * US_PER_S)
/* Least distance of RTO from SRTT: steady measurements must not let it shrink to the round trip itself. */
#define SCTP_RTO_VARIANCE_MIN_US (100 * US_PER_MS)
#define SCTP_SACK_DELAY_US (200 * US_PER_MS)   /* RFC 9260 section 6.2: within 200 ms */
#define SCTP_HEARTBEAT_US (30 * US_PER_S)      /* RFC 9260 section 16: HB.interval */
#define SCTP_COOKIE_LIFE_US (60 * US_PER_S)    /* RFC 9260 section 16: Valid.Cookie.Life */
#define SCTP_SHUTDOWN_GUARD_US (10 * US_PER_S) /* our patience with a graceful end */
#define SCTP_RETRANSMITS_MAX 10                /* RFC 9260 section 16: Association.Max.Retrans */
#define SCTP_INIT_RETRANSMITS_MAX 8            /* RFC 9260 section 16: Max.Init.Retransmits */
#define SCTP_INITIAL_WINDOW_PACKETS 10         /* RFC 6928 section 2, as browsers do */
#define SCTP_FAST_RETRANSMIT_MISSES 3          /* RFC 9260 section 7.2.4 */
/* TSNs tracked above the cumulative one: 256 KiB of 64-byte messages. One bit each. */
#define SCTP_RX_WINDOW 4096
/* Duplicates named in one SACK; more tell the sender nothing new. */
#define SCTP_DUPLICATES_MAX 16
/* Queues of unsent messages; stream ids of one side differ by two, so neighbours do not share one. */
#define SCTP_TX_QUEUES 8
/* Answers (HEARTBEAT ACK, ERROR) waiting: one packet makes a few at most. */
#define SCTP_REPLIES_MAX 4
/* Streams named in one reset request, so that it fits any packet. */
#define SCTP_RESET_STREAMS_MAX 64
/* Streams named in one FORWARD-TSN, for the same reason. */
#define SCTP_SKIP_STREAMS_MAX 64
/* Unrecognised parameters of an INIT that are reported back. */
#define SCTP_UNKNOWN_BYTES_MAX 64
#define SCTP_SECRET_BYTES 32
/* The reassembly buffer also ends at one block per this many of its bytes: a peer that sends crumbs cannot hold more
 * memory than one that fills its packets, yet fragments of 768 bytes still carry the longest message. */
#define SCTP_RX_BYTES_PER_BLOCK 768

#define SCTP_STREAM_WORDS (SCTP_STREAMS_MAX / 64)

/* One DATA chunk, one control chunk or one cookie. */
struct sctp_block {
    uint32_t next;
    uint32_t prev;
    uint64_t tsn;
    uint64_t expires_us;  /* sending: TIME_NEVER without lifetime */
    uint64_t missed_from; /* sending: acknowledgements below this TSN say nothing of the last transmission */
    uint32_t ppid;
    uint32_t charge_bytes; /* sending, last fragment of a message */
    uint16_t stream;
    uint16_t ssn;
    uint16_t len_bytes;
    uint16_t transmissions;
    uint16_t retransmits_max;
    uint8_t flags; /* DATA chunk flags */
    uint8_t misses;
    uint8_t account;
    bool limited;
    bool acked;  /* in a gap block */
    bool marked; /* to be sent again */
    bool abandoned;
    uint8_t bytes[SCTP_BLOCK_BYTES];
};

struct sctp_list {
    uint32_t head;
    uint32_t tail;
    uint32_t count;
};

enum sctp_state {
    SCTP_STATE_CLOSED, /* listening: nothing happened yet */
    SCTP_STATE_COOKIE_WAIT,
    SCTP_STATE_COOKIE_ECHOED,
    SCTP_STATE_ESTABLISHED,
    SCTP_STATE_SHUTDOWN_PENDING,
    SCTP_STATE_SHUTDOWN_SENT,
    SCTP_STATE_SHUTDOWN_RECEIVED,
    SCTP_STATE_SHUTDOWN_ACK_SENT,
    SCTP_STATE_DONE, /* nothing happens any more */
};

/* What both sides say of themselves in INIT and INIT ACK, and what the cookie carries. */
struct sctp_peer {
    uint32_t tag;
    uint32_t initial_tsn;
    uint32_t window_bytes;
    uint16_t streams_out;
    uint16_t streams_in;
    bool forward_tsn;
    bool reconfig;
};

struct sctp_cookie {
    uint64_t made_us;
    uint32_t my_tag;
    uint32_t my_initial_tsn;
    uint32_t tie_mine;
    uint32_t tie_peer;
    struct sctp_peer peer;
};

struct sctp_rtt {
    uint64_t srtt_us;
    uint64_t variance_us;
    uint64_t rto_us;
    uint64_t tsn; /* being timed; 0 when none */
    uint64_t sent_us;
};

struct sctp_timers {
    uint64_t setup_us; /* T1-init, T1-cookie, T2-shutdown */
    uint64_t data_us;  /* T3-rtx */
    uint64_t sack_us;
    uint64_t heartbeat_us;
    uint64_t reset_us;
    uint64_t guard_us; /* T5 */
};

struct sctp_tx {
    struct sctp_list queues[SCTP_TX_QUEUES]; /* not sent */
    struct sctp_list sent;                   /* by TSN, until cumulatively acknowledged */
    uint32_t queue;                          /* where the next chunk comes from */
    bool inside_message;                     /* that queue's head continues a message already begun */
    bool full;                               /* an sctp_send was refused since BUFFERED_LOW */
    bool fast_retransmit;                    /* one packet may go out whatever the window */
    bool in_recovery;
    bool forward_due;
    uint32_t pending; /* blocks in the queues */
    uint32_t marked;  /* blocks in `sent` to be sent again */
    uint32_t bytes;
    uint32_t flight_bytes;
    uint32_t cwnd_bytes;
    uint32_t ssthresh_bytes;
    uint32_t partial_bytes;
    uint32_t peer_window_bytes; /* as last advertised */
    uint64_t next_tsn;
    uint64_t cum_tsn;      /* acknowledged by the peer */
    uint64_t advanced_tsn; /* RFC 3758: Advanced.Peer.Ack.Point */
    uint64_t recovery_tsn;
    uint64_t last_us;
};

struct sctp_rx {
    struct sctp_list fragments; /* by TSN */
    struct sctp_list ready;     /* whole messages, in order of delivery */
    struct sctp_list current;   /* the message that sctp_poll_event handed out last */
    uint32_t bytes;
    uint64_t cum_tsn;
    uint64_t highest_tsn;
    uint64_t seen[SCTP_RX_WINDOW / 64]; /* bit tsn % SCTP_RX_WINDOW, for cum_tsn < tsn <= cum_tsn + SCTP_RX_WINDOW */
    uint32_t duplicates[SCTP_DUPLICATES_MAX];
    uint32_t duplicate_count;
    uint32_t unacked_packets;
    uint32_t advertised_bytes;
    bool sack_due;
    bool packet_has_data; /* while a packet is taken apart */
    bool packet_found_hole;
    bool immediate; /* the same: acknowledge without delay */
};

struct sctp_reset {
    uint64_t wanted[SCTP_STREAM_WORDS];   /* asked for by our user, or by the peer */
    uint64_t asked[SCTP_STREAM_WORDS];    /* in the outstanding request */
    uint64_t done[SCTP_STREAM_WORDS];     /* to be told */
    uint64_t incoming[SCTP_STREAM_WORDS]; /* reset by the peer, to be told */
    uint64_t deferred[SCTP_STREAM_WORDS]; /* the peer's request, waiting for its last TSN */
    bool outstanding;
    bool request_due;
    bool is_deferred;
    uint8_t answers_due;
    uint32_t request_seq;  /* of our outstanding request, or the next one */
    uint32_t request_tsn;  /* of the outstanding request: everything of its streams arrived up to here */
    uint32_t response_seq; /* what our request answers, or the last request of the peer */
    uint32_t peer_seq;     /* next request expected from the peer */
    uint32_t last_result;  /* of the request before that */
    uint64_t deferred_tsn;
    struct {
        uint32_t seq;
        uint32_t result;
    } answers[2];
};

struct sctp {
    struct sctp_config config;
    uint8_t state; /* enum sctp_state */
    bool init_due;
    bool init_ack_due;
    bool cookie_echo_due;
    bool cookie_ack_due;
    bool shutdown_due;
    bool shutdown_ack_due;
    bool shutdown_complete_due;
    bool abort_due;
    bool heartbeat_due;
    bool heartbeat_waiting;
    bool event_connected;
    bool event_restarted;
    bool event_low;
    bool event_closed;
    bool hold; /* messages are not wanted at the moment */
    uint8_t close_reason;
    uint16_t abort_cause;
    uint16_t fragment_bytes; /* payload of a full DATA chunk */
    uint32_t my_tag;
    uint32_t my_initial_tsn;
    uint32_t tags_made;
    uint32_t errors; /* retransmissions in a row without an answer */
    uint32_t tx_blocks_max;
    uint32_t rx_blocks_max;
    uint64_t heartbeat_nonce;
    uint64_t settled_bytes[SCTP_ACCOUNTS];
    struct sctp_peer peer;
    struct sctp_cookie init_ack; /* what the next INIT ACK answers; `init_ack_due` */
    struct sctp_list replies;    /* control chunks, encoded */
    struct sctp_list cookie;     /* the peer's, at most one block */
    struct sctp_rtt rtt;
    struct sctp_timers timers;
    struct sctp_tx tx;
    struct sctp_rx rx;
    struct sctp_reset reset;
    uint8_t unknown_len;
    uint8_t unknown[SCTP_UNKNOWN_BYTES_MAX];
    uint8_t secret[SCTP_SECRET_BYTES];
    uint16_t *ssn_out; /* per stream: of the next ordered message */
    uint16_t *ssn_in;
};

#define SCTP_COUNT(s, name) ((s)->config.counters->name++)

static inline uint32_t sctp_pad4(uint32_t len_bytes) {
    return (len_bytes + 3) & ~UINT32_C(3);
}

static inline bool sctp_bit_get(const uint64_t *words, uint32_t bit) {
    return (words[bit / 64] >> (bit % 64) & 1) != 0;
}
static inline void sctp_bit_set(uint64_t *words, uint32_t bit) {
    words[bit / 64] |= UINT64_C(1) << (bit % 64);
}
static inline void sctp_bit_clear(uint64_t *words, uint32_t bit) {
    words[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
}
/* The lowest set bit; false when there is none. */
bool sctp_bit_first(const uint64_t words[SCTP_STREAM_WORDS], uint32_t *bit);

/* --- sctp_block.c --- */
static inline struct sctp_block *sctp_block_at(const struct sctp *s, uint32_t index) {
    ASSERT_HOT(index < s->config.buffers->fresh);
    return &s->config.buffers->blocks[index];
}
/* SCTP_NONE when the shared blocks are used up. The header is zeroed, the bytes are not. */
uint32_t sctp_block_take(struct sctp *s);
void sctp_block_give(struct sctp *s, uint32_t index);
uint32_t sctp_blocks_free(const struct sctp *s);
struct sctp_list sctp_list_empty(void);
void sctp_list_push(struct sctp *s, struct sctp_list *list, uint32_t index);
/* After `before`, or at the head when that is SCTP_NONE. */
void sctp_list_insert(struct sctp *s, struct sctp_list *list, uint32_t before, uint32_t index);
void sctp_list_remove(struct sctp *s, struct sctp_list *list, uint32_t index);
void sctp_list_clear(struct sctp *s, struct sctp_list *list);

/* --- sctp.c --- */
/* The end: timers off, blocks back (but messages not taken yet), event CLOSED. */
void sctp_finish(struct sctp *s, enum sctp_close_reason reason);
/* ABORT with the next packet, then the end. */
void sctp_abort(struct sctp *s, enum sctp_close_reason reason, enum sctp_cause cause);
/* Everything that belongs to one incarnation of the association, as after sctp_init. */
void sctp_clear(struct sctp *s);
void sctp_measure_rtt(struct sctp *s, uint64_t rtt_us);
/* Queues an encoded control chunk (its header is made here); dropped and counted when too many wait. */
void sctp_reply(struct sctp *s, enum sctp_chunk_type type, struct span value);

/* --- sctp_setup.c --- */
void sctp_setup_init(struct sctp *s, uint64_t now_us, struct reader *r);
void sctp_setup_init_ack(struct sctp *s, uint64_t now_us, struct reader *r);
/* False when the packet is to be dropped; `header_tag` is the packet's verification tag. */
bool sctp_setup_cookie_echo(struct sctp *s, uint64_t now_us, uint32_t header_tag, struct span cookie);
void sctp_setup_cookie_ack(struct sctp *s, uint64_t now_us);
void sctp_setup_error(struct sctp *s, uint64_t now_us, struct reader *r);
void sctp_setup_timeout(struct sctp *s, uint64_t now_us);
void sctp_setup_shutdown(struct sctp *s, uint64_t now_us, struct reader *r);
void sctp_setup_shutdown_ack(struct sctp *s);
void sctp_setup_shutdown_complete(struct sctp *s);
/* Moves a shutdown on when nothing is left to send. */
void sctp_setup_progress(struct sctp *s, uint64_t now_us);
void sctp_write_init(struct sctp *s, struct writer *w);
void sctp_write_init_ack(struct sctp *s, struct writer *w);

/* --- sctp_send.c --- */
bool sctp_may_send_data(const struct sctp *s);
/* Appends DATA chunks to a packet of `limit` bytes in all; also starts their timers. */
void sctp_write_data(struct sctp *s, uint64_t now_us, struct writer *w, size_t limit);
/* Gives up the message of this block of `sent`, with its unsent rest. */
void sctp_abandon(struct sctp *s, uint32_t index);
/* Moves Advanced.Peer.Ack.Point over abandoned chunks; true when it is ahead of the peer's cumulative TSN. */
bool sctp_advance(struct sctp *s);
void sctp_write_forward_tsn(struct sctp *s, struct writer *w);
/* The streams with something not sent or not yet covered by the peer's cumulative TSN. */
void sctp_busy_streams(const struct sctp *s, uint64_t busy[SCTP_STREAM_WORDS]);
/* Discards what is queued on streams that the peer does not have. */
void sctp_drop_bad_streams(struct sctp *s);
/* Takes payload bytes off the send buffer's account. */
void sctp_tx_uncount(struct sctp *s, uint32_t len_bytes);

/* --- sctp_ack.c --- */
void sctp_ack_input(struct sctp *s, uint64_t now_us, struct reader *r);
/* The cumulative TSN alone, as SHUTDOWN carries it. */
void sctp_ack_cumulative(struct sctp *s, uint64_t now_us, uint32_t tsn);
void sctp_ack_timeout(struct sctp *s, uint64_t now_us);
/* Window bytes of a chunk: the payload with its header. */
static inline uint32_t sctp_flight_cost(const struct sctp_block *b) {
    return sctp_pad4(b->len_bytes) + SCTP_DATA_HEADER_BYTES;
}

/* --- sctp_recv.c --- */
void sctp_recv_data(struct sctp *s, uint8_t flags, struct reader *r);
void sctp_recv_forward_tsn(struct sctp *s, struct reader *r);
/* Moves whole messages that are due to `ready`. */
void sctp_recv_deliver(struct sctp *s);
/* At the end of a packet: deliveries, and when to acknowledge. */
void sctp_recv_packet_end(struct sctp *s, uint64_t now_us);
void sctp_recv_release_current(struct sctp *s);
/* Drops fragments of these streams up to a TSN: nobody will complete them. */
void sctp_recv_drop_streams(struct sctp *s, const uint64_t streams[SCTP_STREAM_WORDS], uint64_t tsn);
/* The peer was told of a window too small to send into, and there is room again. */
bool sctp_recv_window_opened(const struct sctp *s);
void sctp_write_sack(struct sctp *s, struct writer *w, size_t limit);

/* --- sctp_reset.c --- */
void sctp_reset_input(struct sctp *s, uint64_t now_us, struct reader *r);
/* Starts what can be started: our next request, the peer's deferred one. */
void sctp_reset_progress(struct sctp *s, uint64_t now_us);
void sctp_reset_timeout(struct sctp *s, uint64_t now_us);
bool sctp_reset_pending(const struct sctp *s, uint16_t stream);
/* Requests and answers that are due, as one or two RE-CONFIG chunks. */
void sctp_write_reconfig(struct sctp *s, struct writer *w);

#endif
