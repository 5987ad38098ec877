/* OpenSSL draws keys and nonces from its own generator. Here it draws from a seeded one, so that a run is the same bit
 * by bit. Never linked into anything but the simulator. */
#define OPENSSL_API_COMPAT 0x10100000L /* RAND_METHOD is older than providers, and still honoured by them */

#include <openssl/rand.h>

#include "sim/conference.h"

static struct rng generator;

static int draw(unsigned char *out, int len) {
    if (len > 0)
        rng_fill(&generator, out, (size_t)len);
    return 1;
}

static int status(void) {
    return 1;
}

void entropy_install(uint64_t seed) {
    static const RAND_METHOD method = {.bytes = draw, .pseudorand = draw, .status = status};
    generator = rng_seeded(seed ^ UINT64_C(0x6f70656e73736c00));
    (void)RAND_set_rand_method(&method);
}
