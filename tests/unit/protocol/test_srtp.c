/* SRTP against the vectors of its RFCs, and against itself. */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/assert.h"
#include "hex.h"
#include "protocol/srtp_internal.h"
#include "srtp_pair.h"
#include "unit.h"

/* OpenSSL's allocations are counted: sealing and opening must not make any. */
static uint64_t allocations;

static void *counting_malloc(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    allocations++;
    return malloc(size);
}

static void *counting_realloc(void *old, size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    allocations++;
    return realloc(old, size);
}

static void counting_free(void *old, const char *file, int line) {
    (void)file;
    (void)line;
    free(old);
}

static struct packet_bytes unhex(const char *text) {
    struct packet_bytes out;
    out.len = hex_text(text, out.data);
    return out;
}

/* ---- vectors ------------------------------------------------------------------------------------------- */

/* RFC 3711 appendix B.3. The derived keys are inside cipher objects, so they are compared by what they produce. */
static void keys_are_derived_as_in_rfc_3711(void **state) {
    (void)state;
    struct srtp_master master = {.profile = SRTP_PROFILE_AES128_CM_SHA1_80};
    struct packet_bytes bytes = unhex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6");
    memcpy(master.key, bytes.data, 16);
    memcpy(master.salt, bytes.data + 16, 14);
    struct srtp_keys rtp, rtcp;
    assert_true(srtp_keys_derive(&master, &rtp, &rtcp, true));
    assert_memory_equal(rtp.salt, unhex("30cbbc08863d8c85d49db34a9ae1").data, 14);
    struct aes_ctr_key expected_key;
    uint8_t iv[AES_CTR_IV_LEN] = {0}, a[32] = {0}, b[32] = {0};
    assert_true(aes_ctr_key_init(&expected_key, unhex("c61e7a93744f39ee10734afe3ff7a087").data, 16));
    aes_ctr_start(&expected_key, iv);
    aes_ctr_xor(&expected_key, a, a, sizeof a);
    aes_ctr_start(&rtp.ctr, iv);
    aes_ctr_xor(&rtp.ctr, b, b, sizeof b);
    assert_memory_equal(a, b, sizeof a);
    aes_ctr_key_end(&expected_key);
    struct packet_bytes auth = unhex("cebe321f6ff7716b6fd4ab49af256a156d38baa4");
    hmac_once(HMAC_SHA1, span_of(auth.data, auth.len), hello, a);
    hmac_key_sign(&rtp.mac, &hello, 1, b);
    assert_memory_equal(a, b, HMAC_SHA1_LEN);
    srtp_keys_end(&rtp);
    srtp_keys_end(&rtcp);
}

/* The vectors of RFC 7714 give session keys, so the derived ones are replaced by them. */
static void use_session_keys(struct srtp_session *session) {
    struct packet_bytes key = unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    struct packet_bytes salt = unhex("517569642070726f2071756f");
    enum aead_algorithm algorithm =
        session->profile == SRTP_PROFILE_AEAD_AES_256_GCM ? AEAD_AES_256_GCM : AEAD_AES_128_GCM;
    struct srtp_keys *keys[2] = {&session->rtp, &session->rtcp};
    for (size_t i = 0; i < 2; i++) {
        aead_key_end(&keys[i]->aead);
        memcpy(keys[i]->salt, salt.data, salt.len);
        assert_true(aead_key_init(&keys[i]->aead, &aead_openssl, algorithm,
                                  session->direction == SRTP_SEALING ? AEAD_SEAL : AEAD_OPEN, key.data));
    }
}

struct gcm_vector {
    enum srtp_profile profile;
    const char *srtp;
    const char *srtcp;
};

/* RFC 7714 sections 16.1.1, 16.2.1, 17.1 and 17.2 */
static const struct gcm_vector gcm_vectors[] = {
    {SRTP_PROFILE_AEAD_AES_128_GCM,
     "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb1"
     "6a9152cf765ee4390cce",
     "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa458"
     "96cf4d2fc5abf87245d9eade800005d4"},
    {SRTP_PROFILE_AEAD_AES_256_GCM,
     "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfff"
     "d6b0f9bb7878d7a76c13",
     "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c"
     "4446839f57ff6f6cb26ac3be800005d4"},
};

