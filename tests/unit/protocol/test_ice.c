#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "protocol/candidate.h"
#include "protocol/ice_client.h"
#include "protocol/ice_lite.h"

/* ---- the lite side alone: requests written by hand ---- */

#define UFRAG "srvr"
#define PWD "a password of 24 letters"
#define PEER "peer"
#define UFRAG2 "SRV2"
#define PWD2 "another one of 24 letter"

struct bench {
    struct ice_lite ice;
    struct ice_lite_counters counters;
    struct ice_lite_change change;
    struct stun_message answer;
    uint8_t bytes[ICE_LITE_RESPONSE_LEN_MAX];
    struct net_addr local;
    uint64_t now_us;
    uint8_t transaction[STUN_TRANSACTION_LEN];
};

struct check {
    const char *username, *key;
    uint32_t priority;
    bool use_candidate, controlled;
};

static const struct check plain = {.username = UFRAG ":" PEER, .key = PWD, .priority = 1000};

static struct bench bench_new(void) {
    struct bench b = {.now_us = 1000000, .local = net_addr_v4(198, 51, 100, 1, 7882)};
    ice_lite_init(&b.ice, b.now_us, span_str(UFRAG), span_str(PWD));
    return b;
}

static struct net_addr peer_addr(unsigned n) {
    return net_addr_v4(203, 0, 113, (uint8_t)n, (uint16_t)(40000 + n));
}

static enum ice_result input(struct bench *b, const struct net_addr *from, struct span datagram) {
    struct writer response = writer_of(b->bytes, sizeof b->bytes);
    enum ice_result result =
        ice_lite_input(&b->ice, b->now_us, from, &b->local, datagram, &response, &b->change, &b->counters);
    if (result == ICE_DROPPED)
        assert_int_equal(response.len, 0);
    else
        assert_int_equal(stun_parse(writer_span(&response), &b->answer), STUN_OK);
    return result;
}

