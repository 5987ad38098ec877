/* How WebSockets end: which close frame goes out, and that one does. And what one that is not read from holds until then. */
#include "http_world.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "io/clock.h"
#include "server/http_internal.h"

/* Frames until the close frame; its code, 0 = it has none, -1 = there is no close frame. */
static int close_code(int fd) {
    size_t len;
    int first;
    while ((first = get_frame(fd, frame, sizeof frame, &len)) > 0 && first != 0x88) {
    }
    return first != 0x88 ? -1 : len == 0 ? 0 : (uint8_t)frame[0] << 8 | (uint8_t)frame[1];
}

/* ---- a close frame that found no room ---- */

/* Fills what the kernel takes of a connection, with whole frames of two bytes. */
static void fill(int fd) {
    static const uint8_t empty[] = {0x82, 0};
    int small = 1, refused = 0;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    while (refused < 20) {
        ssize_t sent = send(fd, empty, sizeof empty, MSG_DONTWAIT | MSG_NOSIGNAL);
        assert_true(sent == 2 || sent < 0);
        refused = sent < 0 ? refused + 1 : 0;
        if (sent < 0)
            usleep(1000);
    }
}

/* A connection whose close frame, with 1001, is in the queue and not begun. The kernel may find room after all: then
 * the next. */
static int dial_crowded(struct served *s) {
    for (int tries = 0; tries < 50; tries++) {
        uint32_t opened = s->opened;
        int fd = dial(s->port), small = 1;
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
        assert_true(put(fd, UPGRADE, sizeof UPGRADE - 1));
        while (s->opened == opened || s->http->connections->queue_first != NULL)
            http_turn(s->http);
        struct http_connection *c = s->http->connections;
        fill(c->stream.fd);
        http_close(s->http, s->session, 1001);
        http_wake(s->http);
        http_turn(s->http);
        if (c->close_sent && c->queue_first != NULL && c->first_sent == 0)
            return fd;
        close(fd);
        while (s->http->connections != NULL)
            http_turn(s->http);
    }
    fail_msg("the kernel took everything");
    return -1;
}

static void a_close_frame_that_found_no_room_goes_out_although_the_peer_closes_meanwhile(void **state) {
    (void)state;
    static char all[4u << 20];
    struct served *s = fresh();
    s->http = open_http(s, 8);
    int fd = dial_crowded(s);
    /* not through the socket: before it is read there might be room again */
    uint8_t closing[] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8};
    socket_input(s->http->connections, clock_now_us(), closing, sizeof closing);
    size_t len = 0;
    for (ssize_t got = -1; got != 0 && len < sizeof all;) {
        got = recv(fd, all + len, sizeof all - len, MSG_DONTWAIT);
        assert_true(got >= 0 || errno == EAGAIN);
        len += got > 0 ? (size_t)got : 0;
        if (got < 0) {
            http_wake(s->http);
            http_turn(s->http);
        }
    }
    assert_true(len >= 4);
    assert_memory_equal(all + len - 4, "\x88\x02\x03\xe9", 4);
    close(fd);
    finish(s);
}

/* Everything up to the close frame and what follows it until the peer's network is quiet; how many bytes. */
static size_t read_all(struct served *s, int fd, char *all, size_t size) {
    size_t len = 0;
    for (int quiet = 0; quiet < 50 && len < size;) {
        ssize_t got = recv(fd, all + len, size - len, MSG_DONTWAIT);
        assert_true(got > 0 || (got < 0 && errno == EAGAIN));
        len += got > 0 ? (size_t)got : 0;
        quiet = got > 0 ? 0 : quiet + 1;
        if (got < 0) {
            http_wake(s->http);
            http_turn(s->http);
        }
    }
    return len;
}

/* Behind the close frame nothing may come, and in front of it no ping may displace it: a look at a connection that was silent for
 * long enough is taken at its worst moment. */
static void nobody_is_pinged_once_the_close_frame_is_on_its_way(void **state) {
    (void)state;
    static char all[4u << 20];
    uint64_t due_us = (HTTP_PING_S + 1) * US_PER_S;
    struct served *s = fresh();
    s->http = open_http(s, 8);
    /* it waits for room */
    int fd = dial_crowded(s);
    socket_look(s->http->connections, clock_now_us() + due_us);
    assert_null(s->http->connections->queue_first->next);
    size_t len = read_all(s, fd, all, sizeof all);
    assert_true(len >= 4);
    assert_memory_equal(all + len - 4, "\x88\x02\x03\xe9", 4);
    /* it is out, and the peer says nothing */
    socket_look(s->http->connections, clock_now_us() + due_us);
    assert_int_equal(read_all(s, fd, all, sizeof all), 0);
    close(fd);
    finish(s);
}

/* ---- the kernel's part ---- */

