/* What SFrame costs a frame of 1200 bytes over the AEAD alone, natively, suite 5 (AES-256-GCM): side by side, in turns
 * of a few frames each, medians over all turns. And what a key weighs. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/rng.h"
#include "e2ee/frame_native.h"

#define TEXT_BYTES 1200
#define FRAME_ROOM (TEXT_BYTES + 100)
#define BATCH 64 /* frames a turn */
#define TURNS 401
#define ROOM 4096
#define ALICE 7
#define BOB 300
#define KEYS 512

static struct sframe_sender alice;
static struct sframe_receiver bob;
static struct aead_key bare_seal, bare_open;
static uint8_t frame[FRAME_ROOM], sealed[BATCH][ROOM], opened[ROOM];
static size_t sealed_len[BATCH];

static double now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void run_bare(bool opening) {
    static const uint8_t aad[10];
    uint8_t nonce[AEAD_NONCE_LEN] = {0};
    for (size_t i = 0; i < BATCH; i++) {
        nonce[0] = (uint8_t)i;
        struct aead_job job = {.key = opening ? &bare_open : &bare_seal,
                               .nonce = nonce,
                               .aad = aad,
                               .aad_len = sizeof aad,
                               .in = opening ? sealed[i] : frame,
                               .len = opening ? TEXT_BYTES + AEAD_TAG_LEN : TEXT_BYTES,
                               .out = opening ? opened : sealed[i]};
        if (opening)
            (void)aead_open(&job, 1);
        else
            aead_seal(&job, 1);
        ASSERT(job.ok);
    }
}

static void run_sframe(bool opening) {
    for (size_t i = 0; i < BATCH; i++) {
        size_t len;
        enum sframe_status status =
            opening ? sframe_open(&bob, ALICE, span_str("m"), span_of(sealed[i], sealed_len[i]), 1, opened, &len)
                    : sframe_seal(&alice, 0, span_str("m"), span_of(frame, TEXT_BYTES), 1, sealed[i], &sealed_len[i]);
        ASSERT(status == SFRAME_OK);
    }
}

static void run_frames(enum frame_codec codec, bool opening) {
    struct frame_info info = {.codec = codec, .kind = FRAME_KIND_VIDEO};
    uint8_t clear_bytes[100];
    struct writer w = writer_of(clear_bytes, sizeof clear_bytes);
    struct frame_clear clear;
    ASSERT(frame_clear_find(codec, span_of(frame, FRAME_ROOM), &w, &clear) == SFRAME_OK);
    struct span bytes = span_of(frame, clear.source_len + TEXT_BYTES);
    for (size_t i = 0; i < BATCH; i++) {
        size_t len;
        enum sframe_status status =
            opening ? frame_open(&bob, ALICE, &info, span_of(sealed[i], sealed_len[i]), 1, opened, ROOM, &len)
                    : frame_seal(&alice, 0, &info, bytes, 1, sealed[i], ROOM, &sealed_len[i]);
        ASSERT(status == SFRAME_OK);
    }
}

static const struct {
    const char *name;
    int codec; /* -1: the AEAD alone, -2: an SFrame ciphertext */
    size_t start_len;
    uint8_t start[24]; /* how its frames begin */
} variants[] = {
    {"AES-256-GCM alone", -1, 0, {0}},
    {"SFrame ciphertext", -2, 0, {0}},
    {"Opus", FRAME_CODEC_OPUS, 0, {0}},
    {"VP8, delta frame", FRAME_CODEC_VP8, 1, {1}},
    {"VP8, key frame", FRAME_CODEC_VP8, 1, {0}},
    {"VP9", FRAME_CODEC_VP9, 0, {0}},
    {"AV1", FRAME_CODEC_AV1, 0, {0}},
    {"H.264, delta frame", FRAME_CODEC_H264, 6, {0, 0, 0, 1, 0x41, 0x9a}},
    {"H.264, key frame", FRAME_CODEC_H264, 20, {0, 0, 0,    1,    0x67, 0x42, 0xc0, 0x1f, 0,    0,
                                                0, 1, 0x68, 0xce, 0,    0,    0,    1,    0x65, 0xb8}},
};
#define VARIANTS ARRAY_LEN(variants)

