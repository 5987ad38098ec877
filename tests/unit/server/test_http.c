/* The HTTP server against raw sockets: limits, slow and broken clients, WebSockets. The server turns in the test's own thread; the
 * client, which blocks, in another. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "http_world.h"
#include "io/clock.h"

static void ordinary_client(struct served *s) {
    EXPECT(STARTS(ask(s, "GET /a%20b HTTP/1.1\r\nHost: x\r\n" CLOSE), "HTTP/1.1 200 OK\r\n"));
    EXPECT(strstr(answer, "GET /a b body 0") != NULL);
    EXPECT(STARTS(ask(s, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" CLOSE "hello"), "HTTP/1.1 200"));
    EXPECT(strstr(answer, "POST /p body 5") != NULL);
    EXPECT(strstr(ask(s, "DELETE /d HTTP/1.1\r\nHost: x\r\n" CLOSE), "DELETE /d body 0") != NULL);
    EXPECT(strstr(ask(s, "PATCH /d HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n" CLOSE "ab"), "PATCH /d body 2") !=
           NULL);
    EXPECT(strstr(ask(s, "POST /d HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" CLOSE), "POST /d body 0") != NULL);
    EXPECT(strstr(ask(s, "POST /d HTTP/1.1\r\nHost: x\r\n" CLOSE), "POST /d body 0") != NULL);
    EXPECT(STARTS(ask(s, "HEAD /h HTTP/1.1\r\nHost: x\r\n" CLOSE), "HTTP/1.1 200"));
    EXPECT(strstr(answer, "Content-Length: 14") != NULL && strstr(answer, "\r\n\r\nHEAD") == NULL);
    /* two on one connection */
    EXPECT(strstr(ask(s, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n" CLOSE), "GET /1") != NULL);
    EXPECT(strstr(answer, "GET /2") != NULL);
    size_t len = 3u << 20;
    int fd = dial(s->port);
    (void)put(fd, "GET /huge HTTP/1.1\r\nHost: x\r\n" CLOSE, 50);
    (void)put(fd, "\r\n", 2);
    EXPECT(get(fd, answer, sizeof answer, ANSWER_MS) > len);
    close(fd);
}

static void requests_are_answered(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, ordinary_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->http_timeout, 0);
    finish(s);
}

static void query_client(struct served *s) {
    (void)ask(
        s,
        "GET /rtc/validate?access_token=a.b-c_d&join_request=AB%3D%3D&x=1+2&n=%26%3D;y HTTP/1.1\r\nHost: x\r\n" CLOSE);
}

static void the_query_keeps_its_meaning(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, query_client);
    assert_string_equal(s->last_query, "access_token=a.b-c_d&join_request=AB%3D%3D&x=1+2&n=%26%3D;y");
    assert_string_equal(s->last_path, "/rtc/validate");
    finish(s);
}

static void slashes_client(struct served *s) {
    (void)ask(s, "GET //rtc/validate HTTP/1.1\r\nHost: x\r\n" CLOSE);
}

static void a_doubled_slash_of_a_base_url_is_tolerated(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, slashes_client);
    assert_string_equal(s->last_path, "/rtc/validate");
    finish(s);
}

