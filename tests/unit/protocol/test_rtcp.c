#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/rng.h"
#include "protocol/rtcp.h"
#include "protocol/rtcp_twcc.h"
#include "unit.h"

#define BUFFER_LEN 1500

static uint8_t buffer[BUFFER_LEN];

static struct writer fresh(void) {
    memset(buffer, 0xee, sizeof buffer);
    return writer_of(buffer, sizeof buffer);
}

/* The only packet of a compound. */
static struct rtcp_view only(const struct writer *w) {
    struct rtcp_counters counters = {0};
    struct rtcp_iter iter = rtcp_iter_of(writer_span(w), &counters);
    struct rtcp_view view, more;
    assert_true(rtcp_next(&iter, &view));
    assert_false(rtcp_next(&iter, &more));
    assert_int_equal(counters.framing + counters.malformed + counters.unknown, 0);
    return view;
}

static void reports_are_read_as_written(void **state) {
    (void)state;
    struct rng rng = rng_seeded(1);
    for (size_t count = 0; count <= RTCP_BLOCKS_MAX; count++) {
        struct rtcp_report_block blocks[RTCP_BLOCKS_MAX];
        for (size_t i = 0; i < count; i++) {
            blocks[i] = (struct rtcp_report_block){.ssrc = rng_u32(&rng),
                                                   .fraction_lost = (uint8_t)rng_u32(&rng),
                                                   .lost = (int32_t)rng_below(&rng, 0x1000000) - 0x800000,
                                                   .highest_seq = rng_u32(&rng),
                                                   .jitter = rng_u32(&rng),
                                                   .lsr = rng_u32(&rng),
                                                   .dlsr = rng_u32(&rng)};
        }
        struct rtcp_sender_info info = {rng_u64(&rng), rng_u32(&rng), rng_u32(&rng), rng_u32(&rng)};
        for (int kind = 0; kind < 2; kind++) {
            struct writer w = fresh();
            assert_true(kind == 0 ? rtcp_write_sr(&w, 77, &info, blocks, count) : rtcp_write_rr(&w, 77, blocks, count));
            struct rtcp_view view = only(&w);
            assert_int_equal(view.kind, kind == 0 ? RTCP_SR : RTCP_RR);
            assert_int_equal(view.sender_ssrc, 77);
            assert_int_equal(view.count, count);
            if (kind == 0) {
                assert_true(view.sr.ntp == info.ntp);
                assert_int_equal(view.sr.rtp_time, info.rtp_time);
                assert_int_equal(view.sr.packets, info.packets);
                assert_int_equal(view.sr.bytes, info.bytes);
            }
            for (size_t i = 0; i < count; i++) {
                struct rtcp_report_block block = rtcp_report_block_at(&view, i);
                assert_int_equal(block.ssrc, blocks[i].ssrc);
                assert_int_equal(block.fraction_lost, blocks[i].fraction_lost);
                assert_int_equal(block.lost, blocks[i].lost);
                assert_int_equal(block.highest_seq, blocks[i].highest_seq);
                assert_int_equal(block.jitter, blocks[i].jitter);
                assert_int_equal(block.lsr, blocks[i].lsr);
                assert_int_equal(block.dlsr, blocks[i].dlsr);
            }
        }
    }
}

static void a_cname_of_every_length_comes_back(void **state) {
    (void)state;
    char name[RTCP_CNAME_LEN_MAX];
    memset(name, 'n', sizeof name);
    for (size_t len = 1; len <= sizeof name; len++) {
        struct writer w = fresh();
        assert_true(rtcp_write_sdes(&w, 5, span_of(name, len)));
        struct rtcp_view view = only(&w);
        uint32_t ssrc;
        assert_int_equal(view.kind, RTCP_SDES);
        assert_int_equal(rtcp_sdes_cname(&view, 0, &ssrc).len, len);
        assert_int_equal(ssrc, 5);
    }
}

