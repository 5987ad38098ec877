/* What a meeting writes into a group, its statements and its id: what is read and written again is the same bytes, and
 * what was read can be asked. First byte: which reader. */
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "group/context.h"
#include "group/link.h"
#include "group/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct crypto_backend *const crypto = &crypto_openssl;

static void same(struct mls_buf *out, struct span bytes) {
    ASSERT(span_equal(mls_buf_span(out), bytes));
    mls_buf_free(out);
}

static void try_meeting(struct span bytes) {
    struct group_meeting m;
    struct group_role_entry role, found;
    struct group_recorder recorder;
    struct span name;
    struct mls_buf out;
    size_t at = 0, count = 0;
    if (!group_meeting_read(bytes, &m))
        return;
    for (; group_role_next(&m, &at, &role); count++)
        ASSERT(group_role_find(&m, role.key, &found) && found.role == role.role);
    ASSERT(at == m.roles.len && count <= GROUP_ROLES_MAX);
    for (at = 0; group_recorder_next(&m, &at, &recorder);)
        ASSERT(recorder.key.len == GROUP_KEY_LEN);
    ASSERT(at == m.recorders.len);
    for (at = 0; group_region_next(&m, &at, &name);)
        ASSERT(group_identity_good(name));
    ASSERT(at == m.regions.len);
    for (size_t i = 0; i < m.barred.len; i += GROUP_BARRED_LEN)
        ASSERT(group_is_barred(&m, span_of(m.barred.data + i, GROUP_BARRED_LEN)));
    mls_buf_init(&out, GROUP_MEETING_LEN_MAX);
    group_meeting_write(&m, &out);
    same(&out, bytes);
}

static void try_others(struct span bytes) {
    struct group_info info;
    struct group_client client;
    struct mls_buf out;
    if (group_info_read(bytes, &info)) {
        mls_buf_init(&out, GROUP_INFO_LEN_MAX);
        group_info_write(&info, &out);
        same(&out, bytes);
    }
    if (group_client_read(bytes, &client)) {
        mls_buf_init(&out, GROUP_CLIENT_LEN_MAX);
        group_client_write(&client, &out);
        same(&out, bytes);
    }
}

static void try_statements(struct span bytes) {
    struct group_grant grant;
    struct group_founding founding;
    if (group_grant_read(bytes, &grant))
        ASSERT(group_grant_check(crypto, bytes, grant.meeting, grant.meeting, grant.seat_key) == CRYPTO_INVALID);
    if (group_founding_read(bytes, &founding)) {
        struct group_founding again;
        (void)group_founding_check(crypto, bytes, founding.grant.seat_key, founding.grant.meeting, founding.group_id,
                                   &again);
    }
}

static void try_id(struct span bytes) {
    uint8_t hash[16], tag[8];
    char text[GROUP_MEETING_ID_LEN + 1];
    if (!group_id_read(bytes, hash, tag))
        return;
    group_id_text(hash, tag, text);
    size_t cell = bytes.len - GROUP_MEETING_ID_LEN;
    ASSERT(span_equal(span_of(bytes.data + cell, GROUP_MEETING_ID_LEN), span_str(text))); /* one id, one form */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct span bytes = span_of(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        try_meeting(bytes);
        break;
    case 1:
        try_others(bytes);
        break;
    case 2:
        try_statements(bytes);
        break;
    default:
        try_id(bytes);
    }
    return 0;
}
