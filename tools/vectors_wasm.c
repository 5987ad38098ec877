/* The checks of official test vectors as exports of a WebAssembly module, which tools/build-wasm --vectors makes: the
 * library as browsers have it, asked by tests/e2ee/vectors.mjs. The host walks the files, parses them, and gives one
 * entry at a time. A module for tests only. */
#include <stdlib.h>

#include "mls_vectors.h"
#include "wasm/wasm.h"

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
