#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "server/admin.h"
#include "server/cli.h"

#define WITHIN_DEFAULT_S 3600
#define ANSWER_MS 3000
#define LOOK_MS 1000

struct drain_status {
    char state[16];
    unsigned left_s, meetings, rooms, sessions;
};

/* An abstract address of the kernel's choice, so that the server can answer. */
static int open_socket(const struct sockaddr_un *address) {
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un own = {.sun_family = AF_UNIX};
    if (fd >= 0 && bind(fd, (struct sockaddr *)&own, offsetof(struct sockaddr_un, sun_path)) == 0 &&
        connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return fd;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return -1;
}

enum answer { ANSWER_GOOD, ANSWER_NONE, ANSWER_WRONG };

static enum answer ask(int fd, const char *line, struct drain_status *out) {
    char reply[ADMIN_LINE_LEN_MAX];
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0 || poll(&poll_fd, 1, ANSWER_MS) != 1)
        return ANSWER_NONE;
    ssize_t len = recv(fd, reply, sizeof reply - 1, 0);
    if (len <= 0)
        return ANSWER_NONE;
    reply[len] = 0;
    if (sscanf(reply, ADMIN_REPLY, out->state, &out->left_s, &out->meetings, &out->rooms, &out->sessions) == 5)
        return ANSWER_GOOD;
    cli_complain("%s", strncmp(reply, "error ", 6) == 0 ? reply + 6 : reply);
    return ANSWER_WRONG;
}

static void print_status(const struct drain_status *s) {
    if (strcmp(s->state, "serving") == 0)
        printf("serving: %u meetings, %u connections\n", s->meetings, s->sessions);
    else
        printf("%s: %u meetings, %u connections, %02u:%02u left at most\n", s->state, s->meetings, s->sessions,
               s->left_s / 60, s->left_s % 60);
    (void)fflush(stdout);
}

/* A line whenever something changed, and each minute; ends when the server has. */
static int follow(int fd, struct drain_status last) {
    for (;;) {
        struct drain_status now;
        (void)poll(NULL, 0, LOOK_MS);
        enum answer answer = ask(fd, "status", &now);
        if (answer == ANSWER_WRONG)
            return CLI_FAILED;
        if (answer == ANSWER_NONE) {
            printf("the server has ended\n");
            return CLI_OK;
        }
        if (strcmp(now.state, "serving") == 0) {
            printf("draining was called off\n");
            return CLI_OK;
        }
        if (now.meetings != last.meetings || now.sessions != last.sessions || strcmp(now.state, last.state) != 0 ||
            now.left_s / 60 != last.left_s / 60) {
            print_status(&now);
            last = now;
        }
    }
}

static int run(const struct config *config, const char *line, bool wait) {
    struct sockaddr_un address;
    struct drain_status status;
    if (!admin_address(config->data_dir, &address)) {
        cli_complain("the path of data_dir is too long for a socket in it");
        return CLI_FAILED;
    }
    int fd = open_socket(&address);
    if (fd < 0) {
        cli_complain("no server can be reached at %s: %s; is it running, and is this its user?", address.sun_path,
                     strerror(errno));
        return CLI_FAILED;
    }
    enum answer answer = ask(fd, line, &status);
    if (answer == ANSWER_NONE)
        cli_complain("the server does not answer");
    if (answer == ANSWER_GOOD)
        print_status(&status);
    int result = answer != ANSWER_GOOD ? CLI_FAILED : wait ? follow(fd, status) : CLI_OK;
    close(fd);
    return result;
}

int cli_drain(int count, char **arguments) {
    struct cli_common common = {0};
    const char *within = NULL, *cancel = NULL, *no_wait = NULL, *show = NULL;
    const struct cli_option options[] = {
        {"config", "FILE", "configuration of that server; also the variable CONCLAVE_CONFIG", &common.config, NULL},
        {"data-dir", "FOLDER", "its data folder", &common.data_dir, NULL},
        {"within", "SECONDS", "what running meetings get at most (3600)", &within, NULL},
        {"no-wait", NULL, "do not wait for the end", &no_wait, NULL},
        {"cancel", NULL, "take new meetings again", &cancel, NULL},
        {"status", NULL, "only say how it stands", &show, NULL},
    };
    switch (cli_parse("drain", options, ARRAY_LEN(options), count, arguments)) {
    case CLI_WRONG:
        return CLI_USAGE;
    case CLI_HELP:
        printf(
            "conclave drain: tells the running server to begin no new meetings, and to stop when the last one is over "
            "or\n"
            "the time is up. Run it as the server's user. A second SIGTERM, or systemctl stop, ends it at once.\n\n");
        cli_print_options(options, ARRAY_LEN(options));
        return CLI_OK;
    case CLI_PARSED:
        break;
    }
    uint64_t seconds = WITHIN_DEFAULT_S;
    if (within != NULL && !span_to_u64(span_str(within), 86400, &seconds)) {
        cli_complain("--within takes a number of seconds up to 86400");
        return CLI_USAGE;
    }
    char line[32];
    (void)snprintf(line, sizeof line, "drain %u", (unsigned)seconds);
    const char *what = cancel != NULL ? "resume" : show != NULL ? "status" : line;
    struct config *config = malloc(sizeof *config);
    if (config == NULL)
        return CLI_FAILED;
    int status = cli_load(&common, config) ? run(config, what, what == line && no_wait == NULL) : CLI_FAILED;
    config_wipe(config);
    free(config);
    return status;
}
