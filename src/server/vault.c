#include "server/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/rng.h"
#include "base/secret.h"

static bool fail(struct config_error *error, const char *path, const char *what) {
    (void)snprintf(error->text, sizeof error->text, "%s %s: %s", path, what, strerror(errno));
    return false;
}

static bool join_path(char *out, const char *dir, const char *name, struct config_error *error) {
    int len = snprintf(out, VAULT_PATH_LEN_MAX, "%s/%s", dir, name);
    if (len > 0 && len < VAULT_PATH_LEN_MAX)
        return true;
    (void)snprintf(error->text, sizeof error->text, "%s: the path is too long", dir);
    return false;
}

bool vault_read(const char *path, uint8_t *out, size_t max, size_t *len, struct config_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(error, path, "cannot be read");
    *len = 0;
    ssize_t got = 0;
    while (*len < max && (got = read(fd, out + *len, max - *len)) > 0)
        *len += (size_t)got;
    uint8_t extra;
    bool longer = got >= 0 && *len == max && read(fd, &extra, 1) == 1;
    int saved = errno;
    close(fd);
    errno = saved;
    if (got < 0)
        return fail(error, path, "cannot be read");
    if (longer) {
        (void)snprintf(error->text, sizeof error->text, "%s is longer than %zu bytes", path, max);
        return false;
    }
    return true;
}

bool vault_write(const char *path, struct span bytes, struct config_error *error) {
    char temporary[VAULT_PATH_LEN_MAX + 8];
    (void)snprintf(temporary, sizeof temporary, "%s.new", path);
    (void)unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(error, path, "cannot be written");
    size_t done = 0;
    ssize_t wrote = 0;
    while (done < bytes.len && (wrote = write(fd, bytes.data + done, bytes.len - done)) > 0)
        done += (size_t)wrote;
    bool ok = done == bytes.len && fsync(fd) == 0;
    int saved = errno;
    ok = close(fd) == 0 && ok;
    if (ok && rename(temporary, path) == 0)
        return true;
    if (!ok)
        errno = saved;
    fail(error, path, "cannot be written");
    (void)unlink(temporary);
    return false;
}

static bool make_folder(const char *path, struct config_error *error) {
    if (mkdir(path, 0700) == 0 || errno == EEXIST) {
        struct stat st;
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            return true;
        errno = ENOTDIR;
    }
    return fail(error, path, "cannot be made");
}

bool vault_open(const char *dir, struct config_error *error) {
    char tls[VAULT_PATH_LEN_MAX], run[VAULT_PATH_LEN_MAX];
    if (!make_folder(dir, error) || !join_path(tls, dir, "tls", error) || !make_folder(tls, error) ||
        !join_path(run, dir, "run", error) || !make_folder(run, error))
        return false;
    if (access(dir, R_OK | W_OK | X_OK) != 0)
        return fail(error, dir, "is not readable and writable for this user");
    return true;
}

/* Only what is surely not there may be made. A link that leads nowhere is a file of a disk that is not mounted, say. */
static bool missing(const char *path) {
    struct stat st;
    return lstat(path, &st) != 0 && errno == ENOENT;
}

static bool random_file(const char *dir, const char *name, struct rng *rng, struct secret *out,
                        struct config_error *error) {
    char path[VAULT_PATH_LEN_MAX];
    if (!join_path(path, dir, name, error))
        return false;
    uint8_t text[128];
    secret_zeros(out, VAULT_SECRET_LEN);
    if (missing(path)) {
        rng_fill(rng, out->bytes, VAULT_SECRET_LEN);
        struct writer w = writer_of(text, sizeof text);
        wr_base64url(&w, secret_span(out));
        wr_str(&w, "\n");
        bool ok = vault_write(path, writer_span(&w), error);
        secure_wipe(text, sizeof text);
        return ok;
    }
    size_t len = 0, secret_len = 0;
    if (!vault_read(path, text, sizeof text, &len, error))
        return false;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    bool ok =
        base64_decode(span_of(text, len), out->bytes, VAULT_SECRET_LEN, &secret_len) && secret_len == VAULT_SECRET_LEN;
    secure_wipe(text, sizeof text);
    if (!ok)
        (void)snprintf(error->text, sizeof error->text,
                       "%s is damaged: restore it from a backup, or remove it (all meeting links become void)", path);
    return ok;
}

bool vault_secret(const char *dir, struct rng *rng, struct secret *out, struct config_error *error) {
    return random_file(dir, "server.secret", rng, out, error);
}

bool vault_house(const char *dir, struct rng *rng, struct secret *out, struct config_error *error) {
    return random_file(dir, "house.key", rng, out, error);
}

bool vault_api_key(const char *dir, struct rng *rng, struct config *config, bool *made, struct config_error *error) {
    char path[VAULT_PATH_LEN_MAX];
    if (!join_path(path, dir, "keys.yaml", error))
        return false;
    *made = missing(path);
    uint8_t text[1024];
    size_t len = 0;
    if (*made) {
        char name[16], secret[49];
        rng_token(rng, name, 12);
        rng_token(rng, secret, 48); /* 286 bits: above the 256 of the HMAC */
        struct writer w = writer_of(text, sizeof text);
        wr_fmt(&w,
               "# API key of this server, made at first run. Whoever has it can make tokens for every room.\n"
               "API%s: %s\n",
               name, secret);
        ASSERT(writer_ok(&w));
        secure_wipe(secret, sizeof secret);
        if (!vault_write(path, writer_span(&w), error))
            return false;
        len = w.len;
    } else if (!vault_read(path, text, sizeof text, &len, error)) {
        return false;
    }
    bool ok = config_load_keys(config, path, span_of(text, len), error);
    secure_wipe(text, sizeof text);
    if (ok && config->keys_count == 0) {
        (void)snprintf(error->text, sizeof error->text, "%s holds no key; remove it and a new one is made", path);
        return false;
    }
    return ok;
}
