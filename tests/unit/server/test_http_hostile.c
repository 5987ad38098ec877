/* The HTTP server against clients that do not keep the rules, do not read, do not end, or want everything for themselves. */
#include "http_world.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "io/clock.h"

static char bulk[2u << 20];

/* ---- answers ---- */

static void talking_client(struct served *s) {
    /* refused by its head, and sends on for a while before it reads */
    static const char *const heads[] = {
        "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n",
        "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n",
        "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /p HTTP/1.1\r\nHost : x\r\n\r\n",
    };
    static const char *const status[] = {"HTTP/1.1 413", "HTTP/1.1 413", "HTTP/1.1 411", "HTTP/1.1 400"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        int fd = dial(s->port);
        (void)put(fd, heads[i], strlen(heads[i]));
        for (int k = 0; k < 20; k++) {
            (void)put(fd, bulk, 50000);
            usleep(10000);
        }
        (void)get(fd, answer, sizeof answer, ANSWER_MS);
        EXPECT(STARTS(answer, status[i]) && strstr(answer, "\r\n\r\n") != NULL);
        close(fd);
    }
    /* and the one who sends for ever is not listened to for ever */
    int fd = dial(s->port);
    (void)put(fd, heads[0], strlen(heads[0]));
    bool cut = false;
    for (int k = 0; k < 1000 && !cut; k++)
        cut = !put(fd, bulk, 50000);
    EXPECT(cut);
    close(fd);
}

static void an_answer_arrives_although_the_client_sends_on(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, talking_client);
    check_client();
    finish(s);
}

static void waiting_client(struct served *s) {
    int fd = dial(s->port);
    static const char head[] = "POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n" CLOSE;
    (void)put(fd, head, sizeof head - 1);
    (void)get(fd, answer, 26, ANSWER_MS);
    EXPECT(strcmp(answer, "HTTP/1.1 100 Continue\r\n\r\n") == 0);
    (void)put(fd, "hello", 5);
    (void)get(fd, answer, sizeof answer, ANSWER_MS);
    EXPECT(STARTS(answer, "HTTP/1.1 200") && strstr(answer, "POST /p body 5") != NULL);
    close(fd);
    /* nobody is invited to send what is not wanted */
    EXPECT(STARTS(ask(s, "POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 50000\r\n\r\n"),
                  "HTTP/1.1 413"));
    EXPECT(
        STARTS(ask(s, "POST /p HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nContent-Length: 5\r\n\r\n"), "HTTP/1.1 417"));
}

static void who_expects_100_continue_hears_it_before_sending_the_body(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, waiting_client);
    check_client();
    finish(s);
}

/* ---- heads ---- */

