/* The messages of the delivery protocol: fixed bytes, round trips, and everything that is no message. */
#include "unit.h"

#include "base/assert.h"
#include "base/rng.h"
#include "group/wire.h"

static const uint8_t bytes32[32] = {1, 2, 3}, bytes64[64] = {4, 5}, bytes16[16] = {6};

static void write_one(const struct wire_message *m, struct mls_buf *out) {
    mls_buf_init(out, WIRE_MESSAGE_LEN_MAX + 16);
    wire_write(m, out);
}

static void writes(const struct wire_message *m, const void *expected, size_t len) {
    struct mls_buf out;
    write_one(m, &out);
    assert_int_equal(out.status, MLS_OK);
    assert_int_equal(mls_buf_len(&out), len);
    assert_memory_equal(mls_buf_span(&out).data, expected, len);
    mls_buf_free(&out);
}

static void layouts_are_fixed(void **state) {
    (void)state;
    static const uint8_t ack[] = {4, 0, 0, 0, 0, 0, 0, 0, 9, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    writes(&(struct wire_message){.type = WIRE_ACK, .epoch = 9, .info_tag = span_of(bytes16, 16)}, ack, sizeof ack);
    static const uint8_t bad[] = {5, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2};
    writes(&(struct wire_message){.type = WIRE_BAD, .epoch = 9, .status = 0x102}, bad, sizeof bad);
    static const uint8_t app[] = {6, 1, 2, 'h', 'i'};
    writes(&(struct wire_message){.type = WIRE_APP, .flags = WIRE_APP_NOT_KEPT, .message = span_str("hi")}, app,
           sizeof app);
    static const uint8_t direct[] = {7, 3, 'p', '_', 'a', 2, 'h', 'i'};
    writes(&(struct wire_message){.type = WIRE_DIRECT, .identity = span_str("p_a"), .sealed = span_str("hi")}, direct,
           sizeof direct);
    static const uint8_t commit[] = {3, 1, 1, 'c', 0, 1, 'g', 6, 0, 0, 0, 7, 1, 2};
    static const uint8_t left_out[] = {0, 0, 0, 7, 1, 2};
    writes(&(struct wire_message){.type = WIRE_COMMIT,
                                  .flags = WIRE_COMMIT_URGENT,
                                  .commit = span_str("c"),
                                  .group_info = span_str("g"),
                                  .list = span_of(left_out, sizeof left_out)},
           commit, sizeof commit);
    static const uint8_t moderate[] = {14, 5, 0, 0, 0, 1, 3, 'p', '_', 'a'};
    writes(&(struct wire_message){.type = WIRE_MODERATE, .what = WIRE_REMOVE, .bits = 1, .target = span_str("p_a")},
           moderate, sizeof moderate);
    static const uint8_t checked[] = {15, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0};
    writes(&(struct wire_message){.type = WIRE_CHECKED, .ticket = 3, .good = true}, checked, sizeof checked);
    static const uint8_t ready[] = {139, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4};
    writes(&(struct wire_message){.type = WIRE_READY, .seq = 3, .epoch = 4}, ready, sizeof ready);
    static const uint8_t gone[] = {141, 1, 3, 'p', '_', 'a'};
    writes(&(struct wire_message){.type = WIRE_GONE, .reason_gone = WIRE_GONE_REMOVED, .by = span_str("p_a")}, gone,
           sizeof gone);
    static const uint8_t waiting[] = {148, 0, 2, 2, 0, 1, 0};
    writes(&(struct wire_message){.type = WIRE_WAITING, .position = 2, .entry = 2, .host_here = 1}, waiting,
           sizeof waiting);
    static const uint8_t now[] = {132, 0, 0, 0, 0, 0, 0, 0, 1, 8, 0, 0, 0, 5, 3, 'p', 'k', 'g'};
    static const uint8_t packages[] = {0, 0, 0, 5, 3, 'p', 'k', 'g'};
    writes(&(struct wire_message){.type = WIRE_COMMIT_NOW, .epoch = 1, .list = span_of(packages, sizeof packages)}, now,
           sizeof now);
}

static struct wire_message hello(void) {
    return (struct wire_message){.type = WIRE_HELLO,
                                 .how = WIRE_ENTER,
                                 .flags = WIRE_HELLO_MAY_FOUND,
                                 .features = 0x01020304,
                                 .kind = 129,
                                 .suite = 0xf0a7,
                                 .first_link_key = span_of(bytes32, 32),
                                 .owner = span_of(bytes32, 32),
                                 .link_key = span_of(bytes32, 32),
                                 .generation = 7,
                                 .seat_key = span_of(bytes32, 32),
                                 .nonce = span_of(bytes32, 32),
                                 .term = 1,
                                 .claim = span_of(bytes16, 16),
                                 .epoch = 2,
                                 .seq = 3,
                                 .key_package = span_str("package"),
                                 .link_signature = span_of(bytes64, 64),
                                 .leaf_signature = span_of(bytes64, 64)};
}

static void a_hello_has_its_fields_in_order(void **state) {
    (void)state;
    struct wire_message m = hello(), read;
    struct mls_buf out;
    write_one(&m, &out);
    struct span b = mls_buf_span(&out);
    static const uint8_t head[] = {1, 1, 1, 1, 2, 3, 4, 129, 0xf0, 0xa7};
    assert_memory_equal(b.data, head, sizeof head);
    assert_int_equal(b.len, sizeof head + 3 * 32 + 4 + 33 + 32 + 8 + 16 + 8 + 8 + 8 + 64 + 64);
    assert_int_equal(b.data[sizeof head + 96 + 3], 7);
    assert_int_equal(b.data[sizeof head + 100], 32);
    assert_int_equal(wire_read(WIRE_FROM_CLIENT, b, &read), WIRE_OK);
    assert_int_equal(read.how, WIRE_ENTER);
    assert_int_equal(read.features, 0x01020304);
    assert_int_equal(read.generation, 7);
    assert_true(span_equal(read.key_package, m.key_package) && span_equal(read.leaf_signature, m.leaf_signature) &&
                span_equal(read.seat_key, m.seat_key) && span_equal(read.claim, m.claim));
    assert_int_equal(wire_read(WIRE_FROM_SERVER, b, &read), WIRE_MALFORMED);
    mls_buf_free(&out);
}

static void refused(struct wire_message m) {
    struct mls_buf out;
    write_one(&m, &out);
    assert_int_equal(out.status, MLS_TOO_LARGE);
    assert_int_equal(mls_buf_len(&out), 0);
    mls_buf_free(&out);
}

/* What nobody would take is never written, whoever the bytes in it are from. */
static void what_is_no_message_is_not_written(void **state) {
    (void)state;
    struct wire_message m = hello();
    m.how = 4;
    refused(m);
    m = hello();
    m.flags = 2;
    refused(m);
    m = hello();
    m.how = WIRE_RESUME; /* with a package */
    refused(m);
    m = hello();
    m.key_package = span_of(NULL, 0); /* without */
    refused(m);
    m = hello();
    m.seat_key = span_of(bytes32, 31);
    refused(m);
    static uint8_t long_package[WIRE_PACKAGE_LEN_MAX + 1];
    m = hello();
    m.key_package = span_of(long_package, sizeof long_package);
    refused(m);
    refused((struct wire_message){.type = WIRE_GONE, .reason_gone = 10});
    refused((struct wire_message){.type = WIRE_MODERATE, .what = 8});
    refused((struct wire_message){.type = WIRE_APP, .flags = 2, .message = span_str("x")});
    refused((struct wire_message){.type = WIRE_APP});
    refused((struct wire_message){.type = WIRE_STATE, .standing = 6});
    static const uint8_t half[] = {0, 0, 0, 5, 3, 'p'};
    refused((struct wire_message){.type = WIRE_COMMIT_NOW, .list = span_of(half, sizeof half)});
}

/* One of each type with all fields that it has. */
static const uint8_t types[] = {1,   2,   3,   4,   5,   6,   7,   8,   9,   14,  15,  16,  128, 129, 130, 131, 132,
                                133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 145, 148, 153, 154, 155, 224};

static void sample(uint8_t type, struct wire_message *m) {
    static const uint8_t package[] = {0, 0, 0, 5, 1, 'p'}, left_out[] = {0, 0, 0, 5, 0, 1},
                         identities[] = {1, 'a', 1, 'b'};
    struct span x = span_str("x");
    *m = (struct wire_message){.type = (enum wire_type)type,
                               .how = WIRE_ENTER,
                               .standing = WIRE_STANDING_RESUMED,
                               .reason_gone = 1,
                               .what = 1,
                               .epoch = 1,
                               .seq = 2,
                               .seat_key = span_of(bytes32, 32),
                               .key_package = x,
                               .message = x,
                               .commit = x,
                               .welcome = x,
                               .group_info = x,
                               .tree = x,
                               .tree_hash = x,
                               .external_sender = x,
                               .identity = x,
                               .sealed = x,
                               .target = x,
                               .by = x,
                               .reason = x,
                               .here = x,
                               .token = x,
                               .info = x,
                               .policy = x};
    if (type == WIRE_COMMIT_NOW)
        m->list = span_of(package, sizeof package);
    else if (type == WIRE_COMMIT)
        m->list = span_of(left_out, sizeof left_out);
    else if (type == WIRE_ONLINE)
        m->list = span_of(identities, sizeof identities);
}

static enum wire_direction direction_of(uint8_t type) {
    return type < 128 ? WIRE_FROM_CLIENT : WIRE_FROM_SERVER;
}

static void every_message_comes_back_and_no_part_of_it_is_one(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof types; i++) {
        struct wire_message m, read;
        struct mls_buf out, again;
        sample(types[i], &m);
        write_one(&m, &out);
        assert_int_equal(out.status, MLS_OK);
        struct span b = mls_buf_span(&out);
        assert_int_equal(wire_read(direction_of(types[i]), b, &read), WIRE_OK);
        write_one(&read, &again);
        assert_true(span_equal(mls_buf_span(&again), b));
        for (size_t len = 0; len < b.len; len++)
            assert_int_equal(wire_read(direction_of(types[i]), span_of(b.data, len), &read), WIRE_MALFORMED);
        uint8_t longer[4096];
        assert_true(b.len < sizeof longer);
        memcpy(longer, b.data, b.len);
        longer[b.len] = 0;
        assert_int_equal(wire_read(direction_of(types[i]), span_of(longer, b.len + 1), &read), WIRE_MALFORMED);
        assert_int_equal(read.type, 0);
        mls_buf_free(&out);
        mls_buf_free(&again);
    }
}

