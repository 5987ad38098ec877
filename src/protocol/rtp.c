#include "protocol/rtp.h"

#include <string.h>

#include "base/assert.h"

#define VERSION 2
#define EXT_PROFILE_ONE_BYTE 0xBEDE
#define EXT_PROFILE_TWO_BYTE 0x1000
#define EXT_PROFILE_TWO_BYTE_MASK 0xFFF0 /* the low four bits are "appbits", RFC 8285 section 4.3 */
#define EXT_ID_STOP 15
#define EXT_LEN_MAX 255

/* ---- packets ------------------------------------------------------------------------------------------- */

static enum rtp_result parse_header(struct reader *r, struct rtp_header *h, bool *padded) {
    uint8_t first = rd_u8(r);
    uint8_t second = rd_u8(r);
    h->seq16 = rd_u16(r);
    h->timestamp = rd_u32(r);
    h->ssrc = rd_u32(r);
    if (!reader_ok(r))
        return RTP_TOO_SHORT;
    if (first >> 6 != VERSION)
        return RTP_BAD_VERSION;
    *padded = (first & 0x20) != 0;
    h->has_extension = (first & 0x10) != 0;
    h->marker = (second & 0x80) != 0;
    h->pt = second & 0x7f;
    h->csrcs = rd_span(r, (size_t)(first & 0x0f) * 4);
    if (h->has_extension) {
        h->ext_profile = rd_u16(r);
        size_t words = rd_u16(r);
        h->ext = rd_span(r, words * 4);
    }
    h->header_len = r->pos;
    return reader_ok(r) ? RTP_OK : RTP_TOO_SHORT;
}

static enum rtp_result parse(struct span packet, struct rtp_header *out, bool clear_only) {
    ASSERT(out != NULL);
    *out = (struct rtp_header){0};
    struct rtp_header h = {0};
    struct reader r = reader_of_span(packet);
    bool padded = false;
    enum rtp_result result = parse_header(&r, &h, &padded);
    if (result != RTP_OK)
        return result;
    h.payload = rd_rest(&r);
    if (padded && !clear_only) {
        /* the count includes itself (RFC 3550 section 5.1), so 0 is as wrong as more than there is */
        h.padding_len = h.payload.len > 0 ? h.payload.data[h.payload.len - 1] : 0;
        if (h.padding_len == 0 || h.padding_len > h.payload.len)
            return RTP_BAD_PADDING;
        h.payload.len -= h.padding_len;
    }
    ASSERT(h.header_len + h.payload.len + h.padding_len == packet.len);
    *out = h;
    return RTP_OK;
}

enum rtp_result rtp_parse(struct span packet, struct rtp_header *out) {
    return parse(packet, out, false);
}

enum rtp_result rtp_parse_clear(struct span packet, struct rtp_header *out) {
    return parse(packet, out, true);
}

/* ---- reading extensions -------------------------------------------------------------------------------- */

#define RTP_EXT_URI(name, uri) [name] = (uri),
static const char *const ext_uris[RTP_EXT_KINDS] = {RTP_EXT_KINDS_LIST(RTP_EXT_URI)};
_Static_assert(RTP_EXT_KINDS <= 32, "one bit a kind in struct rtp_exts");

const char *rtp_ext_uri(enum rtp_ext_kind kind) {
    ASSERT(kind > RTP_EXT_NONE && kind < RTP_EXT_KINDS);
    return ext_uris[kind];
}

enum rtp_ext_kind rtp_ext_kind_of(struct span uri) {
    for (enum rtp_ext_kind kind = RTP_EXT_NONE + 1; kind < RTP_EXT_KINDS; kind++) {
        if (span_equal_str(uri, ext_uris[kind]))
            return kind;
    }
    return RTP_EXT_NONE;
}

struct rtp_ext_iter rtp_ext_iter_of(const struct rtp_header *header) {
    ASSERT(header != NULL);
    bool two_byte = (header->ext_profile & EXT_PROFILE_TWO_BYTE_MASK) == EXT_PROFILE_TWO_BYTE;
    bool known = header->has_extension && (two_byte || header->ext_profile == EXT_PROFILE_ONE_BYTE);
    struct span elements = known ? header->ext : (struct span){0};
    return (struct rtp_ext_iter){.in = reader_of_span(elements), .two_byte = two_byte};
}

bool rtp_ext_next(struct rtp_ext_iter *iter, struct rtp_ext *out) {
    ASSERT(iter != NULL && out != NULL);
    struct reader *in = &iter->in;
    while (reader_left(in) > 0) {
        uint8_t head = rd_u8(in);
        if (head == 0)
            continue; /* padding, in both forms */
        uint8_t id = iter->two_byte ? head : head >> 4;
        size_t len = iter->two_byte ? rd_u8(in) : (size_t)(head & 0x0f) + 1;
        if (!iter->two_byte && (id == 0 || id == EXT_ID_STOP)) {
            reader_fail(in);
            return false;
        }
        struct span data = rd_span(in, len);
        if (!reader_ok(in))
            return false;
        *out = (struct rtp_ext){.id = id, .data = data};
        return true;
    }
    return false;
}

