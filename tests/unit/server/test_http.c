/* The HTTP server against raw sockets: limits, slow and broken clients, WebSockets. The server turns in the test's own thread; the
 * client, which blocks, in another. */
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/time.h"
#include "io/clock.h"
#include "server/http.h"

#define BODY_MAX 1000

struct served {
    struct http *http;
    uint16_t port, metrics_port;
    uint64_t next_session, session;
    _Atomic uint32_t closed, connections;
    _Atomic uint32_t uploads, uploads_gone;
    _Atomic uint64_t uploaded;
    _Atomic uint16_t peer_code; /* of the last session that ended */
    uint32_t opened, messages;
    size_t last_len, flood;
    bool last_text, refuse_upgrades, slow_reader_killed;
    char last_query[200000], last_path[1024];
    _Atomic bool done;
    void (*client)(struct served *s);
};

static size_t body_max(void *context, struct span method, struct span path) {
    (void)context, (void)method;
    return span_equal_str(path, "/large") ? 4u << 20 : BODY_MAX;
}

/* Bodies for /upload are taken piece by piece; those of more than ten million bytes are refused. */
static uint32_t body_begin(void *context, const struct http_request *r, uint64_t len, struct http_reply *reply) {
    struct served *s = context;
    if (!span_equal_str(r->path, "/upload"))
        return 0;
    if (len > 10000000) {
        http_reply_text(reply, 413, "text/plain", span_str("too long for an upload"));
        return 0;
    }
    s->uploaded = 0;
    return ++s->uploads;
}

static bool body_part(void *context, uint32_t upload, struct span bytes) {
    struct served *s = context;
    s->uploaded += bytes.len;
    return upload == s->uploads && bytes.data[0] != '!';
}

static void body_gone(void *context, uint32_t upload) {
    (void)upload;
    ((struct served *)context)->uploads_gone++;
}

static void request(void *context, const struct http_request *r, struct http_reply *reply) {
    struct served *s = context;
    (void)span_to_str(r->query, s->last_query, sizeof s->last_query);
    (void)span_to_str(r->path, s->last_path, sizeof s->last_path);
    http_reply_header(reply, "X-Metrics", r->metrics_port ? "yes" : "no");
    if (span_equal_str(r->path, "/huge")) {
        reply->owned = calloc(1, 3u << 20);
        reply->body = span_of(reply->owned, 3u << 20);
        return;
    }
    if (r->upload != 0) {
        char text[64];
        int len = snprintf(text, sizeof text, "upload %u of %llu", r->upload, (unsigned long long)s->uploaded);
        http_reply_text(reply, 201, "text/plain", span_of(text, (size_t)len));
        return;
    }
    char text[2048];
    int len = snprintf(text, sizeof text, "%.*s %.*s body %zu", (int)r->method.len, r->method.data, (int)r->path.len,
                       r->path.data, r->body.len);
    http_reply_text(reply, 200, "text/plain", span_of(text, (size_t)len));
}

static uint64_t open_session(void *context, const struct http_request *r, struct http_reply *reply) {
    struct served *s = context;
    if (s->refuse_upgrades || !span_equal_str(r->path, "/rtc")) {
        http_reply_text(reply, 401, "text/plain", span_str("no token"));
        return 0;
    }
    return ++s->next_session;
}

static void opened(void *context, uint64_t session) {
    struct served *s = context;
    s->opened++;
    s->session = session;
    http_send(s->http, session, span_str("welcome"), true);
}

static void message(void *context, uint64_t session, struct span text, bool is_text) {
    struct served *s = context;
    s->messages++;
    s->last_len = text.len;
    s->last_text = is_text;
    if (span_equal_str(text, "close me")) {
        http_send(s->http, session, span_str("bye"), true);
        http_close(s->http, session, 1000);
    } else if (span_equal_str(text, "too much")) {
        static uint8_t bytes[HTTP_MESSAGE_LEN_MAX + 1];
        http_send(s->http, session, span_of(bytes, sizeof bytes), false);
    } else if (span_equal_str(text, "flood")) {
        static uint8_t bytes[100000];
        for (int i = 0; i < 200; i++) {
            http_send(s->http, session, span_of(bytes, sizeof bytes), false);
            s->flood++;
        }
    } else {
        http_send(s->http, session, text, is_text);
    }
}