static double turn_ns(size_t variant, bool opening) {
    memcpy(frame, variants[variant].start, variants[variant].start_len);
    double start = now_ns();
    if (variants[variant].codec == -1)
        run_bare(opening);
    else if (variants[variant].codec == -2)
        run_sframe(opening);
    else
        run_frames((enum frame_codec)variants[variant].codec, opening);
    return (now_ns() - start) / BATCH;
}

static int compare(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right ? 1 : 0;
}

static double median(double *values) {
    qsort(values, TURNS, sizeof *values, compare);
    return values[TURNS / 2];
}

static void setup(void *memory) {
    struct rng rng = rng_seeded(1);
    uint8_t base_key[32];
    rng_fill(&rng, base_key, sizeof base_key);
    rng_fill(&rng, frame, sizeof frame);
    ASSERT(aead_key_init(&bare_seal, &aead_openssl, AEAD_AES_256_GCM, AEAD_SEAL, base_key));
    ASSERT(aead_key_init(&bare_open, &aead_openssl, AEAD_AES_256_GCM, AEAD_OPEN, base_key));
    sframe_sender_init(&alice, &crypto_openssl, SFRAME_AES_256_GCM_SHA512_128, &sframe_native);
    sframe_receiver_init(&bob, memory, KEYS, &crypto_openssl, SFRAME_AES_256_GCM_SHA512_128, &sframe_native, &rng);
    struct sframe_epoch_key key = {.epoch = 1, .leaf = ALICE, .base_key = span_of(base_key, sizeof base_key)};
    ASSERT(sframe_sender_install(&alice, &key, 1) == SFRAME_OK);
    key.leaf = BOB;
    ASSERT(sframe_receiver_install(&bob, &key, 1) == SFRAME_OK);
}

/* A key as an unproven newcomer makes it: derivation, cipher object, place. */
static void measure_keys(void) {
    uint8_t made_up[40] = {0};
    size_t before = mallinfo2().uordblks, len;
    double start = now_ns();
    for (uint32_t leaf = 0; leaf < 200; leaf++) {
        struct writer w = writer_of(made_up, sizeof made_up);
        sframe_header_write(&w, &(struct sframe_header){.kid = sframe_kid(1, 1000 + leaf, 1), .ctr = 0});
        ASSERT(sframe_open(&bob, 1000 + leaf, span_str(""), span_of(made_up, sizeof made_up), 1, opened, &len) ==
               SFRAME_NOT_AUTHENTIC);
    }
    printf("first frame of a stream in an epoch: %.1f us; a receiver's key: %zu bytes of table, %zu of cipher\n",
           (now_ns() - start) / 200 / 1000, sframe_receiver_size(KEYS) / KEYS, (mallinfo2().uordblks - before) / 200);
}

int main(void) {
    static double seal_ns[VARIANTS][TURNS], open_ns[VARIANTS][TURNS];
    void *memory = malloc(sframe_receiver_size(KEYS));
    ASSERT(memory != NULL);
    setup(memory);
    for (size_t turn = 0; turn < TURNS; turn++) {
        for (size_t i = 0; i < VARIANTS; i++) {
            seal_ns[i][turn] = turn_ns(i, false);
            open_ns[i][turn] = turn_ns(i, true);
        }
    }
    printf("%d bytes encrypted a frame, medians of %d turns of %d frames\n", TEXT_BYTES, TURNS, BATCH);
    printf("%-20s %10s %10s %12s %12s\n", "", "seal ns", "open ns", "both ns", "over alone");
    double alone = 0;
    for (size_t i = 0; i < VARIANTS; i++) {
        double seal = median(seal_ns[i]), open = median(open_ns[i]);
        alone = i == 0 ? seal + open : alone;
        printf("%-20s %10.0f %10.0f %12.0f %11.1f%%\n", variants[i].name, seal, open, seal + open,
               ((seal + open) / alone - 1) * 100);
    }
    measure_keys();
    sframe_sender_end(&alice);
    sframe_receiver_end(&bob);
    aead_key_end(&bare_seal);
    aead_key_end(&bare_open);
    free(memory);
    return 0;
}