bool rtp_ext_find(const struct rtp_header *header, uint8_t id, struct span *data) {
    ASSERT(data != NULL);
    struct rtp_ext_iter iter = rtp_ext_iter_of(header);
    struct rtp_ext ext;
    while (rtp_ext_next(&iter, &ext)) {
        if (ext.id == id) {
            *data = ext.data;
            return true;
        }
    }
    *data = (struct span){0};
    return false;
}

bool rtp_ext_map_set(struct rtp_ext_map *map, enum rtp_ext_kind kind, uint8_t id) {
    ASSERT(map != NULL);
    ASSERT(kind > RTP_EXT_NONE && kind < RTP_EXT_KINDS);
    enum rtp_ext_kind holder = rtp_ext_map_kind(map, id);
    if (id == 0 || id == EXT_ID_STOP || (holder != RTP_EXT_NONE && holder != kind))
        return false;
    if (map->id[kind] < ARRAY_LEN(map->kind_low))
        map->kind_low[map->id[kind]] = RTP_EXT_NONE;
    map->id[kind] = id;
    if (id < ARRAY_LEN(map->kind_low))
        map->kind_low[id] = (uint8_t)kind;
    return true;
}

enum rtp_ext_kind rtp_ext_map_kind(const struct rtp_ext_map *map, uint8_t id) {
    ASSERT(map != NULL);
    if (id < ARRAY_LEN(map->kind_low))
        return (enum rtp_ext_kind)map->kind_low[id];
    for (enum rtp_ext_kind kind = RTP_EXT_NONE + 1; kind < RTP_EXT_KINDS; kind++) {
        if (map->id[kind] == id)
            return kind;
    }
    return RTP_EXT_NONE;
}

void rtp_exts_read(const struct rtp_header *header, const struct rtp_ext_map *map, struct rtp_exts *out) {
    ASSERT(out != NULL);
    *out = (struct rtp_exts){0};
    struct rtp_ext_iter iter = rtp_ext_iter_of(header);
    struct rtp_ext ext;
    while (rtp_ext_next(&iter, &ext)) {
        enum rtp_ext_kind kind = rtp_ext_map_kind(map, ext.id);
        /* a repeated id: the first one counts, as for rtp_ext_find */
        if (kind == RTP_EXT_NONE || rtp_exts_has(out, kind))
            continue;
        out->data[kind] = ext.data;
        out->present |= UINT32_C(1) << kind;
    }
}

/* ---- values -------------------------------------------------------------------------------------------- */

bool rtp_ext_audio_level(struct span data, bool *voice, uint8_t *level_dbov) {
    ASSERT(voice != NULL && level_dbov != NULL);
    struct reader r = reader_of_span(data);
    uint8_t value = rd_u8(&r);
    *voice = (value & 0x80) != 0;
    *level_dbov = value & 0x7f;
    return reader_ok(&r) && data.len <= 2;
}

uint8_t rtp_ext_audio_level_byte(bool voice, uint8_t level_dbov) {
    ASSERT(level_dbov <= 127);
    return (uint8_t)((voice ? 0x80 : 0) | level_dbov);
}

bool rtp_ext_transport_seq(struct span data, uint16_t *seq16) {
    ASSERT(seq16 != NULL);
    struct reader r = reader_of_span(data);
    *seq16 = rd_u16(&r);
    return reader_ok(&r) && data.len == 2;
}

bool rtp_ext_abs_send_time(struct span data, uint32_t *value) {
    ASSERT(value != NULL);
    struct reader r = reader_of_span(data);
    *value = rd_u24(&r);
    return reader_ok(&r) && data.len == 3;
}

uint32_t rtp_ext_abs_send_time_of(uint64_t now_us) {
    /* modulo 64 s first, so that the shift cannot overflow */
    uint64_t in_cycle_us = now_us % UINT64_C(64000000);
    return (uint32_t)((in_cycle_us << 18) / UINT64_C(1000000)) & UINT32_C(0xffffff);
}

bool rtp_ext_playout_delay(struct span data, uint32_t *min_ms, uint32_t *max_ms) {
    ASSERT(min_ms != NULL && max_ms != NULL);
    struct reader r = reader_of_span(data);
    uint32_t value = rd_u24(&r);
    *min_ms = (value >> 12) * 10;
    *max_ms = (value & 0xfff) * 10;
    return reader_ok(&r) && data.len == 3;
}

