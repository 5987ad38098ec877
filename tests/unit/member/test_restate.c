/* The server is started again and has forgotten everything: the group of a meeting goes on where its members are. With
 * the real service and members; dishonest ones say what they like with their own keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "member/member_internal.h"
#include "sim/assembly.h"
#include "unit.h"

#define FAST MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

static struct assembly a;

static void begin(uint64_t seed, int people) {
    assembly_begin(&a, seed, FAST);
    for (int i = 0; i < people; i++) {
        assembly_join(&a, ASSEMBLY_GUEST);
        assert_true(assembly_settle(&a, 5 * US_PER_S));
    }
    assembly_run(&a, US_PER_S);
}

static void restart(uint64_t down_us) {
    assembly_server_stop(&a);
    assembly_run(&a, down_us);
    assembly_server_start(&a);
}

static void chat(int from, const char *text) {
    assert_int_equal(
        member_chat(a.people[from].member, 1, &a.rng, span_of(NULL, 0), span_str("0123456789abcdef"), span_str(text)),
        MLS_OK);
    assembly_drain(&a, from);
    assembly_run(&a, US_PER_S);
}

static uint32_t alarms(void) {
    uint32_t count = 0;
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++)
        count += a.people[i].alarms;
    return count;
}

static const struct service_counters *counters(void) {
    return service_counters_get(a.service);
}

static void a_restart_of_the_server_ends_no_meeting(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        begin(seed, 5);
        uint64_t epoch = member_epoch(a.people[0].member);
        restart(seed * US_PER_S / 3);
        assert_true(assembly_settle(&a, 20 * US_PER_S));
        for (int i = 0; i < 5; i++) {
            assert_false(a.people[i].ended);
            assert_true(a.people[i].admitted);
            assert_int_equal(member_people(a.people[i].member), 5);
        }
        assert_true(member_epoch(a.people[0].member) >= epoch);
        assert_int_equal(counters()->service_restated, 1);
        chat(4, "still here");
        for (int i = 0; i < 4; i++)
            assert_string_equal(a.people[i].last_chat, "still here");
        /* and it lives: who comes gets in, who leaves goes */
        assembly_join(&a, ASSEMBLY_GUEST);
        assert_true(assembly_settle(&a, 5 * US_PER_S));
        assembly_leave(&a, 0);
        assembly_run(&a, 3 * US_PER_S);
        assert_true(assembly_agree(&a));
        assert_int_equal(alarms(), 0);
        assembly_end(&a);
    }
}

/* Whoever was told that it cannot follow opens the page again. */
static int reload_who_cannot_follow(void) {
    int count = 0;
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        if (!a.people[i].used || !a.people[i].ended || a.people[i].gone != WIRE_GONE_CANNOT_FOLLOW)
            continue;
        assembly_reload(&a, i);
        count++;
    }
    return count;
}

static void a_restart_in_the_middle_of_a_commit_ends_no_meeting(void **state) {
    (void)state;
    int reloads = 0;
    for (uint64_t seed = 20; seed < 60; seed++) {
        begin(seed, 4);
        assembly_join(&a, ASSEMBLY_GUEST);
        assembly_run(&a, rng_below(&a.rng, 900000));
        restart(US_PER_S);
        if (!assembly_settle(&a, 12 * US_PER_S)) {
            reloads += reload_who_cannot_follow();
            assert_true(assembly_settle(&a, 5 * US_PER_S));
        }
        for (int i = 0; i < 5; i++)
            assert_false(a.people[i].ended);
        assert_int_equal(member_people(a.people[0].member), 5);
        chat(4, "all here");
        for (int i = 0; i < 4; i++)
            assert_string_equal(a.people[i].last_chat, "all here");
        assert_int_equal(alarms(), 0);
        assembly_end(&a);
    }
    assert_true(reloads < 8); /* whom `ready` had reached alone */
}

static void a_person_who_is_away_over_the_restart_comes_back(void **state) {
    (void)state;
    begin(60, 4);
    assembly_sleep(&a, 3, 8 * US_PER_S);
    assembly_run(&a, 500000);
    restart(US_PER_S);
    assembly_run(&a, 4 * US_PER_S); /* the group stands without it, and goes on */
    assert_int_equal(counters()->service_restated, 1);
    chat(0, "it was said meanwhile");
    assembly_join(&a, ASSEMBLY_GUEST);
    assert_true(assembly_settle(&a, 15 * US_PER_S));
    assert_int_equal(member_people(a.people[3].member), 5);
    assert_string_equal(a.people[3].last_chat, "it was said meanwhile");
    assert_true(a.people[3].admitted);
    assert_int_equal(alarms(), 0);
    assembly_end(&a);
}