static void small_messages_are_read_as_written(void **state) {
    (void)state;
    const uint32_t ssrcs[] = {1, 2, 0xffffffff};
    struct writer w = fresh();
    assert_true(rtcp_write_bye(&w, ssrcs, 3));
    struct rtcp_view view = only(&w);
    assert_int_equal(view.kind, RTCP_BYE);
    assert_int_equal(view.count, 3);
    assert_int_equal(rtcp_bye_ssrc(&view, 2), 0xffffffff);

    w = fresh();
    assert_true(rtcp_write_pli(&w, 10, 11));
    view = only(&w);
    assert_int_equal(view.kind, RTCP_PLI);
    assert_int_equal(view.sender_ssrc, 10);
    assert_int_equal(view.media_ssrc, 11);

    const struct rtcp_fir_entry firs[] = {{100, 1}, {200, 255}};
    w = fresh();
    assert_true(rtcp_write_fir(&w, 10, firs, 2));
    view = only(&w);
    assert_int_equal(view.kind, RTCP_FIR);
    assert_int_equal(rtcp_fir_count(&view), 2);
    assert_int_equal(rtcp_fir_at(&view, 1).ssrc, 200);
    assert_int_equal(rtcp_fir_at(&view, 1).seq8, 255);
}

static void a_remb_rate_is_kept_to_18_bits(void **state) {
    (void)state;
    const uint32_t ssrcs[] = {7, 8};
    const uint64_t rates[] = {0, 1, 262143, 262144, 1500000, 99999999999, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        struct writer w = fresh();
        assert_true(rtcp_write_remb(&w, 1, rates[i], ssrcs, 2));
        struct rtcp_view view = only(&w);
        assert_int_equal(view.kind, RTCP_REMB);
        assert_true(view.remb_bps <= rates[i]);
        assert_true(rates[i] - view.remb_bps <= rates[i] >> 17);
        assert_int_equal(rtcp_remb_count(&view), 2);
        assert_int_equal(rtcp_remb_ssrc(&view, 1), 8);
    }
    /* an exponent that leaves 64 bits saturates */
    struct writer w = fresh();
    assert_true(rtcp_write_remb(&w, 1, 0x3ffff, ssrcs, 0));
    buffer[17] = 0xff;
    assert_true(only(&w).remb_bps == UINT64_MAX);
}

static void nacks_are_packed_and_come_back_in_order(void **state) {
    (void)state;
    struct rng rng = rng_seeded(2);
    for (int round = 0; round < 2000; round++) {
        uint16_t seqs[200], seq16 = (uint16_t)rng_u32(&rng);
        size_t count = 1 + rng_below(&rng, 200), gap_max = 1 + rng_below(&rng, 30);
        for (size_t i = 0; i < count; i++)
            seqs[i] = seq16 = (uint16_t)(seq16 + 1 + rng_below(&rng, gap_max));
        size_t done = 0;
        while (done < count) {
            struct writer w = fresh();
            w.size = 16 + rng_below(&rng, 200);
            size_t written = rtcp_write_nack(&w, 1, 2, seqs + done, count - done);
            assert_true(written > 0);
            struct rtcp_view view = only(&w);
            struct rtcp_nack_iter iter = rtcp_nack_iter_of(&view);
            for (size_t i = 0; i < written; i++) {
                assert_true(rtcp_nack_next(&iter, &seq16));
                assert_int_equal(seq16, seqs[done + i]);
            }
            assert_false(rtcp_nack_next(&iter, &seq16));
            done += written;
        }
        seq16 = seqs[count - 1];
    }
    const uint16_t run[] = {65530, 65531, 65535, 0, 10, 11};
    struct writer w = fresh();
    assert_int_equal(rtcp_write_nack(&w, 1, 2, run, 6), 6);
    assert_int_equal(w.len, 20); /* 65530 to 10 in one word, 11 in the next */
    w = fresh();
    assert_int_equal(rtcp_write_nack(&w, 1, 2, (const uint16_t[]){65530, 10}, 2), 2);
    assert_int_equal(w.len, 16); /* 16 numbers on is the last bit of the word */
    w = writer_of(buffer, 15);
    assert_int_equal(rtcp_write_nack(&w, 1, 2, run, 6), 0);
    assert_true(writer_ok(&w) && w.len == 0);
}

