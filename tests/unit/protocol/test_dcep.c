/* Data channels: the wire format, and two tables over the virtual network. */
#include <stdlib.h>

#include "base/time.h"
#include "protocol/dcep.h"
#include "sctp_pair.h"
#include "unit.h"

struct tables {
    struct data_channels set[2];
    struct dcep_counters counters[2];
    uint32_t connected[2];
    uint32_t opened[2];
    uint32_t opened_by_peer[2];
    uint32_t closed[2];
    uint32_t down[2];
    uint32_t writable[2];
    uint32_t last_channel[2];
    uint32_t messages[2];
    uint32_t empty[2];
    uint32_t binary[2];
    bool order_broken;
    uint32_t next[2];
};

static bool poll_tables(struct pair *pair, int side) {
    struct tables *t = pair->context;
    struct data_channel_event e;
    if (!data_channels_poll(&t->set[side], pair->now_us, &e))
        return false;
    switch (e.type) {
    case DATA_CHANNELS_CONNECTED:
        t->connected[side]++;
        pair->side[side].connected++;
        break;
    case DATA_CHANNEL_OPENED:
        t->opened[side]++;
        t->opened_by_peer[side] += e.by_peer;
        t->last_channel[side] = e.channel;
        break;
    case DATA_CHANNEL_MESSAGE: {
        uint8_t bytes[4096];
        struct writer w = writer_of(bytes, sizeof bytes);
        data_channels_copy(&t->set[side], &e, &w);
        assert_int_equal(w.len, e.len_bytes);
        assert_non_null(data_channels_get(&t->set[side], e.channel));
        t->messages[side]++;
        t->empty[side] += e.len_bytes == 0;
        t->binary[side] += e.binary;
        if (e.len_bytes >= 4) {
            uint32_t count;
            memcpy(&count, bytes, sizeof count);
            t->order_broken |= count < t->next[side];
            t->next[side] = count + 1;
        }
        uint32_t part = 0;
        size_t total = 0;
        for (struct span span; data_channels_part(&t->set[side], &e, &part, &span);)
            total += span.len;
        assert_int_equal(total, e.len_bytes);
        break;
    }
    case DATA_CHANNEL_CLOSED:
        t->closed[side]++;
        t->last_channel[side] = e.channel;
        assert_null(data_channels_get(&t->set[side], e.channel));
        break;
    case DATA_CHANNELS_WRITABLE:
        t->writable[side]++;
        break;
    case DATA_CHANNELS_DOWN:
        t->down[side]++;
        break;
    }
    return true;
}

static struct pair *tables_new(uint64_t seed, struct tables *t) {
    struct pair *pair = pair_new(seed, NULL);
    memset(t, 0, sizeof *t);
    pair->context = t;
    pair->poll_event = poll_tables;
    for (int i = 0; i < 2; i++)
        data_channels_init(&t->set[i], pair->side[i].s, i == 0 ? DCEP_DTLS_CLIENT : DCEP_DTLS_SERVER, &t->counters[i]);
    return pair;
}

static uint32_t open_channel(struct pair *pair, int side, const char *label, bool lossy) {
    struct tables *t = pair->context;
    struct dcep_open open = {.label = span_str(label), .priority = 256};
    uint32_t channel = DATA_CHANNELS_MAX;
    if (lossy) {
        open.unordered = true;
        open.reliability = DCEP_MAX_RETRANSMITS;
    }
    assert_true(data_channels_open(&t->set[side], pair->now_us, &open, &channel));
    pair_pump(pair);
    return channel;
}

static enum data_channel_send_result send_count(struct pair *pair, int side, uint32_t channel, uint32_t count,
                                                size_t len) {
    struct tables *t = pair->context;
    uint8_t bytes[4096] = {0};
    memcpy(bytes, &count, sizeof count);
    enum data_channel_send_result result =
        data_channels_send(&t->set[side], pair->now_us, channel, true, span_of(bytes, len));
    pair_pump(pair);
    return result;
}