static void ambiguous_client(struct served *s) {
    static const char *const heads[] = {
        "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n" CLOSE "hello",
        "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding\t: chunked\r\n" CLOSE "0\r\n\r\n",
        "POST /p HTTP/1.1\r\nHost: x\r\nX: y\r\n Transfer-Encoding: chunked\r\n" CLOSE "0\r\n\r\n",
        "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n" CLOSE "hello",
        "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n" CLOSE "hello",
        "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n" CLOSE "hello",
        "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n" CLOSE "hello",
        "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n" CLOSE "hello",
        "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n" CLOSE "hello",
        "POST /p HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" CLOSE "0\r\n\r\n",
        "GET /p HTTP/1.1\r\nHost: x\r\nHost: y\r\n" CLOSE,
        "GET /p HTTP/1.1\r\n" CLOSE,
        "GET /p HTTP/1.1\r\nHost: x\r\nno colon\r\n" CLOSE,
        "GET /p HTTP/1.1\r\nHost: x\r\n: empty\r\n" CLOSE,
        "GET /p HTTP/1.1\nHost: x\n\n",
        "GET /p HTTP/1.1\r\nHost: x\rX: y\r\n" CLOSE,
        "GET /p HTTP/1.1\r\nHost: x\r\nX: a\001b\r\n" CLOSE,
        "GET /p  HTTP/1.1\r\nHost: x\r\n" CLOSE,
        "GET /p\r\nHost: x\r\n" CLOSE,
        "GET p HTTP/1.1\r\nHost: x\r\n" CLOSE,
        "GET /%00 HTTP/1.1\r\nHost: x\r\n" CLOSE,
        "GET /%zz HTTP/1.1\r\nHost: x\r\n" CLOSE,
        "\x16\x03\x01\x02\x01",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        (void)ask(s, heads[i]);
        if (!STARTS(answer, "HTTP/1.1 400"))
            (void)fprintf(stderr, "head %zu\n", i);
        EXPECT(STARTS(answer, "HTTP/1.1 400"));
    }
    EXPECT(STARTS(ask(s, "BREW /p HTTP/1.1\r\nHost: x\r\n" CLOSE), "HTTP/1.1 501"));
    EXPECT(STARTS(ask(s, "GET /p HTTP/2.0\r\nHost: x\r\n" CLOSE), "HTTP/1.1 505"));
    EXPECT(STARTS(ask(s, "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n" CLOSE), "HTTP/1.1 501"));
    /* what may be said in more than one way is understood */
    EXPECT(STARTS(ask(s, "\r\nGET http://other/a/./b//../c%2Fd HTTP/1.1\r\nhOST:x\r\nCoNNection:\t close \r\n\r\n"),
                  "HTTP/1.1 200"));
    EXPECT(strstr(answer, "GET /a/c/d body 0") != NULL);
    /* nothing of a refused request is in its answer */
    (void)ask(s, "POST /p HTTP/1.1\r\nHost: x\r\nSecret-Name : secret-value\r\nContent-Length: 11\r\n" CLOSE
                 "secret-body");
    EXPECT(STARTS(answer, "HTTP/1.1 400") && strstr(answer, "ecret") == NULL);
}

static void a_head_that_could_be_read_in_two_ways_is_refused(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, ambiguous_client);
    check_client();
    assert_int_equal(s->opened, 0);
    finish(s);
}

static void smuggling_client(struct served *s) {
    /* the second request must never be seen as one */
    (void)ask(s, "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n"
                 "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n" CLOSE);
    EXPECT(strstr(answer, "smuggled") == NULL);
    (void)ask(s, "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n" CLOSE);
    EXPECT(strstr(answer, "smuggled") == NULL);
    EXPECT(strcmp(s->last_path, "/smuggled") != 0);
}

static void no_second_request_hides_in_a_refused_one(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, smuggling_client);
    check_client();
    finish(s);
}

/* ---- WebSockets ---- */

/* Frames until the close frame, which must be exactly `code`; pongs must carry what their pings did. */
static void expect_close(int fd, const char *code) {
    size_t len;
    int first;
    while ((first = get_frame(fd, frame, sizeof frame, &len)) > 0 && first != 0x88)
        EXPECT(first == 0x8a ? len == 8 && memcmp(frame, "pingping", 8) == 0 : first == 0x81 || first == 0x89);
    EXPECT(first == 0x88 && len == 2 && memcmp(frame, code, 2) == 0);
}

static void closing_client(struct served *s) {
    enum { SOCKETS = 21 };
    int fds[SOCKETS];
    for (int i = 0; i < SOCKETS; i++)
        fds[i] = dial_socket(s);
    /* with pings of ours before and behind what makes the server close */
    for (int i = 0; i < 5; i++) {
        (void)put_frame(fds[i], 0x89, "pingping", 8);
        (void)put_frame(fds[i], 0x81, "close me", 8);
        (void)put_frame(fds[i], 0x89, "pingpong", 8);
        expect_close(fds[i], "\x03\xe8");
    }
    /* with pings of the server due: it sends them after ten seconds without a word */
    usleep((HTTP_PING_S * 1000 - 300) * 1000);
    for (int i = 5; i < SOCKETS; i++) {
        (void)put_frame(fds[i], 0x81, "close me", 8);
        usleep(100000);
    }
    for (int i = 5; i < SOCKETS; i++)
        expect_close(fds[i], "\x03\xe8");
    for (int i = 5; i < SOCKETS; i++) { /* and nothing behind it, until the server has waited long enough for ours */
        size_t len;
        EXPECT(get_frame(fds[i], frame, sizeof frame, &len) <= 0);
    }
    for (int i = 0; i < SOCKETS; i++)
        close(fds[i]);
}

