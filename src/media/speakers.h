/* How loud one audio source is, from the levels that its packets carry outside of the encryption (RFC 6464). Pure, by
 * value, zero-initialised. */
#ifndef CONCLAVE_MEDIA_SPEAKERS_H
#define CONCLAVE_MEDIA_SPEAKERS_H

#include <stdbool.h>
#include <stdint.h>

/* Louder than this (a smaller number of -dBov) counts as active: quiet speech is around 40 to 50, room noise 60 and
 * more. */
#define SPEAKERS_ACTIVE_DBOV 45
#define SPEAKERS_SILENCE_DBOV 127
/* At 20 ms a packet; with discontinuous transmission fewer come, and those that do not come are silent. */
#define SPEAKERS_PACKET_US UINT64_C(20000)

struct speaker_meter {
    uint64_t since_us; /* begin of the interval */
    uint32_t packets;
    uint32_t active;
    uint32_t level_q8;   /* smoothed level, 8 bits of fraction */
    uint32_t loudest_q8; /* of the interval */
    bool started;
    uint8_t reported_dbov; /* last answer of speaker_take */
    bool reported_any;
};

void speaker_note(struct speaker_meter *meter, uint64_t now_us, uint8_t level_dbov);
/* Ends the interval. False when there is nothing to tell: silent now and silent in the last answer. */
bool speaker_take(struct speaker_meter *meter, uint64_t now_us, uint8_t *level_dbov, uint16_t *active_permille);

#endif
