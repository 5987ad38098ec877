#include "server/websocket.h"

#include "base/assert.h"
#include "base/text.h"

#define FIN 0x80
#define RESERVED 0x70
#define MASKED 0x80

static bool is_control(uint8_t opcode) {
    return (opcode & 8) != 0;
}

bool ws_code_sendable(uint16_t code) {
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

static enum ws_event broken(struct ws_reader *ws, struct ws_item *item, uint16_t code) {
    ws->broken = true;
    item->code = code;
    return WS_BROKEN;
}

/* The head's rules, as soon as its first two bytes are there. */
static bool first_bytes_good(const struct ws_reader *ws) {
    uint8_t first = ws->head[0], opcode = first & 15, len = ws->head[1] & 127;
    bool final = (first & FIN) != 0;
    if ((first & RESERVED) != 0 || (ws->head[1] & MASKED) == 0)
        return false;
    if (is_control(opcode))
        return opcode <= WS_PONG && final && len <= WS_CONTROL_LEN_MAX;
    return opcode <= WS_BINARY && (opcode == WS_CONTINUE) == ws->in_message;
}

static bool take_length(struct ws_reader *ws) {
    struct reader r = reader_of(ws->head + 1, ws->head_len - 1);
    uint8_t len = rd_u8(&r) & 127;
    ws->left = len;
    if (len == 126)
        ws->left = rd_u16(&r);
    else if (len == 127)
        ws->left = rd_u64(&r);
    bool shortest = len < 126 || (len == 126 ? ws->left >= 126 : ws->left > UINT16_MAX);
    return shortest && ws->left >> 63 == 0;
}

/* Collects a frame's head. False: broken. */
static bool take_head(struct ws_reader *ws, uint8_t **data, size_t *len) {
    while (*len > 0 && (ws->head_want == 0 || ws->head_len < ws->head_want)) {
        ws->head[ws->head_len++] = *(*data)++;
        (*len)--;
        if (ws->head_len != 2)
            continue;
        uint8_t short_len = ws->head[1] & 127;
        ws->head_want = 6 + (short_len == 126 ? 2u : short_len == 127 ? 8u : 0u);
        if (!first_bytes_good(ws))
            return false;
    }
    if (ws->head_want == 0 || ws->head_len < ws->head_want)
        return true;
    if (!take_length(ws))
        return false;
    uint8_t opcode = ws->head[0] & 15;
    ws->in_payload = true;
    ws->mask_at = 0;
    ws->control_len = 0;
    if (opcode == WS_TEXT || opcode == WS_BINARY)
        ws->text = opcode == WS_TEXT;
    return true;
}

static void unmask(struct ws_reader *ws, uint8_t *data, size_t len) {
    const uint8_t *mask = ws->head + ws->head_want - 4;
    for (size_t i = 0; i < len; i++)
        data[i] ^= mask[(ws->mask_at + i) & 3];
    ws->mask_at = (uint32_t)(ws->mask_at + len) & 3;
}

static void end_frame(struct ws_reader *ws) {
    ws->in_payload = false;
    ws->head_len = ws->head_want = 0;
}

static enum ws_event end_control(struct ws_reader *ws, struct ws_item *item) {
    uint8_t opcode = ws->head[0] & 15;
    item->bytes = span_of(ws->control, ws->control_len);
    end_frame(ws);
    if (opcode != WS_CLOSE)
        return opcode == WS_PING ? WS_CONTROL_PING : WS_CONTROL_PONG;
    if (item->bytes.len == 0)
        return WS_CONTROL_CLOSE;
    struct reader r = reader_of_span(item->bytes);
    item->code = rd_u16(&r);
    if (item->bytes.len == 1 || !ws_code_sendable(item->code))
        return broken(ws, item, WS_CODE_PROTOCOL);
    return utf8_good(rd_rest(&r)) ? WS_CONTROL_CLOSE : broken(ws, item, WS_CODE_NOT_UTF8);
}

enum ws_event ws_read(struct ws_reader *ws, uint8_t **data, size_t *len, struct ws_item *item) {
    *item = (struct ws_item){0};
    if (ws->broken)
        *len = 0;
    if (*len == 0)
        return WS_MORE;
    if (!ws->in_payload && !take_head(ws, data, len))
        return broken(ws, item, WS_CODE_PROTOCOL);
    if (!ws->in_payload || (*len == 0 && ws->left > 0))
        return WS_MORE;
    size_t part = *len < ws->left ? *len : (size_t)ws->left;
    uint8_t *at = *data;
    unmask(ws, at, part);
    *data += part;
    *len -= part;
    ws->left -= part;
    if (is_control(ws->head[0] & 15)) {
        ASSERT(ws->control_len + part <= sizeof ws->control);
        memcpy(ws->control + ws->control_len, at, part);
        ws->control_len += part;
        return ws->left == 0 ? end_control(ws, item) : WS_MORE;
    }
    bool final = (ws->head[0] & FIN) != 0;
    item->bytes = span_of(at, part);
    item->text = ws->text;
    item->last = ws->left == 0 && final;
    if (ws->left == 0) {
        ws->in_message = !final;
        end_frame(ws);
    }
    return WS_PART;
}

bool ws_idle(const struct ws_reader *ws) {
    return !ws->in_message && ws->head_len == 0 && !ws->in_payload;
}

void ws_write_head(struct writer *w, enum ws_opcode opcode, uint64_t len) {
    wr_u8(w, (uint8_t)(FIN | opcode));
    if (len < 126) {
        wr_u8(w, (uint8_t)len);
    } else if (len <= UINT16_MAX) {
        wr_u8(w, 126);
        wr_u16(w, (uint16_t)len);
    } else {
        wr_u8(w, 127);
        wr_u64(w, len);
    }
}
