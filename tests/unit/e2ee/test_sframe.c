#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

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

static bool holds(const void *memory, size_t len, const void *secret, size_t secret_len) {
    return memmem(memory, len, secret, secret_len) != NULL;
}

/* ---- Header, key id, schedule ------------------------------------------------------------------------------------ */

static void headers_of_every_length_read_as_they_were_written(void **state) {
    (void)state;
    struct rng rng = rng_seeded(2);
    for (int round = 0; round < 20000; round++) {
        struct sframe_header header = {.kid = rng_u64(&rng) >> rng_below(&rng, 64),
                                       .ctr = rng_u64(&rng) >> rng_below(&rng, 64)};
        struct sframe_header again;
        uint8_t bytes[SFRAME_HEADER_LEN_MAX];
        struct writer w = writer_of(bytes, sizeof bytes);
        sframe_header_write(&w, &header);
        assert_true(writer_ok(&w));
        assert_int_equal(w.len, sframe_header_len(&header));
        struct reader r = reader_of(bytes, w.len);
        assert_int_equal(sframe_header_read(&r, &again), SFRAME_OK);
        assert_int_equal(reader_left(&r), 0);
        assert_true(again.kid == header.kid && again.ctr == header.ctr);
        for (size_t len = 0; len < w.len; len++) {
            r = reader_of(bytes, len);
            assert_int_equal(sframe_header_read(&r, &again), SFRAME_TRUNCATED);
        }
    }
}

static void a_header_that_could_be_shorter_is_refused(void **state) {
    (void)state;
    static const struct {
        uint8_t bytes[4];
        size_t len;
    } cases[] = {{{0x80, 0x07}, 2},       {{0x08, 0x07}, 2},       {{0x90, 0x00, 0xff}, 3},
                 {{0x09, 0x00, 0xff}, 3}, {{0x90, 0x00, 0x00}, 3}, {{0x88, 0x00, 0x00}, 3}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reader r = reader_of(cases[i].bytes, cases[i].len);
        struct sframe_header header;
        assert_int_equal(sframe_header_read(&r, &header), SFRAME_NOT_MINIMAL);
    }
}

/* Every first byte, with all that can follow in two bytes: what is accepted is what would be written. */
static void only_what_would_be_written_is_accepted(void **state) {
    (void)state;
    for (unsigned config = 0; config < 256; config++) {
        for (unsigned next = 0; next < 65536; next++) {
            uint8_t bytes[SFRAME_HEADER_LEN_MAX] = {(uint8_t)config, (uint8_t)(next >> 8), (uint8_t)next, 1, 1, 1, 1};
            uint8_t again[SFRAME_HEADER_LEN_MAX];
            struct reader r = reader_of(bytes, sizeof bytes);
            struct sframe_header header;
            enum sframe_status status = sframe_header_read(&r, &header);
            if (status != SFRAME_OK) {
                assert_int_equal(status, SFRAME_NOT_MINIMAL);
                continue;
            }
            struct writer w = writer_of(again, sizeof again);
            sframe_header_write(&w, &header);
            assert_int_equal(w.len, sizeof bytes - reader_left(&r));
            assert_memory_equal(again, bytes, w.len);
        }
    }
}

static void a_kid_names_context_leaf_and_epoch(void **state) {
    (void)state;
    assert_true(sframe_kid(0, 0, 0) == 0);
    assert_true(sframe_kid(2, 0x1234, 0x7ff) == 0x021234ff);
    struct sframe_kid kid = sframe_kid_split(sframe_kid(SFRAME_CONTEXTS_MAX - 1, SFRAME_LEAF_MAX, UINT64_MAX));
    assert_int_equal(kid.context, SFRAME_CONTEXTS_MAX - 1);
    assert_int_equal(kid.leaf, SFRAME_LEAF_MAX);
    assert_int_equal(kid.epoch8, 255);
    assert_true(sframe_kid_split(UINT64_MAX).context == UINT64_MAX >> 24);
}

