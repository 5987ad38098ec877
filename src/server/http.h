/* HTTP/1.1 and WebSocket on the control thread: listeners, TLS, limits, requests, replies, messages. What the requests mean is the
 * business of struct http_handlers.
 *
 *     http_create     no socket yet
 *     http_listen     any number of times: an address and port, plain or TLS
 *     http_turn       serves what there is and sleeps until something happens; again and again
 *     http_destroy    closes everything
 *
 * Heads are read strictly (http_head.h), frames too (websocket.h); what is malformed is answered 400 or closed with 1002.
 *
 * Limits. Connections in total and per source (http_config; a source is an IPv4 address or IPv6 /64; loopback and trusted proxies are
 * not counted, the sources that these name are, for their WebSockets); TLS handshakes and new WebSockets of a source
 * (http_clients.h). Request line and headers together HTTP_HEADER_LEN_MAX (431), bodies by route (413), WebSocket messages
 * HTTP_MESSAGE_LEN_MAX (closed with the code that the handler gives), messages waiting for a client HTTP_QUEUE_LEN_MAX bytes (the
 * client is gone: closed), for all HTTP_QUEUES_LEN_MAX (of the source with the most waiting the one with the most is closed), WebSocket
 * messages that are not complete HTTP_UNFINISHED_LEN_MAX (likewise), heads and bodies that are not complete the same, of one source an
 * eighth of it (503). Time: HTTP_HEADERS_US for TLS handshake and headers, HTTP_BODY_US for a body,
 * HTTP_REPLY_US for taking the reply (both with a second more for each HTTP_RATE_MIN bytes), HTTP_MESSAGE_US for a WebSocket message,
 * HTTP_IDLE_US between requests; all absolute, so that dripping bytes gains nothing; bodies and replies that stand still are ended
 * sooner (HTTP_WINDOW_US). WebSockets are pinged each 10 s and closed after 30 s without anything heard.
 *
 * Who is refused first when all connections are taken: of those that wait without a request for longer than HTTP_GRACE_US one is
 * closed, of the longest waiting the one whose source has the most connections; when nobody waits, the newcomer.
 *
 * Not spoken here: HTTP/2, upgrades other than WebSocket (answered as if they had not been asked for), CONNECT (501), chunked request
 * bodies (411), extensions and subprotocols of WebSockets. Handlers are called from http_turn only, never from http_send or
 * http_close. Threads: the control thread; http_wake may be called by any thread. */
#ifndef CONCLAVE_SERVER_HTTP_H
#define CONCLAVE_SERVER_HTTP_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"
#include "base/net.h"

struct http;
struct store;

/* 64 kB of request line and the other headers of a browser behind a proxy. */
#define HTTP_HEADER_LEN_MAX (80u << 10)
#define HTTP_MESSAGE_LEN_MAX (2u << 20)
/* The log of a meeting that somebody resumes is 4 MiB. */
#define HTTP_QUEUE_LEN_MAX (6u << 20)
#define HTTP_HEADERS_US UINT64_C(10000000)
#define HTTP_BODY_US UINT64_C(30000000)
#define HTTP_REPLY_US UINT64_C(60000000)
/* Bodies and replies have a second more for each of so many bytes: a phone far from the mast sends a photograph in a minute. */
#define HTTP_RATE_MIN (64u << 10)
#define HTTP_IDLE_US UINT64_C(30000000)
#define HTTP_CLOSE_US UINT64_C(5000000)
/* Bodies and replies: so many bytes must pass in each such window, or it is over. A link of 26 kbit/s does it. */
#define HTTP_WINDOW_US UINT64_C(20000000)
#define HTTP_WINDOW_LEN (64u << 10)
/* From the first byte of a WebSocket message to its last: 560 kbit/s for the longest. */
#define HTTP_MESSAGE_US UINT64_C(30000000)
/* After the last answer of a connection its input is read and dropped for so long and so much, before it is closed. */
#define HTTP_LINGER_US UINT64_C(5000000)
#define HTTP_LINGER_LEN_MAX (16u << 20)
/* A connection that waits without a request is safe for so long from being closed for others. */
#define HTTP_GRACE_US UINT64_C(1000000)
/* All messages that wait for receivers, those for many receivers counted once: a broadcast of the longest to a meeting whose members
 * all do not read is 2 MiB of it. */
#define HTTP_QUEUES_LEN_MAX (256u << 20)
/* WebSocket messages that are not complete: 32 of the longest; and as much of heads and bodies. */
#define HTTP_UNFINISHED_LEN_MAX (64u << 20)
/* A WebSocket that its handler does not read from for so long is closed with 1013: whether its peer is still there
 * would not show, and what it owes will not be paid soon. Budgets hold for seconds. */
