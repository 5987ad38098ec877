/* SFrame: any header is read as it is written; then a sender and a receiver through a list of steps. What was sealed
 * opens once, unchanged, while its epoch lives; what was changed or made up never does; counters only rise.
 *
 * Input: suite, then steps: operation, argument, and for operation 0 as many bytes as the argument says. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "e2ee/sframe_native.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALICE 7
#define BOB 9
#define KEYS 6
#define TEXT_MAX 255
#define STEPS_MAX 300 /* a run stays below a millisecond or two */

struct world {
    struct sframe_sender alice;
    struct sframe_receiver bob;
    uint64_t now_us;
    uint64_t next_ctr[SFRAME_CONTEXTS_MAX]; /* what has to come */
    uint64_t epoch;                         /* in use when it was sealed last */
    uint64_t installed;
    uint8_t sealed[TEXT_MAX + SFRAME_HEADER_LEN_MAX + SFRAME_TAG_LEN_MAX];
    size_t sealed_len;
    bool opened; /* the last one */
};

static void read_header(const uint8_t *data, size_t size) {
    struct reader r = reader_of(data, size);
    struct sframe_header header;
    enum sframe_status status = sframe_header_read(&r, &header);
    if (status != SFRAME_OK) {
        ASSERT(status == SFRAME_TRUNCATED || status == SFRAME_NOT_MINIMAL);
        return;
    }
    uint8_t again[SFRAME_HEADER_LEN_MAX];
    struct writer w = writer_of(again, sizeof again);
    sframe_header_write(&w, &header);
    ASSERT(w.len == size - reader_left(&r) && w.len == sframe_header_len(&header));
    ASSERT(memcmp(again, data, w.len) == 0);
}

static enum sframe_status open_bytes(struct world *world, uint32_t leaf, struct span bytes, uint8_t *out, size_t *len) {
    enum sframe_status status = sframe_open(&world->bob, leaf, span_str("meta"), bytes, world->now_us, out, len);
    ASSERT(sframe_receiver_keys(&world->bob) <= KEYS);
    return status;
}

