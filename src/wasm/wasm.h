/* The end-to-end library as a WebAssembly module. The ABI, whose other side is web/e2ee/:
 *
 *   - Bytes go in through wasm_alloc: the host copies them there, passes address and length, and calls wasm_release,
 *     which wipes. Bytes come out in one of WASM_RESULTS result buffers, which wasm_result_data and wasm_result_len
 * tell and the next call overwrites (wiped).
 *   - Objects are addresses. A function that makes one answers a status and leaves the object for wasm_made.
 *   - A status is `enum mls_status` or `enum sframe_status`; wasm_*_status_* give the words.
 *   - 64-bit numbers are i64 (BigInt in JavaScript). Times are microseconds, lifetimes seconds.
 *   - Lists in results are TLS vectors (RFC 9420 section 2.1.2), as everywhere in MLS.
 *   - Imports: module "host", see crypto/host.h, and "panic" here. There is no other import: no WASI.
 *
 * Exports carry WASM_EXPORT. An instance is single-threaded; a failed assert ends it: "panic" tells, then a trap. */
#ifndef CONCLAVE_WASM_WASM_H
#define CONCLAVE_WASM_WASM_H

#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "e2ee/mls_codec.h"

#ifdef __wasm__
#define WASM_EXPORT(name) __attribute__((export_name(#name))) name
#else
#define WASM_EXPORT(name) name /* for tools that look at the source */
#endif

#define WASM_RESULTS 3
/* A tree of 1000 hybrid members is 3 MB. */
#define WASM_RESULT_LEN_MAX (32u << 20)

/* Result buffer i, emptied; for the function that is about to fill it. */
struct mls_buf *wasm_result(unsigned i);
/* Leaves an object for wasm_made. */
void wasm_give(void *object);

#endif
