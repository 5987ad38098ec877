#include "http_world.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"

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
    } else if (span_equal_str(text, "hold me")) {
        http_hold(s->http, session, true);
    } else if (span_equal_str(text, "let all go")) {
        for (uint64_t i = 1; i <= s->next_session; i++)
            http_hold(s->http, i, false);
    } else if (span_equal_str(text, "too much")) {
        static uint8_t bytes[HTTP_MESSAGE_LEN_MAX + 1];
        http_send(s->http, session, span_of(bytes, sizeof bytes), false);
    } else if (span_equal_str(text, "broadcast")) {
        static uint8_t bytes[1u << 20];
        bytes[0]++;
        for (uint64_t i = 1; i <= s->next_session; i++)
            http_send(s->http, i, span_of(bytes, sizeof bytes), false);
    } else if (span_equal_str(text, "much for me")) {
        static uint8_t bytes[1u << 20];
        bytes[0]++;
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

struct http *open_http(struct served *s, uint32_t connections_max) {
    char error[256] = "";
    struct http_config config = s->config;
    config.connections_max = connections_max;
    config.connections_per_client_max = 8;
    config.handlers =
        (struct http_handlers){s,       body_max, body_begin, body_part, body_gone, request, open_session, opened,
                               message, too_long, closed,     nothing,   nothing,   nothing, no_signal};
    struct http *http = http_create(&config, error, sizeof error);
    if (http == NULL)
        fail_msg("%s", error);
    struct net_addr address = net_addr_v4(127, 0, 0, 1, 0);
    assert_true(http_listen(http, &address, HTTP_PLAIN, &s->port, error, sizeof error));
    assert_true(http_listen(http, &address, HTTP_METRICS, &s->metrics_port, error, sizeof error));
    return http;
}

void serve_with(struct served *s, uint32_t connections_max, void (*client)(struct served *s)) {
    pthread_t thread;
    s->client = client;
    s->http = open_http(s, connections_max);
    assert_int_equal(pthread_create(&thread, NULL, client_main, s), 0);
    while (!atomic_load(&s->done)) {
        http_turn(s->http);
        atomic_store(&s->connections, http_connections(s->http));
        atomic_store(&s->evicted, (uint32_t)http_counters_get(s->http)->http_evicted);
        atomic_store(&s->queued_len, http_queued_len(s->http));
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
}

void finish(struct served *s) {
    http_destroy(s->http);
    assert_int_equal(s->closed, s->opened);
    free(s);
}

struct served *fresh(void) {
    struct served *s = calloc(1, sizeof *s);
    assert_non_null(s);
    return s;
}

/* ---- a client ---- */

int dial(uint16_t port) {
    return dial_from(port, 1);
}

int dial_from(uint16_t port, uint8_t host) {
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        abort();
    return fd;
}

bool put(int fd, const void *data, size_t len) {
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

size_t get(int fd, char *out, size_t size, int patience_ms) {
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

char answer[4u << 20];

const char *ask(struct served *s, const char *text) {
    int fd = dial(s->port);
    (void)put(fd, text, strlen(text));
    (void)get(fd, answer, sizeof answer, ANSWER_MS);
    close(fd);
    return answer;
}

_Atomic int wrong_line;

void check_client(void) {
    assert_int_equal(atomic_exchange(&wrong_line, 0), 0);
}

void upgrade(int fd, const char *request) {
    (void)put(fd, request, strlen(request));
    size_t have = 0;
    while (have < sizeof answer && (have < 4 || memcmp(answer + have - 4, "\r\n\r\n", 4) != 0) &&
           recv(fd, answer + have, 1, 0) == 1)
        have++;
    answer[have] = 0;
}

int dial_socket(struct served *s) {
    int fd = dial(s->port);
    upgrade(fd, UPGRADE);
    return fd;
}

bool put_frame(int fd, uint8_t first, const void *data, size_t len) {
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

int get_frame(int fd, char *out, size_t size, size_t *len) {
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

char frame[3u << 20];