/* Every builder, with every size of buffer that is too small. */
static void a_full_writer_keeps_whole_packets_only(void **state) {
    (void)state;
    const uint32_t ssrc = 1;
    const struct rtcp_fir_entry fir = {1, 2};
    const struct rtcp_report_block block = {.ssrc = 4};
    const struct rtcp_sender_info info = {.ntp = 1};
    for (size_t size = 0; size < 400; size++) {
        uint8_t *exact = malloc(size + 1);
        struct writer w = writer_of(exact, size);
        bool ok = rtcp_write_sr(&w, 1, &info, &block, 1) && rtcp_write_rr(&w, 1, &block, 1) &&
                  rtcp_write_sdes(&w, 1, span_str("name")) && rtcp_write_fir(&w, 1, &fir, 1) &&
                  rtcp_write_remb(&w, 1, 100000, &ssrc, 1) && rtcp_write_pli(&w, 1, 2) && rtcp_write_bye(&w, &ssrc, 1);
        assert_int_equal(ok, writer_ok(&w));
        struct rtcp_counters counters = {0};
        struct rtcp_iter iter = rtcp_iter_of(span_of(exact, w.len), &counters);
        struct rtcp_view view;
        size_t packets = 0;
        while (rtcp_next(&iter, &view))
            packets++;
        assert_int_equal(counters.framing + counters.malformed + counters.unknown, 0);
        assert_int_equal(ok, packets == 7);
        free(exact);
    }
}

static void a_broken_packet_is_skipped_and_broken_framing_ends(void **state) {
    (void)state;
    struct writer w = fresh();
    assert_true(rtcp_write_pli(&w, 1, 2));
    wr_u32(&w, 0x80c80001); /* SR of 8 bytes: too short */
    wr_u32(&w, 1);
    wr_u32(&w, 0x80cc0001); /* APP */
    wr_u32(&w, 1);
    wr_u32(&w, 0xa1cd0002); /* NACK without entries once its 4 bytes of padding are off */
    wr_u32(&w, 1);
    wr_u32(&w, 4);
    assert_true(rtcp_write_pli(&w, 3, 4));
    wr_u32(&w, 0x80c90002); /* longer than what is left */
    wr_u32(&w, 1);
    struct rtcp_counters counters = {0};
    struct rtcp_iter iter = rtcp_iter_of(writer_span(&w), &counters);
    struct rtcp_view view;
    assert_true(rtcp_next(&iter, &view));
    assert_int_equal(view.media_ssrc, 2);
    assert_true(rtcp_next(&iter, &view));
    assert_int_equal(view.media_ssrc, 4);
    assert_false(rtcp_next(&iter, &view));
    assert_false(rtcp_next(&iter, &view));
    assert_int_equal(counters.malformed, 2);
    assert_int_equal(counters.unknown, 1);
    assert_int_equal(counters.framing, 1);
    iter = rtcp_iter_of(writer_span(&w), NULL);
    while (rtcp_next(&iter, &view))
        continue;
}

/* ---- transport-wide feedback --------------------------------------------------------------------------- */

/* What a browser sends: run length, both vectors, negative delta, and 3 bytes of padding (P bit) at the end. */
static void a_foreign_feedback_is_read(void **state) {
    (void)state;
    const uint8_t bytes[] = {0xaf, 205,  0,    7,    0, 0,  0,    1,    0,    0,
                             0,    2,    0xff, 0xfe, 0, 19, 0xff, 0xff, 0xff, 5, /* base 65534, 19, reference -1 */
                             0x20, 0x02,                                         /* 2 small */
                             0xa4, 0x00,                    /* 14 one-bit: 1 0 0 1 0 ... (bit 13 first) */
                             0xe4, 0x00,                    /* 7 two-bit: 2 1 0, the rest beyond the count */
                             4,    8,    1,    2,           /* small deltas, two of the run and two of the vector */
                             0xff, 0xfc, 0x01, 0,    0, 3}; /* -4 ticks, then a small one; 3 bytes of padding */
    struct writer w = fresh();
    wr_bytes(&w, bytes, sizeof bytes);
    wr_patch_u16(&w, 2, (uint16_t)(w.len / 4 - 1));
    struct rtcp_view view = only(&w);
    assert_int_equal(view.kind, RTCP_TWCC);
    assert_true(view.twcc_reference_us == -64000);
    struct rtcp_twcc_iter iter = rtcp_twcc_iter_of(&view);
    struct rtcp_twcc_packet packet;
    const uint8_t received[19] = {1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0};
    for (size_t i = 0; i < 19; i++) {
        assert_true(rtcp_twcc_next(&iter, &packet));
        assert_int_equal(packet.seq16, (uint16_t)(65534 + i));
        assert_int_equal(packet.received, received[i]);
        if (i == 1)
            assert_true(packet.arrival_us == -64000 + 12 * 250);
        if (i == 16)
            assert_int_equal(packet.delta_us, -1000);
        if (i == 17)
            assert_true(packet.arrival_us == -64000 + 12 * 250);
    }
    assert_false(rtcp_twcc_next(&iter, &packet));
}

