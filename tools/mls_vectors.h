/* What the kinds of MLS test vectors share: build/tools/mls-vectors runs every entry of a file through the check of the
 * file's kind. A kind is a row of a table (mls_vectors_<part>.c), told by the file's name.
 *
 * A check answers whether the entry holds. It takes its bytes from `struct vector_entry`, whose memory lives as long as
 * the entry, and says what failed through CHECK, which ends the check. */
#ifndef CONCLAVE_TOOLS_MLS_VECTORS_H
#define CONCLAVE_TOOLS_MLS_VECTORS_H

#include <jansson.h> /* in WebAssembly tools/wasm/jansson.h, over the host's JSON */

#include <string.h>

#include "base/rng.h"
#include "e2ee/mls_suite.h"
#include "hex.h"

/* What the build under test relies on. */
#ifdef __wasm__
#define VECTOR_BACKEND crypto_host
#else
#define VECTOR_BACKEND crypto_openssl
#endif

/* Bytes of one entry, all hex fields together: a passive client's 40 epochs take 100 kB. */
#define VECTOR_BYTES_MAX (16u << 20)

struct vector_entry {
    const json_t *json;
    struct mls_crypto crypto; /* of "cipher_suite"; not set when the entry has none */
    struct rng *rng;          /* seeded, the same in each run */
    uint8_t *bytes;
    size_t bytes_used;
    const char *failed; /* what did not hold, NULL so far */
    int failed_line;
};

struct vector_kind {
    const char *pattern; /* of the file's name, as in fnmatch(3); with a slash, of its folder's and its own name */
    bool has_suite;      /* entries name a cipher suite: unsupported ones are skipped and told of */
    bool (*check)(struct vector_entry *entry);
};

/* The parts' tables; each ends with a row without pattern. */
extern const struct vector_kind vector_kinds_message[];
extern const struct vector_kind vector_kinds_tree[];
extern const struct vector_kind vector_kinds_group[];

/* The kind of a file, by its path; NULL: not known. */
const struct vector_kind *vector_kind_of(const char *path);

enum vector_result { VECTOR_PASSED, VECTOR_FAILED, VECTOR_SKIPPED };

struct vector_outcome {
    enum vector_result result;
    uint64_t suite;     /* of kinds that have one; what a skipped entry asked for */
    const char *failed; /* what did not hold; static, valid until the next run */
    int failed_line;
};

/* Runs entry number `index` of a file of that kind. `bytes`: VECTOR_BYTES_MAX of memory that the entry uses. */
struct vector_outcome vector_run(const struct vector_kind *kind, const json_t *json, size_t index, uint8_t *bytes);

/* Fails the check that it stands in. */
#define CHECK(entry, condition)                                                                                        \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (entry)->failed = #condition;                                                                              \
            (entry)->failed_line = __LINE__;                                                                           \
            return false;                                                                                              \
        }                                                                                                              \
    } while (0)

/* Hex text as bytes. Text that is missing or no hex counts as a failure of the entry: `entry->failed` is set and the
 * span is empty, so the check fails in any case. */
struct span vector_hex_of(struct vector_entry *entry, const json_t *text);
struct span vector_hex(struct vector_entry *entry, const json_t *object, const char *name);
/* The same as a secret; too long is a failure, likewise. */
void vector_secret(struct vector_entry *entry, const json_t *object, const char *name, struct secret *out);
/* A private key, left-padded with zeros to its algorithm's length: vectors write scalars without leading zeros. */
void vector_private_key(struct vector_entry *entry, const json_t *object, const char *name, size_t len,
                        struct secret *out);
uint64_t vector_number(struct vector_entry *entry, const json_t *object, const char *name);
const char *vector_text(struct vector_entry *entry, const json_t *object, const char *name);
/* null or absent. */
bool vector_absent(const json_t *object, const char *name);

#endif
