/* Randomness of the operating system, fit for keys and secrets. Each thread makes an rng of its own (struct rng has one owner).
 * A system that cannot give randomness cannot run a server: that is an assert. */
#ifndef CONCLAVE_IO_ENTROPY_H
#define CONCLAVE_IO_ENTROPY_H

#include "base/rng.h"

struct rng entropy_rng(void);

#endif
