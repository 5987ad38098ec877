#include "base/assert.h"
#include "base/rng.h"
#include "sframe_pair.h"
#include "unit.h"

static const struct span no_metadata = {0};

static enum sframe_status seal_at(struct pair *p, uint32_t context, const char *text, uint64_t now_us) {
    return sframe_seal(&p->alice, context, span_str("meta"), span_str(text), now_us, p->sealed, &p->sealed_len);
}

static enum sframe_status open_at(struct pair *p, uint64_t now_us) {
    return sframe_open(&p->bob, ALICE, span_str("meta"), span_of(p->sealed, p->sealed_len), now_us, p->opened,
                       &p->opened_len);
}

static void passes(struct pair *p, const char *text, uint64_t now_us) {
    assert_int_equal(seal_at(p, 0, text, now_us), SFRAME_OK);
    assert_int_equal(open_at(p, now_us), SFRAME_OK);
    assert_int_equal(p->opened_len, strlen(text));
    assert_memory_equal(p->opened, text, p->opened_len);
}

/* A ciphertext with any header and rubbish behind it. */
static void forge(struct pair *p, uint64_t kid, uint64_t ctr) {
    struct writer w = writer_of(p->sealed, sizeof p->sealed);
    sframe_header_write(&w, &(struct sframe_header){.kid = kid, .ctr = ctr});
    wr_zeros(&w, 40);
    p->sealed_len = w.len;
}

/* ---- Replay and the table of keys -------------------------------------------------------------------------------- */

static void a_frame_opens_once_in_any_order(void **state) {
    (void)state;
    enum { FRAMES = 900 };
    struct pair p;
    pair_init(&p);
    static uint8_t sealed[FRAMES][600];
    static size_t len[FRAMES], order[FRAMES];
    struct rng rng = rng_seeded(4);
    for (size_t i = 0; i < FRAMES; i++) {
        assert_int_equal(seal_at(&p, 0, "frame", 1), SFRAME_OK);
        memcpy(sealed[i], p.sealed, p.sealed_len);
        len[i] = p.sealed_len;
        order[i] = i;
    }
    for (size_t i = FRAMES - 1; i > 0; i--) {
        size_t other = rng_below(&rng, i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < FRAMES; i++) {
            struct span frame = span_of(sealed[order[i]], len[order[i]]);
            assert_int_equal(sframe_open(&p.bob, ALICE, span_str("meta"), frame, 1, p.opened, &p.opened_len),
                             round == 0 ? SFRAME_OK : SFRAME_REPLAYED);
        }
    }
    assert_int_equal(p.bob.counts.of[SFRAME_REPLAYED], FRAMES);
    pair_end(&p);
}

static void an_epoch_that_is_withdrawn_leaves_no_key_and_its_number_to_another(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    passes(&p, "first", 1);
    pair_install(&p, 2, TIME_NEVER, 1);
    uint8_t secret[64];
    memcpy(secret, p.bob.epochs.slots[1].secret.bytes, 32);
    sframe_sender_withdraw(&p.alice, 1); /* in use: stays */
    sframe_receiver_withdraw(&p.bob, 1);
    passes(&p, "still", 2);
    sframe_sender_withdraw(&p.alice, 2);
    sframe_receiver_withdraw(&p.bob, 2);
    for (int i = 0; i < SFRAME_EPOCHS_MAX; i++) {
        assert_memory_not_equal(p.alice.epochs.slots[i].secret.bytes, secret, 32);
        assert_memory_not_equal(p.bob.epochs.slots[i].secret.bytes, secret, 32);
    }
    passes(&p, "under the former", 3);
    /* another commit starts that epoch, with another key */
    struct sframe_epoch_key key = pair_epoch_key(99, ALICE, TIME_NEVER);
    key.epoch = 2;
    assert_int_equal(sframe_sender_install(&p.alice, &key, 3), SFRAME_OK);
    key.leaf = BOB;
    assert_int_equal(sframe_receiver_install(&p.bob, &key, 3), SFRAME_OK);
    sframe_sender_switch(&p.alice, 2, 4);
    sframe_receiver_switch(&p.bob, 2, 4);
    passes(&p, "under the new one", 5);
    pair_end(&p);
}