bool rtp_ext_text(struct span data, char *out, size_t out_size) {
    ASSERT(out != NULL && out_size > 0);
    out[0] = 0;
    for (size_t i = 0; i < data.len; i++) {
        if (data.data[i] < 0x21 || data.data[i] > 0x7e)
            return false;
    }
    return data.len > 0 && span_to_str(data, out, out_size);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

void rtp_ext_add(struct rtp_ext_out *out, uint8_t id, struct span data) {
    ASSERT(out != NULL);
    if (id == 0)
        return;
    ASSERT(out->count < RTP_EXT_OUT_MAX);
    ASSERT(id != EXT_ID_STOP);
    out->ext[out->count++] = (struct rtp_ext){.id = id, .data = data};
}

static void add_number(struct rtp_ext_out *out, uint8_t id, uint32_t value, size_t len) {
    ASSERT(out != NULL);
    if (id == 0)
        return;
    ASSERT(out->count < RTP_EXT_OUT_MAX);
    /* the value lies in the struct itself: rtp_write finds it by a NULL pointer, so that the struct may be copied */
    struct writer w = writer_of(out->small[out->count], sizeof out->small[0]);
    for (size_t shift = len * 8; shift > 0; shift -= 8)
        wr_u8(&w, (uint8_t)(value >> (shift - 8)));
    rtp_ext_add(out, id, (struct span){.data = NULL, .len = len});
}

void rtp_ext_add_u8(struct rtp_ext_out *out, uint8_t id, uint8_t value) {
    add_number(out, id, value, 1);
}

void rtp_ext_add_u16(struct rtp_ext_out *out, uint8_t id, uint16_t value) {
    add_number(out, id, value, 2);
}

void rtp_ext_add_u24(struct rtp_ext_out *out, uint8_t id, uint32_t value) {
    ASSERT(value <= UINT32_C(0xffffff));
    add_number(out, id, value, 3);
}

static void write_extensions(struct writer *w, const struct rtp_ext_out *exts) {
    bool one_byte = true;
    for (size_t i = 0; i < exts->count; i++) {
        size_t len = exts->ext[i].data.len;
        one_byte =
            one_byte && exts->ext[i].id <= RTP_EXT_ONE_BYTE_ID_MAX && len >= 1 && len <= RTP_EXT_ONE_BYTE_LEN_MAX;
    }
    wr_u16(w, one_byte ? EXT_PROFILE_ONE_BYTE : EXT_PROFILE_TWO_BYTE);
    size_t length_at = w->len;
    wr_u16(w, 0);
    size_t start = w->len;
    for (size_t i = 0; i < exts->count; i++) {
        struct span data = exts->ext[i].data;
        if (data.data == NULL)
            data.data = exts->small[i];
        if (data.len > EXT_LEN_MAX) {
            w->failed = true;
            return;
        }
        if (one_byte) {
            wr_u8(w, (uint8_t)((unsigned)exts->ext[i].id << 4 | (unsigned)(data.len - 1)));
        } else {
            wr_u8(w, exts->ext[i].id);
            wr_u8(w, (uint8_t)data.len);
        }
        wr_span(w, data);
    }
    wr_zeros(w, (4 - (w->len - start) % 4) % 4);
    if (writer_ok(w))
        wr_patch_u16(w, length_at, (uint16_t)((w->len - start) / 4));
}

bool rtp_write(struct writer *w, const struct rtp_header *header, const struct rtp_ext_out *exts) {
    ASSERT(w != NULL && header != NULL);
    ASSERT(header->pt <= 127);
    ASSERT(header->csrcs.len % 4 == 0 && header->csrcs.len <= 4 * RTP_CSRCS_MAX);
    bool extended = exts != NULL && exts->count > 0;
    unsigned first = VERSION << 6 | (header->padding_len > 0 ? 0x20u : 0) | (extended ? 0x10u : 0);
    wr_u8(w, (uint8_t)(first | header->csrcs.len / 4));
    wr_u8(w, (uint8_t)((header->marker ? 0x80 : 0) | header->pt));
    wr_u16(w, header->seq16);
    wr_u32(w, header->timestamp);
    wr_u32(w, header->ssrc);
    wr_span(w, header->csrcs);
    if (extended)
        write_extensions(w, exts);
    return writer_ok(w);
}

/* ---- RTX, RED ------------------------------------------------------------------------------------------ */

bool rtp_rtx_unwrap(struct span rtx_payload, uint16_t *original_seq16, struct span *payload) {
    ASSERT(original_seq16 != NULL && payload != NULL);
    struct reader r = reader_of_span(rtx_payload);
    *original_seq16 = rd_u16(&r);
    *payload = rd_rest(&r);
    return reader_ok(&r);
}

void rtp_rtx_prefix(uint16_t original_seq16, uint8_t out[RTP_RTX_OSN_LEN]) {
    ASSERT(out != NULL);
    struct writer w = writer_of(out, RTP_RTX_OSN_LEN);
    wr_u16(&w, original_seq16);
}

bool rtp_red_primary(struct span payload, uint8_t *pt, struct span *primary) {
    ASSERT(pt != NULL && primary != NULL);
    struct reader r = reader_of_span(payload);
    size_t redundant_len = 0;
    *pt = 0;
    *primary = (struct span){0};
    for (size_t blocks = 0; blocks < RTP_RED_BLOCKS_MAX; blocks++) {
        uint8_t head = rd_u8(&r);
        if (!reader_ok(&r))
            return false;
        if ((head & 0x80) == 0) { /* the last header: one byte, its block takes what is left */
            rd_skip(&r, redundant_len);
            if (!reader_ok(&r))
                return false;
            *pt = head & 0x7f;
            *primary = rd_rest(&r);
            return true;
        }
        redundant_len += rd_u24(&r) & 0x3ff; /* 14 bits of time offset, 10 bits of length */
    }
    return false;
}
