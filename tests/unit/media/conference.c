#include "conference.h"

#include <stdlib.h>

#include "unit.h"

#include "base/seq.h"

struct pair pair_make(uint64_t seed) {
    struct pair p = {.w = world_make(seed, NULL)};
    p.alice = peer_make(p.w, ROOM, false, false);
    p.bob = peer_make(p.w, ROOM, false, false);
    peer_describe(p.alice, true, false);
    peer_describe(p.bob, true, false);
    assert_true(peer_connect(p.alice));
    assert_true(peer_connect(p.bob));
    return p;
}

void run_camera(struct world *w, struct camera *c, uint64_t us) {
    for (uint64_t end = w->now_us + us, report = w->now_us; w->now_us < end;) {
        camera_step(c);
        if (w->now_us >= report) {
            camera_report(c);
            report += 500000;
        }
        world_step(w);
    }
}

void settings(struct world *w, uint32_t sink, bool enabled, uint8_t spatial, uint8_t temporal) {
    struct engine_command c = {.type = ENGINE_SINK_SETTINGS, .object = sink};
    c.sink_settings = (struct engine_sink_settings){
        .enabled = enabled, .max_spatial = spatial, .max_temporal = temporal, .priority = 1};
    world_command(w, &c);
}

void check_vp8(const struct track *t, uint32_t from, uint32_t tail) {
    assert_in_range(t->count, from + 2, PEER_LOG_MAX - 1);
    uint64_t first = UINT64_MAX, last = 0;
    for (uint32_t i = from; i < t->count; i++) {
        first = t->log[i].seq64 < first ? t->log[i].seq64 : first;
        last = t->log[i].seq64 > last ? t->log[i].seq64 : last;
    }
    uint32_t n = (uint32_t)(last - first + 1);
    const struct logged **by_seq = calloc(n, sizeof *by_seq);
    for (uint32_t i = from; i < t->count; i++)
        by_seq[t->log[i].seq64 - first] = &t->log[i];
    const struct logged *before = NULL;
    struct stamp old = {0};
    for (uint32_t i = 0; i + tail < n; i++) {
        assert_non_null(by_seq[i]);
        const struct logged *l = by_seq[i];
        struct stamp s;
        if (!stamp_read(l, &s))
            continue;
        if (before == NULL) {
            assert_true(s.key && s.part == 0);
        } else if (l->timestamp == before->timestamp) {
            assert_int_equal(s.picture, old.picture);
            assert_int_equal(s.layer, old.layer);
            assert_int_equal(s.frame, old.frame);
            assert_int_equal(s.part, old.part + 1);
            assert_int_equal(s.tl0, old.tl0);
        } else {
            assert_true(seq32_newer(l->timestamp, before->timestamp));
            assert_int_equal(s.picture, (old.picture + 1) & 0x7fff);
            assert_int_equal(s.part, 0);
            assert_true(before->marker);
            assert_int_equal(s.tl0, (uint8_t)(old.tl0 + (s.temporal == 0 ? 1 : 0)));
            if (s.layer != old.layer)
                assert_true(s.key);
            if (s.key)
                assert_int_equal(s.key_index, (old.key_index + 1) & 31);
        }
        before = l;
        old = s;
    }
    free(by_seq);
}