static void a_frame_behind_the_window_is_refused(void **state) {
    (void)state;
    struct pair p;
    uint8_t first[2][600];
    size_t len[2];
    pair_init(&p);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(seal_at(&p, 0, "old", 1), SFRAME_OK);
        memcpy(first[i], p.sealed, p.sealed_len);
        len[i] = p.sealed_len;
    }
    for (int i = 0; i < REPLAY_WINDOW_LEN - 1; i++)
        passes(&p, "new", 1);
    assert_int_equal(
        sframe_open(&p.bob, ALICE, span_str("meta"), span_of(first[0], len[0]), 1, p.opened, &p.opened_len),
        SFRAME_TOO_OLD);
    assert_int_equal(
        sframe_open(&p.bob, ALICE, span_str("meta"), span_of(first[1], len[1]), 1, p.opened, &p.opened_len), SFRAME_OK);
    pair_end(&p);
}

static void a_frame_that_is_not_authentic_moves_no_window(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    passes(&p, "before", 1);
    assert_int_equal(seal_at(&p, 0, "hello", 1), SFRAME_OK);
    uint8_t kept[600];
    size_t kept_len = p.sealed_len;
    memcpy(kept, p.sealed, kept_len);
    forge(&p, sframe_kid(0, ALICE, 1), 1 << 20);
    assert_int_equal(open_at(&p, 1), SFRAME_NOT_AUTHENTIC);
    memcpy(p.sealed, kept, kept_len);
    p.sealed_len = kept_len;
    p.sealed[kept_len - 1] ^= 1;
    assert_int_equal(open_at(&p, 1), SFRAME_NOT_AUTHENTIC);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(p.opened[i], 0); /* nothing of the plaintext */
    p.sealed[kept_len - 1] ^= 1;
    assert_int_equal(open_at(&p, 1), SFRAME_OK);
    pair_end(&p);
}

static void frames_count_only_for_the_member_whose_stream_they_came_on(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    assert_int_equal(seal_at(&p, 0, "hello", 1), SFRAME_OK);
    struct span sealed = span_of(p.sealed, p.sealed_len);
    for (uint32_t leaf = 0; leaf < 400; leaf++) {
        if (leaf != ALICE)
            assert_int_equal(sframe_open(&p.bob, leaf, span_str("meta"), sealed, 1, p.opened, &p.opened_len),
                             SFRAME_WRONG_SENDER);
    }
    assert_int_equal(sframe_receiver_keys(&p.bob), 0);
    assert_int_equal(open_at(&p, 1), SFRAME_OK);
    pair_end(&p);
}

static void our_own_frames_are_refused(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    forge(&p, sframe_kid(0, BOB, 1), 0);
    assert_int_equal(sframe_open(&p.bob, BOB, no_metadata, span_of(p.sealed, p.sealed_len), 1, p.opened, &p.opened_len),
                     SFRAME_OWN_KEY);
    pair_end(&p);
}

static void contexts_that_cannot_be_are_refused(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    uint64_t kid = sframe_kid(0, ALICE, 1);
    static const uint64_t contexts[] = {SFRAME_CONTEXTS_MAX, 255, 256, UINT64_MAX >> 24};
    for (size_t i = 0; i < ARRAY_LEN(contexts); i++) {
        forge(&p, kid | contexts[i] << 24, 0);
        assert_int_equal(open_at(&p, 1), SFRAME_BAD_CONTEXT);
    }
    forge(&p, kid | (uint64_t)(SFRAME_CONTEXTS_MAX - 1) << 24, 0);
    assert_int_equal(open_at(&p, 1), SFRAME_NOT_AUTHENTIC);
    pair_end(&p);
}

