#include "sctp_pair.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/crc.h"
#include "base/time.h"

struct pair *pair_new(uint64_t seed, const struct sctp_config *config) {
    struct pair *pair = calloc(1, sizeof *pair);
    ASSERT(pair != NULL);
    pair->now_us = 1000000;
    pair->rng = rng_seeded(seed);
    pair->link = (struct pair_link){.delay_us = 10 * US_PER_MS};
    for (int i = 0; i < 2; i++) {
        struct pair_side *side = &pair->side[i];
        if (config != NULL)
            side->config = *config;
        side->config.buffers = &side->buffers;
        side->config.counters = &side->counters;
        side->blocks = malloc(sctp_buffers_size(PAIR_BLOCKS));
        side->memory = malloc(sctp_size(&side->config));
        ASSERT(side->blocks != NULL && side->memory != NULL);
        sctp_buffers_init(&side->buffers, side->blocks, PAIR_BLOCKS);
        side->s = sctp_init(side->memory, &side->config, &pair->rng, pair->now_us);
    }
    return pair;
}

void pair_free(struct pair *pair) {
    for (int i = 0; i < 2; i++) {
        sctp_release(pair->side[i].s);
        ASSERT(pair->side[i].buffers.used == 0);
        free(pair->side[i].memory);
        free(pair->side[i].blocks);
    }
    for (uint32_t i = 0; i < pair->packet_count; i++)
        free(pair->packets[i]);
    free(pair);
}

