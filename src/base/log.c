#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Written once before threads start, read-only after. */
static struct {
    struct log_sink sink;
    enum log_level level;
    bool json;
    bool personal_data;
} log_state = {.level = LOG_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(struct log_sink sink, enum log_level level, bool json, bool personal_data) {
    log_state.sink = sink;
    log_state.level = level;
    log_state.json = json;
    log_state.personal_data = personal_data;
}

bool log_personal_data(void) {
    return log_state.personal_data;
}

bool log_level_parse(const char *text, enum log_level *level) {
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* A log line is one line: control characters, which could forge another one, become '?'. */
static void make_printable(char *text) {
    for (; *text != 0; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
    }
}

static size_t json_escape(const char *text, char *out, size_t size) {
    size_t len = 0;
    for (; *text != 0 && len + 3 < size; text++) {
        if (*text == '"' || *text == '\\')
            out[len++] = '\\';
        out[len++] = *text;
    }
    out[len] = 0;
    return len;
}

void log_line(enum log_level level, const char *format, ...) {
    if (log_state.sink.write == NULL || level < log_state.level)
        return;
    char message[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    make_printable(message);
    char line[2304];
    int len;
    if (log_state.json) {
        char escaped[2048];
        json_escape(message, escaped, sizeof escaped);
        len = snprintf(line, sizeof line, "{\"level\":\"%s\",\"msg\":\"%s\"}", level_names[level], escaped);
    } else {
        len = snprintf(line, sizeof line, "%s %s", level_names[level], message);
    }
    if (len > 0)
        log_state.sink.write(log_state.sink.context, level, line,
                             (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}