static void every_suite_of_the_registry_seals_and_opens(void **state) {
    (void)state;
    assert_null(sframe_suite(0));
    assert_null(sframe_suite(9));
    for (uint16_t suite = 1; suite <= 8; suite++) {
        struct pair p;
        pair_init_with(&p, suite, &sframe_native, PAIR_KEYS);
        pair_install(&p, 1, 0, 1);
        passes(&p, "hello", 1);
        passes(&p, "", 1);
        assert_int_equal(p.sealed_len, 3 + sframe_suite(suite)->nt); /* config byte, a KID of 2 bytes */
        assert_int_equal(seal_at(&p, 0, "hello", 1), SFRAME_OK);
        p.sealed[p.sealed_len - 1] ^= 1;
        assert_int_equal(open_at(&p, 1), SFRAME_NOT_AUTHENTIC);
        pair_end(&p);
    }
}

static void metadata_is_authenticated(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    assert_int_equal(seal_at(&p, 0, "hello", 1), SFRAME_OK);
    assert_int_equal(
        sframe_open(&p.bob, ALICE, span_str("Meta"), span_of(p.sealed, p.sealed_len), 1, p.opened, &p.opened_len),
        SFRAME_NOT_AUTHENTIC);
    assert_int_equal(
        sframe_open(&p.bob, ALICE, no_metadata, span_of(p.sealed, p.sealed_len), 1, p.opened, &p.opened_len),
        SFRAME_NOT_AUTHENTIC);
    assert_int_equal(open_at(&p, 1), SFRAME_OK);
    pair_end(&p);
}

static void every_changed_byte_is_refused(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    assert_int_equal(seal_at(&p, 3, "some words that nobody may change", 1), SFRAME_OK);
    uint64_t refused = 0;
    for (size_t at = 0; at < p.sealed_len; at++) {
        for (unsigned change = 1; change < 256; change++, refused++) {
            p.sealed[at] ^= (uint8_t)change;
            assert_int_not_equal(open_at(&p, 1), SFRAME_OK);
            p.sealed[at] ^= (uint8_t)change;
        }
    }
    assert_int_equal(open_at(&p, 1), SFRAME_OK);
    for (size_t i = SFRAME_OK + 1; i < SFRAME_STATUS_COUNT; i++)
        refused -= p.bob.counts.of[i];
    assert_int_equal(refused, 0); /* each has a counter */
    assert_int_equal(p.bob.counts.of[SFRAME_OK], 1);
    pair_end(&p);
}

/* ---- Counters ---------------------------------------------------------------------------------------------------- */

static void each_stream_counts_by_itself_and_starts_again_with_an_epoch(void **state) {
    (void)state;
    struct pair p;
    struct sframe_seal seal;
    pair_init(&p);
    uint64_t next[SFRAME_CONTEXTS_MAX] = {0};
    struct rng rng = rng_seeded(3);
    for (int round = 0; round < 5000; round++) {
        uint32_t context = (uint32_t)rng_below(&rng, SFRAME_CONTEXTS_MAX);
        if (round == 2500) {
            pair_install(&p, 2, 0, 1);
            memset(next, 0, sizeof next);
        }
        assert_int_equal(sframe_seal_begin(&p.alice, context, 1, &seal), SFRAME_OK);
        assert_true(seal.ctr == next[context]++);
        assert_true(seal.kid == sframe_kid(context, ALICE, round < 2500 ? 1 : 2));
    }
    assert_int_equal(p.alice.counts.of[SFRAME_OK], 5000);
    pair_end(&p);
}

