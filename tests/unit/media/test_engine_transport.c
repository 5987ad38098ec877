/* The engine's transports: ICE, DTLS, TCP, ends of all sorts, and hostile input. */
#include "unit.h"

#include <stdlib.h>

#include <openssl/crypto.h>

#include "base/assert.h"
#include "base/packet.h"
#include "base/seq.h"
#include "base/time.h"
#include "world.h"

#define ROOM 5

static struct peer *connected_peer(struct world *w, bool data) {
    struct peer *p = peer_make(w, ROOM, false, false);
    peer_describe(p, data, false);
    assert_true(peer_connect(p));
    return p;
}

static void every_srtp_profile_and_both_dtls_roles_work(void **state) {
    (void)state;
    const enum srtp_profile profiles[] = {SRTP_PROFILE_AEAD_AES_256_GCM, SRTP_PROFILE_AEAD_AES_128_GCM,
                                          SRTP_PROFILE_AES128_CM_SHA1_80};
    for (int i = 0; i < 6; i++) {
        struct world *w = world_make(100 + (uint64_t)i, &profiles[i / 2]);
        struct peer *a = peer_make(w, ROOM, i % 2 == 1, false), *b = peer_make(w, ROOM, i % 2 == 0, false);
        peer_describe(a, true, false);
        peer_describe(b, true, false);
        assert_true(peer_connect(a) && peer_connect(b));
        assert_int_equal(a->rx.profile, profiles[i / 2]);
        uint32_t source = source_audio(a, "0", 5000);
        struct engine_sink_open open = sink_audio(b, source, 9000);
        world_sink(w, &open);
        for (uint16_t n = 0; n < 30; n++) {
            send_opus(a, "0", 5000, n, 960u * n, 30);
            world_run(w, 20000);
        }
        assert_in_range(peer_track(b, 9000)->count, 28, 30);
        world_free(w);
    }
}

static void checks_that_come_before_the_description_are_answered_and_dtls_waits_for_the_fingerprint(void **state) {
    (void)state;
    struct world *w = world_make(110, NULL);
    struct peer *p = peer_make(w, ROOM, false, false);
    world_run(w, 2000000);
    assert_int_equal(world_state(w, p), ENGINE_TRANSPORT_CHECKING);
    struct net_addr selected;
    assert_true(ice_client_selected(&p->ice, &selected));
    assert_int_equal(world_state(w, p), ENGINE_TRANSPORT_CHECKING);
    peer_describe(p, false, false);
    assert_true(peer_connect(p));
    world_free(w);
    /* and with us as the DTLS client, who must not begin before the description */
    w = world_make(111, NULL);
    p = peer_make(w, ROOM, true, false);
    world_run(w, 1000000);
    peer_describe(p, false, false);
    assert_true(peer_connect(p));
    world_free(w);
}

static void a_wrong_fingerprint_fails_the_transport(void **state) {
    (void)state;
    struct world *w = world_make(112, NULL);
    struct peer *p = peer_make(w, ROOM, false, false);
    struct engine_command c = {.type = ENGINE_TRANSPORT_REMOTE, .object = p->transport};
    strcpy(c.transport_remote.remote_ufrag, p->ice.local_ufrag);
    memset(c.transport_remote.fingerprint_sha256, 1, 32);
    world_command(w, &c);
    world_run(w, 3000000);
    assert_int_equal(world_state(w, p), ENGINE_TRANSPORT_FAILED);
    assert_int_equal(world_counters(w).dtls_failed, 1);
    world_free(w);
}

