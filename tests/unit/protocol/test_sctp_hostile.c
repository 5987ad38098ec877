/* SCTP against a peer, or a stranger inside the DTLS connection, that does not play by the rules. */
#include <stdlib.h>

#include "base/crc.h"
#include "base/time.h"
#include "sctp_pair.h"
#include "unit.h"

/* What the wire told about the association between side 0 (connecting) and side 1. */
struct spied {
    uint32_t tag[2]; /* that packets to this side carry */
    uint32_t tsn[2]; /* initial, of this side */
    uint8_t cookie_packet[PAIR_PACKET_BYTES];
    size_t cookie_len;
    uint8_t last[2][PAIR_PACKET_BYTES];
    size_t last_len[2];
};

static uint32_t get_u32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool spy(struct pair *pair, int side, uint8_t *bytes, size_t len) {
    struct spied *spied = pair->context;
    if (bytes[12] == 1 || bytes[12] == 2) { /* INIT, INIT ACK */
        spied->tag[side] = get_u32(bytes + 16);
        spied->tsn[side] = get_u32(bytes + 28);
    } else if (bytes[12] == 10) {
        memcpy(spied->cookie_packet, bytes, len);
        spied->cookie_len = len;
    }
    memcpy(spied->last[side], bytes, len);
    spied->last_len[side] = len;
    return true;
}

static struct pair *spied_pair(struct spied *spied, const struct sctp_config *config) {
    struct pair *pair = pair_new(77, config);
    memset(spied, 0, sizeof *spied);
    pair->context = spied;
    pair->on_packet = spy;
    pair_connect(pair);
    return pair;
}

static size_t data_chunk(uint8_t *out, uint8_t flags, uint32_t tsn, uint16_t stream, uint16_t ssn, size_t len) {
    struct writer w = writer_of(out, 1400);
    wr_u8(&w, 0);
    wr_u8(&w, flags);
    wr_u16(&w, (uint16_t)(16 + len));
    wr_u32(&w, tsn);
    wr_u16(&w, stream);
    wr_u16(&w, ssn);
    wr_u32(&w, 51);
    wr_zeros(&w, (len + 3) & ~(size_t)3);
    assert_true(writer_ok(&w));
    return w.len;
}

static void still_works(struct pair *pair) {
    uint32_t before = pair->side[1].messages;
    struct sctp_send_options options = {.stream = 9, .ppid = 51};
    uint8_t bytes[3000] = {1};
    assert_int_equal(sctp_send(pair->side[0].s, pair->now_us, &options, span_of(bytes, sizeof bytes)), SCTP_SEND_OK);
    pair_run(pair, 5 * US_PER_S);
    assert_int_equal(pair->side[1].messages, before + 1);
    assert_int_equal(pair->side[0].closed + pair->side[1].closed, 0);
}

static void packets_with_a_wrong_tag_checksum_or_port_change_nothing(void **state) {
    (void)state;
    struct spied spied;
    struct pair *pair = spied_pair(&spied, NULL);
    const uint8_t abort_chunk[] = {6, 0, 0, 4};
    const uint8_t abort_reflected[] = {6, 1, 0, 4};
    const uint8_t shutdown_complete[] = {14, 1, 0, 4};
    pair_inject(pair, 1, spied.tag[1] + 1, abort_chunk, 4);
    pair_inject(pair, 1, 0, abort_chunk, 4);
    pair_inject(pair, 1, spied.tag[0] + 1, abort_reflected, 4);
    pair_inject(pair, 1, spied.tag[1], abort_reflected, 4);
    pair_inject(pair, 1, spied.tag[1] ^ 5, shutdown_complete, 4);
    assert_int_equal(pair->side[1].counters.rx_bad_tag, 5);
    uint8_t bytes[16] = {0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 1, 2, 3, 4, 6, 0, 0, 4};
    for (int i = 0; i < 4; i++)
        bytes[4 + i] = (uint8_t)(spied.tag[1] >> (24 - 8 * i));
    sctp_input(pair->side[1].s, pair->now_us, span_of(bytes, sizeof bytes));
    for (size_t len = 0; len < 16; len++)
        sctp_input(pair->side[1].s, pair->now_us, span_of(bytes, len));
    assert_int_equal(pair->side[1].counters.rx_bad_packet, 17);
    still_works(pair);
    pair_free(pair);
}