static bool earlier(const struct pair_packet *a, const struct pair_packet *b) {
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void heap_push(struct pair *pair, struct pair_packet *packet) {
    if (pair->packet_count == PAIR_PACKETS_MAX) {
        pair->packets_dropped++;
        free(packet);
        return;
    }
    uint32_t at = pair->packet_count++;
    while (at > 0 && earlier(packet, pair->packets[(at - 1) / 2])) {
        pair->packets[at] = pair->packets[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    pair->packets[at] = packet;
}

static struct pair_packet *heap_pop(struct pair *pair) {
    struct pair_packet *top = pair->packets[0];
    struct pair_packet *last = pair->packets[--pair->packet_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= pair->packet_count)
            break;
        if (child + 1 < pair->packet_count && earlier(pair->packets[child + 1], pair->packets[child]))
            child++;
        if (!earlier(pair->packets[child], last))
            break;
        pair->packets[at] = pair->packets[child];
        at = child;
    }
    pair->packets[at] = last;
    return top;
}

static void put_on_wire(struct pair *pair, int from, const uint8_t *bytes, size_t len, uint64_t extra_us) {
    struct pair_packet *packet = malloc(sizeof *packet);
    ASSERT(packet != NULL && len <= PAIR_PACKET_BYTES);
    struct pair_side *side = &pair->side[from];
    uint64_t leaves_us = pair->now_us;
    if (pair->link.rate_bps > 0) {
        if (side->line_free_us < pair->now_us)
            side->line_free_us = pair->now_us;
        if (pair->link.queue_us > 0 && side->line_free_us - pair->now_us > pair->link.queue_us) {
            pair->packets_dropped++;
            free(packet);
            return;
        }
        side->line_free_us += len * 8 * US_PER_S / pair->link.rate_bps;
        leaves_us = side->line_free_us;
    }
    packet->at_us = leaves_us + pair->link.delay_us + extra_us;
    packet->order = pair->packet_order++;
    packet->to = (uint8_t)(1 - from);
    packet->len = (uint16_t)len;
    memcpy(packet->bytes, bytes, len);
    if (rng_unit(&pair->rng) < pair->link.corrupt)
        packet->bytes[rng_below(&pair->rng, len)] ^= (uint8_t)(1 + rng_below(&pair->rng, 255));
    heap_push(pair, packet);
}

static void take_packet(struct pair *pair, int from, uint8_t *bytes, size_t len) {
    pair->packets_sent[from]++;
    if (pair->on_packet != NULL && !pair->on_packet(pair, from, bytes, len))
        return;
    if (pair->cut || rng_unit(&pair->rng) < pair->link.loss) {
        pair->packets_dropped++;
        return;
    }
    uint32_t copies = rng_unit(&pair->rng) < pair->link.duplicate ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++) {
        uint64_t extra_us = 0;
        if (rng_unit(&pair->rng) < pair->link.reorder)
            extra_us = rng_below(&pair->rng, 30 * US_PER_MS);
        put_on_wire(pair, from, bytes, len, extra_us);
    }
}

static void take_event(struct pair *pair, int which, const struct sctp_event *event) {
    struct pair_side *side = &pair->side[which];
    switch (event->type) {
    case SCTP_EVENT_CONNECTED:
        side->connected++;
        break;
    case SCTP_EVENT_RESTARTED:
        side->restarted++;
        break;
    case SCTP_EVENT_MESSAGE: {
        side->messages++;
        side->bytes += event->message.len_bytes;
        uint8_t *bytes = malloc(event->message.len_bytes);
        ASSERT(bytes != NULL);
        struct writer w = writer_of(bytes, event->message.len_bytes);
        sctp_message_copy(side->s, &w);
        ASSERT(writer_ok(&w) && w.len == event->message.len_bytes);
        if (pair->on_message != NULL)
            pair->on_message(pair, which, &event->message, bytes);
        free(bytes);
        break;
    }
    case SCTP_EVENT_STREAM_RESET:
        side->resets_in[event->stream]++;
        break;
    case SCTP_EVENT_RESET_DONE:
        side->resets_done[event->stream]++;
        break;
    case SCTP_EVENT_BUFFERED_LOW:
        side->lows++;
        break;
    case SCTP_EVENT_CLOSED:
        side->closed++;
        side->reason = event->reason;
        break;
    }
}

void pair_pump(struct pair *pair) {
    for (int i = 0; i < 2; i++) {
        struct sctp_event event;
        bool busy = true;
        while (busy) {
            uint8_t bytes[PAIR_PACKET_BYTES];
            struct writer w = writer_of(bytes, sizeof bytes);
            busy = false;
            while (pair->poll_event != NULL && pair->poll_event(pair, i))
                busy = true;
            while (pair->poll_event == NULL && sctp_poll_event(pair->side[i].s, &event)) {
                take_event(pair, i, &event);
                busy = true;
            }
            if (sctp_poll_packet(pair->side[i].s, pair->now_us, &w)) {
                take_packet(pair, i, bytes, w.len);
                busy = true;
            }
        }
    }
}

static uint64_t next_us(const struct pair *pair) {
    uint64_t at_us = time_min(sctp_next_deadline(pair->side[0].s), sctp_next_deadline(pair->side[1].s));
    return pair->packet_count > 0 ? time_min(at_us, pair->packets[0]->at_us) : at_us;
}

/* One step of time; false when nothing happens up to `until_us`. */
static bool step(struct pair *pair, uint64_t until_us) {
    pair_pump(pair);
    uint64_t at_us = next_us(pair);
    if (at_us > until_us)
        return false;
    if (at_us > pair->now_us)
        pair->now_us = at_us;
    while (pair->packet_count > 0 && pair->packets[0]->at_us <= pair->now_us) {
        struct pair_packet *packet = heap_pop(pair);
        uint8_t *copy = malloc(packet->len); /* exact, so that a sanitizer sees a read past the end */
        ASSERT(copy != NULL);
        memcpy(copy, packet->bytes, packet->len);
        sctp_input(pair->side[packet->to].s, pair->now_us, span_of(copy, packet->len));
        free(copy);
        free(packet);
        pair_pump(pair);
    }
    for (int i = 0; i < 2; i++) {
        if (sctp_next_deadline(pair->side[i].s) <= pair->now_us)
            sctp_tick(pair->side[i].s, pair->now_us);
    }
    pair_pump(pair);
    return true;
}

void pair_run(struct pair *pair, uint64_t for_us) {
    uint64_t until_us = pair->now_us + for_us;
    while (step(pair, until_us))
        ;
    pair->now_us = until_us;
}

bool pair_run_until(struct pair *pair, bool (*done)(const struct pair *pair), uint64_t for_us) {
    uint64_t until_us = pair->now_us + for_us;
    while (!done(pair)) {
        if (!step(pair, until_us))
            return done(pair);
    }
    return true;
}

bool pair_both_connected(const struct pair *pair) {
    return pair->side[0].connected > 0 && pair->side[1].connected > 0;
}

bool pair_idle(const struct pair *pair) {
    for (int i = 0; i < 2; i++) {
        if (sctp_buffered_total(pair->side[i].s) > 0 || sctp_blocks_held(pair->side[i].s) > 0)
            return false;
    }
    return true;
}

void pair_connect(struct pair *pair) {
    struct pair_link link = pair->link;
    pair->link = (struct pair_link){.delay_us = 10 * US_PER_MS};
    sctp_connect(pair->side[0].s, pair->now_us);
    bool up = pair_run_until(pair, pair_both_connected, US_PER_S);
    ASSERT(up);
    pair_run(pair, 50 * US_PER_MS);
    pair->link = link;
}

void pair_inject(struct pair *pair, int to, uint32_t tag, const void *chunks, size_t len) {
    uint8_t bytes[PAIR_PACKET_BYTES];
    struct writer w = writer_of(bytes, sizeof bytes);
    wr_u16(&w, SCTP_PORT);
    wr_u16(&w, SCTP_PORT);
    wr_u32(&w, tag);
    wr_u32(&w, 0);
    wr_bytes(&w, chunks, len);
    ASSERT(writer_ok(&w));
    wr_patch_u32(&w, 8, __builtin_bswap32(crc32c(bytes, w.len)));
    sctp_input(pair->side[to].s, pair->now_us, span_of(bytes, w.len));
    pair_pump(pair);
}
