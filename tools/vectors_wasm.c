/* The checks of official test vectors as exports of a WebAssembly module, which tools/build-wasm --vectors makes: the
 * library as browsers have it, asked by tests/e2ee/vectors.mjs. The host walks the files, parses them, and gives one
 * entry at a time. A module for tests only. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/tested.h"
#include "mls_vectors.h"
#include "wasm/wasm.h"

/* The tests of primitives (tests/unit/crypto), each the main of its file, over the table that browsers have. */
const struct crypto_backend *const tested = &crypto_host;
int crypto_test_backend(void);
int crypto_test_hpke(void);
int crypto_test_mlkem(void);
int crypto_test_xwing(void);

static const struct vector_kind *kind;
static struct vector_outcome last;

/* Chooses the kind of the entries that follow, by the file's path, zero-terminated. 0: not known. */
uint32_t WASM_EXPORT(vectors_kind)(const char *path) {
    kind = vector_kind_of(path);
    return kind != NULL;
}

/* Runs an entry of that kind; answers an enum vector_result. */
uint32_t WASM_EXPORT(vectors_run)(const json_t *entry, uint32_t index) {
    static uint8_t *bytes;
    if (bytes == NULL)
        bytes = malloc(VECTOR_BYTES_MAX);
    if (kind == NULL || bytes == NULL)
        last = (struct vector_outcome){.result = VECTOR_FAILED, .failed = kind == NULL ? "no kind" : "no memory"};
    else
        last = vector_run(kind, entry, index, bytes);
    return last.result;
}

/* Of the last entry: what did not hold, where, and which cipher suite it named. */
const char *WASM_EXPORT(vectors_failed)(void) {
    return last.failed;
}

uint32_t WASM_EXPORT(vectors_failed_line)(void) {
    return (uint32_t)last.failed_line;
}

uint64_t WASM_EXPORT(vectors_suite)(void) {
    return last.suite;
}

/* 0: all held. What does not ends the instance. */
uint32_t WASM_EXPORT(vectors_crypto)(uint32_t which) {
    static int (*const tests[])(void) = {crypto_test_backend, crypto_test_hpke, crypto_test_mlkem, crypto_test_xwing};
    return which < sizeof tests / sizeof tests[0] ? (uint32_t)tests[which]() : 1;
}

/* printf would bring in a file system. The tests write names only: texts are all that it knows. */
int vectors_snprintf(char *out, size_t size, const char *format, ...) {
    size_t len = 0;
    va_list list;
    va_start(list, format);
    for (; *format != 0; format++) {
        bool text = format[0] == '%' && format[1] == 's';
        const char *from = text ? va_arg(list, const char *) : format;
        size_t count = text ? strlen(from) : 1;
        format += text ? 1 : 0;
        for (size_t i = 0; i < count && len + 1 < size; i++)
            out[len++] = from[i];
    }
    va_end(list);
    out[len] = 0;
    return (int)len;
}
