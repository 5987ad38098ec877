/* Webhooks against a receiver of our own on loopback. */
#include "unit.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/webhook.h"

struct receiver {
    int fd;
    char url[64], text[8192];
};

static void listen_here(struct receiver *r) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof name;
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(r->fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(r->fd, 8), 0);
    assert_int_equal(getsockname(r->fd, (struct sockaddr *)&name, &len), 0);
    (void)snprintf(r->url, sizeof r->url, "http://127.0.0.1:%u/hook?a=b", ntohs(name.sin_port));
}

/* One post, answered with `status`; false when none came in time. */
static bool take(struct receiver *r, int status, int patience_ms) {
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    r->text[0] = 0;
    if (poll(&p, 1, patience_ms) <= 0)
        return false;
    int fd = accept(r->fd, NULL, NULL);
    size_t have = 0;
    const char *body = NULL;
    while (have + 1 < sizeof r->text) {
        const char *length = strstr(r->text, "ontent-length: ");
        length = length != NULL ? length : strstr(r->text, "ontent-Length: ");
        body = strstr(r->text, "\r\n\r\n");
        if (body != NULL && length != NULL && strlen(body + 4) >= strtoul(length + 15, NULL, 10))
            break;
        ssize_t got = recv(fd, r->text + have, sizeof r->text - 1 - have, 0);
        if (got <= 0)
            break;
        have += (size_t)got;
        r->text[have] = 0;
    }
    char answer[96];
    int len =
        snprintf(answer, sizeof answer, "HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
    assert_int_equal(send(fd, answer, (size_t)len, MSG_NOSIGNAL), len);
    close(fd);
    return body != NULL;
}

static struct webhook *start(struct receiver *r) {
    char error[256] = "";
    listen_here(r);
    const char *urls[] = {r->url};
    struct webhook *w = webhook_start(urls, 1, error, sizeof error);
    if (w == NULL)
        fail_msg("%s", error);
    return w;
}

static void events_are_posted_in_order_with_their_signature(void **state) {
    (void)state;
    struct receiver r;
    struct webhook *w = start(&r);
    webhook_post(w, span_str("{\"event\":\"one\"}"), span_str("token.one"));
    webhook_post(w, span_str("{\"event\":\"two\"}"), span_str("token.two"));
    assert_true(take(&r, 200, 5000));
    assert_non_null(strstr(r.text, "POST /hook?a=b HTTP/1.1"));
    assert_non_null(strstr(r.text, "application/webhook+json"));
    assert_non_null(strstr(r.text, "token.one"));
    assert_null(strstr(r.text, "Bearer"));
    assert_non_null(strstr(r.text, "{\"event\":\"one\"}"));
    assert_true(take(&r, 200, 5000));
    assert_non_null(strstr(r.text, "{\"event\":\"two\"}"));
    webhook_stop(w);
    close(r.fd);
}

static void a_failed_post_is_tried_again_before_later_ones(void **state) {
    (void)state;
    struct receiver r;
    struct webhook *w = start(&r);
    webhook_post(w, span_str("first"), span_str("t"));
    webhook_post(w, span_str("second"), span_str("t"));
    assert_true(take(&r, 503, 5000));
    assert_non_null(strstr(r.text, "first"));
    assert_true(take(&r, 200, 5000));
    assert_non_null(strstr(r.text, "first"));
    assert_true(take(&r, 200, 5000));
    assert_non_null(strstr(r.text, "second"));
    webhook_stop(w);
    close(r.fd);
}

static void a_refused_post_is_not_tried_again(void **state) {
    (void)state;
    struct receiver r;
    struct webhook *w = start(&r);
    webhook_post(w, span_str("first"), span_str("t"));
    webhook_post(w, span_str("second"), span_str("t"));
    assert_true(take(&r, 400, 5000));
    assert_true(take(&r, 204, 5000));
    assert_non_null(strstr(r.text, "second"));
    struct webhook_counters counters = {0};
    for (int i = 0; i < 200 && counters.delivered + counters.failed < 2; i++) {
        usleep(10000);
        webhook_counters_get(w, &counters);
    }
    assert_int_equal(counters.failed, 1);
    assert_int_equal(counters.delivered, 1);
    webhook_stop(w);
    close(r.fd);
}

static void what_does_not_fit_is_dropped_and_counted_and_stopping_takes_no_long_time(void **state) {
    (void)state;
    struct receiver r;
    struct webhook *w = start(&r); /* accepts connections and never answers */
    for (int i = 0; i < 2 * WEBHOOK_QUEUE_MAX; i++) {
        webhook_post(w, span_str("event"), span_str("t"));
        usleep(i % 64 == 0 ? 5000 : 0);
    }
    static uint8_t large[WEBHOOK_BODY_LEN_MAX + 1];
    webhook_post(w, span_of(large, sizeof large), span_str("t"));
    struct webhook_counters counters = {0};
    for (int i = 0; i < 200 && counters.dropped < WEBHOOK_QUEUE_MAX + 1; i++) {
        usleep(10000);
        webhook_counters_get(w, &counters);
    }
    assert_int_equal(counters.dropped, WEBHOOK_QUEUE_MAX + 1);
    webhook_stop(w);
    close(r.fd);
}

static void an_address_that_is_none_is_refused_at_the_start(void **state) {
    (void)state;
    char error[256] = "";
    const char *urls[] = {"http://"};
    struct webhook *w = webhook_start(urls, 1, error, sizeof error);
    if (w != NULL)
        webhook_stop(w);
    else
        assert_non_null(strstr(error, "webhook.urls"));
}

int main(void) {
    const struct CMUnitTest webhook[] = {
        cmocka_unit_test(events_are_posted_in_order_with_their_signature),
        cmocka_unit_test(a_failed_post_is_tried_again_before_later_ones),
        cmocka_unit_test(a_refused_post_is_not_tried_again),
        cmocka_unit_test(what_does_not_fit_is_dropped_and_counted_and_stopping_takes_no_long_time),
        cmocka_unit_test(an_address_that_is_none_is_refused_at_the_start),
    };
    return cmocka_run_group_tests(webhook, NULL, NULL);
}