static void unknown_types_are_skipped_where_that_was_agreed(void **state) {
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        uint8_t b[] = {(uint8_t)type, 1, 2, 3};
        struct wire_message read;
        bool known = memchr(types, (int)type, sizeof types) != NULL;
        if (known)
            continue;
        assert_int_equal(wire_read(WIRE_FROM_CLIENT, span_of(b, sizeof b), &read),
                         type >= 192 && type <= 223 ? WIRE_SKIP : WIRE_MALFORMED);
        assert_int_equal(wire_read(WIRE_FROM_SERVER, span_of(b, sizeof b), &read),
                         type >= 224 ? WIRE_SKIP : WIRE_MALFORMED);
    }
}

static void lists_are_walked_to_their_end(void **state) {
    (void)state;
    struct mls_buf list;
    struct wire_message m = {.type = WIRE_COMMIT_NOW}, read;
    struct mls_buf out;
    mls_buf_init(&list, WIRE_MESSAGE_LEN_MAX);
    for (uint32_t i = 0; i <= WIRE_ADDS_MAX; i++) {
        m.list = mls_buf_span(&list);
        write_one(&m, &out);
        assert_int_equal(out.status, MLS_OK);
        assert_int_equal(wire_read(WIRE_FROM_SERVER, mls_buf_span(&out), &read), WIRE_OK);
        struct wire_package package;
        size_t at = 0;
        uint32_t count = 0;
        while (wire_next_package(&read, &at, &package)) {
            assert_int_equal(package.knock, count);
            assert_int_equal(package.key_package.len, count + 1);
            count++;
        }
        assert_int_equal(count, i);
        mls_buf_free(&out);
        static const uint8_t zeros[WIRE_ADDS_MAX + 1];
        wire_add_package(&list, &(struct wire_package){.knock = i, .key_package = span_of(zeros, i + 1)});
    }
    m.list = mls_buf_span(&list); /* one too many */
    refused(m);
    mls_buf_free(&list);
}