static void a_close_frame_carries_its_code_and_nothing_else_whatever_is_due(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, closing_client);
    check_client();
    finish(s);
}

static void breaking_client(struct served *s) {
    static const struct {
        const char *bytes;
        size_t len;
    } broken[] = {
        {"\x81\x03"
         "abc",
         5},                           /* no mask */
        {"\xc1\x80\0\0\0\0", 6},       /* a reserved bit */
        {"\x83\x80\0\0\0\0", 6},       /* a reserved opcode */
        {"\x09\x80\0\0\0\0", 6},       /* a ping in fragments */
        {"\x89\xfe\0\x7e\0\0\0\0", 8}, /* a ping of 126 bytes */
        {"\x80\x80\0\0\0\0", 6},       /* the end of nothing */
        {"\x01\x81\0\0\0\0"
         "a"
         "\x01\x81\0\0\0\0"
         "b",
         14}, /* two beginnings */
        {"\x82\xfe\0\x05\0\0\0\0"
         "abcde",
         13},                                       /* not the shortest length */
        {"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14}, /* 2^63 bytes */
        {"\x88\x81\0\0\0\0"
         "a",
         7},                             /* half a close code */
        {"\x88\x82\0\0\0\0\x03\xed", 8}, /* 1005 */
    };
    size_t len;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        int fd = dial_socket(s);
        EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x81);
        (void)put(fd, broken[i].bytes, broken[i].len);
        expect_close(fd, "\x03\xea"); /* 1002 */
        close(fd);
    }
    int fd = dial_socket(s);
    (void)put_frame(fd, 0x81, "\xff\xfe", 2);
    expect_close(fd, "\x03\xef"); /* 1007 */
    close(fd);
    /* byte by byte is slow and not wrong */
    fd = dial_socket(s);
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x81);
    static const char slow[] = "\x82\xfe\0\x80\0\0\0\0";
    for (size_t i = 0; i < 8 + 128; i++)
        (void)put(fd, i < 8 ? &slow[i] : "x", 1);
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x82 && len == 128);
    close(fd);
}

static void a_client_that_breaks_the_protocol_is_closed_with_1002(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, breaking_client);
    check_client();
    assert_int_equal(s->messages, 1);
    assert_int_equal(http_counters_get(s->http)->ws_broken, 12);
    finish(s);
}

static void upgrading_client(struct served *s) {
    (void)ask(
        s, "GET /rtc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    EXPECT(STARTS(answer, "HTTP/1.1 426") && strstr(answer, "Sec-WebSocket-Version: 13\r\n") != NULL);
    (void)ask(
        s, "GET /rtc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: short\r\n\r\n");
    EXPECT(STARTS(answer, "HTTP/1.1 400"));
    (void)ask(s, "GET /h2 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n");
    EXPECT(STARTS(answer, "HTTP/1.1 200") && strstr(answer, "GET /h2 body 0") != NULL);
    /* a frame that comes with the request is not lost, and its answer does not overtake that to the upgrade */
    int fd = dial(s->port);
    static const char both[] = UPGRADE "\x89\x81\0\0\0\0p"
                                       "\x81\x85\0\0\0\0hello";
    char head[12];
    (void)put(fd, both, sizeof both - 1);
    EXPECT(recv(fd, head, sizeof head, MSG_WAITALL) == sizeof head && memcmp(head, "HTTP/1.1 101", 12) == 0);
    (void)get(fd, answer, sizeof answer, 500);
    EXPECT(strstr(answer, "welcome") != NULL && strstr(answer, "hello") != NULL && strstr(answer, "\x8a\x01p") != NULL);
    close(fd);
}

static void upgrades_keep_the_rules_of_the_handshake(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, upgrading_client);
    check_client();
    finish(s);
}