static void ciphertexts_that_end_too_early_are_refused(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    assert_int_equal(seal_at(&p, 0, "", 1), SFRAME_OK);
    size_t len = p.sealed_len;
    for (p.sealed_len = 0; p.sealed_len < len; p.sealed_len++)
        assert_int_equal(open_at(&p, 1), SFRAME_TRUNCATED);
    assert_int_equal(open_at(&p, 1), SFRAME_OK);
    pair_end(&p);
}

/* An attacker between the members makes up KIDs; Alice's key and window stay. */
static void made_up_key_ids_push_out_nobody(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    passes(&p, "hello", 1);
    uint8_t replay[600];
    size_t replay_len = p.sealed_len;
    memcpy(replay, p.sealed, replay_len);
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t leaf = 1000 + i / 8;
        forge(&p, sframe_kid(i % 8, leaf, 1), i);
        assert_int_equal(
            sframe_open(&p.bob, leaf, no_metadata, span_of(p.sealed, p.sealed_len), 1, p.opened, &p.opened_len),
            SFRAME_NOT_AUTHENTIC);
        assert_true(sframe_receiver_keys(&p.bob) <= PAIR_KEYS);
    }
    assert_int_equal(
        sframe_open(&p.bob, ALICE, span_str("meta"), span_of(replay, replay_len), 1, p.opened, &p.opened_len),
        SFRAME_REPLAYED);
    passes(&p, "still here", 1);
    pair_end(&p);
}

static void unproven_keys_are_few_however_large_the_table(void **state) {
    (void)state;
    struct pair p;
    pair_init_with(&p, PAIR_SUITE, &sframe_native, 1000);
    pair_install(&p, 1, 0, 1);
    for (uint32_t leaf = 1000; leaf < 3000; leaf++) {
        forge(&p, sframe_kid(0, leaf, 1), 0);
        assert_int_equal(
            sframe_open(&p.bob, leaf, no_metadata, span_of(p.sealed, p.sealed_len), 1, p.opened, &p.opened_len),
            SFRAME_NOT_AUTHENTIC);
    }
    assert_int_equal(sframe_receiver_keys(&p.bob), SFRAME_UNPROVEN_MAX);
    pair_end(&p);
}

static void a_table_full_of_proven_keys_refuses_until_an_epoch_ends(void **state) {
    (void)state;
    struct pair p;
    pair_init_with(&p, PAIR_SUITE, &sframe_native, 3);
    pair_install(&p, 1, 0, 1);
    for (uint32_t context = 0; context < 5; context++) {
        assert_int_equal(seal_at(&p, context, "hello", 1), SFRAME_OK);
        assert_int_equal(open_at(&p, 1), context < 3 ? SFRAME_OK : SFRAME_KEYS_FULL);
    }
    assert_int_equal(p.bob.counts.of[SFRAME_KEYS_FULL], 2);
    pair_install(&p, 2, 100, 50);
    assert_int_equal(seal_at(&p, 4, "hello", 100), SFRAME_OK);
    assert_int_equal(open_at(&p, 100), SFRAME_KEYS_FULL);
    assert_int_equal(open_at(&p, 100 + SFRAME_LATE_US), SFRAME_OK);
    assert_int_equal(sframe_receiver_keys(&p.bob), 1);
    pair_end(&p);
}

/* ---- The host's way ---------------------------------------------------------------------------------------------- */

static void host_seal(struct pair *p, uint32_t context, const char *text) {
    struct sframe_seal seal;
    assert_int_equal(sframe_seal_begin(&p->alice, context, 1, &seal), SFRAME_OK);
    memcpy(p->sealed, seal.header, seal.header_len);
    assert_int_equal(crypto_openssl.aead_seal(AEAD_AES_256_GCM, sframe_key_raw(seal.key), seal.nonce,
                                              span_of(seal.header, seal.header_len), span_str(text),
                                              p->sealed + seal.header_len),
                     CRYPTO_OK);
    p->sealed_len = seal.header_len + strlen(text) + AEAD_TAG_LEN;
}

