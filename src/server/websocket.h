/* Frames of WebSockets, the server's side (RFC 6455 section 5). Reading: bytes as they come, in pieces of any size, become parts of
 * messages and control frames; nothing is collected here but a control frame's payload. Writing: the head of a frame.
 *
 * A client that breaks the protocol ends its connection: WS_BROKEN with the code to close with, and nothing is read after it. Broken are
 * frames without mask (section 5.1), reserved bits and opcodes (no extension is negotiated), control frames in fragments or longer than
 * 125 bytes, fragments without a beginning or begun twice, lengths that are not the shortest form or of more than 63 bits, close
 * codes that may not be sent (section 7.4), and reasons of closing that are not UTF-8 (sections 5.5.1 and 8.1). How long messages may
 * be, and whether texts are UTF-8, is the caller's business.
 * Sans-IO; one struct a connection. */
#ifndef CONCLAVE_SERVER_WEBSOCKET_H
#define CONCLAVE_SERVER_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

enum ws_opcode { WS_CONTINUE = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

/* RFC 6455 section 7.4.1 */
#define WS_CODE_NORMAL 1000
#define WS_CODE_PROTOCOL 1002
#define WS_CODE_NOT_UTF8 1007
#define WS_CODE_POLICY 1008
#define WS_CODE_AGAIN 1013 /* IANA's registry of close codes: try again later */

#define WS_HEAD_LEN_MAX 10
#define WS_CONTROL_LEN_MAX 125

struct ws_reader {
    uint8_t head[14];
    size_t head_len, head_want; /* want 0: the first two bytes are not there yet */
    uint64_t left;              /* of the payload */
    uint32_t mask_at;
    bool in_payload, in_message, text, broken;
    uint8_t control[WS_CONTROL_LEN_MAX];
    size_t control_len;
};

enum ws_event {
    WS_MORE,         /* all bytes are read */
    WS_PART,         /* `bytes` of a message; with `last` it ends there. May be empty */
    WS_CONTROL_PING, /* `bytes` to be answered with */
    WS_CONTROL_PONG,
    WS_CONTROL_CLOSE, /* `code`, 0 = none was given */
    WS_BROKEN,        /* `code` to close with */
};

struct ws_item {
    struct span bytes; /* in the caller's bytes, or in the reader until its next call */
    bool last, text;
    uint16_t code;
};

/* Reads from `*data`, which is moved forward and unmasked in place. Again until WS_MORE. */
enum ws_event ws_read(struct ws_reader *ws, uint8_t **data, size_t *len, struct ws_item *item);
/* Between frames and messages: nothing half-read is waiting. */
bool ws_idle(const struct ws_reader *ws);

/* The head of an unfragmented frame with a payload of `len` bytes. */
void ws_write_head(struct writer *w, enum ws_opcode opcode, uint64_t len);
/* Whether an endpoint may send this close code. */
bool ws_code_sendable(uint16_t code);

#endif
