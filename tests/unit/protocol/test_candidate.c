#include "unit.h"

#include "protocol/candidate.h"

static bool parse(const char *line, struct candidate *c) {
    return candidate_parse(span_str(line), c);
}

static void candidates_of_browsers_are_read(void **state) {
    (void)state;
    struct candidate c;
    assert_true(parse("candidate:1467250027 1 udp 2122260223 192.168.0.196 46243 typ host generation 0 ufrag EsAw "
                      "network-id 1 network-cost 10",
                      &c));
    struct net_addr expected = net_addr_v4(192, 168, 0, 196, 46243);
    assert_true(net_addr_equal(&c.addr, &expected));
    assert_int_equal(c.type, CANDIDATE_HOST);
    assert_int_equal(c.priority, 2122260223);
    assert_string_equal(c.foundation, "1467250027");
    assert_string_equal(c.ufrag, "EsAw");

    assert_true(parse("a=candidate:0 2 UDP 1694498815 203.0.113.9 5000 typ srflx raddr 0.0.0.0 rport 9\r\n", &c));
    assert_int_equal(c.type, CANDIDATE_SRFLX);
    assert_int_equal(c.component, 2);
    assert_int_equal(c.related.family, 4);
    assert_int_equal(c.related.port, 9);

    assert_true(parse("candidate:3 1 tcp 1518280447 2001:db8::7 9 typ host tcptype active", &c));
    assert_int_equal(c.addr.family, 6);
    assert_int_equal(c.addr.proto, NET_TCP);
    assert_int_equal(c.tcp, CANDIDATE_TCP_ACTIVE);
}

static void a_host_name_leaves_a_candidate_without_address(void **state) {
    (void)state;
    struct candidate c;
    assert_true(parse("candidate:1 1 udp 2113937151 1c2d8a04-8f55-43d6-9ffd-ff7a3b8d7d3b.local 54321 typ host", &c));
    assert_int_equal(c.addr.family, 0);
    assert_int_equal(c.addr.port, 54321);
}

static void malformed_and_foreign_candidates_are_refused(void **state) {
    (void)state;
    static const char *const lines[] = {
        "",
        "candidate",
        "candidate:",
        "candidate:1",
        "candidates:1 1 udp 1 192.0.2.1 1 typ host",
        "candidate:1 0 udp 1 192.0.2.1 1 typ host",
        "candidate:1 257 udp 1 192.0.2.1 1 typ host",
        "candidate:1 1 sctp 1 192.0.2.1 1 typ host",
        "candidate:1 1 ssltcp 1 192.0.2.1 1 typ host tcptype passive",
        "candidate:1 1 udp 0 192.0.2.1 1 typ host",
        "candidate:1 1 udp 2147483648 192.0.2.1 1 typ host",
        "candidate:1 1 udp -1 192.0.2.1 1 typ host",
        "candidate:1 1 udp 1 192.0.2.1 65536 typ host",
        "candidate:1 1 udp 1  1 typ host",
        "candidate:1 1 udp 1 192.0.2.1 1 type host",
        "candidate:1 1 udp 1 192.0.2.1 1 typ",
        "candidate:1 1 udp 1 192.0.2.1 1 typ moon",
        "candidate:1 1 udp 1 192.0.2.1 1 typ host rport",
        "candidate:1 1 udp 1 192.0.2.1 1 typ srflx rport x",
        "candidate:1 1 udp 1 192.0.2.1 1 typ host tcptype passive",
        "candidate:1 1 tcp 1 192.0.2.1 1 typ host",
        "candidate:1 1 tcp 1 192.0.2.1 1 typ host tcptype both",
        "candidate:1! 1 udp 1 192.0.2.1 1 typ host",
        "candidate:123456789012345678901234567890123 1 udp 1 192.0.2.1 1 typ host",
    };
    struct candidate c;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_false(parse(lines[i], &c));
    char longest[CANDIDATE_LINE_LEN_MAX + 64] = "candidate:1 1 udp 1 192.0.2.1 1 typ host";
    memset(longest + strlen(longest), ' ', CANDIDATE_LINE_LEN_MAX);
    assert_false(parse(longest, &c));
}

static void candidates_are_read_as_they_were_written(void **state) {
    (void)state;
    static const char *const lines[] = {
        "candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host",
        "candidate:2 1 tcp 1671430143 2001:db8::1 7881 typ host tcptype passive",
        "candidate:3 1 udp 1685987071 198.51.100.7 40112 typ srflx raddr 10.0.0.4 rport 40111 ufrag Xy9z",
        "candidate:a+/ 256 udp 1 198.51.100.7 0 typ relay raddr fe80::1 rport 0",
        "candidate:4 1 tcp 5 192.0.2.1 9 typ prflx tcptype so",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct candidate c;
        assert_true(parse(lines[i], &c));
        char out[256] = {0};
        struct writer w = writer_of(out, sizeof out - 1);
        assert_true(candidate_write(&w, &c));
        assert_string_equal(out, lines[i]);
        struct writer small = writer_of(out, strlen(lines[i]) - 1);
        assert_false(candidate_write(&small, &c));
    }
}

static void priorities_follow_the_formula_of_rfc_8445(void **state) {
    (void)state;
    assert_int_equal(candidate_priority(CANDIDATE_HOST, 65535, 1), 2130706431);
    assert_int_equal(candidate_priority(CANDIDATE_SRFLX, 65535, 1), 1694498815);
    assert_int_equal(candidate_priority(CANDIDATE_PRFLX, 65535, 256), 1862270720);
    assert_int_equal(candidate_priority(CANDIDATE_RELAY, 0, 256), 0);
    /* controlling 5, controlled 3: 2^32 * 3 + 2 * 5 + 1 */
    assert_true(candidate_pair_priority(5, 3) == (UINT64_C(3) << 32) + 11);
    assert_true(candidate_pair_priority(3, 5) == (UINT64_C(3) << 32) + 10);
    assert_true(candidate_pair_priority(4, 4) == (UINT64_C(4) << 32) + 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_of_browsers_are_read),
        cmocka_unit_test(a_host_name_leaves_a_candidate_without_address),
        cmocka_unit_test(malformed_and_foreign_candidates_are_refused),
        cmocka_unit_test(candidates_are_read_as_they_were_written),
        cmocka_unit_test(priorities_follow_the_formula_of_rfc_8445),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