static bool host_decrypts(struct pair *p, const struct sframe_open *open) {
    return crypto_openssl.aead_open(
               AEAD_AES_256_GCM, sframe_key_raw(open->key), open->nonce, span_of(p->sealed, open->header_len),
               span_of(p->sealed + open->header_len, p->sealed_len - open->header_len), p->opened) == CRYPTO_OK;
}

static void what_a_host_seals_opens_natively_and_the_reverse(void **state) {
    (void)state;
    struct pair host, native;
    struct sframe_open open;
    pair_init_with(&host, PAIR_SUITE, NULL, PAIR_KEYS);
    pair_install(&host, 1, 0, 1);
    pair_init(&native);
    host_seal(&host, 0, "from the host");
    assert_int_equal(sframe_open(&native.bob, ALICE, no_metadata, span_of(host.sealed, host.sealed_len), 1,
                                 native.opened, &native.opened_len),
                     SFRAME_OK);
    assert_memory_equal(native.opened, "from the host", 13);
    assert_int_equal(
        sframe_seal(&native.alice, 1, no_metadata, span_str("to the host"), 1, host.sealed, &host.sealed_len),
        SFRAME_OK);
    assert_int_equal(sframe_open_begin(&host.bob, ALICE, span_of(host.sealed, host.sealed_len), 1, &open), SFRAME_OK);
    assert_true(host_decrypts(&host, &open));
    assert_int_equal(sframe_open_commit(&host.bob, &open), SFRAME_OK);
    assert_memory_equal(host.opened, "to the host", 11);
    pair_end(&host);
    pair_end(&native);
}

static void of_two_copies_on_their_way_one_counts(void **state) {
    (void)state;
    struct pair p;
    struct sframe_open first, second;
    pair_init_with(&p, PAIR_SUITE, NULL, PAIR_KEYS);
    pair_install(&p, 1, 0, 1);
    host_seal(&p, 0, "hello");
    struct span sealed = span_of(p.sealed, p.sealed_len);
    assert_int_equal(sframe_open_begin(&p.bob, ALICE, sealed, 1, &first), SFRAME_OK);
    assert_int_equal(sframe_open_begin(&p.bob, ALICE, sealed, 1, &second), SFRAME_OK);
    assert_int_equal(first.key_handle, second.key_handle);
    assert_int_equal(sframe_open_commit(&p.bob, &second), SFRAME_OK);
    assert_int_equal(sframe_open_commit(&p.bob, &first), SFRAME_REPLAYED);
    assert_int_equal(sframe_open_begin(&p.bob, ALICE, sealed, 1, &first), SFRAME_REPLAYED);
    pair_end(&p);
}

static void a_commit_after_the_key_s_end_is_refused(void **state) {
    (void)state;
    struct pair p;
    struct sframe_open open, newer;
    pair_init_with(&p, PAIR_SUITE, NULL, PAIR_KEYS);
    pair_install(&p, 1, 0, 1);
    host_seal(&p, 0, "hello");
    assert_int_equal(sframe_open_begin(&p.bob, ALICE, span_of(p.sealed, p.sealed_len), 1, &open), SFRAME_OK);
    pair_install(&p, 2, 0, 1);
    host_seal(&p, 0, "hello");
    sframe_receiver_step(&p.bob, 1 + SFRAME_LATE_US); /* the place is free, and then somebody else's */
    assert_int_equal(sframe_open_commit(&p.bob, &open), SFRAME_KEY_GONE);
    assert_int_equal(sframe_open_begin(&p.bob, ALICE, span_of(p.sealed, p.sealed_len), 1 + SFRAME_LATE_US, &newer),
                     SFRAME_OK);
    assert_int_equal(sframe_open_commit(&p.bob, &open), SFRAME_KEY_GONE);
    assert_int_equal(sframe_open_commit(&p.bob, &newer), SFRAME_OK);
    pair_end(&p);
}

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