static void who_does_not_read_holds_little_of_the_kernels_memory(void **state) {
    (void)state;
    static uint8_t message[500000];
    struct served *s = fresh();
    s->http = open_http(s, 8);
    int fd = dial(s->port), unsent = 0;
    assert_true(put(fd, UPGRADE, sizeof UPGRADE - 1));
    while (s->opened == 0 || s->http->connections->queue_first != NULL)
        http_turn(s->http);
    struct http_connection *c = s->http->connections;
    /* more than is kept for one, were it not for the kernel */
    for (int i = 0; i < 40 && !c->closing; i++) {
        http_send(s->http, s->session, span_of(message, sizeof message), false);
        http_wake(s->http);
        http_turn(s->http);
    }
    assert_true(c->closing);
    assert_int_equal(ioctl(c->stream.fd, SIOCOUTQNSD, &unsent), 0);
    assert_in_range(unsent, 1, 2 * HTTP_UNSENT_LEN_MAX); /* the kernel looks only between its own pieces */
    close(fd);
    finish(s);
}

/* ---- which code ---- */

static void crossing_client(struct served *s) {
    int fd = dial_socket(s);
    static const char both[] = "\x81\x88\0\0\0\0close me\x88\x82\0\0\0\0\x03\xe9";
    EXPECT(put(fd, both, sizeof both - 1));
    EXPECT(close_code(fd) == 1000);
    AWAIT(s->closed == 1);
    EXPECT(s->peer_code == 1001);
    close(fd);
}

static void why_a_session_is_closed_is_said_although_the_peer_closes_at_the_same_time(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 8, crossing_client);
    check_client();
    finish(s);
}

static void reasoning_client(struct served *s) {
    static const struct {
        const char *payload;
        size_t len;
        int answer;
    } reasons[] = {
        {"\x03\xe8"
         "good-bye",
         10, 1000},
        {"\x03\xe8"
         "\xc3\xa0 bient\xc3\xb4t",
         12, 1000},
        {"\x0f\xa0", 2, 4000},
        {"\x03\xe8"
         "\xc3\x28",
         4, 1007}, /* no continuation */
        {"\x03\xe8"
         "\xe2\x82",
         4, 1007}, /* cut off */
        {"\x03\xe8"
         "\xc0\xaf",
         4, 1007}, /* not the shortest form */
        {"\x03\xe8"
         "\xed\xa0\x80",
         5, 1007}, /* a surrogate */
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        int fd = dial_socket(s);
        EXPECT(put_frame(fd, 0x88, reasons[i].payload, reasons[i].len));
        EXPECT(close_code(fd) == reasons[i].answer);
        close(fd);
    }
}

static void a_reason_of_closing_that_is_not_utf8_is_answered_with_1007(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 8, reasoning_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->ws_broken, 4);
    finish(s);
}

/* ---- sessions that are not read from ---- */

static void waiting_client(struct served *s) {
    int fd = dial_socket(s);
    EXPECT(put_frame(fd, 0x81, "hold me", 7));
    EXPECT(close_code(fd) == 1013);
    AWAIT(s->closed == 1);
    close(fd);
}

static void a_session_that_is_not_read_from_for_too_long_is_told_to_come_again(void **state) {
    (void)state;
    struct served *s = fresh();
    s->config.hold_max_us = 100000;
    serve_with(s, 8, waiting_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->ws_held_long, 1);
    finish(s);
}

static void closed_while_held_client(struct served *s) {
    int fd = dial_socket(s);
    static const char both[] = "\x81\x87\0\0\0\0hold me\x81\x88\0\0\0\0close me";
    EXPECT(put(fd, both, sizeof both - 1));
    EXPECT(close_code(fd) == 1000);
    EXPECT(put_frame(fd, 0x88, "\x03\xe9", 2));
    AWAIT(s->closed == 1);
    EXPECT(s->peer_code == 1001);
    close(fd);
}

static void the_peers_close_frame_is_heard_although_its_session_was_not_read_from(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 8, closed_while_held_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->http_timeout, 0);
    finish(s);
}

int main(void) {
    const struct CMUnitTest endings[] = {
        cmocka_unit_test(a_close_frame_that_found_no_room_goes_out_although_the_peer_closes_meanwhile),
        cmocka_unit_test(nobody_is_pinged_once_the_close_frame_is_on_its_way),
        cmocka_unit_test(who_does_not_read_holds_little_of_the_kernels_memory),
        cmocka_unit_test(why_a_session_is_closed_is_said_although_the_peer_closes_at_the_same_time),
        cmocka_unit_test(a_reason_of_closing_that_is_not_utf8_is_answered_with_1007),
        cmocka_unit_test(a_session_that_is_not_read_from_for_too_long_is_told_to_come_again),
        cmocka_unit_test(the_peers_close_frame_is_heard_although_its_session_was_not_read_from),
    };
    return cmocka_run_group_tests(endings, NULL, NULL);
}