static void truncated_and_overlong_chunks_are_dropped(void **state) {
    (void)state;
    struct spied spied;
    struct pair *pair = spied_pair(&spied, NULL);
    struct rng rng = rng_seeded(5);
    const uint8_t types[] = {0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 14, 130, 192, 63, 64, 128, 255};
    for (int i = 0; i < 50000; i++) {
        uint8_t chunk[96];
        size_t len = 4 + rng_below(&rng, sizeof chunk - 4);
        rng_fill(&rng, chunk, sizeof chunk);
        chunk[0] = types[rng_below(&rng, sizeof types)];
        chunk[2] = 0;
        if (rng_below(&rng, 4) != 0)
            chunk[3] = (uint8_t)(len & 0xfc);
        if (chunk[0] == 0 || chunk[0] == 192) { /* far away: a near one would be taken */
            chunk[4] = (uint8_t)((spied.tsn[0] >> 24) + 0x40);
            chunk[0] = 0;
        }
        pair_inject(pair, 1, chunk[0] == 1 ? 0 : spied.tag[1], chunk, len);
        pair_inject(pair, 0, chunk[0] == 1 ? 0 : spied.tag[0], chunk, len);
    }
    pair_run(pair, US_PER_S);
    still_works(pair);
    pair_free(pair);
}

static void sacks_for_what_was_never_sent_are_refused(void **state) {
    (void)state;
    struct spied spied;
    struct pair *pair = spied_pair(&spied, NULL);
    struct sctp_send_options options = {.stream = 1, .ppid = 51};
    uint8_t bytes[5000] = {0};
    pair->cut = true;
    assert_int_equal(sctp_send(pair->side[0].s, pair->now_us, &options, span_of(bytes, sizeof bytes)), SCTP_SEND_OK);
    pair_pump(pair);
    uint8_t sack[16 + 4 * 300] = {3, 0, 0, 16};
    struct writer w = writer_of(sack, sizeof sack);
    w.len = 4;
    wr_u32(&w, spied.tsn[0] + 1000);
    wr_u32(&w, 100000);
    wr_u32(&w, 0);
    pair_inject(pair, 0, spied.tag[0], sack, 16);
    assert_int_equal(pair->side[0].counters.rx_bad_sack, 1);
    w.len = 2;
    wr_u16(&w, sizeof sack);
    wr_u32(&w, spied.tsn[0] - 1);
    wr_u32(&w, 100000);
    wr_u16(&w, 300);
    wr_u16(&w, 0);
    for (uint32_t i = 0; i < 300; i++)
        wr_u32(&w, 0x0001ffff);
    pair_inject(pair, 0, spied.tag[0], sack, sizeof sack);
    assert_int_equal(pair->side[0].counters.rx_bad_sack, 2);
    assert_int_equal(sctp_buffered_total(pair->side[0].s), sizeof bytes);
    pair->cut = false;
    pair_run(pair, 5 * US_PER_S);
    assert_int_equal(pair->side[1].messages, 1);
    still_works(pair);
    pair_free(pair);
}

static void a_sack_that_claims_and_takes_back_again_loses_nothing(void **state) {
    (void)state;
    struct spied spied;
    struct pair *pair = spied_pair(&spied, NULL);
    struct sctp_send_options options = {.stream = 1, .ppid = 51};
    uint8_t bytes[5000] = {0};
    pair->cut = true;
    assert_int_equal(sctp_send(pair->side[0].s, pair->now_us, &options, span_of(bytes, sizeof bytes)), SCTP_SEND_OK);
    pair_pump(pair);
    uint8_t sack[20] = {3, 0, 0, 20};
    struct writer w = writer_of(sack, sizeof sack);
    w.len = 4;
    wr_u32(&w, spied.tsn[0] - 1);
    wr_u32(&w, 100000);
    wr_u32(&w, 0x00010000);
    wr_u32(&w, 0x00020004);
    pair_inject(pair, 0, spied.tag[0], sack, 20);
    sack[3] = 16;
    sack[13] = 0;
    pair_inject(pair, 0, spied.tag[0], sack, 16);
    pair->cut = false;
    pair_run(pair, 5 * US_PER_S);
    assert_int_equal(pair->side[1].messages, 1);
    assert_true(pair_idle(pair));
    still_works(pair);
    pair_free(pair);
}