static void long_client(struct served *s) {
    static char line[1100000];
    static const size_t lengths[] = {16000, 40000, 65536 - 30, 100000, 1000000};
    for (size_t i = 0; i < 5; i++) {
        int at = snprintf(line, sizeof line, "GET /rtc/validate?access_token=");
        size_t token = lengths[i] - (size_t)at;
        memset(line + at, 'a', token);
        (void)snprintf(line + at + token, sizeof line - (size_t)at - token,
                       " HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\n" CLOSE);
        (void)ask(s, line);
        EXPECT(i < 3 ? STARTS(answer, "HTTP/1.1 200") : !STARTS(answer, "HTTP/1.1 2"));
        EXPECT(i >= 3 || strlen(s->last_query) == token + strlen("access_token="));
    }
    /* the same in headers: one long, and many */
    int at = snprintf(line, sizeof line, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: ");
    memset(line + at, 'b', 500000);
    (void)snprintf(line + at + 500000, 100, "\r\n" CLOSE);
    EXPECT(!STARTS(ask(s, line), "HTTP/1.1 2"));
    at = snprintf(line, sizeof line, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 20000; i++)
        at += snprintf(line + at, sizeof line - (size_t)at, "X-A%d: b\r\n", i);
    (void)snprintf(line + at, sizeof line - (size_t)at, CLOSE);
    EXPECT(!STARTS(ask(s, line), "HTTP/1.1 2"));
    at = snprintf(line, sizeof line, "GET /?");
    for (int i = 0; i < 3000; i++)
        at += snprintf(line + at, sizeof line - (size_t)at, "a%d=b&", i);
    (void)snprintf(line + at, sizeof line - (size_t)at, " HTTP/1.1\r\nHost: x\r\n" CLOSE);
    (void)ask(s, line);
    EXPECT(STARTS(ask(s, "GET /still HTTP/1.1\r\nHost: x\r\n" CLOSE), "HTTP/1.1 200"));
}

static void a_request_line_of_64_kb_is_served_and_a_longer_one_is_not(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, long_client);
    check_client();
    finish(s);
}

