#include "base/replay.h"

#include <string.h>

#include "base/assert.h"

/* The bit of a number is its place modulo the window: moving on means clearing the bits that come into use again. */

enum replay_result replay_check(const struct replay_window *window, uint64_t number) {
    ASSERT(window != NULL && number < UINT64_MAX);
    if (number >= window->end)
        return REPLAY_FRESH;
    if (window->end - number > REPLAY_WINDOW_LEN)
        return REPLAY_TOO_OLD;
    uint64_t bit = number % REPLAY_WINDOW_LEN;
    return (window->seen[bit / 64] >> bit % 64 & 1) != 0 ? REPLAY_SEEN : REPLAY_FRESH;
}

void replay_mark(struct replay_window *window, uint64_t number) {
    ASSERT(replay_check(window, number) == REPLAY_FRESH);
    if (number >= window->end) {
        if (number - window->end >= REPLAY_WINDOW_LEN) {
            memset(window->seen, 0, sizeof window->seen);
            window->end = number;
        }
        for (; window->end <= number; window->end++) {
            uint64_t bit = window->end % REPLAY_WINDOW_LEN;
            window->seen[bit / 64] &= ~(UINT64_C(1) << bit % 64);
        }
    }
    uint64_t bit = number % REPLAY_WINDOW_LEN;
    window->seen[bit / 64] |= UINT64_C(1) << bit % 64;
}
