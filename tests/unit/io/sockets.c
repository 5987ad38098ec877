#include "sockets.h"

#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

struct sockaddr_in loopback(uint16_t port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int connect_to(int type, uint16_t port) {
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = loopback(port);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

ssize_t receive(int fd, void *out, size_t size, int patience_ms) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, patience_ms) <= 0)
        return -1;
    ssize_t got = recv(fd, out, size, 0);
    return got < 0 && errno == ECONNRESET ? 0 : got;
}

size_t framed(uint8_t *out, const uint8_t *data, size_t len) {
    out[0] = (uint8_t)(len >> 8);
    out[1] = (uint8_t)len;
    memcpy(out + 2, data, len);
    return len + 2;
}