static void body_client(struct served *s) {
    static char text[300000];
    int at = snprintf(text, sizeof text, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n");
    memset(text + at, 'x', 200000);
    EXPECT(STARTS(ask(s, text), "HTTP/1.1 413"));
    EXPECT(STARTS(ask(s, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"), "HTTP/1.1 413"));
    EXPECT(!STARTS(ask(s, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nabc"), "HTTP/1.1 2"));
    EXPECT(STARTS(ask(s, "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
                  "HTTP/1.1 411"));
    at = snprintf(text, sizeof text, "POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n" CLOSE);
    memset(text + at, 'x', 200000);
    text[at + 200000] = 0;
    EXPECT(strstr(ask(s, text), "POST /large body 200000") != NULL);
}

static void bodies_are_limited_by_route(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, body_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->http_refused_body, 3);
    finish(s);
}

static void broken_client(struct served *s) {
    static const char *const broken[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02",
        "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\nabc",
        "GET x HTTP/1.1\r\n\r\n",
        "BREW / HTTP/1.1\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, "
        "HTTP2-Settings\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /rtc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
        "GET /rtc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
        "13\r\n\r\n",
        ("GET /rtc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: a,b\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        int fd = dial(s->port);
        (void)put(fd, broken[i], strlen(broken[i]));
        (void)get(fd, answer, sizeof answer, 200);
        EXPECT(strstr(answer, "101 Switching") == NULL || strstr(broken[i], "websocket") != NULL);
        close(fd);
    }
    EXPECT(STARTS(ask(s, "GET /still HTTP/1.1\r\nHost: x\r\n" CLOSE), "HTTP/1.1 200"));
}

static void broken_requests_harm_nobody(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, broken_client);
    check_client();
    finish(s);
}

/* Milliseconds until the server closed the connection, with a byte sent each quarter of a second; -1 = it did not. By
 * the clock: on a busy machine a quarter of a second of sleep is longer than that. */
static int64_t drip(struct served *s, const char *start) {
    uint64_t start_us = clock_now_us();
    int fd = dial(s->port);
    int64_t elapsed_ms = 0;
    bool cut = false;
    char byte;
    (void)put(fd, start, strlen(start));
    while (!cut && elapsed_ms < 20000) {
        usleep(250000);
        elapsed_ms = (int64_t)((clock_now_us() - start_us) / US_PER_MS);
        ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);
        cut = got == 0 || (got < 0 && errno != EAGAIN) || !put(fd, "a", 1);
    }
    close(fd);
    return cut ? elapsed_ms : -1;
}

static void dripping_client(struct served *s) {
    int idle = dial(s->port);
    EXPECT(drip(s, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ") >= 9000);
    EXPECT(get(idle, answer, sizeof answer, ANSWER_MS) == 0);
    close(idle);
}

static void a_client_that_drips_its_headers_is_cut_off_after_ten_seconds(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, dripping_client);
    check_client();
    assert_int_equal(http_connections(s->http), 0);
    finish(s);
}

static void crowd_client(struct served *s) {
    int fds[40];
    for (int i = 0; i < 40; i++)
        fds[i] = dial(s->port);
    int refused = 0;
    for (int tries = 0; tries < ANSWER_MS / 10 && refused < 40 - 16; tries++) {
        usleep(10000);
        refused = 0;
        for (int i = 0; i < 40; i++) {
            char byte;
            refused += recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0;
        }
    }
    EXPECT(refused == 40 - 16);
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    for (int tries = 0; tries < ANSWER_MS / 10 && s->connections > 0; tries++)
        usleep(10000);
    EXPECT(STARTS(ask(s, "GET /after HTTP/1.1\r\nHost: x\r\n" CLOSE), "HTTP/1.1 200"));
}

static void connections_are_limited_in_total(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 16, crowd_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->http_refused_full, 24);
    finish(s);
}

static void metrics_client(struct served *s) {
    uint16_t port = s->port;
    EXPECT(strstr(ask(s, "GET /metrics HTTP/1.1\r\nHost: x\r\n" CLOSE), "X-Metrics: no") != NULL);
    s->port = s->metrics_port;
    EXPECT(strstr(ask(s, "GET /metrics HTTP/1.1\r\nHost: x\r\n" CLOSE), "X-Metrics: yes") != NULL);
    s->port = port;
}

static void requests_of_the_metrics_port_are_told_apart(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, metrics_client);
    check_client();
    finish(s);
}

/* ---- WebSockets ---- */

static void socket_client(struct served *s) {
    size_t len;
    int fd = dial_socket(s);
    EXPECT(STARTS(answer, "HTTP/1.1 101"));
    EXPECT(strstr(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != NULL); /* RFC 6455 section 1.3 */
    EXPECT(strstr(answer, "Sec-WebSocket-Protocol") == NULL);
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x81 && len == 7 && memcmp(frame, "welcome", 7) == 0);
    EXPECT(put_frame(fd, 0x82, "abc", 3));
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x82 && len == 3 && memcmp(frame, "abc", 3) == 0);
    /* in three fragments */
    EXPECT(put_frame(fd, 0x01, "one ", 4) && put_frame(fd, 0x00, "two ", 4) && put_frame(fd, 0x80, "three", 5));
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x81 && len == 13 && memcmp(frame, "one two three", 13) == 0);
    /* two megabytes are a message */
    static char large[2u << 20];
    memset(large, 'L', sizeof large);
    EXPECT(put_frame(fd, 0x82, large, sizeof large));
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x82 && len == sizeof large && memcmp(frame, large, len) == 0);
    /* a ping is answered */
    EXPECT(put_frame(fd, 0x89, "p", 1));
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x8a && len == 1);
    EXPECT(put_frame(fd, 0x81, "close me", 8));
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x81 && memcmp(frame, "bye", 3) == 0);
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x88 && len == 2 && memcmp(frame, "\x03\xe8", 2) == 0);
    close(fd);
}

static void messages_go_both_ways_whole(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, socket_client);
    check_client();
    assert_int_equal(s->opened, 1);
    assert_int_equal(s->messages, 4);
    finish(s);
}

static void held_client(struct served *s) {
    size_t len;
    int held = dial_socket(s), other = dial_socket(s);
    EXPECT(get_frame(held, frame, sizeof frame, &len) == 0x81);
    EXPECT(get_frame(other, frame, sizeof frame, &len) == 0x81);
    EXPECT(put_frame(held, 0x82, "hold me", 7));
    AWAIT(s->messages == 1);
    /* what is sent now is there before what the other sends after it, and waits all the same */
    EXPECT(put_frame(held, 0x82, "later", 5));
    for (int i = 0; i < 20; i++) {
        EXPECT(put_frame(other, 0x82, "now", 3));
        EXPECT(get_frame(other, frame, sizeof frame, &len) == 0x82 && len == 3 && memcmp(frame, "now", 3) == 0);
    }
    EXPECT(s->messages == 21);
    EXPECT(put_frame(other, 0x82, "let all go", 10));
    EXPECT(get_frame(held, frame, sizeof frame, &len) == 0x82 && len == 5 && memcmp(frame, "later", 5) == 0);
    /* who goes while it is held is noticed */
    EXPECT(put_frame(held, 0x82, "hold me", 7));
    AWAIT(s->messages == 24);
    close(held);
    close(other);
}