static void strangers_are_unknown_and_cost_nothing(void **state) {
    (void)state;
    struct world *w = world_make(113, NULL);
    struct peer *p = connected_peer(w, false);
    struct engine_rx rx = {.from = net_addr_v4(203, 0, 113, 9, 999)};
    uint8_t data[200] = {0x80, 111};
    assert_int_equal(engine_input(w->engine, w->now_us, &rx, data, 100), ENGINE_RX_UNKNOWN);
    data[0] = 22;
    assert_int_equal(engine_input(w->engine, w->now_us, &rx, data, 100), ENGINE_RX_UNKNOWN);
    data[0] = 70;
    assert_int_equal(engine_input(w->engine, w->now_us, &rx, data, 100), ENGINE_RX_DROPPED);
    /* a check for somebody else */
    uint8_t request[200];
    struct writer out = writer_of(request, sizeof request);
    uint8_t transaction[STUN_TRANSACTION_LEN] = {1};
    struct stun_binding_request check = {.transaction = transaction,
                                         .username = span_str("00nobody:xyzw"),
                                         .key = span_str("password"),
                                         .priority = 1,
                                         .controlling = true};
    stun_write_request(&out, &check);
    assert_int_equal(engine_input(w->engine, w->now_us, &rx, request, out.len), ENGINE_RX_UNKNOWN);
    struct engine_gauges gauges;
    engine_gauges_get(w->engine, &gauges);
    assert_int_equal(gauges.transports, 1);
    assert_int_equal(gauges.transports_connected, 1);
    (void)p;
    world_free(w);
}

static void media_goes_on_through_an_ice_restart_and_the_old_name_dies(void **state) {
    (void)state;
    struct world *w = world_make(130, NULL);
    struct peer *a = connected_peer(w, false), *b = connected_peer(w, false);
    uint32_t source = source_audio(a, "0", 5000);
    struct engine_sink_open open = sink_audio(b, source, 9000);
    world_sink(w, &open);
    char old_name[ENGINE_UFRAG_LEN_MAX + 1];
    memcpy(old_name, b->ice.remote_ufrag, sizeof old_name);
    for (uint32_t i = 0; i < 300; i++) {
        if (i == 100) {
            struct engine_command restart = {.type = ENGINE_TRANSPORT_RESTART, .object = b->transport};
            strcpy(restart.transport_open.local_ufrag, "00restarted");
            strcpy(restart.transport_open.local_pwd, "anotherpasswordanotherpass");
            world_command(w, &restart);
            ice_client_restart(&b->ice, w->now_us);
            ice_client_set_remote(&b->ice, span_str("00restarted"), span_str("anotherpasswordanotherpass"));
            b->addr.port = 50001; /* and from another network */
            ice_client_add_candidate(&b->ice, w->now_us, &b->server, 1000);
            peer_describe(b, false, false);
        }
        send_opus(a, "0", 5000, (uint16_t)i, 960 * i, 30);
        world_run(w, 20000);
    }
    struct engine_command reuse = {.type = ENGINE_TRANSPORT_OPEN, .object = pool_take(&w->transports)};
    memcpy(reuse.transport_open.local_ufrag, old_name, sizeof old_name);
    strcpy(reuse.transport_open.local_pwd, "anotherpasswordanotherpass");
    world_command(w, &reuse);
    assert_int_equal(world_count(w, ENGINE_EV_REFUSED, reuse.object), 0);
    struct track *t = peer_track(b, 9000);
    assert_in_range(t->count, 280, 300);
    assert_true(w->now_us - t->log[t->count - 1].at_us < 50000);
    assert_int_equal(world_state(w, b), ENGINE_TRANSPORT_CONNECTED);
    world_free(w);
}

static void a_new_address_is_used_after_its_check_and_not_before(void **state) {
    (void)state;
    struct world *w = world_make(131, NULL);
    struct peer *a = connected_peer(w, false), *b = connected_peer(w, false);
    uint32_t source = source_audio(a, "0", 5000);
    struct engine_sink_open open = sink_audio(b, source, 9000);
    world_sink(w, &open);
    send_opus(a, "0", 5000, 0, 0, 30);
    world_run(w, 100000);
    assert_int_equal(peer_track(b, 9000)->count, 1);
    uint64_t unknown = world_counters(w).rx_unknown;
    a->addr.port = 55555; /* a NAT gave the publisher another port */
    send_opus(a, "0", 5000, 1, 960, 30);
    world_run(w, 20000);
    assert_int_equal(world_counters(w).rx_unknown, unknown + 1);
    assert_int_equal(peer_track(b, 9000)->count, 1);
    world_run(w, 8000000); /* the next check of consent comes from there */
    for (uint16_t i = 2; i < 12; i++) {
        send_opus(a, "0", 5000, i, 960u * i, 30);
        world_run(w, 20000);
    }
    assert_int_equal(peer_track(b, 9000)->count, 11);
    world_free(w);
}

