/* The delivery protocol's messages and a meeting's extensions: what is read and written again is the same bytes, and
 * lists walk to their end. First byte: which reader. */
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "group/extension.h"
#include "group/wire1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(struct mls_buf *out, struct span bytes) {
    ASSERT(span_equal(mls_buf_span(out), bytes));
    mls_buf_free(out);
}

static void try_message(enum wire1_direction direction, struct span bytes) {
    struct wire1_message message;
    struct mls_buf out;
    if (!wire1_read(direction, bytes, &message))
        return;
    mls_buf_init(&out, 2 * WIRE1_MESSAGE_LEN_MAX);
    wire1_write(&message, &out);
    same(&out, bytes);
    size_t at = 0, count = 0;
    struct span element;
    while (message.list.len > 0 && wire1_next(&message, &at, &element)) {
        ASSERT(element.len > 0);
        count++;
    }
    ASSERT(count <= WIRE1_IDENTITIES_MAX);
}

static void try_extensions(struct span bytes) {
    struct secure_meeting meeting;
    struct secure_client client;
    struct mls_buf out;
    if (secure_meeting_read(bytes, &meeting)) {
        mls_buf_init(&out, 1 << 16);
        secure_meeting_write(&meeting, &out);
        same(&out, bytes);
        size_t at = 0;
        struct span host;
        while (secure_host_next(&meeting, &at, &host))
            ASSERT(secure_is_host(&meeting, host));
    }
    if (secure_client_read(bytes, &client)) {
        mls_buf_init(&out, 1 << 16);
        secure_client_write(&client, &out);
        same(&out, bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct span rest = span_of(data + 1, size - 1);
    if (data[0] % 3 == 2)
        try_extensions(rest);
    else
        try_message(data[0] % 3 == 0 ? WIRE1_FROM_CLIENT : WIRE1_FROM_SERVER, rest);
    return 0;
}
