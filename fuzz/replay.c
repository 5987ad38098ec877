/* Runs a fuzz target over every file of the folders and files named on the command line: the corpus as a regression
 * test, for compilers without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_LEN_MAX (1 << 20)

static int run_file(const char *path) {
    static uint8_t buffer[INPUT_LEN_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "cannot open %s\n", path);
        return 0;
    }
    size_t len = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    /* an exact heap copy, so that a sanitizer sees a read past the end */
    uint8_t *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL)
        return 0;
    memcpy(copy, buffer, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
    return 1;
}

static int run_path(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) {
        fprintf(stderr, "no such file: %s\n", path);
        return 0;
    }
    if (!S_ISDIR(info.st_mode))
        return run_file(path);
    DIR *dir = opendir(path);
    int count = 0;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char child[4096];
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        count += run_file(child);
    }
    if (dir != NULL)
        closedir(dir);
    return count;
}

int main(int argc, char **argv) {
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += run_path(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
