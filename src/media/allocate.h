/* Shares one receiver's bandwidth among the streams it gets.
 *
 *     audio first, always; then every video stream its lowest step, by priority; then a step more for each, highest
 * priority first, until nothing more fits
 *
 * Steps of a stream, cheapest first: lowest layer without upper temporal layers, lowest layer whole, then each higher
 * spatial layer whole. A step above the present one must fit with a tenth to spare; keeping the present one needs only
 * to fit, so that a wavering budget does not make a wavering picture. A stream that cannot have its lowest step is
 * paused when that is allowed, else it gets the step all the same. Pure function over an array. */
#ifndef CONCLAVE_MEDIA_ALLOCATE_H
#define CONCLAVE_MEDIA_ALLOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALLOCATE_SPATIAL 3
#define ALLOCATE_TEMPORAL 4
/* No limit known. */
#define ALLOCATE_UNLIMITED UINT64_MAX

struct allocate_stream {
    /* in */
    bool audio;
    bool allow_pause;
    uint8_t priority;
    uint8_t spatial_max, temporal_max;
    bool alive[ALLOCATE_SPATIAL];                      /* something of this layer arrives */
    uint32_t bps[ALLOCATE_SPATIAL][ALLOCATE_TEMPORAL]; /* cost of getting up to this layer */
    int8_t spatial_now, temporal_now;                  /* -1 = nothing */
    /* out */
    int8_t spatial, temporal; /* -1 = paused */
    /* private */
    uint8_t step, step_count, step_now;
    uint32_t step_bps[ALLOCATE_SPATIAL + 1];
    int8_t step_spatial[ALLOCATE_SPATIAL + 1];
    int8_t step_temporal[ALLOCATE_SPATIAL + 1];
};

/* Returns the bits a second that the outcome takes. */
uint64_t allocate(struct allocate_stream *streams, size_t count, uint64_t budget_bps);

#endif
