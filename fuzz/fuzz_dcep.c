/* DCEP: what the parser takes, the writer gives back; and a table of channels gets messages made from the input, as
 * records of one byte of stream, one of payload protocol, one of length, then that many bytes. */
#include "protocol/dcep.h"
#include "sctp_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const uint8_t *data, size_t size) {
    uint8_t bytes[DCEP_OPEN_BYTES_MAX];
    struct dcep_open open;
    struct dcep_open again;
    if (!dcep_parse_open(span_of(data, size), &open))
        return;
    struct writer w = writer_of(bytes, sizeof bytes);
    dcep_write_open(&w, &open);
    ASSERT(writer_ok(&w) && w.len == size && dcep_parse_open(writer_span(&w), &again));
    ASSERT(again.unordered == open.unordered && again.reliability == open.reliability);
    ASSERT(again.reliability_value == open.reliability_value && again.priority == open.priority);
    ASSERT(span_equal(again.label, open.label) && span_equal(again.protocol, open.protocol));
}

static void drain(struct world *world, struct data_channels *set) {
    struct data_channel_event event;
    uint8_t bytes[WORLD_PACKET_BYTES];
    for (bool busy = true; busy;) {
        busy = false;
        while (data_channels_poll(set, world->now_us, &event)) {
            busy = true;
            ASSERT(event.channel < DATA_CHANNELS_MAX);
            if (event.type == DATA_CHANNEL_MESSAGE && event.len_bytes > 0 && event.len_bytes < 64) {
                struct writer w = writer_of(bytes, sizeof bytes);
                data_channels_copy(set, &event, &w);
                (void)data_channels_send(set, world->now_us, event.channel, event.binary, writer_span(&w));
            }
        }
        struct writer w = writer_of(bytes, sizeof bytes);
        if (sctp_poll_packet(world->side[1].s, world->now_us, &w)) {
            world_take(&world->side[1], bytes, w.len);
            busy = true;
        }
    }
}

static void pass_packets(struct world *world, struct data_channels *set) {
    struct world_side *peer = &world->side[0];
    bool busy = true;
    while (busy) {
        busy = false;
        while (peer->count > 0) {
            struct world_packet packet = peer->packets[peer->first];
            peer->first = (peer->first + 1) % WORLD_PACKETS_MAX;
            peer->count--;
            sctp_input(world->side[1].s, world->now_us, span_of(packet.bytes, packet.len));
            drain(world, set);
        }
        while (world_deliver(world, 1))
            busy = true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct data_channels set;
    static struct dcep_counters counters;
    check_round_trip(data, size);
    struct world *world = world_new();
    world_connect(world);
    data_channels_init(&set, world->side[1].s, DCEP_DTLS_SERVER, &counters);
    struct dcep_open open = {.label = span_str("ours")};
    uint32_t ours = 0;
    ASSERT(data_channels_open(&set, world->now_us, &open, &ours));
    struct reader r = reader_of(data, size);
    for (int records = 0; reader_left(&r) >= 3 && records < 200; records++) {
        struct sctp_send_options options = {.stream = rd_u8(&r) % 64};
        uint8_t kind = rd_u8(&r);
        options.ppid = kind < 64 ? kind : DCEP_PPID_CONTROL;
        size_t len = rd_u8(&r);
        struct span message = rd_span(&r, len < reader_left(&r) ? len : reader_left(&r));
        if (message.len > 0)
            (void)sctp_send(world->side[0].s, world->now_us, &options, message);
        if ((kind & 0xc0) == 0x80)
            sctp_reset_stream(world->side[0].s, world->now_us, options.stream);
        if (kind == 0xff)
            data_channels_close(&set, world->now_us, options.stream % DATA_CHANNELS_MAX);
        world_pump(world, 0);
        drain(world, &set);
        pass_packets(world, &set);
        world->now_us += 5 * US_PER_MS;
    }
    world_free(world);
    return 0;
}
