/* The network of the simulator. */
#include "sim/network.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"

#define TAILROOM 64
#define CONNECTIONS_MAX 65536
#define GENERATIONS_MAX 250

struct entry {
    uint64_t at_us, order;
    enum network_kind kind;
    uint32_t node, socket, connection;
    uint16_t status;
    struct net_addr from;
    size_t len;
    uint8_t *data;
};

struct path {
    struct path_config config;
    bool bad;         /* Gilbert-Elliott state */
    uint64_t free_us; /* a limited path is busy until then */
    uint64_t last_us; /* arrival of the last one: without reordering nothing comes before it */
    struct path_stats stats;
};

struct node {
    struct path up, down;
    bool parted;
    uint32_t generation;           /* of its public addresses */
    uint64_t ws_up_us, ws_down_us; /* last arrival, for order */
};

enum ws_state { WS_DIALLING, WS_OPEN, WS_CLOSED };

struct connection {
    uint32_t node;
    enum ws_state state;
    bool client_closed, server_closed; /* told, or did it itself */
};

struct network {
    struct rng rng;
    uint32_t node_count, connection_count;
    struct node nodes[NETWORK_NODES_MAX];
    struct connection *connections;
    struct entry *heap;
    uint32_t heap_count, heap_room;
    uint64_t order;
    uint8_t *taken;
};

struct network *network_create(uint64_t seed) {
    struct network *network = calloc(1, sizeof *network);
    ASSERT(network != NULL);
    network->rng = rng_seeded(seed);
    network->connections = calloc(CONNECTIONS_MAX, sizeof *network->connections);
    ASSERT(network->connections != NULL);
    return network;
}

void network_destroy(struct network *network) {
    for (uint32_t i = 0; i < network->heap_count; i++)
        free(network->heap[i].data);
    free(network->heap);
    free(network->taken);
    free(network->connections);
    free(network);
}

/* ---- the queue of what is under way: a heap by time, and by order of sending among equals --------------------------
 */

static bool before(const struct entry *a, const struct entry *b) {
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void push(struct network *network, struct entry entry, struct span bytes) {
    if (network->heap_count == network->heap_room) {
        network->heap_room = network->heap_room == 0 ? 1024 : network->heap_room * 2;
        network->heap = realloc(network->heap, network->heap_room * sizeof *network->heap);
        ASSERT(network->heap != NULL);
    }
    entry.order = network->order++;
    entry.len = bytes.len;
    entry.data = malloc(bytes.len + TAILROOM);
    ASSERT(entry.data != NULL);
    if (bytes.len > 0)
        memcpy(entry.data, bytes.data, bytes.len);
    memset(entry.data + bytes.len, 0, TAILROOM);
    uint32_t i = network->heap_count++;
    for (; i > 0 && before(&entry, &network->heap[(i - 1) / 2]); i = (i - 1) / 2)
        network->heap[i] = network->heap[(i - 1) / 2];
    network->heap[i] = entry;
}

static struct entry pop(struct network *network) {
    struct entry top = network->heap[0], last = network->heap[--network->heap_count];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= network->heap_count)
            break;
        if (child + 1 < network->heap_count && before(&network->heap[child + 1], &network->heap[child]))
            child++;
        if (!before(&network->heap[child], &last))
            break;
        network->heap[i] = network->heap[child];
        i = child;
    }
    network->heap[i] = last;
    return top;
}

uint64_t network_next_us(const struct network *network) {
    return network->heap_count > 0 ? network->heap[0].at_us : TIME_NEVER;
}

uint32_t network_waiting(const struct network *network) {
    return network->heap_count;
}

/* ---- nodes ---------------------------------------------------------------------------------------------------------
 */

uint32_t network_add(struct network *network, const struct path_config *up, const struct path_config *down) {
    ASSERT(network->node_count < NETWORK_NODES_MAX);
    struct node *node = &network->nodes[network->node_count];
    node->up.config = *up;
    node->down.config = *down;
    return network->node_count++;
}

void network_set(struct network *network, uint32_t node, const struct path_config *up, const struct path_config *down) {
    ASSERT(node < network->node_count);
    network->nodes[node].up.config = *up;
    network->nodes[node].down.config = *down;
}

const struct path_config *network_path(const struct network *network, uint32_t node, bool up) {
    ASSERT(node < network->node_count);
    return up ? &network->nodes[node].up.config : &network->nodes[node].down.config;
}

void network_partition(struct network *network, uint32_t node, bool parted) {
    network->nodes[node].parted = parted;
}

void network_rebind(struct network *network, uint32_t node) {
    ASSERT(network->nodes[node].generation < GENERATIONS_MAX);
    network->nodes[node].generation++;
}

struct net_addr network_public(const struct network *network, uint32_t node, uint32_t socket) {
    uint32_t generation = network->nodes[node].generation;
    return net_addr_v4(198, 51, (uint8_t)node, (uint8_t)generation, (uint16_t)(20000 + socket));
}

