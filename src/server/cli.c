#include "server/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/secret.h"
#include "server/vault.h"

void cli_complain(const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)fputs("conclave: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
}

static const struct cli_option *find_option(const struct cli_option *options, size_t count, const char *argument,
                                            size_t len) {
    for (size_t i = 0; i < count; i++) {
        if (strlen(options[i].name) == len && strncmp(options[i].name, argument, len) == 0)
            return &options[i];
    }
    return NULL;
}

static bool take_value(const struct cli_option *option, const char *value) {
    struct cli_values *values = option->values;
    if (values == NULL) {
        *option->value = value;
        return true;
    }
    if (values->count == CLI_VALUES_MAX) {
        cli_complain("--%s can be given %d times at most; use a file", option->name, CLI_VALUES_MAX);
        return false;
    }
    values->items[values->count++] = value;
    return true;
}

/* One argument and perhaps the next; answers how many were used, 0 when it was wrong. */
static int take_option(const char *command, const struct cli_option *options, size_t options_count, int left,
                       char **arguments) {
    const char *argument = arguments[0];
    if (strncmp(argument, "--", 2) != 0 || argument[2] == 0) {
        cli_complain("%s takes no argument \"%s\"; see conclave %s --help", command, argument, command);
        return 0;
    }
    const char *name = argument + 2, *equals = strchr(name, '=');
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct cli_option *option = find_option(options, options_count, name, len);
    if (option == NULL) {
        cli_complain("%s has no option --%.*s; see conclave %s --help", command, (int)len, name, command);
        return 0;
    }
    if (option->value_name == NULL) {
        if (equals != NULL) {
            cli_complain("--%s takes no value", option->name);
            return 0;
        }
        *option->value = "";
        return 1;
    }
    if (equals == NULL && left < 2) {
        cli_complain("--%s needs a value (%s)", option->name, option->value_name);
        return 0;
    }
    if (!take_value(option, equals != NULL ? equals + 1 : arguments[1]))
        return 0;
    return equals != NULL ? 1 : 2;
}

enum cli_parsed cli_parse(const char *command, const struct cli_option *options, size_t options_count, int count,
                          char **arguments) {
    for (int i = 0; i < count; i++) {
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0)
            return CLI_HELP;
    }
    int used;
    for (int i = 0; i < count; i += used) {
        used = take_option(command, options, options_count, count - i, arguments + i);
        if (used == 0)
            return CLI_WRONG;
    }
    return CLI_PARSED;
}

void cli_print_options(const struct cli_option *options, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char left[64];
        (void)snprintf(left, sizeof left, "--%s%s%s", options[i].name, options[i].value_name != NULL ? " " : "",
                       options[i].value_name != NULL ? options[i].value_name : "");
        printf("  %-28s %s\n", left, options[i].help);
    }
    printf("  %-28s %s\n", "--help", "this text");
}

static bool load_file(struct config *config, const char *path, struct config_error *error) {
    uint8_t *text = malloc(CONFIG_FILE_LEN_MAX);
    size_t len = 0;
    if (text == NULL)
        return false;
    bool ok = vault_read(path, text, CONFIG_FILE_LEN_MAX, &len, error) &&
              config_load_text(config, path, span_of(text, len), error);
    secure_wipe(text, CONFIG_FILE_LEN_MAX);
    free(text);
    return ok;
}

/* "key=value,key=value"; commas inside a value cannot be written here. */
static bool load_settings(struct config *config, const char *settings, struct config_error *error) {
    struct reader r = reader_of(settings, strlen(settings));
    struct span item;
    while (rd_token(&r, ',', &item)) {
        char text[512];
        if (!span_to_str(item, text, sizeof text) || strchr(text, '=') == NULL) {
            (void)snprintf(error->text, sizeof error->text, "--set: write key=value");
            return false;
        }
        char *value = strchr(text, '=');
        *value++ = 0;
        if (!config_set(config, "--set", text, value, error))
            return false;
    }
    return true;
}

static bool load_flags(const struct cli_common *c, struct config *config, struct config_error *error) {
    const struct {
        const char *flag, *key, *value;
    } flags[] = {
        {"--data-dir", "data_dir", c->data_dir},        {"--port", "port", c->port},
        {"--node-ip", "rtc.node_ip", c->node_ip},       {"--media-threads", "media_threads", c->media_threads},
        {"--log-level", "logging.level", c->log_level},
    };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (flags[i].value != NULL && !config_set(config, flags[i].flag, flags[i].key, flags[i].value, error))
            return false;
    }
    if (c->bind != NULL) {
        config->bind_addresses.count = 0;
        if (!config_set(config, "--bind", "bind_addresses", c->bind, error))
            return false;
    }
    if (c->keys != NULL && !config_load_keys(config, "--keys", span_str(c->keys), error))
        return false;
    for (size_t i = 0; i < c->set.count; i++) {
        if (!load_settings(config, c->set.items[i], error))
            return false;
    }
    config->dev = c->dev != NULL;
    return true;
}

bool cli_load(const struct cli_common *common, struct config *config) {
    struct config_error error = {{0}};
    config_init(config);
    const char *path = common->config != NULL ? common->config : getenv("CONCLAVE_CONFIG");
    bool ok = (path == NULL || load_file(config, path, &error)) && config_load_environment(config, environ, &error) &&
              load_flags(common, config, &error) && config_finish(config, &error);
    if (!ok)
        cli_complain("%s", error.text);
    return ok;
}
