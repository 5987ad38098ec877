#include "media/speakers.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/time.h"

#define Q8(value) ((uint32_t)(value) << 8)

void speaker_note(struct speaker_meter *meter, uint64_t now_us, uint8_t level_dbov) {
    ASSERT(meter != NULL);
    uint32_t level = Q8(level_dbov <= SPEAKERS_SILENCE_DBOV ? level_dbov : SPEAKERS_SILENCE_DBOV);
    if (!meter->started) {
        meter->started = true;
        meter->since_us = now_us;
        meter->level_q8 = Q8(SPEAKERS_SILENCE_DBOV);
        meter->loudest_q8 = Q8(SPEAKERS_SILENCE_DBOV);
    }
    /* over about eight packets, 160 ms: a click does not make a speaker */
    meter->level_q8 = (meter->level_q8 * 7 + level) / 8;
    if (meter->level_q8 < meter->loudest_q8)
        meter->loudest_q8 = meter->level_q8;
    meter->packets++;
    if (level_dbov < SPEAKERS_ACTIVE_DBOV)
        meter->active++;
}

bool speaker_take(struct speaker_meter *meter, uint64_t now_us, uint8_t *level_dbov, uint16_t *active_permille) {
    ASSERT(meter != NULL && level_dbov != NULL && active_permille != NULL);
    if (!meter->started)
        return false;
    uint64_t expected = time_since(now_us, meter->since_us) / SPEAKERS_PACKET_US;
    uint64_t whole = meter->packets > expected ? meter->packets : expected;
    *level_dbov = meter->packets > 0 ? (uint8_t)(meter->loudest_q8 >> 8) : SPEAKERS_SILENCE_DBOV;
    *active_permille = (uint16_t)(whole > 0 ? meter->active * UINT64_C(1000) / whole : 0);
    if (meter->packets == 0)
        meter->level_q8 = Q8(SPEAKERS_SILENCE_DBOV);
    meter->since_us = now_us;
    meter->packets = 0;
    meter->active = 0;
    meter->loudest_q8 = meter->level_q8;
    bool audible = *level_dbov < SPEAKERS_SILENCE_DBOV;
    bool tell = audible || (meter->reported_any && meter->reported_dbov < SPEAKERS_SILENCE_DBOV);
    meter->reported_any = true;
    meter->reported_dbov = *level_dbov;
    return tell;
}
