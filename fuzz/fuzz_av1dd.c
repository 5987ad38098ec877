/* A sequence of descriptors, each behind a length byte, into one state. What is understood is written and read again as
 * the same. */
#include <string.h>

#include "base/assert.h"
#include "protocol/av1dd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rewrite(const struct av1dd *dd, const struct av1dd_structure *structure) {
    uint8_t once[8192], twice[8192];
    struct writer w = writer_of(once, sizeof once), w2 = writer_of(twice, sizeof twice);
    struct av1dd back;
    struct av1dd_structure attached;
    av1dd_write(dd, structure, &w);
    ASSERT(writer_ok(&w));
    ASSERT(av1dd_parse(writer_span(&w), structure, &back, &attached) == AV1DD_OK);
    if (dd->has_structure)
        ASSERT(memcmp(&attached, structure, sizeof attached) == 0);
    ASSERT(back.dtis == dd->dtis && back.fdiff_count == dd->fdiff_count && back.frame_number == dd->frame_number);
    ASSERT(memcmp(back.fdiffs, dd->fdiffs, sizeof back.fdiffs) == 0);
    ASSERT(memcmp(back.chain_diffs, dd->chain_diffs, sizeof back.chain_diffs) == 0);
    ASSERT(back.active_targets == dd->active_targets && back.keyframe == dd->keyframe);
    av1dd_write(&back, structure, &w2);
    ASSERT(w.len == w2.len && memcmp(once, twice, w.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct av1dd_state state;
    struct reader r = reader_of(data, size);
    av1dd_state_init(&state);
    while (reader_left(&r) > 0) {
        struct av1dd dd, pure;
        struct av1dd_structure attached;
        struct span bytes = rd_span(&r, rd_u8(&r));
        if (!reader_ok(&r))
            break;
        enum av1dd_result alone = av1dd_parse(bytes, state.valid ? &state.structure : NULL, &pure, &attached);
        struct av1dd_structure before = state.structure;
        enum av1dd_result result = av1dd_input(&state, bytes, &dd);
        ASSERT((result == AV1DD_MALFORMED) == (alone == AV1DD_MALFORMED));
        ASSERT(result != AV1DD_OK || state.valid);
        if (result != AV1DD_OK)
            continue;
        ASSERT(dd.spatial < AV1DD_SPATIAL_MAX && dd.temporal < AV1DD_TEMPORAL_MAX);
        ASSERT(dd.target_count <= AV1DD_TARGETS_MAX && dd.chain_count <= dd.target_count);
        rewrite(&dd, dd.has_structure ? &attached : &before);
    }
    return 0;
}
