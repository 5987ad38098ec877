/* An HTTP server in the test's own thread, and a client on raw sockets, which blocks, in another. */
#ifndef CONCLAVE_TESTS_HTTP_WORLD_H
#define CONCLAVE_TESTS_HTTP_WORLD_H

#include "unit.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "server/http.h"

#define BODY_MAX 1000
#define SESSIONS_MAX 64

struct served {
    struct http *http;
    struct http_config config; /* filled in before serve_with for what a test wants otherwise */
    uint16_t port, metrics_port;
    uint64_t next_session, session;
    _Atomic uint32_t closed, connections, evicted;
    _Atomic uint32_t uploads, uploads_gone;
    _Atomic uint64_t uploaded;
    _Atomic uint16_t peer_code; /* of the last session that ended */
    _Atomic uint64_t queued_len;
    _Atomic uint32_t opened, messages;
    size_t last_len, flood;
    bool last_text, refuse_upgrades, slow_reader_killed;
    char last_query[200000], last_path[1024];
    _Atomic bool done;
    void (*client)(struct served *s);
};

struct served *fresh(void);
/* Serves while `client` runs; what it left open is closed at the end. */
void serve_with(struct served *s, uint32_t connections_max, void (*client)(struct served *s));
struct http *open_http(struct served *s, uint32_t connections_max);
void finish(struct served *s);

/* ---- the client's side ---- */

int dial(uint16_t port);
/* From 127.0.0.<host>: another address. */
int dial_from(uint16_t port, uint8_t host);
bool put(int fd, const void *data, size_t len);
/* Reads until the end, the size, or silence of `patience_ms`. */
size_t get(int fd, char *out, size_t size, int patience_ms);
/* What came last. */
extern char answer[4u << 20];
/* Generous: the connection is closed after the answer, so this is waited for only when something hangs. */
#define ANSWER_MS 15000
/* One request on a connection of its own; answers `answer`. */
const char *ask(struct served *s, const char *text);
/* Waits until the condition holds, for ANSWER_MS at most. */
#define AWAIT(condition)                                                                                               \
    for (int tries_ = 0; tries_ < ANSWER_MS / 10 && !(condition); tries_++)                                            \
    usleep(10000)

#define UPGRADE_WITH(more)                                                                                             \
    "GET /rtc?access_token=x HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" more    \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define UPGRADE UPGRADE_WITH("")
/* Sends an upgrade and reads the head of its answer into `answer`. */
void upgrade(int fd, const char *request);
int dial_socket(struct served *s);
/* One masked frame; the mask is zero, so that the payload stands as it is. */
bool put_frame(int fd, uint8_t first, const void *data, size_t len);
/* One frame from the server, at most `size` bytes of it; answers its first byte, or -1. */
int get_frame(int fd, char *out, size_t size, size_t *len);
extern char frame[3u << 20];

/* Asserting in the client's thread would end the wrong one: failures are noted and looked at in the test. */
extern _Atomic int wrong_line;
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition) && atomic_load(&wrong_line) == 0) {                                                           \
            atomic_store(&wrong_line, __LINE__);                                                                       \
            (void)fprintf(stderr, "line %d: %s; answer: %.300s\n", __LINE__, #condition, answer);                      \
        }                                                                                                              \
    } while (0)
void check_client(void);

#define CLOSE "Connection: close\r\n\r\n"
#define STARTS(text, prefix) (strncmp(text, prefix, strlen(prefix)) == 0)

#endif