/* ---- who does not move on ---- */

/* Everything that stands still at the same time, since each takes its time to be ended. */
static void still_client(struct served *s) {
    int upload = dial(s->port), reader = dial(s->port), message = dial_socket(s), head = dial_socket(s),
        busy = dial_socket(s);
    static const char begin[] = "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n",
                      huge[] = "GET /huge HTTP/1.1\r\nHost: x\r\n\r\n";
    size_t len;
    EXPECT(get_frame(busy, frame, sizeof frame, &len) == 0x81);
    (void)put(upload, begin, sizeof begin - 1);
    (void)put(reader, huge, sizeof huge - 1);
    (void)put_frame(message, 0x01, "begun", 5);
    (void)put(head, "\x82\xff\0\0", 4);
    uint64_t start_us = clock_now_us();
    bool over[4] = {false};
    while (clock_now_us() - start_us < 90 * US_PER_S && !(over[0] && over[1] && over[2] && over[3])) {
        /* a byte now and then is no progress; pings, too, are none */
        over[0] = over[0] || !put(upload, "a", 1);
        (void)put_frame(message, 0x89, "p", 1);
        over[1] = s->connections <= 4;
        struct pollfd polls[] = {{.fd = message, .events = POLLIN}, {.fd = head, .events = POLLIN}};
        (void)poll(polls, 2, 0);
        for (size_t i = 0; i < 2; i++)
            over[2 + i] = over[2 + i] || ((polls[i].revents & POLLIN) != 0 && recv(polls[i].fd, frame, 4096, 0) == 0);
        /* whoever is slow and goes on is let alone */
        EXPECT(put_frame(busy, 0x81, "still here", 10));
        EXPECT(get_frame(busy, frame, sizeof frame, &len) == 0x81 && len == 10);
        usleep(100000);
    }
    EXPECT(over[0] && over[1] && over[2] && over[3]);
    EXPECT(s->uploads_gone == 1);
    int fds[] = {upload, reader, message, head, busy};
    for (size_t i = 0; i < 5; i++)
        close(fds[i]);
}

static void uploads_replies_and_messages_that_stand_still_are_ended(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, still_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->ws_slow, 2);
    assert_true(http_counters_get(s->http)->http_timeout >= 2);
    finish(s);
}

/* ---- shares ---- */

static bool is_closed(int fd) {
    char byte;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ANSWER_MS) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

static void greedy_client(struct served *s) {
    int fds[8];
    for (int i = 0; i < 8; i++)
        fds[i] = dial_from(s->port, 2);
    int more = dial_from(s->port, 2), other = dial_from(s->port, 3);
    EXPECT(is_closed(more));
    static const char get_it[] = "GET /other HTTP/1.1\r\nHost: x\r\n" CLOSE;
    (void)put(other, get_it, sizeof get_it - 1);
    (void)get(other, answer, sizeof answer, ANSWER_MS);
    EXPECT(STARTS(answer, "HTTP/1.1 200"));
    close(fds[0]);
    AWAIT(s->connections == 7);
    fds[0] = dial_from(s->port, 2);
    (void)put(fds[0], get_it, sizeof get_it - 1);
    (void)get(fds[0], answer, sizeof answer, ANSWER_MS);
    EXPECT(STARTS(answer, "HTTP/1.1 200"));
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    close(more);
    close(other);
}

static void one_address_has_its_share_of_connections_and_no_more(void **state) {
    (void)state;
    struct served *s = fresh();
    s->config.count_loopback = true;
    serve_with(s, 64, greedy_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->http_refused_client, 1);
    finish(s);
}

