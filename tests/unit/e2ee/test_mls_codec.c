#include "base/assert.h"
#include "e2ee/mem.h"
#include "e2ee/mls_codec.h"
#include "heap_watch.h"
#include "unit.h"

static struct span hex(const char *text, uint8_t *out) {
    size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        unsigned value = 0;
        for (size_t j = 0; j < 2; j++) {
            char c = text[2 * i + j];
            value = value * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        out[i] = (uint8_t)value;
    }
    return span_of(out, len);
}

static void lengths_are_read_and_written_in_their_shortest_form(void **state) {
    (void)state;
    static const struct {
        size_t len;
        const char *encoding;
    } cases[] = {
        {0, "00"},
        {37, "25"},
        {63, "3f"},
        {64, "4040"},
        {15293, "7bbd"},
        {16383, "7fff"},
        {16384, "80004000"},
        {494878333, "9d7f3e7d"},
        {(1 << 30) - 1, "bfffffff"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t bytes[4], encoded[4];
        struct span expected = hex(cases[i].encoding, bytes);
        assert_true(span_equal(span_of(encoded, mls_len_encode(cases[i].len, encoded)), expected));
        struct mls_reader r = mls_reader_of(expected);
        assert_int_equal(mls_rd_len(&r), cases[i].len);
        assert_int_equal(mls_reader_end(&r), MLS_OK);
    }
}

static void lengths_in_other_forms_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *encoding;
        enum mls_status status;
    } cases[] = {
        {"4000", MLS_LENGTH_NOT_MINIMAL},
        {"403f", MLS_LENGTH_NOT_MINIMAL},
        {"80000000", MLS_LENGTH_NOT_MINIMAL},
        {"80003fff", MLS_LENGTH_NOT_MINIMAL},
        {"c0", MLS_LENGTH_INVALID},
        {"ffffffffffffffff", MLS_LENGTH_INVALID},
        {"", MLS_TRUNCATED},
        {"40", MLS_TRUNCATED},
        {"bfffff", MLS_TRUNCATED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t bytes[8];
        struct mls_reader r = mls_reader_of(hex(cases[i].encoding, bytes));
        assert_int_equal(mls_rd_len(&r), 0);
        assert_int_equal(r.status, cases[i].status);
    }
}

static void the_first_reason_stays(void **state) {
    (void)state;
    uint8_t bytes[8];
    struct mls_reader r = mls_reader_of(hex("02ff", bytes));
    assert_false(mls_rd_optional(&r));
    assert_int_equal(r.status, MLS_OPTIONAL_INVALID);
    assert_int_equal(mls_rd_u32(&r), 0);
    assert_int_equal(mls_rd_vec(&r, 10, MLS_FIELD_TOO_LONG).len, 0);
    mls_reader_refuse(&r, MLS_PSKS_TOO_MANY);
    assert_int_equal(mls_reader_left(&r), 0);
    assert_int_equal(mls_reader_end(&r), MLS_OPTIONAL_INVALID);
    assert_int_equal(mls_reader_since(&r, 0).len, 0);
}

static void vectors_end_where_their_length_says(void **state) {
    (void)state;
    uint8_t bytes[8];
    struct mls_reader r = mls_reader_of(hex("03aabbcc01", bytes));
    assert_true(span_equal(mls_rd_vec(&r, 3, MLS_FIELD_TOO_LONG), span_of(bytes + 1, 3)));
    assert_int_equal(mls_reader_end(&r), MLS_TRAILING_BYTES);
    r = mls_reader_of(hex("03aabb", bytes));
    assert_int_equal(mls_rd_vec(&r, 3, MLS_FIELD_TOO_LONG).len, 0);
    assert_int_equal(r.status, MLS_TRUNCATED);
    r = mls_reader_of(hex("03aabbcc", bytes));
    assert_int_equal(mls_rd_vec(&r, 2, MLS_FIELD_TOO_LONG).len, 0);
    assert_int_equal(r.status, MLS_FIELD_TOO_LONG);
}

