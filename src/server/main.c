#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "server/assets.h"
#include "server/cli.h"

static int version(int count, char **arguments) {
    switch (cli_parse("version", NULL, 0, count, arguments)) {
    case CLI_WRONG:
        return CLI_USAGE;
    case CLI_HELP:
        printf("conclave version: prints the version, and the SHA-256 of the web client inside this executable, by "
               "which it can\n"
               "be compared with what browsers get and with other builds of the same source.\n\n");
        cli_print_options(NULL, 0);
        return CLI_OK;
    case CLI_PARSED:
        break;
    }
    printf("conclave %s\nweb client %s\n", CONCLAVE_VERSION, assets_sha256);
    return CLI_OK;
}

static const struct {
    const char *name, *help;
    int (*run)(int count, char **arguments);
} commands[] = {
    {"serve", "run the server", cli_serve},
    {"token", "print an access token for a room", cli_token},
    {"drain", "let a running server's meetings end, take no new ones, then stop it", cli_drain},
    {"check", "look at configuration, ports and files without serving", cli_check},
    {"version", "print the version and the hash of the web client inside", version},
};

static void help(FILE *to) {
    (void)fprintf(to, "Conclave %s, a server for confidential video meetings\n\nusage: conclave COMMAND [options]\n\n",
                  CONCLAVE_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        (void)fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
    (void)fprintf(to, "\nconclave COMMAND --help tells more.\n");
}

/* A standard descriptor that is closed would be the number of the next file or socket that is opened, which would then get what is
 * printed. */
static void keep_standard_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", O_RDWR); /* the lowest free number, which is this one */
    }
}

int main(int count, char **arguments) {
    keep_standard_descriptors();
    if (count < 2) {
        help(stderr);
        return CLI_USAGE;
    }
    const char *name = arguments[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        help(stdout);
        return CLI_OK;
    }
    if (strcmp(name, "--version") == 0)
        return version(0, NULL);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(count - 2, arguments + 2);
    }
    cli_complain("there is no command \"%s\"; see conclave --help", name);
    return CLI_USAGE;
}
