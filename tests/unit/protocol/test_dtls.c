#include "unit.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/time.h"
#include "protocol/dtls.h"
#include "protocol/dtls_internal.h" /* a client with an extension that ours does not send */

#define UNIX_S UINT64_C(1790000000)
#define WIRE_MAX 256

/* ---- two associations and a network between them, on a virtual clock ---- */

struct wire_datagram {
    uint64_t at_us;
    int to;
    size_t len;
    uint8_t bytes[DTLS_DATAGRAM_LEN_MAX];
};

struct pair {
    struct dtls_context *context[2]; /* 0 = server, 1 = client */
    struct dtls *end[2];
    struct dtls_counters counters[2];
    struct rng rng;
    uint64_t now_us;
    double loss, duplicate;
    uint64_t delay_us, jitter_us;
    unsigned sent;         /* datagrams put on the wire */
    unsigned first_flight; /* of these, the client's before any answer */
    size_t longest;
    bool (*swallow)(const struct pair *pair, int to, struct span datagram); /* loses what it answers true for */
    struct wire_datagram *wire;
    size_t on_wire;
    uint8_t data[2][DTLS_DATAGRAM_LEN_MAX]; /* last application datagram received */
    size_t data_len[2];
    unsigned data_count[2];
};

static struct pair *pair_new(struct dtls_context *server, struct dtls_context *client, uint64_t seed) {
    struct pair *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    pair->wire = calloc(WIRE_MAX, sizeof *pair->wire);
    assert_non_null(pair->wire);
    pair->context[0] = server;
    pair->context[1] = client;
    pair->rng = rng_seeded(seed);
    pair->now_us = 1000000;
    pair->delay_us = 10000;
    for (int i = 0; i < 2; i++) {
        pair->end[i] = dtls_create(pair->context[i], i == 0 ? DTLS_SERVER : DTLS_CLIENT, &pair->counters[i]);
        assert_non_null(pair->end[i]);
    }
    return pair;
}

static void pair_free(struct pair *pair) {
    dtls_destroy(pair->end[0]);
    dtls_destroy(pair->end[1]);
    free(pair->wire);
    free(pair);
}

static void trust_each_other(struct pair *pair) {
    dtls_set_fingerprint(pair->end[0], dtls_context_fingerprint(pair->context[1]));
    dtls_set_fingerprint(pair->end[1], dtls_context_fingerprint(pair->context[0]));
}

static void put_on_wire(struct pair *pair, int to, struct span bytes) {
    if (pair->on_wire == WIRE_MAX || (pair->swallow != NULL && pair->swallow(pair, to, bytes)))
        return;
    struct wire_datagram *d = &pair->wire[pair->on_wire++];
    d->at_us = pair->now_us + pair->delay_us + (pair->jitter_us > 0 ? rng_below(&pair->rng, pair->jitter_us) : 0);
    d->to = to;
    d->len = bytes.len;
    memcpy(d->bytes, bytes.data, bytes.len);
}