static void random_bytes_are_read_or_refused(void **state) {
    (void)state;
    struct rng rng = rng_seeded(1);
    for (int round = 0; round < 200000; round++) {
        uint8_t b[64];
        struct wire_message read;
        size_t len = (size_t)rng_below(&rng, sizeof b);
        rng_fill(&rng, b, sizeof b);
        if (rng_below(&rng, 2) == 0)
            b[0] = types[rng_below(&rng, sizeof types)];
        for (int direction = 0; direction < 2; direction++) {
            if (wire_read((enum wire_direction)direction, span_of(b, len), &read) != WIRE_OK)
                continue;
            struct mls_buf out;
            write_one(&read, &out);
            assert_int_equal(out.status, MLS_OK);
            assert_int_equal(mls_buf_len(&out), len);
            assert_memory_equal(mls_buf_span(&out).data, b, len);
            mls_buf_free(&out);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_are_fixed),
        cmocka_unit_test(a_hello_has_its_fields_in_order),
        cmocka_unit_test(what_is_no_message_is_not_written),
        cmocka_unit_test(every_message_comes_back_and_no_part_of_it_is_one),
        cmocka_unit_test(unknown_types_are_skipped_where_that_was_agreed),
        cmocka_unit_test(lists_are_walked_to_their_end),
        cmocka_unit_test(random_bytes_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
