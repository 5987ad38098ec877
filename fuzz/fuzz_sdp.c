/* Any text: what is understood is written and read again as the same; an answer to it can be made and written. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "protocol/sdp_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sdp_codec_support supported[] = {
    {.codec = CODEC_OPUS, .feedback = UINT32_MAX},
    {.codec = CODEC_RED},
    {.codec = CODEC_VP8, .feedback = UINT32_MAX, .rtx = true},
    {.codec = CODEC_VP9, .fmtp = "profile-id=0", .rtx = true},
    {.codec = CODEC_H264,
     .fmtp = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e034",
     .rtx = true},
    {.codec = CODEC_AV1, .fmtp = "profile=0", .rtx = true},
};

static const char *const uris[] = {"urn:ietf:params:rtp-hdrext:sdes:mid",
                                   "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"};

static struct span write_all(const struct sdp *sdp) {
    size_t len = sdp_write_len_max(sdp);
    uint8_t *text = malloc(len);
    if (text == NULL)
        abort();
    struct writer w = writer_of(text, len);
    ASSERT(sdp_write(sdp, &w));
    return writer_span(&w);
}

static void answer(const struct sdp *offer) {
    struct sdp sdp, again;
    struct sdp_error error;
    sdp_init(&sdp);
    sdp.session_id = 1;
    for (uint16_t i = 0; i < offer->section_count; i++) {
        const struct sdp_section *theirs = offer->sections[i];
        struct sdp_section *ours = sdp_answer_section(&sdp, theirs);
        ASSERT(ours != NULL);
        if (sdp_rejected(ours))
            continue;
        if ((theirs->kind == SDP_AUDIO || theirs->kind == SDP_VIDEO) &&
            sdp_answer_formats(&sdp, ours, theirs, supported, ARRAY_LEN(supported), SDP_ORDER_OURS) == 0) {
            sdp_answer_reject(&sdp, ours, theirs);
            continue;
        }
        (void)sdp_answer_extmaps(&sdp, ours, theirs, uris, ARRAY_LEN(uris));
        ours->direction = sdp_direction_mirror(theirs->direction);
        (void)sdp_answer_simulcast(&sdp, ours, theirs);
    }
    ASSERT(!sdp.failed);
    struct span text = write_all(&sdp);
    sdp_init(&again);
    ASSERT(sdp_parse(text, &again, &error));
    ASSERT(again.section_count == offer->section_count);
    sdp_free(&again);
    sdp_free(&sdp);
    free((void *)(uintptr_t)text.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sdp first, second;
    struct sdp_error error;
    sdp_init(&first);
    if (!sdp_parse(span_of(data, size), &first, &error)) {
        ASSERT(error.what[0] != 0 && first.blocks == NULL);
        return 0;
    }
    struct span once = write_all(&first);
    sdp_init(&second);
    /* a text at the limit may grow over it when attributes are handed down to every section */
    if (once.len <= SDP_TEXT_MAX / 2) {
        ASSERT(sdp_parse(once, &second, &error));
        ASSERT(first.section_count == second.section_count);
        struct span twice = write_all(&second);
        ASSERT(span_equal(once, twice));
        free((void *)(uintptr_t)twice.data);
        answer(&first);
    }
    sdp_free(&first);
    sdp_free(&second);
    free((void *)(uintptr_t)once.data);
    return 0;
}
