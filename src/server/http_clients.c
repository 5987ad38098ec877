#include "server/http_clients.h"

#include "base/assert.h"
#include "base/time.h"
#include "io/memory.h"

/* Records looked at for one that nobody needs. */
#define SEARCH_MAX 64

static const struct {
    uint32_t burst, rate; /* a second */
} budgets[CLIENT_BUDGETS_COUNT] = {
    [CLIENT_HANDSHAKES] = {CLIENT_HANDSHAKE_BURST, CLIENT_HANDSHAKE_RATE},
    [CLIENT_SOCKETS] = {CLIENT_SOCKET_BURST, CLIENT_SOCKET_RATE},
};

bool http_clients_init(struct http_clients *clients, uint32_t capacity, struct rng *rng) {
    size_t map_len = map_size(capacity, sizeof(struct net_addr)), pool_len = pool_size(capacity);
    map_len = (map_len + 63) & ~(size_t)63;
    pool_len = (pool_len + 63) & ~(size_t)63;
    *clients = (struct http_clients){.capacity = capacity};
    clients->memory_len = map_len + pool_len + (size_t)capacity * sizeof(struct http_client);
    uint8_t *memory = memory_map(clients->memory_len);
    if (memory == NULL)
        return false;
    clients->memory = memory;
    map_init(&clients->by_address, memory, capacity, sizeof(struct net_addr), rng);
    pool_init(&clients->pool, memory + map_len, capacity);
    clients->records = (struct http_client *)(void *)(memory + map_len + pool_len);
    return true;
}

void http_clients_free(struct http_clients *clients) {
    if (clients->memory != NULL)
        memory_unmap(clients->memory, clients->memory_len);
    clients->memory = NULL;
}

/* Takes the place of a source that has nothing. */
static uint32_t make_room(struct http_clients *clients) {
    for (uint32_t i = 0; i < SEARCH_MAX && i < clients->capacity; i++) {
        clients->hand = (clients->hand + 1) % clients->capacity;
        struct http_client *old = &clients->records[clients->hand];
        if (old->connections > 0 || old->sockets > 0)
            continue;
        ASSERT(map_remove(&clients->by_address, &old->address));
        pool_give(&clients->pool, pool_handle_at(&clients->pool, clients->hand));
        return pool_take(&clients->pool);
    }
    return 0;
}

struct http_client *http_clients_of(struct http_clients *clients, const struct net_addr *source) {
    uint32_t index;
    if (map_get(&clients->by_address, source, &index))
        return &clients->records[index];
    uint32_t handle = pool_take(&clients->pool);
    if (handle == 0)
        handle = make_room(clients);
    if (handle == 0)
        return NULL;
    index = pool_index(handle);
    clients->records[index] = (struct http_client){.address = *source};
    ASSERT(map_put(&clients->by_address, source, index));
    return &clients->records[index];
}

bool http_client_take(struct http_client *client, enum client_budget budget, uint64_t now_us) {
    uint64_t each_us = US_PER_S / budgets[budget].rate;
    uint64_t *even_us = &client->even_us[budget];
    if (*even_us < now_us)
        *even_us = now_us;
    if (*even_us - now_us + each_us > budgets[budget].burst * each_us)
        return false;
    *even_us += each_us;
    return true;
}
