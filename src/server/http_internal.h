/* Shared by the parts of the HTTP server: http.c (listeners, time, the turn), http_connection.c (one connection's life),
 * http_request.c (reading requests, replying), http_socket.c (WebSockets), http_stream.c (bytes over TCP, with or without TLS). */
#ifndef CONCLAVE_SERVER_HTTP_INTERNAL_H
#define CONCLAVE_SERVER_HTTP_INTERNAL_H

#include <openssl/ssl.h>

#include "base/map.h"
#include "base/rng.h"
#include "io/accepting.h"
#include "server/http.h"
#include "server/http_clients.h"
#include "server/http_head.h"
#include "server/websocket.h"

/* Bytes given to a socket at once, and read at once: one TLS record of the longest kind. */
#define HTTP_CHUNK_LEN (16u << 10)
/* What the kernel takes beyond what the peer's window lets it send. It would be megabytes for each reader that does not read, which no
 * ceiling of ours counts. */
#define HTTP_UNSENT_LEN_MAX (128u << 10)
/* What one connection may read or write before others have their turn. */
#define HTTP_TURN_LEN (256u << 10)

/* ---- http_stream.c ---- */

struct http_stream {
    int fd;
    SSL *ssl; /* NULL = plain */
    bool broken;
    bool read_wants_write, write_wants_read; /* inside of TLS */
    /* What TLS has taken but the socket not: it must be offered again as it was. */
    uint8_t *held;
    size_t held_at, held_len;
};

/* NULL when certificate or key are not usable. */
SSL_CTX *stream_context(const struct http_certificate *certificate);
bool stream_begin(struct http_stream *s, int fd, SSL_CTX *tls);
/* These answer 1 or a number of bytes when it went well, 0 = not now, -1 = the stream is over. */
int stream_handshake(struct http_stream *s);
int stream_read(struct http_stream *s, uint8_t *out, size_t size);
/* At most HTTP_CHUNK_LEN bytes. What was taken will be sent, perhaps only by stream_flush. */
int stream_write(struct http_stream *s, const uint8_t *data, size_t len);
int stream_flush(struct http_stream *s);
/* Nothing more will be sent; what comes is read by stream_drain. */
bool stream_shut(struct http_stream *s);
int stream_drain(const struct http_stream *s, uint8_t *scratch, size_t size);
void stream_end(struct http_stream *s);

/* ---- connections ---- */

/* What an event of the epoll instance points to; the first member of what it really is. */
enum http_source_kind { SOURCE_CONNECTION, SOURCE_LISTENER, SOURCE_SIGNALS, SOURCE_WAKE, SOURCE_WATCHED };
struct http_source {
    enum http_source_kind kind;
    struct http *http;
};

struct http_listening {
    struct http_source source;
    int fd; /* -1 = closed */
    enum http_listener listener;
};

/*      HANDSHAKE --> HEADERS <--> BODY --> REPLY --> (HEADERS again)        each may end in LINGER, which reads and drops, or DEAD
 *                       |-----------------> REPLY
 *                       |-----------------> SOCKET                                                                                */
enum http_phase { PHASE_HANDSHAKE, PHASE_HEADERS, PHASE_BODY, PHASE_REPLY, PHASE_SOCKET, PHASE_LINGER, PHASE_DEAD };

/* Immutable bytes that wait for any number of receivers. */
struct http_blob {
    uint32_t refs;
    size_t len;
    uint8_t bytes[];
};

struct http_message {
    struct http_message *next;
    struct http_blob *blob;
    bool control; /* an answer to a ping, which overtakes messages */
    uint8_t head_len;
    uint8_t head[WS_HEAD_LEN_MAX];
};

struct http_connection {
    struct http_source source;
    struct http_stream stream;
    struct http_connection *next, *previous;           /* all */
    struct http_connection *idle_next, *idle_previous; /* those that wait for a request, longest first */
    struct http_connection *dirty_next, *buried_next;
    bool idle, dirty;
    bool held; /* not read from until its handler calls http_hold again, or hold_max_us after `held_us` it is closed */
    bool blocked;      /* has something to write that the socket did not take */
    bool early;        /* what came behind the request that was answered last is looked at in the next turn */
    uint32_t interest; /* epoll's events */
    struct net_addr peer, local;
    enum http_listener listener;
    struct http_client *client, *socket_client; /* whose shares are used; NULL = not counted */
    enum http_phase phase;
    uint64_t deadline_us, idle_since_us;
    /* the slowest that is borne: a window in which so many bytes must pass */
    uint64_t window_us, passed_len;

    /* request and reply */
    uint8_t *rx; /* counted as not complete; of a head, not complete yet, or of requests to come */
    size_t rx_len, rx_size, rx_seen;
    struct http_request request;
    uint8_t *request_bytes, *copies; /* what the request's spans point into */
    uint8_t *body;
    size_t body_len, body_size;
    uint64_t body_left;
    uint32_t upload; /* the body goes to the handler, piece by piece; 0 = it does not */
    bool head_only, keep;
    bool served;         /* a request before this one was answered */
    uint8_t invite_left; /* of "100 Continue", for which the socket had no room yet */
    struct http_reply *reply;
    size_t head_len;
    uint64_t reply_sent; /* of head and body */
    uint64_t drained_len;