/* A check of this peer's, signed as it should be, that seems to come from elsewhere. */
static size_t forge_check(struct peer *p, const struct net_addr *from) {
    char username[100];
    uint8_t bytes[STUN_MESSAGE_LEN_MAX], transaction[STUN_TRANSACTION_LEN];
    (void)snprintf(username, sizeof username, "%s:%s", p->ice.remote_ufrag, p->ice.local_ufrag);
    rng_fill(&p->world->rng, transaction, sizeof transaction);
    struct stun_binding_request request = {.transaction = transaction,
                                           .username = span_str(username),
                                           .key = span_str(p->ice.remote_pwd),
                                           .priority = UINT32_MAX,
                                           .controlling = true,
                                           .use_candidate = true};
    struct writer w = writer_of(bytes, sizeof bytes);
    assert_true(stun_write_request(&w, &request));
    world_post(p->world, from, &p->server, writer_span(&w));
    return w.len;
}

static void media_stays_where_its_receiver_is_when_forged_checks_name_somebody_else(void **state) {
    (void)state;
    struct world *w = world_make(134, NULL);
    struct peer *a = connected_peer(w, false), *b = connected_peer(w, false);
    uint32_t source = source_audio(a, "0", 5000);
    struct engine_sink_open open = sink_audio(b, source, 9000);
    world_sink(w, &open);
    w->watched = net_addr_v4(203, 0, 113, 9, 4444);
    uint64_t forged_bytes = 0;
    for (uint16_t i = 0; i < 500; i++) { /* ten seconds */
        if (i % 5 == 0)
            forged_bytes += forge_check(b, &w->watched);
        send_opus(a, "0", 5000, i, 960u * i, 30);
        world_run(w, 20000);
    }
    assert_int_equal(peer_track(b, 9000)->count, 500);
    assert_in_range(w->watched_bytes, 1, 3 * forged_bytes);
    world_free(w);
}

static void who_never_proved_to_be_at_an_address_gets_no_more_than_three_times_what_came_from_there(void **state) {
    (void)state;
    struct world *w = world_make(135, NULL);
    struct peer *p = peer_make(w, ROOM, true, false); /* we begin the handshake */
    peer_describe(p, true, false);
    p->mute_network = true;
    w->watched = net_addr_v4(203, 0, 113, 9, 4444);
    uint64_t forged_bytes = 0;
    for (int i = 0; i < 3; i++) {
        forged_bytes += forge_check(p, &w->watched);
        world_run(w, 200000);
    }
    world_run(w, 25000000); /* the handshake is tried again and again */
    assert_in_range(w->watched_bytes, 1, 3 * forged_bytes);
    world_free(w);
}

static void a_check_that_is_replayed_from_anothers_address_takes_it_from_nobody(void **state) {
    (void)state;
    struct world *w = world_make(136, NULL);
    struct peer *a = connected_peer(w, false), *b = connected_peer(w, false);
    uint32_t from_a = source_audio(a, "0", 5000), from_b = source_audio(b, "0", 6000);
    struct engine_sink_open to_b = sink_audio(b, from_a, 9000), to_a = sink_audio(a, from_b, 9001);
    world_sink(w, &to_b);
    world_sink(w, &to_a);
    for (uint16_t i = 0; i < 200; i++) {
        if (i % 5 == 0)
            forge_check(a, &b->addr);
        send_opus(a, "0", 5000, i, 960u * i, 30);
        send_opus(b, "0", 6000, i, 960u * i, 30);
        world_run(w, 20000);
    }
    assert_int_equal(peer_track(b, 9000)->count, 200);
    assert_int_equal(peer_track(a, 9001)->count, 200);
    world_free(w);
}