static void who_missed_epochs_that_nobody_has_any_more_enters_anew(void **state) {
    (void)state;
    begin(61, 3);
    assembly_sleep(&a, 2, 4 * US_PER_S);
    assembly_run(&a, 100000);
    assembly_join(&a, ASSEMBLY_GUEST); /* an epoch that it does not see */
    assembly_run(&a, US_PER_S);
    restart(US_PER_S);
    assembly_run(&a, 5 * US_PER_S);
    assert_true(a.people[2].ended);
    assert_int_equal(a.people[2].gone, WIRE_GONE_CANNOT_FOLLOW);
    assert_int_equal(reload_who_cannot_follow(), 1);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assert_int_equal(member_people(a.people[0].member), 4); /* its leaf went with its coming */
    assert_int_equal(alarms(), 0);
    assembly_end(&a);
}

static void where_too_few_come_back_the_meeting_is_over_and_may_begin_anew(void **state) {
    (void)state;
    begin(62, 5);
    assembly_server_stop(&a);
    for (int i = 2; i < 5; i++)
        assembly_crash(&a, i, 1);
    assembly_run(&a, US_PER_S);
    assembly_server_start(&a);
    int late = assembly_join(&a, ASSEMBLY_GUEST); /* and nobody begins another meanwhile */
    assembly_run(&a, 8 * US_PER_S);
    assert_int_equal(counters()->service_groups, 0);
    assembly_run(&a, 5 * US_PER_S);
    for (int i = 0; i < 2; i++) {
        assert_true(a.people[i].ended);
        assert_int_equal(a.people[i].gone, WIRE_GONE_OVER);
        assembly_reload(&a, i);
    }
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assert_int_equal(member_people(a.people[late].member), 3);
    assert_int_equal(alarms(), 0);
    assembly_end(&a);
}

/* People come, go, are cut off and speak, and the server is started again and again. */
static void random_meetings_go_on_over_restarts(void **state) {
    (void)state;
    const char *text = getenv("ASSEMBLY_SEEDS");
    uint64_t seeds = text != NULL ? strtoull(text, NULL, 10) : 20;
    for (uint64_t seed = 200; seed < 200 + seeds; seed++) {
        begin(seed, 3);
        int joined = 3;
        for (int step = 0; step < 40; step++) {
            int who = (int)rng_below(&a.rng, (uint64_t)joined);
            bool usable = !a.people[who].ended && !a.people[who].crashed;
            switch (rng_below(&a.rng, 10)) {
            case 0:
            case 1:
                if (joined < 16) {
                    assembly_join(&a, ASSEMBLY_GUEST);
                    joined++;
                }
                break;
            case 2:
                if (usable && assembly_in(&a) > 3)
                    assembly_leave(&a, who);
                break;
            case 3:
                if (usable && a.people[who].up)
                    assembly_cut(&a, who, assembly_in(&a) > 4 && rng_below(&a.rng, 4) == 0);
                break;
            case 4:
                if (step % 4 == 0)
                    restart(rng_below(&a.rng, 3 * US_PER_S));
                break;
            default:
                if (usable && member_state(a.people[who].member) == MEMBER_IN) {
                    (void)member_chat(a.people[who].member, 1, &a.rng, span_of(NULL, 0), span_str("i"), span_str("hm"));
                    assembly_drain(&a, who);
                }
            }
            assembly_run(&a, rng_below(&a.rng, rng_below(&a.rng, 4) == 0 ? 2 * US_PER_S : 100000));
        }
        bool settled = false;
        for (int i = 0; i < 12 && !settled; i++) {
            settled = assembly_settle(&a, 10 * US_PER_S);
            for (int k = 0; k < joined && !settled; k++) {
                if (a.people[k].ended && a.people[k].gone != 0)
                    assembly_reload(&a, k);
            }
        }
        if (!settled || alarms() != 0)
            printf("seed %llu: settled %d, alarms %u\n", (unsigned long long)seed, settled, alarms());
        assert_true(settled);
        assert_int_equal(alarms(), 0);
        assembly_end(&a);
    }
}

/* ---- who makes a group of its own ---- */

/* Those whom person `i` has let into its fork. */
static struct { int people[ASSEMBLY_PEOPLE_MAX], count; } forked;