static enum ice_result send_check(struct bench *b, const struct net_addr *from, const struct check *check) {
    uint8_t bytes[STUN_MESSAGE_LEN_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    b->transaction[0]++;
    struct stun_binding_request request = {.transaction = b->transaction,
                                           .username = span_str(check->username),
                                           .key = span_str(check->key),
                                           .priority = check->priority,
                                           .tie_breaker = 7,
                                           .controlling = !check->controlled,
                                           .use_candidate = check->use_candidate};
    assert_true(stun_write_request(&w, &request));
    struct span ufrag;
    assert_int_equal(ice_peek_local_ufrag(writer_span(&w), &ufrag), strchr(check->username, ':') != NULL);
    enum ice_result result = input(b, from, writer_span(&w));
    if (result != ICE_DROPPED)
        assert_memory_equal(b->answer.transaction, b->transaction, STUN_TRANSACTION_LEN);
    return result;
}

static enum ice_result check_from(struct bench *b, unsigned peer, uint32_t priority, bool use_candidate) {
    struct check check = plain;
    struct net_addr from = peer_addr(peer);
    check.priority = priority;
    check.use_candidate = use_candidate;
    return send_check(b, &from, &check);
}

static unsigned target(const struct bench *b) {
    struct net_addr to;
    if (!ice_lite_target(&b->ice, &to, NULL))
        return 0;
    return to.ip[3];
}

static void a_check_is_answered_with_the_address_it_came_from(void **state) {
    (void)state;
    struct bench b = bench_new();
    struct net_addr from = peer_addr(1);
    assert_int_equal(target(&b), 0);
    assert_int_equal(send_check(&b, &from, &plain), ICE_ANSWERED);
    assert_int_equal(b.answer.class, STUN_SUCCESS);
    assert_true(stun_check_integrity(&b.answer, span_str(PWD)));
    assert_true(b.answer.present & STUN_HAS_FINGERPRINT);
    assert_true(net_addr_equal(&b.answer.mapped, &from));
    assert_true(b.change.path_added && b.change.selected_changed);
    struct net_addr to;
    struct net_addr local;
    assert_true(ice_lite_target(&b.ice, &to, &local));
    assert_true(net_addr_equal(&to, &from));
    assert_true(net_addr_equal(&local, &b.local));
    assert_false(ice_lite_nominated(&b.ice));
    assert_int_equal(send_check(&b, &from, &plain), ICE_ANSWERED);
    assert_false(b.change.path_added || b.change.selected_changed);
}

static void checks_without_the_password_change_nothing(void **state) {
    (void)state;
    struct bench b = bench_new();
    struct net_addr from = peer_addr(1);
    static const struct check bad[] = {{.username = UFRAG ":" PEER, .key = PWD2, .priority = 1},
                                       {.username = UFRAG2 ":" PEER, .key = PWD, .priority = 1},
                                       {.username = UFRAG, .key = PWD, .priority = 1},
                                       {.username = UFRAG "x:" PEER, .key = PWD, .priority = 1}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(send_check(&b, &from, &bad[i]), ICE_REFUSED);
        assert_int_equal(b.answer.error_code, STUN_ERROR_UNAUTHENTICATED);
        assert_false(b.answer.present & STUN_HAS_INTEGRITY);
    }
    assert_false(ice_lite_is_path(&b.ice, &from));
    assert_false(ice_lite_note_authentic(&b.ice, b.now_us, &from));
    assert_int_equal(ice_lite_liveness(&b.ice, b.now_us), ICE_WAITING);
    assert_int_equal(b.counters.rx_bad_integrity, 1);
    assert_int_equal(b.counters.rx_bad_username, 3);
}

static void the_second_half_of_the_username_counts_once_the_peer_is_known(void **state) {
    (void)state;
    struct bench b = bench_new();
    struct net_addr from = peer_addr(1);
    assert_false(ice_lite_set_remote(&b.ice, b.now_us, span_str("abc"), span_of(NULL, 0)));
    assert_true(ice_lite_set_remote(&b.ice, b.now_us, span_str("othr"), span_of(NULL, 0)));
    assert_int_equal(send_check(&b, &from, &plain), ICE_REFUSED);
    assert_true(ice_lite_set_remote(&b.ice, b.now_us, span_str(PEER), span_of(NULL, 0)));
    assert_int_equal(send_check(&b, &from, &plain), ICE_ANSWERED);
}

static void malformed_and_foreign_messages_are_dropped_or_refused(void **state) {
    (void)state;
    struct bench b = bench_new();
    struct net_addr from = peer_addr(1);
    uint8_t bytes[128];
    struct writer w = writer_of(bytes, sizeof bytes);
    assert_true(stun_write_success(&w, b.transaction, &from, span_str(PWD)));
    assert_int_equal(input(&b, &from, writer_span(&w)), ICE_DROPPED);
    assert_int_equal(input(&b, &from, span_of(bytes, 10)), ICE_DROPPED);
    assert_int_equal(b.counters.rx_bad_answer, 1); /* to no question of ours */
    assert_int_equal(b.counters.rx_malformed, 1);
    /* a bare request: no username */
    w = writer_of(bytes, sizeof bytes);
    wr_u16(&w, 1);
    wr_u16(&w, 0);
    wr_u32(&w, STUN_COOKIE);
    wr_zeros(&w, STUN_TRANSACTION_LEN);
    assert_int_equal(input(&b, &from, writer_span(&w)), ICE_REFUSED);
    assert_int_equal(b.answer.error_code, STUN_ERROR_BAD_REQUEST);
    struct span ufrag;
    assert_false(ice_peek_local_ufrag(writer_span(&w), &ufrag));
}

static void a_controlled_peer_is_told_to_take_the_other_role(void **state) {
    (void)state;
    struct bench b = bench_new();
    struct net_addr from = peer_addr(1);
    struct check check = plain;
    check.controlled = true;
    assert_int_equal(send_check(&b, &from, &check), ICE_REFUSED);
    assert_int_equal(b.answer.error_code, STUN_ERROR_ROLE_CONFLICT);
    assert_true(stun_check_integrity(&b.answer, span_str(PWD)));
    assert_false(ice_lite_is_path(&b.ice, &from));
}

static void the_first_path_is_used_until_one_is_nominated(void **state) {
    (void)state;
    struct bench b = bench_new();
    check_from(&b, 1, 100, false);
    check_from(&b, 2, 900, false);
    assert_int_equal(target(&b), 1);
    check_from(&b, 2, 900, true);
    assert_true(b.change.selected_changed);
    assert_int_equal(target(&b), 2);
    assert_true(ice_lite_nominated(&b.ice));
}

static void of_nominations_that_come_together_the_highest_priority_wins(void **state) {
    (void)state;
    static const unsigned orders[][3] = {{1, 2, 3}, {3, 2, 1}, {2, 3, 1}, {1, 3, 2}};
    for (size_t i = 0; i < 4; i++) {
        struct bench b = bench_new();
        for (size_t k = 0; k < 3; k++) {
            b.now_us += 50000;
            check_from(&b, orders[i][k], 100 * orders[i][k], true);
        }
        assert_int_equal(target(&b), 3);
    }
}

static void a_later_nomination_of_lower_priority_moves_the_path(void **state) {
    (void)state;
    struct bench b = bench_new();
    check_from(&b, 1, 900, true);
    b.now_us += 10 * US_PER_S;
    check_from(&b, 1, 900, false); /* keepalives of regular nomination: they hold nothing */
    check_from(&b, 2, 100, true);
    assert_int_equal(target(&b), 2);
}

static void a_silent_selected_path_gives_way_to_a_checked_one(void **state) {
    (void)state;
    struct bench b = bench_new();
    check_from(&b, 1, 900, true);
    b.now_us += 2 * US_PER_S;
    check_from(&b, 2, 900, false); /* two ports of one peer, both alive: the nominated one stays */
    assert_int_equal(target(&b), 1);
    b.now_us += 2 * US_PER_S;
    check_from(&b, 2, 900, false); /* nothing for 4 s from the first: a NAT gave it another port */
    assert_int_equal(target(&b), 2);
}

static void a_full_table_forgets_the_path_heard_of_longest_ago(void **state) {
    (void)state;
    struct bench b = bench_new();
    for (unsigned i = 1; i <= ICE_LITE_PATHS_MAX; i++) {
        b.now_us += 200 * US_PER_MS;
        check_from(&b, i, i, false);
    }
    b.now_us += 200 * US_PER_MS;
    struct net_addr second = peer_addr(2);
    assert_true(ice_lite_note_authentic(&b.ice, b.now_us, &second)); /* media keeps a path fresh, too */
    check_from(&b, 100, 1, false);
    struct net_addr third = peer_addr(3);
    assert_true(b.change.path_added && b.change.path_removed);
    assert_true(net_addr_equal(&b.change.removed, &third)); /* not 1, which is selected, nor 2 */
    assert_int_equal(target(&b), 1);
    assert_false(ice_lite_is_path(&b.ice, &third));
    struct net_addr all[ICE_LITE_PATHS_MAX];
    assert_int_equal(ice_lite_paths(&b.ice, all), ICE_LITE_PATHS_MAX);
    assert_int_equal(b.counters.path_evicted, 1);
}

static void paths_of_a_lost_connection_are_forgotten(void **state) {
    (void)state;
    struct bench b = bench_new();
    struct check check = plain;
    check.use_candidate = true;
    check_from(&b, 1, 100, false);
    struct net_addr tcp = peer_addr(9);
    tcp.proto = NET_TCP;
    tcp.conn = 5;
    check.priority = 200;
    b.now_us += US_PER_S;
    assert_int_equal(send_check(&b, &tcp, &check), ICE_ANSWERED);
    assert_int_equal(target(&b), 9);
    assert_false(ice_lite_forget_conn(&b.ice, 6));
    assert_true(ice_lite_forget_conn(&b.ice, 5));
    assert_int_equal(target(&b), 1);
    assert_false(ice_lite_is_path(&b.ice, &tcp));
    assert_false(ice_lite_nominated(&b.ice));
}

static void answers_leave_from_where_the_check_arrived(void **state) {
    (void)state;
    struct bench b = bench_new();
    struct net_addr local;
    struct net_addr to;
    /* more local addresses than are kept, one after the other */
    for (unsigned i = 1; i <= 6; i++) {
        b.local = net_addr_v4(198, 51, 100, (uint8_t)i, 7882);
        b.now_us += 2 * US_PER_S;
        check_from(&b, 1, 100, true);
        assert_true(ice_lite_target(&b.ice, &to, &local));
        assert_true(net_addr_equal(&local, &b.local));
    }
    /* and all in use at once: one more is "any" */
    for (unsigned i = 1; i <= ICE_LITE_LOCALS_MAX + 1; i++) {
        b.local = net_addr_v4(198, 51, 100, (uint8_t)(10 + i), 7882);
        b.now_us += 2 * US_PER_S;
        check_from(&b, 1 + i, 100, true);
    }
    assert_true(ice_lite_target(&b.ice, &to, &local));
    assert_int_equal(local.family, 0);
}

static void liveness_follows_the_last_authentic_packet(void **state) {
    (void)state;
    struct bench b = bench_new();
    struct net_addr from = peer_addr(1);
    uint64_t t = b.now_us;
    assert_int_equal(ice_lite_liveness(&b.ice, t + 3600 * US_PER_S), ICE_WAITING); /* nobody was told of us yet */
    assert_true(ice_lite_next_deadline(&b.ice, t) == TIME_NEVER);
    t += 100 * US_PER_S;
    assert_true(ice_lite_set_remote(&b.ice, t, span_str(PEER), span_of(NULL, 0)));
    assert_true(ice_lite_next_deadline(&b.ice, t) == t + ICE_CONSENT_US);
    assert_int_equal(ice_lite_liveness(&b.ice, t + ICE_CONSENT_US - 1), ICE_WAITING);
    assert_int_equal(ice_lite_liveness(&b.ice, t + ICE_CONSENT_US), ICE_EXPIRED);
    b.now_us = t;
    assert_int_equal(send_check(&b, &from, &plain), ICE_ANSWERED);
    assert_int_equal(ice_lite_liveness(&b.ice, t), ICE_LIVE);
    assert_true(ice_lite_next_deadline(&b.ice, t) == t + ICE_QUIET_US);
    t += 5 * US_PER_S;
    assert_true(ice_lite_note_authentic(&b.ice, t, &from));
    assert_int_equal(ice_lite_liveness(&b.ice, t + ICE_QUIET_US - 1), ICE_LIVE);
    assert_int_equal(ice_lite_liveness(&b.ice, t + ICE_QUIET_US), ICE_QUIET);
    assert_true(ice_lite_next_deadline(&b.ice, t + ICE_QUIET_US) == t + ICE_CONSENT_US);
    assert_true(ice_lite_alive(&b.ice, t + ICE_CONSENT_US - 1));
    assert_false(ice_lite_alive(&b.ice, t + ICE_CONSENT_US));
    assert_true(ice_lite_next_deadline(&b.ice, t + ICE_CONSENT_US) == TIME_NEVER);
}

static void a_restart_keeps_the_old_path_and_credentials_until_the_new_ones_work(void **state) {
    (void)state;
    struct bench b = bench_new();
    struct net_addr from = peer_addr(1);
    assert_true(ice_lite_set_remote(&b.ice, b.now_us, span_str(PEER), span_of(NULL, 0)));
    check_from(&b, 1, 900, true);
    ice_lite_restart(&b.ice, span_str("temp"), span_str("a pwd that is never used"));
    ice_lite_restart(&b.ice, span_str(UFRAG2), span_str(PWD2)); /* the one before was overtaken */
    assert_int_equal(target(&b), 1);
    assert_int_equal(send_check(&b, &from, &plain), ICE_ANSWERED);
    assert_true(stun_check_integrity(&b.answer, span_str(PWD)));
    assert_false(b.change.restarted);
    struct check fresh = {.username = UFRAG2 ":new4", .key = PWD2, .priority = 100, .use_candidate = true};
    struct net_addr other = peer_addr(2);
    assert_int_equal(send_check(&b, &other, &fresh), ICE_ANSWERED);
    assert_true(stun_check_integrity(&b.answer, span_str(PWD2)));
    assert_true(b.change.restarted && b.change.selected_changed);
    assert_int_equal(target(&b), 2); /* though its priority is lower and the nominations are close together */
    assert_int_equal(send_check(&b, &from, &plain), ICE_REFUSED);
    assert_int_equal(b.answer.error_code, STUN_ERROR_UNAUTHENTICATED);
}

/* ---- client and lite agent over a lossy network ---- */

#define WIRE_MAX 512

struct wire_datagram {
    uint64_t at_us;
    bool to_server;
    struct net_addr client_side, server_side;
    size_t len;
    uint8_t bytes[ICE_CLIENT_DATAGRAM_LEN_MAX];
};

struct world {
    struct ice_lite lite;
    struct ice_lite_counters counters;
    struct ice_client client;
    struct rng rng, client_rng;
    uint64_t now_us, delay_us;
    double loss;
    unsigned dead; /* bit n: server address n is unreachable */
    unsigned wakes;
    size_t on_wire;
    struct wire_datagram wire[WIRE_MAX];
};

static struct net_addr server_addr(unsigned n) {
    return net_addr_v4(198, 51, 100, (uint8_t)n, 7882);
}

static struct world *world_new(uint64_t seed, unsigned servers) {
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->rng = rng_seeded(seed);
    w->client_rng = rng_seeded(seed + 1000000);
    w->now_us = 1000000;
    w->delay_us = 20000;
    ice_lite_init(&w->lite, w->now_us, span_str(UFRAG), span_str(PWD));
    ice_client_init(&w->client, &w->client_rng);
    assert_true(
        ice_lite_set_remote(&w->lite, w->now_us, span_str(w->client.local_ufrag), span_str(w->client.local_pwd)));
    assert_true(ice_client_set_remote(&w->client, span_str(UFRAG), span_str(PWD)));
    for (unsigned i = 1; i <= servers; i++) {
        struct net_addr addr = server_addr(i);
        assert_true(ice_client_add_candidate(&w->client, w->now_us, &addr,
                                             candidate_priority(CANDIDATE_HOST, (uint16_t)(65535 - i), 1)));
    }
    return w;
}

static void wire(struct world *w, bool to_server, struct net_addr client_side, struct net_addr server_side,
                 struct span b) {
    assert_true(w->on_wire < WIRE_MAX && b.len <= ICE_CLIENT_DATAGRAM_LEN_MAX);
    if (rng_unit(&w->rng) < w->loss || (w->dead >> server_side.ip[3] & 1))
        return;
    struct wire_datagram *d = &w->wire[w->on_wire++];
    *d = (struct wire_datagram){.at_us = w->now_us + w->delay_us + rng_below(&w->rng, 5000),
                                .to_server = to_server,
                                .client_side = client_side,
                                .server_side = server_side,
                                .len = b.len};
    memcpy(d->bytes, b.data, b.len);
}

static void client_turn(struct world *w) {
    uint8_t bytes[ICE_CLIENT_DATAGRAM_LEN_MAX];
    struct net_addr to;
    ice_client_tick(&w->client, w->now_us);
    for (struct writer out = writer_of(bytes, sizeof bytes); ice_client_poll(&w->client, w->now_us, &out, &to);
         out.len = 0)
        wire(w, true, peer_addr(1), to, writer_span(&out));
}

static void deliver(struct world *w, const struct wire_datagram *d) {
    if (!d->to_server) {
        ice_client_input(&w->client, w->now_us, &d->server_side, span_of(d->bytes, d->len));
        client_turn(w);
        return;
    }
    uint8_t bytes[ICE_LITE_RESPONSE_LEN_MAX];
    struct writer out = writer_of(bytes, sizeof bytes);
    struct ice_lite_change change;
    if (ice_lite_input(&w->lite, w->now_us, &d->client_side, &d->server_side, span_of(d->bytes, d->len), &out, &change,
                       &w->counters) != ICE_DROPPED)
        wire(w, false, d->client_side, d->server_side, writer_span(&out));
}

static void run_for(struct world *w, uint64_t duration_us, enum ice_client_state until) {
    uint64_t end_us = w->now_us + duration_us;
    client_turn(w);
    while (w->now_us < end_us && ice_client_state(&w->client, w->now_us) != until) {
        uint64_t next_us = time_min(end_us, ice_client_next_deadline(&w->client));
        size_t first = w->on_wire;
        for (size_t i = 0; i < w->on_wire; i++) {
            if (w->wire[i].at_us <= next_us) {
                next_us = w->wire[i].at_us;
                first = i;
            }
        }
        w->now_us = next_us > w->now_us ? next_us : w->now_us;
        w->wakes++;
        if (first < w->on_wire) {
            struct wire_datagram d = w->wire[first];
            w->wire[first] = w->wire[--w->on_wire];
            deliver(w, &d);
        } else {
            client_turn(w);
        }
    }
}

static void a_client_connects_on_the_best_path_in_a_few_round_trips(void **state) {
    (void)state;
    struct world *w = world_new(1, 3);
    run_for(w, 10 * US_PER_S, ICE_CLIENT_CONNECTED);
    assert_true(w->now_us - 1000000 < 300000);
    struct net_addr to;
    struct net_addr best = server_addr(1);
    assert_true(ice_client_selected(&w->client, &to));
    assert_true(net_addr_equal(&to, &best));
    assert_int_equal(target(&(struct bench){.ice = w->lite}), 1);
    assert_true(ice_lite_nominated(&w->lite));
    assert_true(w->client.rtt_us >= 40000 && w->client.rtt_us <= 50000);
    free(w);
}

static void clients_connect_over_lossy_networks_with_dead_candidates(void **state) {
    (void)state;
    uint64_t worst_us = 0;
    uint64_t total_us = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        unsigned servers = 1 + (unsigned)(seed % ICE_CLIENT_PAIRS_MAX);
        struct world *w = world_new(seed, servers);
        w->loss = 0.1 * (double)(seed % 4);
        w->dead = seed % 3 == 0 && servers > 1 ? 2u : 0; /* the best one */
        run_for(w, 30 * US_PER_S, ICE_CLIENT_CONNECTED);
        if (ice_client_state(&w->client, w->now_us) != ICE_CLIENT_CONNECTED)
            fail_msg("seed %d", (int)seed);
        uint64_t took_us = w->now_us - 1000000;
        worst_us = took_us > worst_us ? took_us : worst_us;
        total_us += took_us;
        assert_true(ice_lite_nominated(&w->lite));
        free(w);
    }
    printf("300 seeds: mean %u ms, worst %u ms\n", (unsigned)(total_us / 300000), (unsigned)(worst_us / 1000));
}

