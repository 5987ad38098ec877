/* The service manager's notification socket (sd_notify(3), "Standalone Implementations"): datagrams of lines such as
 * "READY=1" to the address in NOTIFY_SOCKET. The protocol is stable and a few lines long, so the library of the service
 * manager is not linked for it.
 *
 *     notify_open          reads NOTIFY_SOCKET and WATCHDOG_USEC and removes them from the environment
 *     notify_send          a state; without a manager it does nothing
 *     notify_watchdog_us   how often the manager wants to hear of us (half of its limit); 0: it does not
 *
 * Threads: one. */
#ifndef CONCLAVE_IO_NOTIFY_H
#define CONCLAVE_IO_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
    int fd; /* -1: no manager listens */
    uint64_t watchdog_us;
};

void notify_open(struct notify *notify);
/* Lines of sd_notify(3), each ended by a newline but the last. Never waits. */
void notify_send(const struct notify *notify, const char *state);
void notify_close(struct notify *notify);

#endif
