/* The command line: conclave serve | token | check | version. Each command is a function of its arguments (without the command's
 * name) that returns the exit status: 0, 1 when something went wrong (one sentence on stderr says what and what to do), 2
 * when it was called wrongly. */
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

/* ---- for the commands ---- */

/* One option: "--name value" or "--name=value", or a switch without a value. */
struct cli_option {
    const char *name;       /* without dashes */
    const char *value_name; /* NULL = a switch */
    const char *help;
    const char **value;     /* set to the value; for a switch to "" */
};

enum cli_parsed { CLI_PARSED, CLI_HELP, CLI_WRONG };
/* Options may come in any order, each once. Says what is wrong on stderr. */
enum cli_parsed cli_parse(const char *command, const struct cli_option *options, size_t options_count, int count,
                          char **arguments);
void cli_print_options(const struct cli_option *options, size_t count);

/* What the commands that need a configuration have in common. */
struct cli_common {
    const char *config, *dev, *data_dir, *port, *bind, *node_ip, *media_threads, *log_level, *keys, *set;
};
#define CLI_COMMON_OPTIONS(c)                                                                                          \
    {"config", "FILE", "configuration (YAML); also the variable CONCLAVE_CONFIG", &(c).config},                        \
    {"dev", NULL, "for development: this machine only, API key devkey, secret \"secret\"", &(c).dev},                  \
    {"data-dir", "FOLDER", "keys and certificates made at first run (data)", &(c).data_dir},                           \
    {"port", "PORT", "HTTP and WebSocket without TLS (7880)", &(c).port},                                              \
    {"bind", "ADDRESSES", "addresses of that port, comma-separated (this machine only)", &(c).bind},                   \
    {"node-ip", "ADDRESS", "the one address to announce for media", &(c).node_ip},                                     \
    {"media-threads", "N", "media threads (by the number of processors)", &(c).media_threads},                         \
    {"log-level", "LEVEL", "debug, info, warn or error (info)", &(c).log_level},                                       \
    {"keys", "\"KEY: SECRET\"", "an API key", &(c).keys},                                                              \
    {"set", "KEY=VALUE,...", "any other settings by name, see conclave check --help", &(c).set}

/* Defaults, file, environment, flags. Prints the error. The file is too large for the stack: config comes from the caller. */
bool cli_load(const struct cli_common *common, struct config *config);
/* One sentence on stderr. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