static void consent_is_kept_for_an_hour_and_lost_in_thirty_seconds(void **state) {
    (void)state;
    struct world *w = world_new(3, 2);
    run_for(w, 5 * US_PER_S, ICE_CLIENT_CONNECTED);
    uint64_t checks = w->client.counters.tx_checks;
    w->wakes = 0;
    run_for(w, 3600 * US_PER_S, ICE_CLIENT_FAILED);
    assert_int_equal(ice_client_state(&w->client, w->now_us), ICE_CLIENT_CONNECTED);
    assert_int_equal(ice_lite_liveness(&w->lite, w->now_us), ICE_LIVE);
    checks = w->client.counters.tx_checks - checks;
    assert_true(checks >= 700 && checks <= 745); /* each 5 s on average */
    assert_true(w->wakes < 6 * checks);
    w->loss = 1;
    uint64_t start_us = w->now_us;
    run_for(w, 60 * US_PER_S, ICE_CLIENT_DISCONNECTED);
    assert_int_equal(ice_client_state(&w->client, w->now_us), ICE_CLIENT_DISCONNECTED);
    assert_true(w->now_us - start_us <= ICE_CLIENT_QUIET_US);
    run_for(w, 60 * US_PER_S, ICE_CLIENT_FAILED);
    assert_int_equal(ice_client_state(&w->client, w->now_us), ICE_CLIENT_FAILED);
    assert_true(w->now_us - start_us <= ICE_CONSENT_US);
    assert_false(ice_lite_alive(&w->lite, start_us + ICE_CONSENT_US + US_PER_S));
    struct net_addr to;
    assert_false(ice_client_selected(&w->client, &to));
    uint64_t silent = w->client.counters.tx_checks;
    run_for(w, 60 * US_PER_S, ICE_CLIENT_NEW);
    assert_int_equal(w->client.counters.tx_checks, silent);
    assert_true(ice_client_next_deadline(&w->client) == TIME_NEVER);
    free(w);
}