static void a_forged_cookie_is_refused(void **state) {
    (void)state;
    struct spied spied;
    struct pair *pair = spied_pair(&spied, NULL);
    uint8_t chunk[PAIR_PACKET_BYTES];
    size_t len = spied.cookie_len - 12;
    for (size_t i = 4; i < 81; i++) {
        memcpy(chunk, spied.cookie_packet + 12, len);
        chunk[i] ^= 0x10;
        pair_inject(pair, 1, spied.tag[1], chunk, len);
    }
    assert_int_equal(pair->side[1].counters.rx_bad_cookie, 77);
    assert_int_equal(pair->side[1].restarted, 0);
    still_works(pair);
    pair_free(pair);
}

static void the_cookie_of_this_association_is_only_acknowledged_again(void **state) {
    (void)state;
    struct spied spied;
    struct pair *pair = spied_pair(&spied, NULL);
    pair_run(pair, 100 * US_PER_S); /* past its life: it names the association that is up */
    pair_inject(pair, 1, spied.tag[1], spied.cookie_packet + 12, spied.cookie_len - 12);
    assert_int_equal(spied.last[1][12], 11);
    assert_int_equal(pair->side[1].connected, 1);
    still_works(pair);
    pair_free(pair);
}

static bool keep_cookie_back(struct pair *pair, int side, uint8_t *bytes, size_t len) {
    (void)spy(pair, side, bytes, len);
    return bytes[12] != 10;
}

static void an_old_cookie_is_stale_and_the_handshake_starts_again(void **state) {
    (void)state;
    struct spied spied = {0};
    struct pair *pair = pair_new(3, NULL);
    pair->context = &spied;
    pair->on_packet = keep_cookie_back;
    sctp_connect(pair->side[0].s, pair->now_us);
    pair_run(pair, 25 * US_PER_MS);
    assert_true(spied.cookie_len > 0);
    struct spied old = spied;
    pair->on_packet = spy;
    uint64_t late_us = pair->now_us + 61 * US_PER_S;
    sctp_input(pair->side[1].s, late_us, span_of(old.cookie_packet, old.cookie_len));
    assert_int_equal(pair->side[1].counters.rx_stale_cookie, 1);
    assert_false(sctp_is_connected(pair->side[1].s));
    pair_pump(pair); /* the ERROR goes back, side 0 begins anew */
    pair_run(pair, 5 * US_PER_S);
    assert_true(sctp_is_connected(pair->side[0].s) && sctp_is_connected(pair->side[1].s));
    still_works(pair);
    pair_free(pair);
}

static void an_init_for_a_living_association_changes_nothing_by_itself(void **state) {
    (void)state;
    struct spied spied;
    struct pair *pair = spied_pair(&spied, NULL);
    const uint8_t init[20] = {1, 0, 0, 20, 1, 2, 3, 4, 0, 1, 0, 0, 0, 9, 0, 9, 5, 6, 7, 8};
    uint8_t bad[20];
    for (int i = 0; i < 100; i++)
        pair_inject(pair, 1, 0, init, sizeof init);
    for (size_t i = 4; i < 16; i += 4) { /* no tag; no streams out or in */
        memcpy(bad, init, sizeof bad);
        memset(bad + i, 0, 4);
        pair_inject(pair, 1, 0, bad, sizeof bad);
    }
    assert_int_equal(pair->side[1].counters.rx_bad_chunk, 2);
    assert_int_equal(pair->side[1].restarted, 0);
    assert_int_equal(sctp_blocks_held(pair->side[1].s), 0);
    pair_run(pair, US_PER_S);
    still_works(pair);
    pair_free(pair);
}

