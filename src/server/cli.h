/* The command line: conclave serve | token | drain | check | version. Each command is a function of its arguments (without the
 * command's name) that returns the exit status: 0, 1 when something went wrong (one sentence on stderr says what and
 * what to do), 2 when it was called wrongly. */
#ifndef CONCLAVE_SERVER_CLI_H
#define CONCLAVE_SERVER_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "server/config.h"

#define CLI_OK 0
#define CLI_FAILED 1
#define CLI_USAGE 2

int cli_serve(int count, char **arguments);
int cli_token(int count, char **arguments);
int cli_check(int count, char **arguments);
int cli_drain(int count, char **arguments);

/* ---- for the commands ---- */

/* More settings than this belong in a file. */
#define CLI_VALUES_MAX 32

/* The values of an option that may be given several times, in their order. */
struct cli_values {
    size_t count;
    const char *items[CLI_VALUES_MAX];
};

/* One option: "--name value" or "--name=value", or a switch without a value. */
struct cli_option {
    const char *name;       /* without dashes */
    const char *value_name; /* NULL = a switch */
    const char *help;
    const char **value;        /* set to the value; for a switch to "" */
    struct cli_values *values; /* instead: each value is added, up to CLI_VALUES_MAX */
};

enum cli_parsed { CLI_PARSED, CLI_HELP, CLI_WRONG };
/* Options may come in any order, each once but those with `values`. Says what is wrong on stderr. */
enum cli_parsed cli_parse(const char *command, const struct cli_option *options, size_t options_count, int count,
                          char **arguments);
void cli_print_options(const struct cli_option *options, size_t count);

/* What the commands that need a configuration have in common. */
struct cli_common {
    const char *config, *dev, *data_dir, *port, *bind, *node_ip, *media_threads, *log_level, *keys;
    struct cli_values set;
};
#define CLI_COMMON_OPTIONS(c)                                                                                          \
    {"config", "FILE", "configuration (YAML); also the variable CONCLAVE_CONFIG", &(c).config, NULL},                  \
        {"dev", NULL, "for development: this machine only, API key devkey, secret \"secret\"", &(c).dev, NULL},        \
        {"data-dir", "FOLDER", "keys and certificates made at first run (data)", &(c).data_dir, NULL},                 \
        {"port", "PORT", "HTTP and WebSocket without TLS (7880)", &(c).port, NULL},                                    \
        {"bind", "ADDRESSES", "addresses of that port, comma-separated (this machine only)", &(c).bind, NULL},         \
        {"node-ip", "ADDRESS", "the one address to announce for media", &(c).node_ip, NULL},                           \
        {"media-threads", "N", "media threads (by the number of processors)", &(c).media_threads, NULL},               \
        {"log-level", "LEVEL", "debug, info, warn or error (info)", &(c).log_level, NULL},                             \
        {"keys", "\"KEY: SECRET\"", "an API key", &(c).keys, NULL}, {                                                  \
        "set", "KEY=VALUE,...", "any other settings by name, see conclave check --help", NULL, &(c).set                \
    }

/* Defaults, file, environment, flags. Prints the error. The file is too large for the stack: config comes from the
 * caller. */
bool cli_load(const struct cli_common *common, struct config *config);
/* One sentence on stderr. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
