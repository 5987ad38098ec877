/* The pure parts of the media engine, each against a model or against chance. */
#include "unit.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/rng.h"
#include "base/seq.h"
#include "base/time.h"
#include "media/cache.h"
#include "media/layers.h"
#include "media/nack.h"
#include "media/rate.h"
#include "media/rewrite.h"
#include "media/speakers.h"
#include "protocol/codec.h"

#define NOW UINT64_C(1000000000)

/* ---- rewriting --------------------------------------------------------------------------------------------------- */

/* A source of three streams, the way a publisher numbers them. */
struct sender {
    uint64_t seq64;
    uint64_t picture64;
    uint32_t timestamp;
    uint8_t tl0, key;
};

struct sent {
    struct rewrite_in in;
    bool keep, drop_picture;
};

#define DELAYED_MAX 8
#define SEEN_MAX (1 << 17)

/* What the receiver has seen, and what is on its way to it by a detour. */
struct model {
    struct rewrite r;
    struct rng rng;
    uint64_t now, base;
    uint64_t newest, newest_picture;
    uint32_t newest_timestamp;
    bool any;
    uint64_t in_order_in, in_order_out;
    uint32_t lost;
    struct sent late[DELAYED_MAX];
    size_t late_count;
    uint8_t seen[SEEN_MAX]; /* by number out, from `base` on: 1 sent, 2 filled */
};

static void see(struct model *m, uint64_t seq64, bool kept) {
    assert_in_range(seq64 - m->base, 0, SEEN_MAX - 1);
    assert_int_equal(m->seen[seq64 - m->base], 0);
    m->seen[seq64 - m->base] = kept ? 1 : 2;
}

/* A packet in the order of its stream. */
static void model_packet(struct model *m, const struct sent *p, bool first_of_switch) {
    struct rewrite_out out;
    enum rewrite_verdict verdict = rewrite_packet(&m->r, m->now, &p->in, p->keep, p->drop_picture, &out);
    assert_int_equal(verdict, p->keep ? REWRITE_FORWARD : REWRITE_DROP);
    if (!p->keep)
        return;
    assert_true(out.seq64 > m->newest);
    see(m, out.seq64, true);
    uint64_t ahead = (out.picture_id - m->newest_picture) & 0x7fff;
    if (first_of_switch) {
        assert_int_equal(out.seq64, m->newest + 1);
        assert_int_equal(ahead, 1);
        assert_true(!m->any || seq32_newer(out.timestamp, m->newest_timestamp));
    } else if (p->in.seq64 == m->in_order_in + 1) {
        assert_int_equal(out.seq64, m->in_order_out + 1);
    }
    assert_true(ahead <= 12); /* as many as can be missing in a row, by all likelihood */
    m->newest_picture += ahead;
    m->newest = out.seq64;
    m->newest_timestamp = out.timestamp;
    m->any = true;
    m->in_order_in = p->in.seq64;
    m->in_order_out = out.seq64;
}

/* One of those that took the detour arrives. */
static void model_late(struct model *m) {
    size_t pick = rng_below(&m->rng, m->late_count);
    struct sent p = m->late[pick];
    m->late[pick] = m->late[--m->late_count];
    struct rewrite_out out;
    uint64_t sent_before = m->r.out_seq;
    enum rewrite_verdict verdict = rewrite_packet(&m->r, m->now, &p.in, p.keep, p.drop_picture, &out);
    if (verdict == REWRITE_DROP) { /* nothing was sent after it yet: left out as if in order */
        assert_false(p.keep);
        assert_int_equal(m->r.out_seq, sent_before);
        return;
    }
    assert_int_equal(verdict, p.keep ? REWRITE_FORWARD : REWRITE_FILL);
    assert_true(out.seq64 < m->newest || p.in.seq64 > m->in_order_in);
    see(m, out.seq64, p.keep);
    uint64_t ahead = (out.picture_id - m->newest_picture) & 0x7fff;
    if (p.keep && ahead < 0x4000)
        m->newest_picture += ahead;
    if (out.seq64 <= m->newest)
        return;
    m->newest = out.seq64;
    m->in_order_in = p.in.seq64;
    m->in_order_out = out.seq64;
}

static struct sent next_packet(struct sender *s, bool drop_picture) {
    return (struct sent){.keep = !drop_picture,
                         .drop_picture = drop_picture,
                         .in = {.seq64 = s->seq64++,
                                .timestamp = s->timestamp,
                                .has_picture = true,
                                .picture64 = s->picture64,
                                .has_tl0 = true,
                                .tl0 = s->tl0,
                                .has_key_index = true,
                                .key_index = s->key}};
}