#define HTTP_HOLD_US UINT64_C(60000000)
#define HTTP_PING_S 10
#define HTTP_PONG_S 30
#define HTTP_REPLY_HEADERS_LEN_MAX 4096
#define HTTP_LISTENERS_MAX 32

#define HTTP_COUNTERS(X)                                                                                               \
    X(http_accepted, "connections accepted")                                                                           \
    X(http_refused_full, "connections refused because there were too many")                                            \
    X(http_refused_client, "connections and WebSockets refused because their address had too many")                    \
    X(http_refused_rate, "TLS connections and WebSockets refused because their address made too many in a short time") \
    X(http_evicted, "waiting connections closed to make room for others")                                              \
    X(http_no_descriptor, "times that connections could not be accepted because no descriptor was left")               \
    X(http_tls_failed, "TLS handshakes that failed")                                                                   \
    X(http_malformed, "requests refused because their head was malformed or too long")                                 \
    X(http_requests, "requests answered")                                                                              \
    X(http_refused_body, "requests refused because the body was too long, or its length was missing")                  \
    X(http_refused_upgrade, "upgrades to something that is not spoken here")                                           \
    X(http_timeout, "connections closed because they were too slow")                                                   \
    X(ws_opened, "WebSockets opened")                                                                                  \
    X(ws_refused, "WebSockets refused")                                                                                \
    X(ws_rx_messages, "WebSocket messages received")                                                                   \
    X(ws_rx_bytes, "bytes of WebSocket messages received")                                                             \
    X(ws_tx_messages, "WebSocket messages sent")                                                                       \
    X(ws_tx_bytes, "bytes of WebSocket messages sent")                                                                 \
    X(ws_too_long, "WebSockets closed because a message was too long")                                                 \
    X(ws_overflow, "WebSockets closed because the client did not read")                                                \
    X(ws_unsendable, "WebSockets closed because a message to them was too long to send")                               \
    X(ws_broken, "WebSockets closed because their client broke the protocol")                                          \
    X(ws_slow, "WebSockets closed because a message of their client did not end")                                      \
    X(ws_held_long, "WebSockets closed because their client was not read from for too long")                           \
    X(ws_shed, "WebSockets closed because messages to or from them took too much of what all share")
COUNTERS_DEFINE(http_counters, HTTP_COUNTERS)

/* Spans are valid during the handler's call. */
struct http_request {
    struct span method, path, query; /* path decoded and without //, query with its escapes */
    struct span host, origin, accept, accept_encoding, authorization, content_type, if_match, if_none_match;
    struct span range;
    struct span forwarded, forwarded_for, via, real_ip;
    struct span body;
    uint32_t upload;       /* the body came through handlers.body_part; 0 = it is in `body` */
    struct net_addr peer;  /* of the connection */
    struct net_addr local; /* where it arrived */
    bool tls;
    bool metrics_port; /* came in at a listener for metrics */
};

struct http_reply {
    uint16_t status;
    struct writer headers; /* "Name: value\r\n" each; Content-Length, Connection are added */
    char header_bytes[HTTP_REPLY_HEADERS_LEN_MAX];
    struct span body;
    struct store *store; /* not NULL: the body is this part of a file of it, which is closed when the reply is sent */
    int file;
    uint64_t file_at, file_len;
    void (*release)(void *held); /* not NULL: called when the reply is sent; what the body is part of */
    void *held;
    uint8_t *owned; /* freed with free() when the reply is sent; usually the body's memory */
    bool close;     /* end the connection afterwards */
};

void http_reply_init(struct http_reply *reply, uint16_t status);
void http_reply_header(struct http_reply *reply, const char *name, const char *value);
/* The body is copied. */
void http_reply_text(struct http_reply *reply, uint16_t status, const char *type, struct span body);

/* The body is `len` bytes from `at` on of an open file. */
void http_reply_file(struct http_reply *reply, uint16_t status, struct store *store, int file, uint64_t at,
                     uint64_t len);
/* Frees what the reply owns; the server does it for replies that it was given. */
void http_free_reply(struct http_reply *reply);