/* Reads one feedback and checks each packet against when it arrived (0 = never), by extended number. */
static uint64_t check_feedback(const struct writer *w, const uint64_t *arrivals, uint64_t base, uint64_t *reported) {
    struct rtcp_view view = only(w);
    assert_int_equal(view.kind, RTCP_TWCC);
    assert_int_equal(view.twcc_base_seq16, (uint16_t)base);
    struct rtcp_twcc_iter iter = rtcp_twcc_iter_of(&view);
    struct rtcp_twcc_packet packet;
    for (; rtcp_twcc_next(&iter, &packet); base++) {
        assert_int_equal(packet.received, arrivals[base] != 0);
        if (!packet.received)
            continue;
        ++*reported;
        /* 24 bits of 64 ms wrap after 12.4 days */
        uint64_t cycle_us = (UINT64_C(1) << 24) * 64000;
        uint64_t difference = (arrivals[base] - (uint64_t)packet.arrival_us) % cycle_us;
        assert_true(difference < 250);
    }
    return base;
}

static void feedback_tells_when_each_packet_arrived(void **state) {
    (void)state;
    enum { COUNT = 6000 };
    static uint64_t arrivals[COUNT];
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rng rng = rng_seeded(seed);
        struct rtcp_twcc_arrival list[COUNT];
        size_t count = 0;
        uint64_t now_us = 1 + rng_below(&rng, UINT64_C(1) << 50);
        uint64_t loss = rng_below(&rng, 100), step_us = 1 + rng_below(&rng, 1u << rng_below(&rng, 18));
        memset(arrivals, 0, sizeof arrivals);
        for (uint64_t seq64 = 0; seq64 < COUNT; seq64++) {
            now_us += rng_below(&rng, step_us);
            if (rng_below(&rng, 500) == 0)
                now_us += 9000000; /* a pause that no delta can hold */
            if (rng_below(&rng, 100) < loss)
                continue;
            uint64_t jitter_us = rng_below(&rng, 20) == 0 ? rng_below(&rng, step_us * 4) : 0;
            arrivals[seq64] = now_us + jitter_us;
            list[count++] = (struct rtcp_twcc_arrival){.seq64 = seq64, .at_us = arrivals[seq64]};
        }
        uint64_t base = 0, reported = 0;
        for (size_t done = 0; done < count;) {
            struct writer w = fresh();
            w.size = 100 + rng_below(&rng, 1400);
            size_t consumed = rtcp_write_twcc(&w, 1, 2, 3, base, list + done, count - done);
            assert_true(consumed > 0);
            done += consumed;
            base = check_feedback(&w, arrivals, base, &reported);
            assert_int_equal(base, list[done - 1].seq64 + 1);
        }
        assert_int_equal(reported, count);
    }
}

