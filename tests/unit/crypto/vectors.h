/* Reading of test vectors: JSON files with hexadecimal strings. */
#ifndef CONCLAVE_TESTS_CRYPTO_VECTORS_H
#define CONCLAVE_TESTS_CRYPTO_VECTORS_H

#include <jansson.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "base/secret.h"
#include "hex.h"
#include "unit.h"

/* Longest value of any file: messages of Wycheproof's hash-like algorithms, keys of ML-KEM. */
#define VECTOR_LEN_MAX 8192

struct vector {
    uint8_t data[VECTOR_LEN_MAX];
    size_t len;
};

static inline json_t *vectors_load(const char *name) {
    char path[512];
    json_error_t error;
    (void)snprintf(path, sizeof path, "%s/%s", VECTORS_DIR, name);
    json_t *root = json_load_file(path, 0, &error);
    if (root == NULL)
        fail_msg("%s: %s", path, error.text);
    return root;
}

static inline struct vector vector_of_hex(const char *text) {
    struct vector out = {0};
    assert_non_null(text);
    out.len = strlen(text) / 2;
    assert_true(out.len <= sizeof out.data && strlen(text) % 2 == 0);
    for (size_t i = 0; i < out.len; i++) {
        int byte = hex_byte(text + 2 * i);
        assert_true(byte >= 0);
        out.data[i] = (uint8_t)byte;
    }
    return out;
}

static inline const char *vector_text(json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

static inline struct vector vector_of(json_t *object, const char *name) {
    return vector_of_hex(vector_text(object, name));
}

static inline struct span vector_span(const struct vector *vector) {
    return span_of(vector->data, vector->len);
}

static inline struct secret vector_secret(json_t *object, const char *name) {
    struct vector bytes = vector_of(object, name);
    struct secret secret = {0};
    secret_set(&secret, vector_span(&bytes));
    return secret;
}

/* The bytes at `data` are those of the vector. */
static inline void assert_vector(json_t *object, const char *name, const void *data, size_t len) {
    struct vector expected = vector_of(object, name);
    assert_int_equal(expected.len, len);
    assert_memory_equal(expected.data, data, len);
}

#endif