static void proxied_client(struct served *s) {
    int fds[8];
    for (int i = 0; i < 8; i++) {
        fds[i] = dial(s->port);
        upgrade(fds[i], UPGRADE_WITH("X-Forwarded-For: 192.0.2.1\r\n"));
        EXPECT(STARTS(answer, "HTTP/1.1 101"));
    }
    EXPECT(STARTS(ask(s, UPGRADE_WITH("X-Forwarded-For: 192.0.2.1\r\n")), "HTTP/1.1 429"));
    /* what a client writes itself stands further left and is not believed */
    EXPECT(
        STARTS(ask(s, UPGRADE_WITH("X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-For: 192.0.2.1\r\n")), "HTTP/1.1 429"));
    int other = dial(s->port);
    upgrade(other, UPGRADE_WITH("X-Forwarded-For: 192.0.2.2\r\n"));
    EXPECT(STARTS(answer, "HTTP/1.1 101"));
    close(other);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
}

static void behind_a_proxy_each_address_has_its_share_of_websockets(void **state) {
    (void)state;
    struct served *s = fresh();
    static struct net_addr proxy;
    proxy = net_addr_v4(127, 0, 0, 1, 0);
    s->config.trusted = &proxy;
    s->config.trusted_count = 1;
    serve_with(s, 64, proxied_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->http_refused_client, 2);
    finish(s);
}

static void hasty_client(struct served *s) {
    bool refused = false;
    for (int i = 0; i < 2000 && !refused; i++) {
        int fd = dial_from(s->port, 2);
        upgrade(fd, UPGRADE);
        refused = STARTS(answer, "HTTP/1.1 429");
        EXPECT(refused || STARTS(answer, "HTTP/1.1 101"));
        close(fd);
        AWAIT(s->connections == 0);
    }
    EXPECT(refused);
    int fd = dial_from(s->port, 3);
    upgrade(fd, UPGRADE);
    EXPECT(STARTS(answer, "HTTP/1.1 101"));
    close(fd);
}

static void new_websockets_of_one_address_are_rationed(void **state) {
    (void)state;
    struct served *s = fresh();
    s->config.count_loopback = true;
    serve_with(s, 64, hasty_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->http_refused_rate, 1);
    finish(s);
}

static void squatting_client(struct served *s) {
    int fds[16];
    for (int i = 0; i < 16; i++)
        fds[i] = dial(s->port);
    int early = dial(s->port);
    EXPECT(is_closed(early)); /* nobody has waited for long */
    close(early);
    usleep(1200000);
    EXPECT(STARTS(ask(s, "GET /newcomer HTTP/1.1\r\nHost: x\r\n" CLOSE), "HTTP/1.1 200"));
    EXPECT(is_closed(fds[0]));
    for (int i = 0; i < 16; i++)
        close(fds[i]);
}

static void who_waits_without_a_request_makes_room_when_all_connections_are_taken(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 16, squatting_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->http_evicted, 1);
    assert_int_equal(http_counters_get(s->http)->http_refused_full, 1);
    finish(s);
}

/* ---- memory ---- */

static void deaf_clients(struct served *s) {
    int fds[24];
    for (int i = 0; i < 24; i++)
        fds[i] = dial_socket(s);
    for (int i = 0; i < 3; i++)
        EXPECT(put_frame(fds[0], 0x81, "broadcast", 9));
    AWAIT(s->messages == 3);
    AWAIT(s->queued_len > 2u << 20);
    EXPECT(s->queued_len < (4u << 20)); /* not 24 times 3 MiB */
    for (int i = 0; i < 24; i++)
        close(fds[i]);
}

static void a_broadcast_to_many_is_kept_once(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, deaf_clients);
    check_client();
    assert_int_equal(http_counters_get(s->http)->ws_overflow, 0);
    finish(s);
}

