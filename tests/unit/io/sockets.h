/* Sockets of this machine, as the other side of the IO layer in its tests. */
#ifndef CONCLAVE_TESTS_SOCKETS_H
#define CONCLAVE_TESTS_SOCKETS_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sockaddr_in loopback(uint16_t port);
/* `type` SOCK_STREAM or SOCK_DGRAM; the caller closes it. */
int connect_to(int type, uint16_t port);
/* Bytes received within the patience; 0 at the end of a stream, -1 when nothing came. */
ssize_t receive(int fd, void *out, size_t size, int patience_ms);
/* RFC 4571 section 2: the length before the frame; returns the length of both. */
size_t framed(uint8_t *out, const uint8_t *data, size_t len);

#endif
