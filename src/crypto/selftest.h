/* Known-answer tests of every primitive that the media path relies on, through the very backends that will be used. Run
 * once by the server before it opens a socket: a broken library or CPU feature shows here and not as noise at the
 * receivers. */
#ifndef CONCLAVE_CRYPTO_SELFTEST_H
#define CONCLAVE_CRYPTO_SELFTEST_H

#include <stdbool.h>

/* NULL when all is well, else the name of what failed. Takes well under a millisecond; may allocate. */
const char *crypto_self_test(void);

#endif