static void slowest_client(struct served *s) {
    int fds[3];
    size_t len;
    for (int i = 0; i < 3; i++) {
        fds[i] = dial_socket(s);
        EXPECT(get_frame(fds[i], frame, sizeof frame, &len) == 0x81);
    }
    /* five megabytes for the first, three for the second: more than all may have, and the first is closed */
    for (int i = 0; i < 5; i++)
        EXPECT(put_frame(fds[0], 0x81, "much for me", 11));
    AWAIT(s->messages == 5);
    for (int i = 0; i < 4; i++)
        EXPECT(put_frame(fds[1], 0x81, "much for me", 11));
    AWAIT(s->closed == 1);
    EXPECT(s->closed == 1);
    AWAIT(s->messages == 9);
    /* the others have everything */
    for (int i = 0; i < 4; i++)
        EXPECT(get_frame(fds[1], frame, sizeof frame, &len) == 0x82 && len == 1u << 20);
    EXPECT(put_frame(fds[2], 0x81, "and me", 6));
    EXPECT(get_frame(fds[2], frame, sizeof frame, &len) == 0x81 && len == 6);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void when_queues_are_full_in_all_the_slowest_reader_is_closed(void **state) {
    (void)state;
    struct served *s = fresh();
    s->config.queues_len_max = 5u << 20;
    serve_with(s, 64, slowest_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->ws_shed, 1);
    finish(s);
}

/* A quarter of a megabyte in each of seven connections of one address, half a megabyte in one of another, which is the largest. */
static void many_handed_client(struct served *s) {
    int fds[7], other = dial_from(s->port, 3);
    upgrade(other, UPGRADE);
    (void)put_frame(other, 0x02, bulk, 500000);
    for (int i = 0; i < 7; i++) {
        fds[i] = dial_from(s->port, 2);
        upgrade(fds[i], UPGRADE);
        (void)put_frame(fds[i], 0x02, bulk, 250000);
    }
    AWAIT(s->closed == 1);
    EXPECT(s->closed == 1);
    EXPECT(put_frame(other, 0x80, "end", 3));
    AWAIT(s->messages == 1);
    EXPECT(s->messages == 1 && s->last_len == 500003);
    for (int i = 0; i < 7; i++)
        close(fds[i]);
    close(other);
}

static void one_address_with_many_connections_does_not_put_out_the_largest_of_another(void **state) {
    (void)state;
    struct served *s = fresh();
    s->config.count_loopback = true;
    s->config.unfinished_len_max = 2u << 20;
    serve_with(s, 64, many_handed_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->ws_shed, 1);
    finish(s);
}

static void hoarding_client(struct served *s) {
    int fds[4], other = dial_socket(s);
    size_t len;
    EXPECT(get_frame(other, frame, sizeof frame, &len) == 0x81);
    for (int i = 0; i < 4; i++) {
        fds[i] = dial_socket(s);
        (void)put_frame(fds[i], 0x02, bulk, i == 2 ? 1000000 : 700000);
    }
    AWAIT(s->closed == 1);
    EXPECT(s->closed == 1);
    EXPECT(put_frame(other, 0x01, "whole ", 6) && put_frame(other, 0x80, "again", 5));
    EXPECT(get_frame(other, frame, sizeof frame, &len) == 0x81 && len == 11);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    close(other);
}

static void messages_that_do_not_end_have_a_ceiling_in_all(void **state) {
    (void)state;
    struct served *s = fresh();
    s->config.unfinished_len_max = (3u << 20) + (64u << 10);
    serve_with(s, 64, hoarding_client);
    check_client();
    assert_int_equal(http_counters_get(s->http)->ws_shed, 1);
    finish(s);
}

static void long_headed_client(struct served *s) {
    int fds[24];
    static const char head[] = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
    memset(bulk, 'a', 60000);
    for (int i = 0; i < 24; i++) {
        fds[i] = dial(s->port);
        (void)put(fds[i], head, sizeof head - 1);
        (void)put(fds[i], bulk, 60000);
    }
    int refused = 0;
    for (int i = 0; i < 24; i++)
        refused += get(fds[i], answer, sizeof answer, 200) > 0 && STARTS(answer, "HTTP/1.1 503");
    EXPECT(refused > 0 && refused < 24);
    EXPECT(STARTS(ask(s, "GET /short HTTP/1.1\r\nHost: x\r\n" CLOSE), "HTTP/1.1 200"));
    for (int i = 0; i < 24; i++)
        close(fds[i]);
    memset(bulk, 0, 60000);
}

static void heads_that_do_not_end_have_a_ceiling_in_all(void **state) {
    (void)state;
    struct served *s = fresh();
    s->config.unfinished_len_max = 1u << 20;
    serve_with(s, 64, long_headed_client);
    check_client();
    finish(s);
}

/* ---- the end of a session that is held ---- */

static void held_client(struct served *s) {
    int fd = dial_socket(s);
    size_t len;
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x81); /* the welcome */
    /* in one piece: what was read with the message that had it held still comes */
    static const char both[] = "\x81\x87\0\0\0\0hold me\x81\x88\0\0\0\0too much";
    EXPECT(put(fd, both, sizeof both - 1));
    EXPECT(get_frame(fd, frame, sizeof frame, &len) == 0x88 && len == 2);
    /* it sends on for longer than buffers take */
    for (int i = 0; i < 6; i++)
        EXPECT(put(fd, bulk, sizeof bulk));
    close(fd);
}