static void an_open_message_is_read_as_it_was_written(void **state) {
    (void)state;
    /* as a browser sends it for createDataChannel("_lossy", {ordered: false, maxRetransmits: 0}) */
    const uint8_t lossy[] = {3, 0x81, 1, 0, 0, 0, 0, 0, 0, 6, 0, 0, '_', 'l', 'o', 's', 's', 'y'};
    struct dcep_open open;
    assert_true(dcep_parse_open(span_of(lossy, sizeof lossy), &open));
    assert_true(open.unordered && open.reliability == DCEP_MAX_RETRANSMITS && open.reliability_value == 0);
    assert_int_equal(open.priority, 256);
    assert_true(span_equal_str(open.label, "_lossy"));
    uint8_t bytes[DCEP_OPEN_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    dcep_write_open(&w, &open);
    assert_int_equal(w.len, sizeof lossy);
    assert_memory_equal(bytes, lossy, sizeof lossy);
    for (size_t len = 0; len < sizeof lossy; len++)
        assert_false(dcep_parse_open(span_of(lossy, len), &open));
    uint8_t bad[sizeof lossy + 1] = {0};
    memcpy(bad, lossy, sizeof lossy);
    assert_false(dcep_parse_open(span_of(bad, sizeof bad), &open));
    bad[1] = 3;
    assert_false(dcep_parse_open(span_of(bad, sizeof lossy), &open));
    const uint8_t ack[] = {2};
    assert_true(dcep_is_ack(span_of(ack, 1)));
    assert_false(dcep_is_ack(span_of(lossy, 1)));
}

static void channels_open_from_both_sides_before_and_after_the_association_is_up(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct tables t;
        struct pair *pair = tables_new(seed, &t);
        pair->link = (struct pair_link){.loss = 0.15, .reorder = 0.3, .duplicate = 0.1, .delay_us = 10 * US_PER_MS};
        uint32_t lossy = open_channel(pair, 0, "_lossy", true);
        uint32_t reliable = open_channel(pair, 0, "_reliable", false);
        assert_int_equal(data_channels_get(&t.set[0], lossy)->stream, 0);
        assert_int_equal(data_channels_get(&t.set[0], reliable)->stream, 2);
        assert_int_equal(send_count(pair, 0, reliable, 0, 100), DATA_CHANNEL_OK);
        sctp_connect(pair->side[0].s, pair->now_us);
        sctp_connect(pair->side[1].s, pair->now_us);
        pair_run(pair, 30 * US_PER_S);
        uint32_t track = open_channel(pair, 1, "_data_track", true);
        assert_int_equal(data_channels_get(&t.set[1], track)->stream, 1);
        pair_run(pair, 30 * US_PER_S);
        assert_int_equal(t.connected[0] + t.connected[1], 2);
        assert_int_equal(t.opened[0], 3);
        assert_int_equal(t.opened[1], 3);
        assert_int_equal(t.opened_by_peer[1], 2);
        assert_int_equal(t.opened_by_peer[0], 1);
        assert_int_equal(t.messages[1], 1);
        uint32_t found = DATA_CHANNELS_MAX;
        assert_true(data_channels_find(&t.set[1], span_str("_lossy"), &found));
        const struct dcep_channel *c = data_channels_get(&t.set[1], found);
        assert_true(c->unordered && c->reliability == DCEP_MAX_RETRANSMITS && c->reliability_value == 0);
        assert_int_equal(c->priority, 256);
        pair_free(pair);
    }
}

static void messages_do_not_overtake_the_open_of_an_unordered_channel(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct tables t;
        struct pair *pair = tables_new(seed, &t);
        pair_connect(pair);
        pair->link = (struct pair_link){.reorder = 0.8, .delay_us = 10 * US_PER_MS};
        uint32_t lossy = open_channel(pair, 0, "_lossy", true);
        for (uint32_t i = 0; i < 20; i++)
            assert_int_equal(send_count(pair, 0, lossy, i, 1000), DATA_CHANNEL_OK);
        pair_run(pair, 5 * US_PER_S);
        assert_int_equal(t.counters[1].rx_no_channel, 0);
        assert_false(t.order_broken);
        for (uint32_t i = 20; i < 120; i++) {
            assert_int_equal(send_count(pair, 0, lossy, i, 1000), DATA_CHANNEL_OK);
            pair_run(pair, US_PER_MS);
        }
        pair_run(pair, 5 * US_PER_S);
        assert_true(t.order_broken); /* later it may, and does, on such a network */
        pair_free(pair);
    }
}

static void texts_bytes_and_empty_messages_arrive_as_what_they_are(void **state) {
    (void)state;
    struct tables t;
    struct pair *pair = tables_new(1, &t);
    pair_connect(pair);
    uint32_t c = open_channel(pair, 0, "chat", false);
    struct span none = {0};
    assert_int_equal(data_channels_send(&t.set[0], pair->now_us, c, false, span_str("x")), DATA_CHANNEL_OK);
    assert_int_equal(data_channels_send(&t.set[0], pair->now_us, c, true, span_str("x")), DATA_CHANNEL_OK);
    assert_int_equal(data_channels_send(&t.set[0], pair->now_us, c, false, none), DATA_CHANNEL_OK);
    assert_int_equal(data_channels_send(&t.set[0], pair->now_us, c, true, none), DATA_CHANNEL_OK);
    pair_run(pair, US_PER_S);
    assert_int_equal(t.messages[1], 4);
    assert_int_equal(t.binary[1], 2);
    assert_int_equal(t.empty[1], 2);
    pair_free(pair);
}