static void gcm_packets_look_as_in_rfc_7714(void **state) {
    (void)state;
    struct packet_bytes rtp = unhex("8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e2070"
                                    "61727465732074726573");
    struct packet_bytes rtcp = unhex("81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeef"
                                     "deadbeefdeadbeefdeadbeef");
    for (size_t i = 0; i < ARRAY_LEN(gcm_vectors); i++) {
        struct pair pair;
        struct packet_bytes out;
        pair_init(&pair, gcm_vectors[i].profile, 1);
        use_session_keys(&pair.seal);
        use_session_keys(&pair.open);
        struct packet_bytes srtp = unhex(gcm_vectors[i].srtp), srtcp = unhex(gcm_vectors[i].srtcp);
        assert_int_equal(srtp_seal(&pair.seal, rtp.data, RTP_HEADER_LEN, span_of(rtp.data + 12, rtp.len - 12), out.data,
                                   sizeof out.data, &out.len),
                         SRTP_OK);
        assert_int_equal(out.len, srtp.len);
        assert_memory_equal(out.data, srtp.data, srtp.len);
        assert_int_equal(srtp_open(&pair.open, srtp.data, &srtp.len), SRTP_OK);
        assert_int_equal(srtp.len, rtp.len);
        assert_memory_equal(srtp.data, rtp.data, rtp.len);
        pair.seal.rtcp_index = 0x5d4;
        assert_int_equal(srtcp_seal(&pair.seal, span_of(rtcp.data, rtcp.len), out.data, sizeof out.data, &out.len),
                         SRTP_OK);
        assert_int_equal(out.len, srtcp.len);
        assert_memory_equal(out.data, srtcp.data, srtcp.len);
        assert_int_equal(srtcp_open(&pair.open, srtcp.data, &srtcp.len), SRTP_OK);
        assert_int_equal(srtcp.len, rtcp.len);
        assert_memory_equal(srtcp.data, rtcp.data, rtcp.len);
        pair_end(&pair);
    }
}

static void dtls_material_is_split_client_key_server_key_client_salt_server_salt(void **state) {
    (void)state;
    uint8_t exported[SRTP_EXPORT_LEN_MAX];
    for (size_t i = 0; i < sizeof exported; i++)
        exported[i] = (uint8_t)i;
    struct srtp_master client, server;
    srtp_master_split(SRTP_PROFILE_AES128_CM_SHA1_80, exported, &client, &server);
    assert_int_equal(srtp_export_len(SRTP_PROFILE_AES128_CM_SHA1_80), 60);
    assert_int_equal(client.key[0], 0);
    assert_int_equal(server.key[0], 16);
    assert_int_equal(client.salt[0], 32);
    assert_int_equal(server.salt[13], 59);
    srtp_master_split(SRTP_PROFILE_AEAD_AES_256_GCM, exported, &client, &server);
    assert_int_equal(srtp_export_len(SRTP_PROFILE_AEAD_AES_256_GCM), 88);
    assert_int_equal(server.key[31], 63);
    assert_int_equal(client.salt[0], 64);
    assert_int_equal(server.salt[11], 87);
    assert_int_equal(server.salt[12], 0);
}

/* ---- against ourselves --------------------------------------------------------------------------------- */

static void what_is_sealed_opens_again_for_every_profile(void **state) {
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(profiles); p++) {
        struct pair pair;
        pair_init(&pair, profiles[p], 10 + p);
        for (uint16_t seq16 = 100; seq16 < 400; seq16++) {
            struct packet_bytes text = {.len = rng_below(&pair.rng, 1300)}, out;
            rng_fill(&pair.rng, text.data, text.len);
            uint8_t header[RTP_HEADER_LEN_MAX];
            size_t header_len = make_header(header, 7, seq16, seq16 % 3 == 0);
            assert_int_equal(srtp_seal(&pair.seal, header, header_len, span_of(text.data, text.len), out.data,
                                       sizeof out.data, &out.len),
                             SRTP_OK);
            assert_int_equal(out.len, header_len + text.len + srtp_overhead(profiles[p]));
            if (text.len >= 16)
                assert_memory_not_equal(out.data + header_len, text.data, text.len);
            assert_int_equal(srtp_open(&pair.open, out.data, &out.len), SRTP_OK);
            assert_int_equal(out.len, header_len + text.len);
            assert_memory_equal(out.data, header, header_len);
            assert_memory_equal(out.data + header_len, text.data, text.len);
        }
        assert_int_equal(pair.open.counters.opened, 300);
        assert_int_equal(pair.seal.counters.sealed, 300);
        pair_end(&pair);
    }
}

