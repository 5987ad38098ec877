/* RTP: any bytes are parsed without a read outside; what was parsed and written again reads the same. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "protocol/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_values(const struct rtp_exts *exts) {
    bool voice;
    uint8_t level;
    uint16_t seq16;
    uint32_t a, b;
    char text[17];
    for (enum rtp_ext_kind kind = RTP_EXT_NONE + 1; kind < RTP_EXT_KINDS; kind++) {
        struct span value = exts->data[kind];
        ASSERT(rtp_exts_has(exts, kind) || value.len == 0);
        (void)rtp_ext_audio_level(value, &voice, &level);
        (void)rtp_ext_transport_seq(value, &seq16);
        (void)rtp_ext_abs_send_time(value, &a);
        (void)rtp_ext_playout_delay(value, &a, &b);
        if (rtp_ext_text(value, text, sizeof text))
            ASSERT(strlen(text) == value.len);
    }
}

static void write_again(const struct rtp_header *header) {
    struct rtp_ext_out exts = {0};
    struct rtp_ext_iter iter = rtp_ext_iter_of(header);
    struct rtp_ext ext;
    while (exts.count < RTP_EXT_OUT_MAX && rtp_ext_next(&iter, &ext)) {
        if (ext.id != 15)
            rtp_ext_add(&exts, ext.id, ext.data);
    }
    static uint8_t bytes[RTP_HEADER_LEN + 4 * RTP_CSRCS_MAX + 4 + RTP_EXT_OUT_MAX * 260];
    struct writer w = writer_of(bytes, sizeof bytes);
    ASSERT(rtp_write(&w, header, &exts));
    struct rtp_header again;
    ASSERT(rtp_parse_clear(writer_span(&w), &again) == RTP_OK);
    ASSERT(again.marker == header->marker && again.pt == header->pt && again.seq16 == header->seq16);
    ASSERT(again.timestamp == header->timestamp && again.ssrc == header->ssrc);
    ASSERT(span_equal(again.csrcs, header->csrcs) && again.header_len == w.len);
    iter = rtp_ext_iter_of(&again);
    for (size_t i = 0; i < exts.count; i++) {
        ASSERT(rtp_ext_next(&iter, &ext));
        ASSERT(ext.id == exts.ext[i].id && span_equal(ext.data, exts.ext[i].data));
    }
    ASSERT(!rtp_ext_next(&iter, &ext));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rtp_header header;
    struct rtp_ext_map map = {0};
    for (enum rtp_ext_kind kind = RTP_EXT_NONE + 1; kind < RTP_EXT_KINDS; kind++)
        (void)rtp_ext_map_set(&map, kind, (uint8_t)(kind < 12 ? kind : kind + 30));
    if (rtp_parse(span_of(data, size), &header) != RTP_OK)
        return 0;
    ASSERT(header.header_len + header.payload.len + header.padding_len == size);
    struct rtp_exts exts;
    rtp_exts_read(&header, &map, &exts);
    read_values(&exts);
    write_again(&header);
    uint8_t pt;
    uint16_t seq16;
    struct span inner;
    if (rtp_red_primary(header.payload, &pt, &inner))
        ASSERT(pt <= 127 && inner.len < header.payload.len);
    if (rtp_rtx_unwrap(header.payload, &seq16, &inner))
        ASSERT(inner.len + RTP_RTX_OSN_LEN == header.payload.len);
    return 0;
}
