/* What one source of connections has and may have: the shares of the HTTP server. A source is an IPv4 address or an IPv6 /64
 * (io/address.h, address_client). A record lives while the source has something, and after that until somebody else needs its place,
 * so that budgets are not made new by hanging up. Plain data; owner: one thread. */
#ifndef CONCLAVE_SERVER_HTTP_CLIENTS_H
#define CONCLAVE_SERVER_HTTP_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "base/net.h"
#include "base/pool.h"

/* A TLS handshake is a signature and a key agreement, half a millisecond to one of the thread that carries all messages; a new WebSocket
 * a token, a session, and what its room is told. Bursts are an office whose people all come back after a restart; the rates keep one
 * source below a twentieth of the thread. */
#define CLIENT_HANDSHAKE_BURST 512
#define CLIENT_HANDSHAKE_RATE 50
#define CLIENT_SOCKET_BURST 512
#define CLIENT_SOCKET_RATE 20

enum client_budget { CLIENT_HANDSHAKES, CLIENT_SOCKETS, CLIENT_BUDGETS_COUNT };

struct http_client {
    struct net_addr address;
    uint32_t connections, sockets;          /* open now */
    size_t unfinished_len;                  /* of heads and bodies of its connections that are not complete */
    size_t weight;                          /* while one is looked for that must go */
    uint64_t even_us[CLIENT_BUDGETS_COUNT]; /* when what was taken is earned again */
};

struct http_clients {
    struct map by_address;
    struct pool pool;
    struct http_client *records;
    void *memory;
    size_t memory_len;
    uint32_t capacity, hand;
};

/* False when memory is short. */
bool http_clients_init(struct http_clients *clients, uint32_t capacity, struct rng *rng);
void http_clients_free(struct http_clients *clients);
/* The record of a source, made when there is none; NULL when all records have something. */
struct http_client *http_clients_of(struct http_clients *clients, const struct net_addr *source);
/* Takes one from a budget; false when there is none left now. */
bool http_client_take(struct http_client *client, enum client_budget budget, uint64_t now_us);

#endif
