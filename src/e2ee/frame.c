#include "e2ee/frame.h"

#include <string.h>

#include "base/assert.h"

/* obu_forbidden_bit 0, obu_type 5 (metadata), obu_extension_flag 0, obu_has_size_field 1, reserved 0 */
#define OBU_HEADER 0x2a
#define OBU_SIZE_LEN_MAX 4 /* 28 bits: above any frame */
#define TRAILER_LONG 0xff
#define TRAILER_LEN_MAX 3
/* Of units that the clear bytes hold none takes fewer than 4 bytes, and start codes grow by 1. */
#define NORMAL_GROWTH_MAX (FRAME_CLEAR_LEN_MAX / 4)

static bool escapes(enum frame_codec codec) {
    return codec == FRAME_CODEC_H264;
}

static bool wraps(enum frame_codec codec) {
    return codec == FRAME_CODEC_AV1;
}

size_t frame_sealed_len_max(enum frame_codec codec, size_t frame_len) {
    ASSERT(frame_len <= FRAME_LEN_MAX);
    size_t len = frame_len + SFRAME_HEADER_LEN_MAX + SFRAME_TAG_LEN_MAX + TRAILER_LEN_MAX;
    if (escapes(codec))
        return frame_escaped_len_max(len + NORMAL_GROWTH_MAX);
    return wraps(codec) ? len + 1 + OBU_SIZE_LEN_MAX : len;
}

/* ---- Trailer ----------------------------------------------------------------------------------------------------- */

static size_t trailer_len(size_t clear_len) {
    return clear_len < 127 ? 1 : TRAILER_LEN_MAX;
}

static void write_trailer(struct writer *w, size_t clear_len) {
    ASSERT(clear_len <= FRAME_CLEAR_LEN_MAX);
    if (clear_len < 127) {
        wr_u8(w, (uint8_t)(0x80 | clear_len));
        return;
    }
    wr_u16(w, (uint16_t)clear_len);
    wr_u8(w, TRAILER_LONG);
}

/* Takes the trailer off the end of `bytes`. */
static enum sframe_status take_trailer(struct span *bytes, size_t clear_len) {
    if (bytes->len == 0)
        return SFRAME_TRUNCATED;
    uint8_t last = bytes->data[bytes->len - 1];
    if (last < 0x80)
        return SFRAME_BAD_TRAILER;
    size_t len = last == TRAILER_LONG ? TRAILER_LEN_MAX : 1, says = last & 127;
    if (len > bytes->len)
        return SFRAME_TRUNCATED;
    bytes->len -= len;
    if (last == TRAILER_LONG) {
        struct reader r = reader_of(bytes->data + bytes->len, 2);
        says = rd_u16(&r);
    }
    return says == clear_len && len == trailer_len(clear_len) ? SFRAME_OK : SFRAME_CLEAR_MISMATCH;
}

/* ---- AV1 --------------------------------------------------------------------------------------------------------- */

static void write_wrapping(struct writer *w, size_t payload_len) {
    wr_u8(w, OBU_HEADER);
    for (; payload_len > 127; payload_len >>= 7)
        wr_u8(w, (uint8_t)(0x80 | (payload_len & 127)));
    wr_u8(w, (uint8_t)payload_len);
}

/* Takes the OBU's header off the front. */
static enum sframe_status take_wrapping(struct span *bytes) {
    struct reader r = reader_of_span(*bytes);
    size_t says = 0;
    unsigned shift = 0;
    uint8_t header = rd_u8(&r), byte = 0x80;
    while (byte >= 0x80 && shift < 7 * OBU_SIZE_LEN_MAX) {
        byte = rd_u8(&r);
        says |= (size_t)(byte & 127) << shift;
        shift += 7;
    }
    bool minimal = byte != 0 || shift == 7;
    if (!reader_ok(&r) || header != OBU_HEADER || byte >= 0x80 || !minimal || says != reader_left(&r))
        return SFRAME_BAD_WRAPPING;
    *bytes = rd_rest(&r);
    return SFRAME_OK;
}

/* ---- Metadata ---------------------------------------------------------------------------------------------------- */

static enum frame_type type_of(const struct frame_info *info, const struct frame_clear *clear) {
    return clear->type != FRAME_TYPE_NONE ? clear->type : info->type;
}

static void fill_aad(struct frame_aad *aad, struct span header, const struct frame_info *info, enum frame_type type,
                     struct span clear) {
    const uint8_t fixed[FRAME_METADATA_FIXED_LEN] = {(uint8_t)info->codec, (uint8_t)info->kind, (uint8_t)type,
                                                     (uint8_t)(clear.len >> 8), (uint8_t)clear.len};
    struct writer w = writer_of(aad->bytes, sizeof aad->bytes);
    wr_span(&w, header);
    wr_bytes(&w, fixed, sizeof fixed);
    wr_span(&w, clear);
    ASSERT(writer_ok(&w));
    aad->len = w.len;
}

/* ---- Sealing ----------------------------------------------------------------------------------------------------- */

static enum sframe_status check_frame(const struct frame_info *info, struct span frame, struct writer *w,
                                      struct frame_clear *clear) {
    if (frame.len == 0)
        return SFRAME_EMPTY;
    if (frame.len > FRAME_LEN_MAX)
        return SFRAME_TOO_LONG;
    if (w->size < frame_sealed_len_max(info->codec, frame.len))
        return SFRAME_NO_ROOM;
    return frame_clear_find(info->codec, frame, w, clear);
}

