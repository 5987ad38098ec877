/* Who speaks: audio levels of tracks, smoothed, and the changes that are announced (LiveKit client protocol).
 *
 *     speaking_input(track, level) for every level the engine reports, then, when speakers_due_us says so,
 *     n = speaking_step(room, now_us, out, max)   -> the deltas to send
 *
 * Loudness is linear, 0..1. A frame's share of the interval that was audible is taken off: short noises do not make a
 * speaker. A participant speaks while the smoothed loudness of its loudest microphone is above SPEAKING_ACTIVE_DBOV. */
#ifndef CONCLAVE_ROOM_SPEAKING_H
#define CONCLAVE_ROOM_SPEAKING_H

#include <stddef.h>
#include <stdint.h>

#include "media/engine.h"
#include "room/room.h"

#define SPEAKING_INTERVAL_US (500 * UINT64_C(1000))
#define SPEAKING_ACTIVE_DBOV 30          /* RFC 6464: 0 is loudest */
#define SPEAKING_MIN_ACTIVE_PERMILLE 400 /* of the interval must have been audible */
/* Exponential smoothing over about four intervals: 2 / (4 + 1). */
#define SPEAKING_SMOOTHING 0.4f
#define SPEAKING_CHANGES_MAX 64

struct speaking_change {
    struct participant *participant;
    float level;
    bool active;
};

void speaking_input(struct track *track, const struct engine_level *level, uint64_t now_us);
/* Works off one interval. At most `max` changes; the rest comes with the next interval. */
size_t speaking_step(struct room *room, uint64_t now_us, struct speaking_change *out, size_t max);

#endif
