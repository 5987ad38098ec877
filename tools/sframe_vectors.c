/* Runs files of SFrame's official test vectors: sframe-vectors FILE...
 *
 * Prints a line a file, a line for each vector that fails, and "N passed, N failed" at the end; the exit status is 0
 * when something passed and nothing failed. */
#include <stdio.h>
#include <string.h>

#include "sframe_vectors.h"

#define FILE_MAX (1 << 20)

struct count {
    size_t passed;
    size_t failed;
};

static void run_list(const char *path, const char *name, const json_t *list, struct count *count) {
    const struct sframe_vector_kind *kind = sframe_vector_kind_of(name);
    if (kind == NULL || !json_is_array(list)) {
        printf("%s: %s: not a kind of vectors\n", path, name);
        count->failed++;
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        bool ok = kind->run(json_array_get(list, i));
        count->passed += ok ? 1 : 0;
        count->failed += ok ? 0 : 1;
        if (!ok)
            printf("%s: %s %zu failed\n", path, name, i);
    }
}

/* The files have integers up to 2^64 - 1, which the library does not read: numbers get quotes around them first. */
static json_t *load_quoted(FILE *file, json_error_t *error) {
    static char text[FILE_MAX];
    size_t len = 0;
    bool in_string = false, in_number = false;
    for (int c = getc(file); c != EOF && len + 2 < sizeof text; c = getc(file)) {
        bool number = !in_string && c >= '0' && c <= '9';
        if (number != in_number)
            text[len++] = '"';
        in_number = number;
        in_string ^= c == '"';
        text[len++] = (char)c;
    }
    return json_loadb(text, len, 0, error);
}

static struct count run_file(const char *path) {
    struct count count = {0};
    json_error_t error = {0};
    FILE *stream = fopen(path, "rb");
    json_t *file = stream == NULL ? NULL : load_quoted(stream, &error);
    if (stream != NULL)
        fclose(stream);
    if (!json_is_object(file)) {
        printf("%s: %s\n", path, stream == NULL ? "cannot be opened" : file == NULL ? error.text : "not an object");
        json_decref(file);
        return (struct count){.failed = 1};
    }
    const char *name;
    json_t *list;
    json_object_foreach(file, name, list) {
        run_list(path, name, list, &count);
    }
    json_decref(file);
    return count;
}

int main(int argc, char **argv) {
    struct count sum = {0};
    for (int i = 1; i < argc; i++) {
        struct count count = run_file(argv[i]);
        printf("%s: %zu passed, %zu failed\n", argv[i], count.passed, count.failed);
        sum.passed += count.passed;
        sum.failed += count.failed;
    }
    printf("%zu passed, %zu failed\n", sum.passed, sum.failed);
    return sum.passed > 0 && sum.failed == 0 ? 0 : 1;
}
