/* ICE over TCP, alone, with a clock of our own, against real sockets on loopback. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "fake_engine.h"
#include "io/tcp.h"
#include "sockets.h"

#define PATIENCE_MS 5000

struct alone {
    struct tcp *tcp;
    int epoll;
    bool take;
    uint32_t frames, lost, conn;
};

static bool alone_frame(void *context, const struct engine_rx *meta, uint8_t *data, size_t len) {
    struct alone *a = context;
    (void)data;
    (void)len;
    a->frames++;
    a->conn = meta->from.conn;
    return a->take;
}

static void alone_lost(void *context, uint32_t conn) {
    ((struct alone *)context)->lost++;
    (void)conn;
}

static bool alone_move(void *context, uint32_t shard, int fd, const struct net_addr *from,
                       const struct net_addr *local) {
    (void)context, (void)shard, (void)fd, (void)from, (void)local;
    return false;
}

static void alone_open(struct alone *a, bool count_loopback) {
    *a = (struct alone){.epoll = epoll_create1(EPOLL_CLOEXEC), .take = true};
    struct tcp_config config = {.shards = 1,
                                .epoll = a->epoll,
                                .count_loopback = count_loopback,
                                .handlers = {a, alone_frame, alone_lost, alone_move}};
    char error[256];
    a->tcp = tcp_create(&config);
    assert_non_null(a->tcp);
    assert_true(tcp_listen(a->tcp, 0, true, error, sizeof error));
}

static void alone_turn(struct alone *a, uint64_t now_us) {
    struct epoll_event events[64];
    int count;
    while ((count = epoll_wait(a->epoll, events, 64, 20)) > 0) {
        for (int i = 0; i < count; i++)
            tcp_event(a->tcp, now_us, (uint32_t)events[i].data.u64, events[i].events);
        tcp_reap(a->tcp);
    }
}

/* A check of a fixed peer, framed. */
static size_t a_frame(uint8_t frame[256]) {
    uint8_t check[128];
    return framed(frame, check, fake_check(check, "00tcp"));
}

/* One that has sent it and, where `a->take`, is proven by it. */
static int alone_connected(struct alone *a) {
    uint8_t frame[256];
    size_t len = a_frame(frame);
    int fd = connect_to(SOCK_STREAM, tcp_port(a->tcp));
    assert_true(send(fd, frame, len, 0) > 0);
    alone_turn(a, US_PER_S);
    return fd;
}

static void alone_close(struct alone *a) {
    tcp_destroy(a->tcp);
    close(a->epoll);
}

static void a_silent_tcp_connection_gets_ten_seconds_and_an_unproven_one_no_more(void **state) {
    (void)state;
    struct alone a;
    alone_open(&a, false);
    a.take = false; /* checks come, and the engine takes none of them */
    uint8_t back[8];
    int silent = connect_to(SOCK_STREAM, tcp_port(a.tcp)), liar = alone_connected(&a);
    assert_int_equal(a.frames, 1);
    assert_int_equal(tcp_connections(a.tcp), 2);
    tcp_expire(a.tcp, 10 * US_PER_S);
    tcp_reap(a.tcp);
    assert_int_equal(tcp_connections(a.tcp), 2);
    tcp_expire(a.tcp, 11 * US_PER_S);
    tcp_reap(a.tcp);
    assert_int_equal(tcp_connections(a.tcp), 0);
    assert_int_equal(tcp_counters_get(a.tcp)->tcp_closed_timeout, 2);
    assert_int_equal(receive(silent, back, sizeof back, PATIENCE_MS), 0);
    close(silent);
    close(liar);
    alone_close(&a);
}

static void a_proven_tcp_connection_lives_as_long_as_valid_frames_come(void **state) {
    (void)state;
    struct alone a;
    alone_open(&a, false);
    uint8_t frame[256];
    size_t len = a_frame(frame);
    int fd = connect_to(SOCK_STREAM, tcp_port(a.tcp));
    for (uint64_t at = 1; at <= 200; at += 40) {
        assert_true(send(fd, frame, len, 0) > 0);
        alone_turn(&a, at * US_PER_S);
        tcp_expire(a.tcp, at * US_PER_S + 59 * US_PER_S);
        tcp_reap(a.tcp);
        assert_int_equal(tcp_connections(a.tcp), 1);
    }
    tcp_expire(a.tcp, 300 * US_PER_S);
    tcp_reap(a.tcp);
    assert_int_equal(a.lost, 1);
    close(fd);
    alone_close(&a);
}

