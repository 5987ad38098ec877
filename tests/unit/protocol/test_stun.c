#include "unit.h"

#include "base/rng.h"
#include "protocol/demux.h"
#include "protocol/stun.h"

/* RFC 5769 sections 2.1 to 2.3. */
static const char rfc5769_password[] = "VOkJxbRl1RmTxUk/WvJxBt";
static const uint8_t rfc5769_request[] = {
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87,
    0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20, 0x63, 0x6c,
    0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff, 0x80, 0x29, 0x00, 0x08, 0x93, 0x2f,
    0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76,
    0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e,
    0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf};
static const uint8_t rfc5769_response_v4[] = {
    0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9,
    0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96};
static const uint8_t rfc5769_response_v6[] = {
    0x01, 0x01, 0x00, 0x48, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf,
    0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63, 0x74, 0x6f, 0x72, 0x20, 0x00, 0x20,
    0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe,
    0xd2, 0xb9, 0xd9, 0x00, 0x08, 0x00, 0x14, 0xa3, 0x82, 0x95, 0x4e, 0x4b, 0xe6, 0x7b, 0xf1, 0x17, 0x84, 0xc9, 0x7c,
    0x82, 0x92, 0xc2, 0x75, 0xbf, 0xe3, 0xed, 0x41, 0x80, 0x28, 0x00, 0x04, 0xc8, 0xfb, 0x0b, 0x4c};

static void the_sample_request_of_rfc_5769_is_read_and_verified(void **state) {
    (void)state;
    struct stun_message m;
    struct span bytes = span_of(rfc5769_request, sizeof rfc5769_request);
    assert_true(stun_looks_like(bytes));
    assert_int_equal(stun_parse(bytes, &m), STUN_OK);
    assert_int_equal(m.class, STUN_REQUEST);
    assert_int_equal(m.method, STUN_METHOD_BINDING);
    assert_int_equal(m.present, STUN_HAS_USERNAME | STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT | STUN_HAS_PRIORITY |
                                    STUN_HAS_CONTROLLED);
    assert_true(span_equal_str(m.username, "evtj:h6vY"));
    assert_int_equal(m.priority, 0x6e0001ff);
    assert_true(m.tie_breaker == UINT64_C(0x932ff9b151263b36));
    assert_true(stun_check_integrity(&m, span_str(rfc5769_password)));
    assert_false(stun_check_integrity(&m, span_str("VOkJxbRl1RmTxUk/WvJxBu")));
    struct span username;
    assert_true(stun_peek_username(bytes, &username));
    assert_true(span_equal_str(username, "evtj:h6vY"));
}

static void the_sample_responses_of_rfc_5769_are_read_and_verified(void **state) {
    (void)state;
    struct stun_message m;
    assert_int_equal(stun_parse(span_of(rfc5769_response_v4, sizeof rfc5769_response_v4), &m), STUN_OK);
    assert_int_equal(m.class, STUN_SUCCESS);
    assert_true(stun_check_integrity(&m, span_str(rfc5769_password)));
    struct net_addr expected = net_addr_v4(192, 0, 2, 1, 32853);
    assert_true(net_addr_equal(&m.mapped, &expected));

    assert_int_equal(stun_parse(span_of(rfc5769_response_v6, sizeof rfc5769_response_v6), &m), STUN_OK);
    assert_true(stun_check_integrity(&m, span_str(rfc5769_password)));
    assert_true(net_ip_parse(span_str("2001:db8:1234:5678:11:2233:4455:6677"), &expected));
    expected.port = 32853;
    assert_true(net_addr_equal(&m.mapped, &expected));
}

static void every_flipped_bit_is_found_by_integrity_or_fingerprint(void **state) {
    (void)state;
    for (size_t bit = 0; bit < 8 * sizeof rfc5769_request; bit++) {
        uint8_t copy[sizeof rfc5769_request];
        memcpy(copy, rfc5769_request, sizeof copy);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct stun_message m;
        bool good = stun_parse(span_of(copy, sizeof copy), &m) == STUN_OK &&
                    stun_check_integrity(&m, span_str(rfc5769_password)) && (m.present & STUN_HAS_FINGERPRINT);
        assert_false(good);
    }
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    for (size_t len = 0; len < sizeof rfc5769_request; len++) {
        struct stun_message m;
        assert_int_equal(stun_parse(span_of(rfc5769_request, len), &m), STUN_MALFORMED);
        /* nor with a length field that agrees: the fingerprint is gone, so it may parse, but not verify as the whole */
        uint8_t copy[sizeof rfc5769_request];
        memcpy(copy, rfc5769_request, len);
        if (len < STUN_HEADER_LEN)
            continue;
        copy[2] = 0;
        copy[3] = (uint8_t)(len - STUN_HEADER_LEN);
        if (stun_parse(span_of(copy, len), &m) == STUN_OK)
            assert_false(m.present & STUN_HAS_FINGERPRINT);
    }
}