static void lists_of_16_bit_values_have_an_even_length_and_a_limit(void **state) {
    (void)state;
    uint8_t bytes[8];
    struct mls_reader r = mls_reader_of(hex("0400010a0b", bytes));
    struct span list = mls_rd_u16s(&r, 2, MLS_CAPABILITIES_TOO_MANY);
    assert_int_equal(mls_reader_end(&r), MLS_OK);
    assert_int_equal(mls_u16s_count(list), 2);
    assert_true(mls_u16s_have(list, 1) && mls_u16s_have(list, 0x0a0b));
    assert_false(mls_u16s_have(list, 0x010a)); /* not across two entries */
    r = mls_reader_of(hex("03000100", bytes));
    assert_int_equal(mls_rd_u16s(&r, 2, MLS_CAPABILITIES_TOO_MANY).len, 0);
    assert_int_equal(r.status, MLS_LIST_MISALIGNED);
    r = mls_reader_of(hex("0400010a0b", bytes));
    assert_int_equal(mls_rd_u16s(&r, 1, MLS_CAPABILITIES_TOO_MANY).len, 0);
    assert_int_equal(r.status, MLS_CAPABILITIES_TOO_MANY);
}

static void nested_vectors_of_any_length_are_read_as_written(void **state) {
    (void)state;
    static const size_t lens[] = {0, 1, 61, 62, 63, 64, 65, 16379, 16380, 16383, 16384, 20000};
    struct mls_buf b;
    mls_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        mls_buf_clear(&b);
        mls_wr_u8(&b, 7);
        size_t outer = mls_wr_vec_begin(&b);
        size_t inner = mls_wr_vec_begin(&b);
        for (size_t j = 0; j < lens[i]; j++)
            mls_wr_u8(&b, (uint8_t)j);
        mls_wr_vec_end(&b, inner);
        mls_wr_u16(&b, 0xabcd);
        mls_wr_vec_end(&b, outer);
        mls_wr_u8(&b, 9);
        assert_true(mls_buf_ok(&b));
        struct mls_reader r = mls_reader_of(mls_buf_span(&b));
        assert_int_equal(mls_rd_u8(&r), 7);
        struct mls_reader in = mls_reader_of(mls_rd_vec(&r, 1 << 20, MLS_TOO_LARGE));
        struct span contents = mls_rd_vec(&in, 1 << 20, MLS_TOO_LARGE);
        assert_int_equal(contents.len, lens[i]);
        for (size_t j = 0; j < contents.len; j++)
            assert_int_equal(contents.data[j], (uint8_t)j);
        assert_int_equal(mls_rd_u16(&in), 0xabcd);
        assert_int_equal(mls_reader_end(&in), MLS_OK);
        assert_int_equal(mls_rd_u8(&r), 9);
        assert_int_equal(mls_reader_end(&r), MLS_OK);
    }
    mls_buf_free(&b);
}

static void a_buffer_grows_up_to_its_maximum_and_then_refuses(void **state) {
    (void)state;
    struct mls_buf b;
    mls_buf_init(&b, 1000);
    for (size_t i = 0; i < 1000; i++)
        mls_wr_u8(&b, 1);
    assert_true(mls_buf_ok(&b));
    assert_int_equal(mls_buf_len(&b), 1000);
    mls_wr_u8(&b, 1);
    assert_int_equal(b.status, MLS_TOO_LARGE);
    assert_int_equal(mls_buf_span(&b).len, 0);
    assert_null(mls_wr_reserve(&b, 1));
    mls_buf_clear(&b);
    mls_wr_u32(&b, 0x01020304);
    assert_true(mls_buf_ok(&b));
    assert_memory_equal(mls_buf_span(&b).data, "\1\2\3\4", 4);
    mls_buf_free(&b);
    assert_int_equal(mls_buf_len(&b), 0);
    mls_wr_u16(&b, 5);
    assert_true(mls_buf_ok(&b));
    mls_buf_free(&b);

    uint8_t storage[4];
    mls_buf_over(&b, storage, sizeof storage);
    mls_wr_u32(&b, 1);
    assert_true(mls_buf_ok(&b));
    mls_wr_zeros(&b, 1);
    assert_int_equal(b.status, MLS_TOO_LARGE);
    mls_buf_free(&b);
    assert_memory_equal(storage, "\0\0\0\0", 4);
}