    /* WebSocket */
    uint64_t session; /* 0 = none, or over */
    uint32_t slot;
    struct ws_reader ws;
    struct http_message *queue_first, *queue_last;
    size_t queue_len, first_sent;
    uint8_t *message; /* parts of one that is not complete */
    size_t message_len, message_size;
    uint64_t message_since_us; /* when it began; 0 = none */
    uint64_t heard_us, pinged_us, held_us;
    uint16_t peer_code;  /* of its close frame */
    uint16_t close_code; /* 0 = without */
    bool closing;        /* a close frame goes out behind what is queued */
    bool close_sent;
    bool over; /* and then the connection ends, whatever the peer says */
};

/* A descriptor of the caller's: http_watch. */
struct http_watched {
    struct http_source source;
    void (*ready)(void *context);
    void *context;
};

struct http {
    struct http_source signals, wake;
    struct http_config config;
    struct http_counters counters;
    int epoll, wake_fd, signal_fd;
    SSL_CTX *tls;
    struct http_watched watched;
    struct accepting accepting;
    struct http_listening listening[HTTP_LISTENERS_MAX];
    uint32_t listening_count;
    struct http_connection *connections, *idle_first, *idle_last, *dirty, *buried;
    uint32_t connections_count, sessions_count;
    struct rng rng;
    struct http_clients clients;
    struct map sessions; /* session -> index in by_session */
    void *sessions_memory;
    struct http_connection **by_session;
    uint32_t *free_slots;
    uint32_t free_count;
    uint64_t timer_us, second_us;
    size_t queued_len;           /* of everything that waits for receivers, what is shared counted once */
    size_t unfinished_len;       /* of heads and bodies that are not complete */
    size_t messages_len;         /* of WebSocket messages that are not complete */
    struct http_blob *last_sent; /* so that the same bytes to many receivers are kept once */
    bool destroying;
    uint8_t scratch[HTTP_CHUNK_LEN], incoming[HTTP_CHUNK_LEN];
};

/* http_connection.c */
/* Takes the descriptor over, or closes it when there is no share for it. */
void connection_open(struct http *h, uint64_t now_us, enum http_listener listener, int fd, const struct net_addr *peer);
void connection_event(struct http_connection *c, uint64_t now_us, uint32_t events);
/* Writes what waits, ends what is over. */
void connection_hold(struct http_connection *c, bool held);
void connection_flush(struct http_connection *c, uint64_t now_us);
/* Once a second: is it too slow, too silent, due for a ping? */
void connection_look(struct http_connection *c, uint64_t now_us);
/* At once. The memory stays until the turn ends (connection_bury). */
void connection_end(struct http_connection *c);
/* Says nothing more, and reads on for a while, so that the peer gets what was said: closing a socket with unread bytes resets the
 * connection, and a reset may overtake the answer (RFC 9112 section 9.6). */
void connection_linger(struct http_connection *c, uint64_t now_us);
/* To be flushed before this turn ends. */
void connection_touch(struct http_connection *c);
void connection_bury(struct http *h);
void connection_wait_for_request(struct http_connection *c, uint64_t now_us, uint64_t patience_us);
void connection_busy(struct http_connection *c, enum http_phase phase);
/* Bytes passed in the direction that matters now. */
void connection_passed(struct http_connection *c, size_t len);
/* Whom the request's shares count: the peer, or what trusted proxies say of it. NULL = nobody, or no record is left (`full`). */
struct http_client *connection_client_of(struct http_connection *c, bool *full);

/* http_request.c */
/* Bytes of requests. How many were taken; the rest stays for later. False: the connection ended. */
bool request_input(struct http_connection *c, uint64_t now_us, uint8_t *data, size_t len);
/* What is left of "100 Continue": 1 = it is out, 0 = later, -1 = the stream is over. */
int request_invite(struct http_connection *c);
/* Writes the reply; false: the connection ended. */
bool request_output(struct http_connection *c, uint64_t now_us);
/* Answers with an error of this layer, and ends the connection after it. `header`: one more, with its line end, or NULL. */
void request_refuse(struct http_connection *c, uint64_t now_us, uint16_t status, const char *text, const char *header);
/* Starts a reply that a handler made; takes it. */
void request_reply(struct http_connection *c, uint64_t now_us, struct http_reply *reply);
void request_release(struct http_connection *c);
/* Forgets what came of requests that are not begun. */
void request_drop_input(struct http_connection *c);
void http_write_head(const struct http_reply *reply, bool keep, struct writer *out);

/* http_socket.c */
/* A request that asks for a WebSocket: opens it, or starts a reply. */
void socket_upgrade(struct http_connection *c, uint64_t now_us, struct http_head *head);
void socket_input(struct http_connection *c, uint64_t now_us, uint8_t *data, size_t len);
/* False: the connection ended. */
bool socket_output(struct http_connection *c, uint64_t now_us);
void socket_look(struct http_connection *c, uint64_t now_us);
/* The session is over: handlers.closed, once. */
void socket_closed(struct http_connection *c);
void socket_release(struct http_connection *c);

#endif
