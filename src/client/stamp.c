/* Synthetic media. */
#include "client/stamp.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc.h"
#include "protocol/vp8.h"

#define MAGIC 0xc0de
#define FLAG_VIDEO 1
#define FLAG_KEYFRAME 2
#define OPUS_TOC 0x78 /* CELT, 20 ms, mono, one frame (RFC 6716 section 3.1) */
#define KEY_HEADER_LEN 10
#define DELTA_HEADER_LEN 3

void stamp_pattern(struct stamp *stamp, uint32_t since_keyframe) {
    static const uint8_t temporal[4] = {0, 2, 1, 2}, reference[4] = {4, 1, 2, 1};
    static const bool sync[4] = {false, true, true, false};
    uint32_t step = since_keyframe & 3;
    stamp->keyframe = since_keyframe == 0;
    stamp->temporal = temporal[step];
    stamp->reference = stamp->keyframe ? 0 : reference[step];
    stamp->layer_sync = sync[step];
}

uint8_t stamp_packets(uint32_t frame_bytes) {
    uint32_t count = (frame_bytes + STAMP_VIDEO_PAYLOAD_MAX - 1) / STAMP_VIDEO_PAYLOAD_MAX;
    return (uint8_t)(count < 1 ? 1 : count > STAMP_PACKETS_MAX ? STAMP_PACKETS_MAX : count);
}

static uint8_t filler_byte(const struct stamp *stamp) {
    return (uint8_t)(stamp->frame * 31u + stamp->packet * 7u + stamp->publisher + stamp->layer);
}

static void write_stamp(struct writer *w, const struct stamp *stamp) {
    uint8_t bytes[STAMP_LEN];
    struct writer s = writer_of(bytes, sizeof bytes);
    wr_u16(&s, MAGIC);
    wr_u8(&s, (uint8_t)((stamp->video ? FLAG_VIDEO : 0) | (stamp->keyframe ? FLAG_KEYFRAME : 0) | stamp->temporal << 2 |
                        (stamp->layer_sync ? 1 << 4 : 0)));
    wr_u8(&s, stamp->layer);
    wr_u32(&s, stamp->publisher);
    wr_u16(&s, stamp->publication);
    wr_u8(&s, stamp->packet);
    wr_u8(&s, stamp->packets);
    wr_u32(&s, stamp->frame);
    wr_u8(&s, stamp->reference);
    wr_u24(&s, crc32c(bytes, s.len) & 0xffffff);
    ASSERT(writer_ok(&s) && s.len == STAMP_LEN);
    wr_span(w, writer_span(&s));
}

static bool read_stamp(struct reader *r, struct stamp *out) {
    struct span bytes = rd_span(r, STAMP_LEN);
    struct reader s = reader_of_span(bytes);
    uint16_t magic = rd_u16(&s);
    uint8_t flags = rd_u8(&s);
    out->video = (flags & FLAG_VIDEO) != 0;
    out->keyframe = (flags & FLAG_KEYFRAME) != 0;
    out->temporal = flags >> 2 & 3;
    out->layer_sync = (flags >> 4 & 1) != 0;
    out->layer = rd_u8(&s);
    out->publisher = rd_u32(&s);
    out->publication = rd_u16(&s);
    out->packet = rd_u8(&s);
    out->packets = rd_u8(&s);
    out->frame = rd_u32(&s);
    out->reference = rd_u8(&s);
    uint32_t check = rd_u24(&s);
    return reader_ok(r) && reader_ok(&s) && magic == MAGIC && (crc32c(bytes.data, STAMP_LEN - 3) & 0xffffff) == check;
}

static bool write_filler(struct writer *w, const struct stamp *stamp, size_t end) {
    if (!writer_ok(w) || w->len > end)
        return false;
    size_t len = end - w->len;
    uint8_t *filler = wr_reserve(w, len);
    if (filler == NULL)
        return false;
    memset(filler, filler_byte(stamp), len);
    return true;
}

static bool filler_right(struct span filler, const struct stamp *stamp) {
    uint8_t wrong = 0, byte = filler_byte(stamp);
    for (size_t i = 0; i < filler.len; i++)
        wrong |= (uint8_t)(filler.data[i] ^ byte);
    return wrong == 0;
}

bool stamp_write_video(struct writer *w, const struct stamp *stamp, uint16_t len_bytes) {
    ASSERT(stamp->packet < stamp->packets && stamp->packets <= STAMP_PACKETS_MAX && len_bytes >= 40);
    size_t end = w->len + len_bytes;
    bool start = stamp->packet == 0;
    wr_u8(w, (uint8_t)(0x80 | (start ? 0x10 : 0) | (stamp->temporal == 2 ? 0x20 : 0))); /* X, S, N */
    wr_u8(w, 0xf0);                                                                     /* I, L, T, K */
    wr_u16(w, (uint16_t)(0x8000 | stamp->picture_id));
    wr_u8(w, stamp->tl0);
    wr_u8(w, (uint8_t)(stamp->temporal << 6 | (stamp->layer_sync ? 1 << 5 : 0) | (stamp->key_index & 0x1f)));
    if (start && stamp->keyframe) {
        wr_u24(w, 0x100000); /* key frame, version 0, shown (RFC 6386 section 9.1) */
        wr_u24(w, 0x9d012a);
        wr_u8(w, (uint8_t)stamp->width);
        wr_u8(w, (uint8_t)(stamp->width >> 8));
        wr_u8(w, (uint8_t)stamp->height);
        wr_u8(w, (uint8_t)(stamp->height >> 8));
    } else if (start) {
        wr_u24(w, 0x110000);
    }
    write_stamp(w, stamp);
    return write_filler(w, stamp, end);
}

bool stamp_write_audio(struct writer *w, const struct stamp *stamp, uint16_t len_bytes) {
    ASSERT(len_bytes >= 24);
    size_t end = w->len + len_bytes;
    wr_u8(w, OPUS_TOC);
    write_stamp(w, stamp);
    return write_filler(w, stamp, end);
}

bool stamp_read_video(struct span payload, struct stamp *out) {
    struct vp8_descriptor vp8;
    *out = (struct stamp){0};
    if (!vp8_parse(payload, &vp8) || vp8.len_bytes != STAMP_VP8_DESCRIPTOR_LEN || !vp8.has_picture_id || !vp8.has_tl0 ||
        !vp8.has_temporal || !vp8.has_key_index)
        return false;
    struct reader r = reader_of_span(payload);
    rd_skip(&r, vp8.len_bytes);
    if (vp8.start_of_frame)
        rd_skip(&r, vp8.keyframe ? KEY_HEADER_LEN : DELTA_HEADER_LEN);
    if (!read_stamp(&r, out) || !out->video || out->packet >= out->packets || out->packets > STAMP_PACKETS_MAX)
        return false;
    out->picture_id = vp8.picture_id;
    out->tl0 = vp8.tl0_picture_index;
    out->key_index = vp8.key_index;
    out->width = vp8.width;
    out->height = vp8.height;
    bool consistent = vp8.start_of_frame == (out->packet == 0) && vp8.temporal == out->temporal &&
                      vp8.layer_sync == out->layer_sync && (!vp8.start_of_frame || vp8.keyframe == out->keyframe);
    return consistent && filler_right(rd_rest(&r), out);
}

bool stamp_read_audio(struct span payload, struct stamp *out) {
    *out = (struct stamp){0};
    struct reader r = reader_of_span(payload);
    if (rd_u8(&r) != OPUS_TOC || !read_stamp(&r, out) || out->video)
        return false;
    return filler_right(rd_rest(&r), out);
}
