/* Entries of MLS test vectors: their fields, and the check that their file's kind asks for. Files are not read here, so
 * that the same checks run natively and in WebAssembly. */
#include <fnmatch.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/backend.h"
#include "mls_vectors.h"

static const struct vector_kind *const tables[] = {vector_kinds_message, vector_kinds_tree, vector_kinds_group};

/* ---- fields of an entry ---- */

static void entry_fail(struct vector_entry *entry, const char *what) {
    if (entry->failed == NULL)
        entry->failed = what;
}

struct span vector_hex_of(struct vector_entry *entry, const json_t *text) {
    const char *hex = json_string_value(text);
    if (hex == NULL || strlen(hex) % 2 != 0 || strlen(hex) / 2 > VECTOR_BYTES_MAX - entry->bytes_used) {
        entry_fail(entry, "a field is missing or no hex");
        return (struct span){0};
    }
    uint8_t *start = entry->bytes + entry->bytes_used;
    size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++) {
        int byte = hex_byte(hex + 2 * i);
        if (byte < 0) {
            entry_fail(entry, "a field is no hex");
            return (struct span){0};
        }
        start[i] = (uint8_t)byte;
    }
    entry->bytes_used += len;
    return span_of(start, len);
}

struct span vector_hex(struct vector_entry *entry, const json_t *object, const char *name) {
    return vector_hex_of(entry, json_object_get(object, name));
}

void vector_secret(struct vector_entry *entry, const json_t *object, const char *name, struct secret *out) {
    struct span bytes = vector_hex(entry, object, name);
    *out = (struct secret){0};
    if (bytes.len > SECRET_LEN_MAX)
        entry_fail(entry, "a secret is too long");
    else
        secret_set(out, bytes);
}

void vector_private_key(struct vector_entry *entry, const json_t *object, const char *name, size_t len,
                        struct secret *out) {
    struct span bytes = vector_hex(entry, object, name);
    *out = (struct secret){0};
    if (bytes.len > len) {
        entry_fail(entry, "a private key is too long");
        return;
    }
    secret_zeros(out, len);
    if (bytes.len > 0)
        memcpy(out->bytes + (len - bytes.len), bytes.data, bytes.len);
}

uint64_t vector_number(struct vector_entry *entry, const json_t *object, const char *name) {
    const json_t *number = json_object_get(object, name);
    if (!json_is_integer(number))
        entry_fail(entry, "a number is missing");
    return (uint64_t)json_integer_value(number);
}

const char *vector_text(struct vector_entry *entry, const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    if (text == NULL)
        entry_fail(entry, "a text is missing");
    return text == NULL ? "" : text;
}

bool vector_absent(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return value == NULL || json_is_null(value);
}

/* ---- kinds ---- */

const struct vector_kind *vector_kind_of(const char *path) {
    /* the file's name, and the last two parts of the path */
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const char *tail = slash == NULL ? path : slash;
    while (tail > path && tail[-1] != '/')
        tail--;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        for (const struct vector_kind *kind = tables[i]; kind->pattern != NULL; kind++) {
            if (fnmatch(kind->pattern, strchr(kind->pattern, '/') == NULL ? name : tail, 0) == 0)
                return kind;
        }
    }
    return NULL;
}

struct vector_outcome vector_run(const struct vector_kind *kind, const json_t *json, size_t index, uint8_t *bytes) {
    struct rng rng = rng_seeded(index + 1);
    struct vector_entry entry = {.json = json, .rng = &rng, .bytes = bytes};
    struct vector_outcome outcome = {.result = VECTOR_PASSED};
    if (kind->has_suite) {
        outcome.suite = vector_number(&entry, json, "cipher_suite");
        if (mls_crypto_of(&VECTOR_BACKEND, (uint16_t)outcome.suite, &entry.crypto) != MLS_OK) {
            outcome.result = VECTOR_SKIPPED;
            return outcome;
        }
    }
    if (kind->check(&entry) && entry.failed == NULL)
        return outcome;
    outcome.result = VECTOR_FAILED;
    outcome.failed = entry.failed == NULL ? "failed" : entry.failed;
    outcome.failed_line = entry.failed_line;
    return outcome;
}
