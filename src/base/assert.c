#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

/* The one place below src/io that writes to a stream: the process is about to end. */
_Noreturn void assert_fail(const char *expression, const char *file, int line) {
    fprintf(stderr, "assertion failed: %s (%s:%d)\n", expression, file, line);
    abort();
}
