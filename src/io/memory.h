/* Large memory that costs nothing until it is touched: anonymous mappings of zero pages, for engine arenas and rings. */
#ifndef CONCLAVE_IO_MEMORY_H
#define CONCLAVE_IO_MEMORY_H

#include <stddef.h>

/* NULL when the system refuses. The caller gives it back with memory_unmap and the same length. */
void *memory_map(size_t len_bytes);
void memory_unmap(void *memory, size_t len_bytes);
/* Gives the pages of a part of a mapping back to the system; they read as zeros afterwards. Page-aligned inwards. */
void memory_forget(void *start, size_t len_bytes);

#endif