static void a_client_that_reaches_nothing_gives_up(void **state) {
    (void)state;
    struct world *w = world_new(3, 2);
    w->loss = 1;
    run_for(w, 120 * US_PER_S, ICE_CLIENT_FAILED);
    assert_int_equal(ice_client_state(&w->client, w->now_us), ICE_CLIENT_FAILED);
    assert_int_equal(w->now_us - 1000000, ICE_CLIENT_GIVE_UP_US);
    assert_true(w->client.counters.tx_checks <= 2 * ICE_CLIENT_TRIES_MAX);
    free(w);
}

static void a_restart_moves_to_new_credentials_without_a_gap(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct world *w = world_new(seed, 2);
        w->loss = 0.1;
        run_for(w, 20 * US_PER_S, ICE_CLIENT_CONNECTED);
        struct net_addr to;
        ice_client_restart(&w->client, w->now_us);
        assert_true(ice_client_selected(&w->client, &to)); /* sending goes on */
        ice_lite_restart(&w->lite, span_str(UFRAG2), span_str(PWD2));
        assert_true(
            ice_lite_set_remote(&w->lite, w->now_us, span_str(w->client.local_ufrag), span_str(w->client.local_pwd)));
        run_for(w, US_PER_S, ICE_CLIENT_FAILED);
        assert_int_equal(ice_client_state(&w->client, w->now_us), ICE_CLIENT_CONNECTED);
        assert_true(ice_client_set_remote(&w->client, span_str(UFRAG2), span_str(PWD2)));
        struct net_addr addr = server_addr(2);
        assert_true(ice_client_add_candidate(&w->client, w->now_us, &addr, 5000));
        run_for(w, 8 * US_PER_S, ICE_CLIENT_FAILED);
        assert_int_equal(ice_client_state(&w->client, w->now_us), ICE_CLIENT_CONNECTED);
        assert_true(ice_client_selected(&w->client, &to));
        assert_true(net_addr_equal(&to, &addr));
        assert_int_equal(w->counters.restarted, 1);
        free(w);
    }
}

