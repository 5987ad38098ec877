/* Memory, results and self-test of the module. */
#include "base/assert.h"
#include "base/secret.h"
#include "crypto/host.h"
#include "crypto/selftest.h"
#include "e2ee/mem.h"
#include "e2ee/sframe.h"
#include "wasm/wasm.h"

HOST_IMPORT("panic") void host_panic(const char *expression, const char *file, int line);

static struct mls_buf results[WASM_RESULTS];
static void *made;

/* In place of base/assert.c, which writes to a stream. */
_Noreturn void assert_fail(const char *expression, const char *file, int line) {
    host_panic(expression, file, line);
    __builtin_trap();
}

struct mls_buf *wasm_result(unsigned i) {
    ASSERT(i < WASM_RESULTS);
    mls_buf_free(&results[i]);
    mls_buf_init(&results[i], WASM_RESULT_LEN_MAX);
    return &results[i];
}

void wasm_give(void *object) {
    made = object;
}

const uint8_t *WASM_EXPORT(wasm_result_data)(unsigned i) {
    ASSERT(i < WASM_RESULTS);
    return mls_buf_span(&results[i]).data;
}

size_t WASM_EXPORT(wasm_result_len)(unsigned i) {
    ASSERT(i < WASM_RESULTS);
    return mls_buf_span(&results[i]).len;
}

/* Wipes all results; after secrets were taken out. */
void WASM_EXPORT(wasm_forget)(void) {
    for (unsigned i = 0; i < WASM_RESULTS; i++)
        mls_buf_free(&results[i]);
}

void *WASM_EXPORT(wasm_made)(void) {
    void *object = made;
    made = NULL;
    return object;
}

void *WASM_EXPORT(wasm_alloc)(size_t len) {
    return mls_alloc(len > 0 ? len : 1);
}

void WASM_EXPORT(wasm_release)(void *memory, size_t len) {
    mls_free(memory, len > 0 ? len : 1);
}

/* NULL when all known answers came out. */
const char *WASM_EXPORT(wasm_self_test)(void) {
    return crypto_self_test_backend(&crypto_host);
}

#ifndef CONCLAVE_SMALL /* suites over X25519 only */
const char *WASM_EXPORT(wasm_self_test_curves)(void) {
    return crypto_self_test_curves(&crypto_host);
}
#endif

const char *WASM_EXPORT(wasm_mls_status_name)(uint32_t status) {
    return status < MLS_STATUS_COUNT ? mls_status_name((enum mls_status)status) : "?";
}

const char *WASM_EXPORT(wasm_mls_status_text)(uint32_t status) {
    return status < MLS_STATUS_COUNT ? mls_status_text((enum mls_status)status) : "?";
}

const char *WASM_EXPORT(wasm_sframe_status_name)(uint32_t status) {
    return status < SFRAME_STATUS_COUNT ? sframe_status_name((enum sframe_status)status) : "?";
}
