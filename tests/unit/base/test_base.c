#include <stdlib.h>

#include "base/base64.h"
#include "base/crc.h"
#include "base/cursor.h"
#include "base/deadline.h"
#include "base/map.h"
#include "base/net.h"
#include "base/packet.h"
#include "base/pool.h"
#include "base/replay.h"
#include "base/ring.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/seq.h"
#include "base/time.h"
#include "base/trace.h"
#include "unit.h"

static void a_reader_never_reads_past_the_end(void **state) {
    (void)state;
    const uint8_t bytes[] = {1, 2, 3, 4, 5};
    struct reader r = reader_of(bytes, sizeof bytes);
    assert_int_equal(rd_u16(&r), 0x0102);
    assert_int_equal(rd_u24(&r), 0x030405);
    assert_true(reader_ok(&r));
    assert_int_equal(rd_u8(&r), 0);
    assert_false(reader_ok(&r));
    assert_int_equal(reader_left(&r), 0);
    assert_int_equal(rd_span(&r, 1).len, 0);
}

static void a_writer_never_writes_past_the_end(void **state) {
    (void)state;
    uint8_t bytes[4] = {0, 0, 0, 0xee};
    struct writer w = writer_of(bytes, 3);
    wr_u16(&w, 0xabcd);
    wr_u16(&w, 0x1234);
    assert_false(writer_ok(&w));
    assert_int_equal(w.len, 2);
    assert_int_equal(bytes[3], 0xee);
    wr_patch_u8(&w, 0, 1);
    assert_int_equal(bytes[0], 0xab);
}

static void what_a_writer_wrote_a_reader_reads_back(void **state) {
    (void)state;
    struct rng rng = rng_seeded(1);
    for (int i = 0; i < 1000; i++) {
        uint8_t bytes[64];
        uint64_t v[6];
        for (size_t j = 0; j < 6; j++)
            v[j] = rng_u64(&rng);
        struct writer w = writer_of(bytes, sizeof bytes);
        wr_u8(&w, (uint8_t)v[0]);
        wr_u16(&w, (uint16_t)v[1]);
        wr_u24(&w, (uint32_t)v[2] & 0xffffff);
        wr_u32(&w, (uint32_t)v[3]);
        wr_u48(&w, v[4] & 0xffffffffffff);
        wr_u64(&w, v[5]);
        struct reader r = reader_of_span(writer_span(&w));
        assert_int_equal(rd_u8(&r), (uint8_t)v[0]);
        assert_int_equal(rd_u16(&r), (uint16_t)v[1]);
        assert_int_equal(rd_u24(&r), v[2] & 0xffffff);
        assert_int_equal(rd_u32(&r), (uint32_t)v[3]);
        assert_true(rd_u48(&r) == (v[4] & 0xffffffffffff));
        assert_true(rd_u64(&r) == v[5]);
        assert_true(reader_ok(&r) && reader_left(&r) == 0);
    }
}

static void lines_and_tokens_are_split(void **state) {
    (void)state;
    struct reader r = reader_of_span(span_str("a b\r\nc\n"));
    struct span line, token;
    assert_true(rd_line(&r, &line) && span_equal_str(line, "a b"));
    struct reader words = reader_of_span(line);
    assert_true(rd_token(&words, ' ', &token) && span_equal_str(token, "a"));
    assert_true(rd_token(&words, ' ', &token) && span_equal_str(token, "b"));
    assert_false(rd_token(&words, ' ', &token));
    assert_true(rd_line(&r, &line) && span_equal_str(line, "c"));
    assert_false(rd_line(&r, &line));
}

static void numbers_with_anything_else_in_them_are_refused(void **state) {
    (void)state;
    uint64_t n = 7;
    assert_true(span_to_u64(span_str("65535"), 65535, &n) && n == 65535);
    assert_false(span_to_u64(span_str("65536"), 65535, &n));
    assert_false(span_to_u64(span_str("-1"), 9, &n));
    assert_false(span_to_u64(span_str(""), 9, &n));
    assert_true(span_to_u64(span_str("18446744073709551615"), UINT64_MAX, &n) && n == UINT64_MAX);
    assert_false(span_to_u64(span_str("18446744073709551616"), UINT64_MAX, &n));
}

static void formatted_text_that_does_not_fit_is_refused_whole(void **state) {
    (void)state;
    char bytes[8];
    struct writer w = writer_of(bytes, sizeof bytes);
    wr_fmt(&w, "%d", 12345678);
    assert_true(writer_ok(&w) && w.len == 8);
    wr_fmt(&w, "x");
    assert_false(writer_ok(&w));
}