static void a_prefix_is_sealed_in_front_of_the_shared_payload(void **state) {
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(profiles); p++) {
        struct pair pair;
        pair_init(&pair, profiles[p], 20 + p);
        uint8_t header[RTP_HEADER_LEN_MAX], prefix[RTP_RTX_OSN_LEN];
        struct packet_bytes out;
        size_t header_len = make_header(header, 9, 500, true);
        rtp_rtx_prefix(0xabcd, prefix);
        struct srtp_job job = {.session = &pair.seal,
                               .header = header,
                               .header_len = header_len,
                               .prefix = span_of(prefix, sizeof prefix),
                               .payload = hello,
                               .out = out.data,
                               .out_size = header_len + 2 + hello.len + srtp_overhead(profiles[p])};
        assert_int_equal(srtp_seal_many(&job, 1), 1);
        out.len = job.out_len;
        assert_int_equal(srtp_open(&pair.open, out.data, &out.len), SRTP_OK);
        struct rtp_header read;
        struct span payload;
        uint16_t original;
        assert_int_equal(rtp_parse(span_of(out.data, out.len), &read), RTP_OK);
        assert_true(rtp_rtx_unwrap(read.payload, &original, &payload));
        assert_int_equal(original, 0xabcd);
        assert_true(span_equal(payload, hello));
        pair_end(&pair);
    }
}

/* One packet to 40 receivers of all profiles, with one that must be refused, in one call. */
static void one_payload_is_sealed_for_many_sessions_at_once(void **state) {
    (void)state;
    enum { RECEIVERS = 40 };
    static struct pair pairs[RECEIVERS];
    static struct packet_bytes outs[RECEIVERS];
    struct srtp_job jobs[RECEIVERS];
    uint8_t headers[RECEIVERS][RTP_HEADER_LEN_MAX];
    for (size_t i = 0; i < RECEIVERS; i++) {
        pair_init(&pairs[i], profiles[i % ARRAY_LEN(profiles)], 30 + i);
        jobs[i] = (struct srtp_job){.session = &pairs[i].seal,
                                    .header = headers[i],
                                    .header_len = make_header(headers[i], (uint32_t)i + 1, 1000, true),
                                    .payload = hello,
                                    .out = outs[i].data,
                                    .out_size = i == 17 ? 20 : PACKET_MAX};
    }
    assert_int_equal(srtp_seal_many(jobs, RECEIVERS), RECEIVERS - 1);
    for (size_t i = 0; i < RECEIVERS; i++) {
        if (i == 17) {
            assert_int_equal(jobs[i].result, SRTP_NO_ROOM);
            assert_int_equal(jobs[i].out_len, 0);
        } else {
            outs[i].len = jobs[i].out_len;
            assert_int_equal(srtp_open(&pairs[i].open, outs[i].data, &outs[i].len), SRTP_OK);
        }
        pair_end(&pairs[i]);
    }
}

static void a_replayed_packet_is_refused(void **state) {
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(profiles); p++) {
        struct pair pair;
        struct packet_bytes sealed;
        pair_init(&pair, profiles[p], 40 + p);
        assert_int_equal(seal_seq(&pair.seal, 5, 2000, hello, &sealed), SRTP_OK);
        assert_int_equal(open_copy(&pair.open, &sealed), SRTP_OK);
        assert_int_equal(open_copy(&pair.open, &sealed), SRTP_REPLAYED);
        assert_int_equal(pair.open.counters.replayed, 1);
        assert_int_equal(pair.open.counters.opened, 1);
        pair_end(&pair);
    }
}