static void fork_follow(struct span commit) {
    for (int i = 0; i < forked.count; i++) {
        struct member *m = a.people[forked.people[i]].member;
        struct mls_received received;
        assert_int_equal(mls_process(m->group, commit, 0, &received), MLS_OK);
        assert_int_equal(mls_staged_apply(m->group), MLS_OK);
        member_entered(m, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, span_of(NULL, 0), ENTRY_NEXT);
    }
}

static void fork_commit(int i, struct span proposals, struct mls_buf *welcome) {
    struct member *m = a.people[i].member;
    struct mls_buf commit, extensions;
    mls_buf_init(&commit, WIRE_MESSAGE_LEN_MAX);
    mls_buf_init(&extensions, 4096);
    assert_int_equal(member_info_extensions(m, &extensions), MLS_OK);
    struct mls_commit_options options = {.proposals = proposals,
                                         .pick = MLS_PICK_NONE,
                                         .frame = {.as_public = true},
                                         .tree_in_welcome = true,
                                         .welcome_extensions = mls_buf_span(&extensions)};
    assert_int_equal(mls_commit(m->group, &options, 0, &a.rng, &commit, welcome, NULL), MLS_OK);
    assert_int_equal(mls_commit_confirm(m->group), MLS_OK);
    member_entered(m, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, mls_buf_span(&m->identity), ENTRY_NEXT);
    fork_follow(mls_buf_span(&commit));
    mls_buf_free(&commit);
    mls_buf_free(&extensions);
}

static void fork_remove(int i, int target) {
    struct mls_buf proposal;
    const struct person *p = member_find_person(a.people[i].member, member_own_identity(a.people[target].member));
    if (p == NULL)
        return;
    mls_buf_init(&proposal, 100);
    assert_int_equal(mls_propose_write_remove(p->leaf, &proposal), MLS_OK);
    fork_commit(i, mls_buf_span(&proposal), NULL);
    mls_buf_free(&proposal);
}

/* Somebody whom nobody else has met, in the fork of person `i`. */
static void fork_sybil(int i) {
    struct member *m = a.people[i].member;
    int who = assembly_join(&a, ASSEMBLY_GUEST);
    struct member *sybil = a.people[who].member;
    struct mls_identity identity = member_identity(sybil);
    struct mls_group_options options = member_options(sybil);
    struct mls_buf package, proposals, welcome;
    mls_buf_init(&package, WIRE_PACKAGE_LEN_MAX);
    mls_buf_init(&proposals, 2 * WIRE_PACKAGE_LEN_MAX);
    mls_buf_init(&welcome, WIRE_MESSAGE_LEN_MAX);
    assert_int_equal(mls_key_package_create(sybil->client, &identity, NULL, ASSEMBLY_UNIX_S(&a), &a.rng, &package),
                     MLS_OK);
    assert_int_equal(mls_propose_write_add(mls_buf_span(&package), &proposals), MLS_OK);
    assert_int_equal(
        mls_propose_write_psk(m->suite.suite->id, span_of(m->psk_id, sizeof m->psk_id), &a.rng, &proposals), MLS_OK);
    fork_commit(i, mls_buf_span(&proposals), &welcome);
    assert_int_equal(mls_join(sybil->client, &options, mls_buf_span(&welcome), NULL, 0, &a.rng, &sybil->group), MLS_OK);
    member_entered(sybil, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, span_of(NULL, 0), ENTRY_NEW);
    forked.people[forked.count++] = who;
    mls_buf_free(&package);
    mls_buf_free(&proposals);
    mls_buf_free(&welcome);
}

/* Person `i` is put out while it is away, and still has the group in which it was; the server is down after that. */
static void is_removed_while_away(int i) {
    forked.count = 0;
    assembly_sleep(&a, i, 13500000);
    assembly_run(&a, 12 * US_PER_S);
    assert_int_equal(member_people(a.people[(i + 1) % 3].member), member_people(a.people[i].member) - 1);
    assembly_server_stop(&a);
    assembly_run(&a, US_PER_S);
}

static void honest_ones_go_on(int honest) {
    for (int i = 0; i < honest; i++) {
        assert_false(a.people[i].ended);
        assert_int_equal(member_state(a.people[i].member), MEMBER_IN);
        assert_int_equal(member_people(a.people[i].member), honest);
        assert_int_equal(a.people[i].alarms, 0);
    }
    assert_int_equal(counters()->service_restated, 1);
    chat(0, "among us");
    for (int i = 1; i < honest; i++)
        assert_string_equal(a.people[i].last_chat, "among us");
}

