/* Watches the heap of code that is linked statically into a test (meson: `heap_watch` in the dependencies): makes an
 * allocation fail, looks for bytes in what is allocated, and tells whether blocks were wiped before they were freed.
 * Shared libraries (OpenSSL, cmocka, jansson) have their own calls and are not seen. One thread. */
#ifndef CONCLAVE_TESTS_HEAP_WATCH_H
#define CONCLAVE_TESTS_HEAP_WATCH_H

#include <stdbool.h>
#include <stddef.h>

/* The allocation after `n` more fails, once; negative: none does. */
void heap_fail_after(int n);
/* Whether it came to that since. */
bool heap_has_failed(void);
/* Blocks now allocated, and their bytes. */
size_t heap_blocks(void);
size_t heap_bytes(void);
/* Whether any allocated block has these bytes in it. */
bool heap_holds(const void *bytes, size_t len);
/* Blocks that were freed since the last call with anything but zeros in them. */
size_t heap_freed_dirty(void);

#endif
