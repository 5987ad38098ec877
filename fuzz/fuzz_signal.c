/* Signalling messages and data packets into a room of two. Records of the input: a kind, a 16-bit length, the bytes. */
#include "signal_common.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct control_config config = fuzz_config();
    struct rng rng = rng_seeded(1);
    struct control *control = control_create(&config, &rng, FUZZ_NOW_US, FUZZ_UNIX_US);
    uint32_t sessions[2] = {fuzz_join(control, "ana"), fuzz_join(control, "ben")};
    uint32_t transport = 0;
    struct control_output out;
    while (control_poll(control, &out)) {
        if (out.type == CONTROL_COMMAND && out.command.type == ENGINE_TRANSPORT_OPEN)
            transport = out.command.object;
    }
    uint64_t now_us = FUZZ_NOW_US;
    struct reader r = reader_of(data, size);
    while (reader_left(&r) >= 3) {
        uint8_t kind = rd_u8(&r);
        uint16_t len = rd_u16(&r);
        struct span bytes = rd_span(&r, len < reader_left(&r) ? len : reader_left(&r));
        uint32_t session = sessions[kind & 1];
        struct engine_event event = {.type = ENGINE_EV_CHANNEL_MESSAGE, .object = transport, .payload = bytes};
        switch (kind >> 1 & 3) {
        case 0:
        case 1:
            if (session != 0)
                control_session_message(control, now_us, FUZZ_UNIX_US, session, bytes, false);
            break;
        case 2:
            strcpy(event.message.label, (kind & 8) != 0 ? "_data_track" : "_reliable");
            control_engine_event(control, now_us, FUZZ_UNIX_US, 0, &event);
            break;
        default:
            now_us += US_PER_MS * 300;
            control_tick(control, now_us, FUZZ_UNIX_US);
        }
        fuzz_drain(control, sessions, 2);
    }
    control_destroy(control);
    return 0;
}