static void feedback_is_small(void **state) {
    (void)state;
    struct rtcp_twcc_arrival list[1000];
    for (size_t i = 0; i < 1000; i++)
        list[i] = (struct rtcp_twcc_arrival){.seq64 = 70000 + i, .at_us = 5000000 + i * 1000};
    struct writer w = fresh();
    assert_int_equal(rtcp_write_twcc(&w, 1, 2, 3, 70000, list, 1000), 1000);
    assert_int_equal(w.len, 20 + 2 + 1000 + 2); /* one run, a byte each, filled up to a word */
    w = fresh();
    assert_int_equal(rtcp_write_twcc(&w, 1, 2, 3, 69000, list, 14), 14);
    assert_int_equal(w.len, 20 + 2 + 2 + 14 + 2); /* 1000 lost in one run */
    for (size_t i = 0; i < 1000; i++)
        list[i].at_us = 64000 + i * 255 * 250; /* the longest step that a byte holds */
    w = fresh();
    assert_int_equal(rtcp_write_twcc(&w, 1, 2, 3, 70000, list, 1000), 1000);
    assert_int_equal(w.len, 20 + 2 + 1000 + 2);
    w = writer_of(buffer, 23);
    assert_int_equal(rtcp_write_twcc(&w, 1, 2, 3, 70000, list, 1000), 0);
    assert_true(writer_ok(&w) && w.len == 0);
}

static void feedback_that_lies_about_its_length_is_skipped(void **state) {
    (void)state;
    struct rtcp_twcc_arrival list[100];
    for (size_t i = 0; i < 100; i++)
        list[i] = (struct rtcp_twcc_arrival){.seq64 = i, .at_us = 5000000 + i * 50000 * (i % 2 + 1)};
    struct writer w = fresh();
    assert_int_equal(rtcp_write_twcc(&w, 1, 2, 3, 0, list, 100), 100);
    size_t whole = w.len;
    for (size_t len = 20; len < whole; len += 4) {
        uint8_t *exact = malloc(len);
        memcpy(exact, buffer, len);
        exact[2] = 0;
        exact[3] = (uint8_t)(len / 4 - 1);
        struct rtcp_counters counters = {0};
        struct rtcp_iter iter = rtcp_iter_of(span_of(exact, len), &counters);
        struct rtcp_view view;
        assert_false(rtcp_next(&iter, &view));
        assert_int_equal(counters.malformed, 1);
        free(exact);
    }
    w.len = 24;
    wr_patch_u16(&w, 2, 5);
    wr_patch_u16(&w, 14, 3);
    wr_patch_u16(&w, 20, 0x2003); /* three small deltas, and room for two */
    struct rtcp_iter short_iter = rtcp_iter_of(writer_span(&w), NULL);
    struct rtcp_view short_view;
    assert_false(rtcp_next(&short_iter, &short_view));
    wr_patch_u16(&w, 14, 2);
    assert_true(only(&w).kind == RTCP_TWCC);
    buffer[20] |= 0x60; /* run of the reserved symbol */
    struct rtcp_iter iter = rtcp_iter_of(writer_span(&w), NULL);
    struct rtcp_view view;
    assert_false(rtcp_next(&iter, &view));
}

/* Arrivals with loss, reorder and duplicates across wraps, feedback every so often: in the end every arrival was
 * reported with its time. */
