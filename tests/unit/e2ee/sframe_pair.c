#include "sframe_pair.h"

#include <stdlib.h>

#include "base/rng.h"
#include "unit.h"

struct sframe_epoch_key pair_epoch_key(uint64_t epoch, uint32_t leaf, uint64_t switch_by_us) {
    static uint8_t bytes[32];
    memset(bytes, 0xb0, sizeof bytes);
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(epoch >> (8 * i));
    return (struct sframe_epoch_key){
        .epoch = epoch, .leaf = leaf, .base_key = span_of(bytes, sizeof bytes), .switch_by_us = switch_by_us};
}

void pair_init_with(struct pair *p, uint16_t suite, const struct sframe_cipher *cipher, uint32_t keys_max) {
    struct rng rng = rng_seeded(1);
    memset(p, 0, sizeof *p);
    p->memory_len = sframe_receiver_size(keys_max);
    p->memory = malloc(p->memory_len);
    assert_non_null(p->memory);
    sframe_sender_init(&p->alice, &crypto_openssl, suite, cipher);
    sframe_receiver_init(&p->bob, p->memory, keys_max, &crypto_openssl, suite, cipher, &rng);
}

void pair_install(struct pair *p, uint64_t epoch, uint64_t switch_by_us, uint64_t now_us) {
    struct sframe_epoch_key alice = pair_epoch_key(epoch, ALICE, switch_by_us);
    struct sframe_epoch_key bob = pair_epoch_key(epoch, BOB, switch_by_us);
    assert_int_equal(sframe_sender_install(&p->alice, &alice, now_us), SFRAME_OK);
    assert_int_equal(sframe_receiver_install(&p->bob, &bob, now_us), SFRAME_OK);
}

void pair_init(struct pair *p) {
    pair_init_with(p, PAIR_SUITE, &sframe_native, PAIR_KEYS);
    pair_install(p, 1, 0, 1);
}

void pair_end(struct pair *p) {
    sframe_sender_end(&p->alice);
    sframe_receiver_end(&p->bob);
    free(p->memory);
}
