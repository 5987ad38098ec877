/* SRTP against libsrtp2, an independent implementation, both ways. */
#include <srtp2/srtp.h>

#include "base/assert.h"
#include "protocol/srtp_internal.h"
#include "srtp_pair.h"
#include "unit.h"

struct oracle {
    srtp_t session;
    uint8_t key[SRTP_MASTER_KEY_LEN_MAX + SRTP_MASTER_SALT_LEN_MAX];
};

static void oracle_init(struct oracle *oracle, const struct srtp_master *master, bool outbound) {
    memcpy(oracle->key, master->key, srtp_key_len(master->profile));
    memcpy(oracle->key + srtp_key_len(master->profile), master->salt, srtp_salt_len(master->profile));
    srtp_policy_t policy = {
        .ssrc = {.type = outbound ? ssrc_any_outbound : ssrc_any_inbound}, .key = oracle->key, .window_size = 1024};
    assert_int_equal(srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, (srtp_profile_t)master->profile), 0);
    assert_int_equal(srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, (srtp_profile_t)master->profile), 0);
    assert_int_equal(srtp_create(&oracle->session, &policy), srtp_err_status_ok);
}

/* Random loss on the way and three streams, one of which wraps twice. */
static void libsrtp_opens_what_we_seal(void **state) {
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(profiles); p++) {
        struct pair pair;
        struct oracle oracle;
        pair_init(&pair, profiles[p], 120 + p);
        oracle_init(&oracle, &pair.master, false);
        for (uint32_t i = 0; i < 4000; i++) {
            struct packet_bytes text = {.len = rng_below(&pair.rng, 1200)}, sealed;
            rng_fill(&pair.rng, text.data, text.len);
            uint32_t ssrc = i % 3 + 1;
            uint16_t seq16 = (uint16_t)(20000 + (ssrc == 1 ? i * 33 : i));
            assert_int_equal(seal_seq(&pair.seal, ssrc, seq16, span_of(text.data, text.len), &sealed), SRTP_OK);
            if (i > 3 && rng_below(&pair.rng, 10) == 0)
                continue;
            int len = (int)sealed.len;
            assert_int_equal(srtp_unprotect(oracle.session, sealed.data, &len), srtp_err_status_ok);
            assert_int_equal(len, sealed.len - srtp_overhead(profiles[p]));
            assert_memory_equal(sealed.data + (size_t)len - text.len, text.data, text.len);
            uint8_t report[40] = {0x80, 200, 0, 9, 0, 0, 0, (uint8_t)ssrc, 1, 2, 3, (uint8_t)i};
            assert_int_equal(
                srtcp_seal(&pair.seal, span_of(report, sizeof report), sealed.data, PACKET_MAX, &sealed.len), SRTP_OK);
            len = (int)sealed.len;
            assert_int_equal(srtp_unprotect_rtcp(oracle.session, sealed.data, &len), srtp_err_status_ok);
            assert_int_equal(len, sizeof report);
            assert_memory_equal(sealed.data, report, sizeof report);
        }
        srtp_dealloc(oracle.session);
        pair_end(&pair);
    }
}

static void we_open_what_libsrtp_seals(void **state) {
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(profiles); p++) {
        struct pair pair;
        struct oracle oracle;
        pair_init(&pair, profiles[p], 130 + p);
        oracle_init(&oracle, &pair.master, true);
        for (uint32_t i = 0; i < 4000; i++) {
            struct packet_bytes packet, plain;
            uint32_t ssrc = i % 3 + 1;
            packet.len = make_header(packet.data, ssrc, (uint16_t)(20000 + (ssrc == 1 ? i * 33 : i)), i % 2 == 0);
            size_t text_len = rng_below(&pair.rng, 1200);
            rng_fill(&pair.rng, packet.data + packet.len, text_len);
            packet.len += text_len;
            plain = packet;
            int len = (int)packet.len;
            assert_int_equal(srtp_protect(oracle.session, packet.data, &len), srtp_err_status_ok);
            packet.len = (size_t)len;
            if (i > 3 && rng_below(&pair.rng, 10) == 0)
                continue;
            assert_int_equal(srtp_open(&pair.open, packet.data, &packet.len), SRTP_OK);
            assert_int_equal(packet.len, plain.len);
            assert_memory_equal(packet.data, plain.data, plain.len);
            uint8_t report[40] = {0x80, 200, 0, 9, 0, 0, 0, (uint8_t)ssrc, 1, 2, 3, (uint8_t)i};
            memcpy(packet.data, report, sizeof report);
            len = sizeof report;
            assert_int_equal(srtp_protect_rtcp(oracle.session, packet.data, &len), srtp_err_status_ok);
            packet.len = (size_t)len;
            assert_int_equal(srtcp_open(&pair.open, packet.data, &packet.len), SRTP_OK);
            assert_int_equal(packet.len, sizeof report);
            assert_memory_equal(packet.data, report, sizeof report);
        }
        srtp_dealloc(oracle.session);
        pair_end(&pair);
    }
}

/* All 48 bits of the index go into the nonce: both sides are put forward to a high roll-over count. */
static void a_high_roll_over_count_agrees_with_libsrtp(void **state) {
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(profiles); p++) {
        struct pair pair;
        struct oracle oracle;
        struct packet_bytes sealed;
        pair_init(&pair, profiles[p], 140 + p);
        oracle_init(&oracle, &pair.master, false);
        assert_int_equal(seal_seq(&pair.seal, 5, 1000, hello, &sealed), SRTP_OK);
        assert_int_equal(open_copy(&pair.open, &sealed), SRTP_OK);
        int len = (int)sealed.len;
        assert_int_equal(srtp_unprotect(oracle.session, sealed.data, &len), srtp_err_status_ok);
        pair.seal.streams[0].rtp.end = pair.open.streams[0].rtp.end = (UINT64_C(0xa1b2c3d4) << 16 | 1000) + 1;
        assert_int_equal(srtp_set_stream_roc(oracle.session, 5, 0xa1b2c3d4), srtp_err_status_ok);
        assert_int_equal(seal_seq(&pair.seal, 5, 1001, hello, &sealed), SRTP_OK);
        assert_int_equal(open_copy(&pair.open, &sealed), SRTP_OK);
        len = (int)sealed.len;
        assert_int_equal(srtp_unprotect(oracle.session, sealed.data, &len), srtp_err_status_ok);
        srtp_dealloc(oracle.session);
        pair_end(&pair);
    }
}

int main(void) {
    if (srtp_init() != srtp_err_status_ok)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libsrtp_opens_what_we_seal),
        cmocka_unit_test(we_open_what_libsrtp_seals),
        cmocka_unit_test(a_high_roll_over_count_agrees_with_libsrtp),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)srtp_shutdown();
    return failed;
}