/* Bytes of the input, in a buffer of just their size. */
static void open_any(struct world *world, uint8_t leaf, struct span bytes) {
    uint8_t *out = malloc(bytes.len + 1), *copy = malloc(bytes.len + 1);
    size_t len;
    ASSERT(out != NULL && copy != NULL);
    if (bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    ASSERT(open_bytes(world, leaf % 2 == 0 ? ALICE : leaf, span_of(copy, bytes.len), out, &len) != SFRAME_OK);
    free(out);
    free(copy);
}

static void seal(struct world *world, uint8_t argument) {
    uint8_t text[TEXT_MAX];
    uint32_t context = argument % SFRAME_CONTEXTS_MAX;
    uint64_t epoch;
    memset(text, argument, sizeof text);
    enum sframe_status status = sframe_seal(&world->alice, context, span_str("meta"), span_of(text, argument),
                                            world->now_us, world->sealed, &world->sealed_len);
    if (!sframe_sender_epoch(&world->alice, &epoch)) {
        ASSERT(status == SFRAME_NO_EPOCH);
        world->sealed_len = 0;
        return;
    }
    ASSERT(status == SFRAME_OK);
    if (epoch != world->epoch)
        memset(world->next_ctr, 0, sizeof world->next_ctr);
    ASSERT(epoch >= world->epoch && epoch <= world->installed);
    world->epoch = epoch;
    struct reader r = reader_of(world->sealed, world->sealed_len);
    struct sframe_header header;
    ASSERT(sframe_header_read(&r, &header) == SFRAME_OK);
    ASSERT(header.kid == sframe_kid(context, ALICE, epoch) && header.ctr == world->next_ctr[context]++);
    world->opened = false;
}

static void open_last(struct world *world) {
    uint8_t out[sizeof world->sealed];
    size_t len;
    if (world->sealed_len == 0)
        return;
    enum sframe_status status = open_bytes(world, ALICE, span_of(world->sealed, world->sealed_len), out, &len);
    switch (status) {
    case SFRAME_OK:
        ASSERT(!world->opened);
        world->opened = true;
        for (size_t i = 1; i < len; i++)
            ASSERT(out[i] == out[0]);
        ASSERT(len == 0 || len == out[0]);
        break;
    case SFRAME_REPLAYED:
    case SFRAME_TOO_OLD:
        ASSERT(world->opened);
        break;
    case SFRAME_UNKNOWN_EPOCH: /* so far behind that it seems to be ahead, modulo 256 */
        ASSERT(world->installed > world->epoch + 128);
        break;
    case SFRAME_NOT_AUTHENTIC: /* another epoch has its low bits */
        ASSERT(world->installed >= world->epoch + 256);
        break;
    default:
        ASSERT(status == SFRAME_KEYS_FULL || status == SFRAME_ENDED_EPOCH);
    }
}

static void open_changed(struct world *world, uint8_t argument) {
    uint8_t out[sizeof world->sealed], copy[sizeof world->sealed];
    size_t len;
    if (world->sealed_len == 0)
        return;
    memcpy(copy, world->sealed, world->sealed_len);
    copy[argument % world->sealed_len] ^= (uint8_t)(1 + argument % 255);
    ASSERT(open_bytes(world, ALICE, span_of(copy, world->sealed_len), out, &len) != SFRAME_OK);
    ASSERT(open_bytes(world, ALICE, span_of(copy, world->sealed_len - 1), out, &len) != SFRAME_OK);
}

static void install(struct world *world, uint8_t argument) {
    world->installed += 1 + argument % 8 * UINT64_C(40);
    uint8_t base_key[32] = {0};
    memcpy(base_key, &world->installed, sizeof world->installed);
    struct sframe_epoch_key key = {.epoch = world->installed,
                                   .leaf = ALICE,
                                   .base_key = span_of(base_key, sizeof base_key),
                                   .switch_by_us = world->now_us + argument * UINT64_C(5000)};
    ASSERT(sframe_sender_install(&world->alice, &key, world->now_us) == SFRAME_OK);
    key.leaf = BOB;
    ASSERT(sframe_receiver_install(&world->bob, &key, world->now_us) == SFRAME_OK);
}

static void step(struct world *world, uint8_t operation, uint8_t argument) {
    switch (operation % 7) {
    case 1:
        seal(world, argument);
        break;
    case 2:
        open_last(world);
        break;
    case 3:
        open_changed(world, argument);
        break;
    case 4:
        install(world, argument);
        break;
    case 5:
        if (world->installed > 0) {
            sframe_sender_switch(&world->alice, world->installed, world->now_us);
            if (argument % 2 == 0)
                sframe_receiver_switch(&world->bob, world->installed, world->now_us);
        }
        break;
    default:
        world->now_us += argument * UINT64_C(20000);
        sframe_sender_step(&world->alice, world->now_us);
        sframe_receiver_step(&world->bob, world->now_us);
        ASSERT(sframe_receiver_next_us(&world->bob) > world->now_us);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_header(data, size);
    struct reader r = reader_of(data, size);
    struct rng rng = rng_seeded(1);
    static struct world world;
    memset(&world, 0, sizeof world);
    world.now_us = 1;
    uint16_t suite = (uint16_t)(1 + rd_u8(&r) % 8);
    void *memory = malloc(sframe_receiver_size(KEYS));
    ASSERT(memory != NULL);
    sframe_sender_init(&world.alice, &crypto_openssl, suite, &sframe_native);
    sframe_receiver_init(&world.bob, memory, KEYS, &crypto_openssl, suite, &sframe_native, &rng);
    for (int steps = 0; steps < STEPS_MAX && reader_left(&r) >= 2; steps++) {
        uint8_t operation = rd_u8(&r), argument = rd_u8(&r);
        if (operation % 7 == 0) {
            size_t len = argument < reader_left(&r) ? argument : reader_left(&r);
            open_any(&world, operation, rd_span(&r, len));
        } else {
            step(&world, operation, argument);
        }
    }
    sframe_sender_end(&world.alice);
    sframe_receiver_end(&world.bob);
    free(memory);
    return 0;
}
