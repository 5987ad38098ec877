/* A member in each of its states is told everything that a server may say, in each form: as it is, told again, of
 * another meeting, of another epoch, with another number, cut, changed, and followed by the words that could make it
 * stand. Whatever it is, nothing is trusted that was not before, nothing good is given up, nobody who was removed is
 * back, and nobody is stuck without a word.
 *
 * Each state is made once; each message is tried in a process of its own, which an assertion may end. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "e2ee/heap_watch.h"
#include "member_states.h"
#include "unit.h"

#define OUTPUTS_MAX 600
#define HEAP_MORE_MAX (24u << 20)

/* ---- what must be so ---- */

static struct before {
    bool group, over;
    uint64_t epoch;
    uint8_t group_id[64];
    size_t group_id_len;
    enum member_state state;
    size_t heap;
    uint32_t alarms;
    char title[64];
    uint8_t removed_seat[64];
    size_t removed_seat_len;
} before;

static void look_before(void) {
    const struct member *m = us();
    before = (struct before){.group = m->group != NULL, .state = m->state, .over = m->ended_told};
    before.epoch = member_epoch(m);
    before.heap = heap_bytes();
    if (before.group) {
        before.group_id_len = mls_group_id(m->group).len;
        memcpy(before.group_id, mls_group_id(m->group).data, before.group_id_len);
    }
    memcpy(before.title, m->title.bytes, m->title.len < 63 ? m->title.len : 63);
    if (target != 0) {
        struct span seat = mls_buf_span(&a.people[REMOVED].member->signature_public);
        before.removed_seat_len = seat.len;
        memcpy(before.removed_seat, seat.data, seat.len);
    }
    memset(&seen, 0, sizeof seen);
    seen.on = true;
    seen.seals = before.group;
    seen.sealing = before.epoch;
}

static void look_at_people(const struct member *m) {
    struct member_person p;
    uint32_t cursor = 0;
    while (member_person_next(m, &cursor, &p)) {
        int who = assembly_person_of(&a, p.identity);
        if (who < 0)
            wrong("somebody whom nobody knows");
        else if (!p.self && p.verified && (who != 1 || !before.group))
            wrong("somebody is verified whom nobody compared with");
        if (before.removed_seat_len > 0 && p.signature_key.len == before.removed_seat_len &&
            memcmp(p.signature_key.data, before.removed_seat, p.signature_key.len) == 0)
            wrong("who was removed is back");
        if (p.host && who != 0)
            wrong("a host whom nobody made one");
        if (p.disputes)
            wrong("a dispute that nobody began");
    }
}

/* `first`: nothing but the lie was heard. */
static void look(bool first) {
    const struct member *m = us();
    if (m->state == MEMBER_IN && m->group == NULL)
        wrong("in without a group");
    if (before.over && seen.outputs > 0)
        wrong("something follows the end");
    if (before.group && !m->ended_told) {
        if (m->group == NULL) {
            wrong("a good group was given up");
            return;
        }
        if (member_epoch(m) < before.epoch)
            wrong("a lower epoch");
        struct span id = mls_group_id(m->group);
        if (id.len != before.group_id_len || memcmp(id.data, before.group_id, id.len) != 0)
            wrong("another group");
    }
    if (m->group != NULL)
        look_at_people(m);
    if (m->title.len > 0 && target != 0 && !span_equal_str(text_span(&m->title), "the title"))
        wrong("a title that no host gave");
    if (first && heap_bytes() > before.heap + HEAP_MORE_MAX)
        wrong("memory without bound");
    if (seen.outputs > OUTPUTS_MAX && first)
        wrong("outputs without bound");
}

/* ---- one message ---- */

struct lie {
    const struct sample *message;
    bool malformed, foreign;
    uint8_t then; /* of this type a word that may make it stand; 0: none */
};

static bool verbose(void) {
    return getenv("MEMBER_VERBOSE") != NULL;
}