static void stale_handles_are_recognised(void **state) {
    (void)state;
    uint64_t memory[64];
    struct pool pool;
    assert_true(pool_size(4) <= sizeof memory);
    pool_init(&pool, memory, 4);
    uint32_t handles[4];
    for (int i = 0; i < 4; i++)
        assert_int_not_equal(handles[i] = pool_take(&pool), 0);
    assert_int_equal(pool_take(&pool), 0);
    pool_give(&pool, handles[2]);
    assert_false(pool_live(&pool, handles[2]));
    uint32_t again = pool_take(&pool);
    assert_int_equal(pool_index(again), pool_index(handles[2]));
    assert_int_not_equal(again, handles[2]);
}

static void a_mirrored_pool_takes_the_same_handles(void **state) {
    (void)state;
    uint64_t memory_a[16], memory_b[16];
    struct pool a, b;
    pool_init(&a, memory_a, 8);
    pool_init(&b, memory_b, 8);
    struct rng rng = rng_seeded(3);
    for (int i = 0; i < 10000; i++) {
        uint32_t at = (uint32_t)rng_below(&rng, 8);
        uint32_t live = pool_handle_at(&a, at);
        if (live != 0) {
            pool_give(&a, live);
            pool_give(&b, live);
        } else {
            uint32_t taken = pool_take(&a);
            assert_true(pool_take_handle(&b, taken));
            assert_false(pool_take_handle(&b, taken));
            assert_true(pool_live(&b, taken));
        }
        assert_int_equal(a.used, b.used);
    }
}

static void records_leave_a_ring_as_they_entered(void **state) {
    (void)state;
    static _Alignas(8) uint8_t memory[1024];
    static struct ring ring;
    ring_init(&ring, memory, sizeof memory);
    struct rng rng = rng_seeded(4);
    uint64_t in = 0, out = 0;
    for (int i = 0; i < 100000; i++) {
        if (rng_below(&rng, 2) == 0) {
            size_t len = 8 + (size_t)rng_below(&rng, 200);
            uint8_t *record = ring_reserve(&ring, len);
            if (record == NULL)
                continue;
            memset(record, (int)(in & 0xff), len);
            memcpy(record, &in, 8);
            in++;
            ring_commit(&ring);
        } else {
            size_t len;
            uint8_t *record = ring_peek(&ring, &len);
            if (record == NULL) {
                assert_true(in == out);
                continue;
            }
            assert_memory_equal(record, &out, 8);
            if (len > 8)
                assert_int_equal(record[len - 1], out & 0xff);
            out++;
            ring_release(&ring);
        }
    }
    assert_true(out > 10000);
    assert_true(ring.refused > 0);
}

/* Against a plain list of what was marked, in steps of every size, also beyond the window. */
static void a_replay_window_takes_each_number_once(void **state) {
    (void)state;
    struct rng rng = rng_seeded(9);
    for (int round = 0; round < 50; round++) {
        enum { MARKS = 3000 };
        static uint64_t marked[MARKS];
        struct replay_window window = {0};
        size_t count = 0;
        uint64_t end = 0, centre = rng_below(&rng, 2) == 0 ? 0 : rng_u64(&rng) >> rng_below(&rng, 60);
        uint64_t spread = UINT64_C(1) << rng_below(&rng, 13);
        for (int step = 0; step < MARKS; step++) {
            centre += rng_below(&rng, spread);
            uint64_t back = rng_below(&rng, 1500), number = centre > back ? centre - back : 0;
            if (number > UINT64_MAX - 2)
                break;
            enum replay_result expected = REPLAY_FRESH;
            for (size_t i = 0; i < count; i++)
                expected = marked[i] == number ? REPLAY_SEEN : expected;
            if (end > number && end - number > REPLAY_WINDOW_LEN)
                expected = REPLAY_TOO_OLD;
            assert_int_equal(replay_check(&window, number), expected);
            if (expected == REPLAY_FRESH) {
                replay_mark(&window, number);
                marked[count++] = number;
                end = number >= end ? number + 1 : end;
            }
        }
        assert_int_equal(window.end, end);
    }
}