static void a_buffer_without_memory_says_so_and_keeps_what_it_has(void **state) {
    (void)state;
    struct mls_buf b;
    mls_buf_init(&b, 10000);
    heap_fail_after(0);
    mls_wr_u8(&b, 1);
    assert_true(heap_has_failed());
    assert_int_equal(b.status, MLS_NO_MEMORY);
    mls_wr_u8(&b, 2);
    assert_int_equal(mls_buf_len(&b), 0);
    mls_buf_clear(&b);
    mls_wr_zeros(&b, 200);
    heap_fail_after(0);
    mls_wr_zeros(&b, 5000);
    heap_fail_after(-1);
    assert_int_equal(b.status, MLS_NO_MEMORY);
    assert_int_equal(mls_buf_len(&b), 200);
    mls_buf_free(&b);
}

static void what_was_written_is_wiped_on_growing_cutting_clearing_and_freeing(void **state) {
    (void)state;
    static const char mark[] = "a secret that is easy to find";
    struct span secret = span_of(mark, sizeof mark);
    (void)heap_freed_dirty();
    struct mls_buf b;
    mls_buf_init(&b, 100000);
    mls_wr_span(&b, secret);
    assert_true(heap_holds(mark, sizeof mark));
    mls_wr_zeros(&b, 5000);
    assert_int_equal(heap_freed_dirty(), 0);
    mls_buf_cut(&b, 0);
    assert_false(heap_holds(mark, sizeof mark));
    mls_wr_span(&b, secret);
    mls_buf_clear(&b);
    assert_false(heap_holds(mark, sizeof mark));
    mls_wr_span(&b, secret);
    mls_buf_free(&b);
    assert_int_equal(heap_freed_dirty(), 0);
    uint8_t *block = mls_alloc(sizeof mark);
    assert_non_null(block);
    memcpy(block, mark, sizeof mark);
    block = mls_resize(block, sizeof mark, 8);
    assert_memory_equal(block, mark, 8);
    mls_free(block, 8);
    mls_free(NULL, 0);
    assert_int_equal(heap_freed_dirty(), 0);
}

static void every_status_has_its_own_name_and_a_text(void **state) {
    (void)state;
    for (int i = 0; i < MLS_STATUS_COUNT; i++) {
        enum mls_status a = (enum mls_status)i;
        assert_true(strlen(mls_status_text(a)) > 5 && strlen(mls_status_name(a)) > 1);
        const char *section = mls_status_section(a);
        assert_true(section[0] == 0 || (section[0] >= '1' && section[0] <= '9'));
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(mls_status_name(a), mls_status_name((enum mls_status)j));
            assert_string_not_equal(mls_status_text(a), mls_status_text((enum mls_status)j));
        }
    }
    assert_string_equal(mls_status_name(MLS_PADDING_NOT_ZERO), "PADDING_NOT_ZERO");
    assert_string_equal(mls_status_section(MLS_PADDING_NOT_ZERO), "6.3.1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_read_and_written_in_their_shortest_form),
        cmocka_unit_test(lengths_in_other_forms_are_refused),
        cmocka_unit_test(the_first_reason_stays),
        cmocka_unit_test(vectors_end_where_their_length_says),
        cmocka_unit_test(lists_of_16_bit_values_have_an_even_length_and_a_limit),
        cmocka_unit_test(nested_vectors_of_any_length_are_read_as_written),
        cmocka_unit_test(a_buffer_grows_up_to_its_maximum_and_then_refuses),
        cmocka_unit_test(a_buffer_without_memory_says_so_and_keeps_what_it_has),
        cmocka_unit_test(what_was_written_is_wiped_on_growing_cutting_clearing_and_freeing),
        cmocka_unit_test(every_status_has_its_own_name_and_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
