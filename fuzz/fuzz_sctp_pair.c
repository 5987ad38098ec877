/* Two associations and a network that the input commands: it sends messages, delivers, drops, doubles, swaps and
 * damages packets, holds messages back and lets time pass. Then the network is good again, and what was sent reliably
 * must all have arrived, once, whole and in order, with nothing left in any buffer. */
#include "sctp_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STREAMS 8
#define MESSAGES_MAX 400

static uint32_t sent[2][STREAMS];
static uint32_t next[2][STREAMS];
static uint32_t arrived[2][STREAMS];
static uint32_t closed;
static uint64_t charged[2][SCTP_ACCOUNTS];

static void on_event(struct world *world, int side, const struct sctp_event *event) {
    if (event->type == SCTP_EVENT_CLOSED)
        closed++;
    if (event->type != SCTP_EVENT_MESSAGE)
        return;
    static uint8_t bytes[SCTP_MESSAGE_BYTES];
    struct writer w = writer_of(bytes, sizeof bytes);
    uint16_t stream = event->message.stream;
    sctp_message_copy(world->side[side].s, &w);
    ASSERT(writer_ok(&w) && w.len >= 4 && stream < STREAMS);
    uint32_t count = world_u32(bytes);
    for (size_t i = 4; i < w.len; i++)
        ASSERT(bytes[i] == (uint8_t)(count + i));
    arrived[side][stream]++;
    ASSERT(count < sent[1 - side][stream]);
    if (!event->message.unordered) {
        ASSERT(count >= next[side][stream]);
        next[side][stream] = count + 1;
    }
}

/* Streams 0 to 3 are ordered and reliable, 4 and 5 unordered and reliable, 6 and 7 lossy. */
static void send(struct world *world, int side, uint8_t what) {
    static uint8_t bytes[20000];
    uint16_t stream = what & 7;
    size_t len = (what & 8) != 0 ? 5000 : 200;
    len = (what & 24) == 24 ? sizeof bytes : len;
    uint32_t count = sent[side][stream];
    struct sctp_send_options options = {.stream = stream, .ppid = 53, .unordered = stream >= 4 && stream != 7};
    options.limit_retransmits = stream >= 6;
    options.account = stream >= 6;
    options.charge_bytes = (uint32_t)len;
    if (count >= MESSAGES_MAX)
        return;
    struct writer w = writer_of(bytes, sizeof bytes);
    wr_u32(&w, count);
    for (size_t i = 4; i < len; i++)
        bytes[i] = (uint8_t)(count + i);
    if (sctp_send(world->side[side].s, world->now_us, &options, span_of(bytes, len)) == SCTP_SEND_OK) {
        sent[side][stream]++;
        charged[side][options.account] += len;
    }
    world_pump(world, side);
}

static void disturb(struct world *world, int side, uint8_t what, uint8_t how) {
    struct world_side *from = &world->side[side];
    struct world_packet *packet = &from->packets[from->first];
    if (from->count == 0)
        return;
    if (what == 0) { /* drop */
        from->first = (from->first + 1) % WORLD_PACKETS_MAX;
        from->count--;
    } else if (what == 1) { /* double */
        struct world_packet copy = *packet;
        world_input(world, 1 - side, copy.bytes, copy.len);
    } else if (what == 2) { /* swap */
        struct world_packet copy = *packet;
        struct world_packet *other = &from->packets[(from->first + how % from->count) % WORLD_PACKETS_MAX];
        *packet = *other;
        *other = copy;
    } else { /* damage: the checksum finds up to four bytes in a row for certain */
        packet->bytes[(how * 7u) % packet->len] ^= (uint8_t)(how | 1);
    }
}

static bool is_quiet(const struct world *world) {
    for (int i = 0; i < 2; i++) {
        const struct world_side *side = &world->side[i];
        if (!sctp_is_connected(side->s) || sctp_buffered_total(side->s) > 0 || sctp_blocks_held(side->s) > 0 ||
            side->count > 0)
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    memset(sent, 0, sizeof sent);
    memset(next, 0, sizeof next);
    memset(arrived, 0, sizeof arrived);
    closed = 0;
    memset(charged, 0, sizeof charged);
    struct world *world = world_new();
    world->on_event = on_event;
    struct reader r = reader_of(data, size < 3000 ? size : 3000);
    sctp_connect(world->side[0].s, world->now_us);
    if ((rd_u8(&r) & 1) != 0)
        sctp_connect(world->side[1].s, world->now_us);
    world_pump(world, 0);
    world_pump(world, 1);
    uint64_t patience_us = 15 * US_PER_S; /* a longer standstill may end the association, and rightly */
    while (reader_left(&r) > 0) {
        uint8_t command = rd_u8(&r);
        int side = command >> 7;
        switch (command >> 5 & 3) {
        case 0:
            send(world, side, command & 31);
            break;
        case 1:
            for (int i = 0; i <= (command & 31); i++)
                (void)world_deliver(world, side);
            break;
        case 2:
            if ((command & 12) == 12)
                sctp_hold_messages(world->side[side].s, (command & 1) != 0);
            else
                disturb(world, side, command & 3, rd_u8(&r));
            break;
        default: {
            uint64_t us = (command & 31) * 10 * US_PER_MS;
            if (us <= patience_us) {
                patience_us -= us;
                world_pass(world, us);
            }
            break;
        }
        }
    }
    for (int side = 0; side < 2; side++) {
        sctp_hold_messages(world->side[side].s, false);
        world_pump(world, side);
    }
    for (int i = 0; i < 6000 && !is_quiet(world); i++) {
        while (world_deliver(world, 0) || world_deliver(world, 1))
            ;
        world_pass(world, 20 * US_PER_MS);
    }
    ASSERT(closed == 0);
    for (int side = 0; side < 2; side++) {
        ASSERT(sctp_is_connected(world->side[side].s));
        ASSERT(sctp_buffered_total(world->side[side].s) == 0 && sctp_blocks_held(world->side[side].s) == 0);
        for (uint8_t account = 0; account < SCTP_ACCOUNTS; account++)
            ASSERT(sctp_settled_bytes(world->side[side].s, account) == charged[side][account]);
        for (int stream = 0; stream < STREAMS; stream++) {
            ASSERT(arrived[side][stream] <= sent[1 - side][stream]);
            ASSERT(stream >= 6 || arrived[side][stream] == sent[1 - side][stream]);
        }
    }
    world_free(world);
    return 0;
}
