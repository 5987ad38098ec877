/* The delivery protocol's messages: every type both ways, and what must be refused. */
#include "group/wire1.h"
#include "unit.h"

static void every_message_is_read_as_it_was_written(void **state) {
    (void)state;
    const struct span a = span_str("some bytes"), id = span_str("p_1");
    const struct wire1_message messages[] = {
        {.type = WIRE1_HELLO, .key_package = a},
        {.type = WIRE1_HELLO, .resume = true, .seq = 1u << 20},
        {.type = WIRE1_CREATE, .group_info = a, .tree = a},
        {.type = WIRE1_COMMIT, .commit = a, .welcome = a, .group_info = a},
        {.type = WIRE1_ACK, .epoch = UINT64_MAX},
        {.type = WIRE1_BAD, .epoch = 3, .status = 77},
        {.type = WIRE1_APP, .message = a},
        {.type = WIRE1_DIRECT, .identity = id, .sealed = a},
        {.type = WIRE1_LEAVE},
        {.type = WIRE1_STATE,
         .suite = 0xf0a7,
         .active = true,
         .epoch = 1,
         .seq = 2,
         .external_sender = a,
         .group_info = a,
         .tree_hash = a},
        {.type = WIRE1_CREATE_NOW},
        {.type = WIRE1_JOIN_NOW, .group_info = a, .tree_hash = a},
        {.type = WIRE1_COMMIT_NOW, .epoch = 9},
        {.type = WIRE1_HANDSHAKE, .seq = 4, .message = a},
        {.type = WIRE1_ACCEPTED, .seq = 4, .epoch = 5},
        {.type = WIRE1_STALE, .epoch = 5, .reason = a},
        {.type = WIRE1_WELCOME, .seq = 6, .welcome = a, .tree_hash = a},
        {.type = WIRE1_APP_FROM, .seq = 7, .identity = id, .message = a},
        {.type = WIRE1_DIRECT_FROM, .identity = id, .sealed = a},
        {.type = WIRE1_READY, .epoch = 5},
        {.type = WIRE1_RESYNC, .group_info = a, .tree_hash = a},
        {.type = WIRE1_GONE, .gone = WIRE1_GONE_OVER},
        {.type = WIRE1_ONLINE},
        {.type = WIRE1_SENT, .seq = 8},
    };
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        struct mls_buf out, again;
        struct wire1_message read;
        mls_buf_init(&out, 4096);
        mls_buf_init(&again, 4096);
        wire1_write(&messages[i], &out);
        bool server = messages[i].type >= 128;
        assert_true(wire1_read(server ? WIRE1_FROM_SERVER : WIRE1_FROM_CLIENT, mls_buf_span(&out), &read));
        assert_false(wire1_read(server ? WIRE1_FROM_CLIENT : WIRE1_FROM_SERVER, mls_buf_span(&out), &read));
        assert_true(wire1_read(server ? WIRE1_FROM_SERVER : WIRE1_FROM_CLIENT, mls_buf_span(&out), &read));
        wire1_write(&read, &again);
        assert_true(span_equal(mls_buf_span(&out), mls_buf_span(&again)));
        for (size_t len = 0; len < mls_buf_len(&out); len++) /* no beginning of it is a message */
            assert_false(wire1_read(server ? WIRE1_FROM_SERVER : WIRE1_FROM_CLIENT,
                                    span_of(mls_buf_span(&out).data, len), &read));
        mls_wr_u8(&out, 0);
        assert_false(wire1_read(server ? WIRE1_FROM_SERVER : WIRE1_FROM_CLIENT, mls_buf_span(&out), &read));
        mls_buf_free(&out);
        mls_buf_free(&again);
    }
}

static void lists_within_their_limits_walk_to_their_end(void **state) {
    (void)state;
    struct mls_buf list, out;
    struct wire1_message read;
    struct span element;
    mls_buf_init(&list, 1 << 16);
    mls_buf_init(&out, 1 << 16);
    for (int i = 0; i < WIRE1_ADDS_MAX; i++)
        mls_wr_vec(&list, span_str("package"));
    wire1_write(&(struct wire1_message){.type = WIRE1_COMMIT_NOW, .list = mls_buf_span(&list)}, &out);
    assert_true(wire1_read(WIRE1_FROM_SERVER, mls_buf_span(&out), &read));
    size_t at = 0, count = 0;
    while (wire1_next(&read, &at, &element))
        count += span_equal_str(element, "package");
    assert_int_equal(count, WIRE1_ADDS_MAX);
    mls_wr_vec(&list, span_str("one too many"));
    mls_buf_clear(&out);
    wire1_write(&(struct wire1_message){.type = WIRE1_COMMIT_NOW, .list = mls_buf_span(&list)}, &out);
    assert_false(wire1_read(WIRE1_FROM_SERVER, mls_buf_span(&out), &read));
    mls_buf_free(&list);
    mls_buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_is_read_as_it_was_written),
        cmocka_unit_test(lists_within_their_limits_walk_to_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