static void the_last_counter_ends_the_key(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    passes(&p, "first", 1);
    p.alice.streams[0].next_ctr = SFRAME_FRAMES_MAX - 1;
    passes(&p, "last", 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(seal_at(&p, 0, "one more", 1), SFRAME_COUNTER_SPENT);
    assert_int_equal(p.alice.counts.of[SFRAME_COUNTER_SPENT], 3);
    assert_int_equal(seal_at(&p, 1, "another stream", 1), SFRAME_OK);
    pair_install(&p, 2, 0, 1);
    passes(&p, "another epoch", 1);
    pair_end(&p);
}

static void a_counter_beyond_the_last_is_not_opened(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    forge(&p, sframe_kid(0, ALICE, 1), SFRAME_FRAMES_MAX);
    assert_int_equal(open_at(&p, 1), SFRAME_COUNTER_TOO_HIGH);
    forge(&p, sframe_kid(0, ALICE, 1), SFRAME_FRAMES_MAX - 1);
    assert_int_equal(open_at(&p, 1), SFRAME_NOT_AUTHENTIC);
    pair_end(&p);
}

/* What is a mistake of the caller ends the process: tried in a child of ours. */
static bool dies(void (*mistake)(void)) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr);
        mistake();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void install_twice(void) {
    struct pair p;
    pair_init(&p);
    pair_install(&p, 1, 0, 1);
}

static void install_an_older_one(void) {
    struct pair p;
    pair_init(&p);
    pair_install(&p, 5, 0, 1);
    pair_install(&p, 4, 0, 1);
}

static void install_one_key_under_two_numbers(void) {
    struct pair p;
    pair_init(&p);
    struct sframe_epoch_key key = pair_epoch_key(257, ALICE, 0);
    key.base_key = pair_epoch_key(1, ALICE, 0).base_key;
    (void)sframe_sender_install(&p.alice, &key, 1);
}

static void install_a_fresh_one(void) {
    struct pair p;
    pair_init(&p);
    pair_install(&p, 2, 0, 1);
}

static void an_epoch_whose_counters_would_start_again_is_asserted(void **state) {
    (void)state;
    assert_true(dies(install_twice));
    assert_true(dies(install_an_older_one));
    assert_true(dies(install_one_key_under_two_numbers));
    assert_false(dies(install_a_fresh_one));
}

/* ---- Epochs ------------------------------------------------------------------------------------------------------ */

static void nothing_is_sealed_before_an_epoch_is_in_use(void **state) {
    (void)state;
    struct pair p;
    uint64_t epoch;
    pair_init_with(&p, PAIR_SUITE, &sframe_native, PAIR_KEYS);
    assert_int_equal(seal_at(&p, 0, "too early", 1), SFRAME_NO_EPOCH);
    pair_install(&p, 9, 1000, 10);
    assert_int_equal(seal_at(&p, 0, "too early", 999), SFRAME_NO_EPOCH);
    assert_false(sframe_sender_epoch(&p.alice, &epoch));
    assert_true(sframe_sender_next_us(&p.alice) == 1000);
    assert_int_equal(p.alice.counts.of[SFRAME_NO_EPOCH], 2);
    passes(&p, "now", 1000);
    assert_true(sframe_sender_epoch(&p.alice, &epoch) && epoch == 9);
    pair_end(&p);
}

static void a_sender_switches_when_told_and_at_the_latest_by_the_deadline(void **state) {
    (void)state;
    struct pair p;
    uint64_t epoch;
    pair_init(&p);
    pair_install(&p, 2, 1000, 10); /* told in time */
    passes(&p, "still in 1", 500);
    sframe_sender_switch(&p.alice, 2, 600);
    passes(&p, "in 2", 600);
    assert_true(sframe_sender_epoch(&p.alice, &epoch) && epoch == 2);
    assert_true(sframe_sender_next_us(&p.alice) == TIME_NEVER);
    pair_install(&p, 3, 2000, 1500); /* never told: no tick, only frames */
    passes(&p, "still in 2", 1999);
    assert_true(sframe_kid_split(p.alice.streams[0].key.kid).epoch8 == 2);
    passes(&p, "in 3", 2000);
    assert_true(sframe_kid_split(p.alice.streams[0].key.kid).epoch8 == 3);
    sframe_sender_switch(&p.alice, 2, 2100); /* late news of an epoch that is behind */
    assert_true(sframe_sender_epoch(&p.alice, &epoch) && epoch == 3);
    pair_install(&p, 4, 9000, 3000); /* two at a time: the newer one wins */
    pair_install(&p, 5, 4000, 3000);
    sframe_sender_step(&p.alice, 4000);
    assert_true(sframe_sender_epoch(&p.alice, &epoch) && epoch == 5);
    sframe_sender_step(&p.alice, 9000);
    assert_true(sframe_sender_epoch(&p.alice, &epoch) && epoch == 5);
    pair_end(&p);
}

