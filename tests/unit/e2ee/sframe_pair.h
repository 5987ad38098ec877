/* Two members of a group for tests: Alice seals, Bob opens. */
#ifndef CONCLAVE_TESTS_SFRAME_PAIR_H
#define CONCLAVE_TESTS_SFRAME_PAIR_H

#include "e2ee/sframe_native.h"

#define PAIR_SUITE SFRAME_AES_256_GCM_SHA512_128
#define PAIR_KEYS 40
#define PAIR_ROOM 10000
#define ALICE 7
#define BOB 300

struct pair {
    struct sframe_sender alice;
    struct sframe_receiver bob;
    void *memory; /* Bob's */
    size_t memory_len;
    uint8_t sealed[PAIR_ROOM];
    size_t sealed_len;
    uint8_t opened[PAIR_ROOM];
    size_t opened_len;
};

/* A base key for each epoch, in static memory until the next call. */
struct sframe_epoch_key pair_epoch_key(uint64_t epoch, uint32_t leaf, uint64_t switch_by_us);
void pair_init_with(struct pair *p, uint16_t suite, const struct sframe_cipher *cipher, uint32_t keys_max);
/* Natively, with epoch 1 in use. */
void pair_init(struct pair *p);
/* At both of them. */
void pair_install(struct pair *p, uint64_t epoch, uint64_t switch_by_us, uint64_t now_us);
void pair_end(struct pair *p);

#endif
