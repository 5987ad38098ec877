/* Frames: any bytes as a frame of any codec are refused, or sealed and opened as they were; any bytes as a sealed frame
 * do no harm, and only the sealed bytes open.
 *
 * Input: codec and ways, kind and type, KID's leaf, then the bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "e2ee/frame_native.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALICE 7
#define BOB 9
#define KEYS 6
#define BYTES_MAX (64u << 10)

struct world {
    struct sframe_sender alice;
    struct sframe_receiver bob;
    void *memory;
};

static void world_init(struct world *world, const struct sframe_cipher *cipher) {
    struct rng rng = rng_seeded(1);
    uint8_t base_key[32] = {1};
    world->memory = malloc(sframe_receiver_size(KEYS));
    ASSERT(world->memory != NULL);
    sframe_sender_init(&world->alice, &crypto_openssl, SFRAME_AES_256_GCM_SHA512_128, cipher);
    sframe_receiver_init(&world->bob, world->memory, KEYS, &crypto_openssl, SFRAME_AES_256_GCM_SHA512_128, cipher,
                         &rng);
    struct sframe_epoch_key key = {.epoch = 1, .leaf = ALICE, .base_key = span_of(base_key, sizeof base_key)};
    ASSERT(sframe_sender_install(&world->alice, &key, 1) == SFRAME_OK);
    key.leaf = BOB;
    ASSERT(sframe_receiver_install(&world->bob, &key, 1) == SFRAME_OK);
}

static void world_end(struct world *world) {
    sframe_sender_end(&world->alice);
    sframe_receiver_end(&world->bob);
    free(world->memory);
}

static void open_changed(struct world *world, const struct frame_info *info, uint8_t *sealed, size_t len, uint8_t *out,
                         size_t room) {
    size_t opened_len;
    for (size_t at = len % 7; at < len; at += 1 + len / 8) {
        uint8_t kept = sealed[at];
        sealed[at] ^= (uint8_t)(1 + at % 255);
        ASSERT(frame_open(&world->bob, ALICE, info, span_of(sealed, len), 1, out, room, &opened_len) != SFRAME_OK);
        sealed[at] = kept;
    }
}

/* Seals and opens; answers the length of what came out, 0 when sealing was refused. */
static size_t there_and_back(struct world *world, const struct frame_info *info, struct span frame, uint8_t *out,
                             size_t room) {
    size_t sealed_room = frame_sealed_len_max(info->codec, frame.len), len, opened_len;
    uint8_t *sealed = malloc(sealed_room);
    ASSERT(sealed != NULL && sealed_room <= room);
    enum sframe_status status = frame_seal(&world->alice, 0, info, frame, 1, sealed, sealed_room, &len);
    if (status != SFRAME_OK) {
        free(sealed);
        ASSERT(status == SFRAME_EMPTY || status == SFRAME_BAD_FRAME || status == SFRAME_CLEAR_TOO_LONG);
        return 0;
    }
    ASSERT(len <= sealed_room);
    open_changed(world, info, sealed, len, out, room);
    ASSERT(frame_open(&world->bob, ALICE, info, span_of(sealed, len), 1, out, len, &opened_len) == SFRAME_OK);
    free(sealed);
    return opened_len;
}

static void seal_any(const struct frame_info *info, struct span frame) {
    struct world world;
    world_init(&world, &sframe_native);
    size_t room = frame_sealed_len_max(info->codec, frame.len + BYTES_MAX);
    uint8_t *first = malloc(room), *second = malloc(room), clear_bytes[FRAME_CLEAR_LEN_MAX];
    ASSERT(first != NULL && second != NULL);
    size_t len = there_and_back(&world, info, frame, first, room);
    struct frame_clear clear;
    struct writer w = writer_of(clear_bytes, sizeof clear_bytes);
    ASSERT((frame_clear_find(info->codec, frame, &w, &clear) == SFRAME_OK && frame.len > 0) == (len > 0));
    if (len > 0) {
        /* what was encrypted is unchanged; what was clear is in its normal form, and that stays as it is */
        ASSERT(info->codec == FRAME_CODEC_H264 || clear.len == clear.source_len);
        ASSERT(len == frame.len - clear.source_len + clear.len && memcmp(first, clear_bytes, clear.len) == 0);
        ASSERT(memcmp(first + clear.len, frame.data + clear.source_len, len - clear.len) == 0);
        ASSERT(there_and_back(&world, info, span_of(first, len), second, room) == len);
        ASSERT(memcmp(first, second, len) == 0);
    }
    free(first);
    free(second);
    world_end(&world);
}

/* As a host would: whatever passes the first step has a place for text that fits, and is told authentic. */
static void open_any(const struct frame_info *info, uint32_t leaf, struct span sealed) {
    struct world world;
    static struct frame_open open;
    world_init(&world, NULL);
    size_t room = sealed.len + 1, len;
    uint8_t *out = malloc(room);
    ASSERT(out != NULL);
    enum sframe_status status = frame_open_begin(&world.bob, leaf, info, sealed, 1, out, room, &open);
    if (status == SFRAME_OK) {
        ASSERT(open.sealed.len == open.text_len + AEAD_TAG_LEN && open.aad.len <= FRAME_AAD_LEN_MAX);
        ASSERT(open.text + open.text_len <= out + room);
        memset(open.text, 0x55, open.text_len);
        ASSERT(frame_open_finish(&world.bob, &open, true, &len) == SFRAME_OK && len <= room);
        ASSERT(frame_open_begin(&world.bob, leaf, info, sealed, 1, out, room, &open) == SFRAME_REPLAYED);
    }
    world_end(&world);
    world_init(&world, &sframe_native);
    ASSERT(frame_open(&world.bob, leaf, info, sealed, 1, out, room, &len) != SFRAME_OK);
    world_end(&world);
    free(out);
}

static void unescape_any(struct span bytes) {
    size_t before_len = bytes.len < 3 ? bytes.len : 3, len;
    struct span before = span_of(bytes.data, before_len);
    struct span rest = span_of(bytes.data + before_len, bytes.len - before_len);
    uint8_t *plain = malloc(frame_escaped_len_max(rest.len));
    ASSERT(plain != NULL);
    struct span unescaped = rest;
    if (frame_unescape(before, &unescaped, plain)) {
        len = unescaped.len;
        ASSERT(len <= rest.len && (unescaped.data == plain || len == rest.len));
        if (len > 0 && unescaped.data != plain)
            memcpy(plain, unescaped.data, len);
        ASSERT(frame_escape(before, plain, len) == rest.len);
        ASSERT(rest.len == 0 || memcmp(plain, rest.data, rest.len) == 0);
    }
    free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(data, size);
    uint8_t first = rd_u8(&r), second = rd_u8(&r);
    uint32_t leaf = rd_u8(&r);
    struct frame_info info = {.codec = (enum frame_codec)(first % FRAME_CODEC_COUNT),
                              .kind = (enum frame_kind)(second % 5),
                              .type = (enum frame_type)(second / 5 % 3)};
    struct span bytes = rd_rest(&r);
    if (!reader_ok(&r) || bytes.len > BYTES_MAX)
        return 0;
    switch (first / FRAME_CODEC_COUNT % 3) {
    case 0:
        seal_any(&info, bytes);
        break;
    case 1:
        open_any(&info, leaf, bytes);
        break;
    default:
        unescape_any(bytes);
    }
    return 0;
}
