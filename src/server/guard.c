#include "server/guard.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/assert.h"
#include "base/log.h"
#include "io/sandbox.h"
#include "server/vault.h"

struct path_list {
    size_t count;
    struct sandbox_path paths[SANDBOX_PATHS_MAX];
    char texts[SANDBOX_PATHS_MAX][PATH_MAX];
};

static void add_path(struct path_list *list, const char *path, bool writable) {
    if (list->count == SANDBOX_PATHS_MAX || path[0] == 0 || strlen(path) >= PATH_MAX)
        return;
    char *text = list->texts[list->count];
    (void)snprintf(text, PATH_MAX, "%s", path);
    list->paths[list->count++] = (struct sandbox_path){text, writable};
}

/* The folder of a file as it is named, and the one where it really is: a renewal replaces links and what they point to. */
static void add_folders_of(struct path_list *list, const char *path) {
    char text[PATH_MAX], real[PATH_MAX];
    if (strlen(path) >= sizeof text)
        return;
    (void)snprintf(text, sizeof text, "%s", path);
    add_path(list, dirname(text), false);
    if (realpath(path, real) != NULL)
        add_path(list, dirname(real), false);
}

/* For webhooks: names are resolved, and certificates of others checked. */
static void add_resolution(struct path_list *list) {
    static const char *const paths[] = {"/etc/resolv.conf",     "/etc/hosts",    "/etc/host.conf",
                                        "/etc/nsswitch.conf",   "/etc/gai.conf", "/etc/services",
                                        "/run/systemd/resolve", "/etc/ssl",      "/usr/share/ca-certificates",
                                        "/usr/lib/ssl",         "/etc/pki",      "/usr/local/share/ca-certificates"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        char real[PATH_MAX];
        add_path(list, paths[i], false);
        if (realpath(paths[i], real) != NULL && strcmp(real, paths[i]) != 0)
            add_path(list, real, false);
    }
}

/* Modules of name resolution are loaded at the first question, which the sandbox would not allow any more. */
static void load_resolution(void) {
    struct addrinfo *found = NULL;
    if (getaddrinfo("localhost", NULL, NULL, &found) == 0)
        freeaddrinfo(found);
}

static void tell(const char *what, enum sandbox_result result, int error_number) {
    switch (result) {
    case SANDBOX_ON:
    case SANDBOX_NOT_BUILT:
        return;
    case SANDBOX_KERNEL_LACKS:
        log_warn("%s cannot be restricted by this kernel; the systemd unit still does", what);
        return;
    case SANDBOX_FAILED:
        log_warn("%s could not be restricted: %s", what, strerror(error_number));
        return;
    }
}

bool guard_server(const struct config *config, const char *files_dir, const char *run_dir, struct config_error *error) {
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (!config->sandbox)
        return true;
    tell("privileges", sandbox_privileges(), errno);
    struct path_list *list = calloc(1, sizeof *list);
    if (list == NULL) {
        (void)snprintf(error->text, sizeof error->text, "no memory");
        return false;
    }
    if (config->webhook_urls_count > 0)
        add_path(list, "/dev/urandom", false); /* the HTTP library of webhooks asks for it */
    add_path(list, run_dir, true);
    add_path(list, files_dir, true);
    if (config->webhook_urls_count > 0) {
        load_resolution();
        add_resolution(list);
    }
    tell("files", sandbox_files(list->paths, list->count, config->webhook_urls_count > 0), errno);
    free(list);
    return true;
}

void guard_calls(void) {
    tell("system calls", sandbox_calls(SANDBOX_SERVER), errno);
}

void guard_keeper(const struct config *config) {
    static struct path_list list;
    char tls[VAULT_PATH_LEN_MAX];
    tell("privileges", sandbox_privileges(), errno);
    if (config->tls_cert_file[0] != 0) {
        add_folders_of(&list, config->tls_cert_file);
        add_folders_of(&list, config->tls_key_file);
    } else if (config->tls_port != 0) {
        (void)snprintf(tls, sizeof tls, "%s/tls", config->data_dir);
        add_path(&list, tls, true);
    }
    tell("files", sandbox_files(list.paths, list.count, false), errno);
    tell("system calls", sandbox_calls(SANDBOX_KEEPER), errno);
}
