/* Two SCTP associations side by side for the fuzz targets: fixed memory, fixed seed, so that tags and TSNs are the same
 * in every run and an input means the same bytes on the wire. */
#ifndef CONCLAVE_FUZZ_SCTP_WORLD_H
#define CONCLAVE_FUZZ_SCTP_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/crc.h"
#include "base/rng.h"
#include "base/time.h"
#include "protocol/sctp.h"

#define WORLD_BLOCKS 600
#define WORLD_PACKETS_MAX 256
#define WORLD_PACKET_BYTES 1500

struct world_packet {
    uint16_t len;
    uint8_t bytes[WORLD_PACKET_BYTES];
};

struct world_side {
    struct sctp *s;
    struct sctp_config config;
    struct sctp_counters counters;
    struct sctp_buffers buffers;
    uint32_t tag; /* that packets to this side carry */
    uint32_t tsn; /* its initial one */
    /* packets that this side sent, in order; the oldest are dropped when there are too many */
    uint32_t first;
    uint32_t count;
    struct world_packet packets[WORLD_PACKETS_MAX];
};

struct world {
    uint64_t now_us;
    struct rng rng;
    void (*on_event)(struct world *world, int side, const struct sctp_event *event);
    struct world_side side[2];
};

static void *world_memory[2][2];

static inline struct world *world_new(void) {
    static struct world world;
    memset(&world, 0, offsetof(struct world, side));
    world.now_us = 1000000;
    world.rng = rng_seeded(42);
    for (int i = 0; i < 2; i++) {
        struct world_side *side = &world.side[i];
        side->first = side->count = 0;
        memset(&side->counters, 0, sizeof side->counters);
        side->config = (struct sctp_config){.buffers = &side->buffers, .counters = &side->counters, .streams = 64};
        if (world_memory[i][0] == NULL) {
            world_memory[i][0] = malloc(sctp_size(&side->config));
            world_memory[i][1] = malloc(sctp_buffers_size(WORLD_BLOCKS));
        }
        ASSERT(world_memory[i][0] != NULL && world_memory[i][1] != NULL);
        sctp_buffers_init(&side->buffers, world_memory[i][1], WORLD_BLOCKS);
        side->s = sctp_init(world_memory[i][0], &side->config, &world.rng, world.now_us);
    }
    return &world;
}

static inline uint32_t world_u32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void world_take(struct world_side *side, const uint8_t *bytes, size_t len) {
    if (len >= 32 && (bytes[12] == 1 || bytes[12] == 2)) {
        side->tag = world_u32(bytes + 16);
        side->tsn = world_u32(bytes + 28);
    }
    if (side->count == WORLD_PACKETS_MAX) {
        side->first = (side->first + 1) % WORLD_PACKETS_MAX;
        side->count--;
    }
    struct world_packet *packet = &side->packets[(side->first + side->count++) % WORLD_PACKETS_MAX];
    packet->len = (uint16_t)len;
    memcpy(packet->bytes, bytes, len);
}

/* Polls a side until it is silent: a side that is never silent is a finding. */
static inline void world_pump(struct world *world, int which) {
    struct world_side *side = &world->side[which];
    for (uint32_t rounds = 0;; rounds++) {
        struct sctp_event event;
        uint8_t bytes[WORLD_PACKET_BYTES];
        struct writer w = writer_of(bytes, sizeof bytes);
        bool busy = false;
        ASSERT(rounds < 10000);
        while (sctp_poll_event(side->s, &event)) {
            busy = true;
            if (world->on_event != NULL)
                world->on_event(world, which, &event);
        }
        if (sctp_poll_packet(side->s, world->now_us, &w)) {
            busy = true;
            world_take(side, bytes, w.len);
        }
        if (!busy)
            return;
    }
}

static inline void world_input(struct world *world, int to, const uint8_t *bytes, size_t len) {
    uint8_t *copy = malloc(len > 0 ? len : 1); /* exact, so that a sanitizer sees a read past the end */
    ASSERT(copy != NULL);
    if (len > 0)
        memcpy(copy, bytes, len);
    sctp_input(world->side[to].s, world->now_us, span_of(copy, len));
    free(copy);
    world_pump(world, to);
}

/* Delivers the oldest packet that `from` sent; false when there is none. */
static inline bool world_deliver(struct world *world, int from) {
    struct world_side *side = &world->side[from];
    if (side->count == 0)
        return false;
    struct world_packet packet = side->packets[side->first];
    side->first = (side->first + 1) % WORLD_PACKETS_MAX;
    side->count--;
    world_input(world, 1 - from, packet.bytes, packet.len);
    return true;
}

static inline void world_pass(struct world *world, uint64_t us) {
    world->now_us += us;
    for (int i = 0; i < 2; i++) {
        if (sctp_next_deadline(world->side[i].s) <= world->now_us)
            sctp_tick(world->side[i].s, world->now_us);
        world_pump(world, i);
    }
}

static inline void world_connect(struct world *world) {
    sctp_connect(world->side[0].s, world->now_us);
    world_pump(world, 0);
    for (int i = 0; i < 4; i++) {
        while (world_deliver(world, 0) || world_deliver(world, 1))
            ;
        world_pass(world, 10 * US_PER_MS);
    }
    ASSERT(sctp_is_connected(world->side[0].s) && sctp_is_connected(world->side[1].s));
}

static inline void world_free(struct world *world) {
    for (int i = 0; i < 2; i++) {
        sctp_release(world->side[i].s);
        ASSERT(world->side[i].buffers.used == 0);
    }
}

#endif
