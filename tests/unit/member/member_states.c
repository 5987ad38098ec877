#include "member_states.h"

#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "unit.h"

#define OF_A_TYPE_MAX 3

struct assembly a;

/* ---- what was said ---- */

struct samples own, foreign;
struct samples *recording;

static void record(struct span message) {
    if (recording == NULL || recording->count == SAMPLES_MAX || recording->of_type[message.data[0]] == OF_A_TYPE_MAX)
        return;
    recording->of_type[message.data[0]]++;
    struct sample *s = &recording->list[recording->count++];
    s->len = message.len;
    s->bytes = malloc(message.len);
    assert_non_null(s->bytes);
    memcpy(s->bytes, message.data, message.len);
}

void samples_free(struct samples *samples) {
    for (size_t i = 0; i < samples->count; i++)
        free(samples->list[i].bytes);
    memset(samples, 0, sizeof *samples);
}

/* ---- the way ---- */

int target; /* whose messages may be lost */
uint8_t drop_down[256], drop_up[256];
bool silent; /* the server says nothing more to it */

struct seen seen;

void wrong(const char *what) {
    if (seen.wrong == NULL)
        seen.wrong = what;
}

static void output(void *context, int person, const struct member_output *out) {
    (void)context;
    if (!seen.on || person != target)
        return;
    seen.outputs++;
    switch (out->type) {
    case MEMBER_ALARM:
        seen.alarms++;
        break;
    case MEMBER_KEYS: /* the page's keys take none that is not above the one in use */
        if (seen.seals && out->epoch <= seen.sealing)
            wrong("a key of an epoch that is over");
        break;
    case MEMBER_SWITCH:
        if (seen.seals && out->epoch <= seen.sealing)
            wrong("a switch to an epoch that is over");
        seen.seals = true;
        seen.sealing = out->epoch;
        break;
    case MEMBER_CONFIRMED:
        seen.unconfirmed = seen.unconfirmed || !out->flag;
        break;
    case MEMBER_ENDED:
        seen.ended = true;
        break;
    default:
        break;
    }
}

static bool down(void *context, int person, struct span message) {
    (void)context;
    if (person == target || recording == &foreign)
        record(message);
    return person != target || (!silent && drop_down[message.data[0]] == 0);
}

static bool up(void *context, int person, struct span message) {
    (void)context;
    return person != target || drop_up[message.data[0]] == 0;
}

/* ---- states ---- */

void settle(void) {
    assert_true(assembly_settle(&a, 20 * US_PER_S));
    assembly_run(&a, US_PER_S);
}

static void base(uint64_t seed, int people) {
    memset(drop_down, 0, sizeof drop_down);
    memset(drop_up, 0, sizeof drop_up);
    silent = false;
    target = TARGET;
    assembly_begin(&a, seed, FAST);
    a.watch = (struct assembly_watch){.output = output, .down = down, .up = up};
    for (int i = 0; i < people; i++) {
        assembly_join(&a, i == 0 ? ASSEMBLY_OWNER : ASSEMBLY_GUEST);
        assert_true(assembly_settle(&a, 5 * US_PER_S));
    }
    if (people <= REMOVED)
        return;
    struct member *host = a.people[0].member;
    assert_int_equal(member_title(host, &a.rng, span_str("the title")), MLS_OK);
    assembly_drain(&a, 0);
    assembly_run(&a, US_PER_S);
    assert_int_equal(member_remove(host, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, span_str(a.people[REMOVED].identity)),
                     MLS_OK);
    assembly_drain(&a, 0);
    settle();
}

struct member *us(void) {
    return a.people[target].member;
}

static void commit_of(int i) {
    assert_int_equal(member_commit(a.people[i].member, &a.rng, span_of(NULL, 0), false, false, span_of(NULL, 0)),
                     MLS_OK);
    assembly_drain(&a, i);
}

static void say(uint8_t type, uint64_t epoch) {
    assembly_say(&a, target, false, &(struct wire_message){.type = type, .seq = us()->last_seq + 1, .epoch = epoch});
    assembly_run(&a, 1000);
}

/* In small steps, until it is so. */
#define UNTIL(condition)                                                                                               \
    do {                                                                                                               \
        for (int step_ = 0; step_ < 20000 && !(condition); step_++)                                                    \
            assembly_run(&a, 500);                                                                                     \
        assert_true(condition);                                                                                        \
    } while (0)

static void come(void) {
    assert_int_equal(assembly_join(&a, ASSEMBLY_GUEST), TARGET);
}

static void before_hello(void) {
    base(1, 3);
    drop_down[WIRE_CHALLENGE] = 1;
    come();
    assembly_run(&a, 300000);
    assert_int_equal(us()->state, MEMBER_CONNECTING);
}

static void challenged(void) {
    base(2, 3);
    drop_up[WIRE_HELLO] = 1;
    come();
    UNTIL(us()->state == MEMBER_WAITING);
}

static void waiting(void) {
    base(3, 3);
    drop_down[WIRE_JOIN_NOW] = 1;
    come();
    assembly_run(&a, 500000);
    assert_int_equal(us()->state, MEMBER_WAITING);
}

static void fetching_the_tree(void) {
    base(4, 3);
    come();
    UNTIL(us()->fetching == FETCH_JOIN);
}

static void joining(void) {
    base(5, 3);
    drop_up[WIRE_COMMIT] = 1;
    come();
    UNTIL(us()->joining != NULL);
}