static void tell(struct span bytes) {
    assembly_inject(&a, target, false, bytes);
    assembly_run(&a, 100);
    look(true);
}

static void tell_then(uint8_t type) {
    static const uint8_t nonce[WIRE_NONCE_LEN];
    struct wire_message message = {.type = type,
                                   .seq = us()->last_seq + 1,
                                   .epoch = us()->next != NEXT_NONE ? us()->next_epoch : member_epoch(us()) + 1,
                                   .standing = WIRE_STANDING_RESUMED,
                                   .suite = FAST,
                                   .unix_s = ASSEMBLY_UNIX_S(&a),
                                   .nonce = span_of(nonce, sizeof nonce)};
    if (type == WIRE_ACCEPTED)
        message.epoch = member_epoch(us()) + 1;
    assembly_say(&a, target, false, &message);
    assembly_run(&a, 100);
    look(true);
}

/* 0: good. In a process of its own. */
static int try_lie(const struct lie *lie) {
    silent = true;
    tell(span_of(lie->message->bytes, lie->message->len));
    if (lie->then != 0) {
        tell_then(lie->then);
        tell_then(WIRE_READY);
    }
    if (lie->malformed && !before.over && us()->connected && seen.alarms == 0)
        wrong("what is malformed was not shown");
    for (int i = 0; i < 10; i++) {
        assembly_run(&a, 300000);
        look(true);
    }
    /* then the server is honest */
    silent = false;
    memset(drop_down, 0, sizeof drop_down);
    memset(drop_up, 0, sizeof drop_up);
    assembly_cut(&a, target, false);
    bool back = assembly_settle(&a, 90 * US_PER_S);
    look(false);
    /* a way back that the server says was taken, and was not, is a group of one's own: nobody confirms it */
    bool told = seen.alarms > 0 || (lie->then != 0 && seen.unconfirmed);
    if (!back && !seen.ended && !told)
        wrong("stuck without a word");
    return seen.wrong != NULL;
}

static uint32_t met, tried, failed;

/* All of them where MEMBER_ALL is set (a minute); else one in so many, the same ones each time. */
#define ONE_IN 25

static bool is_drawn(void) {
    static int all = -1;
    if (all < 0)
        all = getenv("MEMBER_ALL") != NULL;
    return all != 0 || (met * UINT32_C(2654435761) >> 16) % ONE_IN == 0;
}

static void attempt(const struct state *state, const struct lie *lie, const char *form) {
    met++;
    if (!is_drawn())
        return;
    tried++;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!verbose())
            (void)!freopen("/dev/null", "w", stderr);
        alarm(120);
        int status = try_lie(lie);
        if (status != 0)
            fprintf(stdout, "  %s: %u %s, then %u: %s\n", state->name, lie->message->bytes[0], form, lie->then,
                    seen.wrong);
        fflush(stdout);
        _exit(status);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        print_message("  %s: %u %s, then %u: signal %d\n", state->name, lie->message->bytes[0], form, lie->then,
                      WTERMSIG(status));
    failed += status != 0;
}

/* ---- each message in each form ---- */

static const uint8_t words_after[] = {WIRE_ACCEPTED, WIRE_WITHDRAWN, WIRE_STALE, WIRE_STATE, WIRE_RESTATE};

/* What prepares something that a later word may make stand. */
static bool prepares(uint8_t type) {
    return type == WIRE_RESYNC || type == WIRE_JOIN_NOW || type == WIRE_WELCOME || type == WIRE_HANDSHAKE ||
           type == WIRE_CREATE_NOW || type == WIRE_COMMIT_NOW || type == WIRE_CHALLENGE;
}

static void each_after(const struct state *state, const struct sample *message, bool is_foreign, const char *form) {
    attempt(state, &(struct lie){.message = message, .foreign = is_foreign}, form);
    for (size_t i = 0; prepares(message->bytes[0]) && i < ARRAY_LEN(words_after); i++)
        attempt(state, &(struct lie){.message = message, .foreign = is_foreign, .then = words_after[i]}, form);
}