static void a_session_that_ends_while_it_is_held_is_read_to_its_end(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, held_client);
    check_client();
    finish(s);
}

/* ---- turns ---- */

static void many_requests_sent_at_once_are_answered_one_a_turn(void **state) {
    (void)state;
    static const char one[] = "HEAD /p HTTP/1.1\r\nHost: x\r\n\r\n";
    enum { COUNT = 300 };
    struct served *s = fresh();
    s->http = open_http(s, 64);
    const struct http_counters *counters = http_counters_get(s->http);
    int fd = dial(s->port);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(bulk + i * (sizeof one - 1), one, sizeof one - 1);
    assert_true(put(fd, bulk, COUNT * (sizeof one - 1)));
    uint64_t before = 0;
    for (int turn = 0; turn < 4 * COUNT && counters->http_requests < COUNT; turn++) {
        http_turn(s->http);
        assert_true(counters->http_requests <= before + 1);
        before = counters->http_requests;
    }
    assert_int_equal(counters->http_requests, COUNT);
    close(fd);
    finish(s);
}

int main(void) {
    const struct CMUnitTest hostile[] = {
        cmocka_unit_test(a_session_that_ends_while_it_is_held_is_read_to_its_end),
        cmocka_unit_test(many_requests_sent_at_once_are_answered_one_a_turn),
        cmocka_unit_test(an_answer_arrives_although_the_client_sends_on),
        cmocka_unit_test(who_expects_100_continue_hears_it_before_sending_the_body),
        cmocka_unit_test(a_head_that_could_be_read_in_two_ways_is_refused),
        cmocka_unit_test(no_second_request_hides_in_a_refused_one),
        cmocka_unit_test(a_close_frame_carries_its_code_and_nothing_else_whatever_is_due),
        cmocka_unit_test(a_client_that_breaks_the_protocol_is_closed_with_1002),
        cmocka_unit_test(upgrades_keep_the_rules_of_the_handshake),
        cmocka_unit_test(uploads_replies_and_messages_that_stand_still_are_ended),
        cmocka_unit_test(one_address_has_its_share_of_connections_and_no_more),
        cmocka_unit_test(behind_a_proxy_each_address_has_its_share_of_websockets),
        cmocka_unit_test(new_websockets_of_one_address_are_rationed),
        cmocka_unit_test(who_waits_without_a_request_makes_room_when_all_connections_are_taken),
        cmocka_unit_test(a_broadcast_to_many_is_kept_once),
        cmocka_unit_test(when_queues_are_full_in_all_the_slowest_reader_is_closed),
        cmocka_unit_test(messages_that_do_not_end_have_a_ceiling_in_all),
        cmocka_unit_test(one_address_with_many_connections_does_not_put_out_the_largest_of_another),
        cmocka_unit_test(heads_that_do_not_end_have_a_ceiling_in_all),
    };
    return cmocka_run_group_tests(hostile, NULL, NULL);
}
