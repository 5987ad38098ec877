/* The part of jansson's interface that the checks of vectors and the tests of primitives use, over JSON that the host
 * has parsed: the library has no WebAssembly build. Only tools/build-wasm --vectors has this folder among its includes.
 *
 * Imports are functions of the import module "json" (tests/e2ee/vectors.mjs). A json_t is a number of the host's, NULL
 * is no value; numbers and texts live until the entry's check has ended. Integers must fit 64 bits. */
#ifndef CONCLAVE_TOOLS_WASM_JANSSON_H
#define CONCLAVE_TOOLS_WASM_JANSSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_IMPORT(name) __attribute__((import_module("json"), import_name(name)))

typedef struct json_value json_t;
typedef int64_t json_int_t;

/* The numbers are the host's side of the ABI. */
enum json_host_type {
    JSON_HOST_NONE,
    JSON_HOST_NULL,
    JSON_HOST_INTEGER,
    JSON_HOST_STRING,
    JSON_HOST_ARRAY,
    JSON_HOST_OTHER
};

JSON_IMPORT("type") uint32_t json_host_type(const json_t *value);
/* NULL when there is no such member, or `object` is none. */
JSON_IMPORT("member") json_t *json_object_get(const json_t *object, const char *name);
JSON_IMPORT("item") json_t *json_array_get(const json_t *array, size_t i);
/* 0 when it is no array. */
JSON_IMPORT("size") size_t json_array_size(const json_t *array);
/* 0 when it is no integer. */
JSON_IMPORT("integer") json_int_t json_integer_value(const json_t *value);
/* NULL when it is no text. Ends with a zero. */
JSON_IMPORT("string") const char *json_string_value(const json_t *value);

typedef struct {
    char text[1];
} json_error_t;

/* A file of tests/vectors, by its name there. NULL: it cannot be read. */
JSON_IMPORT("load") json_t *json_host_load(const char *name);

static inline json_t *json_load_file(const char *name, size_t flags, json_error_t *error) {
    (void)flags;
    error->text[0] = 0;
    return json_host_load(name);
}

static inline void json_decref(json_t *value) {
    (void)value; /* the host's */
}

static inline bool json_is_null(const json_t *value) {
    return json_host_type(value) == JSON_HOST_NULL;
}

static inline bool json_is_integer(const json_t *value) {
    return json_host_type(value) == JSON_HOST_INTEGER;
}

static inline bool json_is_array(const json_t *value) {
    return json_host_type(value) == JSON_HOST_ARRAY;
}

#define json_array_foreach(array, i, item)                                                                             \
    for ((i) = 0; (i) < json_array_size(array) && ((item) = json_array_get(array, i)) != NULL; (i)++)

#endif