/* One frame of one stream; the receiver's view moves to this stream with it when `switched`. */
static void model_frame(struct model *m, struct sender *s, bool forwarded, bool switched) {
    bool drop_picture = !switched && rng_below(&m->rng, 4) == 0;
    uint32_t parts = 1 + (uint32_t)rng_below(&m->rng, 4);
    s->key = (uint8_t)(s->key + (switched ? 1 : 0));
    s->tl0++;
    for (uint32_t part = 0; part < parts; part++) {
        struct sent p = next_packet(s, drop_picture);
        if (switched && part == 0) {
            rewrite_switch(&m->r, m->now, 90000, &p.in, NULL);
            m->late_count = 0; /* of the segment before: never placed */
            model_packet(m, &p, true);
        } else if (forwarded && rng_below(&m->rng, 20) != 0) {
            model_packet(m, &p, false);
        } else if (forwarded && m->late_count < DELAYED_MAX && rng_below(&m->rng, 2) == 0) {
            m->late[m->late_count++] = p;
        } else {
            m->lost += forwarded ? 1 : 0;
        }
    }
    s->timestamp += 2970;
    s->picture64++;
}

static void random_streams_with_loss_reorder_and_switches_stay_one_valid_stream(void **state) {
    (void)state;
    struct model *m = malloc(sizeof *m);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        memset(m, 0, sizeof *m);
        m->rng = rng_seeded(seed);
        m->now = NOW;
        rewrite_init(&m->r, &m->rng);
        m->base = m->r.out_seq + 1;
        m->newest = m->r.out_seq;
        m->newest_picture = m->r.out_picture;
        struct sender streams[3];
        for (int i = 0; i < 3; i++)
            streams[i] = (struct sender){.seq64 = 0x10000 + rng_below(&m->rng, 65536),
                                         .picture64 = 0x10000 + rng_below(&m->rng, 32768),
                                         .timestamp = rng_u32(&m->rng),
                                         .tl0 = (uint8_t)rng_u32(&m->rng),
                                         .key = (uint8_t)rng_below(&m->rng, 32)};
        int current = -1;
        uint32_t switches = 0;
        for (uint32_t frame = 0; frame < 1500; frame++) {
            m->now += 33000;
            int wanted = current < 0 || rng_below(&m->rng, 40) == 0 ? (int)rng_below(&m->rng, 3) : -1;
            switches += wanted >= 0 ? 1 : 0;
            for (int i = 0; i < 3; i++) {
                if (i == wanted)
                    current = i;
                model_frame(m, &streams[i], i == current, i == wanted);
            }
            if (m->late_count > 0 && rng_below(&m->rng, 3) == 0)
                model_late(m);
        }
        uint32_t holes = 0;
        for (uint64_t i = 0; i <= m->newest - m->base; i++)
            holes += m->seen[i] == 0 ? 1 : 0;
        /* a number is missing only where a packet of the source is, or where its detour was cut off by a switch */
        assert_in_range(holes, 0, m->lost + switches * DELAYED_MAX);
    }
    free(m);
}

static void left_out_packets_close_up_and_missing_ones_keep_their_place(void **state) {
    (void)state;
    struct rng rng = rng_seeded(5);
    struct rewrite r;
    rewrite_init(&r, &rng);
    struct rewrite_in in = {.seq64 = 0x10000 + 65530, .timestamp = 1000};
    rewrite_switch(&r, NOW, 90000, &in, NULL);
    struct rewrite_out out;
    assert_int_equal(rewrite_packet(&r, NOW, &in, true, false, &out), REWRITE_FORWARD);
    uint64_t first = out.seq64;
    in.seq64 += 1;
    assert_int_equal(rewrite_packet(&r, NOW, &in, false, false, &out), REWRITE_DROP);
    in.seq64 += 3; /* two are missing */
    assert_int_equal(rewrite_packet(&r, NOW, &in, true, false, &out), REWRITE_FORWARD);
    assert_int_equal(out.seq64, first + 3);
    in.seq64 += 1;
    assert_int_equal(rewrite_packet(&r, NOW, &in, false, false, &out), REWRITE_DROP);
    in.seq64 += 1;
    assert_int_equal(rewrite_packet(&r, NOW, &in, true, false, &out), REWRITE_FORWARD);
    assert_int_equal(out.seq64, first + 4);
    in.seq64 -= 4; /* one of the missing */
    assert_int_equal(rewrite_packet(&r, NOW, &in, true, false, &out), REWRITE_FORWARD);
    assert_int_equal(out.seq64, first + 1);
    in.seq64 += 1; /* the other, and it is not for this receiver */
    assert_int_equal(rewrite_packet(&r, NOW, &in, false, false, &out), REWRITE_FILL);
    assert_int_equal(out.seq64, first + 2);
    in.seq64 -= 2; /* left out before, here again */
    assert_int_equal(rewrite_packet(&r, NOW, &in, true, false, &out), REWRITE_DROP);
    in.seq64 -= 2; /* from before the segment */
    assert_int_equal(rewrite_packet(&r, NOW, &in, true, false, &out), REWRITE_DROP);
}