static void any_flipped_bit_is_refused_and_leaves_no_trace(void **state) {
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(profiles); p++) {
        struct pair pair;
        struct packet_bytes sealed;
        pair_init(&pair, profiles[p], 50 + p);
        assert_int_equal(seal_seq(&pair.seal, 5, 2000, hello, &sealed), SRTP_OK);
        for (size_t bit = 0; bit < sealed.len * 8; bit++) {
            sealed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            enum srtp_result result = open_copy(&pair.open, &sealed);
            assert_true(result == SRTP_AUTH_FAILED || result == SRTP_MALFORMED);
            sealed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_int_equal(pair.open.stream_count, 0);
        assert_int_equal(open_copy(&pair.open, &sealed), SRTP_OK);
        pair_end(&pair);
    }
}

static void a_packet_of_every_shorter_length_is_refused(void **state) {
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(profiles); p++) {
        struct pair pair;
        struct packet_bytes sealed;
        pair_init(&pair, profiles[p], 60 + p);
        assert_int_equal(seal_seq(&pair.seal, 5, 2000, hello, &sealed), SRTP_OK);
        for (size_t len = 0; len < sealed.len; len++) {
            uint8_t *exact = malloc(len + 1); /* for the sanitizer: a read past the end is found */
            memcpy(exact, sealed.data, len);
            size_t opened_len = len;
            assert_int_not_equal(srtp_open(&pair.open, exact, &opened_len), SRTP_OK);
            opened_len = len;
            assert_int_not_equal(srtcp_open(&pair.open, exact, &opened_len), SRTP_OK);
            free(exact);
        }
        pair_end(&pair);
    }
}

/* Four turns of the 16-bit number with loss, and reorder by less than the window: every packet that is not lost opens,
 * once. */
static void the_roll_over_count_survives_loss_and_reorder(void **state) {
    (void)state;
    enum { COUNT = 4 * 65536, DELAYED = 64 };
    for (uint64_t seed = 0; seed < 3; seed++) {
        struct pair pair;
        pair_init(&pair, profiles[seed], 70 + seed);
        static struct packet_bytes late[DELAYED];
        size_t waiting = 0;
        uint64_t expected = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            struct packet_bytes sealed;
            if (i % 500 == 0) { /* nothing waits longer than the window */
                for (; waiting > 0; waiting--, expected++)
                    assert_int_equal(open_copy(&pair.open, &late[waiting - 1]), SRTP_OK);
            }
            assert_int_equal(seal_seq(&pair.seal, 5, (uint16_t)(30000 + i), hello, &sealed), SRTP_OK);
            uint64_t fate = rng_below(&pair.rng, 100);
            if (fate < 20)
                continue;
            if (fate < 30 && waiting < DELAYED) {
                late[waiting++] = sealed;
                continue;
            }
            expected++;
            assert_int_equal(open_copy(&pair.open, &sealed), SRTP_OK);
            if (waiting > 0 && rng_below(&pair.rng, 8) == 0) {
                size_t pick = rng_below(&pair.rng, waiting);
                expected++;
                assert_int_equal(open_copy(&pair.open, &late[pick]), SRTP_OK);
                late[pick] = late[--waiting];
            }
        }
        assert_int_equal(pair.open.counters.opened, expected);
        assert_int_equal((pair.open.streams[0].rtp.end - 1) >> 16, (30000 + COUNT - 1) >> 16);
        pair_end(&pair);
    }
}

static void a_packet_behind_the_window_is_refused(void **state) {
    (void)state;
    struct pair pair;
    struct packet_bytes first, edge, sealed;
    pair_init(&pair, SRTP_PROFILE_AEAD_AES_128_GCM, 80);
    assert_int_equal(seal_seq(&pair.seal, 5, 100, hello, &first), SRTP_OK);
    assert_int_equal(seal_seq(&pair.seal, 5, 101, hello, &edge), SRTP_OK);
    assert_int_equal(seal_seq(&pair.seal, 5, 100 + SRTP_WINDOW_PACKETS, hello, &sealed), SRTP_OK);
    assert_int_equal(open_copy(&pair.open, &sealed), SRTP_OK);
    assert_int_equal(open_copy(&pair.open, &first), SRTP_TOO_OLD);
    assert_int_equal(open_copy(&pair.open, &edge), SRTP_OK);
    pair_end(&pair);
}

