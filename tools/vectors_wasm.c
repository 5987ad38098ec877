/* The checks of official test vectors as exports of a WebAssembly module, which tools/build-wasm --vectors makes: the
 * library as browsers have it, asked by tests/e2ee/vectors.mjs. The host walks the files, parses them, and gives one
 * entry at a time. A module for tests only. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/aead.h"
#include "crypto/aes_ctr.h"
#include "crypto/tested.h"
#include "mls_vectors.h"
#include "sframe_vectors.h"
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

/* ---- SFrame ------------------------------------------------------------------------------------------------------ */

/* The ciphers of whole frames, over the host's AEAD; where WebAssembly is used for real, the host has the frames. */
struct host_key {
    enum aead_algorithm algorithm;
    uint8_t bytes[AEAD_KEY_LEN_MAX];
};

static bool host_key_make(struct aead_key *key, enum aead_algorithm algorithm, const uint8_t *bytes) {
    struct host_key *state = malloc(sizeof *state);
    if (state == NULL)
        return false;
    state->algorithm = algorithm;
    memcpy(state->bytes, bytes, aead_key_len(algorithm));
    key->state = state;
    return true;
}

static void host_key_free(struct aead_key *key) {
    free(key->state);
}

static void host_jobs(struct aead_job *jobs, size_t count, bool opening) {
    for (size_t i = 0; i < count; i++) {
        struct aead_job *job = &jobs[i];
        const struct host_key *key = job->key->state;
        struct span bytes = span_of(key->bytes, aead_key_len(key->algorithm)), aad = span_of(job->aad, job->aad_len);
        struct span in = span_of(job->in, job->len);
        ASSERT(job->prefix_len == 0); /* only datagrams have one */
        job->ok = (opening ? crypto_host.aead_open(key->algorithm, bytes, job->nonce, aad, in, job->out)
                           : crypto_host.aead_seal(key->algorithm, bytes, job->nonce, aad, in, job->out)) == CRYPTO_OK;
    }
}

static void host_jobs_seal(struct aead_job *jobs, size_t count) {
    host_jobs(jobs, count, false);
}

static void host_jobs_open(struct aead_job *jobs, size_t count) {
    host_jobs(jobs, count, true);
}

const struct aead_backend aead_openssl = {.name = "host",
                                          .key_make = host_key_make,
                                          .key_free = host_key_free,
                                          .seal = host_jobs_seal,
                                          .open = host_jobs_open};

/* The host has no AES-CTR (sframe_vectors.h). */
bool aes_ctr_key_init(struct aes_ctr_key *key, const uint8_t *bytes, size_t len) {
    (void)key, (void)bytes, (void)len;
    return false;
}

void aes_ctr_key_end(struct aes_ctr_key *key) {
    (void)key;
}

void aes_ctr_start(struct aes_ctr_key *key, const uint8_t iv[AES_CTR_IV_LEN]) {
    (void)key, (void)iv;
    ASSERT(!"no key was made");
}

void aes_ctr_xor(struct aes_ctr_key *key, const uint8_t *in, uint8_t *out, size_t len) {
    (void)key, (void)in, (void)out, (void)len;
    ASSERT(!"no key was made");
}

/* Whether an entry of that kind (a member of the file's object, zero-terminated) holds: 1, 0; 2: no kind, or not here.
 */
uint32_t WASM_EXPORT(vectors_sframe)(const char *name, const json_t *entry) {
    const struct sframe_vector_kind *of = sframe_vector_kind_of(name);
    return of == NULL ? 2 : of->run(entry);
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
