/* Memory of the end-to-end library: every block comes from here and is wiped before it goes back, because nearly all of
 * it holds keys or plaintext at some time (RFC 9420 section 9.2: consumed values are deleted in all representations).
 *
 * Failure is an answer (NULL), never an abort: a group stays as it was when memory runs out. Below is malloc, so tests
 * that wrap it can make any allocation fail and can scan what is left. Threads: as malloc. */
#ifndef CONCLAVE_E2EE_MEM_H
#define CONCLAVE_E2EE_MEM_H

#include <stddef.h>

/* `len` zero bytes, aligned for any type; NULL when there is no memory. len > 0 (asserted). */
void *mls_alloc(size_t len);
/* Wipes `len` bytes, the length that was asked for, and frees. NULL is allowed. */
void mls_free(void *memory, size_t len);
/* A block of new_len bytes with the old contents (cut, or followed by zeros); the old block is wiped and freed. On
 * failure NULL, and the old block stays. `memory` may be NULL with old_len 0. */
void *mls_resize(void *memory, size_t old_len, size_t new_len);

#endif