bool network_owner(const struct network *network, const struct net_addr *addr, uint32_t *node, uint32_t *socket,
                   bool *current) {
    if (addr->family != 4 || addr->ip[0] != 198 || addr->ip[1] != 51 || addr->ip[2] >= network->node_count ||
        addr->port < 20000 || addr->port >= 20000 + NETWORK_SOCKETS)
        return false;
    *node = addr->ip[2];
    *socket = addr->port - 20000u;
    *current = addr->ip[3] == network->nodes[*node].generation;
    return true;
}

struct path_stats network_stats(const struct network *network, uint32_t node, bool up) {
    return up ? network->nodes[node].up.stats : network->nodes[node].down.stats;
}

/* ---- datagrams ------------------------------------------------------------------------------------------------------
 */

static bool chance(struct network *network, double p) {
    return p > 0 && rng_unit(&network->rng) < p;
}

static bool is_lost(struct network *network, struct path *path) {
    const struct path_config *config = &path->config;
    if (config->burst_enter > 0) {
        path->bad = path->bad ? !chance(network, config->burst_leave) : chance(network, config->burst_enter);
        if (path->bad && chance(network, config->burst_loss))
            return true;
    }
    return chance(network, config->loss);
}

/* When a datagram that is sent now arrives; TIME_NEVER when the queue is full. */
static uint64_t arrival(struct network *network, struct path *path, uint64_t now_us, size_t len) {
    const struct path_config *config = &path->config;
    uint64_t leave_us = now_us;
    if (config->rate_bps > 0) {
        leave_us = path->free_us > now_us ? path->free_us : now_us;
        if (leave_us - now_us > config->queue_us)
            return TIME_NEVER;
        leave_us += (len + 28) * 8 * US_PER_S / config->rate_bps; /* IP and UDP headers take their share */
        path->free_us = leave_us;
    }
    uint64_t at_us =
        leave_us + config->delay_us + (config->jitter_us > 0 ? rng_below(&network->rng, config->jitter_us) : 0);
    if (!config->reorder && at_us < path->last_us)
        at_us = path->last_us;
    path->last_us = at_us > path->last_us ? at_us : path->last_us;
    return at_us;
}

static void send_one(struct network *network, struct path *path, uint64_t now_us, struct entry entry,
                     struct span datagram) {
    uint64_t at_us = arrival(network, path, now_us, datagram.len);
    if (at_us == TIME_NEVER) {
        path->stats.late++;
        return;
    }
    path->stats.delivered++;
    entry.at_us = at_us;
    uint8_t copy[NETWORK_MTU];
    memcpy(copy, datagram.data, datagram.len);
    /* UDP's checksum catches nearly all of this; what passes must meet authentication. DTLS handshakes in plain text
     * cannot be protected (RFC 6347 section 4.1.2.7), so they are left to the checksum. */
    bool handshake = datagram.data[0] >= 20 && datagram.data[0] <= 63;
    if (!handshake && chance(network, path->config.corrupt))
        copy[rng_below(&network->rng, datagram.len)] ^= (uint8_t)(1u << rng_below(&network->rng, 8));
    push(network, entry, span_of(copy, datagram.len));
}

static void send_datagram(struct network *network, struct path *path, bool parted, uint64_t now_us, struct entry entry,
                          struct span datagram) {
    uint32_t mtu = path->config.mtu_bytes != 0 ? path->config.mtu_bytes : NETWORK_MTU;
    path->stats.sent++;
    path->stats.bytes += datagram.len;
    if (datagram.len == 0 || datagram.len > mtu || parted || is_lost(network, path)) {
        path->stats.lost++;
        return;
    }
    send_one(network, path, now_us, entry, datagram);
    if (chance(network, path->config.duplicate))
        send_one(network, path, now_us, entry, datagram);
}

void network_send_up(struct network *network, uint64_t now_us, uint32_t node, uint32_t socket, struct span datagram) {
    struct node *n = &network->nodes[node];
    struct entry entry = {.kind = NETWORK_DATAGRAM_UP, .node = node, .socket = socket};
    entry.from = network_public(network, node, socket);
    send_datagram(network, &n->up, n->parted, now_us, entry, datagram);
}

void network_send_down(struct network *network, uint64_t now_us, const struct net_addr *to, struct span datagram) {
    struct entry entry = {.kind = NETWORK_DATAGRAM_DOWN, .from = *to};
    bool current;
    if (!network_owner(network, to, &entry.node, &entry.socket, &current))
        return;
    struct node *n = &network->nodes[entry.node];
    send_datagram(network, &n->down, n->parted || !current, now_us, entry, datagram);
}

/* ---- WebSockets -----------------------------------------------------------------------------------------------------
 */

/* TCP repairs what is lost; it costs time. */
static uint64_t ws_arrival(struct network *network, uint64_t now_us, uint32_t node, bool up) {
    struct node *n = &network->nodes[node];
    const struct path_config *config = up ? &n->up.config : &n->down.config;
    uint64_t *last_us = up ? &n->ws_up_us : &n->ws_down_us;
    uint64_t at_us = now_us + config->delay_us + 500 + rng_below(&network->rng, config->jitter_us + 1);
    while (chance(network, config->loss))
        at_us += 200 * US_PER_MS + 2 * config->delay_us;
    if (at_us <= *last_us)
        at_us = *last_us + 1;
    *last_us = at_us;
    return at_us;
}