static void jumps_of_forward_tsn_move_the_window_and_nothing_else(void **state) {
    (void)state;
    const uint32_t jumps[] = {1, 100, 4095, 4096, 4097, 100000, 0x7ffffff0};
    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        struct spied spied;
        struct pair *pair = spied_pair(&spied, NULL);
        uint8_t chunk[1400];
        for (uint32_t k = 1; k < 60; k++) { /* every second one, so that nothing is whole */
            size_t len =
                data_chunk(chunk, k % 3 == 0 ? 4 : 0, spied.tsn[0] + 2 * k, (uint16_t)(k % 5), (uint16_t)k, 50);
            pair_inject(pair, 1, spied.tag[1], chunk, len);
        }
        assert_int_equal(sctp_blocks_held(pair->side[1].s), 59);
        uint8_t forward[28] = {192, 0, 0, 28};
        struct writer w = writer_of(forward, sizeof forward);
        w.len = 4;
        wr_u32(&w, spied.tsn[0] + jumps[i]);
        for (uint16_t stream = 0; stream < 5; stream++) {
            wr_u16(&w, stream);
            wr_u16(&w, jumps[i] > 120 ? 2000 : 0);
        }
        pair_inject(pair, 1, spied.tag[1], forward, sizeof forward);
        assert_int_equal(get_u32(spied.last[1] + 16), spied.tsn[0] + (jumps[i] == 1     ? 2
                                                                      : jumps[i] == 100 ? 100
                                                                                        : jumps[i]));
        if (jumps[i] > 120)
            assert_int_equal(sctp_blocks_held(pair->side[1].s), 0);
        /* the stream goes on behind what was skipped */
        size_t len = data_chunk(chunk, 3, spied.tsn[0] + jumps[i] + 1, 0, jumps[i] > 120 ? 2001 : 1, 50);
        uint32_t before = pair->side[1].messages;
        pair_inject(pair, 1, spied.tag[1], chunk, len);
        if (jumps[i] > 120)
            assert_int_equal(pair->side[1].messages, before + 1);
        pair_free(pair);
    }
}

/* A request to reset all of the peer's streams. */
static void put_reset(struct writer *w, uint32_t seq, uint32_t tsn) {
    wr_u8(w, 130);
    wr_u8(w, 0);
    wr_u16(w, 20);
    wr_u16(w, 13);
    wr_u16(w, 16);
    wr_u32(w, seq);
    wr_u32(w, 0);
    wr_u32(w, tsn);
}

static void of_a_packet_full_of_resets_those_are_done_that_are_answered(void **state) {
    (void)state;
    struct spied spied;
    struct pair *pair = spied_pair(&spied, NULL);
    uint8_t chunks[1100];
    struct writer w = writer_of(chunks, sizeof chunks);
    uint32_t first = spied.tsn[0]; /* RFC 6525 section 4.1: numbers begin at the initial TSN */
    for (uint32_t i = 0; i < 50; i++)
        put_reset(&w, first + i, spied.tsn[0] - 1);
    pair_inject(pair, 1, spied.tag[1], chunks, w.len);
    assert_int_equal(spied.last[1][12], 130);
    uint32_t answered = (get_u32(spied.last[1] + 12) & 0xffff) / 12;
    assert_in_range(answered, 1, 2);
    /* the next in number was not done: it is when it comes again */
    w.len = 0;
    put_reset(&w, first + answered, spied.tsn[0] - 1);
    pair_inject(pair, 1, spied.tag[1], chunks, w.len);
    assert_int_equal(spied.last[1][12], 130);
    assert_int_equal(get_u32(spied.last[1] + 12 + 8), first + answered);
    assert_int_equal(get_u32(spied.last[1] + 12 + 12), 1); /* performed, not: a wrong number */
    pair_free(pair);
}

static void of_a_packet_full_of_forward_tsns_one_is_heard(void **state) {
    (void)state;
    struct spied spied;
    struct pair *pair = spied_pair(&spied, NULL);
    uint8_t chunks[1100];
    struct writer w = writer_of(chunks, sizeof chunks);
    for (uint32_t i = 0; i < 100; i++) {
        wr_u8(&w, 192);
        wr_u8(&w, 0);
        wr_u16(&w, 8);
        wr_u32(&w, spied.tsn[0] + i);
    }
    pair_inject(pair, 1, spied.tag[1], chunks, w.len);
    assert_int_equal(get_u32(spied.last[1] + 16), spied.tsn[0]);
    assert_int_equal(pair->side[1].counters.rx_repeated_chunk, 99);
    pair_free(pair);
}

