/* Any bytes are frames, or break the protocol at the same place whatever pieces they come in; nothing is read after that, and every byte
 * of a message is given out once. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "server/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came of a run: FNV-1a over everything that was told. */
struct seen {
    uint64_t hash;
    bool broken;
};

static void note(struct seen *s, const void *data, size_t len) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        s->hash = (s->hash ^ bytes[i]) * UINT64_C(0x100000001b3);
}

static void read_piece(struct ws_reader *ws, struct seen *s, uint8_t *at, size_t len) {
    struct ws_item item;
    enum ws_event event;
    while ((event = ws_read(ws, &at, &len, &item)) != WS_MORE) {
        uint8_t kind = (uint8_t)event;
        ASSERT(!s->broken);
        if (event == WS_PART) { /* parts are cut where pieces are */
            note(s, item.bytes.data, item.bytes.len);
            if (item.last)
                note(s, &item.text, 1);
            continue;
        }
        ASSERT(item.bytes.len <= WS_CONTROL_LEN_MAX);
        note(s, &kind, 1);
        note(s, &item.code, sizeof item.code);
        if (event == WS_BROKEN)
            s->broken = true;
        else
            note(s, item.bytes.data, item.bytes.len);
        ASSERT(event != WS_CONTROL_CLOSE || item.code == 0 || ws_code_sendable(item.code));
        ASSERT(event != WS_CONTROL_CLOSE || item.code == 0 ||
               utf8_good(span_of(item.bytes.data + 2, item.bytes.len - 2)));
    }
    ASSERT(len == 0);
}

static struct seen read_all(const uint8_t *data, size_t size, bool pieces) {
    struct ws_reader ws = {0};
    struct seen s = {.hash = UINT64_C(0xcbf29ce484222325)};
    uint8_t *copy = malloc(size + 1);
    ASSERT(copy != NULL);
    memcpy(copy, data, size);
    for (size_t at = 0; at < size;) {
        size_t len = pieces ? (size_t)(1 + data[at] % 5) : size;
        if (len > size - at)
            len = size - at;
        read_piece(&ws, &s, copy + at, len);
        at += len;
    }
    free(copy);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct seen whole = read_all(data, size, false), pieces = read_all(data, size, true);
    ASSERT(whole.hash == pieces.hash && whole.broken == pieces.broken);
    return 0;
}
