/* Logging, for the edge only (src/io, src/server): the cores keep counters and trace records instead. A line is one
 * sentence of lower-case words and key=value pairs. No address, name, token or key is logged at the default level;
 * log_private is compiled in but prints only when the operator turned personal data on. */
#ifndef CONCLAVE_BASE_LOG_H
#define CONCLAVE_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_sink {
    void (*write)(void *context, enum log_level level, const char *line, size_t len);
    void *context;
};

/* Set once by main before any thread starts; without a sink nothing is printed. */
void log_setup(struct log_sink sink, enum log_level level, bool json, bool personal_data);
bool log_personal_data(void);
bool log_level_parse(const char *text, enum log_level *level);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

#endif