static void after_a_jump_wider_than_the_window_every_number_opens(void **state) {
    (void)state;
    struct pair pair;
    struct packet_bytes sealed[2 * SRTP_WINDOW_PACKETS], far;
    pair_init(&pair, SRTP_PROFILE_AEAD_AES_128_GCM, 81);
    for (uint16_t i = 0; i < 2 * SRTP_WINDOW_PACKETS; i++) {
        assert_int_equal(seal_seq(&pair.seal, 5, (uint16_t)(100 + i), hello, &sealed[i]), SRTP_OK);
        if (i < SRTP_WINDOW_PACKETS)
            assert_int_equal(open_copy(&pair.open, &sealed[i]), SRTP_OK);
    }
    assert_int_equal(seal_seq(&pair.seal, 5, 20000, hello, &far), SRTP_OK);
    assert_int_equal(open_copy(&pair.open, &sealed[2 * SRTP_WINDOW_PACKETS - 1]), SRTP_OK);
    for (size_t i = SRTP_WINDOW_PACKETS; i < 2 * SRTP_WINDOW_PACKETS - 1; i++)
        assert_int_equal(open_copy(&pair.open, &sealed[i]), SRTP_OK);
    assert_int_equal(open_copy(&pair.open, &far), SRTP_OK);
    assert_int_equal(seal_seq(&pair.seal, 5, 19500, hello, &far), SRTP_OK);
    assert_int_equal(open_copy(&pair.open, &far), SRTP_OK);
    pair_end(&pair);
}

static void no_number_is_ever_sealed_twice(void **state) {
    (void)state;
    struct pair pair;
    struct packet_bytes sealed;
    pair_init(&pair, SRTP_PROFILE_AEAD_AES_256_GCM, 90);
    assert_int_equal(seal_seq(&pair.seal, 5, 40000, hello, &sealed), SRTP_OK);
    assert_int_equal(seal_seq(&pair.seal, 5, 40000, span_str("another"), &sealed), SRTP_REPLAYED);
    assert_int_equal(sealed.len, 0);
    assert_int_equal(seal_seq(&pair.seal, 5, 39000, hello, &sealed), SRTP_OK);
    assert_int_equal(seal_seq(&pair.seal, 5, 38000, hello, &sealed), SRTP_TOO_OLD);
    assert_int_equal(pair.seal.counters.replayed, 1);
    assert_int_equal(pair.seal.counters.too_old, 1);
    /* below the very first number there is none */
    assert_int_equal(seal_seq(&pair.seal, 6, 3, hello, &sealed), SRTP_OK);
    assert_int_equal(seal_seq(&pair.seal, 6, 65530, hello, &sealed), SRTP_TOO_OLD);
    pair_end(&pair);
}

static void the_last_index_ends_the_key(void **state) {
    (void)state;
    struct pair pair;
    struct packet_bytes sealed;
    pair_init(&pair, SRTP_PROFILE_AEAD_AES_128_GCM, 91);
    assert_int_equal(seal_seq(&pair.seal, 5, 65000, hello, &sealed), SRTP_OK);
    pair.seal.streams[0].rtp.end = SRTP_INDEX_MAX;
    assert_int_equal(seal_seq(&pair.seal, 5, 0xffff, hello, &sealed), SRTP_OK);
    assert_int_equal(seal_seq(&pair.seal, 5, 0, hello, &sealed), SRTP_KEY_USED_UP);
    uint8_t report[8] = {0x80, 201, 0, 1, 0, 0, 0, 5};
    pair.seal.rtcp_index = SRTCP_INDEX_MAX;
    assert_int_equal(srtcp_seal(&pair.seal, span_of(report, 8), sealed.data, PACKET_MAX, &sealed.len), SRTP_OK);
    assert_int_equal(srtcp_seal(&pair.seal, span_of(report, 8), sealed.data, PACKET_MAX, &sealed.len),
                     SRTP_KEY_USED_UP);
    pair_end(&pair);
}