enum sframe_status frame_seal_begin(struct sframe_sender *sender, uint32_t context, const struct frame_info *info,
                                    struct span frame, uint64_t now_us, uint8_t *out, size_t out_size,
                                    struct frame_seal *seal) {
    ASSERT(sender != NULL && info != NULL && out != NULL && seal != NULL);
    struct writer w = writer_of(out, out_size);
    struct frame_clear clear;
    enum sframe_status status = check_frame(info, frame, &w, &clear);
    if (status != SFRAME_OK) {
        sender->counts.of[status]++;
        return status;
    }
    status = sframe_seal_begin(sender, context, now_us, &seal->sframe);
    if (status != SFRAME_OK)
        return status;
    struct span header = span_of(seal->sframe.header, seal->sframe.header_len);
    fill_aad(&seal->aad, header, info, type_of(info, &clear), writer_span(&w));
    seal->text = span_of(frame.data + clear.source_len, frame.len - clear.source_len);
    seal->out = out;
    seal->codec = info->codec;
    seal->clear_len = clear.len;
    seal->tag_len = seal->sframe.key->suite->nt;
    if (wraps(info->codec))
        write_wrapping(&w, header.len + seal->text.len + seal->tag_len + trailer_len(clear.len));
    wr_span(&w, header);
    seal->body = wr_reserve(&w, seal->text.len + seal->tag_len);
    ASSERT(writer_ok(&w) && writer_left(&w) >= TRAILER_LEN_MAX);
    return SFRAME_OK;
}

void frame_seal_finish(struct frame_seal *seal, size_t *len) {
    ASSERT(seal != NULL && len != NULL && seal->body != NULL);
    uint8_t *end = seal->body + seal->text.len + seal->tag_len;
    struct writer w = writer_of(end, TRAILER_LEN_MAX);
    write_trailer(&w, seal->clear_len);
    *len = (size_t)(end - seal->out) + w.len;
    if (escapes(seal->codec)) {
        uint8_t *from = seal->out + seal->clear_len;
        *len = seal->clear_len + frame_escape(span_of(seal->out, seal->clear_len), from, *len - seal->clear_len);
    }
    seal->body = NULL;
}

/* ---- Opening ----------------------------------------------------------------------------------------------------- */

/* Finds clear bytes (written to `w`) and the SFrame ciphertext behind them. */
static enum sframe_status take_apart(const struct frame_info *info, struct span sealed, struct writer *w,
                                     struct frame_clear *clear, struct span *ciphertext) {
    if (sealed.len == 0)
        return SFRAME_EMPTY;
    if (sealed.len > frame_sealed_len_max(info->codec, FRAME_LEN_MAX))
        return SFRAME_TOO_LONG;
    enum sframe_status status = wraps(info->codec) ? take_wrapping(&sealed) : SFRAME_OK;
    if (status == SFRAME_OK)
        status = frame_clear_find(info->codec, sealed, w, clear);
    if (status == SFRAME_CLEAR_TOO_LONG && !writer_ok(w) && w->size < FRAME_CLEAR_LEN_MAX)
        return SFRAME_NO_ROOM;
    if (status != SFRAME_OK)
        return status;
    *ciphertext = span_of(sealed.data + clear->source_len, sealed.len - clear->source_len);
    if (writer_left(w) < ciphertext->len)
        return SFRAME_NO_ROOM;
    if (escapes(info->codec) && !frame_unescape(writer_span(w), ciphertext, w->data + w->len))
        return SFRAME_BAD_ESCAPE;
    return take_trailer(ciphertext, clear->len);
}

enum sframe_status frame_open_begin(struct sframe_receiver *receiver, uint32_t leaf, const struct frame_info *info,
                                    struct span sealed, uint64_t now_us, uint8_t *out, size_t out_size,
                                    struct frame_open *open) {
    ASSERT(receiver != NULL && info != NULL && out != NULL && open != NULL);
    struct writer w = writer_of(out, out_size);
    struct frame_clear clear;
    struct span ciphertext;
    enum sframe_status status = take_apart(info, sealed, &w, &clear, &ciphertext);
    if (status != SFRAME_OK) {
        receiver->counts.of[status]++;
        return status;
    }
    status = sframe_open_begin(receiver, leaf, ciphertext, now_us, &open->sframe);
    if (status != SFRAME_OK)
        return status;
    size_t header_len = open->sframe.header_len;
    open->type = type_of(info, &clear);
    fill_aad(&open->aad, span_of(ciphertext.data, header_len), info, open->type, writer_span(&w));
    open->sealed = span_of(ciphertext.data + header_len, ciphertext.len - header_len);
    open->clear_len = clear.len;
    open->text = out + clear.len;
    open->text_len = open->sealed.len - open->sframe.key->suite->nt;
    return SFRAME_OK;
}

enum sframe_status frame_open_finish(struct sframe_receiver *receiver, struct frame_open *open, bool authentic,
                                     size_t *len) {
    ASSERT(receiver != NULL && open != NULL && len != NULL && open->text != NULL);
    enum sframe_status status =
        authentic ? sframe_open_commit(receiver, &open->sframe) : sframe_open_failed(receiver, &open->sframe);
    if (status != SFRAME_OK)
        secure_wipe(open->text, open->text_len);
    *len = status == SFRAME_OK ? open->clear_len + open->text_len : 0;
    open->text = NULL;
    return status;
}