static void ws_push(struct network *network, uint64_t at_us, uint32_t connection, enum network_kind kind,
                    uint16_t status, struct span bytes) {
    struct entry entry = {.kind = kind, .connection = connection, .status = status, .at_us = at_us};
    entry.node = network->connections[connection].node;
    push(network, entry, bytes);
}

uint32_t network_ws_dial(struct network *network, uint64_t now_us, uint32_t node, struct span path) {
    ASSERT(network->connection_count + 1 < CONNECTIONS_MAX);
    uint32_t connection = ++network->connection_count;
    network->connections[connection] = (struct connection){.node = node, .state = WS_DIALLING};
    /* TCP, TLS and the request itself: three round trips */
    uint64_t setup_us = 2 * (network->nodes[node].up.config.delay_us + network->nodes[node].down.config.delay_us);
    ws_push(network, ws_arrival(network, now_us + setup_us, node, true), connection, NETWORK_WS_OPEN, 0, path);
    return connection;
}

void network_ws_answer(struct network *network, uint64_t now_us, uint32_t connection, uint16_t status) {
    struct connection *c = &network->connections[connection];
    ASSERT(c->state == WS_DIALLING);
    c->state = status == 101 ? WS_OPEN : WS_CLOSED;
    c->server_closed = c->client_closed = status != 101;
    ws_push(network, ws_arrival(network, now_us, c->node, false), connection,
            status == 101 ? NETWORK_WS_OPENED : NETWORK_WS_REFUSED, status, span_of(NULL, 0));
}

void network_ws_send(struct network *network, uint64_t now_us, uint32_t connection, bool up, struct span message) {
    struct connection *c = &network->connections[connection];
    if (c->state != WS_OPEN || (up ? c->client_closed : c->server_closed))
        return;
    ws_push(network, ws_arrival(network, now_us, c->node, up), connection, up ? NETWORK_WS_UP : NETWORK_WS_DOWN, 0,
            message);
}

void network_ws_close(struct network *network, uint64_t now_us, uint32_t connection, bool by_client) {
    struct connection *c = &network->connections[connection];
    if (c->state == WS_CLOSED || (by_client ? c->client_closed : c->server_closed))
        return;
    if (by_client)
        c->client_closed = true;
    else
        c->server_closed = true;
    ws_push(network, ws_arrival(network, now_us, c->node, by_client), connection,
            by_client ? NETWORK_WS_CLOSED_UP : NETWORK_WS_CLOSED_DOWN, 0, span_of(NULL, 0));
}

void network_ws_cut(struct network *network, uint64_t now_us, uint32_t connection, uint64_t later_us) {
    struct connection *c = &network->connections[connection];
    if (c->state != WS_OPEN)
        return;
    c->state = WS_CLOSED;
    if (!c->client_closed)
        ws_push(network, now_us + 1000, connection, NETWORK_WS_CLOSED_DOWN, 0, span_of(NULL, 0));
    ws_push(network, now_us + 1000 + later_us, connection, NETWORK_WS_CLOSED_UP, 0, span_of(NULL, 0));
    c->client_closed = c->server_closed = true;
}

bool network_ws_alive(const struct network *network, uint32_t connection) {
    return connection != 0 && network->connections[connection].state == WS_OPEN;
}

/* Messages of a connection that was cut are lost; they wait while the node is parted. */
static bool deliverable(struct network *network, struct entry *entry) {
    if (entry->connection == 0)
        return true;
    struct connection *c = &network->connections[entry->connection];
    bool message = entry->kind == NETWORK_WS_UP || entry->kind == NETWORK_WS_DOWN;
    return !(message && c->state == WS_CLOSED);
}

bool network_take(struct network *network, uint64_t now_us, struct network_item *out) {
    free(network->taken);
    network->taken = NULL;
    while (network->heap_count > 0 && network->heap[0].at_us <= now_us) {
        struct entry entry = pop(network);
        if (entry.connection != 0 && network->nodes[entry.node].parted) {
            uint64_t later_us = now_us + 100 * US_PER_MS;
            struct node *n = &network->nodes[entry.node];
            n->ws_up_us = n->ws_up_us > later_us ? n->ws_up_us : later_us;
            n->ws_down_us = n->ws_down_us > later_us ? n->ws_down_us : later_us;
            uint8_t *data = entry.data;
            entry.at_us = later_us;
            push(network, entry, span_of(data, entry.len));
            free(data);
            continue;
        }
        if (!deliverable(network, &entry)) {
            free(entry.data);
            continue;
        }
        *out = (struct network_item){.kind = entry.kind,
                                     .node = entry.node,
                                     .socket = entry.socket,
                                     .connection = entry.connection,
                                     .status = entry.status,
                                     .from = entry.from,
                                     .data = entry.data,
                                     .len = entry.len};
        network->taken = entry.data;
        if (entry.kind == NETWORK_WS_CLOSED_UP || entry.kind == NETWORK_WS_CLOSED_DOWN)
            network->connections[entry.connection].state = WS_CLOSED;
        return true;
    }
    return false;
}