static void a_map_behaves_like_a_plain_table(void **state) {
    (void)state;
    enum { CAPACITY = 100, KEYS = 150 };
    struct rng rng = rng_seeded(5);
    struct map map;
    void *memory = malloc(map_size(CAPACITY, 6));
    map_init(&map, memory, CAPACITY, 6, &rng);
    uint32_t shadow[KEYS] = {0};
    uint32_t count = 0;
    for (int i = 0; i < 200000; i++) {
        uint32_t k = (uint32_t)rng_below(&rng, KEYS);
        uint8_t key[6] = {1, (uint8_t)k, 3, 4, (uint8_t)(k * 7), 6};
        uint32_t value = 0;
        bool in = map_get(&map, key, &value);
        assert_int_equal(in, shadow[k] != 0);
        if (in)
            assert_int_equal(value, shadow[k]);
        if (rng_below(&rng, 2) == 0) {
            assert_int_equal(map_remove(&map, key), in);
            count -= in ? 1 : 0;
            shadow[k] = 0;
        } else {
            bool put = map_put(&map, key, (uint32_t)i + 1);
            assert_int_equal(put, in || count < CAPACITY);
            if (put) {
                count += in ? 0 : 1;
                shadow[k] = (uint32_t)i + 1;
            }
        }
        assert_int_equal(map.count, count);
    }
    free(memory);
}

static void deadlines_come_out_in_order(void **state) {
    (void)state;
    uint64_t memory[256];
    struct deadlines set;
    assert_true(deadline_size(50) <= sizeof memory);
    deadline_init(&set, memory, 50);
    struct rng rng = rng_seeded(6);
    uint64_t at[50];
    for (uint32_t i = 0; i < 50; i++)
        at[i] = TIME_NEVER;
    for (int i = 0; i < 2000; i++) {
        uint32_t index = (uint32_t)rng_below(&rng, 50);
        at[index] = rng_below(&rng, 4) == 0 ? TIME_NEVER : 1 + rng_below(&rng, 1000);
        deadline_set(&set, index, at[index]);
        uint64_t least = TIME_NEVER;
        for (uint32_t j = 0; j < 50; j++)
            least = time_min(least, at[j]);
        assert_true(deadline_next(&set) == least);
    }
    uint64_t last = 0;
    uint32_t index;
    while (deadline_pop(&set, 2000, &index)) {
        assert_true(at[index] >= last);
        last = at[index];
    }
    assert_int_equal(set.count, 0);
}

static void packet_slots_are_counted_and_reused(void **state) {
    (void)state;
    struct packet_arena arena;
    void *bytes = malloc(packet_arena_bytes_len(3));
    void *headers = calloc(1, packet_arena_headers_len(3));
    packet_arena_init(&arena, bytes, headers, 3);
    struct packet *a = packet_take(&arena), *b = packet_take(&arena), *c = packet_take(&arena);
    assert_non_null(c);
    assert_null(packet_take(&arena));
    assert_int_equal(arena.exhausted, 1);
    packet_ref(b);
    packet_unref(&arena, b);
    assert_null(packet_take(&arena));
    packet_unref(&arena, b);
    assert_ptr_equal(packet_take(&arena), b);
    packet_unref(&arena, a);
    packet_unref(&arena, b);
    packet_unref(&arena, c);
    assert_int_equal(arena.used, 0);
    free(bytes);
    free(headers);
}

static void serial_numbers_wrap(void **state) {
    (void)state;
    assert_true(seq16_newer(0, 65535));
    assert_false(seq16_newer(65535, 0));
    assert_true(seq16_extend(0x1ffff, 2) == 0x20002);
    assert_true(seq16_extend(0x20002, 0xffff) == 0x1ffff);
    assert_true(seq32_extend(UINT64_C(0x1ffffffff), 5) == UINT64_C(0x200000005));
}