static void a_peer_that_never_completes_a_message_is_ended_within_the_limits(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct spied spied;
        struct pair *pair = spied_pair(&spied, NULL);
        uint8_t chunk[1400];
        uint32_t peak = 0;
        for (uint32_t k = 0; k < 3000 && pair->side[1].closed == 0; k++) {
            size_t len = 0;
            if (kind == 0) /* one endless message */
                len = data_chunk(chunk, k == 0 ? 2 : 0, spied.tsn[0] + k, 1, 0, 1000);
            else if (kind == 1) /* whole messages that wait for one that never comes */
                len = data_chunk(chunk, 3, spied.tsn[0] + k, 1, (uint16_t)(k + 1), 1000);
            else if (kind == 2) /* the same in crumbs */
                len = data_chunk(chunk, 3, spied.tsn[0] + k, (uint16_t)(k % 7), (uint16_t)(k / 7 + 1), 1);
            else /* beyond a hole */
                len = data_chunk(chunk, 3, spied.tsn[0] + 1 + k, 1, (uint16_t)(k + 1), 1000);
            pair_inject(pair, 1, spied.tag[1], chunk, len);
            uint32_t held = sctp_blocks_held(pair->side[1].s);
            peak = held > peak ? held : peak;
        }
        assert_true(peak <= SCTP_BUFFER_BYTES / 768 + 16);
        if (kind < 3) {
            assert_int_equal(pair->side[1].closed, 1);
            assert_int_equal(pair->side[1].reason, SCTP_CLOSED_VIOLATION);
            assert_int_equal(pair->side[1].buffers.used, 0);
        } else { /* filling the hole sets everything free */
            assert_true(pair->side[1].counters.rx_no_room > 0);
            size_t len = data_chunk(chunk, 3, spied.tsn[0], 1, 0, 1000);
            pair_inject(pair, 1, spied.tag[1], chunk, len);
            assert_true(pair->side[1].counters.rx_reneged > 0);
            assert_true(pair->side[1].messages > 200);
            assert_int_equal(sctp_blocks_held(pair->side[1].s), 0);
        }
        pair_free(pair);
    }
}

static void a_filled_hole_is_acknowledged_at_once(void **state) {
    (void)state;
    struct spied spied;
    struct pair *pair = spied_pair(&spied, NULL);
    uint8_t chunk[1400];
    const struct {
        uint32_t tsn;
        bool at_once;
    } steps[] = {{0, false}, {2, true}, {1, true}, {3, false}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        uint64_t before = pair->packets_sent[1];
        size_t len = data_chunk(chunk, 7, spied.tsn[0] + steps[i].tsn, 1, 0, 100);
        pair_inject(pair, 1, spied.tag[1], chunk, len);
        assert_int_equal(pair->packets_sent[1], before + (steps[i].at_once ? 1 : 0));
        pair_run(pair, US_PER_S); /* also the late ones */
        assert_int_equal(pair->packets_sent[1], before + 1);
    }
    pair_free(pair);
}

static void when_the_shared_blocks_are_used_up_nothing_is_lost_for_good(void **state) {
    (void)state;
    struct spied spied;
    struct pair *pair = spied_pair(&spied, NULL);
    struct sctp_buffers *buffers = &pair->side[1].buffers;
    uint32_t capacity = buffers->capacity;
    struct sctp_send_options options = {.stream = 1, .ppid = 51};
    uint8_t bytes[60000] = {0};
    buffers->capacity = 20; /* as if other associations held the rest */
    assert_int_equal(sctp_send(pair->side[1].s, pair->now_us, &options, span_of(bytes, sizeof bytes)), SCTP_SEND_FULL);
    assert_int_equal(sctp_send(pair->side[0].s, pair->now_us, &options, span_of(bytes, sizeof bytes)), SCTP_SEND_OK);
    pair_run(pair, 3 * US_PER_S);
    assert_int_equal(pair->side[1].messages, 0);
    assert_true(pair->side[1].counters.rx_no_block > 0 && buffers->used <= 20);
    buffers->capacity = capacity;
    pair_run(pair, 20 * US_PER_S);
    assert_int_equal(pair->side[1].messages, 1);
    still_works(pair);
    pair_free(pair);
}

static void an_association_whose_messages_nobody_takes_holds_a_share_of_the_blocks_and_closes_its_window(void **state) {
    (void)state;
    struct spied spied;
    struct pair *pair = spied_pair(&spied, NULL);
    struct sctp_buffers *buffers = &pair->side[1].buffers;
    uint32_t capacity = buffers->capacity;
    struct sctp_send_options options = {.stream = 1, .ppid = 51};
    uint8_t bytes[1000] = {0};
    buffers->capacity = 200; /* as if there were no more for all associations */
    sctp_hold_messages(pair->side[1].s, true);
    uint32_t given = 0;
    for (int i = 0; i < 50; i++) {
        while (sctp_send(pair->side[0].s, pair->now_us, &options, span_of(bytes, sizeof bytes)) == SCTP_SEND_OK)
            given++;
        pair_run(pair, US_PER_S / 10);
    }
    assert_int_equal(pair->side[1].messages, 0);
    assert_in_range(sctp_blocks_held(pair->side[1].s), 60, 90);
    assert_in_range(sctp_stats(pair->side[0].s).peer_window_bytes, 0, 2000);
    assert_int_equal(pair->side[1].closed, 0);
    /* what makes no message goes on meanwhile: the other direction, and resets */
    assert_int_equal(sctp_send(pair->side[1].s, pair->now_us, &options, span_of(bytes, sizeof bytes)), SCTP_SEND_OK);
    pair_run(pair, US_PER_S);
    assert_int_equal(pair->side[0].messages, 1);
    sctp_hold_messages(pair->side[1].s, false);
    buffers->capacity = capacity;
    pair_pump(pair);
    pair_run(pair, 20 * US_PER_S);
    assert_int_equal(pair->side[1].messages, given);
    still_works(pair);
    pair_free(pair);
}