static void the_recorder_reports_every_arrival(void **state) {
    (void)state;
    enum { COUNT = 200000, FIRST = 65000 };
    static uint64_t arrivals[COUNT];
    static uint8_t told[COUNT];
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct rng rng = rng_seeded(seed);
        struct twcc_log log;
        twcc_init(&log);
        memset(arrivals, 0, sizeof arrivals);
        memset(told, 0, sizeof told);
        uint64_t now_us = 1000000, delayed = 0, noted = 0;
        for (uint64_t i = 0; i < COUNT; i++) {
            now_us += rng_below(&rng, 2000);
            uint64_t arriving = i;
            if (delayed == 0 && rng_below(&rng, 50) == 0) {
                delayed = i;
                continue;
            }
            if (delayed != 0 && i - delayed > 200 + rng_below(&rng, 300)) {
                arriving = delayed;
                delayed = 0;
            } else if (rng_below(&rng, 10) == 0) {
                continue;
            }
            twcc_note(&log, (uint16_t)(FIRST + arriving), now_us);
            arrivals[arriving] = now_us;
            noted++;
            if (rng_below(&rng, 20) == 0)
                twcc_note(&log, (uint16_t)(FIRST + arriving), now_us + 5);
            if (rng_below(&rng, 100) != 0)
                continue;
            struct writer w = fresh();
            uint8_t expected_count = log.feedback_count;
            while (twcc_write(&log, &w, 1, 2)) {
                struct rtcp_view view = only(&w);
                assert_int_equal(view.twcc_feedback_count, expected_count++);
                struct rtcp_twcc_iter iter = rtcp_twcc_iter_of(&view);
                struct rtcp_twcc_packet packet;
                uint64_t at = i - (uint16_t)((uint16_t)(FIRST + i) - view.twcc_base_seq16);
                for (; rtcp_twcc_next(&iter, &packet); at++) {
                    assert_int_equal(packet.received, arrivals[at] != 0);
                    if (packet.received)
                        assert_true(arrivals[at] - (uint64_t)packet.arrival_us < 250);
                    told[at] |= packet.received ? 1 : 0;
                }
                w = fresh();
            }
            assert_int_equal(twcc_pending(&log), 0);
        }
        uint64_t untold = twcc_pending(&log);
        for (uint64_t i = 0; i < COUNT; i++)
            untold -= arrivals[i] != 0 && told[i] == 0 ? 1 : 0;
        assert_int_equal(log.counters.noted, noted);
        assert_true(untold <=
                    TWCC_WINDOW); /* not below 0: pending counts all that was not told, and what is told again */
        assert_int_equal(log.counters.overrun + log.counters.too_old + log.counters.resets, 0);
    }
}

static void the_recorder_starts_afresh_after_a_jump(void **state) {
    (void)state;
    struct twcc_log log;
    twcc_init(&log);
    struct writer w = fresh();
    assert_false(twcc_write(&log, &w, 1, 2));
    twcc_note(&log, 100, 1000);
    twcc_note(&log, 20100, 2000);
    assert_int_equal(log.counters.resets, 1);
    assert_int_equal(twcc_pending(&log), 1);
    assert_true(twcc_write(&log, &w, 1, 2));
    assert_int_equal(only(&w).twcc_base_seq16, 20100);
    for (uint16_t i = 0; i < TWCC_OLD_RUN_MAX; i++)
        twcc_note(&log, (uint16_t)(500 + i), 3000);
    assert_int_equal(log.counters.too_old, TWCC_OLD_RUN_MAX - 1);
    assert_int_equal(log.counters.resets, 2);
    assert_int_equal(twcc_pending(&log), 1);
}

static void the_recorder_counts_what_it_cannot_report(void **state) {
    (void)state;
    struct twcc_log log;
    twcc_init(&log);
    for (uint16_t seq16 = 0; seq16 < TWCC_WINDOW + 10; seq16++)
        twcc_note(&log, seq16, 1000 + seq16);
    assert_int_equal(log.counters.overrun, 10);
    assert_int_equal(twcc_pending(&log), TWCC_WINDOW);
    struct writer w = fresh();
    assert_true(twcc_write(&log, &w, 1, 2));
    assert_int_equal(only(&w).twcc_base_seq16, 10);
    assert_int_equal(only(&w).twcc_status_count, TWCC_WINDOW);
}

/* ---- an independent decoder ---------------------------------------------------------------------------- */

static void write_pcap(const char *path, struct span payload) {
    uint8_t bytes[24 + 16 + 28 + BUFFER_LEN];
    struct writer w = writer_of(bytes, sizeof bytes);
    wr_u32(&w, 0xa1b2c3d4);
    wr_u32(&w, 0x00020004);
    wr_u64(&w, 0);
    wr_u32(&w, 65535);
    wr_u32(&w, 101); /* raw IP */
    wr_u64(&w, 0);
    wr_u32(&w, (uint32_t)(28 + payload.len));
    wr_u32(&w, (uint32_t)(28 + payload.len));
    wr_u16(&w, 0x4500);
    wr_u16(&w, (uint16_t)(28 + payload.len));
    wr_u32(&w, 0);
    wr_u32(&w, 0x40110000);
    wr_u64(&w, 0x7f0000017f000001);
    wr_u32(&w, 5004u << 16 | 5005);
    wr_u16(&w, (uint16_t)(8 + payload.len));
    wr_u16(&w, 0);
    wr_span(&w, payload);
    assert_true(writer_ok(&w));
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, w.len, file), w.len);
    assert_int_equal(fclose(file), 0);
}