static void a_restated_group_of_a_removed_member_is_refused(void **state) {
    (void)state;
    for (int fork = 0; fork < 4; fork++) {
        begin(70 + (uint64_t)fork, 5);
        is_removed_while_away(4);
        for (int i = 0; i < 5 * fork; i++) /* its own goes on to a higher epoch */
            fork_commit(4, span_of(NULL, 0), NULL);
        if (fork == 3) /* and without some of the others */
            fork_remove(4, 1);
        assembly_server_start(&a);
        assembly_run(&a, 6 * US_PER_S);
        assert_true(a.people[4].ended);
        assert_int_equal(a.people[4].gone, MEMBER_GONE_NO_ENTRY);
        assert_false(a.people[4].admitted);
        honest_ones_go_on(4);
        assembly_end(&a);
    }
}

/* The address of person `i`: those of one network are told by it. */
static void lives_at(int i, uint8_t network) {
    static struct net_addr addresses[ASSEMBLY_PEOPLE_MAX];
    addresses[i] = (struct net_addr){.family = 4, .port = 1, .ip = {192, 0, network, (uint8_t)(i + 1)}};
    a.people[i].address = &addresses[i];
}

static void a_fork_of_sybils_is_not_restated(void **state) {
    (void)state;
    /* with the leaves of the others in it, however many it brings; and without, when it brings fewer than there are, or
     * more, but all from one network */
    static const int sybils[] = {12, 3, 12};
    for (int kind = 0; kind < 3; kind++) {
        begin(80 + (uint64_t)kind, 6);
        is_removed_while_away(5);
        for (int i = 0; i < sybils[kind]; i++)
            fork_sybil(5);
        for (int i = 0; kind > 0 && i < 5; i++)
            fork_remove(5, i);
        for (int i = 0; kind == 2 && i < 6 + sybils[kind]; i++)
            lives_at(i, (uint8_t)(i < 5 ? i / 2 : 100));
        assembly_server_start(&a);
        assembly_run(&a, 6 * US_PER_S);
        for (int i = 5; i < 6 + sybils[kind]; i++)
            assert_false(a.people[i].admitted);
        honest_ones_go_on(5);
        assembly_end(&a);
    }
}

static bool spoil(void *context, int person, struct span message) {
    struct wire_message m;
    (void)context;
    if (message.data[0] != WIRE_RESTATED || person > 1)
        return true;
    struct mls_buf bytes;
    mls_buf_init(&bytes, 2 * WIRE_MESSAGE_LEN_MAX);
    mls_wr_span(&bytes, message);
    bytes.w.data[message.len - (person == 0 ? 40 : message.len / 2)] ^= 1;
    if (wire_read(WIRE_FROM_CLIENT, mls_buf_span(&bytes), &m) == WIRE_OK)
        assembly_inject(&a, person, true, mls_buf_span(&bytes));
    mls_buf_free(&bytes);
    return false;
}

static void what_is_restated_wrongly_is_asked_of_another(void **state) {
    (void)state;
    begin(90, 5);
    a.watch.up = spoil;
    restart(US_PER_S);
    assert_true(assembly_settle(&a, 10 * US_PER_S));
    assert_int_equal(counters()->service_restated, 1);
    assert_int_equal(alarms(), 0);
    assembly_end(&a);
}

static void nobody_is_asked_to_restate_in_the_middle_of_a_connection(void **state) {
    (void)state;
    begin(91, 3);
    uint64_t seq = a.people[1].member->last_seq, dropped = a.people[1].member->dropped;
    assembly_say(&a, 1, false, &(struct wire_message){.type = WIRE_RESTATE, .flags = WIRE_RESTATE_WHOLE});
    assembly_run(&a, US_PER_S);
    assert_int_equal(a.people[1].member->dropped, dropped + 1);
    assert_int_equal(a.people[1].member->last_seq, seq);
    assert_int_equal(alarms(), 0);
    assembly_end(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_of_the_server_ends_no_meeting),
        cmocka_unit_test(a_restart_in_the_middle_of_a_commit_ends_no_meeting),
        cmocka_unit_test(a_person_who_is_away_over_the_restart_comes_back),
        cmocka_unit_test(who_missed_epochs_that_nobody_has_any_more_enters_anew),
        cmocka_unit_test(where_too_few_come_back_the_meeting_is_over_and_may_begin_anew),
        cmocka_unit_test(random_meetings_go_on_over_restarts),
        cmocka_unit_test(a_restated_group_of_a_removed_member_is_refused),
        cmocka_unit_test(a_fork_of_sybils_is_not_restated),
        cmocka_unit_test(what_is_restated_wrongly_is_asked_of_another),
        cmocka_unit_test(nobody_is_asked_to_restate_in_the_middle_of_a_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