struct http_handlers {
    void *context;
    /* Longest body that this route takes. */
    size_t (*body_max)(void *context, struct span method, struct span path);
    /* Is this body of `len` bytes taken piece by piece? A handle, or 0: no, it comes whole if body_max lets it; or 0 with the
     * refusal in `reply`, whose status is 0 else. `request` follows when all is there, body_gone when that will never be. */
    uint32_t (*body_begin)(void *context, const struct http_request *request, uint64_t len, struct http_reply *reply);
    /* False ends the connection. */
    bool (*body_part)(void *context, uint32_t upload, struct span bytes);
    void (*body_gone)(void *context, uint32_t upload);
    void (*request)(void *context, const struct http_request *request, struct http_reply *reply);
    /* An upgrade: a session handle that is not 0, or 0 and a reply. `opened` follows at once, then messages. Handles are
     * the handler's, one for each open session. */
    uint64_t (*open)(void *context, const struct http_request *request, struct http_reply *reply);
    void (*opened)(void *context, uint64_t session);
    void (*message)(void *context, uint64_t session, struct span message, bool text);
    /* A message is longer than HTTP_MESSAGE_LEN_MAX: the code to close with. */
    uint16_t (*too_long)(void *context, uint64_t session);
    /* Once for every session, whoever closed it; `code` is the peer's (RFC 6455 section 7.4), 0 when it gave none. */
    void (*closed)(void *context, uint64_t session, uint16_t code);
    void (*woken)(void *context);  /* after http_wake; may be spurious */
    void (*timer)(void *context);  /* at http_timer's time */
    void (*second)(void *context); /* about once a second */
    void (*signalled)(void *context, int signal);
};

/* Both are read, and the key is referred to; the caller keeps what is his. */
struct http_certificate {
    struct span chain; /* PEM, the server's own first */
    EVP_PKEY *key;
};

struct http_config {
    uint32_t connections_max, connections_per_client_max; /* per client 0 = no limit */
    const struct net_addr *trusted;                       /* proxies that are not counted as clients; outlives http */
    uint32_t trusted_count;
    size_t queues_len_max, unfinished_len_max; /* 0 = HTTP_QUEUES_LEN_MAX, HTTP_UNFINISHED_LEN_MAX */
    uint64_t hold_max_us;                      /* 0 = HTTP_HOLD_US */
    bool count_loopback;                       /* this machine is a source as others are, for tests */
    struct http_certificate certificate;       /* without a key: no TLS listeners */
    struct http_handlers handlers;
};

struct http *http_create(const struct http_config *config, char *error, size_t error_size);
void http_destroy(struct http *http);
enum http_listener { HTTP_PLAIN, HTTP_TLS, HTTP_METRICS };
/* `address` has the port, 0 = any free one; `port` (may be NULL) is the one that was bound. False with a sentence. */
bool http_listen(struct http *http, const struct net_addr *address, enum http_listener kind, uint16_t *port,
                 char *error, size_t error_size);
/* SIGTERM, SIGINT and SIGHUP come to handlers.signalled from now on (signalfd; they are blocked in this thread). */
bool http_take_signals(struct http *http, char *error, size_t error_size);
/* Calls `ready` from http_turn whenever the descriptor, which stays the caller's and non-blocking, can be read. One of them;
 * before the first turn. */
void http_watch(struct http *http, int fd, void (*ready)(void *context), void *context);
void http_turn(struct http *http);
void http_wake(struct http *http);
/* Asks for handlers.timer in `delay_us`; replaces the time asked for before. TIME_NEVER = none. */
void http_timer(struct http *http, uint64_t delay_us);
/* No new connections from now on. */
void http_close_listeners(struct http *http);

/* Queues a copy; the same bytes to many receivers, one after the other, are kept once. Stale sessions are ignored. How long a message becomes may follow from what peers sent: one longer than
 * HTTP_MESSAGE_LEN_MAX ends this session, as a full queue does, and nothing else. */
void http_send(struct http *http, uint64_t session, struct span message, bool text);
/* Is this session read from? What its peer sends waits in the socket while it is held; at most what had been read with the last message still
 * comes. Its silence does not count meanwhile, for HTTP_HOLD_US at most: then it is closed. Stale sessions are ignored. */
void http_hold(struct http *http, uint64_t session, bool held);
/* Sends what is queued, then closes. */
void http_close(struct http *http, uint64_t session, uint16_t code);
/* Every session whose handle has all of these bits. */
void http_close_matching(struct http *http, uint64_t bits, uint16_t code);
uint32_t http_connections(const struct http *http);
uint32_t http_sessions(const struct http *http);
/* Bytes that wait for receivers of WebSockets. */
size_t http_queued_len(const struct http *http);
/* The source whose shares a request uses: the peer, or what trusted proxies say of it. */
struct net_addr http_source_of(const struct http *http, const struct http_request *request);
/* New connections get this one, open ones keep what they have. False, and nothing changes, when it is not usable. */
bool http_reload_certificate(struct http *http, const struct http_certificate *certificate);
const struct http_counters *http_counters_get(const struct http *http);

#endif