static void a_full_table_refuses_new_streams_and_keeps_the_old(void **state) {
    (void)state;
    struct pair pair;
    struct pair wide;
    struct packet_bytes sealed;
    pair_init(&pair, SRTP_PROFILE_AEAD_AES_128_GCM, 92);
    pair_init(&wide, SRTP_PROFILE_AEAD_AES_128_GCM, 92);
    for (uint32_t ssrc = 1; ssrc <= STREAMS; ssrc++) {
        assert_int_equal(seal_seq(&pair.seal, ssrc, 100, hello, &sealed), SRTP_OK);
        assert_int_equal(open_copy(&pair.open, &sealed), SRTP_OK);
    }
    assert_int_equal(seal_seq(&pair.seal, 99, 100, hello, &sealed), SRTP_STREAMS_FULL);
    assert_int_equal(seal_seq(&wide.seal, 99, 100, hello, &sealed), SRTP_OK);
    assert_int_equal(open_copy(&pair.open, &sealed), SRTP_STREAMS_FULL);
    assert_int_equal(pair.open.counters.streams_full, 1);
    assert_int_equal(seal_seq(&pair.seal, 3, 101, hello, &sealed), SRTP_OK);
    assert_int_equal(open_copy(&pair.open, &sealed), SRTP_OK);
    pair_end(&pair);
    pair_end(&wide);
}

static void a_retired_stream_frees_its_place_and_never_comes_back(void **state) {
    (void)state;
    struct pair pair;
    struct packet_bytes sealed[STREAMS], more;
    pair_init(&pair, SRTP_PROFILE_AEAD_AES_128_GCM, 93);
    for (uint32_t ssrc = 1; ssrc <= STREAMS; ssrc++) {
        assert_int_equal(seal_seq(&pair.seal, ssrc, 100, hello, &sealed[ssrc - 1]), SRTP_OK);
        assert_int_equal(open_copy(&pair.open, &sealed[ssrc - 1]), SRTP_OK);
    }
    assert_true(srtp_retire(&pair.seal, 2));
    assert_true(srtp_retire(&pair.open, 2));
    assert_true(srtp_retire(&pair.open, 2));
    assert_int_equal(pair.open.retired_count, 1);
    assert_int_equal(seal_seq(&pair.seal, 2, 101, hello, &more), SRTP_RETIRED);
    assert_int_equal(open_copy(&pair.open, &sealed[1]), SRTP_RETIRED);
    /* the others kept their windows though one moved, and a new one fits */
    for (size_t i = 0; i < STREAMS; i++) {
        if (i != 1)
            assert_int_equal(open_copy(&pair.open, &sealed[i]), SRTP_REPLAYED);
    }
    assert_int_equal(seal_seq(&pair.seal, 77, 100, hello, &more), SRTP_OK);
    assert_int_equal(open_copy(&pair.open, &more), SRTP_OK);
    assert_true(srtp_retire(&pair.open, 500) && srtp_retire(&pair.open, 501) && srtp_retire(&pair.open, 502));
    assert_false(srtp_retire(&pair.open, 503));
    pair_end(&pair);
}