static int hmacs_left; /* before memory runs out */
static int keys_left;

static enum crypto_status short_hmac(enum hash_algorithm algorithm, struct span key, const struct span *parts,
                                     size_t count, uint8_t *out) {
    return hmacs_left-- > 0 ? crypto_openssl.hmac(algorithm, key, parts, count, out) : CRYPTO_NO_MEMORY;
}

static bool short_key_make(struct sframe_key *key, enum aead_direction direction) {
    return keys_left-- > 0 && sframe_native.key_make(key, direction);
}

static void short_memory_changes_nothing(void **state) {
    (void)state;
    struct crypto_backend crypto = crypto_openssl;
    crypto.hmac = short_hmac;
    struct sframe_cipher cipher = sframe_native;
    cipher.key_make = short_key_make;
    struct pair p;
    pair_init_with(&p, PAIR_SUITE, &cipher, PAIR_KEYS);
    p.alice.epochs.crypto = p.bob.epochs.crypto = &crypto;
    struct sframe_epoch_key alice = pair_epoch_key(1, ALICE, 0), bob = pair_epoch_key(1, BOB, 0);
    hmacs_left = 0;
    assert_int_equal(sframe_sender_install(&p.alice, &alice, 1), SFRAME_NO_MEMORY);
    assert_int_equal(sframe_receiver_install(&p.bob, &bob, 1), SFRAME_NO_MEMORY);
    assert_int_equal(seal_at(&p, 0, "hello", 1), SFRAME_NO_EPOCH);
    hmacs_left = 2;
    assert_int_equal(sframe_sender_install(&p.alice, &alice, 1), SFRAME_OK);
    assert_int_equal(sframe_receiver_install(&p.bob, &bob, 1), SFRAME_OK);
    for (int lack = 0; lack < 2; lack++) { /* the key's HMAC, the salt's */
        hmacs_left = lack;
        assert_int_equal(seal_at(&p, 0, "hello", 1), SFRAME_NO_MEMORY);
    }
    hmacs_left = 1000;
    keys_left = 0;
    assert_int_equal(seal_at(&p, 0, "hello", 1), SFRAME_NO_MEMORY);
    keys_left = 1;
    assert_int_equal(seal_at(&p, 0, "hello", 1), SFRAME_OK);
    assert_int_equal(p.sealed[0] & 15, 0); /* counter 0 was not used up */
    assert_int_equal(open_at(&p, 1), SFRAME_NO_MEMORY);
    assert_int_equal(sframe_receiver_keys(&p.bob), 0);
    keys_left = 1;
    assert_int_equal(open_at(&p, 1), SFRAME_OK);
    pair_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_opens_once_in_any_order),
        cmocka_unit_test(an_epoch_that_is_withdrawn_leaves_no_key_and_its_number_to_another),
        cmocka_unit_test(a_frame_behind_the_window_is_refused),
        cmocka_unit_test(a_frame_that_is_not_authentic_moves_no_window),
        cmocka_unit_test(frames_count_only_for_the_member_whose_stream_they_came_on),
        cmocka_unit_test(our_own_frames_are_refused),
        cmocka_unit_test(contexts_that_cannot_be_are_refused),
        cmocka_unit_test(ciphertexts_that_end_too_early_are_refused),
        cmocka_unit_test(made_up_key_ids_push_out_nobody),
        cmocka_unit_test(unproven_keys_are_few_however_large_the_table),
        cmocka_unit_test(a_table_full_of_proven_keys_refuses_until_an_epoch_ends),
        cmocka_unit_test(what_a_host_seals_opens_natively_and_the_reverse),
        cmocka_unit_test(of_two_copies_on_their_way_one_counts),
        cmocka_unit_test(a_commit_after_the_key_s_end_is_refused),
        cmocka_unit_test(short_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