static void a_restart_that_fails_ends_the_old_path_too(void **state) {
    (void)state;
    struct world *w = world_new(1, 1);
    run_for(w, 20 * US_PER_S, ICE_CLIENT_CONNECTED);
    ice_client_restart(&w->client, w->now_us);
    run_for(w, 29 * US_PER_S, ICE_CLIENT_FAILED);
    assert_int_not_equal(ice_client_state(&w->client, w->now_us), ICE_CLIENT_FAILED);
    run_for(w, 2 * US_PER_S, ICE_CLIENT_FAILED);
    assert_int_equal(ice_client_state(&w->client, w->now_us), ICE_CLIENT_FAILED);
    free(w);
}

static void a_client_in_the_wrong_role_changes_it_and_connects(void **state) {
    (void)state;
    struct world *w = world_new(1, 2);
    w->client.controlling = false;
    run_for(w, 10 * US_PER_S, ICE_CLIENT_CONNECTED);
    assert_int_equal(ice_client_state(&w->client, w->now_us), ICE_CLIENT_CONNECTED);
    assert_true(w->client.controlling);
    assert_true(w->client.counters.rx_role_conflict >= 1);
    free(w);
}

/* Two full agents, neither of which has to be the server. */
static void exchange(struct ice_client *a, struct ice_client *b, uint64_t duration_us) {
    struct net_addr addr[2] = {peer_addr(1), peer_addr(2)};
    struct ice_client *end[2] = {a, b};
    for (uint64_t now_us = 1000000; now_us < 1000000 + duration_us; now_us += 10000) {
        for (int i = 0; i < 2; i++) {
            uint8_t bytes[ICE_CLIENT_DATAGRAM_LEN_MAX];
            struct net_addr to;
            ice_client_tick(end[i], now_us);
            for (struct writer w = writer_of(bytes, sizeof bytes); ice_client_poll(end[i], now_us, &w, &to); w.len = 0)
                if (net_addr_equal(&to, &addr[!i]))
                    ice_client_input(end[!i], now_us, &addr[i], writer_span(&w));
        }
    }
}