static void a_believable_report_decides_the_timestamp_of_a_switch_and_an_odd_one_does_not(void **state) {
    (void)state;
    struct rng rng = rng_seeded(6);
    struct rewrite r;
    rewrite_init(&r, &rng);
    struct rewrite_in in = {.seq64 = 0x10000, .timestamp = 0};
    struct rewrite_out out;
    rewrite_switch(&r, NOW, 90000, &in, NULL);
    rewrite_packet(&r, NOW, &in, true, false, &out);
    uint32_t first = out.timestamp;
    in = (struct rewrite_in){.seq64 = 0x20000, .timestamp = 777};
    uint32_t expected = first + 3000;
    rewrite_switch(&r, NOW + 40000, 90000, &in, &expected);
    rewrite_packet(&r, NOW + 40000, &in, true, false, &out);
    assert_int_equal(out.timestamp, first + 3000);
    expected = out.timestamp + 90000 * 60; /* a minute ahead */
    in.seq64 = 0x30000;
    rewrite_switch(&r, NOW + 80000, 90000, &in, &expected);
    rewrite_packet(&r, NOW + 80000, &in, true, false, &out);
    assert_int_equal(out.timestamp, first + 3000 + 3600);
    uint32_t last = out.timestamp;
    expected = last - 500; /* backwards */
    in.seq64 = 0x40000;
    rewrite_switch(&r, NOW + 80000, 90000, &in, &expected);
    rewrite_packet(&r, NOW + 80000, &in, true, false, &out);
    assert_int_equal(out.timestamp, last + 90);
}

/* ---- nack ----------------------------------------------------------------------------------------------------------
 */

static void a_gap_is_asked_for_after_a_moment_then_each_round_trip_then_given_up(void **state) {
    (void)state;
    struct nack_list list;
    nack_init(&list);
    uint64_t out[NACK_LIST_MAX];
    uint32_t lost;
    assert_true(nack_packet(&list, NOW, 100));
    assert_true(nack_packet(&list, NOW, 103));
    assert_int_equal(nack_due(&list, NOW, out, NACK_LIST_MAX, &lost), 0);
    assert_int_equal(nack_next_deadline(&list), NOW + NACK_REORDER_US);
    assert_true(nack_packet(&list, NOW + 1000, 101)); /* only overtaken */
    assert_int_equal(nack_due(&list, NOW + NACK_REORDER_US, out, NACK_LIST_MAX, &lost), 1);
    assert_int_equal(out[0], 102);
    assert_int_equal(nack_due(&list, NOW + NACK_REORDER_US + 1000, out, NACK_LIST_MAX, &lost), 0);
    uint32_t asked = 1, gone = 0;
    for (uint64_t now = NOW + NACK_REORDER_US; now < NOW + 3 * US_PER_S; now += 10000) {
        asked += (uint32_t)nack_due(&list, now, out, NACK_LIST_MAX, &lost);
        gone += lost;
    }
    assert_int_equal(asked, NACK_TRIES_MAX);
    assert_int_equal(gone, 1);
    assert_int_equal(nack_next_deadline(&list), TIME_NEVER);
}

static void the_round_trip_is_learned_from_answers_to_a_single_request(void **state) {
    (void)state;
    struct nack_list list;
    nack_init(&list);
    uint64_t out[NACK_LIST_MAX], now = NOW;
    nack_packet(&list, now, 1000);
    for (uint64_t i = 1001; i < 1200; i += 2) {
        nack_packet(&list, now, i + 1);
        now += NACK_REORDER_US;
        assert_int_equal(nack_due(&list, now, out, NACK_LIST_MAX, NULL), 1);
        now += 30000;
        nack_packet(&list, now, i);
    }
    assert_in_range(list.rtt_us, 30000, 31000);
    assert_int_equal(list.repaired, 100);
}

