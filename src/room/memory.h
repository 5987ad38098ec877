/* Memory of the control side. What is allocated is bounded by the limits of the model, so running out of it means that
 * the system has none left to give; the process then stops (and is started again) rather than limp on: every function
 * here asserts. */
#ifndef CONCLAVE_ROOM_MEMORY_H
#define CONCLAVE_ROOM_MEMORY_H

#include <stddef.h>

#include "base/cursor.h"

/* Zeroed. */
void *memory_new(size_t len);
void *memory_grow(void *old, size_t count, size_t element_len);
/* A zero-terminated copy. */
char *memory_text(const char *text);
char *memory_span_text(struct span text);
/* Replaces an owned text. */
void memory_set_text(char **owned, const char *text);

#endif