static void two_full_agents_agree_on_roles_and_a_path(void **state) {
    (void)state;
    for (unsigned roles = 0; roles < 4; roles++) {
        struct rng rng = rng_seeded(roles);
        struct ice_client a;
        struct ice_client b;
        ice_client_init(&a, &rng);
        ice_client_init(&b, &rng);
        a.controlling = (roles & 1) != 0;
        b.controlling = (roles & 2) != 0;
        assert_true(ice_client_set_remote(&a, span_str(b.local_ufrag), span_str(b.local_pwd)));
        assert_true(ice_client_set_remote(&b, span_str(a.local_ufrag), span_str(a.local_pwd)));
        struct net_addr addr = peer_addr(2);
        assert_true(ice_client_add_candidate(&a, 1000000, &addr, 1000)); /* b learns a as peer-reflexive */
        exchange(&a, &b, 60 * US_PER_S);
        assert_int_equal(ice_client_state(&a, 61000000), ICE_CLIENT_CONNECTED);
        assert_int_equal(ice_client_state(&b, 61000000), ICE_CLIENT_CONNECTED);
        assert_true(a.controlling != b.controlling);
    }
}

static void answers_that_are_forged_or_come_from_elsewhere_are_dropped(void **state) {
    (void)state;
    struct world *w = world_new(1, 1);
    uint8_t bytes[ICE_CLIENT_DATAGRAM_LEN_MAX];
    struct writer out = writer_of(bytes, sizeof bytes);
    struct net_addr to;
    struct net_addr me = peer_addr(1);
    assert_true(ice_client_poll(&w->client, w->now_us, &out, &to));
    struct stun_message request;
    assert_int_equal(stun_parse(writer_span(&out), &request), STUN_OK);
    uint8_t answer[128];
    struct writer forged = writer_of(answer, sizeof answer);
    assert_true(stun_write_success(&forged, request.transaction, &me, span_str(PWD2)));
    assert_int_equal(ice_client_input(&w->client, w->now_us, &to, writer_span(&forged)), ICE_DROPPED);
    forged.len = 0;
    assert_true(stun_write_error(&forged, &request, STUN_ERROR_UNAUTHENTICATED, span_of(NULL, 0)));
    assert_int_equal(ice_client_input(&w->client, w->now_us, &to, writer_span(&forged)), ICE_DROPPED);
    struct writer good = writer_of(answer, sizeof answer);
    assert_true(stun_write_success(&good, request.transaction, &me, span_str(PWD)));
    struct net_addr elsewhere = server_addr(9);
    assert_int_equal(ice_client_input(&w->client, w->now_us, &elsewhere, writer_span(&good)), ICE_DROPPED);
    assert_int_equal(ice_client_input(&w->client, w->now_us, &to, writer_span(&good)), ICE_TAKEN);
    assert_int_equal(ice_client_input(&w->client, w->now_us, &to, writer_span(&good)), ICE_DROPPED);
    free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_is_answered_with_the_address_it_came_from),
        cmocka_unit_test(checks_without_the_password_change_nothing),
        cmocka_unit_test(the_second_half_of_the_username_counts_once_the_peer_is_known),
        cmocka_unit_test(malformed_and_foreign_messages_are_dropped_or_refused),
        cmocka_unit_test(a_controlled_peer_is_told_to_take_the_other_role),
        cmocka_unit_test(the_first_path_is_used_until_one_is_nominated),
        cmocka_unit_test(of_nominations_that_come_together_the_highest_priority_wins),
        cmocka_unit_test(a_later_nomination_of_lower_priority_moves_the_path),
        cmocka_unit_test(a_silent_selected_path_gives_way_to_a_checked_one),
        cmocka_unit_test(a_full_table_forgets_the_path_heard_of_longest_ago),
        cmocka_unit_test(paths_of_a_lost_connection_are_forgotten),
        cmocka_unit_test(answers_leave_from_where_the_check_arrived),
        cmocka_unit_test(liveness_follows_the_last_authentic_packet),
        cmocka_unit_test(a_restart_keeps_the_old_path_and_credentials_until_the_new_ones_work),
        cmocka_unit_test(a_client_connects_on_the_best_path_in_a_few_round_trips),
        cmocka_unit_test(clients_connect_over_lossy_networks_with_dead_candidates),
        cmocka_unit_test(consent_is_kept_for_an_hour_and_lost_in_thirty_seconds),
        cmocka_unit_test(a_client_that_reaches_nothing_gives_up),
        cmocka_unit_test(a_restart_moves_to_new_credentials_without_a_gap),
        cmocka_unit_test(a_restart_that_fails_ends_the_old_path_too),
        cmocka_unit_test(a_client_in_the_wrong_role_changes_it_and_connects),
        cmocka_unit_test(two_full_agents_agree_on_roles_and_a_path),
        cmocka_unit_test(answers_that_are_forged_or_come_from_elsewhere_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