static void a_tcp_peer_that_does_not_read_is_cut_off(void **state) {
    (void)state;
    struct alone a;
    alone_open(&a, false);
    uint8_t data[1200] = {0};
    int fd = alone_connected(&a);
    for (int i = 0; i < 100000 && a.lost == 0; i++) {
        tcp_send(a.tcp, a.conn, data, sizeof data);
        tcp_reap(a.tcp);
    }
    assert_int_equal(a.lost, 1);
    assert_int_equal(tcp_counters_get(a.tcp)->tcp_closed_overflow, 1);
    tcp_send(a.tcp, a.conn, data, sizeof data);
    assert_int_equal(tcp_counters_get(a.tcp)->tcp_tx_stale, 1);
    close(fd);
    alone_close(&a);
}

static void frames_queued_behind_a_slow_reader_arrive_whole_and_in_order(void **state) {
    (void)state;
    struct alone a;
    alone_open(&a, false);
    int fd = alone_connected(&a);
    uint32_t sent = 0, got = 0;
    uint8_t data[1000], back[1002];
    size_t have = 0;
    while (got < 20000) {
        while (sent < 20000 && sent - got < 3000) { /* more than the kernel takes at once, less than the queue */
            memset(data, (int)(sent & 0xff), sizeof data);
            memcpy(data, &sent, sizeof sent);
            tcp_send(a.tcp, a.conn, data, sizeof data);
            sent++;
            if (sent - got > 60 && sent % 16 == 0)
                break;
        }
        ssize_t part = recv(fd, back + have, sizeof back - have, MSG_DONTWAIT);
        if (part > 0 && (have += (size_t)part) == sizeof back) {
            uint32_t number;
            memcpy(&number, back + 2, sizeof number);
            assert_int_equal(back[0] << 8 | back[1], 1000);
            assert_int_equal(number, got);
            got++;
            have = 0;
        }
        struct epoll_event events[4];
        int count = epoll_wait(a.epoll, events, 4, 0);
        for (int i = 0; i < count; i++)
            tcp_event(a.tcp, US_PER_S, (uint32_t)events[i].data.u64, events[i].events);
        tcp_reap(a.tcp);
        assert_int_equal(a.lost, 0);
    }
    close(fd);
    alone_close(&a);
}

static void one_address_gets_a_limited_number_of_tcp_connections(void **state) {
    (void)state;
    struct alone a;
    alone_open(&a, true);
    int fds[TCP_PER_CLIENT_MAX + 10];
    for (int k = 0; k < TCP_PER_CLIENT_MAX + 10; k++)
        fds[k] = connect_to(SOCK_STREAM, tcp_port(a.tcp));
    alone_turn(&a, US_PER_S);
    assert_int_equal(tcp_connections(a.tcp), TCP_PER_CLIENT_MAX);
    assert_int_equal(tcp_counters_get(a.tcp)->tcp_refused_client, 10);
    for (int k = 0; k < TCP_PER_CLIENT_MAX + 10; k++)
        close(fds[k]);
    alone_close(&a);
}

static void unproven_tcp_connections_never_take_all_places(void **state) {
    (void)state;
    struct alone a;
    alone_open(&a, false);
    int fds[TCP_UNPROVEN_MAX + 20];
    for (int k = 0; k < TCP_UNPROVEN_MAX + 20; k++) {
        fds[k] = connect_to(SOCK_STREAM, tcp_port(a.tcp));
        if (k % 64 == 63)
            alone_turn(&a, US_PER_S);
    }
    alone_turn(&a, US_PER_S);
    assert_int_equal(tcp_connections(a.tcp), TCP_UNPROVEN_MAX);
    assert_int_equal(tcp_counters_get(a.tcp)->tcp_refused_full, 20);
    for (int k = 0; k < TCP_UNPROVEN_MAX + 20; k++)
        close(fds[k]);
    alone_close(&a);
}

int main(void) {
    const struct CMUnitTest tcp[] = {
        cmocka_unit_test(a_silent_tcp_connection_gets_ten_seconds_and_an_unproven_one_no_more),
        cmocka_unit_test(a_proven_tcp_connection_lives_as_long_as_valid_frames_come),
        cmocka_unit_test(a_tcp_peer_that_does_not_read_is_cut_off),
        cmocka_unit_test(frames_queued_behind_a_slow_reader_arrive_whole_and_in_order),
        cmocka_unit_test(one_address_gets_a_limited_number_of_tcp_connections),
        cmocka_unit_test(unproven_tcp_connections_never_take_all_places),
    };
    return cmocka_run_group_tests(tcp, NULL, NULL);
}