static void a_session_that_is_held_is_not_read_from_until_it_is_let_go(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, held_client);
    check_client();
    assert_int_equal(s->opened, 2);
    finish(s);
}

static void too_long_client(struct served *s) {
    size_t len;
    static char part[1u << 20];
    int fd = dial_socket(s);
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x81);
    (void)put_frame(fd, 0x02, part, sizeof part);
    (void)put_frame(fd, 0x00, part, sizeof part);
    (void)put_frame(fd, 0x80, "1", 1);
    int first = get_frame(fd, frame, sizeof frame, &len);
    EXPECT(first == 0x88 && memcmp(frame, "\x03\xf1", 2) == 0); /* 1009 */
    close(fd);
}

static void a_message_of_more_than_two_megabytes_ends_the_session(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, too_long_client);
    check_client();
    assert_int_equal(s->messages, 0);
    assert_int_equal(http_counters_get(s->http)->ws_too_long, 1);
    finish(s);
}

static void not_reading_client(struct served *s) {
    size_t len;
    int fd = dial_socket(s);
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x81);
    EXPECT(put_frame(fd, 0x81, "flood", 5));
    for (int tries = 0; tries < ANSWER_MS / 10 && s->closed == 0; tries++)
        usleep(10000);
    close(fd);
}

static void a_client_that_does_not_read_is_cut_off(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, not_reading_client);
    assert_int_equal(http_counters_get(s->http)->ws_overflow, 1);
    assert_int_equal(s->closed, 1);
    finish(s);
}

static void too_much_client(struct served *s) {
    size_t len;
    int other = dial_socket(s);
    EXPECT(get_frame(other, frame, sizeof frame, &len) == 0x81);
    int fd = dial_socket(s);
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x81);
    EXPECT(put_frame(fd, 0x81, "too much", 8));
    for (int tries = 0; tries < ANSWER_MS / 10 && s->closed == 0; tries++)
        usleep(10000);
    EXPECT(s->closed == 1);
    EXPECT(put_frame(other, 0x81, "still", 5));
    EXPECT(get_frame(other, frame, sizeof frame, &len) == 0x81 && len == 5);
    close(fd);
    close(other);
}

static void a_message_too_long_to_send_ends_that_session_alone(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, too_much_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->ws_unsendable, 1);
    finish(s);
}

static void refused_client(struct served *s) {
    (void)ask(s, UPGRADE);
    EXPECT(STARTS(answer, "HTTP/1.1 401"));
    EXPECT(strstr(answer, "no token") != NULL);
}

static void a_refused_upgrade_says_why(void **state) {
    (void)state;
    struct served *s = fresh();
    s->refuse_upgrades = true;
    serve_with(s, 64, refused_client);
    check_client();
    assert_int_equal(s->opened, 0);
    finish(s);
}

static void leaving_client(struct served *s) {
    int fds[20];
    size_t len;
    for (int i = 0; i < 20; i++) {
        fds[i] = dial_socket(s);
        (void)get_frame(fds[i], frame, sizeof frame, &len);
    }
    for (int i = 0; i < 10; i++) /* half of them vanish, the rest are there when the server ends */
        close(fds[i]);
    for (int tries = 0; tries < ANSWER_MS / 10 && s->closed < 10; tries++)
        usleep(10000);
}

