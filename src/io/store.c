#include "io/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/pool.h"

#define PATH_LEN_MAX 512

/* Whose share it is. Persons are known by a keyed hash: identities may be long, and a clash costs a share at most. */
struct owner {
    uint64_t group, person;
    struct net_addr source;
};

struct reading {
    int fd; /* -1: free */
    struct owner owner;
};

struct file {
    char id[STORE_ID_LEN + 1];
    uint8_t group_len;
    uint8_t group[STORE_GROUP_LEN_MAX];
    struct owner owner;
    uint64_t len, written; /* written < len: under way, and `fd` is open */
    int fd;                /* -1: none */
};

struct store {
    char folder[PATH_LEN_MAX];
    uint64_t file_len_max, group_len_max, len;
    struct rng *rng;
    struct store_counters counters;
    struct pool pool;
    void *pool_memory;
    struct file *files; /* by pool index */
    uint32_t highest;   /* no file has this index or one above */
    uint32_t uploads, readers;
    struct reading reading[STORE_READERS_MAX];
    uint64_t owner_key[2];
};

static void path_of(const struct store *s, const char *name, char out[2 * PATH_LEN_MAX]) {
    (void)snprintf(out, (size_t)2 * PATH_LEN_MAX, "%s/%s", s->folder, name);
}

static void empty_folder(const struct store *s) {
    DIR *folder = opendir(s->folder);
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char path[2 * PATH_LEN_MAX];
        if (entry->d_name[0] == '.')
            continue;
        path_of(s, entry->d_name, path);
        (void)unlink(path);
    }
    if (folder != NULL)
        (void)closedir(folder);
}

struct store *store_create(const struct store_config *config, struct rng *rng, char *error, size_t error_size) {
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->rng = rng;
    for (size_t i = 0; i < ARRAY_LEN(s->owner_key); i++)
        s->owner_key[i] = rng_u64(rng);
    for (size_t i = 0; i < STORE_READERS_MAX; i++)
        s->reading[i].fd = -1;
    s->file_len_max = config->file_len_max;
    s->group_len_max = config->group_len_max;
    s->files = calloc(STORE_FILES_MAX, sizeof *s->files);
    s->pool_memory = calloc(1, pool_size(STORE_FILES_MAX));
    int len = snprintf(s->folder, sizeof s->folder, "%s", config->folder);
    bool made = len > 0 && (size_t)len < sizeof s->folder && (mkdir(s->folder, 0700) == 0 || errno == EEXIST);
    if (s->files == NULL || s->pool_memory == NULL || !made || access(s->folder, R_OK | W_OK | X_OK) != 0) {
        (void)snprintf(error, error_size, "%s cannot be used for files of meetings: %s", config->folder,
                       strerror(errno));
        free(s->files);
        free(s->pool_memory);
        free(s);
        return NULL;
    }
    pool_init(&s->pool, s->pool_memory, STORE_FILES_MAX);
    empty_folder(s);
    return s;
}

static bool in_group(const struct file *file, struct span group) {
    return span_equal(span_of(file->group, file->group_len), group);
}

static struct file *file_at(const struct store *s, uint32_t index) {
    return pool_handle_at(&s->pool, index) != 0 ? &s->files[index] : NULL;
}

static void forget(struct store *s, uint32_t index) {
    struct file *file = &s->files[index];
    char path[2 * PATH_LEN_MAX];
    path_of(s, file->id, path);
    (void)unlink(path);
    if (file->fd >= 0) {
        (void)close(file->fd);
        s->uploads--;
    }
    ASSERT(s->len >= file->len);
    s->len -= file->len;
    pool_give(&s->pool, pool_handle_at(&s->pool, index));
    while (s->highest > 0 && pool_handle_at(&s->pool, s->highest - 1) == 0)
        s->highest--;
}

void store_destroy(struct store *store) {
    if (store == NULL)
        return;
    for (uint32_t i = 0; i < STORE_FILES_MAX; i++) {
        if (file_at(store, i) != NULL)
            forget(store, i);
    }
    free(store->files);
    free(store->pool_memory);
    free(store);
}

const struct store_counters *store_counters_get(const struct store *store) {
    return &store->counters;
}

uint64_t store_len(const struct store *store) {
    return store->len;
}

/* ---- coming ---- */