static void old_frames_open_for_three_seconds_after_the_switch(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    static uint8_t late[4][600];
    size_t late_len[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(seal_at(&p, 0, "late", 1), SFRAME_OK);
        memcpy(late[i], p.sealed, p.sealed_len);
        late_len[i] = p.sealed_len;
    }
    pair_install(&p, 2, 10 * US_PER_S, 5 * US_PER_S);
    sframe_sender_switch(&p.alice, 2, 5 * US_PER_S); /* Alice is faster than Bob */
    passes(&p, "early", 5 * US_PER_S);
    static const struct {
        uint64_t now_us;
        enum sframe_status expected;
    } steps[] = {{9 * US_PER_S, SFRAME_OK},
                 {10 * US_PER_S, SFRAME_OK},
                 {13 * US_PER_S - 1, SFRAME_OK},
                 {13 * US_PER_S, SFRAME_ENDED_EPOCH}};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        assert_int_equal(sframe_open(&p.bob, ALICE, span_str("meta"), span_of(late[i], late_len[i]), steps[i].now_us,
                                     p.opened, &p.opened_len),
                         steps[i].expected);
    }
    passes(&p, "the new one goes on", 13 * US_PER_S);
    pair_end(&p);
}

static void a_receiver_that_is_told_ends_the_old_epoch_earlier(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    assert_int_equal(seal_at(&p, 0, "late", 1), SFRAME_OK);
    pair_install(&p, 2, 10 * US_PER_S, 100);
    sframe_receiver_switch(&p.bob, 2, 200);
    assert_true(sframe_receiver_next_us(&p.bob) == 200 + SFRAME_LATE_US);
    sframe_receiver_step(&p.bob, 200 + SFRAME_LATE_US);
    assert_int_equal(open_at(&p, 200 + SFRAME_LATE_US), SFRAME_ENDED_EPOCH);
    assert_true(sframe_receiver_next_us(&p.bob) == TIME_NEVER);
    pair_end(&p);
}

static void news_of_a_switch_that_was_made_changes_nothing(void **state) {
    (void)state;
    struct pair p;
    uint64_t epoch;
    pair_init(&p);
    pair_install(&p, 2, 1000, 10);
    for (uint64_t told = 1; told <= 3; told++) { /* the former one, the current one, once more */
        for (uint64_t now_us = 2000; now_us < 2003; now_us++) {
            sframe_sender_switch(&p.alice, told < 3 ? told : 2, now_us);
            sframe_receiver_switch(&p.bob, told < 3 ? told : 2, now_us);
        }
        passes(&p, "in 2", 2003);
        assert_true(sframe_sender_epoch(&p.alice, &epoch) && epoch == 2);
        assert_true(sframe_receiver_next_us(&p.bob) == 1000 + SFRAME_LATE_US);
    }
    pair_end(&p);
}