static void reset_requests_out_of_sequence_or_out_of_range_are_answered_so(void **state) {
    (void)state;
    struct spied spied;
    struct pair *pair = spied_pair(&spied, NULL);
    uint8_t chunk[24] = {130, 0, 0, 22, 0, 13, 0, 18};
    struct writer w = writer_of(chunk, sizeof chunk);
    w.len = 8;
    wr_u32(&w, spied.tsn[0] + 7);
    wr_u32(&w, 0);
    wr_u32(&w, spied.tsn[0] - 1);
    wr_u16(&w, 1);
    wr_u16(&w, 0);
    pair_inject(pair, 1, spied.tag[1], chunk, sizeof chunk);
    assert_int_equal(get_u32(spied.last[1] + 24), 5);
    w.len = 8;
    wr_u32(&w, spied.tsn[0]);
    w.len = 20;
    wr_u16(&w, 5000);
    pair_inject(pair, 1, spied.tag[1], chunk, sizeof chunk);
    assert_int_equal(get_u32(spied.last[1] + 24), 3);
    assert_int_equal(pair->side[1].counters.rx_bad_reconfig, 2);
    /* a request for a TSN still to come waits for it */
    w.len = 8;
    wr_u32(&w, spied.tsn[0] + 1);
    wr_u32(&w, 0);
    wr_u32(&w, spied.tsn[0]);
    wr_u16(&w, 1);
    pair_inject(pair, 1, spied.tag[1], chunk, sizeof chunk);
    assert_int_equal(get_u32(spied.last[1] + 24), 6);
    assert_int_equal(pair->side[1].resets_in[1], 0);
    uint8_t data[1400];
    pair_inject(pair, 1, spied.tag[1], data, data_chunk(data, 3, spied.tsn[0], 1, 0, 10));
    assert_int_equal(pair->side[1].messages, 1);
    assert_int_equal(pair->side[1].resets_in[1], 1);
    pair_free(pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_with_a_wrong_tag_checksum_or_port_change_nothing),
        cmocka_unit_test(truncated_and_overlong_chunks_are_dropped),
        cmocka_unit_test(sacks_for_what_was_never_sent_are_refused),
        cmocka_unit_test(a_sack_that_claims_and_takes_back_again_loses_nothing),
        cmocka_unit_test(a_forged_cookie_is_refused),
        cmocka_unit_test(the_cookie_of_this_association_is_only_acknowledged_again),
        cmocka_unit_test(an_old_cookie_is_stale_and_the_handshake_starts_again),
        cmocka_unit_test(an_init_for_a_living_association_changes_nothing_by_itself),
        cmocka_unit_test(jumps_of_forward_tsn_move_the_window_and_nothing_else),
        cmocka_unit_test(of_a_packet_full_of_resets_those_are_done_that_are_answered),
        cmocka_unit_test(of_a_packet_full_of_forward_tsns_one_is_heard),
        cmocka_unit_test(a_peer_that_never_completes_a_message_is_ended_within_the_limits),
        cmocka_unit_test(a_filled_hole_is_acknowledged_at_once),
        cmocka_unit_test(when_the_shared_blocks_are_used_up_nothing_is_lost_for_good),
        cmocka_unit_test(an_association_whose_messages_nobody_takes_holds_a_share_of_the_blocks_and_closes_its_window),
        cmocka_unit_test(reset_requests_out_of_sequence_or_out_of_range_are_answered_so),
    };
    return cmocka_run_group_tests_name("sctp, hostile peers", tests, NULL, NULL);
}