static void a_channel_closes_on_both_sides_and_its_stream_is_used_again(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct tables t;
        struct pair *pair = tables_new(seed, &t);
        pair_connect(pair);
        pair->link = (struct pair_link){.loss = 0.15, .reorder = 0.3, .duplicate = 0.1, .delay_us = 10 * US_PER_MS};
        for (uint32_t round = 1; round <= 4; round++) {
            t.next[0] = t.next[1] = 0;
            uint32_t c = open_channel(pair, 0, "again", false);
            assert_int_equal(data_channels_get(&t.set[0], c)->stream, 0);
            for (uint32_t i = 0; i < 10; i++)
                assert_int_equal(send_count(pair, 0, c, i, 2000), DATA_CHANNEL_OK);
            if (round % 2 == 0) {
                pair_run(pair, 20 * US_PER_S);
                uint32_t theirs = DATA_CHANNELS_MAX;
                assert_true(data_channels_find(&t.set[1], span_str("again"), &theirs));
                data_channels_close(&t.set[1], pair->now_us, theirs);
            } else {
                data_channels_close(&t.set[0], pair->now_us, c);
                assert_int_equal(send_count(pair, 0, c, 0, 10), DATA_CHANNEL_NOT_OPEN);
            }
            /* as soon as the closing is over here, the next one opens on the same stream */
            for (int i = 0; i < 60000 && t.closed[0] < round; i++)
                pair_run(pair, US_PER_MS);
            assert_int_equal(t.closed[0], round);
        }
        pair_run(pair, 30 * US_PER_S);
        assert_int_equal(t.closed[1], 4);
        assert_int_equal(t.opened_by_peer[1], 4);
        assert_int_equal(t.messages[1], 40);
        assert_false(t.order_broken);
        assert_true(pair_idle(pair));
        pair_free(pair);
    }
}

static void what_cannot_be_opened_is_refused_by_a_reset(void **state) {
    (void)state;
    struct tables t;
    struct pair *pair = tables_new(1, &t);
    pair_connect(pair);
    for (int i = 0; i < DATA_CHANNELS_MAX; i++)
        (void)open_channel(pair, 1, "full", false);
    pair_run(pair, US_PER_S);
    struct dcep_open open = {.label = span_str("one more")};
    uint32_t channel;
    assert_false(data_channels_open(&t.set[1], pair->now_us, &open, &channel));
    assert_false(data_channels_open(&t.set[0], pair->now_us, &open, &channel));
    /* the peer's OPEN by hand, since its own table keeps it from one more */
    uint8_t bytes[200];
    struct writer w = writer_of(bytes, sizeof bytes);
    dcep_write_open(&w, &open);
    struct sctp_send_options options = {.stream = 100, .ppid = DCEP_PPID_CONTROL};
    assert_int_equal(sctp_send(pair->side[1].s, pair->now_us, &options, writer_span(&w)), SCTP_SEND_OK);
    options.stream = 201; /* label too long */
    wr_zeros(&w, 90);
    wr_patch_u16(&w, 8, 98);
    assert_int_equal(sctp_send(pair->side[1].s, pair->now_us, &options, writer_span(&w)), SCTP_SEND_OK);
    pair_run(pair, 2 * US_PER_S);
    assert_int_equal(t.opened[0], DATA_CHANNELS_MAX);
    assert_int_equal(t.counters[0].rx_wrong_parity, 1);
    assert_int_equal(t.counters[0].rx_bad_control, 1);
    assert_int_equal(t.down[0] + t.down[1], 0);
    pair_free(pair);
}

static void a_full_buffer_is_told_and_its_end_as_well(void **state) {
    (void)state;
    struct tables t;
    struct pair *pair = tables_new(1, &t);
    pair_connect(pair);
    uint32_t c = open_channel(pair, 0, "bulk", false);
    uint32_t count = 0;
    while (send_count(pair, 0, c, count, 4000) == DATA_CHANNEL_OK)
        count++;
    assert_true(count > 60 && data_channels_buffered_bytes(&t.set[0], c) > 250000);
    assert_int_equal(t.writable[0], 0);
    pair_run(pair, 10 * US_PER_S);
    assert_int_equal(t.writable[0], 1);
    assert_int_equal(t.messages[1], count);
    assert_int_equal(data_channels_buffered_bytes(&t.set[0], c), 0);
    pair_free(pair);
}

static void the_end_of_the_association_closes_everything(void **state) {
    (void)state;
    struct tables t;
    struct pair *pair = tables_new(1, &t);
    pair_connect(pair);
    uint32_t c = open_channel(pair, 0, "bulk", false);
    pair_run(pair, US_PER_S);
    sctp_close(pair->side[1].s, pair->now_us, false);
    pair_run(pair, US_PER_S);
    assert_int_equal(t.down[0], 1);
    assert_int_equal(t.down[1], 1);
    assert_null(data_channels_get(&t.set[0], c));
    assert_int_equal(send_count(pair, 0, c, 0, 10), DATA_CHANNEL_NOT_OPEN);
    pair_free(pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_message_is_read_as_it_was_written),
        cmocka_unit_test(channels_open_from_both_sides_before_and_after_the_association_is_up),
        cmocka_unit_test(messages_do_not_overtake_the_open_of_an_unordered_channel),
        cmocka_unit_test(texts_bytes_and_empty_messages_arrive_as_what_they_are),
        cmocka_unit_test(a_channel_closes_on_both_sides_and_its_stream_is_used_again),
        cmocka_unit_test(what_cannot_be_opened_is_refused_by_a_reset),
        cmocka_unit_test(a_full_buffer_is_told_and_its_end_as_well),
        cmocka_unit_test(the_end_of_the_association_closes_everything),
    };
    return cmocka_run_group_tests_name("data channels", tests, NULL, NULL);
}
