/* What the delivery service's work costs, beside the prices of src/delivery/budget.h, and what hostile members cost the
 * others.
 *
 *     bench_delivery [members]
 *
 * Processor time of one thread, so that a busy machine does not matter. Waiting is worked out from it: messages are
 * taken one after the other, in the order of their arrival on the virtual clock, each for as long as it took; how long
 * one waits and is worked on is what a person waits for the server. Hostile members send a correctly signed commit with
 * a broken GroupInfo, `bad`, and acks, each a thousand times a second. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/time.h"
#include "delivery/budget.h"
#include "member/member_internal.h"
#include "sim/assembly.h"

#define HOSTILE 3
#define SECONDS 20
#define SAMPLES_MAX 400000
#define TYPES 17

struct watch {
    double begun, busy_us; /* busy_us: on the virtual clock */
    double took_us[TYPES];
    uint32_t count[TYPES];
    double waits_us[SAMPLES_MAX];
    uint32_t waits;
    double work_us; /* for hostile members */
    uint8_t commit[64 << 10];
    size_t commit_len;
};

static struct assembly a;
static struct watch w;
static bool attack;

static double cpu_us(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static bool is_hostile(int person) {
    return person >= 1 && person <= HOSTILE;
}

static void taking(void *context, int person, struct span message) {
    (void)context;
    (void)person;
    (void)message;
    w.begun = cpu_us();
}

static void taken(void *context, int person, struct span message) {
    (void)context;
    double took_us = cpu_us() - w.begun, now_us = (double)a.now_us;
    double begin_us = w.busy_us > now_us ? w.busy_us : now_us;
    w.busy_us = begin_us + took_us;
    if (message.data[0] < TYPES) {
        w.took_us[message.data[0]] += took_us;
        w.count[message.data[0]]++;
    }
    if (is_hostile(person) && attack)
        w.work_us += took_us;
    else if (w.waits < SAMPLES_MAX)
        w.waits_us[w.waits++] = w.busy_us - now_us;
}

/* A hostile member's commits do not set out as they are: one is kept, with its GroupInfo broken. */
static bool up(void *context, int person, struct span message) {
    (void)context;
    if (!attack || !is_hostile(person) || message.data[0] != WIRE_COMMIT || message.len > sizeof w.commit)
        return true;
    memcpy(w.commit, message.data, message.len);
    w.commit[message.len - 1] ^= 1; /* of the GroupInfo's signature */
    w.commit_len = message.len;
    return false;
}

static void lie(int person, const struct wire_message *message) {
    assembly_say(&a, person, true, message);
}

static void be_hostile(int person) {
    struct member *m = a.people[person].member;
    if (!assembly_present(&a.people[person]) || !a.people[person].up || a.people[person].held || m->group == NULL)
        return;
    uint64_t epoch = member_epoch(m);
    if (person == 1) { /* a fresh commit whenever the epoch has changed */
        m->heal_at_us = a.now_us;
        member_tick(m, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng);
        assembly_drain(&a, person);
        if (w.commit_len > 0)
            assembly_inject(&a, person, true, span_of(w.commit, w.commit_len));
    } else if (person == 2) {
        lie(person, &(struct wire_message){.type = WIRE_BAD, .epoch = epoch, .status = MLS_PROPOSAL_REFUSED});
    } else {
        lie(person, &(struct wire_message){.type = WIRE_ACK, .epoch = epoch});
    }
}

static int by_size(const void *x, const void *y) {
    double d = *(const double *)x - *(const double *)y;
    return (d > 0) - (d < 0);
}

static double part_ms(unsigned percent) {
    return w.waits_us[(size_t)w.waits * percent / 100] / 1e3;
}

/* Others talk, come and go, while hostile members do what they do. */
static double run(int members, bool with_attack) {
    memset(&w, 0, sizeof w);
    attack = false;
    assembly_begin(&a, 1, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    a.watch = (struct assembly_watch){.taking = taking, .taken = taken, .up = up};
    for (int i = 0; i < members; i++) {
        (void)assembly_join(&a, i == 0 ? ASSEMBLY_OWNER : ASSEMBLY_GUEST);
        assembly_run(&a, 100 * US_PER_MS);
    }
    bool settled = assembly_settle(&a, 30 * US_PER_S);
    ASSERT(settled);
    attack = with_attack;
    w.waits = 0;
    for (int ms = 0; ms < SECONDS * 1000; ms++) {
        for (int i = 1; i <= HOSTILE && attack; i++)
            be_hostile(i);
        int who = HOSTILE + 1 + (int)rng_below(&a.rng, (uint64_t)(members - HOSTILE - 1));
        if (ms % 50 == 0 && a.people[who].member != NULL && member_state(a.people[who].member) == MEMBER_IN) {
            (void)member_chat(a.people[who].member, 1, &a.rng, span_of(NULL, 0), span_str("i"), span_str("words"));
            assembly_drain(&a, who);
        }
        if (ms % 1000 == 500)
            (void)assembly_join(&a, ASSEMBLY_GUEST);
        assembly_run(&a, US_PER_MS);
    }
    qsort(w.waits_us, w.waits, sizeof w.waits_us[0], by_size);
    double p99 = part_ms(99);
    uint32_t in = 0;
    for (int i = members; i < members + SECONDS; i++)
        in += member_state(a.people[i].member) == MEMBER_IN;
    printf(
        "%-24s others: median %.2f ms, p99 %.2f ms of %u messages; %u of %d who came are in; hostile work %.1f ms/s\n",
        with_attack ? "three hostile members" : "nobody hostile", part_ms(50), p99, w.waits, in, SECONDS,
        w.work_us / SECONDS / 1e3);
    if (!with_attack) {
        static const struct {
            enum wire_type type;
            const char *name;
            unsigned price;
        } rows[] = {{WIRE_HELLO, "hello", PRICE_HELLO_US},    {WIRE_CREATE, "create", PRICE_CREATE_US},
                    {WIRE_COMMIT, "commit", PRICE_COMMIT_US}, {WIRE_ACK, "ack", PRICE_ACK_US},
                    {WIRE_APP, "app", PRICE_SEALED_US},       {WIRE_CHECKED, "checked", PRICE_CHECKED_US}};
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            if (w.count[rows[i].type] == 0)
                continue;
            printf("  %-8s %8.1f us, price from %u us\n", rows[i].name, w.took_us[rows[i].type] / w.count[rows[i].type],
                   rows[i].price);
        }
    }
    assembly_end(&a);
    return p99;
}

int main(int argc, char **argv) {
    int members = argc > 1 ? atoi(argv[1]) : 30;
    if (members <= HOSTILE + 1 || members + SECONDS > ASSEMBLY_PEOPLE_MAX) {
        fprintf(stderr, "bench_delivery [members]: %d to %d\n", HOSTILE + 2, ASSEMBLY_PEOPLE_MAX - SECONDS);
        return 2;
    }
    double calm = run(members, false), attacked = run(members, true);
    printf("others wait %.2f ms longer\n", attacked - calm);
    return attacked - calm > 10 ? 1 : 0;
}
