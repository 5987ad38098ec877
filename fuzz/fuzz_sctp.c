/* An association that is up gets chunks made from the input, in packets with right tags and checksums. The input is a
 * list of records: one control byte, one length byte, then that many bytes of chunks. With bit 0 of the control byte
 * the first chunk's TSN-like field counts from the initial TSN, so that small numbers fall into the window; the upper
 * bits choose the tag, a pause, a message of ours, a stream reset. */
#include "sctp_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RELATIVE = 1, REFLECT_TAG = 2, NO_TAG = 4, PAUSE = 8, SEND = 16, RESET = 32, LONG = 64, CLOSE = 128 };

static void act(struct world *world, uint8_t control) {
    static const uint8_t message[3000] = {1};
    struct sctp *s = world->side[1].s;
    if ((control & SEND) != 0) {
        struct sctp_send_options options = {.stream = control & 7, .ppid = 51, .unordered = (control & 1) != 0};
        options.limit_retransmits = (control & 2) != 0;
        (void)sctp_send(s, world->now_us, &options, span_of(message, (control & LONG) != 0 ? sizeof message : 100));
    }
    if ((control & RESET) != 0)
        sctp_reset_stream(s, world->now_us, control & 7);
    if ((control & CLOSE) != 0 && (control & PAUSE) != 0)
        sctp_close(s, world->now_us, (control & RELATIVE) != 0);
    world_pump(world, 1);
    if ((control & PAUSE) != 0)
        world_pass(world, 250 * US_PER_MS);
}

static void send_chunks(struct world *world, uint8_t control, struct span chunks) {
    uint8_t packet[12 + 512] = {0x13, 0x88, 0x13, 0x88};
    struct world_side *to = &world->side[1];
    uint32_t tag = (control & REFLECT_TAG) != 0 ? world->side[0].tag : to->tag;
    struct writer w = writer_of(packet, sizeof packet);
    w.len = 4;
    wr_u32(&w, (control & NO_TAG) != 0 ? 0 : tag);
    wr_u32(&w, 0);
    wr_span(&w, chunks);
    if (!writer_ok(&w))
        return;
    if ((control & RELATIVE) != 0 && chunks.len >= 8) {
        /* SACK and the response of RE-CONFIG speak of our TSNs, the others of the peer's */
        uint32_t base = chunks.data[0] == 3 ? to->tsn : world->side[0].tsn;
        size_t at = chunks.data[0] == 130 && chunks.len >= 12 ? 20 : 16;
        wr_patch_u32(&w, at, world_u32(packet + at) + base);
    }
    wr_patch_u32(&w, 8, __builtin_bswap32(crc32c(packet, w.len)));
    world_input(world, 1, packet, w.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct world *world = world_new();
    world_connect(world);
    struct reader r = reader_of(data, size);
    for (int records = 0; reader_left(&r) >= 2 && records < 600; records++) {
        uint8_t control = rd_u8(&r);
        size_t len = rd_u8(&r);
        len = len < reader_left(&r) ? len : reader_left(&r);
        struct span chunks = rd_span(&r, len);
        send_chunks(world, control, chunks);
        act(world, control);
        ASSERT(world->side[1].buffers.used == sctp_blocks_held(world->side[1].s));
    }
    world_pass(world, 3 * US_PER_S);
    world_free(world);
    return 0;
}