/* Empties what an end has to say. */
static void drain(struct pair *pair, int from) {
    uint8_t bytes[DTLS_DATAGRAM_LEN_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    while (dtls_poll_data(pair->end[from], &w)) {
        memcpy(pair->data[from], bytes, w.len);
        pair->data_len[from] = w.len;
        pair->data_count[from]++;
        w.len = 0;
    }
    w = writer_of(bytes, DTLS_MTU);
    while (dtls_poll_out(pair->end[from], &w)) {
        pair->sent++;
        if (w.len > pair->longest)
            pair->longest = w.len;
        if (from == 1 && pair->counters[1].rx_datagrams == 0)
            pair->first_flight++;
        if (rng_unit(&pair->rng) >= pair->loss)
            put_on_wire(pair, !from, writer_span(&w));
        if (rng_unit(&pair->rng) < pair->duplicate)
            put_on_wire(pair, !from, writer_span(&w));
        w.len = 0;
    }
}

static bool deliver_one(struct pair *pair) {
    for (size_t i = 0; i < pair->on_wire; i++) {
        if (pair->wire[i].at_us > pair->now_us)
            continue;
        struct wire_datagram d = pair->wire[i];
        memmove(&pair->wire[i], &pair->wire[i + 1], (--pair->on_wire - i) * sizeof d);
        dtls_input(pair->end[d.to], pair->now_us, span_of(d.bytes, d.len));
        drain(pair, d.to);
        return true;
    }
    return false;
}

static void run_for(struct pair *pair, uint64_t duration_us, bool until_connected) {
    uint64_t end_us = pair->now_us + duration_us;
    for (;;) {
        while (deliver_one(pair))
            continue;
        if (until_connected && dtls_state(pair->end[0]) == DTLS_CONNECTED && dtls_state(pair->end[1]) == DTLS_CONNECTED)
            return;
        uint64_t next_us = end_us;
        for (int i = 0; i < 2; i++)
            next_us = time_min(next_us, dtls_next_deadline(pair->end[i]));
        for (size_t i = 0; i < pair->on_wire; i++)
            next_us = time_min(next_us, pair->wire[i].at_us);
        if (next_us >= end_us) {
            pair->now_us = end_us;
            return;
        }
        if (next_us > pair->now_us)
            pair->now_us = next_us;
        for (int i = 0; i < 2; i++) {
            dtls_tick(pair->end[i], pair->now_us);
            drain(pair, i);
        }
    }
}

static void start(struct pair *pair) {
    dtls_start(pair->end[1], pair->now_us);
    drain(pair, 1);
}

static void connect_pair(struct pair *pair) {
    trust_each_other(pair);
    start(pair);
    run_for(pair, 60 * US_PER_S, true);
    assert_int_equal(dtls_state(pair->end[0]), DTLS_CONNECTED);
    assert_int_equal(dtls_state(pair->end[1]), DTLS_CONNECTED);
}

static void send_data(struct pair *pair, int from, struct span data) {
    uint8_t bytes[DTLS_MTU];
    struct writer w = writer_of(bytes, sizeof bytes);
    assert_true(dtls_seal(pair->end[from], data, &w));
    put_on_wire(pair, !from, writer_span(&w));
}

static void assert_same_keys(struct pair *pair, enum srtp_profile profile) {
    struct srtp_master seal[2];
    struct srtp_master open[2];
    for (int i = 0; i < 2; i++) {
        memset(&seal[i], 0, sizeof seal[i]);
        memset(&open[i], 0, sizeof open[i]);
        assert_true(dtls_export(pair->end[i], &seal[i], &open[i]));
        assert_int_equal(seal[i].profile, profile);
        assert_int_equal(open[i].profile, profile);
    }
    size_t key_len = srtp_key_len(profile);
    size_t salt_len = srtp_salt_len(profile);
    for (int i = 0; i < 2; i++) {
        assert_memory_equal(seal[i].key, open[!i].key, key_len);
        assert_memory_equal(seal[i].salt, open[!i].salt, salt_len);
    }
    assert_memory_not_equal(seal[0].key, seal[1].key, key_len);
}

static struct dtls_context *context_new(const struct dtls_options *options) {
    struct dtls_context *context = dtls_context_create(UNIX_S, options);
    assert_non_null(context);
    return context;
}

/* ---- tests ---- */

static struct dtls_context *server_context;
static struct dtls_context *client_context;

static int setup(void **state) {
    (void)state;
    server_context = context_new(NULL);
    client_context = context_new(NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    dtls_context_destroy(server_context);
    dtls_context_destroy(client_context);
    return 0;
}

static void two_ends_connect_and_export_the_same_keys(void **state) {
    (void)state;
    struct pair *pair = pair_new(server_context, client_context, 1);
    connect_pair(pair);
    assert_same_keys(pair, SRTP_PROFILE_AEAD_AES_256_GCM);
    assert_true(pair->longest <= DTLS_MTU);
    assert_int_equal(pair->counters[0].retransmits + pair->counters[1].retransmits, 0);
    assert_true(pair->now_us - 1000000 <= 4 * pair->delay_us); /* two round trips, as RFC 6347 without cookies */
    pair_free(pair);
}

static void handshakes_survive_loss_reordering_and_duplication(void **state) {
    (void)state;
    uint64_t total_us = 0;
    uint64_t worst_us = 0;
    for (uint64_t seed = 1; seed <= 250; seed++) {
        struct pair *pair = pair_new(server_context, client_context, seed);
        pair->loss = 0.3 * (double)(seed % 5) / 4;
        pair->duplicate = seed % 3 == 0 ? 0.3 : 0;
        pair->jitter_us = seed % 2 == 0 ? 60000 : 0;
        trust_each_other(pair);
        start(pair);
        assert_true(dtls_virtual_clock(pair->end[1]));
        run_for(pair, 40 * US_PER_S, true);
        if (dtls_state(pair->end[0]) != DTLS_CONNECTED || dtls_state(pair->end[1]) != DTLS_CONNECTED)
            fail_msg("seed %d: server %d client %d", (int)seed, (int)dtls_state(pair->end[0]),
                     (int)dtls_state(pair->end[1]));
        uint64_t took_us = pair->now_us - 1000000;
        total_us += took_us;
        worst_us = took_us > worst_us ? took_us : worst_us;
        assert_same_keys(pair, SRTP_PROFILE_AEAD_AES_256_GCM);
        pair->loss = 0;
        send_data(pair, 0, span_str("to the client"));
        send_data(pair, 1, span_str("to the server"));
        run_for(pair, US_PER_S, false);
        assert_int_equal(pair->data_count[0], 1);
        assert_int_equal(pair->data_count[1], 1);
        pair_free(pair);
    }
    printf("250 seeds: mean %u ms, worst %u ms\n", (unsigned)(total_us / 250 / 1000), (unsigned)(worst_us / 1000));
}

static void equal_seeds_take_equal_time(void **state) {
    (void)state;
    uint64_t took_us[2];
    for (int i = 0; i < 2; i++) {
        struct pair *pair = pair_new(server_context, client_context, 77);
        pair->loss = 0.3;
        connect_pair(pair);
        took_us[i] = pair->now_us;
        pair_free(pair);
    }
    assert_true(took_us[0] == took_us[1]);
}

static void profiles_are_agreed_by_our_preference(void **state) {
    (void)state;
    static const enum srtp_profile preference[] = {SRTP_PROFILE_AEAD_AES_256_GCM, SRTP_PROFILE_AEAD_AES_128_GCM,
                                                   SRTP_PROFILE_AES128_CM_SHA1_80};
    static const enum srtp_profile backwards[] = {SRTP_PROFILE_AES128_CM_SHA1_80, SRTP_PROFILE_AEAD_AES_128_GCM,
                                                  SRTP_PROFILE_AEAD_AES_256_GCM};
    for (size_t skip = 0; skip < 3; skip++) {
        /* a client that prefers the weakest and does not have the strongest ones gets the best of what is left */
        struct dtls_options options = {.profiles = backwards, .profile_count = 3 - skip};
        struct dtls_context *client = context_new(&options);
        struct pair *pair = pair_new(server_context, client, skip);
        connect_pair(pair);
        assert_same_keys(pair, preference[skip]);
        pair_free(pair);
        dtls_context_destroy(client);
    }
}

static void without_a_common_profile_there_is_no_connection(void **state) {
    (void)state;
    static const enum srtp_profile one[] = {SRTP_PROFILE_AEAD_AES_256_GCM};
    static const enum srtp_profile other[] = {SRTP_PROFILE_AES128_CM_SHA1_80};
    struct dtls_options options = {.profiles = one, .profile_count = 1};
    struct dtls_options others = {.profiles = other, .profile_count = 1};
    struct dtls_context *server = context_new(&options);
    struct dtls_context *client = context_new(&others);
    struct pair *pair = pair_new(server, client, 1);
    trust_each_other(pair);
    start(pair);
    run_for(pair, 5 * US_PER_S, true);
    struct srtp_master a;
    struct srtp_master b;
    for (int i = 0; i < 2; i++) {
        assert_int_not_equal(dtls_state(pair->end[i]), DTLS_CONNECTED);
        assert_false(dtls_export(pair->end[i], &a, &b));
    }
    assert_int_equal(pair->counters[0].failed_profile, 1);
    pair_free(pair);
    dtls_context_destroy(server);
    dtls_context_destroy(client);
}

static void a_certificate_that_signalling_did_not_name_is_refused(void **state) {
    (void)state;
    for (int liar = 0; liar < 2; liar++) {
        struct pair *pair = pair_new(server_context, client_context, 1);
        trust_each_other(pair);
        struct dtls_context *stranger = context_new(NULL);
        dtls_destroy(pair->end[liar]);
        pair->end[liar] = dtls_create(stranger, liar == 0 ? DTLS_SERVER : DTLS_CLIENT, &pair->counters[liar]);
        dtls_set_fingerprint(pair->end[liar], dtls_context_fingerprint(pair->context[!liar]));
        start(pair);
        run_for(pair, 2 * US_PER_S, false);
        struct srtp_master a;
        struct srtp_master b;
        assert_int_equal(dtls_state(pair->end[!liar]), DTLS_FAILED);
        assert_int_equal(pair->counters[!liar].failed_fingerprint, 1);
        assert_false(dtls_export(pair->end[!liar], &a, &b));
        assert_int_not_equal(dtls_state(pair->end[liar]), DTLS_CONNECTED); /* it was told by close_notify */
        pair_free(pair);
        dtls_context_destroy(stranger);
    }
}

static void a_fingerprint_that_comes_late_is_waited_for(void **state) {
    (void)state;
    struct pair *pair = pair_new(server_context, client_context, 1);
    dtls_set_fingerprint(pair->end[1], dtls_context_fingerprint(server_context));
    start(pair);
    run_for(pair, 3 * US_PER_S, false);
    assert_int_equal(dtls_state(pair->end[1]), DTLS_CONNECTED);
    assert_int_equal(dtls_state(pair->end[0]), DTLS_HANDSHAKING);
    send_data(pair, 1, span_str("too early"));
    run_for(pair, US_PER_S, false);
    assert_int_equal(pair->data_count[0], 0); /* from nobody knows whom */
    assert_int_equal(pair->counters[0].rx_data_dropped, 1);
    dtls_set_fingerprint(pair->end[0], dtls_context_fingerprint(client_context));
    assert_int_equal(dtls_state(pair->end[0]), DTLS_CONNECTED);
    assert_same_keys(pair, SRTP_PROFILE_AEAD_AES_256_GCM);
    send_data(pair, 1, span_str("now"));
    run_for(pair, US_PER_S, false);
    assert_int_equal(pair->data_count[0], 1);
    pair_free(pair);
}

static int add_large_extension(SSL *ssl, unsigned type, unsigned context, const unsigned char **out, size_t *len,
                               X509 *x509, size_t chain, int *alert, void *argument) {
    static const unsigned char key_share[1400];
    (void)ssl, (void)type, (void)context, (void)x509, (void)chain, (void)alert, (void)argument;
    *out = key_share;
    *len = sizeof key_share;
    return 1;
}

static int ignore_extension(SSL *ssl, unsigned type, unsigned context, const unsigned char *in, size_t len, X509 *x509,
                            size_t chain, int *alert, void *argument) {
    (void)ssl, (void)type, (void)context, (void)in, (void)len, (void)x509, (void)chain, (void)alert, (void)argument;
    return 1;
}

static void a_fragmented_client_hello_is_put_together_in_any_order(void **state) {
    (void)state;
    static const uint16_t mtus[] = {DTLS_MTU, 256};
    for (size_t i = 0; i < 2; i++) {
        /* an extension as large as the ML-KEM key share of browsers */
        struct dtls_options options = {.mtu = mtus[i]};
        struct dtls_context *client = context_new(&options);
        assert_int_equal(SSL_CTX_add_custom_ext(client->ssl, 65000, SSL_EXT_CLIENT_HELLO, add_large_extension, NULL,
                                                NULL, ignore_extension, NULL),
                         1);
        for (uint64_t seed = 1; seed <= 50; seed++) {
            struct pair *pair = pair_new(server_context, client, seed);
            pair->jitter_us = 50000;
            pair->loss = seed % 2 == 0 ? 0.1 : 0;
            connect_pair(pair);
            assert_true(pair->first_flight >= (i == 0 ? 2 : 7));
            assert_same_keys(pair, SRTP_PROFILE_AEAD_AES_256_GCM);
            pair_free(pair);
        }
        dtls_context_destroy(client);
    }
}

static void application_data_of_every_length_passes(void **state) {
    (void)state;
    struct pair *pair = pair_new(server_context, client_context, 1);
    connect_pair(pair);
    struct rng rng = rng_seeded(5);
    for (size_t len = 1; len <= DTLS_DATA_LEN_MAX; len += len < 1100 ? 37 : 1) {
        uint8_t data[DTLS_DATA_LEN_MAX];
        rng_fill(&rng, data, len);
        for (int from = 0; from < 2; from++) {
            send_data(pair, from, span_of(data, len));
            run_for(pair, 20000, false);
            assert_int_equal(pair->data_len[!from], len);
            assert_memory_equal(pair->data[!from], data, len);
        }
    }
    uint8_t data[DTLS_DATA_LEN_MAX] = {0};
    uint8_t bytes[100];
    struct writer w = writer_of(bytes, sizeof bytes);
    assert_false(dtls_seal(pair->end[0], span_of(data, sizeof data), &w));
    assert_int_equal(w.len, 0);
    pair_free(pair);
}

static void garbage_does_not_end_an_established_association(void **state) {
    (void)state;
    struct pair *pair = pair_new(server_context, client_context, 1);
    connect_pair(pair);
    struct rng rng = rng_seeded(9);
    for (int i = 0; i < 3000; i++) {
        uint8_t bytes[600];
        size_t len = 1 + rng_below(&rng, sizeof bytes - 1);
        rng_fill(&rng, bytes, len);
        if (len >= 13 && i % 4 != 0) { /* a plausible header: alerts, handshakes and data of epochs 0 to 2 */
            struct writer w = writer_of(bytes, len);
            wr_u8(&w, (uint8_t)(20 + rng_below(&rng, 5)));
            wr_u16(&w, 0xfefd);
            wr_u16(&w, (uint16_t)rng_below(&rng, 3));
            wr_u48(&w, rng_below(&rng, 100));
            wr_u16(&w, (uint16_t)(len - 13));
            if (len >= 15 && i % 8 == 1) { /* fatal alerts in the clear, too */
                wr_u8(&w, 2);
                wr_u8(&w, 40);
            }
        }
        int to = i % 2;
        dtls_input(pair->end[to], pair->now_us, span_of(bytes, len));
        drain(pair, to);
        assert_int_equal(dtls_state(pair->end[to]), DTLS_CONNECTED);
    }
    assert_int_equal(pair->data_count[0] + pair->data_count[1], 0);
    uint8_t oversize[DTLS_DATAGRAM_LEN_MAX + 1] = {22};
    dtls_input(pair->end[0], pair->now_us, span_of(oversize, sizeof oversize));
    assert_int_equal(pair->counters[0].rx_oversize, 1);
    pair->on_wire = 0;
    for (int from = 0; from < 2; from++) {
        send_data(pair, from, span_str("still here"));
        run_for(pair, US_PER_S, false);
        assert_int_equal(pair->data_count[!from], 1);
    }
    pair_free(pair);
}

static void records_too_short_for_their_cipher_are_dropped_and_counted(void **state) {
    (void)state;
    struct pair *pair = pair_new(server_context, client_context, 1);
    connect_pair(pair);
    for (uint16_t len = 0; len <= 23; len++) {
        uint8_t bytes[13 + 23] = {0};
        struct writer w = writer_of(bytes, sizeof bytes);
        wr_u8(&w, 21);
        wr_u16(&w, 0xfefd);
        wr_u16(&w, 1);
        wr_u48(&w, 40u + len);
        wr_u16(&w, len);
        wr_zeros(&w, len);
        dtls_input(pair->end[0], pair->now_us, writer_span(&w));
        drain(pair, 0);
        assert_int_equal(dtls_state(pair->end[0]), DTLS_CONNECTED);
        assert_int_equal(pair->counters[0].rx_bad_record, len + 1);
    }
    send_data(pair, 1, span_str("still here"));
    run_for(pair, US_PER_S, false);
    assert_int_equal(pair->data_count[0], 1);
    pair_free(pair);
}

static void a_record_whose_version_was_changed_on_the_way_is_dropped(void **state) {
    (void)state;
    struct pair *pair = pair_new(server_context, client_context, 1);
    connect_pair(pair);
    uint8_t bytes[DTLS_MTU];
    struct writer w = writer_of(bytes, sizeof bytes);
    assert_true(dtls_seal(pair->end[1], span_str("not as it was"), &w));
    bytes[2] ^= 0x22;
    dtls_input(pair->end[0], pair->now_us, writer_span(&w));
    drain(pair, 0);
    assert_int_equal(pair->counters[0].rx_bad_record, 1);
    assert_int_equal(pair->data_count[0], 0);
    assert_int_equal(dtls_state(pair->end[0]), DTLS_CONNECTED);
    pair_free(pair);
}

static void a_replayed_datagram_is_delivered_once(void **state) {
    (void)state;
    struct pair *pair = pair_new(server_context, client_context, 1);
    connect_pair(pair);
    uint8_t bytes[DTLS_MTU];
    struct writer w = writer_of(bytes, sizeof bytes);
    assert_true(dtls_seal(pair->end[0], span_str("once"), &w));
    for (int i = 0; i < 5; i++)
        put_on_wire(pair, 1, writer_span(&w));
    run_for(pair, US_PER_S, false);
    assert_int_equal(pair->data_count[1], 1);
    pair_free(pair);
}

static void a_lost_last_flight_is_sent_again_when_the_client_asks(void **state) {
    (void)state;
    struct pair *pair = pair_new(server_context, client_context, 1);
    trust_each_other(pair);
    start(pair);
    while (dtls_state(pair->end[0]) != DTLS_CONNECTED)
        run_for(pair, 1000, false);
    assert_true(pair->on_wire > 0);
    pair->on_wire = 0; /* the server's Finished */
    assert_int_equal(dtls_state(pair->end[1]), DTLS_HANDSHAKING);
    run_for(pair, 2 * US_PER_S, true);
    assert_int_equal(dtls_state(pair->end[1]), DTLS_CONNECTED);
    pair_free(pair);
}

static void closing_is_told_to_the_peer(void **state) {
    (void)state;
    for (int closer = 0; closer < 2; closer++) {
        struct pair *pair = pair_new(server_context, client_context, 1);
        connect_pair(pair);
        dtls_close(pair->end[closer]);
        drain(pair, closer);
        run_for(pair, US_PER_S, false);
        assert_int_equal(dtls_state(pair->end[closer]), DTLS_CLOSED);
        assert_int_equal(dtls_state(pair->end[!closer]), DTLS_CLOSED);
        assert_int_equal(pair->counters[!closer].closed_by_peer, 1);
        uint8_t bytes[DTLS_MTU];
        struct writer w = writer_of(bytes, sizeof bytes);
        assert_false(dtls_seal(pair->end[0], span_str("gone"), &w));
        pair_free(pair);
    }
}

static bool swallow_all(const struct pair *pair, int to, struct span datagram) {
    (void)pair;
    (void)to;
    (void)datagram;
    return true;
}

static void a_handshake_without_answers_backs_off_and_is_given_up(void **state) {
    (void)state;
    struct pair *pair = pair_new(server_context, client_context, 1);
    pair->swallow = swallow_all;
    trust_each_other(pair);
    start(pair);
    uint64_t start_us = pair->now_us;
    assert_int_equal(dtls_next_deadline(pair->end[0]), TIME_NEVER); /* nothing was received: no timer */
    uint64_t expected_us = DTLS_RTO_INITIAL_US;
    while (dtls_state(pair->end[1]) == DTLS_HANDSHAKING && pair->now_us - start_us < 20 * US_PER_S) {
        uint64_t next_us = dtls_next_deadline(pair->end[1]);
        assert_int_equal(next_us - pair->now_us, expected_us);
        expected_us = time_min(2 * expected_us, DTLS_RTO_MAX_US);
        run_for(pair, next_us - pair->now_us + 1, false);
        pair->now_us = next_us;
    }
    run_for(pair, 20 * US_PER_S, false);
    assert_int_equal(dtls_state(pair->end[1]), DTLS_FAILED);
    assert_int_equal(pair->counters[1].failed_timeout, 1);
    assert_int_equal(dtls_next_deadline(pair->end[1]), TIME_NEVER);
    assert_true(pair->counters[1].retransmits >= 9 && pair->counters[1].retransmits <= 12);
    pair_free(pair);
}

static void fingerprints_are_written_as_sdp_wants_them(void **state) {
    (void)state;
    const char *text = dtls_context_fingerprint_text(server_context);
    assert_int_equal(strlen(text), 95);
    uint8_t bytes[DTLS_FINGERPRINT_LEN];
    assert_true(dtls_fingerprint_parse(span_str(text), bytes));
    assert_memory_equal(bytes, dtls_context_fingerprint(server_context), sizeof bytes);
    char copy[DTLS_FINGERPRINT_TEXT_LEN];
    for (size_t i = 0; i < 95; i++) {
        memcpy(copy, text, sizeof copy);
        copy[i] = '/';
        assert_false(dtls_fingerprint_parse(span_str(copy), bytes));
        assert_false(dtls_fingerprint_parse(span_of(text, i), bytes));
    }
    assert_true(dtls_fingerprint_parse(span_str("ab:CD:00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14:"
                                                "15:16:17:18:19:1a:1b:1c:1d"),
                                       bytes));
    assert_int_equal(bytes[0], 0xab);
    assert_int_equal(bytes[1], 0xcd);
    assert_memory_not_equal(dtls_context_fingerprint(server_context), dtls_context_fingerprint(client_context),
                            DTLS_FINGERPRINT_LEN);
}

/* Under a sanitizer mallinfo2 knows nothing, and the sum is 0. */
static void a_connected_association_is_small(void **state) {
    (void)state;
    enum { COUNT = 64 };
    static struct pair *pairs[COUNT];
    size_t before = mallinfo2().uordblks;
    for (size_t i = 0; i < COUNT; i++) {
        pairs[i] = pair_new(server_context, client_context, i);
        connect_pair(pairs[i]);
        free(pairs[i]->wire);
        pairs[i]->wire = NULL;
    }
    size_t each = (mallinfo2().uordblks - before) / COUNT;
    each = each > sizeof(struct pair) ? (each - sizeof(struct pair)) / 2 : 0;
    printf("a connected association: %zu bytes of heap\n", each);
    assert_true(each < 44 * 1024); /* 22 kB of it OpenSSL's handshake buffer, which it keeps for DTLS */
    for (size_t i = 0; i < COUNT; i++)
        pair_free(pairs[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_ends_connect_and_export_the_same_keys),
        cmocka_unit_test(handshakes_survive_loss_reordering_and_duplication),
        cmocka_unit_test(equal_seeds_take_equal_time),
        cmocka_unit_test(profiles_are_agreed_by_our_preference),
        cmocka_unit_test(without_a_common_profile_there_is_no_connection),
        cmocka_unit_test(a_certificate_that_signalling_did_not_name_is_refused),
        cmocka_unit_test(a_fingerprint_that_comes_late_is_waited_for),
        cmocka_unit_test(a_fragmented_client_hello_is_put_together_in_any_order),
        cmocka_unit_test(application_data_of_every_length_passes),
        cmocka_unit_test(garbage_does_not_end_an_established_association),
        cmocka_unit_test(records_too_short_for_their_cipher_are_dropped_and_counted),
        cmocka_unit_test(a_record_whose_version_was_changed_on_the_way_is_dropped),
        cmocka_unit_test(a_replayed_datagram_is_delivered_once),
        cmocka_unit_test(a_lost_last_flight_is_sent_again_when_the_client_asks),
        cmocka_unit_test(closing_is_told_to_the_peer),
        cmocka_unit_test(a_handshake_without_answers_backs_off_and_is_given_up),
        cmocka_unit_test(fingerprints_are_written_as_sdp_wants_them),
        cmocka_unit_test(a_connected_association_is_small),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
