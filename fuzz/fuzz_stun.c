/* STUN: any bytes are parsed; what verifies under the key of the corpus has been signed with it. */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "protocol/demux.h"
#include "protocol/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const struct stun_message *message, struct span key) {
    static const enum stun_error_code codes[] = {STUN_ERROR_BAD_REQUEST, STUN_ERROR_UNAUTHENTICATED,
                                                 STUN_ERROR_UNKNOWN_ATTRIBUTE, STUN_ERROR_ROLE_CONFLICT};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        uint8_t out[128];
        struct writer w = writer_of(out, sizeof out);
        struct stun_message again;
        ASSERT(stun_write_error(&w, message, codes[i], key));
        ASSERT(stun_parse(writer_span(&w), &again) == STUN_OK && again.error_code == codes[i]);
        ASSERT(stun_check_integrity(&again, key));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct span bytes = {.data = data, .len = size};
    struct span key = span_str("VOkJxbRl1RmTxUk/WvJxBt");
    struct stun_message message;
    struct span username;
    bool peeked = stun_peek_username(bytes, &username);
    (void)demux(bytes);
    if (stun_parse(bytes, &message) != STUN_OK)
        return 0;
    ASSERT(stun_looks_like(bytes));
    ASSERT(message.username.len == 0 ||
           (message.username.data >= data && message.username.data + message.username.len <= data + size));
    if (peeked && (message.present & STUN_HAS_USERNAME))
        ASSERT(span_equal(username, message.username));
    (void)stun_check_integrity(&message, key);
    if (message.class == STUN_REQUEST)
        answer(&message, key);
    return 0;
}