static void what_another_engine_has_proven_is_given_up_until_it_is_proven_here_again(void **state) {
    (void)state;
    struct world *w = world_make(138, NULL);
    struct peer *a = connected_peer(w, false), *b = connected_peer(w, false);
    uint32_t source = source_audio(a, "0", 5000);
    struct engine_sink_open open = sink_audio(b, source, 9000);
    world_sink(w, &open);
    world_run(w, 100000);
    engine_path_elsewhere(w->engine, &a->addr);
    uint64_t before = world_counters(w).rx_unknown;
    send_opus(a, "0", 5000, 1, 960, 30);
    world_run(w, 20000);
    assert_int_equal(world_counters(w).rx_unknown, before + 1); /* for the io layer to hand over */
    assert_int_equal(peer_track(b, 9000)->count, 0);
    uint32_t told = w->path_count;
    for (uint16_t i = 2; i < 400; i++) { /* its next check leads to a question, and the answer is the proof */
        send_opus(a, "0", 5000, i, 960u * i, 30);
        world_run(w, 20000);
    }
    assert_true(peer_track(b, 9000)->count > 50);
    assert_true(w->path_count >= told + 2);
    assert_false(w->paths[told].proven);
    assert_true(w->paths[told + 1].proven);
    world_free(w);
}

static void a_receiver_that_moves_is_followed(void **state) {
    (void)state;
    struct world *w = world_make(137, NULL);
    struct peer *a = connected_peer(w, false), *b = connected_peer(w, false);
    uint32_t source = source_audio(a, "0", 5000);
    struct engine_sink_open open = sink_audio(b, source, 9000);
    world_sink(w, &open);
    b->addr.port = 55555;
    for (uint16_t i = 0; i < 500; i++) { /* its next check comes within six seconds */
        send_opus(a, "0", 5000, i, 960u * i, 30);
        world_run(w, 20000);
    }
    assert_true(peer_track(b, 9000)->count > 150);
    world_free(w);
}

static void an_address_that_passes_to_another_peer_is_the_others_from_then_on(void **state) {
    (void)state;
    struct world *w = world_make(132, NULL);
    struct peer *a = connected_peer(w, false), *b = connected_peer(w, false);
    uint32_t source = source_audio(a, "0", 5000);
    struct engine_sink_open open = sink_audio(b, source, 9000);
    world_sink(w, &open);
    struct net_addr old = b->addr;
    b->mute_network = true;
    b->addr = net_addr_v4(10, 0, 0, 1, 1); /* gone */
    struct peer *c = peer_make(w, ROOM, false, false);
    c->addr = old;
    peer_describe(c, false, false);
    assert_true(peer_connect(c));
    for (uint16_t i = 0; i < 20; i++) {
        send_opus(a, "0", 5000, i, 960u * i, 30);
        world_run(w, 20000);
    }
    assert_int_equal(c->track_count, 0); /* take_rtp would have failed on foreign keys already */
    world_free(w);
}

static void a_silent_peer_is_disconnected_and_then_failed_and_may_come_back_between(void **state) {
    (void)state;
    struct world *w = world_make(133, NULL);
    struct peer *p = connected_peer(w, false), *other = connected_peer(w, false);
    uint32_t source = source_audio(other, "0", 5000);
    struct engine_sink_open open = sink_audio(p, source, 9000);
    world_sink(w, &open);
    p->mute_network = true;
    world_run(w, 9000000);
    assert_int_equal(world_state(w, p), ENGINE_TRANSPORT_DISCONNECTED);
    p->mute_network = false;
    world_run(w, 8000000);
    assert_int_equal(world_state(w, p), ENGINE_TRANSPORT_CONNECTED);
    p->mute_network = true;
    world_run(w, 32000000);
    assert_int_equal(world_state(w, p), ENGINE_TRANSPORT_FAILED);
    assert_int_equal(world_counters(w).consent_expired, 1);
    world_run(w, 50000);
    uint32_t before = peer_track(p, 9000)->count;
    for (uint16_t i = 0; i < 50; i++) {
        send_opus(other, "0", 5000, i, 960u * i, 30);
        world_run(w, 20000);
    }
    assert_int_equal(peer_track(p, 9000)->count, before);
    peer_close(p);
    world_free(w);
}