static void tshark_reads_what_we_build(void **state) {
    (void)state;
    if (system("command -v tshark >/dev/null 2>&1") != 0)
        fail_msg("tshark is not installed; tools/deps test does that");
    struct writer w = fresh();
    const uint32_t ssrc = 305419896;
    const struct rtcp_report_block block = {.ssrc = 1111, .fraction_lost = 64, .lost = 5, .jitter = 2222};
    const struct rtcp_sender_info info = {.ntp = 1, .rtp_time = 3333, .packets = 4444, .bytes = 5555};
    const struct rtcp_fir_entry fir = {ssrc, 9};
    const uint16_t lost[] = {6001, 6003, 7001};
    struct rtcp_twcc_arrival arrivals[30];
    for (size_t i = 0; i < 30; i++)
        arrivals[i] = (struct rtcp_twcc_arrival){.seq64 = 8001 + i + i % 2, .at_us = 64000000 + i * i * 3000};
    for (size_t i = 1; i < 30; i++)
        arrivals[i].seq64 = arrivals[i - 1].seq64 + 1 + i % 3;
    assert_true(rtcp_write_sr(&w, 99, &info, &block, 1) && rtcp_write_sdes(&w, 99, span_str("conclave-name")));
    assert_int_equal(rtcp_write_nack(&w, 99, ssrc, lost, 3), 3);
    assert_true(rtcp_write_pli(&w, 99, ssrc) && rtcp_write_fir(&w, 99, &fir, 1));
    assert_true(rtcp_write_remb(&w, 99, 1500000, &ssrc, 1));
    assert_int_equal(rtcp_write_twcc(&w, 99, ssrc, 17, 8001, arrivals, 30), 30);
    assert_true(rtcp_write_bye(&w, &ssrc, 1));
    char path[] = "/tmp/conclave-rtcp-XXXXXX", command[200];
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    write_pcap(path, writer_span(&w));
    (void)snprintf(command, sizeof command, "tshark -r %s -d udp.port==5005,rtcp -V 2>/dev/null", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    static char text[200000];
    size_t len = fread(text, 1, sizeof text - 1, pipe);
    text[len] = 0;
    (void)pclose(pipe);
    (void)remove(path);
    static const char *const expected[] = {"Sender Report (200)",
                                           "packet count: 4444",
                                           "octet count: 5555",
                                           "Fraction lost: 64",
                                           "conclave-name",
                                           "6001",
                                           "6003",
                                           "7001",
                                           "Picture Loss Indication",
                                           "Full Intra Request",
                                           "REMB",
                                           "1500000",
                                           "8001",
                                           "Goodbye (203)",
                                           "0x12345678"};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        if (strstr(text, expected[i]) == NULL)
            fail_msg("tshark does not show: %s\n%s", expected[i], text);
    }
    assert_null(strstr(text, "Malformed"));
    assert_null(strstr(text, "Expert Info (Error"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_are_read_as_written),
        cmocka_unit_test(a_cname_of_every_length_comes_back),
        cmocka_unit_test(small_messages_are_read_as_written),
        cmocka_unit_test(a_remb_rate_is_kept_to_18_bits),
        cmocka_unit_test(nacks_are_packed_and_come_back_in_order),
        cmocka_unit_test(a_full_writer_keeps_whole_packets_only),
        cmocka_unit_test(a_broken_packet_is_skipped_and_broken_framing_ends),
        cmocka_unit_test(a_foreign_feedback_is_read),
        cmocka_unit_test(feedback_tells_when_each_packet_arrived),
        cmocka_unit_test(feedback_is_small),
        cmocka_unit_test(feedback_that_lies_about_its_length_is_skipped),
        cmocka_unit_test(the_recorder_reports_every_arrival),
        cmocka_unit_test(the_recorder_starts_afresh_after_a_jump),
        cmocka_unit_test(the_recorder_counts_what_it_cannot_report),
        cmocka_unit_test(tshark_reads_what_we_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