static void an_unknown_epoch_is_told_from_an_ended_one(void **state) {
    (void)state;
    struct pair p;
    pair_init_with(&p, PAIR_SUITE, &sframe_native, PAIR_KEYS);
    forge(&p, sframe_kid(0, ALICE, 77), 0);
    assert_int_equal(open_at(&p, 1), SFRAME_UNKNOWN_EPOCH); /* nothing is installed yet */
    pair_install(&p, 1000, 0, 1);
    for (uint64_t epoch = 1000 - 128; epoch < 1000 + 128; epoch++) {
        forge(&p, sframe_kid(0, ALICE, epoch), 0);
        assert_int_equal(open_at(&p, 1), epoch < 1000    ? SFRAME_ENDED_EPOCH
                                         : epoch == 1000 ? SFRAME_NOT_AUTHENTIC
                                                         : SFRAME_UNKNOWN_EPOCH);
    }
    /* a frame that was kept opens once its epoch is there */
    struct sframe_epoch_key alice = pair_epoch_key(1001, ALICE, 0), bob = pair_epoch_key(1001, BOB, 0);
    assert_int_equal(sframe_sender_install(&p.alice, &alice, 1), SFRAME_OK);
    assert_int_equal(seal_at(&p, 0, "kept", 1), SFRAME_OK);
    assert_int_equal(open_at(&p, 1), SFRAME_UNKNOWN_EPOCH);
    assert_int_equal(sframe_receiver_install(&p.bob, &bob, 2), SFRAME_OK);
    assert_int_equal(open_at(&p, 2), SFRAME_OK);
    pair_end(&p);
}

static void an_epoch_with_the_same_low_bits_ends_the_one_before(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p);
    passes(&p, "in 1", 1);
    assert_int_equal(seal_at(&p, 0, "late", 1), SFRAME_OK);
    pair_install(&p, 257, TIME_NEVER, 2);
    assert_int_equal(sframe_receiver_keys(&p.bob), 0);
    assert_int_equal(open_at(&p, 2), SFRAME_NOT_AUTHENTIC); /* 257's key, nothing else is tried */
    pair_end(&p);
}

static void of_too_many_epochs_the_oldest_ends(void **state) {
    (void)state;
    struct pair p;
    uint64_t epoch;
    pair_init(&p);
    passes(&p, "in 1", 1);
    for (uint64_t next = 2; next <= SFRAME_EPOCHS_MAX; next++)
        pair_install(&p, next, TIME_NEVER, 2);
    passes(&p, "still in 1", 2);
    pair_install(&p, 100, TIME_NEVER, 3);
    assert_true(sframe_sender_epoch(&p.alice, &epoch) && epoch == 2); /* frames go on, in the oldest that is left */
    passes(&p, "in 2", 3);
    forge(&p, sframe_kid(0, ALICE, 1), 9);
    assert_int_equal(open_at(&p, 3), SFRAME_ENDED_EPOCH);
    pair_end(&p);
}

/* Keys are looked for in all the memory there is: those of a host, which are kept as bytes. */
static void an_epoch_that_ends_leaves_no_secret_behind(void **state) {
    (void)state;
    struct pair p;
    struct sframe_seal seal;
    struct sframe_open open;
    struct secret secret;
    struct sframe_material material;
    pair_init_with(&p, PAIR_SUITE, NULL, PAIR_KEYS);
    pair_install(&p, 1, 0, 1);
    assert_int_equal(sframe_seal_begin(&p.alice, 2, 1, &seal), SFRAME_OK);
    forge(&p, seal.kid, seal.ctr);
    assert_int_equal(sframe_open_begin(&p.bob, ALICE, span_of(p.sealed, p.sealed_len), 1, &open), SFRAME_OK);
    assert_int_equal(
        sframe_extract(&crypto_openssl, sframe_suite(PAIR_SUITE), pair_epoch_key(1, 0, 0).base_key, &secret),
        SFRAME_OK);
    assert_int_equal(sframe_expand(&crypto_openssl, sframe_suite(PAIR_SUITE), &secret, seal.kid, &material), SFRAME_OK);
    assert_true(holds(&p.alice, sizeof p.alice, secret.bytes, 64));
    assert_true(holds(&p.bob, sizeof p.bob, secret.bytes, 64));
    assert_true(holds(&p.alice, sizeof p.alice, material.key, 32));
    assert_true(holds(p.memory, p.memory_len, material.key, 32));
    uint32_t sender_handle = seal.key->handle;
    assert_true(sframe_sender_key_live(&p.alice, sender_handle));
    assert_true(sframe_receiver_key_live(&p.bob, open.key_handle));
    pair_install(&p, 2, 50, 1);
    sframe_sender_step(&p.alice, 50);
    sframe_receiver_step(&p.bob, 50 + SFRAME_LATE_US);
    assert_false(sframe_sender_key_live(&p.alice, sender_handle));
    assert_false(sframe_receiver_key_live(&p.bob, open.key_handle));
    assert_false(holds(&p.alice, sizeof p.alice, secret.bytes, 64));
    assert_false(holds(&p.alice, sizeof p.alice, material.key, 32));
    assert_false(holds(&p.alice, sizeof p.alice, material.salt, 12));
    assert_false(holds(&p.bob, sizeof p.bob, secret.bytes, 64));
    assert_false(holds(p.memory, p.memory_len, material.key, 32));
    assert_false(holds(p.memory, p.memory_len, material.salt, 12));
    assert_int_equal(sframe_receiver_keys(&p.bob), 0);
    pair_end(&p);
}

