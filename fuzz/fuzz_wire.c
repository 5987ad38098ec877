/* The messages of the delivery protocol: what is read and written again is the same bytes, and lists walk to their end.
 * First byte: the direction. */
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "group/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct wire_message *m) {
    struct wire_package package;
    struct wire_left_out left_out;
    struct span identity;
    size_t at = 0, count = 0;
    if (m->type == WIRE_COMMIT_NOW) {
        for (; wire_next_package(m, &at, &package); count++)
            ASSERT(package.key_package.len > 0 && package.key_package.len <= WIRE_PACKAGE_LEN_MAX);
        ASSERT(count <= WIRE_ADDS_MAX && at == m->list.len);
    } else if (m->type == WIRE_COMMIT) {
        for (; wire_next_left_out(m, &at, &left_out); count++)
            ASSERT(at <= m->list.len);
        ASSERT(count <= WIRE_ADDS_MAX && at == m->list.len);
    } else if (m->type == WIRE_ONLINE) {
        for (; wire_next_identity(m, &at, &identity); count++)
            ASSERT(identity.len > 0 && identity.len <= WIRE_IDENTITY_LEN_MAX);
        ASSERT(count <= WIRE_IDENTITIES_MAX && at == m->list.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct wire_message message;
    struct mls_buf out;
    if (size == 0)
        return 0;
    struct span bytes = span_of(data + 1, size - 1);
    enum wire_verdict verdict = wire_read(data[0] % 2 == 0 ? WIRE_FROM_CLIENT : WIRE_FROM_SERVER, bytes, &message);
    if (verdict != WIRE_OK) {
        ASSERT(message.type == 0 && message.list.len == 0);
        return 0;
    }
    walk(&message);
    mls_buf_init(&out, WIRE_MESSAGE_LEN_MAX);
    wire_write(&message, &out);
    ASSERT(span_equal(mls_buf_span(&out), bytes));
    mls_buf_free(&out);
    return 0;
}