static uint16_t too_long(void *context, uint64_t session) {
    (void)context, (void)session;
    return 1009;
}

static void closed(void *context, uint64_t session, uint16_t code) {
    struct served *s = context;
    (void)session;
    s->closed++;
    s->peer_code = code;
}

static void nothing(void *context) {
    (void)context;
}

static void no_signal(void *context, int signal) {
    (void)context, (void)signal;
}

static void *client_main(void *argument) {
    struct served *s = argument;
    s->client(s);
    atomic_store(&s->done, true);
    http_wake(s->http);
    return NULL;
}

static struct http *open_http(struct served *s, uint32_t connections_max) {
    char error[256] = "";
    struct http_config config = {
        .connections_max = connections_max,
        .connections_per_client_max = 8,
        .handlers = {s, body_max, body_begin, body_part, body_gone, request, open_session, opened, message, too_long, closed, nothing, nothing, nothing, no_signal},
    };
    struct http *http = http_create(&config, error, sizeof error);
    if (http == NULL)
        fail_msg("%s", error);
    struct net_addr address = net_addr_v4(127, 0, 0, 1, 0);
    assert_true(http_listen(http, &address, HTTP_PLAIN, &s->port, error, sizeof error));
    assert_true(http_listen(http, &address, HTTP_METRICS, &s->metrics_port, error, sizeof error));
    return http;
}

/* Serves while `client` runs; what it left open is closed at the end. */
static void serve_with(struct served *s, uint32_t connections_max, void (*client)(struct served *s)) {
    pthread_t thread;
    s->client = client;
    s->http = open_http(s, connections_max);
    assert_int_equal(pthread_create(&thread, NULL, client_main, s), 0);
    while (!atomic_load(&s->done)) {
        http_turn(s->http);
        atomic_store(&s->connections, http_connections(s->http));
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void finish(struct served *s) {
    http_destroy(s->http);
    assert_int_equal(s->closed, s->opened);
    free(s);
}

static struct served *fresh(void) {
    struct served *s = calloc(1, sizeof *s);
    assert_non_null(s);
    return s;
}

/* ---- a client ---- */

static int dial(uint16_t port) {
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        abort();
    return fd;
}

static bool put(int fd, const void *data, size_t len) {
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* Reads until the end, the size, or silence of `patience_ms`. */
static size_t get(int fd, char *out, size_t size, int patience_ms) {
    size_t have = 0;
    while (have + 1 < size) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, patience_ms) <= 0)
            break;
        ssize_t got = recv(fd, out + have, size - 1 - have, 0);
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    out[have] = 0;
    return have;
}

static char answer[4u << 20];

/* Generous: the connection is closed after the answer, so this is waited for only when something hangs. */
#define ANSWER_MS 15000

static const char *ask(struct served *s, const char *text) {
    int fd = dial(s->port);
    (void)put(fd, text, strlen(text));
    (void)get(fd, answer, sizeof answer, ANSWER_MS);
    close(fd);
    return answer;
}

/* Asserting in the client's thread would end the wrong one: failures are noted and looked at in the test. */
static _Atomic int wrong_line;
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition) && atomic_load(&wrong_line) == 0) {                                                           \
            atomic_store(&wrong_line, __LINE__);                                                                       \
            (void)fprintf(stderr, "line %d: %s; answer: %.300s\n", __LINE__, #condition, answer);                      \
        }                                                                                                              \
    } while (0)

static void check_client(void) {
    assert_int_equal(atomic_exchange(&wrong_line, 0), 0);
}

#define CLOSE "Connection: close\r\n\r\n"
#define STARTS(text, prefix) (strncmp(text, prefix, strlen(prefix)) == 0)

