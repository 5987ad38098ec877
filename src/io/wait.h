/* Waiting for events of an epoll instance with microseconds. */
#ifndef CONCLAVE_IO_WAIT_H
#define CONCLAVE_IO_WAIT_H

#include <stdint.h>
#include <sys/epoll.h>

/* At most `wait_us`; what epoll_wait answers. Before Linux 5.11 in milliseconds, rounded up. */
int wait_events(int epoll, struct epoll_event *events, int max, uint64_t wait_us);

#endif