static void close_notify_is_told_both_ways(void **state) {
    (void)state;
    struct world *w = world_make(134, NULL);
    struct peer *a = connected_peer(w, true), *b = connected_peer(w, true);
    dtls_close(a->dtls);
    world_run(w, 50000);
    assert_int_equal(world_state(w, a), ENGINE_TRANSPORT_CLOSED);
    peer_close(b);
    world_run(w, 50000);
    assert_int_equal(dtls_state(b->dtls), DTLS_CLOSED);
    peer_close(a);
    struct engine_gauges gauges;
    engine_gauges_get(w->engine, &gauges);
    assert_int_equal(gauges.transports, 0);
    assert_int_equal(gauges.packets_used, 0);
    assert_int_equal(engine_next_deadline_us(w->engine), TIME_NEVER);
    world_free(w);
}

static void over_tcp_all_is_the_same_until_the_connection_is_lost(void **state) {
    (void)state;
    struct world *w = world_make(135, NULL);
    struct peer *a = peer_make(w, ROOM, false, true), *b = peer_make(w, ROOM, false, true);
    peer_describe(a, false, false);
    peer_describe(b, false, false);
    assert_true(peer_connect(a) && peer_connect(b));
    uint32_t source = source_audio(a, "0", 5000);
    struct engine_sink_open open = sink_audio(b, source, 9000);
    world_sink(w, &open);
    for (uint16_t i = 0; i < 300; i++) {
        send_opus(a, "0", 5000, i, 960u * i, 30);
        world_run(w, 20000);
    }
    assert_in_range(peer_track(b, 9000)->count, 298, 300);
    assert_true(world_last(w, ENGINE_EV_STATS, b->transport)->stats.tcp);
    engine_connection_lost(w->engine, w->now_us, b->addr.conn);
    world_drain(w);
    b->mute_network = true;
    uint32_t before = peer_track(b, 9000)->count;
    send_opus(a, "0", 5000, 300, 960u * 300, 30);
    world_run(w, 50000);
    assert_in_range(peer_track(b, 9000)->count, before, before + 1);
    uint64_t sent = w->tx_total;
    send_opus(a, "0", 5000, 301, 960u * 301, 30);
    world_run(w, 30000);
    assert_true(w->tx_total <= sent + 2);
    uint32_t removed = 0;
    for (uint32_t i = 0; i < w->path_count; i++)
        removed += !w->paths[i].added && w->paths[i].from.conn == b->addr.conn ? 1 : 0;
    assert_int_equal(removed, 1);
    world_free(w);
}

static void commands_that_cross_an_end_are_counted_and_ignored(void **state) {
    (void)state;
    struct world *w = world_make(136, NULL);
    struct peer *p = connected_peer(w, false);
    uint32_t source = source_audio(p, "0", 5000);
    struct engine_sink_open open = sink_audio(p, source, 9000);
    uint32_t sink = world_sink(w, &open);
    peer_close(p);
    struct engine_command c = {.type = ENGINE_SOURCE_CLOSE, .object = source};
    world_command(w, &c);
    c = (struct engine_command){.type = ENGINE_SINK_CLOSE, .object = sink};
    world_command(w, &c);
    c = (struct engine_command){.type = ENGINE_TRANSPORT_CLOSE, .object = p->transport};
    world_command(w, &c);
    c = (struct engine_command){.type = ENGINE_SINK_OPEN, .object = 3, .sink_open = open};
    world_command(w, &c);
    assert_int_equal(world_counters(w).command_stale, 4);
    world_free(w);
}