static void ordinary_client(struct served *s) {
    EXPECT(STARTS(ask(s, "GET /a%20b HTTP/1.1\r\nHost: x\r\n" CLOSE), "HTTP/1.1 200 OK\r\n"));
    EXPECT(strstr(answer, "GET /a b body 0") != NULL);
    EXPECT(STARTS(ask(s, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" CLOSE "hello"), "HTTP/1.1 200"));
    EXPECT(strstr(answer, "POST /p body 5") != NULL);
    EXPECT(strstr(ask(s, "DELETE /d HTTP/1.1\r\nHost: x\r\n" CLOSE), "DELETE /d body 0") != NULL);
    EXPECT(strstr(ask(s, "PATCH /d HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n" CLOSE "ab"), "PATCH /d body 2") != NULL);
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
    (void)ask(s, "GET /rtc/validate?access_token=a.b-c_d&join_request=AB%3D%3D&x=1+2&n=%26%3D;y HTTP/1.1\r\nHost: x\r\n" CLOSE);
}

static void the_query_keeps_its_meaning(void **state) {
    (void)state;
    struct served *s = fresh();
    serve_with(s, 64, query_client);
    assert_string_equal(s->last_query, "access_token=a.b-c_d&join_request=AB%3D%3D&x=1%202&n=%26%3D&y");
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
        (void)snprintf(line + at + token, sizeof line - (size_t)at - token, " HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\n" CLOSE);
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
    EXPECT(STARTS(ask(s, "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "HTTP/1.1 411"));
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
        "\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\nabc",
        "GET x HTTP/1.1\r\n\r\n", "BREW / HTTP/1.1\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /rtc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
        "GET /rtc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
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

#define UPGRADE                                                                                                        \
    "GET /rtc?access_token=x HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"         \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static int dial_socket(struct served *s) {
    int fd = dial(s->port);
    (void)put(fd, UPGRADE, strlen(UPGRADE));
    size_t have = 0;
    while (have < sizeof answer && (have < 4 || memcmp(answer + have - 4, "\r\n\r\n", 4) != 0) &&
           recv(fd, answer + have, 1, 0) == 1)
        have++;
    answer[have] = 0;
    return fd;
}

/* One masked frame; the mask is zero, so that the payload stands as it is. */
static bool put_frame(int fd, uint8_t first, const void *data, size_t len) {
    uint8_t head[14] = {first};
    size_t at = 2;
    if (len < 126) {
        head[1] = (uint8_t)(0x80 | len);
    } else {
        head[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++)
            head[at++] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
    }
    return put(fd, head, at + 4) && put(fd, data, len);
}

/* One frame from the server, at most `size` bytes of it; answers its first byte, or -1. */
static int get_frame(int fd, char *out, size_t size, size_t *len) {
    uint8_t head[10];
    if (recv(fd, head, 2, MSG_WAITALL) != 2)
        return -1;
    uint64_t total = head[1] & 127;
    size_t more = total == 126 ? 2 : total == 127 ? 8 : 0;
    if (more > 0 && recv(fd, head + 2, more, MSG_WAITALL) != (ssize_t)more)
        return -1;
    for (size_t i = 0; i < more; i++)
        total = (i == 0 ? 0 : total << 8) | head[2 + i];
    if (total > size || (total > 0 && recv(fd, out, total, MSG_WAITALL) != (ssize_t)total))
        return -1;
    *len = total;
    return head[0];
}

static char frame[3u << 20];

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
    EXPECT(strcmp(ask(s, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" CLOSE "!nope"), "") == 0);
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
        cmocka_unit_test(a_message_of_more_than_two_megabytes_ends_the_session),
        cmocka_unit_test(a_client_that_does_not_read_is_cut_off),
        cmocka_unit_test(a_message_too_long_to_send_ends_that_session_alone),
        cmocka_unit_test(a_refused_upgrade_says_why),
        cmocka_unit_test(every_session_that_opened_is_closed_once),
        cmocka_unit_test(a_port_in_use_is_named_with_advice),
    };
    return cmocka_run_group_tests(http, NULL, NULL);
}