static void written(const struct state *state, struct wire_message message, const char *form) {
    struct mls_buf bytes;
    mls_buf_init(&bytes, WIRE_MESSAGE_LEN_MAX);
    wire_write(&message, &bytes);
    assert_true(mls_buf_ok(&bytes));
    struct sample sample = {.bytes = bytes.w.data, .len = mls_buf_len(&bytes)};
    each_after(state, &sample, false, form);
    mls_buf_free(&bytes);
}

/* With every number of the server's own. */
static void numbered(const struct state *state, struct wire_message message) {
    uint64_t e = member_epoch(us()), s = us()->last_seq;
    const uint64_t epochs[] = {0, e - 1, e, e + 1, e + 2, UINT64_MAX}, seqs[] = {0, s + 1, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(epochs); i++) {
        for (size_t k = 0; k < ARRAY_LEN(seqs); k++) {
            message.epoch = epochs[i];
            message.seq = seqs[k];
            written(state, message, "of any number");
        }
    }
}

static void tell_what_is_made(const struct state *state) {
    static const uint8_t nonce[WIRE_NONCE_LEN];
    static const uint8_t types[] = {WIRE_ACCEPTED, WIRE_STALE, WIRE_READY, WIRE_WITHDRAWN, WIRE_SENT};
    struct span nobody = span_str("p_nobody");
    uint8_t list[64];
    struct mls_buf identities;
    mls_buf_over(&identities, list, sizeof list);
    wire_add_identity(&identities, nobody);
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        numbered(state, (struct wire_message){.type = types[i]});
    for (uint8_t standing = WIRE_STANDING_FOUND; standing <= WIRE_STANDING_RETURN; standing++)
        written(state, (struct wire_message){.type = WIRE_STATE, .suite = FAST, .standing = standing},
                "of that standing");
    written(state, (struct wire_message){.type = WIRE_STATE, .suite = 2, .standing = WIRE_STANDING_RESUMED},
            "of another suite");
    numbered(state, (struct wire_message){.type = WIRE_STATE, .suite = FAST, .standing = WIRE_STANDING_RESUMED});
    for (uint8_t reason = WIRE_GONE_REMOVED; reason <= WIRE_GONE_CANNOT_FOLLOW; reason++)
        written(state, (struct wire_message){.type = WIRE_GONE, .reason_gone = reason, .by = nobody},
                "for that reason");
    for (uint8_t flags = 0; flags <= 1; flags++)
        written(state, (struct wire_message){.type = WIRE_RESTATE, .flags = flags}, "out of place");
    for (int i = 0; i < 3; i++)
        written(state,
                (struct wire_message){.type = WIRE_CHALLENGE,
                                      .nonce = span_of(nonce, sizeof nonce),
                                      .unix_s = i == 0   ? 0
                                                : i == 1 ? UINT64_MAX
                                                         : ASSEMBLY_UNIX_S(&a)},
                "again");
    written(state, (struct wire_message){.type = WIRE_ONLINE}, "of nobody");
    written(state, (struct wire_message){.type = WIRE_ONLINE, .list = mls_buf_span(&identities)}, "of strangers");
    written(state, (struct wire_message){.type = WIRE_CREATE_NOW, .external_sender = nobody}, "of another sender");
    written(state, (struct wire_message){.type = WIRE_CLOSING, .within_s = UINT32_MAX}, "out of place");
    written(state, (struct wire_message){.type = WIRE_WAITING}, "out of place");
    written(state, (struct wire_message){.type = WIRE_MODERATED, .what = WIRE_REMOVE, .by = nobody}, "out of place");
    written(state, (struct wire_message){.type = WIRE_DIRECT_FROM, .identity = nobody, .sealed = nobody},
            "of strangers");
}