static void a_gap_too_wide_empties_the_list(void **state) {
    (void)state;
    struct nack_list list;
    nack_init(&list);
    nack_packet(&list, NOW, 100);
    assert_true(nack_packet(&list, NOW, 110));
    assert_false(nack_packet(&list, NOW, 110 + NACK_LIST_MAX + 2));
    assert_int_equal(list.count, 0);
    assert_true(nack_packet(&list, NOW, 113 + NACK_LIST_MAX + 2));
    assert_int_equal(list.count, 2);
    for (uint64_t i = 0, seq = 1000; i < 200; i++, seq += 3)
        nack_packet(&list, NOW, seq);
    assert_in_range(list.count, 1, NACK_LIST_MAX);
}

/* ---- cache ----------------------------------------------------------------------------------------------------------
 */

static void the_cache_holds_what_a_model_holds_and_gives_every_reference_back(void **state) {
    (void)state;
    enum { SLOTS = 64, PACKETS = 256 };
    struct packet_arena arena;
    void *bytes = calloc(1, packet_arena_bytes_len(PACKETS)), *headers = calloc(1, packet_arena_headers_len(PACKETS));
    packet_arena_init(&arena, bytes, headers, PACKETS);
    struct cache_slot slots[SLOTS] = {0};
    struct rng rng = rng_seeded(9);
    for (int life = 0; life < 20; life++) {
        struct cache cache;
        cache_init(&cache, slots, SLOTS);
        uint64_t seq = 70000 + rng_below(&rng, 1000), now = NOW;
        for (int i = 0; i < 3000; i++) {
            now += rng_below(&rng, 20000);
            seq += rng_below(&rng, 10) == 0 ? rng_below(&rng, 90) : rng_below(&rng, 4);
            uint64_t at = rng_below(&rng, 5) == 0 ? seq - rng_below(&rng, 80) : seq;
            if (cache_get(&cache, &arena, at) == NULL) {
                struct packet *packet = packet_take(&arena);
                packet->rx_us = now;
                packet->len_bytes = (uint16_t)(at & 0xffff);
                cache_put(&cache, &arena, at, packet);
                packet_unref(&arena, packet);
            }
            struct packet *found = cache_get(&cache, &arena, at);
            if (found != NULL)
                assert_int_equal(found->len_bytes, (uint16_t)(at & 0xffff));
            else
                assert_true(at + SLOTS <= cache.highest);
            cache_expire(&cache, &arena, now - 300000);
            assert_int_equal(arena.used, cache.count);
            assert_in_range(cache.count, 0, SLOTS);
        }
        cache_clear(&cache, &arena);
        assert_int_equal(arena.used, 0);
        for (int i = 0; i < SLOTS; i++)
            assert_int_equal(slots[i].packet, 0);
    }
    free(bytes);
    free(headers);
}

/* ---- rates and levels
 * -------------------------------------------------------------------------------------------------- */

static void the_rate_is_that_of_the_last_second(void **state) {
    (void)state;
    struct rate_meter rate = {0};
    for (uint64_t i = 0; i < 200; i++)
        rate_add(&rate, NOW + i * 10000, 1250);
    assert_in_range(rate_bps(&rate, NOW + 2000000), 850000, 1000000);
    assert_in_range(rate_bps(&rate, NOW + 2500000), 300000, 600000);
    assert_int_equal(rate_bps(&rate, NOW + 3200000), 0);
}

static void a_speaker_is_loud_a_while_and_silence_is_told_once(void **state) {
    (void)state;
    struct speaker_meter meter = {0};
    uint8_t level;
    uint16_t active;
    assert_false(speaker_take(&meter, NOW, &level, &active));
    for (uint64_t i = 0; i < 25; i++)
        speaker_note(&meter, NOW + i * 20000, i < 12 ? 20 : 100);
    assert_true(speaker_take(&meter, NOW + 500000, &level, &active));
    assert_in_range(level, 20, 45);
    assert_in_range(active, 450, 500);
    assert_true(speaker_take(&meter, NOW + 1000000, &level, &active)); /* nothing came: silent, and that is news */
    assert_int_equal(level, SPEAKERS_SILENCE_DBOV);
    assert_int_equal(active, 0);
    assert_false(speaker_take(&meter, NOW + 1500000, &level, &active));
}