static void requests_are_read_as_they_were_written(void **state) {
    (void)state;
    struct rng rng = rng_seeded(1);
    for (int i = 0; i < 500; i++) {
        uint8_t bytes[STUN_MESSAGE_LEN_MAX + 8];
        uint8_t transaction[STUN_TRANSACTION_LEN];
        char name[66];
        char key[33];
        size_t key_len = 22 + rng_below(&rng, 11);
        rng_fill(&rng, transaction, sizeof transaction);
        rng_token(&rng, name, 1 + rng_below(&rng, 65));
        rng_token(&rng, key, key_len);
        struct stun_binding_request request = {.transaction = transaction,
                                               .username = span_str(name),
                                               .key = span_str(key),
                                               .priority = rng_u32(&rng),
                                               .tie_breaker = rng_u64(&rng),
                                               .controlling = rng_below(&rng, 2) != 0,
                                               .use_candidate = rng_below(&rng, 2) != 0};
        struct writer w = writer_of(bytes, sizeof bytes);
        size_t before = rng_below(&rng, 3); /* a message need not start where the writer does */
        wr_zeros(&w, before);
        assert_true(stun_write_request(&w, &request));
        struct stun_message m;
        assert_int_equal(stun_parse(span_of(bytes + before, w.len - before), &m), STUN_OK);
        assert_true(stun_check_integrity(&m, span_str(key)));
        assert_true(m.present & STUN_HAS_FINGERPRINT);
        assert_true(span_equal_str(m.username, name));
        assert_int_equal(m.priority, request.priority);
        assert_true(m.tie_breaker == request.tie_breaker);
        assert_int_equal((m.present & STUN_HAS_CONTROLLING) != 0, request.controlling);
        assert_int_equal((m.present & STUN_HAS_CONTROLLED) != 0, !request.controlling);
        assert_int_equal((m.present & STUN_HAS_USE_CANDIDATE) != 0, request.use_candidate);
        assert_memory_equal(m.transaction, transaction, sizeof transaction);
        struct writer small = writer_of(bytes, w.len - before - 1);
        assert_false(stun_write_request(&small, &request));
    }
}

static void error_answers_carry_their_code_and_the_unknown_attributes(void **state) {
    (void)state;
    uint8_t bytes[128];
    struct stun_message request = {.class = STUN_REQUEST, .unknown_count = 3, .unknown = {0x0031, 0x7ffe, 0x0002}};
    static const enum stun_error_code codes[] = {STUN_ERROR_BAD_REQUEST, STUN_ERROR_UNAUTHENTICATED,
                                                 STUN_ERROR_UNKNOWN_ATTRIBUTE, STUN_ERROR_ROLE_CONFLICT};
    for (size_t i = 0; i < 4; i++) {
        struct writer w = writer_of(bytes, sizeof bytes);
        struct span key = i >= 2 ? span_str("a password of 22 chars") : span_of(NULL, 0);
        assert_true(stun_write_error(&w, &request, codes[i], key));
        struct stun_message m;
        assert_int_equal(stun_parse(writer_span(&w), &m), STUN_OK);
        assert_int_equal(m.class, STUN_ERROR);
        assert_int_equal(m.error_code, codes[i]);
        assert_int_equal(stun_check_integrity(&m, span_str("a password of 22 chars")), i >= 2);
    }
    struct writer w = writer_of(bytes, sizeof bytes);
    assert_true(stun_write_error(&w, &request, STUN_ERROR_UNKNOWN_ATTRIBUTE, span_of(NULL, 0)));
    static const uint8_t named[] = {0x00, 0x0a, 0x00, 0x06, 0x00, 0x31, 0x7f, 0xfe, 0x00, 0x02, 0x00, 0x00};
    assert_memory_equal(bytes + w.len - 8 - sizeof named, named, sizeof named);
}

/* Builds a request by hand: header, then raw attributes. */
static struct span by_hand(uint8_t *out, size_t size, const uint8_t *attributes, size_t len) {
    struct writer w = writer_of(out, size);
    wr_u16(&w, 1);
    wr_u16(&w, (uint16_t)len);
    wr_u32(&w, STUN_COOKIE);
    wr_zeros(&w, STUN_TRANSACTION_LEN);
    wr_bytes(&w, attributes, len);
    return writer_span(&w);
}