static void with_a_cipher_no_raw_key_is_kept(void **state) {
    (void)state;
    struct pair p;
    struct secret secret;
    struct sframe_material material;
    pair_init(&p);
    passes(&p, "hello", 1);
    assert_int_equal(
        sframe_extract(&crypto_openssl, sframe_suite(PAIR_SUITE), pair_epoch_key(1, 0, 0).base_key, &secret),
        SFRAME_OK);
    assert_int_equal(
        sframe_expand(&crypto_openssl, sframe_suite(PAIR_SUITE), &secret, p.alice.streams[0].key.kid, &material),
        SFRAME_OK);
    assert_false(holds(&p.alice, sizeof p.alice, material.key, 16));
    assert_false(holds(p.memory, p.memory_len, material.key, 16));
    assert_true(holds(p.memory, p.memory_len, material.salt, 12));
    pair_end(&p);
}

static void every_status_has_a_name_and_a_text(void **state) {
    (void)state;
    for (size_t i = 0; i < SFRAME_STATUS_COUNT; i++) {
        assert_true(strlen(sframe_status_name((enum sframe_status)i)) > 1);
        assert_true(strlen(sframe_status_text((enum sframe_status)i)) > 10);
    }
    assert_string_equal(sframe_status_name(SFRAME_REPLAYED), "REPLAYED");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_of_every_length_read_as_they_were_written),
        cmocka_unit_test(a_header_that_could_be_shorter_is_refused),
        cmocka_unit_test(only_what_would_be_written_is_accepted),
        cmocka_unit_test(a_kid_names_context_leaf_and_epoch),
        cmocka_unit_test(every_suite_of_the_registry_seals_and_opens),
        cmocka_unit_test(metadata_is_authenticated),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(each_stream_counts_by_itself_and_starts_again_with_an_epoch),
        cmocka_unit_test(the_last_counter_ends_the_key),
        cmocka_unit_test(a_counter_beyond_the_last_is_not_opened),
        cmocka_unit_test(an_epoch_whose_counters_would_start_again_is_asserted),
        cmocka_unit_test(nothing_is_sealed_before_an_epoch_is_in_use),
        cmocka_unit_test(a_sender_switches_when_told_and_at_the_latest_by_the_deadline),
        cmocka_unit_test(old_frames_open_for_three_seconds_after_the_switch),
        cmocka_unit_test(a_receiver_that_is_told_ends_the_old_epoch_earlier),
        cmocka_unit_test(news_of_a_switch_that_was_made_changes_nothing),
        cmocka_unit_test(an_unknown_epoch_is_told_from_an_ended_one),
        cmocka_unit_test(an_epoch_with_the_same_low_bits_ends_the_one_before),
        cmocka_unit_test(of_too_many_epochs_the_oldest_ends),
        cmocka_unit_test(an_epoch_that_ends_leaves_no_secret_behind),
        cmocka_unit_test(with_a_cipher_no_raw_key_is_kept),
        cmocka_unit_test(every_status_has_a_name_and_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