static void what_does_not_fit_the_limits_is_refused(void **state) {
    (void)state;
    struct world *w = world_make(137, NULL);
    struct engine_command c = {.type = ENGINE_TRANSPORT_OPEN, .object = 1 | 99 << 20};
    strcpy(c.transport_open.local_ufrag, "abc"); /* too short for RFC 8445 */
    strcpy(c.transport_open.local_pwd, "passwordpasswordpassword");
    world_command(w, &c);
    assert_int_equal(world_count(w, ENGINE_EV_REFUSED, c.object), 1);
    strcpy(c.transport_open.local_ufrag, "abcd");
    world_command(w, &c);
    c.object = 2 | 99 << 20;
    world_command(w, &c); /* the same name again */
    assert_int_equal(world_count(w, ENGINE_EV_REFUSED, c.object), 1);
    strcpy(c.transport_open.local_ufrag, "abcde");
    c.object = 4000 | 99 << 20; /* beyond the table */
    world_command(w, &c);
    assert_int_equal(world_count(w, ENGINE_EV_REFUSED, c.object), 1);
    assert_int_equal(world_counters(w).command_refused, 3);
    world_free(w);
}

static void mutated_traffic_of_all_sorts_is_counted_and_survived(void **state) {
    (void)state;
    struct world *w = world_make(140, NULL);
    struct peer *a = connected_peer(w, true), *b = connected_peer(w, true);
    uint32_t source = source_audio(a, "0", 5000);
    struct engine_sink_open open = sink_audio(b, source, 9000);
    world_sink(w, &open);
    struct rng chaos = rng_seeded(4711);
    struct engine_counters before = world_counters(w);
    static uint8_t recorded[256][1700];
    static size_t lens[256];
    size_t count = 0;
    for (uint32_t round = 0; round < 400; round++) {
        send_opus(a, "0", 5000, (uint16_t)round, 960 * round, 30);
        world_step(w);
        /* whatever is on its way to the engine is recorded, changed, and sent as well, from the same address */
        for (uint32_t i = 0; i < w->flight_count; i++) {
            struct flight *f = &w->flights[(w->flight_head + i) % WORLD_FLIGHT_MAX];
            if (f->to_engine) {
                memcpy(recorded[count % 256], f->data, f->len);
                lens[count++ % 256] = f->len;
            }
        }
        for (int n = 0; n < 50 && count > 0; n++) {
            size_t pick = rng_below(&chaos, count < 256 ? count : 256);
            uint8_t data[1700];
            size_t len = lens[pick];
            memcpy(data, recorded[pick], len);
            for (uint64_t flips = 1 + rng_below(&chaos, 6); flips > 0; flips--)
                data[rng_below(&chaos, len)] = (uint8_t)rng_u32(&chaos);
            if (rng_below(&chaos, 4) == 0)
                len = rng_below(&chaos, len + 1);
            struct engine_rx rx = {.from = rng_below(&chaos, 2) != 0 ? a->addr : b->addr, .local = a->server};
            engine_input(w->engine, w->now_us, &rx, data, len);
            world_drain(w);
        }
        world_run(w, 19000);
    }
    struct engine_counters after = world_counters(w);
    assert_true(after.rx_dropped_auth > before.rx_dropped_auth + 100);
    assert_true(after.rx_dropped_malformed > before.rx_dropped_malformed);
    assert_true(after.rx_dropped_replay > before.rx_dropped_replay);
    assert_int_equal(world_state(w, a), ENGINE_TRANSPORT_CONNECTED);
    struct track *t = peer_track(b, 9000);
    assert_in_range(t->count, 395, 400); /* and nothing but what was sent came out */
    world_free(w);
}

/* ---- allocation
 * ---------------------------------------------------------------------------------------------------------- */

static uint64_t allocations;

static void *counting_malloc(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    allocations += world_in_media ? 1 : 0;
    return malloc(size);
}

static void *counting_realloc(void *old, size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    allocations += world_in_media ? 1 : 0;
    return realloc(old, size);
}

static void counting_free(void *memory, const char *file, int line) {
    (void)file;
    (void)line;
    free(memory);
}

