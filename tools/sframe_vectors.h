/* The checks of SFrame's official test vectors (RFC 9605 appendix C): a kind is a member of the file's object, told by
 * its name; each entry of its list is checked alone. Numbers must be texts: they go up to 2^64 - 1. */
#ifndef CONCLAVE_TOOLS_SFRAME_VECTORS_H
#define CONCLAVE_TOOLS_SFRAME_VECTORS_H

#include "mls_vectors.h" /* VECTOR_BACKEND */

/* The host of WebAssembly has no AES-CTR: of its suites only headers and key schedules are checked there. */
#ifdef __wasm__
#define SFRAME_VECTORS_CTR 0
#else
#define SFRAME_VECTORS_CTR 1
#endif

struct sframe_vector_kind {
    const char *name;
    bool needs_ctr;
    bool (*run)(const json_t *vector);
};

/* NULL: not known, or not possible here. */
const struct sframe_vector_kind *sframe_vector_kind_of(const char *name);

#endif