/* ---- layers
 * -------------------------------------------------------------------------------------------------------------- */

static struct packet_info vp8_info(uint8_t layer, uint8_t temporal, bool start, bool key, bool sync) {
    return (struct packet_info){.codec = CODEC_VP8,
                                .layer = layer,
                                .rank = layer,
                                .temporal = temporal,
                                .payload_len = 100,
                                .start_of_frame = start,
                                .keyframe = key,
                                .layer_sync = sync,
                                .has_layers = true};
}

static void a_switch_waits_for_the_key_frame_of_the_other_stream(void **state) {
    (void)state;
    struct layers l;
    layers_init(&l);
    struct packet_info info = vp8_info(0, 0, true, true, true);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_OTHER);
    layers_aim(&l, 2, 2, LAYERS_ALL, LAYERS_ALL);
    assert_true(l.want_keyframe);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_SWITCH); /* better a small picture than none */
    assert_true(l.want_keyframe);
    info = vp8_info(2, 0, true, false, true);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_OTHER);
    info = vp8_info(1, 0, true, true, true); /* not the target: no step between */
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_OTHER);
    info = vp8_info(0, 0, true, false, true);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_TAKE);
    info = vp8_info(2, 0, true, true, true);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_SWITCH);
    assert_false(l.want_keyframe);
    info = vp8_info(0, 0, true, false, true);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_OTHER);
    layers_aim(&l, -1, 0, 0, 0);
    info = vp8_info(2, 0, false, false, true);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_OTHER);
}

static void temporal_layers_rise_at_a_sync_frame_and_fall_at_once(void **state) {
    (void)state;
    struct layers l;
    layers_init(&l);
    layers_aim(&l, 0, 0, LAYERS_ALL, 0);
    struct packet_info info = vp8_info(0, 0, true, true, true);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_SWITCH);
    info = vp8_info(0, 2, true, false, true);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_LEAVE_OUT_PICTURE);
    layers_aim(&l, 0, 0, LAYERS_ALL, 2);
    info = vp8_info(0, 2, true, false, false);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_LEAVE_OUT_PICTURE);
    info = vp8_info(0, 1, true, false, true);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_TAKE);
    info = vp8_info(0, 2, true, false, false);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_LEAVE_OUT_PICTURE);
    info = vp8_info(0, 2, true, false, true);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_TAKE);
    layers_aim(&l, 0, 0, LAYERS_ALL, 0);
    info = vp8_info(0, 2, false, false, true); /* the frame that was begun is finished */
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_TAKE);
    info = vp8_info(0, 1, true, false, true);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_LEAVE_OUT_PICTURE);
}

static void the_last_packet_of_the_highest_layer_forwarded_gets_the_marker(void **state) {
    (void)state;
    struct layers l;
    layers_init(&l);
    layers_aim(&l, 0, 0, 1, LAYERS_ALL);
    struct packet_info info = {.codec = CODEC_VP9,
                               .payload_len = 100,
                               .start_of_frame = true,
                               .end_of_frame = true,
                               .keyframe = true,
                               .layer_sync = true,
                               .has_layers = true};
    struct layers_result result = layers_packet(&l, &info, NULL);
    assert_int_equal(result.verdict, LAYERS_SWITCH);
    assert_false(result.marker);
    info.keyframe = false;
    info.spatial = 1;
    result = layers_packet(&l, &info, NULL);
    assert_int_equal(result.verdict, LAYERS_TAKE);
    assert_true(result.marker);
    info.spatial = 2;
    info.marker = true;
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_LEAVE_OUT);
    /* down with the next picture, up with the next key frame */
    layers_aim(&l, 0, 0, 0, LAYERS_ALL);
    info.spatial = 0;
    info.marker = false;
    result = layers_packet(&l, &info, NULL);
    assert_true(result.verdict == LAYERS_TAKE && result.marker);
    info.spatial = 1;
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_LEAVE_OUT);
    layers_aim(&l, 0, 0, 2, LAYERS_ALL);
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_LEAVE_OUT);
    assert_true(l.want_keyframe);
    info.spatial = 0;
    info.keyframe = true;
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_TAKE);
    info.keyframe = false;
    info.spatial = 2;
    assert_int_equal(layers_packet(&l, &info, NULL).verdict, LAYERS_TAKE);
    assert_false(l.want_keyframe);
}