static void tell_samples(const struct state *state, const struct samples *samples, bool is_foreign) {
    const char *form = is_foreign ? "of another meeting" : "again";
    for (size_t i = 0; i < samples->count; i++) {
        const struct sample *s = &samples->list[i];
        struct wire_message m;
        each_after(state, s, is_foreign, form);
        assert_int_equal(wire_read(WIRE_FROM_SERVER, span_of(s->bytes, s->len), &m), WIRE_OK);
        if (m.seq == us()->last_seq + 1)
            continue;
        m.seq = us()->last_seq + 1;
        written(state, m, form);
    }
}

static void changed(const struct state *state, const struct sample *s) {
    const size_t places[] = {s->len / 3, s->len * 2 / 3, s->len - 1};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        s->bytes[places[i]] ^= 1;
        attempt(state, &(struct lie){.message = s}, "changed");
        s->bytes[places[i]] ^= 1;
    }
}

static void tell_malformed(const struct state *state) {
    bool done[256] = {false};
    static uint8_t unknown[] = {144, 1, 2}, no_bytes[] = {0};
    attempt(state, &(struct lie){.message = &(struct sample){.bytes = unknown, .len = 3}, .malformed = true},
            "unknown");
    attempt(state, &(struct lie){.message = &(struct sample){.bytes = no_bytes, .len = 0}, .malformed = true}, "empty");
    for (size_t i = 0; i < own.count; i++) {
        const struct sample *s = &own.list[i];
        if (done[s->bytes[0]])
            continue;
        done[s->bytes[0]] = true;
        changed(state, s);
        const size_t lens[] = {1, s->len / 2, s->len - 1};
        for (size_t k = 0; k < ARRAY_LEN(lens); k++) {
            if (lens[k] < s->len)
                attempt(
                    state,
                    &(struct lie){.message = &(struct sample){.bytes = s->bytes, .len = lens[k]}, .malformed = true},
                    "cut");
        }
    }
}

/* ---- tests ---- */

static const struct state *only(void) {
    const char *name = getenv("MEMBER_STATE");
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(states); i++) {
        if (strcmp(states[i].name, name) == 0)
            return &states[i];
    }
    return NULL;
}

static void record_another_meeting(void) {
    recording = &foreign;
    in_group(100);
    assembly_leave(&a, 1);
    assembly_run(&a, 2 * US_PER_S);
    assembly_cut(&a, TARGET, false);
    assembly_run(&a, 5 * US_PER_S);
    for (int i = 0; i < 3; i++) /* one comes by itself, and the others are added */
        assembly_join(&a, ASSEMBLY_GUEST);
    settle();
    assembly_say(&a, TARGET, true, &(struct wire_message){.type = WIRE_BAD, .status = 1});
    assembly_run(&a, US_PER_S);
    recording = NULL;
    assembly_end(&a);
}

static void whatever_a_server_says_in_whatever_state_nothing_is_trusted_or_given_up(void **unused) {
    (void)unused;
    record_another_meeting();
    assert_true(foreign.of_type[WIRE_RESYNC] > 0);
    assert_true(foreign.of_type[WIRE_WELCOME] > 0);
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        const struct state *state = &states[i];
        if (only() != NULL && only() != state)
            continue;
        recording = &own;
        state->make();
        recording = NULL;
        look_before();
        uint32_t tried_before = tried;
        tell_what_is_made(state);
        tell_samples(state, &own, false);
        tell_samples(state, &foreign, true);
        tell_malformed(state);
        if (verbose())
            print_message("%s: %u tried, %u failed so far\n", state->name, tried - tried_before, failed);
        seen.on = false;
        samples_free(&own);
        assembly_end(&a);
    }
    samples_free(&foreign);
    print_message("%u tried\n", tried);
    assert_int_equal(failed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_a_server_says_in_whatever_state_nothing_is_trusted_or_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
