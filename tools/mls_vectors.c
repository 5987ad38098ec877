/* Runs official test vectors of MLS: mls-vectors FOLDER-OR-FILE...
 *
 * Goes through *.json in the folders and below, tells each file's kind by its name, prints a line a file, a line for
 * each entry that fails, and "N passed, N failed" at the end. Exit status 0 when something passed and nothing failed. A
 * file whose kind is not known counts as one failure, so that nothing is passed over silently. The same checks run in
 * WebAssembly (vectors_wasm.c). */
#include "mls_vectors.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_LEN_MAX 1024
#define FILES_MAX 4096
#define SUITES_MAX 16
/* Failing entries that are told of in one file; the rest is only counted. */
#define FAILURES_SHOWN 10

struct totals {
    unsigned passed, failed;
};

/* ---- files ---- */

struct skipped {
    uint64_t suites[SUITES_MAX];
    size_t suite_count;
    unsigned entries;
};

static void skip(struct skipped *skipped, uint64_t suite) {
    skipped->entries++;
    for (size_t i = 0; i < skipped->suite_count; i++) {
        if (skipped->suites[i] == suite)
            return;
    }
    if (skipped->suite_count < SUITES_MAX)
        skipped->suites[skipped->suite_count++] = suite;
}

static void print_line(const char *path, unsigned passed, unsigned failed, const struct skipped *skipped) {
    printf("%s: %u passed, %u failed", path, passed, failed);
    if (skipped->entries > 0) {
        printf(", %u skipped, cipher suites without support here:", skipped->entries);
        for (size_t i = 0; i < skipped->suite_count; i++)
            printf(" %llu", (unsigned long long)skipped->suites[i]);
    }
    printf("\n");
}

static void run_file(const char *path, uint8_t *bytes, struct totals *totals) {
    const struct vector_kind *kind = vector_kind_of(path);
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    unsigned passed = 0, failed = 0;
    struct skipped skipped = {0};
    if (kind == NULL || !json_is_array(root)) {
        printf("%s: %s\n", path, kind == NULL ? "its kind is not known" : "no list of entries");
        failed = 1;
    }
    for (size_t i = 0; kind != NULL && i < json_array_size(root); i++) {
        struct vector_outcome outcome = vector_run(kind, json_array_get(root, i), i, bytes);
        if (outcome.result == VECTOR_SKIPPED) {
            skip(&skipped, outcome.suite);
            continue;
        }
        passed += outcome.result == VECTOR_PASSED;
        failed += outcome.result == VECTOR_FAILED;
        if (outcome.result == VECTOR_FAILED && failed <= FAILURES_SHOWN)
            printf("%s: entry %zu: %s (line %d)\n", path, i, outcome.failed, outcome.failed_line);
    }
    if (kind != NULL)
        print_line(path, passed, failed, &skipped);
    json_decref(root);
    totals->passed += passed;
    totals->failed += failed;
}

/* ---- folders ---- */

struct file_list {
    char *paths[FILES_MAX];
    size_t count;
};

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_path(struct file_list *list, const char *path, bool named) {
    size_t len = strlen(path);
    bool is_json = len > 5 && strcmp(path + len - 5, ".json") == 0;
    if ((is_json || named) && list->count < FILES_MAX)
        list->paths[list->count++] = strdup(path);
}

/* Folders are read one after the other: `folders` is the list of those found, which grows meanwhile. */
static bool collect(const char *start, struct file_list *list) {
    struct stat info;
    if (stat(start, &info) != 0) {
        printf("%s: no such file or folder\n", start);
        return false;
    }
    if (!S_ISDIR(info.st_mode)) {
        add_path(list, start, true);
        return true;
    }
    static struct file_list folders;
    folders.count = 0;
    folders.paths[folders.count++] = strdup(start);
    for (size_t i = 0; i < folders.count; i++) {
        DIR *dir = opendir(folders.paths[i]);
        struct dirent *item;
        while (dir != NULL && (item = readdir(dir)) != NULL) {
            char path[PATH_LEN_MAX];
            int len = snprintf(path, sizeof path, "%s/%s", folders.paths[i], item->d_name);
            if (item->d_name[0] == '.' || len < 0 || (size_t)len >= sizeof path || stat(path, &info) != 0)
                continue;
            if (S_ISDIR(info.st_mode) && folders.count < FILES_MAX)
                folders.paths[folders.count++] = strdup(path);
            else if (!S_ISDIR(info.st_mode))
                add_path(list, path, false);
        }
        if (dir != NULL)
            closedir(dir);
        free(folders.paths[i]);
    }
    return true;
}

int main(int argc, char **argv) {
    struct totals totals = {0};
    static struct file_list files;
    uint8_t *bytes = malloc(VECTOR_BYTES_MAX);
    setvbuf(stdout, NULL, _IOLBF, 0); /* a line a file, as it comes */
    if (argc < 2 || bytes == NULL) {
        fprintf(stderr, "usage: mls-vectors FOLDER-OR-FILE...\n");
        free(bytes);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        totals.failed += !collect(argv[i], &files);
    qsort(files.paths, files.count, sizeof files.paths[0], by_name);
    for (size_t i = 0; i < files.count; i++) {
        run_file(files.paths[i], bytes, &totals);
        free(files.paths[i]);
    }
    free(bytes);
    printf("%u passed, %u failed\n", totals.passed, totals.failed);
    return totals.passed > 0 && totals.failed == 0 ? 0 : 1;
}