static void decode_targets_decide_and_change_at_a_switch_frame(void **state) {
    (void)state;
    /* two spatial layers, one temporal, the upper one independent after the key frame: targets 0 = S0, 1 = S1 */
    struct av1dd_state dd = {.valid = true, .active_targets = 3};
    dd.structure.target_count = 2;
    dd.structure.spatial_count = 2;
    dd.structure.temporal_count = 1;
    dd.structure.target_spatial[1] = 1;
    struct layers l;
    layers_init(&l);
    layers_aim(&l, 0, 0, 1, LAYERS_ALL);
    uint64_t both = AV1DD_SWITCH | AV1DD_SWITCH << 2, lower = AV1DD_SWITCH, upper = AV1DD_REQUIRED << 2;
    struct packet_info key0 = {.codec = CODEC_AV1,
                               .payload_len = 9,
                               .start_of_frame = true,
                               .end_of_frame = true,
                               .keyframe = true,
                               .has_dd = true,
                               .has_structure = true,
                               .dtis = both};
    struct packet_info key1 = {.codec = CODEC_AV1,
                               .payload_len = 9,
                               .start_of_frame = true,
                               .end_of_frame = true,
                               .has_dd = true,
                               .spatial = 1,
                               .dtis = (uint64_t)AV1DD_SWITCH << 2};
    struct packet_info delta0 = {.codec = CODEC_AV1,
                                 .payload_len = 9,
                                 .start_of_frame = true,
                                 .end_of_frame = true,
                                 .has_dd = true,
                                 .dtis = lower};
    struct packet_info delta1 = {.codec = CODEC_AV1,
                                 .payload_len = 9,
                                 .start_of_frame = true,
                                 .end_of_frame = true,
                                 .has_dd = true,
                                 .spatial = 1,
                                 .dtis = upper};
    struct layers_result r = layers_packet(&l, &key0, &dd);
    assert_true(r.verdict == LAYERS_SWITCH && r.active_targets == 0 && !r.marker);
    assert_true(layers_packet(&l, &key1, &dd).marker);
    assert_int_equal(layers_packet(&l, &delta0, &dd).verdict, LAYERS_LEAVE_OUT);
    assert_int_equal(layers_packet(&l, &delta1, &dd).verdict, LAYERS_TAKE);
    layers_aim(&l, 0, 0, 0, LAYERS_ALL);
    r = layers_packet(&l, &delta0, &dd); /* marked as a switch for the lower target */
    assert_true(r.verdict == LAYERS_TAKE && r.marker && r.active_targets == 1);
    assert_int_equal(layers_packet(&l, &delta1, &dd).verdict, LAYERS_LEAVE_OUT);
    layers_aim(&l, 0, 0, 1, LAYERS_ALL);
    assert_int_equal(layers_packet(&l, &delta0, &dd).verdict, LAYERS_TAKE);
    assert_true(l.want_keyframe);
    assert_int_equal(layers_packet(&l, &key0, &dd).verdict, LAYERS_TAKE);
    assert_false(l.want_keyframe);
    assert_int_equal(layers_packet(&l, &key1, &dd).verdict, LAYERS_TAKE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_streams_with_loss_reorder_and_switches_stay_one_valid_stream),
        cmocka_unit_test(left_out_packets_close_up_and_missing_ones_keep_their_place),
        cmocka_unit_test(a_believable_report_decides_the_timestamp_of_a_switch_and_an_odd_one_does_not),
        cmocka_unit_test(a_gap_is_asked_for_after_a_moment_then_each_round_trip_then_given_up),
        cmocka_unit_test(the_round_trip_is_learned_from_answers_to_a_single_request),
        cmocka_unit_test(a_gap_too_wide_empties_the_list),
        cmocka_unit_test(the_cache_holds_what_a_model_holds_and_gives_every_reference_back),
        cmocka_unit_test(the_rate_is_that_of_the_last_second),
        cmocka_unit_test(a_speaker_is_loud_a_while_and_silence_is_told_once),
        cmocka_unit_test(a_switch_waits_for_the_key_frame_of_the_other_stream),
        cmocka_unit_test(temporal_layers_rise_at_a_sync_frame_and_fall_at_once),
        cmocka_unit_test(the_last_packet_of_the_highest_layer_forwarded_gets_the_marker),
        cmocka_unit_test(decode_targets_decide_and_change_at_a_switch_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