static void checksums_and_encodings_match_their_standards(void **state) {
    (void)state;
    assert_int_equal(crc32_iso("123456789", 9), 0xcbf43926);
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    /* the SipHash authors' own table is for 2-4 rounds; 1-3 is checked for its key and its input mattering */
    uint64_t k1[2] = {1, 2}, k2[2] = {1, 3};
    assert_true(siphash13(k1, "abc", 3) != siphash13(k2, "abc", 3));
    assert_true(siphash13(k1, "abc", 3) != siphash13(k1, "abd", 3));
    static const char *const rfc4648[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < 7; i++) {
        char text[16];
        struct writer w = writer_of(text, sizeof text);
        wr_base64(&w, span_str(rfc4648[i][0]));
        assert_true(span_equal_str(writer_span(&w), rfc4648[i][1]));
        size_t len;
        assert_true(base64_decode(span_str(rfc4648[i][1]), text, sizeof text, &len));
        assert_true(span_equal_str(span_of(text, len), rfc4648[i][0]));
    }
    char out[8];
    size_t len;
    assert_true(base64_decode(span_str("Zg"), out, sizeof out, &len) && len == 1);
    assert_false(base64_decode(span_str("Zh=="), out, sizeof out, &len));
    assert_false(base64_decode(span_str("Z"), out, sizeof out, &len));
    assert_false(base64_decode(span_str("Z*=="), out, sizeof out, &len));
    assert_false(base64_decode(span_str("Zg=a"), out, sizeof out, &len));
    assert_true(base64url_decode_exact(span_str("-_8"), out, 2) && memcmp(out, "\xfb\xff", 2) == 0);
    const char *other_spellings[] = {"+/8", "+_8", "-_8=", "-_9", "-_8A", "-_", "", "-_8\n"};
    for (size_t i = 0; i < ARRAY_LEN(other_spellings); i++)
        assert_false(base64url_decode_exact(span_str(other_spellings[i]), out, 2));
}

static void addresses_print_and_parse(void **state) {
    (void)state;
    struct net_addr a;
    char text[NET_IP_TEXT_LEN];
    assert_true(net_ip_parse(span_str("192.0.2.7"), &a));
    net_ip_text(&a, text);
    assert_string_equal(text, "192.0.2.7");
    assert_true(net_ip_parse(span_str("2001:db8::1"), &a));
    net_ip_text(&a, text);
    assert_string_equal(text, "2001:db8::1");
    assert_false(net_ip_parse(span_str("host.example"), &a));
    assert_false(net_ip_parse(span_str("1.2.3.4.5"), &a));
}

static void secrets_compare_and_wipe(void **state) {
    (void)state;
    char a[] = "secret", b[] = "secret";
    assert_true(secure_equal(a, b, 6));
    b[5] = 'x';
    assert_false(secure_equal(a, b, 6));
    secure_wipe(a, sizeof a);
    for (size_t i = 0; i < sizeof a; i++)
        assert_int_equal(a[i], 0);
}

static void the_trace_keeps_the_newest_records(void **state) {
    (void)state;
    static struct trace_record records[TRACE_RECORDS_MAX];
    struct trace trace = {.records = records};
    for (uint64_t i = 0; i < TRACE_RECORDS_MAX + 10; i++)
        trace_note(&trace, i, 1, 2, i, 0);
    assert_int_equal(trace_back(&trace, 0)->a, TRACE_RECORDS_MAX + 9);
    assert_null(trace_back(&trace, TRACE_RECORDS_MAX));
}

static void random_tokens_use_the_whole_alphabet(void **state) {
    (void)state;
    struct rng rng = rng_seeded(9);
    char token[201];
    int seen[128] = {0};
    for (int i = 0; i < 50; i++) {
        rng_token(&rng, token, 200);
        assert_int_equal(strlen(token), 200);
        for (size_t j = 0; j < 200; j++)
            seen[(int)token[j]]++;
    }
    int distinct = 0;
    for (int i = 0; i < 128; i++)
        distinct += seen[i] > 0;
    assert_int_equal(distinct, 62);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_never_reads_past_the_end),
        cmocka_unit_test(a_writer_never_writes_past_the_end),
        cmocka_unit_test(what_a_writer_wrote_a_reader_reads_back),
        cmocka_unit_test(lines_and_tokens_are_split),
        cmocka_unit_test(numbers_with_anything_else_in_them_are_refused),
        cmocka_unit_test(formatted_text_that_does_not_fit_is_refused_whole),
        cmocka_unit_test(stale_handles_are_recognised),
        cmocka_unit_test(a_mirrored_pool_takes_the_same_handles),
        cmocka_unit_test(records_leave_a_ring_as_they_entered),
        cmocka_unit_test(a_map_behaves_like_a_plain_table),
        cmocka_unit_test(a_replay_window_takes_each_number_once),
        cmocka_unit_test(deadlines_come_out_in_order),
        cmocka_unit_test(packet_slots_are_counted_and_reused),
        cmocka_unit_test(serial_numbers_wrap),
        cmocka_unit_test(checksums_and_encodings_match_their_standards),
        cmocka_unit_test(addresses_print_and_parse),
        cmocka_unit_test(secrets_compare_and_wipe),
        cmocka_unit_test(the_trace_keeps_the_newest_records),
        cmocka_unit_test(random_tokens_use_the_whole_alphabet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
