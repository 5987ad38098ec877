/* Shared by the parts of the HTTP server: http.c (sockets, limits, time), http_request.c (reading requests, replying),
 * http_socket.c (WebSockets). */
#ifndef CONCLAVE_SERVER_HTTP_INTERNAL_H
#define CONCLAVE_SERVER_HTTP_INTERNAL_H

#include <libwebsockets.h>

#include "base/map.h"
#include "base/rng.h"
#include "server/http.h"

/* What a library object's opaque pointer points to; the first member of what it really is. */
enum http_source_kind { SOURCE_CONNECTION, SOURCE_LISTENER, SOURCE_SIGNALS };
struct http_source {
    enum http_source_kind kind;
    struct http *http;
};

struct http_listening {
    struct http_source source;
    struct lws *wsi;
    int fd;
    enum http_listener listener;
};

enum http_phase { PHASE_HEADERS, PHASE_BODY, PHASE_REPLY, PHASE_SOCKET };

struct http_message {
    struct http_message *next;
    size_t len;
    bool text;
    uint8_t bytes[]; /* LWS_PRE bytes of room, then the message */
};

struct http_connection {
    struct http_source source;
    struct lws *wsi;
    struct http_connection *next, *previous;
    struct net_addr peer, local;
    enum http_listener listener;
    bool counted; /* in the table of clients */
    enum http_phase phase;
    uint64_t deadline_us; /* TIME_NEVER for an open WebSocket */

    /* request and reply */
    struct http_request request;
    uint8_t *request_bytes; /* what the request's spans point into */
    uint8_t *body;
    size_t body_len, body_size, body_max;
    uint32_t upload; /* the body goes to the handler, piece by piece; 0 = it does not */
    bool head;
    struct http_reply *reply;
    uint64_t reply_sent;
    bool reply_started;

    /* WebSocket */
    uint64_t session;   /* 0 = none, or over */
    uint16_t peer_code; /* of its close frame */
    struct http_message *queue_first, *queue_last;
    size_t queue_len;
    uint8_t *rx;
    size_t rx_len, rx_size;
    bool closing;
    uint16_t close_code;
};

/* Bytes of a reply given to the library at once. */
#define HTTP_CHUNK_LEN (16u << 10)

struct http {
    struct http_source signals; /* kind SOURCE_SIGNALS */
    struct http_config config;
    struct http_counters counters;
    struct lws_context *context;
    struct lws_vhost *plain, *tls;
    struct http_listening listening[HTTP_LISTENERS_MAX];
    uint32_t listening_count;
    struct lws *signal_wsi;
    int signal_fd;
    struct http_connection *connections;
    uint32_t connections_count, sessions_count;
    struct rng rng;
    struct map clients, sessions; /* client address -> connections; session -> index in by_session */
    void *maps_memory;
    struct http_connection **by_session;
    uint32_t *free_slots;
    uint32_t free_count;
    lws_sorted_usec_list_t timer, second;
    bool destroying;
    uint8_t scratch[LWS_PRE + HTTP_CHUNK_LEN];
};

/* http_request.c. Each answers what the library's callback answers: 0 go on, else close. */
int http_on_request(struct http_connection *c);
int http_on_body(struct http_connection *c, const uint8_t *data, size_t len);
int http_on_body_end(struct http_connection *c);
int http_on_writable(struct http_connection *c);
/* Reads the request's headers into c->request; false when memory is short or the request is broken. */
bool http_read_headers(struct http_connection *c);
void http_release_request(struct http_connection *c);
/* Status line and headers of a reply with the given body length. */
void http_write_head(const struct http_reply *reply, struct writer *out);

/* http_socket.c */
int http_on_upgrade(struct http_connection *c);
int http_on_established(struct http_connection *c);
int http_on_message_part(struct http_connection *c, const uint8_t *data, size_t len);
void http_on_peer_close(struct http_connection *c, const uint8_t *data, size_t len);
int http_on_socket_writable(struct http_connection *c);
void http_on_socket_closed(struct http_connection *c);
void http_release_socket(struct http_connection *c);

#endif
