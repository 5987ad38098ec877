/* A window against replay (RFC 3711 section 3.3.2): which of the last REPLAY_WINDOW_LEN numbers of a sequence were
 * seen.
 *
 * Numbers up to 2^64 - 2 come in any order. Ask replay_check before a message is authenticated and call replay_mark
 * after; a number that was marked, or that lies behind the window, is refused for ever. Plain data, zeroed = nothing
 * seen yet. Threads: none. */
#ifndef CONCLAVE_BASE_REPLAY_H
#define CONCLAVE_BASE_REPLAY_H

#include <stdint.h>

/* A packet resent after a second at 500 packets a second still falls into the window, with as much again to spare. */
#define REPLAY_WINDOW_LEN 1024

struct replay_window {
    uint64_t end; /* one above the highest number marked; 0 = none was */
    uint64_t seen[REPLAY_WINDOW_LEN / 64];
};

enum replay_result { REPLAY_FRESH = 0, REPLAY_SEEN, REPLAY_TOO_OLD };

enum replay_result replay_check(const struct replay_window *window, uint64_t number);
/* `number` is fresh (asserted). */
void replay_mark(struct replay_window *window, uint64_t number);

#endif