static struct owner owner_of(const struct store *s, const struct store_who *who) {
    struct owner owner = {.source = who->source};
    owner.group = siphash13(s->owner_key, who->group.data, who->group.len);
    uint64_t both[2] = {owner.group, siphash13(s->owner_key, who->person.data, who->person.len)};
    owner.person = siphash13(s->owner_key, both, sizeof both);
    return owner;
}

/* What one owner has already, as a person, as part of a meeting, and from where. */
struct tally {
    uint64_t person_len, group_len, source_len;
    uint32_t person, group, source;                         /* files */
    uint32_t person_uploads, group_uploads, source_uploads; /* of which under way */
};

static bool same_source(const struct owner *a, const struct owner *b) {
    return a->source.family != 0 && net_addr_equal(&a->source, &b->source);
}

static void count_file(struct tally *t, const struct file *file, const struct owner *owner) {
    uint32_t upload = file->fd >= 0;
    if (file->owner.group == owner->group) {
        t->group_len += file->len;
        t->group++;
        t->group_uploads += upload;
    }
    if (file->owner.person == owner->person) {
        t->person_len += file->len;
        t->person++;
        t->person_uploads += upload;
    }
    if (same_source(&file->owner, owner)) {
        t->source_len += file->len;
        t->source++;
        t->source_uploads += upload;
    }
}

static enum store_refusal judge(const struct store *s, const struct owner *owner, uint64_t len) {
    struct tally t = {0};
    for (uint32_t i = 0; i < s->highest; i++) {
        const struct file *file = file_at(s, i);
        if (file != NULL)
            count_file(&t, file, owner);
    }
    uint64_t all_len = STORE_GROUPS_FULL * s->group_len_max, person_len_max = s->group_len_max / STORE_PERSON_PART;
    if (person_len_max < s->file_len_max)
        person_len_max = s->file_len_max;
    if (t.person_len + len > person_len_max || t.person >= STORE_FILES_PER_GROUP_MAX / STORE_PERSON_PART ||
        t.person_uploads >= STORE_UPLOADS_PER_PERSON_MAX || t.group_uploads >= STORE_UPLOADS_PER_GROUP_MAX ||
        t.source_uploads >= STORE_UPLOADS_PER_SOURCE_MAX || t.source_len + len > all_len / STORE_SOURCE_PART ||
        t.source >= STORE_FILES_MAX / STORE_SOURCE_PART)
        return STORE_SHARE;
    bool fits = len > 0 && len <= s->file_len_max && t.group_len + len <= s->group_len_max &&
                t.group < STORE_FILES_PER_GROUP_MAX && s->len + len <= all_len && s->uploads < STORE_UPLOADS_MAX;
    return fits ? STORE_TAKEN : STORE_FULL;
}

static uint32_t refuse(struct store *s, enum store_refusal why, enum store_refusal *refusal) {
    *refusal = why;
    if (why == STORE_SHARE)
        s->counters.files_refused_share++;
    else
        s->counters.files_refused++;
    return 0;
}

uint32_t store_begin(struct store *store, const struct store_who *who, uint64_t len, enum store_refusal *refusal) {
    ASSERT(who->group.len > 0 && who->group.len <= STORE_GROUP_LEN_MAX);
    struct owner owner = owner_of(store, who);
    struct span group = who->group;
    *refusal = judge(store, &owner, len);
    if (*refusal != STORE_TAKEN)
        return refuse(store, *refusal, refusal);
    uint32_t handle = pool_take(&store->pool);
    if (handle == 0)
        return refuse(store, STORE_FULL, refusal);
    struct file *file = &store->files[pool_index(handle)];
    char path[2 * PATH_LEN_MAX];
    *file = (struct file){.group_len = (uint8_t)group.len, .len = len, .owner = owner};
    memcpy(file->group, group.data, group.len);
    rng_token(store->rng, file->id, STORE_ID_LEN);
    path_of(store, file->id, path);
    file->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file->fd < 0) {
        store->counters.files_failed++;
        *refusal = STORE_FULL;
        pool_give(&store->pool, handle);
        return 0;
    }
    store->len += len;
    store->uploads++;
    if (pool_index(handle) >= store->highest)
        store->highest = pool_index(handle) + 1;
    return handle;
}

static struct file *upload_of(struct store *s, uint32_t upload) {
    struct file *file = pool_live(&s->pool, upload) ? &s->files[pool_index(upload)] : NULL;
    return file != NULL && file->fd >= 0 ? file : NULL;
}

