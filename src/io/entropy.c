#include "io/entropy.h"

#include <errno.h>
#include <sys/random.h>

#include "base/assert.h"

static void fill_from_system(struct rng *rng, void *out, size_t len) {
    (void)rng;
    uint8_t *to = out;
    while (len > 0) {
        ssize_t got = getrandom(to, len, 0);
        if (got < 0) {
            ASSERT(errno == EINTR);
            continue;
        }
        to += got;
        len -= (size_t)got;
    }
}

struct rng entropy_rng(void) {
    return (struct rng){.fill = fill_from_system};
}
