/* The parts of the HTTP server that need no socket. */
#include "unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/time.h"
#include "server/http_clients.h"
#include "server/http_head.h"
#include "server/http_internal.h"

#define START_US (1000 * US_PER_S)

static void budgets_of_one_source_run_out_and_come_back_and_others_have_theirs(void **state) {
    (void)state;
    struct rng rng = rng_seeded(5);
    struct http_clients clients;
    struct net_addr mallory = net_addr_v4(192, 0, 2, 1, 0), ann = net_addr_v4(192, 0, 2, 2, 0);
    assert_true(http_clients_init(&clients, 4, &rng));
    for (int i = 0; i < CLIENT_HANDSHAKE_BURST; i++)
        assert_true(http_client_take(http_clients_of(&clients, &mallory), CLIENT_HANDSHAKES, START_US));
    assert_false(http_client_take(http_clients_of(&clients, &mallory), CLIENT_HANDSHAKES, START_US));
    assert_true(http_client_take(http_clients_of(&clients, &mallory), CLIENT_SOCKETS, START_US));
    assert_true(http_client_take(http_clients_of(&clients, &ann), CLIENT_HANDSHAKES, START_US));
    for (int i = 0; i < CLIENT_HANDSHAKE_RATE; i++)
        assert_true(http_client_take(http_clients_of(&clients, &mallory), CLIENT_HANDSHAKES, START_US + US_PER_S));
    assert_false(http_client_take(http_clients_of(&clients, &mallory), CLIENT_HANDSHAKES, START_US + US_PER_S));
    http_clients_free(&clients);
}

static void a_source_with_open_connections_keeps_its_record(void **state) {
    (void)state;
    struct rng rng = rng_seeded(5);
    struct http_clients clients;
    struct net_addr busy = net_addr_v4(192, 0, 2, 1, 0);
    assert_true(http_clients_init(&clients, 4, &rng));
    http_clients_of(&clients, &busy)->connections = 1;
    for (uint8_t i = 2; i < 200; i++) {
        struct net_addr other = net_addr_v4(192, 0, 2, i, 0);
        assert_non_null(http_clients_of(&clients, &other));
    }
    assert_int_equal(http_clients_of(&clients, &busy)->connections, 1);
    for (uint8_t i = 2; i < 5; i++) {
        struct net_addr other = net_addr_v4(198, 51, 100, i, 0);
        http_clients_of(&clients, &other)->connections = 1;
    }
    struct net_addr late = net_addr_v4(203, 0, 113, 1, 0);
    assert_null(http_clients_of(&clients, &late));
    http_clients_free(&clients);
}

static bool has(const char *list, const char *word) {
    return http_list_has(span_str(list), word);
}

static void lists_are_read_without_case_and_what_weighs_nothing_is_not_in_them(void **state) {
    (void)state;
    assert_true(has("Text/HTML,application/xml", "text/html"));
    assert_true(has("a, text/html;level=1;q=0.1", "text/html"));
    assert_false(has("text/html ; Q=0.000", "text/html"));
    assert_false(has("text/htmlx", "text/html"));
    assert_false(has("", "text/html"));
    assert_true(has("keep-alive, Upgrade", "upgrade"));
}

static void who_reads_late_is_invited_late_and_not_cut_off(void **state) {
    (void)state;
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    static struct http_connection c;
    static uint8_t filling[4096];
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    assert_true(stream_begin(&c.stream, ends[0], NULL));
    while (send(ends[0], filling, sizeof filling, MSG_NOSIGNAL) > 0) { /* answers that nobody reads */
    }
    while (send(ends[0], filling, 1, MSG_NOSIGNAL) > 0) {
    }
    c.invite_left = sizeof go_on - 1;
    assert_int_equal(request_invite(&c), 0);
    assert_true(c.blocked); /* it is tried again when there is room */
    size_t last = 0;
    for (ssize_t got; (got = recv(ends[1], filling, sizeof filling, 0)) > 0;)
        last = (size_t)got;
    assert_true(last > 0);
    assert_int_equal(request_invite(&c), 1);
    assert_false(c.blocked);
    assert_int_equal(recv(ends[1], filling, sizeof filling, 0), sizeof go_on - 1);
    assert_memory_equal(filling, go_on, sizeof go_on - 1);
    stream_end(&c.stream);
    assert_int_equal(close(ends[1]), 0);
}

int main(void) {
    const struct CMUnitTest parts[] = {
        cmocka_unit_test(who_reads_late_is_invited_late_and_not_cut_off),
        cmocka_unit_test(budgets_of_one_source_run_out_and_come_back_and_others_have_theirs),
        cmocka_unit_test(a_source_with_open_connections_keeps_its_record),
        cmocka_unit_test(lists_are_read_without_case_and_what_weighs_nothing_is_not_in_them),
    };
    return cmocka_run_group_tests(parts, NULL, NULL);
}