static void rtcp_opens_once_and_only_encrypted(void **state) {
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(profiles); p++) {
        struct pair pair;
        pair_init(&pair, profiles[p], 100 + p);
        uint8_t report[32] = {0x81, 201, 0, 7, 0, 0, 0, 5};
        struct packet_bytes sealed[200];
        for (size_t i = 0; i < 200; i++) {
            assert_int_equal(
                srtcp_seal(&pair.seal, span_of(report, sizeof report), sealed[i].data, PACKET_MAX, &sealed[i].len),
                SRTP_OK);
            assert_int_equal(sealed[i].len, sizeof report + srtcp_overhead(profiles[p]));
        }
        for (size_t i = 199; i < 200; i--) {
            struct packet_bytes copy = sealed[i];
            enum srtp_result expected = i + SRTCP_WINDOW_PACKETS > 199 ? SRTP_OK : SRTP_TOO_OLD;
            assert_int_equal(srtcp_open(&pair.open, copy.data, &copy.len), expected);
            if (expected == SRTP_OK)
                assert_memory_equal(copy.data, report, sizeof report);
        }
        struct packet_bytes copy = sealed[199];
        assert_int_equal(srtcp_open(&pair.open, copy.data, &copy.len), SRTP_REPLAYED);
        assert_int_equal(srtcp_seal(&pair.seal, span_of(report, sizeof report), copy.data, PACKET_MAX, &copy.len),
                         SRTP_OK);
        size_t flag_at = copy.len - (profiles[p] == SRTP_PROFILE_AES128_CM_SHA1_80 ? 14 : 4);
        struct packet_bytes bad = copy;
        bad.data[flag_at] &= 0x7f;
        assert_int_equal(srtcp_open(&pair.open, bad.data, &bad.len), SRTP_MALFORMED);
        assert_int_equal(pair.open.counters.unencrypted, 1);
        for (size_t bit = 0; bit < copy.len * 8; bit++) {
            bad = copy;
            bad.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_not_equal(srtcp_open(&pair.open, bad.data, &bad.len), SRTP_OK);
        }
        assert_int_equal(srtcp_open(&pair.open, copy.data, &copy.len), SRTP_OK);
        pair_end(&pair);
    }
}

static void sealing_and_opening_never_allocate(void **state) {
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(profiles); p++) {
        struct pair pair;
        pair_init(&pair, profiles[p], 110 + p);
        uint64_t before = allocations;
        assert_true(before > 0);
        uint8_t report[8] = {0x80, 201, 0, 1, 0, 0, 0, 5};
        for (uint16_t seq16 = 1; seq16 < 100; seq16++) {
            struct packet_bytes sealed;
            assert_int_equal(seal_seq(&pair.seal, seq16 % STREAMS, seq16, hello, &sealed), SRTP_OK);
            sealed.data[20] ^= (uint8_t)(seq16 % 2);
            (void)srtp_open(&pair.open, sealed.data, &sealed.len);
            assert_int_equal(srtcp_seal(&pair.seal, span_of(report, 8), sealed.data, PACKET_MAX, &sealed.len), SRTP_OK);
            (void)srtcp_open(&pair.open, sealed.data, &sealed.len);
        }
        assert_int_equal(allocations, before);
        pair_end(&pair);
    }
}

int main(void) {
    if (CRYPTO_set_mem_functions(counting_malloc, counting_realloc, counting_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_derived_as_in_rfc_3711),
        cmocka_unit_test(gcm_packets_look_as_in_rfc_7714),
        cmocka_unit_test(dtls_material_is_split_client_key_server_key_client_salt_server_salt),
        cmocka_unit_test(what_is_sealed_opens_again_for_every_profile),
        cmocka_unit_test(a_prefix_is_sealed_in_front_of_the_shared_payload),
        cmocka_unit_test(one_payload_is_sealed_for_many_sessions_at_once),
        cmocka_unit_test(a_replayed_packet_is_refused),
        cmocka_unit_test(any_flipped_bit_is_refused_and_leaves_no_trace),
        cmocka_unit_test(a_packet_of_every_shorter_length_is_refused),
        cmocka_unit_test(the_roll_over_count_survives_loss_and_reorder),
        cmocka_unit_test(a_packet_behind_the_window_is_refused),
        cmocka_unit_test(after_a_jump_wider_than_the_window_every_number_opens),
        cmocka_unit_test(no_number_is_ever_sealed_twice),
        cmocka_unit_test(the_last_index_ends_the_key),
        cmocka_unit_test(a_full_table_refuses_new_streams_and_keeps_the_old),
        cmocka_unit_test(a_retired_stream_frees_its_place_and_never_comes_back),
        cmocka_unit_test(rtcp_opens_once_and_only_encrypted),
        cmocka_unit_test(sealing_and_opening_never_allocate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