static void every_session_that_opened_is_closed_once(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, leaving_client);
    assert_int_equal(s->opened, 20);
    assert_int_equal(s->closed, 10);
    assert_int_equal(http_sessions(s->http), 10);
    finish(s);
}

static void a_port_in_use_is_named_with_advice(void **state) {
    (void)state;
    struct served *s = fresh();
    char error[256] = "";
    s->http = open_http(s, 16);
    struct net_addr address = net_addr_v4(127, 0, 0, 1, s->port);
    assert_false(http_listen(s->http, &address, HTTP_PLAIN, NULL, error, sizeof error));
    char port[16];
    (void)snprintf(port, sizeof port, "port %u", s->port);
    assert_non_null(strstr(error, port));
    assert_non_null(strstr(error, "another program uses it"));
    finish(s);
}

/* Bytes that come piece by piece, three million of them; then one that the handler ends, one that stops half way, one that
 * is refused before it begins. */
static void uploading_client(struct served *s) {
    static char bytes[3000000];
    int fd = dial(s->port);
    char head[] = "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n" CLOSE;
    (void)put(fd, head, strlen(head));
    (void)put(fd, bytes, sizeof bytes);
    (void)get(fd, answer, sizeof answer, ANSWER_MS);
    EXPECT(STARTS(answer, "HTTP/1.1 201 Created") && strstr(answer, "upload 1 of 3000000") != NULL);
    close(fd);
    EXPECT(STARTS(ask(s, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" CLOSE "!nope"), "HTTP/1.1 503"));
    for (int tries = 0; tries < ANSWER_MS / 10 && s->uploads_gone < 1; tries++)
        usleep(10000);
    EXPECT(s->uploads_gone == 1);
    fd = dial(s->port);
    (void)put(fd, head, strlen(head));
    (void)put(fd, bytes, 1000000);
    for (int tries = 0; tries < ANSWER_MS / 10 && s->uploaded < 1000000; tries++)
        usleep(10000);
    close(fd);
    for (int tries = 0; tries < ANSWER_MS / 10 && s->uploads_gone < 2; tries++)
        usleep(10000);
    EXPECT(s->uploads_gone == 2);
    EXPECT(STARTS(ask(s, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10000001\r\n" CLOSE), "HTTP/1.1 413"));
    EXPECT(strstr(answer, "too long for an upload") != NULL);
    EXPECT(s->uploads == 3 && s->uploads_gone == 2);
}

static void large_bodies_are_taken_piece_by_piece_and_each_ends_once(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, uploading_client);
    check_client();
    finish(s);
}

int main(void) {
    const struct CMUnitTest http[] = {
        cmocka_unit_test(large_bodies_are_taken_piece_by_piece_and_each_ends_once),
        cmocka_unit_test(requests_are_answered),
        cmocka_unit_test(the_query_keeps_its_meaning),
        cmocka_unit_test(a_doubled_slash_of_a_base_url_is_tolerated),
        cmocka_unit_test(a_request_line_of_64_kb_is_served_and_a_longer_one_is_not),
        cmocka_unit_test(bodies_are_limited_by_route),
        cmocka_unit_test(broken_requests_harm_nobody),
        cmocka_unit_test(a_client_that_drips_its_headers_is_cut_off_after_ten_seconds),
        cmocka_unit_test(connections_are_limited_in_total),
        cmocka_unit_test(requests_of_the_metrics_port_are_told_apart),
        cmocka_unit_test(messages_go_both_ways_whole),
        cmocka_unit_test(a_session_that_is_held_is_not_read_from_until_it_is_let_go),
        cmocka_unit_test(a_message_of_more_than_two_megabytes_ends_the_session),
        cmocka_unit_test(a_client_that_does_not_read_is_cut_off),
        cmocka_unit_test(a_message_too_long_to_send_ends_that_session_alone),
        cmocka_unit_test(a_refused_upgrade_says_why),
        cmocka_unit_test(every_session_that_opened_is_closed_once),
        cmocka_unit_test(a_port_in_use_is_named_with_advice),
    };
    return cmocka_run_group_tests(http, NULL, NULL);
}
