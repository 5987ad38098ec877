#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "server/cli.h"
#include "server/vault.h"

#define TTL_DEFAULT_S (6 * 3600)
#define TOKEN_LEN_MAX 8192

struct token_options {
    const char *room, *identity, *name, *ttl, *metadata;
    const char *no_publish, *no_subscribe, *no_data, *admin, *create, *list, *hidden, *own_metadata;
};

/* "90", "90s", "15m", "6h", "30d". */
static bool parse_ttl(const char *text, uint32_t *out) {
    static const struct {
        char unit;
        uint32_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t len = strlen(text);
    uint32_t factor = 1;
    for (size_t i = 0; len > 0 && i < ARRAY_LEN(units); i++) {
        if (text[len - 1] == units[i].unit) {
            factor = units[i].seconds;
            len--;
            break;
        }
    }
    uint64_t number;
    /* a year; the bound also keeps the product in range */
    if (!span_to_u64(span_of(text, len), 366 * 86400, &number) || number == 0 || number * factor > 366 * 86400)
        return false;
    *out = (uint32_t)(number * factor);
    return true;
}

static bool find_key(struct config *config) {
    struct config_error error = {{0}};
    static uint8_t text[CONFIG_FILE_LEN_MAX];
    size_t len = 0;
    bool ok = true;
    if (config->key_file[0] != 0)
        ok = vault_read(config->key_file, text, sizeof text, &len, &error) &&
             config_load_keys(config, config->key_file, span_of(text, len), &error);
    char path[VAULT_PATH_LEN_MAX];
    (void)snprintf(path, sizeof path, "%s/keys.yaml", config->data_dir);
    if (ok && config->keys_count == 0) {
        if (access(path, F_OK) != 0) {
            cli_complain("no API key: give --config or --keys, or run conclave serve once (it makes %s)", path);
            return false;
        }
        ok = vault_read(path, text, sizeof text, &len, &error) &&
             config_load_keys(config, path, span_of(text, len), &error);
    }
    if (!ok)
        cli_complain("%s", error.text);
    return ok;
}

static int print_token(const struct config *config, const struct token_options *o, uint32_t ttl_s) {
    struct control_token_request request = {
        .identity = o->identity != NULL ? o->identity : "",
        .name = o->name != NULL       ? o->name
                : o->identity != NULL ? o->identity
                                      : "",
        .room = o->room != NULL ? o->room : "",
        .metadata = o->metadata,
        .ttl_s = ttl_s,
        .can_publish = o->no_publish == NULL,
        .can_subscribe = o->no_subscribe == NULL,
        .can_publish_data = o->no_data == NULL,
        .room_admin = o->admin != NULL,
        .room_create = o->create != NULL,
        .room_list = o->list != NULL,
        .hidden = o->hidden != NULL,
        .can_update_own_metadata = o->own_metadata != NULL,
    };
    static char token[TOKEN_LEN_MAX];
    struct writer w = writer_of(token, sizeof token - 1);
    const struct control_keys keys = control_keys_local(config->keys, config->keys_count);
    if (!token_sign(&keys, 0, clock_unix_us(), &request, &w)) {
        cli_complain("the token does not fit into %d bytes; shorten the metadata", TOKEN_LEN_MAX);
        return CLI_FAILED;
    }
    token[w.len] = 0;
    puts(token);
    return CLI_OK;
}

int cli_token(int count, char **arguments) {
    struct cli_common common = {0};
    struct token_options o = {0};
    const struct cli_option options[] = {
        {"room", "NAME", "the room to join", &o.room, NULL},
        {"identity", "TEXT", "who it is for; unique in the room", &o.identity, NULL},
        {"name", "TEXT", "the name to show (the identity)", &o.name, NULL},
        {"ttl", "TIME", "how long it is valid: 90s, 15m, 6h, 30d (6h)", &o.ttl, NULL},
        {"metadata", "TEXT", "metadata of the participant", &o.metadata, NULL},
        {"no-publish", NULL, "may not publish", &o.no_publish, NULL},
        {"no-subscribe", NULL, "may not subscribe", &o.no_subscribe, NULL},
        {"no-data", NULL, "may not send data", &o.no_data, NULL},
        {"admin", NULL, "may moderate the room by the room API", &o.admin, NULL},
        {"create", NULL, "may make and delete rooms", &o.create, NULL},
        {"list", NULL, "may list rooms", &o.list, NULL},
        {"hidden", NULL, "is not shown to others", &o.hidden, NULL},
        {"own-metadata", NULL, "may change its own name and metadata", &o.own_metadata, NULL},
        CLI_COMMON_OPTIONS(common),
    };
    switch (cli_parse("token", options, ARRAY_LEN(options), count, arguments)) {
    case CLI_WRONG:
        return CLI_USAGE;
    case CLI_HELP:
        printf("conclave token: prints an access token, signed with the server's API key.\n\n");
        cli_print_options(options, ARRAY_LEN(options));
        return CLI_OK;
    case CLI_PARSED:
        break;
    }
    uint32_t ttl_s = TTL_DEFAULT_S;
    if (o.ttl != NULL && !parse_ttl(o.ttl, &ttl_s)) {
        cli_complain("--ttl: write a time such as 90s, 15m, 6h or 30d, at most 366d");
        return CLI_USAGE;
    }
    if (o.create == NULL && o.list == NULL && (o.room == NULL || (o.identity == NULL && o.admin == NULL))) {
        cli_complain("a token to join needs --room and --identity; see conclave token --help");
        return CLI_USAGE;
    }
    struct config *config = malloc(sizeof *config);
    if (config == NULL)
        return CLI_FAILED;
    int status = cli_load(&common, config) && find_key(config) ? print_token(config, &o, ttl_s) : CLI_FAILED;
    config_wipe(config);
    free(config);
    return status;
}
