#include "server/log_output.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Below PIPE_BUF, so that a pipe takes a line whole. */
#define TEXT_LEN_MAX 2560

/* Shared by all threads: between looking for room and writing no other line may take it. */
static struct {
    pthread_mutex_t lock;
    bool json, journal;
    unsigned long lost;
} output = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool put(const char *line, size_t len) {
    char text[TEXT_LEN_MAX], now[32] = "";
    time_t seconds = time(NULL);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) != NULL)
        (void)strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &parts);
    int total;
    if (output.json && len > 1)
        total = snprintf(text, sizeof text, "{\"time\":\"%s\",%.*s\n", now, (int)len - 1, line + 1);
    else if (output.journal)
        total = snprintf(text, sizeof text, "%.*s\n", (int)len, line);
    else
        total = snprintf(text, sizeof text, "%s %.*s\n", now, (int)len, line);
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (total <= 0 || poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0)
        return false;
    size_t wanted = (size_t)total < sizeof text ? (size_t)total : sizeof text - 1;
    return write(STDERR_FILENO, text, wanted) == (ssize_t)wanted;
}

static bool put_lost(void) {
    char line[128];
    const char *format =
        output.json ? "{\"level\":\"warn\",\"msg\":\"%lu lines of the log were lost, because nothing took them\"}"
                    : "warn %lu lines of the log were lost, because nothing took them";
    int len = snprintf(line, sizeof line, format, output.lost);
    return put(line, (size_t)len);
}

static void write_line(void *context, enum log_level level, const char *line, size_t len) {
    (void)context;
    (void)level;
    if (pthread_mutex_lock(&output.lock) != 0)
        return;
    if (output.lost > 0 && put_lost())
        output.lost = 0;
    if (output.lost > 0 || !put(line, len))
        output.lost++;
    (void)pthread_mutex_unlock(&output.lock);
}

void log_output_setup(const struct config *config) {
    (void)signal(SIGPIPE, SIG_IGN);
    output.json = config->log_json;
    output.journal = getenv("JOURNAL_STREAM") != NULL;
    log_setup((struct log_sink){.write = write_line}, config->log_level, config->log_json, config->log_personal_data);
}