/* Checks (HMAC) and DTLS may allocate inside OpenSSL; media may not. Every call of our own code to the allocator ends
 * here: the linker is told so (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size) {
    allocations += world_in_media ? 1 : 0;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    allocations += world_in_media ? 1 : 0;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    allocations += world_in_media ? 1 : 0;
    return __real_realloc(old, size);
}

static void forwarding_allocates_nothing_not_even_inside_openssl(void **state) {
    (void)state;
    struct world *w = world_make(141, NULL);
    struct peer *a = connected_peer(w, false), *b = connected_peer(w, false);
    static struct camera c;
    camera_make(&c, a, "1", 3, 100);
    uint32_t audio = source_audio(a, "0", 5000);
    struct engine_sink_open open = sink_video(b, c.source, 9100), open_audio = sink_audio(b, audio, 9000);
    uint32_t sink = world_sink(w, &open);
    world_sink(w, &open_audio);
    struct track *t = peer_track(b, 9100);
    t->rtx_ssrc = 9101;
    w->loss_up_permille = 20;
    w->srtp_loss_only = true;
    for (uint32_t i = 0; i < 400; i++) {
        if (i == 100)
            allocations = 0;
        send_opus(a, "0", 5000, (uint16_t)i, 960 * i, 30);
        camera_step(&c);
        if (i % 40 == 0) {
            struct engine_command change = {.type = ENGINE_SINK_SETTINGS, .object = sink};
            change.sink_settings =
                (struct engine_sink_settings){.enabled = true, .max_spatial = (uint8_t)(i / 40 % 3), .max_temporal = 3};
            world_command(w, &change);
            camera_report(&c);
        }
        if (t->count > 30) {
            uint8_t bytes[100];
            struct writer out = writer_of(bytes, sizeof bytes);
            uint16_t seq = (uint16_t)t->log[t->count - 10].seq64;
            rtcp_write_nack(&out, 1, 9100, &seq, 1);
            peer_send_rtcp(b, writer_span(&out));
        }
        world_run(w, 20000);
    }
    assert_true(t->count > 150 && world_counters(w).tx_rtx > 20);
    assert_int_equal(allocations, 0);
    world_free(w);
}

int main(void) {
    if (CRYPTO_set_mem_functions(counting_malloc, counting_realloc, counting_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_srtp_profile_and_both_dtls_roles_work),
        cmocka_unit_test(checks_that_come_before_the_description_are_answered_and_dtls_waits_for_the_fingerprint),
        cmocka_unit_test(a_wrong_fingerprint_fails_the_transport),
        cmocka_unit_test(strangers_are_unknown_and_cost_nothing),
        cmocka_unit_test(media_goes_on_through_an_ice_restart_and_the_old_name_dies),
        cmocka_unit_test(a_new_address_is_used_after_its_check_and_not_before),
        cmocka_unit_test(media_stays_where_its_receiver_is_when_forged_checks_name_somebody_else),
        cmocka_unit_test(who_never_proved_to_be_at_an_address_gets_no_more_than_three_times_what_came_from_there),
        cmocka_unit_test(a_check_that_is_replayed_from_anothers_address_takes_it_from_nobody),
        cmocka_unit_test(what_another_engine_has_proven_is_given_up_until_it_is_proven_here_again),
        cmocka_unit_test(a_receiver_that_moves_is_followed),
        cmocka_unit_test(an_address_that_passes_to_another_peer_is_the_others_from_then_on),
        cmocka_unit_test(a_silent_peer_is_disconnected_and_then_failed_and_may_come_back_between),
        cmocka_unit_test(close_notify_is_told_both_ways),
        cmocka_unit_test(over_tcp_all_is_the_same_until_the_connection_is_lost),
        cmocka_unit_test(commands_that_cross_an_end_are_counted_and_ignored),
        cmocka_unit_test(what_does_not_fit_the_limits_is_refused),
        cmocka_unit_test(mutated_traffic_of_all_sorts_is_counted_and_survived),
        cmocka_unit_test(forwarding_allocates_nothing_not_even_inside_openssl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
