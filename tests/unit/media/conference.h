/* A publisher and a receiver in one room of a real engine, and what every receiver may rely on. */
#ifndef CONCLAVE_TESTS_MEDIA_CONFERENCE_H
#define CONCLAVE_TESTS_MEDIA_CONFERENCE_H

#include "world.h"

#define ROOM 77

struct pair {
    struct world *w;
    struct peer *alice, *bob; /* publisher, receiver */
};

struct pair pair_make(uint64_t seed);
void run_camera(struct world *w, struct camera *c, uint64_t us);
void settings(struct world *w, uint32_t sink, bool enabled, uint8_t spatial, uint8_t temporal);
/* What every receiver of VP8 may rely on, loss or not: after repair no number is missing from `from` on but at the end;
 * timestamps and picture ids go on; each picture comes whole and from one layer. */
void check_vp8(const struct track *t, uint32_t from, uint32_t tail);

#endif
