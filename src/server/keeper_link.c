#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "server/cli.h"
#include "server/keeper_internal.h"

#define PARTS_MAX 4

/* ---- the socket pair ---- */

bool keeper_send(int fd, const struct span *parts, size_t count) {
    uint8_t head[4];
    struct iovec pieces[PARTS_MAX + 1] = {{head, sizeof head}};
    size_t len = 0;
    ASSERT(count <= PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        pieces[i + 1] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].len};
        len += parts[i].len;
    }
    struct writer w = writer_of(head, sizeof head);
    wr_u32(&w, (uint32_t)len);
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count + 1};
    for (size_t left = sizeof head + len; left > 0;) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        left -= (size_t)sent;
        while (message.msg_iovlen > 0 && (size_t)sent >= message.msg_iov[0].iov_len) {
            sent -= (ssize_t)message.msg_iov[0].iov_len;
            message.msg_iov++;
            message.msg_iovlen--;
        }
        if (message.msg_iovlen > 0) {
            message.msg_iov[0].iov_base = (uint8_t *)message.msg_iov[0].iov_base + sent;
            message.msg_iov[0].iov_len -= (size_t)sent;
        }
    }
    return true;
}

static bool receive_all(int fd, uint8_t *out, size_t len) {
    for (size_t got = 0; got < len;) {
        ssize_t part = recv(fd, out + got, len - got, 0);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            return false;
        got += (size_t)part;
    }
    return true;
}

bool keeper_receive(int fd, uint8_t *out, size_t max, size_t *len) {
    uint8_t head[4];
    if (!receive_all(fd, head, sizeof head))
        return false;
    struct reader r = reader_of(head, sizeof head);
    *len = rd_u32(&r);
    return *len <= max && receive_all(fd, out, *len);
}

/* ---- the asking side ---- */

static void give_up(struct keeper *keeper) {
    if (!keeper->failed)
        log_error("the process that keeps the keys does not answer any more: the server ends");
    keeper->failed = true;
}

bool keeper_ask(struct keeper *keeper, const struct span *parts, size_t count, uint8_t *out, size_t max, size_t *len) {
    static uint8_t answer[KEEPER_ANSWER_LEN_MAX];
    size_t answer_len = 0;
    *len = 0;
    if (keeper->failed)
        return false;
    if (!keeper_send(keeper->fd, parts, count) || !keeper_receive(keeper->fd, answer, sizeof answer, &answer_len) ||
        answer_len == 0 || answer_len - 1 > max) {
        give_up(keeper);
        return false;
    }
    *len = answer_len - 1;
    memcpy(out, answer + 1, *len);
    bool yes = answer[0] == 1;
    secure_wipe(answer, answer_len);
    return yes;
}

bool keeper_look(struct keeper *keeper) {
    uint8_t byte;
    if (!keeper->failed && recv(keeper->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
        give_up(keeper); /* its end, or a word that nobody asked for */
    return !keeper->failed;
}

void keeper_end(struct keeper *keeper) {
    if (keeper->fd >= 0)
        (void)close(keeper->fd);
    keeper->fd = -1;
    if (keeper->pid > 0)
        (void)waitpid(keeper->pid, NULL, 0);
    keeper->pid = 0;
}

/* ---- the start ---- */

/* Where the secrets were given to this process by words: they stand in its memory since before it ran. */
static void overwrite_words(const struct cli_common *common) {
    static const char *const names[] = {"LIVEKIT_KEYS=", "CONCLAVE_KEYS="};
    if (common->keys != NULL)
        memset((char *)(uintptr_t)common->keys, ' ', strlen(common->keys));
    for (char **entry = environ; *entry != NULL; entry++) {
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            size_t len = strlen(names[i]);
            if (strncmp(*entry, names[i], len) == 0)
                secure_wipe(*entry + len, strlen(*entry + len));
        }
    }
}

static bool take_hello(struct keeper *keeper, struct config *config) {
    struct keeper_hello *hello = malloc(sizeof *hello + 1);
    size_t len = 0;
    bool good =
        hello != NULL && keeper_receive(keeper->fd, (uint8_t *)hello, sizeof *hello, &len) && len == sizeof *hello;
    if (good) {
        *config = hello->config;
        memcpy(keeper->operator_key, hello->operator_key, sizeof keeper->operator_key);
        keeper->made_key = hello->made_key;
        keeper->weak_keys = hello->weak_keys;
    }
    free(hello);
    return good;
}

bool keeper_start(struct keeper *keeper, const struct cli_common *common, struct config *config) {
    int pair[2];
    *keeper = (struct keeper){.fd = -1};
    (void)fflush(NULL); /* what is buffered is written once */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        cli_complain("no socket for the process that keeps the keys: %s", strerror(errno));
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(pair[0]);
        keeper_main(pair[1], common);
    }
    (void)close(pair[1]);
    keeper->fd = pair[0];
    keeper->pid = pid;
    if (pid < 0) {
        cli_complain("the process that keeps the keys cannot be started: %s", strerror(errno));
        keeper->pid = 0;
        keeper_end(keeper);
        return false;
    }
    overwrite_words(common);
    bool good = take_hello(keeper, config);
    const struct timeval wait = {.tv_sec = KEEPER_WAIT_S};
    good = good && setsockopt(keeper->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
           setsockopt(keeper->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0;
    if (!good)
        keeper_end(keeper);
    return good;
}