static void unknown_required_attributes_are_listed_and_optional_ones_ignored(void **state) {
    (void)state;
    static const uint8_t attributes[] = {0x7f, 0x00, 0x00, 0x01, 1, 0,  0,    0,    0xc0, 0x57,
                                         0x00, 0x04, 0,    1,    0, 10, 0x00, 0x31, 0x00, 0x00};
    uint8_t bytes[64];
    struct stun_message m;
    assert_int_equal(stun_parse(by_hand(bytes, sizeof bytes, attributes, sizeof attributes), &m), STUN_OK);
    assert_int_equal(m.unknown_count, 2);
    assert_int_equal(m.unknown[0], 0x7f00);
    assert_int_equal(m.unknown[1], 0x0031);
}

static void of_a_repeated_attribute_the_first_counts(void **state) {
    (void)state;
    static const uint8_t attributes[] = {0x00, 0x24, 0x00, 0x04, 0, 0, 0, 1, 0x00, 0x24, 0x00, 0x04, 0, 0, 0, 2};
    uint8_t bytes[64];
    struct stun_message m;
    assert_int_equal(stun_parse(by_hand(bytes, sizeof bytes, attributes, sizeof attributes), &m), STUN_OK);
    assert_int_equal(m.priority, 1);
}

static void attributes_behind_the_integrity_do_not_count(void **state) {
    (void)state;
    uint8_t attributes[24 + 4] = {0x00, 0x08, 0x00, 0x14};
    static const uint8_t use_candidate[] = {0x00, 0x25, 0x00, 0x00};
    memcpy(attributes + 24, use_candidate, 4);
    uint8_t bytes[64];
    struct stun_message m;
    assert_int_equal(stun_parse(by_hand(bytes, sizeof bytes, attributes, sizeof attributes), &m), STUN_OK);
    assert_int_equal(m.present, STUN_HAS_INTEGRITY);
}

static void a_flood_of_attributes_is_malformed(void **state) {
    (void)state;
    uint8_t attributes[4 * (STUN_ATTRIBUTES_MAX + 1)];
    for (size_t i = 0; i < sizeof attributes; i += 4)
        memcpy(attributes + i, (uint8_t[4]){0x80, 0x22, 0, 0}, 4);
    uint8_t bytes[256];
    struct stun_message m;
    assert_int_equal(stun_parse(by_hand(bytes, sizeof bytes, attributes, sizeof attributes - 4), &m), STUN_OK);
    assert_int_equal(stun_parse(by_hand(bytes, sizeof bytes, attributes, sizeof attributes), &m), STUN_MALFORMED);
}

static enum demux_kind kind(uint8_t first, uint8_t second) {
    uint8_t bytes[2] = {first, second};
    return demux(span_of(bytes, sizeof bytes));
}

static void the_first_byte_tells_the_protocols_apart(void **state) {
    (void)state;
    assert_int_equal(kind(0, 1), DEMUX_STUN);
    assert_int_equal(kind(3, 1), DEMUX_STUN);
    assert_int_equal(kind(4, 1), DEMUX_NONE);
    assert_int_equal(kind(19, 0), DEMUX_NONE);
    assert_int_equal(kind(20, 254), DEMUX_DTLS);
    assert_int_equal(kind(63, 254), DEMUX_DTLS);
    assert_int_equal(kind(64, 0), DEMUX_NONE);
    assert_int_equal(kind(128, 111), DEMUX_RTP);
    assert_int_equal(kind(144, 0x80 | 63), DEMUX_RTP);
    assert_int_equal(kind(0x80, 200), DEMUX_RTCP);
    assert_int_equal(kind(0x81, 192), DEMUX_RTCP);
    assert_int_equal(kind(0x81, 223), DEMUX_RTCP);
    assert_int_equal(kind(0x81, 224), DEMUX_RTP);
    assert_int_equal(kind(192, 0), DEMUX_NONE);
    assert_int_equal(demux(span_of("", 0)), DEMUX_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_request_of_rfc_5769_is_read_and_verified),
        cmocka_unit_test(the_sample_responses_of_rfc_5769_are_read_and_verified),
        cmocka_unit_test(every_flipped_bit_is_found_by_integrity_or_fingerprint),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(requests_are_read_as_they_were_written),
        cmocka_unit_test(error_answers_carry_their_code_and_the_unknown_attributes),
        cmocka_unit_test(unknown_required_attributes_are_listed_and_optional_ones_ignored),
        cmocka_unit_test(of_a_repeated_attribute_the_first_counts),
        cmocka_unit_test(attributes_behind_the_integrity_do_not_count),
        cmocka_unit_test(a_flood_of_attributes_is_malformed),
        cmocka_unit_test(the_first_byte_tells_the_protocols_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