bool store_write(struct store *store, uint32_t upload, struct span bytes) {
    struct file *file = upload_of(store, upload);
    if (file == NULL)
        return false;
    size_t done = 0;
    while (bytes.len <= file->len - file->written && done < bytes.len) {
        ssize_t wrote = write(file->fd, bytes.data + done, bytes.len - done);
        if (wrote <= 0)
            break;
        done += (size_t)wrote;
    }
    file->written += done;
    if (done == bytes.len)
        return true;
    store->counters.files_failed++;
    forget(store, pool_index(upload));
    return false;
}

bool store_commit(struct store *store, uint32_t upload, char id[STORE_ID_LEN + 1]) {
    struct file *file = upload_of(store, upload);
    if (file == NULL || file->written < file->len) {
        store_abort(store, upload);
        return false;
    }
    (void)close(file->fd);
    file->fd = -1;
    store->uploads--;
    store->counters.files_stored++;
    memcpy(id, file->id, sizeof file->id);
    return true;
}

void store_abort(struct store *store, uint32_t upload) {
    if (upload_of(store, upload) == NULL)
        return;
    store->counters.files_aborted++;
    forget(store, pool_index(upload));
}

/* ---- going ---- */

/* A place among those who read, when this one has a share left; -1 and why else. */
static int place_for(const struct store *s, const struct owner *owner, enum store_refusal *refusal) {
    uint32_t person = 0, group = 0, source = 0;
    int place = -1;
    for (int i = 0; i < STORE_READERS_MAX; i++) {
        const struct reading *r = &s->reading[i];
        if (r->fd < 0) {
            place = i;
            continue;
        }
        person += r->owner.person == owner->person;
        group += r->owner.group == owner->group;
        source += same_source(&r->owner, owner);
    }
    bool share = person < STORE_READERS_PER_PERSON_MAX && group < STORE_READERS_PER_GROUP_MAX &&
                 source < STORE_READERS_PER_SOURCE_MAX;
    *refusal = !share ? STORE_SHARE : place < 0 ? STORE_FULL : STORE_TAKEN;
    return share ? place : -1;
}

int store_open(struct store *store, const struct store_who *who, struct span id, uint64_t *len,
               enum store_refusal *refusal) {
    char path[2 * PATH_LEN_MAX];
    *refusal = STORE_MISSING;
    for (uint32_t i = 0; i < store->highest; i++) {
        const struct file *file = file_at(store, i);
        if (file == NULL || file->fd >= 0 || !in_group(file, who->group) || !span_equal_str(id, file->id))
            continue;
        struct owner owner = owner_of(store, who);
        int place = place_for(store, &owner, refusal);
        if (place < 0) {
            (void)refuse(store, *refusal, refusal);
            return -1;
        }
        path_of(store, file->id, path);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            store->counters.files_failed++;
            *refusal = STORE_FULL;
            return -1;
        }
        store->reading[place] = (struct reading){.fd = fd, .owner = owner};
        store->readers++;
        store->counters.files_read++;
        *len = file->len;
        return fd;
    }
    return -1;
}

size_t store_read(struct store *store, int file, uint64_t at, uint8_t *out, size_t max) {
    ssize_t got = pread(file, out, max, (off_t)at);
    if (got <= 0)
        store->counters.files_failed++;
    return got > 0 ? (size_t)got : 0;
}

void store_close(struct store *store, int file) {
    ASSERT(file >= 0 && store->readers > 0);
    (void)close(file);
    for (size_t i = 0; i < STORE_READERS_MAX; i++) {
        if (store->reading[i].fd == file)
            store->reading[i].fd = -1;
    }
    store->readers--;
}

bool store_delete(struct store *store, const struct store_who *who, struct span id) {
    struct owner owner = owner_of(store, who);
    for (uint32_t i = 0; i < store->highest; i++) {
        const struct file *file = file_at(store, i);
        if (file == NULL || file->fd >= 0 || !in_group(file, who->group) || file->owner.person != owner.person ||
            !span_equal_str(id, file->id))
            continue;
        store->counters.files_taken_back++;
        forget(store, i);
        return true;
    }
    return false;
}

void store_drop(struct store *store, struct span group) {
    for (uint32_t i = 0; i < store->highest; i++) {
        const struct file *file = file_at(store, i);
        if (file == NULL || !in_group(file, group))
            continue;
        store->counters.files_deleted += file->fd < 0;
        forget(store, i);
    }
}
