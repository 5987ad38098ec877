#include "media/allocate.h"

#include "base/assert.h"

#define NO_STEP UINT8_MAX

static void add_step(struct allocate_stream *s, uint8_t spatial, uint8_t temporal) {
    ASSERT(s->step_count < ALLOCATE_SPATIAL + 1);
    if (s->spatial_now == (int8_t)spatial && s->temporal_now >= (int8_t)temporal)
        s->step_now = s->step_count;
    s->step_spatial[s->step_count] = (int8_t)spatial;
    s->step_temporal[s->step_count] = (int8_t)temporal;
    s->step_bps[s->step_count] = s->bps[spatial][temporal];
    s->step_count++;
}

static void make_steps(struct allocate_stream *s) {
    ASSERT(s->spatial_max < ALLOCATE_SPATIAL && s->temporal_max < ALLOCATE_TEMPORAL);
    s->step_count = 0;
    s->step_now = NO_STEP;
    for (uint8_t spatial = 0; spatial <= s->spatial_max; spatial++) {
        if (!s->alive[spatial])
            continue;
        /* without a lower temporal layer the two steps would be one */
        if (s->step_count == 0 && s->temporal_max > 0 && s->bps[spatial][0] < s->bps[spatial][s->temporal_max])
            add_step(s, spatial, 0);
        add_step(s, spatial, s->temporal_max);
    }
    if (s->step_count == 0) { /* nothing arrives: whatever comes first is welcome */
        s->step_spatial[0] = (int8_t)s->spatial_max;
        s->step_temporal[0] = (int8_t)s->temporal_max;
        s->step_bps[0] = 0;
        s->step_count = 1;
    }
}

static bool fits(const struct allocate_stream *s, uint8_t step, uint64_t used_bps, uint64_t budget_bps) {
    uint64_t cost_bps = s->step_bps[step];
    bool raise = s->step_now == NO_STEP || step > s->step_now;
    return used_bps + cost_bps + (raise ? cost_bps / 10 : 0) <= budget_bps;
}

static uint64_t give_lowest(struct allocate_stream *streams, size_t count, uint64_t budget_bps, uint64_t used_bps,
                            uint8_t priority) {
    for (size_t i = 0; i < count; i++) {
        struct allocate_stream *s = &streams[i];
        if (s->audio || s->priority != priority)
            continue;
        s->step = fits(s, 0, used_bps, budget_bps) || !s->allow_pause ? 0 : NO_STEP;
        if (s->step != NO_STEP)
            used_bps += s->step_bps[0];
    }
    return used_bps;
}

/* One step more for each stream of this priority; false when none could be raised. */
static bool raise_round(struct allocate_stream *streams, size_t count, uint64_t budget_bps, uint64_t *used_bps,
                        uint8_t priority) {
    bool raised = false;
    for (size_t i = 0; i < count; i++) {
        struct allocate_stream *s = &streams[i];
        if (s->audio || s->priority != priority || s->step == NO_STEP || s->step + 1 >= s->step_count)
            continue;
        uint64_t others_bps = *used_bps - s->step_bps[s->step];
        if (!fits(s, (uint8_t)(s->step + 1), others_bps, budget_bps))
            continue;
        s->step++;
        *used_bps = others_bps + s->step_bps[s->step];
        raised = true;
    }
    return raised;
}

uint64_t allocate(struct allocate_stream *streams, size_t count, uint64_t budget_bps) {
    ASSERT(streams != NULL || count == 0);
    uint64_t used_bps = 0;
    uint8_t highest = 0;
    for (size_t i = 0; i < count; i++) {
        struct allocate_stream *s = &streams[i];
        make_steps(s);
        s->step = 0;
        if (s->audio)
            used_bps += s->step_bps[0];
        else if (s->priority > highest)
            highest = s->priority;
    }
    for (int priority = highest; priority >= 0; priority--)
        used_bps = give_lowest(streams, count, budget_bps, used_bps, (uint8_t)priority);
    for (int priority = highest; priority >= 0; priority--) {
        while (raise_round(streams, count, budget_bps, &used_bps, (uint8_t)priority)) {
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct allocate_stream *s = &streams[i];
        s->spatial = s->step == NO_STEP ? -1 : s->step_spatial[s->step];
        s->temporal = s->step == NO_STEP ? -1 : s->step_temporal[s->step];
    }
    return used_bps;
}