static void joining_and_accepted(void) {
    base(6, 3);
    drop_down[WIRE_READY] = 1;
    come();
    UNTIL(us()->next == NEXT_JOINING);
}

static void welcomed(void) {
    base(7, 3);
    come();
    assembly_join(&a, ASSEMBLY_GUEST);
    assembly_join(&a, ASSEMBLY_GUEST);
    target = TARGET + 1; /* the first comes by itself */
    UNTIL(us()->fetching == FETCH_WELCOME);
}

static void creating(void) {
    base(8, 0);
    target = 0;
    drop_up[WIRE_CREATE] = 1;
    assembly_join(&a, ASSEMBLY_OWNER);
    UNTIL(us()->creating);
}

void in_group(uint64_t seed) {
    base(seed, 3);
    come();
    settle();
    member_mark_verified(us(), span_str(a.people[1].identity), true);
    assembly_drain(&a, target);
}

static void in(void) {
    in_group(9);
}

static void staged_of_a_host(void) {
    in_group(10);
    drop_down[WIRE_READY] = 1;
    commit_of(0);
    UNTIL(us()->next == NEXT_STAGED);
}

static void staged(void) {
    in_group(11);
    drop_down[WIRE_READY] = 1;
    commit_of(1);
    UNTIL(us()->next == NEXT_STAGED);
}

static void committing(void) {
    in_group(12);
    drop_up[WIRE_COMMIT] = 1;
    commit_of(target);
    assembly_run(&a, 100000);
}

static void committed(void) {
    in_group(13);
    drop_down[WIRE_READY] = 1;
    commit_of(target);
    UNTIL(us()->next == NEXT_OWN);
}

/* One commit of the others is lost. */
static void go_astray(uint64_t seed) {
    in_group(seed);
    drop_down[WIRE_HANDSHAKE] = drop_down[WIRE_READY] = 1;
    commit_of(0);
    assembly_run(&a, US_PER_S);
    drop_down[WIRE_HANDSHAKE] = drop_down[WIRE_READY] = 0;
}

static void astray(void) {
    go_astray(14);
    drop_down[WIRE_RESYNC] = 1;
    say(WIRE_READY, member_epoch(us()) + 1);
    assert_true(us()->astray);
}

static void fetching_the_chain(void) {
    go_astray(15);
    say(WIRE_READY, member_epoch(us()) + 1);
    UNTIL(us()->fetching == FETCH_CHAIN);
}

static void rejoining(void) {
    go_astray(16);
    drop_up[WIRE_COMMIT] = 1;
    say(WIRE_READY, member_epoch(us()) + 1);
    UNTIL(us()->joining != NULL);
}

static void rejoining_and_accepted(void) {
    go_astray(17);
    drop_down[WIRE_READY] = 1;
    say(WIRE_READY, member_epoch(us()) + 1);
    assembly_say(&a, target, false,
                 &(struct wire_message){.type = WIRE_READY, .seq = 0, .epoch = member_epoch(us()) + 1});
    UNTIL(us()->next == NEXT_JOINING);
}

static void resuming(void) {
    in_group(18);
    drop_up[WIRE_HELLO] = 1;
    assembly_cut(&a, target, false);
    UNTIL(us()->resuming);
}

static void catching_up(void) {
    in_group(19);
    drop_down[WIRE_HANDSHAKE] = drop_down[WIRE_READY] = drop_down[WIRE_APP_FROM] = 1;
    assembly_cut(&a, target, false);
    commit_of(1);
    UNTIL(us()->catching_up);
}

static void restating(void) {
    in_group(20);
    drop_down[WIRE_STATE] = 1;
    assembly_server_stop(&a);
    assembly_run(&a, 100000);
    assembly_server_start(&a);
    UNTIL(us()->restated);
}

static void away(void) {
    in_group(21);
    assembly_cut(&a, target, false);
    UNTIL(us()->state == MEMBER_AWAY);
}

static void a_departure_is_announced(void) {
    in_group(22);
    drop_down[WIRE_READY] = 1;
    assembly_leave(&a, 1);
    struct mls_proposal_info info;
    UNTIL(mls_proposal_at(us()->group, 0, &info));
}

static void removed(void) {
    in_group(23);
    assert_int_equal(
        member_remove(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, span_str(a.people[target].identity)),
        MLS_OK);
    assembly_drain(&a, 0);
    UNTIL(a.people[target].ended);
}

static void left(void) {
    in_group(24);
    assembly_leave(&a, target);
    assembly_run(&a, US_PER_S);
}

const struct state states[STATES] = {
    {"before hello", before_hello},
    {"challenged", challenged},
    {"waiting", waiting},
    {"fetching the tree", fetching_the_tree},
    {"joining", joining},
    {"joining and accepted", joining_and_accepted},
    {"welcomed", welcomed},
    {"creating", creating},
    {"in", in},
    {"a host's commit staged", staged_of_a_host},
    {"a commit staged", staged},
    {"committing", committing},
    {"committed", committed},
    {"astray", astray},
    {"fetching the chain", fetching_the_chain},
    {"rejoining", rejoining},
    {"rejoining and accepted", rejoining_and_accepted},
    {"resuming", resuming},
    {"catching up", catching_up},
    {"restating", restating},
    {"away", away},
    {"a departure is announced", a_departure_is_announced},
    {"removed", removed},
    {"left", left},
};
