#include "room/speaking.h"

#include <math.h>

#include "base/assert.h"
#include "base/time.h"

/* Below this nobody hears anything: a decaying level ends here. */
#define LEVEL_SILENT 0.001f
/* Loudness is announced in eighths, so that a steady voice is not a stream of messages. */
#define LEVEL_STEPS 8.0f

static float loudness(float dbov) {
    return powf(10.0f, -dbov / 20.0f);
}

void speaking_input(struct track *track, const struct engine_level *level, uint64_t now_us) {
    ASSERT(track != NULL && level->active_permille <= 1000);
    struct room *room = track->publisher->room;
    float linear = 0;
    if (level->active_permille >= SPEAKING_MIN_ACTIVE_PERMILLE && level->level_dbov < 127 && !track->muted)
        linear = loudness((float)level->level_dbov) * (float)level->active_permille / 1000.0f;
    if (linear > track->level_input)
        track->level_input = linear;
    if (room->speakers_due_us == TIME_NEVER && linear > LEVEL_SILENT)
        room->speakers_due_us = now_us; /* the first sound after silence is announced at once */
}

static float participant_step(struct participant *participant) {
    float loudest = 0;
    LIST_EACH(&participant->tracks, struct track, node, track) {
        if (track->type != ROOM_AUDIO)
            continue;
        float input = track->muted ? 0 : track->level_input;
        /* up fast enough to follow a first word: a loud start counts at once */
        float smoothed = track->level + (input - track->level) * SPEAKING_SMOOTHING;
        track->level = smoothed > LEVEL_SILENT ? smoothed : 0;
        track->level_input = 0;
        if (track->level > loudest)
            loudest = track->level;
    }
    return loudest < 1.0f ? loudest : 1.0f;
}

size_t speaking_step(struct room *room, uint64_t now_us, struct speaking_change *out, size_t max) {
    ASSERT(room != NULL && out != NULL);
    const float threshold = loudness(SPEAKING_ACTIVE_DBOV);
    size_t count = 0;
    bool sound = false;
    LIST_EACH(&room->participants, struct participant, node, participant) {
        float level = participant_step(participant);
        sound = sound || level > 0;
        bool active = level > threshold;
        uint32_t step = active ? (uint32_t)ceilf(level * LEVEL_STEPS) : 0;
        if ((active == participant->speaking && step == participant->speaking_step) || participant->permission.hidden)
            continue;
        if (count == max) {
            sound = true; /* come again */
            continue;
        }
        participant->speaking = active;
        participant->speaking_step = step;
        out[count++] = (struct speaking_change){participant, active ? (float)step / LEVEL_STEPS : 0, active};
    }
    room->speakers_due_us = sound ? now_us + SPEAKING_INTERVAL_US : TIME_NEVER;
    return count;
}
