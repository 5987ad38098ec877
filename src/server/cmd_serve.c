#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "server/app.h"
#include "server/cli.h"
#include "server/keeper.h"
#include "server/log_output.h"

static void warn_about(const struct keeper *keeper) {
    for (uint32_t i = 0; i < CONTROL_KEYS_MAX; i++) {
        if ((keeper->weak_keys >> i & 1) != 0)
            log_warn("the secret of API key %u is shorter than %d characters; tokens could be forged by guessing it",
                     i + 1, CONFIG_SECRET_LEN_ADVISED);
    }
}

static int serve(const struct config *config, struct keeper *keeper) {
    log_output_setup(config);
    struct config_error error = {{0}};
    struct app *app = app_create(config, keeper, &error);
    if (app == NULL) {
        cli_complain("%s", error.text);
        return CLI_FAILED;
    }
    app_banner(app);
    warn_about(keeper);
    log_info("serving");
    int status = app_run(app);
    app_destroy(app);
    return status;
}

int cli_serve(int count, char **arguments) {
    struct cli_common common = {0};
    const struct cli_option options[] = {CLI_COMMON_OPTIONS(common)};
    switch (cli_parse("serve", options, ARRAY_LEN(options), count, arguments)) {
    case CLI_WRONG:
        return CLI_USAGE;
    case CLI_HELP:
        printf("conclave serve: runs the server until Ctrl+C or SIGTERM.\n\n");
        cli_print_options(options, ARRAY_LEN(options));
        printf("\nEvery setting of the file can be given by environment as well: CONCLAVE_RTC_UDP_PORT is "
               "rtc.udp_port.\n");
        return CLI_OK;
    case CLI_PARSED:
        break;
    }
    static struct config config;
    static struct keeper keeper;
    if (!keeper_start(&keeper, &common, &config))
        return CLI_FAILED; /* it has said why */
    int status = serve(&config, &keeper);
    keeper_end(&keeper);
    return status;
}
