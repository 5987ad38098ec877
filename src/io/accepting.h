/* Accepting connections in a process that may run out of descriptors (EMFILE, ENFILE) or of memory for sockets. accept fails then
 * without taking the connection, so that a listener which is polled on would be ready again at once, for ever. Instead
 *
 *   - one waiting connection is taken with a descriptor kept for this, and closed, so that its client learns that there is no room;
 *   - the owner stops polling its listeners until accepting_resume_us, which grows from ACCEPTING_PAUSE_MIN_US to _MAX_US while it
 *     goes on, or until it has closed a descriptor of its own (accepting_freed);
 *   - the log says so once.
 *
 * Owner: one thread. */
#ifndef CONCLAVE_IO_ACCEPTING_H
#define CONCLAVE_IO_ACCEPTING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"

#define ACCEPTING_PAUSE_MIN_US UINT64_C(20000)
/* Longer would be felt by people after the shortage has passed. */
#define ACCEPTING_PAUSE_MAX_US UINT64_C(1000000)

struct accepting {
    int spare;                    /* -1: none could be had back yet */
    uint64_t pause_us, resume_us; /* resume_us 0 = not pausing */
    uint64_t said_us;             /* of the last shortage */
};

void accepting_init(struct accepting *a);
void accepting_end(struct accepting *a);

enum accepting_result { ACCEPTING_NONE, ACCEPTING_ONE, ACCEPTING_SHORT };
/* ONE: `fd` (not blocking, closed on exec) is the caller's. NONE: nobody waits. SHORT: see above; stop polling. */
enum accepting_result accepting_take(struct accepting *a, uint64_t now_us, int listener, int *fd,
                                     struct net_addr *from);
static inline bool accepting_pausing(const struct accepting *a) {
    return a->resume_us != 0;
}
/* TIME_NEVER when not pausing. */
uint64_t accepting_resume_us(const struct accepting *a);
/* Ends the pause when its time has come; true when it did: poll the listeners again. */
bool accepting_due(struct accepting *a, uint64_t now_us);
/* A descriptor was closed: a pause ends with the next accepting_due. */
void accepting_freed(struct accepting *a);

#endif
