/* A meeting of three in which one connection carries anything: changed, repeated, dropped and invented messages, from a
 * malicious member to the server, or from the server to a member; also while the server, started again, asks for the
 * group. Nothing falls over, and the other two go on with each other.
 *
 * Input: first byte, bit 0: the direction that is tampered with, to the server (1) or to the person (0). Then records:
 * number of the message (1), what to do (1: enum deed), offset (2), length (1) and that many bytes. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "sim/assembly.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VICTIM 1
#define MESSAGE_LEN_MAX (64u << 10)

enum deed { DEED_CHANGE, DEED_DROP, DEED_REPEAT, DEED_CUT, DEED_ADD, DEED_COUNT };

struct tamper {
    bool to_server;
    struct span records;
    uint32_t seen;
};

static struct assembly a;

/* XORs bytes of the record into the message. */
static void change(uint8_t *bytes, size_t len, size_t offset, struct span with) {
    for (size_t i = 0; i < with.len && len > 0; i++)
        bytes[(offset + i) % len] ^= with.data[i];
}

/* Applies the records for this message; false when the original must not pass. */
static bool tamper(struct tamper *t, struct span message) {
    static uint8_t bytes[MESSAGE_LEN_MAX];
    struct reader r = reader_of_span(t->records);
    uint32_t number = t->seen++;
    bool passes = true;
    while (reader_left(&r) > 0) {
        uint8_t which = rd_u8(&r), deed = rd_u8(&r) % DEED_COUNT;
        size_t offset = rd_u16(&r);
        struct span with = rd_span(&r, rd_u8(&r));
        if (!reader_ok(&r))
            break;
        if (which != number || message.len > sizeof bytes)
            continue;
        memcpy(bytes, message.data, message.len);
        switch (deed) {
        case DEED_CHANGE:
            change(bytes, message.len, offset, with);
            assembly_inject(&a, VICTIM, t->to_server, span_of(bytes, message.len));
            passes = false;
            break;
        case DEED_DROP:
            passes = false;
            break;
        case DEED_REPEAT:
            assembly_inject(&a, VICTIM, t->to_server, message);
            break;
        case DEED_CUT:
            assembly_inject(&a, VICTIM, t->to_server, span_of(bytes, message.len > offset ? offset : message.len));
            passes = false;
            break;
        default:
            assembly_inject(&a, VICTIM, t->to_server, with);
            break;
        }
    }
    return passes;
}

static bool up(void *context, int person, struct span message) {
    struct tamper *t = context;
    return person != VICTIM || !t->to_server || tamper(t, message);
}

static bool down(void *context, int person, struct span message) {
    struct tamper *t = context;
    return person != VICTIM || t->to_server || tamper(t, message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct tamper t = {.to_server = (data[0] & 1) != 0, .records = span_of(data + 1, size - 1)};
    assembly_begin(&a, 7, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    a.watch = (struct assembly_watch){.context = &t, .up = up, .down = down};
    for (int i = 0; i < 3; i++) {
        (void)assembly_join(&a, i == 0 ? ASSEMBLY_OWNER : ASSEMBLY_GUEST);
        assembly_run(&a, US_PER_S);
    }
    for (int i = 0; i < 3; i++) {
        struct span to = i == 0 ? span_of(NULL, 0) : span_str(a.people[i == 1 ? 0 : VICTIM].identity);
        (void)member_chat(a.people[i].member, 1, &a.rng, to, span_str("id"), span_str("words"));
        assembly_drain(&a, i);
    }
    assembly_run(&a, US_PER_S);
    assembly_server_stop(&a);
    assembly_run(&a, US_PER_S);
    assembly_server_start(&a);
    assembly_run(&a, 15 * US_PER_S);
    assembly_leave(&a, VICTIM);
    assembly_run(&a, 20 * US_PER_S);
    ASSERT(!a.people[0].ended && !a.people[2].ended);
    ASSERT(a.people[0].key_epoch == a.people[2].key_epoch);
    ASSERT(memcmp(a.people[0].key, a.people[2].key, sizeof a.people[0].key) == 0);
    assembly_end(&a);
    return 0;
}
