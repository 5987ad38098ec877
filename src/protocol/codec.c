#include "protocol/codec.h"

#include <stddef.h>
#include <strings.h>

#include "base/assert.h"

struct codec_row {
    const char *name;
    const char *mime;
    uint32_t clock_hz;
    uint8_t channels;
    enum codec_kind kind;
};

static const struct codec_row rows[CODEC_COUNT] = {
    [CODEC_UNKNOWN] = {"", "", 0, 0, CODEC_KIND_NONE},
    [CODEC_OPUS] = {"opus", "audio/opus", 48000, 2, CODEC_KIND_AUDIO},
    [CODEC_RED] = {"red", "audio/red", 48000, 2, CODEC_KIND_AUDIO},
    [CODEC_PCMU] = {"PCMU", "audio/PCMU", 8000, 1, CODEC_KIND_AUDIO},
    [CODEC_PCMA] = {"PCMA", "audio/PCMA", 8000, 1, CODEC_KIND_AUDIO},
    [CODEC_G722] = {"G722", "audio/G722", 8000, 1, CODEC_KIND_AUDIO},
    [CODEC_CN] = {"CN", "audio/CN", 8000, 1, CODEC_KIND_AUDIO},
    [CODEC_TELEPHONE_EVENT] = {"telephone-event", "audio/telephone-event", 8000, 1, CODEC_KIND_AUDIO},
    [CODEC_VP8] = {"VP8", "video/VP8", 90000, 0, CODEC_KIND_VIDEO},
    [CODEC_VP9] = {"VP9", "video/VP9", 90000, 0, CODEC_KIND_VIDEO},
    [CODEC_H264] = {"H264", "video/H264", 90000, 0, CODEC_KIND_VIDEO},
    [CODEC_H265] = {"H265", "video/H265", 90000, 0, CODEC_KIND_VIDEO},
    [CODEC_AV1] = {"AV1", "video/AV1", 90000, 0, CODEC_KIND_VIDEO},
    [CODEC_RTX] = {"rtx", "video/rtx", 90000, 0, CODEC_KIND_REPAIR},
    [CODEC_ULPFEC] = {"ulpfec", "video/ulpfec", 90000, 0, CODEC_KIND_REPAIR},
    [CODEC_FLEXFEC] = {"flexfec-03", "video/flexfec-03", 90000, 0, CODEC_KIND_REPAIR},
};

static const struct codec_row *row_of(enum codec codec) {
    ASSERT(codec >= CODEC_UNKNOWN && codec < CODEC_COUNT);
    return &rows[codec];
}

const char *codec_name(enum codec codec) {
    return row_of(codec)->name;
}

const char *codec_mime(enum codec codec) {
    return row_of(codec)->mime;
}

uint32_t codec_clock_hz(enum codec codec) {
    return row_of(codec)->clock_hz;
}

uint8_t codec_channels(enum codec codec) {
    return row_of(codec)->channels;
}

enum codec_kind codec_kind(enum codec codec) {
    return row_of(codec)->kind;
}

enum codec codec_by_name(struct span name) {
    char text[24];
    if (!span_to_str(name, text, sizeof text))
        return CODEC_UNKNOWN;
    for (int i = CODEC_UNKNOWN + 1; i < CODEC_COUNT; i++) {
        if (strcasecmp(text, rows[i].name) == 0)
            return (enum codec)i;
    }
    return CODEC_UNKNOWN;
}

enum codec codec_by_mime(struct span mime) {
    for (size_t i = 0; i < mime.len; i++) {
        if (mime.data[i] != '/')
            continue;
        struct span kind = span_of(mime.data, i);
        char text[8];
        if (!span_to_str(kind, text, sizeof text) || (strcasecmp(text, "audio") != 0 && strcasecmp(text, "video") != 0))
            return CODEC_UNKNOWN;
        return codec_by_name(span_of(mime.data + i + 1, mime.len - i - 1));
    }
    return codec_by_name(mime);
}

enum codec codec_static(uint8_t payload_type) {
    switch (payload_type) {
    case 0:
        return CODEC_PCMU;
    case 8:
        return CODEC_PCMA;
    case 9:
        return CODEC_G722;
    case 13:
        return CODEC_CN;
    default:
        return CODEC_UNKNOWN;
    }
}
